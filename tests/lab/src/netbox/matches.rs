//! Filters that are more than a comparison of one field.
//!
//! Promises one function for each: does this object match this one value. A value that cannot be read matches
//! nothing, as NetBox answers an unparsable MAC address or network with an empty list.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::links::{cable_at, ends};
use super::render::{number, text};
use super::schema::View;
use super::show::{device_of, interface_of, network_of};
use super::store::Object;

fn is_id(id: Option<u64>, wanted: &str) -> bool {
    id.is_some() && wanted.parse().ok() == id
}

fn is_true(text: &str) -> bool {
    matches!(text, "true" | "True" | "1" | "yes")
}

/// A device whose primary IPv4 address is the object with this id.
pub fn primary_ip4_id(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    is_id(number(object, "primary_ip4"), wanted)
}

/// A device whose out-of-band address is the object with this id.
pub fn oob_ip_id(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    is_id(number(object, "oob_ip"), wanted)
}

/// A device with, or without, a primary address.
pub fn has_primary_ip(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    let has = number(object, "primary_ip4").or(number(object, "primary_ip6")).is_some();
    has == is_true(wanted)
}

/// An interface with, or without, a cable.
pub fn is_cabled(view: &View<'_>, object: &Object, wanted: &str) -> bool {
    let cabled = number(object, "id").is_some_and(|id| cable_at(view, id).is_some());
    cabled == is_true(wanted)
}

/// An interface with this cable.
pub fn has_cable_id(view: &View<'_>, object: &Object, wanted: &str) -> bool {
    let cable = number(object, "id").and_then(|id| cable_at(view, id));
    is_id(cable.map(|(id, ..)| id), wanted)
}

/// Assigned to the interface with this id.
pub fn assigned_to_interface_id(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    is_id(interface_of(object), wanted)
}

/// Assigned to an interface with this name.
pub fn assigned_to_interface(view: &View<'_>, object: &Object, wanted: &str) -> bool {
    let interface = interface_of(object).and_then(|id| view.store.get("dcim/interfaces", id));
    interface.is_some_and(|found| text(found, "name") == wanted)
}

/// Assigned to an interface of the device with this id.
pub fn assigned_to_device_id(view: &View<'_>, object: &Object, wanted: &str) -> bool {
    is_id(device_of(view, object), wanted)
}

/// Assigned to an interface of the device with this name.
pub fn assigned_to_device(view: &View<'_>, object: &Object, wanted: &str) -> bool {
    let device = device_of(view, object).and_then(|id| view.store.get("dcim/devices", id));
    device.is_some_and(|found| text(found, "name") == wanted)
}

/// Assigned to an interface, or not.
pub fn is_assigned(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    interface_of(object).is_some() == is_true(wanted)
}

fn cable_ends(object: &Object) -> Vec<u64> {
    let mut all = ends(object, "a_terminations");
    all.extend(ends(object, "b_terminations"));
    all
}

/// A cable that ends on the device with this id.
pub fn cable_of_device_id(view: &View<'_>, object: &Object, wanted: &str) -> bool {
    let interfaces = cable_ends(object).into_iter().filter_map(|id| view.store.get("dcim/interfaces", id));
    interfaces.into_iter().any(|found| is_id(number(found, "device"), wanted))
}

/// A cable that ends on the device with this name.
pub fn cable_of_device(view: &View<'_>, object: &Object, wanted: &str) -> bool {
    let device = view.store.find("dcim/devices", "name", &json!(wanted));
    device.and_then(|found| number(found, "id")).is_some_and(|id| cable_of_device_id(view, object, &id.to_string()))
}

/// A cable that ends on the interface with this id.
pub fn cable_of_interface_id(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    cable_ends(object).into_iter().any(|id| is_id(Some(id), wanted))
}

/// A cable whose end A is this interface.
pub fn cable_a_id(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    ends(object, "a_terminations").into_iter().any(|id| is_id(Some(id), wanted))
}

