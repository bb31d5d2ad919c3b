//! By what a blob is proven: by one tree, or, where nobody has hashed all of it, by a tree for each of its pieces.
//!
//! A file that is offered before it was hashed ([`super::pieces`]) has no hash that could be its id. Its id is a name, and each of its pieces of
//! [`PIECE_BYTES`](pc2_protocols::limits::PIECE_BYTES) has a tree of its own, as a blob of these bytes would have. The trees lie in one file, each at its own place:
//!
//! ```text
//! piece n, at n × 256 KiB    hash of the piece ‖ the same again    (all zero: not known yet)
//!                            its pairs, children before parents    (4,095 of a whole piece)
//! ```
//! A hash stands there twice: so one that was damaged is told from one that is not known, and costs that piece only.
//!
//! Not here: how a tree proves ([`super::tree`]), whose word the hash of a piece is.

use super::{
    BlobError,
    tree::{self, PAIR_BYTES, Pairs, Tree, Window},
};
use pc2_protocols::{
    blob::{BlobSize, Groups, by_pieces, piece_of},
    id::BlobId,
    limits::PIECE_GROUPS,
};
use serde::{Deserialize, Serialize};
use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _};

/// What proves a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Proof {
    /// One tree, and its id is the root.
    #[default]
    Whole,
    /// A tree for each piece.
    Pieces,
}

/// Bytes of a piece's hash and pairs.
const PLACE: u64 = PIECE_GROUPS as u64 * PAIR_BYTES as u64;

/// What one tree proves: a blob, or a piece of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The root.
    pub(crate) root: BlobId,
    /// Its bytes.
    pub(crate) size: BlobSize,
    /// The group of the blob that is its first.
    pub(crate) first: u32,
    /// Where its pairs begin in the file of trees.
    pub(crate) pairs: u64,
}

impl Unit {
    /// A blob with one tree.
    pub(crate) const fn whole(id: BlobId, size: BlobSize) -> Self {
        Self { root: id, size, first: 0, pairs: 0 }
    }

    /// A piece of a blob.
    pub(crate) fn piece(piece: u32, root: BlobId, size: BlobSize) -> Self {
        let first = piece.saturating_mul(PIECE_GROUPS);
        Self { root, size: size.of_piece(piece), first, pairs: pairs_of(piece) }
    }

    /// The piece of a blob in which groups are, if it has this hash; and the groups as it counts them.
    ///
    /// # Errors
    /// [`BlobError::OutOfRange`] when they are not of one piece, or none.
    pub(crate) fn of_groups(
        root: BlobId,
        size: BlobSize,
        groups: &Groups,
    ) -> Result<(Self, Groups), BlobError> {
        let first = groups.ranges().next().filter(|_| groups.fit(size)).ok_or(BlobError::OutOfRange)?;
        let piece = piece_of(first.start);
        let unit = Self::piece(piece, root, size);
        let inside = groups
            .ranges()
            .map(|range| (piece_of(range.end.saturating_sub(1)) == piece).then(|| unit.inside(&range)));
        let inside = inside.collect::<Option<_>>().and_then(|ranges| Groups::new(ranges).ok());
        Ok((unit, inside.ok_or(BlobError::OutOfRange)?))
    }

    /// Where it begins in the blob, in bytes.
    pub(crate) fn start(&self) -> u64 {
        u64::from(self.first).saturating_mul(pc2_protocols::limits::BLOB_GROUP_BYTES)
    }

    /// Its bytes in a file of the blob.
    pub(crate) fn window<'f>(&self, data: &'f File) -> Window<'f> {
        Window { file: data, at: self.start() }
    }

    /// Its tree in a file of trees.
    pub(crate) fn tree(&self, trees: &File) -> io::Result<Tree> {
        Ok(tree::with(self.root, self.size, Pairs::File { file: trees.try_clone()?, at: self.pairs }))
    }

    /// Some of its groups, counted from its own first.
    pub(crate) const fn inside(&self, groups: &Range<u32>) -> Range<u32> {
        groups.start.saturating_sub(self.first)..groups.end.saturating_sub(self.first)
    }
}

impl Proof {
    /// Size of the file of trees.
    pub(crate) fn bytes(self, size: BlobSize) -> u64 {
        match self {
            Self::Whole => tree::bytes(size),
            Self::Pieces => u64::from(size.pieces()).saturating_mul(PLACE),
        }
    }

    /// What proves a range of groups, with the part of it that each proves; `None` where nobody has said the hash.
    fn units(
        self,
        id: BlobId,
        size: BlobSize,
        trees: &File,
        range: Range<u32>,
    ) -> io::Result<Vec<(Range<u32>, Option<Unit>)>> {
        match self {
            Self::Whole => Ok(vec![(range, Some(Unit::whole(id, size)))]),
            Self::Pieces => by_pieces(range)
                .map(|part| {
                    let piece = piece_of(part.start);
                    let root = read_root(trees, piece)?;
                    Ok((part, root.map(|root| Unit::piece(piece, root, size))))
                })
                .collect(),
        }
    }

