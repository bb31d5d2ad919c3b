//! The address book: where nodes were seen or said to be.
//!
//! Addresses are ranked by what they are worth: one that we connected to before one that its owner signed, before hearsay of third parties.
//! Hearsay never displaces better ones, so nobody can make us forget where a contact is. Bounded: the nodes that were not touched for the longest
//! time are forgotten first, contacts never.
//!
//! Not here: dialling (`redial`, `commands`), the routing table (`table`).

use super::address::{self, Scope};
use libp2p::Multiaddr;
use pc2_protocols::{
    id::NodeId,
    limits::MAX_ADDRESSES,
    net::{Address, Peer},
};
use std::collections::{BTreeMap, BTreeSet};

/// What an address is worth, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// We connected to it.
    Connected,
    /// Its owner said so: by a signed card, an invitation, identify on its own connection, or the owner of this node configured it.
    Owner,
    /// Somebody else said so: routing answers, the LAN.
    Hearsay,
}

#[derive(Debug)]
struct Entry {
    /// Best first; within one source the newest first.
    addresses: Vec<(Source, Multiaddr)>,
    touched: u64,
}

/// The book.
#[derive(Debug)]
pub(super) struct AddressBook {
    entries: BTreeMap<NodeId, Entry>,
    by_touch: BTreeMap<u64, NodeId>,
    pinned: BTreeSet<NodeId>,
    next_touch: u64,
    capacity: usize,
}

