//! What happens in large worlds, in which order.
//!
//! - [`everyday`]: everybody joins within ten minutes and publishes a card, some a value; everybody looks up friends; a quarter is
//!   killed in the same moment; lookups right after, and after the network had time to repair; then a day of coming and going.
//! - [`half_hostile`]: every other node is hostile from the beginning. Everybody publishes, changes the card once (so that there is something
//!   old to replay), and looks up friends; again after the owners' refresh.
//! - [`sybils`]: an honest network; then attackers make keys nearer to a victim's card than anybody else and join with them.
//!   The victim's friends look it up before, right after, after the owner's refresh, and when the leases of the old holders have ended.
//!
//! Not here: machines ([`super::world`]), what is measured ([`super::figures`]).

use super::{
    Scale,
    figures::Figures,
    hostile::{Hostile, mine},
    table::spot,
    world::{What, World},
};
use pc2_protocols::record::{Place, Record, card_key};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Longest a lookup takes, walk and questions, with room for the answer.
const PATIENCE: u64 = 25 * SECOND;

/// A node stays for so long on average, and is away for so long: three quarters are there at any time.
const STAYS: u64 = 6 * HOUR;
const AWAY: u64 = 2 * HOUR;

/// Between two lookups of a round, in milliseconds; right after the kill they come faster, so that nothing is repaired meanwhile.
const EACH: u64 = 300;
const SOON: u64 = 20;

/// Every so many-th node takes part at level 1: asks, and holds nothing.
const CLIENT_EVERY: usize = 5;

/// A day with a kill in it.
#[must_use]
pub fn everyday(scale: Scale) -> Figures {
    let mut world = World::new(scale.seed);
    let mut prefixes = Prefixes::new(scale.nodes);
    join(&mut world, &mut prefixes, scale.nodes, false);
    publish_values(&mut world);
    world.run(10 * MINUTE);
    world.figures.held = held(&world);

    let many = scale.questions();
    ask(&mut world, "before the kill: cards", many, EACH, What::Card);
    ask(&mut world, "before the kill: values", many / 2, EACH, What::Value);

    world.figures.killed_at_ms = Some(world.now);
    for number in 0..world.nodes.len() {
        if world.below(4) == 0 {
            world.kill(number);
        }
    }
    world.run(SECOND);
    ask(&mut world, "right after: cards", many / 2, SOON, What::Card);
    ask(&mut world, "right after: values", many / 4, SOON, What::Value);
    for (minutes, label) in [(5, "5 minutes after"), (15, "15 minutes after"), (30, "30 minutes after")] {
        let since = world.now.saturating_sub(world.figures.killed_at_ms.unwrap_or(0));
        world.run((minutes * MINUTE).saturating_sub(since));
        ask(&mut world, label, many / 8, EACH, What::Card);
    }
    let since = world.now.saturating_sub(world.figures.killed_at_ms.unwrap_or(0));
    world.run(HOUR.saturating_sub(since));
    ask(&mut world, "an hour after: cards", many, EACH, What::Card);
    ask(&mut world, "an hour after: values", many / 2, EACH, What::Value);

    for hour in 1..=scale.hours {
        for _ in 0..55 {
            come_and_go(&mut world, MINUTE);
            world.run(MINUTE);
        }
        ask(&mut world, &format!("coming and going, hour {hour}"), many / 10, EACH, What::Card);
    }
    check_disks(&mut world);
    world.figures
}

/// Every other node is hostile.
#[must_use]
pub fn half_hostile(scale: Scale) -> Figures {
    let mut world = World::new(scale.seed);
    let mut prefixes = Prefixes::new(scale.nodes);
    join(&mut world, &mut prefixes, scale.nodes, true);
    world.run(10 * MINUTE);
    for number in 0..world.nodes.len() {
        world.change_card(number);
        world.run(MINUTE / 10);
    }
    world.run(20 * MINUTE);
    let many = scale.questions();
    ask(&mut world, "half hostile: cards", many, EACH, What::Card);
    if scale.long() {
        world.run(9 * HOUR);
        ask(&mut world, "half hostile, 9 hours later: cards", many, EACH, What::Card);
    }
    check_disks(&mut world);
    world.figures
}

