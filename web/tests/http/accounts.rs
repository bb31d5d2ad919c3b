//! People and programs at the doors of a node: wallets, roles, sessions, keys, and what is noted of them.

use crate::{
    STRANGER,
    site::{Answer, Site, eventually},
};
use k256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha3::{Digest, Keccak256};
use std::time::{Duration, Instant};

/// A wallet of the test's own, beside the independent one of the browser test.
pub(crate) struct Wallet(SigningKey);

impl Wallet {
    pub(crate) fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).expect("a key"))
    }

    pub(crate) fn address(&self) -> String {
        let point = self.0.verifying_key().to_encoded_point(false);
        let hash = Keccak256::digest(&point.as_bytes()[1..]);
        format!("0x{}", hex(&hash[12..]))
    }

    fn sign(&self, text: &str) -> (Signature, u8) {
        let hash = Keccak256::digest(format!("\x19Ethereum Signed Message:\n{}{text}", text.len()));
        let (signature, which) = self.0.sign_prehash_recoverable(&hash).expect("a signature");
        (signature, which.to_byte() + 27)
    }

    /// What it signs a text with, as a page gets it.
    pub(crate) fn signature(&self, text: &str) -> String {
        written(self.sign(text))
    }

    /// Asks a node what to sign: the nonce and the text.
    fn asked(&self, site: &Site, headers: &[(&str, &str)]) -> (String, String) {
        let answer = site.ask("GET", &format!("/auth/nonce?address={}", self.address()), headers, "");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let text = |name: &str| answer.json()[name].as_str().expect("text").to_owned();
        (text("nonce"), text("text"))
    }

    /// Signs in as the page does.
    fn sign_in(&self, site: &Site, headers: &[(&str, &str)]) -> Answer {
        let (nonce, text) = self.asked(site, &[]);
        site.ask("POST", "/auth/wallet", headers, &signed(&nonce, self.sign(&text)))
    }

    /// The cookie of a session of this wallet.
    pub(crate) fn cookie(&self, site: &Site) -> String {
        cookie(&self.sign_in(site, &[]))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn written((signature, which): (Signature, u8)) -> String {
    format!("0x{}{which:02x}", hex(&signature.to_bytes()))
}

fn signed(nonce: &str, signature: (Signature, u8)) -> String {
    json!({ "nonce": nonce, "signature": written(signature) }).to_string()
}

fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, 204, "{}", answer.body);
    answer.header("set-cookie").expect("a cookie").split(';').next().expect("a pair").to_owned()
}

pub(crate) fn add(site: &Site, wallet: &Wallet, role: &str) {
    let body = json!({ "address": wallet.address(), "role": role }).to_string();
    let added = site.command("POST", "/api/wallets", &body);
    assert_eq!(added.status, 202, "{}", added.body);
}

fn who(site: &Site, cookie: &str) -> Value {
    site.ask("GET", "/auth/session", &[("cookie", cookie)], "").json()["role"].clone()
}

#[test]
fn the_first_wallet_that_signs_beside_the_link_is_the_owners_and_others_have_to_be_added() {
    let site = Site::open();
    let (first, second) = (Wallet::new(1), Wallet::new(2));
    assert_eq!(first.sign_in(&site, &[]).code(), "wallet_not_added");

    let link = site.sign_in();
    let owner = cookie(&first.sign_in(&site, &[("cookie", &link)]));
    assert_eq!(who(&site, &owner), "owner");
    assert_eq!(who(&site, &link), Value::Null, "one browser has one session");
    assert_eq!(who(&site, &first.cookie(&site)), "owner");

    let again = site.sign_in();
    assert_eq!(second.sign_in(&site, &[("cookie", &again)]).code(), "wallet_not_added");
    let body = json!({ "address": second.address(), "role": "member", "label": "Bob" }).to_string();
    let added = site.ask("POST", "/api/wallets", &[("cookie", &owner)], &body);
    assert_eq!((added.status, &added.json()["role"]), (202, &json!("member")));
    assert_eq!(added.json()["added_by"].as_str().map(str::to_lowercase), Some(first.address()));
    assert_eq!(site.ask("POST", "/api/wallets", &[("cookie", &owner)], &body).code(), "already_there");
    assert_eq!(who(&site, &second.cookie(&site)), "member");
}

