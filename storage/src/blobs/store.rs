//! The blob store: where its files are, what is written about them, who may touch what.
//!
//! ```text
//! <data>/blobs/partial/<id>         a blob being received: its full length from the start, holes where nothing came yet
//! <data>/blobs/partial/<id>.tree    the pairs of hashes that came with it
//! <data>/blobs/partial/<id>.marks   which of its groups are proven and on the disk
//! <data>/blobs/trees/<id>           the tree, or the trees of the pieces, of a file that stands elsewhere
//! <data>/blobs/new/<number>         a tree being made; emptied at the start
//! <data>/blobs/gathering/<holder>   a collection being received, as the folder that it will be
//! <data>/blobs/gathering/<holder>.place  where that folder was, or is about to be, put
//! <data>/blobs/gathering/<holder>.said   what was said of its small files, where nobody hashed them before
//! ```
//! `<id>` is the hash in hexadecimal digits (of a file in pieces a name that stands for one, see `pieces`), `<holder>` whoever ordered the collection, in the same. Blobs up to [`SMALL_BYTES`] have neither tree nor marks here.
//!
//! Several threads may use a store; one at a time works on a partial blob's beginning and end, any number on its middle. The data
//! directory's lock, held by [`Storage`], keeps other processes out.

use super::{
    BlobChange, BlobError, Holder,
    rows::{FileRow, HoldRow, Kind},
};
use crate::{
    change::Change,
    db::Options,
    dir::{self, unix_millis},
    disk::Disk,
    reader::Reader as Rows,
    storage::Storage,
    writer::{Writer, WriterState},
};
use pc2_protocols::{blob::BlobSize, id::BlobId, time::UnixMillis};
use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc::sync_channel},
};

/// Blobs up to this many bytes keep no tree and no marks on disk: hashing them anew takes a millisecond, and a kill while one is
/// received costs less than a batch. A folder of a hundred thousand small files is then as many rows, and no files.
pub const SMALL_BYTES: u64 = 1024 * 1024;

/// Blobs stop this many bytes before the reserve that the database keeps: a disk filled by files still takes messages.
pub const HEADROOM_BYTES: u64 = 64 * 1024 * 1024;

/// Holds removed in one batch. A batch is written as a whole, and other batches wait for it.
const RELEASED_AT_ONCE: usize = 512;

/// How often a batch is offered to a writer whose queue is full; each time the queue is waited for.
const TRIES: usize = 8;

/// The store. Cheap to clone; to be dropped before its [`Storage`] is closed (afterwards it only answers errors).
#[derive(Clone)]
pub struct BlobStore {
    pub(crate) inner: Arc<Inner>,
}

/// What a store's parts share.
pub(crate) struct Inner {
    root: PathBuf,
    writer: Writer,
    pub(crate) rows: Rows,
    pub(crate) disk: Arc<dyn Disk>,
    reserve: u64,
    work: Mutex<Work>,
}

/// What is under way in this process.
#[derive(Default)]
pub(crate) struct Work {
    /// Blobs whose files and rows are being put in order, and by how many: the sweep leaves them alone.
    pub(crate) claims: HashMap<BlobId, usize>,
    /// Blobs being received, with the bytes that each has yet to write.
    pub(crate) receiving: HashMap<BlobId, u64>,
    /// Collections being received or cleared away, with the bytes that each has yet to write without a blob of `receiving`.
    pub(crate) gathering: HashMap<Holder, u64>,
    /// Blobs of which a sync failed: of what was written since the one before nobody knows whether the disk has it.
    pub(crate) doubted: HashSet<BlobId>,
    /// Number of the next new tree.
    next_new: u64,
}

impl Work {
    /// Bytes that were promised and are not written yet.
    pub(crate) fn promised(&self) -> u64 {
        self.receiving
            .values()
            .chain(self.gathering.values())
            .fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }
}

