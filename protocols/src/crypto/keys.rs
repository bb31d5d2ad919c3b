//! Every key of an identity, made from one seed.
//!
//! In: the 64-byte seed that BIP39 makes of the recovery phrase. Out: the identity's signing key by SLIP-0010
//! at [`PATH`], and by HKDF-SHA256, each under a label of its own, the key of the data at rest and the keys of devices.
//! No key is used for two purposes, and none can be computed from another.
//!
//! The seed is what `identity.json` keeps ([`super::keystore`]): the phrase cannot be computed back from it.
//!
//! Not here: the phrase itself ([`super::phrase`]). Spec with vectors: `docs/protocol/identity.md`.

use super::{device::DeviceCertificate, seal::StorageKey, sign::Signer, slip10};
use crate::{
    id::{DeviceId, NodeId},
    limits,
    mailbox::keys::MailboxKeys,
    time::UnixMillis,
};
use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use sha2::Sha256;
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// Length of the seed, in bytes. Source: BIP39, "From mnemonic to seed".
pub const SEED_BYTES: usize = 64;

/// The coin number of PC2 identities: the letters "PC2" as a number (0x504332). Registered for no coin.
/// Source: docs/decisions/0004-coin-number.md.
pub const COIN: u32 = 5_260_082;

/// Where an identity's signing key lies: `m/44'/5260082'/0'/0'/0'`. Source: docs/protocol/identity.md §2.
pub const PATH: [u32; 5] = [44, COIN, 0, 0, 0];

/// HKDF salt of everything derived from the seed. Keeps it apart from other uses of the same phrase.
const SALT: &[u8] = b"pc2 identity keys v1";

/// HKDF label of the key for data at rest. Labels end in a zero byte, so that none is a prefix of another.
const STORAGE_LABEL: &[u8] = b"pc2 storage key v1\0";

/// HKDF label of a device's signing key; the DeviceId follows.
const DEVICE_LABEL: &[u8] = b"pc2 device signing key v1\0";

/// Label of what all mailbox keys are made from.
const MAILBOX_LABEL: &[u8] = b"pc2 mailbox root v1\0";

/// HKDF label of the key that compiled modules are recognised by.
const ARTIFACT_LABEL: &[u8] = b"pc2 compiled modules v1\0";

/// All keys of one identity. Cheap to clone; the seed is wiped from memory with the last clone.
#[derive(Clone)]
pub struct IdentityKeys {
    seed: Arc<Zeroizing<[u8; SEED_BYTES]>>,
    signer: Signer,
}

impl IdentityKeys {
    /// Derives from a seed.
    #[must_use]
    pub fn from_seed(seed: Zeroizing<[u8; SEED_BYTES]>) -> Self {
        let signer = Signer::new(SigningKey::from_bytes(&slip10::derive(seed.as_slice(), &PATH)));
        Self { seed: Arc::new(seed), signer }
    }

