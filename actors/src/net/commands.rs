//! What the driver does when it is told something.

use super::{
    NetEvent, ToDriver, address,
    behaviour::CLOSEST,
    book::Source,
    driver::{Driver, Phase},
    limits::SHUT_OUT,
    lookups::Step,
    table,
    view::{NetworkView, PeerView},
};
use libp2p::Multiaddr;
use pc2_protocols::{
    id::NodeId,
    machine::OpId,
    net::{NetCommand, NetError, NetInput, Protocol, RequestToken, ReservationError},
};
use std::time::Instant;

impl Driver {
    /// Does what the driver was told.
    pub(super) fn on_told(&mut self, told: ToDriver) {
        match told {
            ToDriver::Command(command) => self.on_command(command),
            ToDriver::View(answer) => {
                // Whoever asked may have gone away meanwhile.
                let _nobody_waits = answer.send(self.view());
            }
            ToDriver::OpenStream { node, answer } => self.open_stream(node, answer),
            ToDriver::PlanBulk { node, answer } => self.plan_bulk(node, answer),
            ToDriver::NoBulk { node } => self.no_bulk(node),
            ToDriver::TryNow => self.try_now(Instant::now()),
        }
    }

    fn on_command(&mut self, command: NetCommand) {
        let now = Instant::now();
        match command {
            NetCommand::Request { op, to, protocol, payload } => {
                if let Err(error) = self.request(op, to, protocol, payload, now) {
                    self.deliver(NetInput::Response { op, result: Err(error) });
                }
            }
            NetCommand::Respond { token, payload } => self.respond(token, payload),
            NetCommand::Drop { token } => self.inbound.refuse(token),
            NetCommand::FindClosest { op, key } => {
                let undelivered = self.undelivered();
                if self.phase == Phase::Running && self.lookups.ask(op, key, undelivered, now) {
                    self.run_lookups(now);
                } else {
                    self.deliver(NetInput::Closest { op, peers: Vec::new() });
                }
            }
            NetCommand::Learn { peer } => {
                if peer.node != self.local && self.book.learn(&peer, Source::Owner) {
                    self.saver.changed(now);
                    self.addresses_learned(peer.node, now);
                }
            }
            NetCommand::KeepConnected { nodes } => {
                self.book.pin(nodes.iter().copied());
                self.seats.set_contacts(nodes.iter().copied());
                let local = self.local;
                self.kept.set(nodes.into_iter().filter(|node| *node != local), now);
                self.redial(now);
            }
            NetCommand::Penalise { node, reason } => self.offence(node, reason),
            NetCommand::Contribute { routes, relay } => self.contribute(routes, relay),
            NetCommand::Reserve { relay } => self.reserve(relay, now),
            NetCommand::Release { relay } => self.lose_place(relay, ReservationError::Released),
        }
    }

    /// Takes a request in. An error is its answer; otherwise its answer comes later.
    fn request(
        &mut self,
        op: OpId,
        to: NodeId,
        protocol: Protocol,
        payload: Vec<u8>,
        now: Instant,
    ) -> Result<(), NetError> {
        if payload.len() > protocol.max_frame_bytes() {
            return Err(NetError::TooLarge);
        }
        if self.phase == Phase::Draining {
            return Err(NetError::Closed);
        }
        if to == self.local {
            return Err(NetError::Unreachable);
        }
        let undelivered = self.undelivered();
        if !self.outbound.has_room(to, protocol, undelivered) {
            return Err(NetError::Busy);
        }
        if !self.peers.is_connected(to) {
            self.dial(to)?;
        }
        self.counters.requests_out += 1;
        self.outbound.wait(op, to, protocol, payload, now);
        self.send_waiting(to);
        Ok(())
    }

    fn respond(&mut self, token: RequestToken, payload: Vec<u8>) {
        let Some((node, channel, key)) = self.inbound.answer(token) else {
            tracing::debug!("an answer came after its request had ended");
            return;
        };
        let (line, _) = key;
        let (protocol, _) = line;
        let fits = payload.len() <= protocol.max_frame_bytes();
        if !fits {
            tracing::warn!(
                protocol = protocol.name(),
                bytes = payload.len(),
                "an answer exceeds its protocol's limit and is not sent"
            );
        }
        // When it cannot be sent any more, the connection is gone or too slow; the peer will ask again.
        let bytes = payload.len();
        let sent =
            fits && self.swarm.behaviour_mut().requests_of(line).send_response(channel, payload).is_ok();
        if sent {
            self.carried(node, 0, bytes);
        } else {
            self.inbound.ended(key);
        }
    }

