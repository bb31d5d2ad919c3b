//! How the network looks from this node, for people: what `pc2 peers`, the doctor and the network page show.
//!
//! Plain values, made by the driver when asked for.

use pc2_protocols::{
    id::NodeId,
    net::{Address, Mapping, RelayShare},
    time::UnixMillis,
};
use std::time::Duration;

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// QUIC over UDP.
    Quic,
    /// TCP with Noise and yamux.
    Tcp,
}

/// By which way a peer is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Without anybody in between.
    Direct,
    /// Without anybody in between, after a hole was punched with a relay's help.
    Punched,
    /// Through a relay, which sees who talks with whom but not what.
    Relayed {
        /// The relay.
        by: NodeId,
    },
}

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// We did.
    Outbound,
    /// The peer did.
    Inbound,
}

/// Where a node is among the keys of the network (the XOR metric of Kademlia), seen from this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Leading bits that both keys have in common: 0 for one half of all nodes, one more for half of the rest, and so on.
    pub common_bits: u16,
    /// The 16 bits of its key after the first that differs: tells nodes of the same distance apart.
    pub turn: u16,
}

/// One connected peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Who.
    pub node: NodeId,
    /// By which way.
    pub path: Path,
    /// The far end of the connection that requests go by; the relay's address when relayed.
    pub address: Address,
    /// What carries that connection, as far as the relay when relayed.
    pub transport: Transport,
    /// Who opened it.
    pub direction: Direction,
    /// The last measured round trip.
    pub latency: Option<Duration>,
    /// Since when the peer is connected.
    pub since: UnixMillis,
    /// How many connections there are with it.
    pub connections: usize,
    /// Since when requests go by this way.
    pub path_since: UnixMillis,
    /// Bytes of its requests, answers and file streams that we received.
    pub bytes_in: u64,
    /// Bytes of our requests, answers and file streams to it.
    pub bytes_out: u64,
    /// Where it is among the keys of the network, seen from here.
    pub place: Place,
}

/// A place at a relay, by which others reach us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceView {
    /// Whose.
    pub relay: NodeId,
    /// Where others reach us through it.
    pub addresses: Vec<Address>,
    /// Since when it is held.
    pub since: UnixMillis,
}

/// What this node relays for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayingView {
    /// What is lent; `None` when nothing is.
    pub share: Option<RelayShare>,
    /// Nodes that hold a place here.
    pub reservations: usize,
    /// Circuits that stand.
    pub circuits: usize,
    /// Circuits that stood since the start.
    pub served: u64,
    /// Places and circuits refused since the start.
    pub refused: u64,
}

/// What was counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Requests of peers handed to a machine.
    pub requests_in: u64,
    /// Our requests.
    pub requests_out: u64,
    /// Requests of peers dropped because they came too fast.
    pub dropped_too_fast: u64,
    /// Requests of peers dropped because a queue was full, and file streams of peers beyond the bounds.
    pub dropped_full: u64,
    /// Frames that were too large or malformed.
    pub bad_frames: u64,
    /// Times a peer was shut out.
    pub shut_out: u64,
    /// Connections that failed before the other side had proved who it is.
    pub failed_handshakes: u64,
}

/// The network as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkView {
    /// Who we are.
    pub node: NodeId,
    /// Where we listen.
    pub listening: Vec<Address>,
    /// The addresses we tell others, best first.
    pub addresses: Vec<Address>,
    /// Public addresses at which others got through.
    pub proved: Vec<Address>,
    /// What a NAT in between does with our ports.
    pub mapping: Mapping,
    /// Our places at relays.
    pub places: Vec<PlaceView>,
    /// What we relay for others.
    pub relaying: RelayingView,
    /// Who is connected, in order of their ids.
    pub peers: Vec<PeerView>,
    /// Nodes that this one joins the network through, connected or not.
    pub bootstrap: Vec<NodeId>,
    /// Entries of the routing table.
    pub table: usize,
    /// What was counted.
    pub counters: Counters,
}
