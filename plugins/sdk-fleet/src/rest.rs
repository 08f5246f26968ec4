//! JSON over HTTP, as fleet tools speak it.
//!
//! Promises: an answer's status, the headers a plugin needs, and its body as JSON, `Null` where it is none; lists are followed
//! to their end, with a guard against circles. Does not: know a tool; where its paths begin, how it pages and what its errors
//! say is its [`Dialect`].
//!
//! Not obvious: a link from a tool is sent only when it is a path under the prefix its dialect names, so a tool cannot lead a
//! plugin to another part of itself.

use farrier_plugin_sdk::error::by_status;
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::types::{Body, Error, Method, RemoteError, Request, Response, TextOrSecret};
use farrier_plugin_sdk::{Http, error, http};
use serde_json::Value;

/// Pages read of one list: more are a circle that changes its links.
const MAX_PAGES: usize = 500;

/// What one tool does otherwise than another.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// What all its paths begin with: `/api/`.
    pub prefix: &'static str,
    /// The name of a page's members.
    pub members: &'static str,
    /// The name of a page's link to the next.
    pub next: &'static str,
    /// The tool's own words in the body of an error with this status.
    pub said: fn(u16, &Value) -> RemoteError,
}

/// One tool, for the length of one call.
pub struct Rest<'h> {
    http: &'h dyn Http,
    dialect: Dialect,
}

impl<'h> Rest<'h> {
    /// Over a transport.
    pub fn new(http: &'h dyn Http, dialect: Dialect) -> Self {
        Self { http, dialect }
    }

    /// A resource.
    pub fn get(&self, link: &str) -> Result<Value, Error> {
        let path = path_under(self.dialect.prefix, link)?;
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

    /// Send, and take an error status for an error.
    pub fn send(&self, method: Method, path: &str, body: Body) -> Result<Answer, Error> {
        let answer = send(self.http, method, path, body)?;
        if answer.is_good() {
            Ok(answer)
        } else {
            Err(self.failure(&format!("{} {path}", http::verb(method)), &answer))
        }
    }

    /// POST a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.send(Method::Post, path, Body::Json(body.to_string()))
    }

    /// Visit the members of a list, page after page, until `visit` says no. `first` is the first page's path with its query.
    pub fn list(&self, first: &str, visit: &mut dyn FnMut(&Value) -> bool) -> Result<(), Error> {
        let Dialect { prefix, members, next, .. } = self.dialect;
        let mut link = Some(first.to_owned());
        let mut seen: Vec<String> = Vec::new();
        while let Some(path) = link.take() {
            if seen.contains(&path) || seen.len() >= MAX_PAGES {
                return Err(Error::Malformed(format!("GET {first}: the pages of the list have no end")));
            }
            let page = self.get(&path)?;
            if page.get(members).is_none() {
                return Err(Error::Malformed(format!("GET {path}: a list without `{members}`")));
            }
            if !page.list(&[members]).iter().all(&mut *visit) {
                return Ok(());
            }
            link = page.text(&[next]).map(|link| path_under(prefix, &link)).transpose()?;
            seen.push(path);
        }
        Ok(())
    }

    /// The error an answer stands for.
    fn failure(&self, what: &str, answer: &Answer) -> Error {
        let remote = (self.dialect.said)(answer.status, &answer.body);
        let text = match remote.message.as_str() {
            "" => format!("{what}: status {}", answer.status),
            said => format!("{what}: {said}"),
        };
        by_status(what, answer.status, answer.retry_after, text, |text| RemoteError { message: text, ..remote })
    }
}

/// The words of an error in the envelope that Redfish and OData share.
pub fn enveloped(status: u16, body: &Value) -> RemoteError {
    let messages = error::messages(body);
    error::rejection(status, &messages, error::describe(&messages))
}

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
fn send(http: &dyn Http, method: Method, path: &str, body: Body) -> Result<Answer, Error> {
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
