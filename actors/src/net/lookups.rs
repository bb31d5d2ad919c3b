//! Walks through the network to the nodes closest to a key: which run, which wait.
//!
//! In: questions of machines. Out: when to start one, and whose answer a finished one is. A lookup with nobody to ask is answered at once, but
//! while the first connections of a start are being made it waits a moment for them: a node that just came up would otherwise find nobody.
//! Our own neighbourhood is walked, too: once it can be, when the network changed, and now and then.
//!
//! Time is passed in. Not here: the walking (libp2p's kad).

use super::{
    limits::{
        LOOKUP_ENOUGH, LOOKUP_PATIENCE, MAX_LOOKUPS, MAX_WAITING_LOOKUPS, SELF_LOOKUP_DELAY,
        SELF_LOOKUP_INTERVAL,
    },
    redial::jittered,
};
use libp2p::kad::QueryId;
use pc2_protocols::{id::RecordKey, machine::OpId};
use rand_core::Rng;
use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::Instant,
};

/// What there is to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Neighbours {
    /// The routing table has entries.
    Some,
    /// It is empty, but connections are being made.
    Soon,
    /// It is empty, and nothing suggests that this will change.
    None,
}

/// What to do with a lookup that waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Start it; [`Lookups::started`] is to follow.
    Start(OpId, RecordKey),
    /// Answer it with nobody.
    Empty(OpId),
}

/// All lookups. `Q` names one that runs.
#[derive(Debug)]
pub(super) struct Lookups<Q = QueryId> {
    waiting: VecDeque<(OpId, RecordKey, Instant)>,
    /// Each with the time at which it is to come to its end.
    running: HashMap<Q, (OpId, Option<Instant>)>,
    own_due: Option<Instant>,
}

