//! Finding records: running lookups, sharing them, and telling everybody who waits.
//!
//! In: who wants what, the closest nodes, their answers. Out: questions, the newest verified record, and repairs: nodes that turned
//! out to be behind are brought the newest. Lookups of the same key at the same depth are one.
//!
//! Not here: what one lookup counts ([`super::lookup`]), what people are told ([`super::commands`]).

use super::{
    Depth, Dht, Out, ResolveError,
    lookup::{Lookup, Waiter},
    machine::Pending,
    wire::{Answer, Request},
};
use crate::{
    id::{NodeId, RecordKey},
    limits,
    machine::OpId,
    net::{NetCommand, NetError, Peer, Protocol},
    record::{Card, Kind, Record, card_key},
    time::Now,
};

/// Lookups whose waiters have their answer and that still collect late ones, at most; beyond, the oldest are dropped.
const MAX_LINGERING: usize = 128;

impl Dht {
    /// Another machine wants the newest card of a person.
    pub(super) fn resolve(&mut self, now: Now, op: OpId, node: NodeId, out: &mut Vec<Out>) {
        if let Some(result) = self.card_at_hand(now, node) {
            out.push(Out::Resolved { op, result });
        } else if let Err(error) = self.look_for_card(now, node, Waiter::Resolve { op }, out) {
            out.push(Out::Resolved { op, result: Err(error) });
        }
    }

    /// Our own card, or one that was looked up within the last minute.
    pub(super) fn card_at_hand(&self, now: Now, node: NodeId) -> Option<Result<Card, ResolveError>> {
        let record = if node == self.signer.node() {
            return Some(
                self.own_record(&card_key(node), now.unix)
                    .and_then(Record::card)
                    .ok_or(ResolveError::NotFound),
            );
        } else {
            self.known.fresh(node, now.mono, now.unix)?
        };
        Some(record.card().ok_or(ResolveError::NotFound))
    }

    /// Looks a card up, beginning with the newest one remembered.
    pub(super) fn look_for_card(
        &mut self,
        now: Now,
        node: NodeId,
        waiter: Waiter,
        out: &mut Vec<Out>,
    ) -> Result<(), ResolveError> {
        let known = self.known.newest(node, now.unix).cloned();
        self.look(now, card_key(node), Depth::Quorum, waiter, known, out)
    }

    /// Finds out what contests a key of ours. Returns false when there are too many lookups.
    pub(super) fn look_for_contest(&mut self, now: Now, known: Record, out: &mut Vec<Out>) -> bool {
        // Everybody is asked: the one holder that refused has to be among them.
        self.look(now, known.key(), Depth::Exhaustive, Waiter::Contest, Some(known), out).is_ok()
    }

    /// Begins a lookup, or joins one under way.
    ///
    /// `known` is the newest record at hand: nothing older is asked for.
    pub(super) fn look(
        &mut self,
        now: Now,
        key: RecordKey,
        depth: Depth,
        waiter: Waiter,
        known: Option<Record>,
        out: &mut Vec<Out>,
    ) -> Result<(), ResolveError> {
        let same = |lookup: &&mut Lookup| lookup.key == key && lookup.depth == depth && !lookup.done;
        if let Some(lookup) = self.lookups.values_mut().find(same) {
            if lookup.waiters.len() >= limits::MAX_LOOKUP_WAITERS {
                return Err(ResolveError::Busy);
            }
            lookup.waiters.push(waiter);
            return Ok(());
        }
        if self.lookups.values().filter(|lookup| !lookup.done).count() >= limits::MAX_LOOKUPS {
            return Err(ResolveError::Busy);
        }
        let number = self.number();
        let held = self.holder.get(&key, now.unix);
        let reading = match (&known, held) {
            (Some(known), Some(held)) => held.preferred_to(&known.stamp()),
            (None, held) => held.is_some(),
            (Some(_), None) => false,
        };
        if reading {
            let op = self.ask(now.mono, Pending::LookupHeld { lookup: number });
            out.push(Out::Load { op, key });
        }
        if depth != Depth::Local {
            self.find_closest(now.mono, key, Pending::LookupClosest { lookup: number }, out);
        }
        let mut lookup = Lookup::new(key, depth, waiter, known, reading, now.mono);
        // Nobody connected is not nobody to ask: others close idle connections, and the routing table still knows the way.
        lookup.alone = self.connected.is_empty();
        self.lookups.insert(number, lookup);
        self.advance(now, number, out);
        Ok(())
    }

    /// The closest nodes of a lookup are known.
    pub(super) fn lookup_routed(&mut self, now: Now, number: u64, peers: &[Peer], out: &mut Vec<Out>) {
        let Some(key) = self.lookups.get(&number).map(|lookup| lookup.key) else { return };
        let nearest = self.nearest(peers, &key);
        let beside = self.look_beside(now.mono, key, peers, Pending::LookupBeside { lookup: number }, out);
        let Some(lookup) = self.lookups.get_mut(&number) else { return };
        lookup.alone = nearest.is_empty();
        lookup.routed(nearest, beside);
        self.advance(now, number, out);
    }

