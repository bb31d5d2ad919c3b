//! The shell of the WASM machine, and beneath it the processes in which modules run.
//!
//! | what | where |
//! |---|---|
//! | effects of the machine: orders, events | here |
//! | the task that carries orders out; one run from beginning to end | `plane`, `drive` |
//! | child processes: one; those that are kept warm | `runner`, `pool` |
//! | compiled modules on disk | `cache` |
//! | modules as files; homes of people; files being written | `modules`, `home`, `part` |
//! | what a run writes and is given | `log`, `desk` |
//! | what web and command line call | `handle` |
//!
//! No module is ever loaded, compiled or looked into by this process. A node that runs none has no child, no task and no file for it.
//!
//! Not here: the machine ([`pc2_protocols::wasm`]), engine and sandbox (`pc2-wasm`).

mod cache;
mod desk;
mod drive;
pub(crate) mod handle;
pub(crate) mod home;
pub(crate) mod log;
pub(crate) mod modules;
mod part;
mod plane;
mod pool;
mod runner;

use self::{cache::Cache, desk::Desk, drive::Parts, home::Homes, modules::Modules, plane::Order, pool::Pool};
use crate::{
    event::{EventHub, NodeEvent},
    shell::{Effect, Inbox, Shell},
};
use pc2_protocols::{
    machine::CallId,
    net::NetInput,
    wasm::{Command, CommandError, In, Out, Quotas, Reply, limits::Limits, rows::Change, wire::Landlock},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use tokio::{runtime, sync::mpsc, task::JoinHandle};
use tracing::warn;
use zeroize::Zeroizing;

/// Disk for compiled modules when nobody says otherwise: some thirty of the size of an interpreter.
const CACHE_BYTES: u64 = 256 * 1024 * 1024;

/// How modules are run.
#[derive(Debug, Clone)]
pub struct WasmConfig {
    /// The program that is a runner when it is called with the one word `wasm-runner`. `None`: nothing can be run.
    pub runner: Option<PathBuf>,
    /// What one module may take, at most.
    pub limits: Limits,
    /// How many runs there may be.
    pub quotas: Quotas,
    /// Most bytes of compiled modules that are kept.
    pub cache_bytes: u64,
    /// Whether to run modules on a system without landlock, where one wall less is around them.
    pub landlock: Landlock,
}

impl Default for WasmConfig {
    fn default() -> Self {
        Self {
            runner: None,
            limits: Limits::default(),
            quotas: Quotas::default(),
            cache_bytes: CACHE_BYTES,
            landlock: Landlock::Required,
        }
    }
}

/// What shell, plane and callers share.
pub(crate) struct Yard {
    pub(crate) desk: Arc<Desk>,
    pub(crate) modules: Arc<Modules>,
    pub(crate) homes: Homes,
    pub(crate) cache: Arc<Cache>,
    pub(crate) config: WasmConfig,
}

impl Yard {
    /// Under a data directory. Nothing is made yet.
    pub(crate) fn new(data: &Path, key: Zeroizing<[u8; 32]>, config: WasmConfig) -> Arc<Self> {
        Arc::new(Self {
            desk: Arc::default(),
            modules: Arc::new(Modules::new(data)),
            homes: Homes::under(data),
            cache: Arc::new(Cache::new(data, key, config.cache_bytes)),
            config,
        })
    }
}

/// The task behind the machine.
pub(crate) struct Plane {
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

/// The way of orders to the plane. It is bounded by the machine: every order belongs to a run or an app that somebody asked for.
pub(crate) struct Orders {
    to: mpsc::UnboundedSender<Order>,
    from: mpsc::UnboundedReceiver<Order>,
}

impl Orders {
    pub(crate) fn new() -> Self {
        let (to, from) = mpsc::unbounded_channel();
        Self { to, from }
    }

    /// For the shell.
    pub(crate) fn sender(&self) -> mpsc::UnboundedSender<Order> {
        self.to.clone()
    }
}

impl Plane {
    pub(crate) fn spawn(io: &runtime::Handle, yard: &Yard, own: Inbox<In>, orders: Orders) -> Self {
        // A program that is not there: each run ends with a word about that.
        let program = yard.config.runner.clone().unwrap_or_default();
        let parts = Parts {
            own,
            pool: Arc::new(Pool::new(program)),
            cache: Arc::clone(&yard.cache),
            modules: Arc::clone(&yard.modules),
            homes: yard.homes.clone(),
            desk: Arc::clone(&yard.desk),
            landlock: yard.config.landlock,
            compiling: Mutex::default(),
        };
        Self { task: plane::spawn(io, parts, orders.from), orders: orders.to }
    }

    /// Waits until every run has ended and every child was killed.
    pub(crate) async fn end(self) {
        let _it_may_have_ended = self.orders.send(Order::End);
        if let Err(error) = self.task.await {
            warn!(%error, "the task that runs modules failed");
        }
    }
}

/// Effects of the WASM machine.
pub(crate) struct WasmShell {
    orders: mpsc::UnboundedSender<Order>,
    modules: Arc<Modules>,
    events: Arc<EventHub>,
}

impl WasmShell {
    pub(crate) fn new(orders: mpsc::UnboundedSender<Order>, yard: &Yard, events: Arc<EventHub>) -> Self {
        Self { orders, modules: Arc::clone(&yard.modules), events }
    }

    fn order(&self, order: Out) {
        // The plane ends with the node.
        let _it_may_have_ended = self.orders.send(Order::Machine(order));
    }
}

impl Shell for WasmShell {
    type In = In;
    type Out = Out;
    type Change = Change;
    type Command = Command;
    type Reply = Reply;
    type Refusal = CommandError;

    fn call(call: CallId, command: Command) -> In {
        In::Call { call, command }
    }

    fn from_net(_: NetInput) -> Option<In> {
        None
    }

    fn kind(input: &In) -> &'static str {
        if let In::Call { command, .. } = input { command.kind() } else { input.kind() }
    }

    fn is_demand(_: &In) -> bool {
        false
    }

    fn perform(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { changes, then } => return Effect::Persist { changes, then },
            Out::Reply { call, result } => return Effect::Reply { call, result },
            Out::Publish(event) => self.events.publish(NodeEvent::Wasm(event)),
            Out::RemoveModule { module } => {
                // Before anybody is answered: who installs it again from now on has it stay.
                self.modules.unwant(module);
                self.order(Out::RemoveModule { module });
            }
            order @ (Out::Reset { .. }
            | Out::Start(_)
            | Out::Kill { .. }
            | Out::Over { .. }
            | Out::Forget { .. }) => self.order(order),
        }
        Effect::Done
    }

    fn abandon(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { then, .. } => Effect::Persist { changes: Vec::new(), then },
            Out::Reply { call, result } => Effect::Reply { call, result },
            // The next life begins with a reset.
            Out::Publish(_)
            | Out::RemoveModule { .. }
            | Out::Reset { .. }
            | Out::Start(_)
            | Out::Kill { .. }
            | Out::Over { .. }
            | Out::Forget { .. } => Effect::Done,
        }
    }

    fn turn_away(&mut self, _: In) {}

    fn observe(&mut self, _: &In) {}

    fn new_life(&mut self) {}

    fn replay(&self) -> Vec<In> {
        Vec::new()
    }

    fn settle(&mut self) {}
}
