//! Telling a person what we have of theirs, when it came by mailbox: a parcel of its own, through their mailbox.
//!
//! In: that something came. Out: at most one parcel a person every [`limits::RECEIPT_EVERY`], which tells how far their chains were received, which sessions
//! we have, and which we do not. It stands for all before it, so an older one still under way is withdrawn; once enough mailboxes keep
//! it, nothing more is done for it. Nobody acknowledges it.
//!
//! That something is owed is in the conversation's row, so a crash delays a receipt and loses none. To contacts, and to those we asked; strangers learn nothing.
//! Not here: receipts of others ([`super::arrivals`]).

use super::{
    machine::Messenger,
    rows::{ConversationRow, Standing},
    session::{CryptoProvider, CryptoSession},
    step::Step,
    thread::Thread,
    wire::{ChainHeard, Mail, SessionHeld},
};
use crate::{
    id::{DeviceId, EnvelopeId, NodeId, SessionId},
    limits,
    mailbox::{Parcel, Recipient},
    time::Mono,
};
use std::collections::{BTreeMap, BTreeSet};

/// What one person is to be told. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Receipts {
    /// Since when there is something that no parcel tells.
    since: Option<Mono>,
    /// When the last parcel was made.
    last: Option<Mono>,
    /// There was no going on.
    not_before: Option<Mono>,
    /// The parcel under way, and when to doubt that the mailbox has it; `None`: it said so.
    under_way: Option<(EnvelopeId, Option<Mono>)>,
    /// Numbers that were refused for good. Found out again when lost.
    refused: BTreeMap<DeviceId, BTreeSet<u64>>,
}

impl Receipts {
    /// Whatever held receipts up may be over.
    pub(super) const fn try_now(&mut self) {
        self.not_before = None;
    }
}

impl<S: CryptoSession> Thread<S> {
    /// Something came by mailbox: they are to be told what we have.
    pub(super) fn owe_receipt(&mut self, now: Mono) {
        self.receipts.since.get_or_insert(now);
        if !self.conversation.owed {
            self.conversation_mut().owed = true;
        }
    }

    /// They sealed in a session that we do not have.
    pub(super) fn note_lost(&mut self, session: SessionId) {
        if self.conversation.lost.contains(&session) {
            return;
        }
        let ConversationRow { lost, .. } = self.conversation_mut();
        lost.push(session);
        if lost.len() > limits::MAX_LOST {
            lost.remove(0);
        }
    }

    /// Something of theirs was not kept, because we have not decided about them or have blocked them. Told when they are contacts.
    pub(super) fn note_let_go(&mut self) {
        if !self.conversation.let_go || !self.conversation.owed {
            let conversation = self.conversation_mut();
            conversation.let_go = true;
            conversation.owed = true;
        }
    }

    /// One of their numbers is refused for good.
    pub(super) fn note_refused(&mut self, device: DeviceId, seq: u64) {
        if !self.chains.contains_key(&device) {
            return;
        }
        let refused = self.receipts.refused.entry(device).or_default();
        if (refused.len() as u64) < limits::SEND_WINDOW {
            refused.insert(seq);
        }
    }

    /// When to look after receipts again.
    pub(super) fn receipt_deadline(&self) -> Option<Mono> {
        let due = self.receipt_due()?;
        Some(due.max(self.receipts.not_before.unwrap_or(due)))
    }

    /// When the next receipt is due.
    fn receipt_due(&self) -> Option<Mono> {
        // Whoever we asked may tell us so much that it takes several envelopes for strangers, the next of which waits for this.
        let told = matches!(self.standing(), Some(Standing::Accepted | Standing::Requested));
        if !self.conversation.owed || !told {
            return None;
        }
        let doubtful = self.receipts.under_way.and_then(|(_, doubt)| doubt);
        let fresh = self.receipts.since.map(|since| {
            let paced = self.receipts.last.map(|last| last.after(limits::RECEIPT_EVERY));
            since.after(limits::COLLECT_FOR_RECEIPT).max(paced.unwrap_or(since))
        });
        fresh.into_iter().chain(doubtful).min()
    }

