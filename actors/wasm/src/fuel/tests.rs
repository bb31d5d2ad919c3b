//! What is counted, however code leaves a block, a function or itself.

use super::*;
use crate::{
    engine::{self, Fuel},
    tunables::Grown,
};
use pc2_protocols::wasm::limits::Limits;
use std::sync::Arc;
use wasmer::{Imports, Module, Store, sys::wasmparser::Validator};

/// Fuel enough for everything here.
const PLENTY: u64 = 1_000_000;

/// Calls `f` with this number and so much fuel: what it gave, if it did, and what is left, if anything.
fn called(text: &str, argument: i32, fuel: u64) -> (Option<i32>, Option<u64>) {
    let module = wat::parse_str(text).expect("a module");
    let counted = with_counters(&module).expect("a valid one");
    Validator::new().validate_all(&counted).expect("it stays valid");
    let compiled = Module::new(&engine::compiling(Fuel::Counted), &counted).expect("compiled");
    let artifact = compiled.serialize().expect("an artifact");
    let engine = engine::running(&Limits::default(), Arc::new(Grown::default()));
    let module = engine::load(&engine, &artifact).expect("loaded");
    let mut store = Store::new(engine);
    let instance = Instance::new(&mut store, &module, &Imports::new()).expect("an instance");
    set(&mut store, &instance, fuel);
    let function = instance.exports.get_typed_function::<i32, i32>(&store, "f").expect("a function");
    let given = function.call(&mut store, argument).ok();
    (given, left(&mut store, &instance))
}

fn spent(text: &str, argument: i32) -> u64 {
    let (given, left) = called(text, argument, PLENTY);
    assert!(given.is_some(), "{text}");
    PLENTY - left.expect("something is left")
}

#[test]
fn every_operator_counts_once_wherever_the_function_is_left() {
    for (text, operators) in [
        // Its end.
        ("(func (export \"f\") (param i32) (result i32) (local.get 0))", 2),
        // A return, with code behind it that is never reached.
        (
            "(func (export \"f\") (param i32) (result i32) (return (local.get 0)) (drop (i32.const 1)) (i32.const 2))",
            2,
        ),
        // A jump out of all blocks, from within one.
        ("(func (export \"f\") (param i32) (result i32) (block (br 1 (local.get 0))) (i32.const 2))", 3),
        // The same, if something is so.
        (
            "(func (export \"f\") (param i32) (result i32) (block (br_if 1 (local.get 0) (i32.const 1)) drop) (i32.const 2))",
            4,
        ),
        // The same, by a table.
        (
            "(func (export \"f\") (param i32) (result i32) (block (br_table 1 1 (local.get 0) (i32.const 0))) (i32.const 2))",
            4,
        ),
        // Locals of its own, of several kinds.
        (
            "(func (export \"f\") (param i32) (result i32) (local i32 i32 f64 i64) (local.set 1 (local.get 0)) (local.get 1))",
            4,
        ),
    ] {
        assert_eq!(spent(&format!("(module {text})"), 1), operators, "{text}");
    }
}

#[test]
fn each_round_of_a_loop_counts() {
    let text = "(module (func (export \"f\") (param i32) (result i32)
        (loop (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if 0 (local.get 0))) (local.get 0)))";
    let (ten, eleven) = (spent(text, 10), spent(text, 11));
    assert_eq!(eleven - ten, 6);
    assert_eq!(spent(text, 1_000) - ten, 990 * 6);
}

#[test]
fn what_is_called_counts_for_the_caller_too() {
    let text = "(module (type $t (func (param i32) (result i32))) (table 1 funcref) (elem (i32.const 0) $g)
        (func $g (type $t) (i32.add (local.get 0) (i32.const 1)))
        (func (export \"f\") (param i32) (result i32)
            (call $g (call_indirect (type $t) (local.get 0) (i32.const 0)))))";
    // Twice four of `g`, and five of its own.
    assert_eq!(spent(text, 1), 13);
}

#[test]
fn whoever_has_exactly_enough_ends_and_whoever_has_one_less_stops() {
    let text = "(module (func (export \"f\") (param i32) (result i32)
        (loop (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if 0 (local.get 0))) (local.get 0)))";
    let needed = spent(text, 50);
    assert_eq!(called(text, 50, needed), (Some(0), Some(0)));
    assert_eq!(called(text, 50, needed - 1), (None, None));
}

#[test]
fn a_loop_without_end_stops_whatever_it_consists_of() {
    for endless in [
        "(loop (br 0))",
        "(loop (br_if 0 (i32.const 1)))",
        "(loop (br_table 0 0 (i32.const 7)))",
        "(loop (if (i32.const 1) (then (br 1)) (else (br 1))))",
        "(loop (block (br 1)))",
        "(loop (call $nothing) (br 0))",
        "(loop (loop (br 1)))",
        "(drop (call $itself (i32.const 1)))",
    ] {
        let text = format!(
            "(module (func $nothing) (func $itself (export \"f\") (param i32) (result i32) {endless} (i32.const 1)))"
        );
        assert_eq!(called(&text, 1, 20_000), (None, None), "{endless}");
    }
}

#[test]
fn a_module_cannot_name_the_counter_as_its_own() {
    let text = "(module (global (export \"pc2_fuel\") (mut i64) (i64.const 9)) (func (export \"f\") (param i32) (result i32)
        (global.set 0 (i64.const 9223372036854775807)) (loop (br 0)) (i32.const 1)))";
    assert_eq!(called(text, 1, 10_000), (None, None));
}

#[test]
fn a_module_with_everything_else_in_it_stays_as_it_is() {
    let text = "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func (param i32 i32 i32 i32) (result i32)))
        (memory (export \"memory\") 1) (data (i32.const 8) \"hello\") (table 2 funcref) (elem (i32.const 0) 0 1)
        (global $g (mut i32) (i32.const 1)) (func $start (global.set $g (i32.const 2))) (start $start)
        (func (export \"f\") (param i32) (result i32) (i32.load8_u (local.get 0)))
        (@custom \"note\" \"text\"))";
    let module = wat::parse_str(text).expect("a module");
    let counted = with_counters(&module).expect("a valid one");
    Validator::new().validate_all(&counted).expect("it stays valid");
    let sections = |bytes: &[u8]| {
        let payloads = Parser::new(0).parse_all(bytes).map(|payload| payload.expect("whole"));
        let others = payloads.filter_map(|payload| payload.as_section()).filter(|(id, _)| *id != CODE);
        let content = |range: std::ops::Range<u64>| {
            let place = |at: u64| usize::try_from(at).expect("small");
            bytes[place(range.start)..place(range.end)].to_vec()
        };
        others.map(|(id, range)| (id, content(range))).collect::<Vec<_>>()
    };
    assert_eq!(sections(&counted), sections(&module));
}
