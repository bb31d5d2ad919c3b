//! Proving the answer to a question, group by group, before anything of it is kept.
//!
//! In: a stream of groups with the hashes that lead to them. Out: groups for the partial file and pairs for its trees, each proven; or the first
//! that is not.
//!
//! Not here: what becomes of them ([`super::partial`]).

use super::{
    BlobError, Partial, Proof,
    partial::Core,
    proof::{self, Unit},
    tree::{self, PAIR_BYTES},
};
use bao_tree::io::{BaoContentItem, DecodeError, sync::DecodeResponseIter};
use pc2_protocols::{
    blob::{Groups, piece_of},
    id::BlobId,
};
use std::{
    io::{self, Read},
    sync::PoisonError,
};

impl Partial {
    /// Takes the answer to a question for `groups`: proves and writes one group after the other. Returns how many bytes are
    /// new. `encoded` is read in pieces of 64 bytes and of a group, and not beyond the answer's end: it should be buffered.
    ///
    /// # Errors
    /// [`BlobError::NotTheFile`] at the first thing that is not proven; [`BlobError::Stream`] when `encoded` fails or ends early;
    /// [`BlobError::NoRoom`]; [`BlobError::OutOfRange`]; [`BlobError::Failed`] once a sync failed. Groups before the error are kept.
    pub fn accept(&self, groups: &Groups, encoded: impl Read) -> Result<u64, BlobError> {
        let core = &*self.core;
        if core.proof != Proof::Whole {
            return Err(BlobError::OutOfRange);
        }
        self.take(Unit::whole(core.id, core.size), groups, encoded)
    }

    /// Takes the answer to a question for `groups` of one piece, which its sender says has this hash. What was said first of a piece holds.
    ///
    /// # Errors
    /// As [`Self::accept`]; [`BlobError::NotTheFile`] also when another hash of this piece was said before, [`BlobError::OutOfRange`] when the groups are
    /// not of one piece.
    pub fn accept_piece(&self, root: BlobId, groups: &Groups, encoded: impl Read) -> Result<u64, BlobError> {
        let core = &*self.core;
        if core.proof != Proof::Pieces {
            return Err(BlobError::OutOfRange);
        }
        let (unit, inside) = Unit::of_groups(root, core.size, groups)?;
        core.trust(&unit)?;
        self.take(unit, &inside, encoded)
    }

    /// Takes groups, counted from the first of what the tree proves.
    fn take(&self, unit: Unit, groups: &Groups, encoded: impl Read) -> Result<u64, BlobError> {
        let core = &*self.core;
        if !groups.fit(unit.size) {
            return Err(BlobError::OutOfRange);
        }
        if core.is_closed() {
            return Err(BlobError::Failed);
        }
        if groups.is_empty() {
            return Ok(0);
        }
        core.room(groups.bytes(unit.size))?;
        let shape = tree::shape(unit.size);
        let chunks = tree::chunks(groups);
        let start = unit.start();
        let first = groups.ranges().next().map_or(0, |first| unit.size.span(&first).start);
        let mut proven_to = start.saturating_add(first);
        let mut new: u64 = 0;
        for item in DecodeResponseIter::new(tree::root(unit.root), shape, encoded, &chunks) {
            let due = match item {
                Ok(BaoContentItem::Parent(parent)) => {
                    let Some(place) = shape.post_order_offset(parent.node) else { continue };
                    let mut pair = [0; PAIR_BYTES];
                    let (left, right) = pair.split_at_mut(PAIR_BYTES / 2);
                    left.copy_from_slice(parent.pair.0.as_bytes());
                    right.copy_from_slice(parent.pair.1.as_bytes());
                    let place = place.value().saturating_mul(PAIR_BYTES as u64);
                    core.note_pair(unit.pairs.saturating_add(place), pair)?
                }
                Ok(BaoContentItem::Leaf(leaf)) => {
                    let at = start.saturating_add(leaf.offset);
                    let (bytes, due) = core.write(at, &leaf.data)?;
                    new += bytes;
                    proven_to = at.saturating_add(leaf.data.len() as u64);
                    due
                }
                Err(error) => return Err(refused(error, proven_to)),
            };
            if due {
                self.begin_batch()?;
                // A disk that filled up meanwhile is not filled to the last byte.
                core.room(0)?;
            }
        }
        Ok(new)
    }
}

impl Core {
    /// Takes the hash of a piece for what it is, if nobody said another one before.
    fn trust(&self, unit: &Unit) -> Result<(), BlobError> {
        let piece = piece_of(unit.first);
        {
            let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
            let known = usize::try_from(piece).ok().and_then(|piece| roots.get_mut(piece));
            match known.ok_or(BlobError::OutOfRange)? {
                Some(known) if *known == unit.root => return Ok(()),
                Some(_) => return Err(BlobError::NotTheFile { at: unit.start() }),
                unknown => *unknown = Some(unit.root),
            }
        }
        self.note_pair(proof::root_at(piece), proof::root_bytes(unit.root)).map(|_due_with_the_next| ())
    }
}

/// What it means that an answer is not proven from a byte on.
pub(crate) fn refused(error: DecodeError, proven_to: u64) -> BlobError {
    match error {
        DecodeError::ParentHashMismatch(_) | DecodeError::LeafHashMismatch(_) => {
            BlobError::NotTheFile { at: proven_to }
        }
        DecodeError::ParentNotFound(_) | DecodeError::LeafNotFound(_) => {
            BlobError::Stream(io::ErrorKind::UnexpectedEof.into())
        }
        DecodeError::Io(error) => BlobError::Stream(error),
    }
}
