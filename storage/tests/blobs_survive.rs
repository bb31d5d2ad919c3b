//! What a kill, a loss of power, a full or a failing disk leaves of a file that is being received, and what is told of damage.
#![allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

mod common;

use common::blobs::*;
use pc2_protocols::blob::Groups;
use pc2_storage::{
    Disk, Options, SystemDisk,
    blobs::{After, BATCH_BYTES, BlobError, HEADROOM_BYTES, Target, Trouble, Wrong, clean_name},
};
use std::{
    env,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

const KILL_DIR: &str = "PC2_TEST_BLOB_KILL_DIR";
const KILL_BYTES: usize = 60_000_000;

/// Not a test of its own: the process that is killed while it receives.
#[test]
fn receives_until_it_is_killed() {
    let Ok(dir) = env::var(KILL_DIR) else { return };
    let (from, to) = kill_sides(Path::new(&dir));
    let bytes = noise(KILL_BYTES);
    let partial = to.begin(id_of(&bytes), size(&bytes));
    loop {
        let missing = partial.missing(0, 40);
        let answer = from.answer(partial.id(), &missing);
        partial.accept(&missing, &answer[..]).expect("accepted");
        let mut out = io::stdout().lock();
        // The one who reads may be gone: then this process is about to be killed.
        let _killed_soon = writeln!(out, "ack {}", partial.received()).and_then(|()| out.flush());
        assert!(!partial.is_whole(), "killed too late");
    }
}

fn kill_sides(dir: &Path) -> (Side, Side) {
    (Side::open(&dir.join("from")), Side::open(&dir.join("to")))
}

#[test]
fn a_killed_process_loses_two_batches_at_most_and_goes_on_from_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let bytes = noise(KILL_BYTES);
    let (from, _) = kill_sides(dir.path());
    let id = from.offer("file", &bytes).id();
    drop(from);
    let mut found = 0;
    for round in 1..=3u64 {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "receives_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(KILL_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut acknowledged = 0;
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            // The test runner's own words may stand before the first.
            if let Some((_, number)) = line.expect("readable").split_once("ack ") {
                acknowledged = number.parse().expect("a number");
            }
            // Somewhere behind a batch, another place each round.
            if acknowledged > round * 17_500_000 {
                child.kill().expect("killed");
            }
        }
        child.wait().expect("ended");
        assert!(acknowledged > round * 17_500_000, "it was killed, not ended");
        let (_, to) = kill_sides(dir.path());
        let partial = to.begin(id, size(&bytes));
        // What came between the last word and the kill is not known, so only the lower bound is.
        assert!(
            partial.received() + 2 * BATCH_BYTES >= acknowledged,
            "{} of {acknowledged}",
            partial.received()
        );
        assert!(partial.received() >= found);
        found = partial.received();
        drop(partial);
        assert!(to.store.check_blobs(&mut on).expect("checked").is_fine());
    }
    let (from, to) = kill_sides(dir.path());
    let partial = to.begin(id, size(&bytes));
    assert_eq!(from.send_rest(&partial), bytes.len() as u64 - found);
    let target = Target::open(&to.folder).expect("opens");
    let finished = partial.finish(&target, &clean_name("file"), After::Offer).expect("finished");
    assert_eq!(fs::read(finished.path).expect("there"), bytes);
}

/// Keeps what each file had when it was last synced, and makes images of what a machine without power could find: data and tree as they
/// were synced, marks as they were synced or as they are, because what is not synced may be on the disk as well.
struct FlakyPower {
    dir: PathBuf,
    images: PathBuf,
    state: Mutex<Images>,
}

#[derive(Default)]
struct Images {
    /// Files by their number, as they were synced.
    synced: Vec<(u64, Vec<u8>)>,
    /// Images made.
    count: usize,
}

