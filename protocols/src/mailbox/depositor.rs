//! Parcels of ours: kept in the mailboxes of those who are offline until they are withdrawn.
//!
//! In: parcels of the messenger, verdicts of holders. Out: deposits, and to the messenger until when enough holders keep each. A parcel is
//! sealed once and on disk before anybody is sent it. A round deposits it at all holders of the mailbox that have not signed for it yet, and at the nodes that its
//! owner pinned; rounds are repeated with backoff until enough have, and now and then afterwards, because holders come and go.
//!
//! A parcel belongs to the mailbox of one week. After the next week it is brought nowhere any more, and when its receipts have ended it is forgotten: the
//! messenger hears that it is not stored, and deposits it anew, by a pass of that time.
//!
//! Survives restart: parcels and receipts. Lost: rounds and backoff (begun anew), puzzles (the messenger deposits again). Not here: what is in a parcel,
//! where each stands ([`super::parcels`]).

use super::{
    Load, Out, Parcel, Recipient,
    closest::{self, Candidate, Purpose},
    deposit::{self, Checked, Deposit, DepositClaim},
    keys::{self, MailboxPass, week_of},
    machine::{Mailbox, backoff, jittered},
    parcels::{Kept, MAX_ROUNDS, ParcelKey, Puzzle, REFRESH, Stage},
    questions::Pending,
    rows::{Change, ParcelRow},
    wire::{Answer, ReceiptClaim, Refusal, Request},
};
use crate::{
    id::{MailboxAddress, NodeId},
    limits,
    time::{Now, UnixMillis},
};
use std::{collections::BTreeMap, time::Duration};

/// Most puzzles being solved at once: each takes a core for some tenths of a second.
const MAX_PUZZLES: usize = 8;

/// Receipts kept of one parcel: those of two whole sets of holders.
const MAX_RECEIPTS: usize = 2 * limits::MAILBOX_HOLDERS;

/// How long a walk serves for further parcels of the same mailbox.
const WALK_FRESH: Duration = Duration::from_secs(60);

/// First and longest wait after a round that left too few receipts. Holders that are down come back in hours, a network in minutes.
const RETRY_MIN: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(600);

impl Mailbox {
    /// The messenger wants something kept for somebody.
    pub(super) fn deposit(&mut self, now: Now, parcel: Parcel, out: &mut Vec<Out>) {
        let key = (parcel.account, parcel.id);
        if let Some(kept) = self.parcels.all.get(&key) {
            let stored_until = kept.stored_until(now.unix);
            if stored_until.is_some() || !kept.is_outdated(now.unix) {
                out.push(progress(key, stored_until));
                return;
            }
            self.parcels.remove(&key);
        }
        if self.parcels.puzzles.contains_key(&key) {
            return;
        }
        let full = self.parcels.len() >= limits::MAX_PARCELS;
        let taken_up = !full
            && match &parcel.to {
                Recipient::Contact { node, passes } => {
                    self.seal_by_pass(now, *node, passes, (key, &parcel.payload), out)
                }
                Recipient::Stranger { node, sealing } => {
                    self.seal_by_puzzle(now, *node, sealing, (key, &parcel.payload), out)
                }
            };
        if !taken_up {
            self.counters.not_taken = self.counters.not_taken.saturating_add(1);
            out.push(progress(key, None));
        }
    }

    fn seal_by_pass(
        &mut self,
        now: Now,
        node: NodeId,
        passes: &[MailboxPass],
        (key, payload): (ParcelKey, &[u8]),
        out: &mut Vec<Out>,
    ) -> bool {
        let week = week_of(now.unix);
        let of_week = |wanted: u32| passes.iter().find(|pass| pass.week == wanted && pass.holds());
        let pass = of_week(week)
            .or_else(|| of_week(week.saturating_add(1)))
            .or_else(|| of_week(week.saturating_sub(1)));
        let Some(pass) = pass.filter(|_| payload.len() <= Parcel::MAX_PAYLOAD_BYTES) else { return false };
        let place = (pass.address(), key.1);
        let Some(sealed) = keys::seal(&self.signer, node, &pass.sealing, place, payload, &mut self.rng)
        else {
            return false;
        };
        let mut pinned = pass.pinned.clone();
        pinned.truncate(limits::MAX_PINS);
        self.made(now, key, (node, pinned), &Deposit::by_pass(pass, key.1, sealed), out);
        true
    }

