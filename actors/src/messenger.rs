//! The shell of the messenger: requests to the network, questions to the record machine, parcels to the mailbox machine, events to everybody who looks.
//!
//! A new life is told who is connected, how the account calls itself and which holders it pinned; requests of peers that the dead one had not answered
//! fail, and are made again.
//!
//! Not here: the machine ([`pc2_protocols::messenger`]).

use crate::{
    clock::Clock,
    event::{EventHub, NodeEvent},
    line::Line,
    meter::{Meter, Moved},
    shell::{Effect, Inbox, Shell},
};
use pc2_protocols::{
    dht,
    files::{self, offer::FileOffer},
    id::NodeId,
    machine::CallId,
    mailbox,
    messenger::{
        Command, CommandError, Event, In, Out, Reply,
        content::Body,
        rows::{Change, Expired, Standing},
    },
    net::{NetCommand, NetInput},
};
use pc2_storage::Reader;
use std::sync::Arc;
use tokio::runtime;
use tracing::warn;

/// Effects of the messenger of one account.
pub(crate) struct MessengerShell {
    pub(crate) account: NodeId,
    pub(crate) line: Line,
    pub(crate) own: Inbox<In>,
    pub(crate) dht: Inbox<dht::In>,
    pub(crate) mailbox: Inbox<mailbox::In>,
    pub(crate) files: Inbox<files::In>,
    pub(crate) events: Arc<EventHub>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) clock: Clock,
    pub(crate) reader: Reader,
    pub(crate) io: runtime::Handle,
    /// How the account calls itself, once heard.
    pub(crate) name: Option<String>,
    /// Which holders it pinned, once heard.
    pub(crate) pins: Option<Vec<NodeId>>,
}

impl MessengerShell {
    fn send(&mut self, command: NetCommand) {
        if let Some(answer) = self.line.send(command).and_then(Self::from_net) {
            self.own.tell(answer);
        }
    }

    /// Messages, for the charts.
    fn count(&self, event: &Event) {
        if let Event::MessageAdded(row) = event {
            let own = u64::from(row.sender == self.account);
            let moved = Moved { messages_in: 1 - own, messages_out: own, ..Moved::default() };
            self.meter.moved(self.clock.now().unix, moved);
        }
    }

    /// Offers that came in messages, and people who are contacts no longer. Control: an offer that is not heard of would be one that nobody can accept.
    fn tell_files(&self, event: &Event) {
        match event {
            Event::MessageAdded(row) if row.sender != self.account => {
                if let Body::File { offer } = &row.content.body {
                    self.files.tell(files::In::Offered { from: row.sender, offer: FileOffer::clone(offer) });
                }
            }
            Event::ContactRemoved { peer, .. } => self.files.tell(files::In::Parted { peer: *peer }),
            Event::ContactChanged(view) if view.standing == Standing::Blocked => {
                self.files.tell(files::In::Parted { peer: view.peer });
            }
            Event::MessageAdded(_)
            | Event::MessageAmended { .. }
            | Event::MessageGone { .. }
            | Event::ContactChanged(_)
            | Event::MessageState { .. } => {}
        }
    }

    fn resolve(&self, op: pc2_protocols::machine::OpId, node: NodeId) {
        if self.dht.offer(dht::In::Resolve { op, node }).is_err() {
            self.own.tell(In::Resolved { op, result: Err(dht::ResolveError::Busy) });
        }
    }
}