impl Disk for FlakyPower {
    fn available(&self, _dir: &Path) -> io::Result<u64> {
        Ok(1 << 40)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let mut state = self.state.lock().expect("whole");
        let Images { synced, count } = &mut *state;
        for marks_synced in [true, false] {
            let image = self.images.join(count.to_string()).join("data");
            let mut any = false;
            for entry in fs::read_dir(self.dir.join("data/blobs/partial")).into_iter().flatten().flatten() {
                let inode = entry.metadata()?.ino();
                let old = synced.iter().find(|(synced, _)| *synced == inode).map(|(_, bytes)| bytes.clone());
                let now = fs::read(entry.path())?;
                let is_marks = entry.path().extension().is_some_and(|ending| ending == "marks");
                let length = now.len();
                let bytes =
                    if is_marks && !marks_synced { now } else { old.unwrap_or_else(|| vec![0; length]) };
                fs::create_dir_all(image.join("blobs/partial"))?;
                fs::write(image.join("blobs/partial").join(entry.file_name()), bytes)?;
                any = true;
            }
            *count += usize::from(any);
        }
        if file.metadata()?.is_file() {
            let inode = file.metadata()?.ino();
            let mut bytes = Vec::new();
            for entry in fs::read_dir(self.dir.join("data/blobs/partial")).into_iter().flatten().flatten() {
                if entry.metadata()?.ino() == inode {
                    bytes = fs::read(entry.path())?;
                }
            }
            synced.retain(|(other, _)| *other != inode);
            synced.push((inode, bytes));
        }
        Ok(())
    }
}

#[test]
fn after_a_loss_of_power_nothing_is_marked_that_is_not_there() {
    let [one, two, images] = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
    let from = Side::open(one.path());
    let bytes = noise(2_000_000);
    let offered = from.offer("file", &bytes);
    let power =
        FlakyPower { dir: two.path().to_owned(), images: images.path().to_owned(), state: Mutex::default() };
    let power = Arc::new(power);
    let disk: Arc<dyn Disk> = Arc::<FlakyPower>::clone(&power);
    let to = Side::open_with(two.path(), &Options { disk, ..common::options() });
    let partial = to.begin(offered.id(), offered.size());
    for range in [100..123, 3..50, 60..61, 0..3] {
        from.send(&partial, range);
        partial.checkpoint().expect("durable");
    }
    drop(partial);
    let (dir, count) = (to.dir.clone(), power.state.lock().expect("whole").count);
    to.storage.close();
    let mut most = 0;
    for number in 0..count {
        let image = images.path().join(number.to_string());
        common::copy_dir(&dir.join("db"), &image.join("data/db"));
        let found = Side::open(&image);
        let troubles = found.store.check_blobs(&mut on).expect("checked").troubles;
        let claimed = troubles.iter().any(|trouble| matches!(trouble.what, Wrong::Damaged(_)));
        assert!(!claimed, "image {number} of {count} claims what it does not have: {troubles:?}");
        let partial = found.begin(offered.id(), offered.size());
        most = most.max(partial.received());
        from.send_rest(&partial);
        let target = Target::open(&found.folder).expect("opens");
        let finished = partial.finish(&target, &clean_name("file"), After::Forget).expect("finished");
        assert_eq!(fs::read(finished.path).expect("there"), bytes);
    }
    assert!(count > 20 && most > 60 * GROUP as u64, "{count} images, {most} bytes at most");
}

#[test]
fn torn_data_and_damaged_marks_cost_only_what_is_lost() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let bytes = noise(200 * GROUP + 77);
    let offered = from.offer("file", &bytes);
    let (id, whole) = (offered.id(), offered.size());
    let begin = || to.begin(id, whole);
    let partial = begin();
    from.send(&partial, 0..90);
    from.send(&partial, 100..201);
    partial.checkpoint().expect("durable");
    drop(partial);
    // A page of marks with a flipped bit: everything is proven anew, nothing sent again.
    flip(&to.partial_path(id, ".marks"), 600);
    let checked = to.store.check_blobs(&mut on).expect("checked");
    let marks = Trouble { id, path: to.partial_path(id, ""), what: Wrong::Marks };
    assert_eq!(checked.troubles, [marks]);
    assert_eq!(begin().missing(0, u32::MAX), groups(&[90..100]));
    assert!(to.store.check_blobs(&mut on).expect("checked").is_fine());
    // The marks' header is gone.
    fs::write(to.partial_path(id, ".marks"), "").expect("written");
    assert_eq!(begin().missing(0, u32::MAX), groups(&[90..100]));
    // The end of the data is gone.
    let data = fs::OpenOptions::new().write(true).open(to.partial_path(id, "")).expect("opens");
    data.set_len(150 * GROUP as u64 + 9).expect("cut");
    assert_eq!(begin().missing(0, u32::MAX), groups(&[90..100, 150..201]));
    // A pair of hashes is gone: what it proves is gone with it, no more.
    flip(&to.partial_path(id, ".tree"), 64 * 40);
    fs::write(to.partial_path(id, ".marks"), "").expect("written");
    let partial = begin();
    assert!(partial.received() > 100 * GROUP as u64 && partial.received() < 140 * GROUP as u64);
    from.send_rest(&partial);
    let target = Target::open(&to.folder).expect("opens");
    let finished = partial.finish(&target, &clean_name("file"), After::Offer).expect("finished");
    assert_eq!(fs::read(finished.path).expect("there"), bytes);
    drop(partial);
    // Files that are missing: it begins anew.
    let other = from.offer("other", &noise(3_000_000));
    let partial = to.begin(other.id(), other.size());
    from.send_rest(&partial);
    partial.checkpoint().expect("durable");
    drop(partial);
    fs::remove_file(to.partial_path(other.id(), ".tree")).expect("removed");
    assert_eq!(to.begin(other.id(), other.size()).received(), 0);
}

