//! What the database says of itself, so that a loss inside it is noticed.
//!
//! sled replays its log at every start, and where a message of the log is damaged it skips the rest of that segment
//! without a word: rows go back or go missing, and the database looks whole. So each commit keeps books:
//! - rows lie in *buckets* (a table; of the large ones a stretch: a conversation's weeks, a chain's tens of thousands). A bucket has the number of
//!   its rows and the sum of their hashes, and the *epoch* of its last change;
//! - the *ledger* has the number of commits, the epoch (it grows with every start) and the sum of the hashes of all buckets.
//!
//! They are written in the same sled batch as the rows. At a start the buckets must add up to the ledger, and the buckets changed since the
//! start before must add up to their rows: only what the log was replayed for can have been lost without an error, so the cost of a start
//! does not grow with history. That the ledger itself is not an older one is told by the mark ([`crate::check`]).
//!
//! A row is hashed as its key and the nonce it was sealed with: the seal proves the rest. Held records and envelopes are left out:
//! others hold them as well.

use crate::{
    cell::{Cells as _, ReadError},
    stage::Stage,
    tables::{self, META_TAG},
};
use pc2_protocols::crypto::seal::NONCE_BYTES;
use sha2::{Digest as _, Sha256};
use sled::{IVec, Tree};
use std::collections::BTreeMap;

/// Key of the ledger's cell.
const CELL: [u8; 2] = [META_TAG, b'l'];

/// What the keys of the buckets' cells begin with; the prefix of their rows follows.
const BUCKETS: [u8; 2] = [META_TAG, b'b'];

/// Two numbers and a sum.
const CELL_BYTES: usize = 32;

/// Of a head cell, what makes the row this one: the number of parts and the nonce.
const IDENTITY_BYTES: usize = 1 + NONCE_BYTES;

/// The database as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ledger {
    /// Group commits so far.
    pub(crate) commits: u64,
    epoch: u64,
    sum: u128,
}

/// One bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Bucket {
    rows: u64,
    epoch: u64,
    sum: u128,
}

/// What does not add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// Buckets are missing or older than the ledger.
    Ledger,
    /// Rows of this table are missing, older, or too many.
    Rows(&'static str),
}

/// Which buckets are counted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recount {
    /// Those changed in the last epoch.
    Changed,
    /// All.
    All,
}

impl Ledger {
    /// What the database says.
    pub(crate) fn read(tree: &Tree) -> Result<Self, ReadError> {
        let Some(cell) = tree.cell(&CELL)? else { return Ok(Self::default()) };
        let (commits, epoch, sum) = decode(&cell)?;
        Ok(Self { commits, epoch, sum })
    }

    /// The same, in the next epoch.
    pub(crate) fn next_epoch(self) -> Self {
        Self { epoch: self.epoch.saturating_add(1), ..self }
    }

    /// Books everything staged: adds the cells of the buckets and of the ledger. Returns the ledger as it will be.
    pub(crate) fn book(mut self, tree: &Tree, stage: &mut Stage<'_>) -> Result<Self, ReadError> {
        let mut buckets: BTreeMap<Vec<u8>, (Bucket, Bucket)> = BTreeMap::new();
        for (key, new) in stage.staged() {
            let Some(prefix) = bucket_of(key) else { continue };
            let old = tree.cell(key)?;
            if !buckets.contains_key(prefix) {
                let bucket = read_bucket(tree, prefix)?;
                buckets.insert(prefix.to_vec(), (bucket, bucket));
            }
            if let Some((_, bucket)) = buckets.get_mut(prefix) {
                bucket.replace(key, old.as_ref(), new);
            }
        }
        for (prefix, (before, mut after)) in buckets {
            after.epoch = self.epoch;
            self.sum = self.sum.wrapping_sub(before.hash(&prefix)).wrapping_add(after.hash(&prefix));
            stage.put_plain(&[&BUCKETS, &prefix[..]].concat(), &encode(after.rows, after.epoch, after.sum));
        }
        self.commits = self.commits.saturating_add(1);
        stage.put_plain(&CELL, &encode(self.commits, self.epoch, self.sum));
        stage.keep();
        Ok(self)
    }

    /// Whether everything adds up.
    pub(crate) fn audit(&self, tree: &Tree, recount: Recount) -> Result<Result<(), Mismatch>, ReadError> {
        let mut sum: u128 = 0;
        for cell in tree.scan_prefix(BUCKETS) {
            let (key, cell) = cell?;
            let prefix = key.get(BUCKETS.len()..).unwrap_or_default();
            let (rows, epoch, rows_sum) = decode(&cell)?;
            let bucket = Bucket { rows, epoch, sum: rows_sum };
            sum = sum.wrapping_add(bucket.hash(prefix));
            if recount == Recount::All || epoch >= self.epoch {
                let found = count(tree, prefix)?;
                if (found.rows, found.sum) != (bucket.rows, bucket.sum) {
                    return Ok(Err(Mismatch::Rows(table_of(prefix))));
                }
            }
        }
        Ok(if sum == self.sum { Ok(()) } else { Err(Mismatch::Ledger) })
    }
}

impl Bucket {
    /// One row takes the place of another, or of none.
    fn replace(&mut self, key: &[u8], old: Option<&IVec>, new: Option<&IVec>) {
        if let Some(old) = old {
            self.rows = self.rows.wrapping_sub(1);
            self.sum = self.sum.wrapping_sub(row_hash(key, old));
        }
        if let Some(new) = new {
            self.rows = self.rows.wrapping_add(1);
            self.sum = self.sum.wrapping_add(row_hash(key, new));
        }
    }

