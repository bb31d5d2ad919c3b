//! The words of the command line: what clap parses, and nothing of what it does.
//!
//! Exit codes stand in [`crate::exit`]. A running node is driven over its local API; `--data` picks which.

mod access;
mod files;
mod people;
mod wasm;

pub(crate) use access::{KeyCommand, WalletCommand};
pub(crate) use files::{FileCommand, SendFileArgs, TransferCommand, TransfersArgs};
pub(crate) use people::{ContactCommand, Lasting, Tell, ToldArgs};
pub(crate) use wasm::{InstallArgs, RunArgs, WasmCommand};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use pc2_protocols::level::LevelChoice;
use serde::Serialize;
use std::path::PathBuf;

/// Your own cloud on your own hardware, joined to everybody else's directly.
#[derive(Debug, Parser)]
#[command(name = "pc2", version, about, after_help = EXIT_CODES, arg_required_else_help = false)]
pub(crate) struct Cli {
    /// Directory that holds everything of one node.
    #[arg(long, global = true, env = "PC2_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Print JSON for scripts instead of text for people.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 done · 1 failed · 2 wrong usage · 3 no node is running in this data directory · \
4 not found · 5 refused as things stand, or by the other side · 70 a part of the node hung and the process gave up (restart it) · \
130 interrupted by Ctrl-C";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the node (also plain `pc2`).
    Up(UpArgs),
    /// Make a new identity and show its recovery phrase once.
    Init(InitArgs),
    /// Bring an identity back from its recovery phrase (read from standard input).
    Restore(InitArgs),
    /// Show the recovery phrase again, if this node keeps it: it does when `pc2 up` made the identity or the page restored it.
    Phrase(PhraseArgs),
    /// Show who this node is.
    Id,
    /// Show or set how you call yourself.
    Name {
        /// The new name; without it the current one is shown.
        name: Option<String>,
    },
    /// Print a link that signs a browser in, once, within 15 minutes.
    LoginLink,
    /// Wallets that may sign in to the page, and as what.
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Keys for programs that use the API, and what each may do.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Contacts and requests.
    #[command(subcommand)]
    Contact(ContactCommand),
    /// Make an invitation: a link (and QR) with which somebody becomes your contact.
    Invite {
        /// Leave out the QR code.
        #[arg(long)]
        no_qr: bool,
    },
    /// Send a text. To somebody new it goes as a contact request.
    Send {
        /// The recipient's DID, or the name you gave them.
        to: String,
        /// The text.
        text: String,
        /// Wait until it is delivered, at most this many seconds.
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u64>,
    },
    /// Show a conversation, or the latest of all.
    Chat {
        /// Whose: a DID or the name you gave them. Without it: everybody's.
        with: Option<String>,
        /// How many messages of each conversation, from the newest.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show or choose what your contacts are told of what you do; who does not tell is not told either.
    Told(ToldArgs),
    /// Save what is yours as a file.
    #[command(subcommand)]
    Export(ExportCommand),
    /// Files and folders for your contacts.
    #[command(subcommand)]
    File(FileCommand),
    /// Show files on their way in and out, decide about them, and say how they are transferred.
    Transfers(TransfersArgs),
    /// Show how you are reached, and who is connected.
    Peers,
    /// Show or choose how much this node does for the network: 1 looks up only, 2 keeps records and mailboxes, 3 relays as well.
    Level {
        /// auto, 1, 2, 3 or 4; without it the current one is shown.
        level: Option<LevelChoice>,
    },
    /// Show or change what this node lends to the network, from now on and without a restart.
    Shares(SharesArgs),
    /// Show what mailboxes keep for people who are offline; pin nodes that keep yours for a month, and let contacts pin this one.
    Mailbox {
        #[command(subcommand)]
        command: Option<MailboxCommand>,
    },
    /// Public values in the network's shared store.
    #[command(subcommand)]
    Record(RecordCommand),
    /// Run WASM modules on the node, and install apps made of them.
    #[command(subcommand)]
    Wasm(WasmCommand),
    /// Check this node; each failing check says what to do.
    Doctor(DoctorArgs),
    /// Show the configuration in effect.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Three nodes on this machine (a bootstrap, Alice and Bob), for the first five minutes.
    Demo(DemoArgs),
    /// Print a completion script for a shell.
    Completions {
        /// For which shell.
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// Save a conversation as an HTML file, to be read in any browser. What disappears is not in it.
    Chat {
        /// Whose: a DID or the name you gave them.
        with: String,
        /// The file, which must not be there yet; `-`: standard output.
        file: PathBuf,
    },
}

#[derive(Debug, Default, Args)]
pub(crate) struct UpArgs {
    /// Web address to listen on [default: 127.0.0.1:4200].
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) web: Option<String>,
    /// Address for other nodes, as a multiaddress; may be repeated
    /// [default: TCP and QUIC on port 4201, IPv4 and IPv6].
    #[arg(long, value_name = "MULTIADDR")]
    pub(crate) listen: Vec<String>,
    /// A node to join the network through, as a multiaddress ending in /p2p/…; may be repeated.
    #[arg(long, value_name = "MULTIADDR")]
    pub(crate) bootstrap: Vec<String>,
    /// Do not look for nodes in the local network (mDNS).
    #[arg(long)]
    pub(crate) no_mdns: bool,
    /// Do not ask the router to pass a port on to this node (UPnP).
    #[arg(long)]
    pub(crate) no_upnp: bool,
    /// How much this node does for the network: auto, 1, 2, 3 or 4 [default: as last chosen, or auto].
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<String>,
    /// File with the passphrase of a sealed identity.
    #[arg(long, value_name = "FILE", env = "PC2_PASSPHRASE_FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// At a first start: make a new identity and show its recovery phrase here, instead of asking on the page.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct PhraseArgs {
    /// File with the passphrase of a sealed identity.
    #[arg(long, value_name = "FILE", env = "PC2_PASSPHRASE_FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// What is not named stays as it is.
#[derive(Debug, Default, Args, Serialize)]
pub(crate) struct SharesArgs {
    /// Level 3 and above: places at this relay, 1 to 4096.
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reservations: Option<u32>,
    /// Level 3 and above: circuits at once, 1 to 1000.
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) circuits: Option<u32>,
    /// Level 3 and above: bytes of one circuit, from 1073741824 (1 GiB). Changing it connects everybody anew.
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) circuit_bytes: Option<u64>,
    /// Level 3 and above: seconds one circuit lasts, from 3600 (an hour) to a week. Changing it connects everybody anew.
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) circuit_seconds: Option<u32>,
    /// Level 3 and above: bytes a second through all circuits together, 65536 to 1073741824.
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_per_second: Option<u64>,
    /// Level 2 and above: disk for envelopes of others in bytes, 16777216 (16 MiB) to 4294967296.
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mailbox_bytes: Option<u64>,
}

