//! Large files of a collection: received group by group as blobs of their own, and put among the others when they are whole.
//!
//! A file is begun when something of it is first wanted. Few are open at once; one that nobody brings anything for is made to survive and closed,
//! and begun again when it is wanted.
//!
//! When a file is whole it is synced, gets its name in the collection's folder, that folder and those around it are synced, and then its rows and
//! books go. A crash in between leaves its name and its rows; what stands in the collection's folder with its size is known to be whole, because nobody
//! else writes there and nothing large comes there earlier ([`super::begin`]).

use super::{Gathering, Has, list::Place, prove};
use crate::blobs::{
    After, Begun, BlobChange, BlobError, Partial, Proof, Target, finish::Expected, proof::Unit, store::Inner,
};
use pc2_protocols::{blob::Groups, id::BlobId};
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Read},
    ops::Range,
    sync::Arc,
};

/// Large files kept open, with three descriptors each. More are open only while more than so many bring something at the same moment.
const MOST_OPEN: usize = 8;

/// The large files of a collection that are not there yet, by their number.
#[derive(Default)]
pub(crate) struct Large {
    /// Those that are open, with when they were last used.
    open: HashMap<u32, (Arc<Partial>, u64)>,
    /// Those that are being copied or moved.
    moving: HashSet<u32>,
    /// Of those that are closed: the bytes that are there.
    closed: HashMap<u32, u64>,
    clock: u64,
}

impl Large {
    /// Something is there of files that nobody has begun.
    pub(crate) fn left(closed: HashMap<u32, u64>) -> Self {
        Self { closed, ..Self::default() }
    }

