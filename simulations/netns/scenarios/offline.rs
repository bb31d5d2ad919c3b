//! Bob is away, Alice writes a hundred messages and leaves, Bob comes back: he has all of them from mailboxes alone.

use super::{Given, PATIENCE, Pair, Relays, STORY_COLUMNS, crowd, did_not};
use crate::{
    lab::Lab,
    nat::Kind,
    node::within,
    report::{Row, Table, Verdict, seconds},
    talk::{self, Speech},
};
use std::time::Duration;

const TEXTS: usize = 100;

/// How soon they are shown once Bob's node has started.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

/// Nodes besides the relays that keep mailboxes: with them a message gets its five receipts.
const CROWD: usize = 5;

/// Runs it.
pub(crate) fn run(given: &Given<'_>) -> Table {
    let mut table = Table::new("Offline", STORY_COLUMNS);
    let lab = Lab::new("offline", given.logs);
    let relays = Relays::start(&lab, given.program);
    let _crowd = crowd(&lab, given, &relays, CROWD);
    let pair = Pair::start(&lab, given, &relays, (Kind::PortRestricted, Kind::FullCone));
    table.add(story(given, pair));
    table
}

fn story(given: &Given<'_>, pair: Pair) -> Row {
    let (what, how) = ("100 messages to somebody away, sender leaves", "mailboxes alone");
    let Pair { mut alice, mut bob, .. } = pair;
    if talk::become_contacts(&alice, &bob, PATIENCE).is_none() {
        return did_not(given, what, how, true, "not connected");
    }
    bob.stop();
    let mut speech = Speech::default();
    for _ in 0..TEXTS {
        speech.say(&alice, &bob);
    }
    let waiting = || talk::in_state(&alice, &bob, |state| state == "waiting");
    if within(PATIENCE, || (waiting() == 0).then_some(())).is_none() {
        let why = format!("{} of {TEXTS} are in no mailbox after {}", waiting(), seconds(PATIENCE));
        return did_not(given, what, how, true, &why);
    }
    alice.stop();

    bob.launch();
    bob.ready();
    let shown = within(PATIENCE, || (speech.account(&alice, &bob).lost == 0).then_some(()));
    let account = speech.account(&alice, &bob);
    let took = shown.map(|(took, ())| took);
    Row {
        cells: vec![
            what.to_owned(),
            how.to_owned(),
            took.map_or_else(|| "–".to_owned(), seconds),
            format!("≤ {}", seconds(SHOWN_WITHIN)),
            account.sent.to_string(),
            account.lost.to_string(),
        ],
        verdict: match took {
            Some(took) if account.is_clean() => Verdict::by(took, SHOWN_WITHIN),
            _ => Verdict::Missed(format!("{account:?}")),
        },
    }
}
