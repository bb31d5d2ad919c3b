//! A name that changes reaches those who were told the one before, once, and nobody else.

use super::*;

fn call_oneself(bench: &mut Bench, at: usize, name: &str) {
    bench.queue.push_back((at, In::Profile { name: name.to_owned() }));
    bench.run();
}

/// The name under which one shows to the other.
fn name(bench: &Bench, at: usize, of: usize) -> Option<String> {
    bench.nodes[at].view(of).name
}

/// The names that one wrote to the other, in order.
fn written(bench: &Bench, from: usize, to: usize) -> Vec<String> {
    let rows = bench.nodes[from].history.values();
    let own = rows.filter(|row| row.sender == id(from) && row.conversation == conversation(to));
    own.filter_map(|row| match &row.content.body {
        Body::Accepted { name } => Some(name.clone()),
        _ => None,
    })
    .collect()
}

#[test]
fn a_changed_name_reaches_contacts_once_and_shows_at_once() {
    let mut bench = Bench::new(3);
    bench.befriend(0, 1);
    bench.befriend(2, 0);
    bench.nodes[1].events.clear();
    call_oneself(&mut bench, 0, "Alice");
    assert_eq!(name(&bench, 1, 0).as_deref(), Some("Alice"));
    assert_eq!(name(&bench, 2, 0).as_deref(), Some("Alice"));
    let shown =
        |event: &Event| matches!(event, Event::ContactChanged(view) if view.name.as_deref() == Some("Alice"));
    assert!(bench.nodes[1].events.iter().any(shown), "whoever looks is told");
    assert_eq!(bench.nodes[1].view(0).unread, 1, "the request's text; a name is nothing to read");

    let frames = bench.sent.len();
    call_oneself(&mut bench, 0, "Alice");
    bench.restart(0);
    call_oneself(&mut bench, 0, "Alice");
    bench.wait(Duration::from_secs(60));
    assert_eq!(
        written(&bench, 0, 1),
        ["Alice"],
        "their request told the first one, and nothing is told twice"
    );
    assert_eq!(written(&bench, 0, 2), ["Person 0", "Alice"]);
    let names = bench.sent[frames..].iter().filter(|(_, request)| matches!(request, Request::Deliver { .. }));
    assert_eq!(names.count(), 0);
}

#[test]
fn a_name_that_changed_while_the_node_was_down_is_told_at_its_start() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.restart(1);
    bench.wait(Duration::from_secs(60));
    assert_eq!(written(&bench, 1, 0), ["Person 1"], "before the name is known nothing is told");
    call_oneself(&mut bench, 1, "Bob");
    bench.wait(Duration::from_secs(60));
    assert_eq!(name(&bench, 0, 1).as_deref(), Some("Bob"));
}

#[test]
fn who_is_away_hears_by_mailbox_and_not_every_name_in_between() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.wait(Duration::from_secs(60));
    bench.set_reachable(1, false);
    let parcels = bench.nodes[0].parcels.len();
    for name in ["Alcie", "Alic", "Alice", "Alice the Second"] {
        call_oneself(&mut bench, 0, name);
    }
    bench.wait(Duration::from_secs(60));
    assert!(bench.nodes[0].parcels.len() > parcels, "it goes into a parcel as messages do");
    bench.restart(0);
    call_oneself(&mut bench, 0, "Alice the Second");
    bench.set_reachable(1, true);
    bench.wait(limits::RETRY_MAX);
    assert_eq!(name(&bench, 1, 0).as_deref(), Some("Alice the Second"));
    assert_eq!(written(&bench, 0, 1), ["Alcie", "Alice the Second"]);
    assert!(bench.nodes[0].disk.outbox.is_empty());
}

#[test]
fn a_name_given_up_with_a_contact_who_is_long_away_is_told_when_they_come() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.set_reachable(1, false);
    call_oneself(&mut bench, 0, "Alice");
    bench.wait(limits::OUTBOX_LIFETIME + Duration::from_secs(86_400));
    bench.set_reachable(1, true);
    bench.wait(limits::RETRY_MAX);
    assert_eq!(name(&bench, 1, 0).as_deref(), Some("Alice"));
}

