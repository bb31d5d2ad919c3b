//! One run, from its module to its end: what a runner is told, in which order.
//!
//! In: what the machine began. Out: how it ended, and [`In::Began`] when it runs. A compiled module is found in the cache or compiled, by one at a time of each module; a runner that
//! compiled never runs. Dropped at any moment, its runner is killed: that is how a run is stopped.
//!
//! Not here: deadlines and whose turn it is (the machine), processes (`runner`).

use super::{
    cache::{Cache, Copied},
    desk::{Desk, Entry},
    home::{Homes, PlaceError},
    log,
    modules::Modules,
    pool::{Belongs, Pool},
    runner::{Lost, Runner, Sender},
};
use crate::shell::Inbox;
use pc2_protocols::{
    id::BlobId,
    wasm::{
        In, Job, Source, Start,
        end::{Doing, End, Usage},
        limits::LimitKind,
        manifest::Access,
        rows::Grant,
        wire::{self, FromRunner, Landlock, MAX_CHUNK_BYTES, ToRunner},
    },
};
use rustix::fd::{AsFd as _, OwnedFd};
use std::{
    collections::BTreeMap,
    fs::File,
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync, task::spawn_blocking};
use tracing::warn;

/// What all runs share.
pub(super) struct Parts {
    pub(super) own: Inbox<In>,
    pub(super) pool: Arc<Pool>,
    pub(super) cache: Arc<Cache>,
    pub(super) modules: Arc<Modules>,
    pub(super) homes: Homes,
    pub(super) desk: Arc<Desk>,
    pub(super) landlock: Landlock,
    /// One at a time compiles a module.
    pub(super) compiling: Mutex<BTreeMap<BlobId, Arc<sync::Mutex<()>>>>,
}

/// How a run ended, and what it took.
pub(super) type Ended = (End, Usage);

/// Why a run did not come to its own end: an end all the same.
struct Short(End);

impl From<io::Error> for Short {
    fn from(error: io::Error) -> Self {
        warn!(%error, "a module could not be run");
        Self(match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => End::DiskFull,
            _ => End::NotPrepared { reason: error.to_string() },
        })
    }
}

impl From<Lost> for Short {
    fn from(error: Lost) -> Self {
        warn!(%error, "a runner could not be started");
        Self(End::Crashed { signal: None })
    }
}

/// Runs it.
pub(super) async fn drive(parts: &Parts, start: Start) -> Ended {
    let entry = parts.desk.entry(start.run);
    let ended = match &start.job {
        Job::Call { function, arguments } => call(parts, &start, &entry, function, arguments).await,
        Job::Program { arguments, environment } => {
            program(parts, &start, &entry, arguments, environment).await
        }
    };
    entry.log.close();
    ended.unwrap_or_else(|Short(end)| (end, Usage::default()))
}

async fn call(
    parts: &Parts,
    start: &Start,
    entry: &Entry,
    function: &str,
    arguments: &[String],
) -> Result<Ended, Short> {
    let belongs = Belongs { space: start.space, module: start.module, limits: start.limits };
    let mut runner = match parts.pool.loaded(&belongs) {
        Some(runner) => runner,
        None => loaded(parts, start, entry).await?,
    };
    parts.own.tell(In::Began { run: start.run });
    let question = ToRunner::Call { id: 0, function: function.to_owned(), arguments: arguments.to_owned() };
    if let Err(why) = runner.send(question, &[]).await {
        return Err(Short(runner.lost(Doing::Running, why).await));
    }
    match runner.next().await {
        Ok(FromRunner::Answered { id: 0, end, usage }) => {
            parts.pool.keep(belongs, runner);
            Ok((end, usage))
        }
        Ok(FromRunner::Ended { end, usage }) => Ok((end, usage)),
        Ok(_) => Err(Short(runner.lost(Doing::Running, Lost::OffScript).await)),
        Err(why) => Err(Short(runner.lost(Doing::Running, why).await)),
    }
}