#[test]
fn wallets_and_their_sessions_survive_a_restart() {
    let mut site = Site::open();
    let wallet = Wallet::new(3);
    add(&site, &wallet, "admin");
    let cookie = wallet.cookie(&site);
    site.restart_server();
    assert_eq!(who(&site, &cookie), "admin");
    let removed = site.command("DELETE", &format!("/api/wallets/{}", wallet.address()), "");
    assert_eq!(removed.status, 202);
    site.restart_server();
    assert_eq!(who(&site, &cookie), Value::Null);
    assert_eq!(wallet.sign_in(&site, &[]).code(), "wallet_not_added");
}

#[test]
fn the_owners_last_wallet_stays_unless_the_command_line_takes_it() {
    let site = Site::open();
    let wallet = Wallet::new(4);
    let owner = cookie(&wallet.sign_in(&site, &[("cookie", &site.sign_in())]));
    let path = format!("/api/wallets/{}", wallet.address());
    let link = site.sign_in();
    for cookie in [&owner, &link] {
        let refused = site.ask("DELETE", &path, &[("cookie", cookie)], "");
        assert_eq!((refused.status, refused.code()), (409, "last_owner".to_owned()));
        let refused = site.ask("PATCH", &path, &[("cookie", cookie)], r#"{"role":"member"}"#);
        assert_eq!((refused.status, refused.code()), (409, "last_owner".to_owned()));
    }
    assert_eq!(who(&site, &owner), "owner");
    assert_eq!(site.command("DELETE", &path, "").status, 202);
    assert_eq!(who(&site, &owner), Value::Null);
    assert_eq!(who(&site, &site.sign_in()), "owner", "the link remains");
    assert_eq!(site.command("DELETE", &path, "").code(), "unknown_wallet");
}

#[test]
fn a_signature_is_good_once_for_its_own_text_and_in_one_form() {
    let site = Site::open();
    let (wallet, other) = (Wallet::new(5), Wallet::new(6));
    add(&site, &wallet, "owner");
    add(&site, &other, "owner");
    let code = |body: &str| site.ask("POST", "/auth/wallet", &[], body).code();

    let (nonce, text) = wallet.asked(&site, &[]);
    let good = signed(&nonce, wallet.sign(&text));
    assert_eq!(site.ask("POST", "/auth/wallet", &[], &good).status, 204);
    assert_eq!(code(&good), "nonce_not_good", "replayed");

    let (nonce, text) = wallet.asked(&site, &[]);
    assert_eq!(code(&signed(&nonce, other.sign(&text))), "other_wallet");
    assert_eq!(code(&signed(&nonce, wallet.sign(&text))), "nonce_not_good", "one try each");

    // A text that says anything else than what was handed out: another chain, a longer life, another node.
    for (from, to) in
        [("Chain ID: 1\n", "Chain ID: 137\n"), ("did:boson:", "did:other:"), ("127.0.0.1", "evil")]
    {
        let (nonce, text) = wallet.asked(&site, &[]);
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        assert_eq!(code(&signed(&nonce, wallet.sign(&changed))), "other_wallet", "{from}");
    }

    for more in ["\n", " ", "\nResources:\n- https://evil.example", "\nExpiration Time: 2999-01-01T00:00:00Z"]
    {
        let (nonce, text) = wallet.asked(&site, &[]);
        assert_eq!(code(&signed(&nonce, wallet.sign(&(text + more)))), "other_wallet", "{more:?}");
    }

    let (nonce, text) = wallet.asked(&site, &[]);
    let (low, which) = wallet.sign(&text);
    let high = Signature::from_scalars(*low.r(), -*low.s()).expect("the other form");
    assert_eq!(code(&signed(&nonce, (high, 55 - which))), "malleable_signature");

    let (nonce, _) = wallet.asked(&site, &[]);
    assert_eq!(code(&json!({ "nonce": nonce, "signature": "0x" }).to_string()), "bad_signature");
    let (nonce, _) = wallet.asked(&site, &[]);
    let contract = json!({ "nonce": nonce, "signature": format!("0x{}", "ab".repeat(200)) }).to_string();
    assert_eq!(code(&contract), "contract_wallet");
    for wrong in [r#"{"nonce":"","signature":""}"#, r#"{"nonce":"00"}"#, "{}", "[]"] {
        assert!(["nonce_not_good", "bad_request"].contains(&code(wrong).as_str()), "{wrong}");
    }
    for query in ["", "?address=0x12", &format!("?address={}&chain=x", wallet.address())] {
        assert_eq!(site.ask("GET", &format!("/auth/nonce{query}"), &[], "").code(), "bad_request", "{query}");
    }
}

#[test]
fn a_sign_in_captured_at_one_name_or_node_opens_no_other() {
    let (site, elsewhere) = (Site::open(), Site::open_as(9, Vec::new()));
    let wallet = Wallet::new(7);
    add(&site, &wallet, "owner");
    add(&elsewhere, &wallet, "owner");
    let (nonce, text) = wallet.asked(&elsewhere, &[]);
    assert!(text.ends_with(&elsewhere.did()) && !text.contains(&site.did()));
    let captured = signed(&nonce, wallet.sign(&text));
    assert_eq!(site.ask("POST", "/auth/wallet", &[], &captured).code(), "nonce_not_good");

    // A node in between asks for a text of its own, and shows it under the same nonce as ours.
    let (nonce, _) = wallet.asked(&site, &[]);
    let spliced = signed(&nonce, wallet.sign(&text));
    assert_eq!(site.ask("POST", "/auth/wallet", &[], &spliced).code(), "other_wallet");

    let (nonce, text) = wallet.asked(&site, &[]);
    let body = signed(&nonce, wallet.sign(&text));
    let request = format!(
        "POST /auth/wallet HTTP/1.1\r\nhost: pc2.example.org\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(site.say(request.as_bytes()).code(), "nonce_not_good", "begun under another name");
}

#[test]
fn of_a_hundred_who_bring_the_same_sign_in_at_once_one_is_let_in() {
    let site = Site::open();
    let wallet = Wallet::new(8);
    add(&site, &wallet, "owner");
    let (nonce, text) = wallet.asked(&site, &[]);
    let body = signed(&nonce, wallet.sign(&text));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..100).map(|_| scope.spawn(|| site.ask("POST", "/auth/wallet", &[], &body).status)).collect();
        all.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == 410).count(), 99);
}

