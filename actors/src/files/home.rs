//! Where the files of the owner are: `users/owner` under the data directory, real files that anything else on the machine can open.
//!
//! ```text
//! <data>/users/owner/Downloads   what was received
//! <data>/users/owner/Uploads     what a browser brought to be offered
//! ```
//!
//! A name from outside never decides where a file lands: it is cleaned, kept inside the folder, and replaces nothing.
//!
//! Not here: cleaning names and placing files (`pc2-storage`, `blobs`).

use pc2_storage::{
    Disk as _, SystemDisk,
    blobs::{BlobError, HEADROOM_BYTES, Target, clean_name},
};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// What a browser brings stops this many bytes before the disk is full: twice what the store of files leaves, so that messages and what is being received
/// still have room.
const KEPT_FREE: u64 = 2 * HEADROOM_BYTES;

/// What the names of uploads that are under way begin with.
const PART: &str = ".upload-";

/// Room on the disk is asked for every so many bytes.
const ROOM_EVERY: u64 = 16 * 1024 * 1024;

/// The owner's folder. Others follow when a node has several people.
const OWNER: &str = "owner";

/// The folders of one person.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    root: PathBuf,
}

impl Home {
    /// The owner's, under a data directory. Nothing is made yet.
    pub(crate) fn of_owner(data: &Path) -> Self {
        Self { root: data.join("users").join(OWNER) }
    }

    /// Where received files go when nobody said otherwise; made if it is not there.
    pub(crate) fn downloads(&self) -> Result<Target, BlobError> {
        self.folder("Downloads")
    }

    /// Removes what browsers were bringing when the node was killed. Blocks; to be called before uploads begin.
    pub(crate) fn forget_uploads(&self) {
        // Without the folder there is nothing to forget.
        for entry in fs::read_dir(self.root.join("Uploads")).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let is_part = name.to_str().is_some_and(|name| name.starts_with(PART) && name.ends_with(".part"));
            if is_part && let Err(error) = fs::remove_file(entry.path()) {
                tracing::warn!(%error, "an upload that broke off could not be removed");
            }
        }
    }

    fn folder(&self, name: &str) -> Result<Target, BlobError> {
        let path = self.root.join(name);
        // For the owner alone, as everything in the data directory.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|source| BlobError::Io { path: path.clone(), source })?;
        Target::open(&path)
    }
}

/// A file that a browser brings, in pieces. Until it is [kept](Self::keep) it has no name of its own, and goes when this is dropped.
#[derive(Debug)]
pub struct Upload {
    folder: PathBuf,
    part: PathBuf,
    file: File,
    name: String,
    /// Bytes that may be written before room is asked for again.
    room: u64,
    kept: bool,
}

impl Upload {
    /// Begins one. `number` tells it from others of this process. Blocks.
    pub(crate) fn begin(home: &Home, name: &str, number: u64) -> Result<Self, BlobError> {
        let folder = home.folder("Uploads")?.path().to_owned();
        let part = folder.join(format!("{PART}{}-{number}.part", std::process::id()));
        let file = File::create(&part).map_err(|source| BlobError::Io { path: part.clone(), source })?;
        Ok(Self { folder, part, file, name: name.to_owned(), room: 0, kept: false })
    }

    /// Whether the disk has room for so many bytes more. Blocks.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`].
    pub fn room_for(&self, bytes: u64) -> io::Result<()> {
        let free = SystemDisk.available(&self.folder)?;
        if free.saturating_sub(KEPT_FREE) < bytes { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// Appends bytes. Blocks.
    ///
    /// # Errors
    /// What the system says, a full disk above all; the upload is to be given up then.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.room < length {
            self.room_for(length.max(ROOM_EVERY))?;
            self.room = length.max(ROOM_EVERY);
        }
        self.room = self.room.saturating_sub(length);
        self.file.write_all(bytes)
    }

    /// Gives it the first free form of its name, cleaned. Returns when it survives a loss of power. Blocks.
    ///
    /// # Errors
    /// [`BlobError`].
    pub fn keep(mut self) -> Result<PathBuf, BlobError> {
        let io = |source| BlobError::Io { path: self.part.clone(), source };
        self.file.sync_all().map_err(io)?;
        let name = clean_name(&self.name);
        for number in 1..=1_000 {
            let path = self.folder.join(name.numbered(number).as_str());
            // A link replaces nothing.
            match fs::hard_link(&self.part, &path) {
                Ok(()) => {
                    self.kept = true;
                    fs::remove_file(&self.part).map_err(io)?;
                    File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(io)?;
                    return Ok(path);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(io(error)),
            }
        }
        Err(BlobError::NameTaken { path: self.folder.join(name.as_str()) })
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_file(&self.part)
        {
            tracing::warn!(%error, "an upload that was given up could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(home: &Home, name: &str, bytes: &[u8]) -> Upload {
        let mut upload = Upload::begin(home, name, 1).expect("begun");
        upload.write(bytes).expect("written");
        upload
    }

    #[test]
    fn an_upload_gets_a_clean_name_inside_of_its_folder_and_replaces_nothing() {
        let data = tempfile::tempdir().expect("a directory");
        let home = Home::of_owner(data.path());
        let uploads = data.path().join("users/owner/Uploads");
        for bytes in [b"one", b"two"] {
            let path = upload(&home, "../../evil.txt", bytes).keep().expect("kept");
            assert!(path.starts_with(&uploads), "{}", path.display());
            assert_eq!(fs::read(path).expect("read"), bytes);
        }
        assert_eq!(fs::read_dir(&uploads).expect("read").count(), 2);
    }

    #[test]
    fn an_upload_that_is_given_up_leaves_nothing() {
        let data = tempfile::tempdir().expect("a directory");
        let home = Home::of_owner(data.path());
        drop(upload(&home, "a", b"one"));
        assert_eq!(fs::read_dir(data.path().join("users/owner/Uploads")).expect("read").count(), 0);
    }

    #[test]
    fn what_a_killed_node_was_taking_in_is_removed_and_files_stay() {
        let data = tempfile::tempdir().expect("a directory");
        let home = Home::of_owner(data.path());
        let kept = upload(&home, "a.part", b"one").keep().expect("kept");
        let mut broken = upload(&home, "b", b"two");
        // As if the process were gone: nothing cleans up after it.
        broken.kept = true;
        drop(broken);
        home.forget_uploads();
        let left: Vec<_> = fs::read_dir(data.path().join("users/owner/Uploads"))
            .expect("read")
            .flatten()
            .map(|entry| entry.path())
            .collect();
        assert_eq!(left, [kept]);
    }

    #[test]
    fn more_than_the_disk_has_is_refused_before_it_comes() {
        let data = tempfile::tempdir().expect("a directory");
        let upload = upload(&Home::of_owner(data.path()), "a", b"one");
        assert!(upload.room_for(1).is_ok());
        assert_eq!(upload.room_for(u64::MAX).map_err(|error| error.kind()), Err(io::ErrorKind::StorageFull));
    }
}
