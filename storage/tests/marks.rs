//! Edits, deletions and reactions: kept by their target in whatever order they come, and what nobody is to read any more is off the disk.

mod common;

use common::*;
use pc2_protocols::{
    id::{MsgId, NodeId},
    limits,
    messenger::{
        content::{Body, Hlc},
        marks::Entry,
        rows::{self, MessageRow, MessageState},
    },
};
use pc2_storage::{Change, Storage};

fn put(row: MessageRow) -> Change {
    Change::Messenger(rows::Change::PutMessage(Box::new(row)))
}

fn of(sender: NodeId, number: u64, body: Body) -> MessageRow {
    let mut row = message(number, "");
    row.sender = sender;
    row.state = if sender == ME { MessageState::Waiting } else { MessageState::Received };
    row.content.body = body;
    row
}

fn text(sender: NodeId, number: u64, text: &str) -> Change {
    put(of(sender, number, Body::Text { text: text.to_owned(), reply_to: None }))
}

fn edit(sender: NodeId, number: u64, target: u64, text: &str) -> Change {
    put(of(sender, number, Body::Edit { target: msg_id(target), text: text.to_owned() }))
}

fn delete(sender: NodeId, number: u64, target: u64) -> Change {
    put(of(sender, number, Body::Delete { target: msg_id(target) }))
}

fn react(sender: NodeId, number: u64, target: u64, emoji: Option<&str>) -> Change {
    put(of(sender, number, Body::Reaction { target: msg_id(target), emoji: emoji.map(str::to_owned) }))
}

fn entry(storage: &Storage, number: u64) -> Entry {
    storage.reader().entry(ME, CHAT, msg_id(number)).expect("read").expect("there")
}

/// What a reader sees of a message: its text, whether it was taken back, who reacts how.
fn seen(storage: &Storage, number: u64) -> (String, bool, Vec<(NodeId, String)>) {
    let Entry { row, marks, .. } = entry(storage, number);
    let text = row.content.body.entry_text().expect("an entry").to_owned();
    let text = marks.edit_of(&row).map_or(text, |edit| edit.text.clone());
    let reactions = marks.reactions().map(|(who, emoji)| (who, emoji.to_owned())).collect();
    (text, row.content.body.is_erased(), reactions)
}

#[test]
fn what_comes_before_its_target_waits_for_it_also_over_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let early = vec![edit(PEER, 2, 1, "new"), react(ME, 3, 1, Some("👍")), delete(PEER, 5, 4)];
    write(&storage, early).expect("written");
    assert_eq!(storage.reader().entry(ME, CHAT, msg_id(1)), Ok(None));
    storage.close();
    let (storage, _) = open(dir.path());
    write(&storage, vec![text(PEER, 1, "old"), text(PEER, 4, "taken back")]).expect("written");
    assert_eq!(seen(&storage, 1), ("new".into(), false, vec![(ME, "👍".into())]));
    assert_eq!(seen(&storage, 4), (String::new(), true, vec![]));
}

#[test]
fn a_deleted_text_is_on_no_row_any_more_in_whatever_order_it_came() {
    let changes = || [text(PEER, 1, "SECRET"), edit(PEER, 2, 1, "SECRET too"), delete(PEER, 3, 1)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let dir = tempfile::tempdir().expect("a directory");
        let (storage, _) = open(dir.path());
        for at in order {
            write(&storage, vec![changes()[at].clone()]).expect("written");
        }
        let rows = storage.reader().history(ME, CHAT, None, 10).expect("read");
        assert_eq!(rows.len(), 3, "{order:?}");
        let left = rows.iter().any(|row| match &row.content.body {
            Body::Text { text, .. } | Body::Edit { text, .. } => !text.is_empty(),
            _ => false,
        });
        let Entry { row, marks, .. } = entry(&storage, 1);
        assert!(!left && marks.edit_of(&row).is_none(), "{order:?}: some text is left");
        assert!(seen(&storage, 1).1, "{order:?}");
        assert!(storage.verify().is_ok());
    }
}

