//! What became of a message after it was written: its edits, its end, the reactions to it.
//!
//! In: every message that comes to be in history, in any order. Out: what to show of a message, and which rows lose their text. Edits,
//! deletions and reactions name their target by its id and may come before it, so they are kept by that id, for each person apart; only when
//! both are here it shows whose message it is: a person's edits and deletions count for their own messages alone.
//!
//! The same ones in any order give the same marks: of edits, and of reactions of one person, the one with the highest `(hlc, id)` counts, and
//! nothing undoes a deletion. Bounded: two people, one edit and one reaction each.
//! Not here: tables (`pc2-storage`, which calls [`Marks::note`] as it writes a message), the wire ([`super::content`]).

use super::{
    content::{Body, Hlc},
    rows::MessageRow,
};
use crate::{
    id::{MsgId, NodeId},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

/// Everybody in a conversation.
const MAX_PEOPLE: usize = 2;

/// What is known under the id of a message: where it is, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Marks {
    /// The clock value of the message, with its id its place in history; `None`: it is not here (yet).
    pub place: Option<Hlc>,
    /// How many edits, deletions and reactions there were: of two pictures of a message, the one with more is the newer.
    pub revision: u32,
    /// By whom what, at most [`MAX_PEOPLE`].
    people: Vec<Person>,
}

/// What one person did to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Person {
    who: NodeId,
    edit: Option<Edit>,
    /// How many edits there were, older ones included.
    edits: u32,
    deleted: bool,
    reaction: Option<Reaction>,
}

/// The newest edit of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The clock value of the message it came with.
    pub hlc: Hlc,
    /// That message.
    pub id: MsgId,
    /// When, as people see it.
    pub at: UnixMillis,
    /// What the message says now.
    pub text: String,
}

/// The newest reaction of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reaction {
    hlc: Hlc,
    id: MsgId,
    /// `None`: taken back.
    emoji: Option<String>,
}

/// The place of a message in history.
pub type Place = (Hlc, MsgId);

/// A message as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As it was written; without its text when its author took it back.
    pub row: MessageRow,
    /// What became of it.
    pub marks: Marks,
    /// What it answers, if that is here, with what became of that.
    pub quoted: Option<Box<(MessageRow, Marks)>>,
}

/// Entries of a conversation, newest first, and where to go on, if there is more before them.
pub type Page = (Vec<Entry>, Option<Place>);

/// What can become of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amendment {
    /// It says this now. Own messages only.
    Edit {
        /// The new text.
        text: String,
    },
    /// It is gone for both. Own messages only.
    Delete,
    /// We react to it so; `None` takes it back.
    React {
        /// One emoji.
        emoji: Option<String>,
    },
}

impl Amendment {
    /// As it travels.
    pub(super) fn body(self, target: MsgId) -> Body {
        match self {
            Self::Edit { text } => Body::Edit { target, text },
            Self::Delete => Body::Delete { target },
            Self::React { emoji } => Body::Reaction { target, emoji },
        }
    }
}

impl Marks {
    /// Of a message that is at a place, and that nothing has become of.
    #[must_use]
    pub fn at(place: Hlc) -> Self {
        Self { place: Some(place), ..Self::default() }
    }

