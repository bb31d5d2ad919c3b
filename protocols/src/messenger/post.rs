//! Getting what waits to somebody who is offline: parcels for mailboxes, beside the direct way.
//!
//! In: time without an acknowledgement, what the mailbox part of this node says of parcels, keys from cards. Out: parcels, each row of which says so before it is
//! handed over; withdrawals; the state *stored*. What goes into a parcel is the ciphertext of the outbox, never made a second time.
//!
//! A person who gave us passes gets as many parcels as it takes. Anybody else has a small mailbox for strangers, which gets one at a time.
//! Lost on restart: when the next parcel is due; parcels not known to be stored are handed over again, under their old names.
//! Not here: sealing for the mailbox, puzzles, holders ([`crate::mailbox`]); direct delivery ([`super::delivery`]).

use super::{
    delivery::Trouble,
    machine::Messenger,
    outbox::Allowed,
    rows::{InParcel, MessageState},
    session::{CryptoProvider, CryptoSession},
    step::Step,
    thread::Thread,
};
use crate::{
    id::{EnvelopeId, NodeId},
    limits,
    mailbox::{Parcel, Recipient, keys::week_of},
    time::{Mono, UnixMillis},
};
use rand_core::Rng as _;

/// What a mail may add to its items, in bytes: where four chains begin, and the envelope.
const AROUND_ITEMS: usize = 256;

/// When the next parcel goes to one person. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Post {
    /// Since when something waits that is in no parcel.
    collecting: Option<Mono>,
    /// When a message last got through directly.
    progressed: Option<Mono>,
    /// When the last parcel was made.
    last: Option<Mono>,
    /// There was no going on; what may change that looks again at once.
    not_before: Option<Mono>,
    /// The key of their mailbox for strangers, from their card.
    intro: Option<[u8; 32]>,
    /// When they last asked for all parcels again.
    repeated: Option<Mono>,
    /// There is a connection with them.
    connected: bool,
}

impl Post {
    /// A message got through directly.
    pub(super) const fn progress(&mut self, now: Mono) {
        self.progressed = Some(now);
    }

    /// A connection with them stands, or the last one is gone.
    pub(super) const fn connection(&mut self, stands: bool) {
        self.connected = stands;
    }

    /// Whatever held parcels up may be over.
    pub(super) const fn try_now(&mut self) {
        self.not_before = None;
    }

    /// Whether parcels may be made anew because they ask for it: not again and again.
    pub(super) fn may_repeat(&mut self, now: Mono) -> bool {
        let may = self.repeated.is_none_or(|at| now >= at.after(limits::PARCEL_PATIENCE));
        if may {
            self.repeated = Some(now);
        }
        may
    }

    fn wait(&mut self, now: Mono) {
        self.not_before = Some(now.after(limits::PARCEL_PATIENCE));
    }
}

impl<S: CryptoSession> Thread<S> {
    /// When the next parcel is due, or the next look whether one can be made.
    fn parcel_due(&self) -> Option<Mono> {
        let since = self.post.collecting?;
        // They are there, and will not have it.
        if self.lane.trouble == Some(Trouble::Undecided) {
            return None;
        }
        let patience = if self.lane.is_out_of_reach() {
            since.after(limits::COLLECT_FOR_PARCEL)
        } else {
            let patience =
                if self.post.connected { limits::DEPOSIT_AFTER } else { limits::DEPOSIT_AFTER_UNCONNECTED };
            since.max(self.post.progressed.unwrap_or(since)).after(patience)
        };
        let doublings =
            u32::try_from(self.outbox.parcels.len() / limits::PARCELS_PER_PACE).unwrap_or(u32::MAX);
        let pace = limits::COLLECT_FOR_PARCEL * 2u32.pow(doublings.min(16));
        let paced = self.post.last.map(|last| last.after(pace));
        [Some(patience), paced, self.post.not_before].into_iter().flatten().max()
    }

    /// When to look after parcels again.
    pub(super) fn post_deadline(&self) -> Option<Mono> {
        self.allowed()?;
        let unheard = self.outbox.parcels.deadline().map(|at| at.max(self.post.not_before.unwrap_or(at)));
        self.parcel_due().into_iter().chain(unheard).min()
    }

    /// Their card names the key of their mailbox for strangers.
    pub(super) fn found_mailbox(&mut self, key: [u8; 32]) {
        if self.post.intro.replace(key) != Some(key) {
            self.post.try_now();
            self.receipts.try_now();
        }
    }

    /// Whose mailbox a parcel for them goes to; `None`: not known yet.
    pub(super) fn recipient(&self, now: UnixMillis) -> Option<Recipient> {
        let contact = self.contact.as_ref()?;
        let (node, week) = (contact.peer, week_of(now));
        let passes: Vec<_> = contact.passes.iter().filter(|pass| pass.week >= week).cloned().collect();
        if !passes.is_empty() {
            return Some(Recipient::Contact { node, passes });
        }
        self.post.intro.map(|sealing| Recipient::Stranger { node, sealing })
    }
}

/// What fits into one parcel, in bytes.
const fn room(to: &Recipient) -> usize {
    match to {
        Recipient::Contact { .. } => Parcel::MAX_PAYLOAD_BYTES,
        Recipient::Stranger { .. } => Parcel::MAX_INTRO_PAYLOAD_BYTES,
    }
}

