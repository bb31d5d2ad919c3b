//! The world: people and their nodes, one virtual clock, and whatever happens next.
//!
//! Everything random is drawn from one generator in the order of events, so a seed is a run.

use super::{
    check::{Checks, Violation},
    disk::{Batch, Disk},
    keys::Keys,
    mailboxes::{Mailboxes, Post},
    network::{Exchange, Network},
    people::Person,
    terms::{Settings, Summary},
    trace,
};
use pc2_protocols::{
    dht::ResolveError,
    id::{DeviceId, NodeId},
    machine::{CallId, Machine as _, OpId},
    messenger::{Command, In, Messenger, Out, device_row, rows::Snapshot},
    net::{NetCommand, NetError, RequestToken},
    record::Card,
    time::{Mono, Now, UnixMillis},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, BTreeSet};

/// One person's node.
pub(super) struct Node<K: Keys> {
    pub(super) id: NodeId,
    /// `None` while the process is down.
    pub(super) machine: Option<Messenger<K::Provider>>,
    pub(super) disk: Disk,
    /// Counts processes: what belongs to an earlier one is void.
    pub(super) process: u32,
    /// Counts installations: each begins with an empty disk.
    pub(super) installation: u32,
    generation: u32,
    /// How far the wall clock is off, in milliseconds.
    pub(super) clock_off: i64,
    alarm: Option<u64>,
    pub(super) offered: Option<(DeviceId, Vec<u8>)>,
    pub(super) kept: BTreeSet<NodeId>,
    pub(super) person: Person,
}

/// What can happen at a moment.
#[derive(Debug)]
pub(super) enum Event {
    Alarm { node: usize },
    Sync { node: usize, process: u32 },
    Arrive { token: RequestToken, payload: Vec<u8> },
    Answer { token: RequestToken, result: Result<Vec<u8>, NetError> },
    Card { node: usize, process: u32, op: OpId, result: Result<Card, ResolveError> },
    Read { node: usize, process: u32, input: In },
    Act { node: usize },
    Link { a: usize, b: usize },
    Post(Post),
    Fault,
    Shift,
    Start { node: usize },
    Look,
}

/// The world. See the [module](self).
pub struct World<K: Keys> {
    pub(super) keys: K,
    pub(super) settings: Settings,
    pub(super) rng: ChaCha20Rng,
    pub(super) now: u64,
    pub(super) nodes: Vec<Node<K>>,
    pub(super) network: Network,
    pub(super) mailboxes: Mailboxes,
    pub(super) checks: Checks,
    pub(super) wild: bool,
    pub(super) summary: Summary,
    events: BTreeMap<(u64, u64), Event>,
    next: u64,
    violation: Option<Violation>,
}

impl<K: Keys> World<K> {
    /// Makes the world of a seed.
    #[must_use]
    pub fn new(seed: u64, keys: K, settings: Settings) -> Self {
        let mut world = Self {
            keys,
            settings,
            rng: ChaCha20Rng::seed_from_u64(seed),
            now: 0,
            nodes: Vec::new(),
            network: Network::default(),
            mailboxes: Mailboxes::default(),
            checks: Checks::default(),
            wild: true,
            summary: Summary::default(),
            events: BTreeMap::new(),
            next: 1,
            violation: None,
        };
        let people = 2 + world.below(3);
        for index in 0..usize::try_from(people).unwrap_or(2) {
            let clock_off = if world.chance(300) {
                i64::try_from(world.below(2 * 86_400_000)).unwrap_or(0) - 86_400_000
            } else {
                0
            };
            let id = world.keys.node(index);
            world.nodes.push(Node {
                id,
                machine: None,
                disk: Disk::default(),
                process: 0,
                installation: 0,
                generation: 0,
                clock_off,
                alarm: None,
                offered: None,
                kept: BTreeSet::new(),
                person: Person::default(),
            });
            if !world.settings.apart {
                world.start(index);
            }
            world.act_later(index);
        }
        if world.settings.apart {
            world.shift();
        }
        let first_fault = world.below(8_000);
        world.at(first_fault, Event::Fault);
        world.at(1_000, Event::Look);
        world
    }

