//! Two sides of a transfer on one machine, for the tests of the blob store.
#![allow(dead_code, reason = "each test binary uses its part")]

use super::{key, options};
use pc2_protocols::{
    blob::{BlobSize, Groups},
    id::BlobId,
};
use pc2_storage::{
    Options, Storage,
    blobs::{Begun, BlobStore, Holder, Imported, Partial},
};
use std::{
    fs,
    ops::{ControlFlow, Range},
    path::{Path, PathBuf},
};

pub(crate) const ME: Holder = Holder([1; 16]);
pub(crate) const OTHER: Holder = Holder([2; 16]);
pub(crate) const GROUP: usize = 16 * 1024;

/// A node's data directory, and a folder of its owner.
pub(crate) struct Side {
    pub(crate) store: BlobStore,
    pub(crate) storage: Storage,
    pub(crate) dir: PathBuf,
    pub(crate) folder: PathBuf,
}

impl Side {
    pub(crate) fn open(base: &Path) -> Self {
        Self::open_with(base, &options())
    }

    pub(crate) fn open_with(base: &Path, options: &Options) -> Self {
        let (dir, folder) = (base.join("data"), base.join("files"));
        fs::create_dir_all(&folder).expect("a folder");
        let (storage, _) = Storage::open(&dir, &key(), options).expect("opens");
        let store = BlobStore::open(&storage, options).expect("opens");
        Self { store, storage, dir, folder }
    }

    /// Writes a file of the owner and offers it.
    pub(crate) fn offer(&self, name: &str, bytes: &[u8]) -> Imported {
        let path = self.folder.join(name);
        fs::write(&path, bytes).expect("written");
        self.store.import(&path, ME, &mut on).expect("imported")
    }

    pub(crate) fn begin(&self, id: BlobId, size: BlobSize) -> Partial {
        match self.store.begin(id, size, ME).expect("begun") {
            Begun::Partial(partial) => *partial,
            Begun::Here { path, .. } => panic!("stands at {}", path.display()),
        }
    }

    /// What a peer would be sent for these groups.
    pub(crate) fn answer(&self, id: BlobId, groups: &Groups) -> Vec<u8> {
        let mut answer = Vec::new();
        let written = self.store.reader(id).expect("known").encode(groups, &mut answer).expect("encoded");
        assert_eq!(written, answer.len() as u64);
        answer
    }

    /// Sends some groups to the other side.
    pub(crate) fn send(&self, partial: &Partial, range: Range<u32>) -> u64 {
        let groups = groups(&[range]);
        partial.accept(&groups, &self.answer(partial.id(), &groups)[..]).expect("accepted")
    }

    /// Sends all that is missing.
    pub(crate) fn send_rest(&self, partial: &Partial) -> u64 {
        let mut sent = 0;
        loop {
            let groups = partial.missing(0, 512);
            if groups.is_empty() {
                return sent;
            }
            sent += groups.bytes(partial.size());
            partial.accept(&groups, &self.answer(partial.id(), &groups)[..]).expect("accepted");
        }
    }

    pub(crate) fn partial_path(&self, id: BlobId, ending: &str) -> PathBuf {
        self.dir.join("blobs/partial").join(format!("{}{ending}", id.hex()))
    }

    pub(crate) fn tree_path(&self, id: BlobId) -> PathBuf {
        self.dir.join("blobs/trees").join(id.hex())
    }
}

pub(crate) fn on(_bytes: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

pub(crate) fn groups(ranges: &[Range<u32>]) -> Groups {
    Groups::new(ranges.to_vec()).expect("in order")
}

/// Bytes of which no two groups are alike.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&length.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

pub(crate) fn size(bytes: &[u8]) -> BlobSize {
    BlobSize::try_from(bytes.len() as u64).expect("not too large")
}

pub(crate) fn id_of(bytes: &[u8]) -> BlobId {
    BlobId::from_bytes(*blake3::hash(bytes).as_bytes())
}

/// Flips one bit of a file, its times as they were: what a failing disk does.
pub(crate) fn flip(path: &Path, at: u64) {
    use std::os::unix::fs::FileExt as _;
    let file = fs::OpenOptions::new().read(true).write(true).open(path).expect("opens");
    let modified = file.metadata().expect("there").modified().expect("a time");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("read");
    file.write_all_at(&[byte[0] ^ 4], at).expect("written");
    file.set_modified(modified).expect("set");
}
