//! Large files that nobody hashed before they were offered: hashed piece by piece as they are asked for, proven, gone on with, checked.
#![allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

mod common;

use common::blobs::*;
use pc2_protocols::{
    blob::{BlobSize, Groups, by_pieces},
    files::manifest::Member,
    id::BlobId,
    limits::{BLOB_GROUP_BYTES, PIECE_BYTES, PIECE_GROUPS},
};
use pc2_storage::blobs::{
    After, Begun, BlobError, Gathered, Gathering, Partial, Proof, Target, Unread, Wrong, clean_name,
};
use std::{
    fs, io,
    ops::Range,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

const KEY: BlobId = BlobId::from_bytes([0x5e; 32]);
const HERE: BlobId = BlobId::from_bytes([0x4e; 32]);

/// Two pieces and a bit, most of it holes.
const LENGTH: u64 = 2 * PIECE_BYTES + 100_003;

fn length() -> BlobSize {
    BlobSize::try_from(LENGTH).expect("not too large")
}

/// Makes the file, with something at the beginning, across both ends of pieces, and at the end.
fn film(side: &Side) -> PathBuf {
    let path = side.folder.join("film");
    let file = fs::File::create(&path).expect("made");
    file.set_len(LENGTH).expect("long");
    for at in [0, PIECE_BYTES - 20_000, 2 * PIECE_BYTES - 20_000, LENGTH - 20_000] {
        file.write_all_at(&noise(20_000 + usize::try_from(at / PIECE_BYTES).expect("few")), at)
            .expect("written");
    }
    file.set_len(LENGTH).expect("long");
    path
}

fn offered(side: &Side) -> PathBuf {
    let path = film(side);
    let unread = Unread::look(KEY, &path).expect("looked at");
    assert_eq!(unread.size(), length());
    side.store.offer_unread(ME, &[unread]).expect("offered");
    path
}

fn begin(side: &Side) -> Partial {
    match side.store.begin_pieces(HERE, length(), ME).expect("begun") {
        Begun::Partial(partial) => *partial,
        Begun::Here { path, .. } => panic!("stands at {}", path.display()),
    }
}

fn answer(side: &Side, range: Range<u32>) -> (BlobId, Vec<u8>) {
    let groups = groups(&[range]);
    let reader = side.store.reader(KEY).expect("known");
    let root = reader.piece(&groups).expect("hashed").expect("a piece");
    let mut answer = Vec::new();
    assert_eq!(reader.encode(&groups, &mut answer).expect("encoded"), answer.len() as u64);
    (root, answer)
}

fn send(from: &Side, to: &Partial, range: Range<u32>) -> Result<u64, BlobError> {
    let (root, answer) = answer(from, range.clone());
    to.accept_piece(root, &groups(&[range]), &answer[..])
}

fn send_all(from: &Side, to: &Partial) {
    for piece in 0..length().pieces() {
        let (mut at, end) = (piece * PIECE_GROUPS, ((piece + 1) * PIECE_GROUPS).min(length().groups()));
        while at < end {
            send(from, to, at..end.min(at + 512)).expect("accepted");
            at += 512;
        }
    }
}

fn sides() -> ([tempfile::TempDir; 2], Side, Side) {
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let [from, to] = dirs.each_ref().map(|dir| Side::open(dir.path()));
    (dirs, from, to)
}

#[test]
fn a_file_that_nobody_hashed_before_arrives_as_it_was() {
    let (_dirs, from, to) = sides();
    let path = offered(&from);
    let partial = begin(&to);
    send_all(&from, &partial);
    assert!(partial.is_whole());
    let target = Target::open(&to.folder).expect("opens");
    let finished = partial.finish(&target, &clean_name("film"), After::Offer).expect("finished");
    assert!(fs::read(&path).expect("read") == fs::read(&finished.path).expect("read"));
    drop(partial);
    assert!(to.store.check_blobs(&mut on).expect("checked").is_fine());
    // Whoever begins again finds where it stands: the process may have ended before that was noted.
    let again = to.store.begin_pieces(HERE, length(), ME).expect("begun");
    assert!(matches!(again, Begun::Here { path, received: true } if path == finished.path));
    // The pieces have the hashes of their bytes.
    let bytes = fs::read(&path).expect("read");
    for (number, piece) in (0..).zip(bytes.chunks(usize::try_from(PIECE_BYTES).expect("fits"))) {
        let first = number * PIECE_GROUPS;
        assert_eq!(answer(&from, first..first + 1).0, id_of(piece), "{number}");
    }
}

#[test]
fn receiving_goes_on_from_where_it_was_left_and_knows_what_was_said() {
    let (dirs, from, to) = sides();
    offered(&from);
    let partial = begin(&to);
    send(&from, &partial, 0..70).expect("accepted");
    send(&from, &partial, PIECE_GROUPS..PIECE_GROUPS + 70).expect("accepted");
    partial.checkpoint().expect("synced");
    drop((partial, to));
    let to = Side::open(dirs[1].path());
    let partial = begin(&to);
    assert_eq!(partial.received(), 140 * BLOB_GROUP_BYTES);
    let (root, bytes) = answer(&from, 70..71);
    let other = partial.accept_piece(id_of(b"something else"), &groups(&[70..71]), &bytes[..]);
    assert!(matches!(other, Err(BlobError::NotTheFile { at: 0 })), "{other:?}");
    assert_eq!(
        partial.accept_piece(root, &groups(&[70..71]), &bytes[..]).expect("accepted"),
        BLOB_GROUP_BYTES
    );
}

#[test]
fn what_a_killed_process_had_written_is_proven_and_not_fetched_again() {
    let (_dirs, from, to) = sides();
    offered(&from);
    let partial = begin(&to);
    send(&from, &partial, PIECE_GROUPS..PIECE_GROUPS + 400).expect("accepted");
    // As a kill leaves it: nothing is made to survive.
    drop(partial);
    let had = begin(&to).received();
    assert!(had >= 336 * BLOB_GROUP_BYTES, "{had}: a megabyte is lost at most");
}

#[test]
fn a_damaged_hash_of_a_piece_costs_that_piece_and_nothing_else() {
    let (dirs, from, to) = sides();
    offered(&from);
    let partial = begin(&to);
    for piece in [0, 1] {
        send(&from, &partial, piece * PIECE_GROUPS..piece * PIECE_GROUPS + 10).expect("accepted");
    }
    partial.checkpoint().expect("synced");
    drop(partial);
    flip(&to.partial_path(HERE, ".tree"), 256 << 10);
    let found = to.store.check_blobs(&mut on).expect("checked");
    assert!(matches!(&found.troubles[..], [one] if matches!(one.what, Wrong::Unproven(_))), "{found:?}");
    drop(to);
    let to = Side::open(dirs[1].path());
    let partial = begin(&to);
    assert_eq!(partial.received(), 10 * BLOB_GROUP_BYTES);
    assert_eq!(partial.missing(PIECE_GROUPS, 5), groups(&[PIECE_GROUPS..PIECE_GROUPS + 5]));
    send(&from, &partial, PIECE_GROUPS..PIECE_GROUPS + 10).expect("accepted");
    assert_eq!(partial.received(), 20 * BLOB_GROUP_BYTES);
}

#[test]
fn groups_of_two_pieces_are_not_taken_at_once() {
    let (_dirs, from, to) = sides();
    offered(&from);
    let partial = begin(&to);
    let across = groups(&[PIECE_GROUPS - 1..PIECE_GROUPS + 1]);
    let (root, bytes) = answer(&from, PIECE_GROUPS - 1..PIECE_GROUPS);
    assert!(matches!(partial.accept_piece(root, &across, &bytes[..]), Err(BlobError::OutOfRange)));
    assert!(matches!(partial.accept(&across, &bytes[..]), Err(BlobError::OutOfRange)));
    let reader = from.store.reader(KEY).expect("known");
    assert!(matches!(reader.encode(&across, io::sink()), Err(BlobError::OutOfRange)));
    let beyond = Groups::new(vec![length().groups()..length().groups() + 1]).expect("in order");
    assert!(matches!(reader.piece(&beyond), Err(BlobError::OutOfRange)));
    let small = BlobSize::try_from(1_000).expect("small");
    assert!(matches!(to.store.begin_pieces(KEY, small, ME), Err(BlobError::OutOfRange)));
}

#[test]
fn a_flipped_bit_in_what_is_sent_is_refused_with_nothing_written() {
    let (_dirs, from, to) = sides();
    offered(&from);
    let partial = begin(&to);
    let range = 2 * PIECE_GROUPS..2 * PIECE_GROUPS + 3;
    let (root, mut bytes) = answer(&from, range.clone());
    bytes[30_000] ^= 1;
    let refused = partial.accept_piece(root, &groups(&[range]), &bytes[..]);
    assert!(matches!(refused, Err(BlobError::NotTheFile { .. })), "{refused:?}");
    assert!(partial.received() <= 2 * BLOB_GROUP_BYTES);
}

#[test]
fn a_file_that_was_changed_is_not_sent_whichever_of_its_pieces_was_asked_for() {
    let (_dirs, from, _to) = sides();
    let path = offered(&from);
    answer(&from, 0..1);
    let reader = from.store.reader(KEY).expect("known");
    fs::File::options()
        .write(true)
        .open(&path)
        .expect("opens")
        .write_all_at(b"x", LENGTH / 2)
        .expect("written");
    for first in [0, PIECE_GROUPS] {
        let groups = groups(&[first..first + 1]);
        let changed = reader.piece(&groups).and_then(|_| reader.encode(&groups, io::sink()));
        assert!(matches!(changed, Err(BlobError::SourceChanged { .. })), "{changed:?}");
    }
    fs::remove_file(&path).expect("removed");
    assert!(matches!(from.store.reader(KEY), Err(BlobError::SourceGone { .. })));
}

#[test]
fn damage_where_a_file_is_offered_is_found_and_what_can_be_made_again_is() {
    let (_dirs, from, _to) = sides();
    let path = offered(&from);
    let (root, bytes) = answer(&from, 0..600);
    assert!(from.store.check_blobs(&mut on).expect("checked").is_fine());
    // A pair of hashes: made again on the way.
    flip(&from.tree_path(KEY), 64 + 64 * 300);
    flip(&from.tree_path(KEY), 64 + 64 * 4_094);
    assert_eq!(answer(&from, 0..600), (root, bytes.clone()));
    flip(&from.tree_path(KEY), 64 + 64 * 4_094);
    let found = from.store.check_blobs(&mut on).expect("checked");
    assert!(matches!(&found.troubles[..], [one] if one.what == Wrong::TreeMadeAgain), "{found:?}");
    // All of it.
    fs::remove_file(from.tree_path(KEY)).expect("removed");
    assert_eq!(answer(&from, 0..600), (root, bytes));
    // The file itself.
    flip(&path, 5 * BLOB_GROUP_BYTES);
    let found = from.store.check_blobs(&mut on).expect("checked");
    let damaged = 5 * BLOB_GROUP_BYTES..6 * BLOB_GROUP_BYTES;
    assert!(
        matches!(&found.troubles[..], [one] if one.what == Wrong::Damaged(vec![damaged.clone()])),
        "{found:?}"
    );
    let reader = from.store.reader(KEY).expect("known");
    let refused = reader.encode(&groups(&[0..10]), io::sink());
    assert!(matches!(refused, Err(BlobError::Damaged { bytes, .. }) if bytes == damaged));
}

#[test]
fn what_nobody_needs_any_more_goes_with_its_trees() {
    let (_dirs, from, to) = sides();
    offered(&from);
    let partial = begin(&to);
    send(&from, &partial, 0..10).expect("accepted");
    drop(partial);
    for (side, id) in [(&from, KEY), (&to, HERE)] {
        side.store.release(id, ME).expect("released");
        side.store.sweep().expect("swept");
        for folder in ["blobs/trees", "blobs/partial"] {
            assert_eq!(fs::read_dir(side.dir.join(folder)).expect("readable").count(), 0);
        }
    }
    assert!(from.folder.join("film").exists());
}

/// A folder that nobody hashed: small and empty files, some of one piece, one of three.
fn folder(side: &Side) -> Vec<Member> {
    let files = [
        ("a/empty", 0),
        ("a/one.txt", 100),
        ("b/at the limit", 1 << 20),
        ("b/larger", 3_000_000),
        ("b/twin", 3_000_000),
        ("film", LENGTH),
    ];
    let mut unread = Vec::new();
    let mut members = Vec::new();
    for (number, (name, length)) in (1..).zip(files) {
        let path = if name == "film" { film(side) } else { side.folder.join(name.replace('/', "-")) };
        if name != "film" {
            fs::write(&path, noise(usize::try_from(length).expect("small"))).expect("written");
        }
        let key = BlobId::from_bytes([number; 32]);
        let file = Unread::look(key, &path).expect("looked at");
        members.push(Member { path: name.to_owned(), blob: key, size: file.size() });
        unread.push(file);
    }
    side.store.offer_unread(ME, &unread).expect("offered");
    members
}

fn gather(to: &Side, members: &[Member]) -> Gathering {
    match to.store.gather(ME, members, Proof::Pieces).expect("gathered") {
        Gathered::Open(gathering) => *gathering,
        Gathered::Placed(path) => panic!("it was put to {}", path.display()),
    }
}

/// Sends what is wanted of a file within some groups.
fn send_file(from: &Side, to: &Gathering, members: &[Member], number: usize, within: Range<u32>) -> u64 {
    let mut new = 0;
    for part in by_pieces(within.start..within.end.min(members[number].size.groups())) {
        loop {
            let groups = to.wanted(number, part.clone()).expect("wanted");
            if groups.is_empty() {
                break;
            }
            let reader = from.store.reader(members[number].blob).expect("known");
            let root = reader.piece(&groups).expect("hashed");
            let mut answer = Vec::new();
            reader.encode(&groups, &mut answer).expect("encoded");
            new += to.accept(number, root, &groups, &answer[..]).expect("accepted");
        }
    }
    new
}

fn send_folder(from: &Side, to: &Gathering, members: &[Member]) -> u64 {
    (0..members.len()).map(|number| send_file(from, to, members, number, 0..u32::MAX)).sum()
}

fn is_as_it_was(from: &Side, landed: &Path, members: &[Member]) {
    for member in members {
        let name = if member.path == "film" { member.path.clone() } else { member.path.replace('/', "-") };
        let was = fs::read(from.folder.join(name)).expect("read");
        assert!(was == fs::read(landed.join(&member.path)).expect("read"), "{}", member.path);
    }
}

#[test]
fn a_folder_that_nobody_hashed_before_arrives_as_it_was_and_goes_on_after_a_kill() {
    let (dirs, from, to) = sides();
    let members = folder(&from);
    let total: u64 = members.iter().map(|member| member.size.bytes()).sum();
    let gathering = gather(&to, &members);
    for number in [1, 2, 3] {
        send_file(&from, &gathering, &members, number, 0..u32::MAX);
    }
    send_file(&from, &gathering, &members, 5, PIECE_GROUPS - 5..PIECE_GROUPS + 5);
    gathering.checkpoint().expect("synced");
    let there = gathering.have();
    drop((gathering, to));
    let to = Side::open(dirs[1].path());
    // A small file that was torn is known by what was said of it, and one of which nothing is known any more is fetched again.
    let staging = to.dir.join("blobs/gathering").join("01".repeat(16));
    flip(&staging.join("a/one.txt"), 50);
    let said = to.dir.join("blobs/gathering").join(format!("{}.said", "01".repeat(16)));
    flip(&said, 2 * 64 + 3);
    let gathering = gather(&to, &members);
    let lost = members[1].size.bytes() + members[2].size.bytes();
    assert_eq!(gathering.have(), there - lost);
    assert_eq!(send_folder(&from, &gathering, &members), total - there + lost);
    let target = Target::open(&to.folder).expect("opens");
    let finished = gathering.finish(&target, &clean_name("trip")).expect("finished");
    is_as_it_was(&from, &finished.path, &members);
    drop(gathering);
    let placed = to.store.gather(ME, &members, Proof::Pieces).expect("gathered");
    assert!(matches!(placed, Gathered::Placed(path) if path == finished.path));
    to.store.abandon_gathering(ME, &members, Proof::Pieces).expect("forgotten");
    to.store.sweep().expect("swept");
    for folder in ["blobs/gathering", "blobs/partial", "blobs/trees"] {
        assert_eq!(fs::read_dir(to.dir.join(folder)).expect("readable").count(), 0, "{folder}");
    }
}

#[test]
fn another_word_about_a_small_file_is_refused_and_so_is_none() {
    let (_dirs, from, to) = sides();
    let members = folder(&from);
    let gathering = gather(&to, &members);
    let groups = gathering.wanted(1, 0..1).expect("wanted");
    let reader = from.store.reader(members[1].blob).expect("known");
    let root = reader.piece(&groups).expect("hashed");
    assert_eq!(root, Some(id_of(&noise(100))));
    let mut answer = Vec::new();
    reader.encode(&groups, &mut answer).expect("encoded");
    assert!(matches!(gathering.accept(1, None, &groups, &answer[..]), Err(BlobError::OutOfRange)));
    let mut torn = answer.clone();
    torn[7] ^= 1;
    assert!(matches!(gathering.accept(1, root, &groups, &torn[..]), Err(BlobError::NotTheFile { .. })));
    let other = gathering.accept(1, Some(id_of(&torn)), &groups, &torn[..]);
    assert!(matches!(other, Err(BlobError::NotTheFile { .. })), "what was said first holds");
    assert_eq!(gathering.accept(1, root, &groups, &answer[..]).expect("accepted"), 100);
}

#[test]
fn giving_a_folder_up_that_nobody_hashed_leaves_nothing() {
    let (_dirs, from, to) = sides();
    let members = folder(&from);
    let gathering = gather(&to, &members);
    send_file(&from, &gathering, &members, 1, 0..u32::MAX);
    send_file(&from, &gathering, &members, 5, 0..10);
    gathering.checkpoint().expect("synced");
    drop(gathering);
    to.store.abandon_gathering(ME, &members, Proof::Pieces).expect("given up");
    to.store.sweep().expect("swept");
    for folder in ["blobs/gathering", "blobs/partial"] {
        assert_eq!(fs::read_dir(to.dir.join(folder)).expect("readable").count(), 0, "{folder}");
    }
}
