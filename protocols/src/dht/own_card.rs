//! What our card says: put together from the device's key package, the key of our intro mailbox, our addresses and our level.
//!
//! In: changes of any of them. Out: the card, when it is time to publish it. The first one of a life goes out at once (once there are
//! addresses, or after a second without any); later changes wait a second, because addresses come and go in bursts.
//! After a restart it goes on from the last published card until the real state is known.
//!
//! Not here: signing and publishing ([`super::publish`]).

use crate::{
    id::{DeviceId, NodeId},
    limits,
    net::Address,
    record::Card,
    time::Mono,
};
use std::time::Duration;

/// How long changes are collected.
const DEBOUNCE: Duration = Duration::from_secs(1);

/// The card as it should be.
#[derive(Debug)]
pub(super) struct CardDraft {
    node: NodeId,
    level: u8,
    key_package: Option<(DeviceId, Vec<u8>)>,
    mailbox: Option<[u8; 32]>,
    addresses: Vec<Address>,
    due: Option<Mono>,
    first: bool,
    /// The last card names another level than this node has now.
    outdated: bool,
}

impl CardDraft {
    pub(super) fn new(node: NodeId, level: u8, last: Option<Card>) -> Self {
        let outdated = last.as_ref().is_some_and(|card| card.level != level);
        let mailbox = last.as_ref().and_then(Card::mailbox_key);
        let (key_package, addresses) = match last {
            Some(card) => (Some((card.device, card.key_package.into_vec())), card.addresses),
            None => (None, Vec::new()),
        };
        Self { node, level, key_package, mailbox, addresses, due: None, first: true, outdated }
    }

    /// Where we can be reached; the best that fit are kept.
    pub(super) fn addresses(&mut self, mut addresses: Vec<Address>, now: Mono) {
        addresses.truncate(limits::MAX_ADDRESSES);
        if addresses != self.addresses {
            self.addresses = addresses;
            self.changed(now);
        }
    }

    /// The key package of our device, within its limit, and the key that strangers seal envelopes for.
    pub(super) fn key_package(
        &mut self,
        device: DeviceId,
        key_package: Vec<u8>,
        mailbox: Option<[u8; 32]>,
        now: Mono,
    ) {
        let offered = Some((device, key_package));
        if offered != self.key_package || mailbox != self.mailbox || self.outdated {
            self.outdated = false;
            self.key_package = offered;
            self.mailbox = mailbox;
            self.changed(now);
        }
    }

    /// The participation level.
    pub(super) fn level(&mut self, level: u8, now: Mono) {
        if level != self.level {
            self.level = level;
            self.changed(now);
        }
    }

    /// When it is to be published.
    pub(super) const fn due(&self) -> Option<Mono> {
        self.due
    }

    /// The card, if it is to be published now.
    pub(super) fn take(&mut self, now: Mono) -> Option<Card> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        self.due = None;
        self.first = false;
        self.card()
    }

    fn changed(&mut self, now: Mono) {
        if self.key_package.is_none() {
            return;
        }
        let wait = if self.first && !self.addresses.is_empty() { Duration::ZERO } else { DEBOUNCE };
        let due = now.after(wait);
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    fn card(&self) -> Option<Card> {
        let (device, key_package) = self.key_package.as_ref()?;
        Some(Card {
            node: self.node,
            device: *device,
            key_package: key_package.clone().into(),
            addresses: self.addresses.clone(),
            level: self.level,
            mailbox: self.mailbox.map(|key| serde_bytes::ByteBuf::from(key.to_vec())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId::from_bytes([1; 32]);
    const DEVICE: DeviceId = DeviceId::from_bytes([2; 16]);

    fn addresses(n: usize) -> Vec<Address> {
        (0..n).map(|n| Address::try_from(format!("/ip4/10.0.0.{n}/tcp/1")).expect("an address")).collect()
    }

    #[test]
    fn the_first_card_goes_out_at_once_and_changes_after_a_second() {
        let mut draft = CardDraft::new(NODE, 2, None);
        draft.addresses(addresses(1), Mono(0));
        assert_eq!(draft.due(), None, "without a key package there is no card");
        draft.key_package(DEVICE, vec![1], None, Mono(5));
        assert!(draft.take(Mono(5)).is_some());
        draft.addresses(addresses(2), Mono(10));
        draft.addresses(addresses(3), Mono(900));
        assert!(draft.take(Mono(1_009)).is_none());
        assert_eq!(draft.take(Mono(1_010)).map(|card| card.addresses), Some(addresses(3)));
        assert_eq!(draft.due(), None);
    }

    #[test]
    fn another_level_makes_a_new_card() {
        let mut draft = CardDraft::new(NODE, 2, None);
        draft.level(3, Mono(0));
        assert_eq!(draft.due(), None, "without a key package there is no card");
        draft.addresses(addresses(1), Mono(0));
        draft.key_package(DEVICE, vec![1], None, Mono(0));
        assert_eq!(draft.take(Mono(0)).map(|card| card.level), Some(3));
        draft.level(3, Mono(10));
        assert_eq!(draft.due(), None);
        draft.level(1, Mono(10));
        assert_eq!(draft.take(Mono(1_010)).map(|card| card.level), Some(1));
    }

    #[test]
    fn the_first_card_waits_a_second_for_addresses() {
        let mut draft = CardDraft::new(NODE, 2, None);
        draft.key_package(DEVICE, vec![1], None, Mono(0));
        assert!(draft.take(Mono(999)).is_none());
        draft.addresses(addresses(1), Mono(999));
        assert!(draft.take(Mono(999)).is_some());
    }

    #[test]
    fn after_a_restart_what_has_not_changed_makes_no_new_card() {
        let mut draft = CardDraft::new(NODE, 2, None);
        draft.addresses(addresses(1), Mono(0));
        draft.key_package(DEVICE, vec![1], None, Mono(0));
        let last = draft.take(Mono(0));
        let mut draft = CardDraft::new(NODE, 2, last);
        draft.key_package(DEVICE, vec![1], None, Mono(0));
        draft.addresses(addresses(1), Mono(0));
        assert_eq!(draft.due(), None);
    }

    #[test]
    fn a_card_carries_the_key_of_the_intro_mailbox_once_there_is_one() {
        let mut draft = CardDraft::new(NODE, 2, None);
        draft.addresses(addresses(1), Mono(0));
        draft.key_package(DEVICE, vec![1], None, Mono(0));
        let last = draft.take(Mono(0));
        let mut draft = CardDraft::new(NODE, 2, last);
        draft.addresses(addresses(1), Mono(0));
        draft.key_package(DEVICE, vec![1], Some([7; 32]), Mono(0));
        let card = draft.take(Mono(0)).expect("it has changed");
        assert_eq!(card.mailbox_key(), Some([7; 32]));
        let mut draft = CardDraft::new(NODE, 2, Some(card));
        draft.addresses(addresses(1), Mono(0));
        draft.key_package(DEVICE, vec![1], Some([7; 32]), Mono(0));
        assert_eq!(draft.due(), None, "after a restart nothing has changed");
    }

    #[test]
    fn a_card_names_the_best_addresses_that_fit() {
        let mut draft = CardDraft::new(NODE, 2, None);
        draft.key_package(DEVICE, vec![1], None, Mono(0));
        draft.addresses(addresses(limits::MAX_ADDRESSES + 5), Mono(0));
        let card = draft.take(Mono(0)).expect("due");
        assert_eq!(card.addresses, addresses(limits::MAX_ADDRESSES));
    }
}
