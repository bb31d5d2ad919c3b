//! By which way a connection runs, and protocols that run on one of the ways only.
//!
//! libp2p's request-response spreads requests over all connections with a peer. So each of our protocols runs twice, once on direct and once on relayed
//! connections, and the driver says which is to carry a request: as soon as a direct connection stands, nothing new goes by the relay, and
//! what is under way there ends in peace.
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
    collections::BTreeMap,
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

/// A behaviour that sees connections of one way only.
pub(super) struct OnWay<B> {
    way: Way,
    inner: B,
    /// How many connections of this way there are with each peer.
    connections: BTreeMap<PeerId, usize>,
}

impl<B> OnWay<B> {
    /// Lets a behaviour see the connections of a way.
    pub(super) const fn new(way: Way, inner: B) -> Self {
        Self { way, inner, connections: BTreeMap::new() }
    }

    /// The behaviour.
    pub(super) const fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    fn way_of(endpoint: &libp2p::core::ConnectedPoint) -> Way {
        if endpoint.is_relayed() { Way::Relayed } else { Way::Direct }
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
        if Way::of(local) != self.way {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
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
        if Way::of(remote) != self.way {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        self.inner.handle_established_outbound_connection(id, peer, remote, role, port).map(Either::Left)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                if Self::way_of(established.endpoint) == self.way {
                    let count = self.connections.entry(established.peer_id).or_default();
                    let other_established = *count;
                    *count += 1;
                    self.inner.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                        other_established,
                        ..established
                    }));
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                if Self::way_of(closed.endpoint) == self.way {
                    let left = self.connections.get(&closed.peer_id).map_or(0, |count| count.saturating_sub(1));
                    if left == 0 {
                        self.connections.remove(&closed.peer_id);
                    } else {
                        self.connections.insert(closed.peer_id, left);
                    }
                    self.inner.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                        remaining_established: left,
                        ..closed
                    }));
                }
            }
            FromSwarm::AddressChange(changed) => {
                if Self::way_of(changed.new) == self.way {
                    self.inner.on_swarm_event(event);
                }
            }
            event => self.inner.on_swarm_event(event),
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
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

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx)
    }
}
