//! An offer: what the person who is offered something is told inside of the encryption.
//!
//! In and out: a [`FileOffer`], part of a message ([`crate::messenger::content::Body::File`]). It names a file or a collection (a folder) by the hash of its
//! bytes, a large file by a key, and itself by an id: that id, together with who asks, is the right to fetch. Texts are kept as they came, within bounds: whoever places a
//! file on a disk cleans its name (`pc2-storage`, `blobs`).
//!
//! Not here: the list of a collection's files ([`super::manifest`]), who asks whom for what ([`super::machine`](super)).

use crate::{
    blob::BlobSize,
    id::{BlobId, NodeId, OfferId},
    limits,
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

/// Something that is offered to one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileOffer {
    /// By which it is asked for. Good for the person it was sent to, and for nobody else.
    pub id: OfferId,
    /// When it was made, by the clock of who offers: it stands for [`limits::OFFER_LIFETIME`].
    pub made: UnixMillis,
    /// What is offered.
    pub what: Offered,
    /// Other nodes that have it and give it for the same id; at most [`limits::MAX_OFFER_HOLDERS`], and none is who offers. A hint: nobody is
    /// connected with because of it.
    pub holders: Vec<NodeId>,
}

/// What can be offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Offered {
    /// One file.
    File {
        /// As its owner calls it, 1 to [`limits::MAX_OFFER_NAME_BYTES`].
        name: String,
        /// What its owner takes it for, e.g. `image/jpeg`; printable ASCII, at most [`limits::MAX_MIME_BYTES`], empty when unknown. Shown, never obeyed.
        mime: String,
        /// Its bytes.
        blob: BlobId,
        /// How many.
        size: BlobSize,
    },
    /// A folder, or several files together.
    Collection {
        /// As its owner calls it, 1 to [`limits::MAX_OFFER_NAME_BYTES`].
        name: String,
        /// How many files, 1 to [`limits::MAX_COLLECTION_FILES`].
        count: u32,
        /// The bytes of all files together.
        total: BlobSize,
        /// The list of them: a [`super::manifest::Manifest`], encoded.
        manifest: BlobId,
        /// Bytes of that list, 1 to [`limits::MAX_MANIFEST_BYTES`].
        manifest_size: BlobSize,
    },
    /// One file of more than [`limits::PIECE_BYTES`], offered before it was hashed. It is proven piece by piece: who offers it says the hash of
    /// each piece when it is first asked for something of it, and stays with that.
    Pieces {
        /// As its owner calls it, 1 to [`limits::MAX_OFFER_NAME_BYTES`].
        name: String,
        /// What its owner takes it for, as that of a file.
        mime: String,
        /// By which it is asked for: drawn at random by who offers, and no hash.
        key: BlobId,
        /// Its bytes.
        size: BlobSize,
    },
}

/// Why something is no acceptable offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadOffer {
    /// Nothing to call it by.
    #[error("what is offered has no name")]
    NoName,
    /// A text beyond its limit.
    #[error("the {field} of what is offered is longer than {max} bytes")]
    TooLong {
        /// Which.
        field: &'static str,
        /// Its limit in bytes.
        max: usize,
    },
    /// A media type that is none.
    #[error("the media type of what is offered is not printable")]
    BadMime,
    /// A collection of nothing, or of more than fits.
    #[error("a folder may have 1 to {} files", limits::MAX_COLLECTION_FILES)]
    BadCount,
    /// A list of nothing, or larger than lists may be.
    #[error("the list of a folder's files may have 1 to {} bytes", limits::MAX_MANIFEST_BYTES)]
    BadManifestSize,
    /// A file that may as well be hashed before.
    #[error("a file that is sent in pieces has more than {} bytes", limits::PIECE_BYTES)]
    TooSmall,
    /// Somebody else is to have a file that nobody has hashed.
    #[error("a file that is sent in pieces has no other holders")]
    PiecesElsewhere,
    /// More than are asked, or one twice.
    #[error("an offer names {} different other holders at most", limits::MAX_OFFER_HOLDERS)]
    BadHolders,
}

impl FileOffer {
    /// Whether every field is within its limits.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), BadOffer> {
        let mut holders = self.holders.clone();
        holders.sort_unstable();
        holders.dedup();
        if holders.len() != self.holders.len() || holders.len() > limits::MAX_OFFER_HOLDERS {
            return Err(BadOffer::BadHolders);
        }
        if self.what.is_in_pieces() && !self.holders.is_empty() {
            return Err(BadOffer::PiecesElsewhere);
        }
        self.what.check()
    }
}

