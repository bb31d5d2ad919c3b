//! The program's memory, as functions read and write it. Every access is checked by the engine; what lies outside is the program's fault.

use super::abi::{Errno, Failure};
use wasmer::MemoryView;

/// Longest path, in bytes, as on Linux.
const MAX_PATH_BYTES: u32 = 4096;

/// Most pieces of one read or write, as on Linux.
const MAX_PIECES: u32 = 1024;

/// A stretch of the program's memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) at: u32,
    pub(super) bytes: u32,
}

/// The program's memory while one function runs.
pub(super) struct Guest<'a> {
    view: MemoryView<'a>,
}

impl<'a> Guest<'a> {
    pub(super) fn new(view: MemoryView<'a>) -> Self {
        Self { view }
    }

    /// Fills `to` from there.
    pub(super) fn read(&self, at: u32, to: &mut [u8]) -> Result<(), Failure> {
        self.view.read(u64::from(at), to).map_err(|_| Errno::Fault.into())
    }

    /// Writes `bytes` to there.
    pub(super) fn write(&self, at: u32, bytes: &[u8]) -> Result<(), Failure> {
        self.view.write(u64::from(at), bytes).map_err(|_| Errno::Fault.into())
    }

    pub(super) fn write_u32(&self, at: u32, number: u32) -> Result<(), Failure> {
        self.write(at, &number.to_le_bytes())
    }

    pub(super) fn write_u64(&self, at: u32, number: u64) -> Result<(), Failure> {
        self.write(at, &number.to_le_bytes())
    }

    /// That many bytes can be read and written there. Asked before anything happens that cannot be taken back.
    pub(super) fn check(&self, at: u32, bytes: u32) -> Result<(), Failure> {
        if u64::from(at) + u64::from(bytes) > self.view.data_size() {
            Err(Errno::Fault.into())
        } else {
            Ok(())
        }
    }

    /// The list of pieces that a read or write names.
    pub(super) fn pieces(&self, at: u32, count: u32) -> Result<Vec<Piece>, Failure> {
        if count > MAX_PIECES {
            return Err(Errno::Invalid.into());
        }
        let mut pieces = Vec::new();
        for index in 0..count {
            let mut raw = [0; 8];
            self.read(at.checked_add(index * 8).ok_or(Errno::Fault)?, &mut raw)?;
            let [a, b, c, d, e, f, g, h] = raw;
            let piece =
                Piece { at: u32::from_le_bytes([a, b, c, d]), bytes: u32::from_le_bytes([e, f, g, h]) };
            self.check(piece.at, piece.bytes)?;
            pieces.push(piece);
        }
        Ok(pieces)
    }

    /// A path: text without NUL, of a bounded length.
    pub(super) fn path(&self, at: u32, bytes: u32) -> Result<String, Failure> {
        if bytes > MAX_PATH_BYTES {
            return Err(Errno::NameTooLong.into());
        }
        let mut raw = vec![0; bytes as usize];
        self.read(at, &mut raw)?;
        let text = String::from_utf8(raw).map_err(|_| Errno::Invalid)?;
        if text.is_empty() {
            return Err(Errno::NoEntry.into());
        }
        if text.contains('\0') { Err(Errno::Invalid.into()) } else { Ok(text) }
    }
}