    /// A node got an address that was not known before: whoever waits for it is helped at once.
    pub(super) fn addresses_learned(&mut self, node: NodeId, now: Instant) {
        if let Some(dial) = self.dials.get_mut(&node) {
            dial.outdated = true;
        } else {
            self.kept.hurry(node, now);
            self.redial(now);
        }
    }

    /// Starts and answers lookups, as far as possible now.
    pub(super) fn run_lookups(&mut self, now: Instant) {
        while let Some(step) = self.lookups.step(self.neighbours(), now) {
            match step {
                Step::Start(op, key) => {
                    let kad = &mut self.swarm.behaviour_mut().kad;
                    let query = kad.get_n_closest_peers(key.as_bytes().to_vec(), CLOSEST);
                    self.lookups.started(query, op, now);
                }
                Step::Empty(op) => self.deliver(NetInput::Closest { op, peers: Vec::new() }),
            }
        }
    }

    /// Counts misbehaviour, and shuts the peer out when it was too much.
    pub(super) fn offence(&mut self, node: NodeId, reason: &'static str) {
        let now = Instant::now();
        tracing::debug!(peer = node.short(), reason, "a peer misbehaves");
        if node == self.local || !self.conduct.offends(node, now) {
            return;
        }
        tracing::info!(
            peer = node.short(),
            reason,
            "a peer misbehaved too often and is shut out for some minutes"
        );
        self.counters.shut_out += 1;
        self.shut_out.insert(node, now + SHUT_OUT);
        let peer = address::peer_id(node);
        let behaviour = self.swarm.behaviour_mut();
        // Closes its connections, too.
        behaviour.shut_out.block_peer(peer);
        behaviour.kad.remove_peer(&peer);
        self.table_changed(now);
    }

    /// Closes all connections with a peer.
    pub(super) fn disconnect(&mut self, node: NodeId) {
        if self.swarm.disconnect_peer_id(address::peer_id(node)).is_err() {
            tracing::trace!(peer = node.short(), "was not connected any more");
        }
    }

    /// The routing table changed or may have.
    pub(super) fn table_changed(&mut self, now: Instant) {
        let was_empty = self.table_size == 0;
        self.table_size = table::entries(&mut self.swarm.behaviour_mut().kad).len();
        self.saver.changed(now);
        if was_empty && self.table_size > 0 {
            self.lookups.own_soon(now);
        }
        self.run_lookups(now);
    }

    /// Gives contacts and neighbours away to be saved, if they changed.
    pub(super) fn save_table(&mut self) {
        let neighbours = table::entries(&mut self.swarm.behaviour_mut().kad);
        let nodes = self.kept.nodes().chain(neighbours.into_iter().map(|(node, _)| node));
        if let Some(table) = self.saver.save(nodes, &self.book) {
            (self.routing_saved)(table);
        }
    }

    /// Tells machine and people where we can be reached, if that changed.
    pub(super) fn publish_own(&mut self) {
        self.listening = self.listening_now();
        self.try_out_listeners();
        let standing = |at: &Multiaddr| self.proofs.standing(at);
        // A listener through a relay that was given up is closed a moment later.
        let held =
            |at: &&Multiaddr| address::circuit(at).is_none_or(|(relay, _)| self.places.contains(relay));
        let listening = self.swarm.listeners().filter(held);
        let external = self.swarm.external_addresses().filter(held);
        let own = super::own::publishable(listening, external, self.loopback, standing);
        if own == self.own {
            return;
        }
        self.own.clone_from(&own);
        self.tell_own();
        (self.observer)(NetEvent::OwnAddresses { addresses: own.clone() });
        self.deliver(NetInput::OwnAddresses { addresses: own });
    }

    fn peers_view(&self) -> Vec<PeerView> {
        let mut peers = self.peers.view();
        for peer in &mut peers {
            peer.place = address::place(self.local, peer.node);
        }
        peers
    }

    fn view(&mut self) -> NetworkView {
        self.tally_streams(Instant::now());
        NetworkView {
            node: self.local,
            listening: self.swarm.listeners().filter_map(address::address).collect(),
            addresses: self.own.clone(),
            proved: self.proofs.proved().iter().filter_map(address::address).collect(),
            mapping: self.mapping,
            places: self.places_view(),
            relaying: self.relaying_view(),
            peers: self.peers_view(),
            bootstrap: self.bootstrap.nodes().collect(),
            table: self.table_size,
            counters: self.counters,
        }
    }
}
