//! Everything about one person: how we stand, the conversation, what waits, what was received.
//!
//! The rows of one person and what is only remembered while the node runs, side by side, so that a step touches one
//! [`Thread`]. Changed rows are noted and written once at the end of a step ([`Thread::take_changes`]).

use super::{
    chain::Chain,
    content::{Body, Content, Hlc},
    delivery::Lane,
    outbox::{Allowed, Outbox},
    post::Post,
    presence::Presence,
    receipts::Receipts,
    repair::Gap,
    rows::{Change, ChatSettings, ContactRow, ConversationRow, Early, LastEntry, Standing},
    session::CryptoSession,
    sessions::Sessions,
    typing::Typing,
};
use crate::{
    id::{ConversationId, DeviceId, MsgId, NodeId},
    limits,
    time::{Mono, UnixMillis},
};
use std::collections::{BTreeMap, BTreeSet};

/// One person. See the [module](self).
pub(super) struct Thread<S> {
    /// Our entry for them; `None` when they are unknown or were removed.
    pub(super) contact: Option<ContactRow>,
    /// The conversation, which outlives the contact.
    pub(super) conversation: ConversationRow,
    /// What was received of their chains.
    pub(super) chains: BTreeMap<DeviceId, Chain>,
    /// The sessions with them.
    pub(super) sessions: Sessions<S>,
    /// What waits for them.
    pub(super) outbox: Outbox,
    /// What delivery does right now. Not stored.
    pub(super) lane: Lane,
    /// What goes through mailboxes, and when. Not stored.
    pub(super) post: Post,
    /// What they are to be told of what came by mailbox. Not stored.
    pub(super) receipts: Receipts,
    /// Who has told whom of being here. Not stored.
    pub(super) presence: Presence,
    /// Who is writing to whom. Not stored.
    pub(super) typing: Typing,
    /// What is missing of their chains, and when to ask. Not stored.
    pub(super) gap: Gap,
    /// The view that was published last. Not stored.
    pub(super) shown: Option<super::ContactView>,
    /// When this thread wants to be looked at. Not stored.
    pub(super) wake: Option<Mono>,
    contact_changed: bool,
    conversation_changed: bool,
    chains_changed: BTreeSet<DeviceId>,
}

impl<S: CryptoSession> Thread<S> {
    /// A person nothing is known of.
    pub(super) fn new(account: NodeId, peer: NodeId, device: DeviceId) -> Self {
        Self {
            contact: None,
            conversation: fresh_conversation(account, ConversationId::direct(peer), device),
            chains: BTreeMap::new(),
            sessions: Sessions::default(),
            outbox: Outbox::default(),
            lane: Lane::default(),
            post: Post::default(),
            receipts: Receipts::default(),
            presence: Presence::default(),
            typing: Typing::default(),
            gap: Gap::default(),
            shown: None,
            wake: None,
            contact_changed: false,
            conversation_changed: false,
            chains_changed: BTreeSet::new(),
        }
    }

    /// Takes the stored conversation in. What it says of our chain holds for the installation that wrote it only.
    pub(super) fn restore_conversation(&mut self, row: ConversationRow) {
        let device = self.conversation.device;
        self.conversation = row;
        if self.conversation.device != device {
            let fresh = fresh_conversation(self.conversation.account, self.conversation.conversation, device);
            self.conversation.device = device;
            self.conversation.sent_seq = fresh.sent_seq;
            self.conversation.sent_hash = fresh.sent_hash;
            self.conversation.started = fresh.started;
            self.conversation.recent = fresh.recent;
        }
    }

    /// How we stand; `None`: strangers.
    pub(super) fn standing(&self) -> Option<Standing> {
        self.contact.as_ref().map(|contact| contact.standing)
    }

    /// Whether both have agreed, as far as we know.
    pub(super) fn is_accepted(&self) -> bool {
        self.standing() == Some(Standing::Accepted)
    }

    /// Whether they are told what was read, and we are told what they read.
    pub(super) fn tells_receipts(&self, settings: ChatSettings) -> bool {
        self.contact.as_ref().and_then(|contact| contact.receipts).unwrap_or(settings.receipts)
    }

    /// What came while nothing was told stays untold.
    pub(super) fn forget_untold(&mut self, settings: ChatSettings) {
        if !self.tells_receipts(settings) && !self.conversation.unread_ids.is_empty() {
            self.conversation_mut().unread_ids.clear();
        }
    }

    /// Whether we hear nothing of them.
    pub(super) fn is_blocked(&self) -> bool {
        self.standing() == Some(Standing::Blocked)
    }

    /// What may be sent to them now; `None`: nothing.
    pub(super) fn allowed(&self) -> Option<Allowed> {
        let contact = self.contact.as_ref()?;
        match contact.standing {
            Standing::Accepted => Some(Allowed::All),
            Standing::Requested => Some(Allowed::Only(contact.request)),
            Standing::Asking | Standing::Blocked => None,
        }
    }

    /// The conversation, to be changed.
    pub(super) const fn conversation_mut(&mut self) -> &mut ConversationRow {
        self.conversation_changed = true;
        &mut self.conversation
    }

    /// The contact, to be changed.
    pub(super) const fn contact_mut(&mut self) -> Option<&mut ContactRow> {
        self.contact_changed = true;
        self.contact.as_mut()
    }

    /// Makes or replaces the contact.
    pub(super) fn put_contact(&mut self, contact: ContactRow) {
        self.contact = Some(contact);
        self.contact_changed = true;
    }

