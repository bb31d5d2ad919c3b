//! What the process gives up before it reads the first byte of a module.
//!
//! In layers, each of which holds when another fails: nothing inherited but the socket; a process that nobody may trace; no capabilities; landlock (no file system but the granted folder, no TCP, no signals to others); rlimits; seccomp ([`crate::calls_of_the_system`]).
//! WebAssembly itself is the first layer, and the only one that a module meets unless the engine has a fault.
//!
//! Not here: time (the node kills), fuel and memory of the module (`engine`, `tunables`).

use crate::{calls_of_the_system, channel::Channel, engine::COMPILING_THREADS};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use pc2_protocols::wasm::{
    end::End,
    limits::{Limits, MAX_OPEN_FILES, RUNNER_OVERHEAD_BYTES},
    wire::{Access, Landlock},
};
use rustix::{
    process::{DumpableBehavior, Resource, Rlimit, setrlimit},
    thread::{CapabilitySet, CapabilitySets},
};
use std::os::fd::BorrowedFd;

/// Newest landlock that is used. What an older kernel does not have is left to the other layers.
const LANDLOCK: ABI = ABI::V6;

/// Largest artifact, in bytes. Native code is some five times the module, with its tables ten.
pub(crate) const MAX_ARTIFACT_BYTES: u64 = 512 * 1024 * 1024;

/// Seconds of computing beyond the time limit after which the system ends the runner, should the node not have.
const CPU_GRACE_SECONDS: u64 = 2;

/// Seconds that a node gives whoever compiles beside the time limit, for starting the process and reading the module.
const PREPARING_SLACK_SECONDS: u64 = 10;

/// Seconds of computing between the signal that tells which limit it was (`SIGXCPU`) and the one that tells nothing (`SIGKILL`): at one and the same
/// second only the latter is sent.
const CPU_TOLD_SECONDS: u64 = 1;

/// What the process will do, as far as walls depend on it.
pub(crate) enum Cell<'a> {
    /// Compile: threads, and one file of any reasonable size.
    Compiling,
    /// Call functions: nothing but computing.
    Calling {
        /// Size of the artifact, which is kept in memory.
        artifact_bytes: u64,
    },
    /// Run a program.
    Program {
        /// Size of the artifact, which is kept in memory.
        artifact_bytes: u64,
        /// The folder, and what may be done in it.
        folder: Option<(BorrowedFd<'a>, Access)>,
    },
}

/// Closes every descriptor but the first three. The node opens all of its own so that children do not get them; what a library forgot ends here.
#[allow(unsafe_code)]
pub(crate) fn close_what_was_inherited() {
    // SAFETY: nothing in this process owns a descriptor yet, so none is closed under somebody's hands: it is the first thing that `main` does.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
}

/// What can be given up at once. Nothing here is needed for the other layers to hold, so what fails, fails: an unusual system is no reason not to run.
pub(crate) fn begin() {
    // Not `nice`: the node starts runners with what it wants of it, and here it would be added to that.
    let _not_essential = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// The version of landlock that the kernel has, 0 for none.
#[allow(unsafe_code)]
pub(crate) fn landlock_version() -> u32 {
    const CREATE_RULESET_VERSION: libc::c_uint = 1;
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the call takes no attributes and gives a number.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0, CREATE_RULESET_VERSION) };
    u32::try_from(version).unwrap_or(0)
}

/// Locks the process in, for good.
///
/// # Errors
/// [`End::NotLockedIn`] when one of the layers cannot be put up. Nothing may be run then.
pub(crate) fn lock_in(
    channel: &Channel,
    cell: &Cell<'_>,
    limits: &Limits,
    landlock: Landlock,
) -> Result<(), End> {
    let failed =
        |what: &str, error: &dyn std::fmt::Display| End::NotLockedIn { reason: format!("{what}: {error}") };
    rustix::thread::set_no_new_privs(true).map_err(|error| failed("no new privileges", &error))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| failed("tracing", &error))?;
    set_limits(cell, limits).map_err(|error| failed("limits of the process", &error))?;
    give_up_the_file_system(cell, landlock)?;
    give_up_capabilities().map_err(|error| failed("capabilities", &error))?;
    // Its thread is behind landlock as well, since it is started by one that is.
    channel.watch().map_err(|error| failed("watching the node", &error))?;
    calls_of_the_system::restrict(cell).map_err(|error| failed("calls of the system", &error))
}

