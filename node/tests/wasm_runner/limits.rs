//! Everything that a module can take too much of: it is stopped within its limit and half a second, the limit is named, and the process has never been
//! larger than it may.

use crate::{
    host::{Outcome, Program, Runner, call, compile, compile_file, compiled, loaded},
    script::{CREATE, N, Out, P, READ, Script, WRITE, Was, answers},
};
use pc2_protocols::wasm::{
    end::{Doing, End},
    limits::{LimitKind, Limits},
    values::Value,
    wire::{Access, Landlock, ToRunner},
};
use std::{
    fs,
    os::fd::AsFd,
    process::Command,
    time::{Duration, Instant},
};

const MIB: u64 = 1024 * 1024;

/// How much a process may be larger than the memory of its module.
const OVERHEAD_BYTES: u64 = 64 * MIB;

fn limit(kind: LimitKind) -> End {
    End::Limit { kind }
}

/// A program of one function.
fn program(body: &str) -> String {
    format!("(module (memory (export \"memory\") 1) (func (export \"_start\") {body}))")
}

#[track_caller]
fn assert_stopped(outcome: &Outcome, kind: LimitKind, limits: &Limits) {
    assert_eq!(outcome.end, limit(kind), "{outcome:?}");
    assert!(outcome.was_in_time(limits.time_ms), "it took {:?}", outcome.took);
    assert!(outcome.resident <= limits.memory_bytes + OVERHEAD_BYTES, "{} bytes", outcome.resident);
}

#[test]
fn an_endless_loop_ends_with_its_fuel_or_with_its_time() {
    let artifact = compiled(&program("loop $again br $again end"));
    let limits = Limits { fuel: 50_000_000, ..Limits::default() };
    let outcome = Program { limits, ..Program::new(&artifact) }.run();
    assert_stopped(&outcome, LimitKind::Fuel, &limits);
    assert!(outcome.usage.fuel >= 49_999_990, "{:?}", outcome.usage);
    let limits = Limits { fuel: 10_000_000_000_000, time_ms: 700, ..Limits::default() };
    let outcome = Program { limits, ..Program::new(&artifact) }.run();
    assert_stopped(&outcome, LimitKind::Time, &limits);
    assert!(outcome.took >= Duration::from_millis(700));
}

#[test]
fn a_call_has_its_own_fuel_and_so_has_the_start_of_a_module() {
    let artifact = compiled(
        r#"(module (func (export "spin") loop $again br $again end) (func (export "seven") (result i32) i32.const 7))"#,
    );
    let limits = Limits { fuel: 1_000_000, ..Limits::default() };
    let (mut runner, _) = loaded(&artifact, &limits).expect("it loads");
    for _ in 0..3 {
        assert_eq!(call(&mut runner, "spin", &[]), limit(LimitKind::Fuel));
        assert_eq!(call(&mut runner, "seven", &[]), End::Returned { results: vec![Value::I32(7)] });
    }
    let starts = compiled(
        r#"(module (func $loops loop $again br $again end) (start $loops) (func (export "seven") (result i32) i32.const 7))"#,
    );
    let (mut runner, _) = loaded(&starts, &limits).expect("loading runs nothing");
    assert_eq!(call(&mut runner, "seven", &[]), limit(LimitKind::Fuel));
}

#[test]
fn calls_that_go_too_deep_are_told_as_the_stack() {
    let text = "(module (memory (export \"memory\") 1) (func $deeper call $deeper) (func (export \"_start\") call $deeper))";
    for stack_bytes in [64 * 1024, MIB, 8 * MIB] {
        let limits = Limits { stack_bytes, ..Limits::default() };
        let outcome = Program { limits, ..Program::new(&compiled(text)) }.run();
        assert_stopped(&outcome, LimitKind::Stack, &limits);
    }
}

#[test]
fn memory_grows_to_its_limit_and_the_limit_is_told() {
    // Takes all that it gets, touches every page of it, and gives up when there is no more.
    let text = program(
        "(local $at i32)
         loop $more
           i32.const 1 memory.grow local.tee $at
           i32.const -1 i32.eq if unreachable end
           local.get $at i32.const 16 i32.shl local.get $at i32.store
           local.get $at i32.const 16 i32.shl i32.const 61440 i32.add i32.const 1 i32.const 4096 memory.fill
           br $more
         end",
    );
    for memory_bytes in [MIB, 64 * MIB, 256 * MIB] {
        let limits = Limits { memory_bytes, ..Limits::default() };
        let outcome = Program { limits, ..Program::new(&compiled(&text)) }.run();
        assert_stopped(&outcome, LimitKind::Memory, &limits);
        assert_eq!(outcome.usage.memory_bytes, memory_bytes);
        assert!(outcome.usage.memory_refused);
    }
    let outcome = Program::new(&compiled(&program(
        "i32.const 65535 memory.grow i32.const -1 i32.ne if unreachable end",
    )))
    .run();
    assert_eq!(outcome.end, End::Exited { code: 0 }, "a program may well do without");
    assert!(outcome.usage.memory_refused);
}

