//! What messages say is found: at once, after it was taken into pages, after edits and deletions, after a restart and a restore.

mod common;

use common::*;
use pc2_protocols::{
    id::{ConversationId, NodeId},
    messenger::{
        content::{Body, Hlc},
        rows::{self, MessageState},
        search::{Query, fold},
    },
};
use pc2_storage::{Change, Options, Storage};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const OTHER: NodeId = NodeId::from_bytes([3; 32]);

fn of(sender: NodeId, peer: NodeId, number: u64, body: Body) -> Change {
    let mut row = message(number, "");
    row.conversation = ConversationId::direct(peer);
    row.sender = sender;
    row.state = if sender == ME { MessageState::Waiting } else { MessageState::Received };
    row.content.body = body;
    Change::Messenger(rows::Change::PutMessage(Box::new(row)))
}

fn text(number: u64, text: &str) -> Change {
    of(ME, PEER, number, Body::Text { text: text.to_owned(), reply_to: None })
}

fn edit(number: u64, target: u64, text: &str) -> Change {
    of(ME, PEER, number, Body::Edit { target: msg_id(target), text: text.to_owned() })
}

fn delete(number: u64, target: u64) -> Change {
    of(ME, PEER, number, Body::Delete { target: msg_id(target) })
}

/// Numbers of the messages found, newest first.
fn found(storage: &Storage, typed: &str) -> Vec<u64> {
    page(storage, typed, None, 100)
}

fn page(storage: &Storage, typed: &str, before: Option<u64>, limit: usize) -> Vec<u64> {
    let query = Query::parse(typed).expect("a query");
    let before = before.map(|number| (Hlc(number << 16), msg_id(number)));
    let entries = storage.reader().search(ME, None, &query, before, limit).expect("read");
    entries.iter().map(|entry| entry.row.content.hlc.0 >> 16).collect()
}

/// Enough further messages that all late ones are taken into their pages.
fn fill(storage: &Storage, from: u64) {
    write(storage, (from..from + 200).map(|number| text(number, "filler")).collect()).expect("written");
}

#[test]
fn a_message_is_found_from_the_moment_it_is_on_disk_and_in_pages_as_well() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    write(&storage, vec![text(1, "Grüße aus Zürich"), text(2, "nothing")]).expect("written");
    assert_eq!(found(&storage, "zur"), [1]);
    fill(&storage, 10);
    assert_eq!(found(&storage, "zur"), [1]);
    assert_eq!(page(&storage, "filler", None, 3), [209, 208, 207]);
    assert_eq!(page(&storage, "filler", Some(12), 3), [11, 10]);
    storage.close();
    let (storage, _) = open(dir.path());
    assert_eq!(found(&storage, "grusse"), [1]);
}

#[test]
fn an_edit_is_found_by_its_new_words_and_a_deleted_text_by_none_late_or_not() {
    for in_pages in [false, true] {
        let dir = tempfile::tempdir().expect("a directory");
        let (storage, _) = open(dir.path());
        write(&storage, vec![text(1, "old words"), text(2, "secret words")]).expect("written");
        if in_pages {
            fill(&storage, 10);
        }
        // Somebody else's edit has no say.
        let forged = of(PEER, PEER, 300, Body::Edit { target: msg_id(2), text: "forged".into() });
        write(&storage, vec![edit(301, 1, "new words"), delete(302, 2), forged]).expect("written");
        for again in [false, true] {
            if again {
                fill(&storage, 400);
            }
            assert_eq!(found(&storage, "old"), [0; 0]);
            assert_eq!(found(&storage, "new wor"), [1]);
            assert_eq!(found(&storage, "secret"), [0; 0]);
            assert_eq!(found(&storage, "forged"), [0; 0]);
        }
    }
}

#[test]
fn an_edit_that_comes_before_its_message_counts() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    write(&storage, vec![edit(3, 1, "new"), delete(4, 2)]).expect("written");
    write(&storage, vec![text(1, "old"), text(2, "gone")]).expect("written");
    assert_eq!(
        (found(&storage, "new"), found(&storage, "old"), found(&storage, "gone")),
        (vec![1], vec![], vec![])
    );
}

#[test]
fn of_several_conversations_all_are_searched_or_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let say = |number: u64| {
        let peer = if number.is_multiple_of(2) { PEER } else { OTHER };
        of(peer, peer, number, Body::Text { text: "hello".into(), reply_to: None })
    };
    write(&storage, (1..=300).map(say).collect()).expect("written");
    write(&storage, (301..=310).map(say).collect()).expect("written");
    assert_eq!(page(&storage, "hello", None, 4), [310, 309, 308, 307]);
    assert_eq!(page(&storage, "hello", Some(305), 4), [304, 303, 302, 301]);
    let query = Query::parse("hello").expect("a query");
    let one =
        storage.reader().search(ME, Some(ConversationId::direct(OTHER)), &query, None, 2).expect("read");
    assert_eq!(one.iter().map(|entry| entry.row.content.hlc.0 >> 16).collect::<Vec<_>>(), [309, 307]);
    assert_eq!(storage.reader().search(PEER, None, &query, None, 2), Ok(vec![]), "another account's");
}

