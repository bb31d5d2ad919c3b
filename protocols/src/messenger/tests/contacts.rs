//! Asking, accepting, blocking, removing, inviting.

use super::*;

#[test]
fn a_request_shows_a_name_and_one_text_and_acceptance_opens_the_conversation() {
    let mut bench = Bench::new(2);
    bench.add(0, 1, "hello, it is Alice").expect("asked");
    assert_eq!(bench.nodes[0].standing(1), Some(Standing::Requested));
    assert_eq!(bench.nodes[1].standing(0), Some(Standing::Asking));
    assert_eq!(bench.nodes[1].texts(0), ["hello, it is Alice"]);
    assert_eq!(bench.nodes[1].view(0).name.as_deref(), Some("Person 0"));
    assert_eq!(bench.nodes[0].view(1).delivery, Delivery::Undecided);

    bench.call(1, Command::Accept { peer: id(0) }).expect("accepted");
    assert_eq!(bench.nodes[0].standing(1), Some(Standing::Accepted));
    assert_eq!(bench.nodes[0].view(1).name.as_deref(), Some("Person 1"));
    let row = bench.say(1, 0, "welcome");
    assert_eq!(bench.nodes[0].texts(1), ["hello, it is Alice", "welcome"]);
    assert_eq!(bench.nodes[1].state(&row), MessageState::Delivered);
}

#[test]
fn a_request_without_text_arrives_too() {
    let mut bench = Bench::new(2);
    bench.add(0, 1, "").expect("asked");
    assert_eq!(bench.nodes[1].standing(0), Some(Standing::Asking));
    assert!(bench.nodes[1].texts(0).is_empty());
}

#[test]
fn what_is_said_before_acceptance_waits_for_it() {
    let mut bench = Bench::new(2);
    bench.add(0, 1, "first").expect("asked");
    let second = bench.say(0, 1, "second");
    bench.say(0, 1, "third");
    assert_eq!(bench.nodes[1].texts(0), ["first"]);
    let offered = bench.sent.iter().filter_map(|(_, request)| match request {
        Request::Deliver { items } => {
            Some(items.iter().filter(|item| matches!(item, Item::Content { .. })).count())
        }
        _ => None,
    });
    assert_eq!(offered.sum::<usize>(), 1, "only the request's text was offered to somebody undecided");
    bench.call(1, Command::Accept { peer: id(0) }).expect("accepted");
    assert_eq!(bench.nodes[1].texts(0), ["first", "second", "third"]);
    assert_eq!(bench.nodes[0].state(&second), MessageState::Delivered);
}

#[test]
fn people_who_ask_each_other_are_contacts_whoever_was_first() {
    let mut bench = Bench::new(2);
    bench.begin_call(0, add_command(1, "from zero", None));
    bench.begin_call(1, add_command(0, "from one", None));
    bench.wait(Duration::from_secs(60));
    for (index, other) in [(0, 1), (1, 0)] {
        assert_eq!(bench.nodes[index].standing(other), Some(Standing::Accepted));
        assert_eq!(bench.nodes[index].disk.sessions.len(), 1, "one session stays");
        assert_eq!(bench.nodes[index].view(other).waiting, 0);
    }
    assert_eq!(bench.nodes[0].texts(1), bench.nodes[1].texts(0));
    assert_eq!(bench.nodes[0].texts(1).len(), 2);
    let creator = bench.nodes[0].disk.sessions.values().next().expect("a session").creator;
    assert_eq!(creator, id(0), "the one of the lower id stays");
}

#[test]
fn a_blocked_person_hears_what_an_undecided_one_says() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.call(1, Command::Block { peer: id(0) }).expect("blocked");
    let row = bench.say(0, 1, "are you there?");
    assert_eq!(bench.nodes[1].texts(0), ["it is me"]);
    assert_eq!(bench.nodes[0].state(&row), MessageState::Waiting);
    assert_eq!(bench.nodes[0].view(1).delivery, Delivery::Undecided);
    let blocked = bench.text(0, "no");
    assert_eq!(bench.call(1, blocked), Err(CommandError::Blocked));

    bench.call(1, Command::Unblock { peer: id(0) }).expect("unblocked");
    bench.wait(limits::RETRY_MAX);
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "are you there?"]);
    assert_eq!(bench.nodes[0].state(&row), MessageState::Delivered);
}

