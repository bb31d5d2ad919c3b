//! The rows of file transfer: everything that survives a restart, and the writes that change it.
//!
//! One row a transfer, whichever way it goes; each carries its account. Which groups of a blob are there is not in them: the blob store keeps
//! its own marks, and says what is missing when a transfer is opened.
//!
//! Not here: tables and keys on disk (`pc2-storage`).

use super::{
    offer::FileOffer,
    wire::{Refusal, Word},
};
use crate::{
    id::{NodeId, OfferId},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;

/// Which way a transfer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Offered by us.
    Out,
    /// Offered to us.
    In,
}

/// Names a transfer of an account. An offer's id is chosen by the other side, so it names nothing without who that is and which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransferId {
    /// Which way.
    pub direction: Direction,
    /// The other side.
    pub peer: NodeId,
    /// The offer.
    pub offer: OfferId,
}

impl TransferId {
    /// One that was offered by us.
    #[must_use]
    pub const fn outgoing(peer: NodeId, offer: OfferId) -> Self {
        Self { direction: Direction::Out, peer, offer }
    }

    /// One that was offered to us.
    #[must_use]
    pub const fn incoming(peer: NodeId, offer: OfferId) -> Self {
        Self { direction: Direction::In, peer, offer }
    }
}

/// Where a transfer stands, as far as that is decided for good. What it does at the moment follows from it ([`super::State`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decided {
    /// Ours: the messenger has not confirmed yet that it sends the offer.
    Unsent,
    /// The one it was offered to has not decided, or receives it.
    Offered,
    /// Theirs: we want it.
    Wanted {
        /// Not now.
        paused: bool,
    },
    /// All of it has arrived.
    Done {
        /// Theirs: where it was put, in the system's bytes.
        path: Option<ByteBuf>,
    },
    /// The one it was offered to does not want it.
    Declined,
    /// The one it was offered to wanted it, and then no longer.
    Cancelled,
    /// The one who offered took it back.
    Withdrawn,
    /// Nobody wanted it in time.
    Expired,
    /// It went wrong.
    Failed(Failure),
}

/// Why a transfer failed. Worded for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Failure {
    /// The file is another one than was offered.
    #[error("the file was changed after it was offered; it has to be offered again")]
    SourceChanged,
    /// The file is gone.
    #[error("the file is not where it was when it was offered; it has to be offered again")]
    SourceGone,
    /// Everybody who has it sent something else.
    #[error("what was sent is not what was offered; nothing of it was kept")]
    NotTheFile,
    /// The list of a folder's files is none.
    #[error("the list of files in the folder is not acceptable: {reason}")]
    BadManifest {
        /// What is wrong with it.
        reason: String,
    },
    /// Those who should have it refuse for good.
    #[error("the other side refuses: {0}")]
    Refused(Refusal),
    /// Nobody who has it transfers files as this node does.
    #[error("the other side does not transfer files as this node does; it may need an update")]
    Unsupported,
    /// The disk of this node fails.
    #[error("it could not be written here: {reason}")]
    Disk {
        /// What the disk said.
        reason: String,
    },
    /// The message with the offer was not taken.
    #[error("it could not be offered: {reason}")]
    NotSent {
        /// What the messenger said.
        reason: String,
    },
    /// The other side has too many offers that wait for a decision.
    #[error("too many offers wait for a decision there already; offer it again later")]
    TooMany,
}

impl Failure {
    /// Whether trying the same again can help. Otherwise it has to be offered again.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self {
            Self::NotTheFile | Self::Refused(_) | Self::Unsupported | Self::Disk { .. } => true,
            Self::SourceChanged
            | Self::SourceGone
            | Self::BadManifest { .. }
            | Self::NotSent { .. }
            | Self::TooMany => false,
        }
    }
}

impl Decided {
    /// Whether something can still be transferred.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Unsent | Self::Offered | Self::Wanted { .. })
    }
}

/// One transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRow {
    /// Whose.
    pub account: NodeId,
    /// Which.
    pub id: TransferId,
    /// What is offered.
    pub offer: FileOffer,
    /// When it came to be here.
    pub since: UnixMillis,
    /// Until when it stands, by our clock.
    pub expires: UnixMillis,
    /// Its place among those that are wanted: counts up, never reused.
    pub order: u64,
    /// Where it stands.
    pub decided: Decided,
    /// When it ended.
    pub ended: Option<UnixMillis>,
    /// Theirs: the folder to receive into, in the system's bytes; `None`: the usual one.
    pub folder: Option<ByteBuf>,
    /// Theirs: who sent something else than was offered, and is not asked again.
    pub liars: Vec<NodeId>,
    /// What the other side has still to be told.
    pub owed: Option<Word>,
    /// Theirs: bytes that were here when it was last left, for those who look. The truth has the blob store.
    #[serde(default)]
    pub have: Option<u64>,
}

