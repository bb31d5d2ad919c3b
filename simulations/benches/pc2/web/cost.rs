//! What a small request costs: processor time of the server's processes for each, beside nginx and caddy with a file of as many bytes.
//!
//! All are asked in turn by the same client: a few connections that are kept, each with one request under way. What is compared is the median of the ratios of each
//! round. The others read a file; ours looks who asks, whether they may, and asks the part of the node that knows.

use super::clients::{Shown, browser};
use crate::{
    files::{
        cost::spent,
        median::median,
        programs::{Running, find},
    },
    process::{Node, free_port},
};
use serde_json::json;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::Instant,
};
use tempfile::TempDir;

/// Rounds; `ROUNDS` says otherwise.
const ROUNDS: usize = 9;

/// Connections, and requests on each in a round.
const CONNECTIONS: usize = 8;
const REQUESTS: usize = 5_000;

/// A contact whose row makes the list as long as a small file.
const CONTACTS: [&str; 2] = [
    "did:boson:FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z",
    "did:boson:586Z7H2vpX9qNhN2T4e9Utugie3ogjbxzGaMtM3E6HR5",
];

/// One that is asked.
struct Asked {
    name: String,
    at: SocketAddr,
    path: String,
    shown: Option<Shown>,
    process: u32,
    /// Microseconds of processor time for a request, by round.
    cost: Vec<f64>,
    /// Requests a second, by round.
    rate: Vec<f64>,
    bytes: usize,
}

/// The table.
pub(super) fn beside_others() -> String {
    let node = Node::stopped("Host", &[]).at_level(1).started();
    for did in CONTACTS {
        node.post("/api/contacts", &json!({ "did": did, "text": "hello" }));
    }
    let shown = browser(&node);
    let ours =
        |path: &str, shown| Asked::new(format!("PC2, `GET {path}`"), node.web(), path, shown, node.pid());
    let mut asked = vec![
        ours("/api/contacts", Some(shown.clone())),
        ours("/auth/session", Some(shown)),
        ours("/health", None),
    ];
    let bytes = asked[0].ask_once();
    let folder = tempfile::tempdir().expect("a temporary directory");
    fs::write(folder.path().join("small.json"), vec![b'x'; bytes]).expect("a file");
    let mut missing = String::new();
    // Held until the end: dropped, they stop.
    let mut servers = Vec::new();
    for (name, start) in [("nginx", nginx as fn(&TempDir, u16) -> _), ("caddy", caddy)] {
        let port = free_port();
        match start(&folder, port) {
            Ok(server) => {
                let at = SocketAddr::from(([127, 0, 0, 1], port));
                asked.push(Asked::new(name.to_owned(), at, "/small.json", None, server.pid()));
                servers.push(server);
            }
            Err(why) => missing.push_str(&format!("\n{name} was left out: {why}.")),
        }
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    for round in 0..=rounds {
        for one in &mut asked {
            one.round();
            if round == 0 {
                // The first one only warms up.
                (one.cost, one.rate) = (Vec::new(), Vec::new());
            }
        }
    }
    table(&asked, rounds) + &missing
}

fn table(asked: &[Asked], rounds: usize) -> String {
    let mut table = format!(
        "A small request over {CONNECTIONS} kept connections, {rounds} rounds of {} each:\n\n\
         | server | bytes | CPU µs a request | to nginx | to caddy | requests/s |\n|---|---|---|---|---|---|\n",
        CONNECTIONS * REQUESTS
    );
    for one in asked {
        let to = |name: &str| {
            let other = asked.iter().find(|other| other.name == name)?;
            let ratios = one.cost.iter().zip(&other.cost).map(|(mine, theirs)| mine / theirs);
            Some(format!("{:.2}", median(ratios)?))
        };
        let told = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        table.push_str(&format!(
            "| {} | {} | {:.1} | {} | {} | {:.0} |\n",
            one.name,
            one.bytes,
            median(one.cost.iter().copied()).unwrap_or_default(),
            told(to("nginx")),
            told(to("caddy")),
            median(one.rate.iter().copied()).unwrap_or_default(),
        ));
    }
    table
}

impl Asked {
    fn new(name: String, at: SocketAddr, path: &str, shown: Option<Shown>, process: u32) -> Self {
        Self { name, at, path: path.to_owned(), shown, process, cost: Vec::new(), rate: Vec::new(), bytes: 0 }
    }

    fn request(&self) -> String {
        let shown = self.shown.as_ref().map(|(name, value)| format!("{name}: {value}\r\n"));
        format!("GET {} HTTP/1.1\r\nhost: {}\r\n{}\r\n", self.path, self.at, shown.unwrap_or_default())
    }

    fn ask_once(&mut self) -> usize {
        self.bytes = ask(self.at, self.request().as_bytes(), 1);
        self.bytes
    }

    fn round(&mut self) {
        self.ask_once();
        let (request, at) = (self.request(), self.at);
        let (cpu, started) = (spent(&[self.process]), Instant::now());
        thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| ask(at, request.as_bytes(), REQUESTS));
            }
        });
        let count = (CONNECTIONS * REQUESTS) as f64;
        self.rate.push(count / started.elapsed().as_secs_f64());
        self.cost.push((spent(&[self.process]) - cpu).as_secs_f64() * 1e6 / count);
    }
}

/// Asks so often on one connection. Gives the length of the last body.
fn ask(at: SocketAddr, request: &[u8], times: usize) -> usize {
    let stream = TcpStream::connect(at).expect("it listens");
    stream.set_nodelay(true).expect("a socket option");
    let mut answers = BufReader::new(stream.try_clone().expect("a second handle"));
    let (mut stream, mut body, mut line) = (stream, Vec::new(), String::new());
    for _ in 0..times {
        stream.write_all(request).expect("it takes requests");
        let mut length = 0;
        for number in 0.. {
            line.clear();
            answers.read_line(&mut line).expect("it answers");
            if number == 0 {
                assert!(line.starts_with("HTTP/1.1 200"), "{line}");
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        body.resize(length, 0);
        answers.read_exact(&mut body).expect("a whole body");
    }
    body.len()
}

fn nginx(folder: &TempDir, port: u16) -> Result<Running, String> {
    let own = folder.path().display();
    let settings = format!(
        "user root; daemon off; worker_processes 1; pid {own}/nginx.pid; error_log {own}/error.log; events {{}}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; types {{ application/json json; }}\n\
         client_body_temp_path {own}; proxy_temp_path {own}; fastcgi_temp_path {own}; uwsgi_temp_path {own}; scgi_temp_path {own};\n\
         server {{ listen 127.0.0.1:{port}; root {own}; }} }}\n"
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, settings).map_err(|error| error.to_string())?;
    let words = ["-c".to_owned(), file.display().to_string(), "-p".to_owned(), own.to_string()];
    Running::start(&find("nginx")?, &words, folder.path())?.listening(port)
}

fn caddy(folder: &TempDir, port: u16) -> Result<Running, String> {
    let words = [
        "file-server",
        "--listen",
        &format!("127.0.0.1:{port}"),
        "--root",
        &folder.path().display().to_string(),
    ]
    .map(str::to_owned);
    Running::start(&find("caddy")?, &words, folder.path())?.listening(port)
}
