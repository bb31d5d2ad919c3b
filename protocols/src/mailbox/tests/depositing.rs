//! Parcels of ours.

use super::*;

fn parcel(n: u8, to: u8) -> Parcel {
    let passes = (WEEK..WEEK + 4).map(|week| keys(to).pass(week, node(1))).collect();
    let to = Recipient::Contact { node: node(to), passes };
    Parcel { account: node(1), id: id(n), to, payload: b"hello".to_vec() }
}

/// A parcel on its way to holders 10 to 9 + `holders`: the requests to them, with the deposit in them.
fn under_way(bench: &mut Bench, n: u8, holders: u8) -> (Vec<(OpId, NodeId)>, Deposit) {
    bench.step(In::Deposit { parcel: parcel(n, 2) });
    bench.walked(None, &peers(10..10 + holders));
    sent(bench)
}

fn sent(bench: &mut Bench) -> (Vec<(OpId, NodeId)>, Deposit) {
    let mut asked = Vec::new();
    let mut bytes = BTreeSet::new();
    for (op, to, request) in bench.requests() {
        let Request::Deposit { deposit } = request else { continue };
        asked.push((op, to));
        bytes.insert(deposit.into_vec());
    }
    assert_eq!(bytes.len(), 1, "the same to all");
    let bytes = bytes.pop_first().expect("one");
    let checked = super::super::deposit::Checked::read(&bytes).expect("its right holds");
    (asked, checked.deposit)
}

fn number_of(wanted: NodeId) -> u8 {
    (0..=255).find(|n| node(*n) == wanted).expect("one of ours")
}

fn sign(bench: &mut Bench, asked: &[(OpId, NodeId)], deposit: &Deposit) {
    let until = bench.clock.unix.after(limits::MAILBOX_LIFETIME);
    for (op, holder) in asked {
        bench.answer(*op, &receipt(number_of(*holder), deposit, until));
    }
}

#[test]
fn a_parcel_is_on_disk_before_anybody_is_asked() {
    let mut bench = Bench::connected(1);
    bench.slow_disk = Some(Vec::new());
    bench.step(In::Deposit { parcel: parcel(1, 2) });
    assert!(bench.walks().is_empty() && bench.requests().is_empty());
    bench.written();
    assert_eq!(bench.disk.parcels.len(), 1);
    assert_eq!(bench.walks().len(), 1);
}

#[test]
fn a_parcel_goes_to_all_holders_at_once_and_is_stored_when_five_have_signed() {
    let mut bench = Bench::connected(1);
    let (asked, deposit) = under_way(&mut bench, 1, 20);
    assert_eq!(asked.len(), limits::MAILBOX_HOLDERS);
    assert_eq!(deposit.address, keys(2).address(WEEK));
    sign(&mut bench, &asked[..4], &deposit);
    assert!(bench.progress().is_empty());
    bench.slow_disk = Some(Vec::new());
    sign(&mut bench, &asked[4..5], &deposit);
    assert!(bench.progress().is_empty(), "not before the receipts are on disk");
    bench.written();
    let until = bench.clock.unix.after(limits::MAILBOX_LIFETIME);
    assert_eq!(bench.progress(), [(id(1), Some(until))]);
    assert_eq!(bench.disk.parcels[&(node(1), id(1))].receipts.len(), 5);
    sign(&mut bench, &asked[5..], &deposit);
    assert_eq!(bench.disk.parcels[&(node(1), id(1))].receipts.len(), 12);
    assert!(bench.penalised().is_empty());
}

#[test]
fn in_a_network_of_three_all_have_to_sign() {
    let mut bench = Bench::connected(1);
    let (asked, deposit) = under_way(&mut bench, 1, 3);
    sign(&mut bench, &asked[..2], &deposit);
    assert!(bench.progress().is_empty());
    sign(&mut bench, &asked[2..], &deposit);
    assert_eq!(bench.progress().len(), 1);
}

#[test]
fn the_recipient_does_not_hold_its_own_mailbox() {
    let mut bench = Bench::connected(1);
    bench.step(In::Deposit { parcel: parcel(1, 2) });
    bench.walked(None, &peers([2, 10, 11]));
    let asked: BTreeSet<NodeId> = sent(&mut bench).0.into_iter().map(|(_, to)| to).collect();
    assert_eq!(asked, BTreeSet::from([node(10), node(11)]));
}

