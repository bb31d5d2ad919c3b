//! What a run writes: the last pieces of it, for those who look now or come later.
//!
//! In: pieces, as the runner sends them. Out: to each [`Reader`] all of them in order from the oldest kept one on. While a reader is behind and the room is full, the
//! runner waits, and so does the program: its time goes on. When nobody looks, the oldest pieces go, and how much that was is told.
//!
//! Not here: how much a run may write in all (its limits).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Bytes kept of one run, with what keeping them takes. Some thousand lines; with all runs that are remembered a few megabytes.
const KEPT_BYTES: usize = 128 * 1024;

/// What a piece takes beside its bytes: a place in the row, and what the allocator keeps.
const PIECE_OVERHEAD: usize = 64;

/// Pieces that nobody has read yet are joined up to this length: a program that writes byte by byte is not told byte by byte.
const JOINED_BYTES: usize = 4 * 1024;

/// Which of its two outputs a program wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Its results.
    Out,
    /// What it has to say besides.
    Err,
}

/// Something that a program wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where to.
    pub stream: Stream,
    /// What.
    pub bytes: Arc<[u8]>,
    /// Bytes before it that are not kept any more.
    pub skipped: u64,
}

/// The output of one run.
#[derive(Debug, Default)]
pub(crate) struct Log {
    state: Mutex<State>,
    /// Something was written, or it is over.
    news: Notify,
    /// A reader came further, or is gone.
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<(Stream, Vec<u8>)>,
    /// What they take.
    kept: usize,
    /// How many pieces, and bytes, went before them.
    gone: u64,
    gone_bytes: u64,
    over: bool,
    /// Somebody will look from the beginning, and has not come yet.
    awaited: bool,
    next_reader: u64,
    /// How many pieces each has read.
    readers: BTreeMap<u64, u64>,
}

impl State {
    /// Whether the oldest piece may go: everybody who looks has it.
    fn oldest_is_read(&self) -> bool {
        !self.awaited && self.readers.values().all(|read| *read > self.gone)
    }

    /// Whether so much more of this stream is one piece with the last, which nobody has read.
    fn joins(&self, stream: Stream, bytes: usize) -> bool {
        let Some((of, last)) = self.pieces.back() else { return false };
        let place =
            self.gone.saturating_add(u64::try_from(self.pieces.len()).unwrap_or(u64::MAX)).saturating_sub(1);
        let length = last.len().saturating_add(bytes);
        *of == stream
            && length <= JOINED_BYTES
            && self.kept.saturating_add(bytes) <= KEPT_BYTES
            && self.readers.values().all(|read| *read <= place)
    }
}

impl Log {
    /// `awaited`: nothing goes before the first who looks has it.
    pub(crate) fn new(awaited: bool) -> Self {
        Self { state: Mutex::new(State { awaited, ..State::default() }), ..Self::default() }
    }

    /// Keeps a piece. Waits while the room is full of what somebody who looks has not read.
    pub(crate) async fn push(&self, stream: Stream, bytes: &[u8]) {
        for bytes in bytes.chunks(KEPT_BYTES / 4) {
            loop {
                let room = self.room.notified();
                tokio::pin!(room);
                // From here on no room is missed.
                room.as_mut().enable();
                if self.try_push(stream, bytes) {
                    break;
                }
                room.await;
            }
        }
        self.news.notify_waiters();
    }

    fn try_push(&self, stream: Stream, bytes: &[u8]) -> bool {
        let mut state = self.state();
        if state.joins(stream, bytes.len())
            && let Some((_, last)) = state.pieces.back_mut()
        {
            last.extend_from_slice(bytes);
            state.kept = state.kept.saturating_add(bytes.len());
            return true;
        }
        let takes = bytes.len().saturating_add(PIECE_OVERHEAD);
        while state.kept.saturating_add(takes) > KEPT_BYTES {
            if !state.oldest_is_read() {
                return false;
            }
            let Some((_, oldest)) = state.pieces.pop_front() else { break };
            state.kept = state.kept.saturating_sub(oldest.len().saturating_add(PIECE_OVERHEAD));
            state.gone = state.gone.saturating_add(1);
            state.gone_bytes = state.gone_bytes.saturating_add(u64::try_from(oldest.len()).unwrap_or(0));
        }
        state.kept = state.kept.saturating_add(takes);
        state.pieces.push_back((stream, bytes.to_vec()));
        true
    }

    /// Nothing more is written.
    pub(crate) fn close(&self) {
        self.state().over = true;
        self.news.notify_waiters();
    }

