//! What objects are called, and values worked out when they are shown.
//!
//! Promises the names NetBox gives in `display` and in messages. Links between interfaces are in `links`,
//! filters in `matches`; both are reached through this module so that the tables have one name to use.

use ipnet::IpNet;
use serde_json::{Value, json};

pub use super::links::*;
pub use super::matches::*;
use super::render::{self, nested, number, text};
use super::schema::{Choices, View};
use super::store::Object;
use super::{choices, tables};

/// A device: its name, with the asset tag where it has one.
pub fn device(view: &View<'_>, object: &Object) -> String {
    let (name, tag) = (text(object, "name"), text(object, "asset_tag"));
    if !name.is_empty() {
        return if tag.is_empty() { name.to_owned() } else { format!("{name} ({tag})") };
    }
    let device_type = number(object, "device_type").and_then(|id| view.store.get("dcim/device-types", id));
    let model = device_type.map_or("", |found| text(found, "model"));
    format!("{model} ({})", number(object, "id").unwrap_or_default())
}

/// A device type: its model.
pub fn model_name(_: &View<'_>, object: &Object) -> String {
    text(object, "model").to_owned()
}

/// A MAC address.
pub fn mac(_: &View<'_>, object: &Object) -> String {
    text(object, "mac_address").to_owned()
}

/// A cable: its label, or its number.
pub fn cable(_: &View<'_>, object: &Object) -> String {
    match text(object, "label") {
        "" => format!("#{}", number(object, "id").unwrap_or_default()),
        label => label.to_owned(),
    }
}

/// An IP address.
pub fn address(_: &View<'_>, object: &Object) -> String {
    text(object, "address").to_owned()
}

/// A prefix.
pub fn prefix(_: &View<'_>, object: &Object) -> String {
    text(object, "prefix").to_owned()
}

/// A custom field: its label, or its name as a sentence.
pub fn custom_field(_: &View<'_>, object: &Object) -> String {
    match text(object, "label") {
        "" => choices::label(&[], &text(object, "name").replace('_', " ").to_lowercase()),
        label => label.to_owned(),
    }
}

/// A journal entry: its minute and kind.
pub fn journal(_: &View<'_>, object: &Object) -> String {
    let minute: String = text(object, "created").chars().take(16).collect();
    format!("{} ({})", minute.replace('T', " "), choices::label(choices::JOURNAL, text(object, "kind")))
}

/// A change: `dcim | device srv-001 updated by admin`.
pub fn change(_: &View<'_>, object: &Object) -> String {
    let action = choices::label(choices::ACTION, text(object, "action")).to_lowercase();
    let (what, name) = (text(object, "what"), text(object, "object_repr"));
    format!("{what} {name} {action} by {}", text(object, "user_name"))
}

/// The user of every token of the lab.
pub fn user(view: &View<'_>, object: &Object) -> Value {
    let name = text(object, "user_name");
    json!({"id": 1, "url": format!("{}/api/users/users/1/", view.base), "display": name, "username": name})
}

/// The object a change was about, or its name where it is gone or has no endpoint.
pub fn changed_object(view: &View<'_>, object: &Object) -> Value {
    let model = text(object, "changed_object_type");
    match tables::endpoint_of(view.version, model) {
        Some(endpoint) => nested(view, endpoint.path, number(object, "changed_object_id")),
        None => json!(text(object, "object_repr")),
    }
}

/// 3.7 shows the role under its old name too.
pub fn device_role(view: &View<'_>, object: &Object) -> Value {
    nested(view, "dcim/device-roles", number(object, "role"))
}

/// The IPv6 address where there is one (NetBox prefers it), else the IPv4 address.
pub fn primary_ip(view: &View<'_>, object: &Object) -> Value {
    nested(view, "ipam/ip-addresses", number(object, "primary_ip6").or(number(object, "primary_ip4")))
}

/// The address family of an IP address or prefix.
pub fn family(_: &View<'_>, object: &Object) -> Value {
    match network_of(object) {
        Some(IpNet::V4(_)) => json!({"value": 4, "label": "IPv4"}),
        Some(IpNet::V6(_)) => json!({"value": 6, "label": "IPv6"}),
        None => Value::Null,
    }
}

/// The network of an IP address or prefix.
pub fn network_of(object: &Object) -> Option<IpNet> {
    let written = object.get("address").or_else(|| object.get("prefix"))?;
    written.as_str()?.parse().ok()
}

