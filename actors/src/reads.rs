//! Reads of the database on behalf of people: off the async threads, and not too many at once.
//!
//! Not here: what machines read back for themselves (their shells, bounded by the machines).

use crate::callers::CallError;
use pc2_storage::ReadError;
use std::{convert::Infallible, sync::Arc};
use tokio::{runtime, sync::Semaphore};
use tracing::error;

/// Reads at once. Two cores gain nothing from more.
const AT_ONCE: usize = 4;

/// Reads that run or wait before further ones are refused.
const IN_ALL: usize = 128;

/// The way to read.
#[derive(Debug, Clone)]
pub(crate) struct Reads {
    io: runtime::Handle,
    in_all: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
}

impl Reads {
    pub(crate) fn new(io: runtime::Handle) -> Self {
        Self { io, in_all: Arc::new(Semaphore::new(IN_ALL)), at_once: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Runs a read on a blocking thread; `Busy` when too many wait.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, CallError<Infallible>> {
        let _place = self.in_all.try_acquire().map_err(|_| CallError::Busy)?;
        // Held by the read itself: it goes on when whoever asked has stopped waiting.
        let permit = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| CallError::Stopped)?;
        let job = self.io.spawn_blocking(move || {
            let _permit = permit;
            read()
        });
        match job.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                error!(%error, "a read failed");
                Err(CallError::Storage)
            }
            Err(stopped) if stopped.is_cancelled() => Err(CallError::Stopped),
            Err(_panicked) => Err(CallError::Restarted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_read_too_many_is_told_that_the_node_is_busy() {
        let reads = Reads::new(runtime::Handle::current());
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let waiting: Vec<_> = (0..IN_ALL)
            .map(|_| {
                let (reads, held) = (reads.clone(), Arc::clone(&held));
                tokio::spawn(async move {
                    let wait = move || held.lock().expect("lock").recv().map_err(|_| ReadError::Closed);
                    reads.run(wait).await
                })
            })
            .collect();
        while reads.in_all.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(reads.run(|| Ok(1)).await, Err(CallError::Busy));
        (0..IN_ALL).for_each(|_| release.send(()).expect("readers wait"));
        for read in waiting {
            assert_eq!(read.await.expect("ends"), Ok(()));
        }
        assert_eq!(reads.run(|| Ok(1)).await, Ok(1));
    }
}
