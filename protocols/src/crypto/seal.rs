//! Sealing at rest: XChaCha20-Poly1305 around what storage writes.
//!
//! In: a key, a nonce drawn at random by the caller, the place the value belongs to (as associated data) and the
//! value. Out: `nonce ‖ ciphertext ‖ tag`, 40 bytes more than the value. A value opens only with the same key and at
//! the same place, so that rows can be neither read, changed nor moved by whoever holds the disk.
//!
//! A nonce has 24 bytes, so a random one may be drawn for every write of a lifetime without a collision.
//! One buffer is allocated in each direction, never larger than the input justifies.
//!
//! Not here: which row has which place (`pc2-storage`), where the key comes from ([`super::keys`]).

use chacha20poly1305::{AeadInOut as _, KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use std::fmt;
use zeroize::{Zeroize as _, Zeroizing};

/// Length of a nonce, in bytes.
pub const NONCE_BYTES: usize = 24;

/// Length of the authentication tag, in bytes.
const TAG_BYTES: usize = 16;

/// What sealing adds to a value, in bytes: the nonce and the tag.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// The key under which one node seals its data. Wiped from memory when dropped.
#[derive(Clone)]
pub struct StorageKey(Zeroizing<[u8; 32]>);

impl StorageKey {
    /// Takes the key in.
    #[must_use]
    pub const fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }
}

impl fmt::Debug for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StorageKey")
    }
}

/// Why a sealed value did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Shorter than any sealed value.
    #[error("{got} bytes are no sealed value: the shortest has {OVERHEAD_BYTES}")]
    TooShort {
        /// Bytes given.
        got: usize,
    },
    /// Sealed with another key or for another place, or changed since.
    #[error("sealed with another key or for another place, or changed since")]
    Refused,
}

/// Seals `plaintext` for the place `aad` names. The nonce must be fresh: drawn at random for this one value.
///
/// # Panics
/// Never for values that fit into memory: the cipher's own limit is 256 GiB.
#[must_use]
pub fn seal(key: &StorageKey, aad: &[u8], plaintext: &[u8], nonce: &[u8; NONCE_BYTES]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD_BYTES);
    sealed.extend_from_slice(nonce);
    sealed.extend_from_slice(plaintext);
    let body = &mut sealed[NONCE_BYTES..];
    let tag = cipher(key)
        .encrypt_inout_detached(&XNonce::from(*nonce), aad, body.into())
        .expect("a value in memory is shorter than the cipher's 256 GiB");
    sealed.extend_from_slice(&tag);
    sealed
}

/// Opens what [`seal`] made for the same place.
///
/// # Errors
/// [`OpenError`]; nothing of a value that does not authenticate is given out.
pub fn open(key: &StorageKey, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    let too_short = OpenError::TooShort { got: sealed.len() };
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(too_short)?;
    let (body, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(too_short)?;
    let mut plaintext = body.to_vec();
    let opened = cipher(key).decrypt_inout_detached(
        &XNonce::from(*nonce),
        aad,
        plaintext.as_mut_slice().into(),
        &Tag::from(*tag),
    );
    if opened.is_err() {
        plaintext.zeroize();
        return Err(OpenError::Refused);
    }
    Ok(plaintext)
}

fn cipher(key: &StorageKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*key.0).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> StorageKey {
        StorageKey::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_sealed_value_opens_at_its_own_place_with_its_own_key_only() {
        let sealed = seal(&key(1), b"messages\0row 1", b"hello", &[9; NONCE_BYTES]);
        assert_eq!(open(&key(1), b"messages\0row 1", &sealed), Ok(b"hello".to_vec()));
        assert_eq!(open(&key(1), b"messages\0row 2", &sealed), Err(OpenError::Refused));
        assert_eq!(open(&key(2), b"messages\0row 1", &sealed), Err(OpenError::Refused));
    }

    #[test]
    fn a_change_of_any_byte_is_noticed() {
        let sealed = seal(&key(1), b"place", b"hello", &[9; NONCE_BYTES]);
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(open(&key(1), b"place", &changed), Err(OpenError::Refused), "byte {position}");
        }
    }

    #[test]
    fn a_cut_value_is_refused() {
        let sealed = seal(&key(1), b"place", b"", &[9; NONCE_BYTES]);
        assert_eq!(sealed.len(), OVERHEAD_BYTES);
        assert_eq!(open(&key(1), b"place", &sealed), Ok(Vec::new()));
        for length in 0..sealed.len() {
            assert_eq!(open(&key(1), b"place", &sealed[..length]), Err(OpenError::TooShort { got: length }));
        }
    }

    #[test]
    fn sealing_allocates_once() {
        let sealed = seal(&key(1), b"place", &[0; 1000], &[9; NONCE_BYTES]);
        assert_eq!(sealed.capacity(), 1000 + OVERHEAD_BYTES);
    }

    #[test]
    fn the_key_is_not_in_the_debug_output() {
        assert_eq!(format!("{:?}", key(7)), "StorageKey");
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_to_itself(value: Vec<u8>, aad: Vec<u8>, nonce: [u8; NONCE_BYTES]) {
            let sealed = seal(&key(1), &aad, &value, &nonce);
            prop_assert_eq!(open(&key(1), &aad, &sealed), Ok(value));
        }

        #[test]
        fn garbage_never_opens(bytes: Vec<u8>) {
            prop_assert!(open(&key(1), b"place", &bytes).is_err());
        }
    }
}
