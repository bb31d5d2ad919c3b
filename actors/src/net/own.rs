//! Where we can be reached ourselves, as far as we know.
//!
//! Four sources: the addresses we listen on (libp2p spells wildcards out per interface), what the router passes on to us, our places at relays, and the
//! address that others see us at. The last is only believed when peers from two different prefixes report the very same: one peer could lie, and behind most
//! NATs each sees another port. What others tried in vain is told to nobody; and while nothing public is proved, places at relays come before
//! what merely may be.
//!
//! Not here: the proof (`proofs`).

use super::{
    Loopback,
    address::{self, Scope},
    proofs::Standing,
    ways::Way,
};
use libp2p::Multiaddr;
use pc2_protocols::{
    limits::MAX_ADDRESSES,
    net::{Address, Prefix},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// Peers of so many prefixes must agree.
const WITNESSES: usize = 2;

/// Claims remembered: a NAT that maps each connection anew makes one per peer.
const MAX_CLAIMS: usize = 64;

/// What others see us at.
#[derive(Debug, Default)]
pub(super) struct Observed {
    claims: BTreeMap<Multiaddr, BTreeSet<Prefix>>,
}

impl Observed {
    /// A peer of some prefix sees us at an address; whether that confirmed it just now.
    pub(super) fn claim(&mut self, seen_at: &Multiaddr, by: Prefix) -> bool {
        let seen_at = address::without_peer(seen_at);
        let public = address::address(&seen_at).is_some() && address::scope(&seen_at) == Some(Scope::Global);
        if !public || by == Prefix::Local {
            return false;
        }
        if self.claims.len() >= MAX_CLAIMS && !self.claims.contains_key(&seen_at) {
            self.claims.retain(|_, witnesses| witnesses.len() >= WITNESSES);
        }
        let witnesses = self.claims.entry(seen_at).or_default();
        // More witnesses than needed are not kept.
        witnesses.len() < WITNESSES && witnesses.insert(by) && witnesses.len() == WITNESSES
    }

    /// The network changed: nothing of it is known any more.
    pub(super) fn forget(&mut self) {
        self.claims.clear();
    }
}

/// The addresses to tell others, best first: public ones, circuits, those of the LAN; QUIC before TCP. Loopback as configured. Circuits only while no public
/// one is `proved`; `refuted` ones not at all.
pub(super) fn publishable<'a>(
    listening: impl Iterator<Item = &'a Multiaddr>,
    external: impl Iterator<Item = &'a Multiaddr>,
    loopback: Loopback,
    standing: impl Fn(&Multiaddr) -> Standing,
) -> Vec<Address> {
    let mut all: Vec<_> = external
        .chain(listening)
        .map(address::without_peer)
        .filter_map(|one| {
            let through = if address::circuit(&one).is_some() { Way::Relayed } else { Way::Direct };
            let (scope, carrier) = (address::scope(&one)?, address::carrier(&one)?);
            Some((scope, through, carrier, standing(&one), address::address(&one)?))
        })
        .filter(|(.., standing, _)| *standing != Standing::Refuted)
        .collect();
    // Stable: external ones stay before listening ones.
    all.sort_by_key(|(scope, through, carrier, ..)| (Reverse(*scope), *through, *carrier));
    let alone = all.iter().all(|(scope, ..)| *scope == Scope::Loopback);
    let loopback = alone || loopback == Loopback::Always;
    let proved = all.iter().any(|(.., standing, _)| *standing == Standing::Proved);
    let mut told = Vec::new();
    for (scope, through, _, _, address) in all {
        let wanted = (scope > Scope::Loopback || loopback) && (through == Way::Direct || !proved);
        if wanted && !told.contains(&address) {
            told.push(address);
        }
    }
    told.truncate(MAX_ADDRESSES);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multiaddr(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddress")
    }

    fn told(listening: &[&str], external: &[&str], loopback: Loopback) -> Vec<String> {
        let listening: Vec<_> = listening.iter().map(|text| multiaddr(text)).collect();
        let external: Vec<_> = external.iter().map(|text| multiaddr(text)).collect();
        let untried = |_: &Multiaddr| Standing::Untried;
        publishable(listening.iter(), external.iter(), loopback, untried)
            .into_iter()
            .map(String::from)
            .collect()
    }

    #[test]
    fn circuits_are_told_while_nothing_public_is_proved_and_what_proved_false_never() {
        let circuit = format!(
            "/ip4/8.8.8.8/tcp/1/p2p/{}/p2p-circuit",
            pc2_protocols::id::NodeId::from_bytes([3; 32]).peer_id_text()
        );
        let listening =
            [multiaddr(&circuit), multiaddr("/ip4/10.0.0.1/tcp/1"), multiaddr("/ip4/9.9.9.9/tcp/1")];
        let told = |public| {
            let standing =
                |at: &Multiaddr| if at.to_string().contains("9.9.9.9") { public } else { Standing::Untried };
            let told = publishable(listening.iter(), std::iter::empty(), Loopback::WhenAlone, standing);
            told.into_iter().map(String::from).collect::<Vec<_>>()
        };
        assert_eq!(told(Standing::Untried), ["/ip4/9.9.9.9/tcp/1", &circuit, "/ip4/10.0.0.1/tcp/1"]);
        assert_eq!(told(Standing::Proved), ["/ip4/9.9.9.9/tcp/1", "/ip4/10.0.0.1/tcp/1"]);
        assert_eq!(told(Standing::Refuted), [circuit.as_str(), "/ip4/10.0.0.1/tcp/1"]);
    }

    #[test]
    fn public_addresses_come_first_and_loopback_is_not_told() {
        let listening = ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.1/udp/1/quic-v1"];
        assert_eq!(
            told(&listening, &["/ip4/9.9.9.9/tcp/1"], Loopback::WhenAlone),
            ["/ip4/9.9.9.9/tcp/1", "/ip4/10.0.0.1/udp/1/quic-v1", "/ip4/10.0.0.1/tcp/1"]
        );
    }

    #[test]
    fn loopback_is_told_when_there_is_nothing_else_or_when_asked_for() {
        assert_eq!(told(&["/ip4/127.0.0.1/tcp/1"], &[], Loopback::WhenAlone), ["/ip4/127.0.0.1/tcp/1"]);
        let both = ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1"];
        assert_eq!(told(&both, &[], Loopback::Always).len(), 2);
        assert_eq!(told(&both, &[], Loopback::WhenAlone), ["/ip4/10.0.0.1/tcp/1"]);
    }

    #[test]
    fn one_witness_is_not_enough_and_neighbours_are_none() {
        let mut observed = Observed::default();
        let seen = multiaddr("/ip4/9.9.9.9/tcp/4190");
        assert!(!observed.claim(&seen, Prefix::V4([1, 1, 1])));
        assert!(!observed.claim(&seen, Prefix::V4([1, 1, 1])), "the same witness again");
        assert!(!observed.claim(&seen, Prefix::Local));
        assert!(observed.claim(&seen, Prefix::V4([2, 2, 2])));
        assert!(!observed.claim(&seen, Prefix::V4([3, 3, 3])), "confirmed once");
        assert!(!observed.claim(&multiaddr("/ip4/10.0.0.1/tcp/1"), Prefix::V4([1, 1, 1])));
    }

    #[test]
    fn claims_do_not_pile_up() {
        let mut observed = Observed::default();
        for port in 1..1_000 {
            observed.claim(&multiaddr(&format!("/ip4/9.9.9.9/tcp/{port}")), Prefix::V4([1, 1, 1]));
        }
        assert!(observed.claims.len() <= MAX_CLAIMS);
    }
}
