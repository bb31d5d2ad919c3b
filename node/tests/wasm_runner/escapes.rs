//! Everything by which a module could get at what it was not given. Beside its folder lie canaries, which must be as they were.

use crate::{
    host::{Outcome, Program, Runner, compile, compiled, identities},
    script::{CREATE, N, Out, P, READ, Script, TRUNCATE, WRITE, Was, answers},
};
use pc2_protocols::wasm::{end::End, limits::Limits, wire::Access};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};
use tempfile::TempDir;

const SECRET: &str = "SECRET of somebody else";

/// Errors, by WASI's numbers.
const NO_ENTRY: u32 = 44;
const BAD_FD: u32 = 8;
const NOT_SOCKET: u32 = 57;
const NOT_PERMITTED: u32 = 63;
const READ_ONLY: u32 = 69;
const NOT_CAPABLE: u32 = 76;

/// A folder that is granted, and beside it what is not.
struct Jail {
    root: TempDir,
    before: BTreeMap<PathBuf, (u64, i64, i64, u32, Vec<u8>)>,
}

impl Jail {
    /// Made so that only the walls of the runner are in the way: whoever it runs as owns and may write the canaries, too.
    fn new(user: Option<u32>) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let at = |path: &str| root.path().join(path);
        for folder in ["data/sub/deep", "outside/folder"] {
            fs::create_dir_all(at(folder)).expect("a folder");
        }
        for (path, text) in [
            ("outside/secret", SECRET),
            ("outside/folder/secret", SECRET),
            ("secret", SECRET),
            ("data/inside", "inside"),
            ("data/sub/inside", "inside"),
        ] {
            fs::write(at(path), text).expect("a file");
        }
        for (target, link) in [
            ("../outside/secret", "data/to-file"),
            ("../outside", "data/to-folder"),
            ("/", "data/to-root"),
            ("/proc/self/root", "data/to-proc"),
            ("../../outside/secret", "data/sub/to-file"),
            ("inside", "data/good"),
            ("sub/../inside", "data/good-by-way-of-sub"),
        ] {
            symlink(target, at(link)).expect("a link");
        }
        symlink(at("outside/secret"), at("data/absolute")).expect("a link");
        let mut jail = Self { root, before: BTreeMap::new() };
        let everything = [jail.root.path().to_owned()].into_iter().chain(all(jail.root.path()));
        for path in everything {
            if let Some(user) = user {
                std::os::unix::fs::lchown(&path, Some(user), Some(user)).expect("it is given away");
            }
        }
        fs::set_permissions(jail.root.path(), fs::Permissions::from_mode(0o755)).expect("it can be entered");
        jail.before = jail.canaries();
        jail
    }

    fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    fn canaries(&self) -> BTreeMap<PathBuf, (u64, i64, i64, u32, Vec<u8>)> {
        let outside = all(self.root.path()).into_iter().filter(|path| !path.starts_with(self.data()));
        outside
            .map(|path| {
                let about = fs::symlink_metadata(&path).expect("it is there");
                let bytes = if about.is_file() { fs::read(&path).expect("it is read") } else { vec![] };
                (path, (about.ino(), about.mtime(), about.mtime_nsec(), about.mode(), bytes))
            })
            .collect()
    }

    #[track_caller]
    fn assert_untouched(&self, outcome: &Outcome) {
        assert_eq!(self.canaries(), self.before, "what lies outside has changed");
        let printed = [outcome.out.as_slice(), outcome.error.as_slice()].concat();
        assert!(!String::from_utf8_lossy(&printed).contains("SECRET"), "the secret was read");
    }
}

/// Everything below a folder, not following links.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it is a folder").flatten() {
        let path = entry.path();
        if fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir()) {
            found.extend(all(&path));
        }
        found.push(path);
    }
    found
}

/// Runs a script in a fresh jail as each identity, and hands over what became of it.
fn everywhere(script: &Script, access: Access, mut check: impl FnMut(&Jail, &Outcome, &[u32])) {
    let artifact = compiled(&script.module());
    for user in identities() {
        let jail = Jail::new(user);
        let outcome = Program::new(&artifact).in_folder(&jail.data(), access).run_in(Runner::start_as(user));
        assert_eq!(outcome.end, End::Exited { code: 0 }, "as {user:?}: {outcome:?}");
        jail.assert_untouched(&outcome);
        check(&jail, &outcome, &answers(&outcome.out));
    }
}

const WAYS_OUT: &[&str] = &[
    "..",
    "../secret",
    "../outside/secret",
    "./../outside/secret",
    "sub/../../outside/secret",
    "sub/deep/../../../outside/secret",
    "//../secret",
    "/etc/passwd",
    "/proc/self/environ",
    "/proc/self/fd/0",
    "/",
    "to-file",
    "to-folder/secret",
    "to-folder/folder/secret",
    "to-root/etc/passwd",
    "to-proc/etc/passwd",
    "sub/to-file",
    "absolute",
];

