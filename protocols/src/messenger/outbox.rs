//! What waits for one person: contents in the order of their chain, and what starts or refreshes a session.
//!
//! In: composed contents, control items, ciphertext once it is made, acknowledgements. Out: what goes into
//! the next batch or parcel, and the rows to write ([`Outbox::take_changes`]). Bounded by [`limits::MAX_OUTBOX`] and
//! [`limits::MAX_OUTBOX_BYTES`].
//!
//! Control items go first: a session must be there before what is sealed in it, and a recipient still opens what was sealed before a
//! refresh. Contents go by their number, so that one that was asked for again overtakes what waits behind the gap.
//! Each thing goes into one parcel for mailboxes, too, sooner or later; control items go into every parcel as long as they wait, so that each can be
//! opened by itself.
//! Not here: encryption ([`super::sessions`]), when to send ([`super::delivery`], [`super::post`]).

use super::{
    content::{Body, Content},
    parcels::Parcels,
    rows::{Change, OutboxRow, Waiting},
    wire::Item,
};
use crate::{
    id::{ConversationId, DeviceId, EnvelopeId, MsgId, NodeId, SessionId},
    limits,
    time::UnixMillis,
};
use std::collections::{BTreeMap, BTreeSet};

mod packing;

/// Room around an encrypted content, in bytes: what sealing and the envelope add, generously.
const AROUND_CONTENT: usize = 320;

/// Names one waiting thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A control item, by its place in the queue.
    Control(u64),
    /// A content, by chain and number.
    Content(DeviceId, u64),
}

/// A content that waits.
#[derive(Debug)]
pub(super) struct WaitingContent {
    /// Its place in the queue.
    order: u64,
    /// The message.
    pub(super) content: Content,
    /// As it goes out, once sealed.
    sealed: Option<Item>,
    /// Since when.
    pub(super) since: UnixMillis,
    /// The parcel it is in.
    parcel: Option<EnvelopeId>,
    /// It was delivered before.
    again: bool,
    bytes: usize,
}

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Everything.
    All,
    /// Control items, and this one content: the person has not decided about us.
    Only(Option<MsgId>),
}

#[derive(Debug)]
struct Control {
    item: Item,
    since: UnixMillis,
    parcel: Option<EnvelopeId>,
}

/// The queue. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Outbox {
    controls: BTreeMap<u64, Control>,
    contents: BTreeMap<(DeviceId, u64), WaitingContent>,
    ids: BTreeMap<MsgId, (DeviceId, u64)>,
    next_order: u64,
    bytes: usize,
    dirty: BTreeSet<Key>,
    removed: Vec<u64>,
    /// What is in no parcel.
    loose: BTreeSet<Key>,
    /// The parcels.
    pub(super) parcels: Parcels,
    /// How many of the contents people see.
    entries: u64,
}

impl Outbox {
    /// Takes a stored row in. Ciphertext of a session that is not `current` is dropped: it will be sealed anew.
    pub(super) fn restore(&mut self, row: OutboxRow, current: Option<SessionId>) {
        self.next_order = self.next_order.max(row.order.saturating_add(1));
        match row.what {
            Waiting::Control { item } if session_of(&item) == current => {
                let parcel = self.restore_place(Key::Control(row.order), row.parcel, true);
                self.controls.insert(row.order, Control { item, since: row.since, parcel });
            }
            Waiting::Control { .. } => {
                self.removed.push(row.order);
                row.parcel.into_iter().for_each(|place| _ = self.parcels.withdraw(place.id));
            }
            Waiting::Content { content, sealed } => {
                let sealed = sealed.filter(|item| session_of(item) == current);
                let key = Key::Content(content.device, content.seq);
                let parcel = self.restore_place(key, row.parcel, sealed.is_some());
                let bytes = content.encode().len();
                let (order, since, again) = (row.order, row.since, row.again);
                self.insert(WaitingContent { order, content, sealed, since, parcel, again, bytes });
            }
        }
    }

    fn insert(&mut self, waiting: WaitingContent) {
        let place = (waiting.content.device, waiting.content.seq);
        self.remove(waiting.key());
        if waiting.parcel.is_none() {
            self.loose.insert(waiting.key());
        }
        self.bytes += waiting.total_bytes();
        self.entries += u64::from(waiting.content.body.is_entry());
        self.ids.insert(waiting.content.id, place);
        self.contents.insert(place, waiting);
    }