#[test]
fn unblocking_a_stranger_forgets_them() {
    let mut bench = Bench::new(2);
    bench.call(1, Command::Block { peer: id(0) }).expect("blocked");
    bench.add(0, 1, "hi").expect("asked");
    assert_eq!(bench.nodes[1].standing(0), Some(Standing::Blocked));
    assert!(bench.nodes[1].history.is_empty());
    bench.call(1, Command::Unblock { peer: id(0) }).expect("unblocked");
    assert_eq!(bench.nodes[1].standing(0), None);
    bench.wait(limits::RETRY_MAX);
    assert_eq!(bench.nodes[1].standing(0), Some(Standing::Asking));
}

#[test]
fn an_invitation_makes_contacts_at_once_and_once_only() {
    let mut bench = Bench::new(3);
    let Ok(Reply::Invitation { token, .. }) = bench.call(0, Command::Invite) else { panic!("no invitation") };
    bench.call(1, add_command(0, "you invited me", Some(token.clone()))).expect("asked");
    assert_eq!(bench.nodes[0].standing(1), Some(Standing::Accepted));
    assert_eq!(bench.nodes[1].standing(0), Some(Standing::Accepted));
    assert!(bench.nodes[0].disk.invitations.is_empty());
    bench.call(2, add_command(0, "me too", Some(token))).expect("asked");
    assert_eq!(bench.nodes[0].standing(2), Some(Standing::Asking));
}

#[test]
fn an_expired_invitation_is_a_request_like_any_other() {
    let mut bench = Bench::new(2);
    let Ok(Reply::Invitation { token, .. }) = bench.call(0, Command::Invite) else { panic!("no invitation") };
    bench.wait(limits::INVITATION_LIFETIME);
    bench.call(1, add_command(0, "late", Some(token))).expect("asked");
    assert_eq!(bench.nodes[0].standing(1), Some(Standing::Asking));
    assert!(bench.nodes[0].disk.invitations.is_empty(), "housekeeping forgets it");
}

#[test]
fn who_was_removed_is_a_stranger_and_can_be_found_again() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.say(0, 1, "one");
    bench.call(1, Command::Remove { peer: id(0) }).expect("removed");
    assert!(bench.nodes[1].disk.sessions.is_empty() && bench.nodes[1].disk.outbox.is_empty());
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "one"], "history stays");

    bench.say(0, 1, "two");
    bench.wait(limits::RETRY_MAX);
    assert_eq!(bench.nodes[1].standing(0), Some(Standing::Asking));
    bench.call(1, Command::Accept { peer: id(0) }).expect("accepted");
    bench.wait(limits::RETRY_MAX);
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "one", "two"]);
    bench.say(1, 0, "three");
    assert_eq!(bench.nodes[0].texts(1), ["it is me", "one", "two", "three"]);
}

#[test]
fn who_removed_a_contact_can_ask_again_and_is_told_that_they_still_are_one() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.call(0, Command::Remove { peer: id(1) }).expect("removed");
    bench.add(0, 1, "sorry, a mistake").expect("asked");
    bench.wait(limits::RETRY_MAX);
    assert_eq!(bench.nodes[0].standing(1), Some(Standing::Accepted));
    assert_eq!(bench.nodes[1].texts(0), ["it is me", "sorry, a mistake"]);
}

#[test]
fn what_waits_for_a_removed_contact_is_not_delivered() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.set_reachable(1, false);
    let row = bench.say(0, 1, "never");
    bench.call(0, Command::Remove { peer: id(1) }).expect("removed");
    assert_eq!(bench.nodes[0].state(&row), MessageState::NotDelivered);
    assert!(bench.nodes[0].disk.outbox.is_empty());
    assert!(bench.nodes[0].kept.is_empty());
}

