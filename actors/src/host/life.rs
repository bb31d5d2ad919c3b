//! The life of one machine inside its host: running, broken, rebuilt.
//!
//! In: what the host's messages carry. Out: steps of the machine, effects, answers. The rules (docs of
//! [`pc2_protocols::machine`]): outputs are performed only after the step returned; after a panic or a failed write the machine is
//! rebuilt from storage once its earlier writes have ended; what follows a write that became durable is performed even
//! then; whoever only the dead life knew is told. On a full disk a machine goes on serving what needs no writing.
//!
//! Not here: threads, mailboxes (see [`super`]); the order of writes (see `journal`).

use super::Host;
use crate::{
    alarm::Alarm,
    callers::{Answer, CallError, Callers, Failure, give},
    clock::Clock,
    health::{ActorHealth, ActorState, Vitals},
    journal::{Journal, Sink, Written},
    messages::{Durable, Wake},
    restarts::{Patience, Restarts},
    shell::{BoxedMachine, BuildError, Effect, Factory, Shell},
};
use actix::Addr;
use pc2_protocols::{
    limits,
    machine::{CallId, Status, Tick},
    time::Mono,
};
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};
use tokio::{runtime, sync::oneshot, task::JoinHandle};
use tracing::{error, info, warn};

/// What a host is made of.
pub(crate) struct Parts<S: Shell> {
    pub(crate) shell: S,
    pub(crate) factory: Factory<S::In, S::Out>,
    pub(crate) sink: Sink<S::Change>,
    pub(crate) clock: Clock,
    pub(crate) io: runtime::Handle,
    pub(crate) vitals: Arc<Vitals>,
    /// Hears of each change of state. Must not block.
    pub(crate) on_state: Box<dyn Fn(ActorState) + Send>,
}

/// A new machine, or none because it is not time yet, or why not.
pub(super) type Rebuilt<S> = Result<Option<BoxedMachine<<S as Shell>::In, <S as Shell>::Out>>, BuildError>;

pub(super) fn fault(what: &str) -> BuildError {
    BuildError(what.to_owned())
}

enum Phase<I, O> {
    Running(BoxedMachine<I, O>),
    /// Broken; the host is about to rebuild it, or only to wait for its writes when it has to rest.
    Broken {
        rest: Option<Rest>,
    },
    Resting(Rest),
    Closed,
}

#[derive(Clone, Copy)]
struct Rest {
    until: Mono,
    /// What callers are told meanwhile.
    why: Failure,
}

/// One machine, its surroundings and all its lives.
pub(super) struct Life<S: Shell> {
    shell: S,
    phase: Phase<S::In, S::Out>,
    generation: u32,
    /// How often the machine broke.
    deaths: u64,
    factory: Factory<S::In, S::Out>,
    journal: Journal<S::Change, S::Out>,
    /// Batches handed in whose outcome has not been handled.
    unwritten: usize,
    callers: Callers<S::Reply, S::Refusal>,
    /// Whose call is in the step under way.
    in_hand: Option<CallId>,
    /// What the step under way is about.
    at: &'static str,
    out: Vec<S::Out>,
    panics: Restarts,
    write_failures: Restarts,
    /// Writes failed again and again: until then the machine serves callers and peers, and is not set going by itself.
    quiet_until: Option<Mono>,
    alarm: Alarm,
    clock: Clock,
    io: runtime::Handle,
    vitals: Arc<Vitals>,
    on_state: Box<dyn Fn(ActorState) + Send>,
    closing: Option<oneshot::Sender<()>>,
    /// The machine is being told what earlier lives knew, or panicked at that.
    telling: bool,
    /// Why the last build failed.
    fault: Option<BuildError>,
}

impl<S: Shell> Life<S> {
    pub(super) fn new(parts: Parts<S>, address: Addr<Host<S>>) -> Self {
        let Parts { shell, factory, sink, clock, io, vitals, on_state } = parts;
        let waker = address.clone();
        // Ends with the alarm it belongs to.
        let (alarm, _task) = Alarm::start(&io, clock, move || waker.do_send(Wake));
        Self {
            shell,
            phase: Phase::Broken { rest: None },
            generation: 0,
            deaths: 0,
            factory,
            journal: Journal::new(sink, move |written| address.do_send(Durable(written))),
            unwritten: 0,
            callers: Callers::new(),
            in_hand: None,
            at: "start",
            out: Vec::new(),
            panics: Restarts::new(Patience::PANICS),
            write_failures: Restarts::new(Patience::WRITES),
            quiet_until: None,
            alarm,
            clock,
            io,
            vitals,
            on_state,
            closing: None,
            telling: false,
            fault: None,
        }
    }

    /// Something happened to the machine.
    pub(super) fn input(&mut self, input: S::In) {
        if S::is_demand(&input) && (self.overloaded() || !matches!(self.phase, Phase::Running(_))) {
            self.vitals.turned_away();
            self.shell.turn_away(input);
        } else {
            self.step(input);
        }
    }

