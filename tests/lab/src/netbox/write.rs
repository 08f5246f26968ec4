//! Creates, updates and deletes.
//!
//! Promises that a write is checked in NetBox's order (fields, sets of fields, custom fields, the model's own
//! rules), that a delete takes along or refuses what NetBox would, and that each lands in the log of changes.
//! Nothing is final before the caller commits the store.

use serde_json::{Value, json};

use super::changes::{Log, same};
use super::parse::{self, Failure};
use super::render::number;
use super::schema::{Endpoint, Errors, Kind, OnDelete, View};
use super::show::interface_of;
use super::store::{Object, Store};
use super::{Version, custom, links, tables};

/// One request's hand on the store.
pub struct Writer<'a> {
    /// All objects.
    pub store: &'a mut Store,
    /// Which NetBox this is.
    pub version: Version,
    /// Added device statuses.
    pub extra_statuses: &'a [String],
    /// The request's id, for the log of changes.
    pub request_id: String,
}

impl Writer<'_> {
    /// The store as this request sees it.
    pub fn view(&self) -> View<'_> {
        View {
            store: self.store,
            version: self.version,
            base: "",
            writing: true,
            unseen_cable: None,
            extra_statuses: self.extra_statuses,
        }
    }

    /// Create an object; its id.
    pub fn create(&mut self, endpoint: &'static Endpoint, body: &Object) -> Result<u64, Failure> {
        let mut object = self.checked(endpoint, body, None, false)?;
        let id = self.store.next_id(endpoint.path);
        let now = self.store.now();
        object.insert("id".into(), json!(id));
        object.insert("created".into(), json!(now));
        object.insert("last_updated".into(), json!(self.store.now()));
        if endpoint.path == "extras/journal-entries" && object.get("created_by").is_none_or(Value::is_null) {
            object.insert("created_by".into(), json!(1));
        }
        self.store.put(endpoint.path, id, object.clone());
        self.log(endpoint, None, Some(&object));
        Ok(id)
    }

    /// Change an object; whether anything but the time differs. With `partial` nothing is required.
    pub fn update(
        &mut self,
        endpoint: &'static Endpoint,
        id: u64,
        body: &Object,
        partial: bool,
    ) -> Result<bool, Failure> {
        let old = self.store.get(endpoint.path, id).cloned().unwrap_or_default();
        let mut object = self.checked(endpoint, body, Some(&old), partial)?;
        object.insert("last_updated".into(), json!(self.store.now()));
        self.store.put(endpoint.path, id, object.clone());
        self.log(endpoint, Some(&old), Some(&object));
        Ok(!same(&old, &object))
    }

    fn log(&mut self, endpoint: &'static Endpoint, before: Option<&Object>, after: Option<&Object>) {
        let log = Log { version: self.version, request_id: &self.request_id };
        log.note(self.store, endpoint, before, after);
    }

    fn checked(
        &self,
        endpoint: &'static Endpoint,
        body: &Object,
        old: Option<&Object>,
        partial: bool,
    ) -> Result<Object, Failure> {
        let view = self.view();
        let mut object = parse::fields(&view, endpoint, body, old, partial)?;
        together(&view, endpoint, &object)?;
        if endpoint.field(self.version, "custom_fields").is_some() {
            object.insert("custom_fields".into(), custom::merge(&view, endpoint, body, old)?);
        }
        (endpoint.check)(&view, &object, old)?;
        Ok(object)
    }

    /// Delete an object and what goes with it; refused while others depend on it.
    pub fn delete(&mut self, endpoint: &'static Endpoint, id: u64) -> Result<(), Failure> {
        let mut doomed: Vec<(&'static Endpoint, u64)> = vec![(endpoint, id)];
        let mut dependents = Vec::new();
        let mut cleared = Vec::new();
        let mut at = 0;
        while let Some((target, id)) = doomed.get(at).copied() {
            at += 1;
            for (pointing, other, field, how) in pointers(&self.view(), target, id) {
                match how {
                    OnDelete::Protect => dependents.push((pointing, other)),
                    OnDelete::Clear => cleared.push((pointing, other, field)),
                    OnDelete::Cascade if doomed.iter().any(|(e, id)| e.path == pointing.path && *id == other) => {}
                    OnDelete::Cascade => doomed.push((pointing, other)),
                }
            }
        }
        dependents.retain(|(e, id)| !doomed.iter().any(|(gone, gone_id)| gone.path == e.path && gone_id == id));
        if !dependents.is_empty() {
            return Err(Failure::Protected(self.refusal(&dependents)));
        }
        for (pointing, other, field) in cleared {
            let Some(mut object) = self.store.get(pointing.path, other).cloned() else { continue };
            object.insert(field.into(), Value::Null);
            self.store.put(pointing.path, other, object);
        }
        for (target, id) in doomed.into_iter().rev() {
            let Some(object) = self.store.get(target.path, id).cloned() else { continue };
            self.store.remove(target.path, id);
            self.log(target, Some(&object), None);
        }
        Ok(())
    }

    fn refusal(&self, dependents: &[(&'static Endpoint, u64)]) -> String {
        let view = self.view();
        let shown = dependents.iter().filter_map(|(endpoint, id)| {
            let object = view.store.get(endpoint.path, *id)?;
            Some(format!("{} ({id})", (endpoint.display)(&view, object)))
        });
        let names: Vec<String> = shown.collect();
        format!("Unable to delete object. {} dependent objects were found: {}", names.len(), names.join(", "))
    }
}

/// Sets of fields that must be unique together.
fn together(view: &View<'_>, endpoint: &Endpoint, object: &Object) -> Result<(), Errors> {
    for set in endpoint.together {
        let twin = |other: &Object| {
            other.get("id") != object.get("id") && set.iter().all(|field| other.get(*field) == object.get(*field))
        };
        let Some((first, value)) = set.first().and_then(|first| Some((*first, object.get(*first)?))) else { continue };
        if view.store.having(endpoint.path, first, value).into_iter().any(|(_, other)| twin(other)) {
            let message = format!("The fields {} must make a unique set.", set.join(", "));
            return Err(super::schema::error("non_field_errors", message));
        }
    }
    Ok(())
}

type Pointer = (&'static Endpoint, u64, &'static str, OnDelete);

/// Everything that points to an object: by a field, as an assigned object, or as a cable's end.
fn pointers(view: &View<'_>, target: &Endpoint, id: u64) -> Vec<Pointer> {
    let mut found = Vec::new();
    for endpoint in tables::all(view.version) {
        for field in endpoint.fields_of(view.version) {
            let Kind::Ref(path, how) = field.kind else { continue };
            if path == target.path {
                let pointing =
                    view.store.list(endpoint.path).filter(|(_, other)| number(other, field.name) == Some(id));
                found.extend(pointing.map(|(other, _)| (endpoint, other, field.name, how)));
            }
        }
        let assigned = |other: &Object| match target.path {
            "dcim/interfaces" if endpoint.path == "dcim/cables" => {
                ["a_terminations", "b_terminations"].iter().any(|side| links::ends(other, side).contains(&id))
            }
            "dcim/interfaces" => interface_of(other) == Some(id),
            _ => {
                other.get("assigned_object_type") == Some(&json!(target.model))
                    && number(other, "assigned_object_id") == Some(id)
            }
        };
        let gone = view.store.list(endpoint.path).filter(|(_, other)| assigned(other));
        found.extend(gone.map(|(other, _)| (endpoint, other, "", OnDelete::Cascade)));
    }
    found
}
