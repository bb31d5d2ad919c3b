//! How the mailbox machine is: figures for whoever looks, sentences for the owner of the node.
//!
//! In: its state and what was counted since the start. Out: a [`Status`]. Not here: doing anything about it.

use super::machine::Mailbox;
use crate::machine::Status;

/// The disk lent is called nearly full from this part of it on, in hundredths.
const NEARLY_FULL: u64 = 95;

/// What has been counted since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counters {
    pub(super) kept: u64,
    pub(super) shown: u64,
    pub(super) refused: u64,
    pub(super) misbehaved: u64,
    pub(super) arrived: u64,
    pub(super) unreadable: u64,
    pub(super) brought: u64,
    pub(super) not_taken: u64,
    /// Holders said that our time is not theirs.
    pub(super) untimely: u64,
    /// Holders answered as they should.
    pub(super) timely: u64,
}

impl Mailbox {
    /// The state in figures and concerns.
    pub(super) fn report(&self) -> Status {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut concerns = Vec::new();
        if self.counters.untimely > 0 && self.counters.timely == 0 {
            concerns.push(
                "nodes that hold this node's mailboxes refuse it because of the time: is the clock of this machine wrong?"
                    .into(),
            );
        }
        if self.level.keeps() && self.holder.bytes() / NEARLY_FULL >= (self.share() / 100).max(1) {
            concerns
                .push("the disk space lent to mailboxes is nearly full: new envelopes are refused".into());
        }
        if self.counters.not_taken > 0 {
            concerns.push("some messages could not be put into mailboxes: they wait until their recipient can be reached".into());
        }
        Status {
            figures: vec![
                ("envelopes held", count(self.holder.len())),
                ("bytes held", self.holder.bytes()),
                ("taken envelopes remembered", count(self.tombstones.len())),
                ("pinned holders", count(self.pins.nodes().len())),
                ("people served", count(self.served.len())),
                ("mailboxes subscribed", count(self.subscriptions.len())),
                ("parcels", count(self.parcels.len())),
                ("envelopes kept", self.counters.kept),
                ("envelopes shown", self.counters.shown),
                ("envelopes brought to others", self.counters.brought),
                ("requests refused", self.counters.refused),
                ("envelopes arrived", self.counters.arrived),
                ("envelopes unreadable", self.counters.unreadable),
                ("misbehaviour seen", self.counters.misbehaved),
            ],
            concerns,
        }
    }
}
