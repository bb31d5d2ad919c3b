//! Cryptography, all of it from well-kept libraries; here are the rules of its use.
//!
//! [`sign`]: the only way to sign and verify. [`seal`]: rows at rest. [`phrase`]: the recovery phrase. [`keys`]: every key
//! an identity has, made from it. [`device`]: an identity vouches for a device. [`keystore`]: the identity file.
//!
//! Spec with test vectors: `docs/protocol/identity.md`.

pub mod device;
pub mod keys;
pub mod keystore;
pub mod phrase;
pub mod seal;
pub mod sign;
mod slip10;
#[cfg(test)]
pub(crate) mod vectors;
