//! How often a part may fail before it is left alone for a while.
//!
//! In: failures with their time. Out: whether to go on at once or after how long. The first few within a window are
//! forgiven; beyond that the wait doubles with each failure, until the window passes without one.
//!
//! Not here: rebuilding (see `host`).

use pc2_protocols::time::Mono;
use std::{collections::VecDeque, time::Duration};

/// What is forgiven, and how long to wait beyond it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// So many failures within `window` are answered by an immediate rebuild.
    pub(crate) forgiven: usize,
    /// The window.
    pub(crate) window: Duration,
    /// The first wait.
    pub(crate) first_wait: Duration,
    /// The longest wait.
    pub(crate) longest_wait: Duration,
}

impl Patience {
    /// For panics: a bug that strikes more than five times a minute will strike again.
    pub(crate) const PANICS: Self = Self {
        forgiven: 5,
        window: Duration::from_secs(60),
        first_wait: Duration::from_secs(1),
        longest_wait: Duration::from_secs(60),
    };

    /// For failed writes: the disk's fault, and answered to whoever asked. The wait is only how long a machine that would
    /// write by itself is not set going, and is short, because space may be freed at any time.
    pub(crate) const WRITES: Self = Self {
        forgiven: 3,
        window: Duration::from_secs(60),
        first_wait: Duration::from_secs(1),
        longest_wait: Duration::from_secs(10),
    };
}

/// The failures of one part.
#[derive(Debug)]
pub(crate) struct Restarts {
    patience: Patience,
    recent: VecDeque<Mono>,
    wait: Duration,
}

impl Restarts {
    /// None yet.
    pub(crate) const fn new(patience: Patience) -> Self {
        Self { patience, recent: VecDeque::new(), wait: Duration::ZERO }
    }

    /// Counts a failure. Returns how long to wait before the rebuild; zero: at once.
    pub(crate) fn failed(&mut self, now: Mono) -> Duration {
        let Patience { forgiven, window, first_wait, longest_wait } = self.patience;
        // A wait belongs to its failures: it must not make them look old.
        let remembered = window.saturating_add(self.wait);
        while self.recent.front().is_some_and(|&at| now.since(at) >= remembered) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        if self.recent.len() > forgiven.saturating_add(1) {
            self.recent.pop_front();
        }
        self.wait = if self.recent.len() <= forgiven {
            Duration::ZERO
        } else if self.wait.is_zero() {
            first_wait
        } else {
            self.wait.saturating_mul(2).min(longest_wait)
        };
        self.wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail_times(restarts: &mut Restarts, times: usize, now: Mono) -> Duration {
        (0..times).map(|_| restarts.failed(now)).last().expect("at least once")
    }

    #[test]
    fn five_failures_a_minute_are_forgiven_and_the_sixth_is_not() {
        let mut restarts = Restarts::new(Patience::PANICS);
        assert_eq!(fail_times(&mut restarts, 5, Mono(1_000)), Duration::ZERO);
        assert_eq!(restarts.failed(Mono(2_000)), Duration::from_secs(1));
    }

    #[test]
    fn the_wait_doubles_and_stays_bounded() {
        let mut restarts = Restarts::new(Patience::PANICS);
        fail_times(&mut restarts, 6, Mono(0));
        assert_eq!(restarts.failed(Mono(1_000)), Duration::from_secs(2));
        assert_eq!(fail_times(&mut restarts, 20, Mono(3_000)), Patience::PANICS.longest_wait);
    }

    #[test]
    fn a_failure_right_after_the_longest_wait_still_counts_as_one_of_many() {
        let mut restarts = Restarts::new(Patience::PANICS);
        fail_times(&mut restarts, 26, Mono(0));
        assert_eq!(restarts.failed(Mono(61_000)), Patience::PANICS.longest_wait);
    }

    #[test]
    fn a_quiet_window_is_a_fresh_start() {
        let mut restarts = Restarts::new(Patience::PANICS);
        fail_times(&mut restarts, 6, Mono(0));
        assert_eq!(restarts.failed(Mono(61_000)), Duration::ZERO);
    }
}
