//! `pc2 doctor`: checks this node; each failing check says what to do.
//!
//! What can be seen from outside is checked here (directory, identity, configuration, disk, ports); a running node adds what
//! it knows itself over the local API. Exit code 1 when anything fails.

use crate::{
    cli::{DoctorArgs, UpArgs},
    client::Client,
    config::{Config, ValidConfig},
    exit::{self, Exit},
    home::Home,
    identity_file, proof,
};
use pc2_web::dto::{Check, ConnectionTest, Doctor, Finding, FindingState};
use serde_json::json;
use std::{fs, io::ErrorKind, net::TcpListener, os::unix::fs::PermissionsExt, path::Path};

/// Below this much free disk a node soon refuses to take in messages.
const LOW_DISK_BYTES: u64 = 256 * 1024 * 1024;

/// Runs all checks and prints them.
pub(crate) fn run(home: &Home, arguments: &DoctorArgs, as_json: bool) -> anyhow::Result<()> {
    let config = Config::load(home, &UpArgs::default());
    let mut checks = vec![directory(home), identity(home), disk(home)];
    checks.push(match &config {
        Ok(_) => passed("configuration", "no problems"),
        Err(error) => {
            failed("configuration", &error.to_string(), "correct config.toml in the data directory")
        }
    });
    match Client::find(home).and_then(|client| client.get::<Doctor>("/api/doctor")) {
        Ok(doctor) => {
            checks.push(passed("node", "running"));
            let measured = if arguments.network { connection(home) } else { Vec::new() };
            // What was measured takes the place of what was known before.
            let before = |check: &Check| measured.iter().all(|finding| finding.name != check.name);
            checks.extend(doctor.checks.into_iter().filter(before));
            checks.extend(measured);
        }
        Err(error) if exit::code_of(&error) == exit::NOT_RUNNING => {
            checks.push(failed("node", "not running", "start it with `pc2 up`"));
            if let Ok(config) = &config {
                checks.push(port(config));
            }
        }
        Err(error) => {
            checks.push(failed("node", &format!("{error:#}"), "look into its log, and start it again"))
        }
    }

    if arguments.blobs {
        checks.extend(proof::checks(home, arguments, as_json));
    }

    let failures = checks.iter().filter(|check| !check.ok).count();
    if as_json {
        println!("{}", serde_json::to_string_pretty(&Doctor { checks })?);
    } else {
        for check in &checks {
            println!("{} {}: {}", if check.ok { "ok  " } else { "FAIL" }, check.name, check.detail);
            if let Some(advice) = &check.advice {
                println!("       → {advice}");
            }
        }
    }
    if failures == 0 { Ok(()) } else { Err(Exit::error(exit::FAILED, format!("{failures} check(s) failed"))) }
}

pub(crate) fn passed(name: &str, detail: &str) -> Check {
    Check { name: name.to_owned(), ok: true, detail: detail.to_owned(), advice: None }
}

pub(crate) fn failed(name: &str, detail: &str, advice: &str) -> Check {
    Check { name: name.to_owned(), ok: false, detail: detail.to_owned(), advice: Some(advice.to_owned()) }
}

/// What the node measures when it is told to try everything now.
fn connection(home: &Home) -> Vec<Check> {
    let tested = |client: Client| client.post::<ConnectionTest>("/api/network/test", &json!({}));
    match Client::find(home).and_then(tested) {
        Ok(test) => test.findings.into_iter().map(check).collect(),
        Err(error) => vec![failed("connection test", &format!("{error:#}"), "try again in a moment")],
    }
}

/// What could not be measured is no fault.
fn check(Finding { name, state, detail, advice }: Finding) -> Check {
    let detail = if state == FindingState::Unknown { format!("not known: {detail}") } else { detail };
    Check { name, ok: state != FindingState::NotWell, detail, advice }
}

fn directory(home: &Home) -> Check {
    let (name, path) = ("data directory", home.path());
    match fs::metadata(path) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => failed(
            name,
            &format!("others on this machine may look into {}", path.display()),
            &format!("chmod 700 {}", path.display()),
        ),
        Ok(_) => passed(name, &path.display().to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => failed(
            name,
            &format!("{} does not exist", path.display()),
            "make an identity with `pc2 init`, or `pc2 restore`",
        ),
        Err(error) => failed(name, &format!("{}: {error}", path.display()), "make it readable for this user"),
    }
}

fn identity(home: &Home) -> Check {
    let name = "identity";
    match identity_file::read_existing(home) {
        Err(error) => failed(
            name,
            &format!("{error:#}"),
            "see above; `pc2 restore` brings an identity back from its phrase",
        ),
        Ok(file) => match file.node() {
            Err(error) => failed(name, &error.to_string(), "put a good copy of identity.json in its place"),
            Ok(node) if open_to_others(&home.identity()) => failed(
                name,
                &format!("{}, and identity.json is readable for others", node.did()),
                "chmod 600 identity.json",
            ),
            Ok(node) if file.is_sealed() => {
                passed(name, &format!("{}, sealed with a passphrase", node.did()))
            }
            Ok(node) => passed(name, &format!("{}, not sealed with a passphrase", node.did())),
        },
    }
}

fn open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

fn disk(home: &Home) -> Check {
    let name = "disk";
    match fs4::available_space(home.path()) {
        Ok(free) if free < LOW_DISK_BYTES => failed(
            name,
            &format!("{} MiB free", free >> 20),
            "make room: with less than 16 MiB left, nothing new is taken in (what is there stays readable)",
        ),
        Ok(free) => passed(name, &format!("{} MiB free", free >> 20)),
        Err(error) => failed(
            name,
            &format!("cannot tell the free space: {error}"),
            "check that the data directory exists",
        ),
    }
}

fn port(config: &ValidConfig) -> Check {
    let name = "web port";
    match TcpListener::bind(config.web) {
        Ok(_) => passed(name, &format!("{} is free", config.web)),
        Err(error) if error.kind() == ErrorKind::AddrInUse => failed(
            name,
            &format!("{} is used by another program", config.web),
            "stop that program, or choose another: pc2 up --web 127.0.0.1:4300",
        ),
        Err(error) => failed(
            name,
            &format!("{}: {error}", config.web),
            "choose an address of this machine in config.toml",
        ),
    }
}
