//! Files between whole nodes over loopback: offered, accepted, proven, put into their place, and all of that through restarts.

mod nodes;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use nodes::{Node, acquainted, driver_alone, files::*};
use pc2_actors::net::NetTask;
use pc2_protocols::{
    crypto::keys::{IdentityKeys, SEED_BYTES},
    files::{
        Command, State, TransferView,
        rows::{Failure, Rates, TransferId},
        wire::Answer,
    },
    id::NodeId,
    net::Peer,
};
use pc2_storage::{Options, Storage};
use std::{fs, os::unix::fs::MetadataExt as _};
use zeroize::Zeroizing;

#[test]
fn a_file_that_is_offered_and_accepted_lands_in_the_downloads_whole_and_both_know() {
    let (bystander, alice, bob) = acquainted();
    let (mut at_alice, mut at_bob) = (alice.events(), bob.events());
    let files = tempfile::tempdir().expect("a directory");
    let content = bytes(9_000_001, 1);
    let path = files.path().join("holiday photos \u{1f3d6}.tar");
    fs::write(&path, &content).expect("written");
    offer(&alice, bob.id(), &[&path]);
    let view = until(&bob, &mut at_bob, offered);
    assert_eq!(view.offer.what.name(), "holiday photos \u{1f3d6}.tar");
    accept(&bob, view.id);
    let landed = place(&until(&bob, &mut at_bob, done));
    assert!(landed.starts_with(bob.dir.path().join("users/owner/Downloads")), "{}", landed.display());
    assert!(fs::read(&landed).expect("there") == content);
    until(&alice, &mut at_alice, done);

    // The same once more: beside the first, which stays what it is.
    offer(&alice, bob.id(), &[&path]);
    let view = until(&bob, &mut at_bob, offered);
    accept(&bob, view.id);
    let second = place(&until(&bob, &mut at_bob, done));
    assert_ne!(second, landed);
    assert!(fs::read(&second).expect("there") == content);
    stop([alice, bob, bystander]);
}

#[test]
fn a_folder_lands_as_it_was_with_empty_files_twins_and_odd_names() {
    let (bystander, alice, bob) = acquainted();
    let mut at_bob = bob.events();
    let files = tempfile::tempdir().expect("a directory");
    let folder = files.path().join("things");
    let members: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("a/one.bin", bytes(3_000_000, 2)),
        ("a/b/twin.bin", bytes(3_000_000, 2)),
        ("a/b/small.txt", b"small".to_vec()),
        ("a/b/same.txt", b"small".to_vec()),
        ("\u{5e9}\u{5dc}\u{5d5}\u{5dd}.txt", bytes(70_000, 3)),
    ];
    for (name, content) in &members {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, content).expect("written");
    }
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).expect("made");
    offer(&alice, bob.id(), &[&folder]);
    let view = until(&bob, &mut at_bob, offered);
    accept(&bob, view.id);
    let landed = place(&until(&bob, &mut at_bob, done));
    assert_eq!(landed, bob.dir.path().join("users/owner/Downloads/things"));
    for (name, content) in &members {
        assert!(fs::read(landed.join(name)).expect("there") == *content, "{name}");
    }
    assert!(!landed.join("link").exists(), "a link is not followed, and not sent");
    stop([alice, bob, bystander]);
}

