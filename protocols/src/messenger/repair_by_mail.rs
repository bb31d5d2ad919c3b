//! Gaps of people who cannot be reached: asking for what is missing by letter, and answering such letters.
//!
//! In: a gap that has not closed for a minute while its sender is not connected; letters that ask. Out: a letter to the sender's mailbox, about the same gap once
//! in [`limits::REPAIR_MAIL_EVERY`] and to one person once in [`limits::REPAIR_MAIL_PACE`]; what was asked for, in new parcels: the ciphertext that still waits here as it
//! is, because its mailboxes have lost the parcel it was in, and what was acknowledged before from history, sealed anew. What will never come is told by a letter.
//!
//! That we asked is in the conversation's row, so restarts do not multiply letters. A letter that is lost is written again after that time; nobody acknowledges one.
//! Not here: the direct way, reading history ([`super::repair`]).

use super::{
    machine::Messenger,
    outbox::Key,
    repair::Asked,
    rows::{AskedByMail, MessageState, Standing},
    session::{CryptoProvider, CryptoSession},
    step::Step,
    thread::Thread,
    wire::Mail,
};
use crate::{
    id::{DeviceId, NodeId},
    limits,
    mailbox::{EnvelopeKey, Parcel, Recipient},
    time::UnixMillis,
};
use std::{collections::BTreeSet, time::Duration};

impl<S: CryptoSession> Thread<S> {
    /// The first missing numbers of one of their chains, in order.
    fn missing_numbers(&self) -> Option<(DeviceId, Vec<u64>)> {
        let mut missing = self.chains.iter().map(|(device, chain)| (*device, chain.missing()));
        missing.find(|(_, numbers)| !numbers.is_empty()).or_else(|| {
            let (device, seq) = self.gap.far?;
            let (from, to) = self.chains.get(&device)?.missing_before(seq)?;
            Some((device, (from..=to).collect()))
        })
    }

    /// How long it is still too early to ask by letter for what begins with this number.
    fn too_early(&self, device: DeviceId, from: u64, now: UnixMillis) -> Option<Duration> {
        // A clock that went back since makes it due.
        let asked = self.conversation.asked_by_mail.as_ref().filter(|asked| asked.at <= now)?;
        let same = (asked.device, asked.from) == (device, from);
        let every = if same { limits::REPAIR_MAIL_EVERY } else { limits::REPAIR_MAIL_PACE };
        every.checked_sub(now.since(asked.at)).filter(|left| !left.is_zero())
    }
}

impl<P: CryptoProvider> Messenger<P> {
    /// Asks a person by letter for what is missing of their messages, if it is time and they cannot be reached.
    pub(super) fn mind_the_gap_by_mail(&mut self, peer: NodeId, step: &mut Step) {
        let now = step.now.mono;
        let connected = self.connected.contains(&peer);
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        let Some((device, numbers)) = thread.missing_numbers().filter(|_| thread.allowed().is_some()) else {
            thread.gap.mail_at = None;
            return;
        };
        let at = *thread.gap.mail_at.get_or_insert(now.after(limits::GAP_MAIL_PATIENCE));
        if now < at {
            return;
        }
        if connected {
            // They are asked directly.
            thread.gap.mail_at = Some(now.after(limits::GAP_MAIL_PATIENCE));
            return;
        }
        let (Some(from), Some(to)) = (numbers.first().copied(), numbers.last().copied()) else { return };
        if let Some(left) = thread.too_early(device, from, step.now.unix) {
            thread.gap.mail_at = Some(now.after(left));
            return;
        }
        // Without passes through the mailbox for strangers: what is missing may be the passes.
        let Some(to_whom) = thread.recipient(step.now.unix) else {
            thread.gap.mail_at = Some(now.after(limits::PARCEL_PATIENCE));
            return self.resolve(peer, step);
        };
        thread.gap.mail_at = Some(now.after(limits::REPAIR_MAIL_EVERY));
        thread.conversation_mut().asked_by_mail = Some(AskedByMail { device, from, to, at: step.now.unix });
        self.post_letter(to_whom, &Mail::Repair { device, numbers }, step);
    }

