//! How this node is reached, as far as others' tries tell.
//!
//! In: verdicts of peers that tried to connect with us, what the router says. Out: whether that proves that everybody reaches us. Proof is
//! two peers from different parts of the network that got through within the last hour, or one at an address that the router passes on.
//! A peer from our own network proves nothing. One that lies alone proves nothing either: where two parts of the network fail
//! after the last success, the successes before count no longer.
//!
//! Not here: what follows from it ([`super::standing`], [`super::places`]).

use super::{ProbedAddress, Reachability};
use crate::{
    id::NodeId,
    limits::{MAX_ADDRESSES, PROBE_LIFETIME},
    net::{Address, Mapping, Prefix},
    time::{Mono, Now},
};
use std::collections::{BTreeMap, BTreeSet};

/// Parts of the network that must agree, on success as on failure.
const WITNESSES: usize = 2;

/// Verdicts kept of one address, newest last.
const MAX_VERDICTS: usize = 16;

/// Why this node counts as reached from everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// Peers from different parts of the network got through.
    Peers,
    /// The router passes connections on, and a peer got through there.
    Router,
}

/// What one peer found at one address.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    by: NodeId,
    prefix: Prefix,
    reachable: bool,
    at: Now,
}

/// All that was found out.
#[derive(Debug)]
pub(super) struct Evidence {
    probes: BTreeMap<Address, Vec<Verdict>>,
    mapped: BTreeSet<Address>,
    mapping: Mapping,
}

impl Evidence {
    /// Nobody has tried yet.
    pub(super) const fn new() -> Self {
        Self { probes: BTreeMap::new(), mapped: BTreeSet::new(), mapping: Mapping::Unknown }
    }

    /// A peer tried to reach us. Of the same peer at the same address only the last verdict counts.
    pub(super) fn probed(&mut self, now: Now, address: Address, by: NodeId, prefix: Prefix, reachable: bool) {
        if self.probes.len() >= MAX_ADDRESSES && !self.probes.contains_key(&address) {
            let latest = |verdicts: &[Verdict]| verdicts.last().map(|verdict| verdict.at.mono);
            let oldest = self.probes.iter().min_by_key(|(_, verdicts)| latest(verdicts));
            if let Some(oldest) = oldest.map(|(address, _)| address.clone()) {
                self.probes.remove(&oldest);
            }
        }
        let verdicts = self.probes.entry(address).or_default();
        verdicts.retain(|verdict| verdict.by != by);
        if verdicts.len() >= MAX_VERDICTS {
            verdicts.remove(0);
        }
        verdicts.push(Verdict { by, prefix, reachable, at: now });
    }

    /// The router passes this address on to us.
    pub(super) fn mapped(&mut self, address: Address) {
        if self.mapped.len() < MAX_ADDRESSES {
            self.mapped.insert(address);
        }
    }

    /// It does so no longer.
    pub(super) fn unmapped(&mut self, address: &Address) {
        self.mapped.remove(address);
    }

    /// The router cannot be asked.
    pub(super) fn no_gateway(&mut self) {
        self.mapped.clear();
    }

    /// What a NAT does with our ports.
    pub(super) const fn mapping_is(&mut self, mapping: Mapping) {
        self.mapping = mapping;
    }

    /// Forgets verdicts whose time is over.
    pub(super) fn expire(&mut self, now: Mono) {
        for verdicts in self.probes.values_mut() {
            verdicts.retain(|verdict| now.since(verdict.at.mono) < PROBE_LIFETIME);
        }
        self.probes.retain(|_, verdicts| !verdicts.is_empty());
    }

    /// When the next verdict's time is over.
    pub(super) fn next_end(&self) -> Option<Mono> {
        self.probes.values().flatten().map(|verdict| verdict.at.mono.after(PROBE_LIFETIME)).min()
    }

