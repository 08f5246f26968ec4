//! PATCH: all of it or nothing.
//!
//! Promises the vendor's refusals for unknown, read-only and ill-typed properties, the vendor's `ETag` rule,
//! and honest counting: one settings change for each property whose value really changed, one no-change for
//! a write that changed nothing. A control that is told to lie is answered with success and left alone.

use serde_json::{Value, json};

use super::bmc::Bmc;
use super::config::Kind;
use super::profile::{ACCOUNTS, EtagRule};
use super::read::{etag_of, show};
use super::reply::{Message, Reply};
use super::resource::{Meta, Resource, at, key, leaves, put};
use super::rules::{Refusal, Rule};
use super::serve::Ask;
use super::state::State;
use crate::ledger::Kind as Count;

/// One accepted assignment.
pub(super) struct Change {
    pub(super) path: String,
    pub(super) value: Value,
    pub(super) control: Option<String>,
}

impl Bmc {
    /// `PATCH` of anything.
    pub(super) fn patch(&self, ask: &Ask) -> Reply {
        let at = key(&ask.path);
        if show(&self.state(), self.kind(), &at).is_none() {
            return self.missing(ask);
        }
        if let Err(reply) = self.precondition(ask, &at) {
            return reply;
        }
        let json = match self.json(ask) {
            Ok(json) => json,
            Err(reply) => return reply,
        };
        let account = at.strip_prefix(&key(ACCOUNTS)).and_then(|rest| rest.strip_prefix('/'));
        if let Some(id) = account {
            return self.patch_account(&at, id, &json);
        }
        let settings = key(self.profile.bios_settings);
        if at == settings || (at == key(self.profile.bios) && self.kind() == Kind::SupermicroX13) {
            return self.patch_bios(&json);
        }
        if at == key(self.profile.system) && json.get("Boot").is_some() {
            return self.patch_boot(&at, json);
        }
        self.patch_plain(ask, &at, &json)
    }

    /// The vendor's rule for `If-Match`.
    pub(super) fn precondition(&self, ask: &Ask, at: &str) -> Result<(), Reply> {
        let failed = || Reply::refuse_base(self.kind(), 412, "PreconditionFailed", &[]);
        let own = etag_of(&self.state(), self.kind(), at);
        match (ask.header("if-match"), self.profile.etag) {
            (_, EtagRule::Ignored)
            | (None, EtagRule::OwnOrNone | EtagRule::Any)
            | (Some("*"), EtagRule::Any | EtagRule::Required) => Ok(()),
            (None, EtagRule::Required) => {
                self.violation(format!("{} {}: If-Match is missing", ask.method, ask.path));
                Err(Reply::refuse_base(self.kind(), 428, "PreconditionRequired", &[]))
            }
            (Some("*"), EtagRule::OwnOrNone) => Err(failed()),
            (Some(given), _) if own.as_deref() == Some(given) => Ok(()),
            (Some(_), _) => Err(failed()),
        }
    }

    fn patch_plain(&self, ask: &Ask, at: &str, json: &Value) -> Reply {
        let Some((meta, body)) = self.current(at) else { return self.missing(ask) };
        if meta.write.is_empty() {
            return self.bad_method(ask);
        }
        match self.judge(&meta, &body, json) {
            Ok(changes) => self.commit(at, changes),
            Err(messages) => Reply::refuse(self.kind(), 400, &messages),
        }
    }

    /// Facts and shown body of a stored resource.
    pub(super) fn current(&self, at: &str) -> Option<(std::sync::Arc<Meta>, Value)> {
        let state = self.state();
        let meta = std::sync::Arc::clone(&state.resources.get(at)?.meta);
        Some((meta, show(&state, self.kind(), at)?))
    }

