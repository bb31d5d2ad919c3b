//! How the record machine is: figures for whoever looks, sentences for the owner of the node.
//!
//! In: its state and what was counted since the start. Out: a [`Status`]. Not here: doing anything about it.

use super::Dht;
use crate::machine::Status;

/// What has been counted since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counters {
    pub(super) stored: u64,
    pub(super) refused: u64,
    pub(super) forged: u64,
    pub(super) served: u64,
    pub(super) conflicts: u64,
    pub(super) crowded: u64,
    pub(super) from_the_future: u64,
    /// Of the last round: how many nodes said that our record is not valid yet.
    pub(super) we_seem_ahead: usize,
    pub(super) key_package_too_large: bool,
}

impl Dht {
    /// The state in figures and concerns.
    pub(super) fn report(&self) -> Status {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let unconfirmed = self.own.values().filter(|own| own.confirmed.is_none()).count();
        let lookups = self.lookups.values().filter(|lookup| !lookup.done).count();
        let mut concerns = Vec::new();
        if self.counters.we_seem_ahead > 0 {
            concerns.push(
                "other nodes refuse this node's records as not valid yet: is the clock of this machine ahead?".into(),
            );
        }
        if self.counters.from_the_future > 0 && self.counters.stored == 0 {
            concerns.push(
                "records of other nodes are not valid yet by the clock of this machine: is it behind?".into(),
            );
        }
        if self.counters.key_package_too_large {
            concerns.push("the key package is too large for a card: the card keeps the last one".into());
        }
        if self.counters.conflicts > 0 {
            concerns.push(
                "records of this identity contradict each other: does it run on two machines at once?".into(),
            );
        }
        Status {
            figures: vec![
                ("records held", count(self.holder.len())),
                ("bytes held", self.holder.bytes()),
                ("records published", count(self.own.len())),
                ("records unconfirmed", count(unconfirmed)),
                ("lookups", count(lookups)),
                ("cards remembered", count(self.known.len())),
                ("records stored", self.counters.stored),
                ("records served", self.counters.served),
                ("records refused", self.counters.refused),
                ("crowded keys seen", self.counters.crowded),
                ("misbehaviour seen", self.counters.forged),
            ],
            concerns,
        }
    }
}
