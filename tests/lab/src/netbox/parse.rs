//! What a client wrote, field by field: checked, and turned into what is stored.
//!
//! Promises NetBox's texts for a missing, null, blank or wrong value, as far as they were recorded or are those
//! of Django REST framework. A wrong IP address on 3.7 is not an error but a crash (500), as recorded.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::render::text;
use super::schema::{Choices, Default, Endpoint, Errors, Field, Kind, View};
use super::show::parse_mac;
use super::store::Object;
use super::{Version, tables};

/// Why a write was refused.
#[derive(Debug)]
pub enum Failure {
    /// 400 with this body.
    Invalid(Errors),
    /// 500 with this body.
    Crash(Value),
    /// 409: other objects depend on it.
    Protected(String),
    /// The file could not be written.
    Storage(std::io::Error),
}

impl From<Errors> for Failure {
    fn from(errors: Errors) -> Self {
        Self::Invalid(errors)
    }
}

enum Wrong {
    Text(String),
    Crash,
}

impl From<&str> for Wrong {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The fields of a body as they are to be stored. `old` is the object a PATCH or PUT starts from; with `partial`
/// nothing is required. Custom fields and rules over several fields are checked elsewhere.
pub fn fields(
    view: &View<'_>,
    endpoint: &Endpoint,
    body: &Object,
    old: Option<&Object>,
    partial: bool,
) -> Result<Object, Failure> {
    let mut object = old.cloned().unwrap_or_default();
    let mut errors = Errors::new();
    for field in endpoint.fields_of(view.version).filter(|field| field.writable()) {
        let Some(given) = body.get(field.name) else {
            if field.required && !partial {
                errors.insert(field.name.into(), json!(["This field is required."]));
            } else if old.is_none() {
                object.insert(field.name.into(), field.default.value());
            }
            continue;
        };
        if matches!(field.kind, Kind::CustomFields) {
            continue;
        }
        match convert(view, endpoint, field, given) {
            Ok(value) => {
                if let Some(message) = duplicate(view, endpoint, field, &value, old) {
                    errors.insert(field.name.into(), json!([message]));
                }
                object.insert(field.name.into(), value);
            }
            Err(Wrong::Text(message)) => {
                errors.insert(field.name.into(), json!([message]));
            }
            Err(Wrong::Crash) => return Err(Failure::Crash(crash("KeyError", "'data'"))),
        }
    }
    if errors.is_empty() { Ok(object) } else { Err(errors.into()) }
}

/// The body of a 500.
fn crash(exception: &str, error: &str) -> Value {
    json!({"error": error, "exception": exception, "netbox_version": "3.7.3", "python_version": "3.11.7"})
}

/// What of a body NetBox would take no notice of: unknown and read-only fields.
pub fn ignored(view: &View<'_>, endpoint: &Endpoint, body: &Object) -> Vec<String> {
    let known = |name: &str| name == "id" || endpoint.field(view.version, name).is_some_and(Field::writable);
    body.keys().filter(|name| !known(name)).cloned().collect()
}

fn duplicate(
    view: &View<'_>,
    endpoint: &Endpoint,
    field: &Field,
    value: &Value,
    old: Option<&Object>,
) -> Option<String> {
    if !field.unique || value.is_null() {
        return None;
    }
    let own = old.and_then(|old| old.get("id"));
    let mut others = view.store.list(endpoint.path).filter(|(_, other)| other.get("id") != own);
    let label = field.name.replace('_', " ");
    let taken = others.any(|(_, other)| other.get(field.name) == Some(value));
    taken.then(|| format!("{} with this {label} already exists.", endpoint.noun))
}

fn nullable(field: &Field) -> bool {
    let blank_choice =
        matches!((field.kind, field.default), (Kind::Choice(_) | Kind::BareChoice(_), Default::Text("")));
    !field.required && (matches!(field.default, Default::Null) || blank_choice)
}

fn convert(view: &View<'_>, endpoint: &Endpoint, field: &Field, given: &Value) -> Result<Value, Wrong> {
    if given.is_null() {
        // A blank choice is stored as the empty text and shown as null.
        let stored = if matches!(field.default, Default::Text("")) { json!("") } else { Value::Null };
        return if nullable(field) { Ok(stored) } else { Err("This field may not be null.".into()) };
    }
    match field.kind {
        Kind::Text(max) => limited(field, given, max),
        Kind::Slug => slug(given),
        Kind::Int => whole(given),
        Kind::Decimal => decimal(given),
        Kind::Bool => boolean(given),
        Kind::Choice(choices) | Kind::BareChoice(choices) => chosen(view, endpoint, field, choices, given),
        Kind::Ref(path, _) => reference(view, path, given),
        Kind::Absent => Err(Wrong::Text(missing(given))),
        Kind::Mac => {
            let written = plain(given);
            parse_mac(&written)
                .map(Value::String)
                .ok_or_else(|| Wrong::Text(format!("Invalid MAC address format: {written}")))
        }
        Kind::Ip => address(view.version, given),
        Kind::Network => network(given),
        Kind::Model => model(view, given),
        Kind::Models => {
            let models = given.as_array().ok_or("Expected a list of items but got type \"str\".")?;
            models.iter().map(|one| model(view, one)).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        Kind::Tags => tags(view, given),
        Kind::Terminations => terminations(view, given),
        _ => Ok(given.clone()),
    }
}

fn plain(given: &Value) -> String {
    given.as_str().map_or_else(|| given.to_string(), str::to_owned)
}

fn limited(field: &Field, given: &Value, max: usize) -> Result<Value, Wrong> {
    if !(given.is_string() || given.is_number()) {
        return Err("Not a valid string.".into());
    }
    let written = plain(given).trim().to_owned();
    if written.is_empty() && field.required {
        return Err("This field may not be blank.".into());
    }
    if written.chars().count() > max {
        return Err(Wrong::Text(format!("Ensure this field has no more than {max} characters.")));
    }
    Ok(json!(written))
}

fn slug(given: &Value) -> Result<Value, Wrong> {
    let written = plain(given);
    if written.is_empty() {
        return Err("This field may not be blank.".into());
    }
    if !written.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return Err("Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens.".into());
    }
    Ok(json!(written))
}

fn whole(given: &Value) -> Result<Value, Wrong> {
    let parsed = given.as_i64().or_else(|| given.as_str()?.trim().parse().ok());
    parsed.map(|number: i64| json!(number)).ok_or_else(|| "A valid integer is required.".into())
}

fn decimal(given: &Value) -> Result<Value, Wrong> {
    let parsed = given.as_f64().or_else(|| given.as_str()?.trim().parse().ok());
    parsed.map(|number: f64| json!(number)).ok_or_else(|| "A valid number is required.".into())
}

fn boolean(given: &Value) -> Result<Value, Wrong> {
    match plain(given).as_str() {
        "true" | "True" | "1" => Ok(json!(true)),
        "false" | "False" | "0" => Ok(json!(false)),
        _ => Err("Must be a valid boolean.".into()),
    }
}

fn chosen(
    view: &View<'_>,
    endpoint: &Endpoint,
    field: &Field,
    choices: Choices,
    given: &Value,
) -> Result<Value, Wrong> {
    if given.is_object() || given.is_array() {
        let text = "Value must be passed directly (e.g. \"foo\": 123); do not use a dictionary or list.";
        return Err(text.into());
    }
    let written = plain(given);
    if written.is_empty() && !field.required {
        return Ok(if matches!(field.default, Default::Null) { Value::Null } else { json!("") });
    }
    let added = endpoint.path == "dcim/devices" && field.name == "status" && view.extra_statuses.contains(&written);
    if added || choices.iter().any(|(value, _)| *value == written) {
        return Ok(json!(written));
    }
    Err(Wrong::Text(format!("{written} is not a valid choice.")))
}

fn missing(given: &Value) -> String {
    match given {
        Value::Object(attributes) => {
            let pairs: Vec<String> =
                attributes.iter().map(|(name, value)| format!("'{name}': {}", python(value))).collect();
            format!("Related object not found using the provided attributes: {{{}}}", pairs.join(", "))
        }
        _ => format!("Related object not found using the provided numeric ID: {}", plain(given)),
    }
}

/// A value as Python prints it.
fn python(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        other => other.to_string(),
    }
}

