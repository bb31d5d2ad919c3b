//! Compiled modules on disk: compiled once, by hash of the module and engine, and trusted only as far as this node made them.
//!
//! ```text
//! <data>/wasm/cache/<blake3 of the module>-<engine>       what a runner loads
//! <data>/wasm/cache/<blake3 of the module>-<engine>.mac   its keyed BLAKE3, over its name and bytes
//! ```
//!
//! An engine loads what it is given without looking closely, so each file is hashed before it is handed out, under a key that only this identity has. One that does not
//! match is removed, and its module compiled anew. Loss of power may leave half a file: that is the same. So much is kept; what was not used longest goes first. Everything here blocks.
//!
//! Not here: who compiles, and when (`drive`); compiling (`pc2-wasm`).

use super::part::{Part, is_older, is_part, remove};
use pc2_protocols::id::BlobId;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};
use tracing::{info, warn};
use zeroize::Zeroizing;

/// What stands behind the name of a file's keyed hash.
const MAC: &str = ".mac";

/// The cache.
pub(crate) struct Cache {
    folder: PathBuf,
    key: Zeroizing<[u8; 32]>,
    /// Most bytes that are kept.
    most: u64,
    born: SystemTime,
}

/// What became of copying a module.
pub(super) enum Copied {
    /// The copy.
    Same(File),
    /// It has not the hash that it had when it was asked for.
    Changed,
    /// It has more bytes than it may.
    TooLarge,
}

impl Cache {
    /// Under a data directory. Nothing is made yet.
    pub(crate) fn new(data: &Path, key: Zeroizing<[u8; 32]>, most: u64) -> Self {
        Self { folder: data.join("wasm/cache"), key, most, born: SystemTime::now() }
    }

