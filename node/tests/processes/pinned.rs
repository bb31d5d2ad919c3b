//! Holders that an owner pinned, from all sides: who pins, who is one, who writes.

use crate::support::{Node, become_contacts};
use serde_json::Value;

/// What a node says of one it pinned.
fn state_of(node: &Node, holder: &str) -> Option<Value> {
    let shown = node.pc2_ok(&["mailbox"]);
    shown["pinned"].as_array()?.iter().find(|pin| pin["did"] == holder).map(|pin| pin["state"].clone())
}

#[test]
fn a_pinned_holder_agrees_only_when_its_owner_allows_it_and_then_keeps_what_others_write() {
    let mut carol = Node::start("Carol", &[]);
    let at = carol.bootstrap_addresses();
    let mut alice = Node::start("Alice", &at);
    let mut bob = Node::start("Bob", &at);
    become_contacts(&mut alice, &mut carol);
    become_contacts(&mut alice, &mut bob);
    let (alice_did, carol_did) = (alice.did(), carol.did());

    // Not allowed: that is what the owner is shown.
    alice.pc2_ok(&["mailbox", "pin", "Carol"]);
    alice.eventually("Carol's node refuses", |alice| {
        (state_of(alice, &carol_did)? == "not_allowed").then_some(())
    });
    let serving = carol.pc2_ok(&["mailbox", "serve", "Alice"]);
    assert_eq!(serving["serving"][0]["did"], alice_did.as_str());
    alice.pc2_ok(&["mailbox", "pin", &carol_did]);
    alice.eventually("Carol's node agrees", |alice| {
        (state_of(alice, &carol_did)? == "accepted").then_some(())
    });

    // What Bob writes while Alice is away comes to lie at Carol's, as one of hers.
    alice.kill();
    bob.pc2_ok(&["send", &alice_did, "while you are away"]);
    carol.eventually("it is kept for Alice", |carol| {
        let shown = carol.pc2_ok(&["mailbox"]);
        (shown["serving"][0]["envelopes"].as_u64()? >= 1).then_some(())
    });

    // A restart of the holder changes nothing, and Alice finds it there.
    carol.kill();
    carol.run();
    alice.run();
    let bob_did = bob.did();
    alice.eventually("it arrives", |alice| {
        let texts = alice.conversation(&bob_did);
        texts.iter().any(|(_, text, _)| text == "while you are away").then_some(())
    });
    assert_eq!(state_of(&alice, &carol_did).expect("pinned"), "accepted", "it is known after a restart");

    // Whoever is blocked is served no more.
    carol.pc2_ok(&["contact", "block", &alice_did]);
    assert_eq!(carol.pc2_ok(&["mailbox"])["serving"], serde_json::json!([]));
    alice.pc2_ok(&["mailbox", "pin", &carol_did]);
    alice.eventually("Carol's node refuses again", |alice| {
        (state_of(alice, &carol_did)? == "not_allowed").then_some(())
    });
    let unpinned = alice.pc2_ok(&["mailbox", "unpin", &carol_did]);
    assert_eq!(unpinned["pinned"], serde_json::json!([]));
}

#[test]
fn what_cannot_be_pinned_or_served_is_refused_in_words() {
    let alice = Node::start("Alice", &[]);
    let refused = |arguments: &[&str]| {
        let output = alice.pc2(arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, words) = refused(&["mailbox", "pin", &alice.did()]);
    assert_eq!(code, Some(5), "{words}");
    assert!(words.contains("your own"), "{words}");
    let stranger = Node::stopped("Stranger", &[]).did();
    let (code, words) = refused(&["mailbox", "serve", &stranger]);
    assert_eq!(code, Some(4), "{words}");
    assert!(words.contains("not among your contacts"), "{words}");
    let (code, _) = refused(&["mailbox", "unpin", &stranger]);
    assert_eq!(code, Some(4));
    // A node that nobody can reach is pinned all the same, and shown as what it is.
    alice.pc2_ok(&["mailbox", "pin", &stranger]);
    assert_eq!(state_of(&alice, &stranger).expect("pinned"), "not_reached");
}