#[test]
fn only_contacts_hear_a_new_name() {
    let mut bench = Bench::new(5);
    bench.befriend(0, 1);
    bench.befriend(0, 2);
    bench.call(0, Command::Block { peer: id(1) }).expect("blocked");
    bench.call(0, Command::Remove { peer: id(2) }).expect("removed");
    bench.add(3, 0, "may I?").expect("asked");
    bench.add(0, 4, "may I?").expect("asked");
    call_oneself(&mut bench, 0, "Alice");
    bench.wait(limits::RETRY_MAX);
    for other in 1..5 {
        let known = name(&bench, other, 0);
        assert!(known.is_none_or(|known| known == "Person 0"), "{other} heard it");
    }
    bench.call(0, Command::Unblock { peer: id(1) }).expect("unblocked");
    bench.call(4, Command::Accept { peer: id(0) }).expect("accepted");
    bench.call(0, Command::Accept { peer: id(3) }).expect("accepted");
    bench.wait(limits::RETRY_MAX);
    for other in [1, 3, 4] {
        assert_eq!(name(&bench, other, 0).as_deref(), Some("Alice"), "{other} is a contact now");
    }
}

#[test]
fn a_new_name_does_not_replace_the_one_that_somebody_gave_and_can_be_taken_away() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.call(1, Command::Rename { peer: id(0), alias: Some("Sister".to_owned()) }).expect("renamed");
    call_oneself(&mut bench, 0, "Alice");
    let view = bench.nodes[1].view(0);
    assert_eq!((view.alias.as_deref(), view.name.as_deref()), (Some("Sister"), Some("Alice")));
    call_oneself(&mut bench, 0, "");
    let view = bench.nodes[1].view(0);
    assert_eq!((view.alias.as_deref(), view.name), (Some("Sister"), None));
}

#[test]
fn the_name_in_an_invitation_is_shown_until_they_tell_theirs_and_does_not_stay_beside_it() {
    let mut bench = Bench::new(2);
    bench.set_reachable(0, false);
    let name = Some("Al\u{202e}ice".to_owned());
    let (peer, text) = (id(0), String::new());
    let asked =
        Command::AddContact { peer, alias: None, name, text, invitation: None, addresses: Vec::new() };
    bench.call(1, asked).expect("asked");
    assert_eq!((bench.nodes[1].view(0).name.as_deref(), bench.nodes[1].view(0).alias), (Some("Alice"), None));
    bench.set_reachable(0, true);
    bench.wait(limits::RETRY_MAX);
    bench.call(0, Command::Accept { peer: id(1) }).expect("accepted");
    assert_eq!(bench.nodes[1].view(0).name.as_deref(), Some("Person 0"));
    call_oneself(&mut bench, 0, "Alicia");
    assert_eq!(bench.nodes[1].view(0).name.as_deref(), Some("Alicia"));
}

#[test]
fn who_removed_us_hears_no_name_and_shows_nothing() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.call(1, Command::Remove { peer: id(0) }).expect("removed");
    call_oneself(&mut bench, 0, "Alice");
    assert!(bench.nodes[1].texts(0).len() == 1 && bench.nodes[1].penalties == 0);
    assert!(bench.nodes[0].standing(1) == Some(Standing::Accepted), "nobody tells us of a removal");
}

#[test]
fn a_row_of_a_version_before_this_one_tells_the_name_once() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    for contact in bench.nodes[0].disk.contacts.values_mut() {
        contact.told = None;
    }
    bench.restart(0);
    call_oneself(&mut bench, 0, "Alice");
    call_oneself(&mut bench, 0, "Alice");
    assert_eq!(name(&bench, 1, 0).as_deref(), Some("Alice"));
    assert_eq!(written(&bench, 0, 1), ["Alice"]);
}
