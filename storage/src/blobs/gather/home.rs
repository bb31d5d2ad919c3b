//! Where collections are while they are received, and what is noted about where one of them went.
//!
//! A collection has a folder here, called by its holder, and at its end a note: where the folder is about to be put, and its number in the file
//! system. The note is on the disk before the folder moves, and says that it has arrived afterwards. So whoever comes after a crash knows:
//!
//! | folder here | note | it |
//! |---|---|---|
//! | there | none | is being received |
//! | there | says where, and nothing with its number stands there | was about to be put there |
//! | there | says where, and what has its number stands there; or says that it arrived | has been copied there: what is here goes |
//! | gone | any | has been put there |
//!
//! The note stays until whoever ordered the collection has written down that it is there, and says so by
//! [`BlobStore::abandon_gathering`] or [`BlobStore::sweep_gatherings`].
//!
//! Not here: what is in the folder ([`super::folders`]), putting it there ([`super::finish`]).

use super::folders;
use crate::blobs::{BlobError, BlobStore, CleanName, Holder, claims::Pledge, store::Inner};
use pc2_protocols::codec;
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags},
    io::Errno,
};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read as _, Write as _},
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Largest note, in bytes: a path of the system has 4,096 at most, and some words stand beside it.
const MAX_NOTE_BYTES: usize = 8 * 1024;

/// Where a collection was, or is about to be, put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The number of the folder that will have the name: the one here, or the copy of it in another file system.
    pub(crate) inode: u64,
    /// In which folder, in the system's bytes.
    #[serde(with = "serde_bytes")]
    pub(crate) folder: Vec<u8>,
    /// Under which name.
    pub(crate) name: String,
    /// It stands there, and that is on the disk.
    pub(crate) arrived: bool,
}

impl Note {
    /// About to be put there.
    pub(crate) fn about(folder: &File, target: &Path, name: &CleanName) -> Result<Self, BlobError> {
        let inode = folder.metadata().map_err(BlobError::io(target))?.ino();
        let folder = target.as_os_str().as_bytes().to_vec();
        Ok(Self { inode, folder, name: name.to_string(), arrived: false })
    }

    fn folder(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.folder))
    }

    /// Where it will stand.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder().join(&self.name)
    }

    /// Whether the folder with the noted number stands under a path.
    fn is_at(&self, path: &Path) -> bool {
        let found = std::fs::symlink_metadata(path);
        found.is_ok_and(|found| found.is_dir() && found.ino() == self.inode)
    }
}

/// The place of one collection.
pub(crate) struct Home {
    inner: Arc<Inner>,
    /// The folder of all collections, open.
    all: File,
    name: String,
}

impl Home {
    /// Of this holder.
    pub(crate) fn of(inner: &Arc<Inner>, holder: Holder) -> Result<Self, BlobError> {
        let path = inner.gatherings();
        let all = File::open(&path).map_err(BlobError::io(&path))?;
        Ok(Self { inner: Arc::clone(inner), all, name: name_of(holder) })
    }

    /// The folder of all collections.
    pub(crate) fn all(&self) -> &File {
        &self.all
    }

    /// What the collection's folder is called there.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where the collection's folder is.
    pub(crate) fn path(&self) -> PathBuf {
        self.inner.gatherings().join(&self.name)
    }

    /// What it is called while it is copied into a folder of the owner: hidden, and no name that somebody else uses.
    pub(crate) fn hidden(&self) -> String {
        format!(".pc2-{}.part", self.name)
    }

    /// The collection's folder, made if it is not there. It is not private itself: it will be the owner's, and what is around it is private.
    pub(crate) fn folder(&self) -> Result<File, BlobError> {
        folders::make_and_enter(&self.all, &self.name)
            .map_err(|error| BlobError::io(&self.path())(error.into()))
    }

    /// Where the collection was put before, if it was. What an earlier try left of itself is removed.
    /// This process may have failed in between, or one before it.
    pub(crate) fn placed(&self) -> Result<Option<PathBuf>, BlobError> {
        let Some(note) = self.note()? else { return Ok(None) };
        let is_here = match rustix::fs::statat(&self.all, &*self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => FileType::from_raw_mode(found.st_mode) == FileType::Directory,
            Err(Errno::NOENT) => false,
            Err(error) => return Err(BlobError::io(&self.path())(error.into())),
        };
        if note.arrived || !is_here || note.is_at(&note.path()) {
            if !note.arrived {
                self.arrived(note.clone())?;
            }
            self.clear(&self.name)?;
            return Ok(Some(note.path()));
        }
        self.forget_try(&note)?;
        Ok(None)
    }

    /// It stands where the note says: makes that survive, and notes it.
    pub(crate) fn arrived(&self, note: Note) -> Result<(), BlobError> {
        let folder = note.folder();
        match File::open(folder) {
            Ok(open) => self.inner.disk.sync(&open).map_err(BlobError::io(folder))?,
            // Its owner has moved it on since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(BlobError::io(folder)(error)),
        }
        self.inner.disk.sync(&self.all).map_err(BlobError::io(&self.path()))?;
        self.write(&Note { arrived: true, ..note })
    }

