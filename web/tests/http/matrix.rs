//! Role × route × object: whoever asks, for whatever there is, is answered as the table says.
//!
//! Everything that a route can name is really there and is the owner's. Who may not have it gets, byte for byte, the answer for something that never was; who lacks a
//! right that is about no object is told so. Each role is asked about with a wallet of its own, each scope with a key that has it alone. At the end everything the owner
//! has is as it was. Not here: which row a route should have (`roles` in the library), and sign-in itself (`accounts`).

use crate::{
    accounts::{Wallet, add},
    site::{Answer, Site, eventually},
};
use serde_json::{Value, json};

/// A DID whose form is right and that this node has never heard of.
const NEVER: &str = "did:boson:586Z7H2vpX9qNhN2T4e9Utugie3ogjbxzGaMtM3E6HR5";

/// Something that can be named in a path: what it stands for, one that is there and is the owner's, and one of the same form that never was.
struct Thing {
    name: &'static str,
    /// Beginning of the paths that it belongs to.
    below: &'static str,
    there: String,
    absent: String,
}

/// One route.
struct Route {
    method: String,
    path: String,
    roles: Vec<String>,
    /// The scope a key needs; `None` when no key has it.
    key: Option<Vec<String>>,
    public: bool,
}

fn routes(site: &Site) -> Vec<Route> {
    let document = site.ask("GET", "/api/openapi.json", &[], "").json();
    let strings = |value: &Value| -> Vec<String> {
        value.as_array().expect("a list").iter().map(|one| one.as_str().expect("text").to_owned()).collect()
    };
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let ways = operation["security"].as_array().expect("ways in");
            routes.push(Route {
                method: method.to_uppercase(),
                path: path.clone(),
                roles: strings(&operation["x-roles"]),
                key: ways.iter().find_map(|way| way.get("key")).map(strings),
                public: ways.is_empty(),
            });
        }
    }
    assert!(routes.len() > 70, "the document names the routes");
    routes
}

/// A node that has one of everything.
struct Full {
    site: Site,
    /// Whose DID `{did}` is, a contact of the owner's.
    friend: Site,
    things: Vec<Thing>,
}

