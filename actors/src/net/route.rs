//! Which machine an input is for. Pure, so that it can be read as a table.

use pc2_protocols::{
    machine::Component,
    net::{NetInput, Protocol},
};

/// For whom an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    /// The record machine.
    Record,
    /// The messenger.
    Message,
    /// The mailbox machine.
    Mailbox,
    /// The relay machine.
    Relay,
    /// All of them.
    All,
    /// A machine that asks nothing of the network: its answer would be a mistake of ours.
    Nobody,
}

/// Where an input goes.
pub(super) const fn destination(input: &NetInput) -> Destination {
    match input {
        NetInput::Request { protocol: Protocol::Record, .. } => Destination::Record,
        NetInput::Request { protocol: Protocol::Message, .. } => Destination::Message,
        NetInput::Request { protocol: Protocol::Mailbox, .. } => Destination::Mailbox,
        NetInput::Response { op, .. } | NetInput::Closest { op, .. } => match op.origin {
            Component::Dht => Destination::Record,
            Component::Messenger => Destination::Message,
            Component::Mailbox => Destination::Mailbox,
            Component::Identity | Component::Relay => Destination::Nobody,
        },
        NetInput::PeerUp { .. } | NetInput::PeerDown { .. } | NetInput::NetworkChanged => Destination::All,
        NetInput::OwnAddresses { .. } => Destination::Record,
        NetInput::Reach(_) => Destination::Relay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pc2_protocols::{
        id::NodeId,
        machine::OpIds,
        net::{NetError, Prefix, Reach, RequestToken},
    };

    #[test]
    fn requests_go_by_protocol_and_answers_to_whoever_asked() {
        let request = |protocol| NetInput::Request {
            from: NodeId::from_bytes([1; 32]),
            prefix: Prefix::Local,
            protocol,
            token: RequestToken(1),
            payload: Vec::new(),
        };
        let answer = |origin| NetInput::Response {
            op: OpIds::new(origin, 0).next_id(),
            result: Err(NetError::TimedOut),
        };
        assert_eq!(destination(&request(Protocol::Record)), Destination::Record);
        assert_eq!(destination(&request(Protocol::Message)), Destination::Message);
        assert_eq!(destination(&request(Protocol::Mailbox)), Destination::Mailbox);
        assert_eq!(destination(&answer(Component::Mailbox)), Destination::Mailbox);
        assert_eq!(destination(&NetInput::Reach(Reach::NoGateway)), Destination::Relay);
        assert_eq!(destination(&answer(Component::Dht)), Destination::Record);
        assert_eq!(destination(&answer(Component::Messenger)), Destination::Message);
        assert_eq!(destination(&answer(Component::Identity)), Destination::Nobody);
        assert_eq!(destination(&NetInput::NetworkChanged), Destination::All);
    }
}
