//! The shell of the record machine: requests to the network, cards to the messenger and the mailbox machine, records back from disk.
//!
//! A new life is told who is connected, at which level the node works, where we can be reached and which key package our card shall carry. Whoever asked the
//! dead one for a card hears that it is busy; requests of peers that it had not answered fail.
//!
//! Not here: the machine ([`pc2_protocols::dht`]).

use crate::{
    line::Line,
    open::Open,
    shell::{Effect, Inbox, Shell},
};
use pc2_protocols::{
    dht::{Change, Command, CommandError, In, Out, Reply, ResolveError},
    id::{DeviceId, RecordKey},
    level::Level,
    machine::{CallId, Component, OpId},
    mailbox, messenger,
    net::{Address, NetCommand, NetInput},
    record::Card,
};
use pc2_storage::Reader;
use tokio::runtime;
use tracing::warn;

/// Effects of the record machine.
pub(crate) struct DhtShell {
    line: Line,
    own: Inbox<In>,
    messenger: Inbox<messenger::In>,
    mailbox: Inbox<mailbox::In>,
    reader: Reader,
    io: runtime::Handle,
    /// Cards that others asked for.
    resolving: Open<OpId>,
    addresses: Option<Vec<Address>>,
    offered: Option<(DeviceId, Vec<u8>, Option<[u8; 32]>)>,
    level: Option<Level>,
}

impl DhtShell {
    pub(crate) const fn new(
        line: Line,
        own: Inbox<In>,
        messenger: Inbox<messenger::In>,
        mailbox: Inbox<mailbox::In>,
        reader: Reader,
        io: runtime::Handle,
    ) -> Self {
        Self {
            line,
            own,
            messenger,
            mailbox,
            reader,
            io,
            resolving: Open::new(),
            addresses: None,
            offered: None,
            level: None,
        }
    }

    fn send(&mut self, command: NetCommand) {
        if let Some(answer) = self.line.send(command).and_then(Self::from_net) {
            self.own.tell(answer);
        }
    }

    fn cannot_resolve(&self, op: OpId) {
        self.resolved(op, Err(ResolveError::Busy));
    }

    /// A card, or none, to whoever asked for it: people are the messenger's, nodes the mailbox machine's.
    fn resolved(&self, op: OpId, result: Result<Card, ResolveError>) {
        if op.origin == Component::Mailbox {
            let addresses = result.map(|card| card.addresses).unwrap_or_default();
            self.mailbox.tell(mailbox::In::Located { op, addresses });
        } else {
            self.messenger.tell(messenger::In::Resolved { op, result });
        }
    }

    /// Reads on a blocking thread; the machine has a bounded number of these under way.
    fn load(&self, op: OpId, key: RecordKey) {
        let (reader, own) = (self.reader.clone(), self.own.clone());
        self.io.spawn_blocking(move || {
            let record = reader.held_record(key).unwrap_or_else(|error| {
                warn!(%error, "a held record cannot be read");
                None
            });
            own.tell(In::Loaded { op, record });
        });
    }
}

impl Shell for DhtShell {
    type In = In;
    type Out = Out;
    type Change = Change;
    type Command = Command;
    type Reply = Reply;
    type Refusal = CommandError;

    fn call(call: CallId, command: Command) -> In {
        In::Call { call, command }
    }

    fn from_net(input: NetInput) -> Option<In> {
        Some(match input {
            NetInput::Request { from, prefix, protocol: _, token, payload } => {
                In::PeerRequest { from, prefix, token, payload }
            }
            NetInput::Response { op, result } => In::PeerResponse { op, result },
            NetInput::Closest { op, peers } => In::Closest { op, peers },
            NetInput::PeerUp { node } => In::PeerUp { node },
            NetInput::PeerDown { node } => In::PeerDown { node },
            NetInput::OwnAddresses { addresses } => In::OwnAddresses { addresses },
            NetInput::NetworkChanged => In::NetworkChanged,
            NetInput::Reach(_) => return None,
        })
    }

    fn kind(input: &In) -> &'static str {
        if let In::Call { command, .. } = input { command.kind() } else { input.kind() }
    }

    fn is_demand(input: &In) -> bool {
        matches!(input, In::PeerRequest { .. } | In::Resolve { .. })
    }

    fn perform(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { changes, then } => return Effect::Persist { changes, then },
            Out::Reply { call, result } => return Effect::Reply { call, result },
            Out::Net(command) => self.send(command),
            Out::Resolved { op, result } => {
                self.resolving.closed(&op);
                self.resolved(op, result);
            }
            Out::Load { op, key } => self.load(op, key),
        }
        Effect::Done
    }

    fn abandon(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { then, .. } => return Effect::Persist { changes: Vec::new(), then },
            Out::Reply { call, result } => return Effect::Reply { call, result },
            Out::Net(NetCommand::Respond { token, .. } | NetCommand::Drop { token }) => {
                self.line.drop_request(token);
            }
            Out::Resolved { op, .. } => {
                self.resolving.closed(&op);
                self.cannot_resolve(op);
            }
            Out::Net(_) | Out::Load { .. } => {}
        }
        Effect::Done
    }

    fn turn_away(&mut self, input: In) {
        match input {
            In::PeerRequest { token, .. } => self.line.drop_request(token),
            In::Resolve { op, .. } => self.cannot_resolve(op),
            // No demands.
            In::Tick
            | In::Call { .. }
            | In::PeerResponse { .. }
            | In::Closest { .. }
            | In::PeerUp { .. }
            | In::PeerDown { .. }
            | In::OwnAddresses { .. }
            | In::NetworkChanged
            | In::OfferKeyPackage { .. }
            | In::Level { .. }
            | In::Loaded { .. } => {}
        }
    }

    fn observe(&mut self, input: &In) {
        match input {
            In::PeerRequest { token, .. } => self.line.request_opened(*token),
            In::Resolve { op, .. } => self.resolving.opened(*op),
            In::PeerUp { node } => self.line.peer_up(*node),
            In::PeerDown { node } => self.line.peer_down(*node),
            In::OwnAddresses { addresses } => self.addresses = Some(addresses.clone()),
            In::OfferKeyPackage { device, key_package, mailbox } => {
                self.offered = Some((*device, key_package.clone(), *mailbox));
            }
            In::Level { level } => self.level = Some(*level),
            In::Tick
            | In::Call { .. }
            | In::PeerResponse { .. }
            | In::Closest { .. }
            | In::NetworkChanged
            | In::Loaded { .. } => {}
        }
    }

    fn new_life(&mut self) {
        self.line.new_life();
        self.resolving.new_life();
    }

    fn replay(&self) -> Vec<In> {
        let offered = self.offered.clone();
        let offer = offered.map(|(device, key_package, mailbox)| In::OfferKeyPackage {
            device,
            key_package,
            mailbox,
        });
        let addresses = self.addresses.clone().map(|addresses| In::OwnAddresses { addresses });
        let connected = self.line.connected().map(|node| In::PeerUp { node });
        // Before what may make a card.
        let level = self.level.map(|level| In::Level { level });
        level.into_iter().chain(connected).chain(offer).chain(addresses).collect()
    }

    fn settle(&mut self) {
        self.line.settle();
        for op in self.resolving.settle() {
            self.cannot_resolve(op);
        }
    }
}
