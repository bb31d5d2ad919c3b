//! Gaps: asking for messages that are missing, and delivering our own again when asked.
//!
//! A gap is first given [`limits::GAP_PATIENCE`] to close by itself, then the sender is asked for the numbers. Asked ourselves,
//! we read them from history and put them into the outbox again, under their old names and numbers, to be sealed anew;
//! numbers that are not in our history, or were given up, are said to be gone. Answered to contacts only, one at a time, at
//! most [`limits::MAX_REPAIR`] numbers. Whoever cannot be reached is asked by letter: [`super::repair_by_mail`].

use super::{
    Out,
    machine::{Messenger, Pending},
    outbox::Key,
    rows::{MessageRow, MessageState},
    session::{CryptoProvider, CryptoSession},
    step::Step,
    thread::Thread,
    wire::{Answer, Refusal, Request},
};
use crate::{
    id::{ConversationId, DeviceId, NodeId},
    limits,
    machine::OpId,
    mailbox::EnvelopeKey,
    net::{NetCommand, NetError, Protocol, RequestToken},
    time::Mono,
};

/// What is missing of one person's chains, and when to ask.
#[derive(Debug, Default)]
pub(super) struct Gap {
    ask_at: Option<Mono>,
    asking: Option<OpId>,
    asked: u32,
    beyond_window: Option<(DeviceId, u64)>,
    /// Our own history is being read for them; lost when not answered by then.
    loading: Option<(OpId, Mono)>,
    /// The last number that was too far ahead, until what was asked for is decided.
    pub(super) far: Option<(DeviceId, u64)>,
    /// When to ask by mailbox, or to look again whether to.
    pub(super) mail_at: Option<Mono>,
    /// When they were last answered by mailbox.
    pub(super) answered_by_mail: Option<Mono>,
    /// Since when they say that something will never come.
    gone_since: Option<Mono>,
}

/// Who asks for messages of ours, and how.
#[derive(Debug)]
pub(super) enum Asked {
    /// A peer that is connected.
    Directly {
        /// For the answer.
        token: RequestToken,
        /// What.
        range: Range,
    },
    /// A letter.
    ByMail {
        /// It: taken once what comes of it is on disk.
        envelope: EnvelopeKey,
        /// Of which chain.
        device: DeviceId,
        /// What, in order.
        numbers: Vec<u64>,
    },
}

impl Asked {
    const fn device(&self) -> DeviceId {
        match self {
            Self::Directly { range, .. } => range.device,
            Self::ByMail { device, .. } => *device,
        }
    }

    fn numbers(&self) -> Vec<u64> {
        match self {
            Self::Directly { range, .. } => (range.from..=range.to).collect(),
            Self::ByMail { numbers, .. } => numbers.clone(),
        }
    }
}

/// Part of a chain: whose, and from where to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) device: DeviceId,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Gap {
    /// A number arrived that is further ahead than we remember gaps for.
    pub(super) const fn too_far(&mut self, device: DeviceId, seq: u64) {
        self.beyond_window = Some((device, seq));
        self.far = self.beyond_window;
    }

    /// Asks at once for what is still missing.
    pub(super) fn try_now(&mut self, now: Mono) {
        self.asked = 0;
        self.ask_at = self.ask_at.map(|_| now);
    }

    /// When to ask.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.ask_at.filter(|_| self.asking.is_none()).into_iter().chain(self.mail_at).min()
    }

    /// What was asked for is decided; the next gap, if any, gets its own patience.
    pub(super) const fn decided(&mut self) {
        self.ask_at = None;
        self.asked = 0;
        self.far = None;
        self.mail_at = None;
    }

    /// Our own history is being read for them. A question that was lost is not.
    pub(super) fn is_loading(&self, now: Mono) -> bool {
        self.loading.is_some_and(|(_, lost_at)| now < lost_at)
    }
}

impl<S: CryptoSession> Thread<S> {
    /// The first missing part of their chains.
    fn missing(&self) -> Option<Range> {
        let within = self
            .chains
            .iter()
            .find_map(|(device, chain)| chain.gap().map(|(from, to)| Range { device: *device, from, to }));
        within.or_else(|| {
            let (device, seq) = self.gap.beyond_window?;
            let (from, to) = self.chains.get(&device)?.missing_before(seq)?;
            Some(Range { device, from, to })
        })
    }

    /// Their question cannot be answered now.
    fn ask_later(&mut self, asked: Asked, step: &mut Step) {
        match asked {
            Asked::Directly { token, .. } => {
                step.respond(token, Answer::Refused { reason: Refusal::Busy }.encode());
            }
            // It stays in the mailbox, and comes again.
            Asked::ByMail { .. } => self.gap.answered_by_mail = None,
        }
    }
}

impl<P: CryptoProvider> Messenger<P> {
    /// Asks a person for what is missing of their messages, if it is time.
    pub(super) fn mind_the_gap(&mut self, peer: NodeId, step: &mut Step) {
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        // Whoever we asked to be our contact may have accepted in words that lie beyond the gap.
        let Some(range) = thread.missing().filter(|_| thread.allowed().is_some()) else {
            thread.gap.decided();
            thread.gap.beyond_window = None;
            thread.gap.gone_since = None;
            return;
        };
        let at = *thread.gap.ask_at.get_or_insert(step.now.mono.after(limits::GAP_PATIENCE));
        if thread.gap.asking.is_some() || step.now.mono < at {
            return;
        }
        let op = self.ops.next_id();
        self.pending.insert(op, Pending::Repair { peer, range });
        thread.gap.asking = Some(op);
        thread.gap.beyond_window = None;
        let wait = limits::REPAIR_RETRY * 2u32.pow(thread.gap.asked.min(8));
        thread.gap.ask_at = Some(step.now.mono.after(wait.min(limits::RETRY_MAX)));
        thread.gap.asked = thread.gap.asked.saturating_add(1);
        let payload = Request::Repair { device: range.device, from: range.from, to: range.to }.encode();
        step.send(NetCommand::Request { op, to: peer, protocol: Protocol::Message, payload });
    }

