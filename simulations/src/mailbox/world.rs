//! Machines, their disks and clocks in one queue of events, the letters people send, and what is checked of them on the way.
//!
//! A disk writes batches in order and later; a crash loses those not yet durable with the machine.
//!
//! Not here: what happens when ([`super::story`], [`super::churn`]), the network between them ([`super::net`]).

use super::{
    Report,
    liar::Liar,
    net::{Faults, Waiting},
    node::Node,
};
use pc2_protocols::{
    crypto::keys::IdentityKeys,
    id::{EnvelopeId, MailboxAddress, NodeId},
    level::Level,
    machine::{CallId, Machine as _, OpId},
    mailbox::{
        Command, EnvelopeKey, In, Load, Mailbox, Out, Parcel, Recipient,
        deposit::solves,
        keys::{MailboxPass, intro_address, week_of},
        rows::Change,
    },
    net::{Address, NetError, RequestToken},
    time::{Mono, Now, UnixMillis},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, BTreeSet};

/// When the world begins, in milliseconds since 1970.
const EPOCH: u64 = 1_800_000_000_000;

/// Steps of one machine within one millisecond that are still no spinning.
const MAX_STEPS_AT_ONCE: u32 = 3_000;

/// Peers a node is connected with when it starts: the nearest (its bucket), and some at random.
const NEAREST_CONNECTED: usize = 8;
const RANDOM_CONNECTED: usize = 4;

/// The longest time the messenger takes to write an arrival.
const MESSENGER_MS: u64 = 50;

/// Something one person writes to another.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) from: usize,
    pub(super) to: usize,
    /// When it was first said to be stored.
    pub(super) stored: Option<u64>,
    /// An honest holder was among those who signed for it then.
    pub(super) promised: bool,
    /// When the recipient had it for good.
    pub(super) taken: Option<u64>,
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
    /// A messenger has an arrival on its disk.
    Take { node: usize, life: u32, envelope: EnvelopeKey, letter: usize },
    /// What a script wants at this time.
    Cue { cue: u64 },
}

/// All of it.
pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) numbers: BTreeMap<NodeId, usize>,
    /// Whose each mailbox is.
    pub(super) owners: BTreeMap<MailboxAddress, usize>,
    pub(super) letters: Vec<Letter>,
    pub(super) faults: Faults,
    pub(super) report: Report,
    /// The first promise that was broken.
    pub(super) broken: Option<String>,
    /// How often a messenger loses an arrival, in percent.
    pub(super) forgetful: u64,
    /// Senders rely on mailboxes alone: they forget a letter as soon as it is stored.
    pub(super) senders_leave: bool,
    pub(super) rng: ChaCha20Rng,
    pub(super) now: u64,
    pub(super) order: u64,
    pub(super) open: BTreeSet<(usize, u32, OpId)>,
    pub(super) tokens: BTreeMap<RequestToken, Waiting>,
    /// Cues that are due, for the script.
    pub(super) cues: Vec<u64>,
    queue: BTreeMap<(u64, u64), Event>,
}

impl World {
    pub(super) fn new(seed: u64, count: usize, liars: usize, share_bytes: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut nodes = Vec::new();
        for number in 0..count {
            let mut secret = [0; 64];
            rng.fill_bytes(&mut secret);
            let identity = IdentityKeys::from_seed(secret.into());
            let liar = (number < liars).then(|| Liar::new(identity.signer()));
            nodes.push(Node::new(&identity, liar, Level::Participant, share_bytes));
        }
        let week = week_of(UnixMillis(EPOCH));
        let mut owners = BTreeMap::new();
        for (number, node) in nodes.iter().enumerate() {
            owners.insert(intro_address(node.id), number);
            owners.extend((week - 2..week + 5).map(|week| (node.keys.address(week), number)));
        }
        Self {
            numbers: nodes.iter().enumerate().map(|(number, node)| (node.id, number)).collect(),
            nodes,
            owners,
            letters: Vec::new(),
            faults: Faults::default(),
            report: Report { nodes: count, liars, ..Report::default() },
            broken: None,
            forgetful: 0,
            senders_leave: false,
            rng,
            now: 0,
            order: 0,
            open: BTreeSet::new(),
            tokens: BTreeMap::new(),
            cues: Vec::new(),
            queue: BTreeMap::new(),
        }
    }

