//! Whether the nodes found nearest to a key crowd round it, and where to look then.
//!
//! A node's key can be ground: some thousand tries make one that is nearer to a given record than any honest node. Twenty of them take all
//! seats of a walk; they say that they store what its owner brings, and have nothing for whoever asks. But nodes that chose their keys by chance are spread evenly: twenty that
//! lie three times closer together than those found for other keys are no chance (1 in 40,000). Whoever sees that also walks to two points beside the key,
//! near enough that the honest nodes there would be among the twenty nearest without the crowd, and drawn anew each time, so that nobody can wait there.
//!
//! In: what walks found. Out: keys to walk to beside the one that is crowded. Lost on restart: what was seen, which a few walks make good.
//! Not here: walking and asking ([`super::find`], [`super::publish`]).

use crate::{
    id::{NodeId, RecordKey},
    limits,
    record::Place,
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use std::collections::VecDeque;

/// Walks to different keys that are remembered. Their median is what is expected of another.
const MAX_SEEN: usize = 15;

/// With fewer than this a walk to a key drawn by chance goes along with each other one.
const ENOUGH_SEEN: usize = 3;

/// So many times closer together than expected is a crowd. Twenty by chance where 6.7 are expected: 1 in 40,000; and a crowd that stays
/// below it leaves 6.7 honest nodes among the twenty.
const CROWD: u128 = 3;

/// Keys are tried until one lies beside another, so many at most: a few milliseconds, and only when there is a crowd.
const MAX_TRIES: u64 = 1 << 17;

/// Beside a key is no nearer than this many bits in common, which some 30,000 tries find: enough for a network of 300,000 nodes.
const MAX_BITS: u32 = 14;

/// How far apart the twenty nearest to the keys of the last walks were.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    seen: VecDeque<(RecordKey, u128)>,
}

impl Crowd {
    /// Whether more walks are needed to tell a crowd.
    pub(super) fn wants_more(&self) -> bool {
        self.seen.len() < ENOUGH_SEEN
    }

    /// A walk to `key` found these, nearest first. If they are a crowd: two keys beside it.
    pub(super) fn found(
        &mut self,
        key: RecordKey,
        nearest: &[NodeId],
        rng: &mut ChaCha20Rng,
    ) -> Vec<RecordKey> {
        let place = Place::of_key(&key);
        let distances =
            nearest.iter().take(limits::REPLICATION).map(|node| first(&Place::of_node(*node), &place));
        let Some(farthest) = distances.max() else { return Vec::new() };
        let count = u128::try_from(nearest.len().min(limits::REPLICATION)).unwrap_or(1);
        let twenty = u128::try_from(limits::REPLICATION).unwrap_or(1);
        // Fewer than twenty are so much farther apart as they are fewer; and no crowd, for honest nodes would have been found, too.
        let far = (farthest / count).saturating_mul(twenty);
        let expected = self.expected(&key).filter(|_| count == twenty);
        self.seen.retain(|(other, _)| *other != key);
        self.seen.push_back((key, far));
        if self.seen.len() > MAX_SEEN {
            self.seen.pop_front();
        }
        let Some(expected) = expected.filter(|expected| far.saturating_mul(CROWD) < *expected) else {
            return Vec::new();
        };
        // Where half of the twenty would be, and where a quarter: owner and reader may expect a little more and a little less, and meet all the same.
        let bits = expected.leading_zeros().saturating_add(1);
        [bits, bits.saturating_add(1)]
            .into_iter()
            .filter_map(|bits| beside(&place, bits.min(MAX_BITS), rng))
            .collect()
    }

    /// How far the twentieth is on the way to other keys. The key itself has no say: whoever crowds round one does not thereby change what is expected.
    fn expected(&self, key: &RecordKey) -> Option<u128> {
        let mut others: Vec<_> =
            self.seen.iter().filter(|(other, _)| other != key).map(|(_, far)| *far).collect();
        others.sort_unstable();
        others.get(others.len() / 2).copied()
    }
}

/// A key drawn by chance.
pub(super) fn anywhere(rng: &mut ChaCha20Rng) -> RecordKey {
    let mut key = [0; 32];
    rng.fill_bytes(&mut key);
    RecordKey::from_bytes(key)
}

/// A key whose place has exactly this many leading bits in common with `place`, and the others by chance.
fn beside(place: &Place, bits: u32, rng: &mut ChaCha20Rng) -> Option<RecordKey> {
    let mut bytes = *anywhere(rng).as_bytes();
    for n in 0..MAX_TRIES {
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        let key = RecordKey::from_bytes(bytes);
        if first(&Place::of_key(&key), place).leading_zeros() == bits {
            return Some(key);
        }
    }
    None
}

