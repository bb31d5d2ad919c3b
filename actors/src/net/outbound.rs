//! Our requests until their answer: each is answered exactly once.
//!
//! A request waits for a connection or has been sent. It leaves this book by an answer, a failure of its connection, or its deadline, whichever
//! comes first; what comes later finds nothing and is ignored. One that is not answered for a moment is reason to doubt its connection.
//!
//! Time is passed in. Not here: dialling and sending (`commands`, `events`).

use super::{
    behaviour::Line,
    limits::{
        DOUBT_AFTER, MAX_MAILBOX_PER_PEER, MAX_MESSAGE_PER_PEER, MAX_OUTBOUND, MAX_RECORD_PER_PEER,
        REQUEST_DEADLINE,
    },
    ways::Way,
};
use libp2p::request_response::OutboundRequestId;
use pc2_protocols::{id::NodeId, machine::OpId, net::Protocol};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

#[derive(Debug)]
struct Ask {
    op: OpId,
    to: NodeId,
    protocol: Protocol,
    deadline: Instant,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(Vec<u8>),
    Sent(Way, OutboundRequestId),
}

/// A request that can be sent now; [`Outbound::sent`] is to follow.
#[derive(Debug)]
pub(super) struct Ready {
    number: u64,
    pub(super) protocol: Protocol,
    pub(super) payload: Vec<u8>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    asks: BTreeMap<u64, Ask>,
    by_peer: BTreeMap<NodeId, BTreeSet<u64>>,
    by_request: BTreeMap<(Line, OutboundRequestId), u64>,
    /// Those that were sent, oldest first, with when that was.
    sent: VecDeque<(Instant, u64)>,
    next: u64,
}

impl Outbound {
    /// Whether one more to this peer is allowed. `undelivered` answers count: they still occupy memory.
    pub(super) fn has_room(&self, to: NodeId, protocol: Protocol, undelivered: usize) -> bool {
        let most = match protocol {
            Protocol::Record => MAX_RECORD_PER_PEER,
            Protocol::Message => MAX_MESSAGE_PER_PEER,
            Protocol::Mailbox => MAX_MAILBOX_PER_PEER,
        };
        let same = |number: &&u64| self.asks.get(number).is_some_and(|ask| ask.protocol == protocol);
        let to_peer = self.by_peer.get(&to).map_or(0, |numbers| numbers.iter().filter(same).count());
        self.asks.len() + undelivered < MAX_OUTBOUND && to_peer < most
    }

    /// Takes a request in; it waits until [`Outbound::take_waiting`].
    pub(super) fn wait(&mut self, op: OpId, to: NodeId, protocol: Protocol, payload: Vec<u8>, now: Instant) {
        let number = self.next;
        self.next += 1;
        let ask = Ask { op, to, protocol, deadline: now + REQUEST_DEADLINE, state: State::Waiting(payload) };
        self.asks.insert(number, ask);
        self.by_peer.entry(to).or_default().insert(number);
    }

    /// All that wait for a connection with this peer, oldest first.
    pub(super) fn take_waiting(&mut self, to: NodeId) -> Vec<Ready> {
        let numbers: Vec<_> = self.by_peer.get(&to).into_iter().flatten().copied().collect();
        let mut ready = Vec::new();
        for number in numbers {
            let Some(ask) = self.asks.get_mut(&number) else { continue };
            if let State::Waiting(payload) = &mut ask.state {
                ready.push(Ready { number, protocol: ask.protocol, payload: std::mem::take(payload) });
            }
        }
        ready
    }

    /// A request was handed to libp2p under this id.
    pub(super) fn sent(&mut self, ready: &Ready, way: Way, request: OutboundRequestId, now: Instant) {
        if let Some(ask) = self.asks.get_mut(&ready.number) {
            ask.state = State::Sent(way, request);
            self.by_request.insert(((ask.protocol, way), request), ready.number);
            self.sent.push_back((now, ready.number));
        }
    }

    /// When the next request will have gone without an answer for so long that its connection is in doubt.
    pub(super) fn next_doubt(&mut self) -> Option<Instant> {
        while self.sent.front().is_some_and(|(_, number)| !self.asks.contains_key(number)) {
            self.sent.pop_front();
        }
        self.sent.front().map(|(at, _)| *at + DOUBT_AFTER)
    }

    /// Requests that have gone without an answer for so long: to whom, by which way and when they were sent. Each is told once.
    pub(super) fn doubts(&mut self, now: Instant) -> Vec<(NodeId, Way, Instant)> {
        let mut doubts = Vec::new();
        while self.next_doubt().is_some_and(|due| due <= now) {
            let Some((at, number)) = self.sent.pop_front() else { break };
            if let Some(Ask { to, state: State::Sent(way, _), .. }) = self.asks.get(&number) {
                doubts.push((*to, *way, at));
            }
        }
        doubts
    }

