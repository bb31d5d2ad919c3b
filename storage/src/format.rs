//! What says that a database is ours, of which version, and whose.
//!
//! The same bytes lie in the file `db/pc2-format` and in a plain cell of the database. The file is read before sled touches
//! anything: a newer version or another identity's key is told apart from damage. The cell is the truth
//! about the version, because a migration changes it in one batch with the rows.

use crate::{cell::Sealer, db::OpenError, disk, tables::META_TAG};
use pc2_protocols::codec;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{fs, io, path::Path};

/// The version this program writes. Each one has its step in [`crate::migrate`].
pub(crate) const VERSION: u32 = 11;

/// Key of the cell.
pub(crate) const CELL: [u8; 2] = [META_TAG, b'f'];

const FILE: &str = "pc2-format";
const MAGIC: &str = "pc2 storage";
const CHECK_PLACE: &str = "key check";
const MAX_BYTES: usize = 256;
const SUM_BYTES: usize = 8;

/// What the bytes say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Format {
    magic: String,
    /// The version of tables and rows.
    pub(crate) version: u32,
    /// Something known, sealed: opens with the right key only.
    #[serde(with = "serde_bytes")]
    key_check: Vec<u8>,
}

/// What is found in a directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing: no database, or an empty directory.
    Nothing,
    /// Our database.
    Ours(Format),
    /// Our database by its name, but what should be in the file is not.
    Illegible,
}

impl Format {
    /// Of a new database.
    pub(crate) fn new(version: u32, sealer: &Sealer) -> Self {
        let key_check = sealer.seal(CHECK_PLACE, &[], MAGIC.as_bytes());
        Self { magic: MAGIC.to_owned(), version, key_check }
    }

    /// Whether this program and this key can open it.
    pub(crate) fn check(&self, known: u32, sealer: &Sealer) -> Result<(), OpenError> {
        if self.version > known {
            return Err(OpenError::Newer { found: self.version, known });
        }
        match sealer.open(CHECK_PLACE, &[], &self.key_check) {
            Some(_) => Ok(()),
            None => Err(OpenError::OtherIdentity),
        }
    }

    /// The bytes, with a checksum before them.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let body = codec::encode(self);
        [&sum(&body)[..], &body].concat()
    }

    /// Reads the bytes; `None` when they are not what was written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (found, body) = bytes.split_first_chunk::<SUM_BYTES>()?;
        let format: Self = codec::decode(body, MAX_BYTES).ok()?;
        (*found == sum(body) && format.magic == MAGIC).then_some(format)
    }

    /// Writes the file.
    pub(crate) fn write(&self, db: &Path) -> io::Result<()> {
        disk::write_whole(&db.join(FILE), &self.encode())
    }
}

/// Looks at a directory without changing anything.
pub(crate) fn look(db: &Path) -> Result<Found, OpenError> {
    let unreadable = |source| OpenError::Unreadable { path: db.to_owned(), source };
    let mut entries = match fs::read_dir(db) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(unreadable(error)),
    };
    match fs::read(db.join(FILE)) {
        Ok(bytes) => Ok(Format::decode(&bytes).map_or(Found::Illegible, Found::Ours)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unreadable(error)),
        // A crash while the first file was written leaves its beginning.
        Err(_)
            if entries
                .all(|entry| entry.is_ok_and(|entry| entry.path().extension() == Some("new".as_ref()))) =>
        {
            Ok(Found::Nothing)
        }
        Err(_) => Err(OpenError::NotOurs { path: db.to_owned() }),
    }
}

fn sum(body: &[u8]) -> [u8; SUM_BYTES] {
    let hash: [u8; 32] = Sha256::digest(body).into();
    let mut sum = [0; SUM_BYTES];
    sum.copy_from_slice(&hash[..SUM_BYTES]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Storage};
    use pc2_protocols::crypto::seal::StorageKey;
    use zeroize::Zeroizing;

    #[test]
    fn a_newer_directory_is_refused_before_it_is_touched() {
        let dir = tempfile::tempdir().expect("a directory");
        let key = StorageKey::new(Zeroizing::new([1; 32]));
        let options = Options { ballast_bytes: 0, ..Options::default() };
        Storage::open(dir.path(), &key, &options).expect("opens").0.close();
        let db = dir.path().join("db");
        let sealer = Sealer::new(key.clone()).expect("randomness");
        Format::new(VERSION + 1, &sealer).write(&db).expect("written");
        let before = fs::read(db.join("db")).expect("readable");
        let refused = Storage::open(dir.path(), &key, &options).map(|_| ()).expect_err("newer");
        assert!(
            matches!(refused, OpenError::Newer { found, known } if (found, known) == (VERSION + 1, VERSION))
        );
        assert!(refused.to_string().contains("install the newer PC2"));
        assert_eq!(fs::read(db.join("db")).expect("readable"), before);
    }

    #[test]
    fn a_directory_of_a_version_before_is_brought_up() {
        for version in 1..VERSION {
            let dir = tempfile::tempdir().expect("a directory");
            let key = StorageKey::new(Zeroizing::new([1; 32]));
            let options = Options { ballast_bytes: 0, ..Options::default() };
            let sealer = Sealer::new(key.clone()).expect("randomness");
            let db = dir.path().join("db");
            drop(crate::db::create_db(&db, &sealer, options.cache_bytes, version).expect("made"));
            let (storage, report) = Storage::open(dir.path(), &key, &options).expect("opens");
            assert_eq!(report.migrated_from, Some(version));
            storage.close();
            let (_, report) = Storage::open(dir.path(), &key, &options).expect("opens");
            assert_eq!(report.migrated_from, None, "once");
        }
    }

    #[test]
    fn a_first_start_that_was_cut_short_begins_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let db = dir.path().join("db");
        assert_eq!(look(&db).expect("readable"), Found::Nothing);
        fs::create_dir(&db).expect("made");
        assert_eq!(look(&db).expect("readable"), Found::Nothing);
        fs::write(db.join(FILE).with_extension("new"), b"half").expect("written");
        assert_eq!(look(&db).expect("readable"), Found::Nothing);
        fs::write(db.join(FILE), b"half").expect("written");
        assert_eq!(look(&db).expect("readable"), Found::Illegible);
    }
}
