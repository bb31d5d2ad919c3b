//! WebAssembly: calls over HTTP, starts of programs, a sieve beside native code and wasmtime, and what a node answers while a hundred modules run.
//!
//! `ONLY=wasm` runs all of it. Modules run as they always do: in runners of the release build, with fuel counted. Not here: what they may (tests of `pc2`).

mod calls;
mod sieve;

use crate::{Figure, process::Node};
use std::fs;

/// All of it. The second is a table of its own.
pub(crate) fn measure() -> (Vec<Figure>, String) {
    let mut figures = calls::calls();
    figures.extend(calls::hundred_at_once());
    (figures, sieve::beside_others())
}

/// A node of this configuration, with these modules in its owner's home.
fn node(configuration: &str, modules: &[(&str, &[u8])]) -> Node {
    let node = Node::stopped("Host", &[]).at_level(1);
    fs::write(node.data().join("config.toml"), configuration).expect("written");
    let home = node.data().join("users/owner");
    fs::create_dir_all(&home).expect("made");
    for (name, bytes) in modules {
        fs::write(home.join(name), bytes).expect("written");
    }
    node.started()
}
