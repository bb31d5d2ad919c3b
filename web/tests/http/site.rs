//! A real node with its web server, and a client that says exactly what a test wants to say.

use crate::{contracts::TestChain, keeper::TestKeeper};
use pc2_actors::{NodeConfig, Running};
use pc2_protocols::{
    crypto::{keys::IdentityKeys, phrase::Phrase},
    net::{Address, Peer},
};
use pc2_web::{WebConfig, WebServer, dto::StartSettings, serve};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket, client::IntoClientRequest};
use zeroize::Zeroizing;

pub(crate) const TOKEN: &str = "the token of api.json";

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Site {
    pub(crate) keeper: Arc<TestKeeper>,
    pub(crate) chain: Arc<TestChain>,
    running: Option<Running>,
    server: Option<WebServer>,
    pub(crate) address: SocketAddr,
    data: TempDir,
}

impl Site {
    pub(crate) fn open() -> Self {
        Self::open_as(7, Vec::new())
    }

    /// Two nodes whose owners are contacts of each other.
    pub(crate) fn pair() -> (Self, Self) {
        let alice = Self::open_as(7, Vec::new());
        let bob = Self::open_as(8, vec![alice.as_peer()]);
        let invitation = alice.command("POST", "/api/invitations", "").json()["link"].clone();
        let added = bob.command("POST", "/api/contacts", &json!({ "invitation": invitation }).to_string());
        assert_eq!(added.status, 202, "{}", added.body);
        for (site, other) in [(&alice, &bob), (&bob, &alice)] {
            let path = format!("/api/contacts/{}", other.did());
            eventually("they are contacts", || {
                let contact = site.command("GET", &path, "");
                (contact.status == 200 && contact.json()["standing"] == "accepted").then_some(())
            });
        }
        (alice, bob)
    }

    /// A node that was started for the first time, with an identity of this phrase.
    pub(crate) fn fresh(phrase: &Phrase) -> Self {
        Self::with(phrase.keys(), Vec::new(), TestKeeper::new(Some(phrase.clone())))
    }

    pub(crate) fn open_as(seed: u8, bootstrap: Vec<Peer>) -> Self {
        let keys = IdentityKeys::from_seed(Zeroizing::new([seed; 64]));
        Self::with(keys, bootstrap, TestKeeper::new(None))
    }

    fn with(keys: IdentityKeys, bootstrap: Vec<Peer>, keeper: TestKeeper) -> Self {
        let data = TempDir::new().expect("a temporary directory");
        let mut config = NodeConfig::new(data.path().to_owned(), keys);
        config.listen = vec![Address::try_from("/ip4/127.0.0.1/tcp/0".to_owned()).expect("an address")];
        config.bootstrap = bootstrap;
        config.mdns = false;
        config.upnp = false;
        // No runner, but a program that ends at once: every run has crashed. Real ones are in the tests of `pc2`.
        config.wasm.runner = Some("/bin/true".into());
        let running = pc2_actors::start(&config).expect("a node");
        let keeper = Arc::new(keeper);
        let chain = Arc::default();
        let server = listen(&running, 0, &keeper, &chain).expect("a server");
        Self { keeper, chain, address: server.address(), running: Some(running), server: Some(server), data }
    }

    pub(crate) fn server(&self) -> &WebServer {
        self.server.as_ref().expect("it runs")
    }

    /// The data directory.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// Whose node it is.
    pub(crate) fn did(&self) -> String {
        self.running.as_ref().expect("it runs").handle().account().did().to_string()
    }

    fn as_peer(&self) -> Peer {
        let running = self.running.as_ref().expect("it runs");
        let view = running.io().block_on(running.handle().network()).expect("a network");
        Peer { node: view.node, addresses: view.listening }
    }

    /// A second server for the same node.
    pub(crate) fn another(&self, port: u16) -> Result<WebServer, pc2_web::StartError> {
        listen(self.running.as_ref().expect("it runs"), port, &self.keeper, &self.chain)
    }

    /// Stops the server, and starts another in its place.
    pub(crate) fn restart_server(&mut self) {
        let running = self.running.as_ref().expect("it runs");
        running.io().block_on(self.server.take().expect("it runs").shutdown());
        self.server = Some(
            listen(running, self.address.port(), &self.keeper, &self.chain).expect("the port is free again"),
        );
    }

