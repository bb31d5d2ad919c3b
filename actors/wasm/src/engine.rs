//! The engine: what compiles, what runs, how much was computed, and what an error means.
//!
//! Every module that is run was compiled with fuel counted, one point an operator. Its start function is taken out and exported under a name of ours: otherwise it
//! would run while the instance is created, when no fuel can be given yet and nobody could tell a loop from any other end.
//!
//! A compiling engine serves one compilation, since counting fuel keeps state between module and functions. A running engine has no compiler at all.

use crate::{
    fuel::{self, Counting, FUEL},
    tunables::{Capped, Grown},
};
use pc2_protocols::wasm::{
    end::{End, Usage},
    limits::{LimitKind, Limits},
    values::{Export, Signature, Value, ValueType},
    wire::{MAX_LISTED_EXPORTS, MAX_NAME_BYTES, Shape},
};
use std::{
    num::NonZero,
    sync::Arc,
    time::{Duration, Instant},
};
use wasmer::{
    AsStoreMut, Engine, ExportIndex, ExternType, Function, FunctionType, Instance, LocalFunctionIndex,
    Module, ModuleInfo, RuntimeError, Type,
    sys::{
        CompilerConfig, CpuFeature, Cranelift, EngineBuilder, Features, FunctionMiddleware, MiddlewareError,
        ModuleMiddleware, NativeEngineExt, vm::TrapCode,
    },
};

/// Of wasmer, which does not tell it. A test compares it with `Cargo.lock`.
const ENGINE_VERSION: &str = "7.4.2";

/// Raised when modules are compiled differently by us, so that what was compiled before is not used any more.
const OUR_VERSION: u32 = 2;

/// What the start function is exported as. A module cannot export the same: it would be replaced.
const START: &str = "pc2_start";

/// What a module exports that only we know of.
const OURS: [&str; 2] = [START, FUEL];

/// Threads that compile functions. Two are enough for a person who waits, and leave the node its share. The few lines between a function and whoever calls it
/// from outside, one piece for each signature, are compiled by a pool of the engine's own, which has a thread for each core and no setting.
pub(crate) const COMPILING_THREADS: usize = 2;

/// Functions named in the text of a trap.
const NAMED_FRAMES: usize = 8;

/// Why a function of the system ended a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    /// It asked to end.
    #[error("it ended")]
    Exit(u32),
    /// It ran into a limit.
    #[error("a limit")]
    Limit(LimitKind),
    /// There is no node any more that would read the answer.
    #[error("the node is gone")]
    Gone,
}

/// What artifacts depend on: the engine's version, ours, and what this processor can do.
pub(crate) fn name() -> String {
    let features = CpuFeature::for_host().as_u64_truncated();
    format!("wasmer-{ENGINE_VERSION}-{}-{features:x}-{OUR_VERSION}", std::env::consts::ARCH.replace('_', "-"))
}

/// Whether what a module computes is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fuel {
    /// As everything that is run.
    Counted,
    /// As the benchmark compares it with.
    Uncounted,
}

/// An engine that compiles one module. Made before the process locks itself in: it looks at the processor.
pub(crate) fn compiling(fuel: Fuel) -> Engine {
    let mut compiler = Cranelift::default();
    compiler.num_threads(NonZero::new(COMPILING_THREADS).unwrap_or(NonZero::<usize>::MIN));
    compiler.canonicalize_nans(true);
    compiler.push_middleware(Arc::new(DeferStart));
    if fuel == Fuel::Counted {
        compiler.push_middleware(Arc::new(Counting::default()));
    }
    let mut features = Features::none();
    // What compilers emit by default today and every engine has. No threads: they could wait for ever, and count no fuel together.
    features.reference_types(true).simd(true).bulk_memory(true).multi_value(true).extended_const(true);
    EngineBuilder::new(compiler).set_features(Some(features)).engine().into()
}

/// An engine that runs what was compiled.
pub(crate) fn running(limits: &Limits, grown: Arc<Grown>) -> Engine {
    wasmer::sys::vm::set_stack_size(usize::try_from(limits.stack_bytes).unwrap_or(usize::MAX));
    let mut engine: Engine = EngineBuilder::headless().engine().into();
    engine.set_tunables(Capped::new(limits, grown));
    engine
}

/// Reads a compiled module.
///
/// # Errors
/// [`End::BadArtifact`] when the engine does not take it.
#[allow(unsafe_code)]
pub(crate) fn load(engine: &Engine, artifact: &[u8]) -> Result<Module, End> {
    // SAFETY: an artifact is native code, and running one is as good as running a program. What makes it bearable: the node compiled it with this engine
    // in such a process, keeps it with a keyed hash that it checks before it hands it out, and this process has given up everything but its job. The
    // engine itself checks its header and structure, so damage is an error and no crash.
    let module = unsafe { Module::deserialize(engine, artifact) };
    module.map_err(|error| End::BadArtifact { reason: error.to_string() })
}

/// What a module is, for whoever wants to run it.
pub(crate) fn shape(module: &Module) -> Shape {
    let functions = module.exports().functions();
    let exports = functions.filter_map(|function| {
        let name = function.name();
        let signature = signature(function.ty())?;
        let listed = name.len() <= MAX_NAME_BYTES && !is_ours(name);
        (listed && signature.parameters.len() <= 16 && signature.results.len() <= 16)
            .then(|| Export { name: name.to_owned(), signature })
    });
    let exports = exports.take(MAX_LISTED_EXPORTS).collect();
    let program = module
        .exports()
        .any(|export| export.name() == "_start" && matches!(export.ty(), ExternType::Function(_)));
    Shape { program, exports }
}

