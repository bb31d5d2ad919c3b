//! The setup of a node and its recovery phrase: who gets at them, and when.

use crate::{
    STRANGER,
    site::{Answer, Site},
};
use pc2_protocols::crypto::phrase::Phrase;
use serde_json::{Value, json};

const PHRASE: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";
const OTHER: &str = "letter advice cage absurd amount doctor acoustic avoid letter advice cage above";

fn phrase(words: &str) -> Phrase {
    words.parse().expect("a phrase")
}

fn fresh() -> Site {
    Site::fresh(&phrase(PHRASE))
}

/// As the owner in a browser that was signed in by the link.
fn owner(site: &Site) -> impl Fn(&str, &str, Value) -> Answer {
    let cookie = site.sign_in();
    move |method, path, body| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        site.ask(method, path, &[("cookie", &cookie)], &body)
    }
}

#[test]
fn a_fresh_node_goes_through_its_setup_step_by_step_and_ends_it_once() {
    let site = fresh();
    let ask = owner(&site);
    let setup = ask("GET", "/api/setup", Value::Null).json();
    assert_eq!(
        (&setup["finished"], &setup["step"], &setup["replaceable"], &setup["phrase_kept"]),
        (&json!(false), &json!("choose"), &json!(true), &json!(true))
    );
    assert_eq!(ask("GET", "/api/identity", Value::Null).json()["setup_finished"], false);
    for step in ["name", "passphrase", "phrase"] {
        assert_eq!(ask("PUT", "/api/setup", json!({ "step": step })).json()["step"], step);
    }
    // Another browser sees where it stands.
    assert_eq!(owner(&site)("GET", "/api/setup", Value::Null).json()["step"], "phrase");
    assert_eq!(ask("PUT", "/api/setup", json!({ "step": "anywhere" })).code(), "bad_request");
    assert_eq!(ask("PUT", "/api/setup", json!({ "step": "done" })).json()["finished"], true);
    assert_eq!(ask("GET", "/api/identity", Value::Null).json()["setup_finished"], true);
    assert_eq!(ask("PUT", "/api/setup", json!({ "step": "choose" })).code(), "setup_over");
    assert_eq!(ask("POST", "/api/setup/restore", json!({ "phrase": OTHER })).code(), "setup_over");
}

#[test]
fn the_phrase_is_shown_during_the_setup_and_three_of_its_words_are_asked_back() {
    let site = fresh();
    let ask = owner(&site);
    let shown = ask("POST", "/api/identity/phrase", Value::Null);
    assert_eq!((shown.status, shown.header("cache-control")), (200, Some("no-store")));
    let words: Vec<String> = serde_json::from_value(shown.json()["words"].clone()).expect("words");
    assert_eq!(words.join(" "), PHRASE);

    let wrong = ask("POST", "/api/identity/phrase/confirm", json!({ "words": ["zoo", "zoo", "zoo"] }));
    assert_eq!((wrong.status, wrong.code()), (409, "wrong_words".into()));
    let setup = ask("GET", "/api/setup", Value::Null).json();
    assert_eq!(setup["phrase_confirmed"], false);
    let asks = setup["asks"].as_array().expect("places").iter();
    let asked =
        asks.map(|place| &words[usize::try_from(place.as_u64().expect("a place")).expect("small") - 1]);
    let told = json!({ "words": asked.collect::<Vec<_>>() });
    assert_eq!(ask("POST", "/api/identity/phrase/confirm", told).json()["phrase_confirmed"], true);
}

#[test]
fn afterwards_the_phrase_is_shown_only_to_who_proves_anew_to_be_the_owner() {
    let site = fresh();
    let ask = owner(&site);
    let sealed = ask("PUT", "/api/identity/passphrase", json!({ "passphrase": "correct horse" }));
    assert_eq!((sealed.status, &sealed.json()["sealed"]), (200, &json!(true)));
    ask("PUT", "/api/setup", json!({ "step": "done" }));

    let show = |proof: Value| ask("POST", "/api/identity/phrase", proof);
    assert_eq!(show(Value::Null).code(), "prove_first");
    assert_eq!(show(json!({ "passphrase": "battery staple" })).code(), "not_proved");
    assert_eq!(show(json!({ "link": "0".repeat(64) })).code(), "not_proved");
    assert_eq!(show(json!({ "passphrase": "correct horse" })).status, 200);
    let link = site.server().login_link().expect("randomness").url;
    assert_eq!(show(json!({ "link": link })).status, 200);
    assert_eq!(show(json!({ "link": link })).code(), "not_proved", "it is used up");
    let log = || {
        let items = ask("GET", "/api/security-log", Value::Null).json()["items"].clone();
        let lines: Vec<(Value, Value)> = items
            .as_array()
            .expect("entries")
            .iter()
            .map(|entry| (entry["what"].clone(), entry["count"].clone()))
            .collect();
        lines
    };
    let latest = [
        (json!("phrase_shown"), json!(2)),
        (json!("refused"), json!(3)),
        (json!("passphrase_set"), Value::Null),
    ];
    assert_eq!(log()[..3], latest);

    let change = |proof: Value, to: Value| {
        ask("PUT", "/api/identity/passphrase", json!({ "passphrase": to, "proof": proof }))
    };
    assert_eq!(change(json!({}), json!("another horse")).code(), "prove_first");
    assert_eq!(change(json!({ "passphrase": "wrong" }), Value::Null).code(), "not_proved");
    let open = change(json!({ "passphrase": "correct horse" }), Value::Null);
    assert_eq!(open.json()["sealed"], false);
    assert_eq!(log()[0].0, "passphrase_removed");
    // A passphrase that seals nothing proves nothing.
    assert_eq!(show(json!({ "passphrase": "" })).code(), "prove_first");
}