    /// Whose keys these are.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.signer.node()
    }

    /// The capability to sign as this identity.
    #[must_use]
    pub fn signer(&self) -> Signer {
        self.signer.clone()
    }

    /// The key for data at rest.
    #[must_use]
    pub fn storage_key(&self) -> StorageKey {
        StorageKey::new(self.expand(&[STORAGE_LABEL]))
    }

    /// The Ed25519 secret of one device of this identity: what its end-to-end encrypted sessions sign with.
    /// The identity vouches for it by a [`super::device::DeviceCertificate`].
    #[must_use]
    pub fn device_signing_seed(&self, device: DeviceId) -> Zeroizing<[u8; 32]> {
        self.expand(&[DEVICE_LABEL, device.as_bytes()])
    }

    /// Vouches for a device from `created` on, for [`limits::DEVICE_CERTIFICATE_LIFETIME`].
    #[must_use]
    pub fn certify_device(&self, device: DeviceId, created: UnixMillis) -> DeviceCertificate {
        let key = SigningKey::from_bytes(&self.device_signing_seed(device)).verifying_key().to_bytes();
        let expires = created.after(limits::DEVICE_CERTIFICATE_LIFETIME);
        DeviceCertificate::issue(&self.signer, device, key, created, expires)
    }

    /// The keys of this identity's mailboxes.
    #[must_use]
    pub fn mailbox_keys(&self) -> MailboxKeys {
        MailboxKeys::new(self.node(), self.expand(&[MAILBOX_LABEL]))
    }

    /// The key of a keyed hash beside each compiled module: what nobody else can make is what this node compiled itself.
    #[must_use]
    pub fn artifact_key(&self) -> Zeroizing<[u8; 32]> {
        self.expand(&[ARTIFACT_LABEL])
    }

    /// The Ed25519 secret behind the NodeId, for the transport alone: libp2p proves with it that the connection
    /// ends at this PeerId. What it signs begins with a label of libp2p, never with one of [`super::sign::Domain`].
    #[must_use]
    pub fn transport_secret(&self) -> Zeroizing<[u8; 32]> {
        slip10::derive(self.seed.as_slice(), &PATH)
    }

    /// The seed, for the identity file.
    pub(super) fn seed(&self) -> &[u8; SEED_BYTES] {
        &self.seed
    }

    fn expand(&self, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(SALT), self.seed.as_slice())
            .expand_multi_info(info, key.as_mut_slice())
            .expect("32 bytes are within what HKDF-SHA256 gives");
        key
    }
}

impl fmt::Debug for IdentityKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKeys({})", self.node().short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{phrase::Phrase, seal, vectors};

    fn keys() -> IdentityKeys {
        IdentityKeys::from_seed(Zeroizing::new([3; SEED_BYTES]))
    }

    #[test]
    fn a_phrase_gives_the_keys_that_another_implementation_computed() {
        let vectors = vectors::read(include_str!("../../testdata/identity/identity.txt"));
        assert_eq!(vectors.len(), 4);
        for vector in vectors {
            let phrase: Phrase = vector.text("phrase").parse().expect("a valid phrase");
            let keys = phrase.keys();
            assert_eq!(keys.seed(), &vector.array("seed"));
            assert_eq!(*keys.transport_secret(), vector.array("signing_secret"));
            assert_eq!(keys.node().as_bytes(), &vector.array("public_key"));
            assert_eq!(keys.node().to_string(), vector.text("node_id"));
            assert_eq!(keys.node().did().to_string(), vector.text("did"));
            assert_eq!(keys.node().peer_id_text(), vector.text("peer_id"));
            let device = DeviceId::from_bytes(vector.array("device"));
            assert_eq!(*keys.device_signing_seed(device), vector.array("device_signing_seed"));
            let storage = StorageKey::new(Zeroizing::new(vector.array("storage_key")));
            let sealed = seal::seal(&storage, b"", b"a row", &[0; seal::NONCE_BYTES]);
            assert_eq!(seal::open(&keys.storage_key(), b"", &sealed), Ok(b"a row".to_vec()));
        }
    }

    #[test]
    fn the_transport_proves_the_same_node_id() {
        let public = SigningKey::from_bytes(&keys().transport_secret()).verifying_key();
        assert_eq!(NodeId::from_bytes(public.to_bytes()), keys().node());
    }

    #[test]
    fn each_device_has_its_own_key_and_gets_it_again() {
        let (one, two) = (DeviceId::from_bytes([1; 16]), DeviceId::from_bytes([2; 16]));
        assert_eq!(keys().device_signing_seed(one), keys().device_signing_seed(one));
        assert_ne!(keys().device_signing_seed(one), keys().device_signing_seed(two));
        assert_ne!(keys().device_signing_seed(one), keys().transport_secret());
    }

    #[test]
    fn the_seed_is_not_in_the_debug_output() {
        assert_eq!(format!("{:?}", keys()), format!("IdentityKeys({})", keys().node().short()));
    }
}