    /// Whether everybody reaches us, and how that is known.
    pub(super) fn proof(&self) -> Option<Proof> {
        let (mut peers, mut prefixes, mut at_router) = (BTreeSet::new(), BTreeSet::new(), false);
        for (address, verdicts) in &self.probes {
            for verdict in successes(verdicts) {
                peers.insert(verdict.by);
                prefixes.insert(verdict.prefix);
                at_router |= self.mapped.contains(address);
            }
        }
        if peers.len() >= WITNESSES && prefixes.len() >= WITNESSES {
            Some(Proof::Peers)
        } else {
            at_router.then_some(Proof::Router)
        }
    }

    /// Whether somebody outside got through, though too few for a proof.
    pub(super) fn one_success(&self) -> bool {
        self.probes.values().any(|verdicts| successes(verdicts).next().is_some())
    }

    /// Whether somebody outside tried in vain.
    pub(super) fn one_failure(&self) -> bool {
        self.probes.values().flatten().any(|verdict| outside(verdict) && !verdict.reachable)
    }

    /// Whether we certainly have no public address of our own, as far as is known: a NAT is in between, or nobody who tried got through.
    pub(super) fn hidden(&self) -> bool {
        matches!(self.mapping, Mapping::Same | Mapping::PerDestination)
            || (self.one_failure() && !self.one_success())
    }

    /// How we are reached, given whether we hold a place at a relay.
    pub(super) fn reachability(&self, has_place: bool) -> Reachability {
        if self.proof().is_some() {
            Reachability::Public
        } else if has_place {
            Reachability::Relayed
        } else if self.hidden() {
            Reachability::Private
        } else {
            Reachability::Unknown
        }
    }

    /// What a NAT does with our ports.
    pub(super) const fn mapping(&self) -> Mapping {
        self.mapping
    }

    /// The last verdict on each address.
    pub(super) fn last_verdicts(&self) -> Vec<ProbedAddress> {
        let last = |(address, verdicts): (&Address, &Vec<Verdict>)| {
            let Verdict { reachable, at, .. } = *verdicts.last()?;
            Some(ProbedAddress { address: address.clone(), reachable, at: at.unix })
        };
        self.probes.iter().filter_map(last).collect()
    }

    /// Addresses the router passes on.
    pub(super) fn mapped_addresses(&self) -> Vec<Address> {
        self.mapped.iter().cloned().collect()
    }
}

/// Whether a verdict comes from outside of our own network.
fn outside(verdict: &Verdict) -> bool {
    verdict.prefix != Prefix::Local
}

