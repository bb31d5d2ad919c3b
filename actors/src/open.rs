//! What is open with others: requests of peers, questions of other machines.
//!
//! A shell writes down what came in and strikes out what was answered. When the machine is rebuilt, what its earlier life had
//! open is set apart; what is still unanswered once that life's writes have settled is handed back, to be
//! refused. So nobody waits for an answer that nobody remembers.

use std::collections::BTreeSet;

/// Open questions named by `T`.
#[derive(Debug)]
pub(crate) struct Open<T> {
    now: BTreeSet<T>,
    orphans: BTreeSet<T>,
}

impl<T: Ord> Open<T> {
    /// Nothing is open.
    pub(crate) const fn new() -> Self {
        Self { now: BTreeSet::new(), orphans: BTreeSet::new() }
    }

    /// Something came in.
    pub(crate) fn opened(&mut self, it: T) {
        self.now.insert(it);
    }

    /// It was answered.
    pub(crate) fn closed(&mut self, it: &T) {
        if !self.now.remove(it) {
            self.orphans.remove(it);
        }
    }

    /// From here on, a new life of the machine answers.
    pub(crate) fn new_life(&mut self) {
        self.orphans.append(&mut self.now);
    }

    /// What no life of the machine will answer any more.
    pub(crate) fn settle(&mut self) -> BTreeSet<T> {
        std::mem::take(&mut self.orphans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_earlier_life_left_unanswered_is_handed_back() {
        let mut open = Open::new();
        for it in 1..=3 {
            open.opened(it);
        }
        open.closed(&1);
        open.new_life();
        open.opened(4);
        open.closed(&2);
        assert_eq!(open.settle().into_iter().collect::<Vec<_>>(), [3]);
        assert!(open.settle().is_empty());
    }
}
