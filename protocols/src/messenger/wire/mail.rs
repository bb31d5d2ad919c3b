//! What is in an envelope: items for the recipient, what its writer has of the recipient's, or what is missing.
//!
//! The same items as in a frame of `/pc2/msg/1`, so that whichever comes first counts and the other is a repetition. Nobody answers an
//! envelope: a receipt is an envelope of its own, and is never acknowledged itself. It does not speak of single items but of
//! the state they led to; so a later one stands for all before it, and one that comes twice or late does no harm.
//!
//! Not here: sealing and depositing ([`crate::mailbox`]).

use super::{Item, over_limit};
use crate::{
    codec::{self, DecodeError},
    id::{DeviceId, SessionId},
    limits,
    mailbox::Parcel,
};
use serde::{Deserialize, Serialize};

/// The payload of an envelope. At most [`Parcel::MAX_PAYLOAD_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mail {
    /// Here are items for you, in the order they are to be processed. At most [`limits::MAX_BATCH_ITEMS`].
    Deliver {
        /// The items.
        items: Vec<Item>,
        /// Where the chains of their contents begin for a reader who has none of them: parcels come in any order. At most [`limits::MAX_RECEIPT_CHAINS`].
        first: Vec<ChainFirst>,
    },
    /// This is what I have of yours.
    Outcomes {
        /// Your chains, at most [`limits::MAX_RECEIPT_CHAINS`].
        chains: Vec<ChainHeard>,
        /// The sessions with you that I have, at most [`limits::MAX_RECEIPT_CHAINS`].
        sessions: Vec<SessionHeld>,
        /// Sessions you sealed in and I do not have, at most [`limits::MAX_LOST`]: start a new one.
        lost: Vec<SessionId>,
        /// I have let something go before I had decided about you: deposit again what I do not have.
        again: bool,
        /// The last week for which I have a pass of yours; 0: none.
        passes: u32,
    },
    /// I miss these of your messages, and cannot reach you: please deliver them again.
    Repair {
        /// Whose chain: one of your installations.
        device: DeviceId,
        /// Which numbers, ascending, within [`limits::MAX_REPAIR`] of the first.
        numbers: Vec<u64>,
    },
    /// To `Repair`: these will never come; the others follow as deliveries.
    Repairing {
        /// Whose chain: one of my installations.
        device: DeviceId,
        /// Which numbers, ascending, within [`limits::MAX_REPAIR`] of the first.
        gone: Vec<u64>,
    },
}

/// The lowest number of a chain that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainFirst {
    /// Which of my installations.
    pub device: DeviceId,
    /// What is below was received by you, or will never come.
    pub seq: u64,
}

/// How far a chain was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHeard {
    /// Which of your installations.
    pub device: DeviceId,
    /// Everything up to and including this is on my disk (or known to be gone).
    pub through: u64,
    /// And these beyond a gap, at most [`limits::SEND_WINDOW`].
    pub beyond: Vec<u64>,
    /// These are refused for good, at most [`limits::SEND_WINDOW`].
    pub refused: Vec<u64>,
}

/// A session, and how far its refreshes were followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionHeld {
    /// Which.
    pub session: SessionId,
    /// The last epoch that a refresh of yours ended and I followed.
    pub followed: Option<u64>,
}

impl ChainHeard {
    /// Whether a number is on the writer's disk, or was passed over.
    #[must_use]
    pub fn has(&self, seq: u64) -> bool {
        seq <= self.through || self.beyond.contains(&seq)
    }
}

/// Whether these are some numbers, each once, in order and within one repair.
fn are_near(numbers: &[u64]) -> bool {
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return false };
    let ascending = numbers.is_sorted_by(|one, next| one < next);
    *first >= 1 && ascending && last.checked_sub(*first).is_some_and(|more| more < limits::MAX_REPAIR)
}

impl Mail {
    /// The bytes of the payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a payload and checks its counts.
    ///
    /// # Errors
    /// When it is no mail, or exceeds a limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mail: Self = codec::decode(bytes, Parcel::MAX_PAYLOAD_BYTES)?;
        let window = |numbers: &[u64]| numbers.len() as u64 <= limits::SEND_WINDOW;
        let fits = match &mail {
            Self::Deliver { items, first } => {
                !items.is_empty()
                    && items.len() <= limits::MAX_BATCH_ITEMS
                    && items.iter().all(Item::fits)
                    && first.len() <= limits::MAX_RECEIPT_CHAINS
                    && first.iter().all(|first| first.seq >= 1)
            }
            Self::Outcomes { chains, sessions, lost, again: _, passes: _ } => {
                chains.len() <= limits::MAX_RECEIPT_CHAINS
                    && sessions.len() <= limits::MAX_RECEIPT_CHAINS
                    && lost.len() <= limits::MAX_LOST
                    && chains.iter().all(|chain| window(&chain.beyond) && window(&chain.refused))
            }
            Self::Repair { numbers, .. } | Self::Repairing { gone: numbers, .. } => are_near(numbers),
        };
        if fits { Ok(mail) } else { Err(over_limit()) }
    }
}
