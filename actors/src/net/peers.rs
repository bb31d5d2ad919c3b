//! Who is connected: the driver's book of connections.
//!
//! In: connections that come and go, signs of life. Out: first and last connection of a peer, by which way it is reached, and which connections are
//! silent, idle, overtaken by a better way or one too many.
//!
//! Time is passed in. Not here: closing them (`upkeep`).

use super::{
    address,
    limits::{IDLE_AFTER, IDLE_FLOOR, SILENT_AFTER, SIMULTANEOUS, SWITCH_AFTER},
    view::{Direction, Path, PeerView, Place},
    ways::Way,
};
use libp2p::{Multiaddr, swarm::ConnectionId};
use pc2_protocols::{id::NodeId, net::Prefix, time::UnixMillis};
use std::{
    cmp::Reverse,
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// One connection.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// The far end; the relay's when there is one.
    pub(super) remote: Multiaddr,
    /// Which part of the network that is in.
    pub(super) prefix: Prefix,
    /// The relay, if there is one.
    pub(super) by: Option<NodeId>,
    pub(super) direction: Direction,
    /// We dialled this address because we knew it: others can, too.
    pub(super) dialled: bool,
    /// It goes through a punched hole.
    punched: bool,
    latency: Option<Duration>,
    opened: Instant,
    heard: Instant,
    used: Instant,
}

impl Connection {
    /// A direct connection that stands since now.
    pub(super) fn direct(id: ConnectionId, remote: Multiaddr, direction: Direction, now: Instant) -> Self {
        let prefix = address::prefix(&remote);
        Self {
            id,
            remote,
            prefix,
            by: None,
            direction,
            dialled: false,
            punched: false,
            latency: None,
            opened: now,
            heard: now,
            used: now,
        }
    }

    /// A connection through a relay that stands since now.
    pub(super) fn relayed(
        id: ConnectionId,
        (relay, at): (NodeId, Multiaddr),
        direction: Direction,
        now: Instant,
    ) -> Self {
        Self { by: Some(relay), ..Self::direct(id, at, direction, now) }
    }

    /// When something was last heard on it.
    pub(super) const fn heard(&self) -> Instant {
        self.heard
    }

    /// Its way.
    pub(super) const fn way(&self) -> Way {
        if self.by.is_some() { Way::Relayed } else { Way::Direct }
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
    path_since: UnixMillis,
    identified: bool,
    bytes_in: u64,
    bytes_out: u64,
}

impl Peer {
    /// The connection that requests go by, or that stands for those that do.
    fn best(&self) -> Option<&Connection> {
        self.connections.iter().min_by_key(|connection| connection.way())
    }

    fn has(&self, way: Way) -> bool {
        self.connections.iter().any(|connection| connection.way() == way)
    }
}

/// All connected peers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    peers: BTreeMap<NodeId, Peer>,
    /// Dead connections that the Swarm has not let go yet. While there are any of a way it might choose one of them for a request.
    stale: BTreeMap<NodeId, Vec<(ConnectionId, Way)>>,
}

impl Peers {
    /// A connection stands; what that says about the peer.
    pub(super) fn opened(&mut self, node: NodeId, mut connection: Connection, unix: UnixMillis) -> Opened {
        let now = connection.opened;
        let Some(peer) = self.peers.get_mut(&node) else {
            let peer = Peer {
                connections: vec![connection],
                since: now,
                since_unix: unix,
                path_since: unix,
                identified: false,
                bytes_in: 0,
                bytes_out: 0,
            };
            self.peers.insert(node, peer);
            return Opened::First;
        };
        let before = peer.best().map(Connection::way);
        // Nobody dials whom they are connected with, as far as they know, but to get from a relayed connection to a direct one.
        let is_stale = |old: &Connection| {
            now.saturating_duration_since(old.opened) > SIMULTANEOUS && old.way() == connection.way()
        };
        if connection.direction == Direction::Inbound && peer.connections.iter().all(is_stale) {
            let stale: Vec<_> = peer.connections.iter().map(|old| old.id).collect();
            let old = peer.connections.iter().map(|old| (old.id, old.way()));
            self.stale.entry(node).or_default().extend(old);
            peer.connections = vec![connection];
            (peer.since, peer.since_unix, peer.path_since) = (now, unix, unix);
            peer.identified = false;
            return Opened::Anew { stale };
        }
        // Whoever was dialled through the relay punches; the dialling side is told of success by name.
        let asked_for = |old: &Connection| old.way() == Way::Relayed && old.direction == Direction::Inbound;
        connection.punched = connection.way() == Way::Direct
            && connection.direction == Direction::Inbound
            && peer.connections.iter().any(asked_for);
        peer.connections.push(connection);
        if peer.best().map(Connection::way) != before {
            peer.path_since = unix;
        }
        Opened::Further
    }

