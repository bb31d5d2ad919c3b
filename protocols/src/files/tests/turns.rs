//! Whose turn it is when more is wanted than can be received at once.

use super::*;
use crate::limits::{MAX_TRANSFERS, MAX_TRANSFERS_PER_PEER};

#[test]
fn eight_at_once_four_of_one_person_and_the_rest_in_its_turn() {
    let mut world = World::new(&[ALICE, BOB, CAROL, DAVE]);
    let mut ids = Vec::new();
    for (from, first) in [(ALICE, 0), (CAROL, 20), (DAVE, 40)] {
        for n in first..first + 6 {
            ids.push(world.offer(from, BOB, n, file(n, 64 * 20)));
        }
    }
    world.part(ALICE, BOB);
    world.part(CAROL, BOB);
    world.part(DAVE, BOB);
    for id in &ids {
        world.accept(BOB, *id);
    }
    world.connect(ALICE, BOB);
    world.settle();
    assert_eq!(world.order.len(), MAX_TRANSFERS_PER_PEER, "one person alone has four places");
    world.connect(CAROL, BOB);
    world.connect(DAVE, BOB);
    world.settle();
    assert_eq!(world.order.len(), MAX_TRANSFERS);
    let under_way = |world: &World, n: u8| world.order.iter().filter(|id| id.peer == node(n)).count();
    assert_eq!(under_way(&world, ALICE), 4);
    assert_eq!(under_way(&world, CAROL) + under_way(&world, DAVE), 4);
    let queued = ids.iter().filter(|id| world.state(BOB, **id) == State::Queued).count();
    assert_eq!(queued, ids.len() - MAX_TRANSFERS);
    for id in &ids {
        world.until_done(BOB, *id);
    }
    let of_alice: Vec<_> = world.order.iter().filter(|id| id.peer == node(ALICE)).copied().collect();
    assert_eq!(of_alice, ids[..6], "of one person the one wanted first comes first");
}

#[test]
fn people_take_turns_however_much_one_of_them_offers() {
    let mut world = World::new(&[ALICE, BOB, CAROL]);
    let many: Vec<_> = (0..30).map(|n| world.offer(ALICE, BOB, n, file(n, 64 * 20))).collect();
    for id in &many {
        world.accept(BOB, *id);
    }
    let few: Vec<_> = (100..102).map(|n| world.offer(CAROL, BOB, n, file(n, 64 * 20))).collect();
    for id in &few {
        world.accept(BOB, *id);
    }
    world.settle();
    assert!(few.iter().all(|id| world.order.contains(id)), "who comes later with less is not kept waiting");
}

#[test]
fn of_two_offers_of_the_same_blob_one_waits_for_the_other() {
    let mut world = World::new(&[ALICE, BOB, CAROL]);
    let one = world.offer(ALICE, BOB, 1, file(5, 64 * 10));
    let other = world.offer(CAROL, BOB, 2, file(5, 64 * 10));
    world.accept(BOB, one);
    world.accept(BOB, other);
    assert_eq!(world.state(BOB, other), State::Queued);
    world.until_done(BOB, one);
    world.until_done(BOB, other);
}

#[test]
fn who_waits_for_somebody_gives_its_place_to_others() {
    let mut world = World::new(&[ALICE, BOB, CAROL]);
    world.person(ALICE).nature = Nature::Silent;
    for n in 0..4 {
        let id = world.offer(ALICE, BOB, n, file(n, 64));
        world.accept(BOB, id);
    }
    // They stall and rest longer and longer; whoever else there is has its turn.
    world.run(Duration::from_secs(300));
    let id = world.offer(CAROL, BOB, 50, file(50, 64 * 10));
    world.accept(BOB, id);
    world.run(Duration::from_secs(10));
    assert!(matches!(world.state(BOB, id), State::Done { .. }));
}
