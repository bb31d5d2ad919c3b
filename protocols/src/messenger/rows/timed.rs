//! Messages that disappear, as storage and the machine speak of them.

use super::MessageRow;
use crate::{
    id::{ConversationId, MsgId, NodeId},
    messenger::content::Hlc,
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

/// A message that disappears, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timed {
    /// Whose history.
    pub account: NodeId,
    /// Where.
    pub conversation: ConversationId,
    /// Its clock value.
    pub hlc: Hlc,
    /// Its name.
    pub id: MsgId,
}

impl Timed {
    /// Of a message.
    #[must_use]
    pub const fn of(row: &MessageRow) -> Self {
        let (account, conversation) = (row.account, row.conversation);
        Self { account, conversation, hlc: row.content.hlc, id: row.content.id }
    }
}

/// Messages whose time is over, and when that of the next is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expired {
    /// When each was to go, oldest first: at most [`crate::limits::MAX_EXPIRED`].
    pub due: Vec<(UnixMillis, Timed)>,
    /// When all were looked at: those whose end is further away than they last, as many at most.
    pub late: Vec<(UnixMillis, Timed)>,
    /// The end of the earliest of the others.
    pub next: Option<UnixMillis>,
}

/// One write about messages that disappear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerChange {
    /// The time of a message of ours begins, if it disappears and its time has not begun.
    Start {
        /// Which.
        timed: Timed,
        /// From when.
        from: UnixMillis,
    },
    /// The same for everything that was received in a conversation: it was read.
    StartAll {
        /// Whose.
        account: NodeId,
        /// Where.
        conversation: ConversationId,
        /// From when.
        from: UnixMillis,
    },
    /// The end of a message is further away than it lasts, because the clock was set back: its time begins anew.
    Hasten {
        /// When it was to go.
        due: UnixMillis,
        /// Which.
        timed: Timed,
        /// From when.
        from: UnixMillis,
    },
    /// The time of a message is over: nothing it said stays.
    Expire {
        /// When it was to go.
        due: UnixMillis,
        /// Which.
        timed: Timed,
    },
}
