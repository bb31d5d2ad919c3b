//! The folders of a collection on the disk: made and opened below one open folder, never by a path, and no link followed.
//!
//! What stands in the way of a file or folder of the list was put there by somebody who is not us, in a folder that is ours: it is removed, and
//! of a link the link, not what it leads to. Few folders are kept open, however many there are: files come in the order of their paths.
//!
//! Not here: which files there are ([`super::list`]), when they are made to survive.

use super::list::{List, Place};
use crate::blobs::{BlobError, Target};
use rustix::{
    fd::AsFd,
    fs::{AtFlags, Dir, FileType, Mode, OFlags},
    io::Errno,
};
use std::{
    collections::HashMap,
    ffi::CStr,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Folders kept open. Eight transfers with so many each stay far below the thousand descriptors that a process may have.
const MOST_OPEN: usize = 32;

/// Folders inside of each other that are removed: more than a list may have, with room for what somebody else put there.
const MOST_DEPTH: u32 = 128;

/// New folders and files are what the owner's other ones are; the folder around them is private for as long as they are not complete.
const FOLDER_MODE: Mode = Mode::RWXU.union(Mode::RWXG).union(Mode::RWXO);
const FILE_MODE: Mode =
    Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP).union(Mode::WGRP).union(Mode::ROTH).union(Mode::WOTH);

/// The folders of one collection.
pub(crate) struct Folders {
    root: Arc<File>,
    /// For what is told of it, and for asking how full its disk is.
    path: PathBuf,
    open: Mutex<Open>,
}

/// Those that are open, with when they were last used.
#[derive(Default)]
struct Open {
    folders: HashMap<u32, (Arc<File>, u64)>,
    clock: u64,
}

impl Folders {
    /// Below this folder.
    pub(crate) fn below(root: File, path: PathBuf) -> Self {
        Self { root: Arc::new(root), path, open: Mutex::default() }
    }

    /// The folder of all.
    pub(crate) fn root(&self) -> &File {
        &self.root
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a folder of the list is.
    pub(crate) fn path_of(&self, list: &List, folder: u32) -> PathBuf {
        let names: Vec<_> = up(list, folder).map(|(_, name)| name).collect();
        names.iter().rev().fold(self.path.clone(), |path, name| path.join(name))
    }

    /// Opens a folder of the list, and makes what is missing of it.
    pub(crate) fn open(&self, list: &List, folder: u32) -> Result<Arc<File>, BlobError> {
        let mut cache = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        cache.clock += 1;
        let now = cache.clock;
        let mut missing = Vec::new();
        let mut at = Arc::clone(&self.root);
        for (folder, name) in up(list, folder) {
            if let Some((open, used)) = cache.folders.get_mut(&folder) {
                *used = now;
                at = Arc::clone(open);
                break;
            }
            missing.push((folder, name));
        }
        for (folder, name) in missing.into_iter().rev() {
            let entered = make_and_enter(&at, name);
            at = Arc::new(entered.map_err(|error| BlobError::io(&self.path_of(list, folder))(error.into()))?);
            if cache.folders.len() >= MOST_OPEN {
                let oldest =
                    cache.folders.iter().min_by_key(|(_, (_, used))| *used).map(|(folder, _)| *folder);
                oldest.and_then(|oldest| cache.folders.remove(&oldest));
            }
            cache.folders.insert(folder, (Arc::clone(&at), now));
        }
        Ok(at)
    }

    /// A folder of the list as one in which files are put.
    pub(crate) fn target(&self, list: &List, folder: u32) -> Result<Target, BlobError> {
        let path = self.path_of(list, folder);
        let open = self.open(list, folder)?.try_clone().map_err(BlobError::io(&path))?;
        Ok(Target::within(open.into(), path))
    }

    /// The folder of a file and those around it, innermost first.
    pub(crate) fn around(&self, list: &List, file: &Place) -> Result<Vec<Arc<File>>, BlobError> {
        let mut around = vec![Arc::clone(&self.root)];
        for (folder, _) in up(list, file.folder) {
            around.push(self.open(list, folder)?);
        }
        // The collection's own comes last.
        around.rotate_left(1);
        Ok(around)
    }

    /// Makes a file of the list that is not there, empty and open.
    pub(crate) fn create(&self, list: &List, file: &Place) -> Result<File, BlobError> {
        let folder = self.open(list, file.folder)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
        let make = || rustix::fs::openat(&folder, file.name.as_str(), flags, FILE_MODE);
        let made = match make() {
            Err(Errno::EXIST) => clear(&*folder, file.name.as_str()).and_then(|()| make()),
            made => made,
        };
        made.map(File::from).map_err(|error| self.told(list, file, error))
    }

    /// Writes a file of the list as a whole. A failure leaves nothing of it.
    pub(crate) fn write(&self, list: &List, file: &Place, bytes: &[u8]) -> Result<(), BlobError> {
        let mut made = self.create(list, file)?;
        made.write_all(bytes).map_err(|error| {
            // What is left all the same is no whole file, which is seen when the collection is begun again or finished.
            let _kept = self.remove(list, file);
            BlobError::io(&self.path_of(list, file.folder).join(file.name.as_str()))(error)
        })
    }

    /// Removes whatever stands where a file of the list belongs.
    pub(crate) fn remove(&self, list: &List, file: &Place) -> Result<(), BlobError> {
        let folder = self.open(list, file.folder)?;
        clear(&*folder, file.name.as_str()).map_err(|error| self.told(list, file, error))
    }

    /// Whether a file of the list's size stands in its place; what else stands there is removed.
    pub(crate) fn stands(&self, list: &List, file: &Place) -> Result<bool, BlobError> {
        let folder = self.open(list, file.folder)?;
        match rustix::fs::statat(&folder, file.name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => {
                let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
                if is_file && u64::try_from(found.st_size) == Ok(file.size.bytes()) {
                    return Ok(true);
                }
                self.remove(list, file).map(|()| false)
            }
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.told(list, file, error)),
        }
    }

