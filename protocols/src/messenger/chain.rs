//! How far one sender's chain has been received.
//!
//! In: the numbers and hashes of contents as they arrive, in any order. Out: whether a number is new, whether a content
//! continues the chain, and which numbers are missing. Pure: what is remembered is a [`ChainRow`].
//!
//! A chain begins at the first number that is seen: a sender offers the lowest number first that was not
//! acknowledged, so everything before it was received by an earlier installation of ours, or is gone.
//! Not here: opening contents, asking for what is missing ([`super::repair`]).

use super::{
    content::ContentHash,
    rows::{Beyond, ChainRow},
};
use crate::{
    id::{ConversationId, DeviceId, NodeId},
    limits,
    time::UnixMillis,
};
use std::collections::BTreeMap;

/// What the first content of a chain gives as the hash before it.
pub(super) const NOTHING_BEFORE: ContentHash = [0; 32];

/// Where a number stands in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Received before, or known to be gone.
    Known,
    /// Not received yet, and near enough to be taken.
    Open,
    /// Further ahead than the memory for gaps reaches.
    TooFar,
}

/// The received part of one chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Chain {
    through: u64,
    hash: Option<ContentHash>,
    beyond: BTreeMap<u64, Link>,
    started: UnixMillis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    hash: ContentHash,
    prev_hash: ContentHash,
}

impl Chain {
    /// Reads it from its row.
    pub(super) fn from_row(row: &ChainRow) -> Self {
        let links = row.beyond.iter().map(|b| (b.seq, Link { hash: b.hash, prev_hash: b.prev_hash }));
        Self { through: row.through, hash: row.hash, beyond: links.collect(), started: row.started }
    }

    /// Its row.
    pub(super) fn row(&self, account: NodeId, conversation: ConversationId, device: DeviceId) -> ChainRow {
        let beyond = self.beyond.iter().map(|(seq, link)| Beyond {
            seq: *seq,
            hash: link.hash,
            prev_hash: link.prev_hash,
        });
        ChainRow {
            account,
            conversation,
            device,
            through: self.through,
            hash: self.hash,
            beyond: beyond.collect(),
            started: self.started,
        }
    }

    /// Creation date of the newest session its device started; zero when none.
    pub(super) const fn started(&self) -> UnixMillis {
        self.started
    }

    /// Remembers that its device started a session.
    pub(super) const fn start(&mut self, created: UnixMillis) {
        self.started = created;
    }

    /// Fixes where the chain begins, the first time one of its numbers is seen.
    pub(super) const fn begin_at(&mut self, seq: u64) {
        if self.has_begun() {
            return;
        }
        match seq {
            0 | 1 => self.hash = Some(NOTHING_BEFORE),
            later => self.through = later - 1,
        }
    }

    const fn has_begun(&self) -> bool {
        self.through > 0 || self.hash.is_some()
    }

    /// Where a number stands.
    pub(super) fn place(&self, seq: u64) -> Place {
        if !self.has_begun() {
            return Place::Open;
        }
        match seq.checked_sub(self.through) {
            None | Some(0) => Place::Known,
            Some(ahead) if ahead > limits::SEND_WINDOW => Place::TooFar,
            Some(_) if self.beyond.contains_key(&seq) => Place::Known,
            Some(_) => Place::Open,
        }
    }

    /// Takes in a content whose number is [`Place::Open`]. Returns whether it fits its neighbours: `false` when
    /// one of them is known and a hash does not match.
    pub(super) fn insert(&mut self, seq: u64, hash: ContentHash, prev_hash: ContentHash) -> bool {
        self.begin_at(seq);
        let before = match seq.checked_sub(1) {
            Some(previous) if previous == self.through => self.hash,
            Some(previous) => self.beyond.get(&previous).map(|link| link.hash),
            None => None,
        };
        let after = seq.checked_add(1).and_then(|next| self.beyond.get(&next)).map(|link| link.prev_hash);
        let fits = before.is_none_or(|known| known == prev_hash) && after.is_none_or(|known| known == hash);
        self.beyond.insert(seq, Link { hash, prev_hash });
        self.advance();
        fits
    }

    /// Passes over numbers that will never come, as far as they directly follow what was received.
    pub(super) fn skip(&mut self, gone: &[u64]) -> bool {
        let mut skipped = false;
        while let Some(next) = self.through.checked_add(1).filter(|next| gone.contains(next)) {
            self.through = next;
            self.hash = None;
            skipped = true;
            self.advance();
        }
        skipped
    }

    fn advance(&mut self) {
        while let Some(next) = self.through.checked_add(1)
            && let Some(link) = self.beyond.remove(&next)
        {
            self.through = next;
            self.hash = Some(link.hash);
        }
    }

    /// The first run of missing numbers, at most [`limits::MAX_REPAIR`] of them.
    pub(super) fn gap(&self) -> Option<(u64, u64)> {
        let first_beyond = *self.beyond.first_key_value()?.0;
        self.missing_before(first_beyond)
    }

    /// The first missing numbers before `seq`, at most [`limits::MAX_REPAIR`] of them.
    pub(super) fn missing_before(&self, seq: u64) -> Option<(u64, u64)> {
        let from = self.through.checked_add(1)?;
        let last = seq.min(self.beyond.first_key_value().map_or(seq, |(first, _)| *first)).checked_sub(1)?;
        let to = last.min(from.saturating_add(limits::MAX_REPAIR - 1));
        (from <= to).then_some((from, to))
    }

