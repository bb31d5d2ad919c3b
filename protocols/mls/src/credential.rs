//! Who is who in a session: the device's own key, and the check of the other side's.
//!
//! A credential is of MLS's basic kind; its identity is an encoded [`DeviceCertificate`]. MLS proves that the member holds
//! the leaf's signature key, the certificate's signature proves that the identity gave that key to its device. Both
//! together: we talk to a device of the expected person.

use super::SUITE;
use ed25519_dalek::{Signer as _, SigningKey};
use openmls::prelude::{BasicCredential, Credential, CredentialWithKey};
use openmls_traits::{
    signatures::{Signer, SignerError},
    types::SignatureScheme,
};
use pc2_protocols::{
    crypto::device::DeviceCertificate,
    id::{DeviceId, NodeId},
    limits,
    messenger::session::SessionError,
    time::UnixMillis,
};

/// The signing key of this device, and the certificate that makes it somebody's.
pub(super) struct DeviceKey {
    key: SigningKey,
    certificate: DeviceCertificate,
}

impl DeviceKey {
    /// Takes the key in.
    ///
    /// # Errors
    /// [`SessionError::BadKeyMaterial`] when the certificate is for another key.
    pub(super) fn new(seed: &[u8; 32], certificate: DeviceCertificate) -> Result<Self, SessionError> {
        let key = SigningKey::from_bytes(seed);
        if key.verifying_key().to_bytes() != certificate.device_key() {
            return Err(bad("our own certificate is for another device key"));
        }
        Ok(Self { key, certificate })
    }

    pub(super) const fn node(&self) -> NodeId {
        self.certificate.node()
    }

    pub(super) const fn device(&self) -> DeviceId {
        self.certificate.device()
    }

    /// The leaf signature key.
    pub(super) fn public(&self) -> [u8; 32] {
        self.certificate.device_key()
    }

    pub(super) fn credential(&self) -> Credential {
        BasicCredential::new(self.certificate.encoded().to_vec()).into()
    }

    /// Whether a credential we gave out earlier is as good as the one we have now, or will be for a while.
    pub(super) fn still_serves(&self, earlier: &Credential, now: UnixMillis) -> bool {
        let certificate = member(earlier, &self.public(), self.node());
        certificate.is_ok_and(|certificate| {
            let lasting = certificate.expires() > now.after(limits::KEY_PACKAGE_RENEW_BEFORE);
            lasting || certificate.expires() >= self.certificate.expires()
        })
    }

    pub(super) fn credential_with_key(&self) -> CredentialWithKey {
        CredentialWithKey { credential: self.credential(), signature_key: self.public().as_slice().into() }
    }
}

impl Signer for DeviceKey {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.key.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SUITE.signature_algorithm()
    }
}

/// Reads a member's credential and checks that it is for this signature key and this person.
///
/// # Errors
/// [`SessionError::BadKeyMaterial`], saying why.
pub(super) fn member(
    credential: &Credential,
    signature_key: &[u8],
    expected: NodeId,
) -> Result<DeviceCertificate, SessionError> {
    let basic = BasicCredential::try_from(credential.clone()).map_err(|error| bad(error.to_string()))?;
    let certificate = DeviceCertificate::decode(basic.identity()).map_err(|error| bad(error.to_string()))?;
    if certificate.node() != expected {
        return Err(bad(format!("belongs to {}, not to {expected}", certificate.node())));
    }
    if certificate.device_key().as_slice() != signature_key {
        return Err(bad("the certificate is for another device key"));
    }
    Ok(certificate)
}

/// As [`member`], for somebody we begin a session with at `now`: expired certificates are refused, too.
///
/// A session that runs is not ended by a certificate's end: its keys are refreshed all the time, and who holds them does not change.
///
/// # Errors
/// [`SessionError::BadKeyMaterial`], saying why.
pub(super) fn new_member(
    credential: &Credential,
    signature_key: &[u8],
    expected: NodeId,
    now: UnixMillis,
) -> Result<(), SessionError> {
    member(credential, signature_key, expected)?.check(now).map_err(|error| bad(error.to_string()))
}

/// Key material that is not acceptable.
pub(super) fn bad(reason: impl Into<String>) -> SessionError {
    SessionError::BadKeyMaterial { reason: reason.into() }
}
