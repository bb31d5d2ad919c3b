//! A deposit: an envelope with the right to lie in a mailbox. Whoever is shown one can check it, whoever shows it.
//!
//! In: sealed bytes and a pass, or a solved puzzle. Out: bytes, and back, checked against the address inside. A deposit is stored and
//! handed on as the bytes it came in.
//!
//! Not here: sealing ([`super::keys`]), quotas (`quota`).

use super::{
    keys::{self, MailboxPass, PADDED, PassClaim},
    known_passes::KnownPasses,
    wire::Refusal,
};
use crate::{
    codec,
    crypto::sign::{self, Domain, SIGNATURE_BYTES},
    id::{EnvelopeId, MailboxAddress, NodeId},
    limits,
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};

/// Stands before what a puzzle is about, so that no other hash of this system solves one.
const PUZZLE_LABEL: &[u8] = b"pc2 mailbox puzzle v1\0";

/// Weeks before that of its mailbox in which a deposit is taken: clocks differ, and passes are given ahead.
const WEEKS_BEFORE: u32 = 1;

/// Weeks after that of its mailbox in which it is taken: its owner looks there for as long.
pub(super) const WEEKS_AFTER: u32 = 2;

/// Weeks after that of its mailbox in which its owner looks for it at the nodes that it pinned: thirty days after the last day of the week lie in the fifth.
pub(super) const PINNED_WEEKS_AFTER: u32 = 5;

/// An envelope with the right to lie in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deposit {
    /// In which mailbox.
    pub address: MailboxAddress,
    /// Which.
    pub id: EnvelopeId,
    /// The envelope: one of the sizes of [`PADDED`].
    pub sealed: ByteBuf,
    /// Why it may lie there.
    pub right: Right,
}

/// Why a deposit may lie in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Right {
    /// Its owner lets this depositor.
    Pass {
        /// The mailbox and the depositor.
        claim: PassClaim,
        /// Of the mailbox's owner, over `claim`.
        #[serde(with = "serde_bytes")]
        owner: [u8; SIGNATURE_BYTES],
        /// Of the depositor, over a [`DepositClaim`].
        #[serde(with = "serde_bytes")]
        depositor: [u8; SIGNATURE_BYTES],
    },
    /// It lies in a mailbox for strangers, and somebody took pains.
    Puzzle {
        /// Whose mailbox it is.
        node: NodeId,
        /// In which week the pains were taken.
        week: u32,
        /// The solution.
        nonce: u64,
    },
}

/// What a depositor signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DepositClaim {
    /// The mailbox.
    pub address: MailboxAddress,
    /// The envelope.
    pub id: EnvelopeId,
    /// SHA-256 of its sealed bytes.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 32],
}

impl DepositClaim {
    /// What a puzzle in this week is about.
    #[must_use]
    pub fn challenge(&self, week: u32) -> [u8; 32] {
        Sha256::new()
            .chain_update(PUZZLE_LABEL)
            .chain_update(self.address.as_bytes())
            .chain_update(self.id.as_bytes())
            .chain_update(self.digest)
            .chain_update(week.to_be_bytes())
            .finalize()
            .into()
    }
}

/// The SHA-256 by which sealed bytes are named.
#[must_use]
pub fn digest(sealed: &[u8]) -> [u8; 32] {
    Sha256::digest(sealed).into()
}