    /// Takes in an edit, deletion or reaction, which is in history now. Returns the places of edits whose text nobody is to see any more.
    pub fn note(&mut self, row: &MessageRow) -> Vec<Place> {
        let (hlc, id) = (row.content.hlc, row.content.id);
        if row.content.body.target().is_none() || self.person_mut(row.sender).is_none() {
            return Vec::new();
        }
        self.revision = self.revision.saturating_add(1);
        let Some(person) = self.person_mut(row.sender) else { return Vec::new() };
        match &row.content.body {
            Body::Edit { text, .. } => {
                let known = person.edit.as_ref().map(|edit| (edit.hlc, edit.id));
                // The one in force comes again after a restore from an export that had this, but not its message.
                if known == Some((hlc, id)) {
                    return Vec::new();
                }
                person.edits = person.edits.saturating_add(1);
                if person.deleted || known > Some((hlc, id)) {
                    return vec![(hlc, id)];
                }
                let edit = Edit { hlc, id, at: hlc.shown_at(row.stored), text: text.clone() };
                let before = person.edit.replace(edit);
                before.map(|edit| (edit.hlc, edit.id)).into_iter().collect()
            }
            Body::Delete { .. } => {
                person.deleted = true;
                person.edit.take().map(|edit| (edit.hlc, edit.id)).into_iter().collect()
            }
            Body::Reaction { emoji, .. } => {
                if person.reaction.as_ref().is_none_or(|known| (known.hlc, known.id) < (hlc, id)) {
                    person.reaction = Some(Reaction { hlc, id, emoji: emoji.clone() });
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// The message of this author has had its time: nothing of it is left, and what comes later about it changes nothing. Returns the places of edits
    /// whose text nobody is to see any more.
    pub fn end(&mut self, author: NodeId) -> Vec<Place> {
        self.revision = self.revision.saturating_add(1);
        self.people.iter_mut().for_each(|person| person.reaction = None);
        let Some(person) = self.person_mut(author) else { return Vec::new() };
        person.deleted = true;
        person.edit.take().map(|edit| (edit.hlc, edit.id)).into_iter().collect()
    }

    /// Whether texts of this author under this id are taken back.
    #[must_use]
    pub fn deleted_by(&self, author: NodeId) -> bool {
        self.person(author).is_some_and(|person| person.deleted)
    }

    /// Whether the author of a message took its text back. The row says so by itself; but in an export made at that moment, only marks do.
    #[must_use]
    pub fn is_deleted(&self, row: &MessageRow) -> bool {
        let body = &row.content.body;
        body.is_erased() || (matches!(body, Body::Text { .. }) && self.deleted_by(row.sender))
    }

    /// What a text says now, if its author edited it and did not take it back.
    #[must_use]
    pub fn edit_of(&self, row: &MessageRow) -> Option<&Edit> {
        let is_there = matches!(row.content.body, Body::Text { .. }) && !self.is_deleted(row);
        self.edit_by(row.sender).filter(|_| is_there)
    }

    fn edit_by(&self, author: NodeId) -> Option<&Edit> {
        self.person(author)?.edit.as_ref()
    }

    /// How often a message of this author was edited.
    #[must_use]
    pub fn edits_by(&self, author: NodeId) -> u32 {
        self.person(author).map_or(0, |person| person.edits)
    }

    /// Who reacts how, one emoji a person at most; whose came first is first.
    pub fn reactions(&self) -> impl Iterator<Item = (NodeId, &str)> {
        self.people
            .iter()
            .filter_map(|person| Some((person.who, person.reaction.as_ref()?.emoji.as_deref()?)))
    }

    fn person(&self, who: NodeId) -> Option<&Person> {
        self.people.iter().find(|person| person.who == who)
    }

    fn person_mut(&mut self, who: NodeId) -> Option<&mut Person> {
        if self.person(who).is_none() && self.people.len() < MAX_PEOPLE {
            self.people.push(Person { who, edit: None, edits: 0, deleted: false, reaction: None });
        }
        self.people.iter_mut().find(|person| person.who == who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec,
        id::{ConversationId, DeviceId},
        limits,
        messenger::{content::Content, rows::MessageState},
    };

    const ME: NodeId = NodeId::from_bytes([1; 32]);
    const PEER: NodeId = NodeId::from_bytes([2; 32]);
    const TARGET: MsgId = MsgId::from_bytes([9; 16]);

    fn row(sender: NodeId, hlc: u64, body: Body) -> MessageRow {
        let content = Content {
            id: MsgId::from_bytes(u128::from(hlc).to_be_bytes()),
            device: DeviceId::from_bytes([0; 16]),
            seq: hlc,
            prev_hash: [0; 32],
            parents: Vec::new(),
            hlc: Hlc(hlc),
            body,
            lasts: None,
        };
        let conversation = ConversationId::direct(PEER);
        let (state, stored) = (MessageState::Received, UnixMillis(0));
        MessageRow { account: ME, conversation, sender, content, state, stored, chain_broken: false }
    }

    fn edit(sender: NodeId, hlc: u64, text: &str) -> MessageRow {
        row(sender, hlc, Body::Edit { target: TARGET, text: text.to_owned() })
    }

    fn reaction(sender: NodeId, hlc: u64, emoji: Option<&str>) -> MessageRow {
        row(sender, hlc, Body::Reaction { target: TARGET, emoji: emoji.map(str::to_owned) })
    }

    fn delete(sender: NodeId, hlc: u64) -> MessageRow {
        row(sender, hlc, Body::Delete { target: TARGET })
    }

    #[test]
    fn the_newest_edit_counts_in_whatever_order_they_come_and_the_others_lose_their_text() {
        let rows = [edit(PEER, 1, "one"), edit(PEER, 2, "two"), edit(PEER, 3, "three")];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let mut marks = Marks::default();
            let mut erased: Vec<u64> =
                order.iter().flat_map(|at| marks.note(&rows[*at])).map(|(hlc, _)| hlc.0).collect();
            erased.sort_unstable();
            assert_eq!(erased, [1, 2], "{order:?}");
            assert_eq!(marks.edit_by(PEER).map(|edit| edit.text.as_str()), Some("three"));
            assert_eq!(marks.edits_by(PEER), 3);
        }
    }

    #[test]
    fn what_comes_again_changes_nothing() {
        let rows = [edit(PEER, 1, "one"), edit(PEER, 2, "two"), reaction(PEER, 3, Some("👍"))];
        let mut marks = Marks::default();
        rows.iter().for_each(|row| drop(marks.note(row)));
        let (edit, reactions) = (marks.edit_by(PEER).cloned(), marks.reactions().count());
        assert!(marks.note(&rows[1]).is_empty(), "the text in force stays");
        assert_eq!(marks.note(&rows[0]).len(), 1, "an older one is not to be read any more");
        marks.note(&rows[2]);
        assert_eq!((marks.edit_by(PEER), marks.reactions().count()), (edit.as_ref(), reactions));
    }

    #[test]
    fn marks_of_the_largest_texts_and_emoji_fit_into_a_row() {
        let (text, emoji) = ("x".repeat(limits::MAX_TEXT_BYTES), "x".repeat(limits::MAX_EMOJI_BYTES));
        let mut marks = Marks::at(Hlc(1));
        for who in [ME, PEER] {
            marks.note(&edit(who, u64::MAX, &text));
            marks.note(&reaction(who, u64::MAX, Some(&emoji)));
        }
        assert!(codec::encode(&marks).len() < 34 * 1024);
    }

    #[test]
    fn nobody_edits_or_deletes_what_another_wrote() {
        let mut marks = Marks::default();
        marks.note(&edit(PEER, 1, "not mine"));
        marks.note(&delete(PEER, 2));
        assert_eq!(marks.edit_by(ME), None);
        assert!(!marks.deleted_by(ME));
        assert!(marks.deleted_by(PEER));
    }

    #[test]
    fn nothing_undoes_a_deletion_and_no_text_is_left() {
        for rows in [[edit(PEER, 1, "secret"), delete(PEER, 2)], [delete(PEER, 2), edit(PEER, 3, "secret")]] {
            let mut marks = Marks::default();
            let erased: Vec<Place> = rows.iter().flat_map(|row| marks.note(row)).collect();
            assert_eq!(erased.len(), 1);
            assert!(marks.deleted_by(PEER));
            assert_eq!(marks.edit_by(PEER), None);
        }
    }

    #[test]
    fn each_person_has_one_reaction_and_can_take_it_back() {
        let mut marks = Marks::default();
        marks.note(&reaction(PEER, 4, Some("👍")));
        marks.note(&reaction(ME, 5, Some("😂")));
        marks.note(&reaction(PEER, 3, Some("😮")));
        assert_eq!(marks.reactions().collect::<Vec<_>>(), [(PEER, "👍"), (ME, "😂")]);
        marks.note(&reaction(PEER, 6, None));
        assert_eq!(marks.reactions().collect::<Vec<_>>(), [(ME, "😂")]);
    }

    #[test]
    fn a_third_person_has_no_say() {
        let mut marks = Marks::default();
        marks.note(&reaction(ME, 1, Some("👍")));
        marks.note(&reaction(PEER, 2, Some("👍")));
        assert!(marks.note(&edit(NodeId::from_bytes([3; 32]), 3, "x")).is_empty());
        assert_eq!(marks.people.len(), MAX_PEOPLE);
    }
}
