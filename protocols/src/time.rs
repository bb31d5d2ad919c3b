//! Time as machines see it: passed in with every input, never read.
//!
//! Two clocks, because they answer different questions. [`Mono`] never runs backwards and decides
//! when to try again; [`UnixMillis`] is what people and signatures mean by a date, can be wrong by a
//! day, and therefore never decides order.

use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// A point on the monotonic clock, in milliseconds since the process (or simulation) began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// The point `by` later; stays at the end of time instead of overflowing.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Wall-clock time, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The date `by` later; stays at the end of time instead of overflowing.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// The date `by` earlier; stays at 1970 instead of underflowing.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Both clocks at the moment of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Decides timeouts and retries.
    pub mono: Mono,
    /// Decides expiry of signed things, and what people are shown.
    pub unix: UnixMillis,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates_instead_of_overflowing() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(Mono(u64::MAX).after(hour), Mono(u64::MAX));
        assert_eq!(UnixMillis(u64::MAX).after(hour), UnixMillis(u64::MAX));
        assert_eq!(UnixMillis(5).before(hour), UnixMillis(0));
        assert_eq!(Mono(5).since(Mono(9)), Duration::ZERO);
    }
}
