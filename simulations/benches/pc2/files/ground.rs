//! What files are sent from and to: folders on one real file system, and fresh bytes for each round.
//!
//! In: how much. Out: a file or a folder that nobody has seen before, and whether what arrived is the same. Fresh, because all of these programs know parts
//! that they have seen; random, because some of them compress. Not here: who sends it.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// Bytes written or compared at once.
const BLOCK: usize = 1 << 20;

/// The folders of one part of the benchmark. They vanish when this is dropped.
pub(crate) struct Ground {
    folder: TempDir,
    seed: u64,
    set_aside: u32,
}

impl Ground {
    /// In the directory for temporary files, where the nodes' data directories are, too.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { folder: tempfile::tempdir()?, seed: u64::from(std::process::id()) << 32, set_aside: 0 })
    }

    /// A folder in it, made when it is not there.
    pub(crate) fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// What the folders are on, and how much room there is, as the system calls it.
    pub(crate) fn file_system(&self) -> String {
        let told = Command::new("findmnt")
            .args(["--noheadings", "--output", "FSTYPE,SOURCE", "--target"])
            .arg(self.folder.path())
            .output();
        told.map_or_else(
            |_| "unknown".to_owned(),
            |told| String::from_utf8_lossy(&told.stdout).split_whitespace().collect::<Vec<_>>().join(" on "),
        )
    }

    /// A file of fresh bytes, on the disk and in the system's cache.
    pub(crate) fn fresh_file(&mut self, bytes: u64) -> io::Result<PathBuf> {
        let path = self.folder("source")?.join("big.bin");
        self.fill(&path, bytes)?;
        settle()?;
        Ok(path)
    }

    /// A folder of so many files of fresh bytes, a hundred of them in each folder below.
    pub(crate) fn fresh_folder(&mut self, files: u32, bytes: u64) -> io::Result<PathBuf> {
        let folder = self.folder("source")?.join("many");
        for number in 0..files {
            let below = folder.join(format!("{:03}", number / 100));
            if number % 100 == 0 {
                fs::create_dir_all(&below)?;
            }
            self.fill(&below.join(format!("{number:05}.bin")), bytes)?;
        }
        settle()?;
        Ok(folder)
    }

    fn fill(&mut self, path: &Path, bytes: u64) -> io::Result<()> {
        self.seed += 1;
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        // Under another inode than the one before: who looks at it must not take it for that one.
        forget(path)?;
        let mut file = File::create(path)?;
        let mut block = vec![0; BLOCK];
        let mut left = bytes;
        while left > 0 {
            let now = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            random.fill_bytes(&mut block[..now]);
            file.write_all(&block[..now])?;
            left -= now as u64;
        }
        Ok(())
    }
}

impl Ground {
    /// Takes what is not needed any more out of the way: a file is removed, a folder is kept aside until the end. For minutes after thousands of files were removed ext4 makes new ones
    /// three times as slowly, since it looks for places that were not free a moment ago (`recently_deleted` in `fs/ext4/ialloc.c`): whoever comes next would pay for it.
    pub(crate) fn put_away(&mut self, path: &Path) -> io::Result<()> {
        if !path.is_dir() {
            return forget(path);
        }
        self.set_aside += 1;
        fs::rename(path, self.folder("aside")?.join(self.set_aside.to_string()))
    }
}

/// Removes a file or folder, if it is there.
pub(crate) fn forget(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Everything written so far is on the disk afterwards: nobody pays for what another one has left to be written.
pub(crate) fn settle() -> io::Result<()> {
    Command::new("sync").status().map(drop)
}

/// Whether a file is the same as another one, byte by byte, or a folder with everything in it.
pub(crate) fn same(one: &Path, other: &Path) -> bool {
    if one.is_dir() {
        let compared = Command::new("diff").args(["--recursive", "--brief"]).arg(one).arg(other).output();
        return compared.is_ok_and(|compared| compared.status.success());
    }
    same_bytes(one, other).unwrap_or(false)
}

fn same_bytes(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut here, mut there) = (vec![0; BLOCK], vec![0; BLOCK]);
    loop {
        let read = one.read(&mut here)?;
        if read == 0 {
            return Ok(true);
        }
        other.read_exact(&mut there[..read])?;
        if here[..read] != there[..read] {
            return Ok(false);
        }
    }
}
