//! Frames of `/pc2/record/1`: put a record, get a record.
//!
//! One request-response protocol between a node and each of the nodes closest to a key. Deleting is putting a signed
//! tombstone. The records inside are carried as the bytes that were signed; decoding a frame does not look into them.
//! Spec with golden bytes: `docs/protocol/records.md`.
//!
//! Not here: whether a record is acceptable ([`crate::record`]), what a holder decides ([`super::holder`]).

use crate::{
    codec::{self, DecodeError},
    id::RecordKey,
    net::Protocol,
    record::{RecordError, Untimely},
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// What one node asks another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Keep this record until its lease ends.
    Put {
        /// The record as signed.
        record: ByteBuf,
        /// The sequence number it is meant to replace: refused when the holder has a higher one. 0: there was none.
        expected_seq: Option<u64>,
    },
    /// Send the record under this key.
    Get {
        /// Which.
        key: RecordKey,
        /// Not if it has a lower sequence number than this.
        min_seq: u64,
    },
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// To `Put`: this record is on the holder's disk.
    Stored {
        /// Its sequence number.
        seq: u64,
    },
    /// To `Put`: nothing was changed.
    Refused {
        /// Why.
        reason: Refusal,
    },
    /// To `Get`: here it is.
    Found {
        /// The record as signed.
        record: ByteBuf,
    },
    /// To `Get`: none that is new enough.
    Nothing {
        /// The sequence number of the older one held, if any.
        held_seq: Option<u64>,
    },
}

/// Why a record was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// More bytes than a record may have.
    TooLarge,
    /// Not a record, or beyond a limit of its fields.
    Malformed,
    /// Its version or kind is not known to the holder.
    Unsupported,
    /// Its owner did not sign it.
    BadSignature,
    /// Its time is over by the holder's clock.
    Expired,
    /// Its time has not begun by the holder's clock.
    NotYetValid,
    /// The holder has a newer one.
    OlderThan {
        /// The sequence number of that one.
        current: u64,
    },
    /// The holder has another one with the same sequence number: the owner signed twice.
    Conflict,
    /// Compare and swap: the holder has one that the writer had not seen.
    CompareFailed {
        /// The sequence number of that one.
        current: u64,
    },
    /// The holder keeps as much of this owner as it will.
    OwnerQuota,
    /// The holder keeps as much as it will of what this peer brought.
    SourceQuota,
    /// The holder keeps as much as it will from this part of the network.
    PrefixQuota,
    /// The holder is full, and what it has is nearer to it.
    Full,
    /// The holder keeps nothing for others (participation level 1).
    NotParticipating,
}

impl Refusal {
    /// Whether the key is contested: there is a record that the writer has to look at before it writes again.
    #[must_use]
    pub const fn contests(self) -> bool {
        match self {
            Self::OlderThan { .. } | Self::Conflict | Self::CompareFailed { .. } => true,
            Self::TooLarge
            | Self::Malformed
            | Self::Unsupported
            | Self::BadSignature
            | Self::Expired
            | Self::NotYetValid
            | Self::OwnerQuota
            | Self::SourceQuota
            | Self::PrefixQuota
            | Self::Full
            | Self::NotParticipating => false,
        }
    }
}

impl From<&RecordError> for Refusal {
    fn from(error: &RecordError) -> Self {
        match error {
            RecordError::TooLarge { .. } => Self::TooLarge,
            RecordError::Malformed { .. } | RecordError::BadField { .. } | RecordError::BadCard(_) => {
                Self::Malformed
            }
            RecordError::UnsupportedVersion { .. } | RecordError::UnsupportedKind { .. } => Self::Unsupported,
            RecordError::BadSignature(_) => Self::BadSignature,
        }
    }
}

impl From<Untimely> for Refusal {
    fn from(untimely: Untimely) -> Self {
        match untimely {
            Untimely::Expired => Self::Expired,
            Untimely::NotYetValid => Self::NotYetValid,
        }
    }
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
    /// [`DecodeError`] when it is too large or not exactly one request.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, Protocol::Record.max_frame_bytes())
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
    /// [`DecodeError`] when it is too large or not exactly one answer.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, Protocol::Record.max_frame_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::vectors, limits};
    use proptest::prelude::*;

