//! The verbs on lists and on single objects.
//!
//! Promises the recorded answers: `Location` and `ETag`, `If-Match`, bulk requests that happen whole or not at
//! all but drop missing ids without a word, `brief`, `fields` and `omit`. Effects on devices and the journal
//! are counted here, because only here is known whether anything changed.

use serde_json::{Value, json};

use super::answer::Answer;
use super::api::{Api, Request};
use super::filter;
use super::order::Page;
use super::parse::{self, Failure};
use super::render::{self, text};
use super::schema::{Endpoint, View};
use super::store::{Object, Store};
use super::write::Writer;
use super::{SYSTEM, Version};
use crate::ledger::Kind;

/// One request at work.
pub struct Call<'a> {
    api: &'a Api,
    store: &'a mut Store,
    request: &'a Request,
    base: &'a str,
    query: Vec<(String, String)>,
    /// Counted only when the whole request has gone through.
    effects: Vec<(Kind, String)>,
}

impl<'a> Call<'a> {
    /// A call with its query read.
    pub fn new(api: &'a Api, store: &'a mut Store, request: &'a Request, base: &'a str) -> Self {
        let query = url::form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
        Self { api, store, request, base, query, effects: Vec::new() }
    }

    /// What this call did, to be counted once it is certain.
    pub fn into_effects(self) -> Vec<(Kind, String)> {
        self.effects
    }

    fn view(&self, writing: bool) -> View<'_> {
        View {
            store: self.store,
            version: self.api.version,
            base: self.base,
            writing,
            unseen_cable: None,
            extra_statuses: &self.api.extra_statuses,
        }
    }

    fn writer(&mut self) -> Writer<'_> {
        let bits: u128 = rand::random();
        let hex = format!("{bits:032x}");
        let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default().to_owned();
        let request_id = [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-");
        let api = self.api;
        Writer { store: self.store, version: api.version, extra_statuses: &api.extra_statuses, request_id }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// An object as this request wants it: whole, brief, or some fields of it.
    fn shown(&self, endpoint: &'static Endpoint, object: &Object) -> Value {
        let view = self.view(false);
        if self.parameter("brief").is_some_and(|flag| matches!(flag, "true" | "True" | "1")) {
            return render::brief(&view, endpoint, object);
        }
        let whole = render::full(&view, endpoint, object);
        let (Value::Object(mut whole), Version::V4_6) = (whole.clone(), self.api.version) else { return whole };
        let names = |list: &str| list.split(',').map(str::to_owned).collect::<Vec<_>>();
        if let Some(wanted) = self.parameter("fields").map(names) {
            whole.retain(|name, _| wanted.contains(name));
        }
        if let Some(unwanted) = self.parameter("omit").map(names) {
            whole.retain(|name, _| !unwanted.contains(name));
        }
        Value::Object(whole)
    }

    /// A just written object, with what 3.7 has not noticed yet.
    fn written(&self, endpoint: &'static Endpoint, id: u64, body: &Object, created: bool) -> Value {
        let mut view = self.view(true);
        let old = self.api.version == Version::V3_7;
        if old && created && endpoint.path == "dcim/cables" {
            view.unseen_cable = Some(id);
        }
        let object = self.store.get(endpoint.path, id).cloned().unwrap_or_default();
        let mut shown = render::full(&view, endpoint, &object);
        // 3.7 answers with the MAC address as it was sent.
        if let (true, Some(shown), Some(mac)) = (old, shown.as_object_mut(), body.get("mac_address"))
            && shown.contains_key("mac_address")
        {
            shown.insert("mac_address".into(), mac.clone());
        }
        shown
    }

    /// The tag of an object's present state: 4.6 only.
    fn etag(&self, endpoint: &Endpoint, id: u64) -> Option<String> {
        let object = self.store.get(endpoint.path, id).filter(|_| self.api.version == Version::V4_6)?;
        Some(format!("W/\"{}\"", text(object, "last_updated").replace('Z', "+00:00")))
    }

    fn tagged(&self, answer: Answer, endpoint: &Endpoint, id: u64) -> Answer {
        match self.etag(endpoint, id) {
            Some(tag) => answer.with("ETag", tag),
            None => answer,
        }
    }

    /// 412 when `If-Match` names another state of this object.
    fn stale(&self, endpoint: &Endpoint, id: u64) -> Option<Answer> {
        let wanted = self.request.if_match.as_deref()?;
        let tag = self.etag(endpoint, id)?;
        let fits = wanted == "*" || wanted.split(',').any(|one| one.trim() == tag);
        (!fits).then(|| Answer::detail(412, "Precondition failed.").with("ETag", tag))
    }

    fn missing(&self, endpoint: &Endpoint) -> Answer {
        match self.api.version {
            Version::V3_7 => Answer::detail(404, "Not found."),
            Version::V4_6 => Answer::detail(404, format!("No {} matches the given query.", endpoint.class)),
        }
    }

    /// Note in the ledger which fields NetBox takes no notice of.
    fn note_ignored(&self, endpoint: &Endpoint, body: &Object) {
        for name in parse::ignored(&self.view(true), endpoint, body) {
            let asked = format!("{} {}", self.request.method, self.request.path);
            self.api.ledger.violation(SYSTEM, format!("{asked}: NetBox ignores the field {name:?}"));
        }
    }

    fn create(&mut self, endpoint: &'static Endpoint, body: &Object) -> Result<u64, Failure> {
        self.note_ignored(endpoint, body);
        let id = self.writer().create(endpoint, body)?;
        if endpoint.path == "extras/journal-entries" {
            let about = self.about(body);
            let start: String = text(body, "comments").chars().take(60).collect();
            self.effects.push((Kind::JournalEntry, format!("{about} {start}")));
        }
        Ok(id)
    }

    fn about(&self, body: &Object) -> String {
        let device = render::number(body, "assigned_object_id").and_then(|id| self.store.get("dcim/devices", id));
        device.map_or_else(String::new, |found| text(found, "name").to_owned())
    }

    fn update(&mut self, endpoint: &'static Endpoint, id: u64, body: &Object, partial: bool) -> Result<(), Failure> {
        self.note_ignored(endpoint, body);
        let changed = self.writer().update(endpoint, id, body, partial)?;
        if endpoint.path == "dcim/devices" {
            let name = self.store.get(endpoint.path, id).map_or("", |found| text(found, "name"));
            let fields: Vec<&str> = body.keys().map(String::as_str).filter(|field| *field != "id").collect();
            let kind = if changed { Kind::SettingsChange } else { Kind::NoChange };
            let effect = (kind, format!("{name} {}", fields.join(",")));
            self.effects.push(effect);
        }
        Ok(())
    }
}

