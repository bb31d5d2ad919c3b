//! `pc2 up`: puts the node together, says where it is, and takes it apart again in order.
//!
//! Order up: configuration, identity, node (storage, actors, network), web, `api.json`. Order down: web stops accepting, then the node
//! ends as the tree says, 15 seconds at most; a second Ctrl-C ends it at once, which costs nothing that was acknowledged.

use crate::{
    chain_nodes,
    cli::{InitArgs, UpArgs},
    client::ApiFile,
    config::{Config, ValidConfig},
    home::Home,
    identity_file, init,
    keeping::Keeping,
    logging,
    network_file::NetworkFile,
    open_files,
    replace::{self, Outcome},
    setup_file::{self, SetupFile},
};
use anyhow::Context;
use pc2_actors::{NodeConfig, StartError, net};
use pc2_protocols::{
    crypto::{keys::IdentityKeys, phrase::Phrase},
    net::Address,
};
use pc2_storage::OpenReport;
use pc2_web::{SetupState, WebConfig, WebServer, dto::SetupStep};
use std::{io::Write, net::SocketAddr, process, sync::Arc};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

/// Runs the node until it is told to end. Starts it anew in between when another identity takes the place of a fresh one, and when something else is chosen
/// about the network; a choice that it cannot start with is taken back.
pub(crate) fn up(home: &Home, arguments: &UpArgs) -> anyhow::Result<()> {
    let mut config = Config::load(home, arguments)?;
    logging::start(&config.config.log);
    let streams = pc2_web::streams_for(open_files::raise());
    tracing::info!(streams, "so many pages and programs can follow the events of this node");
    let mut keys = None;
    loop {
        let (owner, came) = identity(home, arguments, keys.take())?;
        if let Came::Shown(phrase) = &came {
            init::show_phrase(phrase);
        }
        // A port that the system picked is picked once: browsers come back to it.
        let web = match once(home, arguments, &config, &owner, streams) {
            Ok((_, End::Asked)) => return Ok(()),
            Ok((bound, End::Again)) => bound,
            Err(error) => {
                take_back(home, error)?;
                config.web
            }
        };
        config = ValidConfig { web, ..Config::load(home, arguments)? };
        keys = Some(owner);
    }
}

/// The choice about the network with which the node does not start is taken back, so that the next start is without it. Any other error stays one.
fn take_back(home: &Home, error: anyhow::Error) -> anyhow::Result<()> {
    let Some(StartError::Network(reason)) = error.downcast_ref::<StartError>() else { return Err(error) };
    let Some(file) = NetworkFile::read(&home.network()).taken_back(reason.to_string()) else {
        return Err(error);
    };
    file.write(&home.network()).context("cannot write network.json into the data directory")?;
    println!("What was chosen for the network does not work: {reason}. It is as it was before.");
    Ok(())
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Somebody wants the node to stop.
    Asked,
    /// It is to be started anew.
    Again,
}

