//! For the benchmark alone: a module compiled by the same engine without counting fuel, and called in this process. What is missing there is what counting costs.
//!
//! The node and its runners never come here: nothing would stop a loop.

use crate::{
    engine::{self, Fuel},
    tunables::Grown,
};
use pc2_protocols::wasm::limits::Limits;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use wasmer::{Engine, Imports, Instance, Module, Store};

/// A module that counts nothing.
pub struct Unmetered {
    engine: Engine,
    module: Module,
}

impl Unmetered {
    /// Compiles it.
    ///
    /// # Errors
    /// What the compiler says.
    pub fn compile(module: &[u8]) -> Result<Self, String> {
        let compiled =
            Module::new(&engine::compiling(Fuel::Uncounted), module).map_err(|error| error.to_string())?;
        let artifact = compiled.serialize().map_err(|error| error.to_string())?;
        let engine = engine::running(&Limits::default(), Arc::new(Grown::default()));
        let module = engine::load(&engine, &artifact).map_err(|end| format!("{end:?}"))?;
        Ok(Self { engine, module })
    }

    /// Calls a function that takes and gives one i32. How long that took, and what it gave.
    ///
    /// # Errors
    /// What the engine says.
    pub fn call(&self, function: &str, argument: i32) -> Result<(Duration, i32), String> {
        let mut store = Store::new(self.engine.clone());
        let instance =
            Instance::new(&mut store, &self.module, &Imports::new()).map_err(|error| error.to_string())?;
        let function = instance.exports.get_typed_function::<i32, i32>(&store, function);
        let function = function.map_err(|error| error.to_string())?;
        let since = Instant::now();
        let given = function.call(&mut store, argument).map_err(|error| error.to_string())?;
        Ok((since.elapsed(), given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_called() {
        let module = wat::parse_str(
            r#"(module (func (export "more") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))"#,
        );
        let module = Unmetered::compile(&module.expect("a module")).expect("compiled");
        assert_eq!(module.call("more", 7).expect("called").1, 8);
    }
}
