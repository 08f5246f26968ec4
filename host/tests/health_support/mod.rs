//! What a controller says of a server that has nothing in it.
#![allow(dead_code)]

use farrier::plugin::wit::bmc_driver::{Identity, Inventory, PowerSupply};
use farrier::plugin::wit::types::Health;

/// A sound server without parts; tests put in what they are about.
pub fn inventory() -> Inventory {
    Inventory {
        identity: Identity {
            vendor: "HPE".to_owned(),
            model: "x".to_owned(),
            serial: "x".to_owned(),
            sku: None,
            uuid: None,
            controller: "iLO 6".to_owned(),
            controller_version: "1".to_owned(),
            redfish_version: None,
            bmc_mac: None,
            asset_tag: None,
            extra: Vec::new(),
        },
        health: Health::Ok,
        bios_version: None,
        processors: Vec::new(),
        memory: Vec::new(),
        drives: Vec::new(),
        nics: Vec::new(),
        power_supplies: Vec::new(),
        firmware: Vec::new(),
        extra: Vec::new(),
    }
}

pub fn supply(number: impl std::fmt::Display, health: Health) -> PowerSupply {
    PowerSupply { slot: format!("Bay {number}"), model: None, serial: None, watts: None, health }
}
