//! A disk that takes its time: batches become durable in order and later, and a crash loses the last of them.

use pc2_protocols::{
    id::{ConversationId, DeviceId, MsgId, NodeId},
    messenger::{
        Out,
        content::Hlc,
        marks::Marks,
        rows::{Change, MessageRow, MessageState, Snapshot},
    },
};
use std::collections::{BTreeMap, VecDeque, btree_map::Entry};

/// Where a message stands in history.
pub(super) type Place = (ConversationId, Hlc, MsgId);

/// A batch that was handed out and is not durable yet.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) changes: Vec<Change>,
    pub(super) then: Vec<Out>,
}

/// What is durable, and what is on its way.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) rows: Snapshot,
    pub(super) history: BTreeMap<Place, MessageRow>,
    places: BTreeMap<MsgId, Vec<Place>>,
    /// What became of messages.
    pub(super) marks: BTreeMap<MsgId, Marks>,
    pub(super) pending: VecDeque<Batch>,
}

impl Disk {
    /// Makes the oldest batch durable, and returns what was written and what follows.
    pub(super) fn sync_one(&mut self) -> Option<Batch> {
        let batch = self.pending.pop_front()?;
        for change in &batch.changes {
            self.apply(change);
        }
        Some(batch)
    }

    fn apply(&mut self, change: &Change) {
        self.rows.apply(change);
        match change {
            Change::PutMessage(row) => {
                let place = (row.conversation, row.content.hlc, row.content.id);
                if let Entry::Vacant(free) = self.history.entry(place) {
                    free.insert(MessageRow::clone(row));
                    self.places.entry(row.content.id).or_default().push(place);
                    self.mark(row);
                }
            }
            Change::SetState { conversation, hlc, id, state, .. } => {
                if let Some(row) = self.history.get_mut(&(*conversation, *hlc, *id)) {
                    // As in storage: who has read it has it.
                    if row.state != MessageState::Read {
                        row.state = *state;
                    }
                }
            }
            Change::SetRead { ids, .. } => {
                for place in ids.iter().filter_map(|id| self.places.get(id)).flatten() {
                    if let Some(row) = self.history.get_mut(place).filter(|row| row.sender == row.account) {
                        row.state = MessageState::Read;
                    }
                }
            }
            Change::PutSettings(_)
            // Times are longer than a world lasts.
            | Change::Timer(_)
            | Change::PutDevice(_)
            | Change::PutContact(_)
            | Change::RemoveContact { .. }
            | Change::PutConversation(_)
            | Change::PutChain(_)
            | Change::PutOutbox(_)
            | Change::RemoveOutbox { .. }
            | Change::PutSession(_)
            | Change::RemoveSession { .. }
            | Change::PutSessionValue(_)
            | Change::PutInvitation(_)
            | Change::RemoveInvitation { .. } => {}
        }
    }

    /// What a message does to others, and what others did to it before it came: as storage notes it.
    fn mark(&mut self, row: &MessageRow) {
        let (conversation, sender) = (row.conversation, row.sender);
        let mut unread = Vec::new();
        if let Some(target) = row.content.body.target() {
            let marks = self.marks.entry(target).or_default();
            unread = marks.note(row).into_iter().map(|(hlc, id)| (conversation, hlc, id)).collect();
            if marks.deleted_by(sender) {
                unread.extend(self.places.get(&target).into_iter().flatten());
            }
        } else if self.marks.get(&row.content.id).is_some_and(|marks| marks.deleted_by(sender)) {
            unread.push((conversation, row.content.hlc, row.content.id));
        }
        for place in unread {
            if let Some(row) = self.history.get_mut(&place).filter(|row| row.sender == sender) {
                row.content.body.erase();
            }
        }
    }

    /// The newest entries of a conversation, the newest first.
    pub(super) fn latest_entries(&self, conversation: ConversationId, most: usize) -> Vec<MsgId> {
        let rows = self.history.values().rev().filter(|row| row.conversation == conversation);
        rows.filter(|row| row.content.body.is_entry()).map(|row| row.content.id).take(most).collect()
    }

    /// How often a message is in history.
    pub(super) fn copies(&self, id: MsgId) -> usize {
        self.places.get(&id).map_or(0, Vec::len)
    }

    /// A message by its name.
    pub(super) fn message(&self, id: MsgId) -> Option<&MessageRow> {
        self.history.get(self.places.get(&id)?.first()?)
    }

    /// Own messages of one chain, as storage finds them.
    pub(super) fn own_range(
        &self,
        account: NodeId,
        conversation: ConversationId,
        device: DeviceId,
        range: std::ops::RangeInclusive<u64>,
    ) -> Vec<MessageRow> {
        let first = (conversation, Hlc(0), MsgId::from_bytes([0; 16]));
        self.history
            .range(first..)
            .map(|(_, row)| row)
            .take_while(|row| row.conversation == conversation)
            .filter(|row| row.sender == account && row.content.device == device)
            .filter(|row| range.contains(&row.content.seq))
            .cloned()
            .collect()
    }
}
