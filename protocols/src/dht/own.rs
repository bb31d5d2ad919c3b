//! Records of our own that are kept published: each one's state, and one round of putting it to the closest nodes.
//!
//! In: the closest nodes, their verdicts, time. Out: whether enough of them have it, when the next round is due.
//! Enough is k/2+1 = 11 of 20; in a smaller network all of them, except that nodes which cannot be reached may be
//! missing as long as more than half confirmed.
//!
//! Survives restart: the record and when it was last confirmed. Lost: backoff, rounds (begun anew).
//! Not here: signing and sending ([`super::publish`]).

use super::{PublishedRow, wire::Refusal};
use crate::{
    id::NodeId,
    limits,
    machine::CallId,
    record::{Kind, Record},
    time::{Mono, UnixMillis},
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use std::{collections::BTreeSet, time::Duration};

/// How long a round takes at most. The driver gives up on a single peer before.
const ROUND_TIME: Duration = Duration::from_secs(30);

/// How long a round that has enough waits for the rest, so that the count told to people is the whole one.
const GRACE: Duration = Duration::from_secs(1);

/// How often a record is signed anew in one go because the key is contested.
pub(super) const MAX_BUMPS: u32 = 3;

/// Most callers that wait for one record to be confirmed.
const MAX_CALLERS: usize = 64;

/// A record of our own.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) record: Record,
    /// On disk for certain; before, nobody is told of it.
    pub(super) durable: bool,
    /// When enough nodes last confirmed it.
    pub(super) confirmed: Option<UnixMillis>,
    /// We insist on what it says: when the key is contested it is signed anew with a higher number. Otherwise a newer one is adopted.
    pub(super) asserted: bool,
    /// Compare and swap: sent along until it is confirmed.
    pub(super) expected_seq: Option<u64>,
    /// Who waits for the confirmation.
    pub(super) callers: Vec<CallId>,
    pub(super) phase: Phase,
    pub(super) failures: u32,
    pub(super) bumps: u32,
    /// The last round reached fewer nodes than there should be: newcomers matter.
    pub(super) thin: bool,
    pub(super) last_round: Option<Mono>,
    /// A newcomer came during a round: the next one is not to wait.
    hurried: Option<Mono>,
}

/// What is being done for a record.
#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing until then.
    Waiting { due: Mono },
    /// Being written, then the closest nodes are asked for; beside a crowded key in further walks, so that some are known before.
    Routing { round: u64, deadline: Mono, found: Vec<NodeId>, walks: usize },
    /// The closest nodes are being asked.
    Asking(Round),
    /// A lookup finds out what contests the key.
    Looking,
}

impl Own {
    /// One that was just signed, or made, or adopted.
    pub(super) fn new(record: Record, now: Mono) -> Self {
        Self {
            record,
            durable: false,
            confirmed: None,
            asserted: true,
            expected_seq: None,
            callers: Vec::new(),
            phase: Phase::Waiting { due: now },
            failures: 0,
            bumps: 0,
            thin: false,
            last_round: None,
            hurried: None,
        }
    }

    /// One read back from disk. When it is due is not known yet: [`Own::restart`].
    pub(super) fn from_row(record: Record, confirmed: Option<UnixMillis>) -> Self {
        Self {
            durable: true,
            confirmed,
            asserted: confirmed.is_none() || record.kind() == Kind::Card,
            ..Self::new(record, Mono(u64::MAX))
        }
    }

    /// Sets when it is due after a restart: a third of a lease after it was confirmed.
    pub(super) fn restart(&mut self, now: Mono, unix: UnixMillis, rng: &mut ChaCha20Rng) {
        let due = match self.confirmed {
            Some(confirmed) if confirmed <= unix => {
                now.after(refresh_after(rng).saturating_sub(unix.since(confirmed)))
            }
            // Never, or by a clock that was wrong: at once.
            Some(_) | None => now,
        };
        self.phase = Phase::Waiting { due };
    }

    /// When something has to be done for it without an input.
    pub(super) fn deadline(&self) -> Option<Mono> {
        match &self.phase {
            Phase::Waiting { due } => Some(*due),
            Phase::Routing { deadline, .. } => Some(*deadline),
            Phase::Asking(round) => Some(round.deadline()),
            Phase::Looking => None,
        }
    }

