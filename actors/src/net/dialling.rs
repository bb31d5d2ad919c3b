//! How the driver connects with a node.
//!
//! All addresses that lead there directly are dialled at once, and circuits through relays that we are connected with a quarter of a second behind them
//! (libp2p's order of dialling sees to that). Relays of other circuits are connected with first, at the same time, and the circuit is tried as soon as that
//! stands. So nothing waits for a direct dial to time out. The node cannot be reached when all of it has failed.

use super::{
    address,
    book::Source,
    driver::Driver,
    limits::{MAX_DIAL_RELAYS, MAX_DIALS},
    ways::Way,
};
use libp2p::{
    Multiaddr,
    swarm::{
        ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use pc2_protocols::{
    id::NodeId,
    net::{NetError, NetInput},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// Connecting with one node.
#[derive(Debug, Clone, Default)]
pub(super) struct Dial {
    /// Our dials under way.
    connections: BTreeSet<ConnectionId>,
    /// kad dials the node for a walk, with the addresses that it knows.
    by_kad: bool,
    /// Relays that are being connected with, to try through them next.
    relays: BTreeSet<NodeId>,
    /// New addresses were learned since it began.
    pub(super) outdated: bool,
}

impl Dial {
    /// Whether one of its dials is this.
    pub(super) fn has(&self, id: ConnectionId) -> bool {
        self.connections.contains(&id)
    }

    fn is_over(&self) -> bool {
        self.connections.is_empty() && !self.by_kad && self.relays.is_empty()
    }
}

impl Driver {
    /// Makes sure that a connection with a node is being made.
    pub(super) fn dial(&mut self, node: NodeId) -> Result<(), NetError> {
        if self.dials.contains_key(&node) {
            return Ok(());
        }
        let (circuits, direct): (Vec<_>, Vec<_>) =
            self.book.multiaddrs(node).into_iter().partition(|at| address::circuit(at).is_some());
        // One through each relay is enough: it has one connection with us, by whichever address.
        let mut by_relay = BTreeMap::new();
        for circuit in circuits {
            if let Some((relay, at)) = address::circuit(&circuit)
                && relay != self.local
                && relay != node
            {
                by_relay.entry(relay).or_insert_with(|| (circuit, Vec::new())).1.push(at);
            }
        }
        let mut addresses = direct;
        let mut relays = Vec::new();
        for (relay, (circuit, at)) in by_relay {
            if self.peers.direct(relay).is_some() {
                addresses.push(circuit);
            } else if relays.len() < MAX_DIAL_RELAYS {
                relays.push((relay, at));
            }
        }
        self.begin_dial(node, addresses, relays.iter().map(|(relay, _)| *relay).collect())?;
        for (relay, at) in relays {
            for at in at {
                self.book.note(relay, at, Source::Hearsay);
            }
            if self.dial_directly(relay).is_err() {
                self.relay_failed(relay, Instant::now());
            }
        }
        if self.dials.contains_key(&node) { Ok(()) } else { Err(NetError::Unreachable) }
    }

    /// The same by direct addresses only: for relays, which would otherwise be looked for through each other.
    pub(super) fn dial_directly(&mut self, node: NodeId) -> Result<(), NetError> {
        if self.dials.contains_key(&node) {
            return Ok(());
        }
        let mut direct = self.book.multiaddrs(node);
        direct.retain(|at| address::transport(at).is_some());
        self.begin_dial(node, direct, BTreeSet::new())
    }

    /// One more connection with a node that is connected: its side closes the others, as after a restart of ours, and so do we in time.
    pub(super) fn dial_anew(&mut self, node: NodeId) {
        let mut direct = self.book.multiaddrs(node);
        direct.retain(|at| address::transport(at).is_some());
        let options = DialOpts::peer_id(address::peer_id(node))
            .condition(PeerCondition::Always)
            .addresses(direct)
            .build();
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(peer = node.short(), %error, "no new connection");
        }
    }

    fn begin_dial(
        &mut self,
        node: NodeId,
        addresses: Vec<Multiaddr>,
        relays: BTreeSet<NodeId>,
    ) -> Result<(), NetError> {
        if self.dials.len() >= MAX_DIALS {
            return Err(NetError::Busy);
        }
        let options = DialOpts::peer_id(address::peer_id(node))
            .condition(PeerCondition::NotDialing)
            .addresses(addresses)
            .extend_addresses_through_behaviour()
            .build();
        let connection = options.connection_id();
        let mut dial = Dial { relays, ..Dial::default() };
        match self.swarm.dial(options) {
            Ok(()) => drop(dial.connections.insert(connection)),
            Err(DialError::DialPeerConditionFalse(_)) => dial.by_kad = true,
            Err(_) if !dial.relays.is_empty() => {}
            Err(DialError::NoAddresses) => return Err(NetError::NoAddress),
            Err(error) => {
                tracing::debug!(peer = node.short(), %error, "dial refused");
                return Err(NetError::Unreachable);
            }
        }
        self.dials.insert(node, dial);
        Ok(())
    }

    /// A node is connected and said who it is: tries through it whom it was connected with for.
    pub(super) fn relay_connected(&mut self, relay: NodeId) {
        if self.peers.direct(relay).is_none() {
            return;
        }
        let waiting = self.dials.iter().filter(|(_, dial)| dial.relays.contains(&relay));
        let waiting: Vec<_> = waiting.map(|(node, _)| *node).collect();
        for node in waiting {
            let through = |at: &Multiaddr| address::circuit(at).is_some_and(|(by, _)| by == relay);
            let circuit = self.book.multiaddrs(node).into_iter().find(through);
            let options = DialOpts::peer_id(address::peer_id(node))
                .condition(PeerCondition::Always)
                .addresses(circuit.into_iter().collect())
                .build();
            let connection = options.connection_id();
            let begun = self.swarm.dial(options).is_ok();
            if let Some(dial) = self.dials.get_mut(&node) {
                dial.relays.remove(&relay);
                if begun {
                    dial.connections.insert(connection);
                }
            }
            self.conclude(node, Instant::now(), false);
        }
    }

    /// A node cannot be reached directly, so nobody can be through it.
    pub(super) fn relay_failed(&mut self, relay: NodeId, now: Instant) {
        let waits = |(node, dial): (&NodeId, &mut Dial)| dial.relays.remove(&relay).then_some(*node);
        let waiting: Vec<_> = self.dials.iter_mut().filter_map(waits).collect();
        for node in waiting {
            self.conclude(node, now, false);
        }
    }

    /// One dial of a node has failed.
    pub(super) fn dial_failed(&mut self, node: NodeId, id: ConnectionId, now: Instant) {
        let Some(dial) = self.dials.get_mut(&node) else { return };
        let ours = dial.connections.remove(&id);
        if !ours && !dial.by_kad {
            return;
        }
        if !ours {
            dial.by_kad = false;
        }
        self.conclude(node, now, !ours);
    }

    /// When all of a node's dials have failed: begins again if that is worth it, or gives up.
    fn conclude(&mut self, node: NodeId, now: Instant, worth_another_try: bool) {
        let Some(dial) = self.dials.get(&node).filter(|dial| dial.is_over()) else { return };
        let worth_another_try = worth_another_try || dial.outdated;
        self.dials.remove(&node);
        let again = worth_another_try && (self.outbound.waits_for(node) || self.kept.contains(node));
        if !again || self.dial(node).is_err() {
            self.give_up(node, now);
        }
        self.redial(now);
        self.run_lookups(now);
    }

    /// A node cannot be reached now: answers what waits for it.
    pub(super) fn give_up(&mut self, node: NodeId, now: Instant) {
        self.place_unreachable(node);
        self.relay_failed(node, now);
        if self.peers.is_connected(node) {
            return;
        }
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

    /// Sends what waits for a connection with this peer, if there is one that works.
    pub(super) fn send_waiting(&mut self, to: NodeId) {
        let Some(way) = self.peers.way(to) else { return };
        let peer = address::peer_id(to);
        let now = Instant::now();
        for mut ready in self.outbound.take_waiting(to) {
            let payload = std::mem::take(&mut ready.payload);
            self.carried(to, 0, payload.len());
            let requests = self.swarm.behaviour_mut().requests_of((ready.protocol, way));
            let request = requests.send_request(&peer, Ok(payload));
            self.outbound.sent(&ready, way, request, now);
        }
    }

    /// Whether nothing of a node is under way through a relay.
    pub(super) fn is_quiet_by_relay(&self, node: NodeId) -> bool {
        let relayed = |(line, _): &super::inbound::Key| line.1 == Way::Relayed;
        !self.outbound.is_busy_by(node, Way::Relayed) && !self.inbound.is_busy_by(node, relayed)
    }
}
