//! Trying to reach others who ask for it: AutoNAT v2, the other side.
//!
//! Offered on connections that stand while this node contributes. A peer could make us knock at doors of third parties: so tries are limited in
//! number, go at least as far as the peer itself came (nobody from the internet has our LAN tested), and libp2p makes whoever names an address that is not
//! its own send more bytes than the try costs. A connection made for a try is closed after it.
//!
//! Not here: asking others (`prober`).

use super::{
    address::{self, Scope},
    limits::{DIAL_BACKS, DIAL_BACKS_PER_PEER, RATE_WINDOW},
    ways::Way,
};
use either::Either;
use libp2p::{
    Multiaddr, PeerId,
    autonat::v2::server,
    core::{Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionId, DialError, DialFailure, FromSwarm, NetworkBehaviour,
        THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
    },
};
use std::{
    collections::{BTreeMap, VecDeque},
    task::{Context, Poll},
    time::Instant,
};

/// The address lies nearer than whoever had it tested.
#[derive(Debug, thiserror::Error)]
#[error("an address that is not to be tested for this peer")]
struct NotForThem;

/// The behaviour.
#[derive(Default)]
pub(super) struct DialBack {
    inner: server::Behaviour,
    offered: bool,
    /// Those who can ask, on which connection and from how far away.
    clients: BTreeMap<ConnectionId, (PeerId, Option<Scope>)>,
    /// Tries under way.
    tries: BTreeMap<ConnectionId, PeerId>,
    recent: VecDeque<(Instant, PeerId)>,
    /// Connections that have served their purpose.
    done: VecDeque<(PeerId, ConnectionId)>,
}

impl DialBack {
    /// Whether new connections are offered this.
    pub(super) const fn offer(&mut self, offered: bool) {
        self.offered = offered;
    }

    /// Whether one more try for this peer is in order.
    fn admits(&mut self, peer: PeerId, now: Instant) -> bool {
        while self.recent.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= RATE_WINDOW) {
            self.recent.pop_front();
        }
        let of_peer = self.recent.iter().filter(|(_, other)| *other == peer).count();
        let admitted = self.recent.len() < DIAL_BACKS && of_peer < DIAL_BACKS_PER_PEER;
        if admitted {
            self.recent.push_back((now, peer));
        }
        admitted
    }

    /// Whether these addresses may be tried for a peer.
    fn in_reach_of(&self, peer: PeerId, addresses: &[Multiaddr]) -> bool {
        let from =
            self.clients.values().filter(|(client, _)| *client == peer).filter_map(|(_, scope)| *scope).min();
        from.is_some_and(|from| {
            addresses.iter().map(address::without_peer).all(|address| {
                address::transport(&address).is_some() && address::scope(&address) >= Some(from)
            })
        })
    }
}

impl NetworkBehaviour for DialBack {
    type ConnectionHandler = Either<THandler<server::Behaviour>, dummy::ConnectionHandler>;
    type ToSwarm = server::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.offered || Way::of(local) == Way::Relayed {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        self.clients.insert(id, (peer, address::scope(remote)));
        self.inner.handle_established_inbound_connection(id, peer, local, remote).map(Either::Left)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        match self.tries.get(&id) {
            Some(peer) if !self.in_reach_of(*peer, addresses) => Err(ConnectionDenied::new(NotForThem)),
            _ => Ok(Vec::new()),
        }
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.tries.contains_key(&id) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        self.inner.handle_established_outbound_connection(id, peer, remote, role, port).map(Either::Left)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => {
                self.clients.remove(&closed.connection_id);
                self.tries.remove(&closed.connection_id);
            }
            FromSwarm::DialFailure(failed) => {
                self.tries.remove(&failed.connection_id);
            }
            FromSwarm::ListenFailure(failed) => {
                self.clients.remove(&failed.connection_id);
            }
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            Either::Left(event) => self.inner.on_connection_handler_event(peer, id, event),
            Either::Right(never) => match never {},
        }
        // A try says one thing, how it ended.
        if self.tries.remove(&id).is_some() {
            self.done.push_back((peer, id));
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some((peer_id, id)) = self.done.pop_front() {
            return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::One(id) });
        }
        while let Poll::Ready(action) = self.inner.poll(cx) {
            let ToSwarm::Dial { opts } = &action else { return Poll::Ready(action.map_in(Either::Left)) };
            let connection_id = opts.connection_id();
            let peer_id = opts.get_peer_id();
            if let Some(peer) = peer_id
                && self.admits(peer, Instant::now())
            {
                self.tries.insert(connection_id, peer);
                return Poll::Ready(action.map_in(Either::Left));
            }
            let error = &DialError::Aborted;
            self.inner.on_swarm_event(FromSwarm::DialFailure(DialFailure { peer_id, error, connection_id }));
        }
        Poll::Pending
    }
}