    /// The wall clock of all nodes.
    pub(super) const fn unix(&self) -> UnixMillis {
        UnixMillis(EPOCH + self.now)
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
        percent > 0 && self.below(100) < percent
    }

    /// Starts an honest node, from its disk.
    pub(super) fn start(&mut self, number: usize) {
        let rng = ChaCha20Rng::seed_from_u64(self.rng.next_u64());
        let (now, unix) = (self.now, self.unix());
        let node = &mut self.nodes[number];
        if node.is_up() || node.dead {
            return;
        }
        node.life += 1;
        node.booted = now;
        node.wakes_at = None;
        node.taken.clear();
        let clock = Now { mono: Mono(0), unix };
        let (keys, signer, snapshot) = (node.keys.clone(), node.signer.clone(), node.disk.snapshot());
        let (share_bytes, level) = (node.share_bytes, node.level);
        node.machine = Some(Mailbox::new(keys, signer, share_bytes, snapshot, node.life, rng, clock));
        self.step(number, In::Level { level, share_bytes });
        // The messenger knows what has been delivered meanwhile.
        let delivered: Vec<usize> = (0..self.letters.len())
            .filter(|at| self.letters[*at].from == number && self.letters[*at].taken.is_some())
            .collect();
        for letter in delivered {
            self.withdraw(letter);
        }
        let here = self.nodes[number].place;
        let mut near: Vec<_> = (0..self.nodes.len())
            .filter(|other| *other != number && self.nodes[*other].is_up())
            .map(|other| (self.nodes[other].place.distance(&here), other))
            .collect();
        near.sort_unstable();
        for (_, other) in near.into_iter().take(NEAREST_CONNECTED) {
            self.connect(number, other);
        }
        for _ in 0..RANDOM_CONNECTED {
            let other = self.pick(self.nodes.len());
            self.connect(number, other);
        }
    }

    /// Kills a node: what is not on its disk is gone.
    pub(super) fn crash(&mut self, number: usize) {
        if self.nodes[number].machine.take().is_none() {
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

    /// The owner of a node wants something of it.
    pub(super) fn command(&mut self, number: usize, command: Command) {
        self.step(number, In::Call { call: CallId(0), command });
    }

    /// One person writes to another. Returns which letter it is.
    pub(super) fn write(&mut self, from: usize, to: usize, stranger: bool, bytes: usize) -> Option<usize> {
        self.nodes[from].machine.as_ref()?;
        let letter = self.letters.len();
        let recipient = &self.nodes[to];
        let to_whom = if stranger {
            Recipient::Stranger { node: recipient.id, sealing: recipient.keys.intro_sealing() }
        } else {
            let week = week_of(self.unix());
            let pass = |week| MailboxPass {
                pinned: recipient.pinned.clone(),
                ..recipient.keys.pass(week, self.nodes[from].id)
            };
            Recipient::Contact { node: recipient.id, passes: (week..week + 4).map(pass).collect() }
        };
        let mut payload = vec![0; bytes.max(8)];
        payload[..8].copy_from_slice(&u64::try_from(letter).unwrap_or(0).to_be_bytes());

        self.letters.push(Letter { from, to, stored: None, promised: false, taken: None });
        let (account, id) = (self.nodes[from].id, self.envelope(letter));
        self.step(from, In::Deposit { parcel: Parcel { account, id, to: to_whom, payload } });
        Some(letter)
    }

    /// The name of a letter's envelope.
    fn envelope(&self, letter: usize) -> EnvelopeId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(
            &u64::try_from(letter).unwrap_or(0).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(),
        );
        id[8..].copy_from_slice(&u64::try_from(letter).unwrap_or(0).to_be_bytes());
        EnvelopeId::from_bytes(id)
    }

    /// A sender need not keep a letter any longer.
    pub(super) fn withdraw(&mut self, letter: usize) {
        let from = self.letters[letter].from;
        let (account, id) = (self.nodes[from].id, self.envelope(letter));
        self.step(from, In::Withdraw { account, id });
    }

    /// Lets two nodes connect.
    pub(super) fn connect(&mut self, a: usize, b: usize) {
        if a == b || !self.nodes[a].is_up() || !self.nodes[b].is_up() {
            return;
        }
        if self.nodes[a].connected.insert(b) && self.nodes[b].connected.insert(a) {
            let (id_a, id_b) = (self.nodes[a].id, self.nodes[b].id);
            self.hear(a, 20, In::PeerUp { node: id_b });
            self.hear(b, 20, In::PeerUp { node: id_a });
        }
    }

    /// Runs for so long, or until a cue is due.
    pub(super) fn run(&mut self, millis: u64) {
        let end = self.now.saturating_add(millis);
        while self.broken.is_none() && self.cues.is_empty() {
            let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) else {
                self.now = end;
                return;
            };
            let ((at, _), event) = entry.remove_entry();
            self.now = self.now.max(at);
            self.happen(event);
        }
    }

