//! What is known of a server beyond where it stands.
//!
//! Facts decide nothing in `step`; they are shown, matched with orders, and remembered so that the stages need not read twice. Every field
//! may be absent: a record written before a field existed reads as one that does not know it.

use serde::{Deserialize, Serialize};

use crate::Mac;

/// The size of a server in numbers, for lists and orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hardware {
    /// Model of the first processor; they are alike.
    pub cpu_model: String,
    /// Processors.
    pub sockets: u32,
    /// Cores of all processors.
    pub cores: u32,
    /// Memory of all modules, GiB, rounded down.
    pub memory_gib: u32,
    /// Drives.
    pub drives: u32,
    /// Capacity of all drives, GiB, rounded down once.
    pub drive_gib: u64,
    /// Network interfaces, without the controller's.
    pub nics: u32,
}

/// What is known of a server beyond where it stands; learnt in discover, shown in lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The inventory's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The inventory's id for it: NetBox's device id, or the name again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory_id: Option<String>,
    /// Slug of the inventory's site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Name of the plugin that drives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// As the controller reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// As the controller reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// As the controller reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// `iLO 6`, `iDRAC9`, with its firmware version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// Who else manages the server, as the controller says: a fleet tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Name of the inventory's rack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// The lowest unit it fills in the rack, from 1; not always known where the rack is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<u32>,
    /// Units it fills from there up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<u32>,
    /// Height of its rack in units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack_units: Option<u32>,
    /// What is in it, in numbers, as the controller reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware: Option<Hardware>,
    /// The inventory's name for the controller's interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bmc_interface: Option<String>,
    /// MACs the server may boot from, learnt from its inventory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub boot_macs: Vec<Mac>,
}

impl Facts {
    /// The controller's interface as journals name it; nobody has looked yet where the inventory's name is not known.
    pub fn interface(&self) -> &str {
        self.bmc_interface.as_deref().unwrap_or("bmc")
    }

    /// Take over what `newer` knows; what it does not know stays. Unit and height are of the rack, and a manager of its controller: a newer one
    /// brings its own, or none.
    pub fn merge(&mut self, newer: Self) {
        fn take<T>(old: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *old = new;
            }
        }
        // By name, so that the compiler misses a field that is not taken over.
        let Self {
            name,
            inventory_id,
            site,
            driver,
            vendor,
            model,
            serial,
            controller,
            manager,
            rack,
            unit,
            units,
            rack_units,
            hardware,
            bmc_interface,
            boot_macs,
        } = newer;
        take(&mut self.name, name);
        take(&mut self.inventory_id, inventory_id);
        take(&mut self.site, site);
        take(&mut self.driver, driver);
        take(&mut self.vendor, vendor);
        take(&mut self.model, model);
        take(&mut self.serial, serial);
        if controller.is_some() {
            self.controller = controller;
            self.manager = manager;
        }
        if rack.is_some() {
            self.rack = rack;
            self.unit = unit;
            self.rack_units = rack_units;
        }
        take(&mut self.units, units);
        take(&mut self.hardware, hardware);
        take(&mut self.bmc_interface, bmc_interface);
        if !boot_macs.is_empty() {
            self.boot_macs = boot_macs;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(rack: &str, unit: Option<u32>) -> Facts {
        Facts { rack: Some(rack.to_owned()), unit, ..Facts::default() }
    }

    #[test]
    fn a_unit_goes_with_its_rack() {
        let mut facts = at("A01", Some(10));
        facts.merge(Facts::default());
        assert_eq!(facts, at("A01", Some(10)), "what is not known stays");
        facts.merge(at("B02", None));
        assert_eq!(facts, at("B02", None), "the old rack's unit means nothing in the new one");
        facts.merge(at("B02", Some(3)));
        assert_eq!(facts.unit, Some(3));
        facts.merge(Facts { units: Some(2), rack_units: Some(48), ..at("B02", Some(3)) });
        facts.merge(at("C01", Some(3)));
        assert_eq!(
            (facts.units, facts.rack_units),
            (Some(2), None),
            "the server is as high everywhere, the rack is another"
        );
    }

    #[test]
    fn a_manager_goes_with_what_the_controller_said_last() {
        let said = |manager: Option<&str>| Facts {
            controller: Some("iLO 6 1.5".to_owned()),
            manager: manager.map(str::to_owned),
            ..Facts::default()
        };
        let mut facts = said(Some("OneView"));
        facts.merge(at("A01", None));
        assert_eq!(facts.manager.as_deref(), Some("OneView"), "who does not ask the controller changes nothing");
        facts.merge(said(None));
        assert_eq!(facts.manager, None, "it was let go");
    }

    #[test]
    fn facts_of_an_older_version_are_read_and_unknown_ones_are_not_written() {
        let facts: Facts = serde_json::from_str(r#"{"name":"AMS-SRV-001","site":"ams"}"#).unwrap();
        assert_eq!((facts.rack, facts.unit, facts.hardware), (None, None, None));
        assert_eq!(serde_json::to_string(&Facts::default()).unwrap(), "{}");
    }
}
