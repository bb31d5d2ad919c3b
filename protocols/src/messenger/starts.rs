//! Beginning sessions: ours, theirs, and both at once.
//!
//! In: cards that were looked up, `Start` items of peers. Out: a session in use, and what goes with it.
//!
//! When both sides start one at the same time, the session of the one with the lower id stays. A later start of the same installation
//! replaces its earlier one (it was restored, or gave the old one up); an older one is a replay and never joined again, because joining twice
//! would use keys twice. Whatever waits is sealed anew in the session that stays, under its old name and number.

use super::{
    Out,
    content::Hlc,
    delivery::Trouble,
    machine::Messenger,
    names::clean_name,
    rows::{ContactRow, SessionRow, Standing},
    session::{CryptoProvider, CryptoSession, SessionError},
    step::Step,
    thread::Thread,
    wire::{Item, Outcome, Refusal},
};
use crate::{
    dht::ResolveError,
    id::{DeviceId, NodeId, SessionId},
    limits,
    machine::OpId,
    net::{NetCommand, Peer},
    record::Card,
    time::UnixMillis,
};

/// A `Start` item, taken apart.
pub(super) struct Start {
    pub(super) session: SessionId,
    pub(super) device: DeviceId,
    pub(super) created: UnixMillis,
    pub(super) name: String,
    pub(super) invitation: Option<serde_bytes::ByteBuf>,
    pub(super) welcome: serde_bytes::ByteBuf,
}

impl<P: CryptoProvider> Messenger<P> {
    /// The card of a person was found, or not.
    pub(super) fn resolved(
        &mut self,
        peer: NodeId,
        op: OpId,
        result: Result<Card, ResolveError>,
        step: &mut Step,
    ) {
        let Some(thread) = self.threads.get_mut(&peer) else { return };
        if thread.lane.resolving.take_if(|(asked, _)| *asked == op).is_none() {
            return;
        }
        step.touch(peer);
        let needs_session = thread.sessions.is_empty() || thread.lane.renew;
        let card = match result {
            Ok(card) if card.node == peer => card,
            Ok(_) | Err(ResolveError::NotFound | ResolveError::Busy) => {
                if needs_session {
                    thread.lane.back_off(Trouble::NotFound, step.now.mono, &mut self.rng);
                }
                return;
            }
            Err(ResolveError::Alone) => {
                if needs_session {
                    thread.lane.back_off(Trouble::Alone, step.now.mono, &mut self.rng);
                }
                return;
            }
        };
        if let Some(key) = card.mailbox_key() {
            thread.found_mailbox(key);
        }
        let Some(contact) = thread.contact.as_ref() else { return };
        let moved = contact.addresses != card.addresses;
        if moved && let Some(contact) = thread.contact_mut() {
            contact.addresses.clone_from(&card.addresses);
            contact.addresses.truncate(limits::MAX_ADDRESSES);
        }
        let addresses = card.addresses;
        step.after(Out::Net(NetCommand::Learn { peer: Peer { node: peer, addresses } }));
        if !needs_session {
            if moved {
                thread.lane.retry_at_once();
            }
            return;
        }
        if !thread.has_work() {
            return;
        }
        match self.provider.start(peer, &card.key_package, step.now.unix) {
            Ok((session, welcome)) => {
                thread.begin(session, welcome, self.name.as_deref(), step);
                thread.lane.trouble = None;
                thread.lane.retry_at_once();
            }
            Err(_) => thread.lane.back_off(Trouble::NotFound, step.now.mono, &mut self.rng),
        }
    }

    /// A peer starts a session. Strangers come in by this door only.
    pub(super) fn start_received(&mut self, from: NodeId, start: Start, step: &mut Step) -> Outcome {
        let known = self.threads.get(&from);
        let standing = known.and_then(Thread::standing);
        if standing == Some(Standing::Blocked) {
            return Outcome::Refused { reason: Refusal::Undecided };
        }
        if let Some(thread) = known {
            if thread.sessions.has(start.session) {
                return Outcome::Stored;
            }
            if thread.chains.get(&start.device).is_some_and(|chain| chain.started() >= start.created) {
                return Outcome::Refused { reason: Refusal::Invalid };
            }
        }
        let invited = self.is_invited(start.invitation.as_ref().map(|token| token.as_slice()), step.now.unix);
        if standing.is_none() && !self.has_room_for_stranger(invited) {
            return Outcome::Refused { reason: Refusal::Busy };
        }
        if known.is_some_and(|thread| thread.keeps_own(self.account, from)) {
            // They asked us as we asked them: that is decided, whichever session stays.
            if standing == Some(Standing::Requested) {
                self.become_contacts(from, step);
            } else {
                self.thread_mut(from).give_passes_again();
            }
            return Outcome::Refused { reason: Refusal::Crossed };
        }
        if known.is_some_and(|thread| thread.chains.len() >= limits::MAX_CHAINS)
            && known.is_some_and(|thread| !thread.chains.contains_key(&start.device))
        {
            return Outcome::Refused { reason: Refusal::Busy };
        }
        let session = match self.provider.join(start.session, from, &start.welcome, step.now.unix) {
            Ok(session) => session,
            Err(SessionError::NotForThisDevice) => return Outcome::Refused { reason: Refusal::NoSession },
            Err(_) => return Outcome::Refused { reason: Refusal::Unreadable },
        };
        let row = SessionRow {
            account: self.account,
            peer: from,
            session: start.session,
            creator: from,
            created: start.created,
            confirmed: true,
            rank: 0,
            followed: None,
        };
        let account = self.account;
        let thread = self.thread_mut(from);
        if let Some(chain) = thread.chain_mut(start.device) {
            chain.start(start.created);
        }
        thread.sessions.remove_unconfirmed();
        thread.take_into_use(account, row, session, step);
        self.admit(from, standing, invited, &start, step);
        Outcome::Stored
    }

