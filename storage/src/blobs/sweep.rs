//! Giving back what nobody needs: rows without a holder, holds of nothing, files without a row.
//!
//! A sweep may run at any time. What is being hashed, received or finished is left alone: it is claimed, and looked at under the same lock.
//! Files that stand elsewhere are never touched: they are their owner's. Memory does not grow with the number of blobs.

use super::{
    BlobChange, BlobError, Holder,
    rows::Kind,
    store::{BlobStore, Inner, remove},
};
use pc2_protocols::{id::BlobId, time::UnixMillis};
use std::{collections::BTreeSet, fs, path::Path};

/// Blobs forgotten in one batch. Whoever begins or receives waits for it meanwhile: some milliseconds.
const BLOBS_AT_ONCE: usize = 64;

/// Holders of one blob that are looked at: a file offered to every contact.
const MOST_HOLDERS: usize = 4_096;

/// Holds removed of a blob that is not there, at once; the next sweep removes more.
const HOLDS_AT_ONCE: usize = 64;

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
            loop {
                let mut ids = Vec::with_capacity(BLOBS_AT_ONCE);
                while let Some(id) = self.inner.rows.next_blob(kind, last)? {
                    last = Some(id);
                    ids.push(id);
                    if ids.len() == BLOBS_AT_ONCE {
                        break;
                    }
                }
                if ids.is_empty() {
                    break;
                }
                swept.blobs += self.inner.forget(&ids, kind)?;
            }
        }
        for folder in [self.inner.partials(), self.inner.trees()] {
            self.inner.sweep_folder(&folder, &mut swept)?;
        }
        Ok(swept)
    }
}

impl BlobStore {
    /// Takes from all blobs the holds of those who are not among `alive` and held them before a time: what a process left behind that ended before it could
    /// say that it needs them no longer. Returns how many. What nobody holds then goes with the next [`Self::sweep`].
    ///
    /// # Errors
    /// What the database says. What was released before stays released.
    pub fn release_dead(&self, alive: &BTreeSet<Holder>, before: UnixMillis) -> Result<u64, BlobError> {
        let (mut released, mut last) = (0, None);
        while let Some(id) = self.inner.rows.next_blob(Kind::Holds, last)? {
            last = Some(id);
            let held = self.inner.rows.blob_holders(id, MOST_HOLDERS)?;
            let dead = held.into_iter().filter(|row| row.since < before && !alive.contains(&row.holder));
            let changes: Vec<_> = dead.map(|row| BlobChange::RemoveHold { id, holder: row.holder }).collect();
            released += changes.len() as u64;
            self.inner.commit(changes)?;
        }
        Ok(released)
    }
}

impl Inner {
    /// Removes the rows of those blobs that nobody holds or works on. Returns how many blobs that were.
    fn forget(&self, ids: &[BlobId], kind: Kind) -> Result<u64, BlobError> {
        self.undisturbed(|taken| {
            let mut forgotten = 0;
            let mut changes = Vec::new();
            for id in ids.iter().filter(|id| !taken(**id)) {
                let of_one = self.superfluous(*id, kind)?;
                forgotten += u64::from(!of_one.is_empty());
                changes.extend(of_one);
            }
            self.commit(changes)?;
            Ok(forgotten)
        })
    }

    /// The rows of a blob that nobody holds, or the holds of one that has no rows.
    fn superfluous(&self, id: BlobId, kind: Kind) -> Result<Vec<BlobChange>, BlobError> {
        let files = self.rows.blob_files(id)?;
        let known = !files.is_empty() || self.rows.blob_partial(id)?.is_some();
        let mut changes = Vec::new();
        if kind == Kind::Holds {
            if !known {
                let holds = self.rows.blob_holders(id, HOLDS_AT_ONCE)?;
                changes
                    .extend(holds.into_iter().map(|row| BlobChange::RemoveHold { id, holder: row.holder }));
            }
        } else if !self.rows.blob_is_held(id)? {
            changes.extend(files.iter().map(|row| BlobChange::RemoveFile { id, place: row.place() }));
            changes.push(BlobChange::RemovePartial { id });
        }
        Ok(changes)
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
            let removed = self.undisturbed(|taken| {
                let known = if taken(id) {
                    true
                } else if trees {
                    !self.rows.blob_files(id)?.is_empty()
                } else {
                    self.rows.blob_partial(id)?.is_some()
                };
                if known { Ok(None) } else { remove(&path).map(Some) }
            });
            if let Some(bytes) = removed? {
                swept.files += 1;
                swept.bytes = swept.bytes.saturating_add(bytes);
            }
        }
        Ok(())
    }
}
