//! What people tell each other of what they do: that they write, that they have read. Nothing, unless both chose to.

use super::*;
use crate::messenger::rows::ChatSettings;

fn choose(bench: &mut Bench, at: usize, receipts: bool, typing: bool) {
    let chosen = bench.call(at, Command::SetSettings { receipts, typing });
    assert_eq!(chosen, Ok(Reply::Settings(ChatSettings { receipts, typing })));
}

/// Two contacts who told each other that they are here.
fn pair() -> Bench {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.set_reachable(1, false);
    bench.set_reachable(1, true);
    bench.wait(Duration::from_secs(1));
    assert!(bench.nodes[0].view(1).online && bench.nodes[1].view(0).online);
    bench
}

fn type_to(bench: &mut Bench, from: usize, to: usize) {
    assert_eq!(bench.call(from, Command::Typing { conversation: conversation(to) }), Ok(Reply::Done));
}

fn said_typing(bench: &Bench) -> usize {
    bench.sent.iter().filter(|(_, request)| *request == Request::Typing).count()
}

fn read(bench: &mut Bench, at: usize, with: usize) {
    assert_eq!(bench.call(at, Command::MarkRead { conversation: conversation(with) }), Ok(Reply::Done));
}

#[test]
fn nobody_is_told_that_somebody_writes_unless_they_chose_so() {
    let mut bench = pair();
    type_to(&mut bench, 0, 1);
    assert_eq!(said_typing(&bench), 0);
    choose(&mut bench, 0, false, true);
    type_to(&mut bench, 0, 1);
    assert_eq!(said_typing(&bench), 1);
    assert!(!bench.nodes[1].view(0).typing, "who does not tell is not told");
}

#[test]
fn that_somebody_writes_is_shown_for_some_seconds_and_ends_with_what_they_wrote() {
    let mut bench = pair();
    choose(&mut bench, 0, false, true);
    choose(&mut bench, 1, false, true);
    let (disk, rows) = (bench.nodes[0].disk.clone(), bench.nodes[1].disk.clone());
    for _ in 0..3 {
        type_to(&mut bench, 0, 1);
    }
    assert_eq!(said_typing(&bench), 1, "not with every letter");
    assert!(bench.nodes[1].view(0).typing);
    assert_eq!((&bench.nodes[0].disk, &bench.nodes[1].disk), (&disk, &rows), "nothing is written");
    bench.wait(Duration::from_secs(5));
    type_to(&mut bench, 0, 1);
    assert_eq!(said_typing(&bench), 2);
    bench.wait(Duration::from_secs(9));
    assert!(bench.nodes[1].view(0).typing);
    bench.wait(Duration::from_secs(2));
    assert!(!bench.nodes[1].view(0).typing, "it ends by itself");

    type_to(&mut bench, 0, 1);
    bench.say(0, 1, "here it is");
    assert!(!bench.nodes[1].view(0).typing);
    bench.wait(Duration::from_secs(5));
    type_to(&mut bench, 0, 1);
    choose(&mut bench, 1, false, false);
    assert!(!bench.nodes[1].view(0).typing, "it is switched off");
}

#[test]
fn nothing_of_typing_waits_for_who_is_away_and_strangers_are_not_heard() {
    let mut bench = pair();
    choose(&mut bench, 0, false, true);
    choose(&mut bench, 1, false, true);
    bench.set_reachable(1, false);
    type_to(&mut bench, 0, 1);
    bench.set_reachable(1, true);
    bench.wait(Duration::from_secs(60));
    assert_eq!(said_typing(&bench), 0);
    let mut strangers = Bench::new(2);
    choose(&mut strangers, 0, true, true);
    let answer = strangers.inject(1, 0, Request::Typing.encode());
    assert_eq!(answer, Answer::Refused { reason: Refusal::Undecided });
    assert_eq!(strangers.nodes[0].penalties, 0);
}

