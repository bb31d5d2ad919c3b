//! What people do: mostly write, sometimes decide about each other; and ask again when they got no answer.

use super::{
    keys::Keys,
    world::{Event, World},
};
use pc2_protocols::{
    id::{ConversationId, MsgId, NodeId},
    limits,
    machine::{CallId, OpId},
    messenger::{
        Amendment, Command, CommandError, In, Reply,
        rows::{Expired, Standing},
    },
};
use rand_core::Rng as _;
use std::collections::BTreeMap;

/// How many of their latest messages a person may send again. Fewer than a messenger remembers.
const LATELY: usize = 30;

/// What a person remembers.
#[derive(Debug, Default)]
pub(super) struct Person {
    /// Calls that wait for their answer.
    open: BTreeMap<CallId, Command>,
    /// Messages whose call ended without an answer: taken or not, who knows.
    unsure: Vec<Command>,
    /// What they wrote last, and sometimes send a second time.
    lately: Vec<Command>,
    /// Invitations they made, to be handed to others.
    pub(super) invitations: Vec<Vec<u8>>,
}

impl Person {
    pub(super) fn asks(&mut self, call: CallId, command: &Command) {
        self.open.insert(call, command.clone());
        if matches!(command, Command::Send { .. }) && !self.lately.contains(command) {
            self.lately.push(command.clone());
            if self.lately.len() > LATELY {
                self.lately.remove(0);
            }
        }
    }

    /// A call is answered. Returns the message that was acknowledged by it, if it was one.
    pub(super) fn answered(&mut self, call: CallId, result: &Result<Reply, CommandError>) -> Option<MsgId> {
        self.open.remove(&call)?;
        match result {
            Ok(Reply::Sent(row)) => Some(row.content.id),
            _ => None,
        }
    }

    /// A call ends without an answer.
    pub(super) fn unanswered(&mut self, call: CallId) {
        if let Some(command @ Command::Send { .. }) = self.open.remove(&call) {
            self.unsure.push(command);
        }
    }

    /// The process is gone, and every open call with it.
    pub(super) fn all_unanswered(&mut self) {
        for command in std::mem::take(&mut self.open).into_values() {
            if matches!(command, Command::Send { .. }) {
                self.unsure.push(command);
            }
        }
    }
}

impl<K: Keys> World<K> {
    pub(super) fn act_later(&mut self, node: usize) {
        let delay = self.below(2 * self.settings.pace_millis);
        self.at(delay, Event::Act { node });
    }

    /// A person does something.
    pub(super) fn act(&mut self, node: usize) {
        if !self.wild {
            return;
        }
        self.act_later(node);
        let count = self.nodes.len() as u64;
        let other = (node + 1 + usize::try_from(self.below(count - 1)).unwrap_or(0)) % self.nodes.len();
        let peer = self.nodes[other].id;
        let standing = self.nodes[node].disk.rows.contacts.get(&peer).map(|contact| contact.standing);
        let dice = self.below(100);
        if self.chance(50) {
            return self.repeat(node);
        }
        let command = match (standing, dice) {
            (_, 0..2) => Command::Block { peer },
            (_, 2..4) => Command::Remove { peer },
            (_, 4..6) => Command::Invite,
            (_, 6..8) => Command::MarkRead { conversation: ConversationId::direct(peer) },
            (_, 8..9) => Command::Contacts,
            (Some(Standing::Accepted), 10..13) => {
                let (receipts, typing) = (self.chance(700), self.chance(700));
                Command::SetSettings { receipts, typing }
            }
            (Some(Standing::Accepted), 13..20) => {
                Command::MarkRead { conversation: ConversationId::direct(peer) }
            }
            (Some(Standing::Accepted), 24..26) => self.timer(peer),
            (Some(Standing::Accepted), 20..24) => {
                Command::Typing { conversation: ConversationId::direct(peer) }
            }
            (_, 9..10) => Command::Rename { peer, alias: Some("somebody".to_owned()) },
            (None, _) => self.ask(other, peer),
            (Some(Standing::Asking), 10..60) => Command::Accept { peer },
            (Some(Standing::Asking), _) => self.ask(other, peer),
            (Some(Standing::Blocked), 10..60) => Command::Unblock { peer },
            (Some(Standing::Requested | Standing::Accepted | Standing::Blocked), 90..) => {
                return self.chatter(node, peer);
            }
            (Some(Standing::Requested | Standing::Accepted), 70..90) => match self.amend(node, peer) {
                Some(command) => command,
                None => self.text(peer),
            },
            (Some(Standing::Requested | Standing::Accepted | Standing::Blocked), _) => self.text(peer),
        };
        self.call(node, command);
        if self.chance(200) {
            self.retry_unanswered(node);
        }
    }

