//! The models' own rules: what no single field can tell.
//!
//! Promises the refusals that a client of bare metal meets: duplicate names, addresses and prefixes, an address
//! that is not the device's, a cable into a taken port, a rack unit taken twice. Texts are NetBox's where
//! recorded. Each rule sees the object as it would be stored and as it was.

use serde_json::{Value, json};

use super::Version;
use super::links::{cable_at, ends};
use super::render::{number, text};
use super::schema::{Errors, View, error};
use super::show::{device_of, network_of};
use super::store::Object;
use super::tables;

type Outcome = Result<(), Errors>;

fn others<'a>(view: &View<'a>, path: &'a str, new: &'a Object) -> impl Iterator<Item = &'a Object> {
    view.store.list(path).map(|(_, other)| other).filter(move |other| other.get("id") != new.get("id"))
}

/// Devices: unique names, addresses of their own, a place in their own site's rack.
pub fn device(view: &View<'_>, new: &Object, old: Option<&Object>) -> Outcome {
    let name = text(new, "name");
    let same = |other: &Object| ["site", "tenant"].iter().all(|key| other.get(*key) == new.get(*key));
    let mut namesakes = view.store.list("dcim/devices").map(|(_, other)| other).filter(|other| {
        // The name first: of thousands of devices hardly one has it.
        !name.is_empty() && text(other, "name").eq_ignore_ascii_case(name) && other.get("id") != new.get("id")
    });
    if namesakes.any(same) {
        let message = match number(new, "tenant") {
            None => "Device name must be unique per site.",
            Some(_) => "Constraint “dcim_device_unique_name_site_tenant” is violated.",
        };
        return Err(error("__all__", message));
    }
    for field in ["primary_ip4", "primary_ip6", "oob_ip"] {
        own_address(view, new, old, field)?;
    }
    place(view, new)
}

fn own_address(view: &View<'_>, new: &Object, old: Option<&Object>, field: &str) -> Outcome {
    if old.is_some_and(|old| old.get(field) == new.get(field)) {
        return Ok(());
    }
    let Some(ip) = number(new, field).and_then(|id| view.store.get("ipam/ip-addresses", id)) else { return Ok(()) };
    let shown = text(ip, "address");
    let wrong_family = match field {
        "primary_ip4" => shown.contains(':').then_some("IPv4"),
        "primary_ip6" => (!shown.contains(':')).then_some("IPv6"),
        _ => None,
    };
    if let Some(family) = wrong_family {
        return Err(error(field, format!("{shown} is not an {family} address.")));
    }
    if device_of(view, ip) == number(new, "id") {
        return Ok(());
    }
    Err(error(field, format!("The specified IP address ({shown}) is not assigned to this device.")))
}

fn place(view: &View<'_>, new: &Object) -> Outcome {
    let Some(rack) = number(new, "rack").and_then(|id| view.store.get("dcim/racks", id)) else {
        if !text(new, "face").is_empty() {
            return Err(error("face", "Cannot select a rack face without assigning a rack."));
        }
        return match new.get("position") {
            Some(position) if !position.is_null() => {
                Err(error("position", "Cannot select a rack position without assigning a rack."))
            }
            _ => Ok(()),
        };
    };
    if rack.get("site") != new.get("site") {
        let site = number(new, "site").and_then(|id| view.store.get("dcim/sites", id));
        let site = site.map_or("", |found| text(found, "name"));
        return Err(error("rack", format!("Rack {} does not belong to site {site}.", text(rack, "name"))));
    }
    let Some(position) = new.get("position").and_then(Value::as_f64) else { return Ok(()) };
    if text(new, "face").is_empty() {
        return Err(error("face", "Must specify rack face when defining rack position."));
    }
    let height = height_of(view, new);
    let end = position + height;
    let fits = position >= 1.0 && end <= rack.get("u_height").and_then(Value::as_f64).unwrap_or(42.0) + 1.0;
    let full_depth =
        |object: &Object| type_of(view, object).is_none_or(|found| found.get("is_full_depth") == Some(&json!(true)));
    let overlaps = |other: &Object| {
        let Some(start) = other.get("position").and_then(Value::as_f64) else { return false };
        let meets = full_depth(new) || full_depth(other) || text(other, "face") == text(new, "face");
        other.get("rack") == new.get("rack") && meets && start < end && position < start + height_of(view, other)
    };
    if fits && !others(view, "dcim/devices", new).any(overlaps) {
        return Ok(());
    }
    let model = type_of(view, new).map_or("", |found| text(found, "model"));
    Err(error(
        "position",
        format!(
            "U{position} is already occupied or does not have sufficient space to accommodate this device type: {model} ({height}U)"
        ),
    ))
}

