//! An estate out of a seed.
//!
//! Promises that each fact is drawn from the seed and its own name alone (a hash, no running generator), so
//! one more server changes nothing about the others. Addresses stay in 127.0.0.0/8, all of which is local.

use std::net::Ipv4Addr;

use sha2::{Digest as _, Sha256};

use super::model::{Bmc, Cable, Estate, Fault, Nic, Prefix, Server, Site, Switch, SwitchRole, Vendor};

/// The seed of the demonstration.
pub const DEFAULT_SEED: u64 = 7;
/// The size of the demonstration.
pub const DEFAULT_SERVERS: usize = 24;
/// The first two octets of every controller's address.
pub const DEFAULT_BASE: Ipv4Addr = Ipv4Addr::new(127, 10, 0, 0);

const SITES: [(&str, &str); 5] =
    [("Amsterdam", "ams"), ("Frankfurt", "fra"), ("Ashburn", "iad"), ("San Jose", "sjc"), ("Singapore", "sin")];
const VENDORS: [Vendor; 3] = [Vendor::Hpe, Vendor::Dell, Vendor::Supermicro];
/// Two height units each, under the switches.
const SERVERS_PER_RACK: usize = 18;
/// Controllers in one /24.
const SERVERS_PER_PREFIX: usize = 240;
/// Fewer servers than this are all sound: a fault in each would leave nothing to be ready.
const FAULTS_FROM: usize = 8;

/// A number that depends on the seed and `what`, and on nothing else.
fn draw(seed: u64, what: &str) -> u64 {
    let digest = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(what).finalize();
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// `length` characters of `alphabet`.
fn text(seed: u64, what: &str, alphabet: &[u8], length: usize) -> String {
    (0..length as u64)
        .filter_map(|place| {
            let at = draw(seed, &format!("{what}/{place}")) % alphabet.len() as u64;
            alphabet.get(usize::try_from(at).ok()?).map(|byte| char::from(*byte))
        })
        .collect()
}

fn mac(oui: &str, block: u64, number: usize) -> String {
    let low = (block << 16 | number as u64) & 0xff_ffff;
    format!("{oui}:{:02x}:{:02x}:{:02x}", low >> 16, low >> 8 & 0xff, low & 0xff)
}

/// Serials in the form each vendor prints; Dell's service tags have no vowels.
fn serial(seed: u64, name: &str, vendor: Vendor) -> String {
    const DIGITS: &[u8] = b"0123456789";
    const TAG: &[u8] = b"0123456789BCDFGHJKLMNPQRSTVWXYZ";
    let what = format!("serial/{name}");
    match vendor {
        Vendor::Hpe => format!("MXQ{}{}", text(seed, &what, DIGITS, 3), text(seed, &format!("{what}b"), TAG, 4)),
        Vendor::Dell => text(seed, &what, TAG, 7),
        Vendor::Supermicro => {
            format!("S{}X{}", text(seed, &what, DIGITS, 6), text(seed, &format!("{what}b"), DIGITS, 7))
        }
        Vendor::Generic => format!("CT{}", text(seed, &what, DIGITS, 8)),
    }
}

/// Models that the lab's controllers play; HPE's come in two generations, turn by turn.
fn model(vendor: Vendor, index: usize) -> &'static str {
    match vendor {
        Vendor::Hpe if index.is_multiple_of(2) => "ProLiant DL360 Gen10 Plus",
        Vendor::Hpe => "ProLiant DL360 Gen11",
        Vendor::Dell => "PowerEdge R750",
        Vendor::Supermicro => "SYS-121H-TNR",
        Vendor::Generic => "3500RX",
    }
}

fn ouis(vendor: Vendor) -> (&'static str, &'static str) {
    match vendor {
        Vendor::Hpe => ("94:40:c9", "88:e9:a4"),
        Vendor::Dell => ("d0:94:66", "40:a6:b7"),
        Vendor::Supermicro => ("7c:c2:55", "3c:ec:ef"),
        Vendor::Generic => ("a0:36:9f", "a0:36:9f"),
    }
}

/// The password that the configuration has for a vendor's controllers.
fn password(seed: u64, vendor: Vendor) -> String {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    text(seed, &format!("password/{}", vendor.driver()), LETTERS, 14)
}

/// Where a server stands: `(site index, number within the site)`.
fn place(index: usize) -> (usize, usize) {
    (index % SITES.len(), index / SITES.len())
}

fn third_octet(site: usize, block: usize) -> usize {
    site + 1 + block * 8
}

fn octet(number: usize) -> u8 {
    u8::try_from(number % 256).unwrap_or_default()
}

fn bmc_address(base: Ipv4Addr, site: usize, number: usize) -> Ipv4Addr {
    let [first, second, ..] = base.octets();
    let third = octet(third_octet(site, number / SERVERS_PER_PREFIX));
    Ipv4Addr::new(first, second, third, octet(number % SERVERS_PER_PREFIX + 11))
}

