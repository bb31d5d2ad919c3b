//! The network of a large world: connections, requests, walks.
//!
//! In: what machines want from the network. Out: events for others, later or never. Every request is answered exactly
//! once, by the peer or by a timeout. Who is contacted is connected with, and whoever is connected comes to stand in tables; idle connections
//! are closed as the driver closes them.
//!
//! Not here: machines and time ([`super::world`]), how a walk goes ([`super::walk`]).

use super::{
    node::Role,
    table::{self, Entry, Spot, spot},
    walk::{ENOUGH_MS, Found, LONGEST_MS, walk},
    world::{Event, World},
};
use pc2_protocols::{
    dht::{In, wire::Request},
    id::RecordKey,
    machine::OpId,
    net::{NetCommand, NetError, Peer, RequestToken},
    record::Place,
};
use rand_core::Rng as _;

/// How long a connection stays that nobody uses, and how many stay all the same. Source: the driver's limits.
const IDLE_MS: u64 = 120_000;
const IDLE_FLOOR: usize = 16;

/// A silent peer is given up after this: with a connection, and without one. Source: the driver's limits.
const RECORD_TIMEOUT_MS: u64 = 8_000;
const CONNECT_TIMEOUT_MS: u64 = 10_000;

/// When those that were connected with a node notice that it fell silent. Source: the driver's limits.
pub(super) const SILENT_AFTER_MS: u64 = 25_000;

/// One step of a walk on the wire, question and answer: 20 peers with two addresses each take about 90 bytes apiece.
pub(super) const WALK_STEP_BYTES: u64 = 1_900;

/// Frame, stream and encryption around a message, in bytes. Counted with each.
const AROUND: u64 = 60;

/// A peer waits for an answer.
pub(super) struct Waiting {
    node: usize,
    life: u32,
    op: OpId,
    key: Option<RecordKey>,
}

fn size(payload: &[u8]) -> u64 {
    u64::try_from(payload.len()).unwrap_or(u64::MAX).saturating_add(AROUND)
}

impl World {
    /// Lets two nodes connect. Each may come to stand in the other's table.
    pub(super) fn connect(&mut self, a: usize, b: usize) {
        if a == b || !self.nodes[a].up || !self.nodes[b].up {
            return;
        }
        let now = self.now;
        let known = self.nodes[a].connected.insert(b, now).is_some();
        self.nodes[b].connected.insert(a, now);
        for (one, other) in [(a, b), (b, a)] {
            let entry = self.nodes[other].place;
            if self.nodes[other].level > 1 {
                self.nodes[one].table.take(entry);
            }
        }
        if known {
            return;
        }
        for (one, other) in [(a, b), (b, a)] {
            let node = self.nodes[other].id;
            self.hear(one, 20, In::PeerUp { node });
            self.close_idle(one);
        }
    }

    /// Closes what was not used for long, beyond what is always kept.
    fn close_idle(&mut self, number: usize) {
        let connected = &self.nodes[number].connected;
        if connected.len() <= IDLE_FLOOR + 4 {
            return;
        }
        let mut idle: Vec<_> = connected
            .iter()
            .filter(|(_, used)| self.now.saturating_sub(**used) > IDLE_MS)
            .map(|(other, used)| (*used, *other))
            .collect();
        idle.sort_unstable();
        idle.truncate(connected.len().saturating_sub(IDLE_FLOOR));
        for (_, other) in idle {
            self.part(number, other, 20);
        }
    }

    /// The connection of two nodes ends; both hear of it within `delay` milliseconds.
    pub(super) fn part(&mut self, a: usize, b: usize, delay: u64) {
        for (one, other) in [(a, b), (b, a)] {
            self.nodes[one].connected.remove(&other);
            let life = self.nodes[one].life;
            self.schedule(delay, Event::Lost { node: one, life, other });
        }
    }

    /// A request reaches a node, unless it is down.
    pub(super) fn arrive(&mut self, from: usize, to: usize, life: u32, op: OpId, payload: Vec<u8>) {
        if !self.nodes[to].up {
            return;
        }
        let key = match Request::decode(&payload) {
            Ok(Request::Get { key, .. }) => Some(key),
            Ok(Request::Put { .. }) | Err(_) => None,
        };
        let (id, prefix) = (self.nodes[from].id, self.nodes[from].prefix);
        if let Role::Hostile(hostile) = &mut self.nodes[to].role {
            if let Some(answer) = hostile.answer(self.rng.next_u64(), &payload) {
                self.spent(from, key, 0, size(&answer));
                let delay = self.delay();
                self.schedule(delay, Event::Response { node: from, life, op, result: Ok(answer) });
            }
            return;
        }
        self.order += 1;
        let token = RequestToken(self.order);
        self.tokens.insert(token, Waiting { node: from, life, op, key });
        self.step(to, In::PeerRequest { from: id, prefix, token, payload });
    }