    /// What we have of theirs.
    fn receipt(&self) -> Mail {
        let mut chains: Vec<_> = self.chains.iter().collect();
        chains.sort_by_key(|(device, chain)| std::cmp::Reverse((chain.started(), **device)));
        let chains = chains.into_iter().take(limits::MAX_RECEIPT_CHAINS);
        let refused = |device| self.receipts.refused.get(device).into_iter().flatten().copied().collect();
        let heard = chains.map(|(device, chain)| ChainHeard {
            device: *device,
            through: chain.through(),
            beyond: chain.beyond().collect(),
            refused: refused(device),
        });
        let passes = self.contact.as_ref().and_then(|contact| contact.passes.last());
        let held =
            |row: &super::rows::SessionRow| SessionHeld { session: row.session, followed: row.followed };
        Mail::Outcomes {
            chains: heard.collect(),
            sessions: self.sessions.rows().map(held).collect(),
            lost: self.conversation.lost.clone(),
            again: self.conversation.let_go,
            passes: passes.map_or(0, |pass| pass.week),
        }
    }

    /// The mailbox says how a parcel of receipts is. `false`: it is another one.
    pub(super) fn receipt_progress(&mut self, id: EnvelopeId, stored: bool, now: Mono) -> bool {
        let Some((under_way, doubt)) = &mut self.receipts.under_way else { return false };
        if *under_way != id {
            return false;
        }
        *doubt = None;
        if stored {
            self.receipts.under_way = None;
            if self.receipts.since.is_none() {
                self.receipts.refused.clear();
                let conversation = self.conversation_mut();
                conversation.owed = false;
                conversation.let_go = false;
                conversation.lost.clear();
            } else {
                self.receipts.since = Some(now);
            }
        }
        true
    }

    /// Nothing is to be told any more.
    pub(super) fn drop_receipts(&mut self, account: NodeId, step: &mut Step) {
        if let Some((id, _)) = std::mem::take(&mut self.receipts).under_way {
            step.withdraw(account, id);
        }
        if self.conversation.owed || !self.conversation.lost.is_empty() {
            let conversation = self.conversation_mut();
            conversation.owed = false;
            conversation.let_go = false;
            conversation.lost.clear();
        }
    }
}

impl<P: CryptoProvider> Messenger<P> {
    /// Tells a contact what we have of theirs, where that is due.
    pub(super) fn tell_receipts(&mut self, peer: NodeId, step: &mut Step) {
        let now = step.now.mono;
        let connected = self.connected.contains(&peer);
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        if thread.conversation.owed && thread.receipts.under_way.is_none() {
            // After a restart, too.
            thread.receipts.since.get_or_insert(now);
        }
        if thread.receipt_deadline().is_none_or(|at| now < at) {
            return;
        }
        let to = thread.recipient(step.now.unix);
        let to = match to {
            Some(to @ Recipient::Contact { .. }) => to,
            // Whoever is connected hears it directly, with the repetition.
            Some(Recipient::Stranger { .. }) | None if connected => {
                thread.receipts.not_before = Some(now.after(limits::PARCEL_PATIENCE));
                return;
            }
            Some(to @ Recipient::Stranger { .. }) => to,
            None => {
                thread.receipts.not_before = Some(now.after(limits::PARCEL_PATIENCE));
                return self.resolve(peer, step);
            }
        };
        let payload = thread.receipt().encode();
        let id = self.random_envelope();
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        if let Some((older, _)) =
            thread.receipts.under_way.replace((id, Some(now.after(limits::PARCEL_PATIENCE))))
        {
            step.withdraw(self.account, older);
        }
        thread.receipts.since = None;
        thread.receipts.last = Some(now);
        step.deposit(Parcel { account: self.account, id, to, payload });
    }
}
