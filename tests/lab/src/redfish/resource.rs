//! One resource of a tree: its stored text, what may be written, and the key it is found by.
//!
//! Promises lookups that do not depend on case or trailing slashes, because vendors mix both inside one
//! tree. It does not render: power, sessions and links into collections are added when read. The body is
//! kept as text and parsed on use, so a thousand controllers stay cheap.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::rules::Rule;

/// Facts about a resource that are the same on every controller of its kind.
#[derive(Debug, Default)]
pub(super) struct Meta {
    /// What may be written, by slash-separated path into the body.
    pub(super) write: BTreeMap<String, Rule>,
    /// Members are listed when read: the direct children.
    pub(super) collection: bool,
    /// Properties that are stored in another resource: here, its path, there, and how it is spelled there.
    pub(super) mirror: Vec<Mirror>,
    /// Properties that follow another: when the first is written, the second takes the same value.
    pub(super) couple: Vec<(String, String)>,
    /// The message id of a successful write, when not the usual one.
    pub(super) reply: Option<String>,
    /// Members are shown in full, not as links.
    pub(super) full: bool,
}

/// One property that lives elsewhere.
#[derive(Debug)]
pub(super) struct Mirror {
    /// Path in this resource.
    pub(super) here: String,
    /// The other resource.
    pub(super) resource: String,
    /// Path in the other resource.
    pub(super) there: String,
    /// True when the other spells a flag `Enabled` and `Disabled`.
    pub(super) word: bool,
}

/// One resource as stored.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    /// The address as the vendor writes it.
    pub(super) path: Arc<str>,
    /// The body as JSON text.
    text: Box<str>,
    /// Shared facts.
    pub(super) meta: Arc<Meta>,
}

impl Resource {
    /// A resource at `path`.
    pub(super) fn new(path: &str, body: &Value, meta: Arc<Meta>) -> Self {
        Self { path: Arc::from(path), text: body.to_string().into_boxed_str(), meta }
    }

    /// The body.
    pub(super) fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// Replace the body.
    pub(super) fn store(&mut self, body: &Value) {
        self.text = body.to_string().into_boxed_str();
    }

    /// Replace a text wherever it occurs in the body.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if self.text.contains(from) {
            self.text = self.text.replace(from, to).into_boxed_str();
        }
    }
}

/// The key a path is found by: lower case, without a trailing slash.
pub(super) fn key(path: &str) -> String {
    path.trim_end_matches('/').to_ascii_lowercase()
}

/// The value at a slash-separated path; a number steps into an array.
pub(super) fn at<'a>(body: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').try_fold(body, |value, step| match value {
        Value::Object(map) => map.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Set the value at a slash-separated path; missing objects are made, missing array slots are not.
pub(super) fn put(body: &mut Value, path: &str, new: Value) {
    let Some((step, rest)) = path.split_once('/') else {
        match body {
            Value::Object(map) => {
                map.insert(path.to_owned(), new);
            }
            Value::Array(items) => {
                if let Some(slot) = path.parse::<usize>().ok().and_then(|n| items.get_mut(n)) {
                    *slot = new;
                }
            }
            _ => {}
        }
        return;
    };
    let next = match body {
        Value::Object(map) => Some(map.entry(step.to_owned()).or_insert_with(|| Value::Object(serde_json::Map::new()))),
        Value::Array(items) => step.parse::<usize>().ok().and_then(|n| items.get_mut(n)),
        _ => None,
    };
    if let Some(next) = next {
        put(next, rest, new);
    }
}

/// The leaves of an object as (path, value); arrays and empty objects are leaves.
pub(super) fn leaves(value: &Value) -> Vec<(String, Value)> {
    fn walk(prefix: &str, value: &Value, out: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (name, inner) in map {
                    let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
                    walk(&path, inner, out);
                }
            }
            _ => out.push((prefix.to_owned(), value.clone())),
        }
    }
    let mut out = Vec::new();
    if value.as_object().is_some_and(|map| !map.is_empty()) {
        walk("", value, &mut out);
    }
    out
}
