//! The record machine itself: its state, and who handles what.
//!
//! Each input goes to the part that owns it: requests of peers to `serve`, lookups to `find`, our own records to `publish`,
//! what people ask to `commands`. Every question to network or disk is remembered in `pending` under its [`OpId`], so
//! that an answer finds its part and one that nobody waits for is passed over.
//!
//! Survives restart: held and published rows. Lost on restart: lookups, rounds, cards remembered, whom we are connected with.

use super::{
    Change, In, Out, Snapshot,
    crowd::{self, Crowd},
    handover::Handover,
    holder::Holder,
    known::KnownCards,
    lookup::Lookup,
    own::Own,
    own_card::CardDraft,
    status::Counters,
};
use crate::{
    crypto::sign::Signer,
    id::{NodeId, RecordKey},
    limits,
    machine::{Component, Machine, OpId, OpIds, Status},
    net::{NetCommand, NetError, Peer, RequestToken},
    record::{Place, Record, card_key},
    time::{Mono, Now, UnixMillis},
};
use rand_chacha::ChaCha20Rng;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How often held records are looked through for ended ones, at most and at least.
const SWEEP_MIN: Duration = Duration::from_secs(1);
const SWEEP_MAX: Duration = Duration::from_secs(600);

/// A question that was not answered in this time never will be. Longer than any timeout of the driver.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);

/// How soon a newcomer is brought a record that too few nodes hold, and how often this may happen.
const NEWCOMER_WAIT: Duration = Duration::from_secs(1);
const NEWCOMER_PACE: Duration = Duration::from_secs(10);

/// The same with so many connected that the network cannot be small: a walk was cut short by nodes that are gone, and each walk makes connections.
const NEWCOMER_PACE_AMONG_MANY: Duration = limits::RETRY_MAX;

/// A question on its way, and what its answer is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pending {
    /// A held record is being read for a peer.
    Serve { token: RequestToken, key: RecordKey, min_seq: u64 },
    /// The closest nodes for a lookup.
    LookupClosest { lookup: u64 },
    /// Nodes beside a crowded key, for a lookup.
    LookupBeside { lookup: u64 },
    /// The copy held here, for a lookup.
    LookupHeld { lookup: u64 },
    /// A node's copy, for a lookup.
    LookupGet { lookup: u64, peer: NodeId },
    /// The closest nodes for a round.
    RoundClosest { key: RecordKey, round: u64 },
    /// Nodes beside a crowded key, for a round.
    RoundBeside { key: RecordKey, round: u64 },
    /// The closest nodes to a key drawn by chance: how far apart nodes are.
    Sounding { key: RecordKey },
    /// A node's verdict in a round.
    RoundPut { key: RecordKey, round: u64, peer: NodeId },
    /// A stale holder is being brought the newest record.
    Repair { peer: NodeId },
    /// A nearer node is being asked whether it has a record.
    HandoverAsk { peer: NodeId, key: RecordKey },
    /// A held record is being read for a nearer node.
    HandoverRead { peer: NodeId, key: RecordKey },
    /// A nearer node is being brought a record.
    HandoverPut { peer: NodeId },
}

/// The record machine. See the [module](super) for what goes in and out.
#[derive(Debug)]
pub struct Dht {
    pub(super) signer: Signer,
    pub(super) level: u8,
    pub(super) rng: ChaCha20Rng,
    pub(super) ids: OpIds,
    pub(super) pending: BTreeMap<OpId, (Pending, Mono)>,
    /// How many of them are [`Pending::Serve`].
    pub(super) reads: usize,
    pub(super) connected: BTreeSet<NodeId>,
    pub(super) holder: Holder,
    pub(super) lookups: BTreeMap<u64, Lookup>,
    pub(super) own: BTreeMap<RecordKey, Own>,
    pub(super) card: CardDraft,
    pub(super) known: KnownCards,
    pub(super) handover: Handover,
    pub(super) crowd: Crowd,
    pub(super) counters: Counters,
    pub(super) next_number: u64,
    started: bool,
    damaged: Vec<Change>,
    sweep: Option<Mono>,
}

