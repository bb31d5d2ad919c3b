//! Making an offer of files and folders that stand on this machine: finding them, hashing them, handing the offer to the machine.
//!
//! In: paths. Out: a list of what is being prepared, told as it goes on; then an offer as the files machine takes it. Files are hashed where they
//! are and never copied; what has more bytes than a piece is offered at once, and hashed while it is sent. One preparation at a time hashes; others wait for their turn, because one core reads as fast as disks do.
//!
//! Links inside of a folder are not followed, and devices, pipes and sockets are left out: a folder is offered as the files that are in it.
//! What cannot be read stops the offer, and is named.
//!
//! What failed is told until the person has dismissed it: it may have failed while nobody looked.
//!
//! Lost on restart: what is being prepared, and what failed. Nothing was promised to anybody then.
//!
//! Not here: what is told about it ([`super::preparing`]), who may fetch it, and when it ends ([`pc2_protocols::files`]).

use super::{
    home::{Home, Upload},
    names::{Keys, holder, list_path},
    preparing::{Failed, OfferError, Preparing},
};
use crate::{
    callers::CallError,
    clock::Clock,
    event::{EventHub, NodeEvent},
};
use futures::future::BoxFuture;
use pc2_protocols::{
    blob::BlobSize,
    files::{
        CommandError,
        manifest::{Manifest, Member},
        offer::Offered,
        rows::TransferId,
    },
    id::{BlobId, NodeId, OfferId},
    limits,
};
use pc2_storage::blobs::{BlobStore, Imported, Unread};
use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{runtime, sync::Semaphore};

/// Preparations at once, those that wait included. A person drops a page of files.
const MOST: usize = 64;

/// Progress is told at most this often.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Hashed files whose rows are written together.
const BATCH: usize = 128;

/// Hands an offer to the files machine.
pub(crate) type HandOver = Arc<
    dyn Fn(TransferId, Offered, Vec<NodeId>) -> BoxFuture<'static, Result<(), CallError<CommandError>>>
        + Send
        + Sync,
>;

/// Everything that is being prepared.
#[derive(Clone)]
pub(crate) struct Offers {
    inner: Arc<Inner>,
}

struct Inner {
    account: NodeId,
    data: PathBuf,
    store: BlobStore,
    events: Arc<EventHub>,
    io: runtime::Handle,
    clock: Clock,
    hand_over: HandOver,
    turn: Arc<Semaphore>,
    jobs: Mutex<BTreeMap<TransferId, Arc<Job>>>,
    failed: Failed,
    uploads: AtomicU64,
}

/// One preparation.
struct Job {
    view: Mutex<(Preparing, Instant)>,
    stopped: AtomicBool,
}

