//! The sections and their defaults; what each key means and its unit.

use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Ansible, Api, Bmc, Firmware, Fleet, Health, Http, Inventory, Monitor, NetBox, Orders, Plugins, Policy, Service,
    Tickets, Warranty, Webhook,
};
use crate::fault::{Secret, SecretError};
use crate::telemetry::LogFormat;

/// The whole configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder for everything the host keeps: embedded store, compiled plugins, pinned certificates, socket.
    pub state_dir: PathBuf,
    /// The site this host ingests for; with it, stream names end in `:{site}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Log lines for people or for machines.
    pub log_format: LogFormat,
    /// Absent: the embedded store in `state_dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus: Option<Bus>,
    /// Numbers of the worker: leases, retries.
    pub lifecycle: Lifecycle,
    /// Leases from DHCP servers.
    pub ingest: Ingest,
    /// The plugin folder and limits.
    pub plugins: Plugins,
    /// How controllers are reached.
    pub bmc: Bmc,
    /// The listener for callbacks and iPXE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// The listener for people and programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// The NetBox to read and write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netbox: Option<NetBox>,
    /// The inventory file, where there is no NetBox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Inventory>,
    /// Absent: drivers harden by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ansible: Option<Ansible>,
    /// The firmware catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<Firmware>,
    /// Vendors' fleet tools; the first that takes a server has it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fleet: Vec<Fleet>,
    /// The boot provisioner that serves the validation image; absent: the host's own boot listener does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<Service>,
    /// The ticket system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tickets: Option<Tickets>,
    /// Receivers of signed notices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub webhook: Vec<Webhook>,
    /// Where the end of support is known from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warranty: Option<Warranty>,
    /// Faults of servers in service.
    pub health: Health,
    /// What each stage requires.
    pub policy: Policy,
    /// Orders: reservations and approval.
    pub orders: Orders,
    /// Looking at servers that are past discover.
    pub monitor: Monitor,
}

impl Config {
    /// The fleet tool that takes the servers of this driver and site.
    pub fn fleet(&self, driver: Option<&str>, site: Option<&str>) -> Option<&Fleet> {
        self.fleet.iter().find(|fleet| fleet.takes(driver.unwrap_or_default(), site))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("/var/lib/farrier"),
            site: None,
            log_format: LogFormat::Text,
            bus: None,
            lifecycle: Lifecycle::default(),
            ingest: Ingest::default(),
            plugins: Plugins::default(),
            bmc: Bmc::default(),
            http: None,
            api: None,
            netbox: None,
            inventory: None,
            ansible: None,
            firmware: None,
            fleet: Vec::new(),
            boot: None,
            tickets: None,
            webhook: Vec::new(),
            warranty: None,
            health: Health::default(),
            policy: Policy::default(),
            orders: Orders::default(),
            monitor: Monitor::default(),
        }
    }
}

/// Redis or Valkey, for several hosts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// `redis://`, `rediss://` (TLS) or `redis+unix://`; the password comes from `password`, not from here.
    pub url: Url,
    /// The user's name, where the server has ACLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password, in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The password, in an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
}

impl Bus {
    /// Where the password is; `None`: the server asks for none.
    pub fn password(&self) -> Option<SecretRef> {
        SecretRef::one(self.password_file.as_ref(), self.password_env.as_ref())
    }
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// The first line of this file.
    File(PathBuf),
    /// This environment variable.
    Env(String),
}

impl SecretRef {
    /// From a pair of keys of which exactly one may be given.
    pub(super) fn one(file: Option<&PathBuf>, env: Option<&String>) -> Option<Self> {
        match (file, env) {
            (Some(file), None) => Some(Self::File(file.clone())),
            (None, Some(name)) => Some(Self::Env(name.clone())),
            _ => None,
        }
    }

    /// The secret, read now.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            Self::File(path) => Secret::read(path),
            Self::Env(name) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
                _ => Err(SecretError::Empty { path: format!("${name}") }),
            },
        }
    }
}

/// Worker numbers. Durations in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lifecycle {
    /// Commands worked at once.
    pub permits: usize,
    /// Of these, kept for commands taken over from lost workers.
    pub recovery_permits: usize,
    /// How long a worker may be silent before its command is taken over.
    pub lease_ms: u64,
    /// Between two heartbeats.
    pub beat_ms: u64,
    /// How long SIGTERM waits for running attempts before it hands them back.
    pub grace_ms: u64,
    /// Failed attempts of one stage before a person must look.
    pub max_failures: u32,
    /// First backoff.
    pub backoff_base_ms: u64,
    /// Longest backoff.
    pub backoff_cap_ms: u64,
    /// Between tries for a MAC the inventory does not know.
    pub slow_retry_ms: u64,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            permits: 64,
            recovery_permits: 8,
            lease_ms: 30_000,
            beat_ms: 7_500,
            grace_ms: 15_000,
            max_failures: 20,
            backoff_base_ms: 5_000,
            backoff_cap_ms: 600_000,
            slow_retry_ms: 900_000,
        }
    }
}

/// Leases from DHCP servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ingest {
    /// Where the hooks leave one file for each lease.
    pub spool_dir: PathBuf,
    /// Vendor-class prefixes that are not controllers, beside PXE and HTTP boot clients.
    pub ignore_vendor_classes: Vec<String>,
    /// Only leases in these networks; empty: all.
    pub networks: Vec<IpNet>,
}

impl Default for Ingest {
    fn default() -> Self {
        Self { spool_dir: PathBuf::from("/var/spool/farrier"), ignore_vendor_classes: Vec::new(), networks: Vec::new() }
    }
}
