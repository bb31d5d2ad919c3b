//! The data directory: who uses it, and what storage keeps in it.
//!
//! `lock` is held for as long as the storage is open and names the process in it; `db/` is the database with its
//! [`crate::format`] and mark; `ballast`, `export/latest.pc2x` and `quarantine-<unix ms>/` are what their names say; `blobs/` is laid
//! out in [`crate::blobs`].
//! Everything else in the directory belongs to others.

use crate::{db::OpenError, disk};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// The paths.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
}

impl Layout {
    /// The database.
    pub(crate) fn db(&self) -> PathBuf {
        self.root.join("db")
    }

    /// A database being restored; becomes `db/` when it is whole.
    pub(crate) fn restoring(&self) -> PathBuf {
        self.root.join("db.restoring")
    }

    /// The last logical export.
    pub(crate) fn export(&self) -> PathBuf {
        self.root.join("export").join("latest.pc2x")
    }

    /// Moves a database aside that cannot be used; returns where it is now.
    pub(crate) fn quarantine(&self) -> io::Result<PathBuf> {
        let aside = self.root.join(format!("quarantine-{}", unix_millis()));
        fs::rename(self.db(), &aside)?;
        disk::sync_dir(&self.root)?;
        Ok(aside)
    }

    /// Moves an export aside that cannot be read, so that the next one does not replace it.
    pub(crate) fn set_export_aside(&self) -> io::Result<PathBuf> {
        let aside = self.export().with_file_name(format!("damaged-{}.pc2x", unix_millis()));
        fs::rename(self.export(), &aside)?;
        Ok(aside)
    }
}

/// Milliseconds since 1970 by the system's clock; 0 when it stands before.
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The directory is ours for as long as this lives; the system takes it back even from a killed process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Makes the directory if it is not there, and locks it.
    pub(crate) fn take(layout: &Layout) -> Result<Self, OpenError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Unreadable { path, source }
        };
        create_private(&layout.root).map_err(unreadable(&layout.root))?;
        let path = layout.root.join("lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(unreadable(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The number is a help; without it the message is still right.
                let _unknown = file.read_to_string(&mut holder);
                return Err(OpenError::InUse { process: holder.trim().parse().ok() });
            }
            Err(TryLockError::Error(source)) => return Err(OpenError::Unreadable { path, source }),
        }
        // On a full disk the lock holds without the number in it.
        let named = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = named {
            tracing::warn!(%error, "process number not written to the lock file");
        }
        Ok(Self { _file: file })
    }
}

/// A data directory that nobody else uses for as long as this lives, while no storage is open in it.
#[derive(Debug)]
pub struct DirLock {
    _lock: Lock,
}

impl DirLock {
    /// Takes it.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when somebody else has it, or [`OpenError::Unreadable`].
    pub fn take(dir: &Path) -> Result<Self, OpenError> {
        Ok(Self { _lock: Lock::take(&Layout { root: dir.to_owned() })? })
    }
}

/// Makes a directory that only its owner can enter.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_process_that_holds_the_first() {
        let dir = tempfile::tempdir().expect("a directory");
        let layout = Layout { root: dir.path().join("new") };
        let first = Lock::take(&layout).expect("the first");
        let second = Lock::take(&layout).expect_err("the second");
        assert!(matches!(second, OpenError::InUse { process: Some(id) } if id == std::process::id()));
        assert_eq!(
            second.to_string(),
            format!("another PC2 (process {}) uses this directory", std::process::id())
        );
        drop(first);
        Lock::take(&layout).expect("free again");
    }
}