fn rack_name(number: usize) -> String {
    format!("A{:02}", number / SERVERS_PER_RACK + 1)
}

fn server(seed: u64, base: Ipv4Addr, index: usize) -> Server {
    let (site, number) = place(index);
    let slug = SITES.get(site).map_or("", |(_, slug)| slug);
    let vendor = VENDORS.get(index % VENDORS.len()).copied().unwrap_or(Vendor::Generic);
    let (bmc_oui, nic_oui) = ouis(vendor);
    let upper = slug.to_uppercase();
    let name = format!("{upper}-SRV-{:03}", number + 1);
    let rack = rack_name(number);
    let slot = number % SERVERS_PER_RACK;
    let switch = |kind: &str| format!("{slug}-{}-{kind}", rack.to_lowercase());
    let tor = |side: &str| Cable { device: switch(&format!("tor-{side}")), port: format!("Ethernet{}", slot + 1) };
    let nic = |name: &str, side: &str, at: usize| Nic {
        name: name.to_owned(),
        mac: mac(nic_oui, 0x10, index * 2 + at),
        cable: Some(tor(side)),
        plugged: None,
    };
    Server {
        serial: serial(seed, &name, vendor),
        site: slug.to_owned(),
        unit: octet(slot * 2 + 1),
        units: 2,
        vendor,
        model: model(vendor, index).to_owned(),
        found_serial: None,
        asset_tag: format!("BM-{upper}-{:04}", number + 1),
        ignored_control: None,
        planted: None,
        bmc: Bmc {
            mac: mac(bmc_oui, 0x01, index),
            address: bmc_address(base, site, number),
            username: vendor.username().to_owned(),
            password: password(seed, vendor),
            cable: Some(Cable { device: switch("mgmt"), port: format!("GigabitEthernet1/0/{}", slot + 1) }),
        },
        nics: vec![nic("ens1f0", "a", 0), nic("ens2f0", "b", 1)],
        name,
        rack,
    }
}

fn switches(site: usize, servers: usize) -> Vec<Switch> {
    let slug = SITES.get(site).map_or("", |(_, slug)| slug);
    let racks = servers.div_ceil(SERVERS_PER_RACK);
    let kinds = [
        ("mgmt", SwitchRole::Mgmt, 42, "GigabitEthernet1/0/"),
        ("tor-a", SwitchRole::Tor, 41, "Ethernet"),
        ("tor-b", SwitchRole::Tor, 40, "Ethernet"),
    ];
    let all = (0..racks).flat_map(|rack| kinds.iter().enumerate().map(move |(at, kind)| (rack, at, *kind)));
    all.map(|(rack, at, (kind, role, unit, port))| {
        let number = rack * kinds.len() + at;
        let rack = rack_name(rack * SERVERS_PER_RACK);
        Switch {
            name: format!("{slug}-{}-{kind}", rack.to_lowercase()),
            site: slug.to_owned(),
            rack,
            unit,
            role,
            mac: mac("28:99:3a", site as u64 + 1, number),
            address: Ipv4Addr::new(10, 255, octet(site + 1), octet(number + 1)),
            ports: (1..=SERVERS_PER_RACK * 2 + 12).map(|number| format!("{port}{number}")).collect(),
        }
    })
    .collect()
}

impl Fault {
    /// Put the fault into a server that has none.
    pub fn plant(self, server: &mut Server) {
        match self {
            Self::IdentityMismatch => {
                // A spare board from the same delivery: right form, wrong number.
                let nines = |c: char| c.to_digit(10).and_then(|digit| char::from_digit(9 - digit, 10)).unwrap_or(c);
                let other: String = server.serial.chars().map(nines).collect();
                server.found_serial = Some(if other == server.serial { format!("{other}0") } else { other });
            }
            Self::CableSwapped => {
                if let [first, second, ..] = server.nics.as_mut_slice() {
                    first.plugged.clone_from(&second.cable);
                    second.plugged.clone_from(&first.cable);
                }
            }
            Self::ControlNotApplied => server.ignored_control = Some("ipmi-over-lan".to_owned()),
            Self::CredentialsRefused => server.bmc.password = format!("{}-changed", server.bmc.password),
        }
        server.planted = Some(self);
    }
}

impl Estate {
    /// `servers` servers of three vendors in five sites, four of them with one planted fault each (none in
    /// an estate of fewer than eight). `base` gives the first two octets of the controllers' addresses.
    pub fn generate(seed: u64, servers: usize, base: Ipv4Addr) -> Self {
        let mut estate = Self::sound(seed, servers, base);
        if servers >= FAULTS_FROM {
            let mut order: Vec<usize> = (0..servers).collect();
            order.sort_by_key(|index| draw(seed, &format!("fault/{index}")));
            for (fault, index) in Fault::ALL.iter().zip(order) {
                if let Some(server) = estate.servers.get_mut(index) {
                    fault.plant(server);
                }
            }
        }
        estate
    }

