//! Streams of files with real sockets on loopback: what they carry, which way they take, and how they end.

use crate::{
    relays::{SHARE, converse, hidden, lost, reserve, until},
    rogue::Rogue,
    support::{Node, PATIENCE, Setup},
};
use futures::{AsyncReadExt, AsyncWriteExt};
use pc2_actors::net::{FileStream, Path, StreamError};
use pc2_protocols::net::{NetCommand, ReservationError};
use std::time::Duration;

const MANY: usize = 8 * 1024 * 1024;

/// Two nodes, connected; each keeps the other as a contact.
async fn contacts(a: Setup, b: Setup) -> (Node, Node) {
    let (mut a, mut b) = (a.start(), b.start());
    b.command(NetCommand::KeepConnected { nodes: vec![a.id()] });
    a.learn(&b).await;
    a.command(NetCommand::KeepConnected { nodes: vec![b.id()] });
    a.message.until_up(b.id()).await;
    b.message.until_up(a.id()).await;
    (a, b)
}

/// A stream from one to the other, with both ends; it has carried a byte.
async fn stream(from: &Node, to: &mut Node) -> (FileStream, FileStream) {
    let mut near = from.files.open(to.id()).await.expect("opened");
    near.write_all(&[7]).await.expect("written");
    near.flush().await.expect("sent");
    let mut far = to.stream().await;
    assert_eq!((near.peer(), far.peer()), (to.id(), from.id()));
    let mut byte = [0];
    far.read_exact(&mut byte).await.expect("carried");
    assert_eq!(byte, [7]);
    (near, far)
}

fn pattern(seed: u8) -> Vec<u8> {
    (0..MANY).map(|at| (at / 251 + at) as u8 ^ seed).collect()
}

async fn send(mut to: impl AsyncWriteExt + Unpin, bytes: &[u8]) {
    to.write_all(bytes).await.expect("written");
    to.close().await.expect("closed");
}

async fn everything(mut from: impl AsyncReadExt + Unpin) -> Vec<u8> {
    let mut read = Vec::new();
    from.read_to_end(&mut read).await.expect("read");
    read
}

/// Whether a stream ends, one way or the other, without saying more.
async fn ends(stream: &mut FileStream) -> bool {
    let mut byte = [0];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut byte)).await;
    read.expect("it ends in time").is_err()
}

/// Writes until that fails.
async fn breaks(stream: &mut FileStream) {
    let writing = async {
        while stream.write_all(&[0; 1024]).await.is_ok() && stream.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, writing).await.expect("it breaks in time");
}

