//! A receiver that is killed five times while a file comes: what has to be sent again.
//!
//! In: the large file. Out: how much more of it the sender reads than without a kill, for each kill. What is read is sent, and nothing else is read meanwhile; the
//! sender's own count ends at the size of the file, and bytes of sockets are nobody's alone. Beside it, how far back the receiver begins: the rest was on its way.

use super::{
    ground::{Ground, forget, same, settle},
    large_bytes,
    ours::Ours,
};
use crate::mebibytes;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use std::{
    env,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Kills of one transfer.
const KILLS: u32 = 5;

/// The longest question that a receiver asks, in bytes (`PULL_MAX_GROUPS` groups).
const CHUNK: u64 = 8 << 20;

/// How often is looked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Runs it.
pub(super) fn run() -> String {
    let seed = env::var("SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut ground = Ground::new().expect("a temporary directory");
    let bytes = large_bytes();
    let mut carried = |kills: &[u64]| {
        let source = ground.fresh_file(bytes).expect("room on the disk for the file");
        let mut ours = Ours::start();
        let carried = carry(&mut ours, &source, kills);
        forget(&source).expect("our own file");
        carried
    };
    let calm = carried(&[]);
    // Anywhere between the first and the last tenth.
    let mut kills: Vec<u64> = (0..KILLS)
        .map(|_| bytes / 10 + u64::from(random.next_u32()) * (bytes / 10 * 8) / (1 << 32))
        .collect();
    kills.sort_unstable();
    let disturbed = carried(&kills);
    let mut text = format!("### {} MiB, receiver killed {KILLS} times (SEED={seed})\n\n", bytes >> 20);
    text += &match calm.and_then(|calm| Ok((calm, disturbed?))) {
        Ok((calm, disturbed)) => {
            let again = disturbed.read.saturating_sub(calm.read) / u64::from(KILLS);
            format!(
                "At {} MiB. Sent again: {:.2} MiB a kill (≤ {:.0} are wanted); the sender read {:.1} MiB instead of {:.1}. \
                 The receiver began {:.2} MiB a kill before what it had shown. Bytes are equal.\n",
                kills.iter().map(|kill| (kill >> 20).to_string()).collect::<Vec<_>>().join(", "),
                mebibytes(again),
                mebibytes(CHUNK),
                mebibytes(disturbed.read),
                mebibytes(calm.read),
                mebibytes(disturbed.back / u64::from(KILLS)),
            )
        }
        Err(why) => format!("MISSED: {why}\n"),
    };
    text
}

/// What a transfer came to.
struct Carried {
    /// Bytes that the sender has read from files.
    read: u64,
    /// Bytes that the receiver had shown and had not any more when it started again, of all kills.
    back: u64,
}

/// Sends it, killing the receiver whenever so much of it is there.
fn carry(ours: &mut Ours, source: &Path, kills: &[u64]) -> Result<Carried, String> {
    settle().map_err(|error| error.to_string())?;
    let before = ours.alice.read_bytes();
    let offer = ours.offer(source);
    let mut back = 0;
    for kill in kills {
        let shown = until_here(ours, &offer, *kill)?;
        ours.bob.kill();
        ours.bob.run();
        // It logs from where it goes on when it has found out.
        let have =
            ours.bob.until("the transfer goes on", LOOK_EVERY, |bob| number_after(&bob.log(), " have="));
        back += shown.saturating_sub(have);
    }
    let arrived = ours.until_done(&offer)?;
    let read = ours.alice.read_bytes() - before;
    if same(source, &arrived) {
        Ok(Carried { read, back })
    } else {
        Err("what arrived is not what was sent".to_owned())
    }
}

/// Waits until so much of it is there; how much that is then.
fn until_here(ours: &Ours, offer: &str, wanted: u64) -> Result<u64, String> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let transfer = ours.received(offer).unwrap_or_default();
        let here = transfer["bytes"].as_u64().unwrap_or_default();
        if here >= wanted {
            return Ok(here);
        }
        if transfer["state"] == "done" || Instant::now() > end {
            return Err(format!("{} MiB were not seen to be there: {transfer}", wanted >> 20));
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once(name)?;
    rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}
