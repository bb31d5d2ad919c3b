//! Messengers that talk to each other over a network without faults, stepped until nothing moves.
//!
//! What the parts do together, one behaviour a test. Faults of all kinds are in `pc2-simulations`.

use super::{
    Command, CommandError, ContactView, Delivery, Event, In, Messenger, Out, Reply,
    content::{Body, Content},
    device_row,
    rows::{Change, MessageRow, MessageState, Snapshot, Standing, Timed, Waiting},
    session::ledger::{KeyUses, LedgerProvider},
    wire::{Answer, Item, Outcome, Refusal, Request},
};
use crate::{
    dht::ResolveError,
    id::{ConversationId, DeviceId, EnvelopeId, MsgId, NodeId, SessionId},
    limits,
    machine::{CallId, Machine as _, OpId},
    mailbox::{EnvelopeKey, Parcel, keys::MailboxKeys},
    net::{NetCommand, NetError, RequestToken},
    record::Card,
    time::{Mono, Now, UnixMillis},
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use zeroize::Zeroizing;

mod amend;
mod contacts;
mod delivery;
mod files;
mod golden;
mod hostile;
mod mailboxes;
mod names;
mod pins;
mod repair_by_mail;
mod restart;
mod timers;
mod timers_waiting;
mod told;

/// One node of the bench: the machine, its disk, and what it said to its person.
struct Node {
    account: NodeId,
    machine: Messenger<LedgerProvider>,
    disk: Snapshot,
    history: BTreeMap<(ConversationId, u64, MsgId), MessageRow>,
    replies: BTreeMap<CallId, Result<Reply, CommandError>>,
    events: Vec<Event>,
    key_package: Option<(DeviceId, Vec<u8>)>,
    penalties: usize,
    kept: Vec<NodeId>,
    reachable: bool,
    /// Requests to it vanish: no answer, no failure.
    mute: bool,
    life: u32,
    /// What it handed to mailboxes, what it took back, what it is done with.
    parcels: Vec<Parcel>,
    withdrawn: Vec<EnvelopeId>,
    taken: Vec<EnvelopeKey>,
    /// Messages with a time, which begins later; whether each is its own.
    timed: Vec<(Timed, u32, bool)>,
    expiring: BTreeMap<(UnixMillis, Timed), u32>,
}

/// Several nodes, a clock, and everything under way.
struct Bench {
    nodes: Vec<Node>,
    now: Now,
    next: u64,
    /// Requests under way: who asks whom what.
    tokens: BTreeMap<RequestToken, (usize, OpId)>,
    queue: VecDeque<(usize, In)>,
    keys: KeyUses,
    /// Frames that were sent, newest last.
    sent: Vec<(usize, Request)>,
}

/// Ids in the order of their index: node 0 is the lowest.
fn id(index: usize) -> NodeId {
    NodeId::from_bytes([u8::try_from(index + 1).expect("few nodes"); 32])
}

fn mailbox(index: usize) -> MailboxKeys {
    MailboxKeys::new(id(index), Zeroizing::new([u8::try_from(index).expect("few nodes"); 32]))
}

fn conversation(with: usize) -> ConversationId {
    ConversationId::direct(id(with))
}

impl Bench {
    fn new(count: usize) -> Self {
        let mut bench = Self {
            nodes: Vec::new(),
            now: Now { mono: Mono(1_000), unix: UnixMillis(1_800_000_000_000) },
            next: 1,
            tokens: BTreeMap::new(),
            queue: VecDeque::new(),
            keys: KeyUses::default(),
            sent: Vec::new(),
        };
        for index in 0..count {
            let node = bench.node(index, Snapshot::default(), 0);
            bench.nodes.push(node);
            bench.queue.push_back((index, In::Tick));
            bench.queue.push_back((index, In::Profile { name: format!("Person {index}") }));
        }
        bench.run();
        bench
    }

    fn node(&mut self, index: usize, mut disk: Snapshot, life: u32) -> Node {
        self.next += 1;
        let mut rng = ChaCha20Rng::seed_from_u64(self.next);
        let account = id(index);
        let device = disk.device.get_or_insert_with(|| device_row(account, &mut rng, self.now)).device;
        let own: BTreeMap<Vec<u8>, Vec<u8>> = disk
            .session_values
            .iter()
            .filter(|((session, _), _)| session.is_none())
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        let provider = LedgerProvider::new(account, device, &own, ChaCha20Rng::seed_from_u64(self.next * 7))
            .expect("values of this device");
        let machine = Messenger::new(account, provider, mailbox(index), disk.clone(), life, rng, self.now);
        Node {
            account,
            machine,
            disk,
            history: BTreeMap::new(),
            replies: BTreeMap::new(),
            events: Vec::new(),
            key_package: None,
            penalties: 0,
            kept: Vec::new(),
            reachable: true,
            mute: false,
            life,
            parcels: Vec::new(),
            withdrawn: Vec::new(),
            taken: Vec::new(),
            timed: Vec::new(),
            expiring: BTreeMap::new(),
        }
    }

    /// Rebuilds a node from its disk, as after a crash.
    fn restart(&mut self, index: usize) {
        let life = self.nodes[index].life + 1;
        let disk = self.nodes[index].disk.clone();
        let node = self.node(index, disk, life);
        let old = std::mem::replace(&mut self.nodes[index], node);
        self.nodes[index].history = old.history;
        self.nodes[index].key_package = old.key_package;
        self.nodes[index].parcels = old.parcels;
        self.nodes[index].withdrawn = old.withdrawn;
        self.nodes[index].taken = old.taken;
        self.nodes[index].timed = old.timed;
        self.nodes[index].expiring = old.expiring;
        self.nodes[index].reachable = old.reachable;
        self.queue.push_back((index, In::Tick));
    }

    /// Steps until nothing is under way.
    fn run(&mut self) {
        let mut steps = 0;
        while let Some((index, input)) = self.queue.pop_front() {
            self.step(index, input);
            steps += 1;
            assert!(steps < 100_000, "the nodes never come to rest");
        }
    }

    /// Lets time pass, alarm by alarm, and everything that follows happen.
    fn wait(&mut self, time: Duration) {
        let end = self.now.mono.after(time);
        self.run();
        loop {
            let alarms = self.nodes.iter().enumerate();
            let first = alarms.filter_map(|(i, node)| Some((node.machine.next_deadline()?, i))).min();
            match first.filter(|(at, _)| *at <= end) {
                Some((at, index)) => {
                    let by = at.since(self.now.mono);
                    self.now = Now { mono: self.now.mono.after(by), unix: self.now.unix.after(by) };
                    self.queue.push_back((index, In::Tick));
                    self.run();
                }
                None => break,
            }
        }
        let by = end.since(self.now.mono);
        self.now = Now { mono: end, unix: self.now.unix.after(by) };
    }

    fn step(&mut self, index: usize, input: In) {
        let mut out = Vec::new();
        self.nodes[index].machine.handle(self.now, input, &mut out);
        for out in out {
            self.perform(index, out);
        }
    }

    fn perform(&mut self, index: usize, out: Out) {
        match out {
            Out::Persist { changes, then } => {
                for change in &changes {
                    self.nodes[index].write(change);
                }
                for out in then {
                    self.perform(index, out);
                }
            }
            Out::Reply { call, result } => {
                self.nodes[index].replies.insert(call, result);
            }
            Out::Net(command) => self.net(index, command),
            Out::Resolve { op, node } => {
                let result = self.card(node).ok_or(ResolveError::NotFound);
                self.queue.push_back((index, In::Resolved { op, result }));
            }
            Out::Load { op, conversation, device, from, to } => {
                let rows = self.nodes[index].own_range(conversation, device, from, to);
                self.queue.push_back((index, In::Loaded { op, rows }));
            }
            Out::LoadExpired { op, until, all } => {
                let expired = self.nodes[index].expired(until, all);
                self.queue.push_back((index, In::Expired { op, expired }));
            }
            Out::OfferKeyPackage { device, key_package, .. } => {
                self.nodes[index].key_package = Some((device, key_package));
            }
            Out::Publish(event) => self.nodes[index].events.push(event),
            Out::Deposit(parcel) => self.deposit(index, parcel),
            Out::Withdraw { id, .. } => self.nodes[index].withdrawn.push(id),
            Out::Taken { envelope } => self.nodes[index].taken.push(envelope),
        }
    }

    fn card(&self, node: NodeId) -> Option<Card> {
        let index = self.nodes.iter().position(|n| n.account == node)?;
        let (device, key_package) = self.nodes[index].key_package.clone()?;
        let sealing = serde_bytes::ByteBuf::from(mailbox(index).intro_sealing().to_vec());
        let key_package = serde_bytes::ByteBuf::from(key_package);
        Some(Card { node, device, key_package, addresses: Vec::new(), level: 2, mailbox: Some(sealing) })
    }

    fn net(&mut self, index: usize, command: NetCommand) {
        match command {
            NetCommand::Request { op, to, payload, .. } => {
                let request = Request::decode(&payload).expect("our own frames decode");
                if let Request::Deliver { items } = &request {
                    for item in items {
                        if let Item::Content { sealed, .. } = item {
                            self.keys.record(sealed).expect("no key is used twice");
                        }
                    }
                }
                self.sent.push((index, request));
                let peer = self.nodes.iter().position(|node| node.account == to);
                match peer.filter(|peer| self.nodes[*peer].reachable && self.nodes[index].reachable) {
                    Some(peer) if self.nodes[peer].mute => {}
                    Some(peer) => {
                        self.next += 1;
                        let token = RequestToken(self.next);
                        self.tokens.insert(token, (index, op));
                        let from = self.nodes[index].account;
                        self.queue.push_back((peer, In::PeerRequest { from, token, payload }));
                    }
                    None => {
                        let result = Err(NetError::Unreachable);
                        self.queue.push_back((index, In::PeerResponse { op, result }));
                    }
                }
            }
            NetCommand::Respond { token, payload } => {
                if let Some((asker, op)) = self.tokens.remove(&token) {
                    self.queue.push_back((asker, In::PeerResponse { op, result: Ok(payload) }));
                }
            }
            NetCommand::Drop { token } => {
                if let Some((asker, op)) = self.tokens.remove(&token) {
                    let result = Err(NetError::Closed);
                    self.queue.push_back((asker, In::PeerResponse { op, result }));
                }
            }
            NetCommand::KeepConnected { nodes } => self.nodes[index].kept = nodes,
            NetCommand::Penalise { .. } => self.nodes[index].penalties += 1,
            NetCommand::Learn { .. }
            | NetCommand::FindClosest { .. }
            | NetCommand::Contribute { .. }
            | NetCommand::Reserve { .. }
            | NetCommand::Release { .. } => {}
        }
    }

    /// Carries a command out and returns its answer.
    fn call(&mut self, index: usize, command: Command) -> Result<Reply, CommandError> {
        let call = self.begin_call(index, command);
        self.run();
        self.nodes[index].replies.remove(&call).expect("every call is answered")
    }

    fn begin_call(&mut self, index: usize, command: Command) -> CallId {
        self.next += 1;
        let call = CallId(self.next);
        self.queue.push_back((index, In::Call { call, command }));
        call
    }

    /// A frame from one node to another that the machine of the first knows nothing of. Returns the answer.
    fn inject(&mut self, from: usize, to: usize, payload: Vec<u8>) -> Answer {
        self.next += 1;
        let token = RequestToken(self.next);
        let from = id(from);
        self.run();
        let mut out = Vec::new();
        self.nodes[to].machine.handle(self.now, In::PeerRequest { from, token, payload }, &mut out);
        let mut answer = None;
        let mut rest: VecDeque<Out> = out.into();
        while let Some(out) = rest.pop_front() {
            match out {
                Out::Persist { changes, then } => {
                    changes.iter().for_each(|change| self.nodes[to].write(change));
                    rest.extend(then);
                }
                Out::Net(NetCommand::Respond { token: of, payload }) if of == token => {
                    answer = Some(Answer::decode(&payload).expect("our own answers decode"));
                }
                other => self.perform(to, other),
            }
        }
        self.run();
        answer.expect("an answer to every frame")
    }

    fn add(&mut self, from: usize, to: usize, text: &str) -> Result<Reply, CommandError> {
        self.call(from, add_command(to, text, None))
    }

    fn befriend(&mut self, asker: usize, asked: usize) {
        self.add(asker, asked, "it is me").expect("asked");
        self.call(asked, Command::Accept { peer: id(asker) }).expect("accepted");
        assert_eq!(self.nodes[asker].standing(asked), Some(Standing::Accepted));
    }

    fn say(&mut self, from: usize, to: usize, text: &str) -> MessageRow {
        let command = self.text(to, text);
        match self.call(from, command) {
            Ok(Reply::Sent(row)) => *row,
            other => panic!("{text:?} was not taken: {other:?}"),
        }
    }

    fn text(&mut self, to: usize, text: &str) -> Command {
        self.next += 1;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next.to_be_bytes());
        let (id, text) = (MsgId::from_bytes(bytes), text.to_owned());
        Command::Send { conversation: conversation(to), id, text, reply_to: None }
    }

    fn set_reachable(&mut self, index: usize, reachable: bool) {
        self.nodes[index].reachable = reachable;
        let peer = id(index);
        for other in (0..self.nodes.len()).filter(|other| *other != index) {
            let both = [(other, peer), (index, id(other))];
            for (at, node) in both {
                let input = if reachable { In::PeerUp { node } } else { In::PeerDown { node } };
                self.queue.push_back((at, input));
            }
        }
        self.run();
    }
}

