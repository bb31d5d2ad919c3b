//! A little world: machines, who is connected with whom, messages, and a data plane whose files are sets of groups.
//!
//! What a machine hands out waits in a queue and is performed one by one, so that a crash can come between any two of them. What is durable are the rows
//! of batches that were performed, messages, and groups that were proven. Time goes on when nothing else is to be done.

use super::*;
use crate::{
    blob::Groups,
    limits::{MAX_TRANSFERS, MAX_TRANSFERS_PER_PEER},
    machine::{CallId, Machine as _},
    time::{Mono, Now},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use rows::Snapshot;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) const GROUP: u64 = 16_384;

/// Groups that go over a stream in a step of time, which is this long.
const SPEED: usize = 64;
const STEP: Duration = Duration::from_millis(50);

pub(super) const fn node(n: u8) -> NodeId {
    NodeId::from_bytes([n; 32])
}

pub(super) const fn offer_id(n: u8) -> OfferId {
    OfferId::from_bytes([n; 16])
}

fn size(bytes: u64) -> BlobSize {
    BlobSize::try_from(bytes).expect("not too large")
}

/// A file of so many groups; its blob is named by a number.
pub(super) fn file(blob: u8, groups: u64) -> Offered {
    let (name, mime) = (format!("{blob}.jpg"), "image/jpeg".to_owned());
    Offered::File { name, mime, blob: BlobId::from_bytes([blob; 32]), size: size(groups * GROUP) }
}

/// A folder whose files have so many groups together.
pub(super) fn folder(blob: u8, groups: u64) -> Offered {
    Offered::Collection {
        name: "photos".to_owned(),
        count: 3,
        total: size(groups * GROUP),
        manifest: BlobId::from_bytes([blob; 32]),
        manifest_size: size(3 * GROUP),
    }
}

pub(super) const fn groups(what: &Offered, part: Part) -> u64 {
    match part {
        Part::Manifest => what.blob().1.bytes() / GROUP,
        Part::File | Part::Members => what.size().bytes() / GROUP,
    }
}

/// How somebody behaves who is asked for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    Honest,
    Lying,
    Silent,
    /// A group now and then: never long enough silent to have stalled.
    Dripping,
    Changed,
}

pub(super) struct Person {
    pub(super) files: Files,
    pub(super) rows: Snapshot,
    generation: u32,
    outs: VecDeque<Out>,
    inputs: VecDeque<In>,
    pub(super) replies: BTreeMap<u64, Result<Reply, CommandError>>,
    pub(super) shown: BTreeMap<TransferId, TransferView>,
    pub(super) reports: Vec<(NodeId, Fault)>,
    /// Every state that was shown of a transfer, without repetitions.
    pub(super) history: Vec<State>,
    got: BTreeMap<(TransferId, Part), BTreeSet<u64>>,
    pub(super) placed: BTreeMap<TransferId, u32>,
    pub(super) released: Vec<TransferId>,
    pub(super) refused: Vec<Refusal>,
    pub(super) pulled: u64,
    pub(super) nature: Nature,
    pub(super) full: bool,
    pub(super) bad_manifest: bool,
    /// Offers it makes are not written to anybody: it only has the same.
    pub(super) mute: bool,
    pub(super) rates: Option<Rates>,
}

struct Flow {
    pull: PullId,
    receiver: NodeId,
    holder: NodeId,
    id: TransferId,
    part: Part,
    todo: VecDeque<u64>,
    token: ServeToken,
    sending: bool,
}

pub(super) struct World {
    pub(super) people: BTreeMap<NodeId, Person>,
    pub(super) now: Now,
    links: BTreeSet<(NodeId, NodeId)>,
    flows: Vec<Flow>,
    tells: BTreeMap<ServeToken, (NodeId, TransferId, Word)>,
    mail: Vec<(NodeId, NodeId, FileOffer)>,
    pub(super) mail_waits: bool,
    next: u64,
    pub(super) order: Vec<TransferId>,
}

