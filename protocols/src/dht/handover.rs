//! Bringing held records to nodes that come to be nearer to them.
//!
//! In: peers that connect, with the records they are nearer to than this node. Out: one record at a time at a bounded rate,
//! begun after a random wait, so that the other holders of the same record do not all do it in the same second.
//! Bounded: what does not fit is left to the owner's next refresh.
//!
//! Lost on restart: everything; the peer connects again. Not here: which records ([`super::holder`]), sending ([`super::serve`]).

use crate::{
    id::{NodeId, RecordKey},
    time::Mono,
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// Most records that wait to be handed over.
const MAX_QUEUE: usize = 2_048;

/// Most records for one newcomer.
pub(super) const MAX_FOR_ONE: usize = 512;

/// Records handed over in one go, once a second: some 16 KiB/s of cards.
const AT_ONCE: usize = 8;

/// Time between two goes.
const PACE: Duration = Duration::from_secs(1);

/// The longest wait before the first.
pub(super) const MAX_START_DELAY: Duration = Duration::from_secs(20);

/// A peer that comes and goes is brought records once in this time.
const ONCE_IN: Duration = Duration::from_secs(3_600);

/// Peers whose last time is remembered; with more, none is handed over to until some are forgotten.
const MAX_REMEMBERED: usize = 1_024;

/// What waits to be handed over.
#[derive(Debug, Default)]
pub(super) struct Handover {
    queue: VecDeque<(NodeId, RecordKey)>,
    last: BTreeMap<NodeId, Mono>,
    due: Option<Mono>,
}

impl Handover {
    /// Whether a newly connected peer is to be looked at. Remembers that it was.
    pub(super) fn welcomes(&mut self, peer: NodeId, now: Mono) -> bool {
        self.last.retain(|_, at| now.since(*at) < ONCE_IN);
        if self.last.contains_key(&peer) || self.last.len() >= MAX_REMEMBERED {
            return false;
        }
        self.last.insert(peer, now);
        true
    }

    /// Queues records for a peer, to begin after `delay`.
    pub(super) fn queue(&mut self, peer: NodeId, keys: Vec<RecordKey>, now: Mono, delay: Duration) {
        let room = MAX_QUEUE.saturating_sub(self.queue.len());
        self.queue.extend(keys.into_iter().take(room).map(|key| (peer, key)));
        if !self.queue.is_empty() && self.due.is_none() {
            self.due = Some(now.after(delay));
        }
    }

    /// What is to be handed over now.
    pub(super) fn take(&mut self, now: Mono) -> Vec<(NodeId, RecordKey)> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let taken: Vec<_> = self.queue.drain(..AT_ONCE.min(self.queue.len())).collect();
        self.due = (!self.queue.is_empty()).then(|| now.after(PACE));
        taken
    }

    /// A peer left or wants none: what waits for it is dropped.
    pub(super) fn forget(&mut self, peer: NodeId) {
        self.queue.retain(|(to, _)| *to != peer);
        if self.queue.is_empty() {
            self.due = None;
        }
    }

    /// A peer left before it had everything: it is looked at again when it is back.
    pub(super) fn left(&mut self, peer: NodeId) {
        if self.queue.iter().any(|(to, _)| *to == peer) {
            self.last.remove(&peer);
            self.forget(peer);
        }
    }

    /// When the next go is.
    pub(super) const fn due(&self) -> Option<Mono> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId::from_bytes([1; 32]);

    fn keys(n: u8) -> Vec<RecordKey> {
        (0..n).map(|n| RecordKey::from_bytes([n; 32])).collect()
    }

    #[test]
    fn records_are_handed_over_at_a_bounded_rate() {
        let mut handover = Handover::default();
        handover.queue(PEER, keys(20), Mono(0), Duration::from_secs(5));
        assert!(handover.take(Mono(4_999)).is_empty());
        assert_eq!(handover.take(Mono(5_000)).len(), 8);
        assert!(handover.take(Mono(5_999)).is_empty());
        assert_eq!(handover.take(Mono(6_000)).len(), 8);
        assert_eq!(handover.take(Mono(7_000)).len(), 4);
        assert_eq!(handover.due(), None);
    }

    #[test]
    fn a_peer_that_comes_and_goes_is_brought_records_once_an_hour() {
        let mut handover = Handover::default();
        assert!(handover.welcomes(PEER, Mono(0)));
        assert!(!handover.welcomes(PEER, Mono(3_599_999)));
        assert!(handover.welcomes(PEER, Mono(3_600_000)));
    }

    #[test]
    fn a_peer_that_left_in_the_middle_is_looked_at_again() {
        let mut handover = Handover::default();
        assert!(handover.welcomes(PEER, Mono(0)));
        handover.queue(PEER, keys(3), Mono(0), Duration::ZERO);
        handover.left(PEER);
        assert_eq!(handover.due(), None);
        assert!(handover.welcomes(PEER, Mono(1)));
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut handover = Handover::default();
        for _ in 0..20 {
            handover.queue(PEER, keys(255), Mono(0), Duration::ZERO);
        }
        assert_eq!(handover.queue.len(), MAX_QUEUE);
    }
}
