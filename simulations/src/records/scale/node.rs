//! One node of a large world: its machine, its disk, its table, or its lies.
//!
//! Not here: what it is told and what becomes of what it wants ([`super::world`], [`super::net`]).

use super::{
    super::node::Disk,
    hostile::Hostile,
    table::{Entry, Spot, Table},
};
use pc2_protocols::{
    crypto::sign::Signer,
    dht::Dht,
    id::NodeId,
    machine::{Component, OpIds},
    net::{Address, Prefix},
};
use std::collections::BTreeMap;

/// Who runs it.
pub(super) enum Role {
    /// The real machine.
    Honest { signer: Signer },
    /// Somebody who wants others not to find each other.
    Hostile(Hostile),
}

/// One node.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) role: Role,
    /// Participation: at 1 it holds nothing and stands in no table.
    pub(super) level: u8,
    pub(super) place: Entry,
    pub(super) prefix: Prefix,
    pub(super) address: Address,
    pub(super) up: bool,
    /// `None` while it is down, and for hostile ones.
    pub(super) dht: Option<Dht>,
    pub(super) disk: Disk,
    /// Survives restart, as the driver's does.
    pub(super) table: Table,
    /// With whom it is connected, and when that was last used.
    pub(super) connected: BTreeMap<usize, u64>,
    /// What its card says now: counts its changes.
    pub(super) version: u64,
    /// The newest version that enough nodes confirmed.
    pub(super) confirmed: u64,
    /// Enough nodes confirmed its value.
    pub(super) has_value: bool,
    pub(super) life: u32,
    pub(super) booted: u64,
    pub(super) asks: OpIds,
    pub(super) wakes_at: Option<u64>,
    pub(super) steps_at: (u64, u32),
}

impl Node {
    /// One that is down. `number` is its own, `spot` where it is, `prefix` which part of the network it is in.
    pub(super) fn new(number: u32, id: NodeId, role: Role, level: u8, spot: Spot, prefix: u32) -> Self {
        let [_, a, b, c] = prefix.to_be_bytes();
        let address = format!("/ip4/{a}.{b}.{c}.1/tcp/4001");
        Self {
            id,
            role,
            level,
            place: Entry { spot, node: number, prefix },
            prefix: Prefix::V4([a, b, c]),
            address: Address::try_from(address).expect("a valid address"),
            up: false,
            dht: None,
            disk: Disk::default(),
            table: Table::new(spot),
            connected: BTreeMap::new(),
            version: 1,
            confirmed: 0,
            has_value: false,
            life: 0,
            booted: 0,
            asks: OpIds::new(Component::Messenger, 0),
            wakes_at: None,
            steps_at: (0, 0),
        }
    }

    pub(super) const fn honest(&self) -> bool {
        matches!(self.role, Role::Honest { .. })
    }
}