impl World {
    pub(super) fn new(people: &[u8]) -> Self {
        let mut world = Self {
            people: BTreeMap::new(),
            now: Now { mono: Mono(1_000), unix: START },
            links: BTreeSet::new(),
            flows: vec![],
            tells: BTreeMap::new(),
            mail: vec![],
            mail_waits: false,
            next: 1,
            order: vec![],
        };
        for n in people {
            let rng = ChaCha20Rng::seed_from_u64(u64::from(*n));
            let person = Person {
                files: Files::new(node(*n), Snapshot::default(), 0, rng),
                rows: Snapshot::default(),
                generation: 0,
                outs: VecDeque::new(),
                inputs: VecDeque::new(),
                replies: BTreeMap::new(),
                shown: BTreeMap::new(),
                reports: vec![],
                history: vec![],
                got: BTreeMap::new(),
                placed: BTreeMap::new(),
                released: vec![],
                refused: vec![],
                pulled: 0,
                nature: Nature::Honest,
                full: false,
                bad_manifest: false,
                mute: false,
                rates: None,
            };
            world.people.insert(node(*n), person);
        }
        for one in people {
            for other in people.iter().filter(|other| *other > one) {
                world.connect(*one, *other);
            }
        }
        world
    }

    pub(super) fn person(&mut self, n: u8) -> &mut Person {
        self.people.get_mut(&node(n)).expect("somebody")
    }

    fn put(&mut self, who: NodeId, input: In) {
        self.people.get_mut(&who).expect("somebody").inputs.push_back(input);
    }

