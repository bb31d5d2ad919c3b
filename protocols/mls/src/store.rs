//! The state of one session, or the key packages of the device, as OpenMLS wants it kept.
//!
//! OpenMLS writes each part of its state whenever it changes. Here the parts are in memory, encoded as CBOR (about half
//! the bytes of JSON). The store can go back to where a failed call began ([`Store::undo`]), and knows what differs
//! from what was last taken ([`Store::take_changes`]).
//!
//! **Parts leave in blocks.** The secrets of the current and the past epochs are one part for OpenMLS and rewritten with each
//! message, but only its end changes: the past ones stand first. So a part is cut into blocks of 1 KiB, and the disk gets
//! only those that differ. A block's key is the part's name and the block's number.
//!
//! Damaged values are errors, never panics. What OpenMLS asks for by name is in [`parts`].

use pc2_protocols::{codec, messenger::session::StoreChange};
use serde::{Serialize, de::DeserializeOwned, de::IgnoredAny};
use std::{
    cell::{RefCell, RefMut},
    collections::BTreeMap,
};

mod parts;

/// Length of all blocks of a part but the last, in bytes. Smaller ones cost more in keys and seals than they spare.
const BLOCK_BYTES: usize = 1024;

/// Largest part kept, in bytes: some four times the largest that can arise (docs/protocol/messages-encryption.md).
const MAX_PART_BYTES: usize = 1024 * 1024;

const KEY_PACKAGE: &[u8] = b"key package ";

/// By name.
type Parts = BTreeMap<Vec<u8>, Vec<u8>>;

