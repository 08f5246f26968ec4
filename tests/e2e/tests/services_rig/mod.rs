//! Plugins that are no drivers, in the real engine, against simulated systems.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use farrier::app::BusKv;
use farrier::bus::{self, SqliteBus};
use farrier::config::{self, Bmc};
use farrier::egress::{Effect, Gate};
use farrier::plugin::wit::types::ServerRef;
use farrier::plugin::{Broker, Driver, Lend, MemoryPins, Plugins, Service};
use farrier_lab::ledger::Ledger;

/// A plugin, and what a host has around it.
pub struct Rig {
    pub ledger: Ledger,
    pub plugins: Plugins,
    pub broker: Broker,
    pub folder: tempfile::TempDir,
    plugin: String,
}

impl Rig {
    /// `None`, with a line that says so, where the plugin is not built.
    pub async fn new(plugin: &str) -> Option<Self> {
        let file = farrier_lab::rig::plugin(plugin)?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("plugins")).unwrap();
        std::fs::copy(file, folder.path().join("plugins").join(format!("{plugin}.wasm"))).unwrap();
        let settings = config::Plugins { dir: folder.path().join("plugins"), ..config::Plugins::default() };
        // Compiled forms are kept between runs: a debug build of the compiler takes seconds.
        let cache: &Path = env!("CARGO_TARGET_TMPDIR").as_ref();
        let kept = Arc::new(SqliteBus::memory(&bus::Settings::default()).unwrap());
        let (plugins, problems) = Plugins::open(&settings, cache, Some(Arc::new(BusKv(kept)))).await.unwrap();
        assert_eq!(problems, []);
        let bmc = Bmc { request_timeout_ms: 2_000, rate: 10_000, ..Bmc::default() };
        let broker = Broker::new(&bmc, Arc::new(MemoryPins::default())).unwrap();
        Some(Self { ledger: Ledger::default(), plugins, broker, folder, plugin: plugin.to_owned() })
    }

    pub fn config(&self, url: &str, username: Option<&str>, secret: &str) -> config::Service {
        let file = self.folder.path().join(format!("secret-{:x}", rand_name(secret)));
        std::fs::write(&file, format!("{secret}\n")).unwrap();
        config::Service {
            plugin: self.plugin.clone(),
            url: url.parse().unwrap(),
            username: username.map(str::to_owned),
            secret_file: Some(file),
            secret_env: None,
            auth: None,
            ca_file: None,
            settings: BTreeMap::new(),
        }
    }

    /// The plugin, and what it is lent for calls about one server.
    pub fn open(&self, config: &config::Service, interface: &'static str) -> (Driver, Lend) {
        let service = Service::open(&self.plugins, config, interface).unwrap();
        let gate = Gate { server: Some("9440c9000001".parse().unwrap()), ..Gate::detached(Effect::Look) };
        (service.driver().clone(), service.lend(&self.broker, gate).unwrap())
    }

    pub fn assert_correct(&self) {
        let violations = self.ledger.report().violations;
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

fn rand_name(text: &str) -> u64 {
    text.bytes().fold(7, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()))
}

pub fn server() -> ServerRef {
    ServerRef {
        id: "9440c9000001".to_owned(),
        name: "AMS-SRV-001".to_owned(),
        serial: Some("MXQ00001".to_owned()),
        bmc_mac: Some("94:40:c9:00:00:01".to_owned()),
        bmc_address: None,
        site: Some("ams".to_owned()),
    }
}
