//! Answering a peer's stream: each request is put to the machine, and its word carried out.
//!
//! In: a stream that a peer opened. Out: answers in the order of the requests, groups with their proof. Nothing is read from the disk before the
//! machine has said that this peer may have it. What does not decode ends the stream without an answer.
//!
//! A thread that may wait writes the groups. It is taken for one request at a time.
//!
//! Not here: who may have what ([`pc2_protocols::files`]).

use super::{
    lines::{Io, Stream},
    names,
    pipe::Outlet,
    plane::Parts,
    requests::Say,
};
use futures::{
    AsyncReadExt as _,
    io::{ReadHalf, WriteHalf},
};
use pc2_protocols::{
    blob::{BlobSize, Groups, piece_of},
    files::{
        In, ServeError, ServeToken,
        rows::TransferId,
        wire::{Answer, IDLE_PATIENCE, REQUEST_PATIENCE, Refusal, Request, frame_length},
    },
    id::{BlobId, NodeId},
    limits::PULL_STALL,
};
use pc2_storage::blobs::{BlobError, Reader};
use std::{
    io::{self, Write},
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{runtime, sync::watch, time::timeout};
use tracing::{debug, info, warn};

/// The machine answers within a write to disk; this long means that it has restarted.
const WORD_PATIENCE: Duration = Duration::from_secs(15);

/// Progress is told this often.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Answers a stream until it ends.
pub(crate) async fn answer(parts: Arc<Parts>, stream: Stream) {
    let peer = stream.peer;
    let (mut reading, writing) = stream.io.split();
    let (_never, silent) = watch::channel(false);
    let outlet = Outlet::new(writing, runtime::Handle::current(), Arc::clone(&parts.up), silent, PULL_STALL);
    let sent = Arc::new(AtomicU64::new(0));
    let mut writer =
        Writer { parts: Arc::clone(&parts), peer, outlet, last: None, ahead: None, sent: Arc::clone(&sent) };
    let mut patience = REQUEST_PATIENCE;
    loop {
        match timeout(patience, request(&mut reading)).await {
            Ok(Ok(Some(request))) => match writer.request(request).await {
                Some(back) => writer = back,
                None => break,
            },
            // The end, in peace or not, or nothing for too long.
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
        patience = IDLE_PATIENCE;
    }
    let bytes = sent.load(Ordering::Relaxed);
    if bytes > 0 {
        info!(peer = peer.short(), bytes, "sent on one stream");
    }
}

/// The next request; `None` at the end of them.
async fn request(reading: &mut ReadHalf<Box<dyn Io>>) -> io::Result<Option<Request>> {
    let mut prefix = [0; 2];
    match reading.read_exact(&mut prefix).await {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut frame = vec![0; frame_length(prefix).ok_or_else(invalid)?];
    reading.read_exact(&mut frame).await?;
    Request::decode(&frame).map(Some).map_err(|_| invalid())
}

/// The writing side of a stream.
struct Writer {
    parts: Arc<Parts>,
    peer: NodeId,
    outlet: Outlet<WriteHalf<Box<dyn Io>>>,
    /// The file that was read last: most requests on a stream are for the same.
    last: Option<Arc<Reader>>,
    /// The piece after which the next was hashed ahead.
    ahead: Option<(BlobId, u32)>,
    /// Bytes of files that the stream has taken.
    sent: Arc<AtomicU64>,
}

impl Writer {
    /// Puts a request to the machine and carries its word out; `None` when the stream is over.
    async fn request(mut self, request: Request) -> Option<Self> {
        let (token, word, stop) = self.parts.waiting.open();
        let from = self.peer;
        let input = match request {
            Request::Pull { ask } => In::Asked { from, token, pull: ask },
            Request::Tell { offer, word } => In::Heard { from, token, offer, word },
        };
        if self.parts.own.offer(input).is_err() {
            self.parts.waiting.close(token);
            debug!(peer = from.short(), "the files machine has too much to do; a request is let go");
            return None;
        }
        let said = timeout(WORD_PATIENCE, word).await;
        let Ok(Ok(say)) = said else {
            self.parts.waiting.close(token);
            return None;
        };
        self.outlet.stopped_by(stop);
        let job = tokio::task::spawn_blocking(move || {
            let goes_on = self.carry_out(token, say);
            self.parts.waiting.close(token);
            goes_on.then_some(self)
        });
        job.await.unwrap_or_else(|error| {
            warn!(%error, "sending a file failed");
            None
        })
    }

    /// Answers one request. Whether the stream can go on. Blocks.
    fn carry_out(&mut self, token: ServeToken, say: Say) -> bool {
        match say {
            Say::Refuse(reason) => self.frame(&Answer::Refused { reason }),
            Say::Noted => self.frame(&Answer::Noted),
            Say::Serve { id, blob, size, groups, member } => {
                let found = self.find(id, blob, size, member);
                let (result, goes_on) = match found {
                    Ok(reader) => {
                        let sent = self.send(token, &reader, &groups);
                        if sent.is_ok() {
                            self.look_ahead(&reader, &groups);
                        }
                        self.last = Some(reader);
                        let goes_on = sent.is_ok();
                        (sent, goes_on)
                    }
                    Err(error) => (Err(error), self.frame(&Answer::Refused { reason: refusal(error) })),
                };
                self.parts.own.tell(In::Served { token, result });
                goes_on
            }
        }
    }

    fn frame(&mut self, answer: &Answer) -> bool {
        self.outlet.write_all(&answer.encode()).and_then(|()| self.outlet.flush()).is_ok()
    }

    /// The file, if it may be sent.
    fn find(
        &mut self,
        id: TransferId,
        blob: BlobId,
        size: BlobSize,
        member: bool,
    ) -> Result<Arc<Reader>, ServeError> {
        let store = &self.parts.places.store;
        if member && !store.is_held_by(blob, names::holder(id)).map_err(served)? {
            return Err(ServeError::NotOffered);
        }
        let reader = match self.last.take().filter(|last| last.id() == blob) {
            Some(last) => last,
            None => Arc::new(match store.reader(blob) {
                Err(BlobError::TreeDamaged { .. }) => {
                    warn!(blob = blob.short(), "what proves an offered file is damaged and is made again");
                    store.rebuild(blob, &mut |_| ControlFlow::Continue(())).map_err(served)?;
                    store.reader(blob).map_err(served)?
                }
                other => other.map_err(served)?,
            }),
        };
        if reader.size() == size { Ok(reader) } else { Err(ServeError::NotOffered) }
    }

    fn send(&mut self, token: ServeToken, reader: &Reader, groups: &Groups) -> Result<(), ServeError> {
        let lost = |_: io::Error| ServeError::Lost;
        // Of a file in pieces: what was not asked for before is hashed now.
        let answer = match reader.piece(groups) {
            Ok(None) => Answer::Sending,
            Ok(Some(piece)) => Answer::SendingPiece { piece },
            Err(error) => {
                let error = served(error);
                self.frame(&Answer::Refused { reason: refusal(error) });
                return Err(error);
            }
        };
        self.outlet.write_all(&answer.encode()).map_err(lost)?;
        let mut told = Told { own: &self.parts.own, token, at: Instant::now(), untold: 0, all: 0 };
        let encoded = reader.encode(groups, Counted { outlet: &mut self.outlet, told: &mut told });
        let untold = told.untold;
        self.sent.fetch_add(told.all, Ordering::Relaxed);
        match encoded {
            Ok(_) => self.outlet.flush().map_err(lost)?,
            Err(error) => {
                // What was collected may be half a group: the stream ends, and the next request hears why.
                self.outlet.discard();
                if !matches!(error, BlobError::Stream(_)) {
                    warn!(%error, "an offered file could not be sent");
                }
                return Err(served(error));
            }
        }
        if untold > 0 {
            self.parts.own.tell(In::Sent { token, bytes: untold });
        }
        Ok(())
    }

    /// Hashes the next piece of a file while this one is sent. Once for each piece: what is known is not hashed again, and two that do it at once write the same.
    fn look_ahead(&mut self, reader: &Arc<Reader>, groups: &Groups) {
        let Some(piece) = groups.ranges().next().map(|first| piece_of(first.start)) else { return };
        let last = reader.size().pieces().saturating_sub(1);
        if piece >= last || self.ahead == Some((reader.id(), piece)) {
            return;
        }
        self.ahead = Some((reader.id(), piece));
        let (reader, groups) = (Arc::clone(reader), groups.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = reader.prepare_next(&groups) {
                // Whoever asks for it hears why.
                debug!(%error, "the next piece of a file was not hashed ahead");
            }
        });
    }
}

/// Tells the machine how much was sent.
struct Told<'a> {
    own: &'a crate::shell::Inbox<In>,
    token: ServeToken,
    at: Instant,
    untold: u64,
    all: u64,
}

/// Writes, and counts the bytes of the file: whatever is not a pair of hashes.
struct Counted<'a, 'b> {
    outlet: &'a mut Outlet<WriteHalf<Box<dyn Io>>>,
    told: &'a mut Told<'b>,
}

impl Write for Counted<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.outlet.write(bytes)?;
        if bytes.len() > PAIR_BYTES {
            let bytes = u64::try_from(taken).unwrap_or_default();
            self.told.untold = self.told.untold.saturating_add(bytes);
            self.told.all = self.told.all.saturating_add(bytes);
        }
        if self.told.at.elapsed() >= TELL_EVERY {
            self.told.at = Instant::now();
            let bytes = std::mem::take(&mut self.told.untold);
            self.told.own.tell(In::Sent { token: self.told.token, bytes });
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.outlet.flush()
    }
}

/// Two hashes.
const PAIR_BYTES: usize = 64;

/// How the machine hears why a file is not sent.
fn served(error: BlobError) -> ServeError {
    match error {
        BlobError::Stream(_) | BlobError::Stopped => ServeError::Lost,
        BlobError::Unknown | BlobError::SourceGone { .. } => ServeError::SourceGone,
        BlobError::SourceChanged { .. } => ServeError::SourceChanged,
        BlobError::OutOfRange => ServeError::NotOffered,
        other => {
            warn!(error = %other, "an offered file cannot be read");
            ServeError::Unreadable
        }
    }
}

/// What the asker hears.
const fn refusal(error: ServeError) -> Refusal {
    match error {
        ServeError::NotOffered => Refusal::NotOffered,
        ServeError::SourceChanged => Refusal::SourceChanged,
        ServeError::SourceGone => Refusal::SourceGone,
        ServeError::Lost => Refusal::Busy,
        ServeError::Unreadable => Refusal::Unreadable,
    }
}