    fn take_order(&mut self) -> u64 {
        let order = self.next_order;
        self.next_order = order.saturating_add(1);
        order
    }

    /// Whether one more content of `bytes` fits.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        // A content is there twice once it is sealed.
        self.contents.len() < limits::MAX_OUTBOX
            && self.bytes.saturating_add(bytes.saturating_mul(2)) <= limits::MAX_OUTBOX_BYTES
    }

    /// Queues a content. `bytes` is its encoded length.
    pub(super) fn push_content(&mut self, content: Content, bytes: usize, since: UnixMillis) {
        self.push(content, bytes, since, false);
    }

    /// Queues a content that was delivered before and is asked for again.
    pub(super) fn push_again(&mut self, content: Content, bytes: usize, since: UnixMillis) {
        self.push(content, bytes, since, true);
    }

    fn push(&mut self, content: Content, bytes: usize, since: UnixMillis, again: bool) {
        let order = self.take_order();
        let key = Key::Content(content.device, content.seq);
        self.insert(WaitingContent { order, content, sealed: None, since, parcel: None, again, bytes });
        self.dirty.insert(key);
    }

    /// Queues a session's start or refresh.
    pub(super) fn push_control(&mut self, item: Item, since: UnixMillis) {
        let order = self.take_order();
        self.dirty.insert(Key::Control(order));
        self.loose.insert(Key::Control(order));
        self.controls.insert(order, Control { item, since, parcel: None });
    }

    /// What goes into the next batch, in order: bounded by number, bytes and the send window.
    pub(super) fn select(&self, allowed: Allowed) -> Vec<Key> {
        let mut batch = Batch::default();
        for (order, control) in &self.controls {
            if !batch.take(Key::Control(*order), control.item.size()) {
                return batch.keys;
            }
        }
        match allowed {
            Allowed::Only(id) => {
                let waiting = id.and_then(|id| self.content_by_id(id));
                if let Some(waiting) = waiting {
                    batch.take(waiting.key(), waiting.size());
                }
            }
            Allowed::All => {
                let mut chain = None;
                for ((device, seq), waiting) in &self.contents {
                    let (of, first) = *chain.get_or_insert((*device, *seq));
                    if of != *device {
                        chain = Some((*device, *seq));
                    } else if seq.saturating_sub(first) >= limits::SEND_WINDOW {
                        continue;
                    }
                    if !batch.take(waiting.key(), waiting.size()) {
                        break;
                    }
                }
            }
        }
        batch.keys
    }

    /// How many contents wait that people see.
    pub(super) const fn entries(&self) -> u64 {
        self.entries
    }

    /// Whether [`Outbox::select`] would find anything.
    pub(super) fn has_sendable(&self, allowed: Allowed) -> bool {
        !self.controls.is_empty()
            || match allowed {
                Allowed::All => !self.contents.is_empty(),
                Allowed::Only(id) => id.is_some_and(|id| self.ids.contains_key(&id)),
            }
    }

    /// A waiting content.
    pub(super) fn content(&self, key: Key) -> Option<&WaitingContent> {
        match key {
            Key::Content(device, seq) => self.contents.get(&(device, seq)),
            Key::Control(_) => None,
        }
    }

    /// The parcel that something waits in, if mailboxes are believed to keep it.
    pub(super) fn stored_parcel(&self, key: Key) -> Option<EnvelopeId> {
        let id = self.content(key)?.parcel?;
        self.parcels.place(id).filter(|place| place.stored).map(|place| place.id)
    }

    /// A waiting content by its name.
    pub(super) fn content_by_id(&self, id: MsgId) -> Option<&WaitingContent> {
        self.ids.get(&id).and_then(|place| self.contents.get(place))
    }

    /// All waiting contents.
    pub(super) fn contents(&self) -> impl Iterator<Item = &WaitingContent> {
        self.contents.values()
    }

    /// All waiting control items.
    pub(super) fn controls(&self) -> impl Iterator<Item = &Item> {
        self.controls.values().map(|control| &control.item)
    }

    /// All waiting control items with their names.
    pub(super) fn keyed_controls(&self) -> impl Iterator<Item = (Key, &Item)> {
        self.controls.iter().map(|(order, control)| (Key::Control(*order), &control.item))
    }

    /// What was sealed of one chain, and so may have been sent: name, number, session.
    pub(super) fn sealed_of(&self, device: DeviceId) -> Vec<(Key, u64, SessionId)> {
        let of_chain = self.contents.range((device, 0)..=(device, u64::MAX));
        let sealed = of_chain.filter_map(|(_, waiting)| {
            Some((waiting.key(), waiting.content.seq, session_of(waiting.sealed.as_ref()?)?))
        });
        sealed.collect()
    }

    /// How many contents wait.
    pub(super) fn len(&self) -> usize {
        self.contents.len()
    }

    /// The item as it goes out; `None` for a content not sealed yet.
    pub(super) fn item(&self, key: Key) -> Option<&Item> {
        match key {
            Key::Control(order) => self.controls.get(&order).map(|control| &control.item),
            Key::Content(device, seq) => self.contents.get(&(device, seq))?.sealed.as_ref(),
        }
    }

    /// Notes the ciphertext of a content: from now on it is sent as it is.
    pub(super) fn seal(&mut self, device: DeviceId, seq: u64, item: Item) {
        if let Some(waiting) = self.contents.get_mut(&(device, seq)) {
            self.bytes -= waiting.total_bytes();
            waiting.sealed = Some(item);
            self.bytes += waiting.total_bytes();
            self.dirty.insert(Key::Content(device, seq));
        }
    }

    /// Takes ciphertext of all sessions but one away, and the control items of those. Not written at once: what is
    /// sealed in a session that is not the current one counts for nothing when it is read back. Their parcels are withdrawn; returns the
    /// contents that count as stored no longer.
    pub(super) fn unseal_all_but(&mut self, kept: Option<SessionId>) -> Vec<Content> {
        let mut parcels = BTreeSet::new();
        for waiting in self.contents.values_mut() {
            if waiting.sealed.as_ref().is_some_and(|item| session_of(item) != kept) {
                self.bytes -= waiting.total_bytes();
                waiting.sealed = None;
                self.bytes += waiting.total_bytes();
                parcels.extend(waiting.parcel);
            }
        }
        let other = self.controls.iter().filter(|(_, control)| session_of(&control.item) != kept);
        let other: Vec<Key> = other.map(|(order, _)| Key::Control(*order)).collect();
        other.into_iter().for_each(|key| _ = self.remove(key));
        parcels.into_iter().flat_map(|id| self.unpack(id)).collect()
    }

    /// It arrived or was given up. Returns the content, if it was one.
    pub(super) fn remove(&mut self, key: Key) -> Option<Content> {
        self.dirty.remove(&key);
        self.loose.remove(&key);
        match key {
            Key::Control(order) => {
                let control = self.controls.remove(&order)?;
                self.removed.push(order);
                control.parcel.into_iter().for_each(|id| self.parcels.leave(key, id));
                None
            }
            Key::Content(device, seq) => {
                let waiting = self.contents.remove(&(device, seq))?;
                waiting.parcel.into_iter().for_each(|id| self.parcels.leave(key, id));
                self.bytes -= waiting.total_bytes();
                self.entries -= u64::from(waiting.content.body.is_entry());
                self.ids.remove(&waiting.content.id);
                self.removed.push(waiting.order);
                Some(waiting.content)
            }
        }
    }

    /// Takes out what says the same as messages that have had their time: themselves, and their edits. Mailboxes keep for the recipient what they
    /// have; what else was in the parcels of these goes into new ones. Returns those contents that count as stored no longer.
    pub(super) fn expire(&mut self, over: &BTreeSet<MsgId>) -> Vec<Content> {
        let says = |waiting: &&WaitingContent| {
            let edits = matches!(&waiting.content.body, Body::Edit { target, .. } if over.contains(target));
            edits || over.contains(&waiting.content.id)
        };
        let found = self.contents.values().filter(says).map(|waiting| (waiting.key(), waiting.parcel));
        let found: Vec<(Key, Option<EnvelopeId>)> = found.collect();
        let mut parcels = BTreeSet::new();
        for (key, parcel) in found {
            parcels.extend(parcel);
            self.remove(key);
        }
        parcels.into_iter().flat_map(|id| self.unpack(id)).collect()
    }

    /// Empties it. Returns the contents that were given up.
    pub(super) fn clear(&mut self) -> Vec<Content> {
        let keys: Vec<Key> = (self.controls.keys().map(|order| Key::Control(*order)))
            .chain(self.contents.values().map(WaitingContent::key))
            .collect();
        keys.into_iter().filter_map(|key| self.remove(key)).collect()
    }

    /// The rows changed since it was last asked.
    pub(super) fn take_changes(
        &mut self,
        account: NodeId,
        conversation: ConversationId,
        out: &mut Vec<Change>,
    ) {
        let removed = std::mem::take(&mut self.removed);
        out.extend(removed.into_iter().map(|order| Change::RemoveOutbox { account, conversation, order }));
        for key in std::mem::take(&mut self.dirty) {
            let (order, what, since, parcel, again) = match key {
                Key::Control(order) => {
                    let Some(control) = self.controls.get(&order) else { continue };
                    (
                        order,
                        Waiting::Control { item: control.item.clone() },
                        control.since,
                        control.parcel,
                        false,
                    )
                }
                Key::Content(device, seq) => {
                    let Some(waiting) = self.contents.get(&(device, seq)) else { continue };
                    let (content, sealed) = (waiting.content.clone(), waiting.sealed.clone());
                    let what = Waiting::Content { content, sealed };
                    (waiting.order, what, waiting.since, waiting.parcel, waiting.again)
                }
            };
            let parcel = parcel.and_then(|id| self.parcels.place(id));
            let row = OutboxRow { account, conversation, order, what, since, parcel, again };
            out.push(Change::PutOutbox(Box::new(row)));
        }
    }
}