impl<Q: Hash + Eq + Clone> Lookups<Q> {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), running: HashMap::new(), own_due: None }
    }

    /// A machine asks; whether the question was taken.
    pub(super) fn ask(&mut self, op: OpId, key: RecordKey, undelivered: usize, now: Instant) -> bool {
        if self.waiting.len() + undelivered >= MAX_WAITING_LOOKUPS {
            return false;
        }
        self.waiting.push_back((op, key, now + LOOKUP_PATIENCE));
        true
    }

    /// The next thing to do, until there is none.
    pub(super) fn step(&mut self, neighbours: Neighbours, now: Instant) -> Option<Step> {
        let (op, key, patience) = *self.waiting.front()?;
        let step = match neighbours {
            Neighbours::Some if self.running.len() < MAX_LOOKUPS => Step::Start(op, key),
            Neighbours::Some => return None,
            Neighbours::Soon if now < patience => return None,
            Neighbours::Soon | Neighbours::None => Step::Empty(op),
        };
        self.waiting.pop_front();
        Some(step)
    }

    /// A walk runs.
    pub(super) fn started(&mut self, query: Q, op: OpId, now: Instant) {
        self.running.insert(query, (op, Some(now + LOOKUP_ENOUGH)));
    }

    /// Walks that have lasted long enough: each is named once, to be ended with what it has.
    pub(super) fn take_long(&mut self, now: Instant) -> Vec<Q> {
        let mut long = Vec::new();
        for (query, (_, enough)) in &mut self.running {
            if enough.take_if(|at| *at <= now).is_some() {
                long.push(query.clone());
            }
        }
        long
    }

    /// A walk ended; whose it was. `None` for our own.
    pub(super) fn finished(&mut self, query: &Q) -> Option<OpId> {
        self.running.remove(query).map(|(op, _)| op)
    }

    /// When there is something to look at again.
    pub(super) fn next(&self, neighbours: Neighbours) -> Option<Instant> {
        let patience = self.waiting.front().filter(|_| neighbours == Neighbours::Soon).map(|(.., at)| *at);
        let enough = self.running.values().filter_map(|(_, enough)| *enough).min();
        patience.into_iter().chain(self.own_due).chain(enough).min()
    }

    /// The first neighbour came, or the network changed: walk through our own neighbourhood soon.
    pub(super) fn own_soon(&mut self, now: Instant) {
        let soon = now + SELF_LOOKUP_DELAY;
        self.own_due = Some(self.own_due.map_or(soon, |due| due.min(soon)));
    }

    /// Whether to walk through our own neighbourhood now; the next time is set then.
    pub(super) fn take_own(&mut self, now: Instant, rng: &mut impl Rng) -> bool {
        if self.own_due.is_none_or(|due| due > now) {
            return false;
        }
        self.own_due = Some(now + jittered(SELF_LOOKUP_INTERVAL, rng));
        true
    }

    /// Takes out everything.
    pub(super) fn drain(&mut self) -> Vec<OpId> {
        let running = std::mem::take(&mut self.running);
        running.into_values().map(|(op, _)| op).chain(self.waiting.drain(..).map(|(op, ..)| op)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pc2_protocols::machine::{Component, OpIds};

    const KEY: RecordKey = RecordKey::from_bytes([9; 32]);

    #[test]
    fn alone_everything_is_answered_at_once_with_nobody() {
        let (mut lookups, now) = (Lookups::<u64>::new(), Instant::now());
        let op = OpIds::new(Component::Dht, 0).next_id();
        assert!(lookups.ask(op, KEY, 0, now));
        assert_eq!(lookups.step(Neighbours::None, now), Some(Step::Empty(op)));
        assert_eq!(lookups.step(Neighbours::None, now), None);
    }

    #[test]
    fn while_connections_are_made_a_lookup_waits_but_not_for_ever() {
        let (mut lookups, now) = (Lookups::<u64>::new(), Instant::now());
        let op = OpIds::new(Component::Dht, 0).next_id();
        lookups.ask(op, KEY, 0, now);
        assert_eq!(lookups.step(Neighbours::Soon, now), None);
        let due = lookups.next(Neighbours::Soon).expect("patience ends");
        assert_eq!(lookups.step(Neighbours::Soon, due), Some(Step::Empty(op)));
        lookups.ask(op, KEY, 0, now);
        assert_eq!(lookups.step(Neighbours::Some, now), Some(Step::Start(op, KEY)));
    }

    #[test]
    fn a_walk_that_lasts_is_ended_once_with_what_it_has() {
        let (mut lookups, now) = (Lookups::<u64>::new(), Instant::now());
        let op = OpIds::new(Component::Dht, 0).next_id();
        lookups.started(1, op, now);
        assert!(lookups.take_long(now).is_empty());
        let enough = lookups.next(Neighbours::Some).expect("it is looked at again");
        assert_eq!(lookups.take_long(enough), [1]);
        assert!(lookups.take_long(enough).is_empty());
        assert_eq!(lookups.next(Neighbours::Some), None);
        assert_eq!(lookups.finished(&1), Some(op), "its answer is still to come");
    }

    #[test]
    fn only_so_many_run_and_only_so_many_wait() {
        let (mut lookups, now) = (Lookups::<u64>::new(), Instant::now());
        let mut ids = OpIds::new(Component::Dht, 0);
        let taken = (0..1_000).filter(|_| lookups.ask(ids.next_id(), KEY, 0, now)).count();
        assert_eq!(taken, MAX_WAITING_LOOKUPS);
        let mut running = 0;
        while let Some(Step::Start(op, _)) = lookups.step(Neighbours::Some, now) {
            lookups.started(running, op, now);
            running += 1;
        }
        assert_eq!(running, u64::try_from(MAX_LOOKUPS).expect("small"));
        assert!(lookups.finished(&0).is_some());
        assert!(lookups.finished(&0).is_none(), "answered once");
        assert!(lookups.step(Neighbours::Some, now).is_some());
        assert_eq!(lookups.drain().len(), MAX_WAITING_LOOKUPS - 2);
    }
}
