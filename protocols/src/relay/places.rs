//! Places at relays: whom to ask, what is held, whom to ask instead.
//!
//! In: relays that are seen and go, what they answer, how many places are wanted. Out: [`NetCommand::Reserve`] and
//! [`NetCommand::Release`]. The best relay is in another part of the network than the place held already, outside of our own network, has failed least, and is
//! near. One that fails waits, twice as long each time; another one is asked in the same step.
//!
//! Not here: whether places are wanted ([`super::machine`]), renewing them (the driver).

use super::{Out, Reservation};
use crate::{
    id::NodeId,
    limits::{
        MAX_RELAYS, RELAY_FULL_RETRY, RELAY_PATIENCE, RELAY_PLACES, RELAY_PROVEN, RELAY_RETRY_MAX,
        RELAY_SETTLE, RELAY_SPREAD_PACE, RETRY_MIN,
    },
    net::{Address, NetCommand, Prefix, ReservationError},
    time::{Mono, Now},
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How many places there are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// None.
    None,
    /// Those there are, no others.
    Kept,
    /// As many as there can be, once relays have introduced themselves.
    All,
    /// As many as there can be, at once.
    AllAtOnce,
}

/// A relay.
#[derive(Debug)]
struct Relay {
    prefix: Prefix,
    latency: Option<Duration>,
    /// It is connected and relays.
    seen: bool,
    failures: u32,
    /// Not to be asked before.
    not_before: Mono,
}

/// A place that is held or asked for.
#[derive(Debug)]
struct Place {
    asked: Mono,
    held: Option<(Now, Vec<Address>)>,
}

/// The relays known and the places at them.
#[derive(Debug)]
pub(super) struct Places {
    relays: BTreeMap<NodeId, Relay>,
    places: BTreeMap<NodeId, Place>,
    /// When the first relay was seen.
    first: Option<Mono>,
    /// When a place was last given up for one elsewhere.
    spread: Option<Mono>,
}

impl Places {
    /// No relay is known.
    pub(super) const fn new() -> Self {
        Self { relays: BTreeMap::new(), places: BTreeMap::new(), first: None, spread: None }
    }

    /// A connected peer relays.
    pub(super) fn seen(&mut self, now: Mono, node: NodeId, prefix: Prefix, latency: Option<Duration>) {
        self.first.get_or_insert(now);
        if let Some(relay) = self.relays.get_mut(&node) {
            relay.prefix = prefix;
            relay.latency = latency.or(relay.latency);
            relay.seen = true;
            return;
        }
        if self.relays.len() >= MAX_RELAYS {
            // Whoever is gone or has failed goes first; one we hold a place at never does.
            let spare = self.relays.iter().filter(|(node, _)| !self.places.contains_key(node));
            let worst = spare.max_by_key(|(_, relay)| (!relay.seen, relay.failures, relay.latency));
            let Some(worst) = worst.map(|(node, _)| *node) else { return };
            self.relays.remove(&worst);
        }
        self.relays.insert(node, Relay { prefix, latency, seen: true, failures: 0, not_before: now });
    }

    /// A relay is gone, or relays no longer.
    pub(super) fn gone(&mut self, now: Mono, node: NodeId, rng: &mut ChaCha20Rng, out: &mut Vec<Out>) {
        if self.places.contains_key(&node) {
            out.push(Out::Net(NetCommand::Release { relay: node }));
            self.lost(now, node, ReservationError::Unreachable, rng);
        }
        if let Some(relay) = self.relays.get_mut(&node) {
            relay.seen = false;
        }
    }

    /// We have a place, newly or renewed. One that nobody asked for (an earlier life did) is kept if there is room and use for it.
    pub(super) fn reserved(
        &mut self,
        now: Now,
        relay: NodeId,
        addresses: Vec<Address>,
        wanted: Wanted,
        out: &mut Vec<Out>,
    ) {
        if let Some(place) = self.places.get_mut(&relay) {
            let since = place.held.as_ref().map_or(now, |(since, _)| *since);
            place.held = Some((since, addresses));
        } else if wanted != Wanted::None
            && self.places.len() < RELAY_PLACES
            && self.relays.contains_key(&relay)
        {
            self.places.insert(relay, Place { asked: now.mono, held: Some((now, addresses)) });
        } else {
            out.push(Out::Net(NetCommand::Release { relay }));
        }
    }

