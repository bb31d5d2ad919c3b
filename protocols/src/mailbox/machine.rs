//! The mailbox machine itself: its state, and who handles what.
//!
//! Each input goes to the part that owns it: requests of peers to `serve`, parcels to `depositor`, our own mailboxes to `owner`, comparing with other holders
//! to `reconcile`, pinned holders to `pins`, those we are one for to `served`. Every question to network or disk is remembered in `pending`, see `questions`.
//!
//! Survives restart: held envelopes, what was taken, parcels, pins, whom we serve. Lost on restart: walks, rounds, visits, subscriptions, whom we are connected with.

use super::{
    Change, Command, CommandError, In, MailboxView, Out, Reply,
    closest::{self, Purpose, Walks},
    holder::{Holder, Source},
    keys::MailboxKeys,
    known_passes::KnownPasses,
    own::Own,
    parcels::Parcels,
    pins::Pins,
    questions::{Pending, Questions},
    reconcile::Reconcile,
    rows::Snapshot,
    serve::Subscriptions,
    served::Served,
    status::Counters,
    tombstones::Tombstones,
};
use crate::{
    crypto::sign::Signer,
    id::{MailboxAddress, NodeId},
    level::Level,
    machine::{CallId, Component, Machine, OpIds, Status},
    net::{NetCommand, Peer},
    time::{Mono, Now},
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How often it is looked for what has ended, at most and at least.
const SWEEP_MIN: Duration = Duration::from_secs(1);
const SWEEP_MAX: Duration = Duration::from_secs(600);

/// The mailbox machine. See the [module](super) for what goes in and out.
#[derive(Debug)]
pub struct Mailbox {
    pub(super) keys: MailboxKeys,
    pub(super) signer: Signer,
    pub(super) level: Level,
    pub(super) share_bytes: u64,
    pub(super) rng: ChaCha20Rng,
    pub(super) connected: BTreeSet<NodeId>,
    pub(super) walks: Walks,
    pub(super) holder: Holder,
    pub(super) passes: KnownPasses,
    pub(super) tombstones: Tombstones,
    pub(super) subscriptions: Subscriptions,
    /// Pages being read, for whom.
    pub(super) reads: BTreeMap<NodeId, usize>,
    pub(super) parcels: Parcels,
    pub(super) own: Own,
    pub(super) reconcile: Reconcile,
    pub(super) pins: Pins,
    pub(super) served: Served,
    pub(super) counters: Counters,
    pub(super) ids: OpIds,
    pub(super) pending: Questions,
    damaged: Vec<Change>,
    sweep: Option<Mono>,
    started: bool,
}

impl Mailbox {
    /// Starts from what is stored. `keys` are those of the account's mailboxes, `signer` is the node, `share_bytes` is the disk lent to envelopes of others,
    /// `generation` counts the lives of this machine. It works at level 2 until it is told another.
    #[must_use]
    pub fn new(
        keys: MailboxKeys,
        signer: Signer,
        share_bytes: u64,
        snapshot: Snapshot,
        generation: u32,
        mut rng: ChaCha20Rng,
        now: Now,
    ) -> Self {
        let holder = Holder::new(snapshot.held);
        let (tombstones, damaged) = Tombstones::new(snapshot.tombstones);
        let parcels = Parcels::new(snapshot.parcels, now, &mut rng);
        let reconcile = Reconcile::new(&holder.mailboxes(), now.mono, &mut rng);
        let pins = Pins::new(snapshot.pins, now.mono);
        let own = Own::new(&keys, &signer, now, !pins.is_empty());
        Self {
            keys,
            signer,
            level: Level::Participant,
            share_bytes,
            rng,
            connected: BTreeSet::new(),
            walks: Walks::default(),
            holder,
            passes: KnownPasses::default(),
            tombstones,
            subscriptions: Subscriptions::default(),
            reads: BTreeMap::new(),
            parcels,
            own,
            reconcile,
            pins,
            served: Served::new(snapshot.served),
            counters: Counters::default(),
            ids: OpIds::new(Component::Mailbox, generation),
            pending: BTreeMap::new(),
            damaged,
            sweep: Some(now.mono),
            started: false,
        }
    }
}

impl Machine for Mailbox {
    type In = In;
    type Out = Out;

    fn handle(&mut self, now: Now, input: In, out: &mut Vec<Out>) {
        if !self.started {
            self.started = true;
            let changes = std::mem::take(&mut self.damaged);
            if !changes.is_empty() {
                out.push(Out::Persist { changes, then: Vec::new() });
            }
            out.push(self.pins_told());
        }
        match input {
            In::Tick => {}
            In::Call { call, command } => self.command(now, call, command, out),
            In::PeerRequest { from, prefix, token, payload } => {
                self.serve(now, Source { node: from, prefix }, token, &payload, out);
            }
            In::PeerResponse { op, result } => {
                if let Some(what) = self.answered(op) {
                    self.response(now, what, result, out);
                }
            }
            In::Closest { op, peers } => {
                if let Some(Pending::Walk { address }) = self.answered(op) {
                    self.walked(now, address, &peers, out);
                }
            }
            In::PeerUp { node } => self.peer_up(now, node),
            In::PeerDown { node } => {
                self.connected.remove(&node);
                self.reconcile.left(node);
            }
            In::NetworkChanged => self.hurry(now, true),
            In::Level { level, share_bytes } => self.set_level(now, level, share_bytes),
            In::Deposit { parcel } => self.deposit(now, parcel, out),
            In::Withdraw { account, id } => self.withdraw((account, id), out),
            In::Taken { envelope } => self.taken(now, envelope, out),
            In::Loaded { op, deposits } => {
                if let Some(what) = self.answered(op) {
                    self.loaded(now, what, deposits, out);
                }
            }
            In::Located { op, addresses } => {
                if let Some(Pending::Located { node }) = self.answered(op) {
                    self.located(now, node, addresses, out);
                }
            }
            In::Solved { op, nonce } => {
                if let Some(Pending::Puzzle { key }) = self.answered(op) {
                    self.solved(now, key, Some(nonce), out);
                }
            }
        }
        self.run(now, out);
    }

    fn next_deadline(&self) -> Option<Mono> {
        let due = [self.sweep, self.own.acks_due(), self.reconcile.queue_due()];
        let connected = [self.parcels.due(), self.own.due(), self.reconcile.due(), self.pins.due()];
        // Without a connection nothing begins: the first one wakes us.
        let connected = connected.into_iter().filter(|_| !self.connected.is_empty());
        due.into_iter().chain(connected).flatten().min()
    }

    fn status(&self) -> Status {
        self.report()
    }
}

impl Mailbox {
    /// Does what is due. Runs after every input, so that what an input made due happens in the same step.
    fn run(&mut self, now: Now, out: &mut Vec<Out>) {
        self.own.turn_week(&self.keys, &self.signer, now);
        if !self.connected.is_empty() {
            self.begin_rounds(now, out);
            self.begin_visits(now, out);
            self.begin_comparing(now, out);
            self.state_pins(now, out);
        }
        self.carry(now, out);
        self.send_acks(now, out);
        if self.sweep.is_some_and(|sweep| sweep <= now.mono) {
            self.sweep(now, out);
        }
    }

    fn sweep(&mut self, now: Now, out: &mut Vec<Out>) {
        let mut changes = self.holder.expire(now.unix);
        changes.extend(self.tombstones.expire(now.unix));
        changes.extend(self.served.expire(now.unix));
        if !changes.is_empty() {
            out.push(Out::Persist { changes, then: Vec::new() });
        }
        self.subscriptions.expire(now.mono);
        self.forget_lost(now, out);
        let ends = self.holder.next_end().into_iter().chain(self.tombstones.next_end());
        let wait = ends.map(|end| end.since(now.unix)).min().unwrap_or(SWEEP_MAX);
        self.sweep = Some(now.mono.after(wait.clamp(SWEEP_MIN, SWEEP_MAX)));
    }

    /// The nodes that hold a mailbox, if that is known freshly enough. Otherwise they are looked for, and whoever asked hears of it in [`Self::walked`].
    pub(super) fn holders_of(
        &mut self,
        now: Mono,
        address: MailboxAddress,
        (purpose, fresh): (Purpose, Duration),
        except: Option<NodeId>,
        out: &mut Vec<Out>,
    ) -> Option<Vec<NodeId>> {
        if let Some(candidates) = self.walks.known(&address, now, fresh) {
            return Some(closest::holders(candidates, except));
        }
        if self.walks.wait(address, purpose) {
            let op = self.ask(now, Pending::Walk { address });
            out.push(Out::Net(NetCommand::FindClosest { op, key: closest::key_of(address) }));
        }
        None
    }

    pub(super) fn walked(&mut self, now: Now, address: MailboxAddress, peers: &[Peer], out: &mut Vec<Out>) {
        let candidates = closest::candidates(peers, &self.connected, self.signer.node(), address);
        let waiting = self.walks.ended(address, now.mono, candidates.clone());
        for purpose in waiting {
            match purpose {
                Purpose::Deposit => self.rounds_walked(now, address, &candidates, out),
                Purpose::Fetch => self.visit_walked(now, address, &candidates, out),
                Purpose::Reconcile => self.compare(now, address, &candidates, out),
            }
        }
    }

    fn command(&mut self, now: Now, call: CallId, command: Command, out: &mut Vec<Out>) {
        let mut then = Vec::new();
        let changed = match command {
            Command::Show => Ok(Vec::new()),
            Command::Fetch => {
                let result = if self.connected.is_empty() {
                    Err(CommandError::Alone)
                } else {
                    self.own.look_now(now.mono);
                    self.pins.hurry(now.mono);
                    Ok(Reply::Done)
                };
                return out.push(Out::Reply { call, result });
            }
            Command::Pin { holder } => self.pin(now, holder),
            Command::Unpin { holder } => self.unpin(now, holder, &mut then),
            Command::Serve { node } => self.serve_for(now, node),
            Command::StopServing { node } => self.stop_serving(node),
        };
        let pinning = matches!(command, Command::Pin { .. } | Command::Unpin { .. });
        match changed {
            Ok(_) if command == Command::Show => {
                out.push(Out::Reply { call, result: Ok(self.shown(now)) });
            }
            // Also without changes: an earlier one may still be on its way to the disk.
            Ok(changes) => {
                then.push(Out::Reply { call, result: Ok(self.shown(now)) });
                then.extend(pinning.then(|| self.pins_told()));
                out.push(Out::Persist { changes, then });
            }
            Err(refusal) => out.push(Out::Reply { call, result: Err(refusal) }),
        }
    }

    fn shown(&self, now: Now) -> Reply {
        Reply::Shown(Box::new(self.view(now)))
    }

    fn view(&self, now: Now) -> MailboxView {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        MailboxView {
            held: count(self.holder.len()),
            held_mailboxes: count(self.holder.mailbox_count()),
            held_bytes: self.holder.bytes(),
            share_bytes: self.share(),
            parcels: count(self.parcels.len()),
            stored: count(self.parcels.stored(now.unix)),
            holders: self.own.holders(),
            fetched: self.own.looked(),
            pins: self.pinned(),
            serving: self.serving(),
        }
    }

    fn peer_up(&mut self, now: Now, node: NodeId) {
        let first = self.connected.is_empty();
        if !self.connected.insert(node) {
            return;
        }
        if first {
            self.hurry(now, false);
        }
        self.pinned_came(now, node);
        self.welcome(now.mono, node);
    }

    /// Tries everything at once that waits. `all`: also looks into our mailboxes again, as in a new network.
    fn hurry(&mut self, now: Now, all: bool) {
        self.parcels.hurry(now);
        self.pins.hurry(now.mono);
        if all {
            self.walks.doubt_all();
            self.own.look_now(now.mono);
        } else {
            self.own.hurry(now.mono);
        }
    }

    fn set_level(&mut self, now: Now, level: Level, share_bytes: u64) {
        let leaves = self.level.keeps() && !level.keeps();
        self.level = level;
        self.share_bytes = share_bytes;
        if leaves {
            // Best effort: what is held here is offered to those who come after us; until it ends, it is served from here as well.
            self.reconcile.all_now(now.mono);
        }
    }

    /// The bytes lent to envelopes of others.
    pub(super) const fn share(&self) -> u64 {
        if self.level.keeps() { self.share_bytes } else { 0 }
    }

    /// Counts misbehaviour of an authenticated peer.
    pub(super) fn blame(&mut self, node: NodeId, reason: &'static str, out: &mut Vec<Out>) {
        self.counters.misbehaved = self.counters.misbehaved.saturating_add(1);
        out.push(Out::Net(NetCommand::Penalise { node, reason }));
    }
}

/// Between half and all of a time, at random: so that nodes do not do things in the same second.
pub(super) fn jittered(time: Duration, rng: &mut ChaCha20Rng) -> Duration {
    let half = time / 2;
    half.saturating_add(random_below(half, rng))
}

/// A random time below `longest`.
pub(super) fn random_below(longest: Duration, rng: &mut ChaCha20Rng) -> Duration {
    longest.saturating_mul(rng.next_u32() % 1_000) / 1_000
}

/// A wait that doubles with each failure, jittered.
pub(super) fn backoff(min: Duration, max: Duration, failures: u32, rng: &mut ChaCha20Rng) -> Duration {
    let doubled = min.saturating_mul(1u32.checked_shl(failures.min(20)).unwrap_or(u32::MAX));
    jittered(doubled.min(max), rng)
}