#[test]
fn what_begins_too_large_is_refused_before_it_is_compiled() {
    for (text, kind) in [
        ("(module (memory 60000))", LimitKind::Memory),
        ("(module (table 200000 funcref))", LimitKind::Table),
    ] {
        let refused = compile(&wat::parse_str(text).expect("a module")).expect_err("it is refused");
        assert_eq!(refused.end, limit(kind));
    }
    // Also when the limit was lowered after it was compiled.
    let large = compiled(r#"(module (memory 100) (table 5000 funcref) (func (export "f")))"#);
    for (limits, kind) in [
        (Limits { memory_bytes: MIB, ..Limits::default() }, LimitKind::Memory),
        (Limits { table_elements: 10, ..Limits::default() }, LimitKind::Table),
    ] {
        let (mut runner, _) = loaded(&large, &limits).expect("it loads");
        assert_eq!(call(&mut runner, "f", &[]), limit(kind));
    }
}

#[test]
fn a_table_grows_to_its_limit_only() {
    let text = r#"(module (table $t 1 funcref) (func (export "grow") (param i32) (result i32)
        ref.null func local.get 0 table.grow $t))"#;
    let limits = Limits { table_elements: 1000, ..Limits::default() };
    let (mut runner, _) = loaded(&compiled(text), &limits).expect("it loads");
    assert_eq!(call(&mut runner, "grow", &["999"]), End::Returned { results: vec![Value::I32(1)] });
    assert_eq!(call(&mut runner, "grow", &["1000"]), End::Returned { results: vec![Value::I32(-1)] });
    assert_eq!(call(&mut runner, "grow", &["-1"]), End::Returned { results: vec![Value::I32(-1)] });
}

#[test]
fn a_module_of_200_megabytes_is_refused_without_being_read() {
    let module = tempfile::tempfile().expect("a file");
    module.set_len(200 * MIB).expect("it is large");
    let refused = compile_file(&module, &Limits::default()).expect_err("it is refused");
    assert_eq!(refused.end, limit(LimitKind::ModuleSize));
    assert!(refused.resident < OVERHEAD_BYTES, "{}", refused.resident);
}

fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A module of so many functions, all with this code.
pub(crate) fn of_functions(count: u32, code: &[u8]) -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0".to_vec();
    let mut section = |id: u8, items: &[u8]| {
        let body = [leb(count), items.repeat(count as usize)].concat();
        module.push(id);
        module.extend(leb(u32::try_from(body.len()).expect("it fits")));
        module.extend(body);
    };
    section(3, &[0]);
    let body = [&[0], code, &[0x0b]].concat();
    section(10, &[leb(u32::try_from(body.len()).expect("it fits")), body].concat());
    module
}

#[test]
fn a_million_functions_are_refused_before_one_is_compiled() {
    let since = Instant::now();
    let refused = compile(&of_functions(1_000_000, &[])).expect_err("it is refused");
    assert_eq!(refused.end, limit(LimitKind::Functions));
    assert!(since.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_module_that_takes_too_long_to_compile_is_stopped_by_the_clock() {
    // 40,000 functions of 60 additions in global state: minutes for any compiler.
    let code = [&[0x41, 0][..], &[0x41, 1, 0x6a].repeat(250), &[0x1a]].concat();
    let module = crate::host::file(&of_functions(40_000, &code));
    let limits = Limits { compile_ms: 700, ..Limits::default() };
    let refused = compile_file(&module, &limits).expect_err("it is stopped");
    assert_eq!(refused.end, limit(LimitKind::CompileTime));
    assert!(refused.was_in_time(limits.compile_ms), "{:?}", refused.took);
}

#[test]
fn a_module_that_takes_too_much_memory_to_compile_is_stopped() {
    // Thirty mebibytes of data, which a compiler holds as it reads, as it keeps them and as it writes them.
    let data = vec![7; 30 * 1024 * 1024];
    let segment = [&[1, 0, 0x41, 0, 0x0b][..], &leb(30 * 1024 * 1024), &data].concat();
    let length = leb(u32::try_from(segment.len()).expect("it fits"));
    let module = [&b"\0asm\x01\0\0\0\x05\x04\x01\0\x80\x04\x0b"[..], &length, &segment].concat();
    let limits = Limits { compile_memory_bytes: 64 * MIB, compile_ms: 600_000, ..Limits::default() };
    let refused = compile_file(&crate::host::file(&module), &limits).expect_err("it is stopped");
    assert_eq!(refused.end, limit(LimitKind::CompileMemory));
    assert!(refused.resident <= 64 * MIB + OVERHEAD_BYTES, "{}", refused.resident);
    assert!(
        compile_file(&crate::host::file(&module), &Limits::default()).is_ok(),
        "with enough it is compiled"
    );
}

#[test]
fn a_gigabyte_of_output_ends_at_the_limit() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 17)
        (func (export "_start") (local $left i32)
          i32.const 0 i32.const 1024 i32.store i32.const 4 i32.const 1048576 i32.store
          i32.const 1024 local.set $left
          loop $again
            i32.const 1 i32.const 0 i32.const 1 i32.const 8 call $write drop
            local.get $left i32.const 1 i32.sub local.tee $left br_if $again
          end))"#;
    let limits = Limits { output_bytes: 3 * MIB + 5, ..Limits::default() };
    let outcome = Program { limits, ..Program::new(&compiled(text)) }.run();
    assert_stopped(&outcome, LimitKind::Output, &limits);
    assert_eq!(outcome.out.len() as u64, limits.output_bytes);
}

