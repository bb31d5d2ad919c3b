//! An app as it comes from another node: its manifest and the hash of its module, signed by a DID.
//!
//! The signature covers the bytes of the body as they were sent, under a domain of its own. What is signed is the text of `app.toml`, so that a person can read what
//! the signer signed, and the BLAKE3 hash of the module, which is checked when the module has come. A signature says whose app it is, and grants nothing.
//!
//! Specification: docs/protocol/apps.md. Not here: how such an app comes, and whom a person trusts.

use super::manifest::{MAX_MANIFEST_BYTES, Manifest, ManifestError};
use crate::{
    codec::{self, DecodeError},
    crypto::sign::{BadSignature, Domain, SIGNATURE_BYTES, Signer, verify},
    id::{BlobId, NodeId},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

/// Longest signed app, in bytes: a manifest, and room for keys, hash and signature.
pub const MAX_SIGNED_APP_BYTES: usize = MAX_MANIFEST_BYTES + 512;

/// On the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    /// A [`Body`], encoded.
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
    /// Over that, by the key that the body names.
    #[serde(with = "serde_bytes")]
    signature: [u8; SIGNATURE_BYTES],
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    by: NodeId,
    made: UnixMillis,
    module: BlobId,
    bytes: u64,
    manifest: String,
}

/// An app that somebody signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedApp {
    /// Who.
    pub by: NodeId,
    /// When, by their clock.
    pub made: UnixMillis,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The hash of its module.
    pub module: BlobId,
    /// How large that is.
    pub bytes: u64,
}

/// Why bytes are no signed app.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignedAppError {
    /// Not of that form.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Not signed by whom it says.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// Signed, but no manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// Signs an app: the text of its `app.toml`, and its module's hash and size.
///
/// # Errors
/// [`ManifestError`]: what others would refuse is not signed.
pub fn sign(
    signer: &Signer,
    manifest: &str,
    module: BlobId,
    bytes: u64,
    made: UnixMillis,
) -> Result<Vec<u8>, ManifestError> {
    Manifest::parse(manifest)?;
    let body = codec::encode(&Body { by: signer.node(), made, module, bytes, manifest: manifest.to_owned() });
    let signature = signer.sign(Domain::App, &body);
    Ok(codec::encode(&Wire { body, signature }))
}

/// Opens what [`sign`] made.
///
/// # Errors
/// [`SignedAppError`].
pub fn open(bytes: &[u8]) -> Result<SignedApp, SignedAppError> {
    let wire: Wire = codec::decode(bytes, MAX_SIGNED_APP_BYTES)?;
    let body: Body = codec::decode(&wire.body, MAX_SIGNED_APP_BYTES)?;
    verify(body.by, Domain::App, &wire.body, &wire.signature)?;
    let Body { by, made, module, bytes, manifest } = body;
    Ok(SignedApp { by, made, manifest: Manifest::parse(&manifest)?, module, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{keys::IdentityKeys, vectors};
    use ed25519_dalek::SigningKey;
    use zeroize::Zeroizing;

    const MANIFEST: &str = "id = \"calculator\"\nname = \"Calculator\"\nversion = \"1\"\nmodule = \"calculator.wasm\"\nkind = \"functions\"\n";

    fn signed() -> Vec<u8> {
        let keys = IdentityKeys::from_seed(Zeroizing::new([7; 64]));
        sign(&keys.signer(), MANIFEST, BlobId::from_bytes([1; 32]), 42, UnixMillis(5)).expect("signed")
    }

    #[test]
    fn a_signed_app_says_who_signed_what() {
        let app = open(&signed()).expect("opened");
        assert_eq!(app.by, IdentityKeys::from_seed(Zeroizing::new([7; 64])).node());
        assert_eq!((app.manifest.id.as_str(), app.bytes, app.made), ("calculator", 42, UnixMillis(5)));
        assert_eq!(app.module, BlobId::from_bytes([1; 32]));
    }

    #[test]
    fn a_signed_app_has_the_bytes_of_another_implementation() {
        let golden = vectors::read(include_str!("../../testdata/apps.txt")).remove(0);
        let manifest = String::from_utf8(golden.bytes("manifest")).expect("a text");
        let signer = Signer::new(SigningKey::from_bytes(&[7; 32]));
        let made = UnixMillis(golden.number("made"));
        let app = sign(&signer, &manifest, BlobId::from_bytes([1; 32]), 42, made).expect("signed");
        assert_eq!(app, golden.bytes("app"));
        assert!(app.windows(golden.bytes("body").len()).any(|part| part == golden.bytes("body")));
        assert_eq!(open(&app).expect("opened").made, made);
    }

    #[test]
    fn a_signed_app_that_was_changed_anywhere_is_refused() {
        let signed = signed();
        for place in 0..signed.len() {
            let mut changed = signed.clone();
            changed[place] ^= 1;
            assert!(open(&changed).is_err(), "byte {place}");
        }
        assert!(open(&[signed.as_slice(), &[0]].concat()).is_err());
        assert!(open(&signed[..signed.len() - 1]).is_err());
    }

    #[test]
    fn a_signature_of_another_kind_is_none_of_an_app() {
        let keys = IdentityKeys::from_seed(Zeroizing::new([7; 64]));
        let mut wire: Wire = codec::decode(&signed(), MAX_SIGNED_APP_BYTES).expect("read");
        wire.signature = keys.signer().sign(Domain::Record, &wire.body);
        assert!(matches!(open(&codec::encode(&wire)), Err(SignedAppError::Signature(_))));
    }

    #[test]
    fn what_others_would_refuse_is_not_signed() {
        let keys = IdentityKeys::from_seed(Zeroizing::new([7; 64]));
        let made = sign(&keys.signer(), "id = 1", BlobId::from_bytes([1; 32]), 42, UnixMillis(5));
        assert!(matches!(made, Err(ManifestError::Malformed(_))));
    }
}
