//! Making an identity, bringing it back from its phrase, and sealing it with a passphrase.

use crate::support::{pc2_with_input, stdout_json};
use std::{fs, os::unix::fs::PermissionsExt};

#[test]
fn a_phrase_restored_on_an_empty_directory_gives_the_same_did() {
    let (first, second) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let made = stdout_json(&pc2_with_input(first.path(), &["init"], ""));
    let phrase = made["phrase"].as_str().expect("shown once").to_owned();
    assert_eq!(phrase.split(' ').count(), 12);
    let restored = stdout_json(&pc2_with_input(second.path(), &["restore"], &phrase));
    assert_eq!(restored["did"], made["did"]);
    assert_eq!(restored["peer_id"], made["peer_id"]);
}

#[test]
fn the_phrase_is_kept_nowhere_and_the_identity_file_is_for_its_owner_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let made = stdout_json(&pc2_with_input(directory.path(), &["init"], ""));
    let path = directory.path().join("identity.json");
    let text = fs::read_to_string(&path).expect("readable by us");
    let first_word =
        made["phrase"].as_str().and_then(|phrase| phrase.split(' ').next()).expect("a word").to_owned();
    assert!(!text.contains(&format!("\"{first_word}")));
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    let shown_again = stdout_json(&pc2_with_input(directory.path(), &["id"], ""));
    assert!(shown_again["phrase"].is_null());
}

#[test]
fn an_existing_identity_is_never_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let made = stdout_json(&pc2_with_input(directory.path(), &["init"], ""));
    assert!(!pc2_with_input(directory.path(), &["init"], "").status.success());
    let kept = stdout_json(&pc2_with_input(directory.path(), &["id"], ""));
    assert_eq!(kept["did"], made["did"]);
}

#[test]
fn a_sealed_identity_opens_with_its_passphrase_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let (right, wrong) = (directory.path().join("right"), directory.path().join("wrong"));
    fs::write(&right, "correct horse\n").expect("written");
    fs::write(&wrong, "battery staple\n").expect("written");
    let data = directory.path().join("data");
    let path = |path: &std::path::Path| path.display().to_string();
    let made = stdout_json(&pc2_with_input(&data, &["init", "--passphrase-file", &path(&right)], ""));
    let shown = stdout_json(&pc2_with_input(&data, &["id"], ""));
    assert_eq!(shown["sealed"], true);
    assert_eq!(shown["did"], made["did"]);

    let refused = pc2_with_input(&data, &["up", "--no-mdns", "--passphrase-file", &path(&wrong)], "");
    assert_eq!(refused.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("wrong passphrase"));
}
