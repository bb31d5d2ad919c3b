//! What the driver does about file streams: chooses the connection for a new one, notes what they carried, and keeps their connections for a while.
//!
//! Bulk connections are made by whoever asks, in their own task, from a [`Plan`]: with a place, and where the peer may be.
//!
//! The streams themselves go from their connection to whoever uses them, past the driver: so nothing here waits for bytes.

use super::{
    FileStream, address,
    bulk::{Dialler, Place},
    driver::{Driver, Phase},
    events::unix_now,
    limits::{BULK_ADDRESSES, BULK_AGAIN, BULK_QUEUE, FILE_SWITCH},
    peers::Connection,
    seats::Seat,
    secure::{Arrived, Doors},
    streaming::Want,
    streams::{Answer, Plan, PlanAnswer, StreamError},
    view::{Direction, Transport},
    ways::Way,
};
use libp2p::{Multiaddr, multiaddr::Protocol as Part, swarm::ConnectionId};
use pc2_protocols::id::NodeId;
use std::{collections::BTreeMap, time::Instant};
use tokio::sync::mpsc;

/// What the driver has of bulk connections.
pub(super) struct BulkSide {
    doors: Doors,
    diverted: mpsc::Receiver<Arrived>,
    arrivals: mpsc::Sender<FileStream>,
    dialler: Dialler,
    /// Peers with whom none could be made, and when. Connected ones only.
    failed: BTreeMap<NodeId, Instant>,
}

impl BulkSide {
    /// The way for those that peers make, and its end.
    pub(super) fn doors() -> (Doors, mpsc::Receiver<Arrived>) {
        let (arrived, diverted) = mpsc::channel(BULK_QUEUE);
        (Doors::new(arrived), diverted)
    }

    /// Puts what peers open into a queue, which must have room for as many as there are seats.
    pub(super) fn new(
        (doors, diverted): (Doors, mpsc::Receiver<Arrived>),
        arrivals: mpsc::Sender<FileStream>,
        dialler: Dialler,
    ) -> Self {
        Self { doors, diverted, arrivals, dialler, failed: BTreeMap::new() }
    }

    /// The next that a peer made. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Arrived> {
        self.diverted.recv().await
    }

    /// Whether an inbound connection that seems to have failed is one of these.
    pub(super) fn was_diverted(&self) -> bool {
        self.doors.was_diverted()
    }

    /// Lets it be tried again with those with whom it failed long ago.
    pub(super) fn forget_failures(&mut self, now: Instant) {
        self.failed.retain(|_, at| now.saturating_duration_since(*at) < BULK_AGAIN);
    }
}

impl Driver {
    /// Somebody wants a stream to a node.
    pub(super) fn open_stream(&mut self, node: NodeId, answer: Answer) {
        match self.want_stream(node) {
            Ok((connection, seat)) => {
                let streaming = &mut self.swarm.behaviour_mut().streaming;
                streaming.open(address::peer_id(node), connection, Want { seat, answer });
            }
            Err(error) => {
                let _nobody_waits = answer.send(Err(error));
            }
        }
    }

    fn want_stream(&self, node: NodeId) -> Result<(ConnectionId, Seat), StreamError> {
        let connection = self.peers.for_streams(node).ok_or(StreamError::NotConnected)?;
        if self.phase == Phase::Draining {
            return Err(StreamError::NotConnected);
        }
        let seat = self.seats.take(node, Direction::Outbound, Some(connection)).ok_or(StreamError::Busy)?;
        Ok((connection, seat))
    }

    /// Somebody wants a bulk connection with a node.
    pub(super) fn plan_bulk(&mut self, node: NodeId, answer: PlanAnswer) {
        let _nobody_waits = answer.send(self.bulk_plan(node, Instant::now()));
    }

    fn bulk_plan(&mut self, node: NodeId, now: Instant) -> Result<Plan, StreamError> {
        if self.phase == Phase::Draining || self.peers.direct(node).is_none() {
            return Err(StreamError::NotConnected);
        }
        self.bulk.forget_failures(now);
        let direct = self.peers.connections(node).filter(|connection| connection.way() == Way::Direct);
        let places = tcp_addresses(direct, &self.book.multiaddrs(node));
        if places.is_empty() || self.bulk.failed.contains_key(&node) {
            return Err(StreamError::Unsupported);
        }
        let seat = self.seats.take(node, Direction::Outbound, None).ok_or(StreamError::Busy)?;
        Ok(Plan { seat, places, dialler: self.bulk.dialler.clone() })
    }

    /// A bulk connection with a node could not be made.
    pub(super) fn no_bulk(&mut self, node: NodeId) {
        if self.peers.is_connected(node) {
            self.bulk.failed.insert(node, Instant::now());
        }
    }

    /// A peer made a bulk connection: into the queue, or away with it.
    pub(super) fn on_bulk(&mut self, Arrived { peer, bulk }: Arrived) {
        let connected = |node: &NodeId| self.phase == Phase::Running && self.peers.direct(*node).is_some();
        let seat = address::node_id(&peer)
            .filter(connected)
            .and_then(|node| self.seats.take(node, Direction::Inbound, None));
        let taken = seat
            .map(|seat| FileStream::bulk(seat, bulk))
            .is_some_and(|stream| self.bulk.arrivals.try_send(stream).is_ok());
        if !taken {
            self.counters.dropped_full += 1;
        }
    }

