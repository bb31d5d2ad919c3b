//! From an older version of the tables to this one, step by step.
//!
//! A step changes rows and is committed together with the version it reaches: a crash in between repeats whole
//! steps only. A step that has to touch more than fits into memory does so in parts, each committed by itself, and must
//! be repeatable.

use crate::{
    apply::legible,
    cell::{ReadError, Sealer},
    format::{self, Format},
    ledger::Ledger,
    marks, search,
    stage::Stage,
    table::StageError,
    tables,
};
use sled::{Db, Tree};
use std::borrow::Cow;

/// One step: from a version to the next.
pub(crate) struct Step {
    /// The version it starts from.
    pub(crate) from: u32,
    /// What it does from a key on. A crash in between repeats the step from its beginning.
    pub(crate) run: Run,
}

/// What a step does from a key on.
type Run = fn(&Tree, &mut Stage<'_>, &[u8]) -> Result<GoOn, StageError>;

/// The key to go on from when there is more than fits into memory: what is staged is committed first.
type GoOn = Option<Vec<u8>>;

/// What a step stages before that part is committed, in bytes.
const PART_BYTES: usize = 4 * 1024 * 1024;

/// All steps, in order. Version 1 is the first.
///
/// 1 → 2: tables of mailboxes and of what is lent to the network are new, nothing else is different. The number keeps older programs from
/// taking an export with rows of these tables for a damaged one.
///
/// 2 → 3: tables of blobs are new, for the same reason.
///
/// 3 → 4: tables of file transfers are new, for the same reason.
///
/// 4 → 5: messages are found by their id, for answers, edits, deletions and reactions (docs/decisions/0031). Each entry gets its row; what version
/// 4 had received of edits, deletions and reactions, without showing it, takes effect.
///
/// 5 → 6: tables of wallets, API keys and the security log are new (docs/decisions/0032); a session without a wallet is one by a link.
///
/// 6 → 7: what messages say is found (docs/decisions/0034): the pages for that are made. The table of what contacts are told is new (docs/decisions/0035).
///
/// 7 → 8: large files are offered in pieces (docs/decisions/0039), which older programs cannot read; nothing that was there is different.
///
/// 8 → 9: tables of messages that disappear are new, and messages that say how long others last (docs/decisions/0035), which older programs cannot read
/// and would keep; nothing that was there disappears.
///
/// 9 → 10: contacts say whether they are told what was read, which older programs cannot read and would tell. Of those who came by an invitation its name
/// had become the name that the account gave them: where they call themselves the same, it no longer goes before what they call themselves later. One that
/// differs may have been given, and stays.
///
/// 10 → 11: the table of installed WASM apps is new, for the reason of 1 → 2.
pub(crate) const STEPS: &[Step] = &[
    Step { from: 1, run: |_, _, _| Ok(None) },
    Step { from: 2, run: |_, _, _| Ok(None) },
    Step { from: 3, run: |_, _, _| Ok(None) },
    Step { from: 4, run: mark_messages },
    Step { from: 5, run: |_, _, _| Ok(None) },
    Step { from: 6, run: find_words },
    Step { from: 7, run: |_, _, _| Ok(None) },
    Step { from: 8, run: |_, _, _| Ok(None) },
    Step { from: 9, run: free_names },
    Step { from: 10, run: |_, _, _| Ok(None) },
];

/// Why a migration did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrateError {
    #[error("no step leads on from version {version}")]
    NoStep { version: u32 },
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Database(#[from] sled::Error),
}

/// Takes the steps that are missing to reach `target`. The writer does not run yet.
pub(crate) fn migrate(
    db: &Db,
    sealer: &Sealer,
    format: &mut Format,
    target: u32,
    steps: &[Step],
) -> Result<(), MigrateError> {
    while format.version < target {
        let version = format.version;
        let step = steps.iter().find(|step| step.from == version).ok_or(MigrateError::NoStep { version })?;
        let mut stage = in_parts(db, sealer, step.run)?;
        format.version = version.saturating_add(1);
        stage.put_plain(&format::CELL, &format.encode());
        stage.keep();
        let (batch, _) = stage.into_batch(Ledger::read(db)?)?;
        db.apply_batch(batch)?;
        db.flush()?;
        tracing::info!(from = version, to = format.version, "database migrated");
    }
    Ok(())
}

/// Runs a step; what it staged last is left to be committed.
pub(crate) fn in_parts<'a>(db: &'a Db, sealer: &'a Sealer, run: Run) -> Result<Stage<'a>, MigrateError> {
    let mut stage = Stage::new(db, sealer);
    let mut from = Vec::new();
    while let Some(more) = run(db, &mut stage, &from)? {
        stage.keep();
        let (batch, _) = stage.into_batch(Ledger::read(db)?)?;
        db.apply_batch(batch)?;
        db.flush()?;
        stage = Stage::new(db, sealer);
        from = more;
    }
    Ok(stage)
}

/// Version 7: the words of every entry in history. Also after a restore, for an export does not have them.
pub(crate) fn find_words(tree: &Tree, stage: &mut Stage<'_>, from: &[u8]) -> Result<GoOn, StageError> {
    let start = if from.is_empty() { vec![tables::MESSAGES.tag()] } else { from.to_vec() };
    let end = vec![tables::MESSAGES.tag() + 1];
    let mut count = 0;
    for key in tree.range(start..end).keys() {
        let key = key.map_err(ReadError::from)?;
        if stage.group_bytes() >= PART_BYTES {
            return Ok(Some(key.to_vec()));
        }
        if let Some(row) = legible(tables::MESSAGES.get_at(stage, stage.sealer(), &key))? {
            search::note_old(stage, &row, &mut count)?;
            stage.keep();
        }
    }
    search::take_in(stage)?;
    Ok(None)
}

/// Version 10: names of invitations.
fn free_names(tree: &Tree, stage: &mut Stage<'_>, _: &[u8]) -> Result<GoOn, StageError> {
    for row in tables::CONTACTS.rows_under(tree, stage.sealer(), &()) {
        let Some(mut row) = legible(row.map(Some))? else { continue };
        if row.invitation.is_some() && row.alias.is_some() && row.alias == row.name {
            row.alias = None;
            tables::CONTACTS.put(stage, &(row.account, row.peer), &row)?;
        }
    }
    Ok(None)
}

/// Version 5: each message as if it came to be in history now; when all are through, the list of conversations.
fn mark_messages(tree: &Tree, stage: &mut Stage<'_>, from: &[u8]) -> Result<GoOn, StageError> {
    let start = if from.is_empty() { vec![tables::MESSAGES.tag()] } else { from.to_vec() };
    let end = vec![tables::MESSAGES.tag() + 1];
    for key in tree.range(start..end).keys() {
        let key = key.map_err(ReadError::from)?;
        if stage.group_bytes() >= PART_BYTES {
            return Ok(Some(key.to_vec()));
        }
        let row = legible(tables::MESSAGES.get_at(stage, stage.sealer(), &key))?;
        let Some(row) = row else { continue };
        if let Some(Cow::Owned(kept)) = marks::place(stage, &row)? {
            let value = tables::MESSAGES.value(&kept)?;
            stage.put(tables::MESSAGES.name(), &key, &value)?;
        }
        marks::amend(stage, &row)?;
        stage.keep();
    }
    for row in tables::CONVERSATIONS.rows_under(tree, stage.sealer(), &()) {
        let Some(mut row) = legible(row.map(Some))? else { continue };
        let at = (row.account, row.conversation);
        let Some(last) = row.last.as_mut() else { continue };
        let found = tables::MESSAGES.get(stage, stage.sealer(), &(at.0, at.1, last.hlc, last.id));
        let Some(message) = legible(found)? else { continue };
        let Some(marks) = marks::read(stage, at, last.id)? else { continue };
        if last.take_over(&message, &marks) {
            tables::CONVERSATIONS.put(stage, &at, &row)?;
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cells as _;
    use pc2_protocols::{
        codec,
        crypto::seal::StorageKey,
        id::{ConversationId, DeviceId, MsgId, NodeId},
        identity::ProfileRow,
        messenger::{
            content::{Body, Content, Hlc},
            rows::{ContactRow, ConversationRow, LastEntry, MessageRow, MessageState, Standing},
        },
        time::UnixMillis,
    };
    use zeroize::Zeroizing;

    const ACCOUNT: NodeId = NodeId::from_bytes([3; 32]);

    fn rename(tree: &Tree, stage: &mut Stage<'_>, _: &[u8]) -> Result<GoOn, StageError> {
        let row = tables::PROFILES.get(tree, stage.sealer(), &ACCOUNT)?;
        if let Some(row) = row {
            let row = ProfileRow { name: format!("{} the second", row.name), ..row };
            tables::PROFILES.put(stage, &ACCOUNT, &row)?;
        }
        Ok(None)
    }

    #[test]
    fn an_older_version_is_brought_up_step_by_step_and_only_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let db = sled::Config::new().path(dir.path()).open().expect("a database");
        let sealer = Sealer::new(StorageKey::new(Zeroizing::new([1; 32]))).expect("randomness");
        let mut stage = Stage::new(&db, &sealer);
        let row = ProfileRow { account: ACCOUNT, name: "Ada".into(), since: UnixMillis(1) };
        tables::PROFILES.put(&mut stage, &ACCOUNT, &row).expect("staged");
        stage.keep();
        let (batch, _) = stage.into_batch(Ledger::default()).expect("booked");
        db.apply_batch(batch).expect("applied");

        let steps = [Step { from: 0, run: |_, _, _| Ok(None) }, Step { from: 1, run: rename }];
        let mut format = Format::new(0, &sealer);
        migrate(&db, &sealer, &mut format, 2, &steps).expect("migrated");
        migrate(&db, &sealer, &mut format, 2, &steps).expect("nothing to do");
        assert_eq!(format.version, 2);
        let cell = db.cell(&format::CELL).expect("read").expect("there");
        assert_eq!(Format::decode(&cell), Some(format.clone()));
        let row = tables::PROFILES.get(&*db, &sealer, &ACCOUNT).expect("read").expect("there");
        assert_eq!(row.name, "Ada the second");

        let stuck = migrate(&db, &sealer, &mut format, 4, &steps);
        assert!(matches!(stuck, Err(MigrateError::NoStep { version: 2 })));
    }

    const PEER: NodeId = NodeId::from_bytes([4; 32]);

    fn chat() -> ConversationId {
        ConversationId::direct(PEER)
    }

    fn id(number: u64) -> MsgId {
        MsgId::from_bytes(u128::from(number).to_be_bytes())
    }

    fn row(sender: NodeId, seq: u64, body: Body) -> MessageRow {
        let (device, hlc) = (DeviceId::from_bytes([5; 16]), Hlc(seq << 16));
        let (prev_hash, parents) = ([0; 32], Vec::new());
        let content = Content { id: id(seq), device, seq, prev_hash, parents, hlc, body, lasts: None };
        let (account, conversation, stored) = (ACCOUNT, chat(), UnixMillis(1));
        let state = MessageState::Received;
        MessageRow { account, conversation, sender, content, state, stored, chain_broken: false }
    }

    fn text(text: &str) -> Body {
        Body::Text { text: text.into(), reply_to: None }
    }

    /// A database as version 4 left it: messages in history and nothing beside them.
    fn version_4(dir: &std::path::Path, rows: &[MessageRow], last: Option<LastEntry>) -> (Db, Sealer) {
        let db = sled::Config::new().path(dir).open().expect("a database");
        let sealer = Sealer::new(StorageKey::new(Zeroizing::new([1; 32]))).expect("randomness");
        let mut stage = Stage::new(&db, &sealer);
        for row in rows {
            let key = (ACCOUNT, chat(), row.content.hlc, row.content.id);
            tables::MESSAGES.put(&mut stage, &key, row).expect("staged");
        }
        let conversation = ConversationRow {
            account: ACCOUNT,
            conversation: chat(),
            device: DeviceId::from_bytes([6; 16]),
            sent_seq: 0,
            sent_hash: [0; 32],
            hlc: Hlc(0),
            heads: Vec::new(),
            unread: 0,
            last,
            since_refresh: 0,
            refreshed: UnixMillis(0),
            started: UnixMillis(0),
            recent: Vec::new(),
            lost: Vec::new(),
            owed: false,
            asked_by_mail: None,
            let_go: false,
            early: Vec::new(),
            unread_ids: Vec::new(),
            timer: None,
            timer_as_of: None,
        };
        tables::CONVERSATIONS.put(&mut stage, &(ACCOUNT, chat()), &conversation).expect("staged");
        stage.keep();
        let (batch, _) = stage.into_batch(Ledger::default()).expect("booked");
        db.apply_batch(batch).expect("applied");
        (db, sealer)
    }

    fn books_hold(db: &Db) {
        let audit = Ledger::read(db).expect("read").audit(db, crate::ledger::Recount::All);
        assert!(matches!(audit, Ok(Ok(()))), "{audit:?}");
    }

    #[test]
    fn messages_of_an_older_version_are_found_by_their_id_however_many_there_are() {
        let dir = tempfile::tempdir().expect("a directory");
        // Some 300 bytes each: three parts.
        let count = 3 * PART_BYTES as u64 / 300;
        let rows: Vec<MessageRow> = (1..=count).map(|seq| row(ACCOUNT, seq, text("hello"))).collect();
        let (db, sealer) = version_4(dir.path(), &rows, None);
        let mut format = Format::new(4, &sealer);
        migrate(&db, &sealer, &mut format, 5, STEPS).expect("migrated");
        for seq in [1, 2, count / 2, count - 5, count] {
            let marks = tables::BY_ID.get(&*db, &sealer, &(ACCOUNT, chat(), id(seq))).expect("read");
            assert_eq!(marks.and_then(|marks| marks.place), Some(Hlc(seq << 16)), "{seq}");
        }
        assert_eq!(db.scan_prefix([tables::BY_ID.tag()]).count() as u64, count);
        assert!(Ledger::read(&db).expect("read").commits > 2, "in several parts");
        books_hold(&db);
    }

    #[test]
    fn what_an_older_version_received_without_showing_it_takes_effect_also_when_the_step_is_cut_short() {
        let dir = tempfile::tempdir().expect("a directory");
        let edit = |target, text: &str| Body::Edit { target: id(target), text: text.into() };
        let rows = [
            row(PEER, 1, text("one")),
            row(ACCOUNT, 2, text("mine")),
            row(PEER, 3, text("SECRET")),
            row(PEER, 4, edit(1, "two")),
            row(PEER, 5, edit(1, "three")),
            row(PEER, 6, edit(2, "forged")),
            row(PEER, 7, edit(3, "SECRET, too")),
            row(PEER, 8, Body::Delete { target: id(3) }),
            row(PEER, 9, Body::Reaction { target: id(2), emoji: Some("👍".into()) }),
        ];
        let (hlc, at, preview) = (Hlc(3 << 16), UnixMillis(1), "SECRET".to_owned());
        let last = LastEntry {
            hlc,
            id: id(3),
            mine: false,
            preview,
            at,
            deleted: false,
            as_of: Hlc(0),
            file: false,
            gone: false,
        };
        let (db, sealer) = version_4(dir.path(), &rows, Some(last));
        // Twice from the beginning, as after a crash before the version was written.
        for _ in 0..2 {
            let mut format = Format::new(4, &sealer);
            migrate(&db, &sealer, &mut format, 5, STEPS).expect("migrated");
            let marks = |of| {
                let found = tables::BY_ID.get(&*db, &sealer, &(ACCOUNT, chat(), id(of)));
                found.expect("read").expect("there")
            };
            assert_eq!(marks(1).edit_of(&rows[0]).map(|edit| edit.text.as_str()), Some("three"));
            assert_eq!(marks(2).edit_of(&rows[1]), None);
            assert_eq!(marks(2).reactions().collect::<Vec<_>>(), [(PEER, "👍")]);
            assert!(marks(3).deleted_by(PEER));
            for gone in [3, 4, 7] {
                let key = (ACCOUNT, chat(), Hlc(gone << 16), id(gone));
                let row = tables::MESSAGES.get(&*db, &sealer, &key).expect("read").expect("there");
                assert!(row.content.body.is_erased(), "{gone}");
            }
            let chats = tables::CONVERSATIONS.get(&*db, &sealer, &(ACCOUNT, chat())).expect("read");
            let last = chats.and_then(|row| row.last).expect("there");
            assert_eq!((last.preview.as_str(), last.deleted), ("", true));
            books_hold(&db);
        }
    }

    #[test]
    fn what_an_older_history_says_is_in_pages_also_when_the_step_is_cut_short() {
        let dir = tempfile::tempdir().expect("a directory");
        let edit = Body::Edit { target: id(2), text: "Edited".into() };
        let mut rows: Vec<MessageRow> = (1..=600).map(|seq| row(PEER, seq, text("Zürich"))).collect();
        rows.extend([row(PEER, 601, edit), row(PEER, 602, Body::Delete { target: id(3) })]);
        let (db, sealer) = version_4(dir.path(), &rows, None);
        for _ in 0..2 {
            let mut format = Format::new(4, &sealer);
            migrate(&db, &sealer, &mut format, 7, STEPS).expect("migrated");
            assert_eq!(db.scan_prefix([tables::SEARCH_LATE.tag()]).count(), 0);
            let pages = tables::SEARCH_PAGES.rows_under(&db, &sealer, &()).map(|page| page.expect("read"));
            let found: Vec<(u64, String)> = pages
                .flat_map(|page| {
                    let entries = page.entries();
                    entries.map(|((hlc, _), text)| (hlc.0 >> 16, text.to_owned())).collect::<Vec<_>>()
                })
                .collect();
            assert_eq!(found.len(), 599, "the deleted one is in none");
            assert_eq!((&found[0].1[..], &found[1]), ("zurich", &(2, "edited".to_owned())));
            assert!(found.is_sorted() && found[2].0 == 4);
            books_hold(&db);
        }
    }

    /// The latest entry of a list as version 8 wrote it: it knew of nothing that disappears.
    #[derive(serde::Serialize)]
    struct Entry8 {
        hlc: Hlc,
        id: MsgId,
        mine: bool,
        preview: &'static str,
        at: UnixMillis,
        deleted: bool,
        as_of: Hlc,
        file: bool,
    }

    #[test]
    fn nothing_of_version_8_disappears() {
        let (hlc, at) = (Hlc(2 << 16), UnixMillis(1));
        let before = Entry8 {
            hlc,
            id: id(2),
            mine: true,
            preview: "two",
            at,
            deleted: false,
            as_of: Hlc(0),
            file: false,
        };
        let last: LastEntry = codec::decode(&codec::encode(&before), 1_000).expect("read");
        assert!(!last.gone);
        let dir = tempfile::tempdir().expect("a directory");
        let rows = [row(PEER, 1, text("one")), row(ACCOUNT, 2, text("two"))];
        let (db, sealer) = version_4(dir.path(), &rows, Some(last.clone()));
        let mut format = Format::new(8, &sealer);
        migrate(&db, &sealer, &mut format, 9, STEPS).expect("migrated");
        assert_eq!(format.version, 9);
        let left = tables::MESSAGES.rows_under(&db, &sealer, &(ACCOUNT, chat()));
        assert_eq!(left.map(|row| row.expect("read")).collect::<Vec<_>>(), rows);
        let chats = tables::CONVERSATIONS.get(&*db, &sealer, &(ACCOUNT, chat())).expect("read");
        assert_eq!(chats.and_then(|row| row.last), Some(last));
        for table in [tables::TIMED.tag(), tables::EXPIRING.tag()] {
            assert_eq!(db.scan_prefix([table]).count(), 0);
        }
        books_hold(&db);
    }

    #[test]
    fn the_name_of_an_invitation_follows_its_person_and_one_that_was_given_stays() {
        let dir = tempfile::tempdir().expect("a directory");
        let (db, sealer) = version_4(dir.path(), &[], None);
        let bob = || Some("Bob".to_owned());
        let before = [
            (Some(vec![1].into()), bob(), bob()),
            (Some(vec![1].into()), bob(), Some("Robert".to_owned())),
            (Some(vec![1].into()), bob(), None),
            (Some(vec![1].into()), None, bob()),
            (None, bob(), bob()),
        ];
        let mut stage = Stage::new(&db, &sealer);
        for (number, (invitation, alias, name)) in before.into_iter().enumerate() {
            let peer = NodeId::from_bytes([u8::try_from(number).expect("few"); 32]);
            let row = ContactRow {
                account: ACCOUNT,
                peer,
                standing: Standing::Accepted,
                alias,
                name,
                addresses: Vec::new(),
                invitation,
                request: None,
                before_block: None,
                since: UnixMillis(1),
                passes: Vec::new(),
                given: 0,
                given_pins: Vec::new(),
                passes_as_of: Hlc(0),
                told: None,
                name_as_of: Hlc(0),
                receipts: None,
            };
            tables::CONTACTS.put(&mut stage, &(ACCOUNT, peer), &row).expect("staged");
        }
        stage.keep();
        let (batch, _) = stage.into_batch(Ledger::read(&db).expect("read")).expect("booked");
        db.apply_batch(batch).expect("applied");
        let mut format = Format::new(9, &sealer);
        migrate(&db, &sealer, &mut format, 10, STEPS).expect("migrated");
        let after = tables::CONTACTS.rows_under(&db, &sealer, &ACCOUNT);
        let given: Vec<bool> = after.map(|row| row.expect("read").alias.is_some()).collect();
        assert_eq!(given, [false, true, true, false, true]);
        books_hold(&db);
    }

    #[test]
    fn of_two_messages_with_one_id_in_an_older_history_the_owners_counts() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut forged = row(PEER, 1, text("forged"));
        forged.content.id = id(2);
        let (db, sealer) = version_4(dir.path(), &[forged, row(ACCOUNT, 2, text("mine"))], None);
        migrate(&db, &sealer, &mut Format::new(4, &sealer), 5, STEPS).expect("migrated");
        let marks = tables::BY_ID.get(&*db, &sealer, &(ACCOUNT, chat(), id(2))).expect("read");
        assert_eq!(marks.and_then(|marks| marks.place), Some(Hlc(2 << 16)));
    }
}
