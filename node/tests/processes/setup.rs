//! The setup of a node that is started in an empty directory, and an identity that is restored in the place of the fresh one: also under kill -9.

use crate::{
    support::{Node, pc2_with_input, stdout_json, strike},
    torture::{Random, number},
};
use serde_json::{Value, json};
use std::{fs, thread, time::Duration};

/// An identity made elsewhere: its phrase and DID.
fn elsewhere() -> (String, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let made = stdout_json(&pc2_with_input(directory.path(), &["init"], ""));
    let text = |name: &str| made[name].as_str().expect("text").to_owned();
    (text("phrase"), text("did"))
}

fn setup(node: &Node) -> Value {
    node.get("/api/setup").expect("the node answers")
}

/// The identity in the directory, once the node that runs there serves it.
fn served(node: &mut Node, did: &str) {
    node.eventually("the identity is served", |node| (node.get("/api/setup")?["did"] == did).then_some(()));
}

#[test]
fn a_first_start_works_at_once_and_its_setup_goes_on_after_a_kill() {
    let mut node = Node::empty(&[]);
    node.run();
    let (did, begun) = (node.did(), setup(&node));
    assert_eq!((&begun["finished"], &begun["replaceable"]), (&json!(false), &json!(true)));
    let phrase = node.pc2_ok(&["phrase"])["phrase"].as_str().expect("kept").to_owned();
    let shown = node.post("/api/identity/phrase", &json!({})).expect("the owner asks");
    let words: Vec<&str> =
        shown["words"].as_array().expect("words").iter().filter_map(Value::as_str).collect();
    assert_eq!(words.join(" "), phrase);
    node.put("/api/setup", &json!({ "step": "phrase" })).expect("done");

    node.kill();
    node.run();
    assert_eq!((node.did(), &setup(&node)["step"]), (did, &json!("phrase")));
    // One word may be there by chance: the phrase's are words like "another", "ask" and "stay".
    let file = fs::read_to_string(node.data().join("setup.json")).expect("there");
    for pair in words.windows(2) {
        assert!(!node.log().contains(&pair.join(" ")), "no phrase in the log");
        assert!(!pair.iter().all(|word| file.contains(word)), "no phrase in the file");
    }
    // It is a node like any other meanwhile.
    assert!(node.pc2_ok(&["invite"])["link"].is_string());
    assert_eq!(setup(&node)["replaceable"], false, "somebody may have the invitation");
}

#[test]
fn without_a_browser_nobody_is_asked_anything() {
    let mut node = Node::empty(&[]).with(&["--yes"]);
    node.run();
    assert_eq!(setup(&node)["finished"], true);
    let phrase = node.pc2_ok(&["phrase"])["phrase"].as_str().expect("kept").to_owned();
    let first = phrase.split(' ').next().expect("a word").to_owned();
    assert!(node.log().contains(&first), "it is shown at the terminal");
    node.kill();
    let made = Node::stopped("Ann", &[]);
    assert_eq!(made.pc2(&["phrase"]).status.code(), Some(4), "`init` keeps it nowhere");
}

#[test]
fn an_identity_is_restored_while_the_node_runs_and_the_browser_stays_signed_in() {
    let (phrase, did) = elsewhere();
    let mut node = Node::empty(&[]);
    node.run();
    let (fresh, cookie) = (node.did(), node.sign_in());
    let ask = |node: &Node, method: &str, path: &str, body: Value| node.browse(method, path, &cookie, &body);
    let wrong = ask(&node, "POST", "/api/setup/restore", json!({ "phrase": "zoo ".repeat(12) }));
    assert_eq!(wrong.expect("an answer").0, 400);
    let (status, _, told) =
        ask(&node, "POST", "/api/setup/restore", json!({ "phrase": phrase })).expect("an answer");
    assert_eq!((status, &told["did"]), (202, &json!(did)));
    served(&mut node, &did);

    let (status, _, after) = ask(&node, "GET", "/api/setup", Value::Null).expect("an answer");
    assert_eq!((status, &after["step"], &after["phrase_confirmed"]), (200, &json!("name"), &json!(true)));
    assert_eq!(node.pc2_ok(&["phrase"])["phrase"], json!(phrase));
    let folders = fs::read_dir(node.data()).expect("listed").flatten();
    let aside = folders.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("replaced-"));
    let aside = stdout_json(&pc2_with_input(&aside.expect("put aside"), &["id"], ""));
    assert_eq!(aside["did"], json!(fresh));
    assert!(!node.log().contains(&phrase));
    node.kill();
    node.run();
    served(&mut node, &did);
}

#[test]
fn a_passphrase_that_is_set_in_the_page_is_needed_at_the_next_start() {
    let mut node = Node::empty(&[]);
    node.run();
    let body = json!({ "passphrase": "correct horse" });
    assert_eq!(node.put("/api/identity/passphrase", &body).expect("sealed")["sealed"], true);
    node.put("/api/setup", &json!({ "step": "done" })).expect("done");
    node.kill();
    let file = node.data().join("passphrase");
    fs::write(&file, "correct horse\n").expect("written");
    let file = file.display().to_string();
    assert!(!node.pc2(&["up", "--no-mdns"]).status.success(), "nobody can type it here");
    let mut node = node.with(&["--passphrase-file", &file]);
    node.run();
    assert_eq!(
        (&setup(&node)["sealed"], &setup(&node)["passphrase_from_file"]),
        (&json!(true), &json!(true))
    );
    assert!(node.pc2_ok(&["phrase", "--passphrase-file", &file])["phrase"].is_string());
}

#[test]
fn a_kill_in_the_middle_of_a_restore_leaves_one_whole_identity() {
    let seed = number("SEED", u64::from(std::process::id()));
    println!("SEED={seed}");
    let mut random = Random(seed);
    let (phrase, did) = elsewhere();
    for round in 0..number("PC2_KILLS", 20).min(60) / 2 {
        let mut node = Node::empty(&[]);
        node.run();
        let fresh = node.did();
        let pid = node.pid();
        let longest = 1 << (8 + random.below(12));
        let wait = Duration::from_micros(random.below(longest));
        let wish = json!({ "phrase": phrase });
        let answered = thread::scope(|scope| {
            let asked = scope.spawn(|| node.post("/api/setup/restore", &wish));
            thread::sleep(wait);
            strike(pid);
            asked.join().expect("asked").is_some()
        });
        node.kill();
        node.run();
        let now = setup(&node)["did"].as_str().expect("a DID").to_owned();
        println!(
            "round {round}: killed after {wait:?}, answered: {answered}, {}",
            if now == did { "restored" } else { "fresh" }
        );
        assert!(now == did || (now == fresh && !answered), "{now}");
        if now == fresh {
            node.post("/api/setup/restore", &json!({ "phrase": phrase })).expect("taken");
            served(&mut node, &did);
        }
        assert!(node.pc2_ok(&["invite"])["link"].is_string(), "it works");
    }
}
