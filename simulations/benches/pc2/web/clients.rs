//! Those who ask a node in this part: browsers that were signed in and programs with keys, and their event streams.

use crate::process::Node;
use serde_json::{Value, json};
use std::{io, net::TcpStream};
use tungstenite::{
    Error, WebSocket, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig,
};

/// What a caller shows: the name of a header, and its value.
pub(super) type Shown = (&'static str, String);

/// A program with a key of the owner's.
pub(super) fn program(node: &Node, scopes: &[&str]) -> Shown {
    let made = node.post("/api/keys", &json!({ "label": "bench", "scopes": scopes }));
    ("authorization", format!("Bearer {}", made["secret"].as_str().expect("a secret")))
}

/// A browser of the owner's.
pub(super) fn browser(node: &Node) -> Shown {
    let link = node.post("/api/login-link", &Value::Null);
    let token = link["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a link").to_owned();
    let answer = ureq::post(format!("http://{}/auth/link", node.web()))
        .send_json(json!({ "token": token }))
        .expect("a good link");
    let set = answer.headers().get("set-cookie").and_then(|set| set.to_str().ok()).expect("a cookie");
    ("cookie", set.split(';').next().expect("a pair").to_owned())
}

/// One event stream, which takes little on this side, too.
pub(super) struct Page(WebSocket<TcpStream>);

impl Page {
    pub(super) fn open(node: &Node, (name, value): &Shown) -> Self {
        let mut request =
            format!("ws://{}/ws", node.web()).into_client_request().expect("a WebSocket address");
        request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a header value"));
        let stream = TcpStream::connect(node.web()).expect("the node listens");
        stream.set_nodelay(true).expect("a socket option");
        let small = WebSocketConfig::default().read_buffer_size(1_024).write_buffer_size(0);
        let (socket, _) =
            tungstenite::client::client_with_config(request, stream, Some(small)).expect("the node upgrades");
        Self(socket)
    }

    /// From now on nothing is waited for.
    pub(super) fn at_once(&self) {
        self.0.get_ref().set_nonblocking(true).expect("a socket option");
    }

    /// The next event; `None` when none is there at the moment, an error when the stream is closed. Answers WebSocket's pings.
    pub(super) fn next(&mut self) -> Result<Option<Value>, ()> {
        loop {
            match self.0.read() {
                Ok(message) if message.is_text() => {
                    return Ok(message.to_text().ok().and_then(|text| serde_json::from_str(text).ok()));
                }
                Ok(message) if message.is_close() => return Err(()),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(_) => return Err(()),
            }
        }
    }
}
