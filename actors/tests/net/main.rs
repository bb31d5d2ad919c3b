//! The network driver with real sockets on loopback: two or three nodes in one process, and peers that behave badly.

mod public;
mod relays;
mod rogue;
mod streams;
mod support;

use pc2_actors::net::{NetStartError, Transport};
use pc2_protocols::net::{NetCommand, NetError, NetInput, Prefix, Protocol};
use rogue::Rogue;
use std::{
    collections::BTreeSet,
    io::Write,
    net::{TcpListener, TcpStream, UdpSocket},
    time::Duration,
};
use support::{PATIENCE, Setup, address};

/// A asks B, B answers, over the transport that B listens with.
async fn ask_and_answer(setup: Setup, transport: Transport) {
    let mut a = Setup::tcp(1).start();
    let mut b = setup.start();
    a.learn(&b).await;
    for protocol in Protocol::ALL {
        let payload = vec![7; protocol.max_frame_bytes()];
        let op = a.request(b.id(), protocol, &payload);
        let (asked, answered) = match protocol {
            Protocol::Record => (&mut b.record, &mut a.record),
            Protocol::Message => (&mut b.message, &mut a.message),
            Protocol::Mailbox => (&mut b.mailbox, &mut a.mailbox),
        };
        let (from, prefix, token, received) = asked
            .until(|input| match input {
                NetInput::Request { from, prefix, token, payload, .. } => {
                    Some((from, prefix, token, payload))
                }
                _ => None,
            })
            .await;
        assert_eq!((from, prefix), (a.handle.node(), Prefix::Local));
        assert!(received == payload, "the largest frame arrives whole");
        b.handle.command(NetCommand::Respond { token, payload: b"yes".to_vec() }).expect("room");
        assert_eq!(answered.response(op).await, Ok(b"yes".to_vec()));
    }
    let view = a.view().await;
    let peer = view.peers.first().expect("connected");
    assert_eq!((peer.node, peer.transport), (b.id(), transport));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_over_tcp() {
    ask_and_answer(Setup::tcp(2), Transport::Tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_over_quic() {
    ask_and_answer(Setup::quic(2), Transport::Quic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_know_only_a_bootstrap_node_find_and_reach_each_other() {
    let mut s = Setup::tcp(1).start();
    let mut b = Setup::quic(2).bootstrap(s.peer().await).start();
    s.record.until_up(b.id()).await;
    // B may say only a moment later that it takes part: until then nobody is there to be found.
    let found = loop {
        let found = s.find_closest([0; 32]).await;
        if !found.is_empty() {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(found.iter().map(|peer| peer.node).collect::<Vec<_>>(), [b.id()]);

    let mut a = Setup::tcp(3).bootstrap(s.peer().await).start();
    // At once, while the first connection is still being made.
    let found = a.find_closest([0; 32]).await;
    let nodes: BTreeSet<_> = found.iter().map(|peer| peer.node).collect();
    assert_eq!(nodes, BTreeSet::from([s.id(), b.id()]), "without ourselves");
    assert!(found.iter().all(|peer| !peer.addresses.is_empty()));

    let op = a.request(b.id(), Protocol::Message, b"hello");
    let (from, token, payload) = b.message.request().await;
    assert_eq!((from, payload), (a.id(), b"hello".to_vec()));
    b.command(NetCommand::Respond { token, payload: b"hello yourself".to_vec() });
    assert_eq!(a.message.response(op).await, Ok(b"hello yourself".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn alone_a_lookup_finds_nobody_at_once() {
    let mut a = Setup::tcp(1).start();
    assert!(a.find_closest([0; 32]).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_work_are_answered_with_the_reason() {
    let mut a = Setup::tcp(1).start();
    let mut b = Setup::tcp(2).start();
    let unknown = a.request(b.id(), Protocol::Message, b"x");
    assert_eq!(a.message.response(unknown).await, Err(NetError::NoAddress));

    let oversized = a.request(b.id(), Protocol::Message, &vec![0; Protocol::Message.max_frame_bytes() + 1]);
    assert_eq!(a.message.response(oversized).await, Err(NetError::TooLarge));

    let ourselves = a.request(a.id(), Protocol::Message, b"x");
    assert_eq!(a.message.response(ourselves).await, Err(NetError::Unreachable));

    a.learn(&b).await;
    let dropped = a.request(b.id(), Protocol::Message, b"x");
    let (_, token, _) = b.message.request().await;
    b.command(NetCommand::Drop { token });
    assert_eq!(a.message.response(dropped).await, Err(NetError::Closed));

    let peer = b.peer().await;
    b.shutdown().await;
    a.message.until_down(peer.node).await;
    let gone = a.request(peer.node, Protocol::Message, b"x");
    assert_eq!(a.message.response(gone).await, Err(NetError::Unreachable));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_answered_exactly_once_when_the_peer_dies_midway() {
    let mut a = Setup::tcp(1).start();
    let mut b = Setup::tcp(2).start();
    a.learn(&b).await;
    let mut open: BTreeSet<_> = (0..10).map(|_| a.request(b.id(), Protocol::Message, b"x")).collect();
    // Half of them reached B, and one was answered.
    let (_, token, _) = b.message.request().await;
    b.command(NetCommand::Respond { token, payload: Vec::new() });
    for _ in 0..4 {
        b.message.request().await;
    }
    b.shutdown().await;
    let marker = a.request(a.id(), Protocol::Message, b"x");
    while !open.is_empty() {
        let (op, _) = a.message.any_response().await;
        assert!(op == marker || open.remove(&op), "answered twice");
    }
    let last = a.request(a.id(), Protocol::Message, b"x");
    loop {
        let (op, _) = a.message.any_response().await;
        if op == last {
            break;
        }
        assert_eq!(op, marker, "nothing else is open");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_to_one_peer_are_refused_and_all_are_answered() {
    let mut a = Setup::tcp(1).start();
    let b = Setup::tcp(2).start();
    a.learn(&b).await;
    let mut open: BTreeSet<_> = (0..100).map(|_| a.request(b.id(), Protocol::Message, b"x")).collect();
    let mut busy = 0;
    while open.len() > 16 {
        let (op, result) = a.message.any_response().await;
        assert!(open.remove(&op));
        assert_eq!(result, Err(NetError::Busy));
        busy += 1;
    }
    assert_eq!(busy, 84);
    b.shutdown().await;
    while !open.is_empty() {
        let (op, _) = a.message.any_response().await;
        assert!(open.remove(&op));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_a_full_queue_refused_arrive_later() {
    let mut a = Setup::tcp(1).queue(1).start();
    let unknown = Setup::tcp(2).start().id();
    let ops: Vec<_> = (0..20).map(|_| a.request(unknown, Protocol::Message, b"x")).collect();
    for op in ops {
        assert_eq!(a.message.any_response().await, (op, Err(NetError::NoAddress)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_machines_of_both_nodes_hear_of_coming_and_going() {
    let mut a = Setup::tcp(1).start();
    let mut b = Setup::tcp(2).start();
    a.learn(&b).await;
    a.command(NetCommand::KeepConnected { nodes: vec![b.id()] });
    a.record.until_up(b.id()).await;
    a.message.until_up(b.id()).await;
    b.record.until_up(a.id()).await;
    b.message.until_up(a.id()).await;
    let gone = a.id();
    a.shutdown().await;
    b.record.until_down(gone).await;
    b.message.until_down(gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_restarts_on_its_port_is_connected_again() {
    let mut a = Setup::tcp(1).start();
    let b = Setup::tcp(2).start();
    let peer = b.peer().await;
    a.command(NetCommand::KeepConnected { nodes: vec![peer.node] });
    // Only now is it known where B is.
    a.command(NetCommand::Learn { peer: peer.clone() });
    a.message.until_up(peer.node).await;
    b.shutdown().await;
    a.message.until_down(peer.node).await;
    let _b = Setup::tcp(2).listen(peer.addresses.clone()).start();
    a.message.until_up(peer.node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_the_saved_table_is_enough_to_come_back() {
    let b = Setup::tcp(2).start();
    let mut a = Setup::tcp(1).bootstrap(b.peer().await).start();
    assert_eq!(a.find_closest([0; 32]).await.len(), 1);
    let saved = a.shutdown().await.expect("the table was saved");
    assert_eq!(saved.iter().map(|peer| peer.node).collect::<Vec<_>>(), [b.id()]);

    let mut a = Setup::tcp(1).known(saved).start();
    let found = a.find_closest([0; 32]).await;
    assert_eq!(found.iter().map(|peer| peer.node).collect::<Vec<_>>(), [b.id()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let (tcp, udp) = {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        (tcp.local_addr().expect("bound").port(), udp.local_addr().expect("bound").port())
    };
    let tcp = format!("/ip4/127.0.0.1/tcp/{tcp}");
    let udp = format!("/ip4/127.0.0.1/udp/{udp}/quic-v1");
    // libp2p by itself would share the TCP port between two nodes of one user.
    let holder = Setup::tcp(1).listen(vec![address(&tcp), address(&udp)]).start();
    for taken in [tcp, udp] {
        let refused = Setup::on(2, &taken).try_start().err().expect("the port is taken");
        assert!(
            matches!(&refused, NetStartError::PortTaken { address } if address.as_str() == taken),
            "{refused}"
        );
        assert!(refused.to_string().contains("taken by another program"));
    }
    holder.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_to_listen_on_is_refused() {
    for nonsense in ["/ip4/127.0.0.1/tcp/1/ws", "/dns/localhost/tcp/1", "/hello"] {
        let refused = Setup::on(1, nonsense).try_start().err();
        assert!(matches!(refused, Some(NetStartError::BadListenAddress { .. })), "{nonsense}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_break_the_rules_never_reach_a_machine_and_the_peer_is_shut_out() {
    let mut a = Setup::tcp(1).start();
    let mut rogue = Rogue::connect(9, a.peer().await).await;
    a.message.until_up(rogue.node()).await;
    // Announces 4 GiB and sends none of it; then bytes behind a whole frame.
    for frame in [&[0xff; 4][..], &[0, 0, 0, 1, 7, 8]].into_iter().cycle().take(9) {
        rogue.send(frame).await;
    }
    assert_eq!(a.view().await.counters.bad_frames, 9);
    // An honest frame still passes; its sender is not out yet.
    rogue.offer(&[0, 0, 0, 1, 7]);
    let (from, token, payload) = {
        let request = a.message.request();
        tokio::select! {
            request = request => request,
            () = rogue.drive() => unreachable!("driving never ends"),
        }
    };
    assert_eq!((from, payload), (rogue.node(), vec![7]));
    a.command(NetCommand::Drop { token });

    rogue.offer(&[0xff; 4]);
    rogue.until_closed().await;
    a.message.until_down(from).await;
    assert_eq!(a.view().await.counters.shut_out, 1);
    assert!(rogue.is_refused(a.peer().await).await, "and it cannot come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_answers_badly_or_not_in_this_protocol_is_told_apart() {
    let mut a = Setup::tcp(1).start();
    let mut rogue = Rogue::connect(9, a.peer().await).await;
    a.message.until_up(rogue.node()).await;
    let cases = [
        (Protocol::Message, &[0, 0, 0, 1, 7][..], Ok(vec![7])),
        (Protocol::Message, &[0xff; 4], Err(NetError::TooLarge)),
        (Protocol::Message, &[0, 0], Err(NetError::Closed)),
        (Protocol::Record, &[], Err(NetError::Unsupported)),
    ];
    for (protocol, answer, expected) in cases {
        let op = a.request(rogue.node(), protocol, b"x");
        let answered = match protocol {
            Protocol::Message => a.message.response(op),
            Protocol::Record => a.record.response(op),
            Protocol::Mailbox => a.mailbox.response(op),
        };
        tokio::select! {
            result = answered => assert_eq!(result, expected),
            () = rogue.answer_all(answer) => unreachable!("answering never ends"),
        }
    }
    assert_eq!(a.view().await.counters.bad_frames, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_on_the_port_harms_nobody() {
    let mut a = Setup::tcp(1).start();
    let port = a.view().await.listening.first().and_then(|at| at.as_str().rsplit('/').next()?.parse().ok());
    for length in [0, 1, 100_000] {
        let mut noise = TcpStream::connect(("127.0.0.1", port.expect("a port"))).expect("it listens");
        // The node may hang up in the middle.
        let _cut_short = noise.write_all(&vec![0xa5; length]);
    }
    let mut b = Setup::tcp(2).start();
    a.learn(&b).await;
    let op = a.request(b.id(), Protocol::Message, b"x");
    let (_, token, _) = b.message.request().await;
    b.command(NetCommand::Respond { token, payload: Vec::new() });
    assert_eq!(a.message.response(op).await, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as two connections must be apart not to count as one"]
async fn a_peer_that_was_killed_and_comes_back_is_asked_over_the_new_connection() {
    let mut a = Setup::tcp(1).start();
    let mut before = Rogue::connect(9, a.peer().await).await;
    a.message.until_up(before.node()).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    // Nobody drives the first any more, as if its machine had lost power.
    let mut after = Rogue::connect(9, a.peer().await).await;
    a.message.until_down(before.node()).await;
    a.message.until_up(before.node()).await;
    for _ in 0..10 {
        let op = a.request(after.node(), Protocol::Message, b"x");
        tokio::select! {
            result = a.message.response(op) => assert_eq!(result, Ok(vec![7])),
            () = after.answer_all(&[0, 0, 0, 1, 7]) => unreachable!("answering never ends"),
        }
    }
    before.offer(b"alive after all");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute, as long as it may take to notice"]
async fn a_peer_that_vanishes_without_a_word_is_noticed_within_half_a_minute() {
    let mut a = Setup::tcp(1).start();
    let mut rogue = Rogue::connect(9, a.peer().await).await;
    a.message.until_up(rogue.node()).await;
    // From here on nobody drives the rogue: its sockets are open, but nothing comes from them any more.
    let vanished = std::time::Instant::now();
    a.message.until_down(rogue.node()).await;
    assert!(vanished.elapsed() <= Duration::from_secs(30), "{:?}", vanished.elapsed());
    rogue.offer(b"alive after all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_asks_too_fast_is_slowed_down_and_a_contact_is_not() {
    let mut a = Setup::tcp(1).start();
    let mut b = Setup::tcp(2).start();
    a.learn(&b).await;
    /// One after the other, so that only the rate limit can stop them; how many were answered.
    async fn ask(a: &mut support::Node, b: &mut support::Node, times: usize) -> usize {
        let mut answered = 0;
        for _ in 0..times {
            let op = a.request(b.id(), Protocol::Message, b"x");
            let (ours, theirs) = (&mut a.message, &mut b.message);
            let mut response = std::pin::pin!(ours.response(op));
            loop {
                tokio::select! {
                    result = &mut response => {
                        answered += usize::from(result.is_ok());
                        break;
                    }
                    (_, token, _) = theirs.request() => {
                        b.handle.command(NetCommand::Respond { token, payload: Vec::new() }).expect("room");
                    }
                }
            }
        }
        answered
    }
    let answered = ask(&mut a, &mut b, 600).await;
    assert!((128..600).contains(&answered), "a burst passes, then it is limited: {answered}");
    assert!(b.view().await.counters.dropped_too_fast > 0);
    b.command(NetCommand::KeepConnected { nodes: vec![a.id()] });
    // Commands are done in order.
    b.view().await;
    assert_eq!(ask(&mut a, &mut b, 600).await, 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn penalties_of_a_machine_shut_a_peer_out_too() {
    let mut a = Setup::tcp(1).start();
    let b = Setup::tcp(2).start();
    a.learn(&b).await;
    a.command(NetCommand::KeepConnected { nodes: vec![b.id()] });
    a.message.until_up(b.id()).await;
    for _ in 0..10 {
        a.command(NetCommand::Penalise { node: b.id(), reason: "forged" });
    }
    a.message.until_down(b.id()).await;
    let op = a.request(b.id(), Protocol::Message, b"x");
    assert_eq!(a.message.response(op).await, Err(NetError::Unreachable));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_given_just_before_shutdown_still_leaves() {
    let mut a = Setup::tcp(1).start();
    let mut b = Setup::tcp(2).start();
    a.learn(&b).await;
    let op = a.request(b.id(), Protocol::Message, b"x");
    let (_, token, _) = b.message.request().await;
    let answer = vec![5; Protocol::Message.max_frame_bytes()];
    b.command(NetCommand::Respond { token, payload: answer.clone() });
    let ended = tokio::time::timeout(PATIENCE, b.shutdown()).await;
    assert!(ended.is_ok());
    assert!(a.message.response(op).await == Ok(answer), "the whole answer");
}
