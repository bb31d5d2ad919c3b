//! From an offer to a file in its place, and everything that can keep it from there.

use super::*;
use crate::limits::{MAX_OPEN_OFFERS_PER_PEER, OFFER_LIFETIME, ROOM_RETRY};
use crate::machine::Machine as _;

const MEGABYTE: u64 = 64;

#[test]
fn a_file_arrives_and_both_sides_say_so() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 100 * MEGABYTE));
    let ours = TransferId::outgoing(node(BOB), offer_id(7));
    assert_eq!(world.state(BOB, id), State::Offered);
    assert_eq!(world.state(ALICE, ours), State::WaitingForThem);
    world.accept(BOB, id);
    world.until_done(BOB, id);
    world.until_done(ALICE, ours);
    assert_eq!(world.person(BOB).pulled, 100 * MEGABYTE, "nothing is sent twice");
    assert!(world.person(BOB).reports.is_empty());
    assert_eq!(world.person(ALICE).released, [ours], "what has arrived is held no more");
    let flowed = |state: &State| matches!(state, State::Transferring { .. });
    assert!(world.person(BOB).history.iter().any(flowed) && world.person(ALICE).history.iter().any(flowed));
    assert_eq!(world.person(BOB).rows.transfers[&id].owed, None);
}

#[test]
fn a_folder_arrives_with_its_list_first() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, folder(1, 20 * MEGABYTE));
    world.accept(BOB, id);
    world.until_done(BOB, id);
    assert_eq!(world.person(BOB).pulled, 20 * MEGABYTE + 3);
}

#[test]
fn an_empty_file_needs_no_question() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 0));
    world.accept(BOB, id);
    world.until_done(BOB, id);
    assert_eq!(world.person(BOB).pulled, 0);
}

#[test]
fn a_trusted_contact_need_not_be_accepted_up_to_a_size() {
    let mut world = World::new(&[ALICE, BOB, CAROL]);
    let max_bytes = Some(10 * 16_384);
    world.call(BOB, Command::SetAuto { peer: node(ALICE), max_bytes }).expect("set");
    world.restart(BOB);
    let small = world.offer(ALICE, BOB, 1, file(1, 10));
    let large = world.offer(ALICE, BOB, 2, file(2, 11));
    let of_another = world.offer(CAROL, BOB, 3, file(3, 1));
    world.until_done(BOB, small);
    assert_eq!(world.state(BOB, large), State::Offered);
    assert_eq!(world.state(BOB, of_another), State::Offered);
    world.call(BOB, Command::SetAuto { peer: node(ALICE), max_bytes: None }).expect("set");
    let id = world.offer(ALICE, BOB, 4, file(4, 1));
    assert_eq!(world.state(BOB, id), State::Offered);
}

#[test]
fn what_is_declined_is_told_and_stays_declined() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 1));
    world.call(BOB, Command::Decline { id }).expect("declined");
    assert_eq!(world.state(ALICE, TransferId::outgoing(node(BOB), offer_id(7))), State::Declined);
    // The message comes again after a crash, and the person changes their mind.
    world.deliver_mail();
    assert_eq!(world.state(BOB, id), State::Declined);
    let refused = world.call(BOB, Command::Accept { id, folder: None });
    assert_eq!(refused, Err(CommandError::Over("it was declined".to_owned())));
    assert!(world.call(BOB, Command::Decline { id }).is_ok(), "a repeated command changes nothing");
}

#[test]
fn an_offer_that_comes_again_and_an_accept_that_is_repeated_change_nothing() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 1));
    // The same id with other contents is not the offer that was accepted.
    let other = FileOffer { id: offer_id(7), made: START, what: file(9, 500), holders: vec![] };
    world.input(BOB, In::Offered { from: node(ALICE), offer: other });
    world.accept(BOB, id);
    world.accept(BOB, id);
    world.until_done(BOB, id);
    world.deliver_mail();
    world.accept(BOB, id);
    world.run(Duration::from_secs(5));
    assert_eq!(world.person(BOB).placed[&id], 1);
    assert_eq!(world.person(BOB).pulled, 1);
}

