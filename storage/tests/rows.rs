//! What is written is read back, whole, in order, after a restart too.

mod common;

use common::*;
use pc2_protocols::{
    dht::{self, HeldRow, HeldSummary, PublishedRow},
    id::RecordKey,
    identity::ProfileRow,
    messenger::{
        content::Hlc,
        rows::{self, MessageState},
    },
    net::{Peer, Prefix},
    time::UnixMillis,
};
use pc2_storage::{
    AccessChange, AccessRows, ApiKeyRow, Change, SecurityEvent, SecurityRow, Storage, WalletRow, WebRole,
    WebSessionRow, WriteError,
};
use std::sync::mpsc::channel;

fn state_of(storage: &Storage, number: u64) -> MessageState {
    let row = storage.reader().message(ME, CHAT, Hlc(number << 16), msg_id(number)).expect("read");
    row.expect("stored").state
}

#[test]
fn rows_of_all_kinds_survive_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, report) = open(dir.path());
    assert!(report.created);
    let held = HeldRow {
        key: RecordKey::from_bytes([8; 32]),
        record: vec![1; 8 * 1024],
        lease_until: UnixMillis(5),
        source: PEER,
        prefix: Prefix::Local,
    };
    let published =
        PublishedRow { key: RecordKey::from_bytes([9; 32]), record: vec![2; 300], confirmed: None };
    let profile = ProfileRow { account: ME, name: "Ada".into(), since: UnixMillis(3) };
    let web = WebSessionRow {
        token_hash: [6; 32],
        account: ME,
        label: "Firefox".into(),
        created: UnixMillis(1),
        expires: UnixMillis(2),
        last_seen: UnixMillis(1),
        wallet: Some([7; 20]),
    };
    let wallet = WalletRow {
        account: ME,
        address: [7; 20],
        role: WebRole::Admin,
        label: "Ledger".into(),
        added: UnixMillis(1),
        added_by: None,
    };
    let key = ApiKeyRow {
        key_hash: [5; 32],
        account: ME,
        label: "bot".into(),
        scopes: vec!["chat:read".into()],
        created: UnixMillis(1),
        expires: None,
        last_used: Some(UnixMillis(2)),
    };
    let entry = |number| SecurityRow {
        account: ME,
        number,
        at: UnixMillis(1),
        by: Some([7; 20]),
        event: SecurityEvent::WalletAdded([7; 20], WebRole::Member),
    };
    let peer = |address: &str| Peer {
        node: PEER,
        addresses: vec![address.to_owned().try_into().expect("an address")],
    };
    let gone = Peer { node: ME, addresses: vec![] };
    write(
        &storage,
        vec![
            Change::Dht(dht::Change::PutHeld(held.clone())),
            Change::Dht(dht::Change::PutPublished(published.clone())),
            Change::Profile(profile.clone()),
            Change::Access(AccessChange::PutSession(web.clone())),
            Change::Access(AccessChange::PutWallet(wallet.clone())),
            Change::Access(AccessChange::PutKey(key.clone())),
            Change::Access(AccessChange::PutSecurity(entry(2))),
            Change::Access(AccessChange::PutSecurity(entry(256))),
            Change::Routing(vec![gone, peer("/ip4/10.0.0.1")]),
        ],
    )
    .expect("written");
    write(&storage, vec![Change::Routing(vec![peer("/ip4/10.0.0.2")])]).expect("written");
    storage.close();

    let (storage, report) = open(dir.path());
    assert_eq!(report, pc2_storage::OpenReport::default());
    let reader = storage.reader();
    let snapshot = reader.dht_snapshot().expect("read");
    assert_eq!((snapshot.held, snapshot.published), (vec![HeldSummary::of(&held)], vec![published]));
    assert_eq!(reader.held_record(held.key), Ok(Some(held.record)));
    assert_eq!(reader.profile(ME), Ok(Some(profile)));
    let access = AccessRows {
        sessions: vec![web],
        wallets: vec![wallet],
        keys: vec![key],
        log: vec![entry(2), entry(256)],
    };
    assert_eq!(reader.access(), Ok(access));
    assert_eq!(reader.routing(), Ok(vec![peer("/ip4/10.0.0.2")]));
    assert!(storage.verify().expect("whole") >= 5);
}

#[test]
fn history_is_paged_from_the_newest_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    write(&storage, (1..=7).map(|number| put_message(number, "text")).collect()).expect("written");
    let reader = storage.reader();
    let numbers = |before, limit| -> Vec<u64> {
        let page = reader.history(ME, CHAT, before, limit).expect("read");
        page.iter().map(|row| row.content.seq).collect()
    };
    assert_eq!(numbers(None, 3), [7, 6, 5]);
    assert_eq!(numbers(Some((Hlc(5 << 16), msg_id(5))), 3), [4, 3, 2]);
    assert_eq!(numbers(Some((Hlc(1 << 16), msg_id(1))), 3), [0; 0]);
    assert_eq!(numbers(None, 1_000).len(), 7);
    let other = pc2_protocols::id::ConversationId::direct(ME);
    assert_eq!(reader.history(ME, other, None, 10), Ok(vec![]));
    assert_eq!(reader.history(PEER, CHAT, None, 10), Ok(vec![]));
}