#[test]
fn a_receipt_for_another_time_or_by_somebody_else_counts_nothing_and_is_penalised() {
    let mut bench = Bench::connected(1);
    let (asked, deposit) = under_way(&mut bench, 1, 5);
    let until = bench.clock.unix.after(limits::MAILBOX_LIFETIME);
    let other = opaque(2, 3, 9);
    for (op, holder) in &asked {
        let wrong = match number_of(*holder) {
            10 => receipt(11, &deposit, until),
            11 => receipt(11, &other, until),
            12 => Answer::Page { deposits: vec![], next: None },
            13 => Answer::Taken { acks: acks(3, &[&other]) },
            n => match receipt(n, &deposit, until) {
                Answer::Receipt { signature, .. } => {
                    Answer::Receipt { until: UnixMillis(until.0 + 1), signature }
                }
                other => other,
            },
        };
        bench.answer(*op, &wrong);
    }
    let expected: Vec<NodeId> = asked.iter().map(|(_, holder)| *holder).collect();
    assert_eq!(bench.penalised(), expected);
    assert!(bench.progress().is_empty());
    assert!(bench.disk.parcels[&(node(1), id(1))].receipts.is_empty());
}

#[test]
fn an_answer_that_is_garbage_is_penalised() {
    let mut bench = Bench::connected(1);
    let (asked, _) = under_way(&mut bench, 1, 1);
    bench.step(In::PeerResponse { op: asked[0].0, result: Ok(vec![0xff; 9]) });
    assert_eq!(bench.penalised(), [asked[0].1]);
}

#[test]
fn a_promise_for_ever_is_one_for_two_weeks() {
    let mut bench = Bench::connected(1);
    let (asked, deposit) = under_way(&mut bench, 1, 1);
    bench.answer(asked[0].0, &receipt(10, &deposit, UnixMillis(u64::MAX)));
    assert_eq!(bench.progress(), [(id(1), Some(bench.clock.unix.after(limits::MAILBOX_LIFETIME)))]);
}

#[test]
fn a_parcel_that_is_known_is_not_taken_twice_and_its_progress_is_told_again() {
    let mut bench = Bench::connected(1);
    let (asked, deposit) = under_way(&mut bench, 1, 3);
    bench.step(In::Deposit { parcel: parcel(1, 2) });
    assert_eq!(bench.progress(), [(id(1), None)]);
    sign(&mut bench, &asked, &deposit);
    bench.progress();
    bench.step(In::Deposit { parcel: parcel(1, 2) });
    assert_eq!(bench.progress(), [(id(1), Some(bench.clock.unix.after(limits::MAILBOX_LIFETIME)))]);
    assert!(bench.walks().is_empty() && bench.requests().is_empty());
}

#[test]
fn after_a_restart_the_same_bytes_go_to_those_who_have_not_signed() {
    let mut bench = Bench::connected(1);
    let (asked, deposit) = under_way(&mut bench, 1, 6);
    sign(&mut bench, &asked[..2], &deposit);
    for (op, _) in &asked[2..] {
        bench.unreachable(*op);
    }
    let mut bench = bench.restarted();
    bench.step(In::PeerUp { node: node(200) });
    bench.walked(Some(deposit.address), &peers(10..16));
    let (again, same) = sent(&mut bench);
    assert_eq!(same, deposit);
    let again: BTreeSet<NodeId> = again.into_iter().map(|(_, to)| to).collect();
    assert_eq!(again, asked[2..].iter().map(|(_, to)| *to).collect());
}

#[test]
fn what_nobody_signed_is_tried_again_and_at_once_in_a_new_network() {
    let mut bench = Bench::connected(1);
    for round in 0..6 {
        let (asked, _) = if round == 0 {
            under_way(&mut bench, 1, 2)
        } else {
            bench.walked(Some(keys(2).address(WEEK)), &peers(10..12));
            sent(&mut bench)
        };
        asked.iter().for_each(|(op, _)| bench.unreachable(*op));
        assert!(bench.requests().is_empty(), "it waits");
        bench.step(In::NetworkChanged);
    }
    let asked = |bench: &mut Bench| {
        bench.walked(Some(keys(2).address(WEEK)), &peers(10..12));
        let requests = bench.requests().into_iter();
        requests.filter(|(_, _, request)| matches!(request, Request::Deposit { .. })).collect::<Vec<_>>()
    };
    asked(&mut bench).iter().for_each(|(op, _, _)| bench.unreachable(*op));
    bench.wait(Duration::from_secs(60));
    assert!(asked(&mut bench).is_empty(), "waits grow");
    bench.wait(Duration::from_secs(600));
    assert_eq!(asked(&mut bench).len(), 2);
}