    /// Looks from the oldest kept piece on.
    pub(crate) fn read(self: &Arc<Self>) -> Reader {
        let mut state = self.state();
        let (id, read, skipped) = (state.next_reader, state.gone, state.gone_bytes);
        state.awaited = false;
        state.next_reader = id.saturating_add(1);
        state.readers.insert(id, read);
        drop(state);
        Reader { log: Arc::clone(self), id, skipped }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who looks at the output of a run.
#[derive(Debug)]
pub struct Reader {
    log: Arc<Log>,
    id: u64,
    /// Bytes before the first piece.
    skipped: u64,
}

impl Reader {
    /// The next piece; `None` when there will be no more. May be dropped while it waits.
    pub async fn next(&mut self) -> Option<Piece> {
        loop {
            let news = self.log.news.notified();
            tokio::pin!(news);
            // From here on no news is missed.
            news.as_mut().enable();
            {
                let mut state = self.log.state();
                let read = state.readers.get(&self.id).copied().unwrap_or(state.gone);
                let place = usize::try_from(read.saturating_sub(state.gone)).unwrap_or(usize::MAX);
                if let Some((stream, bytes)) = state.pieces.get(place) {
                    let (stream, bytes) = (*stream, Arc::from(bytes.as_slice()));
                    state.readers.insert(self.id, read.saturating_add(1));
                    drop(state);
                    self.log.room.notify_waiters();
                    return Some(Piece { stream, bytes, skipped: std::mem::take(&mut self.skipped) });
                }
                if state.over {
                    return None;
                }
            }
            news.await;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.log.state().readers.remove(&self.id);
        self.log.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn run<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(work)
    }

    #[test]
    fn whoever_comes_late_reads_everything_that_is_kept() {
        run(async {
            let log = Arc::new(Log::default());
            log.push(Stream::Out, b"one").await;
            log.push(Stream::Err, b"two").await;
            log.close();
            let mut reader = log.read();
            let one = reader.next().await.expect("a piece");
            assert_eq!((one.stream, &one.bytes[..], one.skipped), (Stream::Out, &b"one"[..], 0));
            assert_eq!(reader.next().await.expect("a piece").stream, Stream::Err);
            assert_eq!(reader.next().await, None);
        });
    }

    #[test]
    fn what_nobody_reads_goes_and_how_much_that_was_is_told() {
        run(async {
            let log = Arc::new(Log::default());
            let piece = [7; 16 * 1024];
            for _ in 0..100 {
                log.push(Stream::Out, &piece).await;
            }
            log.close();
            let mut reader = log.read();
            let first = reader.next().await.expect("a piece");
            let kept = KEPT_BYTES / (piece.len() + PIECE_OVERHEAD);
            assert_eq!(first.skipped, u64::try_from((100 - kept) * piece.len()).expect("fits"));
            let mut rest = 0;
            while reader.next().await.is_some() {
                rest += 1;
            }
            assert_eq!(rest, kept - 1);
        });
    }

    #[test]
    fn what_is_written_byte_by_byte_takes_no_more_than_the_room_and_is_told_in_longer_pieces() {
        run(async {
            let log = Arc::new(Log::default());
            for number in 0..300_000_u32 {
                log.push(Stream::Out, &[number.to_le_bytes()[0]]).await;
            }
            // Turns of both cannot be joined.
            for _ in 0..10_000 {
                log.push(Stream::Out, b"o").await;
                log.push(Stream::Err, b"e").await;
            }
            {
                let state = log.state();
                assert!(state.pieces.len() * (PIECE_OVERHEAD + 1) <= KEPT_BYTES, "{}", state.pieces.len());
            }
            let mut reader = log.read();
            let before = reader.next().await.expect("a piece");
            log.push(Stream::Err, b"1").await;
            log.close();
            let mut after = 0;
            let mut bytes = before.bytes.len();
            while let Some(piece) = reader.next().await {
                after += 1;
                bytes += piece.bytes.len();
            }
            assert_eq!(before.skipped + u64::try_from(bytes).expect("fits"), 320_001);
            assert!(after > 0);
        });
    }

    #[test]
    fn what_is_joined_is_read_once_and_in_order() {
        run(async {
            let log = Arc::new(Log::default());
            let mut reader = log.read();
            let mut read = Vec::new();
            for number in 0..1_000_u32 {
                log.push(Stream::Out, &number.to_le_bytes()).await;
                if number % 7 == 0 {
                    read.extend_from_slice(&reader.next().await.expect("a piece").bytes);
                }
            }
            log.close();
            while let Some(piece) = reader.next().await {
                read.extend_from_slice(&piece.bytes);
            }
            let expected: Vec<u8> = (0..1_000_u32).flat_map(u32::to_le_bytes).collect();
            assert_eq!(read, expected);
        });
    }

    #[test]
    fn whoever_is_awaited_misses_nothing() {
        run(async {
            let log = Arc::new(Log::new(true));
            let writer = tokio::spawn({
                let log = Arc::clone(&log);
                async move {
                    for _ in 0..100 {
                        log.push(Stream::Out, &[7; 16 * 1024]).await;
                    }
                    log.close();
                }
            });
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let mut reader = log.read();
            let mut bytes = 0;
            while let Some(piece) = reader.next().await {
                bytes += piece.bytes.len();
            }
            assert_eq!(bytes, 100 * 16 * 1024);
            writer.await.expect("no panic");
        });
    }

    #[test]
    fn a_program_waits_for_whoever_looks_and_goes_on_when_they_leave() {
        run(async {
            let log = Arc::new(Log::default());
            let mut reader = log.read();
            let writer = tokio::spawn({
                let log = Arc::clone(&log);
                async move {
                    for _ in 0..100 {
                        log.push(Stream::Out, &[7; 16 * 1024]).await;
                    }
                    log.close();
                }
            });
            let mut bytes = 0;
            for _ in 0..50 {
                bytes += reader.next().await.expect("a piece").bytes.len();
                assert!(log.state().kept <= KEPT_BYTES);
            }
            assert_eq!(bytes, 50 * 16 * 1024, "nothing is lost");
            assert!(!writer.is_finished());
            drop(reader);
            tokio::time::timeout(Duration::from_secs(10), writer)
                .await
                .expect("it goes on")
                .expect("no panic");
        });
    }
}
