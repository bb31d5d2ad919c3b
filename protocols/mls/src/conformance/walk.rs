//! A random walk of two parties over a network that delays, repeats and reorders, while both crash.
//!
//! The caller's contract is kept: what changed is written before the network sees a byte, a commit arrives before what was
//! encrypted after it, and at most a window of messages is on its way. Then every message opens exactly once.

use super::{Kind, Party, pair};
use pc2_protocols::{limits, messenger::session::CryptoSession as _};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::BTreeSet;

/// Fewer than the out-of-order tolerance, so that even reversed order opens.
const MAX_IN_FLIGHT: usize = 200;

/// One message on its way.
struct InFlight {
    number: u32,
    epoch: u64,
    sealed: Vec<u8>,
}

/// One direction of the walk.
#[derive(Default)]
struct Lane {
    sent: u32,
    in_flight: Vec<InFlight>,
    opened: BTreeSet<u32>,
    repetitions: Vec<Vec<u8>>,
    commit: Option<pc2_protocols::messenger::session::Refreshed>,
}

struct Walk<K: Kind, W> {
    parties: [Party<K>; 2],
    /// By sender.
    lanes: [Lane; 2],
    epochs: [u64; 2],
    rng: ChaCha20Rng,
    /// Sees each ciphertext that was persisted.
    witness: W,
}

impl<K: Kind, W: FnMut(&[u8])> Walk<K, W> {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.next_u32()).expect("32 bits fit") % bound.max(1)
    }

    fn send(&mut self, from: usize) {
        if self.lanes[from].in_flight.len() >= MAX_IN_FLIGHT {
            return;
        }
        let number = self.lanes[from].sent;
        if self.below(8) == 0 {
            // Dies before the disk has it: the network never saw it.
            let text = format!("never sent {number}");
            self.parties[from].session().encrypt(text.as_bytes()).expect("encrypts");
            self.parties[from].crash();
        }
        let sealed = self.parties[from].send(&number.to_be_bytes());
        (self.witness)(&sealed);
        self.lanes[from].sent += 1;
        let epoch = self.epochs[from];
        self.lanes[from].in_flight.push(InFlight { number, epoch, sealed });
    }

    fn deliver(&mut self, from: usize) {
        let to = 1 - from;
        let reached = self.epochs[to];
        let ready: Vec<usize> = (0..self.lanes[from].in_flight.len())
            .filter(|place| self.lanes[from].in_flight[*place].epoch <= reached)
            .collect();
        if ready.is_empty() {
            return;
        }
        let place = ready[self.below(ready.len())];
        let InFlight { number, sealed, .. } = self.lanes[from].in_flight.swap_remove(place);
        let text = number.to_be_bytes();
        if self.below(8) == 0 {
            // Opened, but dies before the disk knows: the same ciphertext comes again.
            assert_eq!(self.parties[to].session().decrypt(&sealed).as_deref(), Ok(&text[..]));
            self.parties[to].crash();
        }
        assert_eq!(self.parties[to].receive(&sealed).as_deref(), Ok(&text[..]), "message {number}");
        assert!(self.lanes[from].opened.insert(number));
        self.lanes[from].repetitions.push(sealed);
    }

    fn repeat(&mut self, from: usize) {
        let place = self.below(self.lanes[from].repetitions.len());
        if let Some(sealed) = self.lanes[from].repetitions.get(place).cloned() {
            assert!(self.parties[1 - from].receive(&sealed).is_err());
            assert!(self.parties[1 - from].session().take_changes().is_empty());
        }
    }

    fn refresh(&mut self, from: usize) {
        if !self.parties[from].session().our_turn() {
            return;
        }
        // Nothing may fall more than the past epochs behind.
        while self
            .lanes
            .iter()
            .flat_map(|lane| &lane.in_flight)
            .any(|message| message.epoch + limits::MAX_PAST_EPOCHS as u64 <= self.epochs[from])
        {
            self.deliver(0);
            self.deliver(1);
        }
        if self.below(4) == 0 {
            self.parties[from].session().refresh().expect("it is our turn");
            self.parties[from].crash();
        }
        self.lanes[from].commit = Some(self.parties[from].refresh());
        self.epochs[from] += 1;
    }

    fn follow(&mut self, from: usize) {
        let to = 1 - from;
        if let Some(refreshed) = self.lanes[from].commit.take() {
            if self.below(4) == 0 {
                let followed = self.parties[to].session().apply_refresh(refreshed.epoch, &refreshed.commit);
                assert_eq!(followed, Ok(()));
                self.parties[to].crash();
            }
            assert_eq!(self.parties[to].follow(&refreshed), Ok(()));
            self.epochs[to] += 1;
        }
    }
}

/// Walks `steps` steps; `witness` sees every ciphertext that reaches the network.
pub(crate) fn walk<K: Kind>(seed: u64, steps: u32, witness: impl FnMut(&[u8])) {
    let (alice, bob) = pair::<K>();
    let mut walk = Walk::<K, _> {
        parties: [alice, bob],
        lanes: [Lane::default(), Lane::default()],
        epochs: [1, 1],
        rng: ChaCha20Rng::seed_from_u64(seed),
        witness,
    };
    for _ in 0..steps {
        let side = walk.below(2);
        match walk.below(24) {
            0..=8 => walk.send(side),
            9..=18 => walk.deliver(side),
            19..=20 => walk.repeat(side),
            21 => walk.parties[side].crash(),
            22 => walk.refresh(side),
            _ => walk.follow(side),
        }
    }
    walk.follow(0);
    walk.follow(1);
    while walk.lanes.iter().any(|lane| !lane.in_flight.is_empty()) {
        walk.deliver(0);
        walk.deliver(1);
    }
    for lane in &walk.lanes {
        assert_eq!(lane.opened.len(), usize::try_from(lane.sent).expect("32 bits fit"));
    }
}
