//! The machine with nothing around it: who may run what and when, and what becomes of it.

use super::*;
use crate::{
    id::BlobId,
    time::UnixMillis,
    wasm::{
        ask::LimitsAsk,
        command::RunState,
        limits::LimitKind,
        manifest::{Access, AppId, Manifest},
        rows::Change,
    },
};

const ACCOUNT: NodeId = NodeId::from_bytes([1; 32]);
const MODULE: BlobId = BlobId::from_bytes([2; 32]);
const OTHER: Space = Space::Wallet([7; 20]);

const MANIFEST: &str = "id = \"counter\"\nname = \"Counter\"\nversion = \"1\"\nmodule = \"c.wasm\"\nkind = \"program\"\n[data]\naccess = \"read\"\n[limits]\ntime_ms = 1000\n";

/// A machine and what it wanted; writes become durable at once.
struct World {
    machine: Wasm,
    now: Now,
    out: Vec<Out>,
    changes: Vec<Change>,
    calls: u64,
}

impl World {
    fn new() -> Self {
        let quotas = Quotas { runs: 3, runs_each: 2, waiting: 4, waiting_each: 3 };
        Self::of(Wasm::new(ACCOUNT, Snapshot::default(), quotas, Limits::default()))
    }

    fn of(machine: Wasm) -> Self {
        let now = Now { mono: Mono(1_000), unix: UnixMillis(5) };
        Self { machine, now, out: Vec::new(), changes: Vec::new(), calls: 0 }
    }