fn type_of<'a>(view: &View<'a>, device: &Object) -> Option<&'a Object> {
    view.store.get("dcim/device-types", number(device, "device_type")?)
}

fn height_of(view: &View<'_>, device: &Object) -> f64 {
    type_of(view, device).and_then(|found| found.get("u_height")?.as_f64()).unwrap_or(1.0)
}

/// Interfaces: a primary MAC address must be the interface's own.
pub fn interface(view: &View<'_>, new: &Object, _: Option<&Object>) -> Outcome {
    let Some(mac) = number(new, "primary_mac_address").and_then(|id| view.store.get("dcim/mac-addresses", id)) else {
        return Ok(());
    };
    if super::show::interface_of(mac) == number(new, "id") {
        return Ok(());
    }
    let shown = text(mac, "mac_address");
    Err(error("primary_mac_address", format!("MAC address {shown} is not assigned to this interface.")))
}

/// MAC addresses: a primary one stays where it is.
pub fn mac(view: &View<'_>, new: &Object, old: Option<&Object>) -> Outcome {
    exists(view, new, "assigned_object")?;
    let moved = old.is_some_and(|old| old.get("assigned_object_id") != new.get("assigned_object_id"));
    let own = new.get("id").cloned().unwrap_or_default();
    let primary = || !view.store.having("dcim/interfaces", "primary_mac_address", &own).is_empty();
    if moved && primary() {
        return Err(error(
            "__all__",
            "Cannot reassign MAC Address while it is designated as the primary MAC for an object",
        ));
    }
    Ok(())
}

/// Cables: two ends, and each port once.
pub fn cable(view: &View<'_>, new: &Object, old: Option<&Object>) -> Outcome {
    let sides = [ends(new, "a_terminations"), ends(new, "b_terminations")];
    if old.is_none() && sides.iter().any(Vec::is_empty) {
        return Err(error("__all__", "Must define A and B terminations when creating a new cable."));
    }
    for interface in sides.concat() {
        let taken = cable_at(view, interface).map(|(id, ..)| id).filter(|id| Some(*id) != number(new, "id"));
        if let Some(id) = taken {
            let message = format!("Duplicate termination found for dcim.interface {interface}: cable {id}");
            return Err(error("__all__", message));
        }
    }
    Ok(())
}

/// The routing table an address or prefix is in, for messages; nothing where it may hold one twice.
fn strict_table(view: &View<'_>, object: &Object) -> Option<String> {
    let Some(vrf) = number(object, "vrf").and_then(|id| view.store.get("ipam/vrfs", id)) else {
        return Some("global table".to_owned());
    };
    (vrf.get("enforce_unique") == Some(&json!(true))).then(|| format!("VRF {}", text(vrf, "name")))
}

/// Prefixes: unique in their table.
pub fn prefix(view: &View<'_>, new: &Object, _: Option<&Object>) -> Outcome {
    let shown = text(new, "prefix");
    let twin = |other: &Object| text(other, "prefix") == shown && number(other, "vrf") == number(new, "vrf");
    if let Some(table) = strict_table(view, new)
        && others(view, "ipam/prefixes", new).any(twin)
    {
        return Err(error("prefix", format!("Duplicate prefix found in {table}: {shown}")));
    }
    exists(view, new, "scope")
}

