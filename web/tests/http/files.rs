//! Files between two nodes, as their owners' browsers see it: offered, accepted, looked at, and everything that can go wrong on the way.

use crate::site::{Answer, Site, TOKEN, eventually};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// Bytes that are not the same everywhere.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

fn transfers(site: &Site) -> Vec<Value> {
    let list = site.command("GET", "/api/transfers", "").json();
    list["transfers"].as_array().expect("a list").clone()
}

/// Waits until the one transfer of that name is in a state.
fn until(site: &Site, name: &str, state: &str) -> Value {
    eventually(&format!("{name} is {state}"), || {
        transfers(site).into_iter().find(|one| one["name"] == name && one["state"] == state)
    })
}

fn act(site: &Site, transfer: &Value, action: &str) -> Answer {
    let id = transfer["id"].as_str().expect("an id");
    site.command("POST", &format!("/api/transfers/{id}/{action}"), "")
}

fn content(site: &Site, transfer: &Value, query: &str, headers: &[(&str, &str)]) -> Answer {
    let id = transfer["id"].as_str().expect("an id");
    let token = format!("Bearer {TOKEN}");
    let headers = [&[("authorization", token.as_str())], headers].concat();
    site.ask("GET", &format!("/api/transfers/{id}/content{query}"), &headers, "")
}

fn offer(from: &Site, to: &str, paths: &[&Path]) -> Answer {
    from.command("POST", "/api/transfers", &json!({ "to": to, "paths": paths }).to_string())
}

fn uploads(site: &Site) -> Vec<PathBuf> {
    let folder = fs::read_dir(site.data().join("users/owner/Uploads"));
    folder.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Uploads something at one and has it received at the other.
fn delivered(alice: &Site, bob: &Site, name: &str, bytes: &[u8]) -> Value {
    let uploaded = alice.upload(&format!("?to={}&name={name}", bob.did()), bytes);
    assert_eq!(uploaded.status, 202, "{}", uploaded.body);
    let name = uploaded.json()["name"].as_str().expect("a name").to_owned();
    let offered = until(bob, &name, "offered");
    assert_eq!(act(bob, &offered, "accept").status, 202);
    until(alice, &name, "done");
    until(bob, &name, "done")
}

#[test]
fn a_file_goes_from_browser_to_browser_and_is_looked_at_in_parts() {
    let (alice, bob) = Site::pair();
    let sent = bytes(8 * 1024 * 1024 + 5);
    let uploaded = alice.upload(&format!("?to={}&name=film.bin", bob.did()), &sent);
    assert_eq!(uploaded.status, 202, "{}", uploaded.body);
    let preparing = uploaded.json();
    assert_eq!((&preparing["state"], &preparing["direction"]), (&json!("preparing"), &json!("out")));
    assert_eq!((&preparing["name"], &preparing["peer"]), (&json!("film.bin"), &json!(bob.did())));

    let offered = until(&bob, "film.bin", "offered");
    assert_eq!((&offered["size"], &offered["files"]), (&json!(sent.len()), &json!(1)));
    assert_eq!(offered["id"], format!("in.{}.{}", alice.did(), preparing["offer"].as_str().expect("digits")));
    assert_eq!(content(&bob, &offered, "", &[]).code(), "not_received");
    assert_eq!(act(&bob, &offered, "accept").status, 202);
    let here = until(&bob, "film.bin", "done");
    let there = until(&alice, "film.bin", "done");
    assert_eq!(there["id"], preparing["id"], "it has one id from the beginning to the end");
    assert_eq!(fs::read(here["path"].as_str().expect("a path")).expect("readable"), sent);
    assert_eq!(there["path"], Value::Null);

    // Of the one who received it, and of the one whose it is.
    for (site, transfer) in [(&bob, &here), (&alice, &there)] {
        let all = content(site, transfer, "", &[]);
        assert_eq!((all.status, all.bytes == sent), (200, true));
        assert_eq!(all.header("content-type"), Some("application/octet-stream"));
        assert_eq!(all.header("content-disposition"), Some("attachment; filename*=UTF-8''film.bin"));
        assert_eq!(all.header("x-content-type-options"), Some("nosniff"));
        let policy = all.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("sandbox; default-src 'none'"), "{policy}");
    }
    let etag = content(&bob, &here, "", &[]).header("etag").expect("a tag").to_owned();
    let part = content(&bob, &here, "", &[("range", "bytes=1000-300000"), ("if-range", &etag)]);
    assert_eq!((part.status, part.bytes == sent[1_000..=300_000]), (206, true));
    assert_eq!(part.header("content-range"), Some(format!("bytes 1000-300000/{}", sent.len()).as_str()));
    let end = content(&bob, &here, "", &[("range", "bytes=-5")]);
    assert_eq!((end.status, end.bytes == sent[sent.len() - 5..]), (206, true));
    let behind = content(&bob, &here, "", &[("range", "bytes=99999999-")]);
    assert_eq!((behind.status, behind.code()), (416, "no_such_range".to_owned()));
    let other = content(&bob, &here, "", &[("range", "bytes=0-1"), ("if-range", "\"another file\"")]);
    assert_eq!((other.status, other.bytes.len()), (200, sent.len()));
}

