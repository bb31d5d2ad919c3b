//! Real `pc2` processes of the release build, and what the system says about them.

use serde_json::{Value, json};
use std::{
    env, fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tungstenite::{WebSocket, client::IntoClientRequest, http::HeaderValue};

/// Nothing measured here takes nearly as long; reached only when something is broken.
const PATIENCE: Duration = Duration::from_secs(120);

/// A data directory and, most of the time, a process that runs in it.
pub(crate) struct Node {
    directory: TempDir,
    web: SocketAddr,
    p2p_port: u16,
    bootstrap: Vec<String>,
    level: Option<u8>,
    process: Option<Child>,
    agent: ureq::Agent,
}

/// The program under measurement: the release build, or what `PC2_BIN` names.
pub(crate) fn binary() -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/pc2");
    env::var_os("PC2_BIN").map_or_else(built, PathBuf::from)
}

impl Node {
    /// Makes an identity only.
    pub(crate) fn stopped(name: &str, bootstrap: &[String]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let node = Self {
            directory,
            web: SocketAddr::from(([127, 0, 0, 1], free_port())),
            p2p_port: free_port(),
            bootstrap: bootstrap.to_vec(),
            level: None,
            process: None,
            agent: ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into(),
        };
        node.pc2(&["init", "--name", name]);
        node
    }

    /// Runs at this level from the next start on, whatever it would choose by itself.
    pub(crate) fn at_level(mut self, level: u8) -> Self {
        self.level = Some(level);
        self
    }

    /// Started.
    pub(crate) fn started(mut self) -> Self {
        self.run();
        self
    }

    /// Makes an identity and starts the node.
    pub(crate) fn start(name: &str, bootstrap: &[String]) -> Self {
        Self::stopped(name, bootstrap).started()
    }

    /// Starts the process; returns after how long it could be driven.
    pub(crate) fn run(&mut self) -> Duration {
        let started = Instant::now();
        let mut command = Command::new(binary());
        command
            .arg("--data")
            .arg(self.data())
            .args(["up", "--no-mdns", "--web", &self.web.to_string()])
            .args(["--listen", &format!("/ip4/127.0.0.1/tcp/{}", self.p2p_port)])
            .args(["--listen", &format!("/ip4/127.0.0.1/udp/{}/quic-v1", self.p2p_port)]);
        for address in &self.bootstrap {
            command.args(["--bootstrap", address]);
        }
        if let Some(level) = self.level {
            command.args(["--level", &level.to_string()]);
        }
        let log = fs::File::create(self.data().join("bench.log")).expect("a log file");
        let process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("pc2 starts");
        let pid = u64::from(process.id());
        self.process = Some(process);
        self.until("the node is ready", Duration::from_millis(2), |node| {
            let api: Value = serde_json::from_slice(&fs::read(node.data().join("api.json")).ok()?).ok()?;
            (api["pid"].as_u64() == Some(pid) && node.get("/api/contacts").is_some()).then_some(())
        });
        started.elapsed()
    }

