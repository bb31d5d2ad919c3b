//! The way to one machine's queue, with patience for when it is full.
//!
//! Requests of peers are offered and may be refused: the peer asks again. Everything else must arrive and in order, so it waits here.
//! What waits is bounded by what can cause it: answers by the questions under way, peers by the connections (an older coming or going of the same
//! peer is replaced), addresses and changes of the network by one each.

use super::{Full, Route};
use pc2_protocols::net::NetInput;
use std::collections::VecDeque;

/// The way to one machine.
pub(super) struct Outlet {
    route: Route,
    waiting: VecDeque<NetInput>,
}

impl Outlet {
    /// A way that nothing waits on.
    pub(super) const fn new(route: Route) -> Self {
        Self { route, waiting: VecDeque::new() }
    }

    /// Hands over what may be lost; whether it was taken.
    pub(super) fn offer(&mut self, input: NetInput) -> bool {
        self.waiting.is_empty() && (self.route)(input).is_ok()
    }

    /// Hands over what must arrive, now or later.
    pub(super) fn send(&mut self, input: NetInput) {
        if self.waiting.is_empty() {
            if let Err(Full(input)) = (self.route)(input) {
                self.waiting.push_back(input);
            }
        } else {
            self.supersede(&input);
            self.waiting.push_back(input);
        }
    }

    /// Tries again what waits.
    pub(super) fn retry(&mut self) {
        while let Some(input) = self.waiting.pop_front() {
            if let Err(Full(input)) = (self.route)(input) {
                self.waiting.push_front(input);
                return;
            }
        }
    }

    /// How much waits.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Removes what `next` makes pointless. A peer that went and came again keeps its `PeerDown`, so that the machine notices.
    fn supersede(&mut self, next: &NetInput) {
        match next {
            NetInput::PeerDown { node: gone } => self.waiting.retain(|input| {
                !matches!(input, NetInput::PeerUp { node } | NetInput::PeerDown { node } if node == gone)
            }),
            NetInput::OwnAddresses { .. } => {
                self.waiting.retain(|input| !matches!(input, NetInput::OwnAddresses { .. }));
            }
            NetInput::NetworkChanged => self.waiting.retain(|input| *input != NetInput::NetworkChanged),
            // The same news again.
            NetInput::Reach(_) => self.waiting.retain(|input| input != next),
            NetInput::PeerUp { .. }
            | NetInput::Request { .. }
            | NetInput::Response { .. }
            | NetInput::Closest { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pc2_protocols::id::NodeId;
    use std::sync::{Arc, Mutex};

    const A: NodeId = NodeId::from_bytes([1; 32]);

    /// How many places a queue has, and what is in it.
    type Queue = Arc<Mutex<(usize, Vec<NetInput>)>>;

    fn queue(places: usize) -> (Outlet, Queue) {
        let state = Arc::new(Mutex::new((places, Vec::new())));
        let shared = Arc::clone(&state);
        let route: Route = Arc::new(move |input| {
            let mut state = shared.lock().expect("no panic while held");
            if state.1.len() >= state.0 {
                return Err(Full(input));
            }
            state.1.push(input);
            Ok(())
        });
        (Outlet::new(route), state)
    }

    #[test]
    fn what_must_arrive_waits_and_arrives_in_order() {
        let (mut outlet, state) = queue(1);
        let sent = [
            NetInput::NetworkChanged,
            NetInput::PeerUp { node: A },
            NetInput::OwnAddresses { addresses: vec![] },
        ];
        for input in sent.clone() {
            outlet.send(input);
        }
        assert_eq!(outlet.waiting(), 2);
        assert!(!outlet.offer(NetInput::NetworkChanged), "nothing overtakes what waits");
        state.lock().expect("held by nobody").0 = 9;
        outlet.retry();
        assert_eq!(outlet.waiting(), 0);
        assert_eq!(state.lock().expect("held by nobody").1, sent);
    }

    #[test]
    fn a_peer_that_flaps_does_not_pile_up() {
        let (mut outlet, state) = queue(0);
        for _ in 0..1_000 {
            outlet.send(NetInput::PeerUp { node: A });
            outlet.send(NetInput::PeerDown { node: A });
        }
        outlet.send(NetInput::PeerUp { node: A });
        assert!(outlet.waiting() <= 3);
        state.lock().expect("held by nobody").0 = 9;
        outlet.retry();
        assert_eq!(state.lock().expect("held by nobody").1.last(), Some(&NetInput::PeerUp { node: A }));
    }
}
