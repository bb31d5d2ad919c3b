//! What others wrote of the program, with their licences: `web/ui/public/licences-program.txt`, which the page shows.
//!
//! Most licences ask that their text, with the names of who wrote it, comes along with the program. This reads `cargo metadata` and the texts
//! that crates bring with them, and fails when the file says anything else; `UPDATE=1 cargo test -p pc2 --test licences` writes it anew.
//! For Linux on x86-64: other platforms differ by a handful of crates.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What files with the text of a licence begin with, in capitals.
const TEXTS: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("node lies in the workspace").to_owned()
}

/// A crate that is part of the program.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    name: String,
    version: String,
    licence: String,
    authors: Vec<String>,
    dir: PathBuf,
}

/// Everything that `pc2` is linked from, but what is ours.
fn parts() -> BTreeSet<Part> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", TARGET])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages: BTreeMap<String, Value> =
        list(&metadata["packages"]).into_iter().map(|package| (text(&package["id"]), package)).collect();
    let nodes: BTreeMap<String, Value> =
        list(&metadata["resolve"]["nodes"]).into_iter().map(|node| (text(&node["id"]), node)).collect();
    let ours: BTreeSet<String> = list(&metadata["workspace_members"]).iter().map(text).collect();

    let (program, _) = packages.iter().find(|(_, package)| package["name"] == "pc2").expect("the program");
    let mut reached = BTreeSet::new();
    let mut next = vec![program.clone()];
    while let Some(id) = next.pop() {
        if reached.insert(id.clone()) {
            let linked = |dep: &Value| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            next.extend(
                list(&nodes[&id]["deps"]).iter().filter(|dep| linked(dep)).map(|dep| text(&dep["pkg"])),
            );
        }
    }
    let part = |id: &String| {
        let package = &packages[id];
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        Part {
            name: text(&package["name"]),
            version: text(&package["version"]),
            licence: text(&package["license"]),
            authors: list(&package["authors"]).iter().map(text).collect(),
            dir: manifest.parent().expect("a folder").to_owned(),
        }
    };
    reached.difference(&ours).map(part).collect()
}

/// The texts that a crate brings with it. Of several to choose from, that of MIT: the shortest, with the names of who wrote it.
fn texts(part: &Part) -> Vec<String> {
    let files = fs::read_dir(&part.dir).expect("a folder of sources").flatten();
    let mut names: Vec<String> = files
        .filter(|file| file.path().is_file())
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect();
    names.retain(|name| TEXTS.iter().any(|text| name.to_uppercase().starts_with(text)));
    names.sort_unstable();
    if part.licence.contains("MIT OR") || part.licence.contains("OR MIT") || part.licence.contains("MIT/") {
        let mit = |name: &String| name.to_uppercase().contains("MIT");
        if names.iter().any(mit) {
            names.retain(mit);
        }
    }
    names
        .iter()
        .map(|name| {
            let bytes = fs::read(part.dir.join(name)).expect("a text");
            let lines = String::from_utf8_lossy(&bytes).replace('\r', "");
            lines.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
        })
        .collect()
}

/// The whole file: each text once, below the crates that bring it.
fn file() -> String {
    let mut by_text: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for part in parts() {
        let line = format!("{} {} ({})", part.name, part.version, part.licence);
        let texts = texts(&part);
        if texts.is_empty() {
            // Its licence is named, but without a text: then who wrote it is said.
            let by = if part.authors.is_empty() {
                String::new()
            } else {
                format!(", by {}", part.authors.join(", "))
            };
            by_text.entry(String::new()).or_default().push(format!("{line}{by}"));
        }
        for text in texts {
            by_text.entry(text).or_default().push(line.clone());
        }
    }
    let mut groups: Vec<(Vec<String>, String)> =
        by_text.into_iter().map(|(text, lines)| (lines, text)).collect();
    groups.sort_unstable();
    let mut whole = String::from("What others wrote of the program PC2, with their licences.\n");
    for (lines, text) in groups {
        let text =
            if text.is_empty() { "These name their licence without bringing its text." } else { &text };
        write!(whole, "\n{}\n\n{}\n\n{text}\n", "-".repeat(80), lines.join("\n"))
            .expect("strings can be written to");
    }
    whole
}

#[test]
fn the_program_names_who_wrote_what_it_is_made_of() {
    let path = root().join("web/ui/public/licences-program.txt");
    let now = file();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &now).expect("the file can be written");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == now,
        "{} is not what Cargo.lock says: UPDATE=1 cargo test -p pc2 --test licences",
        path.display()
    );
}
