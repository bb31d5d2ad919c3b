//! Finding out at once whether a connection still works.
//!
//! Pings run slowly, so that a quiet node stays quiet. When there is reason to doubt a connection (a request is not answered, nothing moves on a stream of files, the network changed)
//! the driver knocks: one ping on this very connection, now. Every libp2p node answers pings; one that refuses the protocol has answered, too.
//!
//! In: [`Knock::at`]. Out: [`Knocked`], once for each.

use super::limits::KNOCK_TIMEOUT;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, future::BoxFuture};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{
        Endpoint,
        transport::PortUse,
        upgrade::{DeniedUpgrade, ReadyUpgrade},
    },
    ping,
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedOutbound},
    },
};
use std::{
    collections::VecDeque,
    io,
    task::{Context, Poll},
};

/// Bytes of a ping. Source: libp2p's ping specification.
const PING_BYTES: usize = 32;

/// What came of knocking.
#[derive(Debug)]
pub(super) struct Knocked {
    /// At whose connection.
    pub(super) peer: PeerId,
    /// At which.
    pub(super) connection: ConnectionId,
    /// Whether anybody answered.
    pub(super) answered: bool,
}

/// The behaviour.
#[derive(Debug, Default)]
pub(super) struct Knock {
    actions: VecDeque<ToSwarm<Knocked, Now>>,
}

/// The word to a connection: knock now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now;

impl Knock {
    /// Knocks at a connection. Nothing happens when it is being knocked at already.
    pub(super) fn at(&mut self, peer: PeerId, connection: ConnectionId) {
        let handler = NotifyHandler::One(connection);
        self.actions.push_back(ToSwarm::NotifyHandler { peer_id: peer, handler, event: Now });
    }
}

impl NetworkBehaviour for Knock {
    type ConnectionHandler = Door;
    type ToSwarm = Knocked;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Door::Quiet)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Door::Quiet)
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        answered: THandlerOutEvent<Self>,
    ) {
        self.actions.push_back(ToSwarm::GenerateEvent(Knocked { peer, connection, answered }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Knocked, THandlerInEvent<Self>>> {
        self.actions.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// One connection's end of it.
pub(super) enum Door {
    /// Nobody knocks.
    Quiet,
    /// A stream is wanted.
    Wanted,
    /// It is being opened.
    Opening,
    /// The ping is under way.
    Waiting(BoxFuture<'static, io::Result<()>>),
    /// Known, not yet said.
    Known(bool),
}

impl ConnectionHandler for Door {
    type FromBehaviour = Now;
    type ToBehaviour = bool;
    type InboundProtocol = DeniedUpgrade;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<DeniedUpgrade> {
        SubstreamProtocol::new(DeniedUpgrade, ())
    }

    fn on_behaviour_event(&mut self, Now: Now) {
        if matches!(self, Self::Quiet) {
            *self = Self::Wanted;
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), bool>> {
        match self {
            Self::Quiet | Self::Opening => Poll::Pending,
            Self::Wanted => {
                *self = Self::Opening;
                let upgrade = ReadyUpgrade::new(ping::PROTOCOL_NAME);
                let protocol = SubstreamProtocol::new(upgrade, ()).with_timeout(KNOCK_TIMEOUT);
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
            }
            Self::Waiting(ping) => {
                let Poll::Ready(result) = ping.poll_unpin(cx) else { return Poll::Pending };
                *self = Self::Quiet;
                Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(result.is_ok()))
            }
            Self::Known(answered) => {
                let answered = *answered;
                *self = Self::Quiet;
                Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(answered))
            }
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, DeniedUpgrade, Self::OutboundProtocol>) {
        match event {
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, .. }) => {
                *self = Self::Waiting(ping(protocol).boxed());
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                *self = Self::Known(matches!(error, StreamUpgradeError::NegotiationFailed));
            }
            _ => {}
        }
    }
}

async fn ping(mut stream: Stream) -> io::Result<()> {
    let echo = async move {
        let sent = [0x5a; PING_BYTES];
        let mut back = [0; PING_BYTES];
        stream.write_all(&sent).await?;
        stream.flush().await?;
        stream.read_exact(&mut back).await?;
        stream.close().await
    };
    tokio::time::timeout(KNOCK_TIMEOUT, echo).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
