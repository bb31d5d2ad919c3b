//! How a node is in the network, as it is chosen on the page: it holds from start to start, and what does not work is taken back.

use crate::support::Node;
use serde_json::{Value, json};
use std::net::TcpListener;

fn settings(node: &Node) -> Option<Value> {
    node.get("/api/settings")
}

#[test]
fn what_is_chosen_holds_at_once_and_after_a_kill() {
    let other = Node::start("Bob", &[]);
    let mut node = Node::stopped("Ann", &[]).choosing();
    node.run();
    assert_eq!(settings(&node).expect("told")["fixed"], json!([]));
    let ways = json!([other.bootstrap_addresses()[0]]);
    let chosen = node.put("/api/settings/network", &json!({ "bootstrap": ways })).expect("taken");
    assert_eq!(chosen["restarts"], true);
    node.eventually("it runs with it", |node| (settings(node)?["bootstrap"] == ways).then_some(()));
    let joined = |node: &mut Node| {
        let did = json!(other.did());
        node.eventually("it joins", |node| {
            let network = node.get("/api/network")?;
            network["peers"].as_array()?.iter().any(|peer| peer["did"] == did).then_some(())
        });
    };
    joined(&mut node);
    let again = node.put("/api/settings/network", &json!({ "bootstrap": ways })).expect("taken");
    assert_eq!(again["restarts"], false, "it is so already");

    node.kill();
    node.run();
    assert_eq!(settings(&node).expect("told")["bootstrap"], ways);
    joined(&mut node);
}

#[test]
fn a_port_that_is_taken_is_taken_back_also_when_the_node_was_killed_before_it_tried() {
    let mut node = Node::stopped("Ann", &[]).choosing();
    node.run();
    let before = settings(&node).expect("told")["listen"].clone();
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let wanted = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().expect("bound").port());
    for kill in [false, true] {
        node.put("/api/settings/network", &json!({ "listen": [wanted] })).expect("taken");
        if kill {
            node.kill();
            node.run();
        }
        node.eventually("it is taken back", |node| {
            let settings = settings(node)?;
            let told = settings["refused"].as_str()?.contains("taken by another program");
            (told && settings["listen"] == before).then_some(())
        });
    }
    let other = node.put("/api/settings/network", &json!({ "upnp": true })).expect("taken");
    assert_eq!(other["restarts"], true);
    node.eventually("nothing is held against it", |node| {
        let settings = settings(node)?;
        (settings["refused"].is_null() && settings["upnp"] == true).then_some(())
    });
}

#[test]
fn what_the_words_of_the_start_say_is_not_chosen_and_nonsense_is_named() {
    let node = Node::start("Ann", &[]);
    let cookie = node.sign_in();
    let put = |body: Value| {
        let (status, _, told) =
            node.browse("PUT", "/api/settings/network", &cookie, &body).expect("an answer");
        (status, told["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(settings(&node).expect("told")["fixed"], json!(["listen", "mdns", "upnp"]));
    assert_eq!(put(json!({ "mdns": true })), (409, "set_at_start".into()));
    assert_eq!(put(json!({ "bootstrap": ["/ip4/127.0.0.1/tcp/1"] })), (400, "bad_network_choice".into()));
    let many = vec!["/ip4/127.0.0.1/tcp/1"; 500];
    assert_eq!(put(json!({ "bootstrap": many })), (400, "bad_network_choice".into()));
    assert_eq!(put(json!({ "ports": 1 })).0, 400);
    assert!(!node.data().join("network.json").exists(), "nothing was noted");
}
