//! One record: the exact bytes that were signed, their signature, and what they say.
//!
//! In: bytes from a peer ([`Record::decode`] checks form, limits and signature), from our own disk
//! ([`Record::trusted`] checks form and limits only), or a [`Draft`] to sign. Out: a [`Record`] that is valid as long as it exists,
//! but for time: [`Record::validate`] asks the clock, [`Stamp::against`] compares two.
//!
//! The signature is over the body as received, never over a re-encoding. Not here: keys ([`super::key`]), storage.

use super::{
    Card, CardError, Kind, Stamp,
    body::{Body, VERSION, check_payload},
    hash_key,
    key::signed_key,
    payload_hash,
};
use crate::{
    codec::{self, DecodeError},
    crypto::sign::{self, BadSignature, Domain, SIGNATURE_BYTES, Signer},
    id::{NodeId, RecordKey},
    limits,
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// More bytes than a record may have.
    #[error("a record of {got} bytes exceeds {max}")]
    TooLarge {
        /// Its size.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// Not the form of a record.
    #[error("not a record: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// A version of the body that this node does not know.
    #[error("record version {version} is not known here")]
    UnsupportedVersion {
        /// Its version.
        version: u8,
    },
    /// A kind that this node does not know.
    #[error("record kind {kind} is not known here")]
    UnsupportedKind {
        /// Its number.
        kind: u8,
    },
    /// A field is beyond its limit or contradicts another.
    #[error("{what}")]
    BadField {
        /// Which, and what would be right.
        what: &'static str,
    },
    /// A card that is none.
    #[error(transparent)]
    BadCard(#[from] CardError),
    /// The owner did not sign it.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
}

impl RecordError {
    /// Whether a peer that sends such a record misbehaves (or merely speaks a later version).
    #[must_use]
    pub const fn blames_peer(&self) -> bool {
        match self {
            Self::UnsupportedVersion { .. } | Self::UnsupportedKind { .. } => false,
            Self::TooLarge { .. }
            | Self::Malformed { .. }
            | Self::BadField { .. }
            | Self::BadCard(_)
            | Self::BadSignature(_) => true,
        }
    }
}

impl From<DecodeError> for RecordError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLarge { got, max } => Self::TooLarge { got, max },
            DecodeError::Malformed { reason } => Self::Malformed { reason },
        }
    }
}

/// Why a record does not hold at this moment. Nobody is to blame: a clock may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untimely {
    /// Its time is over.
    #[error("the record has expired")]
    Expired,
    /// Its time has not begun: one of two clocks is wrong.
    #[error("the record is not valid yet")]
    NotYetValid,
}

/// What a record looks like on the wire and on disk.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum Envelope {
    /// Signed by its owner: the encoded [`Body`] and 64 bytes of signature.
    Signed { body: ByteBuf, signature: ByteBuf },
    /// Named by the hash of its payload.
    ByHash { payload: ByteBuf },
}

/// What an owner wants to say with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Card or value.
    pub kind: Kind,
    /// Tells values of one owner apart; empty for a card.
    pub salt: Vec<u8>,
    /// Higher than of all earlier ones under the same key.
    pub seq: u64,
    /// From when it holds.
    pub not_before: UnixMillis,
    /// Until when it holds; at most [`limits::RECORD_LIFETIME`] later.
    pub expires: UnixMillis,
    /// What it says. `None`: what was said before is withdrawn (a tombstone).
    pub payload: Option<Vec<u8>>,
}

/// A record whose form holds, and its signature unless it came from our own disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    bytes: Vec<u8>,
    key: RecordKey,
    says: Says,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Says {
    Signed { kind: Kind, body: Body, digest: [u8; 32] },
    ByHash { payload: ByteBuf },
}

