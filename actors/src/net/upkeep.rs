//! What the driver does when its timer rings: retries, redials, lookups that waited long enough, and every few seconds a look at its books.

use super::{
    NetEvent, address,
    driver::{Driver, Phase},
    events::unix_now,
    knock::Knocked,
    limits::{
        ASK_AGAIN, DOUBT_AFTER, KNOCK_TIMEOUT, MAX_REDIALS, START_DIALS, SWITCH_AFTER, UPKEEP_INTERVAL,
    },
    peers::Connection,
    ways::Way,
};
use pc2_protocols::{
    id::NodeId,
    net::{NetError, NetInput, ReservationError},
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Instant, SystemTime},
};

impl Driver {
    /// The start: all listeners stand.
    pub(super) fn begin(&mut self) {
        let now = Instant::now();
        // What was heard of the listeners so far is no change of the network.
        self.change_due = None;
        self.publish_own();
        self.redial(now);
    }

    /// The timer rang.
    pub(super) fn on_wake(&mut self) {
        let now = Instant::now();
        self.record.retry();
        self.message.retry();
        self.mailbox.retry();
        self.files.retry();
        self.relay.retry();
        if self.change_due.is_some_and(|due| due <= now) {
            self.change_due = None;
            if self.listening_now() != self.listening {
                self.network_changed(now);
            }
        }
        self.tell_places(now);
        self.doubt(now);
        self.doubt_streams(now);
        if self.switch_due.is_some_and(|due| due <= now) {
            self.switch(now);
        }
        self.redial(now);
        if self.lookups.take_own(now, &mut self.rng) && self.table_size > 0 {
            // Its result is of no interest: walking makes neighbours known to each other.
            let local = address::peer_id(self.local);
            self.swarm.behaviour_mut().kad.get_closest_peers(local);
        }
        for query in self.lookups.to_look_at(now) {
            let mut walk = self.swarm.behaviour_mut().kad.query_mut(&query);
            // One that has ended by itself is about to say so.
            let answers = walk.as_ref().map_or(u32::MAX, |walk| walk.stats().num_successes());
            if self.lookups.is_enough(&query, answers, now)
                && let Some(walk) = &mut walk
            {
                walk.finish();
            }
        }
        self.run_lookups(now);
        if self.upkeep_due <= now {
            self.upkeep(now);
        }
    }

    /// Dials whoever is due: contacts, and, while the table is poor, bootstrap nodes and nodes of the saved table.
    pub(super) fn redial(&mut self, now: Instant) {
        let free = MAX_REDIALS.saturating_sub(self.dials.len());
        for node in self.kept.take_due(now, free) {
            if !self.peers.is_connected(node) && self.dial(node).is_err() {
                self.kept.failed(node, now, &mut self.rng);
            }
        }
        if !self.table_is_poor() {
            self.saved.clear();
            return;
        }
        let free = MAX_REDIALS.saturating_sub(self.dials.len());
        for node in self.bootstrap.take_due(now, free) {
            if !self.peers.is_connected(node) && self.dial(node).is_err() {
                self.bootstrap.failed(node, now, &mut self.rng);
            }
        }
        while self.dials.len() < START_DIALS
            && let Some(node) = self.saved.pop_front()
        {
            if !self.peers.is_connected(node) && self.dial(node).is_err() {
                tracing::debug!(peer = node.short(), "a saved node cannot be dialled");
            }
        }
    }

    /// Another network, or awake again: everything that waits is tried at once.
    fn network_changed(&mut self, now: Instant) {
        tracing::info!("the network changed");
        self.forget_reach();
        self.publish_own();
        // Connections from an address that is gone would seem to stand for half a minute.
        let all: Vec<_> = self.peers.all().map(|(node, connection)| (node, connection.id)).collect();
        for (node, connection) in all {
            self.swarm.behaviour_mut().knock.at(address::peer_id(node), connection);
        }
        self.kept.hurry_all(now);
        self.bootstrap.hurry_all(now);
        self.lookups.own_soon(now);
        self.deliver(NetInput::NetworkChanged);
    }

    fn upkeep(&mut self, now: Instant) {
        let late = now.saturating_duration_since(self.upkeep_due) > UPKEEP_INTERVAL;
        self.upkeep_due = now + UPKEEP_INTERVAL;
        if self.watch.slept(now, SystemTime::now()) {
            // The peers gave us up long ago; finding that out connection by connection takes half a minute.
            let connected: Vec<_> = self.peers.nodes().collect();
            for node in connected {
                self.disconnect(node);
            }
            self.network_changed(now);
        }
        if late {
            self.peers.forgive_silence(now);
        }
        self.tally_streams(now);
        for connection in self.peers.silent(now) {
            tracing::debug!("a connection fell silent");
            self.seats.end_on(connection);
            self.swarm.close_connection(connection);
        }
        for relay in self.places.overdue(now) {
            self.lose_place(relay, ReservationError::Unreachable);
        }
        for op in self.outbound.overdue(now) {
            self.deliver(NetInput::Response { op, result: Err(NetError::TimedOut) });
        }
        if self.ask_again_due <= now {
            self.ask_again_due = now + ASK_AGAIN;
            self.ask_again(now);
        }
        if self.meter.has_news() {
            (self.observer)(NetEvent::Traffic);
        }
        self.keep_figures();
        self.bulk.forget_failures(now);
        self.let_go(now);
        self.let_in(now);
        if self.phase == Phase::Running && self.saver.is_due(now) {
            self.save_table();
        }
    }