    fn step(&mut self, input: In) {
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut out);
        while !out.is_empty() {
            match out.remove(0) {
                Out::Persist { changes, then } => {
                    self.changes.extend(changes);
                    out.splice(0..0, then);
                }
                other => self.out.push(other),
            }
        }
    }

    /// Asks, and gives the answer if it came at once.
    fn ask(&mut self, command: Command) -> Option<Result<Reply, CommandError>> {
        self.calls += 1;
        let call = CallId(self.calls);
        self.step(In::Call { call, command });
        self.answer(call)
    }

    fn answer(&mut self, call: CallId) -> Option<Result<Reply, CommandError>> {
        let place =
            self.out.iter().position(|out| matches!(out, Out::Reply { call: to, .. } if *to == call))?;
        match self.out.remove(place) {
            Out::Reply { result, .. } => Some(result),
            _ => None,
        }
    }

    fn run(&mut self, number: u8, space: Space, wait: bool) -> Option<Result<Reply, CommandError>> {
        self.run_of(MODULE, number, space, wait)
    }

    fn run_of(
        &mut self,
        module: BlobId,
        number: u8,
        space: Space,
        wait: bool,
    ) -> Option<Result<Reply, CommandError>> {
        let what = What::Module { module, name: "x.wasm".to_owned(), grant: None };
        let job = Job::Call { function: "add".to_owned(), arguments: vec!["5".to_owned()] };
        let ask = Box::new(LimitsAsk { time_ms: Some(1_000), ..LimitsAsk::default() });
        self.ask(Command::Run { run: id(number), space, what, job, ask, wait })
    }

    /// Runs of the owner's that are listed.
    fn listed(&mut self) -> Vec<RunId> {
        match self.ask(Command::Runs { space: Space::Owner }) {
            Some(Ok(Reply::Runs(runs))) => runs.iter().map(|run| run.id).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn started(&mut self) -> Vec<RunId> {
        let starts = self.out.extract_if(.., |out| matches!(out, Out::Start(_)));
        starts.filter_map(|out| if let Out::Start(start) = out { Some(start.run) } else { None }).collect()
    }

    fn has(&self, test: impl Fn(&Out) -> bool) -> bool {
        self.out.iter().any(test)
    }

    fn ended(&mut self, number: u8) {
        self.step(In::Ended { run: id(number), end: returned(), usage: Usage::default() });
    }

    fn later(&mut self, millis: u64) {
        self.now.mono.0 += millis;
        if self.machine.next_deadline().is_some_and(|at| at <= self.now.mono) {
            self.step(In::Tick);
        }
    }

    fn state(&mut self, number: u8, space: Space) -> Result<RunState, CommandError> {
        match self.ask(Command::Show { space, run: id(number) }).expect("answered")? {
            Reply::Run(view) => Ok(view.state),
            other => panic!("{other:?}"),
        }
    }

    fn install(&mut self, manifest: &str) -> Result<Reply, CommandError> {
        let manifest = Box::new(Manifest::parse(manifest).expect("a manifest"));
        self.ask(Command::Install { space: Space::Owner, manifest, module: MODULE, bytes: 8 })
            .expect("answered")
    }

    fn grant(&mut self, grant: Option<Grant>) -> Result<Reply, CommandError> {
        self.ask(Command::Grant { space: Space::Owner, id: counter(), grant }).expect("answered")
    }

    fn run_app(&mut self, number: u8) -> Start {
        let job = Job::Program { arguments: vec![], environment: vec![] };
        let (what, ask) = (What::App { id: counter() }, Box::default());
        let run = Command::Run { run: id(number), space: Space::Owner, what, job, ask, wait: false };
        self.ask(run).expect("answered").expect("taken");
        let start = self
            .out
            .iter()
            .rev()
            .find_map(|out| if let Out::Start(start) = out { Some(start) } else { None });
        start.expect("it begins").as_ref().clone()
    }
}

fn id(number: u8) -> RunId {
    RunId::from_bytes([number; 8])
}

fn counter() -> AppId {
    "counter".parse().expect("an id")
}

fn returned() -> End {
    End::Returned { results: vec![] }
}

fn reading(folder: &str) -> Grant {
    Grant { folder: folder.to_owned(), access: Access::Read }
}

fn limit(kind: LimitKind) -> End {
    End::Limit { kind }
}

#[test]
fn a_call_is_answered_when_it_has_ended_and_is_not_remembered() {
    let mut world = World::new();
    assert_eq!(world.run(1, Space::Owner, true), None);
    assert_eq!(world.started(), [id(1)]);
    world.step(In::Began { run: id(1) });
    world.ended(1);
    let answer = world.answer(CallId(1)).expect("answered").expect("ended");
    assert!(matches!(answer, Reply::Ended { end, .. } if end == returned()));
    assert!(world.has(|out| matches!(out, Out::Forget { run } if *run == id(1))));
    assert_eq!(world.state(1, Space::Owner), Err(CommandError::UnknownRun));
    let of_a_run = |out: &Out| matches!(out, Out::Publish(Event::Run(_) | Event::Forgotten { .. }));
    assert!(!world.has(of_a_run), "a thousand calls a second are no events");
}

#[test]
fn so_many_run_at_once_of_each_and_in_all_and_the_others_wait_their_turn() {
    let mut world = World::new();
    for number in 1..=4 {
        world.run(number, Space::Owner, true);
    }
    assert_eq!(world.started(), [id(1), id(2)], "two of one space");
    world.run(5, OTHER, true);
    world.run(6, OTHER, true);
    assert_eq!(world.started(), [id(5)], "three in all");
    world.ended(5);
    assert_eq!(world.started(), [id(6)], "the owner has as many as they may");
    world.ended(1);
    world.ended(2);
    assert_eq!(world.started(), [id(3), id(4)]);
}

#[test]
fn what_is_more_than_may_wait_is_refused_at_once() {
    let mut world = World::new();
    for number in 1..=5 {
        assert_eq!(world.run(number, Space::Owner, true), None);
    }
    let refused = world.run(6, Space::Owner, true);
    assert_eq!(refused, Some(Err(CommandError::TooManyRuns { waiting: 3 })));
    assert!(world.has(|out| matches!(out, Out::Forget { run } if *run == id(6))), "its module is let go");
    assert_eq!(world.run(7, OTHER, true), None, "others are not kept from running");
}

#[test]
fn what_waits_too_long_hears_which_limit_it_was() {
    let mut world = World::new();
    for number in 1..=3 {
        world.run(number, Space::Owner, true);
    }
    world.later(100_000);
    let answer = world.answer(CallId(3)).expect("answered").expect("ended");
    assert!(matches!(answer, Reply::Ended { end, .. } if end == limit(LimitKind::Runs)));
}

#[test]
fn a_run_that_takes_too_long_is_killed_and_its_end_names_the_limit() {
    let mut world = World::new();
    world.run(1, Space::Owner, true);
    world.step(In::Began { run: id(1) });
    world.later(900);
    assert!(!world.has(|out| matches!(out, Out::Kill { .. })));
    world.later(200);
    assert!(world.has(|out| matches!(out, Out::Kill { run } if *run == id(1))));
    world.step(In::Ended { run: id(1), end: End::Crashed { signal: Some(9) }, usage: Usage::default() });
    let Some(Ok(Reply::Ended { end, usage })) = world.answer(CallId(1)) else { panic!("answered") };
    assert_eq!(end, limit(LimitKind::Time));
    assert_eq!(usage.time_us, 1_100_000);
}

#[test]
fn a_module_that_is_never_ready_is_killed_for_compiling_too_long() {
    let mut world = World::new();
    world.run(1, Space::Owner, true);
    world.later(Limits::default().compile_ms + 10_001);
    assert!(world.has(|out| matches!(out, Out::Kill { .. })));
    world.later(1_000);
    let Some(Ok(Reply::Ended { end, .. })) = world.answer(CallId(1)) else { panic!("answered") };
    assert_eq!(end, limit(LimitKind::CompileTime));
}

#[test]
fn a_shell_that_never_says_that_a_killed_run_is_gone_is_not_waited_for() {
    let mut world = World::new();
    world.run(1, Space::Owner, true);
    world.step(In::Began { run: id(1) });
    world.later(1_100);
    world.later(400);
    assert!(
        matches!(world.answer(CallId(1)), Some(Ok(Reply::Ended { end, .. })) if end == limit(LimitKind::Time))
    );
    world.ended(1);
    assert_eq!(world.answer(CallId(1)), None, "what comes then is stale");
}

#[test]
fn a_runner_that_died_is_told_as_crashed_and_what_it_ended_with_before_the_kill_holds() {
    let mut world = World::new();
    world.run(1, Space::Owner, true);
    let end = End::Crashed { signal: Some(11) };
    world.step(In::Ended { run: id(1), end: end.clone(), usage: Usage::default() });
    assert!(matches!(world.answer(CallId(1)), Some(Ok(Reply::Ended { end: told, .. })) if told == end));
    world.run(2, Space::Owner, true);
    world.step(In::Began { run: id(2) });
    world.later(1_100);
    world.ended(2);
    assert!(matches!(world.answer(CallId(2)), Some(Ok(Reply::Ended { end, .. })) if end == returned()));
}

#[test]
fn a_run_is_stopped_by_whose_it_is_and_by_nobody_else() {
    let mut world = World::new();
    world.run(1, Space::Owner, false);
    world.step(In::Began { run: id(1) });
    let stop = |space| Command::Stop { space, run: id(1) };
    assert_eq!(world.ask(stop(OTHER)), Some(Err(CommandError::UnknownRun)));
    assert!(world.ask(stop(Space::Owner)).expect("answered").is_ok());
    assert!(world.has(|out| matches!(out, Out::Kill { .. })));
    world.step(In::Ended { run: id(1), end: End::Crashed { signal: Some(9) }, usage: Usage::default() });
    assert!(matches!(world.state(1, Space::Owner), Ok(RunState::Ended { end: End::Stopped, .. })));
    assert_eq!(world.state(1, OTHER), Err(CommandError::UnknownRun));
    assert_eq!(world.ask(Command::Runs { space: OTHER }), Some(Ok(Reply::Runs(vec![]))));
}

#[test]
fn the_last_runs_that_ended_are_remembered_and_of_one_module_a_few() {
    let mut world = World::new();
    for number in 1..=20 {
        // Each fifth of another module.
        let module = BlobId::from_bytes([number % 5; 32]);
        world.run_of(module, number, Space::Owner, false).expect("answered").expect("taken");
        world.ended(number);
    }
    assert_eq!(world.listed(), (5..=20).rev().map(id).collect::<Vec<_>>(), "sixteen in all");
    for number in 21..=26 {
        world.run(number, Space::Owner, false).expect("answered").expect("taken");
        world.ended(number);
    }
    let listed = world.listed();
    assert_eq!(listed.len(), 16);
    assert_eq!(&listed[..4], [26, 25, 24, 23].map(id), "of one module four");
    assert!(world.has(|out| matches!(out, Out::Forget { run } if *run == id(22))));
}

#[test]
fn who_looks_at_a_run_that_never_began_is_told_that_it_is_over() {
    let mut world = World::new();
    for number in 1..=3 {
        world.run(number, Space::Owner, false);
    }
    assert_eq!(world.started(), [id(1), id(2)]);
    assert!(world.ask(Command::Stop { space: Space::Owner, run: id(3) }).expect("answered").is_ok());
    assert!(world.has(|out| matches!(out, Out::Over { run } if *run == id(3))));
    assert!(matches!(world.state(3, Space::Owner), Ok(RunState::Ended { end: End::Stopped, .. })));
}

#[test]
fn a_run_that_somebody_waits_for_is_not_listed() {
    let mut world = World::new();
    world.run(1, Space::Owner, true);
    world.run(2, Space::Owner, false);
    assert_eq!(world.listed(), [id(2)]);
}

#[test]
fn whoever_has_no_space_any_more_has_nothing_running_and_when_gone_for_good_nothing_installed() {
    let mut world = World::new();
    world.install(MANIFEST).expect("installed");
    let end = |apps| Command::EndSpace { space: Space::Owner, apps };
    world.run(1, Space::Owner, false);
    world.run(2, OTHER, false);
    assert_eq!(world.ask(end(false)), Some(Ok(Reply::Removed)));
    assert!(world.has(|out| matches!(out, Out::Kill { run } if *run == id(1))));
    assert!(!world.has(|out| matches!(out, Out::Kill { run } if *run == id(2))), "another's goes on");
    let listed = |world: &mut World| match world.ask(Command::Apps { space: Space::Owner }) {
        Some(Ok(Reply::Apps(apps))) => apps.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(listed(&mut world), 1);
    assert_eq!(world.ask(end(true)), Some(Ok(Reply::Removed)));
    assert_eq!(listed(&mut world), 0);
    assert!(matches!(world.changes.last(), Some(Change::RemoveApp { .. })));
    assert!(world.has(|out| matches!(out, Out::RemoveModule { module } if *module == MODULE)));
}

#[test]
fn a_module_whose_installation_failed_goes_unless_an_app_has_it() {
    let mut world = World::new();
    let discard = |world: &mut World| {
        world.ask(Command::Discard { module: MODULE });
        world.has(|out| matches!(out, Out::RemoveModule { .. }))
    };
    world.install(MANIFEST).expect("installed");
    assert!(!discard(&mut world));
    world.ask(Command::Remove { space: Space::Owner, id: counter() });
    world.out.clear();
    assert!(discard(&mut world));
}

#[test]
fn what_is_installed_is_told_when_the_disk_has_it() {
    let mut world = World::new();
    world.install(MANIFEST).expect("installed");
    for command in
        [Command::Apps { space: Space::Owner }, Command::App { space: Space::Owner, id: counter() }]
    {
        let mut out = Vec::new();
        world.machine.handle(world.now, In::Call { call: CallId(99), command }, &mut out);
        assert!(matches!(&out[..], [Out::Persist { then, .. }] if matches!(then[..], [Out::Reply { .. }])));
    }
}

#[test]
fn a_name_is_used_once_and_arguments_are_bounded() {
    let mut world = World::new();
    world.run(1, Space::Owner, false);
    assert_eq!(world.run(1, OTHER, false), Some(Err(CommandError::Taken)));
    let what = What::Module { module: MODULE, name: "x".to_owned(), grant: None };
    let job = Job::Program { arguments: vec!["x".repeat(100_000)], environment: vec![] };
    let long = Command::Run { run: id(2), space: Space::Owner, what, job, ask: Box::default(), wait: false };
    assert!(matches!(world.ask(long), Some(Err(CommandError::BadJob(_)))));
    let what = What::Module { module: MODULE, name: "x".to_owned(), grant: None };
    let job = Job::Program { arguments: vec![], environment: vec![("A".to_owned(), "b\0c".to_owned())] };
    let cut = Command::Run { run: id(3), space: Space::Owner, what, job, ask: Box::default(), wait: false };
    assert!(matches!(world.ask(cut), Some(Err(CommandError::BadJob(_)))), "it would be cut at the NUL");
}

#[test]
fn an_app_runs_within_its_own_limits_and_with_the_folder_it_was_granted() {
    let mut world = World::new();
    world.install(MANIFEST).expect("installed");
    assert_eq!(world.run_app(1).grant, None, "what it asks for is not what it gets");
    world.grant(Some(reading("Documents"))).expect("granted");
    let start = world.run_app(2);
    assert_eq!(
        (start.grant, start.limits.time_ms, start.source),
        (Some(reading("Documents")), 1_000, Source::Installed)
    );
    assert_eq!(world.changes.len(), 2, "both are written");
}

#[test]
fn an_app_is_granted_no_more_than_it_asks_for_and_no_folder_outside_the_home() {
    let mut world = World::new();
    world.install(MANIFEST).expect("installed");
    let writing = Grant { access: Access::ReadWrite, ..reading("Documents") };
    for grant in [writing, reading("/etc"), reading("../x"), reading("a/../../b")] {
        assert!(matches!(world.grant(Some(grant.clone())), Err(CommandError::BadGrant(_))), "{grant:?}");
    }
    let none = MANIFEST.replace("[data]\naccess = \"read\"\n", "");
    world.install(&none).expect("installed");
    assert!(matches!(world.grant(Some(reading("Documents"))), Err(CommandError::BadGrant(_))));
}

#[test]
fn what_runs_with_a_grant_is_stopped_when_it_is_taken_back() {
    let mut world = World::new();
    world.install(MANIFEST).expect("installed");
    world.grant(Some(reading("Documents"))).expect("granted");
    world.run_app(1);
    world.grant(Some(reading("Documents"))).expect("the same");
    assert!(!world.has(|out| matches!(out, Out::Kill { .. })));
    world.grant(None).expect("taken back");
    assert!(world.has(|out| matches!(out, Out::Kill { run } if *run == id(1))));
}

#[test]
fn a_new_version_keeps_its_grant_only_if_it_still_asks_for_it() {
    let mut world = World::new();
    let writes = MANIFEST.replace("\"read\"", "\"read-write\"");
    world.install(&writes).expect("installed");
    let writing = Grant { access: Access::ReadWrite, ..reading("Documents") };
    world.grant(Some(writing.clone())).expect("granted");
    let granted = |reply| if let Ok(Reply::App(row)) = reply { row.grant } else { panic!("{reply:?}") };
    assert_eq!(granted(world.install(&writes)), Some(writing));
    assert_eq!(granted(world.install(MANIFEST)), None);
}

#[test]
fn a_module_goes_with_its_last_app() {
    let mut world = World::new();
    world.install(MANIFEST).expect("installed");
    world.install(&MANIFEST.replace("counter", "second")).expect("installed");
    let remove = |id: &str| Command::Remove { space: Space::Owner, id: id.parse().expect("an id") };
    assert_eq!(world.ask(remove("counter")), Some(Ok(Reply::Removed)));
    assert!(!world.has(|out| matches!(out, Out::RemoveModule { .. })));
    assert_eq!(world.ask(remove("second")), Some(Ok(Reply::Removed)));
    assert!(world.has(|out| matches!(out, Out::RemoveModule { module } if *module == MODULE)));
    assert_eq!(world.ask(remove("second")), Some(Err(CommandError::UnknownApp)));
}

#[test]
fn a_new_life_has_every_run_ended_and_says_which_modules_are_in_use() {
    let mut world = World::new();
    world.install(MANIFEST).expect("installed");
    let mut snapshot = Snapshot::default();
    for change in &world.changes {
        if let Change::PutApp(row) = change {
            snapshot.apps.insert(row.key(), row.as_ref().clone());
        }
    }
    let mut next = World::of(Wasm::new(ACCOUNT, snapshot, Quotas::default(), Limits::default()));
    assert_eq!(next.machine.next_deadline(), Some(Mono(0)));
    next.step(In::Tick);
    assert!(matches!(
        &next.out[..],
        [Out::Reset { modules }, Out::Publish(Event::Reset)] if *modules == [MODULE]
    ));
    assert_eq!(next.machine.next_deadline(), None, "a node that runs nothing sleeps");
    assert!(next.ask(Command::App { space: Space::Owner, id: counter() }).expect("answered").is_ok());
}
