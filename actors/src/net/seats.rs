//! The book of open file streams: how many there may be, which connections carry them, and what they carried.
//!
//! In: streams that are opened, and (by [`Seat`], from whatever thread uses the stream) bytes and ends. Out: whether there is room, bytes to be added to
//! a peer's count, and streams on which nothing moves. A stream counts from before it is opened until it is dropped.
//!
//! A stream with a connection of its own does not end with those of the Swarm by itself, and one on a dead connection late or never: they are told to.
//!
//! Each direction has bounds of its own: nobody who opens streams to us keeps us from opening ours. Of theirs, those of strangers have a small part,
//! so that contacts always find room.
//!
//! Not here: opening and accepting (`streaming`), using them (`streams`).

use super::{
    limits::{
        DOUBT_AFTER, MAX_FILE_STREAMS, MAX_FILE_STREAMS_PER_PEER, MAX_STRANGER_FILE_STREAMS,
        MAX_STRANGER_FILE_STREAMS_PER_PEER,
    },
    view::Direction,
};
use futures::task::AtomicWaker;
use libp2p::swarm::ConnectionId;
use pc2_protocols::id::NodeId;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::Context,
    time::{Duration, Instant},
};

/// The book, shared by the driver, its connections and the streams.
#[derive(Debug, Clone)]
pub(super) struct Seats(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// What the meters count milliseconds from.
    start: Instant,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    taken: BTreeMap<u64, Taken>,
    next: u64,
    contacts: BTreeSet<NodeId>,
    /// Of streams that have ended.
    rest: BTreeMap<NodeId, Bytes>,
}

#[derive(Debug)]
struct Taken {
    node: NodeId,
    opener: Direction,
    on: Option<ConnectionId>,
    meter: Arc<Meter>,
    /// When it was taken, or last told to be quiet.
    told: Instant,
}

/// What went through, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bytes {
    /// To us.
    pub(super) received: u64,
    /// From us.
    pub(super) sent: u64,
}

impl Bytes {
    const fn add(&mut self, other: Self) {
        self.received = self.received.saturating_add(other.received);
        self.sent = self.sent.saturating_add(other.sent);
    }
}

#[derive(Debug, Default)]
struct Meter {
    received: AtomicU64,
    sent: AtomicU64,
    /// When something last went through, in milliseconds since the book was opened.
    moved: AtomicU64,
    /// Nothing may go through any more; who waits to read or to write is woken.
    over: AtomicBool,
    reading: AtomicWaker,
    writing: AtomicWaker,
}

impl Meter {
    fn end(&self) {
        self.over.store(true, Release);
        self.reading.wake();
        self.writing.wake();
    }

    fn take(&self) -> Bytes {
        Bytes { received: self.received.swap(0, Relaxed), sent: self.sent.swap(0, Relaxed) }
    }
}

impl Seats {
    /// An empty book.
    pub(super) fn new(now: Instant) -> Self {
        Self(Arc::new(Shared { start: now, book: Mutex::default() }))
    }

    /// These nodes are contacts; replaces the last set.
    pub(super) fn set_contacts(&self, contacts: impl IntoIterator<Item = NodeId>) {
        self.locked().contacts = contacts.into_iter().collect();
    }

    /// A place for one more stream with a node, on one of the Swarm's connections or on one of its own; `None` when there are enough.
    pub(super) fn take(&self, node: NodeId, opener: Direction, on: Option<ConnectionId>) -> Option<Seat> {
        let mut book = self.locked();
        if !book.has_room(node, opener) {
            return None;
        }
        let number = book.next;
        book.next += 1;
        let meter = Arc::new(Meter::default());
        let told = Instant::now();
        book.taken.insert(number, Taken { node, opener, on, meter: Arc::clone(&meter), told });
        Some(Seat { seats: self.clone(), number, node, meter })
    }

    /// Whether there is any stream with a node.
    pub(super) fn with(&self, node: NodeId) -> bool {
        self.locked().taken.values().any(|taken| taken.node == node)
    }

    /// Ends streams with connections of their own: a node's, or everybody's.
    pub(super) fn end_own(&self, node: Option<NodeId>) {
        let concerns = |taken: &&Taken| taken.on.is_none() && node.is_none_or(|node| taken.node == node);
        self.locked().taken.values().filter(concerns).for_each(|taken| taken.meter.end());
    }

    /// Ends the streams on a connection that is dead or closed. They would notice late, and those that wait for the other side to read (yamux 0.14) never.
    pub(super) fn end_on(&self, connection: ConnectionId) {
        let concerns = |taken: &&Taken| taken.on == Some(connection);
        self.locked().taken.values().filter(concerns).for_each(|taken| taken.meter.end());
    }

