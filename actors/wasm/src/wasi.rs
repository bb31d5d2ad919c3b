//! The job of running a program: WASI preview 1, all of its functions, over what this run was granted and nothing else.
//!
//! A program sees a small root in memory (`root`), the granted folder as `/data` (`folder`), its arguments, environment and input, the clocks and
//! randomness. There is no way to the network, to other processes, to threads or to any other path.
//!
//! It is ours and not wasmer-wasix's, which would bring a network stack, a package client, threads and eighty crates into the very process that is to
//! be small, and gives the memory of its file system no limit (docs/decisions/0043).
//!
//! | file | what |
//! |---|---|
//! | `abi` | numbers of the standard: errors, flags, layouts |
//! | `guest` | the program's memory, as functions read and write it |
//! | `table` | open files, as the program counts them |
//! | `folder`, `root` | the two file systems, without knowing of programs |
//! | `io`, `about`, `open`, `paths`, `other` | the functions: bytes of open files, open files as such, opening, other things on paths, all else |

mod abi;
mod about;
mod folder;
mod guest;
mod io;
mod open;
mod other;
mod paths;
mod root;
mod table;

use crate::{
    channel::{Channel, ChannelError},
    compile,
    engine::{self, Run, Stop},
    functions,
    sandbox::{self, Cell, MAX_ARTIFACT_BYTES},
    tunables::Grown,
};
use abi::Failure;
use guest::Guest;
use pc2_protocols::wasm::{
    end::{End, Usage},
    limits::{LimitKind, Limits},
    wire::{Access, FromRunner, Landlock, MAX_CHUNK_BYTES, Stream, ToRunner},
};
use std::{
    collections::VecDeque,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};
use table::Table;
use wasmer::{
    AsStoreMut, Exports, Function, FunctionEnv, FunctionEnvMut, Imports, Instance, Memory, Module, Store,
};

/// The one name under which a program finds functions.
pub(crate) const MODULE: &str = "wasi_snapshot_preview1";

/// The granted folder.
pub(crate) struct Folder {
    descriptor: OwnedFd,
    access: Access,
}

impl Folder {
    /// What was granted, if anything; `descriptor` gives the folder that came with the job.
    pub(crate) fn granted(
        access: Access,
        descriptor: impl FnOnce() -> Result<OwnedFd, ChannelError>,
    ) -> Result<Option<Self>, ChannelError> {
        match access {
            Access::None => Ok(None),
            Access::Read | Access::ReadWrite => Ok(Some(Self { descriptor: descriptor()?, access })),
        }
    }
}

/// What is to be run, but for its code.
pub(crate) struct Program {
    pub(crate) limits: Limits,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) folder: Option<Folder>,
}

/// What the functions work on.
struct State {
    channel: Channel,
    memory: Option<Memory>,
    arguments: Vec<Vec<u8>>,
    environment: Vec<Vec<u8>>,
    limits: Limits,
    output_bytes: u64,
    written_bytes: u64,
    input: VecDeque<u8>,
    input_ended: bool,
    table: Table,
    root: root::Root,
    since: Instant,
}

/// Runs a program from its first to its last function.
pub(crate) fn run(
    channel: &mut Channel,
    program: Program,
    landlock: Landlock,
    artifact: OwnedFd,
) -> Result<(End, Usage), ChannelError> {
    let since = Instant::now();
    let limits = program.limits;
    let grown = Arc::new(Grown::default());
    let engine = engine::running(&limits, Arc::clone(&grown));
    let loaded = functions::size(&artifact).and_then(|artifact_bytes| {
        let folder = program.folder.as_ref().map(|folder| (folder.descriptor.as_fd(), folder.access));
        sandbox::lock_in(channel, &Cell::Program { artifact_bytes, folder }, &limits, landlock)?;
        let bytes = compile::read(&artifact, MAX_ARTIFACT_BYTES, LimitKind::ModuleSize)?;
        // Nothing may be open but the socket and the folder when the program runs.
        drop(artifact);
        engine::load(&engine, &bytes)
    });
    let mut store = Store::new(engine);
    let state = State {
        channel: channel.handed_on(),
        memory: None,
        arguments: program.arguments.iter().map(|text| ended(text)).collect(),
        environment: program
            .environment
            .iter()
            .map(|(name, value)| ended(&format!("{name}={value}")))
            .collect(),
        limits,
        output_bytes: 0,
        written_bytes: 0,
        input: VecDeque::new(),
        input_ended: false,
        table: Table::new(program.folder),
        root: root::Root::new(),
        since,
    };
    let state = FunctionEnv::new(&mut store, state);
    let (end, mut usage) = match loaded.and_then(|module| start(&mut store, &state, &module, &grown, since)) {
        Ok(done) => done,
        Err(end) => (end, Usage::default()),
    };
    let state = state.as_ref(&store);
    usage.output_bytes = state.output_bytes;
    usage.written_bytes = state.written_bytes;
    usage.time_us = engine::microseconds(since.elapsed());
    Ok((end, usage))
}

