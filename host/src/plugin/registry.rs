//! The plugins of a folder, loaded once at start-up.
//!
//! Promises that one that cannot be loaded is one clear problem and the others work. Names are unique: of two with the same
//! name the file that sorts first is kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use farrier_lifecycle::Mac;
use wasmtime::component::{Component, InstancePre};

use super::call::Driver;
use super::engine::{EngineError, Runtime};
use super::kv::Kv;
use super::load::{self, Exports, LoadProblem};
use super::rank;
use super::state::CallState;
use super::told::Calls;
use super::wit::metadata::PluginInfo;
use crate::config::Plugins as Settings;

/// One loaded plugin.
pub struct Plugin {
    /// What it says of itself.
    pub info: PluginInfo,
    /// Where it came from.
    pub file: PathBuf,
    /// SHA-256 of its bytes, lower-case hex.
    pub digest: String,
    /// Names of the contract's interfaces it exports: `bmc-driver`, `hardening`.
    pub interfaces: Vec<String>,
    pub(super) component: Component,
    pub(super) pre: InstancePre<CallState>,
    pub(super) exports: Exports,
}

impl Plugin {
    /// Does it drive controllers?
    pub const fn is_driver(&self) -> bool {
        self.exports.bmc_driver.is_some()
    }
}

/// The plugins of this host.
#[derive(Clone)]
pub struct Plugins {
    runtime: Arc<Runtime>,
    loaded: Arc<Vec<Arc<Plugin>>>,
    settings: Arc<Settings>,
    kv: Option<Arc<dyn Kv>>,
}

impl Plugins {
    /// Start the engine and load every `*.wasm` of the configured folder. Compiled forms are kept under `state_dir`.
    pub async fn open(
        settings: &Settings,
        state_dir: &Path,
        kv: Option<Arc<dyn Kv>>,
    ) -> Result<(Self, Vec<LoadProblem>), EngineError> {
        Self::start(settings, Some(state_dir), kv).await
    }

    /// The same without keeping compiled forms or values: for a look from the command line.
    pub async fn open_uncached(settings: &Settings) -> Result<(Self, Vec<LoadProblem>), EngineError> {
        Self::start(settings, None, None).await
    }

    async fn start(
        settings: &Settings,
        state_dir: Option<&Path>,
        kv: Option<Arc<dyn Kv>>,
    ) -> Result<(Self, Vec<LoadProblem>), EngineError> {
        let runtime = Arc::new(Runtime::start(settings, state_dir)?);
        let (plugins, problems) = load::folder(&runtime, &settings.dir).await;
        let plugins = Self { runtime, loaded: Arc::new(plugins), settings: Arc::new(settings.clone()), kv };
        Ok((plugins, problems))
    }

    /// Start the engine and load one file. Its compiled form is kept under `cache`, if that folder can be used.
    pub async fn open_file(
        settings: &Settings,
        cache: Option<&Path>,
        file: &Path,
    ) -> Result<Result<Driver, LoadProblem>, EngineError> {
        let runtime = Arc::new(Runtime::start(settings, cache).or_else(|_| Runtime::start(settings, None))?);
        let loaded = load::file(&runtime, file).await;
        Ok(loaded.map(|plugin| Driver { runtime, plugin: Arc::new(plugin), kv: None }))
    }

    /// From now on `calls` is told of each call; the first who asks is.
    pub fn tell(&self, calls: Arc<dyn Calls>) {
        if self.runtime.told.set(calls).is_err() {
            tracing::debug!("somebody is told of plugin calls already");
        }
    }

    /// All of them, by name.
    pub fn list(&self) -> &[Arc<Plugin>] {
        &self.loaded
    }

    /// The one of this name, ready to be called.
    pub fn driver(&self, name: &str) -> Option<Driver> {
        let plugin = self.loaded.iter().find(|plugin| plugin.info.name == name)?;
        Some(Driver { runtime: Arc::clone(&self.runtime), plugin: Arc::clone(plugin), kv: self.kv.clone() })
    }

    /// Names of the drivers to ask `identify`, best guess first. `root` is the anonymous Redfish service root.
    pub fn candidates(
        &self,
        mac: Option<Mac>,
        vendor_class: Option<&str>,
        root: Option<&serde_json::Value>,
    ) -> Vec<String> {
        let drivers: Vec<&PluginInfo> =
            self.loaded.iter().filter(|plugin| plugin.is_driver()).map(|plugin| &plugin.info).collect();
        rank::candidates(&drivers, &self.settings, mac, vendor_class, root)
    }
}
