//! How peers behave: how fast they ask, and how often they offend.
//!
//! In: requests and offences of authenticated peers. Out: whether a request is admitted, whether a peer is to be shut out.
//! Remembered across reconnects (leaving and coming back refills nothing), bounded by forgetting whoever was quiet the longest.
//!
//! Only node ids are judged, never addresses: those can be forged. Pure: time is passed in.

use super::limits::{CONTACT_RATE, MAX_CONDUCT, MAX_OFFENCES, OFFENCE_WINDOW, STRANGER_RATE};
use pc2_protocols::{id::NodeId, net::Protocol};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

/// How a peer stands with the owner, which decides how much it may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Acquaintance {
    /// We want to stay connected with it.
    Contact,
    /// Anybody else.
    Stranger,
}

/// Thousandths of a request: at 32 a second a millisecond brings 32 of them.
const WHOLE: u64 = 1_000;

#[derive(Debug)]
struct Bucket {
    thousandths: u64,
    filled: Instant,
}

impl Bucket {
    fn take(&mut self, (per_second, burst): (u32, u32), now: Instant) -> bool {
        let millis =
            u64::try_from(now.saturating_duration_since(self.filled).as_millis()).unwrap_or(u64::MAX);
        let brought = millis.saturating_mul(u64::from(per_second));
        if brought > 0 {
            self.thousandths = self.thousandths.saturating_add(brought);
            self.filled = now;
        }
        self.thousandths = self.thousandths.min(u64::from(burst) * WHOLE);
        let Some(left) = self.thousandths.checked_sub(WHOLE) else { return false };
        self.thousandths = left;
        true
    }
}

#[derive(Debug)]
struct Record {
    /// One per standing, too: who becomes a contact starts with a full one.
    buckets: BTreeMap<(Protocol, Acquaintance), Bucket>,
    offences: VecDeque<Instant>,
    seen: u64,
}

/// The conduct of peers.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    records: BTreeMap<NodeId, Record>,
    by_seen: BTreeMap<u64, NodeId>,
    next_seen: u64,
}

impl Conduct {
    /// Whether a request of this peer may pass, by its rate so far.
    pub(super) fn admits(
        &mut self,
        node: NodeId,
        acquaintance: Acquaintance,
        protocol: Protocol,
        now: Instant,
    ) -> bool {
        let rate = match acquaintance {
            Acquaintance::Contact => CONTACT_RATE,
            Acquaintance::Stranger => STRANGER_RATE,
        };
        let full = || Bucket { thousandths: u64::from(rate.1) * WHOLE, filled: now };
        self.record(node).buckets.entry((protocol, acquaintance)).or_insert_with(full).take(rate, now)
    }

    /// Counts an offence; whether it was one too many. The count starts anew then.
    pub(super) fn offends(&mut self, node: NodeId, now: Instant) -> bool {
        let offences = &mut self.record(node).offences;
        while offences.front().is_some_and(|at| now.saturating_duration_since(*at) > OFFENCE_WINDOW) {
            offences.pop_front();
        }
        offences.push_back(now);
        if offences.len() < MAX_OFFENCES {
            return false;
        }
        offences.clear();
        true
    }

    fn record(&mut self, node: NodeId) -> &mut Record {
        let seen = self.next_seen;
        self.next_seen += 1;
        if let Some(known) = self.records.get(&node) {
            self.by_seen.remove(&known.seen);
        } else if self.records.len() >= MAX_CONDUCT
            && let Some((_, quiet)) = self.by_seen.pop_first()
        {
            self.records.remove(&quiet);
        }
        self.by_seen.insert(seen, node);
        let record = self.records.entry(node).or_insert_with(|| Record {
            buckets: BTreeMap::new(),
            offences: VecDeque::new(),
            seen,
        });
        record.seen = seen;
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const A: NodeId = NodeId::from_bytes([1; 32]);
    const B: NodeId = NodeId::from_bytes([2; 32]);

    /// How many of `tries` requests at one instant pass.
    fn pass(conduct: &mut Conduct, who: Acquaintance, tries: usize, now: Instant) -> usize {
        (0..tries).filter(|_| conduct.admits(A, who, Protocol::Message, now)).count()
    }

    #[test]
    fn a_stranger_has_a_burst_and_then_32_a_second() {
        let (mut conduct, now) = (Conduct::default(), Instant::now());
        assert_eq!(pass(&mut conduct, Acquaintance::Stranger, 1_000, now), 128);
        let mut passed = 0;
        for tenth in 1..=100u32 {
            passed +=
                pass(&mut conduct, Acquaintance::Stranger, 50, now + Duration::from_millis(100) * tenth);
        }
        assert_eq!(passed, 320);
    }

    #[test]
    fn a_contact_is_not_slowed_down_at_a_thousand_a_second() {
        let (mut conduct, now) = (Conduct::default(), Instant::now());
        for milli in 0..10_000 {
            let now = now + Duration::from_millis(milli);
            assert!(conduct.admits(A, Acquaintance::Contact, Protocol::Message, now));
        }
    }

    #[test]
    fn protocols_and_peers_do_not_take_from_each_other() {
        let (mut conduct, now) = (Conduct::default(), Instant::now());
        pass(&mut conduct, Acquaintance::Stranger, 1_000, now);
        assert!(conduct.admits(A, Acquaintance::Stranger, Protocol::Record, now));
        assert!(conduct.admits(B, Acquaintance::Stranger, Protocol::Message, now));
    }

    #[test]
    fn old_offences_are_forgiven_and_many_at_once_are_not() {
        let (mut conduct, now) = (Conduct::default(), Instant::now());
        for minute in 0..60 {
            assert!(!conduct.offends(A, now + Duration::from_secs(90) * minute));
        }
        let verdicts: Vec<_> = (0..MAX_OFFENCES).map(|_| conduct.offends(B, now)).collect();
        assert_eq!(verdicts.iter().position(|out| *out), Some(MAX_OFFENCES - 1));
    }

    #[test]
    fn a_flood_of_ids_is_forgotten_not_kept() {
        let (mut conduct, now) = (Conduct::default(), Instant::now());
        for number in 0..u32::try_from(MAX_CONDUCT).expect("small") + 100 {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            conduct.offends(NodeId::from_bytes(id), now);
        }
        assert_eq!(conduct.records.len(), MAX_CONDUCT);
        assert_eq!(conduct.by_seen.len(), MAX_CONDUCT);
    }
}
