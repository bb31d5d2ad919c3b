//! A host around a toy machine, on a real actix system, with a disk under the test's control.

use super::*;
use crate::{
    callers::{CallError, Failure},
    clock::Clock,
    health::{ActorState, Vitals},
    journal::{Done, Sink},
    shell::{BoxedMachine, BuildError, Effect},
};
use actix::System;
use pc2_protocols::{
    machine::{CallId, Machine, Status, Tick},
    net::{NetInput, RequestToken},
    time::{Mono, Now},
};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
    mpsc,
};
use tokio::runtime::Runtime;

/// Adds up; panics when asked to.
struct Toy {
    sum: u64,
    ticked: bool,
    panic_on_tick: bool,
    write_on_tick: bool,
}

#[derive(Debug)]
enum In {
    Tick,
    Call {
        call: CallId,
        command: Command,
    },
    Peer {
        token: RequestToken,
        add: u64,
    },
    Online(bool),
    /// Panics, and is told to every new life.
    Poison,
}

#[derive(Debug)]
enum Command {
    Add(u64),
    Sum,
    Panic,
    /// Never answered by this life.
    Ponder,
}

#[derive(Debug)]
enum Out {
    Persist { sum: u64, then: Vec<Out> },
    Reply { call: CallId, sum: u64 },
    Respond { token: RequestToken },
    Said(&'static str),
}

impl From<Tick> for In {
    fn from(_: Tick) -> Self {
        Self::Tick
    }
}

impl Machine for Toy {
    type In = In;
    type Out = Out;

    fn handle(&mut self, _now: Now, input: In, out: &mut Vec<Out>) {
        match input {
            In::Tick => {
                assert!(!self.panic_on_tick, "armed");
                self.ticked = true;
                if self.write_on_tick {
                    out.push(Out::Persist { sum: self.sum, then: vec![Out::Said("written")] });
                }
            }
            In::Call { call, command: Command::Add(add) } => {
                self.sum += add;
                out.push(Out::Persist { sum: self.sum, then: vec![Out::Reply { call, sum: self.sum }] });
            }
            In::Call { call, command: Command::Sum } => out.push(Out::Reply { call, sum: self.sum }),
            In::Call { call, command: Command::Panic } => {
                out.push(Out::Said("half a step"));
                out.push(Out::Reply { call, sum: 0 });
                panic!("as asked");
            }
            In::Call { command: Command::Ponder, .. } => {}
            In::Peer { token, add } => {
                self.sum += add;
                out.push(Out::Persist { sum: self.sum, then: vec![Out::Respond { token }] });
            }
            In::Poison => panic!("poisoned"),
            In::Online(online) => out.push(Out::Said(if online { "online" } else { "offline" })),
        }
    }

    fn next_deadline(&self) -> Option<Mono> {
        (!self.ticked).then_some(Mono(0))
    }

    fn status(&self) -> Status {
        Status { figures: vec![("sum", self.sum)], concerns: Vec::new() }
    }
}

/// What the toy's surroundings heard.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Said(&'static str),
    Answered(u64),
    Refused(u64),
    Settled,
}

struct ToyShell {
    heard: mpsc::Sender<Heard>,
    online: bool,
    poisoned: bool,
}

impl ToyShell {
    fn hear(&self, what: Heard) {
        // The test may be over.
        drop(self.heard.send(what));
    }
}

impl Shell for ToyShell {
    type In = In;
    type Out = Out;
    type Change = u64;
    type Command = Command;
    type Reply = u64;
    type Refusal = &'static str;

    fn call(call: CallId, command: Command) -> In {
        In::Call { call, command }
    }

    fn from_net(_: NetInput) -> Option<In> {
        None
    }

