//! Cables and MAC addresses as interfaces show them.
//!
//! Promises `cable`, `link_peers` and `connected_endpoints` as NetBox shows them for interfaces joined by one
//! cable; it follows no patch panels. On 3.7 the answer to a cable's create does not see the cable yet.

use serde_json::{Value, json};

use super::Version;
use super::render::{nested, number, text};
use super::schema::View;
use super::show::{interface_of, parse_mac};
use super::store::Object;

const INTERFACES: &str = "dcim/interfaces";

/// The interfaces at one end of a cable.
pub fn ends(cable: &Object, field: &str) -> Vec<u64> {
    let ends = cable.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    ends.iter().filter_map(|end| end.get("object_id")?.as_u64()).collect()
}

/// The cable of an interface: its id, this end and the interfaces at the other end.
pub fn cable_at(view: &View<'_>, interface: u64) -> Option<(u64, &'static str, Vec<u64>)> {
    let seen = |field: &'static str| {
        let found = view.store.having("dcim/cables", field, &json!(interface));
        found.into_iter().find(|(id, _)| Some(*id) != view.unseen_cable)
    };
    if let Some((id, cable)) = seen("a_terminations") {
        return Some((id, "A", ends(cable, "b_terminations")));
    }
    seen("b_terminations").map(|(id, cable)| (id, "B", ends(cable, "a_terminations")))
}

fn link(view: &View<'_>, object: &Object) -> Option<(u64, &'static str, Vec<u64>)> {
    cable_at(view, number(object, "id")?)
}

/// The cable, in brief.
pub fn interface_cable(view: &View<'_>, object: &Object) -> Value {
    nested(view, "dcim/cables", link(view, object).map(|(id, ..)| id))
}

/// Which end of the cable this is.
pub fn cable_end(view: &View<'_>, object: &Object) -> Value {
    match (link(view, object), view.version) {
        (Some((_, end, _)), _) => json!(end),
        (None, Version::V3_7) => json!(""),
        (None, Version::V4_6) => Value::Null,
    }
}

/// The interfaces at the other end.
pub fn link_peers(view: &View<'_>, object: &Object) -> Value {
    let peers = link(view, object).map(|(.., peers)| peers).unwrap_or_default();
    peers.into_iter().map(|id| nested(view, INTERFACES, Some(id))).collect()
}

/// The same, or null without a cable.
pub fn connected_endpoints(view: &View<'_>, object: &Object) -> Value {
    link(view, object).map_or(Value::Null, |_| link_peers(view, object))
}

/// What is at the other end.
pub fn link_peers_type(view: &View<'_>, object: &Object) -> Value {
    link(view, object).map_or(Value::Null, |_| json!("dcim.interface"))
}

/// Whether the other end is reached.
pub fn reachable(view: &View<'_>, object: &Object) -> Value {
    match (link(view, object), view.version) {
        (Some(_), _) => json!(true),
        (None, Version::V3_7) => Value::Null,
        (None, Version::V4_6) => json!(false),
    }
}

/// Whether a cable is in it, or it is marked as connected.
pub fn occupied(view: &View<'_>, object: &Object) -> Value {
    let marked = object.get("mark_connected") == Some(&json!(true));
    json!(marked || link(view, object).is_some())
}

/// 4.6: the address of the interface's primary MAC object.
pub fn primary_mac(view: &View<'_>, object: &Object) -> Value {
    let found = number(object, "primary_mac_address").and_then(|id| view.store.get("dcim/mac-addresses", id));
    found.map_or(Value::Null, |mac| json!(text(mac, "mac_address")))
}

/// 4.6: all MAC objects of an interface.
pub fn mac_addresses(view: &View<'_>, object: &Object) -> Value {
    let id = object.get("id").cloned().unwrap_or_default();
    let macs = view.store.having("dcim/mac-addresses", "assigned_object_id", &id).into_iter();
    macs.filter(|(_, mac)| interface_of(mac).is_some())
        .map(|(mac, _)| nested(view, "dcim/mac-addresses", Some(mac)))
        .collect()
}

/// The interfaces with a MAC address, written in any spelling.
pub fn interfaces_with_mac(view: &View<'_>, written: &str) -> Vec<u64> {
    let Some(mac) = parse_mac(written) else { return Vec::new() };
    match view.version {
        Version::V3_7 => {
            let found = view.store.having(INTERFACES, "mac_address", &json!(mac));
            found.into_iter().map(|(id, _)| id).collect()
        }
        Version::V4_6 => {
            let found = view.store.having("dcim/mac-addresses", "mac_address", &json!(mac));
            found.into_iter().filter_map(|(_, mac)| interface_of(mac)).collect()
        }
    }
}

/// The devices with an interface with a MAC address.
pub fn devices_with_mac(view: &View<'_>, written: &str) -> Vec<u64> {
    let interfaces = interfaces_with_mac(view, written).into_iter();
    interfaces.filter_map(|id| number(view.store.get(INTERFACES, id)?, "device")).collect()
}
