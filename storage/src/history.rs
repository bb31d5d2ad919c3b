//! Reading history: pages of a conversation in both directions, single messages, what a search finds.
//!
//! Not here: everything else that is read ([`crate::reader`]).

use crate::{
    Opened,
    cell::ReadError,
    reader::Reader,
    search,
    tables::{self, Link},
    timers,
};
use pc2_protocols::{
    id::{ConversationId, DeviceId, MsgId, NodeId},
    limits,
    messenger::{
        content::{Body, Hlc},
        marks::{Entry, Marks, Page, Place},
        rows::{self, Expired, MessageRow},
        search::Query,
    },
    time::UnixMillis,
};

impl Reader {
    /// A page of a conversation, newest first: at most `limit` messages before a place, or the newest. A page has
    /// [`limits::MAX_PAGE`] messages at most.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn history(
        &self,
        account: NodeId,
        conversation: ConversationId,
        before: Option<(Hlc, MsgId)>,
        limit: usize,
    ) -> Result<Vec<MessageRow>, ReadError> {
        self.read(|opened| {
            let start = tables::MESSAGES.key(&(account, conversation));
            let end = match before {
                Some((hlc, id)) => tables::MESSAGES.key(&(account, conversation, hlc, id)),
                None => [&start[..], &[0xff; size_of::<u64>() + MsgId::LEN + 1]].concat(),
            };
            let mut rows = Vec::new();
            for key in opened.tree.range(start..end).keys().rev().take(limit.min(limits::MAX_PAGE)) {
                rows.extend(tables::MESSAGES.get_at(&opened.tree, &opened.sealer, &key?)?);
            }
            Ok(rows)
        })
    }

    /// Entries of a conversation as they are now, newest first: at most `limit` before a place, or the newest; and where to go on, if
    /// there is more. Looks at [`limits::MAX_ROWS_A_PAGE`] messages at most, so that a page can have fewer entries than asked for.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn entries(
        &self,
        account: NodeId,
        conversation: ConversationId,
        before: Option<Place>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let mut entries = Vec::new();
        let (mut place, mut looked) = (before, 0);
        loop {
            let rows = self.history(account, conversation, place, limits::MAX_PAGE)?;
            if rows.is_empty() {
                return Ok((entries, None));
            }
            for row in rows {
                if entries.len() >= limit || looked >= limits::MAX_ROWS_A_PAGE {
                    return Ok((entries, place));
                }
                place = Some((row.content.hlc, row.content.id));
                looked += 1;
                if row.content.body.is_entry() {
                    entries.extend(self.read(|opened| as_it_is(opened, row))?);
                }
            }
        }
    }

    /// One entry of a conversation as it is now, by its id.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn entry(
        &self,
        account: NodeId,
        conversation: ConversationId,
        id: MsgId,
    ) -> Result<Option<Entry>, ReadError> {
        self.read(|opened| {
            let found = by_id(opened, account, conversation, id)?;
            found.map_or(Ok(None), |(row, _)| as_it_is(opened, row))
        })
    }

    /// Entries that have what is searched for, newest first: at most `limit` before a place, of one conversation or of all. Each as it is now.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn search(
        &self,
        account: NodeId,
        conversation: Option<ConversationId>,
        query: &Query,
        before: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        let limit = limit.min(limits::MAX_PAGE);
        let places = self.read(|opened| search::find(opened, account, conversation, query, before, limit))?;
        let mut entries = Vec::new();
        for (conversation, (hlc, id)) in places {
            let row = self.message(account, conversation, hlc, id)?;
            entries.extend(row.map_or(Ok(None), |row| self.read(|opened| as_it_is(opened, row)))?);
        }
        Ok(entries)
    }

    /// Entries of a conversation after a place, oldest first; the other direction of [`entries`](Self::entries).
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn entries_after(
        &self,
        account: NodeId,
        conversation: ConversationId,
        after: Place,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let mut entries = Vec::new();
        let (mut place, mut looked) = (after, 0);
        loop {
            let rows = self.history_after(account, conversation, place)?;
            if rows.is_empty() {
                return Ok((entries, None));
            }
            for row in rows {
                if entries.len() >= limit || looked >= limits::MAX_ROWS_A_PAGE {
                    return Ok((entries, Some(place)));
                }
                place = (row.content.hlc, row.content.id);
                looked += 1;
                if row.content.body.is_entry() {
                    entries.extend(self.read(|opened| as_it_is(opened, row))?);
                }
            }
        }
    }

    /// The messages after a place, oldest first: [`limits::MAX_PAGE`] at most.
    fn history_after(
        &self,
        account: NodeId,
        conversation: ConversationId,
        (hlc, id): Place,
    ) -> Result<Vec<MessageRow>, ReadError> {
        self.read(|opened| {
            let start = [&tables::MESSAGES.key(&(account, conversation, hlc, id))[..], &[0]].concat();
            let end = tables::MESSAGES.key(&(account, conversation));
            let end = [&end[..], &[0xff; size_of::<u64>() + MsgId::LEN + 1]].concat();
            let mut rows = Vec::new();
            for key in opened.tree.range(start..end).keys().take(limits::MAX_PAGE) {
                rows.extend(tables::MESSAGES.get_at(&opened.tree, &opened.sealer, &key?)?);
            }
            Ok(rows)
        })
    }

    /// Messages whose time was over at a moment, oldest first, and when that of the next is; of `all`, those whose end is further away than they last.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn expired(&self, account: NodeId, until: UnixMillis, all: bool) -> Result<Expired, ReadError> {
        self.read(|opened| timers::expired(opened, account, until, all))
    }

    /// What waits in the outbox though its time is over: what to write before a machine is started.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn over_in_outbox(&self, account: NodeId) -> Result<Vec<rows::Change>, ReadError> {
        self.read(|opened| timers::over_in_outbox(opened, account))
    }

    /// One message.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn message(
        &self,
        account: NodeId,
        conversation: ConversationId,
        hlc: Hlc,
        id: MsgId,
    ) -> Result<Option<MessageRow>, ReadError> {
        self.read(|opened| {
            tables::MESSAGES.get(&opened.tree, &opened.sealer, &(account, conversation, hlc, id))
        })
    }

    /// The messages of one chain with numbers from `from` through `to`, by number; those that exist, and
    /// [`limits::MAX_REPAIR`] at most.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn own_range(
        &self,
        account: NodeId,
        conversation: ConversationId,
        device: DeviceId,
        from: u64,
        to: u64,
    ) -> Result<Vec<MessageRow>, ReadError> {
        self.read(|opened| {
            let start = tables::LINKS.key(&(account, conversation, device, from));
            let end = tables::LINKS.key(&(account, conversation, device, to));
            if from > to {
                return Ok(Vec::new());
            }
            let most = usize::try_from(limits::MAX_REPAIR).unwrap_or(usize::MAX);
            let mut rows = Vec::new();
            for key in opened.tree.range(start..=end).keys().take(most) {
                let link = tables::LINKS.get_at(&opened.tree, &opened.sealer, &key?)?;
                let Some(Link { hlc, id }) = link else { continue };
                let row =
                    tables::MESSAGES.get(&opened.tree, &opened.sealer, &(account, conversation, hlc, id))?;
                rows.extend(row.filter(|row| row.content.device == device));
            }
            Ok(rows)
        })
    }
}