#[test]
fn dropped_without_a_word_it_goes_on_from_its_last_batch() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let bytes = noise(3 * BATCH_BYTES as usize);
    let offered = from.offer("file", &bytes);
    let partial = to.begin(offered.id(), offered.size());
    from.send(&partial, 0..1_500);
    assert_eq!(partial.received(), 1_500 * GROUP as u64);
    drop(partial);
    let partial = to.begin(offered.id(), offered.size());
    assert!(partial.received() + BATCH_BYTES >= 1_500 * GROUP as u64, "its last thread is waited for");
    // A small one has nothing to go on from, and costs less than a batch.
    let small = from.offer("small", &noise(900_000));
    let partial = to.begin(small.id(), small.size());
    from.send(&partial, 0..50);
    drop(partial);
    assert_eq!(to.begin(small.id(), small.size()).received(), 0);
}

#[test]
fn a_process_that_ended_between_name_and_row_does_not_make_a_second_file() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let target = Target::open(&to.folder).expect("opens");
    let name = clean_name("file.txt");
    for (number, length) in [2_000_000, 3_000_000].into_iter().enumerate() {
        let bytes = noise(length);
        let offered = from.offer(&length.to_string(), &bytes);
        let partial = to.begin(offered.id(), offered.size());
        from.send_rest(&partial);
        partial.checkpoint().expect("durable");
        drop(partial);
        let last = to.folder.join(name.numbered(u32::try_from(number).expect("small") + 1).as_str());
        fs::hard_link(to.partial_path(offered.id(), ""), &last).expect("linked");
        if number == 0 {
            let partial = to.begin(offered.id(), offered.size());
            assert!(partial.is_whole());
            let finished = partial.finish(&target, &name, After::Offer).expect("finished");
            assert_eq!(finished.path, last);
            assert_eq!(fs::read(&last).expect("there"), bytes);
        } else {
            // Its owner has changed it meanwhile: it is the owner's, and the blob begins anew.
            fs::write(&last, "the owner's words").expect("written");
            let partial = to.begin(offered.id(), offered.size());
            assert_eq!(partial.received(), 0);
            from.send_rest(&partial);
            let finished = partial.finish(&target, &name, After::Offer).expect("finished");
            assert_eq!(finished.path, to.folder.join("file (3).txt"));
            assert_eq!(fs::read_to_string(&last).expect("there"), "the owner's words");
        }
    }
}

/// A disk whose room and syncs are up to the test.
struct Faulty {
    available: AtomicU64,
    sync_fails: AtomicBool,
}

impl Disk for Faulty {
    fn available(&self, _dir: &Path) -> io::Result<u64> {
        Ok(self.available.load(Ordering::SeqCst))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.sync_fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the cable is loose"));
        }
        SystemDisk.sync(file)
    }
}

fn faulty(base: &Path) -> (Arc<Faulty>, Side, u64) {
    let disk = Arc::new(Faulty { available: AtomicU64::new(1 << 40), sync_fails: AtomicBool::new(false) });
    let options = Options { disk: Arc::<Faulty>::clone(&disk), ..common::options() };
    let reserve = options.reserve_bytes + HEADROOM_BYTES;
    (disk, Side::open_with(base, &options), reserve)
}

