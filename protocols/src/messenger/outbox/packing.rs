//! What goes into parcels, and what is in them.
//!
//! In: what waits and is in no parcel, the mailbox's word. Out: what goes into the next one, what a parcel consists of, which messages are stored by it or
//! are so no longer. A parcel's place stands in the rows of what is in it.
//!
//! Not here: when parcels are made ([`crate::messenger`]'s `post`), which wait (`parcels`).

use super::{Allowed, Batch, Key, Outbox, WaitingContent};
use crate::{
    id::{DeviceId, EnvelopeId},
    limits,
    messenger::{
        content::Content,
        rows::{InParcel, MessageState},
        wire::{ChainFirst, Mail},
    },
    time::Mono,
};

impl Outbox {
    /// Which parcel something is in. One with ciphertext of an earlier session is withdrawn.
    pub(super) fn restore_place(
        &mut self,
        key: Key,
        place: Option<InParcel>,
        current: bool,
    ) -> Option<EnvelopeId> {
        match place {
            Some(place) if current => {
                self.parcels.put(key, place, Mono(0));
                return Some(place.id);
            }
            Some(place) => _ = self.parcels.withdraw(place.id),
            None => {}
        }
        self.loose.insert(key);
        None
    }

    /// Whether anything that may be sent is in no parcel.
    pub(in crate::messenger) fn has_loose(&self, allowed: Allowed) -> bool {
        match allowed {
            Allowed::All => !self.loose.is_empty(),
            Allowed::Only(id) => {
                let place = id.and_then(|id| self.ids.get(&id));
                let text =
                    place.is_some_and(|(device, seq)| self.loose.contains(&Key::Content(*device, *seq)));
                text || matches!(self.loose.first(), Some(Key::Control(_)))
            }
        }
    }

    /// What goes into the next parcel of at most `max_bytes`: all control items, and what is in none yet. Empty when there is nothing to add.
    pub(in crate::messenger) fn select_parcel(&self, allowed: Allowed, max_bytes: usize) -> Vec<Key> {
        let mut batch = Batch { max_bytes, ..Batch::default() };
        for (order, control) in &self.controls {
            if !batch.fits(control.item.size()) {
                return Vec::new();
            }
            batch.take(Key::Control(*order), control.item.size());
        }
        let empty = batch.bytes;
        let mut news = self.loose.iter().any(|key| matches!(key, Key::Control(_)));
        let mut chain = None;
        for key in &self.loose {
            let Key::Content(device, seq) = *key else { continue };
            let Some(waiting) = self.contents.get(&(device, seq)) else { continue };
            if matches!(allowed, Allowed::Only(id) if id != Some(waiting.content.id)) {
                continue;
            }
            let (of, first) = *chain.get_or_insert_with(|| (device, self.first_of(device)));
            if of != device {
                chain = Some((device, self.first_of(device)));
            } else if seq.saturating_sub(first) >= limits::MAX_POSTED_AHEAD {
                continue;
            }
            if empty.saturating_add(waiting.size()) > max_bytes {
                // Not for this mailbox, ever. What follows must not wait for it: it may be what opens a larger one.
                continue;
            }
            if !batch.fits(waiting.size()) || !batch.take(*key, waiting.size()) {
                break;
            }
            news = true;
        }
        if news { batch.keys } else { Vec::new() }
    }

    /// The lowest number of a chain that waits.
    fn first_of(&self, device: DeviceId) -> u64 {
        self.contents.range((device, 0)..).next().map_or(0, |((_, seq), _)| *seq)
    }

    /// Notes that these are in a parcel. What is in another one already stays there, and goes with this one besides.
    pub(in crate::messenger) fn put_in_parcel(&mut self, keys: &[Key], place: InParcel, hand_at: Mono) {
        for key in keys {
            if self.loose.remove(key) {
                self.set_parcel(*key, Some(place.id));
                self.parcels.put(*key, place, hand_at);
            }
        }
    }

    fn set_parcel(&mut self, key: Key, parcel: Option<EnvelopeId>) {
        self.dirty.insert(key);
        let place = match key {
            Key::Control(order) => self.controls.get_mut(&order).map(|control| &mut control.parcel),
            Key::Content(device, seq) => {
                self.contents.get_mut(&(device, seq)).map(|waiting| &mut waiting.parcel)
            }
        };
        if let Some(place) = place {
            *place = parcel;
        }
    }

    /// What a parcel says, once all of `keys` is sealed.
    pub(in crate::messenger) fn letter(&self, keys: &[Key]) -> Mail {
        let items = keys.iter().filter_map(|key| self.item(*key).cloned()).collect();
        let mut first: Vec<ChainFirst> = Vec::new();
        for key in keys {
            let Key::Content(device, _) = *key else { continue };
            if first.iter().all(|known| known.device != device) && first.len() < limits::MAX_RECEIPT_CHAINS {
                first.push(ChainFirst { device, seq: self.first_of(device) });
            }
        }
        Mail::Deliver { items, first }
    }

    /// What a parcel says as it is handed over again: control items that wait, and what is still in it.
    pub(in crate::messenger) fn letter_again(&self, id: EnvelopeId) -> Mail {
        let members = self.parcels.members(id).filter(|key| matches!(key, Key::Content(..)));
        let keys: Vec<Key> = self.controls.keys().map(|order| Key::Control(*order)).chain(members).collect();
        self.letter(&keys)
    }

    /// The mailbox says how a parcel is. Returns the contents whose state is another by it; `None`: the parcel is none of these.
    pub(in crate::messenger) fn parcel_progress(
        &mut self,
        id: EnvelopeId,
        stored: bool,
    ) -> Option<Vec<Content>> {
        if !self.parcels.progress(id, stored)? {
            return Some(Vec::new());
        }
        let members: Vec<Key> = self.parcels.members(id).collect();
        self.dirty.extend(&members);
        Some(self.first_time(members))
    }

    /// Takes everything out of a parcel and withdraws it. Returns the contents that count as stored no longer.
    pub(in crate::messenger) fn unpack(&mut self, id: EnvelopeId) -> Vec<Content> {
        let stored = self.parcels.place(id).is_some_and(|place| place.stored);
        let members: Vec<Key> = self.parcels.withdraw(id).into_iter().collect();
        for key in &members {
            self.set_parcel(*key, None);
            self.loose.insert(*key);
        }
        if stored { self.first_time(members) } else { Vec::new() }
    }

    /// Those contents of `keys` that were never delivered.
    fn first_time(&self, keys: Vec<Key>) -> Vec<Content> {
        let waiting = keys.into_iter().filter_map(|key| self.content(key));
        waiting.filter(|waiting| !waiting.again).map(|waiting| waiting.content.clone()).collect()
    }

    /// How far a waiting content has come.
    pub(in crate::messenger) fn state(&self, waiting: &WaitingContent) -> MessageState {
        let stored = waiting.parcel.and_then(|id| self.parcels.place(id)).is_some_and(|place| place.stored);
        match (waiting.again, stored) {
            (true, _) => MessageState::Delivered,
            (false, true) => MessageState::Stored,
            (false, false) => MessageState::Waiting,
        }
    }
}
