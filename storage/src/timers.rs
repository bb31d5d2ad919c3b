//! Messages that disappear: from when their time runs, and what is left when it is over: nothing they said.
//!
//! A message with a time is noted beside history as it is written; once it is read or delivered it gets its place in the order of ends. When its end has
//! come, its row, its edits, the reactions to it and its text for searches go in one batch; its id stays marked, so that what comes later about it shows nothing.
//! In an export it is until the next one, as with deleted texts.
//!
//! Not here: when to look (`pc2_protocols::messenger`), marks ([`crate::marks`]).

use crate::{
    Opened,
    apply::legible,
    cell::{Cells as _, ReadError},
    marks, search,
    stage::Stage,
    table::StageError,
    tables,
};
use pc2_protocols::{
    id::{ConversationId, MsgId, NodeId},
    limits,
    messenger::{
        content::{Body, Hlc},
        rows::{self, Expired, MessageRow, OutboxRow, Timed, TimerChange, Waiting},
    },
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};

/// A message whose time has not begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TimedRow {
    timed: Timed,
    /// In seconds.
    lasts: u32,
    mine: bool,
}

/// A message whose time has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExpiringRow {
    timed: Timed,
    /// Its end.
    due: UnixMillis,
    /// In seconds: no end is further away, unless the clock was set back.
    lasts: u32,
}

/// Carries a change out.
pub(crate) fn apply(stage: &mut Stage<'_>, change: TimerChange) -> Result<(), StageError> {
    match change {
        TimerChange::Start { timed, from } => start(stage, timed, from),
        TimerChange::StartAll { account, conversation, from } => {
            start_all(stage, account, conversation, from)
        }
        TimerChange::Hasten { due, timed, from } => hasten(stage, due, timed, from),
        TimerChange::Expire { due, timed } => expire(stage, due, timed),
    }
}

/// Notes a new message, if it disappears.
pub(crate) fn note(stage: &mut Stage<'_>, row: &MessageRow) -> Result<(), StageError> {
    let Some(lasts) = row.content.lasts.filter(|_| row.content.body.disappears()) else { return Ok(()) };
    let timed = Timed::of(row);
    let row = TimedRow { timed, lasts, mine: row.sender == row.account };
    tables::TIMED.put(stage, &(timed.account, timed.conversation, timed.hlc, timed.id), &row)
}

/// The time of a message of the account's begins.
fn start(stage: &mut Stage<'_>, timed: Timed, from: UnixMillis) -> Result<(), StageError> {
    let key = tables::TIMED.key(&(timed.account, timed.conversation, timed.hlc, timed.id));
    let row = legible(tables::TIMED.get_at(stage, stage.sealer(), &key))?;
    row.map_or(Ok(()), |row| begin(stage, &row, from))
}

/// The time of everything received in a conversation begins.
fn start_all(
    stage: &mut Stage<'_>,
    account: NodeId,
    conversation: ConversationId,
    from: UnixMillis,
) -> Result<(), StageError> {
    for key in stage.keys_under(&tables::TIMED.key(&(account, conversation)))? {
        let row = legible(tables::TIMED.get_at(stage, stage.sealer(), &key))?;
        if let Some(row) = row.filter(|row| !row.mine) {
            begin(stage, &row, from)?;
        }
    }
    Ok(())
}

fn begin(stage: &mut Stage<'_>, row: &TimedRow, from: UnixMillis) -> Result<(), StageError> {
    let TimedRow { timed, lasts, .. } = *row;
    tables::TIMED.remove(stage, &(timed.account, timed.conversation, timed.hlc, timed.id))?;
    put(stage, timed, lasts, from)
}

fn put(stage: &mut Stage<'_>, timed: Timed, lasts: u32, from: UnixMillis) -> Result<(), StageError> {
    let due = end(from, lasts);
    tables::EXPIRING.put(stage, &place(due, timed), &ExpiringRow { timed, due, lasts })
}

/// The time of a message begins anew.
fn hasten(stage: &mut Stage<'_>, due: UnixMillis, timed: Timed, from: UnixMillis) -> Result<(), StageError> {
    let key = tables::EXPIRING.key(&place(due, timed));
    let Some(row) = legible(tables::EXPIRING.get_at(stage, stage.sealer(), &key))? else { return Ok(()) };
    stage.remove(&key)?;
    put(stage, timed, row.lasts, from)
}