fn object_of(body: &Value) -> Result<&Object, Failure> {
    body.as_object().ok_or_else(|| {
        let message = "Invalid data. Expected a dictionary, but got another type.";
        Failure::Invalid(super::schema::error("non_field_errors", message))
    })
}

/// GET of one object.
pub fn read(call: &Call<'_>, endpoint: &'static Endpoint, id: u64) -> Answer {
    let Some(object) = call.store.get(endpoint.path, id) else { return call.missing(endpoint) };
    call.tagged(Answer::json(200, call.shown(endpoint, object)), endpoint, id)
}

/// DELETE of one object.
pub fn delete(call: &mut Call<'_>, endpoint: &'static Endpoint, id: u64) -> Answer {
    if call.store.get(endpoint.path, id).is_none() {
        return call.missing(endpoint);
    }
    if let Some(refused) = call.stale(endpoint, id) {
        return refused;
    }
    match call.writer().delete(endpoint, id) {
        Ok(()) => Answer::empty(204),
        Err(failure) => failure.into(),
    }
}

/// Writes of one object.
pub mod one {
    use super::{Answer, Call, Endpoint, Value, object_of, render};

    /// POST of one object.
    pub fn create(call: &mut Call<'_>, endpoint: &'static Endpoint, body: &Value) -> Answer {
        let created = object_of(body).and_then(|body| Ok((call.create(endpoint, body)?, body)));
        match created {
            Ok((id, body)) => {
                let answer = Answer::json(201, call.written(endpoint, id, body, true));
                let answer = answer.with("Location", render::url(&call.view(false), endpoint, id));
                call.tagged(answer, endpoint, id)
            }
            Err(failure) => failure.into(),
        }
    }

    /// PATCH or PUT of one object.
    pub fn update(call: &mut Call<'_>, endpoint: &'static Endpoint, id: u64, body: &Value, partial: bool) -> Answer {
        if call.store.get(endpoint.path, id).is_none() {
            return call.missing(endpoint);
        }
        if let Some(refused) = call.stale(endpoint, id) {
            return refused;
        }
        let updated = object_of(body).and_then(|body| call.update(endpoint, id, body, partial).map(|()| body));
        match updated {
            Ok(body) => {
                let answer = Answer::json(200, call.written(endpoint, id, body, false));
                call.tagged(answer, endpoint, id)
            }
            Err(failure) => failure.into(),
        }
    }
}

