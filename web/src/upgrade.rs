//! From a request to a WebSocket: the answer that RFC 6455 asks for, and a socket that costs little while nobody speaks.
//!
//! In: the headers of a request, and hyper's promise of its connection. Out: the answer 101, and the [`Socket`] as soon as the answer is written. Its buffers are
//! of a size for what is said here: next to nothing in, a few hundred bytes out. What comes is bounded before it is read; a long text goes out in pieces, because a buffer
//! keeps the size of the longest piece it ever held.
//!
//! Not here: who may have one ([`crate::guard`], [`crate::roles`]), and what is said on it ([`crate::events`]).

use crate::{answer, problem::Problem};
use futures::SinkExt;
use hyper::{
    body::Bytes,
    upgrade::{OnUpgrade, Parts},
};
use hyper_util::rt::TokioIo;
use std::future::Future;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        handshake::derive_accept_key,
        protocol::{
            Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{Data, OpCode},
            },
        },
    },
};
use warp::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    reply::Response,
};

/// A WebSocket with somebody.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Longest message taken from the other side, in bytes, where it has nothing to say.
pub(crate) const MAX_INCOMING_BYTES: usize = 1_024;

/// What is read at once. tungstenite's own measure is 128 KiB, and is taken whether anything comes or not.
const READ_BUFFER_BYTES: usize = 1_024;

/// Longest piece of a text. Most events are one.
const PIECE_BYTES: usize = 4 * 1_024;

/// Takes a request's connection over; `talk` has it from then on, with messages of at most `most` bytes from the other side. `upgrade` is there when hyper saw that the request asks for one.
///
/// # Errors
/// When it is no request for a WebSocket, or for one of another version.
pub(crate) fn accept<F, T>(
    headers: &HeaderMap,
    upgrade: Option<OnUpgrade>,
    most: usize,
    talk: F,
) -> Result<Response, Problem>
where
    F: FnOnce(Socket) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let key = asked(headers).ok_or_else(Problem::not_an_upgrade)?;
    let key = HeaderValue::from_str(&derive_accept_key(key)).map_err(Problem::bad_request)?;
    let upgrade = upgrade.ok_or_else(Problem::not_an_upgrade)?;
    tokio::spawn(async move {
        if let Some(socket) = taken_over(upgrade, most).await {
            talk(socket).await;
        }
    });
    let mut response = answer::empty(StatusCode::SWITCHING_PROTOCOLS);
    let out = response.headers_mut();
    out.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    out.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    out.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    Ok(response)
}

/// Sends a text. Returns when all of it is with the system.
///
/// # Errors
/// When the other side is gone.
pub(crate) async fn send_text(socket: &mut Socket, mut text: Bytes) -> Result<(), tungstenite::Error> {
    let mut kind = Data::Text;
    while text.len() > PIECE_BYTES {
        let piece = text.split_to(PIECE_BYTES);
        socket.send(Message::Frame(Frame::message(piece, OpCode::Data(kind), false))).await?;
        kind = Data::Continue;
    }
    socket.send(Message::Frame(Frame::message(text, OpCode::Data(kind), true))).await
}

/// The connection, once the answer is written.
async fn taken_over(upgrade: OnUpgrade, most: usize) -> Option<Socket> {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "a WebSocket broke before it began");
            return None;
        }
    };
    // Without the box around it, and without the buffer that its request was read into.
    let Ok(Parts { io, read_buf, .. }) = upgraded.downcast::<TokioIo<TcpStream>>() else {
        tracing::error!("a WebSocket does not come from a connection of this server");
        return None;
    };
    Some(
        Socket::from_partially_read(io.into_inner(), read_buf.to_vec(), Role::Server, Some(small(most)))
            .await,
    )
}

fn small(most: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(most))
        .max_frame_size(Some(most))
}

/// The key of a request for a WebSocket.
fn asked(headers: &HeaderMap) -> Option<&[u8]> {
    let has = |name: HeaderName, wanted: &str| {
        let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    let whole = has(header::CONNECTION, "upgrade")
        && has(header::UPGRADE, "websocket")
        && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| whole)?.as_bytes();
    // Sixteen bytes in base64, which is not looked at more closely: it is only hashed.
    (key.len() == 24 && key.ends_with(b"==")).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_request_for_a_websocket_is_one_with_all_four_headers() {
        assert_eq!(asked(&headers(&WHOLE)), Some(&b"dGhlIHNhbXBsZSBub25jZQ=="[..]));
        for (place, (name, value)) in [
            ("connection", "keep-alive"),
            ("upgrade", "h2c"),
            ("sec-websocket-version", "8"),
            ("sec-websocket-key", "too short=="),
        ]
        .into_iter()
        .enumerate()
        {
            let mut changed = WHOLE;
            changed[place] = (name, value);
            assert_eq!(asked(&headers(&changed)), None, "{name}: {value}");
            let missing: Vec<_> = WHOLE.into_iter().filter(|(other, _)| *other != name).collect();
            assert_eq!(asked(&headers(&missing)), None, "no {name}");
        }
    }

    #[test]
    fn the_key_is_answered_as_in_the_standards_own_example() {
        assert_eq!(derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
