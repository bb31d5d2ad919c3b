//! What `make sim-records` says about records: a page in Markdown, and three pictures.
//!
//! In: the figures of each world and what it cost. Out: text. Not here: running worlds, writing files, reading clocks (`bin/sim`).

use super::{
    Figures, Scale,
    figures::{Sample, float, percent, percentile},
    svg::{Series, Words, histogram, lines},
};
use std::fmt::Write as _;

/// One world that was run, and what that cost this machine.
#[derive(Debug, Clone)]
pub struct Run {
    /// Which world.
    pub name: &'static str,
    /// What was measured in it.
    pub figures: Figures,
    /// Processor time, in seconds.
    pub cpu_seconds: f64,
    /// The most memory the process had until its end, in MiB.
    pub peak_mib: f64,
}

/// All worlds of one report.
#[derive(Debug, Clone)]
pub struct Runs {
    /// The day with a kill in it.
    pub everyday: Run,
    /// Half of the network hostile.
    pub hostile: Run,
    /// Sybils round keys.
    pub sybils: Run,
}

impl Runs {
    const fn all(&self) -> [&Run; 3] {
        [&self.everyday, &self.hostile, &self.sybils]
    }

    /// The promises that were broken, with the world that broke them.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        let broken = |run: &&Run| -> Vec<String> {
            run.figures.broken().iter().map(|what| format!("{}: {what}", run.name)).collect()
        };
        self.all().iter().flat_map(broken).collect()
    }
}

/// A file of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its name in `docs/simulations`.
    pub name: &'static str,
    /// Its text.
    pub svg: String,
}

const HOUR_MS: f64 = 3_600_000.0;

/// The page. `machine` says where and when.
#[must_use]
pub fn markdown(scale: Scale, machine: &str, runs: &Runs) -> String {
    let Scale { nodes, seed, hours } = scale;
    let mut page = format!(
        "{machine}, {nodes} nodes, seed {seed}: `make sim-records N={nodes} SEED={seed} HOURS={hours}` repeats it.\n\n\
         | what | measured | should be |\n|---|---|---|\n"
    );
    let rows = found_rows(hours, runs)
        .into_iter()
        .chain(promise_rows(runs))
        .chain(cost_rows(&runs.everyday.figures));
    for [what, measured, target] in rows {
        writeln!(page, "| {what} | {measured} | {target} |").expect("writing to a string cannot fail");
    }
    page.push_str(&sybil_table(runs));
    page.push_str("\nWhat the simulation itself costs:\n\n| world | nodes | simulated | steps | CPU | CPU per node | memory per node |\n|---|---|---|---|---|---|---|\n");
    for run in runs.all() {
        let Figures { nodes, lasted_ms, steps, .. } = run.figures;
        writeln!(
            page,
            "| {} | {nodes} | {:.1} h | {steps} | {:.1} s | {:.0} ms | ≤ {:.0} KiB |",
            run.name,
            float(lasted_ms) / HOUR_MS,
            run.cpu_seconds,
            run.cpu_seconds * 1_000.0 / float(nodes),
            run.peak_mib * 1_024.0 / float(nodes),
        )
        .expect("writing to a string cannot fail");
    }
    page
}

/// A row of the table: what, measured, should be.
type Row = [String; 3];

fn row(what: &str, measured: String, target: &str) -> Row {
    [what.to_owned(), measured, target.to_owned()]
}

/// Who was found. What nobody asked in a run this short is no row.
fn found_rows(hours: u64, runs: &Runs) -> Vec<Row> {
    let churn = format!("friends found while nodes come and go, {hours} hours");
    let (day, hostile) = (&runs.everyday.figures, &runs.hostile.figures);
    let rows = [
        ("friends found, before", day, "before the kill: cards", "≥ 99.9 %"),
        ("values found, before", day, "before the kill: values", "≥ 99.9 %"),
        ("friends found, right after 25 % were killed", day, "right after: cards", "≥ 99.9 %"),
        ("values found, right after", day, "right after: values", "≥ 99.9 %"),
        ("friends found, an hour after", day, "an hour after: cards", "≥ 99.9 %"),
        ("values found, an hour after", day, "an hour after: values", "≥ 99.9 %"),
        (churn.as_str(), day, "coming and going", "≥ 99.9 %"),
        ("friends found, half of the network hostile", hostile, "half hostile: cards", "≥ 99 %"),
        ("the same, after the owners' next refresh", hostile, "half hostile, 9 hours later", "≥ 99 %"),
    ];
    rows.into_iter()
        .map(|(what, figures, label, target)| (what, figures.sample(label), target))
        .filter(|(_, sample, _)| sample.asked > 0)
        .map(|(what, sample, target)| row(what, share(&sample), target))
        .collect()
}

