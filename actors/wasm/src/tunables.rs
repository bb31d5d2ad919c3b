//! How much memory and how many table elements an instance may have, enforced where the engine creates and grows them.
//!
//! The caps hold for each memory and table; `inspect` lets a module have one memory and a few tables. A growth of memory that they refuse is noted: WebAssembly tells the module by -1, which most
//! programs answer by a crash that says nothing about memory. What a module's own maximum refuses is its own affair, and not noted. Growth of a table is not
//! seen here at all: the engine's table is no trait, and looks by itself at the maximum that it was given.
//!
//! Not here: memory of the runner itself (`sandbox`).

use pc2_protocols::wasm::limits::Limits;
use std::{
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use wasmer::{
    MemoryType, Pages, TableType,
    sys::{
        BaseTunables, Tunables,
        vm::{
            LinearMemory, MemoryError, MemoryStyle, TableStyle, VMMemory, VMMemoryDefinition, VMTable,
            VMTableDefinition,
        },
    },
};

const PAGE_BYTES: u64 = 64 * 1024;

/// What 32 bits address.
const ADDRESSED_PAGES: Pages = Pages(65_536);

/// What the memories of a run have come to.
#[derive(Debug, Default)]
pub(crate) struct Grown {
    largest_bytes: AtomicU64,
    refused: AtomicBool,
    table_refused: AtomicBool,
}

impl Grown {
    /// Begins anew, for the next call.
    pub(crate) fn reset(&self) {
        self.largest_bytes.store(0, Ordering::Relaxed);
        self.refused.store(false, Ordering::Relaxed);
        self.table_refused.store(false, Ordering::Relaxed);
    }

    /// The largest that a memory was, in bytes.
    pub(crate) fn largest_bytes(&self) -> u64 {
        self.largest_bytes.load(Ordering::Relaxed)
    }

    /// Whether a growth was refused that the module itself had allowed for.
    pub(crate) fn refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether a table could not be created, since it begins too large.
    pub(crate) fn table_refused(&self) -> bool {
        self.table_refused.load(Ordering::Relaxed)
    }

    fn note(&self, size: Pages) {
        self.largest_bytes.fetch_max(u64::from(size.0) * PAGE_BYTES, Ordering::Relaxed);
    }
}

/// The engine's own way of creating things, capped.
pub(crate) struct Capped {
    base: BaseTunables,
    most_pages: Pages,
    most_elements: u32,
    grown: Arc<Grown>,
}

impl Capped {
    pub(crate) fn new(limits: &Limits, grown: Arc<Grown>) -> Self {
        let most_pages = u32::try_from(limits.memory_bytes / PAGE_BYTES).unwrap_or(u32::MAX);
        Self {
            base: BaseTunables::new(),
            most_pages: Pages(most_pages).min(ADDRESSED_PAGES),
            most_elements: u32::try_from(limits.table_elements).unwrap_or(u32::MAX),
            grown,
        }
    }

    fn memory(&self, wanted: &MemoryType) -> Result<MemoryType, MemoryError> {
        if wanted.minimum > self.most_pages {
            self.grown.refused.store(true, Ordering::Relaxed);
            return Err(MemoryError::Generic("it begins with more memory than it may have".to_owned()));
        }
        Ok(MemoryType {
            maximum: Some(wanted.maximum.unwrap_or(self.most_pages).min(self.most_pages)),
            ..*wanted
        })
    }

    fn table(&self, wanted: &TableType) -> Result<TableType, String> {
        if wanted.minimum > self.most_elements {
            self.grown.table_refused.store(true, Ordering::Relaxed);
            return Err("it begins with larger tables than it may have".to_owned());
        }
        Ok(TableType {
            maximum: Some(wanted.maximum.unwrap_or(self.most_elements).min(self.most_elements)),
            ..*wanted
        })
    }

    /// `wanted` is as the module declared it.
    fn watched(&self, memory: VMMemory, wanted: &MemoryType) -> VMMemory {
        self.grown.note(memory.size());
        let own_most = wanted.maximum.unwrap_or(ADDRESSED_PAGES);
        VMMemory(Box::new(Watched { memory, own_most, grown: Arc::clone(&self.grown) }))
    }
}

impl Tunables for Capped {
    fn memory_style(&self, memory: &MemoryType) -> MemoryStyle {
        self.base.memory_style(memory)
    }

    fn table_style(&self, table: &TableType) -> TableStyle {
        self.base.table_style(table)
    }

    fn create_host_memory(&self, wanted: &MemoryType, style: &MemoryStyle) -> Result<VMMemory, MemoryError> {
        Ok(self.watched(self.base.create_host_memory(&self.memory(wanted)?, style)?, wanted))
    }

    #[allow(unsafe_code)]
    unsafe fn create_vm_memory(
        &self,
        wanted: &MemoryType,
        style: &MemoryStyle,
        definition: NonNull<VMMemoryDefinition>,
    ) -> Result<VMMemory, MemoryError> {
        let capped = self.memory(wanted)?;
        // SAFETY: passed on as it came; whoever calls this promises what the base asks for, and only the maximum was lowered.
        let memory = unsafe { self.base.create_vm_memory(&capped, style, definition)? };
        Ok(self.watched(memory, wanted))
    }

    fn create_host_table(&self, wanted: &TableType, style: &TableStyle) -> Result<VMTable, String> {
        self.base.create_host_table(&self.table(wanted)?, style)
    }

    #[allow(unsafe_code)]
    unsafe fn create_vm_table(
        &self,
        wanted: &TableType,
        style: &TableStyle,
        definition: NonNull<VMTableDefinition>,
    ) -> Result<VMTable, String> {
        let wanted = self.table(wanted)?;
        // SAFETY: as above.
        unsafe { self.base.create_vm_table(&wanted, style, definition) }
    }
}

/// A memory that notes its growth, and is otherwise the one inside.
#[derive(Debug)]
struct Watched {
    memory: VMMemory,
    /// To how much the module lets it grow.
    own_most: Pages,
    grown: Arc<Grown>,
}

impl LinearMemory for Watched {
    fn ty(&self) -> MemoryType {
        self.memory.ty()
    }

    fn size(&self) -> Pages {
        self.memory.size()
    }

    fn style(&self) -> MemoryStyle {
        self.memory.style()
    }

    fn grow(&mut self, delta: Pages) -> Result<Pages, MemoryError> {
        let wanted = self.memory.size().checked_add(delta);
        let before = self.memory.grow(delta);
        match &before {
            Ok(_) => self.grown.note(self.memory.size()),
            Err(_) if wanted.is_some_and(|wanted| wanted <= self.own_most) => {
                self.grown.refused.store(true, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        before
    }

    fn vmmemory(&self) -> NonNull<VMMemoryDefinition> {
        self.memory.vmmemory()
    }

    fn try_clone(&self) -> Result<Box<dyn LinearMemory + Send + Sync + 'static>, MemoryError> {
        self.memory.0.try_clone()
    }

    fn copy(&self) -> Result<Box<dyn LinearMemory + Send + Sync + 'static>, MemoryError> {
        self.memory.0.copy()
    }
}
