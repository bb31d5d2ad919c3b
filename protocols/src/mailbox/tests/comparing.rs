//! Holders among themselves.

use super::*;

fn offers(bench: &mut Bench) -> Vec<(OpId, NodeId, Vec<EnvelopeId>, Option<Acks>)> {
    let requests = bench.requests().into_iter();
    let offers = requests.filter_map(|(op, to, request)| match request {
        Request::Offer { ids, acks, .. } => Some((op, to, ids, acks)),
        _ => None,
    });
    offers.collect()
}

/// Waits until it compares, with holders 10 to 12.
fn compares(
    bench: &mut Bench,
    address: MailboxAddress,
) -> Vec<(OpId, NodeId, Vec<EnvelopeId>, Option<Acks>)> {
    assert!(bench.wait_for_walk(address, Duration::from_secs(3_600 + 900)));
    bench.walked(Some(address), &peers(10..13));
    offers(bench)
}

fn want(ids: &[u8]) -> Answer {
    Answer::Want { ids: ids.iter().map(|n| id(*n)).collect(), acks: None }
}

#[test]
fn within_the_hour_all_holders_are_offered_all_names() {
    let mut bench = Bench::connected(1);
    let address = opaque(2, 3, 1).address;
    bench.keeps(&opaque(2, 3, 1));
    bench.keeps(&opaque(2, 3, 2));
    bench.asked(2, &Request::Ack { acks: acks(2, &[&opaque(2, 3, 9)]) });
    bench.wait(Duration::from_secs(2_000));
    assert!(bench.walks().iter().all(|(_, walked)| *walked != address), "not yet");
    let offered = compares(&mut bench, address);
    let to: BTreeSet<NodeId> = offered.iter().map(|(_, to, _, _)| *to).collect();
    assert_eq!(to, (10..13).map(node).collect());
    for (_, _, ids, taken) in offered {
        assert_eq!((ids, taken), (vec![id(1), id(2)], Some(acks(2, &[&opaque(2, 3, 9)]))));
    }
}

#[test]
fn who_lacks_something_is_brought_it_as_it_came() {
    let mut bench = Bench::connected(1);
    let deposit = opaque(2, 3, 1);
    bench.keeps(&deposit);
    bench.keeps(&opaque(2, 3, 2));
    let offered = compares(&mut bench, deposit.address);
    bench.answer(offered[0].0, &want(&[1, 77]));
    bench.answer(offered[1].0, &want(&[]));
    bench.wait(Duration::from_secs(1));
    let requests = bench.requests();
    let [(op, to, request)] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((*to, request), (offered[0].1, &put(&deposit)));
    bench.answer(*op, &Answer::Refused { reason: Refusal::Full });
    assert!(bench.penalised().is_empty());
}

#[test]
fn another_machine_takes_what_it_lacks_and_says_what_was_taken() {
    let mut bench = Bench::new(1);
    let (held, taken) = (opaque(2, 3, 1), opaque(2, 3, 2));
    bench.keeps(&held);
    bench.asked(2, &Request::Ack { acks: acks(2, &[&taken]) });
    let ids = vec![id(1), id(2), id(3)];
    let offer = Request::Offer { address: held.address, ids, acks: None };
    let expected = Answer::Want { ids: vec![id(3)], acks: Some(acks(2, &[&taken])) };
    assert_eq!(bench.asked(10, &offer), Some(expected));
}

#[test]
fn what_an_owner_has_taken_travels_along_and_lets_go() {
    let mut bench = Bench::connected(1);
    let deposit = opaque(2, 3, 1);
    bench.keeps(&deposit);
    // With an offer of another holder.
    let offer = |acks| Request::Offer { address: deposit.address, ids: vec![], acks: Some(acks) };
    let forged = Acks { owner: owner_of(3), ..acks(2, &[&deposit]) };
    assert_eq!(bench.asked(10, &offer(forged)), Some(Answer::Refused { reason: Refusal::BadSignature }));
    assert_eq!(bench.penalised(), [node(10)]);
    assert_eq!(bench.disk.held.len(), 1);
    assert_eq!(bench.asked(10, &offer(acks(2, &[&deposit]))), Some(want(&[])));
    assert_eq!((bench.disk.held.len(), bench.disk.tombstones.len()), (0, 1));
    // With the answer to an offer of ours.
    let second = opaque(2, 3, 2);
    bench.keeps(&second);
    let offered = compares(&mut bench, deposit.address);
    let false_word = Acks { owner: owner_of(3), ..acks(2, &[&second]) };
    bench.answer(offered[0].0, &Answer::Want { ids: vec![], acks: Some(false_word) });
    assert_eq!(bench.penalised(), [offered[0].1]);
    bench.answer(offered[1].0, &Answer::Want { ids: vec![], acks: Some(acks(2, &[&second])) });
    assert_eq!((bench.disk.held.len(), bench.disk.tombstones.len()), (0, 2));
}