#[test]
fn of_a_hundred_who_bring_the_same_link_at_once_one_is_let_in() {
    let site = Site::open();
    let url = site.command("POST", "/api/login-link", "").json()["url"].as_str().expect("a link").to_owned();
    let body = json!({ "token": url.rsplit('/').next().expect("a secret") }).to_string();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..100).map(|_| scope.spawn(|| site.ask("POST", "/auth/link", &[], &body).status)).collect();
        all.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1);
    assert_eq!(site.command("GET", "/api/sessions", "").json()["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_machine_that_tries_and_tries_is_told_to_wait_and_the_owner_sees_how_often() {
    let site = Site::open();
    let wrong = json!({ "token": "0".repeat(64) }).to_string();
    let refused = (0..200).map(|_| site.ask("POST", "/auth/link", &[], &wrong));
    let last = refused.last().expect("an answer");
    assert_eq!(
        (last.status, last.code(), last.header("retry-after")),
        (429, "too_many_tries".into(), Some("1"))
    );
    assert_eq!(site.command("GET", "/api/contacts", "").status, 200, "who is signed in is not slowed down");
    let log = site.command("GET", "/api/security-log", "").json()["items"].clone();
    assert_eq!(log[0]["what"], "refused");
}

#[test]
fn every_role_reaches_what_the_table_says_and_nothing_else() {
    let site = Site::open();
    let document = site.ask("GET", "/api/openapi.json", &[], "").json();
    for (role, seed) in [("owner", 10), ("admin", 11), ("member", 12)] {
        let wallet = Wallet::new(seed);
        add(&site, &wallet, role);
        let cookie = wallet.cookie(&site);
        let (mut reached, mut closed) = (0, 0);
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                // These would end the session that asks; they have tests of their own.
                if path == "/auth/logout" || (path == "/api/sessions" && method == "delete") {
                    continue;
                }
                let roles = operation["x-roles"].as_array().expect("roles");
                let allowed = roles.contains(&json!(role));
                let filled = path
                    .replace("{did}", STRANGER)
                    .replace("{salt}", "salt")
                    .replace("{id}", "none")
                    .replace("{address}", "none");
                // No body: what is let through fails on that, or does nothing.
                let answer = site.ask(&method.to_uppercase(), &filled, &[("cookie", &cookie)], "");
                let name = format!("{role}: {method} {path}: {} {}", answer.status, answer.body);
                if allowed {
                    assert!(
                        ![401, 403].contains(&answer.status) && !answer.body.contains("no_route"),
                        "{name}"
                    );
                    reached += 1;
                } else {
                    let expected = match (role, path.contains('{')) {
                        ("owner", _) => "forbidden",
                        (_, true) => "no_route",
                        (_, false) => "not_for_role",
                    };
                    assert_eq!(answer.code(), expected, "{name}");
                    closed += 1;
                }
            }
        }
        assert!(reached > 5 && closed > 0, "{role}: {reached} and {closed}");
    }
}

