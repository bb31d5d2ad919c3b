//! Own records: when they go out, what makes them confirmed, and what contests them.

use super::*;

fn stored(bench: &mut Bench) -> Vec<Result<Reply, CommandError>> {
    bench.pass(Duration::from_secs(2));
    bench.replies()
}

fn put_value(payload: &[u8], expected_seq: Option<u64>) -> Command {
    Command::PutValue { salt: b"s".to_vec(), payload: payload.to_vec(), expected_seq }
}

/// A machine that published its value once, at sequence number 1, to nodes 2, 3 and 4.
fn with_value() -> Bench {
    let mut bench = Bench::new(1);
    bench.up([2, 3, 4]);
    bench.command(put_value(b"first", None));
    bench.route(&peers([2, 3, 4]));
    bench.answer_all(&NOTHING);
    bench.route(&peers([2, 3, 4]));
    bench.confirm_all();
    assert!(matches!(
        stored(&mut bench).as_slice(),
        [Ok(Reply::Stored { seq: 1, holders: 3, asked: 3, .. })]
    ));
    bench
}

#[test]
fn the_first_card_goes_out_at_once_and_is_on_disk_before_anybody_hears_of_it() {
    let mut bench = Bench::new(1);
    bench.up([2]);
    bench.slow_disk = Some(vec![]);
    bench.offer_card();
    assert_eq!(bench.route(&peers([2])), vec![]);
    let batches = bench.slow_disk.take().expect("slow");
    for (changes, then) in batches {
        assert!(matches!(changes.as_slice(), [Change::PutPublished(_)]));
        bench.write(changes);
        bench.perform(then);
    }
    assert_eq!(bench.route(&peers([2])), vec![card_key(node(1))]);
    let card = bench.confirm_all().pop().expect("published");
    assert_eq!(card.card().map(|card| card.addresses), Some(vec![address(1)]));
    assert!(bench.disk.published.iter().all(|row| row.confirmed.is_some()));
}

#[test]
fn another_level_is_published_also_by_a_client() {
    let mut bench = Bench::new(1);
    bench.up([2]);
    bench.offer_card();
    bench.route(&peers([2]));
    bench.confirm_all();
    for level in [Level::Client, Level::Relay] {
        bench.step(In::Level { level });
        bench.step(In::Level { level });
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.route(&peers([2])), vec![card_key(node(1))]);
        let card = bench.confirm_all().pop().expect("published").card().expect("a card");
        assert_eq!(card.level, level.number());
    }
}

#[test]
fn before_its_write_is_durable_our_card_is_served_to_nobody() {
    let mut bench = Bench::new(1);
    bench.up([2]);
    bench.slow_disk = Some(vec![]);
    bench.offer_card();
    assert_eq!(bench.ask(3, get(card_key(node(1)))), vec![NOTHING]);
}

#[test]
fn alone_a_card_waits_for_the_first_connection() {
    let mut bench = Bench::new(1);
    bench.offer_card();
    bench.pass(HOUR);
    assert_eq!(bench.route(&[]), vec![]);
    bench.up([2]);
    assert_eq!(bench.route(&peers([2])), vec![card_key(node(1))]);
    assert_eq!(bench.confirm_all().len(), 1);
}

#[test]
fn a_changed_address_makes_a_new_card_with_a_higher_number_after_a_second() {
    let mut bench = Bench::new(1);
    bench.up([2]);
    bench.offer_card();
    bench.route(&peers([2]));
    let first = bench.confirm_all().pop().expect("published");
    bench.step(In::OwnAddresses { addresses: vec![address(8)] });
    bench.step(In::OwnAddresses { addresses: vec![address(8), address(9)] });
    bench.pass(Duration::from_millis(999));
    assert_eq!(bench.route(&peers([2])), vec![]);
    bench.pass(Duration::from_millis(1));
    bench.route(&peers([2]));
    let second = bench.confirm_all().pop().expect("published");
    assert!(second.seq() > first.seq());
    assert_eq!(second.card().map(|card| card.addresses), Some(vec![address(8), address(9)]));
}

