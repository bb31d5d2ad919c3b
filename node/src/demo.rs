//! `pc2 demo`: three nodes on this machine (a bootstrap, Alice and Bob), contacts already, both pages named. For the first five minutes.
//!
//! Each node is a process of this same program with a data directory of its own, so what is seen is what a real node does. One that
//! dies is started again: kill one and look. Ctrl-C stops all three.

use crate::{
    cli::DemoArgs,
    client::{ApiFile, Client},
};
use anyhow::{Context, bail};
use pc2_web::dto;
use serde_json::{Value, json};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// A node on a slow machine is ready in a second or two; after this long something is wrong.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How often a process is looked at: whether it is ready, whether it still runs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One of the three.
struct Person {
    name: &'static str,
    data: PathBuf,
    web: String,
    /// Kept over restarts, so that the others find it again without a lookup.
    listen: Vec<String>,
    bootstrap: Vec<String>,
    process: Option<Child>,
}

/// Runs the demo until Ctrl-C.
pub(crate) fn run(arguments: &DemoArgs) -> anyhow::Result<()> {
    let (stop, stopped) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        let ended = runtime.block_on(crate::run::interrupted());
        // The receiver lives until the process ends.
        let _only_at_the_end = stop.send(ended);
    });

    let folder = Folder::new(arguments.keep.clone())?;
    let port =
        |offset: u16| arguments.port.checked_add(offset).context("--port leaves no room for three nodes");
    let mut bootstrap = Person::new("Bootstrap", folder.path(), port(0)?)?;
    bootstrap.start()?;
    let way_in = bootstrap.addresses()?;
    let mut alice = Person::new("Alice", folder.path(), port(1)?)?;
    let mut bob = Person::new("Bob", folder.path(), port(2)?)?;
    for person in [&mut alice, &mut bob] {
        person.bootstrap.clone_from(&way_in);
        person.start()?;
    }
    become_contacts(&alice, &bob)?;

    println!("\nThree nodes run on this machine. Alice and Bob are contacts already.\n");
    for person in [&alice, &bob] {
        println!("  {:<6} {}", person.name, person.login_link()?);
        println!("         data directory {}, process {}", person.data.display(), person.pid());
    }
    println!(
        "\nOpen both links (each signs a browser in once) and type. Kill a process with `kill -9`: it is started"
    );
    println!(
        "again, and the conversation is whole. For another link: pc2 --data DIR login-link. Ctrl-C ends the demo."
    );

    let mut people = [bootstrap, alice, bob];
    while matches!(stopped.recv_timeout(LOOK_EVERY), Err(RecvTimeoutError::Timeout)) {
        for person in &mut people {
            person.start_again_if_dead()?;
        }
    }
    println!("\nStopping.");
    for person in &mut people {
        person.stop();
    }
    Ok(())
}

impl Person {
    fn new(name: &'static str, folder: &Path, port: u16) -> anyhow::Result<Self> {
        let data = folder.join(name.to_lowercase());
        if !data.join("identity.json").exists() {
            let output = pc2(&data).args(["--json", "init", "--name", name]).output()?;
            if !output.status.success() {
                bail!("could not make {name}'s identity: {}", String::from_utf8_lossy(&output.stderr).trim());
            }
        }
        let listen = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"].map(str::to_owned).to_vec();
        Ok(Self {
            name,
            data,
            web: format!("127.0.0.1:{port}"),
            listen,
            bootstrap: Vec::new(),
            process: None,
        })
    }

    /// Starts the process and waits until it can be driven.
    fn start(&mut self) -> anyhow::Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.data.join("log"))?;
        let mut command = pc2(&self.data);
        command.args(["up", "--no-mdns", "--no-upnp", "--web", &self.web]);
        for address in &self.listen {
            command.args(["--listen", address]);
        }
        for address in &self.bootstrap {
            command.args(["--bootstrap", address]);
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        let pid = process.id();
        self.process = Some(process);

        let end = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten())
            {
                bail!("{}'s node ended with {status}:\n{}", self.name, self.end_of_log());
            }
            if self.api().is_some_and(|api| api.pid == pid)
                && self.network().is_ok_and(|network| !network.listening.is_empty())
            {
                break;
            }
            if Instant::now() > end {
                bail!("{}'s node is not ready after {READY_WITHIN:?}:\n{}", self.name, self.end_of_log());
            }
            thread::sleep(LOOK_EVERY);
        }
        self.listen = self.network()?.listening;
        Ok(())
    }

    fn start_again_if_dead(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten()) {
            println!("{}'s node ended ({status}); starting it again", self.name);
            self.start()?;
            println!("{} is back, process {}", self.name, self.pid());
        }
        Ok(())
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Asked first: Ctrl-C at the terminal reached it already, a signal to this process alone did not.
            let asked = Command::new("kill").arg(process.id().to_string()).stderr(Stdio::null()).status();
            if asked.is_err() && process.kill().is_err() {
                return; // it has ended by itself
            }
            if let Err(error) = process.wait() {
                eprintln!("{}'s node could not be awaited: {error}", self.name);
            }
        }
    }

    fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Child::id)
    }

    fn api(&self) -> Option<ApiFile> {
        serde_json::from_slice(&fs::read(self.data.join("api.json")).ok()?).ok()
    }

    fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(self.api().with_context(|| format!("{}'s node does not run", self.name))?))
    }

    fn network(&self) -> anyhow::Result<dto::Network> {
        self.client()?.get("/api/network")
    }

    /// Where others reach it, as bootstrap addresses.
    fn addresses(&self) -> anyhow::Result<Vec<String>> {
        let identity: dto::Identity = self.client()?.get("/api/identity")?;
        Ok(self.listen.iter().map(|address| format!("{address}/p2p/{}", identity.peer_id)).collect())
    }

    fn login_link(&self) -> anyhow::Result<String> {
        let link: dto::LoginLink = self.client()?.post("/api/login-link", &json!({}))?;
        Ok(link.url)
    }

    fn end_of_log(&self) -> String {
        let text = fs::read_to_string(self.data.join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Alice invites, Bob uses the invitation. Nothing to do when they are contacts from an earlier run.
fn become_contacts(alice: &Person, bob: &Person) -> anyhow::Result<()> {
    let known: dto::ContactList = bob.client()?.get("/api/contacts")?;
    if known.items.iter().any(|contact| contact.standing == dto::Standing::Accepted) {
        return Ok(());
    }
    let invitation: dto::Invitation = alice.client()?.post("/api/invitations", &json!({}))?;
    let _requested: Value = bob.client()?.post("/api/contacts", &json!({ "invitation": invitation.link }))?;
    let end = Instant::now() + READY_WITHIN;
    loop {
        let contacts: dto::ContactList = bob.client()?.get("/api/contacts")?;
        if contacts.items.iter().any(|contact| contact.standing == dto::Standing::Accepted) {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("Alice and Bob did not find each other; Bob's log:\n{}", bob.end_of_log());
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// This same program on a data directory.
fn pc2(data: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap_or_else(|_| PathBuf::from("pc2")));
    command.arg("--data").arg(data);
    command
}

/// Where the three data directories lie; removed at the end unless the person wants to keep it.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    fn new(keep: Option<PathBuf>) -> anyhow::Result<Self> {
        let kept = keep.is_some();
        let path = keep.unwrap_or_else(|| env::temp_dir().join(format!("pc2-demo-{}", std::process::id())));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path: path.canonicalize()?, keep: kept })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            eprintln!("could not remove {}: {error}", self.path.display());
        }
    }
}
