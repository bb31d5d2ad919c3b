//! Writes the logical export every day and at an orderly end, beside everything else.
//!
//! From it a damaged database is restored (`pc2-storage`). A failed export is told to the log and tried again the
//! next day; the last one stays.
//!
//! Not here: what is in it.

use pc2_storage::Storage;
use std::{sync::Arc, time::Duration};
use tokio::{runtime, sync::oneshot, task::JoinHandle, time::Instant};
use tracing::{info, warn};

/// Time between exports.
const EVERY: Duration = Duration::from_secs(24 * 3_600);

/// The exporter of a running node.
pub(crate) struct Exporter {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Starts it; the first export is a day away, for the last end wrote one.
    pub(crate) fn start(io: &runtime::Handle, storage: Arc<Storage>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: io.spawn(run(storage, stopped)) }
    }

    /// Writes the last export and ends.
    pub(crate) async fn finish(self) {
        let _it_may_have_ended = self.stop.send(());
        if let Err(error) = self.task.await {
            warn!(%error, "the exporter failed");
        }
    }
}

async fn run(storage: Arc<Storage>, mut stopped: oneshot::Receiver<()>) {
    let mut days = tokio::time::interval_at(Instant::now() + EVERY, EVERY);
    let mut going_on = true;
    while going_on {
        going_on = tokio::select! {
            biased;
            told = &mut stopped => {
                if told.is_err() {
                    // The node is being dropped without an orderly end.
                    return;
                }
                false
            }
            _ = days.tick() => true,
        };
        let source = Arc::clone(&storage);
        match tokio::task::spawn_blocking(move || source.export()).await {
            Ok(Ok(_)) => info!("logical export written"),
            Ok(Err(error)) => warn!(%error, "logical export failed"),
            Err(error) => warn!(%error, "logical export failed"),
        }
    }
}
