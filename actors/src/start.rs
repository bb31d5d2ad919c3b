//! Starting and stopping a node.
//!
//! [`start`] brings up, in this order: the io runtime, storage, the actor thread, the hosts with the network between them, the
//! watchdog, the exporter. [`Running::shutdown`] goes the other way, in [`SHUTDOWN_PATIENCE`] at most: hosts take nothing new in
//! and acknowledge when all they had is durable and answered; the network lets the last answers leave and closes; the
//! export is written; the writer flushes and ends; the threads end. Whoever serves people (HTTP) stops before that.
//!
//! Dropping a [`Running`] ends everything without waiting for anybody; what was acknowledged is on disk all the same.
//! Threads: `pc2-actors` runs all hosts, two `pc2-io` workers run everything async, the storage writer, and blocking threads that
//! come when needed and go after ten seconds.

mod before;

use crate::{
    api::{ActorState, Inner, NodeHandle, call},
    clock::Clock,
    config::{NodeConfig, StartError},
    event::EventHub,
    exporter::Exporter,
    factories::{Factories, Sources},
    files::{
        offer::{HandOver, Offers},
        plane::{self, Order},
        proof::Proofs,
    },
    host::{Host, inbox},
    messages::Report,
    meter::Meter,
    net::{NetStartError, Routes},
    network::{self, Guarded, Network},
    reads::Reads,
    shell::{BuildError, Inbox, Shell},
    tree::{self, Branch, Ground, Tree},
    wasm::{self, WasmShell, Yard},
    watchdog::{self, PING_EVERY},
};
use actix::{Addr, System};
use pc2_protocols::{
    files::{
        self, Command,
        rows::{Decided, TransferRow},
    },
    id::NodeId,
    net::Peer,
};
use pc2_storage::{OpenReport, Reader, Storage, blobs::BlobStore};
use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};
use tokio::{
    runtime::{self, Runtime},
    sync::{mpsc as mpsc_async, oneshot},
    task::JoinHandle,
};
use tracing::{info, warn};

/// Most time an orderly end takes. A service manager's patience is longer.
pub const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(15);

/// Of it, for the hosts to get their last writes to disk.
const HOSTS_PATIENCE: Duration = Duration::from_secs(5);

/// Of it, for the network to close. It takes 3 s itself.
const NETWORK_PATIENCE: Duration = Duration::from_secs(4);

/// Of it, for the last export. A conversation of 100,000 messages takes about a second.
const EXPORT_PATIENCE: Duration = Duration::from_secs(4);

/// Of it, for tasks that still run on the io threads.
const IO_PATIENCE: Duration = Duration::from_secs(1);

/// How long a part may take to start.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// Offers that came so long before the newest message are handed to the files machine again: far longer than a handing over can take.
const LATE: Duration = Duration::from_secs(600);

/// Workers of the io runtime. The reference machines have two cores.
const IO_WORKERS: usize = 2;

/// Blocking threads: four reads at once, and as many for name resolution and rebuilds; for file transfers one for each of eight that are received (from two
/// holders) and eight that are sent, and eight for what they do with the disk; one for each of eight modules that run. They are made when needed, and each takes what its stack really uses.
const BLOCKING_THREADS: usize = 48;

/// Starts the network, given the routing table of the last time and the way to the hosts.
type StartNetwork =
    Box<dyn FnOnce(&runtime::Handle, &NodeConfig, Vec<Peer>, Routes) -> Result<Network, NetStartError>>;

/// What tests put something else in the place of.
pub(crate) struct Seams {
    pub(crate) factories: Box<dyn FnOnce(Factories) -> Factories>,
    pub(crate) network: StartNetwork,
    pub(crate) ping_every: Duration,
}

impl Default for Seams {
    fn default() -> Self {
        Self {
            factories: Box::new(|factories| factories),
            network: Box::new(|io, config, known, routes| network::spawn(io, config.net(known), routes)),
            ping_every: PING_EVERY,
        }
    }
}