#[test]
fn commands_that_make_no_sense_say_why() {
    let mut bench = Bench::new(3);
    let (peer, stranger) = (id(1), id(2));
    assert_eq!(bench.add(0, 0, ""), Err(CommandError::Yourself));
    let unknown = bench.text(1, "x");
    assert_eq!(bench.call(0, unknown), Err(CommandError::UnknownPeer));
    assert_eq!(bench.call(0, Command::Accept { peer }), Err(CommandError::UnknownPeer));
    assert_eq!(bench.call(0, Command::Unblock { peer }), Err(CommandError::UnknownPeer));
    bench.add(0, 1, "hi").expect("asked");
    assert_eq!(bench.add(0, 1, "hi"), Err(CommandError::AlreadyAsked));
    assert_eq!(bench.call(0, Command::Accept { peer }), Err(CommandError::NotAsking));
    let early = bench.text(0, "x");
    assert_eq!(bench.call(1, early), Err(CommandError::AcceptFirst));
    bench.add(1, 0, "").expect("asking who asked accepts");
    assert_eq!(bench.nodes[0].standing(1), Some(Standing::Accepted));
    assert_eq!(bench.add(0, 1, "hi"), Err(CommandError::AlreadyContact));
    let empty = bench.text(1, "  ");
    assert!(matches!(bench.call(0, empty), Err(CommandError::BadText { .. })));
    let long = "x".repeat(limits::MAX_REQUEST_TEXT_BYTES + 1);
    assert!(matches!(bench.add(0, 2, &long), Err(CommandError::BadText { .. })));
    assert_eq!(bench.call(0, Command::Remove { peer: stranger }), Err(CommandError::UnknownPeer));
}

#[test]
fn a_word_of_presence_that_is_lost_on_its_way_is_said_again_soon() {
    let mut bench = Bench::new(2);
    bench.befriend(1, 0);
    for index in [0, 1] {
        bench.set_reachable(index, false);
    }
    // Both are connected, and whatever they say first is lost with one of two connections.
    for index in [0, 1] {
        bench.queue.push_back((index, In::PeerUp { node: id(1 - index) }));
    }
    bench.run();
    assert!(!bench.nodes[0].view(1).online && !bench.nodes[1].view(0).online);
    bench.nodes[0].reachable = true;
    bench.nodes[1].reachable = true;
    bench.wait(Duration::from_secs(1));
    assert!(bench.nodes[0].view(1).online && bench.nodes[1].view(0).online);
}

#[test]
fn a_contact_is_online_while_connected_and_a_stranger_never() {
    let mut bench = Bench::new(3);
    bench.befriend(0, 1);
    bench.add(2, 0, "hi").expect("asked");
    bench.set_reachable(0, false);
    assert!(!bench.nodes[0].view(1).online && !bench.nodes[1].view(0).online);
    bench.set_reachable(0, true);
    assert!(bench.nodes[0].view(1).online && bench.nodes[1].view(0).online);
    assert!(!bench.nodes[2].view(0).online && !bench.nodes[0].view(2).online);
    bench.call(0, Command::Accept { peer: id(2) }).expect("accepted");
    assert!(bench.nodes[0].view(2).online && bench.nodes[2].view(0).online, "at once with acceptance");
}

#[test]
fn renaming_is_remembered_and_taken_back() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let rename = |alias: Option<&str>| Command::Rename { peer: id(1), alias: alias.map(str::to_owned) };
    bench.call(0, rename(Some("  Bob "))).expect("renamed");
    bench.restart(0);
    bench.run();
    assert_eq!(bench.nodes[0].view(1).alias.as_deref(), Some("Bob"));
    bench.call(0, rename(None)).expect("renamed");
    assert_eq!(bench.nodes[0].view(1).alias, None);
}

#[test]
fn what_was_not_opened_before_the_decision_is_not_old_after_it() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    // The other side forgets everything; a text too long for a stranger waits before a short one.
    bench.set_reachable(1, false);
    bench.say(0, 1, &"long ".repeat(2_000));
    let short = bench.say(0, 1, "short");
    bench.nodes[1].disk = Snapshot::default();
    bench.nodes[1].history.clear();
    bench.restart(1);
    bench.nodes[1].reachable = false;
    bench.run();
    bench.set_reachable(1, true);
    assert_eq!(bench.nodes[1].texts(0), ["short"]);
    bench.call(1, Command::Accept { peer: id(0) }).expect("accepted");
    bench.wait(limits::RETRY_MAX);
    assert_eq!(bench.nodes[1].texts(0).len(), 2);
    assert_eq!(bench.nodes[1].texts(0)[1], "short");
    assert_eq!(bench.nodes[0].state(&short), MessageState::Delivered);
}
