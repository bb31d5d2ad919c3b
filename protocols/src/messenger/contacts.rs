//! What the account's person decides about people: ask, accept, block, rename, remove, invite.
//!
//! In: commands. Out: the changed entry, durable before the caller hears of it. People are told nothing but what
//! they have to know: a request, and that it was accepted.
//! Not here: requests of others as they arrive ([`super::starts`]).

use super::{
    CommandError, Event, Out, Reply,
    content::{Body, Hlc},
    machine::Messenger,
    names::clean_name,
    rows::{Change, ContactRow, InvitationRow, Standing},
    session::CryptoProvider,
    step::Step,
};
use crate::{
    id::{MsgId, NodeId},
    limits,
    net::{Address, NetCommand, Peer},
    time::UnixMillis,
};
use rand_core::Rng as _;

/// Length of an invitation's secret, in bytes: nobody guesses 128 bits.
const TOKEN_BYTES: usize = 16;

/// An `AddContact` command, taken apart.
pub(super) struct Request {
    pub(super) peer: NodeId,
    pub(super) alias: Option<String>,
    pub(super) name: Option<String>,
    pub(super) text: String,
    pub(super) invitation: Option<Vec<u8>>,
    pub(super) addresses: Vec<Address>,
}

impl<P: CryptoProvider> Messenger<P> {
    /// Asks someone to become a contact; accepts someone who asked us.
    pub(super) fn add_contact(&mut self, request: Request, step: &mut Step) -> Result<Reply, CommandError> {
        let Request { peer, alias, name, text, invitation, mut addresses } = request;
        if peer == self.account {
            return Err(CommandError::Yourself);
        }
        let alias = alias.map(checked_alias).transpose()?.flatten();
        check_request_text(&text)?;
        match self.standing(peer) {
            Some(Standing::Blocked) => return Err(CommandError::Blocked),
            Some(Standing::Accepted) => return Err(CommandError::AlreadyContact),
            Some(Standing::Requested) => return Err(CommandError::AlreadyAsked),
            Some(Standing::Asking) => {
                if let Some(contact) = self.thread_mut(peer).contact_mut() {
                    contact.alias = alias.or_else(|| contact.alias.take());
                }
                self.become_contacts(peer, step);
                self.say(peer, text, step);
                return Ok(self.contact_reply(peer));
            }
            None => self.check_room_for_contact()?,
        }
        if invitation.as_ref().is_some_and(|token| token.len() > 32) {
            return Err(CommandError::BadText {
                what: "this invitation is not complete or not valid".to_owned(),
            });
        }
        addresses.truncate(limits::MAX_ADDRESSES);
        if !addresses.is_empty() {
            let addresses = addresses.clone();
            step.after(Out::Net(NetCommand::Learn { peer: Peer { node: peer, addresses } }));
        }
        let account = self.account;
        self.thread_mut(peer).put_contact(ContactRow {
            account,
            peer,
            standing: Standing::Requested,
            alias,
            name: name.as_deref().filter(|name| name.len() <= limits::MAX_NAME_BYTES).and_then(clean_name),
            addresses,
            invitation: invitation.map(serde_bytes::ByteBuf::from),
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
        let request = self.say(peer, text, step);
        if let Some(contact) = self.thread_mut(peer).contact_mut() {
            contact.request = request;
        }
        self.thread_mut(peer).lane.try_now();
        step.roster_changed = true;
        step.touch(peer);
        Ok(self.contact_reply(peer))
    }

    /// Writes a text of our own that no caller has named, if there is any.
    fn say(&mut self, peer: NodeId, text: String, step: &mut Step) -> Option<MsgId> {
        if text.trim().is_empty() {
            return None;
        }
        let (account, id) = (self.account, self.random_id());
        self.thread_mut(peer).compose(account, id, Body::Text { text, reply_to: None }, step);
        Some(id)
    }

    /// Accepts someone who asked.
    pub(super) fn accept(&mut self, peer: NodeId, step: &mut Step) -> Result<Reply, CommandError> {
        match self.standing(peer) {
            None => return Err(CommandError::UnknownPeer),
            Some(Standing::Requested) => return Err(CommandError::NotAsking),
            Some(Standing::Accepted) => return Err(CommandError::AlreadyContact),
            Some(Standing::Blocked) => return Err(CommandError::Blocked),
            Some(Standing::Asking) => self.become_contacts(peer, step),
        }
        Ok(self.contact_reply(peer))
    }

    /// Hears nothing more of someone, known or not.
    pub(super) fn block(&mut self, peer: NodeId, step: &mut Step) -> Result<Reply, CommandError> {
        if peer == self.account {
            return Err(CommandError::Yourself);
        }
        if self.standing(peer).is_none() {
            self.check_room_for_contact()?;
            let account = self.account;
            self.thread_mut(peer).put_contact(ContactRow {
                account,
                peer,
                standing: Standing::Blocked,
                alias: None,
                name: None,
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
        if let Some(contact) = self.thread_mut(peer).contact_mut()
            && contact.standing != Standing::Blocked
        {
            contact.before_block = Some(contact.standing);
            contact.standing = Standing::Blocked;
        }
        let account = self.account;
        self.thread_mut(peer).unpack_all(account, step);
        step.roster_changed = true;
        step.touch(peer);
        Ok(self.contact_reply(peer))
    }

    /// Undoes a block: who was a contact or was asked is so again, a stranger is forgotten.
    pub(super) fn unblock(&mut self, peer: NodeId, step: &mut Step) -> Result<Reply, CommandError> {
        if self.standing(peer) != Some(Standing::Blocked) {
            return Err(CommandError::UnknownPeer);
        }
        let thread = self.thread_mut(peer);
        let before = thread.contact.as_ref().and_then(|contact| contact.before_block);
        let Some(before) = before.filter(|before| matches!(before, Standing::Accepted | Standing::Requested))
        else {
            return self.remove(peer, step);
        };
        if let Some(contact) = thread.contact_mut() {
            contact.standing = before;
            contact.before_block = None;
        }
        thread.lane.try_now();
        thread.post.try_now();
        thread.presence.tell_again();
        step.roster_changed = true;
        step.touch(peer);
        Ok(self.contact_reply(peer))
    }

    /// Gives a contact a name of our own, or takes it away.
    pub(super) fn rename(
        &mut self,
        peer: NodeId,
        alias: Option<String>,
        step: &mut Step,
    ) -> Result<Reply, CommandError> {
        let alias = alias.map(checked_alias).transpose()?.flatten();
        if self.standing(peer).is_none() {
            return Err(CommandError::UnknownPeer);
        }
        if let Some(contact) = self.thread_mut(peer).contact_mut() {
            contact.alias = alias;
        }
        step.touch(peer);
        Ok(self.contact_reply(peer))
    }

    /// Chooses whether a person is told what was read.
    pub(super) fn set_receipts(
        &mut self,
        peer: NodeId,
        receipts: Option<bool>,
        step: &mut Step,
    ) -> Result<Reply, CommandError> {
        if self.standing(peer).is_none() {
            return Err(CommandError::UnknownPeer);
        }
        let settings = self.settings;
        let thread = self.thread_mut(peer);
        if let Some(contact) = thread.contact_mut() {
            contact.receipts = receipts;
        }
        thread.forget_untold(settings);
        step.touch(peer);
        Ok(self.contact_reply(peer))
    }

    /// Forgets a contact or a request. What waits for them is given up; history stays.
    pub(super) fn remove(&mut self, peer: NodeId, step: &mut Step) -> Result<Reply, CommandError> {
        if self.standing(peer).is_none() {
            return Err(CommandError::UnknownPeer);
        }
        let account = self.account;
        let thread = self.thread_mut(peer);
        thread.drop_outbox(account, step);
        thread.sessions.clear();
        thread.contact = None;
        thread.shown = None;
        thread.lane = super::delivery::Lane::default();
        thread.post = super::post::Post::default();
        thread.drop_receipts(account, step);
        thread.presence = super::presence::Presence::default();
        thread.gap = super::repair::Gap::default();
        if thread.conversation.unread > 0 {
            thread.conversation_mut().unread = 0;
            // Nobody will open it any more.
            thread.start_timers(step);
        }
        step.write(Change::RemoveContact { account, peer });
        step.publish(Event::ContactRemoved { account, peer });
        step.roster_changed = true;
        step.touch(peer);
        Ok(Reply::Done)
    }

    /// Everything received in a conversation has been seen.
    pub(super) fn mark_read(&mut self, peer: NodeId, step: &mut Step) -> Result<Reply, CommandError> {
        let (id, settings) = (self.random_id(), self.settings);
        let Some(thread) = self.threads.get_mut(&peer) else { return Err(CommandError::UnknownPeer) };
        if thread.conversation.unread > 0 {
            let told = thread.tells_receipts(settings) && thread.is_accepted();
            let conversation = thread.conversation_mut();
            conversation.unread = 0;
            let ids = std::mem::take(&mut conversation.unread_ids);
            // Who has not said yes to them, or has blocked them, tells them nothing.
            if !ids.is_empty() && told && thread.outbox.has_room(0) {
                thread.compose(self.account, id, Body::Read { ids }, step);
            }
            thread.start_timers(step);
            step.touch(peer);
        }
        Ok(Reply::Done)
    }

    /// Makes the secret of an invitation link.
    pub(super) fn invite(&mut self, step: &mut Step) -> Result<Reply, CommandError> {
        self.drop_expired_invitations(step);
        if self.invitations.len() >= limits::MAX_INVITATIONS {
            let what = format!(
                "{} invitations are open; each ends after seven days or when it is used",
                limits::MAX_INVITATIONS
            );
            return Err(CommandError::Full { what });
        }
        let mut token = vec![0; TOKEN_BYTES];
        self.rng.fill_bytes(&mut token);
        let expires = step.now.unix.after(limits::INVITATION_LIFETIME);
        let row = InvitationRow { account: self.account, token: token.clone(), expires };
        self.invitations.insert(token.clone(), row.clone());
        step.write(Change::PutInvitation(row));
        Ok(Reply::Invitation { token, expires })
    }

    /// Forgets invitations that can no longer be used.
    pub(super) fn drop_expired_invitations(&mut self, step: &mut Step) {
        let (account, now) = (self.account, step.now.unix);
        self.invitations.retain(|token, row| {
            let open = now < row.expires;
            if !open {
                step.write(Change::RemoveInvitation { account, token: token.clone() });
            }
            open
        });
    }

    /// Whether a token is one of ours that can still be used.
    pub(super) fn is_invited(&self, token: Option<&[u8]>, now: UnixMillis) -> bool {
        token.and_then(|token| self.invitations.get(token)).is_some_and(|row| now < row.expires)
    }

    /// An invitation is good for one person.
    pub(super) fn use_up(&mut self, token: &[u8], step: &mut Step) {
        if self.invitations.remove(token).is_some() {
            step.write(Change::RemoveInvitation { account: self.account, token: token.to_vec() });
        }
    }

    /// Whether one more person may ask, or come by an invitation.
    pub(super) fn has_room_for_stranger(&self, invited: bool) -> bool {
        let asking =
            self.threads.values().filter(|thread| thread.standing() == Some(Standing::Asking)).count();
        (invited || asking < limits::MAX_OPEN_REQUESTS) && self.check_room_for_contact().is_ok()
    }

    fn check_room_for_contact(&self) -> Result<(), CommandError> {
        if self.threads.values().filter(|thread| thread.contact.is_some()).count() < limits::MAX_CONTACTS {
            return Ok(());
        }
        let what = format!("{} people are on your list already; remove some first", limits::MAX_CONTACTS);
        Err(CommandError::Full { what })
    }

    /// How we stand to someone; `None`: strangers.
    pub(super) fn standing(&self, peer: NodeId) -> Option<Standing> {
        self.threads.get(&peer).and_then(super::thread::Thread::standing)
    }

    fn contact_reply(&self, peer: NodeId) -> Reply {
        self.view(peer).map_or(Reply::Done, |view| Reply::Contact(Box::new(view)))
    }

    /// Drawn at random.
    pub(super) fn random_id(&mut self) -> MsgId {
        let mut bytes = [0; MsgId::LEN];
        self.rng.fill_bytes(&mut bytes);
        MsgId::from_bytes(bytes)
    }
}

fn checked_alias(alias: String) -> Result<Option<String>, CommandError> {
    if alias.len() > limits::MAX_NAME_BYTES {
        let what = format!("a name may be {} bytes at most", limits::MAX_NAME_BYTES);
        return Err(CommandError::BadText { what });
    }
    Ok(clean_name(&alias))
}

fn check_request_text(text: &str) -> Result<(), CommandError> {
    if text.len() <= limits::MAX_REQUEST_TEXT_BYTES {
        return Ok(());
    }
    let what = format!("the text of a request may be {} bytes at most", limits::MAX_REQUEST_TEXT_BYTES);
    Err(CommandError::BadText { what })
}
