//! The peers that are a command each: rsync and scp over ssh, sendme, magic-wormhole, and nginx with curl for what is possible at all.
//!
//! Each as its manual says, with its own defaults. Who finds the other how is left out: all of them are told the address. Not here: syncthing, which runs all
//! the time (`syncthing`).

use super::{
    cost::Carrier,
    ground::{Ground, forget},
    programs::{Running, find, run},
    ssh::{self, Keys},
};
use crate::process::free_port;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn told(error: std::io::Error) -> String {
    error.to_string()
}

/// Where a source ends up in a folder.
fn below(folder: &Path, source: &Path) -> PathBuf {
    folder.join(source.file_name().unwrap_or_default())
}

/// What copies over ssh.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    /// `rsync --archive`.
    Rsync,
    /// `scp -r`.
    Scp,
}

/// rsync or scp, with a server of its own.
pub(super) struct OverSsh {
    by: By,
    keys: Keys,
    server: Running,
    port: u16,
    into: PathBuf,
}

impl OverSsh {
    /// Starts the server.
    pub(super) fn start(ground: &Ground, by: By) -> Result<Self, String> {
        find(if matches!(by, By::Rsync) { "rsync" } else { "scp" })?;
        find(ssh::SERVER)?;
        let folder = ground.folder(if matches!(by, By::Rsync) { "rsync" } else { "scp" }).map_err(told)?;
        let keys = Keys::new(&folder).map_err(told)?;
        let (port, into) = (free_port(), folder.join("into"));
        fs::create_dir_all(&into).map_err(told)?;
        let words = keys.server("127.0.0.1", port);
        let server = Running::start(Path::new(ssh::SERVER), &words[1..], &folder)?.listening(port)?;
        Ok(Self { by, keys, server, port, into })
    }
}

impl Carrier for OverSsh {
    fn name(&self) -> &'static str {
        match self.by {
            By::Rsync => "rsync -a over ssh",
            By::Scp => "scp -r",
        }
    }

    fn servers(&self) -> Vec<u32> {
        vec![self.server.pid()]
    }

    fn carry(&mut self, source: &Path) -> Result<PathBuf, String> {
        run(&match self.by {
            By::Rsync => self.keys.rsync("127.0.0.1", self.port, source, &self.into),
            By::Scp => self.keys.scp("127.0.0.1", self.port, source, &self.into),
        })?;
        Ok(below(&self.into, source))
    }
}

/// sendme: iroh's blobs over QUIC, hashed with BLAKE3 and proven group by group, as here.
pub(super) struct Sendme {
    program: PathBuf,
    folder: PathBuf,
}

impl Sendme {
    /// Nothing runs until something is sent.
    pub(super) fn new(ground: &Ground) -> Result<Self, String> {
        Ok(Self { program: find("sendme")?, folder: ground.folder("sendme").map_err(told)? })
    }
}

impl Carrier for Sendme {
    fn name(&self) -> &'static str {
        "sendme"
    }

    fn servers(&self) -> Vec<u32> {
        Vec::new()
    }

    fn carry(&mut self, source: &Path) -> Result<PathBuf, String> {
        let at = |name: &str| {
            let folder = self.folder.join(name);
            fs::create_dir_all(&folder).map_err(told).map(|()| folder)
        };
        let (from, into) = (at("from")?, at("into")?);
        let direct = ["--relay", "disabled", "--no-progress"];
        let mut sender = Command::new(&self.program)
            .args(["send", "--ticket-type", "addresses"])
            .args(direct)
            .arg(source)
            .current_dir(&from)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(told)?;
        let said = BufReader::new(sender.stdout.take().ok_or("sendme has an output")?);
        let ticket = said.lines().map_while(Result::ok).find_map(|line| {
            line.split_whitespace()
                .find(|word| word.starts_with("blob") && word.len() > 60)
                .map(str::to_owned)
        });
        let received = ticket.ok_or_else(|| "sendme printed no ticket".to_owned()).and_then(|ticket| {
            let words = [self.program.as_os_str(), "receive".as_ref(), ticket.as_ref()];
            let words: Vec<_> = words.into_iter().chain(direct.iter().map(AsRef::as_ref)).collect();
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).current_dir(&into).stdin(Stdio::null());
            let output = command.output().map_err(told)?;
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            if output.status.success() { Ok(below(&into, source)) } else { Err(said) }
        });
        // As by ctrl-c, which is how its sender is ended; only then is its time known.
        run(&["kill", "-s", "INT", &sender.id().to_string()])?;
        sender.wait().map_err(told)?;
        received
    }

    fn clear(&mut self) {
        // What it keeps while it sends and receives, as far as it is left.
        for name in ["from", "into"] {
            let _nothing_is_left = forget(&self.folder.join(name));
        }
    }
}

