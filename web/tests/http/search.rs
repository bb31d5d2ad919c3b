//! Messages are found by what they say, and pages go both ways from a message, over HTTP and between two real nodes.

use crate::site::{Site, eventually};
use serde_json::{Value, json};

fn say(from: &Site, to: &Site, number: u8, text: &str) -> String {
    let client_id = format!("00112233-4455-6677-8899-aabbccddee{number:02x}");
    let body = json!({ "client_id": client_id, "text": text, "reply_to": null });
    let path = format!("/api/conversations/{}/messages", to.did());
    let sent = from.command("POST", &path, &body.to_string());
    assert_eq!(sent.status, 202, "{}", sent.body);
    sent.json()["id"].as_str().expect("an id").to_owned()
}

fn find(at: &Site, asked: &str) -> Value {
    let found = at.command("GET", &format!("/api/search?{asked}"), "");
    assert_eq!(found.status, 200, "{}", found.body);
    found.json()
}

/// What the hits say, newest first.
fn texts(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("items");
    items.iter().map(|hit| hit["message"]["text"].as_str().expect("a text")).collect()
}

#[test]
fn both_find_what_was_said_and_what_was_edited_or_taken_back_no_more() {
    let (alice, bob) = Site::pair();
    let first = say(&alice, &bob, 1, "We meet in Zürich");
    let second = say(&alice, &bob, 2, "the secret word");
    say(&alice, &bob, 3, "zurück um acht");
    eventually("all arrive", || (texts(&find(&bob, "q=zur")).len() == 2).then_some(()));
    assert_eq!(texts(&find(&bob, "q=ZUR")), ["zurück um acht", "We meet in Zürich"]);
    let page = find(&bob, "q=zur&limit=1");
    let before = page["before"].as_str().expect("there is more");
    assert_eq!(texts(&find(&bob, &format!("q=zur&limit=1&before={before}"))), ["We meet in Zürich"]);
    let pieces = [("We ", false), ("meet", true), (" in ", false), ("Zür", true), ("ich", false)];
    let pieces = pieces.map(|(text, hit)| json!({ "text": text, "hit": hit }));
    assert_eq!(find(&bob, "q=meet%20zur")["items"][0]["snippet"], json!(pieces));

    let path = format!("/api/conversations/{}/messages", bob.did());
    alice.command("PATCH", &format!("{path}/{first}"), &json!({ "text": "We meet in Basel" }).to_string());
    alice.command("DELETE", &format!("{path}/{second}"), "");
    eventually("the edit arrives", || (texts(&find(&bob, "q=basel")).len() == 1).then_some(()));
    eventually("the deletion arrives", || texts(&find(&bob, "q=secret")).is_empty().then_some(()));
    for at in [&alice, &bob] {
        assert_eq!(texts(&find(at, "q=zur")), ["zurück um acht"]);
        assert_eq!(texts(&find(at, "q=secret")), [""; 0]);
    }
    let with = format!("q=basel&conversation={}", alice.did());
    assert_eq!(texts(&find(&bob, &with)), ["We meet in Basel"]);
    let with = format!("q=basel&conversation={}", bob.did());
    assert_eq!(texts(&find(&bob, &with)), [""; 0]);
}

#[test]
fn a_search_is_bounded() {
    let site = Site::open();
    let code = |asked: &str| site.command("GET", &format!("/api/search{asked}"), "").code();
    assert_eq!(code(""), "bad_request");
    assert_eq!(code("?q=%20"), "bad_request");
    assert_eq!(code(&format!("?q={}", "a".repeat(257))), "bad_request");
    assert_eq!(code("?q=a+b+c+d+e+f+g+h+i".replace('+', "%20").as_str()), "bad_request");
    assert_eq!(code("?q=a&conversation=nobody"), "bad_request");
    assert_eq!(code("?q=a&before=zz"), "bad_request");
    assert_eq!(code("?q=%ff"), "bad_request");
    assert_eq!(find(&site, "q=a"), json!({ "items": [], "before": null }));
}

#[test]
fn pages_go_both_ways_from_a_message() {
    let (alice, bob) = Site::pair();
    let ids: Vec<String> = (1..=9).map(|number| say(&alice, &bob, number, &number.to_string())).collect();
    let read = |asked: &str| {
        let page =
            alice.command("GET", &format!("/api/conversations/{}/messages?{asked}", bob.did()), "").json();
        let items = page["items"].as_array().expect("items");
        // Whether one is of ours: the words with which they became contacts are there, too.
        let texts = items.iter().filter_map(|message| message["text"].as_str().expect("a text").parse().ok());
        let texts: Vec<u8> = texts.collect();
        (texts, page["before"].clone(), page["after"].clone())
    };
    let (texts, before, after) = read(&format!("around={}&limit=4", ids[4]));
    assert_eq!(texts, [3, 4, 5, 6, 7]);
    let (texts, _, then) = read(&format!("after={}&limit=100", after.as_str().expect("more")));
    assert_eq!((texts, then), (vec![8, 9], Value::Null));
    let (texts, _, then) = read(&format!("before={}&limit=1", before.as_str().expect("more")));
    assert_eq!(texts, [2]);
    let (texts, _, _) = read(&format!("after={}&limit=1", then.as_str().expect("more")));
    assert_eq!(texts, [3]);
    assert_eq!(read("limit=2").2, Value::Null);
    let code = |asked: &str| {
        let path = format!("/api/conversations/{}/messages?{asked}", bob.did());
        alice.command("GET", &path, "").code()
    };
    assert_eq!(code(&format!("around={}&before={}", ids[0], before.as_str().expect("more"))), "bad_request");
    assert_eq!(code("around=00112233-4455-6677-8899-aabbccddeeff"), "no_message");
}
