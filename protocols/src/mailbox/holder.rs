//! Envelopes held for others: an index in memory, the bytes on disk.
//!
//! In: deposits whose right was checked, and the passing of time. Out: what to write and remove, until when it is kept, or the refusal. What was
//! receipted is never dropped before its time, except when its owner has taken it.
//!
//! Survives restart: everything, by its rows. Not here: what was taken ([`super::tombstones`]), answering ([`super::serve`]).

use super::{
    EnvelopeKey,
    deposit::{self, Checked},
    quota::{Footprint, Quota},
    rows::{Change, HeldRow, HeldSummary},
    wire::Refusal,
};
use crate::{
    id::{EnvelopeId, MailboxAddress, NodeId},
    limits,
    net::Prefix,
    time::UnixMillis,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Most envelopes removed in one step, so that a step stays short; the rest follows in the next.
const MAX_EXPIRED_AT_ONCE: usize = 256;

/// A repeated deposit is written again only when it is kept so much longer: the old receipt says enough otherwise.
const WORTH_WRITING: Duration = Duration::from_secs(24 * 3_600);

/// Who brings an envelope, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) node: NodeId,
    pub(super) prefix: Prefix,
}

/// What is known of a held envelope without reading it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) digest: [u8; 32],
    pub(super) until: UnixMillis,
    bytes: usize,
    /// Of which week its right is.
    week: u32,
    footprint: Footprint,
}

/// A deposit that is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) until: UnixMillis,
    pub(super) new: bool,
    /// To be durable before the receipt leaves.
    pub(super) changes: Vec<Change>,
}

/// All envelopes held for others.
#[derive(Debug, Default)]
pub(super) struct Holder {
    entries: BTreeMap<EnvelopeKey, Entry>,
    by_end: BTreeSet<(UnixMillis, EnvelopeKey)>,
    quota: Quota,
}

impl Holder {
    /// Rebuilds the index.
    pub(super) fn new(rows: Vec<HeldSummary>) -> Self {
        let mut holder = Self::default();
        for row in rows {
            let footprint = Footprint::new(row.depositor, row.source, row.prefix, row.bytes);
            let (digest, until, bytes, week) = (row.digest, row.until, row.bytes, row.week);
            let entry = Entry { digest, until, bytes, week, footprint };
            holder.insert(row.key, entry);
        }
        holder
    }

    /// Takes a deposit in until then, within `share` bytes for all of them, or says why not.
    pub(super) fn put(
        &mut self,
        until: UnixMillis,
        (checked, bytes): (&Checked, Vec<u8>),
        from: Source,
        share: u64,
    ) -> Result<Kept, Refusal> {
        let key = EnvelopeKey { address: checked.deposit.address, id: checked.deposit.id };
        let old = self.entries.get(&key).copied();
        let (until, footprint) = match old {
            Some(old) if old.digest != checked.digest => return Err(Refusal::Conflict),
            Some(old) => {
                let ours = old.footprint.depositor == checked.depositor();
                if !ours || until < old.until.after(WORTH_WRITING) {
                    return Ok(Kept { until: old.until, new: false, changes: Vec::new() });
                }
                // A refresh by somebody else does not make it theirs: who brought it first stays charged.
                let (depositor, source, prefix) =
                    (old.footprint.depositor, old.footprint.source, old.footprint.prefix);
                (until, Footprint::new(depositor, source, prefix, bytes.len()))
            }
            None => {
                let footprint = Footprint::new(checked.depositor(), from.node, from.prefix, bytes.len());
                if self.entries.len() >= limits::MAX_HELD_ENVELOPES {
                    return Err(Refusal::Full);
                }
                self.quota.admits(key, &footprint, share)?;
                (until, footprint)
            }
        };
        self.remove(&key);
        let (digest, week) = (checked.digest, checked.week());
        self.insert(key, Entry { digest, until, bytes: bytes.len(), week, footprint });
        let row = HeldRow {
            address: key.address,
            id: key.id,
            deposit: bytes,
            digest,
            depositor: footprint.depositor,
            until,
            source: footprint.source,
            prefix: footprint.prefix,
            week,
        };
        Ok(Kept { until, new: old.is_none(), changes: vec![Change::PutHeld(row)] })
    }

    /// What is held under a name at this moment.
    pub(super) fn get(&self, key: &EnvelopeKey, now: UnixMillis) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.until > now)
    }

    /// What is held of a mailbox, in the order of ids, after `after`: each with its bytes.
    pub(super) fn of_mailbox(
        &self,
        address: MailboxAddress,
        after: Option<EnvelopeId>,
        now: UnixMillis,
    ) -> impl Iterator<Item = (EnvelopeKey, usize)> {
        let first = EnvelopeKey { address, id: after.unwrap_or(EnvelopeId::from_bytes([0; 16])) };
        self.entries
            .range(first..)
            .take_while(move |(key, _)| key.address == address)
            .filter(move |(key, entry)| Some(key.id) != after && entry.until > now)
            .map(|(key, entry)| (*key, entry.bytes))
    }

    /// What is held of a mailbox and other holders still take.
    pub(super) fn offerable(
        &self,
        address: MailboxAddress,
        now: UnixMillis,
    ) -> impl Iterator<Item = EnvelopeId> {
        let first = EnvelopeKey { address, id: EnvelopeId::from_bytes([0; 16]) };
        self.entries
            .range(first..)
            .take_while(move |(key, _)| key.address == address)
            .filter(move |(_, entry)| entry.until > now && deposit::ends(entry.week) > now)
            .map(|(key, _)| key.id)
    }

    /// How many envelopes of a mailbox are held, and what they count for, in bytes.
    pub(super) fn of_mailbox_bytes(&self, address: &MailboxAddress) -> (u64, u64) {
        self.quota.of_mailbox(address)
    }

    /// The mailboxes of which something is held.
    pub(super) fn mailboxes(&self) -> BTreeSet<MailboxAddress> {
        self.entries.keys().map(|key| key.address).collect()
    }

    /// Lets one go: its owner has it.
    pub(super) fn let_go(&mut self, key: &EnvelopeKey) -> Option<Change> {
        self.remove(key).then_some(Change::RemoveHeld(*key))
    }

    /// Drops what has ended by `now`, a bounded number at once.
    pub(super) fn expire(&mut self, now: UnixMillis) -> Vec<Change> {
        let ended: Vec<EnvelopeKey> = self
            .by_end
            .iter()
            .take_while(|(until, _)| *until <= now)
            .take(MAX_EXPIRED_AT_ONCE)
            .map(|(_, key)| *key)
            .collect();
        ended.iter().filter_map(|key| self.let_go(key)).collect()
    }

    /// When the next one ends.
    pub(super) fn next_end(&self) -> Option<UnixMillis> {
        self.by_end.first().map(|(until, _)| *until)
    }

    /// In how many mailboxes anything is held.
    pub(super) fn mailbox_count(&self) -> usize {
        self.quota.mailboxes()
    }

    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What they count for, in bytes.
    pub(super) const fn bytes(&self) -> u64 {
        self.quota.total()
    }

    fn insert(&mut self, key: EnvelopeKey, entry: Entry) {
        self.quota.add(key, &entry.footprint);
        self.by_end.insert((entry.until, key));
        self.entries.insert(key, entry);
    }

    fn remove(&mut self, key: &EnvelopeKey) -> bool {
        let Some(entry) = self.entries.remove(key) else { return false };
        self.quota.remove(*key, &entry.footprint);
        self.by_end.remove(&(entry.until, *key));
        true
    }
}

#[cfg(test)]
mod tests;
