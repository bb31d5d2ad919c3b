//! Where each file of a collection will stand, worked out from the list alone.
//!
//! In: what the other side wrote. Out: for each file a folder and a name that nobody else of the list has, the same for the same list every time: what
//! stands in a staging folder after a restart is recognised by it. Folders that are called alike once they are cleaned are one folder. A file whose name
//! is taken, by a folder or by a file before it in the list, gets a number, as in any folder of the owner. Files with the same blob know
//! the first of them.
//!
//! Bounded: as many folders as a collection may have files, a thousand forms of a name; a list beyond that is refused, and was made to be.
//!
//! Not here: the disk ([`super::folders`]).

use crate::blobs::{BadPath, CleanName, Holder, Proof, clean_path, store::is_small, tree};
use pc2_protocols::{blob::BlobSize, files::manifest::Member, id::BlobId, limits::MAX_COLLECTION_FILES};
use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
};

/// Forms of a name that are tried for one file.
const MOST_FORMS: u32 = 1_000;

/// Folders of one list. Each takes memory and a number in the file system, and a path of 2 KB could name a thousand of them.
const MOST_FOLDERS: usize = MAX_COLLECTION_FILES;

/// Room of a file is given out in these steps, in bytes: what the file systems in use do.
const BLOCK: u64 = 4_096;

/// A list of files that cannot be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadList {
    /// Longer than lists may be.
    #[error("the list has {got} files; a folder may have {MAX_COLLECTION_FILES}")]
    TooMany {
        /// How many files.
        got: usize,
    },
    /// More folders than a list may have files.
    #[error("the list needs more than {MOST_FOLDERS} folders")]
    TooManyFolders,
    /// A path that has no place inside of a folder.
    #[error("file {at} of the list: {why}")]
    Path {
        /// Which file, from 0.
        at: usize,
        /// What is wrong with its path.
        why: BadPath,
    },
    /// Too many files would have the same name.
    #[error("file {at} of the list is called like {MOST_FORMS} others")]
    TooManyAlike {
        /// Which file, from 0.
        at: usize,
    },
    /// The same blob is said to have two sizes, or an empty file not to be empty: one of the two can never be proven.
    #[error("file {at} of the list has another size than its bytes can have")]
    Size {
        /// Which file, from 0.
        at: usize,
    },
}

/// All files of a collection, by their number in the list.
pub(crate) struct List {
    /// The first is the collection's own; others come after the one in which they stand.
    folders: Vec<Folder>,
    files: Vec<Place>,
}

/// A folder of a collection.
pub(crate) struct Folder {
    /// In which folder it stands; the collection's own stands in itself.
    pub(crate) parent: u32,
    /// Its name; empty for the collection's own.
    pub(crate) name: Box<str>,
}

/// A file of a collection.
pub(crate) struct Place {
    /// In which folder.
    pub(crate) folder: u32,
    /// Under which name.
    pub(crate) name: CleanName,
    /// Its bytes, as the store of this node calls them.
    pub(crate) id: BlobId,
    /// What proves them.
    pub(crate) proof: Proof,
    /// How many.
    pub(crate) size: BlobSize,
    /// The first file with the same bytes: this one, or one before it.
    pub(crate) first: u32,
    /// How many files have these bytes; counted at the first, 0 at the others.
    pub(crate) alike: u32,
}

impl Place {
    /// Bytes it takes on a disk, with its books while it is received.
    pub(crate) fn room(&self) -> u64 {
        let tree = if is_small(self.size) { 0 } else { self.proof.bytes(self.size) };
        self.size.bytes().saturating_add(tree).next_multiple_of(BLOCK)
    }
}

/// What stands in a folder under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stands {
    /// A folder of the list.
    Folder(u32),
    /// A file of the list.
    File(u32),
}

/// Finds what a name in a folder means. Needed only to make the list and to look through what was left of it.
pub(crate) struct Names(HashMap<(u32, Box<str>), Stands>);

