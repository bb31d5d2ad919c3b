//! What a person or script can ask of a messenger, what it answers, and why it does not do as asked.
//!
//! Not here: how it is carried out ([`super::machine`] knows which part does).

use super::{
    Amendment, ContactView,
    rows::{ChatSettings, MessageRow},
};
use crate::{
    files::offer::FileOffer,
    id::{ConversationId, MsgId, NodeId},
    kinds,
    net::Address,
    time::UnixMillis,
};

kinds! {
    /// What a person or script can ask for.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Command {
        /// Ask someone to become a contact, with one text. For someone who asked us, it accepts.
        AddContact {
            /// Whom.
            peer: NodeId,
            /// The name to show for them.
            alias: Option<String>,
            /// What their invitation says they are called: shown until they tell it themselves.
            name: Option<String>,
            /// The text they see with the request; may be empty.
            text: String,
            /// The secret of their invitation, if we came by one.
            invitation: Option<Vec<u8>>,
            /// Where they might be, from the invitation.
            addresses: Vec<Address>,
        },
        /// Accept someone who asked.
        Accept {
            /// Whom.
            peer: NodeId,
        },
        /// Hear nothing more of someone. They are not told.
        Block {
            /// Whom.
            peer: NodeId,
        },
        /// Undo a block: a former contact is one again, a stranger is forgotten.
        Unblock {
            /// Whom.
            peer: NodeId,
        },
        /// Give a contact a name of our own, or take it away.
        Rename {
            /// Whom.
            peer: NodeId,
            /// The name.
            alias: Option<String>,
        },
        /// Choose whether a person is told what was read; who is not told does not tell us either.
        SetReceipts {
            /// Whom.
            peer: NodeId,
            /// `None`: as everybody.
            receipts: Option<bool>,
        },
        /// Forget a contact or a request. History stays.
        Remove {
            /// Whom.
            peer: NodeId,
        },
        /// Write a text. With the id of a message that waits, or of one of the latest [`crate::limits::MAX_RECENT`] of the conversation, it
        /// is that message: nothing is sent twice, also not after a restart.
        Send {
            /// To whom: a contact, or someone who was asked.
            conversation: ConversationId,
            /// Chosen by the caller, at random.
            id: MsgId,
            /// The text.
            text: String,
            /// What it answers.
            reply_to: Option<MsgId>,
        },
        /// Offer a file or folder, as [`crate::files::Out::SendOffer`] asks for. Repeated with the same id it is the same message, as with `Send`.
        SendFile {
            /// To whom: a contact.
            conversation: ConversationId,
            /// The bytes of the offer's id.
            id: MsgId,
            /// What is offered.
            offer: Box<FileOffer>,
        },
        /// Change an own message, take it back for both, or react to any. Repeated with the same id it is the same, as with `Send`. Whether there is
        /// such a message, and whose it is, is looked up by whoever calls; whoever reads it looks again.
        Amend {
            /// In which conversation.
            conversation: ConversationId,
            /// Chosen by the caller, at random.
            id: MsgId,
            /// To which message.
            target: MsgId,
            /// What becomes of it.
            amendment: Amendment,
        },
        /// Everything received in a conversation has been seen by the person.
        MarkRead {
            /// Which.
            conversation: ConversationId,
        },
        /// What either writes in a conversation from now on disappears after a time, or stays. A message of its own that both see; repeated with the same id it
        /// is the same, as with `Send`.
        SetTimer {
            /// Which: with a contact.
            conversation: ConversationId,
            /// Chosen by the caller, at random.
            id: MsgId,
            /// Seconds, at most [`crate::limits::MAX_LASTS_SECS`].
            lasts: Option<u32>,
        },
        /// The person is writing in a conversation. Told to the other side if both may know, and forgotten.
        Typing {
            /// Which.
            conversation: ConversationId,
        },
        /// What the account tells others of itself.
        Settings,
        /// Choose what it tells.
        SetSettings {
            /// Whether others learn what was read.
            receipts: bool,
            /// Whether others learn that somebody is writing.
            typing: bool,
        },
        /// All contacts, requests and blocked people.
        Contacts,
        /// Make the secret of an invitation link.
        Invite,
    }
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done, and on disk.
    Done,
    /// To `Send`: the message as stored.
    Sent(Box<MessageRow>),
    /// To `Contacts`: in order of the latest entry, newest first.
    Contacts(Vec<ContactView>),
    /// To `Settings` and `SetSettings`: how they are now.
    Settings(ChatSettings),
    /// To commands about one person: how they stand now.
    Contact(Box<ContactView>),
    /// To `Invite`: the secret and its end.
    Invitation {
        /// The secret for the link.
        token: Vec<u8>,
        /// Until when it can be used.
        expires: UnixMillis,
    },
}

/// Why a [`Command`] was not carried out. Worded for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Nobody of that id is known to the account.
    #[error("this person is not among your contacts; add them first")]
    UnknownPeer,
    /// Oneself.
    #[error("this is your own DID")]
    Yourself,
    /// Blocked by us.
    #[error("this person is blocked; unblock them first")]
    Blocked,
    /// They asked, and we have not decided.
    #[error("this person asked to become your contact; accept first")]
    AcceptFirst,
    /// There is nothing to accept.
    #[error("this person has not asked to become your contact")]
    NotAsking,
    /// Asked before; one request is open at a time.
    #[error("you have asked this person already; your request waits for their answer")]
    AlreadyAsked,
    /// Contacts already.
    #[error("this person is your contact already")]
    AlreadyContact,
    /// Too long, empty or otherwise not acceptable.
    #[error("{what}")]
    BadText {
        /// What is wrong and what would be right.
        what: String,
    },
    /// A limit of this node is reached.
    #[error("{what}")]
    Full {
        /// Which limit, and what helps.
        what: String,
    },
}
