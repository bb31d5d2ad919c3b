//! The shell of the files machine, and beneath it the data plane that moves the bytes.
//!
//! | what | where |
//! |---|---|
//! | effects of the machine: orders for the data plane, offers handed to the messenger, events | here |
//! | the task that carries orders out and takes streams in; what it does beside | `plane`, `upkeep` |
//! | receiving: opened and put into its place; what is missing and comes; one holder asked | `receive`, `part`, `session` |
//! | sending: requests of peers, answered by the machine's word | `serve`, `requests` |
//! | streams, for threads that may wait; speed | `lines`, `pipe`, `pace` |
//! | hashing what is to be offered, and telling how far that has come | `offer`, `preparing` |
//! | where files of the owner are; reading and proving them for people | `home`, `content`, `proof` |
//!
//! A new life of the machine is told who is connected; its first order ends everything that the dead one had under way. Requests of
//! peers that nobody answers end with their streams, and are made again.
//!
//! Not here: the machine ([`pc2_protocols::files`]), libp2p (`net`).

pub(crate) mod content;
pub(crate) mod home;
pub(crate) mod lines;
mod names;
pub(crate) mod offer;
mod pace;
mod part;
mod pipe;
pub(crate) mod plane;
pub(crate) mod preparing;
pub(crate) mod proof;
mod receive;
mod requests;
mod serve;
mod session;
mod upkeep;

use self::plane::Order;
use crate::{
    event::{EventHub, NodeEvent},
    host::Host,
    messages::Call,
    messenger::MessengerShell,
    shell::{Effect, Inbox, Shell},
};
use actix::{Addr, dev::SendError};
use pc2_protocols::{
    files::{
        Command, CommandError, Event, In, Out, Reply, State,
        offer::FileOffer,
        rows::{Change, Direction},
    },
    id::{ConversationId, MsgId, NodeId},
    machine::CallId,
    messenger,
    net::NetInput,
};
use std::{collections::BTreeSet, sync::Arc};
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
};
use tracing::info;

/// Effects of the files machine of one account.
pub(crate) struct FilesShell {
    own: Inbox<In>,
    messenger: Addr<Host<MessengerShell>>,
    orders: mpsc::UnboundedSender<Order>,
    events: Arc<EventHub>,
    io: runtime::Handle,
    connected: BTreeSet<NodeId>,
}

impl FilesShell {
    /// `orders` leads to the data plane. It is bounded by the machine: every order but [`Out::Limits`] and [`Out::Reset`] belongs to a transfer, a
    /// question or a peer's frame, and of these there are few at once.
    pub(crate) fn new(
        own: Inbox<In>,
        messenger: Addr<Host<MessengerShell>>,
        orders: mpsc::UnboundedSender<Order>,
        events: Arc<EventHub>,
        io: runtime::Handle,
    ) -> Self {
        Self { own, messenger, orders, events, io, connected: BTreeSet::new() }
    }

    fn order(&self, order: Out) {
        // The data plane ends with the node.
        let _it_may_have_ended = self.orders.send(Order::Machine(order));
    }

    /// Asks the messenger to write the offer to them.
    fn send_offer(&self, to: NodeId, offer: Box<FileOffer>) {
        let id = offer.id;
        let message = MsgId::from_bytes(*id.as_bytes());
        let conversation = ConversationId::direct(to);
        let (answer, answered) = oneshot::channel();
        let command = messenger::Command::SendFile { conversation, id: message, offer };
        let own = self.own.clone();
        match self.messenger.try_send(Call { command, answer }) {
            Ok(()) => {
                self.io.spawn(async move {
                    let result = match answered.await {
                        Ok(Ok(_)) => Ok(()),
                        Ok(Err(crate::callers::CallError::Refused(reason))) => Err(reason.to_string()),
                        // It restarted, or its disk is full: the machine asks again.
                        Ok(Err(_)) | Err(_) => return,
                    };
                    own.tell(In::OfferSent { to, offer: id, result });
                });
            }
            // The machine asks again.
            Err(SendError::Full(_) | SendError::Closed(_)) => {}
        }
    }

    fn publish(&self, event: Event) {
        if let Event::Transfer(view) = &event
            && view.ended.is_some()
            && !matches!(view.state, State::Failed { retryable: true, .. } if view.id.direction == Direction::In)
        {
            let what = Box::new(view.offer.what.clone());
            // The data plane ends with the node.
            let _it_may_have_ended = self.orders.send(Order::Ended { id: view.id, what });
        }
        self.events.publish(NodeEvent::Files(event));
    }
}

