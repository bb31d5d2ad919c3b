//! Keeping our own records published.
//!
//! In: cards and values to publish, verdicts of the closest nodes, time. Out: writes, puts, answers to callers. A record is
//! on our disk before anybody hears of it, so that a number is never used twice. A round puts it to the
//! closest nodes; enough of them confirm it, and it is due again after a third of the lease; otherwise after a wait
//! that doubles. When the key turns out to be contested, a lookup shows by what: never a holder's word alone.
//!
//! Not here: one round's count ([`super::own`]), what the card says ([`super::own_card`]).

use super::{
    Change, CommandError, Dht, Out, Reply,
    machine::Pending,
    own::{MAX_BUMPS, Outcome, Own, Phase, Round},
    wire::{Answer, Request},
};
use crate::{
    id::{NodeId, RecordKey},
    limits,
    machine::CallId,
    net::{NetCommand, NetError, Peer, Protocol},
    record::{Draft, Kind, Record, RecordError, card_key},
    time::{Now, UnixMillis},
};

/// Most rounds at once that nobody waits for: a start with many records is spread out.
const MAX_ROUNDS: usize = 8;

/// Nodes that are asked to keep a record at each point beside its key when that is crowded: with two such points, as many again as without a crowd.
const BESIDE: usize = limits::REPLICATION / 2;

impl Dht {
    /// Signs and publishes the card when it changed and its time has come.
    pub(super) fn publish_card(&mut self, now: Now, out: &mut Vec<Out>) {
        let Some(card) = self.card.take(now.mono) else { return };
        let key = card_key(card.node);
        let last = self.own.get(&key).map(|own| &own.record);
        if last.and_then(Record::card).as_ref() == Some(&card) {
            return;
        }
        let seq = next_seq(Kind::Card, last.map_or(0, Record::seq), now.unix);
        match self.sign(Kind::Card, Vec::new(), seq, Some(card.encode()), now.unix) {
            Ok(record) => self.publish(now, record, None, None, out),
            // Its parts were bounded when they came in; without a card the old one stays.
            Err(_) => self.counters.key_package_too_large = true,
        }
    }

    /// Signs a record of our own for the longest time allowed.
    pub(super) fn sign(
        &self,
        kind: Kind,
        salt: Vec<u8>,
        seq: u64,
        payload: Option<Vec<u8>>,
        unix: UnixMillis,
    ) -> Result<Record, RecordError> {
        let expires = unix.after(limits::RECORD_LIFETIME);
        Record::sign(&self.signer, Draft { kind, salt, seq, not_before: unix, expires, payload })
    }

    /// Writes a new record of our own and begins a round; whoever waited for the one it replaces is told so.
    pub(super) fn publish(
        &mut self,
        now: Now,
        record: Record,
        caller: Option<CallId>,
        expected_seq: Option<u64>,
        out: &mut Vec<Out>,
    ) {
        let mut own = Own::new(record, now.mono);
        own.callers.extend(caller);
        own.expected_seq = expected_seq;
        let key = own.record.key();
        if let Some(before) = self.own.get_mut(&key) {
            let error = CommandError::Changed { current_seq: own.record.seq() };
            reply_all(&mut before.callers, &Err(error), out);
        }
        self.own.insert(key, own);
        self.write_and_begin(now, key, out);
    }

    /// Writes the record under `key` and begins its round when the disk has it.
    fn write_and_begin(&mut self, now: Now, key: RecordKey, out: &mut Vec<Out>) {
        let alone = self.connected.is_empty();
        let mut then = Vec::new();
        if alone {
            let Some(own) = self.own.get_mut(&key) else { return };
            own.durable = false;
            own.phase = Phase::Waiting { due: now.mono };
            let error = CommandError::TooFewHolders { holders: 0, asked: 0 };
            reply_all(&mut own.callers, &Err(error), &mut then);
        } else {
            self.route(now, key, &mut then);
        }
        if let Some(own) = self.own.get(&key) {
            out.push(Out::Persist { changes: vec![Change::PutPublished(own.row())], then });
        }
    }

    /// Asks for the closest nodes.
    fn route(&mut self, now: Now, key: RecordKey, out: &mut Vec<Out>) {
        let round = self.number();
        if let Some(own) = self.own.get_mut(&key) {
            let deadline = now.mono.after(Round::time());
            own.phase = Phase::Routing { round, deadline, found: Vec::new(), walks: 1 };
            own.last_round = Some(now.mono);
        }
        self.find_closest(now.mono, key, Pending::RoundClosest { key, round }, out);
    }

    /// Begins the rounds that are due and ends those whose time is over.
    pub(super) fn run_rounds(&mut self, now: Now, out: &mut Vec<Out>) {
        let over: Vec<_> = self.own.iter().filter(|(_, own)| over(own, now)).map(|(key, _)| *key).collect();
        for key in over {
            self.end_round(now, key, out);
        }
        let due: Vec<_> = self.own.iter().filter(|(_, own)| own.due(now.mono)).map(|(key, _)| *key).collect();
        for key in due.into_iter().take(self.free_rounds()) {
            self.begin_round(now, key, out);
        }
    }

