//! What one call owns on the host's side of the sandbox.
//!
//! Dropped with the store at the end of the call, whatever the end was.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::broker::{Endpoint, Images, Secrets};
use super::kv::Drawer;
use super::limits::Limits;
use super::stderr::Tail;
use crate::egress::{Denied, Gate};

/// Handles to host resources one guest may hold.
const HANDLES: usize = 1_000;

/// What the operator configured for a plugin: names and choices, never secrets.
pub type Settings = BTreeMap<String, String>;

/// What an operator sees while a call runs.
pub trait Progress: Send + Sync {
    /// `percent` is 0 to 100.
    fn report(&self, percent: Option<u8>, message: &str);
}

/// What a call was lent; absent while a plugin describes itself.
pub struct Lent {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) gate: Gate,
    pub(super) secrets: Secrets,
    pub(super) images: Images,
    pub(super) questions: Vec<String>,
    pub(super) settings: Arc<Settings>,
    pub(super) drawer: Option<Drawer>,
    pub(super) progress: Option<Arc<dyn Progress>>,
}

/// The data of a call's store.
pub struct CallState {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(super) limits: Limits,
    pub(super) stderr: Tail,
    pub(super) deadline: Instant,
    pub(super) lent: Option<Lent>,
    /// Set when a host call returns: the next tick of the epoch is not the guest's doing.
    pub(super) waited: bool,
    /// What the guard said, if it said no: it decides the fault, whatever the plugin makes of it.
    pub(super) denied: Option<Denied>,
    /// Log lines written.
    pub(super) lines: u32,
}

impl CallState {
    pub(super) fn new(memory: usize, deadline: Instant, lent: Option<Lent>) -> Self {
        let stderr = Tail::default();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        Self {
            wasi: WasiCtxBuilder::new().stderr(stderr.clone()).max_random_size(1 << 16).build(),
            table,
            limits: Limits::new(memory),
            stderr,
            deadline,
            lent,
            waited: false,
            denied: None,
            lines: 0,
        }
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
