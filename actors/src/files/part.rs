//! A part of a transfer that is open: what is missing of it, what holders are asked for, what they answer.
//!
//! In: stretches of groups. Out: questions that ask for nothing which is here ([`Open::asks`]), groups taken in after they were proven ([`Open::accept`]).
//! Used by several threads at once; whoever opened it can wait until none does any more.
//!
//! Everything here blocks.
//!
//! Not here: opening it, and what becomes of it when it is whole (`receive`).

use pc2_protocols::{
    blob::{BlobSize, Groups, by_pieces},
    files::{manifest::Manifest, offer::Offered},
    id::BlobId,
    limits::MAX_PLAN_RANGES,
};
use pc2_storage::blobs::{BlobError, Gathering, Partial};
use std::{
    io::Read,
    ops::{Deref, Range},
    sync::{Arc, mpsc},
    time::Duration,
};

/// An open part.
pub(crate) enum Open {
    /// A blob that is received.
    Blob(Box<Partial>),
    /// A file that is proven piece by piece.
    Pieces(Box<Partial>),
    /// A blob whose bytes stand on this machine already.
    Here(BlobSize),
    /// The files of a collection.
    Members {
        /// The list.
        manifest: Manifest,
        /// Group at which each file begins.
        starts: Vec<u64>,
        /// The files.
        gathering: Box<Gathering>,
    },
}

/// An open part that several threads use. Whoever opened it can wait until nobody does any more.
#[derive(Clone)]
pub(crate) struct Shared {
    inner: Arc<Inner>,
}

struct Inner {
    open: Open,
    _alive: mpsc::Sender<()>,
}

/// Ends when nobody uses a part any more.
pub(crate) struct Unused(mpsc::Receiver<()>);

impl Shared {
    pub(crate) fn new(open: Open) -> (Self, Unused) {
        let (alive, unused) = mpsc::channel();
        (Self { inner: Arc::new(Inner { open, _alive: alive }) }, Unused(unused))
    }
}

impl Deref for Shared {
    type Target = Open;

    fn deref(&self) -> &Open {
        &self.inner.open
    }
}

impl Unused {
    /// Waits until it is so. Blocks, [`LETTING_GO`] at most.
    pub(crate) fn wait(&self) {
        // Nothing is ever sent: it ends when the last sender is gone.
        if self.0.recv_timeout(LETTING_GO) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("a file is still being received though it should not be");
        }
    }
}

/// Whoever reads a stream notices within a write to disk that it shall stop.
const LETTING_GO: Duration = Duration::from_secs(30);

/// One question for a holder.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Which file of the collection.
    pub(crate) member: usize,
    /// Its blob.
    pub(crate) blob: BlobId,
    /// Its size.
    pub(crate) size: BlobSize,
    /// What is missing.
    pub(crate) groups: Groups,
}

impl Open {
    /// Bytes that are here.
    pub(crate) fn have(&self) -> u64 {
        match self {
            Self::Blob(partial) | Self::Pieces(partial) => partial.received(),
            Self::Here(size) => size.bytes(),
            Self::Members { gathering, .. } => gathering.have(),
        }
    }

    /// What is to be asked for of a stretch.
    pub(crate) fn asks(&self, stretch: &Range<u64>, what: &Offered) -> Result<Vec<Ask>, BlobError> {
        match self {
            Self::Here(_) => Ok(Vec::new()),
            Self::Blob(partial) => {
                let (blob, size) = what.blob();
                let groups = wanted(partial, &narrow(stretch));
                Ok(Some(Ask { member: 0, blob, size, groups })
                    .filter(|ask| !ask.groups.is_empty())
                    .into_iter()
                    .collect())
            }
            Self::Pieces(partial) => {
                let (blob, size) = what.blob();
                let of_piece = |part| wanted(partial, &part);
                let asks = by_pieces(narrow(stretch)).map(of_piece).filter(|groups| !groups.is_empty());
                Ok(asks.map(|groups| Ask { member: 0, blob, size, groups }).collect())
            }
            Self::Members { manifest, gathering, .. } => {
                let mut asks = Vec::new();
                for place in manifest.places(stretch) {
                    let Some(member) = manifest.members().get(place.member) else { continue };
                    // A question for files that nobody hashed is for groups of one piece.
                    let whole = Some(place.groups.clone()).filter(|_| !manifest.is_in_pieces());
                    let parts = by_pieces(place.groups).filter(|_| manifest.is_in_pieces());
                    for part in whole.into_iter().chain(parts) {
                        let groups = gathering.wanted(place.member, part)?;
                        if !groups.is_empty() {
                            let (blob, size) = (member.blob, member.size);
                            asks.push(Ask { member: place.member, blob, size, groups });
                        }
                    }
                }
                Ok(asks)
            }
        }
    }

