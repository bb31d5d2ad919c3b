//! Peers that do not keep to the rules.

use super::*;

fn start_item(session: u8, device: u8, created: u64, welcome: &[u8]) -> Item {
    Item::Start {
        session: SessionId::from_bytes([session; 16]),
        device: DeviceId::from_bytes([device; 16]),
        created: UnixMillis(created),
        name: "Mallory".to_owned(),
        invitation: None,
        welcome: serde_bytes::ByteBuf::from(welcome.to_vec()),
    }
}

fn content_item(seq: u64) -> Item {
    Item::Content {
        session: SessionId::from_bytes([9; 16]),
        id: MsgId::from_bytes([9; 16]),
        device: DeviceId::from_bytes([9; 16]),
        seq,
        sealed: serde_bytes::ByteBuf::from(vec![1, 2, 3]),
    }
}

#[test]
fn garbage_is_refused_and_counted() {
    let mut bench = Bench::new(2);
    let answer = bench.inject(1, 0, vec![0xff; 40]);
    assert_eq!(answer, Answer::Refused { reason: Refusal::Invalid });
    assert_eq!(bench.nodes[0].penalties, 1);
}

#[test]
fn a_stranger_without_a_start_leaves_no_trace() {
    let mut bench = Bench::new(2);
    let frame = Request::Deliver { items: vec![content_item(1), content_item(u64::MAX)] }.encode();
    let refused = Outcome::Refused { reason: Refusal::NoSession };
    assert_eq!(bench.inject(1, 0, frame), Answer::Delivered { outcomes: vec![refused, refused] });
    let frame = Request::Deliver { items: vec![start_item(1, 1, 5, b"no welcome")] }.encode();
    let refused = Outcome::Refused { reason: Refusal::Unreadable };
    assert_eq!(bench.inject(1, 0, frame), Answer::Delivered { outcomes: vec![refused] });
    let repair = Request::Repair { device: bench.nodes[0].device(), from: 1, to: 9 }.encode();
    assert_eq!(bench.inject(1, 0, repair), Answer::Refused { reason: Refusal::Undecided });
    let presence = Request::Presence { online: true }.encode();
    assert_eq!(bench.inject(1, 0, presence), Answer::Refused { reason: Refusal::Undecided });
    assert!(bench.nodes[0].disk.contacts.is_empty() && bench.nodes[0].history.is_empty());
}

#[test]
fn open_requests_are_bounded_and_deciding_makes_room() {
    let mut bench = Bench::new(limits::MAX_OPEN_REQUESTS + 2);
    for asker in 1..=limits::MAX_OPEN_REQUESTS + 1 {
        bench.add(asker, 0, "hi").expect("asked");
    }
    let asking = |bench: &Bench| {
        bench.nodes[0].disk.contacts.values().filter(|contact| contact.standing == Standing::Asking).count()
    };
    assert_eq!(asking(&bench), limits::MAX_OPEN_REQUESTS);
    bench.call(0, Command::Remove { peer: id(1) }).expect("removed");
    bench.wait(limits::RETRY_MAX);
    assert_eq!(asking(&bench), limits::MAX_OPEN_REQUESTS);
    assert_eq!(bench.nodes[0].standing(limits::MAX_OPEN_REQUESTS + 1), Some(Standing::Asking));
}

#[test]
fn an_old_start_is_a_replay_and_a_known_one_a_repetition() {
    let mut bench = Bench::new(2);
    bench.befriend(1, 0);
    let starts: Vec<Item> = bench
        .sent
        .iter()
        .filter_map(|(_, request)| match request {
            Request::Deliver { items } => {
                items.iter().find(|item| matches!(item, Item::Start { .. })).cloned()
            }
            _ => None,
        })
        .collect();
    let frame = Request::Deliver { items: vec![starts[0].clone()] }.encode();
    let stored = Answer::Delivered { outcomes: vec![Outcome::Stored] };
    assert_eq!(bench.inject(1, 0, frame.clone()), stored, "the session in use");
    // The peer begins anew; the old start comes late.
    bench.call(1, Command::Remove { peer: id(0) }).expect("removed");
    bench.add(1, 0, "again").expect("asked");
    bench.wait(Duration::from_secs(60));
    let answer = bench.inject(1, 0, frame);
    assert_eq!(answer, Answer::Delivered { outcomes: vec![Outcome::Refused { reason: Refusal::Invalid }] });
    bench.say(0, 1, "still fine");
    assert_eq!(bench.nodes[1].texts(0).last().map(String::as_str), Some("still fine"));
}

#[test]
fn a_contact_can_neither_replace_our_message_nor_break_the_clock() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    let ours = bench.say(0, 1, "what I said");
    let before = bench.nodes[0].history.clone();
    // What a machine refuses to compose, its content would say: the same place and name as ours.
    let mut forged = before[&(ours.conversation, ours.content.hlc.0, ours.content.id)].clone();
    forged.sender = id(1);
    bench.nodes[0].write(&Change::PutMessage(Box::new(forged)));
    assert_eq!(bench.nodes[0].history, before);
    let mut content = ours.content;
    content.hlc = super::super::content::Hlc(u64::MAX);
    assert!(Content::decode(&content.encode()).is_err());
}

#[test]
fn a_peer_that_refuses_everything_is_not_flooded() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    // The peer loses its sessions again and again.
    bench.sent.clear();
    for _ in 0..20 {
        let sessions: Vec<SessionId> = bench.nodes[1].disk.sessions.keys().copied().collect();
        for session in sessions {
            let account = id(1);
            bench.nodes[1].disk.apply(&Change::RemoveSession { account, session });
        }
        bench.restart(1);
        bench.run();
        bench.say(0, 1, "hello?");
    }
    bench.wait(Duration::from_secs(3_600));
    assert!(bench.sent.len() < 400, "{} frames", bench.sent.len());
    assert_eq!(bench.nodes[1].texts(0).len(), 21);
}

#[test]
fn answers_of_the_wrong_shape_are_counted_and_lose_nothing() {
    let mut bench = Bench::new(2);
    bench.befriend(0, 1);
    for answer in
        [Answer::Delivered { outcomes: Vec::new() }.encode(), Answer::Seen.encode(), vec![0xff, 0x00]]
    {
        bench.set_reachable(1, false);
        bench.wait(Duration::from_secs(1));
        let row = bench.say(0, 1, "are you well?");
        let op = loop {
            bench.wait(limits::RETRY_MIN);
            // Step by hand: the peer's answer comes before the network's.
            let mut out = Vec::new();
            bench.nodes[0].machine.handle(bench.now, In::NetworkChanged, &mut out);
            let Some(Out::Persist { then, .. }) = out.pop() else { continue };
            let op = then.into_iter().find_map(|out| match out {
                Out::Net(NetCommand::Request { op, .. }) => Some(op),
                _ => None,
            });
            if let Some(op) = op {
                break op;
            }
        };
        let penalties = bench.nodes[0].penalties;
        bench.step(0, In::PeerResponse { op, result: Ok(answer) });
        assert_eq!(bench.nodes[0].penalties, penalties + 1);
        assert_eq!(bench.nodes[0].state(&row), MessageState::Waiting);
        bench.set_reachable(1, true);
        assert_eq!(bench.nodes[0].state(&row), MessageState::Delivered);
    }
}
