//! How soon modules answer, and how soon the node does while they run.

use super::{node, sieve};
use crate::{Figure, files::median::median, process::Node, scenario::millis};
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};
use tungstenite::WebSocket;

/// Calls of `add`, one after the other.
const CALLS: usize = 2_000;

/// Programs that are run, one after the other.
const PROGRAMS: usize = 200;

/// Runs at once.
const AT_ONCE: usize = 100;

/// Rounds of the sieve of each: some fifth of a second of computing on a core of its own.
const ROUNDS: i32 = 50;

/// Between two questions to the node.
const PAUSE: Duration = Duration::from_millis(2);

/// How long the node is asked while nothing runs.
const QUIET: Duration = Duration::from_secs(10);

/// What the first figures call.
const ADD: &str =
    r#"(module (func (export "add") (param f64 f64) (result f64) (f64.add (local.get 0) (local.get 1))))"#;

/// A WASI program that does nothing.
const NOTHING: &str = r#"(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start") (call $exit (i32.const 0))))"#;

/// Calls and starts with everything compiled, and what a second start of the node compiles.
pub(super) fn calls() -> Vec<Figure> {
    let add = wat::parse_str(ADD).expect("a module");
    let nothing = wat::parse_str(NOTHING).expect("a module");
    let mut host = node("", &[("add.wasm", &add), ("nothing.wasm", &nothing)]);
    let since = Instant::now();
    call_add(&host);
    let first = since.elapsed();
    let mut took: Vec<f64> = (0..CALLS).map(|_| timed(|| call_add(&host))).collect();
    let add = percentiles(&mut took);

    let mut events = host.events();
    run_program(&host, &mut events);
    let mut took: Vec<f64> = (0..PROGRAMS).map(|_| timed(|| run_program(&host, &mut events))).collect();
    let program = percentiles(&mut took);

    let compiled = |host: &Node| host.log().matches("a module was compiled").count();
    let before = compiled(&host);
    host.kill();
    let made = artifacts(&host);
    host.run();
    let again = timed(|| call_add(&host));
    assert_eq!(artifacts(&host), made, "nothing was compiled anew");
    vec![
        Figure {
            what: "`add(5, 3)` of a module that was called before, over HTTP, p50",
            ours: format!("{add} (the first, compiled: {:.0})", millis(first)),
            target: "≤ 1 ms",
            peer: "none".to_owned(),
        },
        Figure {
            what: "a WASI program that does nothing, from the request to the event that it has ended, p50",
            ours: program,
            target: "≤ 5 ms",
            peer: "none".to_owned(),
        },
        Figure {
            what: "modules compiled by a second start of the node, and its first call",
            ours: format!("{} of {before}, {again:.1} ms", compiled(&host)),
            target: "none",
            peer: "none".to_owned(),
        },
    ]
}

/// A hundred sieves at once, and how the node answers meanwhile.
pub(super) fn hundred_at_once() -> Vec<Figure> {
    let module = match sieve::module() {
        Ok(module) => module,
        Err(why) => return vec![left_out(why)],
    };
    // As it is configured when nobody says anything, and with all of them really running.
    let all = format!("[wasm]\nruns = {AT_ONCE}\nruns_per_wallet = {AT_ONCE}\n");
    [
        ("100 runs at once, as configured: p99 of the node's own answers grows by", ""),
        ("the same, with all hundred really running at once", all.as_str()),
    ]
    .map(|(what, configuration)| {
        let host = node(configuration, &[("sieve.wasm", &module)]);
        sieve_once(&host, 1);
        let quiet = answers(&host, &|since| since >= QUIET);
        let over = AtomicBool::new(false);
        let since = Instant::now();
        let busy = thread::scope(|scope| {
            let runs: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| sieve_once(&host, ROUNDS))).collect();
            let asked = scope.spawn(|| answers(&host, &|_| over.load(Ordering::Relaxed)));
            for run in runs {
                run.join().expect("it ran");
            }
            over.store(true, Ordering::Relaxed);
            asked.join().expect("it asked")
        });
        Figure {
            what,
            ours: format!(
                "{:.1} ms ({:.1} to {:.1}; p50 {:.1} to {:.1}; all done after {:.1} s)",
                busy.1 - quiet.1,
                quiet.1,
                busy.1,
                quiet.0,
                busy.0,
                since.elapsed().as_secs_f64()
            ),
            target: "< 20 ms",
            peer: "none".to_owned(),
        }
    })
    .into()
}

fn left_out(why: String) -> Figure {
    Figure { what: "100 runs at once", ours: why, target: "< 20 ms", peer: "none".to_owned() }
}

fn call_add(host: &Node) {
    let body = json!({ "filePath": "add.wasm", "functionName": "add", "args": [5, 3] });
    assert_eq!(host.post("/api/wasm/execute-file", &body)["result"], 8);
}

fn sieve_once(host: &Node, rounds: i32) {
    let body = json!({ "filePath": "sieve.wasm", "functionName": "sieve", "args": [rounds] });
    assert_eq!(host.post("/api/wasm/execute-file", &body)["result"], sieve::PRIMES);
}

/// Runs a program and waits for the event that it has ended.
fn run_program(host: &Node, events: &mut WebSocket<TcpStream>) {
    let run = host.post("/api/wasm/runs", &json!({ "path": "nothing.wasm" }));
    loop {
        let frame = events.read().expect("the node sends events");
        let Ok(event) = serde_json::from_str::<Value>(frame.to_text().unwrap_or_default()) else { continue };
        let of = &event["data"];
        if event["type"] == "wasm_run" && of["id"] == run["id"] && of["state"] == "ended" {
            assert_eq!(of["end"]["exit_code"], 0, "{of}");
            return;
        }
    }
}

/// Median and p99 of how long the node takes to say that it is well, in milliseconds, until it is enough.
fn answers(host: &Node, enough: &dyn Fn(Duration) -> bool) -> (f64, f64) {
    let since = Instant::now();
    let mut took = Vec::new();
    while !enough(since.elapsed()) {
        took.push(timed(|| assert!(host.get("/health").is_some(), "the node answers")));
        thread::sleep(PAUSE);
    }
    took.sort_by(f64::total_cmp);
    (median(took.iter().copied()).unwrap_or_default(), at(&took, 99))
}

fn timed(work: impl FnOnce()) -> f64 {
    let since = Instant::now();
    work();
    millis(since.elapsed())
}

fn percentiles(took: &mut [f64]) -> String {
    took.sort_by(f64::total_cmp);
    format!("{:.2} ms (p99 {:.2})", at(took, 50), at(took, 99))
}

fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// The compiled modules of a node: names and times.
fn artifacts(host: &Node) -> Vec<(String, std::time::SystemTime)> {
    let listed = fs::read_dir(host.data().join("wasm/cache")).expect("there is a cache");
    let mut found: Vec<_> = listed
        .flatten()
        .map(|entry| {
            let about = entry.metadata().expect("it is there");
            // The time of its birth: when it was used last is noted in the other.
            (
                entry.file_name().to_string_lossy().into_owned(),
                about.created().expect("the file system keeps it"),
            )
        })
        .collect();
    found.sort();
    found
}
