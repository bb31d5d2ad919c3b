//! Proving every file that is offered and every part that was received, while the node goes on.
//!
//! One look at a time, on a thread of its own: it takes as long as reading everything takes. Whoever asks meanwhile hears how far it has come, and the
//! result stays to be asked for until the next one. It ends early with the node.
//!
//! Not here: how a blob is proven (`pc2-storage`, `blobs`).

use crate::clock::Clock;
use pc2_protocols::time::UnixMillis;
use pc2_storage::blobs::{BlobStore, Checked};
use std::{
    io,
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
};

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProofView {
    /// It is under way.
    pub running: bool,
    /// Bytes read so far.
    pub bytes: u64,
    /// When it ended.
    pub ended: Option<UnixMillis>,
    /// What was found, or why it could not go on; nothing before the end.
    pub found: Option<Result<Checked, String>>,
}

/// Looks after one look at a time.
pub(crate) struct Proofs {
    store: BlobStore,
    clock: Clock,
    view: Arc<Mutex<ProofView>>,
}

impl Proofs {
    pub(crate) fn new(store: BlobStore, clock: Clock) -> Self {
        Self { store, clock, view: Arc::default() }
    }

    /// How far it has come, or what was found last.
    pub(crate) fn view(&self) -> ProofView {
        lock(&self.view).clone()
    }

    /// Begins to look; joins the one that is under way.
    pub(crate) fn begin(&self) -> io::Result<ProofView> {
        let mut view = lock(&self.view);
        if !view.running {
            let (store, clock, weak) = (self.store.clone(), self.clock, Arc::downgrade(&self.view));
            thread::Builder::new().name("pc2-proof".to_owned()).spawn(move || run(&store, clock, &weak))?;
            *view = ProofView { running: true, ..ProofView::default() };
        }
        Ok(view.clone())
    }
}

/// Looks at everything, for as long as there is somebody who could ask.
fn run(store: &BlobStore, clock: Clock, view: &Weak<Mutex<ProofView>>) {
    let found = store.check_blobs(&mut |bytes| {
        let Some(view) = view.upgrade() else { return ControlFlow::Break(()) };
        let mut view = lock(&view);
        view.bytes = view.bytes.saturating_add(bytes);
        ControlFlow::Continue(())
    });
    if let Some(view) = view.upgrade() {
        let mut view = lock(&view);
        view.running = false;
        view.ended = Some(clock.now().unix);
        view.found = Some(found.map_err(|error| error.to_string()));
    }
}

fn lock(view: &Mutex<ProofView>) -> MutexGuard<'_, ProofView> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}
