//! MAAS's API: paths with a trailing slash, forms in, JSON or plain text out.
//!
//! Promises: every path ends in a slash (without one MAAS redirects and a POST loses its body); a failing status becomes
//! one case of the contract, with MAAS's own words. Does not: retry, or know what a machine's state means.

use farrier_plugin_sdk::Http;
use farrier_plugin_sdk::error::from_http;
use farrier_plugin_sdk::http::verb;
use farrier_plugin_sdk::serde_json::Value;
use farrier_plugin_sdk::services::{Surroundings, failed, form, request};
use farrier_plugin_sdk::types::{Body, Error, Method, Response};

const API: &str = "/MAAS/api/2.0/";

/// A MAAS, for the length of a call.
pub struct Maas<'a> {
    http: &'a dyn Http,
    /// Clock, settings and kept values.
    pub around: &'a dyn Surroundings,
}

impl<'a> Maas<'a> {
    /// The MAAS behind this way out.
    pub fn new(http: &'a dyn Http, around: &'a dyn Surroundings) -> Self {
        Self { http, around }
    }

    /// GET a path below the API's root, as `machines/abc123/`.
    pub fn get(&self, path: &str) -> Result<Value, Error> {
        self.ask(Method::Get, path, Body::None)
    }

    /// POST a form.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Result<Value, Error> {
        self.ask(Method::Post, path, form(fields))
    }

    /// PUT a form.
    pub fn put(&self, path: &str, fields: &[(&str, &str)]) -> Result<Value, Error> {
        self.ask(Method::Put, path, form(fields))
    }

    /// DELETE. What is not there is deleted.
    pub fn delete(&self, path: &str) -> Result<(), Error> {
        match self.ask(Method::Delete, path, Body::None) {
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn ask(&self, method: Method, path: &str, body: Body) -> Result<Value, Error> {
        let what = format!("{} {path}", verb(method));
        let response = self.http.send(request(method, &format!("{API}{path}"), body)).map_err(from_http)?;
        if !(200..300).contains(&response.status) {
            return Err(failed(&what, &response, &said(&response), field(&response)));
        }
        if response.body.is_empty() {
            return Ok(Value::Null);
        }
        farrier_plugin_sdk::serde_json::from_slice(&response.body)
            .map_err(|error| Error::Malformed(format!("{what}: the answer is not JSON: {error}")))
    }
}

/// A refusal's words: plain text, or `{"field": ["why"]}`.
fn said(response: &Response) -> String {
    let text = String::from_utf8_lossy(&response.body).into_owned();
    let Ok(Value::Object(fields)) = farrier_plugin_sdk::serde_json::from_str(&text) else {
        return text.chars().take(500).collect();
    };
    let lines = fields.iter().map(|(name, why)| match why {
        Value::Array(texts) => {
            format!("{name}: {}", texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        other => format!("{name}: {other}"),
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// The first field that a validation error names.
fn field(response: &Response) -> Option<String> {
    let body: Value = farrier_plugin_sdk::serde_json::from_slice(&response.body).ok()?;
    body.as_object()?.keys().next().cloned()
}