#[test]
fn a_walk_serves_all_parcels_for_a_mailbox_and_rounds_are_bounded() {
    let mut bench = Bench::connected(1);
    for n in 0..20 {
        bench.step(In::Deposit { parcel: parcel(n, 2) });
    }
    assert_eq!(bench.disk.parcels.len(), 20);
    let walks = bench.walks();
    assert_eq!(walks.len(), 1);
    bench.step(In::Closest { op: walks[0].0, peers: peers(10..13) });
    let mut sent = 0;
    for expected in [8 * 3, 8 * 3, 4 * 3] {
        let requests = bench.requests();
        assert_eq!(requests.len(), expected, "after {sent}");
        sent += requests.len();
        for (op, holder, request) in requests {
            let Request::Deposit { deposit } = request else { panic!("a deposit") };
            let checked = super::super::deposit::Checked::read(&deposit).expect("its right holds");
            let until = bench.clock.unix.after(DAY);
            bench.answer(op, &receipt(number_of(holder), &checked.deposit, until));
        }
    }
    assert_eq!(bench.progress().len(), 20);
}

#[test]
fn the_owners_word_that_it_has_it_ends_the_work() {
    let mut bench = Bench::connected(1);
    let (asked, deposit) = under_way(&mut bench, 1, 3);
    bench.answer(asked[0].0, &Answer::Taken { acks: acks(2, &[&deposit]) });
    assert_eq!(bench.progress(), [(id(1), Some(week_begins(WEEK + 3)))]);
    asked[1..].iter().for_each(|(op, _)| bench.unreachable(*op));
    bench.wait(DAY);
    let deposits =
        bench.requests().into_iter().filter(|(_, _, r)| matches!(r, Request::Deposit { .. })).count();
    assert_eq!(deposits, 0);
    assert!(bench.penalised().is_empty());
}

#[test]
fn a_stored_parcel_is_brought_to_those_who_have_come_to_hold_the_mailbox() {
    let mut bench = Bench::connected(1);
    let (asked, deposit) = under_way(&mut bench, 1, 5);
    sign(&mut bench, &asked, &deposit);
    assert!(bench.wait_for_walk(deposit.address, HOUR * 6));
    bench.walked(Some(deposit.address), &peers(8..15));
    let to: BTreeSet<NodeId> = sent(&mut bench).0.into_iter().map(|(_, to)| to).collect();
    assert_eq!(to, BTreeSet::from([node(8), node(9)]));
}

#[test]
fn the_messenger_hears_when_receipts_have_run_out() {
    let mut bench = Bench::connected(1);
    let (asked, deposit) = under_way(&mut bench, 1, 1);
    let until = bench.clock.unix.after(DAY * 2);
    bench.answer(asked[0].0, &receipt(10, &deposit, until));
    assert_eq!(bench.progress(), [(id(1), Some(until))]);
    bench.wait(DAY * 2);
    assert_eq!(bench.progress(), [(id(1), None)]);
}

#[test]
fn a_parcel_of_a_week_long_past_is_forgotten_and_made_anew_when_the_messenger_wants() {
    let mut bench = Bench::connected(1);
    let (asked, deposit) = under_way(&mut bench, 1, 1);
    sign(&mut bench, &asked, &deposit);
    bench.progress();
    bench.clock.unix = week_begins(WEEK + 2).after(HOUR);
    bench.wait(DAY);
    assert_eq!(bench.progress(), [(id(1), None)]);
    assert!(bench.disk.parcels.is_empty());
    bench.step(In::Deposit { parcel: parcel(1, 2) });
    assert_eq!(bench.disk.parcels[&(node(1), id(1))].address, keys(2).address(WEEK + 2));
}

