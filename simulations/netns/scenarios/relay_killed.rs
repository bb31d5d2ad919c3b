//! The relay between Alice and Bob is killed while they talk: they go on by another path.

use super::{Given, PATIENCE, Pair, Relays, STORY_COLUMNS, did_not};
use crate::{
    lab::Lab,
    nat::Kind,
    node::{Node, within},
    path::Path,
    report::{Row, Table, Verdict, seconds},
    talk::{self, Speech},
};
use std::time::Duration;

const GOES_ON_WITHIN: Duration = Duration::from_secs(10);

/// Runs it. No hole can be punched between these two, so nothing but another relay helps.
pub(crate) fn run(given: &Given<'_>) -> Table {
    let mut table = Table::new("Relay killed", STORY_COLUMNS);
    let lab = Lab::new("relay", given.logs);
    let mut relays = Relays::start(&lab, given.program);
    let pair = Pair::start(&lab, given, &relays, (Kind::PortRestricted, Kind::Symmetric));
    table.add(story(given, &pair, &mut relays.nodes));
    table
}

fn story(given: &Given<'_>, pair: &Pair, relays: &mut [Node]) -> Row {
    let (what, how) = ("relay killed while two talk", "another relay");
    let (alice, bob) = (&pair.alice, &pair.bob);
    if talk::become_contacts(alice, bob, PATIENCE).is_none() {
        return did_not(given, what, how, true, "not connected");
    }
    let (mut hers, mut his) = (Speech::default(), Speech::default());
    let text = hers.say(alice, bob);
    if talk::until_heard(bob, alice, &text, PATIENCE).is_none() {
        return did_not(given, what, how, true, "a message over the relay did not arrive");
    }
    // The first words may have come by mailbox, before any path stood.
    let relayed = within(PATIENCE, || match alice.route(&bob.did)?.path {
        Path::Relayed { by } => Some(by),
        Path::Direct | Path::Punched | Path::Unknown(_) => None,
    });
    let Some((_, by)) = relayed else {
        return did_not(given, what, how, true, "the pair is not relayed");
    };
    let Some(relay) = relays.iter_mut().find(|relay| is_named(relay, &by)) else {
        return did_not(given, what, how, true, &format!("`pc2 peers` names no relay of ours: {by:?}"));
    };
    relay.kill();

    let (to_bob, to_alice) = (hers.say(alice, bob), his.say(bob, alice));
    let arrived = within(PATIENCE, || {
        let both = talk::heard(bob, alice).contains(&to_bob) && talk::heard(alice, bob).contains(&to_alice);
        both.then_some(())
    });
    // What arrived by mailbox is no path: the two must also be connected again.
    let connected = within(PATIENCE, || match alice.route(&bob.did)?.path {
        Path::Relayed { by } => (!is_named(relay, &by)).then_some(()),
        Path::Direct | Path::Punched => Some(()),
        Path::Unknown(_) => None,
    });
    let account = hers.account(alice, bob).with(his.account(bob, alice));
    let took = arrived.zip(connected).map(|((message, ()), (after, ()))| message + after);
    Row {
        cells: vec![
            what.to_owned(),
            how.to_owned(),
            took.map_or_else(|| "–".to_owned(), seconds),
            format!("≤ {}", seconds(GOES_ON_WITHIN)),
            account.sent.to_string(),
            account.lost.to_string(),
        ],
        verdict: match took {
            Some(took) if account.is_clean() => Verdict::by(took, GOES_ON_WITHIN),
            Some(_) => Verdict::Missed(format!("{account:?}")),
            None => Verdict::Missed("no other path was found".to_owned()),
        },
    }
}

/// Whether one of these words names a node.
pub(crate) fn is_named(node: &Node, words: &[String]) -> bool {
    words.iter().any(|word| word.contains(&node.did) || word.contains(&node.peer_id))
}
