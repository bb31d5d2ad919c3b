//! What comes out of our mailboxes: items as from a peer, receipts, and letters about gaps.
//!
//! In: opened envelopes. Out: the same as of a frame with these items, but that the answer is owed as a receipt
//! ([`super::receipts`]) and the envelope is [`Out::Taken`](super::Out::Taken) once all of it is dealt with for good and on disk.
//!
//! Envelopes come in any order, late and twice. What needs an earlier one (a session that starts in it, numbers before it) stays in the mailbox
//! and is remembered here; it is tried again when more of its writer has come, and when it is fetched again. A session that is
//! still unknown then is lost: its writer is told.
//! Not here: fetching and opening ([`crate::mailbox`]).

use super::{
    machine::Messenger,
    outbox::{Key, session_of},
    rows::{MessageState, Standing},
    session::{CryptoProvider, CryptoSession},
    step::Step,
    thread::Thread,
    wire::{ChainFirst, ChainHeard, Item, Mail, Outcome, Refusal, SessionHeld},
};
use crate::{
    id::{NodeId, SessionId},
    limits,
    mailbox::{EnvelopeKey, keys::week_of},
    time::Mono,
};
use std::time::Duration;

/// How long an arrival is remembered that waits for an earlier one. It is fetched every ten minutes as long as it is there.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// An arrival that waits for an earlier one.
#[derive(Debug)]
pub(super) struct Postponed {
    from: NodeId,
    letter: Letter,
    since: Mono,
}

/// Items of one envelope, and where the chains in it begin.
#[derive(Debug)]
struct Letter {
    items: Vec<Item>,
    first: Vec<ChainFirst>,
}

/// What a person has of ours.
struct Outcomes {
    chains: Vec<ChainHeard>,
    sessions: Vec<SessionHeld>,
    lost: Vec<SessionId>,
    again: bool,
    passes: u32,
}

/// What is to be done with an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// All of it is dealt with for good.
    Taken,
    /// Something in it needs an earlier one.
    Waits,
}

impl<P: CryptoProvider> Messenger<P> {
    /// An envelope was fetched.
    pub(super) fn mailbox_arrived(
        &mut self,
        envelope: EnvelopeKey,
        from: NodeId,
        payload: &[u8],
        step: &mut Step,
    ) {
        let mail = Mail::decode(payload).ok().filter(|_| from != self.account);
        if let Some(thread) = self.threads.get_mut(&from).filter(|thread| thread.is_blocked()) {
            if let Some(Mail::Deliver { .. }) = mail {
                thread.note_let_go();
                step.touch(from);
            }
            return step.taken(envelope);
        }
        match mail {
            None => step.taken(envelope),
            Some(Mail::Outcomes { chains, sessions, lost, again, passes }) => {
                self.outcomes_heard(from, Outcomes { chains, sessions, lost, again, passes }, step);
                step.taken(envelope);
            }
            Some(Mail::Repair { device, numbers }) => {
                self.repair_asked_by_mail(from, envelope, device, numbers, step);
            }
            Some(Mail::Repairing { device, gone }) => {
                self.repairing_by_mail(from, device, gone, step);
                step.taken(envelope);
            }
            Some(Mail::Deliver { items, first }) => {
                let letter = Letter { items, first };
                let again = self.postponed.remove(&envelope).is_some();
                match self.items_arrived(from, &letter, again, step) {
                    Fate::Taken => step.taken(envelope),
                    Fate::Waits if self.postponed.len() < limits::MAX_POSTPONED => {
                        let since = step.now.mono;
                        self.postponed.insert(envelope, Postponed { from, letter, since });
                    }
                    // It comes with the next look into the mailbox.
                    Fate::Waits => {}
                }
                self.retry_postponed(from, step);
            }
        }
    }

    /// More has come of a person: what waited for it may be next. Once each, as long as one of them gets on.
    pub(super) fn retry_postponed(&mut self, from: NodeId, step: &mut Step) {
        loop {
            let of_them = self.postponed.iter().filter(|(_, waiting)| waiting.from == from);
            let keys: Vec<EnvelopeKey> = of_them.map(|(envelope, _)| *envelope).collect();
            let mut any = false;
            for envelope in keys {
                let Some(waiting) = self.postponed.remove(&envelope) else { continue };
                if self.items_arrived(from, &waiting.letter, false, step) == Fate::Taken {
                    step.taken(envelope);
                    any = true;
                } else {
                    self.postponed.insert(envelope, waiting);
                }
            }
            if !any {
                return;
            }
        }
    }

