//! An identity vouches for a device.
//!
//! A device is one installation of an identity, with a signing key of its own. The certificate says so under the
//! identity's signature; it is what MLS carries as the credential's identity, so whoever opens a session knows whose
//! device is on the other side without asking anybody.
//!
//! Bytes that decode are authentic: the signature is checked over the bytes received, so a [`DeviceCertificate`]
//! that exists is one that its identity signed. Whether it is still in force depends on the time, and is
//! asked with [`DeviceCertificate::check`].
//!
//! Not here: that the device holds the key (MLS proves it with every key package), how devices are revoked (none
//! can be in the first version: a node is the one device of its identity). Spec: `docs/protocol/identity.md` §4.

use super::sign::{self, BadSignature, Domain, SIGNATURE_BYTES, Signer};
use crate::{
    codec::{self, DecodeError},
    id::{DeviceId, NodeId},
    limits,
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

/// The only version there is. It is bound by the signature's label, not by the field.
const VERSION: u8 = 1;

/// What the identity says about the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Statement {
    device: DeviceId,
    device_key: ByteArray<32>,
    created: UnixMillis,
    expires: UnixMillis,
}

/// How a certificate travels: the statement's bytes as they were signed.
#[derive(Serialize, Deserialize)]
struct Envelope {
    version: u8,
    node: NodeId,
    statement: ByteBuf,
    signature: ByteArray<SIGNATURE_BYTES>,
}

/// The part of an envelope that every version keeps, to tell a newer one from garbage.
#[derive(Deserialize)]
struct EnvelopeVersion {
    version: u8,
}

/// "This device, with this key, is mine": signed by the identity. Exists only when the signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCertificate {
    node: NodeId,
    statement: Statement,
    encoded: Vec<u8>,
}

