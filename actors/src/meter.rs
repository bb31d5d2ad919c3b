//! What went through the node and when: bytes and messages by second, minute and quarter of an hour, for the charts of the network page.
//!
//! In: bytes as the driver counts them, messages as they come to be on this disk. Out: [`Chart`]s, and whether there is news for somebody who looks.
//! Sampled by what happens and by nothing else: an idle node does nothing for it. Three rings of a fixed length, so that it never takes more memory.
//!
//! Hours and days survive a restart, in one small file beside the database (decisions/0040), written when something moved, [`KEEP_EVERY`] at most, and at
//! an orderly end. A crash loses what came since. The minute is forgotten.
//!
//! Not here: bytes by peer (`net/peers`), who draws the charts (the page).

use pc2_protocols::{codec, time::UnixMillis};
use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Slots of the last minute, hour and day, and how long each is.
const SPANS: [(Duration, usize); 3] =
    [(Duration::from_secs(1), 60), (Duration::from_secs(60), 60), (Duration::from_secs(15 * 60), 96)];

/// How often the file is written at most: an SD card lasts for years with a hundred small writes a day.
const KEEP_EVERY: Duration = Duration::from_secs(15 * 60);

/// Largest file that is read, in bytes: 156 slots of four large numbers are 6 KiB.
const MAX_FILE_BYTES: usize = 16 * 1024;

/// What went through in some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Bytes of requests, answers and files that we received.
    pub bytes_in: u64,
    /// Bytes of them that we sent.
    pub bytes_out: u64,
    /// Messages that came to be on this disk from others.
    pub messages_in: u64,
    /// Messages of our own.
    pub messages_out: u64,
}

impl Moved {
    fn add(&mut self, other: Self) {
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.messages_in = self.messages_in.saturating_add(other.messages_in);
        self.messages_out = self.messages_out.saturating_add(other.messages_out);
    }
}

impl From<KeptSlot> for Moved {
    fn from((bytes_in, bytes_out, messages_in, messages_out): KeptSlot) -> Self {
        Self { bytes_in, bytes_out, messages_in, messages_out }
    }
}

impl From<Moved> for KeptSlot {
    fn from(moved: Moved) -> Self {
        (moved.bytes_in, moved.bytes_out, moved.messages_in, moved.messages_out)
    }
}

/// What went through in the last minute, hour or day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// How long a slot is.
    pub step: Duration,
    /// When the first slot began.
    pub first: UnixMillis,
    /// The slots, oldest first. The last one is not over.
    pub slots: Vec<Moved>,
}

/// One ring of slots of the same length.
#[derive(Debug)]
struct Ring {
    step: u64,
    most: usize,
    /// Number of the newest slot, counted from 1970.
    newest: u64,
    slots: VecDeque<Moved>,
}

impl Ring {
    fn new((step, most): (Duration, usize)) -> Self {
        let step = u64::try_from(step.as_millis()).unwrap_or(u64::MAX);
        Self { step, most, newest: 0, slots: VecDeque::new() }
    }

    /// Goes on to a time. A clock that was set back by more than the ring begins anew.
    fn reach(&mut self, at: UnixMillis) {
        let number = at.0 / self.step;
        let length = u64::try_from(self.most).unwrap_or(u64::MAX);
        if self.slots.is_empty()
            || number >= self.newest.saturating_add(length)
            || number + length <= self.newest
        {
            self.slots.clear();
            self.slots.resize(self.most, Moved::default());
            self.newest = number;
        }
        while self.newest < number {
            self.slots.pop_front();
            self.slots.push_back(Moved::default());
            self.newest += 1;
        }
    }

    /// Adds to the slot of a time, if it is not over for too long.
    fn add(&mut self, at: UnixMillis, moved: Moved) {
        self.reach(at);
        let back = usize::try_from(self.newest.saturating_sub(at.0 / self.step)).unwrap_or(usize::MAX);
        let place = self.slots.len().checked_sub(1).and_then(|last| last.checked_sub(back));
        if let Some(slot) = place.and_then(|place| self.slots.get_mut(place)) {
            slot.add(moved);
        }
    }

    fn chart(&mut self, now: UnixMillis) -> Chart {
        self.reach(now);
        let first = self.newest.saturating_sub(self.slots.len() as u64 - 1).saturating_mul(self.step);
        let step = Duration::from_millis(self.step);
        Chart { step, first: UnixMillis(first), slots: self.slots.iter().copied().collect() }
    }
}

/// The file: of each ring that is kept the length of its slots in milliseconds, the number of the newest, and the slots.
type Kept = Vec<(u64, u64, Vec<KeptSlot>)>;

/// The fields of [`Moved`], in their order.
type KeptSlot = (u64, u64, u64, u64);

#[derive(Debug)]
struct Book {
    rings: [Ring; 3],
    /// Something moved since somebody looked, and since the file was written.
    news: bool,
    unkept: bool,
    kept: UnixMillis,
    /// Somebody looked, and was not told of news since.
    awaited: bool,
}

