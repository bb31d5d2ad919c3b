//! Requests of peers until our answer has left.
//!
//! Each gets a token that is good for one answer. Bounded in number and bytes, together and per peer, because each occupies memory until a machine has
//! decided. An answer counts as under way until the transport has taken all of it, so that a shutdown can wait for it.
//!
//! Generic over the way back to the peer, so that it can be tested without one.

use super::{
    behaviour::Line,
    limits::{MAX_INBOUND_BYTES, MAX_INBOUND_PER_PEER, MAX_INBOUND_REQUESTS},
};
use libp2p::request_response::InboundRequestId;
use pc2_protocols::{id::NodeId, net::RequestToken};
use std::collections::{BTreeMap, BTreeSet};

/// How libp2p names a request; unique within a line.
pub(super) type Key = (Line, InboundRequestId);

#[derive(Debug)]
struct Pending<Back, K> {
    from: NodeId,
    bytes: usize,
    back: Back,
    key: K,
}

/// All requests that wait or whose answers are leaving.
#[derive(Debug)]
pub(super) struct Inbound<Back, K = Key> {
    pending: BTreeMap<RequestTokenKey, Pending<Back, K>>,
    by_key: BTreeMap<K, RequestTokenKey>,
    per_peer: BTreeMap<NodeId, usize>,
    leaving: BTreeSet<K>,
    bytes: usize,
    next: u64,
}

type RequestTokenKey = u64;

impl<Back, K: Copy + Ord> Inbound<Back, K> {
    /// An empty book.
    pub(super) const fn new() -> Self {
        Self {
            pending: BTreeMap::new(),
            by_key: BTreeMap::new(),
            per_peer: BTreeMap::new(),
            leaving: BTreeSet::new(),
            bytes: 0,
            next: 1,
        }
    }

    /// Takes a request in; gives the way back again when there is no room.
    pub(super) fn open(
        &mut self,
        from: NodeId,
        bytes: usize,
        back: Back,
        key: K,
    ) -> Result<RequestToken, Back> {
        let of_peer = self.per_peer.get(&from).copied().unwrap_or(0);
        let full = self.pending.len() >= MAX_INBOUND_REQUESTS
            || of_peer >= MAX_INBOUND_PER_PEER
            || self.bytes.saturating_add(bytes) > MAX_INBOUND_BYTES;
        if full {
            return Err(back);
        }
        let number = self.next;
        self.next += 1;
        self.pending.insert(number, Pending { from, bytes, back, key });
        self.by_key.insert(key, number);
        self.per_peer.insert(from, of_peer + 1);
        self.bytes += bytes;
        Ok(RequestToken(number))
    }

    /// The answer is there: gives the way back, once. The answer counts as leaving from now on.
    pub(super) fn answer(&mut self, token: RequestToken) -> Option<(NodeId, Back, K)> {
        let pending = self.remove(token.0)?;
        self.leaving.insert(pending.key);
        Some((pending.from, pending.back, pending.key))
    }

    /// There will be no answer.
    pub(super) fn refuse(&mut self, token: RequestToken) {
        // Dropping the way back ends the peer's request.
        drop(self.remove(token.0));
    }

    /// The answer has left, or the peer is gone.
    pub(super) fn ended(&mut self, key: K) {
        self.leaving.remove(&key);
        if let Some(number) = self.by_key.get(&key).copied() {
            drop(self.remove(number));
        }
    }

    /// Whether anything of this peer waits for an answer.
    pub(super) fn is_busy_with(&self, node: NodeId) -> bool {
        self.per_peer.contains_key(&node)
    }

    /// Whether something of this peer waits for an answer, or any answer is leaving, with a key such as this.
    pub(super) fn is_busy_by(&self, node: NodeId, such: impl Fn(&K) -> bool) -> bool {
        self.leaving.iter().any(&such) || self.pending.values().any(|one| one.from == node && such(&one.key))
    }

    /// Whether answers are leaving.
    pub(super) fn any_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    fn remove(&mut self, number: RequestTokenKey) -> Option<Pending<Back, K>> {
        let pending = self.pending.remove(&number)?;
        self.by_key.remove(&pending.key);
        self.bytes -= pending.bytes;
        if let Some(count) = self.per_peer.get_mut(&pending.from) {
            *count -= 1;
            if *count == 0 {
                self.per_peer.remove(&pending.from);
            }
        }
        Some(pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId::from_bytes([1; 32]);
    const B: NodeId = NodeId::from_bytes([2; 32]);

    #[test]
    fn a_token_is_good_for_one_answer() {
        let mut book = Inbound::<&str, u64>::new();
        let token = book.open(A, 10, "way back", 7).expect("room");
        assert_eq!(book.answer(token), Some((A, "way back", 7)));
        assert_eq!(book.answer(token), None);
        assert!(book.any_leaving());
        book.ended(7);
        assert!(!book.any_leaving());
        assert!(!book.is_busy_with(A));
    }

    #[test]
    fn a_peer_that_leaves_takes_its_requests_along() {
        let mut book = Inbound::<(), u64>::new();
        let token = book.open(A, 10, (), 7).expect("room");
        book.ended(7);
        assert_eq!(book.answer(token), None);
        assert_eq!(book.bytes, 0);
    }

    #[test]
    fn one_peer_cannot_fill_the_book_and_all_together_cannot_fill_memory() {
        let mut book = Inbound::<(), u64>::new();
        let mut key = 0;
        let mut open = |book: &mut Inbound<(), u64>, from, bytes| {
            key += 1;
            book.open(from, bytes, (), key).is_ok()
        };
        assert_eq!((0..1_000).filter(|_| open(&mut book, A, 1)).count(), MAX_INBOUND_PER_PEER);
        assert!(open(&mut book, B, 1));
        assert!(!open(&mut book, B, MAX_INBOUND_BYTES));
    }
}
