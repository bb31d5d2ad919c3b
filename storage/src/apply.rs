//! What each change does to the tables. Agrees with `messenger::rows::Snapshot::apply`, which is the reference.
//!
//! Changes that depend on what is there (a new message state, a shorter value, a replaced routing table) read through the stage, so
//! that they see earlier changes of the same group.
//!
//! Not here: when it becomes durable ([`crate::writer`]).

use crate::{
    access::AccessChange,
    blobs::BlobChange,
    cell::{Cells as _, ReadError},
    change::Change,
    marks, search,
    stage::Stage,
    table::StageError,
    tables::{self, CHUNK_BYTES, Link, SessionChunk, hashed},
    timers,
};
use pc2_protocols::{
    dht, files,
    id::{ConversationId, MsgId, NodeId},
    mailbox,
    messenger::rows::{self, MessageRow, MessageState, SessionValue},
    relay,
    time::UnixMillis,
    wasm,
};

/// Stages one change.
pub(crate) fn apply(stage: &mut Stage<'_>, change: &Change) -> Result<(), StageError> {
    match change {
        Change::Messenger(change) => messenger(stage, change),
        Change::Dht(dht::Change::PutHeld(row)) => tables::HELD.put(stage, &row.key, row),
        Change::Dht(dht::Change::RemoveHeld { key }) => tables::HELD.remove(stage, key),
        Change::Dht(dht::Change::PutPublished(row)) => tables::PUBLISHED.put(stage, &row.key, row),
        Change::Dht(dht::Change::RemovePublished { key }) => tables::PUBLISHED.remove(stage, key),
        Change::Mailbox(change) => mailbox(stage, change),
        Change::Files(change) => files(stage, change),
        Change::Wasm(change) => wasm(stage, change),
        Change::Relay(relay::Change::PutContribution(row)) => {
            tables::CONTRIBUTION.put(stage, &tables::THE_ONE, row)
        }
        Change::Profile(row) => tables::PROFILES.put(stage, &row.account, row),
        Change::Access(change) => access(stage, change),
        Change::Routing(peers) => {
            tables::ROUTING.remove_under(stage, &())?;
            peers.iter().try_for_each(|peer| tables::ROUTING.put(stage, &peer.node, peer))
        }
        Change::Blob(change) => blob(stage, change),
    }
}

fn access(stage: &mut Stage<'_>, change: &AccessChange) -> Result<(), StageError> {
    use AccessChange as C;
    match change {
        C::PutSession(row) => tables::WEB_SESSIONS.put(stage, &row.token_hash, row),
        C::RemoveSession { token_hash } => tables::WEB_SESSIONS.remove(stage, token_hash),
        C::PutWallet(row) => tables::WALLETS.put(stage, &(row.account, row.address), row),
        C::RemoveWallet { account, address } => tables::WALLETS.remove(stage, &(*account, *address)),
        C::PutKey(row) => tables::API_KEYS.put(stage, &row.key_hash, row),
        C::RemoveKey { key_hash } => tables::API_KEYS.remove(stage, key_hash),
        C::PutSecurity(row) => tables::SECURITY.put(stage, &(row.account, row.number), row),
        C::RemoveSecurity { account, number } => tables::SECURITY.remove(stage, &(*account, *number)),
    }
}

fn blob(stage: &mut Stage<'_>, change: &BlobChange) -> Result<(), StageError> {
    use BlobChange as C;
    match change {
        C::PutFile(row) => tables::BLOB_FILES.put(stage, &(row.id, row.place()), row),
        C::RemoveFile { id, place } => tables::BLOB_FILES.remove(stage, &(*id, *place)),
        C::PutPartial(row) => tables::BLOB_PARTIALS.put(stage, &row.id, row),
        C::RemovePartial { id } => tables::BLOB_PARTIALS.remove(stage, id),
        C::PutHold(row) => tables::BLOB_HOLDS.put(stage, &(row.id, row.holder), row),
        C::RemoveHold { id, holder } => tables::BLOB_HOLDS.remove(stage, &(*id, *holder)),
    }
}

