//! A plugin that is no driver, loaded with a store for its values, and an inventory file for servers 1 to 99.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use farrier::app::BusKv;
use farrier::bus::Bus;
use farrier::config::{self, Bmc};
use farrier::inventory::FileInventory;
use farrier::plugin::{Broker, MemoryPins, Plugins, Service};
use farrier::ticket::Pace;

/// A ticket desk that waits for nothing.
pub const PACE: Pace = Pace {
    wait: Duration::ZERO,
    role: Duration::from_mins(2),
    backoff: Duration::from_millis(1),
    backoff_cap: Duration::from_millis(5),
    refused_retry: Duration::from_mins(15),
};

/// A service that no login is configured for.
pub fn service(plugin: &str, url: &str) -> config::Service {
    config::Service {
        plugin: plugin.to_owned(),
        url: url.parse().unwrap(),
        username: None,
        secret_file: None,
        secret_env: None,
        auth: None,
        ca_file: None,
        settings: BTreeMap::new(),
    }
}

/// The engine with one plugin.
pub struct Engine {
    pub plugins: Plugins,
    pub broker: Arc<Broker>,
    pub folder: tempfile::TempDir,
    plugin: String,
}

impl Engine {
    /// `None`, with a line that says so, where the plugin is not built.
    pub async fn new(plugin: &str, bus: Arc<dyn Bus>) -> Option<Self> {
        let file = farrier_lab::rig::plugin(plugin)?;
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("plugins");
        std::fs::create_dir(&dir).unwrap();
        std::fs::copy(file, dir.join(format!("{plugin}.wasm"))).unwrap();
        let settings = config::Plugins { dir, ..config::Plugins::default() };
        let cache: &Path = env!("CARGO_TARGET_TMPDIR").as_ref();
        let (plugins, problems) = Plugins::open(&settings, cache, Some(Arc::new(BusKv(bus)))).await.unwrap();
        assert_eq!(problems, []);
        let bmc = Bmc { request_timeout_ms: 2_000, rate: 10_000, ..Bmc::default() };
        let broker = Arc::new(Broker::new(&bmc, Arc::new(MemoryPins::default())).unwrap());
        Some(Self { plugins, broker, folder, plugin: plugin.to_owned() })
    }

    pub fn config(&self, url: &str, username: Option<&str>, secret: &str) -> config::Service {
        let file = self.folder.path().join("secret");
        std::fs::write(&file, format!("{secret}\n")).unwrap();
        let username = username.map(str::to_owned);
        config::Service { username, secret_file: Some(file), ..service(&self.plugin, url) }
    }

    pub fn service(&self, config: &config::Service, interface: &'static str) -> Service {
        Service::open(&self.plugins, config, interface).unwrap()
    }
}

/// Servers `AMS-SRV-001` to `AMS-SRV-099`, in racks of forty.
pub fn inventory(folder: &Path) -> FileInventory {
    let mut text = "[[site]]\nname = \"Amsterdam\"\nslug = \"ams\"\n".to_owned();
    for rack in ["A01", "A02", "A03"] {
        let _ = write!(text, "[[rack]]\nname = \"{rack}\"\nsite = \"ams\"\nunits = 42\n");
    }
    for n in 1..=99 {
        let (rack, unit) = (1 + (n - 1) / 40, 1 + (n - 1) % 40);
        let _ = write!(
            text,
            "[[server]]\nname = \"AMS-SRV-{n:03}\"\nsite = \"ams\"\nrack = \"A0{rack}\"\nunit = {unit}\nrole = \"server\"\n\
             manufacturer = \"HPE\"\nmodel = \"ProLiant DL360 Gen10 Plus\"\nserial = \"MXQ{n:05}\"\nbmc_mac = \"94:40:c9:00:00:{n:02x}\"\n"
        );
    }
    let file = folder.join("inventory.toml");
    std::fs::write(&file, text).unwrap();
    FileInventory::open(&file).unwrap()
}
