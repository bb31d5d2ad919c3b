//! The log of what happened at the doors: a ring.
//!
//! It is there for the owner who asks who was here. So what others can do again and again is counted in one entry, and pushes nothing out.

use super::Kept;
use crate::{roles::Caller, wallet::Address};
use pc2_actors::api::{AccessChange, SecurityEvent, SecurityRow};
use pc2_protocols::time::UnixMillis;
use std::time::Duration;

/// Entries of the log: a year of somebody who signs in every day and manages little. The oldest makes room.
pub(super) const MAX_LOG: usize = 1_000;

/// What can be done again and again without the owner is one entry with its number when it was done within this time before: sign-ins
/// of one wallet, refusals, ends of one's own sessions, looks at the recovery phrase. So nobody pushes out what matters.
const COUNTED_TOGETHER: Duration = Duration::from_secs(3_600);

impl Kept {
    /// The log, latest first.
    pub(crate) fn log(&self) -> impl Iterator<Item = &SecurityRow> {
        self.log.iter().rev()
    }

    /// So many sign-ins were refused.
    pub(crate) fn refused(&mut self, times: u64, now: UnixMillis) {
        self.note(now, None, SecurityEvent::Refused(times));
    }

    /// The recovery phrase is about to be shown.
    pub(crate) fn phrase_shown(&mut self, by: &Caller, now: UnixMillis) {
        self.note(now, by.wallet(), SecurityEvent::PhraseShown(1));
    }

    /// The identity file has another passphrase, or none.
    pub(crate) fn passphrase_changed(&mut self, sealed: bool, by: &Caller, now: UnixMillis) {
        let event = if sealed { SecurityEvent::PassphraseSet } else { SecurityEvent::PassphraseRemoved };
        self.note(now, by.wallet(), event);
    }

    pub(super) fn note(&mut self, at: UnixMillis, by: Option<Address>, event: SecurityEvent) {
        let by = by.map(|address| address.0);
        let mut lately = self.log.iter_mut().rev().take_while(|row| at.since(row.at) < COUNTED_TOGETHER);
        let like_it = lately.find_map(|row| (row.by == by && adds_up(&mut row.event, &event)).then_some(row));
        if let Some(row) = like_it {
            row.at = at;
            self.changes.push(AccessChange::PutSecurity(row.clone()));
            return;
        }
        let number = self.log.back().map_or(0, |row| row.number.saturating_add(1));
        let row = SecurityRow { account: self.account, number, at, by, event };
        self.changes.push(AccessChange::PutSecurity(row.clone()));
        self.log.push_back(row);
        while self.log.len() > MAX_LOG {
            let Some(row) = self.log.pop_front() else { break };
            self.changes.push(AccessChange::RemoveSecurity { account: row.account, number: row.number });
        }
    }
}

/// Adds an event to one like it, if it is of a kind that is counted.
const fn adds_up(earlier: &mut SecurityEvent, event: &SecurityEvent) -> bool {
    use SecurityEvent as E;
    match (earlier, event) {
        (E::Refused(sum), E::Refused(more))
        | (E::WalletUsed(sum), E::WalletUsed(more))
        | (E::SessionsEnded(sum), E::SessionsEnded(more))
        | (E::PhraseShown(sum), E::PhraseShown(more)) => {
            *sum = sum.saturating_add(*more);
            true
        }
        _ => false,
    }
}
