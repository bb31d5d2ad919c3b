//! The list of a collection's files: itself a blob, fetched and proven before any of them.
//!
//! In: bytes that are proven to be what the offer names, and still only what its maker chose to write. Out: a list that is within bounds, in order,
//! without a path twice, and says what the offer said. The files of a list lie one after the other, each in whole groups: so a stretch of a
//! collection is a range of groups ([`Manifest::places`] says which groups of which file), and planning needs no list.
//!
//! Files that nobody has hashed stand in it with keys instead of hashes.
//!
//! Read as a whole: [`MAX_MANIFEST_BYTES`] says why that is bearable.
//! Not here: making paths safe for a disk (`pc2-storage`, `blobs::clean_path`); paths are kept as they came.

use super::offer::Offered;
use crate::{
    blob::BlobSize,
    codec::{self, DecodeError},
    id::BlobId,
    limits::{MAX_COLLECTION_FILES, MAX_FILE_PATH_BYTES, MAX_FOLDER_DEPTH, MAX_MANIFEST_BYTES},
};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::{
    collections::BTreeSet,
    fmt,
    ops::{Not, Range},
};

/// One file of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Where it stands in the collection: names with `/` between them, none of them empty, at most [`MAX_FILE_PATH_BYTES`] and
    /// [`MAX_FOLDER_DEPTH`] folders.
    pub path: String,
    /// Its bytes; in a list of files that nobody hashed the key by which it is asked for.
    pub blob: BlobId,
    /// How many.
    pub size: BlobSize,
}

/// All files of a collection, in ascending order of the bytes of their paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// 1 to [`MAX_COLLECTION_FILES`].
    #[serde(deserialize_with = "few_members")]
    members: Vec<Member>,
    /// Nobody has hashed the files: their blobs are keys by which they are asked for, and each is proven piece by piece.
    #[serde(default, skip_serializing_if = "Not::not")]
    pieces: bool,
}

/// Why bytes are no acceptable list of files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// Not a list at all, or one with too many files.
    #[error("the list of files is {0}")]
    Decode(#[from] DecodeError),
    /// Nothing in it, or too much.
    #[error("the list has {got} files; a folder may have 1 to {MAX_COLLECTION_FILES}")]
    Count {
        /// How many.
        got: usize,
    },
    /// Encoded it would be larger than lists may be.
    #[error("the list of files has {got} bytes; it may have {MAX_MANIFEST_BYTES}")]
    TooLarge {
        /// Its bytes.
        got: usize,
    },
    /// A path that is none, too long, or too deep.
    #[error(
        "file {at} of the list has no acceptable path (1 to {MAX_FILE_PATH_BYTES} bytes, {MAX_FOLDER_DEPTH} folders at most, no empty names)"
    )]
    Path {
        /// Which file, from 0.
        at: usize,
    },
    /// Not after the one before: a path twice, or out of order.
    #[error("file {at} of the list is not in order")]
    Order {
        /// Which file, from 0.
        at: usize,
    },
    /// A file stands where another one needs a folder.
    #[error("file {at} of the list stands inside of another file")]
    InsideAFile {
        /// Which file, from 0.
        at: usize,
    },
    /// All files together are larger than anything may be.
    #[error("the files of the list are too large together")]
    Total,
    /// The list is another one than was offered.
    #[error("the list of files does not say what the offer said")]
    NotAsOffered,
}

/// Some groups of one file of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which file, from 0.
    pub member: usize,
    /// Which of its groups.
    pub groups: Range<u32>,
}

impl Manifest {
    /// A list of these files; sorts them.
    ///
    /// # Errors
    /// [`BadManifest`] when nobody would accept it.
    pub fn new(members: Vec<Member>) -> Result<Self, BadManifest> {
        Self::of(members, false)
    }

    /// A list of files that nobody has hashed, each with a key that nothing else has; sorts them.
    ///
    /// # Errors
    /// [`BadManifest`] when nobody would accept it.
    pub fn in_pieces(members: Vec<Member>) -> Result<Self, BadManifest> {
        Self::of(members, true)
    }

