//! The newest cards seen of others, so that a lookup is not repeated within a minute and none ever goes back.
//!
//! In: verified card records, from lookups and from what is put here. Out: the newest of a person. A card with a lower
//! sequence number never replaces a higher one, whoever shows it. Bounded: the one asked for longest ago goes.
//!
//! Lost on restart: everything. Not here: lookups ([`super::find`]).

use crate::{
    id::NodeId,
    limits,
    record::Record,
    time::{Mono, UnixMillis},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How long a card is given out without asking the network again.
const FRESH: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Known {
    record: Record,
    /// When a lookup last ended with it; `None`: it may be asked again at once.
    checked: Option<Mono>,
    used: Mono,
}

/// The newest cards of others.
#[derive(Debug, Default)]
pub(super) struct KnownCards {
    cards: BTreeMap<NodeId, Known>,
    by_use: BTreeSet<(Mono, NodeId)>,
}

impl KnownCards {
    /// The newest one of `node`, if it still holds.
    pub(super) fn newest(&self, node: NodeId, now: UnixMillis) -> Option<&Record> {
        self.cards.get(&node).map(|known| &known.record).filter(|record| record.validate(now).is_ok())
    }

    /// The newest one of `node` if the network was asked within the last minute.
    pub(super) fn fresh(&self, node: NodeId, now: Mono, unix: UnixMillis) -> Option<&Record> {
        let checked = self.cards.get(&node)?.checked?;
        if now.since(checked) > FRESH {
            return None;
        }
        self.newest(node, unix)
    }

    /// A lookup ended with this record.
    pub(super) fn found(&mut self, record: &Record, now: Mono) {
        let Some(node) = record.owner() else { return };
        self.update(node, record);
        if let Some(known) = self.cards.get_mut(&node) {
            self.by_use.remove(&(known.used, node));
            known.checked = Some(now);
            known.used = now;
        } else {
            while self.cards.len() >= limits::MAX_KNOWN_CARDS {
                let Some((_, oldest)) = self.by_use.pop_first() else { break };
                self.cards.remove(&oldest);
            }
            self.cards.insert(node, Known { record: record.clone(), checked: Some(now), used: now });
        }
        self.by_use.insert((now, node));
    }

    /// Somebody shows a card: it counts if its owner is remembered and it is newer.
    pub(super) fn seen(&mut self, record: &Record) {
        if let Some(node) = record.owner() {
            self.update(node, record);
        }
    }

    /// The network changed: everything may be asked again at once.
    pub(super) fn doubt_all(&mut self) {
        for known in self.cards.values_mut() {
            known.checked = None;
        }
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.cards.len()
    }

    fn update(&mut self, node: NodeId, record: &Record) {
        if let Some(known) = self.cards.get_mut(&node)
            && record.stamp().preferred_to(&known.record.stamp())
        {
            known.record = record.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::sign::Signer,
        id::DeviceId,
        record::{Card, Draft, Kind},
    };
    use ed25519_dalek::SigningKey;

    const NOW: UnixMillis = UnixMillis(1_000_000_000);

    fn card(of: u16, seq: u64) -> Record {
        let mut seed = [1; 32];
        seed[..2].copy_from_slice(&of.to_be_bytes());
        let signer = Signer::new(SigningKey::from_bytes(&seed));
        let card = Card {
            node: signer.node(),
            device: DeviceId::from_bytes([0; 16]),
            key_package: vec![].into(),
            addresses: vec![],
            level: 1,
            mailbox: None,
        };
        let draft = Draft {
            kind: Kind::Card,
            salt: vec![],
            seq,
            not_before: NOW,
            expires: NOW.after(limits::RECORD_LIFETIME),
            payload: Some(card.encode()),
        };
        Record::sign(&signer, draft).expect("a card")
    }

    fn owner(record: &Record) -> NodeId {
        record.owner().expect("a card has an owner")
    }

    #[test]
    fn a_card_with_a_lower_sequence_never_replaces_a_higher_one() {
        let (old, new) = (card(1, 4), card(1, 5));
        let mut known = KnownCards::default();
        known.found(&new, Mono(0));
        known.found(&old, Mono(1));
        known.seen(&old);
        assert_eq!(known.newest(owner(&new), NOW), Some(&new));
    }

    #[test]
    fn a_card_is_fresh_for_a_minute_and_until_the_network_changes() {
        let card = card(1, 1);
        let mut known = KnownCards::default();
        known.found(&card, Mono(0));
        assert!(known.fresh(owner(&card), Mono(60_000), NOW).is_some());
        assert!(known.fresh(owner(&card), Mono(60_001), NOW).is_none());
        known.doubt_all();
        assert!(known.fresh(owner(&card), Mono(1), NOW).is_none());
        assert!(known.newest(owner(&card), NOW).is_some());
    }

    #[test]
    fn an_expired_card_is_not_given_out() {
        let card = card(1, 1);
        let mut known = KnownCards::default();
        known.found(&card, Mono(0));
        let later = NOW.after(limits::RECORD_LIFETIME).after(limits::CLOCK_TOLERANCE).after(FRESH);
        assert!(known.newest(owner(&card), later).is_none());
    }

    #[test]
    fn only_people_who_were_looked_up_are_remembered_and_the_longest_unused_goes() {
        let mut known = KnownCards::default();
        known.seen(&card(1, 1));
        assert_eq!(known.len(), 0);
        for n in 0..=u16::try_from(limits::MAX_KNOWN_CARDS).expect("a small limit") {
            known.found(&card(n, 1), Mono(u64::from(n)));
        }
        assert_eq!(known.len(), limits::MAX_KNOWN_CARDS);
        assert!(known.newest(owner(&card(0, 1)), NOW).is_none());
        assert!(known.newest(owner(&card(1, 1)), NOW).is_some());
    }
}
