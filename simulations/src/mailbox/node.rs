//! One node of a world: its machine, its disk, and what its messenger has.
//!
//! Not here: what it is told and what becomes of what it wants ([`super::world`]).

use super::liar::Liar;
use pc2_protocols::{
    crypto::{keys::IdentityKeys, sign::Signer},
    id::{EnvelopeId, NodeId},
    level::Level,
    mailbox::{
        EnvelopeKey, Mailbox,
        keys::MailboxKeys,
        rows::{
            Change, HeldRow, HeldSummary, ParcelRow, ParcelSummary, PinRow, ServedRow, Snapshot, TombstoneRow,
        },
    },
    record::Place,
};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one machine.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) held: BTreeMap<EnvelopeKey, HeldRow>,
    pub(super) tombstones: BTreeMap<EnvelopeKey, TombstoneRow>,
    pub(super) parcels: BTreeMap<(NodeId, EnvelopeId), ParcelRow>,
    pub(super) pins: BTreeMap<NodeId, PinRow>,
    pub(super) served: BTreeMap<NodeId, ServedRow>,
}

impl Disk {
    pub(super) fn write(&mut self, change: Change) {
        match change {
            Change::PutHeld(row) => {
                drop(self.held.insert(EnvelopeKey { address: row.address, id: row.id }, row));
            }
            Change::RemoveHeld(key) => drop(self.held.remove(&key)),
            Change::PutTombstone(row) => {
                drop(self.tombstones.insert(EnvelopeKey { address: row.address, id: row.id }, row));
            }
            Change::RemoveTombstone(key) => drop(self.tombstones.remove(&key)),
            Change::PutParcel(row) => drop(self.parcels.insert((row.account, row.id), row)),
            Change::SetReceipts { account, id, receipts } => {
                if let Some(row) = self.parcels.get_mut(&(account, id)) {
                    row.receipts = receipts;
                }
            }
            Change::RemoveParcel { account, id } => drop(self.parcels.remove(&(account, id))),
            Change::PutPin(row) => drop(self.pins.insert(row.holder, row)),
            Change::RemovePin { holder, .. } => drop(self.pins.remove(&holder)),
            Change::PutServed(row) => drop(self.served.insert(row.node, row)),
            Change::RemoveServed { node, .. } => drop(self.served.remove(&node)),
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            held: self.held.values().map(HeldSummary::of).collect(),
            tombstones: self.tombstones.values().cloned().collect(),
            parcels: self.parcels.values().map(ParcelSummary::of).collect(),
            pins: self.pins.values().cloned().collect(),
            served: self.served.values().cloned().collect(),
        }
    }
}

/// One node.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) place: Place,
    pub(super) signer: Signer,
    pub(super) keys: MailboxKeys,
    pub(super) disk: Disk,
    pub(super) liar: Option<Liar>,
    pub(super) level: Level,
    pub(super) share_bytes: u64,
    /// `None` while it is down.
    pub(super) machine: Option<Mailbox>,
    pub(super) life: u32,
    pub(super) booted: u64,
    pub(super) durable_at: u64,
    pub(super) connected: BTreeSet<usize>,
    pub(super) wakes_at: Option<u64>,
    pub(super) steps_at: (u64, u32),
    /// The holders its owner pinned, as its messenger was last told.
    pub(super) pinned: Vec<NodeId>,
    /// What the messenger has dealt with in this life of the machine.
    pub(super) taken: BTreeSet<EnvelopeKey>,
    /// Gone for good.
    pub(super) dead: bool,
}

impl Node {
    /// One that is down and has an empty disk.
    pub(super) fn new(identity: &IdentityKeys, liar: Option<Liar>, level: Level, share_bytes: u64) -> Self {
        let signer = identity.signer();
        Self {
            id: signer.node(),
            place: Place::of_node(signer.node()),
            signer,
            keys: identity.mailbox_keys(),
            disk: Disk::default(),
            liar,
            level,
            share_bytes,
            machine: None,
            life: 0,
            booted: 0,
            durable_at: 0,
            connected: BTreeSet::new(),
            wakes_at: None,
            steps_at: (0, 0),
            pinned: Vec::new(),
            taken: BTreeSet::new(),
            dead: false,
        }
    }

    pub(super) const fn is_up(&self) -> bool {
        self.machine.is_some() || self.liar.is_some()
    }

    /// Whether walks name it.
    pub(super) const fn keeps(&self) -> bool {
        self.liar.is_some() || self.level.keeps()
    }
}
