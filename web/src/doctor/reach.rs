//! How this node is reached, as a doctor sees it: a closed firewall, a router in the way, no relay, blocked UDP.
//!
//! Not here: finding it out (the relay machine and the driver).

use super::{bad, good};
use crate::dto::Check;
use pc2_actors::api::{Direction, NetworkView, Path, PeerView, Transport};
use pc2_protocols::{
    net::{Address, Mapping},
    relay::{ReachView, Reachability},
};
use std::net::IpAddr;

/// So many nodes elsewhere reached by TCP, and none by QUIC, are no chance.
const WITHOUT_UDP: usize = 2;

/// The name of the check that says so in one sentence.
pub(super) const REACHABILITY: &str = "reachability";

/// All checks of how this node is reached.
pub(super) fn checks(network: &NetworkView, reach: Option<&ReachView>) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(reach) = reach {
        checks.push(reached(reach));
        checks.extend(relays(reach, network.peers.len()));
    }
    checks.extend(udp(network));
    checks
}

fn reached(reach: &ReachView) -> Check {
    let name = REACHABILITY;
    match (reach.reachability, reach.mapping) {
        (Reachability::Public, _) => good(name, "others reach this node by connections of their own"),
        (Reachability::Relayed, _) => {
            good(name, "others reach this node through a relay, and directly where a hole can be punched")
        }
        (Reachability::Unknown, _) => good(name, "nobody outside has tried to reach this node yet"),
        (Reachability::Private, Mapping::None) => bad(
            name,
            "this machine has a public address, and nobody outside gets through: a firewall is closed",
            "let TCP and UDP in on the ports this node listens on (see `listening`), on this machine and at its provider",
        ),
        (Reachability::Private, Mapping::Unknown | Mapping::Same | Mapping::PerDestination) => bad(
            name,
            "a router is in the way: nobody outside gets through to this node",
            "allow UPnP in the router, or forward this node's ports to this machine; a relay does as well",
        ),
    }
}

/// Whoever is not reached directly needs a relay. Nothing to say where one is held or not needed.
fn relays(reach: &ReachView, peers: usize) -> Option<Check> {
    let needed = reach.reachability == Reachability::Private && peers > 0;
    if !needed {
        return None;
    }
    Some(if reach.reservations.is_empty() {
        bad(
            "relays",
            "none is known: nobody can call this node",
            "add a bootstrap node that relays (level 3) in config.toml, or connect with somebody who runs one",
        )
    } else {
        bad(
            "relays",
            "asked for a place, and none has been given yet",
            "wait a moment; if it stays so, the relays that are known are full or cannot be reached",
        )
    })
}

/// Blocked UDP shows when this node listens by QUIC and everybody far away is reached by TCP alone.
fn udp(network: &NetworkView) -> Option<Check> {
    let by_quic = network.listening.iter().any(|address| address.as_str().contains("/quic"));
    let ours = |peer: &&PeerView| {
        let direct = !matches!(peer.path, Path::Relayed { .. });
        direct && peer.direction == Direction::Outbound && far(&peer.address)
    };
    let carried =
        |by: Transport| network.peers.iter().filter(ours).filter(|peer| peer.transport == by).count();
    match (by_quic, carried(Transport::Tcp), carried(Transport::Quic)) {
        (true, tcp, 0) if tcp >= WITHOUT_UDP => Some(bad(
            "UDP",
            format!("{tcp} nodes are reached by TCP and none by QUIC: UDP seems to be blocked"),
            "let UDP out, and in on this node's port; until then connections are slower to come about, and fewer holes can be punched",
        )),
        (true, _, quic) if quic > 0 => Some(good("UDP", "gets through")),
        _ => None,
    }
}

