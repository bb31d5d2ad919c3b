//! Many seeds, and the single one that `SEED` names.

use super::{
    keys::{Ledger, Mls},
    terms::{Settings, Summary},
    world::World,
};

/// Runs one seed; a failure names it.
fn run(seed: u64) -> Summary {
    let settings = Settings { trace: std::env::var_os("TRACE").is_some(), ..Settings::default() };
    World::new(seed, Ledger, settings).run().unwrap_or_else(|violation| {
        panic!("seed {seed}: {violation:?}\nrepeat with: SEED={seed} cargo test -p pc2-simulations messenger")
    })
}

fn one_seed() -> Option<u64> {
    std::env::var("SEED").ok().and_then(|seed| seed.parse().ok())
}

fn run_seeds(seeds: std::ops::Range<u64>) {
    if let Some(seed) = one_seed() {
        println!("seed {seed}: {:?}", run(seed));
        return;
    }
    let mut total = Summary::default();
    for seed in seeds {
        let summary = run(seed);
        total.steps += summary.steps;
        total.acknowledged += summary.acknowledged;
        total.delivered += summary.delivered;
        total.crashes += summary.crashes;
        total.rebuilds += summary.rebuilds;
        total.keys_used += summary.keys_used;
        total.reinstalls += summary.reinstalls;
        total.parcels += summary.parcels;
    }
    println!("{total:?}");
    assert!(total.delivered * 2 > total.acknowledged, "most messages arrive: {total:?}");
    assert!(total.crashes > 100 && total.rebuilds > 100, "things go wrong: {total:?}");
    assert!(total.reinstalls > 5, "disks are lost: {total:?}");
    assert!(total.parcels > 500, "mailboxes are used: {total:?}");
}

#[test]
fn nothing_is_lost_or_doubled_with_the_real_cryptography() {
    let settings = Settings { wild_millis: 60_000, pace_millis: 4_000, ..Settings::default() };
    let keys = Mls::new(4);
    for seed in 0..8 {
        if let Err(violation) = World::new(seed, keys.clone(), settings).run() {
            panic!("seed {seed} with MLS: {violation:?}");
        }
    }
}

#[test]
fn nothing_is_lost_or_doubled_in_the_first_half_of_500_worlds() {
    run_seeds(0..250);
}

#[test]
fn nothing_is_lost_or_doubled_in_the_second_half_of_500_worlds() {
    if one_seed().is_none() {
        run_seeds(250..500);
    }
}

#[test]
fn people_who_are_never_up_together_get_everything_once_and_in_order_by_mailboxes_alone() {
    let settings =
        Settings { apart: true, trace: std::env::var_os("TRACE").is_some(), ..Settings::default() };
    let settings =
        Settings { wild_millis: 900_000, pace_millis: 8_000, calm_millis: 12 * 3_600_000, ..settings };
    let mut total = Summary::default();
    for seed in one_seed().map_or(0..60, |seed| seed..seed + 1) {
        let summary = World::new(seed, Ledger, settings).run().unwrap_or_else(|violation| {
            panic!("seed {seed}, apart: {violation:?}\nrepeat with: SEED={seed} cargo test -p pc2-simulations never_up_together")
        });
        total.acknowledged += summary.acknowledged;
        total.delivered += summary.delivered;
        total.parcels += summary.parcels;
    }
    println!("{total:?}");
    assert!(one_seed().is_some() || total.delivered > 1_000, "a lot is said: {total:?}");
}

#[test]
fn letters_that_all_their_holders_lost_are_asked_for_and_brought_again_by_mailboxes_alone() {
    let settings = Settings { apart: true, lossy: true, ..Settings::default() };
    let settings = Settings { trace: std::env::var_os("TRACE").is_some(), ..settings };
    let settings =
        Settings { wild_millis: 900_000, pace_millis: 8_000, calm_millis: 48 * 3_600_000, ..settings };
    let mut total = Summary::default();
    for seed in one_seed().map_or(0..40, |seed| seed..seed + 1) {
        let summary = World::new(seed, Ledger, settings).run().unwrap_or_else(|violation| {
            panic!("seed {seed}, lossy: {violation:?}\nrepeat with: SEED={seed} cargo test -p pc2-simulations letters_that_all")
        });
        total.delivered += summary.delivered;
        total.lost += summary.lost;
    }
    println!("{total:?}");
    assert!(
        one_seed().is_some() || (total.delivered > 500 && total.lost > 20),
        "letters are lost: {total:?}"
    );
}

#[test]
fn a_seed_is_a_run() {
    assert_eq!(run(77), run(77));
}
