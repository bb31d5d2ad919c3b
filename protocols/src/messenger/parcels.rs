//! Which parcels wait for one person, and what is in each.
//!
//! In: what is put into a parcel and what leaves the outbox, the mailbox's word. Out: where each thing is, which parcels nobody needs any more, and which the
//! mailbox part of this node has to be handed again because it has said nothing.
//!
//! Part of [`super::outbox`], whose rows carry it. Bounded by [`limits::MAX_PARCELS_PER_PERSON`].
//! Not here: making parcels ([`super::post`]).

use super::{outbox::Key, rows::InParcel};
use crate::{id::EnvelopeId, limits, time::Mono};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The parcels of one person. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Parcels {
    open: BTreeMap<EnvelopeId, Open>,
    withdrawn: BTreeSet<EnvelopeId>,
}

#[derive(Debug)]
struct Open {
    place: InParcel,
    members: BTreeSet<Key>,
    /// When to hand it over again, and how long to wait after that; `None`: the mailbox has it.
    unheard: Option<(Mono, Duration)>,
}

impl Parcels {
    /// Puts something into a parcel. One that is not known yet is to be handed over at `hand_at`.
    pub(super) fn put(&mut self, key: Key, place: InParcel, hand_at: Mono) {
        let unheard = (!place.stored).then_some((hand_at, limits::PARCEL_PATIENCE));
        let fresh = || Open { place, members: BTreeSet::new(), unheard };
        self.open.entry(place.id).or_insert_with(fresh).members.insert(key);
    }

    /// Something is in this parcel no longer; the last one takes the parcel along.
    pub(super) fn leave(&mut self, key: Key, id: EnvelopeId) {
        let Some(open) = self.open.get_mut(&id) else { return };
        open.members.remove(&key);
        if open.members.is_empty() {
            self.withdraw(id);
        }
    }

    /// Nobody needs this parcel any more. Returns what was in it.
    pub(super) fn withdraw(&mut self, id: EnvelopeId) -> BTreeSet<Key> {
        self.withdrawn.insert(id);
        self.open.remove(&id).map(|open| open.members).unwrap_or_default()
    }

    /// Parcels that nobody needs since it was last asked.
    pub(super) fn take_withdrawn(&mut self) -> BTreeSet<EnvelopeId> {
        std::mem::take(&mut self.withdrawn)
    }

    /// Whether one was withdrawn in this step.
    pub(super) fn has_withdrawn(&self) -> bool {
        !self.withdrawn.is_empty()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// All that wait.
    pub(super) fn ids(&self) -> Vec<EnvelopeId> {
        self.open.keys().copied().collect()
    }

    /// What stands in the rows of what is in it.
    pub(super) fn place(&self, id: EnvelopeId) -> Option<InParcel> {
        self.open.get(&id).map(|open| open.place)
    }

    /// What is in it.
    pub(super) fn members(&self, id: EnvelopeId) -> impl Iterator<Item = Key> {
        self.open.get(&id).into_iter().flat_map(|open| open.members.iter().copied())
    }

    /// Those made so long ago that mailboxes are about to let them go.
    pub(super) fn outworn(&self, week: u32) -> Vec<EnvelopeId> {
        let old = |open: &&Open| open.place.week.saturating_add(2) <= week;
        self.open.values().filter(old).map(|open| open.place.id).collect()
    }

    /// The mailbox says how a parcel is. `None`: it is none of these. `Some(true)`: that is new.
    pub(super) fn progress(&mut self, id: EnvelopeId, stored: bool) -> Option<bool> {
        let open = self.open.get_mut(&id)?;
        open.unheard = None;
        let new = open.place.stored != stored;
        open.place.stored = stored;
        Some(new)
    }

    /// When the first of them is to be handed over again.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.open.values().filter_map(|open| open.unheard.map(|(at, _)| at)).min()
    }

    /// Those to be handed over now. Each waits longer for its next time.
    pub(super) fn take_due(&mut self, now: Mono) -> Vec<EnvelopeId> {
        let mut due = Vec::new();
        for (id, open) in &mut self.open {
            if let Some((at, patience)) = open.unheard.as_mut().filter(|(at, _)| *at <= now) {
                *at = now.after(*patience);
                *patience = (*patience * 2).min(limits::HOUSEKEEPING);
                due.push(*id);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: EnvelopeId = EnvelopeId::from_bytes([1; 16]);
    const FRESH: InParcel = InParcel { id: ID, week: 10, stored: false };

    #[test]
    fn the_last_to_leave_takes_the_parcel_along_once() {
        let mut parcels = Parcels::default();
        parcels.put(Key::Control(1), FRESH, Mono(0));
        parcels.put(Key::Control(2), FRESH, Mono(0));
        parcels.leave(Key::Control(1), ID);
        assert!(parcels.take_withdrawn().is_empty());
        parcels.leave(Key::Control(2), ID);
        parcels.leave(Key::Control(2), ID);
        assert_eq!(parcels.take_withdrawn(), BTreeSet::from([ID]));
        assert!(parcels.take_withdrawn().is_empty() && parcels.len() == 0);
    }

    #[test]
    fn what_nothing_was_heard_of_is_handed_over_again_and_less_and_less_often() {
        let mut parcels = Parcels::default();
        parcels.put(Key::Control(1), FRESH, Mono(0));
        assert_eq!(parcels.take_due(Mono(0)), [ID]);
        let first = Mono(0).after(limits::PARCEL_PATIENCE);
        assert_eq!(parcels.deadline(), Some(first));
        assert_eq!(parcels.take_due(first), [ID]);
        assert_eq!(parcels.deadline(), Some(first.after(limits::PARCEL_PATIENCE * 2)));
        assert_eq!(parcels.progress(ID, false), Some(false));
        assert_eq!(parcels.deadline(), None);
    }

    #[test]
    fn what_is_stored_is_not_handed_over_after_a_restart() {
        let mut parcels = Parcels::default();
        parcels.put(Key::Control(1), InParcel { stored: true, ..FRESH }, Mono(0));
        assert_eq!(parcels.deadline(), None);
        assert_eq!(parcels.progress(ID, true), Some(false));
        assert_eq!(parcels.progress(ID, false), Some(true));
        assert_eq!(parcels.progress(EnvelopeId::from_bytes([9; 16]), true), None);
    }

    #[test]
    fn a_parcel_is_outworn_in_the_second_week_after_its_own() {
        let mut parcels = Parcels::default();
        parcels.put(Key::Control(1), FRESH, Mono(0));
        assert!(parcels.outworn(11).is_empty());
        assert_eq!(parcels.outworn(12), [ID]);
    }
}