impl Offers {
    pub(crate) fn new(
        account: NodeId,
        data: PathBuf,
        store: BlobStore,
        events: Arc<EventHub>,
        io: runtime::Handle,
        clock: Clock,
        hand_over: HandOver,
    ) -> Self {
        Home::of_owner(&data).forget_uploads();
        let inner = Inner {
            account,
            data,
            store,
            events,
            io,
            clock,
            hand_over,
            turn: Arc::new(Semaphore::new(1)),
            jobs: Mutex::default(),
            failed: Failed::default(),
            uploads: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Begins to prepare an offer; what becomes of it is told by events.
    pub(crate) fn begin(
        &self,
        to: NodeId,
        paths: Vec<PathBuf>,
        holders: Vec<NodeId>,
    ) -> Result<Preparing, OfferError> {
        if paths.is_empty() {
            return Err(OfferError::Nothing);
        }
        if to == self.inner.account {
            return Err(CommandError::Yourself.into());
        }
        let mut offer = [0; 16];
        getrandom::fill(&mut offer).map_err(|error| OfferError::Node(error.to_string()))?;
        let id = TransferId::outgoing(to, OfferId::from_bytes(offer));
        let view = Preparing {
            account: self.inner.account,
            id,
            name: called(&paths),
            folder: paths.len() > 1,
            done: 0,
            total: 0,
            files: 0,
            since: self.inner.clock.now().unix,
            ended: None,
            failed: None,
        };
        let job = Arc::new(Job {
            view: Mutex::new((view.clone(), Instant::now())),
            stopped: AtomicBool::new(false),
        });
        {
            let mut jobs = self.inner.jobs();
            if jobs.len() >= MOST {
                return Err(OfferError::Busy);
            }
            jobs.insert(id, Arc::clone(&job));
        }
        self.inner.events.publish(NodeEvent::Preparing(view.clone()));
        let inner = Arc::clone(&self.inner);
        self.inner.io.spawn(async move {
            let result = Inner::run(&inner, id, paths, holders, &job).await;
            if let Err(error) = &result {
                tracing::info!(%error, "an offer was not made");
                inner.remember(&job, error);
            }
            inner.jobs().remove(&id);
            inner.events.publish(NodeEvent::Prepared { id, result });
        });
        Ok(view)
    }

    /// What is being prepared, and what failed; the newest first.
    pub(crate) fn list(&self) -> Vec<Preparing> {
        let mut all: Vec<Preparing> = self.inner.jobs().values().map(|job| job.view().0.clone()).collect();
        let failed = self.inner.failed.list();
        // While it comes to be failed it is both.
        all.retain(|one| failed.iter().all(|other| other.id != one.id));
        all.extend(failed);
        all.sort_by_key(|one| std::cmp::Reverse(one.since));
        all
    }

    /// Stops a preparation, or dismisses one that failed; whether there was one.
    pub(crate) fn stop(&self, id: TransferId) -> bool {
        if let Some(job) = self.inner.jobs().get(&id) {
            job.stopped.store(true, Ordering::Relaxed);
            return true;
        }
        let dismissed = self.inner.failed.dismiss(id);
        if dismissed {
            self.inner.events.publish(NodeEvent::Prepared { id, result: Err(OfferError::Stopped) });
        }
        dismissed
    }

    /// Begins to take a file in that a browser brings.
    pub(crate) async fn upload(&self, name: String) -> Result<Upload, OfferError> {
        let number = self.inner.uploads.fetch_add(1, Ordering::Relaxed);
        let inner = Arc::clone(&self.inner);
        let begun =
            self.inner.io.spawn_blocking(move || Upload::begin(&Home::of_owner(&inner.data), &name, number));
        let begun = begun.await.map_err(|error| OfferError::Node(error.to_string()))?;
        Ok(begun?)
    }
}

impl Job {
    fn view(&self) -> MutexGuard<'_, (Preparing, Instant)> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> Result<(), OfferError> {
        if self.stopped.load(Ordering::Relaxed) { Err(OfferError::Stopped) } else { Ok(()) }
    }
}

impl Inner {
    fn jobs(&self) -> MutexGuard<'_, BTreeMap<TransferId, Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps why something was not offered, for whoever looks later.
    fn remember(&self, job: &Job, error: &OfferError) {
        if *error == OfferError::Stopped {
            return;
        }
        let mut view = job.view().0.clone();
        view.ended = Some(self.clock.now().unix);
        view.failed = Some(error.clone());
        self.failed.keep(view.clone());
        self.events.publish(NodeEvent::Preparing(view));
    }

    async fn run(
        inner: &Arc<Self>,
        id: TransferId,
        paths: Vec<PathBuf>,
        holders: Vec<NodeId>,
        job: &Arc<Job>,
    ) -> Result<(), OfferError> {
        let gone = |error: &dyn std::fmt::Display| OfferError::Node(error.to_string());
        let turn = Arc::clone(&inner.turn).acquire_owned().await.map_err(|error| gone(&error))?;
        let (worker, work) = (Arc::clone(inner), Arc::clone(job));
        // Others who have it can give it only by the hash of all of it.
        let alone = holders.is_empty();
        let prepared = inner.io.spawn_blocking(move || {
            let _turn = turn;
            worker.prepare(id, &paths, alone, &work)
        });
        let what = prepared.await.map_err(|error| gone(&error))??;
        job.is_stopped()?;
        (inner.hand_over)(id, what, holders).await.map_err(|error| match error {
            CallError::Refused(refusal) => refusal.into(),
            other => gone(&other),
        })
    }

