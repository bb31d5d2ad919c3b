//! A real `pc2` process in a namespace, driven by its own command line from the same namespace.

use crate::{
    lab::Lab,
    nat::NODE_PORT,
    path::{self, Route},
    shell::Running,
};
use serde_json::Value;
use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longest wait for a process to be ready on a loaded machine. Reached only when something is broken.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Longest wait for a process to end in order; `pc2` promises 15 seconds.
const ENDED_WITHIN: Duration = Duration::from_secs(20);

/// How often something is looked at. Each look is a process of its own.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The program in the laboratory.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Where it is.
    pub(crate) binary: PathBuf,
    /// Whether it has levels, and with them relays, hole punching and mailboxes.
    pub(crate) levels: bool,
}

impl Program {
    /// Asks a binary what it can do.
    pub(crate) fn look(binary: PathBuf) -> Result<Self, String> {
        let help = Command::new(&binary)
            .args(["up", "--help"])
            .output()
            .map_err(|error| format!("{} cannot be run: {error}", binary.display()))?;
        let levels = String::from_utf8_lossy(&help.stdout).contains("--level");
        Ok(Self { binary, levels })
    }
}

/// One node.
pub(crate) struct Node {
    /// Its name, which is also that of its namespace.
    pub(crate) name: String,
    /// Its DID.
    pub(crate) did: String,
    /// The same key as libp2p writes it.
    pub(crate) peer_id: String,
    program: Program,
    namespace: String,
    data: PathBuf,
    log: PathBuf,
    bootstrap: Vec<String>,
    level: Option<u8>,
    process: Option<Running>,
}

impl Node {
    /// Makes an identity in a machine that exists. `level` is chosen only where there are levels; `None` leaves it to the node.
    pub(crate) fn new(
        lab: &Lab,
        program: &Program,
        name: &str,
        bootstrap: &[String],
        level: Option<u8>,
    ) -> Self {
        let mut node = Self {
            name: name.to_owned(),
            did: String::new(),
            peer_id: String::new(),
            program: program.clone(),
            namespace: lab.full(name),
            data: lab.data_of(name),
            log: lab.log_of(name),
            bootstrap: bootstrap.to_vec(),
            level: level.filter(|_| program.levels),
            process: None,
        };
        node.ask(&["init", "--name", name]);
        let id = node.ask(&["id"]);
        node.did = id["did"].as_str().expect("`pc2 id` tells the DID").to_owned();
        node.peer_id = id["peer_id"].as_str().expect("`pc2 id` tells the peer id").to_owned();
        node
    }

    /// Starts the process, without waiting for it.
    pub(crate) fn launch(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).expect("a log file");
        let (binary, data) = (self.program.binary.display().to_string(), self.data.display().to_string());
        let mut words = vec![binary.as_str(), "--data", data.as_str(), "up", "--no-mdns"];
        for address in &self.bootstrap {
            words.extend(["--bootstrap", address.as_str()]);
        }
        let level = self.level.map(|level| level.to_string());
        if let Some(level) = &level {
            words.extend(["--level", level.as_str()]);
        }
        self.process = Some(Running::start(&self.namespace, &words, &log));
    }

    /// Waits until the process can be driven.
    pub(crate) fn ready(&mut self) {
        let end = Instant::now() + READY_WITHIN;
        loop {
            let process = self.process.as_mut().expect("it was launched");
            if let Some(status) = process.ended() {
                panic!("{} ended with {status}:\n{}", self.name, self.end_of_log());
            }
            let pid = process.pid();
            let api = fs::read(self.data.join("api.json")).ok();
            let api: Value = api.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
            if api["pid"] == pid && self.try_ask(&["peers"]).is_ok() {
                return;
            }
            assert!(Instant::now() < end, "{} is not ready:\n{}", self.name, self.end_of_log());
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Asks the process to end, and waits for it.
    pub(crate) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        process.signal("TERM");
        let end = Instant::now() + ENDED_WITHIN;
        while process.ended().is_none() && Instant::now() < end {
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends the process at once.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Addresses at which others join through it.
    pub(crate) fn way_in(&self, ip: &str) -> Vec<String> {
        let family = if ip.contains(':') { "ip6" } else { "ip4" };
        ["udp/PORT/quic-v1", "tcp/PORT"]
            .map(|transport| transport.replace("PORT", &NODE_PORT.to_string()))
            .map(|transport| format!("/{family}/{ip}/{transport}/p2p/{}", self.peer_id))
            .to_vec()
    }

    /// Runs the command line, which must succeed, and reads its JSON.
    pub(crate) fn ask(&self, words: &[&str]) -> Value {
        self.try_ask(words).unwrap_or_else(|error| panic!("{}: {error}\n{}", self.name, self.end_of_log()))
    }

    /// Runs the command line and reads its JSON.
    pub(crate) fn try_ask(&self, words: &[&str]) -> Result<Value, String> {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.namespace])
            .arg(&self.program.binary)
            .arg("--data")
            .arg(&self.data)
            .arg("--json")
            .args(words)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("`pc2 {}` cannot be run: {error}", words.join(" ")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`pc2 {}` failed: {}", words.join(" "), said.trim()));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("`pc2 {}` printed no JSON: {error}", words.join(" ")))
    }

    /// Asks its API for what the command line has no word for. Needs `curl`: the API listens in the namespace alone.
    pub(crate) fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let api = fs::read(self.data.join("api.json")).map_err(|error| format!("no api.json: {error}"))?;
        let api: Value = serde_json::from_slice(&api).map_err(|error| format!("api.json: {error}"))?;
        let field = |name: &str| api[name].as_str().unwrap_or_default();
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &self.namespace,
            "curl",
            "--silent",
            "--show-error",
            "--max-time",
            "20",
        ]);
        command.args(["--request", method, "--header", &format!("authorization: Bearer {}", field("token"))]);
        if let Some(body) = body {
            command.args(["--header", "content-type: application/json", "--data", &body.to_string()]);
        }
        let output = command
            .arg("--fail")
            .arg(format!("http://{}{path}", field("address")))
            .output()
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("{method} {path}: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{method} {path}: {error}"))
    }

    /// How it is connected with a peer, if it is.
    pub(crate) fn route(&self, did: &str) -> Option<Route> {
        path::route(&self.try_ask(&["peers"]).ok()?, did)
    }

    /// The end of what the process has logged.
    fn end_of_log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// Looks again and again; after how long there was an answer, and the answer. `None` when there was none in time.
pub(crate) fn within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<(Duration, T)> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some((start.elapsed(), found));
        }
        if start.elapsed() > patience {
            return None;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Where `pc2` is built unless `PC2_BIN` names another.
pub(crate) fn default_binary() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/pc2")
}