#[test]
fn who_was_just_offered_everything_passes_its_turn_once_and_not_twice() {
    let mut bench = Bench::connected(1);
    let deposit = opaque(2, 3, 1);
    bench.keeps(&deposit);
    let offer = Request::Offer { address: deposit.address, ids: vec![id(1), id(2)], acks: None };
    bench.wait(Duration::from_secs(2_000));
    bench.walks();
    bench.asked(10, &offer);
    bench.wait(Duration::from_secs(2_600));
    assert!(bench.walks().iter().all(|(_, walked)| *walked != deposit.address), "passed");
    bench.asked(10, &offer);
    bench.wait(Duration::from_secs(2_000));
    assert!(bench.walks().iter().any(|(_, walked)| *walked == deposit.address), "its own turn");
}

#[test]
fn an_offer_that_lacks_something_does_not_stand_for_ours() {
    let mut bench = Bench::connected(1);
    let deposit = opaque(2, 3, 1);
    bench.keeps(&deposit);
    bench.wait(Duration::from_secs(2_000));
    bench.walks();
    bench.asked(10, &Request::Offer { address: deposit.address, ids: vec![id(2)], acks: None });
    bench.wait(Duration::from_secs(2_600));
    assert!(bench.walks().iter().any(|(_, walked)| *walked == deposit.address));
}

#[test]
fn a_newcomer_that_is_near_is_offered_what_is_held_and_one_far_away_is_not() {
    use crate::record::Place;
    let mut bench = Bench::new(1);
    let deposit = opaque(2, 3, 1);
    bench.keeps(&deposit);
    let place = super::super::closest::place_of(deposit.address);
    let distance = |n: u8| Place::of_node(node(n)).distance(&place);
    let ours = distance(1);
    let near = (10..100).find(|n| distance(*n) < ours).expect("one of ninety");
    let far = (10..100).find(|n| distance(*n) > ours).expect("one of ninety");
    bench.step(In::PeerUp { node: node(far) });
    bench.empty_mailboxes();
    bench.step(In::PeerUp { node: node(near) });
    bench.wait(Duration::from_secs(21));
    let to: Vec<NodeId> = offers(&mut bench).into_iter().map(|(_, to, _, _)| to).collect();
    assert_eq!(to, [node(near)]);
    // It comes and goes: once an hour.
    bench.step(In::PeerDown { node: node(near) });
    bench.step(In::PeerUp { node: node(near) });
    bench.wait(Duration::from_secs(21));
    assert!(offers(&mut bench).is_empty());
}

#[test]
fn a_node_that_leaves_offers_what_it_holds_at_once() {
    let mut bench = Bench::connected(1);
    let deposit = opaque(2, 3, 1);
    bench.keeps(&deposit);
    bench.step(In::Level { level: Level::Client, share_bytes: 0 });
    bench.walked(Some(deposit.address), &peers(10..13));
    assert_eq!(offers(&mut bench).len(), 3);
}

#[test]
fn after_a_restart_everything_is_compared_within_the_hour() {
    let mut bench = Bench::new(1);
    let deposit = opaque(2, 3, 1);
    bench.keeps(&deposit);
    let mut bench = bench.restarted();
    bench.step(In::PeerUp { node: node(200) });
    bench.empty_mailboxes();
    bench.wait(HOUR);
    assert!(bench.walks().iter().any(|(_, walked)| *walked == deposit.address));
}

#[test]
fn a_peer_that_wants_everything_again_and_again_is_served_at_a_bounded_rate() {
    let mut bench = Bench::connected(1);
    for n in 0..100 {
        bench.keeps(&opaque(2, 3, n));
    }
    let offered = compares(&mut bench, opaque(2, 3, 1).address);
    bench.answer(offered[0].0, &want(&(0..100).collect::<Vec<_>>()));
    bench.wait(Duration::ZERO);
    assert_eq!(bench.requests().len(), 16);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.requests().len(), 32);
    // It leaves: the rest is not kept for it.
    bench.step(In::PeerDown { node: offered[0].1 });
    bench.wait(Duration::from_secs(10));
    assert!(bench.requests().is_empty());
}