    /// The last connection with a node is gone: nothing stays of it.
    pub(super) fn bulk_gone(&mut self, node: NodeId) {
        self.seats.end_own(Some(node));
        self.bulk.failed.remove(&node);
    }

    /// Notes what went through streams since the last time, and that their connections are in use. Bytes are a sign of life: they may keep a ping waiting for
    /// longer than a dead connection is believed in.
    pub(super) fn tally_streams(&mut self, now: Instant) {
        let (mut received, mut sent) = (0u64, 0u64);
        for (node, bytes) in self.seats.tally() {
            self.peers.carried(node, count(bytes.received), count(bytes.sent));
            received = received.saturating_add(bytes.received);
            sent = sent.saturating_add(bytes.sent);
        }
        let time = now.saturating_duration_since(self.tallied);
        self.tallied = now;
        if received > 0 || sent > 0 {
            self.meter.moved_over(time, unix_now(), received, sent);
        }
        for (node, connection, moved) in self.seats.connections() {
            self.peers.answered(node, connection, now);
            self.peers.heard(node, connection, moved);
        }
    }

    /// Whether a relayed connection that a direct one has overtaken stays for the streams on it. Those who receive break off nothing that is nearly there, and
    /// go on by the direct way when it ends.
    pub(super) fn stays_for_streams(&self, node: NodeId, id: ConnectionId, now: Instant) -> bool {
        let carries = || self.seats.connections().iter().any(|(_, carrying, _)| *carrying == id);
        let direct = self.peers.direct_since(node);
        direct.is_none_or(|since| now.saturating_duration_since(since) < FILE_SWITCH) && carries()
    }
}

/// Where a peer may listen by TCP, best first: the far end of a connection that we dialled, then known addresses of the machine that we are connected with, then
/// others from as far away. Last its UDP port, because most listen on the same by TCP.
fn tcp_addresses<'a>(direct: impl Iterator<Item = &'a Connection>, known: &[Multiaddr]) -> Vec<Place> {
    let direct: Vec<_> = direct.collect();
    let is_tcp = |at: &&Multiaddr| address::transport(at) == Some(Transport::Tcp);
    let host = |at: &Multiaddr| Some(place(at)?.0);
    let dialled = direct.iter().filter(|connection| connection.dialled).map(|connection| &connection.remote);
    let here = |at: &&Multiaddr| direct.iter().any(|one| host(&one.remote) == host(at));
    let as_far = |at: &&Multiaddr| direct.iter().any(|one| address::scope(&one.remote) == address::scope(at));
    let (by_tcp, by_udp): (Vec<_>, Vec<_>) = dialled.partition(|at| address::is_tcp(at));
    let candidates = by_tcp
        .into_iter()
        .chain(known.iter().filter(is_tcp).filter(here))
        .chain(known.iter().filter(is_tcp).filter(as_far))
        .chain(by_udp);
    let mut places = Vec::new();
    for at in candidates.filter_map(place) {
        if !places.contains(&at) {
            places.push(at);
        }
    }
    places.truncate(BULK_ADDRESSES);
    places
}

/// Host and port of an address.
fn place(at: &Multiaddr) -> Option<Place> {
    let mut parts = at.iter();
    let host = match parts.next()? {
        Part::Ip4(ip) => ip.to_string(),
        Part::Ip6(ip) => ip.to_string(),
        Part::Dns(name) | Part::Dns4(name) | Part::Dns6(name) => name.into_owned(),
        _ => return None,
    };
    match parts.next()? {
        Part::Tcp(port) | Part::Udp(port) => Some((host, port)),
        _ => None,
    }
}

fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddress")
    }

    fn connection(remote: &str, dialled: bool) -> Connection {
        let id = ConnectionId::new_unchecked(1);
        let direction = if dialled { Direction::Outbound } else { Direction::Inbound };
        let mut connection = Connection::direct(id, at(remote), direction, Instant::now());
        connection.dialled = dialled;
        connection
    }

    fn places(connection: &Connection, known: &[&str]) -> Vec<String> {
        let known: Vec<_> = known.iter().map(|text| at(text)).collect();
        let places = tcp_addresses([connection].into_iter(), &known);
        places.into_iter().map(|(host, port)| format!("{host} {port}")).collect()
    }

    #[test]
    fn a_peer_is_looked_for_first_where_it_was_dialled_and_then_on_the_same_machine() {
        let known = [
            "/ip4/8.8.8.8/udp/4190/quic-v1",
            "/ip4/192.168.1.2/tcp/4190",
            "/ip4/9.9.9.9/tcp/4190",
            "/dns/a.example/tcp/4190",
            "/ip4/8.8.8.8/tcp/4191",
        ];
        let by_tcp = places(&connection("/ip4/8.8.8.8/tcp/4190", true), &known);
        assert_eq!(by_tcp, ["8.8.8.8 4190", "8.8.8.8 4191", "9.9.9.9 4190", "a.example 4190"]);
        let by_quic = places(&connection("/ip4/8.8.8.8/udp/4190/quic-v1", true), &known);
        assert_eq!(by_quic, ["8.8.8.8 4191", "9.9.9.9 4190", "a.example 4190", "8.8.8.8 4190"]);
        let from_it = places(&connection("/ip4/8.8.8.8/tcp/50123", false), &known);
        assert_eq!(from_it, ["8.8.8.8 4191", "9.9.9.9 4190", "a.example 4190"], "nobody listens there");
        assert!(places(&connection("/ip4/10.0.0.1/udp/50123/quic-v1", false), &[]).is_empty());
    }
}
