//! Where the log goes: standard error, so that standard output stays for answers.
//!
//! Never in it: keys, texts, names of files, tokens. Peers and addresses only at DEBUG.

use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// Starts logging with a filter in the syntax of `RUST_LOG`; an unreadable filter falls back to `info`, and says so.
pub(crate) fn start(filter: &str) {
    let (filter, complaint) = match EnvFilter::try_new(filter) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_target(false)
        .init();
    if let Some(error) = complaint {
        tracing::warn!(%error, "log filter not understood, using \"info\"");
    }
}
