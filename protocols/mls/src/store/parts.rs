//! What OpenMLS asks for by name, as parts of a [`Store`].
//!
//! One store holds one group, so the group's id is in no key. Not here: proposals that wait for a commit, pre-shared keys
//! and stored signature keys. Sessions use none of them, and a peer that makes OpenMLS ask for one is refused.

use super::{KEY_PACKAGE, MAX_PART_BYTES, Store, StoreError, name_of};
use openmls_traits::storage::{CURRENT_VERSION as V, StorageProvider, traits};
use pc2_protocols::codec;
use serde::Serialize;

const EPOCH_KEYS: &[u8] = b"epoch keys ";
const LEAF_KEYS: &[u8] = b"leaf keys ";
const OWN_LEAVES: &[u8] = b"own leaves";
const GROUP_STATE: &[u8] = b"group state";

fn epoch_keys(epoch: &impl Serialize, leaf: u32) -> Result<Vec<u8>, StoreError> {
    name_of(EPOCH_KEYS, &(epoch, leaf))
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
        leaves.iter().map(|leaf| Ok(codec::decode(leaf, MAX_PART_BYTES)?)).collect()
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
        self.put(&name_of(LEAF_KEYS, public)?, pair)
    }

    fn encryption_key_pair<P: traits::HpkeKeyPair<V>, K: traits::EncryptionKey<V>>(
        &self,
        public: &K,
    ) -> Result<Option<P>, StoreError> {
        self.get(&name_of(LEAF_KEYS, public)?)
    }

    fn delete_encryption_key_pair<K: traits::EncryptionKey<V>>(&self, public: &K) -> Result<(), StoreError> {
        self.remove(&name_of(LEAF_KEYS, public)?);
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
        self.put(&epoch_keys(epoch, leaf)?, &pairs)
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
        Ok(self.get(&epoch_keys(epoch, leaf)?)?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>>(
        &self,
        _: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<(), StoreError> {
        self.remove(&epoch_keys(epoch, leaf)?);
        Ok(())
    }

    fn write_key_package<R: traits::HashReference<V>, K: traits::KeyPackage<V>>(
        &self,
        reference: &R,
        package: &K,
    ) -> Result<(), StoreError> {
        self.put(&name_of(KEY_PACKAGE, reference)?, package)
    }

    fn key_package<R: traits::HashReference<V>, K: traits::KeyPackage<V>>(
        &self,
        reference: &R,
    ) -> Result<Option<K>, StoreError> {
        self.get(&name_of(KEY_PACKAGE, reference)?)
    }

    fn delete_key_package<R: traits::HashReference<V>>(&self, reference: &R) -> Result<(), StoreError> {
        self.remove(&name_of(KEY_PACKAGE, reference)?);
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
