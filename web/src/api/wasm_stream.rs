//! The stream of a run: what it writes, live or from the oldest that is kept, and its end; and its input, from whoever may begin runs.
//!
//! The first who says something gives the run's input; who only looks on takes nothing away.
//!
//! First every piece of output in order, then one `end` with the run as it is then, and the stream is closed. Who takes no frame for ten seconds is closed; until then the program waits
//! for them, and its time goes on. When a session or key ends, so do its streams.
//!
//! Not here: events of runs ([`crate::events`]).

use super::wasm::{known_run, space};
use crate::{
    app::App,
    convert::wasm as convert,
    dto,
    events::holder,
    places::Full,
    problem::Problem,
    request::Call,
    roles::{Area, Caller, Deed, Scope},
    upgrade::{self, Socket},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{SinkExt as _, StreamExt as _};
use pc2_actors::{
    api::{OutputReader, Piece, Stream},
    event::{NodeEvent, Notice, Subscription},
};
use pc2_protocols::wasm::{Event, RunId, RunState, rows::Space};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use warp::reply::Response;

/// Longest message of input, in bytes: a piece of 16 KiB, escaped.
const MAX_INPUT_BYTES: usize = 64 * 1024;

/// How often a quiet line says something, and whether the other side may stay is looked at.
const PING: Duration = Duration::from_secs(20);

/// How long a frame may take to be taken.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// In WebSocket's own numbers: all was said; the node stops; the other side does what it should not; sign in again.
const DONE: u16 = 1_000;
const GOING_AWAY: u16 = 1_001;
const POLICY: u16 = 1_008;
const SIGNED_OUT: u16 = 4_401;

/// `GET /api/wasm/runs/{id}/stream`.
pub(crate) async fn follow(app: &Arc<App>, mut call: Call) -> Result<Response, Problem> {
    let space = space(&call)?;
    // Before anything else: no end is missed that comes from here on.
    let events = app.node.subscribe(None);
    let run = known_run(app, space, call.param(0)).await?.id;
    let output = app.node.wasm_output(run).ok_or_else(Problem::wasm_no_run)?;
    let offer = call.upgrade.take().ok_or_else(Problem::not_an_upgrade)?;
    let place = app.streams.take(holder(&call.caller)).map_err(|full| match full {
        Full::All => Problem::too_many_streams(),
        Full::Theirs => Problem::too_many_streams_of_one(),
    })?;
    let (app, caller) = (Arc::clone(app), call.caller);
    let looked = Looked { app, caller, space, run, output, input: None, events, carried: Default::default() };
    upgrade::accept(&call.headers, Some(offer), MAX_INPUT_BYTES, |socket| async move {
        looked.run(socket).await;
        drop(place);
    })
}

/// The other side is gone or takes nothing any more.
struct Gone;

/// One who looks at a run.
struct Looked {
    app: Arc<App>,
    caller: Caller,
    space: Space,
    run: RunId,
    output: OutputReader,
    /// From the first word on: who only looks on takes nobody's place.
    input: Option<mpsc::Sender<Vec<u8>>>,
    events: Subscription,
    /// Of each output, the beginning of a character whose rest has not come.
    carried: [Vec<u8>; 2],
}

impl Looked {
    async fn run(mut self, mut socket: Socket) {
        let Ok((code, reason)) = self.tell(&mut socket).await else { return };
        let farewell = Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }));
        // The last word of a stream; whether it arrives changes nothing.
        drop(timeout(SEND_TIMEOUT, socket.send(farewell)).await);
    }

    /// Tells everything until there is a reason to close, which is returned.
    async fn tell(&mut self, socket: &mut Socket) -> Result<(u16, &'static str), Gone> {
        let app = Arc::clone(&self.app);
        let mut closed = pin!(app.closed());
        let mut sessions = app.sessions.subscribe();
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pending: Option<(Vec<u8>, bool)> = None;
        let may_stay = |caller: &Caller| app.auth().still(caller, app.now());
        loop {
            tokio::select! {
                biased;
                () = closed.as_mut() => return Ok((GOING_AWAY, "the node stops")),
                changed = sessions.changed() => {
                    if changed.is_err() || !may_stay(&self.caller) {
                        return Ok((SIGNED_OUT, "signed out"));
                    }
                }
                // One piece of input at a time: what comes next waits until the program has read this one, and what it writes is told meanwhile.
                word = socket.next(), if pending.is_none() => match word {
                    Some(Ok(Message::Text(text))) => match said(text.as_str()) {
                        Some((bytes, end)) => {
                            self.take_input();
                            pending = Some((bytes, end)).filter(|_| self.input.is_some());
                        }
                        None => return Ok((POLICY, "that is no input")),
                    },
                    Some(Ok(message)) if !message.is_close() => {}
                    _ => return Err(Gone),
                },
                room = room_for(self.input.clone()), if pending.is_some() => {
                    let (bytes, end) = pending.take().unwrap_or_default();
                    let taken = match room {
                        Some(room) if !bytes.is_empty() => {
                            drop(room.send(bytes));
                            true
                        }
                        Some(_) => true,
                        // It has ended, or reads nothing.
                        None => false,
                    };
                    if end || !taken {
                        self.input = None;
                    }
                }
                piece = self.output.next() => match piece {
                    Some(piece) => {
                        let frame = self.shown(piece);
                        say(socket, &frame).await?;
                    }
                    None => break,
                },
                _ = ping.tick() => {
                    if !may_stay(&self.caller) {
                        return Ok((SIGNED_OUT, "signed out"));
                    }
                    let ping = Message::Ping(hyper::body::Bytes::new());
                    taken(socket.send(ping)).await?;
                }
            }
        }
        for stream in [Stream::Out, Stream::Err] {
            let rest = std::mem::take(self.carried(stream));
            if !rest.is_empty() {
                say(socket, &output(stream, &rest, 0)).await?;
            }
        }
        if let Some(run) = self.end().await {
            say(socket, &dto::WasmFrame::End(Box::new(run))).await?;
        }
        Ok((DONE, "it has ended"))
    }

    /// Whoever says something first, and may, gives the input; what others say is not heard.
    fn take_input(&mut self) {
        if self.input.is_none() && self.caller.has(Scope(Area::Wasm, Deed::Write)) {
            self.input = self.app.node.wasm_input(self.run);
        }
    }

    /// The run when it has ended; `None` when it is not remembered any more, or the node stops.
    async fn end(&mut self) -> Option<dto::WasmRun> {
        loop {
            let named = self.run.to_string();
            let view = known_run(&self.app, self.space, &named).await.ok()?;
            if matches!(view.state, RunState::Ended { .. }) {
                return Some(convert::run(&view));
            }
            loop {
                match self.events.next().await? {
                    Notice::Resync { .. } => break,
                    Notice::Event(numbered) => match &numbered.event {
                        NodeEvent::Wasm(Event::Run(view)) if view.id == self.run => break,
                        NodeEvent::Wasm(Event::Reset) => break,
                        NodeEvent::Wasm(Event::Forgotten { run, .. }) if *run == self.run => return None,
                        _ => {}
                    },
                }
            }
        }
    }

    /// A piece as a frame: as text, as far as it is text. A character that is cut in two waits for its rest.
    fn shown(&mut self, piece: Piece) -> dto::WasmFrame {
        let Piece { stream, bytes, skipped } = piece;
        let carried = self.carried(stream);
        let mut whole = std::mem::take(carried);
        whole.extend_from_slice(&bytes);
        if let Err(error) = std::str::from_utf8(&whole)
            && error.error_len().is_none()
        {
            *carried = whole.split_off(error.valid_up_to());
        }
        output(stream, &whole, skipped)
    }

    fn carried(&mut self, stream: Stream) -> &mut Vec<u8> {
        let [out, err] = &mut self.carried;
        match stream {
            Stream::Out => out,
            Stream::Err => err,
        }
    }
}