#[test]
fn a_file_of_several_pieces_is_offered_before_it_was_hashed_and_arrives_through_restarts_of_both_sides() {
    let (bystander, alice, bob) = acquainted();
    let mut at_bob = bob.events();
    let files = tempfile::tempdir().expect("a directory");
    // Two pieces, and a bit of a third.
    let content = bytes(140_000_003, 5);
    let path = files.path().join("film.mkv");
    fs::write(&path, &content).expect("written");
    offer(&alice, bob.id(), &[&path]);
    let view = until(&bob, &mut at_bob, offered);
    assert!(view.offer.what.is_in_pieces());
    let trees = fs::read_dir(alice.dir.path().join("blobs/trees")).expect("readable");
    let taken: u64 = trees.map(|tree| tree.expect("read").metadata().expect("there").blocks()).sum();
    assert_eq!(taken, 0, "nothing was hashed");
    let rates = Rates { down: Some(40_000_000), up: None };
    tell(&bob, Command::SetRates { rates });
    accept(&bob, view.id);
    let more_than = |least| move |view: &TransferView| matches!(view.state, State::Transferring { bytes } if bytes > least);
    until(&bob, &mut at_bob, more_than(20_000_000));
    let bob = bob.restart();
    let mut at_bob = bob.events();
    until(&bob, &mut at_bob, more_than(15_000_000));
    let alice = alice.restart();
    let mut at_alice = alice.events();
    let landed = place(&until(&bob, &mut at_bob, done));
    assert!(fs::read(landed).expect("there") == content);
    until(&alice, &mut at_alice, done);
    stop([alice, bob, bystander]);
}

#[test]
fn a_large_folder_is_offered_before_it_was_hashed_and_arrives_through_a_restart() {
    let (bystander, alice, bob) = acquainted();
    let mut at_bob = bob.events();
    let files = tempfile::tempdir().expect("a directory");
    let folder = files.path().join("year");
    let mut members = vec![
        ("empty".to_owned(), Vec::new()),
        ("film.mkv".to_owned(), bytes(70_000_000, 7)),
        ("photos/larger.jpg".to_owned(), bytes(3_000_000, 8)),
    ];
    members.extend((0..300).map(|number| (format!("photos/{number}.txt"), bytes(1_000 + number, 9))));
    for (name, content) in &members {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, content).expect("written");
    }
    offer(&alice, bob.id(), &[&folder]);
    let view = until(&bob, &mut at_bob, offered);
    assert_eq!(
        fs::read_dir(alice.dir.path().join("blobs/trees")).expect("readable").count(),
        0,
        "nothing was hashed"
    );
    let rates = Rates { down: Some(30_000_000), up: None };
    tell(&bob, Command::SetRates { rates });
    accept(&bob, view.id);
    let some =
        |view: &TransferView| matches!(view.state, State::Transferring { bytes } if bytes > 30_000_000);
    until(&bob, &mut at_bob, some);
    let bob = bob.restart();
    let mut at_bob = bob.events();
    let landed = place(&until(&bob, &mut at_bob, done));
    for (name, content) in &members {
        assert!(fs::read(landed.join(name)).expect("there") == *content, "{name}");
    }
    stop([alice, bob, bystander]);
}

#[test]
fn a_file_that_is_changed_between_two_of_its_pieces_ends_the_transfer_in_words_at_both_sides() {
    let (bystander, alice, bob) = acquainted();
    let (mut at_alice, mut at_bob) = (alice.events(), bob.events());
    let files = tempfile::tempdir().expect("a directory");
    let path = files.path().join("growing.log");
    fs::write(&path, bytes(70_000_000, 6)).expect("written");
    offer(&alice, bob.id(), &[&path]);
    let view = until(&bob, &mut at_bob, offered);
    let rates = Rates { down: Some(20_000_000), up: None };
    tell(&bob, Command::SetRates { rates });
    accept(&bob, view.id);
    until(&bob, &mut at_bob, |view| matches!(view.state, State::Transferring { bytes } if bytes > 4_000_000));
    let mut file = fs::File::options().append(true).open(&path).expect("opens");
    std::io::Write::write_all(&mut file, b"one line more").expect("written");
    let changed =
        |view: &TransferView| matches!(view.state, State::Failed { why: Failure::SourceChanged, .. });
    until(&alice, &mut at_alice, changed);
    until(&bob, &mut at_bob, changed);
    assert_eq!(fs::read_dir(bob.dir.path().join("users/owner/Downloads")).map_or(0, Iterator::count), 0);
    stop([alice, bob, bystander]);
}

