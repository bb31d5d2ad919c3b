//! Our places at relays: asked for, held, lost. Each change is told once.
//!
//! In: what the relay machine wants, connections, listeners of libp2p (each place is one). Out: what to do next, and what to tell. libp2p renews a
//! place by itself; when the connection with the relay ends, so does its listener.
//!
//! A relay could name any addresses: only circuits through itself are taken, and not many. Time is passed in.

use super::{
    address,
    limits::{MAX_PLACE_ADDRESSES, MAX_PLACES, PLACE_SETTLES, PLACE_TIMEOUT},
};
use libp2p::{Multiaddr, core::transport::ListenerId};
use pc2_protocols::{
    id::NodeId,
    net::{Address, Reach, ReservationError},
    time::UnixMillis,
};
use std::{collections::BTreeMap, time::Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A connection with the relay is being made.
    Connecting,
    /// It was asked.
    Asked(ListenerId, Instant),
    /// It said yes.
    Held(ListenerId),
}

#[derive(Debug)]
struct Place {
    state: State,
    addresses: Vec<Multiaddr>,
    /// What was told of it, and since when it is held.
    told: Option<(Vec<Address>, UnixMillis)>,
}

/// What the driver does next for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Connects with the relay, or asks it when that is done.
    Begin,
    /// Nothing: it is under way.
    Wait,
    /// Tells again what was told.
    Repeat,
    /// Refuses: too many.
    Full,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: BTreeMap<NodeId, Place>,
    /// When to look whether addresses have changed.
    due: Option<Instant>,
}

impl Places {
    /// A place is wanted.
    pub(super) fn want(&mut self, relay: NodeId) -> Next {
        match self.places.get(&relay).map(|place| place.state) {
            Some(State::Held(_)) => Next::Repeat,
            Some(State::Connecting | State::Asked(..)) => Next::Wait,
            None if self.places.len() >= MAX_PLACES => Next::Full,
            None => {
                let place = Place { state: State::Connecting, addresses: Vec::new(), told: None };
                self.places.insert(relay, place);
                Next::Begin
            }
        }
    }

    /// Whether a relay is to be asked once it is connected.
    pub(super) fn is_connecting(&self, relay: NodeId) -> bool {
        self.places.get(&relay).is_some_and(|place| place.state == State::Connecting)
    }

    /// Whether a place is held there or wanted.
    pub(super) fn contains(&self, relay: NodeId) -> bool {
        self.places.contains_key(&relay)
    }

    /// The relay was asked by way of this listener.
    pub(super) fn asked(&mut self, relay: NodeId, listener: ListenerId, now: Instant) {
        if let Some(place) = self.places.get_mut(&relay) {
            place.state = State::Asked(listener, now);
        }
    }

    /// A listener has an address. Whether the listener is a place.
    pub(super) fn listens(&mut self, listener: ListenerId, at: &Multiaddr, now: Instant) -> bool {
        let Some((relay, place)) = self.of(listener) else { return false };
        let at = address::without_peer(at);
        let fits = address::circuit(&at).is_some_and(|(by, _)| by == relay);
        if fits && place.addresses.len() < MAX_PLACE_ADDRESSES && !place.addresses.contains(&at) {
            place.addresses.push(at);
        }
        if !place.addresses.is_empty() {
            place.state = State::Held(listener);
            self.due.get_or_insert(now + PLACE_SETTLES);
        }
        true
    }

