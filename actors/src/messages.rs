//! Every actix message of the node.
//!
//! Data travels as [`Input`], [`FromNet`] and [`Call`] by `try_send` and is refused when the mailbox is full. Everything else is control or an
//! answer to a question of ours: few, each with a reason why it is bounded, and by `do_send`, which
//! is never refused. No message carries an answer back through actix: whoever wants one sends along where it goes.

use crate::{callers::Answer, health::ActorHealth};
use actix::Message;
use pc2_protocols::net::NetInput;
use tokio::sync::oneshot;

/// Something happened to a machine: data from the network or from another machine.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Input<I>(pub(crate) I);

/// The network says something to a machine. The driver keeps it and tries again when the mailbox is full.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct FromNet(pub(crate) NetInput);

/// A person or script asks a machine for something.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Call<C, R, E>
where
    R: 'static,
    E: 'static,
{
    /// What is asked.
    pub(crate) command: C,
    /// Where the answer goes.
    pub(crate) answer: Answer<R, E>,
}

/// Batches of changes have become durable, or have failed. At most one write per host is under way.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Durable<O>(pub(crate) crate::journal::Written<O>);

/// The alarm set for a machine's deadline went off. One at a time.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Wake;

/// Everything that an earlier life of the machine had under way has been delivered: what it still owes, nobody will
/// answer. One per rebuild, sent after the last [`Durable`] of that life.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Settle {
    /// Which death of the machine it belongs to.
    pub(crate) death: u64,
}

/// The watchdog asks whether the handler loop still turns. One at a time.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Ping {
    /// Dropped by the host: that is the answer.
    pub(crate) pong: oneshot::Sender<()>,
}

/// Somebody wants to know how a machine is. One per health request.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Report {
    /// Where the answer goes.
    pub(crate) to: oneshot::Sender<ActorHealth>,
}

/// Take nothing new in; say when everything handed in is durable and what follows it is performed. Once.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Shutdown {
    /// Where to say it.
    pub(crate) done: oneshot::Sender<()>,
}
