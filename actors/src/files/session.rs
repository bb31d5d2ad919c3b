//! Asking one holder: a stream, questions on it one after the other, answers proven as they come.
//!
//! In: stretches of an open part. Out: how each question ended, and what is missing of it. The next question is on its way while
//! the last one is answered. Whatever goes wrong ends the stream, and with it every question on it; the machine asks again.
//!
//! A thread that may wait reads the answers. It is taken for one stretch at a time.
//!
//! Not here: what is asked of whom ([`pc2_protocols::files`]).

use super::{
    lines::{Io, NoStream, Purpose},
    part::{Ask, Shared},
    pipe::{Inlet, Stop},
    plane::Parts,
};
use futures::{
    AsyncReadExt as _, AsyncWriteExt as _,
    io::{ReadHalf, WriteHalf},
};
use pc2_protocols::{
    files::{
        In, PullError, PullId,
        offer::Offered,
        wire::{ANSWER_PATIENCE, Answer, Pull, Request, frame_length},
    },
    id::{NodeId, OfferId},
    limits::PULL_STALL,
};
use pc2_storage::blobs::BlobError;
use std::{
    io::{self, Read},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tracing::info;

/// A stretch is given up after this, however it flows: the holder is slower than anything worth waiting for, or plays with us.
const STRETCH_PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Nothing of an answer that has begun for so long: its connection is dead, or as good as that. Asked again, on the newest connection there is; messages find that
/// within 5 s of a relay's end (docs/nat-laboratory.md).
const QUIET: Duration = Duration::from_secs(6);

/// Progress is told this often.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// A stream on which nothing was asked for so long is closed.
const IDLE: Duration = Duration::from_secs(20);

/// What a holder is to be asked.
pub(crate) struct Stretch {
    pub(crate) pull: PullId,
    pub(crate) open: Shared,
    pub(crate) groups: Range<u64>,
}

/// One holder, for one transfer.
pub(crate) struct Session {
    pub(crate) parts: Arc<Parts>,
    pub(crate) holder: NodeId,
    pub(crate) offer: OfferId,
    pub(crate) what: Arc<Offered>,
    pub(crate) stop: Stop,
    /// Bytes of files that came from it, on this stream.
    pub(crate) bytes: AtomicU64,
}

/// What was asked, and waits for its answer.
struct Asked {
    stretch: Stretch,
    asks: Vec<Ask>,
}

impl Session {
    /// Carries stretches out until none comes any more. Each is answered once.
    pub(crate) async fn run(self, mut stretches: mpsc::UnboundedReceiver<Stretch>) {
        let mut stop = self.stop.clone();
        let opened = tokio::select! {
            biased;
            opened = (self.parts.open)(self.holder, self.purpose()) => opened,
            _ = stop.wait_for(|stopped| *stopped) => Err(NoStream::Lost),
        };
        match opened {
            Ok(stream) => {
                let (reading, writing) = stream.io.split();
                let (asked, answers) = mpsc::unbounded_channel();
                let session = Arc::new(self);
                let reader = tokio::spawn(Arc::clone(&session).read(reading, answers));
                session.write(writing, &mut stretches, asked).await;
                // Ends when it has answered what was asked, or with the stream.
                if let Err(error) = reader.await {
                    tracing::error!(%error, "receiving a file failed");
                }
                session.fail_all(&mut stretches, &PullError::Lost);
                let bytes = session.bytes.load(Ordering::Relaxed);
                info!(
                    offer = session.offer.short(),
                    holder = session.holder.short(),
                    bytes,
                    "received on one stream"
                );
            }
            Err(why) => {
                let error = match why {
                    NoStream::Lost => PullError::Lost,
                    NoStream::Unsupported => PullError::Unsupported,
                };
                self.fail_all(&mut stretches, &error);
            }
        }
    }

    fn purpose(&self) -> Purpose {
        if self.what.size().bytes() >= self.parts.bulk_from { Purpose::Bulk } else { Purpose::Little }
    }

    fn fail_all(&self, stretches: &mut mpsc::UnboundedReceiver<Stretch>, error: &PullError) {
        stretches.close();
        while let Ok(stretch) = stretches.try_recv() {
            self.ended(&stretch, Err(error.clone()));
        }
    }

    fn ended(&self, stretch: &Stretch, result: Result<(), PullError>) {
        let missing = stretch.open.missing(stretch.groups.clone());
        self.parts.own.tell(In::PullEnded { pull: stretch.pull, missing, result });
    }

    /// Writes questions as stretches come.
    async fn write(
        &self,
        mut writing: WriteHalf<Box<dyn Io>>,
        stretches: &mut mpsc::UnboundedReceiver<Stretch>,
        asked: mpsc::UnboundedSender<Asked>,
    ) {
        let mut stop = self.stop.clone();
        loop {
            let next = tokio::select! {
                biased;
                _ = stop.wait_for(|stopped| *stopped) => break,
                // Nobody reads answers any more.
                () = asked.closed() => break,
                next = timeout(IDLE, stretches.recv()) => next,
            };
            let Ok(Some(stretch)) = next else { break };
            let asks = match stretch.open.asks(&stretch.groups, &self.what) {
                Ok(asks) => asks,
                Err(error) => {
                    self.ended(&stretch, Err(failed(error)));
                    continue;
                }
            };
            let mut frames = Vec::new();
            for ask in &asks {
                let (blob, size, groups) = (ask.blob, ask.size, ask.groups.clone());
                let ask = Pull { offer: self.offer, blob, size, groups };
                frames.extend_from_slice(&Request::Pull { ask }.encode());
            }
            // First into the book: the answer may be there before the last question is written.
            if let Err(back) = asked.send(Asked { stretch, asks }) {
                self.ended(&back.0.stretch, Err(PullError::Lost));
                break;
            }
            let written = async {
                writing.write_all(&frames).await?;
                writing.flush().await
            };
            tokio::select! {
                biased;
                _ = stop.wait_for(|stopped| *stopped) => break,
                () = asked.closed() => break,
                written = timeout(PULL_STALL, written) => if !matches!(written, Ok(Ok(()))) { break },
            }
        }
        // Whoever answers sees the end of our questions, and ends, too.
        let _it_may_be_gone = timeout(Duration::from_secs(1), writing.close()).await;
    }

    /// Reads answers in the order of the questions.
    async fn read(
        self: Arc<Self>,
        reading: ReadHalf<Box<dyn Io>>,
        mut answers: mpsc::UnboundedReceiver<Asked>,
    ) {
        let runtime = tokio::runtime::Handle::current();
        let mut inlet = Inlet::new(reading, runtime, Arc::clone(&self.parts.down), self.stop.clone());
        while let Some(asked) = answers.recv().await {
            let session = Arc::clone(&self);
            let job = tokio::task::spawn_blocking(move || {
                let result = session.take(&mut inlet, &asked);
                session.ended(&asked.stretch, result.clone());
                (inlet, result)
            });
            match job.await {
                Ok((back, Ok(()))) => inlet = back,
                Ok((_, Err(_))) | Err(_) => break,
            }
        }
        answers.close();
        while let Ok(asked) = answers.try_recv() {
            self.ended(&asked.stretch, Err(PullError::Lost));
        }
    }

    /// Takes the answers to one stretch. Blocks.
    fn take(&self, inlet: &mut Inlet<ReadHalf<Box<dyn Io>>>, asked: &Asked) -> Result<(), PullError> {
        let until = Instant::now() + STRETCH_PATIENCE;
        for ask in &asked.asks {
            inlet.patience(ANSWER_PATIENCE, until);
            let piece = match answer(inlet)? {
                Answer::Sending => None,
                Answer::SendingPiece { piece } => Some(piece),
                Answer::Refused { reason } => return Err(PullError::Refused(reason)),
                Answer::Noted => return Err(PullError::Unsupported),
            };
            inlet.patience(QUIET, until);
            let mut progress =
                Told { session: self, pull: asked.stretch.pull, inlet, at: Instant::now(), told: 0, read: 0 };
            let result = asked.stretch.open.accept(ask, piece, &mut progress);
            let told = progress.told;
            match result.ok_or(PullError::Unsupported)? {
                Ok(new) => self.progress(asked.stretch.pull, new.saturating_sub(told)),
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    fn progress(&self, pull: PullId, bytes: u64) {
        if bytes > 0 {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.parts.own.tell(In::Progress { pull, bytes });
        }
    }
}

/// Reads, and tells how far it has come while a long answer is under way.
struct Told<'a, R> {
    session: &'a Session,
    pull: PullId,
    inlet: &'a mut Inlet<R>,
    at: Instant,
    told: u64,
    read: u64,
}

impl<R: futures::AsyncRead + Unpin> Read for Told<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inlet.read(into)?;
        self.read = self.read.saturating_add(u64::try_from(read).unwrap_or_default());
        if self.at.elapsed() >= TELL_EVERY {
            self.at = Instant::now();
            // Hashes are under a half percent of what comes; a group that is not whole yet is not counted.
            let proven = (self.read / 1_000).saturating_mul(995).saturating_sub(16 * 1024);
            let news = proven.saturating_sub(self.told);
            self.told = self.told.saturating_add(news);
            self.session.progress(self.pull, news);
        }
        Ok(read)
    }
}

fn answer<R: futures::AsyncRead + Unpin>(inlet: &mut Inlet<R>) -> Result<Answer, PullError> {
    let mut prefix = [0; 2];
    inlet.read_exact(&mut prefix).map_err(|_| PullError::Lost)?;
    let length = frame_length(prefix).ok_or(PullError::Unsupported)?;
    let mut frame = vec![0; length];
    inlet.read_exact(&mut frame).map_err(|_| PullError::Lost)?;
    Answer::decode(&frame).map_err(|_| PullError::Unsupported)
}

/// How the machine hears what went wrong while groups were taken in.
fn failed(error: BlobError) -> PullError {
    match error {
        BlobError::NotTheFile { .. } | BlobError::WrongSize { .. } => PullError::NotTheFile,
        // Another transfer receives the same file at the moment: asked again later.
        BlobError::Stream(_) | BlobError::Busy => PullError::Lost,
        BlobError::NoRoom { .. } => PullError::NoRoom,
        other => PullError::Disk(other.to_string()),
    }
}
