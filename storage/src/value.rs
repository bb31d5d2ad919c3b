//! The bytes of one row, with the size limit in the type.

/// Largest row, encoded, in bytes. The largest rows there are (a text and its ciphertext, waiting) have 50 KiB; whatever is larger is
/// split by its table, or is a blob and no row. Eleven cells of sled hold it (docs/decisions/0010).
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// The encoded bytes of one row: at most [`MAX_VALUE_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(Vec<u8>);

/// A row that is too large to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row of {got} bytes exceeds the {MAX_VALUE_BYTES} a row may have")]
pub struct ValueTooLarge {
    /// Its bytes.
    pub got: usize,
}

impl Value {
    /// Accepts what fits.
    ///
    /// # Errors
    /// [`ValueTooLarge`] above [`MAX_VALUE_BYTES`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, ValueTooLarge> {
        if bytes.len() > MAX_VALUE_BYTES { Err(ValueTooLarge { got: bytes.len() }) } else { Ok(Self(bytes)) }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_64_kib_is_the_largest() {
        assert!(Value::new(vec![0; MAX_VALUE_BYTES]).is_ok());
        assert_eq!(Value::new(vec![0; MAX_VALUE_BYTES + 1]), Err(ValueTooLarge { got: MAX_VALUE_BYTES + 1 }));
    }
}