impl SharesArgs {
    /// The name of each that is to change, as `config.toml` writes it.
    pub(crate) fn named(&self) -> Vec<String> {
        let all = serde_json::to_value(self).unwrap_or_default();
        all.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }
}

#[derive(Debug, Default, Args)]
pub(crate) struct DoctorArgs {
    /// Also read every file that is offered or partly received, and say which are not what they were. Takes as long as reading them takes.
    #[arg(long)]
    pub(crate) blobs: bool,
    /// Also measure how this node is connected, now: others try to reach it, and it those by whom it joins the network. Takes ten seconds at most.
    #[arg(long)]
    pub(crate) network: bool,
    /// File with the passphrase of a sealed identity; needed with --blobs while the node is stopped.
    #[arg(long, value_name = "FILE", env = "PC2_PASSPHRASE_FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
pub(crate) struct InitArgs {
    /// Seal the identity file with a passphrase read from this file; `-` asks for it.
    #[arg(long, value_name = "FILE", env = "PC2_PASSPHRASE_FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// How you call yourself.
    #[arg(long)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MailboxCommand {
    /// Have a node keep your mailboxes for a month: a friend's or your own second one, up to three. Its owner has to allow it (`pc2 mailbox serve`).
    Pin {
        /// The node's DID, or the name you gave it.
        node: String,
    },
    /// Undo that. What it keeps already is not looked for any more.
    Unpin {
        /// The node's DID, or the name you gave it.
        node: String,
    },
    /// Let a contact pin this node.
    Serve {
        /// DID or name.
        who: String,
        /// Let them no longer. What this node has promised to keep, it keeps.
        #[arg(long)]
        stop: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecordCommand {
    /// Publish a text under your DID and a label.
    Put {
        /// Tells your values apart.
        label: String,
        /// The text. Anybody who knows your DID and the label can read it.
        value: String,
        /// Only if the value there has this sequence number.
        #[arg(long)]
        expect: Option<u64>,
    },
    /// Find a value of somebody.
    Get {
        /// Whose: a DID.
        owner: String,
        /// Which.
        label: String,
    },
    /// Withdraw a value of yours everywhere.
    Delete {
        /// Which.
        label: String,
    },
    /// Find the card of somebody: where they are reachable.
    Card {
        /// Whose: a DID.
        owner: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the configuration in effect, as it would stand in config.toml.
    Show,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the three data directories here; without it they vanish at the end.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// First of three web ports.
    #[arg(long, default_value_t = 4200)]
    pub(crate) port: u16,
}
