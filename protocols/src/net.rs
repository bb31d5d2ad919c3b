//! The network as machines see it: questions to peers, answers, and who is there.
//!
//! In ([`NetInput`]): requests from peers, answers to ours, connections that come and go. Out ([`NetCommand`]):
//! requests, answers, lookups, whom to stay connected with. The driver that owns the sockets is in `pc2-actors`;
//! a simulation stands in for it. `from` is always authenticated: the transport proved possession of that key.
//!
//! Not here: libp2p types, connections, dialling.

use crate::{
    id::{NodeId, RecordKey},
    limits,
    machine::OpId,
};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// Where a node can be reached: the text of a multiaddress without the `/p2p/` part. Bounded and
/// printable; the driver decides whether it can dial it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an address is 1 to {} printable ASCII characters and begins with \"/\"", limits::MAX_ADDRESS_BYTES)]
pub struct BadAddress;

impl Address {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Address {
    type Error = BadAddress;

    fn try_from(text: String) -> Result<Self, BadAddress> {
        let fits = text.len() <= limits::MAX_ADDRESS_BYTES;
        if fits && text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text))
        } else {
            Err(BadAddress)
        }
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A node and where it was last said to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its key.
    pub node: NodeId,
    /// At most [`limits::MAX_ADDRESSES`], best first. A hint, never an authority.
    pub addresses: Vec<Address>,
}

/// Our request-response protocols. The version is part of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `/pc2/record/1`: DHT records, see `docs/protocol/records.md`.
    Record,
    /// `/pc2/msg/1`: messages, see `docs/protocol/messages.md`.
    Message,
    /// `/pc2/mbx/1`: envelopes for those who are offline, see `docs/protocol/mailbox.md`.
    Mailbox,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Record, Self::Message, Self::Mailbox];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Record => "/pc2/record/1",
            Self::Message => "/pc2/msg/1",
            Self::Mailbox => "/pc2/mbx/1",
        }
    }

    /// The largest request and answer accepted, in bytes; checked before anything is allocated.
    #[must_use]
    pub const fn max_frame_bytes(self) -> usize {
        match self {
            Self::Record => limits::MAX_RECORD_FRAME_BYTES,
            Self::Message => limits::MAX_MESSAGE_FRAME_BYTES,
            Self::Mailbox => limits::MAX_MAILBOX_FRAME_BYTES,
        }
    }
}

/// Names one request of a peer that waits for our answer. Given by the driver, opaque here; good for one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestToken(pub u64);

/// Which part of the network a request came from, for quotas: one person can own many keys, but not many prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Prefix {
    /// Loopback or private range: our own machines.
    Local,
    /// The first 24 bits of an IPv4 address.
    V4([u8; 3]),
    /// The first 48 bits of an IPv6 address.
    V6([u8; 6]),
}

/// What a machine wants from the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetCommand {
    /// Ask `to`; connects first where needed. Always answered by one [`NetInput::Response`] with the same `op`.
    Request {
        /// Comes back with the answer.
        op: OpId,
        /// Whom.
        to: NodeId,
        /// In which protocol.
        protocol: Protocol,
        /// The encoded request.
        payload: Vec<u8>,
    },
    /// Answer a peer's request. Silently dropped when the peer is gone: it will ask again.
    Respond {
        /// Which request.
        token: RequestToken,
        /// The encoded answer.
        payload: Vec<u8>,
    },
    /// Let a peer's request fail without an answer.
    Drop {
        /// Which request.
        token: RequestToken,
    },
    /// Find the nodes closest to a key. Always answered by one [`NetInput::Closest`].
    FindClosest {
        /// Comes back with the answer.
        op: OpId,
        /// The key.
        key: RecordKey,
    },
    /// Remember where a node is, from a source that was verified (its signed card, an invitation).
    Learn {
        /// The node.
        peer: Peer,
    },
    /// Stay connected with exactly these nodes (contacts): connect, and reconnect with jittered backoff.
    KeepConnected {
        /// All of them; replaces the last set.
        nodes: Vec<NodeId>,
    },
    /// Do this for others from now on; replaces what was said before. Nothing for others until told.
    Contribute {
        /// Stand in routing tables and answer walks (level 2 and above).
        routes: bool,
        /// Relay for nodes that cannot be reached, within these limits (level 3 and above).
        relay: Option<RelayShare>,
    },
    /// Ask a node that relays for a place at it, and renew that until [`NetCommand::Release`] or [`Reach::ReservationLost`].
    Reserve {
        /// Whom.
        relay: NodeId,
    },
    /// Give a place at a relay up.
    Release {
        /// Whose.
        relay: NodeId,
    },
    /// Count misbehaviour against an authenticated peer: it decoded as garbage or was forged.
    Penalise {
        /// Whom.
        node: NodeId,
        /// What it did, for the log.
        reason: &'static str,
    },
}

