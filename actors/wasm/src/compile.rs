//! The job of compiling: a module in, an artifact out.
//!
//! A compiler is the largest piece of code that a stranger's module meets before it runs, so it gets a process of its own, which ends afterwards.
//! What it writes is no better than the process was: the node keeps it apart for this module, and loads it only in processes like this one.

use crate::{
    channel::{Channel, ChannelError},
    engine, fuel, inspect,
    sandbox::{self, Cell, MAX_ARTIFACT_BYTES},
};
use pc2_protocols::wasm::{
    end::{End, Usage},
    limits::{LimitKind, Limits},
    wire::{FromRunner, Landlock},
};
use rustix::io::{Errno, pread, pwrite};
use std::{os::fd::OwnedFd, time::Instant};
use wasmer::{CompileError, Module, WasmError};

/// Read or written at once, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// Compiles the module into the artifact and says so. Gives how it ended when it did not come to that.
pub(crate) fn run(
    channel: &mut Channel,
    limits: &Limits,
    landlock: Landlock,
    module: OwnedFd,
    artifact: OwnedFd,
) -> Result<Option<(End, Usage)>, ChannelError> {
    let since = Instant::now();
    let engine = engine::compiling(engine::Fuel::Counted);
    let done = sandbox::lock_in(channel, &Cell::Compiling, limits, landlock)
        .and_then(|()| read(&module, limits.module_bytes, LimitKind::ModuleSize))
        .and_then(|bytes| {
            // It is needed no longer, and nothing should be open that is not.
            drop(module);
            inspect::check(&bytes, limits)?;
            // As it came, so that what is wrong is told by its own bytes.
            Module::validate(&engine, &bytes).map_err(refused)?;
            let counted =
                fuel::with_counters(&bytes).map_err(|error| End::NotAModule { reason: error.to_string() })?;
            drop(bytes);
            Module::new(&engine, &counted).map_err(refused)
        })
        .and_then(|module| {
            let bytes = module.serialize().map_err(|error| End::BadArtifact { reason: error.to_string() })?;
            write(&artifact, &bytes)?;
            Ok(FromRunner::Compiled { artifact_bytes: bytes.len() as u64, shape: engine::shape(&module) })
        });
    match done {
        Ok(compiled) => channel.send(compiled).map(|()| None),
        Err(end) => {
            let time_us = engine::microseconds(since.elapsed());
            Ok(Some((end, Usage { time_us, ..Usage::default() })))
        }
    }
}

fn refused(error: CompileError) -> End {
    let reason = match error {
        // Memory that could not be had or made executable, and nothing about the module.
        CompileError::Resource(_) => return End::Limit { kind: LimitKind::CompileMemory },
        CompileError::Wasm(WasmError::InvalidWebAssembly { message, offset }) => {
            format!("{message} (at byte {offset})")
        }
        other => other.to_string(),
    };
    End::NotAModule { reason }
}

/// A whole file, which is refused before it is read when it is larger than `most`.
pub(crate) fn read(file: &OwnedFd, most: u64, kind: LimitKind) -> Result<Vec<u8>, End> {
    let unreadable = |error: Errno| End::BadArtifact { reason: format!("the file cannot be read: {error}") };
    let size = u64::try_from(rustix::fs::fstat(file).map_err(unreadable)?.st_size).unwrap_or(u64::MAX);
    if size > most {
        return Err(End::Limit { kind });
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
    let mut at = 0;
    while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match pread(file, rest, at as u64) {
            // It became shorter meanwhile. What is there is what it is.
            Ok(0) => break,
            Ok(got) => at += got,
            Err(Errno::INTR) => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    bytes.truncate(at);
    Ok(bytes)
}

fn write(file: &OwnedFd, bytes: &[u8]) -> Result<(), End> {
    if bytes.len() as u64 > MAX_ARTIFACT_BYTES {
        return Err(End::Limit { kind: LimitKind::CompileMemory });
    }
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let piece = rest.get(..PIECE_BYTES).unwrap_or(rest);
        match pwrite(file, piece, at as u64) {
            Ok(written) => at += written,
            Err(Errno::INTR) => {}
            Err(error) => {
                return Err(End::BadArtifact { reason: format!("it cannot be written: {error}") });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_without_memory_says_nothing_about_the_module() {
        let end = refused(CompileError::Resource("Cannot create a memory map".to_owned()));
        assert_eq!(end, End::Limit { kind: LimitKind::CompileMemory });
        let end = refused(CompileError::Codegen("too large a frame".to_owned()));
        assert!(matches!(end, End::NotAModule { reason } if reason.contains("too large a frame")));
    }
}
