//! Bringing held records to nodes that come to be nearer to them.
//!
//! In: peers that connect, with the records they are nearer to than this node. Out: one record at a time at a bounded rate,
//! begun after a random wait, so that the other holders of the same record do not all do it in the same second. Who was met before
//! is only brought what came since; connections come and go by the minute, records by the hour.
//! Bounded: what does not fit is left to the owner's next refresh.
//!
//! Lost on restart: everything; the peer connects again. Not here: which records ([`super::holder`]), asking and sending ([`super::serve`]).

use crate::{
    id::{NodeId, RecordKey},
    limits,
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

/// Records looked at in one go, once a second: some 16 KiB/s, if they are all cards that the peer lacks.
const AT_ONCE: usize = 8;

/// Time between two goes.
const PACE: Duration = Duration::from_secs(1);

/// The longest wait before the first.
pub(super) const MAX_START_DELAY: Duration = Duration::from_secs(20);

/// Who was met longer ago than this is brought everything anew. Half a lease: what it had from us cannot have ended meanwhile.
const ANEW_AFTER: Duration = Duration::from_secs(limits::RECORD_LEASE.as_secs() / 2);

/// Peers that are remembered; with more, the one met longest ago is met as if for the first time.
const MAX_REMEMBERED: usize = 1_024;

/// What waits to be handed over.
#[derive(Debug, Default)]
pub(super) struct Handover {
    queue: VecDeque<(NodeId, RecordKey)>,
    met: BTreeMap<NodeId, Met>,
    due: Option<Mono>,
}

/// A peer that was looked at before.
#[derive(Debug, Clone, Copy)]
struct Met {
    /// When it was last looked at for everything.
    at: Mono,
    /// How many records had come here when it was last looked at.
    arrivals: u64,
}

impl Handover {
    /// Which records a newly connected peer is to be looked at for: those that came after so many.
    pub(super) fn since(&self, peer: NodeId, now: Mono) -> u64 {
        let met = self.met.get(&peer).filter(|met| now.since(met.at) < ANEW_AFTER);
        met.map_or(0, |met| met.arrivals)
    }

    /// A peer was looked at for all that came since `since`, `arrivals` records in all.
    pub(super) fn looked_at(&mut self, peer: NodeId, since: u64, arrivals: u64, now: Mono) {
        let before = self.met.get(&peer).filter(|_| since > 0);
        let at = before.map_or(now, |met| met.at);
        if !self.met.contains_key(&peer)
            && self.met.len() >= MAX_REMEMBERED
            && let Some(oldest) = self.met.iter().min_by_key(|(_, met)| met.at).map(|(peer, _)| *peer)
        {
            self.met.remove(&oldest);
        }
        self.met.insert(peer, Met { at, arrivals });
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
            self.met.remove(&peer);
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
    const ANEW_MS: u64 = ANEW_AFTER.as_secs() * 1_000;

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
    fn a_peer_that_comes_and_goes_is_brought_what_came_since_and_everything_twice_a_day() {
        let mut handover = Handover::default();
        assert_eq!(handover.since(PEER, Mono(0)), 0);
        handover.looked_at(PEER, 0, 30, Mono(0));
        assert_eq!(handover.since(PEER, Mono(60_000)), 30);
        handover.looked_at(PEER, 30, 32, Mono(60_000));
        assert_eq!(handover.since(PEER, Mono(ANEW_MS - 1)), 32);
        assert_eq!(handover.since(PEER, Mono(ANEW_MS)), 0, "everything once in half a lease");
    }

    #[test]
    fn a_peer_that_left_in_the_middle_is_looked_at_again() {
        let mut handover = Handover::default();
        handover.looked_at(PEER, 0, 3, Mono(0));
        handover.queue(PEER, keys(3), Mono(0), Duration::ZERO);
        handover.left(PEER);
        assert_eq!(handover.due(), None);
        assert_eq!(handover.since(PEER, Mono(1)), 0);
    }

    #[test]
    fn so_many_peers_are_remembered_and_the_one_met_longest_ago_goes() {
        let mut handover = Handover::default();
        for n in 0..=u16::try_from(MAX_REMEMBERED).expect("a small limit") {
            let mut id = [9; 32];
            id[..2].copy_from_slice(&n.to_be_bytes());
            handover.looked_at(NodeId::from_bytes(id), 0, 7, Mono(u64::from(n)));
        }
        assert_eq!(handover.met.len(), MAX_REMEMBERED);
        let mut first = [9; 32];
        first[..2].copy_from_slice(&[0, 0]);
        assert_eq!(handover.since(NodeId::from_bytes(first), Mono(2_000)), 0);
        first[1] = 1;
        assert_eq!(handover.since(NodeId::from_bytes(first), Mono(2_000)), 7);
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
