//! Words are found by this: folded texts of all entries, many to a row, beside history.
//!
//! In: places of messages that came to be in history or changed ([`crate::apply`], [`crate::marks`]). Out: the places of those that have what is searched for, newest first.
//!
//! A *page* has the folded texts of neighbouring messages of one conversation, in order; a search opens one after the other and looks through them
//! (docs/decisions/0034). It is sealed like every row, so the disk shows no words and no hashes of words. A page is not rewritten for each message: a new or changed message is
//! noted as *late* in the batch that writes it, and the group commit that finds [`LATE`] of them takes them all into their pages. An entry is late or in its page, never both; a search reads
//! the late ones from history itself. So what is on disk is found, from that moment on. What is edited or taken back leaves its page in the same batch.
//!
//! Not here: folding and queries (`pc2_protocols::messenger::search`), what else is shown of a hit ([`crate::reader`]).

use crate::{
    Opened,
    apply::legible,
    cell::{Cells, ReadError, Sealer},
    stage::Stage,
    table::StageError,
    tables,
};
use pc2_protocols::{
    id::{ConversationId, MsgId, NodeId},
    messenger::{
        content::Hlc,
        marks::{Marks, Place},
        rows::MessageRow,
        search::{self, Query},
    },
};
use serde::{Deserialize, Serialize};
use sled::IVec;
use std::collections::{BTreeMap, BTreeSet};

/// So many late entries are taken into their pages together: a page is rewritten a hundredth as often as for each message by itself, and a search reads at
/// most about as many from history, some 3 ms.
const LATE: usize = 128;

/// A page is cut when its texts are longer, in bytes: three cells. Sixty bytes a message make some 250 messages.
const PAGE_TEXT_BYTES: usize = 16 * 1024;

/// And when it has more messages.
const PAGE_ENTRIES: usize = 512;

/// Bytes of one place.
const PLACE_BYTES: usize = size_of::<u64>() + MsgId::LEN;

/// The first place of all.
const BEGINNING: Place = (Hlc(0), MsgId::from_bytes([0; MsgId::LEN]));

/// Neighbouring entries of a conversation. It has those from the place in its key on, to the next page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageRow {
    account: NodeId,
    conversation: ConversationId,
    /// One after the other.
    #[serde(with = "serde_bytes")]
    places: Vec<u8>,
    /// Folded, a line break after each.
    texts: String,
}

/// An entry whose text is not in its page yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LateRow {
    account: NodeId,
    conversation: ConversationId,
    hlc: Hlc,
    id: MsgId,
}

/// Whose history, and which conversation.
type At = (NodeId, ConversationId);

/// Entries of a page by place.
type Entries = BTreeMap<Place, String>;

/// Notes an entry that is new in history, or says something else now.
pub(crate) fn note(stage: &mut Stage<'_>, at: At, place: Place) -> Result<(), StageError> {
    let (account, conversation) = at;
    let row = LateRow { account, conversation, hlc: place.0, id: place.1 };
    tables::SEARCH_LATE.put(stage, &key(at, place), &row)
}

/// Takes what an entry said out of its page: nobody is to find it any more.
pub(crate) fn forget(stage: &mut Stage<'_>, at: At, place: Place) -> Result<(), StageError> {
    tables::SEARCH_LATE.remove(stage, &key(at, place))?;
    let Some((page_key, mut entries)) = page_of(stage, at, place)? else { return Ok(()) };
    if entries.remove(&place).is_some() {
        put_pages(stage, at, &page_key, entries)?;
    }
    Ok(())
}

/// Takes all late entries into their pages, if there are many.
pub(crate) fn gather(stage: &mut Stage<'_>) -> Result<(), StageError> {
    if stage.keys_under(&tables::SEARCH_LATE.key(&()))?.len() >= LATE { take_in(stage) } else { Ok(()) }
}

/// Takes all late entries into their pages.
pub(crate) fn take_in(stage: &mut Stage<'_>) -> Result<(), StageError> {
    let mut late: BTreeMap<At, BTreeSet<Place>> = BTreeMap::new();
    for key in stage.keys_under(&tables::SEARCH_LATE.key(&()))? {
        if let Some(row) = legible(tables::SEARCH_LATE.get_at(stage, stage.sealer(), &key))? {
            late.entry((row.account, row.conversation)).or_default().insert((row.hlc, row.id));
        }
    }
    for (at, places) in late {
        let mut places = places.into_iter().peekable();
        while let Some(first) = places.peek().copied() {
            let end = next_page(stage, at, first)?;
            let found = page_of(stage, at, first)?;
            let (own_key, mut entries) = found.unwrap_or_else(|| (page_key(at, BEGINNING), Entries::new()));
            while let Some(place) =
                places.next_if(|place| end.as_ref().is_none_or(|end| page_key(at, *place) < *end))
            {
                tables::SEARCH_LATE.remove(stage, &key(at, place))?;
                match text_at(stage, stage.sealer(), at, place)? {
                    Some(text) => entries.insert(place, text),
                    None => entries.remove(&place),
                };
            }
            put_pages(stage, at, &own_key, entries)?;
        }
    }
    Ok(())
}