    /// Whether nothing is being done for it.
    pub(super) const fn idle(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. })
    }

    /// Whether this round of it waits for walks.
    pub(super) fn routing(&self, number: u64) -> bool {
        matches!(self.phase, Phase::Routing { round, .. } if round == number)
    }

    /// Whether it is due and nothing is being done for it.
    pub(super) fn due(&self, now: Mono) -> bool {
        matches!(self.phase, Phase::Waiting { due } if due <= now)
    }

    /// Brings the next round forward, never back; during a round, the one after it.
    pub(super) fn hurry(&mut self, at: Mono) {
        if let Phase::Waiting { due } = &mut self.phase {
            *due = (*due).min(at);
        } else {
            self.hurried = Some(self.hurried.map_or(at, |before| before.min(at)));
        }
    }

    fn wait_until(&mut self, due: Mono) {
        let due = self.hurried.take().map_or(due, |hurried| hurried.min(due));
        self.phase = Phase::Waiting { due };
    }

    /// Another caller waits for the confirmation. Returns false when there are too many.
    pub(super) fn wait(&mut self, call: CallId) -> bool {
        let room = self.callers.len() < MAX_CALLERS;
        if room {
            self.callers.push(call);
        }
        room
    }

    /// Enough nodes have it.
    pub(super) fn succeeded(&mut self, now: Mono, unix: UnixMillis, rng: &mut ChaCha20Rng) {
        self.confirmed = Some(unix);
        self.failures = 0;
        self.bumps = 0;
        self.expected_seq = None;
        self.asserted = self.record.kind() == Kind::Card;
        self.wait_until(now.after(refresh_after(rng)));
    }

    /// Not enough have it: again after a wait that doubles.
    pub(super) fn failed(&mut self, now: Mono, rng: &mut ChaCha20Rng) {
        let wait = limits::RETRY_MIN.saturating_mul(1 << self.failures.min(16)).min(limits::RETRY_MAX);
        self.failures = self.failures.saturating_add(1);
        self.wait_until(now.after(jittered(wait, rng)));
    }

    /// The row.
    pub(super) fn row(&self) -> PublishedRow {
        PublishedRow {
            key: self.record.key(),
            record: self.record.as_bytes().to_vec(),
            confirmed: self.confirmed,
        }
    }
}

/// A third of a lease, so that two refreshes may fail; give or take a tenth, so that not all nodes do it at once.
fn refresh_after(rng: &mut ChaCha20Rng) -> Duration {
    jittered(limits::RECORD_LEASE / 3, rng)
}

/// `base` give or take a tenth.
pub(super) fn jittered(base: Duration, rng: &mut ChaCha20Rng) -> Duration {
    let percent = 90_u32.saturating_add(rng.next_u32() % 21);
    base.saturating_mul(percent) / 100
}

/// A random wait shorter than `longest`.
pub(super) fn random_below(longest: Duration, rng: &mut ChaCha20Rng) -> Duration {
    longest.saturating_mul(rng.next_u32() % 1_000) / 1_000
}

/// One record on its way to the closest nodes.
#[derive(Debug)]
pub(super) struct Round {
    /// Tells answers of an earlier round.
    pub(super) number: u64,
    open: BTreeSet<NodeId>,
    eligible: usize,
    stored: usize,
    unreachable: usize,
    contested: bool,
    from_the_future: usize,
    deadline: Mono,
    settles: Option<Mono>,
}

/// What came of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// How many nodes have it on disk.
    pub(super) holders: usize,
    /// How many were asked that hold records at all.
    pub(super) asked: usize,
    /// Enough of them.
    pub(super) enough: bool,
    /// One at least has something else or newer under the key.
    pub(super) contested: bool,
    /// How many say that it is not valid yet.
    pub(super) from_the_future: usize,
}

impl Round {
    pub(super) fn new(number: u64, peers: impl IntoIterator<Item = NodeId>, now: Mono) -> Self {
        let open: BTreeSet<_> = peers.into_iter().collect();
        Self {
            number,
            eligible: open.len(),
            open,
            stored: 0,
            unreachable: 0,
            contested: false,
            from_the_future: 0,
            deadline: now.after(ROUND_TIME),
            settles: None,
        }
    }

    /// How long after its beginning a round ends in any case.
    pub(super) const fn time() -> Duration {
        ROUND_TIME
    }

    /// Its nodes.
    pub(super) fn peers(&self) -> Vec<NodeId> {
        self.open.iter().copied().collect()
    }

    /// A node has it.
    pub(super) fn stored(&mut self, peer: NodeId, now: Mono) {
        if self.open.remove(&peer) {
            self.stored = self.stored.saturating_add(1);
            if self.stored >= self.needed() {
                self.settles.get_or_insert(now.after(GRACE));
            }
        }
    }

    /// A node does not take it.
    pub(super) fn refused(&mut self, peer: NodeId, reason: Refusal) {
        if !self.open.remove(&peer) {
            return;
        }
        self.contested |= reason.contests();
        match reason {
            Refusal::NotParticipating => self.eligible = self.eligible.saturating_sub(1),
            Refusal::NotYetValid => self.from_the_future = self.from_the_future.saturating_add(1),
            Refusal::TooLarge
            | Refusal::Malformed
            | Refusal::Unsupported
            | Refusal::BadSignature
            | Refusal::Expired
            | Refusal::OlderThan { .. }
            | Refusal::Conflict
            | Refusal::CompareFailed { .. }
            | Refusal::OwnerQuota
            | Refusal::SourceQuota
            | Refusal::PrefixQuota
            | Refusal::Full => {}
        }
    }

