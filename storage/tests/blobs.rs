//! Files from one side to the other: offered, proven, received, put in their place, given back.
#![allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

mod common;

use common::blobs::*;
use pc2_protocols::{
    blob::{BlobSize, Groups},
    id::BlobId,
    limits::MAX_BLOB_BYTES,
    time::UnixMillis,
};
use pc2_storage::blobs::{After, Begun, BlobError, Partial, Swept, Target, clean_name};
use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    ops::ControlFlow,
    os::unix::fs::{MetadataExt as _, symlink},
    process::Command,
    thread,
};

#[test]
fn a_file_of_any_size_arrives_as_it_was() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let target = Target::open(&to.folder).expect("opens");
    for length in [0, 1, 1_023, GROUP, GROUP + 1, 3 * GROUP, 1 << 20, (1 << 20) + 1, 5_000_003] {
        let bytes = noise(length);
        let offered = from.offer(&format!("{length}"), &bytes);
        assert_eq!((offered.id(), offered.size()), (id_of(&bytes), size(&bytes)));
        let partial = to.begin(offered.id(), offered.size());
        assert_eq!(from.send_rest(&partial), length as u64);
        assert_eq!((partial.received(), partial.is_whole()), (length as u64, true));
        let finished = partial.finish(&target, &clean_name("file.bin"), After::Offer).expect("finished");
        assert_eq!(fs::read(&finished.path).expect("there"), bytes, "{length}");
        drop(partial);
        assert_eq!(fs::read_dir(to.dir.join("blobs/partial")).expect("readable").count(), 0);
        // And on from there.
        let again = to.answer(offered.id(), &Groups::whole(offered.size()));
        assert_eq!(again, from.answer(offered.id(), &Groups::whole(offered.size())));
    }
    assert!(to.folder.join("file (9).bin").exists());
    assert!(to.store.check_blobs(&mut on).expect("checked").is_fine());
}

#[test]
fn a_file_arrives_by_pieces_in_any_order_from_two_sides_at_once() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
    let [a, b, to] = dirs.each_ref().map(|dir| Side::open(dir.path()));
    let bytes = noise(7_654_321);
    let offered = a.offer("file", &bytes);
    b.offer("copy under another name", &bytes);
    let partial = to.begin(offered.id(), offered.size());
    let last = offered.size().groups();
    let mut pieces: Vec<_> = (0..last).step_by(5).map(|start| start..last.min(start + 7)).collect();
    // By their hash: an order as good as any.
    pieces.sort_by_key(|piece| *blake3::hash(&piece.start.to_le_bytes()).as_bytes());
    thread::scope(|scope| {
        for (side, first) in [(&a, 0), (&b, 1)] {
            let (partial, pieces) = (&partial, &pieces);
            scope.spawn(move || {
                pieces.iter().skip(first).step_by(2).for_each(|piece| {
                    side.send(partial, piece.clone());
                });
            });
        }
    });
    assert!(partial.is_whole() && partial.missing(0, u32::MAX).is_empty());
    let target = Target::open(&to.folder).expect("opens");
    let finished = partial.finish(&target, &clean_name("file"), After::Forget).expect("finished");
    assert_eq!(fs::read(finished.path).expect("there"), bytes);
    assert_eq!(to.store.sweep().expect("swept"), Swept::default(), "nothing is left to sweep");
    assert!(matches!(to.store.reader(offered.id()), Err(BlobError::Unknown)));
}

