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

use pc2_storage::blobs::{BlobError, Target, clean_name};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

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
    kept: bool,
}

impl Upload {
    /// Begins one. `number` tells it from others of this process. Blocks.
    pub(crate) fn begin(home: &Home, name: &str, number: u64) -> Result<Self, BlobError> {
        let folder = home.folder("Uploads")?.path().to_owned();
        let part = folder.join(format!(".upload-{}-{number}.part", std::process::id()));
        let file = File::create(&part).map_err(|source| BlobError::Io { path: part.clone(), source })?;
        Ok(Self { folder, part, file, name: name.to_owned(), kept: false })
    }

    /// Appends bytes. Blocks.
    ///
    /// # Errors
    /// What the system says, a full disk above all; the upload is to be given up then.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
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
}