#[test]
fn a_pause_keeps_what_is_there() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 50 * MEGABYTE));
    world.accept(BOB, id);
    world.run(Duration::from_secs(1));
    world.call(BOB, Command::Pause { id }).expect("paused");
    let pulled = world.person(BOB).pulled;
    assert!(pulled > 0);
    world.run(Duration::from_secs(60));
    world.restart(BOB);
    world.run(Duration::from_secs(60));
    assert_eq!(world.state(BOB, id), State::Paused);
    assert_eq!(world.person(BOB).pulled, pulled);
    let Reply::Transfers(views) = world.call(BOB, Command::List).expect("listed") else { panic!("a list") };
    assert_eq!(
        views[0].have,
        Some(pulled * bench::GROUP),
        "how much is here is told though the node was restarted"
    );
    world.call(BOB, Command::Resume { id }).expect("resumed");
    world.until_done(BOB, id);
    assert_eq!(world.person(BOB).pulled, 50 * MEGABYTE);
}

#[test]
fn what_is_cancelled_is_thrown_away_and_told() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 50 * MEGABYTE));
    assert_eq!(world.call(BOB, Command::Pause { id }), Err(CommandError::NotAccepted));
    world.accept(BOB, id);
    world.run(Duration::from_secs(1));
    world.call(BOB, Command::Cancel { id }).expect("cancelled");
    assert_eq!(world.state(BOB, id), State::Cancelled);
    assert_eq!(world.state(ALICE, TransferId::outgoing(node(BOB), offer_id(7))), State::Cancelled);
    let pulled = world.person(BOB).pulled;
    world.run(Duration::from_secs(60));
    assert_eq!(world.person(BOB).pulled, pulled);
}

#[test]
fn whoever_is_offline_is_waited_for_and_gone_on_with() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 50 * MEGABYTE));
    world.part(ALICE, BOB);
    world.accept(BOB, id);
    assert_eq!(world.state(BOB, id), State::WaitingForPeer);
    world.run(Duration::from_secs(300));
    world.connect(ALICE, BOB);
    world.run(Duration::from_secs(1));
    let before = world.person(BOB).pulled;
    assert!(before > 0 && matches!(world.state(BOB, id), State::Transferring { .. }));
    world.part(ALICE, BOB);
    world.run(Duration::from_secs(600));
    assert_eq!(world.state(BOB, id), State::WaitingForPeer);
    assert_eq!(world.person(BOB).pulled, before);
    world.connect(ALICE, BOB);
    world.until_done(BOB, id);
    assert_eq!(world.person(BOB).pulled, 50 * MEGABYTE, "what was proven is not sent again");
}

#[test]
fn a_full_disk_is_waited_for() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, MEGABYTE));
    world.person(BOB).full = true;
    world.accept(BOB, id);
    world.run(ROOM_RETRY * 2);
    assert_eq!(world.state(BOB, id), State::WaitingForRoom);
    assert_eq!(world.person(BOB).files.status().concerns.len(), 1);
    world.person(BOB).full = false;
    world.run(ROOM_RETRY + Duration::from_secs(5));
    world.until_done(BOB, id);
    // And at once when the person says so.
    let id = world.offer(ALICE, BOB, 8, file(2, MEGABYTE));
    world.person(BOB).full = true;
    world.accept(BOB, id);
    world.person(BOB).full = false;
    world.call(BOB, Command::Resume { id }).expect("resumed");
    world.run(Duration::from_secs(2));
    assert!(matches!(world.state(BOB, id), State::Done { .. }));
}

#[test]
fn a_list_that_is_none_fails_for_good() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, folder(1, MEGABYTE));
    world.person(BOB).bad_manifest = true;
    world.accept(BOB, id);
    world.run(Duration::from_secs(5));
    let why = Failure::BadManifest { reason: "the list is no list".to_owned() };
    assert_eq!(world.state(BOB, id), State::Failed { why, retryable: false });
    assert!(matches!(world.call(BOB, Command::Retry { id }), Err(CommandError::NoRetry(_))));
}

#[test]
fn a_changed_source_is_told_on_both_sides() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, MEGABYTE));
    world.person(ALICE).nature = Nature::Changed;
    world.accept(BOB, id);
    world.run(Duration::from_secs(5));
    let changed = State::Failed { why: Failure::SourceChanged, retryable: false };
    assert_eq!(world.state(BOB, id), changed);
    assert_eq!(world.state(ALICE, TransferId::outgoing(node(BOB), offer_id(7))), changed);
}

