//! Relays with real sockets on loopback: places, circuits, holes punched under a conversation, limits, and relays that end.

use crate::support::{Node, Setup, Wire};
use pc2_actors::net::Path;
use pc2_protocols::{
    id::NodeId,
    net::{Address, NetCommand, NetError, Peer, Protocol, Reach, RelayShare, ReservationError},
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

pub(crate) const SHARE: RelayShare = RelayShare {
    reservations: 4,
    circuits: 4,
    circuit_bytes: 1 << 30,
    circuit_seconds: 3_600,
    bytes_per_second: 1 << 30,
};

/// Long enough for whatever should not happen to happen.
const MOMENT: Duration = Duration::from_millis(300);

/// A node that nobody can dial.
pub(crate) fn hidden(seed: u8) -> Setup {
    Setup::tcp(seed).listen(Vec::new())
}

/// Asks for a place and gets it; where others reach the node through it.
pub(crate) async fn reserve(node: &mut Node, relay: &Node) -> Vec<Address> {
    node.learn(relay).await;
    node.command(NetCommand::Reserve { relay: relay.id() });
    reserved(node, relay.id()).await
}

pub(crate) async fn reserved(node: &mut Node, at: NodeId) -> Vec<Address> {
    node.relay
        .reach(|reach| match reach {
            Reach::Reserved { relay, addresses } if relay == at => Some(addresses),
            Reach::ReservationLost { reason, .. } => panic!("no place: {reason}"),
            _ => None,
        })
        .await
}

pub(crate) async fn lost(node: &mut Node, at: NodeId) -> ReservationError {
    node.relay
        .reach(|reach| match reach {
            Reach::ReservationLost { relay, reason } if relay == at => Some(reason),
            _ => None,
        })
        .await
}

/// One question and its answer.
pub(crate) async fn converse(
    asking: &mut Node,
    asked: &mut Node,
    payload: &[u8],
) -> Result<Vec<u8>, NetError> {
    let op = asking.request(asked.id(), Protocol::Message, payload);
    let mut response = std::pin::pin!(asking.message.response(op));
    loop {
        tokio::select! {
            result = &mut response => return result,
            (_, token, payload) = asked.message.request() => {
                asked.handle.command(NetCommand::Respond { token, payload }).expect("room");
            }
        }
    }
}

async fn path(from: &Node, to: NodeId) -> Option<Path> {
    from.view().await.peers.iter().find(|peer| peer.node == to).map(|peer| peer.path)
}

/// Waits until a view is as wanted.
pub(crate) async fn until(node: &Node, wanted: impl Fn(&pc2_actors::net::NetworkView) -> bool) {
    let waits = async {
        while !wanted(&node.view().await) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, waits).await.expect("it comes to that in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_nobody_can_dial_is_reached_through_its_relay() {
    let relay = Setup::tcp(1).relays(SHARE).start();
    let (mut a, mut b) = (Setup::tcp(2).start(), hidden(3).start());
    assert!(b.view().await.addresses.is_empty());
    let circuits = reserve(&mut b, &relay).await;
    assert!(circuits.iter().all(|at| at.as_str().ends_with("/p2p-circuit")), "{circuits:?}");
    until(&b, |view| view.addresses == circuits).await;
    assert_eq!(b.view().await.places.iter().map(|place| place.relay).collect::<Vec<_>>(), [relay.id()]);

    a.learn(&b).await;
    assert_eq!(converse(&mut a, &mut b, b"are you there").await, Ok(b"are you there".to_vec()));
    assert_eq!(converse(&mut b, &mut a, b"yes").await, Ok(b"yes".to_vec()), "the other way, too");
    let by = relay.id();
    assert_eq!(path(&a, b.id()).await, Some(Path::Relayed { by }));
    assert_eq!(path(&b, a.id()).await, Some(Path::Relayed { by }));
    let seen = a.view().await.peers.into_iter().find(|peer| peer.node == b.id()).expect("connected");
    assert_eq!((seen.bytes_out, seen.bytes_in), (16, 16));
    let relaying = relay.view().await.relaying;
    assert_eq!((relaying.reservations, relaying.circuits, relaying.served), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_is_told_of_with_its_latency_and_when_it_stops() {
    let relay = Setup::tcp(1).relays(SHARE).start();
    let mut a = Setup::tcp(2).bootstrap(relay.peer().await).start();
    let by = relay.id();
    // The first word about it may come before or after the first measurement.
    let mut latency = None;
    while latency.is_none() {
        latency = a
            .relay
            .reach(|reach| match reach {
                Reach::RelaySeen { node, latency, .. } if node == by => Some(latency),
                _ => None,
            })
            .await;
    }
    relay.command(NetCommand::Contribute { routes: true, relay: None });
    a.relay.reach(|reach| (reach == Reach::RelayGone { node: by }).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_moves_to_a_direct_connection_without_losing_a_word() {
    let relay = Setup::tcp(1).relays(SHARE).start();
    let (mut a, mut b) = (Setup::tcp(2).start(), Setup::tcp(3).start());
    let circuits = reserve(&mut b, &relay).await;
    a.command(NetCommand::Learn { peer: Peer { node: b.id(), addresses: circuits } });
    // Contacts may ask as fast as they like.
    a.command(NetCommand::KeepConnected { nodes: vec![b.id()] });
    b.command(NetCommand::KeepConnected { nodes: vec![a.id()] });
    // These go by the relay, and are not answered before the switch.
    let mut open: BTreeSet<_> = (0..16).map(|_| a.request(b.id(), Protocol::Message, b"early")).collect();
    let mut held = Vec::new();
    for _ in 0..16 {
        let (_, token, _) = b.message.request().await;
        held.push(token);
    }
    until(&a, |view| view.peers.iter().any(|peer| peer.path == Path::Punched)).await;
    for _ in 0..50 {
        assert_eq!(converse(&mut b, &mut a, b"from b").await, Ok(b"from b".to_vec()));
    }
    // Longer than the relayed connection would be left alone if nothing were under way there.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(relay.view().await.relaying.circuits, 1, "it waits for the answers");
    for token in held {
        b.command(NetCommand::Respond { token, payload: b"late".to_vec() });
    }
    while !open.is_empty() {
        let (op, result) = a.message.any_response().await;
        assert_eq!((open.remove(&op), result), (true, Ok(b"late".to_vec())));
    }
    for _ in 0..50 {
        assert_eq!(converse(&mut a, &mut b, b"from a").await, Ok(b"from a".to_vec()));
        assert_eq!(converse(&mut b, &mut a, b"from b").await, Ok(b"from b".to_vec()));
    }
    assert_eq!(path(&b, a.id()).await, Some(Path::Punched));
    until(&a, |view| view.peers.iter().all(|peer| peer.connections == 1)).await;
    until(&relay, |view| view.relaying.circuits == 0).await;
    assert_eq!(converse(&mut a, &mut b, b"still").await, Ok(b"still".to_vec()));
    // Nobody was told that the other had gone.
    for node in [&mut a, &mut b] {
        while let Some(input) = node.record.at_once() {
            assert!(!matches!(input, pc2_protocols::net::NetInput::PeerDown { .. }), "{input:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_full_or_is_none_or_is_gone_says_why() {
    let relay = Setup::tcp(1).relays(RelayShare { reservations: 1, ..SHARE }).start();
    let (mut b, mut c) = (hidden(2).start(), hidden(3).start());
    reserve(&mut b, &relay).await;
    c.learn(&relay).await;
    c.command(NetCommand::Reserve { relay: relay.id() });
    assert_eq!(lost(&mut c, relay.id()).await, ReservationError::Refused);
    assert_eq!(relay.view().await.relaying.refused, 1);

    let none = Setup::tcp(4).start();
    c.learn(&none).await;
    c.command(NetCommand::Reserve { relay: none.id() });
    assert_eq!(lost(&mut c, none.id()).await, ReservationError::Unsupported);

    let gone = none.peer().await;
    none.shutdown().await;
    b.command(NetCommand::Learn { peer: gone.clone() });
    b.command(NetCommand::Reserve { relay: gone.node });
    assert_eq!(lost(&mut b, gone.node).await, ReservationError::Unreachable);
    // The one place is free again once its holder is gone.
    b.shutdown().await;
    until(&relay, |view| view.relaying.reservations == 0).await;
    reserve(&mut c, &relay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_given_up_is_told_once_and_can_be_had_again() {
    let relay = Setup::tcp(1).relays(SHARE).start();
    let mut b = hidden(2).start();
    b.learn(&relay).await;
    for _ in 0..3 {
        // Before the relay can have answered.
        b.command(NetCommand::Reserve { relay: relay.id() });
        b.command(NetCommand::Release { relay: relay.id() });
        assert_eq!(lost(&mut b, relay.id()).await, ReservationError::Released);
    }
    reserve(&mut b, &relay).await;
    b.command(NetCommand::Reserve { relay: relay.id() });
    reserved(&mut b, relay.id()).await;
    b.command(NetCommand::Release { relay: relay.id() });
    assert_eq!(lost(&mut b, relay.id()).await, ReservationError::Released);
    assert!(b.view().await.addresses.is_empty());
    reserve(&mut b, &relay).await;
    tokio::time::sleep(MOMENT).await;
    while let Some(input) = b.relay.at_once() {
        let again = matches!(
            input,
            pc2_protocols::net::NetInput::Reach(Reach::Reserved { .. } | Reach::ReservationLost { .. })
        );
        assert!(!again, "{input:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_only_relay_a_node_loses_its_place_and_whoever_came_through_it() {
    let relay = Setup::tcp(1).relays(SHARE).start();
    let (mut a, mut b) = (hidden(2).start(), hidden(3).start());
    reserve(&mut b, &relay).await;
    a.learn(&b).await;
    assert!(converse(&mut a, &mut b, b"x").await.is_ok());
    let dead = relay.id();
    relay.shutdown().await;
    assert_eq!(lost(&mut b, dead).await, ReservationError::Unreachable);
    a.record.until_down(b.id()).await;
    b.record.until_down(a.id()).await;
    assert!(b.view().await.addresses.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_relays_a_conversation_survives_the_end_of_one() {
    let (relay, other) = (Setup::tcp(1).relays(SHARE).start(), Setup::tcp(4).relays(SHARE).start());
    let (mut a, mut b) = (hidden(2).start(), hidden(3).start());
    reserve(&mut b, &relay).await;
    reserve(&mut b, &other).await;
    a.learn(&b).await;
    a.command(NetCommand::KeepConnected { nodes: vec![b.id()] });
    assert!(converse(&mut a, &mut b, b"x").await.is_ok());
    let Some(Path::Relayed { by }) = path(&a, b.id()).await else { panic!("relayed") };
    let (dying, left) = if by == relay.id() { (relay, other) } else { (other, relay) };
    let (dead, began) = (dying.id(), Instant::now());
    dying.shutdown().await;
    assert_eq!(lost(&mut b, dead).await, ReservationError::Unreachable);
    // One that was under way may be lost with the relay; whoever asks again gets through.
    while converse(&mut a, &mut b, b"again").await.is_err() {}
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(path(&a, b.id()).await, Some(Path::Relayed { by: left.id() }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circuit_carries_no_more_than_was_lent() {
    let relay = Setup::tcp(1).relays(RelayShare { circuit_bytes: 64 * 1024, ..SHARE }).start();
    let (mut a, mut b) = (hidden(2).start(), hidden(3).start());
    reserve(&mut b, &relay).await;
    a.learn(&b).await;
    assert!(converse(&mut a, &mut b, b"x").await.is_ok());
    let large = vec![7; 200 * 1024];
    assert_eq!(converse(&mut a, &mut b, &large).await, Err(NetError::Closed));
    a.record.until_down(b.id()).await;
    assert!(converse(&mut a, &mut b, b"x").await.is_ok(), "a new circuit");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lent_can_change_while_it_is_used() {
    let relay = Setup::tcp(1).relays(SHARE).start();
    let (mut a, mut b) = (hidden(2).start(), hidden(3).start());
    reserve(&mut b, &relay).await;
    a.learn(&b).await;
    assert!(converse(&mut a, &mut b, b"x").await.is_ok());
    let share = RelayShare { circuit_seconds: 60, reservations: 7, ..SHARE };
    relay.command(NetCommand::Contribute { routes: true, relay: Some(share) });
    assert_eq!(lost(&mut b, relay.id()).await, ReservationError::Unreachable);
    a.record.until_down(b.id()).await;
    reserve(&mut b, &relay).await;
    assert!(converse(&mut a, &mut b, b"x").await.is_ok());
    assert_eq!(relay.view().await.relaying.share, Some(share));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_no_walks_stands_in_no_table() {
    let mut s = Setup::tcp(1).start();
    let client = Setup::tcp(2).client().bootstrap(s.peer().await).start();
    let server = Setup::tcp(3).bootstrap(s.peer().await).start();
    let found = |found: Vec<Peer>| found.into_iter().map(|peer| peer.node).collect::<BTreeSet<_>>();
    until(&s, |view| view.table == 1 && view.peers.len() == 2).await;
    assert_eq!(found(s.find_closest([0; 32]).await), BTreeSet::from([server.id()]));
    client.command(NetCommand::Contribute { routes: true, relay: None });
    until(&s, |view| view.table == 2).await;
    assert_eq!(found(s.find_closest([0; 32]).await), BTreeSet::from([client.id(), server.id()]));
    client.command(NetCommand::Contribute { routes: false, relay: None });
    until(&s, |view| view.table == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as a request must be unanswered to be doubted"]
async fn a_path_that_dies_in_the_middle_of_a_conversation_is_left_within_eight_seconds() {
    let (mut a, mut b) = (Setup::tcp(1).start(), Setup::tcp(2).start());
    let wire = Wire::to(&b.peer().await).await;
    a.command(NetCommand::Learn { peer: Peer { node: b.id(), addresses: vec![wire.address.clone()] } });
    assert!(converse(&mut a, &mut b, b"x").await.is_ok());
    wire.cut();
    let cut = Instant::now();
    // It is known, too, where else B is; nobody has asked for that yet.
    a.learn(&b).await;
    let op = a.request(b.id(), Protocol::Message, b"x");
    assert_eq!(a.message.response(op).await, Err(NetError::Closed));
    assert!(converse(&mut a, &mut b, b"again").await.is_ok());
    assert!(cut.elapsed() <= Duration::from_secs(8), "{:?}", cut.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as a request must be unanswered to be doubted"]
async fn a_peer_that_only_needs_long_for_an_answer_is_not_given_up() {
    let (mut a, mut b) = (Setup::tcp(1).start(), Setup::tcp(2).start());
    a.learn(&b).await;
    let op = a.request(b.id(), Protocol::Message, b"x");
    let (_, token, _) = b.message.request().await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    b.command(NetCommand::Respond { token, payload: b"at last".to_vec() });
    assert_eq!(a.message.response(op).await, Ok(b"at last".to_vec()));
}
