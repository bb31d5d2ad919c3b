//! The only place where the node reads a clock for its machines.
//!
//! Monotonic time counts from the start of the process; the wall clock is taken as it is, right or wrong.
//!
//! Not here: alarms (see `alarm`), judging whether the wall clock is right (see `api`).

use pc2_protocols::time::{Mono, Now, UnixMillis};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Both clocks of one process. Copies agree with each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    /// Starts counting now.
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// What both clocks say.
    pub(crate) fn now(&self) -> Now {
        let mono = Mono::default().after(self.started.elapsed());
        // A clock before 1970 reads as 1970: dates are wrong then, but nothing stops.
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Now { mono, unix: UnixMillis::default().after(since_1970) }
    }

    /// The moment at which the monotonic clock reaches `at`. A point beyond what the system can name is a year away.
    pub(crate) fn instant(&self, at: Mono) -> Instant {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
        self.started.checked_add(Duration::from_millis(at.0)).unwrap_or_else(|| Instant::now() + YEAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instant_of_now_is_not_in_the_future() {
        let clock = Clock::start();
        assert!(clock.instant(clock.now().mono) <= Instant::now());
    }

    #[test]
    fn the_end_of_time_is_a_moment_like_any_other() {
        let clock = Clock::start();
        assert!(clock.instant(Mono(u64::MAX)) > Instant::now());
    }
}
