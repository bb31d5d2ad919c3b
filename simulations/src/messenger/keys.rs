//! Which cryptography a world runs with.
//!
//! [`Ledger`] for many worlds, [`Mls`] for some: the real thing takes a hundred times as long, and its library looks at
//! the computer's clock, so only the worlds of the ledger are the same to the last byte each time.

use pc2_mls::MlsProvider;
use pc2_protocols::{
    crypto::{keys::IdentityKeys, phrase::Phrase},
    id::{DeviceId, NodeId},
    mailbox::keys::MailboxKeys,
    messenger::session::{CryptoProvider, ledger::LedgerProvider},
    time::UnixMillis,
};
use rand_chacha::ChaCha20Rng;
use std::{collections::BTreeMap, time::SystemTime};

/// Makes the identities of a world and the sessions between them.
pub trait Keys: Clone {
    /// What the messengers run with.
    type Provider: CryptoProvider;

    /// The identity of a person.
    fn node(&self, person: usize) -> NodeId;

    /// The mailboxes of a person.
    fn mailbox(&self, person: usize) -> MailboxKeys;

    /// The date at which the world begins.
    fn beginning(&self) -> UnixMillis;

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

    fn mailbox(&self, person: usize) -> MailboxKeys {
        let root = [u8::try_from(person).unwrap_or(u8::MAX); 32];
        MailboxKeys::new(self.node(person), root.into())
    }

    fn beginning(&self) -> UnixMillis {
        UnixMillis(1_800_000_000_000)
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

/// MLS, as nodes run it.
#[derive(Clone)]
pub struct Mls {
    people: Vec<IdentityKeys>,
    beginning: UnixMillis,
}

impl Mls {
    /// Identities of as many people.
    #[must_use]
    pub fn new(people: u8) -> Self {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let beginning = UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        Self { people: (0..people).map(|n| Phrase::from_entropy(&[n; 16]).keys()).collect(), beginning }
    }
}

impl Keys for Mls {
    type Provider = MlsProvider;

    fn node(&self, person: usize) -> NodeId {
        self.people[person].node()
    }

    fn mailbox(&self, person: usize) -> MailboxKeys {
        self.people[person].mailbox_keys()
    }

    fn beginning(&self) -> UnixMillis {
        self.beginning
    }

    fn provider(
        &self,
        person: usize,
        device: DeviceId,
        stored: BTreeMap<Vec<u8>, Vec<u8>>,
        rng: ChaCha20Rng,
    ) -> MlsProvider {
        let keys = &self.people[person];
        let certificate = keys.certify_device(device, self.beginning);
        MlsProvider::new(&keys.device_signing_seed(device), certificate, stored, rng)
            .expect("a device reads what it wrote")
    }
}
