//! Giving back what nobody needs: rows without a holder, holds of nothing, files without a row.
//!
//! A sweep may run at any time. What is being hashed, received or finished is left alone: it is claimed, and looked at under the same lock.
//! Files that stand elsewhere are never touched: they are their owner's. Memory does not grow with the number of blobs.

use super::{
    BlobChange, BlobError,
    rows::Kind,
    store::{BlobStore, Inner, remove},
};
use pc2_protocols::id::BlobId;
use std::{fs, path::Path};

/// What was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Blobs that nobody needed.
    pub blobs: u64,
    /// Files that were removed: data, trees, marks.
    pub files: u64,
    /// Bytes they took on the disk.
    pub bytes: u64,
}

impl BlobStore {
    /// Removes what nobody needs.
    ///
    /// # Errors
    /// What disk and database say. What was swept before stays swept.
    pub fn sweep(&self) -> Result<Swept, BlobError> {
        let mut swept = Swept::default();
        for kind in [Kind::Files, Kind::Partials, Kind::Holds] {
            let mut last = None;
            while let Some(id) = self.inner.rows.next_blob(kind, last)? {
                swept.blobs += self.inner.alone(id, || self.inner.forget(id, kind)).unwrap_or(Ok(0))?;
                last = Some(id);
            }
        }
        for folder in [self.inner.partials(), self.inner.trees()] {
            self.inner.sweep_folder(&folder, &mut swept)?;
        }
        Ok(swept)
    }
}

impl Inner {
    /// Removes the rows of a blob that nobody holds, or the holds of one that has no rows. Returns how many blobs that were.
    fn forget(&self, id: BlobId, kind: Kind) -> Result<u64, BlobError> {
        let files = self.rows.blob_files(id)?;
        let known = !files.is_empty() || self.rows.blob_partial(id)?.is_some();
        let held = self.rows.blob_is_held(id)?;
        let mut changes = Vec::new();
        if kind == Kind::Holds {
            if !known {
                let holders = self.rows.blob_holders(id, usize::MAX)?;
                changes
                    .extend(holders.into_iter().map(|row| BlobChange::RemoveHold { id, holder: row.holder }));
            }
        } else if !held {
            changes.extend(files.iter().map(|row| BlobChange::RemoveFile { id, place: row.place() }));
            changes.push(BlobChange::RemovePartial { id });
        }
        let forgotten = u64::from(!changes.is_empty());
        self.commit(changes)?;
        Ok(forgotten)
    }

    /// Removes the files of ours in a folder that no row speaks of.
    fn sweep_folder(&self, folder: &Path, swept: &mut Swept) -> Result<(), BlobError> {
        let trees = folder == self.trees();
        for entry in fs::read_dir(folder).map_err(BlobError::io(folder))? {
            let path = entry.map_err(BlobError::io(folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
            // What is not called as ours is not ours.
            let ours = if trees { ending.is_empty() } else { ["", "tree", "marks"].contains(&ending) };
            let Some(id) = BlobId::from_hex(stem).filter(|_| ours) else { continue };
            let removed = self.alone(id, || {
                let known = if trees {
                    !self.rows.blob_files(id)?.is_empty()
                } else {
                    self.rows.blob_partial(id)?.is_some()
                };
                if known { Ok(None) } else { remove(&path).map(Some) }
            });
            if let Some(bytes) = removed.unwrap_or(Ok(None))? {
                swept.files += 1;
                swept.bytes = swept.bytes.saturating_add(bytes);
            }
        }
        Ok(())
    }
}
