//! What was found, as Markdown: on standard output while it runs, whole in `target/netlab.md` at the end.

use std::{fmt::Write as _, time::Duration};

/// What a finding means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it must be.
    Met,
    /// It came about, later than wanted. Timings are no tests: it does not fail the run.
    Late,
    /// Not as it must be. Fails the run.
    Missed(String),
    /// This program has no part for it. Told, and no failure.
    NotBuilt(String),
}

impl Verdict {
    /// Met, or late when it took longer than wanted.
    pub(crate) fn by(took: Duration, wanted: Duration) -> Self {
        if took <= wanted { Self::Met } else { Self::Late }
    }

    fn text(&self) -> String {
        match self {
            Self::Met => "✓".to_owned(),
            Self::Late => "late".to_owned(),
            Self::Missed(why) => format!("**✗** {why}"),
            Self::NotBuilt(what) => format!("– {what}"),
        }
    }
}

/// One line of a table.
#[derive(Debug)]
pub(crate) struct Row {
    /// One for each column of its table.
    pub(crate) cells: Vec<String>,
    /// What it means.
    pub(crate) verdict: Verdict,
}

/// One table.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Row>,
}

impl Table {
    /// A table without lines.
    pub(crate) fn new(title: &str, columns: &[&'static str]) -> Self {
        Self { title: title.to_owned(), columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a line, and prints it at once: a run takes minutes.
    pub(crate) fn add(&mut self, row: Row) {
        if self.rows.is_empty() {
            print!("{}", self.head());
        }
        println!("{}", line(&row));
        self.rows.push(row);
    }

    fn head(&self) -> String {
        let columns = self.columns.join(" | ");
        let rule = "---|".repeat(self.columns.len() + 1);
        format!("\n## {}\n\n| {columns} | |\n|{rule}\n", self.title)
    }

    fn text(&self) -> String {
        self.rows.iter().fold(self.head(), |mut text, row| {
            text.push_str(&line(row));
            text.push('\n');
            text
        })
    }
}

fn line(row: &Row) -> String {
    // A reason may be an answer of a program, with line breaks of its own.
    let verdict = row.verdict.text().lines().next().unwrap_or_default().replace('|', "\\|");
    format!("| {} | {verdict} |", row.cells.join(" | "))
}

/// All tables of a run.
#[derive(Debug)]
pub(crate) struct Report {
    head: String,
    tables: Vec<Table>,
}

impl Report {
    /// Begins with what was tried out where.
    pub(crate) fn new(head: &str) -> Self {
        println!("{head}");
        Self { head: head.to_owned(), tables: Vec::new() }
    }

    /// Adds a table.
    pub(crate) fn add(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// The whole text.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n", self.head);
        for table in &self.tables {
            text.push_str(&table.text());
        }
        // Writing to a String cannot fail.
        let _infallible = write!(text, "\n{}\n", self.summary());
        text
    }

    /// How many findings there are of each sort.
    pub(crate) fn summary(&self) -> String {
        let count = |wanted: fn(&Verdict) -> bool| self.verdicts().filter(|verdict| wanted(verdict)).count();
        format!(
            "{} as expected, {} of them late; {} missed; {} not built yet",
            count(|verdict| matches!(verdict, Verdict::Met | Verdict::Late)),
            count(|verdict| matches!(verdict, Verdict::Late)),
            count(|verdict| matches!(verdict, Verdict::Missed(_))),
            count(|verdict| matches!(verdict, Verdict::NotBuilt(_))),
        )
    }

    /// Whether nothing is other than it must be.
    pub(crate) fn is_clean(&self) -> bool {
        !self.verdicts().any(|verdict| matches!(verdict, Verdict::Missed(_)))
    }

    fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        self.tables.iter().flat_map(|table| &table.rows).map(|row| &row.verdict)
    }
}

/// A duration as people read it.
pub(crate) fn seconds(took: Duration) -> String {
    format!("{:.2} s", took.as_secs_f64())
}