#[test]
fn no_path_leads_out_to_be_read() {
    let mut script = Script::new();
    for way in WAYS_OUT {
        script.open(way, 0);
        script.call("path_filestat_get", &[N(3), N(1), P(way), Out(1)]);
    }
    script.open("good", 1).read(Was(1)).open("good-by-way-of-sub", 2).read(Was(2));
    everywhere(&script, Access::ReadWrite, |_, outcome, answers| {
        for (way, answers) in WAYS_OUT.iter().zip(answers.chunks(2)) {
            assert_eq!(answers, [NOT_CAPABLE; 2], "{way}");
        }
        assert_eq!(answers[WAYS_OUT.len() * 2..], [0; 4]);
        assert_eq!(outcome.error, b"insideinside");
    });
}

#[test]
fn no_path_leads_out_to_be_changed() {
    let mut script = Script::new();
    script.open_how(3, "mine", CREATE, WRITE, 0);
    for way in WAYS_OUT {
        let made = format!("{}/evil", way.trim_end_matches("/secret"));
        script.open_how(3, way, TRUNCATE, WRITE, 1);
        script.open_how(3, way, CREATE | TRUNCATE, READ | WRITE, 1);
        script.open_how(3, &made, CREATE, WRITE, 1);
        script.call("path_create_directory", &[N(3), P(&made)]);
        script.call("path_symlink", &[P("inside"), N(3), P(&made)]);
        script.call("path_rename", &[N(3), P("mine"), N(3), P(&made)]);
        script.call("path_rename", &[N(3), P("mine"), N(4), P(&made)]);
        script.call("path_link", &[N(3), N(1), P(way), N(3), P("hard")]);
        script.call("path_filestat_set_times", &[N(3), N(1), P(way), N(0), N(0), N(5)]);
    }
    for way in ["..", "../secret", "../outside/secret", "to-folder/secret", "/etc/passwd", "sub/../../secret"]
    {
        script.call("path_unlink_file", &[N(3), P(way)]);
        script.call("path_remove_directory", &[N(3), P(way)]);
        script.call("path_rename", &[N(3), P(way), N(3), P("stolen")]);
    }
    everywhere(&script, Access::ReadWrite, |jail, _, answers| {
        assert_eq!(answers[0], 0);
        assert!(!answers[1..].contains(&0), "{answers:?}");
        assert!(jail.data().join("mine").exists(), "what could not be moved out is still there");
        assert!(!jail.data().join("hard").exists() && !jail.data().join("stolen").exists());
    });
}

#[test]
fn links_that_a_program_makes_stay_inside() {
    let mut script = Script::new();
    for target in ["/etc/passwd", "../outside/secret", "sub/../../outside", "..", "/"] {
        script.call("path_symlink", &[P(target), N(3), P("made")]);
    }
    script.call("path_symlink", &[P("inside"), N(3), P("fine")]);
    script.open("fine", 1).read(Was(1));
    script.call("path_link", &[N(3), N(0), P("inside"), N(3), P("hard")]);
    everywhere(&script, Access::ReadWrite, |jail, outcome, answers| {
        assert_eq!(answers[..5], [NOT_PERMITTED; 5]);
        assert_eq!(answers[5..8], [0; 3]);
        assert_eq!(answers[8], NOT_PERMITTED, "no second name for a file");
        assert_eq!(outcome.error, b"inside");
        assert_eq!(fs::read_link(jail.data().join("fine")).expect("a link"), Path::new("inside"));
    });
}

