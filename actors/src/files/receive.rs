//! Receiving, but for the middle of it: a part is opened in the blob store, put into its place when it is whole, given up, let go of.
//!
//! In: what was offered. Out: an open part; a file or folder under a name that replaces nothing.
//!
//! Everything here blocks.
//!
//! Not here: what is missing and what comes (`part`), streams (`session`), in which order jobs run (`plane`).

use super::{
    home::Home,
    names,
    part::{Open, starts},
};
use pc2_protocols::{
    files::{
        OpenError, Opened, Part,
        manifest::Manifest,
        offer::Offered,
        rows::{Direction, TransferId},
    },
    id::BlobId,
    time::UnixMillis,
};
use pc2_storage::blobs::{After, Begun, BlobError, BlobStore, Gathered, Holder, Proof, Target, clean_name};
use serde_bytes::ByteBuf;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

/// Where received things go, and where they wait until they are whole.
#[derive(Clone)]
pub(crate) struct Places {
    pub(crate) data: PathBuf,
    pub(crate) home: Home,
    pub(crate) store: BlobStore,
}

impl Places {
    /// Opens a part of a transfer. `before` is the part that was open.
    pub(crate) fn open(
        &self,
        id: TransferId,
        what: &Offered,
        part: Part,
        before: Option<&Open>,
    ) -> Result<(Option<Open>, Opened), OpenError> {
        let holder = names::holder(id);
        let (blob, size) = (names::blob(id, what), what.blob().1);
        match part {
            Part::File | Part::Manifest => {
                let ours = self.store.is_held_by(blob, holder).map_err(cannot)?;
                let pieces = what.is_in_pieces();
                let begun = if pieces {
                    self.store.begin_pieces(blob, size, holder)
                } else {
                    self.store.begin(blob, size, holder)
                };
                match begun.map_err(cannot)? {
                    Begun::Here { path, received: true } if ours && part == Part::File => {
                        Ok((None, Opened::Placed(bytes(&path))))
                    }
                    Begun::Here { .. } => {
                        let open = Open::Here(size);
                        Ok((Some(open), Opened::Missing { have: size.bytes(), missing: Vec::new() }))
                    }
                    Begun::Partial(partial) => {
                        let open = if pieces { Open::Pieces(partial) } else { Open::Blob(partial) };
                        let missing = open.missing(0..u64::from(size.groups()));
                        let have = open.have();
                        Ok((Some(open), Opened::Missing { have, missing }))
                    }
                }
            }
            Part::Members => {
                let list = self.list(id, what, before)?;
                let manifest = Manifest::decode(&list, what)
                    .map_err(|error| OpenError::BadManifest(error.to_string()))?;
                match self.store.gather(holder, manifest.members(), proof(&manifest)).map_err(cannot)? {
                    Gathered::Placed(path) => Ok((None, Opened::Placed(bytes(&path)))),
                    Gathered::Open(gathering) => {
                        let starts = starts(&manifest);
                        let open = Open::Members { manifest, starts, gathering };
                        let missing = open.missing(0..u64::MAX);
                        let have = open.have();
                        Ok((Some(open), Opened::Missing { have, missing }))
                    }
                }
            }
        }
    }

    /// The bytes of a collection's list, which is whole, from where it is kept until the transfer is over.
    fn list(&self, id: TransferId, what: &Offered, before: Option<&Open>) -> Result<Vec<u8>, OpenError> {
        let (blob, size) = what.blob();
        if let Some(Open::Blob(partial)) = before {
            let path = names::list_path(&self.data, names::holder(id));
            let folder = path.parent().unwrap_or(&self.data);
            fs::create_dir_all(folder).map_err(|error| disk(folder, &error))?;
            let name = clean_name(&path.file_name().unwrap_or_default().to_string_lossy());
            let target = Target::open(folder).map_err(cannot)?;
            partial.finish(&target, &name, After::Offer).map_err(cannot)?;
        }
        // Not there: it has to be fetched first, again.
        let reader = self.store.reader(blob).map_err(|error| match error {
            BlobError::Unknown | BlobError::SourceGone { .. } | BlobError::SourceChanged { .. } => {
                OpenError::Incomplete
            }
            other => cannot(other),
        })?;
        // Within bounds: the offer says how large it is, and that was checked; the store knows that it is so.
        if reader.size() == size {
            fs::read(reader.path()).map_err(|error| disk(reader.path(), &error))
        } else {
            Err(OpenError::BadManifest("it has another size than was said".to_owned()))
        }
    }