    /// Every now and then: what is fetched no more is gone from the mailbox.
    pub(super) fn forget_postponed(&mut self, step: &Step) {
        self.postponed.retain(|_, waiting| step.now.mono < waiting.since.after(REMEMBERED));
    }

    /// Deals with items in their order. `again`: they waited before, and it was in vain.
    fn items_arrived(&mut self, from: NodeId, letter: &Letter, again: bool, step: &mut Step) -> Fate {
        let account = self.account;
        let mut fate = Fate::Taken;
        for item in &letter.items {
            let outcome = self.receive(from, item.clone(), &letter.first, step);
            let Some(thread) = self.threads.get_mut(&from).filter(|thread| thread.contact.is_some()) else {
                // A stranger whose start was not taken; or there is no room for strangers.
                if outcome == (Outcome::Refused { reason: Refusal::Busy }) {
                    fate = Fate::Waits;
                }
                continue;
            };
            if thread.judge_arrival(item, outcome, again) == Fate::Waits {
                fate = Fate::Waits;
            }
            let crossed = outcome == (Outcome::Refused { reason: Refusal::Crossed });
            if crossed && thread.post.may_repeat(step.now.mono) {
                // They did not have our start when they made theirs, and may have let it go since.
                thread.unpack_all(account, step);
            }
            thread.owe_receipt(step.now.mono);
        }
        step.touch(from);
        fate
    }

    /// A person tells what they have of ours.
    fn outcomes_heard(&mut self, from: NodeId, outcomes: Outcomes, step: &mut Step) {
        let Outcomes { chains, sessions, lost, again, passes } = outcomes;
        let account = self.account;
        let Some(thread) = self.threads.get_mut(&from) else { return };
        if !matches!(thread.standing(), Some(Standing::Accepted | Standing::Requested)) {
            return;
        }
        step.touch(from);
        for held in &sessions {
            thread.sessions.confirm(held.session);
            for key in thread.outbox.controls_known(held) {
                thread.settle(account, key, MessageState::Delivered, step);
            }
        }
        for chain in &chains {
            for (key, seq, session) in thread.outbox.sealed_of(chain.device) {
                if chain.has(seq) {
                    thread.sessions.confirm(session);
                    thread.settle(account, key, MessageState::Delivered, step);
                } else if chain.refused.contains(&seq) {
                    thread.settle(account, key, MessageState::NotDelivered, step);
                }
            }
        }
        if passes <= week_of(step.now.unix) {
            thread.give_passes_again();
        }
        let current = thread.sessions.current().map(|session| session.session);
        if let Some(session) = current.filter(|session| !thread.lane.renew && lost.contains(session)) {
            let unknown_to_peer = sessions.iter().all(|held| held.session != session);
            thread.abandon(account, session, unknown_to_peer, step);
            thread.lane.retry_at_once();
        } else if again && thread.post.may_repeat(step.now.mono) {
            thread.unpack_all(account, step);
        }
    }
}

impl<S: CryptoSession> Thread<S> {
    /// What became of one item, and whether it is for good.
    fn judge_arrival(&mut self, item: &Item, outcome: Outcome, again: bool) -> Fate {
        let reason = match outcome {
            Outcome::Stored => return Fate::Taken,
            Outcome::Refused { reason } => reason,
        };
        match (reason, item) {
            (Refusal::Busy, _) => return Fate::Waits,
            // Its start may be in another envelope.
            (Refusal::NoSession, Item::Content { .. } | Item::Refresh { .. }) if !again => {
                return Fate::Waits;
            }
            (Refusal::Invalid, Item::Content { device, seq, .. }) => self.note_refused(*device, *seq),
            (Refusal::NoSession | Refusal::Unreadable, _)
            | (Refusal::Invalid, Item::Start { .. } | Item::Refresh { .. }) => {
                session_of(item).into_iter().for_each(|session| self.note_lost(session));
            }
            // Nothing of those we have not decided about is left lying, lest strangers fill the mailbox. Contacts bring it again.
            (Refusal::Undecided, _) => self.note_let_go(),
            // Our own session reaches them.
            (Refusal::Crossed, _) => {}
        }
        Fate::Taken
    }
}

impl super::outbox::Outbox {
    /// Control items that a person has by their own word.
    fn controls_known(&self, held: &SessionHeld) -> Vec<Key> {
        let known = |item: &Item| match item {
            Item::Start { session, .. } => *session == held.session,
            Item::Refresh { session, epoch, .. } => {
                *session == held.session && held.followed.is_some_and(|followed| *epoch <= followed)
            }
            Item::Content { .. } => false,
        };
        self.keyed_controls().filter(|(_, item)| known(item)).map(|(key, _)| key).collect()
    }
}