#[test]
fn the_number_of_our_card_rises_across_restarts_even_when_the_clock_goes_back() {
    let mut bench = Bench::new(1);
    bench.up([2]);
    bench.offer_card();
    bench.route(&peers([2]));
    let first = bench.confirm_all().pop().expect("published");
    bench.clock.unix = bench.clock.unix.before(30 * DAY);
    let mut bench = bench.restarted();
    bench.up([2]);
    bench.step(In::OwnAddresses { addresses: vec![address(7)] });
    bench.route(&peers([2]));
    let second = bench.published(card_key(node(1))).expect("published");
    assert!(second.seq() > first.seq(), "{} > {}", second.seq(), first.seq());
}

#[test]
fn a_restart_with_nothing_changed_publishes_nothing_new_and_keeps_the_refresh() {
    let mut bench = Bench::new(1);
    bench.up((2..22).collect::<Vec<_>>());
    bench.offer_card();
    bench.route(&peers(2..22));
    let first = bench.confirm_all().pop().expect("published");
    bench.pass(HOUR);
    let mut bench = bench.restarted();
    bench.up((2..22).collect::<Vec<_>>());
    bench.offer_card();
    assert_eq!(bench.live(HOUR, &peers(2..22)), vec![]);
    let rounds = bench.live(8 * HOUR, &peers(2..22));
    assert_eq!(rounds.len(), 1);
    assert_eq!(rounds[0].1, vec![first; 20]);
}

#[test]
fn leases_are_refreshed_at_a_third_and_signatures_renewed_in_time() {
    let mut bench = Bench::new(1);
    bench.up((2..22).collect::<Vec<_>>());
    bench.offer_card();
    let rounds = bench.live(10 * DAY, &peers(2..22));
    for (at, records) in &rounds {
        assert_eq!(records.len(), 20);
        let ends = records[0].expires().expect("signed");
        assert!(ends > UnixMillis(EPOCH + at.0).after(3 * DAY), "a signature outlives the lease by far");
    }
    for pair in rounds.windows(2) {
        let minutes = pair[1].0.since(pair[0].0).as_secs() / 60;
        assert!((7 * 60..9 * 60).contains(&minutes), "{minutes} min");
    }
    let seqs: std::collections::BTreeSet<_> = rounds.iter().map(|(_, records)| records[0].seq()).collect();
    assert_eq!(seqs.len(), 3, "signed anew every three and a half days");
}

#[test]
fn too_few_confirmations_are_tried_again_with_growing_waits() {
    let mut bench = Bench::new(1);
    bench.up((2..22).collect::<Vec<_>>());
    bench.offer_card();
    let refused = Answer::Refused { reason: Refusal::Full };
    let mut tries = Vec::new();
    for _ in 0..600 {
        if !bench.route(&peers(2..22)).is_empty() {
            bench.answer_all(&refused);
            tries.push(bench.clock.mono.0 / 1_000);
        }
        bench.pass(Duration::from_secs(1));
    }
    assert!((7..=11).contains(&tries.len()), "{tries:?}");
    assert!(bench.disk.published.iter().all(|row| row.confirmed.is_none()));
    bench.step(In::NetworkChanged);
    assert_eq!(bench.route(&peers(2..22)).len(), 1, "a new network is tried at once");
}

#[test]
fn a_newcomer_is_brought_what_too_few_nodes_hold() {
    let mut bench = Bench::new(1);
    bench.up([2]);
    bench.offer_card();
    bench.route(&peers([2]));
    bench.confirm_all();
    bench.pass(Duration::from_secs(20));
    bench.up([3]);
    bench.pass(Duration::from_secs(1));
    bench.route(&peers([2, 3]));
    assert_eq!(bench.confirm_all().len(), 2);
}

