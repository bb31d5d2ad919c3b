//! `pc2 wasm …`: modules run on the node, apps installed there.
//!
//! A file named here is one of this machine: this command reads it and sends it. The node opens nothing but what is in its homes. A program's output goes to this command's own, as it comes.
//!
//! Not here: how it looks ([`crate::show`]).

use super::{Driver, files::interrupts};
use crate::{
    cli::{InstallArgs, RunArgs, WasmCommand},
    client::Line,
    exit::{self, Exit},
    show,
};
use anyhow::Context;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pc2_web::dto;
use serde_json::{Value, json};
use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};
use tungstenite::{Message, WebSocket};

/// Bytes of standard input that are sent at once.
const PIECE_BYTES: usize = 16 * 1024;

/// How long is listened before it is looked whether Ctrl-C was pressed.
const LISTEN: Duration = Duration::from_millis(100);

/// Longest module that is sent, in bytes. A larger one is put into the home on the node, and run from there.
const MAX_SENT_BYTES: u64 = 8 * 1024 * 1024;

impl Driver {
    /// `pc2 wasm …`.
    pub(crate) fn wasm(&self, command: &WasmCommand) -> anyhow::Result<()> {
        match command {
            WasmCommand::Run(arguments) => self.run_wasm(arguments),
            WasmCommand::Install(arguments) => self.install_app(arguments),
            WasmCommand::List => {
                self.print(self.client.get("/api/wasm/apps")?, |list: dto::WasmAppList| show::apps(&list))
            }
            WasmCommand::Remove { id } => {
                self.client.delete::<Value>(&format!("/api/wasm/apps/{}", super::percent(id)))?;
                self.print(json!({ "removed": id }), |_: Value| format!("Removed {id}. What it wrote stays."))
            }
        }
    }

    fn run_wasm(&self, arguments: &RunArgs) -> anyhow::Result<()> {
        let mut body = json!({ "env": arguments.env, "stdin": true });
        if arguments.app {
            body["app"] = json!(arguments.file);
        } else {
            body["module"] = sent(&arguments.file)?.into();
            body["name"] = arguments.file.file_name().unwrap_or_default().to_string_lossy().into();
        }
        if let Some(function) = &arguments.function {
            body["function"] = json!(function);
            body["args"] = json!(arguments.args);
        } else {
            body["args"] = json!(arguments.program);
        }
        if let Some(folder) = &arguments.folder {
            let access = if arguments.write { "read_write" } else { "read" };
            body["folder"] = json!({ "folder": folder, "access": access });
        }
        // Before it begins: from then on Ctrl-C stops it.
        let (interrupted, _listening) = interrupts()?;
        let run: dto::WasmRun = self.client.post("/api/wasm/runs", &body)?;
        match self.follow_wasm(&run.id, arguments.stdin, &interrupted) {
            Ok(Some(run)) => self.ended(run),
            Ok(None) => {
                self.client.delete::<Value>(&format!("/api/wasm/runs/{}", run.id))?;
                Err(Exit::error(exit::INTERRUPTED, "interrupted; the run was stopped"))
            }
            Err(error) => {
                // Nobody looks any more. That it cannot be stopped, or has ended, changes nothing about why.
                drop(self.client.delete::<Value>(&format!("/api/wasm/runs/{}", run.id)));
                Err(error)
            }
        }
    }

    /// Gives a run its input, and writes what it writes until its end. `None`: it was interrupted.
    fn follow_wasm(
        &self,
        run: &str,
        stdin: bool,
        interrupted: &AtomicBool,
    ) -> anyhow::Result<Option<dto::WasmRun>> {
        let (mut reader, mut writer) = self.client.follow(&format!("/api/wasm/runs/{run}/stream"))?;
        reader.get_ref().stream.set_read_timeout(Some(LISTEN))?;
        if stdin {
            // Ends with the process: nothing else interrupts a read of standard input.
            thread::spawn(move || feed(&mut writer));
        } else {
            writer.send(Message::text(json!({ "end": true }).to_string()))?;
        }
        follow(&mut reader, interrupted)
    }

