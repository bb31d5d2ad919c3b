//! Reading, from any thread, while the writer writes.
//!
//! A row is always read whole, and a batch is seen by later reads only once it was applied. Two reads may see a batch
//! between them: whoever needs one state of many rows (a machine that is rebuilt) calls
//! [`Writer::barrier`](crate::Writer::barrier) first and is the only one whose batches change them.
//!
//! What cannot be read is an error, never a guess, and makes the next start check every row. Held records are the exception: a damaged one is left out, because
//! others hold it, too.

use crate::{
    Opened,
    cell::ReadError,
    change::WebSessionRow,
    check,
    tables::{self, Link, SessionChunk},
};
use pc2_protocols::{
    dht,
    id::{ConversationId, DeviceId, MsgId, NodeId, RecordKey, SessionId},
    identity::ProfileRow,
    limits,
    messenger::{
        content::Hlc,
        rows::{MessageRow, Snapshot},
    },
    net::Peer,
};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, RwLock},
};

/// Reads the database. Cheap to clone; answers [`ReadError::Closed`] once the storage is closed.
#[derive(Clone)]
pub struct Reader {
    opened: Arc<RwLock<Option<Opened>>>,
}

impl Reader {
    pub(crate) fn new(opened: Arc<RwLock<Option<Opened>>>) -> Self {
        Self { opened }
    }

    /// Everything a messenger of this account starts from. Reads no history.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn messenger_snapshot(&self, account: NodeId) -> Result<Snapshot, ReadError> {
        self.read(|opened| snapshot(opened, account))
    }

    /// Everything the record machine starts from. Held records are read one after the other; what is kept of each is a summary.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn dht_snapshot(&self) -> Result<dht::Snapshot, ReadError> {
        self.read(|opened| {
            let mut held = Vec::new();
            for row in tables::HELD.rows_under(&opened.tree, &opened.sealer, &()) {
                match row {
                    Ok(row) => held.push(dht::HeldSummary::of(&row)),
                    Err(ReadError::Damaged { what }) => tracing::warn!(what, "damaged row left out"),
                    Err(error) => return Err(error),
                }
            }
            let published =
                tables::PUBLISHED.rows_under(&opened.tree, &opened.sealer, &()).collect::<Result<_, _>>()?;
            Ok(dht::Snapshot { held, published })
        })
    }

    /// The bytes of a record held for others.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn held_record(&self, key: RecordKey) -> Result<Option<Vec<u8>>, ReadError> {
        self.read(|opened| Ok(tables::HELD.get(&opened.tree, &opened.sealer, &key)?.map(|row| row.record)))
    }

    /// How an account calls itself.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn profile(&self, account: NodeId) -> Result<Option<ProfileRow>, ReadError> {
        self.read(|opened| tables::PROFILES.get(&opened.tree, &opened.sealer, &account))
    }

    /// Everybody signed in.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn web_sessions(&self) -> Result<Vec<WebSessionRow>, ReadError> {
        self.read(|opened| tables::WEB_SESSIONS.rows_under(&opened.tree, &opened.sealer, &()).collect())
    }

    /// The routing table as it was last written.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn routing(&self) -> Result<Vec<Peer>, ReadError> {
        self.read(|opened| tables::ROUTING.rows_under(&opened.tree, &opened.sealer, &()).collect())
    }

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

    /// Reads with the database open, and turns a panic of sled into an error.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Opened) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let opened = opened.as_ref().ok_or(ReadError::Closed)?;
        let result = catch_unwind(AssertUnwindSafe(|| read(opened)))
            .unwrap_or_else(|_| Err(ReadError::Database { reason: "it panicked while reading".to_owned() }));
        if let Err(ReadError::Damaged { what }) = &result {
            tracing::error!(what, "damaged; everything is checked at the next start");
            check::suspect(&opened.dir);
        }
        result
    }
}

fn snapshot(opened: &Opened, account: NodeId) -> Result<Snapshot, ReadError> {
    let (tree, sealer) = (&opened.tree, &*opened.sealer);
    let mut snapshot =
        Snapshot { device: tables::DEVICES.get(tree, sealer, &account)?, ..Snapshot::default() };
    for row in tables::CONTACTS.rows_under(tree, sealer, &account) {
        let row = row?;
        snapshot.contacts.insert(row.peer, row);
    }
    for row in tables::CONVERSATIONS.rows_under(tree, sealer, &account) {
        let row = row?;
        snapshot.conversations.insert(row.conversation, row);
    }
    for row in tables::CHAINS.rows_under(tree, sealer, &account) {
        let row = row?;
        snapshot.chains.insert((row.conversation, row.device), row);
    }
    for row in tables::OUTBOX.rows_under(tree, sealer, &account) {
        let row = row?;
        snapshot.outbox.insert((row.conversation, row.order), row);
    }
    for row in tables::SESSIONS.rows_under(tree, sealer, &account) {
        let row = row?;
        snapshot.sessions.insert(row.session, row);
    }
    snapshot.session_values = session_values(tables::SESSION_VALUES.rows_under(tree, sealer, &account))?;
    for row in tables::INVITATIONS.rows_under(tree, sealer, &account) {
        let row = row?;
        snapshot.invitations.insert(row.token.clone(), row);
    }
    Ok(snapshot)
}

/// The session library's values by owner and key, as in the snapshot.
type SessionValues = BTreeMap<(Option<SessionId>, Vec<u8>), Vec<u8>>;

/// Puts the chunks of the session library's values together. They come in order: the first of a value, then its others.
fn session_values(
    mut chunks: impl Iterator<Item = Result<SessionChunk, ReadError>>,
) -> Result<SessionValues, ReadError> {
    let mut values = BTreeMap::new();
    while let Some(first) = chunks.next() {
        let SessionChunk { session, key, chunks: count, mut bytes } = first?;
        for _ in 1..count {
            let next = chunks.next().transpose()?;
            let next = next.filter(|next| next.session == session && next.key.is_empty());
            bytes.extend(next.ok_or(ReadError::Damaged { what: tables::SESSION_VALUES.name() })?.bytes);
        }
        values.insert((session, key), bytes);
    }
    Ok(values)
}