#[test]
fn a_flipped_bit_in_what_is_sent_is_refused_with_nothing_written() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let bytes = noise(100 * GROUP);
    let offered = from.offer("file", &bytes);
    let partial = to.begin(offered.id(), offered.size());
    let asked = groups(&[40..41]);
    let answer = from.answer(offered.id(), &asked);
    // Every pair of hashes on the way down, then the data.
    for at in (0..answer.len() - GROUP).step_by(16).chain([answer.len() - GROUP, answer.len() - 1]) {
        let mut wrong = answer.clone();
        wrong[at] ^= 1;
        let error = partial.accept(&asked, &wrong[..]).expect_err("refused");
        assert!(matches!(error, BlobError::NotTheFile { at } if at == 40 * GROUP as u64), "{error}");
    }
    partial.checkpoint().expect("nothing to do");
    assert_eq!(partial.received(), 0);
    let written = fs::read(to.partial_path(offered.id(), "")).expect("there");
    assert!(written.iter().all(|byte| *byte == 0), "nothing but holes");
    // The first of two groups was right and is kept.
    let asked = groups(&[10..12]);
    let mut answer = from.answer(offered.id(), &asked);
    *answer.last_mut().expect("bytes") ^= 1;
    let error = partial.accept(&asked, &answer[..]).expect_err("refused");
    assert!(matches!(error, BlobError::NotTheFile { at } if at == 11 * GROUP as u64));
    assert_eq!(partial.received(), GROUP as u64);
    assert_eq!(from.send_rest(&partial), 99 * GROUP as u64);
}

#[test]
fn an_answer_to_another_question_is_refused() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let offered = from.offer("file", &noise(64 * GROUP));
    let other = from.offer("other", &noise(65 * GROUP));
    let partial = to.begin(offered.id(), offered.size());
    let answer = from.answer(offered.id(), &groups(&[3..4]));
    assert!(matches!(partial.accept(&groups(&[4..5]), &answer[..]), Err(BlobError::NotTheFile { .. })));
    let answer = from.answer(other.id(), &groups(&[4..5]));
    assert!(matches!(partial.accept(&groups(&[4..5]), &answer[..]), Err(BlobError::NotTheFile { .. })));
    assert!(matches!(partial.accept(&groups(&[63..65]), io::empty()), Err(BlobError::OutOfRange)));
    assert_eq!(partial.accept(&Groups::default(), io::empty()).expect("nothing asked"), 0);
    let reader = from.store.reader(offered.id()).expect("known");
    assert!(matches!(reader.encode(&groups(&[63..65]), io::sink()), Err(BlobError::OutOfRange)));
}

#[test]
fn a_transfer_that_breaks_off_keeps_what_was_proven() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let offered = from.offer("file", &noise(100 * GROUP));
    let partial = to.begin(offered.id(), offered.size());
    let whole = Groups::whole(offered.size());
    let answer = from.answer(offered.id(), &whole);
    let half = answer.get(..answer.len() / 2).expect("half");
    assert!(matches!(partial.accept(&whole, half), Err(BlobError::Stream(_))));
    assert!(partial.received() > 45 * GROUP as u64);
    struct Broken(usize);
    impl Write for Broken {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let reader = from.store.reader(offered.id()).expect("known");
    let error = reader.encode(&whole, Broken(100_000)).expect_err("broken");
    assert!(
        matches!(&error, BlobError::Stream(error) if error.kind() == io::ErrorKind::BrokenPipe),
        "{error}"
    );
}

#[test]
fn a_false_size_is_found_out() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let bytes = noise(100 * GROUP + 5_000);
    let offered = from.offer("file", &bytes);
    let wrong = |bytes: u64| BlobSize::try_from(bytes).expect("not too large");
    for claimed in
        [offered.size().bytes() + 1_000, offered.size().bytes() * 2, offered.size().bytes() - 5_000]
    {
        let partial = to.begin(offered.id(), wrong(claimed));
        let asked = Groups::whole(partial.size());
        let mut answer = from.answer(offered.id(), &Groups::whole(offered.size()));
        answer.resize(answer.len() * 3, 0);
        let error = partial.accept(&asked, &answer[..]).expect_err("refused");
        assert!(matches!(error, BlobError::NotTheFile { .. }), "{claimed}: {error}");
        partial.checkpoint().expect("durable");
    }
    // Nothing of it was proven, so the right size is believed; after its last group no other one is.
    let partial = to.begin(offered.id(), offered.size());
    from.send(&partial, 99..101);
    partial.checkpoint().expect("durable");
    drop(partial);
    let error = to.store.begin(offered.id(), wrong(7_000_000), ME).map(|_| ()).expect_err("refused");
    assert!(matches!(error, BlobError::WrongSize { known, .. } if known == offered.size().bytes()));
    assert!(matches!(to.store.begin(id_of(b"x"), BlobSize::EMPTY, ME), Err(BlobError::NotTheFile { at: 0 })));
}

