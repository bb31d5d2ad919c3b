//! Data directories with a past: rows written as the node itself writes them, before the node is started on them.

use pc2_protocols::{
    crypto::{keys::IdentityKeys, keystore::IdentityFile, sign::Signer},
    dht::{self, HeldRow},
    id::{ConversationId, DeviceId, MsgId},
    limits,
    mailbox::{
        self,
        deposit::{self, Deposit},
        keys,
        rows::HeldRow as HeldEnvelope,
    },
    messenger::{
        content::{Body, Content, Hlc},
        rows::{self, ContactRow, MessageRow, MessageState, Standing},
    },
    net::Prefix,
    record::{Draft, Kind, Record},
    time::UnixMillis,
};
use pc2_storage::{Change, Options, Storage};
use std::{
    fs,
    path::Path,
    sync::mpsc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use zeroize::Zeroizing;

/// Rows handed to the writer at once.
const BATCH: usize = 200;

/// Bytes of each held value: about those of a card.
const VALUE_BYTES: usize = 1_500;

/// A node that holds this many records of as many owners.
pub(crate) fn records(data: &Path, count: u32) {
    let now = now();
    let changes = (0..count).map(|n| {
        let owner = stranger(n);
        let draft = Draft {
            kind: Kind::Value,
            salt: b"bench".to_vec(),
            seq: 1,
            not_before: now,
            expires: now.after(limits::RECORD_LIFETIME),
            payload: Some(vec![0x5a; VALUE_BYTES]),
        };
        let record = Record::sign(&owner, draft).expect("within its limits");
        Change::Dht(dht::Change::PutHeld(HeldRow {
            key: record.key(),
            lease_until: now.after(Duration::from_secs(24 * 3_600)),
            source: owner.node(),
            prefix: Prefix::Local,
            record: record.into_bytes(),
        }))
    });
    write(data, changes);
}

/// A node that holds these envelopes for others.
pub(crate) fn envelopes(data: &Path, deposits: impl Iterator<Item = (Deposit, Vec<u8>)>) {
    let now = now();
    let changes = deposits.map(|(deposit, bytes)| {
        Change::Mailbox(mailbox::rows::Change::PutHeld(HeldEnvelope {
            address: deposit.address,
            id: deposit.id,
            digest: deposit::digest(&deposit.sealed),
            deposit: bytes,
            week: keys::week_of(now),
            depositor: Some([0x44; 32]),
            until: now.after(limits::MAILBOX_LIFETIME),
            source: stranger(0).node(),
            prefix: Prefix::Local,
        }))
    });
    write(data, changes);
}

/// A node with one contact and a long conversation.
pub(crate) fn history(data: &Path, count: u64) {
    let account = keys(data).node();
    let peer = stranger(0).node();
    let conversation = ConversationId::direct(peer);
    let start = now().before(Duration::from_secs(365 * 24 * 3_600));
    let contact = ContactRow {
        account,
        peer,
        standing: Standing::Accepted,
        alias: Some("Archive".to_owned()),
        name: None,
        addresses: Vec::new(),
        invitation: None,
        request: None,
        before_block: None,
        since: start,
        passes: Vec::new(),
        given: 0,
        given_pins: Vec::new(),
        passes_as_of: Hlc::default(),
        told: None,
        name_as_of: Hlc::default(),
        receipts: None,
    };
    let contact = Change::Messenger(rows::Change::PutContact(contact));
    let messages = (1..=count).map(|n| {
        let stored = start.after(Duration::from_secs(n * 300));
        let content = Content {
            id: MsgId::from_bytes(u128::from(n).to_be_bytes()),
            device: DeviceId::from_bytes([1; 16]),
            seq: n,
            prev_hash: [0; 32],
            parents: Vec::new(),
            hlc: Hlc::default().next(stored),
            body: Body::Text {
                text: format!("message {n}, as long as people write them on average"),
                reply_to: None,
            },
            lasts: None,
        };
        let row = MessageRow {
            account,
            conversation,
            sender: peer,
            content,
            state: MessageState::Received,
            stored,
            chain_broken: false,
        };
        Change::Messenger(rows::Change::PutMessage(Box::new(row)))
    });
    write(data, std::iter::once(contact).chain(messages));
}

/// Writes through the node's own writer, and waits until all is durable.
fn write(data: &Path, changes: impl Iterator<Item = Change>) {
    let (storage, _) =
        Storage::open(data, &keys(data).storage_key(), &Options::default()).expect("the directory opens");
    let writer = storage.writer();
    let mut changes = changes.peekable();
    while changes.peek().is_some() {
        let batch: Vec<Change> = changes.by_ref().take(BATCH).collect();
        let (done, durable) = mpsc::channel();
        writer
            .submit(batch, move |result| done.send(result).expect("somebody waits"))
            .expect("one batch at a time always fits");
        durable.recv().expect("the writer answers").expect("the disk takes it");
    }
    storage.close();
}

fn keys(data: &Path) -> IdentityKeys {
    let text = fs::read(data.join("identity.json")).expect("an identity was made");
    let file: IdentityFile = serde_json::from_slice(&text).expect("it is an identity file");
    file.open(None).expect("it is not sealed")
}

fn stranger(n: u32) -> Signer {
    let mut seed = Zeroizing::new([0x11; 64]);
    seed[..4].copy_from_slice(&n.to_be_bytes());
    IdentityKeys::from_seed(seed).signer()
}

/// The time, as nodes count it.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    UnixMillis(u64::try_from(since.as_millis()).expect("for half a billion years"))
}
