//! A database from the last logical export ([`crate::export`]).
//!
//! The file is proved from end to end before a row is taken. The new database is made in `db.restoring/` and renamed
//! when it is whole and synced, so a crash in between begins again.

use crate::{
    cell::Sealer,
    db,
    dir::Layout,
    disk,
    export::{self, END, Header, MAGIC},
    format,
    ledger::Ledger,
    migrate::{self, MigrateError},
    stage::Stage,
    tables,
    value::MAX_VALUE_BYTES,
};
use pc2_protocols::{codec, crypto::seal::OVERHEAD_BYTES, time::UnixMillis};
use sha2::{Digest as _, Sha256};
use sled::Db;
use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::Path,
};

/// Rows are written in batches of this many bytes.
const BATCH_BYTES: usize = 512 * 1024;

/// From this version on messages are searched.
const SEARCHED: u32 = 7;

const MAX_HEADER_BYTES: usize = 1024;

/// What came out of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// When the export was made: what came later is not there.
    pub exported: UnixMillis,
    /// How many rows there are.
    pub rows: u64,
    /// How many of them are messages.
    pub messages: u64,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error("the export belongs to another identity")]
    OtherIdentity,
    #[error("the export has format {found}")]
    Newer { found: u32 },
    #[error("the disk is full")]
    Full,
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("{reason}")]
    Damaged { reason: String },
}

impl From<io::Error> for RestoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            _ if db::is_full(&error) => Self::Full,
            io::ErrorKind::UnexpectedEof => damaged("it ends too early"),
            _ => Self::Unreadable(error),
        }
    }
}

impl From<sled::Error> for RestoreError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => error.into(),
            other => Self::Damaged { reason: other.to_string() },
        }
    }
}

fn damaged(reason: impl Into<String>) -> RestoreError {
    RestoreError::Damaged { reason: reason.into() }
}

/// Makes the database from the export; `None` when there is no export.
pub(crate) fn restore(
    layout: &Layout,
    sealer: &Sealer,
    cache_bytes: u64,
) -> Result<Option<Restored>, RestoreError> {
    let path = layout.export();
    if !path.exists() {
        return Ok(None);
    }
    let header = prove(&path, sealer)?;
    let aside = layout.restoring();
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    let db = db::create_db(&aside, sealer, cache_bytes, header.format.version).map_err(damaged)?;
    let restored = fill(&db, sealer, &path)?;
    if header.format.version >= SEARCHED {
        index(&db, sealer).map_err(|error| damaged(error.to_string()))?;
    }
    db.flush()?;
    drop(db);
    File::open(aside.join("db"))?.sync_all()?;
    disk::sync_dir(&aside)?;
    if layout.db().exists() {
        fs::remove_dir(layout.db())?;
    }
    fs::rename(&aside, layout.db())?;
    disk::sync_dir(&layout.root)?;
    tracing::info!(rows = restored.rows, messages = restored.messages, "database restored from the export");
    Ok(Some(restored))
}

/// Reads the whole file: header, every length, number of rows, hash.
fn prove(path: &Path, sealer: &Sealer) -> Result<Header, RestoreError> {
    let mut export = ExportFile::open(path)?;
    let header = export.header.clone();
    header.format.check(format::VERSION, sealer).map_err(|error| match error {
        db::OpenError::Newer { found, .. } => RestoreError::Newer { found },
        _ => RestoreError::OtherIdentity,
    })?;
    while export.next_row()?.is_some() {}
    Ok(header)
}

