//! How fast something goes, from how far it was a few seconds ago. The clock is passed in.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A speed is that of the last few seconds: long enough to be calm, short enough to be true.
const WINDOW: Duration = Duration::from_secs(5);

/// Before so much has passed there is no speed to speak of.
const LEAST: Duration = Duration::from_millis(400);

/// Measures one thing.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    samples: VecDeque<(Instant, u64)>,
}

impl Meter {
    /// How far it is now. Going back is beginning anew.
    pub(crate) fn note(&mut self, now: Instant, bytes: u64) {
        if self.samples.back().is_some_and(|(_, last)| *last > bytes) {
            self.samples.clear();
        }
        self.samples.push_back((now, bytes));
        // One older than the window stays, so that the window is filled.
        while self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.samples.pop_front();
        }
    }

    /// It does not go at the moment.
    pub(crate) fn rest(&mut self) {
        self.samples.clear();
    }

    /// Bytes a second, once there is something to tell.
    pub(crate) fn rate(&self) -> Option<u64> {
        let ((began, from), (ended, to)) = (self.samples.front()?, self.samples.back()?);
        let passed = ended.duration_since(*began);
        if passed < LEAST {
            return None;
        }
        let rate = u128::from(to.saturating_sub(*from)) * 1_000 / passed.as_millis().max(1);
        u64::try_from(rate).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_that_of_the_last_seconds() {
        let (began, mut meter) = (Instant::now(), Meter::default());
        let at = |millis| began + Duration::from_millis(millis);
        meter.note(at(0), 0);
        meter.note(at(100), 1_000);
        assert_eq!(meter.rate(), None, "too early to tell");
        (1..=20).for_each(|second| meter.note(at(second * 1_000), second * 5_000));
        assert_eq!(meter.rate(), Some(5_000));
        (21..=30).for_each(|second| meter.note(at(second * 1_000), 100_000));
        assert_eq!(meter.rate(), Some(0), "it stands still now");
    }

    #[test]
    fn what_begins_anew_has_no_speed_yet() {
        let (began, mut meter) = (Instant::now(), Meter::default());
        meter.note(began, 0);
        meter.note(began + Duration::from_secs(1), 1_000);
        assert_eq!(meter.rate(), Some(1_000));
        meter.note(began + Duration::from_secs(2), 10);
        assert_eq!(meter.rate(), None);
        meter.note(began + Duration::from_secs(3), 20);
        assert_eq!(meter.rate(), Some(10));
        meter.rest();
        assert_eq!(meter.rate(), None);
    }
}