impl Dht {
    /// Starts from what is stored. `generation` counts the lives of this machine.
    #[must_use]
    pub fn new(signer: Signer, level: u8, snapshot: Snapshot, generation: u32, rng: ChaCha20Rng) -> Self {
        let node = signer.node();
        let (holder, mut damaged) = Holder::new(node, snapshot.held);
        let mut own = BTreeMap::new();
        for row in snapshot.published {
            match Record::trusted(&row.record) {
                Ok(record) if record.key() == row.key && record.owner().is_none_or(|owner| owner == node) => {
                    own.insert(row.key, Own::from_row(record, row.confirmed));
                }
                Ok(_) | Err(_) => damaged.push(Change::RemovePublished { key: row.key }),
            }
        }
        let card = CardDraft::new(node, level, own.get(&card_key(node)).and_then(|own| own.record.card()));
        Self {
            signer,
            level,
            rng,
            ids: OpIds::new(Component::Dht, generation),
            pending: BTreeMap::new(),
            reads: 0,
            connected: BTreeSet::new(),
            holder,
            lookups: BTreeMap::new(),
            own,
            card,
            known: KnownCards::default(),
            handover: Handover::default(),
            crowd: Crowd::default(),
            counters: Counters::default(),
            next_number: 1,
            started: false,
            damaged,
            sweep: None,
        }
    }
}

impl Machine for Dht {
    type In = In;
    type Out = Out;

    fn handle(&mut self, now: Now, input: In, out: &mut Vec<Out>) {
        self.start(now, out);
        match input {
            In::Tick => {}
            In::Call { call, command } => self.command(now, call, command, out),
            In::PeerRequest { from, prefix, token, payload } => {
                self.serve(now, super::holder::Source { node: from, prefix }, token, &payload, out);
            }
            In::PeerResponse { op, result } => self.response(now, op, result, out),
            In::Closest { op, peers } => match self.answered(op) {
                Some(Pending::LookupClosest { lookup }) => self.lookup_routed(now, lookup, &peers, out),
                Some(Pending::LookupBeside { lookup }) => self.lookup_beside(now, lookup, &peers, out),
                Some(Pending::RoundClosest { key, round }) => self.round_routed(now, key, round, &peers, out),
                Some(Pending::RoundBeside { key, round }) => self.round_beside(now, key, round, &peers, out),
                Some(Pending::Sounding { key }) => {
                    let nearest: Vec<_> = peers.iter().map(|peer| peer.node).collect();
                    self.crowd.found(key, &nearest, &mut self.rng);
                }
                Some(_) | None => {}
            },
            In::PeerUp { node } => self.peer_up(now, node),
            In::PeerDown { node } => {
                self.connected.remove(&node);
                self.handover.left(node);
            }
            In::OwnAddresses { addresses } => self.card.addresses(addresses, now.mono),
            In::NetworkChanged => {
                self.known.doubt_all();
                self.hurry_unconfirmed(now.mono);
            }
            In::Resolve { op, node } => self.resolve(now, op, node, out),
            In::OfferKeyPackage { device, key_package, mailbox } => {
                self.counters.key_package_too_large = key_package.len() > limits::MAX_KEY_PACKAGE_BYTES;
                if !self.counters.key_package_too_large {
                    self.card.key_package(device, key_package, mailbox, now.mono);
                }
            }
            In::Level { level } => {
                self.level = level.number();
                self.card.level(self.level, now.mono);
            }
            In::Loaded { op, record } => match self.answered(op) {
                Some(Pending::Serve { token, key, min_seq }) => {
                    self.serve_loaded(now, token, key, min_seq, record, out);
                }
                Some(Pending::LookupHeld { lookup }) => self.lookup_read(now, lookup, record, out),
                Some(Pending::HandoverRead { peer, key }) => self.hand_over(now, peer, key, record, out),
                Some(_) | None => {}
            },
        }
        self.run(now, out);
    }

