//! What programs expect of files and folders, where it is easily missed: C libraries and shells depend on each of these.

use crate::{
    host::{Outcome, Program, compiled},
    script::{CREATE, N, Out, P, READ, Script, WRITE, Was, answers},
};
use pc2_protocols::wasm::{end::End, limits::Limits, wire::Access};
use std::{fs, os::unix::fs::symlink, path::Path};
use tempfile::TempDir;

const EXIST: u32 = 20;
const NO_ENTRY: u32 = 44;
const OVERFLOW: u32 = 61;
const NOT_PERMITTED: u32 = 63;
const READ_ONLY: u32 = 69;
const NOT_CAPABLE: u32 = 76;

/// Opens what is a folder.
const FOLDER: i64 = 2;

/// A folder with a folder and a file in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("sub")).expect("a folder");
    fs::write(folder.path().join("inside"), "inside").expect("a file");
    folder
}

#[track_caller]
fn run(script: &Script, folder: &Path, access: Access, limits: Limits) -> (Vec<u32>, Outcome) {
    let artifact = compiled(&script.module());
    let outcome = Program { limits, ..Program::new(&artifact) }.in_folder(folder, access).run();
    assert_eq!(outcome.end, End::Exited { code: 0 }, "{outcome:?}");
    (answers(&outcome.out), outcome)
}

#[test]
fn times_in_the_root_in_memory_can_be_set_whatever_the_grant() {
    let mut script = Script::new();
    script.open_how(4, "tmp/new", CREATE, READ | WRITE, 0);
    script.call("fd_filestat_set_times", &[Was(0), N(0), N(0), N(5)]);
    script.call("fd_filestat_set_times", &[N(4), N(0), N(0), N(5)]);
    script.open("inside", 1).call("fd_filestat_set_times", &[Was(1), N(0), N(0), N(5)]);
    let folder = folder();
    let (answers, _) = run(&script, folder.path(), Access::Read, Limits::default());
    assert_eq!(answers, [0, 0, 0, 0, READ_ONLY]);
}

#[test]
fn files_and_folders_are_synchronised_wherever_they_lie() {
    let mut script = Script::new();
    script
        .open_how(4, "tmp/new", CREATE, READ | WRITE, 0)
        .open("inside", 1)
        .open_how(3, "sub", FOLDER, READ, 2);
    for call in ["fd_sync", "fd_datasync"] {
        for of in [Was(0), Was(1), Was(2), N(3), N(4)] {
            script.call(call, &[of]);
        }
    }
    let folder = folder();
    for access in [Access::Read, Access::ReadWrite] {
        let (answers, _) = run(&script, folder.path(), access, Limits::default());
        assert_eq!(answers, [0; 13], "{access:?}");
    }
}

#[test]
fn what_is_there_already_is_told_to_exist() {
    let mut script = Script::new();
    let there = ["sub", "inside", ".", "./", "..", "sub/..", "sub/."];
    for path in there {
        script.call("path_create_directory", &[N(3), P(path)]);
        script.call("path_symlink", &[P("inside"), N(3), P(path)]);
    }
    script.call("path_create_directory", &[N(3), P("/")]);
    script.call("path_create_directory", &[N(3), P("nowhere/.")]);
    // As of every path that is none.
    script.call("path_create_directory", &[N(3), P("")]);
    let folder = folder();
    let (answers, _) = run(&script, folder.path(), Access::ReadWrite, Limits::default());
    assert_eq!(answers, [vec![EXIST; 2 * there.len()], vec![NOT_CAPABLE, NO_ENTRY, NO_ENTRY]].concat());
}

