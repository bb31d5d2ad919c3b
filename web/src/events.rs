//! The stream of events: one WebSocket for each page or program that looks.
//!
//! First a `hello` with the number reached, then every event with its number, in order. `?after=N` goes on behind N; when that is too
//! long ago, or of an earlier run of the node, `resync` says so and what follows is new again. A `ping` every
//! 20 seconds tells both sides that the line lives: who answers none for a minute is gone.
//!
//! Each is told what it may see: a program what its key's scopes let it read, an admin how the node does, the owner what happens at the doors. When a session or a key ends or its rights change,
//! the stream is closed at once.
//!
//! A stream holds no queue of its own: it reads the node's ring at its own pace, one frame under way. Who
//! falls behind the ring is told `resync`; who takes no frame for ten seconds, or talks without end, is closed. There are so many places in all, and for each session and
//! key so many that nobody has all of them. An idle one takes a few kilobytes ([`crate::upgrade`]); what an event looks like is made once for all ([`told`]).

mod told;

use crate::{
    app::App,
    dto,
    places::Full,
    problem::Problem,
    request::Call,
    roles::{Access, Caller},
    secret::SecretHash,
    upgrade::{self, MAX_INCOMING_BYTES, Socket},
};
use futures::{SinkExt, StreamExt};
use hyper::body::Bytes;
use pc2_actors::event::{Notice, Subscription};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use warp::reply::Response;

pub(crate) use told::Told;

/// How often a quiet line says something. Well under the minute after which networks forget a quiet connection.
const PING: Duration = Duration::from_secs(20);

/// After so many pings without a word from the other side there is nobody. Browsers and libraries answer each by themselves.
const UNANSWERED: u32 = 3;

/// Most frames from the other side between two pings: it has to answer one.
const MOST_SAID: u32 = 64;

/// How long a frame may take to be taken.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Event streams that are open at once, at most: ten thousand pages, and some that come and go.
pub(crate) const MAX_STREAMS: usize = 10_240;

/// Of one session or key. Each tab of a browser has one. Whoever may sign in can have 64 sessions, and so four fifths of the places.
pub(crate) const MAX_STREAMS_EACH: usize = 128;

/// Why a stream is closed, in WebSocket's own numbers: the node stops.
const GOING_AWAY: u16 = 1_001;

/// The other side does what it should not.
const POLICY: u16 = 1_008;

/// The session has ended: sign in again.
const SIGNED_OUT: u16 = 4_401;

/// Whose a stream is, for the places: a session, a key, or `None` for the command line.
pub(crate) type Holder = Option<SecretHash>;

/// `GET /ws`.
pub(crate) async fn follow(app: &Arc<App>, mut call: Call) -> Result<Response, Problem> {
    let after = call.number("after")?;
    let offer = call.upgrade.take().ok_or_else(Problem::not_an_upgrade)?;
    let place = app.streams.take(holder(&call.caller)).map_err(|full| match full {
        Full::All => Problem::too_many_streams(),
        Full::Theirs => Problem::too_many_streams_of_one(),
    })?;
    let stream = Stream {
        subscription: app.node.subscribe(after),
        app: Arc::clone(app),
        caller: call.caller,
        resumed: after.is_some(),
    };
    upgrade::accept(&call.headers, Some(offer), MAX_INCOMING_BYTES, |socket| async move {
        stream.run(socket).await;
        drop(place);
    })
}

pub(crate) const fn holder(caller: &Caller) -> Holder {
    match caller {
        Caller::Browser { session, .. } => Some(*session),
        Caller::Key { key, .. } => Some(*key),
        Caller::Nobody | Caller::CommandLine => None,
    }
}

/// One stream.
struct Stream {
    app: Arc<App>,
    caller: Caller,
    subscription: Subscription,
    resumed: bool,
}

/// The other side is gone or takes nothing any more.
struct Gone;

impl Stream {
    async fn run(mut self, mut socket: Socket) {
        let farewell = match self.tell(&mut socket).await {
            Ok(farewell) => farewell,
            Err(Gone) => return,
        };
        // The last word of a stream; whether it arrives changes nothing.
        drop(timeout(SEND_TIMEOUT, socket.send(farewell)).await);
    }

    /// Tells everything until there is a reason to close, which is returned.
    async fn tell(&mut self, socket: &mut Socket) -> Result<Message, Gone> {
        let app = Arc::clone(&self.app);
        let mut closed = pin!(app.closed());
        let mut sessions = self.app.sessions.subscribe();
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        // From here on a change is noticed; before it, one may have happened since the request was let in.
        if !self.may_stay() {
            return Ok(close(SIGNED_OUT, "signed out"));
        }
        let mut number = self.subscription.position();
        let (mut said, mut unanswered) = (0, 0);
        send(socket, told::frame(number, dto::Event::Hello(dto::Hello { resumed: self.resumed }))).await?;
        loop {
            tokio::select! {
                // Who may not stay is told nothing more, however much there is to tell.
                biased;
                () = closed.as_mut() => return Ok(close(GOING_AWAY, "the node stops")),
                changed = sessions.changed() => {
                    if changed.is_err() || !self.may_stay() {
                        return Ok(close(SIGNED_OUT, "signed out"));
                    }
                    if Access::Doors.allows(&self.caller, false).is_ok() {
                        send(socket, told::frame(number, dto::Event::Doors)).await?;
                    }
                }
                word = socket.next() => match word {
                    Some(Ok(message)) if !message.is_close() => {
                        unanswered = 0;
                        said += 1;
                        if said > MOST_SAID {
                            return Ok(close(POLICY, "there is nothing to be said here"));
                        }
                    }
                    _ => return Err(Gone),
                },
                notice = self.subscription.next() => match notice {
                    None => return Ok(close(GOING_AWAY, "the node stops")),
                    Some(Notice::Resync { number: reached }) => {
                        number = reached;
                        send(socket, told::frame(number, dto::Event::Resync)).await?;
                    }
                    Some(Notice::Event(numbered)) => {
                        number = numbered.number;
                        if self.caller.sees(told::area(&numbered.event))
                            && told::is_for(&numbered.event, &self.caller)
                            // Boxed: it is seldom under way, and would be most of what an idle stream takes.
                            && let Some(frame) = Box::pin(self.app.told.frame(&self.app.node, &numbered)).await
                        {
                            send(socket, frame).await?;
                        }
                    }
                },
                _ = ping.tick() => {
                    if !self.may_stay() {
                        return Ok(close(SIGNED_OUT, "signed out"));
                    }
                    if unanswered >= UNANSWERED {
                        return Err(Gone);
                    }
                    (said, unanswered) = (0, unanswered + 1);
                    send(socket, told::frame(number, dto::Event::Ping)).await?;
                    // The one for pages, which are not shown WebSocket's own; this one is answered.
                    taken(socket.send(Message::Ping(Bytes::new()))).await?;
                }
            }
        }
    }

    fn may_stay(&self) -> bool {
        self.app.auth().still(&self.caller, self.app.now())
    }
}

fn close(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
}

async fn send(socket: &mut Socket, frame: Bytes) -> Result<(), Gone> {
    taken(upgrade::send_text(socket, frame)).await
}

async fn taken<E>(sending: impl Future<Output = Result<(), E>>) -> Result<(), Gone> {
    match timeout(SEND_TIMEOUT, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Gone),
        Err(_) => {
            tracing::debug!("a reader of events took none for {SEND_TIMEOUT:?} and is closed");
            Err(Gone)
        }
    }
}
