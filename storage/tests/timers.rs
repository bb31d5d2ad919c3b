//! Messages that disappear leave nothing they said: not in history, not beside it, not where searches look.

mod common;

use common::*;
use pc2_protocols::{
    id::NodeId,
    messenger::{
        content::{Body, Hlc},
        rows::{self, Expired, MessageRow, MessageState, Timed, TimerChange, Waiting},
        search::Query,
    },
    time::UnixMillis,
};
use pc2_storage::{Change, Storage};

fn change(change: rows::Change) -> Change {
    Change::Messenger(change)
}

fn row(sender: NodeId, number: u64, body: Body, lasts: Option<u32>) -> MessageRow {
    let mut row = message(number, "");
    row.sender = sender;
    row.state = if sender == ME { MessageState::Waiting } else { MessageState::Received };
    row.content.body = body;
    row.content.lasts = lasts;
    row
}

fn put(sender: NodeId, number: u64, body: Body, lasts: Option<u32>) -> Change {
    change(rows::Change::PutMessage(Box::new(row(sender, number, body, lasts))))
}

fn text(sender: NodeId, number: u64, said: &str, lasts: Option<u32>) -> Change {
    put(sender, number, Body::Text { text: said.to_owned(), reply_to: None }, lasts)
}

fn timed(number: u64) -> Timed {
    Timed { account: ME, conversation: CHAT, hlc: Hlc(number << 16), id: msg_id(number) }
}

fn start(number: u64, from: u64) -> Change {
    change(rows::Change::Timer(TimerChange::Start { timed: timed(number), from: UnixMillis(from) }))
}

fn start_all(from: u64) -> Change {
    change(rows::Change::Timer(TimerChange::StartAll {
        account: ME,
        conversation: CHAT,
        from: UnixMillis(from),
    }))
}

fn expired(storage: &Storage, until: u64) -> Expired {
    storage.reader().expired(ME, UnixMillis(until), false).expect("read")
}

fn expire_all(storage: &Storage, until: u64) {
    let due = expired(storage, until).due;
    let changes =
        due.into_iter().map(|(due, timed)| change(rows::Change::Timer(TimerChange::Expire { due, timed })));
    write(storage, changes.collect()).expect("written");
}

fn finds(storage: &Storage, typed: &str) -> usize {
    let query = Query::parse(typed).expect("a query");
    storage.reader().search(ME, None, &query, None, 100).expect("read").len()
}

#[test]
fn times_begin_when_they_are_to_and_end_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let all = vec![
        text(ME, 1, "mine", Some(60)),
        text(PEER, 2, "theirs", Some(10)),
        text(PEER, 3, "theirs, too", Some(20)),
        text(PEER, 4, "stays", None),
    ];
    write(&storage, all).expect("written");
    assert_eq!(expired(&storage, u64::MAX), Expired::default(), "nothing has begun");
    write(&storage, vec![start_all(1_000), start(1, 1_000), start(1, 50_000), start(4, 0)]).expect("written");
    storage.close();
    let (storage, _) = open(dir.path());
    let found = expired(&storage, 21_000);
    assert_eq!(found.due, [(UnixMillis(11_000), timed(2)), (UnixMillis(21_000), timed(3))]);
    assert_eq!(found.next, Some(UnixMillis(61_000)));
    expire_all(&storage, 21_000);
    let left = storage.reader().history(ME, CHAT, None, 100).expect("read");
    assert_eq!(left.iter().map(|row| row.content.seq).collect::<Vec<_>>(), [4, 1]);
    assert_eq!(expired(&storage, 21_000).due, []);
    assert_eq!(storage.verify().map(|_| ()), Ok(()));
}

#[test]
fn nothing_of_it_is_left_whether_edited_answered_or_in_pages_and_what_comes_later_shows_nothing() {
    for in_pages in [false, true] {
        let dir = tempfile::tempdir().expect("a directory");
        let (storage, _) = open(dir.path());
        let edit =
            |number, said: &str| put(PEER, number, Body::Edit { target: msg_id(1), text: said.into() }, None);
        let react = Body::Reaction { target: msg_id(1), emoji: Some("👍".into()) };
        let answer = Body::Text { text: "answer".into(), reply_to: Some(msg_id(1)) };
        let all = vec![
            text(PEER, 1, "SECRET", Some(10)),
            edit(2, "SECRET two"),
            put(ME, 3, react, None),
            put(ME, 4, answer, None),
        ];
        write(&storage, all).expect("written");
        if in_pages {
            write(&storage, (10..300).map(|number| text(ME, number, "filler", None)).collect())
                .expect("written");
        }
        assert_eq!(finds(&storage, "secret"), 1);
        write(&storage, vec![start_all(0)]).expect("written");
        expire_all(&storage, 10_000);
        write(&storage, vec![edit(500, "SECRET three"), text(PEER, 1, "SECRET", Some(10))]).expect("written");
        assert_eq!(finds(&storage, "secret"), 0);
        for row in storage.reader().history(ME, CHAT, None, 200).expect("read") {
            assert!(!format!("{row:?}").contains("SECRET"), "{row:?}");
        }
        let answer = storage.reader().entry(ME, CHAT, msg_id(4)).expect("read").expect("there");
        assert!(!format!("{answer:?}").contains("SECRET"));
        assert_eq!(storage.verify().map(|_| ()), Ok(()));
    }
}

