//! The words about WASM: running, installing, listing, removing.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum WasmCommand {
    /// Run a module on the node: one of its functions (`pc2 wasm run calculator.wasm add 5 3`), or as a WASI program (`pc2 wasm run prog.wasm -- ARGS`).
    Run(RunArgs),
    /// Install an app: an app.toml and the module beside it.
    Install(InstallArgs),
    /// Show the apps that are installed, and what each may do.
    List,
    /// Remove an app. What it wrote stays.
    Remove {
        /// Its id.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The module: a file of this machine, which is sent to the node. With --app: the id of an installed app.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A function of it; without one, it is run as a program, and this command ends with its exit code.
    pub(crate) function: Option<String>,
    /// The function's arguments.
    #[arg(allow_negative_numbers = true)]
    pub(crate) args: Vec<String>,
    /// The program's arguments, behind `--`.
    #[arg(last = true, value_name = "PROGRAM_ARGS")]
    pub(crate) program: Vec<String>,
    /// Run an installed app.
    #[arg(long)]
    pub(crate) app: bool,
    /// A folder of your home on the node that the program finds as /data, e.g. Documents.
    #[arg(long, value_name = "FOLDER", conflicts_with = "app")]
    pub(crate) folder: Option<String>,
    /// It may write there, too.
    #[arg(long, requires = "folder")]
    pub(crate) write: bool,
    /// A variable of the program's environment; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Give the program what comes from standard input.
    #[arg(long)]
    pub(crate) stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The app.toml on this machine.
    pub(crate) manifest: PathBuf,
    /// Grant it the folder that it asks for.
    #[arg(long)]
    pub(crate) grant: bool,
}
