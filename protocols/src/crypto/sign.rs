//! The only way to sign, and to check a signature.
//!
//! Every signature covers a label of its [`Domain`] and the exact bytes sent, so that a signature of one kind can
//! never be presented as another. Verification is over the bytes received, never over a re-encoding, and strict
//! (no small-order keys, no malleable signatures).
//!
//! Not here: what is signed.

use crate::id::NodeId;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use std::sync::Arc;

/// Length of a signature, in bytes.
pub const SIGNATURE_BYTES: usize = 64;

/// What a signature is for. One label each; labels are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// A DHT record.
    Record,
    /// A device belongs to an identity.
    DeviceCertificate,
    /// The owner of a mailbox lets somebody deposit (signed by the mailbox's key).
    MailboxPass,
    /// A deposit in a mailbox (signed by the key of the pass).
    MailboxDeposit,
    /// A holder has an envelope on disk (signed by the holder).
    MailboxReceipt,
    /// The owner asks for what is there (signed by the mailbox's key).
    MailboxFetch,
    /// The owner has it, so that it may go (signed by the mailbox's key).
    MailboxAck,
    /// A node shall keep these mailboxes longer (signed by their account, and by the key of each mailbox).
    MailboxPin,
    /// Who wrote an envelope (signed by the sender, inside of the encryption).
    Envelope,
    /// An app's manifest and the hash of its module (signed by who made or passes it on).
    App,
}

impl Domain {
    /// The bytes that stand before what is signed: a label and a zero byte, so that none is a prefix of another.
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Record => b"pc2 record v1\0",
            Self::DeviceCertificate => b"pc2 device certificate v1\0",
            Self::MailboxPass => b"pc2 mailbox pass v1\0",
            Self::MailboxDeposit => b"pc2 mailbox deposit v1\0",
            Self::MailboxReceipt => b"pc2 mailbox receipt v1\0",
            Self::MailboxFetch => b"pc2 mailbox fetch v1\0",
            Self::MailboxAck => b"pc2 mailbox ack v1\0",
            Self::MailboxPin => b"pc2 mailbox pin v1\0",
            Self::Envelope => b"pc2 envelope v1\0",
            Self::App => b"pc2 app v1\0",
        }
    }
}

/// The capability to sign for one identity. Cheap to clone; the key is wiped from memory with the last clone.
#[derive(Clone)]
pub struct Signer {
    key: Arc<SigningKey>,
    node: NodeId,
}

impl Signer {
    /// Takes the key in.
    #[must_use]
    pub fn new(key: SigningKey) -> Self {
        let node = NodeId::from_bytes(key.verifying_key().to_bytes());
        Self { key: Arc::new(key), node }
    }

    /// For whom it signs.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Signs `bytes` for one purpose.
    #[must_use]
    pub fn sign(&self, domain: Domain, bytes: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.key.sign(&[domain.label(), bytes].concat()).to_bytes()
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.node.short())
    }
}

/// A signature that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature does not match {by}")]
pub struct BadSignature {
    /// Whose it was said to be.
    pub by: NodeId,
}

/// Checks that `by` signed `bytes` for this purpose.
///
/// # Errors
/// [`BadSignature`] when it did not, or when `by` is no key at all.
pub fn verify(
    by: NodeId,
    domain: Domain,
    bytes: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
) -> Result<(), BadSignature> {
    let bad = BadSignature { by };
    let key = VerifyingKey::from_bytes(by.as_bytes()).map_err(|_| bad)?;
    key.verify_strict(&[domain.label(), bytes].concat(), &Signature::from_bytes(signature)).map_err(|_| bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vectors;
    use proptest::prelude::*;

    fn signer() -> Signer {
        Signer::new(SigningKey::from_bytes(&[7; 32]))
    }

    #[test]
    fn a_signature_holds_for_its_own_purpose_only() {
        let signer = signer();
        let signature = signer.sign(Domain::Record, b"hello");
        assert_eq!(verify(signer.node(), Domain::Record, b"hello", &signature), Ok(()));
        assert!(verify(signer.node(), Domain::DeviceCertificate, b"hello", &signature).is_err());
        assert!(verify(signer.node(), Domain::Record, b"hellp", &signature).is_err());
    }

    #[test]
    fn signatures_are_those_of_another_implementation() {
        for vector in vectors::read(include_str!("../../testdata/identity/signatures.txt")) {
            let domain = match vector.text("domain") {
                "record" => Domain::Record,
                "device certificate" => Domain::DeviceCertificate,
                other => panic!("unknown domain {other}"),
            };
            let signer = Signer::new(SigningKey::from_bytes(&vector.array("secret")));
            assert_eq!(signer.node().as_bytes(), &vector.array("public"));
            let signature = signer.sign(domain, &vector.bytes("message"));
            assert_eq!(signature, vector.array("signature"));
            assert_eq!(verify(signer.node(), domain, &vector.bytes("message"), &signature), Ok(()));
        }
    }

    #[test]
    fn signatures_at_the_edges_of_the_curve_are_refused() {
        let vectors = vectors::read(include_str!("../../testdata/identity/signature-edges.txt"));
        assert_eq!(vectors.len(), 43);
        for vector in vectors {
            let node = NodeId::from_bytes(vector.array("public"));
            let verdict = verify(node, Domain::Record, &vector.bytes("message"), &vector.array("signature"));
            assert_eq!(verdict.is_ok(), vector.text("verdict") == "accepted", "{}", vector.text("name"));
        }
    }

    #[test]
    fn a_small_order_key_signs_nothing() {
        // The identity point verifies anything under lax rules.
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        let node = NodeId::from_bytes(identity_point);
        let mut signature = [0; SIGNATURE_BYTES];
        signature[0] = 1;
        assert!(verify(node, Domain::Record, b"anything", &signature).is_err());
    }

    #[test]
    fn the_key_is_not_in_the_debug_output() {
        assert!(!format!("{:?}", signer()).contains('['));
    }

    proptest! {
        #[test]
        fn garbage_never_verifies_and_never_panics(node: [u8; 32], bytes: Vec<u8>, half: [[u8; 32]; 2]) {
            let signature: [u8; SIGNATURE_BYTES] =
                half.concat().try_into().expect("two halves are a signature");
            prop_assert!(verify(NodeId::from_bytes(node), Domain::Record, &bytes, &signature).is_err());
            prop_assert!(verify(signer().node(), Domain::Record, &bytes, &signature).is_err());
        }
    }
}