    /// The same estate with nothing wrong in it.
    pub fn sound(seed: u64, servers: usize, base: Ipv4Addr) -> Self {
        let [first, second, ..] = base.octets();
        let in_site = |site: usize| (0..servers).filter(|index| place(*index).0 == site).count();
        let sites = SITES.iter().enumerate().filter(|(site, _)| in_site(*site) > 0);
        let mut all: Vec<Server> = (0..servers).map(|index| server(seed, base, index)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            seed,
            sites: sites
                .map(|(site, (name, slug))| Site {
                    name: (*name).to_owned(),
                    slug: (*slug).to_owned(),
                    prefixes: (0..in_site(site).div_ceil(SERVERS_PER_PREFIX))
                        .map(|block| Prefix {
                            prefix: format!("{first}.{second}.{}.0/24", third_octet(site, block)),
                            role: "BMC Management".to_owned(),
                        })
                        .collect(),
                })
                .collect(),
            switches: (0..SITES.len()).flat_map(|site| switches(site, in_site(site))).collect(),
            servers: all,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn default() -> Estate {
        Estate::generate(DEFAULT_SEED, DEFAULT_SERVERS, DEFAULT_BASE)
    }

    #[test]
    fn has_three_vendors_in_five_sites_and_four_different_faults() {
        let estate = default();
        assert_eq!(estate.servers.len(), 24);
        assert_eq!(estate.servers.iter().map(|s| s.vendor).collect::<BTreeSet<_>>().len(), 3);
        assert_eq!(estate.servers.iter().map(|s| s.site.as_str()).collect::<BTreeSet<_>>().len(), 5);
        let mut faults: Vec<_> = estate.servers.iter().filter_map(|s| s.planted).collect();
        faults.sort();
        assert_eq!(faults, Fault::ALL);
    }

    #[test]
    fn names_macs_addresses_serials_and_ports_are_unique() {
        let estate = Estate::generate(3, 1300, DEFAULT_BASE);
        let all = |f: &dyn Fn(&Server) -> Vec<String>| {
            let found: Vec<String> = estate.servers.iter().flat_map(f).collect();
            assert_eq!(found.len(), found.iter().collect::<BTreeSet<_>>().len());
        };
        all(&|s| vec![s.name.clone()]);
        all(&|s| vec![s.serial.clone()]);
        all(&|s| vec![s.bmc.address.to_string()]);
        all(&|s| s.nics.iter().map(|n| n.mac.clone()).chain([s.bmc.mac.clone()]).collect());
        all(&|s| {
            let ends = s.nics.iter().filter_map(|n| n.cable.clone()).chain(s.bmc.cable.clone());
            ends.map(|end| format!("{}/{}", end.device, end.port)).collect()
        });
    }

    #[test]
    fn every_cable_ends_on_a_port_that_exists() {
        let estate = default();
        for server in &estate.servers {
            for end in server.nics.iter().filter_map(Nic::end).chain(&server.bmc.cable) {
                let switch = estate.switch(&end.device).unwrap_or_else(|| panic!("no switch {}", end.device));
                assert!(switch.ports.contains(&end.port), "{} has no {}", switch.name, end.port);
                assert_eq!((&switch.site, &switch.rack), (&server.site, &server.rack));
            }
        }
    }

    #[test]
    fn one_more_server_changes_no_other() {
        let (small, large) = (Estate::sound(7, 24, DEFAULT_BASE), Estate::sound(7, 60, DEFAULT_BASE));
        for server in &small.servers {
            assert_eq!(Some(server), large.server(&server.name));
        }
    }

    #[test]
    fn another_seed_draws_other_serials_and_passwords() {
        let (one, two) = (Estate::sound(1, 3, DEFAULT_BASE), Estate::sound(2, 3, DEFAULT_BASE));
        for (a, b) in one.servers.iter().zip(&two.servers) {
            assert_ne!(a.serial, b.serial);
            assert_ne!(a.bmc.password, b.bmc.password);
        }
    }

    #[test]
    fn planted_faults_are_physical() {
        for server in &default().servers {
            let differs = server.board_serial() != server.serial;
            assert_eq!(differs, server.planted == Some(Fault::IdentityMismatch), "{}", server.name);
            let swapped = server.nics.iter().any(|nic| nic.end() != nic.cable.as_ref());
            assert_eq!(swapped, server.planted == Some(Fault::CableSwapped), "{}", server.name);
        }
    }

    #[test]
    fn survives_toml() {
        let estate = default();
        assert_eq!(Estate::from_toml(&estate.to_toml().unwrap()).unwrap(), estate);
    }
}