/// The successes at one address that count.
fn successes(verdicts: &[Verdict]) -> impl Iterator<Item = &Verdict> {
    let yes = |verdict: &&Verdict| outside(verdict) && verdict.reachable;
    let last = verdicts.iter().rposition(|verdict| yes(&verdict));
    let after = last.map_or(verdicts, |last| verdicts.get(last + 1..).unwrap_or_default());
    let against: BTreeSet<_> =
        after.iter().filter(|verdict| outside(verdict)).map(|verdict| verdict.prefix).collect();
    verdicts.iter().filter(yes).filter(move |_| against.len() < WITNESSES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixMillis;
    use std::time::Duration;

    fn at(seconds: u64) -> Now {
        Now { mono: Mono(seconds * 1_000), unix: UnixMillis(seconds * 1_000) }
    }

    fn address(number: u8) -> Address {
        Address::try_from(format!("/ip4/192.0.2.{number}/tcp/4201")).expect("an address")
    }

    fn probe(evidence: &mut Evidence, seconds: u64, peer: u8, prefix: Prefix, reachable: bool) {
        evidence.probed(at(seconds), address(1), NodeId::from_bytes([peer; 32]), prefix, reachable);
    }

    const A: Prefix = Prefix::V4([1, 1, 1]);
    const B: Prefix = Prefix::V4([2, 2, 2]);
    const C: Prefix = Prefix::V6([3; 6]);

    #[test]
    fn two_peers_from_different_parts_of_the_network_are_a_proof() {
        let mut evidence = Evidence::new();
        probe(&mut evidence, 0, 1, A, true);
        assert_eq!(evidence.proof(), None, "one could lie");
        probe(&mut evidence, 0, 2, A, true);
        assert_eq!(evidence.proof(), None, "peer ids are free, prefixes are not");
        probe(&mut evidence, 0, 3, B, true);
        assert_eq!(evidence.proof(), Some(Proof::Peers));
        assert_eq!(evidence.reachability(false), Reachability::Public);
    }

    #[test]
    fn one_peer_with_two_addresses_is_one_peer() {
        let mut evidence = Evidence::new();
        let peer = NodeId::from_bytes([1; 32]);
        evidence.probed(at(0), address(1), peer, A, true);
        evidence.probed(at(0), address(2), peer, C, true);
        assert_eq!(evidence.proof(), None);
    }

    #[test]
    fn the_own_network_proves_nothing() {
        let mut evidence = Evidence::new();
        evidence.mapped(address(1));
        for peer in 1..9 {
            probe(&mut evidence, 0, peer, Prefix::Local, true);
        }
        assert_eq!(evidence.proof(), None);
        probe(&mut evidence, 0, 9, Prefix::Local, false);
        assert!(!evidence.one_failure() && !evidence.one_success());
    }

    #[test]
    fn a_mapping_counts_once_somebody_got_through_there() {
        let mut evidence = Evidence::new();
        evidence.mapped(address(1));
        assert_eq!(evidence.proof(), None, "the router's word alone");
        evidence.probed(at(0), address(2), NodeId::from_bytes([1; 32]), A, true);
        assert_eq!(evidence.proof(), None, "at another address");
        probe(&mut evidence, 0, 2, A, true);
        assert_eq!(evidence.proof(), Some(Proof::Router));
        evidence.unmapped(&address(1));
        assert_eq!(evidence.proof(), None);
    }

    #[test]
    fn a_proof_is_an_hour_old_at_most() {
        let mut evidence = Evidence::new();
        probe(&mut evidence, 0, 1, A, true);
        probe(&mut evidence, 60, 2, B, true);
        let hour = PROBE_LIFETIME.as_secs();
        evidence.expire(at(hour - 1).mono);
        assert_eq!(evidence.proof(), Some(Proof::Peers));
        assert_eq!(evidence.next_end(), Some(at(hour).mono));
        evidence.expire(at(hour).mono);
        assert_eq!(evidence.proof(), None);
        evidence.expire(at(hour + 60).mono);
        assert_eq!((evidence.next_end(), evidence.last_verdicts()), (None, vec![]));
    }

    #[test]
    fn one_that_fails_changes_nothing_and_two_end_the_proof() {
        let mut evidence = Evidence::new();
        probe(&mut evidence, 0, 1, A, true);
        probe(&mut evidence, 1, 2, B, true);
        probe(&mut evidence, 2, 3, C, false);
        probe(&mut evidence, 3, 4, C, false);
        assert_eq!(evidence.proof(), Some(Proof::Peers), "a liar with two keys");
        probe(&mut evidence, 4, 5, A, false);
        assert_eq!(evidence.proof(), None);
        assert!(evidence.hidden());
        assert_eq!(evidence.reachability(false), Reachability::Private);
        assert_eq!(evidence.reachability(true), Reachability::Relayed);
        probe(&mut evidence, 5, 6, B, true);
        assert_eq!(evidence.proof(), Some(Proof::Peers), "a later success counts again, and those before it");
    }

    #[test]
    fn a_flood_of_verdicts_stays_within_its_bounds() {
        let mut evidence = Evidence::new();
        for number in 0..=255 {
            let peer = NodeId::from_bytes([number; 32]);
            evidence.probed(at(u64::from(number)), address(number), peer, A, true);
            evidence.probed(at(u64::from(number)), address(255), peer, A, true);
            evidence.mapped(address(number));
        }
        assert_eq!(evidence.probes.len(), MAX_ADDRESSES);
        assert!(evidence.probes.values().all(|verdicts| verdicts.len() <= MAX_VERDICTS));
        assert_eq!(evidence.mapped_addresses().len(), MAX_ADDRESSES);
        assert!(evidence.probes.contains_key(&address(255)), "the newest stay");
        assert!(Duration::from_secs(256) < PROBE_LIFETIME);
    }
}
