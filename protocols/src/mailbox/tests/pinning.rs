//! Pinned holders, as the owner who pins them and the depositor who learns of them by a pass.

use super::*;
use crate::mailbox::{pin::PinAsk, rows::PinState};

pub(super) fn call(bench: &mut Bench, command: Command) -> Result<MailboxView, CommandError> {
    bench.step(In::Call { call: CallId(7), command });
    let replies = bench.take(|wish| match wish {
        Out::Reply { result, .. } => Some(result.clone()),
        _ => None,
    });
    match replies.into_iter().next().expect("an answer") {
        Ok(Reply::Shown(view)) => Ok(*view),
        Ok(Reply::Done) => panic!("a view is expected"),
        Err(refusal) => Err(refusal),
    }
}

// The owner.

/// Statements it sends: to whom, and about which weeks.
fn statements(bench: &mut Bench) -> Vec<(OpId, NodeId, Vec<u32>)> {
    let mut rest = Vec::new();
    let mut found = Vec::new();
    for (op, to, request) in bench.requests() {
        if let Request::Pin { ask, signature, owners } = &request {
            let said: PinAsk = crate::codec::decode(ask, 1_024).expect("a statement");
            let ask = PinAsk::check(ask, signature, owners, to, said.time).expect("it is right");
            found.push((op, to, ask.mailboxes.iter().map(|mailbox| mailbox.week).collect()));
        } else {
            rest.push((op, to, request));
        }
    }
    for (op, to, request) in rest {
        let (protocol, payload) = (crate::net::Protocol::Mailbox, request.encode());
        bench.wishes.push(Out::Net(NetCommand::Request { op, to, protocol, payload }));
    }
    found
}

fn state_of(bench: &mut Bench, holder: u8) -> (PinState, Option<UnixMillis>) {
    let view = call(bench, Command::Show).expect("shown");
    let pin = view.pins.iter().find(|pin| pin.holder == node(holder)).expect("it is pinned");
    (pin.state, pin.answered)
}

#[test]
fn a_pinned_node_is_told_which_mailboxes_are_ours_and_its_answer_is_shown_and_kept() {
    let mut bench = Bench::connected(1);
    let view = call(&mut bench, Command::Pin { holder: node(9) }).expect("there is room");
    assert_eq!((view.pins.len(), view.pins[0].state), (1, PinState::NotReached));
    assert_eq!(bench.pins_told, Some(vec![node(9)]));
    let said = statements(&mut bench);
    let [(op, to, weeks)] = said.as_slice() else { panic!("one statement: {said:?}") };
    assert_eq!((*to, weeks), (node(9), &(WEEK - 2..=WEEK + 4).collect::<Vec<_>>()));
    bench.answer(*op, &Answer::Refused { reason: Refusal::NotServed });
    let refused = PinState::Refused { reason: Refusal::NotServed };
    assert_eq!(state_of(&mut bench, 9), (refused, Some(bench.clock.unix)));
    // They may allow it any minute.
    bench.wait(Duration::from_secs(20));
    let again = statements(&mut bench);
    bench.answer(again.first().expect("it asks again").0, &Answer::Pinned);
    assert_eq!(state_of(&mut bench, 9).0, PinState::Accepted);
    let mut bench = bench.restarted();
    assert_eq!(state_of(&mut bench, 9).0, PinState::Accepted);
    assert_eq!(bench.pins_told, Some(vec![node(9)]), "passes name it in the next life, too");
}

/// Lets time pass while the pinned node agrees to everything. Returns the weeks of each statement.
fn agreed_for(bench: &mut Bench, time: Duration) -> Vec<Vec<u32>> {
    let mut all = Vec::new();
    let end = bench.clock.mono.after(time);
    while bench.clock.mono < end {
        bench.wait(Duration::from_secs(60));
        for (op, _, weeks) in statements(bench) {
            all.push(weeks);
            bench.answer(op, &Answer::Pinned);
        }
    }
    all
}

#[test]
fn a_statement_is_repeated_now_and_then_and_when_a_week_begins() {
    let mut bench = Bench::connected(1);
    call(&mut bench, Command::Pin { holder: node(9) }).expect("there is room");
    assert_eq!(agreed_for(&mut bench, limits::PIN_EVERY / 3).len(), 1);
    assert!((3..=8).contains(&agreed_for(&mut bench, limits::PIN_EVERY * 4).len()));
    let left = week_begins(WEEK + 1).since(bench.clock.unix);
    let before = agreed_for(&mut bench, left.saturating_sub(HOUR));
    assert!(before.iter().all(|weeks| weeks.last() == Some(&(WEEK + 4))));
    let after = agreed_for(&mut bench, HOUR + Duration::from_secs(60));
    assert!(after.iter().any(|weeks| weeks.last() == Some(&(WEEK + 5))), "{after:?}");
}

