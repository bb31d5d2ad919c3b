//! What people and scripts ask of the record machine, and what they are told.
//!
//! In: a command, or the end of the lookup it waited for. Out: replies, lookups, records to publish. A write looks first
//! at what is there, so that its number is above it; alone, it is kept and published with the first connection.
//!
//! Not here: how records are found ([`super::find`]) and kept published ([`super::publish`]).

use super::{
    Command, CommandError, Depth, Dht, Out, Reply, ResolveError,
    lookup::{Lookup, Waiter},
    publish::next_seq,
};
use crate::{
    id::RecordKey,
    limits,
    machine::CallId,
    record::{Kind, Record, RecordError, hash_key, value_key},
    time::Now,
};

impl Dht {
    /// Carries a command out as far as it goes without the network.
    pub(super) fn command(&mut self, now: Now, call: CallId, command: Command, out: &mut Vec<Out>) {
        let done = match command {
            Command::FindCard { node } => match self.card_at_hand(now, node) {
                Some(card) => {
                    let result = card.map(|card| Reply::Card(Box::new(card))).map_err(CommandError::NotFound);
                    out.push(Out::Reply { call, result });
                    Ok(())
                }
                None => self
                    .look_for_card(now, node, Waiter::FindCard { call }, out)
                    .map_err(CommandError::NotFound),
            },
            Command::PutValue { salt, payload, expected_seq } => {
                self.write(now, call, salt, Some(payload), expected_seq, out)
            }
            Command::PutImmutable { payload } => self.put_by_hash(now, call, payload, out),
            Command::GetValue { owner, salt, depth } => {
                self.get(now, call, value_key(owner, &salt), depth, out)
            }
            // The hash vouches for whoever answers first.
            Command::GetImmutable { hash } => self.get(now, call, hash_key(&hash), Depth::First, out),
            Command::DeleteValue { salt } => self.write(now, call, salt, None, None, out),
        };
        if let Err(error) = done {
            out.push(Out::Reply { call, result: Err(error) });
        }
    }

    /// Tells one waiter how its lookup ended. `missing` is why there is nothing, if there is nothing.
    pub(super) fn tell_waiter(
        &mut self,
        now: Now,
        waiter: Waiter,
        lookup: &Lookup,
        missing: ResolveError,
        out: &mut Vec<Out>,
    ) {
        let best = lookup.best();
        match waiter {
            Waiter::Resolve { op } => {
                let result = best.and_then(Record::card).ok_or(missing);
                out.push(Out::Resolved { op, result });
            }
            Waiter::FindCard { call } => {
                let card = best.and_then(Record::card).ok_or(CommandError::NotFound(missing));
                out.push(Out::Reply { call, result: card.map(|card| Reply::Card(Box::new(card))) });
            }
            Waiter::GetValue { call } => {
                let value = best.and_then(value).ok_or(CommandError::NotFound(missing));
                out.push(Out::Reply { call, result: value });
            }
            Waiter::Write { call, salt, payload, expected_seq } => {
                self.write_over(now, call, salt, payload, expected_seq, best, out);
            }
            Waiter::Contest => {
                let Some(ours) = self.own.get(&lookup.key).map(|own| own.record.clone()) else { return };
                let newer = best.filter(|best| best.stamp().preferred_to(&ours.stamp()));
                self.contest_found(now, lookup.key, newer.unwrap_or(&ours), lookup.conflict(), out);
            }
        }
    }

    fn get(
        &mut self,
        now: Now,
        call: CallId,
        key: RecordKey,
        depth: Depth,
        out: &mut Vec<Out>,
    ) -> Result<(), CommandError> {
        let known = self.own_record(&key, now.unix).cloned();
        Ok(self.look(now, key, depth, Waiter::GetValue { call }, known, out)?)
    }

