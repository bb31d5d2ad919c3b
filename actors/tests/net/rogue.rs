//! A peer that knows the transport but not the manners: it writes whatever bytes it is told to.

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise,
    request_response::{self, Codec, ProtocolSupport},
    swarm::{SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};
use pc2_protocols::{
    id::NodeId,
    net::{Address, Peer, Protocol},
};
use std::{io, time::Duration};

/// Bytes as they are.
#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io.take(1 << 20).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io.take(1 << 20).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&request).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&response).await
    }
}

pub(crate) struct Rogue {
    swarm: Swarm<request_response::Behaviour<Raw>>,
    victim: PeerId,
    node: NodeId,
}

impl Rogue {
    /// Connects to a node.
    pub(crate) async fn connect(seed: u8, victim: Peer) -> Self {
        let keypair = libp2p::identity::Keypair::ed25519_from_bytes([seed; 32]).expect("a key");
        let public = keypair.public().try_into_ed25519().expect("ed25519");
        let protocol = StreamProtocol::new(Protocol::Message.name());
        let swarm = SwarmBuilder::with_existing_identity(keypair)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .expect("tcp")
            .with_behaviour(|_| {
                request_response::Behaviour::new(
                    [(protocol, ProtocolSupport::Full)],
                    request_response::Config::default(),
                )
            })
            .expect("behaviour")
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
            .build();
        let peer = PeerId::from_bytes(&victim.node.peer_id_bytes()).expect("a peer id");
        let mut rogue = Self { swarm, victim: peer, node: NodeId::from_bytes(public.to_bytes()) };
        assert!(!rogue.is_refused(victim).await, "the first connection stands");
        rogue
    }

    /// Listens on loopback by TCP; where.
    pub(crate) async fn listen(&mut self) -> Peer {
        self.swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("a free port");
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = self.swarm.select_next_some().await {
                let address = Address::try_from(address.to_string()).expect("an address");
                return Peer { node: self.node, addresses: vec![address] };
            }
        }
    }

    pub(crate) const fn node(&self) -> NodeId {
        self.node
    }

    /// Dials; whether the connection fails or is closed before anything can be said on it.
    pub(crate) async fn is_refused(&mut self, victim: Peer) -> bool {
        let addresses: Vec<Multiaddr> = victim
            .addresses
            .iter()
            .map(|address| address.as_str().parse().expect("a multiaddress"))
            .collect();
        self.swarm
            .dial(DialOpts::peer_id(self.victim).addresses(addresses).build())
            .expect("dialling begins");
        let mut stands = false;
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::OutgoingConnectionError { .. } | SwarmEvent::ConnectionClosed { .. } => {
                    return true;
                }
                SwarmEvent::ConnectionEstablished { .. } => {
                    stands = true;
                    // Whoever is refused does not get an answer to this.
                    self.offer(&[0, 0]);
                }
                SwarmEvent::Behaviour(
                    request_response::Event::OutboundFailure { .. } | request_response::Event::Message { .. },
                ) if stands => {
                    return false;
                }
                _ => {}
            }
        }
    }

    /// Sends bytes as a request, without waiting for what follows.
    pub(crate) fn offer(&mut self, bytes: &[u8]) {
        self.swarm.behaviour_mut().send_request(&self.victim, bytes.to_vec());
    }

    /// Sends bytes as a request and waits for its end.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.offer(bytes);
        loop {
            if let SwarmEvent::Behaviour(
                request_response::Event::Message { .. } | request_response::Event::OutboundFailure { .. },
            ) = self.swarm.select_next_some().await
            {
                return;
            }
        }
    }

    /// Waits until its connection is closed.
    pub(crate) async fn until_closed(&mut self) {
        while !matches!(self.swarm.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {}
    }

    /// Answers every request with these bytes, for ever.
    pub(crate) async fn answer_all(&mut self, bytes: &[u8]) {
        loop {
            let event = self.swarm.select_next_some().await;
            if let SwarmEvent::Behaviour(request_response::Event::Message {
                message: request_response::Message::Request { channel, .. },
                ..
            }) = event
            {
                let sent = self.swarm.behaviour_mut().send_response(channel, bytes.to_vec());
                sent.expect("the connection stands");
            }
        }
    }

    /// Keeps its connection going for ever.
    pub(crate) async fn drive(&mut self) {
        loop {
            self.swarm.select_next_some().await;
        }
    }
}
