//! The machine as a whole, one node with scripted peers: every rule that needs more than one of its parts.

use super::{
    wire::{Answer, Refusal, Request},
    *,
};
use crate::{
    crypto::sign::Signer,
    limits,
    machine::{Component, Machine as _, OpIds},
    net::Protocol,
    record::{Draft, Kind, Place, Record, card_key, hash_key, payload_hash, value_key},
    time::{Mono, Now, UnixMillis},
};
use ed25519_dalek::SigningKey;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const EPOCH: u64 = 1_700_000_000_000;
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
const DEVICE: DeviceId = DeviceId::from_bytes([5; 16]);

fn signer(n: u8) -> Signer {
    Signer::new(SigningKey::from_bytes(&[n; 32]))
}

fn node(n: u8) -> NodeId {
    signer(n).node()
}

fn address(n: u8) -> Address {
    Address::try_from(format!("/ip4/10.0.0.{n}/tcp/4001")).expect("an address")
}

fn peers(numbers: impl IntoIterator<Item = u8>) -> Vec<Peer> {
    numbers.into_iter().map(|n| Peer { node: node(n), addresses: vec![address(n)] }).collect()
}

fn card_of(n: u8, seq: u64, addresses: Vec<Address>) -> Record {
    let card = Card {
        node: node(n),
        device: DEVICE,
        key_package: vec![1, 2].into(),
        addresses,
        level: 2,
        mailbox: None,
    };
    sign(n, Kind::Card, b"", seq, Some(card.encode()), UnixMillis(EPOCH))
}

fn value_of(n: u8, seq: u64, payload: &[u8]) -> Record {
    sign(n, Kind::Value, b"s", seq, Some(payload.to_vec()), UnixMillis(EPOCH))
}

fn sign(n: u8, kind: Kind, salt: &[u8], seq: u64, payload: Option<Vec<u8>>, from: UnixMillis) -> Record {
    let expires = from.after(limits::RECORD_LIFETIME);
    let draft = Draft { kind, salt: salt.to_vec(), seq, not_before: from, expires, payload };
    Record::sign(&signer(n), draft).expect("within the limits")
}

fn put(record: &Record) -> Vec<u8> {
    Request::Put { record: record.as_bytes().to_vec().into(), expected_seq: None }.encode()
}

fn get(key: RecordKey) -> Vec<u8> {
    Request::Get { key, min_seq: 0 }.encode()
}

fn found(record: &Record) -> Answer {
    Answer::Found { record: record.as_bytes().to_vec().into() }
}

const NOTHING: Answer = Answer::Nothing { held_seq: None };

/// One machine, its disk, and what it wanted done and nobody has looked at yet.
struct Bench {
    dht: Dht,
    number: u8,
    level: u8,
    clock: Now,
    disk: Disk,
    /// What the disk is told and does not do yet.
    slow_disk: Option<Vec<(Vec<Change>, Vec<Out>)>>,
    wishes: Vec<Out>,
    ids: OpIds,
}

impl Bench {
    fn new(number: u8) -> Self {
        Self::with(number, 2, Disk::default(), Now { mono: Mono(0), unix: UnixMillis(EPOCH) })
    }

    fn with(number: u8, level: u8, disk: Disk, clock: Now) -> Self {
        let rng = ChaCha20Rng::seed_from_u64(1);
        let dht = Dht::new(signer(number), level, disk.snapshot(), 1, rng);
        let ids = OpIds::new(Component::Messenger, 1);
        let mut bench = Self { dht, number, level, clock, disk, slow_disk: None, wishes: vec![], ids };
        bench.step(In::Tick);
        bench
    }

    /// As after a crash: nothing is left but the disk, and the monotonic clock begins anew.
    fn restarted(self) -> Self {
        let clock = Now { mono: Mono(0), unix: self.clock.unix };
        Self::with(self.number, self.level, self.disk, clock)
    }

    fn step(&mut self, input: In) {
        let mut out = Vec::new();
        self.dht.handle(self.clock, input, &mut out);
        self.perform(out);
    }

    fn perform(&mut self, out: Vec<Out>) {
        for wish in out {
            match wish {
                Out::Persist { changes, then } => match &mut self.slow_disk {
                    Some(waiting) => waiting.push((changes, then)),
                    None => {
                        self.write(changes);
                        self.perform(then);
                    }
                },
                other => self.wishes.push(other),
            }
        }
    }

