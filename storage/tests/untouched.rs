//! Whether an identity was used: what a node writes by itself does not count, what a person or a peer began does.

mod common;

use common::{ME, PEER, open, put_message, write};
use pc2_protocols::{
    dht::{self, PublishedRow},
    id::RecordKey,
    identity::ProfileRow,
    messenger::rows::{self, DeviceRow},
    net::Peer,
    record::card_key,
    time::UnixMillis,
};
use pc2_storage::{AccessChange, Change, SecurityEvent, SecurityRow, WalletRow, WebRole};

fn published(key: RecordKey) -> Change {
    Change::Dht(dht::Change::PutPublished(PublishedRow { key, record: vec![1], confirmed: None }))
}

#[test]
fn what_a_node_writes_by_itself_is_no_use_of_an_identity() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let device = DeviceRow { account: ME, device: common::DEVICE, created: UnixMillis(1) };
    let entry =
        SecurityRow { account: ME, number: 1, at: UnixMillis(1), by: None, event: SecurityEvent::LinkUsed };
    let by_itself = vec![
        Change::Messenger(rows::Change::PutDevice(device)),
        published(card_key(ME)),
        Change::Profile(ProfileRow { account: ME, name: "Ann".into(), since: UnixMillis(1) }),
        Change::Routing(vec![Peer { node: PEER, addresses: Vec::new() }]),
        Change::Access(AccessChange::PutSecurity(entry)),
    ];
    write(&storage, by_itself).expect("written");
    assert!(storage.reader().untouched(ME).expect("read"));
}

#[test]
fn a_message_a_value_of_ones_own_or_a_wallet_is() {
    let wallet = WalletRow {
        account: ME,
        address: [1; 20],
        role: WebRole::Member,
        label: String::new(),
        added: UnixMillis(1),
        added_by: None,
    };
    let uses =
        [put_message(1, "hello"), published(card_key(PEER)), Change::Access(AccessChange::PutWallet(wallet))];
    for used in uses {
        let dir = tempfile::tempdir().expect("a directory");
        let (storage, _) = open(dir.path());
        write(&storage, vec![used.clone()]).expect("written");
        assert!(!storage.reader().untouched(ME).expect("read"), "{used:?}");
    }
}
