//! Whom places are asked of, and in whose stead.

use super::*;
use crate::time::UnixMillis;
use rand_core::SeedableRng as _;

const A: Prefix = Prefix::V4([1, 1, 1]);
const B: Prefix = Prefix::V4([2, 2, 2]);
const C: Prefix = Prefix::V6([3; 6]);

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

/// Places with a clock and what was asked of the network.
struct Bench {
    places: Places,
    now: Mono,
    wanted: Wanted,
    rng: ChaCha20Rng,
}

#[derive(Debug, PartialEq, Eq)]
enum Did {
    Asked(u8),
    GaveUp(u8),
}
use Did::{Asked, GaveUp};

impl Bench {
    fn new(wanted: Wanted) -> Self {
        Self { places: Places::new(), now: Mono(0), wanted, rng: ChaCha20Rng::from_seed([1; 32]) }
    }

    fn seen(&mut self, number: u8, prefix: Prefix, millis: u64) {
        self.places.seen(self.now, node(number), prefix, Some(Duration::from_millis(millis)));
    }

    fn run(&mut self) -> Vec<Did> {
        let mut out = Vec::new();
        self.places.run(self.now, self.wanted, &mut self.rng, &mut out);
        did(out)
    }

    fn pass(&mut self, time: Duration) -> Vec<Did> {
        self.now = self.now.after(time);
        self.run()
    }

    fn granted(&mut self, number: u8) -> Vec<Did> {
        let mut out = Vec::new();
        let now = Now { mono: self.now, unix: UnixMillis(self.now.0) };
        self.places.reserved(now, node(number), Vec::new(), self.wanted, &mut out);
        did(out)
    }

    fn lost(&mut self, number: u8, reason: ReservationError) -> Vec<Did> {
        self.places.lost(self.now, node(number), reason, &mut self.rng);
        self.run()
    }

    fn gone(&mut self, number: u8) -> Vec<Did> {
        let mut out = Vec::new();
        self.places.gone(self.now, node(number), &mut self.rng, &mut out);
        let mut done = did(out);
        done.extend(self.run());
        done
    }
}

