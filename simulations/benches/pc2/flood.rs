//! A node under attack: two thousand connections a second, peers that never read, frames of garbage, while two people talk.
//!
//! Told is what the talk costs meanwhile and what memory the node takes. Strangers are real libp2p nodes or bare sockets, the node is a real process. Not
//! here: what each bad frame is answered with (tests of `pc2-actors`).

use crate::{
    Figure, mebibytes,
    process::{Node, become_contacts},
    scenario::{message_id, millis, until_delivered},
    strangers::{Stranger, address},
};
use libp2p::Multiaddr;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, runtime::Runtime, sync::Semaphore, time};

/// How long it lasts.
const LASTS: Duration = Duration::from_secs(15);

/// New connections in each hundredth of a second.
const EACH_TICK: usize = 20;
const TICK: Duration = Duration::from_millis(10);

/// Connections held open without a word, most: what else the process has open must fit below the system's usual 1,024.
const HELD: usize = 400;

/// Peers with a whole handshake who send garbage, and who never read.
const RUDE: usize = 20;

/// Frames of one of them at once.
const RUDE_AT_ONCE: usize = 32;

/// Bytes of garbage in one frame.
const GARBAGE: usize = 4_096;

/// Between two messages of the honest.
const TALK_EVERY: Duration = Duration::from_millis(50);

/// Runs it.
pub(crate) fn honest_under_flood() -> Vec<Figure> {
    let victim = Node::stopped("Victim", &[]).at_level(3).started();
    let friend = Node::start("Friend", &victim.way_in());
    become_contacts(&victim, &friend);
    let quiet = talk(&friend, &victim, 0, Duration::from_secs(5));

    let over = Arc::new(AtomicBool::new(false));
    let opened = Arc::new(AtomicU64::new(0));
    let runtime = Runtime::new().expect("a runtime");
    flood(&runtime, &victim, &over, &opened);
    let started = Instant::now();
    let (attacked, resident) = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(victim.resident_bytes());
                thread::sleep(Duration::from_millis(100));
            }
            most
        });
        let attacked = talk(&friend, &victim, 1_000_000, LASTS);
        over.store(true, Ordering::Relaxed);
        (attacked, watch.join().expect("it only looks"))
    });
    let rate = opened.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    runtime.shutdown_timeout(Duration::from_secs(1));
    let lives = if victim.get("/api/network").is_some() { "the node lives" } else { "THE NODE IS GONE" };
    let at = |times: &[Duration], percent: usize| millis(times[times.len() * percent / 100]);
    vec![
        Figure {
            what: "a message of a contact under flood, p99",
            ours: format!(
                "{:.1} ms (p50 {:.1}; without flood {:.1} and {:.1}); {rate:.0} connections/s; {lives}",
                at(&attacked, 99),
                at(&attacked, 50),
                at(&quiet, 99),
                at(&quiet, 50)
            ),
            target: "≤ 500 ms",
            peer: "none".to_owned(),
        },
        Figure {
            what: "most resident memory under flood",
            ours: format!("{:.1} MiB", mebibytes(resident)),
            target: "≤ 512 MiB",
            peer: "none".to_owned(),
        },
    ]
}

/// Sends messages one after the other; how long each took, sorted.
fn talk(from: &Node, to: &Node, first: u64, lasts: Duration) -> Vec<Duration> {
    let to = to.did();
    let mut events = from.events();
    let end = Instant::now() + lasts;
    let mut took = Vec::new();
    while Instant::now() < end {
        let started = Instant::now();
        from.send(&to, &message_id(first + took.len() as u64 + 1), "still there?");
        until_delivered(&mut events, |_| true);
        took.push(started.elapsed());
        thread::sleep(TALK_EVERY);
    }
    took.sort_unstable();
    took
}

fn flood(runtime: &Runtime, victim: &Node, over: &Arc<AtomicBool>, opened: &Arc<AtomicU64>) {
    let (at, socket) = (address(&victim.tcp()), victim.socket());
    runtime.spawn(connections(socket, Arc::clone(over), Arc::clone(opened)));
    for number in 0..RUDE {
        runtime.spawn(rude(at.clone(), number % 2 == 0, Arc::clone(over)));
    }
}

/// Opens connections: some are closed at once, some say something senseless, some say nothing and stay.
async fn connections(to: SocketAddr, over: Arc<AtomicBool>, opened: Arc<AtomicU64>) {
    let places = Arc::new(Semaphore::new(HELD));
    let mut ticks = time::interval(TICK);
    let mut number = 0_usize;
    while !over.load(Ordering::Relaxed) {
        ticks.tick().await;
        for _ in 0..EACH_TICK {
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { break };
            number += 1;
            let (kind, opened) = (number % 8, Arc::clone(&opened));
            tokio::spawn(async move {
                let _place = place;
                let Ok(mut stream) = TcpStream::connect(to).await else { return };
                opened.fetch_add(1, Ordering::Relaxed);
                match kind {
                    0 => time::sleep(Duration::from_secs(1)).await,
                    1..=3 => drop(stream.write_all(&[0xa5; GARBAGE]).await),
                    _ => {}
                }
            });
        }
    }
}

/// Knows the handshake and no manners: sends garbage, or asks and never reads. Comes back when it is shut out.
async fn rude(victim: Multiaddr, reads: bool, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        let mut stranger = Stranger::new();
        if !stranger.may_connect(&victim).await {
            time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        let garbage = (0..64).map(|_| vec![0xa5; GARBAGE]).collect();
        if reads {
            let all = stranger.ask_all(&victim, garbage, RUDE_AT_ONCE, |_| true);
            let _refused = time::timeout(Duration::from_secs(2), all).await;
        } else {
            // Whatever is answered stays with the node.
            let all = stranger.ask_all(&victim, garbage, RUDE_AT_ONCE, |_| true);
            let _sent = time::timeout(Duration::from_millis(20), all).await;
            time::sleep(Duration::from_secs(2)).await;
        }
    }
}