impl Names {
    /// What stands there.
    pub(crate) fn find(&self, list: &List, folder: u32, name: &str) -> Option<Stands> {
        let found = *self.0.get(&(folder, Box::from(&*told_apart(name))))?;
        let exactly = match found {
            Stands::Folder(folder) => list.folder(folder)?.name.as_ref(),
            Stands::File(file) => list.file(file)?.name.as_str(),
        };
        (exactly == name).then_some(found)
    }
}

impl List {
    /// Works out the places of these files.
    ///
    /// # Errors
    /// [`BadList`]; nothing of such a collection can be received.
    pub(crate) fn new(holder: Holder, members: &[Member], proof: Proof) -> Result<(Self, Names), BadList> {
        let got = members.len();
        if got > MAX_COLLECTION_FILES {
            return Err(BadList::TooMany { got });
        }
        let mut list =
            Self { folders: vec![Folder { parent: 0, name: "".into() }], files: Vec::with_capacity(got) };
        let mut names = Names(HashMap::with_capacity(got));
        let mut wanted = Vec::with_capacity(got);
        // All folders before any file: which name is free must not depend on what comes later in the list.
        for (at, member) in members.iter().enumerate() {
            let path = clean_path(&member.path).map_err(|why| BadList::Path { at, why })?;
            let mut folder = 0;
            for name in path.folders {
                folder = list.enter(&mut names, folder, name.as_str())?;
            }
            wanted.push((folder, path.name));
        }
        let mut first_of = HashMap::new();
        let mut forms = HashMap::new();
        for (at, (member, (folder, name))) in members.iter().zip(wanted).enumerate() {
            let number = u32::try_from(at).unwrap_or(u32::MAX);
            let name =
                free(&mut names, &mut forms, folder, name, number).ok_or(BadList::TooManyAlike { at })?;
            let (id, size) = (called(holder, number, member, proof), member.size);
            if proof == Proof::Whole && size == BlobSize::EMPTY && id != tree::id(blake3::hash(&[])) {
                return Err(BadList::Size { at });
            }
            let first = *first_of.entry(id).or_insert(number);
            list.files.push(Place { folder, name, id, proof, size, first, alike: 0 });
            let of_first = list.files.get_mut(first as usize).ok_or(BadList::Size { at })?;
            if of_first.size != size {
                return Err(BadList::Size { at });
            }
            of_first.alike = of_first.alike.saturating_add(1);
        }
        Ok((list, names))
    }

    fn enter(&mut self, names: &mut Names, parent: u32, name: &str) -> Result<u32, BadList> {
        match names.0.entry((parent, Box::from(&*told_apart(name)))) {
            Entry::Occupied(there) => match there.get() {
                Stands::Folder(folder) => Ok(*folder),
                // No file is named before the last folder is.
                Stands::File(_) => Err(BadList::TooManyFolders),
            },
            Entry::Vacant(free) => {
                if self.folders.len() > MOST_FOLDERS {
                    return Err(BadList::TooManyFolders);
                }
                let folder = u32::try_from(self.folders.len()).map_err(|_| BadList::TooManyFolders)?;
                self.folders.push(Folder { parent, name: name.into() });
                free.insert(Stands::Folder(folder));
                Ok(folder)
            }
        }
    }

    /// A folder.
    pub(crate) fn folder(&self, folder: u32) -> Option<&Folder> {
        self.folders.get(folder as usize)
    }

    /// A file.
    pub(crate) fn file(&self, file: u32) -> Option<&Place> {
        self.files.get(file as usize)
    }

    /// All files with their numbers, in order.
    pub(crate) fn files(&self) -> impl Iterator<Item = (u32, &Place)> {
        (0..).zip(&self.files)
    }

    /// Bytes of all files.
    pub(crate) fn total(&self) -> u64 {
        // 2^17 files of at most 2^40 bytes.
        self.files.iter().map(|file| file.size.bytes()).sum()
    }
}

