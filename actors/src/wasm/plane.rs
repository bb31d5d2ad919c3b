//! The task that carries the machine's orders out: one task for each run.
//!
//! In: orders, in their order. Out: what becomes of runs, to the machine. A run is killed by dropping its task, which kills its process. Ends with the node, after every
//! child is gone. Bounded by the machine: so many runs at once.
//!
//! Not here: what one run does (`drive`), what to do (the machine).

use super::drive::{Parts, drive};
use pc2_protocols::{
    id::BlobId,
    wasm::{
        In, Out, RunId, Start,
        end::{End, Usage},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::{
    runtime,
    sync::mpsc,
    task::{AbortHandle, Id, JoinHandle, JoinSet, spawn_blocking},
};
use tracing::error;

/// What the plane is told.
pub(crate) enum Order {
    /// By the machine.
    Machine(Out),
    /// The node ends.
    End,
}

struct Plane {
    parts: Arc<Parts>,
    tasks: JoinSet<(RunId, End, Usage)>,
    runs: BTreeMap<RunId, AbortHandle>,
    /// By task, because one that was killed or failed says no more which it was.
    names: BTreeMap<Id, RunId>,
    begun: bool,
}

/// Starts it.
pub(super) fn spawn(
    io: &runtime::Handle,
    parts: Parts,
    orders: mpsc::UnboundedReceiver<Order>,
) -> JoinHandle<()> {
    let (tasks, runs, names) = (JoinSet::new(), BTreeMap::new(), BTreeMap::new());
    let plane = Plane { parts: Arc::new(parts), tasks, runs, names, begun: false };
    io.spawn(plane.run(orders))
}

impl Plane {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Machine(order)) => self.order(order).await,
                    Some(Order::End) | None => break,
                },
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => self.ended(ended),
            }
        }
        self.tasks.shutdown().await;
        self.parts.pool.close();
    }

    async fn order(&mut self, order: Out) {
        match order {
            Out::Reset { modules } => self.reset(modules).await,
            Out::Start(start) => self.start(*start),
            Out::Kill { run } => {
                if let Some(task) = self.runs.get(&run) {
                    task.abort();
                }
            }
            Out::Over { run } => self.parts.desk.close(run),
            Out::Forget { run } => self.parts.desk.forget(run),
            Out::RemoveModule { module: _ } => {
                let modules = Arc::clone(&self.parts.modules);
                drop(spawn_blocking(move || modules.remove_unwanted()));
            }
            // The shell performs these itself.
            Out::Persist { .. } | Out::Reply { .. } | Out::Publish(_) => {}
        }
    }

    fn start(&mut self, start: Start) {
        let (parts, run) = (Arc::clone(&self.parts), start.run);
        let task = self.tasks.spawn(async move {
            let (end, usage) = drive(&parts, start).await;
            (run, end, usage)
        });
        self.names.insert(task.id(), run);
        self.runs.insert(run, task);
    }

    fn ended(&mut self, ended: Result<(Id, (RunId, End, Usage)), tokio::task::JoinError>) {
        let (id, end, usage) = match ended {
            Ok((id, (_, end, usage))) => (id, end, usage),
            Err(failed) => {
                let end = if failed.is_panic() {
                    error!(%failed, "the task of a run failed");
                    End::Crashed { signal: None }
                } else {
                    End::Stopped
                };
                (failed.id(), end, Usage::default())
            }
        };
        // Of an earlier life otherwise.
        let Some(run) = self.names.remove(&id) else { return };
        self.runs.remove(&run);
        self.parts.desk.close(run);
        self.parts.own.tell(In::Ended { run, end, usage });
    }

    /// Ends every run, without a word to the machine, which knows of none.
    async fn reset(&mut self, used: Vec<BlobId>) {
        self.names.clear();
        self.runs.clear();
        self.tasks.shutdown().await;
        // Only now: a run writes to its log until its task is gone.
        self.parts.desk.clear();
        if !std::mem::replace(&mut self.begun, true) {
            let (modules, cache) = (Arc::clone(&self.parts.modules), Arc::clone(&self.parts.cache));
            let used: BTreeSet<BlobId> = used.into_iter().collect();
            drop(spawn_blocking(move || {
                modules.sweep(&used);
                cache.clean();
            }));
        }
    }
}
