//! The walls as seen from inside, by code that no WebAssembly holds: what an engine with a fault would meet.
//!
//! Each attempt is made in a process of its own, which is this test program again: it locks itself in and then tries.

use super::*;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use std::{
    fs,
    io::Read as _,
    net::TcpStream,
    os::unix::{
        net::UnixStream,
        process::{CommandExt as _, ExitStatusExt as _},
    },
    path::Path,
    process::{Command, Stdio},
};

/// Says what is to be tried, with which access to which folder.
const TRY: &str = "PC2_TEST_TRY";

/// Says who started it.
const PARENT: &str = "PC2_TEST_PARENT";

/// Nobody, on every Linux.
const NOBODY: u32 = 65_534;

/// Tells that it went through.
const DONE: u8 = 70;
/// Tells that it was refused.
const REFUSED: u8 = 71;

type Attempt = fn(&Path) -> std::io::Result<()>;

fn open_any(path: &Path, how: OFlags) -> std::io::Result<()> {
    rustix::fs::openat2(
        CWD,
        path,
        how,
        Mode::from_raw_mode(if how.contains(OFlags::CREATE) { 0o600 } else { 0 }),
        ResolveFlags::empty(),
    )?;
    Ok(())
}

fn kill_parent() -> std::io::Result<()> {
    let parent =
        std::env::var(PARENT).ok().and_then(|id| id.parse().ok()).and_then(rustix::process::Pid::from_raw);
    Ok(rustix::process::kill_process(parent.expect("its parent is told"), rustix::process::Signal::CONT)?)
}

/// Opened as a path only, which landlock does not govern: it gives no way to what is in it.
fn hold(path: &Path) -> rustix::io::Result<std::os::fd::OwnedFd> {
    rustix::fs::openat2(CWD, path, OFlags::PATH, Mode::empty(), ResolveFlags::empty())
}

