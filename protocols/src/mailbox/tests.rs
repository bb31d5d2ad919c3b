//! The machine as a whole, one node with scripted peers: every rule that needs more than one of its parts.

mod comparing;
mod depositing;
mod holding;
mod owning;
mod pinning;
mod serving;

use super::{
    deposit::Deposit,
    keys::{MailboxKeys, PADDED, intro_address, seal, week_begins},
    rows::{HeldRow, HeldSummary, ParcelRow, ParcelSummary, PinRow, ServedRow, Snapshot, TombstoneRow},
    wire::{AckClaim, Acks, Answer, FetchAsk, Owner, ReceiptClaim, Refusal, Request},
    *,
};
use crate::{
    crypto::sign::Signer,
    limits,
    machine::Machine as _,
    net::Address,
    time::{Mono, Now},
};
use ed25519_dalek::SigningKey;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use zeroize::Zeroizing;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
const WEEK: u32 = 2_976;
const SHARE: u64 = 16 * 1024 * 1024;

fn signer(n: u8) -> Signer {
    Signer::new(SigningKey::from_bytes(&[n; 32]))
}

fn node(n: u8) -> NodeId {
    signer(n).node()
}

fn keys(n: u8) -> MailboxKeys {
    MailboxKeys::new(node(n), Zeroizing::new([n; 32]))
}

fn id(n: u8) -> EnvelopeId {
    EnvelopeId::from_bytes([n; 16])
}

fn peers(numbers: impl IntoIterator<Item = u8>) -> Vec<Peer> {
    let address = |n: u8| Address::try_from(format!("/ip4/10.0.0.{n}/tcp/4001")).expect("an address");
    numbers.into_iter().map(|n| Peer { node: node(n), addresses: vec![address(n)] }).collect()
}

/// An hour into the week.
fn beginning() -> Now {
    Now { mono: Mono(0), unix: week_begins(WEEK).after(HOUR) }
}

/// A deposit of `writer` for `owner`, with this in it.
fn deposit(owner: u8, writer: u8, n: u8, payload: &[u8]) -> Deposit {
    let pass = keys(owner).pass(WEEK, node(writer));
    let place = (pass.address(), id(n));
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(n));
    let sealed =
        seal(&signer(writer), node(owner), &pass.sealing, place, payload, &mut rng).expect("it fits");
    Deposit::by_pass(&pass, id(n), sealed)
}

/// The same without the cost of sealing: for holders, who do not open it.
fn opaque(owner: u8, writer: u8, n: u8) -> Deposit {
    Deposit::by_pass(&keys(owner).pass(WEEK, node(writer)), id(n), vec![n; PADDED[0]])
}

fn key_of(deposit: &Deposit) -> EnvelopeKey {
    EnvelopeKey { address: deposit.address, id: deposit.id }
}

fn digest_of(deposit: &Deposit) -> [u8; 32] {
    super::deposit::digest(&deposit.sealed)
}

fn put(deposit: &Deposit) -> Request {
    Request::Deposit { deposit: deposit.encode().into() }
}

fn receipt(holder: u8, deposit: &Deposit, until: UnixMillis) -> Answer {
    let claim = ReceiptClaim { address: deposit.address, id: deposit.id, digest: digest_of(deposit), until };
    claim.sign(&signer(holder))
}

fn owner_of(n: u8) -> Owner {
    Owner::Week { mailbox: *keys(n).owner(WEEK).node().as_bytes() }
}

fn acks(owner: u8, deposits: &[&Deposit]) -> Acks {
    let taken = deposits.iter().map(|deposit| {
        let claim = AckClaim { address: deposit.address, id: deposit.id, digest: digest_of(deposit) };
        claim.sign(&keys(owner).owner(WEEK))
    });
    Acks { owner: owner_of(owner), taken: taken.collect() }
}

fn page(deposits: &[&Deposit]) -> Answer {
    let deposits = deposits.iter().map(|deposit| deposit.encode().into()).collect();
    Answer::Page { deposits, next: None }
}

