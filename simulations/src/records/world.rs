//! Machines, their disks and clocks in one queue of events, and what is checked of them on the way.
//!
//! A disk writes batches in order and later; a crash loses those not yet durable with the machine.
//!
//! Not here: what happens when ([`super::story`]), the network between them ([`super::net`]).

use super::{
    Report,
    liar::Liar,
    net::{Faults, Waiting},
    node::Node,
};
use pc2_protocols::{
    crypto::keys::IdentityKeys,
    dht::{Change, Dht, In, Out, ResolveError},
    id::DeviceId,
    machine::{Component, Machine as _, OpId, OpIds},
    net::{Address, NetError, RequestToken},
    record::{Card, Record},
    time::{Mono, Now, UnixMillis},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, BTreeSet};

/// When the world begins, in milliseconds since 1970.
const EPOCH: u64 = 1_800_000_000_000;

/// Steps of one machine within one millisecond that are still no spinning.
const MAX_STEPS_AT_ONCE: u32 = 2_000;

/// Somebody looks a card up.
#[derive(Debug, Clone, Copy)]
struct Question {
    target: usize,
    /// Older ones break a promise.
    at_least: u64,
    /// Finding none breaks a promise.
    must_find: bool,
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
    pub(super) rng: ChaCha20Rng,
    now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    pub(super) order: u64,
    pub(super) open: BTreeSet<(usize, u32, OpId)>,
    pub(super) tokens: BTreeMap<RequestToken, Waiting>,
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
                Node::new(signer, (number < liars).then(Liar::default))
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

    pub(super) fn percent(&mut self, percent: u64) -> bool {
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

    pub(super) fn break_promise(&mut self, what: String) {
        let at = self.now;
        self.broken.get_or_insert(format!("after {at} ms: {what}"));
    }

    pub(super) fn reaches(&self, a: usize, b: usize) -> bool {
        (a < self.faults.torn_at) == (b < self.faults.torn_at)
    }

    fn describe(&mut self, number: usize) {
        let text = format!("/ip4/192.0.2.1/tcp/{}", self.nodes[number].version);
        let address = Address::try_from(text).expect("a valid address");
        self.step(number, In::OwnAddresses { addresses: vec![address] });
        let device = DeviceId::from_bytes([1; 16]);
        self.step(number, In::OfferKeyPackage { device, key_package: vec![2; 300], mailbox: Some([5; 32]) });
    }

    pub(super) fn schedule(&mut self, delay: u64, event: Event) {
        self.order += 1;
        self.queue.insert((self.now.saturating_add(delay), self.order), event);
    }

    /// A node hears something within `delay` milliseconds.
    pub(super) fn hear(&mut self, node: usize, delay: u64, input: In) {
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
            // An alarm that was set anew since is none.
            Event::Wake { node, life }
                if self.nodes[node].life == life && self.nodes[node].wakes_at == Some(self.now) =>
            {
                self.nodes[node].wakes_at = None;
                self.step(node, In::Tick);
            }
            Event::Input { .. } | Event::Durable { .. } | Event::Wake { .. } => {}
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
pub(super) fn version(card: &Card) -> Option<u64> {
    card.addresses.first()?.as_str().strip_prefix("/ip4/192.0.2.1/tcp/")?.parse().ok()
}
