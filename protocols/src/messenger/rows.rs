//! What the messenger keeps on disk, and the changes it makes to it.
//!
//! Rows are values; `pc2-storage` lays them out in tables, seals them, and hands them back as a [`Snapshot`] when
//! the machine starts. Every row names its account, so that a node can host more than one. A [`Change`] is
//! one write; the changes of one step are one batch and become durable together or not at all.
//! [`Snapshot::apply`] is the reference: storage and simulations must agree with it.
//!
//! History itself ([`MessageRow`]) is not in the snapshot: it is read by page, so that a start does not depend on its length.

pub use super::list::{Early, LastEntry};
use super::{
    content::{Content, ContentHash, Hlc},
    wire::Item,
};
use crate::{
    id::{ConversationId, DeviceId, EnvelopeId, MsgId, NodeId, SessionId},
    mailbox::keys::MailboxPass,
    net::Address,
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

mod snapshot;
mod timed;

pub use snapshot::Snapshot;
pub use timed::{Expired, Timed, TimerChange};

/// How an account stands to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// We asked; they have not answered.
    Requested,
    /// They asked; we have not decided.
    Asking,
    /// Contacts.
    Accepted,
    /// Blocked by us: heard no more, and not told.
    Blocked,
}

/// One person an account knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRow {
    /// Whose contact.
    pub account: NodeId,
    /// Who.
    pub peer: NodeId,
    /// How we stand.
    pub standing: Standing,
    /// The name the account gave them, if it did.
    pub alias: Option<String>,
    /// The name they gave themselves, once heard.
    pub name: Option<String>,
    /// Where they were last said to be; kept so that a restart needs no lookup.
    pub addresses: Vec<Address>,
    /// The invitation token with which we came to them, to be sent with the session's start.
    pub invitation: Option<serde_bytes::ByteBuf>,
    /// The one message that goes with a contact request, ours or theirs: nothing else is sent or opened before the decision.
    pub request: Option<MsgId>,
    /// How we stood before a block, to go back to. `None` when not blocked, or when they were unknown.
    pub before_block: Option<Standing>,
    /// When the row was made.
    pub since: UnixMillis,
    /// By which we deposit in their mailboxes: one a week, at most [`crate::limits::MAX_PASSES_KEPT`].
    #[serde(default)]
    pub passes: Vec<MailboxPass>,
    /// The last week for which we gave them a pass; 0: never.
    #[serde(default)]
    pub given: u32,
    /// The pinned holders that those passes name, at most [`crate::limits::MAX_PINS`].
    #[serde(default)]
    pub given_pins: Vec<NodeId>,
    /// The clock value of the message that the newest of their passes came with: an earlier one that comes later does not replace them.
    #[serde(default)]
    pub passes_as_of: Hlc,
    /// The account's name as they were last told it; `None`: not known to have been told.
    #[serde(default)]
    pub told: Option<String>,
    /// The clock value of the message that `name` came with: an earlier one that comes later does not replace it.
    #[serde(default)]
    pub name_as_of: Hlc,
    /// Whether they are told what was read; `None`: as everybody ([`ChatSettings`]).
    #[serde(default)]
    pub receipts: Option<bool>,
}