/// The page that has a place, with its key; `None`: there is none yet, or it is damaged, and the next start restores it.
fn page_of(stage: &Stage<'_>, at: At, place: Place) -> Result<Option<(Vec<u8>, Entries)>, ReadError> {
    let Some(key) = stage.last_key(&page_key(at, BEGINNING), &page_key(at, place))? else { return Ok(None) };
    let page = legible(tables::SEARCH_PAGES.get_at(stage, stage.sealer(), &key))?;
    Ok(page.map(|page| (key, page.entries().map(|(place, text)| (place, text.to_owned())).collect())))
}

/// The key of the page after the one that has a place.
fn next_page(stage: &Stage<'_>, at: At, place: Place) -> Result<Option<Vec<u8>>, ReadError> {
    let last = page_key(at, (Hlc(u64::MAX), MsgId::from_bytes([u8::MAX; MsgId::LEN])));
    let after = [&page_key(at, place)[..], &[0]].concat();
    stage.first_key(&after, &last)
}

/// Writes what a page has now: cut into as many as it takes, the first under its own key.
fn put_pages(stage: &mut Stage<'_>, at: At, key: &[u8], entries: Entries) -> Result<(), StageError> {
    if entries.is_empty() {
        return Ok(stage.remove(key)?);
    }
    let mut key = key.to_vec();
    let mut page = PageRow::new(at);
    for (place, text) in entries {
        if page.is_full_with(&text) {
            stage.put(tables::SEARCH_PAGES.name(), &key, &tables::SEARCH_PAGES.value(&page)?)?;
            key = page_key(at, place);
            page = PageRow::new(at);
        }
        page.push(place, &text);
    }
    Ok(stage.put(tables::SEARCH_PAGES.name(), &key, &tables::SEARCH_PAGES.value(&page)?)?)
}

/// What the entry at a place says now, folded; `None` when there is none, or it was taken back.
fn text_at(cells: &impl Cells, sealer: &Sealer, at: At, place: Place) -> Result<Option<String>, ReadError> {
    let row = legible(tables::MESSAGES.get(cells, sealer, &(at.0, at.1, place.0, place.1)))?;
    let Some(row) = row else { return Ok(None) };
    let marks = legible(tables::BY_ID.get(cells, sealer, &(at.0, at.1, place.1)))?.unwrap_or_default();
    Ok(text_of(&row, &marks).map(search::fold))
}

/// What an entry says now.
fn text_of<'a>(row: &'a MessageRow, marks: &'a Marks) -> Option<&'a str> {
    let another = marks.place.is_some_and(|hlc| hlc != row.content.hlc);
    if another || marks.is_deleted(row) {
        return None;
    }
    marks.edit_of(row).map_or_else(|| row.content.body.entry_text(), |edit| Some(&edit.text))
}

/// Where what is searched for stands, newest first: at most `limit` places before one, of one conversation or of all of an account.
pub(crate) fn find(
    opened: &Opened,
    account: NodeId,
    conversation: Option<ConversationId>,
    query: &Query,
    before: Option<Place>,
    limit: usize,
) -> Result<Vec<(ConversationId, Place)>, ReadError> {
    let (tree, sealer) = (&opened.tree, &*opened.sealer);
    let mut best = Best { found: BTreeSet::new(), before, limit };
    // Late ones first: one that goes into its page meanwhile is found there once more, and not missed.
    let start = match conversation {
        Some(conversation) => tables::SEARCH_LATE.key(&(account, conversation)),
        None => tables::SEARCH_LATE.key(&account),
    };
    for key in tree.keys_under(&start)? {
        let Some(LateRow { conversation, hlc, id, .. }) = tables::SEARCH_LATE.get_at(tree, sealer, &key)?
        else {
            continue;
        };
        if best.takes((hlc, id))
            && text_at(tree, sealer, (account, conversation), (hlc, id))?
                .is_some_and(|text| query.matches(&text))
        {
            best.take((hlc, id), conversation);
        }
    }
    let start = match conversation {
        Some(conversation) => tables::SEARCH_PAGES.key(&(account, conversation)),
        None => tables::SEARCH_PAGES.key(&account),
    };
    // The page that comes after the one looked at, if it is of the same conversation: everything before it is older.
    let mut after: Option<IVec> = None;
    for key in tree.scan_prefix(&start).keys().rev() {
        let key = key?;
        let (of, _) = split_page_key(&key)?;
        let end = match &after {
            Some(after) => {
                Some(split_page_key(after)?).filter(|(next, _)| *next == of).map(|(_, place)| place)
            }
            None => None,
        };
        after = Some(key.clone());
        if end.is_some_and(|end| best.is_older(end)) {
            continue;
        }
        let Some(page) = tables::SEARCH_PAGES.get_at(tree, sealer, &key)? else { continue };
        if !query.may_match(&page.texts) {
            continue;
        }
        for (place, text) in page.entries() {
            if best.takes(place) && query.matches(text) {
                best.take(place, page.conversation);
            }
        }
    }
    Ok(best.found.into_iter().rev().map(|(place, conversation)| (conversation, place)).collect())
}

