//! What an owner signs: the fields of a record, and the rules they keep.
//!
//! In: the signed bytes. Out: a body within its limits, or why not. A later version or kind is told from garbage before
//! anything else is read. Not here: the signature and the envelope around both ([`super::Record`]).

use super::{Card, Kind, RecordError};
use crate::{codec, id::NodeId, limits, time::UnixMillis};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// The version of the signed body. Another one is refused as unsupported.
pub(super) const VERSION: u8 = 1;

/// What the owner signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    pub(super) version: u8,
    pub(super) kind: u8,
    pub(super) owner: NodeId,
    pub(super) salt: ByteBuf,
    pub(super) seq: u64,
    pub(super) not_before: UnixMillis,
    pub(super) expires: UnixMillis,
    pub(super) payload: ByteBuf,
    pub(super) tombstone: bool,
}

/// What stands first in a body of any version: enough to tell a later version from garbage.
#[derive(Debug, Deserialize)]
struct Head {
    version: u8,
    kind: u8,
}

impl Body {
    pub(super) fn decode(bytes: &[u8]) -> Result<(Kind, Self), RecordError> {
        let head: Head = codec::decode(bytes, limits::MAX_RECORD_BYTES)?;
        if head.version != VERSION {
            return Err(RecordError::UnsupportedVersion { version: head.version });
        }
        let kind = Kind::signed(head.kind).ok_or(RecordError::UnsupportedKind { kind: head.kind })?;
        let body: Self = codec::decode(bytes, limits::MAX_RECORD_BYTES)?;
        body.check(kind)?;
        Ok((kind, body))
    }

    fn check(&self, kind: Kind) -> Result<(), RecordError> {
        let bad = |what| Err(RecordError::BadField { what });
        check_payload(&self.payload)?;
        if self.salt.len() > limits::MAX_SALT_BYTES {
            return bad("a salt may be 64 bytes at most");
        }
        if self.not_before >= self.expires {
            return bad("a record expires after it begins");
        }
        if self.expires > self.not_before.after(limits::RECORD_LIFETIME) {
            return bad("a record holds for 7 days at most");
        }
        if self.tombstone && !self.payload.is_empty() {
            return bad("a tombstone has no payload");
        }
        if kind == Kind::Card {
            if !self.salt.is_empty() {
                return bad("a card has no salt");
            }
            if !self.tombstone {
                Card::decode(&self.payload, self.owner)?;
            }
        }
        Ok(())
    }
}

pub(super) fn check_payload(payload: &[u8]) -> Result<(), RecordError> {
    if payload.len() > limits::MAX_PAYLOAD_BYTES {
        return Err(RecordError::BadField { what: "a payload may be 7,680 bytes at most" });
    }
    Ok(())
}