    /// We have no place there, or no longer.
    pub(super) fn lost(&mut self, now: Mono, node: NodeId, reason: ReservationError, rng: &mut ChaCha20Rng) {
        let Some(place) = self.places.remove(&node) else { return };
        let Some(relay) = self.relays.get_mut(&node) else { return };
        if place.held.is_some_and(|(since, _)| now.since(since.mono) >= RELAY_PROVEN) {
            relay.failures = 0;
        }
        let least = match reason {
            ReservationError::Released => return,
            ReservationError::Unsupported => {
                relay.seen = false;
                Duration::ZERO
            }
            ReservationError::Refused => RELAY_FULL_RETRY,
            ReservationError::Unreachable => Duration::ZERO,
        };
        relay.failures = relay.failures.saturating_add(1);
        let doubled = RETRY_MIN.saturating_mul(1 << (relay.failures - 1).min(16));
        let wait = doubled.max(least).min(RELAY_RETRY_MAX);
        // Half of it again at random: those whom a relay's end has hit do not come back to it as one.
        let jitter = wait.saturating_mul(rng.next_u32() % 500) / 1_000;
        relay.not_before = now.after(wait + jitter);
    }

    /// Another network: whoever had to wait may be asked.
    pub(super) fn network_changed(&mut self, now: Mono) {
        for relay in self.relays.values_mut() {
            relay.not_before = relay.not_before.min(now);
        }
    }

    /// Gives up and asks for what has become due.
    pub(super) fn run(&mut self, now: Mono, wanted: Wanted, rng: &mut ChaCha20Rng, out: &mut Vec<Out>) {
        let silent = |place: &Place| place.held.is_none() && now.since(place.asked) >= RELAY_PATIENCE;
        let over: Vec<_> =
            self.places.iter().filter(|(_, place)| silent(place)).map(|(node, _)| *node).collect();
        for node in over {
            out.push(Out::Net(NetCommand::Release { relay: node }));
            self.lost(now, node, ReservationError::Unreachable, rng);
        }
        match wanted {
            Wanted::None => {
                let all = std::mem::take(&mut self.places).into_keys();
                out.extend(all.map(|relay| Out::Net(NetCommand::Release { relay })));
            }
            Wanted::Kept => {}
            Wanted::All | Wanted::AllAtOnce => {
                if self.settled(wanted).is_some_and(|settled| settled <= now) {
                    self.fill(now, out);
                    self.spread(now, out);
                }
            }
        }
    }

    /// When something becomes due, if nothing else happens before.
    pub(super) fn due(&self, wanted: Wanted) -> Option<Mono> {
        let asked = self.places.values().filter(|place| place.held.is_none());
        let silent = asked.map(|place| place.asked.after(RELAY_PATIENCE)).min();
        let fill = match wanted {
            Wanted::None | Wanted::Kept => None,
            Wanted::All | Wanted::AllAtOnce if self.places.len() < RELAY_PLACES => {
                let free = self.relays.iter().filter(|(node, relay)| self.is_free(node, relay));
                let next = free.map(|(_, relay)| relay.not_before).min();
                next.zip(self.settled(wanted)).map(|(next, settled)| next.max(settled))
            }
            Wanted::All | Wanted::AllAtOnce => {
                self.better_spread().and(self.spread).map(|last| last.after(RELAY_SPREAD_PACE))
            }
        };
        silent.into_iter().chain(fill).min()
    }

    /// Whether a place is held.
    pub(super) fn any(&self) -> bool {
        self.places.values().any(|place| place.held.is_some())
    }

    /// Whether no place is held or asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many relays could be asked.
    pub(super) fn relays_seen(&self) -> usize {
        self.relays.values().filter(|relay| relay.seen).count()
    }