    /// Which groups of a range are not proven, be it that they, a tree or the disk are damaged, or that nobody has said what they should be.
    pub(crate) fn unproven(
        self,
        id: BlobId,
        size: BlobSize,
        files: (&File, &File),
        range: Range<u32>,
    ) -> io::Result<Vec<Range<u32>>> {
        let (data, trees) = files;
        let mut bad = Vec::new();
        for (part, unit) in self.units(id, size, trees, range)? {
            match unit {
                Some(unit) => {
                    let found = tree::unproven(&unit.tree(trees)?, unit.window(data), unit.inside(&part));
                    let of_blob = |run: Range<u32>| unit.first + run.start..unit.first + run.end;
                    merge(&mut bad, found.into_iter().map(of_blob));
                }
                None => merge(&mut bad, Some(part)),
            }
        }
        Ok(bad)
    }

    /// Whether what proves a group is right, whatever the group is.
    pub(crate) fn proves(
        self,
        id: BlobId,
        size: BlobSize,
        files: (&File, &File),
        group: u32,
    ) -> io::Result<bool> {
        let (data, trees) = files;
        let units = self.units(id, size, trees, group..group.saturating_add(1))?;
        for (part, unit) in units {
            let Some(unit) = unit else { return Ok(false) };
            if !tree::proves(&unit.tree(trees)?, unit.window(data), unit.inside(&part).start) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Adds ranges behind others, joining those that touch.
pub(crate) fn merge(all: &mut Vec<Range<u32>>, more: impl IntoIterator<Item = Range<u32>>) {
    for range in more {
        match all.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => all.push(range),
        }
    }
}

/// Where the hash of a piece stands.
pub(crate) fn root_at(piece: u32) -> u64 {
    u64::from(piece).saturating_mul(PLACE)
}

/// Where the pairs of a piece begin.
fn pairs_of(piece: u32) -> u64 {
    root_at(piece).saturating_add(PAIR_BYTES as u64)
}

/// What stands there for a hash.
pub(crate) fn root_bytes(root: BlobId) -> [u8; PAIR_BYTES] {
    let mut bytes = [0; PAIR_BYTES];
    for half in bytes.as_chunks_mut::<{ BlobId::LEN }>().0 {
        *half = *root.as_bytes();
    }
    bytes
}

/// The hash of a piece, if it is known: what is damaged is not.
pub(crate) fn read_root(trees: &File, piece: u32) -> io::Result<Option<BlobId>> {
    let mut bytes = [0; PAIR_BYTES];
    match trees.read_exact_at(&mut bytes, root_at(piece)) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    Ok(root_of(&bytes))
}

/// What these bytes say.
pub(crate) fn root_of(bytes: &[u8; PAIR_BYTES]) -> Option<BlobId> {
    let [one, two] = bytes.as_chunks::<{ BlobId::LEN }>().0 else { return None };
    (one == two && *one != [0; BlobId::LEN]).then(|| BlobId::from_bytes(*one))
}

/// The hashes of all pieces, as far as they are known.
pub(crate) fn read_roots(trees: &File, size: BlobSize) -> io::Result<Vec<Option<BlobId>>> {
    (0..size.pieces()).map(|piece| read_root(trees, piece)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_that_was_damaged_is_not_known() {
        let trees = tempfile::tempfile().expect("a file");
        let root = BlobId::from_bytes([7; 32]);
        assert_eq!(read_root(&trees, 1).expect("read"), None);
        trees.write_all_at(&root_bytes(root), root_at(1)).expect("written");
        assert_eq!(read_root(&trees, 1).expect("read"), Some(root));
        assert_eq!(read_root(&trees, 0).expect("read"), None);
        for at in [0, 31, 32, 63] {
            trees.write_all_at(&[0x70], root_at(1) + at).expect("damaged");
            assert_eq!(read_root(&trees, 1).expect("read"), None, "{at}");
            trees.write_all_at(&[7], root_at(1) + at).expect("written");
        }
    }

    #[test]
    fn the_trees_of_pieces_lie_beside_each_other() {
        let size = BlobSize::try_from(2 * (64 << 20) + 1).expect("not too large");
        let last = Unit::piece(2, BlobId::from_bytes([1; 32]), size);
        assert_eq!((last.size.bytes(), last.first, last.start()), (1, 8_192, 128 << 20));
        assert_eq!(last.pairs, 2 * (256 << 10) + 64);
        let whole = Unit::piece(0, BlobId::from_bytes([1; 32]), size);
        assert_eq!(
            whole.pairs + tree::bytes(whole.size),
            256 << 10,
            "the second begins where the first ends"
        );
        assert_eq!(Proof::Pieces.bytes(size), 3 * (256 << 10));
    }
}