/// The state of one conversation that is needed to go on with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationRow {
    /// Whose.
    pub account: NodeId,
    /// Which.
    pub conversation: ConversationId,
    /// Which installation of ours `sent_seq`, `sent_hash`, `started` and `recent` speak of: another one begins a chain of its own.
    pub device: DeviceId,
    /// The last sequence number that installation gave in its chain.
    pub sent_seq: u64,
    /// Hash of that content.
    #[serde(with = "serde_bytes")]
    pub sent_hash: ContentHash,
    /// The highest clock value seen or given.
    pub hlc: Hlc,
    /// The newest messages nobody has answered to, at most [`Content::MAX_PARENTS`].
    pub heads: Vec<MsgId>,
    /// Entries received and not yet read here.
    pub unread: u64,
    /// The latest entry, for the list of conversations.
    pub last: Option<LastEntry>,
    /// Messages sent and received since the keys were last refreshed.
    pub since_refresh: u32,
    /// When the keys were last refreshed.
    pub refreshed: UnixMillis,
    /// The newest creation date we gave to a session with them; the next is later, whatever the clock says.
    pub started: UnixMillis,
    /// Our latest messages, at most [`crate::limits::MAX_RECENT`]: a command repeated after a restart is recognised.
    pub recent: Vec<Recent>,
    /// Sessions in which something came by mailbox and which we do not have: they are to be told. At most [`crate::limits::MAX_LOST`].
    #[serde(default)]
    pub lost: Vec<SessionId>,
    /// Something came by mailbox, and they have not been told yet what we have.
    #[serde(default)]
    pub owed: bool,
    /// What we last asked them for by mailbox because it is missing here.
    #[serde(default)]
    pub asked_by_mail: Option<AskedByMail>,
    /// Something came by mailbox before we had decided about them, or while they were blocked, and was not kept: once they are
    /// contacts, they are asked for it.
    #[serde(default)]
    pub let_go: bool,
    /// Edits and deletions that came before their message, at most [`crate::limits::MAX_EARLY`]. Only for the list: what a conversation shows is in
    /// the [`Marks`](super::marks::Marks).
    #[serde(default)]
    pub early: Vec<Early>,
    /// The newest entries received and not yet read here, while others are told what was read: at most [`Content::MAX_READ`].
    #[serde(default)]
    pub unread_ids: Vec<MsgId>,
    /// What is written from now on disappears so many seconds after it was read, or sent.
    #[serde(default)]
    pub timer: Option<u32>,
    /// The place of the message that said so: an earlier one that comes later does not count.
    #[serde(default)]
    pub timer_as_of: Option<Box<(Hlc, MsgId)>>,
}

/// Messages that were asked for by mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedByMail {
    /// Of which chain.
    pub device: DeviceId,
    /// The first of them.
    pub from: u64,
    /// The last of them.
    pub to: u64,
    /// When, by our clock.
    pub at: UnixMillis,
}

/// One of our latest messages: its name and its place in our chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// Its name.
    pub id: MsgId,
    /// Its place.
    pub seq: u64,
}

/// How far we have received one chain (one device of one sender, in one conversation).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainRow {
    /// Whose.
    pub account: NodeId,
    /// Which conversation.
    pub conversation: ConversationId,
    /// Which device of the sender.
    pub device: DeviceId,
    /// Everything up to and including this was received (or is known to be gone).
    pub through: u64,
    /// Hash of the content with that number (zeros for number 0); `None` when that one is gone or nothing was received yet.
    pub hash: Option<ContentHash>,
    /// Received beyond a gap: number, hash and claimed predecessor. At most [`crate::limits::SEND_WINDOW`].
    pub beyond: Vec<Beyond>,
    /// Creation date of the newest session this device started with us: an earlier one is a replay. Zero when none.
    pub started: UnixMillis,
}

/// One content received beyond a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beyond {
    /// Its number.
    pub seq: u64,
    /// Its hash.
    #[serde(with = "serde_bytes")]
    pub hash: ContentHash,
    /// The hash it gives for its predecessor.
    #[serde(with = "serde_bytes")]
    pub prev_hash: ContentHash,
}

/// The state of a message, each one a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageState {
    /// Ours: on our disk, not yet on theirs.
    Waiting,
    /// Ours: their device stored it and said so.
    Delivered,
    /// Ours: they say they read it.
    Read,
    /// Ours: given up after [`crate::limits::OUTBOX_LIFETIME`], or refused for good.
    NotDelivered,
    /// Theirs: on our disk.
    Received,
    /// Ours: enough mailboxes have signed that they keep it for them. Goes back to `Waiting` when they have lost it.
    Stored,
}

/// One message in history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRow {
    /// Whose history.
    pub account: NodeId,
    /// Which conversation.
    pub conversation: ConversationId,
    /// Who wrote it.
    pub sender: NodeId,
    /// What it says, with id, clock and place in its chain.
    pub content: Content,
    /// Its state.
    pub state: MessageState,
    /// When it came to be on this disk.
    pub stored: UnixMillis,
    /// Its chain did not continue what we had: the sender's history is not what it was.
    pub chain_broken: bool,
}

/// Something that waits until the recipient has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// Whose.
    pub account: NodeId,
    /// To whom.
    pub conversation: ConversationId,
    /// Its place in the queue of this conversation: counts up, never reused.
    pub order: u64,
    /// What waits.
    pub what: Waiting,
    /// Since when.
    pub since: UnixMillis,
    /// The parcel by which it goes through mailboxes, besides. Counts only with what was sealed in the session in use.
    #[serde(default)]
    pub parcel: Option<InParcel>,
    /// It was delivered before, and they asked for it again: its state says so already.
    #[serde(default)]
    pub again: bool,
}

