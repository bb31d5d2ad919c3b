//! Cells: how a sealed row lies in the database.
//!
//! All tables share one sled tree; a cell's key is the table's tag, then the row's key. sled collects up to
//! 20 neighbouring cells in a page, and a page above 128 KiB leaves the synced file for one that is never synced
//! (docs/decisions/0010). So a cell has at most [`CELL_BYTES`], and a larger row is cut: the head cell says how
//! many parts follow, the parts lie in a range of their own. The row is sealed as a whole, so parts cannot be mixed.
//!
//! Not here: rows and their types ([`crate::table`]), staging of writes ([`crate::stage`]).

use pc2_protocols::crypto::seal::{self, NONCE_BYTES, StorageKey};
use sled::{IVec, Tree};
use std::sync::atomic::{AtomicU64, Ordering};

/// Most bytes in one cell: 20 of them with their keys stay under the 128 KiB of a page that sled syncs.
pub(crate) const CELL_BYTES: usize = 6 * 1024;

/// Stands before the keys of all parts.
pub(crate) const PARTS_TAG: u8 = 0xf0;

/// How often a row is read again when it changed under the reader's hands.
const REREADS: usize = 8;

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The storage was closed.
    #[error("the storage is closed")]
    Closed,
    /// The database is damaged there. It is moved aside and restored from the last export at the next start.
    #[error("the stored {what} are damaged; restart the node to restore them from the last export")]
    Damaged {
        /// What could not be read.
        what: &'static str,
    },
    /// The database or the disk failed.
    #[error("the database failed: {reason}")]
    Database {
        /// What it said.
        reason: String,
    },
}

impl From<sled::Error> for ReadError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Corruption { .. } => Self::Damaged { what: "database pages" },
            other => Self::Database { reason: other.to_string() },
        }
    }
}

/// A place cells can be read from: the database, or the database with writes that are not applied yet.
pub(crate) trait Cells {
    /// One cell.
    fn cell(&self, key: &[u8]) -> Result<Option<IVec>, ReadError>;

    /// The keys of all cells under a prefix, in order.
    fn keys_under(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, ReadError>;
}

impl Cells for Tree {
    fn cell(&self, key: &[u8]) -> Result<Option<IVec>, ReadError> {
        Ok(self.get(key)?)
    }

    fn keys_under(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
        self.scan_prefix(prefix).keys().map(|key| Ok(key?.to_vec())).collect()
    }
}

/// Seals and opens rows for their place.
pub(crate) struct Sealer {
    key: StorageKey,
    /// Drawn at random when the storage is opened; with the counter it makes a nonce that is never used twice.
    start: [u8; NONCE_BYTES - size_of::<u64>()],
    count: AtomicU64,
}

impl Sealer {
    /// Takes the key in, and draws the random part of all nonces.
    pub(crate) fn new(key: StorageKey) -> Result<Self, getrandom::Error> {
        let mut start = [0; NONCE_BYTES - size_of::<u64>()];
        getrandom::fill(&mut start)?;
        Ok(Self { key, start, count: AtomicU64::new(0) })
    }

    /// Seals a row for its place: the name of its table and the key of its cell.
    pub(crate) fn seal(&self, table: &str, key: &[u8], row: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        let (start, count) = nonce.split_at_mut(self.start.len());
        start.copy_from_slice(&self.start);
        count.copy_from_slice(&self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        seal::seal(&self.key, &place(table, key), row, &nonce)
    }

    /// Opens what was sealed for the same place; `None` when it is not that.
    pub(crate) fn open(&self, table: &str, key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        seal::open(&self.key, &place(table, key), sealed).ok()
    }
}

fn place(table: &str, key: &[u8]) -> Vec<u8> {
    [table.as_bytes(), &[0], key].concat()
}

/// Cuts a sealed row into its head cell and its parts.
pub(crate) fn cut(key: &[u8], sealed: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (first, rest) = sealed.split_at(sealed.len().min(CELL_BYTES));
    let count = u8::try_from(rest.len().div_ceil(CELL_BYTES)).expect("64 KiB make eleven parts");
    let head = (key.to_vec(), [&[count], first].concat());
    let parts =
        rest.chunks(CELL_BYTES).zip(1u8..).map(|(part, number)| (part_key(key, number), part.to_vec()));
    std::iter::once(head).chain(parts).collect()
}

/// The key of one part of a row. Numbers begin at 1.
pub(crate) fn part_key(key: &[u8], number: u8) -> Vec<u8> {
    [&[PARTS_TAG], key, &[number]].concat()
}

/// Reads a row: the bytes that were sealed, opened. `None` when there is none.
///
/// A row of several cells may be replaced between two reads; a row that does not open is therefore read again
/// when its head has changed, and is damaged only when it has not.
pub(crate) fn read(
    cells: &impl Cells,
    sealer: &Sealer,
    table: &'static str,
    key: &[u8],
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut head = cells.cell(key)?;
    for _ in 0..REREADS {
        let Some(found) = head else { return Ok(None) };
        if let Some(row) = join(cells, key, &found)?.and_then(|sealed| sealer.open(table, key, &sealed)) {
            return Ok(Some(row));
        }
        let again = cells.cell(key)?;
        if again.as_ref() == Some(&found) {
            break;
        }
        head = again;
    }
    Err(ReadError::Damaged { what: table })
}

/// Puts the parts behind a head cell; `None` when one is missing.
fn join(cells: &impl Cells, key: &[u8], head: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
    let Some((&count, first)) = head.split_first() else { return Ok(None) };
    let mut sealed = first.to_vec();
    for number in 1..=count {
        match cells.cell(&part_key(key, number))? {
            Some(part) => sealed.extend_from_slice(&part),
            None => return Ok(None),
        }
    }
    Ok(Some(sealed))
}
