//! NetBox as the inventory: what should exist is read from it, what happened is written into it.
//!
//! Works with 3.7 and 4.x. Writes only through [`Inventory::project_all`], which the projector calls, and through the commands an
//! operator gives (`netbox init`, `netbox populate`). It never alters a schema while serving.

mod address;
mod client;
mod connect;
mod device;
mod differ;
pub mod drift;
mod error;
pub mod export;
mod find;
pub mod init;
mod model;
mod notes;
pub mod populate;
mod project;
pub mod projector;
mod schema;
mod support;
mod tenant;
mod tls;
pub mod webhook;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use farrier_lifecycle::{Fault, JournalEntry, LifecycleState, Mac, Server, ServerId};

pub use self::client::{Client, Version};
pub use self::error::NetBoxError;
use self::schema::Schema;
use crate::config::{self, Config};
use crate::inventory::{Connected, Difference, Expected, FileError, FileInventory, Found, Heights, Inventory};

/// The inventory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration names neither.
    #[error("the configuration names neither [netbox] nor [inventory]")]
    None,
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The token or the authority file cannot be used.
    #[error(transparent)]
    NetBox(#[from] NetBoxError),
}

/// The inventory of the configuration. NetBox is not asked yet: it may be away while the host starts.
pub fn open(config: &Config) -> Result<Arc<dyn Inventory>, OpenError> {
    if let Some(netbox) = &config.netbox {
        return Ok(Arc::new(NetBoxInventory::new(netbox.clone())?));
    }
    let inventory = config.inventory.as_ref().ok_or(OpenError::None)?;
    Ok(Arc::new(FileInventory::open(&inventory.file)?))
}

/// A NetBox as the inventory.
pub struct NetBoxInventory {
    client: Client,
    config: config::NetBox,
    schema: Schema,
    name: OnceLock<String>,
}

impl NetBoxInventory {
    /// Read the token; nothing is sent.
    pub fn new(config: config::NetBox) -> Result<Self, NetBoxError> {
        Ok(Self { client: Client::new(&config)?, config, schema: Schema::default(), name: OnceLock::new() })
    }

    /// The way to it.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    const fn config(&self) -> &config::NetBox {
        &self.config
    }

    const fn schema(&self) -> &Schema {
        &self.schema
    }
}

#[async_trait]
impl Inventory for NetBoxInventory {
    fn describe(&self) -> String {
        self.name.get().cloned().unwrap_or_else(|| format!("netbox {}", self.client.url()))
    }

    async fn find(&self, mac: Mac) -> Result<Found, Fault> {
        Ok(find::find(&self.client, mac, &self.config.bmc_interfaces).await?)
    }

    async fn project(&self, entry: &JournalEntry, server: &Server) -> Result<(), Fault> {
        self.write(std::slice::from_ref(entry), server).await
    }

    async fn project_all(&self, entries: &[JournalEntry], server: &Server) -> Result<(), Fault> {
        self.write(entries, server).await
    }

    async fn check(&self) -> Result<Vec<String>, Fault> {
        let (version, text) = self.client.version().await?;
        let _ = self.name.set(format!("netbox {text}"));
        let mut lines = Vec::new();
        if !version.is_supported() {
            lines.push(format!("NetBox {text} is older than 3.7, the oldest this program was tried with"));
        }
        let names = LifecycleState::ALL.map(LifecycleState::as_str);
        for state in self.config.status.keys().filter(|state| !names.contains(&state.as_str())) {
            lines.push(format!(
                "`netbox.status` names `{state}`, which is no lifecycle state; one of {}",
                names.join(", ")
            ));
        }
        for step in init::plan(&self.client).await? {
            lines.push(format!("missing: {}", step.text));
        }
        let known = self.schema.known(&self.client).await?;
        for status in self.config.status.values().filter(|status| !status.is_empty() && !known.has_status(status)) {
            lines.push(format!("`netbox.status` names the device status `{status}`, which this NetBox does not have"));
        }
        Ok(lines)
    }

    async fn address(&self, expected: &Expected) -> Result<Option<IpAddr>, Fault> {
        Ok(find::address(&self.client, expected).await?)
    }

    async fn heights(&self, expected: &Expected) -> Result<Heights, Fault> {
        Ok(find::heights(&self.client, expected).await?)
    }

    async fn differences(&self, servers: &[Server]) -> Result<Vec<(ServerId, Vec<Difference>)>, Fault> {
        self.differ(servers).await
    }

    async fn support(&self, server: &Server, answer: &[u8]) -> Result<bool, Fault> {
        match serde_json::from_slice(answer) {
            Ok(answer) => self.write_support(server, &answer).await,
            // Of another version's shape: asked for again within a day.
            Err(_) => Ok(true),
        }
    }

    async fn connect(
        &self,
        expected: &Expected,
        nic: &str,
        switch: &str,
        ports: &[String],
    ) -> Result<Connected, Fault> {
        Ok(connect::connect(&self.client, expected, nic, switch, ports).await?)
    }
}