#[test]
fn a_flood_of_offers_is_refused_with_a_word_and_does_not_keep_others_out() {
    let mut world = World::new(&[ALICE, BOB, CAROL]);
    for n in 0..u8::try_from(MAX_OPEN_OFFERS_PER_PEER).expect("few") {
        world.offer(ALICE, BOB, n, file(n, 1));
    }
    let command = Command::Offer { to: node(BOB), offer: offer_id(200), what: file(1, 1), holders: vec![] };
    assert_eq!(world.call(ALICE, command), Err(CommandError::Full), "an honest node does not even send it");
    let offer = FileOffer { id: offer_id(201), made: START, what: file(1, 1), holders: vec![] };
    let rows = world.person(BOB).rows.transfers.len();
    world.input(BOB, In::Offered { from: node(ALICE), offer });
    assert_eq!(world.person(BOB).rows.transfers.len(), rows);
    let id = world.offer(CAROL, BOB, 1, file(1, 1));
    assert_eq!(world.state(BOB, id), State::Offered);
}

#[test]
fn whoever_hears_that_too_many_wait_knows_why() {
    let mut world = World::new(&[ALICE, BOB]);
    world.mail_waits = true;
    world.offer(ALICE, BOB, 1, file(1, 1));
    let id = TransferId::outgoing(node(BOB), offer_id(1));
    let heard = In::Heard { from: node(BOB), token: ServeToken(1), offer: offer_id(1), word: Word::TooMany };
    world.input(ALICE, heard);
    assert_eq!(world.state(ALICE, id), State::Failed { why: Failure::TooMany, retryable: false });
}

#[test]
fn an_offer_runs_out_on_both_sides() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, MEGABYTE));
    let ours = TransferId::outgoing(node(BOB), offer_id(7));
    world.now.mono = world.now.mono.after(OFFER_LIFETIME);
    world.now.unix = world.now.unix.after(OFFER_LIFETIME);
    let refused = world.call(BOB, Command::Accept { id, folder: None });
    assert_eq!(refused, Err(CommandError::Over("the offer has run out".to_owned())));
    world.settle();
    assert_eq!((world.state(BOB, id), world.state(ALICE, ours)), (State::Expired, State::Expired));
    // One that says it was made long ago is over when it comes; one from the future is not good for longer.
    let mut offer = FileOffer { id: offer_id(8), made: START, what: file(1, 1), holders: vec![] };
    world.input(BOB, In::Offered { from: node(ALICE), offer: offer.clone() });
    assert_eq!(world.state(BOB, TransferId::incoming(node(ALICE), offer_id(8))), State::Expired);
    (offer.id, offer.made) = (offer_id(9), UnixMillis(u64::MAX));
    world.input(BOB, In::Offered { from: node(ALICE), offer });
    let row = &world.person(BOB).rows.transfers[&TransferId::incoming(node(ALICE), offer_id(9))];
    assert_eq!(row.expires, row.since.after(OFFER_LIFETIME));
}

#[test]
fn what_flows_when_an_offer_runs_out_may_arrive() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 50 * MEGABYTE));
    world.accept(BOB, id);
    world.run(Duration::from_millis(500));
    world.now.unix = world.now.unix.after(OFFER_LIFETIME);
    world.until_done(BOB, id);
}

#[test]
fn nothing_goes_on_with_somebody_who_is_no_contact_any_more() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 50 * MEGABYTE));
    let asked = world.offer(ALICE, BOB, 8, file(2, 1));
    world.accept(BOB, id);
    world.run(Duration::from_millis(500));
    world.input(BOB, In::Parted { peer: node(ALICE) });
    assert_eq!((world.state(BOB, id), world.state(BOB, asked)), (State::Cancelled, State::Declined));
    world.input(ALICE, In::Parted { peer: node(BOB) });
    assert_eq!(world.state(ALICE, TransferId::outgoing(node(BOB), offer_id(7))), State::Withdrawn);
    assert!(world.person(BOB).rows.transfers.values().all(|row| row.owed.is_none()), "they are not told");
}

#[test]
fn rates_are_handed_on_now_and_after_a_restart() {
    let mut world = World::new(&[ALICE]);
    let rates = Rates { down: Some(1_000_000), up: None };
    world.call(ALICE, Command::SetRates { rates }).expect("set");
    assert_eq!(world.person(ALICE).rates, Some(rates));
    world.person(ALICE).rates = None;
    world.restart(ALICE);
    world.settle();
    assert_eq!(world.person(ALICE).rates, Some(rates));
    let nothing = Rates { down: Some(0), up: None };
    assert_eq!(world.call(ALICE, Command::SetRates { rates: nothing }), Err(CommandError::BadRate));
}