/// What the store of this node calls a file of a list. Where nobody has hashed the files it is a name of our own making: the other side chose the keys, which could be
/// hashes of files that are here.
pub(crate) fn called(holder: Holder, number: u32, member: &Member, proof: Proof) -> BlobId {
    match proof {
        Proof::Whole => member.blob,
        Proof::Pieces => {
            let mut hash = blake3::Hasher::new();
            hash.update(b"pc2 file of a collection").update(&holder.0).update(&number.to_be_bytes());
            tree::id(hash.finalize())
        }
    }
}

/// Takes the first free form of a name. `forms` says where to go on for names that were taken before: a list of a hundred thousand
/// files of one name is worked out in as many steps.
fn free(
    names: &mut Names,
    forms: &mut HashMap<(u32, Box<str>), u32>,
    folder: u32,
    name: CleanName,
    file: u32,
) -> Option<CleanName> {
    let key = (folder, Box::from(&*told_apart(name.as_str())));
    let Entry::Occupied(_) = names.0.entry(key.clone()) else {
        names.0.insert(key, Stands::File(file));
        return Some(name);
    };
    let next = forms.entry(key).or_insert(2);
    for _ in 0..MOST_FORMS {
        let form = name.numbered(*next);
        *next = next.saturating_add(1);
        if let Entry::Vacant(free) = names.0.entry((folder, Box::from(&*told_apart(form.as_str())))) {
            free.insert(Stands::File(file));
            return Some(form);
        }
    }
    None
}