    fn ask(&mut self, other: usize, peer: NodeId) -> Command {
        let invitation = if self.chance(300) { self.nodes[other].person.invitations.pop() } else { None };
        let text = if self.chance(200) { String::new() } else { format!("it is me {}", self.number()) };
        Command::AddContact { peer, alias: None, name: None, text, invitation, addresses: Vec::new() }
    }

    fn text(&mut self, peer: NodeId) -> Command {
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        let length = if self.chance(10) { limits::MAX_TEXT_BYTES } else { 20 };
        let text = format!("{:<length$}.", format!("text {}", self.number()), length = length - 1);
        let conversation = ConversationId::direct(peer);
        Command::Send { conversation, id: MsgId::from_bytes(id), text, reply_to: None }
    }

    /// A time for what is written from now on, longer than a world lasts; or none.
    fn timer(&mut self, peer: NodeId) -> Command {
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        let lasts = if self.chance(700) { Some(limits::MAX_LASTS_SECS) } else { None };
        Command::SetTimer { conversation: ConversationId::direct(peer), id: MsgId::from_bytes(id), lasts }
    }

    /// Storage is asked what is over: nothing ever is.
    pub(super) fn none_expired(&mut self, node: usize, op: OpId) {
        let input = In::Expired { op, expired: Expired::default() };
        let process = self.nodes[node].process;
        self.at(1, Event::Read { node, process, input });
    }

    /// One of the latest messages is edited, deleted or reacted to; now and then one that is not theirs to change.
    fn amend(&mut self, node: usize, peer: NodeId) -> Option<Command> {
        let conversation = ConversationId::direct(peer);
        let latest = self.nodes[node].disk.latest_entries(conversation, LATELY);
        let which = usize::try_from(self.below(latest.len() as u64)).unwrap_or(0);
        // Mostly the newest: it is the one in the list of conversations.
        let which = if self.chance(500) { 0 } else { which };
        let target = *latest.get(which)?;
        let amendment = match self.below(10) {
            0..5 => Amendment::Edit { text: format!("edited {}", self.number()) },
            5..7 => Amendment::Delete,
            7..9 => Amendment::React { emoji: Some("👍".to_owned()) },
            _ => Amendment::React { emoji: None },
        };
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        Some(Command::Amend { conversation, id: MsgId::from_bytes(id), target, amendment })
    }

    /// Many texts at once, as a script sends them.
    fn chatter(&mut self, node: usize, peer: NodeId) {
        for _ in 0..self.below(40) {
            let command = self.text(peer);
            self.call(node, command);
        }
    }

    /// Whoever got no answer asks again with the same id, sooner or later.
    pub(super) fn retry_unanswered(&mut self, node: usize) {
        for command in std::mem::take(&mut self.nodes[node].person.unsure) {
            if !self.nodes[node].person.lately.contains(&command) {
                // So long ago that a messenger may take it for new.
                continue;
            }
            match self.below(10) {
                0..5 => self.call(node, command),
                5..9 => self.nodes[node].person.unsure.push(command),
                _ => {}
            }
        }
    }

    /// A message is sent a second time, as impatient fingers do.
    fn repeat(&mut self, node: usize) {
        let lately = self.nodes[node].person.lately.len() as u64;
        let which = usize::try_from(self.below(lately)).unwrap_or(0);
        if let Some(command) = self.nodes[node].person.lately.get(which).cloned() {
            self.call(node, command);
        }
    }

    /// What an answer means to a person.
    pub(super) fn heard(&mut self, node: usize, result: Result<Reply, CommandError>) {
        if let Ok(Reply::Invitation { token, .. }) = result {
            self.nodes[node].person.invitations.push(token);
        }
    }

    /// In the end everybody accepts who asks, and nobody stays blocked.
    pub(super) fn decide_everything(&mut self) {
        for node in 0..self.nodes.len() {
            let contacts: Vec<(NodeId, Standing)> =
                self.nodes[node].disk.rows.contacts.values().map(|c| (c.peer, c.standing)).collect();
            for (peer, standing) in contacts {
                match standing {
                    Standing::Asking => self.call(node, Command::Accept { peer }),
                    Standing::Blocked => self.call(node, Command::Unblock { peer }),
                    Standing::Requested | Standing::Accepted => {}
                }
            }
        }
    }
}
