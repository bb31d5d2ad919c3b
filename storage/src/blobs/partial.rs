//! A blob being received.
//!
//! In: streams of groups with their proof, in any order, from any number of sides at once. Out: a file of the blob's bytes, in which
//! nothing was ever written that was not proven before.
//!
//! **What survives.** Groups are written to their places as they come. After every [`BATCH_BYTES`], or [`BATCH_TIME`], data and tree are
//! synced, and only then the marks say that these groups are there. Meanwhile the next batch comes: a thread of its own syncs, so that
//! line and disk work at the same time. A loss of power costs these two batches at most, and what the marks
//! say is true. A kill costs half a megabyte: what was written without being marked is looked for, and proven, when the blob is begun anew. Marks that are
//! damaged themselves are made again from data and tree.
//!
//! **What fails.** A stream that is not the blob, or ends: what came before stays, nothing of it does. A disk that fails
//! a sync: nobody knows what it has, so this [`Partial`] takes nothing more; begun again it goes on from the marks.
//!
//! Not here: proving what comes ([`super::accept`]); which groups are asked of whom; moving what is whole to where it belongs ([`super::finish`]).

use super::{
    BlobChange, BlobError, Holder, Proof,
    claims::Receiving,
    files::{self, Files},
    finish::Expected,
    marks::{self, Marks},
    proof,
    rows::PartialRow,
    store::{BlobStore, Inner, hold, is_small, now},
    tree::{self, PAIR_BYTES},
};
use pc2_protocols::{
    blob::{BlobSize, Groups},
    id::BlobId,
    limits::BLOB_GROUP_BYTES,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// After so many bytes they are made to survive. While they are, as many may come: a kill costs both, 16 MiB at most. A sync of this
/// takes an SSD some 30 ms, an SD card some 200.
pub const BATCH_BYTES: u64 = 8 * 1024 * 1024;

/// After so long they are, too: what a kill costs on a slow line.
pub const BATCH_TIME: Duration = Duration::from_secs(1);

/// Pairs of hashes written before a batch is made to survive, half a megabyte's: four batches of a file that comes in order.
const MOST_PAIRS: usize = 4_096;

/// Pairs kept in memory before they are written: those of half a megabyte of data. A process that is killed costs no more than what they prove: what it has
/// written is proven again when the blob is begun anew.
const PAIRS_AT_ONCE: usize = 32;

/// What has become of the wish to receive a blob.
pub enum Begun {
    /// A file with its bytes stands on this machine already: because it was received before (and the process ended before
    /// anybody noted it), or because the owner offers it. See [`BlobStore::copy`].
    Here {
        /// Where.
        path: PathBuf,
        /// Whether it was received.
        received: bool,
    },
    /// It can be received, from where it was left.
    Partial(Box<Partial>),
}

/// A blob being received. All of it may be used by several threads at once.
pub struct Partial {
    pub(crate) core: Arc<Core>,
    /// The thread that makes the last batch survive.
    batch: Mutex<Option<JoinHandle<Result<(), BlobError>>>>,
}

/// What the thread that syncs shares with the others.
pub(crate) struct Core {
    pub(crate) id: BlobId,
    pub(crate) size: BlobSize,
    pub(crate) holder: Holder,
    /// What proves it.
    pub(crate) proof: Proof,
    pub(crate) files: Files,
    /// The hashes of its pieces, as far as its sender has said them; none where one tree proves it.
    pub(super) roots: Mutex<Vec<Option<BlobId>>>,
    /// What the disk has for certain. Held while a batch is made to survive, so that one is at a time.
    durable: Mutex<Marks>,
    state: Mutex<State>,
    receiving: Receiving,
}

struct State {
    /// What was written, whether or not it would survive.
    there: Marks,
    /// What of it would not.
    fresh: Vec<u32>,
    /// Pairs of hashes that are not written yet, by their place in the tree's file.
    pairs: BTreeMap<u64, [u8; PAIR_BYTES]>,
    /// How many were written since the last batch.
    written: usize,
    /// When `fresh` was last empty.
    since: Instant,
    /// A sync failed, or it was finished: nothing more is taken.
    closed: bool,
}

impl BlobStore {
    /// Begins to receive a blob, or goes on with it. Its sender's word for the size is proven by its last group.
    ///
    /// # Errors
    /// [`BlobError::Busy`] while another [`Partial`] of it lives; [`BlobError::NoRoom`] when the disk, the reserve and what other blobs were
    /// promised taken off, has no room for all of it; [`BlobError::WrongSize`] when another size was proven;
    /// [`BlobError::NotTheFile`] when it is said to be empty and its id is not that of nothing; what disk and database say.
    pub fn begin(&self, id: BlobId, size: BlobSize, holder: Holder) -> Result<Begun, BlobError> {
        self.begin_by(id, size, holder, Proof::Whole)
    }

    /// The same for a file that is proven piece by piece. `id` is a name that nothing else has; what proves its bytes is the word of who sends it.
    ///
    /// # Errors
    /// As [`Self::begin`]; [`BlobError::OutOfRange`] when it is so small that it has no books.
    pub fn begin_pieces(&self, id: BlobId, size: BlobSize, holder: Holder) -> Result<Begun, BlobError> {
        if is_small(size) {
            return Err(BlobError::OutOfRange);
        }
        self.begin_by(id, size, holder, Proof::Pieces)
    }

    fn begin_by(&self, id: BlobId, size: BlobSize, holder: Holder, proof: Proof) -> Result<Begun, BlobError> {
        let receiving = self.inner.receive(id)?;
        if let Some(row) = self.inner.standing(id)? {
            let known = row.seen.size.bytes();
            if row.seen.size != size {
                return Err(BlobError::WrongSize { known, claimed: size.bytes() });
            }
            self.inner.commit(vec![BlobChange::RemovePartial { id }, hold(id, holder)])?;
            self.inner.discard(id)?;
            return Ok(Begun::Here { path: row.path().to_owned(), received: row.received });
        }
        if size == BlobSize::EMPTY && id != tree::id(blake3::hash(&[])) {
            return Err(BlobError::NotTheFile { at: 0 });
        }
        let (files, there, fresh) = if is_small(size) {
            self.inner.discard(id)?;
            receiving.promise(size.bytes())?;
            (files::create(&self.inner, id, size, proof)?, Marks::none(size.groups()), Vec::new())
        } else {
            match self.inner.resume(id, size, proof)? {
                Some((files, there, fresh)) => {
                    receiving.promise(missing_bytes(size, &there))?;
                    self.inner.commit(vec![hold(id, holder)])?;
                    (files, there, fresh)
                }
                None => {
                    self.inner.discard(id)?;
                    receiving.promise(size.bytes().saturating_add(proof.bytes(size)))?;
                    let files = files::create(&self.inner, id, size, proof)?;
                    // Rows after files: files without rows are swept, rows without files would promise something.
                    let row = PartialRow { id, size, since: now(), proof };
                    self.inner.commit(vec![BlobChange::PutPartial(row), hold(id, holder)])?;
                    (files, Marks::none(size.groups()), Vec::new())
                }
            }
        };
        let mut durable = there.clone();
        fresh.iter().for_each(|group| durable.remove(*group));
        let state =
            State { there, fresh, pairs: BTreeMap::new(), written: 0, since: Instant::now(), closed: false };
        let (durable, state) = (Mutex::new(durable), Mutex::new(state));
        let roots = match &files.books {
            Some(books) if proof == Proof::Pieces => {
                proof::read_roots(&books.tree, size).map_err(BlobError::io(&files.paths.tree))?
            }
            _ => Vec::new(),
        };
        let roots = Mutex::new(roots);
        let core = Arc::new(Core { id, size, holder, proof, files, roots, durable, state, receiving });
        Ok(Begun::Partial(Box::new(Partial { core, batch: Mutex::new(None) })))
    }

    /// Gives up receiving a blob, whoever holds it: its bytes go at once, its holds with the next sweep.
    ///
    /// # Errors
    /// [`BlobError::Busy`] while a [`Partial`] of it lives; what disk and database say.
    pub fn abandon(&self, id: BlobId) -> Result<(), BlobError> {
        let _receiving = self.inner.receive(id)?;
        self.inner.commit(vec![BlobChange::RemovePartial { id }])?;
        self.inner.discard(id).map(|_| ())
    }
}

impl Partial {
    /// Which blob.
    #[must_use]
    pub fn id(&self) -> BlobId {
        self.core.id
    }

    /// Its size.
    #[must_use]
    pub fn size(&self) -> BlobSize {
        self.core.size
    }

    /// Bytes that are there and proven, synced or not.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.core.size.bytes().saturating_sub(self.core.missing_bytes())
    }

    /// Whether all of it is there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.core.state().there.is_whole()
    }

    /// What is still missing from a group on: at most `most` groups, and as many ranges as fit a request. Several sides are asked
    /// for different stretches by beginning at different groups.
    #[must_use]
    pub fn missing(&self, from: u32, most: u32) -> Groups {
        Groups::new(self.core.state().there.missing(from, most)).unwrap_or_default()
    }

    /// Makes everything that came so far survive. For the end of a session; while it goes on it happens by itself.
    ///
    /// # Errors
    /// [`BlobError::Failed`], [`BlobError::NoRoom`], or what the system says; nothing is taken any more then.
    pub fn checkpoint(&self) -> Result<(), BlobError> {
        // Held to the end: batches survive in the order in which they came, because a group may be proven by pairs of an earlier one.
        let mut batch = self.batch();
        end_batch(&mut batch)?;
        let fresh = self.core.take_fresh()?;
        self.core.settle(fresh)
    }

    fn batch(&self) -> MutexGuard<'_, Option<JoinHandle<Result<(), BlobError>>>> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a thread make survive what came, if nobody else began to meanwhile. Waits for the batch before: a disk that is slower than the line
    /// is what the line has to wait for.
    pub(super) fn begin_batch(&self) -> Result<(), BlobError> {
        let mut batch = self.batch();
        if !self.core.is_due(&self.core.state()) {
            return Ok(());
        }
        end_batch(&mut batch)?;
        let fresh = self.core.take_fresh()?;
        let core = Arc::clone(&self.core);
        let thread = thread::Builder::new().name("blob-sync".into()).spawn(move || core.settle(fresh));
        match thread {
            Ok(thread) => *batch = Some(thread),
            Err(source) => {
                // What was taken went with the thread that never was.
                self.core.close();
                return Err(BlobError::Io { path: self.core.files.paths.data.clone(), source });
            }
        }
        Ok(())
    }
}

