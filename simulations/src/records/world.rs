//! Machines, their disks and clocks, and the network between them, in one queue of events.
//!
//! The network keeps the driver's contract: every request is answered exactly once to the machine, by the peer or by a timeout,
//! and every question for the closest nodes too. Underneath, messages are delayed (so they overtake each other), lost,
//! doubled. A disk writes batches in order and later; a crash loses those not yet durable with the machine.
//! The closest nodes come from an oracle that knows all nodes, or overlooks some.
//!
//! Not here: what happens when ([`super::story`]).

use super::{Report, liar::Liar};
use pc2_protocols::{
    crypto::{keys::IdentityKeys, sign::Signer},
    dht::{Change, Dht, HeldRow, In, Out, PublishedRow, ResolveError, Snapshot},
    id::{DeviceId, NodeId, RecordKey},
    limits,
    machine::{Component, Machine as _, OpId, OpIds},
    net::{Address, NetCommand, NetError, Peer, Prefix, RequestToken},
    record::{Card, Place, Record},
    time::{Mono, Now, UnixMillis},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, BTreeSet};

/// When the world begins, in milliseconds since 1970.
const EPOCH: u64 = 1_800_000_000_000;

/// How long the driver waits for a peer.
const REQUEST_TIMEOUT_MS: u64 = 10_000;

/// Steps of one machine within one millisecond that are still no spinning.
const MAX_STEPS_AT_ONCE: u32 = 2_000;

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

/// Rows of one machine.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) held: BTreeMap<RecordKey, HeldRow>,
    published: BTreeMap<RecordKey, PublishedRow>,
}

impl Disk {
    fn write(&mut self, change: Change) {
        match change {
            Change::PutHeld(row) => drop(self.held.insert(row.key, row)),
            Change::RemoveHeld { key } => drop(self.held.remove(&key)),
            Change::PutPublished(row) => drop(self.published.insert(row.key, row)),
            Change::RemovePublished { key } => drop(self.published.remove(&key)),
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            held: self.held.values().cloned().collect(),
            published: self.published.values().cloned().collect(),
        }
    }
}

/// One node.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) signer: Signer,
    pub(super) disk: Disk,
    pub(super) liar: Option<Liar>,
    /// What its card says now: counts its changes.
    pub(super) version: u64,
    /// `None` while it is down.
    dht: Option<Dht>,
    life: u32,
    booted: u64,
    durable_at: u64,
    connected: BTreeSet<usize>,
    asks: OpIds,
    wakes_at: Option<u64>,
    steps_at: (u64, u32),
}

impl Node {
    pub(super) const fn is_up(&self) -> bool {
        self.dht.is_some() || self.liar.is_some()
    }
}

/// Somebody looks a card up.
#[derive(Debug, Clone, Copy)]
struct Question {
    target: usize,
    /// Older ones break a promise.
    at_least: u64,
    /// Finding none breaks a promise.
    must_find: bool,
}

enum Event {
    /// A machine hears something.
    Input { node: usize, life: u32, input: In },
    /// A batch is on disk.
    Durable { node: usize, life: u32, changes: Vec<Change>, then: Vec<Out> },
    /// A request reaches a node.
    Request { from: usize, to: usize, life: u32, op: OpId, payload: Vec<u8> },
    /// An answer, or its absence, reaches the one who asked.
    Response { node: usize, life: u32, op: OpId, result: Result<Vec<u8>, NetError> },
    /// A machine asked to be woken.
    Wake { node: usize, life: u32 },
}

/// All of it.
pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) faults: Faults,
    pub(super) report: Report,
    /// The first promise that was broken.
    pub(super) broken: Option<String>,
    /// For each node, which version of its card a quorum has confirmed.
    pub(super) confirmed: Vec<u64>,
    rng: ChaCha20Rng,
    now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    order: u64,
    open: BTreeSet<(usize, u32, OpId)>,
    tokens: BTreeMap<RequestToken, (usize, usize, u32, OpId)>,
    questions: BTreeMap<(usize, u32, OpId), Question>,
    /// What a life of a node was shown of another: it never goes back.
    shown: BTreeMap<(usize, u32, usize), u64>,
}

