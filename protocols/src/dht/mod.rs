//! Finding people and keeping what others store here: the record machine.
//!
//! In: requests of `/pc2/record/1`, answers, lookups asked for. Out: answers, requests to the closest nodes, writes.
//! Publishes our card when addresses or key package change, refreshes leases, repairs stale holders.
//!
//! This file is what others see of the machine: inputs and outputs; [`rows`] is what it keeps. [`Dht`] is in `machine`, which hands each input to
//! the part that owns it: `serve` and `holder` (what others store here, with `quota` and `handover`), `find` and
//! `lookup` (finding records, with `known`), `publish` and `own` (our own records, with `own_card`), `crowd` (where both look when somebody surrounds
//! a key), `commands` (what people ask). [`wire`] has the frames.
//!
//! Not here: routing (libp2p's Kademlia finds the closest nodes), the formats ([`crate::record`]).
//! Spec with golden bytes: `docs/protocol/records.md`.

mod commands;
mod crowd;
mod find;
mod handover;
mod holder;
mod known;
mod lookup;
mod machine;
mod own;
mod own_card;
mod publish;
mod quota;
pub mod rows;
mod serve;
mod status;
pub mod wire;

pub use machine::Dht;
pub use rows::{Change, HeldRow, HeldSummary, PublishedRow, Snapshot};

use crate::{
    id::{DeviceId, NodeId, RecordKey},
    kinds,
    level::Level,
    machine::{CallId, OpId, Tick},
    net::{Address, NetCommand, NetError, Peer, Prefix, RequestToken},
    record::Card,
};

/// Why no card was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nobody who was asked has one.
    #[error("nobody in the network has a card of this person yet")]
    NotFound,
    /// There was nobody to ask.
    #[error("no other node is connected")]
    Alone,
    /// This node has too many lookups at once.
    #[error("too many lookups at once")]
    Busy,
}

kinds! {
    /// What can happen to the record machine.
    #[derive(Debug)]
    pub enum In {
        /// Its alarm went off.
        Tick,
        /// A person or script asks for something.
        Call {
            /// Who waits for the answer.
            call: CallId,
            /// What is asked.
            command: Command,
        },
        /// A peer sends a frame of `/pc2/record/1`.
        PeerRequest {
            /// Who, authenticated.
            from: NodeId,
            /// From which part of the network.
            prefix: Prefix,
            /// For the answer.
            token: RequestToken,
            /// The frame.
            payload: Vec<u8>,
        },
        /// A peer answered our frame, or did not.
        PeerResponse {
            /// Our request.
            op: OpId,
            /// The answer.
            result: Result<Vec<u8>, NetError>,
        },
        /// The nodes closest to a key.
        Closest {
            /// Our question.
            op: OpId,
            /// Nearest first.
            peers: Vec<Peer>,
        },
        /// A peer is connected.
        PeerUp {
            /// Who.
            node: NodeId,
        },
        /// A peer is connected no longer.
        PeerDown {
            /// Who.
            node: NodeId,
        },
        /// Where we can be reached has changed.
        OwnAddresses {
            /// All of them, best first.
            addresses: Vec<Address>,
        },
        /// Whatever waits may be tried at once.
        NetworkChanged,
        /// Another machine of this node wants the newest card of a person.
        Resolve {
            /// Goes back with the answer.
            op: OpId,
            /// Whom.
            node: NodeId,
        },
        /// Our card shall carry this key package.
        OfferKeyPackage {
            /// The device it is for.
            device: DeviceId,
            /// The key package.
            key_package: Vec<u8>,
            /// The key that strangers seal envelopes for.
            mailbox: Option<[u8; 32]>,
        },
        /// This node works at this level from now on: the card says so, and at level 1 nothing more is kept for others.
        Level {
            /// The level.
            level: Level,
        },
        /// A held record read back from disk.
        Loaded {
            /// Our question.
            op: OpId,
            /// The record's bytes, if it is still there.
            record: Option<Vec<u8>>,
        },
    }
}

