//! The WASM machine: what may run, when, for how long, and what is installed.
//!
//! In: what a person asks ([`Command`]), what becomes of runs. Out: writes, orders for the shell, answers, [`Event`]s. It never sees a module or what a program
//! writes: the shell (`pc2-actors`) has files and processes, and does only what it is told here.
//!
//! **Admission.** So many runs at once in all and of one space ([`Quotas`]), the others wait their turn in the order they came, each space for itself, and so many may
//! wait; what is more is refused at once. **Deadlines** are kept here: a run that does not begin, or does not end, within its limits is killed, and its end names the
//! limit, unless it came to another end of its own before it died. **One space sees nothing of another's**: what it asks for by name and is another's does not exist.
//!
//! **What the shell owes**: each [`Out::Start`] is answered by one [`In::Ended`], and by one [`In::Began`] before it if it got so far; [`Out::Kill`] has the end come at
//! once. A shell that owes longer than that has its run ended without it, and what it says later is stale.
//!
//! Survives restart: apps and their grants. Lost on restart: runs; whoever waits for one is told by the host, and the shell kills them ([`Out::Reset`]).
//! Not here: limits within a run (the runner's), files and processes (`pc2-actors`). `apps` has what is installed, `queue` whose turn it is.

mod apps;
mod queue;
#[cfg(test)]
mod tests;

use super::{
    command::{Command, CommandError, Event, Job, Out, Quotas, Reply, RunId, Source, Start, What},
    end::{End, Usage},
    limits::Limits,
    rows::{AppKey, AppRow, Grant, Snapshot, Space},
    run::{Run, Stage, WAITING_PATIENCE},
    wire::{Frame as _, ToRunner},
};
use crate::{
    id::NodeId,
    kinds,
    machine::{CallId, Machine, Status, Tick},
    time::{Mono, Now},
};
use std::collections::BTreeMap;

kinds! {
    /// What can happen to the WASM machine.
    #[derive(Debug)]
    pub enum In {
        /// Its alarm went off.
        Tick,
        /// A person or script asks for something.
        Call {
            /// Who waits for the answer.
            call: CallId,
            /// What is asked.
            command: Command,
        },
        /// A run's module is loaded, and it runs: its time begins.
        Began {
            /// Which.
            run: RunId,
        },
        /// A run is over.
        Ended {
            /// Which.
            run: RunId,
            /// How.
            end: End,
            /// What it took.
            usage: Usage,
        },
    }
}

impl From<Tick> for In {
    fn from(_: Tick) -> Self {
        Self::Tick
    }
}

/// The WASM machine. See the [module](self).
#[derive(Debug)]
pub struct Wasm {
    account: NodeId,
    quotas: Quotas,
    limits: Limits,
    apps: BTreeMap<AppKey, AppRow>,
    runs: BTreeMap<RunId, Run>,
    /// Runs in the order they came.
    order: Vec<RunId>,
    begun: bool,
}

impl Wasm {
    /// Starts from rows, with what the configuration says.
    #[must_use]
    pub fn new(account: NodeId, snapshot: Snapshot, quotas: Quotas, limits: Limits) -> Self {
        let (runs, order) = (BTreeMap::new(), Vec::new());
        Self { account, quotas, limits, apps: snapshot.apps, runs, order, begun: false }
    }

    fn command(&mut self, now: Now, call: CallId, command: Command, out: &mut Vec<Out>) {
        let result = match command {
            Command::Run { run, space, what, job, ask, wait } => {
                let started = self.admit(now, run, space, what, job, &ask, wait.then_some(call));
                if started.is_err() {
                    out.push(Out::Forget { run });
                }
                match started {
                    // Answered when it ends.
                    Ok(()) if wait => return,
                    Ok(()) => {
                        self.publish(run, out);
                        self.shown(space, run)
                    }
                    Err(error) => Err(error),
                }
            }
            Command::Stop { space, run } => self.stop(now, space, run, out),
            Command::Show { space, run } => self.shown(space, run),
            Command::Runs { space } => {
                let runs = self.order.iter().rev().filter_map(|id| self.runs.get(id));
                // Who waits for one is told by the answer, and pages never heard of it.
                let shown = runs.filter(|run| run.start.space == space && run.caller.is_none());
                Ok(Reply::Runs(shown.map(Run::view).collect()))
            }
            Command::Apps { space } => {
                let apps = self.apps.values().filter(|row| row.space == space);
                return durable(call, Ok(Reply::Apps(apps.cloned().collect())), out);
            }
            Command::App { space, id } => {
                let app = self.app(AppKey { space, id }).map(|row| Reply::App(Box::new(row.clone())));
                return durable(call, app, out);
            }
            Command::Install { space, manifest, module, bytes } => {
                return self.install(now, call, space, *manifest, module, bytes, out);
            }
            Command::Discard { module } => {
                out.extend(self.unused(module));
                Ok(Reply::Removed)
            }
            Command::EndSpace { space, apps } => return self.end_space(now, call, space, apps, out),
            Command::Remove { space, id } => return self.remove(now, call, AppKey { space, id }, out),
            Command::Grant { space, id, grant } => {
                return self.grant(now, call, AppKey { space, id }, grant, out);
            }
        };
        out.push(Out::Reply { call, result });
    }