/// Whether an export is one that only the engine and we know of.
pub(crate) fn is_ours(name: &str) -> bool {
    OURS.contains(&name)
}

/// A function's types, if all of them are numbers.
pub(crate) fn signature(of: &FunctionType) -> Option<Signature> {
    let numbers = |types: &[Type]| types.iter().map(|kind| number_type(*kind)).collect::<Option<Vec<_>>>();
    Some(Signature { parameters: numbers(of.params())?, results: numbers(of.results())? })
}

fn number_type(kind: Type) -> Option<ValueType> {
    match kind {
        Type::I32 => Some(ValueType::I32),
        Type::I64 => Some(ValueType::I64),
        Type::F32 => Some(ValueType::F32),
        Type::F64 => Some(ValueType::F64),
        Type::V128 | Type::ExternRef | Type::FuncRef | Type::ExceptionRef => None,
    }
}

/// As the engine takes it.
pub(crate) fn to_engine(value: Value) -> wasmer::Value {
    match value {
        Value::I32(number) => wasmer::Value::I32(number),
        Value::I64(number) => wasmer::Value::I64(number),
        Value::F32(bits) => wasmer::Value::F32(f32::from_bits(bits)),
        Value::F64(bits) => wasmer::Value::F64(f64::from_bits(bits)),
    }
}

/// As the engine gives it, if it is a number.
pub(crate) fn from_engine(value: &wasmer::Value) -> Option<Value> {
    match value {
        wasmer::Value::I32(number) => Some(Value::I32(*number)),
        wasmer::Value::I64(number) => Some(Value::I64(*number)),
        wasmer::Value::F32(number) => Some(Value::F32(number.to_bits())),
        wasmer::Value::F64(number) => Some(Value::F64(number.to_bits())),
        _ => None,
    }
}

/// One call or run: its instance, its fuel, its clock.
pub(crate) struct Run {
    pub(crate) instance: Instance,
    fuel: u64,
    since: Instant,
    grown: Arc<Grown>,
}

impl Run {
    /// Fuels an instance, whose time has begun at `since`.
    pub(crate) fn begin(
        store: &mut impl AsStoreMut,
        instance: Instance,
        fuel: u64,
        since: Instant,
        grown: &Arc<Grown>,
    ) -> Self {
        fuel::set(store, &instance, fuel);
        Self { instance, fuel, since, grown: Arc::clone(grown) }
    }

    /// Runs the module's own start function, if it has one, and then this one.
    ///
    /// # Errors
    /// How it ended instead of returning.
    pub(crate) fn call(
        &self,
        store: &mut impl AsStoreMut,
        function: &Function,
        arguments: &[wasmer::Value],
    ) -> Result<Box<[wasmer::Value]>, End> {
        if let Ok(start) = self.instance.exports.get_function(START) {
            start.call(store, &[]).map_err(|error| self.ended(store, error))?;
        }
        function.call(store, arguments).map_err(|error| self.ended(store, error))
    }

    /// What it has taken so far.
    pub(crate) fn usage(&self, store: &mut impl AsStoreMut) -> Usage {
        let left = fuel::left(store, &self.instance).unwrap_or(0);
        Usage {
            fuel: self.fuel.saturating_sub(left),
            time_us: microseconds(self.since.elapsed()),
            memory_bytes: self.grown.largest_bytes(),
            memory_refused: self.grown.refused(),
            ..Usage::default()
        }
    }

    fn ended(&self, store: &mut impl AsStoreMut, error: RuntimeError) -> End {
        if let Some(stop) = error.downcast_ref::<Stop>() {
            return match stop {
                Stop::Exit(code) => End::Exited { code: *code },
                Stop::Limit(kind) => End::Limit { kind: *kind },
                Stop::Gone => End::Stopped,
            };
        }
        if fuel::left(store, &self.instance).is_none() {
            return End::Limit { kind: LimitKind::Fuel };
        }
        trap(error, &self.grown)
    }
}

pub(crate) fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// What a trap means to whoever ran the module.
pub(crate) fn trap(error: RuntimeError, grown: &Grown) -> End {
    let mut text = error.message();
    let names = error.trace().iter().filter_map(|frame| frame.function_name());
    let names: Vec<_> = names.take(NAMED_FRAMES).collect();
    if !names.is_empty() {
        text = format!("{text}, in {}", names.join(" < "));
    }
    match error.to_trap() {
        Some(TrapCode::StackOverflow) => End::Limit { kind: LimitKind::Stack },
        // A program that is refused memory gives up somehow; this is why. Of tables it cannot be known (`tunables`).
        _ if grown.refused() => End::Limit { kind: LimitKind::Memory },
        _ => End::Trap { text },
    }
}

/// Makes the start function an export of ours.
#[derive(Debug)]
struct DeferStart;

/// Changes no function.
#[derive(Debug)]
struct Unchanged;

impl FunctionMiddleware<'_> for Unchanged {}

impl ModuleMiddleware for DeferStart {
    fn generate_function_middleware<'a>(
        &self,
        _: LocalFunctionIndex,
    ) -> Box<dyn FunctionMiddleware<'a> + 'a> {
        Box::new(Unchanged)
    }

    fn transform_module_info(&self, module: &mut ModuleInfo) -> Result<(), MiddlewareError> {
        module.exports.shift_remove(START);
        if let Some(start) = module.start_function.take() {
            module.exports.insert(START.to_owned(), ExportIndex::Function(start));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_artifacts_holds_the_version_of_the_engine_that_is_built_in() {
        let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"))
            .expect("as written here");
        assert!(lock.contains(&format!("name = \"wasmer\"\nversion = \"{ENGINE_VERSION}\"\n")));
        assert!(name().starts_with("wasmer-7") && name().len() <= 64, "{}", name());
    }
}