impl World {
    pub(super) fn new(seed: u64, count: usize, liars: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let nodes = (0..count)
            .map(|number| {
                let mut secret = [0; 64];
                rng.fill_bytes(&mut secret);
                let signer = IdentityKeys::from_seed(secret.into()).signer();
                Node {
                    id: signer.node(),
                    signer,
                    disk: Disk::default(),
                    liar: (number < liars).then(Liar::default),
                    version: 0,
                    dht: None,
                    life: 0,
                    booted: 0,
                    durable_at: 0,
                    connected: BTreeSet::new(),
                    asks: OpIds::new(Component::Messenger, 0),
                    wakes_at: None,
                    steps_at: (0, 0),
                }
            })
            .collect();
        Self {
            nodes,
            faults: Faults::default(),
            report: Report { nodes: count, liars, ..Report::default() },
            broken: None,
            confirmed: vec![0; count],
            rng,
            now: 0,
            queue: BTreeMap::new(),
            order: 0,
            open: BTreeSet::new(),
            tokens: BTreeMap::new(),
            questions: BTreeMap::new(),
            shown: BTreeMap::new(),
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

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Starts an honest node, from its disk.
    pub(super) fn start(&mut self, number: usize) {
        let rng = ChaCha20Rng::seed_from_u64(self.rng.next_u64());
        let now = self.now;
        let node = &mut self.nodes[number];
        if node.is_up() {
            return;
        }
        node.life += 1;
        node.booted = now;
        node.asks = OpIds::new(Component::Messenger, node.life);
        node.wakes_at = None;
        node.dht = Some(Dht::new(node.signer.clone(), 2, node.disk.snapshot(), node.life, rng));
        self.step(number, In::Tick);
        self.describe(number);
        for _ in 0..6 {
            let other = self.pick(self.nodes.len());
            self.connect(number, other);
        }
    }

    /// Kills a node: what is not on its disk is gone.
    pub(super) fn crash(&mut self, number: usize) {
        if self.nodes[number].dht.take().is_none() {
            return;
        }
        self.report.crashes += 1;
        let id = self.nodes[number].id;
        for other in std::mem::take(&mut self.nodes[number].connected) {
            if self.nodes[other].connected.remove(&number) {
                self.hear(other, 50, In::PeerDown { node: id });
            }
        }
    }

    /// The card of a node says something new from now on.
    pub(super) fn change_card(&mut self, number: usize) {
        self.nodes[number].version += 1;
        self.describe(number);
    }

    /// Asks a node for the card of another.
    pub(super) fn look_up(&mut self, reader: usize, target: usize, strict: bool) {
        let confirmed = self.confirmed[target];
        let life = self.nodes[reader].life;
        if self.nodes[reader].dht.is_none() {
            return;
        }
        let shown = self.shown.get(&(reader, life, target)).copied().unwrap_or(0);
        let at_least = if strict { confirmed.max(shown) } else { shown };
        let op = self.nodes[reader].asks.next_id();
        let question = Question { target, at_least, must_find: strict && confirmed > 0 };
        self.questions.insert((reader, life, op), question);
        self.step(reader, In::Resolve { op, node: self.nodes[target].id });
    }

    /// Tells a node that the network changed: remembered cards are asked for again.
    pub(super) fn shake(&mut self, number: usize) {
        self.step(number, In::NetworkChanged);
    }

    /// Lets two nodes connect, if the network allows.
    pub(super) fn connect(&mut self, a: usize, b: usize) {
        if a == b || !self.nodes[a].is_up() || !self.nodes[b].is_up() || !self.reaches(a, b) {
            return;
        }
        if self.nodes[a].connected.insert(b) && self.nodes[b].connected.insert(a) {
            let (id_a, id_b) = (self.nodes[a].id, self.nodes[b].id);
            self.hear(a, 20, In::PeerUp { node: id_b });
            self.hear(b, 20, In::PeerUp { node: id_a });
        }
    }

    /// Runs for so long.
    pub(super) fn run(&mut self, millis: u64) {
        let end = self.now.saturating_add(millis);
        while self.broken.is_none() {
            let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) else { break };
            let ((at, _), event) = entry.remove_entry();
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = end;
    }

    fn break_promise(&mut self, what: String) {
        let at = self.now;
        self.broken.get_or_insert(format!("after {at} ms: {what}"));
    }

    fn reaches(&self, a: usize, b: usize) -> bool {
        (a < self.faults.torn_at) == (b < self.faults.torn_at)
    }

    fn describe(&mut self, number: usize) {
        let text = format!("/ip4/192.0.2.1/tcp/{}", self.nodes[number].version);
        let address = Address::try_from(text).expect("a valid address");
        self.step(number, In::OwnAddresses { addresses: vec![address] });
        let device = DeviceId::from_bytes([1; 16]);
        self.step(number, In::OfferKeyPackage { device, key_package: vec![2; 300] });
    }

    fn schedule(&mut self, delay: u64, event: Event) {
        self.order += 1;
        self.queue.insert((self.now.saturating_add(delay), self.order), event);
    }

    /// A node hears something within `delay` milliseconds.
    fn hear(&mut self, node: usize, delay: u64, input: In) {
        let life = self.nodes[node].life;
        let delay = self.below(delay);
        self.schedule(delay, Event::Input { node, life, input });
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Input { node, life, input } if self.nodes[node].life == life => self.step(node, input),
            Event::Durable { node, life, changes, then } if self.alive(node, life) => {
                for change in changes {
                    self.nodes[node].disk.write(change);
                }
                self.perform(node, then);
            }
            Event::Request { from, to, life, op, payload } => self.arrive(from, to, life, op, payload),
            Event::Response { node, life, op, result } => {
                // Exactly one, whatever the network doubled.
                if self.open.remove(&(node, life, op)) && self.nodes[node].life == life {
                    self.step(node, In::PeerResponse { op, result });
                }
            }
            Event::Wake { node, life } if self.nodes[node].life == life => {
                self.nodes[node].wakes_at = None;
                self.step(node, In::Tick);
            }
            Event::Input { .. } | Event::Durable { .. } | Event::Wake { .. } => {}
        }
    }

    fn alive(&self, node: usize, life: u32) -> bool {
        self.nodes[node].dht.is_some() && self.nodes[node].life == life
    }

    fn arrive(&mut self, from: usize, to: usize, life: u32, op: OpId, payload: Vec<u8>) {
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
        self.tokens.insert(token, (to, from, life, op));
        self.step(to, In::PeerRequest { from: id, prefix: Prefix::Local, token, payload });
    }

    fn step(&mut self, number: usize, input: In) {
        let now = self.now;
        let node = &mut self.nodes[number];
        let Some(dht) = &mut node.dht else { return };
        let clock = Now { mono: Mono(now - node.booted), unix: UnixMillis(EPOCH + now) };
        let mut out = Vec::new();
        dht.handle(clock, input, &mut out);
        self.report.steps += 1;
        node.steps_at = if node.steps_at.0 == now { (now, node.steps_at.1 + 1) } else { (now, 1) };
        if node.steps_at.1 > MAX_STEPS_AT_ONCE {
            self.break_promise(format!("node {number} wakes all the time"));
            return;
        }
        self.perform(number, out);
        self.set_alarm(number);
    }

    fn set_alarm(&mut self, number: usize) {
        let now = self.now;
        let node = &mut self.nodes[number];
        let Some(due) = node.dht.as_ref().and_then(Dht::next_deadline) else { return };
        let at = node.booted.saturating_add(due.0).max(now);
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
                    let done = self.now + 1 + self.below(20);
                    let at = done.max(self.nodes[number].durable_at);
                    self.nodes[number].durable_at = at;
                    self.schedule(at - self.now, Event::Durable { node: number, life, changes, then });
                }
                Out::Load { op, key } => {
                    let record = self.nodes[number].disk.held.get(&key).map(|row| row.record.clone());
                    self.hear(number, 3, In::Loaded { op, record });
                }
                Out::Resolved { op, result } => self.judge(number, op, result),
                // Nobody calls in this world.
                Out::Reply { .. } => {}
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
                self.report.confirmed += 1;
                self.confirmed[number] = self.confirmed[number].max(version);
            }
        }
    }

    fn transmit(&mut self, number: usize, command: NetCommand) {
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
                if let Some((_, to, life, op)) = self.tokens.remove(&token) {
                    self.report.messages += 1;
                    self.send(|| Event::Response { node: to, life, op, result: Ok(payload.clone()) });
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
            NetCommand::Learn { .. } | NetCommand::KeepConnected { .. } => {}
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

    /// A lookup ended: does it keep the promises?
    fn judge(&mut self, reader: usize, op: OpId, result: Result<Card, ResolveError>) {
        let life = self.nodes[reader].life;
        let Some(question) = self.questions.remove(&(reader, life, op)) else { return };
        let Question { target, at_least, must_find } = question;
        match result {
            Ok(card) => {
                self.report.found += 1;
                let genuine = card.node == self.nodes[target].id;
                match version(&card).filter(|_| genuine) {
                    Some(version) if version < at_least => self.break_promise(format!(
                        "node {reader} is shown card {version} of node {target}, but {at_least} was confirmed or shown before"
                    )),
                    Some(version) if version <= self.nodes[target].version => {
                        let shown = self.shown.entry((reader, life, target)).or_default();
                        *shown = version.max(*shown);
                    }
                    Some(_) | None => {
                        self.break_promise(format!("node {reader} believes a forged card of node {target}"));
                    }
                }
            }
            Err(error) if must_find => {
                self.break_promise(format!("node {reader} does not find the card of node {target}: {error}"));
            }
            Err(_) => self.report.missed += 1,
        }
    }
}

/// Which version a card says it is. `None`: not one of ours.
fn version(card: &Card) -> Option<u64> {
    card.addresses.first()?.as_str().strip_prefix("/ip4/192.0.2.1/tcp/")?.parse().ok()
}
