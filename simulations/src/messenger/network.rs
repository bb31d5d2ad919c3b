//! Connections that come and go, and requests that are late, lost, or lose their answer.

use super::{
    keys::Keys,
    world::{Event, World},
};
use pc2_protocols::{
    id::NodeId,
    machine::OpId,
    messenger::In,
    net::{NetCommand, NetError, RequestToken},
};
use std::collections::{BTreeMap, BTreeSet};

/// After this long without an answer the driver says so, in milliseconds.
const TIMEOUT: u64 = 10_000;

/// One question under way.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) asker: usize,
    pub(super) process: u32,
    pub(super) op: OpId,
    pub(super) asked: usize,
    /// The asker has been told how it ended.
    pub(super) over: bool,
    /// The question was seen by the one who is asked.
    pub(super) arrived: Option<u32>,
}

/// Who is connected with whom, and what is under way.
#[derive(Debug, Default)]
pub(super) struct Network {
    links: BTreeSet<(usize, usize)>,
    parted: BTreeSet<(usize, usize)>,
    pub(super) exchanges: BTreeMap<RequestToken, Exchange>,
}

const fn pair(a: usize, b: usize) -> (usize, usize) {
    if a < b { (a, b) } else { (b, a) }
}

impl Network {
    /// Whom a node is connected with.
    pub(super) fn connected_with(&self, node: usize) -> Vec<usize> {
        let links = self.links.iter().filter(|(a, b)| *a == node || *b == node);
        links.map(|(a, b)| if *a == node { *b } else { *a }).collect()
    }

    /// No connection is possible between these two, or it is again.
    pub(super) fn part(&mut self, a: usize, b: usize) -> bool {
        self.parted.insert(pair(a, b))
    }

    /// Everybody can reach everybody.
    pub(super) fn heal(&mut self) {
        self.parted.clear();
    }

    /// Two can reach each other again.
    pub(super) fn rejoin(&mut self, a: usize, b: usize) {
        self.parted.remove(&pair(a, b));
    }
}