/// magic-wormhole, with a mailbox server of its own. The two connect directly; no transit relay is named that could be reached.
pub(super) struct Wormhole {
    program: PathBuf,
    folder: PathBuf,
    mailbox: Running,
    port: u16,
    sent: u32,
}

impl Wormhole {
    /// Starts the mailbox server.
    pub(super) fn start(ground: &Ground) -> Result<Self, String> {
        let (program, twist) = (find("wormhole")?, find("twist")?);
        let folder = ground.folder("wormhole").map_err(told)?;
        let port = free_port();
        let words = ["wormhole-mailbox".to_owned(), format!("--port=tcp:{port}:interface=127.0.0.1")];
        let mailbox = Running::start(&twist, &words, &folder)?.listening(port)?;
        Ok(Self { program, folder, mailbox, port, sent: 0 })
    }
}

impl Carrier for Wormhole {
    fn name(&self) -> &'static str {
        "magic-wormhole"
    }

    fn servers(&self) -> Vec<u32> {
        vec![self.mailbox.pid()]
    }

    fn carry(&mut self, source: &Path) -> Result<PathBuf, String> {
        self.sent += 1;
        let code = format!("{}-crossover-clockwork", self.sent);
        let arrives = below(&self.folder, source);
        let words = |more: &[&str]| -> Vec<String> {
            let server = format!("--relay-url=ws://127.0.0.1:{}/v1", self.port);
            // A port that nobody has: it must be named, or a public one is.
            let transit = "--transit-helper=tcp:127.0.0.1:9".to_owned();
            [server, transit].into_iter().chain(more.iter().map(|word| (*word).to_owned())).collect()
        };
        let from = self.folder.join("from");
        fs::create_dir_all(&from).map_err(told)?;
        let (source, output) = (source.display().to_string(), arrives.display().to_string());
        let sends = words(&["send", "--hide-progress", "--code", &code, &source]);
        let sender = Running::start(&self.program, &sends, &from)?;
        let receives =
            words(&["receive", "--accept-file", "--hide-progress", "--output-file", &output, &code]);
        let receiver = Running::start(&self.program, &receives, &self.folder)?;
        receiver.end()?;
        sender.end()?;
        Ok(arrives)
    }
}

/// nginx with TLS 1.3, fetched by curl: no hashing, no proof, nobody to be found. What the machine can do at all.
pub(super) struct Web {
    server: Running,
    folder: PathBuf,
    port: u16,
}

impl Web {
    /// Starts the server, with a certificate of its own.
    pub(super) fn start(ground: &Ground) -> Result<Self, String> {
        let program = find("nginx")?;
        find("curl")?;
        let folder = ground.folder("web").map_err(told)?;
        let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
        let (key, certificate) = (key.display().to_string(), certificate.display().to_string());
        run(&[
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ])?;
        let served = ground.folder("source").map_err(told)?;
        let port = free_port();
        let own = folder.display();
        let user = if is_root() { "user root;" } else { "" };
        let settings = format!(
            "{user} daemon off; worker_processes 1; pid {own}/nginx.pid; error_log {own}/error.log; events {{}}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; client_body_temp_path {own}; proxy_temp_path {own}; fastcgi_temp_path {own};\n\
             uwsgi_temp_path {own}; scgi_temp_path {own};\n\
             server {{ listen 127.0.0.1:{port} ssl; root {}; ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3; }} }}\n",
            served.display()
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, settings).map_err(told)?;
        let words = ["-c".to_owned(), file.display().to_string(), "-p".to_owned(), own.to_string()];
        let server = Running::start(&program, &words, &folder)?.listening(port)?;
        Ok(Self { server, folder, port })
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|told| told.stdout.starts_with(b"0"))
}

impl Carrier for Web {
    fn name(&self) -> &'static str {
        "nginx, TLS 1.3, and curl"
    }

    fn servers(&self) -> Vec<u32> {
        vec![self.server.pid()]
    }

    fn carry(&mut self, source: &Path) -> Result<PathBuf, String> {
        let arrives = below(&self.folder, source);
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        let (certificate, into) = (self.folder.join("certificate.pem"), arrives.display().to_string());
        run(&[
            "curl",
            "--silent",
            "--show-error",
            "--fail",
            "--tlsv1.3",
            "--cacert",
            &certificate.display().to_string(),
            "--output",
            &into,
            &format!("https://localhost:{}/{name}", self.port),
        ])?;
        Ok(arrives)
    }
}