#[test]
fn an_admin_learns_nothing_of_the_owners_people_from_the_network_or_from_events() {
    let site = Site::open();
    site.command("PUT", &format!("/api/mailboxes/pinned/{STRANGER}"), "");
    let wallet = Wallet::new(13);
    add(&site, &wallet, "admin");
    let cookie = wallet.cookie(&site);
    let network = site.ask("GET", "/api/network", &[("cookie", &cookie)], "").json();
    assert_eq!(network["mailboxes"]["pinned"], json!([]));
    assert_ne!(site.command("GET", "/api/network", "").json()["mailboxes"]["pinned"], json!([]));

    let mut events = site.events("", &[("cookie", &cookie)]).expect("a stream");
    assert_eq!(events.next().expect("a greeting")["type"], "hello");
    site.command("POST", "/api/contacts", &json!({ "did": STRANGER, "text": "a secret" }).to_string());
    site.command("PUT", "/api/network/level", &json!({ "level": "1" }).to_string());
    let next = events.next().expect("an event");
    assert_eq!(next["type"], "network", "{next}");
}

#[test]
fn the_owner_is_told_that_something_happened_at_the_doors_and_nobody_else_is() {
    let site = Site::open();
    let owner = site.sign_in();
    let wallet = Wallet::new(14);
    add(&site, &wallet, "admin");
    let admin = wallet.cookie(&site);
    let follow = |cookie: &str| {
        let mut events = site.events("", &[("cookie", cookie)]).expect("a stream");
        assert_eq!(events.next().expect("a greeting")["type"], "hello");
        events
    };
    let (mut told, mut untold) = (follow(&owner), follow(&admin));
    add(&site, &Wallet::new(15), "member");
    assert_eq!(told.next().expect("an event")["type"], "doors");
    site.command("PUT", "/api/network/level", &json!({ "level": "1" }).to_string());
    assert_eq!(told.next().expect("an event")["type"], "network");
    assert_eq!(untold.next().expect("an event")["type"], "network");
}

