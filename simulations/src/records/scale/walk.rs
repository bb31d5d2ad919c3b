//! One walk through the network to the nodes nearest to a place.
//!
//! In: whom the walker knows, and what each contacted node answers from its own table. Out: up to twenty nodes that answered, nearest first, who
//! was contacted, who was gone, and how long it took. As libp2p's kad does it with disjoint paths: three paths begin with the
//! same twenty, a node is contacted by one path only and its answer stays on that path, each path asks three at a time (twenty when it
//! gets no nearer) until the twenty nearest it heard of have answered. Only who answered is found. A liar can name liars and
//! keep silent about others on its own path; it cannot take anything from the other two.
//!
//! Not here: what is modelled away is said in [`super`].

use super::table::{Entry, Spot};
use pc2_protocols::limits;
use std::collections::{BTreeMap, BTreeSet};

/// Paths of one walk, and nodes asked at once on each. Source: libp2p's α.
const PATHS: usize = 3;

/// Rounds after which a walk ends with what it has: its ten seconds.
const MAX_ROUNDS: u64 = 60;

/// One question and its answer, in milliseconds.
const ROUND_MS: u64 = 150;

/// A walk ends after this in any case, and it waits that long for a silent node that is among the nearest. Source: the driver's limits.
const LONGEST_MS: u64 = 10_000;

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
    Answered,
    Gone,
}

/// A way to count nodes of one prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Diversity {
    /// As the driver walks today: prefixes limit tables, not walks.
    AnyPrefix,
    /// What if a path counted two nodes of a prefix at most among its nearest?
    TwoOfAPrefix,
}

struct Path {
    known: BTreeMap<Spot, (Entry, Seen)>,
    stalled: bool,
}

impl Path {
    /// The twenty nearest that are not gone.
    fn top(&self, diversity: Diversity) -> Vec<(Entry, Seen)> {
        let mut top: Vec<(Entry, Seen)> = Vec::with_capacity(limits::REPLICATION);
        for (entry, seen) in self.known.values().filter(|(_, seen)| *seen != Seen::Gone) {
            let alike = || top.iter().filter(|(other, _)| other.prefix == entry.prefix).count();
            if diversity == Diversity::AnyPrefix || alike() < super::table::MAX_PER_PREFIX {
                top.push((*entry, *seen));
            }
            if top.len() == limits::REPLICATION {
                break;
            }
        }
        top
    }
}

/// Walks to `to`. `ask` gives a node's answer, or nothing when it is gone.
pub(super) fn walk(
    to: Spot,
    begin: &[Entry],
    diversity: Diversity,
    mut ask: impl FnMut(u32) -> Option<Vec<Entry>>,
) -> Found {
    let known: BTreeMap<_, _> = begin.iter().map(|entry| (entry.spot ^ to, (*entry, Seen::Heard))).collect();
    let mut paths: Vec<_> = (0..PATHS).map(|_| Path { known: known.clone(), stalled: false }).collect();
    let mut contacted: BTreeMap<u32, Seen> = BTreeMap::new();
    let mut found = Found::default();
    let mut rounds = 0;
    while rounds < MAX_ROUNDS {
        let mut moved = false;
        for path in &mut paths {
            moved |= step(path, to, diversity, &mut contacted, &mut ask, &mut found);
        }
        if !moved {
            break;
        }
        rounds += 1;
    }
    let mut nearest: BTreeMap<Spot, Entry> = BTreeMap::new();
    for path in &paths {
        let top = path.top(diversity).into_iter().filter(|(_, seen)| *seen == Seen::Answered);
        nearest.extend(top.map(|(entry, _)| (entry.spot ^ to, entry)));
    }
    let farthest = nearest.keys().nth(limits::REPLICATION - 1).copied().unwrap_or(Spot::MAX);
    let gone: BTreeSet<_> = found.gone.iter().copied().collect();
    let waits = paths
        .iter()
        .flat_map(|path| path.known.range(..farthest))
        .any(|(_, (entry, _))| gone.contains(&entry.node));
    found.millis = if waits { LONGEST_MS } else { (rounds * ROUND_MS).min(LONGEST_MS) };
    let all = Path {
        known: nearest.into_iter().map(|(at, entry)| (at, (entry, Seen::Answered))).collect(),
        stalled: false,
    };
    found.nearest = all.top(diversity).into_iter().map(|(entry, _)| entry.node).collect();
    found
}

/// One round of one path. False when it has arrived.
fn step(
    path: &mut Path,
    to: Spot,
    diversity: Diversity,
    contacted: &mut BTreeMap<u32, Seen>,
    ask: &mut impl FnMut(u32) -> Option<Vec<Entry>>,
    found: &mut Found,
) -> bool {
    let width = if path.stalled { limits::REPLICATION } else { PATHS };
    let top = path.top(diversity);
    let farthest = top.get(limits::REPLICATION - 1).map_or(Spot::MAX, |(entry, _)| entry.spot ^ to);
    let mut asked = 0;
    let mut nearer = false;
    let mut moved = false;
    for (entry, _) in top.into_iter().filter(|(_, seen)| *seen == Seen::Heard) {
        if asked == width {
            break;
        }
        moved = true;
        // Another path has its answer: here it counts as found, and says nothing.
        if let Some(seen) = contacted.get(&entry.node) {
            path.known.insert(entry.spot ^ to, (entry, *seen));
            continue;
        }
        asked += 1;
        let answer = ask(entry.node);
        let seen = if answer.is_some() { Seen::Answered } else { Seen::Gone };
        contacted.insert(entry.node, seen);
        path.known.insert(entry.spot ^ to, (entry, seen));
        if seen == Seen::Answered {
            found.answered.push(entry.node)
        } else {
            found.gone.push(entry.node)
        }
        for told in answer.into_iter().flatten().take(limits::REPLICATION) {
            let distance = told.spot ^ to;
            path.known.entry(distance).or_insert_with(|| {
                nearer |= distance < farthest;
                (told, Seen::Heard)
            });
        }
    }
    path.stalled = !nearer;
    moved
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
        let found = walk(42, &network[..3], Diversity::AnyPrefix, |node| {
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
        let found = walk(42, &network[..20], Diversity::AnyPrefix, |node| {
            let knows = if node % 2 == 0 { &liars } else { &network };
            Some(super::super::table::nearest(knows.iter().copied(), 42))
        });
        assert_eq!(found.nearest, truly_nearest(42, &network));
    }

    #[test]
    fn who_does_not_answer_is_not_found_and_costs_time() {
        let network = network();
        let nearest = truly_nearest(42, &network);
        let found = walk(42, &network[..20], Diversity::AnyPrefix, |node| {
            (node != nearest[0]).then(|| super::super::table::nearest(network.iter().copied(), 42))
        });
        assert!(!found.nearest.contains(&nearest[0]));
        assert_eq!((found.nearest.len(), found.gone, found.millis), (20, vec![nearest[0]], LONGEST_MS));
    }

    #[test]
    fn with_two_of_a_prefix_a_crowd_from_one_place_leaves_room() {
        let mut network = network();
        // A hundred of one prefix, all nearer than anybody else.
        network.extend((1_000..1_100).map(|node| Entry { spot: u128::from(node), node, prefix: 9 }));
        let crowd = |diversity| {
            let found = walk(0, &network[..20], diversity, |_| {
                Some(super::super::table::nearest(
                    network.iter().copied().filter(|entry| entry.node < 1_002),
                    0,
                ))
            });
            found.nearest.iter().filter(|node| **node >= 1_000).count()
        };
        assert_eq!(crowd(Diversity::TwoOfAPrefix), 2);
    }
}
