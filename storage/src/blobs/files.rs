//! The files of a blob being received: made, opened again, proven anew where their marks are in doubt, removed.
//!
//! Not here: what is written to them, and in which order it is made to survive ([`super::partial`]).

use super::{
    BlobError, Proof,
    marks::{self, Marks},
    proof,
    rows::PartialRow,
    store::{Inner, PartialPaths, is_small, remove},
};
use crate::disk;
use pc2_protocols::{
    blob::BlobSize,
    id::BlobId,
    limits::{BLOB_GROUP_BYTES, PIECE_GROUPS},
};
use rustix::{
    fs::{OFlags, SeekFrom},
    io::Errno,
};
use std::{
    fs::{File, OpenOptions},
    io,
    ops::Range,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::PathBuf,
};

/// Its files, open.
pub(crate) struct Files {
    pub(crate) paths: PartialPaths,
    pub(crate) data: File,
    /// Not of a small blob.
    pub(crate) books: Option<Books>,
}

/// What says which of its bytes are there, and proves them.
pub(crate) struct Books {
    pub(crate) tree: File,
    pub(crate) marks: File,
}

/// Groups looked at for having been written without being marked: twice what two batches are. More are there only where a file system does not tell of holes.
const MOST_UNMARKED: u32 = 2_048;

/// Adds to the marks those groups that the data has without being marked, as far as they are proven, and returns them.
fn unmarked(marks: &mut Marks, row: &PartialRow, data: &File, trees: &File) -> io::Result<Vec<u32>> {
    let (mut found, mut left) = (Vec::new(), MOST_UNMARKED);
    for missing in marks.runs(false, 0).collect::<Vec<_>>() {
        let mut at = missing.start;
        while at < missing.end && left > 0 {
            let Some(written) = written(data, row.size.span(&(at..missing.end)))? else { break };
            let from = u32::try_from(written.start / BLOB_GROUP_BYTES).unwrap_or(u32::MAX).max(at);
            let to = u32::try_from(written.end.div_ceil(BLOB_GROUP_BYTES)).unwrap_or(u32::MAX);
            let to = to.min(missing.end).min(from.saturating_add(left)).max(from.saturating_add(1));
            left = left.saturating_sub(to.saturating_sub(from));
            let unproven = row.proof.unproven(row.id, row.size, (data, trees), from..to)?;
            let mut unproven = unproven.into_iter().flatten().peekable();
            for group in from..to {
                if unproven.next_if_eq(&group).is_none() {
                    marks.add(group);
                    found.push(group);
                }
            }
            at = to;
        }
    }
    Ok(found)
}

/// Proves the groups of doubtful pages by data and tree. Groups of a piece whose hash is not known (any more) are not there, whatever the marks say.
fn prove(found: &mut marks::Found, row: &PartialRow, data: &File, trees: &File) -> io::Result<()> {
    for page in &found.doubtful {
        let groups = marks::groups_of(*page, row.size.groups());
        let mut at = groups.start;
        for bad in row.proof.unproven(row.id, row.size, (data, trees), groups.clone())? {
            (at..bad.start).for_each(|group| {
                found.marks.add(group);
            });
            at = bad.end;
        }
        (at..groups.end).for_each(|group| {
            found.marks.add(group);
        });
    }
    if row.proof == Proof::Pieces {
        for (piece, root) in (0..).zip(proof::read_roots(trees, row.size)?) {
            let first = PIECE_GROUPS.saturating_mul(piece);
            if root.is_none() {
                let groups = first..first.saturating_add(row.size.of_piece(piece).groups());
                groups.for_each(|group| found.marks.remove(group));
            }
        }
    }
    Ok(())
}

/// The first stretch of a file that is no hole; `None` when there is none in the range.
fn written(data: &File, range: Range<u64>) -> io::Result<Option<Range<u64>>> {
    let start = match rustix::fs::seek(data, SeekFrom::Data(range.start)) {
        Ok(start) if start < range.end => start,
        Ok(_) | Err(Errno::NXIO) => return Ok(None),
        // It does not tell: all of it may be.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some(range)),
        Err(error) => return Err(error.into()),
    };
    let end = rustix::fs::seek(data, SeekFrom::Hole(start)).unwrap_or(range.end);
    Ok(Some(start..end.min(range.end)))
}