/// Offers of a contact that are accepted without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoRow {
    /// Whose rule.
    pub account: NodeId,
    /// About whom.
    pub peer: NodeId,
    /// Up to this many bytes.
    pub max_bytes: u64,
}

/// How fast files may be transferred, all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatesRow {
    /// Whose.
    pub account: NodeId,
    /// The rates.
    pub rates: Rates,
}

/// Bytes a second for all transfers together; `None`: as fast as it goes. Enforced by whoever moves the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rates {
    /// Received.
    pub down: Option<u64>,
    /// Sent.
    pub up: Option<u64>,
}

/// One write of the files machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Insert or replace, by account and id.
    PutTransfer(Box<TransferRow>),
    /// Forget one that has ended.
    RemoveTransfer {
        /// Whose.
        account: NodeId,
        /// Which.
        id: TransferId,
    },
    /// Insert or replace, by account and peer.
    PutAuto(AutoRow),
    /// Ask again.
    RemoveAuto {
        /// Whose.
        account: NodeId,
        /// About whom.
        peer: NodeId,
    },
    /// Insert or replace the one row of the account.
    PutRates(RatesRow),
}

/// Everything the files machine of one account starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// By id.
    pub transfers: BTreeMap<TransferId, TransferRow>,
    /// By peer.
    pub auto: BTreeMap<NodeId, AutoRow>,
    /// How fast.
    pub rates: Rates,
}

impl Snapshot {
    /// Makes one change, as storage does.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::PutTransfer(row) => {
                self.transfers.insert(row.id, TransferRow::clone(row));
            }
            Change::RemoveTransfer { id, .. } => {
                self.transfers.remove(id);
            }
            Change::PutAuto(row) => {
                self.auto.insert(row.peer, *row);
            }
            Change::RemoveAuto { peer, .. } => {
                self.auto.remove(peer);
            }
            Change::PutRates(row) => self.rates = row.rates,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{blob::BlobSize, codec, files::offer::Offered, id::BlobId};

    #[test]
    fn rows_are_read_back_as_they_were_written_and_stay_small() {
        let node = |n| NodeId::from_bytes([n; 32]);
        let reason = "x".repeat(crate::limits::MAX_REASON_BYTES);
        let decided = [
            Decided::Unsent,
            Decided::Offered,
            Decided::Wanted { paused: true },
            Decided::Done { path: Some(ByteBuf::from(vec![0xff; crate::limits::MAX_TARGET_BYTES])) },
            Decided::Done { path: None },
            Decided::Declined,
            Decided::Cancelled,
            Decided::Withdrawn,
            Decided::Expired,
            Decided::Failed(Failure::SourceChanged),
            Decided::Failed(Failure::Refused(Refusal::Unreadable)),
            Decided::Failed(Failure::BadManifest { reason }),
        ];
        for decided in decided {
            let what = Offered::File {
                name: "x".repeat(crate::limits::MAX_OFFER_NAME_BYTES),
                mime: "x".repeat(crate::limits::MAX_MIME_BYTES),
                blob: BlobId::from_bytes([1; 32]),
                size: BlobSize::EMPTY,
            };
            let holders: Vec<_> = (0..7).map(node).collect();
            let row = TransferRow {
                account: node(1),
                id: TransferId::incoming(node(2), OfferId::from_bytes([3; 16])),
                offer: FileOffer {
                    id: OfferId::from_bytes([3; 16]),
                    made: UnixMillis(4),
                    what,
                    holders: holders.clone(),
                },
                since: UnixMillis(5),
                expires: UnixMillis(6),
                order: 7,
                decided,
                ended: Some(UnixMillis(8)),
                folder: Some(ByteBuf::from(vec![0xff; crate::limits::MAX_TARGET_BYTES])),
                liars: holders,
                owed: Some(Word::Received),
                have: Some(u64::MAX),
            };
            let bytes = codec::encode(&row);
            assert!(bytes.len() < 16 * 1024, "{}", bytes.len());
            assert_eq!(codec::decode(&bytes, 16 * 1024), Ok(row));
        }
    }
}
