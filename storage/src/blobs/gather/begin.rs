//! Beginning to receive a collection, and going on with it after whatever happened.
//!
//! What stands in its folder is compared with the list. A small file is hashed: it may have been torn, and nothing says that it was not; where nobody hashed it before, its hash is what was said of it. A large
//! file is believed by its size: the folder is ours alone, and a large file comes there whole and synced. What is not of the list, and
//! what is not what it should be, is removed.
//!
//! Not here: taking what comes ([`super`]).

use super::{
    Gathering, Has, State,
    folders::{self, Folders},
    home::Home,
    large::Large,
    list::{List, Names, Place, Stands, called},
    said::Said,
};
use crate::blobs::{
    BlobChange, BlobError, BlobStore, Holder, Proof, marks,
    partial::missing_bytes,
    store::{Inner, is_small},
    tree,
};
use pc2_protocols::{blob::BlobSize, files::manifest::Member, id::BlobId, limits::MAX_COLLECTION_FILES};
use rustix::{fs::FileType, io::Errno};
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::{Arc, Mutex},
};

/// Blobs given up in one batch.
const GIVEN_UP_AT_ONCE: usize = 64;

/// What has become of the wish to receive a collection.
pub enum Gathered {
    /// It was put into its place before, by a process that ended before anybody noted it.
    Placed(PathBuf),
    /// It can be received, from where it was left.
    Open(Box<Gathering>),
}

impl BlobStore {
    /// Begins to receive a collection, or goes on with it. With [`Proof::Pieces`] the files' blobs are keys that their sender asks by, and what proves a file is the
    /// word of who sends it. The list is what the other side wrote, proven to be its list and no more than that; the
    /// same list has to be given every time.
    ///
    /// Reads what is there of small files: some seconds for a hundred thousand.
    ///
    /// # Errors
    /// [`BlobError::Busy`] while another [`Gathering`] of this holder lives; [`BlobError::BadList`]; [`BlobError::NoRoom`] when the disk, the reserve
    /// and what others were promised taken off, has no room for what is missing; what disk and database say.
    pub fn gather(&self, holder: Holder, members: &[Member], proof: Proof) -> Result<Gathered, BlobError> {
        let inner = &self.inner;
        let pledge = inner.pledge(holder)?;
        let home = Home::of(inner, holder)?;
        if let Some(path) = home.placed()? {
            return Ok(Gathered::Placed(path));
        }
        let (list, names) = List::new(holder, members, proof)?;
        let folders = Folders::below(home.folder()?, home.path());
        let said = if proof == Proof::Pieces { Some(Said::open(&home)?) } else { None };
        let found = look_through(&folders, &list, &names, said.as_ref())?;
        drop(names);
        inner.close_books_of(&folders, &list, &found, holder)?;
        let closed = inner.begun(&list, &found)?;
        let mut state = State { files: vec![Has::Nothing; members.len()], bytes: 0, missing: 0 };
        let mut room: u64 = 0;
        for (number, file) in list.files() {
            let is_first = file.first == number && file.size != BlobSize::EMPTY;
            if found.contains(&number) {
                if is_first {
                    state.bytes += file.size.bytes().saturating_mul(file.alike.into());
                    state.files.get_mut(number as usize).into_iter().for_each(|has| *has = Has::All);
                }
                continue;
            }
            state.missing += u32::from(is_first);
            let there = closed.get(&number).copied().unwrap_or_default();
            room = room.saturating_add(file.room().saturating_sub(there));
        }
        pledge.promise(room)?;
        Ok(Gathered::Open(Box::new(Gathering {
            store: self.clone(),
            holder,
            list,
            folders,
            home,
            said,
            state: Mutex::new(state),
            large: Mutex::new(Large::left(closed)),
            done: Mutex::default(),
            pledge,
        })))
    }

    /// Gives up a collection, or forgets one that was put into its place: its folder here, what came of large files, its notes and its holds go.
    /// What was put into its place stays there. Of a list that nobody could receive, or of none, the rest goes.
    ///
    /// # Errors
    /// [`BlobError::Busy`] while a [`Gathering`] of this holder lives; what disk and database say.
    pub fn abandon_gathering(
        &self,
        holder: Holder,
        members: &[Member],
        proof: Proof,
    ) -> Result<(), BlobError> {
        let pledge = self.inner.pledge(holder)?;
        Home::of(&self.inner, holder)?.remove(&pledge)?;
        let files = (0..).zip(members.iter().take(MAX_COLLECTION_FILES));
        let large = files.filter(|(_, member)| !is_small(member.size));
        let mut ids: Vec<_> = large.map(|(number, member)| called(holder, number, member, proof)).collect();
        ids.sort_unstable();
        ids.dedup();
        for ids in ids.chunks(GIVEN_UP_AT_ONCE) {
            let mut changes = Vec::new();
            let mut given_up = Vec::new();
            for id in ids {
                if !self.is_held_by(*id, holder)? {
                    continue;
                }
                changes.push(BlobChange::RemoveHold { id: *id, holder });
                let others = self.holders(*id, 2)?.len() > 1;
                // Whoever receives it now goes on.
                match self.inner.receive(*id) {
                    Ok(receiving) if !others => given_up.push((receiving, *id)),
                    _ => {}
                }
            }
            changes.extend(given_up.iter().map(|(_, id)| BlobChange::RemovePartial { id: *id }));
            self.inner.commit(changes)?;
            for (_, id) in &given_up {
                self.inner.discard(*id)?;
            }
        }
        Ok(())
    }
}

