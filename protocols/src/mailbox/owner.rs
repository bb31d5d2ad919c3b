//! Our own mailboxes: looking what is there, opening it, and letting it go once the messenger has it.
//!
//! In: pages of holders, news, what the messenger has dealt with. Out: arrivals, each once in a life while the messenger may still have it under way;
//! acknowledgements to all holders. Looked into are the mailboxes of this week, the two before and the next one, and the one for strangers. One
//! visit asks the holders in random order, three at once, until three in a row bring nothing new: so one that says "empty" hides nothing for long. Nodes that the
//! owner pinned are asked first and always, and do not count among the three: nobody but contacts brings them anything. Mailboxes of three weeks before are
//! looked into at those alone.
//!
//! An envelope that does not open is acknowledged away, or a stranger could fill a mailbox for good. An acknowledgement names the content, so that
//! nobody can make an owner let go of somebody else's envelope by giving a worthless one its name.
//!
//! Survives restart: what was taken. Lost: visits, arrivals under way (they are shown again). Not here: what is in an
//! envelope, which mailboxes are ours ([`super::own`]).

use super::{
    EnvelopeKey, Out,
    closest::{self, Candidate, Purpose},
    deposit::Checked,
    machine::{Mailbox, backoff, jittered},
    own::{Arrival, Doing, MAX_ARRIVALS, OwnBox, Visit},
    questions::Pending,
    wire::{AckClaim, Answer, FetchAsk, Refusal, Request},
};
use crate::{
    id::{EnvelopeId, MailboxAddress, NodeId},
    limits,
    time::{Mono, Now},
};
use rand_core::Rng as _;
use std::time::Duration;

/// So many holders in a row without anything new end a visit; as many are asked at once.
const NOTHING_NEW: usize = 3;

/// Most pages of one holder in one visit: a full mailbox in full pages is 64.
const MAX_PAGES: u32 = 128;

/// An arrival that was not dealt with in this time is handed over again when it is shown again: the messenger may have been restarted.
const ARRIVAL_PATIENCE: Duration = Duration::from_secs(600);

/// Other mailboxes than that of this week are looked into so many times less often.
const OTHER_WEEKS: u32 = 6;

/// How long a walk serves for further visits. Longer than two visits, so that a node that waits costs the network little.
const WALK_FRESH: Duration = Duration::from_secs(3_600);

/// First and longest wait after a visit to which nobody answered.
const RETRY_MIN: Duration = Duration::from_secs(10);
const RETRY_MAX: Duration = Duration::from_secs(600);

/// News of one mailbox are followed this often at most, whatever holders send.
const NEWS_PACE: Duration = Duration::from_secs(2);

/// Acknowledgements are gathered for so long, so that a hundred go in one frame.
const ACK_DELAY: Duration = Duration::from_millis(500);

impl Mailbox {
    /// Begins the visits that are due.
    pub(super) fn begin_visits(&mut self, now: Now, out: &mut Vec<Out>) {
        if self.own.arrivals.len() >= MAX_ARRIVALS {
            return;
        }
        let due = |(address, own): (&MailboxAddress, &OwnBox)| {
            (own.due <= now.mono && matches!(own.doing, Doing::Nothing)).then_some(*address)
        };
        let due: Vec<MailboxAddress> = self.own.boxes.iter().filter_map(due).collect();
        for address in due {
            let Some(own) = self.own.boxes.get_mut(&address) else { continue };
            own.doing = Doing::Walking;
            own.again = false;
            if own.is_old(self.own.week) {
                self.begin_visit(now, address, Vec::new(), out);
            } else if let Some(holders) =
                self.holders_of(now.mono, address, (Purpose::Fetch, WALK_FRESH), None, out)
            {
                self.begin_visit(now, address, holders, out);
            }
        }
    }

