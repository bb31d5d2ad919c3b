//! Who may use a node from outside, managed at the command line; and that it outlives the process.

use crate::support::Node;
use serde_json::json;

const ADDRESS: &str = "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1";

#[test]
fn wallets_are_let_in_and_out_at_the_command_line() {
    let mut node = Node::start("Ann", &[]);
    assert_eq!(node.pc2_ok(&["wallet", "list"])["items"], json!([]));
    let lower = ADDRESS.to_lowercase();
    let added = node.pc2_ok(&["wallet", "add", &lower, "--role", "member", "--name", "Bob"]);
    assert_eq!(
        (&added["address"], &added["role"], &added["label"]),
        (&json!(ADDRESS), &json!("member"), &json!("Bob"))
    );
    assert_eq!(node.pc2_ok(&["wallet", "role", ADDRESS, "owner"])["role"], "owner");
    assert!(!node.pc2(&["wallet", "add", &lower, "--role", "admin"]).status.success(), "it is there already");
    assert!(!node.pc2(&["wallet", "add", "0x12", "--role", "admin"]).status.success(), "no address");
    node.kill();
    node.run();
    assert_eq!(node.pc2_ok(&["wallet", "list"])["items"][0]["role"], "owner");
    // It is the owner's last one, and this is the place where it may go.
    node.pc2_ok(&["wallet", "remove", &lower]);
    assert_eq!(node.pc2_ok(&["wallet", "list"])["items"], json!([]));
}

#[test]
fn a_key_is_printed_once_and_kept_nowhere() {
    let node = Node::start("Ann", &[]);
    let made = node.pc2_ok(&["key", "new", "bot", "--scope", "chat:read", "--days", "30"]);
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    assert!(!node.pc2(&["key", "new", "bot", "--scope", "everything"]).status.success());
    let listed = node.pc2_ok(&["key", "list"]);
    assert!(!listed.to_string().contains(&secret));
    let id = listed["items"][0]["id"].as_str().expect("an id").to_owned();
    node.pc2_ok(&["key", "remove", &id]);
    assert_eq!(node.pc2_ok(&["key", "list"])["items"], json!([]));
    assert!(!node.log().contains(&secret), "no secret in the log");
}
