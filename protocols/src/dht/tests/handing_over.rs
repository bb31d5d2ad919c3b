//! Records brought to nodes that connect and are nearer: which, when, and what is not sent twice.

use super::*;

/// A machine that holds forty values of others, and a nearer node that just connected.
fn with_forty_values() -> Bench {
    let mut bench = Bench::new(1);
    for n in 0..40_u8 {
        bench.ask(2, put(&Record::by_hash(vec![n]).expect("a value")));
    }
    bench.up([3]);
    bench.pass(Duration::from_secs(1));
    bench
}

/// Lets a minute pass in which node 3 answers questions with `says`. How often it was asked, and what it was brought.
fn a_minute(bench: &mut Bench, says: &Answer) -> (usize, usize) {
    let (mut asked, mut brought) = (0, 0);
    for _ in 0..60 {
        bench.load();
        let requests = bench.requests();
        assert!(requests.len() <= 16, "eight questions and eight records each second");
        for (op, to, request) in requests {
            assert_eq!(to, node(3));
            match request {
                Request::Get { .. } => {
                    asked += 1;
                    bench.answer(op, says);
                }
                Request::Put { .. } => {
                    brought += 1;
                    bench.answer(op, &Answer::Stored { seq: 0 });
                }
            }
        }
        bench.load();
        bench.pass(Duration::from_secs(1));
    }
    (asked, brought)
}

#[test]
fn records_are_handed_over_to_a_newcomer_that_is_nearer_and_has_nothing() {
    let mut bench = with_forty_values();
    let (asked, brought) = a_minute(&mut bench, &NOTHING);
    assert!((5..40).contains(&brought), "{brought} of 40 are nearer to it");
    assert_eq!(asked, brought);
}

#[test]
fn who_has_a_record_already_is_only_asked() {
    let mut bench = with_forty_values();
    let (asked, brought) = a_minute(&mut bench, &Answer::Nothing { held_seq: Some(0) });
    assert!((5..40).contains(&asked), "{asked} of 40 are nearer to it");
    assert_eq!(brought, 0);
}

#[test]
fn who_has_an_older_version_is_brought_the_newer_and_who_has_a_newer_one_is_left_alone() {
    for (says, expected) in [(Some(4), 1), (Some(5), 0), (Some(6), 0)] {
        let mut bench = Bench::new(1);
        // Of these, some are nearer to node 3; one of them is enough.
        let card = (10..=255)
            .map(|n| card_of(n, 5, vec![]))
            .find(|card| {
                let (here, there) = (Place::of_node(node(1)), Place::of_node(node(3)));
                let place = Place::of_key(&card.key());
                there.distance(&place) < here.distance(&place)
            })
            .expect("half of all are");
        bench.ask(2, put(&card));
        bench.up([3]);
        assert_eq!(a_minute(&mut bench, &Answer::Nothing { held_seq: says }), (1, expected), "{says:?}");
    }
}

#[test]
fn who_comes_back_is_asked_about_what_came_since() {
    let mut bench = with_forty_values();
    let has_it = Answer::Nothing { held_seq: Some(0) };
    assert!(a_minute(&mut bench, &has_it).0 > 0);
    bench.step(In::PeerDown { node: node(3) });
    bench.up([3]);
    assert_eq!(a_minute(&mut bench, &has_it), (0, 0), "it was asked about all of them");
    bench.step(In::PeerDown { node: node(3) });
    for n in 40..60_u8 {
        bench.ask(2, put(&Record::by_hash(vec![n]).expect("a value")));
    }
    // A refresh brings nothing that would be news.
    for n in 0..40_u8 {
        bench.ask(2, put(&Record::by_hash(vec![n]).expect("a value")));
    }
    bench.up([3]);
    let (asked, _) = a_minute(&mut bench, &has_it);
    assert!((1..=20).contains(&asked), "{asked} of the twenty that are new");
}

#[test]
fn a_record_that_nobody_refreshes_is_brought_unasked_so_that_its_lease_begins_anew() {
    let mut bench = with_forty_values();
    assert!(a_minute(&mut bench, &NOTHING).1 > 0);
    bench.step(In::PeerDown { node: node(3) });
    bench.pass(13 * HOUR);
    bench.up([3]);
    let (asked, brought) = a_minute(&mut bench, &Answer::Nothing { held_seq: Some(0) });
    assert_eq!(asked, 0);
    assert!(brought >= 5, "{brought}");
}

#[test]
fn a_newcomer_that_holds_nothing_is_left_alone() {
    let mut bench = with_forty_values();
    bench.pass(Duration::from_secs(20));
    assert!(bench.answer_all(&NOTHING) > 0);
    bench.load();
    assert!(bench.answer_all(&Answer::Refused { reason: Refusal::NotParticipating }) > 0);
    bench.pass(Duration::from_secs(30));
    bench.load();
    assert_eq!(bench.requests(), vec![]);
}

#[test]
fn who_answers_the_question_with_something_else_is_blamed_and_brought_nothing() {
    let mut bench = with_forty_values();
    let (asked, brought) = a_minute(&mut bench, &Answer::Stored { seq: 0 });
    assert_eq!((bench.penalised().len(), brought), (asked, 0));
}
