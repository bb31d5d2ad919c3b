//! Streams of files with real sockets on loopback: what they carry, which way they take, and how they end.

use crate::{
    relays::{SHARE, converse, hidden, lost, reserve, until},
    rogue::Rogue,
    support::{Node, PATIENCE, Setup, Wire, address},
};
use futures::{AsyncReadExt, AsyncWriteExt};
use pc2_actors::net::{FileStream, Path, StreamError};
use pc2_protocols::net::{NetCommand, Peer, ReservationError};
use std::time::{Duration, Instant};

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
    both_ends(from, to, from.files.open(to.id()).await.expect("opened")).await
}

/// The same with a connection of its own.
async fn bulk(from: &Node, to: &mut Node) -> (FileStream, FileStream) {
    let ends = both_ends(from, to, from.files.open_bulk(to.id()).await.expect("opened")).await;
    assert!(ends.0.is_bulk() && ends.1.is_bulk());
    ends
}

async fn both_ends(from: &Node, to: &mut Node, mut near: FileStream) -> (FileStream, FileStream) {
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
    let ends = stream(&a, &mut b).await;
    assert!(!ends.0.is_bulk() && !ends.1.is_bulk());
    carries_both_ways(&a, &b, ends).await;
}

async fn carries_both_ways(a: &Node, b: &Node, (near, far): (FileStream, FileStream)) {
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
    assert_eq!(counted(a, b).await, Some((many, many + 1)), "shown to people");
    assert_eq!(counted(b, a).await, Some((many + 1, many)));
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

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_stream_carries_bytes_both_ways_and_names_who_is_there() {
    let (a, mut b) = contacts(Setup::tcp(1), Setup::tcp(2)).await;
    let ends = bulk(&a, &mut b).await;
    carries_both_ways(&a, &b, ends).await;
    let view = b.view().await;
    assert_eq!((view.counters.failed_handshakes, view.counters.dropped_full), (0, 0));
    assert!(view.peers.iter().all(|peer| peer.connections == 1), "it is no connection of the ordinary kind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_connected_by_quic_has_bulk_streams_where_it_also_listens_by_tcp() {
    let listen = ["/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"].map(address);
    let (a, mut b) = contacts(Setup::quic(1), Setup::quic(2).listen(listen.to_vec())).await;
    drop(bulk(&a, &mut b).await);
    // Who was dialled dials back: only QUIC is listened for there.
    assert_eq!(b.files.open_bulk(a.id()).await.err(), Some(StreamError::Unsupported));
    let stream = b.files.open_best(a.id()).await.expect("an ordinary one");
    assert!(!stream.is_bulk());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_connected_or_only_through_a_relay_gets_no_bulk_stream() {
    let relay = Setup::tcp(1).relays(SHARE).start();
    let (mut a, mut b) = (hidden(2).start(), hidden(3).start());
    assert_eq!(a.files.open_bulk(b.id()).await.err(), Some(StreamError::NotConnected));
    reserve(&mut b, &relay).await;
    a.learn(&b).await;
    assert!(converse(&mut a, &mut b, b"x").await.is_ok());
    assert_eq!(a.files.open_bulk(b.id()).await.err(), Some(StreamError::NotConnected));
    assert!(a.files.open_best(b.id()).await.expect("an ordinary one").relayed());
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_at_a_peers_address_is_refused() {
    let (a, b) = contacts(Setup::quic(1), Setup::quic(2)).await;
    let mut other = Setup::tcp(3).start();
    a.command(NetCommand::Learn { peer: Peer { node: b.id(), addresses: other.peer().await.addresses } });
    assert_eq!(a.files.open_bulk(b.id()).await.err(), Some(StreamError::Unsupported));
    until(&other, |view| view.counters.failed_handshakes == 1).await;
    assert!(other.arriving.try_recv().is_err());
    assert!(!a.files.open_best(b.id()).await.expect("an ordinary one").is_bulk());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_program_is_asked_for_a_bulk_stream_only_now_and_then() {
    let mut a = Setup::tcp(1).start();
    let mut old = Rogue::connect(9, a.peer().await).await;
    a.message.until_up(old.node()).await;
    let peer = old.listen().await;
    a.command(NetCommand::Learn { peer });
    tokio::select! {
        opened = a.files.open_bulk(old.node()) => assert_eq!(opened.err(), Some(StreamError::Unsupported)),
        () = old.drive() => unreachable!("driving never ends"),
    }
    // Nobody drives it any more: it would answer nothing.
    let asks_again = tokio::time::timeout(Duration::from_secs(2), a.files.open_bulk(old.node()));
    assert_eq!(asks_again.await.expect("at once").err(), Some(StreamError::Unsupported));
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_streams_beyond_the_bounds_are_refused_while_the_rest_goes_on() {
    let (mut a, mut b) = (Setup::tcp(1).start(), Setup::tcp(2).start());
    a.learn(&b).await;
    assert!(converse(&mut a, &mut b, b"x").await.is_ok());
    // Ordinary ones count as well.
    let mut open = vec![stream(&a, &mut b).await];
    for _ in 0..3 {
        open.push(bulk(&a, &mut b).await);
    }
    let mut beyond = a.files.open_bulk(b.id()).await.expect("the other side says no only then");
    assert!(ends(&mut beyond).await);
    assert_eq!(b.view().await.counters.dropped_full, 1);
    for (near, far) in &mut open {
        far.write_all(b"still").await.expect("written");
        far.flush().await.expect("sent");
        near.read_exact(&mut [0; 5]).await.expect("carried");
    }
    open.pop();
    drop(bulk(&a, &mut b).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_streams_end_with_the_last_connection_at_both_ends() {
    let (a, mut b) = contacts(Setup::tcp(1), Setup::tcp(2)).await;
    let (mut near, mut far) = bulk(&a, &mut b).await;
    b.shutdown().await;
    assert!(ends(&mut near).await && ends(&mut far).await);
    breaks(&mut near).await;
    breaks(&mut far).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as nothing must have moved to be doubted"]
async fn a_stream_whose_path_dies_ends_within_eight_seconds_at_both_ends() {
    let (a, mut b) = (Setup::tcp(1).start(), Setup::tcp(2).start());
    let wire = Wire::to(&b.peer().await).await;
    a.command(NetCommand::Learn { peer: Peer { node: b.id(), addresses: vec![wire.address.clone()] } });
    a.command(NetCommand::KeepConnected { nodes: vec![b.id()] });
    until(&a, |view| !view.peers.is_empty()).await;
    let (mut writes, mut waits) = stream(&a, &mut b).await;
    wire.cut();
    let cut = Instant::now();
    // More than there is room for under way, so that it waits.
    let much = pattern(1);
    let writing = async { while writes.write_all(&much).await.is_ok() {} };
    let waiting = async { while waits.read_exact(&mut [0]).await.is_ok() {} };
    tokio::join!(writing, waiting);
    assert!(cut.elapsed() <= Duration::from_secs(8), "{:?}", cut.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as nothing must have moved to be doubted"]
async fn a_stream_on_which_nothing_moves_stays_while_somebody_answers() {
    let (a, mut b) = contacts(Setup::tcp(1), Setup::tcp(2)).await;
    let (mut near, mut far) = stream(&a, &mut b).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    near.write_all(b"still").await.expect("written");
    near.flush().await.expect("sent");
    far.read_exact(&mut [0; 5]).await.expect("carried");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; in a release build its figures mean something"]
async fn how_fast_streams_are() {
    const GIB: usize = 1 << 30;
    let (a, mut b) = contacts(Setup::tcp(1), Setup::tcp(2)).await;
    for kind in ["ordinary, by TCP", "bulk"] {
        let (mut near, mut far) =
            if kind == "bulk" { bulk(&a, &mut b).await } else { stream(&a, &mut b).await };
        let (began, used) = (Instant::now(), processor_seconds());
        let sends = tokio::spawn(async move {
            let piece = vec![7; 64 * 1024];
            for _ in 0..GIB / piece.len() {
                far.write_all(&piece).await.expect("written");
            }
            far.close().await.expect("closed");
        });
        let (mut piece, mut left) = (vec![0; 64 * 1024], GIB);
        while left > 0 {
            let read = near.read(&mut piece).await.expect("read");
            assert!(read > 0);
            left -= read;
        }
        let took = began.elapsed().as_secs_f64();
        let used = processor_seconds() - used;
        println!(
            "{kind}: {:.0} MB/s, {used:.2} s of processor per GiB for both ends",
            GIB as f64 / took / 1e6
        );
        sends.await.expect("sent");
    }
}

/// What this process has used, in seconds.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit(')').next().expect("a name in brackets");
    // User and system time, in hundredths.
    after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>()
        / 100.0
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
