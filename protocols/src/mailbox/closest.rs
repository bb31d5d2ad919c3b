//! Which nodes hold a mailbox: the closest to its address that the network names, few of each part of it.
//!
//! In: questions of the other parts, answers of the network. Out: nodes, nearest first. What a walk found is remembered for a while, so that a hundred
//! parcels for one mailbox cost one walk.
//!
//! Lost on restart: all. Not here: finding them (libp2p's Kademlia).

use crate::{
    id::{MailboxAddress, NodeId, RecordKey},
    limits,
    net::{Address, Peer, Prefix},
    record::Place,
    time::Mono,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

/// Most mailboxes whose holders are remembered: some 1 KiB each.
const MAX_REMEMBERED: usize = 1_024;

/// Who waits for a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// Parcels of ours.
    Deposit,
    /// A mailbox of ours.
    Fetch,
    /// Comparing with other holders.
    Reconcile,
}

/// A node that a walk found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) node: NodeId,
    /// `None`: not said by its first address.
    prefix: Option<Prefix>,
}

#[derive(Debug)]
struct Found {
    at: Mono,
    candidates: Vec<Candidate>,
}

/// What walks found, and who waits for one.
#[derive(Debug, Default)]
pub(super) struct Walks {
    found: BTreeMap<MailboxAddress, Found>,
    waiting: BTreeMap<MailboxAddress, BTreeSet<Purpose>>,
}

impl Walks {
    /// What a walk found not longer ago than `fresh`.
    pub(super) fn known(&self, address: &MailboxAddress, now: Mono, fresh: Duration) -> Option<&[Candidate]> {
        let found = self.found.get(address)?;
        (now.since(found.at) <= fresh && !found.candidates.is_empty()).then_some(&found.candidates)
    }

    /// Somebody waits for a walk. True: nobody did yet, so it is to begin.
    pub(super) fn wait(&mut self, address: MailboxAddress, purpose: Purpose) -> bool {
        let waiting = self.waiting.entry(address).or_default();
        let begins = waiting.is_empty();
        waiting.insert(purpose);
        begins
    }

    /// A walk ended. Returns who waited for it.
    pub(super) fn ended(
        &mut self,
        address: MailboxAddress,
        now: Mono,
        candidates: Vec<Candidate>,
    ) -> BTreeSet<Purpose> {
        if !self.found.contains_key(&address) && self.found.len() >= MAX_REMEMBERED {
            let oldest = self.found.iter().min_by_key(|(_, found)| found.at).map(|(address, _)| *address);
            oldest.map(|oldest| self.found.remove(&oldest));
        }
        self.found.insert(address, Found { at: now, candidates });
        self.waiting.remove(&address).unwrap_or_default()
    }

    /// What was found is doubtful: it is walked again for the next question.
    pub(super) fn doubt(&mut self, address: &MailboxAddress) {
        self.found.remove(address);
    }

    /// All that was found is doubtful.
    pub(super) fn doubt_all(&mut self) {
        self.found.clear();
    }
}

/// A mailbox's address as the network's routing has it.
pub(super) const fn key_of(address: MailboxAddress) -> RecordKey {
    RecordKey::from_bytes(*address.as_bytes())
}

/// Where a mailbox is.
pub(super) fn place_of(address: MailboxAddress) -> Place {
    Place::of_key(&key_of(address))
}

/// The nodes that a walk named, nearest first; before the routing table has learnt of anybody, those we are connected with.
pub(super) fn candidates(
    peers: &[Peer],
    connected: &BTreeSet<NodeId>,
    own: NodeId,
    address: MailboxAddress,
) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = if peers.is_empty() {
        connected.iter().map(|node| Candidate { node: *node, prefix: None }).collect()
    } else {
        let prefix = |peer: &Peer| peer.addresses.first().and_then(prefix_of);
        peers.iter().map(|peer| Candidate { node: peer.node, prefix: prefix(peer) }).collect()
    };
    candidates.retain(|candidate| candidate.node != own);
    let place = place_of(address);
    candidates.sort_by_cached_key(|candidate| Place::of_node(candidate.node).distance(&place));
    candidates.dedup_by_key(|candidate| candidate.node);
    candidates.truncate(limits::REPLICATION);
    candidates
}

/// The holders among those found, nearest first: one of each part of the network, unless that leaves fewer than enough.
pub(super) fn holders(candidates: &[Candidate], except: Option<NodeId>) -> Vec<NodeId> {
    let most = if candidates.len() < limits::REPLICATION {
        limits::MAILBOX_HOLDERS_FEW
    } else {
        limits::MAILBOX_HOLDERS
    };
    let eligible = || candidates.iter().enumerate().filter(|(_, candidate)| Some(candidate.node) != except);
    let mut seen = BTreeSet::new();
    let mut chosen: BTreeSet<usize> = eligible()
        .filter(|(_, candidate)| match candidate.prefix {
            None | Some(Prefix::Local) => true,
            Some(prefix) => seen.insert(prefix),
        })
        .map(|(at, _)| at)
        .take(most)
        .collect();
    for (at, _) in eligible() {
        if chosen.len() >= limits::ENOUGH_RECEIPTS {
            break;
        }
        chosen.insert(at);
    }
    chosen.into_iter().filter_map(|at| candidates.get(at)).map(|candidate| candidate.node).collect()
}

