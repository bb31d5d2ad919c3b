//! Sessions by MLS (RFC 9420), as OpenMLS implements it.
//!
//! A session is an MLS group of two devices. Its members never change: who is in it is checked when it begins, and
//! commits may do nothing but renew the committer's keys. A member's credential is its
//! [`DeviceCertificate`](pc2_protocols::crypto::device::DeviceCertificate), so the other side knows whose device it talks to without asking anybody.
//!
//! The parts: `provider` has the key packages and begins sessions, `session` runs one, `credential` checks who is
//! who, `store` holds what OpenMLS wants kept. Randomness for MLS comes from the generator passed in; HPKE inside
//! of OpenMLS draws its own from the operating system, so bytes differ from run to run where behaviour does not.
//! OpenMLS also asks the system's clock when it judges the lifetime of a key package.
//!
//! Not here: when keys are refreshed, what is sent again (the messenger decides both), and what is in a message.
//! Spec: `docs/protocol/messages-encryption.md`; turns: `docs/decisions/0003-turns-instead-of-proposals.md`.

mod credential;
mod provider;
mod session;
mod store;

pub use provider::MlsProvider;
pub use session::MlsSession;

use credential::DeviceKey;
use openmls::prelude::{
    Ciphersuite, MlsGroupJoinConfig, OpenMlsProvider, OpenMlsRand, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY,
    SenderRatchetConfiguration,
};
use openmls_rust_crypto::RustCrypto;
use pc2_protocols::limits;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::{cell::RefCell, convert::Infallible, sync::Arc};
use store::Store;

/// The only suite: X25519, ChaCha20-Poly1305, SHA-256, Ed25519; 0x0003 in RFC 9420.
const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;

/// How every session is set up, whoever begins it.
fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .max_past_epochs(limits::MAX_PAST_EPOCHS)
        .sender_ratchet_configuration(ratchet_config())
        .use_ratchet_tree_extension(true)
        .build()
}

fn ratchet_config() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(limits::OUT_OF_ORDER_TOLERANCE, limits::MAX_FORWARD_DISTANCE)
}

/// Reads exactly one MLS structure.
///
/// By way of a reader: where `tls_codec` reads from slices, lengths that exceed the input panic in debug builds.
fn read_exactly<T: tls_codec::Deserialize>(bytes: &[u8]) -> Result<T, tls_codec::Error> {
    let mut rest = bytes;
    let value = T::tls_deserialize(&mut rest)?;
    if rest.is_empty() { Ok(value) } else { Err(tls_codec::Error::TrailingData) }
}

/// Randomness for OpenMLS, from a seed.
struct Random(RefCell<ChaCha20Rng>);

impl OpenMlsRand for Random {
    type Error = Infallible;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], Infallible> {
        let mut bytes = [0; N];
        self.0.borrow_mut().fill_bytes(&mut bytes);
        Ok(bytes)
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, Infallible> {
        let mut bytes = vec![0; len];
        self.0.borrow_mut().fill_bytes(&mut bytes);
        Ok(bytes)
    }
}

/// What OpenMLS is given to work with.
struct Tools {
    crypto: Arc<RustCrypto>,
    random: Random,
    store: Store,
}

impl Tools {
    fn new(crypto: Arc<RustCrypto>, seed: [u8; 32], store: Store) -> Self {
        Self { crypto, random: Random(RefCell::new(ChaCha20Rng::from_seed(seed))), store }
    }
}

impl OpenMlsProvider for Tools {
    type CryptoProvider = RustCrypto;
    type RandProvider = Random;
    type StorageProvider = Store;

    fn storage(&self) -> &Store {
        &self.store
    }

    fn crypto(&self) -> &RustCrypto {
        &self.crypto
    }

    fn rand(&self) -> &Random {
        &self.random
    }
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;
