//! One lookup of a record: whom it asked, what they said, when it knows enough.
//!
//! In: the closest nodes, their answers, the copy held here. Out: whom to ask next, the newest verified record, and
//! who turned out to be behind it. An answer is a hint: only a record that lives under the key asked for and carries its
//! owner's signature counts, and the highest sequence number of a quorum wins.
//!
//! A quorum of the k = 20 asked is 11: written to 11 of 20, read from 11 of 20, one of them at least has seen both. When
//! a quorum has nothing, the rest is waited for all the same: holders may be few.
//!
//! Where a crowd is nearest to the key ([`super::crowd`]), nodes beside it are asked as well, and the quorum is one of all that are asked.
//!
//! Not here: sending ([`super::find`]).

use super::{CallId, Depth, OpId, wire::Answer};
use crate::{
    id::{NodeId, RecordKey},
    record::{Record, RecordError},
    time::{Mono, UnixMillis},
};
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

/// How long a lookup takes at most. The driver gives up on a single peer before.
pub(super) const LOOKUP_TIME: Duration = Duration::from_secs(20);

/// Nodes asked at once when the first valid answer is enough.
const FIRST_WINDOW: usize = 3;

/// Who waits for the end of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Waiter {
    /// Another machine of this node, for a card.
    Resolve { op: OpId },
    /// A person, for a card.
    FindCard { call: CallId },
    /// A person, for a value.
    GetValue { call: CallId },
    /// A write of ours that has to know what is there first. `payload: None` withdraws.
    Write { call: CallId, salt: Vec<u8>, payload: Option<Vec<u8>>, expected_seq: Option<u64> },
    /// A record of our own that was refused because the key is contested.
    Contest,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadAnswer {
    #[error("sent a bad record: {0}")]
    Record(#[from] RecordError),
    #[error("sent a record of another key")]
    OtherKey,
    #[error("answered another question")]
    OtherQuestion,
}

/// One lookup on its way.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) key: RecordKey,
    pub(super) depth: Depth,
    pub(super) waiters: Vec<Waiter>,
    /// What is asked for: nothing older than this.
    pub(super) min_seq: u64,
    pub(super) deadline: Mono,
    /// There is nobody to ask, as far as is known.
    pub(super) alone: bool,
    /// The waiters have their answer; late answers still tell who is behind.
    pub(super) done: bool,
    best: Option<Record>,
    /// Walks that have not come back.
    walks: usize,
    reading: bool,
    to_ask: VecDeque<NodeId>,
    asked: BTreeSet<NodeId>,
    open: usize,
    answered: usize,
    behind: Vec<(NodeId, Option<u64>)>,
    conflict: bool,
}

impl Lookup {
    /// A lookup that waits for the closest nodes (unless local) and for the copy held here (if there is one).
    pub(super) fn new(
        key: RecordKey,
        depth: Depth,
        waiter: Waiter,
        known: Option<Record>,
        reading: bool,
        now: Mono,
    ) -> Self {
        Self {
            key,
            depth,
            waiters: vec![waiter],
            min_seq: known.as_ref().map_or(0, Record::seq),
            deadline: now.after(LOOKUP_TIME),
            alone: false,
            done: false,
            best: known,
            walks: usize::from(depth != Depth::Local),
            reading,
            to_ask: VecDeque::new(),
            asked: BTreeSet::new(),
            open: 0,
            answered: 0,
            behind: Vec::new(),
            conflict: false,
        }
    }

    /// A walk has come back with these, and `further` others begin. Nobody is asked twice.
    pub(super) fn routed(&mut self, peers: impl IntoIterator<Item = NodeId>, further: usize) {
        self.walks = self.walks.saturating_sub(1).saturating_add(further);
        self.to_ask.extend(peers.into_iter().filter(|peer| self.asked.insert(*peer)));
    }

    /// The copy held here was read.
    pub(super) fn read(&mut self, record: Option<Record>, now: UnixMillis) {
        self.reading = false;
        if let Some(record) = record.filter(|record| record.key() == self.key && record.validate(now).is_ok())
        {
            self.consider(record);
        }
    }

    /// A node answered. An error is its fault.
    pub(super) fn answered(
        &mut self,
        peer: NodeId,
        answer: &Answer,
        now: UnixMillis,
    ) -> Result<(), BadAnswer> {
        self.open = self.open.saturating_sub(1);
        match answer {
            Answer::Found { record } => {
                let record = match Record::decode(record) {
                    Ok(record) => record,
                    Err(error) if error.blames_peer() => return Err(error.into()),
                    // Of a later version: the peer did right, and it says nothing to us.
                    Err(_) => return Ok(()),
                };
                if record.key() != self.key {
                    return Err(BadAnswer::OtherKey);
                }
                self.answered = self.answered.saturating_add(1);
                if record.validate(now).is_ok() {
                    self.behind.push((peer, Some(record.seq())));
                    self.consider(record);
                } else {
                    self.behind.push((peer, None));
                }
                Ok(())
            }
            Answer::Nothing { held_seq } => {
                self.answered = self.answered.saturating_add(1);
                self.behind.push((peer, *held_seq));
                Ok(())
            }
            Answer::Stored { .. } | Answer::Refused { .. } => Err(BadAnswer::OtherQuestion),
        }
    }

    /// A node could not be asked.
    pub(super) fn failed(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Whom to ask next, while the lookup still needs answers.
    pub(super) fn next_to_ask(&mut self) -> Vec<NodeId> {
        if self.done {
            return Vec::new();
        }
        let window = match self.depth {
            Depth::First => FIRST_WINDOW,
            Depth::Local | Depth::Quorum | Depth::Exhaustive => usize::MAX,
        };
        let mut next = Vec::new();
        while self.open < window {
            let Some(peer) = self.to_ask.pop_front() else { break };
            self.open = self.open.saturating_add(1);
            next.push(peer);
        }
        next
    }

    /// Whether enough is known for an answer.
    pub(super) fn settled(&self) -> bool {
        if self.reading {
            return false;
        }
        match self.depth {
            Depth::First if self.best.is_some() => true,
            Depth::Quorum
                if self.best.is_some() && self.walks == 0 && self.answered > self.asked.len() / 2 =>
            {
                true
            }
            Depth::Local | Depth::First | Depth::Quorum | Depth::Exhaustive => self.drained(),
        }
    }

    /// Whether nothing more will come.
    pub(super) fn drained(&self) -> bool {
        self.walks == 0 && !self.reading && self.open == 0 && (self.done || self.to_ask.is_empty())
    }

    /// The newest verified record so far.
    pub(super) const fn best(&self) -> Option<&Record> {
        self.best.as_ref()
    }

    /// Two records with the same sequence number and different contents were seen.
    pub(super) const fn conflict(&self) -> bool {
        self.conflict
    }

    /// The nodes that answered without the newest record: they are brought it.
    pub(super) fn behind(&self) -> Vec<NodeId> {
        let Some(best) = &self.best else { return Vec::new() };
        // A holder that says it has this number or a higher one and did not show it is left alone.
        self.behind
            .iter()
            .filter(|(_, seq)| match seq {
                Some(seq) => *seq < best.seq(),
                None => true,
            })
            .map(|(peer, _)| *peer)
            .collect()
    }

    fn consider(&mut self, record: Record) {
        match &self.best {
            None => self.best = Some(record),
            Some(best) => {
                let (new, old) = (record.stamp(), best.stamp());
                self.conflict |= new.seq == old.seq && new.digest != old.digest;
                if new.preferred_to(&old) {
                    self.best = Some(record);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
