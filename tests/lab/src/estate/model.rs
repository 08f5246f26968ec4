//! The words of an estate file: sites, switches, servers, controllers, cables.
//!
//! Promises that an estate survives TOML unchanged. It does not check that names are unique: the generator
//! and the inventory it becomes do.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// A whole estate, as built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estate {
    /// What it was drawn from; 0 for one written by hand.
    #[serde(default)]
    pub seed: u64,
    /// Places.
    #[serde(default, rename = "site")]
    pub sites: Vec<Site>,
    /// Everything cables end on that is not a server.
    #[serde(default, rename = "switch")]
    pub switches: Vec<Switch>,
    /// The servers, in order of name within a site.
    #[serde(default, rename = "server")]
    pub servers: Vec<Server>,
}

/// One place with its management networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// As people say it: `Amsterdam`.
    pub name: String,
    /// As programs say it: `ams`.
    pub slug: String,
    /// Where its controllers get their addresses.
    #[serde(default, rename = "prefix")]
    pub prefixes: Vec<Prefix>,
}

/// One network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prefix {
    /// CIDR form.
    pub prefix: String,
    /// NetBox's prefix role.
    pub role: String,
}

/// What a switch is for; decides its height in the rack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwitchRole {
    /// Management: controllers end here.
    Mgmt,
    /// Top of rack: production ports end here.
    Tor,
}

/// One switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// As LLDP announces it.
    pub name: String,
    /// Site slug.
    pub site: String,
    /// Rack name.
    pub rack: String,
    /// Height units from the floor.
    pub unit: u8,
    /// Management or top of rack.
    pub role: SwitchRole,
    /// Chassis id in LLDP: a MAC, lower case with colons.
    pub mac: String,
    /// Management address in LLDP.
    pub address: Ipv4Addr,
    /// Port names.
    pub ports: Vec<String>,
}

/// Whose controller it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vendor {
    /// iLO.
    Hpe,
    /// iDRAC.
    Dell,
    /// Supermicro's BMC.
    Supermicro,
    /// A controller that only keeps to the standard.
    Generic,
}

impl Vendor {
    /// The manufacturer's name in the inventory.
    pub fn manufacturer(self) -> &'static str {
        match self {
            Self::Hpe => "HPE",
            Self::Dell => "Dell",
            Self::Supermicro => "Supermicro",
            Self::Generic => "Contoso",
        }
    }

    /// The manufacturer as `dmidecode` prints it.
    pub fn smbios(self) -> &'static str {
        match self {
            Self::Hpe => "HPE",
            Self::Dell => "Dell Inc.",
            Self::Supermicro => "Supermicro",
            Self::Generic => "Contoso",
        }
    }

    /// What a `bmc.credentials` line matches it by: the start of the driver's name.
    pub fn driver(self) -> &'static str {
        match self {
            Self::Hpe => "hpe",
            Self::Dell => "dell",
            Self::Supermicro => "supermicro",
            Self::Generic => "redfish",
        }
    }

    /// The factory's user name.
    pub fn username(self) -> &'static str {
        match self {
            Self::Hpe => "Administrator",
            Self::Dell => "root",
            Self::Supermicro => "ADMIN",
            Self::Generic => "admin",
        }
    }

    /// DHCP option 60 of its controllers, as the wire has it.
    pub fn dhcp_class(self) -> &'static str {
        match self {
            Self::Hpe => "CPQRIB3",
            Self::Dell => "iDRAC",
            Self::Supermicro | Self::Generic => "udhcp 1.23.1",
        }
    }
}

/// One end of a cable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cable {
    /// The switch.
    pub device: String,
    /// Its port.
    pub port: String,
}

/// One network port of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nic {
    /// As the operating system names it.
    pub name: String,
    /// Lower case with colons.
    pub mac: String,
    /// Where its cable should end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cable: Option<Cable>,
    /// Where it really ends, when that is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugged: Option<Cable>,
}

