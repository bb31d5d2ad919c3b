//! Two people and a bystander, as three real processes on one machine: the product's first promise end to end.

use crate::support::{Node, become_contacts};
use serde_json::json;

#[test]
fn people_who_know_only_a_bootstrap_node_find_each_other_by_did_and_talk() {
    let bystander = Node::start("Bystander", &[]);
    let bootstrap = bystander.bootstrap_addresses();
    let mut alice = Node::start("Alice", &bootstrap);
    let mut bob = Node::start("Bob", &bootstrap);
    let (alice_did, bob_did) = (alice.did(), bob.did());

    alice.pc2_ok(&["send", &bob_did, "hi"]);
    let seen = bob.eventually("Bob sees the request", |bob| {
        let chat = bob.pc2_ok(&["chat"]);
        let messages = chat["items"].as_array().expect("a list").clone();
        (!messages.is_empty()).then_some(messages)
    });
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0]["text"], "hi");

    bob.pc2_ok(&["contact", "accept", &alice_did]);
    bob.pc2_ok(&["send", &alice_did, "hi yourself"]);
    alice.eventually("Alice has the answer", |alice| {
        let texts: Vec<String> = alice.conversation(&bob_did).into_iter().map(|(_, text, _)| text).collect();
        (texts == ["hi", "hi yourself"]).then_some(())
    });
    let texts: Vec<String> = bob.conversation(&alice_did).into_iter().map(|(_, text, _)| text).collect();
    assert_eq!(texts, ["hi", "hi yourself"]);
}

#[test]
fn a_message_to_somebody_who_is_down_waits_and_arrives_once_they_are_back() {
    let bystander = Node::start("Bystander", &[]);
    let bootstrap = bystander.bootstrap_addresses();
    let mut alice = Node::start("Alice", &bootstrap);
    let mut bob = Node::start("Bob", &bootstrap);
    let bob_did = bob.did();
    become_contacts(&mut alice, &mut bob);

    bob.kill();
    let sent = alice.pc2_ok(&["send", &bob_did, "are you there?"]);
    assert_eq!(sent["state"], "waiting");
    bob.run();
    alice.eventually("it is delivered", |alice| {
        let page = alice.get(&format!("/api/conversations/{bob_did}/messages"))?;
        let items = page["items"].as_array()?;
        items
            .iter()
            .any(|item| item["text"] == "are you there?" && item["state"] == "delivered")
            .then_some(())
    });
    let texts: Vec<String> = bob.conversation(&alice.did()).into_iter().map(|(_, text, _)| text).collect();
    assert_eq!(texts, ["are you there?"]);
}

#[test]
fn the_same_client_id_is_the_same_message() {
    let mut alice = Node::start("Alice", &[]);
    let mut bob = Node::start("Bob", &alice.bootstrap_addresses());
    become_contacts(&mut alice, &mut bob);
    let path = format!("/api/conversations/{}/messages", bob.did());
    let message = json!({ "client_id": "0c2f9d3e-6a1b-4f58-9c37-1d2e3f4a5b6c", "text": "once" });
    let first = alice.post(&path, &message).expect("accepted");
    let second = alice.post(&path, &message).expect("accepted again");
    assert_eq!(first["id"], second["id"]);
    let alice_did = alice.did();
    bob.eventually("it arrives", |bob| (!bob.conversation(&alice_did).is_empty()).then_some(()));
    assert_eq!(bob.conversation(&alice_did).len(), 1);
    assert_eq!(alice.conversation(&bob.did()).len(), 1);
}
