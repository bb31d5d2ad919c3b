//! Folders of files from one side to the other: in any order, by several threads, with names and links that mean harm, and into their place.
#![allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

mod common;

use common::{blobs::*, gather::*};
use pc2_protocols::{blob::Groups, limits::BLOB_GROUP_BYTES};
use pc2_storage::blobs::{BadList, Begun, BlobError, Gathered, Proof, Swept, Target, clean_name};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    thread,
};

#[test]
fn a_folder_arrives_as_it_was() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let files = mixed();
    let members = offer_all(&from, &files);
    let gathering = open(&to, &members);
    assert!(!gathering.is_whole());
    assert_eq!(fetch(&from, &gathering, &members), fetched_bytes(&files));
    assert!(gathering.is_whole() && (0..members.len()).all(|member| gathering.has(member)));
    assert_eq!(gathering.have(), files.values().map(|bytes| bytes.len() as u64).sum::<u64>());
    let target = Target::open(&to.folder).expect("opens");
    fs::create_dir(to.folder.join("trip")).expect("made");
    let finished = gathering.finish(&target, &clean_name("trip")).expect("finished");
    assert_eq!((finished.path.clone(), finished.name.as_str()), (to.folder.join("trip (2)"), "trip (2)"));
    assert_eq!(tree_of(&finished.path), files);
    assert_eq!(gathering.finish(&target, &clean_name("trip")).expect("again"), finished);
    // Files with the same bytes are files of their own.
    let inode = |path: &str| fs::metadata(finished.path.join(path)).expect("there").ino();
    assert_ne!(inode("a/one.bin"), inode("z/the same.bin"));
    assert_eq!(fs::metadata(finished.path.join("large.bin")).expect("there").nlink(), 1);
    let mode = fs::metadata(&finished.path).expect("there").permissions().mode();
    assert_eq!(mode, fs::metadata(to.folder.join("trip")).expect("there").permissions().mode());
    drop(gathering);
    // Whoever asks again is told, until it is said that this was heard.
    let Gathered::Placed(path) = to.store.gather(ME, &members, Proof::Whole).expect("gathered") else {
        panic!("placed")
    };
    assert_eq!(path, finished.path);
    to.store.abandon_gathering(ME, &members, Proof::Whole).expect("forgotten");
    assert_eq!(left(&to), Vec::<String>::new());
    assert_eq!(to.store.sweep().expect("swept"), Swept::default(), "no row is left");
    assert_eq!(tree_of(&finished.path), files, "what is placed stays");
    assert!(matches!(to.store.gather(ME, &members, Proof::Whole), Ok(Gathered::Open(_))));
}

#[test]
fn pieces_come_in_any_order_and_by_several_threads() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let mut files = mixed();
    for number in 0..20 {
        files.insert(format!("large/{number}"), noise(1_500_000 + number));
    }
    let members = offer_all(&from, &files);
    let gathering = open(&to, &members);
    let mut pieces: Vec<(usize, std::ops::Range<u32>)> = Vec::new();
    for (member, file) in members.iter().enumerate() {
        let groups = file.size.groups();
        pieces.extend((0..groups).step_by(20).map(|start| (member, start..groups.min(start + 23))));
    }
    pieces.sort_by_key(|(member, piece)| *blake3::hash(format!("{member} {piece:?}").as_bytes()).as_bytes());
    thread::scope(|scope| {
        for first in 0..4 {
            let (gathering, pieces, members, from) = (&gathering, &pieces, &members, &from);
            scope.spawn(move || {
                for (member, piece) in pieces.iter().skip(first).step_by(4) {
                    match gathering.wanted(*member, piece.clone()) {
                        Ok(groups) => take(from, gathering, members, *member, &groups),
                        Err(BlobError::Busy) => 0,
                        Err(error) => panic!("{error}"),
                    };
                }
            });
        }
    });
    // What was busy is asked for again.
    fetch(&from, &gathering, &members);
    assert!(gathering.is_whole());
    let target = Target::open(&to.folder).expect("opens");
    let finished = gathering.finish(&target, &clean_name("all")).expect("finished");
    assert_eq!(tree_of(&finished.path), files);
}

