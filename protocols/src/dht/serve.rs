//! Requests of peers: storing for them, answering them, and bringing records to nearer nodes.
//!
//! In: frames from authenticated peers, records read back from disk. Out: answers, each after the disk has what it says. A
//! frame that is garbage or carries a forged record is dropped or refused, and counts against the peer.
//!
//! Not here: what is kept and what is refused ([`super::holder`]).

use super::{
    Dht, Out,
    handover::{MAX_FOR_ONE, MAX_START_DELAY},
    holder::Source,
    machine::Pending,
    own::random_below,
    wire::{Answer, Refusal, Request},
};
use crate::{
    id::{NodeId, RecordKey},
    limits,
    net::{NetCommand, NetError, Protocol, RequestToken},
    record::{Record, Standing},
    time::{Mono, Now},
};

/// From this participation level on a node keeps records for others.
const HOLDS_FROM_LEVEL: u8 = 2;

impl Dht {
    /// A peer asks.
    pub(super) fn serve(
        &mut self,
        now: Now,
        from: Source,
        token: RequestToken,
        payload: &[u8],
        out: &mut Vec<Out>,
    ) {
        match Request::decode(payload) {
            Ok(Request::Put { record, expected_seq }) => {
                match self.keep(now, &record, expected_seq, from, out) {
                    // Only when the disk has it.
                    Ok((changes, seq)) => {
                        self.counters.stored = self.counters.stored.saturating_add(1);
                        self.sweep_later(now.mono);
                        let then = vec![respond(token, &Answer::Stored { seq })];
                        out.push(Out::Persist { changes, then });
                    }
                    Err(reason) => {
                        self.counters.refused = self.counters.refused.saturating_add(1);
                        if reason == Refusal::NotYetValid {
                            self.counters.from_the_future = self.counters.from_the_future.saturating_add(1);
                        }
                        out.push(respond(token, &Answer::Refused { reason }));
                    }
                }
            }
            Ok(Request::Get { key, min_seq }) => self.serve_get(now, token, key, min_seq, out),
            Err(_) => {
                self.blame(from.node, "sent a frame that is no request", out);
                out.push(Out::Net(NetCommand::Drop { token }));
            }
        }
    }

    /// Verifies a record and takes it in. The changes are to be written before the peer hears of it.
    fn keep(
        &mut self,
        now: Now,
        bytes: &[u8],
        expected_seq: Option<u64>,
        from: Source,
        out: &mut Vec<Out>,
    ) -> Result<(Vec<super::Change>, u64), Refusal> {
        if self.level < HOLDS_FROM_LEVEL {
            return Err(Refusal::NotParticipating);
        }
        let record = Record::decode(bytes).map_err(|error| {
            if error.blames_peer() {
                self.blame(from.node, "sent a bad or forged record", out);
            }
            Refusal::from(&error)
        })?;
        if let Some(own) = self.own_record(&record.key(), now.unix)
            && record.stamp().against(&own.stamp()) == Standing::Older
        {
            return Err(Refusal::OlderThan { current: own.seq() });
        }
        let changes = self.holder.put(now.unix, &record, expected_seq, from)?;
        self.known.seen(&record);
        Ok((changes, record.seq()))
    }

    fn serve_get(&mut self, now: Now, token: RequestToken, key: RecordKey, min_seq: u64, out: &mut Vec<Out>) {
        let held = self.holder.get(&key, now.unix);
        let own = self.own_record(&key, now.unix);
        if let Some(own) = own.filter(|own| held.is_none_or(|held| !held.preferred_to(&own.stamp()))) {
            let answer = if own.seq() >= min_seq {
                Answer::Found { record: own.as_bytes().to_vec().into() }
            } else {
                Answer::Nothing { held_seq: Some(own.seq()) }
            };
            out.push(respond(token, &answer));
            return;
        }
        match held {
            Some(held) if held.seq >= min_seq => {
                if self.reads >= limits::MAX_RECORD_READS {
                    // The peer asks others, and us again.
                    out.push(Out::Net(NetCommand::Drop { token }));
                    return;
                }
                let op = self.ask(now.mono, Pending::Serve { token, key, min_seq });
                out.push(Out::Load { op, key });
            }
            Some(held) => out.push(respond(token, &Answer::Nothing { held_seq: Some(held.seq) })),
            None => out.push(respond(token, &Answer::Nothing { held_seq: None })),
        }
    }

    /// A held record was read for a peer. It is served as it is on disk: a newer one that is being written is not
    /// promised to anybody yet.
    pub(super) fn serve_loaded(
        &mut self,
        now: Now,
        token: RequestToken,
        key: RecordKey,
        min_seq: u64,
        bytes: Option<Vec<u8>>,
        out: &mut Vec<Out>,
    ) {
        let record = bytes
            .and_then(|bytes| Record::trusted(&bytes).ok())
            .filter(|record| record.key() == key && record.validate(now.unix).is_ok());
        let answer = match record {
            Some(record) if record.seq() >= min_seq => {
                self.counters.served = self.counters.served.saturating_add(1);
                Answer::Found { record: record.into_bytes().into() }
            }
            Some(record) => Answer::Nothing { held_seq: Some(record.seq()) },
            None => Answer::Nothing { held_seq: None },
        };
        out.push(respond(token, &answer));
    }