    /// Ends the process at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("our own child can be killed");
            process.wait().expect("our own child can be awaited");
        }
    }

    /// The data directory.
    pub(crate) fn data(&self) -> &Path {
        self.directory.path()
    }

    /// Runs the command line, which must succeed, and reads its JSON.
    pub(crate) fn pc2(&self, arguments: &[&str]) -> Value {
        let output = Command::new(binary())
            .arg("--data")
            .arg(self.data())
            .arg("--json")
            .args(arguments)
            .output()
            .expect("pc2 runs");
        assert!(output.status.success(), "pc2 {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("--json prints JSON")
    }

    /// Where its page is.
    pub(crate) const fn web(&self) -> SocketAddr {
        self.web
    }

    /// The node's DID.
    pub(crate) fn did(&self) -> String {
        self.pc2(&["id"])["did"].as_str().expect("a DID").to_owned()
    }

    /// Addresses for others to join through.
    pub(crate) fn way_in(&self) -> Vec<String> {
        let peer = self.pc2(&["id"])["peer_id"].as_str().expect("a peer id").to_owned();
        vec![format!("/ip4/127.0.0.1/udp/{}/quic-v1/p2p/{peer}", self.p2p_port)]
    }

    /// Where it listens on TCP.
    pub(crate) fn socket(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.p2p_port))
    }

    /// Its address for libp2p over TCP.
    pub(crate) fn tcp(&self) -> String {
        let peer = self.pc2(&["id"])["peer_id"].as_str().expect("a peer id").to_owned();
        format!("/ip4/127.0.0.1/tcp/{}/p2p/{peer}", self.p2p_port)
    }

    /// `GET`; `None` when refused or not answered.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let bearer = self.bearer()?;
        let mut response = self.agent.get(self.url(path)).header("authorization", bearer).call().ok()?;
        response.body_mut().read_json().ok()
    }

    /// `POST`, which must be accepted.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let bearer = self.bearer().expect("the node runs");
        let mut response = self
            .agent
            .post(self.url(path))
            .header("authorization", bearer)
            .send_json(body)
            .expect("accepted");
        response.body_mut().read_json().unwrap_or_default()
    }

    /// `PUT`, which must be accepted.
    pub(crate) fn put(&self, path: &str, body: &Value) {
        let bearer = self.bearer().expect("the node runs");
        let asked = self.agent.put(self.url(path)).header("authorization", bearer);
        asked.send_json(body).unwrap_or_else(|error| panic!("PUT {path}: {error}"));
    }

    /// `PATCH`, which must be accepted.
    pub(crate) fn patch(&self, path: &str, body: &Value) {
        let bearer = self.bearer().expect("the node runs");
        let asked = self.agent.patch(self.url(path)).header("authorization", bearer);
        asked.send_json(body).unwrap_or_else(|error| panic!("PATCH {path}: {error}"));
    }

    /// `DELETE` by somebody else than the command line, which must be accepted.
    pub(crate) fn delete_by(&self, (name, value): &(&'static str, String), path: &str) {
        let asked = self.agent.delete(self.url(path)).header(*name, value);
        asked.call().unwrap_or_else(|error| panic!("DELETE {path}: {error}"));
    }

    /// Sends one text.
    pub(crate) fn send(&self, to: &str, id: &str, text: &str) {
        self.post(&format!("/api/conversations/{to}/messages"), &json!({ "client_id": id, "text": text }));
    }

    /// Sends one text; when the node says that it is busy, waits as long as it asks and sends it again.
    pub(crate) fn send_patiently(&self, to: &str, id: &str, text: &str) {
        let path = format!("/api/conversations/{to}/messages");
        let body = json!({ "client_id": id, "text": text });
        let end = Instant::now() + PATIENCE;
        loop {
            let bearer = self.bearer().expect("the node runs");
            match self.agent.post(self.url(&path)).header("authorization", bearer).send_json(&body) {
                Ok(_) => return,
                Err(ureq::Error::StatusCode(503 | 409)) if Instant::now() < end => {
                    thread::sleep(Duration::from_millis(50))
                }
                Err(error) => panic!("the message was not taken: {error}"),
            }
        }
    }

    /// The node's events, from now on.
    pub(crate) fn events(&self) -> WebSocket<TcpStream> {
        let mut request = format!("ws://{}/ws", self.web).into_client_request().expect("a WebSocket address");
        let bearer = HeaderValue::from_str(&self.bearer().expect("the node runs")).expect("a header value");
        request.headers_mut().insert("authorization", bearer);
        let stream = TcpStream::connect(self.web).expect("the node listens");
        stream.set_nodelay(true).expect("a socket option");
        tungstenite::client(request, stream).expect("the node upgrades").0
    }

    /// Looks until there is an answer.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        every: Duration,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(Instant::now() < end, "waited in vain until {what}:\n{}", self.log());
            thread::sleep(every);
        }
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.told("status", "VmRSS:") * 1024
    }

    /// Most resident memory since [`Node::forget_peak`], in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.told("status", "VmHWM:") * 1024
    }

    /// What [`Node::peak_bytes`] tells begins anew.
    pub(crate) fn forget_peak(&self) {
        // 5 is the word for it in proc(5).
        fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").expect("our own child");
    }

    /// Bytes that the process has read from files so far. What comes by sockets is not among them: it is received, not read.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.told("io", "rchar:")
    }

    /// A number in a file that the system keeps about the process.
    fn told(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.pid())).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
    }

    /// Processor time used so far, user and system.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks =
            |place: usize| fields.get(place).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        // Linux reports in hundredths of a second (USER_HZ), whatever the kernel's own tick is.
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("the node runs").id()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.web)
    }

    fn bearer(&self) -> Option<String> {
        let api: Value = serde_json::from_slice(&fs::read(self.data().join("api.json")).ok()?).ok()?;
        Some(format!("Bearer {}", api["token"].as_str()?))
    }

    /// What it has logged since it was started last.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.data().join("bench.log")).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Makes two nodes contacts by an invitation.
pub(crate) fn become_contacts(inviting: &Node, invited: &Node) {
    let link = inviting.pc2(&["invite"])["link"].as_str().expect("a link").to_owned();
    invited.pc2(&["contact", "add", &link]);
    let did = inviting.did();
    invited.until("they are contacts", Duration::from_millis(20), |node| {
        let contact = node.get(&format!("/api/contacts/{did}"))?;
        (contact["standing"] == "accepted").then_some(())
    });
}

/// A port that nobody has at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has an address").port()
}
