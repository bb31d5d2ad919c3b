//! What the levels cost and carry: memory of each, deposits a second, what a relay adds to a round trip.
//!
//! The outside is played by strangers (`strangers`): the node under measurement is a real process, as everywhere here.

use crate::{
    Figure, mebibytes,
    process::Node,
    scenario::millis,
    seeding,
    strangers::{Stranger, address},
};
use libp2p::Multiaddr;
use pc2_protocols::{
    crypto::keys::IdentityKeys,
    id::{EnvelopeId, NodeId},
    mailbox::{
        deposit::Deposit,
        keys::{self, MailboxKeys},
        wire::{Answer, Request},
    },
};
use std::{
    thread,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, sync::mpsc, task::JoinSet};
use zeroize::Zeroizing;

/// Records a level-2 node holds when its memory is read, and envelopes.
const RECORDS: u32 = 1_000;
const ENVELOPES: u32 = 500;

/// How long an idle node is watched.
const IDLE: Duration = Duration::from_secs(60);

/// Who deposits. A stranger may send 128 requests at once, then 32 a second: so there are many.
const DEPOSITORS: u32 = 160;
const DEPOSITS_EACH: u32 = 120;

/// Deposits of one depositor on their way at once: all of them together stay within the 2,048 requests that a node lets wait.
const AT_ONCE: usize = 3;

/// Contacts of one mailbox: together they stay within its 2,000 envelopes.
const CONTACTS_EACH: u32 = 16;

/// Circuits of a relay at once.
const CIRCUITS: usize = 100;

/// Round trips measured on each circuit.
const ROUND_TRIPS: usize = 20;

/// Connections made at once: fewer than a node lets wait in its door.
const DOOR: usize = 16;

/// Memory of a node of level 1, and of one of level 2 that holds things for others; what the latter does with nothing to do.
pub(crate) fn memory() -> Vec<Figure> {
    let bystander = Node::start("Bystander", &[]);
    let light = Node::stopped("Light", &bystander.way_in()).at_level(1).started();
    let mut holder = Node::stopped("Holder", &bystander.way_in()).at_level(2);
    seeding::records(holder.data(), RECORDS);
    seeding::envelopes(
        holder.data(),
        deposits(ENVELOPES.div_ceil(DEPOSITS_EACH), ENVELOPES).into_iter().flatten(),
    );
    holder.run();
    thread::sleep(Duration::from_secs(5));
    let before = holder.cpu();
    thread::sleep(IDLE);
    let used = holder.cpu() - before;
    vec![
        memory_of(&light, "resident memory, level 1", "≤ 20 MiB"),
        memory_of(&holder, "resident memory, level 2, 1,000 records and 500 envelopes", "≤ 25 MiB"),
        Figure {
            what: "idle processor use of the latter, over a minute",
            ours: format!("{:.2} % of a core", 100.0 * used.as_secs_f64() / IDLE.as_secs_f64()),
            target: "≤ 0.5 %",
            peer: "none".to_owned(),
        },
    ]
}

fn memory_of(node: &Node, what: &'static str, target: &'static str) -> Figure {
    let peer = if target == "≤ 25 MiB" { "earlier PC2: 336 MB" } else { "none" };
    Figure {
        what,
        ours: format!("{:.1} MiB", mebibytes(node.resident_bytes())),
        target,
        peer: peer.to_owned(),
    }
}

/// Envelopes of 1 KiB from many depositors at once, each answered by a receipt, which leaves after the disk has it.
pub(crate) fn deposits_per_second() -> Figure {
    let holder = Node::stopped("Holder", &[]).at_level(2).started();
    let whom = address(&holder.tcp());
    let wanted = DEPOSITORS * DEPOSITS_EACH;
    let requests = deposits(DEPOSITORS, wanted).into_iter().map(|mine| {
        mine.into_iter().map(|(_, deposit)| Request::Deposit { deposit: deposit.into() }.encode()).collect()
    });
    let cpu_before = holder.cpu();
    let (receipts, took) = runtime().block_on(deposit_all(&whom, requests.collect()));
    let cpu = holder.cpu() - cpu_before;
    let count = f64::from(u32::try_from(receipts).unwrap_or(u32::MAX));
    let lost = count_of(wanted) - receipts;
    let unanswered = if lost == 0 { String::new() } else { format!("; {lost} of {wanted} NOT TAKEN") };
    let each = millis(cpu) / count;
    let ours = format!("{:.0}/s ({each:.2} CPU ms each{unanswered})", count / took.as_secs_f64());
    Figure {
        what: "deposits of 1 KiB a second at one holder, durable, by 160 depositors",
        ours,
        target: "≥ 5,000/s",
        peer: "none".to_owned(),
    }
}