/// The system's own limits. They are back stops: all but the memory of a compiler are noticed earlier by the engine or by the node.
fn set_limits(cell: &Cell<'_>, limits: &Limits) -> rustix::io::Result<()> {
    let (data, file) = match cell {
        Cell::Compiling => (limits.compile_memory_bytes, MAX_ARTIFACT_BYTES),
        Cell::Calling { artifact_bytes } => (running_bytes(limits, *artifact_bytes), 0),
        Cell::Program { artifact_bytes, .. } => (running_bytes(limits, *artifact_bytes), limits.file_bytes),
    };
    set_limit(Resource::Core, 0, 0)?;
    set_limit(Resource::Nofile, MAX_OPEN_FILES as u64 + 32, 0)?;
    set_limit(Resource::Data, data, 0)?;
    set_limit(Resource::Fsize, file, 0)?;
    if let Some(seconds) = computing_seconds(cell, limits) {
        set_limit(Resource::Cpu, seconds, CPU_TOLD_SECONDS)?;
    }
    Ok(())
}

/// How long all threads of a runner may compute together, in seconds: never less than what they can within the time that the node gives.
fn computing_seconds(cell: &Cell<'_>, limits: &Limits) -> Option<u64> {
    match cell {
        Cell::Compiling => {
            let clock = limits.compile_ms.div_ceil(1000) + PREPARING_SLACK_SECONDS;
            Some(COMPILING_THREADS as u64 * clock + CPU_GRACE_SECONDS)
        }
        // A runner that is kept for many calls computes as long as they take.
        Cell::Calling { .. } => None,
        Cell::Program { .. } => Some(limits.time_ms.div_ceil(1000) + CPU_GRACE_SECONDS),
    }
}

/// Writable memory of a runner: the module's own, and the artifact as read, as decoded and as loaded.
fn running_bytes(limits: &Limits, artifact_bytes: u64) -> u64 {
    limits.memory_bytes + limits.stack_bytes + 3 * artifact_bytes + RUNNER_OVERHEAD_BYTES
}

/// Limits it to `most`, and finally to so much `beyond` it.
fn set_limit(resource: Resource, most: u64, beyond: u64) -> rustix::io::Result<()> {
    let finally = most.saturating_add(beyond);
    // What is above what was inherited cannot be had, and need not.
    let inherited = rustix::process::getrlimit(resource).maximum;
    let finally = inherited.map_or(finally, |inherited| inherited.min(finally));
    setrlimit(resource, Rlimit { current: Some(finally.saturating_sub(beyond)), maximum: Some(finally) })
}

fn give_up_capabilities() -> rustix::io::Result<()> {
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )
}

fn give_up_the_file_system(cell: &Cell<'_>, required: Landlock) -> Result<(), End> {
    let status =
        restrict_paths(cell).map_err(|error| End::NotLockedIn { reason: format!("landlock: {error}") })?;
    match (status, required) {
        (RulesetStatus::NotEnforced, Landlock::Required) => {
            Err(End::NotLockedIn { reason: "the kernel has no landlock (Linux 5.13 has)".to_owned() })
        }
        (RulesetStatus::NotEnforced, Landlock::IfThere)
        | (RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced, _) => Ok(()),
    }
}

fn restrict_paths(cell: &Cell<'_>) -> Result<RulesetStatus, landlock::RulesetError> {
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?;
    let rules = match cell {
        Cell::Program { folder: Some((folder, access)), .. } => {
            let reading = AccessFs::ReadFile | AccessFs::ReadDir;
            let rights = match access {
                Access::None | Access::Read => reading,
                Access::ReadWrite => {
                    reading
                        | AccessFs::WriteFile
                        | AccessFs::Truncate
                        | AccessFs::MakeReg
                        | AccessFs::MakeDir
                        | AccessFs::MakeSym
                        | AccessFs::RemoveFile
                        | AccessFs::RemoveDir
                        | AccessFs::Refer
                }
            };
            rules.add_rule(PathBeneath::new(folder, rights))?
        }
        Cell::Compiling | Cell::Calling { .. } | Cell::Program { folder: None, .. } => rules,
    };
    Ok(rules.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests;