    /// Writes what the charts show, where that is due.
    fn keep_figures(&self) {
        let now = unix_now();
        if self.meter.is_due(now) {
            let meter = Arc::clone(&self.meter);
            // On a blocking thread; nobody waits for it.
            tokio::task::spawn_blocking(move || {
                if let Err(error) = meter.keep(now) {
                    tracing::warn!(%error, "the figures of the charts were not written");
                }
            });
        }
    }

    /// Closes connections that nothing uses.
    fn let_go(&mut self, now: Instant) {
        let busy = |node| self.outbound.is_busy_with(node) || self.inbound.is_busy_with(node);
        let wanted_bootstrap = |node| self.table_is_poor() && self.bootstrap.contains(node);
        let of_use = |node| busy(node) || self.carries(node) || self.seats.with(node);
        let idle =
            self.peers.idle(now, |node| self.kept.contains(node) || of_use(node) || wanted_bootstrap(node));
        let surplus = self.peers.surplus(self.local, now, of_use);
        for node in idle {
            self.disconnect(node);
        }
        for connection in surplus {
            self.swarm.close_connection(connection);
        }
    }

    /// Closes relayed connections that direct ones have overtaken, once nothing goes by them any more.
    fn switch(&mut self, now: Instant) {
        for (node, connection) in self.peers.overtaken(now) {
            if self.is_quiet_by_relay(node) && !self.stays_for_streams(node, connection, now) {
                tracing::debug!(peer = node.short(), "the direct connection has taken over");
                self.swarm.close_connection(connection);
            }
        }
        self.switch_due = self.peers.any_both_ways().then(|| now + SWITCH_AFTER);
    }

    /// Requests have gone unanswered for a while: knocks where nothing was heard since they were sent.
    fn doubt(&mut self, now: Instant) {
        let doubts = self.outbound.doubts(now);
        if !doubts.is_empty() {
            self.tally_streams(now);
        }
        for (node, way, sent) in doubts {
            for connection in self.peers.unheard(node, way, sent) {
                self.knock_at(node, &connection);
            }
        }
    }

    /// Nothing has moved on streams of files for a while: knocks where nothing else was heard either. One that has a connection of its own stands for all
    /// direct ones, for it ends with them.
    fn doubt_streams(&mut self, now: Instant) {
        let quiet = self.seats.quiet(now);
        if quiet.is_empty() {
            return;
        }
        self.tally_streams(now);
        let since = now.checked_sub(DOUBT_AFTER).unwrap_or(now);
        let mut doubtful: BTreeMap<_, _> = BTreeMap::new();
        for (node, on) in quiet {
            let way = |id| Some(self.peers.connection(node, id)?.way());
            let Some(way) = on.map_or(Some(Way::Direct), way) else { continue };
            let unheard = self.peers.unheard(node, way, since).into_iter();
            let concerned = unheard.filter(|connection| on.is_none_or(|id| connection.id == id));
            doubtful.extend(concerned.map(|connection| (connection.id, (node, connection))));
        }
        for (node, connection) in doubtful.into_values() {
            self.knock_at(node, &connection);
        }
    }

    /// Finds out whether a connection still works, and the one with its relay.
    fn knock_at(&mut self, node: NodeId, connection: &Connection) {
        self.swarm.behaviour_mut().knock.at(address::peer_id(node), connection.id);
        // It may well be the relay that is gone.
        if let Some(relay) = connection.by {
            self.knock(relay, Way::Direct);
        }
    }

    /// Finds out whether connections with a node by a way still work.
    pub(super) fn knock(&mut self, node: NodeId, way: Way) {
        let peer = address::peer_id(node);
        let of_way = self.peers.connections(node).filter(|connection| connection.way() == way);
        for connection in of_way.map(|connection| connection.id).collect::<Vec<_>>() {
            self.swarm.behaviour_mut().knock.at(peer, connection);
        }
    }

    /// Somebody answered at a connection, or nobody did: then it is dead.
    pub(super) fn on_knocked(&mut self, knocked: &Knocked, now: Instant) {
        let Some(node) = address::node_id(&knocked.peer) else { return };
        if knocked.answered {
            self.peers.heard(node, knocked.connection, now);
            return;
        }
        self.tally_streams(now);
        let heard = |one: &Connection| now.saturating_duration_since(one.heard()) < KNOCK_TIMEOUT;
        if self.peers.connection(node, knocked.connection).is_some_and(heard) {
            // Bytes of files went through meanwhile, and the answer may be behind them. When they were only the last that went into our own buffers, nothing
            // will have moved the next time.
            self.swarm.behaviour_mut().knock.at(knocked.peer, knocked.connection);
            return;
        }
        tracing::debug!(peer = node.short(), "a connection is dead");
        self.seats.end_on(knocked.connection);
        self.swarm.close_connection(knocked.connection);
        // Closing takes a moment; another path is looked for at once.
        if let Some(lived) = self.peers.dead(node, knocked.connection, now, unix_now()) {
            self.on_gone(node, lived, now);
        }
    }

    /// Lets those in again whose time outside is over.
    fn let_in(&mut self, now: Instant) {
        let over: Vec<_> =
            self.shut_out.iter().filter(|(_, until)| **until <= now).map(|(node, _)| *node).collect();
        for node in over {
            self.shut_out.remove(&node);
            self.swarm.behaviour_mut().shut_out.unblock_peer(address::peer_id(node));
        }
    }
}
