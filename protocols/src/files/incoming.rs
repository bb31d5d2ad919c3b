//! What was offered to us: the person's decisions, and what the data plane reports about receiving.
//!
//! In: offers, commands, reports. Out: where a transfer stands; what is asked of whom next is for [`super::queue`].
//! A decision that was made stands: a second one like it changes nothing, a contrary one hears how it ended.
//!
//! Not here: stretches ([`super::pull`]), what we offer ([`super::outgoing`]).

use super::{
    CommandError, Fault, OpenError, Opened, Out, Part, PullError, PullId,
    machine::{Files, Transfer},
    offer::FileOffer,
    pull::{Live, Phase},
    rows::{Decided, Direction, Failure, TransferId, TransferRow},
    step::{Step, Wanted},
    wire::{Refusal, Word},
};
use crate::{
    id::NodeId,
    limits::{MAX_REASON_BYTES, MAX_TARGET_BYTES, OFFER_LIFETIME, ROOM_RETRY},
    time::Mono,
};
use serde_bytes::ByteBuf;
use std::ops::Range;

impl Transfer {
    /// Who has it: who offered it first, then those the offer names.
    pub(super) fn havers(&self, account: NodeId) -> Vec<NodeId> {
        let peer = self.row.id.peer;
        let others = self.row.offer.holders.iter().copied();
        let others = others.filter(|node| *node != peer && *node != account);
        let all = std::iter::once(peer).chain(others);
        all.filter(|node| !self.row.liars.contains(node)).collect()
    }
}

impl Files {
    /// A message with an offer came.
    pub(super) fn offered(&mut self, from: NodeId, offer: FileOffer, step: &mut Step) {
        let id = TransferId::incoming(from, offer.id);
        if from == self.account || offer.check().is_err() || self.transfers.contains_key(&id) {
            return;
        }
        // Their clock may be wrong: an offer is never made later than now.
        let expires = offer.made.min(step.now.unix).after(OFFER_LIFETIME);
        let expired = expires <= step.now.unix;
        if !expired && !self.has_room(Direction::In, from) {
            // Not kept at all, so that a flood costs nothing. Who is not connected finds out when the offer runs out.
            if self.connected.contains(&from) {
                step.after(Out::Tell { id, word: Word::TooMany });
            }
            return;
        }
        let wanted = self.auto.get(&from).is_some_and(|max| offer.what.size().bytes() <= *max);
        let (decided, ended) = match (expired, wanted) {
            (true, _) => (Decided::Expired, Some(step.now.unix)),
            (false, true) => (Decided::Wanted { paused: false }, None),
            (false, false) => (Decided::Offered, None),
        };
        let row = TransferRow {
            account: self.account,
            id,
            offer,
            since: step.now.unix,
            expires,
            order: self.next_order(),
            decided,
            ended,
            folder: None,
            liars: Vec::new(),
            owed: None,
            have: None,
        };
        self.transfers.insert(id, Transfer::new(row));
        step.write(id);
    }

    /// One that was offered to us, and has not run out without being noticed.
    fn theirs(&mut self, id: TransferId, step: &mut Step) -> Result<&mut Transfer, CommandError> {
        self.expire(id, step);
        let transfer = self.transfers.get_mut(&id).ok_or(CommandError::Unknown)?;
        if id.direction == Direction::In { Ok(transfer) } else { Err(CommandError::NotYours) }
    }

    pub(super) fn accept(
        &mut self,
        id: TransferId,
        folder: Option<Vec<u8>>,
        step: &mut Step,
    ) -> Result<Wanted, CommandError> {
        if folder.as_ref().is_some_and(|path| !(1..=MAX_TARGET_BYTES).contains(&path.len())) {
            return Err(CommandError::BadFolder);
        }
        let order = self.next_order();
        let transfer = self.theirs(id, step)?;
        match &transfer.row.decided {
            Decided::Offered => {
                transfer.row.decided = Decided::Wanted { paused: false };
                transfer.row.order = order;
                transfer.row.folder = folder.map(ByteBuf::from);
                step.write(id);
            }
            Decided::Wanted { .. } | Decided::Done { .. } => {}
            other => return Err(over(other)),
        }
        Ok(Wanted::Transfer(id))
    }

    /// Not wanted, or not any more.
    pub(super) fn decline(&mut self, id: TransferId, step: &mut Step) -> Result<Wanted, CommandError> {
        let transfer = self.theirs(id, step)?;
        let decided = match &transfer.row.decided {
            Decided::Offered => Decided::Declined,
            // A failure that could be tried again is not the end for the other side: now it is.
            Decided::Wanted { .. } | Decided::Failed(_) => Decided::Cancelled,
            Decided::Declined | Decided::Cancelled => return Ok(Wanted::Transfer(id)),
            other => return Err(over(other)),
        };
        let had_some = matches!(transfer.row.decided, Decided::Failed(_));
        transfer.row.owed = Some(if decided == Decided::Declined { Word::Declined } else { Word::Cancelled });
        self.end(id, decided, step);
        if had_some {
            step.after(Out::Close { id, keep: false });
        }
        Ok(Wanted::Transfer(id))
    }