/// Lists and bulk writes.
pub mod many {
    use super::{Answer, Call, Endpoint, Object, Page, SYSTEM, Value, filter, json, object_of};

    /// GET of a list.
    pub fn list(call: &Call<'_>, endpoint: &'static Endpoint) -> Answer {
        let view = call.view(false);
        let found = match filter::find(&view, endpoint, &call.query) {
            Ok(found) => found,
            Err(errors) => return Answer::json(400, Value::Object(errors)),
        };
        for name in &found.unknown {
            let text = format!("GET {}: NetBox ignores the unknown filter {name:?} and answers all", call.request.path);
            call.api.ledger.violation(SYSTEM, text);
        }
        let page = Page::of(&call.query);
        let address = format!("{}{}", call.base, call.request.path);
        let (next, previous) = page.neighbours(&address, &call.query, found.objects.len());
        let shown = found.objects.iter().skip(page.offset).take(page.limit);
        let results: Vec<Value> = shown.map(|object| call.shown(endpoint, object)).collect();
        Answer::json(200, json!({"count": found.objects.len(), "next": next, "previous": previous, "results": results}))
    }

    /// POST of several objects: all or none.
    pub fn create(call: &mut Call<'_>, endpoint: &'static Endpoint, bodies: &[Value]) -> Answer {
        let mut made = Vec::new();
        for body in bodies {
            let created = object_of(body).and_then(|body| Ok((call.create(endpoint, body)?, body)));
            match created {
                Ok((id, body)) => made.push((id, body)),
                Err(failure) => return failure.into(),
            }
        }
        let shown = made.into_iter().map(|(id, body)| call.written(endpoint, id, body, true)).collect();
        Answer::json(201, shown)
    }

    /// The bodies of a bulk request whose objects are there, in the endpoint's own order. A missing id is
    /// dropped without a word, as NetBox does.
    fn known<'b>(
        call: &Call<'_>,
        endpoint: &'static Endpoint,
        body: &'b Value,
    ) -> Result<Vec<(u64, &'b Object)>, Answer> {
        let Some(bodies) = body.as_array() else {
            let text = "Expected a list of items but got type \"dict\".";
            return Err(Answer::json(400, json!({"non_field_errors": [text]})));
        };
        let mut wanted = Vec::new();
        for body in bodies.iter().filter_map(Value::as_object) {
            let Some(id) = body.get("id").and_then(Value::as_u64) else {
                return Err(Answer::json(400, json!([{"id": ["This field is required."]}])));
            };
            wanted.push((id, body));
        }
        let view = call.view(true);
        let found = filter::find(&view, endpoint, &[]).map(|found| found.objects).unwrap_or_default();
        let ids = found.into_iter().filter_map(|object| super::render::number(object, "id"));
        Ok(ids.filter_map(|id| wanted.iter().find(|(wanted, _)| *wanted == id).copied()).collect())
    }

    /// PATCH or PUT of several objects: all or none.
    pub fn update(call: &mut Call<'_>, endpoint: &'static Endpoint, body: &Value, partial: bool) -> Answer {
        let wanted = match known(call, endpoint, body) {
            Ok(wanted) => wanted,
            Err(answer) => return answer,
        };
        if let Some(refused) = wanted.iter().find_map(|(id, _)| call.stale(endpoint, *id)) {
            return refused;
        }
        for (id, body) in &wanted {
            if let Err(failure) = call.update(endpoint, *id, body, partial) {
                return failure.into();
            }
        }
        let shown = wanted.into_iter().map(|(id, body)| call.written(endpoint, id, body, false)).collect();
        Answer::json(200, shown)
    }

    /// DELETE of several objects: all or none.
    pub fn delete(call: &mut Call<'_>, endpoint: &'static Endpoint, body: &Value) -> Answer {
        let wanted = match known(call, endpoint, body) {
            Ok(wanted) => wanted,
            Err(answer) => return answer,
        };
        for (id, _) in wanted {
            if let Err(failure) = call.writer().delete(endpoint, id) {
                return failure.into();
            }
        }
        Answer::empty(204)
    }
}