async fn both_ways(setup: Setup) {
    let (a, mut b) = contacts(Setup::tcp(1), setup).await;
    let (near, far) = stream(&a, &mut b).await;
    assert!(!near.relayed() && !far.relayed());
    let (there, back) = (pattern(1), pattern(2));
    let (near_reads, near_writes) = near.split();
    let (far_reads, far_writes) = far.split();
    let ((), (), arrived, returned) = tokio::join!(
        send(near_writes, &there),
        send(far_writes, &back),
        everything(far_reads),
        everything(near_reads)
    );
    assert!(arrived == there && returned == back);
    let counted = |node: &Node, other: &Node| {
        let (view, other) = (node.handle.clone(), other.id());
        async move {
            let view = view.view().await.expect("the driver runs");
            view.peers.iter().find(|peer| peer.node == other).map(|peer| (peer.bytes_in, peer.bytes_out))
        }
    };
    let many = MANY as u64;
    assert_eq!(counted(&a, &b).await, Some((many, many + 1)), "shown to people");
    assert_eq!(counted(&b, &a).await, Some((many + 1, many)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_carries_bytes_both_ways_over_tcp() {
    both_ways(Setup::tcp(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_carries_bytes_both_ways_over_quic() {
    both_ways(Setup::quic(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_connected_is_not_dialled() {
    let (a, b) = (Setup::tcp(1).start(), Setup::tcp(2).start());
    a.learn(&b).await;
    assert_eq!(a.files.open(b.id()).await.err(), Some(StreamError::NotConnected));
    assert_eq!(a.files.open(a.id()).await.err(), Some(StreamError::NotConnected));
    assert!(a.view().await.peers.is_empty());
    let files = a.files.clone();
    a.shutdown().await;
    assert_eq!(files.open(b.id()).await.err(), Some(StreamError::NotConnected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_transfers_no_files_is_told_from_one_that_is_gone() {
    let mut a = Setup::tcp(1).start();
    let mut old = Rogue::connect(9, a.peer().await).await;
    a.message.until_up(old.node()).await;
    tokio::select! {
        opened = a.files.open(old.node()) => assert_eq!(opened.err(), Some(StreamError::Unsupported)),
        () = old.drive() => unreachable!("driving never ends"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_has_a_few_streams_and_further_ones_are_reset_while_the_rest_goes_on() {
    let (mut a, mut b) = (Setup::tcp(1).start(), Setup::tcp(2).start());
    a.learn(&b).await;
    assert!(converse(&mut a, &mut b, b"x").await.is_ok());
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(stream(&a, &mut b).await);
    }
    let mut beyond = a.files.open(b.id()).await.expect("the other side says no only then");
    assert!(ends(&mut beyond).await);
    assert_eq!(b.view().await.counters.dropped_full, 1);
    for (near, far) in &mut open {
        far.write_all(b"still").await.expect("written");
        far.flush().await.expect("sent");
        near.read_exact(&mut [0; 5]).await.expect("carried");
    }
    open.pop();
    drop(stream(&a, &mut b).await);
    assert!(converse(&mut a, &mut b, b"x").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_opens_more_streams_to_a_contact_than_that_takes() {
    let (a, mut b) = contacts(Setup::tcp(1), Setup::tcp(2)).await;
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(stream(&a, &mut b).await);
    }
    assert_eq!(a.files.open(b.id()).await.err(), Some(StreamError::Busy));
    open.pop();
    let again = stream(&a, &mut b).await;
    let back = stream(&b, &mut { a }).await;
    assert!(again.0.peer() == back.1.peer(), "the other direction is counted apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_connection_a_stream_ends_at_both_ends() {
    for b in [Setup::tcp(2), Setup::quic(2)] {
        let (a, mut b) = contacts(Setup::tcp(1), b).await;
        let (mut near, mut far) = stream(&a, &mut b).await;
        b.shutdown().await;
        assert!(ends(&mut near).await && ends(&mut far).await);
        breaks(&mut near).await;
        breaks(&mut far).await;
    }
}

/// Two nodes that are connected through a relay and then directly, with a stream that was opened in between.
async fn relayed_then_direct(relay: &Node) -> (Node, Node, (FileStream, FileStream)) {
    loop {
        let (mut a, mut b) = (Setup::quic(2).start(), hidden(3).start());
        reserve(&mut b, relay).await;
        a.learn(&b).await;
        assert!(converse(&mut a, &mut b, b"x").await.is_ok());
        let old = stream(&b, &mut a).await;
        if old.0.relayed() && old.1.relayed() {
            b.learn(&a).await;
            until_direct(&a, &mut b).await;
            return (a, b, old);
        }
        // A hole was punched before that; it goes better with others.
        tokio::join!(a.shutdown(), b.shutdown());
    }
}

async fn until_direct(a: &Node, b: &mut Node) {
    // A relays for nobody, but is connected with to be asked. Meanwhile punching a hole may be in the way.
    loop {
        b.command(NetCommand::Reserve { relay: a.id() });
        if lost(b, a.id()).await == ReservationError::Unsupported {
            break;
        }
    }
    let direct = |view: &pc2_actors::net::NetworkView| {
        view.peers.iter().any(|peer| peer.node == b.id() && !matches!(peer.path, Path::Relayed { .. }))
    };
    until(a, direct).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_through_a_relay_only_while_there_is_no_direct_connection() {
    let relay = Setup::tcp(1).relays(SHARE).start();
    let (mut a, mut b, (mut near, mut far)) = relayed_then_direct(&relay).await;
    let there = stream(&a, &mut b).await;
    let back = stream(&b, &mut a).await;
    assert!([&there.0, &there.1, &back.0, &back.1].iter().all(|stream| !stream.relayed()));
    // Longer than the relayed connection would be left alone without a stream on it.
    tokio::time::sleep(Duration::from_secs(5)).await;
    near.write_all(b"still").await.expect("written");
    near.flush().await.expect("sent");
    far.read_exact(&mut [0; 5]).await.expect("carried");
    drop((near, far));
    until(&relay, |view| view.relaying.circuits == 0).await;
    assert!(stream(&b, &mut a).await.0.peer() == a.id());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as a stream may stay on a relayed connection"]
async fn a_stream_that_stays_on_a_relayed_connection_is_broken_in_the_end() {
    let relay = Setup::tcp(1).relays(SHARE).start();
    let (mut a, b, (mut near, mut far)) = relayed_then_direct(&relay).await;
    assert!(ends(&mut near).await && ends(&mut far).await);
    assert!(!stream(&b, &mut a).await.0.relayed());
}
