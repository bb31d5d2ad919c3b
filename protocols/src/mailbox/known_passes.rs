//! Passes whose signature was found good before: a contact deposits many envelopes by one pass, and a signature costs more than everything else about a deposit.
//!
//! Only good ones come in, the oldest make room. Lost on restart. Not here: checking ([`super::deposit`]).

use super::keys::PassClaim;
use crate::{codec, crypto::sign::SIGNATURE_BYTES};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, VecDeque};

/// Some 100 KiB of memory. A holder of a thousand mailboxes sees as many passes in a day.
const MAX_KNOWN: usize = 1_024;

/// Those of one holder.
#[derive(Debug, Default)]
pub(super) struct KnownPasses {
    known: BTreeSet<[u8; 32]>,
    by_age: VecDeque<[u8; 32]>,
}

impl KnownPasses {
    /// Whether the owner of the mailbox signed this claim.
    pub(super) fn is_signed(&mut self, claim: &PassClaim, signature: &[u8; SIGNATURE_BYTES]) -> bool {
        // The signature belongs to the name: another one of the same claim is checked by itself.
        let name = Sha256::new().chain_update(codec::encode(claim)).chain_update(signature).finalize().into();
        if self.known.contains(&name) {
            return true;
        }
        let good = claim.is_signed(signature);
        if good && self.known.insert(name) {
            self.by_age.push_back(name);
            if self.by_age.len() > MAX_KNOWN
                && let Some(oldest) = self.by_age.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        good
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::NodeId, mailbox::keys::MailboxKeys};
    use zeroize::Zeroizing;

    #[test]
    fn a_good_pass_is_known_and_a_forged_one_never() {
        let keys = MailboxKeys::new(NodeId::from_bytes([1; 32]), Zeroizing::new([2; 32]));
        let pass = keys.pass(7, NodeId::from_bytes([3; 32]));
        let mut known = KnownPasses::default();
        assert!(known.is_signed(&pass.claim(), &pass.signature));
        assert!(known.is_signed(&pass.claim(), &pass.signature), "again");
        let mut forged = pass.signature;
        forged[0] ^= 1;
        assert!(!known.is_signed(&pass.claim(), &forged), "though the claim is known");
        let other = PassClaim { week: 8, ..pass.claim() };
        assert!(!known.is_signed(&other, &pass.signature), "though the signature is");
        assert_eq!(known.known.len(), 1);
    }

    #[test]
    fn the_oldest_makes_room() {
        let keys = MailboxKeys::new(NodeId::from_bytes([1; 32]), Zeroizing::new([2; 32]));
        let mut known = KnownPasses::default();
        for week in 0..=u32::try_from(MAX_KNOWN).expect("small") {
            let pass = keys.pass(week, NodeId::from_bytes([3; 32]));
            assert!(known.is_signed(&pass.claim(), &pass.signature));
        }
        assert_eq!((known.known.len(), known.by_age.len()), (MAX_KNOWN, MAX_KNOWN));
    }
}
