//! What a node lends to the network: defaults, and what makes sense.
//!
//! Not here: keeping to it (the driver for relaying, the mailbox machine for its disk).

use super::{CommandError, Shares};
use crate::{limits, net::RelayShare};
use std::ops::RangeInclusive;

impl Default for RelayShare {
    fn default() -> Self {
        Self {
            reservations: limits::RELAY_RESERVATIONS,
            circuits: limits::RELAY_CIRCUITS,
            circuit_bytes: limits::RELAY_CIRCUIT_BYTES,
            circuit_seconds: limits::RELAY_CIRCUIT_SECONDS,
            bytes_per_second: limits::RELAY_BYTES_PER_SECOND,
        }
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self { relay: RelayShare::default(), mailbox_bytes: limits::MAILBOX_SHARE_BYTES }
    }
}

impl Shares {
    /// Everything that makes no sense, one sentence each. Empty: all of it does.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let Self { relay, mailbox_bytes } = self;
        let checks = [
            within("reservations", relay.reservations.into(), limits::RELAY_RESERVATIONS_BOUNDS, ""),
            within("circuits", relay.circuits.into(), limits::RELAY_CIRCUITS_BOUNDS, ""),
            within("circuit_bytes", relay.circuit_bytes, limits::RELAY_CIRCUIT_BYTES_BOUNDS, " bytes"),
            within(
                "circuit_seconds",
                relay.circuit_seconds.into(),
                limits::RELAY_CIRCUIT_SECONDS_BOUNDS,
                " seconds",
            ),
            within(
                "bytes_per_second",
                relay.bytes_per_second,
                limits::RELAY_BYTES_PER_SECOND_BOUNDS,
                " bytes",
            ),
            within("mailbox_bytes", *mailbox_bytes, limits::MAILBOX_SHARE_BOUNDS, " bytes"),
        ];
        checks.into_iter().flatten().collect()
    }

    /// Refuses what makes no sense.
    pub(super) fn check(&self) -> Result<(), CommandError> {
        let problems = self.problems();
        if problems.is_empty() { Ok(()) } else { Err(CommandError::BadShare { what: problems.join("; ") }) }
    }
}

fn within(name: &str, value: u64, bounds: RangeInclusive<u64>, unit: &str) -> Option<String> {
    let (least, most) = (bounds.start(), bounds.end());
    (!bounds.contains(&value)).then(|| format!("{name} = {value}: it can be {least} to {most}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense() {
        assert_eq!(Shares::default().problems(), Vec::<String>::new());
    }

    #[test]
    fn all_that_makes_no_sense_is_told_at_once_with_what_would() {
        let relay = RelayShare {
            reservations: 0,
            circuits: u32::MAX,
            circuit_bytes: 1,
            circuit_seconds: 59,
            bytes_per_second: 1,
        };
        let shares = Shares { relay, mailbox_bytes: u64::MAX };
        assert_eq!(shares.problems().len(), 6);
        let Err(CommandError::BadShare { what }) = shares.check() else { panic!("refused") };
        assert!(what.contains("reservations = 0: it can be 1 to 4096"), "{what}");
        assert!(what.contains("circuit_seconds = 59: it can be 3600 to 604800 seconds"), "{what}");
    }
}
