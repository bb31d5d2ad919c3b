//! Reading an offered file so that the other side can prove what it gets.
//!
//! In: groups. Out: a stream with their bytes and the hashes that lead from the blob's id, or from the hash of a piece, to them, as `bao-tree` defines it. Each group is
//! proven before it is written, so nothing leaves that the other side would refuse; and a file that was changed since it was
//! offered is told as that.

use super::{
    BlobError, Proof, import,
    rows::{FileRow, Seen},
    store::{BlobStore, is_small},
    tree::{self, Pairs, Tree, Unproven, Window},
};
use pc2_protocols::{
    blob::{BlobSize, Groups},
    id::BlobId,
    limits::BLOB_GROUP_BYTES,
};
use std::{
    fs::File,
    io::{self, Write},
    ops::Range,
    path::{Path, PathBuf},
};

/// A file with a blob's bytes, open. Several threads may read from it at once.
pub struct Reader {
    id: BlobId,
    pub(super) path: PathBuf,
    pub(super) seen: Seen,
    pub(super) data: File,
    pub(super) trees: Trees,
    /// Its hash, where nobody was told before: it is small and was not read when it was offered.
    pub(super) said: Option<BlobId>,
}

/// What proves it.
pub(super) enum Trees {
    /// One tree.
    Whole(Tree),
    /// One for each piece, in a file.
    Pieces(File),
}

impl BlobStore {
    /// Opens a file that has a blob's bytes. Of a small one it is hashed on the way.
    ///
    /// # Errors
    /// [`BlobError::Unknown`] when none is known; [`BlobError::SourceGone`] or [`BlobError::SourceChanged`] when none that is known stands
    /// unchanged; [`BlobError::TreeDamaged`] when its tree is missing or has another length, see [`Self::rebuild`]; what the system says.
    pub fn reader(&self, id: BlobId) -> Result<Reader, BlobError> {
        let rows = self.inner.rows.blob_files(id)?;
        let mut last = BlobError::Unknown;
        for row in rows {
            match self.open_at(&row) {
                Ok(reader) => return Ok(reader),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(crate) fn open_at(&self, row: &FileRow) -> Result<Reader, BlobError> {
        let (id, path, seen) = (row.id, row.path(), row.seen);
        let changed = || BlobError::SourceChanged { path: path.to_owned() };
        let (data, now) = import::open(path)?;
        if !seen.still(&data.metadata().map_err(BlobError::source(path))?) {
            return Err(changed());
        }
        let size = now.size;
        let reader = |data, trees, said| Reader { id, path: path.to_owned(), seen, data, trees, said };
        let in_pieces = row.proof == Proof::Pieces;
        if is_small(size) {
            let mut pairs = Vec::new();
            let root = tree::hash(&data, size, &mut pairs).map_err(BlobError::source(path))?;
            if !in_pieces && root != id {
                return Err(changed());
            }
            let trees = Trees::Whole(tree::with(root, size, Pairs::Memory(pairs)));
            return Ok(reader(data, trees, in_pieces.then_some(root)));
        }
        if in_pieces {
            let trees = self.inner.open_trees(id, size)?;
            return Ok(reader(data, Trees::Pieces(trees), None));
        }
        let pairs = {
            let damaged = || BlobError::TreeDamaged { path: path.to_owned() };
            let file = match File::open(self.inner.tree(id)) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged()),
                Err(error) => return Err(BlobError::io(&self.inner.tree(id))(error)),
            };
            if file.metadata().map_err(BlobError::io(path))?.len() != tree::bytes(size) {
                return Err(damaged());
            }
            Pairs::File { file, at: 0 }
        };
        Ok(reader(data, Trees::Whole(tree::with(id, size, pairs)), None))
    }
}

impl Reader {
    /// Which blob.
    #[must_use]
    pub const fn id(&self) -> BlobId {
        self.id
    }

    /// Its size.
    #[must_use]
    pub const fn size(&self) -> BlobSize {
        self.seen.size
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes some groups with their proof, and returns how many bytes that were. `out` gets pieces of 64 bytes and of a group: it should
    /// collect them. When it fails, so does this; what was written before was right. Of a file in pieces they must be of one piece, and
    /// [`Self::piece`] comes before.
    ///
    /// # Errors
    /// [`BlobError::OutOfRange`]; [`BlobError::SourceGone`] and [`BlobError::SourceChanged`]; [`BlobError::Damaged`] when the bytes are others
    /// though nobody wrote to the file; [`BlobError::TreeDamaged`]; [`BlobError::Stream`] from `out`.
    pub fn encode(&self, groups: &Groups, out: impl Write) -> Result<u64, BlobError> {
        if !groups.fit(self.size()) {
            return Err(BlobError::OutOfRange);
        }
        import::check(&self.data, &self.path, self.seen)?;
        if groups.is_empty() {
            return Ok(0);
        }
        let mut out = Out { out, written: 0, failed: None };
        let start = groups.ranges().next().map_or(0, |first| first.start);
        let encoded = match &self.trees {
            Trees::Whole(tree) => tree::encode(tree, Window { file: &self.data, at: 0 }, groups, &mut out)
                .map_err(|error| (error, 0)),
            Trees::Pieces(trees) => {
                let (unit, inside) = self.unit(trees, groups)?;
                let tree = unit.tree(trees).map_err(BlobError::io(&self.path))?;
                tree::encode(&tree, unit.window(&self.data), &inside, &mut out)
                    .map_err(|error| (error, unit.start()))
            }
        };
        match encoded {
            Ok(()) => Ok(out.written),
            Err((Unproven::Tree, _)) if out.written == 0 && out.failed.is_none() && self.renew(start)? => {
                self.encode(groups, out.out)
            }
            Err((error, start)) => Err(self.told(error, start, out.failed)),
        }
    }

    /// What an error means: a file that is not what it was explains every other.
    fn told(&self, error: Unproven, start: u64, out: Option<io::Error>) -> BlobError {
        if let Some(error) = out {
            return BlobError::Stream(error);
        }
        if let Err(changed) = import::check(&self.data, &self.path, self.seen) {
            return changed;
        }
        match error {
            Unproven::Data(at) => {
                let group = u32::try_from(start.saturating_add(at) / BLOB_GROUP_BYTES).unwrap_or(u32::MAX);
                let bytes = self.size().span(&(group..group.saturating_add(1)));
                BlobError::Damaged { path: self.path.clone(), bytes }
            }
            Unproven::Tree => BlobError::TreeDamaged { path: self.path.clone() },
            Unproven::Io(error) => BlobError::source(&self.path)(error),
        }
    }

    /// What is damaged, in groups. Of a piece that nobody has asked for nothing is known, and so nothing damaged.
    pub(crate) fn unproven(&self, groups: Range<u32>) -> Result<Vec<Range<u32>>, BlobError> {
        match &self.trees {
            Trees::Whole(tree) => Ok(tree::unproven(tree, Window { file: &self.data, at: 0 }, groups)),
            Trees::Pieces(trees) => self.unproven_pieces(trees, groups).map_err(BlobError::io(&self.path)),
        }
    }

    /// Whether the file is still what it was.
    pub(crate) fn check(&self) -> Result<(), BlobError> {
        import::check(&self.data, &self.path, self.seen)
    }
}

/// Counts what is written, and tells an error of the other side from one of the file.
struct Out<W> {
    out: W,
    written: u64,
    failed: Option<io::Error>,
}

impl<W: Write> Write for Out<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.out.write(bytes) {
            Ok(written) => {
                self.written += written as u64;
                Ok(written)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