    /// Finds and hashes. Blocks.
    fn prepare(
        &self,
        id: TransferId,
        paths: &[PathBuf],
        alone: bool,
        job: &Job,
    ) -> Result<Offered, OfferError> {
        if let [path] = paths
            && fs::metadata(path).map_err(|error| unreadable(path, &error))?.is_file()
        {
            let size = fs::metadata(path).map_err(|error| unreadable(path, &error))?.len();
            self.found(job, size);
            let name = last_name(path)?;
            let mime = mime_guess::from_path(path).first_raw().unwrap_or_default().to_owned();
            if alone && size > limits::PIECE_BYTES {
                let key = Keys::draw()?.of(0);
                let unread = Unread::look(key, path)?;
                let size = unread.size();
                self.store.offer_unread(holder(id), &[unread])?;
                return Ok(Offered::Pieces { name, mime, key, size });
            }
            let mut progress = |bytes| self.hashed(job, bytes);
            let imported = self.store.import(path, holder(id), &mut progress)?;
            return Ok(Offered::File { name, mime, blob: imported.id(), size: imported.size() });
        }
        let found = self.find(paths, job)?;
        let total = job.view().0.total;
        let manifest = if alone && total > limits::PIECE_BYTES {
            self.list(id, job, found)?
        } else {
            self.collect(id, job, found)?
        };
        let name = job.view().0.name.clone();
        let count = u32::try_from(manifest.members().len()).map_err(|_| OfferError::TooMany)?;
        let (list, size) = self.keep_list(id, &manifest.encode())?;
        Ok(Offered::Collection { name, count, total: manifest.total(), manifest: list, manifest_size: size })
    }

    /// All files under the paths, with their places in the collection.
    fn find(&self, paths: &[PathBuf], job: &Job) -> Result<BTreeMap<String, PathBuf>, OfferError> {
        job.view().0.folder = true;
        let mut found = BTreeMap::new();
        let mut waiting: Vec<(PathBuf, String)> = Vec::new();
        for path in paths {
            // A single folder is the collection itself; of several things each keeps its name.
            let name = if paths.len() == 1 { String::new() } else { last_name(path)? };
            if waiting.iter().any(|(_, other)| *other == name) {
                return Err(OfferError::SameName(name));
            }
            waiting.push((fs::canonicalize(path).map_err(|error| unreadable(path, &error))?, name));
        }
        while let Some((path, place)) = waiting.pop() {
            job.is_stopped()?;
            let metadata = fs::symlink_metadata(&path).map_err(|error| unreadable(&path, &error))?;
            if metadata.is_dir() {
                for entry in fs::read_dir(&path).map_err(|error| unreadable(&path, &error))? {
                    let entry = entry.map_err(|error| unreadable(&path, &error))?;
                    let name = entry.file_name().to_string_lossy().into_owned();
                    let place = if place.is_empty() { name } else { format!("{place}/{name}") };
                    waiting.push((entry.path(), place));
                }
                // A folder of folders without end is found out before it fills the memory.
                if waiting.len() > limits::MAX_COLLECTION_FILES.saturating_mul(2) {
                    return Err(OfferError::TooMany);
                }
            } else if metadata.is_file() {
                self.found(job, metadata.len());
                if found.len() >= limits::MAX_COLLECTION_FILES {
                    return Err(OfferError::TooMany);
                }
                found.insert(place, path);
            }
        }
        if found.is_empty() {
            let path = paths.first().cloned().unwrap_or_default();
            return Err(OfferError::Empty(path));
        }
        Ok(found)
    }

