//! When a lookup knows enough, whom it believes, and who turns out to be behind.

use super::*;
use crate::{
    crypto::sign::Signer,
    limits,
    machine::CallId,
    record::{Draft, Kind, value_key},
};
use ed25519_dalek::SigningKey;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn signer() -> Signer {
    Signer::new(SigningKey::from_bytes(&[7; 32]))
}

fn key() -> RecordKey {
    value_key(signer().node(), b"x")
}

fn record_at(seq: u64, payload: &[u8], not_before: UnixMillis) -> Record {
    let draft = Draft {
        kind: Kind::Value,
        salt: b"x".to_vec(),
        seq,
        not_before,
        expires: not_before.after(limits::RECORD_LIFETIME),
        payload: Some(payload.to_vec()),
    };
    Record::sign(&signer(), draft).expect("a value")
}

fn record(seq: u64) -> Record {
    record_at(seq, b"a", NOW)
}

fn found(record: &Record) -> Answer {
    Answer::Found { record: record.as_bytes().to_vec().into() }
}

const NOTHING: Answer = Answer::Nothing { held_seq: None };

fn node(n: u8) -> NodeId {
    NodeId::from_bytes([n; 32])
}

fn lookup(depth: Depth, peers: u8) -> Lookup {
    let waiter = Waiter::GetValue { call: CallId(1) };
    let mut lookup = Lookup::new(key(), depth, waiter, None, false, Mono(0));
    lookup.routed((0..peers).map(node), 0);
    lookup.next_to_ask();
    lookup
}

#[test]
fn the_highest_number_of_a_quorum_wins() {
    let mut lookup = lookup(Depth::Quorum, 20);
    for n in 0..10 {
        lookup.answered(node(n), &found(&record(1)), NOW).expect("valid");
        assert!(!lookup.settled(), "{} of 20 are no quorum", n + 1);
    }
    lookup.answered(node(10), &found(&record(2)), NOW).expect("valid");
    assert!(lookup.settled());
    assert_eq!(lookup.best(), Some(&record(2)));
    assert_eq!(lookup.behind(), (0..10).map(node).collect::<Vec<_>>());
}

#[test]
fn a_quorum_that_has_nothing_waits_for_the_rest() {
    let mut lookup = lookup(Depth::Quorum, 20);
    for n in 0..19 {
        lookup.answered(node(n), &NOTHING, NOW).expect("valid");
        assert!(!lookup.settled());
    }
    lookup.answered(node(19), &found(&record(1)), NOW).expect("valid");
    assert!(lookup.settled() && lookup.drained());
    assert_eq!(lookup.best(), Some(&record(1)));
    assert_eq!(lookup.behind().len(), 19);
}

#[test]
fn a_quorum_that_cannot_be_had_ends_with_what_there_is() {
    let mut lookup = lookup(Depth::Quorum, 5);
    lookup.answered(node(0), &found(&record(1)), NOW).expect("valid");
    for _ in 1..5 {
        assert!(!lookup.settled());
        lookup.failed();
    }
    assert!(lookup.settled());
    assert_eq!(lookup.best(), Some(&record(1)));
}

#[test]
fn the_first_valid_answer_is_enough_when_asked_so_and_three_are_asked_at_once() {
    let waiter = Waiter::GetValue { call: CallId(1) };
    let mut lookup = Lookup::new(key(), Depth::First, waiter, None, false, Mono(0));
    lookup.routed((0..20).map(node), 0);
    assert_eq!(lookup.next_to_ask(), vec![node(0), node(1), node(2)]);
    lookup.answered(node(0), &NOTHING, NOW).expect("valid");
    assert!(!lookup.settled());
    assert_eq!(lookup.next_to_ask(), vec![node(3)]);
    lookup.answered(node(3), &found(&record(1)), NOW).expect("valid");
    assert!(lookup.settled());
}

#[test]
fn exhaustive_waits_for_everybody() {
    let mut lookup = lookup(Depth::Exhaustive, 3);
    lookup.answered(node(0), &found(&record(2)), NOW).expect("valid");
    lookup.answered(node(1), &found(&record(1)), NOW).expect("valid");
    assert!(!lookup.settled());
    lookup.failed();
    assert!(lookup.settled());
    assert_eq!(lookup.best(), Some(&record(2)));
}