/// A pointer: a number, or an object of attributes that match exactly one object.
fn reference(view: &View<'_>, path: &str, given: &Value) -> Result<Value, Wrong> {
    let id = match given {
        Value::Object(attributes) => {
            let fits = |object: &Object| {
                attributes.iter().all(|(name, wanted)| attribute_is(view, path, object, name, wanted))
            };
            let mut found = view.store.list(path).filter(|(_, object)| fits(object));
            let first = found.next();
            if first.is_some() && found.next().is_some() {
                return Err(Wrong::Text("Multiple objects match the provided attributes.".into()));
            }
            first.map(|(id, _)| id)
        }
        Value::Number(_) | Value::String(_) => match plain(given).parse::<u64>() {
            Ok(id) => view.store.get(path, id).map(|_| id),
            Err(_) => {
                return Err(Wrong::Text(format!(
                    "Related objects must be referenced by numeric ID or by dictionary of attributes. Received an unrecognized value: {}",
                    plain(given)
                )));
            }
        },
        _ => None,
    };
    id.map(|id| json!(id)).ok_or_else(|| Wrong::Text(missing(given)))
}

fn attribute_is(view: &View<'_>, path: &str, object: &Object, name: &str, wanted: &Value) -> bool {
    let target = tables::endpoint(view.version, path).and_then(|endpoint| endpoint.field(view.version, name));
    match target.map(|field| field.kind) {
        Some(Kind::Ref(inner, _)) => reference(view, inner, wanted).is_ok_and(|id| object.get(name) == Some(&id)),
        _ => object.get(name) == Some(wanted),
    }
}