#[test]
fn a_stranger_gets_a_puzzle_solved_and_a_request_into_the_small_mailbox() {
    let mut bench = Bench::connected(1);
    let to = Recipient::Stranger { node: node(2), sealing: keys(2).intro_sealing() };
    let parcel = Parcel { account: node(1), id: id(1), to, payload: b"may I?".to_vec() };
    bench.step(In::Deposit { parcel });
    assert!(bench.disk.parcels.is_empty());
    let solve = bench.take(|wish| match wish {
        Out::Solve { op, challenge, bits } => Some((*op, *challenge, *bits)),
        _ => None,
    });
    let [(op, challenge, bits)] = solve.as_slice() else { panic!("one puzzle") };
    let nonce = (0..).find(|nonce| super::super::deposit::solves(challenge, *nonce, *bits)).expect("it ends");
    bench.step(In::Solved { op: *op, nonce });
    bench.walked(Some(intro_address(node(2))), &peers(10..13));
    let (asked, deposit) = sent(&mut bench);
    assert_eq!((asked.len(), deposit.address), (3, intro_address(node(2))));
    let opened = keys(2).open(None, (deposit.address, id(1)), &deposit.sealed).expect("it opens");
    assert_eq!((opened.from, opened.payload), (node(1), b"may I?".to_vec()));
}

#[test]
fn what_cannot_be_deposited_is_said_so_at_once() {
    let mut bench = Bench::connected(1);
    let contact = |passes| Recipient::Contact { node: node(2), passes };
    let good = keys(2).pass(WEEK, node(1));
    let forged = keys::MailboxPass { mailbox: [3; 32], ..good.clone() };
    let late = keys(2).pass(WEEK - 2, node(1));
    let stranger = Recipient::Stranger { node: node(2), sealing: keys(2).intro_sealing() };
    for (n, to, bytes) in [
        (1, contact(vec![]), 5),
        (2, contact(vec![forged]), 5),
        (3, contact(vec![late]), 5),
        (4, contact(vec![good]), Parcel::MAX_PAYLOAD_BYTES + 1),
        (5, stranger, Parcel::MAX_INTRO_PAYLOAD_BYTES + 1),
    ] {
        bench.step(In::Deposit {
            parcel: Parcel { account: node(1), id: id(n), to, payload: vec![0; bytes] },
        });
        assert_eq!(bench.progress(), [(id(n), None)]);
    }
    assert!(bench.disk.parcels.is_empty());
    assert!(!bench.machine.status().concerns.is_empty());
}

#[test]
fn a_pass_of_the_next_week_serves_when_there_is_none_of_this() {
    let mut bench = Bench::connected(1);
    let passes = vec![keys(2).pass(WEEK + 1, node(1))];
    let to = Recipient::Contact { node: node(2), passes };
    bench.step(In::Deposit { parcel: Parcel { account: node(1), id: id(1), to, payload: vec![] } });
    assert_eq!(bench.disk.parcels[&(node(1), id(1))].address, keys(2).address(WEEK + 1));
}

#[test]
fn what_is_withdrawn_is_gone_and_late_receipts_mean_nothing() {
    let mut bench = Bench::connected(1);
    let (asked, deposit) = under_way(&mut bench, 1, 3);
    bench.step(In::Withdraw { account: node(1), id: id(1) });
    assert!(bench.disk.parcels.is_empty());
    sign(&mut bench, &asked, &deposit);
    assert!(bench.progress().is_empty() && bench.penalised().is_empty());
    bench.wait(DAY);
    assert!(bench.requests().into_iter().all(|(_, _, request)| !matches!(request, Request::Deposit { .. })));
}

#[test]
fn parcels_are_bounded() {
    let mut bench = Bench::new(1);
    let row = |n: u16| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_be_bytes());
        let id = EnvelopeId::from_bytes(id);
        let address = keys(2).address(WEEK);
        ParcelRow {
            account: node(1),
            id,
            node: node(2),
            address,
            deposit: vec![],
            since: bench.clock.unix,
            receipts: vec![],
            pinned: vec![],
        }
    };
    let many = u16::try_from(limits::MAX_PARCELS).expect("it fits");
    let rows: Vec<ParcelRow> = (0..many).map(row).collect();
    for row in rows {
        bench.disk.parcels.insert((row.account, row.id), row);
    }
    let mut bench = bench.restarted();
    bench.step(In::Deposit { parcel: parcel(200, 2) });
    assert_eq!(bench.progress(), [(id(200), None)]);
    assert_eq!(bench.disk.parcels.len(), limits::MAX_PARCELS);
}
