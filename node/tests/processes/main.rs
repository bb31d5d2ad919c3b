//! The product's promises, end to end: real `pc2` processes on this machine, driven as people and scripts drive them.

mod access;
mod bad_input;
mod bot;
mod files;
mod identity;
mod network;
mod pinned;
mod sending;
mod setup;
mod support;
mod talking;
mod torture;
mod two_nodes;
mod wasm;
