//! The bytes of a file that was received, or that the owner offers, for the owner to look at.
//!
//! In: a transfer. Out: its file, open, with its size and name; or why there is none to open any more. The file belongs to its owner, who may have
//! moved, changed or replaced it since, so nothing is taken for granted: no link is followed, no pipe is waited for, and what has another size is
//! not what was transferred.
//!
//! Not here: who may ask, how it is shown (`pc2-web`).

use crate::callers::CallError;
use pc2_protocols::{
    files::{
        CommandError, State, TransferView,
        offer::Offered,
        rows::{Direction, TransferId},
    },
    id::BlobId,
};
use pc2_storage::blobs::{BlobError, BlobStore};
use rustix::fs::OFlags;
use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

/// A file, open for reading. It stays this file, whatever comes to stand under its name.
#[derive(Debug)]
pub struct Content {
    file: File,
    /// How many bytes.
    pub size: u64,
    /// What they were when they were transferred.
    pub blob: BlobId,
    /// What the file is called on this disk.
    pub name: String,
    /// What who offered it takes it for; empty when unknown.
    pub mime: String,
}

/// Why there are no bytes to look at. Worded for people.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// No such transfer.
    #[error("there is no such file transfer")]
    Unknown,
    /// Many files.
    #[error("this is a folder; open its files where they are")]
    Folder,
    /// Not here yet, or it never came.
    #[error("this file is not here: it has not been received")]
    NotReceived,
    /// Gone, or another file.
    #[error(
        "this file is not where it was put any more, or is another one now: it was moved, changed or deleted"
    )]
    Moved,
    /// The system does not let us.
    #[error("this file cannot be read: {0}")]
    Unreadable(io::Error),
    /// The node cannot answer.
    #[error("the node cannot answer now")]
    Node(CallError<CommandError>),
}

impl Content {
    /// Reads as many bytes as fit, from a place on; fewer at the end. Blocks.
    ///
    /// # Errors
    /// What the system says.
    pub fn read_at(&self, buffer: &mut [u8], from: u64) -> io::Result<usize> {
        self.file.read_at(buffer, from)
    }
}

/// Opens what a transfer brought, or offers. Blocks.
pub(crate) fn open(store: &BlobStore, view: &TransferView) -> Result<Content, ContentError> {
    let what = &view.offer.what;
    let (Offered::File { mime, .. } | Offered::Pieces { mime, .. }) = what else {
        return Err(ContentError::Folder);
    };
    let (blob, size) = what.blob();
    let path = match (view.id.direction, &view.state) {
        (Direction::In, State::Done { path: Some(path) }) => PathBuf::from(OsStr::from_bytes(path)),
        (Direction::In, _) => return Err(ContentError::NotReceived),
        // The store knows where each offered file is, and whether it is still what was hashed.
        (Direction::Out, _) => source(store, blob)?,
    };
    let file = plain_file(&path, size.bytes())?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Content { file, size: size.bytes(), blob, name, mime: mime.clone() })
}

/// The transfer that is meant.
pub(crate) fn find(views: Vec<TransferView>, id: TransferId) -> Result<TransferView, ContentError> {
    views.into_iter().find(|view| view.id == id).ok_or(ContentError::Unknown)
}

fn source(store: &BlobStore, blob: BlobId) -> Result<PathBuf, ContentError> {
    match store.reader(blob) {
        Ok(reader) => Ok(reader.path().to_owned()),
        Err(BlobError::Io { source, .. }) => Err(ContentError::Unreadable(source)),
        // Not offered any more, moved, changed.
        Err(_) => Err(ContentError::Moved),
    }
}

/// Opens a file that is a file of that size, and no link to one.
fn plain_file(path: &Path, size: u64) -> Result<File, ContentError> {
    // A pipe or a device that came to stand there is not waited for.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file =
        OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => ContentError::Unreadable(error),
            _ => ContentError::Moved,
        })?;
    let metadata = file.metadata().map_err(ContentError::Unreadable)?;
    if metadata.is_file() && metadata.len() == size { Ok(file) } else { Err(ContentError::Moved) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    fn opens(path: &Path, size: u64) -> bool {
        plain_file(path, size).is_ok()
    }

    #[test]
    fn only_a_file_of_the_right_size_is_opened() {
        let folder = tempfile::tempdir().expect("a directory");
        let file = folder.path().join("a");
        fs::write(&file, b"four").expect("written");
        assert!(opens(&file, 4));
        assert!(!opens(&file, 5));
        assert!(!opens(folder.path(), 4));
        assert!(!opens(&folder.path().join("b"), 4));
    }

    #[test]
    fn a_link_is_not_followed_and_a_pipe_not_waited_for() {
        let folder = tempfile::tempdir().expect("a directory");
        let (file, link, pipe) =
            (folder.path().join("a"), folder.path().join("link"), folder.path().join("pipe"));
        fs::write(&file, b"four").expect("written");
        symlink(&file, &link).expect("linked");
        assert!(!opens(&link, 4));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
        assert!(made.success() && !opens(&pipe, 0));
    }
}
