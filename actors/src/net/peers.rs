//! Who is connected: the driver's book of connections.
//!
//! In: connections that come and go, signs of life. Out: first and last connection of a peer, and which connections are silent, idle or one too many.
//!
//! Time is passed in. Not here: closing them (`upkeep`).

use super::{
    address,
    limits::{IDLE_AFTER, IDLE_FLOOR, SILENT_AFTER, SIMULTANEOUS},
    view::{Direction, Path, PeerView},
};
use libp2p::{Multiaddr, swarm::ConnectionId};
use pc2_protocols::{id::NodeId, time::UnixMillis};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// One connection.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) remote: Multiaddr,
    pub(super) direction: Direction,
    opened: Instant,
    heard: Instant,
    used: Instant,
}

impl Connection {
    /// A connection that stands since now.
    pub(super) const fn new(id: ConnectionId, remote: Multiaddr, direction: Direction, now: Instant) -> Self {
        Self { id, remote, direction, opened: now, heard: now, used: now }
    }
}

/// What a new connection says about a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opened {
    /// It was not connected before.
    First,
    /// It is connected in one more way.
    Further,
    /// It does not know of its older connections any more: they are dead, whatever the system says. They are out of the book already.
    Anew {
        /// To be closed.
        stale: Vec<ConnectionId>,
    },
}

#[derive(Debug)]
struct Peer {
    /// Oldest first, never empty.
    connections: Vec<Connection>,
    since: Instant,
    since_unix: UnixMillis,
    latency: Option<Duration>,
    identified: bool,
    /// Dead connections that the Swarm has not let go yet. While there are any it might choose one of them for a request.
    stale: Vec<ConnectionId>,
}

/// All connected peers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    peers: BTreeMap<NodeId, Peer>,
}

impl Peers {
    /// A connection stands; what that says about the peer.
    pub(super) fn opened(&mut self, node: NodeId, connection: Connection, unix: UnixMillis) -> Opened {
        let now = connection.opened;
        let Some(peer) = self.peers.get_mut(&node) else {
            let peer = Peer {
                connections: vec![connection],
                since: now,
                since_unix: unix,
                latency: None,
                identified: false,
                stale: Vec::new(),
            };
            self.peers.insert(node, peer);
            return Opened::First;
        };
        // Nobody dials whom they are connected with, as far as they know.
        let is_stale = |old: &Connection| now.saturating_duration_since(old.opened) > SIMULTANEOUS;
        if connection.direction == Direction::Inbound && peer.connections.iter().all(is_stale) {
            let stale: Vec<_> = peer.connections.iter().map(|old| old.id).collect();
            peer.stale.extend(&stale);
            (peer.connections, peer.since, peer.since_unix) = (vec![connection], now, unix);
            peer.identified = false;
            return Opened::Anew { stale };
        }
        peer.connections.push(connection);
        Opened::Further
    }

    /// A connection is gone; how long the peer was connected if it was the last.
    pub(super) fn closed(&mut self, node: NodeId, id: ConnectionId, now: Instant) -> Option<Duration> {
        let peer = self.peers.get_mut(&node)?;
        peer.stale.retain(|stale| *stale != id);
        peer.connections.retain(|connection| connection.id != id);
        if !peer.connections.is_empty() {
            return None;
        }
        let since = peer.since;
        self.peers.remove(&node);
        Some(now.saturating_duration_since(since))
    }

    /// Whether there is a connection with a node.
    pub(super) fn is_connected(&self, node: NodeId) -> bool {
        self.peers.contains_key(&node)
    }

    /// Whether a request to a node would go over a connection that works.
    pub(super) fn is_ready(&self, node: NodeId) -> bool {
        self.peers.get(&node).is_some_and(|peer| peer.stale.is_empty())
    }

