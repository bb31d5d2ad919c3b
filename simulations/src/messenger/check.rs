//! What must hold, whatever went wrong.
//!
//! With every write that becomes durable, every frame that leaves and every event: [`Checks`]. When the world has come to
//! rest: [`World::check_end`] and [`World::unrest`].

use super::{disk::Disk, keys::Keys, world::World};
use pc2_protocols::{
    id::{ConversationId, MsgId, NodeId},
    limits,
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

/// What is watched while the world runs.
#[derive(Debug, Default)]
pub(super) struct Checks {
    keys: KeyUses,
    /// Who has stored what of whom, durably.
    stored: BTreeSet<(usize, MsgId)>,
    /// Whose sender was told that it is taken.
    acknowledged: BTreeSet<(usize, MsgId)>,
    published: BTreeSet<(usize, MsgId)>,
    delivered: BTreeSet<(usize, MsgId)>,
}

impl Checks {
    pub(super) fn keys_used(&self) -> usize {
        self.keys.count()
    }

    /// A frame leaves a node.
    pub(super) fn sent(&mut self, payload: &[u8]) -> Result<(), Violation> {
        let request = Request::decode(payload).map_err(|error| Violation::BadFrame(error.to_string()))?;
        if let Request::Deliver { items } = request {
            for item in items {
                if let Item::Content { sealed, .. } = item {
                    self.keys.record(&sealed).map_err(|reused| Violation::KeyReused(reused.to_string()))?;
                }
            }
        }
        Ok(())
    }

    /// A node blames a peer; all peers here are honest.
    pub(super) fn penalised(&self, node: usize, blamed: NodeId, reason: &str) -> Result<(), Violation> {
        Err(Violation::BadFrame(format!("{node} blames {blamed:?}: {reason}")))
    }

    /// A sender is told that a message is taken.
    pub(super) fn acknowledged(&mut self, node: usize, id: MsgId, disk: &Disk) -> Result<(), Violation> {
        self.acknowledged.insert((node, id));
        if disk.copies(id) > 0 {
            Ok(())
        } else {
            Err(Violation::AcknowledgedTooEarly(format!("{id:?} of {node}")))
        }
    }

    /// An event reaches those who look.
    pub(super) fn published(&mut self, node: usize, event: &Event) -> Result<(), Violation> {
        match event {
            Event::MessageAdded(row) if !self.published.insert((node, row.content.id)) => {
                Err(Violation::Twice(format!("{:?} is shown twice at {node}", row.content.id)))
            }
            Event::MessageState { id, state: MessageState::Delivered, .. } => {
                self.delivered.insert((node, *id));
                Ok(())
            }
            Event::MessageAdded(_)
            | Event::MessageState { .. }
            | Event::ContactChanged(_)
            | Event::ContactRemoved { .. } => Ok(()),
        }
    }

    /// A batch has become durable.
    pub(super) fn durable(
        &mut self,
        node: usize,
        ids: &[NodeId],
        changes: &[Change],
        disk: &Disk,
    ) -> Result<(), Violation> {
        for change in changes {
            match change {
                Change::PutMessage(row) if row.sender != ids[node] => {
                    let id = row.content.id;
                    if !self.stored.insert((node, id)) {
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
                    if !peer.is_some_and(|peer| self.stored.contains(&(peer, *id))) {
                        return Err(Violation::DeliveredTooEarly(format!("{id:?} of {node}")));
                    }
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
        for (from, id) in self.checks.acknowledged.clone() {
            let Some(own) = self.nodes[from].disk.message(id) else {
                return Err(Violation::Lost(format!("{id:?} is gone from its sender {from}")));
            };
            let peer = own.conversation.peer();
            let Some(to) = self.nodes.iter().position(|node| node.id == peer) else { continue };
            let theirs = self.nodes[to].disk.copies(id);
            match (own.state, theirs) {
                (_, 2..) => return Err(Violation::Twice(format!("{id:?} at {to}"))),
                (MessageState::Delivered | MessageState::Read, 1) => self.summary.delivered += 1,
                (MessageState::Delivered | MessageState::Read, 0) => {
                    return Err(Violation::DeliveredTooEarly(format!("{id:?} of {from}")));
                }
                // Removed people take what waits for them along; it may have arrived all the same.
                (MessageState::NotDelivered, _) => {}
                (MessageState::Waiting, _) => {
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
        self.check_same_conversations()
    }

    /// What both sides have of a conversation, they have in the same order and words.
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
                    let ids: BTreeSet<MsgId> = other.iter().map(|content| content.id).collect();
                    let shared = mine.iter().filter(|content| ids.contains(&content.id));
                    shared.map(|content| Content::clone(content)).collect()
                };
                if common(&here, &there) != common(&there, &here) {
                    return Err(Violation::Different(format!("between {a} and {b}")));
                }
            }
        }
        Ok(())
    }
}
