//! Parcels of ours and where each stands: what waits until when, what is on its way, who has signed for it.
//!
//! In: rows, and what becomes of rounds. Out: what is due, and until when enough holders keep a parcel. Not here: making and sending deposits
//! ([`super::depositor`]).

use super::{
    deposit::{self, WEEKS_AFTER},
    keys::week_of,
    machine::jittered,
    rows::ParcelSummary,
};
use crate::{
    id::{EnvelopeId, MailboxAddress, NodeId},
    limits,
    time::{Mono, Now, UnixMillis},
};
use rand_chacha::ChaCha20Rng;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Most parcels on their way at once: with the largest envelopes and all holders, 6 MiB.
pub(super) const MAX_ROUNDS: usize = 8;

/// How often a stored parcel is brought to those who have come to hold its mailbox since. They compare among themselves more often.
pub(super) const REFRESH: Duration = Duration::from_secs(6 * 3_600);

/// Names a parcel: whose, and which.
pub(super) type ParcelKey = (NodeId, EnvelopeId);

/// What is being done for a parcel.
#[derive(Debug)]
pub(super) enum Stage {
    /// Nothing until then.
    Waiting { due: Mono },
    /// The holders are looked for. The bytes are still at hand after it was made.
    Walking { bytes: Option<Vec<u8>> },
    /// The bytes are being read.
    Loading { holders: Vec<NodeId> },
    /// Holders are being asked.
    Asking { asked: BTreeSet<NodeId> },
}

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) node: NodeId,
    pub(super) address: MailboxAddress,
    pub(super) since: UnixMillis,
    pub(super) receipts: BTreeMap<NodeId, UnixMillis>,
    /// Nodes that the recipient pinned.
    pub(super) pinned: Vec<NodeId>,
    /// How many receipts are enough: fewer in a network of fewer nodes.
    pub(super) needed: usize,
    pub(super) stage: Stage,
    pub(super) failures: u32,
    /// Receipts came that are not written yet.
    pub(super) unwritten: bool,
    /// The owner of the mailbox has it: nothing more is to be done.
    pub(super) taken: bool,
    pub(super) told: Option<UnixMillis>,
}

impl Kept {
    /// Until when enough holders keep it.
    pub(super) fn stored_until(&self, now: UnixMillis) -> Option<UnixMillis> {
        if self.taken {
            return Some(deposit::ends(week_of(self.since)));
        }
        let mut live: Vec<UnixMillis> =
            self.receipts.values().copied().filter(|until| *until > now).collect();
        live.sort_unstable_by(|a, b| b.cmp(a));
        live.get(self.needed.saturating_sub(1)).copied()
    }

    /// Whether a node that the recipient pinned has not signed for it yet, and may.
    fn wants(&self, node: &NodeId, now: UnixMillis) -> bool {
        let signed = self.receipts.get(node).is_some_and(|until| *until > now);
        self.pinned.contains(node) && !signed && !self.taken && !self.is_outdated(now)
    }

    /// Its mailbox is of a week in which holders hardly take it any more.
    pub(super) fn is_outdated(&self, now: UnixMillis) -> bool {
        week_of(now) >= week_of(self.since).saturating_add(WEEKS_AFTER)
    }
}

/// A sealed envelope whose puzzle is being solved.
#[derive(Debug)]
pub(super) struct Puzzle {
    pub(super) node: NodeId,
    pub(super) sealed: Vec<u8>,
    pub(super) week: u32,
}

/// All parcels of ours.
#[derive(Debug, Default)]
pub(super) struct Parcels {
    pub(super) all: BTreeMap<ParcelKey, Kept>,
    /// Those that wait, by when they are due.
    pub(super) waiting: BTreeSet<(Mono, ParcelKey)>,
    /// Those that do not.
    pub(super) active: BTreeSet<ParcelKey>,
    pub(super) puzzles: BTreeMap<ParcelKey, Puzzle>,
}

