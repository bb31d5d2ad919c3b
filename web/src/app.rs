//! From a request to an answer, and what the handlers share.
//!
//! Each request goes the same way: is it addressed to us and from where it may come ([`crate::guard`]) → which route
//! ([`crate::routes`]) → who asks ([`crate::auth`]), may they ([`crate::roles`]) → read the body, within its bound → the handler. What is no
//! route is a file of the page, or nothing. One origin serves page and API.
//!
//! Not here: connections and their limits ([`crate::server`]).

use crate::{
    answer, assets,
    auth::Auth,
    chains::ChainNodes,
    dto,
    events::{Holder, MAX_STREAMS, MAX_STREAMS_EACH, Told},
    guard::{Guard, Target},
    keeper::Keeper,
    kept::{Kept, KeptError},
    places::Places,
    problem::Problem,
    request::{Call, MAX_BODY_BYTES, Pieces, promised, read_body, read_optional_body},
    roles::Caller,
    routes::{self, Found, Takes},
    secret::NoRandomness,
    server::WebConfig,
};
use futures::Stream;
use hyper::upgrade::OnUpgrade;
use pc2_actors::api::{CallError, NodeHandle};
use pc2_protocols::{files, messenger, time::UnixMillis};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{self, Semaphore, watch};
use warp::{
    Buf, Filter, Rejection,
    http::{HeaderMap, Method},
    path::FullPath,
    reply::Response,
};

/// Files that browsers bring at once, at most: each holds a quarter of a megabyte, and one disk takes them all.
const MAX_UPLOADS: usize = 8;

/// Files that are sent to browsers at once, at most: a page full of pictures, and some downloads.
const MAX_DOWNLOADS: usize = 32;

/// Kibibytes of bodies that are longer than most, in memory at once: further ones wait until there is room.
const LONG_BODIES_KIB: u32 = 48 * 1024;

/// Questions about contract wallets on their way at once, at most; further ones wait for their turn.
const MAX_CHAIN_QUESTIONS: usize = 2;

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
    /// The identity file, the phrase and the setup.
    pub(crate) keeper: Arc<dyn Keeper>,
    /// Who is asked about contract wallets.
    pub(crate) chains: Arc<dyn ChainNodes>,
    /// One permit for each such question on its way: a stranger's sign-in must not make many of them.
    pub(crate) chain_questions: Semaphore,
    /// What the node was started with.
    pub(crate) settings: dto::StartSettings,
    /// One permit for each key that is derived from a passphrase: it takes 64 MiB.
    pub(crate) derivations: Semaphore,
    /// Turns true when the server stops.
    pub(crate) closing: watch::Sender<bool>,
    /// Changes whenever a session was ended.
    pub(crate) sessions: watch::Sender<u64>,
    /// One place for each event stream.
    pub(crate) streams: Arc<Places<Holder>>,
    /// What the latest events look like.
    pub(crate) told: Told,
    /// One permit: tests of the connection would disturb each other.
    pub(crate) connection_test: Semaphore,
    /// One permit for each file that a browser brings.
    pub(crate) uploads: Arc<Semaphore>,
    /// One permit for each kibibyte of a body that is longer than most.
    long_bodies: Arc<Semaphore>,
    /// One permit for each file that a browser gets.
    pub(crate) downloads: Arc<Semaphore>,
    guard: Guard,
    auth: Mutex<Auth>,
    /// Held while what is kept changes: one step at a time.
    changing: sync::Mutex<()>,
    address: SocketAddr,
}

/// A request as it came.
struct Incoming<S> {
    from: IpAddr,
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
    upgrade: Option<OnUpgrade>,
    body: S,
}

