//! What nodes with nothing to do send and receive: all that goes through their interface, as the kernel counts it, headers and all.

use super::{Given, PATIENCE, Pair, Relays, STORY_COLUMNS, crowd, did_not};
use crate::{
    lab::Lab,
    nat::Kind,
    report::{Row, Table, Verdict},
    talk,
};
use std::{thread, time::Duration};

/// Nodes of level 2 besides the relays and the two: whoever is idle is connected with all of them, which is more than in a large network.
const CROWD: usize = 10;

/// What follows a start is over after this.
const SETTLED_AFTER: Duration = Duration::from_secs(60);

/// How long it is counted.
const COUNTED_FOR: Duration = Duration::from_secs(180);

/// Bytes a minute, both ways together.
const WANTED: u64 = 100_000;

/// Runs it.
pub(crate) fn run(given: &Given<'_>) -> Table {
    let mut table = Table::new("Idle", STORY_COLUMNS);
    let lab = Lab::new("idle", given.logs);
    let relays = Relays::start(&lab, given.program);
    let others = crowd(&lab, given, &relays, CROWD);
    let pair = Pair::start(&lab, given, &relays, (Kind::PortRestricted, Kind::FullCone));
    if talk::become_contacts(&pair.alice, &pair.bob, PATIENCE).is_none() {
        table.add(did_not(given, "idle traffic", "two contacts", true, "not connected"));
        return table;
    }
    thread::sleep(SETTLED_AFTER);
    let watched = [
        ("behind a NAT, with a contact and two relays", pair.alice.name.as_str()),
        ("level 2, public", others.first().map_or("", |node| node.name.as_str())),
        ("level 3, with places for others", relays.nodes.first().map_or("", |node| node.name.as_str())),
    ];
    let before = watched.map(|(_, name)| lab.bytes_through(name));
    thread::sleep(COUNTED_FOR);
    let after = watched.map(|(_, name)| lab.bytes_through(name));
    for ((how, _), (before, after)) in watched.iter().zip(before.iter().zip(after)) {
        table.add(row(how, after.saturating_sub(*before)));
    }
    table
}

fn row(how: &str, bytes: u64) -> Row {
    let a_minute = bytes * 60 / COUNTED_FOR.as_secs();
    let kilobytes = |bytes: u64| format!("{}.{} KB/min", bytes / 1_000, bytes % 1_000 / 100);
    Row {
        cells: vec![
            "traffic of an idle node, both ways".to_owned(),
            how.to_owned(),
            kilobytes(a_minute),
            format!("≤ {}", kilobytes(WANTED)),
            "–".to_owned(),
            "–".to_owned(),
        ],
        verdict: if a_minute <= WANTED { Verdict::Met } else { Verdict::Late },
    }
}
