//! What a message says: the plaintext inside the end-to-end encryption, and the clock that orders it.
//!
//! Every stored content is a link in its sender's hash chain (one chain per sender device and
//! conversation, `seq` from 1 without holes), so that a gap is seen and can be asked for. Order on every
//! device is `(hlc, id)`: the sender stamps a clock value above everything it has seen in the conversation, so an
//! answer always sorts after what it answers, whatever the wall clocks say.
//!
//! The format carries more kinds than today's screens show; an unknown kind is refused, never guessed.
//! Not here: encryption ([`super::session`]), frames ([`super::wire`]).

use crate::{
    codec::{self, DecodeError},
    files::offer::{BadOffer, FileOffer},
    id::{DeviceId, MsgId},
    limits,
    mailbox::keys::MailboxPass,
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Hash of an encoded [`Content`]: what the next one of the same chain points back to.
pub type ContentHash = [u8; 32];

/// Hybrid logical clock: wall-clock milliseconds above, a counter below. Compares as a number.
///
/// Source: Kulkarni et al., "Logical Physical Clocks" (2014).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hlc(pub u64);

impl Hlc {
    /// Bits of the counter.
    const COUNTER_BITS: u32 = 16;

    /// The highest value accepted from a peer. The year is 6429; as many values are left above for answers, so that nobody can
    /// end a conversation's clock.
    pub const MAX_ON_WIRE: Self = Self(u64::MAX >> 1);

    /// The next value after everything seen so far (`self`), at wall-clock time `now`. Saturates at the end.
    #[must_use]
    pub fn next(self, now: UnixMillis) -> Self {
        let wall = now.0.min(u64::MAX >> Self::COUNTER_BITS) << Self::COUNTER_BITS;
        Self(wall.max(self.0.saturating_add(1)))
    }

    /// The wall-clock part.
    #[must_use]
    pub const fn millis(self) -> UnixMillis {
        UnixMillis(self.0 >> Self::COUNTER_BITS)
    }

    /// When the sender says it wrote, for people: never later than [`limits::CLOCK_TOLERANCE`] after `received`.
    #[must_use]
    pub fn shown_at(self, received: UnixMillis) -> UnixMillis {
        self.millis().min(received.after(limits::CLOCK_TOLERANCE))
    }
}

/// One message as its sender wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Its name on every device.
    pub id: MsgId,
    /// The sender's installation: the chain it belongs to.
    pub device: DeviceId,
    /// Place in the chain, from 1.
    pub seq: u64,
    /// Hash of the encoded content with `seq - 1`; zeros for the first.
    #[serde(with = "serde_bytes")]
    pub prev_hash: ContentHash,
    /// The newest messages the sender knew, at most [`Content::MAX_PARENTS`].
    pub parents: Vec<MsgId>,
    /// Orders it. Above every parent's.
    pub hlc: Hlc,
    /// What it says.
    pub body: Body,
}

/// What a message can say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// A text, possibly in answer to a message.
    Text {
        /// At most [`limits::MAX_TEXT_BYTES`].
        text: String,
        /// What it answers.
        reply_to: Option<MsgId>,
    },
    /// The contact request is accepted. `name` is how the accepting person calls themselves.
    Accepted {
        /// At most [`limits::MAX_NAME_BYTES`].
        name: String,
    },
    /// New text for an earlier message of the same sender.
    Edit {
        /// Which.
        target: MsgId,
        /// The new text.
        text: String,
    },
    /// An earlier message of the same sender is to be shown no longer.
    Delete {
        /// Which.
        target: MsgId,
    },
    /// An emoji on a message, or its withdrawal.
    Reaction {
        /// On which.
        target: MsgId,
        /// One grapheme; `None` takes it back.
        emoji: Option<String>,
    },
    /// The reader has read up to and including these (opt-in).
    Read {
        /// At most [`Content::MAX_READ`].
        ids: Vec<MsgId>,
    },
    /// By these the reader may deposit in the sender's mailboxes. To contacts only.
    Mailbox {
        /// One a week, at most [`limits::MAX_PASSES`].
        passes: Vec<MailboxPass>,
    },
    /// A file or a folder is offered. To contacts only; [`crate::files`] has what follows.
    File {
        /// What, and by which name it is asked for.
        offer: Box<FileOffer>,
    },
}