    /// They answered what will come and what is gone, or did not. What is gone at its sender may still come by mailbox: what disappears does so at its
    /// sender first. It is passed over once our mailboxes have been looked into since.
    pub(super) fn repair_answered(
        &mut self,
        peer: NodeId,
        op: OpId,
        range: Range,
        result: Result<Answer, NetError>,
        step: &mut Step,
    ) {
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        if thread.gap.asking.take_if(|asked| *asked == op).is_none() {
            return;
        }
        step.touch(peer);
        let Ok(Answer::Repairing { mut gone }) = result else { return };
        gone.retain(|seq| (range.from..=range.to).contains(seq));
        if gone.is_empty() {
            return;
        }
        let since = *thread.gap.gone_since.get_or_insert(step.now.mono);
        if step.now.mono < since.after(limits::GONE_PATIENCE) {
            return;
        }
        if thread.chain_mut(range.device).is_some_and(|chain| chain.skip(&gone)) {
            thread.gap.decided();
        }
    }

    /// A contact misses messages of ours.
    pub(super) fn repair_asked(
        &mut self,
        from: NodeId,
        token: RequestToken,
        device: DeviceId,
        first: u64,
        last: u64,
        step: &mut Step,
    ) {
        let refuse = |reason| Answer::Refused { reason }.encode();
        let Some(thread) = self.threads.get_mut(&from).filter(|thread| thread.is_accepted()) else {
            return step.respond(token, refuse(Refusal::Undecided));
        };
        if thread.gap.is_loading(step.now.mono) {
            return step.respond(token, refuse(Refusal::Busy));
        }
        // Numbers that we have not given yet are not gone: they will be given.
        let last = if device == self.device.device { last.min(thread.conversation.sent_seq) } else { last };
        if last < first {
            return step.respond(token, Answer::Repairing { gone: Vec::new() }.encode());
        }
        let range = Range { device, from: first, to: last };
        self.load_for_repair(from, Asked::Directly { token, range }, (first, last), step);
    }

    /// Has our history read for somebody who misses messages of ours.
    pub(super) fn load_for_repair(
        &mut self,
        peer: NodeId,
        asked: Asked,
        (from, to): (u64, u64),
        step: &mut Step,
    ) {
        let (op, device) = (self.ops.next_id(), asked.device());
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        if let Some((lost, _)) =
            thread.gap.loading.replace((op, step.now.mono.after(limits::QUESTION_PATIENCE)))
        {
            self.pending.remove(&lost);
        }
        self.pending.insert(op, Pending::LoadForRepair { peer, asked });
        let conversation = ConversationId::direct(peer);
        step.after(Out::Load { op, conversation, device, from, to });
    }

    /// Something of our history is gone since it began to be read for them: they are to ask again.
    pub(super) fn stop_loading(&mut self, peer: NodeId, step: &mut Step) {
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        let Some((op, _)) = thread.gap.loading.take() else { return };
        if let Some(Pending::LoadForRepair { asked, .. }) = self.pending.remove(&op) {
            thread.ask_later(asked, step);
        }
    }

    /// Our history was read: what is there is delivered again.
    pub(super) fn loaded_for_repair(
        &mut self,
        peer: NodeId,
        asked: Asked,
        rows: Vec<MessageRow>,
        step: &mut Step,
    ) {
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        thread.gap.loading = None;
        if !thread.is_accepted() {
            return match asked {
                Asked::Directly { token, .. } => {
                    step.respond(token, Answer::Refused { reason: Refusal::Undecided }.encode());
                }
                Asked::ByMail { envelope, .. } => step.taken(envelope),
            };
        }
        let device = asked.device();
        let mut gone = asked.numbers();
        gone.retain(|seq| thread.outbox.content(Key::Content(device, *seq)).is_none());
        for row in rows {
            let content = row.content;
            let Ok(place) = gone.binary_search(&content.seq) else { continue };
            let ours = row.sender == self.account && content.device == device;
            // What was taken back is gone from our disk, too.
            if !ours || row.state == MessageState::NotDelivered || content.body.is_erased() {
                continue;
            }
            let bytes = content.encode().len();
            if !thread.outbox.has_room(bytes) {
                step.touch(peer);
                return thread.ask_later(asked, step);
            }
            gone.remove(place);
            if matches!(row.state, MessageState::Waiting | MessageState::Stored) {
                thread.outbox.push_content(content, bytes, step.now.unix);
            } else {
                thread.outbox.push_again(content, bytes, step.now.unix);
            }
        }
        thread.lane.try_now();
        thread.post.try_now();
        step.touch(peer);
        match asked {
            Asked::Directly { token, .. } => step.respond(token, Answer::Repairing { gone }.encode()),
            Asked::ByMail { envelope, device, .. } => self.answer_by_mail(peer, envelope, device, gone, step),
        }
    }
}
