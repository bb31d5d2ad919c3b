//! Offering files that stand elsewhere on this machine: they are hashed where they are, and never copied.
//!
//! In: a path. Out: the blob's id, its tree beside the database, rows that say where the file is and what it was when it was hashed. The
//! file is read once, from front to end; memory is one buffer, whatever its size.
//!
//! A file that changes while it is hashed is noticed (its size, time and number are compared before and after), and so is one that is
//! changed later ([`super::reader`]).
//!
//! One thread hashes. An x86 core does gigabytes a second and a Raspberry Pi's some hundred megabytes, both more than their disks; a pool
//! of threads would cost every node memory for that.

use super::{
    BlobChange, BlobError, Holder, Proof,
    claims::Claim,
    rows::{FileRow, MAX_FILES_OF_ONE, Seen},
    store::{BlobStore, Inner, hold, is_small, now},
    tree,
};
use crate::disk;
use pc2_protocols::{blob::BlobSize, id::BlobId};
use rustix::fs::{Advice, OFlags};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read, Write as _},
    ops::ControlFlow,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Told how many bytes were done since it was last told, at least once for every megabyte; says whether to go on.
pub type Progress<'a> = &'a mut dyn FnMut(u64) -> ControlFlow<()>;

/// How often progress is told, in bytes.
pub(crate) const PROGRESS_BYTES: u64 = 1024 * 1024;

/// Pairs of hashes are written in pieces of this many bytes: those of 16 MiB of data.
const PAIRS_BUFFER: usize = 64 * 1024;

/// Rows of one batch. A batch is written as a whole, and other batches wait for it.
const ROWS_AT_ONCE: usize = 256;

/// A file that was hashed. Until it is [offered](BlobStore::offer) nothing is written about it; the sweep leaves its tree
/// alone for as long as this lives.
pub struct Imported {
    id: BlobId,
    path: PathBuf,
    seen: Seen,
    _claim: Claim,
}

impl Imported {
    /// The hash of its bytes.
    #[must_use]
    pub const fn id(&self) -> BlobId {
        self.id
    }

    /// How many they are.
    #[must_use]
    pub const fn size(&self) -> BlobSize {
        self.seen.size
    }

    /// Where it is, links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl BlobStore {
    /// Hashes a file and offers it: [`Self::hash_file`] and [`Self::offer`].
    ///
    /// # Errors
    /// As of these.
    pub fn import(&self, path: &Path, holder: Holder, progress: Progress<'_>) -> Result<Imported, BlobError> {
        let imported = self.hash_file(path, progress)?;
        self.offer(holder, std::slice::from_ref(&imported))?;
        Ok(imported)
    }

    /// Hashes a file; makes and keeps its tree, unless it is small.
    ///
    /// # Errors
    /// [`BlobError::SourceGone`], [`BlobError::SourceChanged`] (while it was read), [`BlobError::NotAFile`], [`BlobError::TooLarge`],
    /// [`BlobError::NoRoom`] (for its tree, 0.4 % of it), [`BlobError::Stopped`] (by `progress`), or what the system says.
    pub fn hash_file(&self, path: &Path, progress: Progress<'_>) -> Result<Imported, BlobError> {
        let path = fs::canonicalize(path).map_err(BlobError::source(path))?;
        let (file, seen) = open(&path)?;
        let (id, new) = if is_small(seen.size) {
            (hash(&file, &path, seen, io::sink(), progress)?, None)
        } else {
            let (id, new) = self.inner.make_tree(&file, &path, seen, progress)?;
            (id, Some(new))
        };
        let claim = self.inner.claim(id);
        if let Some(new) = new {
            new.keep(&self.inner.tree(id))?;
        }
        Ok(Imported { id, path, seen, _claim: claim })
    }

    /// Offers hashed files, for whoever needs them. Returns when that is durable. Many at once cost little more than one.
    ///
    /// # Errors
    /// What the database and the disk say. Some of the files may be offered then, and can be offered again.
    pub fn offer(&self, holder: Holder, files: &[Imported]) -> Result<(), BlobError> {
        if files.iter().any(|file| !is_small(file.seen.size)) {
            disk::sync_dir(&self.inner.trees()).map_err(BlobError::io(&self.inner.trees()))?;
        }
        for files in files.chunks(ROWS_AT_ONCE / 2) {
            let mut places: BTreeMap<BlobId, Vec<FileRow>> = BTreeMap::new();
            let mut changes = Vec::new();
            for file in files {
                let row = file.row(false);
                let known = match places.entry(file.id) {
                    std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                    std::collections::btree_map::Entry::Vacant(free) => {
                        changes.push(hold(file.id, holder));
                        free.insert(self.inner.rows.blob_files(file.id)?)
                    }
                };
                changes.extend(place(known, row));
            }
            self.inner.commit(changes)?;
        }
        Ok(())
    }

