//! Is every blob what it was? Reads all of them, and says which are not, and where.
//!
//! Of a file that stands elsewhere: whether it is there, unchanged, and made of the bytes that were hashed; where not, which groups. Of a blob
//! being received: whether the groups that its marks name are those that were proven. A tree that is damaged while its file is
//! right is made again at once. Takes as long as reading everything takes; memory is one group.
//!
//! Not here: what is done about it. A damaged file can be offered again or asked for again; a damaged partial blob goes on from what
//! is right when [`BlobStore::repair`] is told to.

use super::{
    BlobError, Progress,
    marks::{self, Marks},
    proof::merge,
    rows::{FileRow, Kind, PartialRow},
    store::{BlobStore, is_small},
    tree::STRETCH,
};
use pc2_protocols::{blob::BlobSize, id::BlobId};
use std::{fmt, fs::File, io, ops::Range, path::PathBuf};

/// Most things that are told one by one. More of them need no list to be believed.
pub const MOST_TROUBLES: usize = 1_000;

/// Most ranges told of one file.
const MOST_RANGES: usize = 64;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Files and partial blobs looked at.
    pub blobs: u64,
    /// Bytes read and proven or not.
    pub bytes: u64,
    /// What is not as it was, [`MOST_TROUBLES`] at most.
    pub troubles: Vec<Trouble>,
    /// How many more there are.
    pub more: u64,
}

/// A blob that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Which.
    pub id: BlobId,
    /// Where its bytes are.
    pub path: PathBuf,
    /// What is wrong.
    pub what: Wrong,
}

/// What is wrong with a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// The file is not there any more, or cannot be read.
    Gone,
    /// The file was changed by somebody.
    Changed,
    /// These bytes are not what they were, though nobody wrote to the file: 64 ranges at most, whole groups each.
    Damaged(Vec<Range<u64>>),
    /// Its tree was damaged and has been made again.
    TreeMadeAgain,
    /// What proves these bytes of a partial blob is damaged, and so they are not proven any more: 64 ranges at most, whole groups each.
    /// They are asked for again with their proof when [`BlobStore::repair`] was told to.
    Unproven(Vec<Range<u64>>),
    /// Marks of a partial blob are damaged: what they said is proven anew when it goes on.
    Marks,
}

/// In words for people, with what to do.
impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("is not there any more, or cannot be read; whoever it was offered to cannot get it: put it back, or offer it again"),
            Self::Changed => f.write_str("was changed after it was offered; offer it again"),
            Self::Damaged(places) => {
                f.write_str("has other bytes than it had, though nobody wrote to it; look after the disk, and put back a copy of the file. Damaged: ")?;
                named(places, f)
            }
            Self::Unproven(places) => {
                f.write_str("is being received, and what proves some of it was damaged; that is asked for again when it goes on. Look after the disk. Not proven: ")?;
                named(places, f)
            }
            Self::TreeMadeAgain => f.write_str("is right; its hash tree was damaged and has been made again. Nothing is to be done"),
            Self::Marks => f.write_str("is being received, and what is noted about it was damaged; what is there is proven anew when it goes on. Nothing is to be done"),
        }
    }
}

/// Some ranges of bytes.
fn named(places: &[Range<u64>], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, place) in places.iter().enumerate() {
        let between = if index == 0 { "bytes " } else { ", " };
        write!(f, "{between}{} to {}", place.start, place.end.saturating_sub(1))?;
    }
    if places.len() >= MOST_RANGES { f.write_str(", and more") } else { Ok(()) }
}

impl Wrong {
    /// Whether nothing is to be done about it.
    #[must_use]
    pub const fn is_mended(&self) -> bool {
        matches!(self, Self::TreeMadeAgain | Self::Marks)
    }
}

impl BlobStore {
    /// Reads and proves every blob.
    ///
    /// # Errors
    /// [`BlobError::Stopped`] by `progress`; what the database says. Damage is no error: it is in the result.
    pub fn check_blobs(&self, progress: Progress<'_>) -> Result<Checked, BlobError> {
        let mut checked = Checked::default();
        for kind in [Kind::Files, Kind::Partials] {
            let mut last = None;
            while let Some(id) = self.inner.rows.next_blob(kind, last)? {
                if kind == Kind::Files {
                    for row in self.inner.rows.blob_files(id)? {
                        self.check_file(&row, &mut checked, progress)?;
                    }
                } else if let Some(row) = self.inner.rows.blob_partial(id)? {
                    self.check_partial(row, &mut checked, progress)?;
                }
                last = Some(id);
            }
        }
        Ok(checked)
    }