    /// A hole was punched for a connection.
    pub(super) fn punched(&mut self, node: NodeId, id: ConnectionId) {
        self.with(node, id, |connection| {
            connection.punched = true;
            connection.dialled = false;
        });
    }

    /// A connection is dead, though the Swarm has not let it go yet. Returns as [`Peers::closed`] does.
    pub(super) fn dead(
        &mut self,
        node: NodeId,
        id: ConnectionId,
        now: Instant,
        unix: UnixMillis,
    ) -> Option<Duration> {
        let way = self.connection(node, id)?.way();
        let lived = self.closed(node, id, now, unix);
        self.stale.entry(node).or_default().push((id, way));
        lived
    }

    /// A connection is gone; how long the peer was connected if it was the last.
    pub(super) fn closed(
        &mut self,
        node: NodeId,
        id: ConnectionId,
        now: Instant,
        unix: UnixMillis,
    ) -> Option<Duration> {
        if let Some(stale) = self.stale.get_mut(&node) {
            stale.retain(|(stale, _)| *stale != id);
            if stale.is_empty() {
                self.stale.remove(&node);
            }
        }
        let peer = self.peers.get_mut(&node)?;
        let before = peer.best().map(Connection::way);
        peer.connections.retain(|connection| connection.id != id);
        if !peer.connections.is_empty() {
            if peer.best().map(Connection::way) != before {
                peer.path_since = unix;
            }
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

    /// By which way a request to a node would go now; `None` when there is none that works.
    pub(super) fn way(&self, node: NodeId) -> Option<Way> {
        let peer = self.peers.get(&node)?;
        let stale = self.stale.get(&node).map_or(&[][..], Vec::as_slice);
        let works = |way: &Way| peer.has(*way) && !stale.iter().any(|(_, stale)| stale == way);
        [Way::Direct, Way::Relayed].into_iter().find(works)
    }

    /// The connection on which a stream of files to a node is best opened: a direct one if there is any. Of several direct ones the newest by TCP, which costs half as
    /// much of a processor as QUIC does for the same bytes; of relayed ones the newest, however it gets to its relay: it is the least likely to be dead.
    pub(super) fn for_streams(&self, node: NodeId) -> Option<ConnectionId> {
        let cheap = |one: &Connection| one.way() == Way::Direct && address::is_tcp(&one.remote);
        let worth = |one: &&Connection| (Reverse(one.way()), cheap(one), one.opened);
        self.connections(node).max_by_key(worth).map(|connection| connection.id)
    }

    /// Since when a node is connected directly.
    pub(super) fn direct_since(&self, node: NodeId) -> Option<Instant> {
        let direct = self.connections(node).filter(|connection| connection.way() == Way::Direct);
        direct.map(|connection| connection.opened).min()
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

    /// All connections with a node, oldest first.
    pub(super) fn connections(&self, node: NodeId) -> impl Iterator<Item = &Connection> {
        self.peers.get(&node).into_iter().flat_map(|peer| &peer.connections)
    }

    /// The first direct connection with a node.
    pub(super) fn direct(&self, node: NodeId) -> Option<&Connection> {
        self.connections(node).find(|connection| connection.way() == Way::Direct)
    }

    /// All connections there are, with whom.
    pub(super) fn all(&self) -> impl Iterator<Item = (NodeId, &Connection)> {
        self.peers
            .iter()
            .flat_map(|(node, peer)| peer.connections.iter().map(|connection| (*node, connection)))
    }

    /// Whether a relayed connection with anybody goes through this node.
    pub(super) fn any_through(&self, relay: NodeId) -> bool {
        self.all().any(|(_, connection)| connection.by == Some(relay))
    }

    /// The peer answered a ping. Whether only now we know how far away it is.
    pub(super) fn ponged(
        &mut self,
        node: NodeId,
        id: ConnectionId,
        round_trip: Duration,
        now: Instant,
    ) -> bool {
        let mut first = false;
        self.with(node, id, |connection| {
            connection.heard = now;
            first = connection.latency.replace(round_trip).is_none();
        });
        first
    }

    /// Something was heard on a connection at that time.
    pub(super) fn heard(&mut self, node: NodeId, id: ConnectionId, at: Instant) {
        self.with(node, id, |connection| connection.heard = connection.heard.max(at));
    }

    /// A request or an answer came over a connection.
    pub(super) fn used(&mut self, node: NodeId, id: ConnectionId, now: Instant) {
        self.with(node, id, |connection| (connection.heard, connection.used) = (now, now));
    }

    /// An answer of ours left over a connection, or a stream of files is open on it.
    pub(super) fn answered(&mut self, node: NodeId, id: ConnectionId, now: Instant) {
        self.with(node, id, |connection| connection.used = now);
    }

    /// Requests, answers and file streams of so many bytes were carried.
    pub(super) fn carried(&mut self, node: NodeId, bytes_in: usize, bytes_out: usize) {
        if let Some(peer) = self.peers.get_mut(&node) {
            let add = |to: u64, bytes: usize| to.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
            (peer.bytes_in, peer.bytes_out) = (add(peer.bytes_in, bytes_in), add(peer.bytes_out, bytes_out));
        }
    }

    /// The peer said who it is and what it speaks, or failed to.
    pub(super) fn identified(&mut self, node: NodeId) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.identified = true;
        }
    }

    /// In which part of the network a node is that is connected directly, and how far away.
    pub(super) fn distance(&self, node: NodeId) -> Option<(Prefix, Option<Duration>)> {
        let connection = self.direct(node)?;
        let latency =
            self.connections(node).filter(|one| one.way() == Way::Direct).find_map(|one| one.latency);
        Some((connection.prefix, latency))
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

    /// Connections with a node by a way on which nothing was heard since then.
    pub(super) fn unheard(&self, node: NodeId, way: Way, since: Instant) -> Vec<Connection> {
        let unheard = |connection: &&Connection| connection.way() == way && connection.heard <= since;
        self.connections(node).filter(unheard).cloned().collect()
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

    /// All but the oldest connection of each way, of peers that have several and use none. Only the side with the lower id tidies up: if both did, both might close the other's favourite.
    pub(super) fn surplus(
        &self,
        local: NodeId,
        now: Instant,
        busy: impl Fn(NodeId) -> bool,
    ) -> Vec<ConnectionId> {
        let quiet = |connection: &&Connection| now.saturating_duration_since(connection.used) >= IDLE_AFTER;
        let of_way = |peer: &Peer, way| {
            let same = peer.connections.iter().filter(|connection| connection.way() == way);
            same.skip(1).filter(quiet).map(|connection| connection.id).collect::<Vec<_>>()
        };
        self.peers
            .iter()
            .filter(|(node, _)| local < **node && !busy(**node))
            .flat_map(|(_, peer)| [of_way(peer, Way::Direct), of_way(peer, Way::Relayed)].concat())
            .collect()
    }

    /// Whether anybody is connected both ways.
    pub(super) fn any_both_ways(&self) -> bool {
        self.peers.values().any(|peer| peer.has(Way::Direct) && peer.has(Way::Relayed))
    }

    /// Relayed connections that a direct one has overtaken and that nothing goes by any more.
    pub(super) fn overtaken(&self, now: Instant) -> Vec<(NodeId, ConnectionId)> {
        let long = |since: Instant| now.saturating_duration_since(since) >= SWITCH_AFTER;
        let direct_stands = |node: NodeId, peer: &Peer| {
            let direct = |one: &Connection| one.way() == Way::Direct && long(one.opened);
            self.way(node) == Some(Way::Direct) && peer.connections.iter().any(direct)
        };
        let overtaken = |one: &&Connection| one.way() == Way::Relayed && long(one.used);
        self.peers
            .iter()
            .filter(|(node, peer)| direct_stands(**node, peer))
            .flat_map(|(node, peer)| peer.connections.iter().filter(overtaken).map(|one| (*node, one.id)))
            .collect()
    }

    /// For people.
    pub(super) fn view(&self) -> Vec<PeerView> {
        self.peers
            .iter()
            .filter_map(|(node, peer)| {
                let best = peer.best()?;
                let (address, transport) = address::shown(&best.remote)?;
                Some(PeerView {
                    node: *node,
                    path: match best.by {
                        Some(by) => Path::Relayed { by },
                        None if best.punched => Path::Punched,
                        None => Path::Direct,
                    },
                    address,
                    transport,
                    direction: best.direction,
                    latency: best.latency,
                    since: peer.since_unix,
                    connections: peer.connections.len(),
                    path_since: peer.path_since,
                    bytes_in: peer.bytes_in,
                    bytes_out: peer.bytes_out,
                    place: Place::default(),
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
        Connection::direct(ConnectionId::new_unchecked(id), remote, Direction::Inbound, now)
    }

    #[test]
    fn a_peer_is_up_with_its_first_and_down_with_its_last_connection() {
        let now = Instant::now();
        let later = now + Duration::from_secs(9);
        let mut peers = Peers::default();
        assert_eq!(peers.opened(node(1), connection(1, now), UnixMillis(0)), Opened::First);
        assert_eq!(peers.opened(node(1), connection(2, now), UnixMillis(0)), Opened::Further);
        assert_eq!(peers.closed(node(1), ConnectionId::new_unchecked(1), later, UnixMillis(0)), None);
        assert!(peers.is_connected(node(1)));
        assert_eq!(
            peers.closed(node(1), ConnectionId::new_unchecked(2), later, UnixMillis(0)),
            Some(later - now)
        );
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
        assert_eq!(peers.way(node(1)), None, "the old one might still be chosen");
        assert_eq!(
            peers.closed(node(1), ConnectionId::new_unchecked(1), later, UnixMillis(0)),
            None,
            "that was known"
        );
        assert_eq!(peers.way(node(1)), Some(Way::Direct));

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

    fn relayed(id: usize, now: Instant) -> Connection {
        let at = "/ip4/9.9.9.9/tcp/1".parse().expect("a multiaddress");
        Connection::relayed(ConnectionId::new_unchecked(id), (node(77), at), Direction::Inbound, now)
    }

    fn path(peers: &Peers) -> Option<Path> {
        peers.view().first().map(|peer| peer.path)
    }

    #[test]
    fn a_punched_connection_overtakes_a_relayed_one_and_is_no_restart() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        let later = now + SIMULTANEOUS * 2;
        peers.opened(node(1), relayed(1, now), UnixMillis(1));
        assert_eq!(path(&peers), Some(Path::Relayed { by: node(77) }));
        assert_eq!(peers.way(node(1)), Some(Way::Relayed));
        assert!(peers.any_through(node(77)));
        assert_eq!(peers.opened(node(1), connection(2, later), UnixMillis(2)), Opened::Further);
        assert_eq!((path(&peers), peers.way(node(1))), (Some(Path::Punched), Some(Way::Direct)));
        assert_eq!(peers.view().first().map(|peer| peer.path_since), Some(UnixMillis(2)));
        assert!(peers.overtaken(later).is_empty(), "the direct one is new");
        peers.used(node(1), ConnectionId::new_unchecked(1), later + SWITCH_AFTER);
        assert!(peers.overtaken(later + SWITCH_AFTER).is_empty(), "the relayed one is still used");
        let overtaken = [(node(1), ConnectionId::new_unchecked(1))];
        assert_eq!(peers.overtaken(later + SWITCH_AFTER * 2), overtaken);
        assert_eq!(peers.closed(node(1), ConnectionId::new_unchecked(2), later, UnixMillis(3)), None);
        assert_eq!(peers.way(node(1)), Some(Way::Relayed), "back to the relay");
        assert!(peers.overtaken(later + SWITCH_AFTER * 2).is_empty());
    }

    #[test]
    fn a_peer_that_comes_through_the_relay_again_was_restarted() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        peers.opened(node(1), relayed(1, now), UnixMillis(0));
        let anew = peers.opened(node(1), relayed(2, now + SIMULTANEOUS * 2), UnixMillis(0));
        assert_eq!(anew, Opened::Anew { stale: vec![ConnectionId::new_unchecked(1)] });
        assert_eq!(peers.way(node(1)), None, "the old one might still be chosen");
        // A way without stale connections is good at once.
        peers.opened(node(1), connection(3, now + SIMULTANEOUS * 2), UnixMillis(0));
        assert_eq!(peers.way(node(1)), Some(Way::Direct));
    }

    #[test]
    fn streams_go_directly_before_by_a_relay_and_by_the_newest_over_tcp_before_others() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        let id = |number| Some(ConnectionId::new_unchecked(number));
        let quic = |id, now| {
            let remote = "/ip4/127.0.0.1/udp/1/quic-v1".parse().expect("a multiaddress");
            Connection::direct(ConnectionId::new_unchecked(id), remote, Direction::Outbound, now)
        };
        assert_eq!(peers.for_streams(node(1)), None);
        peers.opened(node(1), relayed(1, now), UnixMillis(0));
        assert_eq!((peers.for_streams(node(1)), peers.direct_since(node(1))), (id(1), None));
        peers.opened(node(1), quic(2, now), UnixMillis(0));
        assert_eq!((peers.for_streams(node(1)), peers.direct_since(node(1))), (id(2), Some(now)));
        peers.opened(node(1), connection(3, now), UnixMillis(0));
        peers.opened(node(1), connection(4, now + SIMULTANEOUS), UnixMillis(0));
        peers.opened(node(1), quic(5, now + SIMULTANEOUS), UnixMillis(0));
        assert_eq!((peers.for_streams(node(1)), peers.direct_since(node(1))), (id(4), Some(now)));
    }

    #[test]
    fn bytes_and_the_first_latency_are_noted() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        peers.opened(node(1), connection(1, now), UnixMillis(0));
        assert!(peers.ponged(node(1), ConnectionId::new_unchecked(1), Duration::from_millis(3), now));
        assert!(!peers.ponged(node(1), ConnectionId::new_unchecked(1), Duration::from_millis(4), now));
        assert_eq!(peers.distance(node(1)), Some((Prefix::Local, Some(Duration::from_millis(4)))));
        peers.carried(node(1), 3, 4);
        peers.carried(node(1), 3, 0);
        assert_eq!(peers.view().first().map(|peer| (peer.bytes_in, peer.bytes_out)), Some((6, 4)));
    }

    #[test]
    fn a_dead_connection_counts_no_longer_but_is_waited_for() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        let id = ConnectionId::new_unchecked(1);
        peers.opened(node(1), connection(1, now), UnixMillis(0));
        assert_eq!(peers.unheard(node(1), Way::Direct, now).len(), 1);
        assert_eq!(peers.dead(node(1), id, now, UnixMillis(0)), Some(Duration::ZERO));
        assert_eq!(peers.dead(node(1), id, now, UnixMillis(0)), None, "known");
        assert_eq!(peers.opened(node(1), connection(2, now), UnixMillis(0)), Opened::First);
        assert_eq!(peers.way(node(1)), None);
        assert_eq!(peers.closed(node(1), id, now, UnixMillis(0)), None);
        assert_eq!(peers.way(node(1)), Some(Way::Direct));
    }
}
