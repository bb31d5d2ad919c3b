//! What `make sim` says about records: a page in Markdown, and three pictures.
//!
//! In: the figures of each world and what it cost. Out: text. Not here: running worlds, writing files, reading clocks (`bin/sim`).

use super::{
    Figures, Scale,
    figures::{Sample, float, percent, percentile},
    svg::{Words, histogram, line},
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
    /// Sybils, with walks as they are.
    pub sybils: Run,
    /// Sybils, with walks that count two of a prefix.
    pub sybils_diverse: Run,
}

impl Runs {
    const fn all(&self) -> [&Run; 4] {
        [&self.everyday, &self.hostile, &self.sybils, &self.sybils_diverse]
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
    let day = &runs.everyday.figures;
    let mut page = format!(
        "{machine}, {nodes} nodes, seed {seed}: `make sim N={nodes} SEED={seed} HOURS={hours}` repeats it.\n\n\
         | what | measured | should be |\n|---|---|---|\n"
    );
    let mut row = |what: &str, measured: String, target: &str| {
        writeln!(page, "| {what} | {measured} | {target} |").expect("writing to a string cannot fail");
    };
    let before = day.sample("before the kill: cards");
    row("friends found, before", share(&before), "≥ 99.9 %");
    row("values found, before", share(&day.sample("before the kill: values")), "≥ 99.9 %");
    row("friends found, right after 25 % were killed", share(&day.sample("right after: cards")), "≥ 99.9 %");
    row("values found, right after", share(&day.sample("right after: values")), "≥ 99.9 %");
    row("friends found, an hour after", share(&day.sample("an hour after: cards")), "≥ 99.9 %");
    row("values found, an hour after", share(&day.sample("an hour after: values")), "≥ 99.9 %");
    let churn = day.sample("coming and going");
    row(&format!("friends found while nodes come and go, {hours} hours"), share(&churn), "≥ 99.9 %");
    let hostile = &runs.hostile.figures;
    row(
        "friends found, half of the network hostile",
        share(&hostile.sample("half hostile: cards")),
        "≥ 99 %",
    );
    row(
        "the same, after the owners' next refresh",
        share(&hostile.sample("half hostile, 9 hours later")),
        "≥ 99 %",
    );
    let outdated: u64 =
        runs.all().iter().flat_map(|run| &run.figures.samples).map(|sample| sample.outdated).sum();
    row("cards shown that were older than a confirmed one, all worlds", outdated.to_string(), "written down");
    let forged: u64 = runs.all().iter().map(|run| run.figures.forged).sum();
    row("forged records believed or stored, all worlds", forged.to_string(), "0");
    let accused: u64 = runs.all().iter().map(|run| run.figures.accused_honest).sum();
    row("honest nodes accused, all worlds", accused.to_string(), "0");
    row("requests of a lookup, p50 / p95", two(&before.requests), "written down");
    row("bytes of a lookup in both directions, p50 / p95", two(&before.bytes), "written down");
    row("milliseconds of a lookup, before, p50 / p95", two(&before.millis), "written down");
    let after = day.sample("right after: cards");
    row("the same, right after the kill", two(&after.millis), "≤ 20,000");
    row("the same, while nodes come and go", two(&churn.millis), "written down");
    let most = day.held.iter().max().copied().unwrap_or(0);
    row(
        "records held by a node, p50 / most",
        format!("{} / {most}", percentile(&day.held, 50)),
        "written down",
    );
    row("records held by nodes of level 1", day.held_by_clients.to_string(), "0");
    let (lasted, all) = (float(day.lasted_ms) / HOUR_MS, float(day.nodes));
    row(
        "requests of records, per node and hour, with churn",
        format!("{:.0}", float(day.requests) / all / lasted),
        "written down",
    );
    row(
        "bytes of these, per node and minute",
        format!("{:.1} KB", float(day.bytes) / all / lasted / 60.0 / 1_000.0),
        "≤ 100 KB, idle",
    );
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

/// What sybils do to their victim's friends, today and with a change of the walk.
fn sybil_table(runs: &Runs) -> String {
    let tries = float(runs.sybils.figures.mined) / float(runs.sybils.figures.hostile.max(1));
    let mut table = format!(
        "\nSybils round one victim's card, all nearer than any honest node and all saying that they stored it ({tries:.0} keys tried for each). \
         Friends who find the card:\n\n| attack | when | walks as they are | walks that count two of a prefix |\n|---|---|---|---|\n"
    );
    for (today, diverse) in runs.sybils.figures.samples.iter().zip(&runs.sybils_diverse.figures.samples) {
        let (attack, when) = today.label.split_once(": ").unwrap_or((&today.label, ""));
        writeln!(table, "| {attack} | {when} | {} | {} |", share(today), share(diverse))
            .expect("writing to a string cannot fail");
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
        Picture { name: "records-success.svg", svg: line(success, &points, low, 100.0, kill) },
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
