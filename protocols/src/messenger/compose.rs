//! Making messages of our own: the next link of our chain, in history and in the outbox at once.
//!
//! In: a body and its name. Out: the message as stored; its rows are in the step's batch, so the answer to the caller
//! follows the disk. A name that was used before gives the message that has it.
//! Not here: encryption and sending ([`super::delivery`]): a message waits in the clear, in the sealed database, until its turn.

use super::{
    CommandError, Event, Out, Reply,
    content::{Body, Content, ContentError},
    machine::{Messenger, Pending},
    outbox::Key,
    rows::{Change, MessageRow, MessageState, Recent, Standing, Timed, TimerChange},
    session::{CryptoProvider, CryptoSession},
    step::Step,
    thread::Thread,
};
use crate::{
    id::{ConversationId, MsgId, NodeId},
    limits,
    machine::CallId,
};

impl<P: CryptoProvider> Messenger<P> {
    /// Carries `Send` and `SendFile` out.
    pub(super) fn send_entry(
        &mut self,
        call: CallId,
        conversation: ConversationId,
        id: MsgId,
        body: Body,
        step: &mut Step,
    ) {
        let peer = conversation.peer();
        let device = self.device.device;
        let Some(thread) = self.threads.get_mut(&peer) else {
            return step.reply(call, Err(self.unknown(peer)));
        };
        // Repetitions are answered whatever has happened between us since.
        if let Some(waiting) = thread.outbox.content_by_id(id) {
            let content = waiting.content.clone();
            let state = thread.outbox.state(waiting);
            let row = own_row(self.account, conversation, content, state, waiting.since);
            return step.reply(call, Ok(Reply::Sent(Box::new(row))));
        }
        if let Some(Recent { seq, .. }) = thread.conversation.recent.iter().find(|recent| recent.id == id) {
            let (op, seq) = (self.ops.next_id(), *seq);
            self.pending.insert(op, Pending::LoadSent { call, id });
            return step.after(Out::Load { op, conversation, device, from: seq, to: seq });
        }
        // Contacts only.
        let offers = matches!(body, Body::File { .. } | Body::Timer { .. });
        let refusal = match thread.standing() {
            // Who has not said that they want to hear from us is not sent files.
            Some(Standing::Requested) if offers => Some(CommandError::UnknownPeer),
            None => Some(self.unknown(peer)),
            Some(Standing::Asking) => Some(CommandError::AcceptFirst),
            Some(Standing::Blocked) => Some(CommandError::Blocked),
            Some(Standing::Requested | Standing::Accepted) => body.check().err().map(bad_text),
        };
        if let Some(refusal) = refusal {
            return step.reply(call, Err(refusal));
        }
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        if !thread.outbox.has_room(text_bytes(&body)) {
            let what = "too many messages wait for this person; they go out when they are reached".to_owned();
            return step.reply(call, Err(CommandError::Full { what }));
        }
        let row = thread.compose(self.account, id, body, step);
        step.touch(peer);
        step.reply(call, Ok(Reply::Sent(row)));
    }

    fn unknown(&self, peer: NodeId) -> CommandError {
        if peer == self.account { CommandError::Yourself } else { CommandError::UnknownPeer }
    }

    /// Answers a repeated `Send` with the message read back from history.
    pub(super) fn loaded_sent(&self, call: CallId, id: MsgId, rows: Vec<MessageRow>, step: &mut Step) {
        let found = rows.into_iter().find(|row| row.content.id == id && row.sender == self.account);
        step.reply(
            call,
            found.map_or_else(
                || {
                    let what = "a message of this id was sent before and is no longer in your history";
                    Err(CommandError::BadText { what: what.to_owned() })
                },
                |row| Ok(Reply::Sent(Box::new(row))),
            ),
        );
    }
}

