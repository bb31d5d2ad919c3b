//! The stream of events: one WebSocket for each page or program that looks.
//!
//! First a `hello` with the number reached, then every event with its number, in order. `?after=N` goes on behind N; when that is too
//! long ago, or of an earlier run of the node, `resync` says so and what follows is new again. A `ping` every
//! 20 seconds tells both sides that the line lives.
//!
//! Each is told what it may see: a program what its key's scopes let it read, an admin how the node does, the owner what happens at the doors. When a session or a key ends or its rights change,
//! the stream is closed at once.
//!
//! A stream holds no queue of its own: it reads the node's ring at its own pace, one frame under way. Who
//! falls behind the ring is told `resync`; who takes no frame for ten seconds is closed.

use crate::{
    app::App,
    convert, dto,
    problem::Problem,
    request::Call,
    roles::{Access, Area, Caller},
};
use futures::{SinkExt, StreamExt};
use pc2_actors::{
    api::OfferError,
    event::{NodeEvent, Notice, Subscription},
    net::NetEvent,
};
use pc2_protocols::{
    files::{self, rows::TransferId},
    messenger,
};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, timeout};
use warp::{
    Reply,
    reply::Response,
    ws::{Message, WebSocket},
};

/// How often a quiet line says something. Well under the minute after which networks forget a quiet connection.
const PING: Duration = Duration::from_secs(20);

/// How long a frame may take to be taken.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest message taken from the other side, in bytes. It has nothing to say.
const MAX_INCOMING_BYTES: usize = 1_024;

/// Why a stream is closed, in WebSocket's own numbers: the node stops.
const GOING_AWAY: u16 = 1_001;

/// The session has ended: sign in again.
const SIGNED_OUT: u16 = 4_401;

/// `GET /ws`.
pub(crate) async fn follow(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let after = call.number("after")?;
    let upgrade = call.upgrade.ok_or_else(Problem::not_an_upgrade)?;
    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| Problem::too_many_streams())?;
    let stream = Stream {
        subscription: app.node.subscribe(after),
        app: Arc::clone(app),
        caller: call.caller,
        resumed: after.is_some(),
    };
    let answer = upgrade.max_message_size(MAX_INCOMING_BYTES).on_upgrade(move |socket| async move {
        stream.run(socket).await;
        drop(place);
    });
    Ok(answer.into_response())
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
    async fn run(mut self, mut socket: WebSocket) {
        let farewell = match self.tell(&mut socket).await {
            Ok(farewell) => farewell,
            Err(Gone) => return,
        };
        // The last word of a stream; whether it arrives changes nothing.
        drop(timeout(SEND_TIMEOUT, socket.send(farewell)).await);
    }

    /// Tells everything until there is a reason to close, which is returned.
    async fn tell(&mut self, socket: &mut WebSocket) -> Result<Message, Gone> {
        let app = Arc::clone(&self.app);
        let mut closed = pin!(app.closed());
        let mut sessions = self.app.sessions.subscribe();
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        // From here on a change is noticed; before it, one may have happened since the request was let in.
        if !self.may_stay() {
            return Ok(Message::close_with(SIGNED_OUT, "signed out"));
        }
        let mut number = self.subscription.position();
        send(socket, number, dto::Event::Hello(dto::Hello { resumed: self.resumed })).await?;
        loop {
            tokio::select! {
                // Who may not stay is told nothing more, however much there is to tell.
                biased;
                () = closed.as_mut() => return Ok(Message::close_with(GOING_AWAY, "the node stops")),
                changed = sessions.changed() => {
                    if changed.is_err() || !self.may_stay() {
                        return Ok(Message::close_with(SIGNED_OUT, "signed out"));
                    }
                    if Access::Doors.allows(&self.caller, false).is_ok() {
                        send(socket, number, dto::Event::Doors).await?;
                    }
                }
                said = socket.next() => match said {
                    Some(Ok(message)) if !message.is_close() => {}
                    _ => return Err(Gone),
                },
                notice = self.subscription.next() => match notice {
                    None => return Ok(Message::close_with(GOING_AWAY, "the node stops")),
                    Some(Notice::Resync { number: reached }) => {
                        number = reached;
                        send(socket, number, dto::Event::Resync).await?;
                    }
                    Some(Notice::Event(numbered)) => {
                        number = numbered.number;
                        if self.caller.sees(area(&numbered.event))
                            && let Some(event) = self.shown(&numbered.event).await
                        {
                            send(socket, number, event).await?;
                        }
                    }
                },
                _ = ping.tick() => {
                    if !self.may_stay() {
                        return Ok(Message::close_with(SIGNED_OUT, "signed out"));
                    }
                    send(socket, number, dto::Event::Ping).await?;
                }
            }
        }
    }

    /// An event as the API tells it. A message is told as it is by now, with all that became of it; what is read here is at least as new as the event.
    async fn shown(&self, event: &NodeEvent) -> Option<dto::Event> {
        let (account, conversation, id) = match event {
            NodeEvent::Messenger(messenger::Event::MessageAdded(row)) => {
                (row.account, row.conversation, row.content.id)
            }
            NodeEvent::Messenger(messenger::Event::MessageAmended { account, conversation, id }) => {
                (*account, *conversation, *id)
            }
            other => return self::event(other),
        };
        match self.app.node.entry(account, conversation, id).await {
            // What became of a message that is not here yet is told with the message.
            Ok(entry) => entry.and_then(convert::entry).map(dto::Event::Message),
            // Whoever looks reads the conversation anew, and hears there what is wrong.
            Err(_) => Some(dto::Event::Resync),
        }
    }

    fn may_stay(&self) -> bool {
        self.app.auth().still(&self.caller, self.app.now())
    }
}