    /// Takes from a partial blob's marks what is not proven any more, so that it is asked for again. Returns how many bytes that were.
    ///
    /// # Errors
    /// [`BlobError::Busy`] while it is received; [`BlobError::Unknown`]; what disk and database say.
    pub fn repair(&self, id: BlobId) -> Result<u64, BlobError> {
        let _receiving = self.inner.receive(id)?;
        let row = self.inner.rows.blob_partial(id)?.ok_or(BlobError::Unknown)?;
        let paths = self.inner.partial(id);
        let found = self.look(row, &mut |_| std::ops::ControlFlow::Continue(()))?;
        let mut kept = found.marks;
        let bad =
            found.bad.iter().map(|run| row.size.span(run)).map(|span| span.end.saturating_sub(span.start));
        let lost = bad.sum();
        found.bad.into_iter().flatten().for_each(|group| kept.remove(group));
        let file = File::options().write(true).open(&paths.marks).map_err(BlobError::io(&paths.marks))?;
        let pages = 0..marks::page_of(row.size.groups()).saturating_add(1);
        marks::create(&file, id, row.size)
            .and_then(|()| marks::write(&file, id, &kept, pages))
            .and_then(|()| self.inner.disk.sync(&file))
            .map_err(BlobError::io(&paths.marks))?;
        Ok(lost)
    }

    fn check_file(
        &self,
        row: &FileRow,
        checked: &mut Checked,
        progress: Progress<'_>,
    ) -> Result<(), BlobError> {
        let path = row.path().to_owned();
        checked.blobs += 1;
        let wrong = match self.open_at(row) {
            Ok(reader) => {
                let mut bad = Vec::new();
                for stretch in stretches(0..row.seen.size.groups()) {
                    merge(&mut bad, reader.unproven(stretch.clone())?);
                    checked.pass(row.seen.size, &stretch, progress)?;
                }
                match (bad.is_empty(), reader.check()) {
                    (true, Ok(())) => return Ok(()),
                    (_, Err(error)) => told(&error),
                    // Is it the bytes or the tree? The hash of all of it tells.
                    (false, Ok(()))
                        if !is_small(row.seen.size) && self.inner.rebuild_from(row, progress).is_ok() =>
                    {
                        Wrong::TreeMadeAgain
                    }
                    (false, Ok(())) => Wrong::Damaged(spans(row.seen.size, &bad)),
                }
            }
            // Its tree is missing or cut, or (a small one) it does not have its hash while it looks unchanged.
            Err(BlobError::TreeDamaged { .. }) => match self.inner.rebuild_from(row, progress) {
                Ok(()) => Wrong::TreeMadeAgain,
                Err(BlobError::Stopped) => return Err(BlobError::Stopped),
                Err(BlobError::SourceChanged { .. }) => all_of(row.seen.size),
                Err(error) => told(&error),
            },
            Err(BlobError::SourceChanged { .. })
                if std::fs::metadata(&path).is_ok_and(|file| row.seen.still(&file)) =>
            {
                all_of(row.seen.size)
            }
            Err(error) => told(&error),
        };
        checked.note(Trouble { id: row.id, path, what: wrong });
        Ok(())
    }

    fn check_partial(
        &self,
        row: PartialRow,
        checked: &mut Checked,
        progress: Progress<'_>,
    ) -> Result<(), BlobError> {
        let path = self.inner.partial(row.id).data;
        checked.blobs += 1;
        let found = self.look(row, &mut |bytes| {
            checked.bytes = checked.bytes.saturating_add(bytes);
            progress(bytes)
        });
        let note = |what| Trouble { id: row.id, path: path.clone(), what };
        match found {
            Ok(found) => {
                if found.doubtful {
                    checked.note(note(Wrong::Marks));
                }
                let (bytes, tree) = found.by_cause();
                if !bytes.is_empty() {
                    checked.note(note(Wrong::Damaged(spans(row.size, &bytes))));
                }
                if !tree.is_empty() {
                    checked.note(note(Wrong::Unproven(spans(row.size, &tree))));
                }
                Ok(())
            }
            Err(BlobError::Stopped) => Err(BlobError::Stopped),
            // Received meanwhile, or given up.
            Err(_) if self.inner.rows.blob_partial(row.id)?.is_none() => Ok(()),
            Err(_) => {
                checked.note(note(Wrong::Gone));
                Ok(())
            }
        }
    }

