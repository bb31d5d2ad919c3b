//! File streams as those see them who send and receive files: open one to a connected node, read, write, drop.
//!
//! What goes through one is in `docs/protocol/files.md`; here it is bytes. The transport has proved who is at the other end. When the connection ends, writing fails
//! and reading comes to an end, which over TCP looks the same as the other side having finished: whoever reads knows from the frames how much is to come.
//!
//! Files move between nodes that are connected already: no other node is dialled for them. What is new at most is a bulk connection beside those that stand.
//!
//! Not here: how a stream comes to be (`streaming`, `bulk`), how many there may be (`seats`).

use super::{
    ToDriver, address,
    bulk::{Bulk, Dialler, Place},
    seats::Seat,
};
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
    /// The node's program is one that transfers no files; or, where a bulk connection was asked for, there is none to be had with this node.
    #[error("the other node's program transfers no files in this way")]
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

/// How it answers who wants a bulk connection.
pub(super) type PlanAnswer = oneshot::Sender<Result<Plan, StreamError>>;

/// What a bulk connection is made from.
pub(super) struct Plan {
    pub(super) seat: Seat,
    /// Where the peer may be, best first.
    pub(super) places: Vec<Place>,
    pub(super) dialler: Dialler,
}

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
        self.tell(ToDriver::OpenStream { node, answer })?;
        // A connection that ends takes the question with it.
        opened.await.unwrap_or(Err(StreamError::Lost))
    }

    /// Opens a stream with a TCP connection of its own to a node that is connected directly: for much at once, at half of the cost or less.
    ///
    /// Nothing is left behind when the future is dropped.
    ///
    /// # Errors
    /// [`StreamError`], within 3 s; [`StreamError::Unsupported`] when there is none to be had, and then at once for some minutes: [`FileStreams::open`] may do.
    pub async fn open_bulk(&self, node: NodeId) -> Result<FileStream, StreamError> {
        let (answer, planned) = oneshot::channel();
        self.tell(ToDriver::PlanBulk { node, answer })?;
        let Plan { seat, places, dialler } = planned.await.unwrap_or(Err(StreamError::Lost))?;
        match dialler.dial(address::peer_id(node), places).await {
            Ok(bulk) => Ok(FileStream::bulk(seat, bulk)),
            Err(_) => {
                self.tell(ToDriver::NoBulk { node })?;
                Err(StreamError::Unsupported)
            }
        }
    }

    /// The best that there is: a bulk connection, or else an ordinary stream.
    ///
    /// # Errors
    /// [`StreamError`], within 13 s.
    pub async fn open_best(&self, node: NodeId) -> Result<FileStream, StreamError> {
        match self.open_bulk(node).await {
            Ok(stream) => Ok(stream),
            Err(_) => self.open(node).await,
        }
    }

    fn tell(&self, what: ToDriver) -> Result<(), StreamError> {
        self.queue.try_send(what).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StreamError::Busy,
            mpsc::error::TrySendError::Closed(_) => StreamError::NotConnected,
        })
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
    /// A connection of its own.
    Own(Bulk),
}

impl FileStream {
    /// A stream of one of the Swarm's connections.
    pub(super) const fn shared(seat: Seat, relayed: bool, stream: libp2p::Stream) -> Self {
        Self { io: Io::Shared(stream), relayed, seat }
    }

    /// A stream with a connection of its own.
    pub(super) const fn bulk(seat: Seat, bulk: Bulk) -> Self {
        Self { io: Io::Own(bulk), relayed: false, seat }
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

    /// Whether it has a connection of its own.
    #[must_use]
    pub const fn is_bulk(&self) -> bool {
        matches!(self.io, Io::Own(_))
    }
}

/// Why a stream ends before its time: its connection is dead, or it has one of its own and the peer has no other any more.
fn over<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "the other node is not connected any more",
    )))
}

impl AsyncRead for FileStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.seat.is_over_for_reader(cx) {
            return over();
        }
        let bytes = ready!(match &mut this.io {
            Io::Shared(io) => Pin::new(io).poll_read(cx, buffer),
            Io::Own(io) => Pin::new(io).poll_read(cx, buffer),
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
        if this.seat.is_over_for_reader(cx) {
            return over();
        }
        let bytes = ready!(match &mut this.io {
            Io::Shared(io) => Pin::new(io).poll_read_vectored(cx, buffers),
            Io::Own(io) => Pin::new(io).poll_read_vectored(cx, buffers),
        })?;
        this.seat.received(bytes);
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncWrite for FileStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.seat.is_over_for_writer(cx) {
            return over();
        }
        let bytes = ready!(match &mut this.io {
            Io::Shared(io) => Pin::new(io).poll_write(cx, buffer),
            Io::Own(io) => Pin::new(io).poll_write(cx, buffer),
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
        if this.seat.is_over_for_writer(cx) {
            return over();
        }
        let bytes = ready!(match &mut this.io {
            Io::Shared(io) => Pin::new(io).poll_write_vectored(cx, buffers),
            Io::Own(io) => Pin::new(io).poll_write_vectored(cx, buffers),
        })?;
        this.seat.sent(bytes);
        Poll::Ready(Ok(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.seat.is_over_for_writer(cx) {
            return over();
        }
        match &mut this.io {
            Io::Shared(io) => Pin::new(io).poll_flush(cx),
            Io::Own(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.seat.is_over_for_writer(cx) {
            return over();
        }
        match &mut this.io {
            Io::Shared(io) => Pin::new(io).poll_close(cx),
            Io::Own(io) => Pin::new(io).poll_close(cx),
        }
    }
}