    /// The places, held or asked for.
    pub(super) fn reservations(&self) -> Vec<Reservation> {
        let shown = |(node, place): (&NodeId, &Place)| {
            let relay = self.relays.get(node)?;
            let (since, addresses) = place
                .held
                .clone()
                .map_or((None, Vec::new()), |(since, addresses)| (Some(since.unix), addresses));
            Some(Reservation { relay: *node, prefix: relay.prefix, latency: relay.latency, addresses, since })
        };
        self.places.iter().filter_map(shown).collect()
    }

    /// From when on places may be asked for; `None` before the first relay is seen.
    fn settled(&self, wanted: Wanted) -> Option<Mono> {
        let wait = if wanted == Wanted::AllAtOnce { Duration::ZERO } else { RELAY_SETTLE };
        self.first.map(|first| first.after(wait))
    }

    fn is_free(&self, node: &NodeId, relay: &Relay) -> bool {
        relay.seen && !self.places.contains_key(node)
    }

    /// Parts of the network in which there are places.
    fn prefixes(&self) -> BTreeSet<Prefix> {
        self.places.keys().filter_map(|node| self.relays.get(node)).map(|relay| relay.prefix).collect()
    }

    fn fill(&mut self, now: Mono, out: &mut Vec<Out>) {
        while self.places.len() < RELAY_PLACES {
            let Some(node) = self.best(now, &self.prefixes()) else { return };
            self.ask(now, node, out);
        }
    }

    fn ask(&mut self, now: Mono, relay: NodeId, out: &mut Vec<Out>) {
        self.places.insert(relay, Place { asked: now, held: None });
        out.push(Out::Net(NetCommand::Reserve { relay }));
    }

    /// The best relay that may be asked now, beside places in these parts of the network.
    fn best(&self, now: Mono, beside: &BTreeSet<Prefix>) -> Option<NodeId> {
        let free = self.relays.iter().filter(|(node, relay)| self.is_free(node, relay));
        let ready = free.filter(|(_, relay)| relay.not_before <= now);
        let best = ready.min_by_key(|(_, relay)| {
            let near = relay.latency.unwrap_or(Duration::MAX);
            (beside.contains(&relay.prefix), relay.prefix == Prefix::Local, relay.failures, near)
        });
        best.map(|(node, _)| *node)
    }

    /// Two places in one part of the network, or in our own, are made one here and one elsewhere, when a relay without a stain is there.
    fn spread(&mut self, now: Mono, out: &mut Vec<Out>) {
        let paced = self.spread.is_none_or(|last| now.since(last) >= RELAY_SPREAD_PACE);
        let Some((from, to)) = self.better_spread().filter(|_| paced) else { return };
        self.spread = Some(now);
        self.places.remove(&from);
        out.push(Out::Net(NetCommand::Release { relay: from }));
        self.ask(now, to, out);
    }

    /// A place and a relay at which it would be better: never while one is asked for.
    fn better_spread(&self) -> Option<(NodeId, NodeId)> {
        let held = |place: &Place| place.held.is_some();
        if self.places.len() < RELAY_PLACES || !self.places.values().all(held) {
            return None;
        }
        let far = |relay: &Relay| relay.prefix != Prefix::Local;
        let mut places: Vec<_> =
            self.places.keys().filter_map(|node| Some((*node, self.relays.get(node)?))).collect();
        // The one to give up first: in our own network, then the slower one.
        places.sort_by_key(|(_, relay)| (far(relay), std::cmp::Reverse(relay.latency)));
        let ((from, worst), others) = places.split_first()?;
        let same = others.iter().any(|(_, other)| other.prefix == worst.prefix);
        if far(worst) && !same {
            return None;
        }
        let fits = |relay: &Relay| {
            far(relay) && relay.failures == 0 && others.iter().all(|(_, other)| other.prefix != relay.prefix)
        };
        let free = self.relays.iter().filter(|(node, relay)| self.is_free(node, relay) && fits(relay));
        let to = free.min_by_key(|(_, relay)| relay.latency.unwrap_or(Duration::MAX))?;
        Some((*from, *to.0))
    }
}

#[cfg(test)]
mod tests;