/// Whoever begins it again must not meet the thread of this one.
impl Drop for Partial {
    fn drop(&mut self) {
        if let Err(error) = end_batch(&mut self.batch()) {
            tracing::warn!(%error, blob = self.core.id.short(), "the last batch of a file was lost");
        }
    }
}

fn end_batch(batch: &mut Option<JoinHandle<Result<(), BlobError>>>) -> Result<(), BlobError> {
    // A thread that panicked has not written the marks: that batch is lost, and it is as if its sync had failed.
    batch.take().map_or(Ok(()), |thread| thread.join().unwrap_or(Err(BlobError::Failed)))
}

/// What came since the last batch.
struct Fresh {
    groups: Vec<u32>,
    pairs: BTreeMap<u64, [u8; PAIR_BYTES]>,
    /// Others were written already.
    written: bool,
}

impl Core {
    /// Whether nothing is taken any more.
    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Takes nothing any more.
    pub(crate) fn close(&self) {
        self.state().closed = true;
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.receiving.inner
    }

    /// How many bytes have not come.
    pub(crate) fn missing_bytes(&self) -> u64 {
        missing_bytes(self.size, &self.state().there)
    }

    /// The bytes that it should have, when all of it is there.
    pub(crate) fn expected(&self) -> Result<Expected, BlobError> {
        if self.proof == Proof::Whole {
            return Ok(Expected::whole(self.id, self.size));
        }
        let roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        let roots = roots.iter().copied().collect::<Option<Vec<_>>>();
        let missing = BlobError::Incomplete { missing: self.missing_bytes() };
        roots.map(|roots| Expected::pieces(self.id, self.size, roots)).ok_or(missing)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn room(&self, bytes: u64) -> Result<(), BlobError> {
        let inner = self.inner();
        inner.room(&inner.partials(), bytes)
    }

    /// Whether what came should be made to survive. What is small survives as a whole or not at all.
    fn is_due(&self, state: &State) -> bool {
        let bytes = (state.fresh.len() as u64).saturating_mul(BLOB_GROUP_BYTES);
        let full = bytes >= BATCH_BYTES || state.written >= MOST_PAIRS;
        self.files.books.is_some() && (full || (bytes > 0 && state.since.elapsed() >= BATCH_TIME))
    }

    /// Keeps a proven pair for the tree's file. They come before the groups they prove, so a group that is noted has all of its own
    /// noted. Returns whether a batch is due.
    pub(super) fn note_pair(&self, place: u64, pair: [u8; PAIR_BYTES]) -> Result<bool, BlobError> {
        let Some(books) = &self.files.books else { return Ok(false) };
        let mut state = self.state();
        state.pairs.insert(place, pair);
        if state.pairs.len() >= PAIRS_AT_ONCE {
            // Under the lock, so that a batch that begins meanwhile syncs them.
            write_pairs(&books.tree, &state.pairs).map_err(BlobError::io(&self.files.paths.tree))?;
            state.written = state.written.saturating_add(state.pairs.len());
            state.pairs.clear();
        }
        Ok(self.is_due(&state))
    }

    /// Writes a proven group, unless it is there. Returns how many bytes are new, and whether a batch is due.
    pub(super) fn write(&self, at: u64, data: &[u8]) -> Result<(u64, bool), BlobError> {
        let group = u32::try_from(at / BLOB_GROUP_BYTES).map_err(|_| BlobError::OutOfRange)?;
        if self.state().there.has(group) {
            return Ok((0, false));
        }
        self.files.data.write_all_at(data, at).map_err(BlobError::io(&self.files.paths.data))?;
        let due = {
            let mut state = self.state();
            // Another side may have brought the same one meanwhile.
            if !state.there.add(group) {
                return Ok((0, false));
            }
            state.fresh.push(group);
            self.is_due(&state)
        };
        let bytes = data.len() as u64;
        self.receiving.written(bytes);
        Ok((bytes, due))
    }

    fn take_fresh(&self) -> Result<Fresh, BlobError> {
        let mut state = self.state();
        if state.closed {
            return Err(BlobError::Failed);
        }
        state.since = Instant::now();
        let written = std::mem::take(&mut state.written) > 0;
        let (groups, pairs) = (std::mem::take(&mut state.fresh), std::mem::take(&mut state.pairs));
        Ok(Fresh { groups, pairs, written })
    }

    /// Makes survive what was taken; after a failure nothing is taken any more.
    fn settle(&self, fresh: Fresh) -> Result<(), BlobError> {
        if fresh.groups.is_empty() && fresh.pairs.is_empty() && !fresh.written {
            return Ok(());
        }
        let done = self.make_durable(&fresh);
        if done.is_err() {
            self.close();
            self.receiving.inner.doubt(self.id);
        }
        done
    }

    /// Data and tree first, marks after: in this order a loss of power finds too little said at worst.
    fn make_durable(&self, fresh: &Fresh) -> Result<(), BlobError> {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        let disk = &self.receiving.inner.disk;
        let paths = &self.files.paths;
        let Some(books) = &self.files.books else {
            return disk.sync(&self.files.data).map_err(BlobError::io(&paths.data));
        };
        write_pairs(&books.tree, &fresh.pairs).map_err(BlobError::io(&paths.tree))?;
        disk.sync(&self.files.data).map_err(BlobError::io(&paths.data))?;
        disk.sync(&books.tree).map_err(BlobError::io(&paths.tree))?;
        let pages: BTreeSet<u32> = fresh.groups.iter().map(|group| marks::page_of(*group)).collect();
        for group in &fresh.groups {
            durable.add(*group);
        }
        marks::write(&books.marks, self.id, &durable, pages.into_iter())
            .and_then(|()| disk.sync(&books.marks))
            .map_err(BlobError::io(&paths.marks))
    }
}

/// Writes pairs of hashes to their places; those beside each other at once.
fn write_pairs(tree: &File, pairs: &BTreeMap<u64, [u8; PAIR_BYTES]>) -> io::Result<()> {
    let mut run: (u64, Vec<u8>) = (0, Vec::new());
    for (place, pair) in pairs {
        if run.0 + run.1.len() as u64 != *place {
            tree.write_all_at(&run.1, run.0)?;
            run = (*place, std::mem::take(&mut run.1));
            run.1.clear();
        }
        run.1.extend_from_slice(pair);
    }
    tree.write_all_at(&run.1, run.0)
}

pub(crate) fn missing_bytes(size: BlobSize, there: &Marks) -> u64 {
    there.runs(false, 0).fold(0, |sum, run| {
        let span = size.span(&run);
        sum + span.end.saturating_sub(span.start)
    })
}