    /// A request as our own page sends it, with more headers.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let host = self.address.to_string();
        let mut all = vec![("host", host.as_str()), ("connection", "close")];
        if !body.is_empty() {
            all.push(("content-type", "application/json"));
        }
        all.extend(headers);
        let length = body.len().to_string();
        all.push(("content-length", &length));
        let head: String = all.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.say(format!("{method} {path} HTTP/1.1\r\n{head}\r\n{body}").as_bytes())
    }

    /// Sends bytes as they are and reads the answer to its end.
    pub(crate) fn say(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request).expect("the server listens");
        let mut answer = Vec::new();
        // A server that refuses the rest of a request may cut the connection after its answer.
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert!(!answer.is_empty(), "no answer: {error}");
        }
        Answer::read(&answer)
    }

    /// As the command line asks.
    pub(crate) fn command(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask(method, path, &[("authorization", &format!("Bearer {TOKEN}"))], body)
    }

    /// Signs a browser in and returns its cookie.
    pub(crate) fn sign_in(&self) -> String {
        let link = self.server().login_link().expect("randomness");
        let token = link.url.rsplit('/').next().expect("a secret").to_owned();
        let answer = self.ask("POST", "/auth/link", &[], &format!(r#"{{"token":"{token}"}}"#));
        assert_eq!(answer.status, 204);
        let set = answer.header("set-cookie").expect("a cookie");
        set.split(';').next().expect("a pair").to_owned()
    }

    /// Opens the event stream; the status when it is refused.
    pub(crate) fn events(&self, query: &str, headers: &[(&str, &str)]) -> Result<Events, u16> {
        let url = format!("ws://{}/ws{query}", self.address);
        let mut request = url.into_client_request().expect("an address");
        for (name, value) in headers {
            let name: tungstenite::http::HeaderName = name.parse().expect("a header");
            request.headers_mut().insert(name, value.parse().expect("a value"));
        }
        match tungstenite::client(request, self.connect()) {
            Ok((socket, _)) => Ok(Events(socket)),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                Err(answer.status().as_u16())
            }
            Err(error) => panic!("no answer to the upgrade: {error}"),
        }
    }

    /// Sends a body of bytes as a browser does.
    pub(crate) fn upload(&self, query: &str, bytes: &[u8]) -> Answer {
        let mut request = self.upload_head(query, bytes.len()).into_bytes();
        request.extend_from_slice(bytes);
        self.say(&request)
    }

    /// The head of such a request.
    pub(crate) fn upload_head(&self, query: &str, length: usize) -> String {
        format!(
            "POST /api/uploads{query} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\
             content-type: application/octet-stream\r\ncontent-length: {length}\r\n\r\n",
            self.address
        )
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if let Some(server) = self.server.take() {
            running.io().block_on(server.shutdown());
        }
        running.shutdown();
    }
}

/// Asks again and again until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn listen(
    running: &Running,
    port: u16,
    keeper: &Arc<TestKeeper>,
    chain: &Arc<TestChain>,
) -> Result<WebServer, pc2_web::StartError> {
    let config = WebConfig {
        bind: SocketAddr::from(([127, 0, 0, 1], port)),
        names: vec!["pc2.example.org".to_owned()],
        api_token: TOKEN.to_owned(),
        version: "1.2.3".to_owned(),
        keeper: Arc::<TestKeeper>::clone(keeper),
        chains: Arc::<TestChain>::clone(chain),
        streams: 256,
        carried: None,
        settings: StartSettings {
            config_file: "/nowhere/config.toml".to_owned(),
            web: "127.0.0.1:0".to_owned(),
            web_names: vec!["pc2.example.org".to_owned()],
            wallet_chains: Vec::new(),
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            bootstrap: Vec::new(),
            mdns: false,
            upnp: false,
            level: None,
            shares: false,
            log: "info".to_owned(),
            fixed: vec!["listen".to_owned()],
            refused: None,
        },
    };
    running.io().block_on(serve(running.handle(), config, running.io()))
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    fn read(answer: &[u8]) -> Self {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an HTTP answer");
        let head = str::from_utf8(&answer[..end]).expect("text");
        let bytes = answer[end + 4..].to_vec();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: String::from_utf8_lossy(&bytes).into_owned(), bytes }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> String {
        let body = self.json();
        assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        body["code"].as_str().expect("a code").to_owned()
    }
}

pub(crate) struct Events(WebSocket<TcpStream>);

impl Events {
    /// The next frame but pings; `None` when the stream was closed.
    pub(crate) fn next(&mut self) -> Option<Value> {
        loop {
            match self.0.read().expect("a frame or a close") {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    if frame["type"] != "ping" {
                        return Some(frame);
                    }
                }
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Says something; whether it is taken is seen later.
    pub(crate) fn say(&mut self, message: Message) {
        drop(self.0.send(message));
    }

    /// Reads on; whether it was closed or broke.
    pub(crate) fn broken(&mut self) -> bool {
        !matches!(self.0.read(), Ok(message) if !message.is_close())
    }

    /// Goes on until a frame of this type.
    pub(crate) fn until(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().expect("the stream goes on");
            if frame["type"] == kind {
                return frame;
            }
        }
    }
}
