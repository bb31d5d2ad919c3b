//! Every pair of places (N-1): Alice and Bob know only the bootstrap nodes, become contacts by DID, and talk for a while.
//!
//! Told for each: how long until they are contacts, the path at first and at the end, what was said and lost. Conversation starts at once and
//! goes on while a hole is punched, so that a message lost in the change of paths is seen.

use super::{CONNECTED_WITHIN, Given, PATIENCE, Pair, Relays};
use crate::{
    lab::Lab,
    nat::{Expected, Kind, expected},
    node::{Program, within},
    path::{Path, Route},
    report::{Row, Table, Verdict, seconds},
    talk::{self, Account, Speech},
};
use std::{
    thread,
    time::{Duration, Instant},
};

/// Texts of each side, one a second: longer than punching takes.
const TEXTS: usize = 10;
const BETWEEN_TEXTS: Duration = Duration::from_secs(1);

/// How long a pair that can do better than a relay may stay with it after the conversation.
const BETTER_WITHIN: Duration = Duration::from_secs(20);

/// Each takes two of an internet's 254 places, and relays have some.
const PAIRS_OF_AN_INTERNET: usize = 100;

/// How often each pair is tried for [`run_often`] when nobody says otherwise, what is said each time, and how many of a hundred must have a hole.
const RUNS_OFTEN: usize = 20;
const TEXTS_OFTEN: usize = 3;
const HOLES_PERCENT: usize = 95;

const OFTEN_COLUMNS: &[&str] = &[
    "Alice",
    "Bob",
    "runs",
    "connected",
    "contacts after (median)",
    "longest",
    "without a relay in the end",
    "messages",
    "lost",
    "twice",
];

const COLUMNS: &[&str] = &[
    "Alice",
    "Bob",
    "expected",
    "contacts after",
    "first path",
    "path at the end",
    "by",
    "round trip",
    "messages",
    "lost",
    "twice",
];

/// All pairs.
const PAIRS: &[(Kind, Kind)] = &[
    (Kind::Public, Kind::Public),
    (Kind::PortRestricted, Kind::Public),
    (Kind::Symmetric, Kind::Public),
    (Kind::Cgnat, Kind::Public),
    (Kind::Public, Kind::PortRestricted),
    (Kind::PortRestricted, Kind::Upnp),
    (Kind::Symmetric, Kind::Upnp),
    (Kind::FullCone, Kind::FullCone),
    (Kind::FullCone, Kind::PortRestricted),
    (Kind::AddressRestricted, Kind::AddressRestricted),
    (Kind::AddressRestricted, Kind::PortRestricted),
    (Kind::PortRestricted, Kind::PortRestricted),
    (Kind::FullCone, Kind::Symmetric),
    (Kind::FullCone, Kind::Cgnat),
    (Kind::AddressRestricted, Kind::Symmetric),
    (Kind::PortRestricted, Kind::Symmetric),
    (Kind::PortRestricted, Kind::Cgnat),
    (Kind::Symmetric, Kind::Symmetric),
    (Kind::Symmetric, Kind::Cgnat),
];

/// One of each sort: direct, punched twice, relayed.
const SHORT: &[(Kind, Kind)] = &[
    (Kind::PortRestricted, Kind::Public),
    (Kind::PortRestricted, Kind::PortRestricted),
    (Kind::FullCone, Kind::Symmetric),
    (Kind::PortRestricted, Kind::Symmetric),
];

/// Pairs that speak IPv6 only.
const IPV6: &[(Kind, Kind)] =
    &[(Kind::Ipv6, Kind::Ipv6), (Kind::Ipv6Firewall, Kind::Ipv6), (Kind::Ipv6Firewall, Kind::Ipv6Firewall)];

/// Runs the matrix of IPv4.
pub(crate) fn run(given: &Given<'_>) -> Table {
    pairs(given, "matrix", Relays::start, "Pairs of NATs", if given.short { SHORT } else { PAIRS })
}

/// Runs the pairs of IPv6.
pub(crate) fn run_ipv6(given: &Given<'_>) -> Table {
    pairs(given, "ipv6", Relays::start_ipv6, "Pairs of IPv6", IPV6)
}

fn pairs(
    given: &Given<'_>,
    name: &str,
    relays: impl Fn(&Lab, &Program) -> Relays,
    title: &str,
    pairs: &[(Kind, Kind)],
) -> Table {
    let mut table = Table::new(title, COLUMNS);
    // One internet has room for a hundred pairs. Those who come later find the addresses of all before them, gone without a word.
    let wanted: Vec<_> = pairs.iter().copied().filter(|pair| given.wants(*pair)).collect();
    for some in wanted.chunks((PAIRS_OF_AN_INTERNET / given.runs).max(1)) {
        let lab = Lab::new(name, given.logs);
        let relays = relays(&lab, given.program);
        for kinds in some {
            for _ in 0..given.runs {
                let pair = Pair::start(&lab, given, &relays, *kinds);
                table.add(pair_row(given, &pair, *kinds));
                drop(pair);
                lab.clear_away("alice");
                lab.clear_away("bob");
            }
        }
    }
    table
}

/// Every pair that needs a hole, again and again: how often there is one in the end.
pub(crate) fn run_often(given: &Given<'_>) -> Table {
    let mut table = Table::new("Holes, again and again", OFTEN_COLUMNS);
    let needs_hole = |(one, other): &&(Kind, Kind)| expected(*one, *other) == Expected::Punched;
    for kinds in PAIRS.iter().filter(needs_hole).filter(|pair| given.wants(**pair)) {
        let lab = Lab::new("often", given.logs);
        let relays = Relays::start(&lab, given.program);
        table.add(often_row(given, &lab, &relays, *kinds));
    }
    table
}

