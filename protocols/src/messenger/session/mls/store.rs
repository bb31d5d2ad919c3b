//! Where OpenMLS keeps the state of one session, or the key packages of the device.
//!
//! OpenMLS writes each part of its state whenever it changes. Here the parts are values in memory, encoded as CBOR (about half the
//! bytes of JSON). The store knows which of them differ from what was last taken ([`Store::take_changes`]), and
//! can go back to where a failed call began ([`Store::undo`]). One store holds one group, so keys name the part only.
//!
//! Damaged values are errors, never panics. Not here: proposals waiting for a commit, pre-shared keys and signature
//! keys; sessions use none, and a peer that makes OpenMLS ask for them is refused.

use super::super::StoreChange;
use crate::codec;
use openmls_traits::storage::{CURRENT_VERSION as V, StorageProvider, traits};
use serde::{Serialize, de::DeserializeOwned, de::IgnoredAny};
use std::{
    cell::{RefCell, RefMut},
    collections::BTreeMap,
};

/// Largest value read back, in bytes: three times the largest that can arise (docs/protocol/messages-encryption.md).
const MAX_VALUE_BYTES: usize = 1024 * 1024;

const KEY_PACKAGE: &[u8] = b"key package ";
const EPOCH_KEYS: &[u8] = b"epoch keys ";
const LEAF_KEYS: &[u8] = b"leaf keys ";
const OWN_LEAVES: &[u8] = b"own leaves";
const GROUP_STATE: &[u8] = b"group state";

type Values = BTreeMap<Vec<u8>, Vec<u8>>;

/// What changed values were before, by key.
type Before = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Why OpenMLS did not get or keep a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum StoreError {
    #[error(transparent)]
    Encode(#[from] codec::EncodeError),
    #[error(transparent)]
    Decode(#[from] codec::DecodeError),
    #[error("{what} have no place in a session of two")]
    NotUsed { what: &'static str },
}

/// The values, and what they were before.
#[derive(Default)]
struct Inner {
    values: Values,
    /// Before the call that is under way.
    call: Before,
    /// When changes were last taken.
    taken: Before,
}

impl Inner {
    fn set(&mut self, key: &[u8], value: Option<Vec<u8>>) {
        let before = match value {
            Some(value) => self.values.insert(key.to_vec(), value),
            None => self.values.remove(key),
        };
        self.taken.entry(key.to_vec()).or_insert_with(|| before.clone());
        self.call.entry(key.to_vec()).or_insert(before);
    }
}

/// The state of one group, or the device's key packages.
#[derive(Default)]
pub(super) struct Store {
    inner: RefCell<Inner>,
}

impl Store {
    /// Starts from stored values.
    pub(super) fn new(values: Values) -> Self {
        Self { inner: RefCell::new(Inner { values, ..Inner::default() }) }
    }

    /// Whether every value is at least well-formed: OpenMLS reads some only when they are needed.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for value in self.inner.borrow().values.values() {
            codec::decode::<IgnoredAny>(value, MAX_VALUE_BYTES)?;
        }
        Ok(())
    }

    /// A call begins here: [`Self::undo`] comes back to this point.
    pub(super) fn begin(&mut self) {
        self.inner.get_mut().call.clear();
    }

    /// Goes back to where the call began; says whether anything had been written.
    pub(super) fn undo(&mut self) -> bool {
        let inner = self.inner.get_mut();
        let before = std::mem::take(&mut inner.call);
        let any = !before.is_empty();
        for (key, value) in before {
            match value {
                Some(value) => inner.values.insert(key, value),
                None => inner.values.remove(&key),
            };
        }
        any
    }

    /// The values that differ from when it was last asked, by key.
    pub(super) fn take_changes(&mut self) -> Vec<StoreChange> {
        let inner = self.inner.get_mut();
        inner.call.clear();
        let taken = std::mem::take(&mut inner.taken);
        taken
            .into_iter()
            .filter_map(|(key, before)| {
                let value = inner.values.get(&key);
                (value != before.as_ref()).then(|| (key, value.cloned()))
            })
            .collect()
    }

    /// A stored key package, under the key it is stored by.
    pub(super) fn package(&self, reference: &impl Serialize) -> Result<Option<Package>, StoreError> {
        let key = key_of(KEY_PACKAGE, reference)?;
        Ok(self.inner.borrow().values.get(&key).map(|value| Package { key, value: value.clone() }))
    }

    /// All stored key packages.
    pub(super) fn packages(&self) -> Vec<Package> {
        let inner = self.inner.borrow();
        let packages = inner.values.iter().filter(|(key, _)| key.starts_with(KEY_PACKAGE));
        packages.map(|(key, value)| Package { key: key.clone(), value: value.clone() }).collect()
    }

    /// Forgets a key package.
    pub(super) fn remove_package(&mut self, key: &[u8]) {
        self.inner.get_mut().set(key, None);
    }

    fn inner(&self) -> RefMut<'_, Inner> {
        self.inner.borrow_mut()
    }

    fn put(&self, key: &[u8], value: &impl Serialize) -> Result<(), StoreError> {
        let encoded = codec::encode_foreign(value)?;
        self.inner().set(key, Some(encoded));
        Ok(())
    }

    fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let inner = self.inner.borrow();
        let value = inner.values.get(key).map(|value| codec::decode(value, MAX_VALUE_BYTES));
        Ok(value.transpose()?)
    }

    fn remove(&self, key: &[u8]) {
        self.inner().set(key, None);
    }
}

