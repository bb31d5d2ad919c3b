//! Between our words and libp2p's: node ids, addresses, and what an address says about where a node is.
//!
//! Total functions without state. An address that we would not dial (another transport, the unspecified IP) does not pass. An address by way of a relay
//! (a circuit) lies where the relay does: nobody outside can tell where the node itself is.
//!
//! Not here: which addresses we publish (`own`), whose are remembered (`book`).

use super::view::{Place, Transport};
use libp2p::{Multiaddr, PeerId, kad::KBucketKey, multiaddr::Protocol};
use pc2_protocols::{
    id::NodeId,
    net::{Address, Peer, Prefix},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// From how far away an address can be used, nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// On the same machine.
    Loopback,
    /// In the same network of somebody's own, carrier-grade NAT included.
    Private,
    /// From everywhere, as far as one can tell. DNS names belong here.
    Global,
}

/// The libp2p PeerId of a node: the same key, written differently.
pub(super) fn peer_id(node: NodeId) -> PeerId {
    PeerId::from_bytes(&node.peer_id_bytes()).expect("an identity multihash of 36 bytes is a PeerId")
}

/// The node of a PeerId; `None` for keys that are not Ed25519.
pub(super) fn node_id(peer: &PeerId) -> Option<NodeId> {
    let bytes = peer.to_bytes();
    let node = NodeId::try_from(bytes.get(6..)?).ok()?;
    (node.peer_id_bytes().as_slice() == bytes).then_some(node)
}

/// The multiaddress of an address that we can dial; `None` when we cannot.
pub(super) fn dialable(address: &Address) -> Option<Multiaddr> {
    let address: Multiaddr = address.as_str().parse().ok()?;
    (carrier(&address).is_some() && scope(&address).is_some()).then_some(address)
}

/// Our form of a multiaddress that we can dial, without a trailing `/p2p/…`.
pub(super) fn address(multiaddr: &Multiaddr) -> Option<Address> {
    let bare = without_peer(multiaddr);
    carrier(&bare)?;
    scope(&bare)?;
    Address::try_from(bare.to_string()).ok()
}

/// How a connection's far end is shown to people, dialable or not.
pub(super) fn shown(remote: &Multiaddr) -> Option<(Address, Transport)> {
    let bare = without_peer(remote);
    let quic = bare.iter().any(|part| part == Protocol::QuicV1);
    let transport = if quic { Transport::Quic } else { Transport::Tcp };
    Some((Address::try_from(bare.to_string()).ok()?, transport))
}

/// Whether a connection's far end is reached by TCP, as far as its relay when relayed.
pub(super) fn is_tcp(remote: &Multiaddr) -> bool {
    remote.iter().any(|part| matches!(part, Protocol::Tcp(_)))
}

/// The address without a trailing `/p2p/…`.
pub(super) fn without_peer(multiaddr: &Multiaddr) -> Multiaddr {
    let mut bare = multiaddr.clone();
    if matches!(bare.iter().last(), Some(Protocol::P2p(_))) {
        bare.pop();
    }
    bare
}

/// The relay of a circuit and where that is, if the address is one that ends there: `…/p2p/<relay>/p2p-circuit`.
pub(super) fn circuit(address: &Multiaddr) -> Option<(NodeId, Multiaddr)> {
    let mut rest = without_peer(address);
    let Some(Protocol::P2pCircuit) = rest.pop() else { return None };
    let Some(Protocol::P2p(relay)) = rest.pop() else { return None };
    transport(&rest)?;
    Some((node_id(&relay)?, rest))
}

/// The transport of an address, as far as its relay if it is a circuit.
pub(super) fn carrier(address: &Multiaddr) -> Option<Transport> {
    transport(address).or_else(|| transport(&circuit(address)?.1))
}

/// The transport of an address, if it is exactly one that we speak and leads to the node itself.
pub(super) fn transport(address: &Multiaddr) -> Option<Transport> {
    let mut parts = address.iter();
    let host = parts.next()?;
    if !matches!(
        host,
        Protocol::Ip4(_) | Protocol::Ip6(_) | Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)
    ) {
        return None;
    }
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Protocol::Tcp(_)), None, None) => Some(Transport::Tcp),
        (Some(Protocol::Udp(_)), Some(Protocol::QuicV1), None) => Some(Transport::Quic),
        _ => None,
    }
}

/// The IP of an address, if it is written as one.
pub(super) fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)),
        _ => None,
    }
}

