//! Which mailboxes are ours, and where looking into each stands.
//!
//! In: keys and time. Out: what is due. Not here: asking holders and opening what they show ([`super::owner`]).

use super::{
    EnvelopeKey,
    deposit::WEEKS_AFTER,
    keys::{MailboxKeys, week_of},
    wire::Owner,
};
use crate::{
    crypto::sign::Signer,
    id::{EnvelopeId, MailboxAddress, NodeId},
    time::{Mono, Now, UnixMillis},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

/// Arrivals that may wait for the messenger at once; then visits wait.
pub(super) const MAX_ARRIVALS: usize = 512;

#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) digest: [u8; 32],
    pub(super) since: Mono,
}

#[derive(Debug, Default)]
pub(super) struct Visit {
    pub(super) left: Vec<NodeId>,
    /// Who is being asked: after which envelope, on which page.
    pub(super) asked: BTreeMap<NodeId, (Option<EnvelopeId>, u32)>,
    pub(super) nothing_new: usize,
    pub(super) answered: u32,
    /// All holders may be asked, not only one that had news.
    pub(super) whole: bool,
}

#[derive(Debug)]
pub(super) enum Doing {
    Nothing,
    Walking,
    Visiting(Visit),
}

/// One mailbox of ours.
#[derive(Debug)]
pub(super) struct OwnBox {
    /// `None`: the one for strangers.
    pub(super) week: Option<u32>,
    pub(super) owner: Owner,
    pub(super) signer: Signer,
    pub(super) doing: Doing,
    pub(super) due: Mono,
    /// Something new may have come since this visit began.
    pub(super) again: bool,
    pub(super) failures: u32,
    pub(super) last_news: Option<Mono>,
    pub(super) holders: Vec<NodeId>,
    pub(super) looked: Option<UnixMillis>,
    /// What holders are to be told that we have.
    pub(super) acks: BTreeMap<NodeId, BTreeSet<EnvelopeId>>,
    pub(super) acks_due: Option<Mono>,
}

/// All mailboxes of ours, and what came from them.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) week: u32,
    pub(super) boxes: BTreeMap<MailboxAddress, OwnBox>,
    pub(super) arrivals: BTreeMap<EnvelopeKey, Arrival>,
}

impl Own {
    /// Those of this time.
    pub(super) fn new(keys: &MailboxKeys, signer: &Signer, now: Now) -> Self {
        let mut own = Self { week: week_of(now.unix), boxes: BTreeMap::new(), arrivals: BTreeMap::new() };
        own.add_all(keys, signer, now.mono);
        own
    }

    /// Where a week has passed: opens the next mailbox, and looks into the oldest no longer.
    pub(super) fn turn_week(&mut self, keys: &MailboxKeys, signer: &Signer, now: Now) {
        let week = week_of(now.unix);
        if week != self.week {
            self.week = week;
            self.boxes.retain(|_, own| own.week.is_none_or(|of| weeks_around(week).contains(&of)));
            self.add_all(keys, signer, now.mono);
        }
    }

    fn add_all(&mut self, keys: &MailboxKeys, signer: &Signer, now: Mono) {
        let have: BTreeSet<Option<u32>> = self.boxes.values().map(|own| own.week).collect();
        for week in weeks_around(self.week).map(Some).chain([None]).filter(|week| !have.contains(week)) {
            let (owner, signer) = match week {
                Some(week) => {
                    let signer = keys.owner(week);
                    (Owner::Week { mailbox: *signer.node().as_bytes() }, signer)
                }
                None => (Owner::Intro { node: signer.node() }, signer.clone()),
            };
            let own = OwnBox {
                week,
                owner,
                signer,
                doing: Doing::Nothing,
                due: now,
                again: false,
                failures: 0,
                last_news: None,
                holders: Vec::new(),
                looked: None,
                acks: BTreeMap::new(),
                acks_due: None,
            };
            self.boxes.insert(owner.address(), own);
        }
    }

    /// Whether a mailbox is ours.
    pub(super) fn is_ours(&self, address: &MailboxAddress) -> bool {
        self.boxes.contains_key(address)
    }

    /// All are looked into at once.
    pub(super) fn look_now(&mut self, now: Mono) {
        for own in self.boxes.values_mut() {
            own.due = own.due.min(now);
            own.again = true;
        }
    }

    /// Those are looked into at once that could not be before.
    pub(super) fn hurry(&mut self, now: Mono) {
        for own in self.boxes.values_mut().filter(|own| own.failures > 0 || own.looked.is_none()) {
            own.due = own.due.min(now);
        }
    }

    /// When the next visit is due.
    pub(super) fn due(&self) -> Option<Mono> {
        if self.arrivals.len() >= MAX_ARRIVALS {
            return None;
        }
        self.boxes.values().filter(|own| matches!(own.doing, Doing::Nothing)).map(|own| own.due).min()
    }

    /// When acknowledgements are to go.
    pub(super) fn acks_due(&self) -> Option<Mono> {
        self.boxes.values().filter_map(|own| own.acks_due).min()
    }

    /// Who holds mailboxes of ours, as of the last look.
    pub(super) fn holders(&self) -> Vec<NodeId> {
        let all: BTreeSet<NodeId> = self.boxes.values().flat_map(|own| own.holders.iter().copied()).collect();
        all.into_iter().collect()
    }

    /// When all were last looked through.
    pub(super) fn looked(&self) -> Option<UnixMillis> {
        self.boxes.values().map(|own| own.looked).min().flatten()
    }
}

/// The weeks whose mailboxes are looked into.
const fn weeks_around(week: u32) -> RangeInclusive<u32> {
    week.saturating_sub(WEEKS_AFTER)..=week.saturating_add(1)
}
