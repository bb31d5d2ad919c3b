//! Real `pc2` processes on 127.0.0.1, driven as a person and a script would: by the command line and the local API.
//!
//! A [`Node`] is killed (SIGKILL) when dropped. Ports are picked by the system; a node that is started again gets the same ones.

use serde_json::Value;
use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The program under test: the one built with the tests, or what `PC2_BIN` names (`make torture` names the release build).
fn program() -> PathBuf {
    std::env::var_os("PC2_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_pc2")), PathBuf::from)
}

/// Longest wait for anything on a loaded two-core machine. Reached only when something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A data directory and, most of the time, a process that runs in it.
pub(crate) struct Node {
    directory: TempDir,
    web: SocketAddr,
    p2p_port: u16,
    bootstrap: Vec<String>,
    options: Vec<String>,
    /// How it is in the network stands in `network.json`, not in the words after `pc2 up`.
    chooses: bool,
    process: Option<Child>,
}

impl Node {
    /// Makes an identity and starts the node.
    pub(crate) fn start(name: &str, bootstrap: &[String]) -> Self {
        let mut node = Self::stopped(name, bootstrap);
        node.run();
        node
    }

    /// Makes an identity only.
    pub(crate) fn stopped(name: &str, bootstrap: &[String]) -> Self {
        let node = Self::empty(bootstrap);
        node.pc2_ok(&["init", "--name", name]);
        node
    }

