//! Which groups of a blob are there: in memory as bits, on disk so that neither a kill nor a loss of power can make it claim too much.
//!
//! The file has one header and pages, each one sector of [`SECTOR`] bytes, and each with a checksum over the blob, the page's number and
//! its bits. A sector is written in place: a disk has it old or new. Bits are only ever added, and only after the data they stand for
//! was synced; so an old page claims too little, which costs a repetition, and never too much. A page that is not what was
//! written claims nothing: its groups are proven anew from data and tree ([`super::partial`]).
//!
//! A file instead of rows: 20 GiB have 160 KiB of bits, which is more than a row may have, and a batch changes one sector of them.
//!
//! ```text
//! header  "PC2MARKS" ‖ size u64 ‖ blob 32 ‖ zeros ‖ sum 8
//! page    bits of 4,032 groups, 63 × u64 ‖ sum 8        (all zero: nothing there yet)
//! sum     the first 8 bytes of BLAKE3(blob ‖ number of the page u64 ‖ what stands before), the header's number is 2^64 − 1
//! ```
//! Numbers are little-endian.

use pc2_protocols::{blob::BlobSize, id::BlobId, limits::MAX_BLOB_RANGES};
use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _};

/// What disks write whole.
const SECTOR: usize = 512;

const SUM_BYTES: usize = 8;

const WORDS_PER_PAGE: usize = (SECTOR - SUM_BYTES) / size_of::<u64>();

/// Groups of one page: 63 MiB of data.
const GROUPS_PER_PAGE: u32 = (WORDS_PER_PAGE * 64) as u32;

const MAGIC: &[u8; 8] = b"PC2MARKS";

/// Stands for the header where a page has its number.
const HEADER: u64 = u64::MAX;

/// A set of groups of one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marks {
    words: Vec<u64>,
    groups: u32,
    set: u32,
}

impl Marks {
    /// None of so many groups.
    pub(crate) fn none(groups: u32) -> Self {
        let words = usize::try_from(groups.div_ceil(64)).unwrap_or(usize::MAX);
        Self { words: vec![0; words], groups, set: 0 }
    }

    /// Whether all are there.
    pub(crate) fn is_whole(&self) -> bool {
        self.set == self.groups
    }

    /// Whether this one is there.
    pub(crate) fn has(&self, group: u32) -> bool {
        let (word, bit) = place(group);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Adds one. Returns whether it is new.
    pub(crate) fn add(&mut self, group: u32) -> bool {
        let (word, bit) = place(group);
        match self.words.get_mut(word) {
            Some(word) if group < self.groups && *word & bit == 0 => {
                *word |= bit;
                self.set += 1;
                true
            }
            _ => false,
        }
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, group: u32) {
        let (word, bit) = place(group);
        if let Some(word) = self.words.get_mut(word).filter(|word| **word & bit != 0) {
            *word &= !bit;
            self.set -= 1;
        }
    }

    /// The ranges of groups that are there, or that are not, from one on.
    pub(crate) fn runs(&self, there: bool, from: u32) -> impl Iterator<Item = Range<u32>> + '_ {
        let mut at = from;
        std::iter::from_fn(move || {
            let start = self.next(there, at)?;
            at = self.next(!there, start).unwrap_or(self.groups);
            Some(start..at)
        })
    }

    /// The first ranges that are missing from a group on: at most so many groups, in as many ranges as a request may have.
    pub(crate) fn missing(&self, from: u32, most: u32) -> Vec<Range<u32>> {
        let mut left = most;
        self.runs(false, from)
            .take(MAX_BLOB_RANGES)
            .map_while(|run| {
                let end = run.end.min(run.start.saturating_add(left));
                left = left.saturating_sub(end.saturating_sub(run.start));
                (end > run.start).then_some(run.start..end)
            })
            .collect()
    }

    /// The first group from one on that is there, or is not. Skips whole words: a terabyte has a million of them.
    fn next(&self, there: bool, from: u32) -> Option<u32> {
        let (first, bit) = place(from);
        let above = !bit.wrapping_sub(1);
        let sought = |word: u64| if there { word } else { !word };
        self.words.iter().enumerate().skip(first).find_map(|(number, word)| {
            let word = if number == first { sought(*word) & above } else { sought(*word) };
            let group = u32::try_from(number).ok()?.checked_mul(64)?.checked_add(word.trailing_zeros())?;
            (word != 0 && group < self.groups).then_some(group)
        })
    }

