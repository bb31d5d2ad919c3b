//! The one thread that writes.
//!
//! In: batches of changes with a callback each. Out: the callbacks, in order, once the disk has them. Batches that wait are
//! committed as a group: staged one after the other, merged, applied by sled at once, `flush`, `sync_data` of
//! the database file, callbacks. A crash at any moment leaves whole batches, and no later one without an earlier.
//!
//! | when | reaction |
//! |---|---|
//! | [`QUEUE_BATCHES`] wait | [`QueueFull`]; nothing is kept of the batch |
//! | less than the reserve is free | [`WriteError::DiskFull`], nothing is applied, and the next batch is tried anew |
//! | a row is too large | [`WriteError::TooLarge`] for that batch alone |
//! | a write, flush or sync fails | [`WriteError::Failed`] for the group and everything after it until the storage is opened anew: after a failed sync nobody knows what the disk has |
//!
//! Callbacks run on this thread: they hand over and return.

use crate::{
    apply,
    cell::Sealer,
    change::Change,
    check::Mark,
    disk::{Ballast, Disk},
    ledger::Ledger,
    search,
    stage::Stage,
    table::StageError,
};
use sled::{Db, Tree};
use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

/// Batches that may wait for the writer: about a tenth of a second of its work.
pub const QUEUE_BATCHES: usize = 1_024;

/// Most batches committed as one group.
const GROUP_BATCHES: usize = 256;

/// A group takes no further batch once it has this many bytes: bounds memory, and what one sync has to write.
const GROUP_BYTES: usize = 1024 * 1024;

/// Why a batch is not on disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The disk has too little room. Nothing was written; it works again as soon as there is room.
    #[error("the disk is full; free some space")]
    DiskFull,
    /// A row is larger than a row may be. Nothing of its batch was written.
    #[error("not written: {reason}")]
    TooLarge {
        /// Which table, and how large.
        reason: String,
    },
    /// The database or the disk failed, now or earlier. Whether it was written is known after a restart only.
    #[error("the database failed and takes no writes until the node is restarted: {reason}")]
    Failed {
        /// The first failure.
        reason: String,
    },
}

/// Too much waits to be written already; try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{QUEUE_BATCHES} batches wait to be written already")]
pub struct QueueFull;

/// How the writer is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum WriterState {
    /// It writes.
    #[default]
    Writing,
    /// It refuses until there is room on the disk.
    DiskFull,
    /// It refuses until the storage is opened anew.
    Failed {
        /// The first failure.
        reason: String,
    },
    /// The storage was closed.
    Closed,
}

type Done = Box<dyn FnOnce(Result<(), WriteError>) + Send>;

struct Batch {
    changes: Vec<Change>,
    /// Until it was called.
    done: Option<Done>,
}

impl Batch {
    /// Calls back. A callback that panics must not take the writer with it.
    fn answer(mut self, result: Result<(), WriteError>) {
        self.call(result);
    }

    fn call(&mut self, result: Result<(), WriteError>) {
        let Some(done) = self.done.take() else { return };
        if catch_unwind(AssertUnwindSafe(|| done(result))).is_err() {
            tracing::error!("a callback of the storage writer panicked");
        }
    }
}

/// A batch still in the queue when the writer ends is answered, too.
impl Drop for Batch {
    fn drop(&mut self) {
        self.call(Err(WriteError::Failed { reason: "the storage is closed".to_owned() }));
    }
}

enum Job {
    Write(Batch),
    Barrier(SyncSender<()>),
    Stop,
}

/// The way to the writer. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    jobs: SyncSender<Job>,
    state: Arc<Mutex<WriterState>>,
}

impl Writer {
    /// Hands over a batch. `done` is called once, on the writer's thread, when the batch is on disk or will never be; it
    /// must not block. Batches become durable in the order of submission, each whole or not at all.
    ///
    /// # Errors
    /// [`QueueFull`]: the batch was not taken and `done` will not be called. Also once the storage is closed.
    pub fn submit(
        &self,
        changes: Vec<Change>,
        done: impl FnOnce(Result<(), WriteError>) + Send + 'static,
    ) -> Result<(), QueueFull> {
        let batch = Batch { changes, done: Some(Box::new(done)) };
        self.jobs.try_send(Job::Write(batch)).map_err(|error| {
            let (TrySendError::Full(job) | TrySendError::Disconnected(job)) = error;
            if let Job::Write(mut batch) = job {
                batch.done = None;
            }
            QueueFull
        })
    }

    /// Returns when everything submitted before has been decided: written, or refused. Blocks; not for callbacks.
    pub fn barrier(&self) {
        let (reached, wait) = sync_channel(1);
        if self.jobs.send(Job::Barrier(reached)).is_ok() {
            // An error means that the writer stopped: everything before is decided then, too.
            let _stopped = wait.recv();
        }
    }

    /// How the writer is.
    #[must_use]
    pub fn state(&self) -> WriterState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the thread to end after what was submitted so far.
    pub(crate) fn stop(&self) {
        // Not running any more is what was asked for.
        let _stopped_already = self.jobs.send(Job::Stop);
    }
}

