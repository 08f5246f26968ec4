//! What one instance may take of the machine.
//!
//! Promises that linear memories together, tables, and instances of one call stay below fixed numbers, and that a plugin
//! which asks for more traps at that point with the limit named. Own code and not `StoreLimits`, which counts each memory
//! by itself (a component has several) and says only in a text that it was the one who stopped the guest.

use wasmtime::ResourceLimiter;

/// Elements of one table: interpreters need about 8,000.
const TABLE_ELEMENTS: usize = 20_000;

/// Counts for one store.
#[derive(Debug)]
pub struct Limits {
    memory: usize,
    used: usize,
    exceeded: Option<String>,
}

impl Limits {
    /// At most this many bytes in all linear memories together.
    pub const fn new(memory: usize) -> Self {
        Self { memory, used: 0, exceeded: None }
    }

    /// Bytes of all linear memories together.
    pub const fn memory(&self) -> usize {
        self.memory
    }

    /// Which limit was hit, if one was.
    pub fn exceeded(&self) -> Option<&str> {
        self.exceeded.as_deref()
    }

    fn refuse(&mut self, what: String) -> wasmtime::Error {
        let error = wasmtime::format_err!("{what}");
        self.exceeded = Some(what);
        error
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_add(desired.saturating_sub(current));
        if wanted > self.memory {
            return Err(self.refuse(format!("more than {} MiB of memory wanted", self.memory >> 20)));
        }
        self.used = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            return Err(self.refuse(format!("a table of more than {TABLE_ELEMENTS} elements wanted")));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        200
    }

    fn tables(&self) -> usize {
        32
    }

    fn memories(&self) -> usize {
        8
    }
}