fn messenger(stage: &mut Stage<'_>, change: &rows::Change) -> Result<(), StageError> {
    use rows::Change as C;
    match change {
        C::PutDevice(row) => tables::DEVICES.put(stage, &row.account, row),
        C::PutContact(row) => tables::CONTACTS.put(stage, &(row.account, row.peer), row),
        C::RemoveContact { account, peer } => tables::CONTACTS.remove(stage, &(*account, *peer)),
        C::PutConversation(row) => tables::CONVERSATIONS.put(stage, &(row.account, row.conversation), row),
        C::PutChain(row) => tables::CHAINS.put(stage, &(row.account, row.conversation, row.device), row),
        C::PutMessage(row) => put_message(stage, row),
        C::SetState { account, conversation, hlc, id, state } => {
            set_state(stage, &tables::MESSAGES.key(&(*account, *conversation, *hlc, *id)), *state)
        }
        C::SetRead { account, conversation, ids } => {
            ids.iter().try_for_each(|id| set_read(stage, (*account, *conversation), *id))
        }
        C::Timer(change) => timers::apply(stage, *change),
        C::PutSettings(row) => tables::CHAT_SETTINGS.put(stage, &row.account, row),
        C::PutOutbox(row) => tables::OUTBOX.put(stage, &(row.account, row.conversation, row.order), row),
        C::RemoveOutbox { account, conversation, order } => {
            tables::OUTBOX.remove(stage, &(*account, *conversation, *order))
        }
        C::PutSession(row) => tables::SESSIONS.put(stage, &(row.account, row.session), row),
        C::RemoveSession { account, session } => {
            tables::SESSION_VALUES.remove_under(stage, &(*account, Some(*session)))?;
            tables::SESSIONS.remove(stage, &(*account, *session))
        }
        C::PutSessionValue(value) => session_value(stage, value),
        C::PutInvitation(row) => tables::INVITATIONS.put(stage, &(row.account, hashed(&row.token)), row),
        C::RemoveInvitation { account, token } => {
            tables::INVITATIONS.remove(stage, &(*account, hashed(token)))
        }
    }
}

/// A message, where to find it as a link of its chain and by its id, and what it does to an earlier one. One that is there already stays:
/// no peer can replace a message, nor pass another off under its id.
fn put_message(stage: &mut Stage<'_>, row: &MessageRow) -> Result<(), StageError> {
    let content = &row.content;
    let key = (row.account, row.conversation, content.hlc, content.id);
    if stage.cell(&tables::MESSAGES.key(&key))?.is_some() {
        return Ok(());
    }
    let Some(kept) = marks::place(stage, row)? else { return Ok(()) };
    let link = Link { hlc: content.hlc, id: content.id };
    tables::LINKS.put(stage, &(row.account, row.conversation, content.device, content.seq), &link)?;
    tables::MESSAGES.put(stage, &key, &kept)?;
    if content.body.is_entry() && !kept.content.body.is_erased() {
        search::note(stage, (row.account, row.conversation), (content.hlc, content.id))?;
    }
    timers::note(stage, &kept)?;
    marks::amend(stage, row)
}

fn mailbox(stage: &mut Stage<'_>, change: &mailbox::rows::Change) -> Result<(), StageError> {
    use mailbox::rows::Change as C;
    match change {
        C::PutHeld(row) => tables::ENVELOPES.put(stage, &(row.address, row.id), row),
        C::RemoveHeld(key) => tables::ENVELOPES.remove(stage, &(key.address, key.id)),
        C::PutTombstone(row) => tables::TOMBSTONES.put(stage, &(row.address, row.id), row),
        C::RemoveTombstone(key) => tables::TOMBSTONES.remove(stage, &(key.address, key.id)),
        C::PutParcel(row) => tables::PARCELS.put(stage, &(row.account, row.id), row),
        C::SetReceipts { account, id, receipts } => {
            set_receipts(stage, &tables::PARCELS.key(&(*account, *id)), receipts)
        }
        C::RemoveParcel { account, id } => tables::PARCELS.remove(stage, &(*account, *id)),
        C::PutPin(row) => tables::PINS.put(stage, &(row.account, row.holder), row),
        C::RemovePin { account, holder } => tables::PINS.remove(stage, &(*account, *holder)),
        C::PutServed(row) => tables::SERVED.put(stage, &(row.account, row.node), row),
        C::RemoveServed { account, node } => tables::SERVED.remove(stage, &(*account, *node)),
    }
}

/// Who signed for a parcel is new, its bytes stay; one that was withdrawn meanwhile has no receipts.
fn set_receipts(
    stage: &mut Stage<'_>,
    key: &[u8],
    receipts: &[(NodeId, UnixMillis)],
) -> Result<(), StageError> {
    let Some(mut row) = legible(tables::PARCELS.get_at(stage, stage.sealer(), key))? else { return Ok(()) };
    row.receipts = receipts.to_vec();
    let value = tables::PARCELS.value(&row)?;
    Ok(stage.put(tables::PARCELS.name(), key, &value)?)
}

