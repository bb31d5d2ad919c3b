//! The statement by which an owner has a node keep its mailboxes longer: "these are mine, keep what lies in them for thirty days".
//!
//! In: the account's key, and those of its mailboxes. Out: a request, and back, checked. The account signs it, so that the holder knows whom it serves; each
//! mailbox signs it, so that nobody can have somebody else's kept. It is for one holder and for this moment, and each one replaces the one before; one that names
//! nothing takes everything back.
//!
//! Not here: whom a node serves ([`super::served`]), which nodes an owner pinned ([`super::pins`]). Spec with golden bytes: `docs/protocol/mailbox.md`.

use super::{
    keys::{self, week_of},
    wire::{Refusal, Request},
};
use crate::{
    codec,
    crypto::sign::{self, Domain, SIGNATURE_BYTES, Signer},
    id::{MailboxAddress, NodeId},
    limits,
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Weeks before the current one of which an owner names the mailbox: envelopes are still brought there.
const WEEKS_BACK: u32 = 2;

/// Weeks ahead of the current one: passes are out for three, and one that is given tomorrow may be for a fourth.
const WEEKS_AHEAD: u32 = 4;

/// How many weeks a clock may differ in what a holder believes.
const WEEKS_OFF: u32 = 1;

/// Longest statement, in bytes: with the most mailboxes it has about 500.
const MAX_BYTES: usize = 1_024;

/// A mailbox of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PinnedMailbox {
    /// Of which week.
    pub week: u32,
    /// The key that owns it.
    #[serde(with = "serde_bytes")]
    pub mailbox: [u8; 32],
}

impl PinnedMailbox {
    /// Where it is.
    #[must_use]
    pub fn address(&self) -> MailboxAddress {
        keys::address_of(&self.mailbox)
    }
}

/// What an account tells a node that it pinned, and signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinAsk {
    /// Whose mailboxes.
    pub account: NodeId,
    /// Who is asked: no other node can be shown it.
    pub holder: NodeId,
    /// All of them, at most [`limits::MAX_PINNED_MAILBOXES`]; what was named before and is not now is taken back.
    pub mailboxes: Vec<PinnedMailbox>,
    /// By the account's clock.
    pub time: UnixMillis,
}

/// The weeks of which an owner names the mailboxes.
pub(super) fn weeks_named(now: UnixMillis) -> impl Iterator<Item = u32> {
    let week = week_of(now);
    week.saturating_sub(WEEKS_BACK)..=week.saturating_add(WEEKS_AHEAD)
}

impl PinAsk {
    /// The frame, signed by the account and by the owner of each mailbox: `owners` are the keys of `mailboxes`, in their order.
    #[must_use]
    pub fn sign(&self, account: &Signer, owners: &[Signer]) -> Request {
        let ask = codec::encode(self);
        let signature = account.sign(Domain::MailboxPin, &ask);
        let word = |owner: &Signer| ByteBuf::from(owner.sign(Domain::MailboxPin, &ask));
        let owners = owners.iter().map(word).collect();
        Request::Pin { ask: ask.into(), signature, owners }
    }

    /// Reads and checks one that was sent to `holder`.
    ///
    /// # Errors
    /// Why it is refused: [`Refusal::Malformed`] (not a statement, for somebody else, too many mailboxes or not as many signatures),
    /// [`Refusal::BadSignature`], [`Refusal::Untimely`] (the asker's clock is off, or a mailbox is of a week far from now).
    pub fn check(
        ask: &[u8],
        signature: &[u8; SIGNATURE_BYTES],
        owners: &[ByteBuf],
        holder: NodeId,
        now: UnixMillis,
    ) -> Result<Self, Refusal> {
        let decoded: Self = codec::decode(ask, MAX_BYTES).map_err(|_| Refusal::Malformed)?;
        let Self { account, mailboxes, time, .. } = &decoded;
        if mailboxes.len() > limits::MAX_PINNED_MAILBOXES
            || owners.len() != mailboxes.len()
            || decoded.holder != holder
            || *account == holder
        {
            return Err(Refusal::Malformed);
        }
        let signed = |by: NodeId, signature: &[u8; SIGNATURE_BYTES]| {
            sign::verify(by, Domain::MailboxPin, ask, signature).map_err(|_| Refusal::BadSignature)
        };
        signed(*account, signature)?;
        for (mailbox, signature) in mailboxes.iter().zip(owners) {
            let signature = signature.as_slice().try_into().map_err(|_| Refusal::Malformed)?;
            signed(NodeId::from_bytes(mailbox.mailbox), signature)?;
        }
        let apart = now.since(*time).max(time.since(now));
        let week = week_of(now);
        let near = week.saturating_sub(WEEKS_BACK + WEEKS_OFF)..=week.saturating_add(WEEKS_AHEAD + WEEKS_OFF);
        let timely = mailboxes.iter().all(|mailbox| near.contains(&mailbox.week));
        if apart > limits::CLOCK_TOLERANCE || !timely { Err(Refusal::Untimely) } else { Ok(decoded) }
    }
}

#[cfg(test)]
mod tests;
