//! Custom fields: which an object may have, and what their values must be.
//!
//! Promises that a write merges into what is there, that an unknown name is refused with the version's text,
//! and that a value is checked by the field's type as NetBox checks it, dates included.

use serde_json::{Map, Value, json};

use super::Version;
use super::render::{fields_of_model, text};
use super::schema::{Endpoint, Errors, View, error};
use super::store::Object;

/// The stored custom fields after a write: what was there, with what was given over it.
pub fn merge(view: &View<'_>, endpoint: &Endpoint, body: &Object, old: Option<&Object>) -> Result<Value, Errors> {
    let mut stored = old.and_then(|old| old.get("custom_fields")?.as_object().cloned()).unwrap_or_default();
    if old.is_none() {
        for field in fields_of_model(view, endpoint.model) {
            if let Some(default) = field.get("default").filter(|default| !default.is_null()) {
                stored.insert(text(field, "name").to_owned(), default.clone());
            }
        }
    }
    let given = match body.get("custom_fields") {
        None | Some(Value::Null) => &Map::new(),
        Some(Value::Object(given)) => given,
        Some(_) => return Err(error("custom_fields", "Value must be a dictionary.")),
    };
    let known: Vec<&Object> = fields_of_model(view, endpoint.model).collect();
    for (name, value) in given {
        if !known.iter().any(|field| text(field, "name") == name) {
            return Err(unknown(view.version, name));
        }
        stored.insert(name.clone(), value.clone());
    }
    for field in known {
        let name = text(field, "name");
        let value = stored.get(name).unwrap_or(&Value::Null);
        if let Err(reason) = check(view, field, value) {
            return Err(error("__all__", format!("Invalid value for custom field '{name}': {reason}")));
        }
    }
    Ok(Value::Object(stored))
}

fn unknown(version: Version, name: &str) -> Errors {
    match version {
        Version::V3_7 => error("__all__", format!("Unknown field name '{name}' in custom field data.")),
        Version::V4_6 => {
            let mut errors = Errors::new();
            let message = format!("Custom field '{name}' does not exist for this object type.");
            errors.insert("custom_fields".into(), json!({name: message}));
            errors
        }
    }
}

fn check(view: &View<'_>, field: &Object, value: &Value) -> Result<(), String> {
    if value.is_null() || value == "" {
        let required = field.get("required") == Some(&json!(true));
        return if required { Err("Required field cannot be empty.".into()) } else { Ok(()) };
    }
    match text(field, "type") {
        "text" | "longtext" | "url" if !value.is_string() => Err("Value must be a string.".into()),
        "integer" => integer(field, value),
        "decimal" if !value.is_number() => Err("Value must be a decimal.".into()),
        "boolean" if !value.is_boolean() => Err("Value must be true or false.".into()),
        "date" => date(value),
        "datetime" => datetime(value),
        "select" => select(view, field, std::slice::from_ref(value), false),
        "multiselect" => select(view, field, value.as_array().map(Vec::as_slice).unwrap_or_default(), true),
        _ => Ok(()),
    }
}

fn integer(field: &Object, value: &Value) -> Result<(), String> {
    let Some(number) = value.as_i64() else { return Err("Value must be an integer.".into()) };
    if let Some(least) = field.get("validation_minimum").and_then(Value::as_i64).filter(|least| number < *least) {
        return Err(format!("Value must be at least {least}"));
    }
    if let Some(most) = field.get("validation_maximum").and_then(Value::as_i64).filter(|most| number > *most) {
        return Err(format!("Value must not exceed {most}"));
    }
    Ok(())
}

fn date(value: &Value) -> Result<(), String> {
    let parsed = value.as_str().filter(|text| text.len() == 10).and_then(|text| text.parse::<jiff::civil::Date>().ok());
    parsed.map(|_| ()).ok_or_else(|| "Date values must be in ISO 8601 format (YYYY-MM-DD).".into())
}

fn datetime(value: &Value) -> Result<(), String> {
    let written = value.as_str().unwrap_or_default();
    let parsed = written.parse::<jiff::Timestamp>().is_ok() || written.parse::<jiff::civil::DateTime>().is_ok();
    if parsed { Ok(()) } else { Err("Date and time values must be in ISO 8601 format (YYYY-MM-DD HH:MM:SS).".into()) }
}

fn select(view: &View<'_>, field: &Object, values: &[Value], many: bool) -> Result<(), String> {
    let set =
        super::render::number(field, "choice_set").and_then(|id| view.store.get("extras/custom-field-choice-sets", id));
    let name = set.map_or("", |set| text(set, "name"));
    let choices = set.and_then(|set| set.get("extra_choices")?.as_array()).map(Vec::as_slice).unwrap_or_default();
    let allowed = |value: &Value| choices.iter().any(|choice| choice.get(0) == Some(value));
    match values.iter().find(|value| !allowed(value)) {
        None => Ok(()),
        Some(bad) => {
            let shown = bad.as_str().map_or_else(|| bad.to_string(), str::to_owned);
            let plural = if many { "choice(s)" } else { "choice" };
            Err(format!("Invalid {plural} ({shown}) for choice set {name}."))
        }
    }
}