/// Writes 64 KiB again and again to a file that it opens by this path, or to a new one each time.
fn writer(each_its_own: bool) -> String {
    let open = "i32.const 3 i32.const 1 i32.const 200 i32.const 8 i32.const 9 i64.const 64 i64.const 0 i32.const 0 i32.const 16 call $open
        if unreachable end";
    let (before, within) = if each_its_own { ("", open) } else { (open, "") };
    let close = if each_its_own { "i32.const 16 i32.load call $close drop" } else { "" };
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 2) (data (i32.const 200) "aaaaaaaa")
        (func (export "_start") (local $error i32)
          i32.const 0 i32.const 1024 i32.store i32.const 4 i32.const 65536 i32.store
          {before}
          loop $again
            {within}
            i32.const 16 i32.load i32.const 0 i32.const 1 i32.const 20 call $write local.tee $error
            if local.get $error call $exit end
            {close}
            i32.const 200 i32.const 200 i32.load i32.const 1 i32.add i32.store
            br $again
          end))"#
    )
}

#[test]
fn a_file_grows_to_its_limit_and_no_further() {
    let folder = tempfile::tempdir().expect("a folder");
    let artifact = compiled(&writer(false));
    let limits = Limits { file_bytes: MIB + 100, ..Limits::default() };
    let program = Program { limits, ..Program::new(&artifact) }.in_folder(folder.path(), Access::ReadWrite);
    assert_stopped(&program.run(), LimitKind::FileSize, &limits);
    assert_eq!(fs::metadata(folder.path().join("aaaaaaaa")).expect("it is there").len(), MIB);
    // Neither by making it long without writing.
    let mut script = Script::new();
    script.open_how(3, "long", CREATE, READ | WRITE, 0).call("fd_filestat_set_size", &[Was(0), N(1 << 40)]);
    let outcome = Program::new(&compiled(&script.module())).in_folder(folder.path(), Access::ReadWrite).run();
    assert_eq!(outcome.end, limit(LimitKind::FileSize));
    let mut script = Script::new();
    script.open_how(3, "long", CREATE, READ | WRITE, 0).call("fd_allocate", &[Was(0), N(0), N(1 << 40)]);
    let outcome = Program::new(&compiled(&script.module())).in_folder(folder.path(), Access::ReadWrite).run();
    assert_eq!(outcome.end, limit(LimitKind::FileSize));
    assert_eq!(fs::metadata(folder.path().join("long")).expect("it is there").len(), 0);
}

#[test]
fn all_files_together_have_their_limit_and_so_have_empty_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let artifact = compiled(&writer(true));
    let limits = Limits { written_bytes: MIB, ..Limits::default() };
    let program = Program { limits, ..Program::new(&artifact) }.in_folder(folder.path(), Access::ReadWrite);
    let outcome = program.run();
    assert_stopped(&outcome, LimitKind::Written, &limits);
    let written: u64 = fs::read_dir(folder.path())
        .expect("it is there")
        .flatten()
        .map(|file| file.metadata().expect("it is there").len())
        .sum();
    assert!(written <= MIB, "{written}");
    // 300 names are more than a mebibyte, too.
    let mut script = Script::new();
    for index in 0..300 {
        let name = format!("folder-{index}");
        script.call("path_create_directory", &[N(3), P(&name)]);
    }
    let artifact = compiled(&script.module());
    let program = Program { limits, ..Program::new(&artifact) };
    assert_eq!(program.in_folder(folder.path(), Access::ReadWrite).run().end, limit(LimitKind::Written));
}

