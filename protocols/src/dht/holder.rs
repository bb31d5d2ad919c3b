//! What others store here: an index in memory, the bytes on disk.
//!
//! In: verified records that peers bring, and the passing of time. Out: what to write and remove, or the refusal. A
//! record stays until its lease ends (24 h after it was last brought), its signature runs out, or a nearer record needs
//! its room: the farthest from this node goes first.
//!
//! Survives restart: everything, by its rows. Not here: reading frames, verifying, answering ([`super::serve`]).

use super::{
    Change, HeldRow, HeldSummary,
    quota::{Footprint, Quota},
    rows::RecordSummary,
    wire::Refusal,
};
use crate::{
    id::{NodeId, RecordKey},
    limits,
    net::Prefix,
    record::{Place, Record, Stamp, Standing},
    time::UnixMillis,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Most records removed in one step, so that a step stays short; the rest follows in the next.
const MAX_EXPIRED_AT_ONCE: usize = 256;

/// Most records evicted for a single new one: the largest record needs no more room than 34 of the smallest.
const MAX_EVICTED_AT_ONCE: usize = 64;

/// Who brings a record, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) node: NodeId,
    pub(super) prefix: Prefix,
}

/// What is known of a held record without reading it.
#[derive(Debug, Clone)]
struct Entry {
    stamp: Stamp,
    distance: [u8; 32],
    place: Place,
    /// When it is removed: the end of its lease or of its signature, whichever comes first.
    ends: UnixMillis,
    /// The how-manieth it was that came here. A refresh is no arrival.
    arrival: u64,
    footprint: Footprint,
}

/// All records held for others.
#[derive(Debug)]
pub(super) struct Holder {
    here: Place,
    entries: BTreeMap<RecordKey, Entry>,
    by_distance: BTreeSet<([u8; 32], RecordKey)>,
    by_end: BTreeSet<(UnixMillis, RecordKey)>,
    quota: Quota,
    arrivals: u64,
}

impl Holder {
    /// Rebuilds the index. Rows that are damaged are handed out as removals.
    pub(super) fn new(node: NodeId, rows: Vec<HeldSummary>) -> (Self, Vec<Change>) {
        let mut holder = Self {
            here: Place::of_node(node),
            entries: BTreeMap::new(),
            by_distance: BTreeSet::new(),
            by_end: BTreeSet::new(),
            quota: Quota::default(),
            arrivals: 0,
        };
        let mut damaged = Vec::new();
        for row in rows {
            let source = Source { node: row.source, prefix: row.prefix };
            match row.record {
                Some(record) => holder.insert(row.key, &record, row.lease_until, source),
                None => damaged.push(Change::RemoveHeld { key: row.key }),
            }
        }
        (holder, damaged)
    }

    /// Takes a verified record in, or says why not. The changes are to be durable before the peer hears of it.
    pub(super) fn put(
        &mut self,
        now: UnixMillis,
        record: &Record,
        expected_seq: Option<u64>,
        from: Source,
    ) -> Result<Vec<Change>, Refusal> {
        record.validate(now)?;
        let key = record.key();
        let held = self.entries.get(&key);
        let standing = held.map_or(Standing::Newer, |held| record.stamp().against(&held.stamp));
        if let Some(held) = held.filter(|_| standing != Standing::Same) {
            let current = held.stamp.seq;
            if expected_seq.is_some_and(|expected| current > expected) {
                return Err(Refusal::CompareFailed { current });
            }
            match standing {
                Standing::Older => return Err(Refusal::OlderThan { current }),
                Standing::Conflict => return Err(Refusal::Conflict),
                Standing::Newer | Standing::Same => {}
            }
        }
        let old = held.map(|held| held.footprint);
        let source = match old {
            // A refresh by somebody else does not make the record theirs: the quota of the one who brought it stays charged.
            Some(old) if standing == Standing::Same && record.owner() != Some(from.node) => {
                Source { node: old.source, prefix: old.prefix }
            }
            Some(_) | None => from,
        };
        let summary = RecordSummary::of(record);
        let new = Footprint::new(summary.owner, source.node, source.prefix, summary.bytes);
        let mut changes = Vec::new();
        if standing != Standing::Same {
            self.quota.admits(&new, old.as_ref())?;
            changes = self.make_room(&key, &new, old.as_ref())?;
        }
        let lease_until = now.after(limits::RECORD_LEASE);
        self.insert(key, &summary, lease_until, source);
        changes.push(Change::PutHeld(HeldRow {
            key,
            record: record.as_bytes().to_vec(),
            lease_until,
            source: source.node,
            prefix: source.prefix,
        }));
        Ok(changes)
    }