#[test]
fn a_chain_is_read_by_number_with_what_exists_of_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    write(&storage, [2, 3, 5, 9].map(|number| put_message(number, "text")).to_vec()).expect("written");
    let rows = storage.reader().own_range(ME, CHAT, DEVICE, 1, 5).expect("read");
    assert_eq!(rows.iter().map(|row| row.content.seq).collect::<Vec<_>>(), [2, 3, 5]);
    assert_eq!(storage.reader().own_range(ME, CHAT, DEVICE, 6, 5), Ok(vec![]));
}

#[test]
fn a_state_change_sees_the_message_written_just_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let (done, wait) = channel();
    for changes in [vec![put_message(1, "text")], vec![set_state(1, MessageState::Delivered)]] {
        let done = done.clone();
        let submitted =
            storage.writer().submit(changes, move |result| done.send(result).expect("the test waits"));
        submitted.expect("room");
    }
    assert_eq!((wait.recv(), wait.recv()), (Ok(Ok(())), Ok(Ok(()))));
    assert_eq!(state_of(&storage, 1), MessageState::Delivered);
    write(&storage, vec![put_message(2, "text"), set_state(2, MessageState::Read)]).expect("written");
    assert_eq!(state_of(&storage, 2), MessageState::Read);
}

#[test]
fn a_state_never_goes_back_but_from_a_mailbox_that_lost_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    write(&storage, vec![put_message(1, "text")]).expect("written");
    for (state, then) in [
        (MessageState::Stored, MessageState::Stored),
        (MessageState::Waiting, MessageState::Waiting),
        (MessageState::Stored, MessageState::Stored),
        (MessageState::NotDelivered, MessageState::NotDelivered),
        (MessageState::Read, MessageState::Read),
        (MessageState::Delivered, MessageState::Read),
        (MessageState::NotDelivered, MessageState::Read),
        (MessageState::Stored, MessageState::Read),
        (MessageState::Waiting, MessageState::Read),
    ] {
        write(&storage, vec![set_state(1, state)]).expect("written");
        assert_eq!(state_of(&storage, 1), then);
    }
    write(&storage, vec![set_state(2, MessageState::Read)]).expect("nothing to do");
    assert_eq!(storage.reader().message(ME, CHAT, Hlc(2 << 16), msg_id(2)), Ok(None));
}

#[test]
fn a_message_that_is_there_is_never_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    write(&storage, vec![put_message(1, "first"), put_message(1, "second")]).expect("written");
    write(&storage, vec![put_message(1, "third")]).expect("written");
    assert_eq!(storage.reader().history(ME, CHAT, None, 10), Ok(vec![message(1, "first")]));
    assert_eq!(storage.reader().own_range(ME, CHAT, DEVICE, 1, 1), Ok(vec![message(1, "first")]));
}

#[test]
fn values_of_any_size_are_replaced_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    for size in [200_000, 3, 70_000, 0, 6_144, 6_145, 65_536, 32_768, 40] {
        let value: Vec<u8> = (0..size).map(|place: u32| place.to_le_bytes()[place as usize % 3]).collect();
        write(&storage, vec![put_value(b"name", Some(value.clone()))]).expect("written");
        let snapshot = storage.reader().messenger_snapshot(ME).expect("read");
        assert_eq!(snapshot.session_values.get(&(Some(SESSION), b"name".to_vec())), Some(&value), "{size}");
    }
    write(&storage, vec![put_value(b"name", None)]).expect("written");
    assert!(storage.reader().messenger_snapshot(ME).expect("read").session_values.is_empty());
}

#[test]
fn a_row_that_is_too_large_fails_its_own_batch_only() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let (done, wait) = channel();
    let large = vec![put_message(2, "gone with its batch"), put_message(3, &"x".repeat(70_000))];
    for changes in [vec![put_message(1, "text")], large, vec![put_message(4, "text")]] {
        let done = done.clone();
        let submitted =
            storage.writer().submit(changes, move |result| done.send(result).expect("the test waits"));
        submitted.expect("room");
    }
    let results: Vec<_> = wait.iter().take(3).collect();
    assert!(matches!(results[..], [Ok(()), Err(WriteError::TooLarge { .. }), Ok(())]), "{results:?}");
    let page = storage.reader().history(ME, CHAT, None, 10).expect("read");
    assert_eq!(page.iter().map(|row| row.content.seq).collect::<Vec<_>>(), [4, 1]);
}

#[test]
fn a_closed_storage_answers_and_refuses() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let (writer, reader) = (storage.writer(), storage.reader());
    storage.close();
    assert_eq!(reader.profile(ME), Err(pc2_storage::ReadError::Closed));
    assert_eq!(writer.submit(vec![], |_| {}), Err(pc2_storage::QueueFull));
    writer.barrier();
    open(dir.path());
}

#[test]
fn neither_texts_nor_secrets_nor_names_are_legible_on_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let invitation =
        rows::InvitationRow { account: ME, token: b"SECRET-TOKEN".to_vec(), expires: UnixMillis(1) };
    write(
        &storage,
        vec![
            put_message(1, "SECRET-TEXT"),
            put_outbox(1, "SECRET-TEXT"),
            put_value(b"SECRET-NAME", Some(b"SECRET-RATCHET".to_vec())),
            Change::Messenger(rows::Change::PutInvitation(invitation)),
        ],
    )
    .expect("written");
    storage.export().expect("exported");
    storage.close();
    for file in ["db/db", "export/latest.pc2x"] {
        let bytes = std::fs::read(dir.path().join(file)).expect("there");
        assert!(!bytes.windows(7).any(|window| window == b"SECRET-"), "{file}");
    }
}
