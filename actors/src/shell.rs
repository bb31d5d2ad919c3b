//! What surrounds a machine in the node: effects for its outputs, memory for its rebuilds.
//!
//! A [`Shell`] belongs to one machine and decides nothing: output X is effect Y. What every machine needs alike, writes and
//! answers to callers, it only hands to the `host` as an [`Effect`]. The host calls it on the actor thread, so
//! nothing here blocks.
//!
//! A shell outlives its machine. It remembers what a rebuilt machine must be told again ([`Shell::observe`],
//! [`Shell::replay`]) and what others are still owed ([`Shell::settle`]).

use crate::messages::Input;
use actix::Recipient;
use pc2_protocols::{
    machine::{CallId, Machine, Tick},
    net::NetInput,
};
use std::sync::Arc;

/// A machine as hosts hold it.
pub(crate) type BoxedMachine<I, O> = Box<dyn Machine<In = I, Out = O> + Send>;

/// Why a machine cannot be built from what the disk has. For the log and the health page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BuildError(pub(crate) String);

/// Builds a machine from storage, for the life of the given number. Runs on a blocking thread.
pub(crate) type Factory<I, O> = Arc<dyn Fn(u32) -> Result<BoxedMachine<I, O>, BuildError> + Send + Sync>;

/// An output that the host performs itself, or nothing more to do.
pub(crate) enum Effect<S: Shell> {
    /// The shell has performed it.
    Done,
    /// Write `changes`; when they are durable, perform `then`.
    Persist {
        /// The writes.
        changes: Vec<S::Change>,
        /// What follows.
        then: Vec<S::Out>,
    },
    /// Answer a caller.
    Reply {
        /// Who waits.
        call: CallId,
        /// The answer.
        result: Result<S::Reply, S::Refusal>,
    },
}

/// The surroundings of one kind of machine.
pub(crate) trait Shell: Send + Sized + 'static {
    /// The machine's inputs.
    type In: From<Tick> + Send + 'static;
    /// The machine's outputs.
    type Out: Send + 'static;
    /// One write of the machine.
    type Change: Send + 'static;
    /// What callers ask.
    type Command: Send + 'static;
    /// What they get.
    type Reply: Send + 'static;
    /// Why they do not.
    type Refusal: Send + 'static;

    /// The input by which the machine hears of a call.
    fn call(call: CallId, command: Self::Command) -> Self::In;

    /// What the network says, as the machine hears it; `None` for what is not for it.
    fn from_net(input: NetInput) -> Option<Self::In>;

    /// The name of an input, for logs.
    fn kind(input: &Self::In) -> &'static str;

    /// Whether somebody outside wants something and can ask again: such input is turned away when too much waits.
    fn is_demand(input: &Self::In) -> bool;

    /// Performs an output.
    fn perform(&mut self, out: Self::Out) -> Effect<Self>;

    /// Takes an output whose writes failed: peers' requests are dropped, the host gets at the callers, nothing is performed.
    fn abandon(&mut self, out: Self::Out) -> Effect<Self>;

    /// Answers for the machine, which will not see this input.
    fn turn_away(&mut self, input: Self::In);

    /// Looks at what goes to the machine, and remembers what a new life must know or still owes.
    fn observe(&mut self, input: &Self::In);

    /// A new life of the machine begins.
    fn new_life(&mut self);

    /// What the new life has to be told first, in order.
    fn replay(&self) -> Vec<Self::In>;

    /// Refuses what no life of the machine will answer any more.
    fn settle(&mut self);
}

/// The way into another host's mailbox. Clones share one place in it, because actix grants each sender one message
/// beyond the bound.
pub(crate) struct Inbox<I: Send + 'static> {
    recipient: Arc<Recipient<Input<I>>>,
}

impl<I: Send + 'static> Clone for Inbox<I> {
    fn clone(&self) -> Self {
        Self { recipient: Arc::clone(&self.recipient) }
    }
}

impl<I: Send + 'static> Inbox<I> {
    pub(crate) fn new(recipient: Recipient<Input<I>>) -> Self {
        Self { recipient: Arc::new(recipient) }
    }

    /// Data: refused, and handed back, when the mailbox is full or closed.
    pub(crate) fn offer(&self, input: I) -> Result<(), I> {
        self.recipient.try_send(Input(input)).map_err(|error| error.into_inner().0)
    }

    /// Control and answers to the host's own questions: never refused. Bounded by the questions asked.
    pub(crate) fn tell(&self, input: I) {
        self.recipient.do_send(Input(input));
    }
}