impl<K: Keys> World<K> {
    fn index(&self, id: NodeId) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id)
    }

    fn can_connect(&self, a: usize, b: usize) -> bool {
        let up = self.nodes[a].machine.is_some() && self.nodes[b].machine.is_some();
        up && a != b && !self.settings.apart && !self.network.parted.contains(&pair(a, b))
    }

    /// A connection comes to stand.
    pub(super) fn link(&mut self, a: usize, b: usize) {
        if !self.can_connect(a, b) || !self.network.links.insert(pair(a, b)) {
            return;
        }
        for (at, other) in [(a, b), (b, a)] {
            let node = self.nodes[other].id;
            self.step(at, In::PeerUp { node });
        }
    }

    /// A connection breaks; questions over it fail, whether they arrived or not.
    pub(super) fn unlink(&mut self, a: usize, b: usize) {
        if !self.network.links.remove(&pair(a, b)) {
            return;
        }
        for (at, other) in [(a, b), (b, a)] {
            let node = self.nodes[other].id;
            self.step(at, In::PeerDown { node });
        }
        let between: Vec<RequestToken> = self
            .network
            .exchanges
            .iter()
            .filter(|(_, exchange)| !exchange.over && pair(exchange.asker, exchange.asked) == pair(a, b))
            .map(|(token, _)| *token)
            .collect();
        for token in between {
            let delay = self.below(50);
            self.at(delay, Event::Answer { token, result: Err(NetError::Closed) });
        }
    }

    /// Drivers connect those whom their machines want to be connected with.
    pub(super) fn look_for_links(&mut self) {
        for a in 0..self.nodes.len() {
            for b in 0..self.nodes.len() {
                let wanted = self.nodes[a].kept.contains(&self.nodes[b].id);
                if wanted && self.can_connect(a, b) && !self.network.links.contains(&pair(a, b)) {
                    let delay = self.below(1_000);
                    self.at(delay, Event::Link { a, b });
                }
            }
        }
        self.network.exchanges.retain(|_, exchange| !exchange.over || exchange.arrived.is_none());
    }

    /// A process is gone, and its connections with it.
    pub(super) fn unlink_all(&mut self, node: usize) {
        for peer in self.network.connected_with(node) {
            self.unlink(node, peer);
        }
    }

    /// Does what a machine wants of the network.
    pub(super) fn command(&mut self, node: usize, command: NetCommand) {
        match command {
            NetCommand::Request { op, to, payload, .. } => self.request(node, op, to, payload),
            NetCommand::Respond { token, payload } => self.respond(node, token, Ok(payload)),
            NetCommand::Drop { token } => self.respond(node, token, Err(NetError::Closed)),
            NetCommand::KeepConnected { nodes } => self.nodes[node].kept = nodes.into_iter().collect(),
            NetCommand::Penalise { node: blamed, reason } => {
                let verdict = self.checks.penalised(node, blamed, reason);
                self.judge(verdict);
            }
            NetCommand::Learn { .. }
            | NetCommand::FindClosest { .. }
            | NetCommand::Contribute { .. }
            | NetCommand::Reserve { .. }
            | NetCommand::Release { .. } => {}
        }
    }

    fn request(&mut self, node: usize, op: OpId, to: NodeId, payload: Vec<u8>) {
        let verdict = self.checks.sent(&payload);
        self.judge(verdict);
        let process = self.nodes[node].process;
        let Some(asked) = self.index(to) else { return };
        let exchange = Exchange { asker: node, process, op, asked, over: false, arrived: None };
        let token = self.exchange(exchange);
        let busy = self.wild && self.chance(5);
        if busy || !self.can_connect(node, asked) {
            let delay = self.below(2_000);
            let result = Err(if busy { NetError::Busy } else { NetError::Unreachable });
            return self.at(delay, Event::Answer { token, result });
        }
        self.link(node, asked);
        self.at(TIMEOUT, Event::Answer { token, result: Err(NetError::TimedOut) });
        let fate = if self.wild { self.below(100) } else { 99 };
        let delay = match fate {
            0..4 => return,
            // So late that the asker has given up and asked again: the same question comes twice.
            4..8 => TIMEOUT + self.below(20_000),
            8..20 => self.below(3_000),
            _ => 1 + self.below(60),
        };
        self.at(delay, Event::Arrive { token, payload });
    }

    /// A question reaches the one who is asked.
    pub(super) fn arrive(&mut self, token: RequestToken, payload: Vec<u8>) {
        let Some(exchange) = self.network.exchanges.get_mut(&token) else { return };
        let (asker, asked) = (exchange.asker, exchange.asked);
        if self.nodes[asked].machine.is_none() {
            return;
        }
        exchange.arrived = Some(self.nodes[asked].process);
        let from = self.nodes[asker].id;
        self.step(asked, In::PeerRequest { from, token, payload });
    }

    fn respond(&mut self, node: usize, token: RequestToken, result: Result<Vec<u8>, NetError>) {
        let Some(exchange) = self.network.exchanges.get(&token) else { return };
        if exchange.arrived != Some(self.nodes[node].process) {
            return;
        }
        let lost = self.wild && self.chance(40);
        if !lost {
            let delay = 1 + self.below(60);
            self.at(delay, Event::Answer { token, result });
        }
    }

    /// The asker learns how it ended: once.
    pub(super) fn answer(&mut self, token: RequestToken, result: Result<Vec<u8>, NetError>) {
        let Some(exchange) = self.network.exchanges.get_mut(&token) else { return };
        if std::mem::replace(&mut exchange.over, true) {
            return;
        }
        let (asker, process, op) = (exchange.asker, exchange.process, exchange.op);
        if self.nodes[asker].process == process && self.nodes[asker].machine.is_some() {
            self.step(asker, In::PeerResponse { op, result });
        }
    }
}