async fn deposit_all(whom: &Multiaddr, requests: Vec<Vec<Vec<u8>>>) -> (usize, Duration) {
    let mut connected = Vec::new();
    for mine in requests {
        let mut stranger = Stranger::new();
        stranger.connect(whom).await;
        connected.push((stranger, mine));
    }
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for (mut stranger, mine) in connected {
        let whom = whom.clone();
        let is_receipt = |bytes: &[u8]| matches!(Answer::decode(bytes), Ok(Answer::Receipt { .. }));
        tasks.spawn(async move { stranger.ask_all(&whom, mine, AT_ONCE, is_receipt).await });
    }
    let receipts = tasks.join_all().await.into_iter().sum();
    (receipts, started.elapsed())
}

/// A relay with a hundred live circuits: its memory, and what it adds to a round trip.
pub(crate) fn relay() -> Vec<Figure> {
    let node = Node::stopped("Relay", &[]).at_level(3).started();
    let at = address(&node.tcp());
    node.until("it lends places", Duration::from_millis(50), |node| {
        (node.get("/api/network")?["relaying"]["on"] == true).then_some(())
    });
    let runtime = runtime();
    let (relayed, direct) = runtime.block_on(async {
        let direct = direct_round_trips().await;
        (circuits(&at).await, direct)
    });
    let circuits = node.get("/api/network").map(|network| network["relaying"]["circuits"].clone());
    let stands = circuits.as_ref().and_then(serde_json::Value::as_u64).unwrap_or_default();
    let resident = node.resident_bytes();
    drop(runtime);
    let added = percentile(&relayed, 95).saturating_sub(percentile(&direct, 50));
    vec![
        Figure {
            what: "resident memory, level 3, with 100 live circuits",
            ours: format!("{:.1} MiB ({stands} stand)", mebibytes(resident)),
            target: "≤ 64 MiB",
            peer: "none".to_owned(),
        },
        Figure {
            what: "what a relay with 100 circuits in use adds to a round trip, p95",
            ours: format!(
                "{:.2} ms (p50 {:.2}; direct {:.2})",
                millis(added),
                millis(percentile(&relayed, 50)),
                millis(percentile(&direct, 50))
            ),
            target: "≤ 20 ms",
            peer: "none".to_owned(),
        },
    ]
}

/// Opens all circuits and pings through all of them at once.
async fn circuits(relay: &Multiaddr) -> Vec<Duration> {
    let mut sources = Vec::new();
    for _ in 0..CIRCUITS {
        let mut destination = Stranger::new();
        destination.connect(relay).await;
        let reached_at = destination.take_place(relay).await;
        tokio::spawn(destination.drive());
        let mut source = Stranger::measuring();
        source.connect(relay).await;
        source.connect(&reached_at).await;
        sources.push((source, reached_at));
    }
    let (told, mut results) = mpsc::channel(DOOR);
    for (mut source, reached_at) in sources {
        let told = told.clone();
        tokio::spawn(async move {
            let found = source.round_trips(&reached_at, ROUND_TRIPS).await;
            told.send(found).await.expect("somebody waits");
            // The circuit stands until all is read.
            source.drive().await;
        });
    }
    drop(told);
    let mut all = Vec::new();
    for _ in 0..CIRCUITS {
        all.extend(results.recv().await.expect("each circuit tells"));
    }
    all
}

async fn direct_round_trips() -> Vec<Duration> {
    let mut one = Stranger::new();
    let at = one.listen().await;
    tokio::spawn(one.drive());
    let mut other = Stranger::measuring();
    other.connect(&at).await;
    other.round_trips(&at, ROUND_TRIPS).await
}

/// Deposits of this many depositors, together so many, in mailboxes of as many owners as are needed.
fn deposits(depositors: u32, together: u32) -> Vec<Vec<(Deposit, Vec<u8>)>> {
    let week = keys::week_of(seeding::now());
    let mut number = 0_u128;
    let each = together.div_ceil(depositors);
    let mut left = together;
    (0..depositors)
        .map(|depositor| {
            let owner = MailboxKeys::new(NodeId::from_bytes([1; 32]), root(depositor / CONTACTS_EACH));
            let pass = owner.pass(week, contact(depositor));
            let mine = each.min(left);
            left -= mine;
            (0..mine)
                .map(|_| {
                    number += 1;
                    // What holders see of an envelope is its length.
                    let sealed = vec![0x5a; 1_024];
                    let deposit =
                        Deposit::by_pass(&pass, EnvelopeId::from_bytes(number.to_be_bytes()), sealed);
                    let bytes = deposit.encode();
                    (deposit, bytes)
                })
                .collect()
        })
        .collect()
}

fn root(owner: u32) -> Zeroizing<[u8; 32]> {
    let mut root = Zeroizing::new([0x33; 32]);
    root[..4].copy_from_slice(&owner.to_be_bytes());
    root
}

fn contact(number: u32) -> NodeId {
    let mut seed = Zeroizing::new([0x22; 64]);
    seed[..4].copy_from_slice(&number.to_be_bytes());
    IdentityKeys::from_seed(seed).node()
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() * percent / 100).copied().unwrap_or_default()
}

fn count_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}
