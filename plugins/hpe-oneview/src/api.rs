//! OneView's REST: requests, lists with pages, errors.
//!
//! Promises: lists are followed by `nextPageUri` to their end, with a guard against circles; an error body's `errorCode`, message and
//! advice are kept. Does not: send `X-API-Version` or log in; the host does both.
//!
//! Not obvious: a filter is a quoted expression in the query and must be percent-encoded whole.

use farrier_plugin_sdk::Http;
use farrier_plugin_sdk::error;
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::Value;
use farrier_plugin_sdk::types::{Body, Busy, Error, Method, OtherError, RemoteError};
use farrier_plugin_sdk_fleet::rest::{self, Answer};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Members asked for at once.
const PAGE: u32 = 100;
/// Pages read of one list: more are a circle that changes its links.
const MAX_PAGES: usize = 500;

/// One appliance, for the length of one call.
pub struct OneView<'h> {
    http: &'h dyn Http,
}

impl<'h> OneView<'h> {
    /// Over a transport.
    pub fn new(http: &'h dyn Http) -> Self {
        Self { http }
    }

    /// A resource.
    pub fn get(&self, uri: &str) -> Result<Value, Error> {
        let path = rest::path_under("/rest/", uri)?;
        let answer = self.send(Method::Get, &path, Body::None)?;
        if answer.body.is_object() {
            Ok(answer.body)
        } else {
            Err(Error::Malformed(format!("GET {path}: the answer is not a JSON object")))
        }
    }

    /// A resource; `None` where there is none.
    pub fn find(&self, uri: &str) -> Result<Option<Value>, Error> {
        match self.get(uri) {
            Ok(value) => Ok(Some(value)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Send, and take an error status for an error.
    pub fn send(&self, method: Method, path: &str, body: Body) -> Result<Answer, Error> {
        let answer = rest::send(self.http, method, path, body)?;
        if answer.is_good() { Ok(answer) } else { Err(failure(&format!("{} {path}", verb(method)), &answer)) }
    }

    /// POST a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.send(Method::Post, path, Body::Json(body.to_string()))
    }

    /// Visit the members of a list until `visit` says no. `query` follows `start` and `count`: `&sort=…`.
    pub fn list(&self, uri: &str, query: &str, visit: &mut dyn FnMut(&Value) -> bool) -> Result<(), Error> {
        let mut next = Some(format!("{uri}?start=0&count={PAGE}{query}"));
        let mut seen: Vec<String> = Vec::new();
        while let Some(path) = next.take() {
            if seen.contains(&path) || seen.len() >= MAX_PAGES {
                return Err(Error::Malformed(format!("{uri}: the pages of the list have no end")));
            }
            let page = self.get(&path)?;
            if page.get("members").is_none() {
                return Err(Error::Malformed(format!("GET {path}: a list without `members`")));
            }
            if !page.list(&["members"]).iter().all(&mut *visit) {
                return Ok(());
            }
            next = page.text(&["nextPageUri"]).map(|link| rest::path_under("/rest/", &link)).transpose()?;
            seen.push(path);
        }
        Ok(())
    }
}

/// `&filter="name='value'"`, encoded.
pub fn filter(name: &str, value: &str) -> String {
    format!("&filter={}", utf8_percent_encode(&format!("\"{name}='{value}'\""), NON_ALPHANUMERIC))
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

const fn verb(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

/// The error an answer stands for.
fn failure(what: &str, answer: &Answer) -> Error {
    let remote = remote(answer.status, &answer.body);
    let text = if remote.message.is_empty() {
        format!("{what}: status {}", answer.status)
    } else {
        format!("{what}: {}", remote.message)
    };
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
        _ => Error::Rejected(RemoteError { message: text, ..remote }),
    }
}

/// OneView's error body; some appliances answer with a Redfish envelope instead.
fn remote(status: u16, body: &Value) -> RemoteError {
    if body.at(&["errorCode"]).is_none() && body.at(&["error"]).is_some() {
        let messages = error::messages(body);
        return error::rejection(status, &messages, error::describe(&messages));
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
