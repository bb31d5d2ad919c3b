//! Envelopes, tombstones, parcels and what is lent: kept, changed, and in the export where they belong.

mod common;

use common::*;
use pc2_protocols::{
    id::{EnvelopeId, MailboxAddress, NodeId},
    level::{Level, LevelChoice},
    limits,
    mailbox::{
        EnvelopeKey,
        pin::PinnedMailbox,
        rows::{
            Change as Mailbox, HeldRow, HeldSummary, ParcelRow, ParcelSummary, PinRow, PinState, ServedRow,
            Snapshot, TombstoneRow,
        },
        wire::Refusal,
    },
    net::{Prefix, RelayShare},
    relay::{self, ContributionRow, Shares},
    time::UnixMillis,
};
use pc2_storage::{Change, Storage};

const BOX: MailboxAddress = MailboxAddress::from_bytes([8; 32]);

fn envelope(number: u8) -> EnvelopeId {
    EnvelopeId::from_bytes([number; 16])
}

fn key_of(number: u8) -> EnvelopeKey {
    EnvelopeKey { address: BOX, id: envelope(number) }
}

/// As large as a deposit may be.
fn held(number: u8) -> HeldRow {
    HeldRow {
        address: BOX,
        id: envelope(number),
        deposit: vec![number; 62 * 1024],
        digest: [number; 32],
        depositor: Some([3; 32]),
        until: UnixMillis(5),
        source: PEER,
        prefix: Prefix::V4([192, 0, 2]),
        week: 2_976,
    }
}

fn pin() -> PinRow {
    let state = PinState::Refused { reason: Refusal::NotServed };
    PinRow { account: ME, holder: PEER, since: UnixMillis(1), state, answered: Some(UnixMillis(2)) }
}

fn served() -> ServedRow {
    let mailboxes = vec![PinnedMailbox { week: 2_976, mailbox: [6; 32] }; limits::MAX_PINNED_MAILBOXES];
    ServedRow { account: ME, node: PEER, since: UnixMillis(1), stated: None, mailboxes }
}

fn parcel(number: u8, receipts: Vec<(NodeId, UnixMillis)>) -> ParcelRow {
    ParcelRow {
        account: ME,
        id: envelope(number),
        node: PEER,
        address: BOX,
        deposit: vec![number; 62 * 1024],
        since: UnixMillis(3),
        receipts,
        pinned: vec![PEER; limits::MAX_PINS],
    }
}

fn tombstone() -> TombstoneRow {
    TombstoneRow { address: BOX, id: envelope(9), ack: vec![1; 300], until: UnixMillis(7) }
}

fn contribution() -> ContributionRow {
    let relay = RelayShare {
        reservations: 1,
        circuits: 2,
        circuit_bytes: 3,
        circuit_seconds: 4,
        bytes_per_second: 5,
    };
    ContributionRow {
        choice: LevelChoice::Fixed(Level::Client),
        shares: Shares { relay, mailbox_bytes: 1 << 30 },
    }
}

fn mailbox(storage: &Storage, changes: Vec<Mailbox>) {
    write(storage, changes.into_iter().map(Change::Mailbox).collect()).expect("written");
}

fn receipts(count: u8) -> Vec<(NodeId, UnixMillis)> {
    (0..count).map(|number| (NodeId::from_bytes([number; 32]), UnixMillis(u64::MAX))).collect()
}

