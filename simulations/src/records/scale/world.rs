//! The nodes of a large world in one queue of events, and what is asked and measured.
//!
//! Cheaper than the small world ([`super::super::world`]) and without its lost and doubled messages: here the point is how many
//! there are. A disk writes in order, two milliseconds later; a killed node loses what was not written.
//!
//! Not here: what happens when ([`super::story`]), the network ([`super::net`]).

use super::{
    super::world::version,
    figures::{Figures, Sample},
    hostile::Hostile,
    net::{SILENT_AFTER_MS, Waiting},
    node::{Node, Role},
    table::spot,
};
use pc2_protocols::{
    crypto::keys::IdentityKeys,
    dht::{Change, Command, CommandError, Depth, Dht, In, Out, Reply},
    id::{DeviceId, NodeId, RecordKey},
    machine::{CallId, Component, Machine as _, OpId, OpIds},
    net::{Address, NetError, RequestToken},
    record::{Place, Record, card_key, value_key},
    time::{Mono, Now, UnixMillis},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, BTreeSet};

/// When the world begins, in milliseconds since 1970.
const EPOCH: u64 = 1_800_000_000_000;

/// Steps of one machine within one millisecond that are still no spinning.
const MAX_STEPS_AT_ONCE: u32 = 5_000;

/// Between two walks through the own neighbourhood, give or take a quarter. Source: the driver's limits.
const HOME_WALK_MS: u64 = 15 * 60_000;

/// How long after the first neighbour the first walk is. Source: the driver's limits, with a handshake.
const FIRST_WALK_MS: u64 = 500;

/// Nodes that everybody knows from the start.
const BOOTSTRAPS: usize = 3;

/// Nodes of the saved table dialled after a start. Source: the driver's limits.
const START_DIALS: usize = 8;

/// With fewer entries than this the bootstrap nodes are dialled again. Source: the driver's limits.
const POOR_TABLE: usize = 8;

/// The salt of everybody's value.
const SALT: &[u8] = b"greeting";

/// What somebody wants to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Card,
    Value,
}

/// A lookup on its way.
struct Question {
    reader: usize,
    life: u32,
    target: usize,
    what: What,
    key: RecordKey,
    at_least: u64,
    began: u64,
    requests: u64,
    bytes: u64,
}

pub(super) enum Event {
    /// A machine hears something.
    Input { node: usize, life: u32, input: In },
    /// A batch is on disk.
    Durable { node: usize, life: u32, changes: Vec<Change>, then: Vec<Out> },
    /// A request reaches a node.
    Request { from: usize, to: usize, life: u32, op: OpId, payload: Vec<u8> },
    /// An answer, or its absence, reaches the one who asked.
    Response { node: usize, life: u32, op: OpId, result: Result<Vec<u8>, NetError> },
    /// A connection is gone.
    Lost { node: usize, life: u32, other: usize },
    /// A machine asked to be woken.
    Wake { node: usize, life: u32 },
    /// A node walks through its neighbourhood.
    Home { node: usize, life: u32 },
}

/// All of it.
pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) figures: Figures,
    pub(super) rng: ChaCha20Rng,
    pub(super) now: u64,
    pub(super) order: u64,
    pub(super) origin: Place,
    pub(super) index: BTreeMap<NodeId, usize>,
    /// The hostile nodes, which know each other.
    pub(super) hostile: Vec<usize>,
    pub(super) open: BTreeSet<(usize, u32, OpId)>,
    pub(super) tokens: BTreeMap<RequestToken, Waiting>,
    queue: BTreeMap<(u64, u64), Event>,
    questions: BTreeMap<u64, Question>,
    ops: BTreeMap<(usize, u32, OpId), u64>,
    by_key: BTreeMap<(usize, RecordKey), u64>,
    /// Who looked up whom: a second time would begin with what was remembered.
    pub(super) asked: BTreeSet<(usize, usize)>,
}

