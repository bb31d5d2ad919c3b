//! The relay for others: libp2p's, with our limits and addresses.
//!
//! It is always there and advertised only while something is lent. Who is admitted is decided by the `hosting` book, which libp2p's relay asks
//! by way of its rate limiters. It fixes what one circuit may carry when it is made; when that changes, a new one takes over for new
//! connections, and the old one ends with its last connection.
//!
//! The addresses that go with a place are told by the driver: the Swarm's own list has only what was proved, and circuits through others.

use super::{address, hosting::Hosting, throttle::Throttle};
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    relay,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
        behaviour::{ExternalAddrConfirmed, ExternalAddrExpired},
    },
};
use pc2_protocols::net::RelayShare;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

/// What one circuit may carry, in bytes, and how long it may last, in seconds.
type PerCircuit = (u64, u32);

/// The relay.
pub(super) struct Relaying {
    local: PeerId,
    hosting: Arc<Mutex<Hosting>>,
    throttle: Arc<Throttle>,
    /// By age. Only the last one gets new connections.
    relays: BTreeMap<u64, relay::Behaviour>,
    per_circuit: PerCircuit,
    /// Which relay has which connection.
    connections: BTreeMap<ConnectionId, u64>,
    addresses: BTreeSet<Multiaddr>,
}

impl Relaying {
    /// A relay that lends nothing yet.
    pub(super) fn new(local: PeerId, throttle: Arc<Throttle>) -> Self {
        let hosting = Arc::<Mutex<Hosting>>::default();
        let per_circuit = super::limits::FIRST_CIRCUIT;
        let relays = BTreeMap::from([(0, made(local, &hosting, per_circuit))]);
        Self {
            local,
            hosting,
            throttle,
            relays,
            per_circuit,
            connections: BTreeMap::new(),
            addresses: BTreeSet::new(),
        }
    }

    /// Lends this from now on, or nothing. Whether connections that stand must be made anew to profit from it.
    pub(super) fn lend(&mut self, share: Option<RelayShare>) -> bool {
        self.hosting().lend(share);
        let mut renewed = false;
        if let Some(share) = share {
            self.throttle.set_rate(share.bytes_per_second);
            let per_circuit = (share.circuit_bytes, share.circuit_seconds);
            if per_circuit != self.per_circuit {
                self.per_circuit = per_circuit;
                self.renew();
                renewed = !self.connections.is_empty();
            }
        }
        let (newest, status) = (self.newest(), status(share));
        for (age, relay) in &mut self.relays {
            relay.set_status(Some(if *age == newest { status } else { relay::Status::Disable }));
        }
        renewed
    }

    /// Those who get a place from now on are reached at these addresses.
    pub(super) fn tell(&mut self, addresses: BTreeSet<Multiaddr>) {
        for relay in self.relays.values_mut() {
            for addr in self.addresses.difference(&addresses) {
                relay.on_swarm_event(FromSwarm::ExternalAddrExpired(ExternalAddrExpired { addr }));
            }
            for addr in addresses.difference(&self.addresses) {
                relay.on_swarm_event(FromSwarm::ExternalAddrConfirmed(ExternalAddrConfirmed { addr }));
            }
        }
        self.addresses = addresses;
    }

    /// The book of those who are served.
    pub(super) fn hosting(&self) -> MutexGuard<'_, Hosting> {
        locked(&self.hosting)
    }

    fn newest(&self) -> u64 {
        self.relays.last_key_value().map_or(0, |(age, _)| *age)
    }

    fn renew(&mut self) {
        let mut relay = made(self.local, &self.hosting, self.per_circuit);
        for addr in &self.addresses {
            relay.on_swarm_event(FromSwarm::ExternalAddrConfirmed(ExternalAddrConfirmed { addr }));
        }
        let next = self.newest() + 1;
        self.forget_unused();
        self.relays.insert(next, relay);
    }

    fn forget_unused(&mut self) {
        let used: BTreeSet<_> = self.connections.values().copied().chain([self.newest()]).collect();
        self.relays.retain(|age, _| used.contains(age));
    }

    fn relay_of(&mut self, id: ConnectionId) -> Option<&mut relay::Behaviour> {
        self.relays.get_mut(self.connections.get(&id)?)
    }

    /// The relay for a new connection.
    fn assign(&mut self, id: ConnectionId) -> &mut relay::Behaviour {
        let newest = self.newest();
        self.connections.insert(id, newest);
        self.relays.entry(newest).or_insert_with(|| made(self.local, &self.hosting, self.per_circuit))
    }
}

const fn status(share: Option<RelayShare>) -> relay::Status {
    if share.is_some() { relay::Status::Enable } else { relay::Status::Disable }
}

/// Nothing panics while it holds the book; if it did, the book would still be whole.
fn locked(hosting: &Mutex<Hosting>) -> MutexGuard<'_, Hosting> {
    hosting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn made(local: PeerId, hosting: &Arc<Mutex<Hosting>>, (bytes, seconds): PerCircuit) -> relay::Behaviour {
    let places = Arc::clone(hosting);
    let circuits = Arc::clone(hosting);
    let place = move |peer: PeerId, remote: &Multiaddr, _| {
        address::node_id(&peer)
            .is_some_and(|node| locked(&places).admit_place(node, address::prefix(remote), Instant::now()))
    };
    let circuit = move |peer: PeerId, remote: &Multiaddr, _| {
        address::node_id(&peer).is_some_and(|node| {
            locked(&circuits).admit_circuit(node, address::prefix(remote), Instant::now())
        })
    };
    let config = relay::Config {
        // Ours decide.
        max_reservations: usize::MAX,
        max_reservations_per_peer: usize::MAX,
        reservation_rate_limiters: vec![Box::new(place)],
        max_circuits: usize::MAX,
        max_circuits_per_peer: usize::MAX,
        circuit_src_rate_limiters: vec![Box::new(circuit)],
        reservation_duration: super::limits::PLACE_LASTS,
        max_circuit_duration: std::time::Duration::from_secs(seconds.into()),
        max_circuit_bytes: bytes,
    };
    let mut relay = relay::Behaviour::new(local, config);
    relay.set_status(Some(relay::Status::Disable));
    relay
}

impl NetworkBehaviour for Relaying {
    type ConnectionHandler = THandler<relay::Behaviour>;
    type ToSwarm = relay::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.assign(id).handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.assign(id).handle_established_outbound_connection(id, peer, remote, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                if let Some(relay) = self.relay_of(established.connection_id) {
                    relay.on_swarm_event(event);
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                if let Some(relay) = self.relay_of(closed.connection_id) {
                    relay.on_swarm_event(event);
                }
                self.connections.remove(&closed.connection_id);
            }
            // Another behaviour refused it after it was assigned.
            FromSwarm::DialFailure(failed) => drop(self.connections.remove(&failed.connection_id)),
            FromSwarm::ListenFailure(failed) => drop(self.connections.remove(&failed.connection_id)),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        if let Some(relay) = self.relay_of(id) {
            relay.on_connection_handler_event(peer, id, event);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        for relay in self.relays.values_mut() {
            if let Poll::Ready(action) = relay.poll(cx) {
                return Poll::Ready(action);
            }
        }
        Poll::Pending
    }
}
