//! One transfer being received: what is missing, and who was asked for which stretch of it.
//!
//! In: what is missing at the beginning, questions that end. Out: the next stretch for a holder. A stretch is taken from the front of
//! what is missing and may pass over what is there: the data plane asks for missing groups only. Its length adapts to the holder: doubled while
//! answers are fast, halved while they are slow.
//!
//! Not here: which holders may be asked ([`super::incoming`]), when it is a transfer's turn ([`super::queue`]).

use super::{Fault, Part, PullId};
use crate::{
    id::NodeId,
    limits::{MAX_PLAN_RANGES, PULL_FAST, PULL_MAX_GROUPS, PULL_MIN_GROUPS},
    time::Mono,
};
use std::{collections::BTreeMap, ops::Range, time::Duration};

/// An answer slower than this is followed by a question of half the size.
const SLOW: Duration = Duration::from_secs(10);

/// What is done with the part at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The data plane looks what is missing.
    Opening {
        /// Since when.
        since: Mono,
    },
    /// Holders are asked.
    Pulling,
    /// The data plane puts everything into its place.
    Finishing {
        /// Since when.
        since: Mono,
    },
}

/// A question under way.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Who was asked.
    pub(super) holder: NodeId,
    /// For what.
    pub(super) span: Range<u64>,
    /// Since when it is this question's turn.
    pub(super) since: Mono,
    /// When its holder was last heard.
    pub(super) heard: Mono,
}

/// What is known of a holder, for one transfer.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// Asked no more.
    pub(super) gone: Option<Fault>,
    /// Not asked before.
    pub(super) wait: Option<Mono>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// It said that it sends too much already.
    pub(super) busy: bool,
    /// Length of its next stretch, in groups; 0: not asked yet.
    length: u64,
}

impl Standing {
    /// Whether it can be asked now.
    pub(super) fn ready(&self, now: Mono) -> bool {
        self.gone.is_none() && self.wait.is_none_or(|at| at <= now)
    }

    fn length(&self) -> u64 {
        self.length.clamp(PULL_MIN_GROUPS, PULL_MAX_GROUPS)
    }

    /// A question was answered in full after this time.
    pub(super) fn answered(&mut self, took: Duration) {
        let length = self.length();
        self.length = if took < PULL_FAST {
            length.saturating_mul(2)
        } else if took > SLOW {
            length / 2
        } else {
            length
        };
        (self.failures, self.wait, self.busy) = (0, None, false);
    }

    /// A question took too long.
    pub(super) fn slow(&mut self) {
        self.length = PULL_MIN_GROUPS;
    }
}

/// A transfer whose turn it is.
#[derive(Debug)]
pub(super) struct Live {
    /// The part that is open.
    pub(super) part: Part,
    /// What is done with it.
    pub(super) phase: Phase,
    /// Bytes of the part that are there.
    have: u64,
    /// Bytes of the part, all together.
    size: u64,
    /// Missing groups nobody was asked for: ranges in order, apart.
    todo: Vec<Range<u64>>,
    /// Questions under way.
    runs: BTreeMap<PullId, Run>,
}

impl Live {
    /// A part that is being opened.
    pub(super) const fn opening(part: Part, size: u64, now: Mono) -> Self {
        let phase = Phase::Opening { since: now };
        Self { part, phase, have: 0, size, todo: Vec::new(), runs: BTreeMap::new() }
    }

    /// It was opened, and this is missing.
    pub(super) fn opened(&mut self, have: u64, missing: Vec<Range<u64>>) {
        self.phase = Phase::Pulling;
        self.have = have.min(self.size);
        for range in missing {
            self.give_back(range);
        }
    }

    /// Everything is there.
    pub(super) fn is_whole(&self) -> bool {
        self.phase == Phase::Pulling && self.todo.is_empty() && self.runs.is_empty()
    }

