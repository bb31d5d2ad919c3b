//! Is the database what it was? Asked at every start, before anybody relies on it.
//!
//! sled verifies a checksum of each page it reads, and our seal proves each row. What neither notices is a log that ends
//! too early or has a hole: sled takes a damaged place for the end, or goes on behind it, and the database is quietly an older one. With
//! ratchets in it that would mean keys used twice. Holes are told by the books ([`crate::ledger`]). The end is told by the
//! [`Mark`]: a file beside the database that is told the number of commits after each sync. It never runs ahead of the disk; a
//! database behind its mark is damaged.
//!
//! The rows of the large tables (messages, what is held for others) are opened when they are read, so that a start does not depend on
//! their number. When that once fails, it is noted ([`suspect`]) and the next start looks at everything.

use crate::{
    cell::{self, Cells as _, ReadError, Sealer},
    format,
    ledger::{Ledger, Mismatch, Recount},
    tables,
};
use sha2::{Digest as _, Sha256};
use sled::Tree;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
};

const MARK_FILE: &str = "pc2-mark";
const SUSPECT_FILE: &str = "pc2-suspect";

/// A number and the beginning of its hash.
const MARK_BYTES: usize = 16;

/// The number of commits that are on the disk, beside the database.
#[derive(Debug)]
pub(crate) struct Mark {
    file: File,
}

impl Mark {
    /// Opens or makes the file.
    pub(crate) fn open(db: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(db.join(MARK_FILE))?;
        Ok(Self { file })
    }

    /// The commits of this ledger are on the disk. The mark itself is not synced: it may be older than that, never newer.
    pub(crate) fn reached(&mut self, ledger: Ledger) {
        let bytes = mark_bytes(ledger.commits);
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
    #[error("parts of its books are lost")]
    Books,
    #[error("{table} are missing or older than they were")]
    Lost { table: &'static str },
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
    let ledger = Ledger::read(tree)?;
    if let Some(expected) = read_mark(db).filter(|expected| *expected > ledger.commits) {
        return Err(Damage::RolledBack { found: ledger.commits, expected });
    }
    let recount = match depth {
        Depth::Start => Recount::Changed,
        Depth::Full => Recount::All,
    };
    ledger.audit(tree, recount)?.map_err(|mismatch| match mismatch {
        Mismatch::Ledger => Damage::Books,
        Mismatch::Rows(table) => Damage::Lost { table },
    })?;
    rows(tree, sealer, depth)?;
    Ok(format)
}

/// Notes that something was damaged, so that the next start looks at everything.
pub(crate) fn suspect(db: &Path) {
    if let Err(error) = File::create(db.join(SUSPECT_FILE)) {
        tracing::warn!(%error, "damage not noted");
    }
}

/// How much this start has to look at.
pub(crate) fn depth(db: &Path) -> Depth {
    if db.join(SUSPECT_FILE).exists() { Depth::Full } else { Depth::Start }
}

/// The check passed: nothing is suspected any more.
pub(crate) fn acquit(db: &Path) {
    match fs::remove_file(db.join(SUSPECT_FILE)) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "note of damage not removed"),
    }
}

/// Opens and decodes rows. Returns how many. What is held for others and damaged is nobody's loss.
pub(crate) fn rows(tree: &Tree, sealer: &Sealer, depth: Depth) -> Result<u64, Damage> {
    let mut rows = 0;
    for table in tables::ALL.iter().filter(|table| depth == Depth::Full || !tables::is_large(table.tag())) {
        for key in tree.scan_prefix([table.tag()]).keys() {
            let key = key.map_err(ReadError::from)?;
            let row = match cell::read(tree, sealer, table.name(), &key) {
                Err(ReadError::Damaged { .. }) if tables::is_held_elsewhere(table.tag()) => None,
                row => row?,
            };
            if let Some(row) = row {
                table.check(&row).map_err(|_| Damage::BadRow { table: table.name() })?;
                rows += 1;
            }
        }
    }
    Ok(rows)
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