/// What must be zero in every world, and what should be.
fn promise_rows(runs: &Runs) -> Vec<Row> {
    let sum =
        |of: fn(&Figures) -> u64| runs.all().iter().map(|run| of(&run.figures)).sum::<u64>().to_string();
    let outdated = sum(|figures| figures.samples.iter().map(|sample| sample.outdated).sum());
    vec![
        row("cards shown that were older than a confirmed one, all worlds", outdated, "written down"),
        row("forged records believed or stored, all worlds", sum(|figures| figures.forged), "0"),
        row("honest nodes accused, all worlds", sum(|figures| figures.accused_honest), "0"),
        row("records held by nodes of level 1", sum(|figures| figures.held_by_clients), "0"),
    ]
}

/// What lookups and holding cost, in a world without liars.
fn cost_rows(day: &Figures) -> Vec<Row> {
    let (before, after) = (day.sample("before the kill: cards"), day.sample("right after: cards"));
    let churn = day.sample("coming and going");
    let mut rows = vec![
        row("requests of a lookup, p50 / p95", two(&before.requests), "written down"),
        row("the same, right after the kill", two(&after.requests), "written down"),
        row("bytes of a lookup in both directions, p50 / p95", two(&before.bytes), "written down"),
        row("milliseconds of a lookup, before, p50 / p95", two(&before.millis), "written down"),
        row("the same, right after the kill", two(&after.millis), "≤ 20,000"),
    ];
    if churn.asked > 0 {
        rows.push(row("the same, while nodes come and go", two(&churn.millis), "written down"));
    }
    let most = day.held.iter().max().copied().unwrap_or(0);
    let held = format!("{} / {most}", percentile(&day.held, 50));
    rows.push(row("records held by a node, p50 / most", held, "written down"));
    let (lasted, all) = (float(day.lasted_ms) / HOUR_MS, float(day.nodes));
    let requests = format!("{:.0}", float(day.requests) / all / lasted);
    rows.push(row("requests of records, per node and hour, lookups and all", requests, "written down"));
    let puts = format!("{:.0}", float(day.puts) / all / lasted);
    rows.push(row("of these, records brought", puts, "written down"));
    let bytes = format!("{:.1} KB", float(day.bytes) / all / lasted / 60.0 / 1_000.0);
    rows.push(row("bytes of these, per node and minute", bytes, "≤ 100 KB, idle"));
    rows
}

/// What sybils do to their victims' friends: a row for each attack, a column for each time.
fn sybil_table(runs: &Runs) -> String {
    let figures = &runs.sybils.figures;
    let tries = float(figures.mined) / float(figures.hostile.max(1));
    let mut times: Vec<&str> = Vec::new();
    let mut attacks: Vec<(&str, Vec<String>)> = Vec::new();
    for sample in &figures.samples {
        let (attack, when) = sample.label.split_once(": ").unwrap_or((&sample.label, ""));
        if !times.contains(&when) {
            times.push(when);
        }
        match attacks.iter_mut().find(|(other, _)| *other == attack) {
            Some((_, shares)) => shares.push(share(sample)),
            None => attacks.push((attack, vec![share(sample)])),
        }
    }
    let mut table = format!(
        "\nSybils round the cards of some, all saying that they stored them; nearer than any honest node, if nothing else is said ({tries:.0} keys tried for \
         each on average). Friends who find the card:\n\n| attack | {} |\n|---|{}\n",
        times.join(" | "),
        "---|".repeat(times.len())
    );
    for (attack, shares) in attacks {
        writeln!(table, "| {attack} | {} |", shares.join(" | ")).expect("writing to a string cannot fail");
    }
    table
}

/// The pictures beside the page.
#[must_use]
pub fn pictures(runs: &Runs) -> Vec<Picture> {
    let day = &runs.everyday.figures;
    let cards = day.samples.iter().filter(|sample| !sample.label.contains("values") && sample.asked > 0);
    let points: Vec<_> = cards.map(|sample| (float(sample.at_ms) / HOUR_MS, sample.percent())).collect();
    // At least five percent are shown, so that a wobble of a thousandth looks like one.
    let low = points.iter().map(|(_, percent)| percent.floor() - 1.0).fold(95.0, f64::min);
    let kill = day.killed_at_ms.map(|at| (float(at) / HOUR_MS, "a quarter is killed"));
    let success = Words { title: "Friends found", across: "hours since the first node", up: "percent" };
    let requests = Words {
        title: "Requests of one lookup, before the kill",
        across: "requests, walk and questions together",
        up: "lookups",
    };
    let held = Words { title: "Records held by a node", across: "records", up: "nodes" };
    vec![
        Picture {
            name: "records-success.svg",
            svg: lines(success, &[Series { name: "", points: &points }], low, 100.0, kill),
        },
        Picture {
            name: "records-requests.svg",
            svg: histogram(requests, &day.sample("before the kill: cards").requests),
        },
        Picture { name: "records-held.svg", svg: histogram(held, &day.held) },
    ]
}

fn share(sample: &Sample) -> String {
    format!("{:.2} % ({} of {})", percent(sample.found, sample.asked), sample.found, sample.asked)
}

fn two(values: &[u64]) -> String {
    format!("{} / {}", percentile(values, 50), percentile(values, 95))
}
