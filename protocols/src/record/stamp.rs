//! What decides between two records under the same key.
//!
//! In: two stamps. Out: which of the two holds. Not here: whether either is valid ([`super::Record`]).

/// What decides between two records under the same key; small enough to be kept for each in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The sequence number.
    pub seq: u64,
    /// SHA-256 of the signed body (of a record named by its hash: its key).
    pub digest: [u8; 32],
}

/// How one record stands to another under the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A higher sequence number: it replaces the other.
    Newer,
    /// The very same: it refreshes the other.
    Same,
    /// The same sequence number, but something else: its owner signed twice. The one that was there first stays.
    Conflict,
    /// A lower sequence number: it changes nothing.
    Older,
}

impl Stamp {
    /// How the record of this stamp stands to the one of `other`.
    #[must_use]
    pub fn against(&self, other: &Self) -> Standing {
        match self.seq.cmp(&other.seq) {
            std::cmp::Ordering::Greater => Standing::Newer,
            std::cmp::Ordering::Less => Standing::Older,
            std::cmp::Ordering::Equal if self.digest == other.digest => Standing::Same,
            std::cmp::Ordering::Equal => Standing::Conflict,
        }
    }

    /// Whether a reader who sees both believes this one: the newer; of two in conflict the one with the lower
    /// digest, so that all readers agree.
    #[must_use]
    pub fn preferred_to(&self, other: &Self) -> bool {
        match self.against(other) {
            Standing::Newer => true,
            Standing::Conflict => self.digest < other.digest,
            Standing::Same | Standing::Older => false,
        }
    }
}