/// IP addresses: unique in their table, never a network's own, and a primary one stays where it is.
pub fn address(view: &View<'_>, new: &Object, old: Option<&Object>) -> Outcome {
    exists(view, new, "assigned_object")?;
    let Some(own) = network_of(new) else { return Ok(()) };
    let shared = matches!(text(new, "role"), "anycast" | "vip" | "vrrp" | "hsrp" | "glbp" | "carp");
    let same = |other: &&Object| {
        number(other, "vrf") == number(new, "vrf") && network_of(other).is_some_and(|net| net.addr() == own.addr())
    };
    if let Some(table) = strict_table(view, new).filter(|_| !shared)
        && let Some(twin) = others(view, "ipam/ip-addresses", new).find(same)
    {
        return Err(error("address", format!("Duplicate IP address found in {table}: {}", text(twin, "address"))));
    }
    let roomy = own.max_prefix_len() - own.prefix_len() > 1;
    if number(new, "assigned_object_id").is_some() && roomy && own.addr() == own.network() {
        let message = format!("{} is a network ID, which may not be assigned to an interface.", own.addr());
        return Err(error("address", message));
    }
    let Some(old) = old.filter(|old| device_of(view, old) != device_of(view, new)) else { return Ok(()) };
    designated(view, old)
}

fn designated(view: &View<'_>, address: &Object) -> Outcome {
    let points =
        |field: &str| view.store.list("dcim/devices").any(|(_, device)| device.get(field) == address.get("id"));
    if points("primary_ip4") || points("primary_ip6") {
        return Err(error(
            "__all__",
            "Cannot reassign IP address while it is designated as the primary IP for the parent object",
        ));
    }
    if view.version == Version::V4_6 && points("oob_ip") {
        return Err(error(
            "__all__",
            "Cannot reassign IP address while it is designated as the OOB IP for the parent object",
        ));
    }
    Ok(())
}

/// A generic pointer (`x_type` and `x_id`) names both, or neither, and something that is there.
fn exists(view: &View<'_>, new: &Object, pointer: &str) -> Outcome {
    let (kind, id) = match pointer {
        "scope" => (text(new, "scope_type"), number(new, "scope_id")),
        _ => (text(new, "assigned_object_type"), number(new, "assigned_object_id")),
    };
    if kind.is_empty() && id.is_none() {
        return Ok(());
    }
    let found = tables::endpoint_of(view.version, kind).zip(id).and_then(|(e, id)| view.store.get(e.path, id));
    if found.is_some() {
        return Ok(());
    }
    let shown = id.map_or_else(|| "None".to_owned(), |id| id.to_string());
    Err(error(
        "non_field_errors",
        format!("Invalid {pointer}: {} ID {shown}", super::changes::kind_of(view.version, kind)),
    ))
}

/// Journal entries: about something that is there.
pub fn journal(view: &View<'_>, new: &Object, _: Option<&Object>) -> Outcome {
    exists(view, new, "assigned_object")
}

/// Choice sets: pairs of value and label, each value once.
pub fn choice_set(_: &View<'_>, new: &Object, _: Option<&Object>) -> Outcome {
    let choices = new.get("extra_choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if choices.is_empty() {
        return Err(error("__all__", "Must define base or extra choices."));
    }
    if let Some(bad) = choices.iter().find(|choice| choice.as_array().is_none_or(|pair| pair.len() != 2)) {
        return Err(error("extra_choices", format!("Expected a pair of value and label but got {bad}.")));
    }
    for (at, choice) in choices.iter().enumerate() {
        if choices.iter().take(at).any(|earlier| earlier.get(0) == choice.get(0)) {
            let value = choice.get(0).and_then(Value::as_str).unwrap_or_default();
            return Err(error("extra_choices", format!("Duplicate value '{value}' found in extra choices.")));
        }
    }
    Ok(())
}

/// Custom fields: a name that can be a key, a choice set for a selection, a type that never changes.
pub fn custom_field(_: &View<'_>, new: &Object, old: Option<&Object>) -> Outcome {
    let name = text(new, "name");
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(error("name", "Only alphanumeric characters and underscores are allowed."));
    }
    if name.contains("__") {
        return Err(error("name", "Double underscores are not permitted in custom field names."));
    }
    let selects = matches!(text(new, "type"), "select" | "multiselect");
    let has_set = number(new, "choice_set").is_some();
    if selects && !has_set {
        return Err(error("choice_set", "Selection fields must specify a set of choices."));
    }
    if has_set && !selects {
        return Err(error("choice_set", "Choices may be set only on selection fields."));
    }
    if old.is_some_and(|old| old.get("type") != new.get("type")) {
        return Err(error("non_field_errors", "Changing the type of custom fields is not supported."));
    }
    Ok(())
}