    /// A contact, or somebody whom we asked, misses messages of ours, and wrote so.
    pub(super) fn repair_asked_by_mail(
        &mut self,
        from: NodeId,
        envelope: EnvelopeKey,
        device: DeviceId,
        mut numbers: Vec<u64>,
        step: &mut Step,
    ) {
        let now = step.now.mono;
        let (account, own) = (self.account, self.device.device);
        let known = |thread: &&mut Thread<P::Session>| {
            matches!(thread.standing(), Some(Standing::Accepted | Standing::Requested))
        };
        let Some(thread) = self.threads.get_mut(&from).filter(known) else {
            return step.taken(envelope);
        };
        let answered = thread.gap.answered_by_mail;
        if answered.is_some_and(|at| now < at.after(limits::REPAIR_MAIL_PACE)) {
            // They ask again when they still need it.
            return step.taken(envelope);
        }
        if thread.gap.is_loading(now) {
            // It stays in the mailbox, and comes again.
            return;
        }
        thread.gap.answered_by_mail = Some(now);
        // Numbers that we have not given yet are not gone: they will be given.
        if device == own {
            let given = thread.conversation.sent_seq;
            numbers.retain(|seq| *seq <= given);
        }
        let keys = numbers.iter().map(|seq| Key::Content(device, *seq));
        let lost: BTreeSet<_> = keys.filter_map(|key| thread.outbox.stored_parcel(key)).collect();
        for id in lost {
            let stored = thread.outbox.unpack(id);
            thread.report_states(account, &stored, MessageState::Waiting, step);
        }
        numbers.retain(|seq| thread.outbox.content(Key::Content(device, *seq)).is_none());
        thread.lane.try_now();
        thread.post.try_now();
        step.touch(from);
        match (numbers.first().copied(), numbers.last().copied()) {
            // Whoever we asked is not told more than waits for them already.
            (Some(first), Some(last)) if thread.is_accepted() => {
                let asked = Asked::ByMail { envelope, device, numbers };
                self.load_for_repair(from, asked, (first, last), step);
            }
            _ => step.taken(envelope),
        }
    }

    /// What is there of what a letter asked for is on its way; the rest is told.
    pub(super) fn answer_by_mail(
        &mut self,
        peer: NodeId,
        envelope: EnvelopeKey,
        device: DeviceId,
        gone: Vec<u64>,
        step: &mut Step,
    ) {
        let to = self.threads.get(&peer).and_then(|thread| thread.recipient(step.now.unix));
        if let Some(to) = to.filter(|_| !gone.is_empty()) {
            self.post_letter(to, &Mail::Repairing { device, gone }, step);
        }
        step.taken(envelope);
    }

    /// A person writes what will never come of what we asked for.
    pub(super) fn repairing_by_mail(
        &mut self,
        from: NodeId,
        device: DeviceId,
        mut gone: Vec<u64>,
        step: &mut Step,
    ) {
        let Some(thread) = self.threads.get_mut(&from) else { return };
        let asked = thread.conversation.asked_by_mail;
        let Some(asked) = asked.filter(|asked| asked.device == device && thread.chains.contains_key(&device))
        else {
            return;
        };
        gone.retain(|seq| (asked.from..=asked.to).contains(seq));
        if thread.chain_mut(device).is_some_and(|chain| chain.skip(&gone)) {
            thread.gap.decided();
            step.touch(from);
        }
    }

    /// Has a letter kept in somebody's mailbox. Once enough do, nothing more is done for it.
    fn post_letter(&mut self, to: Recipient, mail: &Mail, step: &mut Step) {
        let id = self.random_envelope();
        while self.letters.len() >= limits::MAX_REPAIR_LETTERS {
            let Some(any) = self.letters.pop_first() else { break };
            step.withdraw(self.account, any);
        }
        self.letters.insert(id);
        step.deposit(Parcel { account: self.account, id, to, payload: mail.encode() });
    }
}
