//! `pc2 up`: puts the node together, says where it is, and takes it apart again in order.
//!
//! Order up: configuration, identity, node (storage, actors, network), web, `api.json`. Order down: web stops accepting, then the node
//! ends as the tree says, 15 seconds at most; a second Ctrl-C ends it at once, which costs nothing that was acknowledged.

use crate::{
    cli::{InitArgs, UpArgs},
    client::ApiFile,
    config::{Config, ValidConfig},
    home::Home,
    identity_file, init, logging,
};
use anyhow::Context;
use pc2_actors::{NodeConfig, net};
use pc2_protocols::{crypto::keys::IdentityKeys, net::Address};
use pc2_storage::OpenReport;
use pc2_web::{WebConfig, WebServer};
use std::{io::Write, process};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

/// Runs the node until it is told to end.
pub(crate) fn up(home: &Home, arguments: &UpArgs) -> anyhow::Result<()> {
    let config = Config::load(&home.config(), arguments)?;
    logging::start(&config.config.log);
    let (keys, sealed) = identity(home, arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;

    let running = pc2_actors::start(&node_config(home, &keys, &config)?)?;
    tell_what_was_mended(running.opened());
    let token = hex(&identity_file::random::<32>()?);
    let web_config = WebConfig {
        bind: config.web,
        names: config.config.web_names.clone(),
        api_token: token.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sealed_identity: sealed,
    };
    let web = runtime.block_on(pc2_web::serve(running.handle(), web_config, running.io()))?;
    ApiFile { address: web.address(), token, pid: process::id() }
        .write(home)
        .context("cannot write api.json into the data directory")?;
    greet(&web, &keys)?;

    runtime.block_on(interrupted())?;
    println!("\nStopping (Ctrl-C once more ends it at once).");
    ApiFile::remove(home);
    let waiting = force_on_second_signal()?;
    runtime.block_on(web.shutdown());
    running.shutdown();
    drop(waiting);
    Ok(())
}

/// Opens the identity; a first start makes one and shows its phrase.
fn identity(home: &Home, arguments: &UpArgs) -> anyhow::Result<(IdentityKeys, bool)> {
    if let Some(file) = identity_file::read(home)? {
        if !file.is_sealed() {
            tracing::info!(
                "the identity is not sealed with a passphrase: whoever can read identity.json is this identity"
            );
        }
        return Ok((identity_file::open(&file, arguments.passphrase_file.as_deref())?, file.is_sealed()));
    }
    home.create()?;
    println!("This is the first start in {}: making a new identity.\n", home.path().display());
    let init = InitArgs { passphrase_file: arguments.passphrase_file.clone(), name: None };
    let (phrase, keys) = init::new_identity(home, &init)?;
    init::show_phrase(&phrase);
    Ok((keys, arguments.passphrase_file.is_some()))
}

fn node_config(home: &Home, keys: &IdentityKeys, config: &ValidConfig) -> anyhow::Result<NodeConfig> {
    let addresses = |texts: &[String]| -> anyhow::Result<Vec<Address>> {
        texts.iter().map(|text| Ok(Address::try_from(text.clone())?)).collect()
    };
    let mut node = NodeConfig::new(home.path().to_owned(), keys.clone());
    node.listen = addresses(&config.config.listen)?;
    node.bootstrap = config
        .config
        .bootstrap
        .iter()
        .map(|text| Ok(net::parse_peer(text)?))
        .collect::<anyhow::Result<_>>()?;
    node.mdns = config.config.mdns;
    node.upnp = config.config.upnp;
    node.level = config.level;
    node.shares = config.shares;
    Ok(node)
}

/// Whatever was found damaged, and what became of it, is told on the terminal, not only in the log.
fn tell_what_was_mended(report: &OpenReport) {
    if let Some(damaged) = &report.quarantined {
        println!(
            "The database was damaged ({}). It was moved to {}.",
            damaged.reason,
            damaged.path.display()
        );
        match &report.restored {
            Some(_) => println!(
                "It was restored from the last export; what came after that export is in the moved directory only."
            ),
            None => println!(
                "There was no export to restore it from: contacts and messages are in the moved directory only."
            ),
        }
    }
    if report.ballast_used {
        println!("The disk is full. What is there can be read; make room, or nothing new is taken in.");
    }
}

/// What a person needs to see, on standard output.
fn greet(web: &WebServer, keys: &IdentityKeys) -> anyhow::Result<()> {
    println!("PC2 is running: {}", keys.node().did());
    println!("Sign in once, within 15 minutes:  {}", web.login_link()?.url);
    println!("Another link: pc2 login-link. Stop: Ctrl-C.");
    if let Err(error) = std::io::stdout().flush() {
        tracing::debug!(%error, "nobody reads standard output");
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ends when the process is asked to: Ctrl-C, or a service manager's SIGTERM.
pub(crate) async fn interrupted() -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Whoever asks a second time does not want to wait. Ends with the returned runtime.
fn force_on_second_signal() -> anyhow::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.spawn(async {
        if interrupted().await.is_ok() {
            process::exit(130);
        }
    });
    Ok(runtime)
}