/// A piece of input, and whether it is the last. `None` when it is none.
fn said(text: &str) -> Option<(Vec<u8>, bool)> {
    let dto::WasmInput { text, base64, end } = serde_json::from_str(text).ok()?;
    let bytes = match (text, base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(base64)) => STANDARD.decode(base64).ok()?,
        (None, None) => Vec::new(),
        (Some(_), Some(_)) => return None,
    };
    Some((bytes, end))
}

/// Waits until there is room for a piece of input; `None` when nobody takes any.
async fn room_for(input: Option<mpsc::Sender<Vec<u8>>>) -> Option<mpsc::OwnedPermit<Vec<u8>>> {
    input?.reserve_owned().await.ok()
}

fn output(stream: Stream, bytes: &[u8], skipped: u64) -> dto::WasmFrame {
    let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
    let base64 = text.is_none().then(|| STANDARD.encode(bytes));
    let stream = match stream {
        Stream::Out => dto::WasmStream::Out,
        Stream::Err => dto::WasmStream::Err,
    };
    dto::WasmFrame::Output(dto::WasmOutput { stream, text, base64, skipped })
}

async fn say(socket: &mut Socket, frame: &dto::WasmFrame) -> Result<(), Gone> {
    let text = serde_json::to_vec(frame).expect("our own types have string keys");
    taken(upgrade::send_text(socket, text.into())).await
}

async fn taken<E>(sending: impl Future<Output = Result<(), E>>) -> Result<(), Gone> {
    match timeout(SEND_TIMEOUT, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Gone),
    }
}
