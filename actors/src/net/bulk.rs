//! Bulk connections: one TCP connection with TLS 1.3 for the bytes of one file stream, without anything in between.
//!
//! yamux and QUIC cut bytes into frames, copy them once more and hand them from task to task; over loopback that is two thirds of what a large file costs. So, where a
//! peer is connected directly and its TCP port reached, a stream can have a connection of its own, to the same port and with the same identity: after TLS
//! the two sides agree on [`BULK`] instead of on yamux. Never through relays, and always beside an ordinary connection: who is not connected gets none,
//! and with the last ordinary connection they end.
//!
//! In: where a peer may listen, whom to expect there. Out: a connection, or that there is none to be had: then an ordinary stream does as well.
//!
//! AES comes first where the processor has instructions for it, which most have: that is three times as fast as what libp2p's own configuration puts first.
//!
//! Not here: who may and how many (`carrying`, `seats`), the accepting side (`secure`).

use super::{
    limits::{BULK_DIAL, BULK_STAGGER},
    secure::TLS,
};
use futures::{StreamExt, stream::FuturesUnordered};
use futures_rustls::{
    TlsConnector,
    pki_types::{CertificateDer, ServerName, UnixTime},
    rustls::{
        self, CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedCipherSuite,
        client::{
            ResolvesClientCert,
            danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        },
        crypto::{CryptoProvider, aws_lc_rs},
        version::TLS13,
    },
};
use libp2p::{
    PeerId,
    core::Negotiated,
    identity::Keypair,
    tcp::tokio::TcpStream,
    tls::{self, TlsStream, certificate},
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
pub(super) struct Dialler {
    certificate: Arc<dyn ResolvesClientCert>,
    provider: Arc<CryptoProvider>,
}

impl Dialler {
    /// With this identity; makes a certificate for it.
    pub(super) fn new(keypair: &Keypair) -> Result<Self, certificate::GenError> {
        let certificate = tls::make_client_config(keypair, None)?.client_auth_cert_resolver;
        let provider = CryptoProvider { cipher_suites: suites(has_aes()), ..aws_lc_rs::default_provider() };
        Ok(Self { certificate, provider: Arc::new(provider) })
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
        let io = TlsConnector::from(Arc::new(self.config(peer)?)).connect(nameless, io).await?;
        let (_, io) =
            dialer_select_proto(TlsStream::from(io), [BULK], Version::V1).await.map_err(io::Error::other)?;
        Ok(Box::new(io))
    }

    fn config(&self, peer: PeerId) -> io::Result<ClientConfig> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Expect(peer)))
            .with_client_cert_resolver(Arc::clone(&self.certificate));
        config.alpn_protocols = vec![b"libp2p".to_vec()];
        Ok(config)
    }
}

/// The ciphers of TLS 1.3, best first.
fn suites(aes: bool) -> Vec<SupportedCipherSuite> {
    use aws_lc_rs::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    let mut suites = vec![TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256, TLS13_AES_256_GCM_SHA384];
    if !aes {
        suites.swap(0, 1);
    }
    suites
}

/// Whether the processor has instructions for AES. Without them AES is the slower one.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// Accepts this peer and nobody else, by the rules of libp2p: one certificate, signed by itself, in which the node's key vouches for the certificate's.
/// libp2p reads and verifies it; only the order of ciphers, which it keeps to itself, made this necessary.
#[derive(Debug)]
struct Expect(PeerId);

impl ServerCertVerifier for Expect {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        further: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_expected = further.is_empty() && certificate::parse(certificate)?.peer_id() == self.0;
        if is_expected { Ok(ServerCertVerified::assertion()) } else { Err(refused()) }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // Never offered.
        Err(refused())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        certificate::parse(certificate)?.verify_signature(signed.scheme, message, signed.signature())?;
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // Those of elliptic curves that libp2p verifies; its own certificates have the second.
        vec![
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ED25519,
        ]
    }
}

const fn refused() -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}