/// Where a message is in the order of ends.
const fn place(due: UnixMillis, timed: Timed) -> (NodeId, u64, ConversationId, Hlc, MsgId) {
    (timed.account, due.0, timed.conversation, timed.hlc, timed.id)
}

fn end(from: UnixMillis, lasts: u32) -> UnixMillis {
    from.after(Duration::from_secs(lasts.min(limits::MAX_LASTS_SECS).into()))
}

/// Takes everything of a message out.
fn expire(stage: &mut Stage<'_>, due: UnixMillis, timed: Timed) -> Result<(), StageError> {
    let Timed { account, conversation, hlc, id } = timed;
    let at = (account, conversation);
    tables::EXPIRING.remove(stage, &place(due, timed))?;
    search::forget(stage, at, (hlc, id))?;
    let key = tables::MESSAGES.key(&(account, conversation, hlc, id));
    let Some(row) = legible(tables::MESSAGES.get_at(stage, stage.sealer(), &key))? else { return Ok(()) };
    stage.remove(&key)?;
    marks::end(stage, &row)?;
    // While a machine runs it writes the same; at a start there is none yet.
    let list = legible(tables::CONVERSATIONS.get(stage, stage.sealer(), &at))?;
    if let Some(mut list) = list
        && let Some(last) = list.last.as_mut().filter(|last| last.id == id)
    {
        last.expire();
        tables::CONVERSATIONS.put(stage, &at, &list)?;
    }
    Ok(())
}

/// What a start takes out of the outbox: messages that are over, and their edits. (While a machine runs, it does so itself.) What else was in their parcels
/// waits for new ones.
pub(crate) fn over_in_outbox(opened: &Opened, account: NodeId) -> Result<Vec<rows::Change>, ReadError> {
    let rows = || tables::OUTBOX.rows_under(&opened.tree, &opened.sealer, &account);
    let mut changes = Vec::new();
    let mut parcels = BTreeSet::new();
    for row in rows() {
        let row = row?;
        if is_over(opened, &row)? {
            parcels.extend(row.parcel.map(|place| place.id));
            let (conversation, order) = (row.conversation, row.order);
            changes.push(rows::Change::RemoveOutbox { account, conversation, order });
        }
    }
    if parcels.is_empty() {
        return Ok(changes);
    }
    for row in rows() {
        let row = row?;
        if row.parcel.is_some_and(|place| parcels.contains(&place.id)) && !is_over(opened, &row)? {
            changes.push(rows::Change::PutOutbox(Box::new(OutboxRow { parcel: None, ..row })));
        }
    }
    Ok(changes)
}

/// Whether what waits says the same as a message that is here no more.
fn is_over(opened: &Opened, row: &OutboxRow) -> Result<bool, ReadError> {
    let Waiting::Content { content, .. } = &row.what else { return Ok(false) };
    let (account, conversation) = (row.account, row.conversation);
    let place = match &content.body {
        Body::Edit { target, .. } => {
            let key = (account, conversation, *target);
            let marks = legible(tables::BY_ID.get(&opened.tree, &opened.sealer, &key))?;
            marks.and_then(|marks| Some((marks.place?, *target)))
        }
        _ => content.lasts.map(|_| (content.hlc, content.id)),
    };
    let Some((hlc, id)) = place else { return Ok(false) };
    Ok(opened.tree.cell(&tables::MESSAGES.key(&(account, conversation, hlc, id)))?.is_none())
}

/// Messages whose time was over at a moment, oldest first, and the end of the next. If `all` are to be looked at, also those whose end is
/// further away than they last. A row that is damaged is left to the next start, which restores it.
pub(crate) fn expired(
    opened: &Opened,
    account: NodeId,
    until: UnixMillis,
    all: bool,
) -> Result<Expired, ReadError> {
    let mut expired = Expired::default();
    for row in tables::EXPIRING.rows_under(&opened.tree, &opened.sealer, &account) {
        let Some(ExpiringRow { timed, due, lasts }) = legible(row.map(Some))? else { continue };
        if due <= until && expired.due.len() < limits::MAX_EXPIRED {
            expired.due.push((due, timed));
            continue;
        }
        expired.next.get_or_insert(due);
        if due > end(until, lasts) {
            expired.late.push((due, timed));
        }
        // More of them follow once these are dealt with.
        if !all || !expired.due.is_empty() || expired.late.len() >= limits::MAX_EXPIRED {
            break;
        }
    }
    Ok(expired)
}
