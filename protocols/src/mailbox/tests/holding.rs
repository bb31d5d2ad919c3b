//! Envelopes of others, and what their owners are shown.

use super::*;

fn fetch(bench: &mut Bench, ask: &FetchAsk, owner: u8, by: u8) -> Option<Answer> {
    let request = ask.sign(&keys(owner).owner(WEEK));
    bench.asked(by, &request)
}

fn shown(answer: Option<Answer>) -> (Vec<Vec<u8>>, Option<EnvelopeId>) {
    match answer {
        Some(Answer::Page { deposits, next }) => {
            (deposits.into_iter().map(serde_bytes::ByteBuf::into_vec).collect(), next)
        }
        other => panic!("no page: {other:?}"),
    }
}

fn refused(reason: Refusal) -> Option<Answer> {
    Some(Answer::Refused { reason })
}

#[test]
fn a_receipt_leaves_when_the_disk_has_it_and_is_signed() {
    let mut bench = Bench::new(1);
    let deposit = opaque(2, 3, 1);
    bench.slow_disk = Some(Vec::new());
    assert_eq!(bench.asked(3, &put(&deposit)), None);
    // A repetition waits for the first, too.
    assert_eq!(bench.asked(3, &put(&deposit)), None);
    bench.written();
    let until = bench.clock.unix.after(limits::MAILBOX_LIFETIME);
    assert_eq!(bench.response(RequestToken(1)), Some(receipt(1, &deposit, until)));
    assert_eq!(bench.response(RequestToken(2)), Some(receipt(1, &deposit, until)));
    assert_eq!(bench.disk.held[&key_of(&deposit)].deposit, deposit.encode());
}

#[test]
fn level_1_keeps_nothing_and_says_so() {
    let mut bench = Bench::new(1);
    bench.step(In::Level { level: Level::Client, share_bytes: SHARE });
    assert_eq!(bench.asked(3, &put(&opaque(2, 3, 1))), refused(Refusal::NotAHolder));
    let offer = Request::Offer { address: keys(2).address(WEEK), ids: vec![id(1)], acks: None };
    assert_eq!(bench.asked(3, &offer), refused(Refusal::NotAHolder));
    assert!(bench.penalised().is_empty());
}

#[test]
fn what_was_promised_is_shown_also_at_level_1() {
    let mut bench = Bench::new(1);
    let deposit = opaque(2, 3, 1);
    bench.keeps(&deposit);
    bench.step(In::Level { level: Level::Client, share_bytes: 0 });
    let answer = fetch(&mut bench, &ask(2, 1, beginning()), 2, 2);
    assert_eq!(shown(answer).0, [deposit.encode()]);
}

#[test]
fn a_full_disk_is_refused_honestly() {
    let mut bench = Bench::new(1);
    bench.step(In::Level { level: Level::Participant, share_bytes: 7_000 });
    for n in 1..=4 {
        assert!(matches!(bench.asked(n, &put(&opaque(2, 3, n))), Some(Answer::Receipt { .. })));
    }
    assert_eq!(bench.asked(3, &put(&opaque(2, 3, 5))), refused(Refusal::Full));
    assert!(matches!(bench.asked(3, &put(&opaque(2, 3, 1))), Some(Answer::Receipt { .. })), "it is there");
    assert!(bench.penalised().is_empty());
}

#[test]
fn garbage_and_forgeries_count_against_who_sent_them() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.asked_bytes(3, b"garbage".to_vec()), None);
    assert_eq!(bench.penalised(), [node(3)]);
    let dropped = bench.take(|wish| matches!(wish, Out::Net(NetCommand::Drop { .. })).then_some(()));
    assert_eq!(dropped.len(), 1);
    let forged = Deposit { id: id(9), ..opaque(2, 3, 1) };
    assert_eq!(bench.asked(3, &put(&forged)), refused(Refusal::BadSignature));
    assert_eq!(bench.penalised(), [node(3)]);
    assert_eq!(bench.asked(3, &Request::Deposit { deposit: vec![1].into() }), refused(Refusal::Malformed));
    assert_eq!(bench.penalised(), [node(3)]);
    assert!(bench.disk.held.is_empty());
}