/// A runner with the module loaded.
async fn loaded(parts: &Parts, start: &Start, entry: &Entry) -> Result<Runner, Short> {
    for again in [false, true] {
        let mut runner = parts.pool.blank().await?;
        let artifact = artifact(parts, start, entry, runner.engine()).await?;
        let load = ToRunner::Load { limits: start.limits, landlock: parts.landlock };
        if let Err(why) = runner.send(load, &[artifact.as_fd()]).await {
            return Err(Short(runner.lost(Doing::Running, why).await));
        }
        match runner.next().await {
            Ok(FromRunner::Loaded { shape: _ }) => return Ok(runner),
            Ok(FromRunner::Ended { end: End::BadArtifact { .. }, .. }) if !again => {
                parts.cache.forget(start.module, runner.engine());
            }
            Ok(FromRunner::Ended { end, .. }) => return Err(Short(end)),
            Ok(_) => return Err(Short(runner.lost(Doing::Running, Lost::OffScript).await)),
            Err(why) => return Err(Short(runner.lost(Doing::Running, why).await)),
        }
    }
    Err(Short(End::Crashed { signal: None }))
}

async fn program(
    parts: &Parts,
    start: &Start,
    entry: &Entry,
    arguments: &[String],
    environment: &[(String, String)],
) -> Result<Ended, Short> {
    let folder = folder(parts, start).await?;
    for again in [false, true] {
        let mut runner = parts.pool.blank().await?;
        let artifact = artifact(parts, start, entry, runner.engine()).await?;
        let all = std::iter::once(own_name(&start.name)).chain(arguments.iter().cloned()).collect();
        let job = ToRunner::Wasi {
            limits: start.limits,
            landlock: parts.landlock,
            arguments: all,
            environment: environment.to_owned(),
            access: access(start.grant.as_ref()),
        };
        let mut descriptors = vec![artifact.as_fd()];
        descriptors.extend(folder.as_ref().map(|folder| folder.as_fd()));
        if let Err(why) = runner.send(job, &descriptors).await {
            return Err(Short(runner.lost(Doing::Running, why).await));
        }
        parts.own.tell(In::Began { run: start.run });
        let input = runner.take_sender().map(|sender| feed(sender, entry));
        let ended = watch(&mut runner, entry).await;
        // It reads nothing more.
        drop(input);
        match ended {
            Ok((end @ End::BadArtifact { .. }, usage)) if !again => {
                parts.cache.forget(start.module, runner.engine());
                // Of its input some may be gone: whoever gives it runs it again.
                if entry.is_fed() {
                    return Ok((end, usage));
                }
            }
            Ok(ended) => return Ok(ended),
            Err(why) => return Err(Short(runner.lost(Doing::Running, why).await)),
        }
    }
    Err(Short(End::Crashed { signal: None }))
}

/// Takes what a program writes, until its end.
async fn watch(runner: &mut Runner, entry: &Entry) -> Result<Ended, Lost> {
    loop {
        match runner.next().await? {
            FromRunner::Output { stream, bytes } => {
                let stream = match stream {
                    wire::Stream::Out => log::Stream::Out,
                    wire::Stream::Error => log::Stream::Err,
                };
                entry.log.push(stream, &bytes).await;
            }
            FromRunner::Ended { end, usage } => return Ok((end, usage)),
            FromRunner::Ready { .. }
            | FromRunner::Compiled { .. }
            | FromRunner::Loaded { .. }
            | FromRunner::Answered { .. } => return Err(Lost::OffScript),
        }
    }
}

/// A task that ends when this is dropped.
struct Feeding(tokio::task::JoinHandle<()>);

