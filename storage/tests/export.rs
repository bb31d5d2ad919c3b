//! The logical export and what comes of it: everything of the person, nothing of the device.

mod common;

use common::*;
use pc2_protocols::{
    crypto::seal::StorageKey,
    id::NodeId,
    messenger::{
        content::Hlc,
        rows::{
            self, ChainRow, ContactRow, ConversationRow, DeviceRow, OutboxRow, SessionRow, Standing, Waiting,
        },
        wire::Item,
    },
    time::UnixMillis,
};
use pc2_storage::{AccessChange, AccessRows, Change, OpenError, Storage, WalletRow, WebRole};
use std::{fs, path::Path};
use zeroize::Zeroizing;

fn contact() -> ContactRow {
    ContactRow {
        account: ME,
        peer: PEER,
        standing: Standing::Accepted,
        alias: Some("Bob".into()),
        name: None,
        addresses: vec![],
        invitation: None,
        request: None,
        before_block: None,
        since: UnixMillis(1),
        passes: vec![],
        given: 0,
        given_pins: Vec::new(),
        passes_as_of: Hlc::default(),
        told: None,
        name_as_of: Hlc::default(),
        receipts: None,
    }
}

fn conversation() -> ConversationRow {
    ConversationRow {
        account: ME,
        conversation: CHAT,
        device: DEVICE,
        sent_seq: 3,
        sent_hash: [5; 32],
        hlc: Hlc(9 << 16),
        heads: vec![msg_id(3)],
        unread: 2,
        last: None,
        since_refresh: 7,
        refreshed: UnixMillis(2),
        started: UnixMillis(1),
        recent: vec![],
        lost: vec![],
        owed: false,
        let_go: false,
        asked_by_mail: None,
        early: vec![],
        unread_ids: vec![],
        timer: Some(60),
        timer_as_of: None,
    }
}

fn chain() -> ChainRow {
    let (started, beyond) = (UnixMillis(4), vec![]);
    ChainRow {
        account: ME,
        conversation: CHAT,
        device: DEVICE,
        through: 12,
        hash: Some([3; 32]),
        beyond,
        started,
    }
}

/// A node with everything, three messages, one of them still waiting.
fn node(dir: &Path) -> Storage {
    let (storage, _) = open(dir);
    let control = Item::Refresh { session: SESSION, epoch: 1, commit: vec![1; 40].into() };
    let session = SessionRow {
        account: ME,
        peer: PEER,
        session: SESSION,
        creator: ME,
        created: UnixMillis(1),
        confirmed: true,
        rank: 1,
        followed: None,
    };
    let messenger = [
        rows::Change::PutDevice(DeviceRow { account: ME, device: DEVICE, created: UnixMillis(1) }),
        rows::Change::PutContact(contact()),
        rows::Change::PutConversation(conversation()),
        rows::Change::PutChain(chain()),
        rows::Change::PutSession(session),
        rows::Change::PutOutbox(Box::new(OutboxRow {
            account: ME,
            conversation: CHAT,
            order: 1,
            what: Waiting::Control { item: control },
            since: UnixMillis(1),
            parcel: None,
            again: false,
        })),
    ];
    let mut changes: Vec<Change> = messenger.into_iter().map(Change::Messenger).collect();
    changes.extend([put_value(b"ratchet", Some(vec![1; 70_000])), put_outbox(3, "three")]);
    changes.extend([put_message(1, "one"), put_message(2, &"two".repeat(5_000)), put_message(3, "three")]);
    write(&storage, changes).expect("written");
    storage
}

#[test]
fn an_export_restores_the_person_on_a_new_device() {
    let dir = tempfile::tempdir().expect("a directory");
    let storage = node(dir.path());
    assert_eq!(storage.export_age(), None);
    let exported = storage.export().expect("exported");
    assert!(storage.export_age().is_some());
    let before = storage.reader().history(ME, CHAT, None, 10).expect("read");
    storage.close();
    assert_eq!(exported.bytes, fs::metadata(&exported.path).expect("there").len());
    fs::remove_dir_all(dir.path().join("db")).expect("removed");

    let (storage, report) = open(dir.path());
    let restored = report.restored.expect("restored");
    assert_eq!((restored.exported, restored.rows), (exported.created, exported.rows));
    assert_eq!(restored.messages, 3);
    let snapshot = storage.reader().messenger_snapshot(ME).expect("read");
    assert_eq!(snapshot.contacts.values().collect::<Vec<_>>(), [&contact()]);
    assert_eq!(snapshot.chains.values().collect::<Vec<_>>(), [&chain()], "nothing is shown twice");
    assert_eq!(snapshot.conversations.values().collect::<Vec<_>>(), [&conversation()]);
    assert_eq!(snapshot.outbox.len(), 1, "what waits still waits");
    let waiting = snapshot.outbox.values().next().expect("one");
    assert_eq!(waiting.what, Waiting::Content { content: content(3, "three"), sealed: None });
    assert_eq!(waiting.parcel, None, "parcels are of the other device");
    assert_eq!((snapshot.device, snapshot.sessions.len(), snapshot.session_values.len()), (None, 0, 0));
    assert_eq!(storage.reader().history(ME, CHAT, None, 10), Ok(before));
    assert_eq!(storage.reader().own_range(ME, CHAT, DEVICE, 1, 9).expect("read").len(), 3);
    write(&storage, vec![put_message(4, "four")]).expect("written");
    storage.close();
    let (_, report) = open(dir.path());
    assert_eq!(report.restored, None, "restored once");
}