#[test]
fn three_nodes_can_be_pinned_and_none_of_them_is_ones_own() {
    let mut bench = Bench::connected(1);
    for n in 10..13 {
        call(&mut bench, Command::Pin { holder: node(n) }).expect("there is room");
    }
    assert_eq!(call(&mut bench, Command::Pin { holder: node(13) }), Err(CommandError::TooManyPins));
    assert_eq!(call(&mut bench, Command::Pin { holder: node(1) }), Err(CommandError::Yourself));
    assert!(call(&mut bench, Command::Pin { holder: node(10) }).is_ok(), "it is pinned already");
    assert_eq!(call(&mut bench, Command::Unpin { holder: node(13) }), Err(CommandError::NotPinned));
    assert_eq!(bench.disk.pins.len(), limits::MAX_PINS);
}

#[test]
fn an_unpinned_node_is_told_and_named_in_passes_no_more() {
    let mut bench = Bench::connected(1);
    call(&mut bench, Command::Pin { holder: node(9) }).expect("there is room");
    let (op, ..) = statements(&mut bench)[0];
    bench.answer(op, &Answer::Pinned);
    call(&mut bench, Command::Unpin { holder: node(9) }).expect("it was pinned");
    assert_eq!((bench.pins_told.clone(), bench.disk.pins.len()), (Some(vec![]), 0));
    let said = statements(&mut bench);
    assert_eq!(said.iter().map(|(_, to, weeks)| (*to, weeks.len())).collect::<Vec<_>>(), [(node(9), 0)]);
    bench.wait(DAY);
    assert!(statements(&mut bench).is_empty());
}

#[test]
fn a_pinned_node_that_cannot_be_reached_is_looked_for_by_its_card_and_asked_less_and_less_often() {
    let mut bench = Bench::connected(1);
    call(&mut bench, Command::Pin { holder: node(9) }).expect("there is room");
    let located = |bench: &mut Bench| {
        bench.take(|wish| match wish {
            Out::Locate { op, node } => Some((*op, *node)),
            _ => None,
        })
    };
    let (op, ..) = statements(&mut bench)[0];
    bench.unreachable(op);
    let asked = located(&mut bench);
    assert_eq!(asked.iter().map(|(_, node)| *node).collect::<Vec<_>>(), [node(9)]);
    let addresses = peers([9]).remove(0).addresses;
    bench.step(In::Located { op: asked[0].0, addresses });
    let learned = bench.take(|wish| match wish {
        Out::Net(NetCommand::Learn { peer }) => Some(peer.node),
        _ => None,
    });
    assert_eq!(learned, [node(9)]);
    assert_eq!(statements(&mut bench).len(), 1, "at once, where it is now known to be");
    let mut tries = 0;
    let mut looked = 0;
    for _ in 0..6 * 60 {
        bench.wait(Duration::from_secs(10));
        looked += located(&mut bench).len();
        for (op, ..) in statements(&mut bench) {
            tries += 1;
            bench.unreachable(op);
        }
    }
    assert!((5..30).contains(&tries), "{tries} tries in an hour");
    assert!(looked <= 6, "{looked} searches in an hour");
    assert_eq!(state_of(&mut bench, 9), (PinState::NotReached, None));
}

#[test]
fn a_lie_about_a_pin_counts_against_the_node_and_changes_nothing() {
    let mut bench = Bench::connected(1);
    call(&mut bench, Command::Pin { holder: node(9) }).expect("there is room");
    let (op, ..) = statements(&mut bench)[0];
    bench.answer(op, &Answer::Heard);
    assert_eq!(bench.penalised(), [node(9)]);
    assert_eq!(state_of(&mut bench, 9), (PinState::NotReached, None));
}

/// Who is asked for the mailbox of a week, in their order.
fn asked(bench: &mut Bench, week: u32) -> Vec<(OpId, NodeId)> {
    let requests = bench.requests().into_iter();
    let asks = requests.filter_map(|(op, to, request)| match request {
        Request::Fetch { ask, .. } => {
            let ask: FetchAsk = crate::codec::decode(&ask, 1 << 20).expect("a question");
            (ask.owner.address() == keys(1).address(week)).then_some((op, to))
        }
        _ => None,
    });
    asks.collect()
}