    /// A node could not be asked, or did not answer sensibly.
    pub(super) fn failed(&mut self, peer: NodeId, unreachable: bool) {
        if self.open.remove(&peer) && unreachable {
            self.unreachable = self.unreachable.saturating_add(1);
        }
    }

    /// Whether it is over.
    pub(super) fn over(&self, now: Mono) -> bool {
        self.open.is_empty() || self.deadline() <= now
    }

    fn deadline(&self) -> Mono {
        self.settles.map_or(self.deadline, |settles| settles.min(self.deadline))
    }

    /// What came of it.
    pub(super) fn outcome(&self) -> Outcome {
        Outcome {
            holders: self.stored,
            asked: self.eligible,
            enough: self.stored > 0 && self.stored >= self.needed(),
            contested: self.contested,
            from_the_future: self.from_the_future,
        }
    }

    fn needed(&self) -> usize {
        let majority = self.eligible / 2 + 1;
        let reachable = self.eligible.saturating_sub(self.unreachable);
        reachable.min(limits::REPLICATION / 2 + 1).max(majority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng as _;

    fn nodes(n: u8) -> Vec<NodeId> {
        (0..n).map(|n| NodeId::from_bytes([n; 32])).collect()
    }

    fn round(asked: u8, stored: u8, unreachable: u8) -> Outcome {
        let mut round = Round::new(1, nodes(asked), Mono(0));
        for peer in nodes(stored) {
            round.stored(peer, Mono(0));
        }
        for peer in nodes(stored + unreachable).into_iter().skip(usize::from(stored)) {
            round.failed(peer, true);
        }
        round.outcome()
    }

    #[test]
    fn eleven_of_twenty_are_enough_and_ten_are_not() {
        assert!(round(20, 11, 0).enough);
        assert!(!round(20, 10, 0).enough);
    }

    #[test]
    fn in_a_small_network_all_have_to_confirm() {
        assert!(round(3, 3, 0).enough);
        assert!(!round(3, 2, 0).enough);
        assert!(!round(0, 0, 0).enough);
    }

    #[test]
    fn in_a_small_network_unreachable_nodes_may_be_missing_but_never_a_majority() {
        assert!(round(3, 2, 1).enough);
        assert!(!round(3, 1, 2).enough);
        assert!(!round(2, 1, 1).enough);
        assert!(!round(1, 0, 1).enough);
    }

    #[test]
    fn nodes_that_hold_nothing_for_others_do_not_count() {
        let mut round = Round::new(1, nodes(3), Mono(0));
        round.stored(nodes(1)[0], Mono(0));
        round.refused(nodes(2)[1], Refusal::NotParticipating);
        round.refused(nodes(3)[2], Refusal::NotParticipating);
        assert_eq!((round.outcome().enough, round.outcome().asked), (true, 1));
        assert!(round.over(Mono(0)));
    }

    #[test]
    fn a_verdict_counts_once_however_often_it_comes() {
        let mut round = Round::new(1, nodes(3), Mono(0));
        for _ in 0..5 {
            round.stored(nodes(1)[0], Mono(0));
        }
        assert_eq!(round.outcome().holders, 1);
    }

    #[test]
    fn a_round_that_has_enough_waits_a_second_for_the_rest() {
        let mut round = Round::new(1, nodes(20), Mono(0));
        for peer in nodes(11) {
            assert!(!round.over(Mono(20_000)));
            round.stored(peer, Mono(20_000));
        }
        assert!(!round.over(Mono(20_999)));
        assert!(round.over(Mono(21_000)));
        assert!(Round::new(1, nodes(1), Mono(0)).over(Mono(30_000)));
    }

    #[test]
    fn waits_double_up_to_five_minutes_and_a_refresh_comes_after_a_third_of_the_lease() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut own = Own::new(Record::by_hash(vec![1]).expect("a record"), Mono(0));
        let mut waits = Vec::new();
        for _ in 0..12 {
            own.failed(Mono(0), &mut rng);
            waits.push(own.deadline().expect("waits").0);
        }
        assert!((900..=1_100).contains(&waits[0]), "{waits:?}");
        assert!((1_800..=2_200).contains(&waits[1]), "{waits:?}");
        assert!((270_000..=330_000).contains(&waits[11]), "{waits:?}");
        own.succeeded(Mono(0), UnixMillis(0), &mut rng);
        let hours = own.deadline().expect("waits").0 / 3_600_000;
        assert!((7..=8).contains(&hours), "{hours}");
    }

    #[test]
    fn after_a_restart_the_refresh_counts_from_the_confirmation() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let record = Record::by_hash(vec![1]).expect("a record");
        let day = UnixMillis(86_400_000);
        for (confirmed, at_once) in [
            (None, true),
            (Some(UnixMillis(0)), true),
            (Some(day), false),
            (Some(UnixMillis(day.0 + 1)), true),
        ] {
            let mut own = Own::from_row(record.clone(), confirmed);
            own.restart(Mono(5), day, &mut rng);
            assert_eq!(own.due(Mono(5)), at_once, "{confirmed:?}");
        }
    }
}
