//! The server as others meet it: over TCP, in front of a real node.

mod accounts;
mod amend;
mod contracts;
mod files;
mod keeper;
mod matrix;
mod network;
mod search;
mod setup;
mod site;
mod streams;
mod told;
mod wasm;

use serde_json::{Value, json};
use site::{Site, TOKEN};

/// Another node's DID (RFC 8032 test 1), which nobody runs.
const STRANGER: &str = "did:boson:FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z";

#[test]
fn every_route_is_closed_to_strangers_unless_it_is_public() {
    let site = Site::open();
    let document = site.ask("GET", "/api/openapi.json", &[], "").json();
    let mut closed = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let public = operation["security"] == json!([]);
            let path = path
                .replace("{did}", STRANGER)
                .replace("{salt}", "salt")
                .replace("{id}", "out")
                .replace("{address}", "0x00");
            for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("cookie", "pc2_session=00")]] {
                let status = site.ask(&method.to_uppercase(), &path, headers, "").status;
                assert_eq!(status == 401, !public, "{method} {path}: {status}");
            }
            closed += usize::from(!public);
        }
    }
    assert!(closed > 20, "the document names the routes");
    assert_eq!(site.ask("GET", "/api/nothing", &[], "").code(), "no_route");
    assert_eq!(site.ask("PUT", "/api/contacts", &[], "").code(), "wrong_method");
}

