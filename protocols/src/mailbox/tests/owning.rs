//! Our own mailboxes.

use super::*;

/// Begins a visit of this week's mailbox at holders 10 to 9 + `holders`. Other mailboxes are empty.
fn visiting(bench: &mut Bench, holders: u8) {
    bench.step(In::PeerUp { node: node(200) });
    bench.walked(Some(keys(1).address(WEEK)), &peers(10..10 + holders));
    let ours = bench.requests();
    bench.empty_mailboxes();
    for (op, to, request) in ours {
        let payload = request.encode();
        bench.wishes.push(Out::Net(NetCommand::Request {
            op,
            to,
            protocol: crate::net::Protocol::Mailbox,
            payload,
        }));
    }
}

/// A question as its holder reads it, at the time it was asked.
fn read(ask: &[u8], signature: &[u8; 64], holder: NodeId) -> FetchAsk {
    let decoded: FetchAsk = crate::codec::decode(ask, 1 << 20).expect("a question");
    FetchAsk::check(ask, signature, holder, decoded.time).expect("it is signed")
}

/// Lets time pass until this week's mailbox is looked into again; the others are empty.
fn next_visit(bench: &mut Bench, holders: u8) -> Vec<(OpId, NodeId, FetchAsk)> {
    for _ in 0..100 {
        bench.wait(Duration::from_secs(10));
        bench.walked(None, &peers(10..10 + holders));
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        for (op, to, request) in bench.requests() {
            let Request::Fetch { ask, signature } = request else { continue };
            let ask = read(&ask, &signature, to);
            if ask.owner.address() == keys(1).address(WEEK) {
                ours.push((op, to, ask))
            } else {
                others.push(op)
            }
        }
        others.into_iter().for_each(|op| bench.answer(op, &page(&[])));
        if !ours.is_empty() {
            return ours;
        }
    }
    panic!("it does not look again")
}

/// Who is asked for this week's mailbox now.
fn asked(bench: &mut Bench) -> Vec<(OpId, NodeId, FetchAsk)> {
    let requests = bench.requests().into_iter();
    let asks = requests.filter_map(|(op, to, request)| match request {
        Request::Fetch { ask, signature } => {
            let ask = read(&ask, &signature, to);
            (ask.owner.address() == keys(1).address(WEEK)).then_some((op, to, ask))
        }
        _ => None,
    });
    asks.collect()
}

/// Whom it tells what it has.
fn acked(bench: &mut Bench) -> Vec<(NodeId, Vec<EnvelopeId>)> {
    let requests = bench.requests().into_iter();
    let acks = requests.filter_map(|(_, to, request)| match request {
        Request::Ack { acks } => {
            let address = acks.owner.address();
            assert!(acks.taken.iter().all(|ack| ack.holds(&acks.owner, address)));
            Some((to, acks.taken.iter().map(|ack| ack.id).collect()))
        }
        _ => None,
    });
    acks.collect()
}

#[test]
fn this_week_the_two_before_the_next_and_strangers_are_looked_after_at_start() {
    let mut bench = Bench::new(1);
    bench.step(In::PeerUp { node: node(200) });
    let walks: BTreeSet<MailboxAddress> = bench.walks().into_iter().map(|(_, address)| address).collect();
    let mut expected: BTreeSet<MailboxAddress> =
        (WEEK - 2..=WEEK + 1).map(|week| keys(1).address(week)).collect();
    expected.insert(intro_address(node(1)));
    assert_eq!(walks, expected);
}

#[test]
fn an_arrival_is_handed_over_once_however_many_holders_show_it() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 6);
    let deposit = deposit(1, 2, 1, b"hello");
    for _ in 0..4 {
        for (op, _, _) in asked(&mut bench) {
            bench.answer(op, &page(&[&deposit]));
        }
    }
    assert_eq!(bench.arrivals(), [(key_of(&deposit), node(2), b"hello".to_vec())]);
    assert!(bench.disk.tombstones.is_empty(), "nothing is let go before the messenger has it");
    assert!(acked(&mut bench).is_empty());
}

