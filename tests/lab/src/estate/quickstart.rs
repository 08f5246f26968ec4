//! The quick start's estate: one server, whose controller has the MAC that the guide types.
//!
//! Promises `A0:36:9F:01:00:00` and one site, rack and server with two cables. The address is the caller's:
//! the guide's own, 10.0.100.50, is no local address unless somebody adds it to an interface.

use std::net::Ipv4Addr;

use super::model::{Bmc, Cable, Estate, Nic, Prefix, Server, Site, Switch, SwitchRole, Vendor};

/// The MAC that the quick start types.
pub const QUICK_START_MAC: &str = "a0:36:9f:01:00:00";

impl Estate {
    /// One sound server at `address`.
    pub fn quick_start(address: Ipv4Addr) -> Self {
        let [first, second, third, _] = address.octets();
        let (site, rack) = ("east".to_owned(), "R01".to_owned());
        let switch = |name: &str, unit, role, number: u8| Switch {
            name: name.to_owned(),
            site: site.clone(),
            rack: rack.clone(),
            unit,
            role,
            mac: format!("28:99:3a:00:00:{number:02x}"),
            address: Ipv4Addr::new(10, 255, 0, number),
            ports: vec!["Ethernet1".to_owned()],
        };
        let cable = |device: &str| Some(Cable { device: device.to_owned(), port: "Ethernet1".to_owned() });
        let nic = |name: &str, mac: &str, device: &str| Nic {
            name: name.to_owned(),
            mac: mac.to_owned(),
            cable: cable(device),
            plugged: None,
        };
        let server = Server {
            name: "EAST-SRV-001".to_owned(),
            site: site.clone(),
            rack: rack.clone(),
            unit: 10,
            units: 1,
            vendor: Vendor::Hpe,
            model: "ProLiant DL360 Gen10 Plus".to_owned(),
            serial: "MXQ0360001".to_owned(),
            found_serial: None,
            asset_tag: "BM-EAST-0001".to_owned(),
            ignored_control: None,
            planted: None,
            bmc: Bmc {
                mac: QUICK_START_MAC.to_owned(),
                address,
                username: Vendor::Hpe.username().to_owned(),
                password: "quick-start-1".to_owned(),
                cable: cable("east-r01-mgmt"),
            },
            nics: vec![
                nic("ens1f0", "a0:36:9f:01:00:01", "east-r01-tor-a"),
                nic("ens2f0", "a0:36:9f:01:00:02", "east-r01-tor-b"),
            ],
        };
        let prefix = Prefix { prefix: format!("{first}.{second}.{third}.0/24"), role: "BMC Management".to_owned() };
        Self {
            seed: 0,
            sites: vec![Site { name: "East".to_owned(), slug: site.clone(), prefixes: vec![prefix] }],
            switches: vec![
                switch("east-r01-mgmt", 42, SwitchRole::Mgmt, 1),
                switch("east-r01-tor-a", 41, SwitchRole::Tor, 2),
                switch("east-r01-tor-b", 40, SwitchRole::Tor, 3),
            ],
            servers: vec![server],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_whole() {
        let estate = Estate::quick_start(Ipv4Addr::new(127, 0, 100, 50));
        let server = &estate.servers[0];
        for end in server.nics.iter().filter_map(Nic::end).chain(&server.bmc.cable) {
            assert!(estate.switch(&end.device).is_some_and(|switch| switch.ports.contains(&end.port)));
        }
        assert!(estate.inventory_toml().unwrap().contains("127.0.100.0/24"));
        assert_eq!(Estate::from_toml(&estate.to_toml().unwrap()).unwrap(), estate);
    }
}
