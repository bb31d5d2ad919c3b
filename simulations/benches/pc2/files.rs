//! Files: a large one, many small ones, and one whose receiver is killed; each beside the programs that people use for it, in the same minute.
//!
//! In: `ROUNDS` (9), `MIB` (1,024, the large file), `CARRIERS` (a part of a name: only ours and those). Out: Markdown with a line for each program. In every round each
//! carries the same fresh bytes once, and who begins changes with the round; told are medians, and medians of the rounds' ratios: a machine that is slow for a minute is
//! slow for all. Not here: files through a relay and over a bad line, which need a network of their own (`simulations/netns`).

pub(crate) mod cost;
mod ground;
pub(crate) mod median;
mod ours;
mod peers;
pub(crate) mod programs;
mod resume;
pub(crate) mod ssh;
mod syncthing;

use crate::mebibytes;
use cost::{Carrier, Cost, measure};
use ground::Ground;
use median::median;
use ours::Ours;
use peers::{By, OverSsh, Sendme, Web, Wormhole};
use std::{env, fmt::Write as _, path::PathBuf};
use syncthing::Syncthing;

/// Rounds, unless `ROUNDS` says otherwise.
const ROUNDS: usize = 9;

/// The large file in MiB, unless `MIB` says otherwise.
const LARGE: u64 = 1_024;

/// The small ones.
const FILES: u32 = 10_000;
const FILE_BYTES: u64 = 4_096;

/// What runs a part and tells of it in Markdown.
type Part = fn() -> String;

/// Names of the parts, as `ONLY` takes them.
pub(crate) const PARTS: &[(&str, Part)] =
    &[("files-large", large), ("files-small", small), ("files-resume", resume::run)];

/// A number from the environment.
fn number<T: std::str::FromStr>(name: &str, usual: T) -> T {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn large_bytes() -> u64 {
    number("MIB", LARGE) << 20
}

/// One of those who take part, and what it took in each round.
struct Runner {
    carrier: Result<Box<dyn Carrier>, String>,
    name: &'static str,
    costs: Vec<Result<Cost, String>>,
}

impl Runner {
    fn new(name: &'static str, carrier: Result<Box<dyn Carrier>, String>) -> Self {
        Self { carrier, name, costs: Vec::new() }
    }

    /// Whether it is wanted at all.
    fn is_wanted(&self) -> bool {
        let wanted = env::var("CARRIERS").unwrap_or_default();
        wanted.is_empty() || wanted.split(',').any(|part| self.name.contains(part))
    }
}

fn boxed<C: Carrier + 'static>(carrier: Result<C, String>) -> Result<Box<dyn Carrier>, String> {
    carrier.map(|carrier| Box::new(carrier) as Box<dyn Carrier>)
}

/// A file of 1 GiB.
fn large() -> String {
    let mut ground = Ground::new().expect("a temporary directory");
    let runners = vec![
        Runner::new("rsync -a over ssh", boxed(OverSsh::start(&ground, By::Rsync))),
        Runner::new("scp", boxed(OverSsh::start(&ground, By::Scp))),
        Runner::new("syncthing", boxed(Syncthing::start(&ground))),
        Runner::new("sendme", boxed(Sendme::new(&ground))),
        Runner::new("magic-wormhole", boxed(Wormhole::start(&ground))),
        Runner::new("nginx, TLS 1.3, and curl", boxed(Web::start(&ground))),
    ];
    let bytes = large_bytes();
    let mut text =
        format!("### {} MiB over loopback, disk to disk ({})\n\n", bytes >> 20, ground.file_system());
    text += &compare(&mut ground, runners, bytes, &mut |ground| ground.fresh_file(bytes));
    text
}

/// 10,000 files of 4 KiB.
fn small() -> String {
    let mut ground = Ground::new().expect("a temporary directory");
    let runners = vec![
        Runner::new("rsync -a over ssh", boxed(OverSsh::start(&ground, By::Rsync))),
        Runner::new("scp -r", boxed(OverSsh::start(&ground, By::Scp))),
        Runner::new("sendme", boxed(Sendme::new(&ground))),
    ];
    let mut text =
        format!("### {FILES} files of {FILE_BYTES} bytes in a folder ({})\n\n", ground.file_system());
    let bytes = u64::from(FILES) * FILE_BYTES;
    text += &compare(&mut ground, runners, bytes, &mut |ground| ground.fresh_folder(FILES, FILE_BYTES));
    text
}

type Fresh<'a> = &'a mut dyn FnMut(&mut Ground) -> std::io::Result<PathBuf>;

