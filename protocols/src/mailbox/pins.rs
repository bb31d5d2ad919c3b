//! The nodes that the owner pinned: they keep our mailboxes longer, if they agree, and contacts bring envelopes there, too.
//!
//! In: the owner's word, answers of those nodes, time. Out: statements to them (which mailboxes are ours), what each answered, and to the messenger whom to
//! name in passes. A statement goes out at once, again after each new week and every few hours, and with backoff while it is refused or not answered: the
//! other side may allow it any minute. A pinned node that cannot be reached is looked for by its card, at a bounded rate.
//!
//! Survives restart: which nodes, and what each last answered. Not here: the statement's form ([`super::pin`]), the other side ([`super::served`]).

use super::{
    CommandError, Out, PinView,
    machine::{Mailbox, backoff, jittered},
    pin::{self, PinAsk, PinnedMailbox},
    questions::Pending,
    rows::{Change, PinRow, PinState},
    wire::Answer,
};
use crate::{
    crypto::sign::Signer,
    id::NodeId,
    limits,
    net::{Address, NetCommand, Peer},
    time::{Mono, Now, UnixMillis},
};
use std::{collections::BTreeMap, time::Duration};

/// First and longest wait after a statement that was refused or not answered.
const RETRY_MIN: Duration = Duration::from_secs(10);
const RETRY_MAX: Duration = Duration::from_secs(600);

/// A pinned node, ours or of somebody we write to, is looked for or hurried for once in this time.
const LOOKED_FOR_ONCE_IN: Duration = Duration::from_secs(600);

/// Nodes whose last search is remembered; with more, none is looked for until some are forgotten.
const MAX_LOOKED_FOR: usize = 1_024;

#[derive(Debug)]
struct Pin {
    since: UnixMillis,
    state: PinState,
    answered: Option<UnixMillis>,
    due: Mono,
    asking: bool,
    failures: u32,
}

/// All of them, and which pinned nodes were looked for lately.
#[derive(Debug, Default)]
pub(super) struct Pins {
    all: BTreeMap<NodeId, Pin>,
    /// The week that was last stated.
    week: u32,
    looked_for: BTreeMap<NodeId, Mono>,
    came: BTreeMap<NodeId, Mono>,
}

impl Pins {
    /// Those on disk: each is told again which mailboxes are ours.
    pub(super) fn new(rows: Vec<PinRow>, now: Mono) -> Self {
        let pin = |row: PinRow| {
            let PinRow { holder, since, state, answered, .. } = row;
            (holder, Pin { since, state, answered, due: now, asking: false, failures: 0 })
        };
        Self { all: rows.into_iter().map(pin).collect(), ..Self::default() }
    }

    /// Which nodes.
    pub(super) fn nodes(&self) -> Vec<NodeId> {
        self.all.keys().copied().collect()
    }

    pub(super) fn contains(&self, node: &NodeId) -> bool {
        self.all.contains_key(node)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// When the next statement is due.
    pub(super) fn due(&self) -> Option<Mono> {
        self.all.values().filter(|pin| !pin.asking).map(|pin| pin.due).min()
    }

    /// All are told at once.
    pub(super) fn hurry(&mut self, now: Mono) {
        for pin in self.all.values_mut() {
            pin.due = pin.due.min(now);
        }
    }

    /// A pinned node of ours answered something.
    pub(super) fn heard_of(&mut self, node: &NodeId, now: UnixMillis) {
        if let Some(pin) = self.all.get_mut(node) {
            pin.answered = Some(now);
        }
    }

    fn row(&self, account: NodeId, holder: NodeId) -> Option<PinRow> {
        let Pin { since, state, answered, .. } = self.all.get(&holder)?;
        Some(PinRow { account, holder, since: *since, state: *state, answered: *answered })
    }
}

/// Whether something may be done for a node again, where it is done for each once in a while.
fn may(done: &mut BTreeMap<NodeId, Mono>, node: NodeId, now: Mono) -> bool {
    done.retain(|_, at| now.since(*at) < LOOKED_FOR_ONCE_IN);
    let may = done.len() < MAX_LOOKED_FOR && !done.contains_key(&node);
    if may {
        done.insert(node, now);
    }
    may
}

impl Mailbox {
    /// The owner pins a node, at most [`limits::MAX_PINS`]. One that is pinned already is told again at once.
    pub(super) fn pin(&mut self, now: Now, holder: NodeId) -> Result<Vec<Change>, CommandError> {
        if holder == self.signer.node() {
            return Err(CommandError::Yourself);
        }
        if let Some(pin) = self.pins.all.get_mut(&holder) {
            pin.due = now.mono;
            return Ok(Vec::new());
        }
        if self.pins.all.len() >= limits::MAX_PINS {
            return Err(CommandError::TooManyPins);
        }
        let (since, state) = (now.unix, PinState::NotReached);
        let pin = Pin { since, state, answered: None, due: now.mono, asking: false, failures: 0 };
        self.pins.all.insert(holder, pin);
        self.look_longer(now);
        Ok(self.pins.row(self.signer.node(), holder).map(Change::PutPin).into_iter().collect())
    }

    /// The owner unpins a node, which is told so if it can be reached now; otherwise what it was last told runs out.
    pub(super) fn unpin(
        &mut self,
        now: Now,
        holder: NodeId,
        then: &mut Vec<Out>,
    ) -> Result<Vec<Change>, CommandError> {
        let pin = self.pins.all.remove(&holder).ok_or(CommandError::NotPinned)?;
        self.look_longer(now);
        if pin.state != PinState::NotReached {
            let account = self.signer.node();
            let nothing = PinAsk { account, holder, mailboxes: Vec::new(), time: now.unix };
            let request = nothing.sign(&self.signer, &[]);
            self.request(now.mono, holder, &request, Pending::Unpinned { holder }, then);
        }
        Ok(vec![Change::RemovePin { account: self.signer.node(), holder }])
    }