impl From<Tick> for In {
    fn from(_: Tick) -> Self {
        Self::Tick
    }
}

kinds! {
    /// What a person or script can ask for. Values are public: whoever knows the key can read them.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Command {
        /// Find the newest card of a person.
        FindCard {
            /// Whom.
            node: NodeId,
        },
        /// Publish a value under our name and a salt, replacing the one with `expected_seq` if given (compare and swap).
        PutValue {
            /// Tells our values apart; at most 64 bytes.
            salt: Vec<u8>,
            /// The value.
            payload: Vec<u8>,
            /// The sequence number it must replace; `None`: whatever is there.
            expected_seq: Option<u64>,
        },
        /// Publish a value named by its hash.
        PutImmutable {
            /// The value.
            payload: Vec<u8>,
        },
        /// Find a value of somebody.
        GetValue {
            /// Whose.
            owner: NodeId,
            /// Which.
            salt: Vec<u8>,
            /// How hard to look.
            depth: Depth,
        },
        /// Find a value by its hash.
        GetImmutable {
            /// SHA-256 of the value.
            hash: [u8; 32],
        },
        /// Withdraw a value of ours everywhere (a signed tombstone).
        DeleteValue {
            /// Which.
            salt: Vec<u8>,
        },
    }
}

/// How hard a lookup looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Only what this node holds.
    Local,
    /// The first valid answer.
    First,
    /// The newest of a quorum. The default.
    Quorum,
    /// The newest of everybody asked.
    Exhaustive,
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To `FindCard`.
    Card(Box<Card>),
    /// To puts and deletes.
    Stored {
        /// Where it lives.
        key: RecordKey,
        /// Its sequence number; 0 for immutable ones.
        seq: u64,
        /// How many nodes confirmed it.
        holders: usize,
        /// How many were asked.
        asked: usize,
    },
    /// To gets.
    Value {
        /// The value.
        payload: Vec<u8>,
        /// Its sequence number; 0 for immutable ones.
        seq: u64,
    },
}

/// Why a [`Command`] was not carried out. Worded for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No card or value was found.
    #[error(transparent)]
    NotFound(#[from] ResolveError),
    /// Not enough nodes confirmed it. It is kept and tried again.
    #[error("only {holders} of {asked} nodes confirmed it; it is kept here and will be tried again")]
    TooFewHolders {
        /// How many confirmed.
        holders: usize,
        /// How many were asked.
        asked: usize,
    },
    /// Compare and swap failed.
    #[error("the value has been changed meanwhile: it is at sequence number {current_seq} now")]
    Changed {
        /// The number now.
        current_seq: u64,
    },
    /// Too long.
    #[error("{field} may be {max} bytes at most")]
    TooLarge {
        /// What is too long.
        field: &'static str,
        /// Its limit.
        max: usize,
    },
    /// Too many of our own.
    #[error("a node publishes {max} values at most; delete some first")]
    TooMany {
        /// The limit.
        max: usize,
    },
}

/// What a record machine wants done.
#[derive(Debug)]
pub enum Out {
    /// Write in one batch; once it is durable, perform `then`.
    Persist {
        /// The writes.
        changes: Vec<Change>,
        /// What follows.
        then: Vec<Out>,
    },
    /// Answer a caller.
    Reply {
        /// Who waits.
        call: CallId,
        /// The answer.
        result: Result<Reply, CommandError>,
    },
    /// Ask the network.
    Net(NetCommand),
    /// Answer another machine's [`In::Resolve`].
    Resolved {
        /// Its question.
        op: OpId,
        /// The newest verified card.
        result: Result<Card, ResolveError>,
    },
    /// Read a held record back from disk; answered by [`In::Loaded`].
    Load {
        /// Comes back with the answer.
        op: OpId,
        /// Which.
        key: RecordKey,
    },
}

#[cfg(test)]
mod tests;