/// Why a plaintext is no acceptable content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Not a content at all.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A field exceeds its limit.
    #[error("{field} is longer than {max} allows")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Its limit, in the unit of the field.
        max: usize,
    },
    /// A text or name of nothing.
    #[error("{field} is empty")]
    Empty {
        /// Which field.
        field: &'static str,
    },
    /// Sequence numbers begin at 1.
    #[error("sequence number 0")]
    NoSequence,
    /// A pass that the owner of its mailbox has not signed.
    #[error("a mailbox pass is not signed by its mailbox")]
    BadPass,
    /// Not an acceptable offer.
    #[error(transparent)]
    BadOffer(#[from] BadOffer),
    /// A clock value so high that there would be no room above it.
    #[error("clock value beyond {}", Hlc::MAX_ON_WIRE.0)]
    BadClock,
}

impl Content {
    /// Most parents a message names. Source: docs/protocol/messages.md.
    pub const MAX_PARENTS: usize = 4;
    /// Most messages one read receipt names.
    pub const MAX_READ: usize = 256;
    /// Largest encoded content, in bytes: the longest text, and room for everything around it.
    pub const MAX_BYTES: usize = limits::MAX_TEXT_BYTES + 8 * 1024;

    /// The bytes that are hashed, encrypted and stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a content and checks every limit.
    ///
    /// # Errors
    /// [`ContentError`] for anything another conforming node would not have sent.
    pub fn decode(bytes: &[u8]) -> Result<Self, ContentError> {
        let content: Self = codec::decode(bytes, Self::MAX_BYTES)?;
        content.check()?;
        Ok(content)
    }

    /// Hash of encoded bytes, for the chain.
    #[must_use]
    pub fn hash(encoded: &[u8]) -> ContentHash {
        Sha256::digest(encoded).into()
    }

    /// Whether every field is within its limits.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), ContentError> {
        if self.seq == 0 {
            return Err(ContentError::NoSequence);
        }
        if self.hlc > Hlc::MAX_ON_WIRE {
            return Err(ContentError::BadClock);
        }
        at_most("parents", self.parents.len(), Self::MAX_PARENTS)?;
        self.body.check()
    }
}

impl Body {
    /// Whether every field is within its limits.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), ContentError> {
        match self {
            Self::Text { text, .. } | Self::Edit { text, .. } => {
                if text.trim().is_empty() {
                    return Err(ContentError::Empty { field: "text" });
                }
                at_most("text", text.len(), limits::MAX_TEXT_BYTES)
            }
            Self::Accepted { name } => at_most("name", name.len(), limits::MAX_NAME_BYTES),
            Self::Delete { .. } => Ok(()),
            // The longest emoji sequences in Unicode 16 (families, flags of regions) are 35 bytes.
            Self::Reaction { emoji, .. } => at_most("emoji", emoji.as_deref().map_or(0, str::len), 64),
            Self::Read { ids } => at_most("ids", ids.len(), Content::MAX_READ),
            Self::Mailbox { passes } => {
                at_most("passes", passes.len(), limits::MAX_PASSES)?;
                let pinned = passes.iter().map(|pass| pass.pinned.len()).max().unwrap_or(0);
                at_most("pinned", pinned, limits::MAX_PINS)?;
                if passes.iter().all(MailboxPass::holds) { Ok(()) } else { Err(ContentError::BadPass) }
            }
            Self::File { offer } => Ok(offer.check()?),
        }
    }

    /// Whether people see it as an entry of its own in the conversation.
    #[must_use]
    pub const fn is_entry(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::File { .. })
    }

    /// What an entry shows in one line: its text, or the name of what is offered.
    #[must_use]
    pub fn entry_text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            Self::File { offer } => Some(offer.what.name()),
            _ => None,
        }
    }
}

fn at_most(field: &'static str, got: usize, max: usize) -> Result<(), ContentError> {
    if got > max { Err(ContentError::TooLong { field, max }) } else { Ok(()) }
}
