//! Modules as files: open, with their hash; kept for as long as an app has them.
//!
//! ```text
//! <data>/wasm/modules/<blake3>.wasm   modules of installed apps
//! ```
//!
//! The hash of a file that was looked at lately and is the same still (by its system's marks, the time of its last change among them, which nobody can set) is not counted
//! again. Everything here blocks, but for what says so. Not here: homes (`home`), compiled modules (`cache`).

use super::part::{Part, is_older, remove};
use pc2_protocols::id::BlobId;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Files whose hash is remembered.
const REMEMBERED: usize = 256;

/// A file that was changed so lately may be changed again without a new mark: clocks of file systems are coarse.
const SETTLED: Duration = Duration::from_secs(2);

/// What the system says of a file. Different when anything of it is.
type Marks = (u64, u64, u64, i64, i64, i64, i64);

/// An open module.
#[derive(Debug)]
pub struct Module {
    /// The file.
    pub(crate) file: File,
    /// The BLAKE3 hash of its bytes.
    pub hash: BlobId,
    /// How many those are.
    pub bytes: u64,
}

/// Why a file is no module that could be run. Whether it is one at all shows when it is compiled.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// It is not there.
    #[error(transparent)]
    Place(#[from] super::home::PlaceError),
    /// It is larger than a module may be.
    #[error("a module may have {most} bytes, and this one has {bytes}")]
    TooLarge {
        /// How many it has.
        bytes: u64,
        /// How many it may have.
        most: u64,
    },
    /// A text that should stand beside it is longer than one may be.
    #[error("app.toml may have {most} bytes, and this one has {bytes}")]
    LongText {
        /// How many it has.
        bytes: u64,
        /// How many it may have.
        most: u64,
    },
    /// A text that should stand beside it is none.
    #[error("app.toml is not a text in UTF-8")]
    NotText,
    /// It was written to while it was read.
    #[error("the module was changed while it was read; try again")]
    Changed,
    /// The system refuses.
    #[error("the module cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The node ends.
    #[error("the node is shutting down")]
    Stopped,
}

/// The modules of a node.
#[derive(Debug)]
pub(crate) struct Modules {
    folder: PathBuf,
    born: SystemTime,
    hashes: Mutex<BTreeMap<Marks, BlobId>>,
    fates: Mutex<Fates>,
}

/// What becomes of files of installed apps. Held while one is removed, so that none is that is just being installed.
#[derive(Debug, Default)]
struct Fates {
    /// Being installed, how many times.
    wanted: BTreeMap<BlobId, usize>,
    /// To be removed.
    unwanted: BTreeSet<BlobId>,
}

/// A module that is being installed: its file stays.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    modules: &'a Modules,
    hash: BlobId,
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        let mut fates = self.modules.fates();
        if let Some(times) = fates.wanted.get_mut(&self.hash) {
            *times = times.saturating_sub(1);
            if *times == 0 {
                fates.wanted.remove(&self.hash);
            }
        }
    }
}

impl Modules {
    /// Under a data directory. Nothing is made yet.
    pub(crate) fn new(data: &Path) -> Self {
        let (hashes, fates) = (Mutex::default(), Mutex::default());
        Self { folder: data.join("wasm/modules"), born: SystemTime::now(), hashes, fates }
    }

    /// A file as a module.
    pub(crate) fn look(&self, file: File, most: u64) -> Result<Module, ModuleError> {
        let about = file.metadata()?;
        let bytes = about.len();
        if bytes > most {
            return Err(ModuleError::TooLarge { bytes, most });
        }
        let marks = (
            about.dev(),
            about.ino(),
            bytes,
            about.mtime(),
            about.mtime_nsec(),
            about.ctime(),
            about.ctime_nsec(),
        );
        let changed = UNIX_EPOCH + Duration::from_secs(u64::try_from(about.ctime()).unwrap_or(0));
        let settled = SystemTime::now().duration_since(changed).is_ok_and(|ago| ago > SETTLED);
        if settled && let Some(hash) = self.hashes().get(&marks).copied() {
            return Ok(Module { file, hash, bytes });
        }
        let hash = hash(&file, most)?;
        if settled {
            let mut hashes = self.hashes();
            // Which of them goes does not matter: it is counted again.
            if hashes.len() >= REMEMBERED {
                hashes.pop_first();
            }
            hashes.insert(marks, hash);
        }
        Ok(Module { file, hash, bytes })
    }