fn start(
    store: &mut Store,
    state: &FunctionEnv<State>,
    module: &Module,
    grown: &Arc<Grown>,
    since: Instant,
) -> Result<(End, Usage), End> {
    let imports = imports(store, state);
    let instance =
        Instance::new(store, module, &imports).map_err(|error| functions::not_instantiated(error, grown))?;
    let missing = |name: &str| End::MissingExport { name: name.to_owned() };
    let memory = instance.exports.get_memory("memory").map_err(|_| missing("memory"))?.clone();
    state.as_mut(store).memory = Some(memory);
    let function = instance.exports.get_function("_start").map_err(|_| missing("_start"))?.clone();
    if !function.ty(store).params().is_empty() {
        return Err(End::WrongArguments { reason: "its function _start takes arguments".to_owned() });
    }
    let fuel = state.as_ref(store).limits.fuel;
    let run = Run::begin(store, instance, fuel, since, grown);
    let end = match run.call(store, &function, &[]) {
        Ok(_) => End::Exited { code: 0 },
        Err(end) => end,
    };
    Ok((end, run.usage(store)))
}

/// A text as C wants it: up to its first NUL, and ended by one.
fn ended(text: &str) -> Vec<u8> {
    let bytes = text.bytes().take_while(|byte| *byte != 0);
    bytes.chain([0]).collect()
}

/// Does what a function does, and tells the program how it went.
fn answer(
    mut env: FunctionEnvMut<'_, State>,
    work: impl FnOnce(&mut State, &Guest<'_>) -> Result<(), Failure>,
) -> Result<u32, Stop> {
    let (state, store) = env.data_and_store_mut();
    let Some(memory) = state.memory.clone() else { return Ok(abi::Errno::Fault as u32) };
    let guest = Guest::new(memory.view(&store));
    match work(state, &guest) {
        Ok(()) => Ok(abi::Errno::Success as u32),
        Err(Failure::Errno(errno)) => Ok(errno as u32),
        Err(Failure::Stop(stop)) => Err(stop),
    }
}

macro_rules! functions {
    ($($module:ident::$name:ident($($argument:ident: $kind:ty),*);)*) => {
        /// The functions that there are.
        pub(crate) const NAMES: &[&str] = &["proc_exit", $(stringify!($name)),*];

        fn imports(store: &mut impl AsStoreMut, state: &FunctionEnv<State>) -> Imports {
            let mut exports = Exports::new();
            // The only one that gives nothing back, since it does not come back.
            exports.insert("proc_exit", Function::new_typed(store, |code: u32| -> Result<(), Stop> { Err(Stop::Exit(code)) }));
            $(exports.insert(
                stringify!($name),
                Function::new_typed_with_env(store, state, |env: FunctionEnvMut<'_, State>, $($argument: $kind),*| -> Result<u32, Stop> {
                    answer(env, |state, guest| $module::$name(state, guest, $($argument),*))
                }),
            );)*
            let mut imports = Imports::new();
            imports.register_namespace(MODULE, exports);
            imports
        }
    };
}