impl Nic {
    /// Where the cable really ends.
    pub fn end(&self) -> Option<&Cable> {
        self.plugged.as_ref().or(self.cable.as_ref())
    }
}

/// A server's controller, as built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bmc {
    /// Lower case with colons.
    pub mac: String,
    /// Where it listens.
    pub address: Ipv4Addr,
    /// Its one enabled account.
    pub username: String,
    /// That account's password.
    pub password: String,
    /// Where its own cable ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cable: Option<Cable>,
}

/// What is wrong with a server on purpose; the names are the codes the failure must begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The controller reports another serial than the inventory has.
    IdentityMismatch,
    /// Two cables are swapped.
    CableSwapped,
    /// The controller answers 200 to one hardening change and changes nothing.
    ControlNotApplied,
    /// The controller has another password than the configuration.
    CredentialsRefused,
}

impl Fault {
    /// All, in the order they are planted.
    pub const ALL: [Self; 4] =
        [Self::IdentityMismatch, Self::CableSwapped, Self::ControlNotApplied, Self::CredentialsRefused];

    /// The code the reason of the failed server begins with.
    pub fn code(self) -> &'static str {
        match self {
            Self::IdentityMismatch => "identity-mismatch",
            Self::CableSwapped => "cable-swapped",
            Self::ControlNotApplied => "control-not-applied",
            Self::CredentialsRefused => "credentials-refused",
        }
    }
}

const fn one() -> u8 {
    1
}

/// One server, as built and as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// As the inventory names it: `AMS-SRV-001`.
    pub name: String,
    /// Site slug.
    pub site: String,
    /// Rack name.
    pub rack: String,
    /// Height units from the floor.
    pub unit: u8,
    /// Height units it fills.
    #[serde(default = "one")]
    pub units: u8,
    /// Whose controller.
    pub vendor: Vendor,
    /// As printed on the box.
    pub model: String,
    /// As the inventory has it.
    pub serial: String,
    /// As the board has it, when that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_serial: Option<String>,
    /// The operator's tag.
    pub asset_tag: String,
    /// A hardening control that its controller accepts and ignores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored_control: Option<String>,
    /// What was planted, for the expected end of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<Fault>,
    /// Its controller.
    pub bmc: Bmc,
    /// Its production ports, the one it boots from first.
    #[serde(default, rename = "nic")]
    pub nics: Vec<Nic>,
}

impl Server {
    /// The serial that board and controller report.
    pub fn board_serial(&self) -> &str {
        self.found_serial.as_deref().unwrap_or(&self.serial)
    }

    /// The host name its controller asks for a lease with, if it sends one.
    pub fn dhcp_hostname(&self) -> Option<String> {
        match self.vendor {
            Vendor::Hpe => Some(format!("ILO{}", self.board_serial())),
            Vendor::Dell => Some(format!("idrac-{}", self.board_serial())),
            Vendor::Supermicro | Vendor::Generic => None,
        }
    }
}

impl Estate {
    /// The server of that name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// The switch of that name.
    pub fn switch(&self, name: &str) -> Option<&Switch> {
        self.switches.iter().find(|switch| switch.name == name)
    }

    /// The estate file of this estate.
    ///
    /// # Errors
    /// Never for an estate that this program made; TOML could not hold an integer over `i64::MAX`.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        toml::to_string(self).context("writing the estate as TOML")
    }

    /// An estate from its file's text.
    ///
    /// # Errors
    /// Names the line and the key that is not one of an estate file.
    pub fn from_toml(text: &str) -> anyhow::Result<Self> {
        toml::from_str(text).context("reading an estate: expected [[site]], [[switch]] and [[server]] tables")
    }

    /// An estate from a file.
    ///
    /// # Errors
    /// Names the file, and what of it could not be read.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading estate file {}", path.display()))?;
        Self::from_toml(&text).with_context(|| format!("in {}", path.display()))
    }
}
