//! Jira's API: which flavour it is, requests, and what its refusals mean.
//!
//! Promises: the flavour is asked of `serverInfo`, never guessed from a name; a refusal keeps Jira's own words, with the
//! field it is about. Does not: retry.
//!
//! Not obvious: a login behind a CAPTCHA is a 403 with a header. It is `unauthenticated`, because each further try keeps
//! the account locked.

use crate::markdown::Block;
use crate::{adf, wiki};
use farrier_plugin_sdk::Http;
use farrier_plugin_sdk::error::from_http;
use farrier_plugin_sdk::http::header;
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::{self, Value};
use farrier_plugin_sdk::services::{Surroundings, failed, request};
use farrier_plugin_sdk::types::{Body, Error, Method, Response};

/// Which Jira it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// API v3, rich text is ADF, search by `search/jql`.
    Cloud,
    /// Data Center or Server: API v2, wiki markup, search by `search`.
    DataCenter,
}

/// A Jira, for the length of a call.
pub struct Jira<'a> {
    http: &'a dyn Http,
    /// Clock, settings and kept values.
    pub around: &'a dyn Surroundings,
    /// Which it is.
    pub flavour: Flavour,
    /// How people reach it, without a slash at the end.
    pub base: String,
}

impl<'a> Jira<'a> {
    /// Ask which Jira is behind this way out.
    pub fn detect(http: &'a dyn Http, around: &'a dyn Surroundings) -> Result<Self, Error> {
        let mut jira = Self { http, around, flavour: Flavour::DataCenter, base: String::new() };
        let info = jira.ask(Method::Get, "/rest/api/2/serverInfo", None)?;
        jira.flavour = match info.text(&["deploymentType"]).as_deref() {
            Some("Cloud") => Flavour::Cloud,
            // Old servers do not say; they are not Cloud.
            Some("Server" | "DataCenter") | None => Flavour::DataCenter,
            Some(other) => return Err(Error::Malformed(format!("a Jira of the deployment type `{other}`"))),
        };
        let base = info.text(&["baseUrl"]).unwrap_or_default();
        base.trim_end_matches('/').clone_into(&mut jira.base);
        Ok(jira)
    }

    /// A path of this flavour's API.
    pub fn path(&self, rest: &str) -> String {
        let version = match self.flavour {
            Flavour::Cloud => 3,
            Flavour::DataCenter => 2,
        };
        format!("/rest/api/{version}/{rest}")
    }

    /// Text as this flavour takes it.
    pub fn rich(&self, blocks: &[Block]) -> Value {
        match self.flavour {
            Flavour::Cloud => adf::document(blocks),
            Flavour::DataCenter => Value::String(wiki::text(blocks)),
        }
    }

    /// What people open.
    pub fn browse(&self, key: &str) -> String {
        format!("{}/browse/{key}", self.base)
    }

    /// GET a path of this flavour's API.
    pub fn get(&self, rest: &str) -> Result<Value, Error> {
        self.ask(Method::Get, &self.path(rest), None)
    }

    /// POST JSON.
    pub fn post(&self, rest: &str, body: &Value) -> Result<Value, Error> {
        self.ask(Method::Post, &self.path(rest), Some(body))
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let verb = if method == Method::Get { "GET" } else { "POST" };
        let what = format!("{verb} {}", path.split('?').next().unwrap_or(path));
        let body = body.map_or(Body::None, |body| Body::Json(body.to_string()));
        let response = self.http.send(request(method, path, body)).map_err(from_http)?;
        if (200..300).contains(&response.status) {
            if response.body.is_empty() {
                return Ok(Value::Null);
            }
            return serde_json::from_slice(&response.body)
                .map_err(|error| Error::Malformed(format!("{what}: the answer is not JSON: {error}")));
        }
        if header(&response, "x-seraph-loginreason").is_some_and(|reason| reason.contains("AUTHENTICATION_DENIED")) {
            return Err(Error::Unauthenticated);
        }
        let (said, field) = refusal(&response);
        Err(failed(&what, &response, &said, field))
    }
}

/// Jira's words, and the first field they are about. Its HTML pages say nothing.
fn refusal(response: &Response) -> (String, Option<String>) {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    let mut lines = body.texts(&["errorMessages"]);
    let errors = body.at(&["errors"]).and_then(Value::as_object);
    for (field, why) in errors.into_iter().flatten() {
        lines.push(format!("{field}: {}", why.as_str().map_or_else(|| why.to_string(), str::to_owned)));
    }
    (lines.join("; "), errors.and_then(|errors| errors.keys().next().cloned()))
}
