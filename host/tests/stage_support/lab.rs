//! One server of the lab at a stage, with its driver in the real engine.

use farrier::bus::{Bus as _, Commit, Committed};
use farrier::config::Credential;
use farrier_lab::estate::{Estate, Server as Simulated, Vendor};
use farrier_lab::ledger::Ledger;
use farrier_lab::redfish::BmcHandle;
use farrier_lab::rig::{free_port, plugin};
use farrier_lab::run::{Lab, LabConfig};
use farrier_lifecycle::{Facts, JournalEntry, Lease, LifecycleState, Server, Stage, Status, Timestamp};

use super::Rig;

/// A running controller, and a host for it.
pub struct Site {
    pub rig: Rig,
    pub ledger: Ledger,
    simulated: Simulated,
    lab: Lab,
    _drivers: tempfile::TempDir,
}

fn driver(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Hpe => "hpe-ilo",
        Vendor::Dell => "dell-idrac",
        Vendor::Supermicro => "supermicro",
        Vendor::Generic => "redfish",
    }
}

/// The lab's first server, made one of this vendor.
fn estate(vendor: Vendor) -> Estate {
    let mut estate = Estate::sound(7, 8, "127.78.0.0".parse().unwrap());
    if let Some(at) = estate.servers.iter().position(|server| server.vendor == vendor) {
        estate.servers.swap(0, at);
    }
    estate.servers.truncate(1);
    let server = &mut estate.servers[0];
    if server.vendor != vendor {
        (server.vendor, server.model) = (vendor, "3500RX".to_owned());
        "admin".clone_into(&mut server.bmc.username);
        "a-lab-password".clone_into(&mut server.bmc.password);
    }
    estate
}

/// The driver alone in a folder; `None`, said aloud, where it is not built.
fn drivers(name: &str) -> Option<tempfile::TempDir> {
    let (file, folder) = (plugin(name)?, tempfile::tempdir().unwrap());
    std::fs::copy(file, folder.path().join(format!("{name}.wasm"))).unwrap();
    Some(folder)
}

impl Site {
    /// A controller of this vendor; `None` where its driver is not built.
    pub async fn start(vendor: Vendor) -> Option<Self> {
        let drivers = drivers(driver(vendor))?;
        let (estate, port, ledger) = (estate(vendor), free_port().unwrap(), Ledger::default());
        let simulated = estate.servers[0].clone();
        let password = drivers.path().join("password");
        std::fs::write(&password, &simulated.bmc.password).unwrap();
        let rig = Rig::new(|config| {
            drivers.path().clone_into(&mut config.plugins.dir);
            (config.bmc.port, config.bmc.rate) = (port, 10_000);
            config.bmc.credentials.push(Credential {
                matches: driver(vendor).to_owned(),
                site: None,
                username: simulated.bmc.username.clone(),
                password_file: Some(password),
                password_env: None,
            });
        })
        .await;
        let lab = Lab::start_with(LabConfig::new(estate, port), ledger.clone()).await.unwrap();
        Some(Self { rig, ledger, simulated, lab, _drivers: drivers })
    }

    pub fn bmc(&self) -> &BmcHandle {
        self.lab.bmc(&self.simulated.name).unwrap()
    }

    /// The server is in the store, with a command of this stage.
    pub async fn put(&self, stage: Stage) -> Server {
        let lease = Lease {
            mac: self.simulated.bmc.mac.parse().unwrap(),
            ip: self.simulated.bmc.address.into(),
            hostname: None,
            vendor_class: None,
            at: Timestamp(1_700_000_000_000),
            source: "test".to_owned(),
        };
        let facts = Facts {
            name: Some(self.simulated.name.clone()),
            site: Some(self.simulated.site.clone()),
            serial: Some(self.simulated.serial.clone()),
            driver: Some(driver(self.simulated.vendor).to_owned()),
            ..Facts::default()
        };
        let (version, entered, attempt, status) = (1, 1, 1, Status::Running);
        let server = Server { stage, status, facts, version, entered, attempt, ..Server::unseen(lease) };
        let journal = JournalEntry {
            transition: format!("{}:1", server.id),
            server: server.id.clone(),
            name: server.label().to_owned(),
            version: 1,
            at: server.since,
            event: "test".to_owned(),
            from: LifecycleState::Offline,
            to: server.lifecycle_state(),
            stage,
            status: "running".to_owned(),
            since: server.since,
            note: None,
            fault: None,
        };
        let (publish, record) = (server.outstanding(), server.clone());
        let commit =
            Commit { expected: 0, server: record, publish, journal, fence: None, ack: false, ack_foreign: None };
        assert_eq!(self.rig.bus.commit(&commit).await.unwrap(), Committed::Done);
        server
    }

    /// How many writes with this in their line the controller saw.
    pub fn writes(&self, what: &str) -> usize {
        writes(&self.ledger, what)
    }
}

/// The same of its ledger.
pub fn writes(ledger: &Ledger, what: &str) -> usize {
    ledger.report().effects.iter().filter(|line| line.contains(" Write ") && line.contains(what)).count()
}