#[test]
fn a_stored_of_another_number_does_not_count() {
    let mut bench = Bench::new(1);
    bench.up([2]);
    bench.offer_card();
    bench.route(&peers([2]));
    assert_eq!(bench.answer_all(&Answer::Stored { seq: 1 }), 1);
    assert!(bench.disk.published.iter().all(|row| row.confirmed.is_none()));
}

#[test]
fn a_clock_ahead_of_everybody_elses_is_a_concern_of_the_owner() {
    let mut bench = Bench::new(1);
    bench.up([2, 3]);
    bench.offer_card();
    bench.route(&peers([2, 3]));
    bench.answer_all(&Answer::Refused { reason: Refusal::NotYetValid });
    assert!(bench.dht.status().concerns.iter().any(|concern| concern.contains("ahead")));
}

#[test]
fn a_forgotten_newer_card_of_ours_is_overtaken_once_it_was_seen() {
    // An identity restored on an empty disk, with a clock that is behind its last card.
    let mut bench = Bench::new(1);
    bench.up([2]);
    bench.offer_card();
    let before = card_of(1, EPOCH + 1_000_000, vec![address(6)]);
    bench.route(&peers([2]));
    let refused = Answer::Refused { reason: Refusal::OlderThan { current: before.seq() } };
    assert_eq!(bench.answer_all(&refused), 1);
    bench.route(&peers([2]));
    assert_eq!(bench.answer_all(&found(&before)), 1);
    bench.route(&peers([2]));
    let card = bench.confirm_all().pop().expect("published");
    assert_eq!(card.seq(), before.seq() + 1);
    assert_eq!(card.card().map(|card| card.addresses), Some(vec![address(1)]));
}

#[test]
fn a_holders_word_alone_does_not_drive_our_numbers_up() {
    let mut bench = Bench::new(1);
    bench.up([2]);
    bench.offer_card();
    bench.route(&peers([2]));
    let seq = bench.published(card_key(node(1))).expect("published").seq();
    bench.answer_all(&Answer::Refused { reason: Refusal::OlderThan { current: u64::MAX } });
    bench.route(&peers([2]));
    bench.answer_all(&NOTHING);
    bench.pass(HOUR);
    assert_eq!(bench.published(card_key(node(1))).expect("published").seq(), seq);
}

#[test]
fn a_value_is_put_above_what_the_network_has_and_found_again() {
    let mut bench = Bench::new(1);
    bench.up([2, 3]);
    bench.command(put_value(b"new", None));
    bench.route(&peers([2, 3]));
    bench.answer_all(&found(&value_of(1, 4, b"old")));
    bench.route(&peers([2, 3]));
    let put = bench.confirm_all().pop().expect("put");
    assert_eq!((put.seq(), put.payload()), (5, Some(&b"new"[..])));
    assert!(matches!(
        stored(&mut bench).as_slice(),
        [Ok(Reply::Stored { seq: 5, holders: 2, asked: 2, .. })]
    ));
    bench.command(Command::GetValue { owner: node(1), salt: b"s".to_vec(), depth: Depth::First });
    assert_eq!(bench.replies(), vec![Ok(Reply::Value { payload: b"new".to_vec(), seq: 5 })]);
}

#[test]
fn compare_and_swap_names_the_number_that_is_there() {
    let mut bench = with_value();
    bench.command(put_value(b"second", Some(0)));
    bench.route(&peers([2, 3, 4]));
    bench.answer_all(&Answer::Nothing { held_seq: Some(1) });
    assert_eq!(bench.replies(), vec![Err(CommandError::Changed { current_seq: 1 })]);
    bench.command(put_value(b"second", Some(1)));
    bench.route(&peers([2, 3, 4]));
    bench.answer_all(&found(&bench.published(value_key(node(1), b"s")).expect("published")));
    bench.route(&peers([2, 3, 4]));
    let requests = bench.requests();
    assert!(
        requests.iter().all(|(_, _, request)| matches!(request, Request::Put { expected_seq: Some(1), .. }))
    );
}

