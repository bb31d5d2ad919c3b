//! What the driver does about relays: our places at others, and what it does for others itself.
//!
//! In: what the relay machine wants, events of libp2p's relay on either side. Out: [`Reach`] of relays and places. The books are
//! `places` and `hosting`.

use super::{
    address,
    driver::{Driver, Phase},
    events::unix_now,
    limits::MAX_PLACE_ADDRESSES,
    places::Next,
    view::{PlaceView, RelayingView},
};
use libp2p::{
    Multiaddr, StreamProtocol,
    core::transport::ListenerId,
    kad,
    multiaddr::Protocol,
    relay::{self, outbound::hop::ReserveError},
};
use pc2_protocols::{
    id::NodeId,
    net::{NetInput, Reach, RelayShare, ReservationError},
};
use std::{error::Error, io, time::Instant};

impl Driver {
    /// Does this for others from now on.
    pub(super) fn contribute(&mut self, routes: bool, share: Option<RelayShare>) {
        let mode = if routes { kad::Mode::Server } else { kad::Mode::Client };
        let behaviour = self.swarm.behaviour_mut();
        behaviour.kad.set_mode(Some(mode));
        behaviour.dial_back.offer(routes);
        if behaviour.relaying.lend(share) {
            tracing::info!("what a circuit may carry has changed; connections are made anew");
            let connected: Vec<_> = self.peers.nodes().collect();
            for node in connected {
                self.disconnect(node);
            }
        }
        self.tell_own();
    }

    /// Those who get a place here are reached at the addresses that we tell others, but for circuits: nobody is relayed twice.
    pub(super) fn tell_own(&mut self) {
        let direct =
            self.own.iter().filter_map(address::dialable).filter(|at| address::transport(at).is_some());
        let direct = direct.take(MAX_PLACE_ADDRESSES).collect();
        let behaviour = self.swarm.behaviour_mut();
        behaviour.relaying.tell(direct);
    }

    /// Asks a relay for a place, once it is connected.
    pub(super) fn reserve(&mut self, relay: NodeId, now: Instant) {
        let refused = |reason| NetInput::Reach(Reach::ReservationLost { relay, reason });
        if self.phase == Phase::Draining || relay == self.local {
            self.deliver(refused(ReservationError::Unreachable));
            return;
        }
        match self.places.want(relay) {
            Next::Wait => {}
            Next::Repeat => {
                if let Some(told) = self.places.told(relay) {
                    self.deliver(NetInput::Reach(told));
                }
            }
            Next::Full => self.deliver(refused(ReservationError::Refused)),
            Next::Begin if self.peers.direct(relay).is_some() => self.ask_for_place(relay, now),
            Next::Begin => {
                if self.dial_directly(relay).is_err() {
                    self.place_unreachable(relay);
                }
            }
        }
    }

    /// A direct connection with a relay stands: asks for the place that is wanted there.
    pub(super) fn ask_for_place(&mut self, relay: NodeId, now: Instant) {
        if !self.places.is_connecting(relay) {
            return;
        }
        let Some(at) = self.where_is(relay) else { return };
        let through = at.with(Protocol::P2p(address::peer_id(relay))).with(Protocol::P2pCircuit);
        match self.swarm.listen_on(through) {
            Ok(listener) => self.places.asked(relay, listener, now),
            Err(error) => {
                tracing::debug!(relay = relay.short(), %error, "cannot listen through a relay");
                self.lose_place(relay, ReservationError::Unreachable);
            }
        }
    }

    /// An address at which a connected node can be dialled, or, failing that, its connection's far end.
    fn where_is(&self, node: NodeId) -> Option<Multiaddr> {
        let dialled = self.peers.connections(node).find(|connection| connection.dialled);
        let known = || self.book.multiaddrs(node).into_iter().find(|at| address::transport(at).is_some());
        let far_end = || self.peers.direct(node).map(|connection| connection.remote.clone());
        let at = dialled.map(|connection| connection.remote.clone()).or_else(known).or_else(far_end)?;
        Some(address::without_peer(&at))
    }

    /// A relay cannot be connected with.
    pub(super) fn place_unreachable(&mut self, relay: NodeId) {
        if self.places.is_connecting(relay) {
            self.lose_place(relay, ReservationError::Unreachable);
        }
    }

    /// There is no place at a relay, or no longer. Does nothing when that is known.
    pub(super) fn lose_place(&mut self, relay: NodeId, reason: ReservationError) {
        let Some((news, listener)) = self.places.lost(relay, reason) else { return };
        if let Some(listener) = listener
            && self.swarm.remove_listener(listener)
        {
            tracing::debug!(relay = relay.short(), "the place is given up");
        }
        // Circuits that libp2p believes in.
        let ends: Vec<_> = self.swarm.external_addresses().cloned().collect();
        for at in ends.iter().filter(|at| address::circuit(at).is_some_and(|(by, _)| by == relay)) {
            self.swarm.remove_external_address(at);
        }
        self.deliver(NetInput::Reach(news));
        self.publish_own();
    }