    fn golden(name: &str) -> Vec<u8> {
        let golden = vectors::read(include_str!("../../testdata/records.txt"));
        golden
            .iter()
            .find(|vector| vector.text("name") == name)
            .expect("a vector of that name")
            .bytes("frame")
    }

    #[test]
    fn every_request_has_the_golden_bytes_of_the_specification() {
        let value = vectors::read(include_str!("../../testdata/records.txt"));
        let value = value.iter().find(|vector| vector.text("name") == "value").expect("the value");
        let record = ByteBuf::from(value.bytes("record"));
        let key = RecordKey::from_bytes(value.array("key"));
        for (name, request) in [
            ("put", Request::Put { record: record.clone(), expected_seq: None }),
            ("put-if-0", Request::Put { record, expected_seq: Some(0) }),
            ("get", Request::Get { key, min_seq: 5 }),
        ] {
            assert_eq!(request.encode(), golden(name), "{name}");
            assert_eq!(Request::decode(&golden(name)), Ok(request), "{name}");
        }
    }

    #[test]
    fn every_answer_has_the_golden_bytes_of_the_specification() {
        let value = vectors::read(include_str!("../../testdata/records.txt"));
        let value = value.iter().find(|vector| vector.text("name") == "value").expect("the value");
        let refused = |reason| Answer::Refused { reason };
        for (name, answer) in [
            ("stored", Answer::Stored { seq: 1 }),
            ("found", Answer::Found { record: value.bytes("record").into() }),
            ("nothing", Answer::Nothing { held_seq: None }),
            ("nothing-but-4", Answer::Nothing { held_seq: Some(4) }),
            ("refused-too-large", refused(Refusal::TooLarge)),
            ("refused-malformed", refused(Refusal::Malformed)),
            ("refused-unsupported", refused(Refusal::Unsupported)),
            ("refused-bad-signature", refused(Refusal::BadSignature)),
            ("refused-expired", refused(Refusal::Expired)),
            ("refused-not-yet-valid", refused(Refusal::NotYetValid)),
            ("refused-older-than-9", refused(Refusal::OlderThan { current: 9 })),
            ("refused-conflict", refused(Refusal::Conflict)),
            ("refused-compare-failed-9", refused(Refusal::CompareFailed { current: 9 })),
            ("refused-owner-quota", refused(Refusal::OwnerQuota)),
            ("refused-source-quota", refused(Refusal::SourceQuota)),
            ("refused-prefix-quota", refused(Refusal::PrefixQuota)),
            ("refused-full", refused(Refusal::Full)),
            ("refused-not-participating", refused(Refusal::NotParticipating)),
        ] {
            assert_eq!(answer.encode(), golden(name), "{name}");
            assert_eq!(Answer::decode(&golden(name)), Ok(answer), "{name}");
        }
    }

    #[test]
    fn the_largest_record_fits_into_a_frame() {
        let record = ByteBuf::from(vec![0; limits::MAX_RECORD_BYTES]);
        let put = Request::Put { record: record.clone(), expected_seq: Some(u64::MAX) };
        assert_eq!(Request::decode(&put.encode()), Ok(put));
        let found = Answer::Found { record };
        assert_eq!(Answer::decode(&found.encode()), Ok(found));
    }

    #[test]
    fn a_frame_beyond_its_size_or_with_bytes_after_it_is_refused() {
        let huge =
            Request::Put { record: vec![0; limits::MAX_RECORD_FRAME_BYTES].into(), expected_seq: None };
        assert!(matches!(Request::decode(&huge.encode()), Err(DecodeError::TooLarge { .. })));
        let mut trailing = Answer::Stored { seq: 1 }.encode();
        trailing.push(0);
        assert!(matches!(Answer::decode(&trailing), Err(DecodeError::Malformed { .. })));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            if let Ok(request) = Request::decode(&bytes) {
                prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
            }
            if let Ok(answer) = Answer::decode(&bytes) {
                prop_assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
            }
        }

        #[test]
        fn a_get_reads_back_as_written(key: [u8; 32], min_seq: u64) {
            let get = Request::Get { key: RecordKey::from_bytes(key), min_seq };
            prop_assert_eq!(Request::decode(&get.encode()), Ok(get));
        }
    }
}
