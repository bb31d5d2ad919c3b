//! From a TCP connection to one that is encrypted and whose other end has proved who it is.
//!
//! We dial with Noise and yamux, as ever. Who dials us may take TLS 1.3 instead of Noise (libp2p's, with the same identity), and then, instead of yamux,
//! [`BULK`]: no streams, but the connection itself for the bytes of one ([`super::bulk`]). Such a connection is handed out through [`Doors`]; the Swarm, which knows only
//! connections with streams, hears of it as one that failed.
//!
//! The two sides agree by multistream-select, as libp2p's own builder of transports does it. That does not know from which side it looks, so it would offer
//! both kinds of encryption when we dial, too, and lose the round trip that is saved by offering one.
//!
//! Not here: QUIC (`transport`), and connections through relays (`circuit`).

use super::bulk::{BULK, Bulk};
use futures::future::Either;
use libp2p::{
    PeerId,
    core::{
        ConnectedPoint, Endpoint, Negotiated,
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade},
    },
    noise,
    tcp::tokio::TcpStream,
    tls::{self, TlsStream},
    yamux,
};
use multistream_select::{Version, dialer_select_proto, listener_select_proto};
use std::{
    error::Error,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use tokio::sync::mpsc;

/// How Noise is called. Source: libp2p's specification.
pub(super) const NOISE: &str = "/noise";
const YAMUX: &str = "/yamux/1.0.0";

/// How TLS is called. Source: libp2p's specification.
pub(super) const TLS: &str = "/tls/1.0.0";

type Agreed<T> = Negotiated<T>;

/// What yamux runs on.
type Secured = Either<Agreed<noise::Output<Agreed<TcpStream>>>, Agreed<TlsStream<Agreed<TcpStream>>>>;

/// The result, with who is at the other end.
pub(super) type Connected = (PeerId, yamux::Muxer<Secured>);

/// A peer's connection for the bytes of one stream.
pub(super) struct Arrived {
    /// Whose.
    pub(super) peer: PeerId,
    /// The connection.
    pub(super) bulk: Bulk,
}

/// Where such connections go.
#[derive(Clone)]
pub(super) struct Doors {
    arrived: mpsc::Sender<Arrived>,
    /// Of which the Swarm has not yet said that they failed.
    diverted: Arc<AtomicUsize>,
}

impl Doors {
    /// Puts them into a queue. What does not fit is closed.
    pub(super) fn new(arrived: mpsc::Sender<Arrived>) -> Self {
        Self { arrived, diverted: Arc::default() }
    }

    fn divert(&self, arrived: Arrived) -> io::Error {
        self.diverted.fetch_add(1, Relaxed);
        match self.arrived.try_send(arrived) {
            Ok(()) => io::Error::other("it carries files"),
            Err(_) => io::Error::other("it would carry files, for which there is no room"),
        }
    }

    /// Whether one of the connections that the Swarm calls failed is one of these. Each is asked about once.
    pub(super) fn was_diverted(&self) -> bool {
        self.diverted.fetch_update(Relaxed, Relaxed, |diverted| diverted.checked_sub(1)).is_ok()
    }
}

/// How it is done.
#[derive(Clone)]
pub(super) struct Secure {
    noise: noise::Config,
    tls: tls::Config,
    doors: Doors,
}

impl Secure {
    /// With this identity.
    pub(super) fn new(
        keypair: &libp2p::identity::Keypair,
        doors: Doors,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self { noise: noise::Config::new(keypair)?, tls: tls::Config::new(keypair)?, doors })
    }

    /// From one end or the other.
    pub(super) async fn connect(self, socket: TcpStream, point: ConnectedPoint) -> io::Result<Connected> {
        match point {
            ConnectedPoint::Dialer { role_override: Endpoint::Dialer, .. } => self.dial(socket).await,
            // Both dialled through a hole, and the peer was to be the one.
            ConnectedPoint::Dialer { .. } => self.accept(socket, &[YAMUX]).await,
            ConnectedPoint::Listener { .. } => self.accept(socket, &[YAMUX, BULK]).await,
        }
    }

    async fn dial(self, socket: TcpStream) -> io::Result<Connected> {
        let (_, io) = dialer_select_proto(socket, [NOISE], Version::V1Lazy).await.map_err(other)?;
        let (peer, io) = self.noise.upgrade_outbound(io, NOISE).await.map_err(other)?;
        let (_, io) = dialer_select_proto(io, [YAMUX], Version::V1Lazy).await.map_err(other)?;
        let muxer = yamux::Config::default().upgrade_outbound(Either::Left(io), YAMUX).await?;
        Ok((peer, muxer))
    }

    async fn accept(self, socket: TcpStream, offers: &[&'static str]) -> io::Result<Connected> {
        let (security, io) = listener_select_proto(socket, [NOISE, TLS]).await.map_err(other)?;
        let (peer, io) = if security == NOISE {
            let (peer, io) = self.noise.upgrade_inbound(io, NOISE).await.map_err(other)?;
            let (_, io) = listener_select_proto(io, [YAMUX]).await.map_err(other)?;
            (peer, Either::Left(io))
        } else {
            let (peer, io) = self.tls.upgrade_inbound(io, TLS).await.map_err(other)?;
            let (what, io) = listener_select_proto(io, offers).await.map_err(other)?;
            if *what == BULK {
                return Err(self.doors.divert(Arrived { peer, bulk: Box::new(io) }));
            }
            (peer, Either::Right(io))
        };
        let muxer = yamux::Config::default().upgrade_inbound(io, YAMUX).await?;
        Ok((peer, muxer))
    }
}

fn other(error: impl Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}
