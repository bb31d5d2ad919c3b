//! The logical export: what a damaged database is restored from, and what a person takes elsewhere.
//!
//! One file, `export/latest.pc2x`: a header, rows, a footer. It is written beside the last one, synced and renamed, so there is always a whole one.
//! Rows stay sealed under the same key; every row is opened on the way, so an export also proves the database, and a
//! damaged row fails it instead of being carried on. Memory is bounded by one row.
//!
//! **In it**: contacts, conversations, chains, history, what waits in the outbox, invitations, own records, parcels on their way to mailboxes,
//! profiles, the routing table, what the person lends to the network, which holders they pinned and whose they are one of, where the files of blobs are and
//! who needs them, file transfers with their rules and rates, what the account tells others, when messages disappear. **Never in it**: the device, sessions, the session library's values, ciphertexts made with them: a restore is a new device, because
//! a ratchet taken back would use keys twice. A parcel was sealed once and for all: bringing the same bytes again uses no key. Not in it
//! either: who may sign in or is signed in, keys for programs and what happened at the doors, because a restore must not let in again whom
//! the owner put out meanwhile; which apps are installed, because it must not grant again what was taken back; what is held for others, tombstones included; and the pages that a search looks through, which follow from the messages.
//!
//! **Consistency**: it runs beside the writer. Every row is whole; rows of one batch may be from before and after. The
//! order of the tables makes that safe: a chain is written before the history it counts, so nothing counts as received that is
//! not in the export, and the outbox before it too, so what waits has its message.
//!
//! ```text
//! header  "PC2X" ‖ length u16 ‖ CBOR { format, created }
//! row     length of key u8 (never 0) ‖ key ‖ length u32 ‖ sealed row
//! footer  0 u8 ‖ number of rows u64 ‖ SHA-256 of everything before
//! ```

use crate::{
    Opened,
    cell::{self, ReadError},
    dir::{self, Layout},
    disk,
    format::{self, Format},
    reader::Reader,
    table::AnyTable,
    tables,
};
use pc2_protocols::{
    codec,
    messenger::rows::{OutboxRow, Waiting},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::PathBuf,
};

/// The first bytes of the file.
pub(crate) const MAGIC: &[u8; 4] = b"PC2X";

/// Stands where a key's length would: the rows are over.
pub(crate) const END: u8 = 0;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// Version and key of the rows.
    pub(crate) format: Format,
    /// When it was made.
    pub(crate) created: UnixMillis,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Where it is.
    pub path: PathBuf,
    /// When it was made.
    pub created: UnixMillis,
    /// How many rows it has.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// Why there is no new export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A row could not be read.
    #[error("not exported: {0}")]
    Read(#[from] ReadError),
    /// The file could not be written.
    #[error("the export could not be written: {0}")]
    Write(#[from] io::Error),
}

/// The tables in an export, in their order. See the [module](self) for why it matters.
pub(crate) static TABLES: &[&dyn AnyTable] = &[
    &tables::CHAINS,
    &tables::OUTBOX,
    &tables::MESSAGES,
    &tables::LINKS,
    &tables::CONVERSATIONS,
    &tables::CONTACTS,
    &tables::INVITATIONS,
    &tables::PUBLISHED,
    &tables::PARCELS,
    &tables::PROFILES,
    &tables::ROUTING,
    &tables::CONTRIBUTION,
    &tables::BLOB_FILES,
    &tables::BLOB_PARTIALS,
    &tables::BLOB_HOLDS,
    &tables::PINS,
    &tables::SERVED,
    &tables::TRANSFERS,
    &tables::AUTO_ACCEPTED,
    &tables::RATES,
    &tables::CHAT_SETTINGS,
    // After the messages: what it says of one that is not in this export does no harm, but what it lacked would be lost.
    &tables::BY_ID,
    // After them, too: a message without its row here would stay for ever.
    &tables::TIMED,
    &tables::EXPIRING,
];

/// Writes the export.
pub(crate) fn export(layout: &Layout, reader: &Reader) -> Result<Exported, ExportError> {
    let path = layout.export();
    let folder = path.parent().unwrap_or(&layout.root);
    dir::create_private(folder)?;
    let beside = path.with_extension("new");
    let written = write(&beside, reader);
    match written {
        Ok((created, rows)) => {
            fs::rename(&beside, &path)?;
            disk::sync_dir(folder)?;
            let bytes = fs::metadata(&path)?.len();
            Ok(Exported { path, created, rows, bytes })
        }
        Err(error) => {
            // Half an export only takes room; the next one overwrites it anyway.
            let _left_behind = fs::remove_file(&beside);
            Err(error)
        }
    }
}

fn write(path: &std::path::Path, reader: &Reader) -> Result<(UnixMillis, u64), ExportError> {
    let file = File::create(path)?;
    let mut out = Hashing { out: BufWriter::new(&file), hash: Sha256::new() };
    let created = UnixMillis(dir::unix_millis());
    let header = reader.read(|opened| Ok(Format::new(format::VERSION, &opened.sealer)))?;
    let header = codec::encode(&Header { format: header, created });
    out.write_all(MAGIC)?;
    out.write_all(&u16::try_from(header.len()).unwrap_or(u16::MAX).to_be_bytes())?;
    out.write_all(&header)?;
    let mut rows: u64 = 0;
    for table in TABLES {
        let mut after = vec![table.tag()];
        // One row at a time, so that closing the storage or writing to it never waits for the whole export.
        while let Some(row) = reader.read(|opened| next_row(opened, *table, &after))? {
            if let Some(sealed) = row.sealed {
                out.write_all(&[u8::try_from(row.key.len()).unwrap_or(u8::MAX)])?;
                out.write_all(&row.key)?;
                out.write_all(&u32::try_from(sealed.len()).unwrap_or(u32::MAX).to_be_bytes())?;
                out.write_all(&sealed)?;
                rows += 1;
            }
            after = row.key;
        }
    }
    out.write_all(&[END])?;
    out.write_all(&rows.to_be_bytes())?;
    let Hashing { mut out, hash } = out;
    out.write_all(&hash.finalize())?;
    out.flush()?;
    drop(out);
    file.sync_all()?;
    Ok((created, rows))
}

struct Row {
    key: Vec<u8>,
    /// `None`: stays out of the export.
    sealed: Option<Vec<u8>>,
}

/// The first row of a table after a key.
fn next_row(opened: &Opened, table: &dyn AnyTable, after: &[u8]) -> Result<Option<Row>, ReadError> {
    let after = [after, &[0]].concat();
    let end = [table.tag().saturating_add(1)];
    for key in opened.tree.range(after..end.to_vec()).keys() {
        let key = key?.to_vec();
        let Some(row) = cell::read(&opened.tree, &opened.sealer, table.name(), &key)? else { continue };
        table.check(&row)?;
        let sealed = portable(table.tag(), row)?.map(|row| opened.sealer.seal(table.name(), &key, &row));
        return Ok(Some(Row { key, sealed }));
    }
    Ok(None)
}

/// A row as another device may have it; `None` when it is of this device alone.
fn portable(tag: u8, row: Vec<u8>) -> Result<Option<Vec<u8>>, ReadError> {
    if tag == tables::OUTBOX.tag() {
        let row = tables::OUTBOX.decode(&row)?;
        return Ok(match row.what {
            Waiting::Content { content, .. } => {
                let what = Waiting::Content { content, sealed: None };
                Some(codec::encode(&OutboxRow { what, parcel: None, ..row }))
            }
            Waiting::Control { .. } => None,
        });
    }
    Ok(Some(row))
}

/// Hashes what passes.
struct Hashing<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
