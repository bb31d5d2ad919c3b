//! Requests of peers that wait for the machine's word, or are being answered: each has a token, by which the word finds its stream.
//!
//! Bounded by the streams that peers may open, each of which has one request at a time.
//!
//! Not here: reading and answering them (`serve`).

use pc2_protocols::{
    blob::{BlobSize, Groups},
    files::{ServeToken, rows::TransferId, wire::Refusal},
    id::BlobId,
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{oneshot, watch};

/// What the machine says to a request.
pub(crate) enum Say {
    /// Send these groups.
    Serve { id: TransferId, blob: BlobId, size: BlobSize, groups: Groups, member: bool },
    /// Nothing was done.
    Refuse(Refusal),
    /// It is on disk.
    Noted,
}

/// A request that waits for the machine's word, or is being answered.
pub(crate) struct Waiting {
    /// Where the word goes; taken when it came.
    pub(crate) say: Option<oneshot::Sender<Say>>,
    /// Ends it.
    pub(crate) stop: watch::Sender<bool>,
}

/// Requests of peers under way.
#[derive(Default)]
pub(crate) struct Requests {
    inner: Mutex<(u64, BTreeMap<ServeToken, Waiting>)>,
}

impl Requests {
    /// A new one: its name, where the machine's word comes, and what ends it.
    pub(crate) fn open(&self) -> (ServeToken, oneshot::Receiver<Say>, watch::Receiver<bool>) {
        let (say, word) = oneshot::channel();
        let (stop, stopped) = watch::channel(false);
        let mut inner = self.inner();
        inner.0 = inner.0.saturating_add(1);
        let token = ServeToken(inner.0);
        inner.1.insert(token, Waiting { say: Some(say), stop });
        (token, word, stopped)
    }

    /// It is over.
    pub(crate) fn close(&self, token: ServeToken) {
        self.inner().1.remove(&token);
    }

    pub(crate) fn say(&self, token: ServeToken, word: Say) {
        let say = self.inner().1.get_mut(&token).and_then(|waiting| waiting.say.take());
        // Whoever waited may have gone with its stream.
        let _gone = say.map(|say| say.send(word));
    }

    pub(crate) fn stop(&self, token: ServeToken) {
        if let Some(waiting) = self.inner().1.remove(&token) {
            let _it_has_ended = waiting.stop.send(true);
        }
    }

    pub(crate) fn stop_all(&self) {
        for (_, waiting) in std::mem::take(&mut self.inner().1) {
            let _it_has_ended = waiting.stop.send(true);
        }
    }

    fn inner(&self) -> MutexGuard<'_, (u64, BTreeMap<ServeToken, Waiting>)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
