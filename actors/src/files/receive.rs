//! What is being received: a part opened in the blob store, what is missing of it, and how it is put into its place.
//!
//! In: what was offered. Out: questions for holders that ask for nothing which is there ([`Open::asks`]), groups taken in after they were proven
//! ([`Open::accept`]), a file or folder under a name that replaces nothing.
//!
//! Everything here blocks.
//!
//! Not here: streams (`session`), in which order jobs run (`plane`).

use super::{home::Home, offer};
use pc2_protocols::{
    blob::{BlobSize, Groups},
    files::{
        OpenError, Opened, Part,
        manifest::Manifest,
        offer::Offered,
        rows::{Direction, TransferId},
    },
    id::BlobId,
    limits::MAX_PLAN_RANGES,
    time::UnixMillis,
};
use pc2_storage::blobs::{
    After, Begun, BlobError, BlobStore, Gathered, Gathering, Holder, Partial, Target, clean_name,
};
use serde_bytes::ByteBuf;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::Read,
    ops::{Deref, Range},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::Duration,
};

/// Where received things go, and where they wait until they are whole.
#[derive(Clone)]
pub(crate) struct Places {
    pub(crate) data: PathBuf,
    pub(crate) home: Home,
    pub(crate) store: BlobStore,
}

/// An open part.
pub(crate) enum Open {
    /// A blob that is received.
    Blob(Box<Partial>),
    /// A blob whose bytes stand on this machine already.
    Here(BlobSize),
    /// The files of a collection.
    Members {
        /// The list.
        manifest: Manifest,
        /// Group at which each file begins.
        starts: Vec<u64>,
        /// The files.
        gathering: Box<Gathering>,
    },
}

/// An open part that several threads use. Whoever opened it can wait until nobody does any more.
#[derive(Clone)]
pub(crate) struct Shared {
    inner: Arc<Inner>,
}

struct Inner {
    open: Open,
    _alive: mpsc::Sender<()>,
}

/// Ends when nobody uses a part any more.
pub(crate) struct Unused(mpsc::Receiver<()>);

impl Shared {
    pub(crate) fn new(open: Open) -> (Self, Unused) {
        let (alive, unused) = mpsc::channel();
        (Self { inner: Arc::new(Inner { open, _alive: alive }) }, Unused(unused))
    }
}

impl Deref for Shared {
    type Target = Open;

    fn deref(&self) -> &Open {
        &self.inner.open
    }
}

impl Unused {
    /// Waits until it is so. Blocks, [`LETTING_GO`] at most.
    pub(crate) fn wait(&self) {
        // Nothing is ever sent: it ends when the last sender is gone.
        if self.0.recv_timeout(LETTING_GO) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("a file is still being received though it should not be");
        }
    }
}

/// Whoever reads a stream notices within a write to disk that it shall stop.
const LETTING_GO: Duration = Duration::from_secs(30);