/// An IP address with a mask; without one it gets a host's mask.
fn address(version: Version, given: &Value) -> Result<Value, Wrong> {
    let written = plain(given);
    let net = written.parse::<IpNet>().ok().or_else(|| written.parse::<IpAddr>().ok().map(IpNet::from));
    match (net, version) {
        (Some(net), _) => Ok(json!(net.to_string())),
        (None, Version::V3_7) => Err(Wrong::Crash),
        (None, Version::V4_6) => Err(Wrong::Text(format!("Invalid IP address format: {written}"))),
    }
}

fn network(given: &Value) -> Result<Value, Wrong> {
    let written = plain(given);
    let Ok(net) = written.parse::<IpNet>() else {
        return Err(Wrong::Text(format!("Invalid IP prefix format: {written}")));
    };
    if net != net.trunc() {
        return Err(Wrong::Text(format!("{net} is not a valid prefix. Did you mean {}?", net.trunc())));
    }
    Ok(json!(net.to_string()))
}

/// A model the lab has, or any of the same form.
fn model(view: &View<'_>, given: &Value) -> Result<Value, Wrong> {
    let written = plain(given);
    if written.split('.').count() != 2 {
        return Err("Invalid value. Specify a content type as '<app_label>.<model_name>'.".into());
    }
    if tables::endpoint_of(view.version, &written).is_none() {
        return Err(Wrong::Text(format!("Invalid content type: {written}")));
    }
    Ok(json!(written))
}

/// Tags by id, by slug or by attributes.
fn tags(view: &View<'_>, given: &Value) -> Result<Value, Wrong> {
    let list = given.as_array().ok_or("Expected a list of items but got type \"str\".")?;
    list.iter().map(|tag| reference(view, "extras/tags", tag)).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn terminations(view: &View<'_>, given: &Value) -> Result<Value, Wrong> {
    let list = given.as_array().ok_or("Expected a list of items but got type \"dict\".")?;
    let mut kept = Vec::new();
    for end in list {
        let kind = end.as_object().map(|end| text(end, "object_type")).unwrap_or_default();
        if kind != "dcim.interface" {
            return Err(Wrong::Text(format!("the lab has cables between interfaces only, not {kind:?}")));
        }
        let id = reference(view, "dcim/interfaces", end.get("object_id").unwrap_or(&Value::Null))?;
        kept.push(json!({"object_type": kind, "object_id": id}));
    }
    Ok(Value::Array(kept))
}
