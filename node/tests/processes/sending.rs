//! Files between two people at the command line: sent, decided about, followed, and proven.

use crate::support::{Node, become_contacts, interrupt};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

fn pair() -> (Node, Node) {
    let mut alice = Node::start("Alice", &[]);
    let mut bob = Node::start("Bob", &alice.bootstrap_addresses());
    become_contacts(&mut alice, &mut bob);
    (alice, bob)
}

/// A file with something in it, beside what a node keeps.
fn file(node: &Node, name: &str, length: usize) -> PathBuf {
    let path = node.data().join(name);
    fs::write(&path, (0..length).map(|n| (n % 251) as u8).collect::<Vec<_>>()).expect("written");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Waits for an offer and returns the beginning of its id.
fn offered(node: &mut Node, name: &str) -> String {
    node.eventually("it is offered", |node| {
        let list = node.pc2_ok(&["transfers"]);
        let found =
            list["transfers"].as_array()?.iter().find(|one| one["name"] == name && one["state"] == "offered");
        Some(found?["offer"].as_str()?[..8].to_owned())
    })
}

fn words(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_file_is_followed_until_the_other_side_has_all_of_it() {
    let (alice, mut bob) = pair();
    let film = file(&alice, "film.bin", 3_000_000);
    let sending = alice.begin(&["file", "send", "Bob", text(&film)]);
    let id = offered(&mut bob, "film.bin");
    let folder = bob.data().join("films");
    fs::create_dir(&folder).expect("made");
    let accepted = bob.pc2_ok(&["transfers", "accept", &id, "--to", text(&folder)]);
    assert_eq!(accepted["name"], "film.bin");

    let sent = sending.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&sent.stdout).into_owned();
    assert!(sent.status.success(), "{}", words(&sent).1);
    assert!(said.starts_with("Hashing: "), "{said}");
    assert!(said.ends_with("Bob has all of film.bin.\n"), "{said}");
    assert_eq!(fs::read(folder.join("film.bin")).expect("there"), fs::read(&film).expect("there"));

    // Over: only shown when asked for.
    assert_eq!(bob.pc2_ok(&["transfers"])["transfers"], json!([]));
    let shown = bob.begin(&["transfers", "--all"]).wait_with_output().expect("it ends");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&id) && shown.contains("100%") && shown.contains("film.bin"), "{shown}");
}

#[test]
fn scripts_get_a_line_of_json_for_each_state_and_a_no_is_an_exit_code() {
    let (alice, mut bob) = pair();
    let note = file(&alice, "note.txt", 10);
    let sending = alice.begin(&["--json", "file", "send", &bob.did(), text(&note)]);
    let id = offered(&mut bob, "note.txt");
    bob.pc2_ok(&["transfers", "decline", &id]);
    let ended = sending.wait_with_output().expect("it ends");
    let (code, said) = words(&ended);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("Bob does not want note.txt"), "{said}");
    let lines: Vec<Value> = String::from_utf8_lossy(&ended.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    assert_eq!(lines.first().expect("a line")["state"], "preparing");
    assert_eq!(lines.last().expect("a line")["state"], "declined");
}

#[test]
fn ctrl_c_leaves_a_transfer_going_and_says_how_to_stop_it() {
    let (alice, mut bob) = pair();
    let note = file(&alice, "note.txt", 10);
    let sending = alice.begin(&["file", "send", "Bob", text(&note)]);
    let id = offered(&mut bob, "note.txt");
    interrupt(&sending);
    let (code, said) = words(&sending.wait_with_output().expect("it ends"));
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("goes on") && said.contains(&format!("pc2 transfers cancel {id}")), "{said}");
    bob.pc2_ok(&["transfers", "accept", &id]);
    bob.eventually("it arrives all the same", |bob| {
        let all = bob.pc2_ok(&["transfers", "--all"]);
        (all["transfers"][0]["state"] == "done").then_some(())
    });
}

