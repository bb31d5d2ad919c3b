//! What a NAT between us and the world does with our ports, from where peers in different parts of the network see us.
//!
//! Only connections that we opened from a port we listen on tell anything: on others the peer merely repeats where it dialled us, or sees a passing port. UDP
//! is asked first, because that is what holes are punched with. Pure.

use super::address::{self, Scope};
use libp2p::Multiaddr;
use pc2_protocols::net::{Mapping, Prefix};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Parts of the network whose last report is kept.
const MAX_REPORTS: usize = 64;

/// Reports of so many parts of the network make a picture.
const ENOUGH: usize = 2;

/// The kind of a socket: NATs treat each on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// UDP over IPv4 (QUIC).
    Udp,
    /// TCP over IPv4.
    Tcp,
    /// Either over IPv6.
    V6,
}

/// Where we are seen.
#[derive(Debug, Default)]
pub(super) struct Reports {
    seen: BTreeMap<(Kind, Prefix), Multiaddr>,
}

impl Reports {
    /// A peer sees us there.
    pub(super) fn seen(&mut self, at: &Multiaddr, by: Prefix) {
        let at = address::without_peer(at);
        if by == Prefix::Local || address::scope(&at) != Some(Scope::Global) {
            return;
        }
        let Some(kind) = kind(&at) else { return };
        if self.seen.len() >= MAX_REPORTS {
            self.seen.pop_first();
        }
        self.seen.insert((kind, by), at);
    }

    /// Whether anybody has said where we are seen.
    pub(super) fn any(&self) -> bool {
        !self.seen.is_empty()
    }

    /// What that means, given the addresses of our own interfaces.
    pub(super) fn mapping(&self, own: &BTreeSet<IpAddr>) -> Mapping {
        [Kind::Udp, Kind::Tcp, Kind::V6]
            .into_iter()
            .map(|kind| self.of_kind(kind, own))
            .find(|mapping| *mapping != Mapping::Unknown)
            .unwrap_or(Mapping::Unknown)
    }

    fn of_kind(&self, kind: Kind, own: &BTreeSet<IpAddr>) -> Mapping {
        let reports = || self.seen.iter().filter(|((of, _), _)| *of == kind).map(|(_, at)| at);
        if reports().any(|at| address::ip(at).is_some_and(|ip| own.contains(&ip))) {
            return Mapping::None;
        }
        let different: BTreeSet<_> = reports().collect();
        match (reports().count(), different.len()) {
            (count, _) if count < ENOUGH => Mapping::Unknown,
            (_, 1) => Mapping::Same,
            _ => Mapping::PerDestination,
        }
    }

    /// The network changed: nothing of it is known any more.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }
}

fn kind(at: &Multiaddr) -> Option<Kind> {
    use super::view::Transport;
    Some(match (address::ip(at)?, address::transport(at)?) {
        (IpAddr::V6(_), _) => Kind::V6,
        (IpAddr::V4(_), Transport::Quic) => Kind::Udp,
        (IpAddr::V4(_), Transport::Tcp) => Kind::Tcp,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u8) -> Prefix {
        Prefix::V4([1, 1, number])
    }

    fn mapping(reports: &[(&str, Prefix)], own: &[&str]) -> Mapping {
        let mut all = Reports::default();
        for (at, by) in reports {
            all.seen(&at.parse().expect("a multiaddress"), *by);
        }
        all.mapping(&own.iter().map(|ip| ip.parse().expect("an IP")).collect())
    }

    const HERE: &str = "/ip4/203.0.113.7/udp/4190/quic-v1";
    const THERE: &str = "/ip4/203.0.113.7/udp/50000/quic-v1";

    #[test]
    fn one_part_of_the_network_makes_no_picture() {
        assert_eq!(mapping(&[], &[]), Mapping::Unknown);
        assert_eq!(mapping(&[(HERE, part(1)), (HERE, part(1))], &[]), Mapping::Unknown);
        assert_eq!(
            mapping(&[(HERE, Prefix::Local), (HERE, part(1))], &[]),
            Mapping::Unknown,
            "neighbours see no NAT"
        );
    }

    #[test]
    fn the_same_port_for_all_or_another_for_each() {
        assert_eq!(mapping(&[(HERE, part(1)), (HERE, part(2))], &["10.0.0.2"]), Mapping::Same);
        assert_eq!(mapping(&[(HERE, part(1)), (THERE, part(2))], &["10.0.0.2"]), Mapping::PerDestination);
    }

    #[test]
    fn an_address_of_our_own_means_no_nat() {
        assert_eq!(mapping(&[(HERE, part(1))], &["203.0.113.7"]), Mapping::None);
    }

    #[test]
    fn what_happens_to_udp_comes_first() {
        let tcp = "/ip4/203.0.113.7/tcp/50000";
        let other = "/ip4/203.0.113.7/tcp/50001";
        assert_eq!(mapping(&[(tcp, part(1)), (other, part(2))], &[]), Mapping::PerDestination);
        let both = [(tcp, part(1)), (other, part(2)), (HERE, part(1)), (HERE, part(2))];
        assert_eq!(mapping(&both, &[]), Mapping::Same);
    }
}
