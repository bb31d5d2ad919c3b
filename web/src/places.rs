//! Places that many want: so many in all, and so many for each who takes them, so that nobody takes all.
//!
//! In: somebody who wants one. Out: a [`Place`], which is free again when it is dropped; or which of the two bounds is reached. Who "somebody" is
//! (a session, a machine) is the caller's; what a refused one is told is, too.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

/// The places, and who has them.
#[derive(Debug)]
pub(crate) struct Places<K: Ord> {
    most: usize,
    each: usize,
    taken: Mutex<Taken<K>>,
}

#[derive(Debug)]
struct Taken<K> {
    all: usize,
    /// Those who have none are not in it: it is no longer than there are places.
    by: BTreeMap<K, usize>,
}

/// One place.
#[derive(Debug)]
pub(crate) struct Place<K: Ord + Clone> {
    places: Arc<Places<K>>,
    whose: K,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All are taken.
    All,
    /// This one has as many as one may have.
    Theirs,
}

impl<K: Ord + Clone> Places<K> {
    /// `most` in all, `each` for one.
    pub(crate) fn new(most: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { most, each, taken: Mutex::new(Taken { all: 0, by: BTreeMap::new() }) })
    }

    /// A place for somebody.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn take(self: &Arc<Self>, whose: K) -> Result<Place<K>, Full> {
        let mut taken = self.taken();
        let theirs = taken.by.get(&whose).copied().unwrap_or_default();
        if theirs >= self.each {
            return Err(Full::Theirs);
        }
        if taken.all >= self.most {
            return Err(Full::All);
        }
        taken.all += 1;
        taken.by.insert(whose.clone(), theirs + 1);
        Ok(Place { places: Arc::clone(self), whose })
    }

    fn taken(&self) -> MutexGuard<'_, Taken<K>> {
        self.taken.lock().expect("no holder of the lock panics")
    }
}

impl<K: Ord + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        match taken.by.get_mut(&self.whose) {
            Some(theirs) if *theirs > 1 => *theirs -= 1,
            _ => drop(taken.by.remove(&self.whose)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_places_and_a_place_is_free_again_when_it_is_dropped() {
        let places = Places::new(3, 2);
        let hers = [places.take("ann").expect("a place"), places.take("ann").expect("a place")];
        assert_eq!(places.take("ann").err(), Some(Full::Theirs));
        let his = places.take("bob").expect("a place");
        assert_eq!(places.take("cyd").err(), Some(Full::All));
        drop(his);
        assert_eq!(places.take("ann").err(), Some(Full::Theirs));
        let cyd = places.take("cyd").expect("Bob's place");
        drop((hers, cyd));
        let taken = places.taken();
        assert_eq!((taken.all, taken.by.len()), (0, 0), "nobody is remembered");
    }
}
