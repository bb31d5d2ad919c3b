//! What the data plane does beside transfers: giving back what nobody needs, and telling a peer a word about an offer.
//!
//! Not here: when a word is owed, and to whom (the machine).

use super::{
    lines::{NoStream, Purpose},
    plane::{Needed, Parts},
};
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use pc2_protocols::{
    files::{
        PullError,
        wire::{ANSWER_PATIENCE, Answer, Request, Word, frame_length},
    },
    id::{NodeId, OfferId},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

/// What ended is swept after this: a folder of files that all end at once is swept once.
const SWEEP_AFTER: Duration = Duration::from_secs(20);

/// Gives back what nobody needs, some time after something has ended.
pub(crate) async fn sweep(parts: Arc<Parts>, needed: Option<Needed>) {
    if let Some(needed) = needed {
        let places = parts.places.clone();
        let released = spawn_blocking(move || places.let_go_of_all_but(&needed.transfers, needed.at));
        match released.await {
            Ok(Ok(0)) => {}
            Ok(Ok(released)) => {
                info!(released, "files that nobody needs any more are let go");
                parts.sweep.notify_one();
            }
            Ok(Err(error)) => warn!(%error, "what was left behind could not be looked for"),
            Err(error) => warn!(%error, "looking for what was left behind failed"),
        }
    }
    loop {
        parts.sweep.notified().await;
        sleep(SWEEP_AFTER).await;
        let store = parts.places.store.clone();
        match spawn_blocking(move || store.sweep()).await {
            Ok(Ok(swept)) => debug!(blobs = swept.blobs, bytes = swept.bytes, "swept"),
            Ok(Err(error)) => warn!(%error, "what nobody needs could not be removed"),
            Err(error) => warn!(%error, "sweeping failed"),
        }
    }
}

/// Tells a peer something about an offer.
pub(crate) async fn tell(parts: &Parts, peer: NodeId, offer: OfferId, word: Word) -> Result<(), PullError> {
    let said = async {
        let mut stream = (parts.open)(peer, Purpose::Little).await.map_err(|why| match why {
            NoStream::Lost => PullError::Lost,
            NoStream::Unsupported => PullError::Unsupported,
        })?;
        let lost = |_: std::io::Error| PullError::Lost;
        stream.io.write_all(&Request::Tell { offer, word }.encode()).await.map_err(lost)?;
        stream.io.flush().await.map_err(lost)?;
        let mut prefix = [0; 2];
        stream.io.read_exact(&mut prefix).await.map_err(lost)?;
        let mut frame = vec![0; frame_length(prefix).ok_or(PullError::Unsupported)?];
        stream.io.read_exact(&mut frame).await.map_err(lost)?;
        match Answer::decode(&frame) {
            Ok(Answer::Noted) => Ok(()),
            Ok(Answer::Refused { reason }) => Err(PullError::Refused(reason)),
            Ok(Answer::Sending | Answer::SendingPiece { .. }) | Err(_) => Err(PullError::Unsupported),
        }
    };
    timeout(ANSWER_PATIENCE, said).await.unwrap_or(Err(PullError::Lost))
}
