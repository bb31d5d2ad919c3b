//! Whose turn it is, and who is asked next: looked at after every input.
//!
//! At most [`MAX_TRANSFERS`] are received at once, [`MAX_TRANSFERS_PER_PEER`] of one person. The next is one of the person of whom the fewest are under way;
//! among these of the one whose turn was longest ago; of this person's, the one wanted first. Of two with the same blob one waits for the other, which
//! then costs nothing. A transfer that nobody can be asked for gives its place back.
//!
//! Not here: what an answer means ([`super::incoming`]).

use super::{
    Fault, Out, Part,
    incoming::try_at_once,
    machine::{Files, Transfer},
    pull::{Live, Phase},
    rows::{Decided, Direction, TransferId},
    step::Step,
};
use crate::{
    id::NodeId,
    limits::{
        MAX_TRANSFERS, MAX_TRANSFERS_PER_PEER, PLANE_PATIENCE, PULL_PATIENCE, PULL_STALL, PULLS_PER_HOLDER,
        QUESTION_PATIENCE,
    },
    time::Mono,
};
use std::{collections::BTreeMap, time::Duration};

/// A place is kept while its holders rest for no longer than this: closing and opening again would take as long.
const SHORT_REST: Duration = Duration::from_secs(5);

impl Transfer {
    fn wanted_now(&self) -> bool {
        matches!(self.row.decided, Decided::Wanted { paused: false })
    }

    /// Waits for nothing of its own.
    fn rested(&self, now: Mono) -> bool {
        self.room_at.is_none_or(|at| at <= now) && self.rest_until.is_none_or(|at| at <= now)
    }

    /// Nothing keeps it back but that others are before it, here or at the other side.
    pub(super) fn only_waits_for_its_turn(&self, now: Mono) -> bool {
        let fresh = self.holders.is_empty();
        fresh || self.holders.values().any(|one| one.gone.is_none() && (one.busy || one.ready(now)))
    }
}

impl Files {
    /// Does what is due.
    pub(super) fn run(&mut self, step: &mut Step) {
        let live = self.transfers.values().filter(|transfer| transfer.live.is_some());
        for id in live.map(|transfer| transfer.row.id).collect::<Vec<_>>() {
            self.watch(id, step);
            self.advance(id, step);
        }
        while let Some(id) = self.next_in_line(step.now.mono) {
            self.start(id, step);
        }
        self.speak(step);
        self.looked = step.now.mono;
        self.due = self.next_due();
    }

    /// When something is due again.
    fn next_due(&self) -> Option<Mono> {
        let account = self.account;
        let of_one = |transfer: &Transfer| {
            let mut due: Vec<Mono> = Vec::new();
            if transfer.wanted_now() {
                due.extend(transfer.room_at.into_iter().chain(transfer.rest_until));
                let connected = |node: &NodeId| self.connected.contains(node);
                let havers = transfer.havers(account).into_iter().filter(connected);
                due.extend(havers.filter_map(|node| transfer.holders.get(&node)?.wait));
            }
            if let Some(live) = &transfer.live {
                match live.phase {
                    Phase::Opening { since } | Phase::Finishing { since } => {
                        due.push(since.after(PLANE_PATIENCE))
                    }
                    Phase::Pulling => {}
                }
                due.extend(
                    live.runs()
                        .map(|(_, run)| run.heard.after(PULL_STALL).min(run.since.after(PULL_PATIENCE))),
                );
            }
            let speaks = transfer.row.owed.is_some() && self.connected.contains(&transfer.row.id.peer);
            if speaks || transfer.row.decided == Decided::Unsent {
                due.extend(transfer.ask_at);
            }
            due.into_iter().filter(|at| *at > self.looked).min()
        };
        self.transfers.values().filter_map(of_one).min()
    }

    /// Whether somebody who has it is connected.
    pub(super) fn reachable(&self, transfer: &Transfer) -> bool {
        let gone = |node: &NodeId| transfer.holders.get(node).is_some_and(|one| one.gone.is_some());
        transfer.havers(self.account).iter().any(|node| self.connected.contains(node) && !gone(node))
    }

    /// Whom it can be asked of now.
    fn ready(&self, transfer: &Transfer, now: Mono) -> Vec<NodeId> {
        let ready = |node: &NodeId| {
            self.connected.contains(node) && transfer.holders.get(node).is_none_or(|one| one.ready(now))
        };
        transfer.havers(self.account).into_iter().filter(ready).collect()
    }