    /// An empty directory: the first start makes an identity.
    pub(crate) fn empty(bootstrap: &[String]) -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
            web: SocketAddr::from(([127, 0, 0, 1], free_port())),
            p2p_port: free_port(),
            bootstrap: bootstrap.to_vec(),
            options: Vec::new(),
            chooses: false,
            process: None,
        }
    }

    /// The same, started with further options.
    pub(crate) fn with(mut self, options: &[&str]) -> Self {
        self.options = options.iter().map(ToString::to_string).collect();
        self
    }

    /// The same, with its port in `network.json`, as if it had been chosen on the page.
    pub(crate) fn choosing(mut self) -> Self {
        let listen = [format!("/ip4/127.0.0.1/tcp/{}", self.p2p_port)];
        let chosen = serde_json::json!({ "listen": listen, "mdns": false, "upnp": false });
        let file = serde_json::json!({ "version": 1, "chosen": chosen });
        fs::write(self.data().join("network.json"), file.to_string()).expect("written");
        self.chooses = true;
        self
    }

    /// The data directory.
    pub(crate) fn data(&self) -> &Path {
        self.directory.path()
    }

    /// Where its page and API are.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.web)
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("the node runs").id()
    }

    /// The addresses other nodes can use as bootstrap.
    pub(crate) fn bootstrap_addresses(&self) -> Vec<String> {
        let peer = self.pc2_ok(&["id"])["peer_id"].as_str().expect("a peer id").to_owned();
        vec![
            format!("/ip4/127.0.0.1/tcp/{}/p2p/{peer}", self.p2p_port),
            format!("/ip4/127.0.0.1/udp/{}/quic-v1/p2p/{peer}", self.p2p_port),
        ]
    }

    /// The node's DID.
    pub(crate) fn did(&self) -> String {
        self.pc2_ok(&["id"])["did"].as_str().expect("a DID").to_owned()
    }

    /// Starts the process and waits until it can be driven.
    pub(crate) fn run(&mut self) {
        self.spawn();
        self.wait_ready();
    }

    /// Starts the process.
    pub(crate) fn spawn(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_file()).expect("a log file");
        let mut command = Command::new(program());
        command.arg("--data").arg(self.data()).arg("up").args(["--web", &self.web.to_string()]);
        if !self.chooses {
            command
                .args(["--no-mdns", "--no-upnp"])
                .args(["--listen", &format!("/ip4/127.0.0.1/tcp/{}", self.p2p_port)])
                .args(["--listen", &format!("/ip4/127.0.0.1/udp/{}/quic-v1", self.p2p_port)]);
        }
        for address in &self.bootstrap {
            command.args(["--bootstrap", address]);
        }
        command.args(&self.options);
        let process = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("pc2 starts");
        self.process = Some(process);
    }

    /// Waits until the running process answers.
    pub(crate) fn wait_ready(&mut self) {
        let pid = u64::from(self.pid());
        self.eventually("the node is ready", |node| {
            if let Some(status) = node.process.as_mut().and_then(|process| process.try_wait().ok().flatten())
            {
                panic!("pc2 ended with {status}:\n{}", node.log());
            }
            let file = fs::read(node.data().join("api.json")).ok()?;
            let api: Value = serde_json::from_slice(&file).ok()?;
            (api["pid"].as_u64() == Some(pid) && node.get("/api/contacts").is_some()).then_some(())
        });
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("our own child can be killed");
            process.wait().expect("our own child can be awaited");
        }
    }

    /// Runs the command line against this data directory.
    pub(crate) fn pc2(&self, arguments: &[&str]) -> Output {
        Command::new(program())
            .arg("--data")
            .arg(self.data())
            .arg("--json")
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("pc2 runs")
    }

    /// Begins a command that takes a while, as somebody who pipes its output would: for people, and no terminal.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Child {
        Command::new(program())
            .arg("--data")
            .arg(self.data())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("pc2 starts")
    }

    /// Runs the command line, which must succeed, and reads its JSON.
    pub(crate) fn pc2_ok(&self, arguments: &[&str]) -> Value {
        let output = self.pc2(arguments);
        assert!(
            output.status.success(),
            "pc2 {arguments:?} failed: {}\n{}",
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("pc2 {arguments:?} printed no JSON ({error}): {}", String::from_utf8_lossy(&output.stdout))
        })
    }

    /// `GET` on the local API; `None` when it does not answer or refuses.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let (url, bearer) = self.api(path)?;
        let mut response = agent().get(url).header("authorization", bearer).call().ok()?;
        response.body_mut().read_json().ok()
    }

    /// `POST` on the local API; `None` when it does not answer or refuses: nothing was acknowledged then.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let (url, bearer) = self.api(path)?;
        let mut response = agent().post(url).header("authorization", bearer).send_json(body).ok()?;
        response.body_mut().read_json().ok()
    }

    /// `PUT` on the local API; `None` when it does not answer or refuses.
    pub(crate) fn put(&self, path: &str, body: &Value) -> Option<Value> {
        let (url, bearer) = self.api(path)?;
        let mut response = agent().put(url).header("authorization", bearer).send_json(body).ok()?;
        response.body_mut().read_json().ok()
    }

    /// Asks as a browser with this cookie would; the status, the cookie that is set, and the body.
    pub(crate) fn browse(
        &self,
        method: &str,
        path: &str,
        cookie: &str,
        body: &Value,
    ) -> Option<(u16, Option<String>, Value)> {
        let url = format!("http://{}{path}", self.web);
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(url)
            .header("cookie", cookie)
            .header("content-type", "application/json");
        let request = request.body(body.to_string()).expect("a request");
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build();
        let mut answer = ureq::Agent::from(agent).run(request).ok()?;
        let set = answer.headers().get("set-cookie").and_then(|value| value.to_str().ok());
        let set = set.and_then(|value| value.split(';').next()).map(str::to_owned);
        let text = answer.body_mut().read_to_string().ok()?;
        Some((answer.status().as_u16(), set, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Signs a browser in by a one-time link: its cookie.
    pub(crate) fn sign_in(&self) -> String {
        let link = self.pc2_ok(&["login-link"])["url"].as_str().expect("a link").to_owned();
        let token = link.rsplit('/').next().expect("a secret");
        let signed = self.browse("POST", "/auth/link", "", &serde_json::json!({ "token": token }));
        signed.and_then(|(_, cookie, _)| cookie).expect("a cookie")
    }

    fn api(&self, path: &str) -> Option<(String, String)> {
        let api: Value = serde_json::from_slice(&fs::read(self.data().join("api.json")).ok()?).ok()?;
        Some((format!("http://{}{path}", self.web), format!("Bearer {}", api["token"].as_str()?)))
    }

    /// All texts of the conversation with somebody, oldest first, as (id, text, mine).
    pub(crate) fn conversation(&self, with: &str) -> Vec<(String, String, bool)> {
        let mut pages = Vec::new();
        let mut path = format!("/api/conversations/{with}/messages?limit=200");
        loop {
            let page = self.get(&path).expect("history is readable");
            let items = page["items"].as_array().expect("a list").clone();
            pages.push(items);
            match page["before"].as_str() {
                Some(before) => {
                    path = format!("/api/conversations/{with}/messages?limit=200&before={before}")
                }
                None => break,
            }
        }
        pages
            .into_iter()
            .rev()
            .flatten()
            .map(|item| {
                let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
                (text("id"), text("text"), item["mine"].as_bool().unwrap_or_default())
            })
            .collect()
    }

    /// Asks again and again until there is an answer; fails after [`PATIENCE`] and shows the log.
    pub(crate) fn eventually<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(Instant::now() < end, "waited in vain until {what}; log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log_file(&self) -> PathBuf {
        self.data().join("test.log")
    }

    /// The end of what the process has logged.
    pub(crate) fn log(&self) -> String {
        let text = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `kill -9` from outside, at once.
pub(crate) fn strike(pid: u32) {
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill runs");
    assert!(status.success(), "process {pid} was not there");
}

/// Ctrl-C.
pub(crate) fn interrupt(process: &Child) {
    let status = Command::new("kill").args(["-2", &process.id().to_string()]).status().expect("kill runs");
    assert!(status.success(), "the process was not there");
}

/// Makes two nodes contacts: an invitation of one is used by the other.
pub(crate) fn become_contacts(inviting: &mut Node, invited: &mut Node) {
    let invitation = inviting.pc2_ok(&["invite"]);
    let link = invitation["link"].as_str().expect("a link").to_owned();
    invited.pc2_ok(&["contact", "add", &link]);
    let did = inviting.did();
    invited.eventually("the invitation is answered", |node| {
        let contact = node.get(&format!("/api/contacts/{did}"))?;
        (contact["standing"] == "accepted").then_some(())
    });
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into()
}

/// A port for TCP and UDP that nobody listens on. Below those that the system gives to outgoing connections (from 32,768), or one of
/// another test's connections could have it before the node does.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 12_000;
    const PORTS: u16 = 18_000;
    // Other test programs run at the same time: each begins elsewhere.
    let begin = u16::try_from(std::process::id() % 180).expect("below 180") * 100;
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % PORTS;
        let port = FIRST + (begin % PORTS + next) % PORTS;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Runs the command line on a data directory, with something on its standard input.
pub(crate) fn pc2_with_input(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut process = Command::new(program())
        .arg("--data")
        .arg(data)
        .arg("--json")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pc2 starts");
    let mut stdin = process.stdin.take().expect("piped");
    // A command that asks for nothing may have ended already.
    let _may_be_closed = stdin.write_all(input.as_bytes());
    drop(stdin);
    process.wait_with_output().expect("pc2 ends")
}

/// The JSON a successful command printed.
pub(crate) fn stdout_json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}
