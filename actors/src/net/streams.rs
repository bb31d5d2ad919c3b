//! File streams as those see them who send and receive files: open one to a connected node, read, write, drop.
//!
//! What goes through one is in `docs/protocol/files.md`; here it is bytes. The transport has proved who is at the other end. When the connection ends, writing fails
//! and reading comes to an end, which over TCP looks the same as the other side having finished: whoever reads knows from the frames how much is to come.
//!
//! Nothing here dials: files move between nodes that are connected already.
//!
//! Not here: how a stream comes to be (`streaming`), how many there may be (`seats`).

use super::{ToDriver, seats::Seat};
use futures::{AsyncRead, AsyncWrite};
use pc2_protocols::id::NodeId;
use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::sync::{mpsc, oneshot};

/// Why there is no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// There is no connection with the node.
    #[error("the other node is not connected")]
    NotConnected,
    /// The node's program is one that transfers no files.
    #[error("the other node's program transfers no files")]
    Unsupported,
    /// The connection ended, or the node did not answer in time.
    #[error("the connection with the other node was lost")]
    Lost,
    /// Enough streams are open already.
    #[error("too many transfers are under way; try again later")]
    Busy,
}

/// Streams that peers opened to us. Those beyond the bounds never come here.
pub type ArrivingStreams = mpsc::Receiver<FileStream>;

/// The way to streams of our own. Cheap to clone.
#[derive(Clone)]
pub struct FileStreams {
    queue: mpsc::Sender<ToDriver>,
}

/// How the driver answers.
pub(super) type Answer = oneshot::Sender<Result<FileStream, StreamError>>;

impl FileStreams {
    pub(super) const fn new(queue: mpsc::Sender<ToDriver>) -> Self {
        Self { queue }
    }

    /// For tests and for a node without a network: nobody is ever connected.
    #[must_use]
    pub fn nowhere() -> Self {
        let (queue, _) = mpsc::channel(1);
        Self { queue }
    }

    /// Opens a stream on the best connection with a node: a direct one if there is any, otherwise one through a relay.
    ///
    /// Nothing is left behind when the future is dropped.
    ///
    /// # Errors
    /// [`StreamError`], within 10 s.
    pub async fn open(&self, node: NodeId) -> Result<FileStream, StreamError> {
        let (answer, opened) = oneshot::channel();
        self.queue.try_send(ToDriver::OpenStream { node, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StreamError::Busy,
            mpsc::error::TrySendError::Closed(_) => StreamError::NotConnected,
        })?;
        // A connection that ends takes the question with it.
        opened.await.unwrap_or(Err(StreamError::Lost))
    }
}

impl fmt::Debug for FileStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileStreams")
    }
}

/// A stream of `/pc2/file/1`. It counts against the bounds until it is dropped; what was not closed by then is reset.
#[derive(Debug)]
pub struct FileStream {
    // Declared before the place: that is free only when the stream has ended.
    io: Io,
    relayed: bool,
    seat: Seat,
}

#[derive(Debug)]
enum Io {
    /// One of the streams of a connection of the Swarm.
    Shared(libp2p::Stream),
}

impl FileStream {
    /// A stream of one of the Swarm's connections.
    pub(super) const fn shared(seat: Seat, relayed: bool, stream: libp2p::Stream) -> Self {
        Self { io: Io::Shared(stream), relayed, seat }
    }

    /// Who is at the other end, as proved to the transport.
    #[must_use]
    pub const fn peer(&self) -> NodeId {
        self.seat.node()
    }

    /// Whether it goes through a relay, which is slower and takes from what somebody lends.
    #[must_use]
    pub const fn relayed(&self) -> bool {
        self.relayed
    }
}

impl AsyncRead for FileStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let bytes = ready!(match &mut this.io {
            Io::Shared(io) => Pin::new(io).poll_read(cx, buffer),
        })?;
        this.seat.received(bytes);
        Poll::Ready(Ok(bytes))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let bytes = ready!(match &mut this.io {
            Io::Shared(io) => Pin::new(io).poll_read_vectored(cx, buffers),
        })?;
        this.seat.received(bytes);
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncWrite for FileStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let bytes = ready!(match &mut this.io {
            Io::Shared(io) => Pin::new(io).poll_write(cx, buffer),
        })?;
        this.seat.sent(bytes);
        Poll::Ready(Ok(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let bytes = ready!(match &mut this.io {
            Io::Shared(io) => Pin::new(io).poll_write_vectored(cx, buffers),
        })?;
        this.seat.sent(bytes);
        Poll::Ready(Ok(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Shared(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Shared(io) => Pin::new(io).poll_close(cx),
        }
    }
}