    /// Opens a file of the list for reading; `None` when none stands there.
    pub(crate) fn read(&self, list: &List, file: &Place) -> Result<Option<File>, BlobError> {
        let folder = self.open(list, file.folder)?;
        // A pipe or a device that somebody put there is not waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(&folder, file.name.as_str(), flags, Mode::empty()) {
            Ok(open) => Ok(Some(File::from(open))),
            Err(Errno::NOENT | Errno::LOOP | Errno::MLINK) => Ok(None),
            Err(error) => Err(self.told(list, file, error)),
        }
    }

    fn told(&self, list: &List, file: &Place, error: Errno) -> BlobError {
        BlobError::io(&self.path_of(list, file.folder).join(file.name.as_str()))(error.into())
    }
}

/// A folder and those around it with their names, innermost first, without the collection's own.
fn up(list: &List, folder: u32) -> impl Iterator<Item = (u32, &str)> {
    let mut at = folder;
    std::iter::from_fn(move || {
        let folder = list.folder(at).filter(|folder| !folder.name.is_empty())?;
        let number = std::mem::replace(&mut at, folder.parent);
        Some((number, folder.name.as_ref()))
    })
}

/// Enters a folder that may have to be made.
pub(crate) fn make_and_enter(parent: impl AsFd, name: &str) -> Result<File, Errno> {
    match enter(&parent, name) {
        Err(Errno::NOENT) => {}
        Err(Errno::LOOP | Errno::NOTDIR | Errno::MLINK) => clear(&parent, name)?,
        entered => return entered,
    }
    match rustix::fs::mkdirat(&parent, name, FOLDER_MODE) {
        Ok(()) | Err(Errno::EXIST) => enter(&parent, name),
        Err(error) => Err(error),
    }
}

/// Enters a folder that is there.
pub(crate) fn enter(parent: impl AsFd, name: &str) -> Result<File, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty()).map(File::from)
}

/// Removes what stands under a name in a folder: a file, a link, a folder with all in it. Not there is fine, too.
pub(crate) fn clear(folder: impl AsFd, name: &str) -> Result<(), Errno> {
    let name = std::ffi::CString::new(name).map_err(|_| Errno::INVAL)?;
    remove(folder.as_fd(), &name, MOST_DEPTH)
}

/// The same for a name as the system gives it.
pub(crate) fn clear_entry(folder: impl AsFd, name: &CStr) -> Result<(), Errno> {
    remove(folder.as_fd(), name, MOST_DEPTH)
}

fn remove(folder: rustix::fd::BorrowedFd<'_>, name: &CStr, depth: u32) -> Result<(), Errno> {
    let refused = match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // What a folder is told as, on Linux and elsewhere.
        Err(error @ (Errno::ISDIR | Errno::PERM)) => error,
        Err(error) => return Err(error),
    };
    let depth = depth.checked_sub(1).ok_or(Errno::NAMETOOLONG)?;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let inner = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => return Err(refused),
        inner => inner?,
    };
    // A folder that changes while it is read may leave entries out: it is read until there are none.
    loop {
        let mut any = false;
        each(&inner, std::convert::identity, |entry, _| {
            any = true;
            remove(inner.as_fd(), entry, depth)
        })?;
        if !any {
            break;
        }
    }
    match rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        removed => removed,
    }
}