    /// How many rounds may begin now. None while nobody is connected.
    pub(super) fn free_rounds(&self) -> usize {
        if self.connected.is_empty() {
            return 0;
        }
        let running = self.own.values().filter(|own| !matches!(own.phase, Phase::Waiting { .. })).count();
        MAX_ROUNDS.saturating_sub(running)
    }

    /// A round that is due: signs anew what would run out, forgets what has run out, puts the rest again.
    fn begin_round(&mut self, now: Now, key: RecordKey, out: &mut Vec<Out>) {
        let Some(own) = self.own.get(&key) else { return };
        let left = own.record.expires().map(|expires| expires.since(now.unix));
        if left.is_none_or(|left| left > limits::RECORD_LIFETIME / 2) {
            // Not durable: it was made while nobody was connected, or its write took longer than a round may.
            return if own.durable { self.route(now, key, out) } else { self.write_and_begin(now, key, out) };
        }
        match own.record.payload() {
            Some(_) => self.bump(now, key, 0, out),
            None if left == Some(std::time::Duration::ZERO) => {
                self.own.remove(&key);
                out.push(Out::Persist { changes: vec![Change::RemovePublished { key }], then: Vec::new() });
            }
            None => self.route(now, key, out),
        }
    }

    /// Signs what we say under `key` anew, above `other_seq`.
    fn bump(&mut self, now: Now, key: RecordKey, other_seq: u64, out: &mut Vec<Out>) {
        let Some(own) = self.own.get(&key) else { return };
        let record = &own.record;
        let (kind, seq) = (record.kind(), next_seq(record.kind(), record.seq().max(other_seq), now.unix));
        let (salt, payload) = (record.salt().to_vec(), record.payload().map(<[u8]>::to_vec));
        let signed = self.sign(kind, salt, seq, payload, now.unix);
        let Some(own) = self.own.get_mut(&key) else { return };
        match signed {
            Ok(record) => {
                own.record = record;
                own.durable = false;
                own.bumps = own.bumps.saturating_add(1);
                self.write_and_begin(now, key, out);
            }
            // The same content was signed before; should it fail all the same, the old one stays until it runs out.
            Err(_) => own.failed(now.mono, &mut self.rng),
        }
    }

    /// The closest nodes of a round are known.
    pub(super) fn round_routed(
        &mut self,
        now: Now,
        key: RecordKey,
        number: u64,
        peers: &[Peer],
        out: &mut Vec<Out>,
    ) {
        if !self.own.get(&key).is_some_and(|own| own.routing(number)) {
            return;
        }
        let nearest = self.nearest(peers, &key);
        let beside = self.look_beside(now.mono, key, peers, Pending::RoundBeside { key, round: number }, out);
        self.round_found(now, key, number, nearest, beside, out);
    }

    /// Nodes beside a crowded key of a round are known.
    pub(super) fn round_beside(
        &mut self,
        now: Now,
        key: RecordKey,
        number: u64,
        peers: &[Peer],
        out: &mut Vec<Out>,
    ) {
        let here = self.signer.node();
        let found = peers.iter().map(|peer| peer.node).filter(|node| *node != here);
        self.round_found(now, key, number, found.take(BESIDE).collect(), 0, out);
    }

    /// A walk of a round has come back, and `further` others begin; after the last one, everybody found is asked to keep the record.
    fn round_found(
        &mut self,
        now: Now,
        key: RecordKey,
        number: u64,
        nodes: Vec<NodeId>,
        further: usize,
        out: &mut Vec<Out>,
    ) {
        let Some(own) = self.own.get_mut(&key) else { return };
        let Phase::Routing { round, found, walks, .. } = &mut own.phase else { return };
        if *round != number {
            return;
        }
        // The question was held back until the record was on disk.
        own.durable = true;
        found.extend(nodes);
        *walks = walks.saturating_sub(1).saturating_add(further);
        if *walks > 0 {
            return;
        }
        let round = Round::new(number, std::mem::take(found), now.mono);
        let peers = round.peers();
        own.thin = peers.len() < limits::REPLICATION;
        own.phase = Phase::Asking(round);
        let record = own.record.as_bytes().to_vec();
        let payload = Request::Put { record: record.into(), expected_seq: own.expected_seq }.encode();
        for peer in peers {
            let op = self.ask(now.mono, Pending::RoundPut { key, round: number, peer });
            let payload = payload.clone();
            out.push(Out::Net(NetCommand::Request { op, to: peer, protocol: Protocol::Record, payload }));
        }
        self.end_round_if_over(now, key, out);
    }

