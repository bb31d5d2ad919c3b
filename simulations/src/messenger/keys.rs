//! Which cryptography a world runs with.

use pc2_protocols::{
    id::{DeviceId, NodeId},
    messenger::session::{CryptoProvider, ledger::LedgerProvider},
};
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;

/// Makes the identities of a world and the sessions between them.
pub trait Keys: Clone {
    /// What the messengers run with.
    type Provider: CryptoProvider;

    /// The identity of a person.
    fn node(&self, person: usize) -> NodeId;

    /// A new life of a person's device.
    fn provider(
        &self,
        person: usize,
        device: DeviceId,
        stored: BTreeMap<Vec<u8>, Vec<u8>>,
        rng: ChaCha20Rng,
    ) -> Self::Provider;
}

/// The ledger: no secrecy, but every reuse of a key is noticed. Fast.
#[derive(Debug, Clone, Copy)]
pub struct Ledger;

impl Keys for Ledger {
    type Provider = LedgerProvider;

    fn node(&self, person: usize) -> NodeId {
        NodeId::from_bytes([u8::try_from(person + 1).unwrap_or(u8::MAX); 32])
    }

    fn provider(
        &self,
        person: usize,
        device: DeviceId,
        stored: BTreeMap<Vec<u8>, Vec<u8>>,
        rng: ChaCha20Rng,
    ) -> LedgerProvider {
        LedgerProvider::new(self.node(person), device, &stored, rng).expect("a device reads what it wrote")
    }
}
