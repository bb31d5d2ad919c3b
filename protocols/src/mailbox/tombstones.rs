//! What owners have taken, so that no repair brings it back: of others' mailboxes as their holder, and of our own.
//!
//! In: acknowledgements whose signature was checked. Out: writes, and the owner's word for other holders. Bounded: the oldest are forgotten, and
//! then an owner is shown again what it knows at worst.
//!
//! Survives restart: all. Not here: checking signatures ([`super::wire::Ack::holds`]), envelopes ([`super::holder`]).

use super::{
    EnvelopeKey,
    rows::{Change, TombstoneRow},
    wire::{Ack, Acks, Owner},
};
use crate::{
    codec,
    id::{EnvelopeId, MailboxAddress},
    limits,
    time::UnixMillis,
};
use std::collections::{BTreeMap, BTreeSet};

/// Most forgotten in one step, so that a step stays short; the rest follows in the next.
const MAX_EXPIRED_AT_ONCE: usize = 256;

/// Longest row of one acknowledgement, in bytes: it has about 180.
const MAX_ROW_BYTES: usize = 512;

#[derive(Debug, Clone, Copy)]
struct Tombstone {
    owner: Owner,
    ack: Ack,
    until: UnixMillis,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    entries: BTreeMap<EnvelopeKey, Tombstone>,
    by_end: BTreeSet<(UnixMillis, EnvelopeKey)>,
}

impl Tombstones {
    /// Those on disk. Rows that are damaged are handed out as removals.
    pub(super) fn new(rows: Vec<TombstoneRow>) -> (Self, Vec<Change>) {
        let mut tombstones = Self::default();
        let mut damaged = Vec::new();
        for row in rows {
            let key = EnvelopeKey { address: row.address, id: row.id };
            match codec::decode::<Acks>(&row.ack, MAX_ROW_BYTES)
                .as_ref()
                .map(|acks| (acks.owner, acks.taken.as_slice()))
            {
                Ok((owner, [ack])) if ack.id == row.id => {
                    tombstones.insert(key, Tombstone { owner, ack: *ack, until: row.until });
                }
                Ok(_) | Err(_) => damaged.push(Change::RemoveTombstone(key)),
            }
        }
        (tombstones, damaged)
    }

    /// Remembers one until then, and forgets the oldest where there are too many.
    pub(super) fn add(
        &mut self,
        until: UnixMillis,
        owner: Owner,
        address: MailboxAddress,
        ack: Ack,
    ) -> Vec<Change> {
        let key = EnvelopeKey { address, id: ack.id };
        self.insert(key, Tombstone { owner, ack, until });
        let encoded = codec::encode(&Acks { owner, taken: vec![ack] });
        let mut changes =
            vec![Change::PutTombstone(TombstoneRow { address, id: ack.id, ack: encoded, until })];
        while self.entries.len() > limits::MAX_TOMBSTONES {
            let Some((_, oldest)) = self.by_end.first().copied() else { break };
            self.remove(&oldest);
            changes.push(Change::RemoveTombstone(oldest));
        }
        changes
    }

    /// The owner's word that it has taken this envelope.
    pub(super) fn get(&self, key: &EnvelopeKey, digest: &[u8; 32]) -> Option<Acks> {
        let tombstone = self.entries.get(key).filter(|tombstone| tombstone.ack.digest == *digest)?;
        Some(Acks { owner: tombstone.owner, taken: vec![tombstone.ack] })
    }

    /// The owner's word about those of some names, as many as fit into a frame.
    pub(super) fn among(
        &self,
        address: MailboxAddress,
        ids: impl Iterator<Item = EnvelopeId>,
    ) -> Option<Acks> {
        let found = ids.filter_map(|id| self.entries.get(&EnvelopeKey { address, id }));
        Self::together(found)
    }

    /// The owner's word about those of a mailbox, as many as fit into a frame.
    pub(super) fn of_mailbox(&self, address: MailboxAddress) -> Option<Acks> {
        Self::together(self.range(address).map(|(_, tombstone)| tombstone))
    }

    /// How many there are of a mailbox.
    pub(super) fn count(&self, address: MailboxAddress) -> usize {
        self.range(address).count()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Forgets what has ended by `now`, a bounded number at once.
    pub(super) fn expire(&mut self, now: UnixMillis) -> Vec<Change> {
        let ended: Vec<EnvelopeKey> = self
            .by_end
            .iter()
            .take_while(|(until, _)| *until <= now)
            .take(MAX_EXPIRED_AT_ONCE)
            .map(|(_, key)| *key)
            .collect();
        ended
            .into_iter()
            .map(|key| {
                self.remove(&key);
                Change::RemoveTombstone(key)
            })
            .collect()
    }

    /// When the next one ends.
    pub(super) fn next_end(&self) -> Option<UnixMillis> {
        self.by_end.first().map(|(until, _)| *until)
    }

    fn together<'a>(found: impl Iterator<Item = &'a Tombstone>) -> Option<Acks> {
        let found: Vec<&Tombstone> = found.take(limits::MAX_ACKS).collect();
        let owner = found.first()?.owner;
        Some(Acks { owner, taken: found.into_iter().map(|tombstone| tombstone.ack).collect() })
    }