impl<S: CryptoSession> Thread<S> {
    /// Makes the next message of our chain.
    pub(super) fn compose(
        &mut self,
        account: NodeId,
        id: MsgId,
        body: Body,
        step: &mut Step,
    ) -> Box<MessageRow> {
        let now = step.now.unix;
        let conversation = self.conversation_mut();
        let content = Content {
            id,
            device: conversation.device,
            seq: conversation.sent_seq.saturating_add(1),
            prev_hash: conversation.sent_hash,
            parents: conversation.heads.clone(),
            hlc: conversation.hlc.next(now),
            lasts: conversation.timer.filter(|_| body.disappears()),
            body,
        };
        let encoded = content.encode();
        conversation.sent_seq = content.seq;
        conversation.sent_hash = Content::hash(&encoded);
        conversation.hlc = content.hlc;
        conversation.recent.push(Recent { id, seq: content.seq });
        if conversation.recent.len() > limits::MAX_RECENT {
            conversation.recent.remove(0);
        }
        self.note_head(id, &content.parents);
        self.note_entry(&content, true, now);
        match &content.body {
            Body::Edit { target, text } => self.note_amended(*target, true, content.hlc, Some(text)),
            Body::Delete { target } => self.note_amended(*target, true, content.hlc, None),
            Body::Timer { lasts } => self.note_timer(&content, *lasts),
            _ => {}
        }
        self.outbox.push_content(content.clone(), encoded.len(), now);
        let row =
            Box::new(own_row(account, self.conversation.conversation, content, MessageState::Waiting, now));
        step.write(Change::PutMessage(row.clone()));
        report_new(&row, step);
        row
    }

    /// A message of ours is on their disk, or was given up.
    pub(super) fn settle(&mut self, account: NodeId, key: Key, state: MessageState, step: &mut Step) {
        if let Some(content) = self.outbox.remove(key) {
            let conversation = self.conversation.conversation;
            report_state(account, conversation, &content, state, step);
        }
    }
}

/// Publishes a message that is new on this disk, or what became of an earlier one by it.
pub(super) fn report_new(row: &MessageRow, step: &mut Step) {
    let body = &row.content.body;
    if body.is_entry() {
        step.publish(Event::MessageAdded(Box::new(row.clone())));
    }
    if let Some(id) = body.target() {
        let (account, conversation) = (row.account, row.conversation);
        step.publish(Event::MessageAmended { account, conversation, id });
    }
}

/// Writes and publishes the state of a message of ours.
pub(super) fn report_state(
    account: NodeId,
    conversation: ConversationId,
    content: &Content,
    state: MessageState,
    step: &mut Step,
) {
    let (hlc, id) = (content.hlc, content.id);
    step.write(Change::SetState { account, conversation, hlc, id, state });
    // It has left, or never will.
    if content.lasts.is_some() && state != MessageState::Waiting {
        let timed = Timed { account, conversation, hlc, id };
        step.write(Change::Timer(TimerChange::Start { timed, from: step.now.unix }));
        step.timers_began = true;
    }
    if content.body.is_entry() {
        step.publish(Event::MessageState { account, conversation, id, state });
    }
}

fn own_row(
    account: NodeId,
    conversation: ConversationId,
    content: Content,
    state: MessageState,
    stored: crate::time::UnixMillis,
) -> MessageRow {
    MessageRow { account, conversation, sender: account, content, state, stored, chain_broken: false }
}

/// Says what is wrong with a text.
pub(super) fn bad_text(error: ContentError) -> CommandError {
    let what = match error {
        ContentError::Empty { .. } => "a message needs some text".to_owned(),
        ContentError::NoEmoji => "a reaction is one emoji".to_owned(),
        ContentError::TooLong { field, max } => format!("a {field} may be {max} bytes at most"),
        other @ (ContentError::Decode(_)
        | ContentError::NoSequence
        | ContentError::BadPass
        | ContentError::BadOffer(_)
        | ContentError::BadTimer
        | ContentError::BadClock) => other.to_string(),
    };
    CommandError::BadText { what }
}

fn text_bytes(body: &Body) -> usize {
    match body {
        Body::Text { text, .. } | Body::Edit { text, .. } => text.len(),
        Body::File { offer } => offer.what.name().len(),
        Body::Accepted { .. }
        | Body::Delete { .. }
        | Body::Reaction { .. }
        | Body::Read { .. }
        | Body::Timer { .. }
        | Body::Mailbox { .. } => 0,
    }
}