#[derive(Debug, Default)]
struct Disk {
    held: BTreeMap<EnvelopeKey, HeldRow>,
    tombstones: BTreeMap<EnvelopeKey, TombstoneRow>,
    parcels: BTreeMap<(NodeId, EnvelopeId), ParcelRow>,
    pins: BTreeMap<NodeId, PinRow>,
    served: BTreeMap<NodeId, ServedRow>,
}

impl Disk {
    fn write(&mut self, change: Change) {
        match change {
            Change::PutHeld(row) => {
                self.held.insert(EnvelopeKey { address: row.address, id: row.id }, row);
            }
            Change::RemoveHeld(key) => drop(self.held.remove(&key)),
            Change::PutTombstone(row) => {
                self.tombstones.insert(EnvelopeKey { address: row.address, id: row.id }, row);
            }
            Change::RemoveTombstone(key) => drop(self.tombstones.remove(&key)),
            Change::PutParcel(row) => drop(self.parcels.insert((row.account, row.id), row)),
            Change::SetReceipts { account, id, receipts } => {
                if let Some(row) = self.parcels.get_mut(&(account, id)) {
                    row.receipts = receipts;
                }
            }
            Change::RemoveParcel { account, id } => drop(self.parcels.remove(&(account, id))),
            Change::PutPin(row) => drop(self.pins.insert(row.holder, row)),
            Change::RemovePin { holder, .. } => drop(self.pins.remove(&holder)),
            Change::PutServed(row) => drop(self.served.insert(row.node, row)),
            Change::RemoveServed { node, .. } => drop(self.served.remove(&node)),
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            held: self.held.values().map(HeldSummary::of).collect(),
            tombstones: self.tombstones.values().cloned().collect(),
            parcels: self.parcels.values().map(ParcelSummary::of).collect(),
            pins: self.pins.values().cloned().collect(),
            served: self.served.values().cloned().collect(),
        }
    }
}

/// One machine, its disk, and what it wanted done and nobody has looked at yet.
struct Bench {
    machine: Mailbox,
    number: u8,
    clock: Now,
    disk: Disk,
    /// What the disk is told and does not do yet.
    slow_disk: Option<Vec<(Vec<Change>, Vec<Out>)>>,
    wishes: Vec<Out>,
    /// Which nodes the messenger was last told are pinned.
    pins_told: Option<Vec<NodeId>>,
    tokens: u64,
}

impl Bench {
    fn new(number: u8) -> Self {
        Self::with(number, Disk::default(), beginning())
    }

    /// One that does not look into its own mailboxes: nothing but what a test does.
    fn connected(number: u8) -> Self {
        let mut bench = Self::new(number);
        bench.step(In::PeerUp { node: node(200) });
        bench.empty_mailboxes();
        bench
    }

    fn with(number: u8, disk: Disk, clock: Now) -> Self {
        let rng = ChaCha20Rng::seed_from_u64(1);
        let snapshot = disk.snapshot();
        let machine = Mailbox::new(keys(number), signer(number), SHARE, snapshot, 1, rng, clock);
        let mut bench = Self {
            machine,
            number,
            clock,
            disk,
            slow_disk: None,
            wishes: vec![],
            pins_told: None,
            tokens: 0,
        };
        bench.step(In::Tick);
        bench
    }

    /// As after a crash: nothing is left but the disk, and the monotonic clock begins anew.
    fn restarted(self) -> Self {
        let clock = Now { mono: Mono(0), unix: self.clock.unix };
        Self::with(self.number, self.disk, clock)
    }

    fn step(&mut self, input: In) {
        let mut out = Vec::new();
        self.machine.handle(self.clock, input, &mut out);
        self.perform(out);
    }

    fn perform(&mut self, out: Vec<Out>) {
        for wish in out {
            match wish {
                Out::Persist { changes, then } => match &mut self.slow_disk {
                    Some(waiting) => waiting.push((changes, then)),
                    None => {
                        changes.into_iter().for_each(|change| self.disk.write(change));
                        self.perform(then);
                    }
                },
                Out::Load { op, what } => {
                    let deposits = match what {
                        Load::Held(keys) => {
                            let rows = keys.iter().filter_map(|key| self.disk.held.get(key));
                            rows.map(|row| row.deposit.clone()).collect()
                        }
                        Load::Parcel { account, id } => {
                            let row = self.disk.parcels.get(&(account, id));
                            row.map(|row| row.deposit.clone()).into_iter().collect()
                        }
                    };
                    self.step(In::Loaded { op, deposits });
                }
                Out::Pins { nodes, .. } => self.pins_told = Some(nodes),
                other => self.wishes.push(other),
            }
        }
    }

