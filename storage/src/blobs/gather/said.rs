//! What was said of the small files of a collection that nobody hashed before: the hash of each.
//!
//! One file beside the collection's folder, `<holder>.said`, with 64 bytes for each file of the list: its hash, twice, as that of a piece stands among trees
//! ([`crate::blobs::proof`]). It is written before the file is, and not synced: what a loss of power takes of it costs fetching these files again. What was said
//! of larger files stands in their own trees.
//!
//! Not here: the files.

use super::home::Home;
use crate::blobs::{
    BlobError,
    proof::{root_bytes, root_of},
};
use pc2_protocols::id::BlobId;
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::PathBuf,
};

const BYTES: u64 = 64;

/// The hashes, by the number of the file in the list.
pub(crate) struct Said {
    file: File,
    path: PathBuf,
}

impl Said {
    /// What was said of a collection so far.
    pub(crate) fn open(home: &Home) -> Result<Self, BlobError> {
        let path = home.said_path();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(BlobError::io(&path))?;
        Ok(Self { file, path })
    }

    /// The hash of a file, if it was said.
    pub(crate) fn of(&self, number: u32) -> Result<Option<BlobId>, BlobError> {
        let mut bytes = [0; BYTES as usize];
        match self.file.read_exact_at(&mut bytes, u64::from(number).saturating_mul(BYTES)) {
            Ok(()) => Ok(root_of(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(BlobError::io(&self.path)(error)),
        }
    }

    /// Takes the word of who sends a file, if it is the first.
    ///
    /// # Errors
    /// [`BlobError::NotTheFile`] when another hash was said before.
    pub(crate) fn take(&self, number: u32, root: BlobId) -> Result<(), BlobError> {
        match self.of(number)? {
            Some(known) if known == root => Ok(()),
            Some(_) => Err(BlobError::NotTheFile { at: 0 }),
            None => {
                let at = u64::from(number).saturating_mul(BYTES);
                self.file.write_all_at(&root_bytes(root), at).map_err(BlobError::io(&self.path))
            }
        }
    }
}