#[test]
fn only_names_that_were_made_are_counted() {
    let name = 4096;
    let mut script = Script::new();
    let in_vain = |script: &mut Script| {
        for _ in 0..20 {
            script.call("path_create_directory", &[N(3), P("sub")]);
        }
    };
    in_vain(&mut script);
    script.call("path_create_directory", &[N(3), P("nowhere/new")]);
    script.call("path_symlink", &[P("../inside"), N(3), P("link")]);
    script.open_how(3, "nowhere/new", CREATE, WRITE, 0);
    script.call("path_create_directory", &[N(3), P("new")]);
    script.call("path_symlink", &[P("inside"), N(3), P("link")]);
    script.open_how(3, "file", CREATE, WRITE, 0).open_how(3, "file", CREATE, WRITE, 0);
    // Nothing more may be made, and what is there may still be asked for.
    in_vain(&mut script);
    let limits = Limits { written_bytes: 3 * name, ..Limits::default() };
    let folder = folder();
    let (answers, outcome) = run(&script, folder.path(), Access::ReadWrite, limits);
    assert_eq!(answers[..20], [EXIST; 20]);
    assert_eq!(answers[20..27], [NO_ENTRY, NOT_PERMITTED, NO_ENTRY, 0, 0, 0, 0]);
    assert_eq!(answers[27..], [EXIST; 20]);
    assert_eq!(outcome.usage.written_bytes, 3 * name);
}

#[test]
fn a_link_that_could_lead_out_elsewhere_is_not_moved() {
    let folder = folder();
    for (target, link) in [("../inside", "sub/up"), ("/etc/passwd", "absolute"), ("inside", "good")] {
        symlink(target, folder.path().join(link)).expect("a link");
    }
    let mut script = Script::new();
    script.call("path_rename", &[N(3), P("sub/up"), N(3), P("up")]);
    script.call("path_rename", &[N(3), P("absolute"), N(3), P("sub/absolute")]);
    script.call("path_rename", &[N(3), P("good"), N(3), P("sub/good")]);
    let (answers, _) = run(&script, folder.path(), Access::ReadWrite, Limits::default());
    assert_eq!(answers, [NOT_PERMITTED, NOT_PERMITTED, 0]);
    assert!(folder.path().join("sub/up").exists() && fs::read_link(folder.path().join("sub/good")).is_ok());
}

#[test]
fn appending_can_be_switched_on_and_off() {
    let mut script = Script::new();
    script.open_how(3, "inside", 0, READ | WRITE, 0);
    script.call("fd_fdstat_set_flags", &[Was(0), N(1)]).write(Was(0), "!");
    script.call("fd_fdstat_set_flags", &[Was(0), N(0)]);
    script.call("fd_seek", &[Was(0), N(0), N(0), Out(1)]).write(Was(0), "out");
    let folder = folder();
    let (answers, _) = run(&script, folder.path(), Access::ReadWrite, Limits::default());
    assert_eq!(answers, [0; 6]);
    assert_eq!(fs::read(folder.path().join("inside")).expect("it is there"), b"outide!");
}

#[test]
fn listings_that_are_kept_are_bounded_together() {
    let folder = tempfile::tempdir().expect("a folder");
    for index in 0..22_000 {
        fs::write(folder.path().join(index.to_string()), "").expect("a file");
    }
    let mut script = Script::new();
    for place in 0..3 {
        script.open_how(3, ".", FOLDER, READ, place);
    }
    let list = |script: &mut Script, place: u32, bytes: i64, cookie: i64| {
        script.call("fd_readdir", &[Was(place), N(300_000), N(bytes), N(cookie), Out(9)]);
    };
    for place in 0..3 {
        list(&mut script, place, 100, 0);
    }
    // When one has been told to its end, and another is closed, there is room again; and what was told is not looked up anew for its end.
    list(&mut script, 0, 1_500_000, 3);
    list(&mut script, 2, 100, 0);
    list(&mut script, 0, 100, 22_002);
    list(&mut script, 0, 100, 3);
    script.call("fd_close", &[Was(1)]);
    list(&mut script, 0, 100, 3);
    // Of a busy machine, too, this takes a while.
    let limits = Limits { time_ms: 300_000, ..Limits::default() };
    let (answers, _) = run(&script, folder.path(), Access::Read, limits);
    assert_eq!(answers, [0, 0, 0, 0, 0, OVERFLOW, 0, 0, 0, OVERFLOW, 0, 0]);
}