/// A message with what became of it, and what it answers; `None` when it has the id of another one: such came into histories of older versions.
fn as_it_is(opened: &Opened, row: MessageRow) -> Result<Option<Entry>, ReadError> {
    let (account, conversation) = (row.account, row.conversation);
    let key = (account, conversation, row.content.id);
    let marks = tables::BY_ID.get(&opened.tree, &opened.sealer, &key)?.unwrap_or_default();
    if marks.place.is_some_and(|hlc| hlc != row.content.hlc) {
        return Ok(None);
    }
    let quoted = match row.content.body {
        Body::Text { reply_to: Some(id), .. } => by_id(opened, account, conversation, id)?.map(Box::new),
        _ => None,
    };
    Ok(Some(Entry { row, marks, quoted }))
}

fn by_id(
    opened: &Opened,
    account: NodeId,
    conversation: ConversationId,
    id: MsgId,
) -> Result<Option<(MessageRow, Marks)>, ReadError> {
    let (tree, sealer) = (&opened.tree, &opened.sealer);
    let Some(marks) = tables::BY_ID.get(tree, sealer, &(account, conversation, id))? else { return Ok(None) };
    let Some(hlc) = marks.place else { return Ok(None) };
    let row = tables::MESSAGES.get(tree, sealer, &(account, conversation, hlc, id))?;
    Ok(row.map(|row| (row, marks)))
}
