//! Sealing: HPKE (RFC 9180) around who wrote it, what it says, and padding.
//!
//! In: a payload, its writer, the recipient's sealing key. Out: bytes of one of the sizes in [`PADDED`], and back. The writer signs with their
//! identity inside of the encryption, so that holders do not learn who writes, and the recipient knows.
//!
//! Not here: by what right it is deposited ([`super::MailboxPass`]).

use super::{MailboxKeys, PADDED};
use crate::{
    codec,
    crypto::sign::{self, Domain, SIGNATURE_BYTES, Signer},
    id::{EnvelopeId, MailboxAddress, NodeId},
};
use hpke::{
    Deserializable as _, HpkeError, Kem as _, OpModeR, OpModeS, Serializable as _, aead::ChaCha20Poly1305,
    kdf::HkdfSha256, kem::X25519HkdfSha256 as Kem,
};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};

const INFO: &[u8] = b"pc2 envelope v1";

/// Bytes that HPKE adds: the encapsulated key and the tag.
const HPKE_OVERHEAD: usize = 32 + 16;

/// Bytes of the length before the inner value.
const LENGTH_BYTES: usize = 4;

/// What is inside.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    from: NodeId,
    #[serde(with = "serde_bytes")]
    signature: [u8; SIGNATURE_BYTES],
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
}

/// What the writer signs: for whom, where, and what.
#[derive(Debug, Serialize)]
struct Signed<'a> {
    to: NodeId,
    address: MailboxAddress,
    id: EnvelopeId,
    #[serde(with = "serde_bytes")]
    payload: &'a [u8],
}

/// An opened envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Who wrote it.
    pub from: NodeId,
    /// What it says.
    pub payload: Vec<u8>,
}

/// Why an envelope does not open. Whoever deposited it is not known, so nobody is blamed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not sealed for this key, or changed.
    #[error("not sealed for this mailbox, or changed on the way")]
    NotForUs,
    /// Not the form of an envelope.
    #[error("not the form of an envelope")]
    Malformed,
    /// Who is named did not write it.
    #[error(transparent)]
    BadSignature(#[from] sign::BadSignature),
}

/// Seals a payload for the owner of a sealing key, at one place and under one name.
///
/// `None` when it is larger than the largest size takes, or the key is none.
#[must_use]
pub fn seal(
    writer: &Signer,
    to: NodeId,
    sealing: &[u8; 32],
    (address, id): (MailboxAddress, EnvelopeId),
    payload: &[u8],
    rng: &mut ChaCha20Rng,
) -> Option<Vec<u8>> {
    let signature = writer.sign(Domain::Envelope, &codec::encode(&Signed { to, address, id, payload }));
    let inner = codec::encode(&Inner { from: writer.node(), signature, payload: payload.to_vec() });
    let needed = inner.len().checked_add(LENGTH_BYTES + HPKE_OVERHEAD)?;
    let size = PADDED.into_iter().find(|size| *size >= needed)?;
    let mut padded = u32::try_from(inner.len()).ok()?.to_be_bytes().to_vec();
    padded.extend_from_slice(&inner);
    padded.resize(size - HPKE_OVERHEAD, 0);
    let key = <Kem as hpke::Kem>::PublicKey::from_bytes(sealing).ok()?;
    let (encapped, sealed) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeS::Base,
        &key,
        INFO,
        &padded,
        &context(address, id),
        rng,
    )
    .ok()?;
    Some([encapped.to_bytes().as_slice(), &sealed].concat())
}

/// What the seal is bound to: moved to another place or name it does not open.
fn context(address: MailboxAddress, id: EnvelopeId) -> Vec<u8> {
    [address.as_bytes().as_slice(), id.as_bytes()].concat()
}

impl MailboxKeys {
    /// The public half of a sealing key: of a week, or of the intro mailbox.
    pub(super) fn sealing_public(&self, week: Option<u32>) -> [u8; 32] {
        let (_, public) = Kem::derive_keypair(self.sealing_seed(week).as_slice());
        public.to_bytes().into()
    }

    /// Opens an envelope of the mailbox of a week, or of the intro mailbox, and checks who wrote it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        &self,
        week: Option<u32>,
        (address, id): (MailboxAddress, EnvelopeId),
        sealed: &[u8],
    ) -> Result<Opened, OpenError> {
        let (encapped, ciphertext) = sealed.split_at_checked(32).ok_or(OpenError::Malformed)?;
        let (secret, _) = Kem::derive_keypair(self.sealing_seed(week).as_slice());
        let not_for_us = |_: HpkeError| OpenError::NotForUs;
        let encapped = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapped).map_err(not_for_us)?;
        let padded = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &OpModeR::Base,
            &secret,
            &encapped,
            INFO,
            ciphertext,
            &context(address, id),
        )
        .map_err(not_for_us)?;
        let (length, rest) = padded.split_first_chunk::<LENGTH_BYTES>().ok_or(OpenError::Malformed)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| OpenError::Malformed)?;
        let inner = rest.get(..length).ok_or(OpenError::Malformed)?;
        let Inner { from, signature, payload } =
            codec::decode(inner, PADDED[PADDED.len() - 1]).map_err(|_| OpenError::Malformed)?;
        let signed = codec::encode(&Signed { to: self.node(), address, id, payload: &payload });
        sign::verify(from, Domain::Envelope, &signed, &signature)?;
        Ok(Opened { from, payload })
    }
}