    /// From now on the file of this module stays, until this is dropped. Does not block for long.
    pub(crate) fn want(&self, hash: BlobId) -> Wanted<'_> {
        let mut fates = self.fates();
        fates.unwanted.remove(&hash);
        let times = fates.wanted.entry(hash).or_default();
        *times = times.saturating_add(1);
        Wanted { modules: self, hash }
    }

    /// Keeps a copy of a module; it survives a loss of power when this returns.
    pub(crate) fn keep(&self, module: &Module) -> Result<(), ModuleError> {
        let path = self.path(module.hash);
        if path.exists() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut part = Part::new(&self.folder)?;
        let mut from = 0;
        let mut hasher = blake3::Hasher::new();
        let mut piece = vec![0; 64 * 1024];
        loop {
            let read = module.file.read_at(&mut piece, from)?;
            let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            from = from.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            if from > module.bytes {
                break;
            }
            hasher.update(bytes);
            part.file.write_all(bytes)?;
        }
        if hasher.finalize().as_bytes() != module.hash.as_bytes() {
            return Err(ModuleError::Changed);
        }
        part.file.sync_all()?;
        fs::rename(&part.path, &path)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(())
    }

    /// Opens the module of an installed app.
    pub(crate) fn open(&self, hash: BlobId) -> io::Result<File> {
        File::open(self.path(hash))
    }

    /// No app has this module any more. Does not block for long; [`Self::remove_unwanted`] does the rest.
    pub(crate) fn unwant(&self, hash: BlobId) {
        let mut fates = self.fates();
        if !fates.wanted.contains_key(&hash) {
            fates.unwanted.insert(hash);
        }
    }

    /// Removes what no app has any more.
    pub(crate) fn remove_unwanted(&self) {
        let mut fates = self.fates();
        for hash in std::mem::take(&mut fates.unwanted) {
            remove(&self.path(hash));
        }
    }

    /// At a start: removes files that no app has. Not what is younger than the start: it may be of an app that is being installed, or has been since.
    pub(crate) fn sweep(&self, used: &BTreeSet<BlobId>) {
        // Without the folder there is nothing to remove.
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let hash = name.to_str().and_then(|name| BlobId::from_hex(name.strip_suffix(".wasm")?));
            let fates = self.fates();
            if is_older(&entry, self.born)
                && hash.is_none_or(|hash| !used.contains(&hash) && !fates.wanted.contains_key(&hash))
            {
                remove(&entry.path());
            }
        }
    }

    fn path(&self, hash: BlobId) -> PathBuf {
        self.folder.join(format!("{}.wasm", hash.hex()))
    }

    fn hashes(&self) -> MutexGuard<'_, BTreeMap<Marks, BlobId>> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fates(&self) -> MutexGuard<'_, Fates> {
        self.fates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hash of what is in a file, which may have so many bytes.
fn hash(file: &File, most: u64) -> Result<BlobId, ModuleError> {
    let mut hasher = blake3::Hasher::new();
    let (mut piece, mut from) = (vec![0; 64 * 1024], 0_u64);
    loop {
        let read = file.read_at(&mut piece, from)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        from = from.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if from > most {
            return Err(ModuleError::TooLarge { bytes: from, most });
        }
        hasher.update(bytes);
    }
    Ok(BlobId::from_bytes(*hasher.finalize().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, bytes: &[u8]) -> File {
        fs::write(path, bytes).expect("written");
        File::open(path).expect("opened")
    }

    #[test]
    fn a_file_that_was_changed_has_another_hash_even_if_its_date_is_set_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let modules = Modules::new(dir.path());
        let path = dir.path().join("a.wasm");
        let date = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut seen = BTreeSet::new();
        for bytes in [b"one", b"two"] {
            let file = open(&path, bytes);
            File::options().write(true).open(&path).expect("opened").set_modified(date).expect("set");
            seen.insert(modules.look(file, 10).expect("looked at").hash);
        }
        assert_eq!(seen.len(), 2);
    }

    #[test]
    fn a_module_stays_while_it_is_installed_again_and_goes_when_no_app_has_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let modules = Modules::new(dir.path());
        let module = modules.look(open(&dir.path().join("a.wasm"), b"one"), 10).expect("looked at");
        modules.keep(&module).expect("kept");
        modules.unwant(module.hash);
        let wanted = modules.want(module.hash);
        modules.unwant(module.hash);
        modules.remove_unwanted();
        assert!(modules.open(module.hash).is_ok(), "somebody installs it");
        drop(wanted);
        modules.unwant(module.hash);
        modules.remove_unwanted();
        assert!(modules.open(module.hash).is_err());
    }

    #[test]
    fn a_start_removes_what_no_app_has() {
        let dir = tempfile::tempdir().expect("a directory");
        let modules = Modules::new(dir.path());
        let kept = [b"one", b"two"].map(|bytes| {
            let module = modules.look(open(&dir.path().join("a.wasm"), bytes), 10).expect("looked at");
            modules.keep(&module).expect("kept");
            module.hash
        });
        fs::write(modules.folder.join(".part-0"), b"half").expect("written");
        std::thread::sleep(Duration::from_millis(20));
        let modules = Modules::new(dir.path());
        std::thread::sleep(Duration::from_millis(20));
        let since = modules.look(open(&dir.path().join("a.wasm"), b"three"), 10).expect("looked at");
        modules.keep(&since).expect("kept");
        modules.sweep(&BTreeSet::from([kept[0]]));
        assert_eq!(fs::read_dir(&modules.folder).expect("listed").count(), 2);
        assert!(modules.open(kept[0]).is_ok());
        assert!(modules.open(since.hash).is_ok(), "an app may have it by now");
    }

    #[test]
    fn what_is_too_large_is_not_even_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = File::create_new(dir.path().join("large")).expect("made");
        file.set_len(1 << 40).expect("sparse");
        let looked = Modules::new(dir.path()).look(File::open(dir.path().join("large")).expect("opened"), 10);
        assert!(matches!(looked, Err(ModuleError::TooLarge { .. })));
    }
}
