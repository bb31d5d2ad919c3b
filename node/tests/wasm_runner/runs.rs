//! What a runner is for: functions are called, programs run, files are the person's real files; and what a node and a runner do when the other is gone.

use crate::{
    host::{Program, Runner, call, compile, compiled, file, loaded},
    script::{CREATE, N, Out, P, READ, Script, WRITE, Was, answers},
};
use pc2_protocols::wasm::{
    end::{Doing, End},
    limits::Limits,
    values::{Value, ValueType},
    wire::{Access, FromRunner, Landlock, ToRunner},
};
use std::{
    fs,
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

const NUMBERS: &str = r#"(module
    (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
    (func (export "divide") (param i64 i64) (result i64) local.get 0 local.get 1 i64.div_s)
    (func (export "half") (param f64) (result f64) local.get 0 f64.const 2 f64.div)
    (func (export "third") (param f32) (result f32) local.get 0 f32.const 3 f32.div)
    (func (export "both") (param i32 i64) (result i64 i32) local.get 1 local.get 0)
    (func (export "nothing"))
    (func (export "reference") (param externref))
    (global $counter (mut i32) (i32.const 0))
    (func (export "count") (result i32) global.get $counter i32.const 1 i32.add global.set $counter global.get $counter)
    (func $began global.get $counter i32.const 100 i32.add global.set $counter)
    (start $began))"#;

fn returned(results: &[Value]) -> End {
    End::Returned { results: results.to_vec() }
}

#[test]
fn functions_are_called_with_numbers_and_give_numbers() {
    let (mut runner, shape) = loaded(&compiled(NUMBERS), &Limits::default()).expect("it loads");
    assert!(!shape.program);
    let names: Vec<_> = shape.exports.iter().map(|export| export.name.as_str()).collect();
    assert_eq!(names, ["add", "divide", "half", "third", "both", "nothing", "count"]);
    assert_eq!(shape.exports[1].signature.parameters, [ValueType::I64, ValueType::I64]);
    assert_eq!(call(&mut runner, "add", &["5", "3"]), returned(&[Value::I32(8)]));
    assert_eq!(call(&mut runner, "add", &["2147483647", "1"]), returned(&[Value::I32(i32::MIN)]));
    let large = "9007199254740993";
    assert_eq!(call(&mut runner, "divide", &[large, "1"]), returned(&[Value::I64(9_007_199_254_740_993)]));
    assert_eq!(call(&mut runner, "half", &["0.5"]), returned(&[Value::F64(0.25f64.to_bits())]));
    assert_eq!(call(&mut runner, "third", &["1"]), returned(&[Value::F32((1f32 / 3.0).to_bits())]));
    assert_eq!(call(&mut runner, "both", &["1", "2"]), returned(&[Value::I64(2), Value::I32(1)]));
    assert_eq!(call(&mut runner, "nothing", &[]), returned(&[]));
}

#[test]
fn each_call_begins_anew_with_the_module_s_own_start() {
    let (mut runner, _) = loaded(&compiled(NUMBERS), &Limits::default()).expect("it loads");
    for _ in 0..3 {
        assert_eq!(call(&mut runner, "count", &[]), returned(&[Value::I32(101)]));
    }
}

#[test]
fn what_cannot_be_called_is_told_why() {
    let (mut runner, _) = loaded(&compiled(NUMBERS), &Limits::default()).expect("it loads");
    assert_eq!(call(&mut runner, "subtract", &[]), End::MissingExport { name: "subtract".into() });
    assert_eq!(call(&mut runner, "pc2_start", &[]), End::MissingExport { name: "pc2_start".into() });
    for (arguments, said) in [
        (&["1"][..], "it takes 2 arguments, and 1 were given"),
        (&["1", "2", "3"], "it takes 2 arguments, and 3 were given"),
        (&["1", "x"], "argument 2 must be a whole number"),
    ] {
        let End::WrongArguments { reason } = call(&mut runner, "add", arguments) else {
            panic!("it is refused")
        };
        assert!(reason.starts_with(said), "{reason}");
    }
    assert!(matches!(call(&mut runner, "reference", &["1"]), End::WrongArguments { .. }));
    let End::Trap { text } = call(&mut runner, "divide", &["1", "0"]) else { panic!("it traps") };
    assert!(text.contains("divide by zero"), "{text}");
    // And is none the worse for it.
    assert_eq!(call(&mut runner, "add", &["5", "3"]), returned(&[Value::I32(8)]));
}

#[test]
fn what_is_no_module_is_told_so() {
    let whole = wat::parse_str(NUMBERS).expect("a module");
    let not_one = |bytes: &[u8]| matches!(compile(bytes).expect_err("no module").end, End::NotAModule { .. });
    assert!(not_one(b"") && not_one(b"#!/bin/sh\n") && not_one(&whole[..whole.len() / 2]));
    let wrong = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x05\x01\x03\0\x6a\x0b";
    assert!(not_one(wrong), "valid in form, but adds what is not there");
    let component = compile(b"\0asm\x0d\0\x01\0").expect_err("a component");
    assert_eq!(component.end, End::Component);
    let threads = wat::parse_str("(module (memory 1 2 shared))").expect("a module");
    assert!(not_one(&threads));
}

#[test]
fn functions_are_given_nothing_from_outside() {
    let artifact = compiled(
        r#"(module (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32))))"#,
    );
    let refused = loaded(&artifact, &Limits::default()).err();
    let wanted = End::ImportRefused { module: "wasi_snapshot_preview1".into(), name: "random_get".into() };
    assert_eq!(refused, Some(wanted));
}

#[test]
fn a_program_works_on_the_real_files_of_its_folder() {
    let mut script = Script::new();
    script.open("in", 0).read(Was(0)).call("fd_close", &[Was(0)]);
    script.open_how(3, "out", CREATE, READ | WRITE, 1).write(Was(1), "written ").write(Was(1), "twice");
    script.call("path_create_directory", &[N(3), P("folder")]);
    script.call("path_rename", &[N(3), P("out"), N(3), P("folder/out")]);
    script.call("path_filestat_get", &[N(3), N(0), P("folder/out"), Out(2)]);
    script.open_how(3, "gone", CREATE, WRITE, 3).call("path_unlink_file", &[N(3), P("gone")]);
    let artifact = compiled(&script.module());
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("in"), "read").expect("a file");
    let outcome = Program::new(&artifact).in_folder(folder.path(), Access::ReadWrite).run();
    assert_eq!(outcome.end, End::Exited { code: 0 }, "{outcome:?}");
    assert!(answers(&outcome.out).iter().all(|answer| *answer == 0), "{:?}", answers(&outcome.out));
    assert_eq!(outcome.error, b"read");
    assert_eq!(fs::read_to_string(folder.path().join("folder/out")).expect("a file"), "written twice");
    assert!(!folder.path().join("gone").exists());
    assert!(outcome.usage.written_bytes >= 13 && outcome.usage.fuel > 0, "{:?}", outcome.usage);
}

