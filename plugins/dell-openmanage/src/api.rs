//! OpenManage's OData: requests, collections with pages, errors.
//!
//! Promises: collections are followed by `@odata.nextLink` to their end, with a guard against circles; an error's message id, words
//! and advice are kept. Does not: log in; the host does.
//!
//! Not obvious: the first page is fifty members whatever there is, so a client that does not follow sees the first fifty alone.

use farrier_plugin_sdk::Http;
use farrier_plugin_sdk::error;
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::Value;
use farrier_plugin_sdk::types::{Body, Busy, Error, Method, OtherError};
use farrier_plugin_sdk_fleet::rest::{self, Answer};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Pages read of one collection: more are a circle that changes its links.
const MAX_PAGES: usize = 500;

/// One appliance, for the length of one call.
pub struct Ome<'h> {
    http: &'h dyn Http,
}

impl<'h> Ome<'h> {
    /// Over a transport.
    pub fn new(http: &'h dyn Http) -> Self {
        Self { http }
    }

    /// A resource.
    pub fn get(&self, link: &str) -> Result<Value, Error> {
        let path = rest::path_under("/api/", link)?;
        let answer = self.send(Method::Get, &path, Body::None)?;
        if answer.body.is_object() {
            Ok(answer.body)
        } else {
            Err(Error::Malformed(format!("GET {path}: the answer is not a JSON object")))
        }
    }

    /// A resource; `None` where there is none.
    pub fn find(&self, link: &str) -> Result<Option<Value>, Error> {
        match self.get(link) {
            Ok(value) => Ok(Some(value)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// POST a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        Ok(self.send(Method::Post, path, Body::Json(body.to_string()))?.body)
    }

    fn send(&self, method: Method, path: &str, body: Body) -> Result<Answer, Error> {
        let answer = rest::send(self.http, method, path, body)?;
        let verb = if method == Method::Get { "GET" } else { "POST" };
        if answer.is_good() { Ok(answer) } else { Err(failure(&format!("{verb} {path}"), &answer)) }
    }

    /// Visit the members of a collection until `visit` says no. `query` is encoded: `?$filter=…`.
    pub fn list(&self, path: &str, query: &str, visit: &mut dyn FnMut(&Value) -> bool) -> Result<(), Error> {
        let mut next = Some(format!("{path}{query}"));
        let mut seen: Vec<String> = Vec::new();
        while let Some(link) = next.take() {
            if seen.contains(&link) || seen.len() >= MAX_PAGES {
                return Err(Error::Malformed(format!("{path}: the pages of the collection have no end")));
            }
            let page = self.get(&link)?;
            if page.get("value").is_none() {
                return Err(Error::Malformed(format!("GET {link}: a collection without `value`")));
            }
            if !page.list(&["value"]).iter().all(&mut *visit) {
                return Ok(());
            }
            next = page.text(&["@odata.nextLink"]).map(|link| rest::path_under("/api/", &link)).transpose()?;
            seen.push(link);
        }
        Ok(())
    }
}

/// `?$filter=Name eq 'value'`, encoded; a quote in the value is doubled.
pub fn filter(name: &str, value: &str) -> String {
    let expression = format!("{name} eq '{}'", value.replace('\'', "''"));
    format!("?$filter={}", utf8_percent_encode(&expression, NON_ALPHANUMERIC))
}

/// The error an answer stands for.
fn failure(what: &str, answer: &Answer) -> Error {
    let messages = error::messages(&answer.body);
    let said = error::describe(&messages);
    let text = if said.is_empty() { format!("{what}: status {}", answer.status) } else { format!("{what}: {said}") };
    match answer.status {
        401 => Error::Unauthenticated,
        403 => Error::Forbidden(text),
        404 | 410 => Error::NotFound(text),
        405 | 501 => Error::Unsupported(text),
        408 | 504 => Error::TimedOut,
        409 | 412 | 428 => Error::Conflict(text),
        429 | 503 => Error::Busy(Busy { retry_after: answer.retry_after, reason: text }),
        500..=599 => {
            Error::Other(OtherError { code: format!("http-{}", answer.status), message: text, retryable: true })
        }
        status => Error::Rejected(error::rejection(status, &messages, text)),
    }
}
