//! A shell's line to the network.
//!
//! In: commands of a machine, what the network tells it. Out: commands to the driver; where its queue is full, the answer
//! that the machine must have all the same. Remembers who is connected and which requests of peers are open, for the
//! machine's next life.
//!
//! Not here: the driver (`net`).

use crate::open::Open;
use pc2_protocols::{
    id::NodeId,
    net::{NetCommand, NetError, NetInput, Reach, RequestToken, ReservationError},
};
use std::{collections::BTreeSet, sync::Arc};

/// Hands a command to the driver without waiting; hands it back when the driver's queue is full.
pub(crate) type Port = Arc<dyn Fn(NetCommand) -> Result<(), NetCommand> + Send + Sync>;

/// The line of one shell.
pub(crate) struct Line {
    port: Port,
    /// What replaces all of its kind before and must not be lost, when the queue was full: whom to stay connected with, what to do for others. A
    /// machine gives only one of the two.
    kept: Option<NetCommand>,
    connected: BTreeSet<NodeId>,
    requests: Open<RequestToken>,
}

impl Line {
    pub(crate) const fn new(port: Port) -> Self {
        Self { port, kept: None, connected: BTreeSet::new(), requests: Open::new() }
    }

    /// Sends a command. Comes back with what the machine must hear when the driver's queue is full.
    pub(crate) fn send(&mut self, command: NetCommand) -> Option<NetInput> {
        if let NetCommand::Respond { token, .. } | NetCommand::Drop { token } = &command {
            self.requests.closed(token);
        }
        if matches!(command, NetCommand::KeepConnected { .. } | NetCommand::Contribute { .. }) {
            self.kept = None;
        } else if let Some(kept) = self.kept.take() {
            self.kept = (self.port)(kept).err();
        }
        match (self.port)(command) {
            Ok(()) => None,
            Err(NetCommand::Request { op, .. }) => {
                Some(NetInput::Response { op, result: Err(NetError::Busy) })
            }
            Err(NetCommand::FindClosest { op, .. }) => Some(NetInput::Closest { op, peers: Vec::new() }),
            Err(kept @ (NetCommand::KeepConnected { .. } | NetCommand::Contribute { .. })) => {
                self.kept = Some(kept);
                None
            }
            // The peer asks again, and hints come again.
            Err(
                NetCommand::Respond { .. }
                | NetCommand::Drop { .. }
                | NetCommand::Learn { .. }
                | NetCommand::Penalise { .. }
                | NetCommand::Release { .. },
            ) => None,
            Err(NetCommand::Reserve { relay }) => {
                Some(NetInput::Reach(Reach::ReservationLost { relay, reason: ReservationError::Unreachable }))
            }
        }
    }

    /// A peer's request goes to the machine.
    pub(crate) fn request_opened(&mut self, token: RequestToken) {
        self.requests.opened(token);
    }

    /// Lets a peer's request fail.
    pub(crate) fn drop_request(&mut self, token: RequestToken) {
        let _a_drop_needs_no_answer = self.send(NetCommand::Drop { token });
    }

    /// A peer is connected.
    pub(crate) fn peer_up(&mut self, node: NodeId) {
        self.connected.insert(node);
    }

    /// A peer is connected no longer.
    pub(crate) fn peer_down(&mut self, node: NodeId) {
        self.connected.remove(&node);
    }

    /// Who is connected.
    pub(crate) fn connected(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.connected.iter().copied()
    }

    /// The machine starts anew.
    pub(crate) fn new_life(&mut self) {
        self.requests.new_life();
    }

    /// Lets requests fail that no life of the machine will answer.
    pub(crate) fn settle(&mut self) {
        for token in self.requests.settle() {
            self.drop_request(token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pc2_protocols::machine::{Component, OpIds};
    use std::sync::Mutex;

    fn line(capacity: usize) -> (Line, Arc<Mutex<Vec<NetCommand>>>) {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let queue = Arc::clone(&sent);
        let port: Port = Arc::new(move |command| {
            let mut queue = queue.lock().expect("lock");
            if queue.len() < capacity {
                queue.push(command);
                return Ok(());
            }
            Err(command)
        });
        (Line::new(port), sent)
    }

    #[test]
    fn a_question_that_finds_the_queue_full_is_answered_at_once() {
        let (mut line, _) = line(0);
        let op = OpIds::new(Component::Messenger, 0).next_id();
        let to = NodeId::from_bytes([1; 32]);
        let request =
            NetCommand::Request { op, to, protocol: pc2_protocols::net::Protocol::Message, payload: vec![] };
        assert_eq!(line.send(request), Some(NetInput::Response { op, result: Err(NetError::Busy) }));
        let key = pc2_protocols::id::RecordKey::from_bytes([1; 32]);
        assert_eq!(
            line.send(NetCommand::FindClosest { op, key }),
            Some(NetInput::Closest { op, peers: vec![] })
        );
    }

    #[test]
    fn whom_to_stay_connected_with_is_not_lost_in_a_full_queue() {
        let (mut line, sent) = line(1);
        let penalise =
            || NetCommand::Penalise { node: NodeId::from_bytes([1; 32]), reason: "only to fill the queue" };
        let keep = NetCommand::KeepConnected { nodes: vec![NodeId::from_bytes([2; 32])] };
        line.send(penalise());
        line.send(NetCommand::KeepConnected { nodes: vec![] });
        line.send(keep.clone());
        sent.lock().expect("lock").clear();
        line.send(penalise());
        assert_eq!(*sent.lock().expect("lock"), [keep], "the newest one, before anything else");
    }

    #[test]
    fn requests_that_died_with_a_machine_are_let_go() {
        let (mut line, sent) = line(10);
        for token in [1, 2] {
            line.request_opened(RequestToken(token));
        }
        line.new_life();
        line.request_opened(RequestToken(3));
        line.send(NetCommand::Respond { token: RequestToken(1), payload: vec![] });
        line.settle();
        assert_eq!(sent.lock().expect("lock").last(), Some(&NetCommand::Drop { token: RequestToken(2) }));
        assert_eq!(sent.lock().expect("lock").len(), 2);
    }
}