/// Has all of them carry the same, round by round.
fn compare(ground: &mut Ground, mut others: Vec<Runner>, bytes: u64, fresh: Fresh<'_>) -> String {
    others.retain(Runner::is_wanted);
    let mut ours = Ours::start();
    let way = ours.way();
    let mut our_costs: Vec<Result<Cost, String>> = Vec::new();
    let rounds = number("ROUNDS", ROUNDS);
    for round in 0..rounds {
        let source = fresh(ground).expect("room on the disk for the files");
        let all = others.len() + 1;
        for turn in 0..all {
            let cost = match (turn + round) % all {
                0 => {
                    our_costs.push(measure(&mut ours, ground, &source));
                    our_costs.last().map(|cost| (ours.name(), cost))
                }
                place => {
                    let runner = &mut others[place - 1];
                    let cost = match &mut runner.carrier {
                        Ok(carrier) => measure(carrier.as_mut(), ground, &source),
                        Err(why) => Err(why.clone()),
                    };
                    runner.costs.push(cost);
                    runner.costs.last().map(|cost| (runner.name, cost))
                }
            };
            // A round takes a minute: whoever waits sees how it goes.
            if let Some((name, cost)) = cost {
                eprintln!("round {} of {rounds}: {name}: {}", round + 1, shown(cost, bytes));
            }
        }
        ground.put_away(&source).expect("our own files");
    }
    let heard = median(ours.heard.iter().map(std::time::Duration::as_secs_f64)).unwrap_or_default();
    table(&our_costs, &others, bytes)
        + &format!(
            "\nPC2: {way}; hashed and offered after {heard:.2} s; resident memory grew by at most {:.1} MiB a side.\n",
            mebibytes(ours.grown)
        )
}

fn shown(cost: &Result<Cost, String>, bytes: u64) -> String {
    match cost {
        Ok(cost) => format!(
            "{:.2} s, on the disk after {:.2} s, {:.2} CPU s, {:.0} MB/s",
            cost.took.as_secs_f64(),
            cost.durable.as_secs_f64(),
            cost.cpu.as_secs_f64(),
            rate(bytes, cost.took.as_secs_f64())
        ),
        Err(why) => why.clone(),
    }
}

#[allow(clippy::cast_precision_loss, reason = "a table without decimals")]
fn rate(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / 1e6 / seconds
}

/// What is compared, always so that more is better or less is cheaper as the column says.
const TOOK: fn(&Cost) -> f64 = |cost| cost.took.as_secs_f64();
const DURABLE: fn(&Cost) -> f64 = |cost| cost.durable.as_secs_f64();
const CPU: fn(&Cost) -> f64 = |cost| cost.cpu.as_secs_f64();

fn table(ours: &[Result<Cost, String>], others: &[Runner], bytes: u64) -> String {
    let mut text = "| by | s | MB/s | PC2's speed to it | MB/s until it is on the disk | PC2's to it | CPU s, both sides | PC2's to it |\n|---|---|---|---|---|---|---|---|\n".to_owned();
    let mut line = |name: &str, costs: &[Result<Cost, String>]| {
        let Some(took) = median(costs.iter().flatten().map(TOOK)) else {
            let why = costs.iter().find_map(|cost| cost.as_ref().err()).map_or("not run", String::as_str);
            let _infallible = writeln!(text, "| {name} | {why} | | | | | | |");
            return;
        };
        let of = |what: fn(&Cost) -> f64| median(costs.iter().flatten().map(what)).unwrap_or_default();
        // Theirs by ours where less time is more speed; ours by theirs where less is cheaper.
        let by = |what: fn(&Cost) -> f64, turned: bool| {
            let pairs = ours
                .iter()
                .zip(costs)
                .filter_map(|(ours, theirs)| Some((what(ours.as_ref().ok()?), what(theirs.as_ref().ok()?))));
            median(pairs.map(|(ours, theirs)| if turned { theirs / ours } else { ours / theirs }))
                .map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
        };
        let failed = costs.iter().filter(|cost| cost.is_err()).count();
        let note = if failed == 0 { String::new() } else { format!(" ({failed} of {} FAILED)", costs.len()) };
        let _infallible = writeln!(
            text,
            "| {name}{note} | {took:.2} | {:.0} | {} | {:.0} | {} | {:.2} | {} |",
            rate(bytes, took),
            by(TOOK, true),
            rate(bytes, of(DURABLE)),
            by(DURABLE, true),
            of(CPU),
            by(CPU, false),
        );
    };
    line("**PC2**", ours);
    for runner in others {
        line(runner.name, &runner.costs);
    }
    text
}