#[test]
fn a_file_that_was_moved_changed_or_replaced_is_told_as_that() {
    let (alice, bob) = Site::pair();
    let here = delivered(&alice, &bob, "note.txt", b"hello");
    let path = PathBuf::from(here["path"].as_str().expect("a path"));
    assert_eq!(content(&bob, &here, "", &[]).body, "hello");
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).expect("moved");
    let gone = || {
        let answer = content(&bob, &here, "", &[]);
        (answer.status, answer.code())
    };
    let moved = (410, "moved".to_owned());
    assert_eq!(gone(), moved);
    symlink(&aside, &path).expect("linked");
    assert_eq!(gone(), moved, "a link is not followed");
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    assert_eq!(gone(), moved);
    fs::remove_dir(&path).expect("removed");
    fs::write(&path, "hello, world").expect("written");
    assert_eq!(gone(), moved, "it has another size");
    fs::write(&path, "HELLO").expect("written");
    assert_eq!(content(&bob, &here, "", &[]).body, "HELLO", "it is the owner's file");
}

#[test]
fn pictures_and_text_are_shown_and_what_could_run_is_only_saved() {
    let (alice, bob) = Site::pair();
    let shown = |name: &str| {
        let here = delivered(&alice, &bob, name, b"<script>alert(1)</script>");
        let answer = content(&bob, &here, "?inline=1", &[]);
        let header = |name| answer.header(name).unwrap_or_default().to_owned();
        assert!(header("content-security-policy").starts_with("sandbox;"));
        let how = header("content-disposition").split(';').next().unwrap_or_default().to_owned();
        (header("content-type"), how)
    };
    let saved = ("application/octet-stream".to_owned(), "attachment".to_owned());
    assert_eq!(shown("a.png"), ("image/png".to_owned(), "inline".to_owned()));
    assert_eq!(shown("a.js"), ("text/plain; charset=utf-8".to_owned(), "inline".to_owned()));
    for name in ["a.svg", "a.html", "a.pdf", "a.xhtml", "a"] {
        assert_eq!(shown(name), saved, "{name}");
    }
}

#[test]
fn a_name_with_quotes_lines_and_turned_letters_stays_a_name() {
    let (alice, bob) = Site::pair();
    // a";b<newline>set-cookie: x=1<turn>gpj.exe
    let name = "a%22%3Bb%0Aset-cookie%3A%20x%3D1%E2%80%AEgpj.exe";
    let uploaded = alice.upload(&format!("?to={}&name={name}", bob.did()), b"x");
    assert_eq!(uploaded.status, 202, "{}", uploaded.body);
    let offered =
        eventually("it is offered", || transfers(&bob).into_iter().find(|one| one["state"] == "offered"));
    act(&bob, &offered, "accept");
    let here = eventually("it is there", || transfers(&bob).into_iter().find(|one| one["state"] == "done"));
    let answer = content(&bob, &here, "", &[]);
    assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
    let told = answer.header("content-disposition").expect("a name");
    let rest = told.strip_prefix("attachment; filename*=UTF-8''").expect("the form");
    assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._%".contains(&byte)), "{told}");
    assert!(!rest.contains("%0A") && !rest.contains("%E2%80%AE"), "{told}");
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let (alice, bob) = Site::pair();
    let mut stream = alice.connect();
    let head = alice.upload_head(&format!("?to={}&name=half.bin", bob.did()), 8 * 1024 * 1024);
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(&bytes(3 * 1024 * 1024)).expect("sent");
    let part = eventually("some of it is on the disk", || {
        uploads(&alice).into_iter().find(|path| path.metadata().is_ok_and(|found| found.len() > 1_000_000))
    });
    assert!(
        part.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')),
        "it has no name yet"
    );
    drop(stream);
    eventually("nothing is left of it", || uploads(&alice).is_empty().then_some(()));
    assert_eq!(transfers(&alice), [] as [Value; 0]);
}

