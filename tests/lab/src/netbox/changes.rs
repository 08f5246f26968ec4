//! The log of changes.
//!
//! Promises one entry for each object created, changed or deleted, none for a write that changed nothing, and
//! for a cable one for each termination; on 4.6 its interfaces and the cable are logged as updated too (the
//! recorded count says three more entries; which they are is inferred).

use serde_json::{Value, json};

use super::Version;
use super::links::ends;
use super::render::{number, text};
use super::schema::{Endpoint, Kind, View};
use super::store::{Object, Store};
use super::{show, tables};

/// What is needed to write an entry, beside the store.
#[derive(Clone, Copy)]
pub struct Log<'a> {
    /// Which NetBox this is.
    pub version: Version,
    /// The request all entries belong to.
    pub request_id: &'a str,
}

/// `dcim | device` or `DCIM | device`: a model in messages.
pub fn kind_of(version: Version, model: &str) -> String {
    let (app, name) = model.split_once('.').unwrap_or_default();
    let noun = match model {
        "dcim.cabletermination" => "cable termination",
        _ => tables::endpoint_of(version, model).map_or(name, |endpoint| endpoint.noun),
    };
    let app = match (version, app) {
        (Version::V3_7, app) => app.to_owned(),
        (Version::V4_6, "dcim" | "ipam") => app.to_uppercase(),
        (Version::V4_6, app) => super::choices::label(&[], app),
    };
    format!("{app} | {noun}")
}

/// The path of the log in this version.
pub fn path(version: Version) -> &'static str {
    match version {
        Version::V3_7 => "extras/object-changes",
        Version::V4_6 => "core/object-changes",
    }
}

impl Log<'_> {
    /// Note that an object was created, changed or deleted.
    pub fn note(self, store: &mut Store, endpoint: &'static Endpoint, before: Option<&Object>, after: Option<&Object>) {
        let Some(object) = after.or(before) else { return };
        let unchanged = before.zip(after).is_some_and(|(before, after)| same(before, after));
        if endpoint.model == "core.objectchange" || unchanged {
            return;
        }
        let view = bare_view(store, self.version);
        let name = (endpoint.display)(&view, object);
        let data = |side: Option<&Object>| side.map_or(Value::Null, |object| serialized(&view, endpoint, object));
        let (pre, post) = (data(before), data(after));
        let id = number(object, "id").unwrap_or_default();
        let action = match (before, after) {
            (None, _) => "create",
            (_, None) => "delete",
            _ => "update",
        };
        self.write(store, (endpoint.model, id, &name), action, &pre, &post);
        if endpoint.path == "dcim/cables" && before.is_none() {
            self.terminations(store, endpoint, object);
        }
    }

    fn terminations(self, store: &mut Store, endpoint: &Endpoint, cable: &Object) {
        let name = (endpoint.display)(&bare_view(store, self.version), cable);
        for (field, end) in [("a_terminations", "A"), ("b_terminations", "B")] {
            for interface in ends(cable, field) {
                let name_of_port =
                    store.get("dcim/interfaces", interface).map_or("", |found| text(found, "name")).to_owned();
                let id = store.next_id("dcim/cable-terminations");
                let created = milliseconds(cable);
                // 42 is what dcim.interface was called in the recorded database.
                let post = json!({"cable": cable.get("id"), "created": created, "cable_end": end,
                    "termination_id": interface, "termination_type": 42});
                let label = format!("Cable {name} to {name_of_port}");
                self.write(store, ("dcim.cabletermination", id, &label), "create", &Value::Null, &post);
                if self.version == Version::V4_6 {
                    self.write(
                        store,
                        ("dcim.interface", interface, &name_of_port),
                        "update",
                        &Value::Null,
                        &Value::Null,
                    );
                }
            }
        }
        if self.version == Version::V4_6 {
            let id = number(cable, "id").unwrap_or_default();
            self.write(store, (endpoint.model, id, &name), "update", &Value::Null, &Value::Null);
        }
    }

    fn write(self, store: &mut Store, what: (&str, u64, &str), action: &str, pre: &Value, post: &Value) {
        let (model, object_id, name) = what;
        let table = path(self.version);
        let id = store.next_id(table);
        let entry = json!({
            "id": id, "time": store.now(), "user_name": "admin", "request_id": self.request_id, "action": action,
            "changed_object_type": model, "changed_object_id": object_id, "object_repr": name,
            "what": kind_of(self.version, model), "prechange_data": pre, "postchange_data": post,
        });
        if let Value::Object(entry) = entry {
            store.put(table, id, entry);
        }
    }
}

/// Whether two objects differ in nothing but the time they were written.
pub fn same(before: &Object, after: &Object) -> bool {
    let others = |object: &Object| {
        let mut object = object.clone();
        object.remove("last_updated");
        object
    };
    others(before) == others(after)
}

fn bare_view(store: &Store, version: Version) -> View<'_> {
    View { store, version, base: "", writing: false, unseen_cable: None, extra_statuses: &[] }
}

/// An object as the log keeps it: raw values of what can be written, and the counts.
fn serialized(view: &View<'_>, endpoint: &'static Endpoint, object: &Object) -> Value {
    let shown = show::render_counts(view, endpoint, object);
    let mut kept = Object::new();
    for field in endpoint.fields_of(view.version) {
        let value = match field.kind {
            Kind::Count(..) => shown.get(field.name).cloned().unwrap_or_default(),
            Kind::Fixed if field.name.ends_with("_count") || field.name == "owner" => field.default.value(),
            Kind::Fixed | Kind::Computed(_) => continue,
            _ => object.get(field.name).cloned().unwrap_or_else(|| field.default.value()),
        };
        kept.insert(field.name.into(), value);
    }
    if view.version == Version::V3_7 {
        // 3.7 logs the creation time in milliseconds, 4.6 not at all.
        kept.insert("created".into(), json!(milliseconds(object)));
    }
    Value::Object(kept)
}

fn milliseconds(object: &Object) -> String {
    let created: String = text(object, "created").chars().take(23).collect();
    format!("{created}Z")
}