impl WaitingContent {
    const fn key(&self) -> Key {
        Key::Content(self.content.device, self.content.seq)
    }

    /// Bytes it adds to a batch, about.
    fn size(&self) -> usize {
        self.sealed.as_ref().map_or(self.bytes + AROUND_CONTENT, Item::size)
    }

    fn total_bytes(&self) -> usize {
        self.bytes + self.sealed.as_ref().map_or(0, Item::size)
    }
}

/// The session an item belongs to. Always `Some`; an option so that it compares with "the current session, if any".
pub(super) const fn session_of(item: &Item) -> Option<SessionId> {
    match item {
        Item::Start { session, .. } | Item::Refresh { session, .. } | Item::Content { session, .. } => {
            Some(*session)
        }
    }
}

struct Batch {
    keys: Vec<Key>,
    bytes: usize,
    max_bytes: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self { keys: Vec::new(), bytes: 0, max_bytes: limits::MAX_BATCH_BYTES }
    }
}

impl Batch {
    /// Whether so many bytes more fit.
    const fn fits(&self, bytes: usize) -> bool {
        self.bytes.saturating_add(bytes) <= self.max_bytes
    }

    /// Adds one, unless the batch is full. The first is taken whatever its size.
    fn take(&mut self, key: Key, bytes: usize) -> bool {
        let fits = self.keys.is_empty() || self.fits(bytes);
        if !fits || self.keys.len() >= limits::MAX_BATCH_ITEMS {
            return false;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.keys.push(key);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messenger::content::Hlc;

    const DEVICE: DeviceId = DeviceId::from_bytes([1; 16]);
    const SESSION: SessionId = SessionId::from_bytes([2; 16]);
    const NOW: UnixMillis = UnixMillis(5);

    fn push(outbox: &mut Outbox, seq: u64, bytes: usize) -> MsgId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&seq.to_be_bytes());
        let id = MsgId::from_bytes(id);
        let body = Body::Delete { target: id };
        let content = Content {
            id,
            device: DEVICE,
            seq,
            prev_hash: [0; 32],
            parents: Vec::new(),
            hlc: Hlc(seq),
            body,
            lasts: None,
        };
        outbox.push_content(content, bytes, NOW);
        id
    }