impl Drop for Feeding {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Hands on what is given as the program's input, and then its end.
fn feed(sender: Sender, entry: &Entry) -> Feeding {
    let input = entry.take_input();
    Feeding(tokio::spawn(async move {
        if let Some(mut input) = input {
            while let Some(bytes) = input.recv().await {
                for piece in bytes.chunks(MAX_CHUNK_BYTES) {
                    // A program that has ended reads nothing more.
                    if sender.send(ToRunner::Input { bytes: piece.to_vec() }, &[]).await.is_err() {
                        return;
                    }
                }
            }
        }
        let _it_may_have_ended = sender.send(ToRunner::Input { bytes: Vec::new() }, &[]).await;
        // The socket stays open: closed, it would end the runner.
        std::future::pending::<()>().await;
    }))
}

/// The compiled module, from the cache or compiled now.
async fn artifact(parts: &Parts, start: &Start, entry: &Entry, engine: &str) -> Result<File, Short> {
    let (module, engine) = (start.module, engine.to_owned());
    if let Some(found) = find(parts, module, &engine).await? {
        return Ok(found);
    }
    let turn = {
        let mut compiling = parts.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        compiling.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(compiling.entry(module).or_default())
    };
    let _one_at_a_time = turn.lock().await;
    if let Some(found) = find(parts, module, &engine).await? {
        return Ok(found);
    }
    let source = match start.source {
        Source::Installed => {
            let modules = Arc::clone(&parts.modules);
            blocking(move || modules.open(module)).await?
        }
        Source::Given => entry.module()?.ok_or(Short(End::Stopped))?,
    };
    let (cache, most) = (Arc::clone(&parts.cache), start.limits.module_bytes);
    let copied = blocking(move || {
        let copy = cache.private_copy(&source, module, most)?;
        Ok((copy, cache.part()?))
    });
    let (copy, part) = copied.await?;
    let copy = match copy {
        Copied::Same(copy) => copy,
        Copied::TooLarge => return Err(Short(End::Limit { kind: LimitKind::ModuleSize })),
        Copied::Changed => {
            return Err(Short(End::NotAModule { reason: "it was changed while it was read".to_owned() }));
        }
    };
    let mut runner = parts.pool.blank().await?;
    let job = ToRunner::Compile { limits: start.limits, landlock: parts.landlock };
    if let Err(why) = runner.send(job, &[copy.as_fd(), part.file.as_fd()]).await {
        return Err(Short(runner.lost(Doing::Compiling, why).await));
    }
    match runner.next().await {
        Ok(FromRunner::Compiled { .. }) => {
            // Until it is gone it could write to the file.
            runner.end().await;
            let cache = Arc::clone(&parts.cache);
            Ok(blocking(move || cache.keep(module, &engine, &part)).await?)
        }
        Ok(FromRunner::Ended { end, .. }) => Err(Short(end)),
        Ok(_) => Err(Short(runner.lost(Doing::Compiling, Lost::OffScript).await)),
        Err(why) => Err(Short(runner.lost(Doing::Compiling, why).await)),
    }
}

async fn find(parts: &Parts, module: BlobId, engine: &str) -> io::Result<Option<File>> {
    let (cache, engine) = (Arc::clone(&parts.cache), engine.to_owned());
    blocking(move || Ok(cache.find(module, &engine))).await
}

/// The folder that a run was granted.
async fn folder(parts: &Parts, start: &Start) -> Result<Option<OwnedFd>, Short> {
    let Some(grant) = start.grant.clone() else { return Ok(None) };
    let (homes, space) = (parts.homes.clone(), start.space);
    let opened = spawn_blocking(move || homes.folder(space, &grant)).await.map_err(io::Error::other)?;
    match opened {
        Ok(folder) => Ok(Some(folder)),
        Err(PlaceError::NotThere { what, path }) => {
            Err(Short(End::NoFolder { reason: PlaceError::NotThere { what, path }.to_string() }))
        }
        Err(PlaceError::Io(error)) => Err(error.into()),
    }
}

fn access(grant: Option<&Grant>) -> wire::Access {
    match grant.map(|grant| grant.access) {
        None => wire::Access::None,
        Some(Access::Read) => wire::Access::Read,
        Some(Access::ReadWrite) => wire::Access::ReadWrite,
    }
}

/// What a program is told that it is called.
fn own_name(name: &str) -> String {
    name.chars().filter(|c| *c != '\0').take(wire::MAX_NAME_BYTES / 4).collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
