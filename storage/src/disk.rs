//! The disk as storage needs it: how much is free, and the promise that bytes are on it.
//!
//! [`Disk`] is a seam so that tests can fill the disk, fail its syncs and see what was promised when. [`Ballast`]
//! is a file of real bytes that can be given up: sled cannot open on a full disk, and a person whose disk
//! is full must be able to start the node to delete something.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// What storage asks of a disk.
pub trait Disk: Send + Sync {
    /// Bytes that may still be written in the file system of `dir`.
    ///
    /// # Errors
    /// When the system does not say.
    fn available(&self, dir: &Path) -> io::Result<u64>;

    /// Returns once all written bytes of `file` survive a loss of power.
    ///
    /// # Errors
    /// When they may not. What was written since the last sync is then lost or not: nobody knows.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Returns once all that was written in the file system of an open folder survives a loss of power: one call for a hundred thousand files.
    ///
    /// # Errors
    /// When it may not. Linux tells of writes that failed since the folder was opened from 5.8 on; before, only of those that fail now.
    fn sync_file_system(&self, folder: &File) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        rustix::fs::syncfs(folder)?;
        // Elsewhere there is only the call for all file systems; it is told when that has begun, and the folder's own sync waits in line behind it.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        rustix::fs::sync();
        self.sync(folder)
    }
}

/// The disk of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn available(&self, dir: &Path) -> io::Result<u64> {
        fs4::available_space(dir)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

/// The file that is given up when the disk is full.
#[derive(Debug)]
pub(crate) struct Ballast {
    path: PathBuf,
    bytes: u64,
}

impl Ballast {
    /// Of this size, in the data directory.
    pub(crate) fn new(dir: &Path, bytes: u64) -> Self {
        Self { path: dir.join("ballast"), bytes }
    }

    /// Gives the space back. Returns whether there was any to give.
    pub(crate) fn drop_it(&self) -> bool {
        match fs::remove_file(&self.path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                tracing::warn!(%error, "ballast could not be removed");
                false
            }
        }
    }

    /// Makes it again when that leaves more than `reserve` free. It is a precaution: failing to is no failure.
    pub(crate) fn restore(&self, available: u64, reserve: u64) {
        let there = fs::metadata(&self.path).is_ok_and(|file| file.len() == self.bytes);
        if there || available < reserve.saturating_add(self.bytes.saturating_mul(2)) {
            return;
        }
        if let Err(error) = self.write() {
            tracing::warn!(%error, "ballast could not be written");
            self.drop_it();
        }
    }

    /// Real bytes, because a hole would take no space.
    fn write(&self) -> io::Result<()> {
        static BLOCK: [u8; 64 * 1024] = [0x5a; 64 * 1024];
        let mut file = File::create(&self.path)?;
        let mut left = self.bytes;
        while left > 0 {
            let size = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK.len());
            file.write_all(BLOCK.get(..size).unwrap_or(&BLOCK))?;
            left -= size as u64;
        }
        file.sync_data()
    }
}

/// Writes a small file so that it is there whole or not at all: beside it, synced, renamed, the directory synced.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_dir(path.parent().unwrap_or(path))
}

/// Makes renames and new files in a directory survive a loss of power.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ballast_is_made_only_when_there_is_room_and_can_be_given_up() {
        let dir = tempfile::tempdir().expect("a directory");
        let ballast = Ballast::new(dir.path(), 1 << 20);
        ballast.restore((1 << 20) + 10, 10);
        assert!(!ballast.drop_it());
        ballast.restore((4 << 20) + 10, 10);
        assert_eq!(fs::metadata(dir.path().join("ballast")).expect("written").len(), 1 << 20);
        assert!(ballast.drop_it());
        assert!(!ballast.drop_it());
    }
}