    /// Somebody asks the machine for something.
    pub(super) fn call(&mut self, command: S::Command, answer: Answer<S::Reply, S::Refusal>) {
        let why = match &self.phase {
            Phase::Running(_) if self.overloaded() => Failure::Busy,
            Phase::Running(_) => {
                if let Some(call) = self.callers.admit(answer) {
                    self.in_hand = Some(call);
                    self.step(S::call(call, command));
                    self.in_hand = None;
                } else {
                    self.vitals.turned_away();
                }
                return;
            }
            Phase::Broken { .. } => Failure::Restarted,
            Phase::Resting(rest) => rest.why,
            Phase::Closed => Failure::Stopped,
        };
        self.vitals.turned_away();
        give(answer, Err(why.into()));
    }

    /// Writes have become durable or have failed.
    pub(super) fn durable(&mut self, Written { batches, result }: Written<S::Out>) {
        self.unwritten = self.unwritten.saturating_sub(batches.len());
        let concerns_this_life = batches.iter().any(|(generation, _)| *generation == self.generation);
        match result {
            Ok(()) => {
                for (generation, then) in batches {
                    self.at = "what follows a write";
                    then.into_iter().for_each(|out| self.perform(generation, out));
                }
            }
            Err(why) => {
                for (_, then) in batches {
                    self.abandon(then, why);
                }
                if concerns_this_life && matches!(self.phase, Phase::Running(_)) {
                    warn!(
                        actor = self.vitals.name,
                        ?why,
                        "a write failed; rebuilding from what the disk has"
                    );
                    let now = self.clock.now().mono;
                    let wait = self.write_failures.failed(now);
                    self.quiet_until = (!wait.is_zero()).then(|| now.after(wait));
                    self.die(None);
                }
            }
        }
    }

    /// The alarm went off.
    pub(super) fn wake(&mut self) {
        self.alarm.rang();
        let now = self.clock.now().mono;
        match &self.phase {
            Phase::Running(_) if self.quiet_until.is_some_and(|until| now < until) => {}
            Phase::Running(_) if self.quiet_until.take().is_some() => self.begin(),
            Phase::Running(machine) if machine.next_deadline().is_some_and(|at| at <= now) => {
                self.step(Tick.into());
            }
            Phase::Resting(rest) if rest.until <= now => self.phase = Phase::Broken { rest: None },
            Phase::Running(_) | Phase::Resting(_) | Phase::Broken { .. } | Phase::Closed => {}
        }
    }

    /// Everything that was under way at this death has ended. A later death settles for all before it.
    pub(super) fn settle(&mut self, death: u64) {
        if death == self.deaths {
            self.callers.settle();
            self.shell.settle();
        }
    }

    /// Names the latest death of the machine.
    pub(super) const fn death(&self) -> u64 {
        self.deaths
    }

    /// Takes nothing new in; says when all is written.
    pub(super) fn close(&mut self, done: oneshot::Sender<()>) {
        self.phase = Phase::Closed;
        self.set_state(ActorState::Stopped);
        self.closing = Some(done);
    }

    /// How the machine is.
    pub(super) fn report(&self) -> ActorHealth {
        let status = match &self.phase {
            // Asked in its own catch: a wrong figure is no reason for a rebuild.
            Phase::Running(machine) => {
                catch_unwind(AssertUnwindSafe(|| machine.status())).unwrap_or_default()
            }
            Phase::Resting(rest) => {
                let wait = Duration::from_millis(rest.until.0.saturating_sub(self.clock.now().mono.0));
                let concern =
                    format!("{} failed and is tried again in {} s", self.vitals.name, wait.as_secs() + 1);
                let fault = self.fault.as_ref().map(ToString::to_string);
                Status { figures: Vec::new(), concerns: std::iter::once(concern).chain(fault).collect() }
            }
            Phase::Broken { .. } | Phase::Closed => Status::default(),
        };
        self.vitals.report(status)
    }

    /// Sets the alarm, and says when the last write of a closing host has ended.
    pub(super) fn end_of_turn(&mut self) {
        self.vitals.stepped();
        self.alarm.set(match &self.phase {
            Phase::Running(machine) => self.quiet_until.or_else(|| machine.next_deadline()),
            Phase::Resting(rest) => Some(rest.until),
            Phase::Broken { .. } | Phase::Closed => None,
        });
        if self.unwritten == 0
            && let Some(done) = self.closing.take()
        {
            self.callers.refuse_all(Failure::Stopped);
            let _nobody_listens_when_time_is_up = done.send(());
        }
    }

    /// Whether the host has to stop and bring about the next life.
    pub(super) const fn is_broken(&self) -> bool {
        matches!(self.phase, Phase::Broken { .. })
    }