    /// What a machine wants from the network.
    pub(super) fn transmit(&mut self, number: usize, command: NetCommand) {
        let life = self.nodes[number].life;
        match command {
            NetCommand::Request { op, to, payload, .. } => {
                let Some(to) = self.index.get(&to).copied() else { return };
                self.figures.requests += 1;
                self.figures.bytes = self.figures.bytes.saturating_add(size(&payload));
                match Request::decode(&payload) {
                    Ok(Request::Get { key, .. }) => self.spent(number, Some(key), 1, size(&payload)),
                    Ok(Request::Put { .. }) => self.figures.puts += 1,
                    Err(_) => {}
                }
                self.open.insert((number, life, op));
                let (wait, error) = if self.nodes[to].up || self.nodes[number].connected.contains_key(&to) {
                    (RECORD_TIMEOUT_MS, NetError::TimedOut)
                } else {
                    let gone = self.nodes[to].place.node;
                    self.nodes[number].table.forget(gone);
                    (CONNECT_TIMEOUT_MS, NetError::Unreachable)
                };
                self.schedule(wait, Event::Response { node: number, life, op, result: Err(error) });
                self.connect(number, to);
                let delay = self.delay();
                self.schedule(delay, Event::Request { from: number, to, life, op, payload });
            }
            NetCommand::Respond { token, payload } => {
                if let Some(Waiting { node, life, op, key }) = self.tokens.remove(&token) {
                    self.figures.bytes = self.figures.bytes.saturating_add(size(&payload));
                    self.spent(node, key, 0, size(&payload));
                    let delay = self.delay();
                    self.schedule(delay, Event::Response { node, life, op, result: Ok(payload) });
                }
            }
            NetCommand::Drop { token } => drop(self.tokens.remove(&token)),
            NetCommand::FindClosest { op, key } => {
                let to = spot(&Place::of_key(&key), &self.origin);
                let found = self.walk(number, to, ENOUGH_MS);
                let steps = u64::try_from(found.answered.len() + found.gone.len()).unwrap_or(u64::MAX);
                self.spent(number, Some(key), steps, steps.saturating_mul(WALK_STEP_BYTES));
                self.figures.walks.add(&found);
                let peer = |node: &u32| {
                    let node = &self.nodes[place(*node)];
                    Peer { node: node.id, addresses: vec![node.address.clone()] }
                };
                let peers = found.nearest.iter().map(peer).collect();
                self.schedule(
                    found.millis,
                    Event::Input { node: number, life, input: In::Closest { op, peers } },
                );
            }
            NetCommand::Penalise { node, .. } => {
                self.figures.penalised += 1;
                if self.index.get(&node).is_some_and(|number| self.nodes[*number].honest()) {
                    self.figures.accused_honest += 1;
                }
            }
            NetCommand::Learn { .. }
            | NetCommand::KeepConnected { .. }
            | NetCommand::Contribute { .. }
            | NetCommand::Reserve { .. }
            | NetCommand::Release { .. } => {}
        }
    }

    /// A node walks through its own neighbourhood, as it does every quarter of an hour.
    pub(super) fn walk_home(&mut self, number: usize) {
        let home = self.nodes[number].place.spot;
        self.walk(number, home, LONGEST_MS);
    }

    /// Walks from one node to a place: contacts become connections, and who is gone is forgotten.
    fn walk(&mut self, number: usize, to: Spot, longest: u64) -> Found {
        let asking = self.nodes[number].place.node;
        let begin = self.nodes[number].table.nearest(to, asking);
        let mut lies: Option<Vec<Entry>> = None;
        let nodes = &self.nodes;
        let hostile = &self.hostile;
        let found = walk(to, &begin, longest, |other| {
            let node = nodes.get(place(other)).filter(|node| node.up)?;
            if node.honest() {
                return Some(node.table.nearest(to, asking));
            }
            let all = || {
                hostile.iter().map(|other| &nodes[*other]).filter(|other| other.up).map(|other| other.place)
            };
            Some(lies.get_or_insert_with(|| table::nearest(all(), to)).clone())
        });
        for other in &found.gone {
            self.nodes[number].table.forget(*other);
        }
        for other in &found.answered {
            self.connect(number, place(*other));
        }
        found
    }

    /// From one node to another, in milliseconds.
    fn delay(&mut self) -> u64 {
        10 + self.below(80)
    }
}

/// A node's number as a place in the list.
pub(super) fn place(node: u32) -> usize {
    usize::try_from(node).unwrap_or(usize::MAX)
}