/// One question for a holder.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Which file of the collection.
    pub(crate) member: usize,
    /// Its blob.
    pub(crate) blob: BlobId,
    /// Its size.
    pub(crate) size: BlobSize,
    /// What is missing.
    pub(crate) groups: Groups,
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
        let holder = offer::holder(id);
        let (blob, size) = what.blob();
        match part {
            Part::File | Part::Manifest => {
                let ours = self.store.is_held_by(blob, holder).map_err(cannot)?;
                match self.store.begin(blob, size, holder).map_err(cannot)? {
                    Begun::Here { path, received: true } if ours && part == Part::File => {
                        Ok((None, Opened::Placed(bytes(&path))))
                    }
                    Begun::Here { .. } => {
                        let open = Open::Here(size);
                        Ok((Some(open), Opened::Missing { have: size.bytes(), missing: Vec::new() }))
                    }
                    Begun::Partial(partial) => {
                        let open = Open::Blob(partial);
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
                match self.store.gather(holder, manifest.members()).map_err(cannot)? {
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
            let path = offer::list_path(&self.data, offer::holder(id));
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
            Some(Open::Blob(partial)) => partial.finish(&target, &name, After::Offer),
            Some(Open::Here(_)) => self.store.copy(what.blob().0, &target, &name, offer::holder(id)),
            Some(Open::Members { gathering, .. }) => gathering.finish(&target, &name),
            None => return Err(OpenError::Incomplete),
        };
        finished.map(|finished| bytes(&finished.path)).map_err(cannot)
    }

    /// Lets go of what has arrived of a transfer that is not wanted any more.
    pub(crate) fn give_up(&self, id: TransferId, what: &Offered) -> Result<(), BlobError> {
        let holder = offer::holder(id);
        let (blob, _) = what.blob();
        if what.is_collection() {
            let list = fs::read(offer::list_path(&self.data, holder)).unwrap_or_default();
            if let Ok(manifest) = Manifest::decode(&list, what) {
                self.store.abandon_gathering(holder, manifest.members())?;
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
        let alive: BTreeSet<Holder> = alive.iter().map(|id| offer::holder(*id)).collect();
        self.store.sweep_gatherings(&alive.iter().copied().collect::<Vec<_>>())?;
        let lists: BTreeSet<PathBuf> =
            alive.iter().map(|holder| offer::list_path(&self.data, *holder)).collect();
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
        let holder = offer::holder(id);
        let path = offer::list_path(&self.data, holder);
        if what.is_collection()
            && let Ok(list) = fs::read(&path)
        {
            if let Ok(manifest) = Manifest::decode(&list, what) {
                if id.direction == Direction::In {
                    self.store.abandon_gathering(holder, manifest.members())?;
                } else {
                    let ids: Vec<BlobId> = manifest.members().iter().map(|member| member.blob).collect();
                    self.store.release_many(&ids, holder)?;
                }
            }
            fs::remove_file(&path).map_err(|source| BlobError::Io { path, source })?;
        }
        self.store.release(what.blob().0, holder)
    }
}

impl Open {
    /// Bytes that are here.
    pub(crate) fn have(&self) -> u64 {
        match self {
            Self::Blob(partial) => partial.received(),
            Self::Here(size) => size.bytes(),
            Self::Members { gathering, .. } => gathering.have(),
        }
    }

    /// What is to be asked for of a stretch.
    pub(crate) fn asks(&self, stretch: &Range<u64>, what: &Offered) -> Result<Vec<Ask>, BlobError> {
        match self {
            Self::Here(_) => Ok(Vec::new()),
            Self::Blob(partial) => {
                let (blob, size) = what.blob();
                let groups = wanted(partial, &narrow(stretch));
                Ok(Some(Ask { member: 0, blob, size, groups })
                    .filter(|ask| !ask.groups.is_empty())
                    .into_iter()
                    .collect())
            }
            Self::Members { manifest, gathering, .. } => {
                let mut asks = Vec::new();
                for place in manifest.places(stretch) {
                    let Some(member) = manifest.members().get(place.member) else { continue };
                    let groups = gathering.wanted(place.member, place.groups)?;
                    if !groups.is_empty() {
                        asks.push(Ask { member: place.member, blob: member.blob, size: member.size, groups });
                    }
                }
                Ok(asks)
            }
        }
    }

    /// Takes the answer to a question in: proven, group by group. Returns the bytes that are new.
    pub(crate) fn accept(&self, ask: &Ask, encoded: impl Read) -> Result<u64, BlobError> {
        match self {
            Self::Here(_) => Ok(0),
            Self::Blob(partial) => partial.accept(&ask.groups, encoded),
            Self::Members { gathering, .. } => gathering.accept(ask.member, &ask.groups, encoded),
        }
    }

    /// Groups of a stretch that are not here, in order.
    pub(crate) fn missing(&self, stretch: Range<u64>) -> Vec<Range<u64>> {
        match self {
            Self::Here(_) => Vec::new(),
            Self::Blob(partial) => {
                let mut missing: Vec<Range<u64>> = Vec::new();
                let mut from = narrow(&stretch);
                while missing.len() < MAX_PLAN_RANGES {
                    let groups = wanted(partial, &from);
                    let Some(last) = groups.ranges().last() else { break };
                    missing.extend(groups.ranges().map(|range| range.start.into()..range.end.into()));
                    from.start = last.end;
                }
                missing
            }
            Self::Members { manifest, starts, gathering } => {
                let mut missing: Vec<Range<u64>> = Vec::new();
                for (number, (member, start)) in manifest.members().iter().zip(starts).enumerate() {
                    let end = start.saturating_add(member.size.groups().into());
                    let range = (*start).max(stretch.start)..end.min(stretch.end);
                    if range.is_empty() || gathering.has(number) {
                        continue;
                    }
                    // Too many pieces: what is between the last ones is named, too, and asked for all the same only where it is missing.
                    let joined = missing.len() >= MAX_PLAN_RANGES;
                    match missing.last_mut() {
                        Some(last) if last.end == range.start || joined => last.end = range.end,
                        _ => missing.push(range),
                    }
                }
                missing
            }
        }
    }

    /// Makes what came so far survive.
    pub(crate) fn checkpoint(&self) -> Result<(), BlobError> {
        match self {
            Self::Here(_) => Ok(()),
            Self::Blob(partial) => partial.checkpoint(),
            Self::Members { gathering, .. } => gathering.checkpoint(),
        }
    }
}

/// Groups of one blob fit into 32 bits.
fn narrow(stretch: &Range<u64>) -> Range<u32> {
    let fit = |at: u64| u32::try_from(at).unwrap_or(u32::MAX);
    fit(stretch.start)..fit(stretch.end)
}

/// What is missing of a stretch of a blob, as far as it fits into one question.
fn wanted(partial: &Partial, stretch: &Range<u32>) -> Groups {
    let missing = partial.missing(stretch.start, stretch.end.saturating_sub(stretch.start));
    let within = missing.ranges().map(|range| range.start..range.end.min(stretch.end));
    Groups::new(within.filter(|range| !range.is_empty()).collect()).unwrap_or_default()
}

fn starts(manifest: &Manifest) -> Vec<u64> {
    let mut next = 0_u64;
    let start = |groups: u32| {
        let start = next;
        next = next.saturating_add(groups.into());
        start
    };
    manifest.members().iter().map(|member| member.size.groups()).map(start).collect()
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
