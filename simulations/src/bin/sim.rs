//! `make sim-records`: large worlds of record machines, and what came of them as a page with pictures.
//!
//! `N=1000` nodes, `SEED=1`, `HOURS=9` of coming and going. Prints the page, and writes it with its pictures to `docs/simulations` (or `OUT`; `OUT=-`:
//! nowhere). Fails when a promise was broken; figures that miss their target are printed, for they are no promises.

use pc2_simulations::records::scale::{
    Figures, Scale, everyday, half_hostile,
    report::{Run, Runs, markdown, pictures},
    sybils,
};
use std::{env, fs, path::PathBuf, process::Command};

/// Stands before the last table in the documentation.
const BEGIN: &str = "<!-- written by `make sim-records` from here -->";

fn main() {
    let nodes = usize::try_from(number("N", 1_000)).expect("a number of nodes");
    let scale = Scale { nodes, seed: number("SEED", 1), hours: number("HOURS", 9) };
    let runs = Runs {
        everyday: measured("a day, a quarter killed", || everyday(scale)),
        hostile: measured("half hostile", || half_hostile(scale)),
        sybils: measured("sybils", || sybils(scale)),
    };
    let page = markdown(scale, &machine(), &runs);
    println!("{page}");
    write(&page, &runs);
    let broken = runs.broken();
    assert!(broken.is_empty(), "seed {}, {nodes} nodes: {}", scale.seed, broken.join("; "));
}

/// Replaces what follows [`BEGIN`] in the page, and the pictures.
fn write(page: &str, runs: &Runs) {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/simulations");
    let directory = env::var("OUT").unwrap_or_else(|_| default.to_owned());
    if directory == "-" {
        return;
    }
    let directory = PathBuf::from(directory);
    fs::create_dir_all(&directory).expect("the directory for the report can be made");
    let file = directory.join("records.md");
    let before = fs::read_to_string(&file).unwrap_or_default();
    let head = before.split(BEGIN).next().unwrap_or_default();
    fs::write(&file, format!("{head}{BEGIN}\n\n{page}")).expect("the report can be written");
    for picture in pictures(runs) {
        fs::write(directory.join(picture.name), picture.svg).expect("a picture can be written");
    }
}

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    let text = env::var(name).unwrap_or_default();
    if text.is_empty() { default } else { text.parse().unwrap_or_else(|_| panic!("{name} is a number")) }
}

/// Runs a world and measures what that costs.
fn measured(name: &'static str, world: impl FnOnce() -> Figures) -> Run {
    eprintln!("{name} …");
    let before = cpu_seconds();
    let figures = world();
    Run { name, figures, cpu_seconds: cpu_seconds() - before, peak_mib: peak_mib() }
}

/// Processor time of this process so far, in seconds.
fn cpu_seconds() -> f64 {
    let nanoseconds = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = nanoseconds.split(' ').next().and_then(|text| text.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}

/// The most memory this process ever had, in MiB.
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1_024.0
}

/// Date and machine, from the system.
fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let date = Command::new("date").arg("+%Y-%m-%d").output();
    let date = date
        .map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!("Measured {date} on{}, {cores} cores", model.unwrap_or(" an unknown machine"))
}
