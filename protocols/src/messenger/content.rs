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
use unicode_properties::UnicodeEmoji as _;
use unicode_segmentation::UnicodeSegmentation as _;

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
    /// It disappears so many seconds after it was read, or sent; entries only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<u32>,
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
    /// What either writes from now on disappears after a time.
    Timer {
        /// So many seconds after it was read, or sent, at most [`limits::MAX_LASTS_SECS`]; `None`: it stays.
        lasts: Option<u32>,
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
    /// A reaction that is not one emoji.
    #[error("a reaction is one emoji")]
    NoEmoji,
    /// Sequence numbers begin at 1.
    #[error("sequence number 0")]
    NoSequence,
    /// A pass that the owner of its mailbox has not signed.
    #[error("a mailbox pass is not signed by its mailbox")]
    BadPass,
    /// No time, or longer than is acceptable.
    #[error("messages disappear after 1 to {} seconds", limits::MAX_LASTS_SECS)]
    BadTimer,
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
        is_time(self.lasts)?;
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
            Self::Reaction { emoji: None, .. } => Ok(()),
            Self::Reaction { emoji: Some(emoji), .. } => {
                at_most("emoji", emoji.len(), limits::MAX_EMOJI_BYTES)?;
                if is_emoji(emoji) { Ok(()) } else { Err(ContentError::NoEmoji) }
            }
            Self::Read { ids } => at_most("ids", ids.len(), Content::MAX_READ),
            Self::Mailbox { passes } => {
                at_most("passes", passes.len(), limits::MAX_PASSES)?;
                let pinned = passes.iter().map(|pass| pass.pinned.len()).max().unwrap_or(0);
                at_most("pinned", pinned, limits::MAX_PINS)?;
                if passes.iter().all(MailboxPass::holds) { Ok(()) } else { Err(ContentError::BadPass) }
            }
            Self::File { offer } => Ok(offer.check()?),
            Self::Timer { lasts } => is_time(*lasts),
        }
    }

    /// Whether people see it as an entry of its own in the conversation.
    #[must_use]
    pub const fn is_entry(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::File { .. } | Self::Timer { .. })
    }

    /// Whether it disappears where a conversation has a timer.
    #[must_use]
    pub const fn disappears(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::File { .. })
    }

    /// The earlier message that it changes, if it is of that kind.
    #[must_use]
    pub const fn target(&self) -> Option<MsgId> {
        match self {
            Self::Edit { target, .. } | Self::Delete { target } | Self::Reaction { target, .. } => {
                Some(*target)
            }
            _ => None,
        }
    }

    /// Takes the text out, for good. Only a history has such contents: on the wire a text of nothing is refused.
    pub fn erase(&mut self) {
        match self {
            Self::Text { text, reply_to } => {
                *text = String::new();
                *reply_to = None;
            }
            Self::Edit { text, .. } => *text = String::new(),
            _ => {}
        }
    }

    /// Whether its text was taken out.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        matches!(self, Self::Text { text, .. } | Self::Edit { text, .. } if text.is_empty())
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

/// One character as people see them, made of emoji and what joins them: nobody hangs a sentence, or a tower of accents, below a message.
fn is_emoji(text: &str) -> bool {
    // Keycaps, variation selectors, the joiner, tags of regional flags.
    let joins =
        |c: char| matches!(c, '\u{20e3}' | '\u{fe0f}' | '\u{fe0e}' | '\u{200d}' | '\u{e0020}'..='\u{e007f}');
    // What Unicode keeps free for emoji of later versions: somebody with a newer program may have them already.
    let later = |c: char| matches!(c, '\u{1f000}'..='\u{1faff}' | '\u{1fc00}'..='\u{1fffd}');
    let draws = |c: char| c.is_emoji_char() || later(c);
    // Digits are emoji by themselves to Unicode, but not to people; what only joins draws nothing.
    text.graphemes(true).count() == 1
        && !text.is_ascii()
        && text.chars().any(draws)
        && text.chars().all(|c| draws(c) || joins(c))
}

fn is_time(lasts: Option<u32>) -> Result<(), ContentError> {
    if lasts.is_none_or(|secs| (1..=limits::MAX_LASTS_SECS).contains(&secs)) {
        Ok(())
    } else {
        Err(ContentError::BadTimer)
    }
}

fn at_most(field: &'static str, got: usize, max: usize) -> Result<(), ContentError> {
    if got > max { Err(ContentError::TooLong { field, max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaction(emoji: &str) -> Result<(), ContentError> {
        let emoji = Some(emoji.to_owned());
        Body::Reaction { target: MsgId::from_bytes([1; 16]), emoji }.check()
    }

    #[test]
    fn a_reaction_is_one_emoji_and_nothing_else() {
        let later = "\u{1faff}";
        for good in ["👍", "❤️", "👨‍👩‍👧‍👦", "🇨🇭", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "👍🏽", "1️⃣", "😂", later]
        {
            assert_eq!(reaction(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            " ",
            "a",
            "7",
            "👍👍",
            "ok 👍",
            "<b>",
            "e\u{301}\u{301}\u{301}",
            "👍\u{301}",
            "\u{202e}",
            "\u{fe0f}",
            "\u{200d}",
            "\u{e0061}",
            "🇨🇭🇨🇭",
        ] {
            assert_eq!(reaction(bad), Err(ContentError::NoEmoji), "{bad:?}");
        }
        let long = "👨\u{200d}".repeat(10);
        assert!(matches!(reaction(&long), Err(ContentError::TooLong { .. })));
    }

    #[test]
    fn what_was_erased_says_nothing_and_could_not_be_sent() {
        let target = MsgId::from_bytes([1; 16]);
        for mut body in [
            Body::Text { text: "secret".into(), reply_to: Some(target) },
            Body::Edit { target, text: "secret".into() },
        ] {
            assert!(!body.is_erased());
            body.erase();
            assert!(body.is_erased());
            assert_eq!(body.check(), Err(ContentError::Empty { field: "text" }));
        }
    }
}