    fn kind(_: &In) -> &'static str {
        "toy"
    }

    fn is_demand(input: &In) -> bool {
        matches!(input, In::Peer { .. })
    }

    fn perform(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { sum, then } => return Effect::Persist { changes: vec![sum], then },
            Out::Reply { call, sum } => return Effect::Reply { call, result: Ok(sum) },
            Out::Respond { token } => self.hear(Heard::Answered(token.0)),
            Out::Said(what) => self.hear(Heard::Said(what)),
        }
        Effect::Done
    }

    fn abandon(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { then, .. } => return Effect::Persist { changes: Vec::new(), then },
            Out::Reply { call, sum } => return Effect::Reply { call, result: Ok(sum) },
            Out::Respond { token } => self.hear(Heard::Refused(token.0)),
            Out::Said(_) => {}
        }
        Effect::Done
    }

    fn turn_away(&mut self, input: In) {
        if let In::Peer { token, .. } = input {
            self.hear(Heard::Refused(token.0));
        }
    }

    fn observe(&mut self, input: &In) {
        match input {
            In::Online(online) => self.online = *online,
            In::Poison => self.poisoned = true,
            In::Tick | In::Call { .. } | In::Peer { .. } => {}
        }
    }

    fn new_life(&mut self) {}

    fn replay(&self) -> Vec<In> {
        let poison = self.poisoned.then_some(In::Poison);
        self.online.then_some(In::Online(true)).into_iter().chain(poison).collect()
    }

    fn settle(&mut self) {
        self.hear(Heard::Settled);
    }
}

/// The disk: writes at once, unless told to hold back or to fail.
#[derive(Default)]
struct Disk {
    sum: Mutex<u64>,
    full: AtomicBool,
    hold: AtomicBool,
    held: Mutex<Vec<(Vec<u64>, Done)>>,
    unreadable: AtomicBool,
    panic_on_tick: AtomicBool,
    write_on_tick: AtomicBool,
    builds: AtomicU32,
}

impl Disk {
    fn write(&self, changes: &[u64], done: Done) {
        if self.full.load(Ordering::SeqCst) {
            return done(Err(Failure::DiskFull));
        }
        *self.sum.lock().expect("lock") = *changes.last().expect("a write has changes");
        done(Ok(()));
    }

    fn release(&self) {
        self.hold.store(false, Ordering::SeqCst);
        let held = std::mem::take(&mut *self.held.lock().expect("lock"));
        for (changes, done) in held {
            self.write(&changes, done);
        }
    }
}

struct Bench {
    io: Runtime,
    system: System,
    host: Addr<Host<ToyShell>>,
    disk: Arc<Disk>,
    vitals: Arc<Vitals>,
    heard: mpsc::Receiver<Heard>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.system.stop();
    }
}

fn bench() -> Bench {
    let io = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("io");
    let (to_system, system) = mpsc::channel();
    std::thread::spawn(move || {
        let runner = System::new();
        to_system.send(System::current()).expect("test lives");
        runner.run().expect("stops in order");
    });
    let system = system.recv().expect("system starts");
    let (host, seat) = Host::<ToyShell>::spawn(system.arbiter(), 64);
    let (to_heard, heard) = mpsc::channel();
    let disk = Arc::new(Disk::default());
    let vitals = Arc::new(Vitals::new("toy"));
    let sink: Sink<u64> = {
        let disk = Arc::clone(&disk);
        Arc::new(move |changes, done| {
            if disk.hold.load(Ordering::SeqCst) {
                disk.held.lock().expect("lock").push((changes, done));
            } else {
                disk.write(&changes, done);
            }
            Ok(())
        })
    };
    let build_from = Arc::clone(&disk);
    let parts = Parts {
        shell: ToyShell { heard: to_heard, online: false, poisoned: false },
        factory: Arc::new(move |_| {
            build_from.builds.fetch_add(1, Ordering::SeqCst);
            if build_from.unreadable.load(Ordering::SeqCst) {
                return Err(BuildError("unreadable".to_owned()));
            }
            let sum = *build_from.sum.lock().expect("lock");
            let panic_on_tick = build_from.panic_on_tick.load(Ordering::SeqCst);
            let write_on_tick = build_from.write_on_tick.load(Ordering::SeqCst);
            Ok(Box::new(Toy { sum, ticked: false, panic_on_tick, write_on_tick }) as BoxedMachine<In, Out>)
        }),
        sink,
        clock: Clock::start(),
        io: io.handle().clone(),
        vitals: Arc::clone(&vitals),
        on_state: Box::new(|_| {}),
    };
    assert!(seat.send(parts).is_ok(), "host waits for its parts");
    let bench = Bench { io, system, host, disk, vitals, heard };
    assert_eq!(bench.call(Command::Sum), Ok(0), "it has begun");
    bench
}

type Outcome = Result<u64, CallError<&'static str>>;

