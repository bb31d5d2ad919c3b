//! Messages that disappear: when their time is over, everything of them leaves the disk.
//!
//! The time of a message of ours begins when it has left for good (delivered, kept by mailboxes, or given up), of theirs when it was read; both are
//! written by storage with the message ([`TimerChange`]). Storage keeps them in order of their end. The machine asks it for those whose end has
//! come: at the start of each life, when the end of the next has come, and when more have begun. What was over while the node was off goes before
//! anything is shown (`pc2-actors` sees to it at the start). What still waits for the recipient then leaves the outbox as well: what mailboxes have of it
//! they keep, and nothing here brings it again.
//!
//! Wall clocks jump, and monotonic ones stand still while a machine sleeps: both are looked at with every step. One that was set back would keep
//! messages longer than they last, so all ends are looked at then: none is further away than its message lasts. Lost on restart: the alarm.
//! Not here: what is chosen for a conversation ([`super::thread`]), what is taken out (`pc2-storage`).

use super::{
    Event, Out,
    machine::{Messenger, Pending},
    rows::{Change, Expired, MessageState, TimerChange},
    session::{CryptoProvider, CryptoSession},
    step::Step,
    thread::Thread,
};
use crate::{
    id::{MsgId, NodeId},
    time::{Mono, Now, UnixMillis},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A clock that is behind by more was set back: networks correct smaller errors all the time.
const SET_BACK: Duration = Duration::from_secs(60);

/// When messages are to go.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// When the next one is, by both clocks.
    next: Option<(Mono, UnixMillis)>,
    /// Storage was asked, and has not answered; whether about all of them.
    asked: Option<bool>,
    /// More began meanwhile: it is to be asked again.
    again: bool,
    /// All of them are to be looked at.
    all: bool,
    /// The time of the last step; `None`: there was none in this life.
    seen: Option<Now>,
}

impl Timers {
    /// When to look next, unless something else happens before.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.next.map(|(at, _)| at).filter(|_| self.asked.is_none())
    }

    /// Notes the time of a step. Returns whether storage is to be asked.
    fn watch(&mut self, now: Now) -> bool {
        let set_back = self.seen.is_none_or(|seen| {
            let passed = now.mono.0.saturating_sub(seen.mono.0);
            let expected = seen.unix.after(Duration::from_millis(passed));
            now.unix.after(SET_BACK) < expected
        });
        self.seen = Some(now);
        self.all |= set_back;
        let is_over = self.next.is_some_and(|(at, due)| at <= now.mono || due <= now.unix);
        set_back || (is_over && self.asked.is_none())
    }
}

impl<P: CryptoProvider> Messenger<P> {
    /// At the end of each step: asks storage whose time is over, once what was written so far is there, if there may be some.
    pub(super) fn mind_timers(&mut self, step: &mut Step) {
        if !self.timers.watch(step.now) && !step.timers_began {
            return;
        }
        if self.timers.asked.is_some() {
            self.timers.again = true;
            return;
        }
        let all = std::mem::take(&mut self.timers.all);
        self.timers.asked = Some(all);
        self.timers.next = None;
        let op = self.ops.next_id();
        self.pending.insert(op, Pending::LoadExpired);
        step.after(Out::LoadExpired { op, until: step.now.unix, all });
    }

    /// Whoever was asked has not answered for long: asked again with this housekeeping.
    pub(super) fn forget_asked(&mut self) {
        self.timers.asked = None;
        self.timers.all = true;
    }

    /// The time of these is over.
    pub(super) fn expired(&mut self, expired: Expired, step: &mut Step) {
        let all = self.timers.asked.take().unwrap_or_default();
        // There may be more than fit into one answer.
        if !expired.due.is_empty() || !expired.late.is_empty() {
            self.timers.all |= all;
            step.timers_began = true;
        }
        step.timers_began |= std::mem::take(&mut self.timers.again);
        let mut over: BTreeMap<NodeId, BTreeSet<MsgId>> = BTreeMap::new();
        for (due, timed) in expired.due {
            over.entry(timed.conversation.peer()).or_default().insert(timed.id);
            step.write(Change::Timer(TimerChange::Expire { due, timed }));
            let (account, conversation, id) = (timed.account, timed.conversation, timed.id);
            step.publish(Event::MessageGone { account, conversation, id });
        }
        for (peer, ids) in &over {
            let Some(thread) = self.threads.get_mut(peer) else { continue };
            ids.iter().for_each(|id| thread.note_expired(*id));
            let stored = thread.outbox.expire(ids);
            thread.report_states(self.account, &stored, MessageState::Waiting, step);
            self.stop_loading(*peer, step);
            step.touch(*peer);
        }
        for (due, timed) in expired.late {
            step.write(Change::Timer(TimerChange::Hasten { due, timed, from: step.now.unix }));
        }
        self.timers.next = expired.next.map(|next| {
            let left = Duration::from_millis(next.0.saturating_sub(step.now.unix.0));
            (step.now.mono.after(left), next)
        });
    }
}

impl<S: CryptoSession> Thread<S> {
    /// Everything received was read: from now on its time runs.
    pub(super) fn start_timers(&self, step: &mut Step) {
        let (account, conversation) = (self.conversation.account, self.conversation.conversation);
        step.write(Change::Timer(TimerChange::StartAll { account, conversation, from: step.now.unix }));
        step.timers_began = true;
    }

    /// A message has had its time: the list of conversations shows nothing of it either.
    pub(super) fn note_expired(&mut self, id: MsgId) {
        let is_last = self.conversation.last.as_ref().is_some_and(|last| last.id == id && !last.gone);
        if is_last && let Some(last) = &mut self.conversation_mut().last {
            last.expire();
        }
    }
}
