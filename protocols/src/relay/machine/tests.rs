//! The machine as a whole: what a person sees, what the others are told, and that nothing flaps.

use super::*;
use crate::{
    id::NodeId,
    limits::{LEVEL_FIRST_CHANGE, LEVEL_PACE, PROBE_LIFETIME, RELAY_PLACES, RELAY_SETTLE, RELAY_SPREAD_PACE},
    net::{Address, Mapping, Prefix, RelayShare, ReservationError},
    relay::Reachability,
    time::UnixMillis,
};
use proptest::prelude::*;
use rand_core::SeedableRng as _;
use std::{collections::BTreeSet, time::Duration};

const A: Prefix = Prefix::V4([1, 1, 1]);
const B: Prefix = Prefix::V4([2, 2, 2]);
const CALL: CallId = CallId(1);

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn address(number: u8) -> Address {
    Address::try_from(format!("/ip4/192.0.2.{number}/tcp/4201")).expect("an address")
}

fn row(choice: LevelChoice) -> ContributionRow {
    ContributionRow { choice, shares: Shares::default() }
}

/// One machine with a clock. Everything it persists is durable at once.
struct Bench {
    relay: Relay,
    now: Mono,
    disk: ContributionRow,
    out: Vec<Out>,
}

impl Bench {
    /// A node that has just started.
    fn new(choice: LevelChoice) -> Self {
        let mut bench = Self::silent(row(choice));
        bench.step(In::Tick);
        bench
    }

    fn silent(disk: ContributionRow) -> Self {
        let relay = Relay::new(disk.clone(), ChaCha20Rng::from_seed([3; 32]));
        Self { relay, now: Mono(0), disk, out: Vec::new() }
    }

    fn step(&mut self, input: In) {
        let mut out = Vec::new();
        let now = Now { mono: self.now, unix: UnixMillis(self.now.0) };
        self.relay.handle(now, input, &mut out);
        self.perform(out);
    }

    fn perform(&mut self, outs: Vec<Out>) {
        for out in outs {
            match out {
                Out::Persist { changes, then } => {
                    for Change::PutContribution(row) in changes {
                        self.disk = row;
                    }
                    self.perform(then);
                }
                other => self.out.push(other),
            }
        }
    }

    fn reach(&mut self, reach: Reach) {
        self.step(In::Reach { reach });
    }

    fn probe(&mut self, by: u8, prefix: Prefix, reachable: bool) {
        self.reach(Reach::Probed { address: address(1), by: node(by), prefix, reachable });
    }

    fn proved(&mut self) {
        self.probe(1, A, true);
        self.probe(2, B, true);
    }

    fn seen(&mut self, number: u8, prefix: Prefix) {
        self.reach(Reach::RelaySeen { node: node(number), prefix, latency: None });
    }

    fn granted(&mut self, number: u8) {
        self.reach(Reach::Reserved { relay: node(number), addresses: vec![address(number)] });
    }

