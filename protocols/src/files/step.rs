//! What one step of the files machine gathers: writes, what follows once they are durable, and which transfers were touched.
//!
//! Whatever tells the outside about state that may not be durable yet waits for the disk, a repeated answer as well as a first one.
//!
//! Not here: what is decided ([`super::incoming`], [`super::outgoing`], [`super::queue`]).

use super::{
    CommandError, Event, Out, Reply, ServeToken,
    rows::{Change, TransferId},
};
use crate::{machine::CallId, time::Now};
use std::collections::BTreeSet;

/// The outcome of one step so far.
pub(super) struct Step {
    /// When it happens.
    pub(super) now: Now,
    /// Transfers whose rows are to be written.
    pub(super) written: BTreeSet<TransferId>,
    /// Transfers that may look different now.
    pub(super) touched: BTreeSet<TransferId>,
    /// Writes besides.
    pub(super) changes: Vec<Change>,
    then: Vec<Out>,
    replies: Vec<(CallId, Result<Wanted, CommandError>)>,
    barrier: bool,
}

/// What a caller wants to know in the end: as it is when the step is over.
pub(super) enum Wanted {
    /// How a transfer is.
    Transfer(TransferId),
    /// Something else.
    Reply(Reply),
}

impl Step {
    /// Begins a step.
    pub(super) const fn new(now: Now) -> Self {
        Self {
            now,
            written: BTreeSet::new(),
            touched: BTreeSet::new(),
            changes: Vec::new(),
            then: Vec::new(),
            replies: Vec::new(),
            barrier: false,
        }
    }

    /// The row of a transfer is another one.
    pub(super) fn write(&mut self, id: TransferId) {
        self.written.insert(id);
        self.touched.insert(id);
    }

    /// A transfer may look different.
    pub(super) fn touch(&mut self, id: TransferId) {
        self.touched.insert(id);
    }

    /// Follows once what this step writes is durable.
    pub(super) fn after(&mut self, out: Out) {
        self.then.push(out);
    }

    /// A peer's word is acknowledged: only once everything written so far is durable.
    pub(super) fn noted(&mut self, token: ServeToken) {
        self.barrier = true;
        self.then.push(Out::Noted { token });
    }

    /// Something is asked of another part that speaks of what must be durable before.
    pub(super) fn after_all(&mut self, out: Out) {
        self.barrier = true;
        self.then.push(out);
    }

    /// The answer to a caller, who takes it for durable.
    pub(super) fn reply(&mut self, call: CallId, result: Result<Wanted, CommandError>) {
        self.barrier |= result.is_ok();
        self.replies.push((call, result));
    }

    /// Tells everybody who looks. Behind what was told before and waits for the disk: who looks would end with how things were.
    pub(super) fn publish(&mut self, event: Event) {
        self.barrier = true;
        self.then.push(Out::Publish(event));
    }

    /// Hands everything over; `look` says how a transfer is. Answers come first: somebody waits for them.
    pub(super) fn finish(self, look: impl Fn(TransferId) -> Option<Reply>, out: &mut Vec<Out>) {
        let answer = |(call, result): (CallId, Result<Wanted, CommandError>)| Out::Reply {
            call,
            result: result.and_then(|wanted| match wanted {
                Wanted::Transfer(id) => look(id).ok_or(CommandError::Unknown),
                Wanted::Reply(reply) => Ok(reply),
            }),
        };
        let mut then: Vec<Out> = self.replies.into_iter().map(answer).collect();
        then.extend(self.then);
        if self.barrier || !self.changes.is_empty() {
            out.push(Out::Persist { changes: self.changes, then });
        } else {
            out.extend(then);
        }
    }
}
