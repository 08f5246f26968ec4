//! Helpers for plugins that are no BMC drivers: boot provisioners, ticket systems, warranty look-ups.
//!
//! Promises: one way to ask and one way to say what an answer's failing status means. Does not: know any product, or hold
//! these worlds' bindings; such a plugin generates them itself and maps the shared interfaces to those of this crate.
//!
//! Not obvious: what a call needs of the host beside HTTP (clock, settings, its few kept values) is the trait
//! [`Surroundings`], so that a plugin's logic runs natively in tests.

use std::fmt::Write as _;

use crate::error::{by_status, retry_after};
use crate::types::{Body, Error, Method, OtherError, RemoteError, Request, Response, TextOrSecret};

/// What a call has around it beside HTTP.
pub trait Surroundings {
    /// What the operator configured under this key.
    fn setting(&self, key: &str) -> Option<String>;
    /// A value this plugin kept for this server.
    fn kept(&self, key: &str) -> Result<Option<String>, Error>;
    /// Keep a value, for so many seconds if a number is given.
    fn keep(&self, key: &str, value: &str, seconds: Option<u32>) -> Result<(), Error>;
    /// Forget a value.
    fn forget(&self, key: &str) -> Result<(), Error>;
    /// Milliseconds since the Unix epoch.
    fn now(&self) -> u64;
}

/// The host's imports, with the plugin's own `settings.get`: not every world has it.
#[derive(Clone, Copy)]
pub struct HostSide(pub fn(&str) -> Option<String>);

impl Surroundings for HostSide {
    fn setting(&self, key: &str) -> Option<String> {
        (self.0)(key)
    }

    fn kept(&self, key: &str) -> Result<Option<String>, Error> {
        let value = crate::bindings::farrier::provisioning::kv::get(key).map_err(|error| store(&error))?;
        Ok(value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn keep(&self, key: &str, value: &str, seconds: Option<u32>) -> Result<(), Error> {
        crate::bindings::farrier::provisioning::kv::set(key, value.as_bytes(), seconds).map_err(|error| store(&error))
    }

    fn forget(&self, key: &str) -> Result<(), Error> {
        crate::bindings::farrier::provisioning::kv::delete(key).map_err(|error| store(&error))
    }

    fn now(&self) -> u64 {
        crate::bindings::farrier::provisioning::clock::now()
    }
}

/// No surroundings: nothing is configured, nothing outlives the call.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Surroundings for Nothing {
    fn setting(&self, _key: &str) -> Option<String> {
        None
    }

    fn kept(&self, _key: &str) -> Result<Option<String>, Error> {
        Ok(None)
    }

    fn keep(&self, _key: &str, _value: &str, _seconds: Option<u32>) -> Result<(), Error> {
        Ok(())
    }

    fn forget(&self, _key: &str) -> Result<(), Error> {
        Ok(())
    }

    fn now(&self) -> u64 {
        0
    }
}

/// What must survive a crash could not be kept: the call stops before it changes anything.
fn store(error: &crate::bindings::farrier::provisioning::kv::KvError) -> Error {
    Error::Other(OtherError {
        code: "values-unavailable".to_owned(),
        message: format!("the host's store for this plugin's values: {error:?}"),
        retryable: true,
    })
}

/// A request without the headers that only Redfish needs.
pub fn request(method: Method, path: &str, body: Body) -> Request {
    let accept = ("Accept".to_owned(), TextOrSecret::Text("application/json".to_owned()));
    Request { method, path: path.to_owned(), headers: vec![accept], body, timeout: None }
}

/// Fields of a form, as text.
pub fn form(fields: &[(&str, &str)]) -> Body {
    Body::Form(
        fields.iter().map(|(name, value)| ((*name).to_owned(), TextOrSecret::Text((*value).to_owned()))).collect(),
    )
}

/// A value as it may stand in a query: everything but unreserved characters is percent-encoded.
pub fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The error a failing status stands for. `what` names the request; `said` is the remote side's text, `code` its own
/// code where it has one.
pub fn failed(what: &str, response: &Response, said: &str, code: Option<String>) -> Error {
    let said = said.trim();
    let text = if said.is_empty() { format!("{what}: status {}", response.status) } else { format!("{what}: {said}") };
    by_status(what, response.status, retry_after(response), text, |text| RemoteError {
        status: Some(response.status),
        code,
        message: text,
        resolution: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_hold_no_character_that_ends_a_value() {
        assert_eq!(encode("a0:36:9f & b=c/d"), "a0%3A36%3A9f%20%26%20b%3Dc%2Fd");
        assert_eq!(encode("AMS-SRV_0.1~x"), "AMS-SRV_0.1~x");
    }

    #[test]
    fn a_busy_answer_says_when_to_come_back() {
        let response = Response { status: 503, headers: vec![("retry-after".into(), "10".into())], body: Vec::new() };
        let Error::Busy(busy) = failed("POST /x", &response, "no rack", None) else { panic!("not busy") };
        assert_eq!((busy.retry_after, busy.reason.as_str()), (Some(10), "POST /x: no rack"));
    }
}
