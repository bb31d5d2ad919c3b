//! One runner: a child process of the same program, the socket to it, and its end.
//!
//! In: frames with descriptors. Out: frames, believed no further than their types go, and how the process died. The child gets no environment, no arguments but what it is, no
//! descriptor but its end of the socket, and a process group of its own, which is killed when the [`Runner`] is dropped.
//!
//! Each has a thread of its own, which makes it, waits for it, and ends with it: how urgent a process is goes by the thread that makes it, and waiting blocks.
//! Not here: what a runner is for (`pool`), what happens inside (`pc2-wasm`).

use pc2_protocols::wasm::{
    end::{Doing, End},
    wire::{self, FrameError, FromRunner, Incoming, MAX_DESCRIPTORS, ToRunner, VERSION},
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::Errno,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags},
    process::{Pid, Signal, WaitId, WaitIdOptions},
};
use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, Interest},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{oneshot, watch},
};
use tracing::warn;

/// The word by which the program knows that it is a runner.
const WORD: &str = "wasm-runner";

/// How long a runner may take to say that it is ready.
const READY_PATIENCE: Duration = Duration::from_secs(10);

/// How long the system may take to say that a killed process is gone.
const DEATH_PATIENCE: Duration = Duration::from_millis(300);

/// Stack of the thread that waits for a child.
const STACK_BYTES: usize = 256 * 1024;

/// How much the processor prefers everything else of the node to a runner, as `nice` counts: it gets a tenth of what the others get while they want any, and all
/// of it otherwise.
const NICE: i32 = 10;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 32 * 1024;

