//! A node, as far as a runner sees one: starts it, speaks its frames, kills it when its time is over.

use pc2_protocols::wasm::{
    end::{Doing, End, Usage},
    limits::{LimitKind, Limits},
    wire::{self, Access, FromRunner, Incoming, Landlock, Shape, Stream, ToRunner},
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::{
    fs::File,
    io::{IoSlice, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            fs::FileExt,
            net::UnixStream,
            process::{CommandExt, ExitStatusExt},
        },
    },
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// What a node allows beyond the time limit before it kills.
const GRACE: Duration = Duration::from_millis(100);

/// Nobody, on every Linux.
pub(crate) const NOBODY: u32 = 65_534;

/// As whom runners are started: as we are and, if we are root, as nobody, too.
pub(crate) fn identities() -> Vec<Option<u32>> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: runners are tried as this user only");
        return vec![None];
    }
    // A program that lies in root's own folders cannot be started by anybody else.
    let mut as_nobody = Command::new(env!("CARGO_BIN_EXE_pc2"));
    as_nobody.arg("wasm-runner").uid(NOBODY).gid(NOBODY).stdin(Stdio::null());
    match as_nobody.output() {
        Ok(_) => vec![None, Some(NOBODY)],
        Err(error) => {
            eprintln!("runners are tried as root only: nobody cannot start them ({error})");
            vec![None]
        }
    }
}

/// A runner that has said that it is ready.
pub(crate) struct Runner {
    child: Child,
    socket: UnixStream,
    incoming: Incoming,
    largest: Arc<AtomicU64>,
    starved_ms: Arc<AtomicU64>,
    sampling: Arc<AtomicBool>,
    sampler: Option<JoinHandle<()>>,
}

/// How a run ended, as a node would tell it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    pub(crate) usage: Usage,
    pub(crate) out: Vec<u8>,
    pub(crate) error: Vec<u8>,
    pub(crate) took: Duration,
    /// Most memory that the process had, in bytes.
    pub(crate) resident: u64,
    /// Longest that a thread of this test had to wait for its turn meanwhile: nobody can be punctual on a machine that is this busy.
    pub(crate) starved: Duration,
}

impl Runner {
    pub(crate) fn start() -> Self {
        Self::start_as(None)
    }

    pub(crate) fn start_as(user: Option<u32>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pc2"));
        command.arg("wasm-runner").env_clear();
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        Self::start_by(command)
    }

    /// Starts what becomes a runner.
    pub(crate) fn start_by(mut command: Command) -> Self {
        let (socket, theirs) = UnixStream::pair().expect("a pair of sockets");
        let child = command
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("the runner starts");
        drop(command);
        let largest = Arc::new(AtomicU64::new(0));
        let starved_ms = Arc::new(AtomicU64::new(0));
        let sampling = Arc::new(AtomicBool::new(true));
        let sampler = std::thread::spawn({
            let (largest, starved_ms) = (Arc::clone(&largest), Arc::clone(&starved_ms));
            let (sampling, id) = (Arc::clone(&sampling), child.id());
            move || {
                while sampling.load(Ordering::Relaxed) {
                    let since = Instant::now();
                    largest.fetch_max(high_water(id), Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(3));
                    let late = since.elapsed().saturating_sub(Duration::from_millis(3)).as_millis();
                    starved_ms.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
                }
            }
        });
        let mut runner = Self {
            child,
            socket,
            incoming: Incoming::default(),
            largest,
            starved_ms,
            sampling,
            sampler: Some(sampler),
        };
        match runner.receive(Duration::from_secs(60)) {
            Some(FromRunner::Ready { version: wire::VERSION, landlock, .. }) => {
                assert!(landlock > 0, "the battery needs a kernel with landlock");
            }
            other => panic!("a runner begins by being ready, not by {other:?}"),
        }
        runner
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends input. A program that has ended already takes none.
    pub(crate) fn send_input(&mut self, bytes: &[u8]) {
        self.send_raw(&wire::to_bytes(ToRunner::Input { bytes: bytes.to_vec() }).expect("a frame"));
    }

    /// Sends a frame and descriptors beside its first byte.
    pub(crate) fn send(&mut self, frame: ToRunner, descriptors: &[BorrowedFd<'_>]) {
        let bytes = wire::to_bytes(frame).expect("a frame");
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(beside.push(SendAncillaryMessage::ScmRights(descriptors)));
        }
        let sent = sendmsg(&self.socket, &[IoSlice::new(&bytes)], &mut beside, SendFlags::NOSIGNAL);
        let sent = sent.expect("the frame is sent");
        self.socket.write_all(&bytes[sent..]).expect("and the rest of it");
    }

    /// Sends what is no frame.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        let _it_may_be_gone = self.socket.write_all(bytes);
    }

