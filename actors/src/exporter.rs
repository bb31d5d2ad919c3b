//! Writes the logical export once a day and at an orderly end, beside everything else.
//!
//! A day counts from the last export, whoever wrote it: a node that is only ever killed exports as often as one that runs for weeks.
//! A new node writes its first soon, because until then a damaged database would be replaced by an empty one.
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

/// An export that is due waits this long after a start: whoever has just come up has better things to do.
const SETTLES: Duration = Duration::from_secs(600);

/// The exporter of a running node.
pub(crate) struct Exporter {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Starts it.
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

/// How long until the first export of a run, given how old the last one is.
fn first_wait(age: Option<Duration>) -> Duration {
    let due = age.map_or(Duration::ZERO, |age| EVERY.saturating_sub(age));
    due.max(SETTLES)
}

async fn run(storage: Arc<Storage>, mut stopped: oneshot::Receiver<()>) {
    let mut days = tokio::time::interval_at(Instant::now() + first_wait(storage.export_age()), EVERY);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_node_exports_soon_and_a_killed_one_when_a_day_has_passed_since_the_last() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(first_wait(None), SETTLES);
        assert_eq!(first_wait(Some(10 * hour)), 14 * hour);
        assert_eq!(first_wait(Some(23 * hour + hour - Duration::from_secs(1))), SETTLES);
        assert_eq!(first_wait(Some(30 * hour)), SETTLES);
        assert_eq!(first_wait(Some(Duration::ZERO)), EVERY);
    }
}