/// Maps memory in a way that `RLIMIT_DATA` does not count.
#[allow(unsafe_code)]
fn map(kind: libc::c_int) -> std::io::Result<()> {
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: at an address of the system's choice, and nobody uses it.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), 65_536, rights, libc::MAP_ANONYMOUS | kind, -1, 0) };
    if at == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Name, attempt, and whether the process dies of it.
const ATTEMPTS: &[(&str, Attempt, bool)] = &[
    ("open a file as everybody does", |_| fs::File::open("/etc/passwd").map(|_| ()), false),
    ("open a file by openat2", |_| open_any(Path::new("/etc/passwd"), OFlags::RDONLY), false),
    ("open its own memory", |_| open_any(Path::new("/proc/self/mem"), OFlags::RDWR), false),
    ("read beside the folder", |folder| open_any(&folder.with_file_name("secret"), OFlags::RDONLY), false),
    ("write beside the folder", |folder| open_any(&folder.with_file_name("secret"), OFlags::WRONLY), false),
    (
        "create beside the folder",
        |folder| open_any(&folder.with_file_name("new"), OFlags::CREATE | OFlags::WRONLY),
        false,
    ),
    (
        "list the parent",
        |folder| open_any(folder.parent().unwrap_or(folder), OFlags::RDONLY | OFlags::DIRECTORY),
        false,
    ),
    (
        "rename out",
        |folder| Ok(rustix::fs::renameat(CWD, folder.join("inside"), CWD, folder.with_file_name("stolen"))?),
        false,
    ),
    (
        "rename in",
        |folder| Ok(rustix::fs::renameat(CWD, folder.with_file_name("secret"), CWD, folder.join("stolen"))?),
        false,
    ),
    ("remove beside the folder", |folder| fs::remove_file(folder.with_file_name("secret")), false),
    ("link", |folder| fs::hard_link(folder.join("inside"), folder.join("hard")), false),
    (
        "make a device",
        |folder| {
            Ok(rustix::fs::mknodat(
                CWD,
                folder.join("null"),
                rustix::fs::FileType::CharacterDevice,
                Mode::RUSR,
                rustix::fs::makedev(1, 3),
            )?)
        },
        false,
    ),
    (
        "change rights",
        |folder| {
            Ok(rustix::fs::chmodat(
                CWD,
                folder.join("inside"),
                Mode::from_raw_mode(0o4777),
                rustix::fs::AtFlags::empty(),
            )?)
        },
        false,
    ),
    ("ask about a file by its path", |_| fs::metadata("/etc/passwd").map(|_| ()), false),
    (
        "read what it holds by its path",
        |folder| {
            let held = hold(&folder.with_file_name("secret"))?;
            Ok(rustix::io::read(held, &mut [0; 8]).map(|_| ())?)
        },
        false,
    ),
    (
        "open what it holds by its path",
        |folder| {
            let held = hold(&folder.with_file_name("secret"))?;
            let number = std::os::fd::AsRawFd::as_raw_fd(&held);
            open_any(Path::new(&format!("/proc/self/fd/{number}")), OFlags::RDONLY)
        },
        false,
    ),
    ("share memory", |_| map(libc::MAP_SHARED), false),
    ("have memory that grows by itself", |_| map(libc::MAP_PRIVATE | libc::MAP_GROWSDOWN), false),
    (
        "set times by path",
        |folder| {
            Ok(rustix::fs::utimensat(
                CWD,
                folder.with_file_name("secret"),
                &rustix::fs::Timestamps {
                    last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
                    last_modification: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
                },
                rustix::fs::AtFlags::empty(),
            )?)
        },
        false,
    ),
    ("fork", |_| Command::new("/bin/true").spawn().map(|_| ()), false),
    ("kill its parent", |_| kill_parent(), false),
    (
        "raise a limit",
        |_| Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(9999), maximum: Some(9999) })?),
        false,
    ),
    ("start a thread", |_| std::thread::Builder::new().spawn(|| ()).map(|_| ()), false),
    ("connect", |_| TcpStream::connect("127.0.0.1:9").map(|_| ()), true),
    ("make a local socket", |_| UnixStream::pair().map(|_| ()), true),
    ("become another program", |_| Err(Command::new("/bin/true").exec()), true),
    (
        "make memory that is a file",
        |_| Ok(rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::empty()).map(|_| ())?),
        true,
    ),
];

/// What a program with a folder may do, so that the attempts prove something.
const ALLOWED: &[(&str, Attempt)] = &[
    ("read in the folder", |folder| open_any(&folder.join("inside"), OFlags::RDONLY)),
    ("create in the folder", |folder| open_any(&folder.join("made"), OFlags::CREATE | OFlags::WRONLY)),
    ("rename in the folder", |folder| {
        Ok(rustix::fs::renameat(CWD, folder.join("inside"), CWD, folder.join("sub/inside"))?)
    }),
];

/// What no wall is in the way of, for code that broke out of the engine: decision 0043 names it as the price.
const OPEN: &[(&str, Attempt)] = &[
    ("look whether a file exists, and how large it is", |folder| {
        let about = rustix::fs::fstat(hold(&folder.with_file_name("secret"))?)?;
        if about.st_size == 6 { Ok(()) } else { Err(std::io::ErrorKind::InvalidData.into()) }
    }),
    ("read where a link leads", |_| Ok(rustix::fs::readlinkat(CWD, "/proc/self", Vec::new()).map(|_| ())?)),
];

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn inside() {
    let wanted = std::env::var(TRY).expect("it is started by the tests below");
    let (name, path) = wanted.split_once('\n').expect("a name and a folder");
    let path = Path::new(path);
    let folder = fs::File::open(path).expect("the folder is there");
    let channel = Channel::at_standard_input().expect("a socket");
    let allowed = ALLOWED.iter().chain(OPEN).find(|(known, _)| *known == name).map(|(_, attempt)| *attempt);
    let attempt = allowed
        .or_else(|| ATTEMPTS.iter().find(|(known, ..)| *known == name).map(|(_, attempt, _)| *attempt));
    let attempt = attempt.expect("it is known");
    let folder = Some((std::os::fd::AsFd::as_fd(&folder), Access::ReadWrite));
    lock_in(&channel, &Cell::Program { artifact_bytes: 0, folder }, &Limits::default(), Landlock::Required)
        .expect("it locks itself in");
    std::process::exit(match attempt(path) {
        Ok(()) => i32::from(DONE),
        Err(_) => i32::from(REFUSED),
    });
}