#[test]
fn a_full_disk_is_a_refusal_and_the_transfer_goes_on_when_there_is_room() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let from = Side::open(one.path());
    let (disk, to, reserve) = faulty(two.path());
    let bytes = noise(3_000_000);
    let offered = from.offer("file", &bytes);
    let begin = || to.store.begin(offered.id(), offered.size(), ME).map(|_| ());
    disk.available.store(reserve + 2_900_000, Ordering::SeqCst);
    let error = begin().expect_err("too little room");
    assert!(matches!(error, BlobError::NoRoom { available: 2_900_000, .. }), "{error}");
    assert_eq!(fs::read_dir(to.dir.join("blobs/partial")).expect("readable").count(), 0);
    disk.available.store(reserve + 3_100_000, Ordering::SeqCst);
    let partial = to.begin(offered.id(), offered.size());
    // What one was promised another does not get.
    let other = from.offer("other", &noise(1_500_000));
    let refused = to.store.begin(other.id(), other.size(), ME).map(|_| ());
    assert!(matches!(refused, Err(BlobError::NoRoom { .. })));
    from.send(&partial, 0..50);
    disk.available.store(reserve, Ordering::SeqCst);
    let asked = groups(&[50..51]);
    let answer = from.answer(offered.id(), &asked);
    assert!(matches!(partial.accept(&asked, &answer[..]), Err(BlobError::NoRoom { available: 0, .. })));
    assert_eq!(partial.received(), 50 * GROUP as u64);
    let offering = to.store.import(&from.folder.join("file"), ME, &mut on).map(|_| ());
    assert!(matches!(offering, Err(BlobError::NoRoom { .. })), "nor is there room for a tree");
    disk.available.store(1 << 40, Ordering::SeqCst);
    from.send_rest(&partial);
    disk.available.store(reserve, Ordering::SeqCst);
    // Into its place in the same file system it needs no room.
    let target = Target::open(&to.folder).expect("opens");
    let finished = partial.finish(&target, &clean_name("file"), After::Offer).expect("finished");
    assert_eq!(fs::read(finished.path).expect("there"), bytes);
    let copied = to.store.copy(offered.id(), &target, &clean_name("file"), ME);
    assert!(matches!(copied, Err(BlobError::NoRoom { .. })));
}

#[test]
fn after_a_failed_sync_nothing_is_taken_until_it_is_begun_again() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let from = Side::open(one.path());
    let (disk, to, _) = faulty(two.path());
    let bytes = noise(3_000_000);
    let offered = from.offer("file", &bytes);
    let partial = to.begin(offered.id(), offered.size());
    from.send(&partial, 0..50);
    partial.checkpoint().expect("durable");
    from.send(&partial, 50..100);
    disk.sync_fails.store(true, Ordering::SeqCst);
    assert!(matches!(partial.checkpoint(), Err(BlobError::Io { .. })));
    disk.sync_fails.store(false, Ordering::SeqCst);
    assert!(matches!(partial.checkpoint(), Err(BlobError::Failed)));
    let asked = groups(&[100..101]);
    let answer = from.answer(offered.id(), &asked);
    assert!(matches!(partial.accept(&asked, &answer[..]), Err(BlobError::Failed)));
    drop(partial);
    let partial = to.begin(offered.id(), offered.size());
    assert_eq!(partial.received(), 50 * GROUP as u64, "only what is known to be safe");
    from.send_rest(&partial);
    let target = Target::open(&to.folder).expect("opens");
    partial.finish(&target, &clean_name("file"), After::Offer).expect("finished");
}

