//! What people get wrong, and what machines do to them: a clear sentence, a code, and nothing lost.

use crate::support::{Node, pc2_with_input, stdout_json};
use std::{fs, net::TcpListener, path::Path, process::Output};

fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "it must be refused");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !text.contains("panicked") && !text.contains("RUST_BACKTRACE"),
        "a person sees no backtrace: {text}"
    );
    text
}

const PHRASE: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

#[test]
fn a_mistyped_phrase_names_the_word_and_the_nearest_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let mistyped = PHRASE.replacen("about", "abuot", 1);
    let text = refusal(&pc2_with_input(directory.path(), &["restore"], &mistyped));
    assert!(text.contains("abuot") && text.contains("about"), "{text}");
    assert!(!directory.path().join("identity.json").exists());
}

#[test]
fn a_phrase_with_swapped_words_is_told_that_the_checksum_failed() {
    let directory = tempfile::tempdir().expect("a directory");
    let swapped = PHRASE.replacen("about", "zoo", 1);
    let text = refusal(&pc2_with_input(directory.path(), &["restore"], &swapped));
    assert!(text.contains("checksum"), "{text}");
}

#[test]
fn a_second_node_on_one_directory_is_told_who_uses_it() {
    let node = Node::start("First", &[]);
    let second = pc2_with_input(node.data(), &["up", "--no-mdns", "--web", "127.0.0.1:0"], "");
    let text = refusal(&second);
    assert!(text.contains(&node.pid().to_string()), "{text}");
    assert!(node.get("/api/contacts").is_some(), "the first goes on");
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let directory = tempfile::tempdir().expect("a directory");
    stdout_json(&pc2_with_input(directory.path(), &["init"], ""));
    let listen = ["--listen", "/ip4/127.0.0.1/tcp/0"];
    let web = format!("127.0.0.1:{port}");
    let arguments = [&["up", "--no-mdns", "--web", &web][..], &listen[..]].concat();
    let text = refusal(&pc2_with_input(directory.path(), &arguments, ""));
    assert!(text.contains(&port), "{text}");

    let p2p = format!("/ip4/127.0.0.1/tcp/{port}");
    let text = refusal(&pc2_with_input(
        directory.path(),
        &["up", "--no-mdns", "--web", "127.0.0.1:0", "--listen", &p2p],
        "",
    ));
    assert!(text.contains(&port), "{text}");
}

#[test]
fn a_wrong_did_is_told_what_is_wrong_with_it() {
    let node = Node::start("Alice", &[]);
    let own = node.did();
    for (did, expected) in
        [("did:boson:0OIl", "Base58"), ("did:web:example.org", "did:boson:"), (own.as_str(), "your own")]
    {
        let text = refusal(&node.pc2(&["contact", "add", did]));
        assert!(text.contains(expected), "{did}: {text}");
    }
}

#[test]
fn commands_without_a_node_say_how_to_start_one() {
    let node = Node::stopped("Nobody", &[]);
    let output = node.pc2(&["contact", "list"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(refusal(&output).contains("pc2"));
}

#[test]
fn a_directory_of_another_identity_is_refused_untouched() {
    let node = Node::stopped("Owner", &[]);
    let other = Node::stopped("Other", &[]);
    fs::copy(other.data().join("identity.json"), node.data().join("identity.json")).expect("copied");
    let text = refusal(&up(node.data()));
    assert!(text.contains("another identity"), "{text}");
}

#[test]
fn an_identity_file_of_a_newer_program_is_refused_with_advice() {
    let node = Node::stopped("Future", &[]);
    let path = node.data().join("identity.json");
    let text = fs::read_to_string(&path).expect("readable").replacen("\"version\": 1", "\"version\": 2", 1);
    fs::write(&path, text).expect("written");
    let text = refusal(&up(node.data()));
    assert!(text.contains("newer"), "{text}");
}

#[test]
fn a_damaged_database_is_moved_aside_and_the_node_starts() {
    let mut node = Node::start("Alice", &[]);
    let did = node.did();
    node.kill();
    let db = node.data().join("db").join("db");
    let mut bytes = fs::read(&db).expect("the database file");
    bytes.iter_mut().for_each(|byte| *byte ^= 0x5a);
    fs::write(&db, bytes).expect("damaged");
    node.run();
    assert_eq!(node.did(), did);
    let quarantined = fs::read_dir(node.data())
        .expect("listed")
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("quarantine-"));
    assert!(quarantined, "the damaged database is kept for its owner");
    assert!(node.log().contains("damaged"), "and the owner is told:\n{}", node.log());
}

fn up(data: &Path) -> Output {
    pc2_with_input(data, &["up", "--no-mdns", "--web", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0"], "")
}
