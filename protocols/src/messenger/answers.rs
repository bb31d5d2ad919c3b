//! What peers answer to our batches, and what follows.
//!
//! In: one outcome for each item of the batch in flight, or none at all. Out: delivered messages leave the outbox; the rest
//! is held, tried again, sealed anew in a new session, or given up. An outcome about ciphertext that has been
//! replaced meanwhile counts only when it says `Stored`.

use super::{
    Out,
    compose::report_state,
    content::{Body, Content},
    delivery::{Flight, Trouble},
    machine::Messenger,
    outbox::{Key, session_of},
    rows::MessageState,
    session::{CryptoProvider, CryptoSession},
    step::Step,
    thread::Thread,
    wire::{Answer, Outcome, Refusal},
};
use crate::{
    id::{NodeId, SessionId},
    limits,
    machine::OpId,
    net::{NetCommand, NetError},
};

/// What the outcomes of one batch come to.
#[derive(Debug, Default)]
struct Verdict {
    content_stored: bool,
    undecided: bool,
    busy: bool,
    /// The session is not usable; `true`: the peer does not have it at all.
    broken: Option<(SessionId, bool)>,
}

impl<P: CryptoProvider> Messenger<P> {
    /// Our batch was answered, or was not.
    pub(super) fn delivered(
        &mut self,
        peer: NodeId,
        op: OpId,
        result: Result<Answer, NetError>,
        step: &mut Step,
    ) {
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        let Some(flight) = thread.lane.flight.take_if(|flight| flight.op == op) else { return };
        step.touch(peer);
        let outcomes = match result {
            Ok(Answer::Delivered { outcomes }) if outcomes.len() == flight.items.len() => outcomes,
            Ok(Answer::Refused { reason }) => {
                let trouble =
                    if reason == Refusal::Undecided { Trouble::Undecided } else { Trouble::Unreachable };
                return thread.lane.back_off(trouble, step.now.mono, &mut self.rng);
            }
            Ok(Answer::Delivered { .. } | Answer::Repairing { .. } | Answer::Seen) => {
                let reason = "answered a batch with something else";
                step.after(Out::Net(NetCommand::Penalise { node: peer, reason }));
                return thread.lane.back_off(Trouble::Unreachable, step.now.mono, &mut self.rng);
            }
            Err(_) => {
                thread.lane.back_off(Trouble::Unreachable, step.now.mono, &mut self.rng);
                // They may have moved.
                return self.resolve(peer, step);
            }
        };
        let verdict = thread.judge(self.account, flight, &outcomes, step);
        let first_failure = !thread.lane.is_failing();
        if verdict.content_stored {
            thread.lane.progress();
            thread.post.progress(step.now.mono);
        }
        if let Some((session, unknown_to_peer)) = verdict.broken {
            thread.abandon(self.account, session, unknown_to_peer, step);
            thread.lane.back_off(Trouble::Unreachable, step.now.mono, &mut self.rng);
            if first_failure || verdict.content_stored {
                // At once the first time; a session that breaks again and again waits longer and longer.
                thread.lane.retry_at_once();
            }
        } else if verdict.busy {
            thread.lane.back_off(Trouble::Unreachable, step.now.mono, &mut self.rng);
        } else if verdict.undecided {
            thread.lane.back_off(Trouble::Undecided, step.now.mono, &mut self.rng);
        } else if !verdict.content_stored {
            thread.lane.trouble = None;
        }
    }

    /// Gives up what has waited too long, if it was tried in this life and failed.
    pub(super) fn give_up_old(&mut self, step: &mut Step) {
        for (peer, thread) in &mut self.threads {
            if !thread.lane.is_failing() || thread.outbox.len() == 0 {
                continue;
            }
            let old: Vec<Key> = thread
                .outbox
                .contents()
                .filter(|waiting| step.now.unix.since(waiting.since) > limits::OUTBOX_LIFETIME)
                .map(|waiting| Key::Content(waiting.content.device, waiting.content.seq))
                .collect();
            for key in old {
                let body = thread.outbox.content(key).map(|waiting| &waiting.content.body);
                if matches!(body, Some(Body::Accepted { .. })) {
                    thread.name_given_up();
                }
                thread.settle(self.account, key, MessageState::NotDelivered, step);
                step.touch(*peer);
            }
        }
    }
}

impl<S: CryptoSession> Thread<S> {
    fn judge(&mut self, account: NodeId, flight: Flight, outcomes: &[Outcome], step: &mut Step) -> Verdict {
        let mut verdict = Verdict::default();
        for ((key, session), outcome) in flight.items.into_iter().zip(outcomes) {
            let refusal = match outcome {
                Outcome::Stored => {
                    self.sessions.confirm(session);
                    verdict.content_stored |= matches!(key, Key::Content(..));
                    self.settle(account, key, MessageState::Delivered, step);
                    continue;
                }
                Outcome::Refused { reason: refusal } => *refusal,
            };
            if self.outbox.item(key).and_then(session_of) != Some(session) {
                continue;
            }
            match (refusal, key) {
                (Refusal::Undecided, _) => verdict.undecided = true,
                (Refusal::Busy | Refusal::Crossed, _) => verdict.busy = true,
                (Refusal::NoSession, _) => verdict.broken = Some((session, true)),
                (Refusal::Unreadable, Key::Content(..)) => {
                    verdict.broken.get_or_insert((session, false));
                }
                (Refusal::Unreadable | Refusal::Invalid, Key::Control(_)) => {
                    verdict.broken.get_or_insert((session, false));
                }
                (Refusal::Invalid, Key::Content(..)) => {
                    self.settle(account, key, MessageState::NotDelivered, step);
                }
            }
        }
        verdict
    }

    /// Stops using a session. One that the peer never took in, or lost, is forgotten; another still opens what is under way.
    pub(super) fn abandon(
        &mut self,
        account: NodeId,
        session: SessionId,
        unknown_to_peer: bool,
        step: &mut Step,
    ) {
        let unconfirmed =
            self.sessions.current().is_some_and(|current| current.session == session && !current.confirmed);
        if unknown_to_peer || unconfirmed {
            self.sessions.remove(session);
        }
        if unknown_to_peer {
            // And with it, who knows, all they had of us.
            self.give_passes_again();
        }
        self.lane.renew = true;
        self.unseal_all_but(account, None, step);
    }

    /// Ciphertext of all sessions but one is good for nothing any more, and the parcels with it neither.
    pub(super) fn unseal_all_but(&mut self, account: NodeId, kept: Option<SessionId>, step: &mut Step) {
        let stored = self.outbox.unseal_all_but(kept);
        self.report_states(account, &stored, MessageState::Waiting, step);
        self.post.try_now();
    }

    /// Takes everything out of its parcels, which are withdrawn.
    pub(super) fn unpack_all(&mut self, account: NodeId, step: &mut Step) {
        for id in self.outbox.parcels.ids() {
            let stored = self.outbox.unpack(id);
            self.report_states(account, &stored, MessageState::Waiting, step);
        }
    }

    /// Writes and publishes what has become of messages that still wait.
    pub(super) fn report_states(
        &self,
        account: NodeId,
        contents: &[Content],
        state: MessageState,
        step: &mut Step,
    ) {
        for content in contents {
            report_state(account, self.conversation.conversation, content, state, step);
        }
    }

    /// Gives up everything that waits.
    pub(super) fn drop_outbox(&mut self, account: NodeId, step: &mut Step) {
        for content in self.outbox.clear() {
            let conversation = self.conversation.conversation;
            report_state(account, conversation, &content, MessageState::NotDelivered, step);
        }
    }
}
