//! Who is writing right now: told between contacts who both chose so, over a standing connection, and never stored.
//!
//! A frame of its own rather than a content: a content takes a step of the ratchet, and each step is on the disk before it leaves. The connection is
//! encrypted from node to node, through relays as well, so nobody in between learns of it.
//!
//! We say it again every [`SAY_EVERY`] at most while somebody writes; what was heard counts for [`LASTS`] and ends by itself, with the next entry, or with
//! the connection. Who does not tell is not told: with typing switched off nothing is sent, and what comes changes nothing.

use super::{
    Out,
    machine::Messenger,
    session::CryptoProvider,
    step::Step,
    wire::{Answer, Refusal, Request},
};
use crate::{
    id::NodeId,
    net::{NetCommand, Protocol, RequestToken},
    time::Mono,
};
use std::time::Duration;

/// How often we tell one person that we are writing, at most.
const SAY_EVERY: Duration = Duration::from_secs(4);

/// How long what was heard counts: two tellings, and a slow line.
const LASTS: Duration = Duration::from_secs(10);

/// Between us and one person.
#[derive(Debug, Default)]
pub(super) struct Typing {
    /// They write, until then.
    until: Option<Mono>,
    /// Before that we do not say it again.
    said_until: Option<Mono>,
}

impl Typing {
    /// Whether they write.
    pub(super) const fn theirs(&self) -> bool {
        self.until.is_some()
    }

    /// When that ends by itself.
    pub(super) const fn deadline(&self) -> Option<Mono> {
        self.until
    }

    /// They write no longer, as far as we know.
    pub(super) const fn ended(&mut self) {
        self.until = None;
    }

    /// Ends what is over.
    pub(super) fn expire(&mut self, now: Mono) {
        self.until = self.until.filter(|until| *until > now);
    }
}

impl<P: CryptoProvider> Messenger<P> {
    /// Carries `Typing` out: tells them, if both sides may know. Nothing comes of it otherwise, and nothing is kept.
    pub(super) fn typing(&mut self, peer: NodeId, step: &mut Step) {
        if !self.settings.typing || !self.connected.contains(&peer) {
            return;
        }
        let thread = self.threads.get_mut(&peer);
        let Some(thread) = thread.filter(|thread| thread.is_accepted() && thread.presence.theirs) else {
            return;
        };
        if thread.typing.said_until.is_some_and(|until| until > step.now.mono) {
            return;
        }
        thread.typing.said_until = Some(step.now.mono.after(SAY_EVERY));
        // Whether it arrived does not matter: nobody waits for the answer.
        let (op, payload) = (self.ops.next_id(), Request::Typing.encode());
        step.after(Out::Net(NetCommand::Request { op, to: peer, protocol: Protocol::Message, payload }));
    }

    /// A peer writes to us.
    pub(super) fn typing_heard(&mut self, from: NodeId, token: RequestToken, step: &mut Step) {
        let answer = match self.threads.get_mut(&from).filter(|thread| thread.is_accepted()) {
            Some(thread) => {
                if self.settings.typing {
                    thread.typing.until = Some(step.now.mono.after(LASTS));
                    step.touch(from);
                }
                Answer::Seen
            }
            None => Answer::Refused { reason: Refusal::Undecided },
        };
        step.answer(token, answer.encode());
    }
}
