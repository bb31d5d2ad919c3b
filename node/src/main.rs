//! `pc2`: the program. Parses the command line, does what it says, ends with a documented exit code.
//!
//! Here: which command goes where, and what is no command: `wasm-runner`, which only the node itself starts. Not here: what a command does (`commands`, `run`, `init`, `demo`, `doctor`).

mod chain_nodes;
mod cli;
mod client;
mod commands;
mod config;
mod demo;
mod doctor;
mod exit;
mod home;
mod identity_file;
mod init;
mod keeping;
mod logging;
mod meter;
mod network_choice;
mod network_file;
mod open_files;
mod phrase_io;
mod progress;
mod proof;
mod replace;
mod run;
mod setup_file;
mod show;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command, ConfigCommand, ExportCommand, UpArgs};
use client::Client;
use commands::Driver;
use config::Config;
use home::Home;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A runner of WebAssembly is the same program, but nothing of a node: no configuration, no home, no log, no runtime.
    if std::env::args_os().nth(1).is_some_and(|command| command == "wasm-runner") {
        return pc2_wasm::run();
    }
    match dispatch(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let words = format!("{error:#}");
            // A program that was run has said itself what it had to say.
            if !words.is_empty() {
                eprintln!("pc2: {words}");
            }
            ExitCode::from(exit::code_of(&error))
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<()> {
    let command = cli.command.unwrap_or(Command::Up(UpArgs::default()));
    if let Command::Completions { shell } = command {
        clap_complete::generate(shell, &mut Cli::command(), "pc2", &mut std::io::stdout());
        return Ok(());
    }
    if let Command::Demo(arguments) = &command {
        return demo::run(arguments);
    }
    let home = Home::find(cli.data)?;
    let drive = || Client::find(&home).map(|client| Driver::new(client, cli.json));
    match &command {
        Command::Up(arguments) => run::up(&home, arguments),
        Command::Init(arguments) => init::init(&home, arguments, cli.json),
        Command::Restore(arguments) => init::restore(&home, arguments, cli.json),
        Command::Phrase(arguments) => {
            init::show_kept_phrase(&home, arguments.passphrase_file.as_deref(), cli.json)
        }
        Command::Id => init::show_id(&home, cli.json),
        Command::Name { name } => drive()?.name(name.as_deref()),
        Command::LoginLink => drive()?.login_link(),
        Command::Wallet(command) => drive()?.wallet(command),
        Command::Key(command) => drive()?.key(command),
        Command::Contact(command) => drive()?.contact(command),
        Command::Invite { no_qr } => drive()?.invite(!no_qr),
        Command::Send { to, text, wait } => drive()?.send(to, text, *wait),
        Command::Export(ExportCommand::Chat { with, file }) => drive()?.export_chat(with, file),
        Command::Chat { with, limit } => drive()?.chat(with.as_deref(), *limit),
        Command::Told(wanted) => drive()?.told(wanted),
        Command::Peers => drive()?.peers(),
        Command::Level { level } => {
            // A configuration that cannot be read is the doctor's business.
            let config = Config::load(&home, &UpArgs::default()).ok();
            drive()?.level(*level, config.and_then(|config| config.level))
        }
        Command::Shares(shares) => {
            let config = Config::load(&home, &UpArgs::default()).ok();
            drive()?.shares(shares, config.is_some_and(|config| config.shares.is_some()))
        }
        Command::Mailbox { command } => drive()?.mailbox(command.as_ref()),
        Command::Record(command) => drive()?.record(command),
        Command::File(command) => drive()?.file(command),
        Command::Transfers(arguments) => drive()?.transfers(arguments),
        Command::Wasm(command) => drive()?.wasm(command),
        Command::Doctor(arguments) => doctor::run(&home, arguments, cli.json),
        Command::Config(ConfigCommand::Show) => {
            let config = Config::load(&home, &UpArgs::default())?.config;
            if cli.json {
                println!("{}", serde_json::to_string_pretty(&config)?);
            } else {
                print!("{}", toml::to_string_pretty(&config)?);
            }
            Ok(())
        }
        Command::Demo(_) | Command::Completions { .. } => unreachable!("handled above"),
    }
}

/// A random UUID, for a message that is composed here.
fn random_id() -> anyhow::Result<String> {
    let hex: String = identity_file::random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}