/// A cable whose end B is this interface.
pub fn cable_b_id(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    ends(object, "b_terminations").into_iter().any(|id| is_id(Some(id), wanted))
}

/// The id of a prefix's site, whichever way the version says it.
fn site_of(object: &Object) -> Option<u64> {
    number(object, "site")
        .or_else(|| (text(object, "scope_type") == "dcim.site").then(|| number(object, "scope_id")).flatten())
}

/// A prefix of the site with this id.
pub fn prefix_in_site_id(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    is_id(site_of(object), wanted)
}

/// A prefix of the site with this slug.
pub fn prefix_in_site(view: &View<'_>, object: &Object, wanted: &str) -> bool {
    let site = site_of(object).and_then(|id| view.store.get("dcim/sites", id));
    site.is_some_and(|found| text(found, "slug") == wanted)
}

/// A prefix with this kind of scope.
pub fn prefix_scope_type(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    text(object, "scope_type") == wanted
}

/// A prefix whose scope has this id.
pub fn prefix_scope_id(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    is_id(number(object, "scope_id"), wanted)
}

/// Exactly this prefix.
pub fn prefix_is(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    wanted.parse::<IpNet>().ok().is_some_and(|net| network_of(object) == Some(net.trunc()))
}

/// A prefix that contains this address, or contains or equals this network.
pub fn prefix_contains(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    let Some(own) = network_of(object) else { return false };
    match wanted.parse::<IpAddr>() {
        Ok(address) => own.contains(&address),
        Err(_) => wanted.parse::<IpNet>().is_ok_and(|net| own.contains(&net)),
    }
}

/// A prefix inside this network, but not the network itself.
pub fn prefix_within(view: &View<'_>, object: &Object, wanted: &str) -> bool {
    prefix_within_include(view, object, wanted) && !prefix_is(view, object, wanted)
}

/// A prefix inside this network.
pub fn prefix_within_include(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    let own = network_of(object);
    wanted.parse::<IpNet>().ok().zip(own).is_some_and(|(net, own)| net.contains(&own))
}

/// This address; with a mask exactly so, without one whatever its mask.
pub fn address_is(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    let Some(own) = network_of(object) else { return false };
    match wanted.parse::<IpAddr>() {
        Ok(address) => own.addr() == address,
        Err(_) => wanted.parse::<IpNet>().is_ok_and(|net| own == net),
    }
}

/// An address inside this network.
pub fn address_in(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    let own = network_of(object);
    wanted.parse::<IpNet>().ok().zip(own).is_some_and(|(net, own)| net.contains(&own.addr()))
}

/// Of this address family.
pub fn has_family(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    let family = match network_of(object) {
        Some(IpNet::V4(_)) => "4",
        Some(IpNet::V6(_)) => "6",
        None => "",
    };
    family == wanted
}

/// With a mask of this many bits.
pub fn has_mask(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    network_of(object).is_some_and(|net| wanted.parse().ok() == Some(net.prefix_len()))
}

fn lists(object: &Object, field: &str, wanted: &str) -> bool {
    object.get(field).and_then(Value::as_array).is_some_and(|models| models.iter().any(|model| model == wanted))
}

/// A custom field of this model, by the name 3.7 gives the filter.
pub fn field_of_37(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    lists(object, "content_types", wanted)
}

/// A custom field of this model, by the name 4.6 gives the filter.
pub fn field_of_46(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    lists(object, "object_types", wanted)
}

/// Written by the user with this id.
pub fn created_by_id(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    is_id(number(object, "created_by"), wanted)
}

fn times(object: &Object, wanted: &str) -> Option<(Timestamp, Timestamp)> {
    text(object, "created").parse().ok().zip(wanted.parse().ok())
}

/// Created at this time or later.
pub fn created_after(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    times(object, wanted).is_some_and(|(own, wanted)| own >= wanted)
}

/// Created at this time or before.
pub fn created_before(_: &View<'_>, object: &Object, wanted: &str) -> bool {
    times(object, wanted).is_some_and(|(own, wanted)| own <= wanted)
}
