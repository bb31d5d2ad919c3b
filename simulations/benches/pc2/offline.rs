//! What somebody who is away costs those who write to them: the time until a first word is safe in their mailbox.
//!
//! Not here: waiting messages after the start of who was away, which needs a network between (`simulations/netns`).

use crate::{Figure, process::Node, scenario::millis};
use serde_json::json;
use std::time::{Duration, Instant};

/// Nodes that keep mailboxes: with them a message gets its five receipts, and one may be slow.
const HOLDERS: usize = 6;

/// Strangers who write, one after the other.
const RUNS: usize = 5;

/// From asking a stranger who is away, known by DID only, until enough nodes have signed that they keep it: finding the card, the puzzle, the
/// receipts.
pub(crate) fn first_contact() -> Figure {
    let bootstrap = Node::stopped("Bootstrap", &[]).at_level(2).started();
    let way_in = bootstrap.way_in();
    let holders: Vec<Node> =
        (1..HOLDERS).map(|n| Node::stopped(&format!("Holder {n}"), &way_in).at_level(2).started()).collect();
    let mut bob = Node::start("Bob", &way_in);
    let did = bob.did();
    let mut took: Vec<Duration> = (0..RUNS)
        .map(|n| {
            // A node of before, so that his card is out.
            let alice = Node::start(&format!("Alice {n}"), &way_in);
            alice.until("she can find him", Duration::from_millis(50), |alice| {
                let peers = alice.get("/api/network")?["peers"].as_array()?.len();
                (peers >= HOLDERS).then_some(())
            });
            bob.kill();
            let started = Instant::now();
            alice.post("/api/contacts", &json!({ "did": did, "text": "Hello, are you Bob?" }));
            alice.until("it is stored", Duration::from_millis(5), |alice| {
                let stored = alice.get("/api/network")?["mailboxes"]["stored"].as_u64()?;
                (stored >= 1).then_some(())
            });
            let took = started.elapsed();
            bob.run();
            took
        })
        .collect();
    drop(holders);
    took.sort_unstable();
    Figure {
        what: "first contact with somebody offline, until it is stored (median of 5)",
        ours: format!("{:.0} ms (longest {:.0})", millis(took[RUNS / 2]), millis(took[RUNS - 1])),
        target: "≤ 3 s",
        peer: "none".to_owned(),
    }
}
