//! One node of a world: its machine, its disk, its clock.
//!
//! Not here: what it is told and what becomes of what it wants ([`super::world`]).

use super::liar::Liar;
use pc2_protocols::{
    crypto::sign::Signer,
    dht::{Change, Dht, HeldRow, HeldSummary, PublishedRow, Snapshot},
    id::{NodeId, RecordKey},
    machine::{Component, OpIds},
};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one machine.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) held: BTreeMap<RecordKey, HeldRow>,
    published: BTreeMap<RecordKey, PublishedRow>,
}

impl Disk {
    pub(super) fn write(&mut self, change: Change) {
        match change {
            Change::PutHeld(row) => drop(self.held.insert(row.key, row)),
            Change::RemoveHeld { key } => drop(self.held.remove(&key)),
            Change::PutPublished(row) => drop(self.published.insert(row.key, row)),
            Change::RemovePublished { key } => drop(self.published.remove(&key)),
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            held: self.held.values().map(HeldSummary::of).collect(),
            published: self.published.values().cloned().collect(),
        }
    }
}

/// One node.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) signer: Signer,
    pub(super) disk: Disk,
    pub(super) liar: Option<Liar>,
    /// What its card says now: counts its changes.
    pub(super) version: u64,
    /// `None` while it is down.
    pub(super) dht: Option<Dht>,
    pub(super) life: u32,
    pub(super) booted: u64,
    pub(super) durable_at: u64,
    pub(super) connected: BTreeSet<usize>,
    pub(super) asks: OpIds,
    pub(super) wakes_at: Option<u64>,
    pub(super) steps_at: (u64, u32),
}

impl Node {
    /// One that is down and has an empty disk.
    pub(super) fn new(signer: Signer, liar: Option<Liar>) -> Self {
        Self {
            id: signer.node(),
            signer,
            disk: Disk::default(),
            liar,
            version: 0,
            dht: None,
            life: 0,
            booted: 0,
            durable_at: 0,
            connected: BTreeSet::new(),
            asks: OpIds::new(Component::Messenger, 0),
            wakes_at: None,
            steps_at: (0, 0),
        }
    }

    pub(super) const fn is_up(&self) -> bool {
        self.dht.is_some() || self.liar.is_some()
    }
}
