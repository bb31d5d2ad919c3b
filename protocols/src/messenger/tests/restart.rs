//! What a crash at any moment leaves: rows, from which everything goes on.

use super::*;

#[test]
fn what_waited_before_a_restart_is_sent_after_it_as_it_was_sealed() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.set_reachable(1, false);
    bench.say(0, 1, "sealed and tried");
    let sealed = |bench: &Bench| bench.nodes[0].disk.outbox.values().cloned().collect::<Vec<_>>();
    let before = sealed(&bench);
    assert!(matches!(&before[0].what, Waiting::Content { sealed: Some(_), .. }));
    bench.restart(0);
    bench.run();
    assert_eq!(sealed(&bench), before);
    bench.set_reachable(1, true);
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "sealed and tried"]);
}

#[test]
fn a_restarted_receiver_acknowledges_what_it_has_without_storing_it_again() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.say(0, 1, "once");
    let Some((_, request)) = bench.sent.iter().rev().find(|(from, request)| {
        *from == 0 && matches!(request, Request::Deliver { items } if items.iter().any(|item| matches!(item, Item::Content { seq: 2.., .. })))
    }) else {
        panic!("nothing was sent")
    };
    let frame = request.encode();
    bench.restart(1);
    bench.run();
    let Answer::Delivered { outcomes } = bench.inject(0, 1, frame) else { panic!("no outcomes") };
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Stored));
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "once"]);
}

#[test]
fn a_request_made_before_a_restart_goes_out_after_it() {
    let mut bench = Bench::new(2);
    bench.set_reachable(1, false);
    bench.nodes[1].key_package.take();
    bench.add(0, 1, "hello").expect("asked");
    assert_eq!(bench.nodes[0].view(1).delivery, Delivery::NotFound);
    bench.restart(0);
    bench.restart(1);
    bench.nodes[1].reachable = true;
    bench.run();
    bench.wait(limits::RETRY_MAX);
    assert_eq!(bench.nodes[1].standing(0), Some(Standing::Asking));
    assert_eq!(bench.nodes[1].texts(0), ["hello"]);
}

#[test]
fn the_first_tick_offers_the_key_package_and_names_who_to_stay_connected_with() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.restart(0);
    bench.nodes[0].key_package = None;
    bench.run();
    assert!(bench.nodes[0].key_package.is_some());
    assert_eq!(bench.nodes[0].kept, [id(1)]);
    assert!(bench.nodes[0].disk.device.is_some());
}

#[test]
fn answers_to_questions_of_an_earlier_life_are_stale() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.set_reachable(1, false);
    let row = bench.say(0, 1, "waits");
    let op = OpId { origin: crate::machine::Component::Messenger, generation: 0, number: 9 };
    bench.restart(0);
    bench.run();
    let answer = Answer::Delivered { outcomes: vec![Outcome::Stored] }.encode();
    bench.step(0, In::PeerResponse { op, result: Ok(answer) });
    assert_eq!(bench.nodes[0].state(&row), MessageState::Waiting);
}

#[test]
fn a_damaged_session_is_replaced_by_a_new_one() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    for value in bench.nodes[0].disk.session_values.iter_mut().filter(|((session, _), _)| session.is_some()) {
        value.1.truncate(3);
    }
    bench.restart(0);
    bench.say(0, 1, "still here");
    bench.say(1, 0, "so I see");
    bench.wait(Duration::from_secs(600));
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "still here", "so I see"]);
    assert_eq!(bench.nodes[0].texts(1), bench.nodes[1].texts(0));
}

#[test]
fn a_question_the_network_never_answers_holds_nothing_up_for_ever() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let command = bench.text(1, "held up");
    let mut out = Vec::new();
    bench.nodes[0].machine.handle(bench.now, In::Call { call: CallId(1), command }, &mut out);
    // The write happens; the request is swallowed.
    for out in out {
        if let Out::Persist { changes, .. } = out {
            changes.iter().for_each(|change| bench.nodes[0].write(change));
        }
    }
    bench.wait(limits::HOUSEKEEPING);
    bench.wait(limits::HOUSEKEEPING * 2);
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "held up"]);
}

#[test]
fn a_start_publishes_nothing_that_has_not_changed() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.restart(0);
    bench.nodes[1].reachable = false;
    bench.run();
    assert_eq!(bench.nodes[0].events, []);
}
