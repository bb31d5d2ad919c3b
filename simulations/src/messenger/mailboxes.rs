//! Mailboxes as messengers see them: honest, slow, and anything but orderly.
//!
//! They keep what they have taken, whatever becomes of the nodes. Meanwhile parcels are lost before they are taken, stored late, lost and stored
//! again; envelopes come in any order, twice, and once more after they were taken. When nothing goes wrong any more they only take their time.
//! What a parcel may contain and who may deposit where is looked at with every one.
//!
//! Not here: the mailbox machine (`simulations/src/mailbox`).

use super::{
    check::Violation,
    keys::Keys,
    world::{Event, World},
};
use pc2_protocols::{
    id::{DeviceId, EnvelopeId, MailboxAddress, MsgId},
    mailbox::{EnvelopeKey, Parcel, Recipient, keys::intro_address},
    messenger::{
        In,
        rows::Standing,
        wire::{Item, Mail},
    },
    time::UnixMillis,
};
use std::collections::BTreeMap;

/// Most envelopes brought by one look.
const PAGE: usize = 64;

/// A parcel, from when the depositor's node has taken it until it is of no use to anybody.
#[derive(Debug)]
struct Kept {
    to: usize,
    address: MailboxAddress,
    payload: Vec<u8>,
    /// In the mailbox, and signed for.
    stored: bool,
    /// The depositor does nothing more for it.
    withdrawn: bool,
}

/// What can happen to a parcel.
#[derive(Debug)]
pub(super) enum Post {
    Progress { node: usize, id: EnvelopeId, stored: bool },
    Store { node: usize, id: EnvelopeId },
    Spoil { node: usize, id: EnvelopeId },
    Bring { node: usize, process: u32, from: usize, id: EnvelopeId },
    BringAgain { node: usize, from: usize, envelope: EnvelopeKey, payload: Vec<u8> },
}

/// All mailboxes of a world.
#[derive(Debug, Default)]
pub(super) struct Mailboxes {
    kept: BTreeMap<(usize, EnvelopeId), Kept>,
}

impl Mailboxes {
    /// Whether anything is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

impl<K: Keys> World<K> {
    /// Something happens to a parcel.
    pub(super) fn post(&mut self, post: Post) {
        match post {
            Post::Progress { node, id, stored } => self.progress(node, id, stored),
            Post::Store { node, id } => self.store(node, id),
            Post::Spoil { node, id } => self.spoil(node, id),
            Post::Bring { node, process, from, id } => {
                if self.nodes[node].process == process {
                    self.bring(node, from, id);
                }
            }
            Post::BringAgain { node, from, envelope, payload } => {
                let from = self.nodes[from].id;
                self.step(node, In::MailboxArrived { envelope, from, payload });
            }
        }
    }

    /// A node wants something kept.
    pub(super) fn deposit(&mut self, node: usize, parcel: Parcel) {
        let verdict = self.check_parcel(node, &parcel);
        self.judge(verdict);
        let Parcel { id, to, payload, .. } = parcel;
        let (recipient, address) = match &to {
            Recipient::Contact { node, passes } => {
                (*node, passes.first().map_or_else(|| intro_address(*node), |pass| pass.address()))
            }
            Recipient::Stranger { node, .. } => (*node, intro_address(*node)),
        };
        let Some(to) = self.nodes.iter().position(|node| node.id == recipient) else { return };
        if self.wild && self.chance(50) {
            return;
        }
        self.summary.parcels += 1;
        let delay = self.below(20);
        if let Some(known) = self.mailboxes.kept.get(&(node, id)) {
            let stored = known.stored;
            return self.at(delay, Event::Post(Post::Progress { node, id, stored }));
        }
        self.mailboxes
            .kept
            .insert((node, id), Kept { to, address, payload, stored: false, withdrawn: false });
        self.at(delay, Event::Post(Post::Progress { node, id, stored: false }));
        let slow = self.wild && self.chance(200);
        let delay = if slow { self.below(60_000) } else { self.below(1_500) };
        self.at(delay, Event::Post(Post::Store { node, id }));
    }

