//! A connection on which relayed traffic keeps to the rate that is lent for it.
//!
//! libp2p's relay bounds the bytes and the time of a circuit, and copies as fast as both lines allow. It opens one stream to whoever a circuit leads to,
//! and both directions go through that stream: so that one is slowed down here, and the other end of the circuit with it, because a relay that
//! cannot write does not read. Such a stream is known by the protocol that our own side asks for on it, in its first bytes. All
//! others pass untouched.
//!
//! Not here: the rate itself (`throttle`), how many circuits there may be (`hosting`).

use super::throttle::{PIECE_BYTES, Throttle};
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::{StreamMuxer, muxing::StreamMuxerEvent};
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};
use tokio::time::{Sleep, sleep_until};

/// By this the relay asks the destination of a circuit.
const STOP: &[u8] = b"/libp2p/circuit/relay/0.2.0/stop";

/// The name stands in the first two lines of a stream; after so many bytes without it, it is another.
const LOOK_WITHIN: usize = 96;

/// The connection.
pub(super) struct Shaped<M> {
    inner: M,
    throttle: Arc<Throttle>,
}

impl<M> Shaped<M> {
    /// Wraps a connection.
    pub(super) const fn new(inner: M, throttle: Arc<Throttle>) -> Self {
        Self { inner, throttle }
    }
}

impl<M: StreamMuxer + Unpin> StreamMuxer for Shaped<M>
where
    M::Substream: Unpin,
{
    type Substream = Stream<M::Substream>;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, M::Error>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_inbound(cx))?;
        Poll::Ready(Ok(Stream { inner: stream, kind: Kind::Free }))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, M::Error>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_outbound(cx))?;
        let kind = Kind::New { written: Vec::new(), throttle: Arc::clone(&self.throttle) };
        Poll::Ready(Ok(Stream { inner: stream, kind }))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), M::Error>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, M::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// One stream of it.
pub(super) struct Stream<S> {
    inner: S,
    kind: Kind,
}

enum Kind {
    /// Ours, and not yet known.
    New { written: Vec<u8>, throttle: Arc<Throttle> },
    /// Not a circuit.
    Free,
    /// A circuit; each direction has pieces of its own.
    Circuit { throttle: Arc<Throttle>, read: Piece, write: Piece },
}

/// What one direction may still use.
#[derive(Default)]
struct Piece {
    /// Bytes.
    left: usize,
    /// Until they may be used.
    wait: Option<Pin<Box<Sleep>>>,
}

impl Piece {
    /// How many bytes may be used now.
    fn poll(&mut self, throttle: &Throttle, cx: &mut Context<'_>) -> Poll<usize> {
        if self.left == 0 {
            let now = Instant::now();
            let from = throttle.take(now);
            self.left = usize::try_from(PIECE_BYTES).unwrap_or(usize::MAX);
            // Timers have milliseconds: a wait for what may go at once would be the limit itself, 15 MB/s.
            self.wait = (from > now).then(|| Box::pin(sleep_until(from.into())));
        }
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
        }
        Poll::Ready(self.left)
    }

    fn used(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }
}

impl Kind {
    /// Looks at what our side says first.
    fn saw(&mut self, bytes: &[u8]) {
        let Self::New { written, throttle } = self else { return };
        written.extend_from_slice(&bytes[..bytes.len().min(LOOK_WITHIN)]);
        if written.windows(STOP.len()).any(|window| window == STOP) {
            let throttle = Arc::clone(throttle);
            *self = Self::Circuit { throttle, read: Piece::default(), write: Piece::default() };
        } else if written.len() >= LOOK_WITHIN {
            *self = Self::Free;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let inner = Pin::new(&mut this.inner);
        let Kind::Circuit { throttle, read, .. } = &mut this.kind else { return inner.poll_read(cx, buffer) };
        let most = ready!(read.poll(throttle, cx)).min(buffer.len());
        let bytes = ready!(inner.poll_read(cx, &mut buffer[..most]))?;
        read.used(bytes);
        Poll::Ready(Ok(bytes))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let inner = Pin::new(&mut this.inner);
        if let Kind::Circuit { throttle, write, .. } = &mut this.kind {
            let most = ready!(write.poll(throttle, cx)).min(buffer.len());
            let bytes = ready!(inner.poll_write(cx, &buffer[..most]))?;
            write.used(bytes);
            return Poll::Ready(Ok(bytes));
        }
        let bytes = ready!(inner.poll_write(cx, buffer))?;
        this.kind.saw(&buffer[..bytes]);
        Poll::Ready(Ok(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{AsyncReadExt, AsyncWriteExt, io::Cursor};
    use std::time::Duration;

    const RATE: u64 = 256 * 1024;

    fn stream(from: Vec<u8>) -> Stream<Cursor<Vec<u8>>> {
        let kind = Kind::New { written: Vec::new(), throttle: Arc::new(Throttle::new(RATE)) };
        Stream { inner: Cursor::new(from), kind }
    }

    /// Writes as libp2p opens a stream, then a second's worth of bytes; how long these took, and whether it counted as a circuit.
    async fn takes(protocol: &str) -> (Duration, bool) {
        let mut stream = stream(Vec::new());
        stream.write_all(b"\x13/multistream/1.0.0\n").await.expect("a buffer");
        let line = format!("{protocol}\n");
        stream.write_all(&[u8::try_from(line.len()).expect("short")]).await.expect("a buffer");
        stream.write_all(line.as_bytes()).await.expect("a buffer");
        let start = tokio::time::Instant::now();
        stream.write_all(&vec![0; usize::try_from(RATE).expect("small")]).await.expect("a buffer");
        (start.elapsed(), matches!(stream.kind, Kind::Circuit { .. }))
    }

    #[tokio::test]
    async fn a_circuit_keeps_to_the_rate_and_everything_else_does_not_wait() {
        let (_, is_circuit) = takes("/pc2/msg/1").await;
        assert!(!is_circuit, "nothing makes it wait");
        let (took, is_circuit) = takes("/libp2p/circuit/relay/0.2.0/stop").await;
        assert!(
            is_circuit && took >= Duration::from_millis(700),
            "a burst of a quarter, the rest in time: {took:?}"
        );
    }

    #[tokio::test]
    async fn what_comes_back_through_a_circuit_keeps_to_it_too_and_stays_whole() {
        let bytes: Vec<u8> = (0..RATE).map(|n| u8::try_from(n % 251).expect("a byte")).collect();
        let mut stream = stream(bytes.clone());
        stream.kind.saw(b"\x13/multistream/1.0.0\n\x21/libp2p/circuit/relay/0.2.0/stop\n");
        let start = tokio::time::Instant::now();
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.expect("a buffer");
        assert!(read == bytes);
        assert!(start.elapsed() >= Duration::from_millis(700), "{:?}", start.elapsed());
    }

    #[test]
    fn a_name_in_the_middle_of_a_conversation_changes_nothing() {
        let mut kind = Kind::New { written: Vec::new(), throttle: Arc::new(Throttle::new(RATE)) };
        kind.saw(&[0; LOOK_WITHIN]);
        kind.saw(STOP);
        assert!(matches!(kind, Kind::Free));
    }
}
