//! A disk that takes its time: batches become durable in order and later, and a crash loses the last of them.

use pc2_protocols::{
    id::{ConversationId, DeviceId, MsgId, NodeId},
    messenger::{
        Out,
        content::Hlc,
        rows::{Change, MessageRow, Snapshot},
    },
};
use std::collections::{BTreeMap, VecDeque};

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
    pub(super) history: BTreeMap<(ConversationId, Hlc, MsgId), MessageRow>,
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
                let key = (row.conversation, row.content.hlc, row.content.id);
                self.history.entry(key).or_insert_with(|| MessageRow::clone(row));
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
