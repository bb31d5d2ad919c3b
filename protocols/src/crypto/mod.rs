//! Cryptography, all of it from well-kept libraries; here are the rules of its use.
//!
//! [`sign`]: the only way to sign and verify. [`seal`]: rows and files at rest. [`phrase`]: the recovery phrase and the keys made
//! from it. [`keystore`]: the identity file.

pub mod keystore;
pub mod phrase;
pub mod seal;
pub mod sign;
