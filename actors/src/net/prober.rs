//! Asking peers to try and reach us: AutoNAT v2, our side.
//!
//! libp2p's client tests each address once, with one server of its own choice. To hear from several parts of the network, and again after
//! the network changed, there is one client for each server here, and the driver says who is asked about what.
//!
//! In: connections, [`Prober::ask`]. Out: libp2p's event for each try. A client is only polled while something is asked of its server, so an idle node does
//! nothing here. Not here: whom to ask and what follows (`proofs`), answering others (`dial_back`).

use super::{
    limits::{MAX_PROBERS, PROBE_TIMEOUT},
    ways::{Guests, Way},
};
use either::Either;
use libp2p::{
    Multiaddr, PeerId,
    autonat::v2::client,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NewExternalAddrCandidate, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    task::{Context, Poll},
    time::Instant,
};

/// One server, on one connection of ours to it.
struct Server {
    peer: PeerId,
    client: client::Behaviour,
    /// What it was asked about. libp2p's client tests an address once.
    asked: BTreeSet<Multiaddr>,
    /// Nothing is expected of it after this, and how much is before.
    until: Option<Instant>,
    open: usize,
}

/// The behaviour.
pub(super) struct Prober {
    guests: Guests,
    servers: BTreeMap<ConnectionId, Server>,
    /// Makes the handlers of connections; they belong to no client in particular.
    maker: client::Behaviour,
}

impl Prober {
    /// Asks nobody yet. Those who were asked are expected as guests.
    pub(super) fn new(guests: Guests) -> Self {
        Self { guests, servers: BTreeMap::new(), maker: client::Behaviour::default() }
    }

    /// Asks a peer to reach us at an address. An address is tested once on each connection: `false` when there is none on which it was not.
    pub(super) fn ask(&mut self, peer: PeerId, addr: &Multiaddr, now: Instant) -> bool {
        let Some(server) = self.servers.values_mut().find(|server| server.peer == peer) else { return false };
        if !server.asked.insert(addr.clone()) {
            return false;
        }
        let candidate = NewExternalAddrCandidate { addr };
        server.client.on_swarm_event(FromSwarm::NewExternalAddrCandidate(candidate));
        server.until = Some(now + PROBE_TIMEOUT);
        server.open += 1;
        self.guests.expect(peer, true);
        true
    }

    /// Whether a direct connection of this peer would be its try to reach us.
    pub(super) fn expects(&self, peer: &PeerId) -> bool {
        self.guests.expects(peer)
    }
}

impl Server {
    /// Nothing more is expected of it.
    fn rest(&mut self, guests: &Guests) {
        (self.until, self.open) = (None, 0);
        guests.expect(self.peer, false);
    }
}

impl NetworkBehaviour for Prober {
    type ConnectionHandler = THandler<client::Behaviour>;
    type ToSwarm = client::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.maker.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.maker.handle_established_outbound_connection(id, peer, remote, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                let peer = established.peer_id;
                let direct = established.endpoint.is_dialer()
                    && Way::of(established.endpoint.get_remote_address()) == Way::Direct;
                // On a new connection it can be asked anew, unless it is trying just now.
                let before = self.servers.iter().find(|(_, server)| server.peer == peer);
                let before = before.map(|(id, server)| (*id, server.until.is_some()));
                let of_use = match before {
                    Some((_, tries)) => !tries,
                    None => self.servers.len() < MAX_PROBERS,
                };
                if direct && of_use {
                    if let Some((id, _)) = before {
                        self.servers.remove(&id);
                    }
                    let mut client = client::Behaviour::default();
                    client.on_swarm_event(event);
                    let server = Server { peer, client, asked: BTreeSet::new(), until: None, open: 0 };
                    self.servers.insert(established.connection_id, server);
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                if let Some(mut server) = self.servers.remove(&closed.connection_id) {
                    server.rest(&self.guests);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        let server = match &event {
            // The word of a server about a try.
            Either::Left(_) => self.servers.get_mut(&id),
            // Somebody reached us, on a connection of its own.
            Either::Right(_) => {
                self.servers.values_mut().find(|server| server.peer == peer && server.until.is_some())
            }
        };
        if let Some(server) = server {
            server.client.on_connection_handler_event(peer, id, event);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        let now = Instant::now();
        for server in self.servers.values_mut() {
            if server.until.is_some_and(|until| until <= now) {
                server.rest(&self.guests);
            }
            while server.until.is_some()
                && let Poll::Ready(action) = server.client.poll(cx)
            {
                // Confirmed addresses: the driver draws its own conclusions.
                if matches!(action, ToSwarm::ExternalAddrConfirmed(_)) {
                    continue;
                }
                if matches!(action, ToSwarm::GenerateEvent(_)) {
                    server.open = server.open.saturating_sub(1);
                    if server.open == 0 {
                        server.rest(&self.guests);
                    }
                }
                return Poll::Ready(action);
            }
        }
        Poll::Pending
    }
}