#[test]
fn a_forged_record_or_one_of_another_key_is_the_peers_fault_and_counts_for_nothing() {
    let mut lookup = lookup(Depth::Quorum, 4);
    let mut forged = record(9).into_bytes();
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    let forged = Answer::Found { record: forged.into() };
    assert!(matches!(lookup.answered(node(0), &forged, NOW), Err(BadAnswer::Record(_))));
    let other = Record::by_hash(vec![1]).expect("a value");
    assert_eq!(lookup.answered(node(1), &found(&other), NOW), Err(BadAnswer::OtherKey));
    let stored = Answer::Stored { seq: 9 };
    assert_eq!(lookup.answered(node(2), &stored, NOW), Err(BadAnswer::OtherQuestion));
    assert_eq!(lookup.best(), None);
    assert!(!lookup.settled());
}

#[test]
fn a_record_out_of_its_time_is_not_believed_and_nobody_is_blamed() {
    let mut lookup = lookup(Depth::Quorum, 2);
    let tomorrow = record_at(9, b"a", NOW.after(limits::RECORD_LEASE));
    let long_ago = record_at(8, b"a", NOW.before(2 * limits::RECORD_LIFETIME));
    assert_eq!(lookup.answered(node(0), &found(&tomorrow), NOW), Ok(()));
    assert_eq!(lookup.answered(node(1), &found(&long_ago), NOW), Ok(()));
    assert!(lookup.settled());
    assert_eq!(lookup.best(), None);
}

#[test]
fn all_readers_of_a_conflict_believe_the_same_record() {
    let (a, b) = (record_at(3, b"a", NOW), record_at(3, b"b", NOW));
    let mut chosen = Vec::new();
    for (first, second) in [(&a, &b), (&b, &a)] {
        let mut lookup = lookup(Depth::Quorum, 2);
        lookup.answered(node(0), &found(first), NOW).expect("valid");
        lookup.answered(node(1), &found(second), NOW).expect("valid");
        assert!(lookup.conflict());
        chosen.push(lookup.best().cloned());
    }
    assert_eq!(chosen[0], chosen[1]);
}

#[test]
fn the_copy_held_here_counts_and_is_waited_for() {
    let waiter = Waiter::GetValue { call: CallId(1) };
    let mut lookup = Lookup::new(key(), Depth::Quorum, waiter, None, true, Mono(0));
    lookup.routed([node(0)], 0);
    lookup.next_to_ask();
    lookup.answered(node(0), &found(&record(1)), NOW).expect("valid");
    assert!(!lookup.settled());
    lookup.read(Some(record(2)), NOW);
    assert!(lookup.settled());
    assert_eq!(lookup.best(), Some(&record(2)));
}

#[test]
fn what_is_known_already_is_never_gone_back_from() {
    let waiter = Waiter::GetValue { call: CallId(1) };
    let mut lookup = Lookup::new(key(), Depth::Quorum, waiter, Some(record(5)), false, Mono(0));
    assert_eq!(lookup.min_seq, 5);
    lookup.routed([node(0), node(1)], 0);
    lookup.next_to_ask();
    lookup.answered(node(0), &found(&record(4)), NOW).expect("valid");
    lookup.answered(node(1), &Answer::Nothing { held_seq: Some(3) }, NOW).expect("valid");
    assert_eq!(lookup.best(), Some(&record(5)));
    assert_eq!(lookup.behind(), vec![node(0), node(1)]);
}

#[test]
fn a_holder_that_says_it_has_a_newer_one_without_showing_it_is_left_alone() {
    let mut lookup = lookup(Depth::Quorum, 2);
    lookup.answered(node(0), &found(&record(1)), NOW).expect("valid");
    lookup.answered(node(1), &Answer::Nothing { held_seq: Some(7) }, NOW).expect("valid");
    assert_eq!(lookup.behind(), vec![]);
}

#[test]
fn with_nobody_to_ask_a_lookup_ends_at_once() {
    assert!(lookup(Depth::Quorum, 0).settled());
    let waiter = Waiter::GetValue { call: CallId(1) };
    assert!(Lookup::new(key(), Depth::Local, waiter, None, false, Mono(0)).settled());
}
