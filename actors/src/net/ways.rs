//! By which way a connection runs, and protocols that run on one of the ways only.
//!
//! libp2p's request-response spreads requests over all connections with a peer. So each of our protocols runs twice, once on direct and once on relayed
//! connections, and the driver says which is to carry a request: as soon as a direct connection stands, nothing new goes by the relay, and
//! what is under way there ends in peace. Connections that were only made to try whether a node can be reached carry no requests: they are
//! closed at any moment.
//!
//! [`Sieve`] keeps single events from a behaviour that would draw wrong conclusions from them.

use either::Either;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished, dummy,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

/// By which way a connection runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// Without anybody in between.
    Direct,
    /// Through a relay.
    Relayed,
}

impl Way {
    /// The way of a connection, by its remote address when we dialled and by its local address when the peer did.
    pub(super) fn of(address: &Multiaddr) -> Self {
        if address.iter().any(|part| part == Protocol::P2pCircuit) { Self::Relayed } else { Self::Direct }
    }
}

/// Peers whose next connection is a try to reach us, which we asked them for.
#[derive(Debug, Clone, Default)]
pub(super) struct Guests(Arc<Mutex<BTreeSet<PeerId>>>);

impl Guests {
    /// Expects a peer, or does so no longer.
    pub(super) fn expect(&self, peer: PeerId, expected: bool) {
        let mut guests = self.locked();
        if expected {
            guests.insert(peer)
        } else {
            guests.remove(&peer)
        };
    }

    /// Whether a peer is expected.
    pub(super) fn expects(&self, peer: &PeerId) -> bool {
        self.locked().contains(peer)
    }

    /// Nothing panics while it holds the set; if it did, the set would still be whole.
    fn locked(&self) -> MutexGuard<'_, BTreeSet<PeerId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A behaviour that sees connections of one way only.
pub(super) struct OnWay<B> {
    way: Way,
    inner: B,
    guests: Guests,
    /// Those it sees.
    connections: BTreeMap<ConnectionId, PeerId>,
}

impl<B> OnWay<B> {
    /// Lets a behaviour see the connections of a way.
    pub(super) const fn new(way: Way, inner: B, guests: Guests) -> Self {
        Self { way, inner, guests, connections: BTreeMap::new() }
    }

    /// The behaviour.
    pub(super) const fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// How many connections with a peer it sees, but for one.
    fn others(&self, peer: PeerId, but: ConnectionId) -> usize {
        self.connections.iter().filter(|(id, other)| **other == peer && **id != but).count()
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for OnWay<B> {
    type ConnectionHandler = Either<THandler<B>, dummy::ConnectionHandler>;
    type ToSwarm = B::ToSwarm;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let way = Way::of(local);
        if way != self.way || (way == Way::Direct && self.guests.expects(&peer)) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        self.connections.insert(id, peer);
        self.inner.handle_established_inbound_connection(id, peer, local, remote).map(Either::Left)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        // A new port is taken only for tries.
        if Way::of(remote) != self.way || port == PortUse::New {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        self.connections.insert(id, peer);
        self.inner.handle_established_outbound_connection(id, peer, remote, role, port).map(Either::Left)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                if self.connections.contains_key(&established.connection_id) {
                    self.inner.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                        other_established: self.others(established.peer_id, established.connection_id),
                        ..established
                    }));
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                if self.connections.remove(&closed.connection_id).is_some() {
                    self.inner.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                        remaining_established: self.others(closed.peer_id, closed.connection_id),
                        ..closed
                    }));
                }
            }
            FromSwarm::AddressChange(changed) => {
                if self.connections.contains_key(&changed.connection_id) {
                    self.inner.on_swarm_event(event);
                }
            }
            event => {
                // One that another behaviour refused.
                let refused = match &event {
                    FromSwarm::DialFailure(failed) => Some(failed.connection_id),
                    FromSwarm::ListenFailure(failed) => Some(failed.connection_id),
                    _ => None,
                };
                refused.map(|id| self.connections.remove(&id));
                self.inner.on_swarm_event(event);
            }
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            Either::Left(event) => self.inner.on_connection_handler_event(peer, id, event),
            Either::Right(never) => match never {},
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx).map(|action| action.map_in(Either::Left))
    }
}

/// A behaviour that does not hear of everything.
pub(super) struct Sieve<B> {
    inner: B,
    passes: fn(&FromSwarm<'_>) -> bool,
}

impl<B: NetworkBehaviour> Sieve<B> {
    /// Lets through to a behaviour what passes.
    pub(super) const fn new(inner: B, passes: fn(&FromSwarm<'_>) -> bool) -> Self {
        Self { inner, passes }
    }

    /// Tells the behaviour something that the Swarm did not say.
    pub(super) fn tell(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Sieve<B> {
    type ConnectionHandler = THandler<B>;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(id, peer, remote, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if (self.passes)(&event) {
            self.inner.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx)
    }
}