    fn next_deadline(&self) -> Option<Mono> {
        if !self.started {
            return Some(Mono(0));
        }
        let mut deadlines = vec![self.card.due(), self.handover.due(), self.sweep];
        deadlines.extend(self.lookups.values().map(|lookup| Some(lookup.deadline)));
        // Without a connection, or while enough rounds run, nothing begins: what ends them wakes us.
        let waits = self.free_rounds() == 0;
        deadlines.extend(self.own.values().filter(|own| !(waits && own.idle())).map(Own::deadline));
        deadlines.into_iter().flatten().min()
    }

    fn status(&self) -> Status {
        self.report()
    }
}

impl Dht {
    /// What has to be done once after a start, with the first input.
    fn start(&mut self, now: Now, out: &mut Vec<Out>) {
        if self.started {
            return;
        }
        self.started = true;
        self.sweep = Some(now.mono);
        for own in self.own.values_mut() {
            own.restart(now.mono, now.unix, &mut self.rng);
        }
        let changes = std::mem::take(&mut self.damaged);
        if !changes.is_empty() {
            out.push(Out::Persist { changes, then: Vec::new() });
        }
    }

    /// Does what is due. Runs after every input, so that what an input made due happens in the same step.
    fn run(&mut self, now: Now, out: &mut Vec<Out>) {
        self.publish_card(now, out);
        self.expire_lookups(now, out);
        self.run_rounds(now, out);
        for (peer, key) in self.handover.take(now.mono) {
            self.offer(now, peer, key, out);
        }
        if self.sweep.is_some_and(|sweep| sweep <= now.mono) {
            self.sweep(now, out);
        }
    }

    fn sweep(&mut self, now: Now, out: &mut Vec<Out>) {
        let changes = self.holder.expire(now.unix);
        if !changes.is_empty() {
            out.push(Out::Persist { changes, then: Vec::new() });
        }
        let forgotten: Vec<_> = self
            .pending
            .iter()
            .filter(|(_, (_, since))| now.mono.since(*since) > FORGOTTEN_AFTER)
            .map(|(op, _)| *op)
            .collect();
        for op in forgotten {
            self.answered(op);
        }
        let next_end = self.holder.next_end().map(|ends| ends.since(now.unix));
        let pending = (!self.pending.is_empty()).then_some(FORGOTTEN_AFTER);
        let wait = next_end.into_iter().chain(pending).min();
        // Without anything held or asked there is nothing to wake up for; what comes sets the alarm again.
        self.sweep = wait.map(|wait| now.mono.after(wait.clamp(SWEEP_MIN, SWEEP_MAX)));
    }

    /// There is something to sweep in time.
    pub(super) fn sweep_later(&mut self, now: Mono) {
        self.sweep.get_or_insert(now.after(SWEEP_MAX));
    }

    /// An id for a question, remembered with what its answer is for.
    pub(super) fn ask(&mut self, now: Mono, what: Pending) -> OpId {
        let op = self.ids.next_id();
        if matches!(what, Pending::Serve { .. }) {
            self.reads = self.reads.saturating_add(1);
        }
        self.pending.insert(op, (what, now));
        self.sweep_later(now);
        op
    }

    /// What an answer is for. `None`: nobody waits for it any more.
    fn answered(&mut self, op: OpId) -> Option<Pending> {
        let (what, _) = self.pending.remove(&op)?;
        if matches!(what, Pending::Serve { .. }) {
            self.reads = self.reads.saturating_sub(1);
        }
        Some(what)
    }

    /// The nodes to ask about a key, nearest first. Before the routing table has learnt of anybody: those we are connected with.
    pub(super) fn nearest(&self, peers: &[Peer], key: &RecordKey) -> Vec<NodeId> {
        let mut nodes: Vec<_> = if peers.is_empty() {
            self.connected.iter().copied().collect()
        } else {
            peers.iter().map(|peer| peer.node).filter(|node| *node != self.signer.node()).collect()
        };
        let place = Place::of_key(key);
        nodes.sort_by_cached_key(|node| Place::of_node(*node).distance(&place));
        nodes.dedup();
        nodes.truncate(limits::REPLICATION);
        nodes
    }