impl Full {
    fn open() -> Self {
        let (site, friend) = Site::pair();
        let did = friend.did();
        let messages = format!("/api/conversations/{did}/messages");
        let body = json!({ "client_id": "1".repeat(16), "text": "a secret" }).to_string();
        assert_eq!(site.command("POST", &messages, &body).status, 202);
        let uploaded = site.upload(&format!("?to={did}&name=secret.txt"), b"secret");
        assert_eq!(uploaded.status, 202, "{}", uploaded.body);
        let transfer = eventually("it is offered", || {
            let list = site.command("GET", "/api/transfers", "").json();
            list["transfers"].as_array()?.first().map(|one| one["id"].clone())
        });
        let message = eventually("all that was said is delivered", || {
            let page = site.command("GET", &messages, "").json();
            let items = page["items"].as_array()?;
            let settled = items.len() == 2 && items.iter().all(|item| item["state"] == "delivered");
            settled.then(|| items[0]["id"].clone())
        });
        let pinned = site.command("PUT", &format!("/api/mailboxes/pinned/{did}"), "");
        assert_eq!(pinned.status, 202, "{}", pinned.body);
        let app = json!({
            "manifest": "id = \"secret\"\nname = \"A secret\"\nversion = \"1\"\nmodule = \"a.wasm\"\nkind = \"program\"\n[data]\naccess = \"read\"\n",
            "module": "AGFzbQEAAAA=",
        });
        let installed = site.command("POST", "/api/wasm/apps", &app.to_string());
        assert_eq!(installed.status, 202, "{}", installed.body);
        // It ends at once, and is remembered.
        let run = site.command("POST", "/api/wasm/runs", r#"{"app":"secret"}"#);
        assert_eq!(run.status, 202, "{}", run.body);
        let run = run.json()["id"].as_str().expect("an id").to_owned();
        let key = site.command("POST", "/api/keys", r#"{"label":"owner's","scopes":["chat:read"]}"#).json();
        let owner = Wallet::new(60);
        add(&site, &owner, "owner");
        let cookie = owner.cookie(&site);
        let sessions = site.ask("GET", "/api/sessions", &[("cookie", &cookie)], "").json();
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        let thing = |name, below, there: String, absent: &str| Thing {
            name,
            below,
            there,
            absent: absent.to_owned(),
        };
        let flipped = |id: &str| -> String {
            let last = if id.ends_with('1') { '2' } else { '1' };
            id[..id.len() - 1].chars().chain([last]).collect()
        };
        let (message, transfer) = (text(&message), text(&transfer));
        let (key, session) = (text(&key["key"]["id"]), text(&sessions["items"][0]["id"]));
        let things = vec![
            thing("{did}", "/api/", did, NEVER),
            thing("{id}", "/api/conversations/", message.clone(), &flipped(&message)),
            thing("{id}", "/api/transfers/", transfer.clone(), &flipped(&transfer)),
            thing("{id}", "/api/keys/", key.clone(), &flipped(&key)),
            thing("{id}", "/api/sessions/", session.clone(), &flipped(&session)),
            thing("{address}", "/api/wallets/", owner.address(), &Wallet::new(61).address()),
            thing("{salt}", "/api/records/", "blog".to_owned(), "never"),
            thing("{id}", "/api/wasm/apps/", "secret".to_owned(), "never"),
            thing("{id}", "/api/wasm/runs/", run.clone(), &flipped(&run)),
        ];
        Self { site, friend, things }
    }

    /// A path with what is there, and the same with what is not; `None` for one that names nothing.
    fn filled(&self, path: &str) -> Option<(String, String)> {
        let mut filled = (path.to_owned(), path.to_owned());
        for thing in self.things.iter().filter(|thing| path.starts_with(thing.below)) {
            filled =
                (filled.0.replace(thing.name, &thing.there), filled.1.replace(thing.name, &thing.absent));
        }
        assert!(!filled.0.contains('{'), "{path} names something that this test does not know");
        path.contains('{').then_some(filled)
    }

    /// What the owner has, without what moves by itself.
    fn owned(&self) -> Value {
        let get = |path: &str| self.site.command("GET", path, "").json();
        let without = |list: Value, names: &[&str]| -> Value {
            let mut items = list["items"].clone();
            for item in items.as_array_mut().expect("items") {
                for name in names {
                    item[*name] = Value::Null;
                }
            }
            items
        };
        json!([
            get("/api/identity"),
            without(get("/api/contacts"), &["delivery", "online"]),
            get(&format!("/api/conversations/{}/messages", self.friend.did())),
            get("/api/chat/settings"),
            get("/api/transfers")["transfers"],
            get("/api/transfers/settings"),
            get("/api/network/level")["choice"],
            get("/api/network")["reach"]["shares"],
            get("/api/mailboxes")["pinned"][0]["did"],
            get("/api/mailboxes")["serving"],
            without(get("/api/wallets"), &["last_used", "last_sign_in"]),
            without(get("/api/keys"), &["last_used"]),
            get("/api/wasm/apps"),
            get("/api/wasm/runs")["runs"][0]["id"],
        ])
    }
}

/// Who asks: what they are called, and what they show.
struct Asks {
    name: String,
    shown: (&'static str, String),
}

/// What can be compared of an answer: everything but its date.
fn whole(answer: &Answer) -> (u16, &str, Vec<&str>) {
    let headers = ["content-type", "retry-after", "cache-control", "content-length", "set-cookie", "allow"];
    (
        answer.status,
        &answer.body,
        headers.iter().map(|name| answer.header(name).unwrap_or_default()).collect(),
    )
}

#[test]
fn what_is_the_owners_looks_absent_to_every_other_role_and_nothing_of_it_changes() {
    let full = Full::open();
    let site = &full.site;
    let routes = routes(site);
    let before = full.owned();
    let mut pairs = 0;
    for (role, seed) in [("admin", 62), ("member", 63)] {
        let wallet = Wallet::new(seed);
        add(site, &wallet, role);
        let who = Asks { name: role.to_owned(), shown: ("cookie", wallet.cookie(site)) };
        for route in &routes {
            let Some((there, absent)) = full.filled(&route.path) else { continue };
            let shown = [(who.shown.0, who.shown.1.as_str())];
            // With a body and without: neither tells more than the other.
            for body in ["", "{}"] {
                let [one, other] = [&there, &absent].map(|path| site.ask(&route.method, path, &shown, body));
                let name =
                    format!("{}: {} {}: {} {}", who.name, route.method, route.path, one.status, one.body);
                assert_eq!(whole(&one), whole(&other), "{name}");
                assert_eq!(one.status, 404, "{name}");
                let own = route.roles.iter().any(|allowed| allowed == role);
                assert_eq!(one.code() == "no_route", !own, "{name}");
                pairs += 1;
            }
        }
    }
    assert!(pairs > 100, "{pairs}");
    // Their own two wallets have come; everything else is as it was.
    for seed in [62, 63] {
        let gone = site.command("DELETE", &format!("/api/wallets/{}", Wallet::new(seed).address()), "");
        assert_eq!(gone.status, 202);
    }
    assert_eq!(full.owned(), before);
}

#[test]
fn a_key_with_one_scope_reaches_the_routes_of_that_scope_and_no_other() {
    let full = Full::open();
    let site = &full.site;
    let routes = routes(site);
    let before = full.owned();
    let scopes = site.command("GET", "/api/keys", "").json()["scopes"].clone();
    let mut made = Vec::new();
    for scope in scopes.as_array().expect("scopes").iter().map(|scope| scope.as_str().expect("text")) {
        let key =
            site.command("POST", "/api/keys", &json!({ "label": scope, "scopes": [scope] }).to_string());
        let key = key.json();
        made.push(key["key"]["id"].as_str().expect("an id").to_owned());
        let bearer = format!("Bearer {}", key["secret"].as_str().expect("a secret"));
        let mut reached = 0;
        for route in &routes {
            let (path, _) = full.filled(&route.path).unwrap_or((route.path.clone(), String::new()));
            let allowed = match &route.key {
                _ if route.public => true,
                None => false,
                // Whoever may look at anything: events.
                Some(any) if any.is_empty() => scope.ends_with(":read"),
                Some(needed) => needed.iter().any(|needed| needed == scope),
            };
            // What would change something without a body has its own tests; that it is let through is seen below on what never was.
            let changes = allowed && !route.public && route.method != "GET";
            let path =
                if changes { full.filled(&route.path).map_or(path, |(_, absent)| absent) } else { path };
            if changes && CHANGES_WITHOUT_BODY.contains(&route.path.as_str()) {
                continue;
            }
            let answer = site.ask(&route.method, &path, &[("authorization", &bearer)], "");
            let name = format!("{scope}: {} {}: {} {}", route.method, route.path, answer.status, answer.body);
            if allowed {
                assert!(![401, 403].contains(&answer.status) && !answer.body.contains("no_route"), "{name}");
                reached += usize::from(!route.public);
            } else {
                assert_eq!((answer.status, answer.code().as_str()), (403, "not_for_key"), "{name}");
            }
        }
        assert!(reached > 0, "{scope} opens something");
    }
    for id in made {
        assert_eq!(site.command("DELETE", &format!("/api/keys/{id}"), "").status, 202);
    }
    assert_eq!(full.owned(), before);
}

/// Routes that do something when they are asked without a body and without naming anything that could be absent.
const CHANGES_WITHOUT_BODY: [&str; 2] = ["/api/doctor/blobs", "/api/mailboxes/pinned/{did}"];

#[test]
fn whoever_is_nobody_is_told_the_same_of_what_is_there_and_of_what_is_not() {
    let full = Full::open();
    for route in routes(&full.site).iter().filter(|route| !route.public) {
        let Some((there, absent)) = full.filled(&route.path) else { continue };
        for shown in [&[][..], &[("authorization", "Bearer wrong")], &[("cookie", "pc2_session=00")]] {
            let [one, other] = [&there, &absent].map(|path| full.site.ask(&route.method, path, shown, "{}"));
            let name = format!("{} {}: {}", route.method, route.path, one.body);
            assert_eq!(whole(&one), whole(&other), "{name}");
            assert_eq!((one.status, one.code().as_str()), (401, "sign_in_first"), "{name}");
        }
    }
}