impl Parcels {
    /// Those on disk. What has too few receipts is tried at once, the rest within the time of a refresh.
    pub(super) fn new(rows: Vec<ParcelSummary>, now: Now, rng: &mut ChaCha20Rng) -> Self {
        let mut parcels = Self::default();
        for row in rows {
            let receipts: BTreeMap<_, _> = row.receipts.into_iter().collect();
            let mut kept = Kept {
                node: row.node,
                address: row.address,
                since: row.since,
                receipts,
                pinned: row.pinned,
                needed: limits::ENOUGH_RECEIPTS,
                stage: Stage::Waiting { due: now.mono },
                failures: 0,
                unwritten: false,
                taken: false,
                told: None,
            };
            kept.told = kept.stored_until(now.unix);
            let due = if kept.told.is_some() { now.mono.after(jittered(REFRESH, rng)) } else { now.mono };
            parcels.put((row.account, row.id), kept, due);
        }
        parcels
    }

    pub(super) fn put(&mut self, key: ParcelKey, kept: Kept, due: Mono) {
        self.all.insert(key, kept);
        self.wait(key, due);
    }

    pub(super) fn wait(&mut self, key: ParcelKey, due: Mono) {
        let Some(kept) = self.all.get_mut(&key) else { return };
        if let Stage::Waiting { due } = kept.stage {
            self.waiting.remove(&(due, key));
        }
        kept.stage = Stage::Waiting { due };
        self.active.remove(&key);
        self.waiting.insert((due, key));
    }

    pub(super) fn activate(&mut self, key: ParcelKey, stage: Stage) {
        let Some(kept) = self.all.get_mut(&key) else { return };
        if let Stage::Waiting { due } = kept.stage {
            self.waiting.remove(&(due, key));
        }
        kept.stage = stage;
        self.active.insert(key);
    }

    pub(super) fn remove(&mut self, key: &ParcelKey) -> bool {
        self.active.remove(key);
        let Some(kept) = self.all.remove(key) else { return false };
        if let Stage::Waiting { due } = kept.stage {
            self.waiting.remove(&(due, *key));
        }
        true
    }

    /// When the next round can begin.
    pub(super) fn due(&self) -> Option<Mono> {
        if self.active.len() >= MAX_ROUNDS {
            return None;
        }
        self.waiting.first().map(|(due, _)| *due)
    }

    /// What has too few receipts is tried at once.
    pub(super) fn hurry(&mut self, now: Now) {
        let hurried: Vec<ParcelKey> = self
            .waiting
            .iter()
            .filter(|(due, key)| {
                let too_few =
                    |kept: &Kept| kept.stored_until(now.unix).is_none() && !kept.is_outdated(now.unix);
                *due > now.mono && self.all.get(key).is_some_and(too_few)
            })
            .map(|(_, key)| *key)
            .collect();
        for key in hurried {
            self.wait(key, now.mono);
        }
    }

    /// Whether something is still to be brought to a node that its recipient pinned.
    pub(super) fn wants(&self, node: &NodeId, now: UnixMillis) -> bool {
        self.all.values().any(|kept| kept.wants(node, now))
    }

    /// What waits for a node that its recipient pinned is brought at once.
    pub(super) fn hurry_for(&mut self, node: &NodeId, now: Now) {
        let waits =
            |(_, key): &&(Mono, ParcelKey)| self.all.get(key).is_some_and(|kept| kept.wants(node, now.unix));
        let waiting: Vec<ParcelKey> = self.waiting.iter().filter(waits).map(|(_, key)| *key).collect();
        for key in waiting {
            self.wait(key, now.mono);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len().saturating_add(self.puzzles.len())
    }

    /// How many of them are stored.
    pub(super) fn stored(&self, now: UnixMillis) -> usize {
        self.all.values().filter(|kept| kept.stored_until(now).is_some()).count()
    }
}
