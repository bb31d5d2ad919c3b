//! Names of things: newtypes that are valid for as long as they exist.
//!
//! A [`NodeId`] is an Ed25519 public key; [`Did`] is how people write it. The libp2p PeerId is a re-encoding of
//! the same 32 bytes and is only made at the edge (`pc2-actors`, `net`). Parsing is strict, `Display` is
//! what people copy, `Debug` and [`NodeId::short`] are for logs.
//!
//! Not here: whether a key really signed something (see [`crate::crypto::sign`]).

use crate::base58;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};
use std::{fmt, str::FromStr};

/// What stands before the NodeId in a DID.
pub const DID_PREFIX: &str = "did:boson:";

/// Why a text is not the id it should be. Worded for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// Does not begin as a DID does.
    #[error("a DID begins with \"{DID_PREFIX}\"; this one does not")]
    NotADid,
    /// Holds a character that the Bitcoin Base58 alphabet does not have.
    #[error(
        "\"{character}\" at position {position} is no Base58 character (0, O, I and l are left out on purpose)"
    )]
    BadCharacter {
        /// The character.
        character: char,
        /// Its place, counted from 1.
        position: usize,
    },
    /// Decodes to another number of bytes than the id has.
    #[error("decodes to {got} bytes instead of {expected}; was it cut or mistyped?")]
    WrongLength {
        /// Bytes it decodes to.
        got: usize,
        /// Bytes it must have.
        expected: usize,
    },
    /// The right length, but no point of the Ed25519 curve.
    #[error("is not a public key; was it mistyped?")]
    NotAKey,
}

/// Reads a byte string of exactly this length, and nothing else that could be taken for one: an id has one encoding.
struct ExactBytes<const LEN: usize>;

impl<const LEN: usize> Visitor<'_> for ExactBytes<LEN> {
    type Value = [u8; LEN];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a byte string of {LEN} bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        let wrong = |_| E::custom(ParseIdError::WrongLength { got: bytes.len(), expected: LEN });
        bytes.try_into().map_err(wrong)
    }
}

/// A byte-array id: Serde as a byte string, Base58 for people.
macro_rules! byte_id {
    ($(#[$meta:meta])* $name:ident, $len:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;
            /// Wraps raw bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self { Self(bytes) }
            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] { &self.0 }
            /// The first characters, enough to tell ids apart in a log.
            #[must_use]
            pub fn short(&self) -> String { self.to_string().chars().take(8).collect() }
        }
        impl TryFrom<&[u8]> for $name {
            type Error = ParseIdError;
            fn try_from(bytes: &[u8]) -> Result<Self, ParseIdError> {
                bytes.try_into().map(Self)
                    .map_err(|_| ParseIdError::WrongLength { got: bytes.len(), expected: $len })
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base58::encode(&self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.short()) }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                Self::try_from(from_base58(text, $len)?.as_slice())
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_bytes(ExactBytes::<$len>).map(Self)
            }
        }
    };
}

byte_id! {
    /// A node's Ed25519 public key. `Display` and `FromStr` are Base58 (Bitcoin alphabet).
    ///
    /// Parsing text checks that it is a point of the curve; bytes from frames are checked where a signature is verified.
    NodeId, 32
}
byte_id! {
    /// One message, for ever and on every device. Chosen at random by whoever composes it.
    MsgId, 16
}
byte_id! {
    /// One installation of an identity: a restore from the phrase makes a new one, because what a
    /// device had sent and received before is unknown to it.
    DeviceId, 16
}
byte_id! {
    /// One end-to-end encrypted session (an MLS group).
    SessionId, 16
}
byte_id! {
    /// One conversation of an account. For two people it is the other's NodeId; groups will draw theirs at random.
    ConversationId, 32
}
byte_id! {
    /// Where a mailbox lives in the DHT: SHA-256 over a label and the key that owns it.
    MailboxAddress, 32
}
byte_id! {
    /// One envelope in a mailbox. Drawn at random by whoever deposits it; a second deposit of the same is none.
    EnvelopeId, 16
}
byte_id! {
    /// Where a record lives in the DHT: SHA-256 over what names it.
    RecordKey, 32
}
byte_id! {
    /// One offer of a file or folder to one person. Drawn at random by whoever offers; good only together with who that is.
    OfferId, 16
}
byte_id! {
    /// The bytes of one file: their BLAKE3 hash, of whatever name and place. Until every group of it has been verified it is what
    /// somebody claims.
    BlobId, 32
}

impl BlobId {
    /// The hash as `b3sum` prints it, 64 lower-case digits: what its files are called. No two ids differ in capitals only, which
    /// some file systems do not tell apart.
    #[must_use]
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().map_or('0', char::from);
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }

    /// Reads what [`Self::hex`] wrote; `None` for anything else, capitals included.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> =
            pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
        if rest.is_empty() { Self::try_from(bytes?.as_slice()).ok() } else { None }
    }
}

impl ConversationId {
    /// The conversation with one other person.
    #[must_use]
    pub const fn direct(peer: NodeId) -> Self {
        Self(peer.0)
    }

    /// The other person of a conversation of two.
    #[must_use]
    pub const fn peer(&self) -> NodeId {
        NodeId(self.0)
    }
}

impl NodeId {
    /// The same key as a DID.
    #[must_use]
    pub const fn did(self) -> Did {
        Did(self)
    }