    /// Removes what was being written when the node was killed. Not what is being written now: runs may have begun.
    pub(crate) fn clean(&self) {
        // Without the folder there is nothing to clean.
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(is_part) && is_older(&entry, self.born) {
                remove(&entry.path());
            }
        }
    }

    /// Begins a file.
    pub(super) fn part(&self) -> io::Result<Part> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        Part::new(&self.folder)
    }

    /// A copy of a module that nobody else can change: what is compiled is what was hashed.
    pub(super) fn private_copy(&self, module: &File, hash: BlobId, most: u64) -> io::Result<Copied> {
        let mut part = self.part()?;
        let mut hasher = blake3::Hasher::new();
        let (mut piece, mut from) = (vec![0; 64 * 1024], 0);
        loop {
            let read = rustix::io::pread(module, &mut piece[..], from)?;
            let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            from = from.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            if from > most {
                return Ok(Copied::TooLarge);
            }
            hasher.update(bytes);
            part.file.write_all(bytes)?;
        }
        if hasher.finalize().as_bytes() != hash.as_bytes() {
            return Ok(Copied::Changed);
        }
        // It is gone from the folder with `part`; this stays open.
        Ok(Copied::Same(File::open(&part.path)?))
    }

    /// What was compiled of a module, if it is here and is what this node made.
    pub(crate) fn find(&self, module: BlobId, engine: &str) -> Option<File> {
        let name = name(module, engine);
        let path = self.folder.join(&name);
        let file = File::open(&path).ok()?;
        let expected = fs::read(path.with_file_name(format!("{name}{MAC}"))).ok();
        match self.mac(&name, &file) {
            Ok(mac) if expected.as_deref().is_some_and(|expected| is_same(mac, expected)) => {
                let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
                let same = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
                // When it was last used, for [`Cache::shrink`].
                if let Err(error) =
                    rustix::fs::futimens(&file, &Timestamps { last_access: same, last_modification: now })
                {
                    warn!(%error, "when a compiled module was last used is not noted");
                }
                Some(file)
            }
            Ok(_) => {
                warn!(module = %module.hex(), "a compiled module is not what this node made; it is compiled anew");
                self.remove(&name);
                None
            }
            Err(error) => {
                warn!(%error, "a compiled module cannot be read; it is compiled anew");
                self.remove(&name);
                None
            }
        }
    }

    /// Keeps what was compiled. To be called when nobody else can write to it any more. What was kept longest unused goes, if there is too much.
    pub(super) fn keep(&self, module: BlobId, engine: &str, part: &Part) -> io::Result<File> {
        let name = name(module, engine);
        let mac = self.mac(&name, &part.file)?;
        let mut beside = self.part()?;
        beside.file.write_all(mac.as_bytes())?;
        fs::rename(&beside.path, self.folder.join(format!("{name}{MAC}")))?;
        let path = self.folder.join(&name);
        fs::rename(&part.path, &path)?;
        let file = File::open(&path)?;
        self.shrink()?;
        info!(module = %module.hex(), "a module was compiled");
        Ok(file)
    }

    /// Removes what a runner could not use.
    pub(crate) fn forget(&self, module: BlobId, engine: &str) {
        warn!(module = %module.hex(), "a compiled module is of no use to its engine; it is compiled anew");
        self.remove(&name(module, engine));
    }

    fn remove(&self, name: &str) {
        for name in [name, &format!("{name}{MAC}")] {
            remove(&self.folder.join(name));
        }
    }

    fn mac(&self, name: &str, mut file: &File) -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(name.as_bytes());
        hasher.update(&[0]);
        rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0))?;
        let mut piece = vec![0; 64 * 1024];
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                break;
            }
            hasher.update(piece.get(..read).unwrap_or_default());
        }
        // Whoever reads it next begins at its beginning.
        rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0))?;
        Ok(hasher.finalize())
    }

    /// Removes what was used longest ago until no more is kept than may be.
    fn shrink(&self) -> io::Result<()> {
        let mut kept: Vec<(SystemTime, u64, String)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Gone meanwhile is as well.
            let Ok(about) = entry.metadata() else { continue };
            if !is_part(&name) && !name.ends_with(MAC) {
                kept.push((about.modified()?, about.len(), name));
            }
        }
        kept.sort_unstable();
        let mut bytes = kept.iter().fold(0_u64, |all, (_, bytes, _)| all.saturating_add(*bytes));
        for (_, size, name) in kept {
            if bytes <= self.most {
                break;
            }
            self.remove(&name);
            bytes = bytes.saturating_sub(size);
        }
        Ok(())
    }
}

/// What a compiled module is called. Both parts are plain characters.
fn name(module: BlobId, engine: &str) -> String {
    format!("{}-{engine}", module.hex())
}

fn is_same(mac: blake3::Hash, expected: &[u8]) -> bool {
    // In constant time, as `blake3::Hash` compares.
    <[u8; 32]>::try_from(expected).is_ok_and(|expected| mac == blake3::Hash::from_bytes(expected))
}

