//! What one step of the messenger gathers: writes, what follows once they are durable, and who was touched.
//!
//! Whatever tells the outside about state that may not be durable yet, a repeated answer as well as a first one, waits for the
//! disk: such a step asks for a barrier even when it writes nothing itself.

use super::{Event, Out, rows::Change};
use crate::{
    id::{EnvelopeId, NodeId},
    machine::CallId,
    mailbox::{EnvelopeKey, Parcel},
    net::{NetCommand, RequestToken},
    time::Now,
};
use std::collections::BTreeSet;

/// The outcome of one step so far.
pub(super) struct Step {
    /// When it happens.
    pub(super) now: Now,
    /// What is written, in one batch.
    pub(super) changes: Vec<Change>,
    /// Whose state may have changed.
    pub(super) touched: BTreeSet<NodeId>,
    /// Whom to stay connected with may have changed.
    pub(super) roster_changed: bool,
    /// The time of some messages has begun: storage is to be asked when the first is over.
    pub(super) timers_began: bool,
    answers: Vec<Out>,
    then: Vec<Out>,
    barrier: bool,
}

impl Step {
    /// Begins a step.
    pub(super) const fn new(now: Now) -> Self {
        Self {
            now,
            changes: Vec::new(),
            touched: BTreeSet::new(),
            roster_changed: false,
            timers_began: false,
            answers: Vec::new(),
            then: Vec::new(),
            barrier: false,
        }
    }

    /// Adds a write.
    pub(super) fn write(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Something of this person may have changed.
    pub(super) fn touch(&mut self, peer: NodeId) {
        self.touched.insert(peer);
    }

    /// Follows once everything written so far is durable.
    pub(super) fn after(&mut self, out: Out) {
        self.then.push(out);
    }

    /// A frame to a peer that says or carries what must be durable before.
    pub(super) fn send(&mut self, command: NetCommand) {
        self.barrier = true;
        self.then.push(Out::Net(command));
    }

    /// The answer to a peer's request, which speaks of what is durable.
    pub(super) fn respond(&mut self, token: RequestToken, payload: Vec<u8>) {
        self.barrier = true;
        self.answers.push(Out::Net(NetCommand::Respond { token, payload }));
    }

    /// The answer to a peer's request that speaks of nothing stored.
    pub(super) fn answer(&mut self, token: RequestToken, payload: Vec<u8>) {
        self.answers.push(Out::Net(NetCommand::Respond { token, payload }));
    }

    /// A parcel that says or carries what must be durable before.
    pub(super) fn deposit(&mut self, parcel: Parcel) {
        self.barrier = true;
        self.then.push(Out::Deposit(parcel));
    }

    /// A parcel is not needed any more, once that is durable.
    pub(super) fn withdraw(&mut self, account: NodeId, id: EnvelopeId) {
        self.barrier = true;
        self.then.push(Out::Withdraw { account, id });
    }

    /// An arrival is dealt with for good, once what came of it is durable.
    pub(super) fn taken(&mut self, envelope: EnvelopeKey) {
        self.barrier = true;
        self.then.push(Out::Taken { envelope });
    }

    /// The answer to a caller, who takes it for durable.
    pub(super) fn reply(&mut self, call: CallId, result: Result<super::Reply, super::CommandError>) {
        self.barrier |= result.is_ok();
        self.answers.push(Out::Reply { call, result });
    }

    /// The answer to a caller who only asked how things are.
    pub(super) fn tell(&mut self, call: CallId, reply: super::Reply) {
        self.answers.push(Out::Reply { call, result: Ok(reply) });
    }

    /// Tells everybody who looks. Behind what was told before and waits for the disk: who looks would end with how things were.
    pub(super) fn publish(&mut self, event: Event) {
        self.barrier = true;
        self.then.push(Out::Publish(event));
    }

    /// Hands everything over. Answers come first: somebody waits for them.
    pub(super) fn finish(self, out: &mut Vec<Out>) {
        let mut then = self.answers;
        then.extend(self.then);
        if self.barrier || !self.changes.is_empty() {
            out.push(Out::Persist { changes: self.changes, then });
        } else {
            out.extend(then);
        }
    }
}
