//! Edits, deletions and reactions between two people.

use super::*;
use crate::{
    machine::{Component, OpIds},
    messenger::{Amendment, rows::LastEntry},
};

fn amend(
    bench: &mut Bench,
    from: usize,
    to: usize,
    target: MsgId,
    amendment: Amendment,
) -> Result<Reply, CommandError> {
    bench.next += 1;
    let id = MsgId::from_bytes(u128::from(bench.next).to_be_bytes());
    bench.call(from, Command::Amend { conversation: conversation(to), id, target, amendment })
}

fn edit(text: &str) -> Amendment {
    Amendment::Edit { text: text.to_owned() }
}

fn last(bench: &Bench, at: usize, with: usize) -> LastEntry {
    bench.nodes[at].view(with).last.expect("an entry")
}

/// How often each side was told that a message is different now.
fn told(bench: &Bench, at: usize, id: MsgId) -> usize {
    let told = |event: &&Event| matches!(event, Event::MessageAmended { id: of, .. } if *of == id);
    bench.nodes[at].events.iter().filter(told).count()
}

#[test]
fn an_edit_reaches_both_lists_and_both_readers_and_is_no_entry_of_its_own() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let row = bench.say(0, 1, "helo");
    let unread = bench.nodes[1].view(0).unread;
    amend(&mut bench, 0, 1, row.content.id, edit("hello")).expect("taken");
    for (at, with) in [(0, 1), (1, 0)] {
        assert_eq!(last(&bench, at, with).preview, "hello");
        assert_eq!(told(&bench, at, row.content.id), 1);
        let added = |event: &&Event| matches!(event, Event::MessageAdded(added) if added.content.id == row.content.id);
        assert_eq!(bench.nodes[at].events.iter().filter(added).count(), 1);
        let told = |event: &&Event| matches!(event, Event::ContactChanged(view) if view.last.as_ref().is_some_and(|last| last.preview == "hello"));
        assert!(bench.nodes[at].events.iter().any(|event| told(&event)), "whoever shows the list is told");
    }
    assert_eq!(bench.nodes[1].view(0).unread, unread, "nothing more to read");
}

#[test]
fn what_is_taken_back_is_no_longer_in_the_list_and_no_edit_brings_it_back() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let row = bench.say(0, 1, "secret");
    amend(&mut bench, 0, 1, row.content.id, Amendment::Delete).expect("taken");
    amend(&mut bench, 0, 1, row.content.id, edit("secret")).expect("taken");
    for (at, with) in [(0, 1), (1, 0)] {
        let last = last(&bench, at, with);
        assert_eq!((last.deleted, last.preview.as_str()), (true, ""));
    }
}

#[test]
fn nobody_changes_in_the_list_what_the_other_wrote() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let row = bench.say(0, 1, "mine");
    amend(&mut bench, 1, 0, row.content.id, edit("forged"))
        .expect("it is for the reader to look whose it is");
    amend(&mut bench, 1, 0, row.content.id, Amendment::Delete).expect("taken");
    for (at, with) in [(0, 1), (1, 0)] {
        assert_eq!(last(&bench, at, with).preview, "mine");
    }
}

#[test]
fn an_edit_waits_for_somebody_offline_and_arrives_once() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.set_reachable(1, false);
    let row = bench.say(0, 1, "first");
    amend(&mut bench, 0, 1, row.content.id, edit("second")).expect("taken");
    bench.restart(0);
    bench.set_reachable(1, true);
    bench.wait(Duration::from_secs(600));
    assert_eq!(last(&bench, 1, 0).preview, "second");
    assert_eq!(told(&bench, 1, row.content.id), 1);
    assert!(bench.nodes[0].disk.outbox.is_empty());
}

#[test]
fn a_reaction_that_is_no_emoji_and_an_empty_edit_are_refused_in_words() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let id = bench.say(0, 1, "hello").content.id;
    let long = "x".repeat(limits::MAX_TEXT_BYTES + 1);
    let sentence = Amendment::React { emoji: Some("not an emoji".into()) };
    for wrong in [edit("  "), edit(&long), sentence] {
        let refused = amend(&mut bench, 0, 1, id, wrong);
        assert!(matches!(refused, Err(CommandError::BadText { .. })), "{refused:?}");
    }
    let react = Amendment::React { emoji: Some("👍".into()) };
    amend(&mut bench, 1, 0, id, react).expect("taken");
    assert_eq!(told(&bench, 0, id), 1);
}