/// Which part of the network an address is in. `None`: it does not say (a name, a relay).
fn prefix_of(address: &Address) -> Option<Prefix> {
    let text = address.as_str();
    if text.contains("/p2p-circuit") {
        return None;
    }
    let mut parts = text.split('/').skip(1);
    match (parts.next()?, parts.next()?) {
        ("ip4", ip) => {
            let ip: Ipv4Addr = ip.parse().ok()?;
            let [a, b, c, _] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let local = ip.is_loopback() || ip.is_private() || ip.is_link_local() || shared;
            Some(if local { Prefix::Local } else { Prefix::V4([a, b, c]) })
        }
        ("ip6", ip) => {
            let ip: Ipv6Addr = ip.parse().ok()?;
            let local = ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local();
            let [a, b, c, d, e, f, ..] = ip.octets();
            Some(if local { Prefix::Local } else { Prefix::V6([a, b, c, d, e, f]) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAILBOX: MailboxAddress = MailboxAddress::from_bytes([9; 32]);

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    fn peer(n: u8, address: &str) -> Peer {
        Peer { node: node(n), addresses: vec![Address::try_from(address.to_owned()).expect("an address")] }
    }

    fn chosen(peers: &[Peer], except: Option<NodeId>) -> Vec<NodeId> {
        holders(&candidates(peers, &BTreeSet::new(), node(0), MAILBOX), except)
    }

    #[test]
    fn an_address_says_which_part_of_the_network_it_is_in() {
        for (text, expected) in [
            ("/ip4/8.9.10.11/tcp/1", Some(Prefix::V4([8, 9, 10]))),
            ("/ip4/192.168.1.2/udp/1/quic-v1", Some(Prefix::Local)),
            ("/ip4/100.64.0.1/tcp/1", Some(Prefix::Local)),
            ("/ip6/2001:db8:1:2::3/tcp/1", Some(Prefix::V6([0x20, 1, 0x0d, 0xb8, 0, 1]))),
            ("/ip6/::1/tcp/1", Some(Prefix::Local)),
            ("/dns4/example.org/tcp/1", None),
            ("/ip4/8.9.10.11/tcp/1/p2p/x/p2p-circuit", None),
            ("/ip4/8.9.10/tcp/1", None),
            ("/", None),
        ] {
            let address = Address::try_from(text.to_owned()).expect("an address");
            assert_eq!(prefix_of(&address), expected, "{text}");
        }
    }

    #[test]
    fn a_large_network_has_twelve_holders_and_a_small_one_eight_or_all() {
        let peers: Vec<Peer> = (1..=20).map(|n| peer(n, "/ip4/10.0.0.1/tcp/1")).collect();
        assert_eq!(chosen(&peers, None).len(), 12);
        assert_eq!(chosen(&peers[..19], None).len(), 8);
        assert_eq!(chosen(&peers[..3], None).len(), 3);
    }

    #[test]
    fn the_nearest_come_first_and_the_recipient_is_none_of_them() {
        let peers: Vec<Peer> = (1..=20).map(|n| peer(n, "/ip4/10.0.0.1/tcp/1")).collect();
        let all = chosen(&peers, None);
        let place = place_of(MAILBOX);
        assert!(all.is_sorted_by_key(|node| Place::of_node(*node).distance(&place)));
        let without = chosen(&peers, Some(all[0]));
        assert_eq!((without.len(), &without[..11]), (12, &all[1..]));
        assert!(!candidates(&peers, &BTreeSet::new(), node(3), MAILBOX).iter().any(|c| c.node == node(3)));
    }

    #[test]
    fn one_part_of_the_network_gives_one_holder_unless_there_are_too_few() {
        let mut peers: Vec<Peer> = (1..=10).map(|n| peer(n, "/ip4/8.8.8.8/tcp/1")).collect();
        peers.extend((11..=20).map(|n| peer(n, &format!("/ip4/8.8.{n}.8/tcp/1"))));
        let from_one = |nodes: &[NodeId]| nodes.iter().filter(|node| node.as_bytes()[0] <= 10).count();
        let nodes = chosen(&peers, None);
        assert_eq!((nodes.len(), from_one(&nodes)), (11, 1));
        assert_eq!(chosen(&peers[..10], None).len(), limits::ENOUGH_RECEIPTS);
    }

    #[test]
    fn before_the_routing_table_knows_anybody_those_connected_are_asked() {
        let connected = BTreeSet::from([node(0), node(1), node(2)]);
        let found = candidates(&[], &connected, node(0), MAILBOX);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_walk_is_made_once_for_all_who_wait_and_remembered_for_a_while() {
        let mut walks = Walks::default();
        let found = candidates(&[peer(1, "/ip4/10.0.0.1/tcp/1")], &BTreeSet::new(), node(0), MAILBOX);
        assert!(walks.wait(MAILBOX, Purpose::Fetch));
        assert!(!walks.wait(MAILBOX, Purpose::Deposit));
        assert!(!walks.wait(MAILBOX, Purpose::Fetch));
        let waited = walks.ended(MAILBOX, Mono(5), found.clone());
        assert_eq!(waited, BTreeSet::from([Purpose::Deposit, Purpose::Fetch]));
        let minute = Duration::from_secs(60);
        assert_eq!(walks.known(&MAILBOX, Mono(60_005), minute), Some(found.as_slice()));
        assert_eq!(walks.known(&MAILBOX, Mono(60_006), minute), None);
        walks.doubt(&MAILBOX);
        assert_eq!(walks.known(&MAILBOX, Mono(6), minute), None);
    }

    #[test]
    fn what_walks_found_is_bounded() {
        let mut walks = Walks::default();
        for n in 0..2_000u32 {
            let mut address = [0; 32];
            address[..4].copy_from_slice(&n.to_be_bytes());
            walks.ended(MailboxAddress::from_bytes(address), Mono(u64::from(n)), vec![]);
        }
        assert_eq!(walks.found.len(), MAX_REMEMBERED);
    }
}