    /// Whether a parcel is one that mailboxes take.
    fn check_parcel(&mut self, node: usize, parcel: &Parcel) -> Result<(), Violation> {
        let bad = |what: &str| Err(Violation::BadParcel(format!("{what}, of {node}: {:?}", parcel.to)));
        let (recipient, most) = match &parcel.to {
            Recipient::Contact { node, .. } => (*node, Parcel::MAX_PAYLOAD_BYTES),
            Recipient::Stranger { node, .. } => (*node, Parcel::MAX_INTRO_PAYLOAD_BYTES),
        };
        if parcel.account != self.nodes[node].id || parcel.payload.len() > most {
            return bad("too large, or of somebody else");
        }
        let Some(to) = self.nodes.iter().position(|node| node.id == recipient) else {
            return bad("for nobody");
        };
        let keys = self.keys.mailbox(to);
        let fits = match &parcel.to {
            Recipient::Contact { passes, .. } => {
                let of_them = |week: u32| keys.pass(week, parcel.account);
                !passes.is_empty() && passes.iter().all(|pass| *pass == of_them(pass.week))
            }
            Recipient::Stranger { sealing, .. } => *sealing == keys.intro_sealing(),
        };
        if !fits {
            return bad("no right to deposit there");
        }
        match Mail::decode(&parcel.payload) {
            Ok(Mail::Deliver { items, .. }) => items.iter().try_for_each(|item| self.checks.sealed(item)),
            Ok(Mail::Outcomes { .. } | Mail::Repair { .. } | Mail::Repairing { .. }) => Ok(()),
            Err(error) => bad(&error.to_string()),
        }
    }

    /// A parcel comes to be in the mailbox.
    fn store(&mut self, node: usize, id: EnvelopeId) {
        let Some(kept) = self.mailboxes.kept.get_mut(&(node, id)) else { return };
        if kept.withdrawn || kept.stored {
            return;
        }
        kept.stored = true;
        let ids = messages_in(&kept.payload);
        self.checks.stored_in_mailbox(node, ids);
        self.progress(node, id, true);
        if self.wild && self.chance(30) {
            let delay = self.below(10_000);
            self.at(delay, Event::Post(Post::Spoil { node, id }));
        }
    }

    /// Mailboxes lose a parcel that is theirs to keep; its depositor brings it again.
    fn spoil(&mut self, node: usize, id: EnvelopeId) {
        let Some(kept) = self.mailboxes.kept.get_mut(&(node, id)) else { return };
        if !kept.stored || kept.withdrawn {
            return;
        }
        kept.stored = false;
        self.progress(node, id, false);
        let delay = self.below(20_000);
        self.at(delay, Event::Post(Post::Store { node, id }));
    }

    /// The depositor is told, if its process is there to hear it.
    fn progress(&mut self, node: usize, id: EnvelopeId, stored: bool) {
        let until = UnixMillis(self.keys.beginning().0 + self.now + 14 * 86_400_000);
        self.step(node, In::MailboxProgress { id, stored_until: stored.then_some(until) });
    }

    /// A node needs a parcel no longer. What is in the mailbox stays there, or not.
    pub(super) fn withdraw(&mut self, node: usize, id: EnvelopeId) {
        let stays = self.chance(500);
        let Some(kept) = self.mailboxes.kept.get_mut(&(node, id)) else { return };
        kept.withdrawn = true;
        // Receipts and letters about gaps are withdrawn as soon as they are stored: the holders' promise stands.
        let receipt = !matches!(Mail::decode(&kept.payload), Ok(Mail::Deliver { .. }));
        if !kept.stored || !(stays || receipt) {
            self.mailboxes.kept.remove(&(node, id));
        }
    }

