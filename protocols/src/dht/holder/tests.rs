//! What a holder keeps, refuses, forgets and evicts.

use super::*;
use crate::{
    crypto::sign::Signer,
    record::{Draft, Kind},
};
use ed25519_dalek::SigningKey;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const HERE: NodeId = NodeId::from_bytes([1; 32]);
const PEER: Source = Source { node: NodeId::from_bytes([9; 32]), prefix: Prefix::V4([9; 3]) };

fn owner(n: u8) -> Signer {
    Signer::new(SigningKey::from_bytes(&[n; 32]))
}

fn value(n: u8, salt: &[u8], seq: u64, payload: &[u8]) -> Record {
    let draft = Draft {
        kind: Kind::Value,
        salt: salt.to_vec(),
        seq,
        not_before: NOW,
        expires: NOW.after(7 * DAY),
        payload: Some(payload.to_vec()),
    };
    Record::sign(&owner(n), draft).expect("a value")
}

fn empty() -> Holder {
    Holder::new(HERE, Vec::new()).0
}

fn kept(changes: &[Change]) -> Option<&HeldRow> {
    match changes.last() {
        Some(Change::PutHeld(row)) => Some(row),
        Some(_) | None => None,
    }
}

#[test]
fn a_record_is_kept_for_a_day_from_when_it_was_last_brought() {
    let mut holder = empty();
    let record = value(2, b"", 1, b"a");
    let changes = holder.put(NOW, &record, None, PEER).expect("kept");
    assert_eq!(kept(&changes).map(|row| row.lease_until), Some(NOW.after(DAY)));
    let later = NOW.after(8 * HOUR);
    let changes = holder.put(later, &record, None, PEER).expect("refreshed");
    assert_eq!(kept(&changes).map(|row| row.lease_until), Some(later.after(DAY)));
    assert!(holder.expire(later.after(DAY).before(HOUR)).is_empty());
    assert_eq!(holder.get(&record.key(), later.after(DAY)), None);
    assert_eq!(holder.expire(later.after(DAY)), vec![Change::RemoveHeld { key: record.key() }]);
    assert_eq!((holder.len(), holder.bytes()), (0, 0));
}

#[test]
fn a_lower_number_never_replaces_a_higher_one() {
    let mut holder = empty();
    holder.put(NOW, &value(2, b"", 5, b"new"), None, PEER).expect("kept");
    for seq in [1, 4] {
        let refused = holder.put(NOW, &value(2, b"", seq, b"old"), None, PEER);
        assert_eq!(refused, Err(Refusal::OlderThan { current: 5 }));
    }
    assert_eq!(holder.get(&value(2, b"", 5, b"").key(), NOW), Some(value(2, b"", 5, b"new").stamp()));
}

#[test]
fn the_same_number_with_other_bytes_is_a_conflict_and_the_first_stays() {
    let mut holder = empty();
    let first = value(2, b"", 5, b"first");
    holder.put(NOW, &first, None, PEER).expect("kept");
    assert_eq!(holder.put(NOW, &value(2, b"", 5, b"other"), None, PEER), Err(Refusal::Conflict));
    assert_eq!(holder.get(&first.key(), NOW), Some(first.stamp()));
}

#[test]
fn compare_and_swap_fails_when_there_is_one_that_the_writer_had_not_seen() {
    let mut holder = empty();
    holder.put(NOW, &value(2, b"", 5, b"a"), Some(0), PEER).expect("there was none");
    let next = value(2, b"", 6, b"b");
    assert_eq!(holder.put(NOW, &next, Some(4), PEER), Err(Refusal::CompareFailed { current: 5 }));
    assert!(holder.put(NOW, &next, Some(5), PEER).is_ok());
    assert!(holder.put(NOW, &next, Some(5), PEER).is_ok(), "asked again because the answer was lost");
    let rival = value(2, b"", 6, b"c");
    assert_eq!(holder.put(NOW, &rival, Some(5), PEER), Err(Refusal::CompareFailed { current: 6 }));
}

#[test]
fn a_holder_that_is_behind_accepts_a_swap_of_what_it_has_not_seen() {
    let mut holder = empty();
    assert!(holder.put(NOW, &value(2, b"", 6, b"b"), Some(5), PEER).is_ok());
}

#[test]
fn a_record_out_of_its_time_is_refused() {
    let mut holder = empty();
    let record = value(2, b"", 1, b"a");
    assert_eq!(holder.put(NOW.before(DAY), &record, None, PEER), Err(Refusal::NotYetValid));
    assert_eq!(holder.put(NOW.after(8 * DAY), &record, None, PEER), Err(Refusal::Expired));
    assert_eq!(holder.len(), 0);
}

#[test]
fn a_record_ends_with_its_signature_even_when_its_lease_goes_on() {
    let mut holder = empty();
    let record = value(2, b"", 1, b"a");
    let end = NOW.after(7 * DAY);
    holder.put(end, &record, None, PEER).expect("just holds");
    assert_eq!(holder.next_end(), Some(end.after(limits::CLOCK_TOLERANCE)));
}

#[test]
fn an_owner_cannot_fill_a_holder() {
    let mut holder = empty();
    for n in 0..64_u8 {
        holder.put(NOW, &value(2, &[n], 1, b"a"), None, PEER).expect("within the quota");
    }
    assert_eq!(holder.put(NOW, &value(2, b"more", 1, b"a"), None, PEER), Err(Refusal::OwnerQuota));
    assert!(holder.put(NOW, &value(2, &[0], 2, b"b"), None, PEER).is_ok(), "a newer version is none more");
    assert!(holder.put(NOW, &value(3, b"", 1, b"a"), None, PEER).is_ok(), "others are not concerned");
}

