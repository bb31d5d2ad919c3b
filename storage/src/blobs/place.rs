//! A folder in which received files are put: opened once, never left, nothing in it replaced.
//!
//! The owner's folder is opened by its path, links included: that is the owner's word. From there on everything goes by the open
//! folder and one clean name at a time, and no link is followed: neither one that stands in the folder nor one that is put there while we
//! work. A name that is taken, by whatever, gets a number.
//!
//! Not here: when a file goes where ([`super::finish`]).

use super::{BlobError, CleanName};
use pc2_protocols::id::BlobId;
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, CWD, Mode, OFlags, RenameFlags},
    io::Errno,
};
use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Forms of a name that are tried. Whoever has a thousand files of one name wants no further one.
const MOST_NUMBERS: u32 = 1_000;

/// An open folder.
#[derive(Debug)]
pub struct Target {
    folder: OwnedFd,
    path: PathBuf,
}

/// How a file came under its name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Linked {
    /// It stands there now.
    Here(CleanName),
    /// It cannot: the folder is in another file system, or in one without links.
    Elsewhere,
}

/// Whether a folder came under its name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Adopted {
    /// It stands there now.
    Here,
    /// Something else does.
    Taken,
    /// It cannot: it is in another file system.
    Elsewhere,
}

impl Target {
    /// Opens the folder that the owner chose.
    ///
    /// # Errors
    /// [`BlobError::Io`] when it is not there, is no folder or may not be entered.
    pub fn open(path: &Path) -> Result<Self, BlobError> {
        let path = std::path::absolute(path).map_err(BlobError::io(path))?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&path, flags, Mode::empty());
        Ok(Self { folder: folder.map_err(io::Error::from).map_err(BlobError::io(&path))?, path })
    }

    /// A folder that is open already.
    pub(crate) fn within(folder: OwnedFd, path: PathBuf) -> Self {
        Self { folder, path }
    }

    /// Where it is, or was when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder in it, made if it is not there: for the folders of a path.
    ///
    /// # Errors
    /// [`BlobError::NotAFolder`] when something else stands there, a link to a folder included; what the system says.
    pub fn folder(&self, name: &CleanName) -> Result<Self, BlobError> {
        match self.enter(name) {
            Err(BlobError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                match self.make(name) {
                    Err(Errno::EXIST) | Ok(()) => self.enter(name),
                    Err(error) => Err(BlobError::io(&self.path.join(name.as_str()))(error.into())),
                }
            }
            entered => entered,
        }
    }

    /// A new folder in it, under the first free form of the name: for a folder that is received as a whole. Its name is that of
    /// [`Self::path`].
    ///
    /// # Errors
    /// [`BlobError::NameTaken`]; what the system says.
    pub fn new_folder(&self, name: &CleanName) -> Result<Self, BlobError> {
        for number in 1..=MOST_NUMBERS {
            let name = name.numbered(number);
            match self.make(&name) {
                Ok(()) => return self.enter(&name),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(BlobError::io(&self.path.join(name.as_str()))(error.into())),
            }
        }
        Err(self.taken(name))
    }

    /// Returns when what was put in it survives a loss of power.
    pub(crate) fn sync(&self) -> Result<(), BlobError> {
        rustix::fs::fsync(&self.folder).map_err(|error| BlobError::io(&self.path)(error.into()))
    }

    /// The same as a file, for what syncs and looks.
    pub(crate) fn opened(&self) -> Result<File, BlobError> {
        self.folder.try_clone().map(File::from).map_err(BlobError::io(&self.path))
    }

    /// The first form of a name that seems to be free, from one form on.
    pub(crate) fn free_form(&self, name: &CleanName, from: u32) -> Result<(u32, CleanName), BlobError> {
        for number in from..=MOST_NUMBERS {
            let form = name.numbered(number);
            match rustix::fs::statat(&self.folder, form.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => {}
                Err(Errno::NOENT) => return Ok((number, form)),
                Err(error) => return Err(BlobError::io(&self.path.join(form.as_str()))(error.into())),
            }
        }
        Err(self.taken(name))
    }

    /// Moves a folder from another folder here under a name, replacing nothing. Does not sync.
    pub(crate) fn adopt(
        &self,
        from: impl rustix::fd::AsFd,
        own: &str,
        name: &CleanName,
    ) -> Result<Adopted, BlobError> {
        let failed = |error: Errno| BlobError::io(&self.path.join(name.as_str()))(error.into());
        let moved =
            rustix::fs::renameat_with(&from, own, &self.folder, name.as_str(), RenameFlags::NOREPLACE);
        let moved = match moved {
            // Network file systems cannot say "not replacing". An empty folder of ours is what a folder may replace, and a name that is taken cannot
            // be made.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                match rustix::fs::mkdirat(&self.folder, name.as_str(), Mode::RWXU) {
                    Ok(()) => {
                        rustix::fs::renameat(&from, own, &self.folder, name.as_str()).inspect_err(|_| {
                            // Only if it is empty still.
                            let _kept = rustix::fs::unlinkat(&self.folder, name.as_str(), AtFlags::REMOVEDIR);
                        })
                    }
                    Err(error) => Err(error),
                }
            }
            moved => moved,
        };
        match moved {
            Ok(()) => Ok(Adopted::Here),
            Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(Adopted::Taken),
            Err(Errno::XDEV) => Ok(Adopted::Elsewhere),
            Err(error) => Err(failed(error)),
        }
    }

    fn make(&self, name: &CleanName) -> Result<(), Errno> {
        rustix::fs::mkdirat(&self.folder, name.as_str(), Mode::RWXU | Mode::RWXG | Mode::RWXO)?;
        rustix::fs::fsync(&self.folder)
    }

    fn enter(&self, name: &CleanName) -> Result<Self, BlobError> {
        let path = self.path.join(name.as_str());
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.folder, name.as_str(), flags, Mode::empty()) {
            Ok(folder) => Ok(Self { folder, path }),
            Err(Errno::LOOP | Errno::NOTDIR | Errno::MLINK) => Err(BlobError::NotAFolder { path }),
            Err(error) => Err(BlobError::io(&path)(error.into())),
        }
    }

    fn taken(&self, name: &CleanName) -> BlobError {
        BlobError::NameTaken { path: self.path.join(name.as_str()) }
    }

    /// Gives a file, open and at a path of this machine, the first free form of a name here. A name that is this very file's already is taken
    /// for it: an earlier try got so far. Does not sync.
    pub(crate) fn link(&self, from: &Path, open: &File, name: &CleanName) -> Result<Linked, BlobError> {
        self.give_name(CWD, from, open, name)
    }

    fn give_name(
        &self,
        folder: impl rustix::fd::AsFd,
        from: &Path,
        open: &File,
        name: &CleanName,
    ) -> Result<Linked, BlobError> {
        for number in 1..=MOST_NUMBERS {
            let candidate = name.numbered(number);
            let linked =
                rustix::fs::linkat(&folder, from, &self.folder, candidate.as_str(), AtFlags::empty());
            // Where there are no links (FAT, and what the system protects), a file is moved instead. Not replacing is the system's part there, too.
            let given = match linked {
                Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK | Errno::ACCESS) => {
                    rustix::fs::renameat_with(
                        &folder,
                        from,
                        &self.folder,
                        candidate.as_str(),
                        RenameFlags::NOREPLACE,
                    )
                }
                given => given,
            };
            match given {
                Ok(()) => return Ok(Linked::Here(candidate)),
                Err(Errno::EXIST) if self.is(&candidate, open) => return Ok(Linked::Here(candidate)),
                Err(Errno::EXIST) => {}
                Err(Errno::XDEV) => return Ok(Linked::Elsewhere),
                Err(error) => {
                    return Err(BlobError::io(&self.path.join(candidate.as_str()))(error.into()));
                }
            }
        }
        Err(self.taken(name))
    }

    /// Whether what stands under a name is this file.
    fn is(&self, name: &CleanName, open: &File) -> bool {
        let there = rustix::fs::statat(&self.folder, name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
        match (there, open.metadata()) {
            // The types of these fields differ between systems.
            #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
            (Ok(there), Ok(open)) => there.st_ino as u64 == open.ino() && there.st_dev as u64 == open.dev(),
            _ => false,
        }
    }

    /// Makes a file to be filled beside its last name. It is hidden, and gone when it gets no name.
    pub(crate) fn beside(&self, id: BlobId) -> Result<Beside<'_>, BlobError> {
        let name = format!(".pc2-{}.part", id.hex());
        let failed = |error: Errno| BlobError::io(&self.path.join(&name))(error.into());
        // One that a killed process left behind is of no use.
        match rustix::fs::unlinkat(&self.folder, &*name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(failed(error)),
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
        let file = rustix::fs::openat(&self.folder, &*name, flags, mode).map_err(failed)?;
        Ok(Beside { target: self, name, file: File::from(file) })
    }
}

