//! Who takes up how much of what is held here.
//!
//! In: every record that comes and goes, with owner, source and part of the network. Out: whether one more may
//! come, and which quota speaks against it. A key costs nothing to make, so owners and peers are limited, and the
//! part of the network (/24, /48) they come from as well.
//!
//! Not here: the cap of the whole and what is evicted for it ([`super::holder`]).

use super::wire::Refusal;
use crate::{id::NodeId, limits, net::Prefix};
use std::collections::BTreeMap;

/// What a row and its index entry take beside the record's bytes: so that many tiny records are not free.
const OVERHEAD_BYTES: u64 = 256;

/// What one held record counts for, and against whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footprint {
    pub(super) owner: Option<NodeId>,
    pub(super) source: NodeId,
    pub(super) prefix: Prefix,
    bytes: u64,
}

impl Footprint {
    pub(super) fn new(owner: Option<NodeId>, source: NodeId, prefix: Prefix, record_bytes: usize) -> Self {
        let bytes = u64::try_from(record_bytes).unwrap_or(u64::MAX).saturating_add(OVERHEAD_BYTES);
        Self { owner, source, prefix, bytes }
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Share {
    records: u32,
    bytes: u64,
}

/// The shares of all owners, sources and prefixes, and of all together.
#[derive(Debug, Default)]
pub(super) struct Quota {
    owners: BTreeMap<NodeId, Share>,
    sources: BTreeMap<NodeId, Share>,
    prefixes: BTreeMap<Prefix, Share>,
    total_bytes: u64,
}

impl Quota {
    /// Whether `new` may come in, in place of `old`.
    pub(super) fn admits(&self, new: &Footprint, old: Option<&Footprint>) -> Result<(), Refusal> {
        let after = |share: Option<&Share>, replaced: bool| {
            let share = share.copied().unwrap_or_default();
            let (records, bytes) = match old {
                Some(old) if replaced => (1, old.bytes),
                Some(_) | None => (0, 0),
            };
            Share {
                records: share.records.saturating_sub(records).saturating_add(1),
                bytes: share.bytes.saturating_sub(bytes).saturating_add(new.bytes),
            }
        };
        if let Some(owner) = new.owner {
            let share = after(self.owners.get(&owner), old.is_some_and(|old| old.owner == new.owner));
            if share.records > limits::MAX_HELD_PER_OWNER {
                return Err(Refusal::OwnerQuota);
            }
        }
        let share = after(self.sources.get(&new.source), old.is_some_and(|old| old.source == new.source));
        if share.bytes > limits::MAX_HELD_BYTES_PER_SOURCE {
            return Err(Refusal::SourceQuota);
        }
        let share = after(self.prefixes.get(&new.prefix), old.is_some_and(|old| old.prefix == new.prefix));
        if new.prefix != Prefix::Local && share.bytes > limits::MAX_HELD_BYTES_PER_PREFIX {
            return Err(Refusal::PrefixQuota);
        }
        Ok(())
    }

    pub(super) fn add(&mut self, footprint: &Footprint) {
        let grow = |share: &mut Share| {
            share.records = share.records.saturating_add(1);
            share.bytes = share.bytes.saturating_add(footprint.bytes);
        };
        if let Some(owner) = footprint.owner {
            grow(self.owners.entry(owner).or_default());
        }
        grow(self.sources.entry(footprint.source).or_default());
        grow(self.prefixes.entry(footprint.prefix).or_default());
        self.total_bytes = self.total_bytes.saturating_add(footprint.bytes);
    }

    pub(super) fn remove(&mut self, footprint: &Footprint) {
        if let Some(owner) = footprint.owner {
            shrink(&mut self.owners, owner, footprint.bytes);
        }
        shrink(&mut self.sources, footprint.source, footprint.bytes);
        shrink(&mut self.prefixes, footprint.prefix, footprint.bytes);
        self.total_bytes = self.total_bytes.saturating_sub(footprint.bytes);
    }

    /// What all held records together count for.
    pub(super) const fn total_bytes(&self) -> u64 {
        self.total_bytes
    }
}

fn shrink<K: Ord>(shares: &mut BTreeMap<K, Share>, of: K, bytes: u64) {
    if let Some(share) = shares.get_mut(&of) {
        share.records = share.records.saturating_sub(1);
        share.bytes = share.bytes.saturating_sub(bytes);
        if share.records == 0 {
            shares.remove(&of);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    fn footprint(owner: u8, source: u8, prefix: Prefix, bytes: usize) -> Footprint {
        Footprint::new(Some(node(owner)), node(source), prefix, bytes)
    }

    #[test]
    fn an_owner_has_a_number_of_records_and_a_replacement_is_none_more() {
        let mut quota = Quota::default();
        let one = footprint(1, 1, Prefix::Local, 100);
        for _ in 0..limits::MAX_HELD_PER_OWNER {
            assert_eq!(quota.admits(&one, None), Ok(()));
            quota.add(&one);
        }
        assert_eq!(quota.admits(&one, None), Err(Refusal::OwnerQuota));
        assert_eq!(quota.admits(&one, Some(&one)), Ok(()));
        quota.remove(&one);
        assert_eq!(quota.admits(&one, None), Ok(()));
    }

    #[test]
    fn a_source_has_a_number_of_bytes_whoever_owns_the_records() {
        let mut quota = Quota::default();
        for owner in 0..16 {
            quota.add(&footprint(owner, 99, Prefix::Local, MIB - 256));
        }
        assert_eq!(quota.admits(&footprint(50, 99, Prefix::Local, 1), None), Err(Refusal::SourceQuota));
        assert_eq!(quota.admits(&footprint(50, 98, Prefix::Local, 1), None), Ok(()));
    }

    #[test]
    fn a_part_of_the_network_has_a_number_of_bytes_but_our_own_machines_have_not() {
        for (prefix, expected) in
            [(Prefix::V4([1, 2, 3]), Err(Refusal::PrefixQuota)), (Prefix::Local, Ok(()))]
        {
            let mut quota = Quota::default();
            for source in 0..32 {
                quota.add(&footprint(source, source, prefix, MIB - 256));
            }
            assert_eq!(quota.admits(&footprint(50, 50, prefix, 1), None), expected);
            assert_eq!(quota.admits(&footprint(50, 50, Prefix::V4([9; 3]), 1), None), Ok(()));
        }
    }

    #[test]
    fn what_came_and_went_leaves_nothing_behind() {
        let mut quota = Quota::default();
        let one = footprint(1, 2, Prefix::V6([3; 6]), 100);
        quota.add(&one);
        assert_eq!(quota.total_bytes(), 356);
        quota.remove(&one);
        assert_eq!(quota.total_bytes(), 0);
        assert!(quota.owners.is_empty() && quota.sources.is_empty() && quota.prefixes.is_empty());
    }
}
