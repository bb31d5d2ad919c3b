//! The files machine itself: its state, and who handles what.
//!
//! What was offered to us is handled in `incoming`, what we offer in `outgoing`. After every input the machine looks at all that is open (`queue`): at
//! questions that stall, at what comes next, at what somebody has still to be told.
//!
//! The first input of a life makes the data plane begin anew: what an earlier life had asked of it is over.

use super::{
    Command, CommandError, Event, In, Out, PullId, Reply, ServeToken,
    pull::{Live, Standing},
    rows::{AutoRow, Change, Decided, Direction, Rates, RatesRow, Snapshot, TransferId, TransferRow},
    step::{Step, Wanted},
    view::{State, TransferView},
};
use crate::{
    id::NodeId,
    limits::{self, HOUSEKEEPING, MAX_CONTACTS, MAX_ENDED_TRANSFERS, PROGRESS_EVERY, RETRY_MAX, RETRY_MIN},
    machine::{CallId, Machine, Status},
    time::{Mono, Now},
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// One transfer: its row, and what a restart forgets.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) row: TransferRow,
    /// Theirs: what goes on at the moment.
    pub(super) live: Option<Live>,
    /// Theirs: what is known of those who have it.
    pub(super) holders: BTreeMap<NodeId, Standing>,
    /// Theirs: the disk was full; not tried before.
    pub(super) room_at: Option<Mono>,
    /// Theirs: not tried before, for something else than room.
    pub(super) rest_until: Option<Mono>,
    /// Ours: questions being served.
    pub(super) served: usize,
    /// Ours: bytes sent in this life.
    pub(super) sent: u64,
    /// Ours and unsent: when the messenger is asked again. Otherwise: when what is owed is told again.
    pub(super) ask_at: Option<Mono>,
    /// How often telling failed.
    pub(super) untold: u32,
    /// How it was last shown, and when.
    shown: Option<(State, Mono)>,
}

impl Transfer {
    /// Of a row.
    pub(super) const fn new(row: TransferRow) -> Self {
        Self {
            row,
            live: None,
            holders: BTreeMap::new(),
            room_at: None,
            rest_until: None,
            served: 0,
            sent: 0,
            ask_at: None,
            untold: 0,
            shown: None,
        }
    }
}

/// The files machine of one account. See the [module](super) for what goes in and out.
#[derive(Debug)]
pub struct Files {
    pub(super) account: NodeId,
    pub(super) transfers: BTreeMap<TransferId, Transfer>,
    pub(super) auto: BTreeMap<NodeId, u64>,
    pub(super) rates: Rates,
    pub(super) connected: BTreeSet<NodeId>,
    /// Which transfer a question under way is for.
    pub(super) pulls: BTreeMap<PullId, TransferId>,
    /// Which transfer a question being served is for.
    pub(super) serving: BTreeMap<ServeToken, TransferId>,
    /// When whose turn was last, counted in turns.
    pub(super) turns: BTreeMap<NodeId, u64>,
    next_pull: PullId,
    next_order: u64,
    begun: bool,
    house_at: Mono,
    /// What was due until then is done.
    pub(super) looked: Mono,
    /// When something is due again, as of the last look at everything.
    pub(super) due: Option<Mono>,
    rng: ChaCha20Rng,
}

impl Files {
    /// Starts from rows. `generation` counts the lives of this machine.
    #[must_use]
    pub fn new(account: NodeId, snapshot: Snapshot, generation: u32, rng: ChaCha20Rng) -> Self {
        let next_order = snapshot.transfers.values().map(|row| row.order).max().unwrap_or(0);
        let transfers = snapshot.transfers.into_iter().map(|(id, row)| (id, Transfer::new(row))).collect();
        Self {
            account,
            transfers,
            auto: snapshot.auto.into_iter().map(|(peer, row)| (peer, row.max_bytes)).collect(),
            rates: snapshot.rates,
            connected: BTreeSet::new(),
            pulls: BTreeMap::new(),
            serving: BTreeMap::new(),
            turns: BTreeMap::new(),
            next_pull: PullId { generation, number: 1 },
            next_order: next_order.saturating_add(1),
            begun: false,
            house_at: Mono(0),
            looked: Mono(0),
            due: None,
            rng,
        }
    }