    fn write(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.disk.apply(change);
        }
    }

    /// Lets time pass, waking the machine when it asked for it.
    fn pass(&mut self, time: Duration) {
        let end = self.clock.mono.after(time);
        let mut wakes = 0;
        while let Some(due) = self.dht.next_deadline().filter(|due| *due <= end) {
            let due = due.max(self.clock.mono);
            self.clock.unix = self.clock.unix.after(due.since(self.clock.mono));
            self.clock.mono = due;
            self.step(In::Tick);
            wakes += 1;
            assert!(wakes < 10_000, "the machine wakes all the time");
        }
        self.clock.unix = self.clock.unix.after(end.since(self.clock.mono));
        self.clock.mono = end;
    }

    /// Lets time pass while all of `closest` confirm every put at once; returns the rounds with their time.
    fn live(&mut self, time: Duration, closest: &[Peer]) -> Vec<(Mono, Vec<Record>)> {
        let end = self.clock.mono.after(time);
        let mut rounds = Vec::new();
        loop {
            if !self.route(closest).is_empty() {
                rounds.push((self.clock.mono, self.confirm_all()));
            }
            let left = end.since(self.clock.mono);
            if left.is_zero() {
                return rounds;
            }
            let next = self.dht.next_deadline().map_or(left, |due| due.since(self.clock.mono));
            self.pass(next.clamp(Duration::from_millis(1), left));
        }
    }

    fn up(&mut self, numbers: impl IntoIterator<Item = u8>) {
        for n in numbers {
            self.step(In::PeerUp { node: node(n) });
        }
    }

    fn ask(&mut self, from: u8, payload: Vec<u8>) -> Vec<Answer> {
        let token = RequestToken(7);
        let prefix = Prefix::Local;
        self.step(In::PeerRequest { from: node(from), prefix, token, payload });
        self.load();
        self.answers()
    }

    /// Answers every `Load` from the disk.
    fn load(&mut self) {
        for wish in std::mem::take(&mut self.wishes) {
            if let Out::Load { op, key } = wish {
                let record = self.disk.held.iter().find(|row| row.key == key).map(|row| row.record.clone());
                self.step(In::Loaded { op, record });
            } else {
                self.wishes.push(wish);
            }
        }
    }

    /// Answers to peers so far.
    fn answers(&mut self) -> Vec<Answer> {
        self.take(|wish| match wish {
            Out::Net(NetCommand::Respond { payload, .. }) => {
                Some(Answer::decode(payload).expect("an answer"))
            }
            _ => None,
        })
    }

    /// Answers every question for the closest nodes so far; returns for which keys. Those to see how far apart nodes are get no answer.
    fn route(&mut self, closest: &[Peer]) -> Vec<RecordKey> {
        let mut asked = self.take(|wish| match wish {
            Out::Net(NetCommand::FindClosest { op, key }) => Some((*op, *key)),
            _ => None,
        });
        asked.retain(|(op, _)| {
            !matches!(self.dht.pending.get(op), Some((machine::Pending::Sounding { .. }, _)))
        });
        for (op, _) in &asked {
            self.step(In::Closest { op: *op, peers: closest.to_vec() });
        }
        asked.into_iter().map(|(_, key)| key).collect()
    }

    /// Requests to peers so far.
    fn requests(&mut self) -> Vec<(OpId, NodeId, Request)> {
        self.take(|wish| match wish {
            Out::Net(NetCommand::Request { op, to, protocol, payload }) => {
                assert_eq!(*protocol, Protocol::Record);
                Some((*op, *to, Request::decode(payload).expect("a request")))
            }
            _ => None,
        })
    }

    fn answer(&mut self, op: OpId, answer: &Answer) {
        self.step(In::PeerResponse { op, result: Ok(answer.encode()) });
    }

    /// Answers every request so far alike; returns how many there were.
    fn answer_all(&mut self, answer: &Answer) -> usize {
        let requests = self.requests();
        for (op, _, _) in &requests {
            self.answer(*op, answer);
        }
        requests.len()
    }

    /// Confirms every put so far; returns the records.
    fn confirm_all(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        for (op, _, request) in self.requests() {
            if let Request::Put { record, .. } = request {
                let record = Record::decode(&record).expect("a record");
                self.answer(op, &Answer::Stored { seq: record.seq() });
                records.push(record);
            }
        }
        records
    }

    fn resolve(&mut self, number: u8) -> OpId {
        let op = self.ids.next_id();
        self.step(In::Resolve { op, node: node(number) });
        op
    }

    fn resolved(&mut self) -> Vec<(OpId, Result<Card, ResolveError>)> {
        self.take(|wish| match wish {
            Out::Resolved { op, result } => Some((*op, result.clone())),
            _ => None,
        })
    }

    fn command(&mut self, command: Command) {
        self.step(In::Call { call: CallId(1), command });
    }

    fn replies(&mut self) -> Vec<Result<Reply, CommandError>> {
        self.take(|wish| match wish {
            Out::Reply { result, .. } => Some(result.clone()),
            _ => None,
        })
    }

    fn penalised(&mut self) -> Vec<NodeId> {
        self.take(|wish| match wish {
            Out::Net(NetCommand::Penalise { node, .. }) => Some(*node),
            _ => None,
        })
    }

    fn take<T>(&mut self, pick: impl Fn(&Out) -> Option<T>) -> Vec<T> {
        let mut taken = Vec::new();
        self.wishes.retain(|wish| match pick(wish) {
            Some(picked) => {
                taken.push(picked);
                false
            }
            None => true,
        });
        taken
    }

    fn offer_card(&mut self) {
        self.step(In::OwnAddresses { addresses: vec![address(1)] });
        self.step(In::OfferKeyPackage { device: DEVICE, key_package: vec![9; 300], mailbox: None });
    }

    fn published(&self, key: RecordKey) -> Option<Record> {
        let row = self.disk.published.iter().find(|row| row.key == key)?;
        Some(Record::decode(&row.record).expect("signed"))
    }
}

