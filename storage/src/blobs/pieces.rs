//! Offering a large file at once: nobody waits until all of it was hashed.
//!
//! In: a path. Out: a row that says where the file is and what it was when it was offered. A piece is hashed when it is first asked for, which takes as long as reading 64 MiB takes, and the next one while that is sent. So the file is read from the disk once, where
//! hashing it first would read it twice.
//!
//! **What holds.** The hash of a piece was said to somebody, who compares it: it never changes. What is damaged of a tree is made again from the file, and has to lead
//! to the same hash. Trees are not synced, because all of them can be made again; a process that is killed loses none of them.
//!
//! A file that is another one than was offered is noticed as every other ([`super::import`]): by its size, its time and its number, before and after each
//! piece is hashed. What changes between the offer and the first question without changing any of these is not: nobody knew yet what it was.
//!
//! Not here: how the trees lie in their file, and prove ([`super::proof`]).

use super::{
    BlobChange, BlobError, Holder, Progress, Proof, import,
    proof::{self, Unit},
    reader::{Reader, Trees},
    rows::{FileRow, Seen},
    store::{BlobStore, Inner, hold, is_small, now},
    tree,
};
use pc2_protocols::{
    blob::{BlobSize, Groups, by_pieces, piece_of},
    id::BlobId,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    ops::Range,
    os::unix::{ffi::OsStrExt as _, fs::FileExt as _},
    path::{Path, PathBuf},
};

/// What is read of a piece at once: what a disk reads well.
const READ_BYTES: usize = 256 * 1024;

/// Rows of one batch. A batch is written as a whole, and other batches wait for it.
const ROWS_AT_ONCE: usize = 128;

/// A file that is to be offered without being read.
pub struct Unread {
    key: BlobId,
    path: PathBuf,
    seen: Seen,
}

impl Unread {
    /// Looks at a file that will be asked for by a key, which nothing else has.
    ///
    /// # Errors
    /// [`BlobError::SourceGone`], [`BlobError::NotAFile`], [`BlobError::TooLarge`]; what the system says.
    pub fn look(key: BlobId, path: &Path) -> Result<Self, BlobError> {
        let path = fs::canonicalize(path).map_err(BlobError::source(path))?;
        let (_, seen) = import::open(&path)?;
        Ok(Self { key, path, seen })
    }

    /// Its bytes.
    #[must_use]
    pub const fn size(&self) -> BlobSize {
        self.seen.size
    }
}

impl BlobStore {
    /// Offers files without reading them. Returns when that is durable.
    ///
    /// # Errors
    /// [`BlobError::NoRoom`] for their trees, 0.4 % of them; what disk and database say. Some of the files may be offered then.
    pub fn offer_unread(&self, holder: Holder, files: &[Unread]) -> Result<(), BlobError> {
        let inner = &self.inner;
        let large = files.iter().filter(|file| !is_small(file.seen.size));
        inner.room(&inner.trees(), large.map(|file| tree::bytes(file.seen.size)).sum())?;
        for files in files.chunks(ROWS_AT_ONCE) {
            let mut changes = Vec::with_capacity(2 * files.len());
            for Unread { key, path, seen } in files {
                let path = path.as_os_str().as_bytes().to_vec();
                let (id, seen, proof) = (*key, *seen, Proof::Pieces);
                let row = FileRow { id, path, seen, received: false, since: now(), proof };
                changes.extend([BlobChange::PutFile(row), hold(id, holder)]);
            }
            inner.commit(changes)?;
        }
        Ok(())
    }
}

impl Inner {
    /// The trees of a file in pieces: those that are there, or room for them. What has another length is no file of ours any more.
    pub(crate) fn open_trees(&self, key: BlobId, size: BlobSize) -> Result<File, BlobError> {
        let path = self.tree(key);
        let open = || {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            if file.metadata()?.len() != Proof::Pieces.bytes(size) {
                file.set_len(0)?;
                file.set_len(Proof::Pieces.bytes(size))?;
            }
            Ok(file)
        };
        open().map_err(BlobError::io(&path))
    }

    /// Makes the trees of those pieces again whose hash is known.
    pub(crate) fn rebuild_pieces(
        &self,
        row: &FileRow,
        file: &File,
        progress: Progress<'_>,
    ) -> Result<(), BlobError> {
        let trees = self.open_trees(row.id, row.seen.size)?;
        let roots = proof::read_roots(&trees, row.seen.size).map_err(BlobError::io(&self.tree(row.id)))?;
        for (piece, root) in (0..).zip(roots) {
            let Some(root) = root else { continue };
            let unit = Unit::piece(piece, root, row.seen.size);
            let (made, pairs) = hash(file, &unit).map_err(BlobError::source(row.path()))?;
            if made != root {
                return Err(BlobError::SourceChanged { path: row.path().to_owned() });
            }
            trees.write_all_at(&pairs, unit.pairs).map_err(BlobError::io(&self.tree(row.id)))?;
            if progress(unit.size.bytes()).is_break() {
                return Err(BlobError::Stopped);
            }
        }
        import::check(file, row.path(), row.seen)
    }
}

