//! Reading, from any thread, while the writer writes.
//!
//! A row is always read whole, and a batch is seen by later reads only once it was applied. Two reads may see a batch
//! between them: whoever needs one state of many rows (a machine that is rebuilt) calls
//! [`Writer::barrier`](crate::Writer::barrier) first and is the only one whose batches change them.
//!
//! What cannot be read is an error, never a guess, and makes the next start check every row. What is held for others is the exception: a damaged record or
//! envelope is left out, because others hold it, too.

use crate::{
    Opened,
    access::AccessRows,
    cell::ReadError,
    check,
    tables::{self, SessionChunk},
};
use pc2_protocols::{
    dht,
    files::{self, offer::FileOffer},
    id::{ConversationId, EnvelopeId, NodeId, RecordKey, SessionId},
    identity::ProfileRow,
    limits,
    mailbox::{self, EnvelopeKey},
    messenger::{content::Body, rows::Snapshot},
    net::Peer,
    relay::ContributionRow,
    time::UnixMillis,
    wasm,
};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
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
            let rows = tables::HELD.rows_under(&opened.tree, &opened.sealer, &());
            let held = rows.filter_map(|row| whole(row.map(|row| dht::HeldSummary::of(&row))));
            let held = held.collect::<Result<_, _>>()?;
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

    /// Everything the mailbox machine starts from. Rows are read one after the other; of envelopes and parcels a summary is kept.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn mailbox_snapshot(&self) -> Result<mailbox::rows::Snapshot, ReadError> {
        use mailbox::rows::{HeldSummary, ParcelSummary, Snapshot};
        self.read(|opened| {
            let (tree, sealer) = (&opened.tree, &*opened.sealer);
            let held = tables::ENVELOPES.rows_under(tree, sealer, &());
            let held = held.filter_map(|row| whole(row.map(|row| HeldSummary::of(&row))));
            let parcels = tables::PARCELS.rows_under(tree, sealer, &());
            let parcels = parcels.map(|row| row.map(|row| ParcelSummary::of(&row)));
            Ok(Snapshot {
                held: held.collect::<Result<_, _>>()?,
                tombstones: tables::TOMBSTONES.rows_under(tree, sealer, &()).collect::<Result<_, _>>()?,
                pins: tables::PINS.rows_under(tree, sealer, &()).collect::<Result<_, _>>()?,
                served: tables::SERVED.rows_under(tree, sealer, &()).collect::<Result<_, _>>()?,
                parcels: parcels.collect::<Result<_, _>>()?,
            })
        })
    }

    /// Everything the files machine of an account starts from.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn files_snapshot(&self, account: NodeId) -> Result<files::rows::Snapshot, ReadError> {
        self.read(|opened| {
            let (tree, sealer) = (&opened.tree, &*opened.sealer);
            let mut snapshot = files::rows::Snapshot::default();
            for row in tables::TRANSFERS.rows_under(tree, sealer, &account) {
                let row = row?;
                snapshot.transfers.insert(row.id, row);
            }
            for row in tables::AUTO_ACCEPTED.rows_under(tree, sealer, &account) {
                let row = row?;
                snapshot.auto.insert(row.peer, row);
            }
            let rates = tables::RATES.get(tree, sealer, &account)?;
            snapshot.rates = rates.map(|row| row.rates).unwrap_or_default();
            Ok(snapshot)
        })
    }

    /// Everything the WASM machine starts from.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn wasm_snapshot(&self, account: NodeId) -> Result<wasm::rows::Snapshot, ReadError> {
        self.read(|opened| {
            let (tree, sealer) = (&opened.tree, &*opened.sealer);
            let mut snapshot = wasm::rows::Snapshot::default();
            for row in tables::APPS.rows_under(tree, sealer, &account) {
                let row = row?;
                snapshot.apps.insert(row.key(), row);
            }
            Ok(snapshot)
        })
    }

    /// Offers of files that others made in messages that came to this disk at most so long before the newest of all. By conversation, oldest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn newest_offers(
        &self,
        account: NodeId,
        within: Duration,
    ) -> Result<Vec<(NodeId, FileOffer)>, ReadError> {
        let contacts: Vec<NodeId> = self.read(|opened| {
            let rows = tables::CONTACTS.rows_under(&opened.tree, &opened.sealer, &account);
            rows.map(|row| row.map(|row| row.peer)).collect()
        })?;
        let mut newest = BTreeMap::new();
        for peer in contacts {
            let conversation = ConversationId::direct(peer);
            if let Some(row) = self.history(account, conversation, None, 1)?.into_iter().next() {
                newest.insert(conversation, row.stored);
            }
        }
        let latest = newest.values().max().copied().unwrap_or(UnixMillis(0));
        let since = latest.before(within);
        let mut offers = Vec::new();
        for (conversation, stored) in newest {
            if stored >= since {
                offers.extend(self.late_offers(account, conversation, since)?);
            }
        }
        Ok(offers)
    }

    /// Offers of files that others made in a conversation's newest messages and that came to this disk at a time or later: oldest first. Looks at
    /// [`limits::MAX_PAGE`] messages at most.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn late_offers(
        &self,
        account: NodeId,
        conversation: ConversationId,
        since: UnixMillis,
    ) -> Result<Vec<(NodeId, FileOffer)>, ReadError> {
        let mut offers = Vec::new();
        for row in self.history(account, conversation, None, limits::MAX_PAGE)? {
            if row.stored < since {
                break;
            }
            if let Body::File { offer } = row.content.body
                && row.sender != account
            {
                offers.push((row.sender, FileOffer::clone(&offer)));
            }
        }
        offers.reverse();
        Ok(offers)
    }

    /// The bytes of envelopes held for others, in the order asked for, without those that are gone or damaged.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn held_envelopes(&self, keys: &[EnvelopeKey]) -> Result<Vec<Vec<u8>>, ReadError> {
        self.read(|opened| {
            let read = |key: &EnvelopeKey| {
                let row = tables::ENVELOPES.get(&opened.tree, &opened.sealer, &(key.address, key.id));
                whole(row).and_then(Result::transpose)
            };
            keys.iter().filter_map(read).map(|row| row.map(|row| row.deposit)).collect()
        })
    }

    /// The bytes of a parcel of an account, as they are deposited.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn parcel(&self, account: NodeId, id: EnvelopeId) -> Result<Option<Vec<u8>>, ReadError> {
        self.read(|opened| {
            let row = tables::PARCELS.get(&opened.tree, &opened.sealer, &(account, id))?;
            Ok(row.map(|row| row.deposit))
        })
    }

    /// What the person chose to do for the network, if they ever chose.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn contribution(&self) -> Result<Option<ContributionRow>, ReadError> {
        self.read(|opened| tables::CONTRIBUTION.get(&opened.tree, &opened.sealer, &tables::THE_ONE))
    }

    /// How an account calls itself.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn profile(&self, account: NodeId) -> Result<Option<ProfileRow>, ReadError> {
        self.read(|opened| tables::PROFILES.get(&opened.tree, &opened.sealer, &account))
    }

    /// Who may use the node from outside, and what happened at its doors.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn access(&self) -> Result<AccessRows, ReadError> {
        self.read(|opened| {
            let (tree, sealer) = (&opened.tree, &opened.sealer);
            Ok(AccessRows {
                sessions: tables::WEB_SESSIONS.rows_under(tree, sealer, &()).collect::<Result<_, _>>()?,
                wallets: tables::WALLETS.rows_under(tree, sealer, &()).collect::<Result<_, _>>()?,
                keys: tables::API_KEYS.rows_under(tree, sealer, &()).collect::<Result<_, _>>()?,
                log: tables::SECURITY.rows_under(tree, sealer, &()).collect::<Result<_, _>>()?,
            })
        })
    }

    /// The routing table as it was last written.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn routing(&self) -> Result<Vec<Peer>, ReadError> {
        self.read(|opened| tables::ROUTING.rows_under(&opened.tree, &opened.sealer, &()).collect())
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

