//! How fast files may travel, all transfers of one direction together.
//!
//! In: bytes that are about to move. Out: a wait, so that they do not move faster than was set. A fast one does not starve others: whoever asks
//! first gets the next stretch of time.
//!
//! Not here: what is lent to others as a relay (`net`, `throttle`).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// What one piece may take.
const LONGEST: Duration = Duration::from_secs(3_600);

/// So much may be used ahead of time, so that a slow rate does not wait for each of a burst's small pieces.
const AHEAD: Duration = Duration::from_millis(50);

/// The pace of one direction.
#[derive(Debug)]
pub(crate) struct Pace {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Bytes a second; `None`: as fast as it goes.
    rate: Option<u64>,
    /// Until when the time is given away.
    taken: Instant,
}

impl Pace {
    /// As fast as it goes.
    pub(crate) fn unlimited() -> Self {
        Self { state: Mutex::new(State { rate: None, taken: Instant::now() }) }
    }

    /// From now on this fast.
    pub(crate) fn set(&self, rate: Option<u64>) {
        let mut state = self.state();
        state.rate = rate;
        state.taken = Instant::now();
    }

    /// Whether there is a limit at all.
    pub(crate) fn is_limited(&self) -> bool {
        self.state().rate.is_some()
    }

    /// Returns when so many bytes may move.
    pub(crate) async fn take(&self, bytes: usize) {
        let at = self.state().when(bytes, Instant::now());
        if let Some(at) = at {
            sleep_until(at).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// When so many bytes may move; `None`: at once.
    fn when(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let rate = self.rate?;
        let nanos = u128::try_from(bytes).unwrap_or_default() * 1_000_000_000 / u128::from(rate.max(1));
        // An hour for one piece is as good as never, and keeps the sum in range.
        let needed = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(LONGEST);
        self.taken = self.taken.max(now) + needed;
        self.taken.checked_sub(AHEAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_all_are_as_fast_as_was_set() {
        let now = Instant::now();
        let mut state = State { rate: Some(1_000), taken: now };
        let waits: Vec<Duration> = (0..10)
            .filter_map(|_| state.when(500, now))
            .map(|at| at.saturating_duration_since(now))
            .collect();
        assert_eq!(waits.first(), Some(&Duration::from_millis(450)));
        assert_eq!(waits.last(), Some(&Duration::from_millis(4_950)));
        // What was not used is not saved up.
        let later = now + Duration::from_secs(100);
        assert_eq!(state.when(500, later), Some(later + Duration::from_millis(450)));
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let pace = Pace::unlimited();
        pace.set(Some(1));
        assert!(pace.is_limited());
        assert!(pace.state().when(usize::MAX, Instant::now()).is_some());
        pace.set(None);
        assert_eq!(pace.state().when(usize::MAX, Instant::now()), None);
    }
}