#[test]
fn a_deposit_of_another_time_is_refused_and_nobody_is_blamed() {
    let mut bench = Bench::new(1);
    bench.clock.unix = week_begins(WEEK + 3);
    assert_eq!(bench.asked(3, &put(&opaque(2, 3, 1))), refused(Refusal::Untimely));
    assert!(bench.penalised().is_empty());
}

#[test]
fn only_the_owner_is_shown_what_is_there() {
    let mut bench = Bench::new(1);
    let deposit = opaque(2, 3, 1);
    bench.keeps(&deposit);
    let question = ask(2, 1, beginning());
    assert_eq!(shown(fetch(&mut bench, &question, 2, 2)).0, [deposit.encode()]);
    assert_eq!(fetch(&mut bench, &question, 3, 3), refused(Refusal::BadSignature));
    assert_eq!(bench.penalised(), [node(3)]);
    // A question to another holder, shown to this one.
    assert_eq!(fetch(&mut bench, &ask(2, 9, beginning()), 2, 2), refused(Refusal::Malformed));
    // The owner of another mailbox sees that one.
    let elsewhere = ask(3, 1, beginning());
    assert_eq!(shown(fetch(&mut bench, &elsewhere, 3, 3)).0, [[0; 0]; 0]);
}

#[test]
fn a_mailbox_is_shown_in_pages_without_what_the_owner_knows() {
    let mut bench = Bench::new(1);
    let deposits: Vec<Deposit> = (1..=5).map(|n| opaque(2, 3, n)).collect();
    deposits.iter().for_each(|deposit| bench.keeps(deposit));
    let first = FetchAsk { max_bytes: 3_000, known: vec![id(2)], ..ask(2, 1, beginning()) };
    let (page, next) = shown(fetch(&mut bench, &first, 2, 2));
    assert_eq!((page, next), (vec![deposits[0].encode(), deposits[2].encode()], Some(id(3))));
    let second = FetchAsk { after: next, ..first };
    let (page, next) = shown(fetch(&mut bench, &second, 2, 2));
    assert_eq!((page, next), (vec![deposits[3].encode(), deposits[4].encode()], None));
    let tiny = FetchAsk { max_bytes: 1, ..ask(2, 1, beginning()) };
    assert_eq!(shown(fetch(&mut bench, &tiny, 2, 2)), (vec![deposits[0].encode()], Some(id(1))));
}