/// A set of sybils and how they go about it.
#[derive(Debug, Clone, Copy)]
struct Attack {
    keys: usize,
    one_prefix: bool,
    /// Not all nearest, but all over the neighbourhood: up to where the twentieth honest node is.
    spread: bool,
}

impl Attack {
    fn label(self, when: &str) -> String {
        let Self { keys, one_prefix, spread } = self;
        let from = if one_prefix { "one /24" } else { "as many /24s" };
        let how = if spread { ", all over the neighbourhood" } else { "" };
        format!("{keys} keys from {from}{how}: {when}")
    }
}

/// Sybils round keys, all victims at once.
#[must_use]
pub fn sybils(scale: Scale) -> Figures {
    let mut world = World::new(scale.seed);
    let mut prefixes = Prefixes::new(scale.nodes);
    join(&mut world, &mut prefixes, scale.nodes, false);
    world.run(20 * MINUTE);
    let many = (scale.nodes / 10).clamp(40, 100);
    let attacks = [(20, true, false), (20, false, false), (many, false, false), (many, false, true)]
        .map(|(keys, one_prefix, spread)| Attack { keys, one_prefix, spread });
    // The bootstrap nodes and clients are left alone: any other will do.
    let victims: Vec<Vec<usize>> = (0..attacks.len())
        .map(|attack| (0..scale.victims()).map(|n| 11 + 5 * (attack * scale.victims() + n)).collect())
        .collect();
    ask_for(&mut world, "before", &attacks, &victims, scale);
    for (attack, victims) in attacks.iter().zip(&victims) {
        for victim in victims {
            surround(&mut world, &mut prefixes, *attack, *victim);
        }
    }
    world.run(10 * MINUTE);
    ask_for(&mut world, "10 minutes after", &attacks, &victims, scale);
    if scale.long() {
        world.run(10 * HOUR);
        ask_for(&mut world, "10 hours after", &attacks, &victims, scale);
        world.run(16 * HOUR);
        ask_for(&mut world, "26 hours after", &attacks, &victims, scale);
    }
    check_disks(&mut world);
    world.figures
}

/// Which prefix a node has. Most have one of their own, some share.
struct Prefixes {
    honest: u64,
    next: u32,
}

impl Prefixes {
    fn new(nodes: usize) -> Self {
        let honest = u64::try_from(nodes).unwrap_or(u64::MAX);
        Self { honest, next: 0xC0_0000 }
    }

    fn honest(&self, world: &mut World) -> u32 {
        0x10_0000 + u32::try_from(world.below(self.honest)).unwrap_or(0)
    }

    /// One that nobody has.
    fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next
    }
}

/// Everybody joins within ten minutes, and five pass. A world without hostile nodes begins alike whatever follows.
fn join(world: &mut World, prefixes: &mut Prefixes, nodes: usize, hostile: bool) {
    let pause = 10 * MINUTE / u64::try_from(nodes.max(1)).unwrap_or(1);
    for n in 0..nodes {
        let prefix = prefixes.honest(world);
        let number = if hostile && n % 2 == 1 {
            let mut id = [0; 32];
            rand_core::Rng::fill_bytes(&mut world.rng, &mut id);
            world.add_hostile(pc2_protocols::id::NodeId::from_bytes(id), Hostile::new(n / 2), prefix)
        } else {
            world.add_honest(if n % CLIENT_EVERY == CLIENT_EVERY - 1 { 1 } else { 2 }, prefix)
        };
        world.start(number);
        world.run(pause);
    }
    world.run(5 * MINUTE);
}

/// Every fifth honest node publishes a value.
fn publish_values(world: &mut World) {
    for number in (0..world.nodes.len()).filter(|number| number % 5 == 1) {
        world.publish_value(number);
        world.run(100);
    }
}