    /// The bits of a page.
    fn page(&self, page: u32) -> [u8; SECTOR - SUM_BYTES] {
        let mut bytes = [0; SECTOR - SUM_BYTES];
        let words = self.words.chunks(WORDS_PER_PAGE).nth(page as usize).unwrap_or_default();
        for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }
}

/// Word and bit of a group.
fn place(group: u32) -> (usize, u64) {
    ((group / 64) as usize, 1 << (group % 64))
}

/// The page of a group.
pub(crate) fn page_of(group: u32) -> u32 {
    group / GROUPS_PER_PAGE
}

/// The groups of a page.
pub(crate) fn groups_of(page: u32, groups: u32) -> Range<u32> {
    let start = page.saturating_mul(GROUPS_PER_PAGE);
    start..start.saturating_add(GROUPS_PER_PAGE).min(groups)
}

/// What a file of marks says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// What is there for certain.
    pub(crate) marks: Marks,
    /// Pages that are not what was written: their groups may be there.
    pub(crate) doubtful: Vec<u32>,
}

/// Begins a file: everything is missing.
pub(crate) fn create(file: &File, id: BlobId, size: BlobSize) -> io::Result<()> {
    let pages = u64::from(size.groups().div_ceil(GROUPS_PER_PAGE));
    file.set_len((pages + 1).saturating_mul(SECTOR as u64))?;
    file.write_all_at(&seal(id, HEADER, &header(id, size)), 0)
}

/// Writes the pages of a set that hold these groups. The data they stand for is on the disk already.
pub(crate) fn write(
    file: &File,
    id: BlobId,
    marks: &Marks,
    pages: impl Iterator<Item = u32>,
) -> io::Result<()> {
    for page in pages {
        file.write_all_at(&seal(id, page.into(), &marks.page(page)), offset(page))?;
    }
    Ok(())
}

/// Reads a file; without a header that fits, every page is doubtful.
pub(crate) fn read(file: &File, id: BlobId, size: BlobSize) -> io::Result<Found> {
    let groups = size.groups();
    let pages = groups.div_ceil(GROUPS_PER_PAGE);
    let mut found = Found { marks: Marks::none(groups), doubtful: Vec::new() };
    let mut sector = [0; SECTOR];
    if !read_sector(file, 0, &mut sector)? || sector != seal(id, HEADER, &header(id, size)) {
        found.doubtful.extend(0..pages);
        return Ok(found);
    }
    for page in 0..pages {
        if !read_sector(file, offset(page), &mut sector)? {
            found.doubtful.push(page);
            continue;
        }
        if sector == [0; SECTOR] {
            continue;
        }
        let bits = *sector.first_chunk().unwrap_or(&[0; SECTOR - SUM_BYTES]);
        if sector != seal(id, page.into(), &bits) {
            found.doubtful.push(page);
            continue;
        }
        let bit = |group: u32| {
            let at = group.saturating_sub(page * GROUPS_PER_PAGE);
            bits.get((at / 8) as usize).is_some_and(|byte| byte & 1 << (at % 8) != 0)
        };
        for group in groups_of(page, groups).filter(|group| bit(*group)) {
            found.marks.add(group);
        }
    }
    Ok(found)
}

