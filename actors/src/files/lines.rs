//! Streams of the file protocol as the data plane sees them: something that reads and writes, with whom, and whether it is made for bulk.
//!
//! The seam at which tests put pipes in the place of connections.
//!
//! Not here: how streams are opened (`net`).

use futures::{AsyncRead, AsyncWrite, future::BoxFuture, stream::BoxStream};
use pc2_protocols::id::NodeId;
use std::sync::Arc;

/// Reads and writes.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A stream whose other end was authenticated.
pub(crate) struct Stream {
    /// Who is there.
    pub(crate) peer: NodeId,
    /// What is said.
    pub(crate) io: Box<dyn Io>,
}

/// What a stream shall be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A word, or little.
    Little,
    /// Many megabytes: worth a connection of its own where one can be had.
    Bulk,
}

/// Why there is no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoStream {
    /// Not connected, or not any more, or too many are open.
    Lost,
    /// The other side does not speak the protocol.
    Unsupported,
}

/// Opens a stream to a peer that is connected; never dials somebody who is not.
pub(crate) type Open =
    Arc<dyn Fn(NodeId, Purpose) -> BoxFuture<'static, Result<Stream, NoStream>> + Send + Sync>;

/// Both ways of streams.
pub(crate) struct Lines {
    /// Ours.
    pub(crate) open: Open,
    /// Theirs: bounded, in all and for each peer, by whoever gives them.
    pub(crate) incoming: BoxStream<'static, Stream>,
}

impl Lines {
    /// With nobody.
    #[cfg(test)]
    pub(crate) fn nobody() -> Self {
        let open: Open = Arc::new(|_, _| Box::pin(async { Err(NoStream::Lost) }));
        Self { open, incoming: Box::pin(futures::stream::pending()) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll},
    };
    use tokio::io::{AsyncRead as _, AsyncWrite as _, DuplexStream, ReadBuf, duplex};

    /// One end of a pipe.
    pub(crate) struct End(DuplexStream);

    /// Two ends of a pipe that holds so many bytes.
    pub(crate) fn pipe(bytes: usize) -> (End, End) {
        let (one, other) = duplex(bytes);
        (End(one), End(other))
    }

    impl AsyncRead for End {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            into: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let mut buffer = ReadBuf::new(into);
            Pin::new(&mut self.0).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
        }
    }

    impl AsyncWrite for End {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }
}
