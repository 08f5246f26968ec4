//! Brings an estate to life.
//!
//! Promises one controller for each server on its own address and one common port, and a server behind each
//! that boots when its controller switches it on with a network target. Planted faults of the estate are
//! turned into faults of the controllers here, and nowhere else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::control;
use crate::estate::lease::Hook;
use crate::estate::server::{BootSettings, SharedEstate, SimulatedServer};
use crate::estate::{Estate, Server, Vendor};
use crate::ledger::Ledger;
use crate::redfish::{self, BmcConfig, BmcEvent, BmcHandle, EventKind, Kind, Nic, Timing};

/// What a lab is started with.
#[derive(Clone, Debug)]
pub struct LabConfig {
    /// What to bring to life.
    pub estate: Estate,
    /// The port of every controller.
    pub bmc_port: u16,
    /// How servers boot.
    pub boot: BootSettings,
    /// How fast controllers are.
    pub timing: Timing,
    /// How servers' controllers get their leases; none: `power-on` of the control API is refused.
    pub hook: Option<Hook>,
    /// Where the control API listens.
    pub control: SocketAddr,
}

impl LabConfig {
    /// An estate with short times, a free control port, and no hook.
    pub fn new(estate: Estate, bmc_port: u16) -> Self {
        Self {
            estate,
            bmc_port,
            boot: BootSettings::default(),
            timing: Timing::default(),
            hook: None,
            control: SocketAddr::from(([127, 0, 0, 1], 0)),
        }
    }
}

/// A running estate.
pub struct Lab {
    shared: Arc<Shared>,
    control: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

/// What the event loop and the control API share.
pub(super) struct Shared {
    pub(super) estate: SharedEstate,
    pub(super) ledger: Ledger,
    pub(super) hook: Option<Hook>,
    pub(super) running: BTreeMap<String, Running>,
}

impl Shared {
    /// Give or take the input of a rack's power supplies of this number; how many servers it has.
    pub(super) fn feed(&self, site: &str, rack: &str, supply: usize, on: bool) -> usize {
        let estate = self.estate.lock();
        let there = estate.servers.iter().filter(|server| server.site == site && server.rack == rack);
        let running = there.filter_map(|server| self.running.get(&server.name));
        let part = redfish::Broken::Supply { number: supply };
        running.inspect(|one| if on { one.bmc.mend(&part) } else { one.bmc.break_part(part) }).count()
    }
}

/// One server that is up.
pub(super) struct Running {
    pub(super) bmc: BmcHandle,
    pub(super) server: SimulatedServer,
    boot: Mutex<Option<JoinHandle<()>>>,
}

impl Running {
    /// End what the server does now; start it again for a network boot.
    fn switch(&self, boot: bool) {
        let mut task = self.boot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = task.take() {
            old.abort();
        }
        self.server.power_off();
        if boot {
            let server = self.server.clone();
            *task = Some(tokio::spawn(async move { server.network_boot().await }));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.switch(false);
    }
}

/// The controller that goes with a server.
fn kind(server: &Server) -> Kind {
    match server.vendor {
        Vendor::Hpe if server.model.contains("Gen11") => Kind::HpeIlo6,
        Vendor::Hpe => Kind::HpeIlo5,
        Vendor::Dell => Kind::DellIdrac9,
        Vendor::Supermicro => Kind::SupermicroX13,
        Vendor::Generic => Kind::Generic,
    }
}

fn bmc_config(server: &Server, index: usize, config: &LabConfig) -> BmcConfig {
    BmcConfig {
        listen: SocketAddr::from((server.bmc.address, config.bmc_port)),
        serial: server.board_serial().to_owned(),
        model: server.model.clone(),
        manufacturer: server.vendor.smbios().to_owned(),
        bmc_mac: server.bmc.mac.clone(),
        nics: server.nics.iter().map(|nic| Nic { name: nic.name.clone(), mac: nic.mac.clone() }).collect(),
        username: server.bmc.username.clone(),
        password: server.bmc.password.clone(),
        seed: config.estate.seed.wrapping_add(index as u64),
        timing: config.timing,
        ..BmcConfig::new(&server.name, kind(server))
    }
}

impl Lab {
    /// Start every controller, and the control API.
    ///
    /// # Errors
    /// When an address cannot be bound: the port is taken, or the address is not local.
    pub async fn start(config: LabConfig) -> anyhow::Result<Self> {
        Self::start_with(config, Ledger::default()).await
    }