/// Why nothing more comes from a runner.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// Its socket is closed or broken: it is dying or dead.
    #[error("the runner's socket broke: {0}")]
    Socket(#[from] io::Error),
    /// It says what it may not.
    #[error("the runner talks nonsense: {0}")]
    Frame(#[from] FrameError),
    /// It says what is no answer.
    #[error("the runner said something else than it was asked")]
    OffScript,
    /// It takes too long to begin.
    #[error("the runner does not begin")]
    Silent,
}

/// A process, and how it ended. It belongs to a thread of its own, which makes it and waits for it.
#[derive(Debug)]
struct Process {
    pid: Pid,
    /// True until it was waited for: only so long is the process group certainly its own.
    there: Arc<Mutex<bool>>,
    status: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    async fn start(program: PathBuf, socket: OwnedFd) -> io::Result<Self> {
        let (begun, beginning) = oneshot::channel();
        let thread = thread::Builder::new().name("pc2-runner".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(move || watch_over(&program, socket, begun))?;
        beginning.await.unwrap_or_else(|_| Err(io::Error::other("the thread of a runner failed")))
    }

    /// Kills it and whatever it made.
    fn kill(&self) {
        let there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        if *there
            && let Err(error) = rustix::process::kill_process_group(self.pid, Signal::KILL)
            && error != Errno::SRCH
        {
            warn!(%error, "a runner was not killed");
        }
    }

    /// By which signal it died, when that is known in time.
    async fn death(&mut self) -> Option<i32> {
        let died = self.status.wait_for(Option::is_some);
        let status = match tokio::time::timeout(DEATH_PATIENCE, died).await {
            Ok(Ok(status)) => *status,
            Ok(Err(_)) | Err(_) => None,
        };
        status.and_then(|status| status.signal())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The life of one child: the thread lasts as long as it does.
fn watch_over(program: &Path, socket: OwnedFd, begun: oneshot::Sender<io::Result<Process>>) {
    // Of this thread alone, and so of the child that it makes.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        warn!(%error, "a runner is as urgent as the node");
    }
    let mut command = Command::new(program);
    command.arg(WORD).env_clear().current_dir("/").process_group(0);
    let spawned = command.stdin(Stdio::from(socket)).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    // Our copy of its end of the socket goes: when the child is gone, ours is closed.
    drop(command);
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return drop(begun.send(Err(error))),
    };
    let pid = Pid::from_child(&child);
    let there = Arc::new(Mutex::new(true));
    let (told, status) = watch::channel(None);
    let watched = Arc::clone(&there);
    // Whoever wanted it may have gone: then it is dropped here, and killed.
    drop(begun.send(Ok(Process { pid, there, status })));
    // Without reaping it: until then its number is nobody else's.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), options) {}
    let mut there = watched.lock().unwrap_or_else(PoisonError::into_inner);
    *there = false;
    match child.wait() {
        Ok(status) => drop(told.send(Some(status))),
        Err(error) => warn!(%error, "a runner was not waited for"),
    }
}

/// The half of a runner by which it is told something.
#[derive(Debug)]
pub(crate) struct Sender(OwnedWriteHalf);

impl Sender {
    /// Sends a frame, with descriptors beside it. Waits while the runner takes no more.
    pub(crate) async fn send(&self, frame: ToRunner, descriptors: &[BorrowedFd<'_>]) -> Result<(), Lost> {
        let bytes = wire::to_bytes(frame)?;
        let socket: &UnixStream = self.0.as_ref();
        let (mut rest, mut beside) = (bytes.as_slice(), descriptors);
        while !rest.is_empty() {
            socket.writable().await?;
            match socket.try_io(Interest::WRITABLE, || send(socket, rest, beside)) {
                Ok(sent) => {
                    rest = rest.get(sent..).unwrap_or_default();
                    beside = &[];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut beside = SendAncillaryBuffer::new(&mut room);
    if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let pieces = [IoSlice::new(bytes)];
    Ok(rustix::net::sendmsg(socket.as_fd(), &pieces, &mut beside, SendFlags::NOSIGNAL)?)
}

/// A child process that runs modules, or will. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Runner {
    process: Process,
    reader: OwnedReadHalf,
    sender: Option<Sender>,
    incoming: Incoming,
    piece: Box<[u8]>,
    engine: String,
}

impl Runner {
    /// Makes one, and waits until it is ready.
    pub(crate) async fn start(program: &Path) -> Result<Self, Lost> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let process = Process::start(program.to_owned(), theirs.into()).await?;
        let (reader, writer) = UnixStream::from_std(ours)?.into_split();
        let piece = vec![0; PIECE_BYTES].into_boxed_slice();
        let (sender, incoming, engine) = (Some(Sender(writer)), Incoming::default(), String::new());
        let mut runner = Self { process, reader, sender, incoming, piece, engine };
        let ready = tokio::time::timeout(READY_PATIENCE, runner.next()).await.map_err(|_| Lost::Silent)?;
        match ready? {
            FromRunner::Ready { version: VERSION, engine, landlock: _ } => runner.engine = engine,
            _ => return Err(Lost::OffScript),
        }
        Ok(runner)
    }

    /// What compiled modules depend on.
    pub(crate) fn engine(&self) -> &str {
        &self.engine
    }

    /// Whether it has not died yet.
    pub(crate) fn lives(&self) -> bool {
        self.process.status.borrow().is_none()
    }

    /// Sends a frame.
    pub(crate) async fn send(&self, frame: ToRunner, descriptors: &[BorrowedFd<'_>]) -> Result<(), Lost> {
        match &self.sender {
            Some(sender) => sender.send(frame, descriptors).await,
            None => Err(Lost::OffScript),
        }
    }

    /// Gives the half for sending away.
    pub(crate) fn take_sender(&mut self) -> Option<Sender> {
        self.sender.take()
    }

    /// The next frame. Nothing is lost when this is dropped while it waits.
    pub(crate) async fn next(&mut self) -> Result<FromRunner, Lost> {
        loop {
            if let Some(frame) = self.incoming.next()? {
                return Ok(frame);
            }
            let read = self.reader.read(&mut self.piece).await?;
            if read == 0 {
                return Err(Lost::Socket(io::ErrorKind::UnexpectedEof.into()));
            }
            self.incoming.push(self.piece.get(..read).unwrap_or_default());
        }
    }

    /// What its silence means: kills it, if it lives, and says how it ended.
    pub(crate) async fn lost(mut self, doing: Doing, why: Lost) -> End {
        match why {
            // It may be about to say by its death which limit it was.
            Lost::Socket(_) => {}
            Lost::Frame(_) | Lost::OffScript | Lost::Silent => {
                warn!(%why, "a runner is killed");
                self.process.kill();
                return End::Crashed { signal: None };
            }
        }
        End::of_death(doing, self.process.death().await)
    }

    /// Waits until it has ended by itself, or kills it: from then on nobody has the descriptors that it was given.
    pub(crate) async fn end(mut self) {
        drop(self.sender.take());
        if self.process.death().await.is_none() && self.lives() {
            self.process.kill();
            self.process.death().await;
        }
    }
}
