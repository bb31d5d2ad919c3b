//! Offers of files as messages: entries like texts, sent once, to contacts only.

use super::*;
use crate::{
    blob::BlobSize,
    files::offer::{FileOffer, Offered},
    id::{BlobId, OfferId},
};

fn offer(name: &str) -> Box<FileOffer> {
    let size = BlobSize::try_from(5).expect("small");
    let blob = BlobId::from_bytes([2; 32]);
    let what = Offered::File { name: name.to_owned(), mime: "text/plain".to_owned(), blob, size };
    let made = UnixMillis(1_800_000_000_000);
    Box::new(FileOffer { id: OfferId::from_bytes([3; 16]), made, what, holders: Vec::new() })
}

pub(super) fn send(to: usize, name: &str) -> Command {
    let id = MsgId::from_bytes([3; 16]);
    Command::SendFile { conversation: conversation(to), id, offer: offer(name) }
}

#[test]
fn an_offer_is_an_entry_on_both_sides_and_counts_as_unread() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let Ok(Reply::Sent(row)) = bench.call(0, send(1, "a.txt")) else { panic!("sent") };
    assert_eq!(bench.nodes[0].state(&row), MessageState::Delivered);
    let offers = |event: &&Event| matches!(event, Event::MessageAdded(row) if matches!(&row.content.body, Body::File { offer: got } if *got == offer("a.txt")));
    assert_eq!(bench.nodes[1].events.iter().filter(offers).count(), 1);
    let conversation = &bench.nodes[1].disk.conversations[&conversation(0)];
    assert_eq!(conversation.last.as_ref().map(|last| last.preview.as_str()), Some("a.txt"));
    assert!(conversation.unread >= 1);
}

#[test]
fn an_offer_that_is_sent_again_after_a_crash_is_the_same_message() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let first = bench.call(0, send(1, "a.txt")).expect("sent");
    bench.restart(0);
    let second = bench.call(0, send(1, "a.txt")).expect("sent");
    let (Reply::Sent(first), Reply::Sent(second)) = (first, second) else { panic!("messages") };
    assert_eq!(first.content, second.content);
    let offers = bench.nodes[1].history.values().filter(|row| matches!(row.content.body, Body::File { .. }));
    assert_eq!(offers.count(), 1);
}

#[test]
fn who_has_not_accepted_yet_is_offered_nothing() {
    let mut bench = Bench::new(3);
    bench.add(0, 1, "it is me").expect("asked");
    assert_eq!(bench.call(0, send(1, "a.txt")), Err(CommandError::UnknownPeer));
    assert_eq!(bench.call(0, send(2, "a.txt")), Err(CommandError::UnknownPeer));
    assert_eq!(bench.call(1, send(0, "a.txt")), Err(CommandError::AcceptFirst));
}

#[test]
fn an_offer_that_nobody_would_take_is_not_sent() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    assert!(matches!(bench.call(0, send(1, "")), Err(CommandError::BadText { .. })));
    let long = "x".repeat(limits::MAX_OFFER_NAME_BYTES + 1);
    assert!(matches!(bench.call(0, send(1, &long)), Err(CommandError::BadText { .. })));
}