    /// A node's verdict in a round.
    pub(super) fn round_answer(
        &mut self,
        now: Now,
        key: RecordKey,
        number: u64,
        peer: NodeId,
        result: Result<Vec<u8>, NetError>,
        out: &mut Vec<Out>,
    ) {
        let answer = result.map(|bytes| Answer::decode(&bytes));
        if matches!(answer, Ok(Err(_) | Ok(Answer::Found { .. } | Answer::Nothing { .. }))) {
            self.blame(peer, "answered a put with something else", out);
        }
        let Some(own) = self.own.get_mut(&key) else { return };
        let seq = own.record.seq();
        let Phase::Asking(round) = &mut own.phase else { return };
        if round.number != number {
            return;
        }
        match answer {
            Ok(Ok(Answer::Stored { seq: stored })) if stored == seq => round.stored(peer, now.mono),
            Ok(Ok(Answer::Refused { reason })) => round.refused(peer, reason),
            Ok(Ok(Answer::Stored { .. } | Answer::Found { .. } | Answer::Nothing { .. }) | Err(_)) => {
                round.failed(peer, false);
            }
            Err(NetError::NoAddress | NetError::Unreachable | NetError::Unsupported) => {
                round.failed(peer, true)
            }
            Err(NetError::TimedOut | NetError::Closed | NetError::TooLarge | NetError::Busy) => {
                round.failed(peer, false);
            }
        }
        self.end_round_if_over(now, key, out);
    }

    fn end_round_if_over(&mut self, now: Now, key: RecordKey, out: &mut Vec<Out>) {
        if self.own.get(&key).is_some_and(|own| over(own, now)) {
            self.end_round(now, key, out);
        }
    }

    fn end_round(&mut self, now: Now, key: RecordKey, out: &mut Vec<Out>) {
        let Some(own) = self.own.get_mut(&key) else { return };
        let none = Outcome { holders: 0, asked: 0, enough: false, contested: false, from_the_future: 0 };
        let outcome = if let Phase::Asking(round) = &own.phase { round.outcome() } else { none };
        let Outcome { holders, asked, .. } = outcome;
        self.counters.we_seem_ahead =
            if outcome.from_the_future.saturating_mul(2) > asked { outcome.from_the_future } else { 0 };
        if outcome.enough {
            own.succeeded(now.mono, now.unix, &mut self.rng);
            let reply = Reply::Stored { key, seq: own.record.seq(), holders, asked };
            let mut then = Vec::new();
            reply_all(&mut own.callers, &Ok(reply), &mut then);
            out.push(Out::Persist { changes: vec![Change::PutPublished(own.row())], then });
        } else if outcome.contested && own.bumps < MAX_BUMPS {
            own.phase = Phase::Looking;
            let known = own.record.clone();
            if !self.look_for_contest(now, known, out) {
                self.round_failed(now, key, outcome, out);
            }
        } else {
            self.round_failed(now, key, outcome, out);
        }
    }

    fn round_failed(&mut self, now: Now, key: RecordKey, outcome: Outcome, out: &mut Vec<Out>) {
        let Some(own) = self.own.get_mut(&key) else { return };
        own.bumps = 0;
        own.failed(now.mono, &mut self.rng);
        let error = CommandError::TooFewHolders { holders: outcome.holders, asked: outcome.asked };
        reply_all(&mut own.callers, &Err(error), out);
    }

    /// A lookup found what there is under a contested key: `newest` is verified, ours at least.
    pub(super) fn contest_found(
        &mut self,
        now: Now,
        key: RecordKey,
        newest: &Record,
        conflict: bool,
        out: &mut Vec<Out>,
    ) {
        let Some(own) = self.own.get_mut(&key).filter(|own| matches!(own.phase, Phase::Looking)) else {
            return;
        };
        let ours = own.record.stamp();
        let theirs = newest.stamp();
        let unseen = own.expected_seq.is_some_and(|expected| theirs.seq > expected);
        if theirs == ours && !conflict {
            // Somebody said there was another one, and nobody has it to show.
            let none = Outcome { holders: 0, asked: 0, enough: false, contested: false, from_the_future: 0 };
            self.round_failed(now, key, none, out);
        } else if theirs != ours && (unseen || !own.asserted) {
            let error = CommandError::Changed { current_seq: theirs.seq };
            reply_all(&mut own.callers, &Err(error), out);
            own.expected_seq = None;
            own.asserted = false;
            own.record = newest.clone();
            own.durable = false;
            own.confirmed = None;
            self.write_and_begin(now, key, out);
        } else {
            own.expected_seq = None;
            self.bump(now, key, theirs.seq, out);
        }
    }
}

fn over(own: &Own, now: Now) -> bool {
    match &own.phase {
        Phase::Asking(round) => round.over(now.mono),
        Phase::Routing { deadline, .. } => *deadline <= now.mono,
        Phase::Waiting { .. } | Phase::Looking => false,
    }
}

/// The number of the next record after `last`. A card counts in milliseconds, so that one of an identity restored on an empty
/// disk is above those it has forgotten; values count by one, for compare and swap.
pub(super) fn next_seq(kind: Kind, last: u64, unix: UnixMillis) -> u64 {
    let next = last.saturating_add(1);
    match kind {
        Kind::Card => next.max(unix.0),
        Kind::Value | Kind::ByHash => next,
    }
}

/// Answers everybody who waits.
pub(super) fn reply_all(callers: &mut Vec<CallId>, result: &Result<Reply, CommandError>, out: &mut Vec<Out>) {
    out.extend(callers.drain(..).map(|call| Out::Reply { call, result: result.clone() }));
}
