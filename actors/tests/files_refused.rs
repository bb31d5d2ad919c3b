//! Files where something stands in the way: people who were offered nothing, a folder that cannot be written, a full disk, a source that is gone. Told
//! in words, nothing half under a final name, and it goes on when it can.

mod nodes;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use nodes::{acquainted, acquainted_so, driver_alone, files::*};
use pc2_protocols::{
    blob::Groups,
    files::{
        Command, State,
        rows::Failure,
        wire::{Answer, Pull, Refusal, Request},
    },
};
use pc2_storage::Disk;
use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

#[test]
fn whoever_was_offered_nothing_gets_nothing_though_they_know_offer_and_hash() {
    let (bystander, alice, bob) = acquainted();
    let mut at_bob = bob.events();
    let files = tempfile::tempdir().expect("a directory");
    let path = files.path().join("secret.bin");
    fs::write(&path, bytes(100_000, 1)).expect("written");
    offer(&alice, bob.id(), &[&path]);
    let view = until(&bob, &mut at_bob, offered);
    let (blob, size) = view.offer.what.blob();

    let io = bystander.running.io();
    let (stranger, task, _arriving) = driver_alone(io, alice.as_peer());
    let answer = bystander.block_on(async {
        let mut stream = loop {
            match stranger.files().open(alice.id()).await {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let ask = Pull { offer: view.offer.id, blob, size, groups: Groups::whole(size) };
        stream.write_all(&Request::Pull { ask }.encode()).await.expect("written");
        stream.flush().await.expect("written");
        let mut length = [0; 2];
        stream.read_exact(&mut length).await.expect("answered");
        let mut frame = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut frame).await.expect("answered");
        Answer::decode(&frame).expect("an answer")
    });
    assert_eq!(answer, Answer::Refused { reason: Refusal::NotOffered });
    io.block_on(task.shutdown()).expect("ends");
    stop([alice, bob, bystander]);
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_trying_again_helps_once_it_can() {
    let (bystander, alice, bob) = acquainted();
    let mut at_bob = bob.events();
    let files = tempfile::tempdir().expect("a directory");
    let content = bytes(2_000_000, 2);
    let path = files.path().join("a.bin");
    fs::write(&path, &content).expect("written");
    // Something else stands where the folder should be.
    let downloads = bob.dir.path().join("users/owner/Downloads");
    fs::create_dir_all(downloads.parent().expect("a parent")).expect("made");
    fs::write(&downloads, b"in the way").expect("written");
    offer(&alice, bob.id(), &[&path]);
    let view = until(&bob, &mut at_bob, offered);
    accept(&bob, view.id);
    let failed = until(&bob, &mut at_bob, |view| matches!(view.state, State::Failed { .. }));
    let State::Failed { why: Failure::Disk { reason }, retryable: true } = failed.state else {
        panic!("{:?}", failed.state)
    };
    assert!(reason.contains("Downloads"), "{reason}");
    fs::remove_file(&downloads).expect("removed");
    tell(&bob, Command::Retry { id: view.id });
    let landed = place(&until(&bob, &mut at_bob, done));
    assert!(fs::read(landed).expect("there") == content);
    stop([alice, bob, bystander]);
}

/// A disk with as much room as the test says.
struct Small(AtomicU64);

impl Disk for Small {
    fn available(&self, _: &Path) -> io::Result<u64> {
        Ok(self.0.load(Ordering::SeqCst))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

#[test]
fn a_file_for_which_the_disk_has_no_room_waits_and_messages_go_on() {
    const MIB: u64 = 1024 * 1024;
    let disk = Arc::new(Small(AtomicU64::new(74 * MIB)));
    let of_bob = Arc::clone(&disk);
    let (bystander, alice, bob) = acquainted_so(|config| config.storage.disk = of_bob);
    let mut at_bob = bob.events();
    let files = tempfile::tempdir().expect("a directory");
    let content = bytes(12_000_000, 3);
    let path = files.path().join("a.bin");
    fs::write(&path, &content).expect("written");
    offer(&alice, bob.id(), &[&path]);
    let view = until(&bob, &mut at_bob, offered);
    accept(&bob, view.id);
    until(&bob, &mut at_bob, |view| view.state == State::WaitingForRoom);
    // Smaller ones fit, and so does the message that offers one.
    let small = files.path().join("b.bin");
    fs::write(&small, bytes(1_000_000, 4)).expect("written");
    offer(&alice, bob.id(), &[&small]);
    let second = until(&bob, &mut at_bob, offered);
    accept(&bob, second.id);
    until(&bob, &mut at_bob, |view| view.id == second.id && done(view));
    disk.0.store(1_000 * MIB, Ordering::SeqCst);
    tell(&bob, Command::Resume { id: view.id });
    let landed = place(&until(&bob, &mut at_bob, |one| one.id == view.id && done(one)));
    assert!(fs::read(landed).expect("there") == content);
    stop([alice, bob, bystander]);
}

#[test]
fn a_source_that_is_gone_is_told_as_that() {
    let (bystander, alice, bob) = acquainted();
    let mut at_bob = bob.events();
    let files = tempfile::tempdir().expect("a directory");
    let path = files.path().join("a.txt");
    fs::write(&path, b"text").expect("written");
    offer(&alice, bob.id(), &[&path]);
    let view = until(&bob, &mut at_bob, offered);
    fs::remove_file(&path).expect("removed");
    accept(&bob, view.id);
    let failed = until(&bob, &mut at_bob, |view| matches!(view.state, State::Failed { .. }));
    assert!(
        matches!(failed.state, State::Failed { why: Failure::SourceGone, retryable: false }),
        "{failed:?}"
    );
    stop([alice, bob, bystander]);
}
