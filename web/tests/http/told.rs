//! What people tell each other of what they do, how long messages last, and a conversation as a file: over HTTP and between two real nodes.

use crate::{
    STRANGER,
    site::{Answer, Site, eventually},
};
use serde_json::{Value, json};

fn name(number: u8) -> String {
    format!("00112233-4455-6677-8899-aabbccddee{number:02x}")
}

fn with(other: &Site, rest: &str) -> String {
    format!("/api/conversations/{}{rest}", other.did())
}

fn say(from: &Site, to: &Site, number: u8, text: &str) -> String {
    let body = json!({ "client_id": name(number), "text": text, "reply_to": null });
    let sent = from.command("POST", &with(to, "/messages"), &body.to_string());
    assert_eq!(sent.status, 202, "{}", sent.body);
    sent.json()["id"].as_str().expect("an id").to_owned()
}

fn message(at: &Site, other: &Site, id: &str) -> Option<Value> {
    let page = at.command("GET", &with(other, "/messages"), "").json();
    page["items"].as_array().expect("items").iter().find(|message| message["id"] == id).cloned()
}

fn arrives(at: &Site, other: &Site, id: &str) {
    eventually("it arrives", || message(at, other, id).map(drop));
}

fn state(at: &Site, other: &Site, id: &str) -> Value {
    message(at, other, id).expect("it is there")["state"].clone()
}

fn set(at: &Site, receipts: bool, typing: bool) -> Answer {
    let body = json!({ "read_receipts": receipts, "typing": typing });
    at.command("PUT", "/api/chat/settings", &body.to_string())
}

fn contact(at: &Site, other: &Site) -> Value {
    at.command("GET", &format!("/api/contacts/{}", other.did()), "").json()
}

fn read(at: &Site, other: &Site) {
    assert_eq!(at.command("POST", &with(other, "/read"), "").status, 202);
}

fn set_timer(at: &Site, other: &Site, number: u8, seconds: Option<u64>) -> Answer {
    let body = json!({ "client_id": name(number), "seconds": seconds });
    at.command("PUT", &with(other, "/timer"), &body.to_string())
}

#[test]
fn reading_is_told_only_when_both_choose_to_and_says_exactly_what_was_read() {
    let (alice, bob) = Site::pair();
    let off = json!({ "read_receipts": false, "typing": false });
    assert_eq!(alice.command("GET", "/api/chat/settings", "").json(), off, "nothing is told unasked");
    let first = say(&alice, &bob, 1, "one");
    arrives(&bob, &alice, &first);
    read(&bob, &alice);
    assert_eq!(contact(&bob, &alice)["unread"], 0);
    assert_eq!(set(&alice, true, false).json(), json!({ "read_receipts": true, "typing": false }));
    assert_eq!(set(&bob, true, false).status, 202);
    let second = say(&alice, &bob, 2, "two");
    arrives(&bob, &alice, &second);
    eventually("it is delivered", || (state(&alice, &bob, &second) == "delivered").then_some(()));
    read(&bob, &alice);
    eventually("it is read", || (state(&alice, &bob, &second) == "read").then_some(()));
    assert_eq!(state(&alice, &bob, &first), "delivered", "what was read while nothing was told stays untold");
    read(&bob, &alice);
    assert_eq!(bob.command("POST", &format!("/api/conversations/{STRANGER}/read"), "").status, 404);
}