/// A new file without a name, in a folder of the node's: what is in it goes with its last descriptor.
pub(crate) fn nameless(cache: &Cache) -> io::Result<File> {
    let part = cache.part()?;
    let file = part.file.try_clone()?;
    drop(part);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    const MODULE: BlobId = BlobId::from_bytes([1; 32]);
    const ENGINE: &str = "engine-1";

    fn cache(dir: &Path, most: u64) -> Cache {
        Cache::new(dir, Zeroizing::new([7; 32]), most)
    }

    fn keep(cache: &Cache, module: BlobId, bytes: &[u8]) {
        let mut part = cache.part().expect("begun");
        part.file.write_all(bytes).expect("written");
        cache.keep(module, ENGINE, &part).expect("kept");
    }

    fn found(cache: &Cache, module: BlobId, engine: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        cache.find(module, engine)?.read_to_end(&mut bytes).expect("read");
        Some(bytes)
    }

    #[test]
    fn what_was_compiled_is_found_again_for_its_module_and_engine_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = cache(dir.path(), 1_000);
        assert_eq!(found(&cache, MODULE, ENGINE), None);
        keep(&cache, MODULE, b"compiled");
        assert_eq!(found(&cache, MODULE, ENGINE).as_deref(), Some(&b"compiled"[..]));
        assert_eq!(found(&cache, MODULE, "engine-2"), None);
        assert_eq!(found(&cache, BlobId::from_bytes([2; 32]), ENGINE), None);
    }

    #[test]
    fn one_flipped_bit_anywhere_is_noticed_and_the_file_is_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = cache(dir.path(), 1_000);
        for (behind, place) in [("", 0), ("", 7), (MAC, 0), (MAC, 31)] {
            keep(&cache, MODULE, b"compiled");
            let path = cache.folder.join(format!("{}{behind}", name(MODULE, ENGINE)));
            let mut bytes = fs::read(&path).expect("read");
            bytes[place] ^= 1;
            fs::write(&path, bytes).expect("written");
            assert_eq!(found(&cache, MODULE, ENGINE), None, "{behind} {place}");
            assert_eq!(fs::read_dir(&cache.folder).expect("listed").count(), 0);
        }
    }

    #[test]
    fn a_file_of_another_module_under_this_name_is_noticed_and_so_is_one_of_another_identity() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = cache(dir.path(), 1_000);
        let other = BlobId::from_bytes([2; 32]);
        keep(&first, MODULE, b"compiled");
        for behind in ["", MAC] {
            let from = first.folder.join(format!("{}{behind}", name(MODULE, ENGINE)));
            fs::copy(from, first.folder.join(format!("{}{behind}", name(other, ENGINE)))).expect("copied");
        }
        assert_eq!(found(&first, other, ENGINE), None);
        let stranger = Cache::new(dir.path(), Zeroizing::new([8; 32]), 1_000);
        assert_eq!(found(&stranger, MODULE, ENGINE), None);
    }

    #[test]
    fn no_more_is_kept_than_may_be_and_what_was_not_used_longest_goes() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = cache(dir.path(), 25);
        let modules = [1, 2, 3].map(|number| BlobId::from_bytes([number; 32]));
        for module in modules.iter().take(2) {
            keep(&cache, *module, &[0; 10]);
        }
        let old =
            File::options().write(true).open(cache.folder.join(name(modules[1], ENGINE))).expect("there");
        old.set_modified(SystemTime::UNIX_EPOCH).expect("set");
        keep(&cache, modules[2], &[0; 10]);
        let left = modules.map(|module| found(&cache, module, ENGINE).is_some());
        assert_eq!(left, [true, false, true]);
    }

    #[test]
    fn a_module_that_was_changed_since_it_was_hashed_is_not_compiled() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = cache(dir.path(), 1_000);
        let path = dir.path().join("module");
        fs::write(&path, b"a module").expect("written");
        let module = File::open(&path).expect("opened");
        let hash = BlobId::from_bytes(*blake3::hash(b"a module").as_bytes());
        let Ok(Copied::Same(copy)) = cache.private_copy(&module, hash, 100) else { panic!("it is the same") };
        fs::write(&path, b"another!").expect("written");
        let mut kept = [0; 8];
        copy.read_exact_at(&mut kept, 0).expect("read");
        assert_eq!(&kept, b"a module");
        assert!(matches!(cache.private_copy(&module, hash, 100), Ok(Copied::Changed)));
        assert!(matches!(cache.private_copy(&module, hash, 3), Ok(Copied::TooLarge)));
        assert_eq!(fs::read_dir(&cache.folder).expect("listed").count(), 0, "it has no name");
    }

    #[test]
    fn what_a_killed_node_was_compiling_is_removed_and_what_is_being_compiled_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let killed = cache(dir.path(), 1_000);
        keep(&killed, MODULE, b"compiled");
        fs::write(killed.folder.join(".part-1-1"), b"half").expect("written");
        std::thread::sleep(std::time::Duration::from_millis(20));
        let next = cache(dir.path(), 1_000);
        std::thread::sleep(std::time::Duration::from_millis(20));
        let part = next.part().expect("begun");
        next.clean();
        assert!(part.path.exists());
        assert_eq!(fs::read_dir(&next.folder).expect("listed").count(), 3);
    }
}
