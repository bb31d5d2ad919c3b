//! The laboratory's own check: each NAT does what its name says, or nothing that is found behind it means anything.

use super::Given;
use crate::{
    lab::Lab,
    nat::Kind,
    report::{Row, Table, Verdict},
    shell,
};
use std::path::Path;

const COLUMNS: &[&str] = &["NAT", "port for a second destination", "lets in"];

/// What `natcheck.py` must find: the mapping, then whom the NAT lets in.
const KINDS: &[(Kind, &str)] = &[
    (Kind::Public, "same answer port stranger tcp"),
    (Kind::FullCone, "same answer port stranger tcp"),
    (Kind::AddressRestricted, "same answer port"),
    (Kind::PortRestricted, "same answer"),
    (Kind::Symmetric, "other answer"),
    (Kind::Cgnat, "other answer"),
];

/// Runs it.
pub(crate) fn run(given: &Given<'_>) -> Table {
    let mut table = Table::new("The NATs of this laboratory", COLUMNS);
    let lab = Lab::new("kinds", given.logs);
    let (one, other) = (lab.server("one"), lab.server("other"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("netns/natcheck.py").display().to_string();
    for (number, (kind, wanted)) in KINDS.iter().enumerate() {
        let machine = format!("inside{number}");
        let place = lab.machine(&machine, *kind, None);
        let found = shell::run(&[
            "python3",
            &script,
            &lab.full(&machine),
            &lab.full("one"),
            &one.outside,
            &lab.full("other"),
            &other.outside,
            &place.outside,
        ]);
        let (mapping, enters) = found.trim().split_once(' ').unwrap_or((found.trim(), ""));
        table.add(Row {
            cells: vec![kind.to_string(), mapping.to_owned(), enters.replace(' ', ", ")],
            verdict: if found.trim() == *wanted {
                Verdict::Met
            } else {
                Verdict::Missed(format!("must be: {wanted}"))
            },
        });
    }
    table
}