    /// The next frame; none when the runner is gone or takes longer.
    pub(crate) fn receive(&mut self, longest: Duration) -> Option<FromRunner> {
        let until = Instant::now() + longest;
        loop {
            if let Some(frame) = self.incoming.next().expect("runners speak frames") {
                return Some(frame);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.socket.set_read_timeout(Some(left)).expect("a time limit");
            let mut piece = [0; 32 * 1024];
            match self.socket.read(&mut piece) {
                Ok(0) => return None,
                Ok(got) => self.incoming.push(&piece[..got]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return None,
                Err(_) => return None,
            }
        }
    }

    /// Reads until the job is over, the runner is dead, or its time is; then nothing of it is left.
    pub(crate) fn finish(mut self, doing: Doing, time: Duration) -> Outcome {
        let since = Instant::now();
        let (mut out, mut error) = (Vec::new(), Vec::new());
        let mut said = None;
        let mut over = false;
        while said.is_none() {
            let left = (time + GRACE).saturating_sub(since.elapsed());
            match self.receive(left) {
                Some(FromRunner::Output { stream: Stream::Out, bytes }) => out.extend(bytes),
                Some(FromRunner::Output { stream: Stream::Error, bytes }) => error.extend(bytes),
                Some(FromRunner::Ended { end, usage } | FromRunner::Answered { end, usage, .. }) => {
                    said = Some((end, usage));
                }
                Some(FromRunner::Compiled { .. }) => said = Some((End::Exited { code: 0 }, Usage::default())),
                Some(other) => panic!("{other:?} is no answer here"),
                None => {
                    over = since.elapsed() >= time;
                    break;
                }
            }
        }
        let took = since.elapsed();
        self.largest.fetch_max(high_water(self.id()), Ordering::Relaxed);
        let kind = if doing == Doing::Compiling { LimitKind::CompileTime } else { LimitKind::Time };
        let signal = self.stop();
        let silent = if over { End::Limit { kind } } else { End::of_death(doing, signal) };
        let (end, usage) = said.unwrap_or((silent, Usage::default()));
        let resident = self.largest.load(Ordering::Relaxed);
        Outcome { end, usage, out, error, took, resident, starved: self.starved() }
    }

    fn starved(&self) -> Duration {
        Duration::from_millis(self.starved_ms.load(Ordering::Relaxed))
    }

    /// Kills the process group and waits. Tells the signal that it died of.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        // One that is about to end is let end: its signal is of interest.
        let patience = Instant::now() + Duration::from_millis(30);
        let mut status = self.child.try_wait().expect("it is our child");
        while status.is_none() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(2));
            status = self.child.try_wait().expect("it is our child");
        }
        if status.is_none() {
            let group = rustix::process::Pid::from_child(&self.child);
            let _it_may_be_gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        self.sampling.store(false, Ordering::Relaxed);
        if let Some(sampler) = self.sampler.take() {
            sampler.join().expect("sampling ends");
        }
        status.unwrap_or_else(|| self.child.wait().expect("it is our child")).signal()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn exit_code(&mut self, longest: Duration) -> Option<i32> {
        let until = Instant::now() + longest;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return Some(status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// Hangs up, and leaves the process alone.
    pub(crate) fn hang_up(&mut self) {
        let (socket, _closed) = UnixStream::pair().expect("a pair of sockets");
        self.socket = socket;
    }
}

impl Outcome {
    /// Whether it was stopped within its time and half a second, as far as this machine lets anybody be punctual.
    pub(crate) fn was_in_time(&self, limit_ms: u64) -> bool {
        self.took <= Duration::from_millis(limit_ms + 500) + 5 * self.starved
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if self.sampler.is_some() {
            self.stop();
        }
    }
}

fn high_water(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// A file without a name, with these bytes.
pub(crate) fn file(bytes: &[u8]) -> File {
    let file = tempfile::tempfile().expect("a file");
    file.write_all_at(bytes, 0).expect("is written");
    file
}

/// Compiles a module, or tells why not.
pub(crate) fn compile(module: &[u8]) -> Result<(File, Shape), Box<Outcome>> {
    compile_file(&file(module), &Limits::default())
}

pub(crate) fn compile_file(module: &File, limits: &Limits) -> Result<(File, Shape), Box<Outcome>> {
    let artifact = tempfile::tempfile().expect("a file");
    let mut runner = Runner::start();
    let since = Instant::now();
    let job = ToRunner::Compile { limits: *limits, landlock: Landlock::Required };
    runner.send(job, &[module.as_fd(), artifact.as_fd()]);
    match runner.receive(Duration::from_millis(limits.compile_ms) + GRACE) {
        Some(FromRunner::Compiled { artifact_bytes, shape }) => {
            assert_eq!(artifact.metadata().expect("its size").len(), artifact_bytes);
            Ok((artifact, shape))
        }
        Some(FromRunner::Ended { end, usage }) => {
            let resident = runner.largest.load(Ordering::Relaxed);
            Err(Box::new(Outcome {
                end,
                usage,
                out: vec![],
                error: vec![],
                took: since.elapsed(),
                resident,
                starved: runner.starved(),
            }))
        }
        Some(other) => panic!("{other:?} is no answer to a compilation"),
        None => {
            let left = Duration::from_millis(limits.compile_ms).saturating_sub(since.elapsed());
            let mut outcome = runner.finish(Doing::Compiling, left);
            outcome.took = since.elapsed();
            Err(Box::new(outcome))
        }
    }
}

/// Compiles what must compile.
pub(crate) fn compiled(text: &str) -> File {
    let module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    compile(&module).unwrap_or_else(|outcome| panic!("{outcome:?}")).0
}

/// Loads a compiled module to call its functions.
pub(crate) fn loaded(artifact: &File, limits: &Limits) -> Result<(Runner, Shape), End> {
    let mut runner = Runner::start();
    runner.send(ToRunner::Load { limits: *limits, landlock: Landlock::Required }, &[artifact.as_fd()]);
    match runner.receive(Duration::from_secs(60)) {
        Some(FromRunner::Loaded { shape }) => Ok((runner, shape)),
        Some(FromRunner::Ended { end, .. }) => Err(end),
        None => Err(End::of_death(Doing::Running, runner.stop())),
        Some(other) => panic!("{other:?} is no answer to loading"),
    }
}

/// Calls a function.
pub(crate) fn call(runner: &mut Runner, function: &str, arguments: &[&str]) -> End {
    let arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
    runner.send(ToRunner::Call { id: 7, function: function.to_owned(), arguments }, &[]);
    match runner.receive(Duration::from_secs(60)) {
        Some(FromRunner::Answered { id: 7, end, .. }) => end,
        other => panic!("{other:?} is no answer to a call"),
    }
}

/// A program to run.
pub(crate) struct Program<'a> {
    pub(crate) artifact: &'a File,
    pub(crate) folder: Option<(&'a Path, Access)>,
    pub(crate) limits: Limits,
    pub(crate) arguments: &'a [&'a str],
    pub(crate) environment: &'a [(&'a str, &'a str)],
    pub(crate) input: &'a [u8],
}

impl<'a> Program<'a> {
    pub(crate) fn new(artifact: &'a File) -> Self {
        let limits = Limits::default();
        Self { artifact, folder: None, limits, arguments: &["program"], environment: &[], input: b"" }
    }

    pub(crate) fn in_folder(self, folder: &'a Path, access: Access) -> Self {
        Self { folder: Some((folder, access)), ..self }
    }

    pub(crate) fn run(&self) -> Outcome {
        self.run_in(Runner::start())
    }

    pub(crate) fn run_in(&self, mut runner: Runner) -> Outcome {
        self.begin(&mut runner);
        for piece in self.input.chunks(wire::MAX_CHUNK_BYTES).chain([&b""[..]]) {
            runner.send_input(piece);
        }
        runner.finish(Doing::Running, Duration::from_millis(self.limits.time_ms))
    }

    /// Hands the job over, without any input.
    pub(crate) fn begin(&self, runner: &mut Runner) {
        let folder =
            self.folder.map(|(path, access)| (File::open(path).expect("the folder is there"), access));
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let pairs = self.environment.iter();
        let job = ToRunner::Wasi {
            limits: self.limits,
            landlock: Landlock::Required,
            arguments: owned(self.arguments),
            environment: pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            access: folder.as_ref().map_or(Access::None, |(_, access)| *access),
        };
        let mut descriptors = vec![self.artifact.as_fd()];
        descriptors.extend(folder.as_ref().map(|(folder, _)| folder.as_fd()));
        runner.send(job, &descriptors);
    }
}