    /// Connections of the Swarm that carry streams, and when something last went through.
    pub(super) fn connections(&self) -> Vec<(NodeId, ConnectionId, Instant)> {
        let on = |taken: &Taken| Some((taken.node, taken.on?, self.moved(taken)));
        self.locked().taken.values().filter_map(on).collect()
    }

    /// When the next stream will have been quiet for so long that its connection is in doubt.
    pub(super) fn next_quiet(&self) -> Option<Instant> {
        self.locked().taken.values().map(|taken| self.quiet_at(taken)).min()
    }

    /// Streams on which nothing has moved for so long: with whom, and on which of the Swarm's connections unless it has one of its own. Each is told again
    /// when it has been quiet for as long once more.
    pub(super) fn quiet(&self, now: Instant) -> Vec<(NodeId, Option<ConnectionId>)> {
        let mut book = self.locked();
        let quiet = book.taken.values_mut().filter(|taken| self.quiet_at(taken) <= now);
        quiet
            .map(|taken| {
                taken.told = now;
                (taken.node, taken.on)
            })
            .collect()
    }

    fn quiet_at(&self, taken: &Taken) -> Instant {
        self.moved(taken).max(taken.told) + DOUBT_AFTER
    }

    fn moved(&self, taken: &Taken) -> Instant {
        self.0.start + Duration::from_millis(taken.meter.moved.load(Relaxed))
    }

    /// What went through since this was last asked.
    pub(super) fn tally(&self) -> BTreeMap<NodeId, Bytes> {
        let mut book = self.locked();
        let mut tally = std::mem::take(&mut book.rest);
        for taken in book.taken.values() {
            tally.entry(taken.node).or_default().add(taken.meter.take());
        }
        tally
    }

    /// Nothing panics while it holds the book; if it did, the book would still be whole.
    fn locked(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn has_room(&self, node: NodeId, opener: Direction) -> bool {
        let count = |counts: &dyn Fn(&Taken) -> bool| {
            self.taken.values().filter(|taken| taken.opener == opener && counts(taken)).count()
        };
        let is_stranger = |node: &NodeId| !self.contacts.contains(node);
        let with_node = count(&|taken| taken.node == node);
        let of_strangers = || count(&|taken| is_stranger(&taken.node));
        let enough = count(&|_| true) >= MAX_FILE_STREAMS || with_node >= MAX_FILE_STREAMS_PER_PEER;
        let enough_of_strangers = opener == Direction::Inbound
            && is_stranger(&node)
            && (with_node >= MAX_STRANGER_FILE_STREAMS_PER_PEER
                || of_strangers() >= MAX_STRANGER_FILE_STREAMS);
        !enough && !enough_of_strangers
    }
}

/// The place of one stream; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    number: u64,
    node: NodeId,
    meter: Arc<Meter>,
}

impl Seat {
    /// With whom.
    pub(super) const fn node(&self) -> NodeId {
        self.node
    }

    /// So many bytes came.
    pub(super) fn received(&self, bytes: usize) {
        self.note(&self.meter.received, bytes);
    }

    /// So many bytes went.
    pub(super) fn sent(&self, bytes: usize) {
        self.note(&self.meter.sent, bytes);
    }

    /// Whether the stream was told to end. If not, whoever reads is woken when it is.
    pub(super) fn is_over_for_reader(&self, cx: &Context<'_>) -> bool {
        self.meter.reading.register(cx.waker());
        self.meter.over.load(Acquire)
    }

    /// The same for whoever writes.
    pub(super) fn is_over_for_writer(&self, cx: &Context<'_>) -> bool {
        self.meter.writing.register(cx.waker());
        self.meter.over.load(Acquire)
    }

