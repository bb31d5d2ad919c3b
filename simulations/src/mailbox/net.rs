//! The network of a world: it keeps the driver's contract above and loses messages below.
//!
//! In: what machines want from the network. Out: events for others, later, twice or never. Every request is answered exactly once, by the peer or by a timeout.
//! The closest nodes are the truly closest that are up, of which some are overlooked, and some that are down are named.
//!
//! What answers say and disks take is checked on the way. Not here: machines and time ([`super::world`]).

use super::world::{Event, World};
use pc2_protocols::{
    id::{MailboxAddress, NodeId, RecordKey},
    limits,
    machine::{Component, OpId},
    mailbox::{
        EnvelopeKey, In,
        deposit::{Deposit, digest},
        rows::Change,
        wire::{Answer, FetchAsk, Request},
    },
    net::{Address, NetCommand, NetError, Peer, Prefix, RequestToken},
    record::Place,
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
    /// How many of the nodes a walk overlooks.
    pub(super) overlooked: u64,
    /// How many of the nodes that are down a walk names.
    pub(super) stale: u64,
}

/// A peer waits for an answer.
pub(super) struct Waiting {
    node: usize,
    life: u32,
    op: OpId,
    /// What it wants kept.
    deposit: Option<(EnvelopeKey, [u8; 32])>,
    /// Which mailbox it wants to see.
    mailbox: Option<MailboxAddress>,
}

impl World {
    /// A request reaches a node, unless it is down.
    pub(super) fn arrive(&mut self, from: usize, to: usize, life: u32, op: OpId, payload: Vec<u8>) {
        if !self.nodes[to].is_up() {
            let result = Err(NetError::Unreachable);
            self.schedule(100, Event::Response { node: from, life, op, result });
            return;
        }
        let unix = self.unix();
        if let Some(liar) = &mut self.nodes[to].liar {
            let mood = self.rng.next_u64();
            let garbage = mood.is_multiple_of(17).then(|| vec![0xff; 40]);
            if let Some(answer) = garbage.or_else(|| liar.answer(mood, unix, &payload)) {
                self.schedule(50, Event::Response { node: from, life, op, result: Ok(answer) });
            }
            return;
        }
        let (mut deposit, mut mailbox) = (None, None);
        match Request::decode(&payload) {
            Ok(Request::Deposit { deposit: bytes }) => {
                let read: Option<Deposit> =
                    pc2_protocols::codec::decode(&bytes, limits::MAX_DEPOSIT_BYTES).ok();
                deposit = read.map(|deposit| {
                    let key = EnvelopeKey { address: deposit.address, id: deposit.id };
                    (key, digest(&deposit.sealed))
                });
            }
            Ok(Request::Fetch { ask, .. }) => {
                let ask: Option<FetchAsk> =
                    pc2_protocols::codec::decode(&ask, limits::MAX_MAILBOX_FRAME_BYTES).ok();
                mailbox = ask.map(|ask| ask.owner.address());
            }
            Ok(_) | Err(_) => {}
        }
        self.order += 1;
        let token = RequestToken(self.order);
        let from_id = self.nodes[from].id;
        self.tokens.insert(token, Waiting { node: from, life, op, deposit, mailbox });
        self.step(to, In::PeerRequest { from: from_id, prefix: Prefix::Local, token, payload });
    }

    /// A stranger to this world asks a holder something. What it is told is checked like any answer; nobody may be shown anything.
    pub(super) fn snoop(&mut self, holder: usize, payload: Vec<u8>) {
        self.order += 1;
        let token = RequestToken(self.order);
        let op = OpId { origin: Component::Mailbox, generation: 0, number: 0 };
        self.tokens.insert(token, Waiting { node: usize::MAX, life: 0, op, deposit: None, mailbox: None });
        let from = NodeId::from_bytes([9; 32]);
        self.step(holder, In::PeerRequest { from, prefix: Prefix::Local, token, payload });
    }

