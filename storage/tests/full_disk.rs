//! A full disk is a refusal that ends by itself; a failed sync is one that lasts until the storage is opened anew.

mod common;

use common::*;
use pc2_protocols::messenger::content::Hlc;
use pc2_storage::{
    Disk, OpenError, Options, QUEUE_BATCHES, QueueFull, Storage, SystemDisk, WriteError, WriterState,
};
use std::{
    fs::File,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::channel,
    },
};

/// A disk whose room and syncs are up to the test.
struct Faulty {
    available: AtomicU64,
    sync_fails: AtomicBool,
}

impl Disk for Faulty {
    fn available(&self, _dir: &Path) -> io::Result<u64> {
        Ok(self.available.load(Ordering::SeqCst))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.sync_fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the cable is loose"));
        }
        SystemDisk.sync(file)
    }
}

fn faulty() -> (Arc<Faulty>, Options) {
    let disk = Arc::new(Faulty { available: AtomicU64::new(1 << 30), sync_fails: AtomicBool::new(false) });
    let options = Options { disk: Arc::<Faulty>::clone(&disk), ballast_bytes: 1 << 20, ..Options::default() };
    (disk, options)
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let (disk, options) = faulty();
    let (storage, _) = Storage::open(dir.path(), &key(), &options).expect("opens");
    write(&storage, step(1)).expect("written");
    disk.available.store(options.reserve_bytes - 1, Ordering::SeqCst);
    let before = std::fs::metadata(dir.path().join("db/db")).expect("there").len();
    assert_eq!(write(&storage, step(2)), Err(WriteError::DiskFull));
    assert_eq!(write(&storage, step(2)), Err(WriteError::DiskFull));
    assert_eq!(storage.writer().state(), WriterState::DiskFull);
    assert_eq!(std::fs::metadata(dir.path().join("db/db")).expect("there").len(), before);
    assert_eq!(steps_present(&storage), 1);
    disk.available.store(1 << 30, Ordering::SeqCst);
    write(&storage, step(2)).expect("written again");
    assert_eq!(storage.writer().state(), WriterState::Writing);
    assert_eq!(steps_present(&storage), 2);
}

#[test]
fn a_start_on_a_full_disk_uses_the_ballast_and_a_later_one_makes_it_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let (disk, options) = faulty();
    let ballast = dir.path().join("ballast");
    let (storage, report) = Storage::open(dir.path(), &key(), &options).expect("opens");
    assert!(ballast.exists() && !report.ballast_used);
    write(&storage, step(1)).expect("written");
    storage.close();

    /// Full but for what the ballast frees.
    struct Full(std::path::PathBuf);
    impl Disk for Full {
        fn available(&self, _dir: &Path) -> io::Result<u64> {
            Ok(if self.0.exists() { 0 } else { 1 << 20 })
        }
        fn sync(&self, file: &File) -> io::Result<()> {
            SystemDisk.sync(file)
        }
    }
    let full = Options { disk: Arc::new(Full(ballast.clone())), ..options.clone() };
    let (storage, report) = Storage::open(dir.path(), &key(), &full).expect("opens");
    assert!(report.ballast_used && !ballast.exists());
    assert_eq!(steps_present(&storage), 1);
    assert_eq!(write(&storage, step(2)), Err(WriteError::DiskFull));
    storage.close();

    let full = Options { disk: Arc::new(Full(dir.path().join("lock"))), ..options.clone() };
    assert!(matches!(Storage::open(dir.path(), &key(), &full), Err(OpenError::DiskFull)));

    disk.available.store(1 << 30, Ordering::SeqCst);
    let (storage, _) = Storage::open(dir.path(), &key(), &options).expect("opens");
    assert!(ballast.exists());
    assert_eq!(steps_present(&storage), 1);
}

#[test]
fn after_a_failed_sync_nothing_is_written_until_a_restart_and_reading_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let (disk, options) = faulty();
    let (storage, _) = Storage::open(dir.path(), &key(), &options).expect("opens");
    write(&storage, step(1)).expect("written");
    disk.sync_fails.store(true, Ordering::SeqCst);
    let failed = WriteError::Failed { reason: "sync: the cable is loose".into() };
    assert_eq!(write(&storage, step(2)), Err(failed.clone()));
    disk.sync_fails.store(false, Ordering::SeqCst);
    assert_eq!(write(&storage, step(3)), Err(failed));
    assert!(matches!(storage.writer().state(), WriterState::Failed { .. }));
    assert!(storage.reader().message(ME, CHAT, Hlc(1 << 16), msg_id(1)).expect("read").is_some());
    storage.close();
    let (storage, report) = Storage::open(dir.path(), &key(), &options).expect("opens");
    assert_eq!(report.quarantined, None);
    let found = steps_present(&storage);
    assert!(found == 1 || found == 2, "whole batches, in order: {found}");
    write(&storage, step(found + 1)).expect("written");
}

#[test]
fn a_callback_that_panics_leaves_the_writer_alive() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    storage.writer().submit(step(1), |_| panic!("a bug of the caller")).expect("room");
    write(&storage, step(2)).expect("written");
    assert_eq!(steps_present(&storage), 2);
}

#[test]
fn a_full_queue_refuses_and_loses_nothing_it_took() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let (release, held) = channel::<()>();
    let hold = move |_| held.recv().expect("released");
    storage.writer().submit(vec![], hold).expect("room");
    let (done, answers) = channel();
    let mut taken: u64 = 0;
    loop {
        let (done, number) = (done.clone(), taken + 1);
        let answer = move |result: Result<(), WriteError>| {
            result.expect("written");
            done.send(number).expect("the test waits");
        };
        if storage.writer().submit(vec![put_message(number, "text")], answer) == Err(QueueFull) {
            break;
        }
        taken += 1;
    }
    // The one that holds the writer may still be in the queue, or have taken a group out with it.
    assert!(taken + 1 >= u64::try_from(QUEUE_BATCHES).expect("small"));
    release.send(()).expect("held");
    let order: Vec<u64> = answers.iter().take(usize::try_from(taken).expect("small")).collect();
    assert_eq!(order, (1..=taken).collect::<Vec<_>>());
    assert!(storage.reader().message(ME, CHAT, Hlc(taken << 16), msg_id(taken)).expect("read").is_some());
}
