//! `make bench`: the figures of docs/benchmarks.md, measured on this machine now, with the release build of `pc2` and real processes.
//!
//! Prints a table with machine and date. Figures of a peer stand beside ours where a peer could be run here (toxcore, when Debian's
//! `libtoxcore-dev` and a C compiler are installed). `ONLY=latency|throughput|start|offline|memory|deposits|relay|flood|web|wasm|files|files-large|files-small|files-resume` runs a part. Timings are no
//! tests: nothing here fails because it is slow.

mod files;
mod flood;
mod levels;
mod offline;
mod process;
mod scenario;
mod seeding;
mod strangers;
mod toxcore;
mod wasm;
mod web;

use std::{env, fs, process::Command};

/// One line of the table.
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) what: &'static str,
    /// The figure, with its unit.
    pub(crate) ours: String,
    /// What it should be.
    pub(crate) target: &'static str,
    /// The same of a peer, or why there is none.
    pub(crate) peer: String,
}

fn main() {
    println!("{}\n", machine());
    // `make bench ONLY=memory`: a part alone, while one works on it.
    let only = env::var("ONLY").ok().filter(|only| !only.is_empty());
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let peer = (wanted("latency") || wanted("start")).then(toxcore::measure).flatten();
    let mut figures = Vec::new();
    if wanted("latency") {
        figures.extend(scenario::latency(peer.as_ref()));
    }
    if wanted("throughput") {
        figures.push(scenario::throughput());
    }
    if wanted("start") {
        figures.push(scenario::first_delivery(peer.as_ref()));
        figures.push(scenario::start_with_history());
    }
    if wanted("offline") {
        figures.push(offline::first_contact());
    }
    if wanted("memory") {
        figures.extend(levels::memory());
    }
    if wanted("deposits") {
        figures.push(levels::deposits_per_second());
    }
    if wanted("relay") {
        figures.extend(levels::relay());
    }
    if wanted("flood") {
        figures.extend(flood::honest_under_flood());
    }
    let mut tables = Vec::new();
    for (part, measure) in [("web", web::measure as fn() -> _), ("wasm", wasm::measure)] {
        if wanted(part) {
            let (more, table): (Vec<Figure>, String) = measure();
            figures.extend(more);
            tables.push(table);
        }
    }
    figures.push(binary_size());

    println!("| what | PC2 | target | peer |\n|---|---|---|---|");
    for figure in figures {
        println!("| {} | {} | {} | {} |", figure.what, figure.ours, figure.target, figure.peer);
    }
    for table in tables {
        println!("\n{table}");
    }
    for (part, run) in files::PARTS {
        if wanted(part) || only.as_deref() == Some("files") {
            println!("\n{}", run());
        }
    }
}

fn binary_size() -> Figure {
    let bytes = fs::metadata(process::binary()).map_or(0, |metadata| metadata.len());
    Figure {
        what: "stripped release binary",
        ours: format!("{:.1} MiB", mebibytes(bytes)),
        target: "written down",
        peer: "none".to_owned(),
    }
}

/// Bytes in MiB, for the table.
#[allow(clippy::cast_precision_loss, reason = "a table with one decimal")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Machine and date, from the system.
fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(':').nth(1))
        .unwrap_or(" unknown");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let date = Command::new("date").arg("+%Y-%m-%d").output();
    let date = date
        .map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!("Measured {date} on{model}, {cores} cores")
}