/// The first 128 bits of a distance: more than enough to compare.
fn first(one: &Place, other: &Place) -> u128 {
    one.distance(other).first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng as _;

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(1)
    }

    fn nodes(count: u64, rng: &mut ChaCha20Rng) -> Vec<NodeId> {
        (0..count).map(|_| NodeId::from_bytes(*anywhere(rng).as_bytes())).collect()
    }

    /// The twenty nearest of these.
    fn nearest(key: &RecordKey, nodes: &[NodeId]) -> Vec<NodeId> {
        let place = Place::of_key(key);
        let mut nodes = nodes.to_vec();
        nodes.sort_by_key(|node| Place::of_node(*node).distance(&place));
        nodes.truncate(limits::REPLICATION);
        nodes
    }

    /// Twenty keys nearer than the nearest of these.
    fn sybils(key: &RecordKey, nodes: &[NodeId], rng: &mut ChaCha20Rng) -> Vec<NodeId> {
        let place = Place::of_key(key);
        let honest = nearest(key, nodes).first().map(|node| first(&Place::of_node(*node), &place));
        let mut crowd = Vec::new();
        while crowd.len() < limits::REPLICATION {
            let node = NodeId::from_bytes(*anywhere(rng).as_bytes());
            if honest.is_some_and(|honest| first(&Place::of_node(node), &place) < honest) {
                crowd.push(node);
            }
        }
        crowd
    }

    #[test]
    fn nodes_that_chose_their_keys_by_chance_are_no_crowd() {
        let mut rng = rng();
        for count in [5, 19, 21, 30, 100, 1_000] {
            let all = nodes(count, &mut rng);
            let mut crowd = Crowd::default();
            for _ in 0..300 {
                let key = anywhere(&mut rng);
                assert_eq!(crowd.found(key, &nearest(&key, &all), &mut rng), vec![], "{count} nodes");
            }
        }
    }

    #[test]
    fn a_crowd_is_seen_and_honest_holders_are_beside_it() {
        let mut rng = rng();
        for count in [60, 200, 500] {
            let honest = nodes(count, &mut rng);
            let mut crowd = Crowd::default();
            for _ in 0..ENOUGH_SEEN {
                let other = anywhere(&mut rng);
                crowd.found(other, &nearest(&other, &honest), &mut rng);
            }
            let key = anywhere(&mut rng);
            let holders = nearest(&key, &honest);
            let mut all = honest.clone();
            all.extend(sybils(&key, &honest, &mut rng));
            let beside = crowd.found(key, &nearest(&key, &all), &mut rng);
            assert_eq!(beside.len(), 2);
            let found = |beside: &RecordKey| {
                let found = nearest(beside, &all);
                found.into_iter().filter(|node| holders.contains(node)).count()
            };
            assert!(beside.iter().map(found).sum::<usize>() >= 5, "{count} nodes");
            // However often the crowded key is looked up, it stays crowded.
            for _ in 0..MAX_SEEN * 2 {
                assert_eq!(crowd.found(key, &nearest(&key, &all), &mut rng).len(), 2);
            }
        }
    }

    #[test]
    fn with_nothing_to_compare_nothing_is_a_crowd_and_more_is_wanted() {
        let mut rng = rng();
        let mut crowd = Crowd::default();
        let all = nodes(100, &mut rng);
        let key = anywhere(&mut rng);
        let crowded = sybils(&key, &all, &mut rng);
        assert_eq!(crowd.found(key, &nearest(&key, &crowded), &mut rng), vec![]);
        assert!(crowd.wants_more());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_points_beside_differ_each_time() {
        let mut rng = rng();
        let mut crowd = Crowd::default();
        crowd.found(anywhere(&mut rng), &[], &mut rng);
        assert_eq!(crowd.seen.len(), 0, "a walk that found nobody says nothing");
        for _ in 0..100 {
            crowd.found(anywhere(&mut rng), &nodes(1, &mut rng), &mut rng);
        }
        assert_eq!(crowd.seen.len(), MAX_SEEN);
        let place = Place::of_key(&anywhere(&mut rng));
        let (one, other) = (beside(&place, 6, &mut rng), beside(&place, 6, &mut rng));
        assert_ne!(one, other);
        for key in [one, other].into_iter().flatten() {
            assert_eq!(first(&Place::of_key(&key), &place).leading_zeros(), 6);
        }
    }
}
