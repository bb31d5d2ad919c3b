//! What the machine and the data plane say to each other, but for the orders themselves ([`super::Out`], [`super::In`]).
//!
//! The data plane moves bytes between streams and the blob store, and knows neither people nor decisions; the machine never sees a byte. So they speak of
//! parts, stretches of groups, and of how something ended.
//!
//! Not here: frames ([`super::wire`]).

use super::wire::Refusal;
use serde_bytes::ByteBuf;
use std::ops::Range;

/// Part of what is offered that is opened by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The one file.
    File,
    /// The list of a collection.
    Manifest,
    /// The files of a collection. The data plane reads the list, which is whole, before it opens this.
    Members,
}

/// What the data plane found when it opened a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It can be received.
    Missing {
        /// Its bytes that are there already.
        have: u64,
        /// Groups that are missing, in order. At most [`crate::limits::MAX_PLAN_RANGES`] ranges are used; what is there and named all the same costs nothing.
        missing: Vec<Range<u64>>,
    },
    /// This transfer was put into its place before, and the end was not noted: where.
    Placed(ByteBuf),
}

/// Why something cannot be received here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too little room on the disk: waits, and is tried again.
    #[error("the disk has too little room")]
    NoRoom,
    /// The list of a collection is not acceptable, in words for people.
    #[error("{0}")]
    BadManifest(String),
    /// Something is missing after all: opened again.
    #[error("something is missing still")]
    Incomplete,
    /// The disk fails, in words for people.
    #[error("{0}")]
    Disk(String),
}

/// Why a question to a holder ended before all of it was there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// What it sent is not the blob.
    #[error("what was sent is not the file")]
    NotTheFile,
    /// It refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The connection broke, or nothing came in time.
    #[error("the connection was lost")]
    Lost,
    /// It does not speak the protocol, or not as it should.
    #[error("the other side does not transfer files as this node does")]
    Unsupported,
    /// Too little room on our disk.
    #[error("the disk has too little room")]
    NoRoom,
    /// Our disk fails, in words for people.
    #[error("{0}")]
    Disk(String),
}

/// Why serving a question ended before all of it went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServeError {
    /// The blob is not held for this offer; the asker was told so as anybody else.
    #[error("a blob was asked for that is none of the offer")]
    NotOffered,
    /// The file was changed; the asker was told.
    #[error("the file was changed since it was offered")]
    SourceChanged,
    /// The file is gone; the asker was told.
    #[error("the file is not there any more")]
    SourceGone,
    /// The asker went away.
    #[error("the connection was lost")]
    Lost,
    /// The disk fails; the asker was told.
    #[error("the file cannot be read")]
    Unreadable,
}

/// Names one question of ours to a holder. The generation counts rebuilds of the machine: what an earlier life asked is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PullId {
    /// Which life.
    pub generation: u32,
    /// Counts up within it.
    pub number: u64,
}

/// Names one frame of a peer that waits for what becomes of it. Given by the data plane, opaque here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServeToken(pub u64);

/// What a holder did that speaks against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Fault {
    /// It sent something else than was offered: not asked again for this.
    #[error("sent something else than was offered")]
    Lied,
    /// It sent nothing, or hardly anything, for too long.
    #[error("stalled")]
    Stalled,
    /// It refuses what it should have.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It does not speak the protocol.
    #[error("does not speak the file protocol")]
    Unsupported,
}
