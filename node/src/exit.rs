//! How the program ends: exit codes and the errors that carry them.
//!
//! A person reads the message on standard error; a script reads the code. Both are documented in `pc2 --help`.

use std::{error::Error, fmt};

/// Something failed.
pub(crate) const FAILED: u8 = 1;
/// No node is running in this data directory.
pub(crate) const NOT_RUNNING: u8 = 3;
/// What was asked for does not exist.
pub(crate) const NOT_FOUND: u8 = 4;
/// The node understood and refused, as things stand.
pub(crate) const REFUSED: u8 = 5;

/// Ctrl-C, as shells count it.
pub(crate) const INTERRUPTED: u8 = 130;

/// An error with its own exit code.
#[derive(Debug)]
pub(crate) struct Exit {
    /// The code.
    pub(crate) code: u8,
    /// For the person.
    pub(crate) message: String,
}

impl Exit {
    /// As an error to be returned.
    pub(crate) fn error(code: u8, message: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self { code, message: message.into() })
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Exit {}

/// The exit code that goes with an error.
pub(crate) fn code_of(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Exit>().map_or(FAILED, |exit| exit.code)
}