impl Record {
    /// Reads a record that came from outside: form, limits and signature.
    ///
    /// # Errors
    /// [`RecordError`]; for nothing but a later version or kind the sender is not to blame.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (record, signature) = Self::parse(bytes)?;
        if let (Says::Signed { body, .. }, Some((signed, signature))) = (&record.says, signature) {
            sign::verify(body.owner, Domain::Record, &signed, &signature)?;
        }
        Ok(record)
    }

    /// Reads a record back that was verified before it was written to our disk: form and limits only.
    ///
    /// # Errors
    /// [`RecordError`] when the bytes are damaged.
    pub fn trusted(bytes: &[u8]) -> Result<Self, RecordError> {
        Self::parse(bytes).map(|(record, _)| record)
    }

    /// Signs a record of our own.
    ///
    /// # Errors
    /// [`RecordError::BadField`] or [`RecordError::BadCard`] when the draft breaks a limit.
    pub fn sign(signer: &Signer, draft: Draft) -> Result<Self, RecordError> {
        let tombstone = draft.payload.is_none();
        let body = codec::encode(&Body {
            version: VERSION,
            kind: draft.kind.number(),
            owner: signer.node(),
            salt: draft.salt.into(),
            seq: draft.seq,
            not_before: draft.not_before,
            expires: draft.expires,
            payload: draft.payload.unwrap_or_default().into(),
            tombstone,
        });
        let signature = signer.sign(Domain::Record, &body).to_vec();
        Self::trusted(&codec::encode(&Envelope::Signed { body: body.into(), signature: signature.into() }))
    }

    /// Makes a record that is named by the hash of its payload.
    ///
    /// # Errors
    /// [`RecordError::BadField`] when the payload is too large.
    pub fn by_hash(payload: Vec<u8>) -> Result<Self, RecordError> {
        Self::trusted(&codec::encode(&Envelope::ByHash { payload: payload.into() }))
    }

    /// Form and limits; hands out what is still to be verified.
    #[expect(clippy::type_complexity, reason = "signed bytes and signature, used by its two callers only")]
    fn parse(bytes: &[u8]) -> Result<(Self, Option<(ByteBuf, [u8; SIGNATURE_BYTES])>), RecordError> {
        match codec::decode(bytes, limits::MAX_RECORD_BYTES)? {
            Envelope::Signed { body: signed, signature } => {
                let signature: [u8; SIGNATURE_BYTES] = signature
                    .as_slice()
                    .try_into()
                    .map_err(|_| RecordError::BadField { what: "a signature has 64 bytes" })?;
                let (kind, body) = Body::decode(&signed)?;
                let key = signed_key(kind, body.owner, &body.salt);
                let digest = Sha256::digest(&signed).into();
                let record = Self { bytes: bytes.to_vec(), key, says: Says::Signed { kind, body, digest } };
                Ok((record, Some((signed, signature))))
            }
            Envelope::ByHash { payload } => {
                check_payload(&payload)?;
                let key = hash_key(&payload_hash(&payload));
                Ok((Self { bytes: bytes.to_vec(), key, says: Says::ByHash { payload } }, None))
            }
        }
    }

    /// Whether it holds at `now`, give or take [`limits::CLOCK_TOLERANCE`].
    ///
    /// # Errors
    /// [`Untimely`].
    pub fn validate(&self, now: UnixMillis) -> Result<(), Untimely> {
        let Says::Signed { body, .. } = &self.says else { return Ok(()) };
        if body.not_before > now.after(limits::CLOCK_TOLERANCE) {
            Err(Untimely::NotYetValid)
        } else if body.expires.after(limits::CLOCK_TOLERANCE) < now {
            Err(Untimely::Expired)
        } else {
            Ok(())
        }
    }

    /// The record as it travels and is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Where it lives.
    #[must_use]
    pub const fn key(&self) -> RecordKey {
        self.key
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match &self.says {
            Says::Signed { kind, .. } => *kind,
            Says::ByHash { .. } => Kind::ByHash,
        }
    }

    /// Who signed it. `None`: named by its hash.
    #[must_use]
    pub const fn owner(&self) -> Option<NodeId> {
        match &self.says {
            Says::Signed { body, .. } => Some(body.owner),
            Says::ByHash { .. } => None,
        }
    }

    /// What tells it from others of its owner and kind.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        match &self.says {
            Says::Signed { body, .. } => &body.salt,
            Says::ByHash { .. } => &[],
        }
    }

    /// Its sequence number; 0 when it is named by its hash.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        match &self.says {
            Says::Signed { body, .. } => body.seq,
            Says::ByHash { .. } => 0,
        }
    }

    /// Until when it holds. `None`: for ever; only the lease ends.
    #[must_use]
    pub const fn expires(&self) -> Option<UnixMillis> {
        match &self.says {
            Says::Signed { body, .. } => Some(body.expires),
            Says::ByHash { .. } => None,
        }
    }

    /// What it says. `None`: what was said before is withdrawn.
    #[must_use]
    pub fn payload(&self) -> Option<&[u8]> {
        match &self.says {
            Says::Signed { body, .. } => (!body.tombstone).then_some(body.payload.as_slice()),
            Says::ByHash { payload } => Some(payload),
        }
    }

    /// The card it carries. `None`: of another kind, or withdrawn.
    #[must_use]
    pub fn card(&self) -> Option<Card> {
        match &self.says {
            // The form was checked when the record was made: an error cannot come from here.
            Says::Signed { kind: Kind::Card, body, .. } if !body.tombstone => {
                Card::decode(&body.payload, body.owner).ok()
            }
            Says::Signed { .. } | Says::ByHash { .. } => None,
        }
    }

    /// What decides between this record and another under the same key.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        // Over what is signed, not over the envelope: a third party can frame the same body in other CBOR, and must
        // not make it look as if the owner had signed twice.
        let digest = match &self.says {
            Says::Signed { digest, .. } => *digest,
            Says::ByHash { .. } => *self.key.as_bytes(),
        };
        Stamp { seq: self.seq(), digest }
    }
}

#[cfg(test)]
mod tests;