    /// The transfer whose turn it is, if there is room for one more.
    fn next_in_line(&self, now: Mono) -> Option<TransferId> {
        let live = || self.transfers.values().filter(|transfer| transfer.live.is_some());
        if live().count() >= MAX_TRANSFERS {
            return None;
        }
        let mut under_way: BTreeMap<NodeId, usize> = BTreeMap::new();
        for transfer in live() {
            let count = under_way.entry(transfer.row.id.peer).or_default();
            *count = count.saturating_add(1);
        }
        let count = |peer: NodeId| under_way.get(&peer).copied().unwrap_or(0);
        let blob = |transfer: &Transfer| transfer.row.offer.what.blob().0;
        let can = |transfer: &&Transfer| {
            transfer.live.is_none()
                && transfer.wanted_now()
                && transfer.rested(now)
                && count(transfer.row.id.peer) < MAX_TRANSFERS_PER_PEER
                && !self.ready(transfer, now).is_empty()
                && live().all(|other| blob(other) != blob(transfer))
        };
        let turn = |transfer: &Transfer| {
            let id = transfer.row.id;
            let last = self.turns.get(&id.peer).copied().unwrap_or(0);
            (count(id.peer), last, id.peer, transfer.row.order, id)
        };
        self.transfers.values().filter(can).map(turn).min().map(|(.., id)| id)
    }

    fn start(&mut self, id: TransferId, step: &mut Step) {
        let turn = self.turns.values().max().map_or(1, |last| last.saturating_add(1));
        self.turns.insert(id.peer, turn);
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        let live = Live::first(transfer, step.now.mono);
        let (part, what) = (live.part, transfer.row.offer.what.clone());
        transfer.live = Some(live);
        step.after(Out::Open { id, what, part });
        step.touch(id);
    }

    /// Gives up what takes too long.
    fn watch(&mut self, id: TransferId, step: &mut Step) {
        let now = step.now.mono;
        let Some(live) = self.transfers.get(&id).and_then(|transfer| transfer.live.as_ref()) else { return };
        if let Phase::Opening { since } | Phase::Finishing { since } = live.phase
            && now.since(since) >= PLANE_PATIENCE
        {
            return self.park(id, step);
        }
        let mut late: BTreeMap<NodeId, bool> = BTreeMap::new();
        for (_, run) in live.runs() {
            let stalled = now.since(run.heard) >= PULL_STALL;
            if stalled || now.since(run.since) >= PULL_PATIENCE {
                *late.entry(run.holder).or_default() |= stalled;
            }
        }
        for (holder, stalled) in late {
            self.stop_asking(id, holder, step);
            if stalled {
                step.after(Out::Report { id, holder, fault: Fault::Stalled });
            }
            if let Some(transfer) = self.transfers.get_mut(&id) {
                transfer.holders.entry(holder).or_default().slow();
            }
            self.rest(id, holder, false, now);
        }
    }

    /// Goes on with a transfer whose turn it is: asks holders, opens the next part, ends.
    fn advance(&mut self, id: TransferId, step: &mut Step) {
        let now = step.now.mono;
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        let Some(live) = &mut transfer.live else { return };
        if live.is_whole() {
            let what = transfer.row.offer.what.clone();
            if live.part == Part::Manifest {
                let part = Part::Members;
                *live = Live::opening(part, what.size().bytes(), now);
                step.after(Out::Open { id, what, part });
            } else {
                live.phase = Phase::Finishing { since: now };
                step.after(Out::Finish { id, what, folder: transfer.row.folder.clone() });
            }
            return step.touch(id);
        }
        if !live.wants() {
            return;
        }
        let ready = self.transfers.get(&id).map(|transfer| self.ready(transfer, now)).unwrap_or_default();
        // One question for each before the second for any.
        for round in 0..PULLS_PER_HOLDER {
            for holder in &ready {
                self.ask(id, *holder, round, step);
            }
        }
        let Some(transfer) = self.transfers.get(&id) else { return };
        if transfer.live.as_ref().is_some_and(|live| !live.flows() && live.wants()) {
            let soon = now.after(SHORT_REST);
            let rests_shortly = |node: NodeId| {
                let standing = transfer.holders.get(&node);
                self.connected.contains(&node) && standing.is_none_or(|one| one.ready(soon))
            };
            if !transfer.havers(self.account).into_iter().any(rests_shortly) {
                self.park(id, step);
            }
        }
    }

