//! What is refused before the compiler sees it: what is no module, too large a module, and one that wants what nobody is given.
//!
//! Reads the module's sections once, without allocating for what they promise. What is declared here is also enforced later, when the module runs; but a
//! module of a million functions is not to cost a minute first.
//!
//! Not here: whether the code is valid (the engine checks that as it compiles).

use crate::wasi;
use pc2_protocols::wasm::{
    end::End,
    limits::{LimitKind, Limits},
};
use wasmer::sys::wasmparser::{Encoding, Parser, Payload, TypeRef};

const PAGE_BYTES: u64 = 64 * 1024;

/// Most tables of a module: each may grow to the limit. Compilers make one, and two where references to things outside are used.
const MAX_TABLES: u64 = 8;

/// Looks at a module's bytes.
///
/// # Errors
/// Why it is not compiled.
pub(crate) fn check(module: &[u8], limits: &Limits) -> Result<(), End> {
    let not_one = |reason: String| End::NotAModule { reason };
    if module.len() as u64 > limits.module_bytes {
        return Err(End::Limit { kind: LimitKind::ModuleSize });
    }
    if !module.starts_with(b"\0asm") {
        return Err(not_one("it does not begin like one".to_owned()));
    }
    for payload in Parser::new(0).parse_all(module) {
        let broken = |error: wasmer::sys::wasmparser::Error| {
            not_one(format!("{} (at byte {})", error.message(), error.offset()))
        };
        match payload.map_err(broken)? {
            Payload::Version { encoding: Encoding::Component, .. } => return Err(End::Component),
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(broken)?;
                    let known = import.module == wasi::MODULE && wasi::NAMES.contains(&import.name);
                    if !known || !matches!(import.ty, TypeRef::Func(_)) {
                        let (module, name) = (import.module.to_owned(), import.name.to_owned());
                        return Err(End::ImportRefused { module, name });
                    }
                }
            }
            Payload::FunctionSection(section) => {
                at_most(u64::from(section.count()), limits.functions, LimitKind::Functions)?;
            }
            Payload::MemorySection(section) => {
                let mut pages = 0_u64;
                for memory in section {
                    pages = pages.saturating_add(memory.map_err(broken)?.initial);
                }
                at_most(pages.saturating_mul(PAGE_BYTES), limits.memory_bytes, LimitKind::Memory)?;
            }
            Payload::TableSection(section) => {
                at_most(u64::from(section.count()), MAX_TABLES, LimitKind::Table)?;
                let mut elements = 0_u64;
                for table in section {
                    elements = elements.saturating_add(table.map_err(broken)?.ty.initial);
                }
                at_most(elements, limits.table_elements, LimitKind::Table)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn at_most(count: u64, most: u64, kind: LimitKind) -> Result<(), End> {
    if count > most { Err(End::Limit { kind }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(text: &str) -> Result<(), End> {
        check(&wat::parse_str(text).expect("as written here"), &Limits::default())
    }

    fn limit(kind: LimitKind) -> Result<(), End> {
        Err(End::Limit { kind })
    }

    #[test]
    fn an_ordinary_module_may_be_compiled() {
        let text = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
            (memory 2) (table 10 funcref) (func))"#;
        assert_eq!(look(text), Ok(()));
    }

    #[test]
    fn what_is_no_module_is_told_so() {
        for bytes in [&b""[..], b"\0as", b"#!/bin/sh", b"\x7fELF\x02\x01\x01", b"\0asm", b"\0asm\x02\0\0\0"] {
            assert!(matches!(check(bytes, &Limits::default()), Err(End::NotAModule { .. })), "{bytes:?}");
        }
        let whole = wat::parse_str("(module (func (export \"f\")))").expect("as written here");
        for cut in 9..whole.len() {
            let answer = check(&whole[..cut], &Limits::default());
            assert!(matches!(answer, Ok(()) | Err(End::NotAModule { .. })), "cut at {cut}: {answer:?}");
        }
        assert!(matches!(check(&whole[..whole.len() - 1], &Limits::default()), Err(End::NotAModule { .. })));
    }

    #[test]
    fn a_component_is_told_apart_from_a_module() {
        assert_eq!(check(b"\0asm\x0d\0\x01\0", &Limits::default()), Err(End::Component));
    }

    #[test]
    fn an_import_that_nobody_is_given_is_refused_by_name() {
        for (module, name) in
            [("env", "fork"), ("wasix_32v1", "proc_fork"), ("wasi_snapshot_preview1", "sock_open")]
        {
            let text = format!("(module (import \"{module}\" \"{name}\" (func)))");
            assert_eq!(look(&text), Err(End::ImportRefused { module: module.into(), name: name.into() }));
        }
        let memory = look(r#"(module (import "wasi_snapshot_preview1" "fd_write" (memory 1)))"#);
        assert!(matches!(memory, Err(End::ImportRefused { .. })));
    }

    #[test]
    fn what_is_declared_too_large_is_refused_by_the_name_of_its_limit() {
        assert_eq!(look("(module (memory 65536))"), limit(LimitKind::Memory));
        assert_eq!(look("(module (table 100001 funcref))"), limit(LimitKind::Table));
        let many = format!("(module {})", "(table 1 funcref)".repeat(9));
        assert_eq!(look(&many), limit(LimitKind::Table));
        let small = Limits { functions: 2, ..Limits::default() };
        let three = wat::parse_str("(module (func) (func) (func))").expect("as written here");
        assert_eq!(check(&three, &small), limit(LimitKind::Functions));
        let tiny = Limits { module_bytes: 8, ..Limits::default() };
        assert_eq!(check(&three, &tiny), limit(LimitKind::ModuleSize));
    }
}
