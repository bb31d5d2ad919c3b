//! What a messenger starts from, and what each change does to it: the reference for storage and simulations.

use super::{
    ChainRow, Change, ChatSettings, ContactRow, ConversationRow, DeviceRow, InvitationRow, OutboxRow,
    SessionRow, SessionValue,
};
use crate::id::{ConversationId, DeviceId, NodeId, SessionId};
use std::collections::BTreeMap;

/// Everything a messenger of one account starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The device, once there is one.
    pub device: Option<DeviceRow>,
    /// By peer.
    pub contacts: BTreeMap<NodeId, ContactRow>,
    /// By conversation.
    pub conversations: BTreeMap<ConversationId, ConversationRow>,
    /// By conversation and device.
    pub chains: BTreeMap<(ConversationId, DeviceId), ChainRow>,
    /// By conversation and order.
    pub outbox: BTreeMap<(ConversationId, u64), OutboxRow>,
    /// By name.
    pub sessions: BTreeMap<SessionId, SessionRow>,
    /// By session (or the device) and key.
    pub session_values: BTreeMap<(Option<SessionId>, Vec<u8>), Vec<u8>>,
    /// By token.
    pub invitations: BTreeMap<Vec<u8>, InvitationRow>,
    /// What the account tells others.
    pub settings: ChatSettings,
}

impl Snapshot {
    /// Makes one change, as storage does. History changes leave it as it is.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::PutDevice(row) => self.device = Some(row.clone()),
            Change::PutContact(row) => {
                self.contacts.insert(row.peer, row.clone());
            }
            Change::RemoveContact { peer, .. } => {
                self.contacts.remove(peer);
            }
            Change::PutConversation(row) => {
                self.conversations.insert(row.conversation, row.clone());
            }
            Change::PutChain(row) => {
                self.chains.insert((row.conversation, row.device), row.clone());
            }
            Change::PutMessage(_) | Change::SetState { .. } | Change::SetRead { .. } | Change::Timer(_) => {}
            Change::PutSettings(row) => self.settings = row.settings,
            Change::PutOutbox(row) => {
                self.outbox.insert((row.conversation, row.order), OutboxRow::clone(row));
            }
            Change::RemoveOutbox { conversation, order, .. } => {
                self.outbox.remove(&(*conversation, *order));
            }
            Change::PutSession(row) => {
                self.sessions.insert(row.session, row.clone());
            }
            Change::RemoveSession { session, .. } => {
                self.sessions.remove(session);
                self.session_values.retain(|(of, _), _| *of != Some(*session));
            }
            Change::PutSessionValue(SessionValue { session, key, value, .. }) => {
                let place = (*session, key.clone());
                match value {
                    Some(value) => self.session_values.insert(place, value.to_vec()),
                    None => self.session_values.remove(&place),
                };
            }
            Change::PutInvitation(row) => {
                self.invitations.insert(row.token.clone(), row.clone());
            }
            Change::RemoveInvitation { token, .. } => {
                self.invitations.remove(token);
            }
        }
    }
}
