//! Arguments and results of functions: the four number types of WebAssembly, read from text and printed again.
//!
//! Text, because that is what a command line has, what JSON numbers become without loss, and because only the runner knows a function's signature: it
//! reads each argument as the type that the function takes. Floating point is kept as bits, so that values compare and every NaN survives.
//!
//! Not here: JSON (`pc2-web` decides which numbers a browser can hold).

use serde::{Deserialize, Serialize};
use std::fmt;

/// Most arguments of one call of a function. Compilers pass what is more in memory.
pub const MAX_ARGUMENTS: usize = 64;

/// Longest text of one argument, in bytes. The longest decimal of a double that anybody prints has 1,077 digits; the usual one has 17.
pub const MAX_ARGUMENT_BYTES: usize = 1_100;

/// One of the number types that a function can be called with from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValueType {
    /// 32-bit whole number.
    I32,
    /// 64-bit whole number.
    I64,
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
}

/// One argument or result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// 32-bit whole number, signed as WebAssembly's tools print it.
    I32(i32),
    /// 64-bit whole number.
    I64(i64),
    /// Bits of a 32-bit floating point number.
    F32(u32),
    /// Bits of a 64-bit floating point number.
    F64(u64),
}

/// What a function takes and gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Types of its arguments.
    pub parameters: Vec<ValueType>,
    /// Types of its results.
    pub results: Vec<ValueType>,
}

/// A function that can be called from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// What it takes and gives.
    pub signature: Signature,
}

/// Why texts are no arguments of a function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// Too many or too few.
    #[error("it takes {wanted} {}, and {got} were given", if *wanted == 1 { "argument" } else { "arguments" })]
    Count {
        /// How many the function takes.
        wanted: usize,
        /// How many there were.
        got: usize,
    },
    /// Not a number of that type.
    #[error("argument {position} must be {}, and “{text}” is not", kind.described())]
    NotOne {
        /// Which, counted from 1.
        position: usize,
        /// What the function takes there.
        kind: ValueType,
        /// What was given, shortened.
        text: String,
    },
}

impl ValueType {
    /// Its name in WebAssembly.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    fn described(self) -> &'static str {
        match self {
            Self::I32 => "a whole number from -2147483648 to 2147483647",
            Self::I64 => "a whole number from -9223372036854775808 to 9223372036854775807",
            Self::F32 | Self::F64 => "a number",
        }
    }

    /// Reads a value of this type. Nothing but the number may stand in the text.
    #[must_use]
    pub fn read(self, text: &str) -> Option<Value> {
        if text.len() > MAX_ARGUMENT_BYTES {
            return None;
        }
        match self {
            Self::I32 => text.parse().ok().map(Value::I32),
            Self::I64 => text.parse().ok().map(Value::I64),
            Self::F32 => text.parse().ok().map(|number: f32| Value::F32(number.to_bits())),
            Self::F64 => text.parse().ok().map(|number: f64| Value::F64(number.to_bits())),
        }
    }
}

impl Value {
    /// Its type.
    #[must_use]
    pub fn kind(self) -> ValueType {
        match self {
            Self::I32(_) => ValueType::I32,
            Self::I64(_) => ValueType::I64,
            Self::F32(_) => ValueType::F32,
            Self::F64(_) => ValueType::F64,
        }
    }
}

impl fmt::Display for Value {
    /// As [`ValueType::read`] reads it: the shortest text that gives the same number again.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32(number) => number.fmt(to),
            Self::I64(number) => number.fmt(to),
            Self::F32(bits) => f32::from_bits(*bits).fmt(to),
            Self::F64(bits) => f64::from_bits(*bits).fmt(to),
        }
    }
}

impl Signature {
    /// Reads the arguments of a call.
    ///
    /// # Errors
    /// When their number or one of them does not fit.
    pub fn read(&self, texts: &[String]) -> Result<Vec<Value>, ArgumentError> {
        if texts.len() != self.parameters.len() {
            return Err(ArgumentError::Count { wanted: self.parameters.len(), got: texts.len() });
        }
        let pairs = self.parameters.iter().zip(texts).enumerate();
        pairs
            .map(|(index, (kind, text))| {
                kind.read(text).ok_or_else(|| ArgumentError::NotOne {
                    position: index + 1,
                    kind: *kind,
                    text: text.chars().take(40).collect(),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signature(parameters: &[ValueType]) -> Signature {
        Signature { parameters: parameters.to_vec(), results: vec![] }
    }

    fn texts(of: &[&str]) -> Vec<String> {
        of.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn arguments_are_read_as_the_types_that_the_function_takes() {
        let all = signature(&[ValueType::I32, ValueType::I64, ValueType::F32, ValueType::F64]);
        let read = all.read(&texts(&["-5", "9007199254740993", "0.5", "1e300"])).expect("as written here");
        let wanted = [
            Value::I32(-5),
            Value::I64(9_007_199_254_740_993),
            Value::F32(0.5f32.to_bits()),
            Value::F64(1e300f64.to_bits()),
        ];
        assert_eq!(read, wanted);
    }

    #[test]
    fn a_wrong_number_of_arguments_is_told_with_both_numbers() {
        let error = signature(&[ValueType::I32]).read(&texts(&["1", "2"])).expect_err("refused");
        assert_eq!(error.to_string(), "it takes 1 argument, and 2 were given");
    }

    #[test]
    fn what_is_no_such_number_is_told_by_its_place() {
        for text in ["1.5", "2147483648", "", "five", " 1", "0x10", "1e3"] {
            let error =
                signature(&[ValueType::I64, ValueType::I32]).read(&texts(&["1", text])).expect_err("refused");
            assert!(error.to_string().starts_with("argument 2 must be a whole number"), "{error}");
        }
    }

    #[test]
    fn a_text_that_is_far_too_long_is_no_number() {
        assert_eq!(ValueType::F64.read(&"1".repeat(MAX_ARGUMENT_BYTES + 1)), None);
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_as_the_same_number(whole: i64, bits: u64) {
            let value = Value::I64(whole);
            prop_assert_eq!(value.kind().read(&value.to_string()), Some(value));
            prop_assume!(!f64::from_bits(bits).is_nan());
            let value = Value::F64(bits);
            prop_assert_eq!(value.kind().read(&value.to_string()), Some(value));
        }
    }
}
