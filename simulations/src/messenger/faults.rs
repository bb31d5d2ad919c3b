//! What goes wrong: crashes, lost disks, partitions, broken connections, clocks that jump.

use super::{
    disk::Disk,
    keys::Keys,
    people::Person,
    world::{Event, World},
};

impl<K: Keys> World<K> {
    /// One fault, and the next one some time later.
    pub(super) fn fault(&mut self) {
        if !self.wild {
            return;
        }
        let count = self.nodes.len() as u64;
        let (Ok(a), Ok(b)) = (usize::try_from(self.below(count)), usize::try_from(self.below(count))) else {
            return;
        };
        match self.below(10) {
            0 if self.chance(200) => self.reinstall(a),
            0..4 => self.crash(a),
            4..6 => {
                if self.network.part(a, b) {
                    self.unlink(a, b);
                }
            }
            6 => self.network.rejoin(a, b),
            7 => self.network.heal(),
            8 => self.unlink(a, b),
            _ => self.set_clock(a),
        }
        let next = self.below(16_000);
        self.at(next, Event::Fault);
    }

    /// The process is killed. Of what was not durable, the first batches may have reached the disk; what was to follow them is lost.
    fn crash(&mut self, node: usize) {
        if self.nodes[node].machine.take().is_none() {
            return;
        }
        self.summary.crashes += 1;
        let reached = self.below(self.nodes[node].disk.pending.len() as u64 + 1);
        for batch in self.nodes[node].disk.pending.iter_mut() {
            batch.then.clear();
        }
        for _ in 0..reached {
            self.sync_one(node);
        }
        self.nodes[node].disk.pending.clear();
        self.nodes[node].kept.clear();
        self.nodes[node].person.all_unanswered();
        self.unlink_all(node);
        let down = self.below(30_000);
        self.at(down, Event::Start { node });
    }

    /// Somebody loses their disk, and comes back as a new installation of the same identity.
    fn reinstall(&mut self, node: usize) {
        self.crash(node);
        self.summary.reinstalls += 1;
        self.nodes[node].disk = Disk::default();
        self.nodes[node].installation += 1;
        self.nodes[node].person = Person::default();
    }

    /// Somebody sets the clock, by up to a day from the truth.
    fn set_clock(&mut self, node: usize) {
        let off = i64::try_from(self.below(2 * 86_400_000)).unwrap_or(0) - 86_400_000;
        self.nodes[node].clock_off = off;
    }
}