#[test]
fn a_transfer_goes_on_where_it_was_after_either_side_is_started_again() {
    let (bystander, alice, bob) = acquainted();
    let mut at_bob = bob.events();
    let files = tempfile::tempdir().expect("a directory");
    let content = bytes(24_000_000, 4);
    let path = files.path().join("large.bin");
    fs::write(&path, &content).expect("written");
    let rates = Rates { down: Some(6_000_000), up: None };
    tell(&bob, Command::SetRates { rates });
    offer(&alice, bob.id(), &[&path]);
    let view = until(&bob, &mut at_bob, offered);
    accept(&bob, view.id);
    let some = |view: &TransferView| matches!(view.state, State::Transferring { bytes } if bytes > 4_000_000);
    until(&bob, &mut at_bob, some);
    let bob = bob.restart();
    let mut at_bob = bob.events();
    // What was there counts from the first.
    let view = until(&bob, &mut at_bob, |view| matches!(view.state, State::Transferring { .. }));
    assert!(matches!(view.state, State::Transferring { bytes } if bytes > 2_000_000), "{:?}", view.state);
    until(
        &bob,
        &mut at_bob,
        |view| matches!(view.state, State::Transferring { bytes } if bytes > 12_000_000),
    );
    let alice = alice.restart();
    let landed = place(&until(&bob, &mut at_bob, done));
    assert!(fs::read(landed).expect("there") == content);
    stop([alice, bob, bystander]);
}

#[test]
fn a_file_that_was_changed_since_it_was_offered_is_never_sent_and_both_are_told_why() {
    let (bystander, alice, bob) = acquainted();
    let mut at_bob = bob.events();
    let files = tempfile::tempdir().expect("a directory");
    let path = files.path().join("a.txt");
    fs::write(&path, b"before").expect("written");
    offer(&alice, bob.id(), &[&path]);
    let view = until(&bob, &mut at_bob, offered);
    fs::write(&path, b"another text").expect("written");
    accept(&bob, view.id);
    let failed = until(&bob, &mut at_bob, |view| matches!(view.state, State::Failed { .. }));
    let State::Failed { why, .. } = failed.state else { unreachable!("waited for it") };
    assert_eq!(why, Failure::SourceChanged);
    let downloads = bob.dir.path().join("users/owner/Downloads");
    let left = fs::read_dir(downloads).map(|entries| entries.count()).unwrap_or_default();
    assert_eq!(left, 0, "nothing partial under a final name");
    stop([alice, bob, bystander]);
}

#[test]
fn an_offer_that_is_declined_or_taken_back_ends_on_both_sides() {
    let (bystander, alice, bob) = acquainted();
    let (mut at_alice, mut at_bob) = (alice.events(), bob.events());
    let files = tempfile::tempdir().expect("a directory");
    let path = files.path().join("a.txt");
    fs::write(&path, b"text").expect("written");
    offer(&alice, bob.id(), &[&path]);
    let view = until(&bob, &mut at_bob, offered);
    tell(&bob, Command::Decline { id: view.id });
    until(&alice, &mut at_alice, |view| view.state == State::Declined);

    offer(&alice, bob.id(), &[&path]);
    let view = until(&bob, &mut at_bob, offered);
    tell(&alice, Command::Withdraw { id: TransferId::outgoing(bob.id(), view.id.offer) });
    until(&bob, &mut at_bob, |view| view.state == State::Withdrawn);
    stop([alice, bob, bystander]);
}

/// A node that is a holder in name: to whatever it is asked for it sends bytes that are not the file.
struct Liar {
    task: NetTask,
    node: NodeId,
}

impl Liar {
    fn start(io: &tokio::runtime::Handle, meets: Peer) -> Self {
        let (handle, task, mut arriving) = driver_alone(io, meets);
        io.spawn(async move {
            while let Some(mut stream) = arriving.recv().await {
                tokio::spawn(async move {
                    let mut request = [0; 2];
                    while stream.read_exact(&mut request).await.is_ok() {
                        let mut frame = vec![0; u16::from_be_bytes(request).into()];
                        stream.read_exact(&mut frame).await?;
                        stream.write_all(&Answer::Sending.encode()).await?;
                        stream.write_all(&vec![7; 2_000_000]).await?;
                        stream.flush().await?;
                    }
                    std::io::Result::Ok(())
                });
            }
        });
        Self { task, node: handle.node() }
    }
}

