//! What one node knows of the network: its routing table.
//!
//! In: nodes it was connected with. Out: those nearest to a place. As in the node's own table (`pc2-actors`, `net/table.rs`): k = 20 entries for each
//! distance, at most two of a prefix, only nodes whose connection stood, and a full bucket keeps the old ones.
//!
//! Not here: walking from table to table ([`super::walk`]).

use pc2_protocols::{limits, record::Place};

/// Entries of one table that share a prefix. The same as the driver's.
pub(super) const MAX_PER_PREFIX: usize = 2;

/// A point of the space in which nodes are near to keys: its first 128 bits, seen from a fixed point. The distance of two is their XOR.
pub(super) type Spot = u128;

/// Where a place is, seen from `origin`.
pub(super) fn spot(place: &Place, origin: &Place) -> Spot {
    let distance = place.distance(origin);
    let first = distance.first_chunk().expect("a distance has 32 bytes");
    u128::from_be_bytes(*first)
}

/// A node and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) spot: Spot,
    pub(super) node: u32,
    pub(super) prefix: u32,
}

/// The table of one node.
#[derive(Debug, Clone)]
pub(super) struct Table {
    here: Spot,
    entries: Vec<Entry>,
}

impl Table {
    /// An empty one.
    pub(super) const fn new(here: Spot) -> Self {
        Self { here, entries: Vec::new() }
    }

    /// Takes a connected node in, if there is room for its distance and its prefix.
    pub(super) fn take(&mut self, entry: Entry) {
        let bucket = (self.here ^ entry.spot).leading_zeros();
        let (mut alike, mut near) = (0, 0);
        for other in &self.entries {
            if other.node == entry.node {
                return;
            }
            alike += usize::from(other.prefix == entry.prefix);
            near += usize::from((self.here ^ other.spot).leading_zeros() == bucket);
        }
        if alike < MAX_PER_PREFIX && near < limits::REPLICATION && entry.spot != self.here {
            self.entries.push(entry);
        }
    }

    /// Forgets a node that could not be reached.
    pub(super) fn forget(&mut self, node: u32) {
        self.entries.retain(|entry| entry.node != node);
    }

    /// The nodes nearest to a place, in no order, without the one that asks.
    pub(super) fn nearest(&self, to: Spot, asking: u32) -> Vec<Entry> {
        nearest(self.entries.iter().copied().filter(|entry| entry.node != asking), to)
    }

    /// Everybody in it.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// The twenty of these nearest to a place, in no order.
pub(super) fn nearest(entries: impl Iterator<Item = Entry>, to: Spot) -> Vec<Entry> {
    let mut entries: Vec<_> = entries.collect();
    if entries.len() > limits::REPLICATION {
        entries.select_nth_unstable_by_key(limits::REPLICATION, |entry| entry.spot ^ to);
        entries.truncate(limits::REPLICATION);
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_twenty_and_a_prefix_two() {
        let mut table = Table::new(0);
        for node in 0..50 {
            table.take(Entry { spot: 1 << 127 | u128::from(node), node, prefix: node });
        }
        assert_eq!(table.entries().len(), 20);
        for node in 100..110 {
            table.take(Entry { spot: 1 << 100 | u128::from(node), node, prefix: 7_777 });
        }
        assert_eq!(table.entries().len(), 22);
    }

    #[test]
    fn who_asks_is_not_told_of_itself_and_who_is_gone_is_forgotten() {
        let mut table = Table::new(0);
        for node in 1..=5 {
            table.take(Entry { spot: u128::from(node), node, prefix: node });
        }
        table.forget(2);
        let mut told: Vec<_> = table.nearest(0, 3).iter().map(|entry| entry.node).collect();
        told.sort_unstable();
        assert_eq!(told, [1, 4, 5]);
    }
}