    /// What a machine wants from the network.
    pub(super) fn transmit(&mut self, number: usize, command: NetCommand) {
        let life = self.nodes[number].life;
        match command {
            NetCommand::Request { op, to, payload, .. } => {
                self.report.requests += 1;
                self.report.bytes += u64::try_from(payload.len()).unwrap_or(0);
                self.open.insert((number, life, op));
                let Some(to) = self.numbers.get(&to).copied() else {
                    let result = Err(NetError::NoAddress);
                    self.schedule(10, Event::Response { node: number, life, op, result });
                    return;
                };
                self.schedule(
                    REQUEST_TIMEOUT_MS,
                    Event::Response { node: number, life, op, result: Err(NetError::TimedOut) },
                );
                self.send(|| Event::Request { from: number, to, life, op, payload: payload.clone() });
            }
            NetCommand::Respond { token, payload } => {
                if let Some(waiting) = self.tokens.remove(&token) {
                    self.check_answer(number, &waiting, &payload);
                    let Waiting { node, life, op, .. } = waiting;
                    self.report.bytes += u64::try_from(payload.len()).unwrap_or(0);
                    if node == usize::MAX {
                        return;
                    }
                    self.send(|| Event::Response { node, life, op, result: Ok(payload.clone()) });
                }
            }
            NetCommand::Drop { token } => drop(self.tokens.remove(&token)),
            NetCommand::FindClosest { op, key } => {
                self.report.walks += 1;
                let peers = self.closest(number, &key);
                self.hear(number, self.faults.delay_ms * 3 + 1, In::Closest { op, peers });
            }
            NetCommand::Penalise { node, reason } => {
                self.report.penalised += 1;
                let honest = self.numbers.get(&node).is_some_and(|other| self.nodes[*other].liar.is_none());
                if honest {
                    self.break_promise(format!("node {number} accuses an honest node: {reason}"));
                }
            }
            NetCommand::Learn { .. }
            | NetCommand::KeepConnected { .. }
            | NetCommand::Contribute { .. }
            | NetCommand::Reserve { .. }
            | NetCommand::Release { .. } => {}
        }
    }

    /// A receipt speaks of what is on the disk, and only owners are shown what is in their mailbox.
    fn check_answer(&mut self, number: usize, asked: &Waiting, answer: &[u8]) {
        match Answer::decode(answer) {
            Ok(Answer::Receipt { until, .. }) => {
                let row = asked.deposit.and_then(|(key, digest)| {
                    self.nodes[number].disk.held.get(&key).filter(|row| row.digest == digest)
                });
                // Its owner may have taken it while the receipt was on its way to the disk.
                let taken = asked
                    .deposit
                    .is_some_and(|(key, _)| self.nodes[number].disk.tombstones.contains_key(&key));
                if row.is_none_or(|row| row.until < until) && !taken {
                    self.break_promise(format!(
                        "node {number} gives a receipt for what its disk does not have"
                    ));
                }
            }
            Ok(Answer::Page { deposits, .. }) if !deposits.is_empty() || asked.node == usize::MAX => {
                let owner = asked.mailbox.and_then(|mailbox| self.owners.get(&mailbox)).copied();
                if owner != Some(asked.node) {
                    self.break_promise(format!(
                        "node {number} shows node {} a mailbox that is not its own",
                        asked.node
                    ));
                }
            }
            Ok(_) => {}
            Err(error) => self.break_promise(format!("node {number} answers with no frame: {error}")),
        }
    }

    /// Quotas hold on the disk.
    pub(super) fn check_write(&mut self, number: usize, change: &Change) {
        let Change::PutHeld(row) = change else { return };
        let node = &self.nodes[number];
        let new = EnvelopeKey { address: row.address, id: row.id };
        let others = node.disk.held.iter().filter(|(key, _)| **key != new);
        let (mut bytes, mut of_mailbox, mut of_pass) = (row.deposit.len(), 1, 1);
        for (key, other) in others {
            bytes += other.deposit.len();
            of_mailbox += u32::from(key.address == row.address);
            of_pass += u32::from(key.address == row.address && other.depositor == row.depositor);
        }
        let most = match row.depositor {
            Some(_) => limits::MAX_PASS_ENVELOPES.min(limits::MAX_MAILBOX_ENVELOPES),
            None => limits::MAX_INTRO_ENVELOPES,
        };
        let refreshed = node.disk.held.contains_key(&new);
        let too_much = u64::try_from(bytes).unwrap_or(u64::MAX) > node.share_bytes && !refreshed;
        if too_much || of_pass > most || of_mailbox > limits::MAX_MAILBOX_ENVELOPES {
            self.break_promise(format!("node {number} keeps more than it may"));
        }
    }

    /// One message: lost, late, or twice.
    fn send(&mut self, event: impl Fn() -> Event) {
        let copies = if self.percent(self.faults.doubling) { 2 } else { 1 };
        for _ in 0..copies {
            if !self.percent(self.faults.loss) {
                let delay = 1 + self.below(self.faults.delay_ms);
                self.schedule(delay, event());
            }
        }
    }

    fn closest(&mut self, asking: usize, key: &RecordKey) -> Vec<Peer> {
        let place = Place::of_key(key);
        let mut near: Vec<_> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(number, node)| *number != asking && node.keeps())
            .map(|(number, node)| (node.place.distance(&place), number))
            .collect();
        near.sort_unstable();
        let mut peers = Vec::new();
        for (_, number) in near {
            let named = if self.nodes[number].is_up() {
                !self.percent(self.faults.overlooked)
            } else {
                self.percent(self.faults.stale)
            };
            if named {
                let text = format!("/ip4/10.0.{}.{}/tcp/1", number / 250, number % 250);
                let addresses = Address::try_from(text).into_iter().collect();
                peers.push(Peer { node: self.nodes[number].id, addresses });
            }
            if peers.len() >= limits::REPLICATION {
                break;
            }
        }
        peers
    }
}
