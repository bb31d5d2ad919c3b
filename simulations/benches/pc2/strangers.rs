//! Strangers: libp2p nodes that are no PC2, many in one process. They bring what a benchmark needs from outside: deposits, circuits, pings.
//!
//! Not here: what is measured by them (`levels`, `flood`).

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder,
    identity::Keypair,
    multiaddr::Protocol as Part,
    noise, ping, relay,
    request_response::{self, Codec, Message, ProtocolSupport},
    swarm::{DialError, NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use pc2_protocols::net::Protocol;
use std::{io, time::Duration};

/// Streams of `/pc2/mbx/1` that PC2 accepts on one connection.
const STREAMS: usize = 64;

/// Between two pings: many samples in a minute, and still no load.
const PING_EVERY: Duration = Duration::from_millis(250);

/// Between two pings of those who measure nothing by them.
const PING_SELDOM: Duration = Duration::from_secs(60);

/// Longest frame read here: an answer to a deposit has about a hundred bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// Frames of `/pc2/mbx/1`: a length of four bytes, and so many bytes.
#[derive(Clone, Default)]
struct Frames;

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut frame = Vec::new();
    io.take(MAX_ANSWER).read_to_end(&mut frame).await?;
    if frame.len() < 4 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(frame.split_off(4))
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(payload).await
}

impl Codec for Frames {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read(io).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read(io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()> {
        write(io, &request).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Vec<u8>,
    ) -> io::Result<()> {
        write(io, &response).await
    }
}

/// What a stranger knows.
#[derive(NetworkBehaviour)]
struct Manners {
    circuits: relay::client::Behaviour,
    ping: ping::Behaviour,
    mailbox: request_response::Behaviour<Frames>,
}

/// One of them.
pub(crate) struct Stranger {
    swarm: Swarm<Manners>,
}

/// A multiaddress that ends in a peer id.
pub(crate) fn address(text: &str) -> Multiaddr {
    text.parse().expect("a multiaddress")
}

fn peer_of(address: &Multiaddr) -> PeerId {
    let last = address.iter().last();
    let Some(Part::P2p(peer)) = last else { panic!("{address} does not end in a peer id") };
    peer
}

impl Stranger {
    /// One with a key of its own. Needs to be inside a tokio runtime.
    pub(crate) fn new() -> Self {
        Self::pinging(PING_SELDOM)
    }

    /// One that pings often, to tell how long round trips take.
    pub(crate) fn measuring() -> Self {
        Self::pinging(PING_EVERY)
    }

    fn pinging(every: Duration) -> Self {
        let protocol = StreamProtocol::new(Protocol::Mailbox.name());
        let swarm = SwarmBuilder::with_existing_identity(Keypair::generate_ed25519())
            .with_tokio()
            .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
            .expect("tcp")
            .with_relay_client(noise::Config::new, yamux::Config::default)
            .expect("circuits")
            .with_behaviour(|_, circuits| Manners {
                circuits,
                ping: ping::Behaviour::new(ping::Config::new().with_interval(every)),
                mailbox: request_response::Behaviour::new(
                    [(protocol, ProtocolSupport::Outbound)],
                    request_response::Config::default().with_max_concurrent_streams(STREAMS),
                ),
            })
            .expect("manners")
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
            .build();
        Self { swarm }
    }

    /// Listens on loopback; where.
    pub(crate) async fn listen(&mut self) -> Multiaddr {
        self.swarm.listen_on(address("/ip4/127.0.0.1/tcp/0")).expect("listening begins");
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = self.swarm.select_next_some().await {
                return address.with(Part::P2p(*self.swarm.local_peer_id()));
            }
        }
    }

    /// Connects.
    pub(crate) async fn connect(&mut self, to: &Multiaddr) {
        self.dial(to).await.unwrap_or_else(|error| panic!("{to}: {error}"));
    }

    /// Connects, if it is let in.
    pub(crate) async fn may_connect(&mut self, to: &Multiaddr) -> bool {
        self.dial(to).await.is_ok()
    }

    async fn dial(&mut self, to: &Multiaddr) -> Result<(), DialError> {
        self.swarm.dial(to.clone()).expect("dialling begins");
        let peer = peer_of(to);
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, .. } if peer_id == peer => return Ok(()),
                SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error),
                _ => {}
            }
        }
    }

    /// Takes a place at a relay; where it is reached then.
    pub(crate) async fn take_place(&mut self, relay: &Multiaddr) -> Multiaddr {
        let through = relay.clone().with(Part::P2pCircuit);
        self.swarm.listen_on(through.clone()).expect("listening begins");
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::Behaviour(MannersEvent::Circuits(
                    relay::client::Event::ReservationReqAccepted { .. },
                )) => return through.with(Part::P2p(*self.swarm.local_peer_id())),
                SwarmEvent::ListenerClosed { reason, .. } => panic!("no place: {reason:?}"),
                _ => {}
            }
        }
    }

    /// Sends all of these, so many at once; how many got a good answer.
    pub(crate) async fn ask_all(
        &mut self,
        whom: &Multiaddr,
        requests: Vec<Vec<u8>>,
        at_once: usize,
        good: fn(&[u8]) -> bool,
    ) -> usize {
        let peer = peer_of(whom);
        let (mut rest, mut open, mut answered) = (requests.into_iter(), 0, 0);
        loop {
            while open < at_once
                && let Some(request) = rest.next()
            {
                self.swarm.behaviour_mut().mailbox.send_request(&peer, request);
                open += 1;
            }
            if open == 0 {
                return answered;
            }
            let SwarmEvent::Behaviour(MannersEvent::Mailbox(event)) = self.swarm.select_next_some().await
            else {
                continue;
            };
            match event {
                request_response::Event::Message { message: Message::Response { response, .. }, .. } => {
                    open -= 1;
                    answered += usize::from(good(&response));
                }
                request_response::Event::OutboundFailure { .. } => open -= 1,
                _ => {}
            }
        }
    }

    /// Round trips to a peer.
    pub(crate) async fn round_trips(&mut self, peer: &Multiaddr, count: usize) -> Vec<Duration> {
        let wanted = peer_of(peer);
        let mut found = Vec::new();
        while found.len() < count {
            if let SwarmEvent::Behaviour(MannersEvent::Ping(ping::Event { peer, result: Ok(took), .. })) =
                self.swarm.select_next_some().await
                && peer == wanted
            {
                found.push(took);
            }
        }
        found
    }

    /// Keeps it going for ever.
    pub(crate) async fn drive(mut self) {
        loop {
            self.swarm.select_next_some().await;
        }
    }
}
