//! Weeks in a large world, compressed: nodes come and go, and letters reach people by mailboxes alone.
//!
//! A letter is written to somebody who is down; as soon as enough holders have signed for it, its sender forgets it. So what arrives, holders alone have
//! kept. Most recipients are down for hours, some are on holiday until shortly before the end.
//!
//! Out: what arrived, what the holders had on their disks meanwhile, and pictures of both ([`pictures`]).
//!
//! Not here: faults of the network and liars ([`super::story`] has them).

use super::{
    Report,
    net::Faults,
    world::{Event, World},
};
use crate::records::scale::{
    figures::float,
    svg::{Series, Words, lines},
};

/// Between two looks at the whole world.
const LOOK_EVERY: u64 = 3 * HOUR;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// What a nodes lends: the default of a configuration.
const SHARE: u64 = 256 * 1024 * 1024;

/// How long before the end those on holiday come back, and the last letter is written.
const LAST_HOURS: u64 = 12;

/// How large a world, for how long.
#[derive(Debug, Clone, Copy)]
pub struct Churn {
    /// Nodes.
    pub nodes: usize,
    /// Days.
    pub days: u64,
    /// Letters written each day, by all of them together.
    pub letters_a_day: u64,
    /// Half of the nodes that are up are down after this many hours.
    pub half_life_hours: u64,
    /// How many of the nodes are up at any time, in percent.
    pub up: u64,
    /// How many of all nodes die for good in the middle, in percent.
    pub die: u64,
    /// A node that goes down loses its disk.
    pub wiped: bool,
}

impl Churn {
    /// What the figures of the project are about.
    pub const FULL: Self = Self {
        nodes: 200,
        days: 14,
        letters_a_day: 1_000,
        half_life_hours: 12,
        up: 65,
        die: 0,
        wiped: false,
    };
}

/// What a long world came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Letters that were said to be stored, to people who live.
    pub stored: u64,
    /// Of them, those that arrived.
    pub arrived: u64,
    /// Letters that waited when nodes died, and of them those that arrived.
    pub waited: u64,
    /// Of them, those that arrived.
    pub arrived_after: u64,
    /// Letters that were never said to be stored.
    pub not_stored: u64,
    /// What the world went through.
    pub report: Report,
    /// How the world was, now and then.
    pub moments: Vec<Moment>,
}

/// The world at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Milliseconds since the beginning.
    pub at_ms: u64,
    /// Letters that were said to be stored by then.
    pub stored: u64,
    /// Of them, those that had arrived.
    pub arrived: u64,
    /// Envelopes on the disks of all nodes that live.
    pub held: u64,
    /// Of them, those on nodes that were up.
    pub held_up: u64,
}

/// Runs it.
///
/// # Errors
/// The first broken promise.
pub fn run(seed: u64, churn: &Churn) -> Result<Delivered, String> {
    let mut world = World::new(seed, churn.nodes, 0, SHARE);
    world.faults = Faults { loss: 1, doubling: 1, delay_ms: 200, overlooked: 2, stale: 5 };
    world.senders_leave = true;
    let nodes = u64::try_from(churn.nodes).unwrap_or(u64::MAX);
    let (write, die, back, look) = (nodes, nodes + 1, nodes + 2, nodes + 3);
    let end = churn.days * DAY;
    let holiday = |number: usize| number.is_multiple_of(20);
    for number in 0..churn.nodes {
        if !holiday(number) {
            if world.percent(churn.up) {
                world.start(number);
            }
            let first = lasts(&mut world, churn, number);
            world.schedule(first, Event::Cue { cue: u64::try_from(number).unwrap_or(0) });
        }
    }
    world.schedule(HOUR, Event::Cue { cue: write });
    if churn.die > 0 {
        world.schedule(end / 2, Event::Cue { cue: die });
    }
    world.schedule(end - LAST_HOURS * HOUR, Event::Cue { cue: back });
    world.schedule(LOOK_EVERY, Event::Cue { cue: look });
    let mut waiting = Vec::new();
    let mut moments = vec![Moment::default()];
    while world.now < end && world.broken.is_none() {
        world.run(end - world.now);
        for cue in std::mem::take(&mut world.cues) {
            if cue == write {
                write_one(&mut world);
                if world.now < end - 2 * LAST_HOURS * HOUR {
                    let every = DAY / churn.letters_a_day.max(1);
                    let next = 1 + world.below(every * 2);
                    world.schedule(next, Event::Cue { cue: write });
                }
            } else if cue == die {
                waiting = dying(&mut world, churn);
            } else if cue == look {
                moments.push(moment(&world));
                world.schedule(LOOK_EVERY, Event::Cue { cue: look });
            } else if cue == back {
                for number in (0..churn.nodes).filter(|number| holiday(*number)) {
                    world.start(number);
                }
            } else {
                let number = usize::try_from(cue).unwrap_or(0);
                if world.nodes[number].is_up() {
                    world.crash(number);
                    if churn.wiped {
                        world.nodes[number].disk.held.clear();
                        world.nodes[number].disk.tombstones.clear();
                    }
                } else {
                    world.start(number);
                }
                let next = lasts(&mut world, churn, number);
                world.schedule(next, Event::Cue { cue });
            }
        }
    }
    // Those who are down look once more.
    for number in 0..churn.nodes {
        world.start(number);
    }
    while world.cues.is_empty() && world.broken.is_none() && world.now < end + HOUR {
        world.run(end + HOUR - world.now);
        world.cues.clear();
    }
    moments.push(moment(&world));
    match world.broken {
        Some(broken) => Err(format!("seed {seed}: {broken}")),
        None => Ok(Delivered { moments, ..count(&world, &waiting) }),
    }
}

