//! The ground moves under a conversation: a router starts again, a laptop is carried to another network, the internet is parted for a while.
//!
//! Measured from the change until a text of each side, said after it, is shown at the other.

use super::{Given, PATIENCE, Pair, Relays, STORY_COLUMNS, did_not};
use crate::{
    lab::Lab,
    nat::Kind,
    node::{Node, within},
    report::{Row, Table, Verdict, seconds},
    talk::{self, Speech},
};
use std::{thread, time::Duration};

const REBOUND_WITHIN: Duration = Duration::from_secs(15);
const MOVED_WITHIN: Duration = Duration::from_secs(5);
const HEALED_WITHIN: Duration = Duration::from_secs(20);

/// Longer than connections live without an answer.
const PARTED_FOR: Duration = Duration::from_secs(30);
const TEXTS_WHILE_PARTED: usize = 5;

/// Pairs of which one side's ground moves: one that is connected directly, one that needs a hole.
const PAIRS: &[(Kind, Kind)] =
    &[(Kind::PortRestricted, Kind::Public), (Kind::PortRestricted, Kind::PortRestricted)];

/// Router started again, address changed.
pub(crate) fn run(given: &Given<'_>) -> Table {
    let mut table = Table::new("NAT rebinding and change of address", STORY_COLUMNS);
    let lab = Lab::new("moves", given.logs);
    let relays = Relays::start(&lab, given.program);
    for kinds in PAIRS {
        let pair = Pair::start(&lab, given, &relays, *kinds);
        for row in moves(given, &lab, &pair) {
            table.add(row);
        }
        drop(pair);
        lab.clear_away("alice");
        lab.clear_away("bob");
    }
    table
}

fn moves(given: &Given<'_>, lab: &Lab, pair: &Pair) -> Vec<Row> {
    let (rebinding, moving) = ("router starts again, other ports", "carried to another network");
    let how = format!("{} – {}", pair.at_alice.kind, pair.at_bob.kind);
    let needs_levels = pair.at_bob.kind != Kind::Public;
    let mut talkers = Talkers::new(&pair.alice, &pair.bob);
    if talk::become_contacts(&pair.alice, &pair.bob, PATIENCE).is_none() || talkers.exchange().is_none() {
        return [rebinding, moving]
            .map(|what| did_not(given, what, &how, needs_levels, "not connected"))
            .into();
    }
    lab.rebind(&pair.at_alice);
    let rebound = talkers.row(rebinding, &how, REBOUND_WITHIN);
    lab.move_to("alice", Kind::AddressRestricted);
    let moved = talkers.row(moving, &how, MOVED_WITHIN);
    // Two behind NATs who lost each other need a relay to find each other again.
    [rebound, moved].map(|row| Row { verdict: given.excuse(needs_levels, row.verdict), ..row }).into()
}

/// The internet in two parts, and whole again.
pub(crate) fn run_partition(given: &Given<'_>) -> Table {
    let mut table = Table::new("Partition", STORY_COLUMNS);
    let lab = Lab::new("parted", given.logs);
    let relays = Relays::start(&lab, given.program);
    let pair = Pair::start(&lab, given, &relays, (Kind::PortRestricted, Kind::Public));
    table.add(partition(given, &lab, &relays, &pair));
    table
}

fn partition(given: &Given<'_>, lab: &Lab, relays: &Relays, pair: &Pair) -> Row {
    let (what, how) = ("parted for 30 s, then healed", "each side keeps a relay");
    let (alice, bob) = (&pair.alice, &pair.bob);
    let mut talkers = Talkers::new(alice, bob);
    if talk::become_contacts(alice, bob, PATIENCE).is_none() || talkers.exchange().is_none() {
        return did_not(given, what, how, false, "not connected");
    }
    let [first, second, third] = relays.places.as_slice() else { unreachable!("three relays are started") };
    lab.part(&[&pair.at_alice, first], &[&pair.at_bob, second, third]);
    let before = talk::heard(bob, alice).len();
    for _ in 0..TEXTS_WHILE_PARTED {
        talkers.hers.say(alice, bob);
        talkers.his.say(bob, alice);
    }
    thread::sleep(PARTED_FOR);
    let leaked = talk::heard(bob, alice).len() - before;
    lab.heal();
    if leaked > 0 {
        return did_not(given, what, how, false, "the laboratory parted nothing: messages came through");
    }
    talkers.row(what, how, HEALED_WITHIN)
}

/// Two who talk, and all they have said.
struct Talkers<'a> {
    alice: &'a Node,
    bob: &'a Node,
    hers: Speech,
    his: Speech,
}

impl<'a> Talkers<'a> {
    fn new(alice: &'a Node, bob: &'a Node) -> Self {
        Self { alice, bob, hers: Speech::default(), his: Speech::default() }
    }

    /// Each says something; how long until both are heard.
    fn exchange(&mut self) -> Option<Duration> {
        let (to_bob, to_alice) = (self.hers.say(self.alice, self.bob), self.his.say(self.bob, self.alice));
        within(PATIENCE, || {
            let heard = talk::heard(self.bob, self.alice).contains(&to_bob)
                && talk::heard(self.alice, self.bob).contains(&to_alice);
            heard.then_some(())
        })
        .map(|(took, ())| took)
    }

    /// What became of the conversation after something happened just now.
    fn row(&mut self, what: &str, how: &str, wanted: Duration) -> Row {
        let took = self.exchange();
        // Those said before may need a repetition, which comes with the newest at the latest.
        let account = || self.hers.account(self.alice, self.bob).with(self.his.account(self.bob, self.alice));
        let _all_there = within(wanted, || (account().lost == 0).then_some(()));
        let account = account();
        Row {
            cells: vec![
                what.to_owned(),
                how.to_owned(),
                took.map_or_else(|| "–".to_owned(), seconds),
                format!("≤ {}", seconds(wanted)),
                account.sent.to_string(),
                account.lost.to_string(),
            ],
            verdict: match took {
                Some(took) if account.is_clean() => Verdict::by(took, wanted),
                Some(_) => Verdict::Missed(format!("{account:?}")),
                None => Verdict::Missed(format!("nothing arrived within {}", seconds(PATIENCE))),
            },
        }
    }
}
