//! What the driver does when something happens on the network: connections, neighbours, walks. Requests and answers are in `exchange`.

use super::{
    NetEvent, address,
    behaviour::{BehaviourEvent, IDENTIFY_PROTOCOL, KAD_PROTOCOL},
    book::Source,
    driver::Driver,
    limits::{LAN_DIALS, NETWORK_SETTLES},
    peers::{Connection, Opened},
    table,
    view::Direction,
};
use libp2p::{
    Multiaddr, PeerId,
    core::ConnectedPoint,
    identify, kad, mdns, ping,
    swarm::{ConnectionId, DialError, SwarmEvent},
};
use pc2_protocols::{
    id::NodeId,
    net::{NetError, NetInput, Peer, Protocol},
    time::UnixMillis,
};
use std::time::{Instant, SystemTime};

impl Driver {
    /// Does what follows from an event of the Swarm.
    pub(super) fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event, now),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                concurrent_dial_errors,
                ..
            } => {
                let Some(node) = self.known_kind(&peer_id) else { return };
                for (failed, _) in concurrent_dial_errors.unwrap_or_default() {
                    self.book.failed(node, &failed);
                }
                self.on_connected(node, connection_id, &endpoint, now);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                if let Some(node) = address::node_id(&peer_id) {
                    self.on_closed(node, connection_id, now);
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id: Some(peer), error } => {
                if let Some(node) = address::node_id(&peer) {
                    self.on_dial_failed(node, connection_id, &error, now);
                }
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                self.counters.failed_handshakes += 1;
                tracing::debug!(%error, "an inbound connection failed");
            }
            SwarmEvent::NewListenAddr { .. }
            | SwarmEvent::ExpiredListenAddr { .. }
            | SwarmEvent::ListenerClosed { .. } => {
                self.change_due.get_or_insert(now + NETWORK_SETTLES);
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener has trouble"),
            // Said in other ways, too, or of no interest.
            _ => {}
        }
    }

    /// The node of a peer. Keys of another kind than ours do not get past the handshake; should one, it is sent away.
    fn known_kind(&mut self, peer: &PeerId) -> Option<NodeId> {
        let node = address::node_id(peer);
        if node.is_none() && self.swarm.disconnect_peer_id(*peer).is_ok() {
            tracing::debug!(%peer, "a peer with a foreign kind of key");
        }
        node
    }

    fn on_connected(&mut self, node: NodeId, id: ConnectionId, endpoint: &ConnectedPoint, now: Instant) {
        let remote = endpoint.get_remote_address().clone();
        let direction = if endpoint.is_dialer() { Direction::Outbound } else { Direction::Inbound };
        if direction == Direction::Outbound && address::address(&remote).is_some() {
            self.book.note(node, address::without_peer(&remote), Source::Connected);
        }
        self.dials.remove(&node);
        self.kept.connected(node);
        self.bootstrap.connected(node);
        match self.peers.opened(node, Connection::new(id, remote, direction, now), unix_now()) {
            Opened::First => self.announce_up(node),
            Opened::Further => {}
            Opened::Anew { stale } => {
                tracing::debug!(peer = node.short(), "connected anew");
                for connection in stale {
                    self.swarm.close_connection(connection);
                }
                // Whatever the peer had been told is forgotten there, so the machines must hear of it.
                self.announce_down(node);
                self.announce_up(node);
            }
        }
        if self.kept.contains(node) {
            self.saver.changed(now);
        }
        self.send_waiting(node);
    }

    fn announce_up(&mut self, node: NodeId) {
        tracing::debug!(peer = node.short(), "connected");
        (self.observer)(NetEvent::PeerUp { node });
        self.deliver(NetInput::PeerUp { node });
    }

    fn announce_down(&mut self, node: NodeId) {
        tracing::debug!(peer = node.short(), "disconnected");
        (self.observer)(NetEvent::PeerDown { node });
        self.deliver(NetInput::PeerDown { node });
    }

    fn on_closed(&mut self, node: NodeId, id: ConnectionId, now: Instant) {
        let Some(lived) = self.peers.closed(node, id, now) else {
            self.send_waiting(node);
            return;
        };
        self.announce_down(node);
        self.kept.lost(node, lived, now, &mut self.rng);
        self.bootstrap.lost(node, lived, now, &mut self.rng);
        self.redial(now);
        self.run_lookups(now);
    }

    fn on_dial_failed(&mut self, node: NodeId, id: ConnectionId, error: &DialError, now: Instant) {
        tracing::debug!(peer = node.short(), %error, "dial failed");
        match error {
            DialError::Transport(attempts) => {
                for (failed, _) in attempts {
                    self.book.failed(node, failed);
                }
            }
            DialError::WrongPeerId { address, .. } | DialError::LocalPeerId { address } => {
                self.book.forget(node, address);
            }
            DialError::NoAddresses
            | DialError::DialPeerConditionFalse(_)
            | DialError::Aborted
            | DialError::Denied { .. } => {}
        }
        let Some(dial) = self.dials.get(&node).copied() else { return };
        if dial.connection.is_some_and(|ours| ours != id) {
            return;
        }
        self.dials.remove(&node);
        let was_ours = dial.connection.is_some();
        let worth_another_try = !was_ours || dial.outdated;
        let again = worth_another_try && (self.outbound.waits_for(node) || self.kept.contains(node));
        if !again || self.dial(node).is_err() {
            self.give_up(node, now);
        }
        self.redial(now);
        self.run_lookups(now);
    }

    /// A node cannot be reached now: answers what waits for it.
    fn give_up(&mut self, node: NodeId, now: Instant) {
        for op in self.outbound.give_up(node) {
            self.deliver(NetInput::Response { op, result: Err(NetError::Unreachable) });
        }
        self.kept.failed(node, now, &mut self.rng);
        self.bootstrap.failed(node, now, &mut self.rng);
        // A table entry that cannot be reached makes every walk slower. When nobody can be reached, it is our network that is gone, not theirs.
        let ours_works = self.peers.len() > 0;
        if ours_works && self.swarm.behaviour_mut().kad.remove_peer(&address::peer_id(node)).is_some() {
            self.table_changed(now);
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent, now: Instant) {
        match event {
            BehaviourEvent::Ping(ping::Event { peer, connection, result }) => {
                if let (Some(node), Ok(round_trip)) = (address::node_id(&peer), result) {
                    self.peers.ponged(node, connection, round_trip, now);
                }
            }
            BehaviourEvent::Identify(identify::Event::Received { peer_id, connection_id, info }) => {
                if let Some(node) = address::node_id(&peer_id) {
                    self.on_identified(node, connection_id, &info, now);
                }
            }
            BehaviourEvent::Identify(identify::Event::Error { peer_id, .. }) => {
                if let Some(node) = address::node_id(&peer_id) {
                    self.peers.identified(node);
                    self.run_lookups(now);
                }
            }
            BehaviourEvent::Identify(identify::Event::Sent { .. } | identify::Event::Pushed { .. }) => {}
            BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed { id, result, step, .. }) => {
                if let (kad::QueryResult::GetClosestPeers(found), true) = (result, step.last) {
                    self.on_found(&id, found, now);
                }
            }
            BehaviourEvent::Kad(kad::Event::RoutingUpdated { .. }) => self.table_changed(now),
            BehaviourEvent::Kad(_) => {}
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => self.on_discovered(found),
            BehaviourEvent::Mdns(mdns::Event::Expired(_)) => {}
            BehaviourEvent::Record(event) => self.on_request_event(Protocol::Record, event, now),
            BehaviourEvent::Message(event) => self.on_request_event(Protocol::Message, event, now),
            BehaviourEvent::Mailbox(event) => self.on_request_event(Protocol::Mailbox, event, now),
        }
    }

    /// A peer said who it is: if it is one of us and reachable, it becomes a neighbour.
    fn on_identified(&mut self, node: NodeId, id: ConnectionId, info: &identify::Info, now: Instant) {
        self.peers.identified(node);
        let ours = info.protocol_version == IDENTIFY_PROTOCOL && info.protocols.contains(&KAD_PROTOCOL);
        if let (Some(connection), true) = (self.peers.connection(node, id), ours) {
            let remote = connection.remote.clone();
            let addresses = table::credible(&remote, connection.direction, &info.listen_addrs);
            for address in addresses.iter().rev() {
                self.book.note(node, address.clone(), Source::Owner);
            }
            if self.observed.claim(&info.observed_addr, address::prefix(&remote)) {
                self.swarm.add_external_address(address::without_peer(&info.observed_addr));
                self.publish_own();
            }
            self.enter_table(node, &addresses, now);
        }
        self.run_lookups(now);
    }

    fn enter_table(&mut self, node: NodeId, addresses: &[Multiaddr], now: Instant) {
        let Some(prefix) = addresses.first().map(address::prefix) else { return };
        let entries = table::entries(&mut self.swarm.behaviour_mut().kad);
        let known = entries.iter().any(|(other, _)| *other == node);
        if !known && !table::has_room(entries.iter().map(|(_, prefix)| *prefix), prefix) {
            tracing::debug!(peer = node.short(), ?prefix, "enough neighbours of this prefix");
            return;
        }
        let peer = address::peer_id(node);
        for address in addresses {
            self.swarm.behaviour_mut().kad.add_address(&peer, address.clone());
        }
        self.table_changed(now);
    }

    fn on_found(&mut self, query: &kad::QueryId, found: kad::GetClosestPeersResult, now: Instant) {
        let (Ok(kad::GetClosestPeersOk { peers, .. })
        | Err(kad::GetClosestPeersError::Timeout { peers, .. })) = found;
        let mut closest = Vec::new();
        for peer in peers {
            let Some(node) = address::node_id(&peer.peer_id).filter(|node| *node != self.local) else {
                continue;
            };
            let addresses = peer.addrs.iter().filter_map(address::address).collect();
            self.book.learn(&Peer { node, addresses }, Source::Hearsay);
            closest.push(self.book.peer(node));
        }
        closest.truncate(pc2_protocols::limits::REPLICATION);
        if let Some(op) = self.lookups.finished(query) {
            self.deliver(NetInput::Closest { op, peers: closest });
        }
        self.run_lookups(now);
    }

    fn on_discovered(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        for (peer, address) in found {
            let Some(node) = address::node_id(&peer).filter(|node| *node != self.local) else { continue };
            let bare = address::without_peer(&address);
            if address::address(&bare).is_none() {
                continue;
            }
            self.book.note(node, bare, Source::Hearsay);
            let wanted = self.peers.len() + self.dials.len() < LAN_DIALS && !self.peers.is_connected(node);
            if wanted && self.dial(node).is_err() {
                tracing::debug!(peer = node.short(), "found on the LAN, but not to be dialled");
            }
        }
    }
}

/// The wall clock, for people.
fn unix_now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
