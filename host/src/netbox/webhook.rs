//! What a webhook of NetBox says: which device, who changed it, and what became of its tenant and status.
//!
//! Pure. Reads the body that an event rule for updated devices sends by itself, of 3.7 (`model`) and of 4.x (`object_type`), and passes
//! over everything that is about something else. What it says is news, not truth: who acts on it reads NetBox again.

use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha512;

use super::device::MARKER;
use super::model::text;
use crate::fault::Secret;

/// The header with the signature.
pub const SIGNATURE: &str = "X-Hook-Signature";

/// A device that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// NetBox's id of it.
    pub device: u64,
    /// Its name.
    pub name: String,
    /// Whose account it was.
    pub by: String,
    /// Before and after, where the tenant changed: names.
    pub tenant: Option<(Option<String>, Option<String>)>,
    /// Before and after, where the status changed.
    pub status: Option<(String, String)>,
    /// Our id of the server and the version that was written last, from the custom field that carries them.
    pub marker: Option<String>,
}

/// A body that is not a webhook's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the webhook's body is malformed: {0}")]
pub struct Malformed(pub String);

#[derive(Deserialize)]
struct Body {
    event: String,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    object_type: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    request: Option<Value>,
    data: Value,
    #[serde(default)]
    snapshots: Option<Value>,
}

/// Read a body; `None`: it is about something else than an updated device.
pub fn read(body: &[u8]) -> Result<Option<Change>, Malformed> {
    let body: Body = serde_json::from_slice(body).map_err(|error| Malformed(error.to_string()))?;
    let is_device = match (&body.object_type, &body.model) {
        (Some(kind), _) => kind == "dcim.device",
        (None, Some(model)) => model == "device",
        (None, None) => return Err(Malformed("neither `object_type` nor `model`".to_owned())),
    };
    if !is_device || body.event != "updated" {
        return Ok(None);
    }
    let device =
        body.data.get("id").and_then(Value::as_u64).ok_or_else(|| Malformed("`data.id` is missing".to_owned()))?;
    let name = body.data.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let marker = body.data.pointer(&format!("/custom_fields/{MARKER}")).and_then(Value::as_str).map(str::to_owned);
    let by = body.username.clone().or_else(|| user(body.request.as_ref()?)).unwrap_or_else(|| "unknown".to_owned());
    Ok(Some(Change { device, name, by, tenant: tenant(&body), status: status(&body), marker }))
}

/// 4.x says the user in `request` as well, as a name or as an object.
fn user(request: &Value) -> Option<String> {
    let user = request.get("user")?;
    user.as_str().or_else(|| user.get("username").and_then(Value::as_str)).map(str::to_owned)
}

fn snapshot<'a>(body: &'a Body, which: &str, field: &str) -> Option<&'a Value> {
    body.snapshots.as_ref()?.get(which)?.get(field)
}

/// A snapshot holds ids, so that a change is seen; the name after it stands in `data`. Without snapshots nothing is taken to have changed.
fn tenant(body: &Body) -> Option<(Option<String>, Option<String>)> {
    let (before, after) = (snapshot(body, "prechange", "tenant")?, snapshot(body, "postchange", "tenant")?);
    if before == after {
        return None;
    }
    let name = body.data.pointer("/tenant/name").and_then(Value::as_str).map(str::to_owned);
    let id = |value: &Value| value.as_u64().map(|id| format!("tenant {id}"));
    Some((id(before), name))
}

fn status(body: &Body) -> Option<(String, String)> {
    let (before, after) = (snapshot(body, "prechange", "status")?, snapshot(body, "postchange", "status")?);
    (before != after).then(|| (text(before).unwrap_or_default().to_owned(), text(after).unwrap_or_default().to_owned()))
}

/// Was the body signed with this secret? `signature`: hex of its HMAC-SHA512. Compared in constant time.
pub fn is_signed(secret: &Secret, body: &[u8], signature: &str) -> bool {
    let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(secret.expose().as_bytes()) else { return false };
    mac.update(body);
    bytes(signature.trim()).is_some_and(|signature| mac.verify_slice(&signature).is_ok())
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "`json!` at the place of the call")]
    fn parts(before: Value, after: Value) -> Value {
        json!({
            "event": "updated", "timestamp": "2026-11-22T16:10:49Z", "request_id": "r",
            "data": {"id": 7, "name": "AMS-SRV-001", "tenant": {"id": 3, "name": "Acme", "slug": "acme"},
                "status": {"value": "active", "label": "Active"},
                "custom_fields": {"farrier_transition": "a0369f010000:12"}},
            "snapshots": {"prechange": before, "postchange": after},
        })
    }

    #[allow(clippy::needless_pass_by_value, reason = "`json!` at the place of the call")]
    fn with(mut body: Value, more: Value) -> Vec<u8> {
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::to_vec(&body).unwrap()
    }

    #[test]
    fn both_versions_say_who_changed_what() {
        let change = || parts(json!({"tenant": null, "status": "staged"}), json!({"tenant": 3, "status": "active"}));
        let old = read(&with(change(), json!({"model": "device", "username": "anna"}))).unwrap().unwrap();
        let request = json!({"id": "r", "method": "PATCH", "path": "/api/dcim/devices/7/", "user": "anna"});
        let new = read(&with(change(), json!({"object_type": "dcim.device", "request": request}))).unwrap().unwrap();
        assert_eq!(old, new);
        assert_eq!((old.device, old.name.as_str(), old.by.as_str()), (7, "AMS-SRV-001", "anna"));
        assert_eq!(old.tenant, Some((None, Some("Acme".to_owned()))));
        assert_eq!(old.status, Some(("staged".to_owned(), "active".to_owned())));
        assert_eq!(old.marker.as_deref(), Some("a0369f010000:12"));
    }

    #[test]
    fn what_did_not_change_is_no_news() {
        let same = || parts(json!({"tenant": 3, "status": "active"}), json!({"tenant": 3, "status": "active"}));
        let change = read(&with(same(), json!({"model": "device"}))).unwrap().unwrap();
        assert_eq!((change.tenant, change.status, change.by.as_str()), (None, None, "unknown"));
        assert_eq!(read(&with(same(), json!({"model": "site"}))).unwrap(), None);
        assert_eq!(read(&with(same(), json!({"model": "device", "event": "created"}))).unwrap(), None);
        assert_eq!(read(&with(same(), json!({"object_type": "dcim.interface", "model": "device"}))).unwrap(), None);
    }

    #[test]
    fn what_is_no_webhook_is_refused() {
        for body in
            ["", "[]", "{}", r#"{"event":"updated","data":{}}"#, r#"{"event":"updated","model":"device","data":{}}"#]
        {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn only_the_right_secret_over_the_very_body_signs_it() {
        // HMAC-SHA512 of this text under the key "key", as widely published.
        let text = b"The quick brown fox jumps over the lazy dog";
        let right = "b42af09057bac1e2d41708e48a902e09b5ff7f12ab428a4fe86653c73dd248fb82f948a549f7b791a5b41915ee4d1ec3935357e4e2317250d0372afa2ebeeb3a";
        let key = Secret::new("key");
        assert!(is_signed(&key, text, right));
        assert!(is_signed(&key, text, &right.to_uppercase()));
        assert!(!is_signed(&key, b"The quick brown fox jumps over the lazy cog", right));
        assert!(!is_signed(&Secret::new("kez"), text, right));
        for wrong in ["", "b4", "zz", "b42", "ü1", &right[..126]] {
            assert!(!is_signed(&key, text, wrong), "{wrong}");
        }
    }
}
