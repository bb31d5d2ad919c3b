//! Rows and small steps that the tests of storage share.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod blobs;
pub(crate) mod gather;

use pc2_protocols::{
    crypto::seal::StorageKey,
    id::{ConversationId, DeviceId, EnvelopeId, MsgId, NodeId, SessionId},
    messenger::{
        content::{Body, Content, Hlc},
        rows::{self, InParcel, MessageRow, MessageState, OutboxRow, SessionValue, Waiting},
        wire::Item,
    },
    time::UnixMillis,
};
use pc2_storage::{Change, OpenReport, Options, Storage, WriteError};
use std::{path::Path, sync::mpsc::sync_channel};
use zeroize::Zeroizing;

pub(crate) const ME: NodeId = NodeId::from_bytes([1; 32]);
pub(crate) const PEER: NodeId = NodeId::from_bytes([2; 32]);
pub(crate) const CHAT: ConversationId = ConversationId::direct(PEER);
pub(crate) const DEVICE: DeviceId = DeviceId::from_bytes([4; 16]);
pub(crate) const SESSION: SessionId = SessionId::from_bytes([5; 16]);

pub(crate) fn key() -> StorageKey {
    StorageKey::new(Zeroizing::new([7; 32]))
}

/// No ballast: most tests have nothing to do with it.
pub(crate) fn options() -> Options {
    Options { ballast_bytes: 0, ..Options::default() }
}

pub(crate) fn open(dir: &Path) -> (Storage, OpenReport) {
    Storage::open(dir, &key(), &options()).expect("opens")
}

/// Writes one batch and waits for it.
pub(crate) fn write(storage: &Storage, changes: Vec<Change>) -> Result<(), WriteError> {
    let (done, wait) = sync_channel(1);
    let callback = move |result| done.send(result).expect("the test waits");
    storage.writer().submit(changes, callback).expect("room in the queue");
    wait.recv().expect("called back")
}

pub(crate) fn msg_id(number: u64) -> MsgId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    MsgId::from_bytes(bytes)
}

pub(crate) fn content(number: u64, text: &str) -> Content {
    Content {
        id: msg_id(number),
        device: DEVICE,
        seq: number,
        prev_hash: [9; 32],
        parents: vec![],
        hlc: Hlc(number << 16),
        body: Body::Text { text: text.to_owned(), reply_to: None },
        lasts: None,
    }
}

pub(crate) fn message(number: u64, text: &str) -> MessageRow {
    MessageRow {
        account: ME,
        conversation: CHAT,
        sender: ME,
        content: content(number, text),
        state: MessageState::Waiting,
        stored: UnixMillis(number),
        chain_broken: false,
    }
}

pub(crate) fn put_message(number: u64, text: &str) -> Change {
    Change::Messenger(rows::Change::PutMessage(Box::new(message(number, text))))
}

pub(crate) fn put_value(name: &[u8], value: Option<Vec<u8>>) -> Change {
    Change::Messenger(rows::Change::PutSessionValue(SessionValue {
        account: ME,
        session: Some(SESSION),
        key: name.to_vec(),
        value: value.map(Into::into),
    }))
}

pub(crate) fn put_outbox(number: u64, text: &str) -> Change {
    let sealed = Item::Content {
        session: SESSION,
        id: msg_id(number),
        device: DEVICE,
        seq: number,
        sealed: vec![0xcc; text.len() + 64].into(),
    };
    Change::Messenger(rows::Change::PutOutbox(Box::new(OutboxRow {
        account: ME,
        conversation: CHAT,
        order: number,
        what: Waiting::Content { content: content(number, text), sealed: Some(sealed) },
        since: UnixMillis(number),
        parcel: Some(InParcel { id: EnvelopeId::from_bytes([9; 16]), week: 3, stored: true }),
        again: false,
    })))
}

pub(crate) fn set_state(number: u64, state: MessageState) -> Change {
    Change::Messenger(rows::Change::SetState {
        account: ME,
        conversation: CHAT,
        hlc: Hlc(number << 16),
        id: msg_id(number),
        state,
    })
}

/// What a message of a busy chat writes: history, outbox and an advanced ratchet of several chunks.
pub(crate) fn step(number: u64) -> Vec<Change> {
    let size = usize::try_from(number * 7_919 % 12_000).expect("small");
    let text = "x".repeat(size.max(1));
    let byte = u8::try_from(number % 251).expect("small");
    vec![
        put_message(number, &text),
        put_outbox(number, &text),
        put_value(b"ratchet", Some(vec![byte; size * 3])),
        put_value(b"step", Some(number.to_be_bytes().to_vec())),
    ]
}

/// Whether exactly the first `steps` steps are there, whole; returns the number.
pub(crate) fn steps_present(storage: &Storage) -> u64 {
    let snapshot = storage.reader().messenger_snapshot(ME).expect("read");
    let value = |name: &[u8]| snapshot.session_values.get(&(Some(SESSION), name.to_vec()));
    let Some(last) = value(b"step") else {
        assert!(snapshot.outbox.is_empty(), "half a batch");
        return 0;
    };
    let last = u64::from_be_bytes(last.as_slice().try_into().expect("eight bytes"));
    let size = usize::try_from(last * 7_919 % 12_000).expect("small");
    let byte = u8::try_from(last % 251).expect("small");
    assert_eq!(value(b"ratchet"), Some(&vec![byte; size * 3]), "ratchet of another step");
    for number in 1..=last {
        let row = storage.reader().message(ME, CHAT, Hlc(number << 16), msg_id(number)).expect("read");
        let size = usize::try_from(number * 7_919 % 12_000).expect("small");
        assert_eq!(row, Some(message(number, &"x".repeat(size.max(1)))), "message {number} of {last}");
        assert!(snapshot.outbox.contains_key(&(CHAT, number)), "outbox {number} of {last}");
    }
    assert_eq!(u64::try_from(snapshot.outbox.len()).expect("small"), last);
    let beyond = storage.reader().message(ME, CHAT, Hlc((last + 1) << 16), msg_id(last + 1)).expect("read");
    assert_eq!(beyond, None, "half a batch");
    last
}

/// Copies a directory.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("readable") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}