    fn seal_by_puzzle(
        &mut self,
        now: Now,
        node: NodeId,
        sealing: &[u8; 32],
        (key, payload): (ParcelKey, &[u8]),
        out: &mut Vec<Out>,
    ) -> bool {
        if payload.len() > Parcel::MAX_INTRO_PAYLOAD_BYTES || self.parcels.puzzles.len() >= MAX_PUZZLES {
            return false;
        }
        let address = keys::intro_address(node);
        let Some(sealed) = keys::seal(&self.signer, node, sealing, (address, key.1), payload, &mut self.rng)
        else {
            return false;
        };
        let week = week_of(now.unix);
        let claim = DepositClaim { address, id: key.1, digest: deposit::digest(&sealed) };
        self.parcels.puzzles.insert(key, Puzzle { node, sealed, week });
        let op = self.ask(now.mono, Pending::Puzzle { key });
        out.push(Out::Solve { op, challenge: claim.challenge(week), bits: limits::PUZZLE_BITS });
        true
    }

    /// A puzzle is solved, or never will be.
    pub(super) fn solved(&mut self, now: Now, key: ParcelKey, nonce: Option<u64>, out: &mut Vec<Out>) {
        let Some(Puzzle { node, sealed, week }) = self.parcels.puzzles.remove(&key) else { return };
        match nonce {
            Some(nonce) => {
                let deposit = Deposit::by_puzzle(node, key.1, sealed, week, nonce);
                self.made(now, key, (node, Vec::new()), &deposit, out);
            }
            None => out.push(progress(key, None)),
        }
    }

    /// A deposit is made: it is written, and then sent.
    fn made(
        &mut self,
        now: Now,
        key: ParcelKey,
        (node, pinned): (NodeId, Vec<NodeId>),
        deposit: &Deposit,
        out: &mut Vec<Out>,
    ) {
        let (address, bytes) = (deposit.address, deposit.encode());
        let row = ParcelRow {
            account: key.0,
            id: key.1,
            node,
            address,
            deposit: bytes.clone(),
            since: now.unix,
            receipts: Vec::new(),
            pinned: pinned.clone(),
        };
        let kept = Kept {
            node,
            address,
            since: now.unix,
            receipts: BTreeMap::new(),
            pinned,
            needed: limits::ENOUGH_RECEIPTS,
            stage: Stage::Waiting { due: now.mono },
            failures: 0,
            unwritten: false,
            taken: false,
            told: None,
        };
        self.parcels.put(key, kept, now.mono);
        let mut then = Vec::new();
        if self.parcels.active.len() < MAX_ROUNDS && !self.connected.is_empty() {
            self.begin_round(now, key, Some(bytes), &mut then);
        }
        out.push(Out::Persist { changes: vec![Change::PutParcel(row)], then });
    }

    /// The recipient has it, or nobody wants it any more.
    pub(super) fn withdraw(&mut self, key: ParcelKey, out: &mut Vec<Out>) {
        self.parcels.puzzles.remove(&key);
        if self.parcels.remove(&key) {
            let changes = vec![Change::RemoveParcel { account: key.0, id: key.1 }];
            out.push(Out::Persist { changes, then: Vec::new() });
        }
    }

    /// Begins the rounds that are due, as many as may run.
    pub(super) fn begin_rounds(&mut self, now: Now, out: &mut Vec<Out>) {
        while self.parcels.active.len() < MAX_ROUNDS {
            let Some((_, key)) = self.parcels.waiting.first().copied().filter(|(due, _)| *due <= now.mono)
            else {
                break;
            };
            self.tell(now, key, out);
            let Some(kept) = self.parcels.all.get(&key) else { break };
            match (kept.stored_until(now.unix), kept.taken || kept.is_outdated(now.unix)) {
                (Some(until), true) => {
                    // Nothing to bring any more: looked at again when its receipts have ended.
                    let wait = until.since(now.unix).max(RETRY_MAX);
                    self.parcels.wait(key, now.mono.after(wait));
                }
                (None, true) => self.withdraw(key, out),
                (_, false) => self.begin_round(now, key, None, out),
            }
        }
    }

