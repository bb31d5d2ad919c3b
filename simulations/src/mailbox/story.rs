//! What happens in a small world: people write, nodes come, go and crash, the network misbehaves, then everything heals.
//!
//! Not here: what is checked on the way ([`super::world`], [`super::net`]).

use super::{Report, net::Faults, world::World};
use pc2_protocols::{
    level::Level,
    mailbox::{
        Command, In,
        keys::week_of,
        wire::{FetchAsk, Owner},
    },
};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// How long a healed world has to deliver what waits: a few turns of comparing and looking.
const HEALING: u64 = 4 * HOUR;

/// Strangers write in one world of so many, since each puzzle costs a million hashes.
const STRANGERS_IN: u64 = 12;

/// Runs the world of a seed.
///
/// # Errors
/// The first broken promise.
pub fn run(seed: u64) -> Result<Report, String> {
    let mut dice = World::new(seed, 0, 0, 0);
    // Most worlds are small: what can go wrong goes wrong among few.
    let count = 4 + if dice.percent(20) { dice.pick(14) } else { dice.pick(5) };
    let liars = dice.pick(count.min(12) / 3 + 1);
    // Some worlds lend little: their nodes refuse.
    let share = if dice.percent(30) { 24 * 1024 } else { 4 * 1024 * 1024 };
    let mut world = World::new(seed.wrapping_add(1 << 40), count, liars, share);
    world.faults = Faults {
        loss: world.below(3) * 10,
        doubling: world.below(2) * 20,
        delay_ms: 1 + world.below(800),
        overlooked: world.below(3) * 10,
        stale: world.below(3) * 20,
    };
    world.forgetful = world.below(2) * 20;
    for number in 0..count {
        world.start(number);
    }
    world.run(MINUTE);
    let strangers = seed.is_multiple_of(STRANGERS_IN);
    for step in 0..25 + world.below(25) {
        act(&mut world, liars, strangers && step == 5);
        let wait = match world.below(4) {
            0 => world.below(1_000),
            1 => world.below(MINUTE),
            2 => world.below(20 * MINUTE),
            _ => world.below(HOUR),
        };
        world.run(wait);
        if world.broken.is_some() {
            break;
        }
    }
    heal(&mut world);
    match world.broken {
        Some(broken) => Err(format!("seed {seed}: {broken}")),
        None => Ok(world.report),
    }
}

fn act(world: &mut World, liars: usize, stranger: bool) {
    let honest = world.nodes.len() - liars;
    let (one, other) = (liars + world.pick(honest), liars + world.pick(honest));
    let dice = world.below(20);
    match dice {
        _ if stranger && one != other => {
            world.start(one);
            world.write(one, other, true, 500);
        }
        0..9 if one != other => {
            let bytes = [10, 3_000, 14_000][world.pick(3)];
            for _ in 0..=world.below(5) {
                world.write(one, other, false, bytes);
            }
        }
        9..12 => world.crash(one),
        12..16 => world.start(one),
        16 => {
            let level = if world.percent(50) { Level::Client } else { Level::Participant };
            let share_bytes = world.nodes[one].share_bytes;
            world.nodes[one].level = level;
            world.step(one, In::Level { level, share_bytes });
        }
        17 => world.step(one, In::NetworkChanged),
        18 if one != other => pin(world, one, other),
        _ => snoop(world, one, other),
    }
}

/// Somebody pins a node whose owner allows it, or not, or neither any more.
fn pin(world: &mut World, one: usize, other: usize) {
    let (owner, holder) = (world.nodes[one].id, world.nodes[other].id);
    match world.below(4) {
        0 => world.command(one, Command::Unpin { holder }),
        1 => world.command(other, Command::StopServing { node: owner }),
        2 => world.command(one, Command::Pin { holder }),
        _ => {
            world.command(other, Command::Serve { node: owner });
            world.command(one, Command::Pin { holder });
        }
    }
}

/// Runs a world in which a letter waits for four weeks: its writer is gone, and all but one holder have let it go.
///
/// # Errors
/// The first broken promise.
pub fn month(seed: u64) -> Result<Report, String> {
    const NODES: usize = 16;
    const DAY: u64 = 24 * HOUR;
    let mut world = World::new(seed, NODES, 0, 4 * 1024 * 1024);
    let (reader, writer, holder) = (0, 1, 2);
    (0..NODES).for_each(|number| world.start(number));
    world.run(MINUTE);
    let (owner, pinned) = (world.nodes[reader].id, world.nodes[holder].id);
    world.command(holder, Command::Serve { node: owner });
    world.command(reader, Command::Pin { holder: pinned });
    world.run(MINUTE);
    world.crash(reader);
    world.write(writer, reader, false, 500);
    world.run(MINUTE);
    world.crash(writer);
    world.nodes[writer].dead = true;
    world.run(28 * DAY);
    let held = |world: &World| -> Vec<usize> {
        (0..NODES).filter(|number| !world.nodes[*number].disk.held.is_empty()).collect()
    };
    if world.broken.is_none() && held(&world) != [holder] {
        let what = format!("after four weeks, {:?} have it, not only the pinned holder", held(&world));
        world.break_promise(what);
    }
    world.start(reader);
    world.run(HOUR);
    if world.letters.iter().any(|letter| letter.stored.is_none() || letter.taken.is_none()) {
        world.break_promise("the letter did not arrive".to_owned());
    }
    if !held(&world).is_empty() {
        world.break_promise("what was taken is still kept".to_owned());
    }
    match world.broken {
        Some(broken) => Err(format!("seed {seed}: {broken}")),
        None => Ok(world.report),
    }
}

/// Somebody asks a holder for a mailbox that is not theirs: signed by their own key, and by none.
fn snoop(world: &mut World, asks: usize, owner: usize) {
    let mailbox = *world.nodes[owner].keys.owner(week_of(world.unix())).node().as_bytes();
    for holder in 0..world.nodes.len() {
        if world.nodes[holder].liar.is_some() || asks == owner {
            continue;
        }
        let ask = FetchAsk {
            owner: Owner::Week { mailbox },
            holder: world.nodes[holder].id,
            after: None,
            known: vec![],
            max_bytes: u32::MAX,
            time: world.unix(),
            subscribe: true,
        };
        let payload = ask.sign(&world.nodes[asks].signer).encode();
        world.snoop(holder, payload);
    }
}

/// All is well again: every letter that an honest holder signed for arrives.
fn heal(world: &mut World) {
    world.faults = Faults { delay_ms: 50, ..Faults::default() };
    world.forgetful = 0;
    for number in 0..world.nodes.len() {
        world.start(number);
        world.nodes[number].level = Level::Participant;
        let share_bytes = world.nodes[number].share_bytes;
        world.step(number, In::Level { level: Level::Participant, share_bytes });
    }
    world.run(HEALING);
    let lost = world.letters.iter().position(|letter| letter.promised && letter.taken.is_none());
    if let Some(lost) = lost {
        let letter = &world.letters[lost];
        let what = format!(
            "letter {lost} from {} to {} was stored at {:?} and never arrived",
            letter.from, letter.to, letter.stored
        );
        world.break_promise(what);
    }
    let undelivered = world.letters.iter().filter(|letter| letter.taken.is_none()).count();
    world.report.undelivered = u64::try_from(undelivered).unwrap_or(u64::MAX);
    world.report.letters = u64::try_from(world.letters.len()).unwrap_or(u64::MAX);
}
