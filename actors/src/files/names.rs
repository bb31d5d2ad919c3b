//! What a transfer's blobs and files are called on this node, and by which keys the other side asks for ours.
//!
//! Not here: what is offered ([`super::offer`]), what is received ([`super::receive`]).

use super::preparing::OfferError;
use pc2_protocols::{
    files::{
        offer::Offered,
        rows::{Direction, TransferId},
    },
    id::BlobId,
};
use pc2_storage::blobs::Holder;
use std::path::{Path, PathBuf};

/// The blobs held for a transfer are held by this name: who offers chooses the offer's id, so it alone would let one person's transfer touch another's.
pub(crate) fn holder(id: TransferId) -> Holder {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    hash.update(b"pc2 transfer");
    hash.update([u8::from(id.direction == Direction::In)]);
    hash.update(id.peer.as_bytes());
    hash.update(id.offer.as_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let mut name = [0; 16];
    name.copy_from_slice(digest.get(..16).unwrap_or(&[0; 16]));
    Holder(name)
}

/// The blob of a transfer, as the store of this node calls it: the file, or the list of the collection. A file in pieces that is received has a name of our own
/// making, because the other side chose the key: it could be the hash of a file that is here.
pub(crate) fn blob(id: TransferId, what: &Offered) -> BlobId {
    let (blob, _) = what.blob();
    if what.is_in_pieces() && id.direction == Direction::In {
        use sha2::{Digest as _, Sha256};
        let mut hash = Sha256::new();
        hash.update(b"pc2 file in pieces");
        hash.update(holder(id).0);
        BlobId::from_bytes(hash.finalize().into())
    } else {
        blob
    }
}

/// Where the list of a collection of ours is kept while it is offered.
pub(crate) fn list_path(data: &Path, holder: Holder) -> PathBuf {
    let hex: String = holder.0.iter().map(|byte| format!("{byte:02x}")).collect();
    data.join("blobs").join("lists").join(hex)
}

/// Keys of the files of one offer that nobody has hashed. Each is drawn at random but for its last bytes, which count.
pub(crate) struct Keys([u8; BlobId::LEN]);

impl Keys {
    /// New ones.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(crate) fn draw() -> Result<Self, OfferError> {
        let mut bytes = [0; BlobId::LEN];
        getrandom::fill(&mut bytes).map_err(|error| OfferError::Node(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// That of a file, by its number in the list.
    pub(crate) fn of(&self, number: u32) -> BlobId {
        let mut bytes = self.0;
        if let Some(end) = bytes.last_chunk_mut() {
            *end = number.to_be_bytes();
        }
        BlobId::from_bytes(bytes)
    }
}
