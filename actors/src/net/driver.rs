//! The task that owns the Swarm.
//!
//! In: commands, events of the Swarm, a timer, the word to stop. Out: inputs to the machines, the routing table to be saved. It never waits for anything but
//! the next of these, so nothing that a machine or a peer does can hold it up.
//!
//! What it does for each is in `carrying`, `commands`, `dialling`, `events`, `exchange`, `reach`, `relay` and `upkeep`; the books it keeps are modules of their own without a socket in them.
//!
//! Lost on restart: everything but the routing table.

use super::{
    FileStream, NetConfig, NetEvent, NetStartError, Routes, ToDriver, address,
    behaviour::{Behaviour, Options},
    book::{AddressBook, Source},
    carrying::BulkSide,
    clock::SleepWatch,
    conduct::Conduct,
    dialling::Dial,
    inbound::Inbound,
    limits::{
        ASK_AGAIN, CLOSE_TIMEOUT, DRAIN_TIMEOUT, LINGER, LISTEN_SETTLES, MAX_BOOK, MAX_REDIALS, POOR_TABLE,
        RETRY_INTERVAL, UPKEEP_INTERVAL,
    },
    lookups::{Lookups, Neighbours},
    mapping::Reports,
    outbound::Outbound,
    outlet::Outlet,
    own::Observed,
    peers::Peers,
    places::Places,
    proofs::Proofs,
    redial::Redial,
    route::{Destination, destination},
    seats::Seats,
    table::Saver,
    transport,
    view::Counters,
};
use crate::meter::Meter;
use futures::StreamExt;
use libp2p::{Multiaddr, Swarm, request_response::ResponseChannel, swarm::SwarmEvent};
use pc2_protocols::{
    id::NodeId,
    net::{Address, Mapping, NetError, NetInput, Peer, Prefix},
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::{mpsc, oneshot};

/// Whether new things are begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    Draining,
}

/// The driver. Fields are shared among the files named in the head.
pub(super) struct Driver {
    pub(super) local: NodeId,
    pub(super) swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<ToDriver>,
    pub(super) record: Outlet,
    pub(super) message: Outlet,
    pub(super) mailbox: Outlet,
    pub(super) files: Outlet,
    pub(super) relay: Outlet,
    pub(super) observer: Arc<dyn Fn(NetEvent) + Send + Sync>,
    pub(super) routing_saved: Arc<dyn Fn(Vec<Peer>) + Send + Sync>,
    pub(super) meter: Arc<Meter>,
    /// When bytes of file streams were last added up.
    pub(super) tallied: Instant,
    pub(super) phase: Phase,

    pub(super) peers: Peers,
    /// Streams of files.
    pub(super) seats: Seats,
    pub(super) bulk: BulkSide,
    pub(super) dials: BTreeMap<NodeId, Dial>,
    pub(super) book: AddressBook,
    /// Contacts.
    pub(super) kept: Redial,
    /// Bootstrap nodes, of interest while the table is poor.
    pub(super) bootstrap: Redial,
    /// Nodes of the saved table not tried yet.
    pub(super) saved: VecDeque<NodeId>,

    pub(super) outbound: Outbound,
    pub(super) inbound: Inbound<ResponseChannel<Vec<u8>>>,
    /// When the last answer went into a connection.
    pub(super) answer_left: Option<Instant>,
    pub(super) lookups: Lookups,
    pub(super) conduct: Conduct,
    pub(super) shut_out: BTreeMap<NodeId, Instant>,

    pub(super) saver: Saver,
    pub(super) table_size: usize,
    pub(super) observed: Observed,
    /// Which public addresses of ours others reach.
    pub(super) proofs: Proofs,
    /// Peers that try to reach us when asked.
    pub(super) testers: BTreeMap<NodeId, Prefix>,
    /// Addresses that the router passes on to us.
    pub(super) mapped: BTreeSet<Multiaddr>,
    pub(super) reports: Reports,
    /// As last told.
    pub(super) mapping: Mapping,
    /// Connected peers that relay.
    pub(super) relays_seen: BTreeSet<NodeId>,
    /// Our places at relays.
    pub(super) places: Places,
    /// When to look whether relayed connections have been overtaken.
    pub(super) switch_due: Option<Instant>,
    pub(super) loopback: super::Loopback,
    pub(super) own: Vec<Address>,
    /// Where we listened when that was last looked at.
    pub(super) listening: BTreeSet<Multiaddr>,
    /// When to say that the network changed.
    pub(super) change_due: Option<Instant>,
    pub(super) upkeep_due: Instant,
    /// When to look whether peers are to be asked again to reach us.
    pub(super) ask_again_due: Instant,
    pub(super) watch: SleepWatch,
    pub(super) rng: ChaCha20Rng,
    pub(super) counters: Counters,
    listen: Vec<Address>,
}

