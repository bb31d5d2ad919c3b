//! From a whole partial blob to a file in a folder, under a name, and nothing half in between.
//!
//! In order: everything is synced · the partial file is linked into the folder under the first free form of its name · the folder is
//! synced · the rows say where it is, durably · the partial files go. A process that ends in between finds, when it begins again, either the
//! partial file (and then its own link under the name, which it takes for its own), or the row. In another file system the bytes
//! are copied beside their last name first, hashed on the way, and get that name when they are right and synced.
//!
//! Not here: which folder ([`super::place`]), how names are made safe ([`super::name`]).

use super::{
    BlobChange, BlobError, CleanName, Holder, Proof, Target,
    import::place,
    partial::Partial,
    place::Linked,
    rows::{FileRow, Seen},
    store::{BlobStore, Inner, hold, is_small, now},
    tree,
};
use pc2_protocols::{blob::BlobSize, id::BlobId};
use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Bytes copied at once into another file system.
const COPY_BYTES: usize = 1024 * 1024;

/// Whether this node goes on having a blob when it has been received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It can be read and offered from where it is, for as long as somebody holds it.
    Offer,
    /// It is the owner's file and nothing else.
    Forget,
}

/// A file that was put where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Where it is.
    pub path: PathBuf,
    /// What it is called there: what was wanted, or that with a number.
    pub name: CleanName,
}

impl Partial {
    /// Puts a whole blob into a folder, replacing nothing. Then this partial is over.
    ///
    /// # Errors
    /// [`BlobError::Incomplete`]; [`BlobError::NameTaken`]; [`BlobError::NoRoom`] (in another file system); what disk and database say. In all
    /// these cases nothing is lost, and it can be tried again (after [`BlobStore::begin`] where the disk failed).
    pub fn finish(&self, target: &Target, name: &CleanName, after: After) -> Result<Finished, BlobError> {
        let core = &*self.core;
        let missing = core.missing_bytes();
        if missing > 0 {
            return Err(BlobError::Incomplete { missing });
        }
        self.checkpoint()?;
        let inner = Arc::clone(core.inner());
        let _claim = inner.claim(core.id);
        let data = &core.files.data;
        let (name, file) = match target.link(&core.files.paths.data, data, name)? {
            Linked::Here(name) => (name, None),
            Linked::Elsewhere => {
                let (name, file) = inner.copy_into(target, name, &core.expected()?, data)?;
                (name, Some(file))
            }
        };
        target.sync()?;
        let finished = Finished { path: target.path().join(name.as_str()), name };
        let mut changes = vec![BlobChange::RemovePartial { id: core.id }];
        if after == After::Forget {
            changes.push(BlobChange::RemoveHold { id: core.id, holder: core.holder });
        } else {
            if !is_small(core.size) {
                inner.take_tree(core.id)?;
            }
            let metadata = file.as_ref().unwrap_or(data).metadata().map_err(BlobError::io(&finished.path))?;
            let row = file_row(core.id, &finished, Seen::of(core.size, &metadata), core.proof);
            changes.extend(place(&mut inner.rows.blob_files(core.id)?, row));
            changes.push(hold(core.id, core.holder));
        }
        inner.commit(changes)?;
        core.close();
        // What is left behind by a failure here has no row any more: the next sweep takes it.
        if let Err(error) = inner.discard(core.id) {
            tracing::warn!(%error, "partial file not removed");
        }
        Ok(finished)
    }
}

impl BlobStore {
    /// Copies a file that stands on this machine already into a folder, replacing nothing: what is asked for need not be sent.
    ///
    /// # Errors
    /// [`BlobError::Unknown`] when none stands unchanged; [`BlobError::SourceChanged`] when it turns out to have other bytes;
    /// [`BlobError::NoRoom`]; [`BlobError::NameTaken`]; what the system says.
    pub fn copy(
        &self,
        id: BlobId,
        target: &Target,
        name: &CleanName,
        holder: Holder,
    ) -> Result<Finished, BlobError> {
        let _claim = self.inner.claim(id);
        let row = self.inner.standing(id)?.ok_or(BlobError::Unknown)?;
        let source = File::open(row.path()).map_err(BlobError::source(row.path()))?;
        let expected = Expected::whole(id, row.seen.size);
        let copied = self.inner.copy_into(target, name, &expected, &source);
        let (name, file) = copied.map_err(|error| match error {
            BlobError::NotTheFile { .. } => BlobError::SourceChanged { path: row.path().to_owned() },
            other => other,
        })?;
        target.sync()?;
        let finished = Finished { path: target.path().join(name.as_str()), name };
        let metadata = file.metadata().map_err(BlobError::io(&finished.path))?;
        let new = file_row(id, &finished, Seen::of(row.seen.size, &metadata), Proof::Whole);
        let mut changes = place(&mut self.inner.rows.blob_files(id)?, new);
        changes.push(hold(id, holder));
        self.inner.commit(changes)?;
        Ok(finished)
    }
}