    /// Whether something waits for a connection with this peer.
    pub(super) fn waits_for(&self, to: NodeId) -> bool {
        let mut numbers = self.by_peer.get(&to).into_iter().flatten();
        numbers.any(|number| self.asks.get(number).is_some_and(|ask| matches!(ask.state, State::Waiting(_))))
    }

    /// Whether anything of this peer is under way.
    pub(super) fn is_busy_with(&self, to: NodeId) -> bool {
        self.by_peer.contains_key(&to)
    }

    /// Whether a request to this peer is under way by a way.
    pub(super) fn is_busy_by(&self, to: NodeId, way: Way) -> bool {
        let mut numbers = self.by_peer.get(&to).into_iter().flatten();
        let by = |ask: &Ask| matches!(ask.state, State::Sent(by, _) if by == way);
        numbers.any(|number| self.asks.get(number).is_some_and(by))
    }

    /// No connection with this peer could be made: takes all out that wait for one.
    pub(super) fn give_up(&mut self, to: NodeId) -> Vec<OpId> {
        let numbers: Vec<_> = self.by_peer.get(&to).into_iter().flatten().copied().collect();
        let waits =
            |number: &u64| self.asks.get(number).is_some_and(|ask| matches!(ask.state, State::Waiting(_)));
        let waiting: Vec<_> = numbers.into_iter().filter(waits).collect();
        waiting.into_iter().filter_map(|number| self.remove(number)).collect()
    }

    /// A sent request was answered or failed: takes it out. `None` when its answer was given before.
    pub(super) fn finish(&mut self, line: Line, request: OutboundRequestId) -> Option<OpId> {
        let number = *self.by_request.get(&(line, request))?;
        self.remove(number)
    }

    /// Takes out all whose deadline has passed.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<OpId> {
        // Deadlines are in order of the numbers, because all wait equally long.
        let late = self.asks.iter().take_while(|(_, ask)| ask.deadline <= now).map(|(number, _)| *number);
        let late: Vec<_> = late.collect();
        late.into_iter().filter_map(|number| self.remove(number)).collect()
    }

    /// Takes out everything.
    pub(super) fn drain(&mut self) -> Vec<OpId> {
        let numbers: Vec<_> = self.asks.keys().copied().collect();
        numbers.into_iter().filter_map(|number| self.remove(number)).collect()
    }

    fn remove(&mut self, number: u64) -> Option<OpId> {
        let ask = self.asks.remove(&number)?;
        if let State::Sent(way, request) = ask.state {
            self.by_request.remove(&((ask.protocol, way), request));
        }
        if let Some(numbers) = self.by_peer.get_mut(&ask.to) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_peer.remove(&ask.to);
            }
        }
        Some(ask.op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pc2_protocols::machine::{Component, OpIds};

    const A: NodeId = NodeId::from_bytes([1; 32]);
    const B: NodeId = NodeId::from_bytes([2; 32]);

    #[test]
    fn what_waits_is_given_up_once_and_only_for_that_peer() {
        let (mut book, mut ids, now) = (Outbound::default(), OpIds::new(Component::Dht, 0), Instant::now());
        let ops = [ids.next_id(), ids.next_id(), ids.next_id()];
        for (op, to) in ops.into_iter().zip([A, A, B]) {
            book.wait(op, to, Protocol::Record, vec![1], now);
        }
        assert_eq!(book.give_up(A), [ops[0], ops[1]]);
        assert!(book.give_up(A).is_empty());
        assert!(book.waits_for(B));
        assert_eq!(book.overdue(now + REQUEST_DEADLINE), [ops[2]]);
        assert!(book.overdue(now + REQUEST_DEADLINE).is_empty());
        assert!(!book.is_busy_with(B));
    }

    #[test]
    fn what_waits_is_taken_once_in_order() {
        let (mut book, mut ids, now) = (Outbound::default(), OpIds::new(Component::Dht, 0), Instant::now());
        book.wait(ids.next_id(), A, Protocol::Record, vec![1], now);
        book.wait(ids.next_id(), A, Protocol::Message, vec![2], now);
        let ready = book.take_waiting(A);
        assert_eq!(ready.iter().map(|one| one.payload.clone()).collect::<Vec<_>>(), [vec![1], vec![2]]);
        assert_eq!(book.drain().len(), 2);
    }

    #[test]
    fn one_slow_peer_does_not_take_all_places() {
        let (mut book, mut ids, now) = (Outbound::default(), OpIds::new(Component::Dht, 0), Instant::now());
        for _ in 0..MAX_MESSAGE_PER_PEER {
            assert!(book.has_room(A, Protocol::Message, 0));
            book.wait(ids.next_id(), A, Protocol::Message, Vec::new(), now);
        }
        assert!(!book.has_room(A, Protocol::Message, 0));
        assert!(book.has_room(A, Protocol::Record, 0));
        assert!(book.has_room(B, Protocol::Message, 0));
        assert!(!book.has_room(B, Protocol::Message, MAX_OUTBOUND));
    }
}