#[test]
fn an_upload_that_does_not_say_how_long_it_is_arrives_all_the_same() {
    let (alice, bob) = Site::pair();
    let head = alice.upload_head(&format!("?to={}&name=some.bin", bob.did()), 0);
    let mut request = head.replace("content-length: 0", "transfer-encoding: chunked").into_bytes();
    let sent = bytes(700_000);
    for piece in sent.chunks(70_000) {
        request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        request.extend_from_slice(piece);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let answer = alice.say(&request);
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(fs::read(&uploads(&alice)[0]).expect("readable"), sent);
    assert_eq!(until(&bob, "some.bin", "offered")["size"], sent.len());
}

#[test]
fn an_upload_is_refused_before_it_is_read_when_nobody_could_get_it() {
    let (alice, bob) = Site::pair();
    let stranger = crate::STRANGER;
    let to = |did: &str| format!("?to={did}&name=a");
    let code = |query: &str| alice.upload(query, b"x").code();
    assert_eq!(code("?name=a"), "bad_request");
    assert_eq!(code(&format!("?to={}", bob.did())), "bad_request");
    assert_eq!(code(&format!("?to={}&name={}", bob.did(), "a".repeat(1_025))), "bad_request");
    assert_eq!(code(&to("did:boson:nobody")), "bad_request");
    assert_eq!(code(&to(&alice.did())), "yourself");
    assert_eq!(code(&to(stranger)), "unknown_contact");
    alice.command("POST", "/api/contacts", &json!({ "did": stranger }).to_string());
    assert_eq!(code(&to(stranger)), "not_a_contact");

    let large = alice.say(alice.upload_head(&to(&bob.did()), (1 << 40) + 1).as_bytes());
    assert_eq!((large.status, large.code()), (413, "too_large".to_owned()));
    let full = alice.say(alice.upload_head(&to(&bob.did()), 1 << 40).as_bytes());
    assert_eq!((full.status, full.code()), (507, "disk_full".to_owned()));
    let form = alice.upload_head(&to(&bob.did()), 0).replace("application/octet-stream", "text/plain");
    assert_eq!(alice.say(form.as_bytes()).code(), "not_bytes");
    assert!(uploads(&alice).is_empty());
    assert_eq!(transfers(&alice), [] as [Value; 0]);
}

#[test]
fn only_the_owner_s_own_page_brings_files_and_looks_into_them() {
    let (alice, bob) = Site::pair();
    let here = delivered(&alice, &bob, "secret.txt", b"secret");
    let id = here["id"].as_str().expect("an id");
    let path = format!("/api/transfers/{id}/content");
    assert_eq!(bob.ask("GET", &path, &[], "").code(), "sign_in_first");
    let cookie = bob.sign_in();
    let with = |more: (&str, &str)| bob.ask("GET", &path, &[("cookie", &cookie), more], "");
    assert_eq!(with(("sec-fetch-site", "same-origin")).body, "secret");
    assert_eq!(with(("sec-fetch-site", "cross-site")).code(), "foreign_origin");
    let head = bob.upload_head(&format!("?to={}&name=a", alice.did()), 0);
    let by_cookie = |origin: &str| {
        let head = head.replace(
            &format!("authorization: Bearer {TOKEN}"),
            &format!("cookie: {cookie}\r\norigin: {origin}"),
        );
        bob.say(head.as_bytes())
    };
    assert_eq!(by_cookie("http://evil.example").code(), "foreign_origin");
    assert_eq!(by_cookie(&format!("http://{}", bob.address)).status, 202);
}

#[test]
fn files_of_the_machine_are_offered_by_their_paths_and_a_folder_as_one() {
    let (alice, bob) = Site::pair();
    let folder = alice.data().join("holiday");
    fs::create_dir_all(folder.join("day 1")).expect("made");
    fs::write(folder.join("day 1/a.jpg"), bytes(100_000)).expect("written");
    fs::write(folder.join("b.txt"), "b").expect("written");
    let answer = offer(&alice, &bob.did(), &[&folder]);
    assert_eq!((answer.status, answer.json()["state"].clone()), (202, json!("preparing")));

    let offered = until(&bob, "holiday", "offered");
    assert_eq!(
        (&offered["what"], &offered["files"], &offered["size"]),
        (&json!("folder"), &json!(2), &json!(100_001))
    );
    let target = bob.data().join("elsewhere");
    fs::create_dir(&target).expect("made");
    let id = offered["id"].as_str().expect("an id");
    let accept = |folder: &Value| {
        bob.command("POST", &format!("/api/transfers/{id}/accept"), &json!({ "folder": folder }).to_string())
    };
    assert_eq!(accept(&json!("elsewhere")).code(), "bad_request", "a relative path says nothing");
    assert_eq!(accept(&json!(target)).status, 202);
    let here = until(&bob, "holiday", "done");
    assert_eq!(here["path"], json!(target.join("holiday")));
    assert_eq!(fs::read(target.join("holiday/b.txt")).expect("readable"), b"b");
    assert_eq!(content(&bob, &here, "", &[]).code(), "folder");
}

#[test]
fn what_cannot_be_prepared_says_why_until_it_is_dismissed() {
    let (alice, bob) = Site::pair();
    assert_eq!(offer(&alice, &bob.did(), &[Path::new("a.txt")]).code(), "bad_request");
    assert_eq!(offer(&alice, &bob.did(), &[]).code(), "cannot_be_offered");
    assert_eq!(offer(&alice, crate::STRANGER, &[Path::new("/etc/hostname")]).code(), "unknown_contact");

    let token = format!("Bearer {TOKEN}");
    let mut events = alice.events("", &[("authorization", &token)]).expect("a stream");
    assert_eq!(offer(&alice, &bob.did(), &[&alice.data().join("nothing.txt")]).status, 202);
    let failed = loop {
        let event = events.until("transfer")["data"].clone();
        if event["state"] == "failed" {
            break event;
        }
    };
    let why = failed["why"].as_str().expect("a reason");
    assert!(why.contains("nothing.txt") && why.contains("not there"), "{why}");
    assert_eq!(transfers(&alice), std::slice::from_ref(&failed));
    assert_eq!(act(&alice, &failed, "cancel").status, 202);
    assert_eq!(events.until("transfer_removed")["data"]["id"], failed["id"]);
    assert_eq!(transfers(&alice), [] as [Value; 0]);
    assert_eq!(act(&alice, &failed, "cancel").code(), "unknown_transfer");
}

#[test]
fn an_offer_is_a_message_that_says_what_is_offered() {
    let (alice, bob) = Site::pair();
    alice.upload(&format!("?to={}&name=plan.txt", bob.did()), b"plan");
    let offered = until(&bob, "plan.txt", "offered");
    let page = bob.command("GET", &format!("/api/conversations/{}/messages", alice.did()), "").json();
    let message = page["items"].as_array().expect("a list").last().expect("a message").clone();
    assert_eq!((&message["text"], &message["mine"]), (&json!("plan.txt"), &json!(false)));
    let body = &message["body"];
    assert_eq!(
        (&body["kind"], &body["name"], &body["size"]),
        (&json!("file"), &json!("plan.txt"), &json!(4))
    );
    assert_eq!((&body["transfer"], &body["offer"]), (&offered["id"], &offered["offer"]));
    let last = bob.command("GET", &format!("/api/contacts/{}", alice.did()), "").json()["last"].clone();
    assert_eq!(last["preview"], "plan.txt");

    let sent = eventually("the sender has it in the conversation", || {
        let page = alice.command("GET", &format!("/api/conversations/{}/messages", bob.did()), "").json();
        page["items"].as_array()?.iter().find(|item| item["body"]["kind"] == "file").cloned()
    });
    let out = &transfers(&alice)[0];
    assert_eq!((&sent["mine"], &sent["body"]["transfer"]), (&json!(true), &out["id"]));
}

#[test]
fn each_side_decides_what_is_its_own_to_decide() {
    let (alice, bob) = Site::pair();
    alice.upload(&format!("?to={}&name=a", bob.did()), b"a");
    alice.upload(&format!("?to={}&name=b", bob.did()), b"b");
    let (a, b) = (until(&bob, "a", "offered"), until(&bob, "b", "offered"));
    assert_eq!(act(&bob, &a, "pause").code(), "not_accepted");
    assert_eq!(act(&bob, &a, "retry").code(), "not_failed");
    assert_eq!(act(&bob, &a, "withdraw").code(), "not_yours");
    let out = until(&alice, "a", "waiting_for_them");
    assert_eq!(act(&alice, &out, "accept").code(), "not_yours");

    let declined = act(&bob, &a, "decline");
    assert_eq!((declined.status, declined.json()["state"].clone()), (202, json!("declined")));
    until(&alice, "a", "declined");
    assert_eq!(act(&bob, &a, "accept").code(), "over");
    // To cancel what one offers is to take it back.
    let out = until(&alice, "b", "waiting_for_them");
    assert_eq!(act(&alice, &out, "cancel").json()["state"], "withdrawn");
    until(&bob, "b", "withdrawn");
    assert_eq!(act(&bob, &b, "accept").code(), "over");

    let unknown = json!({ "id": format!("in.{}.{}", alice.did(), "0".repeat(32)) });
    for action in ["accept", "decline", "pause", "resume", "cancel", "retry"] {
        let answer = act(&bob, &unknown, action);
        assert_eq!((answer.status, answer.code()), (404, "unknown_transfer".to_owned()), "{action}");
    }
    assert_eq!(content(&bob, &unknown, "", &[]).code(), "unknown_transfer");
    assert_eq!(act(&bob, &json!({ "id": "in..%2e%2e" }), "accept").code(), "bad_request");
}

#[test]
fn rules_and_rates_are_set_and_a_rule_takes_what_comes() {
    let (alice, bob) = Site::pair();
    let settings = |site: &Site| site.command("GET", "/api/transfers/settings", "").json();
    assert_eq!(settings(&bob), json!({ "auto": [], "down": null, "up": null }));
    let auto = |did: &str, most: Value| {
        bob.command("PUT", &format!("/api/transfers/auto/{did}"), &json!({ "max_bytes": most }).to_string())
    };
    assert_eq!(auto(crate::STRANGER, json!(1)).code(), "unknown_contact");
    assert_eq!(auto(&alice.did(), json!(-1)).code(), "bad_request");
    let set = auto(&alice.did(), json!(1_000));
    assert_eq!(
        (set.status, set.json()["auto"].clone()),
        (202, json!([{ "did": alice.did(), "max_bytes": 1_000 }]))
    );
    let rates = |body: Value| bob.command("PUT", "/api/transfers/rates", &body.to_string());
    assert_eq!(rates(json!({ "down": 0, "up": null })).code(), "bad_rate");
    assert_eq!(rates(json!({ "down": 1_000_000, "up": null })).json()["down"], 1_000_000);

    alice.upload(&format!("?to={}&name=small", bob.did()), b"small");
    alice.upload(&format!("?to={}&name=large", bob.did()), &bytes(1_001));
    until(&bob, "small", "done");
    until(&bob, "large", "offered");
    assert_eq!(auto(&alice.did(), Value::Null).json()["auto"], json!([]));
}

#[test]
fn every_offered_file_is_proven_on_request_and_a_changed_one_is_named() {
    let (alice, bob) = Site::pair();
    let file = alice.data().join("report.txt");
    fs::write(&file, "as it was").expect("written");
    offer(&alice, &bob.did(), &[&file]);
    until(&bob, "report.txt", "offered");
    let proven = || {
        assert_eq!(alice.command("POST", "/api/doctor/blobs", "").status, 202);
        eventually("all is proven", || {
            let proof = alice.command("GET", "/api/doctor/blobs", "").json();
            (proof["running"] == false).then_some(proof)
        })
    };
    let fine = proven();
    assert_eq!((&fine["blobs"], &fine["troubles"], &fine["failed"]), (&json!(1), &json!([]), &Value::Null));
    fs::write(&file, "another thing").expect("written");
    let trouble = proven()["troubles"][0].clone();
    assert_eq!((&trouble["path"], &trouble["mended"]), (&json!(file), &json!(false)));
    assert!(trouble["what"].as_str().is_some_and(|what| what.contains("changed")), "{trouble}");
}
