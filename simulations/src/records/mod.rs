//! A seeded world of record machines: cards are published, changed and looked up while the network misbehaves.
//!
//! In: a seed. It decides how many nodes there are, how many of them lie, what the network does and what happens when. Out: a
//! [`Report`], or the first broken promise with the seed that repeats it. The promises:
//! - every published card is found by others through third parties, its owner online or not, within the lease;
//! - who looks up a card is never shown an older one than a quorum had confirmed before they asked (while nodes restart and
//!   messages are lost, delayed, doubled and reordered; not while the network is torn apart), nor one older
//!   than they were shown before;
//! - a forged record is never believed and never on an honest disk;
//! - what is answered `Stored` is on the disk at that moment, so that no crash can take it back;
//! - a machine never wakes all the time.
//!
//! `world` is the machines with their disks and clocks (`node`), `net` the network between them, `liar` the hostile nodes, `story` what
//! happens in which order. Not here: messages, sockets, real time.

mod liar;
mod net;
mod node;
pub mod scale;
mod story;
mod world;

pub use story::run;

/// What a world went through. Only for people to look at: the promises are checked on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Nodes in the world.
    pub nodes: usize,
    /// How many of them lied.
    pub liars: usize,
    /// Steps of machines.
    pub steps: u64,
    /// Messages that were sent.
    pub messages: u64,
    /// Messages that were lost.
    pub lost: u64,
    /// Crashes and restarts.
    pub crashes: u64,
    /// Lookups that found a card.
    pub found: u64,
    /// Lookups that found none, while there was none yet or the network was torn apart.
    pub missed: u64,
    /// Cards confirmed by a quorum.
    pub confirmed: u64,
    /// Peers reported for misbehaviour.
    pub penalised: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Seeds of a normal run. `SEED=n` runs that one alone.
    const SEEDS: u64 = 250;

    #[test]
    fn cards_are_found_and_never_go_back_in_any_world() {
        if let Ok(seed) = std::env::var("SEED") {
            let seed = seed.parse().expect("SEED is a number");
            println!("{:#?}", run(seed).expect("the promises hold"));
            return;
        }
        let next = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= SEEDS {
                            return;
                        }
                        if let Err(broken) = run(seed) {
                            panic!(
                                "{broken}\nrepeat with: SEED={seed} cargo test -p pc2-simulations records"
                            );
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn a_hundred_nodes_find_each_other() {
        let report = story::run_with(1, 100, 0).expect("the promises hold");
        assert!(report.found >= 200, "{report:?}");
    }

    #[test]
    fn a_seed_repeats_its_world() {
        assert_eq!(run(3), run(3));
    }
}
