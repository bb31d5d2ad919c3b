//! One walk through the network to the nodes nearest to a place.
//!
//! In: whom the walker knows, and what each contacted node answers from its own table. Out: up to twenty nodes that answered, nearest first, who
//! was contacted, who was silent, and how long it took. As libp2p's kad does it with disjoint paths (`query/peers/closest.rs` there): three paths begin with
//! the same twenty; a node is contacted by one path only and its answer stays on that path; each path has three questions in flight, twenty when
//! three answers in a row brought it no nearer, and has arrived when the twenty nearest it heard of have answered. A silent node holds its
//! place: as long as one is among the nearest, its path goes on asking whoever is next, until the driver ends the walk with what it has. Only who answered is found. A liar can
//! name liars and keep silent about others on its own path; it cannot take anything from the other two.
//!
//! Not here: what is modelled away is said in [`super`].

use super::table::{Entry, Spot};
use pc2_protocols::limits;
use std::collections::BTreeMap;

/// Paths of one walk, and questions in flight on each. Source: libp2p's α.
const PATHS: usize = 3;

/// One question and its answer, in milliseconds.
const ROUND_MS: u64 = 150;

/// When the driver ends a walk with what it has. Source: `LOOKUP_ENOUGH` of the driver.
pub(super) const ENOUGH_MS: u64 = 3_000;

/// When a walk ends in any case: those through the own neighbourhood are not ended before. Source: `LOOKUP_TIMEOUT` of the driver.
pub(super) const LONGEST_MS: u64 = 10_000;

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Nearest first.
    pub(super) nearest: Vec<u32>,
    /// Everybody who answered.
    pub(super) answered: Vec<u32>,
    /// Everybody who did not.
    pub(super) gone: Vec<u32>,
    /// How long it took.
    pub(super) millis: u64,
}

/// How a path sees a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Heard,
    /// Asked, by this path or another. A silent one stays like this: the walk is over before its dial is.
    Asked,
    Answered,
}

struct Path {
    /// By distance.
    known: BTreeMap<Spot, (Entry, Seen)>,
    in_flight: usize,
    /// Answers in a row that brought it no nearer.
    in_vain: usize,
    arrived: bool,
}

impl Path {
    /// Whom it asks next, if anybody now. It is [`Seen::Asked`] from then on.
    fn next(&mut self) -> Option<Entry> {
        if self.arrived {
            return None;
        }
        let stalled = self.in_vain >= PATHS;
        let full = self.in_flight >= if stalled { limits::REPLICATION } else { PATHS };
        let (mut answered, mut waits) = (0, false);
        for (entry, seen) in self.known.values_mut() {
            match seen {
                Seen::Asked if full => return None,
                Seen::Asked => waits = true,
                Seen::Answered => {
                    answered += 1;
                    if !waits && answered == limits::REPLICATION {
                        self.arrived = true;
                        return None;
                    }
                }
                Seen::Heard if full => return None,
                Seen::Heard => {
                    *seen = Seen::Asked;
                    self.in_flight += 1;
                    return Some(*entry);
                }
            }
        }
        self.arrived = self.in_flight == 0;
        None
    }

    /// One that it asked has answered: with these, or on another path.
    fn answered(&mut self, at: Spot, to: Spot, told: &[Entry]) {
        let Some((_, seen @ Seen::Asked)) = self.known.get_mut(&at) else { return };
        *seen = Seen::Answered;
        self.in_flight -= 1;
        let twentieth = self.known.keys().nth(limits::REPLICATION - 1).or(self.known.keys().next_back());
        let range = twentieth.copied().unwrap_or(Spot::MAX);
        let mut nearer = self.known.len() < limits::REPLICATION;
        for told in told.iter().take(limits::REPLICATION) {
            let distance = told.spot ^ to;
            self.known.entry(distance).or_insert_with(|| {
                nearer |= distance < range;
                (*told, Seen::Heard)
            });
        }
        self.in_vain = if nearer { 0 } else { self.in_vain + 1 };
    }
}

/// Walks to `to` until it has arrived, `longest` milliseconds at most. `ask` gives a node's answer, or nothing when it is gone.
pub(super) fn walk(
    to: Spot,
    begin: &[Entry],
    longest: u64,
    mut ask: impl FnMut(u32) -> Option<Vec<Entry>>,
) -> Found {
    let known: BTreeMap<_, _> = begin.iter().map(|entry| (entry.spot ^ to, (*entry, Seen::Heard))).collect();
    let path = || Path { known: known.clone(), in_flight: 0, in_vain: 0, arrived: false };
    let mut paths: [_; PATHS] = std::array::from_fn(|_| path());
    let mut contacted: BTreeMap<u32, Seen> = BTreeMap::new();
    let mut found = Found::default();
    while found.millis < longest {
        let asked = questions(&mut paths, to, &mut contacted);
        if paths.iter().all(|path| path.arrived) {
            break;
        }
        found.millis = longest.min(found.millis + ROUND_MS);
        for (number, entry) in asked {
            let Some(told) = ask(entry.node) else {
                found.gone.push(entry.node);
                continue;
            };
            contacted.insert(entry.node, Seen::Answered);
            found.answered.push(entry.node);
            for (other, path) in paths.iter_mut().enumerate() {
                path.answered(entry.spot ^ to, to, if other == number { &told } else { &[] });
            }
        }
    }
    let mut nearest = BTreeMap::new();
    for path in &paths {
        let answered = path.known.iter().filter(|(_, (_, seen))| *seen == Seen::Answered);
        nearest.extend(answered.take(limits::REPLICATION).map(|(at, (entry, _))| (*at, entry.node)));
    }
    found.nearest = nearest.into_values().take(limits::REPLICATION).collect();
    found
}