#[test]
fn a_link_put_in_the_way_while_the_program_runs_leads_nowhere() {
    // Opens swap/secret and counts what it finds, until it has found its own file 200 times: that, or 'S' for the secret. And makes files where the
    // link may lead.
    let artifact = compiled(
        r#"(module
        (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 100) "swap/secret") (data (i32.const 120) "swap/new")
        (func (export "_start") (local $left i32)
          i32.const 0 i32.const 1024 i32.store i32.const 4 i32.const 16 i32.store
          i32.const 8 i32.const 32 i32.store i32.const 12 i32.const 8 i32.store
          i32.const 3000000 local.set $left
          loop $again
            i32.const 3 i32.const 1 i32.const 100 i32.const 11 i32.const 0 i64.const 2 i64.const 0 i32.const 0 i32.const 16 call $open
            i32.eqz if
              i32.const 16 i32.load i32.const 0 i32.const 1 i32.const 20 call $read drop
              i32.const 1024 i32.load8_u i32.const 83 i32.eq
              if i32.const 32 i32.const 32 i32.load i32.const 1 i32.add i32.store
              else i32.const 36 i32.const 36 i32.load i32.const 1 i32.add i32.store end
              i32.const 16 i32.load call $close drop
            end
            i32.const 3 i32.const 1 i32.const 120 i32.const 8 i32.const 1 i64.const 64 i64.const 0 i32.const 0 i32.const 16 call $open
            i32.eqz if i32.const 16 i32.load call $close drop end
            i32.const 36 i32.load i32.const 200 i32.ge_u
            local.get $left i32.const 1 i32.sub local.tee $left i32.eqz i32.or i32.eqz br_if $again
          end
          i32.const 1 i32.const 8 i32.const 1 i32.const 24 call $write drop))"#,
    );
    for user in identities() {
        let jail = Jail::new(user);
        let at = |path: &str| jail.data().join(path);
        fs::create_dir(at("real")).expect("a folder");
        fs::write(at("real/secret"), "inside").expect("a file");
        symlink("../outside", at("false")).expect("a link");
        chown(at("real"), user, user).expect("it is given away");
        let over = AtomicBool::new(false);
        let outcome = std::thread::scope(|scope| {
            scope.spawn(|| {
                // The folder and the link take turns under one name.
                while !over.load(Ordering::Relaxed) {
                    for name in ["real", "false"] {
                        let _the_other_turn = fs::rename(at(name), at("swap"));
                        let _the_other_turn = fs::rename(at("swap"), at(name));
                    }
                }
            });
            let limits = Limits { time_ms: 60_000, ..Limits::default() };
            let program = Program { limits, ..Program::new(&artifact) }
                .in_folder(&at(""), Access::ReadWrite)
                .run_in(Runner::start_as(user));
            over.store(true, Ordering::Relaxed);
            program
        });
        assert_eq!(outcome.end, End::Exited { code: 0 }, "{outcome:?}");
        let counts = answers(&outcome.out);
        assert_eq!(counts[0], 0, "the secret was read");
        assert!(counts[1] > 0, "its own file was never there: the race was none");
        jail.assert_untouched(&outcome);
    }
}

#[test]
fn other_descriptors_are_not_there() {
    let mut script = Script::new();
    for fd in 5..64 {
        script.call("fd_fdstat_get", &[N(fd), Out(0)]);
        script.call("fd_read", &[N(fd), N(64), N(1), Out(1)]);
        script.call("fd_write", &[N(fd), N(64), N(1), Out(1)]);
        script.call("fd_renumber", &[N(fd), N(1)]);
    }
    let artifact = compiled(&script.module());
    for user in identities() {
        let jail = Jail::new(user);
        // A careless node: the canary is open in the runner from the start, by many numbers (`dup` does not close at `exec`).
        let path = jail.root.path().join("secret");
        let opened = fs::OpenOptions::new().read(true).append(true).open(path).expect("the canary");
        let inherited: Vec<_> = (0..5).map(|_| rustix::io::dup(&opened).expect("one more")).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pc2"));
        command.arg("wasm-runner").env_clear();
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let runner = Runner::start_by(command);
        let held = fs::read_dir(format!("/proc/{}/fd", runner.id())).map(Iterator::count);
        drop(inherited);
        let outcome = Program::new(&artifact).in_folder(&jail.data(), Access::ReadWrite).run_in(runner);
        if let Ok(count) = held {
            assert_eq!(count, 3, "the runner closes what it inherited");
        }
        assert_eq!(outcome.end, End::Exited { code: 0 });
        assert!(answers(&outcome.out).iter().all(|answer| *answer == BAD_FD), "{:?}", answers(&outcome.out));
        jail.assert_untouched(&outcome);
    }
}

#[test]
fn the_environment_of_the_node_is_not_that_of_the_program() {
    let mut script = Script::new();
    script.call("environ_sizes_get", &[Out(0), Out(1)]);
    script.call("environ_get", &[Out(2), N(256 * 1024)]);
    script.write(N(2), "environment: ");
    let module = script.module().replace(
        "i32.const 1 i32.const 80",
        "i32.const 64 i32.const 262144 i32.store i32.const 68 i32.const 1088 i32.load i32.store
         i32.const 2 i32.const 64 i32.const 1 i32.const 1024 call $fd_write drop
         i32.const 1 i32.const 80",
    );
    let artifact = compiled(&module);
    let mut command = Command::new(env!("CARGO_BIN_EXE_pc2"));
    command.arg("wasm-runner").env("NODE_SECRET", SECRET);
    let program = Program { environment: &[("LANG", "C")], ..Program::new(&artifact) };
    let outcome = program.run_in(Runner::start_by(command));
    assert_eq!(outcome.end, End::Exited { code: 0 });
    assert_eq!(String::from_utf8_lossy(&outcome.error), "environment: LANG=C\0");
}