    /// A listener is closed. Whether it was a place.
    pub(super) fn place_closed(&mut self, listener: ListenerId, reason: Result<(), io::Error>) -> bool {
        let Some(relay) = self.places.relay_of(listener) else { return false };
        let reason = match reason {
            // The connection with the relay is gone.
            Ok(()) => ReservationError::Unreachable,
            Err(error) => {
                tracing::debug!(relay = relay.short(), %error, "no place at a relay");
                reservation_error(&error)
            }
        };
        self.lose_place(relay, reason);
        true
    }

    /// Tells of places whose addresses are complete now.
    pub(super) fn tell_places(&mut self, now: Instant) {
        let news = self.places.news(now, unix_now());
        if news.is_empty() {
            return;
        }
        for reach in news {
            self.deliver(NetInput::Reach(reach));
        }
        self.publish_own();
    }

    /// The relay whose circuit ends at this local address.
    pub(super) fn relay_at(&self, local: &Multiaddr) -> Option<NodeId> {
        if let Some((relay, _)) = address::circuit(local) {
            return Some(relay);
        }
        let mut at = local.clone();
        at.pop();
        let is_it = |remote: &Multiaddr| address::without_peer(remote) == at;
        self.peers.all().find(|(_, connection)| is_it(&connection.remote)).map(|(node, _)| node)
    }

    /// A peer said on a direct connection what it speaks.
    pub(super) fn on_relay_offer(&mut self, node: NodeId, offers: &[StreamProtocol]) {
        let relays = offers.contains(&super::behaviour::RELAY_PROTOCOL);
        if !relays {
            self.not_a_relay(node);
        } else if self.relays_seen.insert(node) {
            self.tell_relay(node);
        }
    }

    /// Tells of a relay, and how far away it is.
    pub(super) fn tell_relay(&mut self, node: NodeId) {
        if self.relays_seen.contains(&node)
            && let Some((prefix, latency)) = self.peers.distance(node)
        {
            self.deliver(NetInput::Reach(Reach::RelaySeen { node, prefix, latency }));
        }
    }

    /// A node relays no longer, or never did.
    pub(super) fn not_a_relay(&mut self, node: NodeId) {
        if self.relays_seen.remove(&node) {
            self.deliver(NetInput::Reach(Reach::RelayGone { node }));
        }
    }

    /// Something happened in what we relay.
    pub(super) fn on_relaying(&mut self, event: &relay::Event) {
        let relaying = &self.swarm.behaviour().relaying;
        match event {
            relay::Event::ReservationTimedOut { src_peer_id } => {
                if let Some(node) = address::node_id(src_peer_id) {
                    relaying.hosting().left(node);
                }
            }
            relay::Event::CircuitReqAccepted { src_peer_id, dst_peer_id } => {
                if let (Some(from), Some(to)) = (address::node_id(src_peer_id), address::node_id(dst_peer_id))
                {
                    relaying.hosting().opened(from, to);
                }
            }
            // Refused by the book itself: it never counted.
            relay::Event::CircuitReqDenied { status: relay::StatusCode::ResourceLimitExceeded, .. } => {}
            relay::Event::CircuitReqDenied { src_peer_id, .. } => {
                if let Some(from) = address::node_id(src_peer_id) {
                    relaying.hosting().failed(from);
                }
            }
            relay::Event::CircuitClosed { src_peer_id, dst_peer_id, .. } => {
                if let (Some(from), Some(to)) = (address::node_id(src_peer_id), address::node_id(dst_peer_id))
                {
                    relaying.hosting().closed(from, to);
                }
            }
            // Counted when they are decided.
            _ => {}
        }
    }

    /// Whether connections with a node carry what would be lost with them, though no request of ours goes by them.
    pub(super) fn carries(&self, node: NodeId) -> bool {
        self.places.contains(node)
            || self.peers.any_through(node)
            || self.swarm.behaviour().relaying.hosting().serves(node)
    }

    /// Our places, for people.
    pub(super) fn places_view(&self) -> Vec<PlaceView> {
        let place = |(relay, addresses, since): (NodeId, &[_], _)| PlaceView {
            relay,
            addresses: addresses.to_vec(),
            since,
        };
        self.places.held().map(place).collect()
    }

    /// What we relay, for people.
    pub(super) fn relaying_view(&self) -> RelayingView {
        let hosting = self.swarm.behaviour().relaying.hosting();
        let (reservations, circuits, served, refused) = hosting.counts();
        RelayingView { share: hosting.share(), reservations, circuits, served, refused }
    }
}

/// Our words for why a relay gave no place. What libp2p says is wrapped by each transport around its own.
fn reservation_error(error: &io::Error) -> ReservationError {
    let mut source: Option<&(dyn Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(cause) = source {
        if let Some(said) = cause.downcast_ref::<ReserveError>() {
            return match said {
                ReserveError::Refused | ReserveError::ResourceLimitExceeded => ReservationError::Refused,
                ReserveError::Unsupported | ReserveError::Protocol(_) => ReservationError::Unsupported,
                ReserveError::Io(_) => ReservationError::Unreachable,
            };
        }
        source = match cause.downcast_ref::<io::Error>() {
            Some(wrapped) => wrapped.get_ref().map(|inner| inner as _),
            None => cause.source(),
        };
    }
    ReservationError::Unreachable
}
