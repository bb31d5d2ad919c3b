//! From a message that arrives to the page that shows it: the event on the recipient's WebSocket.
//!
//! Two figures. The whole way begins when the sender asks its own node, and so has both nodes, two disks and the line in it. The last part of it is from the
//! moment that the recipient's node notes with the message (`stored`, before it is on the disk), in whole milliseconds.

use super::clients::{Page, browser};
use crate::{
    Figure,
    process::{Node, become_contacts},
    scenario::{message_id, millis},
};
use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Messages.
const MESSAGES: u64 = 1_000;

/// Between two of them.
const PAUSE: Duration = Duration::from_millis(5);

/// Runs it.
pub(super) fn to_the_page() -> Vec<Figure> {
    let alice = Node::start("Alice", &[]);
    let bob = Node::start("Bob", &alice.way_in());
    become_contacts(&alice, &bob);
    let to = bob.did();
    let mut page = Page::open(&bob, &browser(&bob));
    let (mut whole, mut last) = (Vec::new(), Vec::new());
    for n in 1..=MESSAGES {
        let started = Instant::now();
        alice.send(&to, &message_id(n), "hello");
        let stored = loop {
            let event = page.next().expect("the stream goes on").expect("it waits for one");
            if event["type"] == "message" {
                break event["data"]["stored"].as_u64().expect("a time");
            }
        };
        whole.push(millis(started.elapsed()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        last.push(now.as_secs_f64() * 1_000.0 - stored as f64);
        thread::sleep(PAUSE);
    }
    let figure = |what, mut times: Vec<f64>, target| {
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        Figure {
            what,
            ours: format!("{:.1} ms (p50 {:.1}, p99 {:.1})", at(95), at(50), at(99)),
            target,
            peer: "none".to_owned(),
        }
    };
    vec![
        figure("from a message at the recipient's node to the event at their page, p95", last, "≤ 100 ms"),
        figure("the same from the sender's request on, both nodes and disks, p95", whole, "written down"),
    ]
}
