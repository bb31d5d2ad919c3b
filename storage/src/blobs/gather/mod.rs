//! A collection being received: a folder of files, most of them small, fetched in any order and put into its place as a whole.
//!
//! In: the list of its files, streams of groups with their proof. Out: a folder in the owner's folder, whole or not at all. Until then its files
//! stand in a folder beside the database, each under its last name, and none that was not proven.
//!
//! | what | where |
//! |---|---|
//! | which file stands where | `list` |
//! | the folders of it, without following links | `folders` |
//! | what was said of small files that nobody hashed before | `said` |
//! | where it is, where it went, giving it up | `home` |
//! | beginning, and going on after a crash | `begin` |
//! | taking what comes: small files at once | here |
//! | large files, group by group | `large` |
//! | into its place | `finish` |
//!
//! **Small files** (up to [`SMALL_BYTES`](super::SMALL_BYTES)) come as a whole, are proven in memory, and written once, without a sync and without a row:
//! ten thousand of them take a second, where a sync each would take minutes. What a crash leaves of them is hashed again, which takes less than
//! writing it did. **Large files** are [`Partial`](super::Partial)s, which go on from their last batch, and stand here from when they are whole and
//! synced. At the end one sync of the file system makes all of it survive, before anything has its last name.
//!
//! **Files with the same bytes** are fetched once where they were hashed before they were offered, and copied at the end: they are not one file of several names, because whoever edits one of
//! them later does not mean the others.
//!
//! Not here: reading the list, which file is asked of whom.

mod begin;
mod finish;
mod folders;
mod home;
mod large;
mod list;
mod said;

pub use begin::Gathered;
pub use list::BadList;