/// A place in a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InParcel {
    /// Which parcel.
    pub id: EnvelopeId,
    /// The week in which it was made: after two more, mailboxes keep it no longer.
    pub week: u32,
    /// Enough mailboxes have signed for it.
    pub stored: bool,
}

/// What can wait in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waiting {
    /// A message. `sealed` is made once per session and sent again as it is: a ratchet step is never repeated.
    Content {
        /// The message.
        content: Content,
        /// The item as it goes out; `None` until there is a session.
        sealed: Option<Item>,
    },
    /// A session's start or refresh, exactly as it goes out.
    Control {
        /// The item.
        item: Item,
    },
}

/// One session, and whether it is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Whose.
    pub account: NodeId,
    /// With whom.
    pub peer: NodeId,
    /// Its name.
    pub session: SessionId,
    /// Who created it.
    pub creator: NodeId,
    /// When, by the creator's clock.
    pub created: UnixMillis,
    /// The other side is known to have it.
    pub confirmed: bool,
    /// Counts up with each session taken into use with this peer: the highest is the one we seal in.
    pub rank: u64,
    /// The last epoch that a refresh of theirs ended and we followed: told by mailbox.
    #[serde(default)]
    pub followed: Option<u64>,
}

/// One value of the session library's own store, kept as it is. `session` `None`: belongs to the device
/// (key packages). Large values are split by storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionValue {
    /// Whose.
    pub account: NodeId,
    /// Which session, or the device.
    pub session: Option<SessionId>,
    /// The library's key.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// The value; `None` removes it.
    pub value: Option<serde_bytes::ByteBuf>,
}

/// An invitation link that can still be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRow {
    /// Whose.
    pub account: NodeId,
    /// The secret in the link.
    #[serde(with = "serde_bytes")]
    pub token: Vec<u8>,
    /// Until when.
    pub expires: UnixMillis,
}

/// What an account tells others of what its person does. Who does not tell is not told either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChatSettings {
    /// What was read.
    pub receipts: bool,
    /// That somebody is writing.
    pub typing: bool,
}

/// The same, of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSettingsRow {
    /// Whose.
    pub account: NodeId,
    /// What was chosen.
    pub settings: ChatSettings,
}

/// The device of an account on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRow {
    /// Whose.
    pub account: NodeId,
    /// Which.
    pub device: DeviceId,
    /// Since when.
    pub created: UnixMillis,
}

/// One write of the messenger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Insert or replace.
    PutDevice(DeviceRow),
    /// Insert or replace.
    PutContact(ContactRow),
    /// Forget a contact. Its history stays.
    RemoveContact {
        /// Whose.
        account: NodeId,
        /// Whom.
        peer: NodeId,
    },
    /// Insert or replace.
    PutConversation(ConversationRow),
    /// Insert or replace.
    PutChain(ChainRow),
    /// Insert, by (account, conversation, hlc, id). One that is there already stays as it is: no peer can replace a message.
    PutMessage(Box<MessageRow>),
    /// Change the state of a stored message; nothing happens when it is not there.
    SetState {
        /// Whose.
        account: NodeId,
        /// Where.
        conversation: ConversationId,
        /// Its clock value.
        hlc: Hlc,
        /// Its name.
        id: MsgId,
        /// The new state.
        state: MessageState,
    },
    /// They have read these messages of ours; those that are not here, or are not ours, stay as they are.
    SetRead {
        /// Whose.
        account: NodeId,
        /// Where.
        conversation: ConversationId,
        /// Which.
        ids: Vec<MsgId>,
    },
    /// The time of messages that disappear begins, or is over.
    Timer(TimerChange),
    /// Insert or replace.
    PutSettings(ChatSettingsRow),
    /// Insert or replace.
    PutOutbox(Box<OutboxRow>),
    /// It arrived or was given up.
    RemoveOutbox {
        /// Whose.
        account: NodeId,
        /// To whom.
        conversation: ConversationId,
        /// Which.
        order: u64,
    },
    /// Insert or replace.
    PutSession(SessionRow),
    /// Forget a session with all its values.
    RemoveSession {
        /// Whose.
        account: NodeId,
        /// Which.
        session: SessionId,
    },
    /// Insert, replace or remove one value of the session library.
    PutSessionValue(SessionValue),
    /// Insert or replace.
    PutInvitation(InvitationRow),
    /// Used or expired.
    RemoveInvitation {
        /// Whose.
        account: NodeId,
        /// Its secret.
        token: Vec<u8>,
    },
}