    pub(super) fn pause(
        &mut self,
        id: TransferId,
        paused: bool,
        step: &mut Step,
    ) -> Result<Wanted, CommandError> {
        let transfer = self.theirs(id, step)?;
        match transfer.row.decided {
            Decided::Offered => return Err(CommandError::NotAccepted),
            Decided::Wanted { paused: before } => {
                if before != paused {
                    transfer.row.decided = Decided::Wanted { paused };
                    step.write(id);
                }
            }
            ref other => return Err(over(other)),
        }
        let finishing =
            transfer.live.as_ref().is_some_and(|live| matches!(live.phase, Phase::Finishing { .. }));
        if !paused {
            try_at_once(transfer);
        } else if !finishing {
            self.park(id, step);
        }
        Ok(Wanted::Transfer(id))
    }

    pub(super) fn retry(&mut self, id: TransferId, step: &mut Step) -> Result<Wanted, CommandError> {
        let (order, now) = (self.next_order(), step.now.unix);
        let has_room = self.has_room(id.direction, id.peer);
        let transfer = self.transfers.get_mut(&id).ok_or(CommandError::Unknown)?;
        let Decided::Failed(failure) = &transfer.row.decided else { return Err(CommandError::NotFailed) };
        if !failure.retryable() || id.direction == Direction::Out {
            return Err(CommandError::NoRetry(failure.to_string()));
        }
        if transfer.row.expires <= now {
            return Err(over(&Decided::Expired));
        }
        if !has_room {
            return Err(CommandError::Full);
        }
        transfer.row.decided = Decided::Wanted { paused: false };
        (transfer.row.ended, transfer.row.order) = (None, order);
        transfer.row.liars.clear();
        transfer.holders.clear();
        try_at_once(transfer);
        step.write(id);
        Ok(Wanted::Transfer(id))
    }

    /// The data plane looked what is missing.
    pub(super) fn opened(
        &mut self,
        id: TransferId,
        part: Part,
        result: Result<Opened, OpenError>,
        step: &mut Step,
    ) {
        let Some(live) = self.transfers.get_mut(&id).and_then(|transfer| transfer.live.as_mut()) else {
            return;
        };
        if live.part != part || !matches!(live.phase, Phase::Opening { .. }) {
            return;
        }
        step.touch(id);
        match result {
            Ok(Opened::Missing { have, missing }) => live.opened(have, missing),
            Ok(Opened::Placed(path)) => self.done(id, path, step),
            Err(error) => self.cannot(id, error, step),
        }
    }

    /// Everything was put into its place, or not.
    pub(super) fn finished(&mut self, id: TransferId, result: Result<ByteBuf, OpenError>, step: &mut Step) {
        let live = self.transfers.get(&id).and_then(|transfer| transfer.live.as_ref());
        if !live.is_some_and(|live| matches!(live.phase, Phase::Finishing { .. })) {
            return;
        }
        match result {
            Ok(path) => self.done(id, path, step),
            Err(error) => self.cannot(id, error, step),
        }
    }

    fn done(&mut self, id: TransferId, path: ByteBuf, step: &mut Step) {
        if let Some(transfer) = self.transfers.get_mut(&id) {
            transfer.row.owed = Some(Word::Received);
        }
        self.end(id, Decided::Done { path: Some(path) }, step);
    }

    /// Something of this node does not work.
    fn cannot(&mut self, id: TransferId, error: OpenError, step: &mut Step) {
        let later = step.now.mono.after(ROOM_RETRY);
        match error {
            OpenError::NoRoom => {
                self.park(id, step);
                if let Some(transfer) = self.transfers.get_mut(&id) {
                    transfer.room_at = Some(later);
                }
            }
            OpenError::Incomplete => {
                self.park(id, step);
                if let Some(transfer) = self.transfers.get_mut(&id) {
                    transfer.rest_until = Some(later);
                }
            }
            OpenError::BadManifest(reason) => {
                self.end(id, Decided::Failed(Failure::BadManifest { reason: bounded(reason) }), step);
            }
            OpenError::Disk(reason) => {
                self.end(id, Decided::Failed(Failure::Disk { reason: bounded(reason) }), step);
            }
        }
    }

    pub(super) fn progress(&mut self, pull: PullId, bytes: u64, step: &mut Step) {
        let Some(id) = self.pulls.get(&pull).copied() else { return };
        if let Some(live) = self.transfers.get_mut(&id).and_then(|transfer| transfer.live.as_mut()) {
            live.progress(pull, bytes, step.now.mono);
            step.touch(id);
        }
    }