/// What the network tells a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetInput {
    /// A peer asks. Answer with [`NetCommand::Respond`] or [`NetCommand::Drop`].
    Request {
        /// Who, authenticated by the transport.
        from: NodeId,
        /// From which part of the network.
        prefix: Prefix,
        /// In which protocol.
        protocol: Protocol,
        /// For the answer.
        token: RequestToken,
        /// The encoded request, at most [`Protocol::max_frame_bytes`].
        payload: Vec<u8>,
    },
    /// The answer to our request, or why there is none.
    Response {
        /// From the request.
        op: OpId,
        /// The encoded answer.
        result: Result<Vec<u8>, NetError>,
    },
    /// The answer to [`NetCommand::FindClosest`]: nearest first, without ourselves, possibly none.
    Closest {
        /// From the question.
        op: OpId,
        /// Up to [`limits::REPLICATION`] of them.
        peers: Vec<Peer>,
    },
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
    /// A new network or a wake-up from sleep: whatever waits may be tried at once.
    NetworkChanged,
    /// Something about how this node is reached, or about a relay. Only the relay machine hears of it.
    Reach(Reach),
}

/// What a node lends as a relay. Enforced by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayShare {
    /// Most reservations at once.
    pub reservations: u32,
    /// Most circuits at once.
    pub circuits: u32,
    /// Most bytes one circuit carries, both ways together.
    pub circuit_bytes: u64,
    /// How long one circuit lasts at most, in seconds.
    pub circuit_seconds: u32,
    /// Most bytes a second through all circuits together, both ways together.
    pub bytes_per_second: u64,
}

/// What the driver finds out about how this node is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// A peer tried to reach us at this address by a new connection of its own (AutoNAT v2).
    Probed {
        /// Where.
        address: Address,
        /// Who tried.
        by: NodeId,
        /// From which part of the network.
        prefix: Prefix,
        /// Whether it got through.
        reachable: bool,
    },
    /// The router passes this public address on to us (UPnP).
    Mapped {
        /// The address.
        address: Address,
    },
    /// It does so no longer.
    Unmapped {
        /// The address.
        address: Address,
    },
    /// There is no router that can be asked, or its own address is not public.
    NoGateway,
    /// What a NAT between us and the world does with our ports, as far as different peers' reports tell.
    Mapping {
        /// How ports are mapped.
        mapping: Mapping,
    },
    /// A connected peer relays.
    RelaySeen {
        /// Who.
        node: NodeId,
        /// From which part of the network.
        prefix: Prefix,
        /// The last measured round trip.
        latency: Option<Duration>,
    },
    /// It does so no longer, or is gone.
    RelayGone {
        /// Who.
        node: NodeId,
    },
    /// We have a place at a relay, newly or renewed.
    Reserved {
        /// Whose.
        relay: NodeId,
        /// Where others reach us through it.
        addresses: Vec<Address>,
    },
    /// We have none, or no longer.
    ReservationLost {
        /// Whose.
        relay: NodeId,
        /// Why.
        reason: ReservationError,
    },
}

/// What a NAT does with the port of a socket of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mapping {
    /// Not enough peers have said where they see us.
    Unknown,
    /// None in between: we are seen at an address of our own.
    None,
    /// The same for everybody: hole punching works.
    Same,
    /// Another for each destination ("symmetric"): hole punching works with few.
    PerDestination,
}

/// Why a relay gives no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReservationError {
    /// It could not be reached, or the connection broke.
    #[error("not reachable")]
    Unreachable,
    /// It has no room, or not for us.
    #[error("no room")]
    Refused,
    /// It does not relay (any more).
    #[error("does not relay")]
    Unsupported,
    /// Given up by us.
    #[error("given up")]
    Released,
}

/// Why a request has no answer. All are worth another try later but [`NetError::TooLarge`] and [`NetError::Unsupported`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// No address of the node is known.
    #[error("no address is known")]
    NoAddress,
    /// No address could be connected to.
    #[error("not reachable at any known address")]
    Unreachable,
    /// No answer in time. The peer may or may not have acted.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke. The peer may or may not have acted.
    #[error("connection lost")]
    Closed,
    /// The peer does not speak this protocol or this version of it.
    #[error("the peer does not speak this protocol")]
    Unsupported,
    /// Larger than the protocol allows.
    #[error("larger than the protocol allows")]
    TooLarge,
    /// Our own queue to the network is full.
    #[error("too much waits to be sent")]
    Busy,
}