    /// Nodes beside a crowded key of a lookup are known.
    pub(super) fn lookup_beside(&mut self, now: Now, number: u64, peers: &[Peer], out: &mut Vec<Out>) {
        let Some(lookup) = self.lookups.get_mut(&number) else { return };
        let here = self.signer.node();
        let found = peers.iter().map(|peer| peer.node).filter(|node| *node != here);
        lookup.routed(found.take(limits::REPLICATION), 0);
        self.advance(now, number, out);
    }

    /// The copy held here was read for a lookup.
    pub(super) fn lookup_read(&mut self, now: Now, number: u64, record: Option<Vec<u8>>, out: &mut Vec<Out>) {
        let Some(lookup) = self.lookups.get_mut(&number) else { return };
        lookup.read(record.and_then(|bytes| Record::trusted(&bytes).ok()), now.unix);
        self.advance(now, number, out);
    }

    /// A node answered a lookup's question, or did not.
    pub(super) fn lookup_answer(
        &mut self,
        now: Now,
        number: u64,
        peer: NodeId,
        result: Result<Vec<u8>, NetError>,
        out: &mut Vec<Out>,
    ) {
        let answer = result.map(|bytes| Answer::decode(&bytes));
        let Some(lookup) = self.lookups.get_mut(&number) else {
            if matches!(answer, Ok(Err(_))) {
                self.blame(peer, "sent a frame that is no answer", out);
            }
            return;
        };
        match answer {
            Ok(Ok(answer)) => {
                if lookup.answered(peer, &answer, now.unix).is_err() {
                    self.blame(peer, "answered a get with something else or a forged record", out);
                }
            }
            Ok(Err(_)) => {
                lookup.failed();
                self.blame(peer, "sent a frame that is no answer", out);
            }
            Err(_) => lookup.failed(),
        }
        self.advance(now, number, out);
    }

    /// Ends what has taken too long.
    pub(super) fn expire_lookups(&mut self, now: Now, out: &mut Vec<Out>) {
        let late: Vec<_> = self
            .lookups
            .iter()
            .filter(|(_, lookup)| lookup.deadline <= now.mono)
            .map(|(number, _)| *number)
            .collect();
        for number in late {
            if let Some(lookup) = self.lookups.remove(&number) {
                self.conclude(now, lookup, out);
            }
        }
    }

    /// Asks further, tells the waiters, or ends a lookup, as far as it has come.
    fn advance(&mut self, now: Now, number: u64, out: &mut Vec<Out>) {
        let Some(mut lookup) = self.lookups.remove(&number) else { return };
        if lookup.settled() {
            self.tell(now, &mut lookup, out);
        }
        if lookup.drained() {
            self.conclude(now, lookup, out);
            return;
        }
        let next = lookup.next_to_ask();
        self.lookups.insert(number, lookup);
        self.get_from(now, number, next, out);
        let lingering = self.lookups.values().filter(|lookup| lookup.done).count();
        if lingering > MAX_LINGERING
            && let Some(oldest) =
                self.lookups.iter().find(|(_, lookup)| lookup.done).map(|(number, _)| *number)
        {
            self.lookups.remove(&oldest);
        }
    }

    fn get_from(&mut self, now: Now, number: u64, peers: Vec<NodeId>, out: &mut Vec<Out>) {
        let Some(lookup) = self.lookups.get(&number) else { return };
        let payload = Request::Get { key: lookup.key, min_seq: lookup.min_seq }.encode();
        for peer in peers {
            let op = self.ask(now.mono, Pending::LookupGet { lookup: number, peer });
            let payload = payload.clone();
            out.push(Out::Net(NetCommand::Request { op, to: peer, protocol: Protocol::Record, payload }));
        }
    }

    /// Everybody who waits gets the answer; late answers go on being collected.
    fn tell(&mut self, now: Now, lookup: &mut Lookup, out: &mut Vec<Out>) {
        if lookup.done {
            return;
        }
        lookup.done = true;
        if lookup.conflict() && self.own.contains_key(&lookup.key) {
            self.counters.conflicts = self.counters.conflicts.saturating_add(1);
        }
        if let Some(record) = lookup.best().filter(|record| record.kind() == Kind::Card) {
            if !lookup.alone {
                self.known.found(record, now.mono);
            }
            if let Some(card) = record.card().filter(|card| !card.addresses.is_empty()) {
                let peer = Peer { node: card.node, addresses: card.addresses };
                out.push(Out::Net(NetCommand::Learn { peer }));
            }
        }
        let missing = if lookup.alone { ResolveError::Alone } else { ResolveError::NotFound };
        for waiter in std::mem::take(&mut lookup.waiters) {
            self.tell_waiter(now, waiter, lookup, missing, out);
        }
    }

    /// Nothing more will come: tells who still waits, and brings the newest record to those who are behind.
    fn conclude(&mut self, now: Now, mut lookup: Lookup, out: &mut Vec<Out>) {
        self.tell(now, &mut lookup, out);
        let Some(best) = lookup.best() else { return };
        // Our own records have rounds of their own, with the newest signature.
        if best.owner() == Some(self.signer.node()) || best.validate(now.unix).is_err() {
            return;
        }
        let put = Request::Put { record: best.as_bytes().to_vec().into(), expected_seq: None };
        let payload = put.encode();
        for peer in lookup.behind() {
            let op = self.ask(now.mono, Pending::Repair { peer });
            let payload = payload.clone();
            out.push(Out::Net(NetCommand::Request { op, to: peer, protocol: Protocol::Record, payload }));
        }
    }
}