    /// Everybody who is up looks into their mailboxes now and then.
    pub(super) fn look_into_mailboxes(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].machine.is_none() || self.mailboxes.is_empty() || !self.chance(300) {
                continue;
            }
            self.lose_one(node);
            let mine = self.mailboxes.kept.iter().filter(|(_, kept)| kept.to == node && kept.stored);
            let mut found: Vec<(usize, EnvelopeId)> = mine.map(|(key, _)| *key).take(PAGE).collect();
            for last in (1..found.len()).rev() {
                let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
                found.swap(last, other);
            }
            let process = self.nodes[node].process;
            for (from, id) in found {
                let copies = if self.wild && self.chance(100) { 2 } else { 1 };
                for _ in 0..copies {
                    let delay = self.below(200);
                    self.at(delay, Event::Post(Post::Bring { node, process, from, id }));
                }
            }
        }
    }

    /// Now and then all holders of a letter lose it, and its writer, who has their receipts, does not learn of it. Only one that leaves a gap, because a later one
    /// is there: of what would have been the last there is no trace, and its writer brings it again when its receipts end.
    fn lose_one(&mut self, node: usize) {
        if !self.wild || !self.settings.lossy || !self.chance(500) {
            return;
        }
        let contacts = |a: usize, b: usize| {
            let row = self.nodes[a].disk.rows.contacts.get(&self.nodes[b].id);
            row.is_some_and(|row| row.standing == Standing::Accepted)
        };
        let waits = |kept: &Kept| kept.to == node && kept.stored && !kept.withdrawn;
        let lost = self.mailboxes.kept.iter().find(|((from, _), kept)| {
            let numbers = numbers_in(&kept.payload);
            let Some((device, last)) = numbers.last().copied() else { return false };
            let later = |((of, _), other): (&(usize, EnvelopeId), &Kept)| {
                let first = numbers_in(&other.payload).first().copied();
                *of == *from && waits(other) && first.is_some_and(|(on, first)| on == device && first > last)
            };
            waits(kept)
                && numbers.iter().all(|(on, _)| *on == device)
                && contacts(node, *from)
                && contacts(*from, node)
                && self.mailboxes.kept.iter().any(later)
        });
        if let Some(key) = lost.map(|(key, _)| *key) {
            self.mailboxes.kept.remove(&key);
            self.summary.lost += 1;
        }
    }

    /// An envelope is handed to its recipient.
    fn bring(&mut self, node: usize, from: usize, id: EnvelopeId) {
        let Some(kept) = self.mailboxes.kept.get(&(from, id)).filter(|kept| kept.stored) else { return };
        let (address, payload) = (kept.address, kept.payload.clone());
        self.arrived(node, from, EnvelopeKey { address, id }, payload);
    }

    fn arrived(&mut self, node: usize, from: usize, envelope: EnvelopeKey, payload: Vec<u8>) {
        if self.wild && self.chance(20) {
            // A holder that knows nothing of it being taken brings it once more.
            let (delay, payload) = (self.below(30_000), payload.clone());
            self.at(delay, Event::Post(Post::BringAgain { node, from, envelope, payload }));
        }
        let from = self.nodes[from].id;
        self.step(node, In::MailboxArrived { envelope, from, payload });
    }

    /// A node has dealt with an envelope. Its depositor does not learn it by this.
    pub(super) fn taken(&mut self, node: usize, envelope: EnvelopeKey) {
        let taken = |(_, id): &(usize, EnvelopeId), kept: &Kept| {
            *id == envelope.id && kept.address == envelope.address && kept.to == node
        };
        let found = self.mailboxes.kept.iter().find(|(key, kept)| taken(key, kept)).map(|(key, _)| *key);
        if let Some(key) = found {
            self.mailboxes.kept.remove(&key);
        }
    }
}

/// The chains and numbers of the messages in a parcel.
fn numbers_in(payload: &[u8]) -> Vec<(DeviceId, u64)> {
    let Ok(Mail::Deliver { items, .. }) = Mail::decode(payload) else { return Vec::new() };
    let number = |item: &Item| match item {
        Item::Content { device, seq, .. } => Some((*device, *seq)),
        Item::Start { .. } | Item::Refresh { .. } => None,
    };
    items.iter().filter_map(number).collect()
}

/// The messages in a parcel.
fn messages_in(payload: &[u8]) -> Vec<MsgId> {
    let Ok(Mail::Deliver { items, .. }) = Mail::decode(payload) else { return Vec::new() };
    let id = |item: &Item| match item {
        Item::Content { id, .. } => Some(*id),
        Item::Start { .. } | Item::Refresh { .. } => None,
    };
    items.iter().filter_map(id).collect()
}
