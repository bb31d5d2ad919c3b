//! The things measured, each on fresh nodes.

use crate::{
    Figure,
    process::{Node, become_contacts},
    seeding,
    toxcore::Toxcore,
};
use serde_json::Value;
use std::{
    net::TcpStream,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};
use tungstenite::WebSocket;

/// Single messages for the latency figure.
const SINGLE: u64 = 300;
/// Messages for the throughput figure.
const STREAM: u64 = 20_000;
/// Callers that send them, each with one request in flight.
const CALLERS: u64 = 32;
/// Runs for the first delivery.
const STARTS: usize = 9;
/// Messages stored before the start that is timed.
const HISTORY: u64 = 100_000;

/// Two contacts that are connected.
fn pair() -> (Node, Node) {
    let alice = Node::start("Alice", &[]);
    let bob = Node::start("Bob", &alice.way_in());
    become_contacts(&alice, &bob);
    (alice, bob)
}

/// Ids as clients make them.
pub(crate) fn message_id(n: u64) -> String {
    format!("00000000-0000-4000-8000-{n:012x}")
}

/// Waits for the event that a message is delivered.
pub(crate) fn until_delivered(events: &mut WebSocket<TcpStream>, wanted: impl Fn(&Value) -> bool) {
    loop {
        let frame = events.read().expect("the node sends events");
        let Ok(text) = frame.to_text() else { continue };
        let Ok(event) = serde_json::from_str::<Value>(text) else { continue };
        if event["type"] == "message_state" && event["data"]["state"] == "delivered" && wanted(&event["data"])
        {
            return;
        }
    }
}

/// One message at a time: from the request at the sender's API until the sender knows that it is on the recipient's disk.
pub(crate) fn latency(peer: Option<&Toxcore>) -> Vec<Figure> {
    let (alice, bob) = pair();
    let bob_did = bob.did();
    let mut events = alice.events();
    let mut took = Vec::new();
    for n in 1..=SINGLE {
        let started = Instant::now();
        alice.send(&bob_did, &message_id(n), "hello");
        until_delivered(&mut events, |_| true);
        took.push(started.elapsed());
    }
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    let ratio = |peer: &Toxcore| {
        format!(
            "toxcore {:.0} ms ({:.4} of it), nothing on disk",
            peer.latency_ms,
            millis(at(50)) / peer.latency_ms
        )
    };
    vec![
        Figure {
            what: "one message, durable at both ends and acknowledged, p50",
            ours: format!("{:.2} ms", millis(at(50))),
            target: "≤ 5 ms",
            peer: peer.map_or_else(|| "not run".to_owned(), ratio),
        },
        Figure {
            what: "the same, p99",
            ours: format!("{:.2} ms", millis(at(99))),
            target: "written down",
            peer: "none".to_owned(),
        },
    ]
}

/// A stream one way, many in flight: until the last is known to be on the recipient's disk.
pub(crate) fn throughput() -> Figure {
    let (alice, bob) = pair();
    let bob_did = bob.did();
    let cpu_before = alice.cpu() + bob.cpu();
    let next = AtomicU64::new(1);
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n > STREAM {
                        return;
                    }
                    // The outbox is bounded; a full one is asked again as its answer says.
                    alice.send_patiently(&bob_did, &message_id(n), "a line of text as people write it");
                }
            });
        }
    });
    alice.until("all are delivered", Duration::from_millis(5), |alice| {
        (alice.get(&format!("/api/contacts/{bob_did}"))?["waiting"] == 0).then_some(())
    });
    let elapsed = started.elapsed();
    let cpu = alice.cpu() + bob.cpu() - cpu_before;
    let count = f64::from(u32::try_from(STREAM).unwrap_or(u32::MAX));
    Figure {
        what: "messages per second one way, durable at both ends",
        ours: format!(
            "{:.0}/s ({:.2} CPU ms each, both nodes)",
            count / elapsed.as_secs_f64(),
            millis(cpu) / count
        ),
        target: "≥ 1,000/s",
        peer: "none".to_owned(),
    }
}

/// From the start of the program until a message to a contact that is online is delivered.
pub(crate) fn first_delivery(peer: Option<&Toxcore>) -> Figure {
    let (mut alice, bob) = pair();
    let bob_did = bob.did();
    let mut took: Vec<Duration> = (1..=STARTS as u64)
        .map(|n| {
            alice.kill();
            let started = Instant::now();
            alice.run();
            alice.send(&bob_did, &message_id(n), "first");
            alice.until("it is delivered", Duration::from_millis(2), |alice| {
                (alice.get(&format!("/api/contacts/{bob_did}"))?["waiting"] == 0).then_some(())
            });
            started.elapsed()
        })
        .collect();
    took.sort_unstable();
    let median = took[took.len() / 2];
    Figure {
        what: "from `pc2 up` to the first message delivered (median of 9)",
        ours: format!("{:.0} ms", millis(median)),
        target: "≤ 3 s",
        peer: peer.map_or_else(
            || "not run".to_owned(),
            |peer| format!("toxcore {:.0} ms ({:.3} of it)", peer.first_ms, millis(median) / peer.first_ms),
        ),
    }
}

/// The time until a node with a long history can be driven.
pub(crate) fn start_with_history() -> Figure {
    let mut node = Node::stopped("Archivist", &[]);
    seeding::history(node.data(), HISTORY);
    let mut took: Vec<Duration> = (0..5)
        .map(|_| {
            let took = node.run();
            node.kill();
            took
        })
        .collect();
    took.sort_unstable();
    Figure {
        what: "start with 100,000 stored messages, until ready (median of 5)",
        ours: format!("{:.0} ms", millis(took[took.len() / 2])),
        target: "≤ 1 s",
        peer: "none".to_owned(),
    }
}

/// For the table.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
