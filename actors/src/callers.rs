//! Who waits for an answer of a machine, and why an answer may fail to come.
//!
//! In: commands with the place for their answer. Out: exactly one answer each, whatever happens to the machine meanwhile:
//! the book outlives rebuilds of the machine, and closes what an earlier life left open.
//!
//! Not here: what is asked and answered (each machine's own types).

use pc2_protocols::{limits, machine::CallId};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Why a call to a part of the node has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError<E> {
    /// Understood and refused, for a reason that helps whoever asked.
    #[error("{0}")]
    Refused(E),
    /// The part restarted while it worked on this. It may or may not have been done: ask again with the same id.
    #[error("this part of the node restarted; try again")]
    Restarted,
    /// Too much waits already. Nothing was done.
    #[error("the node is busy; try again in a moment")]
    Busy,
    /// The disk is full. Nothing was done.
    #[error("the disk is full; free some space and try again")]
    DiskFull,
    /// The disk refused for another reason. Nothing was done.
    #[error("the node's storage failed; `pc2 doctor` says more")]
    Storage,
    /// The node shuts down, or serves no such account.
    #[error("the node is shutting down")]
    Stopped,
}

/// The reasons of [`CallError`] that lie with the node, not with what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Restarted,
    Busy,
    DiskFull,
    Storage,
    Stopped,
}

impl<E> From<Failure> for CallError<E> {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Restarted => Self::Restarted,
            Failure::Busy => Self::Busy,
            Failure::DiskFull => Self::DiskFull,
            Failure::Storage => Self::Storage,
            Failure::Stopped => Self::Stopped,
        }
    }
}

/// Where an answer goes.
pub(crate) type Answer<R, E> = oneshot::Sender<Result<R, CallError<E>>>;

/// The callers of one machine.
pub(crate) struct Callers<R, E> {
    next: u64,
    /// Calls below this number were made to an earlier life of the machine.
    boundary: u64,
    waiting: BTreeMap<CallId, Answer<R, E>>,
}

impl<R, E> Callers<R, E> {
    /// Nobody waits yet.
    pub(crate) const fn new() -> Self {
        Self { next: 1, boundary: 1, waiting: BTreeMap::new() }
    }

    /// Writes a caller down; when too many wait, they are answered `Busy` and `None` comes back.
    pub(crate) fn admit(&mut self, answer: Answer<R, E>) -> Option<CallId> {
        if self.waiting.len() >= limits::MAX_CALLERS {
            self.waiting.retain(|_, answer| !answer.is_closed());
        }
        if self.waiting.len() >= limits::MAX_CALLERS {
            give(answer, Err(CallError::Busy));
            return None;
        }
        let call = CallId(self.next);
        self.next = self.next.saturating_add(1);
        self.waiting.insert(call, answer);
        Some(call)
    }

    /// Answers a caller. Nothing happens when they were answered before.
    pub(crate) fn answer(&mut self, call: CallId, result: Result<R, CallError<E>>) {
        if let Some(answer) = self.waiting.remove(&call) {
            give(answer, result);
        }
    }

    /// From here on, calls go to a new life of the machine.
    pub(crate) const fn new_life(&mut self) {
        self.boundary = self.next;
    }

    /// Answers those whom only an earlier life of the machine knew.
    pub(crate) fn settle(&mut self) {
        let later = self.waiting.split_off(&CallId(self.boundary));
        for answer in std::mem::replace(&mut self.waiting, later).into_values() {
            give(answer, Err(CallError::Restarted));
        }
    }

    /// Answers everybody.
    pub(crate) fn refuse_all(&mut self, why: Failure) {
        for answer in std::mem::take(&mut self.waiting).into_values() {
            give(answer, Err(why.into()));
        }
    }
}

/// Answers one caller. Whoever stopped waiting misses it: the outcome is on disk or was refused all the same.
pub(crate) fn give<R, E>(answer: Answer<R, E>, result: Result<R, CallError<E>>) {
    drop(answer.send(result));
}

#[cfg(test)]
mod tests {
    use super::*;

    type Got = oneshot::Receiver<Result<u32, CallError<&'static str>>>;

    fn call(callers: &mut Callers<u32, &'static str>) -> (Option<CallId>, Got) {
        let (answer, got) = oneshot::channel();
        (callers.admit(answer), got)
    }

    #[test]
    fn only_callers_of_an_earlier_life_are_settled() {
        let mut callers = Callers::new();
        let (_, mut early) = call(&mut callers);
        callers.new_life();
        let (late_id, mut late) = call(&mut callers);
        callers.settle();
        assert_eq!(early.try_recv(), Ok(Err(CallError::Restarted)));
        callers.answer(late_id.expect("admitted"), Ok(7));
        assert_eq!(late.try_recv(), Ok(Ok(7)));
    }

    #[test]
    fn too_many_callers_are_told_that_the_node_is_busy() {
        let mut callers = Callers::new();
        let mut waiting: Vec<_> = (0..limits::MAX_CALLERS).map(|_| call(&mut callers).1).collect();
        assert_eq!(call(&mut callers).1.try_recv(), Ok(Err(CallError::Busy)));
        waiting.pop();
        assert!(call(&mut callers).0.is_some(), "one who stopped waiting makes room");
    }
}
