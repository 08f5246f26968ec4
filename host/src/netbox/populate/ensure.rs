//! Brings a list of objects into being: what is missing is made in bulk, what differs is changed field by field.
//!
//! Compares field by field with what NetBox gives back, whose references are objects, whose choices are pairs and whose
//! numbers may be `10.0`. A field that is only for making (`fresh`) is never changed afterwards: it is the operator's.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::client::Client;
use super::super::error::NetBoxError;
use super::report::{Progress, Report};

/// Objects made in one request; each is one transaction in NetBox.
const CHUNK: usize = 50;

/// One object that should be.
#[derive(Clone, Debug)]
pub struct Wanted<K> {
    /// What tells it from the others of its kind.
    pub key: K,
    /// Fields that must be so.
    pub fields: Value,
    /// Fields it begins with.
    pub fresh: Value,
}

/// Makes and changes objects, and counts.
pub struct Ensure<'a> {
    /// The way to NetBox.
    pub client: &'a Client,
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// What was done.
    pub report: Report,
}

impl Ensure<'_> {
    /// Bring `wanted` about and give the id of each. `there` are the objects NetBox has, by the same key.
    pub async fn all<K: Ord + Clone>(
        &mut self,
        kind: &'static str,
        path: &str,
        there: &BTreeMap<K, Value>,
        wanted: Vec<Wanted<K>>,
    ) -> Result<BTreeMap<K, u64>, NetBoxError> {
        let all = wanted.len();
        let mut ids = BTreeMap::new();
        let mut missing = Vec::new();
        for want in wanted {
            let Some(object) = there.get(&want.key) else {
                missing.push(want);
                continue;
            };
            let Some(id) = id(object) else { continue };
            let changes = differing(object, &want.fields);
            if changes.is_empty() {
                count(&mut self.report.unchanged, kind, 1);
            } else {
                self.client.patch(&format!("{path}/{id}"), &Value::Object(changes), None).await?;
                count(&mut self.report.changed, kind, 1);
            }
            ids.insert(want.key, id);
            self.progress.at(kind, ids.len(), all);
        }
        for chunk in missing.chunks(CHUNK) {
            let bodies: Vec<Value> = chunk.iter().map(|want| merged(&want.fields, &want.fresh)).collect();
            let made = self.client.post(path, &Value::Array(bodies)).await?;
            let made = made.as_array().map(Vec::as_slice).unwrap_or_default();
            if made.len() != chunk.len() {
                let text = format!("{} objects were asked for and {} made", chunk.len(), made.len());
                return Err(NetBoxError::NotNetBox { what: format!("POST /api/{path}/"), text });
            }
            // Objects come back in the order they were sent.
            ids.extend(chunk.iter().zip(made).filter_map(|(want, made)| Some((want.key.clone(), id(made)?))));
            count(&mut self.report.created, kind, chunk.len());
            self.progress.at(kind, ids.len(), all);
        }
        Ok(ids)
    }
}

fn count(counts: &mut BTreeMap<&'static str, usize>, kind: &'static str, more: usize) {
    *counts.entry(kind).or_default() += more;
}

fn id(object: &Value) -> Option<u64> {
    object.get("id").and_then(Value::as_u64)
}

fn merged(fields: &Value, fresh: &Value) -> Value {
    let mut body = fields.as_object().cloned().unwrap_or_default();
    body.extend(fresh.as_object().cloned().unwrap_or_default());
    body.retain(|_, value| !value.is_null());
    Value::Object(body)
}

/// The fields that are not as they should be; what the file does not say (null) is the operator's.
fn differing(object: &Value, fields: &Value) -> Map<String, Value> {
    let fields = fields.as_object().into_iter().flatten().filter(|(_, wanted)| !wanted.is_null());
    let differs = |(name, wanted): &(&String, &Value)| !same(object.get(name.as_str()).unwrap_or(&Value::Null), wanted);
    fields.filter(differs).map(|(name, wanted)| (name.clone(), wanted.clone())).collect()
}

fn same(now: &Value, wanted: &Value) -> bool {
    if let Some(object) = now.as_object() {
        let plain = object.get("id").or_else(|| object.get("value"));
        return plain.is_some_and(|plain| same(plain, wanted));
    }
    match (now.as_f64(), wanted.as_f64()) {
        (Some(now), Some(wanted)) => (now - wanted).abs() < 1e-9,
        _ => now == wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_sent() {
        let object = json!({"id": 1, "site": {"id": 3, "name": "x"}, "status": {"value": "active", "label": "A"}, "position": 10.0, "serial": "A", "rack": null});
        assert!(differing(&object, &json!({"site": 3, "status": "active", "position": 10, "serial": "A"})).is_empty());
        assert!(differing(&object, &json!({"serial": null})).is_empty(), "what the file does not say stays");
        assert_eq!(Value::Object(differing(&object, &json!({"site": 4, "rack": 2}))), json!({"site": 4, "rack": 2}));
    }
}