#[test]
fn whoever_does_not_want_to_wait_is_told_the_id_and_can_take_it_back() {
    let (alice, mut bob) = pair();
    let folder = alice.data().join("photos");
    fs::create_dir(&folder).expect("made");
    fs::write(folder.join("a.jpg"), "a").expect("written");
    fs::write(folder.join("b.jpg"), "b").expect("written");
    let sent =
        alice.begin(&["file", "send", "Bob", text(&folder), "--detach"]).wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&sent.stdout).into_owned();
    assert!(sent.status.success() && said.contains("Its id: "), "{said}");
    let id = offered(&mut bob, "photos");
    assert!(said.contains(&id), "{said}");
    assert_eq!(alice.pc2_ok(&["transfers", "cancel", &id])["state"], "withdrawn");
    bob.eventually("it is gone", |bob| (bob.pc2_ok(&["transfers"])["transfers"] == json!([])).then_some(()));
    let (code, said) = words(&bob.pc2(&["transfers", "accept", &id]));
    assert_eq!(code, Some(5), "{said}");
}

#[test]
fn what_is_typed_wrong_is_told_in_words() {
    let (alice, bob) = pair();
    let refused = |arguments: &[&str]| words(&alice.pc2(arguments));
    for (arguments, code, expected) in [
        (&["transfers", "pause", "ffff"][..], 4, "pc2 transfers --all"),
        (&["transfers", "pause", ""], 4, "pc2 transfers --all"),
        (&["file", "send", "Carol", "/etc/hostname"], 4, "nobody is called"),
        (&["file", "send", "Bob"], 2, "PATH"),
        (&["transfers", "auto", "Bob", "much"], 2, "10M"),
        (&["transfers", "rate", "--down", "0"], 5, "pause the transfers instead"),
    ] {
        let (got, said) = refused(arguments);
        assert_eq!(got, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let missing = alice.begin(&["file", "send", "Bob", "not-there.txt"]).wait_with_output().expect("it ends");
    let (code, said) = words(&missing);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not-there.txt") && said.contains("is not there"), "{said}");
    drop(bob);
}

#[test]
fn rules_and_rates_are_shown_as_they_are_set() {
    let (alice, bob) = pair();
    let set = bob.pc2_ok(&["transfers", "auto", "Alice", "1M"]);
    assert_eq!(set["auto"], json!([{ "did": alice.did(), "max_bytes": 1 << 20 }]));
    bob.pc2_ok(&["transfers", "rate", "--up", "2M"]);
    let set = bob.pc2_ok(&["transfers", "rate", "--down", "500K"]);
    assert_eq!((&set["down"], &set["up"]), (&json!(500 << 10), &json!(2 << 20)));
    assert_eq!(bob.pc2_ok(&["transfers", "rate", "--down", "off"])["down"], Value::Null);
    let note = file(&alice, "note.txt", 10);
    let sent = alice.begin(&["file", "send", "Bob", text(&note)]).wait_with_output().expect("it ends");
    assert!(sent.status.success(), "nobody has to accept it: {}", words(&sent).1);
    assert_eq!(bob.pc2_ok(&["transfers", "auto", "Alice", "off"])["auto"], json!([]));
}

#[test]
fn the_doctor_reads_every_offered_file_whether_the_node_runs_or_not() {
    let (mut alice, bob) = pair();
    let report = file(&alice, "report.txt", 100);
    alice.begin(&["file", "send", "Bob", text(&report), "--detach"]).wait_with_output().expect("it ends");
    let checks = |node: &Node| {
        let output = node.pc2(&["doctor", "--blobs"]);
        let doctor: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let named = |name: &str| {
            let all = doctor["checks"].as_array().expect("checks");
            all.iter().find(|check| check["name"] == name).cloned().unwrap_or_default()
        };
        (named("offered files"), named("file"))
    };
    let (all, _) = checks(&alice);
    assert_eq!(all["ok"], true, "{all}");
    fs::write(&report, "something else").expect("written");
    for running in [true, false] {
        let (all, one) = checks(&alice);
        assert_eq!((&all["ok"], &one["ok"]), (&json!(false), &json!(false)), "running: {running}: {all}");
        let detail = one["detail"].as_str().expect("words");
        assert!(detail.contains("report.txt was changed after it was offered; offer it again"), "{detail}");
        alice.kill();
    }
    alice.run();
    drop(bob);
}
