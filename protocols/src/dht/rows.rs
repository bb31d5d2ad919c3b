//! What the record machine keeps: its rows, and what it starts from.
//!
//! In: rows read from disk, one after the other ([`HeldSummary::of`]). Out: the index of what is held, without the records' bytes: a node
//! that holds thousands of records starts without having them in memory.
//!
//! Not here: who decides what is kept ([`super::holder`] and [`super::own`]), where rows are stored (`pc2-storage`).

use crate::{
    id::{NodeId, RecordKey},
    limits,
    net::Prefix,
    record::{Record, Stamp},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

/// A record held for the network, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRow {
    /// Where it lives.
    pub key: RecordKey,
    /// The signed record.
    #[serde(with = "serde_bytes")]
    pub record: Vec<u8>,
    /// Until when it is kept unless refreshed.
    pub lease_until: UnixMillis,
    /// Who brought it.
    pub source: NodeId,
    /// From which part of the network, for the quota; survives restart with the row.
    pub prefix: Prefix,
}

/// A record of our own that we keep published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedRow {
    /// Where it lives.
    pub key: RecordKey,
    /// The signed record.
    #[serde(with = "serde_bytes")]
    pub record: Vec<u8>,
    /// When it was last confirmed by a quorum.
    pub confirmed: Option<UnixMillis>,
}

/// One write of the record machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Insert or replace.
    PutHeld(HeldRow),
    /// Expired, evicted or superseded.
    RemoveHeld {
        /// Which.
        key: RecordKey,
    },
    /// Insert or replace.
    PutPublished(PublishedRow),
    /// Published no longer.
    RemovePublished {
        /// Which.
        key: RecordKey,
    },
}

/// A held row without the record's bytes: what the machine remembers of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldSummary {
    /// Where it lives.
    pub key: RecordKey,
    /// Until when it is kept unless refreshed.
    pub lease_until: UnixMillis,
    /// Who brought it.
    pub source: NodeId,
    /// From which part of the network.
    pub prefix: Prefix,
    /// What the record says of itself. `None`: its bytes are damaged, the row is to be removed.
    pub(super) record: Option<RecordSummary>,
}

/// What is known of a record without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordSummary {
    pub(super) stamp: Stamp,
    /// Who signed it; nobody signs what is named by its hash.
    pub(super) owner: Option<NodeId>,
    /// The end of its signature, with what clocks may be off.
    pub(super) signed_until: Option<UnixMillis>,
    /// How many bytes the record has.
    pub(super) bytes: usize,
}

impl RecordSummary {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            stamp: record.stamp(),
            owner: record.owner(),
            signed_until: record.expires().map(|expires| expires.after(limits::CLOCK_TOLERANCE)),
            bytes: record.as_bytes().len(),
        }
    }
}

impl HeldSummary {
    /// Reads a row; its record was verified before it was written.
    #[must_use]
    pub fn of(row: &HeldRow) -> Self {
        let record = Record::trusted(&row.record).ok().filter(|record| record.key() == row.key);
        Self {
            key: row.key,
            lease_until: row.lease_until,
            source: row.source,
            prefix: row.prefix,
            record: record.as_ref().map(RecordSummary::of),
        }
    }
}

/// Everything the record machine starts from. It loads the bytes of held records when they are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// What others store here.
    pub held: Vec<HeldSummary>,
    /// What we keep published.
    pub published: Vec<PublishedRow>,
}
