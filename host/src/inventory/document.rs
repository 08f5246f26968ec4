//! What an inventory file says, row by row, with the line each row stands on.
//!
//! Rows are as written: MACs are texts and ends of cables may point nowhere until `super::check::problems` has looked.
//! A site may be named by its slug or its name; [`Document::slug_of`] knows both.

use std::path::PathBuf;

use farrier_lifecycle::Mac;
use serde::{Deserialize, Serialize};

/// Model and manufacturer of a server whose file does not say; read back as "not known".
pub const UNSTATED: &str = "Unknown";

/// A row and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row<T> {
    /// Line in the file, from 1.
    pub line: usize,
    /// What it says.
    pub value: T,
}

/// A site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// For people.
    pub name: String,
    /// Derived from the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
}

impl Site {
    /// As given, or derived from the name.
    pub fn slug(&self) -> String {
        self.slug.clone().unwrap_or_else(|| slug(&self.name))
    }
}

/// A network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prefix {
    /// `10.55.1.0/24`.
    pub prefix: String,
    /// Its site, by slug or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// What it is for: `BMC Management`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// A rack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rack {
    /// Unique in its site.
    pub name: String,
    /// Slug or name.
    pub site: String,
    /// Height.
    #[serde(default = "Rack::default_units")]
    pub units: u32,
}

impl Rack {
    /// The usual height.
    pub const fn default_units() -> u32 {
        42
    }
}

/// Anything cables end on that is not a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Unique in the file.
    pub name: String,
    /// Slug or name.
    pub site: String,
    /// Its rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// Lowest unit it fills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<u32>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `tor`, `management`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Names of its ports.
    #[serde(default)]
    pub ports: Vec<String>,
}

/// A server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Unique in the file.
    pub name: String,
    /// Slug or name.
    pub site: String,
    /// Its rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// Lowest unit it fills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<u32>,
    /// Units it fills; one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<u32>,
    /// `server` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// As the label says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The owner's number for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
    /// Who has it, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Its controller's.
    pub bmc_mac: String,
    /// The controller's interface; `bmc` when absent.
    #[serde(default = "Server::default_bmc")]
    pub bmc_interface: String,
    /// Its data interfaces.
    #[serde(default)]
    pub interface: Vec<Interface>,
}

impl Server {
    fn default_bmc() -> String {
        "bmc".to_owned()
    }

    /// The controller's MAC, if it is one.
    pub fn bmc(&self) -> Option<Mac> {
        self.bmc_mac.parse().ok()
    }
}

/// A data interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// As the operating system names it.
    pub name: String,
    /// Its MAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// NetBox's interface type: `25gbase-x-sfp28`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where its cable ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cable: Option<End>,
}

/// The far end of a cable.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The switch.
    pub device: String,
    /// Its port.
    pub port: String,
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Where it came from, for messages.
    pub path: PathBuf,
    /// Sites.
    pub sites: Vec<Row<Site>>,
    /// Networks.
    pub prefixes: Vec<Row<Prefix>>,
    /// Racks.
    pub racks: Vec<Row<Rack>>,
    /// Switches and the like.
    pub switches: Vec<Row<Switch>>,
    /// Servers.
    pub servers: Vec<Row<Server>>,
}

impl Document {
    /// The slug of the site a row names by slug or name; `None` if the file has no such site.
    pub fn slug_of(&self, site: &str) -> Option<String> {
        self.sites.iter().map(|row| &row.value).find(|known| known.slug() == site || known.name == site).map(Site::slug)
    }
}

/// NetBox's form of a name in a URL: lower case, letters, digits and single dashes.
pub fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "x".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_what_netbox_accepts() {
        for (name, expected) in [
            ("Amsterdam", "amsterdam"),
            ("ProLiant DL360 Gen10 Plus", "proliant-dl360-gen10-plus"),
            ("  A / B  ", "a-b"),
            ("日本", "x"),
        ] {
            assert_eq!(slug(name), expected);
        }
    }
}
