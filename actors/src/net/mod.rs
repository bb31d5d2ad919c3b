//! The network: one task owns the libp2p Swarm and speaks for the whole node.
//!
//! In: [`NetCommand`]s of the machines by [`NetHandle::command`], events of the Swarm. Out: [`NetInput`]s through [`Routes`], the
//! routing table to be saved, and a [`NetworkView`] for people.
//!
//! | file | what it is |
//! |---|---|
//! | `driver` | the task: one select over shutdown, commands, the Swarm and a timer; `commands`, `dialling`, `events`, `exchange`, `reach`, `relay` and `upkeep` are what it does for each |
//! | `transport`, `secure`, `closing`, `behaviour`, `frame` | how the Swarm is put together, and how a request looks on a stream |
//! | `ways`, `knock`, `relaying`, `prober`, `dial_back` | parts of the Swarm that are our own, or libp2p's with our rules around them |
//! | `route`, `outlet` | which machine an input is for, and what happens when its queue is full |
//! | `outbound`, `inbound`, `lookups` | books of what is under way, so that everything is answered exactly once |
//! | `book`, `redial` | where nodes were last seen, and whom to connect with when |
//! | `peers`, `conduct` | who is connected by which way, and how they behave |
//! | `streams`, `streaming`, `bulk`, `seats`, `carrying` | streams of files: for those who use them, on connections, with connections of their own, counted, and what the driver does about them |
//! | `places`, `hosting` | our places at relays, and what we relay for others |
//! | `proofs`, `mapping` | which of our addresses others reach, and what a NAT does with our ports |
//! | `address`, `own`, `table`, `clock`, `view` | conversions and rules without state of the Swarm |
//!
//! libp2p types stop in this folder. A `NodeId` that leaves it as a sender was authenticated by the transport.
//!
//! Not here: what requests mean ([`pc2_protocols::dht`], [`pc2_protocols::messenger`]), records (kad only routes).

mod address;
mod behaviour;
mod book;
mod bulk;
mod carrying;
mod circuit;
mod clock;
mod closing;
mod commands;
mod conduct;
mod dial_back;
mod dialling;
mod driver;
mod events;
mod exchange;
mod frame;
mod hosting;
mod inbound;
mod knock;
mod limits;
mod lookups;
mod mapping;
mod outbound;
mod outlet;
mod own;
mod peers;
mod places;
mod prober;
mod proofs;
mod reach;
mod redial;
mod relay;
mod relaying;
mod route;
mod seats;
mod secure;
mod shaped;
mod streaming;
mod streams;
mod table;
mod throttle;
mod transport;
mod upkeep;
mod view;
mod ways;

pub use address::{BadPeer, parse_peer};
pub use streams::{ArrivingStreams, FileStream, FileStreams, StreamError};
pub use transport::{BadListen, parse_listen};
pub use view::{Counters, Direction, NetworkView, Path, PeerView, Place, PlaceView, RelayingView, Transport};

use crate::meter::Meter;
use pc2_protocols::{
    id::NodeId,
    net::{Address, NetCommand, NetInput, Peer},
};
use std::{fmt, sync::Arc};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use zeroize::Zeroizing;

/// What the driver starts from.
pub struct NetConfig {
    /// The node's Ed25519 secret: the transport proves possession of it to peers.
    pub secret: Zeroizing<[u8; 32]>,
    /// Where to listen. Port 0 takes any free port; `0.0.0.0` and `::` are all interfaces.
    pub listen: Vec<Address>,
    /// Nodes to join the network by. None are needed where others are known or found on the LAN.
    pub bootstrap: Vec<Peer>,
    /// Whether to announce this node on the LAN and look for others there.
    pub mdns: bool,
    /// Whether to ask the router to pass connections from outside on to this node (UPnP). On loopback it is never asked.
    pub upnp: bool,
    /// What was last given to [`Routes::routing_saved`].
    pub known: Vec<Peer>,
    /// Whether loopback addresses are told to others.
    pub loopback: Loopback,
}

