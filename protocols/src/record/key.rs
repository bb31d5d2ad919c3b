//! Where records live: keys, and the space in which nodes are near to them.
//!
//! A key is a hash over everything that names a record, so that nobody can choose one freely, and a holder can check that a
//! record belongs where it is put. Nearness is that of libp2p's Kademlia, because its routing decides who is asked.
//!
//! Not here: which nodes there are.

use crate::id::{NodeId, RecordKey};
use sha2::{Digest as _, Sha256};

/// Stands before what is hashed to a key, so that no other hash of this system is ever a key.
const LABEL: &[u8] = b"pc2 record key v1\0";

/// What a record is for. The number is part of its key and its signed body.
///
/// Reserved: 3 `sealed` (encrypted to named recipients), 4 `endpoint` (addresses attested by a relay).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Named by its hash: no owner, no signature, never changes.
    ByHash,
    /// Who a node is and how to reach it.
    Card,
    /// Anything, under its owner's name and a salt.
    Value,
}

impl Kind {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::ByHash => 0,
            Self::Card => 1,
            Self::Value => 2,
        }
    }

    /// The kind of a signed record. `None`: not known here (0 is never signed).
    pub(super) const fn signed(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Card),
            2 => Some(Self::Value),
            _ => None,
        }
    }
}

pub(super) fn signed_key(kind: Kind, owner: NodeId, salt: &[u8]) -> RecordKey {
    // Label, kind and owner have fixed lengths: the salt needs no length of its own.
    let hash = Sha256::new()
        .chain_update(LABEL)
        .chain_update([kind.number()])
        .chain_update(owner.as_bytes())
        .chain_update(salt)
        .finalize();
    RecordKey::from_bytes(hash.into())
}

/// Where the card of a node lives.
#[must_use]
pub fn card_key(owner: NodeId) -> RecordKey {
    signed_key(Kind::Card, owner, &[])
}

/// Where a value lives that its owner can change.
#[must_use]
pub fn value_key(owner: NodeId, salt: &[u8]) -> RecordKey {
    signed_key(Kind::Value, owner, salt)
}

/// Where the value with this SHA-256 lives.
#[must_use]
pub fn hash_key(hash: &[u8; 32]) -> RecordKey {
    signed_key(Kind::ByHash, NodeId::from_bytes(*hash), &[])
}

/// The name of a value that never changes: SHA-256 of its bytes.
#[must_use]
pub fn payload_hash(payload: &[u8]) -> [u8; 32] {
    Sha256::digest(payload).into()
}

/// A point of the space in which nodes are near to keys: SHA-256 over the PeerId or the key, as libp2p's Kademlia has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place([u8; 32]);

impl Place {
    /// Where a node is.
    #[must_use]
    pub fn of_node(node: NodeId) -> Self {
        Self(Sha256::digest(node.peer_id_bytes()).into())
    }

    /// Where a key is.
    #[must_use]
    pub fn of_key(key: &RecordKey) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// How far it is from here to `other`; compares as a number.
    #[must_use]
    pub fn distance(&self, other: &Self) -> [u8; 32] {
        let mut distance = self.0;
        for (ours, theirs) in distance.iter_mut().zip(other.0) {
            *ours ^= theirs;
        }
        distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vectors;

    #[test]
    fn everything_that_names_a_record_changes_its_key() {
        let (a, b) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let keys = [
            card_key(a),
            card_key(b),
            value_key(a, b""),
            value_key(a, b"x"),
            value_key(b, b"x"),
            hash_key(a.as_bytes()),
        ];
        for (n, key) in keys.iter().enumerate() {
            assert!(!keys[..n].contains(key), "key {n} repeats an earlier one");
        }
    }

    #[test]
    fn distance_is_that_of_the_specification() {
        let golden = vectors::read(include_str!("../../testdata/records.txt"));
        let golden = golden.iter().find(|vector| vector.text("name") == "distance").expect("the vector");
        let node = Place::of_node(NodeId::from_bytes(golden.array("node")));
        let key = Place::of_key(&RecordKey::from_bytes(golden.array("key")));
        assert_eq!((node.0, key.0), (golden.array("place_of_node"), golden.array("place_of_key")));
        assert_eq!(node.distance(&key), golden.array("distance"));
    }

    #[test]
    fn distance_is_symmetric_and_zero_only_to_oneself() {
        let (a, b) =
            (Place::of_node(NodeId::from_bytes([1; 32])), Place::of_key(&RecordKey::from_bytes([2; 32])));
        assert_eq!(a.distance(&b), b.distance(&a));
        assert_eq!(a.distance(&a), [0; 32]);
        assert_ne!(a.distance(&b), [0; 32]);
    }
}
