//! Typed tables: what a key is made of, what a row decodes to.
//!
//! A key is a tuple of fixed-length fields, so that the first of them make a prefix: all rows of an account, all messages of
//! a conversation in order. Numbers are big-endian, which sorts as they count. A row holds all its ids itself, so
//! keys are never decoded. Every row is sealed for its table and key.

use crate::{
    blobs::Holder,
    cell::{self, Cells, ReadError, Sealer},
    stage::Stage,
    value::{MAX_VALUE_BYTES, Value, ValueTooLarge},
};
use pc2_protocols::{
    codec,
    files::rows::{Direction, TransferId},
    id::{
        BlobId, ConversationId, DeviceId, EnvelopeId, MailboxAddress, MsgId, NodeId, OfferId, RecordKey,
        SessionId,
    },
    messenger::content::Hlc,
};
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;

/// Why a change could not be staged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    #[error("in {table}: {source}")]
    TooLarge { table: &'static str, source: ValueTooLarge },
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A key, or the beginning of one.
pub(crate) trait Key {
    /// Appends its bytes.
    fn push(&self, bytes: &mut Vec<u8>);
}

macro_rules! id_keys {
    ($($id:ty),*) => { $(impl Key for $id {
        fn push(&self, bytes: &mut Vec<u8>) {
            bytes.extend_from_slice(self.as_bytes());
        }
    })* };
}
id_keys!(
    NodeId,
    ConversationId,
    DeviceId,
    MsgId,
    SessionId,
    RecordKey,
    MailboxAddress,
    EnvelopeId,
    BlobId,
    OfferId
);

impl<const N: usize> Key for [u8; N] {
    fn push(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self);
    }
}

impl Key for u64 {
    fn push(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_be_bytes());
    }
}

impl Key for u16 {
    fn push(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_be_bytes());
    }
}

impl Key for Holder {
    fn push(&self, bytes: &mut Vec<u8>) {
        self.0.push(bytes);
    }
}

impl Key for Hlc {
    fn push(&self, bytes: &mut Vec<u8>) {
        self.0.push(bytes);
    }
}

/// The other side, the way, the offer: what is between two people lies together.
impl Key for TransferId {
    fn push(&self, bytes: &mut Vec<u8>) {
        self.peer.push(bytes);
        bytes.push(match self.direction {
            Direction::Out => 0,
            Direction::In => 1,
        });
        self.offer.push(bytes);
    }
}

/// One fixed length for both: a byte that tells them apart, then the name or zeros.
impl Key for Option<SessionId> {
    fn push(&self, bytes: &mut Vec<u8>) {
        match self {
            None => bytes.extend_from_slice(&[0; 1 + SessionId::LEN]),
            Some(session) => {
                bytes.push(1);
                session.push(bytes);
            }
        }
    }
}

/// The beginning of every key.
impl Key for () {
    fn push(&self, _bytes: &mut Vec<u8>) {}
}

macro_rules! tuple_keys {
    ($($field:ident),*) => {
        impl<$($field: Key),*> Key for ($($field,)*) {
            #[allow(non_snake_case)]
            fn push(&self, bytes: &mut Vec<u8>) {
                let ($($field,)*) = self;
                $($field.push(bytes);)*
            }
        }
    };
}
tuple_keys!(A);
tuple_keys!(A, B);
tuple_keys!(A, B, C);
tuple_keys!(A, B, C, D);
tuple_keys!(A, B, C, D, E);

/// A table of rows `R` by keys `K`.
pub(crate) struct Table<K, R> {
    tag: u8,
    name: &'static str,
    types: PhantomData<fn(K) -> R>,
}

impl<K: Key, R: Serialize + DeserializeOwned> Table<K, R> {
    /// Names a table. Neither tag nor name is ever used for another one: rows are sealed for them.
    pub(crate) const fn new(tag: u8, name: &'static str) -> Self {
        Self { tag, name, types: PhantomData }
    }

    /// What people call it.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// The byte its keys begin with.
    pub(crate) const fn tag(&self) -> u8 {
        self.tag
    }

    /// The bytes of a key, or of the beginning of one.
    pub(crate) fn key(&self, key: &impl Key) -> Vec<u8> {
        let mut bytes = vec![self.tag];
        key.push(&mut bytes);
        bytes
    }

    /// Stages a row.
    pub(crate) fn put(&self, stage: &mut Stage<'_>, key: &K, row: &R) -> Result<(), StageError> {
        let value = self.value(row)?;
        Ok(stage.put(self.name, &self.key(key), &value)?)
    }

    /// The encoded row.
    pub(crate) fn value(&self, row: &R) -> Result<Value, StageError> {
        Value::new(codec::encode(row)).map_err(|source| StageError::TooLarge { table: self.name, source })
    }

    /// Stages the removal of a row.
    pub(crate) fn remove(&self, stage: &mut Stage<'_>, key: &K) -> Result<(), StageError> {
        Ok(stage.remove(&self.key(key))?)
    }

    /// Stages the removal of all rows whose keys begin so.
    pub(crate) fn remove_under(&self, stage: &mut Stage<'_>, start: &impl Key) -> Result<(), StageError> {
        for key in stage.keys_under(&self.key(start))? {
            stage.remove(&key)?;
        }
        Ok(())
    }

    /// Reads a row.
    pub(crate) fn get(&self, cells: &impl Cells, sealer: &Sealer, key: &K) -> Result<Option<R>, ReadError> {
        self.get_at(cells, sealer, &self.key(key))
    }

    /// Reads the row of an encoded key.
    pub(crate) fn get_at(
        &self,
        cells: &impl Cells,
        sealer: &Sealer,
        key: &[u8],
    ) -> Result<Option<R>, ReadError> {
        cell::read(cells, sealer, self.name, key)?.map(|bytes| self.decode(&bytes)).transpose()
    }

    /// Decodes an opened row.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<R, ReadError> {
        codec::decode(bytes, MAX_VALUE_BYTES).map_err(|_| ReadError::Damaged { what: self.name })
    }

    /// Reads all rows whose keys begin so, in order of their keys. Rows removed meanwhile are left out.
    pub(crate) fn rows_under<'a>(
        &'a self,
        tree: &'a sled::Tree,
        sealer: &'a Sealer,
        start: &impl Key,
    ) -> impl Iterator<Item = Result<R, ReadError>> + 'a {
        tree.scan_prefix(self.key(start)).keys().filter_map(move |key| {
            key.map_err(ReadError::from).and_then(|key| self.get_at(tree, sealer, &key)).transpose()
        })
    }
}

/// A table without its types: what checking and exporting need.
pub(crate) trait AnyTable: Sync {
    /// The byte its keys begin with.
    fn tag(&self) -> u8;

    /// What people call it.
    fn name(&self) -> &'static str;

    /// Whether opened bytes are a row of it.
    fn check(&self, row: &[u8]) -> Result<(), ReadError>;
}

impl<K: Key, R: Serialize + DeserializeOwned> AnyTable for Table<K, R> {
    fn tag(&self) -> u8 {
        self.tag
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn check(&self, row: &[u8]) -> Result<(), ReadError> {
        self.decode(row).map(|_| ())
    }
}
