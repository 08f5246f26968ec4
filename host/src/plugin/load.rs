//! From a file to a plugin ready to be called.
//!
//! Promises one clear problem, with a hint, for each file that cannot serve. A plugin is recognised by the exact name of its
//! `metadata` export: matching by types would let a plugin of another version in as long as its types happened to agree.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use wasmtime::component::{Component, InstancePre};

use super::broker::login_problem;
use super::call::{Ask, Run, Stop};
use super::engine::Runtime;
use super::error::CallError;
use super::registry::Plugin;
use super::state::CallState;
use super::wit::metadata::PluginInfo;
use super::wit::{
    self, bmc_driver, boot_provisioner, event_log, firmware, fleet_manager, hardening, jobs, metadata, telemetry,
    ticketing, warranty,
};

/// Begin of every component: magic number, component layer.
const COMPONENT: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
const PACKAGE: &str = "farrier:provisioning/";

/// A file that is not used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadProblem {
    /// The file, or the folder.
    pub file: PathBuf,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for LoadProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin `{}`: {}", self.file.display(), self.text)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\n    hint: {}", self.hint) }
    }
}

impl std::error::Error for LoadProblem {}

/// The interfaces the host calls by type, looked up once.
pub struct Exports {
    pub(super) metadata: metadata::GuestIndices,
    pub(super) bmc_driver: Option<bmc_driver::GuestIndices>,
    pub(super) hardening: Option<hardening::GuestIndices>,
    pub(super) firmware: Option<firmware::GuestIndices>,
    pub(super) telemetry: Option<telemetry::GuestIndices>,
    pub(super) event_log: Option<event_log::GuestIndices>,
    pub(super) jobs: Option<jobs::GuestIndices>,
    pub(super) fleet_manager: Option<fleet_manager::GuestIndices>,
    pub(super) boot_provisioner: Option<boot_provisioner::GuestIndices>,
    pub(super) ticketing: Option<ticketing::GuestIndices>,
    pub(super) warranty: Option<warranty::GuestIndices>,
}

/// Load every `*.wasm` of a folder, in the order of their names.
pub async fn folder(runtime: &Arc<Runtime>, dir: &Path) -> (Vec<Arc<Plugin>>, Vec<LoadProblem>) {
    let files = match files(dir) {
        Ok(files) => files,
        Err(error) => {
            let hint = "set `plugins.dir` to the folder with the *.wasm files".to_owned();
            let text = format!("the folder cannot be read: {error}");
            return (Vec::new(), vec![LoadProblem { file: dir.to_owned(), text, hint }]);
        }
    };
    let loads = files.iter().map(|path| file(runtime, path));
    let mut plugins: BTreeMap<String, Arc<Plugin>> = BTreeMap::new();
    let mut problems = Vec::new();
    for loaded in futures_util::future::join_all(loads).await {
        match loaded {
            Err(problem) => problems.push(problem),
            Ok(plugin) => match plugins.get(&plugin.info.name) {
                Some(first) => problems.push(LoadProblem {
                    text: format!("its name `{}` is taken by `{}`", plugin.info.name, first.file.display()),
                    hint: "keep one of the two; an old version may have been left in the folder".to_owned(),
                    file: plugin.file,
                }),
                None => {
                    plugins.insert(plugin.info.name.clone(), Arc::new(plugin));
                }
            },
        }
    }
    (plugins.into_values().collect(), problems)
}

fn files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    Ok(files)
}

/// Load one file: compile, link, look up its exports, have it describe itself.
pub async fn file(runtime: &Arc<Runtime>, path: &Path) -> Result<Plugin, LoadProblem> {
    let problem = |text: String, hint: &str| LoadProblem { file: path.to_owned(), text, hint: hint.to_owned() };
    let (engine, owned) = (Arc::clone(runtime), path.to_owned());
    let compiled = tokio::task::spawn_blocking(move || compile(&engine, &owned)).await;
    let (component, digest) = match compiled {
        Ok(compiled) => compiled?,
        Err(error) => return Err(problem(format!("loading it broke: {error}"), "")),
    };
    let interfaces = interfaces(runtime, &component, path)?;
    let pre = runtime.linker.instantiate_pre(&component).map_err(|error| {
        problem(
            format!("it asks for what this host does not offer: {error:#}"),
            "a plugin may import the contract's interfaces and WASI 0.2 without `wasi:http`",
        )
    })?;
    let exports = exports(&pre, &interfaces).map_err(|(interface, error)| {
        problem(
            format!("its `{interface}` is not the one of contract {}: {error:#}", wit::VERSION),
            "build it against the folder wit/since_v0.1.0 of this host",
        )
    })?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let info = describe(runtime, &pre, &exports, &name).await.map_err(|error| {
        problem(
            format!("it cannot describe itself: {error}"),
            "`describe` may use `log` and `clock` only, and must return at once",
        )
    })?;
    if !is_kebab(&info.name) {
        return Err(problem(
            format!("its name `{}` is not kebab case", info.name.escape_debug()),
            "lower-case letters, digits and single dashes, such as `hpe-ilo`",
        ));
    }
    if let Some((text, hint)) = login_problem(&info.auth, exports.bmc_driver.is_some()) {
        return Err(problem(text, hint));
    }
    Ok(Plugin { info, file: path.to_owned(), digest, interfaces, component, pre, exports })
}

