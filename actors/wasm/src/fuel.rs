//! Fuel: every operator that a module executes is counted, and what has counted too far stops.
//!
//! Each function counts in a local of its own, which the compiler keeps in a register, and hands what is left over by a global at each call and each end. Before every place to which or
//! from which code can jump, what was executed since the last such place is taken off, and whoever is below zero stops there: so no loop goes round unseen. The way of `wasmer-middlewares`,
//! a global alone, costs a tight loop three times its time, as each round waits for the memory that the last one wrote; this one less than twice.
//!
//! Two steps, since the engine lets nobody add locals while it compiles: [`with_counters`] gives each function one more in the module's bytes, and [`Counting`] adds the
//! operators while the compiler reads them. What is left of a module that trapped is what was left at its last call: nobody pays for telling the rest.
//!
//! Not here: how much fuel there is, and what running out means (`engine`).

use std::sync::OnceLock;
use wasmer::{
    AsStoreMut, ExportIndex, GlobalInit, GlobalType, Instance, LocalFunctionIndex, ModuleInfo, Mutability,
    Type, Value,
    sys::{
        FunctionMiddleware, MiddlewareError, MiddlewareReaderState, ModuleMiddleware,
        wasmparser::{BinaryReaderError, BlockType, Operator, Parser, Payload},
    },
};

/// What the global is exported as. A module cannot export the same: it would be replaced.
pub(crate) const FUEL: &str = "pc2_fuel";

/// A group of one local with 64 bits, as a function declares it.
const ONE_COUNTER: [u8; 2] = [1, 0x7e];

/// Number of the section with the code.
const CODE: u8 = 10;

/// The same module with one more local in each function: its last one. The module must be a valid one.
///
/// # Errors
/// When it is none after all.
pub(crate) fn with_counters(module: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let mut changed = Vec::with_capacity(module.len().saturating_add(module.len() / 16));
    let mut code = Vec::new();
    let mut left = 0_u32;
    let piece = |from: u64, to: u64| {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        module.get(place(from)..place(to)).unwrap_or_default()
    };
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::Version { range, .. } => changed.extend_from_slice(piece(range.start, range.end)),
            Payload::CodeSectionStart { count, .. } => {
                left = count;
                length(&mut code, u64::from(count));
                if left == 0 {
                    section(&mut changed, CODE, &code);
                }
            }
            Payload::CodeSectionEntry(body) => {
                let mut locals = body.get_locals_reader()?;
                let (groups, from) = (locals.get_count(), locals.original_position());
                for _ in 0..groups {
                    locals.read()?;
                }
                let to = locals.original_position();
                let mut own = Vec::new();
                length(&mut own, u64::from(groups).saturating_add(1));
                own.extend_from_slice(piece(from, to));
                own.extend_from_slice(&ONE_COUNTER);
                own.extend_from_slice(piece(to, body.range().end));
                length(&mut code, own.len() as u64);
                code.extend_from_slice(&own);
                left = left.saturating_sub(1);
                if left == 0 {
                    section(&mut changed, CODE, &code);
                }
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    section(&mut changed, id, piece(range.start, range.end));
                }
            }
        }
    }
    Ok(changed)
}

fn section(module: &mut Vec<u8>, id: u8, content: &[u8]) {
    module.push(id);
    length(module, content.len() as u64);
    module.extend_from_slice(content);
}

/// A number as WebAssembly writes lengths: seven bits a byte, the lowest first (LEB128).
fn length(to: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = (number & 0x7f).to_le_bytes();
        number >>= 7;
        if number == 0 {
            return to.push(low);
        }
        to.push(low | 0x80);
    }
}

/// Sets how much is left.
pub(crate) fn set(store: &mut impl AsStoreMut, instance: &Instance, fuel: u64) {
    if let Ok(global) = instance.exports.get_global(FUEL) {
        let _it_is_ours = global.set(store, Value::I64(i64::try_from(fuel).unwrap_or(i64::MAX)));
    }
}

/// How much is left; `None`: it ran out.
pub(crate) fn left(store: &mut impl AsStoreMut, instance: &Instance) -> Option<u64> {
    match instance.exports.get_global(FUEL).map(|global| global.get(store)) {
        Ok(Value::I64(left)) => u64::try_from(left).ok(),
        // Of a module that was not compiled to count.
        _ => Some(0),
    }
}

/// Adds the counting to one module. Serves one compilation.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    layout: OnceLock<Layout>,
}

/// Where things are in the module.
#[derive(Debug)]
struct Layout {
    global: u32,
    /// How many parameters each function has, in the order of their code.
    parameters: Vec<u32>,
}