    fn shown(&self, space: Space, run: RunId) -> Result<Reply, CommandError> {
        let found = self.runs.get(&run).filter(|found| found.start.space == space);
        found.map(|run| Reply::Run(Box::new(run.view()))).ok_or(CommandError::UnknownRun)
    }

    /// Takes a run, to be begun when it is its turn.
    #[expect(clippy::too_many_arguments, reason = "the fields of one command")]
    fn admit(
        &mut self,
        now: Now,
        run: RunId,
        space: Space,
        what: What,
        job: Job,
        ask: &super::ask::LimitsAsk,
        caller: Option<CallId>,
    ) -> Result<(), CommandError> {
        if self.runs.contains_key(&run) {
            return Err(CommandError::Taken);
        }
        ask.check().map_err(CommandError::BadLimit)?;
        check(&job)?;
        let (app, module, source, name, grant, ask) = match what {
            What::App { id } => {
                let row = self.app(AppKey { space, id })?;
                let ask = row.manifest.limits.and(ask);
                (Some(id), row.module, Source::Installed, row.manifest.name.clone(), row.grant.clone(), ask)
            }
            What::Module { module, name, grant } => {
                grant.as_ref().map_or(Ok(()), apps::is_inside_home)?;
                (None, module, Source::Given, name, grant, *ask)
            }
        };
        // Functions reach no files.
        let grant: Option<Grant> = grant.filter(|_| matches!(job, Job::Program { .. }));
        self.has_room(space)?;
        let limits = ask.within(&self.limits);
        let start = Start { run, space, module, source, name, job, grant, limits };
        let due = now.mono.after(WAITING_PATIENCE);
        let (since, usage) = (now.unix, Usage::default());
        let taken = Run { start, app, stage: Stage::Waiting, due, caller, since, usage, began: None };
        self.runs.insert(run, taken);
        self.order.push(run);
        Ok(())
    }

    fn stop(&mut self, now: Now, space: Space, id: RunId, out: &mut Vec<Out>) -> Result<Reply, CommandError> {
        self.shown(space, id)?;
        self.kill(now, id, End::Stopped, out);
        // What it was at the time, when it is not remembered.
        self.shown(space, id).or(Ok(Reply::Removed))
    }

    fn publish(&self, id: RunId, out: &mut Vec<Out>) {
        if let Some(run) = self.runs.get(&id).filter(|run| run.caller.is_none()) {
            out.push(Out::Publish(Event::Run(Box::new(run.view()))));
        }
    }
}

/// Answers what may not be on the disk yet, once it is.
fn durable(call: CallId, result: Result<Reply, CommandError>, out: &mut Vec<Out>) {
    out.push(Out::Persist { changes: Vec::new(), then: vec![Out::Reply { call, result }] });
}

/// Whether a runner would take it.
fn check(job: &Job) -> Result<(), CommandError> {
    if let Job::Program { arguments, environment } = job {
        let named = environment.iter().flat_map(|(name, value)| [name, value]);
        if arguments.iter().chain(named).any(|text| text.contains('\0')) {
            return Err(CommandError::BadJob(
                "arguments and variables of a program have no NUL in them".to_owned(),
            ));
        }
    }
    let frame = match job.clone() {
        Job::Call { function, arguments } => ToRunner::Call { id: 0, function, arguments },
        Job::Program { mut arguments, environment } => {
            // Room for its own name.
            arguments.push("x".repeat(super::wire::MAX_NAME_BYTES));
            let (limits, landlock) = (Limits::default(), super::wire::Landlock::Required);
            let access = super::wire::Access::None;
            ToRunner::Wasi { limits, landlock, arguments, environment, access }
        }
    };
    frame.checked().map(drop).map_err(|error| CommandError::BadJob(error.to_string()))
}

impl Machine for Wasm {
    type In = In;
    type Out = Out;

    fn handle(&mut self, now: Now, input: In, out: &mut Vec<Out>) {
        if !self.begun {
            self.begun = true;
            let mut modules: Vec<_> = self.apps.values().map(|row| row.module).collect();
            modules.sort_unstable();
            modules.dedup();
            out.push(Out::Reset { modules });
            out.push(Out::Publish(Event::Reset));
        }
        match input {
            In::Tick => {}
            In::Call { call, command } => self.command(now, call, command, out),
            In::Began { run } => self.began(now, run, out),
            In::Ended { run, end, usage } => self.ended(now, run, end, usage, out),
        }
        self.look(now, out);
    }

    fn next_deadline(&self) -> Option<Mono> {
        if !self.begun {
            return Some(Mono(0));
        }
        self.runs.values().filter(|run| !run.is_over()).map(|run| run.due).min()
    }

    fn status(&self) -> Status {
        let count = |test: fn(&Run) -> bool| {
            u64::try_from(self.runs.values().filter(|run| test(run)).count()).unwrap_or(u64::MAX)
        };
        Status {
            figures: vec![
                ("apps installed", u64::try_from(self.apps.len()).unwrap_or(u64::MAX)),
                ("running now", count(Run::is_under_way)),
                ("waiting to run", count(|run| matches!(run.stage, Stage::Waiting))),
            ],
            concerns: Vec::new(),
        }
    }
}
