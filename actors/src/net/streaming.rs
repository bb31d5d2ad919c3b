//! `/pc2/file/1` on connections: opens streams on the connection that the driver names, and takes in those of peers.
//!
//! In: [`Want`] by [`Streaming::open`], streams of peers. Out: a [`FileStream`] to whoever asked, those of peers into one queue, and [`Refused`]
//! for each of theirs that is beyond the bounds: it is reset. On connections that were only made to try whether a node can be reached we open none, for they are
//! closed at any moment; but what a peer opens there is taken: the two sides of a try do not always know it for one, and a refusal would be taken for good.
//!
//! libp2p's own behaviour for plain streams chooses any connection, dials by itself and has no bounds for what comes in.
//!
//! Not here: which connection is best (`peers`), the bounds (`seats`).

use super::{
    address,
    limits::FILE_OPEN_TIMEOUT,
    seats::{Seat, Seats},
    streams::{Answer, FileStream, StreamError},
    view::Direction,
    ways::{Guests, Way},
};
use either::Either;
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{
        Endpoint,
        transport::PortUse,
        upgrade::{DeniedUpgrade, ReadyUpgrade},
    },
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use pc2_protocols::files::wire::FILE_PROTOCOL;
use std::{
    collections::VecDeque,
    task::{Context, Poll},
};
use tokio::sync::mpsc;

/// A stream that is wanted.
#[derive(Debug)]
pub(super) struct Want {
    /// Its place.
    pub(super) seat: Seat,
    /// To whom it goes.
    pub(super) answer: Answer,
}

/// A peer's stream was beyond the bounds, or nobody takes streams here any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused;

/// The behaviour.
pub(super) struct Streaming {
    guests: Guests,
    seats: Seats,
    arrivals: mpsc::Sender<FileStream>,
    actions: VecDeque<ToSwarm<Refused, Want>>,
}

impl Streaming {
    /// Puts what peers open into a queue, which must have room for as many as there are seats.
    pub(super) const fn new(guests: Guests, seats: Seats, arrivals: mpsc::Sender<FileStream>) -> Self {
        Self { guests, seats, arrivals, actions: VecDeque::new() }
    }

    /// Opens a stream on this connection. When that is gone, so is the question.
    pub(super) fn open(&mut self, peer: PeerId, connection: ConnectionId, want: Want) {
        let handler = NotifyHandler::One(connection);
        self.actions.push_back(ToSwarm::NotifyHandler { peer_id: peer, handler, event: want });
    }

    fn line(&self, connection: ConnectionId, peer: PeerId, way: Way, is_try: bool) -> Line {
        let seats = self.seats.clone();
        let place = address::node_id(&peer).map(|node| Place { node, connection, seats });
        let arrivals = self.arrivals.clone();
        Line { place, way, is_try, arrivals, wanted: VecDeque::new(), refused: 0 }
    }
}

impl NetworkBehaviour for Streaming {
    type ConnectionHandler = Line;
    type ToSwarm = Refused;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let way = Way::of(local);
        Ok(self.line(id, peer, way, way == Way::Direct && self.guests.expects(&peer)))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        // A new port is taken only for tries.
        Ok(self.line(id, peer, Way::of(remote), port == PortUse::New))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, refused: THandlerOutEvent<Self>) {
        self.actions.push_back(ToSwarm::GenerateEvent(refused));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Refused, THandlerInEvent<Self>>> {
        self.actions.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// One connection's end of it.
pub(super) struct Line {
    /// `None` for who is no node.
    place: Option<Place>,
    way: Way,
    /// We open nothing here.
    is_try: bool,
    arrivals: mpsc::Sender<FileStream>,
    wanted: VecDeque<Want>,
    /// Not yet said.
    refused: usize,
}

struct Place {
    node: pc2_protocols::id::NodeId,
    connection: ConnectionId,
    seats: Seats,
}

const fn offer() -> ReadyUpgrade<StreamProtocol> {
    ReadyUpgrade::new(StreamProtocol::new(FILE_PROTOCOL))
}

impl Line {
    /// A peer's stream: into the queue, or away with it.
    fn arrived(&mut self, stream: Stream) {
        let seat = self
            .place
            .as_ref()
            .and_then(|place| place.seats.take(place.node, Direction::Inbound, Some(place.connection)));
        let taken = seat
            .map(|seat| FileStream::shared(seat, self.way == Way::Relayed, stream))
            .is_some_and(|stream| self.arrivals.try_send(stream).is_ok());
        if !taken {
            self.refused += 1;
        }
    }
}

impl ConnectionHandler for Line {
    type FromBehaviour = Want;
    type ToBehaviour = Refused;
    type InboundProtocol = Either<ReadyUpgrade<StreamProtocol>, DeniedUpgrade>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Want;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, ()> {
        let carries = self.place.is_some();
        SubstreamProtocol::new(if carries { Either::Left(offer()) } else { Either::Right(DeniedUpgrade) }, ())
    }

    fn on_behaviour_event(&mut self, want: Want) {
        if !self.is_try {
            self.wanted.push_back(want);
        } else {
            answer(want.answer, Err(StreamError::NotConnected));
        }
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Want, Refused>> {
        if self.refused > 0 {
            self.refused -= 1;
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Refused));
        }
        match self.wanted.pop_front() {
            Some(want) => {
                let protocol = SubstreamProtocol::new(offer(), want).with_timeout(FILE_OPEN_TIMEOUT);
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
            }
            None => Poll::Pending,
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol, (), Want>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. }) => {
                match protocol {
                    futures::future::Either::Left(stream) => self.arrived(stream),
                    futures::future::Either::Right(never) => match never {},
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                let stream = FileStream::shared(info.seat, self.way == Way::Relayed, protocol);
                answer(info.answer, Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                let error = match error {
                    StreamUpgradeError::NegotiationFailed => StreamError::Unsupported,
                    StreamUpgradeError::Timeout | StreamUpgradeError::Io(_) => StreamError::Lost,
                    StreamUpgradeError::Apply(never) => match never {},
                };
                answer(info.answer, Err(error));
            }
            _ => {}
        }
    }
}

/// Whoever asked may not want it any more: then the stream ends with the answer.
fn answer(to: Answer, result: Result<FileStream, StreamError>) {
    let _nobody_waits = to.send(result);
}