    /// What became of a run, as this command's own end.
    fn ended(&self, run: dto::WasmRun) -> anyhow::Result<()> {
        let end = run.end.ok_or_else(|| anyhow::anyhow!("the run ended without saying how"))?;
        if let Some(result) = &end.result {
            return self.print(json!({ "result": result }), |_: Value| show::result(result));
        }
        match end.exit_code {
            Some(0) => Ok(()),
            Some(code) => Err(Exit::error(u8::try_from(code).unwrap_or(exit::FAILED), "")),
            None => Err(Exit::error(if is_refusal(&end) { exit::REFUSED } else { exit::FAILED }, end.text)),
        }
    }

    fn install_app(&self, arguments: &InstallArgs) -> anyhow::Result<()> {
        let path = &arguments.manifest;
        let manifest = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let parsed = pc2_protocols::wasm::manifest::Manifest::parse(&manifest)?;
        let module = sent(&path.with_file_name(&parsed.module))?;
        let mut answer: Value =
            self.client.post("/api/wasm/apps", &json!({ "manifest": manifest, "module": module }))?;
        if arguments.grant && !answer["asks"].is_null() {
            let grants = format!("/api/wasm/apps/{}/grants", parsed.id);
            answer = self.client.put(&grants, &json!({ "folder": answer["asks"] }))?;
        }
        self.print(answer, |app: dto::WasmApp| show::app(&app))
    }
}

/// A module of this machine, as it is sent.
fn sent(path: &Path) -> anyhow::Result<String> {
    let unreadable = || format!("cannot read {}", path.display());
    let file = fs::File::open(path).with_context(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_SENT_BYTES + 1).read_to_end(&mut bytes).with_context(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_SENT_BYTES {
        anyhow::bail!(
            "{} is larger than {MAX_SENT_BYTES} bytes; put it into your home on the node, and run it from there",
            path.display()
        );
    }
    Ok(STANDARD.encode(bytes))
}

/// Whether nothing of it was run, because it is not as it should be.
fn is_refusal(end: &dto::WasmEnd) -> bool {
    const REFUSALS: [&str; 5] = [
        "wasm_not_a_module",
        "wasm_component",
        "wasm_import_refused",
        "wasm_missing_export",
        "wasm_wrong_arguments",
    ];
    end.code.as_deref().is_some_and(|code| REFUSALS.contains(&code))
}

/// Writes what the run writes, until its end. `None`: it was interrupted.
fn follow(reader: &mut WebSocket<Line>, interrupted: &AtomicBool) -> anyhow::Result<Option<dto::WasmRun>> {
    while !interrupted.load(Ordering::Relaxed) {
        let message = match reader.read() {
            Ok(Message::Text(text)) => text,
            Ok(Message::Close(why)) => {
                let why = why.map(|frame| frame.reason.to_string()).unwrap_or_default();
                anyhow::bail!("the node ended the stream: {why}");
            }
            Ok(_) => continue,
            Err(tungstenite::Error::Io(error))
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                ) =>
            {
                continue;
            }
            Err(error) => return Err(anyhow::anyhow!("the stream of the run broke: {error}")),
        };
        match serde_json::from_str(message.as_str())? {
            dto::WasmFrame::End(run) => return Ok(Some(*run)),
            dto::WasmFrame::Output(output) => {
                let bytes = match (output.text, output.base64) {
                    (Some(text), _) => text.into_bytes(),
                    (None, Some(base64)) => STANDARD.decode(base64)?,
                    (None, None) => Vec::new(),
                };
                match output.stream {
                    dto::WasmStream::Out => {
                        io::stdout().write_all(&bytes).and_then(|()| io::stdout().flush())?
                    }
                    dto::WasmStream::Err => io::stderr().write_all(&bytes)?,
                }
            }
        }
    }
    Ok(None)
}

/// Hands on what comes from standard input, and its end.
fn feed(writer: &mut WebSocket<TcpStream>) {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = io::stdin().read(&mut piece).unwrap_or_default();
        let input = match piece.get(..read).filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => json!({ "base64": STANDARD.encode(bytes) }),
            None => json!({ "end": true }),
        };
        // The run has ended, or all is said.
        if writer.send(Message::text(input.to_string())).is_err() || read == 0 {
            return;
        }
    }
}