#[test]
fn a_message_that_was_taken_back_is_gone_to_who_misses_it() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let row = bench.say(0, 1, "secret");
    let key = (row.conversation, row.content.hlc.0, row.content.id);
    bench.nodes[0].history.get_mut(&key).expect("there").content.body.erase();
    let payload =
        Request::Repair { device: row.content.device, from: row.content.seq, to: row.content.seq }.encode();
    bench.next += 1;
    let token = RequestToken(bench.next);
    let op = OpIds::new(Component::Messenger, 99).next_id();
    bench.tokens.insert(token, (1, op));
    bench.set_reachable(1, false);
    bench.queue.push_back((0, In::PeerRequest { from: id(1), token, payload }));
    bench.sent.clear();
    bench.run();
    assert!(bench.nodes[0].disk.outbox.is_empty(), "nothing is queued again");
}

/// The receiver loses its newest rows, as after a restore, and learns of the loss by what comes next.
fn forgets_since(
    bench: &mut Bench,
    at: usize,
    before: (Snapshot, BTreeMap<(ConversationId, u64, MsgId), MessageRow>),
) {
    (bench.nodes[at].disk, bench.nodes[at].history) = before;
    bench.restart(at);
}

#[test]
fn what_comes_before_its_message_is_in_the_list_once_that_comes_also_over_a_restart() {
    for (amendment, shown) in [(edit("second"), ("second", false)), (Amendment::Delete, ("", true))] {
        let mut bench = Bench::new(2);
        bench.befriend(0, 1);
        bench.say(0, 1, "before");
        let before = (bench.nodes[1].disk.clone(), bench.nodes[1].history.clone());
        let target = bench.say(0, 1, "first").content.id;
        forgets_since(&mut bench, 1, before);
        amend(&mut bench, 0, 1, target, amendment).expect("taken");
        assert_eq!(last(&bench, 1, 0).preview, "before", "the message is missing, the amendment is there");
        assert_eq!(bench.nodes[1].disk.conversations[&conversation(0)].early.len(), 1);
        bench.restart(1);
        bench.wait(Duration::from_secs(3_600));
        let last = last(&bench, 1, 0);
        assert_eq!((last.preview.as_str(), last.deleted), shown);
        assert!(
            bench.nodes[1].disk.conversations[&conversation(0)].early.is_empty(),
            "nothing is early any more"
        );
    }
}

#[test]
fn what_is_early_is_bounded_however_much_a_contact_makes_up() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    bench.say(0, 1, "before");
    let before = (bench.nodes[1].disk.clone(), bench.nodes[1].history.clone());
    bench.say(0, 1, "lost");
    forgets_since(&mut bench, 1, before);
    for number in 0..=limits::MAX_EARLY {
        let target = MsgId::from_bytes((7_000 + number as u128).to_be_bytes());
        amend(&mut bench, 0, 1, target, edit("of nothing")).expect("taken");
    }
    assert_eq!(bench.nodes[1].disk.conversations[&conversation(0)].early.len(), limits::MAX_EARLY);
    bench.wait(Duration::from_secs(3_600));
    assert_eq!(last(&bench, 1, 0).preview, "lost");
}

#[test]
fn an_offer_of_files_can_be_neither_edited_nor_deleted() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let Ok(Reply::Sent(row)) = bench.call(0, super::files::send(1, "a.txt")) else { panic!("sent") };
    amend(&mut bench, 0, 1, row.content.id, edit("b.txt")).expect("it is for the reader to look what it is");
    amend(&mut bench, 0, 1, row.content.id, Amendment::Delete).expect("taken");
    for (at, with) in [(0, 1), (1, 0)] {
        let last = last(&bench, at, with);
        assert_eq!((last.preview.as_str(), last.deleted), ("a.txt", false));
    }
}

#[test]
fn a_repeated_amendment_is_the_same_one() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let target = bench.say(0, 1, "hello").content.id;
    let (conversation, id) = (conversation(1), MsgId::from_bytes([8; 16]));
    let command = Command::Amend { conversation, id, target, amendment: Amendment::Delete };
    let first = bench.call(0, command.clone()).expect("taken");
    bench.restart(0);
    let Ok(Reply::Sent(again)) = bench.call(0, command) else { panic!("answered") };
    let Reply::Sent(first) = first else { panic!("sent") };
    assert_eq!(again.content, first.content);
    assert_eq!(told(&bench, 1, target), 1);
}
