//! The writes of one machine on their way to disk.
//!
//! In: batches of changes with what follows each. Out: [`Written`] once they are durable, or once they failed.
//! One write is under way at a time; batches that come meanwhile wait and go together as the next, so a busy machine pays for
//! few flushes, and a failure is known before anything built upon it is written:
//! **when a write fails, everything handed in after it fails likewise**, until [`Journal::renew`]. A batch
//! without changes waits for those before it and writes nothing.
//!
//! Bounded by the host, which turns demands away while [`limits::MAX_UNWRITTEN`](pc2_protocols::limits::MAX_UNWRITTEN) batches wait.
//! Not here: how changes reach the disk (`pc2-storage`), performing what follows (see `host`).

use crate::callers::Failure;
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// Most batches that become one write: keeps a single one to a few megabytes.
const MAX_TOGETHER: usize = 256;

/// Called once with the outcome of a write, on the writer's thread.
pub(crate) type Done = Box<dyn FnOnce(Result<(), Failure>) + Send>;

/// Takes a write and calls [`Done`] with its outcome, or refuses it (its queue is full) without calling it.
pub(crate) type Sink<C> = Arc<dyn Fn(Vec<C>, Done) -> Result<(), Failure> + Send + Sync>;

/// Batches that were written together, or failed together.
#[derive(Debug)]
pub(crate) struct Written<O> {
    /// Of each: the life of the machine that handed it in, and what follows.
    pub(crate) batches: Vec<(u32, Vec<O>)>,
    /// Whether the disk has them.
    pub(crate) result: Result<(), Failure>,
}

/// One batch.
struct Batch<C, O> {
    generation: u32,
    changes: Vec<C>,
    then: Vec<O>,
}

/// The writes of one machine.
pub(crate) struct Journal<C, O> {
    shared: Arc<Shared<C, O>>,
}

impl<C, O> Clone for Journal<C, O> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<C, O> {
    sink: Sink<C>,
    deliver: Box<dyn Fn(Written<O>) + Send + Sync>,
    state: Mutex<State<C, O>>,
    idle: Condvar,
}

struct State<C, O> {
    /// What follows the write under way.
    writing: Option<Vec<(u32, Vec<O>)>>,
    waiting: VecDeque<Batch<C, O>>,
    /// Set by a failed write.
    broken: Option<Failure>,
}

impl<C: Send + 'static, O: Send + 'static> Journal<C, O> {
    /// Nothing is under way. `deliver` is called on the writer's thread and must not block.
    pub(crate) fn new(sink: Sink<C>, deliver: impl Fn(Written<O>) + Send + Sync + 'static) -> Self {
        let state = State { writing: None, waiting: VecDeque::new(), broken: None };
        let shared =
            Shared { sink, deliver: Box::new(deliver), state: Mutex::new(state), idle: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Hands a batch in. Its outcome is delivered in any case.
    pub(crate) fn hand_in(&self, generation: u32, changes: Vec<C>, then: Vec<O>) {
        let mut state = self.shared.lock();
        if let Some(why) = state.broken {
            drop(state);
            (self.shared.deliver)(Written { batches: vec![(generation, then)], result: Err(why) });
            return;
        }
        state.waiting.push_back(Batch { generation, changes, then });
        let next = state.next_write();
        drop(state);
        Shared::write(&self.shared, next);
    }

    /// Waits until nothing is under way, at most for `patience`. By then, every outcome has been delivered.
    pub(crate) fn wait_idle(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut state = self.shared.lock();
        while state.writing.is_some() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.idle.wait_timeout(state, left).expect("no holder of the lock panics").0;
        }
        true
    }

    /// Takes batches again after a failure: they come from a machine that starts from what the disk has.
    pub(crate) fn renew(&self) {
        self.shared.lock().broken = None;
    }
}

impl<C, O> State<C, O> {
    /// Begins the next write if none is under way: its changes, to be written by the caller.
    fn next_write(&mut self) -> Option<Vec<C>> {
        if self.writing.is_some() || self.waiting.is_empty() {
            return None;
        }
        let count = self.waiting.len().min(MAX_TOGETHER);
        let mut all_changes = Vec::new();
        let mut all_then = Vec::with_capacity(count);
        for Batch { generation, changes, then } in self.waiting.drain(..count) {
            all_changes.extend(changes);
            all_then.push((generation, then));
        }
        self.writing = Some(all_then);
        Some(all_changes)
    }
}

impl<C: Send + 'static, O: Send + 'static> Shared<C, O> {
    fn lock(&self) -> MutexGuard<'_, State<C, O>> {
        self.state.lock().expect("no holder of the lock panics")
    }

    /// Performs a write that [`State::next_write`] began, and those after it that need no disk.
    fn write(shared: &Arc<Self>, mut next: Option<Vec<C>>) {
        while let Some(changes) = next {
            next = if changes.is_empty() {
                shared.finished(Ok(()))
            } else {
                let done = Self::done(shared);
                match (shared.sink)(changes, done) {
                    Ok(()) => None,
                    Err(why) => shared.finished(Err(why)),
                }
            };
        }
    }

    fn done(shared: &Arc<Self>) -> Done {
        let shared = Arc::clone(shared);
        Box::new(move |result| {
            let next = shared.finished(result);
            Self::write(&shared, next);
        })
    }

    /// Delivers the outcome of the write under way. Returns the next one.
    fn finished(&self, result: Result<(), Failure>) -> Option<Vec<C>> {
        let mut state = self.lock();
        let mut batches = state.writing.take()?;
        if let Err(why) = result {
            state.broken = Some(why);
            batches.extend(state.waiting.drain(..).map(|batch| (batch.generation, batch.then)));
        }
        // Delivered under the lock: outcomes arrive in the order of the writes.
        (self.deliver)(Written { batches, result });
        let next = state.next_write();
        if next.is_none() {
            self.idle.notify_all();
        }
        next
    }
}

#[cfg(test)]
mod tests;
