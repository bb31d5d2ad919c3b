//! Who is here: told between contacts, over a standing connection, and never stored.
//!
//! A contact is shown online when they said so and the connection stands. We say it to a contact when the connection
//! comes up and when we become contacts; answering `Seen` says it, too, so one question tells both. Who has not accepted us answers
//! `Refused`, and asks us when they have. Nobody else is told anything.

use super::{
    Out,
    machine::{Messenger, Pending},
    session::CryptoProvider,
    step::Step,
    wire::{Answer, Refusal, Request},
};
use crate::{
    id::NodeId,
    limits,
    machine::OpId,
    net::{NetCommand, NetError, Protocol, RequestToken},
    time::Mono,
};
use std::time::Duration;

/// When what was lost is said again for the first time; then twice as long each time, up to [`limits::REPAIR_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(500);

/// Presence between us and one person.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// They said that they are here.
    pub(super) theirs: bool,
    told: Told,
    /// How often in a row telling them failed.
    failures: u32,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Not,
    Telling(OpId),
    NotBefore(Mono),
    Yes,
}

impl Presence {
    /// When to try again to tell them.
    pub(super) const fn deadline(&self) -> Option<Mono> {
        match self.told {
            Told::NotBefore(at) => Some(at),
            Told::Not | Told::Telling(_) | Told::Yes => None,
        }
    }

    /// Tells them anew at the next occasion.
    pub(super) const fn tell_again(&mut self) {
        self.told = Told::Not;
    }
}

impl<P: CryptoProvider> Messenger<P> {
    /// A connection with this node stands.
    pub(super) fn peer_up(&mut self, node: NodeId, step: &mut Step) {
        if !self.connected.insert(node) {
            return;
        }
        if let Some(thread) = self.threads.get_mut(&node) {
            thread.presence = Presence::default();
            thread.post.connection(true);
            thread.lane.try_now();
            thread.gap.try_now(step.now.mono);
            step.touch(node);
        }
        // Whoever had nobody to ask for a card has somebody now.
        for (peer, thread) in &mut self.threads {
            if thread.lane.is_alone() {
                thread.lane.try_now();
                step.touch(*peer);
            }
        }
    }

    /// The last connection with this node is gone.
    pub(super) fn peer_down(&mut self, node: NodeId, step: &mut Step) {
        self.connected.remove(&node);
        if let Some(thread) = self.threads.get_mut(&node) {
            thread.presence = Presence::default();
            thread.typing.ended();
            thread.post.connection(false);
            thread.receipts.try_now();
            step.touch(node);
        }
    }

    /// Tells a contact that we are here, where that is due.
    pub(super) fn tell_presence(&mut self, peer: NodeId, step: &mut Step) {
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        let due = match thread.presence.told {
            Told::Not => true,
            Told::NotBefore(at) => at <= step.now.mono,
            Told::Telling(_) | Told::Yes => false,
        };
        if !due {
            return;
        }
        thread.presence.told = Told::Not;
        if !thread.is_accepted() || !self.connected.contains(&peer) {
            return;
        }
        let op = self.ops.next_id();
        self.pending.insert(op, Pending::Presence { peer });
        thread.presence.told = Told::Telling(op);
        let payload = Request::Presence { online: true }.encode();
        step.after(Out::Net(NetCommand::Request { op, to: peer, protocol: Protocol::Message, payload }));
    }

    /// They were told, or not.
    pub(super) fn presence_told(
        &mut self,
        peer: NodeId,
        op: OpId,
        result: Result<Answer, NetError>,
        step: &mut Step,
    ) {
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        if thread.presence.told != Told::Telling(op) {
            return;
        }
        thread.presence.told = match result {
            Ok(answer) => {
                thread.presence.failures = 0;
                thread.presence.theirs |= answer == Answer::Seen && thread.is_accepted();
                Told::Yes
            }
            // Two who meet dial each other at once, and what was under way on the connection that is closed then is lost: said again soon.
            Err(_) => {
                let wait = FIRST_RETRY.saturating_mul(1 << thread.presence.failures.min(16));
                thread.presence.failures = thread.presence.failures.saturating_add(1);
                Told::NotBefore(step.now.mono.after(wait.min(limits::REPAIR_RETRY)))
            }
        };
        step.touch(peer);
    }

    /// A peer says that they are here, or about to leave.
    pub(super) fn presence_heard(
        &mut self,
        from: NodeId,
        online: bool,
        token: RequestToken,
        step: &mut Step,
    ) {
        let answer = match self.threads.get_mut(&from).filter(|thread| thread.is_accepted()) {
            Some(thread) => {
                thread.presence.theirs = online;
                thread.lane.retry_if_undecided();
                step.touch(from);
                Answer::Seen
            }
            None => Answer::Refused { reason: Refusal::Undecided },
        };
        step.respond(token, answer.encode());
    }
}
