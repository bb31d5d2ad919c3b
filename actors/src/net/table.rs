//! Who is taken into the routing table, and what of it survives a restart.
//!
//! Only nodes whose connection stands are taken in, under an address that shares its prefix with that connection: what a peer merely claims
//! about itself cannot fill the table with somebody else's addresses. At most [`MAX_TABLE_PER_PREFIX`] entries share a prefix; on one machine or LAN that is not asked.
//!
//! Nodes that are only reached through relays do not stand in it: a walk would pay for each of its steps twice, and the relay with it.
//!
//! Not here: lookups, and the table itself (libp2p's kad).

use super::{
    address,
    book::AddressBook,
    limits::{MAX_SAVED, MAX_TABLE_PER_PREFIX, SAVE_AFTER},
    view::Direction,
};
use libp2p::{Multiaddr, kad, kad::store::MemoryStore};
use pc2_protocols::{
    id::NodeId,
    limits::MAX_ADDRESSES,
    net::{Peer, Prefix},
};
use std::{collections::BTreeMap, time::Instant};

/// Those of the addresses a peer lists about itself that its connection makes credible: reachable from at least as far away as the connection
/// came. Those of the connection's own prefix come first; empty when there are none, for then nobody could find it there.
pub(super) fn credible(remote: &Multiaddr, direction: Direction, listed: &[Multiaddr]) -> Vec<Multiaddr> {
    let remote = address::without_peer(remote);
    let from = address::scope(&remote);
    let home = address::prefix(&remote);
    let at_home = |listed: &Multiaddr| address::prefix(listed) == home;
    let mut addresses = Vec::new();
    if direction == Direction::Outbound && is_direct(&remote) {
        addresses.push(remote);
    }
    for listed in listed.iter().map(address::without_peer).filter(is_direct) {
        if address::scope(&listed) >= from && !addresses.contains(&listed) {
            addresses.push(listed);
        }
    }
    addresses.sort_by_key(|listed| !at_home(listed));
    if !addresses.first().is_some_and(at_home) {
        addresses.clear();
    }
    addresses.truncate(MAX_ADDRESSES);
    addresses
}

/// Whether walks can go there without the help of a relay.
fn is_direct(address: &Multiaddr) -> bool {
    address::transport(address).is_some() && address::scope(address).is_some()
}

/// Whether one more entry of this prefix may join those that are there.
pub(super) fn has_room(there: impl Iterator<Item = Prefix>, prefix: Prefix) -> bool {
    prefix == Prefix::Local || there.filter(|other| *other == prefix).count() < MAX_TABLE_PER_PREFIX
}

/// The nodes in the table, each with the prefix it was taken in under.
pub(super) fn entries(kad: &mut kad::Behaviour<MemoryStore>) -> Vec<(NodeId, Prefix)> {
    let mut entries = Vec::new();
    for bucket in kad.kbuckets() {
        for entry in bucket.iter() {
            if let Some(node) = address::node_id(entry.node.key.preimage()) {
                entries.push((node, address::prefix(entry.node.value.first())));
            }
        }
    }
    entries
}

/// Decides when the table is saved.
#[derive(Debug, Default)]
pub(super) struct Saver {
    due: Option<Instant>,
    last: Vec<Peer>,
}

impl Saver {
    /// Starts with the table that storage has.
    pub(super) const fn new(known: Vec<Peer>) -> Self {
        Self { due: None, last: known }
    }

    /// The table changed: it is saved some time later, together with what changes until then.
    pub(super) fn changed(&mut self, now: Instant) {
        self.due.get_or_insert(now + SAVE_AFTER);
    }

    /// Whether it is time to save.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// What is to be saved: these nodes, the more important first, with their addresses. `None` when storage has just that, or
    /// when nobody is known: an old table is better than none.
    pub(super) fn save(
        &mut self,
        nodes: impl Iterator<Item = NodeId>,
        book: &AddressBook,
    ) -> Option<Vec<Peer>> {
        self.due = None;
        let table: BTreeMap<_, _> = nodes
            .map(|node| (node, book.peer(node)))
            .filter(|(_, peer)| !peer.addresses.is_empty())
            .take(MAX_SAVED)
            .collect();
        // In order of their ids, as storage gives them back.
        let table: Vec<_> = table.into_values().collect();
        if table.is_empty() || table == self.last {
            return None;
        }
        self.last.clone_from(&table);
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::book::Source;
    use std::time::Duration;

    fn multiaddrs(texts: &[&str]) -> Vec<Multiaddr> {
        texts.iter().map(|text| text.parse().expect("a multiaddress")).collect()
    }

    fn taken(remote: &str, direction: Direction, listed: &[&str]) -> Vec<String> {
        let remote = remote.parse().expect("a multiaddress");
        credible(&remote, direction, &multiaddrs(listed)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn from_the_internet_only_public_addresses_are_believed() {
        let listed =
            ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1", "/ip4/9.9.9.9/tcp/1"];
        assert_eq!(
            taken("/ip4/9.9.9.200/tcp/55555", Direction::Inbound, &listed),
            ["/ip4/9.9.9.9/tcp/1", "/ip4/8.8.8.8/tcp/1"],
            "its own prefix first"
        );
    }

    #[test]
    fn a_peer_that_lists_only_others_addresses_is_not_taken() {
        assert!(taken("/ip4/9.9.9.9/tcp/55555", Direction::Inbound, &["/ip4/8.8.8.8/tcp/1"]).is_empty());
        assert!(taken("/ip4/9.9.9.9/tcp/55555", Direction::Inbound, &[]).is_empty());
    }

    #[test]
    fn the_address_that_we_dialled_is_proof_enough() {
        assert_eq!(
            taken("/ip4/9.9.9.9/tcp/1", Direction::Outbound, &["/ip4/8.8.8.8/tcp/1"]),
            ["/ip4/9.9.9.9/tcp/1", "/ip4/8.8.8.8/tcp/1"]
        );
    }

    #[test]
    fn on_one_machine_loopback_is_as_good_as_any() {
        let listed = ["/ip4/127.0.0.1/udp/1/quic-v1", "/ip4/10.0.0.1/tcp/1"];
        assert_eq!(taken("/ip4/127.0.0.1/tcp/5", Direction::Inbound, &listed), listed);
    }

    #[test]
    fn two_of_a_prefix_are_enough_but_not_at_home() {
        let prefix = Prefix::V4([9, 9, 9]);
        assert!(has_room([prefix, Prefix::V4([9, 9, 8])].into_iter(), prefix));
        assert!(!has_room([prefix, prefix].into_iter(), prefix));
        assert!(has_room([Prefix::Local; 50].into_iter(), Prefix::Local));
    }

    #[test]
    fn a_changed_table_is_saved_once_and_later() {
        let now = Instant::now();
        let node = NodeId::from_bytes([1; 32]);
        let mut book = AddressBook::new(4);
        book.note(node, "/ip4/10.0.0.1/tcp/1".parse().expect("a multiaddress"), Source::Connected);
        let mut saver = Saver::new(Vec::new());
        saver.changed(now);
        saver.changed(now + Duration::from_secs(20));
        assert!(!saver.is_due(now));
        assert!(saver.is_due(now + SAVE_AFTER), "later changes do not put it off");
        let saved = saver.save([node, NodeId::from_bytes([2; 32])].into_iter(), &book);
        assert_eq!(saved.map(|table| table.len()), Some(1), "who cannot be dialled is not saved");
        assert_eq!(saver.save([node, node].into_iter(), &book), None, "unchanged");
        assert_eq!(saver.save(std::iter::empty(), &book), None, "an empty table replaces nothing");
    }
}
