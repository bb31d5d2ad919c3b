//! Measures storage on this machine's disk: `cargo run --release -p pc2-storage --example measure [DIR]`.
//!
//! Prints: a single durable batch, many in flight, the start with 100,000 messages, an export, memory with 1,000 held records.

use pc2_protocols::{
    crypto::seal::StorageKey,
    dht::{self, HeldRow},
    id::{ConversationId, DeviceId, MsgId, NodeId, RecordKey, SessionId},
    messenger::{
        content::{Body, Content, Hlc},
        rows::{self, MessageRow, MessageState, OutboxRow, SessionValue, Waiting},
    },
    net::Prefix,
    time::UnixMillis,
};
use pc2_storage::{Change, Options, Storage};
use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::mpsc::{channel, sync_channel},
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

const ME: NodeId = NodeId::from_bytes([1; 32]);
const MESSAGES: u64 = 100_000;
const BATCHES: u64 = 5_000;
const MEMORY_OF: &str = "PC2_MEASURE_MEMORY_OF";

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    // Memory of a fresh process with what an earlier one wrote: this program starts itself for it.
    if let Ok(dir) = std::env::var(MEMORY_OF) {
        return memory(Path::new(&dir));
    }
    let base = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = base.join(format!("pc2-measure-{}", std::process::id()));
    let measured = held(&dir.join("held"))
        .and_then(|()| latency(&dir.join("small")))
        .and_then(|()| history(&dir.join("large")));
    std::fs::remove_dir_all(&dir)?;
    measured
}

/// 1,000 records held for others.
fn held(dir: &Path) -> Outcome {
    let storage = open(dir)?;
    for number in 0..1_000u64 {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        write(
            &storage,
            vec![Change::Dht(dht::Change::PutHeld(HeldRow {
                key: RecordKey::from_bytes(key),
                record: vec![7; 2_000],
                lease_until: UnixMillis(1),
                source: ME,
                prefix: Prefix::Local,
            }))],
        )?;
    }
    storage.close();
    println!("a fresh process with 1,000 held records:");
    fresh(dir)
}

/// Runs [`memory`] in a process of its own.
fn fresh(dir: &Path) -> Outcome {
    let status = std::process::Command::new(std::env::current_exe()?).env(MEMORY_OF, dir).status()?;
    if status.success() { Ok(()) } else { Err("the fresh process failed".into()) }
}

/// Prints the memory of this process before and after it opens a storage, reads what a node starts from and writes a little.
fn memory(dir: &Path) -> Outcome {
    let empty = resident()?;
    let begun = Instant::now();
    let storage = open(dir)?;
    let opened = (resident()?, begun.elapsed());
    let held = storage.reader().dht_snapshot()?.held.len();
    storage.reader().messenger_snapshot(ME)?;
    let read = resident()?;
    for number in 1..=200 {
        write(&storage, message((1 << 40) + number))?;
    }
    println!(
        "  empty {empty} KiB, open {} KiB ({:?}), {held} records and snapshot read {read} KiB, 200 batches written {} KiB",
        opened.0,
        opened.1,
        resident()?
    );
    storage.close();
    Ok(())
}

/// What one message writes: history, outbox, conversation, ratchet.
fn message(number: u64) -> Vec<Change> {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let content = Content {
        id: MsgId::from_bytes(id),
        device: DeviceId::from_bytes([2; 16]),
        seq: number,
        prev_hash: [3; 32],
        parents: vec![MsgId::from_bytes(id)],
        hlc: Hlc(number << 16),
        body: Body::Text { text: "how do you do, and how is the garden these days?".into(), reply_to: None },
        lasts: None,
    };
    let conversation =
        ConversationId::direct(NodeId::from_bytes([u8::try_from(number % 20).unwrap_or(0); 32]));
    let row = MessageRow {
        account: ME,
        conversation,
        sender: ME,
        content: content.clone(),
        state: MessageState::Waiting,
        stored: UnixMillis(number),
        chain_broken: false,
    };
    let waiting = OutboxRow {
        account: ME,
        conversation,
        order: number,
        what: Waiting::Content { content, sealed: None },
        since: UnixMillis(number),
        parcel: None,
        again: false,
    };
    let ratchet = SessionValue {
        account: ME,
        session: Some(SessionId::from_bytes([4; 16])),
        key: b"ratchet".to_vec(),
        value: Some(vec![5; 900].into()),
    };
    [
        rows::Change::PutMessage(Box::new(row)),
        rows::Change::PutOutbox(Box::new(waiting)),
        rows::Change::RemoveOutbox { account: ME, conversation, order: number.saturating_sub(40) },
        rows::Change::PutSessionValue(ratchet),
    ]
    .map(Change::Messenger)
    .to_vec()
}

/// One at a time, then as many as the queue takes.
fn latency(dir: &Path) -> Outcome {
    let storage = open(dir)?;
    let mut times = Vec::new();
    for number in 1..=2_000 {
        let begun = Instant::now();
        write(&storage, message(number))?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    println!("one batch durable: p50 {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
    let begun = Instant::now();
    let (done, wait) = channel();
    for number in 0..BATCHES {
        let mut changes = message(2_001 + number);
        loop {
            let done = done.clone();
            let submitted = storage.writer().submit(changes, move |result| {
                // The receiver lives until all have answered.
                let _alive = done.send(result);
            });
            if submitted.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
            changes = message(2_001 + number);
        }
    }
    for result in wait.iter().take(usize::try_from(BATCHES)?) {
        result?;
    }
    println!("{BATCHES} in flight: {:.0} batches/s", BATCHES as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}

/// The start with a long history.
fn history(dir: &Path) -> Outcome {
    let storage = open(dir)?;
    for group in 0..MESSAGES / 100 {
        write(
            &storage,
            (1..=100)
                .flat_map(|number| message(group * 100 + number).drain(..1).collect::<Vec<_>>())
                .collect(),
        )?;
    }
    println!(
        "database with {MESSAGES} messages: {} KiB, memory {} KiB",
        size(&dir.join("db/db"))?,
        resident()?
    );
    let begun = Instant::now();
    let exported = storage.export()?;
    println!("export: {:?}, {} KiB", begun.elapsed(), exported.bytes / 1024);
    let begun = Instant::now();
    let rows = storage.verify()?;
    println!("verify: {rows} rows in {:?}", begun.elapsed());
    storage.close();
    println!("a fresh process after all of it was written, then after 200 batches:");
    fresh(dir)?;
    fresh(dir)?;
    std::fs::remove_dir_all(dir.join("db"))?;
    let begun = Instant::now();
    open(dir)?;
    println!("restore from the export: {:?}", begun.elapsed());
    Ok(())
}

fn open(dir: &Path) -> Result<Storage, Box<dyn Error>> {
    let key = StorageKey::new(Zeroizing::new([7; 32]));
    Ok(Storage::open(dir, &key, &Options::default())?.0)
}

fn write(storage: &Storage, changes: Vec<Change>) -> Outcome {
    let (done, wait) = sync_channel(1);
    storage.writer().submit(changes, move |result| {
        // The receiver waits.
        let _alive = done.send(result);
    })?;
    Ok(wait.recv()??)
}

fn size(path: &Path) -> Result<u64, std::io::Error> {
    Ok(std::fs::metadata(path)?.len() / 1024)
}

/// Resident memory of this process, in KiB.
fn resident() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}