/// Honest nodes that are up.
fn present(world: &World) -> Vec<usize> {
    (0..world.nodes.len()).filter(|number| world.nodes[*number].dht.is_some()).collect()
}

/// A round of lookups of friends who published, online or not, `pause` milliseconds apart. Nobody asks twice about the same friend.
fn ask(world: &mut World, label: &str, count: usize, pause: u64, what: What) {
    let published = |world: &World, number: usize| match what {
        What::Card => world.nodes[number].confirmed > 0,
        What::Value => world.nodes[number].has_value,
    };
    let targets: Vec<usize> = (0..world.nodes.len()).filter(|number| published(world, *number)).collect();
    world.begin_sample(label);
    for _ in 0..count {
        let readers = present(world);
        if let (false, false) = (readers.is_empty(), targets.is_empty()) {
            let (reader, target) = (readers[world.pick(readers.len())], targets[world.pick(targets.len())]);
            if reader != target && (what == What::Value || world.asked.insert((reader, target))) {
                world.look_up(reader, target, what);
            }
        }
        world.run(pause);
    }
    world.run(PATIENCE);
    world.end_sample();
}

/// Friends of each victim look it up.
fn ask_for(world: &mut World, when: &str, attacks: &[Attack], victims: &[Vec<usize>], scale: Scale) {
    for (attack, victims) in attacks.iter().zip(victims) {
        world.begin_sample(&attack.label(when));
        for victim in victims {
            let mut friends = present(world);
            friends.retain(|reader| reader != victim && !world.asked.contains(&(*reader, *victim)));
            for _ in 0..scale.readers().min(friends.len()) {
                let reader = friends.swap_remove(world.pick(friends.len()));
                world.asked.insert((reader, *victim));
                world.look_up(reader, *victim, What::Card);
                world.run(200);
            }
        }
        world.run(PATIENCE);
        world.end_sample();
    }
}

/// Attackers make keys near the victim's card, by default nearer than anybody's, and join with them all at once.
fn surround(world: &mut World, prefixes: &mut Prefixes, attack: Attack, victim: usize) {
    let key = spot(&Place::of_key(&card_key(world.nodes[victim].id)), &world.origin);
    let holders = world.nodes.iter().filter(|node| node.honest() && node.level > 1);
    let mut distances: Vec<_> = holders.map(|node| node.place.spot ^ key).collect();
    distances.sort_unstable();
    let twentieth = distances.get(19).or(distances.last());
    let within = if attack.spread { twentieth } else { distances.first() }.copied().unwrap_or(0);
    let shared = prefixes.fresh();
    for n in 0..attack.keys {
        let (id, tries) = mine(&mut world.rng, key, within, &world.origin);
        world.figures.mined = world.figures.mined.saturating_add(tries);
        let prefix = if attack.one_prefix { shared } else { prefixes.fresh() };
        // The even ones withhold: all do.
        let number = world.add_hostile(id, Hostile::new(n * 2), prefix);
        world.start(number);
    }
}

/// Somebody leaves without a word, somebody comes back.
fn come_and_go(world: &mut World, passed: u64) {
    for number in 0..world.nodes.len() {
        if world.nodes[number].up {
            if world.below(STAYS) < passed {
                world.kill(number);
            }
        } else if world.below(AWAY) < passed {
            world.start(number);
        }
    }
}

/// How many records each holds.
fn held(world: &World) -> Vec<u64> {
    let holders = world.nodes.iter().filter(|node| node.honest() && node.level > 1);
    holders.map(|node| u64::try_from(node.disk.held.len()).unwrap_or(u64::MAX)).collect()
}

/// Nothing on an honest disk was forged, and those who hold nothing hold nothing.
fn check_disks(world: &mut World) {
    for node in world.nodes.iter().filter(|node| node.honest()) {
        if node.level == 1 {
            world.figures.held_by_clients += u64::try_from(node.disk.held.len()).unwrap_or(u64::MAX);
        }
        for row in node.disk.held.values() {
            if !Record::decode(&row.record).is_ok_and(|record| record.key() == row.key) {
                world.figures.forged += 1;
            }
        }
    }
}
