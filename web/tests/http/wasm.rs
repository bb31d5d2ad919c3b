//! WASM over HTTP: whose home, apps, runs and events are whose. What modules do is seen with a real runner, in the tests of `pc2`.

use crate::{
    accounts::{Wallet, add},
    site::Site,
};
use serde_json::json;
use std::fs;

/// A module with nothing in it.
const MODULE: &str = "AGFzbQEAAAA=";

const MANIFEST: &str = "id = \"a\"\nname = \"A\"\nversion = \"1\"\nmodule = \"a.wasm\"\nkind = \"program\"\n[data]\naccess = \"read\"\n";

#[test]
fn a_file_of_another_wallet_does_not_exist_and_members_run_nothing() {
    let site = Site::open();
    let home = site.data().join("users/owner");
    fs::create_dir_all(&home).expect("made");
    fs::write(home.join("a.wasm"), b"\0asm\x01\0\0\0").expect("written");
    let call = |file: &str| json!({ "filePath": file, "functionName": "add", "args": [5, 3] }).to_string();
    let of_owner = site.command("POST", "/api/wasm/execute-file", &call("a.wasm"));
    assert_eq!(of_owner.code(), "wasm_crashed", "it is there, and this test has no runner");

    let (admin, member) = (Wallet::new(70), Wallet::new(71));
    add(&site, &admin, "admin");
    add(&site, &member, "member");
    let cookie = admin.cookie(&site);
    let as_admin = [("cookie", cookie.as_str())];
    for file in ["a.wasm", "../owner/a.wasm", "~/../owner/a.wasm", "nothing.wasm"] {
        let answer = site.ask("POST", "/api/wasm/execute-file", &as_admin, &call(file));
        assert_eq!((answer.status, answer.code().as_str()), (404, "wasm_not_there"), "{file}");
    }
    let address = admin.address().to_lowercase();
    fs::write(site.data().join(format!("users/{address}/b.wasm")), b"\0asm\x01\0\0\0").expect("written");
    let own = site.ask("POST", "/api/wasm/execute-file", &as_admin, &call("b.wasm"));
    assert_eq!(own.code(), "wasm_crashed", "their own is");

    let cookie = member.cookie(&site);
    let as_member = [("cookie", cookie.as_str())];
    for (path, body) in [
        ("/api/wasm/execute-file", call("a.wasm")),
        ("/api/wasm/execute", json!({ "module": MODULE, "functionName": "add" }).to_string()),
        ("/api/wasm/runs", json!({ "path": "a.wasm" }).to_string()),
        ("/api/wasm/apps", json!({ "manifest": MANIFEST, "module": MODULE }).to_string()),
    ] {
        let answer = site.ask("POST", path, &as_member, &body);
        assert_eq!((answer.status, answer.code().as_str()), (403, "not_for_role"), "{path}");
    }
}