    /// Runs it through the wild time and the calm after it.
    ///
    /// # Errors
    /// The first rule that was broken.
    pub fn run(mut self) -> Result<Summary, Violation> {
        let wild_end = self.settings.wild_millis;
        self.run_until(wild_end)?;
        self.calm_down();
        let end = wild_end + self.settings.calm_millis;
        let mut restless = None;
        while self.now < end {
            let next = self.now + 60_000;
            self.run_until(next)?;
            self.decide_everything();
            restless = self.unrest();
            if restless.is_none() {
                break;
            }
        }
        if let Some(reason) = restless {
            return Err(Violation::NoRest { reason });
        }
        self.check_end()?;
        self.summary.keys_used = self.checks.keys_used();
        Ok(self.summary)
    }

    fn run_until(&mut self, end: u64) -> Result<(), Violation> {
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((at, _), event) = entry.remove_entry();
            self.now = self.now.max(at);
            self.happen(event);
            if let Some(violation) = self.violation.take() {
                return Err(violation);
            }
        }
        self.now = self.now.max(end);
        Ok(())
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Alarm { node } => {
                if self.nodes[node].alarm == Some(self.now) {
                    self.nodes[node].alarm = None;
                    self.step(node, In::Tick);
                }
            }
            Event::Sync { node, process } => {
                if self.nodes[node].process == process {
                    self.sync(node);
                }
            }
            Event::Arrive { token, payload } => self.arrive(token, payload),
            Event::Answer { token, result } => self.answer(token, result),
            Event::Card { node, process, op, result } => {
                if self.nodes[node].process == process {
                    self.step(node, In::Resolved { op, result });
                }
            }
            Event::Read { node, process, input } => {
                if self.nodes[node].process == process {
                    self.step(node, input);
                }
            }
            Event::Act { node } => self.act(node),
            Event::Link { a, b } => self.link(a, b),
            Event::Post(post) => self.post(post),
            Event::Fault => self.fault(),
            Event::Shift => self.shift(),
            Event::Start { node } => self.start(node),
            Event::Look => {
                self.look_for_links();
                self.look_into_mailboxes();
                self.at(2_000, Event::Look);
            }
        }
    }

    /// Puts an event `delay` milliseconds ahead.
    pub(super) fn at(&mut self, delay: u64, event: Event) {
        self.next += 1;
        self.events.insert((self.now + delay, self.next), event);
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }

    /// True `per_mille` times in a thousand.
    pub(super) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// An unused number for tokens and calls.
    pub(super) const fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn time_of(&self, node: usize) -> Now {
        let unix = (self.keys.beginning().0 + self.now).saturating_add_signed(self.nodes[node].clock_off);
        Now { mono: Mono(self.now), unix: UnixMillis(unix) }
    }

    /// Notes that a rule was broken, unless one was before.
    pub(super) fn judge(&mut self, verdict: Result<(), Violation>) {
        if let Err(violation) = verdict {
            self.violation.get_or_insert(violation);
        }
    }

    /// Starts a process on what its disk holds.
    fn start(&mut self, node: usize) {
        if self.nodes[node].machine.is_some() {
            return;
        }
        self.nodes[node].process += 1;
        self.nodes[node].generation = 0;
        self.build(node);
        self.retry_unanswered(node);
    }

    /// Builds the machine from storage, as after a start or a panic.
    pub(super) fn build(&mut self, node: usize) {
        let now = self.time_of(node);
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut snapshot: Snapshot = self.nodes[node].disk.rows.clone();
        let id = self.nodes[node].id;
        let device = snapshot.device.get_or_insert_with(|| device_row(id, &mut rng, now)).device;
        let own = snapshot.session_values.iter().filter(|((session, _), _)| session.is_none());
        let own = own.map(|((_, key), value)| (key.clone(), value.clone())).collect();
        self.rng.fill_bytes(&mut seed);
        let provider = self.keys.provider(node, device, own, ChaCha20Rng::from_seed(seed));
        let generation = self.nodes[node].generation;
        self.nodes[node].generation += 1;
        let mailbox = self.keys.mailbox(node);
        let machine = Messenger::new(id, provider, mailbox, snapshot, generation, rng, now);
        self.nodes[node].machine = Some(machine);
        self.step(node, In::Profile { name: format!("Person {node}") });
        self.step(node, In::Tick);
        for peer in self.network.connected_with(node) {
            let peer = self.nodes[peer].id;
            self.step(node, In::PeerUp { node: peer });
        }
    }

    /// One step of a machine; sometimes it panics instead.
    pub(super) fn step(&mut self, node: usize, input: In) {
        let now = self.time_of(node);
        let panics = self.wild && self.chance(2);
        let process = self.nodes[node].process;
        let Some(machine) = self.nodes[node].machine.as_mut() else { return };
        self.summary.steps += 1;
        if self.settings.trace {
            println!("{:>9} node {node}.{process} {}", self.now, trace::line(&input));
        }
        let call = match &input {
            In::Call { call, .. } => Some(*call),
            _ => None,
        };
        let mut out = Vec::new();
        machine.handle(now, input, &mut out);
        if panics {
            // The step happened inside the machine, and nothing of it left: the host rebuilds it.
            self.summary.rebuilds += 1;
            if let Some(call) = call {
                self.nodes[node].person.unanswered(call);
            }
            while self.nodes[node].disk.pending.front().is_some() {
                self.sync_one(node);
            }
            return self.build(node);
        }
        for out in out {
            self.perform(node, out);
        }
        self.set_alarm(node);
    }

    fn set_alarm(&mut self, node: usize) {
        let Some(machine) = self.nodes[node].machine.as_ref() else { return };
        let Some(Mono(at)) = machine.next_deadline() else { return };
        let at = at.max(self.now + 1);
        if self.nodes[node].alarm.is_none_or(|set| set > at || set <= self.now) {
            self.nodes[node].alarm = Some(at);
            self.at(at - self.now, Event::Alarm { node });
        }
    }

    fn perform(&mut self, node: usize, out: Out) {
        match out {
            Out::Persist { changes, then } => {
                self.nodes[node].disk.pending.push_back(Batch { changes, then });
                let slow = self.wild && self.chance(20);
                let delay = if slow { self.below(3_000) } else { self.below(12) };
                let process = self.nodes[node].process;
                self.at(delay, Event::Sync { node, process });
            }
            Out::Reply { call, result } => {
                let sent = self.nodes[node].person.answered(call, &result);
                if let Some(id) = sent {
                    let verdict = self.checks.acknowledged(
                        (node, self.nodes[node].installation),
                        id,
                        &self.nodes[node].disk,
                    );
                    self.judge(verdict);
                }
                self.heard(node, result);
            }
            Out::Net(command) => self.command(node, command),
            Out::Resolve { op, node: wanted } => self.resolve(node, op, wanted),
            Out::Load { op, conversation, device, from, to } => {
                let account = self.nodes[node].id;
                let rows = self.nodes[node].disk.own_range(account, conversation, device, from..=to);
                let (delay, process) = (self.below(20), self.nodes[node].process);
                self.at(delay, Event::Read { node, process, input: In::Loaded { op, rows } });
            }
            Out::LoadExpired { op, .. } => self.none_expired(node, op),
            Out::Deposit(parcel) => self.deposit(node, parcel),
            Out::Withdraw { id, .. } => self.withdraw(node, id),
            Out::Taken { envelope } => self.taken(node, envelope),
            Out::OfferKeyPackage { device, key_package, .. } => {
                self.nodes[node].offered = Some((device, key_package));
            }
            Out::Publish(event) => {
                let verdict = self.checks.published((node, self.nodes[node].installation), &event);
                self.judge(verdict);
            }
        }
    }

    /// Makes some of what waits durable, and performs what follows.
    fn sync(&mut self, node: usize) {
        let waiting = self.nodes[node].disk.pending.len() as u64;
        if waiting == 0 {
            return;
        }
        if self.wild && self.chance(3) {
            return self.fail_writes(node);
        }
        // Group commit: what came meanwhile goes with it.
        let process = self.nodes[node].process;
        for _ in 0..=self.below(waiting) {
            self.sync_one(node);
        }
        if !self.nodes[node].disk.pending.is_empty() {
            self.at(5, Event::Sync { node, process });
        }
    }

    pub(super) fn sync_one(&mut self, node: usize) {
        let Some(batch) = self.nodes[node].disk.sync_one() else { return };
        let ids: Vec<NodeId> = self.nodes.iter().map(|node| node.id).collect();
        let place = (node, self.nodes[node].installation);
        let verdict = self.checks.durable(place, &ids, &batch.changes, &self.nodes[node].disk);
        self.judge(verdict);
        for out in batch.then {
            self.perform(node, out);
        }
    }

    /// The disk refuses: what was handed out never happened, and the machine is rebuilt from what did.
    fn fail_writes(&mut self, node: usize) {
        self.summary.rebuilds += 1;
        for batch in std::mem::take(&mut self.nodes[node].disk.pending) {
            for out in batch.then {
                match out {
                    Out::Reply { call, .. } => self.nodes[node].person.unanswered(call),
                    Out::Net(NetCommand::Respond { token, .. }) => {
                        self.command(node, NetCommand::Drop { token });
                    }
                    _ => {}
                }
            }
        }
        self.build(node);
    }

    fn resolve(&mut self, node: usize, op: OpId, wanted: NodeId) {
        let offered = self.nodes.iter().find(|node| node.id == wanted).and_then(|node| node.offered.clone());
        let trouble = if self.wild { self.below(12) } else { 99 };
        let result = match (trouble, offered) {
            (0, _) => return,
            (1, _) => Err(ResolveError::Alone),
            (2, _) => Err(ResolveError::Busy),
            (3, _) | (_, None) => Err(ResolveError::NotFound),
            (_, Some((device, key_package))) => {
                let key_package = serde_bytes::ByteBuf::from(key_package);
                let person = self.nodes.iter().position(|node| node.id == wanted).unwrap_or(node);
                let mailbox = self.keys.mailbox(person).intro_sealing().to_vec();
                let mailbox = Some(serde_bytes::ByteBuf::from(mailbox));
                Ok(Card { node: wanted, device, key_package, addresses: Vec::new(), level: 2, mailbox })
            }
        };
        let (delay, process) = (self.below(400), self.nodes[node].process);
        self.at(delay, Event::Card { node, process, op, result });
    }

    /// Somebody asks a node for something.
    pub(super) fn call(&mut self, node: usize, command: Command) {
        if self.nodes[node].machine.is_none() {
            return;
        }
        let call = CallId(self.number());
        self.nodes[node].person.asks(call, &command);
        self.step(node, In::Call { call, command });
    }

    /// Asks a peer, with the answer going to the process that asked.
    pub(super) fn exchange(&mut self, exchange: Exchange) -> RequestToken {
        let token = RequestToken(self.number());
        self.network.exchanges.insert(token, exchange);
        token
    }

    /// Nothing goes wrong any more.
    fn calm_down(&mut self) {
        self.wild = false;
        if self.settings.apart {
            return;
        }
        self.network.heal();
        for node in 0..self.nodes.len() {
            self.start(node);
            self.step(node, In::NetworkChanged);
        }
    }
}
