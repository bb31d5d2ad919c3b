//! What the driver has found out and still holds, for a new life of the relay machine.
//!
//! In: its news, one after the other. Out: as many of them as are needed to know the same. A try's age is not among them: told again, it counts
//! as made just now, for an hour at most.
//!
//! Bounded by connected peers (relays), by what was asked for (places), and by numbers of their own (tries, addresses).

use pc2_protocols::{
    id::NodeId,
    limits::MAX_ADDRESSES,
    net::{Address, Mapping, Prefix, Reach},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// Tries of others remembered, the latest: more than a proof needs.
const MAX_TRIES: usize = 32;

/// What holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    relays: BTreeMap<NodeId, (Prefix, Option<Duration>)>,
    mapped: BTreeSet<Address>,
    mapping: Option<Mapping>,
    tries: VecDeque<Try>,
    places: BTreeMap<NodeId, Vec<Address>>,
}

/// One peer's try to reach one address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Try {
    address: Address,
    by: NodeId,
    prefix: Prefix,
    reachable: bool,
}

impl Found {
    /// Takes news in.
    pub(super) fn heard(&mut self, reach: &Reach) {
        match reach {
            Reach::Probed { address, by, prefix, reachable } => {
                self.tries.retain(|earlier| (&earlier.address, &earlier.by) != (address, by));
                if self.tries.len() >= MAX_TRIES {
                    self.tries.pop_front();
                }
                let (address, by, prefix, reachable) = (address.clone(), *by, *prefix, *reachable);
                self.tries.push_back(Try { address, by, prefix, reachable });
            }
            Reach::Mapped { address } => {
                if self.mapped.len() < MAX_ADDRESSES {
                    self.mapped.insert(address.clone());
                }
            }
            Reach::Unmapped { address } => {
                self.mapped.remove(address);
            }
            Reach::NoGateway => self.mapped.clear(),
            Reach::Mapping { mapping } => self.mapping = Some(*mapping),
            Reach::RelaySeen { node, prefix, latency } => {
                self.relays.insert(*node, (*prefix, *latency));
            }
            Reach::RelayGone { node } => {
                self.relays.remove(node);
            }
            Reach::Reserved { relay, addresses } => {
                self.places.insert(*relay, addresses.clone());
            }
            Reach::ReservationLost { relay, .. } => {
                self.places.remove(relay);
            }
        }
    }

    /// A peer is connected no longer.
    pub(super) fn gone(&mut self, node: NodeId) {
        self.relays.remove(&node);
        self.places.remove(&node);
    }

    /// What was found out in another network holds no longer.
    pub(super) fn network_changed(&mut self) {
        self.mapped.clear();
        self.mapping = None;
        self.tries.clear();
    }

    /// All of it, in an order in which it makes sense: a place belongs to a relay.
    pub(super) fn news(&self) -> impl Iterator<Item = Reach> + '_ {
        let relays = self.relays.iter().map(|(node, (prefix, latency))| Reach::RelaySeen {
            node: *node,
            prefix: *prefix,
            latency: *latency,
        });
        let mapped = self.mapped.iter().map(|address| Reach::Mapped { address: address.clone() });
        let mapping = self.mapping.map(|mapping| Reach::Mapping { mapping });
        let tries = self.tries.iter().cloned().map(|Try { address, by, prefix, reachable }| Reach::Probed {
            address,
            by,
            prefix,
            reachable,
        });
        let places = self
            .places
            .iter()
            .map(|(relay, addresses)| Reach::Reserved { relay: *relay, addresses: addresses.clone() });
        relays.chain(mapped).chain(mapping).chain(tries).chain(places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pc2_protocols::net::ReservationError;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn address(number: u8) -> Address {
        Address::try_from(format!("/ip4/192.0.2.{number}/tcp/1")).expect("an address")
    }

    fn tried(by: u8, reachable: bool) -> Reach {
        Reach::Probed { address: address(1), by: node(by), prefix: Prefix::Local, reachable }
    }

    fn seen(number: u8) -> Reach {
        Reach::RelaySeen { node: node(number), prefix: Prefix::Local, latency: None }
    }

    fn place(number: u8) -> Reach {
        Reach::Reserved { relay: node(number), addresses: vec![address(number)] }
    }

    #[test]
    fn what_still_holds_is_told_again_relays_before_places() {
        let mut found = Found::default();
        let mapping = Reach::Mapping { mapping: Mapping::Same };
        let mapped = Reach::Mapped { address: address(1) };
        let again = tried(1, true);
        let all = [&place(1), &seen(1), &seen(2), &mapping, &mapped, &tried(1, false), &again];
        all.into_iter().for_each(|reach| found.heard(reach));
        let told: Vec<_> = found.news().collect();
        assert_eq!(told, [seen(1), seen(2), mapped, mapping, again, place(1)]);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut found = Found::default();
        for number in 1..=4 {
            found.heard(&seen(number));
            found.heard(&place(number));
        }
        found.heard(&Reach::RelayGone { node: node(1) });
        found.heard(&Reach::ReservationLost { relay: node(1), reason: ReservationError::Refused });
        found.gone(node(2));
        found.heard(&Reach::ReservationLost { relay: node(3), reason: ReservationError::Refused });
        let told: Vec<_> = found.news().collect();
        assert_eq!(told, [seen(3), seen(4), place(4)]);

        found.heard(&tried(1, true));
        found.heard(&Reach::Mapped { address: address(1) });
        found.network_changed();
        assert_eq!(found.news().count(), 3);
    }

    #[test]
    fn only_the_latest_tries_are_kept() {
        let mut found = Found::default();
        (0..200).for_each(|by| found.heard(&tried(by, true)));
        assert_eq!(found.news().count(), MAX_TRIES);
        assert_eq!(found.news().last(), Some(tried(199, true)));
    }
}