    /// What it adds to the ledger; an unused one adds nothing.
    fn hash(&self, prefix: &[u8]) -> u128 {
        if *self == Self::default() {
            return 0;
        }
        hash(&[prefix, &encode(self.rows, self.epoch, self.sum)])
    }
}

/// Adds a bucket's rows up anew.
fn count(tree: &Tree, prefix: &[u8]) -> Result<Bucket, ReadError> {
    let mut bucket = Bucket::default();
    for cell in tree.scan_prefix(prefix) {
        let (key, head) = cell?;
        bucket.replace(&key, None, Some(&head));
    }
    Ok(bucket)
}

fn read_bucket(tree: &Tree, prefix: &[u8]) -> Result<Bucket, ReadError> {
    let Some(cell) = tree.cell(&[&BUCKETS, prefix].concat())? else { return Ok(Bucket::default()) };
    let (rows, epoch, sum) = decode(&cell)?;
    Ok(Bucket { rows, epoch, sum })
}

/// The beginning of the keys in the same bucket; `None` for what is not booked.
fn bucket_of(key: &[u8]) -> Option<&[u8]> {
    let length = tables::bucket_prefix(*key.first()?)?;
    key.get(..length)
}

fn table_of(prefix: &[u8]) -> &'static str {
    let table = tables::ALL.iter().find(|table| prefix.first() == Some(&table.tag()));
    table.map_or("rows", |table| table.name())
}

fn row_hash(key: &[u8], head: &[u8]) -> u128 {
    hash(&[key, head.get(..IDENTITY_BYTES).unwrap_or(head)])
}

fn hash(parts: &[&[u8]]) -> u128 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    hash.iter().take(size_of::<u128>()).fold(0, |number, byte| number << 8 | u128::from(*byte))
}

fn encode(first: u64, second: u64, sum: u128) -> [u8; CELL_BYTES] {
    let mut bytes = [0; CELL_BYTES];
    bytes[..8].copy_from_slice(&first.to_be_bytes());
    bytes[8..16].copy_from_slice(&second.to_be_bytes());
    bytes[16..].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<(u64, u64, u128), ReadError> {
    let bad = ReadError::Damaged { what: "books" };
    let bytes: &[u8; CELL_BYTES] = bytes.try_into().map_err(|_| bad.clone())?;
    let (first, rest) = bytes.split_first_chunk().ok_or_else(|| bad.clone())?;
    let (second, rest) = rest.split_first_chunk().ok_or_else(|| bad.clone())?;
    let sum = rest.try_into().map_err(|_| bad)?;
    Ok((u64::from_be_bytes(*first), u64::from_be_bytes(*second), u128::from_be_bytes(sum)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cell::Sealer, tables::PROFILES};
    use pc2_protocols::{crypto::seal::StorageKey, id::NodeId, identity::ProfileRow, time::UnixMillis};
    use zeroize::Zeroizing;

    fn put(db: &sled::Db, sealer: &Sealer, numbers: &[u8]) -> Ledger {
        let mut stage = Stage::new(db, sealer);
        for number in numbers {
            let account = NodeId::from_bytes([*number; 32]);
            let row = ProfileRow { account, name: String::new(), since: UnixMillis(0) };
            PROFILES.put(&mut stage, &account, &row).expect("staged");
            stage.keep();
        }
        let ledger = Ledger::read(db).expect("read");
        let (batch, ledger) = stage.into_batch(ledger).expect("booked");
        db.apply_batch(batch).expect("applied");
        ledger
    }

    #[test]
    fn a_row_that_is_missing_added_or_older_does_not_add_up() {
        let db = sled::Config::new().temporary(true).open().expect("a database");
        let sealer = Sealer::new(StorageKey::new(Zeroizing::new([1; 32]))).expect("randomness");
        put(&db, &sealer, &[1, 2, 3]);
        let key = PROFILES.key(&NodeId::from_bytes([2; 32]));
        let older = db.get(&key).expect("read").expect("there");
        let ledger = put(&db, &sealer, &[2, 4]);
        assert_eq!(Ledger::read(&db), Ok(ledger));
        assert_eq!(ledger.audit(&db, Recount::Changed), Ok(Ok(())));

        let newer = db.insert(&key, older).expect("written").expect("there");
        assert_eq!(ledger.audit(&db, Recount::Changed), Ok(Err(Mismatch::Rows("profiles"))));
        db.remove(&key).expect("removed");
        assert_eq!(ledger.audit(&db, Recount::Changed), Ok(Err(Mismatch::Rows("profiles"))));
        assert_eq!(ledger.next_epoch().audit(&db, Recount::Changed), Ok(Ok(())), "not looked at");
        assert_eq!(ledger.next_epoch().audit(&db, Recount::All), Ok(Err(Mismatch::Rows("profiles"))));
        db.insert(&key, newer).expect("written");
        assert_eq!(ledger.audit(&db, Recount::All), Ok(Ok(())));
        db.remove([&BUCKETS[..], &[PROFILES.tag()]].concat()).expect("removed");
        assert_eq!(ledger.audit(&db, Recount::All), Ok(Err(Mismatch::Ledger)));
    }
}
