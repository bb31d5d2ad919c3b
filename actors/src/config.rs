//! What a node is started with, and why it may not start.

use crate::{
    WasmConfig,
    net::{Loopback, NetConfig, NetStartError},
    shell::BuildError,
    watchdog::Fatal,
};
use pc2_protocols::{
    crypto::keys::IdentityKeys,
    level::LevelChoice,
    net::{Address, Peer},
    relay::Shares,
};
use pc2_storage::{OpenError, Options, ReadError, WriteError, blobs::BlobError};
use std::{fmt, io, path::PathBuf, sync::Arc};

/// What a node is started with.
pub struct NodeConfig {
    /// The data directory. It exists; one node uses it at a time.
    pub data: PathBuf,
    /// The owner's keys.
    pub keys: IdentityKeys,
    /// Where to listen; nowhere when empty. Port 0 takes any free port; `0.0.0.0` and `::` are all interfaces.
    pub listen: Vec<Address>,
    /// Nodes to join the network by.
    pub bootstrap: Vec<Peer>,
    /// Whether to announce this node on the LAN and look for others there.
    pub mdns: bool,
    /// Whether to ask the router to pass connections from outside on to this node (UPnP).
    pub upnp: bool,
    /// Whether loopback addresses are told to others.
    pub loopback: Loopback,
    /// The participation level. `None`: as last chosen on the running node, or else the node decides itself.
    pub level: Option<LevelChoice>,
    /// What is lent to the network. `None`: as last chosen on the running node, or else the defaults.
    pub shares: Option<Shares>,
    /// How modules are run.
    pub wasm: WasmConfig,
    /// How storage is opened.
    pub storage: Options,
    /// Called once when the node cannot go on, from any thread. [`exit`] is what a service wants.
    pub on_fatal: Arc<dyn Fn(Fatal) + Send + Sync>,
}

impl NodeConfig {
    /// Listens nowhere and joins nobody yet; the LAN is searched, the router is asked, and a node that cannot go on ends the process.
    #[must_use]
    pub fn new(data: PathBuf, keys: IdentityKeys) -> Self {
        Self {
            data,
            keys,
            listen: Vec::new(),
            bootstrap: Vec::new(),
            mdns: true,
            upnp: true,
            loopback: Loopback::default(),
            level: None,
            shares: None,
            wasm: WasmConfig::default(),
            storage: Options::default(),
            on_fatal: Arc::new(exit),
        }
    }

    /// What the network driver starts from, given the routing table of the last time.
    pub(crate) fn net(&self, known: Vec<Peer>) -> NetConfig {
        NetConfig {
            secret: self.keys.transport_secret(),
            listen: self.listen.clone(),
            bootstrap: self.bootstrap.clone(),
            mdns: self.mdns,
            upnp: self.upnp,
            known,
            loopback: self.loopback,
        }
    }
}

impl fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeConfig")
            .field("data", &self.data)
            .field("node", &self.keys.node())
            .field("listen", &self.listen)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// Ends the process with [`Fatal::EXIT_CODE`], so that the service manager starts it again. Nothing acknowledged is lost.
pub fn exit(fatal: Fatal) {
    tracing::error!(%fatal, "the node cannot go on");
    std::process::exit(Fatal::EXIT_CODE);
}

/// Why a node did not start. Worded for the owner; nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database could not be opened.
    #[error(transparent)]
    Storage(#[from] OpenError),
    /// The database could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The database could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The files beside the database cannot be used.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The network could not be started.
    #[error(transparent)]
    Network(#[from] NetStartError),
    /// The system gives no threads.
    #[error("no threads can be started: {0}")]
    Threads(#[from] io::Error),
    /// A part could not be built from what the disk has.
    #[error("{actor} cannot start: {reason}")]
    Actor {
        /// Which.
        actor: &'static str,
        /// Why.
        reason: String,
    },
}

impl StartError {
    pub(crate) fn actor(actor: &'static str, BuildError(reason): BuildError) -> Self {
        Self::Actor { actor, reason }
    }
}
