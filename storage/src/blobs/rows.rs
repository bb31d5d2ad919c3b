//! The rows about blobs: where their bytes are, and who needs them.
//!
//! A blob is known by any number of [`FileRow`]s (each a file with its bytes, somewhere on this machine), by one [`PartialRow`] while it is
//! received, and stays known for as long as there is a [`HoldRow`] of it. Holds are named by what holds, so that taking one twice
//! counts once and a crash in between miscounts nothing.
//!
//! Not here: the bytes, their trees and marks; those are files ([`super`]).

use super::Proof;
use crate::{
    cell::ReadError,
    reader::Reader,
    tables::{BLOB_FILES, BLOB_HOLDS, BLOB_PARTIALS, hashed},
};
use pc2_protocols::{
    blob::BlobSize,
    id::{BlobId, EnvelopeId, MsgId},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsStr,
    fs::Metadata,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
};

/// Who needs a blob: the id of a transfer, of a message, of whatever its owner counts by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Holder(#[serde(with = "serde_bytes")] pub [u8; 16]);

impl From<MsgId> for Holder {
    fn from(id: MsgId) -> Self {
        Self(*id.as_bytes())
    }
}

impl From<EnvelopeId> for Holder {
    fn from(id: EnvelopeId) -> Self {
        Self(*id.as_bytes())
    }
}

/// What tells that a file is still the one that was hashed, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its size.
    pub size: BlobSize,
    /// When it was last changed, in nanoseconds since 1970, as far as its file system counts.
    pub modified: i64,
    /// Its number in its file system.
    pub inode: u64,
    /// Its file system. Not compared: it is numbered anew when it is mounted again.
    pub device: u64,
}

impl Seen {
    /// Of what the system says.
    pub(crate) fn of(size: BlobSize, file: &Metadata) -> Self {
        let modified = file.mtime().saturating_mul(1_000_000_000).saturating_add(file.mtime_nsec());
        Self { size, modified, inode: file.ino(), device: file.dev() }
    }

    /// Whether a file is still what was seen.
    pub(crate) fn still(&self, file: &Metadata) -> bool {
        let now = Self::of(self.size, file);
        file.len() == self.size.bytes() && now.modified == self.modified && now.inode == self.inode
    }
}

/// A file on this machine that has a blob's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRow {
    /// Which blob.
    pub id: BlobId,
    /// Where it is: an absolute path, in the system's bytes.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    /// What it was when it was hashed.
    pub seen: Seen,
    /// Whether it was received, and not offered by the owner.
    pub received: bool,
    /// When it was noted.
    pub since: UnixMillis,
    /// What proves it.
    #[serde(default)]
    pub proof: Proof,
}

impl FileRow {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    /// What stands in its key besides the blob.
    pub(crate) fn place(&self) -> [u8; 32] {
        hashed(&self.path)
    }
}

/// A blob that is being received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialRow {
    /// Which blob.
    pub id: BlobId,
    /// Its size, as its sender says; proven with its last group.
    pub size: BlobSize,
    /// When it was begun.
    pub since: UnixMillis,
    /// What proves it.
    #[serde(default)]
    pub proof: Proof,
}

/// A blob is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRow {
    /// Which.
    pub id: BlobId,
    /// By whom.
    pub holder: Holder,
    /// Since when.
    pub since: UnixMillis,
}

/// A write to the rows about blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobChange {
    /// Insert or replace, by blob and path.
    PutFile(FileRow),
    /// The file is gone, or another one.
    RemoveFile {
        /// Which blob.
        id: BlobId,
        /// Hash of the path.
        place: [u8; 32],
    },
    /// Insert or replace, by blob.
    PutPartial(PartialRow),
    /// Received, or given up.
    RemovePartial {
        /// Which.
        id: BlobId,
    },
    /// Insert or replace, by blob and holder.
    PutHold(HoldRow),
    /// No longer needed by this one.
    RemoveHold {
        /// Which.
        id: BlobId,
        /// By whom.
        holder: Holder,
    },
}

/// Which of the tables about blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Files,
    Partials,
    Holds,
}

/// Most files of one blob that are looked at: the tenth copy of the same is not worth a row.
pub(crate) const MAX_FILES_OF_ONE: usize = 8;