/// One that has pinned 9, and whose mailboxes have not been looked into yet.
fn with_a_pin() -> Bench {
    let mut bench = Bench::new(1);
    call(&mut bench, Command::Pin { holder: node(9) }).expect("there is room");
    bench.restarted()
}

#[test]
fn pinned_nodes_are_asked_first_and_their_having_nothing_hides_nothing() {
    let mut bench = with_a_pin();
    bench.step(In::PeerUp { node: node(200) });
    statements(&mut bench);
    bench.take(|wish| matches!(wish, Out::Net(NetCommand::Request { .. })).then_some(()));
    bench.walked(Some(keys(1).address(WEEK)), &peers(10..20));
    let first = asked(&mut bench, WEEK);
    assert_eq!((first.len(), first[0].1), (4, node(9)), "beside the three that are asked at once");
    bench.answer(first[0].0, &page(&[]));
    assert!(asked(&mut bench, WEEK).is_empty());
    bench.answer(first[1].0, &page(&[]));
    bench.answer(first[2].0, &page(&[]));
    let hidden = deposit(1, 3, 1, b"hello");
    bench.answer(first[3].0, &page(&[&hidden]));
    assert_eq!(bench.arrivals().len(), 1);
    assert_eq!(
        asked(&mut bench, WEEK).len(),
        3,
        "one had something new: three more have to say they have not"
    );
}

#[test]
fn mailboxes_of_earlier_weeks_are_looked_into_at_pinned_nodes_alone() {
    let mut bench = with_a_pin();
    bench.step(In::PeerUp { node: node(200) });
    let walked: BTreeSet<MailboxAddress> = bench.walks().into_iter().map(|(_, address)| address).collect();
    assert!((WEEK - 5..WEEK - 2).all(|week| !walked.contains(&keys(1).address(week))));
    let mut weeks = BTreeSet::new();
    for (_, to, request) in bench.requests() {
        let Request::Fetch { ask, .. } = request else { continue };
        let ask: FetchAsk = crate::codec::decode(&ask, 1 << 20).expect("a question");
        assert_eq!(to, node(9));
        weeks.extend((WEEK - 9..WEEK + 2).find(|week| keys(1).address(*week) == ask.owner.address()));
    }
    assert_eq!(weeks, (WEEK - 5..WEEK - 2).collect());
    call(&mut bench, Command::Unpin { holder: node(9) }).expect("it was pinned");
    bench.requests();
    bench.wait(DAY);
    assert!(bench.requests().iter().all(|(_, to, _)| *to != node(9)));
}

#[test]
fn what_only_a_pinned_node_has_after_three_weeks_arrives_and_is_let_go() {
    let mut bench = with_a_pin();
    let late = deposit(1, 3, 1, b"from long ago");
    bench.wait(21 * DAY);
    bench.step(In::PeerUp { node: node(200) });
    let asked = asked(&mut bench, WEEK);
    let [(op, to)] = asked.as_slice() else { panic!("one is asked: {asked:?}") };
    assert_eq!(*to, node(9));
    bench.answer(*op, &page(&[&late]));
    let arrived = bench.arrivals();
    assert_eq!(
        arrived.iter().map(|(_, from, payload)| (*from, payload.as_slice())).collect::<Vec<_>>(),
        [(node(3), b"from long ago".as_slice())]
    );
    bench.step(In::Taken { envelope: arrived[0].0 });
    bench.wait(Duration::from_secs(1));
    let acked = bench.requests().into_iter().find_map(|(_, to, request)| match request {
        Request::Ack { acks } => Some((to, acks.taken.len())),
        _ => None,
    });
    assert_eq!(acked, Some((node(9), 1)));
}

fn parcel(pinned: &[u8]) -> Parcel {
    let pinned: Vec<NodeId> = pinned.iter().map(|n| node(*n)).collect();
    let pass =
        |week| super::super::keys::MailboxPass { pinned: pinned.clone(), ..keys(2).pass(week, node(1)) };
    let to = Recipient::Contact { node: node(2), passes: (WEEK..WEEK + 4).map(pass).collect() };
    Parcel { account: node(1), id: id(1), to, payload: b"hello".to_vec() }
}

fn number_of(wanted: NodeId) -> u8 {
    (0..=255).find(|n| node(*n) == wanted).expect("one of ours")
}

fn sent(bench: &mut Bench) -> Vec<(OpId, u8, Deposit)> {
    let requests = bench.requests().into_iter();
    let deposits = requests.filter_map(|(op, to, request)| match request {
        Request::Deposit { deposit } => {
            let checked = super::super::deposit::Checked::read(&deposit).expect("its right holds");
            Some((op, number_of(to), checked.deposit))
        }
        _ => None,
    });
    deposits.collect()
}

