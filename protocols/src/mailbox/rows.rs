//! What the mailbox machine keeps: rows, and what it starts from.
//!
//! Sealed bytes stay on disk: the machine starts from summaries, and loads what it is asked for ([`super::Out::Load`]).
//!
//! Not here: where rows are stored (`pc2-storage`).

use super::{EnvelopeKey, pin::PinnedMailbox, wire::Refusal};
use crate::{
    id::{EnvelopeId, MailboxAddress, NodeId},
    net::Prefix,
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

/// An envelope held for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRow {
    /// In which mailbox.
    pub address: MailboxAddress,
    /// Which.
    pub id: EnvelopeId,
    /// The deposit as it came, with its right and signature: another holder can check it. Under 64 KiB.
    #[serde(with = "serde_bytes")]
    pub deposit: Vec<u8>,
    /// SHA-256 of the sealed bytes in it: two depositors may have chosen the same name.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 32],
    /// By which pass it came: the key of the depositor. `None`: by a puzzle.
    pub depositor: Option<[u8; 32]>,
    /// Until when it is kept.
    pub until: UnixMillis,
    /// Who brought it.
    pub source: NodeId,
    /// From which part of the network.
    pub prefix: Prefix,
    /// Of which week its right is: holders take it from others until two weeks later.
    #[serde(default = "any_week")]
    pub week: u32,
}

/// In rows of before weeks were written: it is offered as long as it is kept.
const fn any_week() -> u32 {
    u32::MAX
}

/// A held row without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldSummary {
    /// Which.
    pub key: EnvelopeKey,
    /// How many bytes the deposit has.
    pub bytes: usize,
    /// SHA-256 of the sealed bytes in it.
    pub digest: [u8; 32],
    /// By which pass it came.
    pub depositor: Option<[u8; 32]>,
    /// Until when it is kept.
    pub until: UnixMillis,
    /// Who brought it.
    pub source: NodeId,
    /// From which part of the network.
    pub prefix: Prefix,
    /// Of which week its right is.
    pub week: u32,
}

impl HeldSummary {
    /// What is remembered of a row.
    #[must_use]
    pub const fn of(row: &HeldRow) -> Self {
        Self {
            key: EnvelopeKey { address: row.address, id: row.id },
            bytes: row.deposit.len(),
            digest: row.digest,
            depositor: row.depositor,
            until: row.until,
            source: row.source,
            prefix: row.prefix,
            week: row.week,
        }
    }
}

/// An envelope that its owner has: no repair may bring it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TombstoneRow {
    /// In which mailbox.
    pub address: MailboxAddress,
    /// Which.
    pub id: EnvelopeId,
    /// The owner's signed word that covers it, for other holders.
    #[serde(with = "serde_bytes")]
    pub ack: Vec<u8>,
    /// Until when it is remembered.
    pub until: UnixMillis,
}

/// A parcel of ours until it is withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelRow {
    /// Whose.
    pub account: NodeId,
    /// Which.
    pub id: EnvelopeId,
    /// For whom.
    pub node: NodeId,
    /// In which mailbox it is, or is to be.
    pub address: MailboxAddress,
    /// The deposit, sealed and signed, as holders get it. Under 64 KiB.
    #[serde(with = "serde_bytes")]
    pub deposit: Vec<u8>,
    /// Since when.
    pub since: UnixMillis,
    /// Who signed for it, until when.
    pub receipts: Vec<(NodeId, UnixMillis)>,
    /// Nodes that its recipient pinned: it is brought there, too. At most [`crate::limits::MAX_PINS`].
    #[serde(default)]
    pub pinned: Vec<NodeId>,
}

/// A parcel without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParcelSummary {
    /// Whose.
    pub account: NodeId,
    /// Which.
    pub id: EnvelopeId,
    /// For whom.
    pub node: NodeId,
    /// In which mailbox.
    pub address: MailboxAddress,
    /// Since when.
    pub since: UnixMillis,
    /// Who signed for it, until when.
    pub receipts: Vec<(NodeId, UnixMillis)>,
    /// Nodes that its recipient pinned.
    pub pinned: Vec<NodeId>,
}

impl ParcelSummary {
    /// What is remembered of a row.
    #[must_use]
    pub fn of(row: &ParcelRow) -> Self {
        Self {
            account: row.account,
            id: row.id,
            node: row.node,
            address: row.address,
            since: row.since,
            receipts: row.receipts.clone(),
            pinned: row.pinned.clone(),
        }
    }
}

/// What a node that the owner pinned last said to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PinState {
    /// Nothing yet.
    NotReached,
    /// It keeps our mailboxes longer.
    Accepted,
    /// It does not.
    Refused {
        /// Why.
        reason: Refusal,
    },
}

/// A node that the owner pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinRow {
    /// Whose mailboxes it is to keep.
    pub account: NodeId,
    /// Which node.
    pub holder: NodeId,
    /// Since when.
    pub since: UnixMillis,
    /// What it last said.
    pub state: PinState,
    /// When that was.
    pub answered: Option<UnixMillis>,
}

/// Somebody whose pinned holder this node is, by its owner's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedRow {
    /// Whose node this is.
    pub account: NodeId,
    /// Who is served.
    pub node: NodeId,
    /// Since when.
    pub since: UnixMillis,
    /// When they last said which mailboxes are theirs, by their clock.
    pub stated: Option<UnixMillis>,
    /// Those, at most [`crate::limits::MAX_PINNED_MAILBOXES`].
    pub mailboxes: Vec<PinnedMailbox>,
}

/// One write of the mailbox machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Insert or replace.
    PutHeld(HeldRow),
    /// Acknowledged, expired, or handed on.
    RemoveHeld(EnvelopeKey),
    /// Insert or replace.
    PutTombstone(TombstoneRow),
    /// Its time is over.
    RemoveTombstone(EnvelopeKey),
    /// Insert or replace.
    PutParcel(ParcelRow),
    /// Only its receipts are new; nothing happens when it is not there.
    SetReceipts {
        /// Whose.
        account: NodeId,
        /// Which.
        id: EnvelopeId,
        /// All of them.
        receipts: Vec<(NodeId, UnixMillis)>,
    },
    /// Withdrawn.
    RemoveParcel {
        /// Whose.
        account: NodeId,
        /// Which.
        id: EnvelopeId,
    },
    /// Insert or replace.
    PutPin(PinRow),
    /// Unpinned.
    RemovePin {
        /// Whose.
        account: NodeId,
        /// Which node.
        holder: NodeId,
    },
    /// Insert or replace.
    PutServed(ServedRow),
    /// Not served any more.
    RemoveServed {
        /// Whose node this is.
        account: NodeId,
        /// Who was served.
        node: NodeId,
    },
}

/// Everything the mailbox machine starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// What is held for others.
    pub held: Vec<HeldSummary>,
    /// What owners have.
    pub tombstones: Vec<TombstoneRow>,
    /// Parcels of ours.
    pub parcels: Vec<ParcelSummary>,
    /// Nodes that the owner pinned.
    pub pins: Vec<PinRow>,
    /// Whose pinned holder this node is.
    pub served: Vec<ServedRow>,
}