/// A running node, for whoever started it.
pub struct Running {
    handle: NodeHandle,
    tree: Tree,
    network: Guarded,
    plane: Plane,
    wasm: wasm::Plane,
    watchdog: JoinHandle<()>,
    exporter: Exporter,
    events: Arc<EventHub>,
    meter: Arc<Meter>,
    storage: Arc<Storage>,
    actors: ActorThread,
    io: Runtime,
}

/// Starts a node. Blocks until every part works; call it outside of any async runtime.
///
/// # Errors
/// [`StartError`]; nothing is left running then.
pub fn start(config: &NodeConfig) -> Result<Running, StartError> {
    start_with(config, Seams::default())
}

pub(crate) fn start_with(config: &NodeConfig, seams: Seams) -> Result<Running, StartError> {
    let began = Instant::now();
    let io = runtime::Builder::new_multi_thread()
        .worker_threads(IO_WORKERS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("pc2-io")
        .enable_all()
        .build()?;
    let (storage, opened) = Storage::open(&config.data, &config.keys.storage_key(), &config.storage)?;
    let blobs = BlobStore::open(&storage, &config.storage)?;
    let storage = Arc::new(storage);
    let (reader, writer) = (storage.reader(), storage.writer());
    let clock = Clock::start();
    let account = config.keys.node();
    before::write_down(config, &storage, clock)?;
    let known = reader.routing().unwrap_or_else(|error| {
        warn!(%error, "the routing table cannot be read; starting without");
        Vec::new()
    });

    let events = EventHub::new(clock.now().unix);
    let meter = Arc::new(Meter::open(config.data.join("traffic"), clock.now().unix));
    let actors = ActorThread::start()?;
    let sources =
        Sources { keys: config.keys.clone(), reader: reader.clone(), clock, wasm: config.wasm.clone() };
    let wasm_yard = Yard::new(&config.data, config.keys.artifact_key(), config.wasm.clone());
    let wasm_orders = wasm::Orders::new();
    let (orders, taken) = mpsc_async::unbounded_channel();
    let ground = Ground {
        account,
        arbiter: actors.system.arbiter().clone(),
        io: io.handle().clone(),
        clock,
        events: Arc::clone(&events),
        reader: reader.clone(),
        writer: writer.clone(),
        factories: (seams.factories)(Factories::new(&sources)),
        meter: Arc::clone(&meter),
        orders: orders.clone(),
        wasm: WasmShell::new(wasm_orders.sender(), &wasm_yard, Arc::clone(&events)),
    };
    let (tree, network) = tree::plant(ground, |routes| (seams.network)(io.handle(), config, known, routes))?;
    let Network { port: _, look, try_now, files: lines, task, stop } = network;
    let own = inbox(&tree.files.host);
    let start = plane::Start {
        data: config.data.clone(),
        store: blobs.clone(),
        own: own.clone(),
        lines,
        orders: taken,
        needed: needed(&reader, account, clock)?,
    };
    let plane = Plane { orders, task: plane::spawn(io.handle(), start) };
    let wasm = wasm::Plane::spawn(io.handle(), &wasm_yard, inbox(&tree.wasm.host), wasm_orders);
    let network = Guarded::new(io.handle(), stop, task, Arc::clone(&config.on_fatal));
    io.block_on(async {
        has_started(&tree.identity).await?;
        has_started(&tree.dht).await?;
        has_started(&tree.messenger).await?;
        has_started(&tree.mailbox).await?;
        has_started(&tree.relay).await?;
        has_started(&tree.wasm).await?;
        has_started(&tree.files).await
    })?;

    let (host, vitals) = (tree.files.host.clone(), Arc::clone(&tree.files.vitals));
    let hand_over: HandOver = Arc::new(move |id, what, holders| {
        let (host, vitals) = (host.clone(), Arc::clone(&vitals));
        Box::pin(async move {
            let command = Command::Offer { to: id.peer, offer: id.offer, what, holders };
            call(&host, &vitals, command).await.map(|_| ())
        })
    });
    let offers = Offers::new(
        account,
        config.data.clone(),
        blobs.clone(),
        Arc::clone(&events),
        io.handle().clone(),
        clock,
        hand_over,
    );
    let late = reader.clone();
    let handle = NodeHandle::new(Inner {
        account,
        dir: config.data.clone(),
        clock,
        identity: tree.identity.host.clone(),
        dht: tree.dht.host.clone(),
        messenger: tree.messenger.host.clone(),
        relay: tree.relay.host.clone(),
        mailbox: tree.mailbox.host.clone(),
        files: tree.files.host.clone(),
        wasm: tree.wasm.host.clone(),
        identity_vitals: Arc::clone(&tree.identity.vitals),
        dht_vitals: Arc::clone(&tree.dht.vitals),
        messenger_vitals: Arc::clone(&tree.messenger.vitals),
        relay_vitals: Arc::clone(&tree.relay.vitals),
        mailbox_vitals: Arc::clone(&tree.mailbox.vitals),
        files_vitals: Arc::clone(&tree.files.vitals),
        wasm_vitals: Arc::clone(&tree.wasm.vitals),
        wasm_yard,
        offers,
        proofs: Proofs::new(blobs.clone(), clock),
        blobs,
        io: io.handle().clone(),
        look,
        try_now,
        meter: Arc::clone(&meter),
        events: Arc::clone(&events),
        reads: Reads::new(io.handle().clone()),
        reader,
        writer,
        opened,
    });
    let watched = vec![
        tree.identity.watched(),
        tree.dht.watched(),
        tree.messenger.watched(),
        tree.relay.watched(),
        tree.mailbox.watched(),
        tree.files.watched(),
        tree.wasm.watched(),
    ];
    let on_fatal = Arc::clone(&config.on_fatal);
    let watchdog = io.spawn(async move { on_fatal(watchdog::watch(watched, seams.ping_every).await) });
    let exporter = Exporter::start(io.handle(), Arc::clone(&storage));
    info!(node = %account.short(), milliseconds = began.elapsed().as_millis(), "node started");
    let found = io.handle().spawn_blocking(move || hand_late_offers(&late, account, &own));
    drop(found);
    Ok(Running { handle, tree, network, plane, wasm, watchdog, exporter, events, meter, storage, actors, io })
}

impl Running {
    /// The way into the node.
    #[must_use]
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// The runtime on which everything async runs; servers of the same process join it.
    #[must_use]
    pub fn io(&self) -> &runtime::Handle {
        self.io.handle()
    }

    /// What happened when storage was opened: damage found, an export restored.
    #[must_use]
    pub fn opened(&self) -> &OpenReport {
        self.handle.opened()
    }

    /// Ends the node in order. Blocks for [`SHUTDOWN_PATIENCE`] at most; call it outside of any async runtime.
    pub fn shutdown(self) {
        let Self {
            handle,
            tree,
            network,
            plane,
            wasm,
            watchdog,
            exporter,
            events,
            meter,
            storage,
            actors,
            io,
        } = self;
        let began = Instant::now();
        watchdog.abort();
        io.block_on(async {
            let hosts = async {
                tree.wasm.shut_down().await;
                wasm.end().await;
                tree.files.shut_down().await;
                plane.end().await;
                tree.messenger.shut_down().await;
                tree.mailbox.shut_down().await;
                tree.relay.shut_down().await;
                tree.dht.shut_down().await;
                tree.identity.shut_down().await;
            };
            in_time("actors", HOSTS_PATIENCE, hosts).await;
            in_time("network", NETWORK_PATIENCE, network.shutdown()).await;
            in_time("export", EXPORT_PATIENCE, exporter.finish()).await;
        });
        if let Err(error) = meter.keep(handle.inner.clock.now().unix) {
            warn!(%error, "the figures of the charts were not written");
        }
        events.close();
        drop((handle, tree));
        match Arc::try_unwrap(storage) {
            Ok(storage) => storage.close(),
            // An export still reads; what was acknowledged is on disk.
            Err(storage) => storage.writer().barrier(),
        }
        drop(actors);
        io.shutdown_timeout(IO_PATIENCE);
        info!(milliseconds = began.elapsed().as_millis(), "node stopped");
    }
}

/// The data plane of file transfer.
struct Plane {
    orders: mpsc_async::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

impl Plane {
    /// Waits until what has arrived survives.
    async fn end(self) {
        let _it_may_have_ended = self.orders.send(Order::End);
        if let Err(error) = self.task.await {
            warn!(%error, "the data plane of file transfer failed");
        }
    }
}

/// Transfers for which the blob store has to keep something: those that are open, and those that failed and can be tried again.
fn needed(reader: &Reader, account: NodeId, clock: Clock) -> Result<plane::Needed, StartError> {
    let rows = reader.files_snapshot(account)?.transfers.into_values();
    let open = |row: &TransferRow| match &row.decided {
        Decided::Failed(failure) => failure.retryable(),
        other => other.is_open(),
    };
    Ok(plane::Needed { transfers: rows.filter(open).map(|row| row.id).collect(), at: clock.now().unix })
}

/// The messenger hands offers over when they are on disk; what came shortly before a crash it may not have handed over. Twice does not matter.
fn hand_late_offers(reader: &Reader, account: NodeId, files: &Inbox<files::In>) {
    match reader.newest_offers(account, LATE) {
        Ok(offers) => {
            for (from, offer) in offers {
                files.tell(files::In::Offered { from, offer });
            }
        }
        Err(error) => {
            warn!(%error, "offers of files that came shortly before the last end are not looked for")
        }
    }
}

async fn in_time(what: &'static str, patience: Duration, work: impl Future<Output = ()>) {
    if tokio::time::timeout(patience, work).await.is_err() {
        warn!(what, "did not end in time; going on without");
    }
}

/// Waits until a host's machine runs.
async fn has_started<S: Shell>(branch: &Branch<S>) -> Result<(), StartError> {
    let name = branch.vitals.name;
    let fault = |reason: String| StartError::actor(name, BuildError(reason));
    let (to, reported) = oneshot::channel();
    let host: &Addr<Host<S>> = &branch.host;
    host.do_send(Report { to });
    match tokio::time::timeout(START_PATIENCE, reported).await {
        Ok(Ok(health)) if health.state == ActorState::Running => Ok(()),
        Ok(Ok(health)) => Err(fault(health.status.concerns.join("; "))),
        Ok(Err(_)) => Err(fault("the actor thread has ended".to_owned())),
        Err(_) => Err(fault(format!("it took more than {} s", START_PATIENCE.as_secs()))),
    }
}

/// The thread on which all hosts run. Ends when dropped.
struct ActorThread {
    system: System,
    thread: Option<thread::JoinHandle<()>>,
}

impl ActorThread {
    fn start() -> Result<Self, std::io::Error> {
        let (started, system) = mpsc::channel();
        let run = move || {
            let runner = System::new();
            let _the_starter_waits_for_it = started.send(System::current());
            if let Err(error) = runner.run() {
                tracing::error!(%error, "the actor thread ended by an error");
            }
        };
        let thread = thread::Builder::new().name("pc2-actors".to_owned()).spawn(run)?;
        let gone = |_| std::io::Error::other("the actor thread ended at its start");
        Ok(Self { system: system.recv().map_err(gone)?, thread: Some(thread) })
    }
}

impl Drop for ActorThread {
    fn drop(&mut self) {
        self.system.stop();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            warn!("the actor thread panicked");
        }
    }
}

#[cfg(test)]
mod tests;