impl<P: CryptoProvider> Messenger<P> {
    /// Makes parcels for one person, and hands over those nothing was heard of, where it is time.
    pub(super) fn pump_post(&mut self, peer: NodeId, step: &mut Step) {
        let now = step.now.mono;
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        let Some(allowed) = thread.allowed() else {
            thread.post.collecting = None;
            return;
        };
        if thread.outbox.parcels.has_withdrawn() {
            thread.post.try_now();
        }
        if thread.outbox.has_loose(allowed) {
            thread.post.collecting.get_or_insert(now);
        } else {
            thread.post.collecting = None;
        }
        let unheard = thread.outbox.parcels.deadline().is_some_and(|at| at <= now);
        let due = thread.parcel_due().is_some_and(|at| at <= now);
        if !(unheard || due) || thread.post.not_before.is_some_and(|at| now < at) {
            return;
        }
        let Some(to) = thread.recipient(step.now.unix) else {
            thread.post.wait(now);
            return self.resolve(peer, step);
        };
        if unheard {
            self.hand_over_again(peer, &to, step);
        }
        if due {
            self.make_parcels(peer, allowed, &to, step);
        }
    }

    /// Puts what waits into parcels.
    fn make_parcels(&mut self, peer: NodeId, allowed: Allowed, to: &Recipient, step: &mut Step) {
        let now = step.now.mono;
        let most = match to {
            Recipient::Contact { .. } => limits::MAX_PARCELS_PER_PERSON,
            Recipient::Stranger { .. } => 1,
        };
        for _ in 0..limits::MAX_PARCELS_AT_ONCE {
            let id = self.random_envelope();
            let Some(thread) = self.threads.get_mut(&peer) else { return };
            let current = thread.sessions.current().map(|session| session.session);
            let usable = current.filter(|_| !thread.lane.renew && thread.outbox.parcels.len() < most);
            let Some(session) = usable else {
                return thread.post.wait(now);
            };
            let mut keys = thread.outbox.select_parcel(allowed, room(to) - AROUND_ITEMS);
            if keys.is_empty() {
                // Nothing more for now; or a start too large for them, which goes directly only.
                if thread.outbox.has_loose(allowed) {
                    thread.post.wait(now);
                }
                return;
            }
            if thread.seal(&keys, session, &mut self.provider).is_err() {
                thread.lane.renew = true;
                thread.lane.back_off(Trouble::Unreachable, now, &mut self.rng);
                return thread.post.wait(now);
            }
            let mut payload = thread.outbox.letter(&keys).encode();
            while payload.len() > room(to) && keys.len() > 1 {
                // Sealing added more than it does: the last ones go with the next.
                keys.pop();
                payload = thread.outbox.letter(&keys).encode();
            }
            let place = InParcel { id, week: week_of(step.now.unix), stored: false };
            thread.outbox.put_in_parcel(&keys, place, now.after(limits::PARCEL_PATIENCE));
            thread.post.last = Some(now);
            thread.post.collecting = thread.outbox.has_loose(allowed).then_some(now);
            step.deposit(Parcel { account: self.account, id, to: to.clone(), payload });
            if thread.post.collecting.is_none() {
                return;
            }
        }
    }

    /// Hands parcels over that nothing was heard of: under their names, so that one which is known is not taken twice.
    fn hand_over_again(&mut self, peer: NodeId, to: &Recipient, step: &mut Step) {
        let account = self.account;
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        for id in thread.outbox.parcels.take_due(step.now.mono) {
            let payload = thread.outbox.letter_again(id).encode();
            if payload.len() > room(to) {
                // Made for another mailbox than the one that is left: made anew for this one.
                let stored = thread.outbox.unpack(id);
                thread.report_states(account, &stored, MessageState::Waiting, step);
                continue;
            }
            step.deposit(Parcel { account, id, to: to.clone(), payload });
        }
    }

    /// The mailbox says how a parcel is.
    pub(super) fn mailbox_progress(
        &mut self,
        id: EnvelopeId,
        stored_until: Option<UnixMillis>,
        step: &mut Step,
    ) {
        let stored = stored_until.is_some();
        for (peer, thread) in &mut self.threads {
            if let Some(changed) = thread.outbox.parcel_progress(id, stored) {
                let state = if stored { MessageState::Stored } else { MessageState::Waiting };
                thread.report_states(self.account, &changed, state, step);
                return step.touch(*peer);
            }
            if thread.receipt_progress(id, stored, step.now.mono) {
                if stored {
                    step.withdraw(self.account, id);
                }
                return step.touch(*peer);
            }
        }
        // A letter about a gap: nothing more is done for it once mailboxes keep it.
        if !stored && self.letters.contains(&id) {
            return;
        }
        self.letters.remove(&id);
        // Or of an earlier life, which withdrew it and was cut off.
        step.withdraw(self.account, id);
    }

    /// Every now and then: parcels that mailboxes are about to let go are made anew, and passes that run out are renewed.
    pub(super) fn keep_post(&mut self, step: &mut Step) {
        let week = week_of(step.now.unix);
        for (peer, thread) in &mut self.threads {
            for id in thread.outbox.parcels.outworn(week) {
                let stored = thread.outbox.unpack(id);
                thread.report_states(self.account, &stored, MessageState::Waiting, step);
                step.touch(*peer);
            }
            if thread.passes_due(week, self.pins.as_deref()) {
                step.touch(*peer);
            }
        }
    }

    /// Drawn at random.
    pub(super) fn random_envelope(&mut self) -> EnvelopeId {
        let mut bytes = [0; EnvelopeId::LEN];
        self.rng.fill_bytes(&mut bytes);
        EnvelopeId::from_bytes(bytes)
    }
}