/// Whether a nonce solves a puzzle: SHA-256(challenge ‖ nonce) begins with `bits` zero bits.
#[must_use]
pub fn solves(challenge: &[u8; 32], nonce: u64, bits: u8) -> bool {
    let hash: [u8; 32] =
        Sha256::new().chain_update(challenge).chain_update(nonce.to_be_bytes()).finalize().into();
    let mut zeros = 0;
    for byte in hash {
        zeros += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    zeros >= u32::from(bits)
}

impl Deposit {
    /// One by a pass.
    #[must_use]
    pub fn by_pass(pass: &MailboxPass, id: EnvelopeId, sealed: Vec<u8>) -> Self {
        let claim = DepositClaim { address: pass.address(), id, digest: digest(&sealed) };
        let depositor = pass.depositor().sign(Domain::MailboxDeposit, &codec::encode(&claim));
        let right = Right::Pass { claim: pass.claim(), owner: pass.signature, depositor };
        Self { address: claim.address, id, sealed: sealed.into(), right }
    }

    /// One by a solved puzzle.
    #[must_use]
    pub fn by_puzzle(node: NodeId, id: EnvelopeId, sealed: Vec<u8>, week: u32, nonce: u64) -> Self {
        let address = keys::intro_address(node);
        Self { address, id, sealed: sealed.into(), right: Right::Puzzle { node, week, nonce } }
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// A deposit whose right was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// It.
    pub deposit: Deposit,
    /// SHA-256 of its sealed bytes.
    pub digest: [u8; 32],
}

impl Checked {
    /// Reads a deposit and checks its right against its address.
    ///
    /// # Errors
    /// Why it is refused; each of the reasons blames whoever brought it.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let checked = Self::trusted(bytes)?;
        checked.check(&mut KnownPasses::default())?;
        Ok(checked)
    }

    /// Checks the right against the address, for one that was only read. The same as in [`Checked::read`], and a pass that is known is not checked again.
    pub(super) fn check(&self, known: &mut KnownPasses) -> Result<(), Refusal> {
        let Deposit { address, id, sealed, right } = &self.deposit;
        if !PADDED.contains(&sealed.len()) {
            return Err(Refusal::Malformed);
        }
        let claim = DepositClaim { address: *address, id: *id, digest: self.digest };
        match right {
            Right::Pass { claim: pass, owner, depositor } => {
                if keys::address_of(&pass.mailbox) != *address {
                    return Err(Refusal::NoRight);
                }
                let by = NodeId::from_bytes(pass.depositor);
                sign::verify(by, Domain::MailboxDeposit, &codec::encode(&claim), depositor)
                    .map_err(|_| Refusal::BadSignature)?;
                if !known.is_signed(pass, owner) {
                    return Err(Refusal::BadSignature);
                }
            }
            Right::Puzzle { node, week, nonce } => {
                if sealed.len() > limits::MAX_INTRO_SEALED_BYTES {
                    return Err(Refusal::Malformed);
                }
                if keys::intro_address(*node) != *address
                    || !solves(&claim.challenge(*week), *nonce, limits::PUZZLE_BITS)
                {
                    return Err(Refusal::NoRight);
                }
            }
        }
        Ok(())
    }

    /// Reads a deposit that this node checked or made before.
    pub(super) fn trusted(bytes: &[u8]) -> Result<Self, Refusal> {
        let deposit: Deposit =
            codec::decode(bytes, limits::MAX_DEPOSIT_BYTES).map_err(|_| Refusal::Malformed)?;
        let digest = digest(&deposit.sealed);
        Ok(Self { deposit, digest })
    }

    /// By which pass. `None`: by a puzzle.
    #[must_use]
    pub const fn depositor(&self) -> Option<[u8; 32]> {
        match &self.deposit.right {
            Right::Pass { claim, .. } => Some(claim.depositor),
            Right::Puzzle { .. } => None,
        }
    }

    /// Of which week its right is.
    #[must_use]
    pub const fn week(&self) -> u32 {
        match &self.deposit.right {
            Right::Pass { claim, .. } => claim.week,
            Right::Puzzle { week, .. } => *week,
        }
    }

    /// Until when a holder that is shown it now keeps it. `longer`: its owner pinned the holder, which agreed.
    ///
    /// # Errors
    /// [`Refusal::Untimely`] when its week is over or has not come.
    pub fn kept_until(&self, now: UnixMillis, longer: bool) -> Result<UnixMillis, Refusal> {
        let week = self.week();
        let begins = keys::week_begins(week.saturating_sub(WEEKS_BEFORE));
        let ends = ends(week);
        if now < begins || now >= ends {
            return Err(Refusal::Untimely);
        }
        Ok(if longer {
            let ends = keys::week_begins(week.saturating_add(PINNED_WEEKS_AFTER + 1));
            now.after(limits::PINNED_LIFETIME).min(ends)
        } else {
            now.after(limits::MAILBOX_LIFETIME).min(ends)
        })
    }
}

/// When holders take nothing for the mailbox of a week any more, and nobody but pinned ones has anything of it.
pub(super) fn ends(week: u32) -> UnixMillis {
    keys::week_begins(week.saturating_add(WEEKS_AFTER + 1))
}

#[cfg(test)]
mod tests;
