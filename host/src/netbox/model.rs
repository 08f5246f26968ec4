//! The parts of NetBox's objects this program reads; everything else is passed over.
//!
//! The two versions differ in what they add, not in these fields: a MAC is read from `mac_address` and, on 4.2 and later,
//! from `mac_addresses` as well. Select custom fields are read in both of their forms (4.7 answers `{value, label}`).

use std::net::IpAddr;

use farrier_lifecycle::Mac;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A reference to another object.
#[derive(Clone, Debug, Deserialize)]
pub struct Nested {
    /// Its id.
    pub id: u64,
    /// Its name, where it has one.
    #[serde(default)]
    pub name: Option<String>,
    /// Its slug, where it has one.
    #[serde(default)]
    pub slug: Option<String>,
}

/// A value of a closed list.
#[derive(Clone, Debug, Deserialize)]
pub struct Choice {
    /// As written.
    pub value: String,
}

/// The type of a device.
#[derive(Clone, Debug, Deserialize)]
pub struct DeviceType {
    /// Its id.
    pub id: u64,
    /// Who makes it.
    pub manufacturer: Nested,
    /// What it is.
    pub model: String,
}

/// A device type or a rack, for its height; a device shows neither.
#[derive(Clone, Debug, Deserialize)]
pub struct Tall {
    /// In units; of a device type with halves, nought for what fills none.
    pub u_height: f64,
}

/// A device.
#[derive(Clone, Debug, Deserialize)]
pub struct Device {
    /// Its id.
    pub id: u64,
    /// NetBox allows none.
    #[serde(default)]
    pub name: Option<String>,
    /// For those without a name.
    #[serde(default)]
    pub display: String,
    /// What it is.
    #[serde(rename = "device_type")]
    pub kind: DeviceType,
    /// Its role: `role`, and in 3.7 `device_role` with the same content.
    #[serde(default)]
    pub role: Option<Nested>,
    /// Where it is.
    pub site: Nested,
    /// Its rack.
    #[serde(default)]
    pub rack: Option<Nested>,
    /// Lowest unit; NetBox allows halves.
    #[serde(default)]
    pub position: Option<f64>,
    /// As the label says; empty if not known.
    #[serde(default)]
    pub serial: String,
    /// Who has it.
    #[serde(default)]
    pub tenant: Option<Nested>,
    /// NetBox's own status.
    pub status: Choice,
    /// The controller's address.
    #[serde(default)]
    pub oob_ip: Option<NestedAddress>,
    /// Every custom field of devices, also the empty ones.
    #[serde(default)]
    pub custom_fields: Map<String, Value>,
}

impl Device {
    /// What to call it.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.display.clone())
    }
}

/// An address as other objects show it.
#[derive(Clone, Debug, Deserialize)]
pub struct NestedAddress {
    /// Its id.
    pub id: u64,
    /// With prefix length.
    pub address: IpNet,
}

/// A MAC address object as an interface shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct NestedMac {
    /// Its id.
    pub id: u64,
    /// Any spelling.
    pub mac_address: String,
}

/// The end of a cable.
#[derive(Clone, Debug, Deserialize)]
pub struct Peer {
    /// The port's name.
    #[serde(default)]
    pub name: Option<String>,
    /// The device it is on; a circuit's end has none.
    #[serde(default)]
    pub device: Option<Nested>,
}

/// An interface.
#[derive(Clone, Debug, Deserialize)]
pub struct Interface {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub device: Nested,
    /// `1000base-t`, `virtual`.
    #[serde(rename = "type")]
    pub kind: Choice,
    /// Switched on?
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For management only.
    #[serde(default)]
    pub mgmt_only: bool,
    /// The routing table it is in, where that is said.
    #[serde(default)]
    pub vrf: Option<Nested>,
    /// The first MAC, any spelling.
    #[serde(default)]
    pub mac_address: Option<String>,
    /// On 4.2 and later, the object of the first MAC.
    #[serde(default)]
    pub primary_mac_address: Option<NestedMac>,
    /// On 4.2 and later, all of them.
    #[serde(default)]
    pub mac_addresses: Vec<NestedMac>,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Its cable, whatever is on its other end.
    #[serde(default)]
    pub cable: Option<Value>,
    /// The other end of the cable itself.
    #[serde(default)]
    pub link_peers: Option<Vec<Peer>>,
    /// What is reached through patch panels.
    #[serde(default)]
    pub connected_endpoints: Option<Vec<Peer>>,
}

const fn yes() -> bool {
    true
}

impl Interface {
    /// Every MAC it has, first the primary one.
    pub fn macs(&self) -> Vec<Mac> {
        let texts = self.mac_address.iter().chain(self.mac_addresses.iter().map(|mac| &mac.mac_address));
        let mut macs = Vec::new();
        for mac in texts.filter_map(|text| text.parse().ok()) {
            if !macs.contains(&mac) {
                macs.push(mac);
            }
        }
        macs
    }

    /// Device and port its cable leads to, through patch panels where there are any.
    pub fn far_end(&self) -> Option<(String, String)> {
        let mut ends = self.connected_endpoints.iter().flatten().chain(self.link_peers.iter().flatten());
        ends.find_map(|peer| Some((peer.device.as_ref()?.name.clone()?, peer.name.clone()?)))
    }

    /// A port with a wire, not a bond, bridge or virtual interface.
    pub fn is_physical(&self) -> bool {
        !matches!(self.kind.value.as_str(), "virtual" | "lag" | "bridge")
    }
}

/// An IP address.
#[derive(Clone, Debug, Deserialize)]
pub struct IpAddress {
    /// Its id.
    pub id: u64,
    /// With prefix length.
    pub address: IpNet,
    /// Says who made it.
    #[serde(default)]
    pub description: String,
    /// The routing table it is in; none: the global one.
    #[serde(default)]
    pub vrf: Option<Nested>,
    /// `dcim.interface` for ours.
    #[serde(default)]
    pub assigned_object_type: Option<String>,
    /// What has it.
    #[serde(default)]
    pub assigned_object_id: Option<u64>,
    /// What has it, with its device.
    #[serde(default)]
    pub assigned_object: Option<Peer>,
}

impl IpAddress {
    /// Without the prefix length.
    pub fn host(&self) -> IpAddr {
        self.address.addr()
    }

    /// Is it this interface's?
    pub fn is_on(&self, interface: u64) -> bool {
        self.assigned_object_type.as_deref() == Some("dcim.interface") && self.assigned_object_id == Some(interface)
    }
}

/// A prefix.
#[derive(Clone, Debug, Deserialize)]
pub struct Prefix {
    /// The network.
    #[serde(rename = "prefix")]
    pub network: IpNet,
    /// On 3.7.
    #[serde(default)]
    pub site: Option<Nested>,
    /// On 4.2 and later: `dcim.site`.
    #[serde(default)]
    pub scope_type: Option<String>,
    /// On 4.2 and later.
    #[serde(default)]
    pub scope_id: Option<u64>,
    /// The routing table it is in; none: the global one.
    #[serde(default)]
    pub vrf: Option<Nested>,
}

impl Prefix {
    /// The id of its site, where it has one.
    pub fn site(&self) -> Option<u64> {
        let scoped = self.scope_id.filter(|_| self.scope_type.as_deref() == Some("dcim.site"));
        self.site.as_ref().map(|site| site.id).or(scoped)
    }
}

/// A custom field's value as text, in both forms of a select field.
pub fn text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("value").and_then(Value::as_str))
}