/// Whom the paths ask now, one after the other in turn, each node once.
fn questions(
    paths: &mut [Path; PATHS],
    to: Spot,
    contacted: &mut BTreeMap<u32, Seen>,
) -> Vec<(usize, Entry)> {
    let mut asked = Vec::new();
    let mut idle = 0;
    for number in (0..PATHS).cycle() {
        let next = paths[number].next();
        idle = if next.is_some() { 0 } else { idle + 1 };
        if idle == PATHS {
            break;
        }
        let Some(entry) = next else { continue };
        match contacted.get(&entry.node) {
            // Another path asked it: its answer counts here, too, and says nothing.
            Some(Seen::Answered) => paths[number].answered(entry.spot ^ to, to, &[]),
            Some(Seen::Heard | Seen::Asked) => {}
            None => {
                contacted.insert(entry.node, Seen::Asked);
                asked.push((number, entry));
            }
        }
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(node: u32) -> Entry {
        // Spread over the space, the same for the same number.
        let spot = u128::from(node).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        Entry { spot, node, prefix: node }
    }

    fn network() -> Vec<Entry> {
        (0..300).map(entry).collect()
    }

    fn truly_nearest(to: Spot, among: &[Entry]) -> Vec<u32> {
        let mut all = among.to_vec();
        all.sort_by_key(|entry| entry.spot ^ to);
        all.iter().take(20).map(|entry| entry.node).collect()
    }

    #[test]
    fn a_walk_from_a_few_finds_the_nearest_of_all() {
        let network = network();
        let found = walk(42, &network[..3], ENOUGH_MS, |node| {
            // Each knows sixty others.
            let known = network
                .iter()
                .copied()
                .filter(|other| other.node.wrapping_mul(31).wrapping_add(node) % 5 == 0);
            Some(super::super::table::nearest(known, 42))
        });
        assert_eq!(found.nearest, truly_nearest(42, &network));
        assert!(found.answered.len() < 150, "{}", found.answered.len());
    }

    #[test]
    fn liars_on_one_path_hide_nobody_that_honest_nodes_name() {
        let network = network();
        let liars: Vec<_> = network.iter().copied().filter(|entry| entry.node % 2 == 0).collect();
        let found = walk(42, &network[..20], ENOUGH_MS, |node| {
            let knows = if node % 2 == 0 { &liars } else { &network };
            Some(super::super::table::nearest(knows.iter().copied(), 42))
        });
        assert_eq!(found.nearest, truly_nearest(42, &network));
    }

    #[test]
    fn beside_a_silent_node_a_walk_takes_as_long_as_it_may_and_asks_on() {
        let network = network();
        let nearest = truly_nearest(42, &network);
        let silent =
            |node| (node != nearest[0]).then(|| super::super::table::nearest(network.iter().copied(), 42));
        let found = walk(42, &network[..20], ENOUGH_MS, silent);
        assert!(!found.nearest.contains(&nearest[0]));
        assert_eq!((found.nearest.len(), found.gone, found.millis), (20, vec![nearest[0]], ENOUGH_MS));
        let all_there = walk(42, &network[..20], ENOUGH_MS, |_| {
            Some(super::super::table::nearest(network.iter().copied(), 42))
        });
        assert!(all_there.millis < ENOUGH_MS, "{all_there:?}");
    }

    #[test]
    fn three_silent_nodes_nearest_to_the_place_hold_up_all_paths() {
        let network = network();
        // Each path counts those that another one asked as its own: three questions, and nobody else is asked.
        let mut begin = network.clone();
        begin.sort_by_key(|entry| entry.spot ^ 42);
        begin.truncate(20);
        let silent: Vec<_> = begin.iter().take(3).map(|entry| entry.node).collect();
        let found = walk(42, &begin, ENOUGH_MS, |node| {
            (!silent.contains(&node)).then(|| super::super::table::nearest(network.iter().copied(), 42))
        });
        assert_eq!((found.nearest, found.gone, found.millis), (vec![], silent, ENOUGH_MS));
    }
}
