//! What peers send us: each item is judged, opened and written, and only then acknowledged.
//!
//! In: a batch of items. Out: one outcome for each; all rows of the batch are in the step's one write, and the answer follows it.
//! A repetition is known by its number and never opened again. Who has not been accepted gets one session and one
//! content; nothing else of theirs is opened, so that their ciphertext stays good for later.

use super::{
    Event, Out,
    chain::Place,
    compose::report_new,
    content::{Body, Content},
    machine::Messenger,
    rows::{Change, MessageRow, MessageState, Standing},
    session::{CryptoProvider, CryptoSession, SessionError},
    starts::Start,
    step::Step,
    thread::Thread,
    wire::{Answer, ChainFirst, Item, Outcome, Refusal, Request},
};
use crate::{
    id::{DeviceId, MsgId, NodeId, SessionId},
    limits,
    net::{NetCommand, RequestToken},
};

/// A `Content` item, taken apart.
struct Envelope {
    session: SessionId,
    id: MsgId,
    device: DeviceId,
    seq: u64,
    sealed: serde_bytes::ByteBuf,
    /// Where its chain begins, if nothing of it is known.
    first: u64,
}

impl<P: CryptoProvider> Messenger<P> {
    /// A peer sends a frame.
    pub(super) fn peer_request(
        &mut self,
        from: NodeId,
        token: RequestToken,
        payload: &[u8],
        step: &mut Step,
    ) {
        let request = match Request::decode(payload) {
            Ok(request) if from != self.account => request,
            Ok(_) | Err(_) => {
                let reason = "sent a frame that is no request";
                step.after(Out::Net(NetCommand::Penalise { node: from, reason }));
                return step.respond(token, Answer::Refused { reason: Refusal::Invalid }.encode());
            }
        };
        // Who sends is connected, even if we have not been told in this life.
        self.peer_up(from, step);
        match request {
            Request::Deliver { items } => {
                let outcomes = items.into_iter().map(|item| self.receive(from, item, &[], step)).collect();
                step.touch(from);
                self.retry_postponed(from, step);
                step.respond(token, Answer::Delivered { outcomes }.encode());
            }
            Request::Repair { device, from: first, to } => {
                self.repair_asked(from, token, device, first, to, step);
            }
            Request::Presence { online } => self.presence_heard(from, online, token, step),
            Request::Typing => self.typing_heard(from, token, step),
        }
    }

    /// Deals with one item, whichever way it came. `first`: where chains begin; what is not named begins with the first number seen.
    pub(super) fn receive(
        &mut self,
        from: NodeId,
        item: Item,
        first: &[ChainFirst],
        step: &mut Step,
    ) -> Outcome {
        match item {
            Item::Start { session, device, created, name, invitation, welcome } => {
                let start = Start { session, device, created, name, invitation, welcome };
                self.start_received(from, start, step)
            }
            Item::Refresh { session, epoch, commit } => {
                self.refresh_received(from, session, epoch, &commit, step)
            }
            Item::Content { session, id, device, seq, sealed } => {
                let named = first.iter().find(|first| first.device == device);
                let first = named.map_or(seq, |first| first.seq.min(seq));
                self.content_received(from, &Envelope { session, id, device, seq, sealed, first }, step)
            }
        }
    }

    fn refresh_received(
        &mut self,
        from: NodeId,
        session: SessionId,
        epoch: u64,
        commit: &[u8],
        step: &Step,
    ) -> Outcome {
        let Some(thread) = self.threads.get_mut(&from).filter(|thread| thread.contact.is_some()) else {
            return Outcome::Refused { reason: Refusal::NoSession };
        };
        if matches!(thread.standing(), Some(Standing::Blocked | Standing::Asking)) {
            return Outcome::Refused { reason: Refusal::Undecided };
        }
        let Some(open) = thread.sessions.open(session, &mut self.provider) else {
            return thread.without_session(self.account, from);
        };
        match open.apply_refresh(epoch, commit) {
            Ok(()) => {
                thread.note_refresh(step.now.unix);
                thread.sessions.heard(session);
                thread.sessions.note_followed(session, epoch);
                Outcome::Stored
            }
            Err(SessionError::AlreadyApplied { .. }) => Outcome::Stored,
            Err(_) => Outcome::Refused { reason: Refusal::Unreadable },
        }
    }