/// What the thread works with.
pub(crate) struct Setup {
    pub(crate) db: Db,
    pub(crate) sealer: Arc<Sealer>,
    /// The database file, for the sync.
    pub(crate) file: File,
    pub(crate) mark: Mark,
    pub(crate) ledger: Ledger,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) reserve: u64,
    pub(crate) ballast: Ballast,
}

/// Starts the thread.
pub(crate) fn start(setup: Setup) -> std::io::Result<(Writer, JoinHandle<()>)> {
    let (jobs, queue) = sync_channel(QUEUE_BATCHES);
    let state = Arc::new(Mutex::new(WriterState::Writing));
    let writer = Writer { jobs, state: Arc::clone(&state) };
    let tree = Tree::clone(&setup.db);
    let thread = std::thread::Builder::new()
        .name("storage-writer".into())
        .spawn(move || Thread { setup, tree, state }.run(&queue))?;
    Ok((writer, thread))
}

struct Thread {
    setup: Setup,
    tree: Tree,
    state: Arc<Mutex<WriterState>>,
}

impl Thread {
    fn run(mut self, queue: &Receiver<Job>) {
        let mut next = queue.recv().ok();
        while let Some(job) = next.take() {
            let mut batches = Vec::new();
            let mut job = Some(job);
            loop {
                match job.take() {
                    Some(Job::Write(batch)) => batches.push(batch),
                    Some(other) => {
                        next = Some(other);
                        break;
                    }
                    None => break,
                }
                if batches.len() >= GROUP_BATCHES {
                    break;
                }
                job = queue.try_recv().ok();
            }
            while !batches.is_empty() {
                batches = self.commit(batches);
            }
            match next.take() {
                Some(Job::Barrier(reached)) => {
                    // Whoever waited may have given up.
                    let _gone = reached.send(());
                }
                Some(Job::Stop) => break,
                Some(Job::Write(_)) | None => {}
            }
            next = queue.recv().ok();
        }
        self.set_state(WriterState::Closed);
    }

    /// Commits as many of the batches as fit a group; returns the others.
    fn commit(&mut self, mut batches: Vec<Batch>) -> Vec<Batch> {
        if let Some(error) = self.refusal() {
            for batch in batches {
                batch.answer(Err(error.clone()));
            }
            return Vec::new();
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.write_group(&batches)));
        let outcome = outcome.unwrap_or_else(|_| Err("the database panicked".to_owned()));
        let (taken, refused) = match outcome {
            Ok(group) => (group.taken, group.refused),
            Err(reason) => {
                tracing::error!(reason, "database failed; no writes until restart");
                self.set_state(WriterState::Failed { reason });
                return batches;
            }
        };
        let rest = batches.split_off(taken);
        let mut refused = refused.into_iter().peekable();
        for (number, batch) in batches.into_iter().enumerate() {
            let error = refused.next_if(|(refused, _)| *refused == number).map(|(_, error)| error);
            batch.answer(error.map_or(Ok(()), Err));
        }
        rest
    }

    /// Why nothing can be written right now, if so.
    fn refusal(&self) -> Option<WriteError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let WriterState::Failed { reason } = state {
            return Some(WriteError::Failed { reason });
        }
        // A disk that does not say how full it is is tried.
        let available = self.setup.disk.available(&self.setup.dir).unwrap_or(u64::MAX);
        let full = available < self.setup.reserve;
        match (full, state == WriterState::DiskFull) {
            (true, false) => {
                tracing::warn!(available, reserve = self.setup.reserve, "disk full; writes are refused");
                self.set_state(WriterState::DiskFull);
            }
            (false, true) => {
                tracing::info!(available, "disk has room again");
                self.setup.ballast.restore(available, self.setup.reserve);
                self.set_state(WriterState::Writing);
            }
            (true, true) | (false, false) => {}
        }
        full.then_some(WriteError::DiskFull)
    }

    fn write_group(&mut self, batches: &[Batch]) -> Result<Group, String> {
        let setup = &mut self.setup;
        let mut stage = Stage::new(&self.tree, &setup.sealer);
        let mut group = Group { taken: 0, refused: Vec::new() };
        for batch in batches {
            match batch.changes.iter().try_for_each(|change| apply::apply(&mut stage, change)) {
                Ok(()) => stage.keep(),
                Err(StageError::Read(error)) => return Err(error.to_string()),
                Err(error @ StageError::TooLarge { .. }) => {
                    stage.discard();
                    group.refused.push((group.taken, WriteError::TooLarge { reason: error.to_string() }));
                }
            }
            group.taken += 1;
            if stage.group_bytes() >= GROUP_BYTES {
                break;
            }
        }
        if stage.is_empty() {
            return Ok(group);
        }
        search::gather(&mut stage).map_err(|error| error.to_string())?;
        stage.keep();
        let (batch, ledger) = stage.into_batch(setup.ledger).map_err(|error| error.to_string())?;
        self.tree.apply_batch(batch).map_err(|error| error.to_string())?;
        setup.db.flush().map_err(|error| error.to_string())?;
        setup.disk.sync(&setup.file).map_err(|error| format!("sync: {error}"))?;
        setup.ledger = ledger;
        setup.mark.reached(ledger);
        Ok(group)
    }

    fn set_state(&self, state: WriterState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// What became of a group: how many batches it took, and which of them were refused by themselves.
struct Group {
    taken: usize,
    refused: Vec<(usize, WriteError)>,
}
