//! Files between processes that are killed in the middle: whole in the end, little sent twice, nothing half under a final name.
//!
//! Three kills of each side by default, `PC2_KILLS=200` for the long run (`make torture`), over as many transfers as it takes. The seed is printed; `SEED=`
//! repeats the sequence of kills (not the timing of the machine).

use crate::{
    support::{Node, become_contacts},
    torture::{Random, number},
};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Instant};

/// Bytes of the file.
const SIZE: usize = 65 * 1024 * 1024;

/// Bytes a second: kills meet it on its way, and more than two seconds apart, so that who comes back is not taken for one who dialled at the same time.
const RATE: u64 = 4 * 1024 * 1024;

/// Most bytes that one kill of the recipient may cost: what was written without its proof, half a megabyte (docs/decisions/0026), and as much for progress being told
/// four times a second.
const CHUNK: u64 = 1024 * 1024 + RATE / 4;

/// A file of bytes that are not the same everywhere.
fn make(path: &Path, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let content: Vec<u8> = (0..SIZE / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    fs::write(path, &content).expect("written");
    content
}

fn transfer(node: &Node, direction: &str) -> Option<Value> {
    let list = node.get("/api/transfers")?;
    list["transfers"].as_array()?.iter().find(|one| one["direction"] == direction).cloned()
}

fn transfers(node: &Node, direction: &str) -> Vec<Value> {
    let list = node.get("/api/transfers").unwrap_or_default();
    let all = list["transfers"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|one| one["direction"] == direction).collect()
}

/// Sends one file with kills in the middle. Returns how many bytes were received more than once.
fn send_through_kills(
    [alice, bob]: [&mut Node; 2],
    source: &Path,
    content: &[u8],
    victims: &[usize],
    random: &mut Random,
) -> u64 {
    let before = transfers(bob, "in").len();
    let to = bob.did();
    let paths = [source.to_str().expect("a text")];
    alice.eventually("the offer is made", |alice| {
        alice.post("/api/transfers", &json!({ "to": to, "paths": paths }))
    });
    let offered = bob.eventually("the file is offered", |bob| {
        let all = transfers(bob, "in");
        (all.len() > before).then(|| all.into_iter().find(|one| one["state"] == "offered")).flatten()
    });
    let id = offered["id"].as_str().expect("an id").to_owned();
    bob.post(&format!("/api/transfers/{id}/accept"), &json!({})).expect("accepted");
    let look = |bob: &Node| transfers(bob, "in").into_iter().find(|one| one["id"] == id.as_str());

    let downloads = bob.data().join("users/owner/Downloads");
    let visible = || fs::read_dir(&downloads).map(|all| all.count()).unwrap_or_default();
    let there = visible();
    let (mut again, began) = (0, Instant::now());
    let size = u64::try_from(content.len()).expect("fits");
    for (number, victim) in victims.iter().enumerate() {
        let part = size / (u64::try_from(victims.len()).expect("few") + 1);
        let from = part * u64::try_from(number).expect("few") + random.below(part);
        let reached = bob.eventually("it has come so far", |bob| {
            let now = look(bob)?;
            if now["state"] == "done" {
                return Some(size);
            }
            now["bytes"].as_u64().filter(|bytes| *bytes >= from)
        });
        println!("{:?}: at {reached}", began.elapsed());
        if reached == size {
            break;
        }
        assert_eq!(visible(), there, "nothing partial under a final name");
        if *victim == 0 {
            alice.kill();
            alice.run();
        } else {
            bob.kill();
            bob.run();
            let goes_on = bob.eventually("it goes on", |bob| {
                let now = look(bob)?;
                (now["state"] == "done").then_some(size).or_else(|| now["bytes"].as_u64())
            });
            let lost = reached.saturating_sub(goes_on);
            println!("killed the recipient at {reached}, went on from {goes_on}");
            assert!(lost <= CHUNK, "{lost} bytes are sent again after one kill");
            again += lost;
        }
    }
    let done = bob.eventually("it is whole", |bob| {
        let now = look(bob)?;
        assert_ne!(now["state"], "failed", "{now}");
        (now["state"] == "done").then_some(now)
    });
    let path = done["path"].as_str().expect("where it is");
    println!("{:?}: whole", began.elapsed());
    assert!(fs::read(path).expect("there") == content, "the file is another one");
    assert_eq!(visible(), there + 1, "one file, once");
    fs::remove_file(path).expect("removed");
    again
}

#[test]
fn a_file_arrives_whole_through_kill_9_of_either_side_and_little_is_sent_twice() {
    let kills = usize::try_from(number("PC2_KILLS", 6)).expect("few");
    let seed = number("SEED", u64::from(std::process::id()));
    println!("SEED={seed} PC2_KILLS={kills}");
    let mut random = Random(seed);
    let bystander = Node::start("Bystander", &[]);
    let bootstrap = bystander.bootstrap_addresses();
    let mut alice = Node::start("Alice", &bootstrap);
    let mut bob = Node::start("Bob", &bootstrap);
    become_contacts(&mut alice, &mut bob);
    bob.put("/api/transfers/rates", &json!({ "down": RATE, "up": null })).expect("set");

    let files = tempfile::tempdir().expect("a directory");
    let source = files.path().join("big.bin");
    let content = make(&source, seed);
    let mut done = 0;
    while done < kills {
        let victims: Vec<usize> = if kills <= 6 {
            // Three of each side.
            vec![1, 0, 1, 0, 1, 0]
        } else {
            (0..4).map(|_| usize::from(random.below(2) == 1)).collect()
        };
        let again = send_through_kills([&mut alice, &mut bob], &source, &content, &victims, &mut random);
        done += victims.len();
        println!("{done} kills, {again} bytes came again in the last {}", victims.len());
    }
    let sent = alice.eventually("both know that it is done", |alice| {
        transfer(alice, "out").filter(|one| one["state"] == "done")
    });
    assert_eq!(sent["size"].as_u64(), u64::try_from(SIZE).ok());
}
