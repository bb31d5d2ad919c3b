//! People as lists show them, made from what is known of them.

use super::{
    ContactView, Delivery,
    delivery::Trouble,
    machine::Messenger,
    rows::Standing,
    session::{CryptoProvider, CryptoSession},
    thread::Thread,
};
use crate::id::NodeId;

impl<P: CryptoProvider> Messenger<P> {
    /// One person as lists show them; `None` when they are unknown.
    pub(super) fn view(&self, peer: NodeId) -> Option<ContactView> {
        self.threads.get(&peer)?.view(self.connected.contains(&peer))
    }

    /// Everybody, in order of the latest entry, newest first; then those without any, newest first.
    pub(super) fn views(&self) -> Vec<ContactView> {
        let mut views: Vec<ContactView> = self.threads.keys().filter_map(|peer| self.view(*peer)).collect();
        views.sort_by_key(|view| {
            std::cmp::Reverse((view.last.as_ref().map(|last| (last.hlc, last.id)), view.since))
        });
        views
    }
}

impl<S: CryptoSession> Thread<S> {
    /// The person as lists show them.
    pub(super) fn view(&self, connected: bool) -> Option<ContactView> {
        let contact = self.contact.as_ref()?;
        Some(ContactView {
            account: contact.account,
            peer: contact.peer,
            standing: contact.standing,
            alias: contact.alias.clone(),
            name: contact.name.clone(),
            online: connected && self.presence.theirs && self.is_accepted(),
            typing: connected && self.typing.theirs() && self.is_accepted(),
            unread: self.conversation.unread,
            receipts: contact.receipts,
            timer: self.conversation.timer,
            waiting: self.outbox.entries(),
            delivery: self.delivery(),
            last: self.conversation.last.clone(),
            since: contact.since,
        })
    }

    fn delivery(&self) -> Delivery {
        if !self.has_work() {
            return if self.standing() == Some(Standing::Requested) {
                Delivery::Undecided
            } else {
                Delivery::Idle
            };
        }
        if self.lane.flight.is_some() {
            return Delivery::Sending;
        }
        if self.lane.resolving.is_some() {
            return Delivery::Looking;
        }
        match self.lane.trouble {
            None => Delivery::Sending,
            Some(Trouble::NotFound | Trouble::Alone) => Delivery::NotFound,
            Some(Trouble::Unreachable) => Delivery::Unreachable,
            Some(Trouble::Undecided) => Delivery::Undecided,
        }
    }
}
