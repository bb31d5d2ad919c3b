//! File transfers, the rules and the rates: kept, changed, forgotten, and in the export.

mod common;

use common::*;
use pc2_protocols::{
    blob::BlobSize,
    files::{
        offer::{FileOffer, Offered},
        rows::{AutoRow, Change as Files, Decided, Rates, RatesRow, Snapshot, TransferId, TransferRow},
    },
    id::{BlobId, NodeId, OfferId},
    messenger::{content::Body, rows},
    time::UnixMillis,
};
use pc2_storage::{Change, Storage};

const OTHER: NodeId = NodeId::from_bytes([7; 32]);

fn offer(number: u8) -> FileOffer {
    let what = Offered::File {
        name: "a.bin".to_owned(),
        mime: String::new(),
        blob: BlobId::from_bytes([number; 32]),
        size: BlobSize::EMPTY,
    };
    FileOffer { id: OfferId::from_bytes([number; 16]), made: UnixMillis(1), what, holders: vec![] }
}

fn transfer(account: NodeId, id: TransferId, number: u8) -> TransferRow {
    TransferRow {
        account,
        id,
        offer: offer(number),
        since: UnixMillis(1),
        expires: UnixMillis(2),
        order: number.into(),
        decided: Decided::Wanted { paused: false },
        ended: None,
        folder: None,
        liars: vec![],
        owed: None,
        have: None,
    }
}

fn put(row: &TransferRow) -> Change {
    Change::Files(Files::PutTransfer(Box::new(row.clone())))
}

fn snapshot(storage: &Storage) -> Snapshot {
    storage.reader().files_snapshot(ME).expect("read")
}

#[test]
fn an_offers_id_names_one_transfer_with_each_person_and_each_way() {
    let dir = tempfile::tempdir().expect("a directory");
    let offer = OfferId::from_bytes([1; 16]);
    let ids = [
        TransferId::incoming(PEER, offer),
        TransferId::outgoing(PEER, offer),
        TransferId::incoming(OTHER, offer),
    ];
    let (storage, _) = open(dir.path());
    let rows = ids.map(|id| transfer(ME, id, 1));
    let of_somebody_else = transfer(OTHER, ids[0], 1);
    write(&storage, rows.iter().chain([&of_somebody_else]).map(put).collect()).expect("written");
    let auto = AutoRow { account: ME, peer: PEER, max_bytes: 5 };
    let rates = Rates { down: Some(1), up: None };
    let rules = [Files::PutAuto(auto), Files::PutRates(RatesRow { account: ME, rates })];
    write(&storage, rules.map(Change::Files).to_vec()).expect("written");
    storage.close();

    let (storage, _) = open(dir.path());
    let found = snapshot(&storage);
    assert_eq!(found.transfers.into_values().collect::<Vec<_>>().len(), 3);
    assert_eq!((found.auto.get(&PEER), found.rates), (Some(&auto), rates));
    let removals =
        [Files::RemoveTransfer { account: ME, id: ids[0] }, Files::RemoveAuto { account: ME, peer: PEER }];
    write(&storage, removals.map(Change::Files).to_vec()).expect("written");
    let left: Vec<TransferId> = snapshot(&storage).transfers.into_keys().collect();
    assert_eq!(left.len(), 2);
    assert!(!left.contains(&ids[0]));
    storage.export().expect("exported");
    storage.close();

    // Damage: restored from the export, transfers included.
    std::fs::write(dir.path().join("db/db"), b"nothing of it").expect("written");
    let (storage, report) = open(dir.path());
    assert!(report.restored.is_some());
    assert_eq!(snapshot(&storage).transfers.into_keys().collect::<Vec<_>>(), left);
}

#[test]
fn offers_that_came_shortly_before_the_end_are_found_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let written = (1..=6_u8).map(|number| {
        let mut row = message(number.into(), "x");
        // Two texts, an offer of our own, three of theirs.
        row.sender = if number == 4 { ME } else { PEER };
        if number > 2 {
            row.content.body = Body::File { offer: Box::new(offer(number)) };
        }
        Change::Messenger(rows::Change::PutMessage(Box::new(row)))
    });
    write(&storage, written.collect()).expect("written");
    let late = |since| storage.reader().late_offers(ME, CHAT, UnixMillis(since)).expect("read");
    assert_eq!(late(0), [(PEER, offer(3)), (PEER, offer(5)), (PEER, offer(6))]);
    assert_eq!(late(6), [(PEER, offer(6))]);
    assert_eq!(late(7), []);
}
