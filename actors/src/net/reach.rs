//! What the driver finds out about how this node is reached: where others see us, whether they get through, what the router does, holes that were punched.
//!
//! In: what peers say of us, events of AutoNAT, UPnP and DCUtR. Out: [`Reach`], and which addresses are told to others. The books are `own`,
//! `proofs` and `mapping`.

use super::{
    address::{self, Scope},
    behaviour::TRY_PROTOCOL,
    driver::Driver,
    limits::{MAX_REDIALS, PROBES_PER_ADDRESS},
    peers::Connection,
    proofs::Standing,
    view::Direction,
};
use libp2p::{
    Multiaddr, StreamProtocol,
    autonat::v2::client,
    dcutr,
    multiaddr::Protocol,
    swarm::{FromSwarm, NewExternalAddrCandidate},
    upnp,
};
use pc2_protocols::{
    id::NodeId,
    net::{NetInput, Reach},
};
use std::{collections::BTreeSet, net::IpAddr, time::Instant};

impl Driver {
    /// A peer that is connected directly sees us there.
    pub(super) fn on_seen(&mut self, at: &Multiaddr, connection: &Connection, now: Instant) {
        let at = address::without_peer(at);
        if address::transport(&at).is_none() || address::scope(&at).is_none() {
            return;
        }
        let by = connection.prefix;
        if connection.direction == Direction::Outbound {
            self.reports.seen(&at, by);
            self.may_be_a_hole(&at);
            self.tell_mapping();
        }
        let mut candidates = vec![at.clone()];
        if connection.direction == Direction::Outbound {
            // Behind a NAT that somebody opened by hand it is our own port that is open, not the one that is seen.
            candidates = self.with_our_ports(&at);
        }
        if self.observed.claim(&at, by) {
            candidates.push(at.clone());
            if self.proofs.standing(&at) != Standing::Refuted {
                self.swarm.add_external_address(at);
                self.publish_own();
            }
        }
        self.try_out(candidates, now);
    }

    /// The address with each port that we listen on by the same transport.
    fn with_our_ports(&self, at: &Multiaddr) -> Vec<Multiaddr> {
        let ours = self.swarm.listeners().filter(|ours| {
            address::transport(ours).is_some()
                && address::transport(ours) == address::transport(at)
                && address::ip(ours).map(|ip| ip.is_ipv4()) == address::ip(at).map(|ip| ip.is_ipv4())
        });
        let translated = ours.filter_map(|ours| {
            let port =
                ours.iter().nth(1).filter(|part| matches!(part, Protocol::Tcp(_) | Protocol::Udp(_)))?;
            at.replace(1, move |_| Some(port))
        });
        let translated: BTreeSet<_> = translated.collect();
        translated.into_iter().collect()
    }

    /// Has addresses tried by others that may be ours and public.
    fn try_out(&mut self, candidates: Vec<Multiaddr>, now: Instant) {
        let mut news = false;
        for at in candidates {
            if address::scope(&at) == Some(Scope::Global) && address::transport(&at).is_some() {
                news |= self.proofs.candidate(at);
            }
        }
        if news {
            self.ask_testers(now);
        }
    }

    /// Where we listen now: those addresses may be public, and holes may be punched there.
    pub(super) fn try_out_listeners(&mut self) {
        let listening: Vec<_> = self.listening.iter().cloned().collect();
        for at in listening.iter().filter(|at| address::scope(at).is_some()) {
            self.may_be_a_hole(at);
        }
        self.try_out(listening, Instant::now());
    }

    /// Where we listen by ourselves.
    pub(super) fn listening_now(&self) -> BTreeSet<Multiaddr> {
        self.swarm.listeners().filter(|at| address::transport(at).is_some()).cloned().collect()
    }

