//! OPTIONS: what an endpoint says about itself.
//!
//! Promises name, parsers, renderers and for each field its type, label, choices, length, and whether it is required
//! or read-only; the fields only to those who may write. It leaves out what is inside nested objects, help texts
//! and the bounds of numbers.

use serde_json::{Value, json};

use super::Version;
use super::schema::{Endpoint, Field, Kind};
use super::store::Object;

/// The description of an endpoint.
pub fn describe(version: Version, endpoint: &Endpoint, writable: bool, extra_statuses: &[String]) -> Value {
    let mut fields = Object::new();
    for (name, kind, label) in [("id", "integer", "ID"), ("url", "field", "Url"), ("display", "field", "Display")] {
        fields.insert(name.into(), json!({"type": kind, "required": false, "read_only": true, "label": label}));
    }
    for field in endpoint.fields_of(version) {
        let statuses = if endpoint.path == "dcim/devices" && field.name == "status" { extra_statuses } else { &[] };
        fields.insert(field.name.into(), one(field, statuses));
    }
    for (name, label) in [("created", "Created"), ("last_updated", "Last updated")] {
        fields.insert(name.into(), json!({"type": "datetime", "required": false, "read_only": true, "label": label}));
    }
    let mut described = json!({
        "name": capital(endpoint.noun), "description": "",
        "renders": ["application/json", "text/html"], "parses": ["application/json", "multipart/form-data"],
    });
    if let Some(described) = described.as_object_mut().filter(|_| writable) {
        described.insert("actions".into(), json!({"POST": fields, "PUT": fields}));
    }
    described
}

fn one(field: &Field, extra: &[String]) -> Value {
    let pointing = field.name.contains("primary_ip") || field.name == "device_role";
    let kind = match field.kind {
        Kind::Text(_) => "string",
        Kind::Slug => "slug",
        Kind::Int | Kind::Count(..) => "integer",
        Kind::Decimal => "decimal",
        Kind::Bool => "boolean",
        Kind::Ref(..) | Kind::Absent => "nested object",
        Kind::Computed(_) if pointing => "nested object",
        Kind::Fixed if field.name.ends_with("_count") => "integer",
        _ => "field",
    };
    let label = match field.name {
        "serial" => "Serial number".to_owned(),
        "position" => "Position (U)".to_owned(),
        "vc_priority" => "VC priority".to_owned(),
        name => capital(&name.replace('_', " ")),
    };
    let mut shown = Object::new();
    shown.insert("type".into(), json!(kind));
    shown.insert("required".into(), json!(field.required));
    shown.insert("read_only".into(), json!(!field.writable()));
    shown.insert("label".into(), json!(label));
    if let Kind::Choice(choices) | Kind::BareChoice(choices) = field.kind {
        let known = choices.iter().map(|(value, label)| json!({"value": value, "display_name": label}));
        let added = extra.iter().map(|value| json!({"value": value, "display_name": capital(value)}));
        shown.insert("choices".into(), known.chain(added).collect());
    }
    // Longer than this is a text without a limit.
    if let Kind::Text(max @ ..=10_000) = field.kind {
        shown.insert("max_length".into(), json!(max));
    }
    Value::Object(shown)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
