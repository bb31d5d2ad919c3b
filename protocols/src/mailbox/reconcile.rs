//! Holders of the same mailbox compare what they have, so that an envelope survives those who leave.
//!
//! In: time, nodes that come near, offers of other holders. Out: offers, and envelopes brought to those who lack them, at a bounded rate. What an owner has
//! taken travels along, signed, so that nothing taken comes back. About once an hour somebody offers all names of a mailbox to all of its holders: whoever
//! was just offered everything it has passes its turn to save the walk, but not twice in a row, for the one who offered may have asked nobody else.
//!
//! Lost on restart: everything; it begins anew within the hour. Not here: what is held ([`super::holder`]).

use super::{
    EnvelopeKey, Load, Out,
    closest::{self, Candidate, Purpose},
    deposit::Checked,
    machine::{Mailbox, random_below},
    questions::Pending,
    serve::respond,
    wire::{Acks, Answer, ReceiptClaim, Refusal, Request},
};
use crate::{
    id::{EnvelopeId, MailboxAddress, NodeId},
    limits,
    net::RequestToken,
    record::Place,
    time::{Mono, Now},
};
use rand_chacha::ChaCha20Rng;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// Turns passed in a row because somebody else offered everything: then our own comes again.
const MAX_PASSED: u8 = 1;

/// Mailboxes compared at once: each is a walk and up to twelve offers.
const MAX_COMPARING: usize = 4;

/// How long a walk serves for comparing.
const WALK_FRESH: Duration = Duration::from_secs(300);

/// Waits after this when nobody was found to compare with.
const RETRY: Duration = Duration::from_secs(300);

/// Most envelopes that wait to be brought to others; what does not fit is left to the next turn.
const MAX_QUEUE: usize = 2_048;

/// Most offers that wait for newcomers.
const MAX_WELCOMES: usize = 2_048;

/// Things done in one go, and the time between two goes: some 100 KiB/s of small envelopes.
const IN_ONE_GO: usize = 16;
const PACE: Duration = Duration::from_millis(500);

/// The longest wait before a newcomer is offered anything: the other holders see it, too.
const MAX_START_DELAY: Duration = Duration::from_secs(20);

/// A peer that comes and goes is welcomed once in this time.
const WELCOMED_ONCE_IN: Duration = Duration::from_secs(3_600);

/// Peers whose welcome is remembered; with more, none is welcomed until some are forgotten.
const MAX_WELCOMED: usize = 1_024;

#[derive(Debug)]
struct Turn {
    place: Place,
    due: Mono,
    passed: u8,
    /// Whether a walk is under way for it.
    walking: bool,
    /// How far the farthest holder was at the last walk. `None`: there are fewer than there should be, or it is not known.
    farthest: Option<[u8; 32]>,
}

/// Whose turn it is to compare, and what waits to be brought to whom.
#[derive(Debug, Default)]
pub(super) struct Reconcile {
    turns: BTreeMap<MailboxAddress, Turn>,
    by_due: BTreeSet<(Mono, MailboxAddress)>,
    walking: usize,
    queue: VecDeque<(NodeId, EnvelopeKey)>,
    welcomes: VecDeque<(NodeId, MailboxAddress)>,
    welcomed: BTreeMap<NodeId, Mono>,
    queue_due: Option<Mono>,
}

impl Reconcile {
    /// Turns for what is held, spread over the first hour.
    pub(super) fn new(held: &BTreeSet<MailboxAddress>, now: Mono, rng: &mut ChaCha20Rng) -> Self {
        let mut reconcile = Self::default();
        for address in held {
            reconcile.schedule(*address, now.after(random_below(limits::RECONCILE_EVERY, rng)));
        }
        reconcile
    }

    /// Something of this mailbox is held.
    pub(super) fn holds(&mut self, address: MailboxAddress, now: Mono, rng: &mut ChaCha20Rng) {
        if !self.turns.contains_key(&address) {
            self.schedule(address, now.after(next_turn(rng)));
        }
    }