impl Reader {
    /// The files that have a blob's bytes, [`MAX_FILES_OF_ONE`] at most.
    pub(crate) fn blob_files(&self, id: BlobId) -> Result<Vec<FileRow>, ReadError> {
        self.read(|opened| {
            BLOB_FILES.rows_under(&opened.tree, &opened.sealer, &id).take(MAX_FILES_OF_ONE).collect()
        })
    }

    /// What is known of a blob that is being received.
    pub(crate) fn blob_partial(&self, id: BlobId) -> Result<Option<PartialRow>, ReadError> {
        self.read(|opened| BLOB_PARTIALS.get(&opened.tree, &opened.sealer, &id))
    }

    /// Whether anybody needs a blob.
    pub(crate) fn blob_is_held(&self, id: BlobId) -> Result<bool, ReadError> {
        self.read(|opened| {
            Ok(opened.tree.scan_prefix(BLOB_HOLDS.key(&id)).keys().next().transpose()?.is_some())
        })
    }

    /// Whether this one needs a blob.
    pub(crate) fn blob_is_held_by(&self, id: BlobId, holder: Holder) -> Result<bool, ReadError> {
        self.read(|opened| Ok(BLOB_HOLDS.get(&opened.tree, &opened.sealer, &(id, holder))?.is_some()))
    }

    /// Who needs a blob, at most so many.
    pub(crate) fn blob_holders(&self, id: BlobId, most: usize) -> Result<Vec<HoldRow>, ReadError> {
        self.read(|opened| BLOB_HOLDS.rows_under(&opened.tree, &opened.sealer, &id).take(most).collect())
    }

    /// The first blob after one of which a table has rows. The key is the id, so nothing has to be opened.
    pub(crate) fn next_blob(&self, kind: Kind, after: Option<BlobId>) -> Result<Option<BlobId>, ReadError> {
        self.read(|opened| {
            let tag = match kind {
                Kind::Files => BLOB_FILES.tag(),
                Kind::Partials => BLOB_PARTIALS.tag(),
                Kind::Holds => BLOB_HOLDS.tag(),
            };
            let mut start = vec![tag];
            if let Some(after) = after {
                start.extend_from_slice(after.as_bytes());
                // Past the last key that begins with it: the longest has 32 bytes more.
                start.extend_from_slice(&[0xff; BlobId::LEN + 1]);
            }
            let key = opened.tree.range(start..vec![tag.saturating_add(1)]).keys().next().transpose()?;
            let id = key.and_then(|key| key.get(1..=BlobId::LEN).and_then(|id| BlobId::try_from(id).ok()));
            Ok(id)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Options, Storage};
    use pc2_protocols::crypto::seal::StorageKey;
    use zeroize::Zeroizing;

    #[test]
    fn blobs_are_found_one_after_the_other_whatever_their_rows() {
        let dir = tempfile::tempdir().expect("a directory");
        let key = StorageKey::new(Zeroizing::new([1; 32]));
        let options = Options { ballast_bytes: 0, ..Options::default() };
        let (storage, _) = Storage::open(dir.path(), &key, &options).expect("opens");
        let ids = [[0; 32], [1; 32], [0xff; 32]].map(BlobId::from_bytes);
        let seen = Seen { size: BlobSize::EMPTY, modified: 0, inode: 1, device: 1 };
        let file = |id: BlobId, path: &str| {
            let row = FileRow {
                id,
                path: path.into(),
                seen,
                received: false,
                since: UnixMillis(1),
                proof: Proof::Whole,
            };
            Change::Blob(BlobChange::PutFile(row))
        };
        let files = ids.iter().flat_map(|id| [file(*id, "/a"), file(*id, "/b"), file(*id, "/a")]).collect();
        storage.writer().submit(files, |result| result.expect("written")).expect("room");
        storage.writer().barrier();
        let reader = storage.reader();
        let mut found = Vec::new();
        while let Some(id) = reader.next_blob(Kind::Files, found.last().copied()).expect("read") {
            found.push(id);
        }
        assert_eq!(found, ids);
        assert_eq!(reader.blob_files(ids[1]).expect("read").len(), 2);
        assert_eq!(reader.next_blob(Kind::Holds, None), Ok(None));
        assert_eq!(reader.blob_is_held(ids[0]), Ok(false));
    }
}