/// From how far away an address (or its relay) can be used; `None` for what cannot be dialled at all (unspecified, multicast, link-local IPv6).
pub(super) fn scope(address: &Multiaddr) -> Option<Scope> {
    match ip(address) {
        Some(IpAddr::V4(ip)) => scope_v4(ip),
        Some(IpAddr::V6(ip)) => scope_v6(ip),
        None => Some(Scope::Global),
    }
}

fn scope_v4(ip: Ipv4Addr) -> Option<Scope> {
    let [a, b, ..] = ip.octets();
    if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() {
        None
    } else if ip.is_loopback() {
        Some(Scope::Loopback)
    } else if ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b)) {
        Some(Scope::Private)
    } else {
        Some(Scope::Global)
    }
}

fn scope_v6(ip: Ipv6Addr) -> Option<Scope> {
    if ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local() {
        None
    } else if ip.is_loopback() {
        Some(Scope::Loopback)
    } else if ip.is_unique_local() {
        Some(Scope::Private)
    } else {
        Some(Scope::Global)
    }
}

/// Whether only this machine can use an address to listen on.
pub(super) fn is_loopback(address: &Address) -> bool {
    address.as_str().parse().is_ok_and(|address| scope(&address) == Some(Scope::Loopback))
}

/// Which part of the network an address (or its relay) belongs to. A DNS name counts as `Local` only where nobody else can have sent it: it never is a remote end.
pub(super) fn prefix(address: &Multiaddr) -> Prefix {
    match (scope(address), ip(address)) {
        (Some(Scope::Global), Some(IpAddr::V4(ip))) => {
            let [a, b, c, _] = ip.octets();
            Prefix::V4([a, b, c])
        }
        (Some(Scope::Global), Some(IpAddr::V6(ip))) => {
            let [a, b, c, d, e, f, ..] = ip.octets();
            Prefix::V6([a, b, c, d, e, f])
        }
        _ => Prefix::Local,
    }
}

/// Why a text names no peer. Worded for the person who wrote it into the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is no address of a node; it looks like /dns/example.org/udp/4190/quic-v1/p2p/12D3KooW…")]
pub struct BadPeer {
    /// What was written.
    pub text: String,
}

/// Reads a multiaddress that ends in `/p2p/<peer id>`, as bootstrap nodes are written.
///
/// # Errors
/// [`BadPeer`] when it is none, or of a transport or key that PC2 does not speak.
pub fn parse_peer(text: &str) -> Result<Peer, BadPeer> {
    let bad = || BadPeer { text: text.to_owned() };
    let multiaddr: Multiaddr = text.trim().parse().map_err(|_| bad())?;
    let Some(Protocol::P2p(peer)) = multiaddr.iter().last() else { return Err(bad()) };
    let node = node_id(&peer).ok_or_else(bad)?;
    let address = address(&multiaddr).ok_or_else(bad)?;
    Ok(Peer { node, addresses: vec![address] })
}