    /// The missing numbers up to the last that was received, within [`limits::MAX_REPAIR`] of the first.
    pub(super) fn missing(&self) -> Vec<u64> {
        let (Some(first), Some((last, _))) = (self.through.checked_add(1), self.beyond.last_key_value())
        else {
            return Vec::new();
        };
        let last = (*last).min(first.saturating_add(limits::MAX_REPAIR - 1));
        (first..=last).filter(|seq| !self.beyond.contains_key(seq)).collect()
    }

    /// The numbers received beyond a gap, in order.
    pub(super) fn beyond(&self) -> impl Iterator<Item = u64> {
        self.beyond.keys().copied()
    }

    /// Everything up to and including this number was received or is gone.
    pub(super) const fn through(&self) -> u64 {
        self.through
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash_of(seq: u64) -> ContentHash {
        let mut hash = [7; 32];
        hash[..8].copy_from_slice(&seq.to_be_bytes());
        if seq == 0 { NOTHING_BEFORE } else { hash }
    }

    fn put(chain: &mut Chain, seq: u64) -> bool {
        chain.insert(seq, hash_of(seq), hash_of(seq - 1))
    }

    #[test]
    fn contents_in_order_leave_nothing_beyond() {
        let mut chain = Chain::default();
        assert!((1..=500).all(|seq| put(&mut chain, seq)));
        assert_eq!(chain.through(), 500);
        assert_eq!(chain.gap(), None);
        assert!(chain.beyond.is_empty());
    }

    #[test]
    fn a_gap_is_seen_and_closes() {
        let mut chain = Chain::default();
        put(&mut chain, 1);
        put(&mut chain, 4);
        put(&mut chain, 5);
        assert_eq!(chain.gap(), Some((2, 3)));
        assert_eq!(chain.place(4), Place::Known);
        assert_eq!(chain.place(3), Place::Open);
        put(&mut chain, 3);
        assert_eq!(chain.gap(), Some((2, 2)));
        put(&mut chain, 2);
        assert_eq!(chain.gap(), None);
        assert_eq!(chain.through(), 5);
    }

    #[test]
    fn a_fresh_chain_begins_where_the_sender_begins() {
        let mut chain = Chain::default();
        assert_eq!(chain.place(5_001), Place::Open);
        assert!(put(&mut chain, 5_001));
        assert_eq!(chain.through(), 5_001);
        assert_eq!(chain.place(5_000), Place::Known);
    }

    #[test]
    fn a_beginning_that_could_not_be_opened_is_still_missing() {
        let mut chain = Chain::default();
        chain.begin_at(1);
        put(&mut chain, 2);
        assert_eq!(chain.gap(), Some((1, 1)));
        let mut later = Chain::default();
        later.begin_at(9);
        put(&mut later, 10);
        assert_eq!(later.gap(), Some((9, 9)));
    }

    #[test]
    fn numbers_beyond_the_window_are_too_far() {
        let mut chain = Chain::default();
        put(&mut chain, 1);
        assert_eq!(chain.place(1 + limits::SEND_WINDOW), Place::Open);
        assert_eq!(chain.place(2 + limits::SEND_WINDOW), Place::TooFar);
        assert_eq!(chain.place(u64::MAX), Place::TooFar);
        assert_eq!(chain.missing_before(5_000), Some((2, 1 + limits::MAX_REPAIR)));
    }

    #[test]
    fn a_content_that_does_not_continue_is_noticed_from_either_side() {
        let mut chain = Chain::default();
        put(&mut chain, 1);
        assert!(!chain.insert(2, hash_of(2), [9; 32]));
        put(&mut chain, 4);
        assert!(!chain.insert(3, [9; 32], hash_of(2)), "number 4 points back to another number 3");
    }

    #[test]
    fn the_first_content_points_back_to_nothing() {
        assert!(!Chain::default().insert(1, hash_of(1), [9; 32]));
    }

    #[test]
    fn what_is_gone_is_passed_over_and_what_follows_cannot_be_checked() {
        let mut chain = Chain::default();
        put(&mut chain, 1);
        put(&mut chain, 5);
        assert!(chain.skip(&[2, 4]));
        assert_eq!(chain.gap(), Some((3, 4)), "4 is passed over only once 3 is decided");
        assert!(chain.insert(3, hash_of(3), [9; 32]), "number 2 is gone, nothing to compare with");
        assert!(chain.skip(&[4]));
        assert_eq!((chain.through(), chain.hash), (5, Some(hash_of(5))));
        assert!(!chain.skip(&[9]));
    }

    #[test]
    fn the_end_of_all_numbers_does_not_overflow() {
        let mut chain = Chain::default();
        put(&mut chain, u64::MAX);
        assert_eq!(chain.place(u64::MAX), Place::Known);
        assert!(!chain.skip(&[u64::MAX, 0]));
        assert_eq!(chain.gap(), None);
    }

    proptest! {
        #[test]
        fn any_order_ends_whole_and_never_counts_one_twice(mut order in Just((1u64..=200).collect::<Vec<_>>()).prop_shuffle()) {
            let mut chain = Chain::default();
            chain.begin_at(1);
            order.extend(order.clone());
            let mut taken = 0;
            for seq in order {
                if chain.place(seq) == Place::Open {
                    prop_assert!(put(&mut chain, seq));
                    taken += 1;
                }
                let row = chain.row(NodeId::from_bytes([1; 32]), ConversationId::from_bytes([2; 32]), DeviceId::from_bytes([3; 16]));
                prop_assert_eq!(&Chain::from_row(&row), &chain);
                prop_assert!(row.beyond.len() as u64 <= limits::SEND_WINDOW);
            }
            prop_assert_eq!(taken, 200);
            prop_assert_eq!(chain.through(), 200);
        }
    }
}
