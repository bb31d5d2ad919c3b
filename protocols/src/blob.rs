//! A blob as both sides of a transfer see it: how large it is, and which of its groups are meant.
//!
//! A blob is cut into groups of [`BLOB_GROUP_BYTES`]; a group is what is asked for, proven and kept, whole or not at all. The types
//! here are valid for as long as they exist: a size is never above [`MAX_BLOB_BYTES`], so its groups are counted in 32 bits and no
//! sum of them overflows; a set of groups is sorted and bounded. What a peer claims beyond that does not decode.
//!
//! Not here: hashing and files (`pc2-storage`, `blobs`), who asks whom for what.

use crate::limits::{BLOB_GROUP_BYTES, MAX_BLOB_BYTES, MAX_BLOB_RANGES, PIECE_BYTES, PIECE_GROUPS};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The size of a blob in bytes: at most [`MAX_BLOB_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct BlobSize(u64);

/// A blob that is larger than blobs may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a file of {got} bytes is too large; files may have {MAX_BLOB_BYTES} bytes")]
pub struct BlobTooLarge {
    /// Its bytes.
    pub got: u64,
}

impl TryFrom<u64> for BlobSize {
    type Error = BlobTooLarge;

    fn try_from(bytes: u64) -> Result<Self, BlobTooLarge> {
        if bytes > MAX_BLOB_BYTES { Err(BlobTooLarge { got: bytes }) } else { Ok(Self(bytes)) }
    }
}

impl From<BlobSize> for u64 {
    fn from(size: BlobSize) -> Self {
        size.0
    }
}

impl BlobSize {
    /// Of nothing.
    pub const EMPTY: Self = Self(0);

    /// The bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// How many groups it has; an empty blob has none.
    #[must_use]
    pub fn groups(self) -> u32 {
        u32::try_from(self.0.div_ceil(BLOB_GROUP_BYTES)).unwrap_or(u32::MAX)
    }

    /// Where groups lie, in bytes; the last group of a blob may be shorter than others.
    #[must_use]
    pub fn span(self, groups: &Range<u32>) -> Range<u64> {
        let at = |group: u32| u64::from(group).saturating_mul(BLOB_GROUP_BYTES).min(self.0);
        at(groups.start)..at(groups.end)
    }

    /// How many pieces a file of this size has, if it is sent in pieces.
    #[must_use]
    pub fn pieces(self) -> u32 {
        u32::try_from(self.0.div_ceil(PIECE_BYTES)).unwrap_or(u32::MAX)
    }

    /// The size of one of its pieces: that of all but the last is [`PIECE_BYTES`].
    #[must_use]
    pub fn of_piece(self, piece: u32) -> Self {
        Self(self.0.saturating_sub(u64::from(piece).saturating_mul(PIECE_BYTES)).min(PIECE_BYTES))
    }
}

/// The piece in which a group lies.
#[must_use]
pub const fn piece_of(group: u32) -> u32 {
    group / PIECE_GROUPS
}

/// A range of groups, cut where pieces end.
pub fn by_pieces(groups: Range<u32>) -> impl Iterator<Item = Range<u32>> {
    let mut at = groups.start;
    std::iter::from_fn(move || {
        let end = piece_of(at).saturating_add(1).saturating_mul(PIECE_GROUPS).min(groups.end);
        let cut = at..end;
        at = end;
        (!cut.is_empty()).then_some(cut)
    })
}

/// Some groups of a blob: ranges in order, with something in each and between any two, at most [`MAX_BLOB_RANGES`] of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u32, u32)>", into = "Vec<(u32, u32)>")]
pub struct Groups(Vec<Range<u32>>);

/// Ranges that are no set of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadGroups {
    /// More than [`MAX_BLOB_RANGES`].
    #[error("{got} ranges of groups exceed the {MAX_BLOB_RANGES} a request may have")]
    TooMany {
        /// How many.
        got: usize,
    },
    /// One is empty, ends before it begins, or does not come after the one before.
    #[error("the ranges of groups are not in order")]
    Disorder,
}

/// On the wire: (first group, number of groups) of each range.
impl TryFrom<Vec<(u32, u32)>> for Groups {
    type Error = BadGroups;

    fn try_from(pairs: Vec<(u32, u32)>) -> Result<Self, BadGroups> {
        let range = |(first, count): (u32, u32)| first.checked_add(count).map(|end| first..end);
        Self::new(pairs.into_iter().map(range).collect::<Option<_>>().ok_or(BadGroups::Disorder)?)
    }
}

impl From<Groups> for Vec<(u32, u32)> {
    fn from(groups: Groups) -> Self {
        groups.0.into_iter().map(|range| (range.start, range.end.saturating_sub(range.start))).collect()
    }
}

impl Groups {
    /// Takes ranges that are a set.
    ///
    /// # Errors
    /// [`BadGroups`] when they are too many, empty, touching or out of order.
    pub fn new(ranges: Vec<Range<u32>>) -> Result<Self, BadGroups> {
        if ranges.len() > MAX_BLOB_RANGES {
            return Err(BadGroups::TooMany { got: ranges.len() });
        }
        let apart = ranges.windows(2).all(|pair| matches!(pair, [one, next] if one.end < next.start));
        if apart && ranges.iter().all(|range| range.start < range.end) {
            Ok(Self(ranges))
        } else {
            Err(BadGroups::Disorder)
        }
    }

    /// All of a blob; none of an empty one.
    #[must_use]
    pub fn whole(size: BlobSize) -> Self {
        Self(Some(0..size.groups()).into_iter().filter(|range| !range.is_empty()).collect())
    }

    /// Those that hold these bytes, as far as the blob has them.
    #[must_use]
    pub fn covering(size: BlobSize, bytes: &Range<u64>) -> Self {
        let end = bytes.end.min(size.bytes()).div_ceil(BLOB_GROUP_BYTES);
        let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let range = number(bytes.start / BLOB_GROUP_BYTES)..number(end);
        Self(Some(range).into_iter().filter(|range| !range.is_empty()).collect())
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        self.0.iter().cloned()
    }

    /// How many groups.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.iter().fold(0, |sum, range| sum.saturating_add(range.end.saturating_sub(range.start)))
    }

    /// How many bytes they have in a blob of this size.
    #[must_use]
    pub fn bytes(&self, size: BlobSize) -> u64 {
        let bytes = |range: &Range<u32>| {
            let span = size.span(range);
            span.end.saturating_sub(span.start)
        };
        self.0.iter().map(bytes).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a blob of this size has all of them.
    #[must_use]
    pub fn fit(&self, size: BlobSize) -> bool {
        self.0.last().is_none_or(|last| last.end <= size.groups())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

    use super::*;
    use crate::codec;

    fn size(bytes: u64) -> BlobSize {
        BlobSize::try_from(bytes).expect("not too large")
    }

    #[test]
    fn a_size_beyond_the_limit_does_not_decode() {
        let decoded = |bytes: u64| codec::decode::<BlobSize>(&codec::encode(&bytes), 16);
        assert_eq!(decoded(MAX_BLOB_BYTES), Ok(size(MAX_BLOB_BYTES)));
        for bytes in [MAX_BLOB_BYTES + 1, 1 << 63, u64::MAX] {
            assert!(decoded(bytes).is_err());
            assert_eq!(BlobSize::try_from(bytes), Err(BlobTooLarge { got: bytes }));
        }
    }

    #[test]
    fn the_last_group_is_as_long_as_what_is_left() {
        assert_eq!(BlobSize::EMPTY.groups(), 0);
        assert_eq!(size(1).groups(), 1);
        assert_eq!(size(BLOB_GROUP_BYTES).groups(), 1);
        assert_eq!(size(BLOB_GROUP_BYTES + 1).groups(), 2);
        assert_eq!(size(BLOB_GROUP_BYTES + 1).span(&(1..2)), BLOB_GROUP_BYTES..BLOB_GROUP_BYTES + 1);
        assert_eq!(size(MAX_BLOB_BYTES).groups(), 1 << 26);
        assert_eq!(size(5).span(&(7..u32::MAX)), 5..5);
    }

    #[test]
    fn groups_cover_the_bytes_asked_for_and_no_more() {
        let blob = size(100 * BLOB_GROUP_BYTES + 1);
        let covering = |bytes: Range<u64>| Groups::covering(blob, &bytes).ranges().collect::<Vec<_>>();
        assert_eq!(covering(0..1), [0..1]);
        assert_eq!(covering(BLOB_GROUP_BYTES - 1..BLOB_GROUP_BYTES + 1), [0..2]);
        assert_eq!(covering(0..u64::MAX), [0..101]);
        assert_eq!(covering(u64::MAX - 1..u64::MAX), []);
        assert_eq!(covering(7..7), [0..1], "a place between two bytes is in a group");
        assert_eq!(Groups::whole(blob).bytes(blob), blob.bytes());
        assert!(Groups::whole(BlobSize::EMPTY).is_empty());
        assert!(!Groups::whole(blob).fit(size(BLOB_GROUP_BYTES)));
    }

    #[test]
    fn what_is_no_set_of_groups_does_not_decode() {
        let decoded = |pairs: &[(u32, u32)]| codec::decode::<Groups>(&codec::encode(&pairs.to_vec()), 4_096);
        let groups = decoded(&[(0, 1), (5, 10)]).expect("in order");
        assert_eq!(groups.count(), 11);
        assert_eq!(codec::decode(&codec::encode(&groups), 64), Ok(groups));
        for pairs in
            [&[(0, 0)][..], &[(5, 1), (0, 1)], &[(0, 5), (4, 1)], &[(0, 5), (5, 1)], &[(u32::MAX, 1)]]
        {
            assert!(decoded(pairs).is_err(), "{pairs:?}");
        }
        let many: Vec<_> = (0..=256).map(|number| (number * 2, 1)).collect();
        assert!(decoded(&many).is_err());
        assert!(decoded(many.get(..256).expect("256")).is_ok());
    }
}