#[test]
fn sessions_are_seen_and_ended_by_those_whose_they_are() {
    let site = Site::open();
    let (one, two) = (Wallet::new(14), Wallet::new(15));
    add(&site, &one, "member");
    add(&site, &two, "member");
    let (here, there, others) = (one.cookie(&site), one.cookie(&site), two.cookie(&site));
    let list =
        |cookie: &str| site.ask("GET", "/api/sessions", &[("cookie", cookie)], "").json()["items"].clone();
    let ids = |items: &Value, this: bool| -> Vec<String> {
        let all = items.as_array().expect("items").iter().filter(|item| item["this"] == json!(this));
        all.map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(list(&here).as_array().map(Vec::len), Some(2));
    let theirs = ids(&list(&others), true).remove(0);
    let end = |cookie: &str, id: &str| {
        site.ask("DELETE", &format!("/api/sessions/{id}"), &[("cookie", cookie)], "")
    };
    assert_eq!((end(&here, &theirs).status, end(&here, &theirs).code()), (404, "unknown_session".to_owned()));
    let other_of_mine = ids(&list(&here), false).remove(0);
    assert_eq!(end(&here, &other_of_mine).status, 202);
    assert_eq!((who(&site, &here), who(&site, &there)), (json!("member"), Value::Null));

    let third = one.cookie(&site);
    let others_of_mine = site.ask("DELETE", "/api/sessions?keep=this", &[("cookie", &here)], "");
    assert_eq!(
        (others_of_mine.status, who(&site, &here), who(&site, &third)),
        (202, json!("member"), Value::Null)
    );
    assert_eq!(who(&site, &others), "member", "nobody else was signed out");
    // The owner sees and ends everybody's.
    assert_eq!(site.command("DELETE", "/api/sessions", "").status, 202);
    assert_eq!((who(&site, &here), who(&site, &others)), (Value::Null, Value::Null));
}

#[test]
fn streams_of_a_session_that_is_ended_or_has_another_role_close_within_a_second() {
    let site = Site::open();
    let wallet = Wallet::new(16);
    add(&site, &wallet, "admin");
    let path = format!("/api/wallets/{}", wallet.address());
    let ways: [&dyn Fn() -> Answer; 3] = [
        &|| site.command("PATCH", &path, r#"{"role":"owner"}"#),
        &|| site.command("DELETE", "/api/sessions", ""),
        &|| site.command("DELETE", &path, ""),
    ];
    for end in ways {
        let cookie = wallet.cookie(&site);
        let mut events = site.events("", &[("cookie", &cookie)]).expect("a stream");
        assert_eq!(events.next().expect("a greeting")["type"], "hello");
        let asked = Instant::now();
        assert_eq!(end().status, 202);
        while events.next().is_some() {}
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
}

#[test]
fn a_key_does_what_it_is_for_is_shown_once_and_ends_when_it_is_taken_back() {
    let mut site = Site::open();
    let body = json!({ "label": "bot", "scopes": ["chat:read", "chat:write"] }).to_string();
    let made = site.command("POST", "/api/keys", &body);
    assert_eq!(made.status, 202, "{}", made.body);
    let secret = made.json()["secret"].as_str().expect("a secret").to_owned();
    let bearer = format!("Bearer {secret}");
    let list = site.command("GET", "/api/keys", "");
    assert!(!list.body.contains(&secret));
    let id = list.json()["items"][0]["id"].as_str().expect("an id").to_owned();

    site.restart_server();
    let with = |method: &str, path: &str| site.ask(method, path, &[("authorization", &bearer)], "");
    assert_eq!(with("GET", "/api/contacts").status, 200);
    for (method, path) in [
        ("GET", "/api/network"),
        ("GET", "/api/transfers"),
        ("GET", "/api/keys"),
        ("GET", "/api/wallets"),
        ("GET", "/api/sessions"),
        ("GET", "/api/security-log"),
        ("POST", "/api/login-link"),
        ("PUT", "/api/network/level"),
    ] {
        assert_eq!(with(method, path).code(), "not_for_key", "{method} {path}");
    }
    eventually("its use is noted", || {
        let list = site.command("GET", "/api/keys", "").json();
        list["items"][0]["last_used"].is_u64().then_some(())
    });

    let mut events = site.events("", &[("authorization", &bearer)]).expect("a stream");
    assert_eq!(events.next().expect("a greeting")["type"], "hello");
    assert_eq!(site.command("DELETE", &format!("/api/keys/{id}"), "").status, 202);
    while events.next().is_some() {}
    assert_eq!(with("GET", "/api/contacts").code(), "sign_in_first");
    assert_eq!(site.command("DELETE", &format!("/api/keys/{id}"), "").code(), "unknown_key");
    for wrong in [
        json!({ "label": "x", "scopes": [] }),
        json!({ "label": "x", "scopes": ["chat:everything"] }),
        json!({ "label": "x", "scopes": ["chat:read"], "expires": 1 }),
        json!({ "label": "x".repeat(101), "scopes": ["chat:read"] }),
    ] {
        assert_eq!(site.command("POST", "/api/keys", &wrong.to_string()).status, 400, "{wrong}");
    }
}

#[test]
fn what_happens_at_the_doors_is_noted_and_survives_a_restart() {
    let mut site = Site::open();
    let wallet = Wallet::new(17);
    add(&site, &wallet, "member");
    wallet.cookie(&site);
    site.command("PATCH", &format!("/api/wallets/{}", wallet.address()), r#"{"role":"admin"}"#);
    site.command("DELETE", &format!("/api/wallets/{}", wallet.address()), "");
    site.restart_server();
    let log = site.command("GET", "/api/security-log", "").json();
    let what: Vec<&str> =
        log["items"].as_array().expect("items").iter().filter_map(|e| e["what"].as_str()).collect();
    assert_eq!(what, ["wallet_removed", "wallet_changed", "wallet_used", "wallet_added"]);
    assert_eq!(log["items"][1]["role"], "admin");
}

#[test]
fn an_address_is_one_wallet_however_it_is_written_and_a_mistyped_one_is_none() {
    let site = Site::open();
    let wallet = Wallet::new(18);
    let lower = wallet.address();
    add(&site, &wallet, "member");
    let listed = site.command("GET", "/api/wallets", "").json();
    let checksummed = listed["items"][0]["address"].as_str().expect("an address").to_owned();
    assert_ne!(checksummed, lower);
    assert_eq!(checksummed.to_lowercase(), lower);
    for written in [&lower, &checksummed, &format!("0x{}", lower[2..].to_uppercase())] {
        let body = json!({ "address": written, "role": "owner" }).to_string();
        assert_eq!(site.command("POST", "/api/wallets", &body).code(), "already_there", "{written}");
        assert_eq!(site.ask("GET", &format!("/auth/nonce?address={written}"), &[], "").status, 200);
        let named = site.command("PATCH", &format!("/api/wallets/{written}"), r#"{"label":"Ann"}"#);
        assert_eq!(named.status, 202, "{written}");
    }
    let letter = checksummed.rfind(|digit: char| digit.is_ascii_alphabetic()).expect("a letter");
    let mut mistyped = checksummed.into_bytes();
    mistyped[letter] ^= 0x20;
    let mistyped = String::from_utf8(mistyped).expect("text");
    let body = json!({ "address": mistyped, "role": "owner" }).to_string();
    assert_eq!(site.command("POST", "/api/wallets", &body).code(), "bad_request");
}

#[test]
fn other_sites_and_other_names_can_neither_begin_nor_end_a_sign_in() {
    let site = Site::open();
    let wallet = Wallet::new(19);
    add(&site, &wallet, "owner");
    let query = format!("/auth/nonce?address={}", wallet.address());
    let foreign = [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")];
    assert_eq!(site.ask("GET", &query, &[("sec-fetch-site", "same-site")], "").code(), "foreign_origin");
    for header in foreign {
        assert_eq!(wallet.sign_in(&site, &[header]).code(), "foreign_origin", "{header:?}");
    }
    let request = format!("GET {query} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
    assert_eq!(site.say(request.as_bytes()).code(), "wrong_host");
    let cookie = wallet.cookie(&site);
    for header in foreign {
        let body = json!({ "address": Wallet::new(20).address(), "role": "owner" }).to_string();
        let added = site.ask("POST", "/api/wallets", &[("cookie", &cookie), header], &body);
        assert_eq!(added.code(), "foreign_origin", "{header:?}");
    }
}

#[test]
fn huge_and_malformed_bodies_are_refused_at_every_door() {
    let site = Site::open();
    let huge = "x".repeat(200_000);
    for (path, method) in [
        ("/auth/link", "POST"),
        ("/auth/wallet", "POST"),
        ("/api/wallets", "POST"),
        ("/api/keys", "POST"),
        ("/api/wallets/0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1", "PATCH"),
    ] {
        for body in ["{", "null", "7", r#"{"role":"god"}"#, r#"{"nobody":"asked"}"#] {
            assert_eq!(site.command(method, path, body).code(), "bad_request", "{method} {path}: {body}");
        }
        assert_eq!(site.command(method, path, &json!({ "label": huge }).to_string()).code(), "too_large");
    }
}

#[test]
fn a_page_over_https_gets_a_cookie_that_never_goes_in_clear() {
    let site = Site::open();
    let wallet = Wallet::new(21);
    add(&site, &wallet, "owner");
    let set = |answer: &Answer| answer.header("set-cookie").expect("a cookie").to_owned();
    let plain = set(&wallet.sign_in(&site, &[]));
    for attribute in ["; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=604800"] {
        assert!(plain.contains(attribute), "{plain}");
    }
    assert!(!plain.contains("Secure"));
    let origin = format!("https://{}", site.address);
    assert!(set(&wallet.sign_in(&site, &[("origin", &origin)])).ends_with("; Secure"));
}

#[test]
fn a_key_that_may_see_what_is_lent_is_not_told_what_contacts_are_called() {
    let site = Site::open();
    site.command("POST", "/api/contacts", &json!({ "did": STRANGER, "alias": "Grandma" }).to_string());
    site.command("PATCH", &format!("/api/contacts/{STRANGER}"), r#"{"alias":"Grandma"}"#);
    site.command("PUT", &format!("/api/mailboxes/pinned/{STRANGER}"), "");
    assert!(site.command("GET", "/api/mailboxes", "").body.contains("Grandma"));
    let body = json!({ "label": "x", "scopes": ["lending:read", "lending:write"] }).to_string();
    let made = site.command("POST", "/api/keys", &body).json();
    let bearer = format!("Bearer {}", made["secret"].as_str().expect("a secret"));
    let with = |method: &str, path: &str, body: &str| {
        site.ask(method, path, &[("authorization", &bearer)], body).body
    };
    let seen = with("GET", "/api/mailboxes", "");
    assert!(seen.contains(STRANGER) && !seen.contains("Grandma"), "{seen}");
    assert!(!with("PUT", &format!("/api/mailboxes/pinned/{STRANGER}"), "").contains("Grandma"));
    assert!(!with("PUT", "/api/network/level", r#"{"level":"1"}"#).contains("Grandma"));
}
