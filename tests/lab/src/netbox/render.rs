//! Stored objects as the JSON that clients see: in full, or inside another object.
//!
//! Promises every key NetBox shows, in the shape of the version. What an object looks like inside another is
//! also what `brief=true` answers. It looks things up and never changes them.

use serde_json::{Value, json};

use super::schema::{Endpoint, Field, Kind, View};
use super::store::Object;
use super::{Version, choices, tables};

/// A number in an object.
pub fn number(object: &Object, name: &str) -> Option<u64> {
    object.get(name).and_then(Value::as_u64)
}

/// A text in an object, or nothing.
pub fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The address of an object in the API.
pub fn url(view: &View<'_>, endpoint: &Endpoint, id: u64) -> String {
    format!("{}/api/{}/{id}/", view.base, endpoint.path)
}

/// An object in full, as a list or a single GET shows it.
pub fn full(view: &View<'_>, endpoint: &'static Endpoint, object: &Object) -> Value {
    let mut shown = head(view, endpoint, object);
    if view.version == Version::V4_6 {
        let page = endpoint.ui.unwrap_or(endpoint.path);
        let id = number(object, "id").unwrap_or_default();
        shown.insert("display_url".into(), json!(format!("{}/{page}/{id}/", view.base)));
    }
    for field in endpoint.fields_of(view.version) {
        if field.annotated && view.writing && view.version == Version::V3_7 {
            continue;
        }
        shown.insert(field.name.into(), value(view, endpoint, field, object));
    }
    for stamp in ["created", "last_updated"] {
        if let Some(time) = object.get(stamp) {
            shown.insert(stamp.into(), time.clone());
        }
    }
    Value::Object(shown)
}

/// An object as other objects and `brief=true` show it.
pub fn brief(view: &View<'_>, endpoint: &'static Endpoint, object: &Object) -> Value {
    let names = match view.version {
        Version::V3_7 => endpoint.brief37,
        Version::V4_6 => endpoint.brief46,
    };
    let mut shown = head(view, endpoint, object);
    for name in names {
        let Some(field) = endpoint.field(view.version, name) else {
            shown.insert((*name).into(), object.get(*name).cloned().unwrap_or_default());
            continue;
        };
        let whole = value(view, endpoint, field, object);
        // 3.7 shows a nested cable as its id and a nested family as its number.
        let nested = match (view.version, *name) {
            (Version::V3_7, "cable") => whole.get("id").cloned().unwrap_or_default(),
            (Version::V3_7, "family") => whole.get("value").cloned().unwrap_or_default(),
            _ if field.zero_nested => json!(0),
            _ => whole,
        };
        shown.insert((*name).into(), nested);
    }
    Value::Object(shown)
}

/// The brief form of the object with this id, or null.
pub fn nested(view: &View<'_>, path: &str, id: Option<u64>) -> Value {
    let found = id.and_then(|id| view.store.get(path, id)).zip(tables::endpoint(view.version, path));
    found.map_or(Value::Null, |(object, endpoint)| brief(view, endpoint, object))
}

fn head(view: &View<'_>, endpoint: &Endpoint, object: &Object) -> Object {
    let id = number(object, "id").unwrap_or_default();
    let mut shown = Object::new();
    shown.insert("id".into(), json!(id));
    shown.insert("url".into(), json!(url(view, endpoint, id)));
    shown.insert("display".into(), json!((endpoint.display)(view, object)));
    shown
}

fn value(view: &View<'_>, endpoint: &Endpoint, field: &Field, object: &Object) -> Value {
    let raw = object.get(field.name).cloned().unwrap_or_else(|| field.default.value());
    match field.kind {
        Kind::Choice(choices) => match raw.as_str() {
            None | Some("") => Value::Null,
            // The one list of numbers is the width of racks.
            Some(value) => match value.parse::<i64>() {
                Ok(number) => json!({"value": number, "label": choices::label(choices, value)}),
                Err(_) => json!({"value": value, "label": choices::label(choices, value)}),
            },
        },
        Kind::Ref(path, _) => nested(view, path, raw.as_u64()),
        Kind::Decimal => raw.as_f64().map_or(Value::Null, |number| json!(number)),
        Kind::Tags => {
            let ids = raw.as_array().map(Vec::as_slice).unwrap_or_default();
            ids.iter().map(|id| nested(view, "extras/tags", id.as_u64())).collect()
        }
        Kind::CustomFields => custom_fields(view, endpoint, &raw),
        Kind::Terminations => {
            let ends = raw.as_array().map(Vec::as_slice).unwrap_or_default();
            ends.iter().map(|end| termination(view, end)).collect()
        }
        Kind::Computed(show) => show(view, object),
        Kind::Count(path, by) => {
            let id = object.get("id").cloned().unwrap_or_default();
            json!(view.store.having(path, by, &id).len())
        }
        _ => raw,
    }
}

/// Every custom field of the model, null where never written.
fn custom_fields(view: &View<'_>, endpoint: &Endpoint, raw: &Value) -> Value {
    let shown = fields_of_model(view, endpoint.model).map(|field| {
        let name = text(field, "name");
        (name.to_owned(), raw.get(name).cloned().unwrap_or_default())
    });
    Value::Object(shown.collect())
}

/// The custom fields of a model.
pub fn fields_of_model<'a>(view: &View<'a>, model: &'a str) -> impl Iterator<Item = &'a Object> {
    let key = match view.version {
        Version::V3_7 => "content_types",
        Version::V4_6 => "object_types",
    };
    let has = move |field: &Object| {
        let models = field.get(key).and_then(Value::as_array);
        models.is_some_and(|models| models.iter().any(|known| known == model))
    };
    view.store.list("extras/custom-fields").map(|(_, field)| field).filter(move |field| has(field))
}

fn termination(view: &View<'_>, end: &Value) -> Value {
    let model = end.get("object_type").and_then(Value::as_str).unwrap_or_default();
    let path = tables::endpoint_of(view.version, model).map_or("", |endpoint| endpoint.path);
    let id = end.get("object_id").and_then(Value::as_u64);
    json!({"object_type": model, "object_id": id, "object": nested(view, path, id)})
}