    /// When to call [`Places::news`] again.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What is to be told about places that are held.
    pub(super) fn news(&mut self, now: Instant, unix: UnixMillis) -> Vec<Reach> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        self.due = None;
        let mut news = Vec::new();
        for (relay, place) in &mut self.places {
            if !matches!(place.state, State::Held(_)) {
                continue;
            }
            let addresses: Vec<_> = place.addresses.iter().filter_map(address::address).collect();
            if place.told.as_ref().is_none_or(|(told, _)| *told != addresses) {
                let since = place.told.as_ref().map_or(unix, |(_, since)| *since);
                place.told = Some((addresses.clone(), since));
                news.push(Reach::Reserved { relay: *relay, addresses });
            }
        }
        news
    }

    /// What was told of a place that is held.
    pub(super) fn told(&self, relay: NodeId) -> Option<Reach> {
        let (addresses, _) = self.places.get(&relay)?.told.clone()?;
        Some(Reach::Reserved { relay, addresses })
    }

    /// There is no place at this relay, or no longer: what is to be told, and the listener that is to be closed if it is not yet.
    pub(super) fn lost(
        &mut self,
        relay: NodeId,
        reason: ReservationError,
    ) -> Option<(Reach, Option<ListenerId>)> {
        let place = self.places.remove(&relay)?;
        let listener = match place.state {
            State::Connecting => None,
            State::Asked(listener, _) | State::Held(listener) => Some(listener),
        };
        Some((Reach::ReservationLost { relay, reason }, listener))
    }

    /// Whose place a listener is.
    pub(super) fn relay_of(&mut self, listener: ListenerId) -> Option<NodeId> {
        self.of(listener).map(|(relay, _)| relay)
    }

    /// Relays that do not answer.
    pub(super) fn overdue(&self, now: Instant) -> Vec<NodeId> {
        let late = |place: &Place| matches!(place.state, State::Asked(_, at) if now.saturating_duration_since(at) >= PLACE_TIMEOUT);
        self.places.iter().filter(|(_, place)| late(place)).map(|(relay, _)| *relay).collect()
    }

    /// All that are held: at whom, where others reach us through it, since when.
    pub(super) fn held(&self) -> impl Iterator<Item = (NodeId, &[Address], UnixMillis)> {
        self.places.iter().filter_map(|(relay, place)| {
            let (addresses, since) = place.told.as_ref()?;
            Some((*relay, addresses.as_slice(), *since))
        })
    }

    fn of(&mut self, listener: ListenerId) -> Option<(NodeId, &mut Place)> {
        let is_it = |place: &Place| match place.state {
            State::Connecting => false,
            State::Asked(of, _) | State::Held(of) => of == listener,
        };
        self.places.iter_mut().find(|(_, place)| is_it(place)).map(|(relay, place)| (*relay, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn circuit(by: NodeId, port: u16) -> Multiaddr {
        format!("/ip4/9.9.9.9/tcp/{port}/p2p/{}/p2p-circuit", by.peer_id_text())
            .parse()
            .expect("a multiaddress")
    }

    fn told(news: &[Reach]) -> Vec<usize> {
        let count = |reach: &Reach| match reach {
            Reach::Reserved { addresses, .. } => addresses.len(),
            _ => 0,
        };
        news.iter().map(count).collect()
    }

    #[test]
    fn a_place_is_told_once_with_all_its_addresses_and_again_only_when_they_change() {
        let (mut places, now, unix) = (Places::default(), Instant::now(), UnixMillis(7));
        let later = now + PLACE_SETTLES;
        let listener = ListenerId::next();
        assert_eq!(places.want(node(1)), Next::Begin);
        assert!(places.is_connecting(node(1)));
        places.asked(node(1), listener, now);
        assert_eq!(places.want(node(1)), Next::Wait);
        assert!(places.listens(listener, &circuit(node(1), 1), now));
        assert!(places.listens(listener, &circuit(node(1), 2), now));
        assert!(places.news(now, unix).is_empty(), "others may follow");
        assert_eq!(told(&places.news(later, unix)), [2]);
        // It was renewed.
        places.listens(listener, &circuit(node(1), 1), later);
        assert!(places.news(later + PLACE_SETTLES, unix).is_empty());
        assert_eq!(places.want(node(1)), Next::Repeat);
        assert!(places.told(node(1)).is_some());
        let lost = places.lost(node(1), ReservationError::Released);
        assert!(matches!(lost, Some((Reach::ReservationLost { .. }, Some(closed))) if closed == listener));
        assert!(places.lost(node(1), ReservationError::Unreachable).is_none(), "told once");
    }

    #[test]
    fn a_relay_cannot_make_us_tell_addresses_of_others() {
        let (mut places, now) = (Places::default(), Instant::now());
        let listener = ListenerId::next();
        places.want(node(1));
        places.asked(node(1), listener, now);
        places.listens(listener, &circuit(node(2), 1), now);
        places.listens(listener, &"/ip4/9.9.9.9/tcp/1".parse().expect("a multiaddress"), now);
        assert_eq!(places.due(), None);
        for port in 1..100 {
            places.listens(listener, &circuit(node(1), port), now);
        }
        assert_eq!(told(&places.news(now + PLACE_SETTLES, UnixMillis(0))), [MAX_PLACE_ADDRESSES]);
        assert!(!places.listens(ListenerId::next(), &circuit(node(1), 1), now), "another listener");
    }

    #[test]
    fn a_silent_relay_is_given_up_and_there_are_never_too_many() {
        let (mut places, now) = (Places::default(), Instant::now());
        places.want(node(1));
        places.asked(node(1), ListenerId::next(), now);
        assert!(places.overdue(now + PLACE_TIMEOUT - Duration::from_millis(1)).is_empty());
        assert_eq!(places.overdue(now + PLACE_TIMEOUT), [node(1)]);
        for number in 2..100 {
            places.want(node(number));
        }
        assert_eq!(places.want(node(100)), Next::Full);
        assert_eq!(places.places.len(), MAX_PLACES);
    }
}