/// What of a name a file system tells apart from other names. On Linux that is all of it, and a folder of sources has a `Makefile` and a `makefile`.
/// Where capitals are not told apart, as on macOS, two such files would be one.
fn told_apart(name: &str) -> Cow<'_, str> {
    if cfg!(any(target_os = "linux", target_os = "android")) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(path: &str, bytes: &[u8]) -> Member {
        let size = BlobSize::try_from(bytes.len() as u64).expect("small");
        Member { path: path.into(), blob: tree::id(blake3::hash(bytes)), size }
    }

    fn listed(members: &[Member]) -> Result<(List, Names), BadList> {
        List::new(Holder([1; 16]), members, Proof::Whole)
    }

    /// Where the files of a list stand.
    fn places(paths: &[&str]) -> Vec<String> {
        let members: Vec<_> = paths.iter().map(|path| member(path, path.as_bytes())).collect();
        let (list, names) = listed(&members).expect("a list");
        let path = |(number, file): (u32, &Place)| {
            assert_eq!(names.find(&list, file.folder, file.name.as_str()), Some(Stands::File(number)));
            let (mut path, mut folder) = (file.name.to_string(), file.folder);
            while folder != 0 {
                let of = list.folder(folder).expect("a folder");
                path = format!("{}/{path}", of.name);
                folder = of.parent;
            }
            path
        };
        list.files().map(path).collect()
    }

    #[test]
    fn an_ordinary_list_stands_as_it_is() {
        let paths = ["a.txt", "b/c.txt", "b/d/e", "Makefile"];
        assert_eq!(places(&paths), paths);
    }

    #[test]
    fn files_that_nobody_hashed_have_names_of_our_own_making_whatever_their_keys_are() {
        let members = [member("a", b"x"), member("b", b"x"), member("c", b"")];
        let ids = |holder: u8, proof| {
            let (list, _) = List::new(Holder([holder; 16]), &members, proof).expect("a list");
            list.files().map(|(_, file)| (file.id, file.first)).collect::<Vec<_>>()
        };
        let ours = ids(1, Proof::Pieces);
        assert_eq!(ours.iter().map(|(_, first)| *first).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(ours, ids(1, Proof::Pieces), "the same after a restart");
        for (others, differ) in
            [(ids(2, Proof::Pieces), "another holder"), (ids(1, Proof::Whole), "the keys")]
        {
            assert!(ours.iter().zip(&others).all(|(one, other)| one.0 != other.0), "{differ}");
        }
    }

    #[test]
    fn what_leads_out_stays_inside() {
        assert_eq!(
            places(&["../../x", "/etc/passwd", "a/../../y", "C:\\z"]),
            ["x", "etc/passwd", "a/y", "z"]
        );
    }

    #[test]
    fn files_that_are_called_alike_get_numbers_in_the_order_of_the_list() {
        assert_eq!(
            places(&["a.txt", "./a.txt", "a (2).txt", "a.txt. "]),
            ["a.txt", "a (2).txt", "a (2) (2).txt", "a (3).txt"]
        );
        assert_eq!(places(&["x/a", "x./a", "x/b"]), ["x/a", "x/a (2)", "x/b"], "one folder of two names");
    }

    #[test]
    fn a_file_gives_way_to_a_folder_wherever_it_stands_in_the_list() {
        assert_eq!(places(&["a", "./a/b"]), ["a (2)", "a/b"]);
        assert_eq!(places(&["a/b", "./a", "a/b/c"]), ["a/b (2)", "a (2)", "a/b/c"]);
    }

    #[test]
    fn as_many_files_of_one_name_as_a_list_may_have_are_worked_out() {
        let members: Vec<_> =
            (0..MAX_COLLECTION_FILES).map(|number| member("same", &number.to_le_bytes())).collect();
        let (list, _) = listed(&members).expect("a list");
        assert_eq!(list.files().last().expect("files").1.name.as_str(), "same (131072)");
    }

    #[test]
    fn a_list_made_to_be_slow_or_large_is_refused() {
        // Long names that differ only where they are cut for a number.
        let long = |number: usize| format!("{}{number:05}", "x".repeat(250));
        let twice: Vec<_> =
            (0..2_000).map(|number| member(&long(number / 2), &number.to_le_bytes())).collect();
        assert!(matches!(listed(&twice).map(|_| ()), Ok(())), "a thousand forms are enough");
        let twice: Vec<_> =
            (0..2_100).map(|number| member(&long(number / 2), &number.to_le_bytes())).collect();
        assert!(matches!(listed(&twice).map(|_| ()), Err(BadList::TooManyAlike { .. })));
        let deep = |number: usize| format!("{number}/{}f", "a/".repeat(31));
        let deep: Vec<_> = (0..5_000).map(|number| member(&deep(number), b"")).collect();
        assert_eq!(listed(&deep).map(|_| ()), Err(BadList::TooManyFolders));
        let many = vec![member("a", b""); MAX_COLLECTION_FILES + 1];
        assert_eq!(listed(&many).map(|_| ()), Err(BadList::TooMany { got: MAX_COLLECTION_FILES + 1 }));
        assert!(matches!(
            listed(&[member(&"a/".repeat(40), b"")]).map(|_| ()),
            Err(BadList::Path { at: 0, why: BadPath::TooDeep { .. } })
        ));
    }

    #[test]
    fn files_with_the_same_bytes_know_the_first_of_them() {
        let members = [member("a", b"x"), member("b", b"y"), member("c", b"x"), member("d", b"")];
        let (list, _) = listed(&members).expect("a list");
        let firsts: Vec<_> = list.files().map(|(_, file)| (file.first, file.alike)).collect();
        assert_eq!(firsts, [(0, 2), (1, 1), (0, 0), (3, 1)]);
        assert_eq!((list.total(), list.file(0).map(Place::room)), (3, Some(4_096)));
        let lie = |size| Member { size: BlobSize::try_from(size).expect("small"), ..member("c", b"x") };
        assert_eq!(listed(&[member("a", b"x"), lie(2)]).map(|_| ()), Err(BadList::Size { at: 1 }));
        assert_eq!(listed(&[lie(0)]).map(|_| ()), Err(BadList::Size { at: 0 }));
    }
}