    fn schedule(&mut self, address: MailboxAddress, due: Mono) {
        let turn = self.turns.entry(address).or_insert_with(|| Turn {
            place: closest::place_of(address),
            due,
            passed: 0,
            walking: false,
            farthest: None,
        });
        self.by_due.remove(&(turn.due, address));
        if std::mem::take(&mut turn.walking) {
            self.walking = self.walking.saturating_sub(1);
        }
        turn.due = due;
        self.by_due.insert((due, address));
    }

    fn begin(&mut self, address: &MailboxAddress) {
        if let Some(turn) = self.turns.get_mut(address).filter(|turn| !turn.walking) {
            turn.walking = true;
            self.walking = self.walking.saturating_add(1);
            self.by_due.remove(&(turn.due, *address));
        }
    }

    fn forget(&mut self, address: &MailboxAddress) {
        if let Some(turn) = self.turns.remove(address) {
            self.by_due.remove(&(turn.due, *address));
            if turn.walking {
                self.walking = self.walking.saturating_sub(1);
            }
        }
    }

    /// This node leaves: everything is offered as soon as it can be.
    pub(super) fn all_now(&mut self, now: Mono) {
        let waiting: Vec<MailboxAddress> = self.by_due.iter().map(|(_, address)| *address).collect();
        for address in waiting {
            self.schedule(address, now);
        }
    }

    /// When the next turn can begin.
    pub(super) fn due(&self) -> Option<Mono> {
        if self.walking >= MAX_COMPARING {
            return None;
        }
        self.by_due.first().map(|(due, _)| *due)
    }

    /// When the next things are to be brought to others.
    pub(super) const fn queue_due(&self) -> Option<Mono> {
        self.queue_due
    }

    /// A peer left: what waits for it is dropped, and it is welcomed again when it is back.
    pub(super) fn left(&mut self, node: NodeId) {
        if self.welcomes.iter().any(|(to, _)| *to == node) {
            self.welcomed.remove(&node);
            self.welcomes.retain(|(to, _)| *to != node);
        }
        self.queue.retain(|(to, _)| *to != node);
    }
}

/// The time to the next turn: an hour, give or take a quarter.
fn next_turn(rng: &mut ChaCha20Rng) -> Duration {
    let quarter = limits::RECONCILE_EVERY / 4;
    limits::RECONCILE_EVERY.saturating_sub(quarter).saturating_add(random_below(quarter * 2, rng))
}

impl Mailbox {
    /// Begins the turns that are due.
    pub(super) fn begin_comparing(&mut self, now: Now, out: &mut Vec<Out>) {
        while self.reconcile.walking < MAX_COMPARING {
            let first = self.reconcile.by_due.first().copied().filter(|(due, _)| *due <= now.mono);
            let Some((_, address)) = first else { break };
            if self.holder.offerable(address, now.unix).next().is_none() {
                self.reconcile.forget(&address);
                continue;
            }
            self.reconcile.begin(&address);
            if let Some(holders) =
                self.holders_of(now.mono, address, (Purpose::Reconcile, WALK_FRESH), None, out)
            {
                self.compare_with(now, address, holders, out);
            }
        }
    }

    /// The holders of a mailbox are known.
    pub(super) fn compare(
        &mut self,
        now: Now,
        address: MailboxAddress,
        candidates: &[Candidate],
        out: &mut Vec<Out>,
    ) {
        self.compare_with(now, address, closest::holders(candidates, None), out);
    }

    fn compare_with(&mut self, now: Now, address: MailboxAddress, holders: Vec<NodeId>, out: &mut Vec<Out>) {
        let wait = if holders.is_empty() { RETRY } else { next_turn(&mut self.rng) };
        self.reconcile.schedule(address, now.mono.after(wait));
        if let Some(turn) = self.reconcile.turns.get_mut(&address) {
            turn.passed = 0;
            let place = turn.place;
            let farthest = holders.last().map(|holder| Place::of_node(*holder).distance(&place));
            turn.farthest = farthest.filter(|_| holders.len() >= limits::MAILBOX_HOLDERS);
        }
        for holder in holders {
            self.offer(now, address, holder, out);
        }
    }