#[test]
fn a_folder_is_listed_whole_however_small_the_buffer() {
    let folder = tempfile::tempdir().expect("a folder");
    for index in 0..300 {
        fs::write(folder.path().join(format!("file-{index:03}")), "").expect("a file");
    }
    // Lists with room for 100 bytes, and goes on with the number that the last whole entry tells; counts entries.
    let artifact = compiled(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_readdir" (func $list (param i32 i32 i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (local $next i64) (local $at i32) (local $end i32) (local $count i32)
          loop $again
            i32.const 3 i32.const 1024 i32.const 100 local.get $next i32.const 0 call $list if unreachable end
            i32.const 1024 local.set $at
            i32.const 1024 i32.const 0 i32.load i32.add local.set $end
            block $cut loop $entry
              local.get $at i32.const 24 i32.add local.get $end i32.gt_u br_if $cut
              local.get $at i32.const 24 i32.add local.get $at i32.load offset=16 i32.add local.get $end i32.gt_u br_if $cut
              local.get $at i64.load local.set $next
              local.get $count i32.const 1 i32.add local.set $count
              local.get $at i32.const 24 i32.add local.get $at i32.load offset=16 i32.add local.set $at
              br $entry
            end end
            i32.const 0 i32.load i32.const 100 i32.eq br_if $again
          end
          local.get $count call $exit))"#,
    );
    let outcome = Program::new(&artifact).in_folder(folder.path(), Access::Read).run();
    assert_eq!(outcome.end, End::Exited { code: 302 }, "with itself and its parent");
}

const ECHO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 2)
    (func (export "_start")
      loop $again
        i32.const 0 i32.const 1024 i32.store i32.const 4 i32.const 50000 i32.store
        i32.const 0 i32.const 0 i32.const 1 i32.const 8 call $read if unreachable end
        i32.const 8 i32.load i32.eqz if i32.const 3 call $exit end
        i32.const 4 i32.const 8 i32.load i32.store
        i32.const 1 i32.const 0 i32.const 1 i32.const 8 call $write if unreachable end
        br $again
      end))"#;

#[test]
fn input_comes_out_whole_and_the_exit_code_is_told() {
    let artifact = compiled(ECHO);
    let input: Vec<u8> = (0..300_000_u32).flat_map(|number| number.to_le_bytes()).collect();
    let outcome = Program { input: &input, ..Program::new(&artifact) };
    // More than the socket holds: it is read while it is written.
    let mut runner = Runner::start();
    outcome.begin(&mut runner);
    let (mut out, mut sent) = (Vec::new(), 0);
    while out.len() < input.len() {
        if sent < input.len() {
            let piece = input[sent..].chunks(16_384).next().expect("some is left");
            runner.send_input(piece);
            sent += piece.len();
        }
        let wait = if sent < input.len() { Duration::from_micros(1) } else { Duration::from_secs(20) };
        while let Some(FromRunner::Output { bytes, .. }) = runner.receive(wait) {
            out.extend(bytes);
            if out.len() >= input.len() {
                break;
            }
        }
    }
    runner.send_input(&[]);
    let ended = runner.finish(Doing::Running, Duration::from_secs(20));
    assert!(out == input);
    assert_eq!(ended.end, End::Exited { code: 3 });
    assert_eq!(ended.usage.output_bytes, input.len() as u64);
}