mod holding {
    use super::*;

    #[test]
    fn a_record_is_on_disk_before_its_sender_hears_stored() {
        let mut bench = Bench::new(1);
        bench.slow_disk = Some(vec![]);
        assert_eq!(bench.ask(2, put(&card_of(2, 5, vec![]))), vec![]);
        let (changes, then) = bench.slow_disk.take().and_then(|mut waiting| waiting.pop()).expect("a batch");
        assert!(matches!(changes.as_slice(), [Change::PutHeld(row)] if row.source == node(2)));
        bench.perform(then);
        assert_eq!(bench.answers(), vec![Answer::Stored { seq: 5 }]);
    }

    #[test]
    fn what_was_stored_is_served_also_after_a_restart() {
        let mut bench = Bench::new(1);
        let card = card_of(2, 5, vec![]);
        bench.ask(2, put(&card));
        assert_eq!(bench.ask(3, get(card.key())), vec![found(&card)]);
        let mut bench = bench.restarted();
        assert_eq!(bench.ask(3, get(card.key())), vec![found(&card)]);
        assert_eq!(bench.ask(3, get(card_key(node(9)))), vec![NOTHING]);
    }

    #[test]
    fn a_reader_that_knows_a_newer_one_is_spared_the_bytes() {
        let mut bench = Bench::new(1);
        let card = card_of(2, 5, vec![]);
        bench.ask(2, put(&card));
        let newer = Request::Get { key: card.key(), min_seq: 6 }.encode();
        assert_eq!(bench.ask(3, newer), vec![Answer::Nothing { held_seq: Some(5) }]);
    }

    #[test]
    fn nothing_is_served_after_its_lease() {
        let mut bench = Bench::new(1);
        let card = card_of(2, 5, vec![]);
        bench.ask(2, put(&card));
        bench.pass(DAY);
        assert_eq!(bench.ask(3, get(card.key())), vec![NOTHING]);
        bench.pass(HOUR);
        assert_eq!(bench.disk.held, vec![]);
    }

    #[test]
    fn a_replayed_older_card_is_refused_and_the_newer_one_stays() {
        let mut bench = Bench::new(1);
        let (old, new) = (card_of(2, 5, vec![]), card_of(2, 6, vec![address(2)]));
        bench.ask(2, put(&new));
        let refused = Answer::Refused { reason: Refusal::OlderThan { current: 6 } };
        assert_eq!(bench.ask(3, put(&old)), vec![refused]);
        assert_eq!(bench.ask(3, get(new.key())), vec![found(&new)]);
        assert_eq!(bench.penalised(), vec![], "it may not have known");
    }

