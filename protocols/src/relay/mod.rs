//! Being reached, and what this node does for the network: the relay machine.
//!
//! **In**: what the driver finds out ([`Reach`]), what a person chooses. **Out**: the level the other machines work at, places asked of relays
//! and given up, what the driver shall do for others.
//!
//! `auto` takes level 3 when peers from different parts of the network have reached this node by connections of their own, and level 2 when
//! they have not; it changes slowly, so that a level is something others can build on. A node that is not reached holds places at
//! two relays from different parts of the network.
//!
//! Survives restart: the person's choice and shares. Lost on restart: what was found out, places at relays (asked for anew).
//! This file is what others see of the machine. [`Relay`] is in `machine`, which hands each input to the part that owns it: `evidence` (how this
//! node is reached), `standing` (the level that `auto` takes), `places` (whom to ask for places), `shares` (what is lent).
//!
//! Not here: connections, circuits and their limits (the driver in `pc2-actors`). Spec: `docs/protocol/relay.md`.

mod evidence;
mod machine;
mod places;
mod shares;
mod standing;

pub use machine::Relay;

use crate::{
    id::NodeId,
    kinds,
    level::{Level, LevelChoice},
    machine::{CallId, Tick},
    net::{Address, Mapping, NetCommand, Prefix, Reach, RelayShare},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

kinds! {
    /// What can happen to the relay machine.
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
        /// The driver found something out.
        Reach {
            /// What.
            reach: Reach,
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
        /// Whatever was found out counts no longer.
        NetworkChanged,
    }
}

impl From<Tick> for In {
    fn from(_: Tick) -> Self {
        Self::Tick
    }
}

kinds! {
    /// What a person or script can ask for.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Command {
        /// How this node is reached and what it does for others.
        Show,
        /// Choose a level, or let the node decide.
        SetLevel {
            /// The choice.
            choice: LevelChoice,
        },
        /// Choose what is lent to the network.
        SetShares {
            /// The shares.
            shares: Shares,
        },
    }
}

/// What a node lends to the network. Settings of a person, with defaults that a Raspberry Pi does not notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// For relaying, at level 3 and above.
    pub relay: RelayShare,
    /// Disk for envelopes of others, in bytes, at level 2 and above.
    pub mailbox_bytes: u64,
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// How this node is reached and what it does for others, now.
    Shown(Box<ReachView>),
}

/// Why a [`Command`] was not carried out. Worded for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A share beyond what makes sense.
    #[error("{what}")]
    BadShare {
        /// What is wrong and what would be right.
        what: String,
    },
}

/// How this node is reached, and what it does for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachView {
    /// What the person chose.
    pub choice: LevelChoice,
    /// The level in effect.
    pub level: Level,
    /// Why this level, one sentence.
    pub why: String,
    /// How this node is reached, as far as is known.
    pub reachability: Reachability,
    /// What a NAT in between does with our ports.
    pub mapping: Mapping,
    /// Public addresses at which others got through, or did not, with when that was last tried.
    pub probed: Vec<ProbedAddress>,
    /// Addresses the router passes on to us.
    pub mapped: Vec<Address>,
    /// Places at relays.
    pub reservations: Vec<Reservation>,
    /// What is lent.
    pub shares: Shares,
}

/// How this node is reached, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reachability {
    /// Nobody has tried yet.
    Unknown,
    /// From everywhere, by connections of others' own.
    Public,
    /// Through relays, and directly after a hole was punched.
    Relayed,
    /// Not from outside: only whom we connect with ourselves.
    Private,
}

/// What came of others' tries to reach an address of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbedAddress {
    /// The address.
    pub address: Address,
    /// Whether the last try got through.
    pub reachable: bool,
    /// When it was.
    pub at: UnixMillis,
}

/// A place at a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Whose.
    pub relay: NodeId,
    /// From which part of the network.
    pub prefix: Prefix,
    /// The last measured round trip.
    pub latency: Option<Duration>,
    /// Where others reach us through it; none while it is asked for.
    pub addresses: Vec<Address>,
    /// Since when it is held.
    pub since: Option<UnixMillis>,
}

/// What a person chose, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContributionRow {
    /// The level.
    pub choice: LevelChoice,
    /// The shares.
    pub shares: Shares,
}

/// One write of the relay machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Insert or replace the one row.
    PutContribution(ContributionRow),
}

/// What a relay machine wants done.
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
    /// The other machines work at this level from now on.
    Level {
        /// The level.
        level: Level,
        /// Disk for envelopes of others, in bytes.
        mailbox_bytes: u64,
    },
    /// Tell everybody who looks that the view has changed.
    Changed,
}
