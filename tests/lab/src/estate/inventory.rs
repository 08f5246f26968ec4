//! What should stand in the racks, as the inventory file that `farrier netbox populate` and the embedded
//! inventory read.
//!
//! Promises the plan only: nothing planted shows here. It names each switch port once, so that every cable
//! finds its end.

use anyhow::Context as _;
use serde::Serialize;

use super::model::{Cable, Estate, Nic, Server, Site, Switch, SwitchRole};

#[derive(Serialize)]
struct File<'a> {
    site: Vec<SiteRow<'a>>,
    prefix: Vec<PrefixRow<'a>>,
    rack: Vec<RackRow<'a>>,
    switch: Vec<SwitchRow<'a>>,
    server: Vec<ServerRow<'a>>,
}

#[derive(Serialize)]
struct SiteRow<'a> {
    name: &'a str,
    slug: &'a str,
}

#[derive(Serialize)]
struct PrefixRow<'a> {
    prefix: &'a str,
    site: &'a str,
    role: &'a str,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct RackRow<'a> {
    name: &'a str,
    site: &'a str,
    units: u8,
}

#[derive(Serialize)]
struct SwitchRow<'a> {
    name: &'a str,
    site: &'a str,
    rack: &'a str,
    unit: u8,
    manufacturer: &'a str,
    model: &'a str,
    role: &'a str,
    ports: Vec<&'a str>,
}

#[derive(Serialize)]
struct ServerRow<'a> {
    name: &'a str,
    site: &'a str,
    rack: &'a str,
    unit: u8,
    units: u8,
    role: &'a str,
    manufacturer: &'a str,
    model: &'a str,
    serial: &'a str,
    asset_tag: &'a str,
    bmc_mac: &'a str,
    interface: Vec<InterfaceRow<'a>>,
}

#[derive(Serialize)]
struct InterfaceRow<'a> {
    name: &'a str,
    mac: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cable: Option<&'a Cable>,
}

fn switch_row<'a>(estate: &'a Estate, switch: &'a Switch) -> SwitchRow<'a> {
    let used = |port: &str| {
        let ends = |end: &Cable| end.device == switch.name && end.port == port;
        estate.servers.iter().any(|server| {
            server.nics.iter().any(|nic| nic.cable.as_ref().is_some_and(ends))
                || server.bmc.cable.as_ref().is_some_and(ends)
        })
    };
    let (model, role) = match switch.role {
        SwitchRole::Mgmt => ("DCS-7010T", "management"),
        SwitchRole::Tor => ("DCS-7050SX3", "tor"),
    };
    SwitchRow {
        name: &switch.name,
        site: &switch.site,
        rack: &switch.rack,
        unit: switch.unit,
        manufacturer: "Arista",
        model,
        role,
        // A NetBox interface is a request each; spare ports would only cost time.
        ports: switch.ports.iter().map(String::as_str).filter(|port| used(port)).collect(),
    }
}

fn server_row(server: &Server) -> ServerRow<'_> {
    ServerRow {
        name: &server.name,
        site: &server.site,
        rack: &server.rack,
        unit: server.unit,
        units: server.units,
        role: "server",
        manufacturer: server.vendor.manufacturer(),
        model: &server.model,
        serial: &server.serial,
        asset_tag: &server.asset_tag,
        bmc_mac: &server.bmc.mac,
        interface: server.nics.iter().map(interface_row).collect(),
    }
}

fn prefix_rows(site: &Site) -> impl Iterator<Item = PrefixRow<'_>> {
    site.prefixes.iter().map(|p| PrefixRow { prefix: &p.prefix, site: &site.slug, role: &p.role })
}

fn interface_row(nic: &Nic) -> InterfaceRow<'_> {
    InterfaceRow { name: &nic.name, mac: &nic.mac, kind: "25gbase-x-sfp28", cable: nic.cable.as_ref() }
}

impl Estate {
    /// The inventory file of this estate.
    ///
    /// # Errors
    /// Never for an estate of this program.
    pub fn inventory_toml(&self) -> anyhow::Result<String> {
        let racks = self.servers.iter().map(|server| (&server.rack, &server.site));
        let racks = racks.chain(self.switches.iter().map(|switch| (&switch.rack, &switch.site)));
        let mut rack: Vec<RackRow<'_>> = racks.map(|(name, site)| RackRow { name, site, units: 42 }).collect();
        rack.sort();
        rack.dedup();
        let sites = self.sites.iter();
        let file = File {
            site: sites.clone().map(|site| SiteRow { name: &site.name, slug: &site.slug }).collect(),
            prefix: sites.flat_map(prefix_rows).collect(),
            rack,
            switch: self.switches.iter().map(|switch| switch_row(self, switch)).collect(),
            server: self.servers.iter().map(server_row).collect(),
        };
        toml::to_string(&file).context("writing the inventory as TOML")
    }
}

#[cfg(test)]
mod tests {
    use super::super::generate::{DEFAULT_BASE, DEFAULT_SEED};
    use super::*;

    #[test]
    fn says_what_should_be_and_hides_what_was_planted() {
        let (planted, sound) =
            (Estate::generate(DEFAULT_SEED, 24, DEFAULT_BASE), Estate::sound(DEFAULT_SEED, 24, DEFAULT_BASE));
        assert_ne!(planted, sound);
        assert_eq!(planted.inventory_toml().unwrap(), sound.inventory_toml().unwrap());
    }

    #[test]
    fn every_cable_has_its_port_in_the_file() {
        let text = Estate::sound(DEFAULT_SEED, 24, DEFAULT_BASE).inventory_toml().unwrap();
        let file: toml::Table = toml::from_str(&text).unwrap();
        let names = |port: &toml::Value| port.as_str().unwrap().to_owned();
        let ports: std::collections::BTreeSet<(String, String)> = file["switch"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|s| s["ports"].as_array().unwrap().iter().map(|p| (names(&s["name"]), names(p))))
            .collect();
        let mut cables = 0;
        for server in file["server"].as_array().unwrap() {
            for interface in server["interface"].as_array().unwrap() {
                let end = &interface["cable"];
                assert!(ports.contains(&(names(&end["device"]), names(&end["port"]))));
                cables += 1;
            }
        }
        assert_eq!(cables, 48);
    }
}
