//! Names: how contacts hear what the account calls itself, also when that changes, and what is made of the names they give.
//!
//! In: the account's name, at every start and when it changes; names in starts and in `Accepted`. Out: an `Accepted` with the name of now, to each contact
//! who was told another one, once, by the way of every message. One waits at a time: whoever is away hears the newest that is left to tell after it.
//!
//! What was told is kept with the contact, so that a start, or a change made while the node was down, tells exactly those who do not know.
//! Nothing is told to whoever is asking, asked, blocked or removed. The name that the account gave them itself (`alias`) is another field, and untouched.

use super::{
    content::{Body, Hlc},
    machine::Messenger,
    rows::Standing,
    session::{CryptoProvider, CryptoSession},
    step::Step,
    thread::Thread,
};
use crate::{id::NodeId, limits};

impl<S: CryptoSession> Thread<S> {
    /// Whether they are to hear the account's name: they were told another one, and none is on its way to them.
    fn name_due(&self, name: &str) -> bool {
        let Some(contact) = self.contact.as_ref().filter(|_| self.is_accepted()) else { return false };
        let waits = |body: &Body| matches!(body, Body::Accepted { .. });
        contact.told.as_deref().unwrap_or_default() != name
            && !self.outbox.contents().any(|waiting| waits(&waiting.content.body))
    }

    /// From now on they count as told.
    pub(super) fn note_told(&mut self, name: &str) {
        if let Some(contact) = self.contact_mut() {
            contact.told = Some(name.to_owned());
        }
    }

    /// What was to tell them was given up: the next look tells it anew.
    pub(super) fn name_given_up(&mut self) {
        if let Some(contact) = self.contact_mut() {
            contact.told = None;
        }
    }

    /// They say that they have accepted us, or how they call themselves by now. Only who was asked can become a contact by it.
    pub(super) fn accepted_by_them(&mut self, name: &str, hlc: Hlc, step: &mut Step) {
        let standing = self.standing();
        if !matches!(standing, Some(Standing::Requested | Standing::Accepted)) {
            return;
        }
        let name = clean_name(name);
        if let Some(contact) = self.contact_mut() {
            contact.standing = Standing::Accepted;
            // Messages come in any order; what was said later holds. Nothing is a name taken away.
            if hlc >= contact.name_as_of {
                contact.name_as_of = hlc;
                contact.name = name;
            }
        }
        if standing == Some(Standing::Requested) {
            self.lane.try_now();
            self.presence.tell_again();
            step.roster_changed = true;
        }
    }
}

impl<P: CryptoProvider> Messenger<P> {
    /// How the account calls itself from now on.
    pub(super) fn named(&mut self, mut name: String, step: &mut Step) {
        name.truncate(name.floor_char_boundary(limits::MAX_NAME_BYTES));
        let due = self.threads.iter().filter(|(_, thread)| thread.name_due(&name));
        due.for_each(|(peer, _)| step.touch(*peer));
        self.name = Some(name);
    }

    /// Tells a contact how the account calls itself, where that is due.
    pub(super) fn tell_name(&mut self, peer: NodeId, step: &mut Step) {
        let (Some(name), Some(thread)) = (&self.name, self.threads.get(&peer)) else { return };
        if thread.name_due(name) {
            self.say_accepted(peer, step);
        }
    }

    /// Queues the word that they are accepted, with the account's name. Again each time: one that waits may have reached them before they forgot
    /// us, and would count as a repetition.
    pub(super) fn say_accepted(&mut self, peer: NodeId, step: &mut Step) {
        let (account, id) = (self.account, self.random_id());
        let name = self.name.clone();
        let thread = self.thread_mut(peer);
        // Just after a start the name may not be known yet: they keep the one they have.
        let told = || thread.contact.as_ref().and_then(|contact| contact.told.clone());
        let name = name.or_else(told).unwrap_or_default();
        if thread.outbox.has_room(name.len()) {
            thread.note_told(&name);
            thread.compose(account, id, Body::Accepted { name }, step);
        }
    }
}

/// A name as others gave it, fit to be shown: without what acts on the text around it, and without what cannot be seen. `None` when nothing is left to see.
pub(super) fn clean_name(name: &str) -> Option<String> {
    // Joiners are part of emoji and of some scripts, and stay; alone they are nothing.
    let joins = |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
    // Soft hyphen, Arabic letter mark, blanks of no width, direction marks, separators of lines, invisible operators, the byte order mark.
    let acts = |c: char| {
        c.is_control()
            || matches!(
                c,
                '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'
                    ..='\u{202e}'
            )
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let cleaned: String = name.chars().filter(|c| !acts(*c)).collect();
    let cleaned = cleaned.trim();
    cleaned.chars().any(|c| !joins(c) && !c.is_whitespace()).then(|| cleaned.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_cannot_be_seen() {
        assert_eq!(clean_name("  Alice\u{202e}ecila\n "), Some("Aliceecila".to_owned()));
        assert_eq!(clean_name("Al\u{2028}i\u{200b}ce\u{feff}"), Some("Alice".to_owned()));
        assert_eq!(clean_name("\u{200f}\t "), None);
        assert_eq!(clean_name("\u{200b}\u{200d} \u{2060}"), None);
        let family = "\u{1f469}\u{200d}\u{1f467}";
        assert_eq!(clean_name(family).as_deref(), Some(family));
    }
}