#[test]
fn what_is_not_the_file_is_refused_and_nothing_of_it_is_there() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let files = BTreeMap::from([("a".to_owned(), noise(100_000)), ("b".to_owned(), noise(5_000))]);
    let members = offer_all(&from, &files);
    let gathering = open(&to, &members);
    let groups = gathering.wanted(0, 0..u32::MAX).expect("wanted");
    assert_eq!(groups, Groups::whole(members[0].size));
    assert!(
        gathering.wanted(0, 1..5).expect("wanted").is_empty(),
        "a small file is asked for by its first group"
    );
    let right = from.answer(members[0].blob, &groups);
    for at in [0, 70, 20_000, right.len() - 1] {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        assert!(matches!(gathering.accept(0, None, &groups, &wrong[..]), Err(BlobError::NotTheFile { .. })));
    }
    let short = &right[..right.len() - 1];
    assert!(matches!(gathering.accept(0, None, &groups, short), Err(BlobError::Stream(_))));
    let part = Groups::new(vec![0..1]).expect("in order");
    let some = from.answer(members[0].blob, &part);
    assert!(matches!(gathering.accept(0, None, &part, &some[..]), Err(BlobError::OutOfRange)));
    assert!(matches!(gathering.wanted(2, 0..1), Err(BlobError::OutOfRange)));
    assert_eq!((gathering.have(), tree_of(&staging(&to)).len()), (0, 0));
    // A stream is read to the end of the answer, wanted or not, and no further.
    let twice = [&right[..], &right[..], b"next"].concat();
    let mut stream = &twice[..];
    assert_eq!(gathering.accept(0, None, &groups, &mut stream).expect("taken"), 100_000);
    assert_eq!(gathering.accept(0, None, &groups, &mut stream).expect("taken"), 0);
    assert_eq!(stream, b"next");
    let early = gathering.finish(&Target::open(&to.folder).expect("opens"), &clean_name("x"));
    assert!(matches!(early, Err(BlobError::Incomplete { missing: 5_000 })));
}

#[test]
fn names_stay_inside_and_clashes_get_numbers_the_same_after_a_restart() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let paths = ["../../up", "./a", "a/b", "a?/b", "a_/b", "b", "b.", "CON", "\u{202e}b"];
    let mut members = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        let bytes = noise(1_000 + number);
        from.offer(&number.to_string(), &bytes);
        members.push(member(path, &bytes));
    }
    let gathering = open(&to, &members);
    for number in 0..5 {
        take(&from, &gathering, &members, number, &Groups::whole(members[number].size));
    }
    drop(gathering);
    let gathering = open(&to, &members);
    assert_eq!(gathering.have(), (1_000..1_005).sum::<u64>());
    fetch(&from, &gathering, &members);
    let target = Target::open(&to.folder).expect("opens");
    let finished = gathering.finish(&target, &clean_name("../x")).expect("finished");
    assert_eq!(finished.path, to.folder.join("x"));
    let lengths: Vec<_> =
        tree_of(&finished.path).into_iter().map(|(path, bytes)| (path, bytes.len())).collect();
    let expected = [
        ("_CON", 1_007),
        ("a (2)", 1_001),
        ("a/b", 1_002),
        ("a_/b", 1_003),
        ("a_/b (2)", 1_004),
        ("b", 1_005),
    ];
    let more = [("b (2)", 1_006), ("b (3)", 1_008), ("up", 1_000)];
    let expected: Vec<_> = expected.iter().chain(&more).map(|(path, n)| ((*path).to_owned(), *n)).collect();
    assert_eq!(lengths, expected);
    let lie = [
        member("x", b"x"),
        pc2_protocols::files::manifest::Member { size: size(b"xx"), ..member("y", b"x") },
    ];
    assert!(matches!(
        to.store.gather(OTHER, &lie, Proof::Whole),
        Err(BlobError::BadList(BadList::Size { at: 1 }))
    ));
}