impl BlobStore {
    /// Opens the store of a storage's data directory, or makes it. Trees that were being made when the process ended are removed.
    ///
    /// # Errors
    /// [`BlobError::Io`] when a folder cannot be made or read.
    pub fn open(storage: &Storage, options: &Options) -> Result<Self, BlobError> {
        let root = storage.root().join("blobs");
        for folder in ["partial", "trees", "new", "gathering"].map(|name| root.join(name)) {
            dir::create_private(&folder).map_err(BlobError::io(&folder))?;
        }
        let new = root.join("new");
        for entry in fs::read_dir(&new).map_err(BlobError::io(&new))? {
            let path = entry.map_err(BlobError::io(&new))?.path();
            fs::remove_file(&path).map_err(BlobError::io(&path))?;
        }
        let inner = Inner {
            root,
            writer: storage.writer(),
            rows: storage.reader(),
            disk: Arc::clone(&options.disk),
            reserve: options.reserve_bytes.saturating_add(HEADROOM_BYTES),
            work: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Somebody needs a blob that is known here. Once for each holder, however often it is said.
    ///
    /// # Errors
    /// [`BlobError::Unknown`]; what the database says.
    pub fn hold(&self, id: BlobId, holder: Holder) -> Result<(), BlobError> {
        let _claim = self.inner.claim(id);
        if self.inner.rows.blob_files(id)?.is_empty() && self.inner.rows.blob_partial(id)?.is_none() {
            return Err(BlobError::Unknown);
        }
        self.inner.commit(vec![hold(id, holder)])
    }

    /// Somebody does not need a blob any more. What nobody needs goes with the next [`Self::sweep`].
    ///
    /// # Errors
    /// What the database says.
    pub fn release(&self, id: BlobId, holder: Holder) -> Result<(), BlobError> {
        self.inner.commit(vec![BlobChange::RemoveHold { id, holder }])
    }

    /// The same for many: durable by hundreds, so that a folder's hundred thousand files take seconds.
    ///
    /// # Errors
    /// What the database says. Some of them may be released then; it can be said again.
    pub fn release_many(&self, ids: &[BlobId], holder: Holder) -> Result<(), BlobError> {
        for ids in ids.chunks(RELEASED_AT_ONCE) {
            self.inner.commit(ids.iter().map(|id| BlobChange::RemoveHold { id: *id, holder }).collect())?;
        }
        Ok(())
    }

    /// Whether this one needs a blob. One look into the database, however many others need it.
    ///
    /// # Errors
    /// What the database says.
    pub fn is_held_by(&self, id: BlobId, holder: Holder) -> Result<bool, BlobError> {
        Ok(self.inner.rows.blob_is_held_by(id, holder)?)
    }

    /// Whether there is room for so many bytes more among what is received: the reserve for messages, and what was promised to others, taken off.
    /// Nothing is promised by this; [`Self::begin`] and [`Self::gather`] do that.
    ///
    /// # Errors
    /// [`BlobError::NoRoom`].
    pub fn room_for(&self, bytes: u64) -> Result<(), BlobError> {
        self.inner.room_beside(self.inner.work().promised(), bytes)
    }

    /// Who needs a blob: at most `most` of them.
    ///
    /// # Errors
    /// What the database says.
    pub fn holders(&self, id: BlobId, most: usize) -> Result<Vec<Holder>, BlobError> {
        Ok(self.inner.rows.blob_holders(id, most)?.into_iter().map(|row| row.holder).collect())
    }

    /// The blobs known here after one, in order of their ids: at most `most`. What is offered, or what is being received.
    ///
    /// # Errors
    /// What the database says.
    pub fn list(&self, received: bool, after: Option<BlobId>, most: usize) -> Result<Vec<BlobId>, BlobError> {
        let kind = if received { Kind::Partials } else { Kind::Files };
        let mut ids: Vec<BlobId> = Vec::new();
        while ids.len() < most {
            let Some(id) = self.inner.rows.next_blob(kind, ids.last().copied().or(after))? else { break };
            ids.push(id);
        }
        Ok(ids)
    }
}

/// The files of a partial blob.
pub(crate) struct PartialPaths {
    pub(crate) data: PathBuf,
    pub(crate) tree: PathBuf,
    pub(crate) marks: PathBuf,
}

impl PartialPaths {
    /// All of them.
    pub(crate) fn all(&self) -> [&Path; 3] {
        [&self.marks, &self.tree, &self.data]
    }
}

impl Inner {
    /// The folder of partial blobs.
    pub(crate) fn partials(&self) -> PathBuf {
        self.root.join("partial")
    }

    /// The files of one.
    pub(crate) fn partial(&self, id: BlobId) -> PartialPaths {
        let data = self.partials().join(id.hex());
        PartialPaths { tree: data.with_extension("tree"), marks: data.with_extension("marks"), data }
    }

    /// The folder of collections being received.
    pub(crate) fn gatherings(&self) -> PathBuf {
        self.root.join("gathering")
    }

    /// The folder of trees.
    pub(crate) fn trees(&self) -> PathBuf {
        self.root.join("trees")
    }

    /// The tree of a file.
    pub(crate) fn tree(&self, id: BlobId) -> PathBuf {
        self.trees().join(id.hex())
    }

    /// A place for a tree that is being made.
    pub(crate) fn new_file(&self) -> PathBuf {
        let mut work = self.work();
        work.next_new += 1;
        self.root.join("new").join(work.next_new.to_string())
    }

    pub(crate) fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether so many bytes may be written in the file system of a folder.
    pub(crate) fn room(&self, folder: &Path, needed: u64) -> Result<(), BlobError> {
        // A disk that does not say how full it is is tried.
        let available = self.disk.available(folder).unwrap_or(u64::MAX).saturating_sub(self.reserve);
        if available < needed { Err(BlobError::NoRoom { needed, available }) } else { Ok(()) }
    }

    /// The same in the partial blobs' file system, beside what others were promised there.
    pub(crate) fn room_beside(&self, promised: u64, needed: u64) -> Result<(), BlobError> {
        match self.room(&self.partials(), needed.saturating_add(promised)) {
            Err(BlobError::NoRoom { available, .. }) => {
                Err(BlobError::NoRoom { needed, available: available.saturating_sub(promised) })
            }
            other => other,
        }
    }

    /// Writes rows and waits until they are durable.
    pub(crate) fn commit(&self, changes: Vec<BlobChange>) -> Result<(), BlobError> {
        if changes.is_empty() {
            return Ok(());
        }
        let changes: Vec<Change> = changes.into_iter().map(Change::Blob).collect();
        for _ in 0..TRIES {
            let (done, wait) = sync_channel(1);
            let callback = move |result| {
                // Whoever waited is gone with its thread: then nobody wants to know.
                let _unheard = done.send(result);
            };
            if self.writer.submit(changes.clone(), callback).is_ok() {
                return Ok(wait.recv().map_err(|_| BlobError::WriterBusy)??);
            }
            if self.writer.state() == WriterState::Closed {
                break;
            }
            self.writer.barrier();
        }
        Err(BlobError::WriterBusy)
    }

    /// The first file with a blob's bytes that is still what it was.
    pub(crate) fn standing(&self, id: BlobId) -> Result<Option<FileRow>, BlobError> {
        let rows = self.rows.blob_files(id)?;
        let standing = |row: &FileRow| fs::metadata(row.path()).is_ok_and(|file| row.seen.still(&file));
        Ok(rows.into_iter().find(standing))
    }
}

/// The change by which a blob is needed.
pub(crate) fn hold(id: BlobId, holder: Holder) -> BlobChange {
    BlobChange::PutHold(HoldRow { id, holder, since: now() })
}

/// When rows are written.
pub(crate) fn now() -> UnixMillis {
    UnixMillis(unix_millis())
}

/// Whether a blob of this size keeps tree and marks on disk.
pub(crate) fn is_small(size: BlobSize) -> bool {
    size.bytes() <= SMALL_BYTES
}

/// Removes a file that may not be there. Returns the bytes it took.
pub(crate) fn remove(path: &Path) -> Result<u64, BlobError> {
    use std::os::unix::fs::MetadataExt as _;
    // In units of 512 bytes, whatever the file system: a file of holes takes nothing.
    let taken = fs::symlink_metadata(path).map_or(0, |file| file.blocks().saturating_mul(512));
    match fs::remove_file(path) {
        Ok(()) => Ok(taken),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(BlobError::io(path)(error)),
    }
}