fn often_row(given: &Given<'_>, lab: &Lab, relays: &Relays, (one, other): (Kind, Kind)) -> Row {
    let runs = if given.runs > 1 { given.runs } else { RUNS_OFTEN };
    let (mut times, mut holes, mut account) = (Vec::new(), 0, Account::default());
    for _ in 0..runs {
        let pair = Pair::start(lab, given, relays, (one, other));
        if let Some(took) = talk::become_contacts(&pair.alice, &pair.bob, PATIENCE) {
            times.push(took);
            let talked = talk(&pair, Expected::Punched, TEXTS_OFTEN);
            account = account.with(talked.account);
            holes += usize::from(talked.last.is_some_and(|route| fits(Expected::Punched, &route.path)));
        }
        drop(pair);
        lab.clear_away("alice");
        lab.clear_away("bob");
    }
    times.sort_unstable();
    let at = |place: Option<&Duration>| place.copied().map_or_else(|| "–".to_owned(), seconds);
    let cells = vec![
        one.to_string(),
        other.to_string(),
        runs.to_string(),
        times.len().to_string(),
        at(times.get(times.len() / 2)),
        at(times.last()),
        holes.to_string(),
        account.sent.to_string(),
        account.lost.to_string(),
        account.twice.to_string(),
    ];
    let verdict = if times.len() < runs {
        Verdict::Missed("not all were connected".to_owned())
    } else if !account.is_clean() {
        Verdict::Missed(format!("{account:?}"))
    } else if holes * 100 < runs * HOLES_PERCENT {
        Verdict::Missed(format!("{HOLES_PERCENT} % are wanted"))
    } else {
        Verdict::by(times.last().copied().unwrap_or_default(), CONNECTED_WITHIN)
    };
    Row { cells, verdict: given.excuse(true, verdict) }
}

fn pair_row(given: &Given<'_>, pair: &Pair, (one, other): (Kind, Kind)) -> Row {
    let expected = expected(one, other);
    // Without relays only what one side can reach by itself is connected: Alice asks, so Bob must be reachable.
    let needs_levels = expected != Expected::Direct || matches!(one, Kind::Public | Kind::Ipv6);
    let mut cells = vec![one.to_string(), other.to_string(), expected.to_string()];
    let Some(took) = talk::become_contacts(&pair.alice, &pair.bob, PATIENCE) else {
        cells.resize(COLUMNS.len(), "–".to_owned());
        let why = format!("not connected within {}", seconds(PATIENCE));
        return Row { cells, verdict: given.excuse(needs_levels, Verdict::Missed(why)) };
    };
    let talked = talk(pair, expected, TEXTS);
    let last = talked.last.as_ref();
    cells.extend([
        seconds(took),
        talked.first.map_or_else(|| "none".to_owned(), |route| route.path.to_string()),
        last.map_or_else(|| "none".to_owned(), |route| route.path.to_string()),
        last.map_or_else(|| "–".to_owned(), |route| route.transport.clone()),
        last.and_then(|route| route.latency_ms).map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms")),
        talked.account.sent.to_string(),
        talked.account.lost.to_string(),
        talked.account.twice.to_string(),
    ]);
    let verdict = judge(took, expected, last, talked.account);
    Row { cells, verdict: given.excuse(needs_levels, verdict) }
}

fn judge(took: Duration, expected: Expected, last: Option<&Route>, account: Account) -> Verdict {
    if !account.is_clean() {
        return Verdict::Missed(format!("{account:?}"));
    }
    let Some(route) = last else { return Verdict::Missed("not connected at the end".to_owned()) };
    if !fits(expected, &route.path) {
        return Verdict::Missed(format!("{} is expected", expected));
    }
    Verdict::by(took, CONNECTED_WITHIN)
}

/// A hole may be punched where one could have connected anyway, and both are without a relay in the end.
fn fits(expected: Expected, path: &Path) -> bool {
    match expected {
        Expected::Direct | Expected::Punched => matches!(path, Path::Direct | Path::Punched),
        Expected::Relayed => matches!(path, Path::Relayed { .. }),
        Expected::PunchedOrRelayed => !matches!(path, Path::Unknown(_)),
    }
}

struct Talked {
    first: Option<Route>,
    last: Option<Route>,
    account: Account,
}

fn talk(pair: &Pair, expected: Expected, texts: usize) -> Talked {
    let (alice, bob) = (&pair.alice, &pair.bob);
    let (mut hers, mut his) = (Speech::default(), Speech::default());
    let first = alice.route(&bob.did);
    for _ in 0..texts {
        let next = Instant::now() + BETWEEN_TEXTS;
        hers.say(alice, bob);
        his.say(bob, alice);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let account = || hers.account(alice, bob).with(his.account(bob, alice));
    // Whatever is not there by then counts as lost.
    let settled = within(CONNECTED_WITHIN, || (account().lost == 0).then_some(()));
    let fitting = within(BETTER_WITHIN, || {
        alice.route(&bob.did).filter(|route| settled.is_none() || fits(expected, &route.path))
    });
    let last = fitting.map(|(_, route)| route).or_else(|| alice.route(&bob.did));
    Talked { first, last, account: account() }
}
