//! What the routes do: one file for each noun. Each handler reads its call, asks the node, and shows the answer.

pub(crate) mod connection;
pub(crate) mod contacts;
pub(crate) mod content;
pub(crate) mod doors;
pub(crate) mod export;
pub(crate) mod identity;
pub(crate) mod mailboxes;
pub(crate) mod messages;
pub(crate) mod network;
pub(crate) mod proof;
pub(crate) mod records;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod transfers;
pub(crate) mod uploads;
pub(crate) mod wasm;
pub(crate) mod wasm_stream;