    fn offer(&mut self, now: Now, address: MailboxAddress, holder: NodeId, out: &mut Vec<Out>) {
        let ids: Vec<EnvelopeId> = self.holder.offerable(address, now.unix).take(limits::MAX_IDS).collect();
        let acks = self.tombstones.of_mailbox(address);
        if !ids.is_empty() {
            let offer = Request::Offer { address, ids, acks };
            self.request(now.mono, holder, &offer, Pending::Offered { address, holder }, out);
        }
    }

    /// Another holder says what it has: which of it is lacking here?
    pub(super) fn offered(
        &mut self,
        now: Now,
        token: RequestToken,
        address: MailboxAddress,
        ids: &[EnvelopeId],
        acks: Option<&Acks>,
        out: &mut Vec<Out>,
    ) -> Result<(), Refusal> {
        if !self.level.keeps() || self.own.is_ours(&address) {
            return Err(Refusal::NotAHolder);
        }
        let changes = acks.map_or(Ok(Vec::new()), |acks| self.apply_acks(now, address, acks))?;
        let acks = self.tombstones.among(address, ids.iter().copied());
        let taken: BTreeSet<EnvelopeId> =
            acks.iter().flat_map(|acks| &acks.taken).map(|ack| ack.id).collect();
        let wanted = |id: &&EnvelopeId| {
            !taken.contains(id) && self.holder.get(&EnvelopeKey { address, id: **id }, now.unix).is_none()
        };
        let ids_wanted: Vec<EnvelopeId> = ids.iter().filter(wanted).take(limits::MAX_ACKS).copied().collect();
        let offered: BTreeSet<&EnvelopeId> = ids.iter().collect();
        let all_ours = self.holder.offerable(address, now.unix).all(|id| offered.contains(&id));
        if let Some(turn) = self.reconcile.turns.get_mut(&address)
            && all_ours
            && turn.passed < MAX_PASSED
            && !turn.walking
        {
            turn.passed = turn.passed.saturating_add(1);
            let next = now.mono.after(next_turn(&mut self.rng));
            self.reconcile.schedule(address, next);
        }
        let answer = respond(token, &Answer::Want { ids: ids_wanted, acks });
        if changes.is_empty() {
            out.push(answer);
        } else {
            out.push(Out::Persist { changes, then: vec![answer] });
        }
        Ok(())
    }

    /// What another holder lacks.
    pub(super) fn wanted(
        &mut self,
        now: Now,
        address: MailboxAddress,
        holder: NodeId,
        answer: Option<Answer>,
        out: &mut Vec<Out>,
    ) {
        match answer {
            Some(Answer::Want { ids, acks }) => {
                if let Some(acks) = acks {
                    self.hear_acks(now, holder, address, &acks, out);
                }
                let room = MAX_QUEUE.saturating_sub(self.reconcile.queue.len());
                let held = |id: &EnvelopeId| {
                    let key = EnvelopeKey { address, id: *id };
                    self.holder.get(&key, now.unix).map(|_| (holder, key))
                };
                let brought: Vec<_> = ids.iter().filter_map(held).take(room).collect();
                self.reconcile.queue.extend(brought);
                self.set_queue_alarm(now.mono);
            }
            Some(Answer::Refused { .. }) | None => {}
            Some(
                Answer::Receipt { .. }
                | Answer::Taken { .. }
                | Answer::Page { .. }
                | Answer::Acked
                | Answer::Heard
                | Answer::Pinned,
            ) => self.blame(holder, "answered an offer with something else", out),
        }
    }

    fn set_queue_alarm(&mut self, now: Mono) {
        if !self.reconcile.queue.is_empty() {
            self.reconcile.queue_due.get_or_insert(now);
        }
    }

    /// Another holder shows what the owner has taken.
    fn hear_acks(
        &mut self,
        now: Now,
        holder: NodeId,
        address: MailboxAddress,
        acks: &Acks,
        out: &mut Vec<Out>,
    ) {
        match self.apply_acks(now, address, acks) {
            Ok(changes) if changes.is_empty() => {}
            Ok(changes) => out.push(Out::Persist { changes, then: Vec::new() }),
            Err(_) => self.blame(holder, "shows acknowledgements that the owner did not sign", out),
        }
    }

