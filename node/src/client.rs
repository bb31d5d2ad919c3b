//! The command line's side of the local API: finds the running node of a data directory and asks it.
//!
//! The node writes `api.json` (address, token, process) when it is ready and removes it when it stops. Only the owner of the directory can read
//! it, which is what authorises the command line.

use crate::{
    exit::{self, Exit},
    home::{self, Home},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    time::Duration,
};
use tungstenite::{WebSocket, client::IntoClientRequest as _, protocol::Role};
use ureq::{Agent, http::Response};

/// A message to nobody online is answered as soon as it is on disk, so this only ends a hang.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What `api.json` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ApiFile {
    /// Where the node's web listens.
    pub(crate) address: SocketAddr,
    /// Authorises whoever can read the file.
    pub(crate) token: String,
    /// The node's process.
    pub(crate) pid: u32,
}

impl ApiFile {
    /// Says how the node is driven.
    pub(crate) fn write(&self, home: &Home) -> io::Result<()> {
        home::write_private(&home.api(), &serde_json::to_vec_pretty(self)?)
    }

    /// The node stops: nobody is to be sent to it any more.
    pub(crate) fn remove(home: &Home) {
        if let Err(error) = fs::remove_file(home.api()) {
            tracing::warn!(%error, "could not remove api.json");
        }
    }
}

/// What the API says when it refuses.
#[derive(Debug, Deserialize)]
struct Problem {
    message: String,
}

/// A running node.
pub(crate) struct Client {
    agent: Agent,
    file: ApiFile,
}

impl Client {
    /// Finds the node that runs in this data directory.
    pub(crate) fn find(home: &Home) -> anyhow::Result<Self> {
        let text = fs::read(home.api()).map_err(|_| not_running(home))?;
        let file: ApiFile = serde_json::from_slice(&text).map_err(|_| not_running(home))?;
        Ok(Self::new(file))
    }

    /// Speaks to the node a file describes.
    pub(crate) fn new(file: ApiFile) -> Self {
        let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        Self { agent: config.build().into(), file }
    }

    /// `GET`.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.answer(self.agent.get(self.url(path)).header("authorization", self.bearer()).call())
    }

    /// `DELETE`.
    pub(crate) fn delete<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.answer(self.agent.delete(self.url(path)).header("authorization", self.bearer()).call())
    }

    /// `POST` with a body.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.answer(self.agent.post(self.url(path)).header("authorization", self.bearer()).send_json(body))
    }

    /// `PUT` with a body.
    pub(crate) fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.answer(self.agent.put(self.url(path)).header("authorization", self.bearer()).send_json(body))
    }

    /// `PATCH` with a body.
    pub(crate) fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.answer(self.agent.patch(self.url(path)).header("authorization", self.bearer()).send_json(body))
    }

    /// `GET` of a file of any length, which is written as it comes. Returns its length.
    pub(crate) fn save(&self, path: &str, to: &mut impl io::Write) -> anyhow::Result<u64> {
        let request = self.agent.get(self.url(path)).header("authorization", self.bearer());
        // It may take long, as long as something comes.
        let request = request.config().timeout_global(None).timeout_recv_response(Some(TIMEOUT)).build();
        let mut response = self.accepted(request.call())?;
        Ok(io::copy(&mut response.body_mut().as_reader(), to)?)
    }

    /// A WebSocket of the node, as one that is only read and one that is only written to: neither waits for the other.
    pub(crate) fn follow(&self, path: &str) -> anyhow::Result<(WebSocket<Line>, WebSocket<TcpStream>)> {
        let mut request = format!("ws://{}{path}", self.file.address).into_client_request()?;
        request.headers_mut().insert("authorization", self.bearer().parse()?);
        let stream = TcpStream::connect(self.file.address).map_err(|_| {
            Exit::error(exit::NOT_RUNNING, format!("no node answers at {}", self.file.address))
        })?;
        let second = stream.try_clone()?;
        let (mut reader, _) = tungstenite::client(request, Line { stream, mute: false })
            .map_err(|error| anyhow::anyhow!("the node gives no stream: {error}"))?;
        reader.get_mut().mute = true;
        Ok((reader, WebSocket::from_raw_socket(second, Role::Client, None)))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.file.address)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.file.token)
    }

    fn answer<T: DeserializeOwned>(
        &self,
        result: Result<Response<ureq::Body>, ureq::Error>,
    ) -> anyhow::Result<T> {
        let text = self.accepted(result)?.body_mut().read_to_string()?;
        let text = if text.is_empty() { "null" } else { &text };
        serde_json::from_str(text).map_err(|error| {
            anyhow::anyhow!("the node speaks another version of the API than this command: {error}")
        })
    }

    /// The answer, if the node did as it was asked.
    fn accepted(
        &self,
        result: Result<Response<ureq::Body>, ureq::Error>,
    ) -> anyhow::Result<Response<ureq::Body>> {
        let mut response = result.map_err(|error| match error {
            ureq::Error::Timeout(_) => {
                anyhow::anyhow!("the node does not answer; see its log (process {})", self.file.pid)
            }
            _ => Exit::error(
                exit::NOT_RUNNING,
                format!("no node answers at {}; start it with `pc2 up`", self.file.address),
            ),
        })?;
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(response);
        }
        let text = response.body_mut().read_to_string()?;
        let message = serde_json::from_str::<Problem>(&text)
            .map_or_else(|_| format!("status {status}"), |problem| problem.message);
        let code = match status {
            404 => exit::NOT_FOUND,
            400..=499 => exit::REFUSED,
            _ => exit::FAILED,
        };
        Err(Exit::error(code, message))
    }
}

/// A connection that is only read once its greeting is over: what a reader would say by itself (an answer to a ping) must not get in between what is written
/// beside it. The node asks for no such answer here.
pub(crate) struct Line {
    /// The connection.
    pub(crate) stream: TcpStream,
    mute: bool,
}

impl io::Read for Line {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.read(bytes)
    }
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.mute { Ok(bytes.len()) } else { self.stream.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn not_running(home: &Home) -> anyhow::Error {
    Exit::error(
        exit::NOT_RUNNING,
        format!("no node is running in {}; start it with `pc2 --data {0} up`", home.path().display()),
    )
}