    /// A name for the next question.
    pub(super) fn next_pull(&mut self) -> PullId {
        let pull = self.next_pull;
        self.next_pull.number = pull.number.saturating_add(1);
        pull
    }

    /// A place behind all that are wanted.
    pub(super) fn next_order(&mut self) -> u64 {
        let order = self.next_order;
        self.next_order = order.saturating_add(1);
        order
    }

    /// When to try again after so many failures in a row: longer and longer, between half and all of it at random.
    pub(super) fn retry_at(&mut self, now: Mono, failures: u32) -> Mono {
        let longest =
            RETRY_MIN.saturating_mul(1_u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX)).min(RETRY_MAX);
        let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let half = millis / 2;
        now.after(Duration::from_millis(half.saturating_add(self.rng.next_u64() % half.max(1))))
    }

    /// How many are open, with one person and in all.
    pub(super) fn open(&self, direction: Direction, peer: NodeId) -> (usize, usize) {
        let open = self
            .transfers
            .values()
            .filter(|transfer| transfer.row.id.direction == direction && transfer.row.decided.is_open());
        open.fold((0, 0), |(theirs, all), transfer| {
            (theirs.saturating_add(usize::from(transfer.row.id.peer == peer)), all.saturating_add(1))
        })
    }

    /// Whether one more may be open.
    pub(super) fn has_room(&self, direction: Direction, peer: NodeId) -> bool {
        let (theirs, all) = self.open(direction, peer);
        theirs < limits::MAX_OPEN_OFFERS_PER_PEER && all < limits::MAX_OPEN_OFFERS
    }

    /// A transfer is over: nothing of it goes on.
    pub(super) fn end(&mut self, id: TransferId, decided: Decided, step: &mut Step) {
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        let before = std::mem::replace(&mut transfer.row.decided, decided);
        transfer.row.ended = Some(step.now.unix);
        transfer.ask_at = None;
        let decided = &transfer.row.decided;
        let keep = matches!(decided, Decided::Failed(failure) if failure.retryable());
        let done = matches!(decided, Decided::Done { .. });
        step.write(id);
        match id.direction {
            Direction::Out => {
                let tokens = self.serving.iter().filter(|(_, of)| **of == id).map(|(token, _)| *token);
                for token in tokens.collect::<Vec<_>>() {
                    self.serving.remove(&token);
                    step.after(Out::StopServing { token });
                }
                if let Some(transfer) = self.transfers.get_mut(&id) {
                    transfer.served = 0;
                }
                step.after(Out::Release { id });
            }
            Direction::In => {
                self.stop(id, step);
                if !done && matches!(before, Decided::Wanted { .. }) {
                    step.after(Out::Close { id, keep });
                }
            }
        }
        self.forget_old(step);
    }

    /// No more transfers that have ended are remembered than can be shown.
    fn forget_old(&mut self, step: &mut Step) {
        let ended = || self.transfers.values().filter(|transfer| transfer.row.ended.is_some());
        let excess = ended().count().saturating_sub(MAX_ENDED_TRANSFERS);
        if excess == 0 {
            return;
        }
        let mut oldest: Vec<_> = ended().map(|transfer| (transfer.row.ended, transfer.row.id)).collect();
        oldest.sort_unstable();
        for (_, id) in oldest.into_iter().take(excess) {
            self.transfers.remove(&id);
            step.written.remove(&id);
            step.changes.push(Change::RemoveTransfer { account: self.account, id });
            step.publish(Event::Forgotten { id });
        }
    }

    fn command(&mut self, call: CallId, command: Command, step: &mut Step) {
        let result = match command {
            Command::Offer { to, offer, what, holders } => self.offer(to, offer, what, holders, step),
            Command::Withdraw { id } => self.withdraw(id, step),
            Command::Accept { id, folder } => self.accept(id, folder, step),
            Command::Decline { id } => self.decline(id, step),
            Command::Pause { id } => self.pause(id, true, step),
            Command::Resume { id } => self.pause(id, false, step),
            Command::Cancel { id } => self.decline(id, step),
            Command::Retry { id } => self.retry(id, step),
            Command::List => Ok(Wanted::Reply(self.list(step.now))),
            Command::SetAuto { peer, max_bytes } => self.set_auto(peer, max_bytes, step),
            Command::SetRates { rates } => self.set_rates(rates, step),
            Command::Settings => Ok(Wanted::Reply(self.settings())),
        };
        step.reply(call, result);
    }

    fn list(&self, now: Now) -> Reply {
        let mut views: Vec<TransferView> = self
            .transfers
            .values()
            .map(|transfer| transfer.view(now.mono, self.reachable(transfer)))
            .collect();
        views.sort_by_key(|view| std::cmp::Reverse((view.since, view.id)));
        Reply::Transfers(views)
    }

    fn settings(&self) -> Reply {
        let auto = self.auto.iter().map(|(peer, max_bytes)| (*peer, *max_bytes)).collect();
        Reply::Settings { auto, rates: self.rates }
    }

    fn set_auto(
        &mut self,
        peer: NodeId,
        max_bytes: Option<u64>,
        step: &mut Step,
    ) -> Result<Wanted, CommandError> {
        let account = self.account;
        if let Some(max_bytes) = max_bytes {
            if peer == account {
                return Err(CommandError::Yourself);
            }
            if self.auto.len() >= MAX_CONTACTS && !self.auto.contains_key(&peer) {
                return Err(CommandError::TooManyRules);
            }
            self.auto.insert(peer, max_bytes);
            step.changes.push(Change::PutAuto(AutoRow { account, peer, max_bytes }));
        } else if self.auto.remove(&peer).is_some() {
            step.changes.push(Change::RemoveAuto { account, peer });
        }
        Ok(Wanted::Reply(self.settings()))
    }

    fn set_rates(&mut self, rates: Rates, step: &mut Step) -> Result<Wanted, CommandError> {
        if rates.down == Some(0) || rates.up == Some(0) {
            return Err(CommandError::BadRate);
        }
        self.rates = rates;
        step.changes.push(Change::PutRates(RatesRow { account: self.account, rates }));
        step.after(Out::Limits { rates });
        Ok(Wanted::Reply(self.settings()))
    }

    /// Ends what has run out, unless bytes flow. At the beginning of a life and every now and then.
    fn keep_house(&mut self, step: &mut Step) {
        self.house_at = step.now.mono.after(HOUSEKEEPING);
        let ids: Vec<TransferId> = self.transfers.keys().copied().collect();
        for id in ids {
            self.expire(id, step);
        }
    }

    /// Ends an offer that has run out. What is being transferred may go on until it stops.
    pub(super) fn expire(&mut self, id: TransferId, step: &mut Step) {
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        if transfer.row.expires > step.now.unix {
            return;
        }
        if !transfer.row.decided.is_open() {
            // Nobody waits to be told about what has run out anyway.
            if transfer.row.owed.take().is_some() {
                step.write(id);
            }
        } else if transfer.live.is_none() && transfer.served == 0 {
            self.end(id, Decided::Expired, step);
        }
    }

    /// Nothing more goes on with somebody.
    fn parted(&mut self, peer: NodeId, step: &mut Step) {
        if self.auto.remove(&peer).is_some() {
            step.changes.push(Change::RemoveAuto { account: self.account, peer });
        }
        let with_them: Vec<TransferId> =
            self.transfers.keys().filter(|id| id.peer == peer).copied().collect();
        for id in with_them {
            let Some(transfer) = self.transfers.get_mut(&id) else { continue };
            if transfer.row.owed.take().is_some() {
                step.write(id);
            }
            let decided = match transfer.row.decided {
                Decided::Unsent => Decided::Withdrawn,
                Decided::Offered if id.direction == Direction::Out => Decided::Withdrawn,
                Decided::Offered => Decided::Declined,
                Decided::Wanted { .. } => Decided::Cancelled,
                _ => continue,
            };
            self.end(id, decided, step);
        }
    }

    /// Writes what changed, tells those who look, hands everything over.
    fn finish(&mut self, mut step: Step, out: &mut Vec<Out>) {
        for id in std::mem::take(&mut step.written) {
            if let Some(transfer) = self.transfers.get(&id) {
                step.changes.push(Change::PutTransfer(Box::new(transfer.row.clone())));
            }
        }
        let now = step.now.mono;
        for id in std::mem::take(&mut step.touched) {
            let Some(transfer) = self.transfers.get(&id) else { continue };
            let view = transfer.view(now, self.reachable(transfer));
            let news = transfer.shown.as_ref().is_none_or(|(state, at)| {
                if state.same_but_bytes(&view.state) {
                    *state != view.state && now.since(*at) >= PROGRESS_EVERY
                } else {
                    *state != view.state
                }
            });
            if news && let Some(transfer) = self.transfers.get_mut(&id) {
                transfer.shown = Some((view.state.clone(), now));
                step.publish(Event::Transfer(Box::new(view)));
            }
        }
        let look = |id: TransferId| {
            let transfer = self.transfers.get(&id)?;
            Some(Reply::Transfer(Box::new(transfer.view(now, self.reachable(transfer)))))
        };
        step.finish(look, out);
    }
}