#[test]
fn a_parcel_goes_to_the_closest_and_to_those_pinned_and_their_receipts_count() {
    let mut bench = Bench::connected(1);
    bench.step(In::Deposit { parcel: parcel(&[60, 61]) });
    bench.walked(None, &peers(10..14));
    let sent = sent(&mut bench);
    let to: BTreeSet<u8> = sent.iter().map(|(_, to, _)| *to).collect();
    assert_eq!(to, BTreeSet::from([10, 11, 12, 13, 60, 61]));
    let now = bench.clock.unix;
    for (op, holder, deposit) in sent.iter().filter(|(_, holder, _)| *holder != 13 && *holder != 12) {
        // Everybody promises a year; what the protocol gives is what counts.
        bench.answer(*op, &receipt(*holder, deposit, now.after(365 * DAY)));
    }
    let stored = now.after(limits::MAILBOX_LIFETIME);
    assert_eq!(bench.progress(), [(id(1), Some(stored))], "four receipts in a network of four");
    let receipts = &bench.disk.parcels[&(node(1), id(1))].receipts;
    let of = |n: u8| receipts.iter().find(|(holder, _)| *holder == node(n)).map(|(_, until)| *until);
    assert_eq!((of(60), of(10)), (Some(now.after(limits::PINNED_LIFETIME)), Some(stored)));
}

#[test]
fn a_pinned_node_that_is_away_keeps_nothing_from_being_stored_and_gets_it_when_it_comes() {
    let mut bench = Bench::connected(1);
    bench.step(In::Deposit { parcel: parcel(&[60]) });
    bench.walked(None, &peers(10..12));
    for (op, holder, deposit) in sent(&mut bench) {
        if holder == 60 {
            bench.unreachable(op);
        } else {
            let until = bench.clock.unix.after(limits::MAILBOX_LIFETIME);
            bench.answer(op, &receipt(holder, &deposit, until));
        }
    }
    assert_eq!(bench.progress().len(), 1, "both of the others have signed");
    assert_eq!(bench.take(|wish| matches!(wish, Out::Locate { .. }).then_some(())).len(), 1);
    bench.wait(Duration::from_secs(60));
    assert!(sent(&mut bench).is_empty());
    bench.step(In::PeerUp { node: node(60) });
    bench.walked(None, &peers(10..12));
    let again = sent(&mut bench);
    assert_eq!(again.iter().map(|(_, to, _)| *to).collect::<Vec<_>>(), [60]);
    bench.unreachable(again[0].0);
    // One that comes and goes all the time is not run after.
    bench.step(In::PeerDown { node: node(60) });
    bench.step(In::PeerUp { node: node(60) });
    assert!(sent(&mut bench).is_empty());
    // After a restart, too: the row says who is pinned.
    let mut bench = bench.restarted();
    bench.step(In::PeerUp { node: node(60) });
    bench.walked(None, &peers(10..12));
    assert_eq!(sent(&mut bench).iter().map(|(_, to, _)| *to).collect::<Vec<_>>(), [60]);
}

#[test]
fn who_is_pinned_by_the_recipient_does_not_bring_it_to_itself_or_to_them() {
    let mut bench = Bench::connected(1);
    bench.step(In::Deposit { parcel: parcel(&[1, 2, 10]) });
    bench.walked(None, &peers(10..12));
    let to: Vec<u8> = sent(&mut bench).iter().map(|(_, to, _)| *to).collect();
    assert_eq!(to.len(), 2, "{to:?}: the closest, each once");
}

#[test]
fn where_nobody_is_close_the_pinned_ones_are_the_holders() {
    let mut bench = Bench::new(1);
    bench.step(In::PeerUp { node: node(2) });
    bench.walked(None, &[]);
    bench.requests();
    bench.step(In::Deposit { parcel: parcel(&[60, 61]) });
    bench.walked(None, &peers([2]));
    let sent = sent(&mut bench);
    assert_eq!(sent.len(), 2);
    let until = bench.clock.unix.after(limits::PINNED_LIFETIME);
    bench.answer(sent[0].0, &receipt(sent[0].1, &sent[0].2, until));
    assert!(bench.progress().is_empty());
    bench.answer(sent[1].0, &receipt(sent[1].1, &sent[1].2, until));
    assert_eq!(bench.progress(), [(id(1), Some(until))]);
}