    fn begin_round(&mut self, now: Now, key: ParcelKey, bytes: Option<Vec<u8>>, out: &mut Vec<Out>) {
        let Some(kept) = self.parcels.all.get(&key) else { return };
        let (address, node) = (kept.address, kept.node);
        self.parcels.activate(key, Stage::Walking { bytes });
        if let Some(holders) =
            self.holders_of(now.mono, address, (Purpose::Deposit, WALK_FRESH), Some(node), out)
        {
            self.round_walked(now, key, holders, out);
        }
    }

    /// The holders of a mailbox are known to all rounds that waited for them.
    pub(super) fn rounds_walked(
        &mut self,
        now: Now,
        address: MailboxAddress,
        candidates: &[Candidate],
        out: &mut Vec<Out>,
    ) {
        let waited = |key: &ParcelKey| {
            let kept = self.parcels.all.get(key)?;
            let walks = kept.address == address && matches!(kept.stage, Stage::Walking { .. });
            walks.then_some((*key, kept.node))
        };
        let keys: Vec<(ParcelKey, NodeId)> = self.parcels.active.iter().filter_map(waited).collect();
        for (key, node) in keys {
            self.round_walked(now, key, closest::holders(candidates, Some(node)), out);
        }
    }

    fn round_walked(&mut self, now: Now, key: ParcelKey, mut holders: Vec<NodeId>, out: &mut Vec<Out>) {
        let own = self.signer.node();
        let Some(kept) = self.parcels.all.get_mut(&key) else { return };
        let closest = holders.len();
        let pinned = kept.pinned.iter().copied();
        let pinned: Vec<NodeId> =
            pinned.filter(|node| *node != own && *node != kept.node && !holders.contains(node)).collect();
        holders.extend(pinned);
        if holders.is_empty() {
            self.round_ended(now, key, out);
            return;
        }
        // Pinned ones that are away must not keep it from being stored where there are few others.
        let others = if closest == 0 { holders.len() } else { closest };
        kept.needed = others.min(limits::ENOUGH_RECEIPTS);
        holders.retain(|holder| kept.receipts.get(holder).is_none_or(|until| *until <= now.unix));
        let Stage::Walking { bytes } = &mut kept.stage else { return };
        match bytes.take() {
            Some(bytes) => self.send_deposits(now, key, holders, bytes, out),
            None if holders.is_empty() => self.round_ended(now, key, out),
            None => {
                kept.stage = Stage::Loading { holders };
                let op = self.ask(now.mono, Pending::Parcel { key });
                out.push(Out::Load { op, what: Load::Parcel { account: key.0, id: key.1 } });
            }
        }
    }

    /// A parcel was read.
    pub(super) fn parcel_read(
        &mut self,
        now: Now,
        key: ParcelKey,
        bytes: Option<Vec<u8>>,
        out: &mut Vec<Out>,
    ) {
        let Some(kept) = self.parcels.all.get_mut(&key) else { return };
        let Stage::Loading { holders } = &mut kept.stage else { return };
        let holders = std::mem::take(holders);
        match bytes {
            Some(bytes) => self.send_deposits(now, key, holders, bytes, out),
            // Not written yet, or gone: looked at again.
            None => self.round_ended(now, key, out),
        }
    }

    fn send_deposits(
        &mut self,
        now: Now,
        key: ParcelKey,
        holders: Vec<NodeId>,
        bytes: Vec<u8>,
        out: &mut Vec<Out>,
    ) {
        let digest = match Checked::trusted(&bytes) {
            Ok(checked) if checked.deposit.id == key.1 => checked.digest,
            // Damaged on disk: the messenger deposits it anew.
            Ok(_) | Err(_) => {
                self.withdraw(key, out);
                out.push(progress(key, None));
                return;
            }
        };
        self.parcels.activate(key, Stage::Asking { asked: holders.iter().copied().collect() });
        let request = Request::Deposit { deposit: bytes.into() };
        for holder in holders {
            self.request(now.mono, holder, &request, Pending::Deposited { key, holder, digest }, out);
        }
    }