impl Machine for Files {
    type In = In;
    type Out = Out;

    fn handle(&mut self, now: Now, input: In, out: &mut Vec<Out>) {
        let mut step = Step::new(now);
        // These come many times a second, and nothing is decided by them: not everything is looked at.
        let mut looks = !matches!(input, In::Progress { .. } | In::Sent { .. });
        if !self.begun {
            looks = true;
            self.begun = true;
            step.after(Out::Reset { account: self.account });
            step.after(Out::Limits { rates: self.rates });
            self.keep_house(&mut step);
        }
        match input {
            In::Tick => {}
            In::Call { call, command } => self.command(call, command, &mut step),
            In::PeerUp { node } => self.peer_up(node, &mut step),
            In::PeerDown { node } => self.peer_down(node, &mut step),
            In::NetworkChanged => self.network_changed(),
            In::Parted { peer } => self.parted(peer, &mut step),
            In::Offered { from, offer } => self.offered(from, offer, &mut step),
            In::OfferSent { to, offer, result } => self.offer_sent(to, offer, result, &mut step),
            In::Opened { id, part, result } => self.opened(id, part, result, &mut step),
            In::Progress { pull, bytes } => self.progress(pull, bytes, &mut step),
            In::PullEnded { pull, missing, result } => self.pull_ended(pull, missing, result, &mut step),
            In::Finished { id, result } => self.finished(id, result, &mut step),
            In::Asked { from, token, pull } => self.asked(from, token, &pull, &mut step),
            In::Sent { token, bytes } => self.sent(token, bytes, &mut step),
            In::Served { token, result } => self.served(token, result, &mut step),
            In::Heard { from, token, offer, word } => self.heard(from, token, offer, word, &mut step),
            In::Told { id, word, result } => self.told(id, word, &result, &mut step),
        }
        if self.house_at <= now.mono {
            looks = true;
            self.keep_house(&mut step);
        }
        if looks || self.due.is_some_and(|at| at <= now.mono) {
            self.run(&mut step);
        }
        self.finish(step, out);
    }

    fn next_deadline(&self) -> Option<Mono> {
        if !self.begun {
            return Some(Mono(0));
        }
        self.due.into_iter().chain([self.house_at]).min()
    }

    fn status(&self) -> Status {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let all =
            |test: fn(&Transfer) -> bool| count(self.transfers.values().filter(|one| test(one)).count());
        let full = all(|one| one.room_at.is_some() && one.row.decided.is_open());
        let mut concerns = Vec::new();
        if full > 0 {
            concerns.push(format!("{full} file transfers wait for room on the disk"));
        }
        Status {
            figures: vec![
                ("transfers open", all(|one| one.row.decided.is_open())),
                ("receiving now", all(|one| one.live.is_some())),
                ("sending now", all(|one| one.served > 0)),
                ("questions under way", count(self.pulls.len())),
            ],
            concerns,
        }
    }
}