async fn send(socket: &mut WebSocket, n: u64, event: dto::Event) -> Result<(), Gone> {
    let frame = serde_json::to_string(&dto::Frame { n, event }).expect("our own types have string keys");
    match timeout(SEND_TIMEOUT, socket.send(Message::text(frame))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Gone),
        Err(_) => {
            tracing::debug!("a reader of events took none for {SEND_TIMEOUT:?} and is closed");
            Err(Gone)
        }
    }
}

/// What an event is about: it is told to those who may look there.
const fn area(event: &NodeEvent) -> Area {
    match event {
        NodeEvent::Messenger(_) => Area::Chat,
        NodeEvent::Files(_) | NodeEvent::Preparing(_) | NodeEvent::Prepared { .. } => Area::Files,
        NodeEvent::Profile(_) => Area::Profile,
        NodeEvent::Network(_) | NodeEvent::Reach | NodeEvent::Health { .. } => Area::Network,
    }
}

/// An event as the API tells it; `None` for what has no face there.
fn event(event: &NodeEvent) -> Option<dto::Event> {
    Some(match event {
        NodeEvent::Messenger(event) => messenger_event(event)?,
        NodeEvent::Files(files::Event::Transfer(view)) => {
            dto::Event::Transfer(convert::files::transfer(view))
        }
        NodeEvent::Files(files::Event::Forgotten { id }) => removed(*id),
        NodeEvent::Preparing(preparing) => dto::Event::Transfer(convert::files::preparing(preparing)),
        NodeEvent::Prepared { id, result: Err(OfferError::Stopped) } => removed(*id),
        // It is a transfer now; or why it is none was told with what was being prepared.
        NodeEvent::Prepared { .. } => return None,
        NodeEvent::Profile(profile) => dto::Event::Profile(dto::Profile { name: profile.name.clone() }),
        NodeEvent::Network(event) => network_event(event),
        NodeEvent::Reach => {
            let what = "how this node is reached, or what it does for others";
            dto::Event::Network(dto::Changed { what: what.to_owned() })
        }
        NodeEvent::Health { actor, state } => {
            dto::Event::Health(dto::Changed { what: format!("{actor}: {}", crate::doctor::state(*state)) })
        }
    })
}

fn removed(id: TransferId) -> dto::Event {
    dto::Event::TransferRemoved(dto::TransferRemoved { id: convert::files::id(id) })
}

fn messenger_event(event: &messenger::Event) -> Option<dto::Event> {
    Some(match event {
        messenger::Event::ContactChanged(view) => {
            dto::Event::Contact(convert::contact(view.as_ref().clone()))
        }
        messenger::Event::ContactRemoved { peer, .. } => {
            dto::Event::ContactRemoved(dto::ContactRemoved { did: peer.did().to_string() })
        }
        // Read from the disk, as they are by then.
        messenger::Event::MessageAdded(_) | messenger::Event::MessageAmended { .. } => return None,
        messenger::Event::MessageState { conversation, id, state, .. } => {
            dto::Event::MessageState(dto::MessageStateChange {
                conversation: conversation.peer().did().to_string(),
                id: id.to_string(),
                state: convert::message_state(*state),
            })
        }
    })
}

fn network_event(event: &NetEvent) -> dto::Event {
    let what = match event {
        NetEvent::PeerUp { node } => format!("connected with {}", node.did()),
        NetEvent::PeerDown { node } => format!("no longer connected with {}", node.did()),
        NetEvent::OwnAddresses { addresses } => format!("{} own addresses", addresses.len()),
        NetEvent::Traffic => return dto::Event::Traffic,
    };
    dto::Event::Network(dto::Changed { what })
}