impl Bench {
    fn ask(&self, command: Command) -> oneshot::Receiver<Outcome> {
        let (answer, got) = oneshot::channel();
        self.host.do_send(Call { command, answer });
        got
    }

    fn wait(&self, got: oneshot::Receiver<Outcome>) -> Outcome {
        self.io.block_on(async {
            let got = tokio::time::timeout(Duration::from_secs(5), got).await;
            got.expect("answered in time").expect("answered at all")
        })
    }

    fn call(&self, command: Command) -> Outcome {
        self.wait(self.ask(command))
    }

    fn hears(&self) -> Heard {
        self.heard.recv_timeout(Duration::from_secs(5)).expect("hears something")
    }
}

#[test]
fn an_answer_comes_when_the_disk_has_it() {
    let bench = bench();
    bench.disk.hold.store(true, Ordering::SeqCst);
    let mut got = bench.ask(Command::Add(5));
    assert_eq!(bench.call(Command::Sum), Ok(5), "the machine has gone on");
    assert!(got.try_recv().is_err(), "but nobody is told before the disk has it");
    bench.disk.release();
    assert_eq!(bench.wait(got), Ok(5));
}

#[test]
fn a_panic_costs_its_caller_an_error_and_nobody_else_anything() {
    let bench = bench();
    assert_eq!(bench.call(Command::Add(5)), Ok(5));
    let pondering = bench.ask(Command::Ponder);
    let panicking = bench.ask(Command::Panic);
    let queued: Vec<_> = (0..20).map(|_| bench.ask(Command::Add(1))).collect();
    assert_eq!(bench.wait(panicking), Err(CallError::Restarted));
    let sums: Vec<_> = queued.into_iter().map(|got| bench.wait(got)).collect();
    assert_eq!(sums, (6..=25).map(Ok).collect::<Vec<_>>(), "queued calls survive, on top of what was stored");
    assert_eq!(bench.wait(pondering), Err(CallError::Restarted), "only the dead life knew it");
    assert_eq!(bench.vitals.state(), ActorState::Running);
    let said: Vec<_> = bench.heard.try_iter().filter(|heard| *heard != Heard::Settled).collect();
    assert_eq!(said, [], "no output of the step that panicked is performed");
}

#[test]
fn what_a_dead_life_wrote_is_still_answered() {
    let bench = bench();
    bench.disk.hold.store(true, Ordering::SeqCst);
    let written = bench.ask(Command::Add(5));
    bench.host.do_send(Input(In::Peer { token: RequestToken(7), add: 1 }));
    assert_eq!(bench.call(Command::Panic), Err(CallError::Restarted));
    let sum = bench.ask(Command::Sum);
    bench.disk.release();
    assert_eq!(bench.wait(written), Ok(5));
    assert_eq!(bench.wait(sum), Ok(6), "the next life starts after the last one's writes");
    let heard: Vec<_> = (0..3).map(|_| bench.hears()).collect();
    assert_eq!(heard, [Heard::Settled, Heard::Answered(7), Heard::Settled]);
}

#[test]
fn a_full_disk_is_told_to_callers_and_unmakes_the_step() {
    let bench = bench();
    assert_eq!(bench.call(Command::Add(5)), Ok(5));
    bench.disk.full.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        assert_eq!(bench.call(Command::Add(1)), Err(CallError::DiskFull));
        assert_eq!(bench.call(Command::Sum), Ok(5), "reading goes on");
    }
    bench.host.do_send(Input(In::Peer { token: RequestToken(7), add: 1 }));
    while bench.hears() != Heard::Refused(7) {}
    bench.disk.full.store(false, Ordering::SeqCst);
    assert_eq!(bench.call(Command::Add(1)), Ok(6));
}

#[test]
fn a_machine_that_writes_by_itself_serves_readers_on_a_full_disk_and_writes_later() {
    let bench = bench();
    assert_eq!(bench.call(Command::Add(5)), Ok(5));
    bench.disk.full.store(true, Ordering::SeqCst);
    bench.disk.write_on_tick.store(true, Ordering::SeqCst);
    assert_eq!(bench.call(Command::Add(1)), Err(CallError::DiskFull));
    for _ in 0..1_000 {
        assert_eq!(bench.call(Command::Sum), Ok(5));
    }
    let builds = bench.disk.builds.load(Ordering::SeqCst);
    assert!(builds <= 8, "it does not spin: {builds} builds");
    bench.disk.full.store(false, Ordering::SeqCst);
    while bench.hears() != Heard::Said("written") {}
}