impl World {
    /// An empty one.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            nodes: Vec::new(),
            figures: Figures::default(),
            rng: ChaCha20Rng::seed_from_u64(seed),
            now: 0,
            order: 0,
            origin: Place::of_node(NodeId::from_bytes([0; 32])),
            index: BTreeMap::new(),
            hostile: Vec::new(),
            open: BTreeSet::new(),
            tokens: BTreeMap::new(),
            queue: BTreeMap::new(),
            questions: BTreeMap::new(),
            ops: BTreeMap::new(),
            by_key: BTreeMap::new(),
            asked: BTreeSet::new(),
        }
    }

    /// A random number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.rng.next_u64().checked_rem(end).unwrap_or(0)
    }

    /// A random place in a list of `len`.
    pub(super) fn pick(&mut self, len: usize) -> usize {
        usize::try_from(self.below(u64::try_from(len).unwrap_or(u64::MAX))).unwrap_or(0)
    }

    /// One more honest node, still down.
    pub(super) fn add_honest(&mut self, level: u8, prefix: u32) -> usize {
        let mut secret = [0; 64];
        self.rng.fill_bytes(&mut secret);
        let signer = IdentityKeys::from_seed(secret.into()).signer();
        let id = signer.node();
        self.add(id, Role::Honest { signer }, level, prefix)
    }

    /// One more hostile node, still down.
    pub(super) fn add_hostile(&mut self, id: NodeId, hostile: Hostile, prefix: u32) -> usize {
        let number = self.add(id, Role::Hostile(hostile), 2, prefix);
        self.hostile.push(number);
        self.figures.hostile += 1;
        number
    }

    fn add(&mut self, id: NodeId, role: Role, level: u8, prefix: u32) -> usize {
        let number = self.nodes.len();
        let at = spot(&Place::of_node(id), &self.origin);
        let short = u32::try_from(number).expect("a world has fewer than 2^32 nodes");
        self.nodes.push(Node::new(short, id, role, level, at, prefix));
        self.index.insert(id, number);
        self.figures.nodes += 1;
        number
    }

    /// Starts a node from its disk and its table.
    pub(super) fn start(&mut self, number: usize) {
        if self.nodes[number].up {
            return;
        }
        let rng = ChaCha20Rng::seed_from_u64(self.rng.next_u64());
        let now = self.now;
        let node = &mut self.nodes[number];
        node.up = true;
        node.life += 1;
        node.booted = now;
        node.asks = OpIds::new(Component::Messenger, node.life);
        node.wakes_at = None;
        if let Role::Honest { signer } = &node.role {
            node.dht = Some(Dht::new(signer.clone(), node.level, node.disk.snapshot(), node.life, rng));
        }
        self.step(number, In::Tick);
        self.describe(number);
        for bootstrap in 0..BOOTSTRAPS.min(self.nodes.len()) {
            self.connect(number, bootstrap);
        }
        let saved: Vec<u32> = self.nodes[number].table.entries().iter().map(|entry| entry.node).collect();
        for _ in 0..START_DIALS.min(saved.len()) {
            let other = saved[self.pick(saved.len())];
            self.connect(number, super::net::place(other));
        }
        let life = self.nodes[number].life;
        self.schedule(FIRST_WALK_MS, Event::Home { node: number, life });
    }

    /// A node is gone without a word: what is not on its disk is lost, and others notice later.
    pub(super) fn kill(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        node.up = false;
        node.dht = None;
        let others: Vec<_> = node.connected.keys().copied().collect();
        for other in others {
            self.part(number, other, SILENT_AFTER_MS);
        }
    }

    /// The card of a node says something new from now on.
    pub(super) fn change_card(&mut self, number: usize) {
        self.nodes[number].version += 1;
        self.describe(number);
    }

    /// A node publishes a value.
    pub(super) fn publish_value(&mut self, number: usize) {
        let command =
            Command::PutValue { salt: SALT.to_vec(), payload: value_of(number), expected_seq: None };
        self.order += 1;
        let call = CallId(self.order);
        self.step(number, In::Call { call, command });
    }

    /// Begins a round of questions.
    pub(super) fn begin_sample(&mut self, label: &str) {
        self.figures.samples.push(Sample { label: label.to_owned(), at_ms: self.now, ..Sample::default() });
    }

    /// Ends it: a question without an answer by now has failed, unless who asked went away.
    pub(super) fn end_sample(&mut self) {
        for question in std::mem::take(&mut self.questions).into_values() {
            let reader = &self.nodes[question.reader];
            if let (true, Some(sample)) =
                (reader.up && reader.life == question.life, self.figures.samples.last_mut())
            {
                sample.asked += 1;
            }
        }
        self.ops.clear();
        self.by_key.clear();
    }

    /// Somebody looks up something of another that they never looked up before.
    pub(super) fn look_up(&mut self, reader: usize, target: usize, what: What) {
        let node = &mut self.nodes[reader];
        if node.dht.is_none() {
            return;
        }
        self.order += 1;
        let number = self.order;
        let (owner, at_least) = (self.nodes[target].id, self.nodes[target].confirmed);
        let node = &mut self.nodes[reader];
        let (life, op) = (node.life, node.asks.next_id());
        let (key, input) = match what {
            What::Card => (card_key(owner), In::Resolve { op, node: owner }),
            What::Value => {
                let command = Command::GetValue { owner, salt: SALT.to_vec(), depth: Depth::Quorum };
                (value_key(owner, SALT), In::Call { call: CallId(number), command })
            }
        };
        let began = self.now;
        let question = Question { reader, life, target, what, key, at_least, began, requests: 0, bytes: 0 };
        self.questions.insert(number, question);
        self.ops.insert((reader, life, op), number);
        self.by_key.insert((reader, key), number);
        self.step(reader, input);
    }

    /// A lookup of this key by this node cost so much.
    pub(super) fn spent(&mut self, reader: usize, key: Option<RecordKey>, requests: u64, bytes: u64) {
        let number = key.and_then(|key| self.by_key.get(&(reader, key)));
        if let Some(question) = number.and_then(|number| self.questions.get_mut(number)) {
            question.requests = question.requests.saturating_add(requests);
            question.bytes = question.bytes.saturating_add(bytes);
        }
    }

    /// Runs for so long.
    pub(super) fn run(&mut self, millis: u64) {
        let end = self.now.saturating_add(millis);
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), event) = entry.remove_entry();
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = end;
        self.figures.lasted_ms = end;
    }

    fn describe(&mut self, number: usize) {
        let text = format!("/ip4/192.0.2.1/tcp/{}", self.nodes[number].version);
        let address = Address::try_from(text).expect("a valid address");
        self.step(number, In::OwnAddresses { addresses: vec![address] });
        let device = DeviceId::from_bytes([1; 16]);
        self.step(number, In::OfferKeyPackage { device, key_package: vec![2; 400], mailbox: None });
    }

    pub(super) fn schedule(&mut self, delay: u64, event: Event) {
        self.order += 1;
        self.queue.insert((self.now.saturating_add(delay), self.order), event);
    }

    /// A node hears something within `delay` milliseconds.
    pub(super) fn hear(&mut self, node: usize, delay: u64, input: In) {
        if self.nodes[node].dht.is_some() {
            let life = self.nodes[node].life;
            let delay = self.below(delay);
            self.schedule(delay, Event::Input { node, life, input });
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Input { node, life, input } if self.alive(node, life) => self.step(node, input),
            Event::Durable { node, life, changes, then } if self.alive(node, life) => {
                for change in changes {
                    self.nodes[node].disk.write(change);
                }
                self.perform(node, then);
            }
            Event::Request { from, to, life, op, payload } => self.arrive(from, to, life, op, payload),
            Event::Response { node, life, op, result } => {
                if self.open.remove(&(node, life, op)) && self.alive(node, life) {
                    self.step(node, In::PeerResponse { op, result });
                }
            }
            Event::Lost { node, life, other } if self.alive(node, life) => {
                // They may be connected anew by now.
                if !self.nodes[node].connected.contains_key(&other) {
                    let node_id = self.nodes[other].id;
                    self.step(node, In::PeerDown { node: node_id });
                }
            }
            // An alarm that was set anew since is none: each would go on setting others.
            Event::Wake { node, life }
                if self.alive(node, life) && self.nodes[node].wakes_at == Some(self.now) =>
            {
                self.nodes[node].wakes_at = None;
                self.step(node, In::Tick);
            }
            Event::Home { node, life } if self.nodes[node].up && self.nodes[node].life == life => {
                if self.nodes[node].table.entries().len() < POOR_TABLE {
                    for bootstrap in 0..BOOTSTRAPS.min(self.nodes.len()) {
                        self.connect(node, bootstrap);
                    }
                }
                self.walk_home(node);
                let next = HOME_WALK_MS * 3 / 4 + self.below(HOME_WALK_MS / 2);
                self.schedule(next, Event::Home { node, life });
            }
            Event::Input { .. }
            | Event::Durable { .. }
            | Event::Lost { .. }
            | Event::Wake { .. }
            | Event::Home { .. } => {}
        }
    }

    fn alive(&self, node: usize, life: u32) -> bool {
        self.nodes[node].dht.is_some() && self.nodes[node].life == life
    }

    pub(super) fn step(&mut self, number: usize, input: In) {
        let now = self.now;
        let node = &mut self.nodes[number];
        let Some(dht) = &mut node.dht else { return };
        let clock = Now { mono: Mono(now - node.booted), unix: UnixMillis(EPOCH + now) };
        let mut out = Vec::new();
        dht.handle(clock, input, &mut out);
        self.figures.steps += 1;
        node.steps_at = if node.steps_at.0 == now { (now, node.steps_at.1 + 1) } else { (now, 1) };
        if node.steps_at.1 == MAX_STEPS_AT_ONCE {
            self.figures.spinning += 1;
        }
        self.perform(number, out);
        self.set_alarm(number);
    }

    fn set_alarm(&mut self, number: usize) {
        let now = self.now;
        let node = &mut self.nodes[number];
        let Some(due) = node.dht.as_ref().and_then(Dht::next_deadline) else { return };
        // A machine that spins is counted once and then slowed down, so that the world comes to an end.
        let soonest = if node.steps_at.1 >= MAX_STEPS_AT_ONCE { now + 1 } else { now };
        let at = node.booted.saturating_add(due.0).max(soonest);
        if node.wakes_at.is_none_or(|set| at < set) {
            node.wakes_at = Some(at);
            let life = node.life;
            self.schedule(at - now, Event::Wake { node: number, life });
        }
    }

    fn perform(&mut self, number: usize, out: Vec<Out>) {
        let life = self.nodes[number].life;
        for wish in out {
            match wish {
                Out::Persist { changes, then } => {
                    self.count_confirmed(number, &changes);
                    self.schedule(2, Event::Durable { node: number, life, changes, then });
                }
                Out::Load { op, key } => {
                    let record = self.nodes[number].disk.held.get(&key).map(|row| row.record.clone());
                    self.schedule(1, Event::Input { node: number, life, input: In::Loaded { op, record } });
                }
                Out::Resolved { op, result } => {
                    let Some(question) = self.ops.remove(&(number, life, op)) else { continue };
                    self.judge(question, result.ok().map(|card| (card.node, version(&card))));
                }
                Out::Reply { call, result } => self.replied(number, call, result),
                Out::Net(command) => self.transmit(number, command),
            }
        }
    }

    fn count_confirmed(&mut self, number: usize, changes: &[Change]) {
        for change in changes {
            if let Change::PutPublished(row) = change
                && row.confirmed.is_some()
                && let Some(version) =
                    Record::trusted(&row.record).ok().and_then(|record| version(&record.card()?))
            {
                let node = &mut self.nodes[number];
                node.confirmed = node.confirmed.max(version);
            }
        }
    }

    /// A caller has its answer: to a put, or to a question.
    fn replied(&mut self, number: usize, call: CallId, result: Result<Reply, CommandError>) {
        match result {
            Ok(Reply::Stored { .. }) => self.nodes[number].has_value = true,
            Ok(Reply::Value { payload, .. }) => {
                let target = self.questions.get(&call.0).map(|question| question.target);
                // A value has one version; whoever's it is, it has to be the target's.
                let genuine = target.filter(|target| payload == value_of(*target));
                let owner = genuine.map_or(NodeId::from_bytes([0; 32]), |target| self.nodes[target].id);
                self.judge(call.0, Some((owner, Some(1))));
            }
            Ok(Reply::Card(_)) | Err(_) => self.judge(call.0, None),
        }
    }

    /// A lookup ended, with whose record it found and which version, or with nothing.
    fn judge(&mut self, number: u64, found: Option<(NodeId, Option<u64>)>) {
        let Some(question) = self.questions.remove(&number) else { return };
        self.by_key.remove(&(question.reader, question.key));
        let target = &self.nodes[question.target];
        let genuine = found.and_then(|(owner, version)| {
            version.filter(|version| owner == target.id && *version <= target.version)
        });
        if found.is_some() && genuine.is_none() {
            self.figures.forged += 1;
        }
        let Some(sample) = self.figures.samples.last_mut() else { return };
        sample.asked += 1;
        sample.requests.push(question.requests);
        sample.bytes.push(question.bytes);
        sample.millis.push(self.now.saturating_sub(question.began));
        if let Some(version) = genuine {
            sample.found += 1;
            sample.outdated += u64::from(question.what == What::Card && version < question.at_least);
        }
    }
}

/// What the value of a node says.
fn value_of(number: usize) -> Vec<u8> {
    format!("greetings from number {number}, and {}", "so on and on ".repeat(20)).into_bytes()
}
