//! PC2's running parts: the actor tree, the network driver, and the handle by which web and command line use them.
//!
//! Read [`start()`] for what there is to start and stop, [`api`] for what can be asked, [`event`] for what is told. Inside: `host` runs one
//! machine of `pc2-protocols` as an actor, `shell` and the files named after machines perform what they put out, `net` owns the
//! sockets, `tree` puts it all together.
//!
//! Not here: HTTP and JSON (`pc2-web`), configuration files and signals (`pc2`).

mod alarm;
pub mod api;
mod callers;
mod clock;
mod config;
mod dht;
pub mod event;
mod exporter;
mod factories;
mod files;
mod health;
mod history;
mod host;
mod identity;
mod journal;
mod line;
mod mailbox;
mod messages;
mod messenger;
mod meter;
pub mod net;
mod network;
mod open;
mod puzzle;
mod reads;
mod relay;
mod restarts;
mod shell;
mod start;
mod tree;
mod wasm;
mod watchdog;

pub use config::{NodeConfig, StartError, exit};
pub use start::{Running, SHUTDOWN_PATIENCE, start};
pub use wasm::WasmConfig;
pub use watchdog::Fatal;
