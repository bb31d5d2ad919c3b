//! The job of calling functions: a module is loaded once, and each call gets an instance of its own.
//!
//! So no call sees what another left behind, and none can hold on to memory. Such a module is given nothing from outside at all.

use crate::{
    channel::{Channel, ChannelError},
    compile,
    engine::{self, Run},
    sandbox::{self, Cell, MAX_ARTIFACT_BYTES},
    tunables::Grown,
};
use pc2_protocols::wasm::{
    end::{End, MAX_RESULTS, Usage},
    limits::{LimitKind, Limits},
    wire::{FromRunner, Landlock, ToRunner},
};
use std::{os::fd::OwnedFd, sync::Arc, time::Instant};
use wasmer::{Engine, Imports, Instance, InstantiationError, LinkError, Module, Store};

/// Loads a module and answers calls until the node closes the socket. Gives how it ended when the module could not be loaded.
pub(crate) fn run(
    channel: &mut Channel,
    limits: &Limits,
    landlock: Landlock,
    artifact: OwnedFd,
) -> Result<Option<(End, Usage)>, ChannelError> {
    let since = Instant::now();
    let grown = Arc::new(Grown::default());
    let engine = engine::running(limits, Arc::clone(&grown));
    let module = match load(channel, &engine, limits, landlock, artifact) {
        Ok(module) => module,
        Err(end) => {
            let time_us = engine::microseconds(since.elapsed());
            return Ok(Some((end, Usage { time_us, ..Usage::default() })));
        }
    };
    channel.send(FromRunner::Loaded { shape: engine::shape(&module) })?;
    let callee = Callee { engine, module, limits, grown };
    loop {
        match channel.receive() {
            Ok(ToRunner::Call { id, function, arguments }) => {
                let (end, usage) = callee.call(&function, &arguments);
                channel.send(FromRunner::Answered { id, end, usage })?;
            }
            Ok(_) => return Err(ChannelError::NoJob),
            // It is needed no longer.
            Err(ChannelError::Closed) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

fn load(
    channel: &Channel,
    engine: &Engine,
    limits: &Limits,
    landlock: Landlock,
    artifact: OwnedFd,
) -> Result<Module, End> {
    let artifact_bytes = size(&artifact)?;
    sandbox::lock_in(channel, &Cell::Calling { artifact_bytes }, limits, landlock)?;
    let bytes = compile::read(&artifact, MAX_ARTIFACT_BYTES, LimitKind::ModuleSize)?;
    // Nothing may be open but the socket when code of the module runs.
    drop(artifact);
    let module = engine::load(engine, &bytes)?;
    let first = module.imports().next();
    match first {
        Some(import) => {
            Err(End::ImportRefused { module: import.module().to_owned(), name: import.name().to_owned() })
        }
        None => Ok(module),
    }
}

/// How large an artifact is, as far as it may be.
pub(crate) fn size(artifact: &OwnedFd) -> Result<u64, End> {
    let stat = rustix::fs::fstat(artifact)
        .map_err(|error| End::BadArtifact { reason: format!("it cannot be read: {error}") })?;
    Ok(u64::try_from(stat.st_size).unwrap_or(0).min(MAX_ARTIFACT_BYTES))
}

/// A loaded module.
struct Callee<'a> {
    engine: Engine,
    module: Module,
    limits: &'a Limits,
    grown: Arc<Grown>,
}

impl Callee<'_> {
    fn call(&self, function: &str, arguments: &[String]) -> (End, Usage) {
        let since = Instant::now();
        self.grown.reset();
        let mut store = Store::new(self.engine.clone());
        let instance = match Instance::new(&mut store, &self.module, &Imports::new()) {
            Ok(instance) => instance,
            Err(error) => {
                let time_us = engine::microseconds(since.elapsed());
                return (not_instantiated(error, &self.grown), Usage { time_us, ..Usage::default() });
            }
        };
        let run = Run::begin(&mut store, instance, self.limits.fuel, since, &self.grown);
        let end = self.answer(&run, &mut store, function, arguments).unwrap_or_else(|end| end);
        (end, run.usage(&mut store))
    }

    fn answer(&self, run: &Run, store: &mut Store, name: &str, arguments: &[String]) -> Result<End, End> {
        let missing = || End::MissingExport { name: name.to_owned() };
        let function = run.instance.exports.get_function(name).map_err(|_| missing())?;
        if engine::is_ours(name) {
            return Err(missing());
        }
        let other =
            || End::WrongArguments { reason: "it takes or gives something that is no number".to_owned() };
        let signature = engine::signature(&function.ty(store)).ok_or_else(other)?;
        if signature.results.len() > MAX_RESULTS {
            // Before it runs: what is left out silently would be taken for all that it gave.
            let reason = format!(
                "it gives {} results, and at most {MAX_RESULTS} can be told",
                signature.results.len()
            );
            return Err(End::WrongArguments { reason });
        }
        let read = signature.read(arguments);
        let values = read.map_err(|error| End::WrongArguments { reason: error.to_string() })?;
        let values: Vec<_> = values.into_iter().map(engine::to_engine).collect();
        let results = run.call(store, function, &values)?;
        let results: Option<Vec<_>> = results.iter().map(engine::from_engine).collect();
        Ok(End::Returned { results: results.ok_or_else(other)? })
    }
}

/// Why there is no instance. No code of the module has run.
pub(crate) fn not_instantiated(error: InstantiationError, grown: &Grown) -> End {
    match error {
        InstantiationError::Link(LinkError::Import(module, name, _)) => End::ImportRefused { module, name },
        InstantiationError::Link(LinkError::Resource(_)) if grown.refused() => {
            End::Limit { kind: LimitKind::Memory }
        }
        InstantiationError::Link(LinkError::Resource(_)) if grown.table_refused() => {
            End::Limit { kind: LimitKind::Table }
        }
        InstantiationError::Link(LinkError::Resource(reason)) => End::Trap { text: reason },
        InstantiationError::Link(LinkError::Trap(error)) | InstantiationError::Start(error) => {
            engine::trap(error, grown)
        }
        InstantiationError::CpuFeature(_)
        | InstantiationError::DifferentStores
        | InstantiationError::DifferentArchOS => End::BadArtifact { reason: error.to_string() },
    }
}
