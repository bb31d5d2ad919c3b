//! What can go wrong with a blob, worded for the owner of the node.

use super::BadList;
use crate::{cell::ReadError, db, writer::WriteError};
use pc2_protocols::blob::BlobTooLarge;
use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

/// Why something with a blob did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// An offered file is not where it was.
    #[error("{} is not there any more", path.display())]
    SourceGone {
        /// Where it was.
        path: PathBuf,
    },
    /// An offered file is another one than it was.
    #[error("{} has been changed since it was offered; offer it again", path.display())]
    SourceChanged {
        /// Where it is.
        path: PathBuf,
    },
    /// What is to be offered is a folder, a device, a pipe.
    #[error("{} is no file", path.display())]
    NotAFile {
        /// What.
        path: PathBuf,
    },
    /// Larger than blobs may be.
    #[error(transparent)]
    TooLarge(#[from] BlobTooLarge),
    /// Nothing is known of it here.
    #[error("this node does not have that file")]
    Unknown,
    /// It is known with another size, and that was proven.
    #[error("that file has {known} bytes, not {claimed}")]
    WrongSize {
        /// The proven size in bytes.
        known: u64,
        /// What was said now.
        claimed: u64,
    },
    /// Somebody else in this process works on it.
    #[error("that file is being worked on already")]
    Busy,
    /// More was asked for than the file has.
    #[error("more was asked for than the file has")]
    OutOfRange,
    /// What came is not the file. Nothing of it was kept.
    #[error("what was sent is not the file: it does not match from byte {at} on")]
    NotTheFile {
        /// The first byte that is not proven.
        at: u64,
    },
    /// The other side of a stream failed or ended early. What came before is kept.
    #[error("the transfer broke off: {0}")]
    Stream(io::Error),
    /// Too little room on the disk. Nothing was lost; it works again as soon as there is room.
    #[error(
        "the disk has too little room: {needed} bytes are needed and {available} may be used; free some space"
    )]
    NoRoom {
        /// Bytes that have yet to be written.
        needed: u64,
        /// Bytes that may be, the reserve for messages taken off.
        available: u64,
    },
    /// Not everything is there yet.
    #[error("{missing} bytes of the file are still missing")]
    Incomplete {
        /// Bytes.
        missing: u64,
    },
    /// The caller wanted it to stop.
    #[error("stopped")]
    Stopped,
    /// A link stands in the folder where a folder of the transfer should be: it could lead anywhere.
    #[error("{} is no folder of its own; it is not followed", path.display())]
    NotAFolder {
        /// What stands there.
        path: PathBuf,
    },
    /// A list of files that cannot be received.
    #[error(transparent)]
    BadList(#[from] BadList),
    /// There are too many files of this name.
    #[error("there are too many files called {} already", path.display())]
    NameTaken {
        /// The name that was wanted, in its folder.
        path: PathBuf,
    },
    /// The bytes on the disk are not those that were written.
    #[error("{} is damaged: bytes {} to {} are not what they were", path.display(), bytes.start, bytes.end)]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        bytes: Range<u64>,
    },
    /// The hash tree of a file is damaged; `rebuild` makes it again.
    #[error("what proves {} is damaged and has to be made again", path.display())]
    TreeDamaged {
        /// Which file.
        path: PathBuf,
    },
    /// An earlier write failed, and what the disk has is known only after it was begun anew.
    #[error(
        "the disk failed while the file was received; it goes on from what is safe when it is begun again"
    )]
    Failed,
    /// The rows about it could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The database takes no more at the moment.
    #[error("the database is too busy; try again")]
    WriterBusy,
    /// The rows about it could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The system refused something.
    #[error("{} cannot be used: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BlobError {
    /// What the system says about a file of ours.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| {
            if db::is_full(&source) {
                Self::NoRoom { needed: 1, available: 0 }
            } else {
                Self::Io { path: path.to_owned(), source }
            }
        }
    }

    /// What the system says about somebody's file.
    pub(crate) fn source(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Self::SourceGone { path: path.to_owned() }
            }
            // It is shorter than it was.
            io::ErrorKind::UnexpectedEof => Self::SourceChanged { path: path.to_owned() },
            _ => Self::Io { path: path.to_owned(), source },
        }
    }
}