    /// Brings to others what waits for them, and offers newcomers what they are near to.
    pub(super) fn carry(&mut self, now: Now, out: &mut Vec<Out>) {
        if self.reconcile.queue_due.is_none_or(|due| due > now.mono) {
            return;
        }
        for _ in 0..IN_ONE_GO {
            if let Some((holder, key)) = self.reconcile.queue.pop_front() {
                let op = self.ask(now.mono, Pending::Carry { holder });
                out.push(Out::Load { op, what: Load::Held(vec![key]) });
            } else if let Some((holder, address)) = self.reconcile.welcomes.pop_front() {
                self.offer(now, address, holder, out);
            }
        }
        let waits = !self.reconcile.queue.is_empty() || !self.reconcile.welcomes.is_empty();
        self.reconcile.queue_due = waits.then(|| now.mono.after(PACE));
    }

    /// A held envelope was read for another holder.
    pub(super) fn carry_read(
        &mut self,
        now: Now,
        holder: NodeId,
        deposits: Vec<Vec<u8>>,
        out: &mut Vec<Out>,
    ) {
        for bytes in deposits {
            let Ok(checked) = Checked::trusted(&bytes) else { continue };
            let key = EnvelopeKey { address: checked.deposit.address, id: checked.deposit.id };
            // Taken meanwhile: not brought to anybody.
            if self.holder.get(&key, now.unix).is_none() {
                continue;
            }
            self.counters.brought = self.counters.brought.saturating_add(1);
            let what = Pending::Carried { holder, key, digest: checked.digest };
            self.request(now.mono, holder, &Request::Deposit { deposit: bytes.into() }, what, out);
        }
    }

    /// Another holder's verdict on what it was brought.
    pub(super) fn carried(
        &mut self,
        now: Now,
        holder: NodeId,
        (key, digest): (EnvelopeKey, [u8; 32]),
        answer: Option<Answer>,
        out: &mut Vec<Out>,
    ) {
        match answer {
            Some(Answer::Taken { acks }) => self.hear_acks(now, holder, key.address, &acks, out),
            Some(Answer::Receipt { until, signature }) => {
                let claim = ReceiptClaim { address: key.address, id: key.id, digest, until };
                if !claim.is_signed(holder, &signature) {
                    self.blame(holder, "gave a receipt that it did not sign", out);
                }
            }
            Some(Answer::Refused {
                reason: Refusal::NotAHolder | Refusal::Full | Refusal::SourceQuota | Refusal::PrefixQuota,
            }) => self.reconcile.queue.retain(|(to, _)| *to != holder),
            Some(Answer::Refused { .. }) | None => {}
            Some(
                Answer::Page { .. } | Answer::Acked | Answer::Want { .. } | Answer::Heard | Answer::Pinned,
            ) => {
                self.blame(holder, "answered a deposit with something else", out);
            }
        }
    }

    /// A peer connected: it is offered what it is near enough to hold.
    pub(super) fn welcome(&mut self, now: Mono, node: NodeId) {
        let reconcile = &mut self.reconcile;
        reconcile.welcomed.retain(|_, at| now.since(*at) < WELCOMED_ONCE_IN);
        let full = reconcile.welcomed.len() >= MAX_WELCOMED;
        if reconcile.turns.is_empty() || full || reconcile.welcomed.contains_key(&node) {
            return;
        }
        let (here, there) = (Place::of_node(self.signer.node()), Place::of_node(node));
        let near = |turn: &Turn| {
            let bound = turn.farthest.unwrap_or_else(|| here.distance(&turn.place));
            there.distance(&turn.place) < bound
        };
        let room = MAX_WELCOMES.saturating_sub(reconcile.welcomes.len());
        let addresses: Vec<MailboxAddress> =
            reconcile.turns.iter().filter(|(_, turn)| near(turn)).map(|(at, _)| *at).take(room).collect();
        if addresses.is_empty() {
            return;
        }
        reconcile.welcomed.insert(node, now);
        reconcile.welcomes.extend(addresses.into_iter().map(|address| (node, address)));
        let delay = random_below(MAX_START_DELAY, &mut self.rng);
        reconcile.queue_due.get_or_insert(now.after(delay));
    }
}