    /// Hashes the files and makes their list.
    fn collect(
        &self,
        id: TransferId,
        job: &Job,
        found: BTreeMap<String, PathBuf>,
    ) -> Result<Manifest, OfferError> {
        let mut members = Vec::with_capacity(found.len());
        let mut batch: Vec<Imported> = Vec::with_capacity(BATCH);
        for (place, path) in found {
            let mut progress = |bytes| self.hashed(job, bytes);
            let imported = self.store.hash_file(&path, &mut progress)?;
            members.push(Member { path: place, blob: imported.id(), size: imported.size() });
            batch.push(imported);
            if batch.len() >= BATCH {
                self.store.offer(holder(id), &batch)?;
                batch.clear();
            }
        }
        self.store.offer(holder(id), &batch)?;
        Manifest::new(members).map_err(|error| OfferError::Refused(error.to_string()))
    }

    /// Makes a list of files without reading them: they are hashed as they are asked for.
    fn list(
        &self,
        id: TransferId,
        job: &Job,
        found: BTreeMap<String, PathBuf>,
    ) -> Result<Manifest, OfferError> {
        let keys = Keys::draw()?;
        let mut members = Vec::with_capacity(found.len());
        let mut batch: Vec<Unread> = Vec::with_capacity(BATCH);
        for (number, (place, path)) in (0..).zip(found) {
            job.is_stopped()?;
            let blob = keys.of(number);
            let unread = Unread::look(blob, &path)?;
            members.push(Member { path: place, blob, size: unread.size() });
            batch.push(unread);
            if batch.len() >= BATCH {
                self.store.offer_unread(holder(id), &batch)?;
                batch.clear();
            }
        }
        self.store.offer_unread(holder(id), &batch)?;
        Manifest::in_pieces(members).map_err(|error| OfferError::Refused(error.to_string()))
    }

    /// Writes the list where it can be fetched from.
    fn keep_list(&self, id: TransferId, bytes: &[u8]) -> Result<(BlobId, BlobSize), OfferError> {
        let path = list_path(&self.data, holder(id));
        let failed = |error: std::io::Error| unreadable(&path, &error);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(&path, bytes).map_err(failed)?;
        fs::File::open(&path).and_then(|file| file.sync_all()).map_err(failed)?;
        let list = self.store.import(&path, holder(id), &mut |_| ControlFlow::Continue(()))?;
        Ok((list.id(), list.size()))
    }

    fn found(&self, job: &Job, bytes: u64) {
        let mut view = job.view();
        view.0.total = view.0.total.saturating_add(bytes);
        view.0.files = view.0.files.saturating_add(1);
        drop(view);
        self.tell(job);
    }

    fn hashed(&self, job: &Job, bytes: u64) -> ControlFlow<()> {
        {
            let mut view = job.view();
            view.0.done = view.0.done.saturating_add(bytes);
        }
        self.tell(job);
        if job.stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn tell(&self, job: &Job) {
        let mut view = job.view();
        if view.1.elapsed() >= TELL_EVERY {
            view.1 = Instant::now();
            self.events.publish(NodeEvent::Preparing(view.0.clone()));
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> OfferError {
    if error.kind() == std::io::ErrorKind::NotFound {
        OfferError::NotThere(path.to_owned())
    } else {
        OfferError::Unreadable { path: path.to_owned(), reason: error.to_string() }
    }
}

/// What a file or folder is called. `.` and such are called as what they are.
fn last_name(path: &Path) -> Result<String, OfferError> {
    let name = match path.file_name() {
        Some(name) => Some(name.to_owned()),
        None => {
            let real = fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
            real.file_name().map(ToOwned::to_owned)
        }
    };
    let name = name.map_or_else(|| "files".to_owned(), |name| name.to_string_lossy().into_owned());
    // 255 bytes of any file system fit; a name that was no text may have grown.
    Ok(name.chars().take(limits::MAX_OFFER_NAME_BYTES / 4).collect())
}

/// What an offer of these is called.
fn called(paths: &[PathBuf]) -> String {
    match paths {
        [path] => last_name(path).unwrap_or_else(|_| "files".to_owned()),
        several => format!("{} files", several.len()),
    }
}