    /// The turn panicked: nothing more of it happens.
    pub(super) fn panicked(&mut self) {
        error!(actor = self.vitals.name, input = self.at, "a handler panicked; rebuilding from storage");
        if let Some(call) = self.in_hand.take() {
            self.callers.answer(call, Err(CallError::Restarted));
        }
        self.out = Vec::new();
        if !matches!(self.phase, Phase::Closed) {
            let now = self.clock.now().mono;
            let wait = self.panics.failed(now);
            let rest = (!wait.is_zero()).then(|| Rest { until: now.after(wait), why: Failure::Busy });
            self.die(rest);
            self.set_state(if rest.is_some() { ActorState::Failed } else { ActorState::Restarting });
        }
    }

    /// What brings the next life about: waits until the writes of the last one have ended, then builds, if it is time.
    pub(super) fn rebuild_job(&mut self, patience: Duration) -> JoinHandle<Rebuilt<S>> {
        let journal = self.journal.clone();
        let factory = match self.phase {
            Phase::Broken { rest: None } => {
                self.generation = self.generation.saturating_add(1);
                Some(Arc::clone(&self.factory))
            }
            Phase::Broken { rest: Some(_) } | Phase::Running(_) | Phase::Resting(_) | Phase::Closed => None,
        };
        let generation = self.generation;
        self.io.spawn_blocking(move || {
            if !journal.wait_idle(patience) {
                return Err(fault("its last writes have not ended"));
            }
            journal.renew();
            factory.map(|build| build(generation)).transpose()
        })
    }

    /// The job has ended.
    pub(super) fn rebuilt(&mut self, outcome: Rebuilt<S>) {
        let Phase::Broken { rest } = self.phase else { return };
        match (outcome, rest) {
            (Ok(Some(machine)), _) => {
                self.phase = Phase::Running(machine);
                self.fault = None;
                self.set_state(ActorState::Running);
                if self.quiet_until.is_none() {
                    self.begin();
                }
            }
            (_, Some(rest)) => self.phase = Phase::Resting(rest),
            (outcome, None) => {
                if let Err(fault) = outcome {
                    error!(actor = self.vitals.name, %fault, "cannot be built from storage; trying again");
                    self.fault = Some(fault);
                }
                let now = self.clock.now().mono;
                let wait = self.panics.failed(now).max(Patience::PANICS.first_wait);
                self.phase = Phase::Resting(Rest { until: now.after(wait), why: Failure::Storage });
                self.set_state(ActorState::Failed);
            }
        }
    }

    /// Sets a new life going: tells it what it must know, and wakes it once. When being told made the last one panic,
    /// this one goes without: it knows less than it should, but it works.
    fn begin(&mut self) {
        if !mem::replace(&mut self.telling, true) {
            for input in self.shell.replay() {
                self.step(input);
            }
        }
        self.telling = false;
        self.step(Tick.into());
    }

    fn overloaded(&self) -> bool {
        self.unwritten >= limits::MAX_UNWRITTEN
    }

    fn step(&mut self, input: S::In) {
        self.at = S::kind(&input);
        self.shell.observe(&input);
        let Phase::Running(machine) = &mut self.phase else { return };
        let mut out = mem::take(&mut self.out);
        machine.handle(self.clock.now(), input, &mut out);
        for out in out.drain(..) {
            self.perform(self.generation, out);
        }
        self.out = out;
    }

    fn perform(&mut self, generation: u32, out: S::Out) {
        match self.shell.perform(out) {
            Effect::Done => {}
            Effect::Persist { changes, then } if generation == self.generation => {
                self.unwritten = self.unwritten.saturating_add(1);
                self.journal.hand_in(generation, changes, then);
            }
            // A later life started from other rows: what an earlier one would write now, no longer fits.
            Effect::Persist { then, .. } => self.abandon(then, Failure::Restarted),
            Effect::Reply { call, result } => {
                self.callers.answer(call, result.map_err(CallError::Refused));
            }
        }
    }

    fn abandon(&mut self, outs: Vec<S::Out>, why: Failure) {
        for out in outs {
            match self.shell.abandon(out) {
                Effect::Done => {}
                Effect::Persist { then, .. } => self.abandon(then, why),
                Effect::Reply { call, .. } => self.callers.answer(call, Err(why.into())),
            }
        }
    }

    /// Ends this life of the machine. The next begins at once or after a rest.
    fn die(&mut self, rest: Option<Rest>) {
        let dead = mem::replace(&mut self.phase, Phase::Broken { rest });
        // What a panicked machine does when it is dropped is not to be trusted either.
        drop(catch_unwind(AssertUnwindSafe(|| drop(dead))));
        self.deaths = self.deaths.saturating_add(1);
        self.callers.new_life();
        self.shell.new_life();
        self.vitals.restarted();
    }

    fn set_state(&self, state: ActorState) {
        if self.vitals.set_state(state) {
            info!(actor = self.vitals.name, ?state, "actor changed state");
            (self.on_state)(state);
        }
    }
}