#[test]
fn one_person_is_told_or_not_whatever_holds_for_everybody() {
    let (alice, bob) = Site::pair();
    let choose =
        |at: &Site, of: &str, body: &str| at.command("PUT", &format!("/api/contacts/{of}/receipts"), body);
    for (at, other) in [(&alice, &bob), (&bob, &alice)] {
        assert_eq!(contact(at, other)["read_receipts"], Value::Null);
        let chosen = choose(at, &other.did(), r#"{"read_receipts":true}"#);
        assert_eq!((chosen.status, &chosen.json()["read_receipts"]), (202, &json!(true)));
    }
    let id = say(&alice, &bob, 1, "one");
    arrives(&bob, &alice, &id);
    read(&bob, &alice);
    eventually("it is read", || (state(&alice, &bob, &id) == "read").then_some(()));
    assert_eq!(choose(&alice, &bob.did(), r#"{"read_receipts":null}"#).json()["read_receipts"], Value::Null);
    assert_eq!(choose(&alice, &bob.did(), r#"{"read_receipts":"yes"}"#).code(), "bad_request");
    assert_eq!(choose(&alice, STRANGER, r#"{"read_receipts":true}"#).code(), "unknown_contact");
}

#[test]
fn settings_of_what_is_told_survive_and_take_nothing_else() {
    let mut site = Site::open();
    assert_eq!(set(&site, true, true).status, 202);
    site.restart_server();
    let kept = site.command("GET", "/api/chat/settings", "").json();
    assert_eq!(kept, json!({ "read_receipts": true, "typing": true }));
    for wrong in
        ["{}", r#"{"read_receipts":1,"typing":true}"#, r#"{"read_receipts":true,"typing":true,"x":1}"#]
    {
        assert_eq!(site.command("PUT", "/api/chat/settings", wrong).code(), "bad_request", "{wrong}");
    }
    assert_eq!(site.command("GET", "/api/chat/settings", "").json(), kept);
}

#[test]
fn that_somebody_writes_is_told_only_when_both_choose_to() {
    let (alice, bob) = Site::pair();
    let typing = |at: &Site, other: &Site| at.command("POST", &with(other, "/typing"), "").status;
    assert_eq!(typing(&alice, &bob), 202, "accepted, and forgotten");
    // What follows is on the same connection, so it would have come by then.
    let id = say(&alice, &bob, 1, "one");
    arrives(&bob, &alice, &id);
    assert_eq!(contact(&bob, &alice)["typing"], false);
    set(&alice, false, true);
    set(&bob, false, true);
    eventually("it is told", || {
        assert_eq!(typing(&alice, &bob), 202);
        (contact(&bob, &alice)["typing"] == true).then_some(())
    });
    let id = say(&alice, &bob, 2, "two");
    arrives(&bob, &alice, &id);
    assert_eq!(contact(&bob, &alice)["typing"], false, "who has written writes no more");
    assert_eq!(typing(&alice, &alice), 202, "nobody hears it");
}

#[test]
fn messages_disappear_on_both_sides_and_others_stay() {
    let (alice, bob) = Site::pair();
    let stays = say(&alice, &bob, 1, "this stays");
    let mut events =
        alice.events("", &[("authorization", &format!("Bearer {}", crate::site::TOKEN))]).expect("open");
    let line = set_timer(&alice, &bob, 2, Some(2));
    assert_eq!(line.status, 202, "{}", line.body);
    assert_eq!(line.json()["body"], json!({ "kind": "timer", "seconds": 2 }));
    assert_eq!(set_timer(&alice, &bob, 2, Some(2)).json()["id"], line.json()["id"], "the same once more");
    assert_eq!(set_timer(&alice, &bob, 2, Some(3)).code(), "id_taken");
    assert_eq!(set_timer(&alice, &bob, 1, Some(2)).code(), "id_taken");
    arrives(&bob, &alice, line.json()["id"].as_str().expect("an id"));
    assert_eq!((&contact(&alice, &bob)["timer"], &contact(&bob, &alice)["timer"]), (&json!(2), &json!(2)));
    let goes = say(&bob, &alice, 3, "this goes");
    arrives(&alice, &bob, &goes);
    assert_eq!(message(&alice, &bob, &goes).expect("there")["disappears_after"], 2);
    eventually("its writer's is gone", || message(&bob, &alice, &goes).is_none().then_some(()));
    assert!(message(&alice, &bob, &goes).is_some(), "nobody has read it");
    read(&alice, &bob);
    let gone = events.until("message_gone");
    assert_eq!(gone["data"], json!({ "conversation": bob.did(), "id": goes }));
    assert!(message(&alice, &bob, &goes).is_none(), "told when it is so");
    assert!(message(&alice, &bob, &stays).is_some());
    let last = contact(&alice, &bob)["last"].clone();
    assert_eq!((&last["preview"], &last["gone"]), (&json!(""), &json!(true)));
    let found = alice.command("GET", "/api/search?q=goes", "").json();
    assert_eq!(found["items"], json!([]));
    assert_eq!(
        alice.command("PUT", &with(&bob, &format!("/messages/{goes}/reaction")), r#"{"emoji":"👍"}"#).code(),
        "no_message"
    );
    assert_eq!(set_timer(&bob, &alice, 4, None).json()["body"], json!({ "kind": "timer", "seconds": null }));
    assert_eq!(contact(&bob, &alice)["timer"], Value::Null);
}

#[test]
fn times_are_bounded_and_for_contacts_only() {
    let site = Site::open();
    let ask = |did: &str, body: &str| site.command("PUT", &format!("/api/conversations/{did}/timer"), body);
    let wanted = |seconds: Value| json!({ "client_id": name(1), "seconds": seconds }).to_string();
    assert_eq!(ask(STRANGER, &wanted(json!(60))).code(), "unknown_contact");
    let added =
        site.command("POST", "/api/contacts", &json!({ "did": STRANGER, "text": "hello" }).to_string());
    assert_eq!(added.status, 202);
    assert_eq!(ask(STRANGER, &wanted(json!(60))).code(), "unknown_contact", "they have not said yes");
    for wrong in [json!(-1), json!(1.5), json!("60"), json!(u64::MAX)] {
        assert_eq!(ask(STRANGER, &wanted(wrong.clone())).code(), "bad_request", "{wrong}");
    }
    let (alice, bob) = Site::pair();
    for wrong in [0, 31_536_001] {
        assert_eq!(set_timer(&alice, &bob, 1, Some(wrong)).code(), "bad_text", "{wrong}");
    }
    assert_eq!(set_timer(&alice, &bob, 1, Some(31_536_000)).status, 202);
}

#[test]
fn a_conversation_is_saved_as_a_document_in_which_nothing_runs() {
    let (alice, bob) = Site::pair();
    let hostile = "</p><script>alert('x')</script>";
    let name = json!({ "alias": format!("{hostile}\u{202e}") }).to_string();
    assert_eq!(alice.command("PATCH", &format!("/api/contacts/{}", bob.did()), &name).status, 202);
    for number in 1..=100 {
        say(&alice, &bob, number, &format!("number {number}."));
    }
    let id = say(&bob, &alice, 101, hostile);
    arrives(&alice, &bob, &id);
    let saved = alice.command("GET", &with(&bob, "/export"), "");
    assert_eq!(saved.status, 200, "{}", saved.body);
    assert_eq!(saved.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(saved.header("content-security-policy").is_some_and(|policy| policy.starts_with("sandbox;")));
    let disposition = saved.header("content-disposition").expect("to be saved");
    assert!(
        disposition.starts_with("attachment; filename*=UTF-8''PC2%20conversation%20with%20"),
        "{disposition}"
    );
    assert!(!disposition.contains('<') && !disposition.contains("%E2%80%AE"), "{disposition}");
    assert!(!saved.body.contains("<script"), "{}", saved.body);
    assert!(saved.body.contains("&lt;script&gt;alert(&#39;x&#39;)"));
    let mut at = 0;
    for number in 1..=100 {
        let next = saved.body[at..].find(&format!("number {number}.</p>")).expect("in order");
        at += next;
    }
    assert!(saved.body.contains("<footer>10"), "all are counted");
    assert!(saved.body.contains(" The end.</footer>\n</html>"));

    // Of who was forgotten the history is still there; of who was never known there is none.
    assert_eq!(alice.command("DELETE", &format!("/api/contacts/{}", bob.did()), "").status, 202);
    assert!(alice.command("GET", &with(&bob, "/export"), "").body.contains("number 100."));
    assert_eq!(
        alice.command("GET", &format!("/api/conversations/{STRANGER}/export"), "").code(),
        "unknown_contact"
    );
    assert_eq!(alice.ask("GET", &with(&bob, "/export"), &[], "").code(), "sign_in_first");
}
