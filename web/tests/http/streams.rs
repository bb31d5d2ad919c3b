//! Event streams as their other side meets them: how many one may have, what they take and what they give.

use crate::site::{Events, Site, TOKEN, eventually};
use serde_json::json;
use std::time::{Duration, Instant};
use tungstenite::Message;

/// What a session may have; `pc2-web` says why.
const EACH: usize = 128;

fn opened(site: &Site, cookie: &str) -> Result<Events, u16> {
    site.events("", &[("cookie", cookie)])
}

#[test]
fn one_session_takes_no_more_than_its_share_and_gives_its_places_back() {
    let site = Site::open();
    let (greedy, other) = (site.sign_in(), site.sign_in());
    let mut open: Vec<_> = (0..EACH).map(|_| opened(&site, &greedy).expect("a place")).collect();
    assert_eq!(opened(&site, &greedy).err(), Some(429));
    let mut theirs = opened(&site, &other).expect("another session has its own");
    assert_eq!(theirs.next().expect("a greeting")["type"], "hello");
    open.truncate(EACH / 2);
    eventually("places are free again", || opened(&site, &greedy).ok());
}

#[test]
fn all_streams_of_whoever_signs_out_everywhere_close_within_a_second() {
    let site = Site::open();
    let cookies = [site.sign_in(), site.sign_in(), site.sign_in()];
    let mut open: Vec<_> = (0..96)
        .map(|number| {
            let mut events = opened(&site, &cookies[number % 3]).expect("a place");
            assert_eq!(events.next().expect("a greeting")["type"], "hello");
            events
        })
        .collect();
    let started = Instant::now();
    assert_eq!(site.ask("DELETE", "/api/sessions", &[("cookie", &cookies[0])], "").status, 202);
    for events in &mut open {
        while events.next().is_some() {}
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn who_says_too_much_at_once_or_without_end_is_closed() {
    let site = Site::open();
    let cookie = site.sign_in();
    let mut long = opened(&site, &cookie).expect("a place");
    long.say(Message::text("x".repeat(1_025)));
    eventually("a long one ends it", || long.broken().then_some(()));

    let mut talker = opened(&site, &cookie).expect("a place");
    for _ in 0..80 {
        talker.say(Message::Ping(Vec::new().into()));
    }
    eventually("many end it", || talker.broken().then_some(()));
    let mut quiet = opened(&site, &cookie).expect("a place");
    quiet.say(Message::text("hello"));
    assert_eq!(quiet.next().expect("a greeting")["type"], "hello");
}

#[test]
fn a_long_message_is_told_whole_and_the_same_to_all() {
    let (alice, bob) = Site::pair();
    let token = format!("Bearer {TOKEN}");
    let mut streams: Vec<_> =
        (0..3).map(|_| alice.events("", &[("authorization", &token)]).expect("a stream")).collect();
    // Four bytes each: a piece ends within a character.
    let text = format!("x{}", "\u{1f980}".repeat(4_000));
    let body = json!({ "client_id": "1".repeat(16), "text": text }).to_string();
    let sent = bob.command("POST", &format!("/api/conversations/{}/messages", alice.did()), &body);
    assert_eq!(sent.status, 202, "{}", sent.body);
    let told: Vec<_> = streams.iter_mut().map(|stream| stream.until("message")).collect();
    assert_eq!(told[0]["data"]["text"], json!(text));
    assert!(told.iter().all(|frame| *frame == told[0]));
}