#[test]
fn once_the_messenger_has_it_all_holders_are_told_in_one_frame_each() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 5);
    let deposits: Vec<Deposit> = (1..=20).map(|n| deposit(1, 2, n, b"hello")).collect();
    let first = asked(&mut bench)[0].0;
    bench.answer(first, &page(&deposits.iter().collect::<Vec<_>>()));
    for (envelope, _, _) in bench.arrivals() {
        bench.step(In::Taken { envelope });
    }
    assert_eq!(bench.disk.tombstones.len(), 20);
    bench.wait(Duration::from_secs(1));
    let told = acked(&mut bench);
    let holders: BTreeSet<NodeId> = told.iter().map(|(to, _)| *to).collect();
    assert_eq!((told.len(), holders), (5, (10..15).map(node).collect()));
    assert!(told.iter().all(|(_, ids)| ids.len() == 20));
}

#[test]
fn three_holders_in_a_row_without_anything_new_end_a_visit() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 12);
    let first = asked(&mut bench);
    assert_eq!(first.len(), 3);
    bench.answer(first[0].0, &page(&[]));
    bench.answer(first[1].0, &page(&[]));
    bench.answer(first[2].0, &page(&[&deposit(1, 2, 1, b"hello")]));
    let mut more = asked(&mut bench);
    assert_eq!(more.len(), 3, "that one had something new: three more");
    // Who does not answer is none of the three.
    bench.unreachable(more.remove(0).0);
    more.extend(asked(&mut bench));
    let count = more.len();
    assert_eq!(count, 3);
    more.into_iter().for_each(|(op, _, _)| bench.answer(op, &page(&[])));
    assert!(asked(&mut bench).is_empty());
}

#[test]
fn holders_are_asked_in_another_order_each_time() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 20);
    let mut orders = BTreeSet::new();
    let mut now = asked(&mut bench);
    for _ in 0..6 {
        orders.insert(now.iter().map(|(_, to, _)| *to).collect::<Vec<_>>());
        now.into_iter().for_each(|(op, _, _)| bench.answer(op, &page(&[])));
        now = next_visit(&mut bench, 20);
    }
    assert!(orders.len() >= 4, "{orders:?}");
}

#[test]
fn what_is_under_way_is_named_so_that_it_is_not_shown_again() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 12);
    let first = asked(&mut bench);
    bench.answer(first[0].0, &page(&[&deposit(1, 2, 1, b"hello")]));
    let next = asked(&mut bench);
    assert_eq!(next[0].2.known, [id(1)]);
    assert!(next[0].2.subscribe);
}

#[test]
fn pages_follow_each_other_and_a_holder_that_repeats_one_is_penalised() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 1);
    let first = asked(&mut bench);
    let half = |n: u8, next: Option<u8>| {
        let deposits = vec![deposit(1, 2, n, b"hello").encode().into()];
        Answer::Page { deposits, next: next.map(id) }
    };
    bench.answer(first[0].0, &half(1, Some(1)));
    let second = asked(&mut bench);
    assert_eq!(second[0].2.after, Some(id(1)));
    bench.answer(second[0].0, &half(2, Some(1)));
    assert_eq!(bench.arrivals().len(), 2);
    assert_eq!(bench.penalised(), [node(10)]);
    assert!(asked(&mut bench).is_empty());
}

