//! A server as a fleet tool sees it: a controller at an address, with firmware.

use crate::estate::Server;

/// One component's firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// As the tool names it.
    pub name: String,
    /// The tool's handle for it.
    pub source: String,
    /// What is installed.
    pub installed: String,
    /// What the tool's baseline has.
    pub available: String,
}

/// Support that was bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warranty {
    /// The vendor's name for it.
    pub level: String,
    /// Its first day, as the tool writes times.
    pub starts: String,
    /// Its end; none where the tool has no date.
    pub ends: Option<String>,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Serial number or service tag.
    pub serial: String,
    /// Its controller's address.
    pub address: String,
    /// Its controller's MAC.
    pub mac: String,
    /// Model, as the vendor writes it.
    pub model: String,
    /// The controller's account.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Another appliance already owns it.
    pub owner: Option<String>,
    /// The controller's licence.
    pub licence: String,
    /// Is it on?
    pub on: bool,
    /// The tool has it from the start.
    pub known: bool,
    /// Its firmware.
    pub firmware: Vec<Component>,
    /// Its warranties.
    pub warranties: Vec<Warranty>,
}

impl Machine {
    /// A server whose BIOS is behind and whose controller is not.
    pub fn new(serial: &str, address: &str) -> Self {
        let component = |name: &str, installed: &str, available: &str| Component {
            name: name.to_owned(),
            source: format!("DCIM:INSTALLED#{}", name.replace(' ', "_")),
            installed: installed.to_owned(),
            available: available.to_owned(),
        };
        Self {
            serial: serial.to_owned(),
            address: address.to_owned(),
            mac: "94:40:c9:00:00:01".to_owned(),
            model: "Simulated".to_owned(),
            username: "root".to_owned(),
            password: "controller-password-1".to_owned(),
            owner: None,
            licence: "iLO Advanced".to_owned(),
            on: true,
            known: false,
            firmware: vec![component("System ROM", "2.10.2", "2.21.2"), component("Controller", "3.11", "3.11")],
            warranties: Vec::new(),
        }
    }

    /// This server of the lab, as its tool reaches it.
    pub fn of(server: &Server) -> Self {
        Self {
            mac: server.bmc.mac.clone(),
            model: server.model.clone(),
            username: server.bmc.username.clone(),
            password: server.bmc.password.clone(),
            ..Self::new(&server.serial, &server.bmc.address.to_string())
        }
    }

    /// Everything as the baseline has it.
    pub fn is_current(&self) -> bool {
        self.firmware.iter().all(|one| one.installed == one.available)
    }

    /// Bring the firmware to the baseline.
    pub fn flash(&mut self) {
        for one in &mut self.firmware {
            one.installed.clone_from(&one.available);
        }
    }
}
