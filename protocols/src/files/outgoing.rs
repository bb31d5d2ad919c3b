//! What we offer: making offers, taking them back, and deciding who is served.
//!
//! In: commands, questions and words of peers. Out: orders to serve or to refuse. Who asks is proven by the transport; an offer counts only for who it was
//! made to, so an id that somebody else got hold of is worth nothing.
//!
//! Not here: whether a blob is one of a collection (the data plane looks it up among those held for the offer).

use super::{
    CommandError, Out, PullError, ServeError, ServeToken,
    incoming::{bounded, over},
    machine::{Files, Transfer},
    offer::{FileOffer, Offered},
    pull::Phase,
    rows::{Decided, Direction, Failure, TransferId, TransferRow},
    step::{Step, Wanted},
    wire::{Pull, Refusal, Word},
};
use crate::{
    id::{NodeId, OfferId},
    limits::{MAX_SERVED_PER_TRANSFER, MAX_TRANSFERS, MAX_TRANSFERS_PER_PEER, OFFER_LIFETIME},
};

impl Files {
    /// Makes an offer; one of the same id is that offer.
    pub(super) fn offer(
        &mut self,
        to: NodeId,
        offer: OfferId,
        what: Offered,
        holders: Vec<NodeId>,
        step: &mut Step,
    ) -> Result<Wanted, CommandError> {
        let id = TransferId::outgoing(to, offer);
        if to == self.account {
            return Err(CommandError::Yourself);
        }
        if self.transfers.contains_key(&id) {
            return Ok(Wanted::Transfer(id));
        }
        let now = step.now.unix;
        let offer = FileOffer { id: offer, made: now, what, holders };
        offer.check()?;
        if !self.has_room(Direction::Out, to) {
            return Err(CommandError::Full);
        }
        let row = TransferRow {
            account: self.account,
            id,
            offer,
            since: now,
            expires: now.after(OFFER_LIFETIME),
            order: 0,
            decided: Decided::Unsent,
            ended: None,
            folder: None,
            liars: Vec::new(),
            owed: None,
            have: None,
        };
        self.transfers.insert(id, Transfer::new(row));
        step.write(id);
        Ok(Wanted::Transfer(id))
    }

    /// The messenger took the offer, or will not.
    pub(super) fn offer_sent(
        &mut self,
        to: NodeId,
        offer: OfferId,
        result: Result<(), String>,
        step: &mut Step,
    ) {
        let id = TransferId::outgoing(to, offer);
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        if transfer.row.decided != Decided::Unsent {
            return;
        }
        match result {
            Ok(()) => {
                transfer.row.decided = Decided::Offered;
                transfer.ask_at = None;
                step.write(id);
            }
            Err(reason) => {
                self.end(id, Decided::Failed(Failure::NotSent { reason: bounded(reason) }), step);
            }
        }
    }

    pub(super) fn withdraw(&mut self, id: TransferId, step: &mut Step) -> Result<Wanted, CommandError> {
        self.expire(id, step);
        let transfer = self.transfers.get_mut(&id).ok_or(CommandError::Unknown)?;
        match &transfer.row.decided {
            _ if id.direction == Direction::In => Err(CommandError::NotYours),
            Decided::Unsent | Decided::Offered => {
                transfer.row.owed = Some(Word::Withdrawn);
                self.end(id, Decided::Withdrawn, step);
                Ok(Wanted::Transfer(id))
            }
            Decided::Withdrawn => Ok(Wanted::Transfer(id)),
            other => Err(over(other)),
        }
    }

    /// A peer asks for groups of a blob.
    pub(super) fn asked(&mut self, from: NodeId, token: ServeToken, pull: &Pull, step: &mut Step) {
        let id = TransferId::outgoing(from, pull.offer);
        self.expire(id, step);
        match self.may_have(id, pull) {
            Ok(member) => {
                self.serving.insert(token, id);
                if let Some(transfer) = self.transfers.get_mut(&id) {
                    transfer.served = transfer.served.saturating_add(1);
                }
                let (blob, size, groups) = (pull.blob, pull.size, pull.groups.clone());
                step.after(Out::Serve { token, id, blob, size, groups, member });
                step.touch(id);
            }
            Err(reason) => step.after(Out::Refuse { token, reason }),
        }
    }