/// Where a node is among the keys of the network, seen from another.
pub(super) fn place(from: NodeId, node: NodeId) -> Place {
    let key = |node| KBucketKey::from(peer_id(node));
    let (own, theirs) = (key(from), key(node));
    let (own, theirs) = (own.hashed_bytes(), theirs.hashed_bytes());
    let bit = |bytes: &[u8], at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
    let bits = own.len() * 8;
    let common = (0..bits).find(|at| bit(own, *at) != bit(theirs, *at)).unwrap_or(bits);
    let turn = (common + 1..common + 17).fold(0, |turn, at| turn << 1 | u16::from(bit(theirs, at)));
    Place { common_bits: u16::try_from(common).unwrap_or(u16::MAX), turn }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    fn multiaddr(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddress")
    }

    #[test]
    fn a_node_and_its_peer_id_are_the_same_key() {
        let keypair = Keypair::ed25519_from_bytes([7; 32]).expect("a key");
        let peer = keypair.public().to_peer_id();
        let node = node_id(&peer).expect("ed25519");
        assert_eq!(peer_id(node), peer);
        assert_eq!(node.peer_id_text(), peer.to_string());
    }

    #[test]
    fn a_peer_id_of_another_kind_is_no_node() {
        assert_eq!(node_id(&PeerId::random()), None);
    }

    #[test]
    fn only_our_two_transports_are_dialled() {
        for text in ["/ip4/1.2.3.4/tcp/1", "/dns/a.example/udp/1/quic-v1", "/ip6/2001:db8::1/tcp/1"] {
            let address = Address::try_from(text.to_owned()).expect("an address");
            assert!(dialable(&address).is_some(), "{text}");
        }
        for text in [
            "/ip4/1.2.3.4/tcp/1/ws",
            "/ip4/0.0.0.0/tcp/1",
            "/ip6/fe80::1/tcp/1",
            "/ip4/1.2.3.4/udp/1",
            "/unix/tmp",
            "/nonsense",
        ] {
            let address = Address::try_from(text.to_owned()).expect("an address");
            assert_eq!(dialable(&address), None, "{text}");
        }
    }

    #[test]
    fn a_circuit_lies_where_its_relay_does() {
        let relay = NodeId::from_bytes([3; 32]);
        let text = format!("/ip4/8.9.10.11/udp/4190/quic-v1/p2p/{}/p2p-circuit", relay.peer_id_text());
        let at = Address::try_from(text.clone()).expect("an address");
        let circuit_at = dialable(&at).expect("dialable");
        let (by, place) = circuit(&circuit_at).expect("a circuit");
        assert_eq!((by, place.to_string().as_str()), (relay, "/ip4/8.9.10.11/udp/4190/quic-v1"));
        assert_eq!(prefix(&circuit_at), Prefix::V4([8, 9, 10]));
        assert_eq!((transport(&circuit_at), carrier(&circuit_at)), (None, Some(Transport::Quic)));
        let whose = multiaddr(&format!("{text}/p2p/{}", NodeId::from_bytes([4; 32]).peer_id_text()));
        assert_eq!(address(&whose), Some(at), "without the node at its end");
        for nonsense in [
            "/p2p-circuit".to_owned(),
            "/ip4/8.9.10.11/tcp/1/p2p-circuit".to_owned(),
            format!("{text}/p2p-circuit"),
        ] {
            assert_eq!(circuit(&multiaddr(&nonsense)), None, "{nonsense}");
            assert_eq!(address(&multiaddr(&nonsense)), None, "{nonsense}");
        }
    }

    #[test]
    fn scope_and_prefix_tell_home_from_the_world() {
        let table = [
            ("/ip4/127.0.0.1/tcp/1", Scope::Loopback, Prefix::Local),
            ("/ip4/192.168.1.2/tcp/1", Scope::Private, Prefix::Local),
            ("/ip4/100.64.0.1/tcp/1", Scope::Private, Prefix::Local),
            ("/ip4/8.9.10.11/tcp/1", Scope::Global, Prefix::V4([8, 9, 10])),
            ("/ip6/::1/tcp/1", Scope::Loopback, Prefix::Local),
            ("/ip6/fd00::1/tcp/1", Scope::Private, Prefix::Local),
            ("/ip6/2a01:4f8:1:2::1/tcp/1", Scope::Global, Prefix::V6([0x2a, 1, 4, 0xf8, 0, 1])),
            ("/ip6/::ffff:127.0.0.1/tcp/1", Scope::Loopback, Prefix::Local),
        ];
        for (text, expected_scope, expected_prefix) in table {
            assert_eq!(scope(&multiaddr(text)), Some(expected_scope), "{text}");
            assert_eq!(prefix(&multiaddr(text)), expected_prefix, "{text}");
        }
    }

    #[test]
    fn a_bootstrap_address_names_node_and_place() {
        let node = NodeId::from_bytes([3; 32]);
        let text = format!("/ip4/1.2.3.4/tcp/4190/p2p/{}", node.peer_id_text());
        let peer = parse_peer(&text).expect("a peer");
        assert_eq!(peer.node, node);
        assert_eq!(peer.addresses.first().map(Address::as_str), Some("/ip4/1.2.3.4/tcp/4190"));
        assert!(parse_peer("/ip4/1.2.3.4/tcp/4190").is_err());
        assert!(parse_peer("hello").is_err());
    }

    #[test]
    fn a_node_has_the_same_place_whenever_it_is_looked_at_and_half_of_all_are_far() {
        let own = NodeId::from_bytes([1; 32]);
        let places: Vec<_> = (2..=255).map(|number| place(own, NodeId::from_bytes([number; 32]))).collect();
        let far = places.iter().filter(|place| place.common_bits == 0).count();
        assert!((90..165).contains(&far), "{far} of {}", places.len());
        assert!(places.iter().all(|place| place.common_bits < 32));
        assert_eq!(place(own, own), Place { common_bits: 256, turn: 0 });
        assert_eq!(place(own, NodeId::from_bytes([2; 32])), places[0]);
    }
}
