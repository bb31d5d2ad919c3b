//! What must hold, whatever went wrong.
//!
//! With every write that becomes durable, every frame that leaves and every event: [`Checks`]. When the world has come to
//! rest: [`World::check_end`] and [`World::unrest`].

use super::{disk::Disk, keys::Keys, world::World};
use pc2_protocols::{
    id::{ConversationId, MsgId, NodeId},
    limits,
    machine::Machine as _,
    messenger::{
        Event,
        content::Content,
        rows::{Change, MessageState, Standing, Waiting},
        session::ledger::KeyUses,
        wire::{Item, Request},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// One key sealed two plaintexts.
    KeyReused(String),
    /// A frame was sent that does not decode, or an honest peer was blamed.
    BadFrame(String),
    /// A sender was told something that its disk does not hold.
    AcknowledgedTooEarly(String),
    /// A message counts as stored and was in no mailbox.
    StoredTooEarly(String),
    /// A parcel that no mailbox takes.
    BadParcel(String),
    /// A message counts as delivered and is not on the recipient's disk.
    DeliveredTooEarly(String),
    /// A message is shown or stored twice.
    Twice(String),
    /// Something of a person was taken in who must not be heard.
    HeardUnheard(String),
    /// A chain is said to be broken although nobody tampered.
    ChainBroken(String),
    /// A queue grew beyond its bound.
    Unbounded(String),
    /// An acknowledged message was lost.
    Lost(String),
    /// Both sides show different conversations.
    Different(String),
    /// The world does not come to rest.
    NoRest {
        /// What still moves.
        reason: String,
    },
}

/// A person, and which of their installations.
pub(super) type Installation = (usize, u32);

/// What is watched while the world runs.
#[derive(Debug, Default)]
pub(super) struct Checks {
    keys: KeyUses,
    /// What of others' was stored where, durably.
    stored: BTreeSet<(MsgId, Installation)>,
    /// What a sender was told that it is taken.
    acknowledged: BTreeSet<(MsgId, Installation)>,
    published: BTreeSet<(MsgId, Installation)>,
    /// What was in a mailbox, by whom.
    in_mailbox: BTreeSet<(MsgId, usize)>,
}

impl Checks {
    pub(super) fn keys_used(&self) -> usize {
        self.keys.count()
    }

    /// Whether a person has stored a message, now or on a disk they have lost.
    fn was_stored(&self, person: usize, id: MsgId) -> bool {
        self.stored.range((id, (person, 0))..=(id, (person, u32::MAX))).next().is_some()
    }

    /// A frame leaves a node.
    pub(super) fn sent(&mut self, payload: &[u8]) -> Result<(), Violation> {
        let request = Request::decode(payload).map_err(|error| Violation::BadFrame(error.to_string()))?;
        if let Request::Deliver { items } = request {
            items.iter().try_for_each(|item| self.sealed(item))?;
        }
        Ok(())
    }

    /// Ciphertext leaves a node, whichever way.
    pub(super) fn sealed(&mut self, item: &Item) -> Result<(), Violation> {
        match item {
            Item::Content { sealed, .. } => {
                self.keys.record(sealed).map_err(|reused| Violation::KeyReused(reused.to_string()))
            }
            Item::Start { .. } | Item::Refresh { .. } => Ok(()),
        }
    }

    /// Messages of a person have come to be in a mailbox.
    pub(super) fn stored_in_mailbox(&mut self, person: usize, ids: Vec<MsgId>) {
        self.in_mailbox.extend(ids.into_iter().map(|id| (id, person)));
    }

    /// A node blames a peer; all peers here are honest.
    pub(super) fn penalised(&self, node: usize, blamed: NodeId, reason: &str) -> Result<(), Violation> {
        Err(Violation::BadFrame(format!("{node} blames {blamed:?}: {reason}")))
    }

    /// A sender is told that a message is taken.
    pub(super) fn acknowledged(&mut self, at: Installation, id: MsgId, disk: &Disk) -> Result<(), Violation> {
        self.acknowledged.insert((id, at));
        if disk.copies(id) > 0 {
            Ok(())
        } else {
            Err(Violation::AcknowledgedTooEarly(format!("{id:?} of {at:?}")))
        }
    }

    /// An event reaches those who look.
    pub(super) fn published(&mut self, at: Installation, event: &Event) -> Result<(), Violation> {
        match event {
            Event::MessageAdded(row) if !self.published.insert((row.content.id, at)) => {
                Err(Violation::Twice(format!("{:?} is shown twice at {at:?}", row.content.id)))
            }
            Event::MessageAdded(_)
            | Event::MessageAmended { .. }
            | Event::MessageGone { .. }
            | Event::MessageState { .. }
            | Event::ContactChanged(_)
            | Event::ContactRemoved { .. } => Ok(()),
        }
    }

    /// A batch has become durable.
    pub(super) fn durable(
        &mut self,
        at: Installation,
        ids: &[NodeId],
        changes: &[Change],
        disk: &Disk,
    ) -> Result<(), Violation> {
        let node = at.0;
        for change in changes {
            match change {
                Change::PutMessage(row) if row.sender != ids[node] => {
                    let id = row.content.id;
                    if !self.stored.insert((id, at)) {
                        return Err(Violation::Twice(format!("{id:?} is stored twice at {node}")));
                    }
                    if row.chain_broken {
                        return Err(Violation::ChainBroken(format!("{id:?} at {node}: {row:?}")));
                    }
                    let contact = disk.rows.contacts.get(&row.sender);
                    let may_be_heard = contact.is_some_and(|contact| match contact.standing {
                        Standing::Accepted | Standing::Requested => true,
                        Standing::Asking => contact.request == Some(id),
                        Standing::Blocked => false,
                    });
                    if !may_be_heard {
                        return Err(Violation::HeardUnheard(format!("{id:?} at {node}: {contact:?}")));
                    }
                }
                Change::SetState { conversation, id, state: MessageState::Delivered, .. } => {
                    let peer = ids.iter().position(|id| *id == conversation.peer());
                    if !peer.is_some_and(|peer| self.was_stored(peer, *id)) {
                        return Err(Violation::DeliveredTooEarly(format!("{id:?} of {node}")));
                    }
                }
                Change::SetRead { conversation, ids: read, .. } => {
                    let peer = ids.iter().position(|id| *id == conversation.peer());
                    if !read.iter().all(|id| peer.is_some_and(|peer| self.was_stored(peer, *id))) {
                        return Err(Violation::DeliveredTooEarly(format!(
                            "{read:?} of {node} count as read"
                        )));
                    }
                    if !disk.rows.settings.receipts {
                        return Err(Violation::HeardUnheard(format!(
                            "{node} hears of reading and tells nothing"
                        )));
                    }
                }
                Change::SetState { id, state: MessageState::Stored, .. }
                    if !self.in_mailbox.contains(&(*id, node)) =>
                {
                    return Err(Violation::StoredTooEarly(format!("{id:?} of {node}")));
                }
                Change::PutChain(row) if row.beyond.len() as u64 > limits::SEND_WINDOW => {
                    return Err(Violation::Unbounded(format!("{} numbers beyond a gap", row.beyond.len())));
                }
                _ => {}
            }
        }
        let mut of: BTreeMap<NodeId, usize> = BTreeMap::new();
        for session in disk.rows.sessions.values() {
            *of.entry(session.peer).or_default() += 1;
        }
        match of.values().max() {
            Some(most) if *most > limits::MAX_SESSIONS => {
                Err(Violation::Unbounded(format!("{most} sessions with one person at {node}")))
            }
            _ => Ok(()),
        }
    }
}

impl<K: Keys> World<K> {
    fn standing(&self, of: usize, to: usize) -> Option<Standing> {
        let peer = self.nodes[to].id;
        self.nodes[of].disk.rows.contacts.get(&peer).map(|contact| contact.standing)
    }

    /// What still moves or waits, that should not.
    pub(super) fn unrest(&self) -> Option<String> {
        for (from, node) in self.nodes.iter().enumerate() {
            if !node.disk.pending.is_empty() {
                return Some(format!("{from} is writing"));
            }
            for to in (0..self.nodes.len()).filter(|to| *to != from) {
                let (ours, theirs) = (self.standing(from, to), self.standing(to, from));
                if matches!(ours, Some(Standing::Asking | Standing::Blocked)) {
                    return Some(format!("{from} has not decided about {to}"));
                }
                if ours == Some(Standing::Requested)
                    && matches!(theirs, Some(Standing::Accepted | Standing::Requested))
                {
                    return Some(format!("{from} asked {to}, who is {theirs:?}"));
                }
                if (ours, theirs) != (Some(Standing::Accepted), Some(Standing::Accepted)) {
                    continue;
                }
                let with = ConversationId::direct(self.nodes[to].id);
                let waiting = node.disk.rows.outbox.iter().filter(|((conversation, _), row)| {
                    *conversation == with && matches!(row.what, Waiting::Content { .. })
                });
                let waiting = waiting.count();
                if waiting > 0 {
                    return Some(format!("{waiting} messages of {from} wait for {to}"));
                }
            }
        }
        None
    }

    /// Whether everything that was promised is there.
    pub(super) fn check_end(&mut self) -> Result<(), Violation> {
        self.summary.acknowledged = self.checks.acknowledged.len();
        for (id, (from, installation)) in self.checks.acknowledged.clone() {
            if self.nodes[from].installation != installation {
                // Their disk is gone, and what was only there with it.
                continue;
            }
            let Some(own) = self.nodes[from].disk.message(id) else {
                return Err(Violation::Lost(format!("{id:?} is gone from its sender {from}")));
            };
            let peer = own.conversation.peer();
            let Some(to) = self.nodes.iter().position(|node| node.id == peer) else { continue };
            let theirs = self.nodes[to].disk.copies(id);
            match (own.state, theirs) {
                (_, 2..) => return Err(Violation::Twice(format!("{id:?} at {to}"))),
                (MessageState::Delivered | MessageState::Read, 1) => self.summary.delivered += 1,
                (MessageState::Delivered | MessageState::Read, 0) if self.checks.was_stored(to, id) => {
                    self.summary.delivered += 1;
                }
                (MessageState::Delivered | MessageState::Read, 0) => {
                    return Err(Violation::DeliveredTooEarly(format!("{id:?} of {from}")));
                }
                // Removed people take what waits for them along; it may have arrived all the same.
                (MessageState::NotDelivered, _) => {}
                (MessageState::Waiting | MessageState::Stored, _) => {
                    let mutual = [self.standing(from, to), self.standing(to, from)];
                    let queued =
                        self.nodes[from].disk.rows.outbox.values().any(
                            |row| matches!(&row.what, Waiting::Content { content, .. } if content.id == id),
                        );
                    if mutual == [Some(Standing::Accepted); 2] || !queued {
                        return Err(Violation::Lost(format!("{id:?} from {from} to {to}, {mutual:?}")));
                    }
                }
                (MessageState::Received, _) => {
                    return Err(Violation::Lost(format!("{id:?} is not its sender's {from}")));
                }
            }
        }
        self.check_bounds()?;
        self.check_lists()?;
        self.check_same_conversations()
    }

    /// Whoever has come to rest waits for next to nothing.
    fn check_bounds(&self) -> Result<(), Violation> {
        for (index, node) in self.nodes.iter().enumerate() {
            let figures = node.machine.as_ref().map(|machine| machine.status().figures).unwrap_or_default();
            let open =
                figures.iter().find(|(name, _)| *name == "open questions").map_or(0, |(_, open)| *open);
            if open > 3 * self.nodes.len() as u64 {
                return Err(Violation::Unbounded(format!("{open} open questions at {index}")));
            }
        }
        Ok(())
    }

    /// What both sides have of a conversation, they have in the same order and words; unless one has taken a text out already.
    fn check_same_conversations(&self) -> Result<(), Violation> {
        for a in 0..self.nodes.len() {
            for b in a + 1..self.nodes.len() {
                let seen = |at: usize, with: usize| -> Vec<_> {
                    let conversation = ConversationId::direct(self.nodes[with].id);
                    let rows = self.nodes[at].disk.history.values();
                    rows.filter(move |row| row.conversation == conversation).map(|row| &row.content).collect()
                };
                let (here, there) = (seen(a, b), seen(b, a));
                let common = |mine: &[&Content], other: &[&Content]| -> Vec<Content> {
                    let others: BTreeMap<MsgId, &Content> =
                        other.iter().map(|other| (other.id, *other)).collect();
                    let shared = mine.iter().filter_map(|content| {
                        let mut shared = Content::clone(content);
                        if others.get(&content.id)?.body.is_erased() {
                            shared.body.erase();
                        }
                        Some(shared)
                    });
                    shared.collect()
                };
                if common(&here, &there) != common(&there, &here) {
                    return Err(Violation::Different(format!("between {a} and {b}")));
                }
            }
        }
        Ok(())
    }

    /// The list of conversations says of its newest message what the conversation says.
    fn check_lists(&self) -> Result<(), Violation> {
        for (at, node) in self.nodes.iter().enumerate() {
            for conversation in node.disk.rows.conversations.values() {
                let Some(last) = conversation.last.clone() else { continue };
                let Some(row) = node.disk.message(last.id) else { continue };
                let marks = node.disk.marks.get(&last.id).cloned().unwrap_or_default();
                let mut should = last.clone();
                if should.take_over(row, &marks) {
                    return Err(Violation::Different(format!("list at {at}: {last:?}, not {should:?}")));
                }
            }
        }
        Ok(())
    }
}