use super::{
    BlobError, BlobStore, Finished, Holder, accept::refused, claims::Pledge, proof::Unit, store::is_small,
    tree,
};
use bao_tree::io::{BaoContentItem, sync::DecodeResponseIter};
use folders::Folders;
use home::Home;
use large::Large;
use list::{List, Place};
use pc2_protocols::{
    blob::{BlobSize, Groups},
    id::BlobId,
};
use said::Said;
use std::{
    io::Read,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A collection being received. All of it may be used by several threads at once. Files are called by their number in the list.
pub struct Gathering {
    store: BlobStore,
    holder: Holder,
    list: List,
    folders: Folders,
    home: Home,
    /// What was said of small files, where nobody hashed them before.
    said: Option<Said>,
    state: Mutex<State>,
    large: Mutex<Large>,
    done: Mutex<Option<Finished>>,
    /// The room it was promised; and nobody else receives it or clears it away while this lives.
    pledge: Pledge,
}

/// What is there.
struct State {
    /// By file; those that are copies of another are what that one is.
    files: Vec<Has>,
    /// Bytes of files that are there, copies included.
    bytes: u64,
    /// Files that have to be fetched.
    missing: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Has {
    Nothing,
    /// Somebody is writing it.
    Taken,
    All,
}

impl Gathering {
    /// Bytes that are here and proven, of large files also what is there of them. Files with the same bytes are counted each.
    #[must_use]
    pub fn have(&self) -> u64 {
        // Both at once: what is moved from one to the other is counted once.
        let large = self.large();
        self.state().bytes.saturating_add(large.received())
    }

    /// Whether everything is here that has to be fetched.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.state().missing == 0
    }

    /// Whether a file is here, or needs not be fetched: because it is empty, or another with the same bytes is here.
    #[must_use]
    pub fn has(&self, member: usize) -> bool {
        self.place(member).is_some_and(|(_, file)| self.is_there(file.first, file))
    }

    /// What of some groups of a file is not here, in order. Nothing is begun by this.
    #[must_use]
    pub fn lacking(&self, member: usize, groups: Range<u32>) -> Vec<Range<u32>> {
        match self.place(member) {
            Some((number, file)) if file.first == number && !is_small(file.size) && !self.has(member) => {
                self.large_lacking(number, groups)
            }
            _ if self.has(member) => Vec::new(),
            _ => vec![groups],
        }
    }

    /// What of some groups of a file has to be asked for: nothing when it is there, or has the bytes of another that is asked for. A small file is
    /// asked for as a whole when `groups` has its first group, and otherwise not at all. At most as many ranges as one request may have:
    /// after they came there may be more.
    ///
    /// A large file is begun by this; one that stands on this machine already is copied, which takes as long as it takes.
    ///
    /// # Errors
    /// [`BlobError::Busy`] while another transfer receives this blob, or this one moves it: it is to be asked again later. [`BlobError::OutOfRange`]
    /// when there is no such file; what [`BlobStore::begin`] and [`BlobStore::copy`] say.
    pub fn wanted(&self, member: usize, groups: Range<u32>) -> Result<Groups, BlobError> {
        let (number, file) = self.place(member).ok_or(BlobError::OutOfRange)?;
        if file.first != number || self.is_there(number, file) {
            return Ok(Groups::default());
        }
        if is_small(file.size) {
            let asked = groups.contains(&0) && self.has_of(number) == Has::Nothing;
            return Ok(if asked { Groups::whole(file.size) } else { Groups::default() });
        }
        self.large_wanted(number, file, groups)
    }

    /// Takes the answer to a question for groups of a file: proves and keeps them. Returns how many bytes are new. `encoded` is read to
    /// the answer's end and not beyond, also when nothing of it is new; it should be buffered. `piece` is the hash that their sender says the groups' piece
    /// has, where nobody hashed the files before.
    ///
    /// # Errors
    /// As [`Partial::accept`](super::Partial::accept); [`BlobError::OutOfRange`] also when a part of a small file was asked for. Of a large file
    /// the groups before the error are kept.
    pub fn accept(
        &self,
        member: usize,
        piece: Option<BlobId>,
        groups: &Groups,
        encoded: impl Read,
    ) -> Result<u64, BlobError> {
        let (_, file) = self.place(member).ok_or(BlobError::OutOfRange)?;
        let number = file.first;
        let file = self.list.file(number).ok_or(BlobError::OutOfRange)?;
        if !groups.fit(file.size) || piece.is_some() != self.said.is_some() {
            return Err(BlobError::OutOfRange);
        }
        if groups.is_empty() {
            return Ok(0);
        }
        if !is_small(file.size) {
            return self.large_accept(number, file, piece, groups, encoded);
        }
        if *groups != Groups::whole(file.size) {
            return Err(BlobError::OutOfRange);
        }
        self.store.inner.room(self.folders.path(), file.size.bytes())?;
        if let (Some(said), Some(piece)) = (&self.said, piece) {
            said.take(number, piece)?;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(file.size.bytes()).unwrap_or_default());
        let unit = Unit::whole(piece.unwrap_or(file.id), file.size);
        prove(&unit, groups, encoded, |group| bytes.extend_from_slice(group))?;
        if !self.take(number) {
            return Ok(0);
        }
        let written = self.folders.write(&self.list, file, &bytes);
        self.note(number, file, written.is_ok());
        written?;
        self.pledge.take(file.room());
        Ok(file.size.bytes())
    }

    /// Makes what came so far survive. For the end of a session: what is written to the whole file system meanwhile is waited for.
    ///
    /// # Errors
    /// [`BlobError::Failed`], [`BlobError::NoRoom`], or what the system says.
    pub fn checkpoint(&self) -> Result<(), BlobError> {
        let open = self.large().open();
        open.into_iter().try_for_each(|partial| partial.checkpoint())?;
        self.sync_all()
    }

    /// One call for all files.
    fn sync_all(&self) -> Result<(), BlobError> {
        let synced = self.store.inner.disk.sync_file_system(self.folders.root());
        synced.map_err(BlobError::io(self.folders.path()))
    }

    fn place(&self, member: usize) -> Option<(u32, &Place)> {
        let number = u32::try_from(member).ok()?;
        Some((number, self.list.file(number)?))
    }

    fn is_there(&self, first: u32, file: &Place) -> bool {
        file.size == BlobSize::EMPTY || self.has_of(first) == Has::All
    }

    fn has_of(&self, file: u32) -> Has {
        self.state().files.get(file as usize).copied().unwrap_or(Has::Nothing)
    }

    /// Takes a file for writing it; `false` when it is there or somebody else does.
    fn take(&self, file: u32) -> bool {
        match self.state().files.get_mut(file as usize) {
            Some(has) if *has == Has::Nothing => {
                *has = Has::Taken;
                true
            }
            _ => false,
        }
    }

    /// A file that was taken is there now, or is not.
    fn note(&self, number: u32, file: &Place, there: bool) {
        let mut state = self.state();
        let now = if there { Has::All } else { Has::Nothing };
        let Some(has) = state.files.get_mut(number as usize) else { return };
        let before = std::mem::replace(has, now);
        let bytes = file.size.bytes().saturating_mul(file.alike.into());
        match (before == Has::All, there) {
            (false, true) => {
                state.bytes = state.bytes.saturating_add(bytes);
                state.missing = state.missing.saturating_sub(1);
            }
            (true, false) => {
                state.bytes = state.bytes.saturating_sub(bytes);
                state.missing = state.missing.saturating_add(1);
            }
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn large(&self) -> MutexGuard<'_, Large> {
        self.large.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads an answer to its end and hands out its groups, proven and in order. Memory: one group.
fn prove(
    unit: &Unit,
    groups: &Groups,
    encoded: impl Read,
    mut proven: impl FnMut(&[u8]),
) -> Result<(), BlobError> {
    let chunks = tree::chunks(groups);
    let mut to = groups.ranges().next().map_or(0, |first| unit.size.span(&first).start);
    for item in DecodeResponseIter::new(tree::root(unit.root), tree::shape(unit.size), encoded, &chunks) {
        match item {
            Ok(BaoContentItem::Parent(_)) => {}
            Ok(BaoContentItem::Leaf(leaf)) => {
                proven(&leaf.data);
                to = leaf.offset + leaf.data.len() as u64;
            }
            Err(error) => return Err(refused(error, unit.start().saturating_add(to))),
        }
    }
    Ok(())
}