#[test]
fn rows_of_mailbox_and_relay_survive_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    assert_eq!(storage.reader().mailbox_snapshot(), Ok(Snapshot::default()));
    assert_eq!(storage.reader().contribution(), Ok(None));
    mailbox(
        &storage,
        vec![
            Mailbox::PutHeld(held(1)),
            Mailbox::PutHeld(held(2)),
            Mailbox::PutTombstone(tombstone()),
            Mailbox::PutParcel(parcel(4, receipts(2))),
            Mailbox::PutPin(pin()),
            Mailbox::PutServed(served()),
        ],
    );
    let first = ContributionRow { choice: LevelChoice::Auto, ..contribution() };
    for row in [first, contribution()] {
        write(&storage, vec![Change::Relay(relay::Change::PutContribution(row))]).expect("written");
    }
    storage.close();

    let (storage, report) = open(dir.path());
    assert_eq!(report, pc2_storage::OpenReport::default());
    let reader = storage.reader();
    let expected = Snapshot {
        held: vec![HeldSummary::of(&held(1)), HeldSummary::of(&held(2))],
        tombstones: vec![tombstone()],
        parcels: vec![ParcelSummary::of(&parcel(4, receipts(2)))],
        pins: vec![pin()],
        served: vec![served()],
    };
    assert_eq!(reader.mailbox_snapshot(), Ok(expected));
    let asked = [key_of(2), key_of(7), key_of(1)];
    assert_eq!(reader.held_envelopes(&asked), Ok(vec![held(2).deposit, held(1).deposit]));
    assert_eq!(reader.parcel(ME, envelope(4)), Ok(Some(parcel(4, vec![]).deposit)));
    assert_eq!(reader.parcel(PEER, envelope(4)), Ok(None), "of another account");
    assert_eq!(reader.contribution(), Ok(Some(contribution())), "the last one");
    assert_eq!(storage.verify(), Ok(7));

    mailbox(
        &storage,
        vec![
            Mailbox::RemoveHeld(key_of(1)),
            Mailbox::RemoveHeld(key_of(2)),
            Mailbox::RemoveTombstone(key_of(9)),
            Mailbox::RemoveParcel { account: ME, id: envelope(4) },
            Mailbox::RemovePin { account: ME, holder: PEER },
            Mailbox::RemoveServed { account: ME, node: PEER },
        ],
    );
    assert_eq!(storage.reader().mailbox_snapshot(), Ok(Snapshot::default()));
}

#[test]
fn receipts_are_replaced_and_the_bytes_of_the_parcel_stay() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let set =
        |number, count| Mailbox::SetReceipts { account: ME, id: envelope(number), receipts: receipts(count) };
    // Those of two whole sets of holders are the most that are kept; together with the largest deposit they fit into a row.
    mailbox(&storage, vec![Mailbox::PutParcel(parcel(1, vec![])), set(1, 1), set(1, 24)]);
    let reader = storage.reader();
    let summary = ParcelSummary::of(&parcel(1, receipts(24)));
    assert_eq!(reader.mailbox_snapshot().expect("read").parcels, [summary]);
    assert_eq!(reader.parcel(ME, envelope(1)), Ok(Some(parcel(1, vec![]).deposit)));
}

#[test]
fn receipts_of_a_parcel_that_was_withdrawn_change_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let late = Mailbox::SetReceipts { account: ME, id: envelope(1), receipts: receipts(3) };
    mailbox(&storage, vec![late.clone()]);
    let withdrawn = Mailbox::RemoveParcel { account: ME, id: envelope(1) };
    mailbox(&storage, vec![Mailbox::PutParcel(parcel(1, vec![])), withdrawn, late]);
    assert_eq!(storage.reader().mailbox_snapshot(), Ok(Snapshot::default()));
    assert_eq!(storage.reader().parcel(ME, envelope(1)), Ok(None));
}

#[test]
fn an_export_has_own_parcels_and_choices_and_nothing_held_for_others() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    mailbox(
        &storage,
        vec![
            Mailbox::PutHeld(held(1)),
            Mailbox::PutTombstone(tombstone()),
            Mailbox::PutParcel(parcel(4, receipts(5))),
            Mailbox::PutPin(pin()),
            Mailbox::PutServed(served()),
        ],
    );
    write(&storage, vec![Change::Relay(relay::Change::PutContribution(contribution()))]).expect("written");
    storage.export().expect("exported");
    storage.close();
    std::fs::remove_dir_all(dir.path().join("db")).expect("removed");

    let (storage, report) = open(dir.path());
    assert_eq!(report.restored.expect("restored").rows, 4);
    let parcels = vec![ParcelSummary::of(&parcel(4, receipts(5)))];
    assert_eq!(
        storage.reader().mailbox_snapshot(),
        Ok(Snapshot { parcels, pins: vec![pin()], served: vec![served()], ..Snapshot::default() })
    );
    assert_eq!(storage.reader().contribution(), Ok(Some(contribution())));
}