    /// Asks a holder for the next stretch, unless it was asked for more than `before` already.
    fn ask(&mut self, id: TransferId, holder: NodeId, before: usize, step: &mut Step) {
        let pull = self.next_pull();
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        let standing = transfer.holders.entry(holder).or_default();
        let Some(live) = transfer.live.as_mut().filter(|live| live.asked(holder) <= before) else { return };
        let part = live.part;
        let Some(groups) = live.ask(pull, holder, standing, step.now.mono) else { return };
        self.pulls.insert(pull, id);
        step.after(Out::StartPull { pull, id, part, holder, groups });
        step.touch(id);
    }

    /// A holder is not asked any more; what it was asked for is free for others.
    pub(super) fn stop_asking(&mut self, id: TransferId, holder: NodeId, step: &mut Step) {
        let Some(live) = self.transfers.get_mut(&id).and_then(|transfer| transfer.live.as_mut()) else {
            return;
        };
        let theirs: Vec<_> =
            live.runs().filter(|(_, run)| run.holder == holder).map(|(pull, _)| pull).collect();
        for pull in theirs {
            live.ended(pull, None, step.now.mono);
            self.pulls.remove(&pull);
            step.after(Out::StopPull { pull });
        }
    }

    /// Nothing is asked any more, and the place is free.
    pub(super) fn stop(&mut self, id: TransferId, step: &mut Step) {
        let Some(live) = self.transfers.get_mut(&id).and_then(|transfer| transfer.live.take()) else {
            return;
        };
        for (pull, _) in live.runs() {
            self.pulls.remove(&pull);
            step.after(Out::StopPull { pull });
        }
        if let Some(transfer) = self.transfers.get_mut(&id) {
            transfer.row.have = live.here().or(transfer.row.have);
        }
        step.touch(id);
    }

    /// It is another's turn; what has arrived stays.
    pub(super) fn park(&mut self, id: TransferId, step: &mut Step) {
        let live = self.transfers.get(&id).is_some_and(|transfer| transfer.live.is_some());
        if live {
            self.stop(id, step);
            step.after(Out::Close { id, keep: true });
        }
        step.touch(id);
    }

    pub(super) fn peer_up(&mut self, node: NodeId, step: &mut Step) {
        self.connected.insert(node);
        for transfer in self.transfers.values_mut() {
            if let Some(standing) = transfer.holders.get_mut(&node) {
                (standing.wait, standing.failures) = (None, 0);
            }
            if transfer.row.id.peer == node && transfer.row.owed.is_some() {
                transfer.ask_at = None;
            }
            touch_wanted(transfer, step);
        }
    }

    pub(super) fn peer_down(&mut self, node: NodeId, step: &mut Step) {
        // The data plane ends the questions it was asked.
        self.connected.remove(&node);
        for transfer in self.transfers.values() {
            touch_wanted(transfer, step);
        }
    }

    pub(super) fn network_changed(&mut self) {
        for transfer in self.transfers.values_mut() {
            // A full disk has nothing to do with it.
            let room_at = transfer.room_at;
            try_at_once(transfer);
            transfer.room_at = room_at;
        }
    }

    /// Has offers sent, and tells the other sides what they have still to be told.
    fn speak(&mut self, step: &mut Step) {
        let now = step.now.mono;
        for transfer in self.transfers.values_mut() {
            if transfer.ask_at.is_some_and(|at| at > now) {
                continue;
            }
            let row = &transfer.row;
            let out = match row.owed {
                _ if row.id.direction == Direction::Out && row.decided == Decided::Unsent => {
                    let offer = Box::new(row.offer.clone());
                    Out::SendOffer { account: self.account, to: row.id.peer, offer }
                }
                Some(word) if self.connected.contains(&row.id.peer) => Out::Tell { id: row.id, word },
                _ => continue,
            };
            transfer.ask_at = Some(now.after(QUESTION_PATIENCE));
            step.after_all(out);
        }
    }
}

fn touch_wanted(transfer: &Transfer, step: &mut Step) {
    if transfer.wanted_now() {
        step.touch(transfer.row.id);
    }
}
