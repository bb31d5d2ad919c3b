//! What went over the network, and the test of the connection, over HTTP and between two real nodes.

use crate::site::{Site, eventually};
use serde_json::{Value, json};
use std::thread;

fn say(from: &Site, to: &Site, number: u8) {
    let client_id = format!("00112233-4455-6677-8899-aabbccddee{number:02x}");
    let body = json!({ "client_id": client_id, "text": "hello", "reply_to": null });
    let sent = from.command("POST", &format!("/api/conversations/{}/messages", to.did()), &body.to_string());
    assert_eq!(sent.status, 202, "{}", sent.body);
}

/// The sum of one line of the chart of the last day.
fn sum(traffic: &Value, what: &str) -> u64 {
    traffic["day"][what].as_array().expect("a line").iter().filter_map(Value::as_u64).sum()
}

fn finding(test: &Value, name: &str) -> Value {
    let findings = test["findings"].as_array().expect("findings");
    findings.iter().find(|finding| finding["name"] == name).cloned().unwrap_or_default()
}

/// A key that sees the network and nothing else.
fn network_key(site: &Site) -> String {
    let key =
        site.command("POST", "/api/keys", &json!({ "label": "w", "scopes": ["network:read"] }).to_string());
    format!("Bearer {}", key.json()["secret"].as_str().unwrap_or_else(|| panic!("a secret: {}", key.body)))
}

#[test]
fn messages_and_bytes_are_counted_and_whoever_looked_is_told_once_that_there_is_more() {
    let (alice, bob) = Site::pair();
    let traffic = |site: &Site| site.command("GET", "/api/network/traffic", "").json();
    let (hers, his) = (sum(&traffic(&alice), "messages_out"), sum(&traffic(&bob), "messages_in"));
    let cookie = bob.sign_in();
    let mut events = bob.events("", &[("cookie", &cookie)]).expect("a stream");
    say(&alice, &bob, 1);
    events.until("traffic");
    eventually("it is counted", || (sum(&traffic(&bob), "messages_in") == his + 1).then_some(()));
    assert_eq!(sum(&traffic(&alice), "messages_out"), hers + 1);
    assert!(sum(&traffic(&alice), "bytes_out") > 100 && sum(&traffic(&bob), "bytes_in") > 100);
    for (span, slots, step) in [("minute", 60, 1_000), ("hour", 60, 60_000), ("day", 96, 900_000)] {
        let chart = &traffic(&bob)[span];
        assert_eq!(chart["step_ms"], step);
        for line in ["bytes_in", "bytes_out", "messages_in", "messages_out"] {
            assert_eq!(chart[line].as_array().map(Vec::len), Some(slots), "{span} {line}");
        }
    }
}

#[test]
fn how_many_messages_there_were_is_for_those_who_may_look_into_the_chats() {
    let site = Site::open();
    let key = network_key(&site);
    let traffic = site.ask("GET", "/api/network/traffic", &[("authorization", &key)], "").json();
    assert_eq!(traffic["hour"]["messages_in"], json!([]));
    assert_eq!(traffic["hour"]["bytes_in"].as_array().map(Vec::len), Some(60));
}

#[test]
fn a_connection_is_tested_in_seconds_and_one_test_runs_at_a_time() {
    let (alice, bob) = Site::pair();
    let key = network_key(&bob);
    let test = || bob.ask("POST", "/api/network/test", &[("authorization", &key)], "");
    let answers = thread::scope(|scope| {
        let both = [scope.spawn(test), scope.spawn(test)];
        both.map(|one| one.join().expect("an answer"))
    });
    let (done, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((done.len(), refused.len()), (1, 1));
    assert_eq!((refused[0].status, refused[0].code().as_str()), (503, "test_under_way"));
    let found = done[0].json();
    assert!(found["took_ms"].as_u64().is_some_and(|took| took < 10_000), "{found}");
    assert_eq!(finding(&found, "ways in")["state"], "well", "{found}");
    assert_eq!(finding(&found, "answers")["state"], "well", "{found}");
    assert_eq!(finding(&found, "listening")["state"], "well");
    drop(alice);
}

#[test]
fn who_is_alone_is_told_so_and_what_to_do() {
    let site = Site::open();
    let found = site.command("POST", "/api/network/test", "").json();
    for name in ["peers", "answers"] {
        let finding = finding(&found, name);
        assert_eq!(finding["state"], "not_well", "{found}");
        assert!(finding["advice"].is_string(), "{finding}");
    }
    assert_eq!(finding(&found, "public address")["state"], "unknown");
}
