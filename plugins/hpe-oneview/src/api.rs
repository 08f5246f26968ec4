//! OneView's dialect: where its paths begin, its lists, its errors.
//!
//! Promises: an error body's `errorCode`, message and advice are kept. Does not: send `X-API-Version` or log in; the host does both.
//!
//! Not obvious: a filter is a quoted expression in the query and must be percent-encoded whole.

use farrier_plugin_sdk::Http;
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::Value;
use farrier_plugin_sdk::services::encode;
use farrier_plugin_sdk::types::RemoteError;
use farrier_plugin_sdk_fleet::rest::{Dialect, Rest, enveloped};

/// Members asked for at once.
const PAGE: u32 = 100;

const DIALECT: Dialect = Dialect { prefix: "/rest/", members: "members", next: "nextPageUri", said: remote };

/// An appliance, for the length of one call.
pub fn appliance(http: &dyn Http) -> Rest<'_> {
    Rest::new(http, DIALECT)
}

/// The path of a list's first page. `query` follows `start` and `count`: `&sort=…`.
pub fn first(uri: &str, query: &str) -> String {
    format!("{uri}?start=0&count={PAGE}{query}")
}

/// `&filter="name='value'"`, encoded.
pub fn filter(name: &str, value: &str) -> String {
    format!("&filter={}", encode(&format!("\"{name}='{value}'\"")))
}

/// Whether two references name one resource: both are its URI, or one is the last part of it.
pub fn same(a: &str, b: &str) -> bool {
    let plain = |text: &str| text.trim().trim_end_matches('/').to_ascii_lowercase();
    plain(a) == plain(b)
}

/// The last part of a URI.
pub fn last(uri: &str) -> &str {
    uri.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// OneView's error body; some appliances answer with a Redfish envelope instead.
fn remote(status: u16, body: &Value) -> RemoteError {
    if body.at(&["errorCode"]).is_none() && body.at(&["error"]).is_some() {
        return enveloped(status, body);
    }
    said(Some(status), body)
}

/// An object with `errorCode`, `message`, `details` and `recommendedActions`, as errors and tasks have it.
pub fn said(status: Option<u16>, body: &Value) -> RemoteError {
    let mut message = body.text(&["message"]).unwrap_or_default();
    if let Some(details) = body.text(&["details"]).filter(|details| *details != message) {
        message = if message.is_empty() { details } else { format!("{message} ({details})") };
    }
    let advice = body.texts(&["recommendedActions"]);
    RemoteError {
        status,
        code: body.text(&["errorCode"]),
        message,
        resolution: (!advice.is_empty()).then(|| advice.join(" ")),
    }
}