    fn of(mut members: Vec<Member>, pieces: bool) -> Result<Self, BadManifest> {
        members.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        let manifest = Self { members, pieces };
        manifest.check()?;
        let got = manifest.encode().len();
        if got > MAX_MANIFEST_BYTES { Err(BadManifest::TooLarge { got }) } else { Ok(manifest) }
    }

    /// The bytes of the blob.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads the list of what was offered, and compares it with the offer.
    ///
    /// # Errors
    /// [`BadManifest`]; nothing of such a collection is fetched.
    pub fn decode(bytes: &[u8], offered: &Offered) -> Result<Self, BadManifest> {
        let manifest: Self = codec::decode(bytes, MAX_MANIFEST_BYTES)?;
        let sum = manifest.check()?;
        let Offered::Collection { count, total, .. } = offered else { return Err(BadManifest::NotAsOffered) };
        if usize::try_from(*count).is_ok_and(|count| count == manifest.members.len()) && sum == *total {
            Ok(manifest)
        } else {
            Err(BadManifest::NotAsOffered)
        }
    }

    /// The files, in order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether nobody has hashed the files, and they are proven piece by piece.
    #[must_use]
    pub const fn is_in_pieces(&self) -> bool {
        self.pieces
    }

    /// The bytes of all files.
    #[must_use]
    pub fn total(&self) -> BlobSize {
        self.sum().unwrap_or(BlobSize::EMPTY)
    }

    /// The groups of all files.
    #[must_use]
    pub fn groups(&self) -> u64 {
        self.members.iter().map(|member| u64::from(member.size.groups())).sum()
    }

    /// Where a stretch of the collection lies. Empty files lie nowhere: there is nothing of them to fetch.
    #[must_use]
    pub fn places(&self, stretch: &Range<u64>) -> Vec<Place> {
        let mut places = Vec::new();
        let mut start = 0_u64;
        for (member, file) in self.members.iter().enumerate() {
            let end = start.saturating_add(file.size.groups().into());
            let within =
                |at: u64| u32::try_from(at.clamp(start, end).saturating_sub(start)).unwrap_or(u32::MAX);
            let groups = within(stretch.start)..within(stretch.end);
            if !groups.is_empty() {
                places.push(Place { member, groups });
            }
            if end >= stretch.end {
                break;
            }
            start = end;
        }
        places
    }

    fn sum(&self) -> Option<BlobSize> {
        // 2^17 files of at most 2^40 bytes: far from the end of 64 bits.
        let sum: u64 = self.members.iter().map(|member| member.size.bytes()).sum();
        BlobSize::try_from(sum).ok()
    }

    fn check(&self) -> Result<BlobSize, BadManifest> {
        let got = self.members.len();
        if !(1..=MAX_COLLECTION_FILES).contains(&got) {
            return Err(BadManifest::Count { got });
        }
        let mut files = BTreeSet::new();
        let mut before = None;
        for (at, Member { path, .. }) in self.members.iter().enumerate() {
            let folders = path.bytes().filter(|byte| *byte == b'/').count();
            let short = (1..=MAX_FILE_PATH_BYTES).contains(&path.len()) && folders <= MAX_FOLDER_DEPTH;
            if !short || path.split('/').any(str::is_empty) {
                return Err(BadManifest::Path { at });
            }
            if before >= Some(path) {
                return Err(BadManifest::Order { at });
            }
            let mut folders = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
            if folders.any(|folder| files.contains(folder)) {
                return Err(BadManifest::InsideAFile { at });
            }
            files.insert(path.as_str());
            before = Some(path);
        }
        self.sum().ok_or(BadManifest::Total)
    }
}

/// Reads no more files than a list may have: a bomb is dropped while it is read.
fn few_members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Member>, D::Error> {
    struct Few;
    impl<'de> de::Visitor<'de> for Few {
        type Value = Vec<Member>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX_COLLECTION_FILES} files")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Member>, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = list.next_element()? {
                if members.len() >= MAX_COLLECTION_FILES {
                    return Err(de::Error::custom("longer than lists of files may be"));
                }
                members.push(member);
            }
            Ok(members)
        }
    }
    deserializer.deserialize_seq(Few)
}

#[cfg(test)]
mod tests;
