//! What is chosen about a person and saved of a conversation, at the command line: who is told, what disappears, what is exported.

use crate::support::{Node, become_contacts};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _, process::Output};

/// Alice, and Bob, who joined by her; contacts.
fn pair() -> (Node, Node) {
    let mut alice = Node::start("Alice", &[]);
    let mut bob = Node::start("Bob", &alice.bootstrap_addresses());
    become_contacts(&mut alice, &mut bob);
    (alice, bob)
}

fn words(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What a command says to people.
fn said(node: &Node, arguments: &[&str]) -> String {
    let output = node.begin(arguments).wait_with_output().expect("it ends");
    assert!(output.status.success(), "{arguments:?}: {}", words(&output).1);
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn arrives(node: &mut Node, with: &str, wanted: &str) {
    node.eventually(wanted, |node| {
        node.conversation(with).iter().any(|(_, text, _)| text == wanted).then_some(())
    });
}

#[test]
fn a_conversation_is_saved_as_a_file_that_only_its_owner_reads_and_nothing_is_overwritten() {
    let (mut alice, mut bob) = pair();
    let bob_did = bob.did();
    alice.pc2_ok(&["send", "Bob", "to be <b>kept</b>"]);
    arrives(&mut bob, &alice.did(), "to be <b>kept</b>");
    alice.pc2_ok(&["contact", "timer", "Bob", "1h"]);
    alice.pc2_ok(&["send", "Bob", "whispered"]);
    arrives(&mut alice, &bob_did, "whispered");

    let file = alice.data().join("bob.html");
    let name = file.to_str().expect("a path in Unicode").to_owned();
    let saved = alice.pc2_ok(&["export", "chat", "Bob", &name]);
    let page = fs::read_to_string(&file).expect("there");
    assert_eq!(saved, json!({ "file": name, "bytes": page.len() }));
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{page}");
    assert!(page.contains("to be &lt;b&gt;kept&lt;/b&gt;") && !page.contains("whispered"), "{page}");
    assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(said(&alice, &["export", "chat", &bob_did, "-"]), page.trim_end());

    fs::write(&file, "mine").expect("written");
    let (code, why) = words(&alice.pc2(&["export", "chat", "Bob", &name]));
    assert_eq!((code, why.contains("is there already")), (Some(5), true), "{why}");
    assert_eq!(fs::read_to_string(&file).expect("there"), "mine");
    let nowhere = alice.data().join("nobody.html");
    let path = nowhere.to_str().expect("a path in Unicode");
    let (code, why) = words(&alice.pc2(&["export", "chat", "Carol", path]));
    assert_eq!((code, why.contains("nobody is called")), (Some(4), true), "{why}");
    let stranger = "did:boson:4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";
    assert_eq!(words(&alice.pc2(&["export", "chat", stranger, path])).0, Some(4));
    assert!(!nowhere.exists(), "nothing is left of what failed");
}

#[test]
fn how_long_messages_last_is_shown_and_chosen_for_both() {
    let (mut alice, mut bob) = pair();
    let (alice_did, bob_did) = (alice.did(), bob.did());
    assert_eq!(said(&alice, &["contact", "timer", "Bob"]), "What you and Bob write stays.");
    assert_eq!(alice.pc2_ok(&["contact", "timer", "Bob", "1d"])["timer"], 86_400);
    bob.eventually("Bob sees it", |bob| {
        (bob.pc2_ok(&["contact", "timer", &alice_did])["timer"] == 86_400).then_some(())
    });
    let shown = said(&bob, &["contact", "timer", "Alice"]);
    assert!(shown.contains("yours 1 day after it was sent"), "{shown}");
    assert!(said(&bob, &["chat", "Alice"]).contains("(new messages disappear after 1 day)"));
    assert_eq!(bob.pc2_ok(&["contact", "timer", "Alice", "2s"])["timer"], 2);
    alice.eventually("Alice sees it", |alice| {
        (alice.pc2_ok(&["contact", "timer", "Bob"])["timer"] == 2).then_some(())
    });
    alice.pc2_ok(&["send", "Bob", "for two seconds", "--wait", "30"]);
    alice.eventually("it is gone", |alice| {
        alice.conversation(&bob_did).iter().all(|(_, text, _)| text.is_empty()).then_some(())
    });
    assert_eq!(bob.pc2_ok(&["contact", "timer", "Alice", "off"])["timer"], Value::Null);
    for wrong in ["1y", "0s", "5"] {
        let (code, why) = words(&alice.pc2(&["contact", "timer", "Bob", wrong]));
        assert_eq!((code, why.contains("4w")), (Some(2), true), "{why}");
    }
}

#[test]
fn who_is_told_is_chosen_for_everybody_and_for_one_person() {
    let (mut alice, mut bob) = pair();
    let (alice_did, bob_did) = (alice.did(), bob.did());
    assert_eq!(alice.pc2_ok(&["told"]), json!({ "read_receipts": false, "typing": false }));
    assert_eq!(
        alice.pc2_ok(&["told", "--receipts", "on"]),
        json!({ "read_receipts": true, "typing": false })
    );
    assert_eq!(alice.pc2_ok(&["told", "--typing", "on"]), json!({ "read_receipts": true, "typing": true }));
    let shown = said(&alice, &["told", "--typing", "off"]);
    assert!(
        shown.contains("are told that you read") && shown.contains("are not told that you are"),
        "{shown}"
    );
    assert!(said(&bob, &["contact", "receipts", "Alice"]).contains("what everybody is told"));
    assert_eq!(bob.pc2_ok(&["contact", "receipts", "Alice", "on"])["read_receipts"], true);
    alice.pc2_ok(&["send", "Bob", "did you read this?"]);
    arrives(&mut bob, &alice_did, "did you read this?");
    let _it_answers_without_a_body = bob.post(&format!("/api/conversations/{alice_did}/read"), &json!({}));
    alice.eventually("it is told", |alice| {
        let page = alice.pc2_ok(&["chat", &bob_did]);
        (page["items"].as_array()?.last()?["state"] == "read").then_some(())
    });
    let off = said(&bob, &["contact", "receipts", "Alice", "off"]);
    assert_eq!(off, "Alice is not told that you read their messages.");
    assert_eq!(bob.pc2_ok(&["contact", "receipts", "Alice", "usual"])["read_receipts"], Value::Null);
}
