//! Encryption between the two ends of a circuit: TLS 1.3 where the other end has it, Noise where not (libp2p's, with the same identity).
//!
//! Everything through a relay is encrypted twice at each end, for the relay and for the other end. Noise has ChaCha20 alone; TLS has AES, which most
//! processors have instructions for, and is as strong. Offering both takes one round trip more when a circuit begins.
//!
//! Not here: the circuit itself (libp2p's relay client), and connections without one (`transport`, [`super::secure`]).

use super::secure::{NOISE, TLS};
use futures::{
    AsyncRead, AsyncWrite, TryFutureExt as _,
    future::{BoxFuture, Either},
};
use libp2p::{
    PeerId,
    core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
    identity::Keypair,
    noise,
    tls::{self, TlsStream},
};
use std::{array, error::Error, io};

/// How it is done.
#[derive(Clone)]
pub(super) struct Circuit {
    tls: tls::Config,
    noise: noise::Config,
}

impl Circuit {
    /// With this identity.
    pub(super) fn new(keypair: &Keypair) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self { tls: tls::Config::new(keypair)?, noise: noise::Config::new(keypair)? })
    }
}

/// The result.
pub(super) type Secured<C> = Either<TlsStream<C>, noise::Output<C>>;

impl UpgradeInfo for Circuit {
    type Info = &'static str;
    type InfoIter = array::IntoIter<Self::Info, 2>;

    fn protocol_info(&self) -> Self::InfoIter {
        [TLS, NOISE].into_iter()
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<C> for Circuit {
    type Output = (PeerId, Secured<C>);
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, circuit: C, chosen: Self::Info) -> Self::Future {
        if chosen == TLS {
            Box::pin(self.tls.upgrade_inbound(circuit, TLS).map_ok(by_tls).map_err(io::Error::other))
        } else {
            Box::pin(self.noise.upgrade_inbound(circuit, NOISE).map_ok(by_noise).map_err(io::Error::other))
        }
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C> for Circuit {
    type Output = (PeerId, Secured<C>);
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, circuit: C, chosen: Self::Info) -> Self::Future {
        if chosen == TLS {
            Box::pin(self.tls.upgrade_outbound(circuit, TLS).map_ok(by_tls).map_err(io::Error::other))
        } else {
            Box::pin(self.noise.upgrade_outbound(circuit, NOISE).map_ok(by_noise).map_err(io::Error::other))
        }
    }
}

fn by_tls<C>((peer, stream): (PeerId, TlsStream<C>)) -> (PeerId, Secured<C>) {
    (peer, Either::Left(stream))
}

fn by_noise<C>((peer, stream): (PeerId, noise::Output<C>)) -> (PeerId, Secured<C>) {
    (peer, Either::Right(stream))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{AsyncReadExt as _, AsyncWriteExt as _};
    use libp2p::tcp::tokio::TcpStream;
    use multistream_select::{Version, dialer_select_proto, listener_select_proto};
    use tokio::net;

    /// What the two ends agree on, and whom the listener sees, when the dialler offers these.
    async fn agreed(offers: &[&'static str]) -> (&'static str, bool) {
        let door = net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = door.local_addr().expect("an address");
        let (here, there) = tokio::join!(net::TcpStream::connect(address), door.accept());
        let (here, (there, _)) = (here.expect("a connection"), there.expect("a connection"));
        let (dialler, listener) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
        let (ours, theirs) = (Circuit::new(&dialler).expect("keys"), Circuit::new(&listener).expect("keys"));
        let dial = async {
            let (chosen, io) = dialer_select_proto(TcpStream(here), offers.to_vec(), Version::V1Lazy)
                .await
                .expect("one of them");
            let (peer, mut io) = ours.upgrade_outbound(io, chosen).await.expect("a handshake");
            io.write_all(b"hello").await.expect("written");
            io.flush().await.expect("sent");
            (chosen, peer, io)
        };
        let accept = async {
            let protocols = theirs.protocol_info();
            let (chosen, io) = listener_select_proto(TcpStream(there), protocols).await.expect("one of them");
            let (peer, mut io) = theirs.clone().upgrade_inbound(io, chosen).await.expect("a handshake");
            let mut said = [0; 5];
            io.read_exact(&mut said).await.expect("what was said");
            (peer, said)
        };
        let ((chosen, seen, _io), (peer, said)) = tokio::join!(dial, accept);
        assert_eq!(&said, b"hello");
        let proven = seen == listener.public().to_peer_id() && peer == dialler.public().to_peer_id();
        (chosen, proven)
    }

    #[tokio::test]
    async fn two_of_us_take_tls_and_who_has_only_noise_is_understood() {
        let both: Vec<_> =
            Circuit::new(&Keypair::generate_ed25519()).expect("keys").protocol_info().collect();
        assert_eq!(agreed(&both).await, (TLS, true));
        assert_eq!(agreed(&[NOISE]).await, (NOISE, true));
    }
}