impl App {
    pub(crate) fn new(node: NodeHandle, config: WebConfig, address: SocketAddr, kept: Kept) -> Self {
        Self {
            node,
            guard: Guard::new(address.port(), &config.names),
            auth: Mutex::new(Auth::new(address.port(), &config.api_token, kept)),
            changing: sync::Mutex::new(()),
            version: config.version,
            keeper: config.keeper,
            chains: config.chains,
            chain_questions: Semaphore::new(MAX_CHAIN_QUESTIONS),
            settings: config.settings,
            derivations: Semaphore::new(1),
            closing: watch::Sender::new(false),
            sessions: watch::Sender::new(0),
            streams: Places::new(config.streams.min(MAX_STREAMS), MAX_STREAMS_EACH),
            told: Told::default(),
            connection_test: Semaphore::new(1),
            uploads: Arc::new(Semaphore::new(MAX_UPLOADS)),
            long_bodies: Arc::new(Semaphore::new(usize::try_from(LONG_BODIES_KIB).unwrap_or(usize::MAX))),
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

    /// Changes what is kept of who may use this node. Returns when the disk has it and it is in force; event streams look whether they may stay. Goes on when
    /// nobody waits any more: what the disk has must be in force.
    ///
    /// # Errors
    /// What the step says; nothing has changed then. Or that it could not be written.
    pub(crate) async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        step: impl FnOnce(&mut Kept) -> Result<T, KeptError> + Send + 'static,
    ) -> Result<T, Problem> {
        let app = Arc::clone(self);
        let whole = async move {
            let _one_at_a_time = app.changing.lock().await;
            let mut next = app.auth().kept().clone();
            let told = step(&mut next)?;
            let changes = next.take_changes();
            if !changes.is_empty() {
                app.node.change_access(changes).await?;
            }
            app.auth().replace(next);
            app.sessions.send_modify(|count| *count = count.wrapping_add(1));
            Ok(told)
        };
        tokio::spawn(whole).await.unwrap_or_else(|error| Err(Problem::internal(&error)))
    }

    /// The same for a step that somebody asks for: they must still be who they were when they asked, for their turn may come after they were let in
    /// no longer.
    ///
    /// # Errors
    /// As [`App::change`]; or that they have to sign in again.
    pub(crate) async fn change_by<T: Send + 'static>(
        self: &Arc<Self>,
        caller: Caller,
        step: impl FnOnce(&mut Kept, &Caller) -> Result<T, KeptError> + Send + 'static,
    ) -> Result<T, Problem> {
        let now = self.now();
        self.change(
            move |kept| {
                if kept.still(&caller, now) { step(kept, &caller) } else { Err(KeptError::SignedOut) }
            },
        )
        .await
    }

    /// A sign-in was refused: it is counted, and now and then written down.
    pub(crate) async fn refused(self: &Arc<Self>) {
        let now = self.now();
        let due = self.auth().refuse(now);
        self.note_refusals(due.unwrap_or_default()).await;
    }

    /// Writes down how many sign-ins were refused.
    pub(crate) async fn note_refusals(self: &Arc<Self>, times: u64) {
        if times > 0 {
            let now = self.now();
            let noted = self.change(move |kept| {
                kept.refused(times, now);
                Ok(())
            });
            // Whether it can be noted changes nothing about the refusal; why not is in the log.
            drop(noted.await);
        }
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

    /// Who asks; that they were here is written down now and then.
    fn known(self: &Arc<Self>, headers: &HeaderMap) -> Caller {
        let now = self.now();
        let auth = self.auth();
        let caller = auth.caller(headers, now);
        if auth.kept().is_news(&caller, now) {
            let (app, caller) = (Arc::clone(self), caller.clone());
            // Nobody waits for it; why it could not be written is in the log.
            tokio::spawn(async move {
                drop(
                    app.change(move |kept| {
                        kept.seen(&caller, now);
                        Ok(())
                    })
                    .await,
                );
            });
        }
        caller
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
        let Incoming { from, method, path, query, headers, upgrade, body } = request;
        let path = path.as_str();
        let host = self.guard.check(Target::of(path), &method, &headers)?;
        let (route, params) = match routes::find(&method, path)? {
            Found::Route(route, params) => (route, params),
            Found::WrongMethod => return Err(Problem::wrong_method()),
            Found::Nothing => return assets::serve(&method, path, &headers),
        };
        let caller = self.known(&headers);
        route.access.allows(&caller, !params.is_empty())?;
        let mut pieces = None;
        let most = promised(&headers, route.most);
        let room = match most {
            0..=MAX_BODY_BYTES => None,
            longer => {
                let kib = u32::try_from(longer.div_ceil(1024)).unwrap_or(u32::MAX).min(LONG_BODIES_KIB);
                Arc::clone(&self.long_bodies).acquire_many_owned(kib).await.ok()
            }
        };
        let body = match route.takes {
            Takes::Nothing => Vec::new(),
            Takes::Json(_) => read_body(&headers, body, most).await?,
            Takes::OptionalJson(_) => read_optional_body(&headers, body, most).await?,
            Takes::Bytes => {
                pieces = Some(Pieces::new(body));
                Vec::new()
            }
        };
        let body = body.into();
        (route.handler)(
            self,
            Call { caller, from, host, headers, params, query, body, _room: room, pieces, upgrade },
        )
        .await
    }
}

/// Every request of a connection from there, as a filter.
pub(crate) fn requests(
    app: Arc<App>,
    from: IpAddr,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional())
        .and(warp::body::stream())
        .then(move |method, path, query, headers, upgrade, body| {
            let app = Arc::clone(&app);
            app.respond(Incoming { from, method, path, query, headers, upgrade, body })
        })
}
