//! Getting what waits to one person: one batch in flight, in order, again and again until it is acknowledged.
//!
//! In: anything that may allow progress. Out: a lookup of the card, a session's start, or the next batch. Ciphertext is made here, just
//! before a batch first goes out, and written in the same step; the request follows the disk. What was sealed once is sent as
//! it is. Answers are judged in [`super::answers`].
//!
//! Lost on restart: the batch in flight and the backoff; the first try comes at once.

use super::{
    Out,
    content::Content,
    machine::{Messenger, Pending},
    outbox::{Allowed, Key},
    rows::Standing,
    session::{CryptoProvider, CryptoSession, SessionError},
    step::Step,
    thread::Thread,
    wire::{Item, Request},
};
use crate::{
    id::{NodeId, SessionId},
    limits,
    machine::OpId,
    net::{NetCommand, Protocol},
    time::{Mono, UnixMillis},
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use std::time::Duration;

/// What delivery to one person does right now.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// The batch on its way.
    pub(super) flight: Option<Flight>,
    /// The lookup of their card, and when it counts as lost.
    pub(super) resolving: Option<(OpId, Mono)>,
    /// The session in use has failed: make a new one before anything is sealed.
    pub(super) renew: bool,
    /// Why the last try did not succeed.
    pub(super) trouble: Option<Trouble>,
    /// Tries in a row that did not get a content through.
    failures: u32,
    not_before: Option<Mono>,
}

/// A batch on its way: what is in it, and in which session each was sealed.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) op: OpId,
    pub(super) items: Vec<(Key, SessionId)>,
}

/// Why delivery does not get on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No usable card was found.
    NotFound,
    /// There was nobody to ask for it.
    Alone,
    /// They cannot be reached, or have no room.
    Unreachable,
    /// They have not decided about us.
    Undecided,
}

impl Lane {
    /// Whatever waits may be tried at once.
    pub(super) const fn try_now(&mut self) {
        self.not_before = None;
        self.failures = 0;
    }

    /// The next try comes at once, but the failures so far count.
    pub(super) const fn retry_at_once(&mut self) {
        self.not_before = None;
    }

    /// They may have decided by now.
    pub(super) fn retry_if_undecided(&mut self) {
        if self.trouble == Some(Trouble::Undecided) {
            self.try_now();
        }
    }

    /// Whether a lookup failed for want of anybody to ask.
    pub(super) fn is_alone(&self) -> bool {
        self.trouble == Some(Trouble::Alone) && self.resolving.is_none()
    }

    /// Whether there is no getting at them right now.
    pub(super) const fn is_out_of_reach(&self) -> bool {
        matches!(self.trouble, Some(Trouble::NotFound | Trouble::Alone | Trouble::Unreachable))
    }

    /// A content got through.
    pub(super) const fn progress(&mut self) {
        self.trouble = None;
        self.try_now();
    }

    /// Whether anything failed since something last got through.
    pub(super) const fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Waits before the next try: longer each time, and never for two people equally long.
    pub(super) fn back_off(&mut self, trouble: Trouble, now: Mono, rng: &mut ChaCha20Rng) {
        self.trouble = Some(trouble);
        self.failures = self.failures.saturating_add(1);
        let longest = match trouble {
            Trouble::Undecided => limits::RETRY_MAX,
            Trouble::NotFound | Trouble::Alone | Trouble::Unreachable => {
                let doublings = (self.failures - 1).min(16);
                (limits::RETRY_MIN * 2u32.pow(doublings)).min(limits::RETRY_MAX)
            }
        };
        self.not_before = Some(now.after(jittered(longest, rng)));
    }

    /// When to look again, while something waits.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let lost = self.resolving.map(|(_, lost_at)| lost_at);
        let retry = self.not_before.filter(|_| self.flight.is_none());
        lost.into_iter().chain(retry).min()
    }
}

/// Between half of `longest` and all of it.
pub(super) fn jittered(longest: Duration, rng: &mut ChaCha20Rng) -> Duration {
    let half = u64::try_from(longest.as_millis() / 2).unwrap_or(u64::MAX / 2);
    Duration::from_millis(half + rng.next_u64() % half.max(1))
}

impl<S: CryptoSession> Thread<S> {
    /// Whether there is anything to be done for this person.
    pub(super) fn has_work(&self) -> bool {
        let Some(allowed) = self.allowed() else { return false };
        self.outbox.has_sendable(allowed) || self.must_ask()
    }

    /// A request is to be made that has no session yet.
    fn must_ask(&self) -> bool {
        self.standing() == Some(Standing::Requested) && self.sessions.is_empty()
    }

    /// Whether the keys have served long enough.
    fn refresh_due(&self, now: UnixMillis) -> bool {
        let used = self.conversation.since_refresh;
        self.is_accepted()
            && !self.lane.renew
            && self.sessions.current().is_some_and(|session| session.confirmed)
            && self.outbox.controls().next().is_none()
            && (used >= limits::REFRESH_AFTER_MESSAGES
                || (used > 0 && now.since(self.conversation.refreshed) >= limits::REFRESH_AFTER))
    }

