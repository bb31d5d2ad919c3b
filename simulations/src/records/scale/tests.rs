use super::*;

/// What a test runs: the size of a village. `N=1000 SEED=7` runs another.
fn scale() -> Scale {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    };
    let nodes = usize::try_from(number("N", 100)).expect("a number of nodes");
    Scale { nodes, seed: number("SEED", 1), hours: number("HOURS", 0) }
}

/// Checks that a world kept its promises; says how to repeat it if not.
fn check(scale: Scale, figures: &Figures, least: &[(&str, f64)]) {
    let again = format!(
        "repeat with: SEED={} N={} HOURS={} cargo test -p pc2-simulations scale",
        scale.seed, scale.nodes, scale.hours
    );
    for sample in &figures.samples {
        println!(
            "{:<50} {:>5}/{:<5} {:6.2} %, outdated {}, requests p50 {} p95 {}, ms p50 {} p95 {}",
            sample.label,
            sample.found,
            sample.asked,
            sample.percent(),
            sample.outdated,
            figures::percentile(&sample.requests, 50),
            figures::percentile(&sample.requests, 95),
            figures::percentile(&sample.millis, 50),
            figures::percentile(&sample.millis, 95),
        );
    }
    println!("{:?}", Figures { samples: vec![], held: vec![], ..figures.clone() });
    assert_eq!(figures.broken(), Vec::<String>::new(), "{again}");
    for (label, least) in least {
        let sample = figures.sample(label);
        assert!(sample.asked > 0, "nobody asked: {label}; {again}");
        assert!(sample.percent() >= *least, "{label}: {} of {} found; {again}", sample.found, sample.asked);
    }
}

#[test]
fn friends_are_found_before_and_after_a_quarter_is_killed() {
    let scale = scale();
    let figures = everyday(scale);
    // Measured: all of them, over seeds 1 to 3.
    let least = [
        ("before the kill", 99.0),
        ("right after", 97.0),
        ("an hour after: cards", 99.0),
        ("an hour after: values", 99.0),
    ];
    check(scale, &figures, &least);
}

#[test]
fn friends_are_found_with_half_of_the_network_hostile() {
    let scale = scale();
    let figures = half_hostile(scale);
    // Measured: all of them, over seeds 1 to 3. One that is missed is half a percent.
    check(scale, &figures, &[("half hostile", 98.0)]);
}

#[test]
fn sybils_round_a_key_hide_nobody_and_forge_nothing() {
    let scale = scale();
    let figures = sybils(scale);
    // Measured: all of them with seed 1; 65 to 80 % when nobody looks beside a crowded key (docs/simulations/records.md). One that is missed is five percent.
    let least = [
        "20 keys from one /24: before",
        "20 keys from as many /24s: before",
        "20 keys from one /24: 10 minutes after",
        "20 keys from as many /24s: 10 minutes after",
    ];
    check(scale, &figures, &least.map(|label| (label, 90.0)));
}