/// What others hold, too: a damaged row is as if it were not there.
fn whole<T>(row: Result<T, ReadError>) -> Option<Result<T, ReadError>> {
    match row {
        Err(ReadError::Damaged { what }) => {
            tracing::warn!(what, "damaged row left out");
            None
        }
        row => Some(row),
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
    snapshot.settings =
        tables::CHAT_SETTINGS.get(tree, sealer, &account)?.map(|row| row.settings).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Options, Storage};
    use pc2_protocols::{
        crypto::seal::StorageKey,
        id::MailboxAddress,
        mailbox::rows::{HeldRow, HeldSummary},
        net::Prefix,
        time::UnixMillis,
    };
    use zeroize::Zeroizing;

    fn held(number: u8) -> HeldRow {
        HeldRow {
            address: MailboxAddress::from_bytes([1; 32]),
            id: EnvelopeId::from_bytes([number; 16]),
            deposit: vec![number; 500],
            digest: [0; 32],
            depositor: None,
            until: UnixMillis(1),
            source: NodeId::from_bytes([2; 32]),
            prefix: Prefix::Local,
            week: 7,
        }
    }

    #[test]
    fn a_damaged_held_envelope_is_left_out_and_nobody_suffers() {
        let dir = tempfile::tempdir().expect("a directory");
        let key = StorageKey::new(Zeroizing::new([1; 32]));
        let options = Options { ballast_bytes: 0, ..Options::default() };
        let (storage, _) = Storage::open(dir.path(), &key, &options).expect("opens");
        let rows = [1, 2].map(held);
        let put = |row: &HeldRow| Change::Mailbox(mailbox::rows::Change::PutHeld(row.clone()));
        storage
            .writer()
            .submit(rows.iter().map(put).collect(), |result| result.expect("written"))
            .expect("room");
        storage.writer().barrier();
        let damage = |opened: &Opened| {
            let place = tables::ENVELOPES.key(&(rows[0].address, rows[0].id));
            let mut cell = opened.tree.get(&place)?.expect("there").to_vec();
            *cell.last_mut().expect("bytes") ^= 1;
            opened.tree.insert(place, cell)?;
            Ok(())
        };
        storage.reader().read(damage).expect("damaged");

        let keys = rows.each_ref().map(|row| EnvelopeKey { address: row.address, id: row.id });
        let look = |storage: &Storage| {
            let snapshot = storage.reader().mailbox_snapshot().expect("read");
            assert_eq!(snapshot.held, [HeldSummary::of(&rows[1])]);
            assert_eq!(storage.reader().held_envelopes(&keys), Ok(vec![rows[1].deposit.clone()]));
            assert_eq!(storage.verify(), Ok(1));
        };
        look(&storage);
        storage.close();
        let (storage, report) = Storage::open(dir.path(), &key, &options).expect("opens");
        assert_eq!(report, crate::OpenReport::default(), "no reason to set the database aside");
        look(&storage);
    }
}