    /// Whether somebody may have what they ask for; whether it is another blob than the offer names.
    fn may_have(&self, id: TransferId, pull: &Pull) -> Result<bool, Refusal> {
        // Before anything that would tell that there is such an offer.
        let transfer = self.transfers.get(&id).ok_or(Refusal::NotOffered)?;
        let what = &transfer.row.offer.what;
        match &transfer.row.decided {
            Decided::Unsent | Decided::Offered => {}
            Decided::Withdrawn => return Err(Refusal::Withdrawn),
            Decided::Expired => return Err(Refusal::Expired),
            Decided::Failed(Failure::SourceChanged) => return Err(Refusal::SourceChanged),
            Decided::Failed(Failure::SourceGone) => return Err(Refusal::SourceGone),
            Decided::Failed(_)
            | Decided::Done { .. }
            | Decided::Declined
            | Decided::Cancelled
            | Decided::Wanted { .. } => return Err(Refusal::Over),
        }
        if !pull.holds() {
            return Err(Refusal::Invalid);
        }
        let (blob, size) = what.blob();
        let member = pull.blob != blob;
        if member && !what.is_collection() {
            return Err(Refusal::NotOffered);
        }
        if !member && pull.size != size {
            return Err(Refusal::Invalid);
        }
        if what.is_in_pieces() && !pull.is_of_one_piece() {
            return Err(Refusal::Invalid);
        }
        if self.can_serve(transfer) { Ok(member) } else { Err(Refusal::Busy) }
    }

    /// Whether a question for this transfer can be served besides the others.
    fn can_serve(&self, transfer: &Transfer) -> bool {
        let peer = transfer.row.id.peer;
        if transfer.served > 0 {
            return transfer.served < MAX_SERVED_PER_TRANSFER;
        }
        let served = || self.transfers.values().filter(|other| other.served > 0);
        let theirs = served().filter(|other| other.row.id.peer == peer).count();
        served().count() < MAX_TRANSFERS && theirs < MAX_TRANSFERS_PER_PEER
    }

    pub(super) fn sent(&mut self, token: ServeToken, bytes: u64, step: &mut Step) {
        let Some(id) = self.serving.get(&token).copied() else { return };
        if let Some(transfer) = self.transfers.get_mut(&id) {
            let all = transfer.row.offer.what.size().bytes();
            transfer.sent = transfer.sent.saturating_add(bytes).min(all);
            step.touch(id);
        }
    }

    /// Serving a question is over.
    pub(super) fn served(&mut self, token: ServeToken, result: Result<(), ServeError>, step: &mut Step) {
        let Some(id) = self.serving.remove(&token) else { return };
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        transfer.served = transfer.served.saturating_sub(1);
        step.touch(id);
        match result {
            Err(ServeError::SourceChanged) => self.end(id, Decided::Failed(Failure::SourceChanged), step),
            Err(ServeError::SourceGone) => self.end(id, Decided::Failed(Failure::SourceGone), step),
            // What the asker made wrong, or will ask again.
            Ok(()) | Err(ServeError::NotOffered | ServeError::Lost | ServeError::Unreadable) => {}
        }
    }

    /// A peer tells something about an offer between us.
    pub(super) fn heard(
        &mut self,
        from: NodeId,
        token: ServeToken,
        offer: OfferId,
        word: Word,
        step: &mut Step,
    ) {
        let (id, decided) = match word {
            Word::Withdrawn => (TransferId::incoming(from, offer), Decided::Withdrawn),
            Word::Declined => (TransferId::outgoing(from, offer), Decided::Declined),
            Word::Cancelled => (TransferId::outgoing(from, offer), Decided::Cancelled),
            Word::Received => (TransferId::outgoing(from, offer), Decided::Done { path: None }),
            Word::TooMany => (TransferId::outgoing(from, offer), Decided::Failed(Failure::TooMany)),
        };
        let Some(transfer) = self.transfers.get(&id) else {
            return step.after(Out::Refuse { token, reason: Refusal::NotOffered });
        };
        let live = transfer.live.as_ref();
        // All of it is here: what is taken back now comes too late.
        let finishing = live.is_some_and(|live| matches!(live.phase, Phase::Finishing { .. }));
        if transfer.row.decided.is_open() && !finishing {
            self.end(id, decided, step);
        }
        step.noted(token);
    }

    /// The other side was told, or not.
    pub(super) fn told(
        &mut self,
        id: TransferId,
        word: Word,
        result: &Result<(), PullError>,
        step: &mut Step,
    ) {
        let failures = self.transfers.get(&id).map_or(0, |transfer| transfer.untold);
        let again = self.retry_at(step.now.mono, failures);
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        if transfer.row.owed != Some(word) {
            return;
        }
        // Who does not know the offer may hear of it later, by mailbox: it is told again until the offer runs out.
        if matches!(result, Ok(()) | Err(PullError::Unsupported)) {
            transfer.row.owed = None;
            (transfer.ask_at, transfer.untold) = (None, 0);
            step.write(id);
        } else {
            transfer.untold = failures.saturating_add(1);
            transfer.ask_at = Some(again);
        }
    }
}
