//! The sieve: native, in a runner of the node, in the same engine without counting fuel, and in wasmtime. All in turn, and compared by round.

use super::node;
use crate::files::{
    median::median,
    programs::{find, run},
};
use pc2_wasm::unmetered::Unmetered;
use serde_json::json;
use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// Primes below a million.
pub(super) const PRIMES: i32 = 78_498;

/// Of the sieve in one call: a good half of a second.
const SIEVES: i32 = 300;

/// Rounds of all; `ROUNDS` says otherwise.
const ROUNDS: usize = 9;

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/pc2/wasm").join(name)
}

/// The sieve as a module.
pub(super) fn module() -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    fs::read(compiled(&folder)?).map_err(|error| error.to_string())
}

fn compiled(folder: &TempDir) -> Result<PathBuf, String> {
    let to = folder.path().join("sieve.wasm");
    let clang = find("clang")?;
    let words = ["--target=wasm32", "-O2", "-mbulk-memory", "-nostdlib", "-Wl,--no-entry", "-o"];
    let mut words: Vec<_> = words.map(PathBuf::from).into();
    words.insert(0, clang);
    words.extend([to.clone(), source("sieve.c")]);
    run(&words)?;
    Ok(to)
}

/// The table.
pub(super) fn beside_others() -> String {
    measured().unwrap_or_else(|why| format!("The sieve was not measured: {why}."))
}

fn measured() -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let module = compiled(&folder)?;
    let bytes = fs::read(&module).map_err(|error| error.to_string())?;
    let native = folder.path().join("sieve");
    let words =
        [find("clang")?, "-O2".into(), "-DNATIVE".into(), "-o".into(), native.clone(), source("sieve.c")];
    run(&words)?;
    let host = node("", &[("sieve.wasm", &bytes)]);
    let unmetered = Unmetered::compile(&bytes)?;
    let mut wasmtime = Wasmtime::start(&module);
    let rounds = env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let mut took: [Vec<f64>; 4] = Default::default();
    for round in 0..=rounds {
        let each = [
            alone(&native)?,
            seconds(unmetered.call("sieve", SIEVES)?.0),
            of_a_runner(&host)?,
            wasmtime.as_mut().map_or(Ok(f64::NAN), Wasmtime::call)?,
        ];
        // The first one only warms up.
        if round > 0 {
            took.iter_mut().zip(each).for_each(|(took, one)| took.push(one));
        }
    }
    let names = [
        ("native, `clang -O2`", ""),
        ("PC2's engine without counting fuel", "≤ 1.25"),
        ("**PC2**: a runner of the node, fuel counted", "≤ 2.2"),
        ("wasmtime (pip), which counts nothing", ""),
    ];
    let mut table = format!(
        "{SIEVES} sieves of a million numbers, {rounds} rounds of all in turn:\n\n| by | s | its time to native | to be | its time to wasmtime |\n|---|---|---|---|---|\n"
    );
    for ((name, target), mine) in names.iter().zip(&took) {
        let to = |other: &[f64]| {
            let ratio = median(mine.iter().zip(other).map(|(mine, other)| mine / other));
            ratio
                .filter(|ratio| ratio.is_finite())
                .map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
        };
        let seconds = median(mine.iter().copied()).filter(|seconds| seconds.is_finite());
        let seconds = seconds.map_or_else(|| "left out".to_owned(), |seconds| format!("{seconds:.3}"));
        table.push_str(&format!("| {name} | {seconds} | {} | {target} | {} |\n", to(&took[0]), to(&took[3])));
    }
    Ok(table)
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn nanoseconds(line: &str) -> Result<f64, String> {
    line.trim().parse::<f64>().map(|nanoseconds| nanoseconds / 1e9).map_err(|_| format!("it said \"{line}\""))
}

fn alone(native: &Path) -> Result<f64, String> {
    let output = Command::new(native).arg(SIEVES.to_string()).output().map_err(|error| error.to_string())?;
    nanoseconds(&String::from_utf8_lossy(&output.stdout))
}

/// As the runner counts its time.
fn of_a_runner(host: &crate::process::Node) -> Result<f64, String> {
    let run = json!({ "path": "sieve.wasm", "function": "sieve", "args": [SIEVES] });
    let id = host.post("/api/wasm/runs", &run)["id"].as_str().ok_or("a run has an id")?.to_owned();
    let ended = host.until("it has ended", Duration::from_millis(20), |host| {
        let run = host.get(&format!("/api/wasm/runs/{id}"))?;
        (run["state"] == "ended").then_some(run)
    });
    if ended["end"]["result"] != PRIMES {
        return Err(format!("the run ended otherwise: {}", ended["end"]["text"]));
    }
    ended["usage"]["time_us"]
        .as_f64()
        .map(|microseconds| microseconds / 1e6)
        .ok_or_else(|| "no time".to_owned())
}

/// A process of it that waits for work.
struct Wasmtime {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Wasmtime {
    /// `None`: it could not be installed here.
    fn start(module: &Path) -> Option<Self> {
        let python = env::var_os("PC2_PEERS").map(|peers| PathBuf::from(peers).join("venv/bin/python"))?;
        let has =
            Command::new(&python).args(["-c", "import wasmtime"]).stderr(Stdio::null()).status().ok()?;
        if !has.success() {
            return None;
        }
        let mut command = Command::new(python);
        command.arg(source("sieve.py")).arg(module).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let said = BufReader::new(child.stdout.take()?);
        Some(Self { child, said })
    }

    fn call(&mut self) -> Result<f64, String> {
        let told = |error: std::io::Error| error.to_string();
        writeln!(self.child.stdin.as_ref().ok_or("it has an input")?, "{SIEVES}").map_err(told)?;
        let mut line = String::new();
        self.said.read_line(&mut line).map_err(told)?;
        nanoseconds(&line)
    }
}

impl Drop for Wasmtime {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.child.stdin.take());
        let _it_has_ended = self.child.wait();
    }
}