#[test]
fn a_blob_is_received_by_one_at_a_time_and_known_when_it_is_here() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let bytes = noise(3_000_000);
    let offered = from.offer("file", &bytes);
    let partial = to.begin(offered.id(), offered.size());
    assert!(matches!(to.store.begin(offered.id(), offered.size(), OTHER), Err(BlobError::Busy)));
    assert!(matches!(to.store.abandon(offered.id()), Err(BlobError::Busy)));
    let target = Target::open(&to.folder).expect("opens");
    let early = partial.finish(&target, &clean_name("x"), After::Offer).expect_err("nothing came");
    assert!(matches!(early, BlobError::Incomplete { missing: 3_000_000 }));
    from.send_rest(&partial);
    partial.finish(&target, &clean_name("x"), After::Offer).expect("finished");
    assert!(matches!(partial.accept(&groups(&[0..1]), io::empty()), Err(BlobError::Failed)));
    drop(partial);
    let Begun::Here { path, received } = to.store.begin(offered.id(), offered.size(), OTHER).expect("begun")
    else {
        panic!("it stands here");
    };
    assert_eq!((path, received), (to.folder.join("x"), true));
    // Whoever wants it elsewhere, too, gets a copy without anything being sent.
    let copy = to.store.copy(offered.id(), &target, &clean_name("x"), OTHER).expect("copied");
    assert_eq!(copy.path, to.folder.join("x (2)"));
    assert_eq!(fs::read(copy.path).expect("there"), bytes);
    fs::remove_file(to.folder.join("x")).expect("removed");
    assert_eq!(to.answer(offered.id(), &groups(&[0..3])), from.answer(offered.id(), &groups(&[0..3])));
}

#[test]
fn a_file_in_another_file_system_is_copied_and_proven_on_the_way() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let elsewhere = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let bytes = noise(3_000_000);
    let offered = from.offer("file", &bytes);
    let partial = to.begin(offered.id(), offered.size());
    from.send_rest(&partial);
    partial.checkpoint().expect("durable");
    let target = Target::open(elsewhere.path()).expect("opens");
    let device = |path: &std::path::Path| fs::metadata(path).expect("there").dev();
    if device(elsewhere.path()) != device(&to.dir) {
        flip(&to.partial_path(offered.id(), ""), 2_000_000);
        let error = partial.finish(&target, &clean_name("f.txt"), After::Offer).expect_err("damaged");
        assert!(matches!(error, BlobError::NotTheFile { .. }), "{error}");
        assert_eq!(fs::read_dir(elsewhere.path()).expect("readable").count(), 0, "nothing half");
        flip(&to.partial_path(offered.id(), ""), 2_000_000);
    }
    fs::write(elsewhere.path().join("f.txt"), "mine").expect("written");
    let finished = partial.finish(&target, &clean_name("f.txt"), After::Offer).expect("finished");
    assert_eq!(finished.path, elsewhere.path().join("f (2).txt"));
    assert_eq!(fs::read(&finished.path).expect("there"), bytes);
    assert_eq!(fs::read_dir(elsewhere.path()).expect("readable").count(), 2);
    assert_eq!(to.answer(offered.id(), &groups(&[5..9])), from.answer(offered.id(), &groups(&[5..9])));
}