/// What changed parts were before, by name.
type Before = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Why OpenMLS did not get or keep a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum StoreError {
    #[error(transparent)]
    Encode(#[from] codec::EncodeError),
    #[error(transparent)]
    Decode(#[from] codec::DecodeError),
    #[error("a part of {got} bytes exceeds {MAX_PART_BYTES}")]
    TooLarge { got: usize },
    #[error("a block is missing")]
    MissingBlock,
    #[error("{what} have no place in a session of two")]
    NotUsed { what: &'static str },
}

/// The parts, and what they were before.
#[derive(Default)]
struct Inner {
    parts: Parts,
    /// Before the call that is under way.
    call: Before,
    /// When changes were last taken.
    taken: Before,
}

impl Inner {
    fn set(&mut self, name: &[u8], part: Option<Vec<u8>>) {
        let before = match part {
            Some(part) => self.parts.insert(name.to_vec(), part),
            None => self.parts.remove(name),
        };
        self.taken.entry(name.to_vec()).or_insert_with(|| before.clone());
        self.call.entry(name.to_vec()).or_insert(before);
    }
}

/// The state of one group, or the device's key packages.
#[derive(Default)]
pub(super) struct Store {
    inner: RefCell<Inner>,
}

impl Store {
    /// Starts from stored blocks.
    ///
    /// # Errors
    /// When blocks are missing, or parts are not even well-formed. OpenMLS reads some only when they are needed; by
    /// then it would be late to notice.
    pub(super) fn from_blocks(blocks: BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Self, StoreError> {
        let mut parts = Parts::new();
        for (key, block) in blocks {
            let (name, number) = key.split_last_chunk::<2>().ok_or(StoreError::MissingBlock)?;
            let part = parts.entry(name.to_vec()).or_default();
            if part.len() != usize::from(u16::from_be_bytes(*number)) * BLOCK_BYTES {
                return Err(StoreError::MissingBlock);
            }
            part.extend(block);
        }
        for part in parts.values() {
            codec::decode::<IgnoredAny>(part, MAX_PART_BYTES)?;
        }
        Ok(Self { inner: RefCell::new(Inner { parts, ..Inner::default() }) })
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
        for (name, part) in before {
            match part {
                Some(part) => inner.parts.insert(name, part),
                None => inner.parts.remove(&name),
            };
        }
        any
    }

    /// The blocks that differ from when it was last asked, by key.
    pub(super) fn take_changes(&mut self) -> Vec<StoreChange> {
        let inner = self.inner.get_mut();
        inner.call.clear();
        let mut changes = Vec::new();
        for (name, before) in std::mem::take(&mut inner.taken) {
            let now = inner.parts.get(&name).map_or(&[][..], Vec::as_slice);
            push_changes(&name, before.as_deref().unwrap_or_default(), now, &mut changes);
        }
        changes
    }

    /// A copy that holds one key package, and does not count it as a change.
    pub(super) fn of_package(package: &Package) -> Self {
        let parts = Parts::from([(package.name.clone(), package.encoded.clone())]);
        Self { inner: RefCell::new(Inner { parts, ..Inner::default() }) }
    }

    /// Undoes [`Self::of_package`].
    pub(super) fn without_package(&mut self, package: &Package) {
        let inner = self.inner.get_mut();
        inner.parts.remove(&package.name);
        inner.taken.remove(&package.name);
        inner.call.remove(&package.name);
    }

    /// A stored key package.
    pub(super) fn package(&self, reference: &impl Serialize) -> Result<Option<Package>, StoreError> {
        let name = name_of(KEY_PACKAGE, reference)?;
        Ok(self.inner.borrow().parts.get(&name).map(|part| Package { name, encoded: part.clone() }))
    }

    /// All stored key packages.
    pub(super) fn packages(&self) -> Vec<Package> {
        let inner = self.inner.borrow();
        let packages = inner.parts.iter().filter(|(name, _)| name.starts_with(KEY_PACKAGE));
        packages.map(|(name, part)| Package { name: name.clone(), encoded: part.clone() }).collect()
    }

    /// Forgets a key package.
    pub(super) fn remove_package(&mut self, package: &Package) {
        self.remove(&package.name);
    }

    fn inner(&self) -> RefMut<'_, Inner> {
        self.inner.borrow_mut()
    }

    fn put(&self, name: &[u8], part: &impl Serialize) -> Result<(), StoreError> {
        let encoded = codec::encode_foreign(part)?;
        if encoded.len() > MAX_PART_BYTES {
            return Err(StoreError::TooLarge { got: encoded.len() });
        }
        self.inner().set(name, Some(encoded));
        Ok(())
    }

    fn get<T: DeserializeOwned>(&self, name: &[u8]) -> Result<Option<T>, StoreError> {
        let inner = self.inner.borrow();
        let part = inner.parts.get(name).map(|part| codec::decode(part, MAX_PART_BYTES));
        Ok(part.transpose()?)
    }

    fn remove(&self, name: &[u8]) {
        self.inner().set(name, None);
    }
}

/// A key package with its private keys, as stored.
pub(super) struct Package {
    name: Vec<u8>,
    encoded: Vec<u8>,
}

impl Package {
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        Ok(codec::decode(&self.encoded, MAX_PART_BYTES)?)
    }
}

fn name_of(label: &[u8], name: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    Ok([label, &codec::encode_foreign(name)?].concat())
}

/// The blocks in which a part differs from what it was; no bytes are no part.
fn push_changes(name: &[u8], before: &[u8], now: &[u8], changes: &mut Vec<StoreChange>) {
    let blocks = before.len().max(now.len()).div_ceil(BLOCK_BYTES);
    let (mut before, mut now) = (before.chunks(BLOCK_BYTES), now.chunks(BLOCK_BYTES));
    for number in 0..blocks {
        let (before, now) = (before.next(), now.next());
        if before != now {
            let number = u16::try_from(number).expect("parts have at most 1 MiB, which is 1,024 blocks");
            changes.push(([name, &number.to_be_bytes()].concat(), now.map(<[u8]>::to_vec)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_blocks_that_differ_leave() {
        let mut store = Store::default();
        store.put(b"part", &vec![0u8; 5 * BLOCK_BYTES]).expect("plain data");
        assert_eq!(store.take_changes().len(), 6);
        let mut last = vec![0u8; 5 * BLOCK_BYTES];
        last[5 * BLOCK_BYTES - 1] = 1;
        store.put(b"part", &last).expect("plain data");
        assert_eq!(store.take_changes().len(), 1);
        store.put(b"part", &last).expect("plain data");
        assert!(store.take_changes().is_empty());
    }

    #[test]
    fn what_a_failed_call_wrote_is_undone_and_does_not_leave() {
        let mut store = Store::default();
        store.put(b"kept", &1u8).expect("plain data");
        store.begin();
        store.put(b"kept", &2u8).expect("plain data");
        store.put(b"new", &3u8).expect("plain data");
        assert!(store.undo());
        assert_eq!((store.get::<u8>(b"kept"), store.get::<u8>(b"new")), (Ok(Some(1)), Ok(None)));
        assert_eq!(store.take_changes().len(), 1);
        store.begin();
        assert!(!store.undo());
    }

    #[test]
    fn a_missing_block_is_noticed() {
        let mut store = Store::default();
        store.put(b"part", &vec![0u8; 3 * BLOCK_BYTES]).expect("plain data");
        let blocks: BTreeMap<_, _> =
            store.take_changes().into_iter().filter_map(|(key, block)| Some((key, block?))).collect();
        assert!(Store::from_blocks(blocks.clone()).is_ok());
        for key in blocks.keys() {
            let mut cut = blocks.clone();
            cut.remove(key);
            assert!(Store::from_blocks(cut).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_disk_that_got_all_changes_has_what_the_store_has(
            writes in proptest::collection::vec((0..3u8, proptest::option::of(0..4_000usize)), 1..20),
        ) {
            let (mut store, mut disk) = (Store::default(), BTreeMap::new());
            for (name, length) in writes {
                match length {
                    Some(length) => store.put(&[name], &vec![name; length]).expect("plain data"),
                    None => store.remove(&[name]),
                }
                for (key, block) in store.take_changes() {
                    match block {
                        Some(block) => disk.insert(key, block),
                        None => disk.remove(&key),
                    };
                }
                let again = Store::from_blocks(disk.clone()).expect("what was written");
                prop_assert_eq!(&again.inner.borrow().parts, &store.inner.borrow().parts);
            }
        }
    }
}