functions! {
    other::args_get(to: u32, texts: u32);
    other::args_sizes_get(count: u32, bytes: u32);
    other::environ_get(to: u32, texts: u32);
    other::environ_sizes_get(count: u32, bytes: u32);
    other::clock_res_get(clock: u32, to: u32);
    other::clock_time_get(clock: u32, precision: u64, to: u32);
    other::poll_oneoff(subscriptions: u32, events: u32, count: u32, happened: u32);
    other::proc_raise(signal: u32);
    other::random_get(to: u32, bytes: u32);
    other::sched_yield();
    other::sock_accept(fd: u32, flags: u32, to: u32);
    other::sock_recv(fd: u32, pieces: u32, count: u32, flags: u32, got: u32, out_flags: u32);
    other::sock_send(fd: u32, pieces: u32, count: u32, flags: u32, sent: u32);
    other::sock_shutdown(fd: u32, how: u32);
    about::fd_advise(fd: u32, offset: u64, bytes: u64, advice: u32);
    about::fd_allocate(fd: u32, offset: u64, bytes: u64);
    about::fd_close(fd: u32);
    about::fd_datasync(fd: u32);
    about::fd_fdstat_get(fd: u32, to: u32);
    about::fd_fdstat_set_flags(fd: u32, flags: u32);
    about::fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
    about::fd_filestat_get(fd: u32, to: u32);
    about::fd_filestat_set_size(fd: u32, size: u64);
    about::fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, which: u32);
    io::fd_pread(fd: u32, pieces: u32, count: u32, offset: u64, got: u32);
    about::fd_prestat_dir_name(fd: u32, to: u32, bytes: u32);
    about::fd_prestat_get(fd: u32, to: u32);
    io::fd_pwrite(fd: u32, pieces: u32, count: u32, offset: u64, written: u32);
    io::fd_read(fd: u32, pieces: u32, count: u32, got: u32);
    io::fd_readdir(fd: u32, to: u32, bytes: u32, cookie: u64, used: u32);
    about::fd_renumber(from: u32, to: u32);
    io::fd_seek(fd: u32, offset: i64, whence: u32, position: u32);
    about::fd_sync(fd: u32);
    io::fd_tell(fd: u32, position: u32);
    io::fd_write(fd: u32, pieces: u32, count: u32, written: u32);
    paths::path_create_directory(fd: u32, path: u32, bytes: u32);
    paths::path_filestat_get(fd: u32, flags: u32, path: u32, bytes: u32, to: u32);
    paths::path_filestat_set_times(fd: u32, flags: u32, path: u32, bytes: u32, accessed: u64, modified: u64, which: u32);
    paths::path_link(fd: u32, flags: u32, path: u32, bytes: u32, new_fd: u32, new_path: u32, new_bytes: u32);
    open::path_open(fd: u32, follow: u32, path: u32, bytes: u32, how: u32, rights: u64, inheriting: u64, flags: u32, opened: u32);
    paths::path_readlink(fd: u32, path: u32, bytes: u32, to: u32, room: u32, used: u32);
    paths::path_remove_directory(fd: u32, path: u32, bytes: u32);
    paths::path_rename(fd: u32, path: u32, bytes: u32, new_fd: u32, new_path: u32, new_bytes: u32);
    paths::path_symlink(target: u32, target_bytes: u32, fd: u32, path: u32, bytes: u32);
    paths::path_unlink_file(fd: u32, path: u32, bytes: u32);
}

impl State {
    /// Counts what is about to be written to a file that will then have `size` bytes.
    fn count_writing(&mut self, bytes: u64, size: u64) -> Result<(), Failure> {
        if size > self.limits.file_bytes {
            return Err(Failure::Stop(Stop::Limit(LimitKind::FileSize)));
        }
        self.may_write(bytes)?;
        self.written_bytes = self.written_bytes.saturating_add(bytes);
        Ok(())
    }

    /// Whether so much more may be written.
    fn may_write(&self, bytes: u64) -> Result<(), Failure> {
        if self.written_bytes.saturating_add(bytes) > self.limits.written_bytes {
            return Err(Failure::Stop(Stop::Limit(LimitKind::Written)));
        }
        Ok(())
    }

    /// Prints. What is above the limit is not sent, and ends the program.
    fn print(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Failure> {
        let left = self.limits.output_bytes - self.output_bytes;
        let allowed = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        for piece in bytes.get(..allowed).unwrap_or_default().chunks(MAX_CHUNK_BYTES) {
            let sent = self.channel.send(FromRunner::Output { stream, bytes: piece.to_vec() });
            sent.map_err(|_| Failure::Stop(Stop::Gone))?;
            self.output_bytes += piece.len() as u64;
        }
        if allowed < bytes.len() {
            return Err(Failure::Stop(Stop::Limit(LimitKind::Output)));
        }
        Ok(())
    }

    /// Takes in what has arrived of the input, if nothing is left of what was taken in before.
    fn take_arrived_input(&mut self) -> Result<(), Failure> {
        let some = self.input.is_empty()
            && !self.input_ended
            && self.channel.wait(Some(Duration::ZERO)).map_err(|_| Failure::Stop(Stop::Gone))?;
        if some { self.await_input() } else { Ok(()) }
    }

    /// Waits until there is input, or none will come any more.
    fn await_input(&mut self) -> Result<(), Failure> {
        while self.input.is_empty() && !self.input_ended {
            match self.channel.receive() {
                Ok(ToRunner::Input { bytes }) if bytes.is_empty() => self.input_ended = true,
                Ok(ToRunner::Input { bytes }) => self.input.extend(bytes),
                Ok(_) | Err(_) => return Err(Failure::Stop(Stop::Gone)),
            }
        }
        Ok(())
    }
}