/// What `assigned_object_type` and `assigned_object_id` name.
pub fn assigned_object(view: &View<'_>, object: &Object) -> Value {
    let endpoint = tables::endpoint_of(view.version, text(object, "assigned_object_type"));
    endpoint.map_or(Value::Null, |found| nested(view, found.path, number(object, "assigned_object_id")))
}

/// What `scope_type` and `scope_id` name.
pub fn scope(view: &View<'_>, object: &Object) -> Value {
    let endpoint = tables::endpoint_of(view.version, text(object, "scope_type"));
    endpoint.map_or(Value::Null, |found| nested(view, found.path, number(object, "scope_id")))
}

/// How many prefixes a site has.
pub fn prefixes_of_site(view: &View<'_>, object: &Object) -> Value {
    let id = number(object, "id").unwrap_or_default().to_string();
    let prefixes = view.store.list("ipam/prefixes");
    json!(prefixes.filter(|(_, found)| prefix_in_site_id(view, found, &id)).count())
}

/// How many choices a set has.
pub fn choices_count(_: &View<'_>, object: &Object) -> Value {
    json!(object.get("extra_choices").and_then(Value::as_array).map_or(0, Vec::len))
}

/// The JSON type a custom field's values have.
pub fn data_type(_: &View<'_>, object: &Object) -> Value {
    const TYPES: Choices = &[
        ("integer", "integer"),
        ("decimal", "number"),
        ("boolean", "boolean"),
        ("json", "object"),
        ("object", "object"),
        ("multiselect", "array"),
        ("multiobject", "array"),
    ];
    let kind = text(object, "type");
    json!(TYPES.iter().find(|(known, _)| *known == kind).map_or("string", |(_, shown)| *shown))
}

/// How many objects bear a tag.
pub fn tagged_items(view: &View<'_>, object: &Object) -> Value {
    let id = object.get("id").cloned().unwrap_or_default();
    let bears = |other: &Object| other.get("tags").and_then(Value::as_array).is_some_and(|tags| tags.contains(&id));
    let paths = tables::all(view.version).map(|endpoint| endpoint.path);
    json!(paths.flat_map(|path| view.store.list(path)).filter(|(_, other)| bears(other)).count())
}

/// The device an interface, IP address or MAC address is on.
pub fn device_of(view: &View<'_>, object: &Object) -> Option<u64> {
    if object.contains_key("device") {
        return number(object, "device");
    }
    let interface = interface_of(object)?;
    number(view.store.get("dcim/interfaces", interface)?, "device")
}

/// The interface an IP address or MAC address is assigned to.
pub fn interface_of(object: &Object) -> Option<u64> {
    (text(object, "assigned_object_type") == "dcim.interface").then(|| number(object, "assigned_object_id"))?
}

/// How many addresses an interface has.
pub fn addresses_of_interface(view: &View<'_>, object: &Object) -> Value {
    let id = object.get("id").cloned().unwrap_or_default();
    let addresses = view.store.having("ipam/ip-addresses", "assigned_object_id", &id).into_iter();
    json!(addresses.filter(|(_, ip)| interface_of(ip).is_some()).count())
}

/// A MAC address in any of the usual spellings as upper case with colons; nothing when it is none.
pub fn parse_mac(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.trim().split([':', '-', '.']).collect();
    let width = match parts.len() {
        1 => 12,
        2 => 6,
        3 => 4,
        6 => 2,
        _ => return None,
    };
    let mut digits = String::new();
    for part in parts {
        if part.is_empty() || part.len() > width || !part.chars().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        digits.extend(std::iter::repeat_n('0', width - part.len()));
        digits.push_str(part);
    }
    let pairs: Vec<String> =
        digits.to_uppercase().as_bytes().chunks(2).map(|pair| pair.escape_ascii().to_string()).collect();
    (digits.len() == 12).then(|| pairs.join(":"))
}

/// The full form of an object by path and id.
pub fn object(view: &View<'_>, path: &str, id: u64) -> Value {
    let found = view.store.get(path, id).zip(tables::endpoint(view.version, path));
    found.map_or(Value::Null, |(object, endpoint)| render::full(view, endpoint, object))
}

/// The full form of an object, for its counts.
pub fn render_counts(view: &View<'_>, endpoint: &'static super::schema::Endpoint, object: &Object) -> Object {
    match render::full(view, endpoint, object) {
        Value::Object(shown) => shown,
        _ => Object::new(),
    }
}
