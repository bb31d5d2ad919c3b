//! What happens in a world, in which order.
//!
//! 1. *Beginning*: nodes start one after the other and publish their cards.
//! 2. *Everyday*: messages are lost, doubled, late; a few nodes at a time crash and come back; cards change; people look each
//!    other up. What a quorum confirmed before a question is the oldest answer allowed.
//! 3. *Storm*: the network is torn in two, the oracle overlooks nodes, a third of the nodes crash. Nobody is shown anything
//!    older than they were shown before; more is not promised.
//! 4. *Calm*: all is well again. After some minutes everything confirmed is found by everybody.
//! 5. *Absence*: a third of the owners go away. Hours later, within the lease, their cards are still found.
//!
//! Not here: machines ([`super::world`]) and network ([`super::net`]).

use super::{Report, net::Faults, world::World};
use pc2_protocols::record::Record;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Nodes of a world when nothing else is asked for.
const DEFAULT_NODES: usize = 30;

/// Runs the world of a seed.
///
/// # Errors
/// The first promise that was broken, and after how much time.
pub fn run(seed: u64) -> Result<Report, String> {
    // Most worlds are smaller than one set of holders: there everybody holds everything, and a seed costs less.
    let nodes = match seed % 8 {
        0 => DEFAULT_NODES,
        1 | 5 => 12,
        2 | 6 => 22,
        4 => 16,
        _ => 6,
    };
    let liars = if seed.is_multiple_of(3) { nodes / 6 } else { 0 };
    run_with(seed, nodes, liars)
}

/// Runs a world of a given size.
pub(super) fn run_with(seed: u64, nodes: usize, liars: usize) -> Result<Report, String> {
    let mut world = World::new(seed, nodes, liars);
    begin(&mut world);
    everyday(&mut world);
    storm(&mut world);
    calm(&mut world);
    absence(&mut world);
    check_disks(&mut world);
    match world.broken.take() {
        Some(broken) => Err(format!("seed {seed}, {nodes} nodes, {liars} liars: {broken}")),
        None => Ok(world.report),
    }
}

/// The honest nodes.
fn honest(world: &World) -> Vec<usize> {
    (0..world.nodes.len()).filter(|number| world.nodes[*number].liar.is_none()).collect()
}

fn mild() -> Faults {
    Faults { loss: 3, doubling: 5, delay_ms: 80, ..Faults::default() }
}

fn begin(world: &mut World) {
    world.faults = mild();
    for number in honest(world) {
        world.nodes[number].version = 1;
        world.start(number);
        world.run(200);
    }
    world.run(2 * MINUTE);
}

/// With liars among the holders a quorum is weaker than its number: then only what was shown before counts.
fn strict(world: &World) -> bool {
    world.report.liars == 0
}

fn everyday(world: &mut World) {
    let people = honest(world);
    let strict = strict(world);
    for _ in 0..40 {
        let down = people.iter().filter(|number| !world.nodes[**number].is_up()).count();
        match world.below(10) {
            0 if down * 10 < people.len() => {
                let number = people[world.pick(people.len())];
                world.crash(number);
            }
            0..=2 => people.iter().for_each(|number| world.start(*number)),
            3..=5 => {
                let number = people[world.pick(people.len())];
                if world.nodes[number].is_up() {
                    world.change_card(number);
                }
            }
            _ => {
                let (reader, target) = (people[world.pick(people.len())], people[world.pick(people.len())]);
                if reader != target {
                    // What is remembered may be a minute old by design; the promise is about what is looked up.
                    world.shake(reader);
                    world.look_up(reader, target, strict);
                }
            }
        }
        let pause = world.below(8 * SECOND);
        world.run(pause);
    }
}

fn storm(world: &mut World) {
    let people = honest(world);
    let torn_at = world.pick(world.nodes.len());
    world.faults = Faults { loss: 20, doubling: 10, delay_ms: 2_000, overlooked: 10, torn_at };
    for number in &people {
        if world.below(3) == 0 {
            world.crash(*number);
        }
    }
    for _ in 0..20 {
        let (reader, target) = (people[world.pick(people.len())], people[world.pick(people.len())]);
        if reader != target {
            world.look_up(reader, target, false);
        }
        let number = people[world.pick(people.len())];
        if world.nodes[number].is_up() && world.below(3) == 0 {
            world.change_card(number);
        }
        let pause = world.below(10 * SECOND);
        world.run(pause);
    }
}

fn calm(world: &mut World) {
    world.faults = mild();
    let people = honest(world);
    for number in &people {
        world.start(*number);
    }
    // The halves find each other again.
    for number in 0..world.nodes.len() {
        for _ in 0..4 {
            let other = world.pick(world.nodes.len());
            world.connect(number, other);
        }
    }
    world.run(15 * MINUTE);
    for target in &people {
        for _ in 0..2 {
            let reader = people[world.pick(people.len())];
            if reader != *target {
                world.shake(reader);
                world.look_up(reader, *target, true);
            }
        }
        world.run(SECOND);
    }
    world.run(MINUTE);
}

fn absence(world: &mut World) {
    let people = honest(world);
    let absent: Vec<usize> = people.iter().copied().filter(|_| world.below(3) == 0).collect();
    for number in &absent {
        world.crash(*number);
    }
    let present: Vec<usize> = people.into_iter().filter(|number| !absent.contains(number)).collect();
    // The last refresh of an absent owner may be 9 hours old when it leaves.
    world.run(12 * HOUR);
    for target in absent {
        // In a world of a handful most holders may be absent, too.
        if present.len() * 2 > world.nodes.len() {
            let reader = present[world.pick(present.len())];
            world.look_up(reader, target, true);
        }
    }
    world.run(MINUTE);
}

/// Nothing on an honest disk was forged.
fn check_disks(world: &mut World) {
    for number in honest(world) {
        let forged = world.nodes[number]
            .disk
            .held
            .values()
            .any(|row| !Record::decode(&row.record).is_ok_and(|record| record.key() == row.key));
        if forged {
            world.broken.get_or_insert(format!("a forged record is on the disk of node {number}"));
        }
    }
}