impl AddressBook {
    /// An empty book for so many nodes.
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_touch: BTreeMap::new(),
            pinned: BTreeSet::new(),
            next_touch: 0,
            capacity,
        }
    }

    /// These nodes are never forgotten; replaces the last set.
    pub(super) fn pin(&mut self, nodes: impl IntoIterator<Item = NodeId>) {
        self.pinned = nodes.into_iter().collect();
    }

    /// Notes addresses of a node. Whether any of them was new.
    pub(super) fn learn(&mut self, peer: &Peer, source: Source) -> bool {
        // Reversed, because the newest goes first and the list is best first.
        let addresses: Vec<_> =
            peer.addresses.iter().take(MAX_ADDRESSES).filter_map(address::dialable).collect();
        let mut new = false;
        for address in addresses.into_iter().rev() {
            new |= self.note(peer.node, address, source);
        }
        new
    }

    /// Notes one address of a node. Whether it was new.
    pub(super) fn note(&mut self, node: NodeId, address: Multiaddr, source: Source) -> bool {
        self.touch(node);
        let Some(entry) = self.entries.get_mut(&node) else { return false };
        let known = entry.addresses.iter().position(|(_, known)| *known == address);
        let before = known.map(|at| entry.addresses.remove(at).0);
        // Hearsay about an address does not take its better standing away.
        let source = before.map_or(source, |before| before.min(source));
        let at = entry.addresses.partition_point(|(other, _)| *other < source);
        if at >= MAX_ADDRESSES {
            return false;
        }
        entry.addresses.insert(at, (source, address));
        entry.addresses.truncate(MAX_ADDRESSES);
        before.is_none()
    }

    /// An address did not answer: it falls behind the others of its node, or is forgotten if it was hearsay.
    pub(super) fn failed(&mut self, node: NodeId, address: &Multiaddr) {
        let Some(entry) = self.entries.get_mut(&node) else { return };
        let bare = address::without_peer(address);
        let Some(at) = entry.addresses.iter().position(|(_, known)| *known == bare) else { return };
        match entry.addresses.remove(at) {
            (Source::Hearsay, _) => {}
            (Source::Connected | Source::Owner, address) => {
                let behind = entry.addresses.partition_point(|(source, _)| *source <= Source::Owner);
                entry.addresses.insert(behind, (Source::Owner, address));
            }
        }
    }

    /// Another node lives at this address.
    pub(super) fn forget(&mut self, node: NodeId, address: &Multiaddr) {
        if let Some(entry) = self.entries.get_mut(&node) {
            let bare = address::without_peer(address);
            entry.addresses.retain(|(_, known)| *known != bare);
        }
    }

    /// Where to dial a node, best first.
    pub(super) fn multiaddrs(&self, node: NodeId) -> Vec<Multiaddr> {
        self.known(node).map(|(_, address)| address.clone()).collect()
    }

    /// A node with its addresses, best first, as told to others: those of this machine only when there are no others.
    pub(super) fn peer(&self, node: NodeId) -> Peer {
        let all = self.multiaddrs(node);
        let far = |address: &&Multiaddr| address::scope(address) > Some(Scope::Loopback);
        let mut addresses: Vec<Address> = all.iter().filter(far).filter_map(address::address).collect();
        if addresses.is_empty() {
            addresses = all.iter().filter_map(address::address).collect();
        }
        Peer { node, addresses }
    }

    fn known(&self, node: NodeId) -> impl Iterator<Item = &(Source, Multiaddr)> {
        self.entries.get(&node).into_iter().flat_map(|entry| &entry.addresses)
    }

    /// Makes the entry of a node the most recent one, and makes room where it is new.
    fn touch(&mut self, node: NodeId) {
        let now = self.next_touch;
        self.next_touch += 1;
        if let Some(entry) = self.entries.get_mut(&node) {
            self.by_touch.remove(&entry.touched);
            entry.touched = now;
        } else {
            if self.entries.len() >= self.capacity {
                self.evict();
            }
            self.entries.insert(node, Entry { addresses: Vec::new(), touched: now });
        }
        self.by_touch.insert(now, node);
    }

    fn evict(&mut self) {
        let oldest =
            self.by_touch.iter().find(|(_, node)| !self.pinned.contains(node)).map(|(at, node)| (*at, *node));
        if let Some((at, node)) = oldest {
            self.by_touch.remove(&at);
            self.entries.remove(&node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn at(port: u16) -> Multiaddr {
        format!("/ip4/192.168.0.1/tcp/{port}").parse().expect("a multiaddress")
    }

    #[test]
    fn hearsay_never_displaces_what_is_known_better() {
        let mut book = AddressBook::new(10);
        assert!(book.note(node(1), at(1), Source::Connected));
        assert!(book.note(node(1), at(2), Source::Owner));
        for port in 100..200 {
            book.note(node(1), at(port), Source::Hearsay);
        }
        let addresses = book.multiaddrs(node(1));
        assert_eq!(addresses.len(), MAX_ADDRESSES);
        assert_eq!(addresses.get(..2), Some(&[at(1), at(2)][..]));
        book.note(node(1), at(1), Source::Hearsay);
        assert_eq!(book.multiaddrs(node(1)).first(), Some(&at(1)));
    }

    #[test]
    fn better_addresses_displace_hearsay() {
        let mut book = AddressBook::new(10);
        for port in 100..120 {
            book.note(node(1), at(port), Source::Hearsay);
        }
        assert!(book.note(node(1), at(1), Source::Owner));
        assert_eq!(book.multiaddrs(node(1)).first(), Some(&at(1)));
    }

    #[test]
    fn an_address_that_fails_falls_behind_and_hearsay_is_forgotten() {
        let mut book = AddressBook::new(10);
        book.note(node(1), at(1), Source::Connected);
        book.note(node(1), at(2), Source::Owner);
        book.note(node(1), at(3), Source::Hearsay);
        book.failed(node(1), &at(1));
        book.failed(node(1), &at(3));
        assert_eq!(book.multiaddrs(node(1)), [at(2), at(1)]);
    }

    #[test]
    fn a_full_book_forgets_the_oldest_stranger_but_no_contact() {
        let mut book = AddressBook::new(3);
        book.pin([node(1)]);
        for number in 1..=5 {
            book.note(node(number), at(1), Source::Owner);
        }
        let known: Vec<_> = (1..=5).filter(|number| !book.multiaddrs(node(*number)).is_empty()).collect();
        assert_eq!(known, [1, 4, 5]);
    }

    #[test]
    fn others_are_told_of_loopback_only_when_there_is_nothing_else() {
        let loopback: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().expect("a multiaddress");
        let mut book = AddressBook::new(3);
        book.note(node(1), loopback.clone(), Source::Connected);
        assert_eq!(book.peer(node(1)).addresses.len(), 1);
        book.note(node(1), at(2), Source::Owner);
        let told = book.peer(node(1)).addresses;
        assert_eq!(told.iter().map(Address::as_str).collect::<Vec<_>>(), ["/ip4/192.168.0.1/tcp/2"]);
    }
}