/// Tries it, and tells how the process ended: by which code or of which signal.
fn outcome(name: &str, user: Option<u32>) -> (Option<i32>, Option<i32>, String) {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    fs::create_dir_all(data.join("sub")).expect("a folder");
    fs::write(data.join("inside"), "inside").expect("a file");
    fs::write(root.path().join("secret"), "secret").expect("a file");
    let (_ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    if let Some(user) = user {
        for path in [
            root.path().to_owned(),
            data.clone(),
            data.join("sub"),
            data.join("inside"),
            root.path().join("secret"),
        ] {
            std::os::unix::fs::chown(path, Some(user), Some(user)).expect("it is given away");
        }
        command.uid(user).gid(user);
    }
    let mut child = command
        .args(["--exact", "sandbox::tests::inside", "--ignored", "--nocapture", "--test-threads=1"])
        .env(PARENT, std::process::id().to_string())
        .env(TRY, format!("{name}\n{}", data.display()))
        .stdin(std::os::fd::OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this program starts again");
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("it is read");
    let status = child.wait().expect("it ends");
    assert_eq!(fs::read(root.path().join("secret")).expect("it is there"), b"secret", "{name}");
    let beside = fs::read_dir(root.path()).expect("it is there").count();
    assert_eq!(beside, 2, "{name}");
    (status.code(), status.signal(), said)
}

fn users() -> Vec<Option<u32>> {
    if !rustix::process::geteuid().is_root() {
        return vec![None];
    }
    // A program that lies in root's own folders cannot be started by anybody else.
    let mut as_nobody = Command::new(std::env::current_exe().expect("this program"));
    match as_nobody.arg("--list").uid(NOBODY).gid(NOBODY).output() {
        Ok(_) => vec![None, Some(NOBODY)],
        Err(error) => {
            eprintln!("tried as root only: nobody cannot start this program ({error})");
            vec![None]
        }
    }
}

#[test]
fn what_a_program_may_do_it_can() {
    for user in users() {
        for (name, _) in ALLOWED {
            let (code, signal, said) = outcome(name, user);
            assert_eq!((code, signal), (Some(i32::from(DONE)), None), "{name} as {user:?}: {said}");
        }
    }
}

#[test]
fn names_sizes_and_targets_of_links_are_open_to_whoever_breaks_out_with_a_folder() {
    for user in users() {
        for (name, _) in OPEN {
            let (code, signal, said) = outcome(name, user);
            assert_eq!((code, signal), (Some(i32::from(DONE)), None), "{name} as {user:?}: {said}");
        }
    }
}

#[test]
fn the_system_gives_no_less_time_than_the_node_does() {
    let limits = Limits { compile_ms: 60_000, time_ms: 30_000, ..Limits::default() };
    let compiling = computing_seconds(&Cell::Compiling, &limits).expect("there is a limit");
    assert!(compiling > COMPILING_THREADS as u64 * (60 + PREPARING_SLACK_SECONDS), "{compiling}");
    let program = Cell::Program { artifact_bytes: 0, folder: None };
    assert!(computing_seconds(&program, &limits).is_some_and(|seconds| seconds > 30));
    assert_eq!(computing_seconds(&Cell::Calling { artifact_bytes: 0 }, &limits), None);
}

#[test]
fn whoever_breaks_out_of_the_engine_stands_before_the_next_wall() {
    for user in users() {
        for (name, _, deadly) in ATTEMPTS {
            let (code, signal, said) = outcome(name, user);
            let wanted = if *deadly { (None, Some(libc::SIGSYS)) } else { (Some(i32::from(REFUSED)), None) };
            assert_eq!((code, signal), wanted, "{name} as {user:?}: {said}");
        }
    }
}