/// Whether an address is outside of our own network.
fn far(address: &Address) -> bool {
    let ip = address.as_str().split('/').nth(2).and_then(|text| text.parse::<IpAddr>().ok());
    match ip {
        Some(IpAddr::V4(ip)) => !ip.is_loopback() && !ip.is_private() && !ip.is_link_local(),
        Some(IpAddr::V6(ip)) => !ip.is_loopback() && !ip.is_unique_local() && !ip.is_unicast_link_local(),
        // A name: nobody's own network needs one.
        None => true,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use pc2_actors::api::{Counters, Place, RelayingView};
    use pc2_protocols::{
        id::NodeId,
        level::{Level, LevelChoice},
        net::Prefix,
        relay::{Reservation, Shares},
        time::UnixMillis,
    };

    pub(in crate::doctor) fn reach(reachability: Reachability, mapping: Mapping) -> ReachView {
        ReachView {
            choice: LevelChoice::Auto,
            level: Level::Participant,
            why: String::new(),
            reachability,
            mapping,
            probed: Vec::new(),
            mapped: Vec::new(),
            reservations: Vec::new(),
            shares: Shares::default(),
        }
    }

    pub(in crate::doctor) fn address(text: &str) -> Address {
        Address::try_from(text.to_owned()).expect("an address")
    }

    pub(in crate::doctor) fn peer(text: &str, transport: Transport) -> PeerView {
        PeerView {
            node: NodeId::from_bytes([1; 32]),
            path: Path::Direct,
            address: address(text),
            transport,
            direction: Direction::Outbound,
            latency: None,
            since: UnixMillis(0),
            connections: 1,
            path_since: UnixMillis(0),
            bytes_in: 0,
            bytes_out: 0,
            place: Place::default(),
        }
    }

    pub(in crate::doctor) fn network(peers: Vec<PeerView>) -> NetworkView {
        NetworkView {
            node: NodeId::from_bytes([9; 32]),
            listening: vec![address("/ip4/0.0.0.0/udp/4201/quic-v1")],
            addresses: Vec::new(),
            proved: Vec::new(),
            mapping: Mapping::Unknown,
            places: Vec::new(),
            relaying: RelayingView { share: None, reservations: 0, circuits: 0, served: 0, refused: 0 },
            peers,
            bootstrap: Vec::new(),
            table: 0,
            counters: Counters::default(),
        }
    }

    #[test]
    fn a_closed_firewall_and_a_router_are_told_apart() {
        let firewall = reached(&reach(Reachability::Private, Mapping::None));
        assert!(!firewall.ok && firewall.detail.contains("firewall"), "{firewall:?}");
        for mapping in [Mapping::Same, Mapping::PerDestination] {
            let router = reached(&reach(Reachability::Private, mapping));
            assert!(!router.ok && router.detail.contains("router") && router.advice.is_some(), "{router:?}");
        }
        for well in [Reachability::Unknown, Reachability::Public, Reachability::Relayed] {
            assert!(reached(&reach(well, Mapping::Same)).ok);
        }
    }

    #[test]
    fn whoever_is_hidden_and_knows_no_relay_is_told_to_find_one() {
        let mut hidden = reach(Reachability::Private, Mapping::Same);
        assert_eq!(relays(&hidden, 0), None, "that nobody is connected is said elsewhere");
        let none = relays(&hidden, 1).expect("a check");
        assert!(!none.ok && none.detail.contains("none is known"), "{none:?}");
        let (relay, prefix) = (NodeId::from_bytes([1; 32]), Prefix::Local);
        hidden.reservations =
            vec![Reservation { relay, prefix, latency: None, addresses: Vec::new(), since: None }];
        assert!(relays(&hidden, 1).expect("a check").detail.contains("asked"));
        assert_eq!(relays(&reach(Reachability::Relayed, Mapping::Same), 1), None);
    }

    #[test]
    fn blocked_udp_shows_by_nodes_that_are_reached_by_tcp_alone() {
        let tcp = |last: u8| peer(&format!("/ip4/8.8.8.{last}/tcp/1"), Transport::Tcp);
        let blocked = udp(&network(vec![tcp(1), tcp(2)])).expect("a check");
        assert!(!blocked.ok && blocked.advice.is_some_and(|advice| advice.contains("UDP")));
        let quic = peer("/ip4/8.8.8.8/udp/1/quic-v1", Transport::Quic);
        assert!(udp(&network(vec![tcp(1), tcp(2), quic])).expect("a check").ok);
        assert_eq!(udp(&network(vec![tcp(1)])), None, "one may listen by TCP alone");
        let near = |last: u8| peer(&format!("/ip4/192.168.1.{last}/tcp/1"), Transport::Tcp);
        assert_eq!(udp(&network(vec![near(1), near(2)])), None);
        let theirs = |last| PeerView { direction: Direction::Inbound, ..tcp(last) };
        assert_eq!(udp(&network(vec![theirs(1), theirs(2)])), None, "it was their choice");
        let mut without = network(vec![tcp(1), tcp(2)]);
        without.listening = vec![address("/ip4/0.0.0.0/tcp/4201")];
        assert_eq!(udp(&without), None, "we do not speak QUIC ourselves");
    }
}