    /// Checks a write and looks at what is there.
    fn write(
        &mut self,
        now: Now,
        call: CallId,
        salt: Vec<u8>,
        payload: Option<Vec<u8>>,
        expected_seq: Option<u64>,
        out: &mut Vec<Out>,
    ) -> Result<(), CommandError> {
        fits("the salt", salt.len(), limits::MAX_SALT_BYTES)?;
        fits("a value", payload.as_ref().map_or(0, Vec::len), limits::MAX_PAYLOAD_BYTES)?;
        let key = value_key(self.signer.node(), &salt);
        self.has_room(&key)?;
        if self.connected.is_empty() {
            self.write_over(now, call, salt, payload, expected_seq, None, out);
            return Ok(());
        }
        let known = self.own_record(&key, now.unix).cloned();
        let waiter = Waiter::Write { call, salt, payload, expected_seq };
        Ok(self.look(now, key, Depth::Quorum, waiter, known, out)?)
    }

    /// Writes over what was found in the network and what we published ourselves, whichever is newer.
    #[expect(clippy::too_many_arguments, reason = "the parts of the command and what was found")]
    fn write_over(
        &mut self,
        now: Now,
        call: CallId,
        salt: Vec<u8>,
        payload: Option<Vec<u8>>,
        expected_seq: Option<u64>,
        found: Option<&Record>,
        out: &mut Vec<Out>,
    ) {
        let key = value_key(self.signer.node(), &salt);
        let ours = self.own.get(&key).map(|own| &own.record);
        let newest = match (ours, found) {
            (Some(ours), Some(found)) if found.stamp().preferred_to(&ours.stamp()) => Some(found),
            (Some(ours), _) => Some(ours),
            (None, found) => found,
        };
        let current_seq = newest.map_or(0, Record::seq);
        let withdrawn = newest.is_none_or(|record| record.payload().is_none());
        let refused = if expected_seq.is_some_and(|expected| expected != current_seq) {
            Some(CommandError::Changed { current_seq })
        } else if payload.is_none() && withdrawn {
            Some(CommandError::NotFound(ResolveError::NotFound))
        } else {
            // Others may have been published while the lookup went on.
            self.has_room(&key).err()
        };
        if let Some(error) = refused {
            out.push(Out::Reply { call, result: Err(error) });
            return;
        }
        let seq = next_seq(Kind::Value, current_seq, now.unix);
        match self.sign(Kind::Value, salt, seq, payload, now.unix) {
            Ok(record) => self.publish(now, record, Some(call), expected_seq, out),
            Err(error) => out.push(Out::Reply { call, result: Err(too_large(&error)) }),
        }
    }

    fn put_by_hash(
        &mut self,
        now: Now,
        call: CallId,
        payload: Vec<u8>,
        out: &mut Vec<Out>,
    ) -> Result<(), CommandError> {
        fits("a value", payload.len(), limits::MAX_PAYLOAD_BYTES)?;
        let record = Record::by_hash(payload).map_err(|error| too_large(&error))?;
        let key = record.key();
        self.has_room(&key)?;
        match self.own.get_mut(&key).filter(|_| !self.connected.is_empty()) {
            // Published already: whoever asks again waits for the next confirmation, which is brought forward.
            Some(own) => {
                if !own.wait(call) {
                    return Err(CommandError::NotFound(ResolveError::Busy));
                }
                own.hurry(now.mono);
            }
            None => self.publish(now, record, Some(call), None, out),
        }
        Ok(())
    }

    fn has_room(&self, key: &RecordKey) -> Result<(), CommandError> {
        if self.own.len() >= limits::MAX_PUBLISHED && !self.own.contains_key(key) {
            return Err(CommandError::TooMany { max: limits::MAX_PUBLISHED });
        }
        Ok(())
    }
}

/// The value a record carries. `None`: withdrawn.
fn value(record: &Record) -> Option<Reply> {
    Some(Reply::Value { payload: record.payload()?.to_vec(), seq: record.seq() })
}

fn fits(field: &'static str, got: usize, max: usize) -> Result<(), CommandError> {
    if got > max { Err(CommandError::TooLarge { field, max }) } else { Ok(()) }
}

/// The sizes were checked before: what a record refuses beyond them is its size as a whole.
const fn too_large(_: &RecordError) -> CommandError {
    CommandError::TooLarge { field: "a value", max: limits::MAX_PAYLOAD_BYTES }
}
