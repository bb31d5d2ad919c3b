//! What the system sees of a runner, once it has locked itself in.

use crate::{
    host::{Program, Runner, compiled},
    script::{CREATE, N, P, READ, Script, WRITE, Was},
};
use pc2_protocols::wasm::{end::End, wire::Access};
use std::{fs, process::Command};

#[test]
fn nothing_is_opened_but_beneath_the_folder() {
    let there = Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success());
    assert!(there, "this test needs strace: `bash .ci/test-tools` installs it, or names it");
    let mut script = Script::new();
    script.open("in", 0).read(Was(0)).open("../out", 1).open("/etc/passwd", 1);
    script.open_how(3, "out", CREATE, READ | WRITE, 2).write(Was(2), "text");
    script.call("path_create_directory", &[N(3), P("folder")]);
    script.call("fd_readdir", &[N(3), N(300_000), N(1000), N(0), N(100)]);
    let artifact = compiled(&script.module());
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("data")).expect("a folder");
    fs::write(folder.path().join("data/in"), "in").expect("a file");
    let trace = folder.path().join("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&trace).arg(env!("CARGO_BIN_EXE_pc2")).arg("wasm-runner");
    let program = Program::new(&artifact);
    let outcome =
        program.in_folder(&folder.path().join("data"), Access::ReadWrite).run_in(Runner::start_by(command));
    assert_eq!(outcome.end, End::Exited { code: 0 }, "{outcome:?}");
    let trace = fs::read_to_string(trace).expect("a trace");
    let locked = trace.find("landlock_restrict_self(").expect("it locks itself in");
    let after = &trace[locked..];
    assert!(after.contains("SECCOMP_SET_MODE_FILTER"), "and puts its filters up");
    let opening =
        ["open(", "openat(", "openat2(", "creat(", "execve(", "socket(", "connect(", "stat(", "access("];
    let mut opened = 0;
    for line in after.lines() {
        // "1234  name(arguments) = answer"
        let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
        if opening.iter().any(|name| call.starts_with(name) || call.starts_with(&format!("new{name}"))) {
            assert!(call.starts_with("openat2(") && call.contains("RESOLVE_BENEATH"), "{line}");
            opened += 1;
        }
    }
    assert!(opened >= 5, "only {opened} were seen:\n{after}");
}
