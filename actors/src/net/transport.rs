//! How connections are made: QUIC, and TCP with Noise and yamux (`secure`), over IP addresses and DNS names, and through relays (`circuit`).
//!
//! A connection through a relay is a stream of the connection with the relay, with TLS or Noise and yamux of its own: the relay sees neither what is said nor
//! how many streams say it.
//!
//! yamux is left as it comes: any option set on it switches off its own tuning of windows.
//!
//! Not here: what runs on connections (`behaviour`), connections for the bytes of one file stream (`bulk`).

use super::{
    FileStream, NetStartError, address,
    behaviour::{Behaviour, Options},
    bulk::Dialler,
    circuit::Circuit,
    closing::Closing,
    limits::{CONNECT_TIMEOUT, QUIC_IDLE_MILLIS, QUIC_KEEP_ALIVE, SWARM_IDLE},
    seats::Seats,
    secure::{Doors, Secure},
    shaped::Shaped,
    streaming::Streaming,
    throttle::Throttle,
    view::Transport as Kind,
};
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, ListenerId},
        upgrade::Version,
    },
    identity::Keypair,
    multiaddr::Protocol,
    quic, relay, tcp, yamux,
};
use pc2_protocols::{limits, net::Address};
use std::{
    error::Error,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// Builds the Swarm, and what dials beside it with the same identity. Needs to be inside a tokio runtime.
pub(super) fn swarm(
    secret: &Zeroizing<[u8; 32]>,
    options: Options,
    (seats, arrivals): (Seats, mpsc::Sender<FileStream>),
    doors: Doors,
) -> Result<(Swarm<Behaviour>, Dialler), NetStartError> {
    let setup = |error: &dyn Error| NetStartError::Setup { reason: error.to_string() };
    // libp2p wipes the copy that it is given.
    let mut copy = Zeroizing::new(**secret);
    let keypair = Keypair::ed25519_from_bytes(&mut *copy).map_err(|error| setup(&error))?;
    let throttle = Arc::new(Throttle::new(limits::RELAY_BYTES_PER_SECOND));
    let dialler = Dialler::new(&keypair);
    let (through_relays, circuits) = relay::client::new(keypair.public().to_peer_id());
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_other_transport(|keypair| quic(keypair, &throttle))
        .map_err(|error| setup(&error))?
        .with_other_transport(|keypair| tcp(keypair, &throttle, doors))
        .map_err(|error| setup(&error))?
        .with_other_transport(|keypair| relayed(keypair, through_relays))
        .map_err(|error| setup(&error))?
        .with_dns()
        .map_err(|error| setup(&error))?
        .with_behaviour(|keypair| {
            let streams = |guests| Streaming::new(guests, seats, arrivals);
            Behaviour::new(keypair, circuits, Arc::clone(&throttle), streams, options)
        })
        .map_err(|error| setup(&error))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(SWARM_IDLE).with_smart_dial())
        .with_connection_timeout(CONNECT_TIMEOUT)
        .build();
    Ok((swarm, dialler))
}

/// What a transport is made by, or why not.
type Made = Result<Boxed<(PeerId, StreamMuxerBox)>, Box<dyn Error + Send + Sync>>;

/// Through relays, with yamux.
fn relayed(keypair: &Keypair, through_relays: relay::client::Transport) -> Made {
    Ok(through_relays
        .upgrade(Version::V1Lazy)
        .authenticate(Circuit::new(keypair)?)
        .multiplex(yamux::Config::default())
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(Closing::new(connection))))
        .boxed())
}

/// QUIC.
fn quic(keypair: &Keypair, throttle: &Arc<Throttle>) -> Made {
    let mut config = quic::Config::new(keypair);
    config.max_idle_timeout = QUIC_IDLE_MILLIS;
    config.keep_alive_interval = QUIC_KEEP_ALIVE;
    let throttle = Arc::clone(throttle);
    Ok(quic::tokio::Transport::new(config)
        .map(move |(peer, connection), _| {
            (peer, StreamMuxerBox::new(Shaped::new(connection, Arc::clone(&throttle))))
        })
        .boxed())
}

/// TCP, with Noise and yamux when we dial.
fn tcp(keypair: &Keypair, throttle: &Arc<Throttle>, doors: Doors) -> Made {
    let (throttle, secure) = (Arc::clone(throttle), Secure::new(keypair, doors)?);
    Ok(tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .and_then(move |socket, point| Box::pin(secure.connect(socket, point)))
        .map(move |(peer, connection), _| {
            let shaped = Shaped::new(Closing::new(connection), Arc::clone(&throttle));
            (peer, StreamMuxerBox::new(shaped))
        })
        .boxed())
}

/// Reads an address to listen on: TCP or QUIC on an IP address and port.
///
/// # Errors
/// [`NetStartError::BadListenAddress`].
fn read(address: &Address) -> Result<(Multiaddr, Kind, SocketAddr), NetStartError> {
    let bad = || NetStartError::BadListenAddress { address: address.clone() };
    let multiaddr: Multiaddr = address.as_str().parse().map_err(|_| bad())?;
    let kind = address::transport(&multiaddr).ok_or_else(bad)?;
    let socket = socket(&multiaddr).ok_or_else(bad)?;
    Ok((multiaddr, kind, socket))
}

/// Reads the text of an address that a node can listen on. Whether the system lets it is seen at the start only.
///
/// # Errors
/// [`BadListen`] when it is none.
pub fn parse_listen(text: &str) -> Result<Address, BadListen> {
    let address = Address::try_from(text.to_owned()).map_err(|_| BadListen)?;
    read(&address).map(|_| address).map_err(|_| BadListen)
}

/// No address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address to listen on looks like /ip4/0.0.0.0/udp/4201/quic-v1 or /ip4/0.0.0.0/tcp/4201")]
pub struct BadListen;

/// Starts to listen on one address. `None` when it is an IPv6 wildcard and the machine has no IPv6.
pub(super) fn listen(
    swarm: &mut Swarm<Behaviour>,
    address: &Address,
) -> Result<Option<ListenerId>, NetStartError> {
    let (multiaddr, kind, socket) = read(address)?;
    if socket.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        && let Err(error) = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))
    {
        tracing::info!(%error, "this machine has no IPv6; going on without");
        return Ok(None);
    }
    probe(kind, socket).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => NetStartError::PortTaken { address: address.clone() },
        _ => NetStartError::CannotListen { address: address.clone(), reason: error.to_string() },
    })?;
    swarm
        .listen_on(multiaddr)
        .map(Some)
        .map_err(|error| NetStartError::CannotListen { address: address.clone(), reason: error.to_string() })
}

/// Finds out whether a port is free, because libp2p does not say so: its TCP would share the port with another program of the same user
/// without a word (it sets SO_REUSEPORT, to dial from the port it listens on), and half of the connections would go astray; and
/// its errors hide the system's.
fn probe(kind: Kind, socket: SocketAddr) -> io::Result<()> {
    // For the system `::` is IPv4, too, whose port may be our own by now.
    if socket.port() == 0 || socket.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        return Ok(());
    }
    match kind {
        Kind::Tcp => TcpListener::bind(socket).map(drop),
        Kind::Quic => UdpSocket::bind(socket).map(drop),
    }
}

fn socket(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}