#[test]
fn what_does_not_open_is_let_go_and_counted_and_others_of_that_name_are_not_meant() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 3);
    // A contact gives a worthless envelope the name of somebody else's.
    let (junk, good) = (opaque(1, 3, 7), deposit(1, 2, 7, b"hello"));
    let holders = asked(&mut bench);
    bench.answer(holders[0].0, &page(&[&junk]));
    assert!(bench.arrivals().is_empty() && bench.penalised().is_empty());
    bench.wait(Duration::from_secs(1));
    let requests = bench.requests();
    let Some((_, _, Request::Ack { acks })) = requests.first() else { panic!("{requests:?}") };
    assert_eq!(acks.taken[0].digest, digest_of(&junk));
    bench.answer(holders[1].0, &page(&[&good]));
    assert_eq!(bench.arrivals().len(), 1);
    let figures = bench.machine.status().figures;
    assert!(figures.contains(&("envelopes unreadable", 1)), "{figures:?}");
}

#[test]
fn forged_and_foreign_deposits_are_penalised_and_nothing_comes_of_them() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 3);
    let holders = asked(&mut bench);
    let forged = Deposit { id: id(9), ..deposit(1, 2, 1, b"hello") };
    bench.answer(holders[0].0, &page(&[&forged]));
    bench.answer(holders[1].0, &page(&[&opaque(2, 3, 1)]));
    bench.answer(holders[2].0, &Answer::Acked);
    let all: Vec<NodeId> = holders.iter().map(|(_, to, _)| *to).collect();
    assert_eq!(bench.penalised(), all);
    assert!(bench.arrivals().is_empty() && bench.disk.tombstones.is_empty());
}

#[test]
fn what_was_taken_is_known_after_a_restart_and_its_holder_is_told_again() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 3);
    let deposit = deposit(1, 2, 1, b"hello");
    let first = asked(&mut bench)[0].0;
    bench.answer(first, &page(&[&deposit]));
    bench.step(In::Taken { envelope: key_of(&deposit) });
    let mut bench = bench.restarted();
    visiting(&mut bench, 3);
    bench.arrivals();
    let holders = asked(&mut bench);
    bench.answer(holders[0].0, &page(&[&deposit]));
    assert!(bench.arrivals().is_empty());
    bench.wait(Duration::from_secs(1));
    assert_eq!(acked(&mut bench), [(holders[0].1, vec![id(1)])]);
}

#[test]
fn an_arrival_that_was_lost_on_the_way_is_handed_over_again() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 3);
    let deposit = deposit(1, 2, 1, b"hello");
    asked(&mut bench).into_iter().for_each(|(op, _, _)| bench.answer(op, &page(&[&deposit])));
    assert_eq!(bench.arrivals().len(), 1);
    let mut again = 0;
    for _ in 0..2 {
        for (op, _, _) in next_visit(&mut bench, 3) {
            bench.answer(op, &page(&[&deposit]));
        }
        again += bench.arrivals().len();
    }
    assert_eq!(again, 1, "after ten minutes");
    // In another life at once.
    let mut bench = bench.restarted();
    visiting(&mut bench, 3);
    asked(&mut bench).into_iter().for_each(|(op, _, _)| bench.answer(op, &page(&[&deposit])));
    assert_eq!(bench.arrivals().len(), 1);
}

#[test]
fn this_week_and_strangers_are_looked_after_every_ten_minutes_and_the_rest_every_hour() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 3);
    let mut asked: BTreeMap<MailboxAddress, u32> = BTreeMap::new();
    for _ in 0..6 * 60 {
        bench.walked(None, &peers([10]));
        for (op, to, request) in bench.requests() {
            let Request::Fetch { ask, signature } = request else { continue };
            let ask = read(&ask, &signature, to);
            *asked.entry(ask.owner.address()).or_default() += 1;
            bench.answer(op, &page(&[]));
        }
        bench.wait(Duration::from_secs(60));
    }
    let of = |address: MailboxAddress| asked.get(&address).copied().unwrap_or(0);
    // Of one holder, in six hours.
    for often in [keys(1).address(WEEK), intro_address(node(1))] {
        assert!((30..=76).contains(&of(often)), "{asked:?}");
    }
    for seldom in [WEEK - 2, WEEK - 1, WEEK + 1] {
        assert!((5..=18).contains(&of(keys(1).address(seldom))), "{asked:?}");
    }
}