impl Node {
    fn write(&mut self, change: &Change) {
        self.disk.apply(change);
        match change {
            Change::PutMessage(row) => {
                let key = (row.conversation, row.content.hlc.0, row.content.id);
                self.history.entry(key).or_insert_with(|| MessageRow::clone(row));
                if let Some(lasts) = row.content.lasts {
                    self.timed.push((Timed::of(row), lasts, row.sender == self.account));
                }
            }
            Change::SetState { conversation, hlc, id, state, .. } => {
                if let Some(row) = self.history.get_mut(&(*conversation, hlc.0, *id)) {
                    row.state = *state;
                }
            }
            Change::Timer(change) => self.time(*change),
            Change::SetRead { ids, .. } => {
                let rows = self.history.values_mut().filter(|row| row.sender == row.account);
                rows.filter(|row| ids.contains(&row.content.id))
                    .for_each(|row| row.state = MessageState::Read);
            }
            _ => {}
        }
    }

    fn own_range(&self, with: ConversationId, device: DeviceId, from: u64, to: u64) -> Vec<MessageRow> {
        let rows = self.history.values().filter(|row| row.conversation == with && row.sender == self.account);
        let in_range =
            |row: &&MessageRow| row.content.device == device && (from..=to).contains(&row.content.seq);
        rows.filter(in_range).cloned().collect()
    }

    /// Entries of a conversation, oldest first.
    fn texts(&self, with: usize) -> Vec<String> {
        let rows = self.history.values().filter(|row| row.conversation == conversation(with));
        rows.filter_map(|row| match &row.content.body {
            Body::Text { text, .. } => Some(text.clone()),
            _ => None,
        })
        .collect()
    }

    fn standing(&self, with: usize) -> Option<Standing> {
        self.disk.contacts.get(&id(with)).map(|contact| contact.standing)
    }

    fn view(&self, with: usize) -> ContactView {
        self.machine.view(id(with)).expect("known")
    }

    fn state(&self, row: &MessageRow) -> MessageState {
        self.history[&(row.conversation, row.content.hlc.0, row.content.id)].state
    }

    fn device(&self) -> DeviceId {
        self.disk.device.as_ref().expect("every node has one").device
    }
}

fn add_command(to: usize, text: &str, invitation: Option<Vec<u8>>) -> Command {
    let (peer, text) = (id(to), text.to_owned());
    Command::AddContact { peer, alias: None, name: None, text, invitation, addresses: Vec::new() }
}