fn fill(db: &Db, sealer: &Sealer, path: &Path) -> Result<Restored, RestoreError> {
    let mut export = ExportFile::open(path)?;
    let mut restored = Restored { exported: export.header.created, rows: 0, messages: 0 };
    let mut stage = Stage::new(db, sealer);
    let mut ledger = Ledger::read(db).map_err(|error| damaged(error.to_string()))?;
    while let Some((key, sealed)) = export.next_row()? {
        let table = export::TABLES.iter().find(|table| key.first() == Some(&table.tag()));
        let table = table.ok_or_else(|| damaged("a row of no table"))?;
        let row = sealer.open(table.name(), &key, &sealed).ok_or_else(|| damaged("a row does not open"))?;
        table.check(&row).map_err(|error| damaged(error.to_string()))?;
        stage.put_sealed(&key, &sealed).map_err(|error| damaged(error.to_string()))?;
        stage.keep();
        restored.rows += 1;
        restored.messages += u64::from(table.tag() == tables::MESSAGES.tag());
        if stage.group_bytes() >= BATCH_BYTES {
            ledger = apply(db, stage, ledger)?;
            stage = Stage::new(db, sealer);
        }
    }
    apply(db, stage, ledger)?;
    Ok(restored)
}

/// What an export does not have: it follows from the messages. For an older one the migration makes it.
fn index(db: &Db, sealer: &Sealer) -> Result<(), MigrateError> {
    let mut stage = migrate::in_parts(db, sealer, migrate::find_words)?;
    stage.keep();
    let (batch, _) = stage.into_batch(Ledger::read(db)?)?;
    Ok(db.apply_batch(batch)?)
}

fn apply(db: &Db, stage: Stage<'_>, ledger: Ledger) -> Result<Ledger, RestoreError> {
    let (batch, ledger) = stage.into_batch(ledger).map_err(|error| damaged(error.to_string()))?;
    db.apply_batch(batch)?;
    Ok(ledger)
}

/// A key and the sealed row under it.
type SealedRow = (Vec<u8>, Vec<u8>);

/// Reads an export from its beginning, hashing what it reads.
struct ExportFile {
    file: BufReader<File>,
    hash: Sha256,
    header: Header,
    rows: u64,
}

impl ExportFile {
    fn open(path: &Path) -> Result<Self, RestoreError> {
        let mut file = BufReader::new(File::open(path)?);
        let mut hash = Sha256::new();
        if read(&mut file, &mut hash, MAGIC.len())? != MAGIC {
            return Err(damaged("no export"));
        }
        let length = number(&read(&mut file, &mut hash, 2)?);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_HEADER_BYTES {
            return Err(damaged("its header is too long"));
        }
        let header = read(&mut file, &mut hash, length)?;
        let header = codec::decode(&header, MAX_HEADER_BYTES)
            .map_err(|error| damaged(format!("its header is {error}")))?;
        Ok(Self { file, hash, header, rows: 0 })
    }

    /// The next row; `None` after the last, when number and hash are right.
    fn next_row(&mut self) -> Result<Option<SealedRow>, RestoreError> {
        let length = self.take(1)?;
        if length == [END] {
            return self.finish().map(|()| None);
        }
        let key = self.take(usize::try_from(number(&length)).unwrap_or(usize::MAX))?;
        let length = number(&self.take(4)?);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_VALUE_BYTES + OVERHEAD_BYTES {
            return Err(damaged("a row is longer than rows are"));
        }
        let sealed = self.take(length)?;
        self.rows += 1;
        Ok(Some((key, sealed)))
    }

    fn finish(&mut self) -> Result<(), RestoreError> {
        let rows = number(&self.take(8)?);
        let expected: [u8; 32] = self.hash.clone().finalize().into();
        let found = self.take(expected.len())?;
        let mut trailing = [0];
        if rows != self.rows || found != expected || self.file.read(&mut trailing)? != 0 {
            return Err(damaged("it is not what was written"));
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, RestoreError> {
        Ok(read(&mut self.file, &mut self.hash, length)?)
    }
}

/// Reads and hashes exactly so many bytes; the caller has bounded the length.
fn read(file: &mut impl Read, hash: &mut Sha256, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    hash.update(&bytes);
    Ok(bytes)
}

/// A big-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