/// A file that is being filled beside its last name.
#[derive(Debug)]
pub(crate) struct Beside<'a> {
    target: &'a Target,
    name: String,
    file: File,
}

impl Beside<'_> {
    /// What it is called for now.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Gives it the first free form of its name. Does not sync the folder.
    pub(crate) fn publish(self, name: &CleanName) -> Result<(CleanName, File), BlobError> {
        let target = self.target;
        match target.give_name(&target.folder, Path::new(&self.name), &self.file, name)? {
            Linked::Here(name) => {
                let file = self.file.try_clone().map_err(BlobError::io(&target.path))?;
                Ok((name, file))
            }
            // The same folder is never in another file system.
            Linked::Elsewhere => Err(target.taken(name)),
        }
    }
}

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        // Not there any more when it was moved under its name.
        let _moved = rustix::fs::unlinkat(&self.target.folder, &*self.name, AtFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::clean_name;
    use std::{fs, io::Write as _, os::unix::fs::symlink};

    fn file_in(dir: &Path, text: &str) -> (PathBuf, File) {
        let path = dir.join("partial");
        let _absent = fs::remove_file(&path);
        let mut file = File::create_new(&path).expect("made");
        file.write_all(text.as_bytes()).expect("written");
        (path, file)
    }

    fn put(target: &Target, dir: &Path, text: &str, name: &str) -> String {
        let (path, file) = file_in(dir, text);
        match target.link(&path, &file, &clean_name(name)).expect("linked") {
            Linked::Here(name) => name.to_string(),
            Linked::Elsewhere => panic!("the same file system"),
        }
    }

    #[test]
    fn a_taken_name_gets_a_number_and_nothing_is_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let folder = dir.path().join("in");
        fs::create_dir(&folder).expect("made");
        let target = Target::open(&folder).expect("opens");
        for (number, name) in ["a.txt", "a (2).txt", "a (3).txt"].iter().enumerate() {
            assert_eq!(put(&target, dir.path(), &number.to_string(), "a.txt"), *name);
        }
        fs::create_dir(folder.join("b")).expect("made");
        symlink("/nowhere", folder.join("b (2)")).expect("made");
        assert_eq!(put(&target, dir.path(), "b", "b"), "b (3)", "folders and dead links are taken, too");
        for (number, name) in ["a.txt", "a (2).txt", "a (3).txt"].iter().enumerate() {
            assert_eq!(fs::read_to_string(folder.join(name)).expect("there"), number.to_string());
        }
        target.sync().expect("synced");
    }

    #[test]
    fn a_file_that_has_its_name_already_does_not_get_a_second() {
        let dir = tempfile::tempdir().expect("a directory");
        let target = Target::open(dir.path()).expect("opens");
        let (path, file) = file_in(dir.path(), "text");
        let link = || target.link(&path, &file, &clean_name("a.txt")).expect("linked");
        assert_eq!(link(), Linked::Here(clean_name("a.txt")));
        assert_eq!(link(), Linked::Here(clean_name("a.txt")));
    }

    #[test]
    fn a_link_in_the_folder_is_never_followed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        fs::create_dir(&inside).expect("made");
        fs::create_dir(&outside).expect("made");
        fs::write(outside.join("victim"), "precious").expect("written");
        symlink(&outside, inside.join("sub")).expect("made");
        symlink(outside.join("victim"), inside.join("a.txt")).expect("made");
        let target = Target::open(&inside).expect("opens");
        let refused = target.folder(&clean_name("sub")).expect_err("a link");
        assert!(matches!(refused, BlobError::NotAFolder { .. }), "{refused}");
        assert_eq!(put(&target, dir.path(), "evil", "a.txt"), "a (2).txt");
        assert_eq!(fs::read_to_string(outside.join("victim")).expect("there"), "precious");
        let file = inside.join("file");
        fs::write(&file, "").expect("written");
        assert!(matches!(target.folder(&clean_name("file")), Err(BlobError::NotAFolder { .. })));
        symlink(
            outside.join("victim"),
            inside.join(format!(".pc2-{}.part", BlobId::from_bytes([1; 32]).hex())),
        )
        .expect("made");
        let beside = target.beside(BlobId::from_bytes([1; 32])).expect("made anew");
        beside.file().write_all(b"evil").expect("written");
        assert_eq!(fs::read_to_string(outside.join("victim")).expect("there"), "precious");
        assert_eq!(fs::read_dir(&outside).expect("readable").count(), 1);
    }

    #[test]
    fn the_owners_own_folder_may_be_a_link() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("real")).expect("made");
        symlink("real", dir.path().join("downloads")).expect("made");
        let target = Target::open(&dir.path().join("downloads")).expect("opens");
        put(&target, dir.path(), "text", "a.txt");
        assert!(dir.path().join("real/a.txt").exists());
        assert!(Target::open(&dir.path().join("nowhere")).is_err());
    }

    #[test]
    fn a_folder_is_entered_when_it_is_there_and_numbered_when_it_is_new() {
        let dir = tempfile::tempdir().expect("a directory");
        let target = Target::open(dir.path()).expect("opens");
        let first = target.new_folder(&clean_name("trip")).expect("made");
        let second = target.new_folder(&clean_name("trip")).expect("made");
        assert_eq!(second.path(), dir.path().join("trip (2)"));
        let inner = first.folder(&clean_name("day")).expect("made");
        assert_eq!(first.folder(&clean_name("day")).expect("entered").path(), inner.path());
        assert!(dir.path().join("trip/day").is_dir());
    }

    #[test]
    fn a_file_that_gets_no_name_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let target = Target::open(dir.path()).expect("opens");
        let beside = target.beside(BlobId::from_bytes([1; 32])).expect("made");
        drop(beside);
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 0);
        let beside = target.beside(BlobId::from_bytes([1; 32])).expect("made");
        beside.file().write_all(b"text").expect("written");
        beside.publish(&clean_name("a.txt")).expect("published");
        assert_eq!(fs::read_to_string(dir.path().join("a.txt")).expect("there"), "text");
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 1);
    }
}