impl Shell for MessengerShell {
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
        match input {
            NetInput::Request { from, prefix: _, protocol: _, token, payload } => {
                Some(In::PeerRequest { from, token, payload })
            }
            NetInput::Response { op, result } => Some(In::PeerResponse { op, result }),
            NetInput::PeerUp { node } => Some(In::PeerUp { node }),
            NetInput::PeerDown { node } => Some(In::PeerDown { node }),
            NetInput::NetworkChanged => Some(In::NetworkChanged),
            NetInput::Closest { .. } | NetInput::OwnAddresses { .. } | NetInput::Reach(_) => None,
        }
    }

    fn kind(input: &In) -> &'static str {
        if let In::Call { command, .. } = input { command.kind() } else { input.kind() }
    }

    fn is_demand(input: &In) -> bool {
        matches!(input, In::PeerRequest { .. })
    }

    fn perform(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { changes, then } => return Effect::Persist { changes, then },
            Out::Reply { call, result } => return Effect::Reply { call, result },
            Out::Net(command) => self.send(command),
            Out::Resolve { op, node } => self.resolve(op, node),
            Out::Load { op, conversation, device, from, to } => {
                let (reader, own, account) = (self.reader.clone(), self.own.clone(), self.account);
                // On a blocking thread; the machine has one of these under way per conversation.
                self.io.spawn_blocking(move || {
                    let rows = reader.own_range(account, conversation, device, from, to);
                    let rows = rows.unwrap_or_else(|error| {
                        warn!(%error, "own messages cannot be read back");
                        Vec::new()
                    });
                    own.tell(In::Loaded { op, rows });
                });
            }
            Out::LoadExpired { op, until, all } => {
                let (reader, own, account) = (self.reader.clone(), self.own.clone(), self.account);
                // On a blocking thread; the machine has one of these under way.
                self.io.spawn_blocking(move || {
                    let expired = reader.expired(account, until, all).unwrap_or_else(|error| {
                        warn!(%error, "messages whose time is over cannot be found");
                        Expired::default()
                    });
                    own.tell(In::Expired { op, expired });
                });
            }
            // Control: one per key package, and the card must not miss it.
            Out::OfferKeyPackage { device, key_package, mailbox } => {
                self.dht.tell(dht::In::OfferKeyPackage { device, key_package, mailbox });
            }
            Out::Publish(event) => {
                self.tell_files(&event);
                self.count(&event);
                self.events.publish(NodeEvent::Messenger(event));
            }
            // Bounded by what waits in the outbox and by arrivals handed over; neither is said twice.
            Out::Deposit(parcel) => self.mailbox.tell(mailbox::In::Deposit { parcel }),
            Out::Withdraw { account, id } => self.mailbox.tell(mailbox::In::Withdraw { account, id }),
            Out::Taken { envelope } => self.mailbox.tell(mailbox::In::Taken { envelope }),
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
            Out::Net(_)
            | Out::Resolve { .. }
            | Out::Load { .. }
            | Out::LoadExpired { .. }
            | Out::OfferKeyPackage { .. }
            | Out::Publish(_)
            | Out::Deposit(_)
            | Out::Withdraw { .. }
            | Out::Taken { .. } => {}
        }
        Effect::Done
    }

    fn turn_away(&mut self, input: In) {
        match input {
            In::PeerRequest { token, .. } => self.line.drop_request(token),
            // No demands.
            In::Tick
            | In::Call { .. }
            | In::PeerResponse { .. }
            | In::PeerUp { .. }
            | In::PeerDown { .. }
            | In::NetworkChanged
            | In::Resolved { .. }
            | In::Loaded { .. }
            | In::Expired { .. }
            | In::MailboxProgress { .. }
            | In::MailboxArrived { .. }
            | In::Pins { .. }
            | In::Profile { .. } => {}
        }
    }

    fn observe(&mut self, input: &In) {
        match input {
            In::PeerRequest { token, .. } => self.line.request_opened(*token),
            In::PeerUp { node } => self.line.peer_up(*node),
            In::PeerDown { node } => self.line.peer_down(*node),
            In::Profile { name } => self.name = Some(name.clone()),
            In::Pins { nodes } => self.pins = Some(nodes.clone()),
            In::Tick
            | In::Call { .. }
            | In::PeerResponse { .. }
            | In::NetworkChanged
            | In::Resolved { .. }
            | In::MailboxProgress { .. }
            | In::MailboxArrived { .. }
            | In::Expired { .. }
            | In::Loaded { .. } => {}
        }
    }

    fn new_life(&mut self) {
        self.line.new_life();
    }

    fn replay(&self) -> Vec<In> {
        let name = self.name.clone().map(|name| In::Profile { name });
        let pins = self.pins.clone().map(|nodes| In::Pins { nodes });
        name.into_iter().chain(pins).chain(self.line.connected().map(|node| In::PeerUp { node })).collect()
    }

    fn settle(&mut self) {
        self.line.settle();
    }
}
