//! What runs on connections: limits, relaying and being relayed, hole punching, tries to be reached, identify, ping, kad, mDNS, UPnP, our three
//! request-response protocols and streams of files.
//!
//! The order of the fields matters: those that refuse connections come first, so that the others never see a connection that is then refused.
//!
//! Not here: what to do about their events (`events`).

use super::{
    dial_back::DialBack,
    frame::FrameCodec,
    knock::Knock,
    limits::{
        LOOKUP_TIMEOUT, MAILBOX_STREAMS, MAILBOX_TIMEOUT, MAX_INBOUND, MAX_PENDING_INBOUND, MAX_PER_PEER,
        MAX_PROCESS_BYTES, MESSAGE_STREAMS, MESSAGE_TIMEOUT, PING_INTERVAL, PING_TIMEOUT, RECORD_STREAMS,
        RECORD_TIMEOUT,
    },
    prober::Prober,
    relaying::Relaying,
    streaming::Streaming,
    throttle::Throttle,
    ways::{Guests, OnWay, Sieve, Way},
};
use libp2p::{
    PeerId, StreamProtocol, allow_block_list, connection_limits, dcutr, identify,
    identity::Keypair,
    kad::{self, store::MemoryStoreConfig},
    mdns, memory_connection_limits, ping, relay,
    request_response::{self, ProtocolSupport},
    swarm::{FromSwarm, NetworkBehaviour, behaviour::toggle::Toggle},
    upnp,
};
use pc2_protocols::net::Protocol;
use std::{num::NonZeroUsize, sync::Arc};

/// What carries a request: libp2p's names of requests are unique within one of these.
pub(super) type Line = (Protocol, Way);

/// Names our network; a peer that identifies as another is not taken into the routing table.
pub(super) const IDENTIFY_PROTOCOL: &str = "/pc2/1";

/// Kademlia among PC2 nodes only.
pub(super) const KAD_PROTOCOL: StreamProtocol = StreamProtocol::new("/pc2/kad/1");

/// By which a node says that it relays.
pub(super) const RELAY_PROTOCOL: StreamProtocol = relay::HOP_PROTOCOL_NAME;

/// By which a node says that it tries to reach others who ask for it. Source: AutoNAT v2's specification; libp2p keeps its constant private.
pub(super) const TRY_PROTOCOL: StreamProtocol = StreamProtocol::new("/libp2p/autonat/2/dial-request");

/// What may be left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// Finding others on the LAN, and being found.
    pub(super) mdns: bool,
    /// Asking the router to pass connections on.
    pub(super) upnp: bool,
}

/// One of our protocols, on either way.
#[derive(NetworkBehaviour)]
pub(super) struct BothWays {
    direct: OnWay<request_response::Behaviour<FrameCodec>>,
    relayed: OnWay<request_response::Behaviour<FrameCodec>>,
}

/// Everything that runs on connections.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) shut_out: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    connection_limits: connection_limits::Behaviour,
    memory_limit: memory_connection_limits::Behaviour,
    circuits: Sieve<relay::client::Behaviour>,
    pub(super) relaying: Relaying,
    pub(super) punch: Sieve<dcutr::Behaviour>,
    pub(super) prober: Prober,
    pub(super) dial_back: DialBack,
    upnp: Toggle<upnp::tokio::Behaviour>,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) knock: Knock,
    pub(super) kad: kad::Behaviour<kad::store::MemoryStore>,
    mdns: Toggle<mdns::tokio::Behaviour>,
    record: BothWays,
    message: BothWays,
    mailbox: BothWays,
    pub(super) streaming: Streaming,
}