    #[test]
    fn garbage_and_forgery_are_refused_and_counted_against_the_peer() {
        let mut bench = Bench::new(1);
        assert_eq!(bench.ask(3, vec![0xff; 30]), vec![]);
        assert!(matches!(bench.wishes.last(), Some(Out::Net(NetCommand::Drop { .. }))));
        assert_eq!(bench.penalised(), vec![node(3)]);

        let card = card_of(2, 5, vec![]);
        let mut forged = card.as_bytes().to_vec();
        if let Some(last) = forged.last_mut() {
            *last ^= 1;
        }
        let request = |record: Vec<u8>| Request::Put { record: record.into(), expected_seq: None }.encode();
        let refused = |reason| vec![Answer::Refused { reason }];
        assert_eq!(bench.ask(3, request(forged)), refused(Refusal::BadSignature));
        assert_eq!(bench.penalised(), vec![node(3)]);
        let mut trailing = card.as_bytes().to_vec();
        trailing.push(0);
        assert_eq!(bench.ask(3, request(trailing)), refused(Refusal::Malformed));
        assert_eq!(bench.ask(3, request(vec![0; limits::MAX_RECORD_BYTES + 1])), refused(Refusal::TooLarge));
        assert_eq!(bench.penalised(), vec![node(3), node(3)]);
        assert_eq!(bench.disk.held, vec![]);
    }

    #[test]
    fn a_clock_off_by_a_day_is_a_refusal_and_nobodys_fault() {
        let mut bench = Bench::new(1);
        bench.clock.unix = UnixMillis(EPOCH).before(DAY);
        let refused = Answer::Refused { reason: Refusal::NotYetValid };
        assert_eq!(bench.ask(2, put(&card_of(2, 5, vec![]))), vec![refused]);
        assert_eq!(bench.penalised(), vec![]);
        assert!(bench.dht.status().concerns.iter().any(|concern| concern.contains("behind")));
        bench.clock.unix = UnixMillis(EPOCH).after(8 * DAY);
        let refused = Answer::Refused { reason: Refusal::Expired };
        assert_eq!(bench.ask(2, put(&card_of(2, 5, vec![]))), vec![refused]);
    }

    #[test]
    fn a_client_keeps_nothing_for_others() {
        let clock = Now { mono: Mono(0), unix: UnixMillis(EPOCH) };
        let mut bench = Bench::with(1, 1, Disk::default(), clock);
        let refused = Answer::Refused { reason: Refusal::NotParticipating };
        assert_eq!(bench.ask(2, put(&card_of(2, 5, vec![]))), vec![refused]);
    }

    #[test]
    fn whoever_becomes_a_client_takes_nothing_more_and_keeps_its_word_for_what_it_has() {
        let mut bench = Bench::new(1);
        let held = card_of(2, 5, vec![]);
        assert_eq!(bench.ask(2, put(&held)), vec![Answer::Stored { seq: 5 }]);
        bench.step(In::Level { level: Level::Client });
        let refused = Answer::Refused { reason: Refusal::NotParticipating };
        assert_eq!(bench.ask(3, put(&card_of(3, 5, vec![]))), vec![refused]);
        assert_eq!(bench.disk.held.len(), 1);
        assert_eq!(bench.ask(3, get(held.key())), vec![found(&held)]);
        bench.step(In::Level { level: Level::Relay });
        assert_eq!(bench.ask(3, put(&card_of(3, 5, vec![]))), vec![Answer::Stored { seq: 5 }]);
    }

    #[test]
    fn our_own_card_is_served_by_us_and_an_older_one_of_ours_is_not_taken() {
        let mut bench = Bench::new(1);
        bench.up([2]);
        bench.offer_card();
        bench.route(&peers([2]));
        bench.confirm_all();
        let ours = bench.published(card_key(node(1))).expect("published");
        assert_eq!(bench.ask(3, get(ours.key())), vec![found(&ours)]);
        let old = card_of(1, 3, vec![]);
        let refused = Answer::Refused { reason: Refusal::OlderThan { current: ours.seq() } };
        assert_eq!(bench.ask(3, put(&old)), vec![refused]);
    }
}

mod finding {
    use super::*;

