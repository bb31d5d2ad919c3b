//! Whose turn it is, what becomes of runs, and which are remembered.

use super::{
    super::{
        command::{CommandError, Event, Out, Reply, RunId},
        end::{End, Usage},
        rows::Space,
        run::{KILL_PATIENCE, Run, Stage},
    },
    Wasm,
};
use crate::time::Now;
use std::time::Duration;

/// Runs of one space that have ended and are remembered: each may keep some of its output.
const REMEMBERED: usize = 16;

/// Of them, of one app or module: what somebody starts by every click leaves room for the others.
const REMEMBERED_OF_ONE: usize = 4;

/// Beside the time of a run: what starting the call and hearing of its end may take.
const CLOCK_SLACK: Duration = Duration::from_millis(20);

impl Wasm {
    /// Whether one more may wait. Whatever could begin has begun: only those that cannot are counted.
    pub(super) fn has_room(&self, space: Space) -> Result<(), CommandError> {
        let waits = |run: &&Run| matches!(run.stage, Stage::Waiting);
        let theirs = self.runs.values().filter(waits).filter(|run| run.start.space == space).count();
        let all = self.runs.values().filter(waits).count();
        if theirs >= self.quotas.waiting_each {
            return Err(CommandError::TooManyRuns { waiting: theirs });
        }
        if all >= self.quotas.waiting {
            return Err(CommandError::TooManyRuns { waiting: all });
        }
        Ok(())
    }

    /// Ends what is overdue, and begins whatever can begin.
    pub(super) fn look(&mut self, now: Now, out: &mut Vec<Out>) {
        let late = self.runs.iter().filter(|(_, run)| !run.is_over() && run.due <= now.mono);
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            let Some(run) = self.runs.get(&id) else { continue };
            let end = run.overdue();
            self.kill(now, id, end, out);
        }
        while let Some(id) = self.next() {
            let Some(run) = self.runs.get_mut(&id) else { break };
            run.stage = Stage::Preparing;
            run.due = now.mono.after(run.preparing_patience());
            out.push(Out::Start(Box::new(run.start.clone())));
            self.publish(id, out);
        }
    }

    /// The first that waits, of a space that has not as many as it may.
    fn next(&self) -> Option<RunId> {
        let under_way = |space: Option<Space>| {
            let all = self.runs.values().filter(|run| run.is_under_way());
            all.filter(|run| space.is_none_or(|space| run.start.space == space)).count()
        };
        if under_way(None) >= self.quotas.runs {
            return None;
        }
        let waiting = self.order.iter().filter_map(|id| self.runs.get(id));
        let mut waiting = waiting.filter(|run| matches!(run.stage, Stage::Waiting));
        waiting.find(|run| under_way(Some(run.start.space)) < self.quotas.runs_each).map(|run| run.start.run)
    }

    /// A run runs: its time begins.
    pub(super) fn began(&mut self, now: Now, id: RunId, out: &mut Vec<Out>) {
        let Some(run) = self.runs.get_mut(&id).filter(|run| matches!(run.stage, Stage::Preparing)) else {
            return;
        };
        run.stage = Stage::Running;
        run.began = Some(now.mono);
        run.due = now.mono.after(Duration::from_millis(run.start.limits.time_ms).saturating_add(CLOCK_SLACK));
        self.publish(id, out);
    }

    /// The shell says that a run is over. What was killed ended by what it was killed for, unless it was done before.
    pub(super) fn ended(&mut self, now: Now, id: RunId, end: End, usage: Usage, out: &mut Vec<Out>) {
        let Some(run) = self.runs.get(&id).filter(|run| run.is_under_way()) else { return };
        let end = match (&run.stage, end) {
            (Stage::Ending { end }, End::Crashed { .. } | End::Stopped) => end.clone(),
            (_, end) => end,
        };
        self.over(now, id, end, Some(usage), out);
    }

    /// Has a run ended, for the reason that is given.
    pub(super) fn kill(&mut self, now: Now, id: RunId, end: End, out: &mut Vec<Out>) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        match run.stage {
            Stage::Waiting => self.over(now, id, end, None, out),
            Stage::Preparing | Stage::Running => {
                run.stage = Stage::Ending { end };
                run.due = now.mono.after(KILL_PATIENCE);
                out.push(Out::Kill { run: id });
            }
            Stage::Ending { ref end } if run.due <= now.mono => {
                let end = end.clone();
                self.over(now, id, end, None, out);
            }
            Stage::Ending { .. } | Stage::Ended { .. } => {}
        }
    }

    fn over(&mut self, now: Now, id: RunId, end: End, usage: Option<Usage>, out: &mut Vec<Out>) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let time_us = run.began.map_or(0, |began| now.mono.since(began).as_micros());
        let known = Usage { time_us: u64::try_from(time_us).unwrap_or(u64::MAX), ..run.usage };
        run.usage = usage.filter(|usage| *usage != Usage::default()).unwrap_or(known);
        if let Some(call) = run.caller {
            out.push(Out::Reply { call, result: Ok(Reply::Ended { end, usage: run.usage }) });
            self.forget(id, out);
            return;
        }
        run.stage = Stage::Ended { end, at: now.unix };
        let (space, app, module) = (run.start.space, run.app, run.start.module);
        out.push(Out::Over { run: id });
        self.publish(id, out);
        self.forget_all_but(REMEMBERED_OF_ONE, out, |run| {
            run.start.space == space && run.app == app && (app.is_some() || run.start.module == module)
        });
        self.forget_all_but(REMEMBERED, out, |run| run.start.space == space);
    }

    /// Forgets the oldest of those runs that have ended, until so many are left.
    fn forget_all_but(&mut self, most: usize, out: &mut Vec<Out>, of: impl Fn(&Run) -> bool) {
        let ended =
            self.order.iter().filter_map(|id| self.runs.get(id)).filter(|run| run.is_over() && of(run));
        let ended: Vec<_> = ended.map(|run| (run.start.run, run.start.space)).collect();
        for (run, space) in ended.iter().take(ended.len().saturating_sub(most)) {
            self.forget(*run, out);
            out.push(Out::Publish(Event::Forgotten { space: *space, run: *run }));
        }
    }

    fn forget(&mut self, id: RunId, out: &mut Vec<Out>) {
        self.runs.remove(&id);
        self.order.retain(|other| *other != id);
        out.push(Out::Forget { run: id });
    }
}
