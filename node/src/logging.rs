//! Where the log goes: standard error, so that standard output stays for answers.
//!
//! Never in it: keys, texts, names of files, tokens. Peers and addresses only at DEBUG.

use std::io::{IsTerminal, stderr};
use tracing_subscriber::{
    Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// Starts logging with a filter in the syntax of `RUST_LOG` (levels and targets; not spans and fields); an unreadable filter falls back to `info`, and says so.
pub(crate) fn start(filter: &str) {
    let (filter, complaint) = match filter.parse::<Targets>() {
        Ok(filter) => (filter, None),
        Err(error) => (Targets::new().with_default(tracing::Level::INFO), Some(error)),
    };
    let lines = fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal()).with_target(false);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    if let Some(error) = complaint {
        tracing::warn!(%error, "log filter not understood, using \"info\"");
    }
}