    fn content_received(&mut self, from: NodeId, envelope: &Envelope, step: &mut Step) -> Outcome {
        let Some(thread) = self.threads.get_mut(&from).filter(|thread| thread.contact.is_some()) else {
            return Outcome::Refused { reason: Refusal::NoSession };
        };
        let standing = thread.standing();
        if standing == Some(Standing::Blocked) {
            return Outcome::Refused { reason: Refusal::Undecided };
        }
        let place =
            thread.chains.get(&envelope.device).map_or(Place::Open, |chain| chain.place(envelope.seq));
        if place == Place::Known {
            return Outcome::Stored;
        }
        if !thread.sessions.has(envelope.session) {
            return thread.without_session(self.account, from);
        }
        let Some(chain) = thread.chain_mut(envelope.device) else {
            return Outcome::Refused { reason: Refusal::Busy };
        };
        // Whatever becomes of it: it is the sender's first, and what follows it does not make it old.
        chain.begin_at(envelope.first);
        let place = chain.place(envelope.seq);
        if standing == Some(Standing::Asking) && !thread.may_say_its_text(envelope) {
            return Outcome::Refused { reason: Refusal::Undecided };
        }
        if place == Place::TooFar {
            thread.gap.too_far(envelope.device, envelope.seq);
            return Outcome::Refused { reason: Refusal::Busy };
        }
        let Some(open) = thread.sessions.open(envelope.session, &mut self.provider) else {
            return thread.without_session(self.account, from);
        };
        let Ok(plaintext) = open.decrypt(&envelope.sealed) else {
            return Outcome::Refused { reason: Refusal::Unreadable };
        };
        thread.sessions.heard(envelope.session);
        match Content::decode(&plaintext) {
            Ok(content)
                if (content.id, content.device, content.seq)
                    == (envelope.id, envelope.device, envelope.seq) =>
            {
                self.accept_content(from, content, &plaintext, step)
            }
            Ok(_) | Err(_) => Outcome::Refused { reason: Refusal::Invalid },
        }
    }

    /// Takes in a content that was opened and is new.
    fn accept_content(
        &mut self,
        from: NodeId,
        content: Content,
        plaintext: &[u8],
        step: &mut Step,
    ) -> Outcome {
        let (account, settings) = (self.account, self.settings);
        let thread = self.thread_mut(from);
        let asking = thread.standing() == Some(Standing::Asking);
        let too_much = match &content.body {
            Body::Text { text, .. } | Body::Edit { text, .. } => text.len() > limits::MAX_REQUEST_TEXT_BYTES,
            // Strangers offer no files and set nothing.
            Body::File { .. } | Body::Timer { .. } => true,
            _ => false,
        };
        if asking && too_much {
            return Outcome::Refused { reason: Refusal::Invalid };
        }
        let hash = Content::hash(plaintext);
        let Some(chain) = thread.chain_mut(content.device) else {
            return Outcome::Refused { reason: Refusal::Busy };
        };
        let continues = chain.insert(content.seq, hash, content.prev_hash);
        if asking && let Some(contact) = thread.contact_mut() {
            contact.request = Some(content.id);
        }
        thread.note_head(content.id, &content.parents);
        let told = thread.tells_receipts(settings);
        let conversation = thread.conversation_mut();
        conversation.hlc = conversation.hlc.max(content.hlc);
        conversation.since_refresh = conversation.since_refresh.saturating_add(1);
        match &content.body {
            Body::Text { .. } | Body::File { .. } => {
                conversation.unread = conversation.unread.saturating_add(1);
                if told {
                    conversation.unread_ids.push(content.id);
                    let over = conversation.unread_ids.len().saturating_sub(Content::MAX_READ);
                    conversation.unread_ids.drain(..over);
                }
                thread.typing.ended();
                thread.note_entry(&content, false, step.now.unix);
            }
            Body::Accepted { name } => thread.accepted_by_them(name, content.hlc, step),
            Body::Timer { lasts } => thread.note_timer(&content, *lasts),
            Body::Mailbox { passes } => thread.take_passes(passes, content.hlc, step),
            // Of what they did not write nothing changes: `note_amended` and the marks beside the message look whose it is.
            Body::Edit { target, text } => thread.note_amended(*target, false, content.hlc, Some(text)),
            Body::Delete { target } => thread.note_amended(*target, false, content.hlc, None),
            // Who does not tell is not told.
            Body::Read { ids } if told => {
                let conversation = thread.conversation.conversation;
                step.write(Change::SetRead { account, conversation, ids: ids.clone() });
                for id in ids {
                    step.publish(Event::MessageAmended { account, conversation, id: *id });
                }
            }
            Body::Reaction { .. } | Body::Read { .. } => {}
        }
        thread.forget_early();
        thread.lane.retry_if_undecided();
        let row = Box::new(MessageRow {
            account,
            conversation: thread.conversation.conversation,
            sender: from,
            content,
            state: MessageState::Received,
            stored: step.now.unix,
            chain_broken: !continues,
        });
        report_new(&row, step);
        step.write(Change::PutMessage(row));
        Outcome::Stored
    }
}

impl<S: CryptoSession> Thread<S> {
    /// Whether this can be the one content a person may say before we have decided.
    fn may_say_its_text(&self, envelope: &Envelope) -> bool {
        envelope.sealed.len() <= limits::MAX_REQUEST_SEALED_BYTES
            && self.contact.as_ref().is_some_and(|contact| contact.request.is_none())
    }

    /// What to say of an item in a session we do not have.
    fn without_session(&self, account: NodeId, from: NodeId) -> Outcome {
        // Their session crossed with ours, which will reach them.
        let refusal = if self.keeps_own(account, from) { Refusal::Crossed } else { Refusal::NoSession };
        Outcome::Refused { reason: refusal }
    }
}