/// Fills a holder with records by hash from as many sources as needed; returns how many were kept.
fn fill(holder: &mut Holder, records: u32) -> usize {
    for n in 0..records {
        let mut payload = vec![0; limits::MAX_PAYLOAD_BYTES];
        payload[..4].copy_from_slice(&n.to_be_bytes());
        let record = Record::by_hash(payload).expect("a value");
        let [.., high, low] = n.to_be_bytes();
        let from =
            Source { node: NodeId::from_bytes([low % 16; 32]), prefix: Prefix::V4([low % 16, high, 0]) };
        match holder.put(NOW, &record, None, from) {
            Ok(_) | Err(Refusal::Full) => {}
            Err(other) => panic!("{other:?}"),
        }
        assert!(holder.bytes() <= limits::MAX_HELD_BYTES);
    }
    holder.len()
}

#[test]
fn a_full_holder_gives_up_what_is_farthest_from_it_for_what_is_nearer() {
    let mut holder = empty();
    let kept = fill(&mut holder, 9_000);
    assert!((8_000..9_000).contains(&kept), "{kept} fit into 64 MiB");
    let here = Place::of_node(HERE);
    let farthest = holder.by_distance.last().expect("full").0;
    let (mut nearer, mut farther) = (0, 0);
    for n in 9_000_u32..9_100 {
        let mut payload = vec![0; limits::MAX_PAYLOAD_BYTES];
        payload[..4].copy_from_slice(&n.to_be_bytes());
        let record = Record::by_hash(payload).expect("a value");
        let from = Source { node: NodeId::from_bytes([77; 32]), prefix: Prefix::Local };
        let limit = holder.by_distance.last().expect("full").0;
        if here.distance(&Place::of_key(&record.key())) < limit {
            let changes = holder.put(NOW, &record, None, from).expect("nearer");
            assert!(matches!(changes.as_slice(), [Change::RemoveHeld { .. }, Change::PutHeld(_)]));
            nearer += 1;
        } else {
            assert_eq!(holder.put(NOW, &record, None, from), Err(Refusal::Full));
            farther += 1;
        }
    }
    assert!(nearer > 0 && farther > 0);
    assert!(holder.by_distance.last().expect("full").0 < farthest);
}

#[test]
fn a_refresh_by_somebody_else_does_not_charge_another_source() {
    let mut holder = empty();
    let record = value(2, b"", 1, b"a");
    let direct = Source { node: owner(2).node(), prefix: Prefix::Local };
    holder.put(NOW, &record, None, direct).expect("kept");
    let changes = holder.put(NOW, &record, None, PEER).expect("refreshed");
    assert_eq!(kept(&changes).map(|row| row.source), Some(direct.node));
    let mut brought = empty();
    brought.put(NOW, &record, None, PEER).expect("kept");
    let changes = brought.put(NOW, &record, None, direct).expect("refreshed by its owner");
    assert_eq!(kept(&changes).map(|row| row.source), Some(direct.node));
}

#[test]
fn the_index_is_rebuilt_from_rows_and_damaged_ones_are_removed() {
    let mut holder = empty();
    let record = value(2, b"", 3, b"a");
    let changes = holder.put(NOW, &record, None, PEER).expect("kept");
    let row = kept(&changes).expect("a row").clone();
    let bent = HeldRow { key: RecordKey::from_bytes([5; 32]), ..row.clone() };
    let torn =
        HeldRow { record: row.record[..20].to_vec(), key: RecordKey::from_bytes([6; 32]), ..row.clone() };
    let removed = vec![Change::RemoveHeld { key: bent.key }, Change::RemoveHeld { key: torn.key }];
    let (rebuilt, damaged) = Holder::new(HERE, [row, bent, torn].iter().map(HeldSummary::of).collect());
    assert_eq!(damaged, removed);
    assert_eq!(rebuilt.get(&record.key(), NOW), Some(record.stamp()));
    assert_eq!((rebuilt.len(), rebuilt.bytes()), (1, holder.bytes()));
}

#[test]
fn a_newcomer_is_told_apart_by_the_records_it_is_nearer_to() {
    let mut holder = empty();
    fill(&mut holder, 200);
    let newcomer = NodeId::from_bytes([42; 32]);
    let (here, there) = (Place::of_node(HERE), Place::of_node(newcomer));
    let nearer = holder.nearer_to(newcomer, 0, usize::MAX);
    assert!(!nearer.is_empty() && nearer.len() < 200);
    for key in &nearer {
        let place = Place::of_key(key);
        assert!(there.distance(&place) < here.distance(&place));
    }
    assert_eq!(holder.nearer_to(newcomer, 0, 3), nearer[..3]);
}

#[test]
fn what_came_since_is_told_from_what_was_refreshed() {
    let mut holder = empty();
    let newcomer = NodeId::from_bytes([42; 32]);
    fill(&mut holder, 200);
    let before = holder.arrivals();
    let old = holder.nearer_to(newcomer, 0, usize::MAX);
    fill(&mut holder, 200);
    assert_eq!(holder.nearer_to(newcomer, before, usize::MAX), vec![], "a refresh is nothing new");
    fill(&mut holder, 250);
    let new = holder.nearer_to(newcomer, before, usize::MAX);
    assert!(!new.is_empty() && new.iter().all(|key| !old.contains(key)));
    assert_eq!(holder.nearer_to(newcomer, 0, usize::MAX).len(), old.len() + new.len());
}