#[test]
fn links_put_into_the_folder_meanwhile_are_not_followed() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let files = mixed();
    let members = offer_all(&from, &files);
    let outside = two.path().join("outside");
    fs::create_dir(&outside).expect("made");
    for name in ["one.bin", "victim"] {
        fs::write(outside.join(name), "precious").expect("written");
    }
    let gathering = open(&to, &members);
    let staging = staging(&to);
    symlink(&outside, staging.join("a")).expect("made");
    symlink(outside.join("victim"), staging.join("large.bin")).expect("made");
    symlink(outside.join("victim"), staging.join("stray")).expect("made");
    fetch(&from, &gathering, &members);
    assert_eq!(fs::read(staging.join("a/one.bin")).expect("there"), files["a/one.bin"]);
    // And what was there is replaced by one.
    fs::remove_file(staging.join("top.txt")).expect("removed");
    symlink(outside.join("victim"), staging.join("top.txt")).expect("made");
    let target = Target::open(&to.folder).expect("opens");
    let early = gathering.finish(&target, &clean_name("x")).expect_err("one is gone");
    assert!(matches!(early, BlobError::Incomplete { missing } if missing == files["top.txt"].len() as u64));
    drop(gathering);
    symlink(&outside, staging.join("b")).expect("made");
    let gathering = open(&to, &members);
    assert!(!staging.join("stray").exists() && !staging.join("b").exists());
    fetch(&from, &gathering, &members);
    let finished = gathering.finish(&target, &clean_name("x")).expect("finished");
    assert_eq!(tree_of(&finished.path), files);
    for name in ["one.bin", "victim"] {
        assert_eq!(fs::read(outside.join(name)).expect("there"), b"precious");
    }
    assert_eq!(fs::read_dir(&outside).expect("readable").count(), 2);
    drop(gathering);
    // Nor is anything followed when it is given up.
    let gathering = open_as(&to, OTHER, &members);
    symlink(&outside, to.dir.join("blobs/gathering").join("02".repeat(16)).join("c")).expect("made");
    drop(gathering);
    to.store.abandon_gathering(OTHER, &members, Proof::Whole).expect("given up");
    assert_eq!(fs::read_dir(&outside).expect("readable").count(), 2);
}

#[test]
fn torn_and_damaged_small_files_are_fetched_again() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let files = mixed();
    let members = offer_all(&from, &files);
    let gathering = open(&to, &members);
    fetch(&from, &gathering, &members);
    drop(gathering);
    let staging = staging(&to);
    flip(&staging.join("a/one.bin"), 9_999);
    fs::write(staging.join("top.txt"), "").expect("written");
    fs::write(staging.join("a/stray"), "mine").expect("written");
    let gathering = open(&to, &members);
    let lost = [&files["a/one.bin"], &files["top.txt"]].map(|bytes| bytes.len() as u64);
    assert_eq!(fetch(&from, &gathering, &members), lost.iter().sum::<u64>());
    let target = Target::open(&to.folder).expect("opens");
    let finished = gathering.finish(&target, &clean_name("x")).expect("finished");
    assert_eq!(tree_of(&finished.path), files);
}

#[test]
fn a_large_file_goes_on_from_where_it_was_left_and_others_wait_for_it() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let files = BTreeMap::from([("big".to_owned(), noise(10_000_000)), ("small".to_owned(), noise(10))]);
    let members = offer_all(&from, &files);
    let gathering = open(&to, &members);
    let busy = open_as(&to, OTHER, &members);
    take(&from, &gathering, &members, 0, &gathering.wanted(0, 100..200).expect("wanted"));
    assert_eq!(gathering.have(), 100 * BLOB_GROUP_BYTES);
    assert_eq!(gathering.wanted(0, 150..220).expect("wanted"), groups(&[200..220]));
    assert_eq!(gathering.wanted(0, 90..u32::MAX).expect("wanted"), groups(&[90..100, 200..611]));
    assert!(matches!(busy.wanted(0, 0..1), Err(BlobError::Busy)));
    assert!(matches!(to.store.gather(ME, &members, Proof::Whole), Err(BlobError::Busy)));
    assert!(matches!(to.store.abandon_gathering(ME, &members, Proof::Whole), Err(BlobError::Busy)));
    gathering.checkpoint().expect("durable");
    drop(gathering);
    let gathering = open(&to, &members);
    assert_eq!(gathering.have(), 100 * BLOB_GROUP_BYTES, "before it is begun again");
    fetch(&from, &gathering, &members);
    let target = Target::open(&to.folder).expect("opens");
    gathering.finish(&target, &clean_name("x")).expect("finished");
    // Now the other one's turn; nothing of this one's is in its way.
    fetch(&from, &busy, &members);
    let finished = busy.finish(&target, &clean_name("x")).expect("finished");
    assert_eq!(tree_of(&finished.path), files);
}

