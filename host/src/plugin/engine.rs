//! The WebAssembly engine: one for a process, with limits on time, memory and copies.
//!
//! Promises that every call runs in a fresh instance with an empty WASI (no files, sockets, environment or arguments, and no
//! sleeping), that a guest which computes without end is stopped after its CPU budget and never keeps a worker thread, and
//! that at most `instances` calls run at once. Falls back from the pool of instances to plain allocation where the address
//! space for the pool cannot be had.
//!
//! Not obvious: the epoch goes on while a guest waits for the host, so the budget is counted by the callback, and a tick that
//! comes first after a host call is free. The wall clock is a second limit, around the whole call.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_aot::{AotError, Cache};
use tokio::sync::Semaphore;
use wasmtime::component::{Component, HasSelf, Linker, Resource};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline};
use wasmtime_wasi::p2::DynPollable;

use super::state::CallState;
use super::told::Told;
use super::wit::since_v0_1_0;
use crate::config::Plugins as Settings;

const TICK: Duration = Duration::from_millis(10);
/// Bytes a guest may hand to the host in one call of an import.
const COPIED: usize = 16 << 20;
const KEEP_RESIDENT: usize = 64 << 10;
/// The names under which WASI's monotonic clock is linked.
const CLOCK: &str = "wasi:clocks/monotonic-clock@0.2.12";

/// The engine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refuses its settings, on this machine.
    #[error("start the plugin engine: {0}")]
    Engine(String),
    /// The folder for compiled plugins cannot be used.
    #[error(transparent)]
    Cache(#[from] AotError),
}

/// The engine with everything linked, and the numbers of a call.
pub struct Runtime {
    pub(super) engine: Engine,
    pub(super) linker: Linker<CallState>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) call_timeout: Duration,
    pub(super) told: Told,
    cpu: Duration,
    memory: usize,
    cache: Option<Cache>,
}

impl Runtime {
    /// Start it. With a state folder, compiled plugins are kept in `compiled` under it.
    pub fn start(settings: &Settings, state_dir: Option<&Path>) -> Result<Self, EngineError> {
        let fail = |error: wasmtime::Error| EngineError::Engine(format!("{error:#}"));
        let memory = usize::try_from(settings.memory_mib).unwrap_or(64).max(1) << 20;
        let instances = settings.instances.max(1);
        let engine = match Engine::new(config().allocation_strategy(pool(instances, memory))) {
            Ok(engine) => engine,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "no pool of plugin instances; they are made one by one");
                Engine::new(&config()).map_err(fail)?
            }
        };
        tick(&engine).map_err(|error| EngineError::Engine(error.to_string()))?;
        let linker = linker(&engine).map_err(fail)?;
        let kept = |dir: &Path| settings.cache_dir.clone().unwrap_or_else(|| dir.join("compiled"));
        let cache = state_dir.map(|dir| Cache::open(&kept(dir))).transpose()?;
        Ok(Self {
            engine,
            linker,
            permits: Arc::new(Semaphore::new(usize::try_from(instances).unwrap_or(1))),
            call_timeout: Duration::from_millis(settings.call_timeout_ms),
            told: Told::new(),
            cpu: Duration::from_millis(settings.cpu_ms),
            memory,
            cache,
        })
    }

    /// Compile, or read the compiled form. Blocks: call it off the runtime's threads.
    pub fn component(&self, wasm: &[u8]) -> Result<Component, AotError> {
        match &self.cache {
            Some(cache) => cache.component(&self.engine, wasm).map(|(component, origin)| {
                if origin == farrier_aot::Origin::Repaired {
                    tracing::warn!("a compiled plugin on disk was not what had been written; compiled again");
                }
                component
            }),
            None => Component::new(&self.engine, wasm).map_err(|error| AotError::Compile(format!("{error:#}"))),
        }
    }

    /// A store for one call.
    pub fn store(&self, state: CallState) -> Store<CallState> {
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(COPIED);
        store.set_epoch_deadline(1);
        let mut left = self.cpu.as_millis() / TICK.as_millis();
        store.epoch_deadline_callback(move |mut store| {
            if std::mem::take(&mut store.data_mut().waited) {
                return Ok(UpdateDeadline::Yield(1));
            }
            if left == 0 {
                return Ok(UpdateDeadline::Interrupt);
            }
            left -= 1;
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// Bytes all linear memories of one call may have.
    pub const fn memory(&self) -> usize {
        self.memory
    }

    /// Time one call may compute.
    pub const fn cpu(&self) -> Duration {
        self.cpu
    }

    /// When a call that begins now must be done.
    pub fn deadline(&self, timeout: Option<Duration>) -> Instant {
        Instant::now() + timeout.unwrap_or(self.call_timeout)
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.wasm_backtrace_max_frames(NonZeroUsize::new(32));
    config
}

fn pool(instances: u32, memory: usize) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(8))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(4))
        .total_stacks(instances)
        .max_core_instances_per_component(200)
        .max_memories_per_component(8)
        .max_tables_per_component(32)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_memory_size(memory)
        .linear_memory_keep_resident(KEEP_RESIDENT);
    InstanceAllocationStrategy::Pooling(pool)
}

/// Count the epoch up every ten milliseconds for as long as the engine lives.
fn tick(engine: &Engine) -> std::io::Result<()> {
    let weak = engine.weak();
    let ticker = move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new().name("plugin-epoch".to_owned()).spawn(ticker).map(drop)
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    since_v0_1_0::Host_::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    linker.allow_shadowing(true);
    let mut clock = linker.instance(CLOCK)?;
    for name in ["subscribe-duration", "subscribe-instant"] {
        clock.func_wrap(name, |_, (_,): (u64,)| -> wasmtime::Result<(Resource<DynPollable>,)> {
            wasmtime::bail!("a call cannot sleep: return a job, and the host polls it")
        })?;
    }
    linker.allow_shadowing(false);
    Ok(linker)
}
