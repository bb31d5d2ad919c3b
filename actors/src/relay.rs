//! The shell of the relay machine: the level goes to the other machines, places and shares to the network, changes to everybody who looks.
//!
//! What the driver finds out is said once. So the shell remembers what still holds, in [`Found`], and tells a new life all of it: who relays, which
//! tries got through, which places there are. A node whose relay machine fails keeps its level and its places.
//!
//! Not here: the machine ([`pc2_protocols::relay`]).

mod found;

use crate::{
    event::{EventHub, NodeEvent},
    line::Line,
    shell::{Effect, Inbox, Shell},
};
use found::Found;
use pc2_protocols::{
    dht,
    machine::CallId,
    mailbox,
    net::{NetCommand, NetInput},
    relay::{Change, Command, CommandError, In, Out, Reply},
};
use std::sync::Arc;

/// Effects of the relay machine.
pub(crate) struct RelayShell {
    line: Line,
    own: Inbox<In>,
    dht: Inbox<dht::In>,
    mailbox: Inbox<mailbox::In>,
    events: Arc<EventHub>,
    found: Found,
}

impl RelayShell {
    pub(crate) fn new(
        line: Line,
        own: Inbox<In>,
        dht: Inbox<dht::In>,
        mailbox: Inbox<mailbox::In>,
        events: Arc<EventHub>,
    ) -> Self {
        Self { line, own, dht, mailbox, events, found: Found::default() }
    }

    fn send(&mut self, command: NetCommand) {
        if let Some(answer) = self.line.send(command).and_then(Self::from_net) {
            self.own.tell(answer);
        }
    }
}

impl Shell for RelayShell {
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
            NetInput::Reach(reach) => Some(In::Reach { reach }),
            NetInput::PeerUp { node } => Some(In::PeerUp { node }),
            NetInput::PeerDown { node } => Some(In::PeerDown { node }),
            NetInput::NetworkChanged => Some(In::NetworkChanged),
            NetInput::Request { .. }
            | NetInput::Response { .. }
            | NetInput::Closest { .. }
            | NetInput::OwnAddresses { .. } => None,
        }
    }

    fn kind(input: &In) -> &'static str {
        if let In::Call { command, .. } = input { command.kind() } else { input.kind() }
    }

    fn is_demand(_: &In) -> bool {
        false
    }

    fn perform(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { changes, then } => return Effect::Persist { changes, then },
            Out::Reply { call, result } => return Effect::Reply { call, result },
            Out::Net(command) => self.send(command),
            // Control: one for each change of the level, and neither must miss it.
            Out::Level { level, mailbox_bytes } => {
                self.dht.tell(dht::In::Level { level });
                self.mailbox.tell(mailbox::In::Level { level, share_bytes: mailbox_bytes });
            }
            Out::Changed => self.events.publish(NodeEvent::Reach),
        }
        Effect::Done
    }

    fn abandon(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { then, .. } => Effect::Persist { changes: Vec::new(), then },
            Out::Reply { call, result } => Effect::Reply { call, result },
            Out::Net(_) | Out::Level { .. } | Out::Changed => Effect::Done,
        }
    }

    fn turn_away(&mut self, _: In) {}

    fn observe(&mut self, input: &In) {
        match input {
            In::Reach { reach } => self.found.heard(reach),
            In::PeerUp { node } => self.line.peer_up(*node),
            In::PeerDown { node } => {
                self.line.peer_down(*node);
                self.found.gone(*node);
            }
            In::NetworkChanged => self.found.network_changed(),
            In::Tick | In::Call { .. } => {}
        }
    }

    fn new_life(&mut self) {
        self.line.new_life();
    }

    fn replay(&self) -> Vec<In> {
        let connected = self.line.connected().map(|node| In::PeerUp { node });
        connected.chain(self.found.news().map(|reach| In::Reach { reach })).collect()
    }

    fn settle(&mut self) {
        self.line.settle();
    }
}
