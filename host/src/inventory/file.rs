//! The embedded inventory: a TOML or CSV file says what should exist, where there is no NetBox.
//!
//! Reads the file again whenever it has changed, so that an edit counts from the next stage on. Projects nothing: the
//! journal in the store is the record of what happened.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use farrier_lifecycle::{Blame, Fault, JournalEntry, Mac, Retry};

use super::document::{Document, Interface, Rack, Server, UNSTATED};
use super::read::{FileError, load};
use super::{Expected, ExpectedNic, Found, Heights, Inventory};

/// What tells one state of the file from another.
type Stamp = (SystemTime, u64);

/// An inventory in a file.
pub struct FileInventory {
    path: PathBuf,
    state: Mutex<(Stamp, Arc<Document>)>,
}

impl FileInventory {
    /// Read and check the file.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let stamp = stamp(path)?;
        let document = Arc::new(load(path)?);
        Ok(Self { path: path.to_owned(), state: Mutex::new((stamp, document)) })
    }

    /// The file as it is now.
    pub fn document(&self) -> Result<Arc<Document>, FileError> {
        let now = stamp(&self.path)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 != now {
            *state = (now, Arc::new(load(&self.path)?));
        }
        Ok(Arc::clone(&state.1))
    }

    fn current(&self) -> Result<Arc<Document>, Fault> {
        self.document().map_err(|error| {
            Fault::new(error.code(), Retry::Slowly, Blame::Operator, error.to_string())
                .hint("mend the file; it is read again by itself")
        })
    }
}

fn stamp(path: &Path) -> Result<Stamp, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    Ok((metadata.modified().map_err(unreadable)?, metadata.len()))
}

#[async_trait]
impl Inventory for FileInventory {
    fn describe(&self) -> String {
        format!("file {}", self.path.display())
    }

    async fn find(&self, mac: Mac) -> Result<Found, Fault> {
        let document = self.current()?;
        for server in document.servers.iter().map(|row| &row.value) {
            if server.bmc() == Some(mac) {
                return Ok(Found::Server(Box::new(expected(&document, server))));
            }
            let has = |interface: &&Interface| interface.mac.as_ref().is_some_and(|text| text.parse() == Ok(mac));
            if let Some(interface) = server.interface.iter().find(has) {
                return Ok(Found::NotController { device: server.name.clone(), interface: interface.name.clone() });
            }
        }
        Ok(Found::Unknown)
    }

    async fn project(&self, _: &JournalEntry, _: &farrier_lifecycle::Server) -> Result<(), Fault> {
        Ok(())
    }

    async fn check(&self) -> Result<Vec<String>, Fault> {
        let document = self.current()?;
        let vague =
            document.servers.iter().filter(|row| row.value.model.is_none() || row.value.serial.is_none()).count();
        if vague == 0 {
            return Ok(Vec::new());
        }
        Ok(vec![format!(
            "{vague} of {} servers in {} have no model or no serial number: validate has nothing to compare them with",
            document.servers.len(),
            self.path.display()
        )])
    }

    async fn address(&self, _: &Expected) -> Result<Option<IpAddr>, Fault> {
        Ok(None)
    }

    async fn heights(&self, expected: &Expected) -> Result<Heights, Fault> {
        let document = self.current()?;
        let server = document.servers.iter().find(|row| row.value.name == expected.id);
        let of = |rack: &Rack| {
            let name = expected.rack.as_ref().map(|(name, _)| name.as_str());
            name == Some(rack.name.as_str()) && document.slug_of(&rack.site) == expected.site
        };
        let rack = document.racks.iter().map(|row| &row.value).find(|rack| of(rack));
        Ok(Heights { server: server.and_then(|row| row.value.units), rack: rack.map(|rack| rack.units) })
    }
}

fn expected(document: &Document, server: &Server) -> Expected {
    let stated = |text: &Option<String>| text.clone().filter(|text| !text.is_empty() && text != UNSTATED);
    let nic = |interface: &Interface| ExpectedNic {
        name: interface.name.clone(),
        mac: interface.mac.as_ref().and_then(|text| text.parse().ok()),
        cable: interface.cable.as_ref().map(|end| (end.device.clone(), end.port.clone())),
    };
    Expected {
        id: server.name.clone(),
        name: server.name.clone(),
        site: document.slug_of(&server.site),
        rack: server.rack.clone().map(|rack| (rack, server.unit)),
        serial: stated(&server.serial),
        manufacturer: stated(&server.manufacturer),
        model: stated(&server.model),
        claim: None,
        tenant: server.tenant.clone(),
        bmc_interface: server.bmc_interface.clone(),
        nics: server.interface.iter().map(nic).collect(),
    }
}
