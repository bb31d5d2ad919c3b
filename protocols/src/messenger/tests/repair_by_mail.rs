//! Gaps of people who are never up together: asked for and closed by letters.

use super::{
    mailboxes::{mail, numbers},
    *,
};
use crate::messenger::wire::Mail;

/// Two contacts who are out of reach of each other; the second has everything so far.
fn apart() -> Bench {
    let mut bench = Bench::apart();
    bench.correspond();
    bench
}

/// What a person writes, in a parcel of its own that mailboxes keep.
fn posted(bench: &mut Bench, text: &str) -> Parcel {
    bench.say(0, 1, text);
    bench.wait(Duration::from_secs(4));
    let mut parcels = std::mem::take(&mut bench.nodes[0].parcels);
    parcels.retain(|parcel| !numbers(parcel).is_empty());
    let [parcel] = &parcels[..] else { panic!("one parcel: {parcels:?}") };
    bench.progress(0, parcel.id, true);
    parcel.clone()
}

/// What the second asks the first for by letter.
fn asked(bench: &Bench) -> Vec<Vec<u64>> {
    let numbers = |parcel: &Parcel| match mail(parcel) {
        Mail::Repair { numbers, .. } => Some(numbers),
        _ => None,
    };
    bench.nodes[1].parcels.iter().filter_map(numbers).collect()
}

fn sealed(parcel: &Parcel, wanted: u64) -> serde_bytes::ByteBuf {
    let Mail::Deliver { items, .. } = mail(parcel) else { panic!("no delivery") };
    let content = items.into_iter().find_map(|item| match item {
        Item::Content { seq, sealed, .. } if seq == wanted => Some(sealed),
        _ => None,
    });
    content.expect("it is in there")
}

#[test]
fn a_letter_that_all_holders_lost_is_asked_for_and_comes_again_with_the_same_ciphertext() {
    let mut bench = apart();
    let lost = posted(&mut bench, "lost");
    let kept = posted(&mut bench, "kept");
    let seq = numbers(&lost)[0];
    bench.bring(0, 1, &kept);
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "kept"]);
    bench.wait(limits::GAP_MAIL_PATIENCE - Duration::from_secs(1));
    assert_eq!(asked(&bench), [[0; 0]; 0], "it may be on its way");
    bench.wait(Duration::from_secs(2));
    assert_eq!(asked(&bench), [[seq]]);
    bench.bring_all(1, 0);
    bench.wait(Duration::from_secs(4));
    let again =
        bench.nodes[0].parcels.iter().find(|parcel| numbers(parcel) == [seq]).expect("a new parcel").clone();
    assert_ne!(again.id, lost.id);
    assert_eq!(sealed(&again, seq), sealed(&lost, seq), "a ratchet step is never made twice");
    bench.correspond();
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "lost", "kept"]);
    assert_eq!(bench.nodes[0].view(1).waiting, 0);
    // The lost one turns up after all.
    bench.bring(0, 1, &lost);
    assert_eq!(bench.nodes[1].texts(0).len(), 3);
}

#[test]
fn what_was_acknowledged_and_lost_by_a_damaged_disk_comes_again_from_history() {
    let mut bench = apart();
    let old_disk = bench.nodes[1].disk.clone();
    let old_history = bench.nodes[1].history.clone();
    for n in 0..10 {
        bench.say(0, 1, &format!("lost {n}"));
    }
    bench.correspond();
    assert_eq!(bench.nodes[0].view(1).waiting, 0, "all of it was acknowledged");
    bench.nodes[1].disk = old_disk;
    bench.nodes[1].history = old_history;
    bench.restart(1);
    bench.say(0, 1, "after");
    for _ in 0..3 {
        bench.correspond();
    }
    let texts = bench.nodes[1].texts(0);
    assert_eq!(texts.len(), 12, "{texts:?}");
    assert_eq!(texts, bench.nodes[0].texts(1));
}