    /// Notes something, durably.
    pub(crate) fn write(&self, note: &Note) -> Result<(), BlobError> {
        let (path, beside) = (self.note_path(), self.note_path().with_extension("new"));
        let sync = |file: &File| self.inner.disk.sync(file);
        let written = File::create(&beside).and_then(|mut file| {
            file.write_all(&codec::encode(note))?;
            sync(&file)?;
            std::fs::rename(&beside, &path)?;
            sync(&self.all)
        });
        written.map_err(BlobError::io(&path))
    }

    /// A try to put it somewhere came to nothing: what it left in the owner's folder goes, then the note.
    fn forget_try(&self, note: &Note) -> Result<(), BlobError> {
        let hidden = note.folder().join(self.hidden());
        match File::open(note.folder()) {
            Ok(folder) if note.is_at(&hidden) => {
                let cleared = folders::clear(&folder, &self.hidden());
                cleared.map_err(|error| BlobError::io(&hidden)(error.into()))?;
            }
            Ok(folder) => {
                // One that was made and not noted yet has nothing in it; one with something in it is not ours, and stays.
                let _kept = rustix::fs::unlinkat(&folder, self.hidden(), AtFlags::REMOVEDIR);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(BlobError::io(note.folder())(error)),
        }
        self.clear(&format!("{}.place", self.name))
    }

    /// Removes all of it: folder, notes, what a try left elsewhere. What was put into its place stays there.
    pub(crate) fn remove(&self, _nobody_else: &Pledge) -> Result<(), BlobError> {
        if let Some(note) = self.note()?.filter(|note| !note.arrived) {
            // The owner's folder may be gone, or on a disk that is.
            if let Err(error) = self.forget_try(&note) {
                tracing::warn!(%error, "what a copy left behind was not removed");
            }
        }
        // Whoever finds a folder without a note receives it; whoever finds a note without a folder believes it: the note goes first.
        for name in [".place", ".new", ".said", ""].map(|ending| format!("{}{ending}", self.name)) {
            self.clear(&name)?;
        }
        Ok(())
    }

    fn clear(&self, name: &str) -> Result<(), BlobError> {
        folders::clear(&self.all, name).map_err(|error| BlobError::io(&self.path())(error.into()))
    }

    /// Where it stands what was said of small files.
    pub(crate) fn said_path(&self) -> PathBuf {
        self.inner.gatherings().join(format!("{}.said", self.name))
    }

    fn note_path(&self) -> PathBuf {
        self.inner.gatherings().join(format!("{}.place", self.name))
    }

    fn note(&self) -> Result<Option<Note>, BlobError> {
        let path = self.note_path();
        let name = format!("{}.place", self.name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.all, &*name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(BlobError::io(&path)(io::Error::from(error))),
        };
        let mut bytes = Vec::new();
        file.take(MAX_NOTE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(BlobError::io(&path))?;
        match codec::decode(&bytes, MAX_NOTE_BYTES) {
            Ok(note) => Ok(Some(note)),
            Err(error) => {
                // It is written whole or not at all: the disk has damaged it. Nothing is known then, as if nothing had been noted.
                tracing::warn!(%error, path = %path.display(), "a damaged note is dropped");
                self.clear(&name).map(|()| None)
            }
        }
    }
}

impl BlobStore {
    /// Removes what is left of collections whose holder is not among these: their folders, and notes of where they were put. What was put into
    /// its place stays there; a collection that is open is left alone. Returns how many collections that were.
    ///
    /// # Errors
    /// What the disk says. What was removed before stays removed.
    pub fn sweep_gatherings(&self, alive: &[Holder]) -> Result<u64, BlobError> {
        let path = self.inner.gatherings();
        let folder = File::open(&path).map_err(BlobError::io(&path))?;
        let mut dead = std::collections::BTreeSet::new();
        let told = |error: Errno| BlobError::io(&path)(error.into());
        folders::each(&folder, told, |name, _| {
            let name = name.to_str().unwrap_or_default();
            let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
            // What is not called as ours is not ours.
            let ours = ["", "place", "new", "said"].contains(&ending);
            dead.extend(holder_of(stem).filter(|holder| ours && !alive.contains(holder)));
            Ok(())
        })?;
        let mut removed = 0;
        for holder in dead {
            let Ok(pledge) = self.inner.pledge(holder) else { continue };
            Home::of(&self.inner, holder)?.remove(&pledge)?;
            removed += 1;
        }
        Ok(removed)
    }
}

/// 32 lower-case digits, which no file system takes for another holder's.
fn name_of(holder: Holder) -> String {
    format!("{:032x}", u128::from_be_bytes(holder.0))
}

fn holder_of(name: &str) -> Option<Holder> {
    let holder = Holder(u128::from_str_radix(name, 16).ok()?.to_be_bytes());
    (name_of(holder) == name).then_some(holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_found_by_the_name_of_its_folder_and_by_no_other() {
        let holder = Holder([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff]);
        assert_eq!(name_of(holder), "000102030405060708090a0b0c0d0eff");
        assert_eq!(holder_of(&name_of(holder)), Some(holder));
        for name in ["", "1", "+00102030405060708090a0b0c0d0eff", "000102030405060708090A0B0C0D0EFF"] {
            assert_eq!(holder_of(name), None, "{name}");
        }
    }
}
