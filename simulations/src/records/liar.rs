//! A hostile node: it speaks the protocol and lies in it.
//!
//! In: a request. Out: a lie, or silence. It says it stored what it did not, claims newer records it cannot show, forges them,
//! replays the oldest it ever saw, sends records of other keys and garbage.

use pc2_protocols::{
    dht::wire::{Answer, Refusal, Request},
    id::RecordKey,
    record::Record,
};
use std::collections::BTreeMap;

/// What a liar remembers: the first record it saw under each key.
#[derive(Debug, Default)]
pub(super) struct Liar {
    oldest: BTreeMap<RecordKey, Vec<u8>>,
}

impl Liar {
    /// One lie; `mood` decides which. `None`: silence.
    pub(super) fn answer(&mut self, mood: u64, request: &[u8]) -> Option<Vec<u8>> {
        let answer = match Request::decode(request).ok()? {
            Request::Put { record, .. } => {
                let seen = Record::trusted(&record).ok()?;
                let seq = seen.seq();
                self.oldest.entry(seen.key()).or_insert_with(|| record.into_vec());
                match mood % 5 {
                    0 => Answer::Stored { seq },
                    1 => Answer::Refused { reason: Refusal::OlderThan { current: u64::MAX } },
                    2 => Answer::Refused { reason: Refusal::Conflict },
                    3 => return Some(vec![0xff; 40]),
                    _ => return None,
                }
            }
            Request::Get { key, .. } => {
                let found = |record: &[u8]| Answer::Found { record: record.to_vec().into() };
                match mood % 6 {
                    0 => Answer::Nothing { held_seq: None },
                    1 => Answer::Nothing { held_seq: Some(u64::MAX) },
                    2 => found(self.oldest.get(&key)?),
                    3 => found(&forged(self.oldest.get(&key)?)),
                    4 => found(self.oldest.values().find(|record| Some(*record) != self.oldest.get(&key))?),
                    _ => return Some(vec![0xff; 40]),
                }
            }
        };
        Some(answer.encode())
    }
}

/// The same card with another address under the old signature.
fn forged(record: &[u8]) -> Vec<u8> {
    let from = b"192.0.2.1";
    let mut forged = record.to_vec();
    if let Some(at) = forged.windows(from.len()).position(|window| window == from) {
        forged[at..at + from.len()].copy_from_slice(b"203.0.113");
    }
    forged
}
