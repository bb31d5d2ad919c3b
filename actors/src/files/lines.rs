//! Streams of the file protocol as the data plane sees them: something that reads and writes, with whom, and whether it is made for bulk.
//!
//! The seam at which tests put pipes in the place of connections.
//!
//! Not here: how streams are opened (`net`).

use futures::{AsyncRead, AsyncWrite, future::BoxFuture};
use pc2_protocols::id::NodeId;
use std::sync::Arc;
use tokio::sync::mpsc;

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
    pub(crate) incoming: mpsc::Receiver<Stream>,
}

impl Lines {
    /// With nobody.
    pub(crate) fn nobody() -> Self {
        let (_, incoming) = mpsc::channel(1);
        Self { open: Arc::new(|_, _| Box::pin(async { Err(NoStream::Lost) })), incoming }
    }
}