fn did(out: Vec<Out>) -> Vec<Did> {
    let number = |node: NodeId| node.as_bytes()[0];
    out.into_iter()
        .map(|out| match out {
            Out::Net(NetCommand::Reserve { relay }) => Asked(number(relay)),
            Out::Net(NetCommand::Release { relay }) => GaveUp(number(relay)),
            other => panic!("places only ask and give up: {other:?}"),
        })
        .collect()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn two_of_different_parts_of_the_network_are_asked_nearest_first() {
    let mut bench = Bench::new(Wanted::All);
    bench.seen(1, A, 50);
    assert_eq!(bench.run(), [], "others are about to introduce themselves");
    bench.seen(2, A, 10);
    bench.seen(3, B, 90);
    bench.seen(4, Prefix::Local, 1);
    assert_eq!(bench.places.due(Wanted::All), Some(Mono(0).after(RELAY_SETTLE)));
    assert_eq!(bench.pass(RELAY_SETTLE), [Asked(2), Asked(3)]);
    assert_eq!(bench.run(), [], "two are enough");
}

#[test]
fn where_there_is_one_part_of_the_network_both_are_in_it() {
    let mut bench = Bench::new(Wanted::AllAtOnce);
    bench.seen(1, A, 50);
    assert_eq!(bench.run(), [Asked(1)], "whoever is hidden does not wait");
    bench.seen(2, A, 10);
    assert_eq!(bench.run(), [Asked(2)]);
}

#[test]
fn a_lost_place_is_replaced_in_the_same_step() {
    let mut bench = Bench::new(Wanted::AllAtOnce);
    for (number, prefix) in [(1, A), (2, B), (3, C)] {
        bench.seen(number, prefix, u64::from(number));
    }
    assert_eq!(bench.run(), [Asked(1), Asked(2)]);
    bench.granted(1);
    bench.granted(2);
    assert_eq!(bench.lost(1, ReservationError::Unreachable), [Asked(3)]);
    assert_eq!(bench.gone(2), [GaveUp(2)], "the first waits a moment before it is asked again");
    assert_eq!(bench.pass(2 * SECOND), [Asked(1)]);
}

#[test]
fn one_that_is_full_or_does_not_answer_waits_longer_each_time() {
    let mut bench = Bench::new(Wanted::AllAtOnce);
    bench.seen(1, A, 1);
    assert_eq!(bench.run(), [Asked(1)]);
    let mut waits = Vec::new();
    for _ in 0..14 {
        bench.lost(1, ReservationError::Unreachable);
        let due = bench.places.due(bench.wanted).expect("it is asked again");
        waits.push(due.since(bench.now));
        bench.now = due;
        assert_eq!(bench.run(), [Asked(1)]);
    }
    assert!(waits[0] >= RETRY_MIN && waits[0] < 2 * RETRY_MIN, "{waits:?}");
    assert!(waits[3] > 4 * waits[0], "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= RELAY_RETRY_MAX * 3 / 2), "{waits:?}");

    assert_eq!(bench.pass(RELAY_PATIENCE), [GaveUp(1)], "silence is a failure as well");
    let mut bench = Bench::new(Wanted::AllAtOnce);
    bench.seen(1, A, 1);
    bench.run();
    assert_eq!(bench.lost(1, ReservationError::Refused), []);
    assert!(bench.places.due(bench.wanted).expect("later").since(bench.now) >= RELAY_FULL_RETRY);
}

#[test]
fn one_that_relays_no_longer_is_not_asked_until_it_is_seen_again() {
    let mut bench = Bench::new(Wanted::AllAtOnce);
    bench.seen(1, A, 1);
    bench.run();
    assert_eq!(bench.lost(1, ReservationError::Unsupported), []);
    assert_eq!((bench.places.due(bench.wanted), bench.places.relays_seen()), (None, 0));
    bench.now = bench.now.after(RELAY_RETRY_MAX);
    bench.seen(1, A, 1);
    assert_eq!(bench.run(), [Asked(1)]);
}

#[test]
fn a_relay_with_a_better_record_goes_before_a_nearer_one() {
    let mut bench = Bench::new(Wanted::AllAtOnce);
    bench.seen(1, A, 1);
    bench.seen(2, B, 2);
    bench.run();
    bench.lost(1, ReservationError::Unreachable);
    bench.now = bench.now.after(10 * SECOND);
    bench.seen(3, C, 200);
    assert_eq!(bench.run(), [Asked(3)]);
}

#[test]
fn what_is_not_wanted_is_given_up_and_what_is_kept_is_not_added_to() {
    let mut bench = Bench::new(Wanted::AllAtOnce);
    bench.seen(1, A, 1);
    bench.run();
    bench.granted(1);
    bench.wanted = Wanted::Kept;
    bench.seen(2, B, 1);
    assert_eq!((bench.run(), bench.places.due(bench.wanted)), (vec![], None));
    bench.wanted = Wanted::None;
    assert_eq!(bench.run(), [GaveUp(1)]);
    assert_eq!(bench.lost(1, ReservationError::Released), []);
    bench.wanted = Wanted::AllAtOnce;
    assert_eq!(bench.run(), [Asked(1), Asked(2)], "what we gave up ourselves is no failure of theirs");
}

#[test]
fn a_place_of_an_earlier_life_is_kept_where_there_is_room() {
    let mut bench = Bench::new(Wanted::All);
    for (number, prefix) in [(1, A), (2, B), (3, C)] {
        bench.seen(number, prefix, 1);
    }
    assert_eq!((bench.granted(1), bench.granted(2)), (vec![], vec![]));
    assert_eq!(bench.granted(3), [GaveUp(3)], "two are enough");
    assert_eq!(bench.granted(9), [GaveUp(9)], "of a relay nobody knows");
    assert_eq!(bench.pass(RELAY_SETTLE), []);
    bench.wanted = Wanted::None;
    assert_eq!(bench.run(), [GaveUp(1), GaveUp(2)]);
    assert_eq!(bench.granted(1), [GaveUp(1)], "it came too late");
}

#[test]
fn two_places_in_one_part_of_the_network_are_spread_but_not_for_one_that_failed() {
    let mut bench = Bench::new(Wanted::AllAtOnce);
    bench.seen(1, A, 1);
    bench.seen(2, A, 2);
    assert_eq!(bench.run(), [Asked(1), Asked(2)]);
    bench.granted(1);
    bench.seen(3, B, 9);
    assert_eq!(bench.run(), [], "not while one is asked for");
    bench.granted(2);
    assert_eq!(bench.run(), [GaveUp(2), Asked(3)], "the slower one");
    assert_eq!(bench.lost(3, ReservationError::Refused), [Asked(2)]);
    bench.granted(2);
    for _ in 0..20 {
        assert_eq!(bench.pass(RELAY_SPREAD_PACE), []);
    }
    bench.seen(4, C, 9);
    assert_eq!(bench.run(), [GaveUp(2), Asked(4)]);
}

#[test]
fn a_place_in_the_own_network_goes_for_one_outside() {
    let mut bench = Bench::new(Wanted::AllAtOnce);
    bench.seen(1, Prefix::Local, 1);
    bench.seen(2, A, 2);
    assert_eq!(bench.run(), [Asked(2), Asked(1)]);
    bench.granted(1);
    bench.granted(2);
    bench.seen(3, B, 90);
    assert_eq!(bench.run(), [GaveUp(1), Asked(3)]);
}

#[test]
fn a_flood_of_relays_is_bounded_and_does_not_push_out_what_is_held() {
    let mut bench = Bench::new(Wanted::AllAtOnce);
    bench.seen(200, A, 900);
    bench.seen(201, B, 900);
    bench.run();
    bench.granted(200);
    bench.granted(201);
    for number in 0..200 {
        bench.seen(number, C, 1);
    }
    assert_eq!(bench.places.relays.len(), MAX_RELAYS);
    assert_eq!(bench.places.reservations().len(), 2);
}