    /// What is held under a key at this moment.
    pub(super) fn get(&self, key: &RecordKey, now: UnixMillis) -> Option<Stamp> {
        self.entries.get(key).filter(|entry| entry.ends > now).map(|entry| entry.stamp)
    }

    /// Drops what has ended by `now`, a bounded number at once.
    pub(super) fn expire(&mut self, now: UnixMillis) -> Vec<Change> {
        let ended: Vec<RecordKey> = self
            .by_end
            .iter()
            .take_while(|(ends, _)| *ends <= now)
            .take(MAX_EXPIRED_AT_ONCE)
            .map(|(_, key)| *key)
            .collect();
        ended
            .into_iter()
            .map(|key| {
                self.remove(&key);
                Change::RemoveHeld { key }
            })
            .collect()
    }

    /// When the next record ends.
    pub(super) fn next_end(&self) -> Option<UnixMillis> {
        self.by_end.first().map(|(ends, _)| *ends)
    }

    /// How many records have come here. Counts up.
    pub(super) const fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// How long a record still stays if nobody brings it again.
    pub(super) fn stays(&self, key: &RecordKey, now: UnixMillis) -> Option<Duration> {
        self.entries.get(key).filter(|entry| entry.ends > now).map(|entry| entry.ends.since(now))
    }

    /// The records that a node is nearer to than this one, of those that came after so many, nearest to it first of all, `max` at most.
    pub(super) fn nearer_to(&self, node: NodeId, since: u64, max: usize) -> Vec<RecordKey> {
        let there = Place::of_node(node);
        let mut nearer: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.arrival > since)
            .map(|(key, entry)| (there.distance(&entry.place), entry.distance, key))
            .filter(|(theirs, ours, _)| theirs < ours)
            .map(|(theirs, _, key)| (theirs, *key))
            .collect();
        nearer.sort_unstable();
        nearer.into_iter().take(max).map(|(_, key)| key).collect()
    }

    /// How many records are held.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What they count for.
    pub(super) const fn bytes(&self) -> u64 {
        self.quota.total_bytes()
    }

    /// Evicts what is farther than `key` until `new` fits in place of `old`.
    fn make_room(
        &mut self,
        key: &RecordKey,
        new: &Footprint,
        old: Option<&Footprint>,
    ) -> Result<Vec<Change>, Refusal> {
        let mut bytes = self.quota.total_bytes().saturating_add(new.bytes());
        let mut records = self.entries.len().saturating_add(1);
        if let Some(old) = old {
            bytes = bytes.saturating_sub(old.bytes());
            records = records.saturating_sub(1);
        }
        let distance = self.here.distance(&Place::of_key(key));
        let mut farthest = self.by_distance.iter().rev().filter(|(_, other)| other != key);
        let mut evicted = Vec::new();
        while bytes > limits::MAX_HELD_BYTES || records > limits::MAX_HELD_RECORDS {
            match farthest.next() {
                Some((theirs, other)) if *theirs > distance && evicted.len() < MAX_EVICTED_AT_ONCE => {
                    let freed = self.entries.get(other).map_or(0, |entry| entry.footprint.bytes());
                    bytes = bytes.saturating_sub(freed);
                    records = records.saturating_sub(1);
                    evicted.push(*other);
                }
                Some(_) | None => return Err(Refusal::Full),
            }
        }
        Ok(evicted
            .into_iter()
            .map(|key| {
                self.remove(&key);
                Change::RemoveHeld { key }
            })
            .collect())
    }

    fn insert(&mut self, key: RecordKey, record: &RecordSummary, lease_until: UnixMillis, source: Source) {
        let before = self.entries.get(&key).filter(|before| before.stamp == record.stamp);
        let arrival = before.map_or(self.arrivals.saturating_add(1), |before| before.arrival);
        self.arrivals = self.arrivals.max(arrival);
        self.remove(&key);
        let place = Place::of_key(&key);
        let distance = self.here.distance(&place);
        let ends = record.signed_until.map_or(lease_until, |signed_until| signed_until.min(lease_until));
        let footprint = Footprint::new(record.owner, source.node, source.prefix, record.bytes);
        self.quota.add(&footprint);
        self.by_distance.insert((distance, key));
        self.by_end.insert((ends, key));
        self.entries.insert(key, Entry { stamp: record.stamp, distance, place, ends, arrival, footprint });
    }

    fn remove(&mut self, key: &RecordKey) {
        if let Some(entry) = self.entries.remove(key) {
            self.quota.remove(&entry.footprint);
            self.by_distance.remove(&(entry.distance, *key));
            self.by_end.remove(&(entry.ends, *key));
        }
    }
}

#[cfg(test)]
mod tests;
