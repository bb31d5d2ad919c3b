//! From a request to an answer, and what the handlers share.
//!
//! Each request goes the same way: is it addressed to us and from where it may come ([`crate::guard`]) → which route
//! ([`crate::routes`]) → who asks ([`crate::auth`]), may they ([`crate::roles`]) → read the body, within its bound → the handler. What is no
//! route is a file of the page, or nothing. One origin serves page and API.
//!
//! Not here: connections and their limits ([`crate::server`]).

use crate::{
    answer, assets,
    auth::{Auth, Session},
    guard::{Guard, Target},
    problem::Problem,
    request::{Call, Pieces, read_body, read_optional_body},
    routes::{self, Found, Takes},
    secret::{NoRandomness, SecretHash},
    server::WebConfig,
};
use futures::Stream;
use pc2_actors::api::{CallError, NodeHandle};
use pc2_protocols::{files, messenger, time::UnixMillis};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{Semaphore, watch};
use warp::{
    Buf, Filter, Rejection,
    http::{HeaderMap, Method},
    path::FullPath,
    reply::Response,
    ws::Ws,
};

/// Event streams at once, at most: each page has one, scripts a few.
const MAX_STREAMS: usize = 64;

/// Files that browsers bring at once, at most: each holds a quarter of a megabyte, and one disk takes them all.
const MAX_UPLOADS: usize = 8;

/// Files that are sent to browsers at once, at most: a page full of pictures, and some downloads.
const MAX_DOWNLOADS: usize = 32;

/// A link that signs the owner in once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginLink {
    /// To be opened in a browser. The secret stands behind `#`, which browsers do not send anywhere.
    pub url: String,
    /// Until when it can be used.
    pub expires: UnixMillis,
}

/// What handlers share.
pub(crate) struct App {
    pub(crate) node: NodeHandle,
    pub(crate) version: String,
    pub(crate) sealed_identity: bool,
    /// Turns true when the server stops.
    pub(crate) closing: watch::Sender<bool>,
    /// Changes whenever a session was ended.
    pub(crate) sessions: watch::Sender<u64>,
    /// One permit for each event stream.
    pub(crate) streams: Arc<Semaphore>,
    /// One permit for each file that a browser brings.
    pub(crate) uploads: Arc<Semaphore>,
    /// One permit for each file that a browser gets.
    pub(crate) downloads: Arc<Semaphore>,
    guard: Guard,
    auth: Mutex<Auth>,
    address: SocketAddr,
}

/// A request as it came.
struct Incoming<S> {
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
    upgrade: Option<Ws>,
    body: S,
}

impl App {
    pub(crate) fn new(
        node: NodeHandle,
        config: WebConfig,
        address: SocketAddr,
        sessions: Vec<(SecretHash, Session)>,
    ) -> Self {
        Self {
            node,
            guard: Guard::new(address.port(), &config.names),
            auth: Mutex::new(Auth::new(address.port(), &config.api_token, sessions)),
            version: config.version,
            sealed_identity: config.sealed_identity,
            closing: watch::Sender::new(false),
            sessions: watch::Sender::new(0),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            uploads: Arc::new(Semaphore::new(MAX_UPLOADS)),
            downloads: Arc::new(Semaphore::new(MAX_DOWNLOADS)),
            address,
        }
    }

    /// The state of authentication. Never held across an await.
    pub(crate) fn auth(&self) -> MutexGuard<'_, Auth> {
        self.auth.lock().expect("no holder of the lock panics")
    }

    /// What the clock on the wall says.
    pub(crate) fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Makes a one-time link.
    pub(crate) fn login_link(&self) -> Result<LoginLink, NoRandomness> {
        let (secret, expires) = self.auth().make_link(self.now())?;
        Ok(LoginLink { url: format!("http://{}/#/sign-in/{}", self.host(), secret.text()), expires })
    }

    /// Event streams look whether they may stay.
    pub(crate) fn sessions_changed(&self) {
        self.sessions.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Waits until the server stops.
    pub(crate) async fn closed(&self) {
        let mut closing = self.closing.subscribe();
        // The sender is in `self`, so this ends only when it says so.
        drop(closing.wait_for(|closing| *closing).await);
    }

    /// Asks the messenger, for the owner.
    pub(crate) async fn messenger(
        &self,
        command: messenger::Command,
    ) -> Result<messenger::Reply, CallError<messenger::CommandError>> {
        self.node.messenger(self.node.account(), command).await
    }

    /// Asks the files machine, for the owner.
    pub(crate) async fn files(
        &self,
        command: files::Command,
    ) -> Result<files::Reply, CallError<files::CommandError>> {
        self.node.files(self.node.account(), command).await
    }

    /// How a browser on this machine reaches us: listening on every address includes loopback.
    fn host(&self) -> SocketAddr {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        address
    }

    async fn respond<S, B>(self: Arc<Self>, request: Incoming<S>) -> Response
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
        B: Buf + Send,
    {
        answer::finished(self.answer(request).await.unwrap_or_else(Problem::into_response))
    }

    async fn answer<S, B>(self: Arc<Self>, request: Incoming<S>) -> Result<Response, Problem>
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
        B: Buf + Send,
    {
        let Incoming { method, path, query, headers, upgrade, body } = request;
        let path = path.as_str();
        self.guard.check(Target::of(path), &method, &headers)?;
        let (route, params) = match routes::find(&method, path)? {
            Found::Route(route, params) => (route, params),
            Found::WrongMethod => return Err(Problem::wrong_method()),
            Found::Nothing => return assets::serve(&method, path, &headers),
        };
        let caller = self.auth().caller(&headers, self.now());
        route.access.allows(&caller)?;
        let mut pieces = None;
        let body = match route.takes {
            Takes::Nothing => Vec::new(),
            Takes::Json(_) => read_body(&headers, body).await?,
            Takes::OptionalJson(_) => read_optional_body(&headers, body).await?,
            Takes::Bytes => {
                pieces = Some(Pieces::new(body));
                Vec::new()
            }
        };
        (route.handler)(self, Call { caller, headers, params, query, body, pieces, upgrade }).await
    }
}

/// Every request, as a filter.
pub(crate) fn requests(app: Arc<App>) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let upgrade = warp::ws().map(Some).or(warp::any().map(|| None)).unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(upgrade)
        .and(warp::body::stream())
        .then(move |method, path, query, headers, upgrade, body| {
            let app = Arc::clone(&app);
            app.respond(Incoming { method, path, query, headers, upgrade, body })
        })
}