#[test]
fn a_machine_that_fails_too_often_is_left_alone_and_says_so() {
    let bench = bench();
    for _ in 0..6 {
        assert_eq!(bench.call(Command::Panic), Err(CallError::Restarted));
    }
    assert_eq!(bench.call(Command::Sum), Err(CallError::Busy));
    assert_eq!(bench.vitals.state(), ActorState::Failed);
    let (to, report) = oneshot::channel();
    bench.host.do_send(Report { to });
    let report = bench.io.block_on(report).expect("answered");
    assert_eq!(report.restarts, 6);
    assert_eq!(report.status.concerns.len(), 1);
    bench.host.do_send(Input(In::Peer { token: RequestToken(7), add: 1 }));
    while bench.hears() != Heard::Refused(7) {}
    // The rest is one second.
    while bench.call(Command::Sum) != Ok(0) {
        std::thread::yield_now();
    }
    assert_eq!(bench.vitals.state(), ActorState::Running);
}

#[test]
fn a_machine_that_cannot_be_built_is_tried_again() {
    let bench = bench();
    bench.disk.unreadable.store(true, Ordering::SeqCst);
    assert_eq!(bench.call(Command::Panic), Err(CallError::Restarted));
    assert_eq!(bench.call(Command::Sum), Err(CallError::Storage));
    bench.disk.unreadable.store(false, Ordering::SeqCst);
    while bench.call(Command::Sum) != Ok(0) {
        std::thread::yield_now();
    }
}

#[test]
fn a_panic_at_every_start_does_not_spin() {
    let bench = bench();
    bench.disk.panic_on_tick.store(true, Ordering::SeqCst);
    assert_eq!(bench.call(Command::Panic), Err(CallError::Restarted));
    while bench.vitals.state() != ActorState::Failed {
        std::thread::yield_now();
    }
    // The first build, and one for each of the five forgiven panics.
    assert_eq!(bench.disk.builds.load(Ordering::SeqCst), 6);
}

#[test]
fn a_new_life_is_told_who_is_there() {
    let bench = bench();
    bench.host.do_send(Input(In::Online(true)));
    assert_eq!(bench.call(Command::Panic), Err(CallError::Restarted));
    bench.call(Command::Sum).expect("runs again");
    let online = bench.heard.try_iter().filter(|heard| *heard == Heard::Said("online")).count();
    assert_eq!(online, 2);
}

#[test]
fn what_every_life_panics_at_is_not_told_for_ever() {
    let bench = bench();
    bench.host.do_send(Input(In::Poison));
    assert_eq!(bench.call(Command::Add(1)), Ok(1));
    assert_eq!(bench.vitals.report(Status::default()).restarts, 2, "once for itself, once for being told");
}

#[test]
fn shutdown_is_acknowledged_when_the_last_write_has_been_answered() {
    let bench = bench();
    bench.disk.hold.store(true, Ordering::SeqCst);
    let written = bench.ask(Command::Add(5));
    let (done, mut closed) = oneshot::channel();
    bench.host.do_send(Shutdown { done });
    assert_eq!(bench.call(Command::Sum), Err(CallError::Stopped));
    assert!(closed.try_recv().is_err());
    bench.disk.release();
    assert_eq!(bench.wait(written), Ok(5));
    assert_eq!(bench.io.block_on(closed), Ok(()));
}

#[test]
fn a_full_mailbox_refuses_data() {
    let bench = bench();
    bench.disk.hold.store(true, Ordering::SeqCst);
    // The mailbox waits while the machine is rebuilt, and the rebuild waits for the write.
    let written = bench.ask(Command::Add(5));
    let panicked = bench.ask(Command::Panic);
    let inbox = inbox(&bench.host);
    let clone = inbox.clone();
    let accepted = (0..200)
        .map(|number| if number % 2 == 0 { &inbox } else { &clone })
        .filter(|inbox| inbox.offer(In::Peer { token: RequestToken(1), add: 0 }).is_ok())
        .count();
    assert!(accepted <= 66, "64 and what was taken out before the panic, not {accepted}");
    bench.disk.release();
    assert_eq!(bench.wait(panicked), Err(CallError::Restarted));
    assert_eq!(bench.wait(written), Ok(5));
}