    pub(super) fn break_promise(&mut self, what: String) {
        let at = self.now;
        self.broken.get_or_insert(format!("after {at} ms: {what}"));
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
            Event::Input { node, life, input } if self.alive(node, life) => self.step(node, input),
            Event::Durable { node, life, changes, then } if self.alive(node, life) => {
                for change in changes {
                    self.check_write(node, &change);
                    self.nodes[node].disk.write(change);
                }
                self.perform(node, then);
            }
            Event::Request { from, to, life, op, payload } => self.arrive(from, to, life, op, payload),
            Event::Response { node, life, op, result } => {
                // Exactly one, whatever the network doubled.
                if self.open.remove(&(node, life, op)) && self.alive(node, life) {
                    self.step(node, In::PeerResponse { op, result });
                }
            }
            // An alarm that was set anew since is none.
            Event::Wake { node, life }
                if self.alive(node, life) && self.nodes[node].wakes_at == Some(self.now) =>
            {
                self.nodes[node].wakes_at = None;
                self.step(node, In::Tick);
            }
            Event::Take { node, life, envelope, letter } if self.alive(node, life) => {
                let now = self.now;
                self.nodes[node].taken.insert(envelope);
                self.letters[letter].taken.get_or_insert(now);
                self.step(node, In::Taken { envelope });
                if self.nodes[self.letters[letter].from].machine.is_some() {
                    self.withdraw(letter);
                }
            }
            Event::Cue { cue } => self.cues.push(cue),
            Event::Input { .. } | Event::Durable { .. } | Event::Wake { .. } | Event::Take { .. } => {}
        }
    }

    fn alive(&self, node: usize, life: u32) -> bool {
        self.nodes[node].machine.is_some() && self.nodes[node].life == life
    }

    pub(super) fn step(&mut self, number: usize, input: In) {
        let (now, unix) = (self.now, self.unix());
        let node = &mut self.nodes[number];
        let Some(machine) = &mut node.machine else { return };
        let clock = Now { mono: Mono(now - node.booted), unix };
        let mut out = Vec::new();
        machine.handle(clock, input, &mut out);
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
        let Some(due) = node.machine.as_ref().and_then(Mailbox::next_deadline) else { return };
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
                    let done = self.now + 1 + self.below(20);
                    let at = done.max(self.nodes[number].durable_at);
                    self.nodes[number].durable_at = at;
                    self.schedule(at - self.now, Event::Durable { node: number, life, changes, then });
                }
                Out::Load { op, what } => {
                    let disk = &self.nodes[number].disk;
                    let deposits = match what {
                        Load::Held(keys) => keys
                            .iter()
                            .filter_map(|key| disk.held.get(key))
                            .map(|row| row.deposit.clone())
                            .collect(),
                        Load::Parcel { account, id } => disk
                            .parcels
                            .get(&(account, id))
                            .map(|row| row.deposit.clone())
                            .into_iter()
                            .collect(),
                    };
                    self.hear(number, 3, In::Loaded { op, deposits });
                }
                Out::Solve { op, challenge, bits } => {
                    let nonce = (0..u64::MAX).find(|nonce| solves(&challenge, *nonce, bits)).unwrap_or(0);
                    self.hear(number, 500, In::Solved { op, nonce });
                }
                Out::Progress { id, stored_until, .. } => self.told(number, id, stored_until),
                Out::Arrived { envelope, from, payload, .. } => {
                    self.arrived(number, envelope, from, &payload)
                }
                Out::Locate { op, node } => {
                    let up = self.numbers.get(&node).is_some_and(|other| self.nodes[*other].is_up());
                    let address = up.then(|| Address::try_from("/ip4/10.0.0.1/tcp/1".to_owned()));
                    let addresses = address.and_then(Result::ok).into_iter().collect();
                    self.hear(number, 500, In::Located { op, addresses });
                }
                Out::Pins { nodes, .. } => self.nodes[number].pinned = nodes,
                // Nobody waits for an answer in this world.
                Out::Reply { .. } | Out::Changed => {}
                Out::Net(command) => self.transmit(number, command),
            }
        }
    }

    /// A sender hears how many keep a letter.
    fn told(&mut self, number: usize, id: EnvelopeId, stored_until: Option<UnixMillis>) {
        let [.., a, b, c, d, e, f, g, h] = *id.as_bytes();
        let letter = usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h])).unwrap_or(usize::MAX);
        let now = self.now;
        let Some(known) = self.letters.get_mut(letter).filter(|letter| letter.from == number) else { return };
        if stored_until.is_some() && known.stored.is_none() {
            known.stored = Some(now);
            self.report.stored += 1;
            let row = self.nodes[number].disk.parcels.get(&(self.nodes[number].id, id));
            let signed = row.into_iter().flat_map(|row| &row.receipts);
            let honest = |(node, _): &(NodeId, UnixMillis)| {
                self.numbers.get(node).is_some_and(|holder| self.nodes[*holder].liar.is_none())
            };
            self.letters[letter].promised = signed.filter(|receipt| honest(receipt)).count() > 0;
            if self.senders_leave {
                let (account, life) = (self.nodes[number].id, self.nodes[number].life);
                self.schedule(1, Event::Input { node: number, life, input: In::Withdraw { account, id } });
            }
        }
    }

    fn arrived(&mut self, number: usize, envelope: EnvelopeKey, from: NodeId, payload: &[u8]) {
        let letter = payload.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        let letter = letter.and_then(|letter| usize::try_from(letter).ok()).unwrap_or(usize::MAX);
        let genuine = self
            .letters
            .get(letter)
            .is_some_and(|letter| letter.to == number && self.nodes[letter.from].id == from);
        if !genuine {
            self.break_promise(format!("node {number} is handed a letter that nobody wrote to it"));
            return;
        }
        self.report.arrived += 1;
        let node = &self.nodes[number];
        if node.taken.contains(&envelope) || node.disk.tombstones.contains_key(&envelope) {
            self.break_promise(format!("node {number} is handed letter {letter} again after it was taken"));
            return;
        }
        if self.percent(self.forgetful) {
            return;
        }
        let (life, delay) = (self.nodes[number].life, 1 + self.below(MESSENGER_MS));
        self.schedule(delay, Event::Take { node: number, life, envelope, letter });
    }
}
