//! What a run is told to have ended by, where that is easily mistaken; and what a runner holds meanwhile.

use crate::{
    host::{Program, Runner, call, compiled, file, loaded},
    limits::of_functions,
};
use pc2_protocols::wasm::{
    end::{Doing, End, MAX_RESULTS},
    limits::{LimitKind, Limits},
    wire::{Access, FromRunner, Landlock, ToRunner},
};
use std::{os::fd::AsFd, process::Command, time::Duration};

/// More patient than any node: what ends within it was ended by the system.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn a_program_that_nobody_ends_is_ended_by_the_system_and_told_as_its_time() {
    let artifact =
        compiled("(module (memory (export \"memory\") 1) (func (export \"_start\") loop $l br $l end))");
    let limits = Limits { fuel: 10_000_000_000_000, time_ms: 10, ..Limits::default() };
    let mut runner = Runner::start();
    Program { limits, ..Program::new(&artifact) }.begin(&mut runner);
    assert_eq!(runner.finish(Doing::Running, PATIENCE).end, End::Limit { kind: LimitKind::Time });
}

#[test]
fn a_compiler_that_nobody_ends_is_ended_by_the_system_and_told_as_its_time() {
    // Allowed a few seconds from the start, since its own limit would be half a minute of computing.
    let mut command = Command::new("sh");
    let script = "ulimit -t 4 && exec \"$0\" wasm-runner";
    command.args(["-c", script]).arg(env!("CARGO_BIN_EXE_pc2")).env_clear();
    let mut runner = Runner::start_by(command);
    // Minutes for any compiler.
    let code = [&[0x41, 0][..], &[0x41, 1, 0x6a].repeat(250), &[0x1a]].concat();
    let (module, artifact) = (file(&of_functions(40_000, &code)), file(b""));
    let job = ToRunner::Compile { limits: Limits::default(), landlock: Landlock::Required };
    runner.send(job, &[module.as_fd(), artifact.as_fd()]);
    assert_eq!(runner.finish(Doing::Compiling, PATIENCE).end, End::Limit { kind: LimitKind::CompileTime });
}

#[test]
fn what_the_module_itself_forbids_is_not_told_as_a_limit_of_the_node() {
    // Grows beyond two pages, gives up when it cannot.
    let text = r#"(module (memory (export "memory") 1 {most})
        (func (export "_start") i32.const 5 memory.grow i32.const -1 i32.eq if unreachable end))"#;
    let outcome = Program::new(&compiled(&text.replace("{most}", "2"))).run();
    assert!(matches!(outcome.end, End::Trap { .. }), "{outcome:?}");
    assert!(!outcome.usage.memory_refused);
    // Within its own maximum, or without any, it is the node that refuses.
    let limits = Limits { memory_bytes: 128 * 1024, ..Limits::default() };
    for most in ["6", ""] {
        let outcome = Program { limits, ..Program::new(&compiled(&text.replace("{most}", most))) }.run();
        assert_eq!(outcome.end, End::Limit { kind: LimitKind::Memory });
        assert!(outcome.usage.memory_refused);
    }
}

#[test]
fn a_function_gives_all_its_results_or_is_not_called() {
    let function = |name: &str, count: usize| {
        format!(
            "(func (export \"{name}\") (result {}) {})",
            "i32 ".repeat(count),
            "i32.const 7 ".repeat(count)
        )
    };
    let text = format!("(module {} {})", function("most", MAX_RESULTS), function("more", MAX_RESULTS + 1));
    let (mut runner, _) = loaded(&compiled(&text), &Limits::default()).expect("it loads");
    let End::Returned { results } = call(&mut runner, "most", &[]) else { panic!("it returns") };
    assert_eq!(results.len(), MAX_RESULTS);
    let End::WrongArguments { reason } = call(&mut runner, "more", &[]) else { panic!("it is refused") };
    assert_eq!(reason, "it gives 65 results, and at most 64 can be told");
}

#[test]
fn a_runner_yields_as_much_as_whoever_starts_it_wants_and_no_more() {
    let nice = |process: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it is there");
        // Its name may hold anything; behind it `nice` is the 17th.
        let behind = stat.rsplit_once(')').expect("a name").1;
        behind.split_whitespace().nth(16).and_then(|nice| nice.parse::<i32>().ok()).expect("a number")
    };
    let runner = Runner::start();
    assert_eq!(nice(&runner.id().to_string()), nice("thread-self"));
}

#[test]
fn nothing_is_open_beside_the_socket_and_the_folder_while_code_of_a_module_runs() {
    let open = |runner: &Runner| std::fs::read_dir(format!("/proc/{}/fd", runner.id())).map(Iterator::count);
    let text = "(module (func (export \"f\")))";
    let (mut runner, _) = loaded(&compiled(text), &Limits::default()).expect("it loads");
    assert_eq!(call(&mut runner, "f", &[]), End::Returned { results: vec![] });
    let Ok(count) = open(&runner) else {
        eprintln!("skipped: only root sees what a runner has open");
        return;
    };
    assert_eq!(count, 3, "of a runner for calls");
    // Says that it runs, and runs on.
    let artifact = compiled(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 64) "here")
        (func (export "_start") i32.const 0 i32.const 64 i32.store i32.const 4 i32.const 4 i32.store
          i32.const 1 i32.const 0 i32.const 1 i32.const 8 call $write drop loop $l br $l end))"#,
    );
    let folder = tempfile::tempdir().expect("a folder");
    for (program, wanted) in [
        (Program::new(&artifact), 3),
        (Program::new(&artifact).in_folder(folder.path(), Access::ReadWrite), 4),
    ] {
        let mut runner = Runner::start();
        program.begin(&mut runner);
        let said = runner.receive(Duration::from_secs(60));
        assert!(matches!(said, Some(FromRunner::Output { .. })), "{said:?}");
        assert_eq!(open(&runner).expect("as before"), wanted);
    }
}
