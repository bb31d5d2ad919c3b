//! The level that `auto` takes, and why.
//!
//! In: whether there is proof that everybody reaches this node. Out: level 3 with it, level 2 without, changed slowly: others build on
//! it. No change in the first half minute, one in ten minutes at most, and back only after ten minutes without proof.
//!
//! Not here: what proves it ([`super::evidence`]).

use super::evidence::{Evidence, Proof};
use crate::{
    level::Level,
    limits::{LEVEL_FIRST_CHANGE, LEVEL_PACE},
    time::Mono,
};

/// What `auto` has come to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    level: Level,
    /// Before this nothing changes.
    steady_until: Mono,
    /// Since when there is no proof.
    unproved: Option<Mono>,
}

impl Standing {
    /// Begins with what is known.
    pub(super) fn begin(now: Mono, proof: Option<Proof>) -> Self {
        let level = if proof.is_some() { Level::Relay } else { Level::Participant };
        Self { level, steady_until: now.after(LEVEL_FIRST_CHANGE), unproved: None }
    }

    /// The level.
    pub(super) const fn level(&self) -> Level {
        self.level
    }

    /// Looks at what is known now. Returns whether the level changed.
    pub(super) fn look(&mut self, now: Mono, proof: Option<Proof>) -> bool {
        self.unproved = if proof.is_some() { None } else { self.unproved.or(Some(now)) };
        if self.due(proof).is_none_or(|due| due > now) {
            return false;
        }
        self.level = self.other();
        self.steady_until = now.after(LEVEL_PACE);
        true
    }

    /// When the level changes, if nothing else happens before.
    pub(super) fn due(&self, proof: Option<Proof>) -> Option<Mono> {
        match (self.level.relays(), proof) {
            (false, Some(_)) => Some(self.steady_until),
            (true, None) => self.unproved.map(|unproved| self.steady_until.max(unproved.after(LEVEL_PACE))),
            (false, None) | (true, Some(_)) => None,
        }
    }

    const fn other(&self) -> Level {
        if self.level.relays() { Level::Participant } else { Level::Relay }
    }

    /// Why this level, one sentence.
    pub(super) fn why(&self, evidence: &Evidence) -> &'static str {
        match (self.level.relays(), evidence.proof()) {
            (true, Some(Proof::Peers)) => {
                "nodes in different parts of the network reach this node by connections of their own"
            }
            (true, Some(Proof::Router)) => {
                "the router passes a port on to this node, and others get through there"
            }
            (true, None) => {
                "others reached this node lately; it goes back to level 2 unless they do so again"
            }
            (false, Some(_)) => "others reach this node; it goes on to level 3 when that lasts",
            (false, None) if evidence.one_success() => {
                "one part of the network has reached this node; level 3 needs two"
            }
            (false, None) if evidence.one_failure() => {
                "others tried to reach this node and did not get through"
            }
            (false, None) => "nobody outside has tried to reach this node yet",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOF: Option<Proof> = Some(Proof::Peers);

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000)
    }

    #[test]
    fn the_first_half_minute_is_level_2() {
        let mut standing = Standing::begin(at(0), None);
        assert!(!standing.look(at(29), PROOF));
        assert_eq!((standing.level(), standing.due(PROOF)), (Level::Participant, Some(at(30))));
        assert!(standing.look(at(30), PROOF));
        assert_eq!((standing.level(), standing.due(PROOF)), (Level::Relay, None));
    }

    #[test]
    fn it_goes_back_after_ten_minutes_without_proof() {
        let mut standing = Standing::begin(at(0), None);
        standing.look(at(30), PROOF);
        standing.look(at(1_000), PROOF);
        assert!(!standing.look(at(1_001), None));
        assert_eq!(standing.due(None), Some(at(1_601)));
        assert!(!standing.look(at(1_600), None));
        assert!(standing.look(at(1_601), None));
        assert_eq!(standing.level(), Level::Participant);
        assert!(!standing.look(at(1_602), PROOF), "and does not return at once");
        assert!(standing.look(at(2_201), PROOF));
    }

    #[test]
    fn a_proof_that_comes_back_in_time_changes_nothing() {
        let mut standing = Standing::begin(at(0), None);
        standing.look(at(30), PROOF);
        for minute in (1..600).step_by(9) {
            let proof = (minute % 2 == 0).then_some(Proof::Router);
            assert!(!standing.look(at(minute * 60), proof), "minute {minute}");
        }
    }
}