    /// The disk catches up.
    fn written(&mut self) {
        for (changes, then) in self.slow_disk.take().unwrap_or_default() {
            changes.into_iter().for_each(|change| self.disk.write(change));
            self.perform(then);
        }
    }

    /// Lets time pass; alarms go off when they are due.
    fn wait(&mut self, time: Duration) {
        let end = self.clock.mono.after(time);
        let mut steps = 0;
        while let Some(due) = self.machine.next_deadline().filter(|due| *due <= end) {
            let passed = due.since(self.clock.mono);
            self.clock = Now { mono: self.clock.mono.after(passed), unix: self.clock.unix.after(passed) };
            self.step(In::Tick);
            steps += 1;
            assert!(steps < 100_000, "it wakes all the time");
        }
        let passed = end.since(self.clock.mono);
        self.clock = Now { mono: end, unix: self.clock.unix.after(passed) };
        self.step(In::Tick);
    }

    /// Lets time pass until it looks for the holders of a mailbox. True: it does.
    fn wait_for_walk(&mut self, address: MailboxAddress, most: Duration) -> bool {
        let end = self.clock.mono.after(most);
        while self.clock.mono < end {
            self.wait(Duration::from_secs(60));
            let key = crate::id::RecordKey::from_bytes(*address.as_bytes());
            let walks =
                |wish: &Out| matches!(wish, Out::Net(NetCommand::FindClosest { key: of, .. }) if *of == key);
            if self.wishes.iter().any(walks) {
                return true;
            }
        }
        false
    }

    /// What it wants, taken away.
    fn take<T>(&mut self, pick: impl Fn(&Out) -> Option<T>) -> Vec<T> {
        let mut taken = Vec::new();
        self.wishes.retain(|wish| match pick(wish) {
            Some(what) => {
                taken.push(what);
                false
            }
            None => true,
        });
        taken
    }

    /// Walks it wants made: by question, for which mailbox.
    fn walks(&mut self) -> Vec<(OpId, MailboxAddress)> {
        self.take(|wish| match wish {
            Out::Net(NetCommand::FindClosest { op, key }) => {
                Some((*op, MailboxAddress::from_bytes(*key.as_bytes())))
            }
            _ => None,
        })
    }

    /// Answers walks for one mailbox, or for all.
    fn walked(&mut self, address: Option<MailboxAddress>, peers: &[Peer]) {
        let walks = self.walks();
        for (op, of) in walks {
            if address.is_none_or(|address| address == of) {
                self.step(In::Closest { op, peers: peers.to_vec() });
            } else {
                let key = crate::id::RecordKey::from_bytes(*of.as_bytes());
                self.wishes.push(Out::Net(NetCommand::FindClosest { op, key }));
            }
        }
    }

    /// Requests it wants sent.
    fn requests(&mut self) -> Vec<(OpId, NodeId, Request)> {
        self.take(|wish| match wish {
            Out::Net(NetCommand::Request { op, to, payload, protocol }) => {
                assert_eq!(*protocol, crate::net::Protocol::Mailbox);
                Some((*op, *to, Request::decode(payload).expect("it sends requests")))
            }
            _ => None,
        })
    }

    fn answer(&mut self, op: OpId, answer: &Answer) {
        self.step(In::PeerResponse { op, result: Ok(answer.encode()) });
    }

    fn unreachable(&mut self, op: OpId) {
        self.step(In::PeerResponse { op, result: Err(NetError::Unreachable) });
    }

    /// Its own mailboxes are empty wherever it looks.
    fn empty_mailboxes(&mut self) {
        self.walked(None, &peers(201..=203));
        for _ in 0..3 {
            for (op, _, request) in self.requests() {
                assert!(matches!(request, Request::Fetch { .. }), "{request:?}");
                self.answer(op, &page(&[]));
            }
        }
    }

    /// A peer asks; what it is answered at once.
    fn asked(&mut self, by: u8, request: &Request) -> Option<Answer> {
        self.asked_bytes(by, request.encode())
    }