    /// As [`Lab::start`], counting into a ledger that others share.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub async fn start_with(config: LabConfig, ledger: Ledger) -> anyhow::Result<Self> {
        // A second installation fails, and the first one stands: both are the same provider.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().context("an HTTP client")?;
        let (events, received) = tokio::sync::mpsc::unbounded_channel();
        let estate = SharedEstate::new(config.estate.clone());
        let mut running = BTreeMap::new();
        for (index, server) in config.estate.servers.iter().enumerate() {
            let bmc = redfish::start(bmc_config(server, index, &config), ledger.clone(), Some(events.clone())).await;
            let bmc = bmc.with_context(|| format!("starting the controller of {}", server.name))?;
            if let Some(control) = &server.ignored_control {
                bmc.set_fault(redfish::Fault::Lie { control: control.clone() });
            }
            let boot = config.boot.clone();
            let simulated = SimulatedServer::new(&server.name, index, estate.clone(), boot, client.clone());
            let one = Running { bmc, server: simulated, boot: Mutex::default() };
            running.insert(server.name.clone(), one);
        }
        let shared = Arc::new(Shared { estate, ledger, hook: config.hook, running });
        let listener = tokio::net::TcpListener::bind(config.control).await.context("binding the lab's control API")?;
        let control = listener.local_addr().context("asking for the control API's address")?;
        let router = control::router(shared.clone());
        let serve = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the control API ended");
            }
        });
        let play = tokio::spawn(play(shared.clone(), received));
        Ok(Self { shared, control, tasks: vec![serve, play] })
    }

    /// Root of the control API, without a slash at the end.
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    /// What the simulated systems saw.
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// The estate as it is now.
    pub fn estate(&self) -> Estate {
        self.shared.estate.lock().clone()
    }

    /// A server's controller.
    pub fn bmc(&self, server: &str) -> Option<&BmcHandle> {
        self.shared.running.get(server).map(|running| &running.bmc)
    }

    /// Give or take the input of the power supplies of this number in a whole rack; how many servers it has.
    pub fn feed(&self, site: &str, rack: &str, supply: usize, on: bool) -> usize {
        self.shared.feed(site, rack, supply, on)
    }

    /// A server behind its controller.
    pub fn server(&self, server: &str) -> Option<&SimulatedServer> {
        self.shared.running.get(server).map(|running| &running.server)
    }

    /// Have the controllers of these servers ask for their leases, all at once, each `renewals` times more.
    ///
    /// # Errors
    /// When no hook was given, a name is unknown, or the hook failed.
    pub async fn lease(&self, servers: &[String], renewals: usize) -> anyhow::Result<()> {
        let hook = self.shared.hook.clone().context("the lab was started without a hook")?;
        let tracker = TaskTracker::new();
        let mut tasks = Vec::new();
        for name in servers {
            let server = self.shared.estate.lock().server(name).cloned();
            let server = server.with_context(|| format!("no server {name} in the estate"))?;
            let hook = hook.clone();
            tasks.push(tracker.spawn(async move { hook.lease(&server, renewals).await }));
        }
        for task in tasks {
            task.await.context("a lease was not delivered")??;
        }
        Ok(())
    }

    /// Have all controllers ask for their leases.
    ///
    /// # Errors
    /// As [`Lab::lease`].
    pub async fn lease_all(&self, renewals: usize) -> anyhow::Result<()> {
        let names: Vec<String> = self.shared.estate.lock().servers.iter().map(|server| server.name.clone()).collect();
        self.lease(&names, renewals).await
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Whether firmware goes to the network for a boot target, as each vendor writes it.
fn from_network(target: Option<&str>) -> bool {
    target.is_some_and(|target| matches!(target.to_ascii_lowercase().as_str(), "pxe" | "uefihttp"))
}

/// Do what controllers say.
async fn play(shared: Arc<Shared>, mut events: UnboundedReceiver<BmcEvent>) {
    while let Some(event) = events.recv().await {
        let Some(running) = shared.running.get(&event.server) else { continue };
        tracing::debug!(server = %event.server, kind = ?event.kind, "power");
        match event.kind {
            EventKind::PowerOn { boot_target, .. } => running.switch(from_network(boot_target.as_deref())),
            EventKind::PowerOff => running.switch(false),
        }
    }
}
