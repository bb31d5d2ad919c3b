//! What the driver does when something happens on the network: connections, neighbours, walks. Requests and answers are in `exchange`.

use super::{
    NetEvent, address,
    behaviour::{BehaviourEvent, BothWaysEvent, IDENTIFY_PROTOCOL, KAD_PROTOCOL},
    book::Source,
    driver::Driver,
    limits::{LAN_DIALS, NETWORK_SETTLES, SWITCH_AFTER},
    peers::{Connection, Opened},
    streaming::Refused,
    table,
    view::Direction,
    ways::Way,
};
use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    identify, kad, mdns, ping,
    swarm::{ConnectionId, DialError, SwarmEvent},
};
use pc2_protocols::{
    id::NodeId,
    net::{NetInput, Peer, Protocol},
    time::UnixMillis,
};
use std::time::{Duration, Instant, SystemTime};

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
                self.seats.end_on(connection_id);
                if let Some(node) = address::node_id(&peer_id) {
                    self.on_closed(node, connection_id, now);
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id: Some(peer), error } => {
                if let Some(node) = address::node_id(&peer) {
                    self.on_dial_failed(node, connection_id, &error, now);
                }
            }
            SwarmEvent::IncomingConnectionError { .. } if self.bulk.was_diverted() => {}
            SwarmEvent::IncomingConnectionError { error, .. } => {
                self.counters.failed_handshakes += 1;
                tracing::debug!(%error, "an inbound connection failed");
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                let is_place = self.places.listens(listener_id, &address, now);
                self.on_listener(is_place, now);
            }
            SwarmEvent::ExpiredListenAddr { .. } => self.on_listener(false, now),
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                let is_place = self.place_closed(listener_id, reason);
                self.on_listener(is_place, now);
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener has trouble"),
            // Said in other ways, too, or of no interest.
            _ => {}
        }
    }

    /// Something happened to a listener: unless it is a place at a relay, the network may have changed.
    fn on_listener(&mut self, is_place: bool, now: Instant) {
        if !is_place {
            self.change_due.get_or_insert(now + NETWORK_SETTLES);
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
        let Some(mut connection) = self.connection_of(node, id, endpoint, now) else { return };
        let way = connection.way();
        let dialled_by_us = self.dials.get(&node).is_some_and(|dial| dial.has(id));
        // Where a hole was punched nobody else gets through.
        if connection.direction == Direction::Outbound
            && (dialled_by_us || !self.peers.is_connected(node))
            && address::address(&connection.remote).is_some()
        {
            self.book.note(node, address::without_peer(&connection.remote), Source::Connected);
            connection.dialled = way == Way::Direct;
        }
        self.dials.remove(&node);
        self.kept.connected(node);
        self.bootstrap.connected(node);
        let inbound = connection.direction == Direction::Inbound;
        match self.peers.opened(node, connection, unix_now()) {
            Opened::First => self.announce_up(node),
            // A peer that is connected directly has no reason to come through a relay, unless it does not know.
            Opened::Further if inbound && way == Way::Relayed => self.knock(node, Way::Direct),
            Opened::Further => {}
            Opened::Anew { stale } => {
                tracing::debug!(peer = node.short(), "connected anew");
                for connection in stale {
                    self.seats.end_on(connection);
                    self.swarm.close_connection(connection);
                }
                self.not_a_relay(node);
                // Whatever the peer had been told is forgotten there, so the machines must hear of it.
                self.announce_down(node);
                self.announce_up(node);
            }
        }
        if self.kept.contains(node) {
            self.saver.changed(now);
        }
        if self.peers.any_both_ways() {
            self.switch_due.get_or_insert(now + SWITCH_AFTER);
        }
        if way == Way::Direct {
            self.ask_for_place(node, now);
            // Otherwise the node's own word comes first (`on_identified`): only then we know where holes can be punched to us.
            if self.reports.any() {
                self.relay_connected(node);
            }
        }
        self.send_waiting(node);
    }

    /// The book's entry for a new connection; `None` for one that only tries whether a node can be reached.
    fn connection_of(
        &self,
        node: NodeId,
        id: ConnectionId,
        endpoint: &ConnectedPoint,
        now: Instant,
    ) -> Option<Connection> {
        let peer = address::peer_id(node);
        match endpoint {
            ConnectedPoint::Dialer { port_use: PortUse::New, .. } => None,
            ConnectedPoint::Dialer { address, role_override, .. } => {
                let direction = match role_override {
                    Endpoint::Dialer => Direction::Outbound,
                    // Both dialled, and the peer was to be the one.
                    Endpoint::Listener => Direction::Inbound,
                };
                Some(match address::circuit(address) {
                    Some((relay, _)) => {
                        Connection::relayed(id, (relay, address::without_peer(address)), direction, now)
                    }
                    None => Connection::direct(id, address.clone(), direction, now),
                })
            }
            ConnectedPoint::Listener { local_addr, send_back_addr } => match Way::of(local_addr) {
                Way::Direct if self.swarm.behaviour().prober.expects(&peer) => None,
                Way::Direct => Some(Connection::direct(id, send_back_addr.clone(), Direction::Inbound, now)),
                Way::Relayed => {
                    let relay = self.relay_at(local_addr).unwrap_or(node);
                    Some(Connection::relayed(id, (relay, local_addr.clone()), Direction::Inbound, now))
                }
            },
        }
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
        match self.peers.closed(node, id, now, unix_now()) {
            Some(lived) => self.on_gone(node, lived, now),
            None => self.send_waiting(node),
        }
        if self.peers.direct(node).is_none() {
            self.swarm.behaviour().relaying.hosting().left(node);
        }
    }

    /// The last connection with a node is gone.
    pub(super) fn on_gone(&mut self, node: NodeId, lived: Duration, now: Instant) {
        self.not_a_relay(node);
        self.relay_failed(node, now);
        self.testers.remove(&node);
        self.bulk_gone(node);
        self.announce_down(node);
        self.kept.lost(node, lived, now, &mut self.rng);
        self.bootstrap.lost(node, lived, now, &mut self.rng);
        if self.outbound.waits_for(node) && self.dial(node).is_err() {
            self.give_up(node, now);
        }
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
        self.dial_failed(node, id, now);
    }

    fn on_behaviour(&mut self, event: BehaviourEvent, now: Instant) {
        match event {
            BehaviourEvent::Ping(ping::Event { peer, connection, result }) => {
                if let (Some(node), Ok(round_trip)) = (address::node_id(&peer), result)
                    && self.peers.ponged(node, connection, round_trip, now)
                {
                    self.tell_relay(node);
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
                    self.relay_connected(node);
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
            BehaviourEvent::Knock(knocked) => self.on_knocked(&knocked, now),
            BehaviourEvent::Circuits(event) => tracing::trace!(?event, "about a circuit of ours"),
            BehaviourEvent::Relaying(event) => self.on_relaying(&event),
            BehaviourEvent::Punch(event) => self.on_punched(&event),
            BehaviourEvent::Prober(event) => self.on_probed(&event),
            BehaviourEvent::DialBack(event) => {
                tracing::debug!(reached = event.result.is_ok(), "tried to reach a peer")
            }
            BehaviourEvent::Upnp(event) => self.on_mapped(&event),
            BehaviourEvent::Record(event) => self.on_either_way(Protocol::Record, event, now),
            BehaviourEvent::Message(event) => self.on_either_way(Protocol::Message, event, now),
            BehaviourEvent::Mailbox(event) => self.on_either_way(Protocol::Mailbox, event, now),
            BehaviourEvent::Streaming(Refused) => self.counters.dropped_full += 1,
        }
    }

    fn on_either_way(&mut self, protocol: Protocol, event: BothWaysEvent, now: Instant) {
        match event {
            BothWaysEvent::Direct(event) => self.on_request_event((protocol, Way::Direct), event, now),
            BothWaysEvent::Relayed(event) => self.on_request_event((protocol, Way::Relayed), event, now),
        }
    }

    /// A peer said who it is: if it is one of us and reachable, it becomes a neighbour.
    fn on_identified(&mut self, node: NodeId, id: ConnectionId, info: &identify::Info, now: Instant) {
        self.peers.identified(node);
        let one_of_us = info.protocol_version == IDENTIFY_PROTOCOL;
        if let (Some(connection), true) = (self.peers.connection(node, id).cloned(), one_of_us) {
            // Circuits that lead to it are of no use in walks, but when nothing else leads there.
            for circuit in info.listen_addrs.iter().filter(|at| address::circuit(at).is_some()) {
                self.book.note(node, address::without_peer(circuit), Source::Owner);
            }
            if connection.way() == Way::Direct {
                self.on_identified_directly(node, &connection, info, now);
            }
        }
        self.relay_connected(node);
        self.run_lookups(now);
    }

    fn on_identified_directly(
        &mut self,
        node: NodeId,
        connection: &Connection,
        info: &identify::Info,
        now: Instant,
    ) {
        let direction = if connection.dialled { Direction::Outbound } else { Direction::Inbound };
        let addresses = table::credible(&connection.remote, direction, &info.listen_addrs);
        for address in addresses.iter().rev() {
            self.book.note(node, address.clone(), Source::Owner);
        }
        self.on_seen(&info.observed_addr, connection, now);
        self.on_offers(node, connection, &info.protocols, now);
        if info.protocols.contains(&KAD_PROTOCOL) {
            self.enter_table(node, &addresses, now);
        } else if self.swarm.behaviour_mut().kad.remove_peer(&address::peer_id(node)).is_some() {
            self.table_changed(now);
        }
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
pub(super) fn unix_now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
