//! Answers, edits, deletions and reactions, over HTTP and between two real nodes.

use crate::site::{Answer, Site, eventually};
use serde_json::{Value, json};

fn path(of: &Site, rest: &str) -> String {
    format!("/api/conversations/{}/messages{rest}", of.did())
}

fn say(from: &Site, to: &Site, number: u8, text: &str, reply_to: Option<&str>) -> Value {
    let client_id = format!("00112233-4455-6677-8899-aabbccddee{number:02x}");
    let body = json!({ "client_id": client_id, "text": text, "reply_to": reply_to });
    let sent = from.command("POST", &path(to, ""), &body.to_string());
    assert_eq!(sent.status, 202, "{}", sent.body);
    sent.json()
}

fn shown(at: &Site, with: &Site, id: &str) -> Option<Value> {
    let page = at.command("GET", &path(with, ""), "").json();
    page["items"].as_array().expect("items").iter().find(|message| message["id"] == id).cloned()
}

/// Waits until a message is shown in a certain way.
fn sees(at: &Site, with: &Site, id: &str, what: &str, so: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || shown(at, with, id).filter(|message| so(message)))
}

fn amend(at: &Site, with: &Site, method: &str, id: &str, rest: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    at.command(method, &path(with, &format!("/{id}{rest}")), &body)
}

#[test]
fn both_see_answers_reactions_edits_and_deletions_the_same() {
    let (alice, bob) = Site::pair();
    let first = say(&alice, &bob, 1, "helo", None);
    let id = first["id"].as_str().expect("an id").to_owned();
    sees(&bob, &alice, &id, "it arrives", |_| true);

    let answer = say(&bob, &alice, 2, "hello yourself", Some(&id));
    assert_eq!(answer["quote"]["text"], "helo");
    let reacted = amend(&bob, &alice, "PUT", &id, "/reaction", &json!({ "emoji": "👍" }));
    assert_eq!(reacted.status, 202, "{}", reacted.body);
    assert_eq!(reacted.json()["reactions"], json!([{ "emoji": "👍", "mine": true }]));
    sees(&alice, &bob, &id, "the reaction arrives", |message| {
        message["reactions"] == json!([{ "emoji": "👍", "mine": false }])
    });

    let edited = amend(&alice, &bob, "PATCH", &id, "", &json!({ "text": "hello" })).json();
    assert!(edited["text"] == "hello" && edited["edited_at"].is_u64(), "{edited}");
    let again = amend(&alice, &bob, "PATCH", &id, "", &json!({ "text": "hello" })).json();
    assert_eq!(again["revision"], edited["revision"], "a repetition is no further edit");
    sees(&bob, &alice, &id, "the edit arrives", |message| message["text"] == "hello");
    let answer = answer["id"].as_str().expect("an id");
    sees(&bob, &alice, answer, "the quote follows", |message| message["quote"]["text"] == "hello");

    assert_eq!(amend(&alice, &bob, "DELETE", &id, "", &Value::Null).json()["deleted"], true);
    let gone = sees(&bob, &alice, &id, "the deletion arrives", |message| message["deleted"] == true);
    assert_eq!((&gone["text"], &gone["reactions"]), (&json!(""), &json!([])));
    assert_eq!(amend(&alice, &bob, "DELETE", &id, "", &Value::Null).status, 202, "it is gone already");
    for (at, with) in [(&alice, &bob), (&bob, &alice)] {
        let page = at.command("GET", &path(with, ""), "").json();
        assert!(page["items"].as_array().expect("items").len() <= 3, "edits and reactions are no entries");
    }
}

#[test]
fn the_same_id_again_is_the_same_message_also_when_it_was_edited_or_deleted_since() {
    let (alice, bob) = Site::pair();
    let first = say(&alice, &bob, 1, "first", None);
    let id = first["id"].as_str().expect("an id").to_owned();
    amend(&alice, &bob, "PATCH", &id, "", &json!({ "text": "second" }));
    assert_eq!(say(&alice, &bob, 1, "first", None)["text"], "second");
    amend(&alice, &bob, "DELETE", &id, "", &Value::Null);
    assert_eq!(say(&alice, &bob, 1, "first", None)["deleted"], true);
    let theirs = say(&bob, &alice, 2, "theirs", None);
    let theirs = theirs["id"].as_str().expect("an id");
    sees(&alice, &bob, theirs, "it arrives", |_| true);
    let body = json!({ "client_id": theirs, "text": "mine", "reply_to": null });
    assert_eq!(alice.command("POST", &path(&bob, ""), &body.to_string()).code(), "id_taken");
}

#[test]
fn what_is_not_ones_own_or_makes_no_sense_changes_nothing() {
    let (alice, bob) = Site::pair();
    let id = say(&alice, &bob, 1, "mine", None)["id"].as_str().expect("an id").to_owned();
    sees(&bob, &alice, &id, "it arrives", |_| true);
    let text = json!({ "text": "forged" });
    assert_eq!(amend(&bob, &alice, "PATCH", &id, "", &text).code(), "not_your_message");
    assert_eq!(amend(&bob, &alice, "DELETE", &id, "", &Value::Null).code(), "not_your_message");
    for emoji in ["<b>", "👍👍", ""] {
        let refused = amend(&bob, &alice, "PUT", &id, "/reaction", &json!({ "emoji": emoji }));
        assert_eq!(refused.status, 400, "{emoji}: {}", refused.body);
    }
    let nobody = "00112233-4455-6677-8899-aabbccddeeff";
    assert_eq!(amend(&alice, &bob, "PATCH", nobody, "", &text).code(), "no_message");
    assert_eq!(amend(&alice, &bob, "PATCH", "no-name", "", &text).code(), "bad_request");
    assert_eq!(amend(&alice, &bob, "PATCH", &id, "", &json!({ "text": "x", "more": 1 })).status, 400);
    assert_eq!(amend(&alice, &bob, "DELETE", &id, "", &Value::Null).status, 202);
    assert_eq!(amend(&alice, &bob, "PATCH", &id, "", &text).code(), "message_deleted");
    let emoji = json!({ "emoji": "👍" });
    assert_eq!(amend(&alice, &bob, "PUT", &id, "/reaction", &emoji).code(), "message_deleted");
}
