//! Frames of `/pc2/file/1`: a question for some groups of a blob, a word about an offer, and what is said to them.
//!
//! A stream carries questions of whoever opened it, one after the other; each is answered in order, by one [`Answer`] and, after
//! [`Answer::Sending`], by the groups with their proof. A frame is two bytes of length (big-endian), then one CBOR value. The next question
//! may be sent before the last is answered.
//! Spec with golden bytes: `docs/protocol/files.md`.
//!
//! Not here: who may ask ([`super::machine`](super)), the bytes of groups (`pc2-storage`, `blobs`), streams and their ends (`pc2-actors`).

use crate::{
    blob::{BlobSize, Groups, piece_of},
    codec::{self, DecodeError},
    id::{BlobId, OfferId},
    limits::MAX_FILE_FRAME_BYTES,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The name of the protocol on the wire.
pub const FILE_PROTOCOL: &str = "/pc2/file/1";

/// A stream whose first frame does not come within this time is closed.
pub const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

/// An answer's frame that does not come within this time will not: who is asked may have to read a file of 16 MiB first.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(20);

/// A stream without a question is closed after this time.
pub const IDLE_PATIENCE: Duration = Duration::from_secs(60);

/// What one node asks another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Send me this.
    Pull {
        /// What.
        ask: Pull,
    },
    /// Know this.
    Tell {
        /// About which offer between the two.
        offer: OfferId,
        /// What.
        word: Word,
    },
}

/// A question for some groups of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pull {
    /// The offer that gives the right to it.
    pub offer: OfferId,
    /// The blob: what the offer names, or one in the list of its collection; the key of what is offered in pieces.
    pub blob: BlobId,
    /// Its size, as the asker was told.
    pub size: BlobSize,
    /// Which groups; at least one, and within the size.
    pub groups: Groups,
}

/// What one side of an offer tells the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Word {
    /// From who offered: it is taken back.
    Withdrawn,
    /// From who was offered it: not wanted.
    Declined,
    /// From who was offered it: all of it has arrived.
    Received,
    /// From who was offered it: too many offers wait there for a decision already. Offer it again later.
    TooMany,
    /// From who was offered it: it was wanted, and is no longer.
    Cancelled,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// To `Pull`: the groups asked for follow, with their proof.
    Sending,
    /// To `Tell`: it is on disk, or was known.
    Noted,
    /// To anything: nothing was done.
    Refused {
        /// Why.
        reason: Refusal,
    },
    /// To `Pull` of what is offered in pieces: the groups asked for follow, all of one piece, with their proof by its hash.
    SendingPiece {
        /// The hash of the piece, as of a blob that has its bytes and no others.
        piece: BlobId,
    },
}

/// Why nothing was done.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, thiserror::Error,
)]
pub enum Refusal {
    /// There is no such offer between the two, or the blob is none of it. The same whether the blob exists or not.
    #[error("it was not offered to you")]
    NotOffered,
    /// The offer was taken back.
    #[error("the offer was taken back")]
    Withdrawn,
    /// The offer has run out.
    #[error("the offer has run out")]
    Expired,
    /// The asker declined it, or said that it has everything.
    #[error("the offer is over")]
    Over,
    /// The file was changed since it was offered.
    #[error("the file was changed since it was offered")]
    SourceChanged,
    /// The file is not there any more.
    #[error("the file is not there any more")]
    SourceGone,
    /// Too much is being sent already; to be asked again in some seconds.
    #[error("too much is being sent already")]
    Busy,
    /// The question breaks a limit, or contradicts the offer.
    #[error("the question was not understood")]
    Invalid,
    /// The disk of who is asked fails.
    #[error("the file cannot be read there")]
    Unreadable,
}

impl Request {
    /// The whole frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        frame(&codec::encode(self))
    }

    /// Reads what is in a frame, its length taken off.
    ///
    /// # Errors
    /// [`DecodeError`] for what is no question; nothing is answered, and the stream closed.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, MAX_FILE_FRAME_BYTES)
    }
}

impl Pull {
    /// Whether it can be answered at all.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.groups.is_empty() && self.groups.fit(self.size)
    }

    /// Whether all groups are of one piece.
    #[must_use]
    pub fn is_of_one_piece(&self) -> bool {
        let mut pieces =
            self.groups.ranges().flat_map(|range| [range.start, range.end.saturating_sub(1)]).map(piece_of);
        pieces.next().is_none_or(|first| pieces.all(|piece| piece == first))
    }
}

impl Answer {
    /// The whole frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        frame(&codec::encode(self))
    }

    /// Reads what is in a frame, its length taken off.
    ///
    /// # Errors
    /// [`DecodeError`] for what is no answer.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, MAX_FILE_FRAME_BYTES)
    }
}

/// How many bytes follow these two; `None` when that is nothing, or more than a frame may have: the stream is closed then.
#[must_use]
pub fn frame_length(prefix: [u8; 2]) -> Option<usize> {
    let length = usize::from(u16::from_be_bytes(prefix));
    (1..=MAX_FILE_FRAME_BYTES).contains(&length).then_some(length)
}

fn frame(value: &[u8]) -> Vec<u8> {
    // A question with the most ranges is under 3 KiB; a test says so.
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(value);
    bytes
}

#[cfg(test)]
mod tests;
