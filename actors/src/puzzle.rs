//! Solving puzzles: the work by which a stranger pays for a place in somebody's small mailbox.
//!
//! In: a challenge and how hard it is. Out: the nonce, on a blocking thread, one puzzle at a time: it takes a core for a moment, and nobody waits
//! on the spot. What is unsolved when the last clone is dropped is given up.
//!
//! Not here: what a challenge is made of (`pc2_protocols::mailbox`).

use sha2::{Digest as _, Sha256};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{runtime, sync::Semaphore};

/// Tries between two looks at whether it is still wanted: some milliseconds.
const TRIES_BETWEEN_LOOKS: u64 = 4_096;

/// Solves puzzles. Clones share one place at work.
#[derive(Debug, Clone)]
pub(crate) struct Puzzles {
    io: runtime::Handle,
    at_work: Arc<Semaphore>,
    wanted: Arc<Wanted>,
}

/// Whether anybody still wants solutions.
#[derive(Debug, Default)]
struct Wanted {
    over: Arc<AtomicBool>,
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Puzzles {
    pub(crate) fn new(io: runtime::Handle) -> Self {
        Self { io, at_work: Arc::new(Semaphore::new(1)), wanted: Arc::default() }
    }

    /// Solves one when those before it are solved. How many wait is for whoever asks to bound.
    pub(crate) fn solve(&self, challenge: [u8; 32], bits: u8, solved: impl FnOnce(u64) + Send + 'static) {
        let (at_work, over) = (Arc::clone(&self.at_work), Arc::clone(&self.wanted.over));
        let io = self.io.clone();
        self.io.spawn(async move {
            let Ok(permit) = at_work.acquire_owned().await else { return };
            io.spawn_blocking(move || {
                let nonce = search(&challenge, bits, &over);
                drop(permit);
                if let Some(nonce) = nonce {
                    solved(nonce);
                }
            });
        });
    }
}

/// The first nonce for which SHA-256(challenge ‖ nonce) begins with `bits` zero bits; `None` when it is not wanted any more.
fn search(challenge: &[u8; 32], bits: u8, over: &AtomicBool) -> Option<u64> {
    let begun = Sha256::new().chain_update(challenge);
    (0..=u64::MAX).take_while(|nonce| nonce % TRIES_BETWEEN_LOOKS != 0 || !over.load(Ordering::Relaxed)).find(
        |nonce| {
            let hash: [u8; 32] = begun.clone().chain_update(nonce.to_be_bytes()).finalize().into();
            zero_bits(&hash) >= u32::from(bits)
        },
    )
}

/// How many zero bits a hash begins with.
fn zero_bits(hash: &[u8; 32]) -> u32 {
    let zeros = hash.iter().take_while(|byte| **byte == 0).count();
    let rest = hash.get(zeros).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(zeros).unwrap_or(u32::MAX).saturating_mul(8).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[test]
    fn zero_bits_are_counted_from_the_first() {
        let mut hash = [0xff; 32];
        assert_eq!(zero_bits(&hash), 0);
        hash[..3].copy_from_slice(&[0, 0, 0x1f]);
        assert_eq!(zero_bits(&hash), 19);
        assert_eq!(zero_bits(&[0; 32]), 256);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_solution_hashes_to_as_many_zero_bits_as_asked_for() {
        let puzzles = Puzzles::new(runtime::Handle::current());
        let (found, mut solutions) = mpsc::channel(4);
        for bits in [0, 1, 9, 14] {
            let found = found.clone();
            puzzles
                .solve([bits; 32], bits, move |nonce| found.blocking_send((bits, nonce)).expect("awaited"));
        }
        for _ in 0..4 {
            let (bits, nonce) = solutions.recv().await.expect("solved");
            let hash = Sha256::new().chain_update([bits; 32]).chain_update(nonce.to_be_bytes()).finalize();
            assert!(zero_bits(&hash.into()) >= u32::from(bits));
        }
    }

    #[test]
    fn what_nobody_wants_any_more_is_given_up() {
        let wanted = Wanted::default();
        let over = Arc::clone(&wanted.over);
        let search = std::thread::spawn(move || search(&[1; 32], 255, &over));
        drop(wanted);
        assert_eq!(search.join().expect("ends"), None);
    }
}