    fn range(&self, address: MailboxAddress) -> impl Iterator<Item = (&EnvelopeKey, &Tombstone)> {
        let first = EnvelopeKey { address, id: EnvelopeId::from_bytes([0; 16]) };
        self.entries.range(first..).take_while(move |(key, _)| key.address == address)
    }

    fn insert(&mut self, key: EnvelopeKey, tombstone: Tombstone) {
        self.remove(&key);
        self.by_end.insert((tombstone.until, key));
        self.entries.insert(key, tombstone);
    }

    fn remove(&mut self, key: &EnvelopeKey) {
        if let Some(tombstone) = self.entries.remove(key) {
            self.by_end.remove(&(tombstone.until, *key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::sign::Signer, mailbox::wire::AckClaim};
    use ed25519_dalek::SigningKey;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn signer() -> Signer {
        Signer::new(SigningKey::from_bytes(&[7; 32]))
    }

    fn owner() -> Owner {
        Owner::Week { mailbox: *signer().node().as_bytes() }
    }

    fn ack(n: u8) -> Ack {
        let claim =
            AckClaim { address: owner().address(), id: EnvelopeId::from_bytes([n; 16]), digest: [n; 32] };
        claim.sign(&signer())
    }

    fn key(n: u8) -> EnvelopeKey {
        EnvelopeKey { address: owner().address(), id: EnvelopeId::from_bytes([n; 16]) }
    }

    #[test]
    fn what_was_taken_is_known_by_its_content_and_after_a_restart() {
        let mut tombstones = Tombstones::default();
        let changes = tombstones.add(NOW, owner(), owner().address(), ack(1));
        let [Change::PutTombstone(row)] = changes.as_slice() else { panic!("one row: {changes:?}") };
        for tombstones in [tombstones, Tombstones::new(vec![row.clone()]).0] {
            let known = tombstones.get(&key(1), &[1; 32]).expect("it is known");
            assert!(known.taken[0].holds(&known.owner, owner().address()));
            assert_eq!(tombstones.get(&key(1), &[2; 32]), None, "somebody else's under the same name");
            assert_eq!(tombstones.get(&key(2), &[1; 32]), None);
        }
    }

    #[test]
    fn a_damaged_row_is_removed() {
        let row = TombstoneRow { address: key(1).address, id: key(1).id, ack: vec![1, 2], until: NOW };
        let (tombstones, damaged) = Tombstones::new(vec![row]);
        assert_eq!((tombstones.len(), damaged), (0, vec![Change::RemoveTombstone(key(1))]));
    }

    #[test]
    fn they_end_when_nobody_can_bring_the_envelope_any_more() {
        let mut tombstones = Tombstones::default();
        let end = NOW.after(limits::TOMBSTONE_LIFETIME);
        tombstones.add(end, owner(), owner().address(), ack(1));
        assert_eq!(tombstones.next_end(), Some(end));
        assert!(tombstones.expire(UnixMillis(end.0 - 1)).is_empty());
        assert_eq!(tombstones.expire(end), vec![Change::RemoveTombstone(key(1))]);
        assert_eq!((tombstones.len(), tombstones.next_end()), (0, None));
    }

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let mut tombstones = Tombstones::default();
        let one = ack(1);
        for n in 0..u64::try_from(limits::MAX_TOMBSTONES).expect("it fits") {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&n.to_be_bytes());
            let ack = Ack { id: EnvelopeId::from_bytes(id), ..one };
            tombstones.add(UnixMillis(NOW.0 + n), owner(), owner().address(), ack);
        }
        let changes = tombstones.add(UnixMillis(NOW.0 * 2), owner(), owner().address(), ack(255));
        let first = EnvelopeKey { address: key(1).address, id: EnvelopeId::from_bytes([0; 16]) };
        assert_eq!(changes[1..], [Change::RemoveTombstone(first)]);
        assert_eq!(tombstones.len(), limits::MAX_TOMBSTONES);
    }

    #[test]
    fn a_frame_takes_a_bounded_number_of_them() {
        let mut tombstones = Tombstones::default();
        let one = ack(1);
        for n in 0..300u16 {
            let mut id = [0; 16];
            id[..2].copy_from_slice(&n.to_be_bytes());
            tombstones.add(NOW, owner(), owner().address(), Ack { id: EnvelopeId::from_bytes(id), ..one });
        }
        assert_eq!(tombstones.count(owner().address()), 300);
        assert_eq!(
            tombstones.of_mailbox(owner().address()).map(|acks| acks.taken.len()),
            Some(limits::MAX_ACKS)
        );
        let ids = [EnvelopeId::from_bytes([0; 16]), EnvelopeId::from_bytes([9; 16])];
        assert_eq!(
            tombstones.among(owner().address(), ids.into_iter()).map(|acks| acks.taken.len()),
            Some(1)
        );
        assert_eq!(tombstones.of_mailbox(MailboxAddress::from_bytes([0; 32])), None);
    }
}
