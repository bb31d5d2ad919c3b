//! Frames of `/pc2/mbx/1`: deposit, fetch, acknowledge, compare, call, pin.
//!
//! One request-response protocol. What decides anything is signed, by a key that follows from the mailbox's address or by the holder, and can
//! be checked by whoever it is shown to. Decoding a frame bounds it, and does not look into deposits.
//! Spec with golden bytes: `docs/protocol/mailbox.md`.
//!
//! Not here: what is in a deposit ([`super::deposit`]), what a holder decides (`holder`).

use super::keys;
use crate::{
    codec::{self, DecodeError},
    crypto::sign::{self, Domain, SIGNATURE_BYTES, Signer},
    id::{EnvelopeId, MailboxAddress, NodeId},
    limits,
    net::Protocol,
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// What one node asks another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Keep this for the owner of the mailbox in it.
    Deposit {
        /// A [`super::deposit::Deposit`], encoded.
        deposit: ByteBuf,
    },
    /// Show me what is in my mailbox.
    Fetch {
        /// A [`FetchAsk`], encoded.
        ask: ByteBuf,
        /// Of the mailbox's owner, over `ask`.
        #[serde(with = "serde_bytes")]
        signature: [u8; SIGNATURE_BYTES],
    },
    /// I have these: let them go.
    Ack {
        /// Which.
        acks: Acks,
    },
    /// One holder to another: I have these of a mailbox, and know these to be taken. Which do you lack?
    Offer {
        /// The mailbox.
        address: MailboxAddress,
        /// What I hold, at most [`limits::MAX_IDS`].
        ids: Vec<EnvelopeId>,
        /// What its owner has taken.
        acks: Option<Acks>,
    },
    /// A holder to an owner who asked for it: something new came.
    News {
        /// In which mailbox.
        address: MailboxAddress,
    },
    /// These mailboxes are mine: keep what comes to lie in them longer.
    Pin {
        /// A [`super::pin::PinAsk`], encoded.
        ask: ByteBuf,
        /// Of the account, over `ask`.
        #[serde(with = "serde_bytes")]
        signature: [u8; SIGNATURE_BYTES],
        /// Of the owner of each mailbox in it, in their order, over `ask`: at most [`limits::MAX_PINNED_MAILBOXES`].
        owners: Vec<ByteBuf>,
    },
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// To `Deposit`: it is on the holder's disk.
    Receipt {
        /// Until when it is kept.
        until: UnixMillis,
        /// Of the holder, over a [`ReceiptClaim`].
        #[serde(with = "serde_bytes")]
        signature: [u8; SIGNATURE_BYTES],
    },
    /// To `Deposit`: the owner has it already, and said so.
    Taken {
        /// The owner's word.
        acks: Acks,
    },
    /// To `Fetch`: whole deposits in the order of their ids.
    Page {
        /// Each a [`super::deposit::Deposit`], encoded.
        deposits: Vec<ByteBuf>,
        /// There is more after this one. `None`: that was all.
        next: Option<EnvelopeId>,
    },
    /// To `Ack`: they are gone, and will not come back.
    Acked,
    /// To `Offer`: these I lack.
    Want {
        /// Which, at most [`limits::MAX_ACKS`] at once.
        ids: Vec<EnvelopeId>,
        /// What its owner has taken of what was offered.
        acks: Option<Acks>,
    },
    /// To `News`.
    Heard,
    /// To anything: nothing was done.
    Refused {
        /// Why.
        reason: Refusal,
    },
    /// To `Pin`: so it will be.
    Pinned,
}

/// Who owns a mailbox: whatever they sign can be checked against its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Owner {
    /// Of the mailbox of a week: its key.
    Week {
        /// The key.
        #[serde(with = "serde_bytes")]
        mailbox: [u8; 32],
    },
    /// Of a mailbox for strangers: the node.
    Intro {
        /// The node.
        node: NodeId,
    },
}

impl Owner {
    /// Where the mailbox is.
    #[must_use]
    pub fn address(&self) -> MailboxAddress {
        match self {
            Self::Week { mailbox } => keys::address_of(mailbox),
            Self::Intro { node } => keys::intro_address(*node),
        }
    }

    /// The key that signs for the mailbox.
    #[must_use]
    pub const fn key(&self) -> NodeId {
        match self {
            Self::Week { mailbox } => NodeId::from_bytes(*mailbox),
            Self::Intro { node } => *node,
        }
    }
}

