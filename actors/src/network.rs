//! The network as the tree starts, asks and stops it: the seam at which tests put another one.
//!
//! In: [`Routes`] to the hosts. Out: a port for commands, a view for people, an orderly end. When the driver ends by itself
//! (only a panic makes it), that is [`Fatal`]: nothing would reach the network any more.
//!
//! Not here: the driver (`net`).

use crate::{
    api::NodeHandle,
    files::lines::{Lines, NoStream, Open, Purpose, Stream},
    line::Port,
    meter::Chart,
    net::{
        self, ArrivingStreams, FileStream, FileStreams, Full, NetConfig, NetStartError, NetTask, NetworkView,
        Routes, StreamError,
    },
    watchdog::Fatal,
};
use futures::{future::BoxFuture, stream::poll_fn};
use std::sync::Arc;
use tokio::{runtime, sync::oneshot, task::JoinHandle};
use tracing::warn;

/// Has the network try at once what it tries now and then.
pub(crate) type Try = Arc<dyn Fn() + Send + Sync>;

/// How the network looks right now; `None` when it has ended.
pub(crate) type Look = Arc<dyn Fn() -> BoxFuture<'static, Option<NetworkView>> + Send + Sync>;

/// A running network.
pub(crate) struct Network {
    pub(crate) port: Port,
    pub(crate) look: Look,
    pub(crate) try_now: Try,
    /// Streams of the file protocol.
    pub(crate) files: Lines,
    /// Waits until it ends by itself, or ends it when told to.
    pub(crate) task: BoxFuture<'static, Option<Fatal>>,
    /// Tells it to.
    pub(crate) stop: oneshot::Sender<()>,
}

/// Starts the network of this node.
pub(crate) fn spawn(
    io: &runtime::Handle,
    config: NetConfig,
    routes: Routes,
) -> Result<Network, NetStartError> {
    let (handle, task, arriving) = net::spawn(io, config, routes)?;
    let (stop, stopped) = oneshot::channel();
    let (commands, trying) = (handle.clone(), handle.clone());
    Ok(Network {
        try_now: Arc::new(move || trying.try_now()),
        port: Arc::new(move |command| commands.command(command).map_err(|Full(command)| command)),
        files: lines(handle.files(), arriving),
        look: Arc::new(move || {
            let handle = handle.clone();
            Box::pin(async move { handle.view().await })
        }),
        task: Box::pin(guard(task, stopped)),
        stop,
    })
}

impl NodeHandle {
    /// What went through in the last minute, hour and day. Who asks is told once, by [`net::NetEvent::Traffic`], when more has.
    #[must_use]
    pub fn traffic(&self) -> [Chart; 3] {
        self.inner.meter.charts(self.inner.clock.now().unix)
    }

    /// Has peers try anew to reach this node, and it those that it joins the network through. What comes of it shows in the views, within seconds.
    pub fn try_network(&self) {
        (self.inner.try_now)();
    }
}

/// Streams as the data plane of file transfer sees them.
fn lines(streams: FileStreams, mut arriving: ArrivingStreams) -> Lines {
    let whole = |stream: FileStream| Stream { peer: stream.peer(), io: Box::new(stream) };
    let open: Open = Arc::new(move |node, purpose| {
        let streams = streams.clone();
        Box::pin(async move {
            let opened = match purpose {
                Purpose::Little => streams.open(node).await,
                Purpose::Bulk => streams.open_best(node).await,
            };
            opened.map(whole).map_err(|error| match error {
                StreamError::Unsupported => NoStream::Unsupported,
                StreamError::NotConnected | StreamError::Lost | StreamError::Busy => NoStream::Lost,
            })
        })
    });
    let incoming = poll_fn(move |cx| arriving.poll_recv(cx).map(|stream| stream.map(whole)));
    Lines { open, incoming: Box::pin(incoming) }
}

async fn guard(mut task: NetTask, stopped: oneshot::Receiver<()>) -> Option<Fatal> {
    tokio::select! {
        biased;
        // Told to, or nobody is left to tell it.
        _ = stopped => {
            if let Err(failed) = task.shutdown().await {
                warn!(%failed, "the network had ended already");
            }
            None
        }
        failed = task.ended() => Some(Fatal::Network { reason: failed.reason }),
    }
}

/// The network under guard: what the tree keeps of it.
pub(crate) struct Guarded {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Guarded {
    /// Watches over the network's end.
    pub(crate) fn new(
        io: &runtime::Handle,
        stop: oneshot::Sender<()>,
        task: BoxFuture<'static, Option<Fatal>>,
        on_fatal: Arc<dyn Fn(Fatal) + Send + Sync>,
    ) -> Self {
        let task = io.spawn(async move {
            if let Some(fatal) = task.await {
                on_fatal(fatal);
            }
        });
        Self { stop, task }
    }

    /// Closes the network and waits for its end.
    pub(crate) async fn shutdown(self) {
        let _it_may_have_ended = self.stop.send(());
        if let Err(error) = self.task.await {
            warn!(%error, "the guard of the network failed");
        }
    }
}