#[test]
fn a_swap_that_lost_against_another_device_adopts_what_won() {
    let mut bench = with_value();
    bench.command(put_value(b"ours", Some(1)));
    bench.route(&peers([2, 3, 4]));
    bench.answer_all(&Answer::Nothing { held_seq: None });
    bench.route(&peers([2, 3, 4]));
    let theirs = value_of(1, 3, b"theirs");
    bench.answer_all(&Answer::Refused { reason: Refusal::CompareFailed { current: 3 } });
    bench.route(&peers([2, 3, 4]));
    bench.answer_all(&found(&theirs));
    assert_eq!(bench.replies(), vec![Err(CommandError::Changed { current_seq: 3 })]);
    assert_eq!(bench.published(theirs.key()), Some(theirs));
}

#[test]
fn a_conflict_of_two_devices_is_settled_by_a_higher_number_and_told_to_the_owner() {
    let mut bench = with_value();
    bench.command(put_value(b"ours", None));
    bench.route(&peers([2, 3, 4]));
    bench.answer_all(&NOTHING);
    bench.route(&peers([2, 3, 4]));
    bench.answer_all(&Answer::Refused { reason: Refusal::Conflict });
    bench.route(&peers([2, 3, 4]));
    bench.answer_all(&found(&value_of(1, 2, b"theirs")));
    bench.route(&peers([2, 3, 4]));
    let put = bench.confirm_all().pop().expect("put again");
    assert_eq!((put.seq(), put.payload()), (3, Some(&b"ours"[..])));
    assert!(matches!(stored(&mut bench).as_slice(), [Ok(Reply::Stored { seq: 3, .. })]));
    assert!(bench.dht.status().concerns.iter().any(|concern| concern.contains("two machines")));
}

#[test]
fn too_few_holders_are_told_and_the_value_is_kept_and_tried_again() {
    let mut bench = Bench::new(1);
    bench.up([2, 3, 4]);
    bench.command(put_value(b"v", None));
    bench.route(&peers([2, 3, 4]));
    bench.answer_all(&NOTHING);
    bench.route(&peers([2, 3, 4]));
    let requests = bench.requests();
    bench.answer(requests[0].0, &Answer::Stored { seq: 1 });
    for (op, _, _) in &requests[1..] {
        bench.step(In::PeerResponse { op: *op, result: Err(NetError::TimedOut) });
    }
    assert_eq!(bench.replies(), vec![Err(CommandError::TooFewHolders { holders: 1, asked: 3 })]);
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.route(&peers([2, 3, 4])).len(), 1);
}

#[test]
fn alone_a_value_is_kept_and_published_with_the_first_connection() {
    let mut bench = Bench::new(1);
    bench.command(put_value(b"v", None));
    assert_eq!(bench.replies(), vec![Err(CommandError::TooFewHolders { holders: 0, asked: 0 })]);
    let mut bench = bench.restarted();
    bench.up([2]);
    bench.route(&peers([2]));
    assert_eq!(bench.confirm_all().len(), 1);
}

#[test]
fn a_deleted_value_is_gone_for_every_reader_and_forgotten_when_its_tombstone_runs_out() {
    let mut bench = with_value();
    bench.command(Command::DeleteValue { salt: b"s".to_vec() });
    bench.route(&peers([2, 3, 4]));
    bench.answer_all(&NOTHING);
    bench.route(&peers([2, 3, 4]));
    let tombstone = bench.confirm_all().pop().expect("a tombstone");
    assert_eq!((tombstone.seq(), tombstone.payload()), (2, None));
    assert!(matches!(stored(&mut bench).as_slice(), [Ok(Reply::Stored { seq: 2, .. })]));
    bench.command(Command::DeleteValue { salt: b"s".to_vec() });
    bench.route(&peers([2, 3, 4]));
    bench.answer_all(&found(&tombstone));
    assert_eq!(bench.replies(), vec![Err(CommandError::NotFound(ResolveError::NotFound))]);
    bench.live(8 * DAY, &peers([2, 3, 4]));
    assert_eq!(bench.disk.published, vec![]);
}

