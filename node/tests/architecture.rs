//! The house rules of ARCHITECTURE.md that a machine can check: who imports whom, where a library may be named, and that files
//! stay readable. Reads `cargo metadata` and the sources; builds nothing.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Our crates, and which of ours each may depend on (dev-dependencies included).
const ARROWS: &[(&str, &[&str])] = &[
    ("pc2-protocols", &[]),
    ("pc2-storage", &["pc2-protocols"]),
    ("pc2-mls", &["pc2-protocols"]),
    ("pc2-actors", &["pc2-protocols", "pc2-mls", "pc2-storage"]),
    ("pc2-web", &["pc2-protocols", "pc2-actors"]),
    // It runs in a process of its own: nothing of a node is to be in it.
    ("pc2-wasm", &["pc2-protocols"]),
    ("pc2", &["pc2-protocols", "pc2-storage", "pc2-actors", "pc2-web", "pc2-wasm"]),
    ("pc2-simulations", &["pc2-protocols", "pc2-mls", "pc2-storage", "pc2-actors", "pc2-web", "pc2-wasm"]),
];

/// Which crates may depend on a library that shapes the code around it.
const HOMES: &[(&str, &[&str])] = &[
    ("actix", &["pc2-actors"]),
    // In simulations it plays the strangers, who are no PC2.
    ("libp2p", &["pc2-actors", "pc2-simulations"]),
    ("sled", &["pc2-storage"]),
    ("bao-tree", &["pc2-storage"]),
    // Files are called by their hash; so are modules, and their compiled forms are proven by it.
    ("blake3", &["pc2-storage", "pc2-actors"]),
    ("warp", &["pc2-web"]),
    ("serde_cbor", &["pc2-protocols"]),
    ("openmls", &["pc2-mls"]),
    ("clap", &["pc2"]),
    ("wasmer", &["pc2-wasm"]),
    ("landlock", &["pc2-wasm"]),
    ("seccompiler", &["pc2-wasm"]),
    ("libc", &["pc2-wasm"]),
];

/// Within its crate, the files in which a library may be named, by the beginning of their path.
const NAMED_IN: &[(&str, &str, &[&str])] = &[
    ("serde_cbor", "protocols/src", &["protocols/src/codec.rs"]),
    ("libp2p", "actors/src", &["actors/src/net"]),
    ("sled::", "storage/src", &["storage/src"]),
    ("bao_tree", "storage/src", &["storage/src/blobs"]),
    ("blake3::", "storage/src", &["storage/src/blobs"]),
    ("landlock::", "actors/wasm/src", &["actors/wasm/src/sandbox.rs"]),
    ("seccompiler::", "actors/wasm/src", &["actors/wasm/src/calls_of_the_system.rs"]),
];

/// At this many lines before its tests a file probably holds two things.
const MAX_PRODUCTION_LINES: usize = 450;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("node lies in the workspace").to_owned()
}

/// Crate name → names of its direct dependencies.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| {
            let names = package["dependencies"].as_array().into_iter().flatten();
            (text(&package["name"]), names.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

/// All Rust sources below `directory`, as paths relative to the workspace.
fn sources(directory: &str) -> Vec<(String, String)> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root.join(directory), &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).expect("below the root").display().to_string();
            (name, fs::read_to_string(&path).expect("a source file is readable text"))
        })
        .collect()
}

fn all_production_sources() -> Vec<(String, String)> {
    [
        "protocols/src",
        "protocols/mls/src",
        "storage/src",
        "actors/src",
        "actors/wasm/src",
        "web/src",
        "node/src",
        "simulations/src",
    ]
    .iter()
    .flat_map(|directory| sources(directory))
    .filter(|(path, _)| !path.ends_with("tests.rs") && !path.contains("/tests/"))
    .collect()
}

#[test]
fn arrows_between_crates_point_one_way() {
    for (package, names) in dependencies() {
        let allowed = ARROWS
            .iter()
            .find(|(name, _)| *name == package)
            .map(|(_, allowed)| *allowed)
            .unwrap_or_else(|| panic!("{package} has no row in ARROWS"));
        for name in names.iter().filter(|name| name.starts_with("pc2")) {
            assert!(allowed.contains(&name.as_str()), "{package} must not depend on {name}");
        }
    }
}

#[test]
fn libraries_stay_in_their_crates() {
    for (package, names) in dependencies() {
        for (library, homes) in HOMES {
            let uses = names.iter().any(|name| name == library);
            assert!(!uses || homes.contains(&package.as_str()), "{package} must not depend on {library}");
        }
    }
}

#[test]
fn libraries_are_named_in_their_files_only() {
    for (library, directory, homes) in NAMED_IN {
        for (path, text) in sources(directory) {
            let named =
                text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(library));
            let at_home = homes.iter().any(|home| path.starts_with(home));
            assert!(!named || at_home, "{path} names {library}; that belongs in {homes:?}");
        }
    }
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    for (path, text) in all_production_sources() {
        assert!(text.starts_with("//!"), "{path} has no module head");
    }
}

#[test]
fn production_files_stay_readable() {
    for (path, text) in all_production_sources() {
        let lines = text
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"))
            .filter(|line| !line.trim().is_empty())
            .count();
        assert!(
            lines <= MAX_PRODUCTION_LINES,
            "{path} has {lines} lines before its tests: is there a second thing in it?"
        );
    }
}

/// `path/file.rs::test` between backticks is a promise that this test exists.
#[test]
fn tests_that_the_threat_model_names_exist() {
    let text = fs::read_to_string(root().join("docs/threat-model.md")).expect("the threat model is there");
    let named: Vec<(&str, &str)> = text
        .split('`')
        .filter_map(|word| word.split_once("::"))
        .filter(|(path, _)| Path::new(path).extension().is_some_and(|extension| extension == "rs"))
        .collect();
    assert!(named.len() > 50, "only {} tests were found in docs/threat-model.md", named.len());
    for (path, name) in named {
        let source = fs::read_to_string(root().join(path)).unwrap_or_default();
        assert!(source.contains(&format!("fn {name}(")), "docs/threat-model.md names {path}::{name}");
    }
}
