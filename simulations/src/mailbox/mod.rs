//! A seeded world of mailbox machines: people write to each other while they are offline, and holders come, go and lie.
//!
//! In: a seed. It decides how many nodes there are, how many of them lie, what the network does and what happens when. Out: a [`Report`], or the first
//! broken promise with the seed that repeats it. The promises:
//! - a letter that is said to be stored arrives, as long as one honest holder that signed for it comes back with its disk;
//! - none is handed over again after the messenger has dealt with it, also after a crash;
//! - a receipt speaks of what is on the disk at that moment;
//! - only owners are shown what is in a mailbox;
//! - no disk has more than quotas and the share allow, and no honest node is accused;
//! - a machine never wakes all the time.
//!
//! `world` is the machines with their disks and clocks (`node`), `net` the network between them, `liar` the hostile holders, `story` what happens in which order;
//! [`churn`] is weeks of coming and going, for figures. Not here: the messenger, sockets, real time.

pub mod churn;
mod liar;
mod net;
mod node;
mod story;
mod world;

pub use story::{month, run};

/// What a world went through. Only for people to look at: the promises are checked on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Nodes in the world.
    pub nodes: usize,
    /// How many of them lied.
    pub liars: usize,
    /// Steps of machines.
    pub steps: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Bytes of requests and answers.
    pub bytes: u64,
    /// Times somebody asked who is closest to a mailbox.
    pub walks: u64,
    /// Crashes and restarts.
    pub crashes: u64,
    /// Letters that were written.
    pub letters: u64,
    /// Letters that were said to be stored.
    pub stored: u64,
    /// Times a letter was handed to a messenger.
    pub arrived: u64,
    /// Letters that did not arrive, for they were not stored.
    pub undelivered: u64,
    /// Peers reported for misbehaviour.
    pub penalised: u64,
}

#[cfg(test)]
mod tests {
    use super::{churn::Churn, *};
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Instant,
    };

    /// Seeds of a normal run. `SEED=n` runs that one alone.
    const SEEDS: u64 = 100;

    fn number<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    }

    #[test]
    fn what_is_stored_arrives_once_in_any_world() {
        if let Ok(seed) = std::env::var("SEED") {
            let seed = seed.parse().expect("SEED is a number");
            println!("{:#?}", run(seed).expect("the promises hold"));
            return;
        }
        let next = AtomicU64::new(0);
        let (letters, stored, penalised) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= number("SEEDS", SEEDS) {
                            return;
                        }
                        match run(seed) {
                            Ok(report) => {
                                letters.fetch_add(report.letters, Ordering::Relaxed);
                                stored.fetch_add(report.stored, Ordering::Relaxed);
                                penalised.fetch_add(report.penalised, Ordering::Relaxed);
                            }
                            Err(broken) => panic!(
                                "{broken}\nrepeat with: SEED={seed} cargo test -p pc2-simulations mailbox"
                            ),
                        }
                    }
                });
            }
        });
        let (letters, stored) = (letters.into_inner(), stored.into_inner());
        // Worlds in which nothing happens would keep every promise.
        assert!(letters > 0 && stored * 2 > letters, "{stored} of {letters} letters were stored");
        assert!(penalised.into_inner() > 0, "liars are noticed");
    }

    #[test]
    fn a_letter_waits_for_four_weeks_at_a_pinned_holder_when_all_others_have_let_it_go() {
        let report = month(0).expect("it arrives");
        assert_eq!(report.penalised, 0, "{report:#?}");
    }

    #[test]
    fn a_seed_repeats_its_world() {
        assert_eq!(run(3), run(3));
    }

    #[test]
    fn mailboxes_alone_deliver_while_nodes_come_and_go() {
        let small = Churn { nodes: 30, days: 2, letters_a_day: 60, ..Churn::FULL };
        let delivered = churn::run(1, &small).expect("the promises hold");
        assert!(delivered.stored >= 30 && delivered.arrived == delivered.stored, "{delivered:#?}");
    }

    /// The figures of `docs/simulations/mailboxes.md`, and with `OUT=docs/simulations` its pictures: `make sim-mailboxes`, or
    /// `N=200 DAYS=14 cargo test --release -p pc2-simulations weeks_of_mailboxes -- --ignored --nocapture`.
    #[test]
    #[ignore = "takes minutes of processor time: make sim-mailboxes runs it"]
    fn weeks_of_mailboxes() {
        let full = Churn {
            nodes: number("N", 200),
            days: number("DAYS", 14),
            letters_a_day: number("LETTERS", Churn::FULL.letters_a_day),
            half_life_hours: number("HALF_LIFE", Churn::FULL.half_life_hours),
            up: number("UP", Churn::FULL.up),
            die: number("DIE", 0),
            wiped: number("WIPED", 0) > 0,
        };
        let seed = number("SEED", 1);
        println!("seed {seed}: {full:?}");
        let began = Instant::now();
        let delivered = churn::run(seed, &full).expect("the promises hold");
        if let Some(directory) = std::env::var("OUT").ok().filter(|to| !["", "-"].contains(&to.as_str())) {
            for (name, svg) in churn::pictures(&full, &delivered) {
                let file = std::path::Path::new(&directory).join(name);
                std::fs::write(file, svg).expect("a picture can be written");
            }
        }
        let delivered = churn::Delivered { moments: vec![], ..delivered };
        println!("{delivered:#?}\nin {:.0} s", began.elapsed().as_secs_f64());
        let missing = delivered.stored - delivered.arrived;
        println!("from mailboxes alone: {} of {}, {missing} missing", delivered.arrived, delivered.stored);
        println!("of those that waited when nodes died: {} of {}", delivered.arrived_after, delivered.waited);
        assert!(delivered.stored > 0);
        if full.die == 0 && !full.wiped {
            assert!(missing * 10_000 <= delivered.stored, "at least 99.99 % arrive");
        } else if full.die <= 30 {
            let missing = delivered.waited - delivered.arrived_after;
            assert!(missing * 1_000 <= delivered.waited, "at least 99.9 % of what waited arrive");
        }
    }
}
