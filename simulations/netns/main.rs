//! The NAT laboratory: real `pc2` processes behind real kernel NATs, in network namespaces of this machine. `make netlab` runs it, as root.
//!
//! In: `PC2_BIN` (the program), `NETLAB_SHORT` (four pairs, for CI), `NETLAB_ONLY` (names of scenarios, with commas), `NETLAB_RUNS` (how often each
//! pair), `NETLAB_KIND` (pairs with this kind of NAT only). Out: tables on standard output and in `target/netlab.md`, logs of all nodes in `target/netlab/`, and failure when something is not as
//! it must be. What the program has no part for yet is told and no failure. Nothing is left behind, and nothing outside the namespaces is
//! touched. Not here: what nodes do inside (other simulations), figures of speed on loopback (`make bench`).

mod ground;
// The benchmark of files has the same needs.
#[allow(dead_code, reason = "folders of small files go over loopback only")]
#[path = "../benches/pc2/files/ground.rs"]
mod ground_of_files;
mod lab;
#[path = "../benches/pc2/files/median.rs"]
mod median;
mod nat;
mod node;
mod parcel;
mod path;
mod report;
mod scenarios;
mod shell;
#[allow(dead_code, reason = "scp goes over loopback only")]
#[path = "../benches/pc2/files/ssh.rs"]
mod ssh;
mod talk;

use node::Program;
use report::{Report, Row, Table, Verdict};
use scenarios::{Given, files, idle, kinds, line, matrix, moves, offline, relay_killed, wiretap};
use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
};

type Scenario = fn(&Given<'_>) -> Table;

const SCENARIOS: &[(&str, Scenario)] = &[
    ("kinds", kinds::run),
    ("matrix", matrix::run),
    ("ipv6", matrix::run_ipv6),
    ("offline", offline::run),
    ("relay", relay_killed::run),
    ("moves", moves::run),
    ("partition", moves::run_partition),
    ("line", line::run),
    ("wiretap", wiretap::run),
    ("idle", idle::run),
    ("relay-killed-files", files::run_relay_killed),
    (OFTEN, matrix::run_often),
    (RELAY_FILES, files::run_relayed),
    (WAN_FILES, files::run_line),
];

/// Take half an hour, or are figures of speed: only when they are named.
const OFTEN: &str = "often";
const RELAY_FILES: &str = "relay-files";
const WAN_FILES: &str = "wan-files";
const NAMED_ONLY: &[&str] = &[OFTEN, RELAY_FILES, WAN_FILES];

/// CI has time for so many of the first.
const SHORT: usize = 2;

fn main() -> ExitCode {
    path::check();
    let short = env::var_os("NETLAB_SHORT").is_some();
    if let Some(why) = ground::missing() {
        println!("THE NAT LABORATORY WAS NOT RUN: {why}.");
        // Whoever asked for the laboratory did not get it; CI without root goes on, and says so above.
        return if short { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    ground::sweep();
    match run(short) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(short: bool) -> Result<bool, String> {
    let binary = env::var_os("PC2_BIN").map_or_else(node::default_binary, PathBuf::from);
    let program = Program::look(binary)?;
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let given = Given {
        program: &program,
        logs: &target.join("netlab"),
        runs: env::var("NETLAB_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(1),
        short,
        kind: env::var("NETLAB_KIND").ok(),
    };
    let mut report = Report::new(&head(&program));
    for (name, scenario) in chosen(short)? {
        let table = catch_unwind(AssertUnwindSafe(|| scenario(&given)));
        report.add(table.unwrap_or_else(|panic| broken(name, panic.as_ref())));
    }
    println!("\n{}", report.summary());
    let file = target.join("netlab.md");
    std::fs::create_dir_all(&target)
        .and_then(|()| std::fs::write(&file, report.text()))
        .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    Ok(report.is_clean())
}

fn head(program: &Program) -> String {
    let text = |words: &[&str]| String::from_utf8_lossy(&shell::output(words).stdout).trim().to_owned();
    let binary = program.binary.display().to_string();
    format!(
        "# NAT laboratory\n\n{} ({binary}), Linux {}, {}.",
        text(&[&binary, "--version"]),
        text(&["uname", "-r"]),
        text(&["date", "-u", "+%Y-%m-%d %H:%M UTC"])
    )
}

fn chosen(short: bool) -> Result<Vec<(&'static str, Scenario)>, String> {
    let Ok(only) = env::var("NETLAB_ONLY") else {
        let count = if short { SHORT } else { SCENARIOS.len() };
        let usual = SCENARIOS.iter().filter(|(name, _)| !NAMED_ONLY.contains(name));
        return Ok(usual.take(count).copied().collect());
    };
    only.split(',')
        .map(|wanted| {
            SCENARIOS.iter().find(|(name, _)| *name == wanted).copied().ok_or_else(|| {
                let names: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
                format!("there is no scenario \"{wanted}\"; there are {}", names.join(", "))
            })
        })
        .collect()
}

/// A scenario that could not be told to its end. What it had found by then stands on standard output.
fn broken(name: &str, panic: &(dyn std::any::Any + Send)) -> Table {
    let why = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("for a reason that is no text");
    let mut table = Table::new(name, &["scenario"]);
    let verdict = Verdict::Missed(format!("the laboratory broke: {why}"));
    table.add(Row { cells: vec![name.to_owned()], verdict });
    table
}