    #[test]
    fn a_card_is_found_through_third_parties_and_teaches_the_network_its_addresses() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        let op = bench.resolve(2);
        assert_eq!(bench.route(&peers([3, 4, 5])), vec![card_key(node(2))]);
        let card = card_of(2, 5, vec![address(2)]);
        assert_eq!(bench.answer_all(&found(&card)), 3);
        assert_eq!(bench.resolved(), vec![(op, Ok(card.card().expect("a card")))]);
        let learned = bench.take(|wish| match wish {
            Out::Net(NetCommand::Learn { peer }) => Some(peer.clone()),
            _ => None,
        });
        assert_eq!(learned, vec![Peer { node: node(2), addresses: vec![address(2)] }]);
    }

    #[test]
    fn concurrent_questions_for_the_same_card_are_one_lookup() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        let (first, second) = (bench.resolve(2), bench.resolve(2));
        assert_eq!(bench.route(&peers([3])).len(), 1);
        assert_eq!(bench.answer_all(&found(&card_of(2, 5, vec![]))), 1);
        let answered: Vec<_> = bench.resolved().into_iter().map(|(op, _)| op).collect();
        assert_eq!(answered, vec![first, second]);
    }

    #[test]
    fn within_a_minute_the_card_is_given_out_without_asking_again() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        bench.resolve(2);
        bench.route(&peers([3]));
        bench.answer_all(&found(&card_of(2, 5, vec![])));
        bench.resolved();
        bench.pass(Duration::from_secs(59));
        bench.resolve(2);
        assert_eq!(bench.resolved().len(), 1);
        bench.pass(Duration::from_secs(2));
        bench.resolve(2);
        assert_eq!(bench.resolved().len(), 0);
        assert_eq!(bench.route(&[]).len(), 1);
    }

    #[test]
    fn a_lower_sequence_never_replaces_the_newest_known_card_and_stale_holders_are_repaired() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        bench.resolve(2);
        bench.route(&peers([3]));
        let (old, new) = (card_of(2, 5, vec![]), card_of(2, 6, vec![address(2)]));
        bench.answer_all(&found(&new));
        bench.resolved();
        bench.pass(Duration::from_secs(61));
        bench.resolve(2);
        bench.route(&peers([4, 5]));
        assert_eq!(bench.answer_all(&found(&old)), 2);
        assert_eq!(bench.resolved().pop().map(|(_, card)| card), Some(Ok(new.card().expect("a card"))));
        let repairs = bench.requests();
        let repaired: BTreeSet<_> = repairs.iter().map(|(_, to, _)| *to).collect();
        assert_eq!(repaired, BTreeSet::from([node(4), node(5)]));
        for (_, _, request) in repairs {
            let bytes = new.as_bytes().to_vec();
            assert_eq!(request, Request::Put { record: bytes.into(), expected_seq: None });
        }
    }

    #[test]
    fn holders_that_have_nothing_are_brought_the_newest() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        bench.resolve(2);
        bench.route(&peers([3, 4]));
        let card = card_of(2, 5, vec![]);
        for (op, to, _) in bench.requests() {
            bench.answer(op, &if to == node(3) { NOTHING } else { found(&card) });
        }
        assert_eq!(bench.confirm_all(), vec![card]);
    }

    #[test]
    fn a_forged_answer_is_not_believed_and_counts_against_the_peer() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        let op = bench.resolve(2);
        bench.route(&peers([3, 4]));
        // Signed by the liar itself, under its own name.
        let forged = card_of(3, 9, vec![address(6)]);
        assert_eq!(bench.answer_all(&found(&forged)), 2);
        assert_eq!(bench.resolved(), vec![(op, Err(ResolveError::NotFound))]);
        assert_eq!(bench.penalised().len(), 2);
    }

    #[test]
    fn an_answer_that_is_garbage_counts_against_the_peer_and_the_lookup_goes_on() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        bench.resolve(2);
        bench.route(&peers([3, 4]));
        let requests = bench.requests();
        bench.step(In::PeerResponse { op: requests[0].0, result: Ok(vec![0xff; 9]) });
        assert_eq!(bench.penalised(), vec![requests[0].1]);
        bench.answer(requests[1].0, &found(&card_of(2, 5, vec![])));
        assert!(matches!(bench.resolved().as_slice(), [(_, Ok(_))]));
    }

    #[test]
    fn an_expired_card_is_not_found() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        bench.clock.unix = UnixMillis(EPOCH).after(8 * DAY);
        bench.resolve(2);
        bench.route(&peers([3]));
        bench.answer_all(&found(&card_of(2, 5, vec![])));
        assert!(matches!(bench.resolved().as_slice(), [(_, Err(ResolveError::NotFound))]));
        assert_eq!(bench.penalised(), vec![]);
    }

    #[test]
    fn alone_there_is_nobody_to_ask_but_what_is_held_here_is_found() {
        let mut bench = Bench::new(1);
        bench.resolve(2);
        bench.route(&[]);
        assert!(matches!(bench.resolved().as_slice(), [(_, Err(ResolveError::Alone))]));
        let card = card_of(2, 5, vec![]);
        bench.ask(2, put(&card));
        bench.resolve(2);
        bench.load();
        bench.route(&[]);
        assert!(matches!(bench.resolved().as_slice(), [(_, Ok(_))]));
    }

    #[test]
    fn a_node_whose_connections_were_closed_as_idle_still_looks_people_up() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        bench.step(In::PeerDown { node: node(3) });
        bench.resolve(2);
        bench.route(&peers([3]));
        assert_eq!(bench.answer_all(&found(&card_of(2, 5, vec![]))), 1);
        assert!(matches!(bench.resolved().as_slice(), [(_, Ok(_))]));
    }

    #[test]
    fn the_copy_held_here_is_believed_when_the_others_have_an_older_one() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        let new = card_of(2, 6, vec![address(2)]);
        bench.ask(2, put(&new));
        bench.resolve(2);
        bench.load();
        bench.route(&peers([3]));
        bench.answer_all(&found(&card_of(2, 5, vec![])));
        assert_eq!(bench.resolved().pop().map(|(_, card)| card), Some(Ok(new.card().expect("a card"))));
    }

    #[test]
    fn before_the_routing_table_knows_anybody_those_connected_are_asked() {
        let mut bench = Bench::new(1);
        bench.up([3, 4]);
        bench.resolve(2);
        bench.route(&[]);
        assert_eq!(bench.answer_all(&found(&card_of(2, 5, vec![]))), 2);
        assert!(matches!(bench.resolved().as_slice(), [(_, Ok(_))]));
    }

    #[test]
    fn one_lookup_too_many_is_busy() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        for n in 0..limits::MAX_LOOKUPS {
            bench.resolve(u8::try_from(n + 10).expect("a small limit"));
        }
        assert_eq!(bench.resolved(), vec![]);
        bench.resolve(5);
        assert!(matches!(bench.resolved().as_slice(), [(_, Err(ResolveError::Busy))]));
    }

    #[test]
    fn a_lookup_nobody_answers_ends_by_itself() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        bench.resolve(2);
        bench.route(&peers([3]));
        bench.pass(Duration::from_secs(20));
        assert!(matches!(bench.resolved().as_slice(), [(_, Err(ResolveError::NotFound))]));
    }

    #[test]
    fn an_answer_to_a_question_of_an_earlier_life_is_passed_over() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        bench.resolve(2);
        let stale = OpIds::new(Component::Dht, 0).next_id();
        bench.step(In::Closest { op: stale, peers: peers([4]) });
        bench.step(In::PeerResponse { op: stale, result: Ok(found(&card_of(2, 5, vec![])).encode()) });
        bench.step(In::Loaded { op: stale, record: None });
        assert_eq!((bench.requests(), bench.resolved()), (vec![], vec![]));
    }

    #[test]
    fn our_own_card_needs_no_network() {
        let mut bench = Bench::new(1);
        bench.up([3]);
        bench.resolve(1);
        assert!(matches!(bench.resolved().as_slice(), [(_, Err(ResolveError::NotFound))]));
        bench.offer_card();
        bench.route(&peers([3]));
        bench.resolve(1);
        assert!(matches!(bench.resolved().as_slice(), [(_, Ok(_))]));
    }
}

mod crowded;
mod handing_over;
mod publishing;

/// Rows as storage keeps them.
#[derive(Debug, Clone, Default)]
struct Disk {
    held: Vec<HeldRow>,
    published: Vec<PublishedRow>,
}

impl Disk {
    fn snapshot(&self) -> Snapshot {
        let held = self.held.iter().map(HeldSummary::of).collect();
        Snapshot { held, published: self.published.clone() }
    }

    /// Writes a change as storage does.
    fn apply(&mut self, change: Change) {
        let mut held: BTreeMap<_, _> = self.held.drain(..).map(|row| (row.key, row)).collect();
        let mut published: BTreeMap<_, _> = self.published.drain(..).map(|row| (row.key, row)).collect();
        match change {
            Change::PutHeld(row) => drop(held.insert(row.key, row)),
            Change::RemoveHeld { key } => drop(held.remove(&key)),
            Change::PutPublished(row) => drop(published.insert(row.key, row)),
            Change::RemovePublished { key } => drop(published.remove(&key)),
        }
        self.held.extend(held.into_values());
        self.published.extend(published.into_values());
    }
}