/// The figures of one node. Cheap to ask from any thread.
#[derive(Debug)]
pub struct Meter {
    file: Option<PathBuf>,
    book: Mutex<Book>,
}

impl Default for Meter {
    /// One that remembers nothing when it ends.
    fn default() -> Self {
        let book = Book {
            rings: SPANS.map(Ring::new),
            news: false,
            unkept: false,
            kept: UnixMillis(0),
            awaited: false,
        };
        Self { file: None, book: Mutex::new(book) }
    }
}

impl Meter {
    /// Goes on with what a file has. What cannot be read is forgotten: it is a picture, and nobody's loss.
    pub(crate) fn open(file: PathBuf, now: UnixMillis) -> Self {
        let meter = Self { file: Some(file.clone()), ..Self::default() };
        {
            let mut book = meter.locked();
            book.kept = now;
            if let Some(kept) = read(&file) {
                for ring in &mut book.rings {
                    let same = |(step, _, slots): &&(u64, u64, Vec<KeptSlot>)| {
                        *step == ring.step && slots.len() == ring.most
                    };
                    if let Some((_, newest, slots)) = kept.iter().find(same) {
                        ring.newest = *newest;
                        ring.slots = slots.iter().copied().map(Moved::from).collect();
                        ring.reach(now);
                    }
                }
            }
        }
        meter
    }

    /// Something went through just now.
    pub(crate) fn moved(&self, now: UnixMillis, moved: Moved) {
        let mut book = self.locked();
        (book.news, book.unkept) = (true, true);
        book.rings.iter_mut().for_each(|ring| ring.add(now, moved));
    }

    /// Bytes went through evenly in the time before now: nobody counted them as they went.
    pub(crate) fn moved_over(&self, time: Duration, now: UnixMillis, bytes_in: u64, bytes_out: u64) {
        // More seconds than there are slots make no difference.
        let parts = time.as_secs().clamp(1, 60);
        for part in 0..parts {
            let share = |bytes: u64| bytes / parts + u64::from(part < bytes % parts);
            let moved = Moved { bytes_in: share(bytes_in), bytes_out: share(bytes_out), ..Moved::default() };
            self.moved(now.before(Duration::from_secs(part)), moved);
        }
    }

    /// Minute, hour and day. Who asks is told once when there is more.
    pub(crate) fn charts(&self, now: UnixMillis) -> [Chart; 3] {
        let mut book = self.locked();
        (book.awaited, book.news) = (true, false);
        book.rings.each_mut().map(|ring| ring.chart(now))
    }

    /// Whether something moved since the charts were last asked for; told once.
    pub(crate) fn has_news(&self) -> bool {
        let mut book = self.locked();
        let tell = book.awaited && book.news;
        book.awaited &= !tell;
        tell
    }

    /// Whether it is time to write the file.
    pub(crate) fn is_due(&self, now: UnixMillis) -> bool {
        let book = self.locked();
        self.file.is_some() && book.unkept && now.0.abs_diff(book.kept.0) >= millis(KEEP_EVERY)
    }