impl Driver {
    /// Builds the Swarm; nothing listens yet. Needs to be inside a tokio runtime.
    pub(super) fn new(
        config: NetConfig,
        routes: Routes,
        commands: mpsc::Receiver<ToDriver>,
        arrivals: mpsc::Sender<FileStream>,
    ) -> Result<Self, NetStartError> {
        // On loopback there is nothing that a router could pass on.
        let far = |at: &Address| !address::is_loopback(at);
        let options = Options { mdns: config.mdns, upnp: config.upnp && config.listen.iter().any(far) };
        let now = Instant::now();
        let seats = Seats::new(now);
        let (doors, diverted) = BulkSide::doors();
        let streams = (seats.clone(), arrivals.clone());
        let (swarm, dialler) = transport::swarm(&config.secret, options, streams, doors.clone())?;
        let bulk = BulkSide::new((doors, diverted), arrivals, dialler);
        let local = address::node_id(swarm.local_peer_id()).expect("our key is Ed25519");
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| NetStartError::Setup { reason: error.to_string() })?;

        let mut book = AddressBook::new(MAX_BOOK);
        for peer in config.known.iter().chain(&config.bootstrap) {
            book.learn(peer, Source::Owner);
        }
        let not_us = |node: &NodeId| *node != local;
        let mut bootstrap = Redial::default();
        bootstrap.set(config.bootstrap.iter().map(|peer| peer.node).filter(not_us), now);
        Ok(Self {
            local,
            swarm,
            commands,
            record: Outlet::new(routes.record),
            message: Outlet::new(routes.message),
            mailbox: Outlet::new(routes.mailbox),
            files: Outlet::new(routes.files),
            relay: Outlet::new(routes.relay),
            observer: routes.observer,
            routing_saved: routes.routing_saved,
            meter: routes.meter,
            tallied: now,
            phase: Phase::Running,
            peers: Peers::default(),
            seats,
            bulk,
            dials: BTreeMap::new(),
            book,
            kept: Redial::default(),
            bootstrap,
            saved: config.known.iter().map(|peer| peer.node).filter(not_us).collect(),
            outbound: Outbound::default(),
            inbound: Inbound::new(),
            answer_left: None,
            lookups: Lookups::new(),
            conduct: Conduct::default(),
            shut_out: BTreeMap::new(),
            saver: Saver::new(config.known),
            table_size: 0,
            observed: Observed::default(),
            proofs: Proofs::default(),
            testers: BTreeMap::new(),
            mapped: BTreeSet::new(),
            reports: Reports::default(),
            mapping: Mapping::Unknown,
            relays_seen: BTreeSet::new(),
            places: Places::default(),
            switch_due: None,
            loopback: config.loopback,
            own: Vec::new(),
            listening: BTreeSet::new(),
            change_due: None,
            upkeep_due: now + UPKEEP_INTERVAL,
            ask_again_due: now + ASK_AGAIN,
            watch: SleepWatch::new(now, SystemTime::now()),
            rng: ChaCha20Rng::from_seed(seed),
            counters: Counters::default(),
            listen: config.listen,
        })
    }

    /// Who we are.
    pub(super) const fn node(&self) -> NodeId {
        self.local
    }

    /// Runs until told to stop, or until whoever could tell is gone.
    pub(super) async fn run(
        mut self,
        mut stopped: oneshot::Receiver<()>,
        ready: std::sync::mpsc::Sender<Result<(), NetStartError>>,
    ) {
        let listening = self.listen().await;
        let failed = listening.is_err();
        if ready.send(listening).is_err() || failed {
            return;
        }
        self.begin();
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                () = self.step() => {}
            }
        }
        self.end().await;
    }

    /// Starts all listeners and waits until each is confirmed.
    async fn listen(&mut self) -> Result<(), NetStartError> {
        let mut unconfirmed = BTreeMap::new();
        for address in std::mem::take(&mut self.listen) {
            if let Some(listener) = transport::listen(&mut self.swarm, &address)? {
                unconfirmed.insert(listener.to_string(), address);
            }
        }
        while !unconfirmed.is_empty() {
            match self.swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { listener_id, .. } => {
                    unconfirmed.remove(&listener_id.to_string());
                }
                SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                    if let Some(address) = unconfirmed.remove(&listener_id.to_string()) {
                        let reason =
                            reason.err().map_or_else(|| "closed".to_owned(), |error| error.to_string());
                        return Err(NetStartError::CannotListen { address, reason });
                    }
                }
                event => self.on_event(event),
            }
        }
        // A wildcard is confirmed interface by interface; the rest follows at once.
        while let Ok(event) = tokio::time::timeout(LISTEN_SETTLES, self.swarm.select_next_some()).await {
            self.on_event(event);
        }
        Ok(())
    }

    /// Waits for one thing to happen and does what follows from it. Cancel-safe: nothing is taken that is not also done.
    async fn step(&mut self) {
        let wake = tokio::time::Instant::from_std(self.next_wake());
        tokio::select! {
            Some(told) = self.commands.recv() => self.on_told(told),
            event = self.swarm.select_next_some() => self.on_event(event),
            Some(arrived) = self.bulk.next() => self.on_bulk(arrived),
            () = tokio::time::sleep_until(wake) => self.on_wake(),
        }
    }

    /// When the timer is to ring next. Whatever makes it ring is dealt with in `on_wake`, so it never rings twice for the same.
    fn next_wake(&mut self) -> Instant {
        let waiting = self.undelivered() > 0;
        let retry = waiting.then(|| Instant::now() + RETRY_INTERVAL);
        let may_dial = self.dials.len() < MAX_REDIALS;
        let kept = self.kept.next().filter(|_| may_dial);
        let bootstrap = self.bootstrap.next().filter(|_| may_dial && self.table_is_poor());
        let lookups = self.lookups.next(self.neighbours());
        let doubt = self.outbound.next_doubt();
        let quiet = self.seats.next_quiet();
        [retry, kept, bootstrap, lookups, doubt, quiet, self.change_due, self.places.due(), self.switch_due]
            .into_iter()
            .flatten()
            .fold(self.upkeep_due, Instant::min)
    }

    /// Whether more neighbours are wanted.
    pub(super) const fn table_is_poor(&self) -> bool {
        self.table_size < POOR_TABLE
    }

    /// Whom a lookup could ask.
    pub(super) fn neighbours(&self) -> Neighbours {
        if self.table_size > 0 {
            Neighbours::Some
        } else if self.peers.any_unidentified() || !self.dials.is_empty() || !self.saved.is_empty() {
            Neighbours::Soon
        } else {
            Neighbours::None
        }
    }

    /// Inputs that wait for room in a machine's queue.
    pub(super) fn undelivered(&self) -> usize {
        [&self.record, &self.message, &self.mailbox, &self.files, &self.relay]
            .map(Outlet::waiting)
            .iter()
            .sum()
    }

    /// Hands an input that must arrive to whom it is for.
    pub(super) fn deliver(&mut self, input: NetInput) {
        match destination(&input) {
            Destination::Record => self.record.send(input),
            Destination::Message => self.message.send(input),
            Destination::Mailbox => self.mailbox.send(input),
            Destination::Relay => self.relay.send(input),
            Destination::All => {
                self.record.send(input.clone());
                self.mailbox.send(input.clone());
                self.relay.send(input.clone());
                self.files.send(input.clone());
                self.message.send(input);
            }
            Destination::Nobody => tracing::debug!("an answer that no machine can have asked for"),
        }
    }

    /// Lets what is under way end: nothing new is begun, answers leave, the table is saved, connections close.
    async fn end(mut self) {
        self.phase = Phase::Draining;
        self.commands.close();
        while let Ok(told) = self.commands.try_recv() {
            self.on_told(told);
        }
        for op in self.outbound.drain() {
            self.deliver(NetInput::Response { op, result: Err(NetError::Closed) });
        }
        for op in self.lookups.drain() {
            self.deliver(NetInput::Closest { op, peers: Vec::new() });
        }
        self.poll_while(DRAIN_TIMEOUT, |driver| driver.inbound.any_leaving()).await;
        if let Some(left) = self.answer_left {
            self.poll_while(LINGER.saturating_sub(left.elapsed()), |_| true).await;
        }
        self.save_table();
        let connected: BTreeSet<NodeId> = self.peers.nodes().collect();
        for node in connected {
            self.disconnect(node);
        }
        self.seats.end_own(None);
        self.poll_while(CLOSE_TIMEOUT, |driver| driver.peers.len() > 0).await;
    }

    /// Goes on with the Swarm for as long as a condition holds, but not longer than `most`.
    async fn poll_while(&mut self, most: Duration, condition: impl Fn(&Self) -> bool) {
        let until = tokio::time::Instant::now() + most;
        while condition(self) {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                event = self.swarm.select_next_some() => self.on_event(event),
            }
        }
    }
}
