//! A disk that takes its time: batches become durable in order and later, and a crash loses the last of them.

use pc2_protocols::{
    id::{ConversationId, DeviceId, MsgId, NodeId},
    messenger::{
        Out,
        content::Hlc,
        rows::{Change, MessageRow, Snapshot},
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
                }
            }
            Change::SetState { conversation, hlc, id, state, .. } => {
                if let Some(row) = self.history.get_mut(&(*conversation, *hlc, *id)) {
                    row.state = *state;
                }
            }
            Change::PutDevice(_)
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
