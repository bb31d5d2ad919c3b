//! A connection whose closing comes to an end even when the other side is gone.
//!
//! Closing a TCP connection wants to send what is still buffered. To a peer that vanished with full buffers that would take as long as the system
//! keeps trying (a quarter of an hour on Linux), and for so long the peer would count as connected. After [`PATIENCE`] the
//! connection is simply dropped; QUIC does as much by itself.

use libp2p::core::{StreamMuxer, muxing::StreamMuxerEvent};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Sleep, sleep};

/// How long closing may take: a few round trips on a bad line.
const PATIENCE: Duration = Duration::from_secs(2);

/// The connection.
pub(super) struct Closing<M> {
    inner: M,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<M> Closing<M> {
    /// Wraps a connection.
    pub(super) const fn new(inner: M) -> Self {
        Self { inner, deadline: None }
    }
}

impl<M: StreamMuxer + Unpin> StreamMuxer for Closing<M> {
    type Substream = M::Substream;
    type Error = M::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<M::Substream, M::Error>> {
        Pin::new(&mut self.inner).poll_inbound(cx)
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<M::Substream, M::Error>> {
        Pin::new(&mut self.inner).poll_outbound(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), M::Error>> {
        if let Poll::Ready(closed) = Pin::new(&mut self.inner).poll_close(cx) {
            return Poll::Ready(closed);
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        deadline.as_mut().poll(cx).map(Ok)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, M::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::poll_fn;
    use std::convert::Infallible;

    /// A connection to somebody who is gone: nothing ever happens on it.
    struct Gone;

    impl StreamMuxer for Gone {
        type Substream = futures::io::Cursor<Vec<u8>>;
        type Error = Infallible;

        fn poll_inbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Result<Self::Substream, Infallible>> {
            Poll::Pending
        }

        fn poll_outbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Result<Self::Substream, Infallible>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Pending
        }

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Infallible>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn closing_ends_without_the_other_side() {
        let mut connection = Closing::new(Gone);
        let closed = poll_fn(|cx| Pin::new(&mut connection).poll_close(cx));
        assert!(tokio::time::timeout(PATIENCE * 5, closed).await.is_ok());
    }
}