/// A key package with its private keys, as stored.
pub(super) struct Package {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl Package {
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        Ok(codec::decode(&self.value, MAX_VALUE_BYTES)?)
    }
}

fn key_of(label: &[u8], name: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    Ok([label, &codec::encode_foreign(name)?].concat())
}

fn epoch_key(epoch: &impl Serialize, leaf: u32) -> Result<Vec<u8>, StoreError> {
    key_of(EPOCH_KEYS, &(epoch, leaf))
}

/// Writing, reading and removing the parts of which a group has one each.
macro_rules! parts {
    ($($key:literal: $kind:ident, $write:ident, $read:ident, $remove:ident;)*) => {
        $(
            fn $write<G: traits::GroupId<V>, T: traits::$kind<V>>(&self, _: &G, value: &T) -> Result<(), StoreError> {
                self.put($key, value)
            }
            fn $read<G: traits::GroupId<V>, T: traits::$kind<V>>(&self, _: &G) -> Result<Option<T>, StoreError> {
                self.get($key)
            }
            fn $remove<G: traits::GroupId<V>>(&self, _: &G) -> Result<(), StoreError> {
                self.remove($key);
                Ok(())
            }
        )*
    };
}

impl StorageProvider<V> for Store {
    type Error = StoreError;

    parts! {
        b"config": MlsGroupJoinConfig, write_mls_join_config, mls_group_join_config, delete_group_config;
        b"tree": TreeSync, write_tree, tree, delete_tree;
        b"transcript": InterimTranscriptHash, write_interim_transcript_hash, interim_transcript_hash, delete_interim_transcript_hash;
        b"context": GroupContext, write_context, group_context, delete_context;
        b"confirmation": ConfirmationTag, write_confirmation_tag, confirmation_tag, delete_confirmation_tag;
        b"messages": MessageSecrets, write_message_secrets, message_secrets, delete_message_secrets;
        b"resumption": ResumptionPskStore, write_resumption_psk_store, resumption_psk_store, delete_all_resumption_psk_secrets;
        b"own leaf": LeafNodeIndex, write_own_leaf_index, own_leaf_index, delete_own_leaf_index;
        b"epoch": GroupEpochSecrets, write_group_epoch_secrets, group_epoch_secrets, delete_group_epoch_secrets;
    }

    fn write_group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(
        &self,
        _: &G,
        state: &T,
    ) -> Result<(), StoreError> {
        self.put(GROUP_STATE, state)
    }

    fn group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, StoreError> {
        self.get(GROUP_STATE)
    }

    fn delete_group_state<G: traits::GroupId<V>>(&self, _: &G) -> Result<(), StoreError> {
        self.remove(GROUP_STATE);
        Ok(())
    }

    fn append_own_leaf_node<G: traits::GroupId<V>, L: traits::LeafNode<V>>(
        &self,
        _: &G,
        leaf: &L,
    ) -> Result<(), StoreError> {
        let mut leaves: Vec<Vec<u8>> = self.get(OWN_LEAVES)?.unwrap_or_default();
        leaves.push(codec::encode_foreign(leaf)?);
        self.put(OWN_LEAVES, &leaves)
    }

    fn own_leaf_nodes<G: traits::GroupId<V>, L: traits::LeafNode<V>>(
        &self,
        _: &G,
    ) -> Result<Vec<L>, StoreError> {
        let leaves: Vec<Vec<u8>> = self.get(OWN_LEAVES)?.unwrap_or_default();
        leaves.iter().map(|leaf| Ok(codec::decode(leaf, MAX_VALUE_BYTES)?)).collect()
    }