    pub(super) fn input(&mut self, who: u8, input: In) {
        self.put(node(who), input);
        self.settle();
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn connect(&mut self, one: u8, other: u8) {
        for (from, to) in [(one, other), (other, one)] {
            self.links.insert((node(from), node(to)));
            self.put(node(from), In::PeerUp { node: node(to) });
        }
    }

    pub(super) fn part(&mut self, one: u8, other: u8) {
        let (one, other) = (node(one), node(other));
        for (from, to) in [(one, other), (other, one)] {
            self.links.remove(&(from, to));
            self.put(from, In::PeerDown { node: to });
        }
        self.break_streams(one, other);
    }

    /// What is under way between two is lost; they stay connected.
    pub(super) fn break_streams(&mut self, one: NodeId, other: NodeId) {
        let between = |flow: &Flow| [(one, other), (other, one)].contains(&(flow.receiver, flow.holder));
        let (broken, rest) = std::mem::take(&mut self.flows).into_iter().partition(between);
        self.flows = rest;
        self.end(broken, &Err(PullError::Lost), Err(ServeError::Lost));
        self.settle();
    }

    fn end(&mut self, flows: Vec<Flow>, pulled: &Result<(), PullError>, served: Result<(), ServeError>) {
        for flow in flows {
            let missing = flow.todo.iter().map(|group| *group..group + 1).collect();
            self.put(flow.receiver, In::PullEnded { pull: flow.pull, missing, result: pulled.clone() });
            if flow.sending {
                self.put(flow.holder, In::Served { token: flow.token, result: served });
            }
        }
    }

    /// Asks something, and waits for the answer.
    pub(super) fn call(&mut self, who: u8, command: Command) -> Result<Reply, CommandError> {
        let call = self.number();
        self.input(who, In::Call { call: CallId(call), command });
        self.person(who).replies.remove(&call).expect("an answer")
    }

    /// Offers, and lets the message arrive.
    pub(super) fn offer(&mut self, from: u8, to: u8, n: u8, what: Offered) -> TransferId {
        self.offer_with(from, to, n, what, &[])
    }

    pub(super) fn offer_with(
        &mut self,
        from: u8,
        to: u8,
        n: u8,
        what: Offered,
        holders: &[u8],
    ) -> TransferId {
        let holders = holders.iter().map(|n| node(*n)).collect();
        let command = Command::Offer { to: node(to), offer: offer_id(n), what, holders };
        self.call(from, command).expect("offered");
        TransferId::incoming(node(from), offer_id(n))
    }

    pub(super) fn accept(&mut self, who: u8, id: TransferId) {
        self.call(who, Command::Accept { id, folder: None }).expect("accepted");
    }

    pub(super) fn state(&self, who: u8, id: TransferId) -> State {
        self.people[&node(who)].shown.get(&id).map(|view| view.state.clone()).expect("shown")
    }

    /// Brings a person's machine back from its rows; whatever was not performed never was.
    pub(super) fn restart(&mut self, who: u8) {
        let id = node(who);
        let seed = self.number();
        let person = self.person(who);
        person.outs.clear();
        person.inputs.clear();
        person.generation += 1;
        let rng = ChaCha20Rng::seed_from_u64(seed);
        person.files = Files::new(id, person.rows.clone(), person.generation, rng);
        let theirs = |flow: &Flow| flow.receiver == id || flow.holder == id;
        let (broken, rest) = std::mem::take(&mut self.flows).into_iter().partition(theirs);
        self.flows = rest;
        self.end(broken, &Err(PullError::Lost), Err(ServeError::Lost));
        self.person(who).inputs.clear();
        self.tells.retain(|_, (from, of, _)| *from != id && of.peer != id);
        let linked: Vec<_> = self.links.iter().filter(|(from, _)| *from == id).map(|(_, to)| *to).collect();
        for to in linked {
            self.put(id, In::PeerUp { node: to });
            self.put(to, In::PeerDown { node: id });
            self.put(to, In::PeerUp { node: id });
        }
        // Whoever hands offers in does not remember what was taken.
        for (from, to, offer) in self.mail.clone() {
            if to == id && !self.mail_waits {
                self.put(to, In::Offered { from, offer });
            }
        }
    }

    pub(super) fn deliver_mail(&mut self) {
        self.mail_waits = false;
        for (from, to, offer) in self.mail.clone() {
            self.put(to, In::Offered { from, offer });
        }
        self.settle();
    }

    /// Lets everything happen that takes no time.
    pub(super) fn settle(&mut self) {
        while self.act() {}
    }

    /// One input, or one output, of somebody. `false`: there is none.
    pub(super) fn act(&mut self) -> bool {
        let now = self.now;
        for who in self.people.keys().copied().collect::<Vec<_>>() {
            let person = self.people.get_mut(&who).expect("somebody");
            if let Some(out) = person.outs.pop_front() {
                self.perform(who, out);
                return true;
            }
            let due = person.files.next_deadline().is_some_and(|at| at <= now.mono);
            let input = person.inputs.pop_front().or_else(|| due.then_some(In::Tick));
            if let Some(input) = input {
                let mut out = Vec::new();
                person.files.handle(now, input, &mut out);
                let next = person.files.next_deadline();
                assert!(next.is_none_or(|at| at > now.mono), "everything that is due is done");
                person.outs.extend(out);
                return true;
            }
        }
        false
    }

    /// Lets bytes flow for a moment.
    pub(super) fn flow(&mut self) {
        self.now.mono = self.now.mono.after(STEP);
        self.now.unix = self.now.unix.after(STEP);
        let mut served = BTreeSet::new();
        let mut over = vec![];
        for (at, flow) in self.flows.iter_mut().enumerate() {
            // One question after the other on each stream.
            if !served.insert((flow.receiver, flow.holder, flow.id)) || !flow.sending {
                continue;
            }
            match self.people[&flow.holder].nature {
                Nature::Silent | Nature::Changed => {}
                Nature::Dripping if !self.now.mono.0.is_multiple_of(10_000) => {}
                Nature::Lying => over.push((at, Err(PullError::NotTheFile))),
                nature @ (Nature::Honest | Nature::Dripping) => {
                    let most = if nature == Nature::Honest { SPEED } else { 1 };
                    let now: Vec<u64> = flow.todo.drain(..flow.todo.len().min(most)).collect();
                    let bytes = GROUP * u64::try_from(now.len()).expect("few");
                    let receiver = self.people.get_mut(&flow.receiver).expect("somebody");
                    receiver.pulled += bytes / GROUP;
                    receiver.got.entry((flow.id, flow.part)).or_default().extend(now);
                    receiver.inputs.push_back(In::Progress { pull: flow.pull, bytes });
                    let holder = self.people.get_mut(&flow.holder).expect("somebody");
                    holder.inputs.push_back(In::Sent { token: flow.token, bytes });
                    if flow.todo.is_empty() {
                        over.push((at, Ok(())));
                    }
                }
            }
        }
        for (at, result) in over.into_iter().rev() {
            let flow = self.flows.remove(at);
            self.end(vec![flow], &result, Ok(()));
        }
        self.settle();
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now.mono.after(time);
        self.settle();
        while self.now.mono < end {
            self.flow();
        }
    }

    /// Until it is so; ten minutes at most.
    pub(super) fn until(&mut self, what: impl Fn(&Self) -> bool) {
        self.settle();
        for _ in 0..12_000 {
            if what(self) {
                return;
            }
            self.flow();
        }
        let shown: Vec<_> =
            self.people.values().map(|person| person.shown.values().collect::<Vec<_>>()).collect();
        panic!("it does not come to that: {shown:#?}");
    }

    pub(super) fn until_done(&mut self, who: u8, id: TransferId) {
        self.until(|world| matches!(world.state(who, id), State::Done { .. }));
    }

    fn check_permits(&self) {
        for who in self.people.keys() {
            let mine: BTreeSet<_> =
                self.flows.iter().filter(|flow| flow.receiver == *who).map(|flow| flow.id).collect();
            assert!(mine.len() <= MAX_TRANSFERS);
            for peer in self.people.keys() {
                assert!(mine.iter().filter(|id| id.peer == *peer).count() <= MAX_TRANSFERS_PER_PEER);
            }
        }
    }

    fn perform(&mut self, who: NodeId, out: Out) {
        let number = self.number();
        let token = ServeToken(number);
        let person = self.people.get_mut(&who).expect("somebody");
        match out {
            Out::Persist { changes, then } => {
                for change in &changes {
                    person.rows.apply(change);
                }
                for out in then.into_iter().rev() {
                    person.outs.push_front(out);
                }
            }
            Out::Reply { call, result } => {
                person.replies.insert(call.0, result);
            }
            Out::Publish(Event::Transfer(view)) => {
                if person.history.last() != Some(&view.state) {
                    person.history.push(view.state.clone());
                }
                person.shown.insert(view.id, *view);
            }
            Out::Publish(Event::Forgotten { id }) => {
                person.shown.remove(&id);
            }
            Out::SendOffer { account, to, offer } => {
                assert_eq!(account, who);
                let id = offer.id;
                let known = self.mail.iter().any(|(from, _, other)| (*from, other.id) == (who, id));
                let mute = person.mute;
                person.inputs.push_back(In::OfferSent { to, offer: id, result: Ok(()) });
                if !known && !mute {
                    self.mail.push((who, to, *offer.clone()));
                    if !self.mail_waits {
                        self.put(to, In::Offered { from: who, offer: *offer });
                    }
                }
            }
            Out::Reset { account } => {
                assert_eq!(account, who);
                assert!(
                    !self
                        .flows
                        .iter()
                        .any(|flow| flow.receiver == who && flow.pull.generation == person.generation)
                );
            }
            Out::Limits { rates } => person.rates = Some(rates),
            Out::Open { id, what, part } => {
                let got = person.got.entry((id, part)).or_default();
                let result = if person.full {
                    Err(OpenError::NoRoom)
                } else if part == Part::Members && person.bad_manifest {
                    Err(OpenError::BadManifest("the list is no list".to_owned()))
                } else if person.placed.contains_key(&id) {
                    Ok(Opened::Placed(ByteBuf::from("/files/x")))
                } else {
                    let all = 0..groups(&what, part);
                    let missing = all.filter(|group| !got.contains(group)).map(|group| group..group + 1);
                    let have = GROUP * u64::try_from(got.len()).expect("few");
                    Ok(Opened::Missing { have, missing: missing.collect() })
                };
                person.inputs.push_back(In::Opened { id, part, result });
            }
            Out::StartPull { pull, id, part, holder, groups } => {
                let got = person.got.entry((id, part)).or_default();
                let todo: VecDeque<u64> = groups.filter(|group| !got.contains(group)).collect();
                let row =
                    person.rows.transfers.get(&id).expect("a row is there before anything is asked for");
                let (blob, size) = row.offer.what.blob();
                // Of a collection one file is asked for, whichever it is.
                let (blob, size) = match part {
                    Part::Members => {
                        (BlobId::from_bytes([99; 32]), BlobSize::try_from(GROUP).expect("small"))
                    }
                    Part::File | Part::Manifest => (blob, size),
                };
                let first = todo.front().map_or(0, |first| u32::try_from(*first).expect("few"));
                let first = if part == Part::Members { 0 } else { first };
                let asked = Groups::try_from(vec![(first, 1)]).expect("a group");
                let flow = Flow { pull, receiver: who, holder, id, part, todo, token, sending: false };
                if !self.order.contains(&id) {
                    self.order.push(id);
                }
                if flow.todo.is_empty() {
                    self.end(vec![flow], &Ok(()), Ok(()));
                } else if self.links.contains(&(who, holder)) {
                    self.flows.push(flow);
                    let pull = Pull { offer: id.offer, blob, size, groups: asked };
                    self.put(holder, In::Asked { from: who, token, pull });
                } else {
                    self.end(vec![flow], &Err(PullError::Lost), Ok(()));
                }
                self.check_permits();
            }
            Out::StopPull { pull } => {
                let ended = |flow: &Flow| flow.receiver == who && flow.pull == pull;
                let (ended, rest) = std::mem::take(&mut self.flows).into_iter().partition::<Vec<_>, _>(ended);
                self.flows = rest;
                for flow in ended.into_iter().filter(|flow| flow.sending) {
                    self.put(flow.holder, In::Served { token: flow.token, result: Err(ServeError::Lost) });
                }
            }
            Out::Finish { id, what, folder: _ } => {
                let part = if what.is_collection() { Part::Members } else { Part::File };
                let got = person.got.get(&(id, part)).map_or(0, BTreeSet::len);
                assert_eq!(
                    u64::try_from(got),
                    Ok(groups(&what, part)),
                    "nothing is put into place before it is whole"
                );
                let result = if person.full { Err(OpenError::NoRoom) } else { Ok(ByteBuf::from("/files/x")) };
                if result.is_ok() {
                    *person.placed.entry(id).or_default() += 1;
                }
                person.inputs.push_back(In::Finished { id, result });
            }
            Out::Close { id, keep } => {
                assert!(!self.flows.iter().any(|flow| flow.receiver == who && flow.id == id));
                if !keep {
                    person.got.retain(|(of, _), _| *of != id);
                }
            }
            Out::Serve { token, id, member, .. } => {
                let changed = person.nature == Nature::Changed;
                let held = person.rows.transfers.contains_key(&id) && !person.released.contains(&id);
                assert!(held, "what is served is held");
                if let Some(at) = self.flows.iter().position(|flow| flow.token == token) {
                    self.flows[at].sending = true;
                    assert_eq!(member, self.flows[at].part == Part::Members);
                    if changed {
                        let flow = self.flows.remove(at);
                        let refusal = Err(PullError::Refused(Refusal::SourceChanged));
                        self.end(vec![flow], &refusal, Err(ServeError::SourceChanged));
                    }
                } else {
                    self.put(who, In::Served { token, result: Err(ServeError::Lost) });
                }
            }
            Out::StopServing { token } => {
                let ended = |flow: &Flow| flow.token == token;
                let (ended, rest) = std::mem::take(&mut self.flows).into_iter().partition(ended);
                self.flows = rest;
                self.end(ended, &Err(PullError::Lost), Err(ServeError::Lost));
            }
            Out::Refuse { token, reason } => {
                person.refused.push(reason);
                if let Some((teller, id, word)) = self.tells.remove(&token) {
                    let result = Err(PullError::Refused(reason));
                    return self.put(teller, In::Told { id, word, result });
                }
                let ended = |flow: &Flow| flow.token == token;
                let (ended, rest) = std::mem::take(&mut self.flows).into_iter().partition(ended);
                self.flows = rest;
                self.end(ended, &Err(PullError::Refused(reason)), Ok(()));
            }
            Out::Noted { token } => {
                if let Some((teller, id, word)) = self.tells.remove(&token) {
                    self.put(teller, In::Told { id, word, result: Ok(()) });
                }
            }
            Out::Tell { id, word } => {
                if self.links.contains(&(who, id.peer)) {
                    self.tells.insert(token, (who, id, word));
                    self.put(id.peer, In::Heard { from: who, token, offer: id.offer, word });
                } else {
                    self.put(who, In::Told { id, word, result: Err(PullError::Lost) });
                }
            }
            Out::Release { id } => person.released.push(id),
            Out::Report { holder, fault, .. } => person.reports.push((holder, fault)),
        }
    }
}