/// Makes the files of a blob of which nothing is there. None of them may exist: what is in the way is somebody's.
pub(crate) fn create(inner: &Inner, id: BlobId, size: BlobSize, proof: Proof) -> Result<Files, BlobError> {
    let paths = inner.partial(id);
    let create = |path: &PathBuf, length: u64| {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
        file.and_then(|file| file.set_len(length).map(|()| file)).map_err(BlobError::io(path))
    };
    let data = create(&paths.data, size.bytes())?;
    let books = if is_small(size) {
        None
    } else {
        let tree = create(&paths.tree, proof.bytes(size))?;
        let marks = create(&paths.marks, 0)?;
        marks::create(&marks, id, size)
            .and_then(|()| inner.disk.sync(&marks))
            .and_then(|()| disk::sync_dir(&inner.partials()))
            .map_err(BlobError::io(&paths.marks))?;
        Some(Books { tree, marks })
    };
    Ok(Files { paths, data, books })
}

impl Inner {
    /// Opens what is there of a blob; `None` when that is nothing to go on with. With it come the groups that are there and not marked: they were written, and the
    /// process ended before they were synced.
    pub(crate) fn resume(
        &self,
        id: BlobId,
        size: BlobSize,
        proof: Proof,
    ) -> Result<Option<(Files, Marks, Vec<u32>)>, BlobError> {
        let Some(row) = self.rows.blob_partial(id)?.filter(|row| row.proof == proof) else { return Ok(None) };
        let paths = self.partial(id);
        let open = |path: &PathBuf| {
            let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
            match OpenOptions::new().read(true).write(true).custom_flags(flags).open(path) {
                Ok(file) => Ok(Some(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(BlobError::io(path)(error)),
            }
        };
        let (Some(data), Some(tree), Some(marks)) =
            (open(&paths.data)?, open(&paths.tree)?, open(&paths.marks)?)
        else {
            return Ok(None);
        };
        let mut found = marks::read(&marks, id, row.size).map_err(BlobError::io(&paths.marks))?;
        if row.size != size {
            // Only the last group proves a size.
            let proven = row.size.groups().checked_sub(1).is_some_and(|last| found.marks.has(last));
            let (known, claimed) = (row.size.bytes(), size.bytes());
            return if proven { Err(BlobError::WrongSize { known, claimed }) } else { Ok(None) };
        }
        let metadata = data.metadata().map_err(BlobError::io(&paths.data))?;
        // Linked to its last place before the process ended: since then it is somebody's file, who may have changed it.
        let linked = metadata.nlink() > 1;
        let pages = 0..marks::page_of(size.groups().saturating_sub(1)).saturating_add(1);
        if linked || metadata.len() != size.bytes() {
            found = marks::Found { marks: Marks::none(size.groups()), doubtful: pages.collect() };
        }
        prove(&mut found, &row, &data, &tree).map_err(BlobError::io(&paths.tree))?;
        if linked && !found.marks.is_whole() {
            return Ok(None);
        }
        if !found.doubtful.is_empty() {
            tracing::warn!(blob = id.short(), pages = found.doubtful.len(), "marks made again from the data");
            let ready = data.set_len(size.bytes()).and_then(|()| self.disk.sync(&data));
            ready.map_err(BlobError::io(&paths.data))?;
            let written =
                self.disk.sync(&tree).and_then(|()| marks::create(&marks, id, size)).and_then(|()| {
                    marks::write(&marks, id, &found.marks, 0..marks::page_of(size.groups()).saturating_add(1))
                });
            written.and_then(|()| self.disk.sync(&marks)).map_err(BlobError::io(&paths.marks))?;
        }
        // After a failed sync the system may show what the disk does not have.
        let unmarked = if linked || self.is_doubted(id) {
            Vec::new()
        } else {
            unmarked(&mut found.marks, &row, &data, &tree).map_err(BlobError::io(&paths.data))?
        };
        Ok(Some((Files { paths, data, books: Some(Books { tree, marks }) }, found.marks, unmarked)))
    }

    /// Removes the files of a partial blob. Returns the bytes they took.
    pub(crate) fn discard(&self, id: BlobId) -> Result<u64, BlobError> {
        self.partial(id).all().into_iter().try_fold(0, |sum, path| Ok(sum + remove(path)?))
    }
}