#[test]
fn what_still_waits_of_a_message_that_is_over_is_found_at_a_start_and_what_shares_its_parcel_waits_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let edit = |target, said: &str| Body::Edit { target: msg_id(target), text: said.into() };
    let bodies = [
        (1, Body::Text { text: "SECRET".into(), reply_to: None }, Some(10)),
        (2, edit(1, "SECRET two"), None),
        (3, Body::Text { text: "stays".into(), reply_to: None }, None),
        (4, edit(3, "stays, too"), None),
        (5, Body::Text { text: "later".into(), reply_to: None }, Some(10)),
        (6, Body::Delete { target: msg_id(1) }, None),
    ];
    let mut all = Vec::new();
    for (number, body, lasts) in bodies {
        all.push(put(ME, number, body.clone(), lasts));
        let Change::Messenger(rows::Change::PutOutbox(mut waits)) = put_outbox(number, "") else {
            panic!("a row of the outbox")
        };
        let Waiting::Content { content, .. } = &mut waits.what else { panic!("a content") };
        (content.body, content.lasts) = (body, lasts);
        if number == 5 {
            waits.parcel = None;
        }
        all.push(change(rows::Change::PutOutbox(waits)));
    }
    write(&storage, all).expect("written");
    write(&storage, vec![start(1, 0), start(5, 1_000)]).expect("written");
    let found = || storage.reader().over_in_outbox(ME).expect("read");
    assert_eq!(found(), []);
    expire_all(&storage, 10_000);
    write(&storage, found().into_iter().map(change).collect()).expect("written");
    assert_eq!(found(), []);
    let left = storage.reader().messenger_snapshot(ME).expect("read").outbox;
    assert!(left.values().all(|row| row.parcel.is_none() && !format!("{row:?}").contains("SECRET")));
    let orders: Vec<u64> = left.keys().map(|(_, order)| *order).collect();
    assert_eq!(orders, [3, 4, 5, 6], "what was not over waits");
}

#[test]
fn after_a_restore_messages_still_disappear() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    write(&storage, vec![text(PEER, 1, "read", Some(10)), start_all(0), text(PEER, 2, "unread", Some(10))])
        .expect("written");
    storage.export().expect("exported");
    storage.close();
    std::fs::remove_dir_all(dir.path().join("db")).expect("lost");
    let (storage, _) = open(dir.path());
    assert_eq!(expired(&storage, 10_000).due, [(UnixMillis(10_000), timed(1))]);
    write(&storage, vec![start_all(5_000)]).expect("written");
    assert_eq!(expired(&storage, 15_000).due.len(), 2);
}

#[test]
fn after_the_clock_was_set_back_no_end_is_further_away_than_a_message_lasts() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    write(&storage, (1..=400).map(|number| text(PEER, number, "read", Some(10))).collect()).expect("written");
    write(&storage, vec![start_all(1_000_000), text(PEER, 500, "now", Some(10))]).expect("written");
    write(&storage, vec![start_all(5_000)]).expect("written");
    let all = |until| storage.reader().expired(ME, UnixMillis(until), true).expect("read");
    let mut rounds = 0;
    loop {
        let late = all(6_000).late;
        if late.is_empty() {
            break;
        }
        rounds += 1;
        let hasten = |(due, timed)| TimerChange::Hasten { due, timed, from: UnixMillis(6_000) };
        let changes = late.into_iter().map(|late| change(rows::Change::Timer(hasten(late))));
        write(&storage, changes.collect()).expect("written");
    }
    assert_eq!(rounds, 2, "a part at a time");
    assert_eq!(expired(&storage, 15_000).due, [(UnixMillis(15_000), timed(500))]);
    expire_all(&storage, 16_000);
    expire_all(&storage, 16_000);
    assert_eq!(storage.reader().history(ME, CHAT, None, 1_000).expect("read").len(), 0);
}
