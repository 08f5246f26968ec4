//! A plugin that is no driver, loaded with a store for its values, and an inventory file for servers 1 to 99.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use farrier::bus::Bus;
use farrier::config::{self, Bmc};
use farrier::inventory::FileInventory;
use farrier::plugin::{Broker, Kv, MemoryPins, Plugins, Service};

/// As the host keeps them.
struct Values(Arc<dyn Bus>);

#[async_trait]
impl Kv for Values {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.0.get(key).await.map_err(|error| error.to_string())
    }

    async fn set(&self, key: &str, value: Option<&[u8]>, ttl: Option<Duration>) -> Result<(), String> {
        self.0.set(key, value, ttl).await.map_err(|error| error.to_string())
    }

    async fn count(&self, prefix: &str) -> Result<usize, String> {
        Ok(self.0.keys(prefix).await.map_err(|error| error.to_string())?.len())
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
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
        let file = target.join("plugins").join(format!("{plugin}.wasm"));
        if !file.is_file() {
            println!("SKIPPED: `{}` is not built; run `cargo xtask plugins`", file.display());
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("plugins");
        std::fs::create_dir(&dir).unwrap();
        std::fs::copy(file, dir.join(format!("{plugin}.wasm"))).unwrap();
        let settings = config::Plugins { dir, ..config::Plugins::default() };
        let cache: &Path = env!("CARGO_TARGET_TMPDIR").as_ref();
        let (plugins, problems) = Plugins::open(&settings, cache, Some(Arc::new(Values(bus)))).await.unwrap();
        assert_eq!(problems, []);
        let bmc = Bmc { request_timeout_ms: 2_000, rate: 10_000, ..Bmc::default() };
        let broker = Arc::new(Broker::new(&bmc, Arc::new(MemoryPins::default())).unwrap());
        Some(Self { plugins, broker, folder, plugin: plugin.to_owned() })
    }

    pub fn config(&self, url: &str, username: Option<&str>, secret: &str) -> config::Service {
        let file = self.folder.path().join("secret");
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
