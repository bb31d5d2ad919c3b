//! Crashes at any moment: nothing is lost, nothing placed twice, nothing that was proven is fetched again.

use super::*;
use crate::time::Mono;
use proptest::prelude::*;

/// What both sides agree on in the end.
fn agree(world: &mut World, id: TransferId, ours: TransferId) {
    world.until(|world| {
        let (theirs, own) = (world.state(BOB, id), world.state(ALICE, ours));
        matches!((theirs, own), (State::Done { .. }, State::Done { .. }))
    });
}

#[test]
fn an_offer_survives_a_crash_before_the_messenger_had_it() {
    let mut world = World::new(&[ALICE, BOB]);
    let command = Command::Offer { to: node(BOB), offer: offer_id(7), what: file(1, 1), holders: vec![] };
    world.settle();
    let mut out = Vec::new();
    let now = world.now;
    let alice = world.person(ALICE);
    crate::machine::Machine::handle(&mut alice.files, now, In::Call { call: CallId(1), command }, &mut out);
    let Some(Out::Persist { changes, .. }) = out.first() else { panic!("{out:?}") };
    for change in changes {
        alice.rows.apply(change);
    }
    // The batch is on disk, and nothing that follows it was done.
    world.restart(ALICE);
    world.settle();
    assert_eq!(world.state(BOB, TransferId::incoming(node(ALICE), offer_id(7))), State::Offered);
}

#[test]
fn what_was_placed_before_a_crash_is_not_placed_again() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 1));
    world.accept(BOB, id);
    while !world.person(BOB).placed.contains_key(&id) {
        if !world.act() {
            world.flow();
        }
    }
    // Step back to the rows of a moment ago: the end was not noted.
    if let Some(row) = world.person(BOB).rows.transfers.get_mut(&id) {
        (row.decided, row.ended, row.owed) = (Decided::Wanted { paused: false }, None, None);
    }
    world.restart(BOB);
    agree(&mut world, id, TransferId::outgoing(node(BOB), offer_id(7)));
    assert_eq!(world.person(BOB).placed[&id], 1);
}

#[test]
fn answers_to_an_earlier_life_are_nobodys() {
    let mut world = World::new(&[ALICE, BOB]);
    let id = world.offer(ALICE, BOB, 7, file(1, 64 * 100));
    world.accept(BOB, id);
    world.run(Duration::from_secs(1));
    world.restart(BOB);
    world.settle();
    let pull = PullId { generation: 0, number: 1 };
    world.input(BOB, In::PullEnded { pull, missing: vec![], result: Err(PullError::NotTheFile) });
    world.input(BOB, In::Progress { pull, bytes: u64::MAX });
    world.input(BOB, In::Finished { id, result: Err(OpenError::Disk("late".to_owned())) });
    assert!(world.person(BOB).reports.is_empty());
    world.until_done(BOB, id);
}

#[test]
fn nothing_that_nobody_asked_for_does_anything() {
    let mut world = World::new(&[ALICE]);
    let id = TransferId::incoming(node(BOB), offer_id(1));
    let (pull, token) = (PullId { generation: 9, number: 9 }, ServeToken(9));
    let inputs = [
        In::Opened {
            id,
            part: Part::Members,
            result: Ok(Opened::Missing { have: 1, missing: vec![0..u64::MAX] }),
        },
        In::Finished { id, result: Ok(ByteBuf::from("/x")) },
        In::PullEnded { pull, missing: vec![5..5, 0..u64::MAX], result: Ok(()) },
        In::Progress { pull, bytes: u64::MAX },
        In::Sent { token, bytes: u64::MAX },
        In::Served { token, result: Err(ServeError::SourceChanged) },
        In::Told { id, word: Word::Received, result: Ok(()) },
        In::OfferSent { to: node(BOB), offer: offer_id(1), result: Ok(()) },
        In::Parted { peer: node(BOB) },
        In::PeerDown { node: node(BOB) },
        In::NetworkChanged,
    ];
    for input in inputs {
        world.input(ALICE, input);
    }
    for word in [Word::Withdrawn, Word::Declined, Word::Received, Word::TooMany, Word::Cancelled] {
        world.input(ALICE, In::Heard { from: node(BOB), token, offer: offer_id(1), word });
    }
    assert!(world.person(ALICE).rows.transfers.is_empty() && world.person(ALICE).shown.is_empty());
    assert_eq!(world.person(ALICE).refused, [Refusal::NotOffered; 5]);
    for command in [Command::Pause { id }, Command::Retry { id }, Command::Withdraw { id }] {
        assert_eq!(world.call(ALICE, command), Err(CommandError::Unknown));
    }
}

/// One moment at which something goes wrong.
#[derive(Debug, Clone)]
enum Mishap {
    Crash(u8),
    Part,
    Connect,
    Time(u64),
    Act(u8),
    Pause,
    Resume,
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        2 => prop_oneof![Just(ALICE), Just(BOB)].prop_map(Mishap::Crash),
        1 => Just(Mishap::Part),
        1 => Just(Mishap::Connect),
        3 => (0_u64..40).prop_map(Mishap::Time),
        6 => (1_u8..20).prop_map(Mishap::Act),
        1 => Just(Mishap::Pause),
        1 => Just(Mishap::Resume),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_crashes_when_everything_arrives_once(
        mishaps in proptest::collection::vec(mishap(), 0..40),
        a_folder: bool,
    ) {
        let mut world = World::new(&[ALICE, BOB]);
        let what = if a_folder { folder(1, 64 * 30) } else { file(1, 64 * 30) };
        let all = groups(&what, Part::Members) + if a_folder { 3 } else { 0 };
        let id = world.offer(ALICE, BOB, 7, what);
        let ours = TransferId::outgoing(node(BOB), offer_id(7));
        world.accept(BOB, id);
        for mishap in mishaps {
            match mishap {
                Mishap::Crash(who) => world.restart(who),
                Mishap::Part => world.part(ALICE, BOB),
                Mishap::Connect => world.connect(ALICE, BOB),
                Mishap::Time(steps) => (0..steps).for_each(|_| world.flow()),
                // Some outputs and inputs, so that the next crash comes in between.
                Mishap::Act(steps) => {
                    world.now.mono = Mono(world.now.mono.0 + 50);
                    (0..steps).for_each(|_| { world.act(); });
                }
                Mishap::Pause => {
                    // Over already, or not: both are right.
                    let _ignored_result = world.call(BOB, Command::Pause { id });
                }
                Mishap::Resume => {
                    let _ignored_result = world.call(BOB, Command::Resume { id });
                }
            }
        }
        world.connect(ALICE, BOB);
        let _ignored_result = world.call(BOB, Command::Resume { id });
        agree(&mut world, id, ours);
        prop_assert_eq!(world.person(BOB).pulled, all, "nothing that was proven is sent again");
        prop_assert_eq!(world.person(BOB).placed[&id], 1);
        prop_assert!(world.person(BOB).reports.is_empty());
        world.run(Duration::from_secs(70));
        prop_assert_eq!(world.person(ALICE).rows.transfers[&ours].owed, None);
        prop_assert_eq!(world.person(BOB).rows.transfers[&id].owed, None);
    }
}