    /// A peer connected: what it is nearer to than we are is to be brought to it.
    pub(super) fn welcome(&mut self, now: Mono, peer: NodeId) {
        if self.level < HOLDS_FROM_LEVEL {
            return;
        }
        let since = self.handover.since(peer, now);
        let keys = self.holder.nearer_to(peer, since, MAX_FOR_ONE);
        if keys.is_empty() {
            return;
        }
        self.handover.looked_at(peer, since, self.holder.arrivals(), now);
        let delay = random_below(MAX_START_DELAY, &mut self.rng);
        self.handover.queue(peer, keys, now, delay);
    }

    /// It is a nearer node's turn to be brought a record. As long as the owner refreshes it, that node mostly has it from the owner: it is asked
    /// first, for a question costs a tenth of a card and no write. Once refreshes fail to come the record itself is brought, which is what keeps it until its signature ends.
    pub(super) fn offer(&mut self, now: Now, peer: NodeId, key: RecordKey, out: &mut Vec<Out>) {
        let Some(held) = self.holder.get(&key, now.unix) else { return };
        if self.holder.stays(&key, now.unix).is_none_or(|stays| stays < limits::RECORD_LEASE / 2) {
            return self.read_for(now, peer, key, out);
        }
        // Only a number is wanted: nobody has a record above the newest.
        let payload = Request::Get { key, min_seq: held.seq.saturating_add(1) }.encode();
        let op = self.ask(now.mono, Pending::HandoverAsk { peer, key });
        out.push(Out::Net(NetCommand::Request { op, to: peer, protocol: Protocol::Record, payload }));
    }

    /// A nearer node said whether it has a record.
    pub(super) fn offer_answer(
        &mut self,
        now: Now,
        peer: NodeId,
        key: RecordKey,
        result: Result<Vec<u8>, NetError>,
        out: &mut Vec<Out>,
    ) {
        match result.map(|bytes| Answer::decode(&bytes)) {
            Ok(Ok(Answer::Nothing { held_seq })) => {
                if self
                    .holder
                    .get(&key, now.unix)
                    .is_some_and(|held| held_seq.is_none_or(|seq| seq < held.seq))
                {
                    self.read_for(now, peer, key, out);
                }
            }
            // It has a newer one, or says so: its owner or a reader will bring it here.
            Ok(Ok(Answer::Found { .. })) => {}
            Ok(Ok(Answer::Stored { .. } | Answer::Refused { .. }) | Err(_)) => {
                self.blame(peer, "answered a get with something else", out);
            }
            Err(NetError::Unsupported) => self.handover.forget(peer),
            // It cannot be asked now.
            Err(_) => {}
        }
    }

    fn read_for(&mut self, now: Now, peer: NodeId, key: RecordKey, out: &mut Vec<Out>) {
        let op = self.ask(now.mono, Pending::HandoverRead { peer, key });
        out.push(Out::Load { op, key });
    }

    /// A held record was read for a nearer node.
    pub(super) fn hand_over(
        &mut self,
        now: Now,
        peer: NodeId,
        key: RecordKey,
        bytes: Option<Vec<u8>>,
        out: &mut Vec<Out>,
    ) {
        let record = bytes
            .and_then(|bytes| Record::trusted(&bytes).ok())
            .filter(|record| record.key() == key && record.validate(now.unix).is_ok());
        if let Some(record) = record.filter(|_| self.connected.contains(&peer)) {
            let payload = Request::Put { record: record.into_bytes().into(), expected_seq: None }.encode();
            let op = self.ask(now.mono, Pending::HandoverPut { peer });
            out.push(Out::Net(NetCommand::Request { op, to: peer, protocol: Protocol::Record, payload }));
        }
    }

    /// The verdict of a node that was brought somebody else's record.
    pub(super) fn put_answer(&mut self, peer: NodeId, result: Result<Vec<u8>, NetError>, out: &mut Vec<Out>) {
        match result.map(|bytes| Answer::decode(&bytes)) {
            Ok(Ok(Answer::Refused {
                reason: Refusal::NotParticipating | Refusal::SourceQuota | Refusal::Full,
            }))
            | Err(NetError::Unsupported) => self.handover.forget(peer),
            Ok(Ok(Answer::Found { .. } | Answer::Nothing { .. }) | Err(_)) => {
                self.blame(peer, "answered a put with something else", out);
            }
            // It has it, or has something newer, or cannot be asked now: its owner's refresh will come.
            Ok(Ok(Answer::Stored { .. } | Answer::Refused { .. })) | Err(_) => {}
        }
    }
}

fn respond(token: RequestToken, answer: &Answer) -> Out {
    Out::Net(NetCommand::Respond { token, payload: answer.encode() })
}