/// The newest places found so far.
struct Best {
    found: BTreeSet<(Place, ConversationId)>,
    before: Option<Place>,
    limit: usize,
}

impl Best {
    /// Whether a place would be among them.
    fn takes(&self, place: Place) -> bool {
        self.before.is_none_or(|before| place < before) && !self.is_older(place)
    }

    /// Whether there are enough that are newer.
    fn is_older(&self, place: Place) -> bool {
        self.found.len() >= self.limit && self.found.first().is_some_and(|(first, _)| place < *first)
    }

    fn take(&mut self, place: Place, conversation: ConversationId) {
        self.found.insert((place, conversation));
        if self.found.len() > self.limit {
            self.found.pop_first();
        }
    }
}

/// Notes an entry of an older history; each [`LATE`] of them are taken into their pages. `count` counts them.
pub(crate) fn note_old(stage: &mut Stage<'_>, row: &MessageRow, count: &mut usize) -> Result<(), StageError> {
    if row.content.body.entry_text().is_none() {
        return Ok(());
    }
    note(stage, (row.account, row.conversation), (row.content.hlc, row.content.id))?;
    *count += 1;
    if count.is_multiple_of(LATE) { take_in(stage) } else { Ok(()) }
}

/// After an edit or a deletion of an entry of the same sender: what it said is not found any more, what it says now is.
pub(crate) fn amended(
    stage: &mut Stage<'_>,
    at: At,
    id: MsgId,
    by: NodeId,
    marks: &Marks,
) -> Result<(), StageError> {
    let Some(hlc) = marks.place else { return Ok(()) };
    let row = legible(tables::MESSAGES.get(stage, stage.sealer(), &key(at, (hlc, id))))?;
    let Some(row) = row.filter(|row| row.sender == by) else { return Ok(()) };
    forget(stage, at, (hlc, id))?;
    if text_of(&row, marks).is_some() { note(stage, at, (hlc, id)) } else { Ok(()) }
}

impl PageRow {
    fn new((account, conversation): At) -> Self {
        Self { account, conversation, places: Vec::new(), texts: String::new() }
    }

    fn is_full_with(&self, text: &str) -> bool {
        let has_room =
            self.texts.len() + text.len() < PAGE_TEXT_BYTES && self.places.len() < PAGE_ENTRIES * PLACE_BYTES;
        !self.places.is_empty() && !has_room
    }

    fn push(&mut self, (hlc, id): Place, text: &str) {
        self.places.extend_from_slice(&hlc.0.to_be_bytes());
        self.places.extend_from_slice(id.as_bytes());
        self.texts.push_str(text);
        self.texts.push('\n');
    }

    /// What it has, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Place, &str)> {
        let places = self.places.as_chunks::<PLACE_BYTES>().0.iter().map(read_place);
        places.zip(self.texts.split('\n'))
    }
}

/// A page's key without its place, and the place it begins at.
fn split_page_key(key: &[u8]) -> Result<(&[u8], Place), ReadError> {
    let (of, place) =
        key.split_last_chunk().ok_or(ReadError::Damaged { what: tables::SEARCH_PAGES.name() })?;
    Ok((of, read_place(place)))
}

fn read_place(bytes: &[u8; PLACE_BYTES]) -> Place {
    let (mut hlc, mut id) = ([0; size_of::<u64>()], [0; MsgId::LEN]);
    let (first, second) = bytes.split_at(hlc.len());
    hlc.copy_from_slice(first);
    id.copy_from_slice(second);
    (Hlc(u64::from_be_bytes(hlc)), MsgId::from_bytes(id))
}

const fn key((account, conversation): At, (hlc, id): Place) -> (NodeId, ConversationId, Hlc, MsgId) {
    (account, conversation, hlc, id)
}

fn page_key(at: At, place: Place) -> Vec<u8> {
    tables::SEARCH_PAGES.key(&key(at, place))
}