#[test]
fn a_source_that_was_changed_or_removed_is_noticed() {
    let dir = tempfile::tempdir().expect("a directory");
    let side = Side::open(dir.path());
    for length in [100_000, 3_000_000] {
        let bytes = noise(length);
        let offered = side.offer("file", &bytes);
        let path = offered.path().to_owned();
        let whole = Groups::whole(offered.size());
        let reader = side.store.reader(offered.id()).expect("known");
        // While it is open, and before it is opened again.
        let both = |what: &str, right: fn(&BlobError) -> bool| {
            let open = reader.encode(&whole, io::sink()).map(|_| ()).expect_err(what);
            let anew = side.store.reader(offered.id()).map(|_| ()).expect_err(what);
            assert!(right(&open) && right(&anew), "{what}: {open} / {anew}");
        };
        fs::write(&path, noise(length + 1)).expect("written");
        both("longer", |error| matches!(error, BlobError::SourceChanged { .. }));
        fs::write(&path, noise(length / 2)).expect("written");
        both("shorter", |error| matches!(error, BlobError::SourceChanged { .. }));
        fs::remove_file(&path).expect("removed");
        both("removed", |error| matches!(error, BlobError::SourceGone { .. }));
        fs::write(&path, &bytes).expect("written");
        both("the same bytes in another file", |error| matches!(error, BlobError::SourceChanged { .. }));
        // Offered again, it can be read again.
        side.store.import(&path, ME, &mut on).expect("imported");
        side.answer(offered.id(), &whole);
        flip(&path, 50_000);
        let error = side.store.reader(offered.id()).and_then(|reader| reader.encode(&whole, io::sink()));
        let error = error.expect_err("a flipped bit");
        assert!(
            matches!(error, BlobError::Damaged { ref bytes, .. } if bytes.contains(&50_000))
                || matches!(error, BlobError::SourceChanged { .. }) && length == 100_000,
            "{error}"
        );
        fs::remove_file(&path).expect("removed");
    }
}

#[test]
fn a_file_that_changes_while_it_is_hashed_is_not_offered() {
    let dir = tempfile::tempdir().expect("a directory");
    let side = Side::open(dir.path());
    let path = side.folder.join("log");
    for by in [&b"more"[..], b""] {
        fs::write(&path, noise(5_000_000)).expect("written");
        let mut change = |_| {
            let mut file = fs::OpenOptions::new().append(true).open(&path).expect("opens");
            if by.is_empty() { file.set_len(3_500_000) } else { file.write_all(by) }.expect("changed");
            ControlFlow::Continue(())
        };
        let error = side.store.import(&path, ME, &mut change).map(|_| ()).expect_err("changed");
        assert!(matches!(error, BlobError::SourceChanged { .. }), "{error}");
    }
    let stopped = side.store.import(&path, ME, &mut |_| ControlFlow::Break(())).map(|_| ());
    assert!(matches!(stopped, Err(BlobError::Stopped)));
    for folder in ["new", "trees"] {
        assert_eq!(fs::read_dir(side.dir.join("blobs").join(folder)).expect("readable").count(), 0);
    }
    assert_eq!(side.store.list(false, None, 10).expect("listed"), []);
}

#[test]
fn what_is_no_file_or_too_large_is_not_offered() {
    let dir = tempfile::tempdir().expect("a directory");
    let side = Side::open(dir.path());
    let import = |path: &std::path::Path| side.store.import(path, ME, &mut on).map(|_| ());
    assert!(matches!(import(&side.folder), Err(BlobError::NotAFile { .. })));
    assert!(matches!(import(std::path::Path::new("/dev/null")), Err(BlobError::NotAFile { .. })));
    assert!(matches!(import(&side.folder.join("nowhere")), Err(BlobError::SourceGone { .. })));
    let pipe = side.folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("runs").success());
    assert!(matches!(import(&pipe), Err(BlobError::NotAFile { .. })), "and it is not waited for");
    let huge = side.folder.join("huge");
    let file = fs::File::create(&huge).expect("made");
    if file.set_len(MAX_BLOB_BYTES + 1).is_ok() {
        assert!(matches!(import(&huge), Err(BlobError::TooLarge(_))));
    }
    fs::remove_file(&huge).expect("removed");
    // A link is the owner's word for what it leads to.
    fs::write(side.folder.join("real"), "text").expect("written");
    symlink("real", side.folder.join("link")).expect("made");
    let linked = side.store.import(&side.folder.join("link"), ME, &mut on).expect("imported");
    assert_eq!(linked.path(), side.folder.join("real").canonicalize().expect("there"));
}

