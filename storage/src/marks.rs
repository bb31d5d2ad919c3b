//! What messages do to one another on the disk: each entry is found by its id, and edits, deletions and reactions stand beside their target.
//!
//! In: a message that comes to be in history, or one that an older version left there ([`crate::migrate`]). Out, in the stage: the
//! [`Marks`] of it and of its target, and messages without the text that nobody is to read any more. The same message again changes no more
//! than counters, so that a step that was cut short can be repeated. A damaged row stays as it is: the next start restores it.
//!
//! Not here: what marks mean (`pc2_protocols::messenger::marks`), why they stand apart (docs/decisions/0031).

use crate::{
    apply::legible,
    cell::{Cells as _, ReadError},
    search,
    stage::Stage,
    table::StageError,
    tables,
};
use pc2_protocols::{
    id::{ConversationId, MsgId, NodeId},
    messenger::{
        content::Body,
        marks::{Marks, Place},
        rows::MessageRow,
    },
};
use std::borrow::Cow;

/// Whose history, and which conversation.
type At = (NodeId, ConversationId);

/// Takes the place of a message in, if it is an entry. Returns the message as it is kept: without its text when that was taken back before
/// it came; `None` when it is passed off under the id of another one, and is not kept at all.
pub(crate) fn place<'a>(
    stage: &mut Stage<'_>,
    row: &'a MessageRow,
) -> Result<Option<Cow<'a, MessageRow>>, StageError> {
    let (content, at) = (&row.content, (row.account, row.conversation));
    if !content.body.is_entry() {
        return Ok(Some(Cow::Borrowed(row)));
    }
    let Some(mut marks) = read(stage, at, content.id)? else { return Ok(Some(Cow::Borrowed(row))) };
    if let Some(hlc) = marks.place.filter(|hlc| *hlc != content.hlc)
        && row.sender != row.account
        // An export that was made while the writer wrote can know the place of a message that it does not have.
        && stage.cell(&key(at, (hlc, content.id)))?.is_some()
    {
        tracing::warn!("a message under the id of another one was not kept");
        return Ok(None);
    }
    if marks.place != Some(content.hlc) {
        marks.place = Some(content.hlc);
        tables::BY_ID.put(stage, &(at.0, at.1, content.id), &marks)?;
    }
    if !marks.deleted_by(row.sender) {
        return Ok(Some(Cow::Borrowed(row)));
    }
    let mut row = row.clone();
    row.content.body.erase();
    Ok(Some(Cow::Owned(row)))
}

/// Takes an edit, a deletion or a reaction in, which may be there before its target. What nobody is to read any more leaves the disk.
pub(crate) fn amend(stage: &mut Stage<'_>, row: &MessageRow) -> Result<(), StageError> {
    let at = (row.account, row.conversation);
    let Some(target) = row.content.body.target() else { return Ok(()) };
    let Some(mut marks) = read(stage, at, target)? else { return Ok(()) };
    let mut unread = marks.note(row);
    tables::BY_ID.put(stage, &(at.0, at.1, target), &marks)?;
    if marks.deleted_by(row.sender) {
        unread.extend(marks.place.map(|hlc| (hlc, target)));
    }
    unread.into_iter().try_for_each(|place| erase(stage, row, &key(at, place)))?;
    match row.content.body {
        Body::Edit { .. } | Body::Delete { .. } => search::amended(stage, at, target, row.sender, &marks),
        _ => Ok(()),
    }
}

/// Takes the text out of a message of the same sender.
fn erase(stage: &mut Stage<'_>, by: &MessageRow, key: &[u8]) -> Result<(), StageError> {
    let Some(mut row) = legible(tables::MESSAGES.get_at(stage, stage.sealer(), key))? else { return Ok(()) };
    let before = row.content.body.clone();
    row.content.body.erase();
    if row.sender == by.sender && row.content.body != before {
        let value = tables::MESSAGES.value(&row)?;
        stage.put(tables::MESSAGES.name(), key, &value)?;
    }
    Ok(())
}

/// A message has had its time: nothing of what became of it is left but that it is over.
pub(crate) fn end(stage: &mut Stage<'_>, row: &MessageRow) -> Result<(), StageError> {
    let at = (row.account, row.conversation);
    let Some(mut marks) = read(stage, at, row.content.id)? else { return Ok(()) };
    let unread = marks.end(row.sender);
    tables::BY_ID.put(stage, &(at.0, at.1, row.content.id), &marks)?;
    unread.into_iter().try_for_each(|place| erase(stage, row, &key(at, place)))
}

/// What is known under an id so far; `None` when that is damaged.
pub(crate) fn read(stage: &Stage<'_>, at: At, id: MsgId) -> Result<Option<Marks>, ReadError> {
    let found = tables::BY_ID.get(stage, stage.sealer(), &(at.0, at.1, id)).map(Option::unwrap_or_default);
    legible(found.map(Some))
}

fn key(at: At, place: Place) -> Vec<u8> {
    tables::MESSAGES.key(&(at.0, at.1, place.0, place.1))
}