    fn refresh(session: SessionId) -> Item {
        Item::Refresh { session, epoch: 1, commit: serde_bytes::ByteBuf::new() }
    }

    fn sealed(seq: u64, bytes: usize) -> Item {
        let id = MsgId::from_bytes([0; 16]);
        let sealed = serde_bytes::ByteBuf::from(vec![0; bytes]);
        Item::Content { session: SESSION, id, device: DEVICE, seq, sealed }
    }

    fn numbers(keys: &[Key]) -> Vec<u64> {
        let seq = |key: &Key| match key {
            Key::Content(_, seq) => Some(*seq),
            Key::Control(_) => None,
        };
        keys.iter().filter_map(seq).collect()
    }

    #[test]
    fn control_items_go_first_and_contents_by_number() {
        let mut outbox = Outbox::default();
        push(&mut outbox, 7, 10);
        outbox.push_control(refresh(SESSION), NOW);
        push(&mut outbox, 3, 10);
        let keys = outbox.select(Allowed::All);
        assert!(matches!(keys[0], Key::Control(_)));
        assert_eq!(numbers(&keys), [3, 7], "what was asked for again overtakes");
    }

    #[test]
    fn a_batch_is_bounded_by_items_bytes_and_window() {
        let mut outbox = Outbox::default();
        (1..=600).for_each(|seq| _ = push(&mut outbox, seq, 10));
        let most = numbers(&outbox.select(Allowed::All)).len();
        assert!(most <= limits::MAX_BATCH_ITEMS && most > 100, "{most}");
        let mut wide = Outbox::default();
        [1, 2, 1 + limits::SEND_WINDOW].into_iter().for_each(|seq| _ = push(&mut wide, seq, 10));
        assert_eq!(numbers(&wide.select(Allowed::All)), [1, 2], "number 257 waits for number 1");
        let mut large = Outbox::default();
        (1..=20).for_each(|seq| _ = push(&mut large, seq, 16_384));
        assert_eq!(numbers(&large.select(Allowed::All)).len(), 3);
    }