impl Offered {
    /// As its owner calls it. Not clean: nothing for a path.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::File { name, .. } | Self::Collection { name, .. } | Self::Pieces { name, .. } => name,
        }
    }

    /// All bytes that are received, without the list of a collection.
    #[must_use]
    pub const fn size(&self) -> BlobSize {
        match self {
            Self::File { size, .. } | Self::Pieces { size, .. } => *size,
            Self::Collection { total, .. } => *total,
        }
    }

    /// The blob that the offer itself names: the file, or the list of the collection; of a file in pieces the key by which it is asked for. And its size.
    #[must_use]
    pub const fn blob(&self) -> (BlobId, BlobSize) {
        match self {
            Self::File { blob, size, .. } => (*blob, *size),
            Self::Collection { manifest, manifest_size, .. } => (*manifest, *manifest_size),
            Self::Pieces { key, size, .. } => (*key, *size),
        }
    }

    /// Whether other blobs than the one named here belong to it.
    #[must_use]
    pub const fn is_collection(&self) -> bool {
        matches!(self, Self::Collection { .. })
    }

    /// Whether it is a file that is proven piece by piece.
    #[must_use]
    pub const fn is_in_pieces(&self) -> bool {
        matches!(self, Self::Pieces { .. })
    }

    fn check(&self) -> Result<(), BadOffer> {
        if self.name().is_empty() {
            return Err(BadOffer::NoName);
        }
        at_most("name", self.name(), limits::MAX_OFFER_NAME_BYTES)?;
        if let Self::File { mime, .. } | Self::Pieces { mime, .. } = self {
            at_most("media type", mime, limits::MAX_MIME_BYTES)?;
            if !mime.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
                return Err(BadOffer::BadMime);
            }
        }
        match self {
            Self::File { .. } => Ok(()),
            Self::Pieces { size, .. } if size.bytes() <= limits::PIECE_BYTES => Err(BadOffer::TooSmall),
            Self::Pieces { .. } => Ok(()),
            Self::Collection { count, manifest_size, .. } => {
                let most = u32::try_from(limits::MAX_COLLECTION_FILES).unwrap_or(u32::MAX);
                let most_bytes = u64::try_from(limits::MAX_MANIFEST_BYTES).unwrap_or(u64::MAX);
                if !(1..=most).contains(count) {
                    Err(BadOffer::BadCount)
                } else if !(1..=most_bytes).contains(&manifest_size.bytes()) {
                    Err(BadOffer::BadManifestSize)
                } else {
                    Ok(())
                }
            }
        }
    }
}

fn at_most(field: &'static str, text: &str, max: usize) -> Result<(), BadOffer> {
    if text.len() > max { Err(BadOffer::TooLong { field, max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    fn file(name: &str, mime: &str) -> FileOffer {
        let what = Offered::File {
            name: name.to_owned(),
            mime: mime.to_owned(),
            blob: BlobId::from_bytes([1; 32]),
            size: BlobSize::EMPTY,
        };
        FileOffer { id: OfferId::from_bytes([2; 16]), made: UnixMillis(3), what, holders: vec![] }
    }

    fn folder(count: u32, manifest_size: u64) -> FileOffer {
        let what = Offered::Collection {
            name: "photos".to_owned(),
            count,
            total: BlobSize::EMPTY,
            manifest: BlobId::from_bytes([1; 32]),
            manifest_size: BlobSize::try_from(manifest_size).expect("small"),
        };
        FileOffer { what, ..file("x", "") }
    }

    #[test]
    fn tricky_names_are_kept_as_they_came_and_long_ones_refused() {
        for name in ["../../etc/passwd", "con", "a\u{202e}gpj.exe", "\0", &"x".repeat(1_024)] {
            assert_eq!(file(name, "image/jpeg").check(), Ok(()));
        }
        assert_eq!(file("", "").check(), Err(BadOffer::NoName));
        let long = file(&"x".repeat(1_025), "").check();
        assert_eq!(long, Err(BadOffer::TooLong { field: "name", max: 1_024 }));
        assert_eq!(file("x", "text/\nplain").check(), Err(BadOffer::BadMime));
        assert!(file("x", &"x".repeat(256)).check().is_err());
    }

    #[test]
    fn a_folder_has_some_files_and_not_too_many() {
        assert_eq!(folder(100_000, 10_000_000).check(), Ok(()));
        for count in [0, 131_073, u32::MAX] {
            assert_eq!(folder(count, 1).check(), Err(BadOffer::BadCount));
        }
        for size in [0, 32 * 1024 * 1024 + 1] {
            assert_eq!(folder(1, size).check(), Err(BadOffer::BadManifestSize));
        }
    }

    #[test]
    fn a_file_in_pieces_has_more_than_one_and_nobody_else_has_it() {
        let pieces = |size, holders| {
            let (name, key) = ("film".to_owned(), BlobId::from_bytes([1; 32]));
            let size = BlobSize::try_from(size).expect("not too large");
            let what = Offered::Pieces { name, mime: String::new(), key, size };
            FileOffer { what, holders, ..file("x", "") }.check()
        };
        assert_eq!(pieces((64 << 20) + 1, vec![]), Ok(()));
        assert_eq!(pieces(1 << 40, vec![]), Ok(()));
        assert_eq!(pieces(64 << 20, vec![]), Err(BadOffer::TooSmall));
        let other = vec![NodeId::from_bytes([1; 32])];
        assert_eq!(pieces(1 << 40, other), Err(BadOffer::PiecesElsewhere));
    }

    #[test]
    fn other_holders_are_few_and_different() {
        let node = |n: u8| NodeId::from_bytes([n; 32]);
        let offer = |holders| FileOffer { holders, ..file("x", "") };
        assert_eq!(offer((0..7).map(node).collect()).check(), Ok(()));
        assert_eq!(offer((0..8).map(node).collect()).check(), Err(BadOffer::BadHolders));
        assert_eq!(offer(vec![node(1), node(1)]).check(), Err(BadOffer::BadHolders));
    }

    #[test]
    fn a_size_of_two_to_the_63_does_not_decode() {
        #[derive(Serialize)]
        enum Claim {
            File { name: String, mime: String, blob: BlobId, size: u64 },
        }
        let encoded = |size| {
            let blob = BlobId::from_bytes([1; 32]);
            codec::encode(&Claim::File { name: "x".to_owned(), mime: String::new(), blob, size })
        };
        assert!(codec::decode::<Offered>(&encoded(1 << 40), 1_024).is_ok());
        assert!(codec::decode::<Offered>(&encoded(1 << 63), 1_024).is_err());
    }
}
