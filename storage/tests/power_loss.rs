//! A loss of power: what was synced is there, of what was written since then any sector may be there or not.
//!
//! kill -9 does not show this, because the system still writes what a killed process gave it. So the disk here keeps the image of
//! each sync, and between two syncs makes images of what a machine without power could find.

mod common;

use common::*;
use pc2_storage::{Disk, Options, Storage, SystemDisk};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

const SECTOR: usize = 512;
const STEPS: u64 = 90;

/// xorshift64: repeatable, and good enough to choose sectors.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A file as it is between two writes. sled writes on threads of its own meanwhile, and a disk tears no sector: a copy that was taken during a write would be
/// what no machine finds.
fn settled(path: &Path) -> io::Result<Vec<u8>> {
    let mut before = fs::read(path)?;
    loop {
        let now = fs::read(path)?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
}

/// What the disk would have after a loss of power during one sync.
struct Crash {
    dir: PathBuf,
    /// Steps called back before.
    acknowledged: u64,
}

struct State {
    dice: Dice,
    synced: Vec<u8>,
    crashes: Vec<Crash>,
}

struct FlakyPower {
    dir: PathBuf,
    images: PathBuf,
    acknowledged: AtomicU64,
    state: Mutex<State>,
}

impl FlakyPower {
    fn crash(&self, state: &mut State, written: &[u8]) {
        let dir = self.images.join(state.crashes.len().to_string());
        let db = dir.join("db");
        fs::create_dir_all(&db).expect("a directory");
        for entry in fs::read_dir(self.dir.join("db")).expect("readable") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                assert_eq!(
                    fs::read_dir(entry.path()).expect("readable").count(),
                    0,
                    "a page left the synced file"
                );
            } else if entry.file_name() != "db" {
                fs::copy(entry.path(), db.join(entry.file_name())).expect("copied");
            }
        }
        // All of it, none of it, half of it, nearly all of it; and sometimes the file did not grow.
        let odds = [0, 100, 50, 95][state.crashes.len() % 4];
        let mut image = written.to_vec();
        for (number, sector) in image.chunks_mut(SECTOR).enumerate() {
            let start = number * SECTOR;
            let old =
                state.synced.get(start..(start + sector.len()).min(state.synced.len())).unwrap_or_default();
            if state.dice.roll(100) >= odds {
                sector.fill(0);
                sector[..old.len()].copy_from_slice(old);
            }
        }
        if odds == 0 {
            image.truncate(state.synced.len().max(1));
        }
        fs::write(db.join("db"), image).expect("written");
        state.crashes.push(Crash { dir, acknowledged: self.acknowledged.load(Ordering::SeqCst) });
    }
}

impl Disk for FlakyPower {
    fn available(&self, dir: &Path) -> io::Result<u64> {
        SystemDisk.available(dir)
    }

    fn sync(&self, _file: &File) -> io::Result<()> {
        let written = settled(&self.dir.join("db").join("db"))?;
        let mut state = self.state.lock().expect("no panic before");
        if !state.synced.is_empty() && state.dice.roll(3) == 0 {
            self.crash(&mut state, &written);
        }
        state.synced = written;
        Ok(())
    }
}

fn run(seed: u64) {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Arc::new(FlakyPower {
        dir: dir.path().join("node"),
        images: dir.path().join("images"),
        acknowledged: AtomicU64::new(0),
        state: Mutex::new(State { dice: Dice(seed), synced: vec![], crashes: vec![] }),
    });
    let flaky = Options { disk: Arc::<FlakyPower>::clone(&disk), ..options() };
    let (storage, _) = Storage::open(&disk.dir, &key(), &flaky).expect("opens");
    let mut dice = Dice(seed ^ 0xabcd);
    for number in 1..=STEPS {
        let disk = Arc::clone(&disk);
        let done = move |result: Result<(), _>| {
            result.expect("written");
            disk.acknowledged.store(number, Ordering::SeqCst);
        };
        storage.writer().submit(step(number), done).expect("room");
        // Groups of one and of several.
        if dice.roll(3) == 0 {
            storage.writer().barrier();
        }
    }
    storage.close();
    let state = disk.state.lock().expect("no panic before");
    assert!(state.crashes.len() >= 5, "{} crashes", state.crashes.len());
    for crash in &state.crashes {
        let (storage, report) = open(&crash.dir);
        assert_eq!(report.quarantined, None, "seed {seed}, {}", crash.dir.display());
        let found = steps_present(&storage);
        assert!(found >= crash.acknowledged, "seed {seed}: {found} of {} acknowledged", crash.acknowledged);
        storage.verify().expect("every row is whole");
        // It goes on from there.
        write(&storage, step(found + 1)).expect("written");
        assert_eq!(steps_present(&storage), found + 1);
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_fails() {
    for seed in [1, 0x5eed, 0xfeed_face] {
        run(seed);
    }
}