#[test]
fn what_was_read_is_told_if_both_tell_and_names_exactly_what_was_unread() {
    for (hers, his, told) in
        [(false, false, false), (true, false, false), (false, true, false), (true, true, true)]
    {
        let mut bench = pair();
        choose(&mut bench, 0, hers, false);
        choose(&mut bench, 1, his, false);
        let (one, two) = (bench.say(0, 1, "one"), bench.say(0, 1, "two"));
        assert_eq!(bench.nodes[0].state(&two), MessageState::Delivered);
        read(&mut bench, 1, 0);
        let three = bench.say(0, 1, "three");
        let state = if told { MessageState::Read } else { MessageState::Delivered };
        assert_eq!((bench.nodes[0].state(&one), bench.nodes[0].state(&two)), (state, state), "{hers} {his}");
        assert_eq!(bench.nodes[0].state(&three), MessageState::Delivered);
        let receipts = |row: &&MessageRow| matches!(row.content.body, Body::Read { .. });
        assert_eq!(bench.nodes[1].history.values().filter(receipts).count(), usize::from(his));
        assert_eq!(bench.nodes[0].view(1).unread, 0, "a receipt is nothing to read");
        read(&mut bench, 1, 0);
        assert_eq!(bench.nodes[0].state(&three), state);
    }
}

#[test]
fn what_was_read_while_they_were_away_is_told_later_also_after_a_crash() {
    let mut bench = pair();
    choose(&mut bench, 0, true, false);
    choose(&mut bench, 1, true, false);
    let row = bench.say(0, 1, "read me");
    bench.set_reachable(0, false);
    bench.restart(1);
    bench.run();
    read(&mut bench, 1, 0);
    bench.restart(1);
    bench.run();
    assert_eq!(bench.nodes[0].state(&row), MessageState::Delivered);
    bench.set_reachable(0, true);
    bench.wait(Duration::from_secs(600));
    assert_eq!(bench.nodes[0].state(&row), MessageState::Read);
}

#[test]
fn what_was_read_while_nothing_was_told_is_not_told_later() {
    let mut bench = pair();
    choose(&mut bench, 0, true, false);
    let row = bench.say(0, 1, "unread");
    choose(&mut bench, 1, true, false);
    read(&mut bench, 1, 0);
    assert_eq!(bench.nodes[0].state(&row), MessageState::Delivered);
}

#[test]
fn what_holds_for_one_person_goes_before_what_holds_for_everybody() {
    for (everybody, one, told) in [
        (false, None, false),
        (false, Some(true), true),
        (true, Some(false), false),
        (true, Some(true), true),
        (true, None, true),
    ] {
        let mut bench = pair();
        choose(&mut bench, 0, true, false);
        choose(&mut bench, 1, everybody, false);
        bench.call(1, Command::SetReceipts { peer: id(0), receipts: one }).expect("chosen");
        bench.restart(1);
        bench.run();
        assert_eq!(bench.nodes[1].view(0).receipts, one);
        let (there, back) = (bench.say(0, 1, "there"), bench.say(1, 0, "back"));
        read(&mut bench, 1, 0);
        read(&mut bench, 0, 1);
        let state = if told { MessageState::Read } else { MessageState::Delivered };
        let case = format!("{everybody} {one:?}");
        assert_eq!((bench.nodes[0].state(&there), bench.nodes[1].state(&back)), (state, state), "{case}");
    }
    let mut bench = Bench::new(2);
    let stranger = Command::SetReceipts { peer: id(1), receipts: Some(true) };
    assert_eq!(bench.call(0, stranger), Err(CommandError::UnknownPeer));
}

#[test]
fn what_came_while_one_person_was_not_told_is_not_told_to_them_later() {
    let mut bench = pair();
    choose(&mut bench, 0, true, false);
    choose(&mut bench, 1, true, false);
    let row = bench.say(0, 1, "unread");
    for receipts in [Some(false), None] {
        bench.call(1, Command::SetReceipts { peer: id(0), receipts }).expect("chosen");
    }
    read(&mut bench, 1, 0);
    assert_eq!(bench.nodes[0].state(&row), MessageState::Delivered);
}

/// Otherwise what is being written could come after it, and say how things were before.
#[test]
fn what_is_told_of_a_contact_stays_in_order_with_what_is_being_written() {
    let mut bench = pair();
    let mut out = Vec::new();
    bench.nodes[0].machine.handle(bench.now, In::PeerDown { node: id(1) }, &mut out);
    let [Out::Persist { changes, then }] = &out[..] else { panic!("behind what was told before: {out:?}") };
    assert!(changes.is_empty(), "nobody's going is written: {changes:?}");
    assert!(then.iter().any(|out| matches!(out, Out::Publish(Event::ContactChanged(view)) if !view.online)));
}
