//! The one door through which CBOR comes in and goes out.
//!
//! In: bytes from a peer or from disk, with the size their place allows. Out: a value or a typed
//! error, never a panic and never an allocation larger than the input justifies.
//! CBOR as written here is not canonical, so signatures cover the bytes received, never a
//! re-encoding (see [`crate::crypto::sign`]).
//!
//! Decoding goes through `erased_serde`: otherwise the reader would be compiled anew for each of our four hundred types, which was a fifth of the program.
//!
//! Not here: what the values mean. Only this file names `serde_cbor`.

use serde::{Serialize, de::DeserializeOwned};

/// Why bytes could not become a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than this place allows; they were not looked at.
    #[error("{got} bytes exceed the {max} allowed here")]
    TooLarge {
        /// Bytes received.
        got: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Not one complete value of the expected shape, or bytes after it.
    #[error("malformed: {reason}")]
    Malformed {
        /// What the decoder stumbled on.
        reason: String,
    },
}

/// Why a value of a library's type could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot be encoded: {reason}")]
pub struct EncodeError {
    /// What the type's serialiser said.
    pub reason: String,
}

/// Encodes a value.
///
/// # Panics
/// Never for the types of this crate: they hold no maps with failing keys and no foreign serialisers,
/// and writing to memory cannot fail.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_cbor::ser::to_vec_packed(value).expect("plain data encodes into memory")
}

/// Encodes a value of a library's type, with the names of its fields, so that a later version of the library which
/// has more of them reads it.
///
/// # Errors
/// When the type's own serialiser refuses.
pub fn encode_foreign<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError> {
    serde_cbor::to_vec(value).map_err(|error| EncodeError { reason: error.to_string() })
}

/// Decodes exactly one value from at most `max` bytes.
///
/// # Errors
/// [`DecodeError::TooLarge`] before anything is read, [`DecodeError::Malformed`] for anything that is
/// not exactly one value, trailing bytes included.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLarge { got: bytes.len(), max });
    }
    let mut reader = serde_cbor::Deserializer::from_slice(bytes);
    let value = erased_serde::deserialize(&mut <dyn erased_serde::Deserializer>::erase(&mut reader));
    let value = value.map_err(|error| DecodeError::Malformed { reason: error.to_string() })?;
    reader.end().map_err(|error| DecodeError::Malformed { reason: error.to_string() })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&7u8);
        bytes.push(0);
        assert!(matches!(decode::<u8>(&bytes, 64), Err(DecodeError::Malformed { .. })));
    }

    #[test]
    fn oversized_input_is_refused_before_it_is_read() {
        assert_eq!(decode::<u8>(&[0xff; 10], 9), Err(DecodeError::TooLarge { got: 10, max: 9 }));
    }

    #[test]
    fn deep_nesting_is_refused_without_overflowing_the_stack() {
        let bytes = vec![0x81; 60_000];
        assert!(decode::<Vec<u8>>(&bytes, 64 * 1024).is_err());
    }

    proptest! {
        #[test]
        fn what_was_encoded_decodes_to_itself(text: String, numbers: Vec<u64>) {
            let value = (text, numbers);
            prop_assert_eq!(decode::<(String, Vec<u64>)>(&encode(&value), 1 << 20), Ok(value));
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ignored_result = decode::<(String, Vec<u64>)>(&bytes, 1 << 16);
        }
    }
}
