//! A rig out of its parts.
//!
//! Promises an order in which each part finds what it needs: folder, ports, store, NetBox, estate,
//! configuration; the host last, and only when asked.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::config::{Credential, Feed, HostFile};
use super::host::{Host, Programs, ServerRow};
use super::ports::free_port;
use super::store::{Store, StoreProcess};
use crate::estate::server::BootSettings;
use crate::estate::{Estate, lease};
use crate::ledger::{Kind, Ledger, Report};
use crate::netbox::{NetBoxConfig, NetBoxHandle, Version};
use crate::redfish::Timing;
use crate::run::{Lab, LabConfig};

/// What a rig is made of.
#[derive(Clone, Debug)]
pub struct RigConfig {
    /// What stands in the racks.
    pub estate: Estate,
    /// Where the host keeps its state.
    pub store: Store,
    /// The NetBox; none is the inventory file.
    pub netbox: Option<Version>,
    /// The playbook that hardens; none is the drivers.
    pub playbook: Option<PathBuf>,
    /// How fast controllers are.
    pub timing: Timing,
    /// From boot script to running image.
    pub boot_delay: Duration,
    /// Servers are offered a network boot; otherwise the test asks for their boot scripts in their place.
    pub network_boot: bool,
    /// What servers boot from instead of the host: the lab's MAAS.
    pub boot_url: Option<String>,
    /// Merged over the host's configuration.
    pub over: toml::Table,
    /// A folder of compiled plugins that several rigs share; none: the host compiles them again.
    pub compiled: Option<PathBuf>,
    /// Leave the folder where it is at the end.
    pub keep: bool,
}

impl RigConfig {
    /// The embedded store and inventory, the drivers' hardening, short times.
    pub fn new(estate: Estate) -> Self {
        Self {
            estate,
            store: Store::Sqlite,
            netbox: None,
            playbook: None,
            timing: Timing::default(),
            boot_delay: BootSettings::default().delay,
            network_boot: true,
            boot_url: None,
            over: toml::Table::new(),
            compiled: None,
            keep: false,
        }
    }
}

/// A lab, a store, a NetBox and a host, on ports and in a folder of their own.
pub struct Rig {
    /// The host; dropped first, so that it does not see the others go.
    pub host: Host,
    /// The estate.
    pub lab: Lab,
    /// The NetBox.
    pub netbox: Option<NetBoxHandle>,
    /// The Redis or Valkey.
    pub store: Option<StoreProcess>,
    folder: tempfile::TempDir,
    before: Report,
}

/// A folder for the run, removed at the end unless kept. A unix socket's path has at most 107 bytes, so it is
/// in the system's folder, which is short.
fn run_folder(keep: bool) -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("farrier-lab-").disable_cleanup(keep).tempdir();
    folder.context("making a folder for the run")
}

/// Compiled plugins are keyed by content and written by renaming: rigs may share them, one after the other or at once.
fn share_compiled(compiled: &Path, state: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(compiled);
    made.with_context(|| format!("making {}", compiled.display()))?;
    std::os::unix::fs::symlink(compiled, state.join("compiled")).context("sharing compiled plugins")
}

fn secret(folder: &Path, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    use std::io::Write as _;
    let path = folder.join(name);
    let file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path);
    file.and_then(|mut file| writeln!(file, "{text}")).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// One login for each vendor: the password of a server whose controller was not given another one.
fn credentials(estate: &Estate, folder: &Path) -> anyhow::Result<Vec<Credential>> {
    let mut all: Vec<Credential> = Vec::new();
    for server in
        estate.servers.iter().filter(|server| server.planted != Some(crate::estate::Fault::CredentialsRefused))
    {
        let matches = server.vendor.driver();
        if all.iter().all(|one| one.matches != matches) {
            let password_file = secret(folder, matches, &server.bmc.password)?;
            all.push(Credential { matches: matches.to_owned(), username: server.bmc.username.clone(), password_file });
        }
    }
    Ok(all)
}

/// A token in the form of every NetBox: 40 hex digits.
pub(crate) fn random_token() -> String {
    format!("{:032x}{:08x}", rand::random::<u128>(), rand::random::<u32>())
}

async fn start_netbox(version: Version, folder: &Path, ledger: &Ledger) -> anyhow::Result<(NetBoxHandle, Feed)> {
    let token = random_token();
    let token_file = secret(folder, "netbox-token", &token)?;
    let config = NetBoxConfig::new(version, token);
    let netbox = crate::netbox::start(config, ledger.clone()).await.context("starting the lab's NetBox")?;
    let url = netbox.url();
    Ok((netbox, Feed::NetBox { url, token_file }))
}