#[test]
fn a_large_file_that_stands_on_this_machine_is_copied_and_not_fetched() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let files = mixed();
    let members = offer_all(&from, &files);
    let own = to.offer("mine", &files["large.bin"]);
    let gathering = open(&to, &members);
    let large = members.iter().position(|member| member.path == "large.bin").expect("listed");
    assert!(gathering.wanted(large, 0..u32::MAX).expect("wanted").is_empty());
    assert!(gathering.has(large));
    assert_eq!(fetch(&from, &gathering, &members), fetched_bytes(&files) - own.size().bytes());
    let target = Target::open(&to.folder).expect("opens");
    let finished = gathering.finish(&target, &clean_name("x")).expect("finished");
    assert_eq!(tree_of(&finished.path), files);
    assert_eq!(fs::read(own.path()).expect("there"), files["large.bin"]);
    assert_eq!(to.store.holders(own.id(), 9).expect("read"), [ME], "its own");
}

#[test]
fn giving_up_takes_everything_of_it_and_nothing_of_others() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let mut files = mixed();
    files.insert("shared.bin".into(), noise(3_100_000));
    let members = offer_all(&from, &files);
    let gathering = open(&to, &members);
    let shared = members.iter().position(|member| member.path == "shared.bin").expect("listed");
    for (number, member) in members.iter().enumerate().filter(|(_, member)| member.size.bytes() > 1 << 20) {
        if number != shared && member.path != "z/large copy.bin" {
            take(&from, &gathering, &members, number, &gathering.wanted(number, 0..50).expect("wanted"));
        }
    }
    take(&from, &gathering, &members, shared, &gathering.wanted(shared, 0..100).expect("wanted"));
    gathering.checkpoint().expect("durable");
    drop(gathering);
    let blob = members[shared].blob;
    to.store.hold(blob, OTHER).expect("held");
    assert!(to.store.is_held_by(blob, ME).expect("read") && !left(&to).is_empty());
    assert_eq!(to.store.sweep().expect("swept"), Swept::default());
    assert_eq!(to.store.sweep_gatherings(&[OTHER, ME]).expect("swept"), 0);
    to.store.abandon_gathering(ME, &members, Proof::Whole).expect("given up");
    assert_eq!(left(&to), Vec::<String>::new());
    assert_eq!(to.store.list(true, None, 9).expect("listed"), [blob], "another needs it");
    assert!(!to.store.is_held_by(blob, ME).expect("read"));
    let Ok(Begun::Partial(partial)) = to.store.begin(blob, members[shared].size, OTHER) else {
        panic!("it goes on")
    };
    assert_eq!(partial.received(), 100 * BLOB_GROUP_BYTES);
    drop(partial);
    to.store.release_many(&[blob], OTHER).expect("released");
    assert_eq!(to.store.sweep().expect("swept").blobs, 1);
    // A list of nobody's any more.
    drop(open(&to, &members));
    let alive = open_as(&to, OTHER, &members);
    let folder = to.dir.join("blobs/gathering");
    fs::write(folder.join("notes.txt"), "mine").expect("written");
    assert_eq!(to.store.sweep_gatherings(&[]).expect("swept"), 1, "one is open");
    drop(alive);
    assert_eq!(to.store.sweep_gatherings(&[]).expect("swept"), 1);
    assert_eq!(left(&to), ["notes.txt"]);
}

#[test]
fn into_another_file_system_it_is_copied_and_nothing_half_has_its_name() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let elsewhere = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let files = mixed();
    let members = offer_all(&from, &files);
    let gathering = open(&to, &members);
    fetch(&from, &gathering, &members);
    let target = Target::open(elsewhere.path()).expect("opens");
    let is_elsewhere =
        fs::metadata(elsewhere.path()).expect("there").dev() != fs::metadata(&to.dir).expect("there").dev();
    if is_elsewhere {
        // Of two files with the same bytes the second is only made again.
        for (path, missing) in [("larger.bin", 3_000_000), ("z/the same.bin", 0)] {
            flip(&staging(&to).join(path), 77);
            let error = gathering.finish(&target, &clean_name("x")).expect_err("damaged");
            assert!(matches!(error, BlobError::Incomplete { .. }), "{error}");
            assert_eq!(fs::read_dir(elsewhere.path()).expect("readable").count(), 0, "nothing half");
            assert_eq!(fetch(&from, &gathering, &members), missing);
        }
    }
    fs::write(elsewhere.path().join("x"), "mine").expect("written");
    let finished = gathering.finish(&target, &clean_name("x")).expect("finished");
    assert_eq!(finished.path, elsewhere.path().join("x (2)"));
    assert_eq!(tree_of(&finished.path), files);
    assert_eq!(fs::read_dir(elsewhere.path()).expect("readable").count(), 2);
    assert!(!staging(&to).exists());
}