/// `false`: the file ends before.
fn read_sector(file: &File, at: u64, sector: &mut [u8; SECTOR]) -> io::Result<bool> {
    match file.read_exact_at(sector, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn offset(page: u32) -> u64 {
    (u64::from(page) + 1).saturating_mul(SECTOR as u64)
}

fn header(id: BlobId, size: BlobSize) -> [u8; SECTOR - SUM_BYTES] {
    let mut bytes = [0; SECTOR - SUM_BYTES];
    let fields = MAGIC.iter().copied().chain(size.bytes().to_le_bytes()).chain(*id.as_bytes());
    bytes.iter_mut().zip(fields).for_each(|(place, byte)| *place = byte);
    bytes
}

/// A sector with its sum.
fn seal(id: BlobId, number: u64, bytes: &[u8; SECTOR - SUM_BYTES]) -> [u8; SECTOR] {
    let mut hash = blake3::Hasher::new();
    hash.update(id.as_bytes()).update(&number.to_le_bytes()).update(bytes);
    let hash = hash.finalize();
    let mut sector = [0; SECTOR];
    let sum = hash.as_bytes().iter().take(SUM_BYTES);
    sector.iter_mut().zip(bytes.iter().chain(sum)).for_each(|(place, byte)| *place = *byte);
    sector
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

    use super::*;
    use pc2_protocols::limits::BLOB_GROUP_BYTES;

    const ID: BlobId = BlobId::from_bytes([7; 32]);

    fn size(groups: u64) -> BlobSize {
        BlobSize::try_from(groups * BLOB_GROUP_BYTES).expect("not too large")
    }

    fn with(groups: u32, ranges: &[Range<u32>]) -> Marks {
        let mut marks = Marks::none(groups);
        for group in ranges.iter().cloned().flatten() {
            marks.add(group);
        }
        marks
    }

    #[test]
    fn runs_are_what_is_there_and_what_is_missing() {
        let marks = with(300, &[0..3, 64..128, 190..193, 299..300]);
        assert_eq!(marks.runs(true, 0).collect::<Vec<_>>(), [0..3, 64..128, 190..193, 299..300]);
        assert_eq!(marks.runs(false, 0).collect::<Vec<_>>(), [3..64, 128..190, 193..299]);
        assert_eq!(marks.missing(100, 70), [128..190, 193..201]);
        assert_eq!(marks.missing(299, 70), []);
        assert_eq!(marks.missing(0, 0), []);
        assert_eq!(marks.set, 71);
        assert!(marks.has(64) && !marks.has(128) && !marks.has(u32::MAX));
        let all = with(300, &[0..300]);
        assert!(all.is_whole() && all.missing(0, u32::MAX).is_empty());
    }

    #[test]
    fn a_group_beyond_the_blob_is_never_there() {
        let mut marks = Marks::none(65);
        assert!(!marks.add(65) && !marks.add(u32::MAX) && marks.add(64) && !marks.add(64));
        marks.remove(64);
        marks.remove(3);
        assert_eq!(marks, Marks::none(65));
    }

    #[test]
    fn no_more_ranges_are_missing_than_a_request_may_have() {
        let mut marks = Marks::none(10_000);
        (0..10_000).step_by(2).for_each(|group| assert!(marks.add(group)));
        assert_eq!(marks.missing(0, u32::MAX).len(), MAX_BLOB_RANGES);
    }

    #[test]
    fn what_was_written_is_read_back_page_by_page() {
        let file = tempfile::tempfile().expect("a file");
        let blob = size(3 * u64::from(GROUPS_PER_PAGE) + 5);
        create(&file, ID, blob).expect("made");
        let empty = Found { marks: Marks::none(blob.groups()), doubtful: vec![] };
        assert_eq!(read(&file, ID, blob).expect("read"), empty);
        let marks = with(blob.groups(), &[1..70, 4_000..4_100, blob.groups() - 1..blob.groups()]);
        write(&file, ID, &marks, [0, 1, 3].into_iter()).expect("written");
        assert_eq!(read(&file, ID, blob).expect("read"), Found { marks, doubtful: vec![] });
    }

    #[test]
    fn a_page_that_is_not_what_was_written_claims_nothing() {
        let file = tempfile::tempfile().expect("a file");
        let blob = size(2 * u64::from(GROUPS_PER_PAGE));
        create(&file, ID, blob).expect("made");
        let marks = with(blob.groups(), &[0..blob.groups()]);
        write(&file, ID, &marks, 0..2).expect("written");
        for at in [600, 1_020] {
            file.write_all_at(&[0xa5], at).expect("damaged");
            let found = read(&file, ID, blob).expect("read");
            assert_eq!(found.doubtful, [0]);
            assert_eq!(found.marks, with(blob.groups(), &[GROUPS_PER_PAGE..blob.groups()]));
        }
        file.set_len(1_030).expect("cut");
        assert_eq!(read(&file, ID, blob).expect("read").doubtful, [0, 1]);
        let other = BlobId::from_bytes([8; 32]);
        assert_eq!(read(&file, other, blob).expect("read").doubtful, [0, 1], "marks of another blob");
        assert_eq!(read(&file, ID, size(5_000)).expect("read").marks.set, 0, "of another size");
    }

    #[test]
    fn the_marks_of_the_largest_blob_take_eight_mebibytes() {
        let blob = size(1 << 26);
        let marks = Marks::none(blob.groups());
        assert_eq!(marks.words.len() * 8, 8 << 20);
        assert_eq!(marks.missing(0, u32::MAX), [0..1 << 26]);
    }
}