#[test]
fn a_twenty_gibibyte_blob_begins_in_an_instant_and_takes_no_room() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = std::sync::Arc::new(Roomy);
    let side = Side::open_with(dir.path(), &pc2_storage::Options { disk, ..common::options() });
    let size = BlobSize::try_from(20 << 30).expect("not too large");
    let id = BlobId::from_bytes([3; 32]);
    for _ in 0..2 {
        let partial = side.begin(id, size);
        assert_eq!(partial.missing(0, u32::MAX).bytes(size), 20 << 30);
        assert!(matches!(
            partial.accept(&groups(&[0..1]), &vec![0; 50_000][..]),
            Err(BlobError::NotTheFile { at: 0 })
        ));
    }
    let data = fs::metadata(side.partial_path(id, "")).expect("there");
    assert_eq!((data.len(), data.blocks()), (20 << 30, 0));
    let marks = fs::metadata(side.partial_path(id, ".marks")).expect("there");
    assert!(marks.len() < 200_000, "{} bytes of marks", marks.len());
}

#[test]
#[ignore = "hashes 20 GiB of holes: half a minute"]
fn a_sparse_file_of_twenty_gibibytes_is_offered_and_its_end_arrives() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let roomy = || pc2_storage::Options { disk: std::sync::Arc::new(Roomy), ..common::options() };
    let (from, to) = (Side::open(one.path()), Side::open_with(two.path(), &roomy()));
    let path = from.folder.join("sparse");
    fs::File::create(&path).and_then(|file| file.set_len((20 << 30) + 5)).expect("made");
    let offered = from.store.import(&path, ME, &mut on).expect("imported");
    let partial = to.begin(offered.id(), offered.size());
    let last = offered.size().groups();
    assert_eq!(from.send(&partial, last - 3..last), 2 * GROUP as u64 + 5);
    partial.checkpoint().expect("durable");
    drop(partial);
    let partial = to.begin(offered.id(), offered.size());
    assert_eq!(partial.missing(0, u32::MAX), groups(&[0..last - 3]));
    let data = fs::metadata(to.partial_path(offered.id(), "")).expect("there");
    assert!(data.blocks() * 512 < 1 << 20, "the rest are holes");
}

/// A disk that nobody can fill.
struct Roomy;

impl pc2_storage::Disk for Roomy {
    fn available(&self, _dir: &std::path::Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
    fn sync(&self, file: &fs::File) -> io::Result<()> {
        file.sync_data()
    }
}

#[test]
fn thousands_of_small_files_are_rows_and_no_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let side = Side::open(dir.path());
    let mut imported = Vec::new();
    for number in 0..2_000u32 {
        let path = side.folder.join(format!("{number}.txt"));
        // Some of them are alike, and one in three is empty.
        fs::write(&path, vec![7; (number % 300 / 3 * 100) as usize]).expect("written");
        imported.push(side.store.hash_file(&path, &mut on).expect("hashed"));
    }
    side.store.offer(ME, &imported).expect("offered");
    let ids = side.store.list(false, None, 10_000).expect("listed");
    assert_eq!(ids.len(), 100);
    for id in ids {
        let reader = side.store.reader(id).expect("known");
        reader.encode(&Groups::whole(reader.size()), io::sink()).expect("encoded");
        side.store.release(id, ME).expect("released");
    }
    assert_eq!(fs::read_dir(side.dir.join("blobs/trees")).expect("readable").count(), 0);
    drop(imported);
    assert_eq!(side.store.sweep().expect("swept").blobs, 100);
    assert_eq!(side.store.list(false, None, 10_000).expect("listed"), []);
    assert_eq!(fs::read_dir(&side.folder).expect("readable").count(), 2_000, "the owner's files stay");
}