impl ModuleMiddleware for Counting {
    fn transform_module_info(&self, info: &mut ModuleInfo) -> Result<(), MiddlewareError> {
        let failed = |why: &str| MiddlewareError::new("fuel", why);
        let parameters = info.functions.iter().skip(info.num_imported_functions).map(|(_, signature)| {
            let signature =
                info.signatures.get(*signature).ok_or_else(|| failed("a function has no signature"))?;
            u32::try_from(signature.params().len()).map_err(|_| failed("a function has too many parameters"))
        });
        let parameters = parameters.collect::<Result<Vec<_>, _>>()?;
        let global = info.globals.push(GlobalType::new(Type::I64, Mutability::Var));
        // Until somebody fuels it, nothing is there.
        info.global_initializers.push(GlobalInit::I64Const(0));
        info.exports.shift_remove(FUEL);
        info.exports.insert(FUEL.to_owned(), ExportIndex::Global(global));
        let layout = Layout { global: global.as_u32(), parameters };
        self.layout.set(layout).map_err(|_| failed("an engine compiles one module"))
    }

    fn generate_function_middleware<'a>(
        &self,
        function: LocalFunctionIndex,
    ) -> Box<dyn FunctionMiddleware<'a> + 'a> {
        let place = usize::try_from(function.as_u32()).unwrap_or(usize::MAX);
        let of = self.layout.get();
        let parameters = of.and_then(|layout| layout.parameters.get(place).copied());
        let global = of.map(|layout| layout.global);
        Box::new(Counter { global, parameters, local: None, cost: 0, depth: 0, begun: false })
    }
}

/// Counts in one function.
#[derive(Debug)]
struct Counter {
    global: Option<u32>,
    parameters: Option<u32>,
    /// The local that counts: the last one.
    local: Option<u32>,
    /// Operators since the last place where they were taken off.
    cost: i64,
    /// Blocks around the operator; 0 is the function itself.
    depth: u32,
    begun: bool,
}

impl Counter {
    /// What was executed is taken off; who has not that much stops.
    fn charge(&mut self, local: u32, global: u32, state: &mut MiddlewareReaderState<'_>) {
        state.extend(&[
            Operator::LocalGet { local_index: local },
            Operator::I64Const { value: self.cost },
            Operator::I64Sub,
            Operator::LocalTee { local_index: local },
            Operator::I64Const { value: 0 },
            Operator::I64LtS,
            Operator::If { blockty: BlockType::Empty },
            Operator::LocalGet { local_index: local },
            Operator::GlobalSet { global_index: global },
            Operator::Unreachable,
            Operator::End,
        ]);
        self.cost = 0;
    }

    /// Whether the function may be left by it. A jump out of all blocks is an end of the function.
    fn leaves(&self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::Return => true,
            Operator::End => self.depth == 0,
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                *relative_depth == self.depth
            }
            Operator::BrTable { targets } => {
                let mut all = targets.targets();
                targets.default() == self.depth
                    || all.any(|target| target.is_ok_and(|target| target == self.depth))
            }
            _ => false,
        }
    }
}

/// Whether code can jump from it, or to it.
const fn is_a_junction(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::End
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::Return
    ) || is_a_call(operator)
}

const fn is_a_call(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. })
}

impl<'a> FunctionMiddleware<'a> for Counter {
    fn locals_info(&mut self, locals: &[wasmer::sys::wasmparser::ValType]) {
        let declared = u32::try_from(locals.len()).ok();
        // The last of them is the one that was added.
        let last =
            self.parameters.zip(declared).and_then(|(parameters, declared)| parameters.checked_add(declared));
        self.local = last.and_then(|after| after.checked_sub(1));
    }

    fn feed(
        &mut self,
        operator: Operator<'a>,
        state: &mut MiddlewareReaderState<'a>,
    ) -> Result<(), MiddlewareError> {
        let (Some(global_index), Some(local_index)) = (self.global, self.local) else {
            return Err(MiddlewareError::new("fuel", "a function has no counter"));
        };
        let fetch = [Operator::GlobalGet { global_index }, Operator::LocalSet { local_index }];
        let hand_over = [Operator::LocalGet { local_index }, Operator::GlobalSet { global_index }];
        if !std::mem::replace(&mut self.begun, true) {
            state.extend(&fetch);
        }
        self.cost = self.cost.saturating_add(1);
        if is_a_junction(&operator) {
            self.charge(local_index, global_index, state);
        }
        let calls = is_a_call(&operator);
        if calls || self.leaves(&operator) {
            state.extend(&hand_over);
        }
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                self.depth = self.depth.saturating_add(1);
            }
            Operator::End => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        state.push_operator(operator);
        if calls {
            state.extend(&fetch);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