#[test]
fn the_root_in_memory_is_small() {
    let text = writer(false).replace("i32.const 3 i32.const 1", "i32.const 3 i32.const 0");
    let limits = Limits { memory_bytes: MIB, ..Limits::default() };
    let outcome = Program { limits, ..Program::new(&compiled(&text)) }.run();
    assert_eq!(outcome.end, End::Exited { code: 51 }, "no space left");
    assert!(outcome.resident <= limits.memory_bytes + OVERHEAD_BYTES);
}

#[test]
fn no_more_files_are_open_than_may_be() {
    let mut script = Script::new();
    for _ in 0..80 {
        script.open_how(3, "file", CREATE, READ, 0);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = Program::new(&compiled(&script.module())).in_folder(folder.path(), Access::ReadWrite).run();
    let answers = answers(&outcome.out);
    assert_eq!(answers.iter().filter(|answer| **answer == 0).count(), 64 - 5);
    assert_eq!(answers.last(), Some(&33), "too many open files");
}

#[test]
fn a_full_disk_is_told_to_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(folder.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a small disk cannot be mounted here");
        return;
    }
    let outcome = Program::new(&compiled(&writer(false))).in_folder(folder.path(), Access::ReadWrite).run();
    let unmounted = Command::new("umount").arg("-l").arg(folder.path()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert_eq!(outcome.end, End::Exited { code: 51 }, "no space left: {outcome:?}");
}

#[test]
fn sleeping_and_waiting_for_input_count_as_time() {
    let sleeper = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
          i32.const 0 i64.const 5 i64.store
          i32.const 16 i32.const 1 i32.store
          i32.const 24 i64.const {nanoseconds} i64.store
          i32.const 0 i32.const 100 i32.const 1 i32.const 200 call $poll if unreachable end
          i32.const 200 i32.load i32.const 1 i32.ne if unreachable end
          i32.const 100 i64.load i64.const 5 i64.ne if unreachable end))"#;
    let short = compiled(&sleeper.replace("{nanoseconds}", "50000000"));
    let outcome = Program::new(&short).run();
    assert_eq!(outcome.end, End::Exited { code: 0 });
    assert!(outcome.usage.time_us >= 50_000, "{:?}", outcome.usage);
    let limits = Limits { time_ms: 400, ..Limits::default() };
    let long = compiled(&sleeper.replace("{nanoseconds}", "5000000000000"));
    assert_stopped(&Program { limits, ..Program::new(&long) }.run(), LimitKind::Time, &limits);
    let reader = compiled(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start") i32.const 4 i32.const 10 i32.store
          i32.const 0 i32.const 0 i32.const 1 i32.const 8 call $read drop))"#,
    );
    let mut runner = Runner::start();
    Program { limits, ..Program::new(&reader) }.begin(&mut runner);
    let outcome = runner.finish(Doing::Running, Duration::from_millis(limits.time_ms));
    assert_stopped(&outcome, LimitKind::Time, &limits);
}

#[test]
fn limits_beyond_their_ranges_are_brought_into_them() {
    // A node that asks for anything at all still gets a runner that is bounded.
    let artifact = compiled(&program("i32.const 1 memory.grow drop"));
    let limits =
        Limits { memory_bytes: u64::MAX, stack_bytes: u64::MAX, fuel: u64::MAX, ..Limits::default() };
    let mut runner = Runner::start();
    let job = ToRunner::Wasi {
        limits,
        landlock: Landlock::Required,
        arguments: vec![],
        environment: vec![],
        access: Access::None,
    };
    runner.send(job, &[artifact.as_fd()]);
    assert_eq!(runner.finish(Doing::Running, Duration::from_secs(20)).end, End::Exited { code: 0 });
}

#[test]
fn pointers_that_lead_nowhere_are_the_program_s_own_fault() {
    let mut script = Script::new();
    let far = i64::from(u32::MAX - 3);
    for function in ["environ_sizes_get", "args_sizes_get", "environ_get", "args_get"] {
        script.call(function, &[N(far), N(far)]);
    }
    script.call("fd_read", &[N(0), N(far), N(1), N(0)]);
    script.call("fd_write", &[N(1), N(far), N(1), N(0)]);
    script.call("fd_write", &[N(1), N(0), N(1_000_000), N(0)]);
    script.call("path_filestat_get", &[N(3), N(0), N(far), N(100), N(0)]);
    script.call("path_filestat_get", &[N(3), N(0), N(0), N(far), N(0)]);
    script.call("fd_fdstat_get", &[N(0), N(far)]);
    script.call("fd_readdir", &[N(3), N(far), N(100), N(0), Out(0)]);
    let outcome = Program { environment: &[("A", "b")], ..Program::new(&compiled(&script.module())) }.run();
    assert_eq!(outcome.end, End::Exited { code: 0 }, "{outcome:?}");
    assert_eq!(answers(&outcome.out), [21, 21, 21, 21, 21, 21, 28, 21, 37, 21, 21]);
}
