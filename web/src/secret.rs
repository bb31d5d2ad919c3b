//! Random secrets that are handed out once and known afterwards by their hash only.
//!
//! 32 bytes from the system: nothing to guess, so a plain SHA-256 keeps them at rest (a slow hash protects weak
//! secrets; these are not). Compared in constant time, never printed by `Debug`.

use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// A secret in clear, on its way to the one who may have it, or coming back from them.
#[derive(Clone)]
pub(crate) struct Secret([u8; Self::BYTES]);

/// What is kept of a [`Secret`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SecretHash(pub(crate) [u8; 32]);

/// The system gave no randomness: nothing that needs secrets can be done.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the system gave no randomness ({0})")]
pub struct NoRandomness(String);

impl NoRandomness {
    pub(crate) fn new(error: &getrandom::Error) -> Self {
        Self(error.to_string())
    }
}

impl Secret {
    const BYTES: usize = 32;

    /// Draws a new one.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn draw() -> Result<Self, NoRandomness> {
        let mut bytes = [0; Self::BYTES];
        getrandom::fill(&mut bytes).map_err(|error| NoRandomness::new(&error))?;
        Ok(Self(bytes))
    }

    /// Reads what [`Secret::text`] wrote; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != Self::BYTES * 2 {
            return None;
        }
        let mut bytes = [0; Self::BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(*pair.first()?)? << 4 | digit(*pair.last()?)?;
        }
        Some(Self(bytes))
    }

    /// 64 lower-case hexadecimal digits: they survive addresses, cookies and headers as they are.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0).into())
    }
}

impl SecretHash {
    /// The hash of any text, for secrets that others made.
    pub(crate) fn of_text(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_as_written_and_as_nothing_else() {
        let secret = Secret::draw().expect("randomness");
        let text = secret.text();
        assert_eq!(Secret::parse(&text).map(|read| read.hash()), Some(secret.hash()));
        assert!(Secret::parse(&text.to_uppercase().replace(char::is_numeric, "A")).is_none());
        assert!(Secret::parse(&text[1..]).is_none());
        assert!(Secret::parse("").is_none());
        assert!(Secret::parse(&"é".repeat(32)).is_none());
    }

    #[test]
    fn no_two_secrets_match() {
        let (one, two) = (Secret::draw().expect("randomness"), Secret::draw().expect("randomness"));
        assert!(one.hash().matches(&one.hash()));
        assert!(!one.hash().matches(&two.hash()));
    }

    #[test]
    fn a_secret_is_not_in_the_debug_output() {
        assert_eq!(format!("{:?}", Secret::draw().expect("randomness")), "Secret");
    }
}