#[test]
fn a_check_finds_every_flipped_bit_and_says_where() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let bytes = noise(130 * GROUP + 1);
    let offered = from.offer("large", &bytes);
    let small = from.offer("small", &noise(40_000));
    let path = offered.path().to_owned();
    let check = |side: &Side| side.store.check_blobs(&mut on).expect("checked");
    let checked = check(&from);
    assert!(checked.is_fine());
    assert_eq!((checked.blobs, checked.bytes), (2, bytes.len() as u64 + 40_000));
    for at in [0, 70 * GROUP as u64 + 5, bytes.len() as u64 - 1] {
        flip(&path, at);
        let group = at / GROUP as u64 * GROUP as u64;
        let expected = vec![group..(group + GROUP as u64).min(bytes.len() as u64)];
        let trouble = Trouble { id: offered.id(), path: path.clone(), what: Wrong::Damaged(expected) };
        assert_eq!(check(&from).troubles, [trouble], "{at}");
        flip(&path, at);
    }
    flip(small.path(), 39_999);
    let troubles = check(&from).troubles;
    let what = Wrong::Damaged(vec![0..40_000]);
    assert_eq!(troubles, [Trouble { id: small.id(), path: small.path().to_owned(), what }]);
    flip(small.path(), 39_999);
    // Each byte of the tree would take long; each pair does not.
    for at in (0..130 * 64).step_by(64 * 7) {
        flip(&from.tree_path(offered.id()), at + at / 64 % 64);
        let trouble = Trouble { id: offered.id(), path: path.clone(), what: Wrong::TreeMadeAgain };
        assert_eq!(check(&from).troubles, [trouble], "{at}");
        assert!(check(&from).is_fine());
    }
    fs::remove_file(from.tree_path(offered.id())).expect("removed");
    assert_eq!(check(&from).troubles.first().map(|trouble| trouble.what.clone()), Some(Wrong::TreeMadeAgain));

    let partial = to.begin(offered.id(), offered.size());
    from.send(&partial, 10..131);
    partial.checkpoint().expect("durable");
    assert!(check(&to).is_fine(), "also while it is received");
    drop(partial);
    flip(&to.partial_path(offered.id(), ""), 20 * GROUP as u64);
    flip(&to.partial_path(offered.id(), ""), 5);
    let what = Wrong::Damaged(vec![20 * GROUP as u64..21 * GROUP as u64]);
    let trouble = Trouble { id: offered.id(), path: to.partial_path(offered.id(), ""), what };
    assert_eq!(check(&to).troubles, [trouble], "what has not come cannot be damaged");
    assert_eq!(to.store.repair(offered.id()).expect("repaired"), GROUP as u64);
    assert!(check(&to).is_fine());
    let partial = to.begin(offered.id(), offered.size());
    assert_eq!(partial.missing(0, u32::MAX), groups(&[0..10, 20..21]));
    from.send_rest(&partial);
    let target = Target::open(&to.folder).expect("opens");
    let finished = partial.finish(&target, &clean_name("file"), After::Offer).expect("finished");
    assert_eq!(fs::read(&finished.path).expect("there"), bytes);

    fs::write(small.path(), "other words").expect("written");
    fs::remove_file(&path).expect("removed");
    let mut wrongs: Vec<_> = check(&from).troubles.into_iter().map(|trouble| trouble.what).collect();
    wrongs.sort_by_key(|wrong| *wrong != Wrong::Gone);
    assert_eq!(wrongs, [Wrong::Gone, Wrong::Changed]);
}