    /// A chain of theirs, to be changed; `None` when they have made up too many installations.
    pub(super) fn chain_mut(&mut self, device: DeviceId) -> Option<&mut Chain> {
        if !self.chains.contains_key(&device) && self.chains.len() >= limits::MAX_CHAINS {
            return None;
        }
        self.chains_changed.insert(device);
        Some(self.chains.entry(device).or_default())
    }

    /// Notes a message as the newest that nobody has answered, and what it answers as answered.
    pub(super) fn note_head(&mut self, id: MsgId, parents: &[MsgId]) {
        let heads = &mut self.conversation_mut().heads;
        heads.retain(|head| !parents.contains(head) && *head != id);
        heads.push(id);
        if heads.len() > super::content::Content::MAX_PARENTS {
            heads.remove(0);
        }
    }

    /// Notes an entry for the list of conversations, if none is later.
    pub(super) fn note_entry(&mut self, content: &Content, mine: bool, now: UnixMillis) {
        let (hlc, id) = (content.hlc, content.id);
        let Some(text) = content.body.entry_text() else { return };
        let last = &self.conversation.last;
        if last.as_ref().is_some_and(|last| (last.hlc, last.id) > (hlc, id)) {
            return;
        }
        let file = matches!(content.body, Body::File { .. });
        let (preview, deleted, as_of) = match self.early(id).filter(|_| !mine && !file) {
            Some(Early { preview, as_of, .. }) => {
                (preview.clone().unwrap_or_default(), preview.is_none(), *as_of)
            }
            None => (LastEntry::preview_of(text), false, Hlc::default()),
        };
        let at = hlc.shown_at(now);
        self.conversation_mut().last =
            Some(LastEntry { hlc, id, mine, preview, at, deleted, as_of, file, gone: false });
    }

    /// Takes a timer over, unless a later one was chosen.
    pub(super) fn note_timer(&mut self, content: &Content, lasts: Option<u32>) {
        let place = (content.hlc, content.id);
        if self.conversation.timer_as_of.as_deref().is_none_or(|known| *known < place) {
            let conversation = self.conversation_mut();
            conversation.timer = lasts;
            conversation.timer_as_of = Some(Box::new(place));
        }
    }

    /// What became of a message of theirs before it came.
    fn early(&self, id: MsgId) -> Option<&Early> {
        self.conversation.early.iter().find(|early| early.target == id)
    }

    /// A message was edited (`Some`) or taken back: the list of conversations says so, if it is the one shown there.
    pub(super) fn note_amended(&mut self, target: MsgId, mine: bool, as_of: Hlc, text: Option<&str>) {
        let preview = text.map(LastEntry::preview_of);
        let last = self.conversation.last.as_ref();
        if let Some(last) = last.filter(|last| last.id == target && last.mine == mine) {
            if last.file || last.deleted || (text.is_some() && as_of < last.as_of) {
                return;
            }
            if let Some(last) = &mut self.conversation_mut().last {
                last.deleted = preview.is_none();
                last.preview = preview.unwrap_or_default();
                last.as_of = as_of;
            }
        } else if !mine && self.has_gaps() {
            // It may be one that is still missing.
            let known = self.early(target);
            if known.is_some_and(|known| known.preview.is_none() || (text.is_some() && as_of < known.as_of)) {
                return;
            }
            let early = &mut self.conversation_mut().early;
            early.retain(|early| early.target != target);
            early.push(Early { target, as_of, preview });
            if early.len() > limits::MAX_EARLY {
                early.remove(0);
            }
        }
    }

    /// Once nothing is missing, nothing can be early.
    pub(super) fn forget_early(&mut self) {
        if !self.conversation.early.is_empty() && !self.has_gaps() {
            self.conversation_mut().early.clear();
        }
    }

    fn has_gaps(&self) -> bool {
        self.chains.values().any(|chain| chain.gap().is_some())
    }

    /// When this person has to be looked at again.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let direct = [self.lane.deadline(), self.gap.deadline(), self.presence.deadline()];
        let by_mailbox = [self.post_deadline(), self.receipt_deadline()];
        direct.into_iter().chain(by_mailbox).chain([self.typing.deadline()]).flatten().min()
    }

    /// The rows changed since it was last asked.
    pub(super) fn take_changes(&mut self, account: NodeId, out: &mut Vec<Change>) {
        let conversation = self.conversation.conversation;
        if std::mem::take(&mut self.contact_changed)
            && let Some(contact) = &self.contact
        {
            out.push(Change::PutContact(contact.clone()));
        }
        if std::mem::take(&mut self.conversation_changed) {
            out.push(Change::PutConversation(self.conversation.clone()));
        }
        for device in std::mem::take(&mut self.chains_changed) {
            if let Some(chain) = self.chains.get(&device) {
                out.push(Change::PutChain(chain.row(account, conversation, device)));
            }
        }
        self.outbox.take_changes(account, conversation, out);
        self.sessions.take_changes(account, out);
    }
}

fn fresh_conversation(account: NodeId, conversation: ConversationId, device: DeviceId) -> ConversationRow {
    ConversationRow {
        account,
        conversation,
        device,
        sent_seq: 0,
        sent_hash: super::chain::NOTHING_BEFORE,
        hlc: Hlc::default(),
        heads: Vec::new(),
        unread: 0,
        last: None,
        since_refresh: 0,
        refreshed: UnixMillis(0),
        started: UnixMillis(0),
        recent: Vec::new(),
        lost: Vec::new(),
        owed: false,
        asked_by_mail: None,
        let_go: false,
        early: Vec::new(),
        unread_ids: Vec::new(),
        timer: None,
        timer_as_of: None,
    }
}
