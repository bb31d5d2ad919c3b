//! A stream for threads that may wait: the blob store reads and writes without async, and streams do nothing else.
//!
//! In: half of a stream. Out: [`Read`] or [`Write`], with a buffer, the pace that was set, an end when nothing moves for too long or somebody wants
//! it to stop. Why it ended is kept apart from the error, which passes through the blob store and comes back as text.
//!
//! Only on blocking threads: it waits by the runtime.

use super::pace::Pace;
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use std::{
    io::{self, Read, Write},
    ops::Range,
    sync::Arc,
    time::Duration,
};
use tokio::{
    runtime,
    sync::watch,
    time::{Instant, timeout},
};

/// Bytes moved by one call: some hundred microseconds of a fast line.
const BUFFER: usize = 256 * 1024;

/// With a limit, so many at once: smaller steps, so that a slow line flows evenly.
const STEP: usize = 16 * 1024;

/// Pieces of so many bytes are read to where they are wanted, without the buffer in between.
const LARGE: usize = 4 * 1024;

/// Something that everybody may wait for, and one brings about.
pub(crate) type Stop = watch::Receiver<bool>;

/// Reads from a stream.
pub(crate) struct Inlet<R> {
    io: R,
    runtime: runtime::Handle,
    pace: Arc<Pace>,
    stop: Stop,
    quiet: Duration,
    until: Instant,
    buffer: Box<[u8]>,
    ready: Range<usize>,
}

impl<R: AsyncRead + Unpin> Inlet<R> {
    pub(crate) fn new(io: R, runtime: runtime::Handle, pace: Arc<Pace>, stop: Stop) -> Self {
        let (quiet, until) = (Duration::ZERO, Instant::now());
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { io, runtime, pace, stop, quiet, until, buffer, ready: 0..0 }
    }

    /// From now on something has to come every `quiet`, and nothing is waited for after `until`.
    pub(crate) const fn patience(&mut self, quiet: Duration, until: Instant) {
        (self.quiet, self.until) = (quiet, until);
    }

    fn wait_for(&mut self, direct: Option<&mut [u8]>) -> io::Result<usize> {
        let quiet = self.quiet.min(self.until.saturating_duration_since(Instant::now()));
        let (io, stop, pace) = (&mut self.io, &mut self.stop, &self.pace);
        let into = direct.unwrap_or(&mut self.buffer);
        let most = if pace.is_limited() { into.len().min(STEP) } else { into.len() };
        let into = into.get_mut(..most).unwrap_or_default();
        self.runtime.block_on(async {
            let reading = async {
                let read = timeout(quiet, io.read(into)).await;
                let read = read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
                pace.take(read).await;
                io::Result::Ok(read)
            };
            tokio::select! {
                biased;
                read = reading => read,
                _ = stop.wait_for(|stopped| *stopped) => Err(io::Error::other("stopped")),
            }
        })
    }
}

impl<R: AsyncRead + Unpin> Read for Inlet<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = if self.ready.is_empty() && into.len() >= LARGE {
            self.wait_for(Some(into))?
        } else {
            if self.ready.is_empty() {
                self.ready = 0..self.wait_for(None)?;
            }
            let ready = self.buffer.get(self.ready.clone()).unwrap_or_default();
            let taken = ready.len().min(into.len());
            if let (Some(into), Some(ready)) = (into.get_mut(..taken), ready.get(..taken)) {
                into.copy_from_slice(ready);
            }
            self.ready.start = self.ready.start.saturating_add(taken);
            taken
        };
        Ok(read)
    }
}

/// Writes to a stream.
pub(crate) struct Outlet<W> {
    io: W,
    runtime: runtime::Handle,
    pace: Arc<Pace>,
    stop: Stop,
    quiet: Duration,
    buffer: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Outlet<W> {
    pub(crate) fn new(io: W, runtime: runtime::Handle, pace: Arc<Pace>, stop: Stop, quiet: Duration) -> Self {
        Self { io, runtime, pace, stop, quiet, buffer: Vec::with_capacity(BUFFER) }
    }

    /// From now on it stops when this says so.
    pub(crate) fn stopped_by(&mut self, stop: Stop) {
        self.stop = stop;
    }

    /// Forgets what was not given to the stream yet.
    pub(crate) fn discard(&mut self) {
        self.buffer.clear();
    }

    fn give(&mut self) -> io::Result<()> {
        let (io, stop, pace, quiet) = (&mut self.io, &mut self.stop, &self.pace, self.quiet);
        let step = if pace.is_limited() { STEP } else { BUFFER };
        let buffer = &self.buffer;
        self.runtime.block_on(async {
            for piece in buffer.chunks(step) {
                let writing = async {
                    pace.take(piece.len()).await;
                    timeout(quiet, io.write_all(piece))
                        .await
                        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                };
                tokio::select! {
                    biased;
                    written = writing => written?,
                    _ = stop.wait_for(|stopped| *stopped) => return Err(io::Error::other("stopped")),
                }
            }
            Ok(())
        })?;
        self.buffer.clear();
        Ok(())
    }
}

impl<W: AsyncWrite + Unpin> Write for Outlet<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() >= BUFFER {
            self.give()?;
        }
        let taken = bytes.len().min(BUFFER.saturating_sub(self.buffer.len()));
        self.buffer.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.give()?;
        let (io, quiet) = (&mut self.io, self.quiet);
        self.runtime.block_on(async {
            timeout(quiet, io.flush()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::lines::tests::pipe;

    fn unlimited() -> Arc<Pace> {
        Arc::new(Pace::unlimited())
    }

    #[test]
    fn bytes_pass_in_order_whatever_the_sizes_of_the_pieces() {
        let runtime = runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let (one, other) = pipe(10_000);
        let (_running, stop) = watch::channel(false);
        let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
        let mut outlet =
            Outlet::new(one, runtime.handle().clone(), unlimited(), stop.clone(), Duration::from_secs(9));
        let writing = std::thread::spawn({
            let sent = sent.clone();
            move || {
                for piece in sent.chunks(77_777) {
                    outlet.write_all(piece).expect("written");
                }
                outlet.flush().expect("flushed");
            }
        });
        let mut inlet = Inlet::new(other, runtime.handle().clone(), unlimited(), stop);
        inlet.patience(Duration::from_secs(9), Instant::now() + Duration::from_secs(60));
        let mut got = vec![0; sent.len()];
        let mut rest = &mut got[..];
        for size in [64, 16_384, 1, 5_000].into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at_mut(size.min(rest.len()));
            inlet.read_exact(piece).expect("read");
            rest = after;
        }
        assert!(got == sent);
        writing.join().expect("ended");
    }

    #[test]
    fn a_stream_on_which_nothing_comes_ends_and_so_does_one_that_is_stopped() {
        let runtime = runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let (_silent, other) = pipe(10);
        let (running, stop) = watch::channel(false);
        let mut inlet = Inlet::new(other, runtime.handle().clone(), unlimited(), stop);
        inlet.patience(Duration::from_millis(20), Instant::now() + Duration::from_secs(60));
        assert_eq!(inlet.read(&mut [0; 9]).expect_err("quiet").kind(), io::ErrorKind::TimedOut);
        inlet.patience(Duration::from_secs(60), Instant::now() + Duration::from_secs(60));
        running.send(true).expect("it listens");
        assert!(inlet.read(&mut [0; 9]).is_err());
    }
}