/// Why bytes are no certificate, or why one is not accepted. Worded for the log of the side that refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not the shape of a certificate.
    #[error("no device certificate")]
    Malformed(#[from] DecodeError),
    /// A form this version does not know.
    #[error("device certificate of version {got}; this program knows {VERSION}")]
    UnknownVersion {
        /// The version it has.
        got: u8,
    },
    /// Not signed by whom it names.
    #[error("device certificate is forged")]
    Forged(#[from] BadSignature),
    /// No longer in force, even if our clock is off by as much as we tolerate.
    #[error("device certificate of {node} expired at {expires}")]
    Expired {
        /// Whose.
        node: NodeId,
        /// When it ended.
        expires: UnixMillis,
    },
}

impl DeviceCertificate {
    /// Signs a certificate for a device of this identity.
    ///
    /// Of two certificates for one device the one created later counts, so `created` must grow; no clock is compared with it.
    #[must_use]
    pub fn issue(
        signer: &Signer,
        device: DeviceId,
        device_key: [u8; 32],
        created: UnixMillis,
        expires: UnixMillis,
    ) -> Self {
        let statement = Statement { device, device_key: ByteArray::new(device_key), created, expires };
        let bytes = codec::encode(&statement);
        let signature = signer.sign(Domain::DeviceCertificate, &bytes);
        let encoded = codec::encode(&Envelope {
            version: VERSION,
            node: signer.node(),
            statement: ByteBuf::from(bytes),
            signature: ByteArray::new(signature),
        });
        Self { node: signer.node(), statement, encoded }
    }

    /// Reads a certificate and checks that the identity it names signed it. Whether that is the identity expected is
    /// for the caller to compare, whether it is in force for [`Self::check`] to say.
    ///
    /// # Errors
    /// Everything in [`CertificateError`] but [`CertificateError::Expired`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        let EnvelopeVersion { version } = codec::decode(bytes, limits::MAX_CERTIFICATE_BYTES)?;
        if version != VERSION {
            return Err(CertificateError::UnknownVersion { got: version });
        }
        let envelope: Envelope = codec::decode(bytes, limits::MAX_CERTIFICATE_BYTES)?;
        sign::verify(envelope.node, Domain::DeviceCertificate, &envelope.statement, &envelope.signature)?;
        let statement = codec::decode(&envelope.statement, limits::MAX_CERTIFICATE_BYTES)?;
        Ok(Self { node: envelope.node, statement, encoded: bytes.to_vec() })
    }

    /// Whether it is in force, give or take [`limits::CLOCK_TOLERANCE`].
    ///
    /// # Errors
    /// [`CertificateError::Expired`].
    pub fn check(&self, now: UnixMillis) -> Result<(), CertificateError> {
        if now.before(limits::CLOCK_TOLERANCE) > self.statement.expires {
            return Err(CertificateError::Expired { node: self.node, expires: self.statement.expires });
        }
        Ok(())
    }

    /// The bytes that travel.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Whose device it is.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Which device.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        self.statement.device
    }

    /// The device's Ed25519 public key. Raw, not checked to be a point: whoever verifies with it finds out.
    #[must_use]
    pub fn device_key(&self) -> [u8; 32] {
        *self.statement.device_key
    }

    /// When it was made, by the identity's own clock: tells a later certificate from an earlier one.
    #[must_use]
    pub const fn created(&self) -> UnixMillis {
        self.statement.created
    }

    /// Until when it is in force.
    #[must_use]
    pub const fn expires(&self) -> UnixMillis {
        self.statement.expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{phrase::Phrase, vectors};
    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;
    use std::time::Duration;

    const EXPIRES: UnixMillis = UnixMillis(2_000_000);

    fn signer(byte: u8) -> Signer {
        Signer::new(SigningKey::from_bytes(&[byte; 32]))
    }

    fn certificate() -> DeviceCertificate {
        let device = DeviceId::from_bytes([5; 16]);
        DeviceCertificate::issue(&signer(7), device, [6; 32], UnixMillis(1_000), EXPIRES)
    }

    /// The envelope of [`certificate`], changed by a forger.
    fn forged(change: impl FnOnce(&mut Envelope)) -> Vec<u8> {
        let mut envelope: Envelope = codec::decode(certificate().encoded(), 512).expect("our own encoding");
        change(&mut envelope);
        codec::encode(&envelope)
    }

    #[test]
    fn the_certificate_of_another_implementation_is_ours_byte_by_byte() {
        let vector = &vectors::read(include_str!("../../testdata/identity/device-certificate.txt"))[0];
        let identity = &vectors::read(include_str!("../../testdata/identity/identity.txt"))[0];
        let signer = identity.text("phrase").parse::<Phrase>().expect("a valid phrase").keys().signer();
        let certificate = DeviceCertificate::issue(
            &signer,
            DeviceId::from_bytes(vector.array("device")),
            vector.array("device_key"),
            UnixMillis(vector.number("created")),
            UnixMillis(vector.number("expires")),
        );
        assert_eq!(codec::encode(&certificate.statement), vector.bytes("statement"));
        assert_eq!(certificate.encoded(), vector.bytes("certificate"));
        assert_eq!(DeviceCertificate::decode(&vector.bytes("certificate")), Ok(certificate));
    }

    #[test]
    fn a_certificate_reads_back_as_issued() {
        let certificate = certificate();
        assert_eq!(DeviceCertificate::decode(certificate.encoded()), Ok(certificate.clone()));
        assert_eq!(certificate.node(), signer(7).node());
        assert_eq!(certificate.device(), DeviceId::from_bytes([5; 16]));
        assert_eq!(certificate.device_key(), [6; 32]);
        assert_eq!((certificate.created(), certificate.expires()), (UnixMillis(1_000), EXPIRES));
    }

    #[test]
    fn nobody_vouches_in_anothers_name() {
        let stolen = forged(|envelope| envelope.node = signer(8).node());
        assert!(matches!(DeviceCertificate::decode(&stolen), Err(CertificateError::Forged(_))));
    }

    #[test]
    fn a_changed_statement_is_forged() {
        let extended = forged(|envelope| {
            let mut statement: Statement = codec::decode(&envelope.statement, 512).expect("our own encoding");
            statement.expires = UnixMillis(u64::MAX);
            envelope.statement = ByteBuf::from(codec::encode(&statement));
        });
        assert!(matches!(DeviceCertificate::decode(&extended), Err(CertificateError::Forged(_))));
    }

    #[test]
    fn a_signature_for_another_purpose_is_no_certificate() {
        let reused = forged(|envelope| {
            envelope.signature = ByteArray::new(signer(7).sign(Domain::Record, &envelope.statement));
        });
        assert!(matches!(DeviceCertificate::decode(&reused), Err(CertificateError::Forged(_))));
    }

    #[test]
    fn a_newer_form_is_told_from_garbage() {
        let newer = forged(|envelope| envelope.version = 2);
        assert_eq!(DeviceCertificate::decode(&newer), Err(CertificateError::UnknownVersion { got: 2 }));
        assert!(matches!(DeviceCertificate::decode(b"hello"), Err(CertificateError::Malformed(_))));
    }

    #[test]
    fn a_statement_that_is_signed_but_malformed_is_refused() {
        let nonsense = forged(|envelope| {
            envelope.statement = ByteBuf::from(vec![0xff]);
            envelope.signature = ByteArray::new(signer(7).sign(Domain::DeviceCertificate, &[0xff]));
        });
        assert!(matches!(DeviceCertificate::decode(&nonsense), Err(CertificateError::Malformed(_))));
    }

    #[test]
    fn an_oversized_certificate_is_refused_unread() {
        let mut padded = certificate().encoded().to_vec();
        padded.resize(limits::MAX_CERTIFICATE_BYTES + 1, 0);
        assert!(matches!(
            DeviceCertificate::decode(&padded),
            Err(CertificateError::Malformed(DecodeError::TooLarge { .. }))
        ));
    }

    #[test]
    fn a_certificate_ends_with_its_date_and_the_tolerated_error_of_clocks() {
        let last = EXPIRES.after(limits::CLOCK_TOLERANCE);
        assert_eq!(certificate().check(last), Ok(()));
        let expired = CertificateError::Expired { node: signer(7).node(), expires: EXPIRES };
        assert_eq!(certificate().check(last.after(Duration::from_millis(1))), Err(expired));
    }

    #[test]
    fn a_certificate_from_a_clock_that_is_ahead_is_in_force() {
        assert_eq!(certificate().check(UnixMillis(0)), Ok(()));
    }

    proptest! {
        #[test]
        fn garbage_never_panics_and_never_certifies(bytes: Vec<u8>) {
            prop_assert!(DeviceCertificate::decode(&bytes).is_err());
        }
    }

    #[test]
    fn a_certificate_of_which_any_single_bit_is_damaged_is_refused() {
        let good = certificate().encoded().to_vec();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut damaged = good.clone();
                damaged[at] ^= 1 << bit;
                assert!(DeviceCertificate::decode(&damaged).is_err(), "bit {bit} of byte {at}");
            }
        }
    }
}
