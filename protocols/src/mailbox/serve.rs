//! Requests of peers: keeping for them, showing owners what is there, letting go.
//!
//! In: frames from authenticated peers, envelopes read back from disk. Out: answers, each after the disk has what it says. Only the owner of a
//! mailbox is shown what is in it, by a signature that its address checks. A frame that is garbage or forged counts against the peer.
//!
//! Not here: what is kept ([`super::holder`]), comparing with other holders ([`super::reconcile`]).

use super::{
    EnvelopeKey, Load, Out,
    deposit::Checked,
    holder::Source,
    machine::Mailbox,
    questions::Pending,
    rows::Change,
    wire::{Acks, Answer, FetchAsk, ReceiptClaim, Refusal, Request},
};
use crate::{
    id::{EnvelopeId, MailboxAddress, NodeId},
    limits,
    net::{NetCommand, RequestToken},
    time::{Mono, Now},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How long an owner is told of news after it asked: twice the time between two looks, and some.
const SUBSCRIBED_FOR: Duration = Duration::from_secs(1_500);

/// Most mailboxes with subscribers: some 200 bytes each.
const MAX_SUBSCRIBED: usize = 4_096;

/// Most nodes that are told of one mailbox: an identity on two machines, while it moves.
const MAX_SUBSCRIBERS: usize = 2;

/// Owners who are to be told when something new comes.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(BTreeMap<MailboxAddress, BTreeMap<NodeId, Mono>>);

impl Subscriptions {
    fn begin(&mut self, address: MailboxAddress, owner: NodeId, now: Mono) {
        if self.0.len() >= MAX_SUBSCRIBED && !self.0.contains_key(&address) {
            // The owner looks every ten minutes all the same.
            return;
        }
        let subscribers = self.0.entry(address).or_default();
        subscribers.insert(owner, now.after(SUBSCRIBED_FOR));
        while subscribers.len() > MAX_SUBSCRIBERS {
            let oldest = subscribers.iter().min_by_key(|(_, until)| **until).map(|(node, _)| *node);
            oldest.map(|oldest| subscribers.remove(&oldest));
        }
    }

    /// An owner cannot be told.
    pub(super) fn end(&mut self, address: MailboxAddress, owner: NodeId) {
        if let Some(subscribers) = self.0.get_mut(&address) {
            subscribers.remove(&owner);
            if subscribers.is_empty() {
                self.0.remove(&address);
            }
        }
    }

    pub(super) fn expire(&mut self, now: Mono) {
        self.0.retain(|_, subscribers| {
            subscribers.retain(|_, until| *until > now);
            !subscribers.is_empty()
        });
    }

    fn of(&self, address: &MailboxAddress, now: Mono) -> Vec<NodeId> {
        let subscribers = self.0.get(address).into_iter().flatten();
        subscribers.filter(|(_, until)| **until > now).map(|(node, _)| *node).collect()
    }

    /// How many mailboxes have subscribers.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Mailbox {
    /// A peer asks.
    pub(super) fn serve(
        &mut self,
        now: Now,
        from: Source,
        token: RequestToken,
        payload: &[u8],
        out: &mut Vec<Out>,
    ) {
        let refusal = match Request::decode(payload) {
            Ok(Request::Deposit { deposit }) => self.keep(now, from, token, deposit.into_vec(), out),
            Ok(Request::Fetch { ask, signature }) => {
                FetchAsk::check(&ask, &signature, self.signer.node(), now.unix)
                    .and_then(|ask| self.show(now, from.node, token, &ask, out))
            }
            Ok(Request::Ack { acks }) => {
                let address = acks.owner.address();
                self.apply_acks(now, address, &acks).map(|changes| {
                    let then = vec![respond(token, &Answer::Acked)];
                    out.push(Out::Persist { changes, then });
                })
            }
            Ok(Request::Offer { address, ids, acks }) => {
                self.offered(now, token, address, &ids, acks.as_ref(), out)
            }
            Ok(Request::Pin { ask, signature, owners }) => {
                self.pin_asked(now, token, (&ask, &signature, &owners), out)
            }
            Ok(Request::News { address }) => {
                self.news(now, address, from.node, out);
                out.push(respond(token, &Answer::Heard));
                Ok(())
            }
            Err(_) => {
                self.blame(from.node, "sent a frame that is no request", out);
                out.push(Out::Net(NetCommand::Drop { token }));
                Ok(())
            }
        };
        if let Err(reason) = refusal {
            self.counters.refused = self.counters.refused.saturating_add(1);
            if reason.blames_peer() {
                self.blame(from.node, "sent what is malformed, forged or not theirs", out);
            }
            out.push(respond(token, &Answer::Refused { reason }));
        }
    }

    fn keep(
        &mut self,
        now: Now,
        from: Source,
        token: RequestToken,
        bytes: Vec<u8>,
        out: &mut Vec<Out>,
    ) -> Result<(), Refusal> {
        if !self.level.keeps() {
            return Err(Refusal::NotAHolder);
        }
        let checked = Checked::trusted(&bytes)?;
        let (address, id, digest) = (checked.deposit.address, checked.deposit.id, checked.digest);
        let key = EnvelopeKey { address, id };
        // An owner that holds its own mailbox would be one holder less for everybody else.
        if self.own.is_ours(&address) {
            return Err(Refusal::NotAHolder);
        }
        if let Some(acks) = self.tombstones.get(&key, &digest) {
            out.push(respond(token, &Answer::Taken { acks }));
            return Ok(());
        }
        checked.check(&mut self.passes)?;
        let until = checked.kept_until(now.unix, self.keeps_longer(&key, bytes.len()))?;
        let kept = self.holder.put(until, (&checked, bytes), from, self.share())?;
        let receipt = ReceiptClaim { address, id, digest, until: kept.until };
        let mut then = vec![respond(token, &receipt.sign(&self.signer))];
        if kept.new {
            self.counters.kept = self.counters.kept.saturating_add(1);
            self.reconcile.holds(address, now.mono, &mut self.rng);
            for owner in self.subscriptions.of(&address, now.mono) {
                let what = Pending::News { address, owner };
                self.request(now.mono, owner, &Request::News { address }, what, &mut then);
            }
        }
        // Also without changes: an earlier copy may still be on its way to the disk.
        out.push(Out::Persist { changes: kept.changes, then });
        Ok(())
    }

    fn show(
        &mut self,
        now: Now,
        peer: NodeId,
        token: RequestToken,
        ask: &FetchAsk,
        out: &mut Vec<Out>,
    ) -> Result<(), Refusal> {
        let address = ask.owner.address();
        if ask.subscribe && self.level.keeps() {
            self.subscriptions.begin(address, peer, now.mono);
        }
        let known: BTreeSet<EnvelopeId> = ask.known.iter().copied().collect();
        let most = usize::try_from(ask.max_bytes).unwrap_or(usize::MAX).min(limits::MAX_MAILBOX_PAGE_BYTES);
        let mut keys = Vec::new();
        let mut next = None;
        let mut bytes = 0usize;
        let held = self.holder.of_mailbox(address, ask.after, now.unix);
        for (key, size) in held.filter(|(key, _)| !known.contains(&key.id)) {
            bytes = bytes.saturating_add(size);
            if bytes > most && !keys.is_empty() {
                next = keys.last().map(|key: &EnvelopeKey| key.id);
                break;
            }
            keys.push(key);
        }
        if keys.is_empty() {
            out.push(respond(token, &Answer::Page { deposits: Vec::new(), next: None }));
            return Ok(());
        }
        let theirs = self.reads.get(&peer).copied().unwrap_or(0);
        if self.reads.values().sum::<usize>() >= limits::MAX_PAGE_READS
            || theirs >= limits::MAX_PAGE_READS_PER_PEER
        {
            return Err(Refusal::Busy);
        }
        self.reads.insert(peer, theirs.saturating_add(1));
        let op = self.ask(now.mono, Pending::Page { token, peer, next });
        out.push(Out::Load { op, what: Load::Held(keys) });
        Ok(())
    }

    /// A page was read for an owner.
    pub(super) fn page_read(
        &mut self,
        token: RequestToken,
        peer: NodeId,
        next: Option<EnvelopeId>,
        deposits: Vec<Vec<u8>>,
        out: &mut Vec<Out>,
    ) {
        if let Some(theirs) = self.reads.get_mut(&peer) {
            *theirs = theirs.saturating_sub(1);
            if *theirs == 0 {
                self.reads.remove(&peer);
            }
        }
        let shown = u64::try_from(deposits.len()).unwrap_or(u64::MAX);
        self.counters.shown = self.counters.shown.saturating_add(shown);
        let deposits = deposits.into_iter().map(Into::into).collect();
        out.push(respond(token, &Answer::Page { deposits, next }));
    }

    /// Lets go what an owner has taken, and remembers it. Returns what is to be written.
    pub(super) fn apply_acks(
        &mut self,
        now: Now,
        address: MailboxAddress,
        acks: &Acks,
    ) -> Result<Vec<Change>, Refusal> {
        let mut changes = Vec::new();
        let mut known = self.tombstones.count(address);
        let most = usize::try_from(limits::MAX_MAILBOX_ENVELOPES).unwrap_or(usize::MAX);
        for ack in &acks.taken {
            let key = EnvelopeKey { address, id: ack.id };
            if self.tombstones.get(&key, &ack.digest).is_some() {
                continue;
            }
            let held = self.holder.get(&key, now.unix).is_some_and(|held| held.digest == ack.digest);
            // What is not held is remembered within limits, for other holders may bring it. An owner makes up as many as it likes.
            let room = self.level.keeps() && known < most && self.tombstones.len() < limits::MAX_TOMBSTONES;
            if !held && !room {
                continue;
            }
            if !ack.holds(&acks.owner, address) {
                // What was applied before it in this frame was signed: it stays.
                if changes.is_empty() {
                    return Err(Refusal::BadSignature);
                }
                break;
            }
            known = known.saturating_add(1);
            if held {
                changes.extend(self.holder.let_go(&key));
            }
            changes.extend(self.tombstones.add(
                now.unix.after(limits::TOMBSTONE_LIFETIME),
                acks.owner,
                address,
                *ack,
            ));
        }
        Ok(changes)
    }
}

pub(super) fn respond(token: RequestToken, answer: &Answer) -> Out {
    Out::Net(NetCommand::Respond { token, payload: answer.encode() })
}
