//! Several who have the same: side by side, and without those who lie, stall or refuse.

use super::*;
use crate::limits::RETRY_MIN;

const BLOB: u8 = 1;
const SIZE: u64 = 64 * 60;

/// Alice offers Bob what Carol and Dave have as well, and Bob wants it.
fn offered_by_three() -> (World, TransferId) {
    let mut world = World::new(&[ALICE, BOB, CAROL, DAVE]);
    for other in [CAROL, DAVE] {
        world.person(other).mute = true;
        world.offer(other, BOB, 7, file(BLOB, SIZE));
    }
    let id = world.offer_with(ALICE, BOB, 7, file(BLOB, SIZE), &[CAROL, DAVE]);
    (world, id)
}

#[test]
fn all_holders_are_asked_at_once() {
    let (mut world, id) = offered_by_three();
    world.accept(BOB, id);
    let start = world.now.mono;
    world.until_done(BOB, id);
    assert_eq!(world.person(BOB).pulled, SIZE, "no two send the same");
    let took = world.now.mono.since(start);
    assert!(took < Duration::from_millis(50 * 60 / 2), "three are faster than one: {took:?}");
}

#[test]
fn a_liar_is_named_and_left_and_the_rest_goes_on() {
    let (mut world, id) = offered_by_three();
    world.person(CAROL).nature = Nature::Lying;
    world.accept(BOB, id);
    world.until_done(BOB, id);
    assert_eq!(world.person(BOB).reports, [(node(CAROL), Fault::Lied)]);
    assert_eq!(world.person(BOB).rows.transfers[&id].liars, [node(CAROL)]);
    assert_eq!(world.person(BOB).pulled, SIZE);
}

#[test]
fn a_liar_is_not_asked_again_after_a_restart() {
    let (mut world, id) = offered_by_three();
    world.person(CAROL).nature = Nature::Lying;
    world.accept(BOB, id);
    world.run(Duration::from_millis(200));
    assert_eq!(world.person(BOB).reports.len(), 1);
    world.restart(BOB);
    world.until_done(BOB, id);
    assert_eq!(world.person(BOB).reports.len(), 1, "it had no second chance");
}

#[test]
fn when_the_only_holder_lies_it_fails_and_can_be_tried_again() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(BLOB, SIZE));
    world.person(ALICE).nature = Nature::Lying;
    world.accept(BOB, id);
    world.run(Duration::from_secs(5));
    assert_eq!(world.state(BOB, id), State::Failed { why: Failure::NotTheFile, retryable: true });
    assert_eq!(world.person(BOB).reports, [(node(ALICE), Fault::Lied)]);
    world.person(ALICE).nature = Nature::Honest;
    world.restart(BOB);
    world.call(BOB, Command::Retry { id }).expect("tried again");
    world.until_done(BOB, id);
    assert_eq!(world.call(BOB, Command::Retry { id }), Err(CommandError::NotFailed));
}

#[test]
fn who_stalls_is_named_and_the_others_take_over() {
    let (mut world, id) = offered_by_three();
    world.person(ALICE).nature = Nature::Silent;
    world.accept(BOB, id);
    world.until_done(BOB, id);
    assert_eq!(world.person(BOB).reports, [(node(ALICE), Fault::Stalled)]);
    assert_eq!(world.person(BOB).pulled, SIZE);
}

#[test]
fn who_stalls_alone_is_asked_again_until_it_answers() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(BLOB, SIZE));
    world.person(ALICE).nature = Nature::Silent;
    world.accept(BOB, id);
    world.run(Duration::from_secs(120));
    assert!(world.person(BOB).reports.len() >= 2);
    world.person(ALICE).nature = Nature::Honest;
    world.until_done(BOB, id);
}

#[test]
fn who_sends_a_byte_now_and_then_keeps_no_stretch_for_itself() {
    let (mut world, id) = offered_by_three();
    world.person(ALICE).nature = Nature::Dripping;
    world.accept(BOB, id);
    world.run(Duration::from_secs(5));
    assert!(matches!(world.state(BOB, id), State::Transferring { .. }), "Alice has two stretches still");
    world.until_done(BOB, id);
    assert_eq!(world.person(BOB).pulled, SIZE);
    assert!(world.person(BOB).reports.is_empty(), "slow is no fault");
}

#[test]
fn who_refuses_is_left_and_who_offered_says_why_it_failed() {
    let (mut world, id) = offered_by_three();
    // Carol takes hers back; the offer is Alice's, so that ends nothing.
    world
        .call(CAROL, Command::Withdraw { id: TransferId::outgoing(node(BOB), offer_id(7)) })
        .expect("withdrawn");
    for other in [ALICE, DAVE] {
        world.person(other).nature = Nature::Changed;
    }
    world.accept(BOB, id);
    world.run(Duration::from_secs(5));
    assert_eq!(world.state(BOB, id), State::Failed { why: Failure::SourceChanged, retryable: false });
    assert!(world.person(BOB).reports.contains(&(node(CAROL), Fault::Refused(Refusal::Withdrawn))));
}

#[test]
fn a_holder_that_is_not_connected_is_not_waited_for() {
    let (mut world, id) = offered_by_three();
    world.part(ALICE, BOB);
    world.part(DAVE, BOB);
    world.accept(BOB, id);
    world.until_done(BOB, id);
    assert_eq!(world.person(BOB).pulled, SIZE);
}

#[test]
fn an_interruption_costs_nothing_that_was_proven() {
    let (mut world, id) = offered_by_three();
    world.accept(BOB, id);
    for other in [ALICE, CAROL, DAVE, ALICE] {
        world.run(Duration::from_millis(150));
        world.part(other, BOB);
        world.connect(other, BOB);
    }
    world.until_done(BOB, id);
    assert_eq!(world.person(BOB).pulled, SIZE);
}

#[test]
fn a_stream_that_breaks_with_two_questions_on_it_is_one_failure_and_asked_again_within_a_second() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(BLOB, 64 * 600));
    world.accept(BOB, id);
    world.run(Duration::from_millis(200));
    world.break_streams(node(ALICE), node(BOB));
    let before = world.person(BOB).pulled;
    world.run(RETRY_MIN + Duration::from_millis(200));
    assert!(world.person(BOB).pulled > before);
}