#[test]
fn a_sweep_takes_what_nobody_needs_and_nothing_else() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let file = |number: usize| from.offer(&number.to_string(), &noise(2_000_000 + number));
    let [kept, open, dropped] = [0, 1, 2].map(file);
    let kept_partial = to.begin(kept.id(), kept.size());
    let open_partial = to.begin(open.id(), open.size());
    let dropped_partial = to.begin(dropped.id(), dropped.size());
    for partial in [&kept_partial, &open_partial, &dropped_partial] {
        from.send(partial, 0..100);
        partial.checkpoint().expect("durable");
    }
    drop((kept_partial, dropped_partial));
    to.store.hold(dropped.id(), OTHER).expect("held twice");
    to.store.release(open.id(), ME).expect("released");
    to.store.release(dropped.id(), ME).expect("released");
    assert_eq!(to.store.sweep().expect("swept"), Swept::default(), "held by another, or still open");
    to.store.release(dropped.id(), OTHER).expect("released");
    to.store.release(dropped.id(), OTHER).expect("not held any more");
    let partials = to.dir.join("blobs/partial");
    fs::write(partials.join("notes.txt"), "mine").expect("written");
    fs::write(to.tree_path(dropped.id()), "an orphan").expect("written");
    fs::write(partials.join(dropped.id().hex().to_uppercase()), "not ours").expect("written");
    let swept = to.store.sweep().expect("swept");
    assert_eq!((swept.blobs, swept.files), (1, 4));
    assert!(swept.bytes >= 100 * GROUP as u64, "{swept:?}");
    assert!(!to.partial_path(dropped.id(), "").exists() && !to.partial_path(dropped.id(), ".marks").exists());
    assert!(partials.join("notes.txt").exists() && partials.join(dropped.id().hex().to_uppercase()).exists());
    assert!(matches!(to.store.hold(dropped.id(), ME), Err(BlobError::Unknown)));
    // What was open and kept goes on.
    from.send_rest(&open_partial);
    assert!(open_partial.is_whole());
    drop(open_partial);
    assert_eq!(to.begin(kept.id(), kept.size()).received(), 100 * GROUP as u64);
    assert_eq!(to.store.holders(kept.id(), 10).expect("read"), [ME]);
    assert_eq!(to.store.sweep().expect("swept").blobs, 1, "nobody held the one that was open");
    to.store.abandon(kept.id()).expect("given up");
    assert!(!to.partial_path(kept.id(), "").exists());
    // The offering side: trees go, files stay.
    from.store.release(kept.id(), ME).expect("released");
    assert!(from.tree_path(kept.id()).exists());
    from.store.sweep().expect("claimed");
    assert!(from.tree_path(kept.id()).exists(), "whoever hashed it has yet to say what for");
    drop(kept);
    assert_eq!(from.store.sweep().map(|swept| (swept.blobs, swept.files)).expect("swept"), (1, 1));
    assert!(from.folder.join("0").exists());
}

#[test]
fn what_a_process_held_that_ended_too_early_is_let_go_and_what_was_held_since_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let side = Side::open(dir.path());
    let id = side.offer("a.bin", &noise(3 * GROUP)).id();
    side.store.hold(id, OTHER).expect("held");
    let (me, far) = (BTreeSet::from([ME]), UnixMillis(u64::MAX));
    assert_eq!(side.store.release_dead(&me, UnixMillis(0)).expect("done"), 0, "held since then");
    assert_eq!(side.store.release_dead(&me, far).expect("done"), 1);
    assert_eq!(side.store.holders(id, 10).expect("read"), [ME]);
    assert_eq!(side.store.release_dead(&BTreeSet::new(), far).expect("done"), 1);
    assert_eq!(side.store.sweep().expect("swept").blobs, 1);
    assert!(side.folder.join("a.bin").exists(), "the owner's file stays");
}

#[test]
fn what_a_killed_process_had_written_is_proven_and_need_not_come_again() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let offered = from.offer("a.bin", &noise(12 << 20));
    let partial = to.begin(offered.id(), offered.size());
    from.send(&partial, 0..100);
    from.send(&partial, 300..500);
    // As if it were killed: nothing is made to survive.
    drop(partial);
    let lost = |partial: &Partial| 300 * GROUP as u64 - partial.received();
    let partial = to.begin(offered.id(), offered.size());
    assert!(lost(&partial) <= 64 * GROUP as u64, "{} bytes would come again", lost(&partial));
    // What is not there is not taken for there: a byte of it is another one.
    partial.checkpoint().expect("durable");
    from.send(&partial, 500..600);
    drop(partial);
    let path = to.partial_path(offered.id(), "");
    flip(&path, 550 * GROUP as u64);
    let partial = to.begin(offered.id(), offered.size());
    assert!(partial.missing(550, 1).ranges().any(|range| range == (550..551)), "only what is proven");
    from.send_rest(&partial);
    let target = Target::open(&to.folder).expect("opens");
    let finished = partial.finish(&target, &clean_name("a.bin"), After::Forget).expect("finished");
    assert_eq!(fs::read(finished.path).expect("there"), noise(12 << 20));
}
