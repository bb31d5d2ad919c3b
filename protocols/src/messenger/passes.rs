//! Passes: what contacts give each other so that they can deposit in each other's mailboxes.
//!
//! In: that we are contacts, the calendar, passes of theirs. Out: a message with passes for this week and the next three, as soon as people are contacts and again
//! when the last one covers less than two weeks; theirs, kept with the contact.
//!
//! Who is blocked or removed gets no more; what they were given runs out by itself, four weeks later at most.
//! Not here: keys and signatures ([`crate::mailbox::keys`]).

use super::{
    content::Body,
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

/// Bytes of a content with passes, about.
const PASSES_BYTES: usize = 1_024;

impl<S: CryptoSession> Thread<S> {
    /// Whether they need passes of ours: none was given, the last covers less than two weeks, or it was given by a clock that was far ahead.
    pub(super) fn passes_due(&self, week: u32) -> bool {
        let given = self.contact.as_ref().map_or(u32::MAX, |contact| contact.given);
        self.is_accepted() && (given < week.saturating_add(2) || given > week.saturating_add(WEEKS_AHEAD + 1))
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
    pub(super) fn take_passes(&mut self, passes: &[MailboxPass], step: &Step) {
        if !matches!(self.standing(), Some(Standing::Requested | Standing::Accepted)) {
            return;
        }
        let week = week_of(step.now.unix);
        let near = week.saturating_sub(1)..=week.saturating_add(WEEKS_AHEAD + 2);
        if let Some(contact) = self.contact_mut() {
            for pass in passes {
                contact.passes.retain(|known| known.week != pass.week);
                contact.passes.push(pass.clone());
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
    /// Gives a contact passes for our mailboxes, where that is due.
    pub(super) fn give_passes(&mut self, peer: NodeId, step: &mut Step) {
        let week = week_of(step.now.unix);
        let Some(thread) = self.threads.get(&peer) else { return };
        if !thread.passes_due(week) || !thread.outbox.has_room(PASSES_BYTES) {
            return;
        }
        let (account, id) = (self.account, self.random_id());
        let passes =
            (week..=week.saturating_add(WEEKS_AHEAD)).map(|week| self.mailbox.pass(week, peer)).collect();
        let thread = self.thread_mut(peer);
        if let Some(contact) = thread.contact_mut() {
            contact.given = week.saturating_add(WEEKS_AHEAD);
        }
        thread.compose(account, id, Body::Mailbox { passes }, step);
    }
}