    /// Writes the file, if something moved since the last time. Blocks for some milliseconds.
    pub(crate) fn keep(&self, now: UnixMillis) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let kept = {
            let mut book = self.locked();
            if !std::mem::take(&mut book.unkept) {
                return Ok(());
            }
            book.kept = now;
            let slots = |ring: &Ring| ring.slots.iter().copied().map(KeptSlot::from).collect();
            let kept: Kept =
                book.rings.iter().skip(1).map(|ring| (ring.step, ring.newest, slots(ring))).collect();
            codec::encode(&kept)
        };
        // Whole or not at all, but not synced: a picture is not worth a wait for the disk.
        let half = file.with_extension("new");
        fs::write(&half, kept)?;
        fs::rename(&half, file)
    }

    fn locked(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(file: &Path) -> Option<Kept> {
    // The folder is the owner's own; a file grown beyond reason is not read into memory all the same.
    let fits = fs::metadata(file).is_ok_and(|metadata| metadata.len() <= MAX_FILE_BYTES as u64);
    let bytes = fits.then(|| fs::read(file).ok())??;
    codec::decode(&bytes, MAX_FILE_BYTES).ok()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const NOON: UnixMillis = UnixMillis(1_800_000_000_000);

    fn bytes(bytes_in: u64, bytes_out: u64) -> Moved {
        Moved { bytes_in, bytes_out, ..Moved::default() }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn sums(meter: &Meter, now: UnixMillis) -> [u64; 3] {
        meter.charts(now).map(|chart| chart.slots.iter().map(|slot| slot.bytes_in).sum())
    }

    #[test]
    fn what_moved_is_in_each_chart_as_long_as_that_goes_back() {
        let meter = Meter::default();
        meter.moved(NOON, bytes(7, 3));
        assert_eq!(sums(&meter, NOON), [7, 7, 7]);
        assert_eq!(sums(&meter, NOON.after(secs(59))), [7, 7, 7]);
        assert_eq!(sums(&meter, NOON.after(secs(60))), [0, 7, 7]);
        assert_eq!(sums(&meter, NOON.after(secs(3_700))), [0, 0, 7]);
        assert_eq!(sums(&meter, NOON.after(secs(24 * 3_600 + 900))), [0, 0, 0]);
    }

    #[test]
    fn a_chart_ends_now_and_has_all_its_slots_from_the_first_moment_on() {
        let meter = Meter::default();
        meter.moved(NOON, bytes(1, 1));
        let charts = meter.charts(NOON.after(secs(1)));
        assert_eq!(charts.each_ref().map(|chart| chart.slots.len()), [60, 60, 96]);
        let [minute, ..] = charts;
        assert_eq!(minute.first, NOON.before(secs(58)));
        assert_eq!(minute.slots[58].bytes_in, 1);
    }

    #[test]
    fn what_was_counted_late_is_spread_over_the_time_in_which_it_went() {
        let meter = Meter::default();
        meter.moved_over(secs(5), NOON, 53, 0);
        let [minute, ..] = meter.charts(NOON);
        let last: Vec<u64> = minute.slots[54..].iter().map(|slot| slot.bytes_in).collect();
        assert_eq!(last, [0, 10, 10, 11, 11, 11]);
    }

    #[test]
    fn a_clock_that_is_set_back_neither_panics_nor_stops_the_charts() {
        let meter = Meter::default();
        meter.moved(NOON, bytes(1, 0));
        meter.moved(NOON.before(secs(30)), bytes(2, 0));
        assert_eq!(sums(&meter, NOON), [3, 3, 3]);
        let long_ago = NOON.before(secs(400 * 24 * 3_600));
        meter.moved(long_ago, bytes(4, 0));
        assert_eq!(sums(&meter, long_ago), [4, 4, 4]);
        meter.moved(UnixMillis(u64::MAX), bytes(u64::MAX, 0));
        meter.moved(UnixMillis(u64::MAX), bytes(u64::MAX, 0));
        meter.moved(UnixMillis(0), bytes(5, 0));
        assert_eq!(sums(&meter, UnixMillis(0)), [5, 5, 5]);
    }

    #[test]
    fn hour_and_day_are_there_after_a_restart_and_the_minute_is_not() {
        let dir = TempDir::new().expect("directory");
        let file = dir.path().join("traffic");
        let meter = Meter::open(file.clone(), NOON);
        meter.moved(NOON, bytes(9, 0));
        meter.keep(NOON).expect("written");
        let written = fs::metadata(&file).expect("a file").len();
        assert!(written < MAX_FILE_BYTES as u64, "{written} bytes");
        let again = Meter::open(file, NOON.after(secs(120)));
        assert_eq!(sums(&again, NOON.after(secs(120))), [0, 9, 9]);
    }

    #[test]
    fn a_full_file_fits_and_a_broken_one_is_forgotten() {
        let dir = TempDir::new().expect("directory");
        let file = dir.path().join("traffic");
        let meter = Meter::open(file.clone(), NOON);
        let most =
            Moved { bytes_in: u64::MAX, bytes_out: u64::MAX, messages_in: u64::MAX, messages_out: u64::MAX };
        for quarter in 0..96 {
            meter.moved(NOON.after(secs(quarter * 900)), most);
        }
        let end = NOON.after(secs(95 * 900));
        meter.keep(end).expect("written");
        let [.., day] = Meter::open(file.clone(), end).charts(end);
        assert!(day.slots.iter().all(|slot| *slot == most));
        for broken in [&b"what is this?"[..], &[0xff; 20_000], &[]] {
            fs::write(&file, broken).expect("written");
            assert_eq!(sums(&Meter::open(file.clone(), end), end), [0, 0, 0]);
        }
    }

    #[test]
    fn it_is_written_seldom_and_only_when_something_moved() {
        let dir = TempDir::new().expect("directory");
        let file = dir.path().join("traffic");
        let meter = Meter::open(file.clone(), NOON);
        assert!(!meter.is_due(NOON.after(KEEP_EVERY)), "nothing moved");
        meter.keep(NOON).expect("nothing to do");
        assert!(!file.exists());
        meter.moved(NOON, bytes(1, 1));
        assert!(!meter.is_due(NOON.after(secs(60))));
        assert!(meter.is_due(NOON.after(KEEP_EVERY)));
        meter.keep(NOON.after(KEEP_EVERY)).expect("written");
        assert!(!meter.is_due(NOON.after(KEEP_EVERY * 3)));
        assert!(!Meter::default().is_due(NOON), "one without a file is never due");
    }

    #[test]
    fn there_is_news_once_for_who_looked_and_when_something_moved() {
        let meter = Meter::default();
        meter.moved(NOON, bytes(1, 1));
        assert!(!meter.has_news(), "nobody looks");
        meter.charts(NOON);
        assert!(!meter.has_news(), "they have it");
        meter.moved(NOON, bytes(1, 1));
        assert!(meter.has_news());
        meter.moved(NOON, bytes(1, 1));
        assert!(!meter.has_news(), "they did not look again");
        meter.charts(NOON);
        meter.moved(NOON.after(secs(3_600)), bytes(1, 1));
        assert!(meter.has_news(), "however long it takes");
    }
}