impl fmt::Debug for NetConfig {
    /// Everything but the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetConfig")
            .field("listen", &self.listen)
            .field("bootstrap", &self.bootstrap)
            .field("mdns", &self.mdns)
            .field("upnp", &self.upnp)
            .field("known", &self.known.len())
            .field("loopback", &self.loopback)
            .finish_non_exhaustive()
    }
}

/// Whether addresses that only programs on the same machine can use are told to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Loopback {
    /// Only when there are no others: a node that listens on loopback alone. The default.
    #[default]
    WhenAlone,
    /// Always: several nodes on one machine, some of which listen on loopback alone.
    Always,
}

/// The queue behind it is full. What was to be put there comes back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct Full<T>(pub T);

/// Puts an input into the queue of one machine; must not block.
pub type Route = Arc<dyn Fn(NetInput) -> Result<(), Full<NetInput>> + Send + Sync>;

/// Where the driver's news go. When a queue is full, requests of peers are dropped and counted; everything else waits in the driver and is tried again.
#[derive(Clone)]
pub struct Routes {
    /// The record machine: requests of `/pc2/record/1`, its answers, peers and own addresses.
    pub record: Route,
    /// The messenger: requests of `/pc2/msg/1`, its answers, peers.
    pub message: Route,
    /// The mailbox machine: requests of `/pc2/mbx/1`, its answers, peers.
    pub mailbox: Route,
    /// The files machine: peers, changes of the network. Its streams come another way.
    pub files: Route,
    /// The relay machine: how this node is reached, relays, peers.
    pub relay: Route,
    /// Whoever shows the network to people: the same peers and addresses. Must not block.
    pub observer: Arc<dyn Fn(NetEvent) + Send + Sync>,
    /// Counts what went through.
    pub meter: Arc<Meter>,
    /// Saves contacts and neighbours with their addresses for the next start, in order of their ids. Called seldom; must not block.
    pub routing_saved: Arc<dyn Fn(Vec<Peer>) + Send + Sync>,
}

/// What happened to the node's place in the network, for those who look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEvent {
    /// The first connection with this node stands.
    PeerUp {
        /// Who.
        node: NodeId,
    },
    /// The last connection with this node is gone.
    PeerDown {
        /// Who.
        node: NodeId,
    },
    /// Where we can be reached has changed. All addresses, best first.
    OwnAddresses {
        /// The addresses.
        addresses: Vec<Address>,
    },
    /// Something went through since somebody looked at the charts: told once, until they look again.
    Traffic,
}

/// Why the network could not be started. Worded for people.
#[derive(Debug, thiserror::Error)]
pub enum NetStartError {
    /// Another program listens there.
    #[error("the port of {address} is taken by another program; stop it, or choose another port")]
    PortTaken {
        /// As configured.
        address: Address,
    },
    /// The system refuses to listen there.
    #[error("cannot listen on {address}: {reason}")]
    CannotListen {
        /// As configured.
        address: Address,
        /// The system's words.
        reason: String,
    },
    /// No kind of address that PC2 listens on.
    #[error(
        "\"{address}\" is no address to listen on; it looks like /ip4/0.0.0.0/udp/4190/quic-v1 or /ip4/0.0.0.0/tcp/4190"
    )]
    BadListenAddress {
        /// As configured.
        address: Address,
    },
    /// The secret is no key, or the system lacks something basic.
    #[error("the network could not be set up: {reason}")]
    Setup {
        /// The system's words.
        reason: String,
    },
}

/// What the driver is told.
enum ToDriver {
    Command(NetCommand),
    View(oneshot::Sender<NetworkView>),
    OpenStream { node: NodeId, answer: streams::Answer },
    PlanBulk { node: NodeId, answer: streams::PlanAnswer },
    NoBulk { node: NodeId },
    TryNow,
}

/// The way to the driver. Cheap to clone.
#[derive(Clone)]
pub struct NetHandle {
    node: NodeId,
    queue: mpsc::Sender<ToDriver>,
}

