//! Notices that the machine slept.
//!
//! On Linux the monotonic clock stands still during sleep while the wall clock goes on; a stopped process sees both jump. Either way, more time
//! has passed between two looks than should have. A wall clock that is corrected by more than a minute looks the same; dialling again does no harm then.

use super::limits::SLEEP_GAP;
use std::time::{Duration, Instant, SystemTime};

/// Remembers when it was last looked at.
#[derive(Debug)]
pub(super) struct SleepWatch {
    mono: Instant,
    wall: SystemTime,
}

impl SleepWatch {
    /// Starts watching.
    pub(super) const fn new(mono: Instant, wall: SystemTime) -> Self {
        Self { mono, wall }
    }

    /// Looks at both clocks; whether the machine slept since the last look.
    pub(super) fn slept(&mut self, mono: Instant, wall: SystemTime) -> bool {
        let ran = mono.saturating_duration_since(self.mono);
        let passed = wall.duration_since(self.wall).unwrap_or(Duration::ZERO);
        (self.mono, self.wall) = (mono, wall);
        ran > SLEEP_GAP || passed > SLEEP_GAP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_shows_on_either_clock_and_a_clock_set_back_is_no_sleep() {
        let (mono, wall) = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
        let second = Duration::from_secs(1);
        let hour = Duration::from_secs(3_600);
        let mut watch = SleepWatch::new(mono, wall);
        assert!(!watch.slept(mono + second, wall + second));
        assert!(watch.slept(mono + second * 2, wall + hour), "suspended");
        assert!(watch.slept(mono + hour, wall + hour + second), "stopped");
        assert!(!watch.slept(mono + hour + second, wall), "set back");
    }
}
