//! The battery against the process that runs modules: `pc2 wasm-runner` itself, as the node starts it.
//!
//! Whoever runs this as root has each escape tried as root and as nobody; otherwise as whoever it is. What a module can ask for is asked for here, and
//! what lies outside of its folder is looked at afterwards. What a module cannot ask for as long as the engine has no fault is tried in
//! `actors/wasm/src/sandbox.rs`, from inside.

mod ends;
mod escapes;
mod files;
mod host;
mod limits;
mod runs;
mod script;
mod traced;