    /// Asks for the closest nodes of a key, and, until enough of them are known to compare with, of one drawn by chance.
    pub(super) fn find_closest(&mut self, now: Mono, key: RecordKey, what: Pending, out: &mut Vec<Out>) {
        let op = self.ask(now, what);
        out.push(Out::Net(NetCommand::FindClosest { op, key }));
        if self.crowd.wants_more() {
            let key = crowd::anywhere(&mut self.rng);
            let op = self.ask(now, Pending::Sounding { key });
            out.push(Out::Net(NetCommand::FindClosest { op, key }));
        }
    }

    /// A walk to a key found these. If they crowd round it: walks to two points beside it, as many as are returned.
    pub(super) fn look_beside(
        &mut self,
        now: Mono,
        key: RecordKey,
        found: &[Peer],
        what: Pending,
        out: &mut Vec<Out>,
    ) -> usize {
        let nearest: Vec<_> = found.iter().map(|peer| peer.node).collect();
        let beside = self.crowd.found(key, &nearest, &mut self.rng);
        self.counters.crowded = self.counters.crowded.saturating_add(u64::from(!beside.is_empty()));
        for key in &beside {
            let op = self.ask(now, what);
            out.push(Out::Net(NetCommand::FindClosest { op, key: *key }));
        }
        beside.len()
    }

    /// A number for a lookup or round.
    pub(super) fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number = self.next_number.saturating_add(1);
        number
    }

    fn response(&mut self, now: Now, op: OpId, result: Result<Vec<u8>, NetError>, out: &mut Vec<Out>) {
        match self.answered(op) {
            Some(Pending::LookupGet { lookup, peer }) => self.lookup_answer(now, lookup, peer, result, out),
            Some(Pending::RoundPut { key, round, peer }) => {
                self.round_answer(now, key, round, peer, result, out);
            }
            Some(Pending::Repair { peer } | Pending::HandoverPut { peer }) => {
                self.put_answer(peer, result, out);
            }
            Some(Pending::HandoverAsk { peer, key }) => self.offer_answer(now, peer, key, result, out),
            Some(_) | None => {}
        }
    }

    fn peer_up(&mut self, now: Now, node: NodeId) {
        let first = self.connected.is_empty();
        if !self.connected.insert(node) {
            return;
        }
        if first {
            self.hurry_unconfirmed(now.mono);
        }
        let soon = now.mono.after(NEWCOMER_WAIT);
        let few = self.connected.len() <= limits::REPLICATION;
        let pace = if few { NEWCOMER_PACE } else { NEWCOMER_PACE_AMONG_MANY };
        for own in self.own.values_mut().filter(|own| own.thin || own.confirmed.is_none()) {
            own.hurry(own.last_round.map_or(soon, |last| soon.max(last.after(pace))));
        }
        self.welcome(now.mono, node);
    }

    /// Tries everything at once that too few nodes have confirmed.
    fn hurry_unconfirmed(&mut self, now: Mono) {
        for own in self.own.values_mut().filter(|own| own.failures > 0 || own.confirmed.is_none()) {
            own.hurry(now);
        }
    }

    /// Counts misbehaviour of an authenticated peer.
    pub(super) fn blame(&mut self, node: NodeId, reason: &'static str, out: &mut Vec<Out>) {
        self.counters.forged = self.counters.forged.saturating_add(1);
        out.push(Out::Net(NetCommand::Penalise { node, reason }));
    }

    /// A record of our own that still holds and that others may hear of.
    pub(super) fn own_record(&self, key: &RecordKey, now: UnixMillis) -> Option<&Record> {
        let own = self.own.get(key).filter(|own| own.durable)?;
        Some(&own.record).filter(|record| record.validate(now).is_ok())
    }
}
