//! What a kill, a full or a failing disk leaves of a folder that is being received: nothing half under its name, nothing there twice, and what was
//! proven is not sent again.

mod common;

use common::{blobs::*, gather::*};
use pc2_protocols::files::manifest::Member;
use pc2_storage::{
    Disk, Options, SystemDisk,
    blobs::{BlobError, Finished, Gathered, HEADROOM_BYTES, Proof, Target, clean_name},
};
use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::MetadataExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
};

const KILL_DIR: &str = "PC2_TEST_GATHER_KILL_DIR";

fn kill_files() -> BTreeMap<String, Vec<u8>> {
    let small = (0..400).map(|number| (format!("small/{}/{number}", number % 9), noise(3_000 + number * 41)));
    let large = (0..4).map(|number| (format!("large/{number}"), noise(9_000_000 + number)));
    small.chain(large).chain([("empty".into(), Vec::new())]).collect()
}

fn list(files: &BTreeMap<String, Vec<u8>>) -> Vec<Member> {
    files.iter().map(|(path, bytes)| member(path, bytes)).collect()
}

/// Not a test of its own: the process that is killed while it receives.
#[test]
fn gathers_until_it_is_killed() {
    let Ok(dir) = env::var(KILL_DIR) else { return };
    let say = |text: &str| {
        let mut out = io::stdout().lock();
        // The one who reads may be gone: then this process is about to be killed.
        let _killed_soon = writeln!(out, "say {text}").and_then(|()| out.flush());
    };
    let (from, to) = (Side::open(&Path::new(&dir).join("from")), Side::open(&Path::new(&dir).join("to")));
    let members = list(&kill_files());
    if let Gathered::Open(gathering) = to.store.gather(ME, &members, Proof::Whole).expect("gathered") {
        (0..members.len())
            .filter(|member| gathering.has(*member))
            .for_each(|member| say(&format!("had {member}")));
        say(&format!("began {}", gathering.have()));
        while !gathering.is_whole() {
            for (number, file) in members.iter().enumerate() {
                for start in (0..file.size.groups()).step_by(100) {
                    let groups = gathering.wanted(number, start..start + 100).expect("wanted");
                    take(&from, &gathering, &members, number, &groups);
                    say(&format!("have {}", gathering.have()));
                }
                if gathering.has(number) {
                    say(&format!("got {number}"));
                }
            }
        }
        gathering.finish(&Target::open(&to.folder).expect("opens"), &clean_name("all")).expect("finished");
    }
    say("finished 0");
}

#[test]
fn a_killed_process_goes_on_from_there_until_it_is_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = kill_files();
    let members = offer_all(&Side::open(&dir.path().join("from")), &files);
    let (mut before, mut got) = (0, Vec::new());
    let mut finished = false;
    // Each time a little later in what it does.
    for round in 1..20 {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "gathers_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(KILL_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let (mut words, mut had) = (0, Vec::new());
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            let line = line.expect("readable");
            // The test runner's own words may stand before the first.
            let Some((_, said)) = line.split_once("say ") else { continue };
            let (what, number) = said.split_once(' ').expect("two words");
            let number: u64 = number.parse().expect("a number");
            match what {
                "had" => had.push(number),
                "began" => {
                    assert!(got.iter().all(|member| had.contains(member)), "what was here still is");
                    assert!(number >= before, "{number} of {before}");
                    before = number;
                }
                "got" => got.push(number),
                "finished" => finished = true,
                _ => words += 1,
            }
            if words > round * 90 && !finished {
                child.kill().expect("killed");
            }
        }
        let ended = child.wait().expect("ended");
        if finished && ended.success() {
            assert!(round > 3, "it was killed a few times");
            break;
        }
    }
    assert!(finished);
    let to = Side::open(&dir.path().join("to"));
    assert_eq!(names_in(&to.folder), ["all"]);
    assert_eq!(tree_of(&to.folder.join("all")), files);
    assert!(
        matches!(to.store.gather(ME, &members, Proof::Whole), Ok(Gathered::Placed(path)) if path == to.folder.join("all"))
    );
    to.store.abandon_gathering(ME, &members, Proof::Whole).expect("forgotten");
    assert_eq!((left(&to), names_in(&to.dir.join("blobs/partial"))), (vec![], vec![]));
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("readable");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

/// A disk with which a thread ends in the middle of what it does, as a process does that is killed: at its so many-th sync, before or after.
#[derive(Default)]
struct Ends {
    at: Mutex<Option<(ThreadId, u64, bool)>>,
}

impl Ends {
    /// Whether this is the sync to end at; with this half of it.
    fn end(&self, after: bool) {
        let mut at = self.at.lock().expect("whole");
        match &mut *at {
            Some((thread, left, half)) if *thread == thread::current().id() => {
                if *left == 0 && *half == after {
                    *at = None;
                    drop(at);
                    panic!("killed");
                }
                *left = left.saturating_sub(u64::from(after));
            }
            _ => {}
        }
    }
}