    /// What a start means for how we stand.
    fn admit(
        &mut self,
        from: NodeId,
        standing: Option<Standing>,
        invited: bool,
        start: &Start,
        step: &mut Step,
    ) {
        let name = clean_name(&start.name);
        let account = self.account;
        let thread = self.thread_mut(from);
        match standing {
            None => {
                thread.put_contact(ContactRow {
                    account,
                    peer: from,
                    standing: Standing::Asking,
                    alias: None,
                    name,
                    addresses: Vec::new(),
                    invitation: None,
                    request: None,
                    before_block: None,
                    since: step.now.unix,
                    passes: Vec::new(),
                    given: 0,
                    given_pins: Vec::new(),
                    passes_as_of: Hlc::default(),
                    told: None,
                    name_as_of: Hlc::default(),
                    receipts: None,
                });
            }
            Some(Standing::Asking | Standing::Requested | Standing::Accepted | Standing::Blocked) => {
                if name.is_some()
                    && thread.contact.as_ref().is_some_and(|contact| contact.name != name)
                    && let Some(contact) = thread.contact_mut()
                {
                    contact.name = name;
                }
            }
        }
        match standing {
            None | Some(Standing::Asking) if !invited => {}
            Some(Standing::Blocked) => {}
            None | Some(Standing::Asking | Standing::Requested) => {
                if let Some(token) = start.invitation.as_ref().filter(|_| invited) {
                    self.use_up(token, step);
                }
                self.become_contacts(from, step);
            }
            // They may have forgotten that we are contacts, or ask because they removed us: say it again.
            Some(Standing::Accepted) => {
                self.say_accepted(from, step);
                self.thread_mut(from).give_passes_again();
            }
        }
    }

    /// From now on we are contacts, and they are told.
    pub(super) fn become_contacts(&mut self, peer: NodeId, step: &mut Step) {
        let thread = self.thread_mut(peer);
        if let Some(contact) = thread.contact_mut() {
            contact.standing = Standing::Accepted;
        }
        thread.lane.try_now();
        thread.presence.tell_again();
        thread.gap.try_now(step.now.mono);
        step.touch(peer);
        step.roster_changed = true;
        self.say_accepted(peer, step);
    }
}

impl<S: CryptoSession> Thread<S> {
    /// Whether our own start, of which we do not know whether it arrived, goes before one of theirs.
    pub(super) fn keeps_own(&self, account: NodeId, peer: NodeId) -> bool {
        !self.lane.renew
            && account < peer
            && self.sessions.current().is_some_and(|current| current.creator == account && !current.confirmed)
    }

    /// Takes a session of our own into use: its start goes first.
    fn begin(&mut self, session: S, welcome: Vec<u8>, name: Option<&str>, step: &mut Step) {
        let conversation = self.conversation_mut();
        let created = step.now.unix.max(UnixMillis(conversation.started.0.saturating_add(1)));
        conversation.started = created;
        let (account, peer, device) =
            (conversation.account, conversation.conversation.peer(), conversation.device);
        let row = SessionRow {
            account,
            peer,
            session: session.id(),
            creator: account,
            created,
            confirmed: false,
            rank: 0,
            followed: None,
        };
        let start = Item::Start {
            session: row.session,
            device,
            created,
            name: name.unwrap_or_default().to_owned(),
            invitation: self.contact.as_ref().and_then(|contact| contact.invitation.clone()),
            welcome: serde_bytes::ByteBuf::from(welcome),
        };
        self.take_into_use(account, row, session, step);
        self.outbox.push_control(start, step.now.unix);
        // A start that crosses with one of theirs is not looked into: only a request tells the name for sure.
        if self.standing() == Some(Standing::Requested)
            && let Some(name) = name
        {
            self.note_told(name);
        }
    }

    /// Seals in this session from now on. Its first refresh is due at once: a key package may serve more than once.
    fn take_into_use(&mut self, account: NodeId, row: SessionRow, session: S, step: &mut Step) {
        let id = row.session;
        self.sessions.adopt(row, session);
        self.unseal_all_but(account, Some(id), step);
        self.lane.renew = false;
        self.lane.retry_at_once();
        let conversation = self.conversation_mut();
        conversation.since_refresh = limits::REFRESH_AFTER_MESSAGES;
        conversation.refreshed = step.now.unix;
    }
}
