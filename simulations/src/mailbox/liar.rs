//! A hostile holder: it speaks the protocol and lies in it.
//!
//! In: a request. Out: a lie, or silence. It gives receipts for what it does not keep, and forged ones; says a mailbox is empty, shows old and changed
//! deposits; says an owner has taken what it has not; wants everything and keeps nothing; answers with garbage.

use pc2_protocols::{
    codec,
    crypto::sign::Signer,
    id::{EnvelopeId, MailboxAddress},
    mailbox::{
        deposit::{Deposit, digest},
        wire::{AckClaim, Acks, Answer, FetchAsk, Owner, ReceiptClaim, Refusal, Request},
    },
    time::UnixMillis,
};
use std::collections::BTreeMap;

/// Deposits a liar remembers, to show them again.
const MAX_SEEN: usize = 256;

/// A hostile holder.
#[derive(Debug)]
pub(super) struct Liar {
    signer: Signer,
    seen: BTreeMap<MailboxAddress, Vec<Vec<u8>>>,
}

impl Liar {
    pub(super) const fn new(signer: Signer) -> Self {
        Self { signer, seen: BTreeMap::new() }
    }

    /// One lie; `mood` decides which. `None`: silence.
    pub(super) fn answer(&mut self, mood: u64, now: UnixMillis, request: &[u8]) -> Option<Vec<u8>> {
        let answer = match Request::decode(request).ok()? {
            Request::Deposit { deposit } => self.deposited(mood, now, &deposit)?,
            Request::Fetch { ask, .. } => self.fetched(mood, &ask)?,
            Request::Ack { .. } => Answer::Acked,
            Request::Offer { address, ids, .. } => match mood % 4 {
                0 => Answer::Want { ids: ids.into_iter().take(256).collect(), acks: None },
                1 => Answer::Want { ids: vec![], acks: Some(self.false_acks(address, &ids)) },
                2 => Answer::Want { ids: vec![], acks: None },
                _ => return None,
            },
            Request::News { .. } => Answer::Heard,
            Request::Pin { .. } => match mood % 4 {
                0 => Answer::Pinned,
                1 => Answer::Refused { reason: Refusal::NotServed },
                2 => Answer::Heard,
                _ => return None,
            },
        };
        Some(answer.encode())
    }

    fn deposited(&mut self, mood: u64, now: UnixMillis, bytes: &[u8]) -> Option<Answer> {
        let deposit: Deposit = read(bytes)?;
        let (address, id, digest) = (deposit.address, deposit.id, digest(&deposit.sealed));
        let seen = self.seen.entry(address).or_default();
        if seen.len() < MAX_SEEN {
            seen.push(bytes.to_vec());
        }
        let until = UnixMillis(now.0 + 14 * 24 * 3_600_000);
        let claim = ReceiptClaim { address, id, digest, until };
        Some(match mood % 6 {
            0 | 1 => claim.sign(&self.signer),
            2 => ReceiptClaim { digest: [0; 32], ..claim }.sign(&self.signer),
            3 => Answer::Taken { acks: self.false_acks(address, &[id]) },
            4 => Answer::Refused { reason: Refusal::Full },
            _ => return None,
        })
    }

    fn fetched(&self, mood: u64, ask: &[u8]) -> Option<Answer> {
        let ask: FetchAsk = codec::decode(ask, 1 << 20).ok()?;
        let seen = self.seen.get(&ask.owner.address()).cloned().unwrap_or_default();
        let page = |deposits: Vec<Vec<u8>>, next| Answer::Page {
            deposits: deposits.into_iter().map(Into::into).collect(),
            next,
        };
        Some(match mood % 6 {
            0 | 1 => page(vec![], None),
            2 => page(seen, None),
            3 => {
                let changed = seen.into_iter().map(|mut bytes| {
                    if let Some(byte) = bytes.get_mut(400) {
                        *byte ^= 1;
                    }
                    bytes
                });
                page(changed.collect(), None)
            }
            4 => page(vec![], Some(ask.after.unwrap_or(EnvelopeId::from_bytes([0; 16])))),
            _ => return None,
        })
    }

    /// The word of an owner who never gave it.
    fn false_acks(&self, address: MailboxAddress, ids: &[EnvelopeId]) -> Acks {
        let owner = Owner::Week { mailbox: *self.signer.node().as_bytes() };
        let seen = self.seen.get(&address).into_iter().flatten();
        let digests: BTreeMap<_, _> = seen
            .filter_map(|bytes| read(bytes))
            .map(|deposit: Deposit| (deposit.id, digest(&deposit.sealed)))
            .collect();
        let taken = ids.iter().take(256).map(|id| {
            let digest = digests.get(id).copied().unwrap_or([0; 32]);
            AckClaim { address, id: *id, digest }.sign(&self.signer)
        });
        Acks { owner, taken: taken.collect() }
    }
}

fn read(bytes: &[u8]) -> Option<Deposit> {
    codec::decode(bytes, 64 * 1024).ok()
}