    /// Makes the tree of an offered file again, because it is damaged.
    ///
    /// # Errors
    /// As [`Self::hash_file`]; [`BlobError::Unknown`] when no file with these bytes stands unchanged;
    /// [`BlobError::SourceChanged`] when those that do have other bytes than they had, whatever else they look like.
    pub fn rebuild(&self, id: BlobId, progress: Progress<'_>) -> Result<(), BlobError> {
        let mut last = BlobError::Unknown;
        for row in self.inner.rows.blob_files(id)? {
            match self.inner.rebuild_from(&row, progress) {
                Ok(()) => return Ok(()),
                Err(BlobError::Stopped) => return Err(BlobError::Stopped),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Imported {
    fn row(&self, received: bool) -> FileRow {
        let path = self.path.as_os_str().as_bytes().to_vec();
        FileRow { id: self.id, path, seen: self.seen, received, since: now(), proof: Proof::Whole }
    }
}

/// The changes by which a file is known as one with its blob's bytes, given those known already. Files that are gone make room for it; when
/// all that may be known still stand, one more changes nothing.
pub(crate) fn place(known: &mut Vec<FileRow>, row: FileRow) -> Vec<BlobChange> {
    let mut changes = Vec::new();
    let standing = |row: &FileRow| fs::metadata(row.path()).is_ok_and(|file| row.seen.still(&file));
    if known.len() >= MAX_FILES_OF_ONE && !known.iter().any(|other| other.path == row.path) {
        match known.iter().position(|row| !standing(row)) {
            Some(gone) => {
                let gone = known.swap_remove(gone);
                changes.push(BlobChange::RemoveFile { id: gone.id, place: gone.place() });
            }
            None => return changes,
        }
    }
    known.retain(|other| other.path != row.path);
    known.push(row.clone());
    changes.push(BlobChange::PutFile(row));
    changes
}

/// A tree that was made and has no name yet; removed when it gets none.
pub(crate) struct NewTree {
    path: PathBuf,
}

impl NewTree {
    /// Gives it its name, in place of one that may be there.
    pub(crate) fn keep(self, path: &Path) -> Result<(), BlobError> {
        fs::rename(&self.path, path).map_err(BlobError::io(path))
    }
}

impl Drop for NewTree {
    fn drop(&mut self) {
        // Not there any more when it was kept; what cannot be removed goes with the next start.
        let _kept = fs::remove_file(&self.path);
    }
}

impl Inner {
    /// Makes a tree again from one of the files that have its blob's bytes.
    pub(crate) fn rebuild_from(
        self: &Arc<Self>,
        row: &FileRow,
        progress: Progress<'_>,
    ) -> Result<(), BlobError> {
        let (file, seen) = open(row.path())?;
        if row.proof == Proof::Pieces {
            return self.rebuild_pieces(row, &file, progress);
        }
        let (found, new) = self.make_tree(&file, row.path(), seen, progress)?;
        if found != row.id {
            return Err(BlobError::SourceChanged { path: row.path().to_owned() });
        }
        let _claim = self.claim(row.id);
        // A small one has no tree that could be damaged; what was made goes with `new`.
        if is_small(seen.size) { Ok(()) } else { new.keep(&self.tree(row.id)) }
    }

    /// Hashes a file and writes its tree, synced, under a name of its own.
    pub(crate) fn make_tree(
        self: &Arc<Self>,
        file: &File,
        path: &Path,
        seen: Seen,
        progress: Progress<'_>,
    ) -> Result<(BlobId, NewTree), BlobError> {
        self.room(&self.trees(), tree::bytes(seen.size))?;
        let new = NewTree { path: self.new_file() };
        let tree = File::create_new(&new.path).map_err(BlobError::io(&new.path))?;
        let mut pairs = BufWriter::with_capacity(PAIRS_BUFFER, Pairs { tree: &tree, failed: None });
        let id = hash(file, path, seen, &mut pairs, progress);
        let flushed = pairs.flush();
        if let Some(error) = pairs.get_mut().failed.take().or(flushed.err()) {
            return Err(BlobError::io(&new.path)(error));
        }
        let id = id?;
        self.disk.sync(&tree).map_err(BlobError::io(&new.path))?;
        Ok((id, new))
    }
}

/// Tells an error of the tree's file from one of the data.
struct Pairs<'a> {
    tree: &'a File,
    failed: Option<io::Error>,
}

impl io::Write for Pairs<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tree.write(bytes).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.failed = Some(error.kind().into());
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens somebody's file for reading, if it is one, and notes what it is.
pub(crate) fn open(path: &Path) -> Result<(File, Seen), BlobError> {
    // A pipe or a device is not waited for.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file =
        OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(BlobError::source(path))?;
    let metadata = file.metadata().map_err(BlobError::source(path))?;
    if !metadata.is_file() {
        return Err(BlobError::NotAFile { path: path.to_owned() });
    }
    let size = BlobSize::try_from(metadata.len())?;
    Ok((file, Seen::of(size, &metadata)))
}

/// Hashes a file that must stay what it is meanwhile.
fn hash(
    file: &File,
    path: &Path,
    seen: Seen,
    pairs: impl io::Write,
    progress: Progress<'_>,
) -> Result<BlobId, BlobError> {
    // The system reads ahead further then; without that it is merely slower.
    let _not_advised = rustix::fs::fadvise(file, 0, None, Advice::Sequential);
    let mut source = Source { file, untold: 0, progress, stopped: false };
    let hashed = tree::hash(&mut source, seen.size, pairs);
    if source.stopped {
        return Err(BlobError::Stopped);
    }
    let untold = source.untold;
    let id = hashed.map_err(BlobError::source(path))?;
    let _done_anyway = (source.progress)(untold);
    check(file, path, seen)?;
    Ok(id)
}

/// Whether an open file is still what was seen, and still the one at its path.
pub(crate) fn check(file: &File, path: &Path, seen: Seen) -> Result<(), BlobError> {
    let open = file.metadata().map_err(BlobError::source(path))?;
    let named = fs::metadata(path).map_err(BlobError::source(path))?;
    if seen.still(&open) && seen.still(&named) {
        Ok(())
    } else {
        Err(BlobError::SourceChanged { path: path.to_owned() })
    }
}

/// Tells the progress of what is read.
struct Source<'a> {
    file: &'a File,
    untold: u64,
    progress: Progress<'a>,
    stopped: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        self.untold += read as u64;
        if self.untold >= PROGRESS_BYTES {
            let told = std::mem::take(&mut self.untold);
            if (self.progress)(told).is_break() {
                self.stopped = true;
                return Err(io::Error::other("stopped"));
            }
        }
        Ok(read)
    }
}