impl Disk for Ends {
    fn available(&self, dir: &Path) -> io::Result<u64> {
        SystemDisk.available(dir)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.end(false);
        SystemDisk.sync(file)?;
        self.end(true);
        Ok(())
    }
}

/// Ends at each sync of a finish, begins again, and looks whether the collection stands there once. Returns how many syncs there were.
fn end_everywhere(folder_of: impl Fn(&Side) -> PathBuf) -> u64 {
    let one = tempfile::tempdir().expect("a directory");
    let from = Side::open(one.path());
    let files = mixed();
    let members = offer_all(&from, &files);
    for number in 0..100 {
        for after in [false, true] {
            let two = tempfile::tempdir().expect("a directory");
            let disk = Arc::new(Ends::default());
            let options = Options { disk: Arc::<Ends>::clone(&disk), ..common::options() };
            let to = Side::open_with(two.path(), &options);
            let folder = folder_of(&to);
            fs::create_dir(&folder).expect("made");
            let gathering = open(&to, &members);
            fetch(&from, &gathering, &members);
            let target = Target::open(&folder).expect("opens");
            *disk.at.lock().expect("whole") = Some((thread::current().id(), number, after));
            let finish = || gathering.finish(&target, &clean_name("x")).expect("finished");
            let ended = catch_unwind(AssertUnwindSafe(finish)).is_err();
            *disk.at.lock().expect("whole") = None;
            drop(gathering);
            if !ended {
                fs::remove_dir_all(&folder).expect("removed");
                return number;
            }
            let visible: Vec<_> =
                names_in(&folder).into_iter().filter(|name| !name.starts_with('.')).collect();
            assert!(visible.is_empty() || visible == ["x"], "{visible:?}");
            for name in &visible {
                assert_eq!(tree_of(&folder.join(name)), files, "nothing half, ended at {number}");
            }
            to.storage.close();
            let to = Side::open(two.path());
            let path = match to.store.gather(ME, &members, Proof::Whole).expect("gathered") {
                Gathered::Placed(path) => path,
                Gathered::Open(gathering) => {
                    assert_eq!(names_in(&folder), Vec::<String>::new(), "what was half copied is gone");
                    assert_eq!(fetch(&from, &gathering, &members), 0, "nothing is sent again");
                    gathering.finish(&target, &clean_name("x")).expect("finished").path
                }
            };
            assert_eq!(path, folder.join("x"));
            assert_eq!(names_in(&folder), ["x"], "once, and nothing beside it; ended at {number}, {after}");
            assert_eq!(tree_of(&path), files);
            to.store.abandon_gathering(ME, &members, Proof::Whole).expect("forgotten");
            assert_eq!(left(&to), Vec::<String>::new());
            fs::remove_dir_all(&folder).expect("removed");
        }
    }
    panic!("it never ends by itself")
}

#[test]
fn wherever_a_process_ends_while_a_folder_gets_its_name_it_has_it_once_and_whole() {
    let syncs = end_everywhere(|to| to.folder.join("in"));
    assert!(syncs >= 8, "{syncs}");
}

#[test]
fn nor_does_it_matter_where_it_ends_when_the_folder_is_in_another_file_system() {
    let elsewhere = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let here = tempfile::tempdir().expect("a directory");
    let device = |path: &Path| fs::metadata(path).expect("there").dev();
    if device(elsewhere.path()) == device(here.path()) {
        return;
    }
    let syncs = end_everywhere(|_| elsewhere.path().join("in"));
    assert!(syncs >= 8, "{syncs}");
}

#[test]
fn a_folder_that_its_owner_moved_on_at_once_is_not_placed_again() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let members = offer_all(&from, &mixed());
    let gathering = open(&to, &members);
    fetch(&from, &gathering, &members);
    let finished = gathering.finish(&Target::open(&to.folder).expect("opens"), &clean_name("x"));
    let Finished { path, .. } = finished.expect("finished");
    drop(gathering);
    fs::rename(&path, to.folder.join("mine")).expect("moved");
    assert!(
        matches!(to.store.gather(ME, &members, Proof::Whole), Ok(Gathered::Placed(told)) if told == path)
    );
    // Giving it up takes nothing from the owner.
    to.store.abandon_gathering(ME, &members, Proof::Whole).expect("forgotten");
    assert_eq!(names_in(&to.folder), ["mine"]);
}

