//! The hash tree of a blob: what proves a group by the blob's id alone.
//!
//! The tree is BLAKE3's own, down to groups of 16 KiB; the crate `bao-tree` knows its shape and walks it. A tree is stored as the pairs of
//! hashes of its inner nodes, 64 bytes each, children before parents, so that hashing a file writes it from front to end.
//!
//! Not here: whose tree it is and where it lies ([`super::store`]).

use bao_tree::{
    BaoTree, BlockSize, ChunkNum, ChunkRanges,
    io::{
        EncodeError,
        outboard::PostOrderOutboard,
        sync::{ReadAt, encode_ranges_validated, outboard_post_order},
    },
};
use pc2_protocols::{
    blob::{BlobSize, Groups},
    id::BlobId,
    limits::BLOB_GROUP_BYTES,
};
use std::{
    fs::File,
    io::{self, Read, Write},
    ops::Range,
};

/// A group has 2⁴ chunks of BLAKE3.
const BLOCK: BlockSize = BlockSize::from_chunk_log(4);

/// Chunks of BLAKE3 in a group.
const CHUNKS: u64 = BLOB_GROUP_BYTES / 1024;

/// Bytes of one pair of hashes.
pub(crate) const PAIR_BYTES: usize = 64;

/// Groups proven in one go: a megabyte.
pub(crate) const STRETCH: u32 = 64;

/// Where the pairs of a tree are.
#[derive(Debug)]
pub(crate) enum Pairs {
    /// In memory, because the blob is small.
    Memory(Vec<u8>),
    /// In a file, from a place on.
    File {
        /// The file.
        file: File,
        /// Where they begin in it.
        at: u64,
    },
}

/// A part of a file, read as if it began there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'f> {
    /// The file.
    pub(crate) file: &'f File,
    /// Where the part begins.
    pub(crate) at: u64,
}

impl ReadAt for Window<'_> {
    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<usize> {
        ReadAt::read_at(self.file, self.at.saturating_add(at), bytes)
    }
}

impl ReadAt for Pairs {
    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Memory(pairs) => {
                let rest = usize::try_from(at).ok().and_then(|at| pairs.get(at..)).unwrap_or_default();
                let mut rest = rest;
                rest.read(bytes)
            }
            Self::File { file, at: begin } => file.read_at(begin.saturating_add(at), bytes),
        }
    }
}

/// A tree with the root it must lead to.
pub(crate) type Tree = PostOrderOutboard<Pairs>;

/// The shape of the tree of a blob.
pub(crate) fn shape(size: BlobSize) -> BaoTree {
    BaoTree::new(size.bytes(), BLOCK)
}

/// The root that an id is.
pub(crate) fn root(id: BlobId) -> blake3::Hash {
    blake3::Hash::from_bytes(*id.as_bytes())
}

/// The id that a hash is.
pub(crate) fn id(hash: blake3::Hash) -> BlobId {
    BlobId::from_bytes(*hash.as_bytes())
}

/// Size of a stored tree in bytes: one pair less than there are groups.
pub(crate) fn bytes(size: BlobSize) -> u64 {
    u64::from(size.groups().saturating_sub(1)) * PAIR_BYTES as u64
}

/// A tree of these pairs.
pub(crate) fn with(id: BlobId, size: BlobSize, pairs: Pairs) -> Tree {
    PostOrderOutboard { root: root(id), tree: shape(size), data: pairs }
}

/// Groups as `bao-tree` counts.
pub(crate) fn chunks(groups: &Groups) -> ChunkRanges {
    groups.ranges().fold(ChunkRanges::empty(), |mut all, range| {
        all |= chunks_of(&range);
        all
    })
}

fn chunks_of(range: &Range<u32>) -> ChunkRanges {
    let at = |group: u32| ChunkNum(u64::from(group) * CHUNKS);
    ChunkRanges::from(at(range.start)..at(range.end))
}

/// Hashes a blob from front to end and writes its tree. Memory: one group.
///
/// # Errors
/// What reading and writing say; `UnexpectedEof` when the blob is shorter than it should be.
pub(crate) fn hash(data: impl Read, size: BlobSize, pairs: impl Write) -> io::Result<BlobId> {
    if size == BlobSize::EMPTY {
        return Ok(id(blake3::hash(&[])));
    }
    outboard_post_order(data, shape(size), pairs).map(id)
}

/// Which groups of a range are not proven by the tree, be it that they, the tree or the disk are damaged.
pub(crate) fn unproven(tree: &Tree, data: Window<'_>, range: Range<u32>) -> Vec<Range<u32>> {
    let proven =
        |range: Range<u32>| encode_ranges_validated(data, tree, &chunks_of(&range), io::sink()).is_ok();
    let mut bad: Vec<Range<u32>> = Vec::new();
    let mut note = |group: u32| match bad.last_mut() {
        Some(last) if last.end == group => last.end += 1,
        _ => bad.push(group..group + 1),
    };
    let mut at = range.start;
    while at < range.end {
        let end = range.end.min(at.saturating_add(STRETCH));
        if !proven(at..end) {
            // One by one: a stretch ends at the first group that fails.
            (at..end).filter(|group| !proven(*group..group + 1)).for_each(&mut note);
        }
        at = end;
    }
    bad
}

/// Whether the tree is right on the way to a group, whatever the group is.
pub(crate) fn proves(tree: &Tree, data: Window<'_>, group: u32) -> bool {
    let range = chunks_of(&(group..group.saturating_add(1)));
    !matches!(
        encode_ranges_validated(data, tree, &range, io::sink()),
        Err(EncodeError::ParentHashMismatch(_))
    )
}

/// Why a range could not be proven while it was encoded.
#[derive(Debug)]
pub(crate) enum Unproven {
    /// The bytes are not what they were, from here on.
    Data(u64),
    /// The tree is not what it was.
    Tree,
    /// Reading or writing failed.
    Io(io::Error),
}

impl From<EncodeError> for Unproven {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::LeafHashMismatch(chunk) => Self::Data(chunk.0.saturating_mul(1024)),
            EncodeError::ParentHashMismatch(_) => Self::Tree,
            EncodeError::Io(error) => Self::Io(error),
            other => Self::Io(io::Error::other(other.to_string())),
        }
    }
}

/// Writes what proves and contains these groups.
pub(crate) fn encode(
    tree: &Tree,
    data: Window<'_>,
    groups: &Groups,
    out: impl Write,
) -> Result<(), Unproven> {
    encode_ranges_validated(data, tree, &chunks(groups), out).map_err(Unproven::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_blob_is_its_blake3_hash() {
        for length in [0, 1, 1_024, 16_384, 16_385, 100_000, 1 << 20] {
            let data = vec![0x61; length];
            let size = BlobSize::try_from(length as u64).expect("small");
            let mut pairs = Vec::new();
            let found = hash(&data[..], size, &mut pairs).expect("hashed");
            assert_eq!(found, id(blake3::hash(&data)));
            assert_eq!(pairs.len() as u64, bytes(size), "{length}");
        }
    }

    #[test]
    fn a_blob_that_ends_early_has_no_id() {
        let size = BlobSize::try_from(20_000).expect("small");
        let error = hash(&[0; 19_999][..], size, io::sink()).expect_err("too short");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