    /// Proves the groups that the marks of a partial blob name.
    fn look(&self, row: PartialRow, progress: Progress<'_>) -> Result<Look, BlobError> {
        let paths = self.inner.partial(row.id);
        let open = |path: &PathBuf| File::open(path).map_err(BlobError::io(path));
        let (data, tree, marks) = (open(&paths.data)?, open(&paths.tree)?, open(&paths.marks)?);
        let found = marks::read(&marks, row.id, row.size).map_err(BlobError::io(&paths.marks))?;
        let (mut bad, mut by_tree) = (Vec::new(), Vec::new());
        for stretch in found.marks.runs(true, 0).flat_map(stretches) {
            let unproven = row
                .proof
                .unproven(row.id, row.size, (&data, &tree), stretch.clone())
                .map_err(BlobError::io(&paths.tree))?;
            for group in unproven.iter().cloned().flatten() {
                if !row
                    .proof
                    .proves(row.id, row.size, (&data, &tree), group)
                    .map_err(BlobError::io(&paths.tree))?
                {
                    merge(&mut by_tree, Some(group..group.saturating_add(1)));
                }
            }
            merge(&mut bad, unproven);
            let span = row.size.span(&stretch);
            if progress(span.end.saturating_sub(span.start)).is_break() {
                return Err(BlobError::Stopped);
            }
        }
        Ok(Look { marks: found.marks, doubtful: !found.doubtful.is_empty(), bad, by_tree })
    }
}

/// What was found of a partial blob.
struct Look {
    marks: Marks,
    doubtful: bool,
    /// What is not proven.
    bad: Vec<Range<u32>>,
    /// What of it is not, because the tree is damaged on the way to it.
    by_tree: Vec<Range<u32>>,
}

impl Look {
    /// The groups whose bytes are damaged, and those whose proof is.
    fn by_cause(self) -> (Vec<Range<u32>>, Vec<Range<u32>>) {
        let mut bytes = Vec::new();
        let mut by_tree = self.by_tree.iter().cloned().flatten().peekable();
        for group in self.bad.into_iter().flatten() {
            if by_tree.next_if_eq(&group).is_none() {
                merge(&mut bytes, Some(group..group.saturating_add(1)));
            }
        }
        (bytes, self.by_tree)
    }
}

impl Checked {
    /// Whether everything is as it was.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.troubles.is_empty()
    }

    fn note(&mut self, trouble: Trouble) {
        if self.troubles.len() < MOST_TROUBLES { self.troubles.push(trouble) } else { self.more += 1 }
    }

    fn pass(&mut self, size: BlobSize, groups: &Range<u32>, progress: Progress<'_>) -> Result<(), BlobError> {
        let span = size.span(groups);
        let bytes = span.end.saturating_sub(span.start);
        self.bytes = self.bytes.saturating_add(bytes);
        if progress(bytes).is_break() { Err(BlobError::Stopped) } else { Ok(()) }
    }
}

fn told(error: &BlobError) -> Wrong {
    match error {
        BlobError::SourceChanged { .. } | BlobError::NotAFile { .. } => Wrong::Changed,
        BlobError::Io { source, .. } if source.kind() != io::ErrorKind::PermissionDenied => Wrong::Changed,
        _ => Wrong::Gone,
    }
}

/// A range in pieces of a megabyte.
fn stretches(range: Range<u32>) -> impl Iterator<Item = Range<u32>> {
    let end = range.end;
    range.step_by(STRETCH as usize).map(move |start| start..end.min(start.saturating_add(STRETCH)))
}

/// What is known to be damaged, but not where.
fn all_of(size: BlobSize) -> Wrong {
    Wrong::Damaged(std::iter::once(0..size.bytes()).collect())
}

fn spans(size: BlobSize, groups: &[Range<u32>]) -> Vec<Range<u64>> {
    groups.iter().take(MOST_RANGES).map(|range| size.span(range)).collect()
}
