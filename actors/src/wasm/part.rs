//! A file that has no last name yet: written, and then renamed or, when it is given up, removed.
//!
//! Not here: what is in it, and when it is synced (`cache`, `modules`).

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};
use tracing::warn;

/// What the names of such files begin with.
const PREFIX: &str = ".part-";

/// One of them. Removed when it is dropped without having been renamed.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

impl Part {
    /// Begins one in a folder that is there. Its name is drawn: nothing that was left by an earlier process is in its way.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let path = folder.join(format!("{PREFIX}{:016x}", u64::from_be_bytes(random)));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Whether a file is such a one.
pub(super) fn is_part(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Whether a file was last written before this. One that cannot be looked at is left alone.
pub(super) fn is_older(entry: &fs::DirEntry, than: SystemTime) -> bool {
    entry.metadata().and_then(|about| about.modified()).is_ok_and(|written| written < than)
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        warn!(%error, "a file of modules that nobody needs could not be removed");
    }
}
