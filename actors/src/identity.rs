//! The shell of the identity machine: the owner's name goes to the messenger and to everybody who looks.
//!
//! Not here: the machine ([`pc2_protocols::identity`]).

use crate::{
    event::{EventHub, NodeEvent},
    shell::{Effect, Inbox, Shell},
};
use pc2_protocols::{
    identity::{Command, CommandError, In, Out, ProfileRow},
    machine::CallId,
    messenger,
    net::NetInput,
};
use std::sync::Arc;

/// Effects of the identity machine.
pub(crate) struct IdentityShell {
    pub(crate) messenger: Inbox<messenger::In>,
    pub(crate) events: Arc<EventHub>,
}

impl Shell for IdentityShell {
    type In = In;
    type Out = Out;
    type Change = ProfileRow;
    type Command = Command;
    type Reply = ProfileRow;
    type Refusal = CommandError;

    fn call(call: CallId, command: Command) -> In {
        In::Call { call, command }
    }

    fn from_net(_: NetInput) -> Option<In> {
        None
    }

    fn kind(input: &In) -> &'static str {
        match input {
            In::Call { command, .. } => command.kind(),
            In::Tick => input.kind(),
        }
    }

    fn is_demand(_: &In) -> bool {
        false
    }

    fn perform(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { profile, then } => Effect::Persist { changes: vec![profile], then },
            Out::Reply { call, result } => Effect::Reply { call, result },
            Out::Announce { profile } => {
                self.messenger.tell(messenger::In::Profile { name: profile.name.clone() });
                self.events.publish(NodeEvent::Profile(profile));
                Effect::Done
            }
        }
    }

    fn abandon(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { then, .. } => Effect::Persist { changes: Vec::new(), then },
            Out::Reply { call, result } => Effect::Reply { call, result },
            Out::Announce { .. } => Effect::Done,
        }
    }

    fn turn_away(&mut self, _: In) {}

    fn observe(&mut self, _: &In) {}

    fn new_life(&mut self) {}

    fn replay(&self) -> Vec<In> {
        Vec::new()
    }

    fn settle(&mut self) {}
}