#[test]
fn each_space_has_its_own_apps_runs_and_events() {
    let site = Site::open();
    let admin = Wallet::new(70);
    add(&site, &admin, "admin");
    let cookie = admin.cookie(&site);
    let as_admin = [("cookie", cookie.as_str())];
    let mut told = site.events("", &as_admin).expect("a stream");
    told.until("hello");
    let body = json!({ "manifest": MANIFEST, "module": MODULE }).to_string();
    assert_eq!(site.command("POST", "/api/wasm/apps", &body).status, 202);
    let run = site.command("POST", "/api/wasm/runs", r#"{"app":"a"}"#).json();
    let run = format!("/api/wasm/runs/{}", run["id"].as_str().expect("an id"));
    assert_eq!(site.command("GET", &run, "").status, 200);
    assert_eq!(site.ask("GET", &run, &as_admin, "").code(), "unknown_run");
    assert_eq!(site.ask("GET", &format!("{run}/stream"), &as_admin, "").code(), "unknown_run");
    assert_eq!(site.ask("DELETE", &run, &as_admin, "").code(), "unknown_run");
    assert_eq!(site.ask("GET", "/api/wasm/apps/a", &as_admin, "").code(), "unknown_app");
    assert_eq!(site.ask("GET", "/api/wasm/apps", &as_admin, "").json()["apps"], json!([]));
    let theirs = body.replace("version = \\\"1\\\"", "version = \\\"2\\\"");
    assert_eq!(site.ask("POST", "/api/wasm/apps", &as_admin, &theirs).status, 202);
    let own = site.ask("POST", "/api/wasm/runs", &as_admin, r#"{"app":"a"}"#).json()["id"].clone();
    let mut of_apps = 0;
    // All that the owner did came before, and is told to the owner alone.
    loop {
        let frame = told.next().expect("the stream goes on");
        of_apps += usize::from(frame["type"] == "wasm_apps");
        if frame["type"] == "wasm_run" {
            assert_eq!(frame["data"]["id"], own, "the first run that they are told of is their own");
            break;
        }
    }
    assert_eq!(of_apps, 1, "and so are the apps");
    assert_eq!(site.command("GET", "/api/wasm/apps/a", "").json()["version"], "1");
    assert_eq!(site.ask("GET", "/api/wasm/apps/a", &as_admin, "").json()["version"], "2");
}

#[test]
fn what_a_wallet_installed_goes_with_it() {
    let site = Site::open();
    let admin = Wallet::new(70);
    add(&site, &admin, "admin");
    let cookie = admin.cookie(&site);
    let body = json!({ "manifest": MANIFEST, "module": MODULE }).to_string();
    assert_eq!(site.ask("POST", "/api/wasm/apps", &[("cookie", &cookie)], &body).status, 202);
    let modules = || fs::read_dir(site.data().join("wasm/modules")).expect("listed").count();
    assert_eq!(modules(), 1);
    let wallet = format!("/api/wallets/{}", admin.address());
    assert_eq!(site.command("PATCH", &wallet, r#"{"role":"member"}"#).status, 202);
    assert_eq!(site.command("PATCH", &wallet, r#"{"role":"admin"}"#).status, 202);
    let apps = |cookie: &str| {
        let listed = site.ask("GET", "/api/wasm/apps", &[("cookie", cookie)], "");
        listed.json()["apps"].as_array().map(Vec::len)
    };
    assert_eq!(apps(&admin.cookie(&site)), Some(1), "as a member they only could not run it");
    assert_eq!(site.command("DELETE", &wallet, "").status, 202);
    add(&site, &admin, "admin");
    assert_eq!(apps(&admin.cookie(&site)), Some(0));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while modules() > 0 && std::time::Instant::now() < end {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(modules(), 0, "its file is removed a moment later");
}

#[test]
fn a_key_gives_a_module_no_folder_that_it_may_not_use_itself() {
    let site = Site::open();
    let key = |scopes: &[&str]| {
        let body = json!({ "label": "k", "scopes": scopes }).to_string();
        let made = site.command("POST", "/api/keys", &body).json();
        format!("Bearer {}", made["secret"].as_str().expect("a secret"))
    };
    let modules_alone = key(&["wasm:read", "wasm:write"]);
    let reads = key(&["wasm:write", "files:read"]);
    let run = |key: &str, access: &str| {
        let body = json!({ "module": MODULE, "folder": { "folder": "", "access": access } }).to_string();
        let answer = site.ask("POST", "/api/wasm/runs", &[("authorization", key)], &body);
        if answer.status == 202 { "taken".to_owned() } else { answer.code() }
    };
    assert_eq!(run(&modules_alone, "read"), "not_for_key");
    assert_eq!(run(&reads, "read"), "taken");
    assert_eq!(run(&reads, "read_write"), "not_for_key");
    let body = json!({ "manifest": MANIFEST, "module": MODULE }).to_string();
    let headers = [("authorization", modules_alone.as_str())];
    assert_eq!(site.ask("POST", "/api/wasm/apps", &headers, &body).status, 202);
    let grant = r#"{"folder":{"folder":"Documents","access":"read"}}"#;
    assert_eq!(site.ask("PUT", "/api/wasm/apps/a/grants", &headers, grant).code(), "not_for_key");
    assert_eq!(site.ask("PUT", "/api/wasm/apps/a/grants", &headers, r#"{"folder":null}"#).status, 202);
}

#[test]
fn what_is_granted_is_what_was_asked_for_at_most_and_a_module_may_be_longer_than_other_bodies() {
    let site = Site::open();
    // A module with a section of its own of 300 KiB.
    let mut bytes = b"\0asm\x01\0\0\0\0\x84\x80\x14\x03abc".to_vec();
    bytes.resize(bytes.len() + 300 * 1024, 0);
    let long: String = base64(&bytes);
    let body = json!({ "manifest": MANIFEST, "module": long }).to_string();
    let installed = site.command("POST", "/api/wasm/apps", &body);
    assert_eq!(installed.status, 202, "{}", installed.body);
    assert_eq!(installed.json()["asks"], json!({ "folder": "Apps/a", "access": "read" }));
    let grant = |folder: &str, access: &str| {
        let body = json!({ "folder": { "folder": folder, "access": access } }).to_string();
        site.command("PUT", "/api/wasm/apps/a/grants", &body)
    };
    assert_eq!(grant("Documents", "read").json()["grant"]["folder"], "Documents");
    for (folder, access) in [("Documents", "read_write"), ("../x", "read"), ("/etc", "read")] {
        assert_eq!(grant(folder, access).code(), "bad_grant", "{folder} {access}");
    }
    let taken = site.command("PUT", "/api/wasm/apps/a/grants", r#"{"folder":null}"#);
    assert_eq!(taken.json()["grant"], json!(null));
    let far_too_long = json!({ "manifest": "x".repeat(13 * 1024 * 1024) }).to_string();
    assert_eq!(site.command("POST", "/api/wasm/apps", &far_too_long).status, 413);
    for (body, code) in [
        (json!({ "manifest": "id = 1", "module": MODULE }), "bad_manifest"),
        (json!({ "manifest": MANIFEST, "module": "?" }), "bad_base64"),
        (json!({ "manifest": MANIFEST }), "bad_request"),
        (json!({ "path": "app.toml" }), "wasm_not_there"),
    ] {
        assert_eq!(site.command("POST", "/api/wasm/apps", &body.to_string()).code(), code, "{body}");
    }
}

/// Base64, as a browser would write it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = usize::try_from(number >> (18 - 6 * place) & 63).expect("small");
            text.push(if place > three.len() { '=' } else { char::from(DIGITS[digit]) });
        }
    }
    text
}
