//! What the list of conversations shows of one: its newest entry.
//!
//! A copy of what history and marks say, inside the row of the conversation ([`super::rows::ConversationRow`]), so that the list needs neither.
//! [`super::thread`] brings it up to date as messages come; what became of a message that is missing waits beside it.
//! Not here: what a conversation itself shows ([`super::marks`]).

use super::{
    content::{Body, Hlc},
    marks::Marks,
    rows::MessageRow,
};
use crate::{id::MsgId, time::UnixMillis};
use serde::{Deserialize, Serialize};

/// The latest entry of a conversation, as its list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastEntry {
    /// Its place.
    pub hlc: Hlc,
    /// Its name.
    pub id: MsgId,
    /// Whether it is ours.
    pub mine: bool,
    /// Its beginning, at most [`LastEntry::MAX_PREVIEW_CHARS`].
    pub preview: String,
    /// When it was written, as people see it.
    pub at: UnixMillis,
    /// Its author has taken it back.
    #[serde(default)]
    pub deleted: bool,
    /// The clock value of the edit that the preview is of; zero when it was not edited.
    #[serde(default)]
    pub as_of: Hlc,
    /// It is an offer of files: nobody edits or deletes that.
    #[serde(default)]
    pub file: bool,
    /// It has had its time: nothing is left of it.
    #[serde(default)]
    pub gone: bool,
}

/// What became of a message of theirs that is not here yet, for the list of conversations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Early {
    /// The message.
    pub target: MsgId,
    /// The clock value of what became of it.
    pub as_of: Hlc,
    /// The beginning of its new text; `None`: it is taken back.
    pub preview: Option<String>,
}

impl LastEntry {
    /// Longest preview, in characters: one line of a list.
    pub const MAX_PREVIEW_CHARS: usize = 120;

    /// The beginning of a text.
    #[must_use]
    pub fn preview_of(text: &str) -> String {
        text.chars().take(Self::MAX_PREVIEW_CHARS).collect()
    }

    /// Its message has had its time: what comes later about it shows nothing.
    pub fn expire(&mut self) {
        self.preview = String::new();
        (self.deleted, self.gone) = (true, true);
    }

    /// Takes over what became of its message. Returns whether anything is different now.
    pub fn take_over(&mut self, row: &MessageRow, marks: &Marks) -> bool {
        let before = self.clone();
        self.file = matches!(row.content.body, Body::File { .. });
        self.deleted = marks.is_deleted(row);
        if self.deleted {
            self.preview = String::new();
        } else if let Some(edit) = marks.edit_of(row) {
            (self.preview, self.as_of) = (Self::preview_of(&edit.text), edit.hlc);
        }
        *self != before
    }
}