    /// Makes new keys, if it is our turn. What is sealed from now on follows the commit.
    fn refresh(&mut self, session: SessionId, provider: &mut impl CryptoProvider<Session = S>, step: &Step) {
        let Some(open) = self.sessions.open(session, provider).filter(|open| open.our_turn()) else { return };
        if let Ok(refreshed) = open.refresh() {
            let commit = serde_bytes::ByteBuf::from(refreshed.commit);
            self.outbox
                .push_control(Item::Refresh { session, epoch: refreshed.epoch, commit }, step.now.unix);
            self.note_refresh(step.now.unix);
        }
    }

    /// The keys are new.
    pub(super) const fn note_refresh(&mut self, now: UnixMillis) {
        let conversation = self.conversation_mut();
        conversation.since_refresh = 0;
        conversation.refreshed = now;
    }

    /// Seals those of `keys` that are not sealed yet, in the session in use.
    pub(super) fn seal(
        &mut self,
        keys: &[Key],
        session: SessionId,
        provider: &mut impl CryptoProvider<Session = S>,
    ) -> Result<(), SessionError> {
        let mut sealed_now = 0u32;
        for key in keys {
            let Some(waiting) = self.outbox.content(*key).filter(|_| self.outbox.item(*key).is_none()) else {
                continue;
            };
            let Content { id, device, seq, .. } = waiting.content;
            let plaintext = waiting.content.encode();
            let Some(open) = self.sessions.open(session, provider) else {
                return Err(SessionError::Damaged { reason: "it could not be loaded".to_owned() });
            };
            let sealed = serde_bytes::ByteBuf::from(open.encrypt(&plaintext)?);
            self.outbox.seal(device, seq, Item::Content { session, id, device, seq, sealed });
            sealed_now = sealed_now.saturating_add(1);
        }
        if sealed_now > 0 {
            let conversation = self.conversation_mut();
            conversation.since_refresh = conversation.since_refresh.saturating_add(sealed_now);
        }
        Ok(())
    }
}

impl<P: CryptoProvider> Messenger<P> {
    /// Does the next thing there is to do for one person, if it is time.
    pub(super) fn pump(&mut self, peer: NodeId, step: &mut Step) {
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        if let Some((lost, _)) = thread.lane.resolving.take_if(|(_, lost_at)| *lost_at <= step.now.mono) {
            self.pending.remove(&lost);
        }
        let has_work = thread.has_work();
        if !has_work {
            thread.lane.not_before = None;
        }
        if thread.lane.flight.is_some() || thread.lane.not_before.is_some_and(|at| step.now.mono < at) {
            return;
        }
        let refresh_due = thread.refresh_due(step.now.unix);
        if !has_work && !refresh_due {
            return;
        }
        thread.lane.not_before = None;
        let current = thread.sessions.current().map(|session| session.session);
        let Some(session) = current.filter(|_| !thread.lane.renew) else {
            return self.resolve(peer, step);
        };
        if refresh_due {
            thread.refresh(session, &mut self.provider, step);
        }
        let keys = thread.outbox.select(thread.allowed().unwrap_or(Allowed::Only(None)));
        if thread.seal(&keys, session, &mut self.provider).is_err() {
            thread.lane.renew = true;
            thread.lane.back_off(Trouble::Unreachable, step.now.mono, &mut self.rng);
            return;
        }
        let items: Vec<Item> = keys.iter().filter_map(|key| thread.outbox.item(*key).cloned()).collect();
        if items.is_empty() {
            return;
        }
        let op = self.ops.next_id();
        self.pending.insert(op, Pending::Deliver { peer });
        thread.lane.flight = Some(Flight { op, items: keys.into_iter().map(|key| (key, session)).collect() });
        let payload = Request::Deliver { items }.encode();
        step.send(NetCommand::Request { op, to: peer, protocol: Protocol::Message, payload });
    }

    /// Looks the card of a person up, unless that is under way.
    pub(super) fn resolve(&mut self, peer: NodeId, step: &mut Step) {
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        if thread.lane.resolving.is_some() {
            return;
        }
        let op = self.ops.next_id();
        self.pending.insert(op, Pending::Resolve { peer });
        thread.lane.resolving = Some((op, step.now.mono.after(limits::QUESTION_PATIENCE)));
        step.after(Out::Resolve { op, node: peer });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng as _;

    #[test]
    fn waits_double_from_a_second_to_five_minutes_and_differ() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut lane = Lane::default();
        let mut waits = Vec::new();
        for _ in 0..40 {
            lane.back_off(Trouble::Unreachable, Mono(0), &mut rng);
            waits.push(lane.deadline().expect("a next try").since(Mono(0)));
        }
        assert!(waits[0] <= limits::RETRY_MIN && waits[0] >= limits::RETRY_MIN / 2);
        assert!(waits[30..].iter().all(|wait| *wait <= limits::RETRY_MAX && *wait >= limits::RETRY_MAX / 2));
        assert!(waits[30..].iter().any(|wait| *wait != waits[30]));
        lane.progress();
        assert_eq!(lane.deadline(), None);
    }

    #[test]
    fn who_is_undecided_is_asked_seldom_from_the_first_time() {
        let mut lane = Lane::default();
        lane.back_off(Trouble::Undecided, Mono(0), &mut ChaCha20Rng::seed_from_u64(1));
        assert!(lane.deadline() >= Some(Mono(0).after(limits::RETRY_MAX / 2)));
        lane.retry_if_undecided();
        assert_eq!(lane.deadline(), None);
    }
}