fn file_row(id: BlobId, finished: &Finished, seen: Seen, proof: Proof) -> FileRow {
    let path = finished.path.as_os_str().as_bytes().to_vec();
    FileRow { id, path, seen, received: true, since: now(), proof }
}

impl Inner {
    /// A second name for the tree of a partial blob: the first goes with the partial, when the rows say that it may.
    fn take_tree(&self, id: BlobId) -> Result<(), BlobError> {
        let (from, to) = (self.partial(id).tree, self.tree(id));
        match fs::hard_link(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Of the same blob; this one is known to be right.
                fs::remove_file(&to).and_then(|()| fs::hard_link(&from, &to)).map_err(BlobError::io(&to))
            }
            done => done.map_err(BlobError::io(&to)),
        }
    }

    /// Copies a blob's bytes into a folder of any file system, under the first free form of a name.
    pub(crate) fn copy_into(
        &self,
        target: &Target,
        name: &CleanName,
        expected: &Expected,
        source: &File,
    ) -> Result<(CleanName, File), BlobError> {
        self.room(target.path(), expected.size.bytes())?;
        let beside = target.beside(expected.id)?;
        let path = target.path().join(beside.name());
        pour(source, beside.file(), expected).map_err(|error| error.told(&path))?;
        self.disk.sync(beside.file()).map_err(BlobError::io(&path))?;
        beside.publish(name)
    }
}

/// The bytes that a file should have.
pub(crate) struct Expected {
    id: BlobId,
    size: BlobSize,
    by: Hashes,
}

/// By what they are known.
enum Hashes {
    /// The id is the hash of all of it.
    Whole,
    /// The hash of each piece.
    Pieces(Vec<BlobId>),
    /// They were proven when they came, and what proved them is gone.
    None,
}

impl Expected {
    /// Those of a blob with one tree.
    pub(crate) const fn whole(id: BlobId, size: BlobSize) -> Self {
        Self { id, size, by: Hashes::Whole }
    }

    /// Those of a file in pieces.
    pub(crate) const fn pieces(id: BlobId, size: BlobSize, roots: Vec<BlobId>) -> Self {
        Self { id, size, by: Hashes::Pieces(roots) }
    }

    /// So many, and nothing more is known.
    pub(crate) const fn of_size(id: BlobId, size: BlobSize) -> Self {
        Self { id, size, by: Hashes::None }
    }

    /// The hashes, in order, each with the bytes that it is of.
    fn parts(&self) -> Vec<(Option<BlobId>, u64)> {
        match &self.by {
            Hashes::Whole => vec![(Some(self.id), self.size.bytes())],
            Hashes::None => vec![(None, self.size.bytes())],
            Hashes::Pieces(roots) => {
                let of = |(piece, root): (u32, &BlobId)| (Some(*root), self.size.of_piece(piece).bytes());
                (0..).zip(roots).map(of).collect()
            }
        }
    }
}

/// Why bytes were not copied.
pub(crate) enum NotPoured {
    /// They are not the blob's.
    Other(u64),
    /// Reading or writing failed.
    Io(io::Error),
}

impl NotPoured {
    /// Worded for a file.
    pub(crate) fn told(self, path: &Path) -> BlobError {
        match self {
            Self::Other(at) => BlobError::NotTheFile { at },
            Self::Io(error) => BlobError::io(path)(error),
        }
    }
}

/// Copies a blob's bytes from the beginning of a file, and proves them on the way. Memory: a megabyte, or the blob if that is less.
pub(crate) fn pour(mut source: &File, mut to: impl io::Write, expected: &Expected) -> Result<(), NotPoured> {
    let size = expected.size.bytes();
    let mut buffer = vec![0; usize::try_from(size).unwrap_or(usize::MAX).min(COPY_BYTES)];
    source.rewind().map_err(NotPoured::Io)?;
    let mut at = 0;
    for (root, length) in expected.parts() {
        let mut hash = blake3::Hasher::new();
        let (begin, end) = (at, length.saturating_add(at));
        while at < end {
            let most = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(buffer.len());
            let bytes = buffer.get_mut(..most).unwrap_or_default();
            source.read_exact(bytes).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => NotPoured::Other(at),
                _ => NotPoured::Io(error),
            })?;
            hash.update(bytes);
            to.write_all(bytes).map_err(NotPoured::Io)?;
            at += most as u64;
        }
        if root.is_some_and(|root| tree::id(hash.finalize()) != root) {
            return Err(NotPoured::Other(begin));
        }
    }
    if at == size { Ok(()) } else { Err(NotPoured::Other(at)) }
}
