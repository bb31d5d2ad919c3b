//! Flipped bits and missing ends: noticed, healed from the export or refused, never handed out as if right.

mod common;

use common::*;
use pc2_protocols::messenger::content::Hlc;
use pc2_storage::{Change, ReadError, Storage};
use std::{
    fs::{self, OpenOptions},
    path::Path,
};

const EXPORTED: u64 = 12;
const STEPS: u64 = 30;

/// A database with more steps than its export, in more than one segment of sled.
fn original(dir: &Path, step: fn(u64) -> Vec<Change>) -> u64 {
    let (storage, _) = open(dir);
    for number in 1..=STEPS {
        write(&storage, step(number)).expect("written");
        if number == EXPORTED {
            storage.export().expect("exported");
        }
    }
    storage.close();
    fs::metadata(dir.join("db/db")).expect("there").len()
}

#[derive(Debug, Default)]
struct Outcomes {
    /// There are messages and nothing else.
    history_only: bool,
    whole: u32,
    restored: u32,
    noticed_later: u32,
}

/// Everything that is read is right, or is said to be damaged.
fn judge(storage: &Storage, restored: bool, outcomes: &mut Outcomes) {
    let mut present = 0;
    let mut unreadable = 0;
    for number in 1..=STEPS {
        match storage.reader().message(ME, CHAT, Hlc(number << 16), msg_id(number)) {
            Ok(Some(row)) => {
                let size = usize::try_from(number * 7_919 % 12_000).expect("small");
                assert_eq!(row, message(number, &"x".repeat(size.max(1))), "wrong data handed out");
                present += 1;
            }
            Ok(None) => assert!(restored && number > EXPORTED, "message {number} silently lost"),
            Err(ReadError::Damaged { .. } | ReadError::Database { .. }) => unreadable += 1,
            Err(ReadError::Closed) => unreachable!("it is open"),
        }
    }
    if restored {
        assert_eq!((present, unreadable), (EXPORTED, 0));
        let snapshot = storage.reader().messenger_snapshot(ME).expect("read");
        assert!(snapshot.session_values.is_empty(), "a ratchet taken back");
        outcomes.restored += 1;
    } else if unreadable > 0 {
        outcomes.noticed_later += 1;
    } else {
        assert_eq!(present, STEPS);
        if !outcomes.history_only {
            assert_eq!(steps_present(storage), STEPS);
        }
        outcomes.whole += 1;
    }
}

fn try_damage(original: &Path, outcomes: &mut Outcomes, damage: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().expect("a directory");
    copy_dir(original, dir.path());
    damage(dir.path());
    let (storage, report) = open(dir.path());
    assert_eq!(report.quarantined.is_some(), report.restored.is_some());
    if let Some(quarantined) = &report.quarantined {
        assert!(quarantined.path.join("db").exists());
    }
    let noticed_before = outcomes.noticed_later;
    judge(&storage, report.restored.is_some(), outcomes);
    storage.close();
    if outcomes.noticed_later > noticed_before {
        let (storage, report) = open(dir.path());
        assert!(report.restored.is_some(), "what could not be read is restored at the next start");
        judge(&storage, true, &mut Outcomes::default());
    }
}

fn flip(path: &Path, offset: u64) {
    let mut bytes = fs::read(path).expect("readable");
    let place = usize::try_from(offset).expect("small");
    bytes[place] ^= 1 << (offset % 8);
    fs::write(path, bytes).expect("written");
}

#[test]
fn a_flipped_bit_anywhere_is_harmless_or_noticed() {
    let dir = tempfile::tempdir().expect("a directory");
    let length = original(dir.path(), step);
    let mut outcomes = Outcomes::default();
    for number in 0..60 {
        // Odd distances, so that headers, keys and rows are all met.
        let offset = (length / 60 * number + number * number * 37) % length;
        try_damage(dir.path(), &mut outcomes, |copy| flip(&copy.join("db/db"), offset));
    }
    assert!(outcomes.restored > 0 && outcomes.whole > 0, "{outcomes:?}");
}

#[test]
fn damage_to_history_is_noticed_when_it_is_read_and_healed_at_the_next_start() {
    let mut outcomes = Outcomes { history_only: true, ..Outcomes::default() };
    // Where pages of history lie, and how much free room lies before them, differs from run to run: a database in which they hide makes room for another.
    for _ in 0..4 {
        look_for_damaged_history(&mut outcomes);
        if outcomes.noticed_later > 0 {
            break;
        }
    }
    assert!(outcomes.noticed_later > 0, "{outcomes:?}");
}

fn look_for_damaged_history(outcomes: &mut Outcomes) {
    let dir = tempfile::tempdir().expect("a directory");
    // More history than fits into the segments that sled replays at each start.
    original(dir.path(), |number| {
        let others = (1..9).map(|other| put_message(number + other * 1_000, &"x".repeat(12_000)));
        step(number).into_iter().take(1).chain(others).collect()
    });
    // In a later life something else is written: the history of the first is not counted again.
    for _ in 0..2 {
        let (storage, _) = open(dir.path());
        write(&storage, vec![put_value(b"other", Some(vec![1]))]).expect("written");
        storage.close();
    }
    let length = fs::metadata(dir.path().join("db/db")).expect("there").len();
    // Steps of the golden ratio look everywhere in the file, ever more closely.
    let mut offset = 0;
    for _ in 0..250 {
        if outcomes.noticed_later > 0 {
            break;
        }
        offset = (offset + length / 1_000 * 618 + 1) % length;
        try_damage(dir.path(), outcomes, |copy| flip(&copy.join("db/db"), offset));
    }
}

#[test]
fn a_missing_end_is_noticed() {
    let dir = tempfile::tempdir().expect("a directory");
    let length = original(dir.path(), step);
    let mut outcomes = Outcomes::default();
    for number in 1..20 {
        try_damage(dir.path(), &mut outcomes, |copy| {
            let file = OpenOptions::new().write(true).open(copy.join("db/db")).expect("opened");
            file.set_len(length / 20 * number).expect("cut");
        });
    }
    assert!(outcomes.restored > 0, "{outcomes:?}");
}

#[test]
fn damage_to_the_small_files_is_survived() {
    let dir = tempfile::tempdir().expect("a directory");
    original(dir.path(), step);
    let mut outcomes = Outcomes::default();
    for entry in fs::read_dir(dir.path().join("db")).expect("readable") {
        let name = entry.expect("an entry").file_name();
        if name == "db" || name == "blobs" {
            continue;
        }
        let length = fs::metadata(dir.path().join("db").join(&name)).expect("there").len();
        for offset in [0, length / 3, length / 2, length - 1] {
            try_damage(dir.path(), &mut outcomes, |copy| flip(&copy.join("db").join(&name), offset));
        }
        try_damage(dir.path(), &mut outcomes, |copy| {
            let path = copy.join("db").join(&name);
            fs::write(path, b"").expect("emptied");
        });
    }
    assert!(outcomes.whole > 0, "{outcomes:?}");
}

#[test]
fn an_older_database_put_in_place_is_noticed() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    write(&storage, step(1)).expect("written");
    let older = fs::read(dir.path().join("db/db")).expect("readable");
    write(&storage, step(2)).expect("written");
    storage.close();
    fs::write(dir.path().join("db/db"), older).expect("written");
    let (_, report) = open(dir.path());
    let quarantined = report.quarantined.expect("noticed");
    assert!(quarantined.reason.contains("older than it was"), "{}", quarantined.reason);
}
