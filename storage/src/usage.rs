//! What a data directory takes on the disk, by what it is for: counted when somebody asks.
//!
//! Rows are counted key by key, files by the blocks they take; no row is opened, no link followed. Both end after so many entries or so much time, and say
//! then that there is more. It blocks and belongs on a thread that may wait; the database stays usable in between.

use crate::{
    Opened,
    cell::{PARTS_TAG, ReadError},
    disk::{Disk as _, SystemDisk},
    reader::Reader,
    table::AnyTable,
    tables,
};
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, Instant},
};

/// Cells that are counted before others may have the database for a moment.
const AT_ONCE: usize = 1_000;

/// Most cells that are counted: a conversation of a hundred thousand messages has four for each.
const MOST_CELLS: usize = 2_000_000;

/// Most files and folders that are counted.
const MOST_FILES: usize = 200_000;

/// Longest that rows, and then files, are counted.
const PATIENCE: Duration = Duration::from_secs(4);

/// The system counts in these, whatever its own blocks are.
const BLOCK_BYTES: u64 = 512;

/// Rows of conversations.
static MESSAGES: &[&dyn AnyTable] = &[
    &tables::CONVERSATIONS,
    &tables::CHAINS,
    &tables::MESSAGES,
    &tables::LINKS,
    &tables::OUTBOX,
    &tables::BY_ID,
    &tables::SEARCH_PAGES,
    &tables::SEARCH_LATE,
    &tables::TIMED,
    &tables::EXPIRING,
    &tables::PARCELS,
];

/// Rows that are kept for people who are offline.
static MAILBOXES: &[&dyn AnyTable] = &[&tables::ENVELOPES, &tables::TOMBSTONES];

/// Rows that are kept for the network.
static RECORDS: &[&dyn AnyTable] = &[&tables::HELD];

/// What takes how many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Free in the file system; `None` when the system does not say.
    pub free: Option<u64>,
    /// All files of the database, with the room it keeps for itself.
    pub database: u64,
    /// Of it, rows of conversations, as long as they are.
    pub messages: u64,
    /// Of it, what is kept for people who are offline.
    pub mailboxes: u64,
    /// Of it, what is kept for the network.
    pub records: u64,
    /// Files that were received and lie in the owner's folder.
    pub received: u64,
    /// Files on their way, and the proofs of those that are offered.
    pub transfers: u64,
    /// The last export.
    pub export: u64,
    /// Databases and identities that were moved aside.
    pub aside: u64,
    /// What a start on a full disk needs.
    pub ballast: u64,
    /// Everything was counted; otherwise it is at least this.
    pub complete: bool,
}

impl Reader {
    /// Counts what the directory of this database takes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn usage(&self) -> Result<Usage, ReadError> {
        let root = self.read(|opened| Ok(opened.dir.parent().map(Path::to_owned)))?.unwrap_or_default();
        let mut usage = Usage { free: SystemDisk.available(&root).ok(), complete: true, ..Usage::default() };
        self.count_rows(&mut usage)?;
        count_files(&root, &mut usage);
        Ok(usage)
    }

    fn count_rows(&self, usage: &mut Usage) -> Result<(), ReadError> {
        let (end, mut counted, mut after) = (Instant::now() + PATIENCE, 0, Vec::new());
        loop {
            let (cells, last) = self.read(|opened| next_cells(opened, &after))?;
            for (tag, bytes) in &cells {
                let of = |tables: &[&dyn AnyTable]| tables.iter().any(|table| table.tag() == *tag);
                for (sum, tables) in [
                    (&mut usage.messages, MESSAGES),
                    (&mut usage.mailboxes, MAILBOXES),
                    (&mut usage.records, RECORDS),
                ] {
                    *sum += if of(tables) { *bytes } else { 0 };
                }
            }
            counted += cells.len();
            let Some(last) = last.filter(|_| cells.len() == AT_ONCE) else { return Ok(()) };
            if counted >= MOST_CELLS || Instant::now() >= end {
                usage.complete = false;
                return Ok(());
            }
            after = [&last[..], &[0]].concat();
        }
    }
}

/// Table and size of the next cells from a key on, and the last key.
type NextCells = (Vec<(u8, u64)>, Option<Vec<u8>>);

fn next_cells(opened: &Opened, from: &[u8]) -> Result<NextCells, ReadError> {
    let (mut cells, mut last) = (Vec::new(), None);
    for cell in opened.tree.range(from.to_vec()..).take(AT_ONCE) {
        let (key, value) = cell?;
        // The key of a part begins with that of its row.
        let tag = if key.first() == Some(&PARTS_TAG) { key.get(1) } else { key.first() };
        cells.push((tag.copied().unwrap_or_default(), length(key.len() + value.len())));
        last = Some(key.to_vec());
    }
    Ok((cells, last))
}

fn count_files(root: &Path, usage: &mut Usage) {
    let mut walk = Walk { left: MOST_FILES, end: Instant::now() + PATIENCE };
    let Ok(entries) = fs::read_dir(root) else {
        usage.complete = false;
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let sum = match name.to_string_lossy().as_ref() {
            "db" => &mut usage.database,
            "users" => &mut usage.received,
            "blobs" => &mut usage.transfers,
            "export" => &mut usage.export,
            "ballast" => &mut usage.ballast,
            name if name.starts_with("quarantine-") || name.starts_with("replaced-") => &mut usage.aside,
            _ => continue,
        };
        *sum += walk.bytes(&entry.path());
    }
    usage.complete &= walk.left > 0 && Instant::now() < walk.end;
}

/// How much may still be looked at.
struct Walk {
    left: usize,
    end: Instant,
}

impl Walk {
    /// The bytes of a file, or of everything below a folder.
    fn bytes(&mut self, path: &Path) -> u64 {
        let (mut sum, mut open) = (0, vec![path.to_owned()]);
        while let Some(path) = open.pop() {
            if self.left == 0 || Instant::now() >= self.end {
                break;
            }
            self.left -= 1;
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            sum += metadata.blocks() * BLOCK_BYTES;
            if metadata.is_dir() {
                let entries = fs::read_dir(&path).into_iter().flatten().flatten();
                // What is too much to look at is not collected either.
                open.extend(entries.take(self.left).map(|entry| entry.path()));
            }
        }
        sum
    }
}

fn length(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}