    /// A question to a holder is over.
    pub(super) fn pull_ended(
        &mut self,
        pull: PullId,
        missing: Vec<Range<u64>>,
        result: Result<(), PullError>,
        step: &mut Step,
    ) {
        let now = step.now.mono;
        let Some(id) = self.pulls.remove(&pull) else { return };
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        let whole = missing.iter().all(Range::is_empty);
        let Some(run) = transfer.live.as_mut().and_then(|live| live.ended(pull, Some(missing), now)) else {
            return;
        };
        step.touch(id);
        let holder = run.holder;
        // Not all of it, and no reason why: as if the connection had broken.
        let result = if whole { result } else { result.and(Err(PullError::Lost)) };
        match result {
            Ok(()) => transfer.holders.entry(holder).or_default().answered(now.since(run.since)),
            Err(PullError::NotTheFile) => self.fault(id, holder, Fault::Lied, step),
            Err(PullError::Unsupported) => self.fault(id, holder, Fault::Unsupported, step),
            Err(PullError::Lost) => self.rest(id, holder, false, now),
            Err(PullError::Refused(Refusal::Busy)) => self.rest(id, holder, true, now),
            Err(PullError::Refused(Refusal::Withdrawn)) if holder == id.peer => {
                self.end(id, Decided::Withdrawn, step);
            }
            Err(PullError::Refused(Refusal::Expired)) if holder == id.peer => {
                self.end(id, Decided::Expired, step);
            }
            Err(PullError::Refused(reason)) => self.fault(id, holder, Fault::Refused(reason), step),
            Err(PullError::NoRoom) => self.cannot(id, OpenError::NoRoom, step),
            Err(PullError::Disk(reason)) => self.cannot(id, OpenError::Disk(reason), step),
        }
    }

    /// A holder is not asked for a while.
    pub(super) fn rest(&mut self, id: TransferId, holder: NodeId, busy: bool, now: Mono) {
        let standing = self.transfers.get(&id).and_then(|transfer| transfer.holders.get(&holder));
        // A stream that broke took two questions with it: that is one failure.
        if standing
            .is_some_and(|standing| standing.wait.is_some_and(|at| at > now) && (standing.busy || !busy))
        {
            return;
        }
        let failures = standing.map_or(0, |standing| standing.failures);
        // Who has too much to do is left alone for some seconds at least.
        let wait = self.retry_at(now, if busy { failures.max(3) } else { failures });
        if let Some(transfer) = self.transfers.get_mut(&id) {
            let standing = transfer.holders.entry(holder).or_default();
            standing.failures = failures.saturating_add(1);
            (standing.wait, standing.busy) = (Some(wait), busy);
        }
    }

    /// A holder is asked no more for this; when nobody is left, it has failed.
    fn fault(&mut self, id: TransferId, holder: NodeId, fault: Fault, step: &mut Step) {
        step.after(Out::Report { id, holder, fault });
        self.stop_asking(id, holder, step);
        let account = self.account;
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        let before = transfer.havers(account);
        transfer.holders.entry(holder).or_default().gone = Some(fault);
        if fault == Fault::Lied {
            transfer.row.liars.push(holder);
            step.write(id);
        }
        let gone = |node: &NodeId| transfer.holders.get(node).and_then(|standing| standing.gone);
        if before.iter().all(|node| gone(node).is_some()) {
            // What who offered it says counts most.
            let fault = gone(&id.peer).unwrap_or(fault);
            self.end(id, Decided::Failed(failure(fault)), step);
        }
    }
}

/// Nothing is waited for any longer.
pub(super) fn try_at_once(transfer: &mut Transfer) {
    (transfer.room_at, transfer.rest_until) = (None, None);
    for standing in transfer.holders.values_mut() {
        standing.wait = None;
    }
}

const fn failure(fault: Fault) -> Failure {
    match fault {
        Fault::Lied => Failure::NotTheFile,
        Fault::Refused(Refusal::SourceChanged) => Failure::SourceChanged,
        Fault::Refused(Refusal::SourceGone) => Failure::SourceGone,
        Fault::Refused(reason) => Failure::Refused(reason),
        Fault::Stalled | Fault::Unsupported => Failure::Unsupported,
    }
}

/// What to say to a decision that comes too late.
pub(super) fn over(decided: &Decided) -> CommandError {
    let how = match decided {
        Decided::Done { .. } => "everything has arrived".to_owned(),
        Decided::Declined => "it was declined".to_owned(),
        Decided::Cancelled => "it was cancelled".to_owned(),
        Decided::Withdrawn => "the offer was taken back".to_owned(),
        Decided::Expired => "the offer has run out".to_owned(),
        Decided::Failed(failure) => failure.to_string(),
        Decided::Unsent | Decided::Offered | Decided::Wanted { .. } => "it is under way".to_owned(),
    };
    CommandError::Over(how)
}

/// A reason that fits into a row.
pub(super) fn bounded(mut reason: String) -> String {
    let end = reason.floor_char_boundary(MAX_REASON_BYTES);
    reason.truncate(end);
    reason
}

impl Live {
    /// What is opened first of an offer.
    pub(super) fn first(transfer: &Transfer, now: Mono) -> Self {
        let what = &transfer.row.offer.what;
        let part = if what.is_collection() { Part::Manifest } else { Part::File };
        Self::opening(part, what.blob().1.bytes(), now)
    }
}