    /// Questions are under way.
    pub(super) fn flows(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Bytes of what is offered that are there; a list is not counted.
    pub(super) fn bytes(&self) -> u64 {
        if self.part == Part::Manifest { 0 } else { self.have }
    }

    /// The same, if it was looked how many these are.
    pub(super) fn here(&self) -> Option<u64> {
        let looked = self.part != Part::Manifest && !matches!(self.phase, Phase::Opening { .. });
        looked.then_some(self.have)
    }

    /// The questions under way.
    pub(super) fn runs(&self) -> impl Iterator<Item = (PullId, &Run)> {
        self.runs.iter().map(|(pull, run)| (*pull, run))
    }

    /// How many of them a holder was asked.
    pub(super) fn asked(&self, holder: NodeId) -> usize {
        self.runs.values().filter(|run| run.holder == holder).count()
    }

    /// Whether there is something to ask for.
    pub(super) fn wants(&self) -> bool {
        self.phase == Phase::Pulling && !self.todo.is_empty()
    }

    /// The next stretch for a holder, noted as asked for.
    pub(super) fn ask(
        &mut self,
        pull: PullId,
        holder: NodeId,
        standing: &Standing,
        now: Mono,
    ) -> Option<Range<u64>> {
        let start = self.todo.first()?.start;
        let most = start.saturating_add(standing.length());
        let mut end = start;
        while let Some(first) = self.todo.first_mut()
            && first.start < most
        {
            end = first.end.min(most);
            first.start = end;
            if first.is_empty() {
                self.todo.remove(0);
            }
        }
        let span = start..end;
        self.runs.insert(pull, Run { holder, span: span.clone(), since: now, heard: now });
        Some(span)
    }

    /// A question brought something: its holder lives, so whatever it was asked besides waits for its turn.
    pub(super) fn progress(&mut self, pull: PullId, bytes: u64, now: Mono) {
        let Some(holder) = self.runs.get(&pull).map(|run| run.holder) else { return };
        self.have = self.have.saturating_add(bytes).min(self.size);
        for run in self.runs.values_mut().filter(|run| run.holder == holder) {
            run.heard = now;
        }
    }

    /// A question is over, with this of its stretch missing still. Whatever its holder was asked after it is its turn now.
    pub(super) fn ended(&mut self, pull: PullId, missing: Option<Vec<Range<u64>>>, now: Mono) -> Option<Run> {
        let run = self.runs.remove(&pull)?;
        for other in self.runs.values_mut().filter(|other| other.holder == run.holder) {
            (other.since, other.heard) = (now, now);
        }
        let span = run.span.clone();
        for range in missing.unwrap_or_else(|| vec![span.clone()]) {
            self.give_back(range.start.max(span.start)..range.end.min(span.end));
        }
        Some(run)
    }

    /// Adds to what is missing, in order and apart. Beyond the bound, the nearest neighbours become one.
    fn give_back(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let from = self.todo.partition_point(|other| other.end < range.start);
        let to = self.todo.partition_point(|other| other.start <= range.end);
        let touching = self.todo.get(from..to).unwrap_or_default();
        let start = touching.first().map_or(range.start, |first| first.start.min(range.start));
        let end = touching.last().map_or(range.end, |last| last.end.max(range.end));
        self.todo.splice(from..to.max(from), Some(start..end));
        if self.todo.len() > MAX_PLAN_RANGES
            && let Some(last) = self.todo.pop()
            && let Some(before) = self.todo.last_mut()
        {
            before.end = last.end;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

    use super::*;
    use proptest::prelude::*;

    const NOW: Mono = Mono(0);
    const HOLDER: NodeId = NodeId::from_bytes([1; 32]);

    fn pull(number: u64) -> PullId {
        PullId { generation: 0, number }
    }

    fn live(missing: Vec<Range<u64>>) -> Live {
        let mut live = Live::opening(Part::File, 1 << 40, NOW);
        live.opened(0, missing);
        live
    }

    #[test]
    fn stretches_pass_over_what_is_there_and_do_not_overlap() {
        let mut live = live(vec![0..10, 20..30, 200..201]);
        let standing = Standing::default();
        assert_eq!(live.ask(pull(1), HOLDER, &standing, NOW), Some(0..30));
        assert_eq!(live.ask(pull(2), HOLDER, &standing, NOW), Some(200..201));
        assert_eq!(live.ask(pull(3), HOLDER, &standing, NOW), None);
        live.ended(pull(1), Some(vec![5..1_000]), NOW);
        assert_eq!(live.todo, [5..30], "what was not asked for cannot be missing");
        live.ended(pull(2), None, NOW);
        assert_eq!(live.todo, [5..30, 200..201], "nothing is known: all of it is asked for again");
    }

    #[test]
    fn stretches_grow_with_a_fast_holder_and_shrink_with_a_slow_one() {
        let mut standing = Standing::default();
        let mut lengths = Vec::new();
        for took in [1, 1, 1, 1, 5, 20, 20, 20, 20] {
            standing.answered(Duration::from_secs(took));
            lengths.push(standing.length());
        }
        assert_eq!(lengths, [128, 256, 512, 512, 512, 256, 128, 64, 64]);
    }

    #[test]
    fn a_plan_of_too_many_pieces_takes_neighbours_together() {
        let most = u64::try_from(MAX_PLAN_RANGES).expect("small");
        let live = live((0..most + 5).map(|n| 2 * n..2 * n + 1).collect());
        assert_eq!(live.todo.len(), MAX_PLAN_RANGES);
        assert_eq!(live.todo.last().map(|last| last.end), Some(2 * (most + 4) + 1));
    }

    proptest! {
        #[test]
        fn what_is_missing_stays_in_order_apart_and_complete(ranges in proptest::collection::vec((0_u64..200, 0_u64..20), 0..30)) {
            let ranges: Vec<_> = ranges.into_iter().map(|(start, length)| start..start + length).collect();
            let live = live(ranges.clone());
            prop_assert!(live.todo.windows(2).all(|pair| pair[0].end < pair[1].start));
            for group in 0..220_u64 {
                let missing = ranges.iter().any(|range| range.contains(&group));
                prop_assert_eq!(live.todo.iter().any(|range| range.contains(&group)), missing);
            }
        }
    }
}