impl Rig {
    /// Start everything but the host, and fill the NetBox.
    ///
    /// # Errors
    /// Names the part that could not be started.
    pub async fn start(config: RigConfig) -> anyhow::Result<Self> {
        Self::start_with(config, Programs::find()?).await
    }

    /// As [`Rig::start`], with programs from elsewhere.
    ///
    /// # Errors
    /// As [`Rig::start`].
    pub async fn start_with(config: RigConfig, programs: Programs) -> anyhow::Result<Self> {
        let folder = run_folder(config.keep)?;
        let at = |name: &str| folder.path().join(name);
        let (secrets, spool) = (at("secrets"), at("spool"));
        for made in [&secrets, &spool, &at("state")] {
            std::fs::create_dir_all(made).with_context(|| format!("making {}", made.display()))?;
        }
        if let Some(compiled) = &config.compiled {
            share_compiled(compiled, &at("state"))?;
        }
        let inventory = at("inventory.toml");
        std::fs::write(&inventory, config.estate.inventory_toml()?).context("writing the inventory")?;
        std::fs::write(at("estate.toml"), config.estate.to_toml()?).context("writing the estate")?;
        let store = match config.store {
            Store::Sqlite => None,
            Store::Redis => Some(StoreProcess::start(&at("redis")).await?),
        };
        let ledger = Ledger::default();
        let (netbox, feed) = match config.netbox {
            None => (None, Feed::File(inventory.clone())),
            Some(version) => {
                start_netbox(version, &secrets, &ledger).await.map(|(netbox, feed)| (Some(netbox), feed))?
            }
        };
        let file = HostFile {
            state_dir: at("state"),
            bus: store.as_ref().map(StoreProcess::url),
            spool_dir: spool.clone(),
            plugins: programs.plugins.clone(),
            bmc_port: free_port()?,
            credentials: credentials(&config.estate, &secrets)?,
            http_port: free_port()?,
            feed,
            playbook: config.playbook,
            over: config.over,
        };
        std::fs::write(at("farrier.toml"), file.text()?).context("writing the configuration")?;
        let mut lab = LabConfig::new(config.estate, file.bmc_port);
        let url = config.network_boot.then(|| config.boot_url.unwrap_or_else(|| file.public_url()));
        lab.boot = BootSettings { url, delay: config.boot_delay, ..lab.boot };
        lab.timing = config.timing;
        lab.hook = Some(lease::link_hook(&programs.farrier, folder.path(), &spool)?);
        let lab = Lab::start_with(lab, ledger).await?;
        let address = format!("127.0.0.1:{}", file.http_port);
        let host = Host::new(programs, at("farrier.toml"), at("host.log"), address);
        if netbox.is_some() {
            host.farrier(&["netbox", "init", "--yes"]).await?;
            let path = inventory.to_string_lossy();
            host.farrier(&["netbox", "populate", &path]).await?;
        }
        let before = lab.ledger().report();
        Ok(Self { host, lab, netbox, store, folder, before })
    }

    /// The run's folder: configuration, log, inventory, estate.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Leave the folder at the end, whatever was asked for.
    pub fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }

    /// How often since the rig stood: what filled the NetBox is not counted.
    pub fn counted(&self, kind: Kind) -> u64 {
        self.lab.ledger().report().total(kind) - self.before.total(kind)
    }

    /// The effects since the rig stood, a line each.
    pub fn effects(&self) -> Vec<String> {
        self.lab.ledger().report().effects.into_iter().skip(self.before.effects.len()).collect()
    }

    /// Wait until every server of the estate is at rest; the list.
    ///
    /// # Errors
    /// After `patience`; with the last list and the end of the log.
    pub async fn settled(&self, patience: Duration) -> anyhow::Result<Vec<ServerRow>> {
        let servers = self.lab.estate().servers;
        let settled =
            |rows: &[ServerRow]| servers.iter().all(|server| rows.iter().any(|row| row.is_of(server) && row.at_rest()));
        self.host.wait(patience, settled).await
    }

    /// How the end differs from what was planted: a line for each server, empty when all is as it should be.
    pub fn differences(&self, rows: &[ServerRow]) -> Vec<String> {
        let mut lines = Vec::new();
        for server in self.lab.estate().servers {
            let row = rows.iter().find(|row| row.is_of(&server));
            let (state, reason) =
                row.map_or(("absent", ""), |row| (&row.state, row.reason.as_deref().unwrap_or_default()));
            let (wanted, code) = server.planted.map_or(("ready", ""), |fault| ("failed", fault.code()));
            if state != wanted || !reason.starts_with(code) {
                lines.push(format!("{}: should be {wanted} {code}, is {state} {reason}", server.name));
            }
        }
        lines
    }
}