/// What an owner asks a holder, and signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchAsk {
    /// Whose mailbox.
    pub owner: Owner,
    /// Who is asked: no other holder can be shown it.
    pub holder: NodeId,
    /// Only what comes after this one in the order of ids.
    pub after: Option<EnvelopeId>,
    /// Not these, at most [`limits::MAX_IDS`]: the owner has them.
    pub known: Vec<EnvelopeId>,
    /// How many bytes of deposits the owner takes at once. A single larger one comes alone.
    pub max_bytes: u32,
    /// By the owner's clock.
    pub time: UnixMillis,
    /// Say so when something new comes ([`Request::News`]), for a while.
    pub subscribe: bool,
}

impl FetchAsk {
    /// The frame, signed by the owner's key.
    #[must_use]
    pub fn sign(&self, owner: &Signer) -> Request {
        let ask = codec::encode(self);
        let signature = owner.sign(Domain::MailboxFetch, &ask);
        Request::Fetch { ask: ask.into(), signature }
    }

    /// Reads and checks one that was sent to `holder`.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(
        ask: &[u8],
        signature: &[u8; SIGNATURE_BYTES],
        holder: NodeId,
        now: UnixMillis,
    ) -> Result<Self, Refusal> {
        let decoded: Self =
            codec::decode(ask, Protocol::Mailbox.max_frame_bytes()).map_err(|_| Refusal::Malformed)?;
        if decoded.known.len() > limits::MAX_IDS || decoded.holder != holder {
            return Err(Refusal::Malformed);
        }
        sign::verify(decoded.owner.key(), Domain::MailboxFetch, ask, signature)
            .map_err(|_| Refusal::BadSignature)?;
        let apart = now.since(decoded.time).max(decoded.time.since(now));
        if apart > limits::CLOCK_TOLERANCE { Err(Refusal::Untimely) } else { Ok(decoded) }
    }
}

/// Envelopes of one mailbox that its owner has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acks {
    /// Whose.
    pub owner: Owner,
    /// Which, at most [`limits::MAX_ACKS`].
    pub taken: Vec<Ack>,
}

/// One envelope that its owner has taken. Holds for ever: it can be handed on, and repeating it changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Which.
    pub id: EnvelopeId,
    /// SHA-256 of its sealed bytes: somebody else's under the same name is not meant.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 32],
    /// Of the mailbox's owner, over an [`AckClaim`].
    #[serde(with = "serde_bytes")]
    pub signature: [u8; SIGNATURE_BYTES],
}

/// What an owner signs of a taken envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AckClaim {
    /// The mailbox.
    pub address: MailboxAddress,
    /// The envelope.
    pub id: EnvelopeId,
    /// SHA-256 of its sealed bytes.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 32],
}

impl AckClaim {
    /// The owner's word.
    #[must_use]
    pub fn sign(&self, owner: &Signer) -> Ack {
        let signature = owner.sign(Domain::MailboxAck, &codec::encode(self));
        Ack { id: self.id, digest: self.digest, signature }
    }
}

impl Ack {
    /// Whether the owner of a mailbox gave it.
    #[must_use]
    pub fn holds(&self, owner: &Owner, address: MailboxAddress) -> bool {
        let claim = AckClaim { address, id: self.id, digest: self.digest };
        owner.address() == address
            && sign::verify(owner.key(), Domain::MailboxAck, &codec::encode(&claim), &self.signature).is_ok()
    }
}

/// What a holder signs of an envelope on its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReceiptClaim {
    /// The mailbox.
    pub address: MailboxAddress,
    /// The envelope.
    pub id: EnvelopeId,
    /// SHA-256 of its sealed bytes.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 32],
    /// Until when it is kept.
    pub until: UnixMillis,
}

impl ReceiptClaim {
    /// The holder's word.
    #[must_use]
    pub fn sign(&self, holder: &Signer) -> Answer {
        let signature = holder.sign(Domain::MailboxReceipt, &codec::encode(self));
        Answer::Receipt { until: self.until, signature }
    }

    /// Whether a holder gave it.
    #[must_use]
    pub fn is_signed(&self, holder: NodeId, signature: &[u8; SIGNATURE_BYTES]) -> bool {
        sign::verify(holder, Domain::MailboxReceipt, &codec::encode(self), signature).is_ok()
    }
}