#[test]
fn reads_for_owners_are_bounded_for_each_and_for_all() {
    let mut bench = Bench::new(1);
    bench.keeps(&opaque(2, 3, 1));
    let mut reads = 0;
    let mut busy = 0;
    for n in 0..u8::try_from(limits::MAX_PAGE_READS_PER_PEER + 1).expect("few") {
        let request = ask(2, 1, beginning()).sign(&keys(2).owner(WEEK));
        let token = RequestToken(1_000 + u64::from(n));
        let mut out = Vec::new();
        let input =
            In::PeerRequest { from: node(2), prefix: Prefix::Local, token, payload: request.encode() };
        bench.machine.handle(bench.clock, input, &mut out);
        for wish in out {
            match wish {
                Out::Load { .. } => reads += 1,
                Out::Net(NetCommand::Respond { payload, .. }) => {
                    assert_eq!(Answer::decode(&payload).ok(), refused(Refusal::Busy));
                    busy += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((reads, busy), (limits::MAX_PAGE_READS_PER_PEER, 1));
    // What is read makes room again, also when the disk never answers.
    bench.wait(Duration::from_secs(1_000));
    let later = ask(2, 1, bench.clock);
    assert_eq!(shown(fetch(&mut bench, &later, 2, 2)).0.len(), 1);
}

#[test]
fn what_its_owner_has_taken_goes_and_does_not_come_back() {
    let mut bench = Bench::new(1);
    let (taken, stays) = (opaque(2, 3, 1), opaque(2, 3, 2));
    bench.keeps(&taken);
    bench.keeps(&stays);
    let word = acks(2, &[&taken]);
    bench.slow_disk = Some(Vec::new());
    assert_eq!(bench.asked(2, &Request::Ack { acks: word.clone() }), None);
    bench.written();
    assert_eq!(bench.response(RequestToken(3)), Some(Answer::Acked));
    assert_eq!(bench.disk.held.keys().copied().collect::<Vec<_>>(), [key_of(&stays)]);
    let mut bench = bench.restarted();
    assert_eq!(bench.asked(3, &put(&taken)), Some(Answer::Taken { acks: word.clone() }));
    assert_eq!(shown(fetch(&mut bench, &ask(2, 1, beginning()), 2, 2)).0, [stays.encode()]);
}

#[test]
fn nobody_but_the_owner_can_let_an_envelope_go() {
    let mut bench = Bench::new(1);
    let deposit = opaque(2, 3, 1);
    bench.keeps(&deposit);
    let word = acks(2, &[&deposit]);
    let claim = AckClaim { address: deposit.address, id: id(1), digest: digest_of(&deposit) };
    let forged = Acks { taken: vec![claim.sign(&signer(3))], ..word.clone() };
    assert_eq!(bench.asked(3, &Request::Ack { acks: forged }), refused(Refusal::BadSignature));
    assert_eq!(bench.penalised(), [node(3)]);
    // The word for another content of that name, as its owner may give for somebody's worthless envelope.
    let claim = AckClaim { digest: [0; 32], ..claim };
    let other = Acks { taken: vec![claim.sign(&keys(2).owner(WEEK))], ..word };
    assert_eq!(bench.asked(2, &Request::Ack { acks: other }), Some(Answer::Acked));
    assert_eq!(bench.disk.held.len(), 1);
    assert!(matches!(bench.asked(3, &put(&deposit)), Some(Answer::Receipt { .. })));
}

#[test]
fn acknowledgements_of_what_is_not_held_are_bounded() {
    let mut bench = Bench::new(1);
    let most = usize::try_from(limits::MAX_MAILBOX_ENVELOPES).expect("it fits");
    for batch in 0..9u8 {
        let taken = (0..=255u8).map(|n| {
            let mut bytes = [batch; 16];
            bytes[0] = n;
            let claim = AckClaim {
                address: keys(2).address(WEEK),
                id: EnvelopeId::from_bytes(bytes),
                digest: [0; 32],
            };
            claim.sign(&keys(2).owner(WEEK))
        });
        let word = Acks { owner: owner_of(2), taken: taken.collect() };
        assert_eq!(bench.asked(2, &Request::Ack { acks: word }), Some(Answer::Acked));
    }
    assert_eq!(bench.disk.tombstones.len(), most);
}

#[test]
fn an_owner_who_asked_for_it_hears_of_news_when_they_are_on_disk() {
    let mut bench = Bench::new(1);
    let question = FetchAsk { subscribe: true, ..ask(2, 1, beginning()) };
    fetch(&mut bench, &question, 2, 2);
    bench.slow_disk = Some(Vec::new());
    let deposit = opaque(2, 3, 1);
    bench.asked(3, &put(&deposit));
    assert!(bench.requests().is_empty());
    bench.written();
    let news: Vec<_> = bench.requests();
    let [(op, to, Request::News { address })] = news.as_slice() else { panic!("{news:?}") };
    assert_eq!((*to, *address), (node(2), deposit.address));
    // Who cannot be told is not told again.
    bench.unreachable(*op);
    bench.asked(3, &put(&opaque(2, 3, 2)));
    assert!(bench.requests().is_empty());
}

#[test]
fn a_subscription_ends_when_the_owner_does_not_ask_again() {
    let mut bench = Bench::new(1);
    let question = FetchAsk { subscribe: true, ..ask(2, 1, beginning()) };
    fetch(&mut bench, &question, 2, 2);
    bench.wait(HOUR);
    bench.asked(3, &put(&opaque(2, 3, 1)));
    assert!(bench.requests().is_empty());
}

#[test]
fn an_owner_does_not_hold_its_own_mailbox_for_others() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.asked(3, &put(&opaque(1, 3, 1))), refused(Refusal::NotAHolder));
}

#[test]
fn what_has_ended_leaves_the_disk() {
    let mut bench = Bench::new(1);
    let deposit = opaque(2, 3, 1);
    bench.keeps(&deposit);
    bench.asked(2, &Request::Ack { acks: acks(2, &[&opaque(2, 3, 9)]) });
    bench.wait(limits::MAILBOX_LIFETIME.saturating_sub(HOUR));
    assert_eq!(bench.disk.held.len(), 1);
    bench.wait(HOUR * 2);
    assert_eq!((bench.disk.held.len(), bench.disk.tombstones.len()), (0, 1));
    bench.wait(limits::MAILBOX_LIFETIME);
    assert_eq!(bench.disk.tombstones.len(), 0);
}
