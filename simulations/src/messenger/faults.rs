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
        if self.settings.apart {
            let node = usize::try_from(self.below(count)).unwrap_or(0);
            self.set_clock(node);
            let next = self.below(60_000);
            return self.at(next, Event::Fault);
        }
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

    /// Where people live apart: whoever is up goes down, and somebody else comes up.
    pub(super) fn shift(&mut self) {
        let up = self.nodes.iter().position(|node| node.machine.is_some());
        if let Some(up) = up {
            self.stop(up);
        }
        let count = self.nodes.len();
        let next = up.map_or(0, |up| (up + 1) % count);
        let gap = self.below(2_000);
        self.at(gap, Event::Start { node: next });
        let hours = 30_000 + self.below(90_000);
        self.at(gap + hours, Event::Shift);
    }

    /// The process is killed, and comes back later.
    fn crash(&mut self, node: usize) {
        if self.stop(node) {
            let down = self.below(30_000);
            self.at(down, Event::Start { node });
        }
    }

    /// The process is killed. Of what was not durable, the first batches may have reached the disk; what was to follow them is lost.
    fn stop(&mut self, node: usize) -> bool {
        if self.nodes[node].machine.take().is_none() {
            return false;
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
        true
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
