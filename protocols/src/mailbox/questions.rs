//! What was asked, and whose the answer is.
//!
//! In: questions of all parts to network, disk and other machines; answers. Out: each answer at the part that asked. One that never comes counts as none, and
//! one that nobody waits for is passed over.
//!
//! Lost on restart: all. Not here: what the parts make of it.

use super::{
    EnvelopeKey, Out,
    machine::Mailbox,
    parcels::ParcelKey,
    wire::{Answer, Request},
};
use crate::{
    id::{EnvelopeId, MailboxAddress, NodeId},
    machine::OpId,
    net::{NetCommand, NetError, Protocol, RequestToken},
    time::{Mono, Now},
};
use std::{collections::BTreeMap, time::Duration};

/// A question that was not answered in this time never will be. Longer than any timeout of the driver.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);

/// A question on its way, and what its answer is for.
#[derive(Debug, Clone)]
pub(super) enum Pending {
    /// The nodes closest to a mailbox.
    Walk { address: MailboxAddress },
    /// A page is being read for an owner.
    Page { token: RequestToken, peer: NodeId, next: Option<EnvelopeId> },
    /// A parcel is being read.
    Parcel { key: ParcelKey },
    /// A puzzle is being solved.
    Puzzle { key: ParcelKey },
    /// A holder's verdict on a parcel.
    Deposited { key: ParcelKey, holder: NodeId, digest: [u8; 32] },
    /// A holder's page of a mailbox of ours.
    Fetched { address: MailboxAddress, holder: NodeId },
    /// A holder is told what we have.
    Acked { holder: NodeId },
    /// What another holder lacks.
    Offered { address: MailboxAddress, holder: NodeId },
    /// A held envelope is being read for another holder.
    Carry { holder: NodeId },
    /// Another holder's verdict on an envelope brought to it.
    Carried { holder: NodeId, key: EnvelopeKey, digest: [u8; 32] },
    /// An owner is told that something came.
    News { address: MailboxAddress, owner: NodeId },
    /// A pinned node is told which mailboxes are ours.
    Pinned { holder: NodeId },
    /// One that was pinned is told that it is so no longer.
    Unpinned { holder: NodeId },
    /// Where a pinned node is.
    Located { node: NodeId },
}

/// All that was asked and not answered yet, and since when.
pub(super) type Questions = BTreeMap<OpId, (Pending, Mono)>;

impl Mailbox {
    /// An id for a question, remembered with what its answer is for.
    pub(super) fn ask(&mut self, now: Mono, what: Pending) -> OpId {
        let op = self.ids.next_id();
        self.pending.insert(op, (what, now));
        op
    }

    /// Asks a peer.
    pub(super) fn request(
        &mut self,
        now: Mono,
        to: NodeId,
        request: &Request,
        what: Pending,
        out: &mut Vec<Out>,
    ) {
        let op = self.ask(now, what);
        let payload = request.encode();
        out.push(Out::Net(NetCommand::Request { op, to, protocol: Protocol::Mailbox, payload }));
    }

    /// What an answer is for. `None`: nobody waits for it any more.
    pub(super) fn answered(&mut self, op: OpId) -> Option<Pending> {
        self.pending.remove(&op).map(|(what, _)| what)
    }

    pub(super) fn response(
        &mut self,
        now: Now,
        what: Pending,
        result: Result<Vec<u8>, NetError>,
        out: &mut Vec<Out>,
    ) {
        let answer = result.map(|bytes| Answer::decode(&bytes));
        let peer = match &what {
            Pending::Deposited { holder, .. }
            | Pending::Fetched { holder, .. }
            | Pending::Acked { holder }
            | Pending::Offered { holder, .. }
            | Pending::Carried { holder, .. }
            | Pending::Pinned { holder }
            | Pending::Unpinned { holder } => *holder,
            Pending::News { owner, .. } => *owner,
            Pending::Walk { .. }
            | Pending::Page { .. }
            | Pending::Parcel { .. }
            | Pending::Puzzle { .. }
            | Pending::Carry { .. }
            | Pending::Located { .. } => return,
        };
        let answer = match answer {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(_)) => {
                self.blame(peer, "answered with a frame that is none", out);
                None
            }
            Err(_) => None,
        };
        match what {
            Pending::Deposited { key, holder, digest } => {
                self.deposit_answer(now, key, (holder, digest), answer, out);
            }
            Pending::Fetched { address, holder } => self.page(now, address, holder, answer, out),
            Pending::Acked { holder } => match answer {
                Some(Answer::Acked | Answer::Refused { .. }) | None => {}
                Some(_) => self.blame(holder, "answered an acknowledgement with something else", out),
            },
            Pending::Offered { address, holder } => self.wanted(now, address, holder, answer, out),
            Pending::Carried { holder, key, digest } => self.carried(now, holder, (key, digest), answer, out),
            Pending::News { address, owner } => match answer {
                Some(Answer::Heard) => {}
                Some(_) | None => self.subscriptions.end(address, owner),
            },
            Pending::Pinned { holder } => self.pin_answered(now, holder, answer, out),
            // Whoever was unpinned owes us nothing, not even an answer.
            Pending::Unpinned { .. }
            | Pending::Walk { .. }
            | Pending::Page { .. }
            | Pending::Parcel { .. }
            | Pending::Puzzle { .. }
            | Pending::Carry { .. }
            | Pending::Located { .. } => {}
        }
    }

    pub(super) fn loaded(&mut self, now: Now, what: Pending, deposits: Vec<Vec<u8>>, out: &mut Vec<Out>) {
        match what {
            Pending::Page { token, peer, next } => self.page_read(token, peer, next, deposits, out),
            Pending::Parcel { key } => self.parcel_read(now, key, deposits.into_iter().next(), out),
            Pending::Carry { holder } => self.carry_read(now, holder, deposits, out),
            Pending::Walk { .. }
            | Pending::Puzzle { .. }
            | Pending::Deposited { .. }
            | Pending::Fetched { .. }
            | Pending::Acked { .. }
            | Pending::Offered { .. }
            | Pending::Carried { .. }
            | Pending::News { .. }
            | Pending::Pinned { .. }
            | Pending::Unpinned { .. }
            | Pending::Located { .. } => {}
        }
    }

    /// What was not answered for long never will be: whoever asked goes on without.
    pub(super) fn forget_lost(&mut self, now: Now, out: &mut Vec<Out>) {
        let lost: Vec<OpId> = self
            .pending
            .iter()
            .filter(|(_, (_, since))| now.mono.since(*since) > FORGOTTEN_AFTER)
            .map(|(op, _)| *op)
            .collect();
        for op in lost {
            match self.answered(op) {
                Some(Pending::Walk { address }) => self.walked(now, address, &[], out),
                Some(Pending::Puzzle { key }) => self.solved(now, key, None, out),
                Some(what @ (Pending::Page { .. } | Pending::Parcel { .. } | Pending::Carry { .. })) => {
                    self.loaded(now, what, Vec::new(), out);
                }
                Some(what) => self.response(now, what, Err(NetError::TimedOut), out),
                None => {}
            }
        }
    }
}
