//! What happens inside the child process that runs somebody's WebAssembly.
//!
//! The node starts its own program with `wasm-runner`, and [`run`] is all that this process ever does: it says that it is ready, waits on its standard
//! input, which is a socket, for one job ([`pc2_protocols::wasm::wire`]), locks itself in, and only then reads the first byte of a module. A runner
//! serves one job and one owner, and then ends; nothing of it is ever used again.
//!
//! | file | what |
//! |---|---|
//! | `channel` | frames and descriptors from and to the node |
//! | `sandbox`, `calls_of_the_system` | what the process gives up before it runs anything |
//! | `inspect` | what is refused before the compiler sees it |
//! | `engine`, `fuel`, `tunables` | wasmer, with fuel and caps; how its errors are told |
//! | `compile`, `functions`, `wasi` | the three jobs |
//! | `unmetered` | what the benchmark measures fuel with |
//!
//! Not here: when to start, stop or kill a runner, which module it gets, and who may (`pc2-actors`, `pc2-protocols`). docs/decisions/0043 says why it is so.
//!
//! This is the only crate of ours with `unsafe` in it: where the engine demands it. Each place says why it is sound.

mod calls_of_the_system;
mod channel;
mod compile;
mod engine;
mod fuel;
mod functions;
mod inspect;
mod sandbox;
mod tunables;
pub mod unmetered;
mod wasi;

use channel::{Channel, ChannelError};
use pc2_protocols::wasm::{
    end::{End, Usage},
    wire::{FromRunner, ToRunner, VERSION},
};
use std::{os::fd::OwnedFd, process::ExitCode};

/// What the node's program calls, before anything else, when it was started as `wasm-runner`. Returns when the job is done.
///
/// The exit code tells nothing that the frames did not: 0 after a whole job, 2 when there is no node at the other end or it does not speak like one.
#[must_use]
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pc2 wasm-runner: {error}");
            ExitCode::from(2)
        }
    }
}

fn serve() -> Result<(), ChannelError> {
    sandbox::close_what_was_inherited();
    let mut channel = Channel::at_standard_input()?;
    sandbox::begin();
    channel.send(FromRunner::Ready {
        version: VERSION,
        engine: engine::name(),
        landlock: sandbox::landlock_version(),
    })?;
    let (job, descriptors) = channel.receive_job()?;
    match start(&mut channel, job, descriptors)? {
        Some((end, usage)) => channel.send(FromRunner::Ended { end, usage }),
        None => Ok(()),
    }
}

/// Does the job. Gives how it ended, unless that has been said.
fn start(
    channel: &mut Channel,
    job: ToRunner,
    descriptors: Vec<OwnedFd>,
) -> Result<Option<(End, Usage)>, ChannelError> {
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next().ok_or(ChannelError::MissingDescriptor);
    match job {
        ToRunner::Compile { limits, landlock } => {
            let (module, artifact) = (next()?, next()?);
            compile::run(channel, &limits.within_ranges(), landlock, module, artifact)
        }
        ToRunner::Load { limits, landlock } => {
            functions::run(channel, &limits.within_ranges(), landlock, next()?)
        }
        ToRunner::Wasi { limits, landlock, arguments, environment, access } => {
            let artifact = next()?;
            let folder = wasi::Folder::granted(access, next)?;
            let limits = limits.within_ranges();
            let program = wasi::Program { limits, arguments, environment, folder };
            wasi::run(channel, program, landlock, artifact).map(Some)
        }
        ToRunner::Call { .. } | ToRunner::Input { .. } => Err(ChannelError::NoJob),
    }
}