impl Behaviour {
    /// Puts it together. Without mDNS when it is not wanted or the system has no multicast; that is logged.
    pub(super) fn new(
        keypair: &Keypair,
        circuits: relay::client::Behaviour,
        throttle: Arc<Throttle>,
        streams: impl FnOnce(Guests) -> Streaming,
        options: Options,
    ) -> Self {
        let local = keypair.public().to_peer_id();
        let guests = Guests::default();
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_pending_incoming(Some(MAX_PENDING_INBOUND))
            .with_max_established_incoming(Some(MAX_INBOUND))
            .with_max_established_per_peer(Some(MAX_PER_PEER));
        let identify = identify::Config::new(IDENTIFY_PROTOCOL.to_owned(), keypair.public())
            .with_agent_version(concat!("pc2/", env!("CARGO_PKG_VERSION")).to_owned())
            .with_push_listen_addr_updates(true)
            // Addresses are kept in our own book, by how far they can be trusted.
            .with_cache_size(0);
        let mdns = options
            .mdns
            .then(|| mdns::tokio::Behaviour::new(mdns::Config::default(), local))
            .and_then(|made| {
                made.inspect_err(|error| tracing::warn!(%error, "no multicast, so nodes on the LAN are not found by themselves"))
                    .ok()
            });
        Self {
            shut_out: allow_block_list::Behaviour::default(),
            connection_limits: connection_limits::Behaviour::new(limits),
            memory_limit: memory_connection_limits::Behaviour::with_max_bytes(MAX_PROCESS_BYTES),
            // It would forget a place whose listener closed, and panic when the relay's word about that place still arrives.
            circuits: Sieve::new(circuits, |event| !matches!(event, FromSwarm::ListenerClosed(_))),
            relaying: Relaying::new(local, throttle),
            // Candidates that identify guesses would be offered as holes; the driver tells those that were seen.
            punch: Sieve::new(dcutr::Behaviour::new(local), |event| {
                !matches!(event, FromSwarm::NewExternalAddrCandidate(_))
            }),
            prober: Prober::new(guests.clone()),
            dial_back: DialBack::default(),
            upnp: options.upnp.then(upnp::tokio::Behaviour::default).into(),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT),
            ),
            knock: Knock::default(),
            kad: kad(local),
            mdns: mdns.into(),
            record: both_ways(Protocol::Record, &guests),
            message: both_ways(Protocol::Message, &guests),
            mailbox: both_ways(Protocol::Mailbox, &guests),
            streaming: streams(guests),
        }
    }

    /// The request-response behaviour of a line. One for each protocol, because a request is offered under all names of its behaviour.
    pub(super) const fn requests_of(
        &mut self,
        (protocol, way): Line,
    ) -> &mut request_response::Behaviour<FrameCodec> {
        let both = match protocol {
            Protocol::Record => &mut self.record,
            Protocol::Message => &mut self.message,
            Protocol::Mailbox => &mut self.mailbox,
        };
        match way {
            Way::Direct => both.direct.inner_mut(),
            Way::Relayed => both.relayed.inner_mut(),
        }
    }
}

/// Kademlia as a router only: it holds no records, and its table is filled by us alone (`table`).
fn kad(local: PeerId) -> kad::Behaviour<kad::store::MemoryStore> {
    let mut config = kad::Config::new(KAD_PROTOCOL);
    config
        .set_query_timeout(LOOKUP_TIMEOUT)
        .disjoint_query_paths(true)
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        // Nobody can store a record or a provider here: what is offered comes as an event that is ignored.
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_record_ttl(None)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_caching(kad::Caching::Disabled)
        // A walk through our own neighbourhood does the same at a fifth of the cost (`lookups`).
        .set_periodic_bootstrap_interval(None);
    let nothing = MemoryStoreConfig {
        max_records: 0,
        max_provided_keys: 0,
        max_providers_per_key: 0,
        ..MemoryStoreConfig::default()
    };
    let mut kad =
        kad::Behaviour::with_config(local, kad::store::MemoryStore::with_config(local, nothing), config);
    // Nothing for others until told.
    kad.set_mode(Some(kad::Mode::Client));
    kad
}

fn both_ways(protocol: Protocol, guests: &Guests) -> BothWays {
    let on = |way| OnWay::new(way, requests(protocol), guests.clone());
    BothWays { direct: on(Way::Direct), relayed: on(Way::Relayed) }
}

fn requests(protocol: Protocol) -> request_response::Behaviour<FrameCodec> {
    let (timeout, streams) = match protocol {
        Protocol::Record => (RECORD_TIMEOUT, RECORD_STREAMS),
        Protocol::Message => (MESSAGE_TIMEOUT, MESSAGE_STREAMS),
        Protocol::Mailbox => (MAILBOX_TIMEOUT, MAILBOX_STREAMS),
    };
    request_response::Behaviour::with_codec(
        FrameCodec::new(protocol),
        [(StreamProtocol::new(protocol.name()), ProtocolSupport::Full)],
        request_response::Config::default()
            .with_request_timeout(timeout)
            .with_max_concurrent_streams(streams),
    )
}

/// How many of the closest nodes a walk returns.
pub(super) const CLOSEST: NonZeroUsize =
    NonZeroUsize::new(pc2_protocols::limits::REPLICATION).expect("replication is not zero");