#[test]
fn nobody_edits_or_deletes_a_message_of_another() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    write(
        &storage,
        vec![edit(PEER, 9, 2, "early and foreign"), text(ME, 1, "mine"), text(ME, 2, "mine, too")],
    )
    .expect("written");
    write(&storage, vec![edit(PEER, 3, 1, "foreign"), delete(PEER, 4, 1), delete(PEER, 5, 2)])
        .expect("written");
    assert_eq!(seen(&storage, 1), ("mine".into(), false, vec![]));
    assert_eq!(seen(&storage, 2), ("mine, too".into(), false, vec![]));
}

#[test]
fn nobody_passes_a_message_off_under_the_id_of_another() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let mut forged = of(PEER, 8, Body::Text { text: "forged".into(), reply_to: None });
    forged.content.id = msg_id(1);
    write(&storage, vec![text(ME, 1, "mine"), put(forged)]).expect("written");
    assert_eq!(seen(&storage, 1).0, "mine");
    assert_eq!(storage.reader().history(ME, CHAT, None, 10).expect("read").len(), 1);
}

#[test]
fn a_page_has_entries_only_and_says_where_to_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let mut changes: Vec<Change> = (1..=4).map(|number| text(PEER, number, "text")).collect();
    changes.extend((10..800).map(|number| react(PEER, number, 1, Some("👍"))));
    write(&storage, changes).expect("written");
    let page = |before, limit| {
        let (entries, more) = storage.reader().entries(ME, CHAT, before, limit).expect("read");
        (entries.iter().map(|entry| entry.row.content.seq).collect::<Vec<_>>(), more)
    };
    assert_eq!(page(None, 3), (vec![4, 3, 2], Some((Hlc(2 << 16), msg_id(2)))));
    assert_eq!(page(Some((Hlc(2 << 16), msg_id(2))), 3), (vec![1], None));
    assert_eq!(page(None, 4), (vec![4, 3, 2, 1], None));
}

#[test]
fn a_page_among_very_many_reactions_ends_and_can_be_gone_on_from() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let many = 100 + limits::MAX_ROWS_A_PAGE as u64;
    let reactions = (100..100 + many).map(|number| react(PEER, number, 1, None));
    write(&storage, std::iter::once(text(PEER, 1, "text")).chain(reactions).collect()).expect("written");
    let (entries, more) = storage.reader().entries(ME, CHAT, None, 5).expect("read");
    assert!(entries.is_empty() && more.is_some());
    let (entries, more) = storage.reader().entries(ME, CHAT, more, 5).expect("read");
    assert_eq!((entries.len(), more), (1, None));
}

#[test]
fn an_answer_comes_with_what_it_answers_as_that_is_now() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let answer =
        |number, to: MsgId| put(of(ME, number, Body::Text { text: "yes".into(), reply_to: Some(to) }));
    let changes =
        vec![text(PEER, 1, "well?"), answer(2, msg_id(1)), edit(PEER, 3, 1, "is it?"), answer(4, msg_id(77))];
    write(&storage, changes).expect("written");
    let (row, marks) = *entry(&storage, 2).quoted.expect("it is here");
    assert_eq!(marks.edit_of(&row).map(|edit| edit.text.as_str()), Some("is it?"));
    assert_eq!(entry(&storage, 4).quoted, None);
}

#[test]
fn an_export_brings_edits_deletions_and_reactions_along() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let changes = vec![
        text(PEER, 1, "old"),
        text(ME, 2, "gone"),
        edit(PEER, 3, 1, "new"),
        react(ME, 4, 1, Some("👍")),
        delete(ME, 5, 2),
    ];
    write(&storage, changes).expect("written");
    let before = (seen(&storage, 1), seen(&storage, 2));
    storage.export().expect("exported");
    storage.close();
    std::fs::remove_dir_all(dir.path().join("db")).expect("removed");
    let (storage, report) = open(dir.path());
    assert!(report.restored.is_some());
    assert_eq!((seen(&storage, 1), seen(&storage, 2)), before);
    let rows = storage.reader().own_range(ME, CHAT, DEVICE, 2, 2).expect("read");
    assert!(rows.iter().all(|row| row.content.body.is_erased()), "what is gone is not sent again");
}