    /// Bytes that are there of files that are not whole.
    pub(crate) fn received(&self) -> u64 {
        let open: u64 = self.open.values().map(|(partial, _)| partial.received()).sum();
        self.closed.values().fold(open, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// Those that are open.
    pub(crate) fn open(&self) -> Vec<Arc<Partial>> {
        self.open.values().map(|(partial, _)| Arc::clone(partial)).collect()
    }

    fn find(&mut self, number: u32) -> Option<Arc<Partial>> {
        self.clock += 1;
        let (partial, used) = self.open.get_mut(&number)?;
        *used = self.clock;
        Some(Arc::clone(partial))
    }

    /// The file that was used longest ago, of those that nobody uses now.
    fn idle(&self) -> Option<u32> {
        let idle = self.open.iter().filter(|(_, (partial, _))| Arc::strong_count(partial) == 1);
        idle.min_by_key(|(_, (_, used))| *used).map(|(number, _)| *number)
    }
}

/// A large file, when something is wanted of it.
enum Opened {
    Partial(Arc<Partial>),
    /// It is there now.
    There,
}

impl Gathering {
    pub(super) fn large_wanted(
        &self,
        number: u32,
        file: &Place,
        groups: Range<u32>,
    ) -> Result<Groups, BlobError> {
        let Opened::Partial(partial) = self.opened(number, file)? else { return Ok(Groups::default()) };
        let end = groups.end.min(file.size.groups());
        let missing = partial.missing(groups.start, end.saturating_sub(groups.start));
        // What is there among them lets the missing ones reach beyond.
        let within = missing.ranges().map(|range| range.start..range.end.min(end));
        Ok(Groups::new(within.filter(|range| !range.is_empty()).collect()).unwrap_or_default())
    }

    /// What of a large file is not here, among some groups. Of one that nobody has begun since the collection was opened that is all of them.
    pub(super) fn large_lacking(&self, number: u32, groups: Range<u32>) -> Vec<Range<u32>> {
        let open = self.large().open.get(&number).map(|(partial, _)| Arc::clone(partial));
        let Some(partial) = open else { return vec![groups] };
        let mut lacking = Vec::new();
        let mut from = groups.start;
        while from < groups.end {
            let missing = partial.missing(from, groups.end.saturating_sub(from));
            let Some(last) = missing.ranges().last() else { break };
            from = last.end;
            let within = missing.ranges().map(|range| range.start..range.end.min(groups.end));
            lacking.extend(within.filter(|range| !range.is_empty()));
        }
        lacking
    }

    pub(super) fn large_accept(
        &self,
        number: u32,
        file: &Place,
        piece: Option<BlobId>,
        groups: &Groups,
        encoded: impl Read,
    ) -> Result<u64, BlobError> {
        let opened =
            if self.has_of(number) == Has::All { Ok(Opened::There) } else { self.opened(number, file) };
        let partial = match opened {
            Ok(Opened::Partial(partial)) => partial,
            // Nothing of it is needed, or it is asked for again; what comes behind it in the stream is needed.
            Ok(Opened::There) | Err(BlobError::Busy) => {
                let (unit, groups) = match piece {
                    Some(piece) => Unit::of_groups(piece, file.size, groups)?,
                    None => (Unit::whole(file.id, file.size), groups.clone()),
                };
                return prove(&unit, &groups, encoded, |_| {}).map(|()| 0);
            }
            Err(error) => return Err(error),
        };
        let new = match piece {
            Some(piece) => partial.accept_piece(piece, groups, encoded)?,
            None => partial.accept(groups, encoded)?,
        };
        if partial.is_whole() {
            self.settle(number, file, &partial)?;
        }
        Ok(new)
    }

    fn opened(&self, number: u32, file: &Place) -> Result<Opened, BlobError> {
        let mut large = self.large();
        if large.moving.contains(&number) {
            return Err(BlobError::Busy);
        }
        if let Some(partial) = large.find(number) {
            return Ok(Opened::Partial(partial));
        }
        // It may have been moved while the lock was waited for.
        if self.has_of(number) == Has::All {
            return Ok(Opened::There);
        }
        while large.open.len() >= MOST_OPEN {
            let Some(idle) = large.idle() else { break };
            let Some((partial, _)) = large.open.remove(&idle) else { break };
            if let Err(error) = partial.checkpoint() {
                tracing::warn!(%error, "what came of a file since its last batch was lost");
            }
            self.closed(&mut large, idle, &partial);
        }
        // From here on the store itself has promised what is missing of it.
        let promised = file.room().saturating_sub(large.closed.get(&number).copied().unwrap_or_default());
        self.pledge.take(promised);
        let was_held = self.store.is_held_by(file.id, self.holder).inspect_err(|_| {
            self.pledge.give_back(promised);
        })?;
        let begun = match file.proof {
            Proof::Whole => self.store.begin(file.id, file.size, self.holder),
            Proof::Pieces => self.store.begin_pieces(file.id, file.size, self.holder),
        };
        let partial = match begun {
            Ok(Begun::Partial(partial)) => Arc::new(*partial),
            Ok(Begun::Here { .. }) => {
                large.closed.remove(&number);
                large.moving.insert(number);
                drop(large);
                let copied = self.copy_here(file).and_then(|()| {
                    let release = BlobChange::RemoveHold { id: file.id, holder: self.holder };
                    self.store.inner.commit(if was_held { Vec::new() } else { vec![release] })
                });
                self.large().moving.remove(&number);
                self.note(number, file, copied.is_ok());
                if copied.is_err() {
                    self.pledge.give_back(file.room());
                }
                return copied.map(|()| Opened::There);
            }
            Err(error) => {
                self.pledge.give_back(promised);
                return Err(error);
            }
        };
        large.closed.remove(&number);
        large.clock += 1;
        let used = large.clock;
        large.open.insert(number, (Arc::clone(&partial), used));
        drop(large);
        if partial.is_whole() {
            // The process ended before it was moved.
            self.settle(number, file, &partial)?;
            return Ok(Opened::There);
        }
        Ok(Opened::Partial(partial))
    }

    fn closed(&self, large: &mut Large, number: u32, partial: &Partial) {
        let received = partial.received();
        large.closed.insert(number, received);
        let room = self.list.file(number).map(Place::room).unwrap_or_default();
        self.pledge.give_back(room.saturating_sub(received));
    }

    /// Puts a whole file among the others, unless somebody else does.
    fn settle(&self, number: u32, file: &Place, partial: &Partial) -> Result<(), BlobError> {
        {
            let mut large = self.large();
            if large.open.remove(&number).is_none() {
                return Ok(());
            }
            large.moving.insert(number);
            // All of it is there, whatever comes of moving it.
            large.closed.insert(number, file.size.bytes());
        }
        let moved = self.put_among(file, partial);
        // Noted before the lock is given back: nobody is to begin it anew in between, or to count it twice.
        let mut large = self.large();
        large.moving.remove(&number);
        large.closed.remove(&number);
        self.note(number, file, moved.is_ok());
        if moved.is_err() {
            self.closed(&mut large, number, partial);
        }
        moved
    }

    fn put_among(&self, file: &Place, partial: &Partial) -> Result<(), BlobError> {
        let target = self.way(file)?;
        let finished = partial.finish(&target, &file.name, After::Forget)?;
        self.under_its_name(file, &finished.name, &target)
    }

    /// Copies a file that stands on this machine.
    fn copy_here(&self, file: &Place) -> Result<(), BlobError> {
        let inner = &self.store.inner;
        let _claim = inner.claim(file.id);
        let target = self.way(file)?;
        let row = inner.standing(file.id)?.ok_or(BlobError::Unknown)?;
        let source = File::open(row.path()).map_err(BlobError::source(row.path()))?;
        let name = copy_into(inner, &target, file, &source).map_err(|error| match error {
            BlobError::NotTheFile { .. } => BlobError::SourceChanged { path: row.path().to_owned() },
            other => other,
        })?;
        self.under_its_name(file, &name, &target)?;
        target.sync()
    }

    /// Makes way for a large file: nothing stands under its name, and the folders around it survive a loss of power.
    pub(super) fn way(&self, file: &Place) -> Result<Target, BlobError> {
        let target = self.folders.target(&self.list, file.folder)?;
        self.folders.remove(&self.list, file)?;
        // Its own folder is synced when it is in it.
        for folder in self.folders.around(&self.list, file)?.iter().skip(1) {
            self.store.inner.disk.sync(folder).map_err(BlobError::io(self.folders.path()))?;
        }
        Ok(target)
    }

    /// What was put in a folder was not given another name because somebody put something there just now.
    pub(super) fn under_its_name(
        &self,
        file: &Place,
        name: &crate::blobs::CleanName,
        target: &Target,
    ) -> Result<(), BlobError> {
        if *name == file.name {
            return Ok(());
        }
        let folder = target.opened()?;
        super::folders::clear(&folder, name.as_str())
            .map_err(|error| BlobError::io(target.path())(error.into()))?;
        let path = target.path().join(file.name.as_str());
        Err(BlobError::Io { path, source: io::ErrorKind::AlreadyExists.into() })
    }
}

/// Copies a large file into a folder of the collection, proven and synced before it has its name.
pub(super) fn copy_into(
    inner: &Inner,
    target: &Target,
    file: &Place,
    source: &File,
) -> Result<crate::blobs::CleanName, BlobError> {
    inner.copy_into(target, &file.name, &Expected::whole(file.id, file.size), source).map(|(name, _)| name)
}