    /// How many peers are connected.
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// All of them, in order.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.peers.keys().copied()
    }

    /// One connection.
    pub(super) fn connection(&self, node: NodeId, id: ConnectionId) -> Option<&Connection> {
        self.peers.get(&node)?.connections.iter().find(|connection| connection.id == id)
    }

    /// The peer answered a ping.
    pub(super) fn ponged(&mut self, node: NodeId, id: ConnectionId, round_trip: Duration, now: Instant) {
        self.with(node, id, |connection| connection.heard = now);
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.latency = Some(round_trip);
        }
    }

    /// A request or an answer came over a connection.
    pub(super) fn used(&mut self, node: NodeId, id: ConnectionId, now: Instant) {
        self.with(node, id, |connection| (connection.heard, connection.used) = (now, now));
    }

    /// The peer said who it is and what it speaks, or failed to.
    pub(super) fn identified(&mut self, node: NodeId) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.identified = true;
        }
    }

    /// Whether somebody is connected of whom we do not know yet whether they are a neighbour.
    pub(super) fn any_unidentified(&self) -> bool {
        self.peers.values().any(|peer| !peer.identified)
    }

    /// This process itself was late, so silence means nothing: everybody counts as heard now.
    pub(super) fn forgive_silence(&mut self, now: Instant) {
        for connection in self.peers.values_mut().flat_map(|peer| &mut peer.connections) {
            connection.heard = now;
        }
    }

    /// Connections on which nothing was heard for too long.
    pub(super) fn silent(&self, now: Instant) -> Vec<ConnectionId> {
        let connections = self.peers.values().flat_map(|peer| &peer.connections);
        connections
            .filter(|connection| now.saturating_duration_since(connection.heard) >= SILENT_AFTER)
            .map(|connection| connection.id)
            .collect()
    }

    /// Peers that nothing was asked of for long and that `keep` does not hold, longest idle first, as far as there are more than enough.
    pub(super) fn idle(&self, now: Instant, keep: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        let mut idle: Vec<_> = self
            .peers
            .iter()
            .filter(|(node, _)| !keep(**node))
            .filter_map(|(node, peer)| Some((peer.connections.iter().map(|c| c.used).max()?, *node)))
            .filter(|(used, _)| now.saturating_duration_since(*used) >= IDLE_AFTER)
            .collect();
        idle.sort();
        idle.truncate(self.peers.len().saturating_sub(IDLE_FLOOR));
        idle.into_iter().map(|(_, node)| node).collect()
    }

    /// All but the oldest connection of peers that have several and use none. Only the side with the lower id tidies up: if both did, both might close the other's favourite.
    pub(super) fn surplus(
        &self,
        local: NodeId,
        now: Instant,
        busy: impl Fn(NodeId) -> bool,
    ) -> Vec<ConnectionId> {
        let quiet = |connection: &&Connection| now.saturating_duration_since(connection.used) >= IDLE_AFTER;
        self.peers
            .iter()
            .filter(|(node, _)| local < **node && !busy(**node))
            .flat_map(|(_, peer)| peer.connections.iter().skip(1).filter(quiet))
            .map(|connection| connection.id)
            .collect()
    }

    /// For people.
    pub(super) fn view(&self) -> Vec<PeerView> {
        self.peers
            .iter()
            .filter_map(|(node, peer)| {
                let oldest = peer.connections.first()?;
                let (address, transport) = address::shown(&oldest.remote)?;
                Some(PeerView {
                    node: *node,
                    path: Path::Direct,
                    address,
                    transport,
                    direction: oldest.direction,
                    latency: peer.latency,
                    since: peer.since_unix,
                    connections: peer.connections.len(),
                })
            })
            .collect()
    }

    fn with(&mut self, node: NodeId, id: ConnectionId, change: impl FnOnce(&mut Connection)) {
        let connections = self.peers.get_mut(&node).map(|peer| &mut peer.connections);
        if let Some(connection) = connections.and_then(|all| all.iter_mut().find(|one| one.id == id)) {
            change(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn connection(id: usize, now: Instant) -> Connection {
        let remote = "/ip4/127.0.0.1/tcp/1".parse().expect("a multiaddress");
        Connection::new(ConnectionId::new_unchecked(id), remote, Direction::Inbound, now)
    }

    #[test]
    fn a_peer_is_up_with_its_first_and_down_with_its_last_connection() {
        let now = Instant::now();
        let later = now + Duration::from_secs(9);
        let mut peers = Peers::default();
        assert_eq!(peers.opened(node(1), connection(1, now), UnixMillis(0)), Opened::First);
        assert_eq!(peers.opened(node(1), connection(2, now), UnixMillis(0)), Opened::Further);
        assert_eq!(peers.closed(node(1), ConnectionId::new_unchecked(1), later), None);
        assert!(peers.is_connected(node(1)));
        assert_eq!(peers.closed(node(1), ConnectionId::new_unchecked(2), later), Some(later - now));
        assert!(!peers.is_connected(node(1)));
    }

    #[test]
    fn a_peer_that_dials_us_while_connected_was_restarted() {
        let now = Instant::now();
        let later = now + SIMULTANEOUS * 2;
        let mut peers = Peers::default();
        peers.opened(node(1), connection(1, now), UnixMillis(0));
        let anew = peers.opened(node(1), connection(2, later), UnixMillis(0));
        assert_eq!(anew, Opened::Anew { stale: vec![ConnectionId::new_unchecked(1)] });
        assert!(peers.is_connected(node(1)));
        assert!(!peers.is_ready(node(1)), "the old one might still be chosen");
        assert_eq!(peers.closed(node(1), ConnectionId::new_unchecked(1), later), None, "that was known");
        assert!(peers.is_ready(node(1)));

        let ours = Connection { direction: Direction::Outbound, ..connection(3, later + SIMULTANEOUS * 2) };
        assert_eq!(peers.opened(node(1), ours, UnixMillis(0)), Opened::Further, "we know what we do");
    }

    #[test]
    fn silence_is_noticed_per_connection() {
        let now = Instant::now();
        let later = now + SILENT_AFTER;
        let mut peers = Peers::default();
        peers.opened(node(1), connection(1, now), UnixMillis(0));
        peers.opened(node(1), connection(2, now), UnixMillis(0));
        peers.ponged(node(1), ConnectionId::new_unchecked(2), Duration::ZERO, later);
        assert_eq!(peers.silent(later), [ConnectionId::new_unchecked(1)]);
        peers.forgive_silence(later);
        assert!(peers.silent(later).is_empty());
    }

    #[test]
    fn idle_peers_are_let_go_only_beyond_the_floor_and_contacts_never() {
        let now = Instant::now();
        let later = now + IDLE_AFTER;
        let mut peers = Peers::default();
        let count = IDLE_FLOOR + 3;
        for number in 0..count {
            let number = u8::try_from(number).expect("small");
            peers.opened(node(number), connection(number.into(), now), UnixMillis(0));
        }
        assert!(peers.idle(now, |_| false).is_empty());
        assert_eq!(peers.idle(later, |kept| kept == node(0)), [node(1), node(2), node(3)]);
        peers.used(node(1), ConnectionId::new_unchecked(1), later);
        assert_eq!(peers.idle(later, |kept| kept == node(0)), [node(2), node(3), node(4)]);
    }

    #[test]
    fn one_side_closes_surplus_connections_and_the_other_leaves_them() {
        let now = Instant::now();
        let later = now + IDLE_AFTER;
        let mut peers = Peers::default();
        peers.opened(node(5), connection(1, now), UnixMillis(0));
        peers.opened(node(5), connection(2, now), UnixMillis(0));
        assert_eq!(peers.surplus(node(1), later, |_| false), [ConnectionId::new_unchecked(2)]);
        assert!(peers.surplus(node(1), later, |_| true).is_empty());
        assert!(peers.surplus(node(9), later, |_| false).is_empty());
    }
}