impl Inner {
    /// Files that came among the others while their rows were not removed yet: now they are.
    fn close_books_of(
        self: &Arc<Self>,
        folders: &Folders,
        list: &List,
        found: &HashSet<u32>,
        holder: Holder,
    ) -> Result<(), BlobError> {
        for (_, file) in list.files().filter(|(number, file)| !is_small(file.size) && found.contains(number))
        {
            if self.rows.blob_partial(file.id)?.is_none() {
                continue;
            }
            let Ok(_receiving) = self.receive(file.id) else { continue };
            let stands = folders.read(list, file)?.and_then(|file| file.metadata().ok());
            // Its name here is another one of the partial file, or was the partial file.
            let partial = std::fs::symlink_metadata(self.partial(file.id).data);
            let same = match (stands, partial) {
                (Some(stands), Ok(partial)) => stands.ino() == partial.ino() && stands.dev() == partial.dev(),
                (_, Err(error)) => error.kind() == io::ErrorKind::NotFound,
                (None, Ok(_)) => false,
            };
            if same {
                let id = file.id;
                self.commit(vec![BlobChange::RemovePartial { id }, BlobChange::RemoveHold { id, holder }])?;
                self.discard(id)?;
            }
        }
        Ok(())
    }

    /// What there is of large files that are not whole, in bytes, as far as their marks say.
    fn begun(&self, list: &List, found: &HashSet<u32>) -> Result<HashMap<u32, u64>, BlobError> {
        let mut begun = HashMap::new();
        for (number, file) in list.files() {
            if is_small(file.size) || file.first != number || found.contains(&number) {
                continue;
            }
            if self.rows.blob_partial(file.id)?.is_some_and(|row| row.size == file.size) {
                let there = self.marked(file.id, file.size);
                if there > 0 {
                    begun.insert(number, there);
                }
            }
        }
        Ok(begun)
    }

    /// A blob whose marks cannot be read has nothing for now; it is looked at closely when it is begun.
    fn marked(&self, id: BlobId, size: BlobSize) -> u64 {
        let found = File::open(self.partial(id).marks).and_then(|marks| marks::read(&marks, id, size));
        found.map_or(0, |found| size.bytes().saturating_sub(missing_bytes(size, &found.marks)))
    }
}

/// Finds the files of the list that are there as they should be, and removes everything else.
fn look_through(
    folders: &Folders,
    list: &List,
    names: &Names,
    said: Option<&Said>,
) -> Result<HashSet<u32>, BlobError> {
    let mut found = HashSet::new();
    let mut waiting = vec![0];
    while let Some(folder) = waiting.pop() {
        let open = folders.open(list, folder)?;
        let told = |error: Errno| BlobError::io(&folders.path_of(list, folder))(error.into());
        folders::each(&*open, told, |name, kind| {
            let stands = name.to_str().ok().and_then(|name| names.find(list, folder, name));
            match stands {
                // Some file systems do not say what an entry is; then it is looked at.
                Some(Stands::Folder(inner)) if matches!(kind, FileType::Directory | FileType::Unknown) => {
                    waiting.push(inner);
                }
                Some(Stands::File(number)) if matches!(kind, FileType::RegularFile | FileType::Unknown) => {
                    match list.file(number) {
                        Some(file) if is_right(folders, list, number, file, said)? => {
                            found.insert(number);
                        }
                        _ => folders::clear_entry(&*open, name).map_err(told)?,
                    }
                }
                _ => folders::clear_entry(&*open, name).map_err(told)?,
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// Whether what stands in a file's place is that file.
fn is_right(
    folders: &Folders,
    list: &List,
    number: u32,
    file: &Place,
    said: Option<&Said>,
) -> Result<bool, BlobError> {
    if !folders.stands(list, file)? {
        return Ok(false);
    }
    if !is_small(file.size) {
        return Ok(true);
    }
    let hash = match said {
        Some(said) => said.of(number)?,
        None => Some(file.id),
    };
    match hash {
        Some(hash) => Ok(small(folders, list, file, hash)?.is_some()),
        None => Ok(false),
    }
}

/// The bytes of a small file, if they have its hash.
pub(super) fn small(
    folders: &Folders,
    list: &List,
    file: &Place,
    hash: BlobId,
) -> Result<Option<Vec<u8>>, BlobError> {
    let Some(open) = folders.read(list, file)? else { return Ok(None) };
    let size = file.size.bytes();
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    match open.take(size.saturating_add(1)).read_to_end(&mut bytes) {
        Ok(_) => Ok((tree::id(blake3::hash(&bytes)) == hash).then_some(bytes)),
        // A disk that does not read it does not have it.
        Err(error) => {
            tracing::warn!(%error, "a file of a folder being received cannot be read");
            Ok(None)
        }
    }
}