    /// A holder's verdict on a parcel, or none.
    pub(super) fn deposit_answer(
        &mut self,
        now: Now,
        key: ParcelKey,
        (holder, digest): (NodeId, [u8; 32]),
        answer: Option<Answer>,
        out: &mut Vec<Out>,
    ) {
        let Some(kept) = self.parcels.all.get_mut(&key) else { return };
        let address = kept.address;
        let pinned = kept.pinned.contains(&holder);
        let away = pinned && answer.is_none();
        let mut lied = None;
        match answer {
            Some(Answer::Receipt { until, signature }) => {
                let claim = ReceiptClaim { address, id: key.1, digest, until };
                // A promise beyond what the protocol gives is one for as long as it gives.
                let longest = if pinned { limits::PINNED_LIFETIME } else { limits::MAILBOX_LIFETIME };
                let until = until.min(now.unix.after(longest));
                if claim.is_signed(holder, &signature) {
                    self.counters.timely = self.counters.timely.saturating_add(1);
                    if until > now.unix {
                        kept.receipts.insert(holder, until);
                        kept.unwritten = true;
                    }
                    while kept.receipts.len() > MAX_RECEIPTS {
                        let first =
                            kept.receipts.iter().min_by_key(|(_, until)| **until).map(|(node, _)| *node);
                        first.map(|first| kept.receipts.remove(&first));
                    }
                } else {
                    lied = Some("gave a receipt that it did not sign");
                }
            }
            Some(Answer::Taken { acks }) => {
                let own = acks.taken.iter().find(|ack| ack.id == key.1 && ack.digest == digest);
                if own.is_some_and(|ack| ack.holds(&acks.owner, address)) {
                    kept.taken = true;
                } else {
                    lied = Some("says the owner has an envelope, and cannot show it");
                }
            }
            Some(Answer::Refused { reason: Refusal::Untimely }) => {
                self.counters.untimely = self.counters.untimely.saturating_add(1);
            }
            Some(Answer::Refused { .. }) | None => {}
            Some(
                Answer::Page { .. } | Answer::Acked | Answer::Want { .. } | Answer::Heard | Answer::Pinned,
            ) => {
                lied = Some("answered a deposit with something else");
            }
        }
        let ended = match &mut kept.stage {
            Stage::Asking { asked } => asked.remove(&holder) && asked.is_empty(),
            Stage::Waiting { .. } | Stage::Walking { .. } | Stage::Loading { .. } => false,
        };
        let newly_enough = kept.told.is_none() && kept.stored_until(now.unix).is_some();
        if newly_enough || ended {
            self.tell(now, key, out);
        }
        if ended {
            self.round_ended(now, key, out);
        }
        if let Some(reason) = lied {
            self.blame(holder, reason, out);
        }
        if away {
            self.locate(now.mono, holder, out);
        }
    }

    /// Nobody is left to ask in this round.
    fn round_ended(&mut self, now: Now, key: ParcelKey, out: &mut Vec<Out>) {
        self.tell(now, key, out);
        let Some(kept) = self.parcels.all.get_mut(&key) else { return };
        let wait = match kept.stored_until(now.unix) {
            Some(until) => {
                kept.failures = 0;
                jittered(REFRESH, &mut self.rng).min(until.since(now.unix))
            }
            None => {
                let failures = kept.failures;
                kept.failures = failures.saturating_add(1);
                backoff(RETRY_MIN, RETRY_MAX, failures, &mut self.rng)
            }
        };
        self.parcels.wait(key, now.mono.after(wait));
    }

    /// Writes receipts that came, and tells the messenger where that changes something.
    fn tell(&mut self, now: Now, key: ParcelKey, out: &mut Vec<Out>) {
        let Some(kept) = self.parcels.all.get_mut(&key) else { return };
        let stored_until = kept.stored_until(now.unix);
        let told = (stored_until != kept.told).then(|| progress(key, stored_until));
        kept.told = stored_until;
        if std::mem::take(&mut kept.unwritten) {
            let receipts = kept.receipts.iter().map(|(node, until)| (*node, *until)).collect();
            let changes = vec![Change::SetReceipts { account: key.0, id: key.1, receipts }];
            out.push(Out::Persist { changes, then: told.into_iter().collect() });
        } else {
            out.extend(told);
        }
    }
}

const fn progress((account, id): ParcelKey, stored_until: Option<UnixMillis>) -> Out {
    Out::Progress { account, id, stored_until }
}
