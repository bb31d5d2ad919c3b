//! Two whole nodes over loopback: real storage, real network, real encryption.

mod nodes;

use nodes::{Node, acquainted};
use pc2_protocols::{
    id::{ConversationId, MsgId, NodeId},
    messenger::{
        Command, Event,
        content::Body,
        rows::{MessageRow, MessageState},
    },
};

fn send(to: NodeId, number: u8) -> Command {
    Command::Send {
        conversation: ConversationId::direct(to),
        id: MsgId::from_bytes([number; 16]),
        text: format!("message {number}"),
        reply_to: None,
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
fn a_changed_name_reaches_a_contact_also_when_they_were_away() {
    let (bystander, alice, bob) = acquainted();
    let called = |name: &'static str| {
        move |event: &Event| match event {
            Event::ContactChanged(view) => (view.name.as_deref() == Some(name)).then_some(()),
            _ => None,
        }
    };
    let mut at_bob = bob.events();
    alice.call_oneself("Alice");
    bob.await_event(&mut at_bob, called("Alice"));
    let Node { running, dir, number, bootstrap } = bob;
    running.shutdown();
    alice.call_oneself("Alice the Second");
    let alice = alice.restart();
    let bob = Node::start_in(dir, number, bootstrap);
    let mut at_bob = bob.events();
    bob.await_event(&mut at_bob, called("Alice the Second"));
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
