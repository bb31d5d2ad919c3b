//! The shape of every part of PC2: a state machine that is stepped.
//!
//! A [`Machine`] owns the state of one domain. Something happens (a frame arrives, a person types, a
//! timer runs out, the disk confirms): the host calls [`Machine::handle`] with the time and the input, and
//! the machine changes its state and pushes what should happen next to `out`. It does none of it
//! itself. Because the step is synchronous and pure but for its own fields, it can be
//! - run by the node inside an actor (`pc2-actors`, `Host`),
//! - run a thousand times in one process by a simulation with a seeded clock and network,
//! - stepped by a test with nothing around it.
//!
//! **Durability is an output, too.** A machine says `Persist { changes, then }`: the host writes the changes
//! in one batch, and only when the disk has them performs `then` (answer the caller, acknowledge to the
//! peer, send, publish). The machine keeps no continuation in memory, so a restart in between loses
//! no answer. Batches become durable in the order they were handed out. If the write fails, the step never happened:
//! callers in `then` get the error, nothing else in `then` is performed, and the machine is rebuilt from storage. Batches that the same
//! life handed out after it fail likewise, for they were made in the belief that it succeeded.
//! A batch without changes is a barrier: its `then` is performed once all earlier batches are durable.
//!
//! **A panic is survived.** The host catches it, performs none of that step's outputs, waits until
//! all earlier batches are applied, rebuilds the machine from storage and goes on with the next input. So a
//! machine must be able to start from its rows alone, and treats answers to questions it does not remember as stale.
//! Connections outlive a rebuild: the host tells the new life who is connected.
//!
//! Not here: which thread steps it, how writes reach the disk.

use crate::time::{Mono, Now};
use serde::Serialize;

/// Ends the time a machine asked to be woken at ([`Machine::next_deadline`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick;

/// A domain as a state machine. See the [module](self) for the contract.
pub trait Machine {
    /// What can happen to it. `From<Tick>`: its alarm clock is one of those things.
    type In: From<Tick>;
    /// What it wants done.
    type Out;

    /// Takes one step. `out` is empty on entry; its order is the order of performance.
    fn handle(&mut self, now: Now, input: Self::In, out: &mut Vec<Self::Out>);

    /// When it wants its next [`Tick`], if nothing else happens before. `None`: not at all.
    fn next_deadline(&self) -> Option<Mono>;

    /// How it is, for `pc2 doctor` and the health page. Cheap: called every few seconds.
    fn status(&self) -> Status;
}

/// How a machine is: facts for the owner of the node, not for other machines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Status {
    /// Named counters and gauges in a fixed order, e.g. `("waiting messages", 3)`.
    pub figures: Vec<(&'static str, u64)>,
    /// What the owner should know or do, one sentence each. Empty when all is well.
    pub concerns: Vec<String>,
}

/// Names the parts of a node that ask the network or each other questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// Who this node is.
    Identity,
    /// Records: finding people and keeping what others store here.
    Dht,
    /// Contacts and messages.
    Messenger,
    /// Being reached, and what this node does for the network.
    Relay,
    /// Envelopes for those who are offline.
    Mailbox,
}

/// Names one question, so that its answer finds the way back.
///
/// `generation` counts rebuilds of the asking machine: an answer to a question asked before a restart
/// is recognised as stale and cannot be mistaken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId {
    /// Who asked.
    pub origin: Component,
    /// Which life of the asking machine asked.
    pub generation: u32,
    /// Counts up within one life.
    pub number: u64,
}

/// Hands out [`OpId`]s for one machine.
#[derive(Debug, Clone)]
pub struct OpIds {
    next: OpId,
}

impl OpIds {
    /// Starts the sequence of one life of one machine.
    #[must_use]
    pub fn new(origin: Component, generation: u32) -> Self {
        Self { next: OpId { origin, generation, number: 1 } }
    }

    /// The next unused id.
    pub fn next_id(&mut self) -> OpId {
        let id = self.next;
        self.next.number = self.next.number.saturating_add(1);
        id
    }
}

/// Names one caller (web or command line) that waits for an answer. Given by the host, opaque here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Declares an enum of inputs or commands together with the list of its kinds.
///
/// Beside the enum it makes `KINDS` (the names of all variants) and `kind()` (the name of this one), so
/// that a test can walk every handler there is and a new one cannot be forgotten. Counters and
/// traces use the same names.
#[macro_export]
macro_rules! kinds {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident $( { $($(#[$fmeta:meta])* $field:ident : $ty:ty),* $(,)? } )? ),* $(,)? }) => {
        $(#[$meta])*
        pub enum $name { $($(#[$vmeta])* $variant $( { $($(#[$fmeta])* $field: $ty),* } )? ),* }
        impl $name {
            /// The names of all kinds, in order of declaration.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($variant)),*];
            /// The name of this kind.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant { .. } => stringify!($variant)),* }
            }
        }
    };
}
