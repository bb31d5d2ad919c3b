//! Passes: what contacts give each other so that they can deposit in each other's mailboxes.
//!
//! In: that we are contacts, the calendar, which holders we pinned, passes of theirs. Out: a message with passes for this week and the next three, as soon as people
//! are contacts, again when the last one covers less than two weeks, and when others are pinned than they were told; theirs, kept with the contact.
//!
//! Who is blocked or removed gets no more; what they were given runs out by itself, four weeks later at most.
//! Not here: keys and signatures ([`crate::mailbox::keys`]).

use super::{
    content::{Body, Hlc},
    machine::Messenger,
    rows::Standing,
    session::{CryptoProvider, CryptoSession},
    step::Step,
    thread::Thread,
};
use crate::{
    id::NodeId,
    limits,
    mailbox::keys::{MailboxPass, week_of},
};

/// Weeks ahead that are given a pass for, beside the current one.
const WEEKS_AHEAD: u32 = 3;

/// Bytes of a content with passes, about: four, and in each three nodes.
const PASSES_BYTES: usize = 1_536;

impl<S: CryptoSession> Thread<S> {
    /// Whether they need passes of ours: none was given, the last covers less than two weeks, it was given by a clock that was far ahead, or
    /// they name other nodes than are pinned by now (if that is known).
    pub(super) fn passes_due(&self, week: u32, pins: Option<&[NodeId]>) -> bool {
        let Some(contact) = self.contact.as_ref().filter(|_| self.is_accepted()) else { return false };
        let given = contact.given;
        given < week.saturating_add(2)
            || given > week.saturating_add(WEEKS_AHEAD + 1)
            || pins.is_some_and(|pins| pins != contact.given_pins)
    }

    /// They may have lost what they were given; what still waits for them serves.
    pub(super) fn give_passes_again(&mut self) {
        let waits = |body: &Body| matches!(body, Body::Mailbox { .. });
        if self.outbox.contents().any(|waiting| waits(&waiting.content.body)) {
            return;
        }
        if let Some(contact) = self.contact_mut() {
            contact.given = 0;
        }
    }

    /// They give us passes. Those of weeks that are over, or far from now, are of no use.
    pub(super) fn take_passes(&mut self, passes: &[MailboxPass], hlc: Hlc, step: &Step) {
        if !matches!(self.standing(), Some(Standing::Requested | Standing::Accepted)) {
            return;
        }
        let week = week_of(step.now.unix);
        let near = week.saturating_sub(1)..=week.saturating_add(WEEKS_AHEAD + 2);
        if let Some(contact) = self.contact_mut() {
            // Messages come in any order; what was said later holds.
            let newer = hlc >= contact.passes_as_of;
            contact.passes_as_of = contact.passes_as_of.max(hlc);
            for pass in passes {
                let known = contact.passes.iter().position(|known| known.week == pass.week);
                match known.and_then(|at| contact.passes.get_mut(at)) {
                    Some(known) if newer => known.clone_from(pass),
                    Some(_) => {}
                    None => contact.passes.push(pass.clone()),
                }
            }
            contact.passes.retain(|pass| near.contains(&pass.week));
            contact.passes.sort_by_key(|pass| pass.week);
            contact.passes.truncate(limits::MAX_PASSES_KEPT);
        }
        self.post.try_now();
        self.receipts.try_now();
    }
}

impl<P: CryptoProvider> Messenger<P> {
    /// Which holders the account pinned.
    pub(super) fn pinned(&mut self, mut nodes: Vec<NodeId>, step: &mut Step) {
        nodes.truncate(limits::MAX_PINS);
        self.pins = Some(nodes);
        let week = week_of(step.now.unix);
        let due = self.threads.iter().filter(|(_, thread)| thread.passes_due(week, self.pins.as_deref()));
        due.for_each(|(peer, _)| step.touch(*peer));
    }

    /// Gives a contact passes for our mailboxes, where that is due.
    pub(super) fn give_passes(&mut self, peer: NodeId, step: &mut Step) {
        let week = week_of(step.now.unix);
        let Some(thread) = self.threads.get(&peer) else { return };
        if !thread.passes_due(week, self.pins.as_deref()) || !thread.outbox.has_room(PASSES_BYTES) {
            return;
        }
        // Not told yet in this life: those they were told of hold.
        let told = || thread.contact.as_ref().map(|contact| contact.given_pins.clone()).unwrap_or_default();
        let pins = self.pins.clone().unwrap_or_else(told);
        let (account, id) = (self.account, self.random_id());
        // The reader must not bring anything to itself.
        let pinned: Vec<NodeId> = pins.iter().copied().filter(|pin| *pin != peer).collect();
        let pass = |week| MailboxPass { pinned: pinned.clone(), ..self.mailbox.pass(week, peer) };
        let passes = (week..=week.saturating_add(WEEKS_AHEAD)).map(pass).collect();
        let thread = self.thread_mut(peer);
        if let Some(contact) = thread.contact_mut() {
            contact.given = week.saturating_add(WEEKS_AHEAD);
            contact.given_pins = pins;
        }
        thread.compose(account, id, Body::Mailbox { passes }, step);
    }
}