#[test]
fn input_is_heard_of_by_whoever_polls_without_patience() {
    // Polls for input and for what is always ready, again and again, and tells how many bytes there were when there are some.
    let text = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start")
          i32.const 8 i32.const {kind} i32.store8 i32.const 16 i32.const 1 i32.store
          i32.const 48 i64.const 9 i64.store i32.const 56 i32.const 1 i32.store8
          loop $again
            i32.const 0 i32.const 200 i32.const 2 i32.const 400 call $poll if unreachable end
            i32.const 400 i32.load i32.const 2 i32.ne br_if $again
            i32.const 232 i64.load i64.const 9 i64.ne if unreachable end
            i32.const 248 i32.load call $exit
          end))"#;
    for kind in ["0", "2"] {
        let artifact = compiled(&text.replace("{kind}", kind));
        let mut runner = Runner::start();
        Program::new(&artifact).begin(&mut runner);
        std::thread::sleep(Duration::from_millis(100));
        runner.send_input(b"hello");
        let outcome = runner.finish(Doing::Running, Duration::from_secs(20));
        assert_eq!(outcome.end, End::Exited { code: 5 }, "kind {kind}");
    }
}

#[test]
fn a_damaged_artifact_harms_nobody() {
    let artifact = compiled(NUMBERS);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(
        &mut std::io::Seek::rewind(&mut &artifact).map(|()| &artifact).expect("it begins"),
        &mut bytes,
    )
    .expect("it is read");
    let garbage: [&[u8]; 4] = [b"", b"garbage", &bytes[..bytes.len() / 2], &[0; 4096]];
    for bytes in garbage {
        let end = loaded(&file(bytes), &Limits::default()).err();
        assert!(matches!(end, Some(End::BadArtifact { .. } | End::Crashed { .. })), "{end:?}");
    }
    // Flipped, it may load and run as whatever it is now: a node does not hand it out (its keyed hash is wrong), and here it ends in its own cell.
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let damaged = file(&bytes);
        damaged.write_at(&[bytes[at] ^ 0xff], at as u64).expect("it is damaged");
        let since = Instant::now();
        if let Ok((mut runner, _)) = loaded(&damaged, &Limits::default()) {
            runner.send(
                ToRunner::Call { id: 7, function: "add".into(), arguments: vec!["5".into(), "3".into()] },
                &[],
            );
            let _whatever_it_says = runner.finish(Doing::Running, Duration::from_secs(2));
        }
        assert!(since.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_runner_that_is_killed_is_told_as_crashed() {
    let artifact =
        compiled("(module (memory (export \"memory\") 1) (func (export \"_start\") loop $l br $l end))");
    let mut runner = Runner::start();
    Program::new(&artifact).begin(&mut runner);
    std::thread::sleep(Duration::from_millis(200));
    let id =
        rustix::process::Pid::from_raw(i32::try_from(runner.id()).expect("a number")).expect("a process");
    rustix::process::kill_process(id, rustix::process::Signal::KILL).expect("it is killed");
    let outcome = runner.finish(Doing::Running, Duration::from_secs(20));
    assert_eq!(outcome.end, End::Crashed { signal: Some(9) });
}

#[test]
fn a_runner_ends_when_the_node_is_gone_whatever_it_is_doing() {
    let waiting = Runner::start();
    let (called, _) = loaded(&compiled(NUMBERS), &Limits::default()).expect("it loads");
    let mut computing = Runner::start();
    let endless =
        compiled("(module (memory (export \"memory\") 1) (func (export \"_start\") loop $l br $l end))");
    Program::new(&endless).begin(&mut computing);
    let mut reading = Runner::start();
    Program::new(&compiled(ECHO)).begin(&mut reading);
    std::thread::sleep(Duration::from_millis(300));
    for mut runner in [waiting, called, computing, reading] {
        runner.hang_up();
        assert!(runner.exit_code(Duration::from_secs(5)).is_some(), "it is still there");
    }
}

#[test]
fn what_is_no_frame_ends_the_runner_and_so_does_a_job_without_its_descriptors() {
    for bytes in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x03abc", b"\0\0\0\0"] {
        let mut runner = Runner::start();
        runner.send_raw(bytes);
        assert_eq!(runner.exit_code(Duration::from_secs(5)), Some(2));
    }
    let mut runner = Runner::start();
    runner.send(ToRunner::Load { limits: Limits::default(), landlock: Landlock::Required }, &[]);
    assert_eq!(runner.exit_code(Duration::from_secs(5)), Some(2));
    let mut runner = Runner::start();
    runner.send(ToRunner::Call { id: 1, function: "f".into(), arguments: vec![] }, &[]);
    assert_eq!(runner.exit_code(Duration::from_secs(5)), Some(2));
}

#[test]
fn a_person_who_starts_it_is_told_what_it_is() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pc2"));
    let output = command.arg("wasm-runner").stdin(std::process::Stdio::null()).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("this is started by the node"));
}
