//! What a node and the child process that runs a WebAssembly module say to each other.
//!
//! A module never runs in the node's own process (docs/decisions/0043): the node starts a runner, a child of the same program, hands it descriptors of
//! what it may touch, and speaks [`wire`] with it over one socket. Both sides measure by the same [`limits`], name [`values`] the same way and mean the
//! same by how a run [`end`]ed.
//!
//! Not here: the engine and the sandbox (`pc2-wasm`), processes, files and the cache (`pc2-actors`). The node believes a runner nothing but what fits
//! these types and their bounds: whatever was run in it may have taken it over.

pub mod ask;
mod command;
pub mod end;
pub mod limits;
mod machine;
pub mod manifest;
pub mod rows;
mod run;
pub mod signed;
pub mod values;
pub mod wire;

pub use command::{
    Command, CommandError, Event, Job, Out, Quotas, Reply, RunId, RunState, RunView, Source, Start, What,
};
pub use machine::{In, Wasm};
