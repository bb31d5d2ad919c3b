//! Two whole nodes over loopback: real storage, real network, real encryption.

use pc2_actors::{
    NodeConfig, Running,
    api::NodeHandle,
    event::{NodeEvent, Notice, Subscription},
    start,
};
use pc2_protocols::{
    crypto::keys::{IdentityKeys, SEED_BYTES},
    id::{ConversationId, MsgId, NodeId},
    messenger::{
        Command, Event, Reply,
        content::Body,
        rows::{MessageRow, MessageState, Standing},
    },
    net::{Address, Peer},
};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use zeroize::Zeroizing;

const PATIENCE: Duration = Duration::from_secs(30);

struct Node {
    running: Running,
    dir: TempDir,
    number: u8,
    bootstrap: Vec<Peer>,
}

impl Node {
    fn start(number: u8, bootstrap: Vec<Peer>) -> Self {
        Self::start_in(TempDir::new().expect("directory"), number, bootstrap)
    }

    fn start_in(dir: TempDir, number: u8, bootstrap: Vec<Peer>) -> Self {
        let keys = IdentityKeys::from_seed(Zeroizing::new([number; SEED_BYTES]));
        let mut config = NodeConfig::new(dir.path().to_owned(), keys);
        config.listen = vec![Address::try_from("/ip4/127.0.0.1/tcp/0".to_owned()).expect("address")];
        config.bootstrap.clone_from(&bootstrap);
        config.mdns = false;
        config.upnp = false;
        config.storage.reserve_bytes = 0;
        config.storage.ballast_bytes = 0;
        config.on_fatal = Arc::new(|fatal| panic!("the node gave up: {fatal}"));
        Self { running: start(&config).expect("starts"), dir, number, bootstrap }
    }

    fn restart(self) -> Self {
        let Self { running, dir, number, bootstrap } = self;
        running.shutdown();
        Self::start_in(dir, number, bootstrap)
    }

    fn handle(&self) -> NodeHandle {
        self.running.handle()
    }

    fn id(&self) -> NodeId {
        self.handle().account()
    }

    fn events(&self) -> Subscription {
        self.handle().subscribe(None)
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.running.io().block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("in time") })
    }

    fn tell(&self, command: Command) -> Reply {
        let handle = self.handle();
        self.block_on(handle.messenger(handle.account(), command)).expect("carried out")
    }

    fn as_peer(&self) -> Peer {
        let view = self.block_on(self.handle().network()).expect("a network");
        Peer { node: view.node, addresses: view.listening }
    }

    /// Waits for an event of the messenger that `wanted` accepts.
    fn await_event<T>(&self, events: &mut Subscription, wanted: impl Fn(&Event) -> Option<T>) -> T {
        self.block_on(async {
            loop {
                let Some(Notice::Event(event)) = events.next().await else { panic!("events are missing") };
                if let NodeEvent::Messenger(event) = &event.event
                    && let Some(found) = wanted(event)
                {
                    return found;
                }
            }
        })
    }
}

fn add(peer: NodeId) -> Command {
    let text = "may I?".to_owned();
    Command::AddContact { peer, alias: None, text, invitation: None, addresses: Vec::new() }
}

fn send(to: NodeId, number: u8) -> Command {
    Command::Send {
        conversation: ConversationId::direct(to),
        id: MsgId::from_bytes([number; 16]),
        text: format!("message {number}"),
        reply_to: None,
    }
}

fn asks(from: NodeId) -> impl Fn(&Event) -> Option<()> {
    move |event| match event {
        Event::ContactChanged(view) => (view.peer == from && view.standing == Standing::Asking).then_some(()),
        _ => None,
    }
}

fn received(number: u8) -> impl Fn(&Event) -> Option<Box<MessageRow>> {
    move |event| match event {
        Event::MessageAdded(row) if row.content.id == MsgId::from_bytes([number; 16]) => Some(row.clone()),
        _ => None,
    }
}

fn delivered(number: u8) -> impl Fn(&Event) -> Option<()> {
    move |event| match event {
        Event::MessageState { id, state: MessageState::Delivered, .. } => {
            (*id == MsgId::from_bytes([number; 16])).then_some(())
        }
        _ => None,
    }
}

/// A bootstrap node that knows nobody, Alice and Bob who know only it, and are contacts.
fn acquainted() -> (Node, Node, Node) {
    let bystander = Node::start(1, Vec::new());
    let alice = Node::start(2, vec![bystander.as_peer()]);
    let bob = Node::start(3, vec![bystander.as_peer()]);
    let (mut at_alice, mut at_bob) = (alice.events(), bob.events());
    alice.tell(add(bob.id()));
    bob.await_event(&mut at_bob, asks(alice.id()));
    bob.tell(Command::Accept { peer: alice.id() });
    alice.await_event(&mut at_alice, |event| match event {
        Event::ContactChanged(view) => (view.standing == Standing::Accepted).then_some(()),
        _ => None,
    });
    (bystander, alice, bob)
}

#[test]
fn two_people_who_know_only_a_third_node_find_each_other_and_talk() {
    let (bystander, alice, bob) = acquainted();
    let (mut at_alice, mut at_bob) = (alice.events(), bob.events());
    alice.tell(send(bob.id(), 1));
    let row = bob.await_event(&mut at_bob, received(1));
    assert_eq!(row.sender, alice.id());
    assert!(matches!(&row.content.body, Body::Text { text, .. } if text == "message 1"));
    alice.await_event(&mut at_alice, delivered(1));
    bob.tell(send(alice.id(), 2));
    alice.await_event(&mut at_alice, received(2));
    for node in [alice, bob, bystander] {
        node.running.shutdown();
    }
}

#[test]
fn what_waits_for_somebody_who_is_away_arrives_once_when_they_come_back() {
    let (bystander, alice, bob) = acquainted();
    let bob_id = bob.id();
    let Node { running, dir, number, bootstrap } = bob;
    running.shutdown();
    for number in 1..=3 {
        alice.tell(send(bob_id, number));
    }
    let alice = alice.restart();
    let mut at_alice = alice.events();
    let bob = Node::start_in(dir, number, bootstrap);
    alice.await_event(&mut at_alice, delivered(3));
    let conversation = ConversationId::direct(alice.id());
    let rows = bob.block_on(bob.handle().history(bob_id, conversation, None, 50)).expect("read");
    let texts: Vec<_> = rows
        .iter()
        .rev()
        .filter_map(|row| match &row.content.body {
            Body::Text { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["may I?", "message 1", "message 2", "message 3"]);
    for node in [alice, bob, bystander] {
        node.running.shutdown();
    }
}