#[test]
fn of_two_holders_the_one_that_lies_is_asked_no_more_and_the_file_comes_whole_from_the_other() {
    let (bystander, alice, bob) = acquainted();
    let (mut at_alice, mut at_bob) = (alice.events(), bob.events());
    let liar = Liar::start(bob.running.io(), bob.as_peer());
    bob.block_on(async {
        while !bob.handle().network().await.expect("runs").peers.iter().any(|peer| peer.node == liar.node) {
            at_bob.next().await;
        }
    });
    let files = tempfile::tempdir().expect("a directory");
    let content = bytes(20_000_000, 5);
    let path = files.path().join("shared.bin");
    fs::write(&path, &content).expect("written");
    let handle = alice.handle();
    let begun = alice.running.io().block_on(async {
        handle.offer_files_of_several(handle.account(), bob.id(), vec![path.clone()], vec![liar.node])
    });
    begun.expect("begun");
    let view = until(&bob, &mut at_bob, offered);
    assert_eq!(view.offer.holders, [liar.node]);
    accept(&bob, view.id);
    let landed = place(&until(&bob, &mut at_bob, done));
    assert!(fs::read(landed).expect("there") == content);
    until(&alice, &mut at_alice, done);
    alice.running.io().block_on(liar.task.shutdown()).expect("ends");
    let bob_id = bob.id();
    let Node { running, dir, number, .. } = bob;
    running.shutdown();
    stop([alice, bystander]);

    // It was asked, and that it lied is remembered.
    let keys = IdentityKeys::from_seed(Zeroizing::new([number; SEED_BYTES]));
    let (storage, _) = Storage::open(dir.path(), &keys.storage_key(), &Options::default()).expect("opens");
    let rows = storage.reader().files_snapshot(bob_id).expect("read");
    assert_eq!(rows.transfers.get(&view.id).expect("kept").liars, [liar.node]);
}

#[test]
fn an_offer_to_somebody_who_is_away_reaches_them_when_they_come_back_and_goes_on_from_there() {
    let (bystander, alice, bob) = acquainted();
    let bob_id = bob.id();
    let Node { running, dir, number, bootstrap } = bob;
    running.shutdown();
    let files = tempfile::tempdir().expect("a directory");
    let content = bytes(3_000_000, 6);
    let path = files.path().join("for later.bin");
    fs::write(&path, &content).expect("written");
    let mut at_alice = alice.events();
    offer(&alice, bob_id, &[&path]);
    until(&alice, &mut at_alice, |view| view.state == State::WaitingForThem);
    let alice = alice.restart();
    let bob = Node::start_in(dir, number, bootstrap);
    let mut at_bob = bob.events();
    let view = until(&bob, &mut at_bob, offered);
    accept(&bob, view.id);
    let landed = place(&until(&bob, &mut at_bob, done));
    assert!(fs::read(landed).expect("there") == content);
    stop([alice, bob, bystander]);
}

#[test]
fn offers_of_somebody_who_is_trusted_are_accepted_up_to_a_size_and_larger_ones_wait() {
    let (bystander, alice, bob) = acquainted();
    let mut at_bob = bob.events();
    tell(&bob, Command::SetAuto { peer: alice.id(), max_bytes: Some(1_000) });
    let files = tempfile::tempdir().expect("a directory");
    let (small, large) = (files.path().join("small"), files.path().join("large"));
    fs::write(&small, bytes(1_000, 7)).expect("written");
    fs::write(&large, bytes(1_001, 8)).expect("written");
    offer(&alice, bob.id(), &[&small]);
    until(&bob, &mut at_bob, done);
    offer(&alice, bob.id(), &[&large]);
    until(&bob, &mut at_bob, offered);
    stop([alice, bob, bystander]);
}
