//! Contacts and one-to-one conversations: the machine that loses nothing and shows nothing twice.
//!
//! **In**: what a person asks ([`Command`]), frames of peers, their coming and going, cards found. **Out**: writes, requests to peers,
//! answers, [`Event`]s. One machine serves one account.
//!
//! **The outbox is the truth.** Compose writes message, ciphertext and advanced ratchet in one batch; only then is the caller answered and
//! the network used. What waits is sent in order, at most one batch per recipient in flight, the *stored* ciphertext each
//! time, until the recipient says `Stored`. After a crash the rows say exactly what is to be sent again.
//!
//! **The inbox acknowledges durability.** An item is opened and written (message, chain, advanced ratchet) in one batch; the answer to the
//! peer is in that batch's `then`. A repetition is known by its number in the sender's chain and answered `Stored` without being opened.
//!
//! **Who is offline is reached through mailboxes.** What the recipient has not acknowledged after a moment is put into parcels besides, the same ciphertext,
//! and withdrawn once they have it. What comes out of a mailbox is received as from a peer; what we have of a person's messages is told through their mailbox.
//!
//! **People decide who talks to them.** A stranger can start one session and say one text; everything else waits (`Undecided`) until
//! the account accepts. A blocked person hears the same `Undecided`.
//!
//! Survives restart: every row. Lost on restart: presence, backoff (first retry at once), requests in flight (sent again).
//! Not here: history pages (read from storage), finding cards ([`crate::dht`]), sockets.
//! Spec: `docs/protocol/messages.md`.

mod answers;
mod arrivals;
mod chain;
mod command;
mod compose;
mod contacts;
pub mod content;
mod delivery;
mod house;
mod inbox;
pub mod invitation;
pub mod list;
mod machine;
pub mod marks;
mod names;
mod outbox;
mod parcels;
mod passes;
mod post;
mod presence;
mod receipts;
mod repair;
mod repair_by_mail;
pub mod rows;
pub mod search;
pub mod session;
mod sessions;
mod starts;
mod step;
mod thread;
mod timers;
mod typing;
mod view;
pub mod wire;

pub use command::{Command, CommandError, Reply};
pub use machine::{Messenger, device_row};
pub use marks::Amendment;

use crate::{
    dht::ResolveError,
    id::{ConversationId, DeviceId, EnvelopeId, MsgId, NodeId},
    kinds,
    machine::{CallId, OpId, Tick},
    mailbox::{EnvelopeKey, Parcel},
    net::{NetCommand, NetError, RequestToken},
    record::Card,
    time::UnixMillis,
};
use rows::{Change, Expired, LastEntry, MessageRow, MessageState, Standing};

kinds! {
    /// What can happen to a messenger.
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
        /// A peer sends a frame of `/pc2/msg/1`.
        PeerRequest {
            /// Who, authenticated.
            from: NodeId,
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
        /// Whatever waits may be tried at once.
        NetworkChanged,
        /// The card of a person was found, or not.
        Resolved {
            /// Our question.
            op: OpId,
            /// The newest verified card.
            result: Result<Card, ResolveError>,
        },
        /// Own messages read back from history, for repair.
        Loaded {
            /// Our question.
            op: OpId,
            /// Those that exist, by sequence number.
            rows: Vec<MessageRow>,
        },
        /// Messages whose time is over.
        Expired {
            /// Our question.
            op: OpId,
            /// Those, and when the next is to go.
            expired: Expired,
        },
        /// How the account calls itself.
        Profile {
            /// At most [`crate::limits::MAX_NAME_BYTES`].
            name: String,
        },
        /// The account pinned these holders of its mailboxes: passes are to name them. At every start, and when it changes.
        Pins {
            /// All of them, at most [`crate::limits::MAX_PINS`].
            nodes: Vec<NodeId>,
        },
        /// So many mailboxes keep a parcel of ours, or not enough.
        MailboxProgress {
            /// Which.
            id: EnvelopeId,
            /// Until when enough of them keep it; `None`: fewer than enough.
            stored_until: Option<UnixMillis>,
        },
        /// An envelope was fetched from a mailbox of ours, and opened. Answered by [`Out::Taken`] once it is dealt with for good.
        MailboxArrived {
            /// Which.
            envelope: EnvelopeKey,
            /// Who wrote it: their signature was inside.
            from: NodeId,
            /// What was in it: a [`wire::Mail`].
            payload: Vec<u8>,
        },
    }
}

