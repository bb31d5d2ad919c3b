//! `kill -9` of sender and recipient at random moments, under load: nothing acknowledged is lost, nothing is shown twice,
//! and the order is kept.
//!
//! 20 kills by default, `PC2_KILLS=200` for the long run (`make torture`). The seed is printed; `SEED=` repeats the sequence of kills (not the timing
//! of the machine).

use crate::support::{Node, become_contacts, strike};
use serde_json::json;
use std::{
    collections::BTreeSet,
    env,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Small, fast, good enough to choose victims and pauses.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 33) % bound
    }
}

pub(crate) fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_shown_twice_under_kill_9() {
    let kills = number("PC2_KILLS", 20);
    let seed = number("SEED", u64::from(std::process::id()));
    println!("SEED={seed} PC2_KILLS={kills}");
    let mut random = Random(seed);

    let bystander = Node::start("Bystander", &[]);
    let bootstrap = bystander.bootstrap_addresses();
    let mut alice = Node::start("Alice", &bootstrap);
    let mut bob = Node::start("Bob", &bootstrap);
    become_contacts(&mut alice, &mut bob);
    let (alice_did, bob_did) = (alice.did(), bob.did());

    let nodes = [Mutex::new(alice), Mutex::new(bob)];
    let running = AtomicBool::new(true);
    let acknowledged: Vec<String> = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let path = format!("/api/conversations/{bob_did}/messages");
            let mut acknowledged = Vec::new();
            let mut n = 0u64;
            while running.load(Ordering::Relaxed) {
                n += 1;
                let id = format!("{:08x}-0000-4000-8000-{n:012x}", seed & 0xffff_ffff);
                let message = json!({ "client_id": id, "text": format!("message {n}") });
                let answer = nodes[0].lock().expect("no test thread panicked").post(&path, &message);
                if answer.is_some() {
                    acknowledged.push(format!("message {n}"));
                }
                thread::sleep(Duration::from_millis(2));
            }
            acknowledged
        });
        for kill in 1..=kills {
            thread::sleep(Duration::from_millis(50 + random.below(400)));
            let victim = usize::try_from(random.below(2)).expect("0 or 1");
            let started = Instant::now();
            // Struck without the lock: also in the middle of a request.
            let pid = nodes[victim].lock().expect("no test thread panicked").pid();
            strike(pid);
            let mut node = nodes[victim].lock().expect("no test thread panicked");
            node.kill();
            node.run();
            println!("kill {kill}: {} back after {:?}", ["sender", "recipient"][victim], started.elapsed());
        }
        running.store(false, Ordering::Relaxed);
        load.join().expect("the load ran")
    });

    let [alice, bob] = nodes.map(|node| node.into_inner().expect("no test thread panicked"));
    let mut alice = alice;
    alice.eventually("all is delivered", |alice| {
        let contact = alice.get(&format!("/api/contacts/{bob_did}"))?;
        (contact["waiting"] == 0).then_some(())
    });
    let received: Vec<String> = bob.conversation(&alice_did).into_iter().map(|(_, text, _)| text).collect();
    let distinct: BTreeSet<&String> = received.iter().collect();
    println!("{} acknowledged, {} received", acknowledged.len(), received.len());
    assert!(acknowledged.len() > 10, "the load must be a load");
    assert_eq!(distinct.len(), received.len(), "shown twice");
    for text in &acknowledged {
        assert!(distinct.contains(text), "acknowledged and lost: {text}");
    }
    let numbers: Vec<u64> =
        received.iter().filter_map(|text| text.strip_prefix("message ")?.parse().ok()).collect();
    assert!(numbers.is_sorted(), "the sender's order was not kept");
}
