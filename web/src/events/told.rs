//! What an event looks like on the line, and to whom it may be told.
//!
//! A message is told as it is by now, with all that became of it: it is read from the disk. However many look, each event is read and written as JSON once: the frames of the
//! latest events are kept for all of them. Not here: the streams ([`super`]).

use crate::{
    convert, dto,
    roles::{Area, Caller},
};
use hyper::body::Bytes;
use pc2_actors::{
    api::{NodeHandle, OfferError},
    event::{NodeEvent, Numbered},
    net::NetEvent,
};
use pc2_protocols::{
    files::{self, rows::TransferId},
    messenger,
};
use std::collections::VecDeque;
use tokio::sync::Mutex;

/// Frames that are kept. Those who look are a few events apart; who is further behind reads for itself. The longest has some 100 KiB.
const FRAMES: usize = 16;

/// The frames of the latest events, `None` for what has no face here.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<VecDeque<(u64, Option<Bytes>)>>);

impl Told {
    /// The frame of an event. What is read for it is at least as new as the event.
    pub(crate) async fn frame(&self, node: &NodeHandle, numbered: &Numbered) -> Option<Bytes> {
        let number = numbered.number;
        // Held while it is read: the others wait for the same.
        let mut frames = self.0.lock().await;
        if let Some((_, frame)) = frames.iter().find(|(kept, _)| *kept == number) {
            return frame.clone();
        }
        if frames.back().is_some_and(|(latest, _)| number < *latest) {
            drop(frames);
            return shown(node, &numbered.event).await.map(|event| frame(number, event));
        }
        let frame = shown(node, &numbered.event).await.map(|event| frame(number, event));
        if frames.len() >= FRAMES {
            frames.pop_front();
        }
        frames.push_back((number, frame.clone()));
        frame
    }
}

/// An event with its number, as JSON.
pub(super) fn frame(n: u64, event: dto::Event) -> Bytes {
    serde_json::to_vec(&dto::Frame { n, event }).expect("our own types have string keys").into()
}

/// An event as the API tells it; `None` for what has no face there.
async fn shown(node: &NodeHandle, event: &NodeEvent) -> Option<dto::Event> {
    let (account, conversation, id) = match event {
        NodeEvent::Messenger(messenger::Event::MessageAdded(row)) => {
            (row.account, row.conversation, row.content.id)
        }
        NodeEvent::Messenger(messenger::Event::MessageAmended { account, conversation, id }) => {
            (*account, *conversation, *id)
        }
        other => return self::event(other),
    };
    match node.entry(account, conversation, id).await {
        // What became of a message that is not here yet is told with the message.
        Ok(entry) => entry.and_then(convert::entry).map(dto::Event::Message),
        // Whoever looks reads the conversation anew, and hears there what is wrong.
        Err(_) => Some(dto::Event::Resync),
    }
}

/// What an event is about: it is told to those who may look there.
pub(super) const fn area(event: &NodeEvent) -> Area {
    match event {
        NodeEvent::Messenger(_) => Area::Chat,
        NodeEvent::Files(_) | NodeEvent::Preparing(_) | NodeEvent::Prepared { .. } => Area::Files,
        NodeEvent::Wasm(_) => Area::Wasm,
        NodeEvent::Profile(_) => Area::Profile,
        NodeEvent::Network(_) | NodeEvent::Reach | NodeEvent::Health { .. } => Area::Network,
    }
}

/// Whether an event is for whoever sees its area: what happens in one's own space is told to nobody else.
pub(super) fn is_for(event: &NodeEvent, caller: &Caller) -> bool {
    match event {
        NodeEvent::Wasm(event) => {
            let theirs = caller.space();
            theirs.is_some() && event.space().is_none_or(|space| theirs == Some(space))
        }
        NodeEvent::Messenger(_)
        | NodeEvent::Files(_)
        | NodeEvent::Preparing(_)
        | NodeEvent::Prepared { .. }
        | NodeEvent::Profile(_)
        | NodeEvent::Network(_)
        | NodeEvent::Reach
        | NodeEvent::Health { .. } => true,
    }
}

/// An event as the API tells it; `None` for what has no face there.
fn event(event: &NodeEvent) -> Option<dto::Event> {
    Some(match event {
        NodeEvent::Messenger(event) => messenger_event(event)?,
        NodeEvent::Files(files::Event::Transfer(view)) => {
            dto::Event::Transfer(convert::files::transfer(view))
        }
        NodeEvent::Files(files::Event::Forgotten { id }) => removed(*id),
        NodeEvent::Preparing(preparing) => dto::Event::Transfer(convert::files::preparing(preparing)),
        NodeEvent::Prepared { id, result: Err(OfferError::Stopped) } => removed(*id),
        // It is a transfer now; or why it is none was told with what was being prepared.
        NodeEvent::Prepared { .. } => return None,
        NodeEvent::Wasm(event) => convert::wasm::event(event),
        NodeEvent::Profile(profile) => dto::Event::Profile(dto::Profile { name: profile.name.clone() }),
        NodeEvent::Network(event) => network_event(event),
        NodeEvent::Reach => {
            let what = "how this node is reached, or what it does for others";
            dto::Event::Network(dto::Changed { what: what.to_owned() })
        }
        NodeEvent::Health { actor, state } => {
            dto::Event::Health(dto::Changed { what: format!("{actor}: {}", crate::doctor::state(*state)) })
        }
    })
}

fn removed(id: TransferId) -> dto::Event {
    dto::Event::TransferRemoved(dto::TransferRemoved { id: convert::files::id(id) })
}

fn messenger_event(event: &messenger::Event) -> Option<dto::Event> {
    Some(match event {
        messenger::Event::ContactChanged(view) => {
            dto::Event::Contact(convert::contact(view.as_ref().clone()))
        }
        messenger::Event::ContactRemoved { peer, .. } => {
            dto::Event::ContactRemoved(dto::ContactRemoved { did: peer.did().to_string() })
        }
        // Read from the disk, as they are by then.
        messenger::Event::MessageAdded(_) | messenger::Event::MessageAmended { .. } => return None,
        messenger::Event::MessageGone { conversation, id, .. } => dto::Event::MessageGone(dto::MessageGone {
            conversation: conversation.peer().did().to_string(),
            id: id.to_string(),
        }),
        messenger::Event::MessageState { conversation, id, state, .. } => {
            dto::Event::MessageState(dto::MessageStateChange {
                conversation: conversation.peer().did().to_string(),
                id: id.to_string(),
                state: convert::message_state(*state),
            })
        }
    })
}

fn network_event(event: &NetEvent) -> dto::Event {
    let what = match event {
        NetEvent::PeerUp { node } => format!("connected with {}", node.did()),
        NetEvent::PeerDown { node } => format!("no longer connected with {}", node.did()),
        NetEvent::OwnAddresses { addresses } => format!("{} own addresses", addresses.len()),
        NetEvent::Traffic => return dto::Event::Traffic,
    };
    dto::Event::Network(dto::Changed { what })
}
