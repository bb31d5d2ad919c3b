//! Walks through the network to the nodes closest to a key: which run, which wait.
//!
//! In: questions of machines. Out: when to start one, and whose answer a finished one is. A lookup with nobody to ask is answered at once, but
//! while the first connections of a start are being made it waits a moment for them: a node that just came up would otherwise find nobody.
//! Our own neighbourhood is walked, too: once it can be, when the network changed, and now and then.
//!
//! Time is passed in. Not here: the walking (libp2p's kad).

use super::{
    limits::{
        LOOKUP_ENOUGH, LOOKUP_LOOK, LOOKUP_PATIENCE, LOOKUP_STALLED, LOOKUP_STALLED_TRIPS, MAX_LOOKUPS,
        MAX_WAITING_LOOKUPS, SELF_LOOKUP_DELAY, SELF_LOOKUP_INTERVAL,
    },
    redial::jittered,
};
use libp2p::kad::QueryId;
use pc2_protocols::{id::RecordKey, machine::OpId};
use rand_core::Rng;
use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::{Duration, Instant},
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

/// A walk that runs.
#[derive(Debug)]
struct Walk {
    op: OpId,
    begun: Instant,
    /// How many have answered, and since when it is so many.
    answers: u32,
    since: Instant,
    /// How long the first answer took: what a round trip costs here.
    first: Option<Duration>,
    /// When to look at it again. `None`: it is coming to its end.
    look: Option<Instant>,
}

impl Walk {
    /// So many have answered by now; whether that is all there will be. Those who are near and gone would be waited for otherwise.
    fn is_enough(&mut self, answers: u32, now: Instant) -> bool {
        if now.saturating_duration_since(self.begun) >= LOOKUP_ENOUGH {
            return true;
        }
        if answers > self.answers {
            self.first.get_or_insert(now.saturating_duration_since(self.begun));
            (self.answers, self.since) = (answers, now);
        }
        let Some(first) = self.first else { return false };
        now.saturating_duration_since(self.since) >= LOOKUP_STALLED.max(first * LOOKUP_STALLED_TRIPS)
    }
}

/// All lookups. `Q` names one that runs.
#[derive(Debug)]
pub(super) struct Lookups<Q = QueryId> {
    waiting: VecDeque<(OpId, RecordKey, Instant)>,
    running: HashMap<Q, Walk>,
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
        let look = Some(now + LOOKUP_LOOK);
        self.running.insert(query, Walk { op, begun: now, answers: 0, since: now, first: None, look });
    }

    /// Walks to look at now; for each [`Lookups::is_enough`] is to be asked.
    pub(super) fn to_look_at(&self, now: Instant) -> Vec<Q> {
        let due = |walk: &Walk| walk.look.is_some_and(|at| at <= now);
        self.running.iter().filter(|(_, walk)| due(walk)).map(|(query, _)| query.clone()).collect()
    }

    /// So many have answered a walk; whether it is to be ended with them. That is said once.
    pub(super) fn is_enough(&mut self, query: &Q, answers: u32, now: Instant) -> bool {
        let Some(walk) = self.running.get_mut(query) else { return false };
        let enough = walk.is_enough(answers, now);
        walk.look = (!enough).then(|| now + LOOKUP_LOOK);
        enough
    }

    /// A walk ended; whose it was. `None` for our own.
    pub(super) fn finished(&mut self, query: &Q) -> Option<OpId> {
        self.running.remove(query).map(|walk| walk.op)
    }

    /// When there is something to look at again.
    pub(super) fn next(&self, neighbours: Neighbours) -> Option<Instant> {
        let patience = self.waiting.front().filter(|_| neighbours == Neighbours::Soon).map(|(.., at)| *at);
        let look = self.running.values().filter_map(|walk| walk.look).min();
        patience.into_iter().chain(self.own_due).chain(look).min()
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
        running.into_values().map(|walk| walk.op).chain(self.waiting.drain(..).map(|(op, ..)| op)).collect()
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

    /// A walk that has so many answers after each look; after how long it is ended, and with how many looks.
    fn ended_after(answers: impl Fn(Duration) -> u32) -> Duration {
        let (mut lookups, start) = (Lookups::<u64>::new(), Instant::now());
        let op = OpIds::new(Component::Dht, 0).next_id();
        lookups.started(1, op, start);
        assert!(lookups.to_look_at(start).is_empty());
        loop {
            let now = lookups.next(Neighbours::Some).expect("it is looked at again");
            assert_eq!(lookups.to_look_at(now), [1]);
            if lookups.is_enough(&1, answers(now - start), now) {
                assert_eq!(lookups.next(Neighbours::Some), None, "that was said");
                assert_eq!(lookups.finished(&1), Some(op), "its answer is still to come");
                return now - start;
            }
        }
    }

    #[test]
    fn a_walk_is_ended_soon_after_nobody_answers_any_more() {
        let all_at_once = ended_after(|_| 7);
        assert!(all_at_once < Duration::from_secs(1), "{all_at_once:?}");
        let far_away = ended_after(|passed| u32::try_from(passed.as_millis() / 500).expect("small"));
        assert_eq!(far_away, LOOKUP_ENOUGH, "each answer is worth waiting for the next");
        let slow_line = ended_after(|passed| u32::from(passed >= Duration::from_millis(600)));
        assert!(slow_line > Duration::from_secs(2), "a round trip takes longer here: {slow_line:?}");
    }

    #[test]
    fn a_walk_that_nobody_answers_is_given_all_its_time() {
        assert_eq!(ended_after(|_| 0), LOOKUP_ENOUGH);
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