/// One run of the node. Also says where the web listened.
fn once(
    home: &Home,
    arguments: &UpArgs,
    config: &ValidConfig,
    keys: &IdentityKeys,
    streams: usize,
) -> anyhow::Result<(SocketAddr, End)> {
    let keeping = Arc::new(Keeping::new(home, keys, arguments.passphrase_file.as_deref(), config.fixed)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let running = pc2_actors::start(&node_config(home, keys, config)?)?;
    if let Some(file) = NetworkFile::read(&home.network()).tried() {
        file.write(&home.network()).context("cannot write network.json into the data directory")?;
    }
    tell_what_was_mended(running.opened());
    let token = setup_file::hex(&identity_file::random::<32>()?);
    let web_config = WebConfig {
        bind: config.web,
        names: config.config.web_names.clone(),
        api_token: token.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        keeper: Arc::<Keeping>::clone(&keeping),
        chains: Arc::new(chain_nodes::Named::new(config.chains.clone())),
        streams,
        carried: keeping.carried(),
        settings: config.told(&home.config()),
    };
    let web = runtime.block_on(pc2_web::serve(running.handle(), web_config, running.io()))?;
    keeping.has_carried()?;
    let address = web.address();
    ApiFile { address, token, pid: process::id() }
        .write(home)
        .context("cannot write api.json into the data directory")?;
    greet(&web, keys, keeping.is_finished())?;

    let end = runtime.block_on(async {
        tokio::select! {
            asked = interrupted() => asked.map(|()| End::Asked),
            () = keeping.again() => Ok(End::Again),
        }
    })?;
    match end {
        End::Asked => println!("\nStopping (Ctrl-C once more ends it at once)."),
        End::Again => println!("\nStarting anew, as was asked for on the page."),
    }
    ApiFile::remove(home);
    let waiting = force_on_second_signal()?;
    runtime.block_on(web.shutdown());
    running.shutdown();
    drop(waiting);
    Ok((address, end))
}

/// Where the identity of this start comes from.
enum Came {
    /// It was here, or is new and the page goes through its setup.
    Quietly,
    /// It is new, and its phrase is to be shown at the terminal.
    Shown(Phrase),
}

/// Opens the identity; a first start makes one. `known` is that of the run before, which need not be opened again.
fn identity(
    home: &Home,
    arguments: &UpArgs,
    known: Option<IdentityKeys>,
) -> anyhow::Result<(IdentityKeys, Came)> {
    replace::go_on(home)?;
    let Some(file) = identity_file::read(home)? else { return first(home, arguments) };
    if !file.is_sealed() {
        tracing::info!(
            "the identity is not sealed with a passphrase: whoever can read identity.json is this identity"
        );
    }
    let node = file.node()?;
    let keys = match known.filter(|keys| keys.node() == node) {
        Some(keys) => keys,
        None => identity_file::open(&file, arguments.passphrase_file.as_deref())?,
    };
    match replace::decide(home, &keys)? {
        Outcome::NoWish => {}
        Outcome::Stayed => println!("This identity was used meanwhile: it stays, and none was restored."),
        Outcome::Replaced => return identity(home, arguments, None),
    }
    Ok((keys, Came::Quietly))
}

/// Makes an identity. What it is set up as is asked on the page, unless nobody wants to be asked.
fn first(home: &Home, arguments: &UpArgs) -> anyhow::Result<(IdentityKeys, Came)> {
    home.create()?;
    println!("This is the first start in {}: making a new identity.\n", home.path().display());
    let init = InitArgs { passphrase_file: arguments.passphrase_file.clone(), name: None };
    let (phrase, keys) = init::draw()?;
    let beginning = setup_file::beginning()?;
    let state = if arguments.yes {
        SetupState { finished: true, step: SetupStep::Done, ..beginning }
    } else {
        beginning
    };
    // Before the identity: an identity without it would be one whose phrase nobody ever saw.
    SetupFile::new(&keys, &phrase, state)?.write(&home.setup())?;
    init::keep(home, &init, &keys)?;
    Ok((keys, if arguments.yes { Came::Shown(phrase) } else { Came::Quietly }))
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
    node.wasm = config.config.wasm.node();
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
fn greet(web: &WebServer, keys: &IdentityKeys, set_up: bool) -> anyhow::Result<()> {
    println!("PC2 is running: {}", keys.node().did());
    let url = web.login_link()?.url;
    if set_up {
        println!("Sign in once, within 15 minutes:  {url}");
    } else {
        println!("Set it up, or restore another identity, within 15 minutes:  {url}");
        println!("It works already. Its recovery phrase is shown there, or by `pc2 phrase`.");
    }
    println!("Another link: pc2 login-link. Stop: Ctrl-C.");
    if let Err(error) = std::io::stdout().flush() {
        tracing::debug!(%error, "nobody reads standard output");
    }
    Ok(())
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