    fn asked_bytes(&mut self, by: u8, payload: Vec<u8>) -> Option<Answer> {
        self.tokens += 1;
        let token = RequestToken(self.tokens);
        self.step(In::PeerRequest { from: node(by), prefix: Prefix::V4([8, 8, by]), token, payload });
        self.response(token)
    }

    fn response(&mut self, token: RequestToken) -> Option<Answer> {
        let answers = self.take(|wish| match wish {
            Out::Net(NetCommand::Respond { token: of, payload }) if *of == token => {
                Some(Answer::decode(payload).expect("it sends answers"))
            }
            _ => None,
        });
        assert!(answers.len() <= 1, "one answer at most");
        answers.into_iter().next()
    }

    fn penalised(&mut self) -> Vec<NodeId> {
        self.take(|wish| match wish {
            Out::Net(NetCommand::Penalise { node, .. }) => Some(*node),
            _ => None,
        })
    }

    fn progress(&mut self) -> Vec<(EnvelopeId, Option<UnixMillis>)> {
        self.take(|wish| match wish {
            Out::Progress { id, stored_until, .. } => Some((*id, *stored_until)),
            _ => None,
        })
    }

    fn arrivals(&mut self) -> Vec<(EnvelopeKey, NodeId, Vec<u8>)> {
        self.take(|wish| match wish {
            Out::Arrived { envelope, from, payload, .. } => Some((*envelope, *from, payload.clone())),
            _ => None,
        })
    }

    /// A peer deposits, and it is kept.
    fn keeps(&mut self, deposit: &Deposit) {
        let answer = self.asked(50, &put(deposit));
        assert!(matches!(answer, Some(Answer::Receipt { .. })), "{answer:?}");
    }
}

fn ask(owner: u8, holder: u8, now: Now) -> FetchAsk {
    FetchAsk {
        owner: owner_of(owner),
        holder: node(holder),
        after: None,
        known: vec![],
        max_bytes: u32::MAX,
        time: now.unix,
        subscribe: false,
    }
}

#[test]
fn people_see_what_is_held_and_what_waits() {
    let mut bench = Bench::connected(1);
    bench.keeps(&opaque(2, 3, 1));
    bench.step(In::Call { call: CallId(1), command: Command::Show });
    let shown = bench.take(|wish| match wish {
        Out::Reply { result: Ok(Reply::Shown(view)), .. } => Some((**view).clone()),
        _ => None,
    });
    let [view] = shown.as_slice() else { panic!("one answer") };
    assert_eq!((view.held, view.share_bytes, view.parcels, view.stored), (1, SHARE, 0, 0));
    assert_eq!((view.holders.len(), view.fetched), (3, Some(bench.clock.unix)));
    assert!(bench.machine.status().concerns.is_empty(), "{:?}", bench.machine.status().concerns);
}

#[test]
fn a_person_can_have_it_look_at_once_when_there_is_somebody_to_ask() {
    let mut bench = Bench::new(1);
    bench.step(In::Call { call: CallId(1), command: Command::Fetch });
    let replies = |bench: &mut Bench| {
        bench.take(|wish| match wish {
            Out::Reply { result, .. } => Some(result.clone()),
            _ => None,
        })
    };
    assert_eq!(replies(&mut bench), [Err(CommandError::Alone)]);
    let mut bench = Bench::connected(1);
    bench.step(In::Call { call: CallId(2), command: Command::Fetch });
    assert_eq!(replies(&mut bench), [Ok(Reply::Done)]);
    assert_eq!(bench.requests().len(), 5 * 3);
}

#[test]
fn without_a_connection_it_asks_nobody_and_does_not_wake_all_the_time() {
    let mut bench = Bench::new(1);
    bench.wait(DAY);
    assert!(bench.wishes.is_empty(), "{:?}", bench.wishes);
}

#[test]
fn a_question_that_is_never_answered_holds_nothing_up() {
    let mut bench = Bench::new(1);
    bench.step(In::PeerUp { node: node(200) });
    assert_eq!(bench.walks().len(), 5);
    bench.wait(HOUR);
    assert!(bench.walks().len() + bench.requests().len() >= 5, "it asked again");
}