    /// Which mailboxes are looked into follows from whether any node keeps them longer.
    fn look_longer(&mut self, now: Now) {
        self.own.look_longer(&self.keys, &self.signer, now, !self.pins.is_empty());
    }

    /// The messenger is to name these nodes in passes.
    pub(super) fn pins_told(&self) -> Out {
        Out::Pins { account: self.signer.node(), nodes: self.pins.nodes() }
    }

    /// Tells pinned nodes which mailboxes are ours, where that is due.
    pub(super) fn state_pins(&mut self, now: Now, out: &mut Vec<Out>) {
        if self.pins.week != self.own.week {
            self.pins.week = self.own.week;
            self.pins.hurry(now.mono);
        }
        let due = |(node, pin): (&NodeId, &Pin)| (!pin.asking && pin.due <= now.mono).then_some(*node);
        let due: Vec<NodeId> = self.pins.all.iter().filter_map(due).collect();
        if due.is_empty() {
            return;
        }
        let mut mailboxes = Vec::new();
        let mut owners: Vec<Signer> = Vec::new();
        for week in pin::weeks_named(now.unix) {
            let owner = self.keys.owner(week);
            mailboxes.push(PinnedMailbox { week, mailbox: *owner.node().as_bytes() });
            owners.push(owner);
        }
        for holder in due {
            if let Some(pin) = self.pins.all.get_mut(&holder) {
                pin.asking = true;
            }
            let account = self.signer.node();
            let ask = PinAsk { account, holder, mailboxes: mailboxes.clone(), time: now.unix };
            let request = ask.sign(&self.signer, &owners);
            self.request(now.mono, holder, &request, Pending::Pinned { holder }, out);
        }
    }

    /// What a pinned node says to it, if anything.
    pub(super) fn pin_answered(
        &mut self,
        now: Now,
        holder: NodeId,
        answer: Option<Answer>,
        out: &mut Vec<Out>,
    ) {
        let Some(pin) = self.pins.all.get_mut(&holder) else { return };
        pin.asking = false;
        let state = match answer {
            Some(Answer::Pinned) => PinState::Accepted,
            Some(Answer::Refused { reason }) => PinState::Refused { reason },
            None => {
                self.pin_failed(now, holder);
                return self.locate(now.mono, holder, out);
            }
            Some(
                Answer::Receipt { .. }
                | Answer::Taken { .. }
                | Answer::Page { .. }
                | Answer::Acked
                | Answer::Want { .. }
                | Answer::Heard,
            ) => {
                self.blame(holder, "answered a pin with something else", out);
                return self.pin_failed(now, holder);
            }
        };
        let changed = pin.state != state;
        pin.state = state;
        pin.answered = Some(now.unix);
        if state == PinState::Accepted {
            pin.failures = 0;
            pin.due = now.mono.after(jittered(limits::PIN_EVERY, &mut self.rng));
        } else {
            self.pin_failed(now, holder);
        }
        let changes: Vec<Change> =
            self.pins.row(self.signer.node(), holder).map(Change::PutPin).into_iter().collect();
        let then = changed.then_some(Out::Changed).into_iter().collect();
        out.push(Out::Persist { changes, then });
    }

    fn pin_failed(&mut self, now: Now, holder: NodeId) {
        let Some(pin) = self.pins.all.get_mut(&holder) else { return };
        pin.due = now.mono.after(backoff(RETRY_MIN, RETRY_MAX, pin.failures, &mut self.rng));
        pin.failures = pin.failures.saturating_add(1);
    }

    /// A pinned node could not be reached: its card may say where it is by now.
    pub(super) fn locate(&mut self, now: Mono, node: NodeId, out: &mut Vec<Out>) {
        if !self.connected.contains(&node) && may(&mut self.pins.looked_for, node, now) {
            let op = self.ask(now, Pending::Located { node });
            out.push(Out::Locate { op, node });
        }
    }

    /// Where a pinned node is; nothing when that was not found.
    pub(super) fn located(&mut self, now: Now, node: NodeId, addresses: Vec<Address>, out: &mut Vec<Out>) {
        if addresses.is_empty() {
            return;
        }
        out.push(Out::Net(NetCommand::Learn { peer: Peer { node, addresses } }));
        self.hurry_for(now, node);
    }

    /// A pinned node is connected: what waits for it goes at once, unless it comes and goes all the time.
    pub(super) fn pinned_came(&mut self, now: Now, node: NodeId) {
        let wanted = self.pins.contains(&node) || self.parcels.wants(&node, now.unix);
        if wanted && may(&mut self.pins.came, node, now.mono) {
            self.hurry_for(now, node);
        }
    }

    fn hurry_for(&mut self, now: Now, node: NodeId) {
        self.parcels.hurry_for(&node, now);
        if let Some(pin) = self.pins.all.get_mut(&node) {
            pin.due = pin.due.min(now.mono);
            self.own.hurry_old(now.mono);
        }
    }

    /// Pinned nodes, as their owner sees them.
    pub(super) fn pinned(&self) -> Vec<PinView> {
        let view = |(node, pin): (&NodeId, &Pin)| PinView {
            holder: *node,
            since: pin.since,
            state: pin.state,
            answered: pin.answered,
        };
        self.pins.all.iter().map(view).collect()
    }
}
