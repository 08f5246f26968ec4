//! JSON over HTTP, as fleet tools speak it.
//!
//! Promises: an answer's status, the headers a plugin needs, and its body as JSON, `Null` where it is none. Does not: judge the
//! status; what an error means is each tool's own.
//!
//! Not obvious: a link from a tool is sent only when it is a path under the prefix the plugin names, so a tool cannot lead a plugin
//! to another part of itself.

use farrier_plugin_sdk::types::{Body, Error, Method, Request, Response, TextOrSecret};
use farrier_plugin_sdk::{Http, error, http};
use serde_json::Value;

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// `Location`, as sent.
    pub location: Option<String>,
    /// Seconds of `Retry-After`.
    pub retry_after: Option<u32>,
    /// The body.
    pub body: Value,
}

impl Answer {
    /// 200 to 299.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Send one request and read the answer.
pub fn send(http: &dyn Http, method: Method, path: &str, body: Body) -> Result<Answer, Error> {
    let headers = vec![("Accept".to_owned(), TextOrSecret::Text("application/json".to_owned()))];
    let request = Request { method, path: path.to_owned(), headers, body, timeout: None };
    let answer = http.send(request).map_err(error::from_http)?;
    Ok(read(&answer))
}

fn read(answer: &Response) -> Answer {
    Answer {
        status: answer.status,
        location: http::header(answer, "location").map(ToOwned::to_owned),
        retry_after: http::header(answer, "retry-after").and_then(|text| text.trim().parse().ok()),
        body: serde_json::from_slice(&answer.body).unwrap_or(Value::Null),
    }
}

/// The path of a link, which must lie under `prefix`; origin and fragment are taken off.
pub fn path_under(prefix: &str, link: &str) -> Result<String, Error> {
    let refuse = || Error::Malformed(format!("a link leads outside `{prefix}`: `{link}`"));
    let mut path = link.trim();
    if let Some((_, rest)) = path.split_once("://") {
        path = rest.find('/').and_then(|at| rest.get(at..)).ok_or_else(refuse)?;
    }
    let path = path.split('#').next().unwrap_or_default();
    let plain = path.split('?').next().unwrap_or_default();
    let climbs = plain.split('/').any(|part| part == ".." || part.eq_ignore_ascii_case("%2e%2e"));
    if plain.starts_with(prefix) && !climbs { Ok(path.to_owned()) } else { Err(refuse()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_under_their_prefix() {
        assert_eq!(path_under("/rest/", "https://10.0.0.1/rest/tasks/1#x").as_deref(), Ok("/rest/tasks/1"));
        assert_eq!(path_under("/api/", "/api/D?$skip=50&$top=50").as_deref(), Ok("/api/D?$skip=50&$top=50"));
        for bad in ["/api/x", "https://evil", "/rest/../x", "", "rest/x"] {
            assert!(path_under("/rest/", bad).is_err(), "{bad}");
        }
    }
}