#[test]
fn the_same_gap_is_asked_for_by_letter_once_in_hours_also_after_restarts() {
    let mut bench = apart();
    let _lost = posted(&mut bench, "lost");
    let kept = posted(&mut bench, "kept");
    bench.bring(0, 1, &kept);
    for _ in 0..5 {
        bench.wait(limits::REPAIR_MAIL_EVERY / 8);
        bench.restart(1);
    }
    assert_eq!(asked(&bench).len(), 1);
    bench.wait(limits::REPAIR_MAIL_EVERY);
    assert_eq!(asked(&bench).len(), 2);
}

#[test]
fn whoever_is_connected_is_asked_directly_only() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.part();
    let _lost = posted(&mut bench, "lost");
    let kept = posted(&mut bench, "kept");
    bench.nodes[1].parcels.clear();
    bench.set_reachable(0, true);
    bench.set_reachable(1, true);
    bench.nodes[0].mute = true;
    bench.bring(0, 1, &kept);
    bench.wait(10 * limits::GAP_MAIL_PATIENCE);
    assert_eq!(asked(&bench), [[0; 0]; 0]);
}

#[test]
fn what_will_never_come_is_told_by_letter_and_passed_over() {
    let mut bench = apart();
    let old_disk = bench.nodes[1].disk.clone();
    bench.say(0, 1, "forgotten by both");
    bench.correspond();
    let gone =
        |text: &str, row: &MessageRow| matches!(&row.content.body, Body::Text { text: of, .. } if of == text);
    for node in 0..2 {
        bench.nodes[node].history.retain(|_, row| !gone("forgotten by both", row));
    }
    bench.nodes[1].disk = old_disk;
    bench.restart(1);
    bench.say(0, 1, "after");
    for _ in 0..3 {
        bench.correspond();
    }
    let beyond: usize = bench.nodes[1].disk.chains.values().map(|chain| chain.beyond.len()).sum();
    assert_eq!(beyond, 0, "the chain goes on behind it");
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "after"]);
}

#[test]
fn a_contact_who_asks_again_and_again_is_answered_seldom_and_a_stranger_never() {
    let mut bench = apart();
    let stored = posted(&mut bench, "stored");
    let seq = numbers(&stored)[0];
    let device = bench.nodes[0].device();
    let letter = |n: u8| {
        let payload = Mail::Repair { device, numbers: vec![seq] }.encode();
        let key = EnvelopeKey {
            address: crate::mailbox::keys::intro_address(id(0)),
            id: EnvelopeId::from_bytes([n; 16]),
        };
        (key, payload)
    };
    let ask = |bench: &mut Bench, from: NodeId, n: u8| {
        let (envelope, payload) = letter(n);
        bench.queue.push_back((0, In::MailboxArrived { envelope, from, payload }));
        bench.run();
        bench.wait(Duration::from_secs(30));
        let parcels = std::mem::take(&mut bench.nodes[0].parcels);
        parcels
            .iter()
            .filter(|parcel| numbers(parcel) == [seq])
            .for_each(|parcel| bench.progress(0, parcel.id, true));
        parcels.iter().filter(|parcel| numbers(parcel) == [seq]).count()
    };
    assert_eq!(ask(&mut bench, NodeId::from_bytes([99; 32]), 1), 0);
    assert_eq!(ask(&mut bench, id(1), 2), 1);
    for n in 3..10 {
        assert_eq!(ask(&mut bench, id(1), n), 0);
    }
    bench.wait(limits::REPAIR_MAIL_PACE);
    assert_eq!(ask(&mut bench, id(1), 20), 1);
}

#[test]
fn numbers_that_were_not_given_yet_are_not_gone() {
    let mut bench = apart();
    let device = bench.nodes[0].device();
    let payload = Mail::Repair { device, numbers: vec![1_000, 1_001] }.encode();
    let envelope = EnvelopeKey {
        address: crate::mailbox::keys::intro_address(id(0)),
        id: EnvelopeId::from_bytes([1; 16]),
    };
    bench.queue.push_back((0, In::MailboxArrived { envelope, from: id(1), payload }));
    bench.run();
    bench.wait(Duration::from_secs(30));
    assert!(!bench.nodes[0].parcels.iter().any(|parcel| matches!(mail(parcel), Mail::Repairing { .. })));
}
