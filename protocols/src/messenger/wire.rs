//! Frames of `/pc2/msg/1`: batches of sealed items, repair and presence.
//!
//! One request-response protocol. The sender has at most one batch per recipient in flight; the answer says for
//! each item what the recipient did with it, and leaves only after its disk has it. The transport
//! proved who sends; the items are end-to-end encrypted besides, because the same items travel through mailboxes ([`Mail`]).
//! Spec with golden bytes: `docs/protocol/messages.md`.
//!
//! Not here: what is inside an item ([`super::content`], [`super::session`]).

use crate::{
    codec::{self, DecodeError},
    id::{DeviceId, MsgId, SessionId},
    limits,
    net::Protocol,
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

mod mail;

pub use mail::{ChainFirst, ChainHeard, Mail, SessionHeld};

/// What one node asks another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Here are items for you, in the order they are to be processed. At most [`limits::MAX_BATCH_ITEMS`].
    Deliver {
        /// The items.
        items: Vec<Item>,
    },
    /// I miss these of your messages in our conversation: please deliver them again. At most [`limits::MAX_REPAIR`].
    Repair {
        /// Whose chain: an installation of the one who is asked.
        device: DeviceId,
        /// First sequence number.
        from: u64,
        /// Last sequence number.
        to: u64,
    },
    /// I am here (or leave), and may be shown so. Sent to accepted contacts only.
    Presence {
        /// Here, or about to leave.
        online: bool,
    },
    /// I am writing to you. Sent to accepted contacts over a connection that stands, by those only who chose to; counts for some seconds.
    Typing,
}

/// One thing to be processed by the recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item {
    /// A new session, created by the sender with the recipient's key package.
    Start {
        /// Its name.
        session: SessionId,
        /// The sender's installation.
        device: DeviceId,
        /// When it was created by the sender's clock, later than every earlier one of the same installation: an older one is a replay.
        created: UnixMillis,
        /// How the sender calls themselves, shown with a request. At most [`limits::MAX_NAME_BYTES`].
        name: String,
        /// The token of an invitation of the recipient, if the sender has one.
        invitation: Option<serde_bytes::ByteBuf>,
        /// The MLS Welcome.
        welcome: serde_bytes::ByteBuf,
    },
    /// New keys for a session: processed in order with its contents.
    Refresh {
        /// Which session.
        session: SessionId,
        /// The epoch it ends. An epoch already ended means a repetition.
        epoch: u64,
        /// The MLS commit.
        commit: serde_bytes::ByteBuf,
    },
    /// One message.
    Content {
        /// Which session it is encrypted in.
        session: SessionId,
        /// As inside.
        id: MsgId,
        /// The chain, as inside.
        device: DeviceId,
        /// The place in the chain, as inside: tells a repetition without opening it.
        seq: u64,
        /// The MLS private message.
        sealed: serde_bytes::ByteBuf,
    },
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// To `Deliver`: one outcome for each item, in the same order.
    Delivered {
        /// The outcomes.
        outcomes: Vec<Outcome>,
    },
    /// To `Repair`: which of those asked for will never come (the sender does not have them any more). The others follow as deliveries.
    Repairing {
        /// Sequence numbers that are gone.
        gone: Vec<u64>,
    },
    /// To `Presence` and `Typing`: seen.
    Seen,
    /// The request as a whole was not acted on.
    Refused {
        /// Why.
        reason: Refusal,
    },
}

/// What became of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is on the recipient's disk, now or since earlier.
    Stored,
    /// Not stored.
    Refused {
        /// Why.
        reason: Refusal,
    },
}

/// Why something was not acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Awaits the recipient's decision. Also what a blocked sender is told, so that blocking is silent.
    Undecided,
    /// The recipient does not have this session (it was restored, or chose another): start a new one.
    NoSession,
    /// Both sides started one; the recipient keeps its own (lower creator id) and will deliver it.
    Crossed,
    /// Could not be opened or did not match its envelope.
    Unreadable,
    /// Breaks a limit or the order of the protocol.
    Invalid,
    /// The recipient has no room (disk, queue, requests): try later.
    Busy,
}

impl Refusal {
    /// Whether the same item may succeed later without anything changed on the sender's side.
    #[must_use]
    pub const fn worth_retrying(self) -> bool {
        match self {
            Self::Undecided | Self::Busy | Self::Crossed => true,
            Self::NoSession | Self::Unreadable | Self::Invalid => false,
        }
    }
}

impl Request {
    /// The bytes of the frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a frame and checks its counts.
    ///
    /// # Errors
    /// When it is no request, or exceeds a limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let request: Self = codec::decode(bytes, Protocol::Message.max_frame_bytes())?;
        let fits = match &request {
            Self::Deliver { items } => {
                !items.is_empty() && items.len() <= limits::MAX_BATCH_ITEMS && items.iter().all(Item::fits)
            }
            Self::Repair { from, to, .. } => {
                *from >= 1 && to.checked_sub(*from).is_some_and(|more| more < limits::MAX_REPAIR)
            }
            Self::Presence { .. } | Self::Typing => true,
        };
        if fits { Ok(request) } else { Err(over_limit()) }
    }
}

impl Item {
    fn fits(&self) -> bool {
        match self {
            Self::Start { name, invitation, .. } => {
                name.len() <= limits::MAX_NAME_BYTES
                    && invitation.as_ref().is_none_or(|token| token.len() <= 32)
            }
            Self::Refresh { .. } => true,
            Self::Content { seq, .. } => *seq >= 1,
        }
    }

    /// Bytes it adds to a frame, about.
    #[must_use]
    pub fn size(&self) -> usize {
        const AROUND: usize = 128;
        AROUND
            + match self {
                Self::Start { welcome, name, .. } => welcome.len() + name.len(),
                Self::Refresh { commit, .. } => commit.len(),
                Self::Content { sealed, .. } => sealed.len(),
            }
    }
}

impl Answer {
    /// The bytes of the frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a frame and checks its counts.
    ///
    /// # Errors
    /// When it is no answer, or exceeds a limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let answer: Self = codec::decode(bytes, Protocol::Message.max_frame_bytes())?;
        let fits = match &answer {
            Self::Delivered { outcomes } => outcomes.len() <= limits::MAX_BATCH_ITEMS,
            Self::Repairing { gone } => gone.len() as u64 <= limits::MAX_REPAIR,
            Self::Seen | Self::Refused { .. } => true,
        };
        if fits { Ok(answer) } else { Err(over_limit()) }
    }
}

fn over_limit() -> DecodeError {
    DecodeError::Malformed { reason: "a count or length exceeds its limit".to_owned() }
}