#[test]
fn a_value_by_hash_is_taken_from_whoever_answers_first() {
    let mut bench = Bench::new(1);
    bench.up([2]);
    bench.command(Command::PutImmutable { payload: b"hello".to_vec() });
    let hash = payload_hash(b"hello");
    assert_eq!(bench.route(&peers([2])), vec![hash_key(&hash)]);
    let record = bench.confirm_all().pop().expect("put");
    assert!(matches!(stored(&mut bench).as_slice(), [Ok(Reply::Stored { seq: 0, .. })]));
    let mut reader = Bench::new(3);
    reader.up([2]);
    reader.command(Command::GetImmutable { hash });
    reader.route(&peers([2, 4, 5, 6]));
    let requests = reader.requests();
    assert_eq!(requests.len(), 3);
    reader.answer(requests[0].0, &found(&record));
    assert_eq!(reader.replies(), vec![Ok(Reply::Value { payload: b"hello".to_vec(), seq: 0 })]);
}

#[test]
fn commands_beyond_a_limit_say_which() {
    let mut bench = Bench::new(1);
    bench.command(Command::PutValue { salt: vec![0; 65], payload: vec![], expected_seq: None });
    bench.command(Command::PutImmutable { payload: vec![0; limits::MAX_PAYLOAD_BYTES + 1] });
    assert_eq!(
        bench.replies(),
        vec![
            Err(CommandError::TooLarge { field: "the salt", max: 64 }),
            Err(CommandError::TooLarge { field: "a value", max: limits::MAX_PAYLOAD_BYTES }),
        ]
    );
    for n in 0..=limits::MAX_PUBLISHED {
        let payload = u32::try_from(n).expect("a small limit").to_be_bytes().to_vec();
        bench.command(Command::PutImmutable { payload });
    }
    assert_eq!(bench.replies().pop(), Some(Err(CommandError::TooMany { max: limits::MAX_PUBLISHED })));
}

#[test]
fn a_start_with_many_records_is_spread_out_and_does_not_spin() {
    let mut bench = Bench::new(1);
    for n in 0..40_u8 {
        bench.command(Command::PutImmutable { payload: vec![n] });
    }
    let mut bench = bench.restarted();
    bench.up([2]);
    let mut most = 0;
    let mut published = 0;
    for _ in 0..40 {
        most = most.max(bench.route(&peers([2])).len());
        published += bench.confirm_all().len();
        bench.pass(Duration::from_millis(100));
    }
    assert_eq!((most, published), (8, 40));
}

#[test]
fn a_key_package_beyond_its_limit_is_not_put_into_the_card_and_told() {
    let mut bench = Bench::new(1);
    bench.up([2]);
    bench.offer_card();
    bench.route(&peers([2]));
    bench.confirm_all();
    let key_package = vec![0; limits::MAX_KEY_PACKAGE_BYTES + 1];
    bench.step(In::OfferKeyPackage { device: DEVICE, key_package, mailbox: None });
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.route(&peers([2])), vec![]);
    assert!(bench.dht.status().concerns.iter().any(|concern| concern.contains("key package")));
}

#[test]
fn among_many_a_round_that_found_few_is_not_begun_anew_with_each_connection() {
    let mut bench = Bench::new(1);
    bench.up(2..=30);
    bench.offer_card();
    bench.live(Duration::from_secs(5), &peers([2, 3, 4]));
    let mut rounds = 0;
    for n in 31..=60 {
        bench.up([n]);
        rounds += bench.live(Duration::from_secs(10), &peers([2, 3, 4])).len();
    }
    assert_eq!(rounds, 1, "in five minutes");
}