    /// Offers an address when holes are punched.
    fn may_be_a_hole(&mut self, addr: &Multiaddr) {
        let candidate = FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr });
        self.swarm.behaviour_mut().punch.tell(candidate);
    }

    fn tell_mapping(&mut self) {
        let own: BTreeSet<IpAddr> = self.listening.iter().filter_map(address::ip).collect();
        let mapping = self.reports.mapping(&own);
        if mapping != self.mapping {
            self.mapping = mapping;
            self.deliver(NetInput::Reach(Reach::Mapping { mapping }));
        }
    }

    /// A peer said on a direct connection what it does for others.
    pub(super) fn on_offers(
        &mut self,
        node: NodeId,
        connection: &Connection,
        offers: &[StreamProtocol],
        now: Instant,
    ) {
        self.on_relay_offer(node, offers);
        // libp2p asks on connections of ours only.
        if connection.direction != Direction::Outbound {
            return;
        }
        if offers.contains(&TRY_PROTOCOL) {
            self.testers.insert(node, connection.prefix);
            self.ask_testers(now);
        } else {
            self.testers.remove(&node);
        }
    }

    /// Asks peers about addresses of which nobody has said anything lately. Those who would, and cannot be asked on the connection there is.
    fn ask_testers(&mut self, now: Instant) -> BTreeSet<NodeId> {
        let mut used_up = BTreeSet::new();
        for (node, prefix) in &self.testers {
            let peer = address::peer_id(*node);
            for at in self.proofs.ask(*node, *prefix, now) {
                if !self.swarm.behaviour_mut().prober.ask(peer, &at, now) {
                    self.proofs.not_asked(&at, *node);
                    used_up.insert(*node);
                }
            }
        }
        used_up
    }

    /// Every few minutes: what others said of our addresses grows old. Where all who could be asked were asked on their connections before, a few of
    /// them get a new one, which takes the place of the old.
    pub(super) fn ask_again(&mut self, now: Instant) {
        let used_up = self.ask_testers(now);
        let at_rest = |node: &NodeId| {
            let busy = self.outbound.is_busy_with(*node) || self.inbound.is_busy_with(*node);
            !busy && !self.carries(*node)
        };
        let renewed: Vec<_> = used_up.into_iter().filter(at_rest).take(PROBES_PER_ADDRESS).collect();
        for node in renewed {
            self.dial_anew(node);
        }
    }

    /// Somebody wants to know now how this node is connected: what others said of its addresses counts as old, and those that it joins the network through
    /// are dialled if they are not connected.
    pub(super) fn try_now(&mut self, now: Instant) {
        self.proofs.doubt();
        self.ask_again(now);
        let apart: Vec<_> =
            self.bootstrap.nodes().filter(|node| !self.peers.is_connected(*node)).take(MAX_REDIALS).collect();
        for node in apart {
            if let Err(error) = self.dial(node) {
                tracing::debug!(peer = node.short(), %error, "not dialled");
            }
        }
    }

    /// A peer tried to reach us.
    pub(super) fn on_probed(&mut self, event: &client::Event) {
        let Some(by) = address::node_id(&event.server) else { return };
        let reachable = event.result.is_ok();
        let answered = self.proofs.answered(&event.tested_addr, by, reachable, Instant::now());
        let Some(prefix) = answered else { return };
        let at = address::without_peer(&event.tested_addr);
        match self.proofs.standing(&event.tested_addr) {
            Standing::Proved => self.swarm.add_external_address(at.clone()),
            Standing::Refuted => self.swarm.remove_external_address(&at),
            Standing::Untried => {}
        }
        if let Some(address) = address::address(&at) {
            tracing::debug!(%address, reachable, by = by.short(), "somebody tried to reach us");
            self.deliver(NetInput::Reach(Reach::Probed { address, by, prefix, reachable }));
        }
        self.publish_own();
    }

    /// The router passes connections on to us, or does not.
    pub(super) fn on_mapped(&mut self, event: &upnp::Event) {
        let reach = match event {
            upnp::Event::NewExternalAddr { external_addr, .. } => {
                let at = address::without_peer(external_addr);
                self.mapped.insert(at.clone());
                self.may_be_a_hole(&at);
                self.try_out(vec![at.clone()], Instant::now());
                address::address(&at).map(|address| Reach::Mapped { address })
            }
            upnp::Event::ExpiredExternalAddr { external_addr, .. } => {
                let at = address::without_peer(external_addr);
                self.mapped.remove(&at);
                address::address(&at).map(|address| Reach::Unmapped { address })
            }
            upnp::Event::GatewayNotFound | upnp::Event::NonRoutableGateway => Some(Reach::NoGateway),
        };
        if let Some(reach) = reach {
            self.deliver(NetInput::Reach(reach));
        }
        self.publish_own();
    }

    /// A hole was punched, or not.
    pub(super) fn on_punched(&mut self, event: &dcutr::Event) {
        let Some(node) = address::node_id(&event.remote_peer_id) else { return };
        match &event.result {
            Ok(connection) => {
                tracing::debug!(peer = node.short(), "a hole was punched");
                self.peers.punched(node, *connection);
            }
            Err(error) => tracing::debug!(peer = node.short(), %error, "no hole could be punched"),
        }
    }

    /// The network changed: nothing of what was found out counts any more.
    pub(super) fn forget_reach(&mut self) {
        self.observed.forget();
        self.proofs.forget();
        self.reports.forget();
        let outdated: Vec<_> = self
            .swarm
            .external_addresses()
            .filter(|at| address::circuit(at).is_none() && !self.mapped.contains(*at))
            .cloned()
            .collect();
        for address in outdated {
            self.swarm.remove_external_address(&address);
        }
        self.listening = self.listening_now();
        self.tell_mapping();
    }
}