    #[test]
    fn one_item_larger_than_a_batch_goes_alone() {
        let mut outbox = Outbox::default();
        push(&mut outbox, 1, limits::MAX_BATCH_BYTES * 2);
        push(&mut outbox, 2, 10);
        assert_eq!(numbers(&outbox.select(Allowed::All)), [1]);
    }

    #[test]
    fn before_a_decision_only_the_requests_text_goes() {
        let mut outbox = Outbox::default();
        let first = push(&mut outbox, 4, 10);
        push(&mut outbox, 5, 10);
        assert_eq!(numbers(&outbox.select(Allowed::Only(Some(first)))), [4]);
        assert!(outbox.select(Allowed::Only(None)).is_empty() && !outbox.has_sendable(Allowed::Only(None)));
    }

    #[test]
    fn ciphertext_of_another_session_counts_for_nothing() {
        let mut outbox = Outbox::default();
        push(&mut outbox, 1, 10);
        outbox.push_control(refresh(SESSION), NOW);
        outbox.seal(DEVICE, 1, sealed(1, 100));
        let mut rows = Vec::new();
        let (account, with) = (NodeId::from_bytes([1; 32]), ConversationId::from_bytes([2; 32]));
        outbox.take_changes(account, with, &mut rows);
        let restored = |current: Option<SessionId>| {
            let mut restored = Outbox::default();
            for row in &rows {
                if let Change::PutOutbox(row) = row {
                    restored.restore(OutboxRow::clone(row), current);
                }
            }
            (restored.item(Key::Content(DEVICE, 1)).is_some(), restored.controls().count())
        };
        assert_eq!(restored(Some(SESSION)), (true, 1), "sent as it was sealed");
        assert_eq!(restored(Some(SessionId::from_bytes([9; 16]))), (false, 0), "sealed anew");
        outbox.unseal_all_but(None);
        assert!(outbox.item(Key::Content(DEVICE, 1)).is_none());
    }

    #[test]
    fn bytes_are_given_back_with_what_leaves() {
        let mut outbox = Outbox::default();
        for seq in 1..=100 {
            push(&mut outbox, seq, 1_000);
            outbox.seal(DEVICE, seq, sealed(seq, 1_000));
        }
        assert!(outbox.bytes > 200_000 && !outbox.has_room(limits::MAX_OUTBOX_BYTES / 2));
        outbox.unseal_all_but(None);
        assert_eq!(outbox.bytes, 100_000);
        assert_eq!(outbox.clear().len(), 100);
        assert_eq!((outbox.bytes, outbox.len()), (0, 0));
        assert!(outbox.ids.is_empty());
    }

    #[test]
    fn a_row_is_written_once_a_step_and_removed_once() {
        let mut outbox = Outbox::default();
        push(&mut outbox, 1, 10);
        outbox.seal(DEVICE, 1, sealed(1, 10));
        let mut changes = Vec::new();
        let (account, with) = (NodeId::from_bytes([1; 32]), ConversationId::from_bytes([2; 32]));
        outbox.take_changes(account, with, &mut changes);
        assert_eq!(changes.len(), 1);
        outbox.remove(Key::Content(DEVICE, 1));
        outbox.remove(Key::Content(DEVICE, 1));
        changes.clear();
        outbox.take_changes(account, with, &mut changes);
        assert!(matches!(changes[..], [Change::RemoveOutbox { order: 0, .. }]));
    }
}