#[test]
fn a_link_signs_a_browser_in_once_and_signing_out_ends_it() {
    let site = Site::open();
    let url = site.command("POST", "/api/login-link", "").json()["url"].as_str().expect("a link").to_owned();
    assert!(url.starts_with(&format!("http://{}/#/sign-in/", site.address)));
    let body = format!(r#"{{"token":"{}"}}"#, url.rsplit('/').next().expect("a secret"));
    let signed_in = site.ask("POST", "/auth/link", &[], &body);
    assert_eq!(signed_in.status, 204);
    let cookie =
        signed_in.header("set-cookie").expect("a cookie").split(';').next().expect("a pair").to_owned();
    assert_eq!(site.ask("POST", "/auth/link", &[], &body).code(), "link_not_good");

    let with_cookie = [("cookie", cookie.as_str())];
    assert_eq!(site.ask("GET", "/auth/session", &with_cookie, "").json()["role"], "owner");
    assert_eq!(site.ask("GET", "/api/contacts", &with_cookie, "").json(), json!({ "items": [] }));
    assert_eq!(site.ask("POST", "/api/login-link", &with_cookie, "").code(), "forbidden");

    assert_eq!(site.ask("POST", "/auth/logout", &with_cookie, "").status, 204);
    assert_eq!(site.ask("GET", "/api/contacts", &with_cookie, "").code(), "sign_in_first");
    assert_eq!(site.ask("GET", "/auth/session", &with_cookie, "").json()["signed_in"], false);
}

#[test]
fn a_session_survives_a_restart_of_the_server_and_ends_with_it_signed_out() {
    let mut site = Site::open();
    let cookie = site.sign_in();
    let with_cookie = [("cookie", cookie.as_str())];
    site.restart_server();
    assert_eq!(site.ask("GET", "/api/contacts", &with_cookie, "").status, 200);
    assert_eq!(site.ask("POST", "/auth/logout", &with_cookie, "").status, 204);
    site.restart_server();
    assert_eq!(site.ask("GET", "/api/contacts", &with_cookie, "").status, 401);
}

#[test]
fn other_names_and_other_sites_get_nothing() {
    let site = Site::open();
    let cookie = site.sign_in();
    let own = format!("http://{}", site.address);
    let change = |headers: &[(&str, &str)]| {
        let all = [&[("cookie", cookie.as_str())], headers].concat();
        site.ask("PATCH", "/api/identity", &all, r#"{"name":"Mallory"}"#)
    };
    assert_eq!(change(&[("origin", "http://evil.example")]).code(), "foreign_origin");
    assert_eq!(change(&[("origin", "null")]).code(), "foreign_origin");
    assert_eq!(change(&[("sec-fetch-site", "same-site")]).code(), "foreign_origin");
    assert_eq!(site.command("GET", "/api/identity", "").json()["name"], "");
    let allowed = change(&[("origin", &own), ("sec-fetch-site", "same-origin")]);
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, None));

    let rebound = site.say(b"GET /api/identity HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
    assert_eq!((rebound.status, rebound.code().as_str()), (421, "wrong_host"));
    let named = site.say(b"GET /whoami HTTP/1.1\r\nhost: pc2.example.org\r\nconnection: close\r\n\r\n");
    assert_eq!(named.status, 200);
}

#[test]
fn bodies_are_bounded_and_strict() {
    let site = Site::open();
    let patch = |body: &str| site.command("PATCH", "/api/identity", body);
    assert_eq!(patch(r#"{"name":"Alice"}"#).json()["name"], "Alice");
    assert_eq!(patch(r#"{"name":"Alice","admin":true}"#).code(), "bad_request");
    assert_eq!(patch(r#"{"name":"Alice"} {}"#).code(), "bad_request");
    assert_eq!(patch(&format!(r#"{{"name":"{}"}}"#, "a".repeat(101))).code(), "name_too_long");
    assert_eq!(patch(&format!(r#"{{"name":"{}"}}"#, "a".repeat(200_000))).code(), "too_large");
    assert_eq!(patch("").code(), "not_json");

    // Promises nothing about its length and never ends: counted as it comes.
    let mut endless = format!(
        "PATCH /api/identity HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        site.address
    );
    for _ in 0..129 {
        endless.push_str(&format!("400\r\n{}\r\n", " ".repeat(1024)));
    }
    assert_eq!(site.say(endless.as_bytes()).code(), "too_large");
}

#[test]
fn a_request_waits_with_its_message_and_what_is_sent_twice_is_one() {
    let site = Site::open();
    let added =
        site.command("POST", "/api/contacts", &json!({ "did": STRANGER, "text": "hello" }).to_string());
    assert_eq!(added.status, 202);
    let added = added.json();
    assert_eq!((&added["did"], &added["standing"]), (&json!(STRANGER), &json!("requested")));
    let path = format!("/api/conversations/{STRANGER}/messages");
    let page = site.command("GET", &path, "").json();
    assert_eq!(page["items"][0]["text"], "hello");
    assert_eq!(page["items"][0]["state"], "waiting");

    let message = json!({ "client_id": "00112233-4455-6677-8899-aabbccddeeff", "text": "again" }).to_string();
    let first = site.command("POST", &path, &message);
    assert_eq!(first.status, 202);
    assert_eq!(site.command("POST", &path, &message).json()["id"], first.json()["id"]);

    let newest = site.command("GET", &format!("{path}?limit=1"), "").json();
    assert_eq!(newest["items"], json!([first.json()]));
    let before = newest["before"].as_str().expect("there is an earlier page");
    let earlier = site.command("GET", &format!("{path}?limit=1&before={before}"), "").json();
    assert_eq!(earlier["items"], page["items"]);
    assert_eq!(earlier["before"], Value::Null);
}

#[test]
fn what_is_refused_says_why_in_a_word_for_programs() {
    let site = Site::open();
    let own = site.command("GET", "/api/identity", "").json()["did"].clone();
    let add = |body: Value| site.command("POST", "/api/contacts", &body.to_string()).code();
    assert_eq!(add(json!({ "did": own })), "yourself");
    assert_eq!(add(json!({ "did": "did:boson:nobody" })), "bad_request");
    assert_eq!(add(json!({})), "bad_request");
    assert_eq!(add(json!({ "invitation": "hello" })), "not_an_invitation");
    assert_eq!(add(json!({ "invitation": "pc2:invite:hello" })), "invitation_damaged");
    let send = json!({ "client_id": "1".repeat(16), "text": "hi" }).to_string();
    let path = format!("/api/conversations/{STRANGER}/messages");
    assert_eq!(site.command("POST", &path, &send).code(), "unknown_contact");
    assert_eq!(site.command("GET", &format!("{path}?before=made-up"), "").code(), "bad_request");
    assert_eq!(site.command("POST", &format!("/api/contacts/{STRANGER}/accept"), "").status, 404);
}

#[test]
fn an_invitation_is_a_link_that_names_this_node() {
    let site = Site::open();
    let invitation = site.command("POST", "/api/invitations", "").json();
    let link = invitation["link"].as_str().expect("a link");
    let own = site.command("POST", "/api/contacts", &json!({ "invitation": link }).to_string());
    assert_eq!(own.code(), "yourself");
}

#[test]
fn events_are_numbered_and_go_on_after_a_break() {
    let site = Site::open();
    let token = format!("Bearer {TOKEN}");
    let headers = [("authorization", token.as_str())];
    let rename = |name: &str| {
        let body = json!({ "name": name }).to_string();
        assert_eq!(site.command("PATCH", "/api/identity", &body).status, 200);
    };
    let mut events = site.events("", &headers).expect("a stream");
    let hello = events.next().expect("a greeting");
    assert_eq!((&hello["type"], &hello["data"]["resumed"]), (&json!("hello"), &json!(false)));
    rename("first");
    let first = events.until("profile");
    assert_eq!(first["data"], json!({ "name": "first" }));
    drop(events);
    rename("second");

    let after = first["n"].as_u64().expect("a number");
    let mut events = site.events(&format!("?after={after}"), &headers).expect("a stream");
    assert_eq!(events.next().expect("a greeting")["n"], json!(after));
    let second = events.until("profile");
    assert_eq!(second["data"], json!({ "name": "second" }));
    assert!(second["n"].as_u64() > Some(after));

    let mut stale = site.events("?after=1", &headers).expect("a stream");
    assert_eq!(stale.next().expect("a greeting")["data"]["resumed"], true);
    assert_eq!(stale.next().expect("a frame")["type"], "resync");
}

#[test]
fn who_follows_from_where_the_session_says_misses_nothing() {
    let site = Site::open();
    let cookie = site.sign_in();
    let own = format!("http://{}", site.address);
    let session = || site.ask("GET", "/auth/session", &[("cookie", &cookie)], "").json()["events"].clone();
    let reached = session();
    assert_eq!(site.command("PATCH", "/api/identity", r#"{"name":"Alice"}"#).status, 200);
    let headers = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    let mut events = site.events(&format!("?after={reached}"), &headers).expect("a stream");
    assert_eq!(events.next().expect("a greeting")["data"]["resumed"], true);
    let profile = events.until("profile");
    assert_eq!(profile["data"]["name"], "Alice");
    assert!(session().as_u64() >= profile["n"].as_u64());
    assert_eq!(site.ask("GET", "/auth/session", &[], "").json()["events"], Value::Null);
}

#[test]
fn the_event_stream_is_for_our_own_page_of_somebody_signed_in() {
    let site = Site::open();
    let cookie = site.sign_in();
    let own = format!("http://{}", site.address);
    assert_eq!(site.events("", &[]).err(), Some(401));
    let foreign = site.events("", &[("cookie", &cookie), ("origin", "http://evil.example")]);
    assert_eq!(foreign.err(), Some(403));
    assert_eq!(site.ask("GET", "/ws", &[("cookie", &cookie)], "").code(), "not_a_websocket");

    let mut events = site.events("", &[("cookie", &cookie), ("origin", &own)]).expect("a stream");
    assert_eq!(events.next().expect("a greeting")["type"], "hello");
    assert_eq!(site.ask("POST", "/auth/logout", &[("cookie", &cookie)], "").status, 204);
    while events.next().is_some() {}
}

#[test]
fn a_stopping_server_says_goodbye_to_those_who_listen() {
    let mut site = Site::open();
    let token = format!("Bearer {TOKEN}");
    let mut events = site.events("", &[("authorization", &token)]).expect("a stream");
    assert_eq!(events.next().expect("a greeting")["type"], "hello");
    site.restart_server();
    while events.next().is_some() {}
}

#[test]
fn a_port_that_is_taken_is_named_in_a_sentence() {
    let site = Site::open();
    let error = site.another(site.address.port()).err().expect("the port is taken").to_string();
    assert!(error.starts_with(&format!("port {} of 127.0.0.1 is taken", site.address.port())), "{error}");
}

#[test]
fn the_node_says_how_it_is() {
    let site = Site::open();
    assert_eq!(site.ask("GET", "/health", &[], "").json(), json!({ "status": "ok" }));
    let who = site.ask("GET", "/whoami", &[], "").json();
    assert_eq!(who["version"], "1.2.3");
    assert!(who["peer_id"].as_str().is_some_and(|id| id.starts_with("12D3KooW")));
    let checks = site.command("GET", "/api/doctor", "").json()["checks"].clone();
    let alone = checks.as_array().expect("checks").iter().find(|check| check["name"] == "peers").cloned();
    assert_eq!(alone.expect("a check of peers")["ok"], false);
    let network = site.command("GET", "/api/network", "").json();
    assert_eq!(network["peers"], json!([]));
    assert_eq!((&network["reach"]["choice"], &network["reach"]["level"]), (&json!("auto"), &json!(2)));
    assert_eq!(network["reach"]["reachability"], "unknown");
    assert_eq!(network["mailboxes"]["share_bytes"], 256 * 1024 * 1024);
    let page = site.ask("GET", "/", &[], "");
    assert_eq!((page.status, page.header("x-content-type-options")), (200, Some("nosniff")));
}

#[test]
fn a_level_and_shares_are_chosen_and_what_makes_no_sense_is_refused() {
    let site = Site::open();
    let level =
        |level: &str| site.command("PUT", "/api/network/level", &json!({ "level": level }).to_string());
    let chosen = level("3");
    assert_eq!((chosen.status, chosen.json()["level"].clone()), (202, json!(3)));
    assert_eq!(level("5").code(), "bad_request");
    assert_eq!(level("auto").json()["choice"], "auto");

    let shares = |body: Value| site.command("PUT", "/api/network/shares", &body.to_string());
    let before = site.command("GET", "/api/network", "").json()["reach"]["shares"].clone();
    let lent = shares(json!({ "circuits": 7 })).json()["shares"].clone();
    assert_eq!((&lent["circuits"], &lent["reservations"]), (&json!(7), &before["reservations"]));
    let refused = shares(json!({ "mailbox_bytes": 1, "circuits": 0 }));
    assert_eq!((refused.status, refused.code()), (400, "bad_share".to_owned()));
    assert!(refused.json()["message"].as_str().expect("words").contains("circuits = 0"));
    assert_eq!(shares(json!({ "circuts": 7 })).code(), "bad_request");
    assert_eq!(site.command("GET", "/api/network", "").json()["reach"]["shares"], lent);
}

#[test]
fn holders_are_pinned_up_to_three_and_served_are_contacts_only() {
    let site = Site::open();
    let pinned = |method: &str, did: &str| site.command(method, &format!("/api/mailboxes/pinned/{did}"), "");
    let answer = pinned("PUT", STRANGER);
    assert_eq!(answer.status, 202);
    let pin = answer.json()["pinned"][0].clone();
    assert_eq!(
        (&pin["did"], &pin["state"], &pin["answered"]),
        (&json!(STRANGER), &json!("not_reached"), &Value::Null)
    );
    assert_eq!(site.command("GET", "/api/mailboxes", "").json()["pinned"], answer.json()["pinned"]);
    assert_eq!(site.command("GET", "/api/network", "").json()["mailboxes"]["pinned_most"], 3);
    let own = site.command("GET", "/api/identity", "").json()["did"].as_str().expect("a DID").to_owned();
    assert_eq!((pinned("PUT", &own).status, pinned("PUT", &own).code()), (400, "yourself".to_owned()));
    assert_eq!(pinned("PUT", "did:boson:nobody").code(), "bad_request");
    assert_eq!(pinned("DELETE", STRANGER).json()["pinned"], json!([]));
    assert_eq!(
        (pinned("DELETE", STRANGER).status, pinned("DELETE", STRANGER).code()),
        (404, "not_pinned".to_owned())
    );

    let served = |method: &str| site.command(method, &format!("/api/mailboxes/served/{STRANGER}"), "");
    assert_eq!((served("PUT").status, served("PUT").code()), (404, "unknown_contact".to_owned()));
    site.command("POST", "/api/contacts", &json!({ "did": STRANGER }).to_string());
    assert_eq!((served("PUT").status, served("PUT").code()), (409, "not_a_contact".to_owned()));
    assert_eq!((served("DELETE").status, served("DELETE").code()), (404, "not_served".to_owned()));
    // Nobody is served, so blocking has nothing to end and works as ever.
    assert_eq!(site.command("POST", &format!("/api/contacts/{STRANGER}/block"), "").status, 202);
}