    fn delete_own_leaf_nodes<G: traits::GroupId<V>>(&self, _: &G) -> Result<(), StoreError> {
        self.remove(OWN_LEAVES);
        Ok(())
    }

    fn queue_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>, P: traits::QueuedProposal<V>>(
        &self,
        _: &G,
        _: &R,
        _: &P,
    ) -> Result<(), StoreError> {
        Err(StoreError::NotUsed { what: "proposals" })
    }

    fn queued_proposal_refs<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _: &G,
    ) -> Result<Vec<R>, StoreError> {
        Ok(Vec::new())
    }

    fn queued_proposals<G: traits::GroupId<V>, R: traits::ProposalRef<V>, P: traits::QueuedProposal<V>>(
        &self,
        _: &G,
    ) -> Result<Vec<(R, P)>, StoreError> {
        Ok(Vec::new())
    }

    fn remove_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _: &G,
        _: &R,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear_proposal_queue<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _: &G,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn write_encryption_key_pair<K: traits::EncryptionKey<V>, P: traits::HpkeKeyPair<V>>(
        &self,
        public: &K,
        pair: &P,
    ) -> Result<(), StoreError> {
        self.put(&key_of(LEAF_KEYS, public)?, pair)
    }

    fn encryption_key_pair<P: traits::HpkeKeyPair<V>, K: traits::EncryptionKey<V>>(
        &self,
        public: &K,
    ) -> Result<Option<P>, StoreError> {
        self.get(&key_of(LEAF_KEYS, public)?)
    }

    fn delete_encryption_key_pair<K: traits::EncryptionKey<V>>(&self, public: &K) -> Result<(), StoreError> {
        self.remove(&key_of(LEAF_KEYS, public)?);
        Ok(())
    }

    fn write_encryption_epoch_key_pairs<
        G: traits::GroupId<V>,
        E: traits::EpochKey<V>,
        P: traits::HpkeKeyPair<V>,
    >(
        &self,
        _: &G,
        epoch: &E,
        leaf: u32,
        pairs: &[P],
    ) -> Result<(), StoreError> {
        self.put(&epoch_key(epoch, leaf)?, &pairs)
    }

    fn encryption_epoch_key_pairs<
        G: traits::GroupId<V>,
        E: traits::EpochKey<V>,
        P: traits::HpkeKeyPair<V>,
    >(
        &self,
        _: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<Vec<P>, StoreError> {
        Ok(self.get(&epoch_key(epoch, leaf)?)?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>>(
        &self,
        _: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<(), StoreError> {
        self.remove(&epoch_key(epoch, leaf)?);
        Ok(())
    }

    fn write_key_package<R: traits::HashReference<V>, K: traits::KeyPackage<V>>(
        &self,
        reference: &R,
        package: &K,
    ) -> Result<(), StoreError> {
        self.put(&key_of(KEY_PACKAGE, reference)?, package)
    }

    fn key_package<R: traits::HashReference<V>, K: traits::KeyPackage<V>>(
        &self,
        reference: &R,
    ) -> Result<Option<K>, StoreError> {
        self.get(&key_of(KEY_PACKAGE, reference)?)
    }

    fn delete_key_package<R: traits::HashReference<V>>(&self, reference: &R) -> Result<(), StoreError> {
        self.remove(&key_of(KEY_PACKAGE, reference)?);
        Ok(())
    }

    fn write_signature_key_pair<K: traits::SignaturePublicKey<V>, P: traits::SignatureKeyPair<V>>(
        &self,
        _: &K,
        _: &P,
    ) -> Result<(), StoreError> {
        Err(StoreError::NotUsed { what: "stored signature keys" })
    }

    fn signature_key_pair<K: traits::SignaturePublicKey<V>, P: traits::SignatureKeyPair<V>>(
        &self,
        _: &K,
    ) -> Result<Option<P>, StoreError> {
        Ok(None)
    }

    fn delete_signature_key_pair<K: traits::SignaturePublicKey<V>>(&self, _: &K) -> Result<(), StoreError> {
        Ok(())
    }

    fn write_psk<K: traits::PskId<V>, P: traits::PskBundle<V>>(
        &self,
        _: &K,
        _: &P,
    ) -> Result<(), StoreError> {
        Err(StoreError::NotUsed { what: "pre-shared keys" })
    }

    fn psk<P: traits::PskBundle<V>, K: traits::PskId<V>>(&self, _: &K) -> Result<Option<P>, StoreError> {
        Ok(None)
    }

    fn delete_psk<K: traits::PskId<V>>(&self, _: &K) -> Result<(), StoreError> {
        Ok(())
    }
}