#[test]
fn there_are_no_sockets_and_no_processes() {
    let mut script = Script::new();
    for fd in 0..5 {
        script.call("sock_accept", &[N(fd), N(0), Out(0)]);
        script.call("sock_recv", &[N(fd), N(64), N(1), N(0), Out(0), Out(1)]);
        script.call("sock_send", &[N(fd), N(64), N(1), N(0), Out(0)]);
        script.call("sock_shutdown", &[N(fd), N(3)]);
    }
    everywhere(&script, Access::ReadWrite, |_, _, answers| {
        assert!(answers.iter().all(|answer| *answer == NOT_SOCKET), "{answers:?}");
    });
    for (module, name) in [
        ("wasi_snapshot_preview1", "sock_open"),
        ("wasix_32v1", "proc_fork"),
        ("wasix_32v1", "thread_spawn_v2"),
        ("wasi", "thread-spawn"),
        ("env", "system"),
        ("wasi_unstable", "fd_write"),
    ] {
        let text = format!("(module (import \"{module}\" \"{name}\" (func)) (func (export \"_start\")))");
        let refused = compile(&wat::parse_str(text).expect("a module")).expect_err("nobody is given that");
        assert_eq!(refused.end, End::ImportRefused { module: module.into(), name: name.into() });
    }
}

#[test]
fn a_folder_that_may_be_read_is_not_written() {
    let mut script = Script::new();
    script.open_how(3, "new", CREATE, WRITE, 0);
    script.open_how(3, "inside", 0, WRITE, 0);
    script.open_how(3, "inside", TRUNCATE, READ, 0);
    script.call("path_create_directory", &[N(3), P("new")]);
    script.call("path_unlink_file", &[N(3), P("inside")]);
    script.call("path_remove_directory", &[N(3), P("sub/deep")]);
    script.call("path_rename", &[N(3), P("inside"), N(3), P("other")]);
    script.call("path_symlink", &[P("inside"), N(3), P("new")]);
    script.call("path_filestat_set_times", &[N(3), N(1), P("inside"), N(0), N(0), N(5)]);
    script.open("inside", 1).read(Was(1));
    script.write(Was(1), "scribble");
    script.call("fd_filestat_set_size", &[Was(1), N(0)]);
    script.call("fd_allocate", &[Was(1), N(0), N(100)]);
    everywhere(&script, Access::Read, |jail, outcome, answers| {
        assert_eq!(answers[..9], [READ_ONLY; 9]);
        assert_eq!(answers[9..11], [0; 2]);
        assert_eq!(answers[11..], [BAD_FD; 3]);
        assert_eq!(outcome.error, b"inside");
        assert_eq!(fs::read(jail.data().join("inside")).expect("it is there"), b"inside");
        assert_eq!(fs::read_dir(jail.data()).expect("it is there").count(), 9);
    });
}

#[test]
fn without_a_folder_there_is_only_the_root_in_memory() {
    let mut script = Script::new();
    script.open_how(3, "tmp/pc2-battery-in-memory", CREATE, READ | WRITE, 0);
    script.write(Was(0), "kept in memory");
    script.call("fd_seek", &[Was(0), N(0), N(0), Out(1)]);
    script.read(Was(0));
    for path in ["/etc/passwd", "../../etc/passwd", "etc/passwd", "/proc/self/environ", "data/inside"] {
        script.open(path, 2);
    }
    let artifact = compiled(&script.module());
    for user in identities() {
        let outcome = Program::new(&artifact).run_in(Runner::start_as(user));
        assert_eq!(outcome.end, End::Exited { code: 0 });
        let answers = answers(&outcome.out);
        assert_eq!(answers[..4], [0; 4]);
        assert_eq!(answers[4..], [NO_ENTRY; 5]);
        assert_eq!(outcome.error, b"kept in memory");
        assert!(!Path::new("/tmp/pc2-battery-in-memory").exists());
    }
}

#[test]
fn devices_and_pipes_in_the_folder_are_not_opened() {
    let mut script = Script::new();
    script.open("pipe", 0).open_how(3, "pipe", 0, WRITE, 0).open("socket", 0);
    let artifact = compiled(&script.module());
    let jail = Jail::new(None);
    let made = Command::new("mkfifo").arg(jail.data().join("pipe")).status().expect("mkfifo is there");
    assert!(made.success());
    let _listening = std::os::unix::net::UnixListener::bind(jail.data().join("socket")).expect("a socket");
    let outcome = Program::new(&artifact).in_folder(&jail.data(), Access::ReadWrite).run();
    assert_eq!(outcome.end, End::Exited { code: 0 });
    assert_eq!(answers(&outcome.out), [NOT_PERMITTED; 3]);
}