#[test]
fn a_restore_lets_nobody_in_again_who_was_put_out_meanwhile() {
    let dir = tempfile::tempdir().expect("a directory");
    let storage = node(dir.path());
    let (account, address, role) = (ME, [7; 20], WebRole::Owner);
    let (label, added) = ("stolen since".to_owned(), UnixMillis(1));
    let wallet = WalletRow { account, address, role, label, added, added_by: None };
    write(&storage, vec![Change::Access(AccessChange::PutWallet(wallet))]).expect("written");
    storage.export().expect("exported");
    write(&storage, vec![Change::Access(AccessChange::RemoveWallet { account, address })]).expect("written");
    storage.close();
    fs::remove_dir_all(dir.path().join("db")).expect("removed");
    let (storage, report) = open(dir.path());
    assert!(report.restored.is_some());
    assert_eq!(storage.reader().access(), Ok(AccessRows::default()));
}

#[test]
fn an_export_beside_the_writer_counts_nothing_as_received_that_it_lacks() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let received = |number: u64| {
        let chain = ChainRow { through: number, ..chain() };
        vec![put_message(number, "text"), Change::Messenger(rows::Change::PutChain(chain))]
    };
    write(&storage, received(1)).expect("written");
    std::thread::scope(|scope| {
        let export = scope.spawn(|| {
            for _ in 0..10 {
                storage.export().expect("exported");
            }
        });
        let mut number = 1;
        while !export.is_finished() {
            number += 1;
            write(&storage, received(number)).expect("written");
        }
    });
    storage.close();
    fs::remove_dir_all(dir.path().join("db")).expect("removed");
    let (storage, _) = open(dir.path());
    let snapshot = storage.reader().messenger_snapshot(ME).expect("read");
    let through = snapshot.chains.values().next().expect("one").through;
    for number in 1..=through {
        let row = storage.reader().message(ME, CHAT, Hlc(number << 16), msg_id(number)).expect("read");
        assert!(row.is_some(), "message {number} of {through}");
    }
}

#[test]
fn a_damaged_export_is_set_aside_and_never_half_used() {
    let dir = tempfile::tempdir().expect("a directory");
    node(dir.path()).export().expect("exported");
    fs::remove_dir_all(dir.path().join("db")).expect("removed");
    let path = dir.path().join("export/latest.pc2x");
    let whole = fs::read(&path).expect("readable");
    for place in (0..whole.len()).step_by(whole.len() / 25) {
        let copy = tempfile::tempdir().expect("a directory");
        copy_dir(dir.path(), copy.path());
        let mut bytes = whole.clone();
        if place % 2 == 0 {
            bytes[place] ^= 4;
        } else {
            bytes.truncate(place);
        }
        fs::write(copy.path().join("export/latest.pc2x"), bytes).expect("written");
        match Storage::open(copy.path(), &key(), &options()) {
            Ok((storage, report)) => {
                assert_eq!(report.restored, None);
                assert!(report.created && report.damaged_export.expect("set aside").exists());
                assert_eq!(storage.reader().history(ME, CHAT, None, 10), Ok(vec![]));
            }
            Err(error) => assert!(place < 120, "only the header says whose it is: {error}"),
        }
    }
}

#[test]
fn another_identity_is_refused_and_nothing_is_touched() {
    let dir = tempfile::tempdir().expect("a directory");
    let storage = node(dir.path());
    storage.export().expect("exported");
    storage.close();
    let other = StorageKey::new(Zeroizing::new([8; 32]));
    let listing = || {
        let mut files: Vec<_> =
            walk(dir.path()).into_iter().filter(|(path, _)| !path.ends_with("lock")).collect();
        files.sort();
        files
    };
    let before = listing();
    let refused = Storage::open(dir.path(), &other, &options());
    assert!(matches!(refused, Err(OpenError::OtherIdentity)));
    assert_eq!(listing(), before);
    fs::remove_dir_all(dir.path().join("db")).expect("removed");
    let refused = Storage::open(dir.path(), &other, &options());
    assert!(matches!(refused, Err(OpenError::OtherIdentity)), "the export belongs to somebody as well");
}

/// Paths with contents.
fn walk(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            let bytes = fs::read(&path).expect("readable");
            files.push((path, bytes));
        }
    }
    files
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("db")).expect("made");
    fs::write(dir.path().join("db/db"), b"somebody's").expect("written");
    let refused = Storage::open(dir.path(), &key(), &options());
    assert!(matches!(refused, Err(OpenError::NotOurs { .. })));
    assert_eq!(fs::read(dir.path().join("db/db")).expect("readable"), b"somebody's");
    let file = dir.path().join("file");
    fs::write(&file, b"").expect("written");
    assert!(matches!(Storage::open(&file, &key(), &options()), Err(OpenError::Unreadable { .. })));
}

#[test]
fn one_directory_serves_one_storage_at_a_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let refused = Storage::open(dir.path(), &key(), &options()).map(|_| ()).expect_err("in use");
    assert_eq!(
        refused.to_string(),
        format!("another PC2 (process {}) uses this directory", std::process::id())
    );
    assert_eq!(storage.reader().profile(NodeId::from_bytes([1; 32])), Ok(None));
    storage.close();
    open(dir.path());
}
