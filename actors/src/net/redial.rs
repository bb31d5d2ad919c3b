//! Whom to dial when: nodes that we want to be connected with, and the wait before each next try.
//!
//! In: the set of nodes, connections that came, failed or were lost. Out: who is due. Waits double from one second to five minutes, with jitter
//! so that a thousand nodes do not return to a restarted one in the same instant.
//!
//! Pure: time and randomness are passed in. Not here: the dialling itself (`commands`).

use super::limits::STABLE_AFTER;
use pc2_protocols::{
    id::NodeId,
    limits::{RETRY_MAX, RETRY_MIN},
};
use rand_core::Rng;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

#[derive(Debug, Default)]
struct Attempts {
    failures: u32,
    /// `None`: connected, or a dial is under way.
    due: Option<Instant>,
}

/// A set of nodes to be connected with.
#[derive(Debug, Default)]
pub(super) struct Redial {
    nodes: BTreeMap<NodeId, Attempts>,
}

impl Redial {
    /// Replaces the set. New ones are due at once; the others keep their state.
    pub(super) fn set(&mut self, nodes: impl IntoIterator<Item = NodeId>, now: Instant) {
        let mut before = std::mem::take(&mut self.nodes);
        self.nodes = nodes
            .into_iter()
            .map(|node| {
                let attempts = before.remove(&node).unwrap_or(Attempts { failures: 0, due: Some(now) });
                (node, attempts)
            })
            .collect();
    }

    /// Whether a node is in the set.
    pub(super) fn contains(&self, node: NodeId) -> bool {
        self.nodes.contains_key(&node)
    }

    /// All of them, in order.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.keys().copied()
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.nodes.values().filter_map(|attempts| attempts.due).min()
    }

    /// Up to `most` that are due; they count as being dialled from now on, until one of the functions below is called for them.
    pub(super) fn take_due(&mut self, now: Instant, most: usize) -> Vec<NodeId> {
        let due = self.nodes.iter_mut().filter(|(_, attempts)| attempts.due.is_some_and(|due| due <= now));
        due.take(most)
            .map(|(node, attempts)| {
                attempts.due = None;
                *node
            })
            .collect()
    }

    /// A connection stands.
    pub(super) fn connected(&mut self, node: NodeId) {
        if let Some(attempts) = self.nodes.get_mut(&node) {
            attempts.due = None;
        }
    }

    /// A dial failed.
    pub(super) fn failed(&mut self, node: NodeId, now: Instant, rng: &mut impl Rng) {
        if let Some(attempts) = self.nodes.get_mut(&node) {
            attempts.due = Some(now + wait(attempts.failures, rng));
            attempts.failures = attempts.failures.saturating_add(1);
        }
    }

    /// The last connection is gone, after it stood for `lived`. The first loss is answered at once; connections that never last are waited for like failures.
    pub(super) fn lost(&mut self, node: NodeId, lived: Duration, now: Instant, rng: &mut impl Rng) {
        let Some(attempts) = self.nodes.get_mut(&node) else { return };
        if lived >= STABLE_AFTER {
            attempts.failures = 0;
        }
        let delay = attempts.failures.checked_sub(1).map_or(Duration::ZERO, |failures| wait(failures, rng));
        attempts.due = Some(now + delay);
        attempts.failures = attempts.failures.saturating_add(1);
    }

    /// Something changed for this node (a new address): it is due at once unless connected or being dialled.
    pub(super) fn hurry(&mut self, node: NodeId, now: Instant) {
        if let Some(Attempts { due: Some(due), .. }) = self.nodes.get_mut(&node) {
            *due = now;
        }
    }

    /// The network changed: all that wait are due at once, as if for the first time.
    pub(super) fn hurry_all(&mut self, now: Instant) {
        for attempts in self.nodes.values_mut() {
            attempts.failures = 0;
            if let Some(due) = &mut attempts.due {
                *due = now;
            }
        }
    }
}

/// The wait after so many failures: doubling, and between half and the whole of it at random.
fn wait(failures: u32, rng: &mut impl Rng) -> Duration {
    let full = RETRY_MIN.saturating_mul(2u32.saturating_pow(failures)).min(RETRY_MAX);
    jittered(full, rng)
}

/// Between half and the whole of a duration, at random.
pub(super) fn jittered(full: Duration, rng: &mut impl Rng) -> Duration {
    let half = full / 2;
    half + half.mul_f64(f64::from(rng.next_u32()) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    const A: NodeId = NodeId::from_bytes([1; 32]);
    const B: NodeId = NodeId::from_bytes([2; 32]);

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(1)
    }

    #[test]
    fn new_nodes_are_due_at_once_and_only_once() {
        let now = Instant::now();
        let mut redial = Redial::default();
        redial.set([A, B], now);
        assert_eq!(redial.take_due(now, 1), [A]);
        assert_eq!(redial.take_due(now, 8), [B]);
        assert!(redial.take_due(now, 8).is_empty());
        redial.set([A, B], now);
        assert!(redial.take_due(now, 8).is_empty(), "setting the same nodes again does not dial them twice");
    }

    #[test]
    fn waits_grow_from_a_second_to_five_minutes() {
        let now = Instant::now();
        let (mut redial, mut rng) = (Redial::default(), rng());
        redial.set([A], now);
        let mut waits = Vec::new();
        for _ in 0..15 {
            redial.take_due(now + RETRY_MAX, 1);
            redial.failed(A, now, &mut rng);
            waits.push(redial.next().expect("due some time").duration_since(now));
        }
        let within = |wait: Option<&Duration>, full: Duration| {
            wait.is_some_and(|wait| *wait >= full / 2 && *wait <= full)
        };
        assert!(within(waits.first(), RETRY_MIN));
        assert!(within(waits.get(3), RETRY_MIN * 8));
        assert!(within(waits.last(), RETRY_MAX));
    }

    #[test]
    fn the_first_loss_is_answered_at_once_but_flapping_is_not() {
        let now = Instant::now();
        let (mut redial, mut rng) = (Redial::default(), rng());
        redial.set([A], now);
        redial.connected(A);
        redial.lost(A, Duration::from_secs(1), now, &mut rng);
        assert_eq!(redial.take_due(now, 1), [A]);
        redial.lost(A, Duration::from_secs(1), now, &mut rng);
        assert!(redial.take_due(now, 1).is_empty());
        redial.lost(A, STABLE_AFTER, now, &mut rng);
        assert_eq!(redial.take_due(now, 1), [A]);
    }

    #[test]
    fn a_changed_network_ends_all_waiting() {
        let now = Instant::now();
        let (mut redial, mut rng) = (Redial::default(), rng());
        redial.set([A, B], now);
        redial.take_due(now, 8);
        redial.failed(A, now, &mut rng);
        redial.connected(B);
        redial.hurry_all(now);
        assert_eq!(redial.take_due(now, 8), [A], "who is connected is not dialled");
    }
}