    /// Puts what is whole into its place.
    pub(crate) fn finish(
        &self,
        id: TransferId,
        what: &Offered,
        folder: Option<&[u8]>,
        open: Option<&Open>,
    ) -> Result<ByteBuf, OpenError> {
        let target = match folder {
            Some(folder) => Target::open(Path::new(OsStr::from_bytes(folder))),
            None => self.home.downloads(),
        };
        let target = target.map_err(cannot)?;
        let name = clean_name(what.name());
        let finished = match open {
            Some(Open::Blob(partial) | Open::Pieces(partial)) => partial.finish(&target, &name, After::Offer),
            Some(Open::Here(_)) => self.store.copy(names::blob(id, what), &target, &name, names::holder(id)),
            Some(Open::Members { gathering, .. }) => gathering.finish(&target, &name),
            None => return Err(OpenError::Incomplete),
        };
        finished.map(|finished| bytes(&finished.path)).map_err(cannot)
    }

    /// Lets go of what has arrived of a transfer that is not wanted any more.
    pub(crate) fn give_up(&self, id: TransferId, what: &Offered) -> Result<(), BlobError> {
        let holder = names::holder(id);
        let blob = names::blob(id, what);
        if what.is_collection() {
            let list = fs::read(names::list_path(&self.data, holder)).unwrap_or_default();
            if let Ok(manifest) = Manifest::decode(&list, what) {
                self.store.abandon_gathering(holder, manifest.members(), proof(&manifest))?;
            }
        }
        self.abandon(blob, holder)
    }

    /// Gives up a partial blob, unless somebody else receives it, too.
    fn abandon(&self, blob: BlobId, holder: Holder) -> Result<(), BlobError> {
        self.store.release(blob, holder)?;
        if self.store.holders(blob, 1)?.is_empty() {
            match self.store.abandon(blob) {
                Ok(()) | Err(BlobError::Busy) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// At the start: lets go of everything that is held for other transfers than these, and was before a time. Returns how many holds that were.
    pub(crate) fn let_go_of_all_but(
        &self,
        alive: &[TransferId],
        before: UnixMillis,
    ) -> Result<u64, BlobError> {
        let alive: BTreeSet<Holder> = alive.iter().map(|id| names::holder(*id)).collect();
        self.store.sweep_gatherings(&alive.iter().copied().collect::<Vec<_>>())?;
        let lists: BTreeSet<PathBuf> =
            alive.iter().map(|holder| names::list_path(&self.data, *holder)).collect();
        let folder = self.data.join("blobs").join("lists");
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| BlobError::Io { path, source }
        };
        if folder.is_dir() {
            for entry in fs::read_dir(&folder).map_err(io(&folder))? {
                let path = entry.map_err(io(&folder))?.path();
                if !lists.contains(&path) {
                    fs::remove_file(&path).map_err(io(&path))?;
                }
            }
        }
        self.store.release_dead(&alive, before)
    }

    /// A transfer is over, whichever way it went: what was held for it is held no longer. What is in its place stays there.
    pub(crate) fn let_go(&self, id: TransferId, what: &Offered) -> Result<(), BlobError> {
        let holder = names::holder(id);
        let path = names::list_path(&self.data, holder);
        if what.is_collection()
            && let Ok(list) = fs::read(&path)
        {
            if let Ok(manifest) = Manifest::decode(&list, what) {
                if id.direction == Direction::In {
                    self.store.abandon_gathering(holder, manifest.members(), proof(&manifest))?;
                } else {
                    let ids: Vec<BlobId> = manifest.members().iter().map(|member| member.blob).collect();
                    self.store.release_many(&ids, holder)?;
                }
            }
            fs::remove_file(&path).map_err(|source| BlobError::Io { path, source })?;
        }
        self.store.release(names::blob(id, what), holder)
    }
}

/// What proves the files of a list.
fn proof(manifest: &Manifest) -> Proof {
    if manifest.is_in_pieces() { Proof::Pieces } else { Proof::Whole }
}

fn disk(path: &Path, error: &std::io::Error) -> OpenError {
    OpenError::Disk(format!("{} cannot be used: {error}", path.display()))
}

fn bytes(path: &Path) -> ByteBuf {
    ByteBuf::from(path.as_os_str().to_owned().into_vec())
}

/// Why something cannot be received, as the machine hears it.
pub(crate) fn cannot(error: BlobError) -> OpenError {
    match error {
        BlobError::NoRoom { .. } => OpenError::NoRoom,
        // Somebody else works on it still: opened again a little later.
        BlobError::Incomplete { .. } | BlobError::Busy => OpenError::Incomplete,
        other => OpenError::Disk(other.to_string()),
    }
}