#[test]
fn when_nobody_answers_holders_are_looked_for_again() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 3);
    asked(&mut bench).into_iter().for_each(|(op, _, _)| bench.unreachable(op));
    bench.wait(Duration::from_secs(15));
    assert!(bench.walks().iter().any(|(_, address)| *address == keys(1).address(WEEK)));
}

#[test]
fn a_new_week_has_a_new_mailbox() {
    let mut bench = Bench::connected(1);
    bench.clock.unix = week_begins(WEEK + 1).after(HOUR);
    bench.step(In::Tick);
    let walks: Vec<MailboxAddress> = bench.walks().into_iter().map(|(_, address)| address).collect();
    assert_eq!(walks, [keys(1).address(WEEK + 2)]);
    assert_eq!(bench.asked(3, &put(&opaque(1, 3, 1))), Some(Answer::Refused { reason: Refusal::NotAHolder }));
}

#[test]
fn news_of_a_holder_are_followed_at_its_place_and_those_of_others_are_not() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 3);
    asked(&mut bench).into_iter().for_each(|(op, _, _)| bench.answer(op, &page(&[])));
    let news = Request::News { address: keys(1).address(WEEK) };
    assert_eq!(bench.asked(77, &news), Some(Answer::Heard));
    assert!(asked(&mut bench).is_empty());
    assert_eq!(bench.asked(10, &news), Some(Answer::Heard));
    let now = asked(&mut bench);
    assert_eq!(now.iter().map(|(_, to, _)| *to).collect::<Vec<_>>(), [node(10)]);
    bench.answer(now[0].0, &page(&[&deposit(1, 2, 1, b"hello")]));
    assert_eq!(bench.arrivals().len(), 1);
    // However often it is said, it is looked once in two seconds.
    let mut looks = 0;
    for _ in 0..100 {
        bench.asked(10, &news);
        let now = asked(&mut bench);
        looks += now.len();
        now.into_iter().for_each(|(op, _, _)| bench.answer(op, &page(&[])));
        bench.wait(Duration::from_millis(20));
    }
    assert!(looks <= 6, "{looks}");
}

#[test]
fn arrivals_that_wait_for_the_messenger_are_bounded_and_the_rest_comes_later() {
    let mut bench = Bench::new(1);
    visiting(&mut bench, 3);
    let many: Vec<Deposit> = (0..600u16)
        .map(|n| {
            let contact = u8::try_from(n / 200).expect("few") + 2;
            let mut name = [9; 16];
            name[..2].copy_from_slice(&n.to_be_bytes());
            let pass = keys(1).pass(WEEK, node(contact));
            let place = (pass.address(), EnvelopeId::from_bytes(name));
            let mut rng = ChaCha20Rng::seed_from_u64(u64::from(n));
            let sealed =
                seal(&signer(contact), node(1), &pass.sealing, place, b"x", &mut rng).expect("it fits");
            Deposit::by_pass(&pass, place.1, sealed)
        })
        .collect();
    let holders = asked(&mut bench);
    for chunk in many.chunks(200) {
        let op = holders[usize::from(chunk[0].id.as_bytes()[1] / 200)].0;
        bench.answer(op, &page(&chunk.iter().collect::<Vec<_>>()));
    }
    bench.answer(holders[1].0, &page(&many[200..400].iter().collect::<Vec<_>>()));
    bench.answer(holders[2].0, &page(&many[400..].iter().collect::<Vec<_>>()));
    let arrived = bench.arrivals();
    assert!(arrived.len() <= 512, "{}", arrived.len());
    assert!(asked(&mut bench).is_empty());
    for (envelope, _, _) in arrived {
        bench.step(In::Taken { envelope });
    }
    bench.wait(Duration::from_secs(3));
    assert!(!asked(&mut bench).is_empty(), "it goes on");
}