#[test]
fn a_large_file_that_came_among_the_others_is_recognised_though_its_rows_stayed() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (from, to) = (Side::open(one.path()), Side::open(two.path()));
    let files = BTreeMap::from([("a/large".to_owned(), noise(3_000_000))]);
    let members = offer_all(&from, &files);
    let gathering = open(&to, &members);
    take(&from, &gathering, &members, 0, &gathering.wanted(0, 0..183).expect("wanted"));
    gathering.checkpoint().expect("durable");
    drop(gathering);
    let partial = to.begin(members[0].blob, members[0].size);
    from.send_rest(&partial);
    partial.checkpoint().expect("durable");
    drop(partial);
    // Whole, and not moved: that happens as soon as it is wanted.
    let gathering = open(&to, &members);
    assert_eq!((gathering.have(), gathering.is_whole()), (3_000_000, false));
    assert!(gathering.wanted(0, 0..1).expect("wanted").is_empty() && gathering.is_whole());
    drop(gathering);
    to.store.abandon_gathering(ME, &members, Proof::Whole).expect("given up");
    // Moved, and its rows are there still.
    let partial = to.begin(members[0].blob, members[0].size);
    from.send_rest(&partial);
    partial.checkpoint().expect("durable");
    drop(partial);
    fs::create_dir_all(staging(&to).join("a")).expect("made");
    fs::hard_link(to.partial_path(members[0].blob, ""), staging(&to).join("a/large")).expect("linked");
    let gathering = open(&to, &members);
    assert!(gathering.is_whole());
    assert_eq!(names_in(&to.dir.join("blobs/partial")), Vec::<String>::new());
    assert!(!to.store.is_held_by(members[0].blob, ME).expect("read"));
    let finished = gathering.finish(&Target::open(&to.folder).expect("opens"), &clean_name("x"));
    assert_eq!(tree_of(&finished.expect("finished").path), files);
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
fn a_full_disk_is_a_refusal_and_nothing_is_promised_twice() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let from = Side::open(one.path());
    let (disk, to, reserve) = faulty(two.path());
    let files = mixed();
    let members = offer_all(&from, &files);
    let bytes: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
    disk.available.store(reserve + bytes, Ordering::SeqCst);
    // Blocks and trees come on top.
    let error = to.store.gather(ME, &members, Proof::Whole).map(|_| ()).expect_err("too little room");
    let BlobError::NoRoom { needed, available } = error else { panic!("{error}") };
    assert!(available == bytes && (bytes..bytes + 100_000).contains(&needed), "{needed} of {bytes}");
    disk.available.store(reserve + needed, Ordering::SeqCst);
    let gathering = open(&to, &members);
    assert!(matches!(to.store.room_for(1), Err(BlobError::NoRoom { needed: 1, available: 0 })));
    assert!(matches!(to.store.begin(id_of(b"x"), size(b"x"), OTHER), Err(BlobError::NoRoom { .. })));
    disk.available.store(reserve + needed + 5, Ordering::SeqCst);
    to.store.room_for(5).expect("beside it");
    // All of the large ones begin, though nothing is left but what they were promised.
    for (number, _) in members.iter().enumerate().filter(|(_, member)| member.size.bytes() > 1 << 20) {
        let groups = gathering.wanted(number, 0..20).expect("begun");
        take(&from, &gathering, &members, number, &groups);
    }
    disk.available.store(reserve, Ordering::SeqCst);
    let small = members.iter().position(|member| member.path == "a/one.bin").expect("listed");
    let groups = gathering.wanted(small, 0..9).expect("wanted");
    let answer = from.answer(members[small].blob, &groups);
    assert!(matches!(gathering.accept(small, None, &groups, &answer[..]), Err(BlobError::NoRoom { .. })));
    let have = gathering.have();
    gathering.checkpoint().expect("durable");
    drop(gathering);
    // What has come needs no room any more.
    disk.available.store(reserve + needed - have, Ordering::SeqCst);
    let gathering = open(&to, &members);
    assert_eq!(gathering.have(), have);
    fetch(&from, &gathering, &members);
    let target = Target::open(&to.folder).expect("opens");
    disk.available.store(reserve, Ordering::SeqCst);
    let copies = gathering.finish(&target, &clean_name("x"));
    assert!(matches!(copies, Err(BlobError::NoRoom { .. })), "copies need room");
    disk.available.store(1 << 40, Ordering::SeqCst);
    let finished = gathering.finish(&target, &clean_name("x")).expect("finished");
    assert_eq!(tree_of(&finished.path), files);
    to.store.room_for((1 << 40) - reserve).expect("nothing is promised any more");
}

#[test]
fn a_disk_that_fails_a_sync_gives_nothing_its_name_and_loses_nothing() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let from = Side::open(one.path());
    let (disk, to, _) = faulty(two.path());
    let files = mixed();
    let members = offer_all(&from, &files);
    let gathering = open(&to, &members);
    fetch(&from, &gathering, &members);
    let target = Target::open(&to.folder).expect("opens");
    disk.sync_fails.store(true, Ordering::SeqCst);
    assert!(matches!(gathering.finish(&target, &clean_name("x")), Err(BlobError::Io { .. })));
    assert!(gathering.checkpoint().is_err());
    assert_eq!(names_in(&to.folder), Vec::<String>::new());
    disk.sync_fails.store(false, Ordering::SeqCst);
    let finished = gathering.finish(&target, &clean_name("x")).expect("finished");
    assert_eq!(tree_of(&finished.path), files);
    assert_eq!(names_in(&to.folder), ["x"]);
}
