//! What this node relays for others: who holds places and circuits here, and whether one more fits.
//!
//! In: requests for places and circuits, their ends, the share that is lent. Out: whether each is admitted. Peer ids are free, parts of the network are not, so
//! both are counted; on one machine or LAN only peers are. Requests are limited in rate, too, admitted or not, since answering costs something.
//!
//! Pure: time is passed in. Not here: the relaying (libp2p's relay), bytes and duration of one circuit (enforced there).

use super::limits::{
    CIRCUIT_RATE, CIRCUIT_SETUP, CIRCUITS_PER_PEER, CIRCUITS_PER_PREFIX, MAX_RELAY_RATES, PLACE_RATE,
    PLACES_PER_PREFIX, RATE_WINDOW,
};
use pc2_protocols::{
    id::NodeId,
    net::{Prefix, RelayShare},
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

/// A circuit that was asked for or stands.
#[derive(Debug, Clone, Copy)]
struct Circuit {
    from: NodeId,
    prefix: Prefix,
    /// Whither, once it stands; since when it is being set up before.
    state: CircuitState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CircuitState {
    Asked(Instant),
    Stands(NodeId),
}

/// What was asked for how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Place,
    Circuit,
}

/// The book.
#[derive(Debug, Default)]
pub(super) struct Hosting {
    share: Option<RelayShare>,
    places: BTreeMap<NodeId, Prefix>,
    circuits: Vec<Circuit>,
    /// When each peer asked lately.
    rates: BTreeMap<(NodeId, Asked), VecDeque<Instant>>,
    /// Circuits that stood since the start.
    served: u64,
    /// Places and circuits refused since the start.
    refused: u64,
}

impl Hosting {
    /// Lends this from now on. What is there already stays until it ends by itself.
    pub(super) const fn lend(&mut self, share: Option<RelayShare>) {
        self.share = share;
    }

    /// What is lent.
    pub(super) const fn share(&self) -> Option<RelayShare> {
        self.share
    }

    /// Whether a peer may have a place, newly or for longer.
    pub(super) fn admit_place(&mut self, node: NodeId, prefix: Prefix, now: Instant) -> bool {
        let admitted = self.is_slow((node, Asked::Place), PLACE_RATE, now)
            && self.share.is_some_and(|share| {
                let same = self.places.values().filter(|other| **other == prefix).count();
                let renewed = self.places.contains_key(&node);
                let room = self.places.len() < count(share.reservations);
                renewed || (room && (prefix == Prefix::Local || same < PLACES_PER_PREFIX))
            });
        if admitted {
            self.places.insert(node, prefix);
        } else {
            self.refused += 1;
        }
        admitted
    }

    /// A place was given up, ran out, or its holder is gone.
    pub(super) fn left(&mut self, node: NodeId) {
        self.places.remove(&node);
    }

    /// Whether a peer may open one more circuit. It counts from now on.
    pub(super) fn admit_circuit(&mut self, from: NodeId, prefix: Prefix, now: Instant) -> bool {
        self.circuits.retain(|circuit| match circuit.state {
            CircuitState::Asked(at) => now.saturating_duration_since(at) < CIRCUIT_SETUP,
            CircuitState::Stands(_) => true,
        });
        let admitted = self.is_slow((from, Asked::Circuit), CIRCUIT_RATE, now)
            && self.share.is_some_and(|share| {
                let of_peer = self.circuits.iter().filter(|circuit| circuit.from == from).count();
                let of_prefix = self.circuits.iter().filter(|circuit| circuit.prefix == prefix).count();
                self.circuits.len() < count(share.circuits)
                    && of_peer < CIRCUITS_PER_PEER
                    && (prefix == Prefix::Local || of_prefix < CIRCUITS_PER_PREFIX)
            });
        if admitted {
            self.circuits.push(Circuit { from, prefix, state: CircuitState::Asked(now) });
        } else {
            self.refused += 1;
        }
        admitted
    }

    /// A circuit that was admitted stands.
    pub(super) fn opened(&mut self, from: NodeId, to: NodeId) {
        self.served += 1;
        let asked =
            |circuit: &&mut Circuit| circuit.from == from && matches!(circuit.state, CircuitState::Asked(_));
        if let Some(circuit) = self.circuits.iter_mut().find(asked) {
            circuit.state = CircuitState::Stands(to);
        }
    }

    /// A circuit that was admitted came to nothing.
    pub(super) fn failed(&mut self, from: NodeId) {
        self.remove(|circuit| circuit.from == from && matches!(circuit.state, CircuitState::Asked(_)));
    }

    /// A circuit has ended.
    pub(super) fn closed(&mut self, from: NodeId, to: NodeId) {
        self.remove(|circuit| circuit.from == from && circuit.state == CircuitState::Stands(to));
    }

    /// Whether a peer holds a place here or has a circuit through here.
    pub(super) fn serves(&self, node: NodeId) -> bool {
        let ends = |circuit: &Circuit| circuit.from == node || circuit.state == CircuitState::Stands(node);
        self.places.contains_key(&node) || self.circuits.iter().any(ends)
    }

    /// Places held, circuits that stand, circuits served since the start, refusals since the start.
    pub(super) fn counts(&self) -> (usize, usize, u64, u64) {
        let standing =
            self.circuits.iter().filter(|circuit| matches!(circuit.state, CircuitState::Stands(_)));
        (self.places.len(), standing.count(), self.served, self.refused)
    }

    /// Whether a peer asks slowly enough.
    fn is_slow(&mut self, key: (NodeId, Asked), most: usize, now: Instant) -> bool {
        if self.rates.len() >= MAX_RELAY_RATES && !self.rates.contains_key(&key) {
            self.rates.retain(|_, times| times.back().is_some_and(|at| is_recent(*at, now)));
            if self.rates.len() >= MAX_RELAY_RATES {
                return false;
            }
        }
        let times = self.rates.entry(key).or_default();
        while times.front().is_some_and(|at| !is_recent(*at, now)) {
            times.pop_front();
        }
        if times.len() >= most {
            return false;
        }
        times.push_back(now);
        true
    }

    fn remove(&mut self, which: impl Fn(&Circuit) -> bool) {
        if let Some(at) = self.circuits.iter().position(which) {
            self.circuits.swap_remove(at);
        }
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < RATE_WINDOW
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: RelayShare = RelayShare {
        reservations: 100,
        circuits: 50,
        circuit_bytes: 1 << 30,
        circuit_seconds: 3_600,
        bytes_per_second: 1 << 20,
    };

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn prefix(number: u8) -> Prefix {
        Prefix::V4([9, 9, number])
    }

    fn lending() -> (Hosting, Instant) {
        let mut hosting = Hosting::default();
        hosting.lend(Some(SHARE));
        (hosting, Instant::now())
    }

    #[test]
    fn nothing_is_admitted_before_something_is_lent() {
        let (mut hosting, now) = (Hosting::default(), Instant::now());
        assert!(!hosting.admit_place(node(1), prefix(1), now));
        assert!(!hosting.admit_circuit(node(1), prefix(1), now));
        assert_eq!(hosting.counts(), (0, 0, 0, 2));
    }

    #[test]
    fn one_part_of_the_network_cannot_take_all_places() {
        let (mut hosting, now) = lending();
        let admitted = (0..50).filter(|number| hosting.admit_place(node(*number), prefix(1), now)).count();
        assert_eq!(admitted, PLACES_PER_PREFIX);
        assert!(hosting.admit_place(node(200), prefix(2), now), "others still get theirs");
        hosting.left(node(0));
        assert!(hosting.admit_place(node(60), prefix(1), now));
    }

    #[test]
    fn at_home_only_the_share_is_the_limit() {
        let (mut hosting, now) = lending();
        let admitted =
            (0..=255).filter(|number| hosting.admit_place(node(*number), Prefix::Local, now)).count();
        assert_eq!(admitted, 100);
        assert!(hosting.admit_place(node(0), Prefix::Local, now), "whoever has a place may keep it");
    }

    #[test]
    fn a_peer_has_a_few_circuits_and_a_prefix_some_more() {
        let (mut hosting, now) = lending();
        let of_one = (0..10).filter(|_| hosting.admit_circuit(node(1), prefix(1), now)).count();
        assert_eq!(of_one, CIRCUITS_PER_PEER);
        let of_prefix = (2..50).filter(|number| hosting.admit_circuit(node(*number), prefix(1), now)).count();
        assert_eq!(of_one + of_prefix, CIRCUITS_PER_PREFIX);
        assert!(hosting.admit_circuit(node(60), prefix(2), now));
    }

    #[test]
    fn circuits_count_until_they_end_and_those_that_never_stood_for_a_minute() {
        let (mut hosting, now) = lending();
        for _ in 0..CIRCUITS_PER_PEER {
            assert!(hosting.admit_circuit(node(1), prefix(1), now));
        }
        hosting.opened(node(1), node(2));
        assert!(hosting.serves(node(1)) && hosting.serves(node(2)));
        assert_eq!(hosting.counts(), (0, 1, 1, 0));
        assert!(!hosting.admit_circuit(node(1), prefix(1), now));
        hosting.failed(node(1));
        assert!(hosting.admit_circuit(node(1), prefix(1), now));
        let later = now + CIRCUIT_SETUP;
        assert!(hosting.admit_circuit(node(1), prefix(1), later), "the others came to nothing");
        hosting.closed(node(1), node(2));
        assert!(!hosting.serves(node(2)));
        assert_eq!(hosting.counts().1, 0);
    }

    #[test]
    fn whoever_asks_too_often_is_refused_for_a_while() {
        let (mut hosting, now) = lending();
        let ask = |hosting: &mut Hosting, now| {
            let admitted = hosting.admit_circuit(node(1), prefix(1), now);
            hosting.failed(node(1));
            admitted
        };
        assert_eq!((0..1_000).filter(|_| ask(&mut hosting, now)).count(), CIRCUIT_RATE);
        assert!(ask(&mut hosting, now + RATE_WINDOW));
    }

    #[test]
    fn strangers_without_end_fill_no_memory() {
        let (mut hosting, now) = lending();
        for number in 0..u32::try_from(MAX_RELAY_RATES * 2).expect("small") {
            let mut bytes = [0; 32];
            bytes
                .first_chunk_mut()
                .map(|first: &mut [u8; 4]| *first = number.to_be_bytes())
                .expect("32 bytes");
            hosting.admit_place(NodeId::from_bytes(bytes), Prefix::Local, now);
        }
        assert!(hosting.rates.len() <= MAX_RELAY_RATES);
    }
}
