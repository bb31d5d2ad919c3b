//! What takes how much of the disk: real figures, without following a link out of the directory.

mod common;

use common::{open, put_message, write};
use std::{fs, os::unix::fs::symlink};

#[test]
fn messages_files_and_what_was_moved_aside_are_counted_by_what_they_are_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let (storage, _) = open(dir.path());
    let before = storage.reader().usage().expect("counted");
    assert!(before.complete && before.free.is_some() && before.database > 0);
    assert_eq!((before.received, before.aside), (0, 0));
    for number in 1..=40 {
        write(&storage, vec![put_message(number, &"x".repeat(15_000))]).expect("written");
    }
    let after = storage.reader().usage().expect("counted");
    let grown = after.messages - before.messages;
    assert!((600_000..700_000).contains(&grown), "the parts of large rows count: {grown}");
    assert_eq!(after.mailboxes, before.mailboxes);

    let large = |path: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, vec![7; 1 << 20]).expect("written");
    };
    large("users/owner/Downloads/film.mkv");
    large("replaced-abc/db/db");
    large("quarantine-1/db");
    large("export/latest.pc2x");
    let elsewhere = tempfile::tempdir().expect("a directory");
    fs::write(elsewhere.path().join("large"), vec![7; 4 << 20]).expect("written");
    symlink(elsewhere.path(), dir.path().join("users/owner/link")).expect("linked");
    let usage = storage.reader().usage().expect("counted");
    let mib = |bytes: u64| bytes >> 20;
    assert_eq!((mib(usage.received), mib(usage.aside), mib(usage.export)), (1, 2, 1), "{usage:?}");
    assert!(usage.complete);
}