    /// The holders of a mailbox of ours are known.
    pub(super) fn visit_walked(
        &mut self,
        now: Now,
        address: MailboxAddress,
        candidates: &[Candidate],
        out: &mut Vec<Out>,
    ) {
        self.begin_visit(now, address, closest::holders(candidates, None), out);
    }

    fn begin_visit(&mut self, now: Now, address: MailboxAddress, mut left: Vec<NodeId>, out: &mut Vec<Out>) {
        // Shuffled, so that those who say "empty" are not asked first for ever.
        for at in (1..left.len()).rev() {
            let bound = u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1);
            left.swap(at, usize::try_from(self.rng.next_u32() % bound).unwrap_or(0));
        }
        let Some(own) = self.own.boxes.get_mut(&address) else { return };
        // Strangers do not know of them.
        let pinned = if own.week.is_some() { self.pins.nodes() } else { Vec::new() };
        left.retain(|holder| !pinned.contains(holder));
        let alone = left.is_empty();
        own.holders = left.iter().chain(&pinned).copied().collect();
        left.extend(&pinned);
        let pinned = pinned.into_iter().collect();
        own.doing = Doing::Visiting(Visit { left, whole: true, pinned, alone, ..Visit::default() });
        self.go_on(now, address, out);
    }

    /// A holder says that something new came.
    pub(super) fn news(&mut self, now: Now, address: MailboxAddress, holder: NodeId, out: &mut Vec<Out>) {
        let Some(own) = self.own.boxes.get_mut(&address) else { return };
        if !own.holders.contains(&holder) {
            return;
        }
        let early = own.last_news.is_some_and(|last| now.mono.since(last) < NEWS_PACE);
        if early || !matches!(own.doing, Doing::Nothing) || self.own.arrivals.len() >= MAX_ARRIVALS {
            own.again = true;
            own.due = own.due.min(now.mono.after(NEWS_PACE));
            return;
        }
        own.last_news = Some(now.mono);
        own.doing = Doing::Visiting(Visit { left: vec![holder], ..Visit::default() });
        self.go_on(now, address, out);
    }

    /// Asks the next holders, or ends the visit.
    fn go_on(&mut self, now: Now, address: MailboxAddress, out: &mut Vec<Out>) {
        let full = self.own.arrivals.len() >= MAX_ARRIVALS;
        loop {
            let Some(own) = self.own.boxes.get_mut(&address) else { return };
            let Doing::Visiting(visit) = &mut own.doing else { return };
            // No more than could complete the row.
            let asked = visit.asked.keys().filter(|holder| !visit.pinned.contains(holder)).count();
            let enough = asked.saturating_add(visit.nothing_new) >= NOTHING_NEW;
            let next = visit.left.pop_if(|next| !full && (!enough || visit.pinned.contains(next)));
            let Some(holder) = next else { break };
            self.ask_page(now, address, holder, (None, 1), out);
        }
        let Some(own) = self.own.boxes.get_mut(&address) else { return };
        let Doing::Visiting(visit) = &own.doing else { return };
        if !visit.asked.is_empty() {
            return;
        }
        let (answered, whole) = (visit.answered, visit.whole);
        own.doing = Doing::Nothing;
        own.again |= full;
        if answered == 0 {
            let failures = own.failures;
            own.failures = failures.saturating_add(1);
            own.due = now.mono.after(backoff(RETRY_MIN, RETRY_MAX, failures, &mut self.rng));
            self.walks.doubt(&address);
            return;
        }
        own.failures = 0;
        if whole && !full {
            own.looked = Some(now.unix);
        }
        let every = match own.week {
            None => limits::FETCH_EVERY,
            Some(week) if week == self.own.week => limits::FETCH_EVERY,
            Some(_) => limits::FETCH_EVERY * OTHER_WEEKS,
        };
        let wait = if own.again { NEWS_PACE } else { jittered(every, &mut self.rng) };
        own.due = if whole || own.again { now.mono.after(wait) } else { own.due.max(now.mono) };
    }

    fn ask_page(
        &mut self,
        now: Now,
        address: MailboxAddress,
        holder: NodeId,
        (after, page): (Option<EnvelopeId>, u32),
        out: &mut Vec<Out>,
    ) {
        let Some(own) = self.own.boxes.get_mut(&address) else { return };
        let Doing::Visiting(visit) = &mut own.doing else { return };
        visit.asked.insert(holder, (after, page));
        let under_way = |(key, arrival): (&EnvelopeKey, &Arrival)| {
            let fresh = now.mono.since(arrival.since) < ARRIVAL_PATIENCE;
            (key.address == address && fresh).then_some(key.id)
        };
        let ask = FetchAsk {
            owner: own.owner,
            holder,
            after,
            known: self.own.arrivals.iter().filter_map(under_way).take(limits::MAX_IDS).collect(),
            max_bytes: u32::try_from(limits::MAX_MAILBOX_PAGE_BYTES).unwrap_or(u32::MAX),
            time: now.unix,
            subscribe: true,
        };
        let request = ask.sign(&own.signer);
        self.request(now.mono, holder, &request, Pending::Fetched { address, holder }, out);
    }

    /// A holder's page, or none.
    pub(super) fn page(
        &mut self,
        now: Now,
        address: MailboxAddress,
        holder: NodeId,
        answer: Option<Answer>,
        out: &mut Vec<Out>,
    ) {
        let Some(own) = self.own.boxes.get_mut(&address) else { return };
        let Doing::Visiting(visit) = &mut own.doing else { return };
        let Some((after, page)) = visit.asked.remove(&holder) else { return };
        match answer {
            Some(Answer::Page { deposits, next }) => {
                self.counters.timely = self.counters.timely.saturating_add(1);
                if visit.alone || !visit.pinned.contains(&holder) {
                    visit.answered = visit.answered.saturating_add(1);
                }
                let mut new = 0u32;
                for bytes in &deposits {
                    if self.take_up(now, address, holder, bytes, out) {
                        new = new.saturating_add(1);
                    }
                }
                self.pins.heard_of(&holder, now.unix);
                self.count_new(&address, holder, new);
                let full = self.own.arrivals.len() >= MAX_ARRIVALS;
                match next {
                    Some(next) if after >= Some(next) => {
                        self.blame(holder, "shows the same page again and again", out);
                    }
                    Some(next) if page < MAX_PAGES && !full => {
                        self.ask_page(now, address, holder, (Some(next), page.saturating_add(1)), out);
                        return;
                    }
                    Some(_) | None => {}
                }
            }
            Some(Answer::Refused { reason: Refusal::Untimely }) => {
                self.counters.untimely = self.counters.untimely.saturating_add(1);
            }
            Some(Answer::Refused { .. }) => {}
            None => {
                if self.pins.contains(&holder) {
                    self.locate(now.mono, holder, out);
                }
            }
            Some(
                Answer::Receipt { .. }
                | Answer::Taken { .. }
                | Answer::Acked
                | Answer::Want { .. }
                | Answer::Heard
                | Answer::Pinned,
            ) => self.blame(holder, "answered a fetch with something else", out),
        }
        self.go_on(now, address, out);
    }

    fn count_new(&mut self, address: &MailboxAddress, holder: NodeId, new: u32) {
        if let Some(OwnBox { doing: Doing::Visiting(visit), .. }) = self.own.boxes.get_mut(address) {
            if new > 0 {
                visit.nothing_new = 0;
            } else if !visit.pinned.contains(&holder) {
                visit.nothing_new = visit.nothing_new.saturating_add(1);
            }
        }
    }

    /// Looks at an envelope that a holder shows. True: it is new.
    fn take_up(
        &mut self,
        now: Now,
        address: MailboxAddress,
        holder: NodeId,
        bytes: &[u8],
        out: &mut Vec<Out>,
    ) -> bool {
        let checked = match Checked::trusted(bytes) {
            Ok(checked) if checked.deposit.address == address => checked,
            Ok(_) | Err(_) => {
                self.blame(holder, "shows what is no envelope of this mailbox", out);
                return false;
            }
        };
        let (id, digest) = (checked.deposit.id, checked.digest);
        let key = EnvelopeKey { address, id };
        if self.tombstones.get(&key, &digest).is_some() {
            self.tell_taken(now.mono, &key, Some(holder));
            return false;
        }
        let under_way = self.own.arrivals.get(&key);
        if under_way.is_some_and(|arrival| now.mono.since(arrival.since) < ARRIVAL_PATIENCE) {
            return false;
        }
        if self.own.arrivals.len() >= MAX_ARRIVALS && under_way.is_none() {
            return false;
        }
        if Checked::read(bytes).is_err() {
            self.blame(holder, "shows a forged deposit", out);
            return false;
        }
        let week = self.own.boxes.get(&address).and_then(|own| own.week);
        match self.keys.open(week, (address, id), &checked.deposit.sealed) {
            Ok(opened) => {
                self.counters.arrived = self.counters.arrived.saturating_add(1);
                self.own.arrivals.insert(key, Arrival { digest, since: now.mono });
                let account = self.keys.node();
                out.push(Out::Arrived { account, envelope: key, from: opened.from, payload: opened.payload });
            }
            Err(_) => {
                self.counters.unreadable = self.counters.unreadable.saturating_add(1);
                self.done_with(now, &key, digest, out);
            }
        }
        true
    }

    /// The messenger has dealt with an arrival for good.
    pub(super) fn taken(&mut self, now: Now, envelope: EnvelopeKey, out: &mut Vec<Out>) {
        if let Some(arrival) = self.own.arrivals.remove(&envelope) {
            self.done_with(now, &envelope, arrival.digest, out);
        }
    }

    /// Nobody needs to keep an envelope any more.
    fn done_with(&mut self, now: Now, key: &EnvelopeKey, digest: [u8; 32], out: &mut Vec<Out>) {
        let Some(own) = self.own.boxes.get(&key.address) else { return };
        let ack = AckClaim { address: key.address, id: key.id, digest }.sign(&own.signer);
        let changes =
            self.tombstones.add(now.unix.after(limits::OWN_TOMBSTONE_LIFETIME), own.owner, key.address, ack);
        out.push(Out::Persist { changes, then: Vec::new() });
        self.tell_taken(now.mono, key, None);
    }

    /// Holders are to be told that we have an envelope: one, or all.
    fn tell_taken(&mut self, now: Mono, key: &EnvelopeKey, holder: Option<NodeId>) {
        let Some(own) = self.own.boxes.get_mut(&key.address) else { return };
        let all = own.holders.iter().copied().filter(|_| holder.is_none());
        for holder in holder.into_iter().chain(all) {
            own.acks.entry(holder).or_default().insert(key.id);
        }
        if !own.acks.is_empty() {
            own.acks_due.get_or_insert(now.after(ACK_DELAY));
        }
    }

    /// Tells holders what we have.
    pub(super) fn send_acks(&mut self, now: Now, out: &mut Vec<Out>) {
        let due: Vec<MailboxAddress> = self
            .own
            .boxes
            .iter()
            .filter(|(_, own)| own.acks_due.is_some_and(|due| due <= now.mono))
            .map(|(address, _)| *address)
            .collect();
        for address in due {
            let Some(own) = self.own.boxes.get_mut(&address) else { continue };
            own.acks_due = None;
            for (holder, ids) in std::mem::take(&mut own.acks) {
                let ids: Vec<EnvelopeId> = ids.into_iter().collect();
                for ids in ids.chunks(limits::MAX_ACKS) {
                    if let Some(acks) = self.tombstones.among(address, ids.iter().copied()) {
                        self.request(
                            now.mono,
                            holder,
                            &Request::Ack { acks },
                            Pending::Acked { holder },
                            out,
                        );
                    }
                }
            }
        }
    }
}
