//! The server: listens, takes connections, and ends in order.
//!
//! Bounded, so that a flood costs others nothing: connections (further ones are closed at once), the time a request's
//! head may take, and how long an end is waited for. A connection that became an event stream is none of these any more: only who is signed in
//! has one, and those have places of their own ([`crate::events`]). Requests themselves are answered in [`crate::app`].

use crate::{
    app::{App, LoginLink, requests},
    chains::ChainNodes,
    dto,
    events::MAX_STREAMS,
    keeper::{CarriedSession, Keeper},
    kept::Kept,
    places::{Place, Places},
    secret::NoRandomness,
    sign_in::machine,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use pc2_actors::api::{CallError, NodeHandle};
use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr, TcpListener as StdListener},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// Connections from other machines at once, at most: a browser opens six, and there are a few browsers and scripts.
const MAX_CONNECTIONS: usize = 256;

/// Of one machine.
const MAX_CONNECTIONS_EACH: usize = 64;

/// Connections from this machine at once, at most, beside the others: what comes from elsewhere keeps nobody here from their node. A proxy
/// in front of us brings everybody, so there is no bound for each of them.
const MAX_OWN_CONNECTIONS: usize = 256;

/// Files the process may have open beside event streams: connections of the web and of the network, the database, files under way.
const OTHER_FILES: usize = 1_536;

/// Event streams there are places for, however few files may be open.
const MIN_STREAMS: usize = 64;

/// How long the head of a request may take, the wait for the next one included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Pause after the system refused to give a connection (too many open files): it will refuse the next as well.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long open requests may take to end when the server stops.
const CLOSING_TIME: Duration = Duration::from_secs(3);

/// What a server is told when it starts.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// Where it listens. Port 0 takes any that is free.
    pub bind: SocketAddr,
    /// Names besides the loopback ones under which it is reached: `pc2.example.org` or `pc2.example.org:8443`.
    pub names: Vec<String>,
    /// The token of `api.json`, for the command line.
    pub api_token: String,
    /// Of the program, to be shown.
    pub version: String,
    /// Who keeps the identity file, the phrase and the setup.
    pub keeper: Arc<dyn Keeper>,
    /// Who is asked about contract wallets.
    pub chains: Arc<dyn ChainNodes>,
    /// What the node was started with, to be shown.
    pub settings: dto::StartSettings,
    /// How many event streams may be open: [`streams_for`] what the system allows.
    pub streams: usize,
    /// A browser that was signed in before another identity took this place: it stays so.
    pub carried: Option<CarriedSession>,
}

/// Why the server could not start. Worded for people.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody listens there.
    #[error("port {} of {} is taken: another PC2 or another program listens there; stop it, or choose another port", .address.port(), .address.ip())]
    PortTaken {
        /// Where.
        address: SocketAddr,
    },
    /// The system does not allow it.
    #[error(
        "listening on {address} is not allowed here; ports below 1024 need rights that PC2 should not have: choose a higher one"
    )]
    NotAllowed {
        /// Where.
        address: SocketAddr,
    },
    /// The address is not one of this machine, or something else.
    #[error("cannot listen on {address}")]
    CannotListen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The stored sessions could not be read.
    #[error("cannot read who is signed in")]
    Sessions(#[source] CallError<Infallible>),
}

/// How many event streams there is room for where the system lets a process open so many files.
#[must_use]
pub fn streams_for(open_files: usize) -> usize {
    open_files.saturating_sub(OTHER_FILES).clamp(MIN_STREAMS, MAX_STREAMS)
}

/// A running server.
pub struct WebServer {
    app: Arc<App>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// Starts a server for a node; its connections are served on `io`.
///
/// # Errors
/// [`StartError`].
pub async fn serve(node: NodeHandle, config: WebConfig, io: &Handle) -> Result<WebServer, StartError> {
    let address = config.bind;
    let (listener, address) = listen(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortTaken { address },
        io::ErrorKind::PermissionDenied => StartError::NotAllowed { address },
        _ => StartError::CannotListen { address, source },
    })?;
    let rows = node.access().await.map_err(StartError::Sessions)?;
    let kept = Kept::new(node.account(), rows);
    let carried = config.carried.clone();
    let app = Arc::new(App::new(node, config, address, kept));
    if let Some(session) = carried {
        let now = app.now();
        let carry = app.change(move |kept| {
            kept.carry(&session, now);
            Ok(())
        });
        // Otherwise they sign in again; why is in the log.
        drop(carry.await);
    }
    let task = io.spawn(accept(listener, Arc::clone(&app)));
    Ok(WebServer { app, address, task })
}

impl WebServer {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a link that signs the owner in once.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn login_link(&self) -> Result<LoginLink, NoRandomness> {
        self.app.login_link()
    }

    /// Takes no more connections, lets open requests end, tells event streams, and returns when all is closed.
    pub async fn shutdown(self) {
        self.app.closing.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the web server did not end in order");
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<(StdListener, SocketAddr)> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn accept(listener: StdListener, app: Arc<App>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the web server cannot use its socket");
            return;
        }
    };
    let others = Places::new(MAX_CONNECTIONS, MAX_CONNECTIONS_EACH);
    let own = Places::new(MAX_OWN_CONNECTIONS, MAX_OWN_CONNECTIONS);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = app.closed() => break,
            Some(ended) = connections.join_next() => report(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    let from = machine(from.ip());
                    let places = if from.is_loopback() { &own } else { &others };
                    match places.take(from) {
                        Ok(place) => {
                            connections.spawn(connection(stream, from, Arc::clone(&app), place));
                        }
                        Err(full) => tracing::debug!(%from, ?full, "a connection was closed: there are too many"),
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            report(ended)
        }
    };
    if timeout(CLOSING_TIME, all_ended).await.is_err() {
        tracing::debug!("connections that did not end in time are cut");
    }
}

/// A handler that panicked took its connection with it, nothing else.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a web request failed");
    }
}

async fn connection(stream: TcpStream, from: IpAddr, app: Arc<App>, _place: Place<IpAddr>) {
    // What is small goes at once. A connection for which that cannot be said is none any more.
    drop(stream.set_nodelay(true));
    let service = TowerToHyperService::new(warp::service(requests(Arc::clone(&app), from)));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut serving = pin!(server.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = app.closed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a web connection broke");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_streams_as_files_may_be_open_and_no_more_than_are_wanted() {
        assert_eq!([0, 1_024, 4_096, 20_000, usize::MAX].map(streams_for), [64, 64, 2_560, 10_240, 10_240]);
    }
}
