//! Bulk connections: one TCP connection with TLS 1.3 for the bytes of one file stream, without anything in between.
//!
//! yamux and QUIC cut bytes into frames, copy them once more and hand them from task to task; over loopback that is two thirds of what a large file costs. So, where a
//! peer is connected directly and its TCP port reached, a stream can have a connection of its own, to the same port and with the same identity: after TLS
//! the two sides agree on [`BULK`] instead of on yamux. Never through relays, and always beside an ordinary connection: who is not connected gets none,
//! and with the last ordinary connection they end.
//!
//! In: where a peer may listen, whom to expect there. Out: a connection, or that there is none to be had: then an ordinary stream does as well.
//!
//! Not here: who may and how many (`carrying`, `seats`), the accepting side (`secure`).

use super::{
    limits::{BULK_DIAL, BULK_STAGGER},
    secure::TLS,
};
use futures::{StreamExt, stream::FuturesUnordered};
use futures_rustls::{TlsConnector, pki_types::ServerName};
use libp2p::{
    PeerId,
    core::Negotiated,
    identity::Keypair,
    tcp::tokio::TcpStream,
    tls::{self, TlsStream},
};
use multistream_select::{Version, dialer_select_proto};
use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};
use tokio::time::{sleep, timeout};

/// What the two sides agree on.
pub(super) const BULK: &str = "/pc2/bulk/1";

/// Where a peer may be: host, by name or IP, and port.
pub(super) type Place = (String, u16);

/// The connection.
pub(super) type Bulk = Box<Negotiated<TlsStream<Negotiated<TcpStream>>>>;

/// Dials with our identity. Cheap to clone.
#[derive(Clone)]
pub(super) struct Dialler(Arc<Keypair>);

impl Dialler {
    /// With this identity.
    pub(super) fn new(keypair: &Keypair) -> Self {
        Self(Arc::new(keypair.clone()))
    }

    /// Dials the addresses one after the other, a moment apart, and takes the first at which the peer is. Ends in time.
    pub(super) async fn dial(&self, peer: PeerId, places: Vec<Place>) -> io::Result<Bulk> {
        let dials = async {
            let mut dials: FuturesUnordered<_> = (0..)
                .zip(places)
                .map(|(turn, at)| async move {
                    sleep(BULK_STAGGER * turn).await;
                    self.dial_at(peer, &at).await.inspect_err(|error| {
                        tracing::debug!(?at, %error, "no bulk connection");
                    })
                })
                .collect();
            let mut last = io::Error::other("nowhere to dial");
            while let Some(dialled) = dials.next().await {
                match dialled {
                    Ok(bulk) => return Ok(bulk),
                    Err(error) => last = error,
                }
            }
            Err(last)
        };
        timeout(BULK_DIAL, dials).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn dial_at(&self, peer: PeerId, (host, port): &Place) -> io::Result<Bulk> {
        let socket = tokio::net::TcpStream::connect((host.as_str(), *port)).await?;
        socket.set_nodelay(true)?;
        let io = TcpStream(socket);
        let (_, io) = dialer_select_proto(io, [TLS], Version::V1Lazy).await.map_err(io::Error::other)?;
        // An address as the name leaves it out: the certificate says who it is, not where.
        let nameless = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        // Nobody but this peer is accepted.
        let config = tls::make_client_config(&self.0, Some(peer)).map_err(io::Error::other)?;
        let io = TlsConnector::from(Arc::new(config)).connect(nameless, io).await?;
        let (_, io) =
            dialer_select_proto(TlsStream::from(io), [BULK], Version::V1).await.map_err(io::Error::other)?;
        Ok(Box::new(io))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_rustls::rustls::CipherSuite;

    #[test]
    fn aes_is_offered_first_where_the_processor_has_instructions_for_it() {
        let keypair = Keypair::generate_ed25519();
        let config = tls::make_client_config(&keypair, None).expect("a certificate");
        let offered: Vec<_> =
            config.crypto_provider().cipher_suites.iter().map(|suite| suite.suite()).collect();
        #[cfg(target_arch = "x86_64")]
        let has_aes = std::arch::is_x86_feature_detected!("aes");
        #[cfg(target_arch = "aarch64")]
        let has_aes = std::arch::is_aarch64_feature_detected!("aes");
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let has_aes = false;
        let (aes, chacha) =
            (CipherSuite::TLS13_AES_128_GCM_SHA256, CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
        assert_eq!(offered[..2], if has_aes { [aes, chacha] } else { [chacha, aes] });
        assert_eq!(offered.len(), 3, "everybody finds one");
    }
}