/// Does something with each entry of a folder.
pub(crate) fn each<E>(
    folder: impl AsFd,
    told: impl Fn(Errno) -> E,
    mut what: impl FnMut(&CStr, FileType) -> Result<(), E>,
) -> Result<(), E> {
    for entry in Dir::read_from(folder).map_err(&told)? {
        let entry = entry.map_err(&told)?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            what(name, entry.file_type())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::{Holder, Proof};
    use pc2_protocols::{blob::BlobSize, files::manifest::Member, id::BlobId};
    use std::{fs, os::unix::fs::symlink};

    fn list(paths: &[&str]) -> List {
        let size = BlobSize::try_from(4).expect("small");
        let member = |(number, path): (u8, &&str)| Member {
            path: (*path).into(),
            blob: BlobId::from_bytes([number; 32]),
            size,
        };
        let members: Vec<_> = (0..).zip(paths).map(member).collect();
        List::new(Holder([1; 16]), &members, Proof::Whole).expect("a list").0
    }

    fn below(path: &Path) -> Folders {
        Folders::below(File::open(path).expect("opens"), path.to_owned())
    }

    #[test]
    fn more_folders_than_are_kept_open_are_written_to_in_any_order() {
        let dir = tempfile::tempdir().expect("a directory");
        let paths: Vec<_> = (0..200).map(|number| format!("{}/{number}/f", number % 7)).collect();
        let list = list(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        let folders = below(dir.path());
        for number in (0..200).map(|number| number * 77 % 200) {
            let file = list.file(number).expect("a file");
            folders.write(&list, file, b"text").expect("written");
            assert!(folders.stands(&list, file).expect("looked"));
        }
        assert!(folders.open.lock().expect("whole").folders.len() <= MOST_OPEN);
        assert!(paths.iter().all(|path| fs::read(dir.path().join(path)).expect("there") == b"text"));
        let around = folders.around(&list, list.file(199).expect("a file")).expect("opened");
        assert_eq!(around.len(), 3);
    }

    #[test]
    fn a_link_in_the_way_is_removed_and_not_followed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        for folder in [&inside, &outside] {
            fs::create_dir(folder).expect("made");
        }
        fs::write(outside.join("f"), "precious").expect("written");
        symlink(&outside, inside.join("a")).expect("made");
        symlink(outside.join("f"), inside.join("f")).expect("made");
        let list = list(&["a/f", "f"]);
        let folders = below(&inside);
        for (_, file) in list.files() {
            folders.write(&list, file, b"text").expect("written");
        }
        assert_eq!(fs::read(inside.join("a/f")).expect("there"), b"text");
        assert_eq!(fs::read(inside.join("f")).expect("there"), b"text");
        assert_eq!(fs::read(outside.join("f")).expect("there"), b"precious");
        // What takes a file's place afterwards is not taken for it, and goes.
        let file = list.file(1).expect("a file");
        fs::remove_file(inside.join("f")).expect("removed");
        symlink(outside.join("f"), inside.join("f")).expect("made");
        assert!(folders.read(&list, file).expect("looked").is_none());
        assert!(!folders.stands(&list, file).expect("looked"));
        fs::create_dir_all(inside.join("f/g/h")).expect("made");
        assert!(!folders.stands(&list, file).expect("looked"));
        assert!(!inside.join("f").exists());
    }

    #[test]
    fn a_folder_is_removed_with_all_in_it_and_nothing_it_links_to() {
        let dir = tempfile::tempdir().expect("a directory");
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        fs::create_dir_all(inside.join("a/b/c")).expect("made");
        fs::create_dir(&outside).expect("made");
        fs::write(outside.join("f"), "precious").expect("written");
        symlink(&outside, inside.join("a/link")).expect("made");
        symlink(outside.join("f"), inside.join("a/b/link")).expect("made");
        (0..500).for_each(|number| fs::write(inside.join(format!("a/{number}")), "x").expect("written"));
        let folder = File::open(dir.path()).expect("opens");
        clear(&folder, "in").expect("removed");
        clear(&folder, "in").expect("not there is fine");
        assert!(!inside.exists());
        assert_eq!(fs::read(outside.join("f")).expect("there"), b"precious");
    }
}
