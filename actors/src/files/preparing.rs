//! What is told about files that are being prepared to be offered: how far it has come, and why it failed.
//!
//! What failed is kept until its owner has dismissed it, for it may have failed while nobody looked. Lost on restart.
//!
//! Not here: preparing ([`super::offer`]).

use pc2_protocols::{
    files::{CommandError, rows::TransferId},
    id::NodeId,
    limits,
    time::UnixMillis,
};
use pc2_storage::blobs::BlobError;
use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Preparations that failed and are told still. Older ones are in the log.
const MOST_FAILED: usize = 32;

/// Something that is being prepared to be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preparing {
    /// Whose.
    pub account: NodeId,
    /// The transfer that it will be.
    pub id: TransferId,
    /// What it is called.
    pub name: String,
    /// It is a folder, or several files; known once the paths were looked at.
    pub folder: bool,
    /// Bytes hashed.
    pub done: u64,
    /// Bytes in all, as far as they have been found.
    pub total: u64,
    /// Files found.
    pub files: u64,
    /// When it began.
    pub since: UnixMillis,
    /// When it failed.
    pub ended: Option<UnixMillis>,
    /// Why it failed. It is told until it is dismissed, or [`MOST_FAILED`] others have failed.
    pub failed: Option<OfferError>,
}

/// Why something was not offered. Worded for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// No path at all.
    #[error("name at least one file or folder to send")]
    Nothing,
    /// A path that leads nowhere.
    #[error("{} is not there", .0.display())]
    NotThere(PathBuf),
    /// A device, pipe or socket.
    #[error("{} is neither a file nor a folder", .0.display())]
    Special(PathBuf),
    /// A folder without files.
    #[error("there are no files in {}", .0.display())]
    Empty(PathBuf),
    /// More files than one offer may have.
    #[error(
        "there are more than {} files; send them in several parts, or as an archive",
        limits::MAX_COLLECTION_FILES
    )]
    TooMany,
    /// Two of the paths have the same last name.
    #[error("two of these are called {0}; send them one after the other")]
    SameName(String),
    /// A file or folder cannot be read, in words of the system.
    #[error("{path} cannot be read: {reason}", path = .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The store or the list refuse, in words for people.
    #[error("{0}")]
    Refused(String),
    /// The machine refuses.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The person stopped it.
    #[error("stopped")]
    Stopped,
    /// Too many are being prepared.
    #[error("too many files are being prepared already; wait for some")]
    Busy,
    /// The node is ending, or a part of it restarted.
    #[error("{0}")]
    Node(String),
}

impl From<BlobError> for OfferError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::SourceGone { path } => Self::NotThere(path),
            BlobError::NotAFile { path } => Self::Special(path),
            BlobError::Stopped => Self::Stopped,
            BlobError::Io { path, source } => Self::Unreadable { path, reason: source.to_string() },
            other => Self::Refused(other.to_string()),
        }
    }
}

/// Those that failed and were not dismissed.
#[derive(Debug, Default)]
pub(crate) struct Failed {
    all: Mutex<VecDeque<Preparing>>,
}

impl Failed {
    /// Keeps one; the oldest makes room.
    pub(crate) fn keep(&self, failed: Preparing) {
        let mut all = self.all();
        if all.len() >= MOST_FAILED {
            all.pop_front();
        }
        all.push_back(failed);
    }

    /// Forgets one; whether there was one.
    pub(crate) fn dismiss(&self, id: TransferId) -> bool {
        let mut all = self.all();
        let before = all.len();
        all.retain(|one| one.id != id);
        all.len() < before
    }

    /// All of them.
    pub(crate) fn list(&self) -> Vec<Preparing> {
        self.all().iter().cloned().collect()
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Preparing>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pc2_protocols::id::OfferId;

    fn failed(number: u8) -> Preparing {
        let account = NodeId::from_bytes([1; 32]);
        Preparing {
            account,
            id: TransferId::outgoing(account, OfferId::from_bytes([number; 16])),
            name: String::new(),
            folder: false,
            done: 0,
            total: 0,
            files: 0,
            since: UnixMillis(0),
            ended: None,
            failed: Some(OfferError::Nothing),
        }
    }

    #[test]
    fn what_failed_is_told_until_it_is_dismissed_and_the_oldest_makes_room() {
        let all = Failed::default();
        (0..40).for_each(|number| all.keep(failed(number)));
        assert_eq!((all.list().len(), all.list().first().cloned()), (MOST_FAILED, Some(failed(8))));
        assert!(all.dismiss(failed(8).id) && !all.dismiss(failed(8).id) && !all.dismiss(failed(0).id));
        assert_eq!(all.list().len(), MOST_FAILED - 1);
    }
}
