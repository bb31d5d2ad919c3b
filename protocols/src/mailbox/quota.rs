//! Who takes up how much of what is held here.
//!
//! In: every envelope that comes and goes. Out: whether one more may come, and which quota speaks against it. The owner of a mailbox
//! cannot be asked whom to prefer, so mailboxes and passes are limited; keys cost nothing, so peers and the parts of the network they come from are, too.
//!
//! Not here: what is held ([`super::holder`]).

use super::{EnvelopeKey, wire::Refusal};
use crate::{
    id::{MailboxAddress, NodeId},
    limits,
    net::Prefix,
};
use std::collections::BTreeMap;

/// What a row and its index entry take beside the deposit: so that many tiny envelopes are not free.
const OVERHEAD_BYTES: u64 = 256;

/// One peer may bring a fourth of the share, one part of the network half of it.
const SOURCE_PART: u64 = 4;
const PREFIX_PART: u64 = 2;

/// What one held envelope counts for, and against whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footprint {
    pub(super) depositor: Option<[u8; 32]>,
    pub(super) source: NodeId,
    pub(super) prefix: Prefix,
    bytes: u64,
}

impl Footprint {
    pub(super) fn new(
        depositor: Option<[u8; 32]>,
        source: NodeId,
        prefix: Prefix,
        deposit_bytes: usize,
    ) -> Self {
        let bytes = u64::try_from(deposit_bytes).unwrap_or(u64::MAX).saturating_add(OVERHEAD_BYTES);
        Self { depositor, source, prefix, bytes }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Share {
    envelopes: u32,
    bytes: u64,
}

/// The shares of all mailboxes, passes, sources and prefixes, and of all together.
#[derive(Debug, Default)]
pub(super) struct Quota {
    mailboxes: BTreeMap<MailboxAddress, Share>,
    passes: BTreeMap<(MailboxAddress, [u8; 32]), Share>,
    sources: BTreeMap<NodeId, Share>,
    prefixes: BTreeMap<Prefix, Share>,
    total: u64,
}

impl Quota {
    /// Whether one more may come in, where `share` bytes are lent to all of them.
    pub(super) fn admits(&self, key: EnvelopeKey, new: &Footprint, share: u64) -> Result<(), Refusal> {
        let after = |share: Option<&Share>| {
            let share = share.copied().unwrap_or_default();
            (share.envelopes.saturating_add(1), share.bytes.saturating_add(new.bytes))
        };
        if self.total.saturating_add(new.bytes) > share {
            return Err(Refusal::Full);
        }
        let (envelopes, bytes) = after(self.mailboxes.get(&key.address));
        let most = match new.depositor {
            Some(_) => limits::MAX_MAILBOX_ENVELOPES,
            None => limits::MAX_INTRO_ENVELOPES,
        };
        if envelopes > most || bytes > limits::MAX_MAILBOX_BYTES {
            return Err(Refusal::MailboxQuota);
        }
        if let Some(depositor) = new.depositor {
            let (envelopes, bytes) = after(self.passes.get(&(key.address, depositor)));
            if envelopes > limits::MAX_PASS_ENVELOPES || bytes > limits::MAX_PASS_BYTES {
                return Err(Refusal::PassQuota);
            }
        }
        // Our own machines are as many parts of the network as one wants.
        if new.prefix != Prefix::Local {
            let (_, bytes) = after(self.sources.get(&new.source));
            if bytes > share / SOURCE_PART {
                return Err(Refusal::SourceQuota);
            }
            let (_, bytes) = after(self.prefixes.get(&new.prefix));
            if bytes > share / PREFIX_PART {
                return Err(Refusal::PrefixQuota);
            }
        }
        Ok(())
    }

    pub(super) fn add(&mut self, key: EnvelopeKey, footprint: &Footprint) {
        let grow = |share: &mut Share| {
            share.envelopes = share.envelopes.saturating_add(1);
            share.bytes = share.bytes.saturating_add(footprint.bytes);
        };
        grow(self.mailboxes.entry(key.address).or_default());
        if let Some(depositor) = footprint.depositor {
            grow(self.passes.entry((key.address, depositor)).or_default());
        }
        grow(self.sources.entry(footprint.source).or_default());
        grow(self.prefixes.entry(footprint.prefix).or_default());
        self.total = self.total.saturating_add(footprint.bytes);
    }

    pub(super) fn remove(&mut self, key: EnvelopeKey, footprint: &Footprint) {
        shrink(&mut self.mailboxes, key.address, footprint.bytes);
        if let Some(depositor) = footprint.depositor {
            shrink(&mut self.passes, (key.address, depositor), footprint.bytes);
        }
        shrink(&mut self.sources, footprint.source, footprint.bytes);
        shrink(&mut self.prefixes, footprint.prefix, footprint.bytes);
        self.total = self.total.saturating_sub(footprint.bytes);
    }

    /// How many envelopes of a mailbox there are, and what they count for, in bytes.
    pub(super) fn of_mailbox(&self, address: &MailboxAddress) -> (u64, u64) {
        let share = self.mailboxes.get(address).copied().unwrap_or_default();
        (u64::from(share.envelopes), share.bytes)
    }

    /// How many mailboxes there is anything of.
    pub(super) fn mailboxes(&self) -> usize {
        self.mailboxes.len()
    }

    /// What all held envelopes together count for, in bytes.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }
}

fn shrink<K: Ord>(shares: &mut BTreeMap<K, Share>, of: K, bytes: u64) {
    if let Some(share) = shares.get_mut(&of) {
        share.envelopes = share.envelopes.saturating_sub(1);
        share.bytes = share.bytes.saturating_sub(bytes);
        if share.envelopes == 0 {
            shares.remove(&of);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::EnvelopeId;

    const MIB: usize = 1024 * 1024;
    const SHARE: u64 = 256 * 1024 * 1024;
    const KEY: EnvelopeKey =
        EnvelopeKey { address: MailboxAddress::from_bytes([1; 32]), id: EnvelopeId::from_bytes([1; 16]) };
    const ELSEWHERE: EnvelopeKey = EnvelopeKey { address: MailboxAddress::from_bytes([2; 32]), ..KEY };

    fn footprint(depositor: Option<u8>, source: u8, prefix: Prefix, bytes: usize) -> Footprint {
        Footprint::new(depositor.map(|n| [n; 32]), NodeId::from_bytes([source; 32]), prefix, bytes)
    }

    fn filled(times: u32, one: impl Fn(u32) -> Footprint) -> Quota {
        let mut quota = Quota::default();
        for n in 0..times {
            let one = one(n);
            assert_eq!(quota.admits(KEY, &one, SHARE), Ok(()), "number {n}");
            quota.add(KEY, &one);
        }
        quota
    }

    #[test]
    fn a_mailbox_has_a_number_of_envelopes_and_of_bytes() {
        let many = |n: u32| footprint(Some(n.to_be_bytes()[3] % 8), 1, Prefix::Local, 1_024);
        let quota = filled(limits::MAX_MAILBOX_ENVELOPES, many);
        assert_eq!(quota.admits(KEY, &many(9), SHARE), Err(Refusal::MailboxQuota));
        assert_eq!(quota.admits(ELSEWHERE, &many(9), SHARE), Ok(()));
        let large = |n: u32| footprint(Some(n.to_be_bytes()[3]), 1, Prefix::Local, MIB);
        let quota = filled(15, large);
        assert_eq!(quota.admits(KEY, &large(99), SHARE), Err(Refusal::MailboxQuota));
    }

    #[test]
    fn a_contact_cannot_fill_a_mailbox() {
        let one = footprint(Some(1), 1, Prefix::Local, 1_024);
        let quota = filled(limits::MAX_PASS_ENVELOPES, |_| one);
        assert_eq!(quota.admits(KEY, &one, SHARE), Err(Refusal::PassQuota));
        assert_eq!(quota.admits(KEY, &footprint(Some(2), 1, Prefix::Local, 1_024), SHARE), Ok(()));
        let quota = filled(3, |_| footprint(Some(1), 1, Prefix::Local, MIB));
        assert_eq!(
            quota.admits(KEY, &footprint(Some(1), 1, Prefix::Local, MIB), SHARE),
            Err(Refusal::PassQuota)
        );
    }

    #[test]
    fn a_mailbox_for_strangers_is_small() {
        let one = footprint(None, 1, Prefix::Local, 1_024);
        let quota = filled(limits::MAX_INTRO_ENVELOPES, |_| one);
        assert_eq!(quota.admits(KEY, &one, SHARE), Err(Refusal::MailboxQuota));
    }

    #[test]
    fn one_peer_and_one_part_of_the_network_have_a_part_of_the_share() {
        let share = 8 * 1_024 * 1_024;
        let v4 = Prefix::V4([1, 2, 3]);
        let mut quota = Quota::default();
        quota.add(KEY, &footprint(Some(1), 1, v4, 2 * MIB - 256));
        assert_eq!(quota.admits(ELSEWHERE, &footprint(Some(1), 1, v4, 1), share), Err(Refusal::SourceQuota));
        quota.add(ELSEWHERE, &footprint(Some(1), 2, v4, 2 * MIB - 256));
        assert_eq!(quota.admits(ELSEWHERE, &footprint(Some(1), 3, v4, 1), share), Err(Refusal::PrefixQuota));
        assert_eq!(quota.admits(ELSEWHERE, &footprint(Some(1), 3, Prefix::V4([9; 3]), 1), share), Ok(()));
        assert_eq!(quota.admits(ELSEWHERE, &footprint(Some(1), 1, Prefix::Local, 1), share), Ok(()));
    }

    #[test]
    fn the_share_is_never_exceeded_and_what_goes_leaves_nothing_behind() {
        let one = footprint(Some(1), 1, Prefix::Local, 1_000);
        let mut quota = Quota::default();
        assert_eq!(quota.admits(KEY, &one, 1_255), Err(Refusal::Full));
        assert_eq!(quota.admits(KEY, &one, 1_256), Ok(()));
        quota.add(KEY, &one);
        assert_eq!(quota.total(), 1_256);
        quota.remove(KEY, &one);
        assert_eq!(quota.total(), 0);
        assert!(quota.mailboxes.is_empty() && quota.passes.is_empty());
        assert!(quota.sources.is_empty() && quota.prefixes.is_empty());
    }
}