impl NetHandle {
    /// Hands a command to the driver without waiting.
    ///
    /// # Errors
    /// [`Full`] with the command when the driver's queue is full or the driver has ended.
    pub fn command(&self, command: NetCommand) -> Result<(), Full<NetCommand>> {
        self.queue.try_send(ToDriver::Command(command)).map_err(|error| {
            let (mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back)) = error;
            match back {
                ToDriver::Command(command) => Full(command),
                _ => unreachable!("a command was sent"),
            }
        })
    }

    /// How the network looks from here right now; `None` once the driver has ended.
    pub async fn view(&self) -> Option<NetworkView> {
        let (answer, view) = oneshot::channel();
        self.queue.send(ToDriver::View(answer)).await.ok()?;
        view.await.ok()
    }

    /// Has peers try to reach us, and us those that we join the network through, now instead of when it is due. A driver that has too much to do does not.
    pub fn try_now(&self) {
        if self.queue.try_send(ToDriver::TryNow).is_err() {
            tracing::debug!("the driver has no time to try the network");
        }
    }

    /// The way to streams of files.
    #[must_use]
    pub fn files(&self) -> FileStreams {
        FileStreams::new(self.queue.clone())
    }

    /// Who this node is.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }
}

/// The running driver, for whoever started it. Dropping it lets the driver end as [`NetTask::shutdown`] does, but nobody waits for it.
pub struct NetTask {
    stop: oneshot::Sender<()>,
    join: JoinHandle<()>,
}

/// The driver ended by itself, which only a panic makes it do. Nothing reaches the network any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the network driver has failed: {reason}")]
pub struct DriverFailed {
    /// What the panic said.
    pub reason: String,
}

impl NetTask {
    /// Lets answers that are under way leave, saves the routing table, closes all connections and waits for the end. Takes 3 s at most.
    ///
    /// # Errors
    /// [`DriverFailed`] when it had ended by a panic.
    pub async fn shutdown(self) -> Result<(), DriverFailed> {
        // The driver may have ended already; the join says how.
        let _already_ended = self.stop.send(());
        Self::outcome(self.join.await)
    }

    /// Waits until the driver ends by itself. Cancel-safe.
    pub async fn ended(&mut self) -> DriverFailed {
        match Self::outcome((&mut self.join).await) {
            Ok(()) => DriverFailed { reason: "it stopped without being asked to".to_owned() },
            Err(failed) => failed,
        }
    }

    fn outcome(joined: Result<(), tokio::task::JoinError>) -> Result<(), DriverFailed> {
        joined.map_err(|error| DriverFailed { reason: error.to_string() })
    }
}

/// Starts the driver on the io runtime and waits until it listens everywhere it shall.
///
/// What peers open for files comes out of the last; while nobody takes them, as many as may be open wait there, and further ones are reset.
///
/// Blocks the calling thread for some milliseconds, 10 s at most; not to be called from a task of a runtime with a single thread.
///
/// # Errors
/// [`NetStartError`]; nothing is left running then.
pub fn spawn(
    io: &tokio::runtime::Handle,
    config: NetConfig,
    routes: Routes,
) -> Result<(NetHandle, NetTask, ArrivingStreams), NetStartError> {
    let (queue, commands) = mpsc::channel(limits::COMMAND_QUEUE);
    let (stop, stopped) = oneshot::channel();
    let (ready, listening) = std::sync::mpsc::channel();
    let (arrivals, arriving) = mpsc::channel(limits::MAX_FILE_STREAMS);
    let driver = {
        let _inside_the_runtime = io.enter();
        driver::Driver::new(config, routes, commands, arrivals)?
    };
    let node = driver.node();
    let join = io.spawn(driver.run(stopped, ready));
    let task = NetTask { stop, join };
    match listening.recv_timeout(limits::LISTEN_TIMEOUT) {
        Ok(Ok(())) => Ok((NetHandle { node, queue }, task, arriving)),
        Ok(Err(error)) => Err(error),
        Err(_) => {
            task.join.abort();
            Err(NetStartError::Setup { reason: "listening was not confirmed in time".to_owned() })
        }
    }
}
