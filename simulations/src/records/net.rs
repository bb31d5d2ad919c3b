//! The network of a world: it keeps the driver's contract above and loses messages below.
//!
//! In: what machines want from the network. Out: events for others, later, twice or never. Every request is answered exactly
//! once, by the peer or by a timeout. The closest nodes come from an oracle that knows all nodes, or overlooks some.
//!
//! Not here: machines and time ([`super::world`]).

use super::world::{Event, World};
use pc2_protocols::{
    dht::{
        In,
        wire::{Answer, Request},
    },
    id::RecordKey,
    limits,
    machine::OpId,
    net::{NetCommand, NetError, Peer, Prefix, RequestToken},
    record::{Place, Record},
};
use rand_core::Rng as _;

/// How long the driver waits for a peer.
const REQUEST_TIMEOUT_MS: u64 = 10_000;

/// What the network does to messages and questions, in percent and milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) loss: u64,
    pub(super) doubling: u64,
    pub(super) delay_ms: u64,
    /// How many of the nodes the oracle overlooks.
    pub(super) overlooked: u64,
    /// Nodes below this number cannot speak with the others.
    pub(super) torn_at: usize,
}

/// A peer waits for an answer.
pub(super) struct Waiting {
    node: usize,
    life: u32,
    op: OpId,
    /// What it wants stored.
    put: Option<RecordKey>,
}

impl World {
    /// A request reaches a node, unless it is down or out of reach.
    pub(super) fn arrive(&mut self, from: usize, to: usize, life: u32, op: OpId, payload: Vec<u8>) {
        if !self.nodes[to].is_up() || !self.reaches(from, to) {
            let result = Err(NetError::Unreachable);
            self.schedule(100, Event::Response { node: from, life, op, result });
            return;
        }
        let token = RequestToken(self.order);
        let id = self.nodes[from].id;
        if let Some(liar) = &mut self.nodes[to].liar {
            let mood = self.rng.next_u64();
            if let Some(answer) = liar.answer(mood, &payload) {
                self.schedule(50, Event::Response { node: from, life, op, result: Ok(answer) });
            }
            return;
        }
        let put = match Request::decode(&payload) {
            Ok(Request::Put { record, .. }) => Record::trusted(&record).ok().map(|record| record.key()),
            Ok(Request::Get { .. }) | Err(_) => None,
        };
        self.tokens.insert(token, Waiting { node: from, life, op, put });
        self.step(to, In::PeerRequest { from: id, prefix: Prefix::Local, token, payload });
    }

    /// What a machine wants from the network.
    pub(super) fn transmit(&mut self, number: usize, command: NetCommand) {
        let life = self.nodes[number].life;
        match command {
            NetCommand::Request { op, to, payload, .. } => {
                self.report.messages += 1;
                self.open.insert((number, life, op));
                let result = Err(NetError::TimedOut);
                self.schedule(REQUEST_TIMEOUT_MS, Event::Response { node: number, life, op, result });
                let Some(to) = self.nodes.iter().position(|node| node.id == to) else { return };
                self.send(|| Event::Request { from: number, to, life, op, payload: payload.clone() });
                self.connect(number, to);
            }
            NetCommand::Respond { token, payload } => {
                if let Some(Waiting { node, life, op, put }) = self.tokens.remove(&token) {
                    self.report.messages += 1;
                    self.check_stored(number, put, &payload);
                    self.send(|| Event::Response { node, life, op, result: Ok(payload.clone()) });
                }
            }
            NetCommand::Drop { token } => drop(self.tokens.remove(&token)),
            NetCommand::FindClosest { op, key } => {
                let peers = self.closest(number, &key);
                self.hear(number, self.faults.delay_ms * 3 + 1, In::Closest { op, peers });
            }
            NetCommand::Penalise { node, .. } => {
                self.report.penalised += 1;
                let honest = self.nodes.iter().any(|other| other.id == node && other.liar.is_none());
                if honest {
                    self.break_promise(format!("node {number} accuses an honest node"));
                }
            }
            NetCommand::Learn { .. }
            | NetCommand::KeepConnected { .. }
            | NetCommand::Contribute { .. }
            | NetCommand::Reserve { .. }
            | NetCommand::Release { .. } => {}
        }
    }

    /// `Stored` is said only of what is on the disk.
    fn check_stored(&mut self, number: usize, put: Option<RecordKey>, answer: &[u8]) {
        let (Some(key), Ok(Answer::Stored { seq })) = (put, Answer::decode(answer)) else { return };
        let row = self.nodes[number].disk.held.get(&key);
        let on_disk = row.and_then(|row| Record::trusted(&row.record).ok()).map(|record| record.seq());
        if on_disk < Some(seq) {
            self.break_promise(format!("node {number} says it stored {seq}, and its disk has {on_disk:?}"));
        }
    }

    /// One message: lost, late, or twice.
    fn send(&mut self, event: impl Fn() -> Event) {
        let copies = if self.percent(self.faults.doubling) { 2 } else { 1 };
        for _ in 0..copies {
            if self.percent(self.faults.loss) {
                self.report.lost += 1;
            } else {
                let delay = 1 + self.below(self.faults.delay_ms);
                self.schedule(delay, event());
            }
        }
    }

    /// The oracle: all nodes by distance, but for those out of reach and some it overlooks. Nodes that are down are named: a
    /// routing table does not know yet.
    fn closest(&mut self, asking: usize, key: &RecordKey) -> Vec<Peer> {
        let place = Place::of_key(key);
        let mut near: Vec<_> = (0..self.nodes.len())
            .filter(|other| *other != asking && self.reaches(asking, *other))
            .map(|other| (Place::of_node(self.nodes[other].id).distance(&place), self.nodes[other].id))
            .collect();
        near.sort_unstable();
        near.into_iter()
            .filter(|_| !self.percent(self.faults.overlooked))
            .take(limits::REPLICATION)
            .map(|(_, node)| Peer { node, addresses: vec![] })
            .collect()
    }
}
