//! How fast everything that is relayed for others may flow, all of it together.
//!
//! Each taker gets a piece and the time from which it may use it. Times are given out in order, so that whoever asks first is served first, nobody is
//! starved, and nobody has to look again. A rate that is changed holds from the next piece on.
//!
//! Not here: which streams are slowed down (`shaped`).

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Bytes given out at once: a whole window of a multiplexer is many of these, so that circuits take turns.
pub(super) const PIECE_BYTES: u64 = 16 * 1024;

/// What was not used before may be made up for within so much time: enough that a chat never waits.
const BURST: Duration = Duration::from_millis(250);

/// The rate, and until when it is given away.
#[derive(Debug)]
pub(super) struct Throttle {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Bytes a second.
    rate: u64,
    /// The next piece may be used from here on.
    next: Instant,
}

impl Throttle {
    /// At most so many bytes a second.
    pub(super) fn new(rate: u64) -> Self {
        Self { state: Mutex::new(State { rate, next: Instant::now() }) }
    }

    /// Another rate from now on.
    pub(super) fn set_rate(&self, rate: u64) {
        self.locked().rate = rate;
    }

    /// Gives a piece of [`PIECE_BYTES`] away, and says from when on it may be used.
    pub(super) fn take(&self, now: Instant) -> Instant {
        let mut state = self.locked();
        let from = state.next.max(now.checked_sub(BURST).unwrap_or(now));
        let nanos = u128::from(PIECE_BYTES) * 1_000_000_000 / u128::from(state.rate.max(1));
        state.next =
            from + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX).min(MAX_WAIT_NANOS));
        from.max(now)
    }

    /// Nothing panics while it holds this; if it did, the state would still be whole.
    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One piece at the slowest rate that makes sense takes a quarter of a second; beyond a minute the clock's range would be at risk.
const MAX_WAIT_NANOS: u64 = 60_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 1024 * 1024;

    /// Bytes that may be used within the first second by somebody who takes all there is.
    fn within_a_second(throttle: &Throttle, start: Instant) -> u64 {
        let mut bytes = 0;
        while throttle.take(start) < start + Duration::from_secs(1) {
            bytes += PIECE_BYTES;
        }
        bytes
    }

    #[test]
    fn a_second_carries_the_rate_and_what_was_not_used_shortly_before() {
        let throttle = Throttle::new(RATE);
        let start = Instant::now() + Duration::from_secs(60);
        assert_eq!(within_a_second(&throttle, start), RATE + RATE / 4);
        let busy = start + Duration::from_secs(1);
        assert_eq!(within_a_second(&throttle, busy), RATE - PIECE_BYTES, "one piece was taken ahead");
    }

    #[test]
    fn takers_are_served_in_the_order_they_ask() {
        let throttle = Throttle::new(RATE);
        let start = Instant::now() + Duration::from_secs(60);
        let times: Vec<Instant> = (0..100).map(|_| throttle.take(start)).collect();
        assert!(times.is_sorted());
        assert!(times[99] > times[50]);
    }

    #[test]
    fn another_rate_holds_from_the_next_piece_on() {
        let throttle = Throttle::new(RATE);
        let start = Instant::now() + Duration::from_secs(60);
        within_a_second(&throttle, start);
        throttle.set_rate(2 * RATE);
        let taken_ahead = 2 * PIECE_BYTES;
        let next = start + Duration::from_secs(1);
        assert_eq!(
            within_a_second(&throttle, next),
            2 * RATE - taken_ahead,
            "a piece of before took twice as long"
        );
    }
}