    fn note(&self, to: &AtomicU64, bytes: usize) {
        to.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Relaxed);
        let at = self.seats.0.start.elapsed().as_millis();
        self.meter.moved.store(u64::try_from(at).unwrap_or(u64::MAX), Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut book = self.seats.locked();
        book.taken.remove(&self.number);
        let rest = self.meter.take();
        if rest != Bytes::default() {
            book.rest.entry(self.node).or_default().add(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn seats() -> Seats {
        let seats = Seats::new(Instant::now());
        seats.set_contacts((0..=9).map(node));
        seats
    }

    /// As many as there is room for.
    fn fill(seats: &Seats, with: NodeId, opener: Direction) -> Vec<Seat> {
        std::iter::from_fn(|| seats.take(with, opener, None)).take(MAX_FILE_STREAMS * 2).collect()
    }

    #[test]
    fn one_contact_has_so_many_streams_and_all_together_so_many() {
        let seats = seats();
        let mut held: Vec<_> =
            (0..9).flat_map(|number| fill(&seats, node(number), Direction::Inbound)).collect();
        assert_eq!(held.iter().filter(|seat| seat.node() == node(0)).count(), MAX_FILE_STREAMS_PER_PEER);
        assert_eq!(held.len(), MAX_FILE_STREAMS);
        assert!(seats.take(node(9), Direction::Inbound, None).is_none());
        assert!(seats.take(node(9), Direction::Outbound, None).is_some(), "ours are counted apart");
        held.pop();
        assert!(seats.take(node(9), Direction::Inbound, None).is_some(), "what ends makes room");
    }

    #[test]
    fn strangers_have_a_small_part_and_leave_the_rest_to_contacts() {
        let seats = seats();
        let strangers: Vec<_> =
            (100..=200).flat_map(|number| fill(&seats, node(number), Direction::Inbound)).collect();
        assert_eq!(strangers.len(), MAX_STRANGER_FILE_STREAMS);
        let of_one = strangers.iter().filter(|seat| seat.node() == node(100)).count();
        assert_eq!(of_one, MAX_STRANGER_FILE_STREAMS_PER_PEER);
        assert_eq!(fill(&seats, node(1), Direction::Inbound).len(), MAX_FILE_STREAMS_PER_PEER);
    }

    #[test]
    fn every_byte_is_counted_once_also_those_of_streams_that_have_ended() {
        let seats = seats();
        let (one, other) =
            (seats.take(node(1), Direction::Inbound, None), seats.take(node(1), Direction::Outbound, None));
        let (one, other) = (one.expect("room"), other.expect("room"));
        one.received(3);
        other.sent(4);
        drop(one);
        assert_eq!(seats.tally().get(&node(1)), Some(&Bytes { received: 3, sent: 4 }));
        other.sent(5);
        assert_eq!(seats.tally().get(&node(1)), Some(&Bytes { received: 0, sent: 5 }));
        assert!(seats.with(node(1)));
        drop(other);
        assert!(!seats.with(node(1)) && seats.tally().is_empty());
    }

    #[test]
    fn streams_end_with_a_dead_connection_or_when_they_have_one_of_their_own_with_their_peer() {
        let (seats, cx) = (seats(), Context::from_waker(std::task::Waker::noop()));
        let take = |number, on| seats.take(node(number), Direction::Inbound, on).expect("room");
        let (own, other) = (take(1, None), take(2, None));
        let shared = take(1, Some(ConnectionId::new_unchecked(7)));
        let over = |seat: &Seat| (seat.is_over_for_reader(&cx), seat.is_over_for_writer(&cx));
        seats.end_own(Some(node(1)));
        assert_eq!([&own, &other, &shared].map(over), [(true, true), (false, false), (false, false)]);
        seats.end_own(None);
        assert_eq!([&other, &shared].map(over), [(true, true), (false, false)]);
        seats.end_on(ConnectionId::new_unchecked(8));
        assert_eq!(over(&shared), (false, false));
        seats.end_on(ConnectionId::new_unchecked(7));
        assert_eq!(over(&shared), (true, true));
    }

    #[test]
    fn a_stream_on_which_nothing_moves_is_told_once_in_a_while() {
        let seats = seats();
        assert_eq!(seats.next_quiet(), None);
        let id = ConnectionId::new_unchecked(7);
        let shared = seats.take(node(1), Direction::Inbound, Some(id)).expect("room");
        let own = seats.take(node(2), Direction::Outbound, None).expect("room");
        let now = Instant::now();
        assert!(seats.quiet(now).is_empty() && seats.next_quiet().is_some_and(|at| at > now));
        let later = now + DOUBT_AFTER;
        assert_eq!(seats.quiet(later), [(node(1), Some(id)), (node(2), None)]);
        assert!(seats.quiet(later + DOUBT_AFTER / 2).is_empty());
        shared.received(1);
        assert_eq!(seats.next_quiet(), Some(later + DOUBT_AFTER));
        drop(shared);
        assert_eq!(seats.quiet(later + DOUBT_AFTER), [(node(2), None)]);
        drop(own);
    }

    #[test]
    fn a_connection_carries_streams_until_the_last_of_them_ends() {
        let seats = seats();
        let id = ConnectionId::new_unchecked(7);
        let seat = seats.take(node(1), Direction::Inbound, Some(id));
        let apart = seats.take(node(1), Direction::Inbound, None);
        let carrying: Vec<_> = seats.connections().into_iter().map(|(node, id, _)| (node, id)).collect();
        assert_eq!(carrying, [(node(1), id)]);
        drop(seat);
        assert!(seats.connections().is_empty() && apart.is_some());
    }
}
