//! What the driver does with requests of peers and with answers to ours.
//!
//! In: events of the request-response protocols. Out: [`NetInput::Request`] and [`NetInput::Response`]. A request passes four gates before a machine sees it:
//! its frame is whole and within bounds, its sender is not too fast, there is room for it, and the machine's queue takes it. Whichever
//! it fails at, it is counted and the peer's request fails at once.

use super::{
    address,
    behaviour::Line,
    conduct::Acquaintance,
    driver::{Driver, Phase},
    events::unix_now,
    frame::{FrameError, Request},
};
use crate::meter::Moved;
use libp2p::request_response::{self, InboundRequestId, Message, OutboundFailure, ResponseChannel};
use pc2_protocols::{
    id::NodeId,
    net::{NetError, NetInput, Prefix, Protocol},
};
use std::{io, time::Instant};

type RequestEvent = request_response::Event<Request, Vec<u8>>;

impl Driver {
    /// Does what follows from a request, an answer, or the end of either.
    pub(super) fn on_request_event(&mut self, line: Line, event: RequestEvent, now: Instant) {
        match event {
            RequestEvent::Message { peer, connection_id, message } => {
                let Some(node) = address::node_id(&peer) else { return };
                self.peers.used(node, connection_id, now);
                match message {
                    Message::Request { request_id, request, channel } => {
                        let connection = self.peers.connection(node, connection_id);
                        let prefix = connection.map_or(Prefix::Local, |connection| connection.prefix);
                        self.on_request(node, prefix, (line, request_id), request, channel, now);
                    }
                    Message::Response { request_id, response } => {
                        self.carried(node, response.len(), 0);
                        if let Some(op) = self.outbound.finish(line, request_id) {
                            self.deliver(NetInput::Response { op, result: Ok(response) });
                        }
                    }
                }
            }
            RequestEvent::OutboundFailure { peer, request_id, error, .. } => {
                let node = address::node_id(&peer);
                let error = self.outbound_error(node, &error);
                if let Some(op) = self.outbound.finish(line, request_id) {
                    self.deliver(NetInput::Response { op, result: Err(error) });
                }
            }
            RequestEvent::InboundFailure { request_id, .. } => self.inbound.ended((line, request_id)),
            RequestEvent::ResponseSent { peer, connection_id, request_id } => {
                self.inbound.ended((line, request_id));
                self.answer_left = Some(now);
                if let Some(node) = address::node_id(&peer) {
                    self.peers.answered(node, connection_id, now);
                }
            }
        }
    }

    /// Counts a request or an answer.
    pub(super) fn carried(&mut self, node: NodeId, received: usize, sent: usize) {
        self.peers.carried(node, received, sent);
        let moved = Moved { bytes_in: received as u64, bytes_out: sent as u64, ..Moved::default() };
        self.meter.moved(unix_now(), moved);
    }

    fn on_request(
        &mut self,
        from: NodeId,
        prefix: Prefix,
        key: (Line, InboundRequestId),
        request: Request,
        back: ResponseChannel<Vec<u8>>,
        now: Instant,
    ) {
        // Wherever this returns early, dropping the way back makes the peer's request fail at once.
        let payload = match request {
            Ok(payload) => payload,
            Err(error) => {
                self.counters.bad_frames += 1;
                self.offence(from, offence_of(error));
                return;
            }
        };
        if self.phase == Phase::Draining {
            return;
        }
        self.carried(from, payload.len(), 0);
        let ((protocol, _), _) = key;
        let acquaintance =
            if self.kept.contains(from) { Acquaintance::Contact } else { Acquaintance::Stranger };
        if !self.conduct.admits(from, acquaintance, protocol, now) {
            self.counters.dropped_too_fast += 1;
            return;
        }
        let Ok(token) = self.inbound.open(from, payload.len(), back, key) else {
            self.counters.dropped_full += 1;
            return;
        };
        let input = NetInput::Request { from, prefix, protocol, token, payload };
        let outlet = match protocol {
            Protocol::Record => &mut self.record,
            Protocol::Message => &mut self.message,
            Protocol::Mailbox => &mut self.mailbox,
        };
        if outlet.offer(input) {
            self.counters.requests_in += 1;
        } else {
            self.counters.dropped_full += 1;
            self.inbound.refuse(token);
        }
    }

    /// Our words for why a request has no answer. A malformed answer is an offence.
    fn outbound_error(&mut self, from: Option<NodeId>, error: &OutboundFailure) -> NetError {
        match error {
            OutboundFailure::Timeout => NetError::TimedOut,
            OutboundFailure::UnsupportedProtocols => NetError::Unsupported,
            OutboundFailure::Io(error) => match frame_error(error) {
                Some(error) => {
                    self.counters.bad_frames += 1;
                    if let Some(node) = from {
                        self.offence(node, offence_of(error));
                    }
                    match error {
                        FrameError::TooLarge { .. } => NetError::TooLarge,
                        FrameError::Trailing => NetError::Closed,
                    }
                }
                None => NetError::Closed,
            },
            OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => NetError::Closed,
        }
    }
}

fn frame_error(error: &io::Error) -> Option<FrameError> {
    error.get_ref()?.downcast_ref().copied()
}

const fn offence_of(error: FrameError) -> &'static str {
    match error {
        FrameError::TooLarge { .. } => "oversized frame",
        FrameError::Trailing => "bytes after a frame",
    }
}