/// Whatever is written, edited and taken back in whatever order: a search finds what a look through everything finds.
#[test]
fn pages_say_what_history_says_through_thousands_of_changes() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];
    let mut state = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7u64);
    println!("SEED={state}");
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut model: BTreeMap<u64, Option<String>> = BTreeMap::new();
    let mut clock = 100_000;
    for _ in 0..40 {
        let mut changes = Vec::new();
        for _ in 0..random(150) {
            clock += 1;
            let number = random(3_000) + 1;
            let said = format!(
                "{} {} {}",
                words[random(6) as usize],
                "pad ".repeat(random(60) as usize),
                random(50)
            );
            match (model.get(&number), random(4)) {
                (None, _) => {
                    changes.push(text(number, &said));
                    model.insert(number, Some(said));
                }
                (Some(Some(_)), 0) => {
                    changes.push(delete(clock, number));
                    model.insert(number, None);
                }
                (Some(Some(_)), _) => {
                    changes.push(edit(clock, number, &said));
                    model.insert(number, Some(said));
                }
                (Some(None), _) => {}
            }
        }
        write(&storage, changes).expect("written");
        for typed in ["alp", "beta", "delta pad 4", "zeta 17"] {
            let query = Query::parse(typed).expect("a query");
            let is_hit = |text: &Option<String>| text.as_ref().is_some_and(|text| query.matches(&fold(text)));
            let meant: Vec<u64> =
                model.iter().rev().filter(|(_, text)| is_hit(text)).map(|(at, _)| *at).take(100).collect();
            assert_eq!(found(&storage, typed), meant, "{typed}");
        }
    }
    assert_eq!(storage.verify().map(|_| ()), Ok(()));
}

#[test]
fn after_a_restore_from_an_export_messages_are_found_as_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    write(&storage, vec![text(1, "lost and found"), text(2, "taken back")]).expect("written");
    fill(&storage, 10);
    write(&storage, vec![delete(300, 2)]).expect("written");
    storage.export().expect("exported");
    storage.close();
    std::fs::remove_dir_all(dir.path().join("db")).expect("lost");
    let (storage, report) = open(dir.path());
    assert!(report.restored.is_some());
    assert_eq!((found(&storage, "lost fou"), found(&storage, "taken")), (vec![1], vec![]));
    assert_eq!(storage.verify().map(|_| ()), Ok(()));
}

#[test]
fn the_longest_texts_fit_into_pages() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let long = |number: u64| format!("{} n{number}", "\u{fdfa}".repeat(5_000));
    write(&storage, (1..=140).map(|number| text(number, &long(number))).collect()).expect("written");
    assert_eq!(page(&storage, "صلى", None, 2), [140, 139]);
    assert_eq!(storage.verify().map(|_| ()), Ok(()));
}

/// How long this thread has computed: other programs on the machine do not count.
fn on_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}

/// Not a test of time: prints how long it takes here. `cargo test --workspace --test search -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn how_long_a_search_in_a_hundred_thousand_messages_takes() {
    const MESSAGES: u64 = 100_000;
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = Storage::open(dir.path(), &key(), &Options { ballast_bytes: 0, ..Options::default() })
        .expect("opens");
    let words: Vec<String> =
        (0..20_000u64).map(|n| format!("w{}", n.wrapping_mul(2_654_435_761) % 1_000_000_007)).collect();
    let mut state = 1u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let begun = Instant::now();
    for first in (1..=MESSAGES).step_by(500) {
        let changes = (first..first + 500).map(|number| {
            let said: Vec<&str> = (0..3 + random(12))
                .map(|_| {
                    // A few words are in every other sentence, most are rare.
                    let below = [20, 200, 2_000, 20_000][random(4) as usize];
                    words[random(below) as usize].as_str()
                })
                .collect();
            let peer = NodeId::from_bytes([10 + (random(50) as u8); 32]);
            of(peer, peer, number, Body::Text { text: said.join(" "), reply_to: None })
        });
        write(&storage, changes.collect()).expect("written");
    }
    println!("{MESSAGES} messages written in {:?}", begun.elapsed());
    let mut times = Vec::new();
    for _ in 0..400 {
        let mut typed = words[random(20_000) as usize].clone();
        match random(4) {
            0 => typed = format!("{} {}", words[random(20) as usize], words[random(200) as usize]),
            1 => typed.truncate(4),
            2 => typed = "nothing-has-this".into(),
            _ => {}
        }
        let query = Query::parse(&typed).expect("a query");
        let begun = on_cpu();
        storage.reader().search(ME, None, &query, None, 30).expect("read");
        times.push(on_cpu().saturating_sub(begun));
    }
    times.sort_unstable();
    println!("search: median {:?}, p95 {:?}, longest {:?}", times[200], times[380], times[399]);
}