impl Shell for FilesShell {
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
            NetInput::PeerUp { node } => Some(In::PeerUp { node }),
            NetInput::PeerDown { node } => Some(In::PeerDown { node }),
            NetInput::NetworkChanged => Some(In::NetworkChanged),
            NetInput::Request { .. }
            | NetInput::Response { .. }
            | NetInput::Closest { .. }
            | NetInput::OwnAddresses { .. }
            | NetInput::Reach(_) => None,
        }
    }

    fn kind(input: &In) -> &'static str {
        if let In::Call { command, .. } = input { command.kind() } else { input.kind() }
    }

    fn is_demand(input: &In) -> bool {
        matches!(input, In::Asked { .. } | In::Heard { .. })
    }

    fn perform(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { changes, then } => return Effect::Persist { changes, then },
            Out::Reply { call, result } => return Effect::Reply { call, result },
            Out::Publish(event) => self.publish(event),
            Out::SendOffer { account: _, to, offer } => self.send_offer(to, offer),
            Out::Report { id, holder, fault } => {
                info!(offer = id.offer.short(), from = id.peer.short(), holder = %holder.did(), %fault, "a holder of a file");
            }
            order @ (Out::Reset { .. }
            | Out::Limits { .. }
            | Out::Open { .. }
            | Out::StartPull { .. }
            | Out::StopPull { .. }
            | Out::Finish { .. }
            | Out::Close { .. }
            | Out::Serve { .. }
            | Out::StopServing { .. }
            | Out::Refuse { .. }
            | Out::Noted { .. }
            | Out::Tell { .. }
            | Out::Release { .. }) => self.order(order),
        }
        Effect::Done
    }

    fn abandon(&mut self, out: Out) -> Effect<Self> {
        match out {
            Out::Persist { then, .. } => return Effect::Persist { changes: Vec::new(), then },
            Out::Reply { call, result } => return Effect::Reply { call, result },
            // Its stream ends without an answer, and it is asked again.
            Out::Serve { token, .. } | Out::Refuse { token, .. } | Out::Noted { token } => {
                self.order(Out::StopServing { token });
            }
            // The next life begins with a reset.
            Out::Publish(_)
            | Out::SendOffer { .. }
            | Out::Report { .. }
            | Out::Reset { .. }
            | Out::Limits { .. }
            | Out::Open { .. }
            | Out::StartPull { .. }
            | Out::StopPull { .. }
            | Out::Finish { .. }
            | Out::Close { .. }
            | Out::StopServing { .. }
            | Out::Tell { .. }
            | Out::Release { .. } => {}
        }
        Effect::Done
    }

    fn turn_away(&mut self, input: In) {
        match input {
            In::Asked { token, .. } | In::Heard { token, .. } => self.order(Out::StopServing { token }),
            // No demands.
            In::Tick
            | In::Call { .. }
            | In::PeerUp { .. }
            | In::PeerDown { .. }
            | In::NetworkChanged
            | In::Parted { .. }
            | In::Offered { .. }
            | In::OfferSent { .. }
            | In::Opened { .. }
            | In::Progress { .. }
            | In::PullEnded { .. }
            | In::Finished { .. }
            | In::Sent { .. }
            | In::Served { .. }
            | In::Told { .. } => {}
        }
    }

    fn observe(&mut self, input: &In) {
        match input {
            In::PeerUp { node } => {
                self.connected.insert(*node);
            }
            In::PeerDown { node } => {
                self.connected.remove(node);
            }
            In::Tick
            | In::Call { .. }
            | In::NetworkChanged
            | In::Parted { .. }
            | In::Offered { .. }
            | In::OfferSent { .. }
            | In::Opened { .. }
            | In::Progress { .. }
            | In::PullEnded { .. }
            | In::Finished { .. }
            | In::Asked { .. }
            | In::Sent { .. }
            | In::Served { .. }
            | In::Heard { .. }
            | In::Told { .. } => {}
        }
    }

    fn new_life(&mut self) {}

    fn replay(&self) -> Vec<In> {
        self.connected.iter().map(|node| In::PeerUp { node: *node }).collect()
    }

    fn settle(&mut self) {}
}
