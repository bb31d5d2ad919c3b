//! The list of all tables: what their rows are called by.
//!
//! Every key of an account's row begins with the account, so that one node can host several and a prefix finds all that is
//! someone's. Tags and names are part of the format: see [`crate::format`].

use crate::{
    access::{ApiKeyRow, SecurityRow, WalletAddress, WalletRow, WebSessionRow},
    blobs::{FileRow, HoldRow, Holder, PartialRow},
    search::{LateRow, PageRow},
    table::{AnyTable, Table},
    timers::{ExpiringRow, TimedRow},
};
use pc2_protocols::{
    dht::{HeldRow, PublishedRow},
    files::rows::{AutoRow, RatesRow, TransferId, TransferRow},
    id::{BlobId, ConversationId, DeviceId, EnvelopeId, MailboxAddress, MsgId, NodeId, RecordKey, SessionId},
    identity::ProfileRow,
    mailbox,
    messenger::{
        content::Hlc,
        marks::Marks,
        rows::{
            ChainRow, ChatSettingsRow, ContactRow, ConversationRow, DeviceRow, InvitationRow, MessageRow,
            OutboxRow, SessionRow,
        },
    },
    net::Peer,
    relay::ContributionRow,
    wasm::rows::{AppKey, AppRow},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Tag of the few plain cells that say what this database is.
pub(crate) const META_TAG: u8 = 0x00;

pub(crate) static DEVICES: Table<NodeId, DeviceRow> = Table::new(0x01, "devices");
pub(crate) static CONTACTS: Table<(NodeId, NodeId), ContactRow> = Table::new(0x02, "contacts");
pub(crate) static CONVERSATIONS: Table<(NodeId, ConversationId), ConversationRow> =
    Table::new(0x03, "conversations");
pub(crate) static CHAINS: Table<(NodeId, ConversationId, DeviceId), ChainRow> = Table::new(0x04, "chains");
/// In order of the conversation: by clock, then id.
pub(crate) static MESSAGES: Table<(NodeId, ConversationId, Hlc, MsgId), MessageRow> =
    Table::new(0x05, "messages");
/// Where in [`MESSAGES`] a link of a chain is.
pub(crate) static LINKS: Table<(NodeId, ConversationId, DeviceId, u64), Link> = Table::new(0x06, "links");
pub(crate) static OUTBOX: Table<(NodeId, ConversationId, u64), OutboxRow> = Table::new(0x07, "outbox");
pub(crate) static SESSIONS: Table<(NodeId, SessionId), SessionRow> = Table::new(0x08, "sessions");
/// By owner of the value, hash of the library's key and number of the chunk.
pub(crate) static SESSION_VALUES: Table<(NodeId, Option<SessionId>, [u8; 32], u16), SessionChunk> =
    Table::new(0x09, "session values");
/// By hash of the token, because keys are not sealed.
pub(crate) static INVITATIONS: Table<(NodeId, [u8; 32]), InvitationRow> = Table::new(0x0a, "invitations");
pub(crate) static HELD: Table<RecordKey, HeldRow> = Table::new(0x0b, "held records");
pub(crate) static PUBLISHED: Table<RecordKey, PublishedRow> = Table::new(0x0c, "published records");
pub(crate) static PROFILES: Table<NodeId, ProfileRow> = Table::new(0x0d, "profiles");
pub(crate) static WEB_SESSIONS: Table<[u8; 32], WebSessionRow> = Table::new(0x0e, "web sessions");
pub(crate) static ROUTING: Table<NodeId, Peer> = Table::new(0x0f, "routing");
pub(crate) static ENVELOPES: Table<(MailboxAddress, EnvelopeId), mailbox::rows::HeldRow> =
    Table::new(0x10, "held envelopes");
pub(crate) static TOMBSTONES: Table<(MailboxAddress, EnvelopeId), mailbox::rows::TombstoneRow> =
    Table::new(0x11, "tombstones");
pub(crate) static PARCELS: Table<(NodeId, EnvelopeId), mailbox::rows::ParcelRow> =
    Table::new(0x12, "parcels");
/// One row, under [`THE_ONE`].
pub(crate) static CONTRIBUTION: Table<[u8; 1], ContributionRow> = Table::new(0x13, "contribution");
/// By hash of the path, because keys are not sealed.
pub(crate) static BLOB_FILES: Table<(BlobId, [u8; 32]), FileRow> = Table::new(0x14, "files of blobs");
pub(crate) static BLOB_PARTIALS: Table<BlobId, PartialRow> = Table::new(0x15, "partial blobs");
pub(crate) static BLOB_HOLDS: Table<(BlobId, Holder), HoldRow> = Table::new(0x16, "holds of blobs");
pub(crate) static PINS: Table<(NodeId, NodeId), mailbox::rows::PinRow> = Table::new(0x17, "pinned holders");
pub(crate) static SERVED: Table<(NodeId, NodeId), mailbox::rows::ServedRow> =
    Table::new(0x18, "served people");
pub(crate) static TRANSFERS: Table<(NodeId, TransferId), TransferRow> = Table::new(0x19, "file transfers");
pub(crate) static AUTO_ACCEPTED: Table<(NodeId, NodeId), AutoRow> = Table::new(0x1a, "whose files are taken");
pub(crate) static RATES: Table<NodeId, RatesRow> = Table::new(0x1b, "rates of file transfer");
/// Where in [`MESSAGES`] an entry of that id is, and what became of it. Its rows may be there before the message is.
pub(crate) static BY_ID: Table<(NodeId, ConversationId, MsgId), Marks> = Table::new(0x1c, "messages by id");
/// Folded texts, by their first message.
pub(crate) static SEARCH_PAGES: Table<(NodeId, ConversationId, Hlc, MsgId), PageRow> =
    Table::new(0x1d, "search pages");
/// What is not in those pages yet.
pub(crate) static SEARCH_LATE: Table<(NodeId, ConversationId, Hlc, MsgId), LateRow> =
    Table::new(0x1e, "late for search");
pub(crate) static WALLETS: Table<(NodeId, WalletAddress), WalletRow> = Table::new(0x40, "wallets");
pub(crate) static API_KEYS: Table<[u8; 32], ApiKeyRow> = Table::new(0x41, "API keys");
/// What an account tells others of what its person does.
pub(crate) static CHAT_SETTINGS: Table<NodeId, ChatSettingsRow> = Table::new(0x43, "chat settings");
/// Messages that disappear and whose time has not begun.
pub(crate) static TIMED: Table<(NodeId, ConversationId, Hlc, MsgId), TimedRow> =
    Table::new(0x44, "timed messages");
/// Those whose time has begun, by its end.
pub(crate) static EXPIRING: Table<(NodeId, u64, ConversationId, Hlc, MsgId), ExpiringRow> =
    Table::new(0x45, "expiring messages");
pub(crate) static SECURITY: Table<(NodeId, u64), SecurityRow> = Table::new(0x42, "security log");

/// By hash of whose it is and its id, because keys are not sealed.
pub(crate) static APPS: Table<(NodeId, [u8; 32]), AppRow> = Table::new(0x46, "WASM apps");

/// Key of the one row of a table that has one.
pub(crate) const THE_ONE: [u8; 1] = [0];

/// All of them, by tag.
pub(crate) static ALL: &[&dyn AnyTable] = &[
    &DEVICES,
    &CONTACTS,
    &CONVERSATIONS,
    &CHAINS,
    &MESSAGES,
    &LINKS,
    &OUTBOX,
    &SESSIONS,
    &SESSION_VALUES,
    &INVITATIONS,
    &HELD,
    &PUBLISHED,
    &PROFILES,
    &WEB_SESSIONS,
    &ROUTING,
    &ENVELOPES,
    &TOMBSTONES,
    &PARCELS,
    &CONTRIBUTION,
    &BLOB_FILES,
    &BLOB_PARTIALS,
    &BLOB_HOLDS,
    &PINS,
    &SERVED,
    &TRANSFERS,
    &AUTO_ACCEPTED,
    &RATES,
    &BY_ID,
    &SEARCH_PAGES,
    &SEARCH_LATE,
    &WALLETS,
    &API_KEYS,
    &SECURITY,
    &CHAT_SETTINGS,
    &TIMED,
    &EXPIRING,
    &APPS,
];

/// Length of the beginning of a key that rows of one bucket share (see [`crate::ledger`]); `None` for cells that are not booked.
pub(crate) fn bucket_prefix(tag: u8) -> Option<usize> {
    const TAG: usize = 1;
    const ACCOUNT_AND_CONVERSATION: usize = NodeId::LEN + ConversationId::LEN;
    if tag == MESSAGES.tag() {
        // The upper 16 bits of the clock change every 50 days.
        return Some(TAG + ACCOUNT_AND_CONVERSATION + 2);
    }
    if tag == LINKS.tag() {
        // The upper 48 bits of the number change every 65,536 links.
        return Some(TAG + ACCOUNT_AND_CONVERSATION + DeviceId::LEN + 6);
    }
    if tag == BY_ID.tag() {
        // By the first byte of the id, which is random: a conversation of a hundred thousand messages is 256 buckets.
        return Some(TAG + ACCOUNT_AND_CONVERSATION + 1);
    }
    if tag == SEARCH_PAGES.tag() {
        // A hundred thousand messages are some 400 pages.
        return Some(TAG + ACCOUNT_AND_CONVERSATION);
    }
    if tag == BLOB_FILES.tag() || tag == BLOB_HOLDS.tag() {
        // By the first byte of the hash: a folder of a hundred thousand files is 256 buckets.
        return Some(TAG + 1);
    }
    let booked = !is_held_elsewhere(tag) && ALL.iter().any(|table| table.tag() == tag);
    booked.then_some(TAG)
}

/// Whether a table grows with use rather than with the number of people known: its rows are not looked at by a start.
pub(crate) fn is_large(tag: u8) -> bool {
    let large = [
        &MESSAGES as &dyn AnyTable,
        &LINKS,
        &BY_ID,
        &SEARCH_PAGES,
        &TIMED,
        &EXPIRING,
        &BLOB_FILES,
        &BLOB_HOLDS,
    ];
    large.iter().any(|table| table.tag() == tag) || is_held_elsewhere(tag)
}

/// Whether other nodes hold copies of a table's rows: a damaged one is left out, for it is nobody's loss.
pub(crate) fn is_held_elsewhere(tag: u8) -> bool {
    [HELD.tag(), ENVELOPES.tag()].contains(&tag)
}

/// The place of one link of a chain in the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) hlc: Hlc,
    pub(crate) id: MsgId,
}

/// Most bytes of a session library's value in one row; a larger one has several.
pub(crate) const CHUNK_BYTES: usize = 32 * 1024;

/// One row of a session library's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionChunk {
    pub(crate) session: Option<SessionId>,
    /// The library's key; only in the first chunk, empty in the others.
    #[serde(with = "serde_bytes")]
    pub(crate) key: Vec<u8>,
    /// How many chunks the value has.
    pub(crate) chunks: u16,
    /// This one's bytes.
    #[serde(with = "serde_bytes")]
    pub(crate) bytes: Vec<u8>,
}

/// What stands in a key for an app.
pub(crate) fn app_place(key: &AppKey) -> [u8; 32] {
    hashed(format!("{}/{}", key.space, key.id).as_bytes())
}

/// What stands in a key for something secret or of any length.
pub(crate) fn hashed(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