    /// Accept every property, or say what is wrong with each.
    pub(super) fn judge(&self, meta: &Meta, body: &Value, json: &Value) -> Result<Vec<Change>, Vec<Message>> {
        let mut changes = Vec::new();
        let mut messages = Vec::new();
        for (path, value) in ask_for(meta, json) {
            if path.starts_with('@') {
                continue;
            }
            match self.allowed(meta, body, &path, &value) {
                Ok(rule) => changes.push(Change { path, value, control: rule.control.clone() }),
                Err(message) => messages.push(message),
            }
        }
        if messages.is_empty() { Ok(changes) } else { Err(messages) }
    }

    fn allowed<'a>(&self, meta: &'a Meta, body: &Value, path: &str, value: &Value) -> Result<&'a Rule, Message> {
        let kind = self.kind();
        let name = path.rsplit('/').next().unwrap_or(path);
        let Some(rule) = meta.write.get(path) else {
            let known = at(body, path).is_some();
            return Err(
                Message::base(kind, if known { "PropertyNotWritable" } else { "PropertyUnknown" }, &[name]).about(path)
            );
        };
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match rule.check(value) {
            Ok(()) => Ok(rule),
            Err(Refusal::Type) => Err(Message::base(kind, "PropertyValueTypeError", &[&shown, name]).about(path)),
            Err(Refusal::Value) => Err(Message::base(kind, "PropertyValueNotInList", &[&shown, name]).about(path)),
        }
    }

    /// Store accepted changes and answer.
    pub(super) fn commit(&self, at: &str, changes: Vec<Change>) -> Reply {
        let mut state = self.state();
        let mut really = Vec::new();
        let mut lied = false;
        for change in changes {
            if change.control.as_ref().is_some_and(|control| state.faults.lies.contains(control)) {
                lied = true;
            } else if apply(&mut state, at, &change.path, &change.value) {
                really.push(match change.control {
                    Some(control) => format!("{control} {}", change.path),
                    None => change.path,
                });
            }
        }
        let resource = show(&state, self.kind(), at);
        let reply = state.resources.get(at).and_then(|resource| resource.meta.reply.clone());
        drop(state);
        if really.is_empty() && !lied {
            self.count(Count::NoChange, at);
        }
        for change in &really {
            self.count(Count::SettingsChange, change);
        }
        Reply::done(self.kind(), reply.as_deref().filter(|_| !really.is_empty() || lied), resource)
    }
}

/// The assignments in a request: down to the deepest path a rule knows, so that lists and objects that are
/// written whole stay whole.
fn ask_for(meta: &Meta, json: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for path in meta.write.keys() {
        if let Some(value) = at(json, path) {
            found.push((path.clone(), value.clone()));
        }
    }
    let covered: Vec<String> = found.iter().map(|(path, _)| path.clone()).collect();
    let inside = |leaf: &str| covered.iter().any(|path| leaf == path || leaf.starts_with(&format!("{path}/")));
    found.extend(leaves(json).into_iter().filter(|(leaf, _)| !inside(leaf)));
    found
}

/// Set one property, follow its mirror and couplings; true when the value changed.
fn apply(state: &mut State, place: &str, path: &str, value: &Value) -> bool {
    let Some(resource) = state.resources.get(place) else { return false };
    let meta = std::sync::Arc::clone(&resource.meta);
    if let Some(mirror) = meta.mirror.iter().find(|mirror| mirror.here == path) {
        let spelled = match (mirror.word, value.as_bool()) {
            (true, Some(flag)) => json!(if flag { "Enabled" } else { "Disabled" }),
            _ => value.clone(),
        };
        return apply(state, &mirror.resource, &mirror.there, &spelled);
    }
    let Some(resource) = state.resources.get_mut(place) else { return false };
    let mut body = resource.body();
    let changed = at(&body, path) != Some(value);
    put(&mut body, path, value.clone());
    for (from, to) in &meta.couple {
        if from == path {
            put(&mut body, to, value.clone());
        }
    }
    Resource::store(resource, &body);
    changed
}