    /// Takes the answer to a question in: proven, group by group. `piece` is the hash that was said of the piece they are of. Returns the bytes that are
    /// new; `None` when the answer is none to that question.
    pub(crate) fn accept(
        &self,
        ask: &Ask,
        piece: Option<BlobId>,
        encoded: impl Read,
    ) -> Option<Result<u64, BlobError>> {
        match (self, piece) {
            (Self::Here(_), _) => Some(Ok(0)),
            (Self::Blob(partial), None) => Some(partial.accept(&ask.groups, encoded)),
            (Self::Pieces(partial), Some(piece)) => Some(partial.accept_piece(piece, &ask.groups, encoded)),
            (Self::Members { manifest, gathering, .. }, piece)
                if manifest.is_in_pieces() == piece.is_some() =>
            {
                Some(gathering.accept(ask.member, piece, &ask.groups, encoded))
            }
            _ => None,
        }
    }

    /// Groups of a stretch that are not here, in order.
    pub(crate) fn missing(&self, stretch: Range<u64>) -> Vec<Range<u64>> {
        match self {
            Self::Here(_) => Vec::new(),
            Self::Blob(partial) | Self::Pieces(partial) => {
                let mut missing: Vec<Range<u64>> = Vec::new();
                let mut from = narrow(&stretch);
                while missing.len() < MAX_PLAN_RANGES {
                    let groups = wanted(partial, &from);
                    let Some(last) = groups.ranges().last() else { break };
                    missing.extend(groups.ranges().map(|range| range.start.into()..range.end.into()));
                    from.start = last.end;
                }
                missing
            }
            Self::Members { manifest, starts, gathering } => {
                let mut missing: Vec<Range<u64>> = Vec::new();
                for (number, (member, start)) in manifest.members().iter().zip(starts).enumerate() {
                    let end = start.saturating_add(member.size.groups().into());
                    let range = (*start).max(stretch.start)..end.min(stretch.end);
                    if range.is_empty() || gathering.has(number) {
                        continue;
                    }
                    let inside = |at: u64| at.saturating_sub(*start);
                    let lacking =
                        gathering.lacking(number, narrow(&(inside(range.start)..inside(range.end))));
                    for part in lacking {
                        let of_all = |group: u32| start.saturating_add(group.into());
                        let part = of_all(part.start)..of_all(part.end);
                        // Too many pieces: what is between the last ones is named, too, and asked for all the same only where it is missing.
                        let joined = missing.len() >= MAX_PLAN_RANGES;
                        match missing.last_mut() {
                            Some(last) if last.end == part.start || joined => last.end = part.end,
                            _ => missing.push(part),
                        }
                    }
                }
                missing
            }
        }
    }

    /// Makes what came so far survive.
    pub(crate) fn checkpoint(&self) -> Result<(), BlobError> {
        match self {
            Self::Here(_) => Ok(()),
            Self::Blob(partial) | Self::Pieces(partial) => partial.checkpoint(),
            Self::Members { gathering, .. } => gathering.checkpoint(),
        }
    }
}

/// Groups of one blob fit into 32 bits.
fn narrow(stretch: &Range<u64>) -> Range<u32> {
    let fit = |at: u64| u32::try_from(at).unwrap_or(u32::MAX);
    fit(stretch.start)..fit(stretch.end)
}

/// What is missing of a stretch of a blob, as far as it fits into one question.
fn wanted(partial: &Partial, stretch: &Range<u32>) -> Groups {
    let missing = partial.missing(stretch.start, stretch.end.saturating_sub(stretch.start));
    let within = missing.ranges().map(|range| range.start..range.end.min(stretch.end));
    Groups::new(within.filter(|range| !range.is_empty()).collect()).unwrap_or_default()
}

/// Group at which each file of a collection begins.
pub(crate) fn starts(manifest: &Manifest) -> Vec<u64> {
    let mut next = 0_u64;
    let start = |groups: u32| {
        let start = next;
        next = next.saturating_add(groups.into());
        start
    };
    manifest.members().iter().map(|member| member.size.groups()).map(start).collect()
}