/// A row that is to be changed; one that cannot be read any more is not there.
pub(crate) fn legible<R>(found: Result<Option<R>, ReadError>) -> Result<Option<R>, ReadError> {
    match found {
        Err(ReadError::Damaged { what }) => {
            tracing::warn!(what, "a damaged row was not changed");
            Ok(None)
        }
        other => other,
    }
}

fn files(stage: &mut Stage<'_>, change: &files::rows::Change) -> Result<(), StageError> {
    use files::rows::Change as C;
    match change {
        C::PutTransfer(row) => tables::TRANSFERS.put(stage, &(row.account, row.id), row),
        C::RemoveTransfer { account, id } => tables::TRANSFERS.remove(stage, &(*account, *id)),
        C::PutAuto(row) => tables::AUTO_ACCEPTED.put(stage, &(row.account, row.peer), row),
        C::RemoveAuto { account, peer } => tables::AUTO_ACCEPTED.remove(stage, &(*account, *peer)),
        C::PutRates(row) => tables::RATES.put(stage, &row.account, row),
    }
}

fn wasm(stage: &mut Stage<'_>, change: &wasm::rows::Change) -> Result<(), StageError> {
    use wasm::rows::Change as C;
    match change {
        C::PutApp(row) => tables::APPS.put(stage, &(row.account, tables::app_place(&row.key())), row),
        C::RemoveApp { account, key } => tables::APPS.remove(stage, &(*account, tables::app_place(key))),
    }
}

/// States only move forward, but that mailboxes can lose what they kept; a row that is not there, or cannot be read any more, has no state.
fn set_state(stage: &mut Stage<'_>, key: &[u8], state: MessageState) -> Result<(), StageError> {
    let Some(mut row) = legible(tables::MESSAGES.get_at(stage, stage.sealer(), key))? else { return Ok(()) };
    if rank(state) >= rank(row.state) && state != row.state {
        row.state = state;
        let value = tables::MESSAGES.value(&row)?;
        stage.put(tables::MESSAGES.name(), key, &value)?;
    }
    Ok(())
}

/// The other side has read a message: of the account's own only.
fn set_read(stage: &mut Stage<'_>, at: (NodeId, ConversationId), id: MsgId) -> Result<(), StageError> {
    let Some(hlc) = marks::read(stage, at, id)?.and_then(|marks| marks.place) else { return Ok(()) };
    let key = tables::MESSAGES.key(&(at.0, at.1, hlc, id));
    let row = legible(tables::MESSAGES.get_at(stage, stage.sealer(), &key))?;
    if row.is_some_and(|row| row.sender == at.0) {
        set_state(stage, &key, MessageState::Read)
    } else {
        Ok(())
    }
}

/// How far a message has come. Given up can still turn out to have been delivered; received is the end of it.
const fn rank(state: MessageState) -> u8 {
    match state {
        MessageState::Waiting | MessageState::Stored => 0,
        MessageState::NotDelivered => 1,
        MessageState::Delivered => 2,
        MessageState::Read => 3,
        MessageState::Received => 4,
    }
}

/// A value of the session library, in as many rows as it needs.
fn session_value(stage: &mut Stage<'_>, change: &SessionValue) -> Result<(), StageError> {
    let SessionValue { account, session, key, value } = change;
    let name = hashed(key);
    tables::SESSION_VALUES.remove_under(stage, &(*account, *session, name))?;
    let Some(value) = value else { return Ok(()) };
    let count = value.len().div_ceil(CHUNK_BYTES).max(1);
    let chunks = u16::try_from(count).map_err(|_| StageError::TooLarge {
        table: tables::SESSION_VALUES.name(),
        source: crate::value::ValueTooLarge { got: value.len() },
    })?;
    for number in 0..chunks {
        let start = usize::from(number) * CHUNK_BYTES;
        let bytes = value.get(start..value.len().min(start + CHUNK_BYTES)).unwrap_or_default();
        let chunk = SessionChunk {
            session: *session,
            key: if number == 0 { key.clone() } else { Vec::new() },
            chunks,
            bytes: bytes.to_vec(),
        };
        tables::SESSION_VALUES.put(stage, &(*account, *session, name, number), &chunk)?;
    }
    Ok(())
}
