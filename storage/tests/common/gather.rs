//! Collections for the tests of receiving them.
#![allow(dead_code, reason = "each test binary uses its part")]

use super::blobs::{ME, Side, id_of, noise, size};
use pc2_protocols::{blob::Groups, files::manifest::Member};
use pc2_storage::blobs::{BlobError, Gathered, Gathering, Holder, Proof};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Files of all kinds: small, of several groups, large, empty, twice the same.
pub(crate) fn mixed() -> BTreeMap<String, Vec<u8>> {
    let files = [
        ("a/one.bin", noise(20_000)),
        ("a/b/two.txt", noise(16_384)),
        ("a/b/c/empty", Vec::new()),
        ("at the limit.bin", noise(1 << 20)),
        ("large.bin", noise((1 << 20) + 1)),
        ("larger.bin", noise(3_000_000)),
        ("top.txt", noise(100)),
        ("z/another empty", Vec::new()),
        ("z/large copy.bin", noise((1 << 20) + 1)),
        ("z/the same.bin", noise(20_000)),
    ];
    files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect()
}

pub(crate) fn member(path: &str, bytes: &[u8]) -> Member {
    Member { path: path.into(), blob: id_of(bytes), size: size(bytes) }
}

/// Offers files, and lists them in order.
pub(crate) fn offer_all(from: &Side, files: &BTreeMap<String, Vec<u8>>) -> Vec<Member> {
    let list = |(path, bytes): (&String, &Vec<u8>)| {
        from.offer(&path.replace('/', "-"), bytes);
        member(path, bytes)
    };
    files.iter().map(list).collect()
}

/// Bytes that have to be sent: of files with the same bytes only one's.
pub(crate) fn fetched_bytes(files: &BTreeMap<String, Vec<u8>>) -> u64 {
    files.values().collect::<BTreeSet<_>>().into_iter().map(|bytes| bytes.len() as u64).sum()
}

pub(crate) fn open(to: &Side, members: &[Member]) -> Gathering {
    open_as(to, ME, members)
}

pub(crate) fn open_as(to: &Side, holder: Holder, members: &[Member]) -> Gathering {
    match to.store.gather(holder, members, Proof::Whole).expect("gathered") {
        Gathered::Open(gathering) => *gathering,
        Gathered::Placed(path) => panic!("it was put to {}", path.display()),
    }
}

/// Sends some groups of a file.
pub(crate) fn take(
    from: &Side,
    gathering: &Gathering,
    members: &[Member],
    number: usize,
    groups: &Groups,
) -> u64 {
    if groups.is_empty() {
        return 0;
    }
    let answer = from.answer(members[number].blob, groups);
    let mut rest = &answer[..];
    let new = gathering.accept(number, None, groups, &mut rest).expect("accepted");
    assert!(rest.is_empty(), "an answer is read to its end");
    new
}

/// Sends everything that is wanted. Returns how many bytes were new.
pub(crate) fn fetch(from: &Side, gathering: &Gathering, members: &[Member]) -> u64 {
    let mut new = 0;
    while !gathering.is_whole() {
        for number in 0..members.len() {
            match gathering.wanted(number, 0..u32::MAX) {
                Ok(groups) => new += take(from, gathering, members, number, &groups),
                Err(BlobError::Busy) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }
    new
}

/// All files below a folder, by their paths in it.
pub(crate) fn tree_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(&path).expect("readable") {
            let entry = entry.expect("an entry");
            let kind = entry.file_type().expect("a type");
            if kind.is_dir() {
                waiting.push(entry.path());
            } else {
                assert!(kind.is_file(), "{}", entry.path().display());
                let name = entry.path().strip_prefix(folder).expect("below").display().to_string();
                files.insert(name, fs::read(entry.path()).expect("readable"));
            }
        }
    }
    files
}

/// Where my collection is while it is received.
pub(crate) fn staging(to: &Side) -> PathBuf {
    to.dir.join("blobs/gathering").join("01".repeat(16))
}

/// What stands where collections are received.
pub(crate) fn left(to: &Side) -> Vec<String> {
    let entries = fs::read_dir(to.dir.join("blobs/gathering")).expect("readable");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}