    /// The bytes of the libp2p PeerId of this key: an identity multihash of its protobuf form.
    #[must_use]
    pub fn peer_id_bytes(&self) -> [u8; 38] {
        // identity hash (0x00), 36 bytes; field 1 key type Ed25519 (0x08 0x01); field 2, 32 bytes (0x12 0x20)
        const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
        let mut bytes = [0; 38];
        bytes[..6].copy_from_slice(&PREFIX);
        bytes[6..].copy_from_slice(&self.0);
        bytes
    }

    /// The libp2p PeerId as text (`12D3KooW…`).
    #[must_use]
    pub fn peer_id_text(&self) -> String {
        base58::encode(&self.peer_id_bytes())
    }
}

/// A decentralised identifier: `did:boson:<NodeId>`. What people exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Did(NodeId);

impl Did {
    /// The key it names.
    #[must_use]
    pub const fn node(self) -> NodeId {
        self.0
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DID_PREFIX}{}", self.0)
    }
}

impl FromStr for Did {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let id = text.trim().strip_prefix(DID_PREFIX).ok_or(ParseIdError::NotADid)?;
        let node: NodeId = id.parse()?;
        // A weak key (of small order) has no secret: nothing signed by it is ever accepted.
        match ed25519_dalek::VerifyingKey::from_bytes(node.as_bytes()) {
            Ok(key) if !key.is_weak() => Ok(Self(node)),
            _ => Err(ParseIdError::NotAKey),
        }
    }
}

/// Decodes Base58, refusing anything longer than `expected` bytes can be before decoding it.
fn from_base58(text: &str, expected: usize) -> Result<Vec<u8>, ParseIdError> {
    // Base58 needs 1.37 characters a byte; twice is beyond any valid text and bounds the quadratic decoder.
    if text.len() > expected * 2 {
        return Err(ParseIdError::WrongLength { got: text.len() * 3 / 4, expected });
    }
    bs58::decode(text).into_vec().map_err(|error| match error {
        bs58::decode::Error::InvalidCharacter { character, index } => {
            ParseIdError::BadCharacter { character, position: index + 1 }
        }
        bs58::decode::Error::NonAsciiCharacter { index } => ParseIdError::BadCharacter {
            character: text.get(index..).and_then(|rest| rest.chars().next()).unwrap_or('?'),
            position: index + 1,
        },
        _ => ParseIdError::WrongLength { got: text.len(), expected },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    /// RFC 8032 test 1 public key.
    const KEY: [u8; 32] = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e,
        0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
    ];

    #[test]
    fn a_did_reads_back_as_written() {
        let did = NodeId::from_bytes(KEY).did();
        assert_eq!(did.to_string().parse(), Ok(did));
        assert_eq!(format!("  {did}\n").parse(), Ok(did));
    }

    #[test]
    fn an_id_is_read_from_a_byte_string_of_its_length_and_nothing_else() {
        let read = |bytes: &[u8]| codec::decode::<MsgId>(bytes, 64);
        assert_eq!(read(&codec::encode(&MsgId::from_bytes([7; 16]))), Ok(MsgId::from_bytes([7; 16])));
        let text = codec::encode(&"a text of 16 let");
        let numbers = codec::encode(&[7u8; 16]);
        let short = codec::encode(&serde_bytes::ByteBuf::from([7; 15]));
        let long = codec::encode(&serde_bytes::ByteBuf::from([7; 17]));
        for wrong in [text, numbers, short, long] {
            assert!(read(&wrong).is_err(), "{wrong:x?}");
        }
    }

    #[test]
    fn a_blob_id_is_written_as_b3sum_does_and_reads_back() {
        let id = BlobId::from_bytes(KEY);
        assert!(id.hex().starts_with("d75a9801"));
        assert_eq!(BlobId::from_hex(&id.hex()), Some(id));
        for wrong in ["", "d7", &id.hex().to_uppercase(), &format!("{}0", id.hex()), &"é".repeat(32)] {
            assert_eq!(BlobId::from_hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_mistyped_did_is_told_what_is_wrong_with_it() {
        let did = NodeId::from_bytes(KEY).did().to_string();
        assert_eq!("hello".parse::<Did>(), Err(ParseIdError::NotADid));
        assert!(matches!(did[..did.len() - 4].parse::<Did>(), Err(ParseIdError::WrongLength { .. })));
        assert_eq!(
            did.replacen("boson:", "boson:0", 1).parse::<Did>(),
            Err(ParseIdError::BadCharacter { character: '0', position: 1 })
        );
        assert!("did:boson:é".parse::<Did>().is_err());
        assert!(format!("{DID_PREFIX}{}", "2".repeat(100_000)).parse::<Did>().is_err());
    }

    #[test]
    fn a_point_off_the_curve_is_no_did() {
        let off_curve = NodeId::from_bytes([2; 32]).did().to_string();
        assert_eq!(off_curve.parse::<Did>(), Err(ParseIdError::NotAKey));
    }

    #[test]
    fn a_key_that_nobody_can_sign_with_is_no_did() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        for weak in [identity_point, [0; 32]] {
            let did = NodeId::from_bytes(weak).did().to_string();
            assert_eq!(did.parse::<Did>(), Err(ParseIdError::NotAKey));
        }
    }

    #[test]
    fn the_peer_id_is_the_text_that_libp2p_shows() {
        assert!(NodeId::from_bytes(KEY).peer_id_text().starts_with("12D3KooW"));
    }
}