fn compile(runtime: &Runtime, path: &Path) -> Result<(Component, String), LoadProblem> {
    let problem = |text: String, hint: &str| LoadProblem { file: path.to_owned(), text, hint: hint.to_owned() };
    let wasm = std::fs::read(path).map_err(|error| problem(format!("it cannot be read: {error}"), ""))?;
    if !wasm.starts_with(&COMPONENT) {
        return Err(if wasm.starts_with(b"\0asm") {
            problem(
                "it is a core module, not a component".to_owned(),
                "build with `--target wasm32-wasip2`, or wrap it with `wasm-tools component new`",
            )
        } else {
            problem("it is not a WebAssembly component".to_owned(), "remove it from the folder, or build it again")
        });
    }
    let component =
        runtime.component(&wasm).map_err(|error| problem(error.to_string(), "the file may be cut short"))?;
    Ok((component, format!("{:x}", Sha256::digest(&wasm))))
}

/// The contract's interfaces it exports, by exact name.
fn interfaces(runtime: &Runtime, component: &Component, path: &Path) -> Result<Vec<String>, LoadProblem> {
    let problem = |text: String, hint: &str| LoadProblem { file: path.to_owned(), text, hint: hint.to_owned() };
    let ty = component.component_type();
    let names: Vec<&str> = ty.exports(&runtime.engine).map(|(name, _)| name).collect();
    let ours = format!("@{}", wit::VERSION);
    let of_contract =
        |name: &&str| name.strip_prefix(PACKAGE).and_then(|rest| rest.strip_suffix(&ours)).map(str::to_owned);
    let interfaces: Vec<String> = names.iter().filter_map(of_contract).collect();
    if interfaces.iter().any(|name| name == "metadata") {
        return Ok(interfaces);
    }
    let other = names.iter().find_map(|name| name.strip_prefix("farrier:provisioning/metadata@"));
    Err(match other {
        Some(version) => problem(
            format!("it is of contract version {version}, and this host speaks {}", wit::VERSION),
            "use a host that speaks its version, or build the plugin against this host's `wit`",
        ),
        None => problem(
            "it is a component without the export `farrier:provisioning/metadata`, so no plugin".to_owned(),
            "remove it from the folder, or target one of the worlds in `wit`",
        ),
    })
}

/// Which interface, and why.
type WrongExport = (&'static str, wasmtime::Error);

fn exports(pre: &InstancePre<CallState>, interfaces: &[String]) -> Result<Exports, WrongExport> {
    macro_rules! optional {
        ($module:ident, $name:literal) => {
            if interfaces.iter().any(|name| name == $name) {
                Some($module::GuestIndices::new(pre).map_err(|error| ($name, error))?)
            } else {
                None
            }
        };
    }
    Ok(Exports {
        metadata: metadata::GuestIndices::new(pre).map_err(|error| ("metadata", error))?,
        bmc_driver: optional!(bmc_driver, "bmc-driver"),
        hardening: optional!(hardening, "hardening"),
        firmware: optional!(firmware, "firmware"),
        telemetry: optional!(telemetry, "telemetry"),
        event_log: optional!(event_log, "event-log"),
        jobs: optional!(jobs, "jobs"),
        fleet_manager: optional!(fleet_manager, "fleet-manager"),
        boot_provisioner: optional!(boot_provisioner, "boot-provisioner"),
        ticketing: optional!(ticketing, "ticketing"),
        warranty: optional!(warranty, "warranty"),
    })
}

/// Ask a plugin who it is, lending it nothing. `name` is for the log, as long as its own is not known.
async fn describe(
    runtime: &Arc<Runtime>,
    pre: &InstancePre<CallState>,
    exports: &Exports,
    name: &str,
) -> Result<PluginInfo, CallError> {
    let mut run = Run::begin(runtime, pre, Ask::bare(name, "metadata.describe")).await?;
    let clock = run.clock();
    let guest = match exports.metadata.load(&mut run.store, &run.instance) {
        Ok(guest) => guest,
        Err(error) => return Err(clock.judge(Stop::Broke(error), run.store.data())),
    };
    clock.wait(guest.call_describe(&mut run.store)).await.map_err(|stop| clock.judge(stop, run.store.data()))
}

fn is_kebab(name: &str) -> bool {
    !name.is_empty()
        && name
            .split('-')
            .all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
}
