//! Is the database what it was? Asked at every start, before anybody relies on it.
//!
//! sled verifies a checksum of each page it reads, and our seal proves each row. What neither notices is a log that ends
//! too early: sled takes a damaged place for the end, and the database is quietly an older one. With ratchets in it
//! that would mean keys used twice. So every group commit counts up a number inside the database, and a file
//! beside it ([`Mark`]) is told after the sync. The mark never runs ahead of the disk; a database behind its mark is damaged.
//!
//! The rows of the large tables (messages, held records) are proved when they are read, so that a start does not depend on their number.

use crate::{
    cell::{self, Cells as _, ReadError, Sealer},
    format,
    stage::Stage,
    tables::{self, META_TAG},
};
use sha2::{Digest as _, Sha256};
use sled::Tree;
use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
};

/// Key of the cell that counts group commits.
const COUNT_CELL: [u8; 2] = [META_TAG, b'n'];

const MARK_FILE: &str = "pc2-mark";

/// A number and the beginning of its hash.
const MARK_BYTES: usize = 16;

/// Counts what became durable, inside the database and beside it.
#[derive(Debug)]
pub(crate) struct Mark {
    file: File,
    count: u64,
}

impl Mark {
    /// Continues where the database is.
    pub(crate) fn open(db: &Path, tree: &Tree) -> Result<Self, io::Error> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(db.join(MARK_FILE))?;
        let count = count(tree).map_err(io::Error::other)?;
        let mut mark = Self { file, count };
        mark.write();
        Ok(mark)
    }

    /// Counts the group that is being staged.
    pub(crate) fn stage(&mut self, stage: &mut Stage<'_>) {
        self.count = self.count.saturating_add(1);
        stage.put_plain(&COUNT_CELL, &self.count.to_be_bytes());
    }

    /// The group is on the disk.
    pub(crate) fn reached(&mut self) {
        self.write();
    }

    /// Not synced: it protects against a database that goes back, and may itself be older than that.
    fn write(&mut self) {
        let bytes = mark_bytes(self.count);
        let written = self.file.rewind().and_then(|()| self.file.write_all(&bytes));
        if let Err(error) = written {
            tracing::warn!(%error, "mark not written");
        }
    }
}

/// What is wrong with a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("it says nothing of its format")]
    NoFormat,
    #[error("it is older than it was: {found} commits of at least {expected}")]
    RolledBack { found: u64, expected: u64 },
    #[error("a {table} row says something else than it should")]
    BadRow { table: &'static str },
}

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Everything a start needs; not the bodies of history, nor what is held for others.
    Start,
    /// Every row.
    Full,
}

/// Checks a database that sled has opened. Returns its format.
pub(crate) fn check(db: &Path, tree: &Tree, sealer: &Sealer, depth: Depth) -> Result<format::Format, Damage> {
    let cell = tree.cell(&format::CELL)?.ok_or(Damage::NoFormat)?;
    let format = format::Format::decode(&cell).ok_or(Damage::NoFormat)?;
    let found = count(tree)?;
    if let Some(expected) = read_mark(db).filter(|expected| *expected > found) {
        return Err(Damage::RolledBack { found, expected });
    }
    rows(tree, sealer, depth)?;
    Ok(format)
}

/// Opens and decodes rows. Returns how many.
pub(crate) fn rows(tree: &Tree, sealer: &Sealer, depth: Depth) -> Result<u64, Damage> {
    let mut rows = 0;
    for table in tables::ALL.iter().filter(|table| depth == Depth::Full || !tables::is_large(table.tag())) {
        for key in tree.scan_prefix([table.tag()]).keys() {
            let key = key.map_err(ReadError::from)?;
            if let Some(row) = cell::read(tree, sealer, table.name(), &key)? {
                table.check(&row).map_err(|_| Damage::BadRow { table: table.name() })?;
                rows += 1;
            }
        }
    }
    Ok(rows)
}

fn count(tree: &Tree) -> Result<u64, ReadError> {
    let cell = tree.cell(&COUNT_CELL)?;
    let bytes = cell.as_deref().unwrap_or(&[0; 8]);
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| ReadError::Damaged { what: "counts of commits" })
}

/// The mark, if there is one that is whole.
fn read_mark(db: &Path) -> Option<u64> {
    let mut bytes = [0; MARK_BYTES];
    File::open(db.join(MARK_FILE)).and_then(|mut file| file.read_exact(&mut bytes)).ok()?;
    let count = u64::from_be_bytes(*bytes.first_chunk()?);
    (mark_bytes(count) == bytes).then_some(count)
}

fn mark_bytes(count: u64) -> [u8; MARK_BYTES] {
    let number = count.to_be_bytes();
    let hash: [u8; 32] = Sha256::digest(number).into();
    let mut bytes = [0; MARK_BYTES];
    bytes[..8].copy_from_slice(&number);
    bytes[8..].copy_from_slice(&hash[..8]);
    bytes
}