/// How long a node stays as it is: up with the half-life, down as long as makes the share that is up.
fn lasts(world: &mut World, churn: &Churn, number: usize) -> u64 {
    // Exponential by whole steps of a twentieth of the half-life, each survived with the probability 2^(-1/20).
    let mut hours = churn.half_life_hours * HOUR;
    if !world.nodes[number].is_up() {
        hours = hours * (100 - churn.up) / churn.up.max(1);
    }
    let step = hours / 20;
    let mut lasted = world.below(step) + 1;
    while world.below(100_000) < 96_594 {
        lasted += step;
    }
    lasted
}

/// Somebody who is up writes to somebody who is down.
fn write_one(world: &mut World) {
    let up: Vec<usize> = (0..world.nodes.len()).filter(|number| world.nodes[*number].is_up()).collect();
    let down: Vec<usize> =
        (0..world.nodes.len()).filter(|n| !world.nodes[*n].is_up() && !world.nodes[*n].dead).collect();
    if up.is_empty() || down.is_empty() {
        return;
    }
    let (from, to) = (up[world.pick(up.len())], down[world.pick(down.len())]);
    world.write(from, to, false, 200);
}

/// Some die at once, for good. Returns the letters that wait at this moment.
fn dying(world: &mut World, churn: &Churn) -> Vec<usize> {
    let waiting = (0..world.letters.len())
        .filter(|at| world.letters[*at].stored.is_some() && world.letters[*at].taken.is_none())
        .collect();
    for number in 0..world.nodes.len() {
        if world.percent(churn.die) {
            world.crash(number);
            world.nodes[number].dead = true;
        }
    }
    waiting
}

/// Looks at the whole world.
fn moment(world: &World) -> Moment {
    let living = |letter: &&super::world::Letter| letter.stored.is_some() && !world.nodes[letter.to].dead;
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let held = |up: bool| -> usize {
        let nodes = world.nodes.iter().filter(|node| !node.dead && (node.is_up() || !up));
        nodes.map(|node| node.disk.held.len()).sum()
    };
    Moment {
        at_ms: world.now,
        stored: number(world.letters.iter().filter(living).count()),
        arrived: number(world.letters.iter().filter(living).filter(|letter| letter.taken.is_some()).count()),
        held: number(held(false)),
        held_up: number(held(true)),
    }
}

/// Pictures for the documentation, each with its file's name.
#[must_use]
pub fn pictures(churn: &Churn, delivered: &Delivered) -> Vec<(&'static str, String)> {
    let over_days = |of: fn(&Moment) -> u64| -> Vec<(f64, f64)> {
        delivered.moments.iter().map(|moment| (float(moment.at_ms) / float(DAY), float(of(moment)))).collect()
    };
    let most = |points: &[(f64, f64)]| points.iter().map(|(_, count)| *count).fold(1.0, f64::max);
    let mark = (churn.die > 0).then(|| (float(churn.days) / 2.0, "some die"));
    let (stored, arrived) = (over_days(|moment| moment.stored), over_days(|moment| moment.arrived));
    let letters = Words { title: "Letters, by mailboxes alone", across: "days", up: "letters" };
    let series = [Series { name: "stored", points: &stored }, Series { name: "arrived", points: &arrived }];
    let letters = lines(letters, &series, 0.0, most(&stored), mark);
    let (held, up) = (over_days(|moment| moment.held), over_days(|moment| moment.held_up));
    let envelopes = Words { title: "Envelopes held, all copies", across: "days", up: "envelopes" };
    let series = [
        Series { name: "on all disks", points: &held },
        Series { name: "on nodes that are up", points: &up },
    ];
    let envelopes = lines(envelopes, &series, 0.0, most(&held), mark);
    vec![("mailboxes-letters.svg", letters), ("mailboxes-held.svg", envelopes)]
}

fn count(world: &World, waiting: &[usize]) -> Delivered {
    let mut delivered = Delivered { report: world.report, ..Delivered::default() };
    for (at, letter) in world.letters.iter().enumerate() {
        if world.nodes[letter.to].dead {
            continue;
        }
        match (letter.stored, letter.taken) {
            (None, None) => delivered.not_stored += 1,
            (None, Some(_)) => {}
            (Some(_), taken) => {
                delivered.stored += 1;
                delivered.arrived += u64::from(taken.is_some());
                if waiting.contains(&at) {
                    delivered.waited += 1;
                    delivered.arrived_after += u64::from(taken.is_some());
                }
            }
        }
    }
    delivered
}
