//! A bad line: delay, jitter, loss and disorder between Alice and everybody else.

use super::{Given, PATIENCE, Pair, Relays, STORY_COLUMNS, did_not};
use crate::{
    lab::{Lab, Weather},
    nat::Kind,
    node::within,
    report::{Row, Table, Verdict, seconds},
    talk::{self, Speech},
};
use std::time::{Duration, Instant};

/// A mobile phone on a train, roughly.
const TRAIN: Weather = Weather { delay_ms: 60, jitter_ms: 20, loss_per_mille: 30, reorder_per_mille: 10 };

const TEXTS: usize = 25;
const ALL_WITHIN: Duration = Duration::from_secs(20);

/// Runs it.
pub(crate) fn run(given: &Given<'_>) -> Table {
    let mut table = Table::new("Bad line", STORY_COLUMNS);
    let lab = Lab::new("line", given.logs);
    let relays = Relays::start(&lab, given.program);
    let kinds = (Kind::PortRestricted, Kind::Public);
    let pair = Pair::start_over(&lab, given, &relays, kinds, Some(TRAIN));
    table.add(story(given, &pair));
    table
}

fn story(given: &Given<'_>, pair: &Pair) -> Row {
    let what = format!("{TEXTS} messages each way");
    let how = format!(
        "{} ± {} ms one way, {} % lost, {} % overtaken",
        TRAIN.delay_ms,
        TRAIN.jitter_ms,
        f64::from(TRAIN.loss_per_mille) / 10.0,
        f64::from(TRAIN.reorder_per_mille) / 10.0
    );
    let (alice, bob) = (&pair.alice, &pair.bob);
    if talk::become_contacts(alice, bob, PATIENCE).is_none() {
        return did_not(given, &what, &how, false, "not connected");
    }
    let began = Instant::now();
    let (mut hers, mut his) = (Speech::default(), Speech::default());
    for _ in 0..TEXTS {
        hers.say(alice, bob);
        his.say(bob, alice);
    }
    let account = || hers.account(alice, bob).with(his.account(bob, alice));
    let all = within(PATIENCE, || (account().lost == 0).then_some(()));
    let (took, account) = (began.elapsed(), account());
    let round_trip = within(PATIENCE, || alice.route(&bob.did)?.latency_ms).map(|(_, ms)| ms);
    let line_is_bad = round_trip.is_some_and(|ms| ms >= u64::from(TRAIN.delay_ms));
    Row {
        cells: vec![
            what,
            how,
            seconds(took),
            format!("≤ {}", seconds(ALL_WITHIN)),
            account.sent.to_string(),
            account.lost.to_string(),
        ],
        verdict: if !line_is_bad {
            Verdict::Missed(format!("the line is not bad: a round trip takes {round_trip:?} ms"))
        } else if all.is_some() && account.is_clean() {
            Verdict::by(took, ALL_WITHIN)
        } else {
            Verdict::Missed(format!("{account:?}"))
        },
    }
}