/// Why a holder did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Beyond a limit, or not what it should be.
    #[error("not the form of a deposit or request")]
    Malformed,
    /// A signature does not hold.
    #[error("a signature does not hold")]
    BadSignature,
    /// The pass or puzzle is not for this mailbox, or the puzzle is not solved.
    #[error("no right to deposit in this mailbox")]
    NoRight,
    /// Its week is over or has not come, or the asker's clock is off.
    #[error("not at this time")]
    Untimely,
    /// Another envelope has this name here.
    #[error("another envelope has this name")]
    Conflict,
    /// The mailbox is full.
    #[error("the mailbox is full")]
    MailboxQuota,
    /// The pass is used up.
    #[error("the mailbox takes no more from this depositor")]
    PassQuota,
    /// The holder keeps as much as it will of what this peer brought.
    #[error("too much from one node")]
    SourceQuota,
    /// The holder keeps as much as it will from this part of the network.
    #[error("too much from one part of the network")]
    PrefixQuota,
    /// The disk lent to mailboxes is full.
    #[error("the disk space lent to mailboxes is full")]
    Full,
    /// The holder keeps nothing for others, or not for this mailbox.
    #[error("keeps no mailboxes for others")]
    NotAHolder,
    /// Too much is asked of it at this moment.
    #[error("busy")]
    Busy,
    /// The holder's owner has not allowed this account to pin it.
    #[error("its owner has not allowed it")]
    NotServed,
}

impl Refusal {
    /// Whether the same can be expected to work at this holder later.
    #[must_use]
    pub const fn worth_retrying(self) -> bool {
        match self {
            Self::Malformed | Self::BadSignature | Self::NoRight | Self::Conflict => false,
            Self::Untimely
            | Self::MailboxQuota
            | Self::PassQuota
            | Self::SourceQuota
            | Self::PrefixQuota
            | Self::Full
            | Self::NotAHolder
            | Self::Busy
            | Self::NotServed => true,
        }
    }

    /// Whether whoever asked misbehaved.
    #[must_use]
    pub const fn blames_peer(self) -> bool {
        match self {
            Self::Malformed | Self::BadSignature | Self::NoRight => true,
            Self::Untimely
            | Self::Conflict
            | Self::MailboxQuota
            | Self::PassQuota
            | Self::SourceQuota
            | Self::PrefixQuota
            | Self::Full
            | Self::NotAHolder
            | Self::Busy
            | Self::NotServed => false,
        }
    }
}

/// Why bytes are no frame. Whoever sent them misbehaved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Too large, or not exactly one value.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A list in it is too long.
    #[error("a list of {got} exceeds {max}")]
    TooMany {
        /// How many there are.
        got: usize,
        /// How many there may be.
        max: usize,
    },
}

const fn at_most(got: usize, max: usize) -> Result<(), FrameError> {
    if got > max { Err(FrameError::TooMany { got, max }) } else { Ok(()) }
}

fn bounded(acks: Option<&Acks>) -> Result<(), FrameError> {
    at_most(acks.map_or(0, |acks| acks.taken.len()), limits::MAX_ACKS)
}

impl Request {
    /// The bytes of the frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`FrameError`] when it is too large, not exactly one request, or has too long a list.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let request = codec::decode(bytes, Protocol::Mailbox.max_frame_bytes())?;
        match &request {
            Self::Deposit { .. } | Self::Fetch { .. } | Self::News { .. } => {}
            Self::Ack { acks } => bounded(Some(acks))?,
            Self::Pin { owners, .. } => at_most(owners.len(), limits::MAX_PINNED_MAILBOXES)?,
            Self::Offer { ids, acks, .. } => {
                at_most(ids.len(), limits::MAX_IDS)?;
                bounded(acks.as_ref())?;
            }
        }
        Ok(request)
    }
}

impl Answer {
    /// The bytes of the frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`FrameError`] when it is too large, not exactly one answer, or has too long a list.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let answer = codec::decode(bytes, Protocol::Mailbox.max_frame_bytes())?;
        match &answer {
            Self::Receipt { .. } | Self::Acked | Self::Heard | Self::Refused { .. } | Self::Pinned => {}
            Self::Taken { acks } => bounded(Some(acks))?,
            Self::Page { deposits, .. } => at_most(deposits.len(), limits::MAX_IDS)?,
            Self::Want { ids, acks } => {
                at_most(ids.len(), limits::MAX_ACKS)?;
                bounded(acks.as_ref())?;
            }
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