impl Reader {
    /// Of a file in pieces: the hash of the piece in which these groups are, worked out if nobody asked for it before. `None` for a file with one tree.
    ///
    /// # Errors
    /// [`BlobError::SourceGone`] and [`BlobError::SourceChanged`]; [`BlobError::OutOfRange`] when the groups are not of one piece; what the system says.
    pub fn piece(&self, groups: &Groups) -> Result<Option<BlobId>, BlobError> {
        let Trees::Pieces(trees) = &self.trees else { return Ok(self.said) };
        let first =
            groups.ranges().next().filter(|_| groups.fit(self.size())).ok_or(BlobError::OutOfRange)?;
        self.known(trees, piece_of(first.start)).map(Some)
    }

    /// Works out the hash of the piece after that of these groups, so that nobody waits for it later.
    ///
    /// # Errors
    /// As [`Self::piece`].
    pub fn prepare_next(&self, groups: &Groups) -> Result<(), BlobError> {
        let (Trees::Pieces(trees), Some(first)) = (&self.trees, groups.ranges().next()) else {
            return Ok(());
        };
        let next = piece_of(first.start).saturating_add(1);
        if next < self.size().pieces() { self.known(trees, next).map(|_| ()) } else { Ok(()) }
    }

    /// The hash of a piece.
    fn known(&self, trees: &File, piece: u32) -> Result<BlobId, BlobError> {
        if let Some(root) = proof::read_root(trees, piece).map_err(BlobError::io(&self.path))? {
            return Ok(root);
        }
        self.check()?;
        let unit = Unit::piece(piece, self.id(), self.size());
        let (root, pairs) = hash(&self.data, &unit).map_err(BlobError::source(&self.path))?;
        // Before anybody is told.
        self.check()?;
        let written = trees.write_all_at(&pairs, unit.pairs);
        let written =
            written.and_then(|()| trees.write_all_at(&proof::root_bytes(root), proof::root_at(piece)));
        written.map_err(BlobError::io(&self.path))?;
        Ok(root)
    }

    /// What proves groups of one piece, and these groups as it counts them.
    pub(super) fn unit(&self, trees: &File, groups: &Groups) -> Result<(Unit, Groups), BlobError> {
        let first = groups.ranges().next().ok_or(BlobError::OutOfRange)?;
        Unit::of_groups(self.known(trees, piece_of(first.start))?, self.size(), groups)
    }

    /// Makes the tree of a group's piece again, if it leads to the hash that was said. `false`: it does not, or the file has one tree.
    pub(super) fn renew(&self, group: u32) -> Result<bool, BlobError> {
        let Trees::Pieces(trees) = &self.trees else { return Ok(false) };
        let piece = piece_of(group);
        let root = self.known(trees, piece)?;
        let unit = Unit::piece(piece, root, self.size());
        tracing::warn!(
            blob = self.id().short(),
            piece,
            "what proves a piece of an offered file is made again"
        );
        let (made, pairs) = hash(&self.data, &unit).map_err(BlobError::source(&self.path))?;
        if made != root {
            return Ok(false);
        }
        trees.write_all_at(&pairs, unit.pairs).map_err(BlobError::io(&self.path))?;
        Ok(true)
    }

    pub(super) fn unproven_pieces(&self, trees: &File, groups: Range<u32>) -> io::Result<Vec<Range<u32>>> {
        let mut bad = Vec::new();
        for part in by_pieces(groups) {
            if proof::read_root(trees, piece_of(part.start))?.is_some() {
                let files = (&self.data, trees);
                proof::merge(&mut bad, Proof::Pieces.unproven(self.id(), self.size(), files, part)?);
            }
        }
        Ok(bad)
    }
}

/// Hashes a piece. Its pairs, a quarter of a megabyte at most, are written by who knows that the hash is right.
fn hash(data: &File, unit: &Unit) -> io::Result<(BlobId, Vec<u8>)> {
    let mut pairs = Vec::with_capacity(usize::try_from(tree::bytes(unit.size)).unwrap_or_default());
    let source = io::BufReader::with_capacity(READ_BYTES, Onward { file: data, at: unit.start() });
    let root = tree::hash(source, unit.size, &mut pairs)?;
    Ok((root, pairs))
}

/// Reads a file from a place on, whoever else does.
struct Onward<'f> {
    file: &'f File,
    at: u64,
}

impl Read for Onward<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(bytes, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
