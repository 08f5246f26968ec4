//! The one way out of a plugin, as a trait.
//!
//! Promises: in the sandbox [`Host`] calls the host's `http` import; natively a test gives a recorded tree in its
//! place. Does not: interpret an answer, follow links, keep state.
//!
//! Not obvious: `send_many` has a default that sends in sequence, so a fake needs one function only.

use crate::types::{Body, HttpError, Method, Request, Response, TextOrSecret};

/// Something that carries requests to the endpoint of this call.
pub trait Http {
    /// Send one request. Any status is an answer; only transport and policy fail.
    fn send(&self, request: Request) -> Result<Response, HttpError>;

    /// Send several, at most `max_in_flight` at once; the answers come in the order asked.
    fn send_many(&self, requests: Vec<Request>, _max_in_flight: u32) -> Vec<Result<Response, HttpError>> {
        requests.into_iter().map(|request| self.send(request)).collect()
    }
}

/// The host's `http` import.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host;

impl Http for Host {
    fn send(&self, request: Request) -> Result<Response, HttpError> {
        crate::bindings::farrier::provisioning::http::send(&request)
    }

    fn send_many(&self, requests: Vec<Request>, max_in_flight: u32) -> Vec<Result<Response, HttpError>> {
        crate::bindings::farrier::provisioning::http::send_many(&requests, max_in_flight)
    }
}

/// A GET of a path, with the headers Redfish asks for.
pub fn get(path: &str) -> Request {
    Request {
        method: Method::Get,
        path: path.to_owned(),
        headers: vec![
            ("OData-Version".to_owned(), TextOrSecret::Text("4.0".to_owned())),
            ("Accept".to_owned(), TextOrSecret::Text("application/json".to_owned())),
        ],
        body: Body::None,
        timeout: None,
    }
}

/// A request with a JSON body, with the headers Redfish asks for.
pub fn with_json(method: Method, path: &str, body: &serde_json::Value) -> Request {
    Request { method, body: Body::Json(body.to_string()), ..get(path) }
}

/// A header of an answer; names are lower case by contract.
pub fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// A method as a request line has it.
pub const fn verb(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}