impl From<Tick> for In {
    fn from(_: Tick) -> Self {
        Self::Tick
    }
}

/// One person as lists show them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactView {
    /// Whose contact.
    pub account: NodeId,
    /// Who.
    pub peer: NodeId,
    /// How we stand.
    pub standing: Standing,
    /// The account's own name for them.
    pub alias: Option<String>,
    /// The name they gave themselves.
    pub name: Option<String>,
    /// They told us that they are here, and the connection stands. Contacts only.
    pub online: bool,
    /// They are writing to us right now.
    pub typing: bool,
    /// Entries not yet read.
    pub unread: u64,
    /// Whether they are told what was read; `None`: as everybody.
    pub receipts: Option<bool>,
    /// What is written from now on disappears so many seconds after it was read, or sent.
    pub timer: Option<u32>,
    /// Own messages that wait.
    pub waiting: u64,
    /// What delivery to them does right now.
    pub delivery: Delivery,
    /// The latest entry.
    pub last: Option<LastEntry>,
    /// Since when we know them.
    pub since: UnixMillis,
}

/// What delivery to a person does right now, each one a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Nothing waits.
    Idle,
    /// A batch is on its way.
    Sending,
    /// Their card is being looked up.
    Looking,
    /// No card of theirs was found in the network yet.
    NotFound,
    /// They could not be reached.
    Unreachable,
    /// They have not decided about our request.
    Undecided,
}

/// What happened, for everybody who looks at this account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A person's entry is now so.
    ContactChanged(Box<ContactView>),
    /// A person's entry is gone.
    ContactRemoved {
        /// Whose.
        account: NodeId,
        /// Who.
        peer: NodeId,
    },
    /// A message came to be on this disk, ours or theirs.
    MessageAdded(Box<MessageRow>),
    /// A message was edited, taken back or reacted to, and that is on this disk. Perhaps the message itself is not, yet.
    MessageAmended {
        /// Whose.
        account: NodeId,
        /// Where.
        conversation: ConversationId,
        /// The message.
        id: MsgId,
    },
    /// A message has had its time and is gone.
    MessageGone {
        /// Whose.
        account: NodeId,
        /// Where.
        conversation: ConversationId,
        /// The message.
        id: MsgId,
    },
    /// The state of a message of ours changed.
    MessageState {
        /// Whose.
        account: NodeId,
        /// Where.
        conversation: ConversationId,
        /// Which.
        id: MsgId,
        /// The new state.
        state: MessageState,
    },
}

/// What a messenger wants done.
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
    /// Find the newest card of a person; answered by [`In::Resolved`].
    Resolve {
        /// Comes back with the answer.
        op: OpId,
        /// Whom.
        node: NodeId,
    },
    /// Read own messages back from history; answered by [`In::Loaded`].
    Load {
        /// Comes back with the answer.
        op: OpId,
        /// In which conversation.
        conversation: ConversationId,
        /// Of which of our devices.
        device: DeviceId,
        /// First sequence number.
        from: u64,
        /// Last sequence number.
        to: u64,
    },
    /// Find the messages whose time is over; answered by [`In::Expired`].
    LoadExpired {
        /// Comes back with the answer.
        op: OpId,
        /// Over until then.
        until: UnixMillis,
        /// Look at all of them: the clock may have been set back.
        all: bool,
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
    /// Tell everybody who looks.
    Publish(Event),
    /// Have this kept in mailboxes. Answered by [`In::MailboxProgress`], again and again.
    Deposit(Parcel),
    /// A parcel of ours has arrived, or nobody wants it any more.
    Withdraw {
        /// Whose.
        account: NodeId,
        /// Which.
        id: EnvelopeId,
    },
    /// An arrival is dealt with for good: mailboxes may let it go.
    Taken {
        /// Which.
        envelope: EnvelopeKey,
    },
}

#[cfg(test)]
mod tests;
