//! What the driver does about file streams: chooses the connection for a new one, notes what they carried, and keeps their connections for a while.
//!
//! The streams themselves go from their connection to whoever uses them, past the driver: so nothing here waits for bytes.

use super::{
    address,
    driver::{Driver, Phase},
    limits::FILE_SWITCH,
    streaming::Want,
    streams::{Answer, StreamError},
    view::Direction,
};
use libp2p::swarm::ConnectionId;
use pc2_protocols::id::NodeId;
use std::time::Instant;

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

    fn want_stream(&self, node: NodeId) -> Result<(ConnectionId, super::seats::Seat), StreamError> {
        let connection = self.peers.for_streams(node).ok_or(StreamError::NotConnected)?;
        if self.phase == Phase::Draining {
            return Err(StreamError::NotConnected);
        }
        let seat = self.seats.take(node, Direction::Outbound, Some(connection)).ok_or(StreamError::Busy)?;
        Ok((connection, seat))
    }

    /// Notes what went through streams since the last time, and that their connections are in use. Bytes are a sign of life: they may keep a ping waiting for
    /// longer than a dead connection is believed in.
    pub(super) fn tally_streams(&mut self, now: Instant) {
        for (node, bytes) in self.seats.tally() {
            self.peers.carried(node, count(bytes.received), count(bytes.sent));
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

fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
