//! Reads the test vectors in `testdata/`: blocks of `name = value`, a blank line between them, `#` before a comment.
//!
//! Only tests use it. The files are written for second implementations; this is the first reader they have.

use std::collections::BTreeMap;

/// One block of a vector file.
pub(crate) struct Vector(BTreeMap<&'static str, &'static str>);

/// All blocks of a file.
pub(crate) fn read(file: &'static str) -> Vec<Vector> {
    file.split("\n\n")
        .map(|block| {
            let lines = block.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
            Vector(lines.map(|line| line.split_once(" = ").expect("a line `name = value`")).collect())
        })
        .filter(|vector| !vector.0.is_empty())
        .collect()
}

impl Vector {
    /// A value as it is written.
    pub(crate) fn text(&self, name: &str) -> &'static str {
        self.0.get(name).unwrap_or_else(|| panic!("the vector has no \"{name}\""))
    }

    /// A decimal number.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.text(name).parse().expect("a decimal number")
    }

    /// Bytes in hexadecimal; `-` stands for none.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let digits = self.text(name).trim_matches('-').as_bytes();
        assert!(digits.len().is_multiple_of(2), "\"{name}\" has half a byte");
        let byte = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).expect("hexadecimal digits");
            u8::from_str_radix(pair, 16).expect("hexadecimal digits")
        };
        digits.chunks(2).map(byte).collect()
    }

    /// Exactly `N` bytes in hexadecimal.
    pub(crate) fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap_or_else(|_| panic!("\"{name}\" has another length"))
    }
}