    /// Lets time pass as a host does: at each deadline the machine gets its tick.
    fn pass(&mut self, time: Duration) {
        let end = self.now.after(time);
        for _ in 0..10_000 {
            match self.relay.next_deadline().filter(|due| *due <= end) {
                Some(due) => {
                    self.now = self.now.max(due);
                    self.step(In::Tick);
                }
                None => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("the machine wakes itself for ever");
    }

    fn levels(&mut self) -> Vec<Level> {
        let out = std::mem::take(&mut self.out);
        out.iter()
            .filter_map(|out| if let Out::Level { level, .. } = out { Some(*level) } else { None })
            .collect()
    }

    fn asked(&mut self) -> Vec<(bool, u8)> {
        let number = |relay: &NodeId| relay.as_bytes()[0];
        let out = std::mem::take(&mut self.out);
        let places = out.iter().filter_map(|out| match out {
            Out::Net(NetCommand::Reserve { relay }) => Some((true, number(relay))),
            Out::Net(NetCommand::Release { relay }) => Some((false, number(relay))),
            _ => None,
        });
        places.collect()
    }

    fn call(&mut self, command: Command) -> Result<ReachView, CommandError> {
        self.out.clear();
        self.step(In::Call { call: CALL, command });
        let answer = self.out.iter().position(|out| matches!(out, Out::Reply { .. })).expect("an answer");
        match self.out.remove(answer) {
            Out::Reply { call: CALL, result } => result.map(|Reply::Shown(view)| *view),
            _ => unreachable!("found just now"),
        }
    }

    fn view(&mut self) -> ReachView {
        self.call(Command::Show).expect("it is always shown")
    }
}

#[test]
fn auto_begins_at_level_2_and_takes_level_3_when_two_parts_of_the_network_got_through() {
    let mut bench = Bench::new(LevelChoice::Auto);
    assert_eq!(bench.levels(), [Level::Participant]);
    let view = bench.view();
    assert_eq!((view.level, view.reachability), (Level::Participant, Reachability::Unknown));
    assert!(view.why.contains("nobody outside has tried"), "{}", view.why);

    bench.proved();
    assert_eq!((bench.levels(), bench.view().reachability), (vec![], Reachability::Public));
    bench.pass(LEVEL_FIRST_CHANGE);
    let contribute = NetCommand::Contribute { routes: true, relay: Some(RelayShare::default()) };
    assert!(bench.out.iter().any(|out| matches!(out, Out::Net(command) if *command == contribute)));
    assert_eq!(bench.levels(), [Level::Relay]);
    assert!(bench.view().why.contains("different parts of the network"));
}

#[test]
fn a_lan_alone_stays_at_level_2() {
    let mut bench = Bench::new(LevelChoice::Auto);
    for peer in 1..9 {
        bench.probe(peer, Prefix::Local, true);
    }
    bench.pass(3 * LEVEL_PACE);
    assert_eq!((bench.view().level, bench.view().reachability), (Level::Participant, Reachability::Unknown));
}

#[test]
fn a_mapping_that_one_peer_confirms_is_enough() {
    let mut bench = Bench::new(LevelChoice::Auto);
    bench.reach(Reach::Mapped { address: address(1) });
    bench.probe(1, A, true);
    bench.pass(LEVEL_FIRST_CHANGE);
    let view = bench.view();
    assert_eq!((view.level, view.mapped), (Level::Relay, vec![address(1)]));
    assert!(view.why.contains("router"), "{}", view.why);
    bench.reach(Reach::NoGateway);
    bench.pass(2 * LEVEL_PACE);
    assert_eq!(bench.view().level, Level::Participant);
}

#[test]
fn it_goes_back_to_level_2_when_nobody_has_got_through_for_long_enough() {
    let mut bench = Bench::new(LevelChoice::Auto);
    bench.proved();
    bench.pass(PROBE_LIFETIME + LEVEL_PACE - Duration::from_millis(1));
    assert_eq!(bench.levels(), [Level::Participant, Level::Relay]);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.levels(), [Level::Participant]);
}

#[test]
fn a_new_life_that_is_told_what_was_known_goes_on_at_its_level() {
    let mut bench = Bench::silent(row(LevelChoice::Auto));
    assert_eq!(bench.relay.next_deadline(), Some(Mono(0)));
    bench.reach(Reach::Mapping { mapping: Mapping::Same });
    bench.seen(2, B);
    bench.seen(1, A);
    bench.granted(1);
    bench.proved();
    assert!(bench.out.is_empty(), "{:?}", bench.out);
    bench.step(In::Tick);
    assert_eq!(bench.levels(), [Level::Relay]);
    assert_eq!(bench.view().reservations.len(), 1);
}

#[test]
fn a_chosen_level_is_on_disk_before_it_is_in_effect_and_answered() {
    let mut bench = Bench::new(LevelChoice::Auto);
    bench.out.clear();
    let mut out = Vec::new();
    let choice = LevelChoice::Fixed(Level::Client);
    let call = In::Call { call: CALL, command: Command::SetLevel { choice } };
    bench.relay.handle(Now::default(), call, &mut out);
    let Out::Persist { changes, then } = &out[0] else { panic!("written first: {out:?}") };
    assert_eq!(*changes, [Change::PutContribution(row(choice))]);
    let told = matches!(
        &then[..],
        [
            Out::Level { level: Level::Client, .. },
            Out::Net(NetCommand::Contribute { routes: false, relay: None }),
            Out::Reply { call: CALL, result: Ok(_) }
        ]
    );
    assert!(told, "{then:?}");
    assert!(out[1..].iter().all(|out| matches!(out, Out::Changed)), "{out:?}");
}

#[test]
fn a_chosen_level_stays_whatever_the_network_is_like() {
    for level in [Level::Client, Level::Participant, Level::Relay, Level::Supernode] {
        let mut bench = Bench::new(LevelChoice::Fixed(level));
        bench.proved();
        bench.pass(2 * PROBE_LIFETIME);
        assert_eq!(bench.levels(), [level]);
        assert!(bench.view().why.contains("chosen"));
    }
}

#[test]
fn auto_again_decides_at_once_by_what_is_known() {
    let mut bench = Bench::new(LevelChoice::Fixed(Level::Client));
    bench.proved();
    let view = bench.call(Command::SetLevel { choice: LevelChoice::Auto }).expect("taken");
    assert_eq!((view.choice, view.level), (LevelChoice::Auto, Level::Relay));
    assert_eq!(bench.levels(), [Level::Relay]);
}

#[test]
fn shares_are_kept_told_and_bounded() {
    let mut bench = Bench::new(LevelChoice::Fixed(Level::Relay));
    let relay = RelayShare { circuits: 7, ..RelayShare::default() };
    let shares = Shares { relay, mailbox_bytes: 1 << 30 };
    assert_eq!(bench.call(Command::SetShares { shares }).map(|view| view.shares), Ok(shares));
    assert_eq!(bench.disk, ContributionRow { choice: LevelChoice::Fixed(Level::Relay), shares });
    let told = bench
        .out
        .iter()
        .any(|out| matches!(out, Out::Level { mailbox_bytes, .. } if *mailbox_bytes == 1 << 30));
    let lent = NetCommand::Contribute { routes: true, relay: Some(relay) };
    assert!(told && bench.out.iter().any(|out| matches!(out, Out::Net(command) if *command == lent)));

    let none = Shares { mailbox_bytes: 0, ..shares };
    let Err(CommandError::BadShare { what }) = bench.call(Command::SetShares { shares: none }) else {
        panic!("refused")
    };
    assert!(what.contains("mailbox_bytes = 0"), "{what}");
    assert_eq!((bench.view().shares, bench.disk.shares), (shares, shares));
}

#[test]
fn a_node_that_is_not_reached_holds_places_and_gives_them_up_when_it_is() {
    let mut bench = Bench::new(LevelChoice::Auto);
    bench.seen(1, A);
    bench.seen(2, B);
    assert_eq!(bench.asked(), []);
    bench.pass(RELAY_SETTLE);
    assert_eq!(bench.asked(), [(true, 1), (true, 2)]);
    bench.granted(1);
    assert_eq!(bench.view().reachability, Reachability::Relayed);
    bench.granted(2);
    bench.proved();
    bench.pass(LEVEL_PACE / 2);
    assert_eq!(bench.asked(), [], "others still have cards that name them");
    bench.pass(LEVEL_PACE / 2);
    assert_eq!(bench.asked(), [(false, 1), (false, 2)]);
    assert_eq!(bench.view().reachability, Reachability::Public);
}

#[test]
fn a_node_behind_a_nat_asks_at_once_and_level_1_does_so_too() {
    let mut bench = Bench::new(LevelChoice::Fixed(Level::Client));
    bench.reach(Reach::Mapping { mapping: Mapping::Same });
    assert_eq!(bench.view().reachability, Reachability::Private);
    bench.seen(1, A);
    assert_eq!(bench.asked(), [(true, 1)]);
}

#[test]
fn whoever_chose_to_relay_holds_no_place() {
    let mut bench = Bench::new(LevelChoice::Auto);
    bench.reach(Reach::Mapping { mapping: Mapping::PerDestination });
    bench.seen(1, A);
    bench.granted(1);
    bench.asked();
    let view = bench.call(Command::SetLevel { choice: LevelChoice::Fixed(Level::Relay) }).expect("taken");
    assert_eq!(view.level, Level::Relay);
    assert_eq!(bench.asked(), [(false, 1)]);
    bench.probe(1, A, false);
    assert!(bench.relay.status().concerns[0].contains("nobody outside reaches this node"));
}

#[test]
fn another_network_makes_everything_uncertain_again() {
    let mut bench = Bench::new(LevelChoice::Auto);
    bench.proved();
    bench.reach(Reach::Mapped { address: address(1) });
    bench.seen(1, A);
    bench.pass(LEVEL_FIRST_CHANGE);
    assert_eq!(bench.asked(), [], "it is reached");
    bench.step(In::NetworkChanged);
    assert_eq!(bench.asked(), [(true, 1)], "it may not be reached any more, and does not wait to find out");
    let view = bench.view();
    assert_eq!((view.reachability, view.probed, view.mapped), (Reachability::Unknown, vec![], vec![]));
    assert_eq!(view.level, Level::Relay, "others hang on it");
    bench.pass(LEVEL_PACE);
    assert_eq!(bench.view().level, Level::Participant);
}

#[test]
fn those_who_look_hear_of_changes_and_of_nothing_else() {
    let mut bench = Bench::new(LevelChoice::Auto);
    let changes = |bench: &mut Bench| {
        std::mem::take(&mut bench.out).iter().filter(|out| matches!(out, Out::Changed)).count()
    };
    changes(&mut bench);
    bench.probe(1, A, true);
    assert_eq!(changes(&mut bench), 1);
    bench.now = Mono(1_000);
    bench.probe(1, A, true);
    bench.reach(Reach::RelaySeen { node: node(1), prefix: A, latency: Some(Duration::from_millis(3)) });
    assert_eq!(changes(&mut bench), 0);
}

fn anything() -> impl Strategy<Value = In> {
    let who = (0u8..6).prop_map(node);
    let prefix = prop_oneof![Just(A), Just(B), Just(Prefix::Local)];
    let reason = prop_oneof![
        Just(ReservationError::Unreachable),
        Just(ReservationError::Refused),
        Just(ReservationError::Unsupported),
        Just(ReservationError::Released)
    ];
    let mapping = prop_oneof![Just(Mapping::Unknown), Just(Mapping::None), Just(Mapping::Same)];
    let reach = prop_oneof![
        (0u8..3, who.clone(), prefix.clone(), any::<bool>()).prop_map(|(at, by, prefix, reachable)| {
            Reach::Probed { address: address(at), by, prefix, reachable }
        }),
        (0u8..3).prop_map(|at| Reach::Mapped { address: address(at) }),
        (0u8..3).prop_map(|at| Reach::Unmapped { address: address(at) }),
        Just(Reach::NoGateway),
        mapping.prop_map(|mapping| Reach::Mapping { mapping }),
        (who.clone(), prefix).prop_map(|(node, prefix)| Reach::RelaySeen { node, prefix, latency: None }),
        who.clone().prop_map(|node| Reach::RelayGone { node }),
        who.clone().prop_map(|relay| Reach::Reserved { relay, addresses: vec![] }),
        (who.clone(), reason).prop_map(|(relay, reason)| Reach::ReservationLost { relay, reason }),
    ];
    prop_oneof![
        9 => reach.prop_map(|reach| In::Reach { reach }),
        1 => who.prop_map(|node| In::PeerDown { node }),
        1 => Just(()).prop_map(|()| In::NetworkChanged),
    ]
}

proptest! {
    #[test]
    fn whatever_is_found_out_there_are_two_places_at_most_and_no_level_flaps(
        inputs in proptest::collection::vec((anything(), 0u64..400), 1..300)
    ) {
        let mut bench = Bench::new(LevelChoice::Auto);
        bench.out.clear();
        let mut places = BTreeSet::new();
        let mut changed: Option<Mono> = None;
        for (input, seconds) in inputs {
            if let In::Reach { reach: Reach::ReservationLost { relay, .. } } = &input {
                places.remove(relay);
            }
            if let In::Reach { reach: Reach::Reserved { relay, .. } } = &input {
                places.insert(*relay);
            }
            bench.step(input);
            let end = bench.now.after(Duration::from_secs(seconds));
            loop {
                for out in std::mem::take(&mut bench.out) {
                    match out {
                        Out::Net(NetCommand::Reserve { relay }) => {
                            prop_assert!(places.insert(relay), "asked twice");
                        }
                        Out::Net(NetCommand::Release { relay }) => {
                            places.remove(&relay);
                        }
                        Out::Level { .. } => {
                            let pace = changed.map_or(LEVEL_FIRST_CHANGE, |_| LEVEL_PACE);
                            let since = bench.now.since(changed.unwrap_or(Mono(0)));
                            prop_assert!(since >= pace, "changed after {since:?}");
                            changed = Some(bench.now);
                        }
                        _ => {}
                    }
                }
                prop_assert!(places.len() <= RELAY_PLACES, "{places:?}");
                prop_assert_eq!(bench.relay.places.reservations().len(), places.len());
                match bench.relay.next_deadline().filter(|due| *due <= end) {
                    Some(due) => {
                        prop_assert!(due > bench.now || bench.now == Mono(0), "it wakes itself for nothing");
                        bench.now = bench.now.max(due);
                        bench.step(In::Tick);
                    }
                    None => break,
                }
            }
            bench.now = end;
        }
        prop_assert!(RELAY_SPREAD_PACE < LEVEL_PACE);
    }
}