#[test]
fn a_node_that_does_not_keep_its_phrase_says_so() {
    let site = Site::open();
    let ask = owner(&site);
    let setup = ask("GET", "/api/setup", Value::Null).json();
    assert_eq!((&setup["finished"], &setup["phrase_kept"]), (&json!(true), &json!(false)));
    let link = site.server().login_link().expect("randomness").url;
    assert_eq!(ask("POST", "/api/identity/phrase", json!({ "link": link })).code(), "phrase_not_kept");
}

#[test]
fn a_restore_is_wished_for_with_the_words_and_the_browser_stays_signed_in() {
    let site = fresh();
    let ask = owner(&site);
    let restore = |words: &str| ask("POST", "/api/setup/restore", json!({ "phrase": words }));
    let unknown = restore(&OTHER.replace("letter", "leter")).json()["message"].to_string();
    assert!(unknown.contains("leter") && unknown.contains("letter"), "{unknown}");
    assert_eq!(restore("letter advice").code(), "bad_phrase");
    assert_eq!(restore(&OTHER.replace("above", "absurd")).code(), "bad_phrase");
    assert!(site.keeper.wished.lock().expect("lock").is_none());

    let answer = restore(&OTHER.to_uppercase());
    let node = phrase(OTHER).keys().node();
    assert_eq!(
        (answer.status, answer.json()),
        (202, json!({ "did": node.did().to_string(), "same": false }))
    );
    let (wished, session) = site.keeper.wished.lock().expect("lock").clone().expect("a wish");
    assert_eq!(wished, node);
    assert!(session.is_some());
}

#[test]
fn the_words_of_the_fresh_identity_itself_replace_nothing() {
    let site = fresh();
    let ask = owner(&site);
    let answer = ask("POST", "/api/setup/restore", json!({ "phrase": PHRASE }));
    assert_eq!((answer.status, &answer.json()["same"]), (202, &json!(true)));
    assert!(site.keeper.wished.lock().expect("lock").is_none());
    let setup = ask("GET", "/api/setup", Value::Null).json();
    assert_eq!((&setup["step"], &setup["phrase_confirmed"]), (&json!("name"), &json!(true)));
}

#[test]
fn an_identity_that_somebody_was_asked_with_is_not_replaced() {
    let site = fresh();
    let ask = owner(&site);
    ask("POST", "/api/contacts", json!({ "did": STRANGER }));
    assert_eq!(ask("GET", "/api/setup", Value::Null).json()["replaceable"], false);
    assert_eq!(ask("POST", "/api/setup/restore", json!({ "phrase": OTHER })).code(), "identity_in_use");
    assert!(site.keeper.wished.lock().expect("lock").is_none());
}

#[test]
fn passphrases_are_bounded_and_keys_of_programs_get_nowhere_near() {
    let site = fresh();
    let ask = owner(&site);
    for wrong in ["short", &"x".repeat(1_001)] {
        let answer = ask("PUT", "/api/identity/passphrase", json!({ "passphrase": wrong }));
        assert_eq!(answer.code(), "bad_passphrase");
    }
    let scopes = json!({ "label": "bot", "scopes": ["profile:read", "profile:write", "chat:write"] });
    let made = ask("POST", "/api/keys", scopes).json();
    let bearer = format!("Bearer {}", made["secret"].as_str().expect("a secret"));
    for (method, path) in [
        ("POST", "/api/identity/phrase"),
        ("PUT", "/api/identity/passphrase"),
        ("GET", "/api/setup"),
        ("PUT", "/api/setup"),
        ("POST", "/api/setup/restore"),
    ] {
        let answer = site.ask(method, path, &[("authorization", &bearer)], "");
        assert_eq!(answer.code(), "not_for_key", "{method} {path}");
    }
}

#[test]
fn words_are_not_guessed_at_speed() {
    let site = fresh();
    let ask = owner(&site);
    let guess = json!({ "words": ["zoo", "zoo", "zoo"] });
    let tried = (0..200).map(|_| ask("POST", "/api/identity/phrase/confirm", guess.clone()).status);
    assert_eq!(tried.collect::<Vec<_>>().last(), Some(&429));
}

#[test]
fn the_owner_sees_what_takes_the_disk_and_what_the_node_was_started_with() {
    let site = Site::open();
    let ask = owner(&site);
    let before = ask("GET", "/api/storage", Value::Null).json();
    assert_eq!(before["folder"], json!(site.data().display().to_string()));
    assert_eq!(before["complete"], true);
    assert!(before["free"].as_u64() > Some(0) && before["database"].as_u64() > Some(0), "{before}");
    ask("POST", "/api/contacts", json!({ "did": STRANGER, "text": "x".repeat(900) }));
    let after = ask("GET", "/api/storage", Value::Null).json();
    assert!(after["messages"].as_u64() > before["messages"].as_u64().map(|bytes| bytes + 900), "{after}");
    let settings = ask("GET", "/api/settings", Value::Null).json();
    assert_eq!((&settings["mdns"], &settings["level"]), (&json!(false), &Value::Null));
    assert_eq!(settings["web_names"], json!(["pc2.example.org"]));
}
