//! Which mailboxes are ours, and where looking into each stands.
//!
//! In: keys and time. Out: what is due. Not here: asking holders and opening what they show ([`super::owner`]).

use super::{
    EnvelopeKey,
    deposit::{PINNED_WEEKS_AFTER, WEEKS_AFTER},
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
    /// Those among them that the owner pinned: each is asked, whatever others say, and that they have nothing says nothing about others.
    pub(super) pinned: BTreeSet<NodeId>,
    /// There are no others.
    pub(super) alone: bool,
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

impl OwnBox {
    /// Whether only pinned nodes have anything of it in this week.
    pub(super) fn is_old(&self, week: u32) -> bool {
        self.week.is_some_and(|of| of.saturating_add(WEEKS_AFTER) < week)
    }
}

/// All mailboxes of ours, and what came from them.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) week: u32,
    /// Pinned nodes may have what others have let go.
    longer: bool,
    pub(super) boxes: BTreeMap<MailboxAddress, OwnBox>,
    pub(super) arrivals: BTreeMap<EnvelopeKey, Arrival>,
}

impl Own {
    /// Those of this time. `longer`: also those that only pinned nodes have anything of.
    pub(super) fn new(keys: &MailboxKeys, signer: &Signer, now: Now, longer: bool) -> Self {
        let (week, boxes, arrivals) = (week_of(now.unix), BTreeMap::new(), BTreeMap::new());
        let mut own = Self { week, longer, boxes, arrivals };
        own.add_all(keys, signer, now.mono);
        own
    }

    /// Whether also those are looked into that only pinned nodes have anything of.
    pub(super) fn look_longer(&mut self, keys: &MailboxKeys, signer: &Signer, now: Now, longer: bool) {
        if longer != self.longer {
            self.longer = longer;
            self.forget_old();
            self.add_all(keys, signer, now.mono);
        }
    }

    fn forget_old(&mut self) {
        let weeks = weeks_around(self.week, self.longer);
        self.boxes.retain(|_, own| own.week.is_none_or(|of| weeks.contains(&of)));
    }

    /// Where a week has passed: opens the next mailbox, and looks into the oldest no longer.
    pub(super) fn turn_week(&mut self, keys: &MailboxKeys, signer: &Signer, now: Now) {
        let week = week_of(now.unix);
        if week != self.week {
            self.week = week;
            self.forget_old();
            self.add_all(keys, signer, now.mono);
        }
    }

    fn add_all(&mut self, keys: &MailboxKeys, signer: &Signer, now: Mono) {
        let have: BTreeSet<Option<u32>> = self.boxes.values().map(|own| own.week).collect();
        for week in
            weeks_around(self.week, self.longer).map(Some).chain([None]).filter(|week| !have.contains(week))
        {
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

    /// Those are looked into at once that only pinned nodes have anything of, and those that could not be before.
    pub(super) fn hurry_old(&mut self, now: Mono) {
        let week = self.week;
        for own in self.boxes.values_mut() {
            if own.is_old(week) || own.failures > 0 {
                own.due = own.due.min(now);
            }
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
        self.boxes.values().filter(|own| !own.is_old(self.week)).map(|own| own.looked).min().flatten()
    }
}

/// The weeks whose mailboxes are looked into.
const fn weeks_around(week: u32, longer: bool) -> RangeInclusive<u32> {
    let back = if longer { PINNED_WEEKS_AFTER } else { WEEKS_AFTER };
    week.saturating_sub(back)..=week.saturating_add(1)
}