#[test]
fn one_flipped_bit_in_any_file_of_the_store_is_told_as_what_it_is_and_as_nothing_else() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let (large, small) = (from.offer("large", &noise(130 * GROUP + 1)), from.offer("small", &noise(40_000)));
    // Beside the one that is damaged there is always one that is not.
    let other = from.offer("other", &noise(2_000_000));
    for offered in [&large, &other] {
        let partial = to.begin(offered.id(), offered.size());
        from.send(&partial, 0..64);
        from.send(&partial, 100..115);
        partial.checkpoint().expect("durable");
    }
    let group = |number: u64| number * GROUP as u64..(number + 1) * GROUP as u64;
    let partial = to.partial_path(large.id(), "");
    // Of a tree, the pair of the first two groups comes first.
    let first_pair = Wrong::Unproven(vec![0..2 * GROUP as u64]);
    let cases = [
        (&from, large.path().to_owned(), 7, large.path().to_owned(), Wrong::Damaged(vec![group(0)])),
        (&from, small.path().to_owned(), 20_000, small.path().to_owned(), Wrong::Damaged(vec![0..40_000])),
        (&from, from.tree_path(large.id()), 70, large.path().to_owned(), Wrong::TreeMadeAgain),
        (&to, partial.clone(), 101 * GROUP as u64, partial.clone(), Wrong::Damaged(vec![group(101)])),
        (&to, to.partial_path(large.id(), ".tree"), 0, partial.clone(), first_pair.clone()),
        (&to, to.partial_path(large.id(), ".tree"), 63, partial.clone(), first_pair),
        (&to, to.partial_path(large.id(), ".marks"), 9, partial.clone(), Wrong::Marks),
        (&to, to.partial_path(large.id(), ".marks"), 520, partial.clone(), Wrong::Marks),
        (&to, to.partial_path(large.id(), ".marks"), 1_023, partial, Wrong::Marks),
    ];
    for (side, file, at, path, what) in cases {
        let was = fs::read(&file).expect("there");
        flip(&file, at);
        let found = side.store.check_blobs(&mut on).expect("checked").troubles;
        assert_eq!(
            found,
            [Trouble { id: if path == small.path() { small.id() } else { large.id() }, path, what }],
            "{}",
            file.display()
        );
        if fs::read(&file).expect("there") != was {
            flip(&file, at);
        }
        assert!(side.store.check_blobs(&mut on).expect("checked").is_fine());
    }
    // Both at once are told as two things, and repaired as one.
    flip(&to.partial_path(large.id(), ".tree"), 0);
    flip(&to.partial_path(large.id(), ""), 50 * GROUP as u64);
    let found: Vec<_> = to.store.check_blobs(&mut on).expect("checked").troubles;
    let whats: Vec<_> = found.into_iter().map(|trouble| trouble.what).collect();
    assert_eq!(whats, [Wrong::Damaged(vec![group(50)]), Wrong::Unproven(vec![0..2 * GROUP as u64])]);
    assert_eq!(to.store.repair(large.id()).expect("repaired"), 3 * GROUP as u64);
    let partial = to.begin(large.id(), large.size());
    from.send_rest(&partial);
    partial.checkpoint().expect("durable");
    drop(partial);
    assert!(to.store.check_blobs(&mut on).expect("checked").is_fine());
}

#[test]
fn a_damaged_tree_is_made_again_from_its_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let side = Side::open(dir.path());
    let offered = side.offer("file", &noise(3_000_000));
    let whole = Groups::whole(offered.size());
    let right = side.answer(offered.id(), &whole);
    let encode = || side.store.reader(offered.id()).and_then(|reader| reader.encode(&whole, io::sink()));
    flip(&side.tree_path(offered.id()), 700);
    assert!(matches!(encode(), Err(BlobError::TreeDamaged { .. })));
    side.store.rebuild(offered.id(), &mut on).expect("made again");
    assert_eq!(side.answer(offered.id(), &whole), right);
    fs::write(side.tree_path(offered.id()), "short").expect("written");
    assert!(matches!(encode(), Err(BlobError::TreeDamaged { .. })));
    side.store.rebuild(offered.id(), &mut on).expect("made again");
    assert_eq!(side.answer(offered.id(), &whole), right);
    flip(offered.path(), 2_000_000);
    let refused = side.store.rebuild(offered.id(), &mut on);
    assert!(matches!(refused, Err(BlobError::SourceChanged { .. })), "not of other bytes");
}

#[test]
fn rows_about_blobs_survive_a_restart_and_a_restore() {
    let dir = tempfile::tempdir().expect("a directory");
    let side = Side::open(dir.path());
    let offered = side.offer("file", &noise(3_000_000));
    let other = noise(2_000_000);
    drop(side.begin(id_of(&other), size(&other)));
    side.storage.export().expect("exported");
    side.storage.close();
    fs::remove_dir_all(dir.path().join("data/db")).expect("removed");
    let side = Side::open(dir.path());
    side.answer(offered.id(), &groups(&[0..3]));
    assert_eq!(side.store.holders(offered.id(), 9).expect("read"), [ME]);
    assert_eq!(side.store.list(true, None, 9).expect("listed"), [id_of(&other)]);
    let store = side.store.clone();
    side.storage.close();
    assert!(store.reader(offered.id()).is_err() && store.sweep().is_err());
    assert!(matches!(store.release(offered.id(), ME), Err(BlobError::WriterBusy)));
}
