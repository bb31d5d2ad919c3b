//! From a seed to one Ed25519 secret key along a path: SLIP-0010, the Ed25519 part of it.
//!
//! In: the seed of BIP39 and a path. Out: the 32 bytes that RFC 8032 calls the secret key.
//! For Ed25519 every step is hardened: there are no public derivations, and so none here.
//!
//! Not here: which path PC2 uses (see [`super::keys`]).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use zeroize::Zeroizing;

/// HMAC key of the master node for this curve. Source: SLIP-0010, "Master key generation".
const CURVE: &[u8] = b"ed25519 seed";

/// Set in every index: the step is hardened.
const HARDENED: u32 = 1 << 31;

/// Derives the secret key at `path`; the hardening bit is added to every index.
pub(super) fn derive(seed: &[u8], path: &[u32]) -> Zeroizing<[u8; 32]> {
    let mut node = hmac_sha512(CURVE, &[seed]);
    for index in path {
        let (key, chain_code) = node.split_at(32);
        node = hmac_sha512(chain_code, &[&[0], key, &(index | HARDENED).to_be_bytes()]);
    }
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&node[..32]);
    key
}

fn hmac_sha512(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 64]> {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vectors;
    use ed25519_dalek::SigningKey;

    #[test]
    fn the_vectors_of_the_standard_hold() {
        let vectors = vectors::read(include_str!("../../testdata/identity/slip10-ed25519.txt"));
        assert_eq!(vectors.len(), 12);
        for vector in vectors {
            let steps = vector.text("path").split('/').skip(1);
            let path: Vec<u32> = steps.map(|step| step.parse().expect("an index")).collect();
            let secret = derive(&vector.bytes("seed"), &path);
            assert_eq!(*secret, vector.array("secret"), "{}", vector.text("path"));
            let public = SigningKey::from_bytes(&secret).verifying_key().to_bytes();
            assert_eq!(public, vector.array("public"), "{}", vector.text("path"));
        }
    }
}
